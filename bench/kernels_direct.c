/* oneDNN asked directly.
 *
 *   a maker for each kind of kernel -> one to three primitives -> memory for every argument that they ask for
 *
 * Later primitives of a chain (batch norm, addition, clip) work in place on what the first one wrote. */
#include "kernels_direct.h"

#include <omp.h>
#include <stdlib.h>

#include "base/base.h"
#include "kernels_direct_steps.h"

/* ---- with weights -------------------------------------------------------------------------------------- */

typedef struct geometry {
    dnnl_dims_t stride, dilation, pad_low, pad_high, kernel;
} geometry;

static geometry geometry_of(const modnas_window *w) {
    geometry g = {{0}, {0}, {0}, {0}, {0}};
    for (int i = 0; i < 2; i++) {
        g.kernel[i] = w->kernel[i];
        g.stride[i] = w->stride[i];
        g.dilation[i] = w->dilation[i] - 1;
        g.pad_low[i] = w->pad[i];
        g.pad_high[i] = w->pad[i + 2];
    }
    return g;
}

static dnnl_prop_kind_t prop(const modnas_kernel *k) {
    return k->flags & MODNAS_KF_INFERENCE ? dnnl_forward_inference : dnnl_forward_training;
}

/* The step of a backward descriptor that was made with `status`, and an end to the forward that it was made from. */
static dnnl_status_t add_backward(direct *d, dnnl_primitive_desc_t fwd, dnnl_status_t status,
                                  dnnl_primitive_desc_t bwd) {
    dnnl_primitive_desc_destroy(fwd);
    return status == dnnl_success ? direct_add(d, bwd) : status;
}

static dnnl_status_t conv(direct *d, const modnas_kernel *k) {
    const modnas_window *w = &k->u.window;
    const geometry g = geometry_of(w);
    const int64_t o = k->weights.dims[0] / w->groups, *v = k->weights.dims;
    const_dnnl_memory_desc_t x = direct_any(d, 4, k->src.dims), y = direct_any(d, 4, k->dst.dims), bias = NULL;
    const_dnnl_memory_desc_t weights =
        w->groups > 1 ? direct_any(d, 5, (const int64_t[]){w->groups, o, v[1], v[2], v[3]}) : direct_any(d, 4, v);
    if (k->act || (k->flags & (MODNAS_KF_FOLD_BN | MODNAS_KF_RESIDUAL))) return dnnl_unimplemented;
    if (k->flags & MODNAS_KF_BIAS) bias = direct_any(d, 1, &v[0]);
    dnnl_primitive_desc_t fwd, bwd = NULL;
    TRY(dnnl_convolution_forward_primitive_desc_create(&fwd, d->engine, prop(k), dnnl_convolution_direct, x, weights,
                                                       bias, y, g.stride, g.dilation, g.pad_low, g.pad_high, NULL));
    if (k->pass == MODNAS_FORWARD) return direct_add(d, fwd);
    const dnnl_status_t status =
        k->pass == MODNAS_BACKWARD_DATA
            ? dnnl_convolution_backward_data_primitive_desc_create(&bwd, d->engine, dnnl_convolution_direct, x, weights,
                                                                   y, g.stride, g.dilation, g.pad_low, g.pad_high, fwd,
                                                                   NULL)
            : dnnl_convolution_backward_weights_primitive_desc_create(&bwd, d->engine, dnnl_convolution_direct, x,
                                                                      weights, bias, y, g.stride, g.dilation, g.pad_low,
                                                                      g.pad_high, fwd, NULL);
    return add_backward(d, fwd, status, bwd);
}

static dnnl_status_t linear(direct *d, const modnas_kernel *k) {
    const_dnnl_memory_desc_t x = direct_any(d, 2, k->src.dims), w = direct_any(d, 2, k->weights.dims),
                             y = direct_any(d, 2, k->dst.dims), bias = NULL;
    if (k->act) return dnnl_unimplemented;
    if (k->flags & MODNAS_KF_BIAS) bias = direct_any(d, 1, &k->weights.dims[0]);
    dnnl_primitive_desc_t fwd, bwd = NULL;
    TRY(dnnl_inner_product_forward_primitive_desc_create(&fwd, d->engine, prop(k), x, w, bias, y, NULL));
    if (k->pass == MODNAS_FORWARD) return direct_add(d, fwd);
    const dnnl_status_t status =
        k->pass == MODNAS_BACKWARD_DATA
            ? dnnl_inner_product_backward_data_primitive_desc_create(&bwd, d->engine, x, w, y, fwd, NULL)
            : dnnl_inner_product_backward_weights_primitive_desc_create(&bwd, d->engine, x, w, bias, y, fwd, NULL);
    return add_backward(d, fwd, status, bwd);
}

/* ---- without weights ----------------------------------------------------------------------------------- */

typedef struct act_row {
    dnnl_alg_kind_t fwd, bwd;
    float alpha, beta;
} act_row;

static const act_row acts[] = {
    [MODNAS_ACT_RELU] = {dnnl_eltwise_relu, dnnl_eltwise_relu, 0, 0},
    [MODNAS_ACT_RELU6] = {dnnl_eltwise_clip_v2, dnnl_eltwise_clip_v2_use_dst_for_bwd, 0, 6},
    [MODNAS_ACT_CLIP] = {dnnl_eltwise_clip_v2, dnnl_eltwise_clip_v2, -1, 1},
    [MODNAS_ACT_SIGMOID] = {dnnl_eltwise_logistic, dnnl_eltwise_logistic_use_dst_for_bwd, 0, 0},
    [MODNAS_ACT_HARD_SIGMOID] = {dnnl_eltwise_hardsigmoid, dnnl_eltwise_hardsigmoid, 1.0f / 6, 0.5f},
    [MODNAS_ACT_HARD_SWISH] = {dnnl_eltwise_hardswish, dnnl_eltwise_hardswish, 1.0f / 6, 0.5f},
    [MODNAS_ACT_SWISH] = {dnnl_eltwise_swish, dnnl_eltwise_swish, 1, 0},
    [MODNAS_ACT_TANH] = {dnnl_eltwise_tanh, dnnl_eltwise_tanh_use_dst_for_bwd, 0, 0},
    [MODNAS_ACT_LINEAR] = {dnnl_eltwise_linear, dnnl_eltwise_linear, 1, 0},
};

static dnnl_status_t activation(direct *d, const modnas_kernel *k) {
    const_dnnl_memory_desc_t x = direct_images(d, &k->src);
    if (k->act == MODNAS_ACT_NONE || k->act >= (int32_t)MN_COUNT(acts)) return dnnl_unimplemented;
    const act_row *a = &acts[k->act];
    dnnl_primitive_desc_t fwd, bwd = NULL;
    TRY(dnnl_eltwise_forward_primitive_desc_create(&fwd, d->engine, dnnl_forward_training, a->fwd, x, x, a->alpha,
                                                   a->beta, NULL));
    if (k->pass == MODNAS_FORWARD) return direct_add(d, fwd);
    const dnnl_status_t status =
        dnnl_eltwise_backward_primitive_desc_create(&bwd, d->engine, a->bwd, x, x, x, a->alpha, a->beta, fwd, NULL);
    return add_backward(d, fwd, status, bwd);
}

static dnnl_status_t add_residual(direct *d, const_dnnl_memory_desc_t x) {
    dnnl_primitive_desc_t pd;
    TRY(dnnl_binary_primitive_desc_create(&pd, d->engine, dnnl_binary_add, x, x, x, NULL));
    return direct_add(d, pd);
}

/* The residual's gradient: a copy of an argument of the first step. */
static dnnl_status_t copy_gradient(direct *d, const_dnnl_memory_desc_t x, int arg) {
    const dnnl_memory_t gradient = direct_first_memory(d, arg);
    dnnl_memory_t copied;
    TRY(direct_new_memory(d, x, &copied));
    return direct_add_reorder(d, x, gradient, x, copied);
}

/* Only ReLU is part of oneDNN's batch norm, and not behind a residual. The residual's gradient is the incoming one,
 * behind the activation. */
static dnnl_status_t batch_norm(direct *d, const modnas_kernel *k) {
    const_dnnl_memory_desc_t x = direct_images(d, &k->src);
    const int residual = k->flags & MODNAS_KF_RESIDUAL, forward = k->pass == MODNAS_FORWARD;
    const int fused = k->act == MODNAS_ACT_RELU && !residual, apart = k->act && !fused;
    const unsigned flags = (k->flags & MODNAS_KF_GLOBAL_STATS ? dnnl_use_global_stats : 0) |
                           (fused ? dnnl_fuse_norm_relu : 0) |
                           (k->flags & MODNAS_KF_AFFINE ? dnnl_use_scale | dnnl_use_shift : 0);
    dnnl_primitive_desc_t fwd, bwd = NULL;
    if (apart && !forward) TRY(activation(d, k));
    if (apart && !forward && residual) TRY(copy_gradient(d, x, DNNL_ARG_DIFF_SRC));
    TRY(dnnl_batch_normalization_forward_primitive_desc_create(&fwd, d->engine, prop(k), x, x, 1e-5f, flags, NULL));
    if (!forward) {
        const dnnl_status_t status = dnnl_batch_normalization_backward_primitive_desc_create(
            &bwd, d->engine, dnnl_backward, x, x, x, 1e-5f, flags, fwd, NULL);
        TRY(add_backward(d, fwd, status, bwd));
        return residual && !apart ? copy_gradient(d, x, DNNL_ARG_DIFF_DST) : dnnl_success;
    }
    TRY(direct_add(d, fwd));
    if (residual) TRY(add_residual(d, x));
    return apart ? activation(d, k) : dnnl_success;
}

static dnnl_status_t pool(direct *d, const modnas_kernel *k) {
    static const dnnl_alg_kind_t algos[] = {[MODNAS_POOL_MAX] = dnnl_pooling_max,
                                            [MODNAS_POOL_AVG] = dnnl_pooling_avg_exclude_padding,
                                            [MODNAS_POOL_AVG_INCLUDE_PAD] = dnnl_pooling_avg_include_padding};
    const geometry g = geometry_of(&k->u.window);
    const_dnnl_memory_desc_t x = direct_images(d, &k->src), y = direct_any(d, 4, k->dst.dims);
    dnnl_primitive_desc_t fwd, bwd = NULL;
    TRY(dnnl_pooling_forward_primitive_desc_create(&fwd, d->engine, prop(k), algos[k->algo], x, y, g.stride, g.kernel,
                                                   g.dilation, g.pad_low, g.pad_high, NULL));
    if (k->pass == MODNAS_FORWARD) return direct_add(d, fwd);
    const dnnl_status_t status = dnnl_pooling_backward_primitive_desc_create(
        &bwd, d->engine, algos[k->algo], x, y, g.stride, g.kernel, g.dilation, g.pad_low, g.pad_high, fwd, NULL);
    return add_backward(d, fwd, status, bwd);
}

static dnnl_status_t softmax(direct *d, const modnas_kernel *k) {
    const dnnl_alg_kind_t algo = k->flags & MODNAS_KF_LOG ? dnnl_softmax_log : dnnl_softmax_accurate;
    const_dnnl_memory_desc_t x = direct_images(d, &k->src);
    dnnl_primitive_desc_t fwd, bwd = NULL;
    TRY(dnnl_softmax_forward_primitive_desc_create(&fwd, d->engine, dnnl_forward_training, algo, x, x, 1, NULL));
    if (k->pass == MODNAS_FORWARD) return direct_add(d, fwd);
    return add_backward(d, fwd,
                        dnnl_softmax_backward_primitive_desc_create(&bwd, d->engine, algo, x, x, x, 1, fwd, NULL), bwd);
}

static dnnl_status_t shuffle(direct *d, const modnas_kernel *k) {
    const_dnnl_memory_desc_t x = direct_images(d, &k->src);
    dnnl_primitive_desc_t pd; /* backward is a shuffle, too */
    TRY(dnnl_shuffle_forward_primitive_desc_create(&pd, d->engine, dnnl_forward_training, x, x, 1, k->groups, NULL));
    return direct_add(d, pd);
}

static dnnl_status_t binary(direct *d, const modnas_kernel *k) {
    static const dnnl_alg_kind_t algos[] = {[MODNAS_BINARY_ADD] = dnnl_binary_add,
                                            [MODNAS_BINARY_SUB] = dnnl_binary_sub,
                                            [MODNAS_BINARY_MUL] = dnnl_binary_mul,
                                            [MODNAS_BINARY_MAX] = dnnl_binary_max,
                                            [MODNAS_BINARY_MIN] = dnnl_binary_min};
    dnnl_primitive_desc_t pd;
    TRY(dnnl_binary_primitive_desc_create(&pd, d->engine, algos[k->algo], direct_images(d, &k->src),
                                          direct_images(d, &k->weights), direct_images(d, &k->dst), NULL));
    return direct_add(d, pd);
}

static dnnl_status_t weighted_sum(direct *d, const modnas_kernel *k) {
    enum { MOST = 8 };
    const float scales[MOST] = {1, 2, 3, 4, 5, 6, 7, 8};
    const_dnnl_memory_desc_t x[MOST];
    dnnl_primitive_desc_t pd;
    if (k->n_src > MOST) return dnnl_unimplemented;
    for (int i = 0; i < k->n_src; i++) x[i] = direct_images(d, &k->src);
    TRY(dnnl_sum_primitive_desc_create(&pd, d->engine, direct_images(d, &k->dst), k->n_src, scales, x, NULL));
    return direct_add(d, pd);
}

static dnnl_status_t reduce(direct *d, const modnas_kernel *k) {
    const dnnl_alg_kind_t algo = k->algo == MODNAS_REDUCE_SUM ? dnnl_reduction_sum : dnnl_reduction_mean;
    dnnl_primitive_desc_t pd;
    TRY(dnnl_reduction_primitive_desc_create(&pd, d->engine, algo, direct_images(d, &k->src),
                                             direct_any(d, 4, k->dst.dims), 0, 0, NULL));
    return direct_add(d, pd);
}

/* Concatenation, slice: a reorder between parts of memory, where oneDNN can name them in channel blocks; elsewhere in
 * plain tensors. */
static dnnl_status_t copy(direct *d, const modnas_kernel *k) {
    const modnas_box *b = &k->u.box;
    const_dnnl_memory_desc_t x = direct_images(d, &k->src), y = direct_images(d, &k->dst);
    const_dnnl_memory_desc_t from = direct_box(d, x, b->count, b->src_start),
                             to = direct_box(d, y, b->count, b->dst_start);
    dnnl_memory_t src, dst;
    for (int i = 0; i < 4; i++)
        if (b->src_step[i] != 1 || b->dst_step[i] != 1) return dnnl_unimplemented;
    if (!from || !to) {
        x = direct_desc(d, 4, k->src.dims, dnnl_nchw);
        y = direct_desc(d, 4, k->dst.dims, dnnl_nchw);
        from = direct_box(d, x, b->count, b->src_start);
        to = direct_box(d, y, b->count, b->dst_start);
    }
    if (!from || !to) return dnnl_unimplemented;
    TRY(direct_new_memory(d, x, &src));
    TRY(direct_new_memory(d, y, &dst));
    return direct_add_reorder(d, from, src, to, dst);
}

/* From plain to blocked, as images enter a network. */
static dnnl_status_t reorder(direct *d, const modnas_kernel *k) {
    dnnl_primitive_desc_t pd;
    TRY(dnnl_reorder_primitive_desc_create(&pd, direct_desc(d, 4, k->src.dims, dnnl_nchw), d->engine,
                                           direct_images(d, &k->dst), d->engine, NULL));
    return direct_add(d, pd);
}

/* ---- interface ----------------------------------------------------------------------------------------- */

typedef dnnl_status_t (*maker)(direct *d, const modnas_kernel *k);

static const maker makers[] = {
    [MODNAS_KERNEL_CONV2D] = conv,
    [MODNAS_KERNEL_LINEAR] = linear,
    [MODNAS_KERNEL_BATCH_NORM] = batch_norm,
    [MODNAS_KERNEL_POOL2D] = pool,
    [MODNAS_KERNEL_ACTIVATION] = activation,
    [MODNAS_KERNEL_BINARY] = binary,
    [MODNAS_KERNEL_WEIGHTED_SUM] = weighted_sum,
    [MODNAS_KERNEL_SHUFFLE] = shuffle,
    [MODNAS_KERNEL_SOFTMAX] = softmax,
    [MODNAS_KERNEL_REORDER] = reorder,
    [MODNAS_KERNEL_REDUCE] = reduce,
    [MODNAS_KERNEL_COPY] = copy,
};

static dnnl_status_t make(direct *d, const modnas_kernel *k) {
    const maker fn = k->kind < (int32_t)MN_COUNT(makers) ? makers[k->kind] : NULL;
    if (!fn) return dnnl_unimplemented;
    TRY(dnnl_engine_create(&d->engine, dnnl_cpu, 0));
    TRY(dnnl_stream_create(&d->stream, d->engine, dnnl_stream_default_flags));
    return fn(d, k);
}

direct *direct_new(const modnas_kernel *k, int threads) {
    direct *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    d->threads = threads;
    omp_set_num_threads(threads);
    if (make(d, k) == dnnl_success) return d;
    direct_free(d);
    return NULL;
}

int direct_run(direct *d) {
    omp_set_num_threads(d->threads);
    for (int i = 0; i < d->n_steps; i++)
        if (dnnl_primitive_execute(d->steps[i].primitive, d->stream, d->steps[i].n_args, d->steps[i].args) !=
            dnnl_success)
            return -1;
    return dnnl_stream_wait(d->stream) == dnnl_success ? 0 : -1;
}

void direct_free(direct *d) {
    if (!d) return;
    for (int i = 0; i < d->n_steps; i++) dnnl_primitive_destroy(d->steps[i].primitive);
    for (int i = 0; i < d->n_memories; i++) dnnl_memory_destroy(d->memories[i]);
    for (int i = 0; i < d->n_descs; i++) dnnl_memory_desc_destroy(d->descs[i]);
    dnnl_stream_destroy(d->stream);
    dnnl_engine_destroy(d->engine);
    free(d);
}
