/* A model as an ONNX file: what was found, to run elsewhere. */
#ifndef MODNAS_ONNX_H
#define MODNAS_ONNX_H

#include "modnas/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Options of modnas_model_export_onnx. Zero in a field means its default. */
typedef struct modnas_onnx_opts {
    size_t size;                    /* sizeof(modnas_onnx_opts) as the caller compiled it */
    int32_t opset;                  /* of the standard operators, 13 to 21; default 17 */
    int32_t batch;                  /* images at a time; default: any number, a dimension named "N" */
    int32_t keep_batch_norm;        /* 1: nodes of its own; default: inside of the convolution before it */
    int32_t custom_ops;             /* 1: what ONNX has no operator for becomes a node of domain "modnas"; default: refused */
    int32_t channels_last;          /* 1: the file takes images as (N, H, W, C); default (N, C, H, W) */
    int32_t bytes;                  /* 1: the file takes bytes 0..255 and divides by 255; default: floats */
    const double *mean;             /* of pixels in 0..1, one a channel: the file takes these off, */
    const double *stddev;           /* and divides by these; both, or NULL: it takes what the network is fed with */
    const char *const *class_names; /* one a class, for the metadata; NULL: none */
    const char *const *metadata;    /* key, value, ..., NULL: more of it, or instead; NULL: none */
} modnas_onnx_opts;

/** Write the network in evaluation as an ONNX file: every mixed op stands for its most probable candidate, batch norm
 * uses its running statistics, dropout is gone. Input "input", output "logits" (N, classes), float32; weights and nodes
 * are named as in the module tree. Beside it goes NAME.sha256, as `sha256sum -c` reads it. The same model and options
 * give the same bytes.
 *
 * @param opts  NULL: all defaults
 * @param path  replaced at once, after the file's own check: names, attributes, types and shapes
 * @return 0; MODNAS_EINVAL (an option out of range; the model is not complete or without a backend); MODNAS_EBUSY (a
 *         search trains the model now); MODNAS_EUNSUPPORTED (an operator that ONNX, or this opset, lacks: its name and
 *         its layer; more than 2 GiB); MODNAS_EIO; MODNAS_ENOMEM; what a forward returns. The files are then as they
 *         were, but for MODNAS_EIO: NAME alone may be new
 * Since 0.1. Source: the ONNX standard, onnx.proto. */
MODNAS_API MODNAS_MUST_USE int modnas_model_export_onnx(modnas_model *model, const modnas_onnx_opts *opts,
                                                        const char *path);

#ifdef __cplusplus
}
#endif
#endif
