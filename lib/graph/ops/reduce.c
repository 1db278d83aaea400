/* Sum and mean over axes. */
#include "graph/run.h"

int mn_emit_reduce(mn_run *run, int32_t algo, mn_value *src, mn_value *dst) {
    modnas_kernel k;
    mn_kernel_init(&k, run, MODNAS_KERNEL_REDUCE, MODNAS_FORWARD);
    k.algo = algo;
    MN_TRY(mn_fit_same(run, &k, &src, dst));
    return mn_emit(run, &k, (mn_value *[]){src, dst}, 2, NULL, 0);
}

static int reduce_forward(mn_run *run, mn_vertex *x) {
    return mn_emit_reduce(run, x->u.reduce.algo, mn_src(run, x, 0), x->out);
}

/* g repeated, times 1 or 1 / the number of terms. */
static int reduce_backward(mn_run *run, mn_vertex *x, mn_value *g) {
    mn_value *source = mn_src(run, x, 0), *share, *repeated = mn_value_new(run, source->dims, run->dtype);
    double terms = 1;
    for (int i = 0; i < 4; i++) terms *= (double)source->dims[i] / (double)x->dst->dims[i];
    if (!repeated) return MODNAS_ENOMEM;
    MN_TRY(mn_temp(run, source->dims, run->dtype, MODNAS_LAYOUT_PLAIN, &share));
    MN_TRY(mn_emit_fill(run, share, x->u.reduce.algo == MODNAS_REDUCE_MEAN ? 1 / terms : 1));
    MN_TRY(mn_emit_binary(run, MODNAS_BINARY_MUL, share, g, repeated));
    return mn_grad_pass(run, source, repeated);
}

static const mn_op op_reduce = {"reduce", reduce_forward, reduce_backward};

int mn_reduce(mn_run *run, int32_t algo, mn_value *src, const int64_t dims[4], mn_value **dst) {
    char a[64], b[64];
    mn_vertex *x;
    for (int i = 0; i < 4; i++)
        if (dims[i] != 1 && dims[i] != src->dims[i])
            return mn_fail(run->ctx, MODNAS_ESHAPE, "reduce: %s does not become %s", mn_dims_text(src->dims, a),
                           mn_dims_text(dims, b));
    MN_TRY(mn_vertex_new(run, &op_reduce, &src, 1, dims, &x));
    x->u.reduce.algo = algo;
    *dst = x->dst;
    return 0;
}
