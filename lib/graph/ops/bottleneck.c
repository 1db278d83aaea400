/* The wide part of an inverted residual block as one kernel; fusion makes it (fuse_bottleneck.c), nobody records it. */
#include <string.h>

#include "graph/run.h"

static const mn_vertex *depthwise_of(mn_run *run, const mn_vertex *x) {
    return mn_vertex_at(run, x->u.bottleneck.depthwise);
}

static mn_value *source_of(mn_run *run, const mn_vertex *x) {
    const int32_t first = x->u.bottleneck.expand < 0 ? x->u.bottleneck.depthwise : x->u.bottleneck.expand;
    return mn_src(run, mn_vertex_at(run, first), 0);
}

static modnas_tdesc blocked(const mn_value *v) {
    modnas_tdesc t = mn_desc(v);
    t.layout = MODNAS_LAYOUT_BLOCKED;
    return t;
}

void mn_bottleneck_kernel(mn_run *run, const mn_vertex *x, int32_t pass, modnas_kernel *k) {
    const mn_vertex *depthwise = depthwise_of(run, x);
    const mn_value *weights = mn_src(run, depthwise, 1);
    const mn_conv_opts *o = &depthwise->u.conv;
    mn_kernel_init(k, run, MODNAS_KERNEL_BOTTLENECK, pass);
    k->act = x->act;
    if (x->u.bottleneck.expand >= 0) k->flags |= MODNAS_KF_EXPAND;
    if (x->fold) k->flags |= MODNAS_KF_INFERENCE | (x->residual ? MODNAS_KF_RESIDUAL : 0);
    if (pass == MODNAS_FORWARD && run->opts.update_stats && !x->frozen && !x->fold) k->flags |= MODNAS_KF_UPDATE_STATS;
    for (int i = 0; i < 2; i++) {
        k->u.window.kernel[i] = (int32_t)weights->dims[2 + i];
        k->u.window.stride[i] = o->stride[i];
        k->u.window.dilation[i] = o->dilation[i];
    }
    memcpy(k->u.window.pad, o->pad, sizeof o->pad);
    k->u.window.groups = o->groups;
    k->src = blocked(source_of(run, x));
    k->dst = blocked(x->out);
    k->weights = mn_desc(weights);
    k->weights.layout = mn_weights_layout(run, weights);
}

/* One of the two convolutions with batch norm: weights, gamma, beta; the batch norm's vertex, NULL if they are not
 * there. */
static const mn_vertex *parts_of(mn_run *run, int32_t conv, int32_t norm, mn_value *own[3]) {
    memset(own, 0, 3 * sizeof *own);
    if (conv < 0) return NULL;
    const mn_vertex *bn = mn_vertex_at(run, norm);
    own[0] = mn_src(run, mn_vertex_at(run, conv), 1);
    own[1] = mn_src(run, bn, 1);
    own[2] = mn_src(run, bn, 2);
    return bn;
}

static const mn_vertex *half(mn_run *run, const mn_vertex *x, int i, mn_value *own[3]) {
    return i == 0 ? parts_of(run, x->u.bottleneck.expand, x->u.bottleneck.norm1, own)
                  : parts_of(run, x->u.bottleneck.depthwise, x->u.bottleneck.norm2, own);
}

/* In inference: the last batch norm's own, and the residual. */
static int last_norm(mn_run *run, const mn_vertex *x, mn_value *args[5], double *eps) {
    args[0] = mn_src(run, x->fold, 1);
    args[1] = mn_src(run, x->fold, 2);
    args[2] = x->fold->u.bn.mean;
    args[3] = x->fold->u.bn.var;
    *eps = x->fold->u.bn.o.eps;
    return x->residual ? mn_as(run, x->residual, MODNAS_LAYOUT_BLOCKED, &args[4]) : 0;
}

/* What forward leaves for backward. */
static int place_saved(mn_run *run, mn_vertex *x, const modnas_kernel *k) {
    const mn_plan *plan;
    MN_TRY(mn_backend_plan(run->backend, k, &plan));
    return mn_temp(run, (int64_t[4]){1, 1, 1, (int64_t)plan->workspace}, MODNAS_U8, MODNAS_LAYOUT_PLAIN, &x->aux[0]);
}

static int forward(mn_run *run, mn_vertex *x) {
    modnas_kernel k;
    mn_value *args[19] = {NULL};
    double scalars[5] = {0};
    mn_bottleneck_kernel(run, x, MODNAS_FORWARD, &k);
    MN_TRY(mn_as(run, source_of(run, x), k.src.layout, &args[0]));
    MN_TRY(mn_place(run, x->out, k.dst.layout));
    if (x->fold)
        MN_TRY(last_norm(run, x, args + 14, &scalars[4]));
    else
        MN_TRY(place_saved(run, x, &k));
    args[1] = x->out;
    args[2] = x->aux[0];
    for (int i = 0; i < 2; i++) {
        const mn_vertex *bn = half(run, x, i, args + 3 + 5 * i);
        if (!bn) continue;
        args[3 + 5 * i + 3] = bn->u.bn.mean;
        args[3 + 5 * i + 4] = bn->u.bn.var;
        scalars[2 * i] = bn->u.bn.o.eps;
        scalars[2 * i + 1] = bn->u.bn.o.momentum;
    }
    args[13] = mn_src(run, x, 1);
    return mn_emit(run, &k, args, x->fold ? 19 : 14, scalars, x->fold ? 5 : 4);
}

static int open_grads(mn_run *run, mn_value *const *own, int n, mn_value **to) {
    for (int i = 0; i < n; i++)
        if (mn_wants_grad(own[i])) MN_TRY(mn_grad_open(run, own[i], mn_weights_layout(run, own[i]), &to[i]));
    return 0;
}

static int close_grads(mn_run *run, mn_value *const *own, int n, mn_value *const *to) {
    for (int i = 0; i < n; i++)
        if (to[i]) MN_TRY(mn_grad_close(run, own[i], to[i]));
    return 0;
}

static int backward(mn_run *run, mn_vertex *x, mn_value *g) {
    modnas_kernel k;
    mn_value *source = source_of(run, x), *args[18] = {NULL};
    mn_bottleneck_kernel(run, x, MODNAS_BACKWARD_DATA, &k);
    MN_TRY(mn_as(run, source, k.src.layout, &args[0]));
    MN_TRY(mn_as(run, g, k.dst.layout, &args[1]));
    args[2] = x->aux[0];
    for (int i = 0; i < 2; i++) {
        mn_value **own = args + 4 + 6 * i;
        half(run, x, i, own);
        MN_TRY(open_grads(run, own, 3, own + 3));
    }
    args[16] = mn_src(run, x, 1);
    MN_TRY(open_grads(run, args + 16, 1, args + 17));
    if (mn_wants_grad(source)) MN_TRY(mn_grad_open(run, source, k.src.layout, &args[3]));
    MN_TRY(mn_emit(run, &k, args, 18, NULL, 0));
    for (int i = 0; i < 2; i++) MN_TRY(close_grads(run, args + 4 + 6 * i, 3, args + 7 + 6 * i));
    MN_TRY(close_grads(run, args + 16, 1, args + 17));
    return args[3] ? mn_grad_close(run, source, args[3]) : 0;
}

const mn_op mn_op_bottleneck = {"bottleneck", forward, backward};
