/* Elementwise activations. */
#include "graph/run.h"

static void describe(const mn_run *run, const mn_vertex *x, int32_t pass, modnas_kernel *k) {
    mn_kernel_init(k, run, MODNAS_KERNEL_ACTIVATION, pass);
    k->act = x->u.act.act;
}

static int forward(mn_run *run, mn_vertex *x) {
    mn_value *src = mn_src(run, x, 0);
    modnas_kernel k;
    describe(run, x, MODNAS_FORWARD, &k);
    MN_TRY(mn_fit_same(run, &k, &src, x->out));
    return mn_emit(run, &k, (mn_value *[]){src, x->out}, 2, (double[]){x->u.act.alpha, x->u.act.beta}, 2);
}

static int backward(mn_run *run, mn_vertex *x, mn_value *g) {
    mn_value *source = mn_src(run, x, 0), *src = source, *gy, *to, like = *x->out;
    modnas_kernel k;
    describe(run, x, MODNAS_BACKWARD_DATA, &k);
    MN_TRY(mn_fit_same(run, &k, &src, &like));
    MN_TRY(mn_as(run, g, k.dst.layout, &gy));
    mn_value *dst;
    MN_TRY(mn_as(run, x->out, k.dst.layout, &dst));
    MN_TRY(mn_grad_open(run, source, k.src.layout, &to));
    MN_TRY(mn_emit(run, &k, (mn_value *[]){src, dst, gy, to}, 4, (double[]){x->u.act.alpha, x->u.act.beta}, 2));
    return mn_grad_close(run, source, to);
}

const mn_op mn_op_activation = {"activation", forward, backward};

int mn_activation(mn_run *run, mn_value *src, int32_t act, double alpha, double beta, mn_value **dst) {
    if (act == MODNAS_ACT_NONE) {
        *dst = src;
        return 0;
    }
    mn_vertex *x;
    MN_TRY(mn_vertex_new(run, &mn_op_activation, &src, 1, src->dims, &x));
    x->u.act.act = act;
    x->u.act.alpha = alpha;
    x->u.act.beta = beta;
    *dst = x->dst;
    return 0;
}
