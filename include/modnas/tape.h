/* The tape: what a forward callback records on.
 *
 * Nothing is computed while recording: each function checks shapes, hands out a value that stands for the result, and
 * returns. The whole step is planned afterwards, and its backward is derived. Values are (N, C, H, W); they belong to the
 * tape and are of use until the forward of the whole model has returned.
 *
 * All functions here return 0, or MODNAS_EINVAL (NULL, a value of another tape, a number that makes no sense, a tape that
 * is not recording), MODNAS_ESHAPE (with the shapes) or MODNAS_ENOMEM; *dst is then as it was. */
#ifndef MODNAS_TAPE_H
#define MODNAS_TAPE_H

#include "modnas/module.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Record a module on one value, or on n of them. A Slot is a module too. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_forward(modnas_module *m, modnas_tape *tape, modnas_value *src, modnas_value **dst);
MODNAS_API MODNAS_MUST_USE int modnas_forward_n(modnas_module *m, modnas_tape *tape, modnas_value *const *src, int32_t n,
                                                modnas_value **dst);

/** Sizes N, C, H, W of a value. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_value_dims(const modnas_tape *tape, const modnas_value *v, int64_t dims[4]);
/** 1 while a training step is recorded, 0 for evaluation. Since 0.1. */
MODNAS_API int32_t modnas_tape_is_training(const modnas_tape *tape);

/* ---- sources --------------------------------------------------------------------------------------------------------- */

/** The value of a parameter that modnas_module_param made, or of a ready-made layer ("weight", "bias"). Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_op_param(modnas_tape *tape, modnas_module *m, const char *name, modnas_value **dst);
/** Numbers that are not trained; prod(dims) of them, at most 65536, copied. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_op_constant(modnas_tape *tape, const int64_t dims[4], const double *data,
                                                  modnas_value **dst);
/** dst[...] = 0. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_op_zeros(modnas_tape *tape, const int64_t dims[4], modnas_value **dst);

/* ---- layers as functions ------------------------------------------------------------------------------------------------ */

/** Zero in a field means its default. */
typedef struct modnas_window_opts {
    size_t size;          /* sizeof(modnas_window_opts) as the caller compiled it */
    int32_t kernel[2];    /* pooling only, height and width: has to be given */
    int32_t stride[2];    /* default: 1; of pooling: kernel */
    int32_t pad[4];       /* top, left, bottom, right; default 0 */
    int32_t dilation[2];  /* default 1 */
    int32_t groups;       /* convolution only; default 1 */
    int32_t ceil_mode;    /* pooling only: 1 rounds the size of dst up */
    int32_t count_pad;    /* average pooling only: 1 counts padding as zeros of the mean */
    int32_t reserved;     /* 0 */
} modnas_window_opts;

/** dst[n,o,y,x] = bias[o] + sum over c in o's group, i, j: src[n,c, y s + i d - p, x s + j d - p] weights[o, c mod (C/groups), i, j]
 *
 * @param weights  (O, C/groups, KH, KW)
 * @param bias     (1, O, 1, 1), or NULL
 * @param opts     NULL: all defaults
 * @param dst      [out] (N, O, H', W'), H' = floor((H + top + bottom - d (KH - 1) - 1) / s) + 1
 * Since 0.1. Source: PyTorch Conv2d, "Shape". */
MODNAS_API MODNAS_MUST_USE int modnas_op_conv2d(modnas_tape *tape, modnas_value *src, modnas_value *weights,
                                                modnas_value *bias, const modnas_window_opts *opts, modnas_value **dst);
/** dst[n,o] = bias[o] + sum over c: src[n,c] weights[o,c]
 *
 * @param src      (N, C, 1, 1)
 * @param weights  (O, C, 1, 1)
 * @param bias     (1, O, 1, 1), or NULL
 * @param dst      [out] (N, O, 1, 1)
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_op_linear(modnas_tape *tape, modnas_value *src, modnas_value *weights,
                                                modnas_value *bias, modnas_value **dst);
/** Largest ("max") or mean ("avg") of a window; size as of a convolution.
 * Since 0.1. Source: PyTorch MaxPool2d, AvgPool2d (count_include_pad is count_pad). */
MODNAS_API MODNAS_MUST_USE int modnas_op_pool2d(modnas_tape *tape, const char *how, modnas_value *src,
                                                const modnas_window_opts *opts, modnas_value **dst);
/** Largest ("max") or mean ("avg") over height and width: (N, C, 1, 1). Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_op_global_pool(modnas_tape *tape, const char *how, modnas_value *src,
                                                     modnas_value **dst);
/** dst = f(src), f by the name of its layer: "ReLU", "ReLU6", "Sigmoid", "Hardsigmoid", "Hardswish", "SiLU", "Tanh".
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_op_activation(modnas_tape *tape, const char *name, modnas_value *src,
                                                    modnas_value **dst);
/** Zero with probability p, else src / (1 - p); src itself in evaluation. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_op_dropout(modnas_tape *tape, modnas_value *src, double p, modnas_value **dst);
/** dst[n,c,..] = exp(src[n,c,..]) / sum over k: exp(src[n,k,..]), or its logarithm. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_op_softmax(modnas_tape *tape, modnas_value *src, modnas_value **dst);
MODNAS_API MODNAS_MUST_USE int modnas_op_log_softmax(modnas_tape *tape, modnas_value *src, modnas_value **dst);

/** A loss by PyTorch's name, as one number (1, 1, 1, 1): the mean over images of "CrossEntropyLoss" (with label smoothing)
 * and "NLLLoss" (of log-probabilities); the mean over elements of "MSELoss", "L1Loss", "SmoothL1Loss" (with beta),
 * "BCELoss" and "BCEWithLogitsLoss".
 *
 * @param src     (N, C, 1, 1); what is not a loss over classes takes any sizes
 * @param target  labels (N, 1, 1, 1) as a criterion gets them, or numbers shaped as src: probabilities
 * @param param   label smoothing in [0, 1], or beta; otherwise 0
 * Since 0.1. Source: PyTorch. */
MODNAS_API MODNAS_MUST_USE int modnas_op_loss(modnas_tape *tape, const char *name, modnas_value *src,
                                              modnas_value *target, double param, modnas_value **dst);

/* ---- arithmetic ------------------------------------------------------------------------------------------------------------ */

/** dst = a + b, a - b, a b, a / b; a size of 1 is repeated (broadcast). Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_op_add(modnas_tape *tape, modnas_value *a, modnas_value *b, modnas_value **dst);
MODNAS_API MODNAS_MUST_USE int modnas_op_sub(modnas_tape *tape, modnas_value *a, modnas_value *b, modnas_value **dst);
MODNAS_API MODNAS_MUST_USE int modnas_op_mul(modnas_tape *tape, modnas_value *a, modnas_value *b, modnas_value **dst);
MODNAS_API MODNAS_MUST_USE int modnas_op_div(modnas_tape *tape, modnas_value *a, modnas_value *b, modnas_value **dst);
/** "sum" or "mean" over the axes where dims is 1; elsewhere dims are those of src. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_op_reduce(modnas_tape *tape, const char *how, modnas_value *src,
                                                const int64_t dims[4], modnas_value **dst);
/** dst = alpha src + beta. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_op_affine(modnas_tape *tape, modnas_value *src, double alpha, double beta,
                                                modnas_value **dst);

/* ---- moving ------------------------------------------------------------------------------------------------------------------ */

/** n values side by side along an axis (0 N, 1 C, 2 H, 3 W); all other sizes are equal. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_op_concat(modnas_tape *tape, modnas_value *const *src, int32_t n, int32_t axis,
                                                modnas_value **dst);
/** The reverse: n parts along an axis into dst[0..n), sizes[i] wide; sizes NULL: equal ones. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_op_split(modnas_tape *tape, modnas_value *src, int32_t axis, const int32_t *sizes,
                                               int32_t n, modnas_value **dst);
/** dst[i] = src[start + i step], count elements an axis; steps may be negative, not 0; step NULL: 1. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_op_slice(modnas_tape *tape, modnas_value *src, const int32_t start[4],
                                               const int32_t step[4], const int32_t count[4], modnas_value **dst);
/** src with `before` and `after` elements of `value` around it, by axis. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_op_pad(modnas_tape *tape, modnas_value *src, const int32_t before[4],
                                             const int32_t after[4], double value, modnas_value **dst);
/** The same elements in plain order under other sizes, as many of them. Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_op_reshape(modnas_tape *tape, modnas_value *src, const int64_t dims[4],
                                                 modnas_value **dst);
/** Channel shuffle: channel g (C/groups) + k of src becomes channel k groups + g.
 * Since 0.1. Source: ShuffleNet (Zhang et al. 2018), figure 1. */
MODNAS_API MODNAS_MUST_USE int modnas_op_shuffle(modnas_tape *tape, modnas_value *src, int32_t groups, modnas_value **dst);

#ifdef __cplusplus
}
#endif
#endif
