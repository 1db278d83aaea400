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

/* The layout of an operand that is not repeated; plain if both are, or if it has none yet. */
static int32_t common_layout(mn_value *a, mn_value *b, const mn_value *dst) {
    mn_value *whole = mn_same_dims(a, dst) ? mn_root(a) : mn_root(b);
    return mn_same_dims(whole, dst) && whole->layout >= 0 ? whole->layout : MODNAS_LAYOUT_PLAIN;
}

int mn_emit_binary(mn_run *run, int32_t algo, mn_value *a, mn_value *b, mn_value *dst) {
    modnas_kernel k;
    mn_kernel_init(&k, run, MODNAS_KERNEL_BINARY, MODNAS_FORWARD);
    k.algo = algo;
    k.src = mn_desc(a);
    k.weights = mn_desc(b);
    k.dst = mn_desc(dst);
    k.src.layout = k.weights.layout = k.dst.layout = common_layout(a, b, dst);
    if (!mn_backend_supports(run->backend, &k)) k.src.layout = k.weights.layout = k.dst.layout = MODNAS_LAYOUT_PLAIN;
    MN_TRY(mn_as(run, a, k.src.layout, &a));
    MN_TRY(mn_as(run, b, k.weights.layout, &b));
    MN_TRY(mn_place(run, dst, k.dst.layout));
    return mn_emit(run, &k, (mn_value *[]){a, b, dst}, 3, NULL, 0);
}

static int add_forward(mn_run *run, mn_vertex *x) {
    return mn_emit_binary(run, MODNAS_BINARY_ADD, mn_src(run, x, 0), mn_src(run, x, 1), x->out);
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
    return mn_emit_binary(run, x->u.binary.algo, mn_src(run, x, 0), mn_src(run, x, 1), x->out);
}

/* Add g, summed over the axes where v was broadcast, times `sign`, to v's gradient. */
static int give(mn_run *run, mn_value *v, mn_value *g, double sign) {
    modnas_kernel k;
    mn_value *to;
    if (!mn_same_dims(v, g)) {
        if (!(to = mn_value_new(run, v->dims, v->dtype))) return MODNAS_ENOMEM;
        MN_TRY(mn_emit_reduce(run, MODNAS_REDUCE_SUM, g, to));
        g = to;
    }
    if (sign == 1) return mn_grad_pass(run, v, g);
    mn_kernel_init(&k, run, MODNAS_KERNEL_AXPBY, MODNAS_FORWARD);
    MN_TRY(mn_grad_open(run, v, mn_root(g)->layout, &to));
    const double n = (double)(to->bytes / mn_dtype_bytes(to->dtype));
    MN_TRY(mn_emit(run, &k, (mn_value *[]){g, to}, 2, (double[]){n, sign, 0}, 3));
    return mn_grad_close(run, v, to);
}

/* What goes to operand i: g, g times the other one, or of a quotient y: g / b and, times -1, g y / b. */
static int share_of(mn_run *run, const mn_vertex *x, int i, mn_value *g, mn_value **part) {
    mn_value *other = mn_src(run, x, 1 - i), *b = mn_src(run, x, 1), *gy;
    *part = g;
    if (x->u.binary.algo != MODNAS_BINARY_MUL && x->u.binary.algo != MODNAS_BINARY_DIV) return 0;
    if (!(*part = mn_value_new(run, x->dst->dims, run->dtype))) return MODNAS_ENOMEM;
    if (x->u.binary.algo == MODNAS_BINARY_MUL) return mn_emit_binary(run, MODNAS_BINARY_MUL, g, other, *part);
    if (i == 0) return mn_emit_binary(run, MODNAS_BINARY_DIV, g, b, *part);
    if (!(gy = mn_value_new(run, x->dst->dims, run->dtype))) return MODNAS_ENOMEM;
    MN_TRY(mn_emit_binary(run, MODNAS_BINARY_MUL, g, x->out, gy));
    return mn_emit_binary(run, MODNAS_BINARY_DIV, gy, b, *part);
}

static int binary_backward(mn_run *run, mn_vertex *x, mn_value *g) {
    const int negated = x->u.binary.algo == MODNAS_BINARY_SUB || x->u.binary.algo == MODNAS_BINARY_DIV;
    for (int i = 0; i < 2; i++) {
        mn_value *part;
        if (!mn_wants_grad(mn_src(run, x, i))) continue;
        MN_TRY(share_of(run, x, i, g, &part));
        MN_TRY(give(run, mn_src(run, x, i), part, negated && i == 1 ? -1 : 1));
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
