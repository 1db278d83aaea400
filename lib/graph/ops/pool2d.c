/* Max and average pooling, also over the whole plane. */
#include <string.h>

#include "graph/run.h"

static void describe(const mn_run *run, const mn_vertex *x, int32_t pass, modnas_kernel *k) {
    const mn_pool_opts *o = &x->u.pool;
    mn_kernel_init(k, run, MODNAS_KERNEL_POOL2D, pass);
    k->algo = o->algo;
    for (int i = 0; i < 2; i++) {
        k->u.window.kernel[i] = o->kernel[i];
        k->u.window.stride[i] = o->stride[i];
        k->u.window.dilation[i] = o->dilation[i];
    }
    memcpy(k->u.window.pad, o->pad, sizeof o->pad);
    k->u.window.groups = 1;
}

static int forward(mn_run *run, mn_vertex *x) {
    mn_value *src = mn_src(run, x, 0);
    modnas_kernel k;
    describe(run, x, MODNAS_FORWARD, &k);
    if (!x->out->needs_grad) k.flags |= MODNAS_KF_INFERENCE;
    MN_TRY(mn_fit(run, &k, &src, NULL, x->out));
    const mn_plan *plan;
    MN_TRY(mn_backend_plan(run->backend, &k, &plan));
    if (plan->workspace && x->out->needs_grad) {
        const int64_t dims[4] = {1, 1, 1, (int64_t)plan->workspace};
        MN_TRY(mn_temp(run, dims, MODNAS_U8, MODNAS_LAYOUT_PLAIN, &x->aux[0]));
    }
    return mn_emit(run, &k, (mn_value *[]){src, x->out, x->aux[0]}, 3, NULL, 0);
}

static int backward(mn_run *run, mn_vertex *x, mn_value *g) {
    mn_value *source = mn_src(run, x, 0), *src = source, *gy, *dst, *to, like = *x->out;
    modnas_kernel k;
    describe(run, x, MODNAS_BACKWARD_DATA, &k);
    MN_TRY(mn_fit(run, &k, &src, NULL, &like));
    MN_TRY(mn_as(run, g, k.dst.layout, &gy));
    MN_TRY(mn_as(run, x->out, k.dst.layout, &dst));
    MN_TRY(mn_grad_open(run, source, k.src.layout, &to));
    MN_TRY(mn_emit(run, &k, (mn_value *[]){src, dst, gy, x->aux[0], to}, 5, NULL, 0));
    return mn_grad_close(run, source, to);
}

static const mn_op op_pool2d = {"pool2d", forward, backward};

/* Outputs along one axis; with ceil mode the last window must begin inside the image or its leading padding. */
static int64_t out_size(int64_t in, int64_t kernel, int32_t stride, int32_t before, int32_t after, int ceil_mode) {
    const int64_t room = in + before + after - kernel;
    if (room < 0) return 0;
    int64_t n = (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
    if (ceil_mode && (n - 1) * stride >= in + before) n--;
    return n;
}

int mn_pool2d(mn_run *run, mn_value *src, const mn_pool_opts *opts, mn_value **dst) {
    mn_pool_opts o = *opts;
    int64_t reach[2]; /* of a window */
    char a[64];
    for (int i = 0; i < 2; i++) {
        if (!o.stride[i]) o.stride[i] = o.kernel[i];
        if (!o.dilation[i]) o.dilation[i] = 1;
        reach[i] = (int64_t)(o.kernel[i] - 1) * o.dilation[i] + 1;
        if (o.kernel[i] < 1 || o.stride[i] < 1 || o.dilation[i] < 1 || o.pad[i] < 0 || o.pad[i + 2] < 0 || o.pad[i] >= reach[i] ||
            o.pad[i + 2] >= reach[i])
            return mn_fail(run->ctx, MODNAS_EINVAL, "pool2d: kernel %d, stride %d, dilation %d, padding %d and %d do not go together",
                           o.kernel[i], o.stride[i], o.dilation[i], o.pad[i], o.pad[i + 2]);
    }
    const int64_t dims[4] = {src->dims[0], src->dims[1],
                             out_size(src->dims[2], reach[0], o.stride[0], o.pad[0], o.pad[2], o.ceil_mode),
                             out_size(src->dims[3], reach[1], o.stride[1], o.pad[1], o.pad[3], o.ceil_mode)};
    if (dims[2] < 1 || dims[3] < 1)
        return mn_fail(run->ctx, MODNAS_ESHAPE, "pool2d: src %s is smaller than a window of %lldx%lld",
                       mn_dims_text(src->dims, a), (long long)reach[0], (long long)reach[1]);
    mn_vertex *x;
    MN_TRY(mn_vertex_new(run, &op_pool2d, &src, 1, dims, &x));
    x->u.pool = o;
    *dst = x->dst;
    return 0;
}

int mn_global_pool(mn_run *run, mn_value *src, int32_t algo, mn_value **dst) {
    mn_pool_opts o = {.algo = algo, .kernel = {(int32_t)src->dims[2], (int32_t)src->dims[3]}};
    return mn_pool2d(run, src, &o, dst);
}
