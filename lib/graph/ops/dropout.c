/* Dropout: elements are zeroed with probability p, the others scaled by 1 / (1 - p). Draws are keyed by (seed, step, element). */
#include "graph/run.h"

static int forward(mn_run *run, mn_vertex *x) {
    mn_value *src = mn_src(run, x, 0);
    modnas_kernel k;
    mn_kernel_init(&k, run, MODNAS_KERNEL_DROPOUT, MODNAS_FORWARD);
    MN_TRY(mn_fit_same(run, &k, &src, x->out));
    MN_TRY(mn_temp(run, x->dst->dims, run->dtype, k.dst.layout, &x->aux[0]));
    const uint64_t mix = run->opts.seed * 1000003u + (uint64_t)x->index; /* two dropouts of a net draw apart */
    const double seed = (double)(mix & ((UINT64_C(1) << 53) - 1));
    MN_TRY(mn_emit(run, &k, (mn_value *[]){src, x->out, x->aux[0]}, 3, (double[]){x->u.dropout.p, seed, 0}, 3));
    mn_last_call(run)->patch = MN_PATCH_STEP;
    return 0;
}

static int backward(mn_run *run, mn_vertex *x, mn_value *g) {
    mn_value *mask = x->aux[0], *gy, *to;
    modnas_kernel k;
    mn_kernel_init(&k, run, MODNAS_KERNEL_DROPOUT, MODNAS_BACKWARD_DATA);
    k.src = k.dst = mn_desc(mask);
    MN_TRY(mn_as(run, g, mask->layout, &gy));
    MN_TRY(mn_grad_open(run, mn_src(run, x, 0), mask->layout, &to));
    MN_TRY(mn_emit(run, &k, (mn_value *[]){mask, gy, to}, 3, NULL, 0));
    return mn_grad_close(run, mn_src(run, x, 0), to);
}

static const mn_op op_dropout = {"dropout", forward, backward};

int mn_dropout(mn_run *run, mn_value *src, double p, mn_value **dst) {
    if (!(p >= 0 && p < 1)) return mn_fail(run->ctx, MODNAS_EINVAL, "dropout: probability %g is not in [0, 1)", p);
    if (!run->opts.train || run->opts.no_drop || p == 0) {
        *dst = src;
        return 0;
    }
    mn_vertex *x;
    MN_TRY(mn_vertex_new(run, &op_dropout, &src, 1, src->dims, &x));
    x->u.dropout.p = p;
    *dst = x->dst;
    return 0;
}
