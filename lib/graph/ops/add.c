/* Addition of equal shapes (the residual), zeros, and broadcasting binary operators.
 *
 * Zeros are never stored by themselves: whoever reads one gets it made in the layout it wants, and adding one costs nothing. */
#include "graph/run.h"

/* ---- zero -------------------------------------------------------------------------------------------------------------------- */

static int zero_forward(mn_run *run, mn_vertex *x) {
    (void)run;
    (void)x;
    return 0;
}

const mn_op mn_op_zero = {"zero", zero_forward, NULL};

int mn_zero(mn_run *run, const int64_t dims[4], mn_value **dst) {
    mn_vertex *x;
    MN_TRY(mn_vertex_new(run, &mn_op_zero, NULL, 0, dims, &x));
    *dst = x->dst;
    return 0;
}

/* ---- add ----------------------------------------------------------------------------------------------------------------------- */

static int emit_binary(mn_run *run, int32_t algo, mn_value *a, mn_value *b, mn_value *dst) {
    modnas_kernel k;
    mn_kernel_init(&k, run, MODNAS_KERNEL_BINARY, MODNAS_FORWARD);
    k.algo = algo;
    const int plain = !mn_same_dims(a, dst) || !mn_same_dims(b, dst);
    k.weights = mn_desc(b);
    const int32_t layout = mn_root(a)->layout < 0 ? MODNAS_LAYOUT_PLAIN : mn_root(a)->layout;
    k.src = mn_desc(a);
    k.dst = mn_desc(dst);
    k.src.layout = k.weights.layout = k.dst.layout = plain ? MODNAS_LAYOUT_PLAIN : layout;
    if (!mn_backend_supports(run->backend, &k)) k.src.layout = k.weights.layout = k.dst.layout = MODNAS_LAYOUT_PLAIN;
    MN_TRY(mn_as(run, a, k.src.layout, &a));
    MN_TRY(mn_as(run, b, k.weights.layout, &b));
    MN_TRY(mn_place(run, dst, k.dst.layout));
    return mn_emit(run, &k, (mn_value *[]){a, b, dst}, 3, NULL, 0);
}

static int add_forward(mn_run *run, mn_vertex *x) {
    return emit_binary(run, MODNAS_BINARY_ADD, mn_src(run, x, 0), mn_src(run, x, 1), x->out);
}

static int add_backward(mn_run *run, mn_vertex *x, mn_value *g) {
    for (int i = 0; i < 2; i++)
        if (mn_wants_grad(mn_src(run, x, i))) MN_TRY(mn_grad_pass(run, mn_src(run, x, i), g));
    return 0;
}

const mn_op mn_op_add = {"add", add_forward, add_backward};

int mn_add(mn_run *run, mn_value *a, mn_value *b, mn_value **dst) {
    char s[64], t[64];
    if (!mn_same_dims(a, b))
        return mn_fail(run->ctx, MODNAS_ESHAPE, "add: %s and %s differ", mn_dims_text(a->dims, s), mn_dims_text(b->dims, t));
    if (mn_is_zero(run, a) || mn_is_zero(run, b)) {
        *dst = mn_is_zero(run, a) ? b : a;
        return 0;
    }
    mn_vertex *x;
    MN_TRY(mn_vertex_new(run, &mn_op_add, (mn_value *[]){a, b}, 2, a->dims, &x));
    *dst = x->dst;
    return 0;
}

/* ---- binary with broadcasting ------------------------------------------------------------------------------------------------------ */

static int binary_forward(mn_run *run, mn_vertex *x) {
    return emit_binary(run, x->u.binary.algo, mn_src(run, x, 0), mn_src(run, x, 1), x->out);
}

/* Add g, summed over the axes where v was broadcast, times `sign`, to v's gradient. */
static int give(mn_run *run, mn_value *v, mn_value *g, double sign) {
    modnas_kernel k;
    mn_value *to;
    if (!mn_same_dims(v, g)) {
        mn_value *src;
        MN_TRY(mn_as(run, g, MODNAS_LAYOUT_PLAIN, &src));
        MN_TRY(mn_temp(run, v->dims, v->dtype, MODNAS_LAYOUT_PLAIN, &to));
        mn_kernel_init(&k, run, MODNAS_KERNEL_REDUCE, MODNAS_FORWARD);
        k.algo = MODNAS_REDUCE_SUM;
        k.src = mn_desc(src);
        k.dst = mn_desc(to);
        MN_TRY(mn_emit(run, &k, (mn_value *[]){src, to}, 2, NULL, 0));
        g = to;
    }
    if (sign == 1) return mn_grad_pass(run, v, g);
    mn_kernel_init(&k, run, MODNAS_KERNEL_AXPBY, MODNAS_FORWARD);
    MN_TRY(mn_grad_open(run, v, mn_root(g)->layout, &to));
    const double n = (double)(to->bytes / mn_dtype_bytes(to->dtype));
    MN_TRY(mn_emit(run, &k, (mn_value *[]){g, to}, 2, (double[]){n, sign, 0}, 3));
    return mn_grad_close(run, v, to);
}

static int binary_backward(mn_run *run, mn_vertex *x, mn_value *g) {
    mn_value *src[2] = {mn_src(run, x, 0), mn_src(run, x, 1)};
    for (int i = 0; i < 2; i++) {
        if (!mn_wants_grad(src[i])) continue;
        mn_value *part = g;
        if (x->u.binary.algo == MODNAS_BINARY_MUL) {
            part = mn_value_new(run, x->dst->dims, run->dtype);
            if (!part) return MODNAS_ENOMEM;
            MN_TRY(emit_binary(run, MODNAS_BINARY_MUL, g, src[1 - i], part));
        }
        MN_TRY(give(run, src[i], part, x->u.binary.algo == MODNAS_BINARY_SUB && i == 1 ? -1 : 1));
    }
    return 0;
}

static const mn_op op_binary = {"binary", binary_forward, binary_backward};
static const mn_op op_extremum = {"extremum", binary_forward, NULL};

int mn_binary(mn_run *run, int32_t algo, mn_value *a, mn_value *b, mn_value **dst) {
    int64_t dims[4];
    char s[64], t[64];
    for (int i = 0; i < 4; i++) {
        if (a->dims[i] != b->dims[i] && a->dims[i] != 1 && b->dims[i] != 1)
            return mn_fail(run->ctx, MODNAS_ESHAPE, "binary: %s and %s do not broadcast", mn_dims_text(a->dims, s), mn_dims_text(b->dims, t));
        dims[i] = a->dims[i] > b->dims[i] ? a->dims[i] : b->dims[i];
    }
    const int extremum = algo == MODNAS_BINARY_MAX || algo == MODNAS_BINARY_MIN;
    mn_vertex *x;
    MN_TRY(mn_vertex_new(run, extremum ? &op_extremum : &op_binary, (mn_value *[]){a, b}, 2, dims, &x));
    x->u.binary.algo = algo;
    *dst = x->dst;
    return 0;
}
