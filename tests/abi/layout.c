/* Where each field of each public struct lies, and each public number, on 64-bit machines (LP64). None of it may change
 * within a major version: a struct only grows at its end, where a line is added here. A struct ends with its last field, so
 * that nothing can be put into its padding unseen. Compiled by tools/check-headers.sh, as C and as C++. */
#include <stddef.h>

#include "modnas/modnas.h"

#ifdef __cplusplus
#define HOLDS(x, text) static_assert(x, text)
#else
#define HOLDS(x, text) _Static_assert(x, text)
#endif
#define SIZE(T, bytes, last)                                                                                           \
    HOLDS(sizeof(T) == (bytes), #T " has another size");                                                               \
    HOLDS(offsetof(T, last) + sizeof(((T *)0)->last) == sizeof(T), #T " does not end with " #last);
#define AT(T, field, offset) HOLDS(offsetof(T, field) == (offset), #T "." #field " lies elsewhere");
#define NUMBER(name, value)  HOLDS((name) == (value), #name " has another value");

SIZE(modnas_bundle_opts, 24, out)
AT(modnas_bundle_opts, size, 0) AT(modnas_bundle_opts, estim, 8) AT(modnas_bundle_opts, out, 16)

SIZE(modnas_component, 64, ud_free)
AT(modnas_component, size, 0) AT(modnas_component, kind, 8) AT(modnas_component, name, 16)
AT(modnas_component, text, 24) AT(modnas_component, args, 32) AT(modnas_component, vt, 40)
AT(modnas_component, ud, 48) AT(modnas_component, ud_free, 56)

SIZE(modnas_construct_vt, 24, reserved)
AT(modnas_construct_vt, size, 0) AT(modnas_construct_vt, run, 8) AT(modnas_construct_vt, after_commit, 16)
AT(modnas_construct_vt, reserved, 20)

SIZE(modnas_criterion_vt, 16, loss)
AT(modnas_criterion_vt, size, 0) AT(modnas_criterion_vt, loss, 8)

SIZE(modnas_ctx_opts, 56, log_level)
AT(modnas_ctx_opts, size, 0) AT(modnas_ctx_opts, alloc_fn, 8) AT(modnas_ctx_opts, alloc_ud, 16)
AT(modnas_ctx_opts, log_fn, 24) AT(modnas_ctx_opts, log_ud, 32) AT(modnas_ctx_opts, plugin_dir, 40)
AT(modnas_ctx_opts, threads, 48) AT(modnas_ctx_opts, log_level, 52)

SIZE(modnas_data_source, 64, ud_free)
AT(modnas_data_source, size, 0) AT(modnas_data_source, n, 8) AT(modnas_data_source, dims, 16)
AT(modnas_data_source, n_classes, 28) AT(modnas_data_source, thread_safe, 32) AT(modnas_data_source, reserved, 36)
AT(modnas_data_source, sample, 40) AT(modnas_data_source, ud, 48) AT(modnas_data_source, ud_free, 56)

SIZE(modnas_describe_opts, 24, batch)
AT(modnas_describe_opts, size, 0) AT(modnas_describe_opts, input, 8) AT(modnas_describe_opts, batch, 20)

SIZE(modnas_estim_vt, 32, load)
AT(modnas_estim_vt, size, 0) AT(modnas_estim_vt, run, 8) AT(modnas_estim_vt, save, 16) AT(modnas_estim_vt, load, 24)

SIZE(modnas_evaluation, 72, score)
AT(modnas_evaluation, size, 0) AT(modnas_evaluation, estim, 8) AT(modnas_evaluation, index, 16)
AT(modnas_evaluation, arch, 24) AT(modnas_evaluation, desc, 32) AT(modnas_evaluation, metrics, 40)
AT(modnas_evaluation, n_metrics, 48) AT(modnas_evaluation, status, 52) AT(modnas_evaluation, is_best, 56)
AT(modnas_evaluation, score, 64)

SIZE(modnas_export_opts, 32, onnx)
AT(modnas_export_opts, size, 0) AT(modnas_export_opts, calibrate, 8) AT(modnas_export_opts, n_batches, 16)
AT(modnas_export_opts, reserved, 20) AT(modnas_export_opts, onnx, 24)

SIZE(modnas_export_vt, 16, run)
AT(modnas_export_vt, size, 0) AT(modnas_export_vt, run, 8)

SIZE(modnas_inspect_opts, 16, as)
AT(modnas_inspect_opts, size, 0) AT(modnas_inspect_opts, as, 8)

SIZE(modnas_metric, 16, value)
AT(modnas_metric, name, 0) AT(modnas_metric, value, 8)

SIZE(modnas_metrics_vt, 16, measure)
AT(modnas_metrics_vt, size, 0) AT(modnas_metrics_vt, measure, 8)

SIZE(modnas_module_vt, 24, forward)
AT(modnas_module_vt, size, 0) AT(modnas_module_vt, build, 8) AT(modnas_module_vt, forward, 16)

SIZE(modnas_onnx_opts, 64, metadata)
AT(modnas_onnx_opts, size, 0) AT(modnas_onnx_opts, opset, 8) AT(modnas_onnx_opts, batch, 12)
AT(modnas_onnx_opts, keep_batch_norm, 16) AT(modnas_onnx_opts, custom_ops, 20) AT(modnas_onnx_opts, channels_last, 24)
AT(modnas_onnx_opts, bytes, 28) AT(modnas_onnx_opts, mean, 32) AT(modnas_onnx_opts, stddev, 40)
AT(modnas_onnx_opts, class_names, 48) AT(modnas_onnx_opts, metadata, 56)

SIZE(modnas_optim_vt, 56, load)
AT(modnas_optim_vt, size, 0) AT(modnas_optim_vt, create, 8) AT(modnas_optim_vt, ask, 16) AT(modnas_optim_vt, tell, 24)
AT(modnas_optim_vt, destroy, 32) AT(modnas_optim_vt, save, 40) AT(modnas_optim_vt, load, 48)

SIZE(modnas_place, 40, search)
AT(modnas_place, size, 0) AT(modnas_place, model, 8) AT(modnas_place, module, 16) AT(modnas_place, name, 24)
AT(modnas_place, search, 32)

SIZE(modnas_profile_opts, 56, reserved)
AT(modnas_profile_opts, size, 0) AT(modnas_profile_opts, input, 8) AT(modnas_profile_opts, batch, 20)
AT(modnas_profile_opts, runs, 24) AT(modnas_profile_opts, list_jobs, 28) AT(modnas_profile_opts, measured, 32)
AT(modnas_profile_opts, jobs_dir, 40) AT(modnas_profile_opts, check_nets, 48) AT(modnas_profile_opts, reserved, 52)

SIZE(modnas_progress, 96, seconds_left)
AT(modnas_progress, size, 0) AT(modnas_progress, estim, 8) AT(modnas_progress, phase, 16)
AT(modnas_progress, epoch, 24) AT(modnas_progress, epochs, 32) AT(modnas_progress, step, 40)
AT(modnas_progress, steps, 48) AT(modnas_progress, loss, 56) AT(modnas_progress, acc_top1, 64)
AT(modnas_progress, lr, 72) AT(modnas_progress, seconds, 80) AT(modnas_progress, seconds_left, 88)

SIZE(modnas_report_opts, 16, latency_table)
AT(modnas_report_opts, size, 0) AT(modnas_report_opts, latency_table, 8)

SIZE(modnas_run_opts, 32, reserved)
AT(modnas_run_opts, size, 0) AT(modnas_run_opts, progress, 8) AT(modnas_run_opts, progress_ud, 16)
AT(modnas_run_opts, resume, 24) AT(modnas_run_opts, reserved, 28)

SIZE(modnas_search_opts, 64, reserved)
AT(modnas_search_opts, size, 0) AT(modnas_search_opts, estim, 8) AT(modnas_search_opts, progress, 16)
AT(modnas_search_opts, evaluated, 24) AT(modnas_search_opts, epoch_done, 32) AT(modnas_search_opts, ud, 40)
AT(modnas_search_opts, ud_free, 48) AT(modnas_search_opts, resume, 56) AT(modnas_search_opts, reserved, 60)

SIZE(modnas_slot_info, 40, filled)
AT(modnas_slot_info, size, 0) AT(modnas_slot_info, name, 8) AT(modnas_slot_info, kwargs, 16)
AT(modnas_slot_info, chn_in, 24) AT(modnas_slot_info, chn_out, 28) AT(modnas_slot_info, stride, 32)
AT(modnas_slot_info, filled, 36)

SIZE(modnas_tensor_info, 64, trained)
AT(modnas_tensor_info, size, 0) AT(modnas_tensor_info, name, 8) AT(modnas_tensor_info, dims, 16)
AT(modnas_tensor_info, count, 48) AT(modnas_tensor_info, n_dims, 56) AT(modnas_tensor_info, trained, 60)

SIZE(modnas_verify_opts, 16, overrides)
AT(modnas_verify_opts, size, 0) AT(modnas_verify_opts, overrides, 8)

SIZE(modnas_window_opts, 64, reserved)
AT(modnas_window_opts, size, 0) AT(modnas_window_opts, kernel, 8) AT(modnas_window_opts, stride, 16)
AT(modnas_window_opts, pad, 24) AT(modnas_window_opts, dilation, 40) AT(modnas_window_opts, groups, 48)
AT(modnas_window_opts, ceil_mode, 52) AT(modnas_window_opts, count_pad, 56) AT(modnas_window_opts, reserved, 60)

NUMBER(MODNAS_OK, 0) NUMBER(MODNAS_EINVAL, -1) NUMBER(MODNAS_ENOMEM, -2) NUMBER(MODNAS_ESHAPE, -3)
NUMBER(MODNAS_EUNSUPPORTED, -4) NUMBER(MODNAS_ENOTFOUND, -5) NUMBER(MODNAS_EEXIST, -6) NUMBER(MODNAS_EIO, -7)
NUMBER(MODNAS_EFORMAT, -8) NUMBER(MODNAS_ECONFIG, -9) NUMBER(MODNAS_EBUSY, -10) NUMBER(MODNAS_ECALLBACK, -11)
NUMBER(MODNAS_ECANCELED, -12) NUMBER(MODNAS_EDONE, -13) NUMBER(MODNAS_ENOBACKEND, -14) NUMBER(MODNAS_EPARALLEL, -15)
NUMBER(MODNAS_EFORK, -16) NUMBER(MODNAS_ENUMERIC, -17) NUMBER(MODNAS_EABI, -18)
NUMBER(MODNAS_LOG_ERROR, 0) NUMBER(MODNAS_LOG_WARN, 1) NUMBER(MODNAS_LOG_INFO, 2) NUMBER(MODNAS_LOG_DEBUG, 3)
NUMBER(MODNAS_INIT_ZEROS, 0) NUMBER(MODNAS_INIT_ONES, 1) NUMBER(MODNAS_INIT_UNIFORM, 2) NUMBER(MODNAS_INIT_NORMAL, 3)
NUMBER(MODNAS_OPEN, -1)
