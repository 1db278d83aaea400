/* Softmax and log-softmax over channels. */
#include "graph/run.h"

static int forward(mn_run *run, mn_vertex *x) {
    mn_value *src = mn_src(run, x, 0);
    modnas_kernel k;
    mn_kernel_init(&k, run, MODNAS_KERNEL_SOFTMAX, MODNAS_FORWARD);
    if (x->u.softmax.log) k.flags = MODNAS_KF_LOG;
    MN_TRY(mn_fit(run, &k, &src, NULL, x->out));
    return mn_emit(run, &k, (mn_value *[]){src, x->out}, 2, NULL, 0);
}

static int backward(mn_run *run, mn_vertex *x, mn_value *g) {
    mn_value *gy, *to, *dst, *src = mn_src(run, x, 0), like = *x->out;
    modnas_kernel k;
    mn_kernel_init(&k, run, MODNAS_KERNEL_SOFTMAX, MODNAS_BACKWARD_DATA);
    if (x->u.softmax.log) k.flags = MODNAS_KF_LOG;
    MN_TRY(mn_fit(run, &k, &src, NULL, &like));
    MN_TRY(mn_as(run, x->out, k.dst.layout, &dst));
    MN_TRY(mn_as(run, g, k.dst.layout, &gy));
    MN_TRY(mn_grad_open(run, mn_src(run, x, 0), k.src.layout, &to));
    MN_TRY(mn_emit(run, &k, (mn_value *[]){dst, gy, to}, 3, NULL, 0));
    return mn_grad_close(run, mn_src(run, x, 0), to);
}

static const mn_op op_softmax = {"softmax", forward, backward};

int mn_softmax(mn_run *run, mn_value *src, int log, mn_value **dst) {
    mn_vertex *x;
    MN_TRY(mn_vertex_new(run, &op_softmax, &src, 1, src->dims, &x));
    x->u.softmax.log = log;
    *dst = x->dst;
    return 0;
}
