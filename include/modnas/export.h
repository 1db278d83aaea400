/* The network that was found, with its weights: as a model of its own, and as a file for use elsewhere. */
#ifndef MODNAS_EXPORT_H
#define MODNAS_EXPORT_H

#include "modnas/onnx.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Options of modnas_export and modnas_model_derive. Zero in a field means its default. */
typedef struct modnas_export_opts {
    size_t size; /* sizeof(modnas_export_opts) as the caller compiled it */
    /** Statistics of batch norm: "pooled", "average" or "ema" take them anew from training data as SubNetEstim's bn_mode
     * does (docs/search.md), "none" leaves those of the file. Default: "pooled" for a network out of a supernet, whose
     * statistics are of all paths together, "none" for any other. */
    const char *calibrate;
    int32_t n_batches; /* training batches that they are taken from; default: 100 */
    int32_t reserved;  /* 0 */
    const modnas_onnx_opts *onnx; /* of .onnx files; NULL: defaults. mean and stddev, class_names, metadata that are NULL
                                     there are what the data and the network tell */
} modnas_export_opts;

/** The network of a configuration, with weights.
 *
 * With mixed ops in the configuration it is the network that one architecture stands for in this supernet: each mixed op
 * gives way to the candidate that is named. Without, it is the configuration's model. Nothing is trained.
 *
 *   chkpt      (-p) weights of the supernet, whole: a file of weights, or a resumable checkpoint of a run. Has to be there
 *   arch_desc  (-g) the architecture, in any form that an exporter writes. Default: what the run found that the weights are
 *              of, which is ../outputs/arch_ESTIM_TAG.yaml for chkpt/model_ESTIM_TAG.safetensors if it is there, else the
 *              arch_ESTIM_best.yaml of that estimator, or of the last one in the configuration that has one
 *   train_data, data_loader   what statistics are taken from
 *
 * @param cfg   checked first
 * @param opts  NULL: defaults
 * @param out   [out] freed by the caller with modnas_model_free. modnas_model_save writes what a configuration with the
 *              same arch_desc and no mixed ops loads as chkpt, to train or to evaluate it
 * @return 0; MODNAS_ECONFIG (no chkpt; no architecture, or none of this space; no training data), MODNAS_ENOTFOUND,
 *         MODNAS_EFORMAT, MODNAS_ESHAPE (a file of another space: which tensor), ... with "file:line: ..."; MODNAS_EINVAL
 *         (options); MODNAS_ENOBACKEND; MODNAS_ECANCELED; MODNAS_ENOMEM
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_model_derive(modnas_config *cfg, const modnas_export_opts *opts, modnas_model **out);

/** The same network as a file, and beside it PATH.sha256, as `sha256sum -c` reads it. What was written is read back and
 * checked.
 *
 * @param path    its ending says how: ".safetensors": F32 in plain order, names of the module tree, `__metadata__` with
 *                model, architecture, versions and what is done to an image before; ".onnx": as
 *                modnas_model_export_onnx, with all of that, too (docs/export.md)
 * @param report  [out] may be NULL: what was written, as lines for a person; freed with modnas_string_free
 * @return as modnas_model_derive; MODNAS_EINVAL also: an ending that is not known; MODNAS_EIO
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_export(modnas_config *cfg, const modnas_export_opts *opts, const char *path,
                                             char **report);

#ifdef __cplusplus
}
#endif
#endif
