/* Ready-made modules. Initial values are PyTorch's defaults: weights kaiming-uniform with a = sqrt(5), that is
 * U(+-1/sqrt(fan_in)); biases U(+-1/sqrt(fan_in)); batch norm gamma 1, beta 0, mean 0, variance 1. */
#ifndef MN_LAYERS_H
#define MN_LAYERS_H

#include "module/module.h"

typedef struct mn_conv_desc {
    int32_t chn_in, chn_out, kernel[2], stride, pad[2], dilation, groups,
        bias; /* 0: stride, dilation, groups 1; pad 0 */
} mn_conv_desc;

int mn_conv2d_new(mn_model *model, const mn_conv_desc *d, mn_module **out);
/* The same with a window that need not be the same in both directions. */
int mn_conv2d_window_new(mn_model *model, int32_t chn_in, int32_t chn_out, const int32_t kernel[2],
                         const mn_conv_opts *opts, int bias, mn_module **out);
int mn_batch_norm_new(mn_model *model, int32_t chn, int affine, double eps, double momentum,
                      mn_module **out); /* 0, 0: 1e-5, 0.1 */
/* Elements (N H W) that a channel's statistics were taken over in what was recorded last; 0: m is none. */
int64_t mn_batch_norm_reduced(const mn_module *m);
mn_bn_opts *mn_batch_norm_opts(mn_module *m); /* to change before anything is recorded; NULL: m is none */
int mn_activation_new(mn_model *model, int32_t act, mn_module **out);
int32_t mn_activation_of(const mn_module *m); /* which one; -1: m is none */
int mn_pool2d_new(mn_model *model, const mn_pool_opts *o, mn_module **out);
/* Before the commit: what is active of a layer (module.h) becomes all there is of it, and nothing is elastic any more. */
int mn_layer_cut(mn_module *m);
int mn_global_pool_new(mn_model *model, mn_module **out); /* average */
int mn_linear_new(mn_model *model, int32_t chn_in, int32_t chn_out, int bias, mn_module **out);
int mn_dropout_new(mn_model *model, double p, mn_module **out);
/* p goes from low to high over the epochs of a training phase (mn_model_set_epoch): both in [0, 1). */
int mn_drop_path_new(mn_model *model, double low, double high, mn_module **out);
int mn_flatten_new(mn_model *model, mn_module **out); /* (N, C H W, 1, 1) */
int mn_identity_new(mn_model *model, mn_module **out);
int mn_module_is_identity(const mn_module *m);
int mn_sequential_new(mn_model *model, mn_module **out); /* add children with mn_module_add */
/* Squeeze and excitation: src times gate(1x1(act(1x1(mean over height and width)))), chn -> chn_mid -> chn. The small
 * network is its child "net": pooling "0", convolutions with bias "1" and "3". */
#define MN_SQUEEZE_EXCITE "squeeze_excite" /* its type */
int mn_squeeze_excite_new(mn_model *model, int32_t chn, int32_t chn_mid, int32_t act, int32_t gate, mn_module **out);
/* The multiple of 8 that is nearest to v, at least 8 and not more than a tenth below v: how MobileNets round channels. */
int32_t mn_make_divisible(double v);
/* A convolution, batch norm and activation (NONE: none) as the next children of a sequential. */
int mn_conv_bn_act_append(mn_module *m, const mn_conv_desc *d, int32_t act);
/* conv k x k with SAME padding, batch norm, activation, as children "0", "1", "2" of a sequential. act NONE: no third
 * child. */
int mn_conv_bn_act_new(mn_model *model, int32_t chn_in, int32_t chn_out, int32_t k, int32_t stride, int32_t groups,
                       int32_t act, mn_module **out);

#endif
