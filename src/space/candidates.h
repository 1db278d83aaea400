/* Candidate operators that backbones build directly too. The table of all candidates is in candidates.c. */
#ifndef MN_CANDIDATES_H
#define MN_CANDIDATES_H

#include "space/space.h"

/* The inverted residual convolution of MobileNetV2: 1x1 to h = expansion * chn_in (left out if h = chn_in), depthwise k
 * x k with the stride, 1x1 to chn_out; batch norm after each, `act` after the first two. No residual. Children "0",
 * "1", ... as PyTorch's Sequential. */
int mn_mbconv_new(mn_model *model, int32_t chn_in, int32_t chn_out, int32_t stride, int32_t expansion, int32_t kernel,
                  int32_t act, mn_module **out);
/* The same of any width, and as MobileNetV3 has it. */
typedef struct mn_mbconv_desc {
    int32_t chn_in, hidden, chn_out, stride, kernel, act;
    int32_t use_se; /* squeeze and excitation of the hidden channels behind the depthwise convolution's activation */
} mn_mbconv_desc;
/* expansion * chn_in; MODNAS_ESHAPE. */
int mn_mbconv_hidden(const mn_model *model, int32_t chn_in, int32_t expansion, int32_t *hidden);
int mn_mbconv_build(mn_model *model, const mn_mbconv_desc *d, mn_module **out);
/* Squeeze and excitation as MobileNetV3 has it: a quarter of the channels, ReLU, hard sigmoid. */
int mn_mbv3_se_new(mn_model *model, int32_t chn, mn_module **out);
/* The whole block with ReLU: the same, plus its source where shapes agree (stride 1, equal channels). Child "conv". */
int mn_inverted_residual_new(mn_model *model, int32_t chn_in, int32_t chn_out, int32_t stride, int32_t expansion,
                             int32_t kernel, mn_module **out);
/* A unit of ShuffleNetV2, with its shortcut (cand_shuffle.c). At stride 1 chn_in is even and half of it passes by,
 * otherwise all; chn_out is even and more than passes by. */
typedef struct mn_shuffle_desc {
    int32_t chn_in, chn_out, stride, kernel;
    int32_t chn_mid; /* 0: half of chn_out */
    int32_t is_long; /* 1: the unit of SPOS with three depthwise convolutions */
} mn_shuffle_desc;
int mn_shuffle_unit_new(mn_model *model, const mn_shuffle_desc *d, mn_module **out);
/* Halves height and width without a window: ReLU, then two 1x1 stride-2 convolutions side by side, one over the pixels
 * at even, one over those at odd places, joined over channels, batch norm (settings of model->ops). Odd chn_out: the
 * first one has the channel more; odd sizes: the second one sees a zero row or column at the end. */
int mn_factorized_reduce_new(mn_model *model, int32_t chn_in, int32_t chn_out, mn_module **out);
/* Zeros of chn channels; stride s: every s-th row and column of the source's size, rounded up. */
int mn_zero_op_new(mn_model *model, int32_t chn, int32_t stride, mn_module **out);
int mn_is_zero_op(const mn_module *m);

/* What a block is made for. Zero: groups and dilation 1. */
typedef struct mn_block {
    int32_t chn_in, chn_out, stride, kernel;
    int32_t groups;   /* of mn_std_conv_new */
    int32_t dilation; /* of mn_dil_conv_new */
    int32_t algo;     /* of mn_pool_bn_new: MODNAS_POOL_MAX or MODNAS_POOL_AVG (padding left out of the mean) */
} mn_block;

/* Blocks of model->ops: see cand_primitive.c. Without `weight` in the order a block keeps channels and size, whatever b
 * says. */
int mn_pool_bn_new(mn_model *model, const mn_block *b, mn_module **out);
int mn_std_conv_new(mn_model *model, const mn_block *b, mn_module **out);
int mn_dil_conv_new(mn_model *model, const mn_block *b, mn_module **out);
int mn_fac_conv_new(mn_model *model, const mn_block *b, mn_module **out);
int mn_sep_conv_new(mn_model *model, const mn_block *b, mn_module **out);

/* ReLU, convolution with SAME padding, batch norm. */
int mn_relu_conv_bn_new(mn_model *model, int32_t chn_in, int32_t chn_out, int32_t kernel, int32_t stride,
                        mn_module **out);

int mn_candidates_register(modnas_ctx *ctx);
int mn_cand_nb201_register(modnas_ctx *ctx);
/* "file:line: " of spec into buf, "" if it came from no file. */
const char *mn_spec_prefix(const mn_node *spec, char *buf, size_t bytes);

#endif
