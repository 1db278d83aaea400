/* Fully connected layer: src (N,C,1,1), weights (O,C,1,1), bias (1,O,1,1). */
#include "graph/run.h"

static int fit(mn_run *run, mn_vertex *x, int32_t pass, modnas_kernel *k, mn_value **src, mn_value **weights, mn_value *dst) {
    *src = mn_src(run, x, 0);
    *weights = mn_src(run, x, 1);
    mn_kernel_init(k, run, MODNAS_KERNEL_LINEAR, pass);
    if (mn_src(run, x, 2)) k->flags |= MODNAS_KF_BIAS;
    if (!run->opts.grads) k->flags |= MODNAS_KF_INFERENCE;
    return mn_fit(run, k, src, weights, dst);
}

static int forward(mn_run *run, mn_vertex *x) {
    modnas_kernel k;
    mn_value *src, *weights;
    MN_TRY(fit(run, x, MODNAS_FORWARD, &k, &src, &weights, x->out));
    return mn_emit(run, &k, (mn_value *[]){src, weights, mn_src(run, x, 2), x->out}, 4, NULL, 0);
}

static int backward(mn_run *run, mn_vertex *x, mn_value *g) {
    return mn_filter_backward(run, x, g, fit);
}

static const mn_op op_linear = {"linear", forward, backward};

static int record(mn_run *run, mn_value *src, mn_value *weights, mn_value *bias, mn_value **dst) {
    char a[64], b[64];
    const int64_t *s = src->dims, *w = weights->dims;
    if (s[2] != 1 || s[3] != 1 || w[2] != 1 || w[3] != 1 || s[1] != w[1])
        return mn_fail(run->ctx, MODNAS_ESHAPE, "linear: src %s does not fit weights %s", mn_dims_text(s, a), mn_dims_text(w, b));
    if (bias && (bias->dims[1] != w[0] || bias->dims[0] * bias->dims[2] * bias->dims[3] != 1))
        return mn_fail(run->ctx, MODNAS_ESHAPE, "linear: bias has %lld elements for %lld outputs", (long long)bias->dims[1],
                       (long long)w[0]);
    const int64_t dims[4] = {s[0], w[0], 1, 1};
    mn_vertex *x;
    MN_TRY(mn_vertex_new(run, &op_linear, (mn_value *[]){src, weights, bias}, 3, dims, &x));
    *dst = x->dst;
    return 0;
}

int mn_linear(mn_run *run, mn_value *src, mn_value *weights, mn_value *bias, mn_value **dst) {
    MN_TRY(record(run, src, weights, bias, dst));
    run->macs += weights->dims[0] * weights->dims[1];
    return 0;
}

int mn_linear_of_weights(mn_run *run, mn_value *src, mn_value *matrix, mn_value **dst) {
    return record(run, src, matrix, NULL, dst);
}
