/* ORDER KERNELS: which kinds this backend runs. Softmax and cross-entropy are small and are left to `ref`. */
#include "backend/dnnl/table.h"

static const mn_dnnl_kernel *const rows[] = {
    [MODNAS_KERNEL_CONV2D] = &mn_dnnl_conv2d,
    [MODNAS_KERNEL_LINEAR] = &mn_dnnl_linear,
    [MODNAS_KERNEL_BATCH_NORM] = &mn_dnnl_batch_norm,
    [MODNAS_KERNEL_POOL2D] = &mn_dnnl_pool2d,
    [MODNAS_KERNEL_ACTIVATION] = &mn_dnnl_activation,
    [MODNAS_KERNEL_BINARY] = &mn_dnnl_binary,
    [MODNAS_KERNEL_WEIGHTED_SUM] = &mn_dnnl_weighted_sum,
    [MODNAS_KERNEL_SCALE] = &mn_dnnl_scale,
    [MODNAS_KERNEL_DOT] = &mn_dnnl_dot,
    [MODNAS_KERNEL_COPY] = &mn_dnnl_copy,
    [MODNAS_KERNEL_SHUFFLE] = &mn_dnnl_shuffle,
    [MODNAS_KERNEL_DROPOUT] = &mn_dnnl_dropout,
    [MODNAS_KERNEL_FILL] = &mn_dnnl_fill,
    [MODNAS_KERNEL_AXPBY] = &mn_dnnl_axpby,
    [MODNAS_KERNEL_SUMSQ] = &mn_dnnl_sumsq,
    [MODNAS_KERNEL_SGD] = &mn_dnnl_sgd,
    [MODNAS_KERNEL_ADAM] = &mn_dnnl_adam,
    [MODNAS_KERNEL_RMSPROP] = &mn_dnnl_rmsprop,
    [MODNAS_KERNEL_ADAGRAD] = &mn_dnnl_adagrad,
    [MODNAS_KERNEL_REORDER] = &mn_dnnl_reorder,
    [MODNAS_KERNEL_REDUCE] = &mn_dnnl_reduce,
    [MODNAS_KERNEL_LOSS] = &mn_dnnl_loss,
    [MODNAS_KERNEL_BOTTLENECK] = &mn_dnnl_bottleneck,
};

const mn_dnnl_kernel *mn_dnnl_kernel_of(int32_t kind) {
    return kind >= 0 && (size_t)kind < sizeof rows / sizeof rows[0] ? rows[kind] : NULL;
}
