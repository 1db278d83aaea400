/* Made of include/modnas by tools/cdef.sh: the stable tier, for languages that read declarations. */
enum modnas_status {
 MODNAS_OK = 0, MODNAS_EINVAL = -1, MODNAS_ENOMEM = -2, MODNAS_ESHAPE = -3, MODNAS_EUNSUPPORTED = -4, MODNAS_ENOTFOUND = -5, MODNAS_EEXIST = -6, MODNAS_EIO = -7, MODNAS_EFORMAT = -8, MODNAS_ECONFIG = -9, MODNAS_EBUSY = -10, MODNAS_ECALLBACK = -11, MODNAS_ECANCELED = -12, MODNAS_EDONE = -13, MODNAS_ENOBACKEND = -14, MODNAS_EPARALLEL = -15, MODNAS_EFORK = -16, MODNAS_ENUMERIC = -17, MODNAS_EABI = -18,
 MODNAS_STATUS_FORCE_INT = 0x7fffffff
};
 const char *modnas_strerror(int status);
typedef struct modnas_ctx modnas_ctx;
typedef void *(*modnas_alloc_fn)(void *ptr, size_t bytes, void *ud);
enum modnas_log_level { MODNAS_LOG_ERROR = 0, MODNAS_LOG_WARN = 1, MODNAS_LOG_INFO = 2, MODNAS_LOG_DEBUG = 3 };
typedef void (*modnas_log_fn)(int32_t level, const char *text, void *ud);
typedef struct modnas_ctx_opts {
 size_t size;
 modnas_alloc_fn alloc_fn;
 void *alloc_ud;
 modnas_log_fn log_fn;
 void *log_ud;
 const char *plugin_dir;
 int32_t threads;
 int32_t log_level;
} modnas_ctx_opts;
 int modnas_ctx_new(const modnas_ctx_opts *opts, modnas_ctx **out);
 void modnas_ctx_free(modnas_ctx *ctx);
 const char *modnas_errmsg(const modnas_ctx *ctx);
 void modnas_cancel(modnas_ctx *ctx);
 void modnas_string_free(modnas_ctx *ctx, char *text);
 const char *modnas_version(void);
typedef struct modnas_bundle_opts {
 size_t size;
 const char *estim;
 const char *out;
} modnas_bundle_opts;
 int modnas_bundle(modnas_ctx *ctx, const char *exp_dir, const modnas_bundle_opts *opts);
typedef struct modnas_verify_opts {
 size_t size;
 const char *const *overrides;
} modnas_verify_opts;
 int modnas_verify_json(modnas_ctx *ctx, const char *bundle, const modnas_verify_opts *opts,
 char **json, int32_t *holds);
 int modnas_verify_text(modnas_ctx *ctx, const char *bundle, const modnas_verify_opts *opts,
 char **text, int32_t *holds);
typedef struct modnas_config modnas_config;
 int modnas_config_new(modnas_ctx *ctx, modnas_config **out);
 void modnas_config_free(modnas_config *cfg);
 int modnas_config_add_file(modnas_config *cfg, const char *path);
 int modnas_config_add_text(modnas_config *cfg, const char *text, size_t bytes,
 const char *name);
 int modnas_config_set(modnas_config *cfg, const char *key, const char *value);
 int modnas_config_override(modnas_config *cfg, const char *assignment);
 int modnas_config_check(modnas_config *cfg);
 int modnas_config_json(modnas_config *cfg, char **text);
 int modnas_config_raw_file(modnas_ctx *ctx, const char *path, char **text);
 int modnas_config_raw_text(modnas_ctx *ctx, const char *yaml, size_t bytes, const char *name,
 char **text);
typedef int (*modnas_sample_fn)(int64_t index, float *dst, int32_t *label, void *ud);
typedef struct modnas_data_source {
 size_t size;
 int64_t n;
 int32_t dims[3];
 int32_t n_classes;
 int32_t thread_safe;
 int32_t reserved;
 modnas_sample_fn sample;
 void *ud;
 void (*ud_free)(void *ud);
} modnas_data_source;
 int modnas_data_register(modnas_ctx *ctx, const char *name, const modnas_data_source *source);
typedef struct modnas_describe_opts {
 size_t size;
 int32_t input[3];
 int32_t batch;
} modnas_describe_opts;
 int modnas_describe(modnas_config *cfg, const modnas_describe_opts *opts, char **json);
 int modnas_describe_text(modnas_config *cfg, const modnas_describe_opts *opts, char **text);
 int modnas_describe_dot(modnas_config *cfg, const modnas_describe_opts *opts, char **dot);
typedef struct modnas_args modnas_args;
typedef struct modnas_builder modnas_builder;
typedef struct modnas_model modnas_model;
typedef struct modnas_module modnas_module;
typedef struct modnas_search modnas_search;
typedef struct modnas_component {
 size_t size;
 const char *kind, *name;
 const char *text;
 const char *args;
 const void *vt;
 void *ud;
 void (*ud_free)(void *ud);
} modnas_component;
 int modnas_registry_register(modnas_ctx *ctx, const modnas_component *c);
 int modnas_registry_get_builder(modnas_ctx *ctx, const char *kind, const char *name,
 const modnas_builder **out);
 const char *modnas_builder_kind(const modnas_builder *b);
 const char *modnas_builder_name(const modnas_builder *b);
 const char *modnas_builder_text(const modnas_builder *b);
 int modnas_builder_args_json(modnas_ctx *ctx, const modnas_builder *b, char **json);
typedef struct modnas_place {
 size_t size;
 modnas_model *model;
 modnas_module *module;
 const char *name;
 modnas_search *search;
} modnas_place;
 int modnas_registry_build(modnas_ctx *ctx, const char *kind, const char *spec,
 const modnas_place *place);
 int64_t modnas_args_int(const modnas_args *args, const char *name);
 double modnas_args_real(const modnas_args *args, const char *name);
 int32_t modnas_args_bool(const modnas_args *args, const char *name);
 const char *modnas_args_str(const modnas_args *args, const char *name);
 int32_t modnas_args_given(const modnas_args *args, const char *name);
 int modnas_args_json(const modnas_args *args, const char *name, char **json);
 int modnas_args_fail(const modnas_args *args, const char *name, const char *text);
typedef struct modnas_tape modnas_tape;
typedef struct modnas_value modnas_value;
typedef struct modnas_module_vt {
 size_t size;
 int (*build)(modnas_module *m, const modnas_args *args, void *ud);
 int (*forward)(modnas_module *m, modnas_tape *tape, modnas_value *const *src, int32_t n_src, modnas_value **dst,
 void *ud);
} modnas_module_vt;
 int modnas_module_add(modnas_module *parent, const char *name, const char *type,
 const char *args, modnas_module **out);
 int modnas_module_add_custom(modnas_module *parent, const char *name,
 const modnas_module_vt *vt, void *ud, void (*ud_free)(void *ud),
 modnas_module **out);
enum modnas_init {
 MODNAS_INIT_ZEROS = 0,
 MODNAS_INIT_ONES = 1,
 MODNAS_INIT_UNIFORM = 2,
 MODNAS_INIT_NORMAL = 3
};
 int modnas_module_param(modnas_module *m, const char *name, const int64_t *dims,
 int32_t n_dims, int32_t init, double bound);
typedef struct modnas_slot_info {
 size_t size;
 const char *name;
 const char *kwargs;
 int32_t chn_in, chn_out, stride;
 int32_t filled;
} modnas_slot_info;
 int modnas_module_slot(modnas_module *m, modnas_slot_info *info);
 modnas_model *modnas_module_model(const modnas_module *m);
 modnas_module *modnas_module_parent(const modnas_module *m);
 const char *modnas_module_name(const modnas_module *m);
 size_t modnas_module_n_children(const modnas_module *m);
 modnas_module *modnas_module_child_at(const modnas_module *m, size_t i);
 modnas_module *modnas_module_child(const modnas_module *m, const char *name);
 int modnas_model_set_input(modnas_model *model, int32_t channels, int32_t height, int32_t width);
 int modnas_model_set_classes(modnas_model *model, int32_t n);
typedef struct modnas_construct_vt {
 size_t size;
 int (*run)(modnas_model *model, const modnas_args *args, void *ud);
 int32_t after_commit;
 int32_t reserved;
} modnas_construct_vt;
 size_t modnas_model_n_slots(const modnas_model *model);
 modnas_module *modnas_model_slot(const modnas_model *model, size_t i);
 int modnas_slot_fill(modnas_module *slot, const char *spec);
 int modnas_slot_mix(modnas_module *slot, const char *spec);
 int modnas_model_new(modnas_config *cfg, modnas_model **out);
 void modnas_model_free(modnas_model *model);
 modnas_module *modnas_model_root(const modnas_model *model);
 int modnas_model_input(const modnas_model *model, int32_t chw[3]);
 int32_t modnas_model_n_classes(const modnas_model *model);
 int64_t modnas_model_n_params(const modnas_model *model);
 int modnas_model_macs(modnas_model *model, int64_t *macs);
 int modnas_model_forward(modnas_model *model, const float *x, int64_t n, float *logits);
 int modnas_model_save(modnas_model *model, const char *path);
 int modnas_model_load(modnas_model *model, const char *path, int32_t partial);
typedef struct modnas_tensor_info {
 size_t size;
 const char *name;
 int64_t dims[4];
 int64_t count;
 int32_t n_dims;
 int32_t trained;
} modnas_tensor_info;
 size_t modnas_model_n_tensors(const modnas_model *model);
 int modnas_model_tensor(const modnas_model *model, size_t i, modnas_tensor_info *info);
 int modnas_model_get(modnas_model *model, const char *name, float *data, size_t count);
 int modnas_model_set(modnas_model *model, const char *name, const float *data, size_t count);
typedef struct modnas_onnx_opts {
 size_t size;
 int32_t opset;
 int32_t batch;
 int32_t keep_batch_norm;
 int32_t custom_ops;
 int32_t channels_last;
 int32_t bytes;
 const double *mean;
 const double *stddev;
 const char *const *class_names;
 const char *const *metadata;
} modnas_onnx_opts;
 int modnas_model_export_onnx(modnas_model *model, const modnas_onnx_opts *opts,
 const char *path);
typedef struct modnas_export_opts {
 size_t size;
 const char *calibrate;
 int32_t n_batches;
 int32_t reserved;
 const modnas_onnx_opts *onnx;
} modnas_export_opts;
 int modnas_model_derive(modnas_config *cfg, const modnas_export_opts *opts, modnas_model **out);
 int modnas_export(modnas_config *cfg, const modnas_export_opts *opts, const char *path,
 char **report);
typedef struct modnas_inspect_opts {
 size_t size;
 const char *as;
} modnas_inspect_opts;
 int modnas_inspect_json(modnas_ctx *ctx, const char *path, const modnas_inspect_opts *opts,
 char **json, int32_t *valid);
 int modnas_inspect_text(modnas_ctx *ctx, const char *path, const modnas_inspect_opts *opts,
 char **text, int32_t *valid);
typedef struct modnas_profile_opts {
 size_t size;
 int32_t input[3];
 int32_t batch;
 int32_t runs;
 int32_t list_jobs;
 const char *measured;
 const char *jobs_dir;
 int32_t check_nets;
 int32_t reserved;
} modnas_profile_opts;
 int modnas_profile(modnas_config *cfg, const modnas_profile_opts *opts, char **text);
 int modnas_profile_check(modnas_config *cfg, const modnas_profile_opts *opts, int32_t n_nets,
 char **table, char **summary);
typedef struct modnas_report_opts {
 size_t size;
 const char *latency_table;
} modnas_report_opts;
 int modnas_report(modnas_ctx *ctx, const char *folder, const modnas_report_opts *opts, char **html);
typedef struct modnas_progress {
 size_t size;
 const char *estim;
 const char *phase;
 int64_t epoch, epochs;
 int64_t step, steps;
 double loss, acc_top1, lr;
 double seconds, seconds_left;
} modnas_progress;
typedef int (*modnas_progress_fn)(const modnas_progress *p, void *ud);
typedef struct modnas_run_opts {
 size_t size;
 modnas_progress_fn progress;
 void *progress_ud;
 int32_t resume;
 int32_t reserved;
} modnas_run_opts;
 int modnas_run(modnas_config *cfg, const modnas_run_opts *opts, int32_t *started, char **results);
 int modnas_list_json(modnas_ctx *ctx, const char *kind, char **text);
 int modnas_list_text(modnas_ctx *ctx, const char *kind, char **text);
 int modnas_devices_json(modnas_ctx *ctx, char **text);
 int modnas_devices_text(modnas_ctx *ctx, char **text);
 int modnas_forward(modnas_module *m, modnas_tape *tape, modnas_value *src, modnas_value **dst);
 int modnas_forward_n(modnas_module *m, modnas_tape *tape, modnas_value *const *src, int32_t n,
 modnas_value **dst);
 int modnas_value_dims(const modnas_tape *tape, const modnas_value *v, int64_t dims[4]);
 int32_t modnas_tape_is_training(const modnas_tape *tape);
 int modnas_op_param(modnas_tape *tape, modnas_module *m, const char *name, modnas_value **dst);
 int modnas_op_constant(modnas_tape *tape, const int64_t dims[4], const double *data,
 modnas_value **dst);
 int modnas_op_zeros(modnas_tape *tape, const int64_t dims[4], modnas_value **dst);
typedef struct modnas_window_opts {
 size_t size;
 int32_t kernel[2];
 int32_t stride[2];
 int32_t pad[4];
 int32_t dilation[2];
 int32_t groups;
 int32_t ceil_mode;
 int32_t count_pad;
 int32_t reserved;
} modnas_window_opts;
 int modnas_op_conv2d(modnas_tape *tape, modnas_value *src, modnas_value *weights,
 modnas_value *bias, const modnas_window_opts *opts, modnas_value **dst);
 int modnas_op_linear(modnas_tape *tape, modnas_value *src, modnas_value *weights,
 modnas_value *bias, modnas_value **dst);
 int modnas_op_pool2d(modnas_tape *tape, const char *how, modnas_value *src,
 const modnas_window_opts *opts, modnas_value **dst);
 int modnas_op_global_pool(modnas_tape *tape, const char *how, modnas_value *src,
 modnas_value **dst);
 int modnas_op_activation(modnas_tape *tape, const char *name, modnas_value *src,
 modnas_value **dst);
 int modnas_op_dropout(modnas_tape *tape, modnas_value *src, double p, modnas_value **dst);
 int modnas_op_softmax(modnas_tape *tape, modnas_value *src, modnas_value **dst);
 int modnas_op_log_softmax(modnas_tape *tape, modnas_value *src, modnas_value **dst);
 int modnas_op_loss(modnas_tape *tape, const char *name, modnas_value *src,
 modnas_value *target, double param, modnas_value **dst);
 int modnas_op_add(modnas_tape *tape, modnas_value *a, modnas_value *b, modnas_value **dst);
 int modnas_op_sub(modnas_tape *tape, modnas_value *a, modnas_value *b, modnas_value **dst);
 int modnas_op_mul(modnas_tape *tape, modnas_value *a, modnas_value *b, modnas_value **dst);
 int modnas_op_div(modnas_tape *tape, modnas_value *a, modnas_value *b, modnas_value **dst);
 int modnas_op_reduce(modnas_tape *tape, const char *how, modnas_value *src,
 const int64_t dims[4], modnas_value **dst);
 int modnas_op_affine(modnas_tape *tape, modnas_value *src, double alpha, double beta,
 modnas_value **dst);
 int modnas_op_concat(modnas_tape *tape, modnas_value *const *src, int32_t n, int32_t axis,
 modnas_value **dst);
 int modnas_op_split(modnas_tape *tape, modnas_value *src, int32_t axis, const int32_t *sizes,
 int32_t n, modnas_value **dst);
 int modnas_op_slice(modnas_tape *tape, modnas_value *src, const int32_t start[4],
 const int32_t step[4], const int32_t count[4], modnas_value **dst);
 int modnas_op_pad(modnas_tape *tape, modnas_value *src, const int32_t before[4],
 const int32_t after[4], double value, modnas_value **dst);
 int modnas_op_reshape(modnas_tape *tape, modnas_value *src, const int64_t dims[4],
 modnas_value **dst);
 int modnas_op_shuffle(modnas_tape *tape, modnas_value *src, int32_t groups, modnas_value **dst);
typedef struct modnas_arch modnas_arch;
enum { MODNAS_OPEN = -1 };
 int modnas_arch_new(modnas_model *model, modnas_arch **out);
 int modnas_arch_copy(const modnas_arch *arch, modnas_arch **out);
 void modnas_arch_free(modnas_arch *arch);
 int32_t modnas_arch_n(const modnas_arch *arch);
 int32_t modnas_arch_get(const modnas_arch *arch, int32_t i);
 int modnas_arch_set(modnas_arch *arch, int32_t i, int32_t option);
 int32_t modnas_arch_n_options(const modnas_arch *arch, int32_t i);
 const char *modnas_arch_name(const modnas_arch *arch, int32_t i);
 const char *modnas_arch_option(const modnas_arch *arch, int32_t i, int32_t option);
 int modnas_arch_json(const modnas_arch *arch, char **json);
typedef struct modnas_metric {
 const char *name;
 double value;
} modnas_metric;
typedef struct modnas_evaluation {
 size_t size;
 const char *estim;
 int64_t index;
 const modnas_arch *arch;
 const char *desc;
 const modnas_metric *metrics;
 int32_t n_metrics;
 int32_t status;
 int32_t is_best;
 double score;
} modnas_evaluation;
typedef struct modnas_search_opts {
 size_t size;
 const char *estim;
 modnas_progress_fn progress;
 int (*evaluated)(modnas_search *search, const modnas_evaluation *evaluation, void *ud);
 int (*epoch_done)(modnas_search *search, const modnas_progress *epoch, void *ud);
 void *ud;
 void (*ud_free)(void *ud);
 int32_t resume;
 int32_t reserved;
} modnas_search_opts;
 int modnas_search_new(modnas_config *cfg, const modnas_search_opts *opts,
 modnas_search **out);
 void modnas_search_free(modnas_search *search);
 modnas_model *modnas_search_model(const modnas_search *search);
 int64_t modnas_search_n_steps(const modnas_search *search);
 const modnas_arch *modnas_search_best(const modnas_search *search, double *score);
 int modnas_search_run(modnas_search *search, char **results);
 int modnas_search_save(modnas_search *search, const char *path);
 int modnas_search_load(modnas_search *search, const char *path);
 int modnas_search_checkpoint(modnas_search *search);
typedef struct modnas_state modnas_state;
 int modnas_state_add(modnas_state *state, const void *data, size_t bytes);
 int modnas_search_ask(modnas_search *search, int32_t n, modnas_arch **archs, int32_t *n_out);
 int modnas_search_tell(modnas_search *search, const modnas_arch *arch, int32_t status,
 const modnas_metric *metrics, int32_t n);
 int modnas_search_train(modnas_search *search, const modnas_arch *arch, int64_t n_steps,
 double *loss);
 int modnas_search_arch_step(modnas_search *search, double *loss);
 int modnas_search_evaluate(modnas_search *search, const modnas_arch *arch,
 modnas_metric *metrics, int32_t cap, int32_t *n);
 int modnas_search_export(modnas_search *search, const modnas_arch *arch, char **yaml);
typedef struct modnas_optim_vt {
 size_t size;
 int (*create)(modnas_model *model, const modnas_args *args, void **state, void *ud);
 int (*ask)(void *state, modnas_arch *const *archs, int32_t n, int32_t *n_out, void *ud);
 int (*tell)(void *state, const modnas_arch *arch, int32_t status, const modnas_metric *metrics, int32_t n,
 void *ud);
 void (*destroy)(void *state, void *ud);
 int (*save)(void *state, modnas_state *out, void *ud);
 int (*load)(void *state, const void *data, size_t bytes, void *ud);
} modnas_optim_vt;
typedef struct modnas_estim_vt {
 size_t size;
 int (*run)(modnas_search *search, const modnas_args *args, void *ud);
 int (*save)(modnas_search *search, modnas_state *out, void *ud);
 int (*load)(modnas_search *search, const void *data, size_t bytes, void *ud);
} modnas_estim_vt;
typedef struct modnas_metrics_vt {
 size_t size;
 int (*measure)(modnas_search *search, const modnas_arch *arch, const modnas_args *args, double *value, void *ud);
} modnas_metrics_vt;
typedef struct modnas_criterion_vt {
 size_t size;
 int (*loss)(modnas_tape *tape, modnas_value *logits, modnas_value *target, const modnas_args *args,
 modnas_value **loss, void *ud);
} modnas_criterion_vt;
typedef struct modnas_export_vt {
 size_t size;
 int (*run)(modnas_model *model, const modnas_arch *arch, const modnas_args *args, const char **yaml, void *ud);
} modnas_export_vt;
