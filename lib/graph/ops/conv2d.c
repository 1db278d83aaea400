/* 2-D convolution. Batch norm with running statistics, activation and residual may be folded into it (fuse.c). */
#include <string.h>

#include "graph/run.h"

static modnas_window window_of(const mn_vertex *x, const mn_value *weights) {
    const mn_conv_opts *o = &x->u.conv;
    modnas_window w;
    memset(&w, 0, sizeof w);
    for (int i = 0; i < 2; i++) {
        w.kernel[i] = (int32_t)weights->dims[2 + i];
        w.stride[i] = o->stride[i];
        w.dilation[i] = o->dilation[i];
    }
    memcpy(w.pad, o->pad, sizeof w.pad);
    w.groups = o->groups;
    return w;
}

static void describe(const mn_run *run, const mn_vertex *x, int32_t pass, modnas_kernel *k) {
    mn_kernel_init(k, run, MODNAS_KERNEL_CONV2D, pass);
    k->u.window = window_of(x, mn_src(run, x, 1));
    if (mn_src(run, x, 2)) k->flags |= MODNAS_KF_BIAS;
    if (!run->opts.grads) k->flags |= MODNAS_KF_INFERENCE;
}

int mn_conv_weights_rest(const mn_run *run, const mn_vertex *x) {
    const mn_value *weights = mn_src(run, x, 1);
    modnas_kernel k;
    describe(run, x, MODNAS_FORWARD, &k);
    k.src = mn_desc(mn_src(run, x, 0));
    k.weights = mn_desc(weights);
    k.dst = mn_desc(x->dst);
    const int32_t rests = mn_weights_layout(run, weights);
    return rests >= 0 && rests == mn_backend_want_layout(run->backend, &k, MODNAS_ROLE_WEIGHTS);
}

static int fit(mn_run *run, mn_vertex *x, int32_t pass, modnas_kernel *k, mn_value **src, mn_value **weights, mn_value *dst) {
    *src = mn_src(run, x, 0);
    *weights = mn_src(run, x, 1);
    describe(run, x, pass, k);
    if (x->fold) {
        k->flags |= MODNAS_KF_FOLD_BN | (mn_src(run, x->fold, 1) ? MODNAS_KF_AFFINE : 0);
        k->act = x->act;
        if (x->residual) k->flags |= MODNAS_KF_RESIDUAL;
    }
    return mn_fit(run, k, src, weights, dst);
}

static int forward(mn_run *run, mn_vertex *x) {
    modnas_kernel k;
    mn_value *src, *weights, *residual = NULL;
    MN_TRY(fit(run, x, MODNAS_FORWARD, &k, &src, &weights, x->out));
    mn_value *args[9] = {src, weights, mn_src(run, x, 2), x->out};
    double eps = 0;
    if (x->fold) {
        if (x->residual) MN_TRY(mn_as(run, x->residual, x->out->layout, &residual));
        args[4] = mn_src(run, x->fold, 1);
        args[5] = mn_src(run, x->fold, 2);
        args[6] = x->fold->u.bn.mean;
        args[7] = x->fold->u.bn.var;
        args[8] = residual;
        eps = x->fold->u.bn.o.eps;
    }
    return mn_emit(run, &k, args, 9, &eps, 1);
}

static int backward(mn_run *run, mn_vertex *x, mn_value *g) {
    return mn_filter_backward(run, x, g, fit);
}

const mn_op mn_op_conv2d = {"conv2d", forward, backward};

static int64_t out_size(int64_t in, int64_t kernel, int32_t stride, int32_t pad, int32_t dilation) {
    const int64_t room = in + pad - dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
}

static mn_conv_opts with_defaults(const mn_conv_opts *o) {
    mn_conv_opts d;
    memset(&d, 0, sizeof d);
    if (o) d = *o;
    for (int i = 0; i < 2; i++) {
        if (!d.stride[i]) d.stride[i] = 1;
        if (!d.dilation[i]) d.dilation[i] = 1;
    }
    if (!d.groups) d.groups = 1;
    return d;
}

static int check(mn_run *run, const mn_value *src, const mn_value *w, const mn_value *bias, const mn_conv_opts *o) {
    const int64_t c = src->dims[1], per_group = w->dims[1];
    if (o->groups < 1 || o->stride[0] < 1 || o->stride[1] < 1 || o->dilation[0] < 1 || o->dilation[1] < 1)
        return mn_fail(run->ctx, MODNAS_EINVAL, "conv2d: groups %d, stride %dx%d, dilation %dx%d must be 1 or more", o->groups,
                       o->stride[0], o->stride[1], o->dilation[0], o->dilation[1]);
    for (int i = 0; i < 4; i++)
        if (o->pad[i] < 0) return mn_fail(run->ctx, MODNAS_EINVAL, "conv2d: padding %d is negative", o->pad[i]);
    if (c != per_group * o->groups || w->dims[0] % o->groups)
        return mn_fail(run->ctx, MODNAS_ESHAPE, "conv2d: src has %lld channels, weights want %lld in %d groups of %lld outputs",
                       (long long)c, (long long)(per_group * o->groups), o->groups, (long long)w->dims[0]);
    if (bias && (bias->dims[1] != w->dims[0] || bias->dims[0] * bias->dims[2] * bias->dims[3] != 1))
        return mn_fail(run->ctx, MODNAS_ESHAPE, "conv2d: bias has %lld elements for %lld outputs", (long long)bias->dims[1],
                       (long long)w->dims[0]);
    return 0;
}

int mn_conv2d(mn_run *run, mn_value *src, mn_value *weights, mn_value *bias, const mn_conv_opts *opts, mn_value **dst) {
    const mn_conv_opts o = with_defaults(opts);
    MN_TRY(check(run, src, weights, bias, &o));
    const int64_t dims[4] = {src->dims[0], weights->dims[0],
                             out_size(src->dims[2], weights->dims[2], o.stride[0], o.pad[0] + o.pad[2], o.dilation[0]),
                             out_size(src->dims[3], weights->dims[3], o.stride[1], o.pad[1] + o.pad[3], o.dilation[1])};
    char a[64], b[64];
    if (dims[2] < 1 || dims[3] < 1)
        return mn_fail(run->ctx, MODNAS_ESHAPE, "conv2d: src %s is smaller than the window of weights %s", mn_dims_text(src->dims, a),
                       mn_dims_text(weights->dims, b));
    mn_vertex *x;
    MN_TRY(mn_vertex_new(run, &mn_op_conv2d, (mn_value *[]){src, weights, bias}, 3, dims, &x));
    x->u.conv = o;
    run->macs += dims[1] * dims[2] * dims[3] * weights->dims[1] * weights->dims[2] * weights->dims[3];
    *dst = x->dst;
    return 0;
}
