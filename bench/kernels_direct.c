/* oneDNN asked directly.
 *
 *   a maker for each kind of kernel -> one to three primitives -> memory for every argument that they ask for
 *
 * Later primitives of a chain (batch norm, addition, clip) work in place on what the first one wrote. Values do not
 * matter here: all floats are around one half. */
#include "kernels_direct.h"

#include <dnnl.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

enum { MAX_STEPS = 3, MAX_ARGS = 24, MAX_DESCS = 16 };

typedef struct step {
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[MAX_ARGS];
    int n_args;
} step;

struct direct {
    int threads, n_steps, n_descs, n_memories;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    step steps[MAX_STEPS];
    dnnl_memory_desc_t descs[MAX_DESCS];
    dnnl_memory_t memories[MAX_STEPS * MAX_ARGS];
};

#define TRY(e)                                                                                                         \
    do {                                                                                                               \
        const dnnl_status_t status_ = (e);                                                                             \
        if (status_ != dnnl_success) return status_;                                                                   \
    } while (0)

/* ---- descriptors --------------------------------------------------------------------------------------- */

/* Kept until direct_free. NULL when it could not be made: oneDNN then refuses it itself. */
static const_dnnl_memory_desc_t desc(direct *d, int n, const int64_t *dims, dnnl_format_tag_t tag) {
    dnnl_memory_desc_t *out = &d->descs[d->n_descs];
    dnnl_dims_t all = {0};
    if (d->n_descs == MAX_DESCS) return NULL;
    for (int i = 0; i < n; i++) all[i] = dims[i];
    if (dnnl_memory_desc_create_with_tag(out, n, all, dnnl_f32, tag) != dnnl_success) return NULL;
    return d->descs[d->n_descs++];
}

/* Images in channel blocks of the vector length; without pixels, plain. */
static const_dnnl_memory_desc_t images(direct *d, const modnas_tdesc *t) {
    const dnnl_format_tag_t blocked = mn_cpu_isa() == MN_ISA_AVX512 ? dnnl_nChw16c : dnnl_nChw8c;
    return desc(d, 4, t->dims, t->dims[2] * t->dims[3] > 1 && t->dims[1] > 1 ? blocked : dnnl_nchw);
}

static const_dnnl_memory_desc_t any(direct *d, int n, const int64_t *dims) {
    return desc(d, n, dims, dnnl_format_tag_any);
}

/* ---- steps --------------------------------------------------------------------------------------------- */

/* The memory of an argument of the first step. */
static dnnl_memory_t first_memory(const direct *d, int arg) {
    for (int i = 0; i < d->steps[0].n_args; i++)
        if (d->steps[0].args[i].arg == arg) return d->steps[0].args[i].memory;
    return NULL;
}

/* Where a later step of a chain finds what it works on. */
static dnnl_memory_t shared_memory(const direct *d, int arg) {
    if (d->n_steps == 0) return NULL;
    if (arg == DNNL_ARG_SRC || arg == DNNL_ARG_DST) return first_memory(d, DNNL_ARG_DST);
    if (arg == DNNL_ARG_DIFF_SRC || arg == DNNL_ARG_DIFF_DST) return first_memory(d, DNNL_ARG_DIFF_SRC);
    return NULL;
}

static dnnl_status_t new_memory(direct *d, const_dnnl_memory_desc_t md, dnnl_memory_t *out) {
    dnnl_data_type_t type;
    void *bytes;
    const size_t n = dnnl_memory_desc_get_size(md);
    TRY(dnnl_memory_create(out, md, d->engine, DNNL_MEMORY_ALLOCATE));
    d->memories[d->n_memories++] = *out;
    TRY(dnnl_memory_get_data_handle(*out, &bytes));
    TRY(dnnl_memory_desc_query(md, dnnl_query_data_type, &type));
    if (type != dnnl_f32) memset(bytes, 0, n);
    for (size_t i = 0; type == dnnl_f32 && i < n / sizeof(float); i++)
        ((float *)bytes)[i] = 0.5f + 0.01f * (float)(i % 7);
    return dnnl_success;
}

/* Batch norm's backward names its shift among the arguments, and refuses to run when it is given. */
static int is_taken(const_dnnl_primitive_desc_t pd, int arg) {
    dnnl_prop_kind_t direction = dnnl_prop_kind_undef;
    return arg != DNNL_ARG_SHIFT ||
           dnnl_primitive_desc_query(pd, dnnl_query_prop_kind, 0, &direction) != dnnl_success ||
           direction != dnnl_backward;
}

static dnnl_status_t give_argument(direct *d, const_dnnl_primitive_desc_t pd, step *s, int arg) {
    const_dnnl_memory_desc_t md = dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, arg);
    if (!md || dnnl_memory_desc_get_size(md) == 0 || !is_taken(pd, arg)) return dnnl_success;
    dnnl_memory_t memory = shared_memory(d, arg);
    if (!memory) TRY(new_memory(d, md, &memory));
    s->args[s->n_args++] = (dnnl_exec_arg_t){arg, memory};
    return dnnl_success;
}

/* Append a primitive; takes pd. */
static dnnl_status_t add_step(direct *d, dnnl_primitive_desc_t pd) {
    static const int args[] = {DNNL_ARG_SRC,      DNNL_ARG_SRC_1,      DNNL_ARG_WEIGHTS,      DNNL_ARG_BIAS,
                               DNNL_ARG_DST,      DNNL_ARG_DIFF_SRC,   DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_BIAS,
                               DNNL_ARG_DIFF_DST, DNNL_ARG_MEAN,       DNNL_ARG_VARIANCE,     DNNL_ARG_SCALE,
                               DNNL_ARG_SHIFT,    DNNL_ARG_DIFF_SCALE, DNNL_ARG_DIFF_SHIFT,   DNNL_ARG_WORKSPACE};
    enum { SOURCES = MAX_ARGS - MN_COUNT(args) };
    step *s = &d->steps[d->n_steps];
    dnnl_status_t status = dnnl_primitive_create(&s->primitive, pd);
    for (size_t i = 0; i < MN_COUNT(args) && status == dnnl_success; i++) status = give_argument(d, pd, s, args[i]);
    for (int i = 0; i < SOURCES && status == dnnl_success; i++)
        status = give_argument(d, pd, s, DNNL_ARG_MULTIPLE_SRC + i);
    dnnl_primitive_desc_destroy(pd);
    d->n_steps++;
    return status;
}

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
    return status == dnnl_success ? add_step(d, bwd) : status;
}

static dnnl_status_t conv(direct *d, const modnas_kernel *k) {
    const modnas_window *w = &k->u.window;
    const geometry g = geometry_of(w);
    const int64_t o = k->weights.dims[0] / w->groups, *v = k->weights.dims;
    const_dnnl_memory_desc_t x = any(d, 4, k->src.dims), y = any(d, 4, k->dst.dims), bias = NULL;
    const_dnnl_memory_desc_t weights =
        w->groups > 1 ? any(d, 5, (const int64_t[]){w->groups, o, v[1], v[2], v[3]}) : any(d, 4, v);
    if (k->act || (k->flags & (MODNAS_KF_FOLD_BN | MODNAS_KF_RESIDUAL))) return dnnl_unimplemented;
    if (k->flags & MODNAS_KF_BIAS) bias = any(d, 1, &v[0]);
    dnnl_primitive_desc_t fwd, bwd = NULL;
    TRY(dnnl_convolution_forward_primitive_desc_create(&fwd, d->engine, prop(k), dnnl_convolution_direct, x, weights,
                                                       bias, y, g.stride, g.dilation, g.pad_low, g.pad_high, NULL));
    if (k->pass == MODNAS_FORWARD) return add_step(d, fwd);
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
    const_dnnl_memory_desc_t x = any(d, 2, k->src.dims), w = any(d, 2, k->weights.dims), y = any(d, 2, k->dst.dims),
                             bias = NULL;
    if (k->act) return dnnl_unimplemented;
    if (k->flags & MODNAS_KF_BIAS) bias = any(d, 1, &k->weights.dims[0]);
    dnnl_primitive_desc_t fwd, bwd = NULL;
    TRY(dnnl_inner_product_forward_primitive_desc_create(&fwd, d->engine, prop(k), x, w, bias, y, NULL));
    if (k->pass == MODNAS_FORWARD) return add_step(d, fwd);
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
    const_dnnl_memory_desc_t x = images(d, &k->src);
    if (k->act == MODNAS_ACT_NONE || k->act >= (int32_t)MN_COUNT(acts)) return dnnl_unimplemented;
    const act_row *a = &acts[k->act];
    dnnl_primitive_desc_t fwd, bwd = NULL;
    TRY(dnnl_eltwise_forward_primitive_desc_create(&fwd, d->engine, dnnl_forward_training, a->fwd, x, x, a->alpha,
                                                   a->beta, NULL));
    if (k->pass == MODNAS_FORWARD) return add_step(d, fwd);
    const dnnl_status_t status =
        dnnl_eltwise_backward_primitive_desc_create(&bwd, d->engine, a->bwd, x, x, x, a->alpha, a->beta, fwd, NULL);
    return add_backward(d, fwd, status, bwd);
}

static dnnl_status_t add_residual(direct *d, const_dnnl_memory_desc_t x) {
    dnnl_primitive_desc_t pd;
    TRY(dnnl_binary_primitive_desc_create(&pd, d->engine, dnnl_binary_add, x, x, x, NULL));
    return add_step(d, pd);
}

/* The residual's gradient: a copy of an argument of the first step. */
static dnnl_status_t copy_gradient(direct *d, const_dnnl_memory_desc_t x, int arg) {
    dnnl_primitive_desc_t pd;
    dnnl_memory_t copy;
    const dnnl_memory_t gradient = first_memory(d, arg);
    step *s = &d->steps[d->n_steps];
    TRY(new_memory(d, x, &copy));
    TRY(dnnl_reorder_primitive_desc_create(&pd, x, d->engine, x, d->engine, NULL));
    const dnnl_status_t status = dnnl_primitive_create(&s->primitive, pd);
    dnnl_primitive_desc_destroy(pd);
    TRY(status);
    s->args[s->n_args++] = (dnnl_exec_arg_t){DNNL_ARG_SRC, gradient};
    s->args[s->n_args++] = (dnnl_exec_arg_t){DNNL_ARG_DST, copy};
    d->n_steps++;
    return dnnl_success;
}

/* Only ReLU is part of oneDNN's batch norm, and not behind a residual. The residual's gradient is the incoming one,
 * behind the activation. */
static dnnl_status_t batch_norm(direct *d, const modnas_kernel *k) {
    const_dnnl_memory_desc_t x = images(d, &k->src);
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
    TRY(add_step(d, fwd));
    if (residual) TRY(add_residual(d, x));
    return apart ? activation(d, k) : dnnl_success;
}

static dnnl_status_t pool(direct *d, const modnas_kernel *k) {
    static const dnnl_alg_kind_t algos[] = {[MODNAS_POOL_MAX] = dnnl_pooling_max,
                                            [MODNAS_POOL_AVG] = dnnl_pooling_avg_exclude_padding,
                                            [MODNAS_POOL_AVG_INCLUDE_PAD] = dnnl_pooling_avg_include_padding};
    const geometry g = geometry_of(&k->u.window);
    const_dnnl_memory_desc_t x = images(d, &k->src), y = any(d, 4, k->dst.dims);
    dnnl_primitive_desc_t fwd, bwd = NULL;
    TRY(dnnl_pooling_forward_primitive_desc_create(&fwd, d->engine, prop(k), algos[k->algo], x, y, g.stride, g.kernel,
                                                   g.dilation, g.pad_low, g.pad_high, NULL));
    if (k->pass == MODNAS_FORWARD) return add_step(d, fwd);
    const dnnl_status_t status = dnnl_pooling_backward_primitive_desc_create(
        &bwd, d->engine, algos[k->algo], x, y, g.stride, g.kernel, g.dilation, g.pad_low, g.pad_high, fwd, NULL);
    return add_backward(d, fwd, status, bwd);
}

static dnnl_status_t softmax(direct *d, const modnas_kernel *k) {
    const dnnl_alg_kind_t algo = k->flags & MODNAS_KF_LOG ? dnnl_softmax_log : dnnl_softmax_accurate;
    const_dnnl_memory_desc_t x = images(d, &k->src);
    dnnl_primitive_desc_t fwd, bwd = NULL;
    TRY(dnnl_softmax_forward_primitive_desc_create(&fwd, d->engine, dnnl_forward_training, algo, x, x, 1, NULL));
    if (k->pass == MODNAS_FORWARD) return add_step(d, fwd);
    return add_backward(d, fwd,
                        dnnl_softmax_backward_primitive_desc_create(&bwd, d->engine, algo, x, x, x, 1, fwd, NULL), bwd);
}

static dnnl_status_t shuffle(direct *d, const modnas_kernel *k) {
    const_dnnl_memory_desc_t x = images(d, &k->src);
    dnnl_primitive_desc_t pd; /* backward is a shuffle, too */
    TRY(dnnl_shuffle_forward_primitive_desc_create(&pd, d->engine, dnnl_forward_training, x, x, 1, k->groups, NULL));
    return add_step(d, pd);
}

static dnnl_status_t binary(direct *d, const modnas_kernel *k) {
    static const dnnl_alg_kind_t algos[] = {[MODNAS_BINARY_ADD] = dnnl_binary_add,
                                            [MODNAS_BINARY_SUB] = dnnl_binary_sub,
                                            [MODNAS_BINARY_MUL] = dnnl_binary_mul,
                                            [MODNAS_BINARY_MAX] = dnnl_binary_max,
                                            [MODNAS_BINARY_MIN] = dnnl_binary_min};
    dnnl_primitive_desc_t pd;
    TRY(dnnl_binary_primitive_desc_create(&pd, d->engine, algos[k->algo], images(d, &k->src), images(d, &k->weights),
                                          images(d, &k->dst), NULL));
    return add_step(d, pd);
}

static dnnl_status_t weighted_sum(direct *d, const modnas_kernel *k) {
    enum { MOST = 8 };
    const float scales[MOST] = {1, 2, 3, 4, 5, 6, 7, 8};
    const_dnnl_memory_desc_t x[MOST];
    dnnl_primitive_desc_t pd;
    if (k->n_src > MOST) return dnnl_unimplemented;
    for (int i = 0; i < k->n_src; i++) x[i] = images(d, &k->src);
    TRY(dnnl_sum_primitive_desc_create(&pd, d->engine, images(d, &k->dst), k->n_src, scales, x, NULL));
    return add_step(d, pd);
}

static dnnl_status_t reduce(direct *d, const modnas_kernel *k) {
    const dnnl_alg_kind_t algo = k->algo == MODNAS_REDUCE_SUM ? dnnl_reduction_sum : dnnl_reduction_mean;
    dnnl_primitive_desc_t pd;
    TRY(dnnl_reduction_primitive_desc_create(&pd, d->engine, algo, images(d, &k->src), any(d, 4, k->dst.dims), 0, 0,
                                             NULL));
    return add_step(d, pd);
}

/* From plain to blocked, as images enter a network. */
static dnnl_status_t reorder(direct *d, const modnas_kernel *k) {
    dnnl_primitive_desc_t pd;
    TRY(dnnl_reorder_primitive_desc_create(&pd, desc(d, 4, k->src.dims, dnnl_nchw), d->engine, images(d, &k->dst),
                                           d->engine, NULL));
    return add_step(d, pd);
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
