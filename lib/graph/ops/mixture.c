/* The operators of mixed ops: weighted sum, picking elements of a vector, and the binary gate.
 *
 *   weighted_sum   y = sum_i p_i x_i             dL/dp_i = <g, x_i>      dL/dx_i = p_i g
 *   gate           y = x_chosen                  dL/dp_i = <g, x_i>      dL/dx_chosen = g           (ProxylessNAS, eq. 4)
 */
#include "graph/run.h"

/* grad of p: element i = <g, src_i>, for all i, in the layout of g. */
static int probability_grads(mn_run *run, mn_vertex *x, mn_value *g) {
    mn_value *p = mn_src(run, x, 0), *to;
    if (!mn_wants_grad(p)) return 0;
    MN_TRY(mn_grad_open(run, p, MODNAS_LAYOUT_PLAIN, &to));
    for (int32_t i = 0; i + 1 < x->n_src; i++) {
        mn_value *gy = g, *src = mn_src(run, x, 1 + i);
        modnas_kernel k;
        mn_kernel_init(&k, run, MODNAS_KERNEL_DOT, MODNAS_FORWARD);
        k.src = k.weights = mn_desc(mn_root(g));
        k.dst = mn_desc(to);
        if (!mn_backend_supports(run->backend, &k)) k.src.layout = k.weights.layout = MODNAS_LAYOUT_PLAIN;
        MN_TRY(mn_as(run, gy, k.src.layout, &gy));
        MN_TRY(mn_as(run, src, k.src.layout, &src));
        const double index = i;
        MN_TRY(mn_emit(run, &k, (mn_value *[]){gy, src, to}, 3, &index, 1));
    }
    return mn_grad_close(run, p, to);
}

static int check_mixture(mn_run *run, const char *what, const mn_value *p, mn_value *const *src, int32_t n) {
    char a[64], b[64];
    if (n < 1 || p->dims[1] != n || p->dims[0] * p->dims[2] * p->dims[3] != 1)
        return mn_fail(run->ctx, MODNAS_ESHAPE, "%s: %d values and weights of %s", what, n, mn_dims_text(p->dims, a));
    for (int32_t i = 1; i < n; i++)
        if (!mn_same_dims(src[i], src[0]))
            return mn_fail(run->ctx, MODNAS_ESHAPE, "%s: value %d is %s, value 0 is %s", what, i, mn_dims_text(src[i]->dims, a),
                           mn_dims_text(src[0]->dims, b));
    return 0;
}

#define MAX_MIXTURE 128

static int record_mixture(mn_run *run, const mn_op *op, mn_value *p, mn_value *const *src, int32_t n, mn_vertex **x) {
    mn_value *all[1 + MAX_MIXTURE];
    if (n > MAX_MIXTURE) return mn_fail(run->ctx, MODNAS_EUNSUPPORTED, "%s: %d values; %d is the most", op->name, n, MAX_MIXTURE);
    MN_TRY(check_mixture(run, op->name, p, src, n));
    all[0] = p;
    for (int32_t i = 0; i < n; i++) all[1 + i] = src[i];
    return mn_vertex_new(run, op, all, 1 + n, src[0]->dims, x);
}

/* ---- weighted_sum --------------------------------------------------------------------------------------------------------------- */

static int sum_forward(mn_run *run, mn_vertex *x) {
    const int32_t n = x->n_src - 1;
    mn_value *args[2 + MAX_MIXTURE];
    modnas_kernel k;
    mn_kernel_init(&k, run, MODNAS_KERNEL_WEIGHTED_SUM, MODNAS_FORWARD);
    k.n_src = n;
    k.weights = mn_desc(mn_src(run, x, 0));
    for (int32_t i = 0; i < n; i++) /* the layout of the first that has one */
        if (mn_root(args[1] = mn_src(run, x, 1 + i))->layout >= 0) break;
    MN_TRY(mn_as(run, mn_src(run, x, 0), MODNAS_LAYOUT_PLAIN, &args[0]));
    MN_TRY(mn_fit_same(run, &k, &args[1], x->out));
    for (int32_t i = 0; i < n; i++) MN_TRY(mn_as(run, mn_src(run, x, 1 + i), k.src.layout, &args[1 + i]));
    args[1 + n] = x->out;
    return mn_emit(run, &k, args, 2 + n, NULL, 0);
}

static int sum_backward(mn_run *run, mn_vertex *x, mn_value *g) {
    MN_TRY(probability_grads(run, x, g));
    for (int32_t i = 0; i + 1 < x->n_src; i++) {
        mn_value *v = mn_src(run, x, 1 + i), *gy = g, *p, *to, like = *x->out;
        if (!mn_wants_grad(v)) continue;
        modnas_kernel k;
        mn_kernel_init(&k, run, MODNAS_KERNEL_SCALE, MODNAS_FORWARD);
        k.weights = mn_desc(mn_src(run, x, 0));
        MN_TRY(mn_fit_same(run, &k, &gy, &like));
        MN_TRY(mn_as(run, mn_src(run, x, 0), MODNAS_LAYOUT_PLAIN, &p));
        MN_TRY(mn_grad_open(run, v, k.dst.layout, &to));
        const double index = i;
        MN_TRY(mn_emit(run, &k, (mn_value *[]){p, gy, to}, 3, &index, 1));
        MN_TRY(mn_grad_close(run, v, to));
    }
    return 0;
}

static const mn_op op_weighted_sum = {"weighted_sum", sum_forward, sum_backward};

int mn_weighted_sum(mn_run *run, mn_value *p, mn_value *const *src, int32_t n, mn_value **dst) {
    mn_vertex *x;
    MN_TRY(record_mixture(run, &op_weighted_sum, p, src, n, &x));
    *dst = x->dst;
    return 0;
}

/* ---- gate -------------------------------------------------------------------------------------------------------------------------- */

/* Zeros are made in the layout that another path has, as what comes next is then spared a reorder. */
static int32_t layout_of_paths(mn_run *run, const mn_vertex *x) {
    for (int32_t i = 1; i < x->n_src; i++) {
        const mn_value *v = mn_root(mn_src(run, x, i));
        if (v->layout >= 0 && !mn_is_zero(run, v)) return v->layout;
    }
    return MODNAS_LAYOUT_PLAIN;
}

static int gate_forward(mn_run *run, mn_vertex *x) {
    mn_value *chosen = mn_src(run, x, 1 + x->u.gate.chosen);
    if (mn_is_zero(run, chosen)) MN_TRY(mn_as(run, chosen, layout_of_paths(run, x), &chosen));
    x->out->alias = chosen;
    x->out->layout = mn_root(chosen)->layout;
    return 0;
}

static int gate_backward(mn_run *run, mn_vertex *x, mn_value *g) {
    mn_value *chosen = mn_src(run, x, 1 + x->u.gate.chosen);
    MN_TRY(probability_grads(run, x, g));
    return mn_wants_grad(chosen) ? mn_grad_pass(run, chosen, g) : 0;
}

static const mn_op op_gate = {"gate", gate_forward, gate_backward};

int mn_gate(mn_run *run, mn_value *p, mn_value *const *src, int32_t n, int32_t chosen, mn_value **dst) {
    mn_vertex *x;
    if (chosen < 0 || chosen >= n) return mn_fail(run->ctx, MODNAS_EINVAL, "gate: path %d of %d", chosen, n);
    MN_TRY(record_mixture(run, &op_gate, p, src, n, &x));
    x->u.gate.chosen = chosen;
    *dst = x->dst;
    return 0;
}

/* ---- pick ---------------------------------------------------------------------------------------------------------------------------- */

static modnas_box element_box(const mn_run *run, const mn_vertex *x, int32_t i) {
    modnas_box box = {{1, 1, 1, 1}, {0}, {1, 1, 1, 1}, {0}, {1, 1, 1, 1}};
    box.src_start[1] = MN_AT(run->indices, int32_t, x->u.pick.index + (uint32_t)i);
    box.dst_start[1] = i;
    return box;
}

static int pick_forward(mn_run *run, mn_vertex *x) {
    mn_value *src;
    MN_TRY(mn_as(run, mn_src(run, x, 0), MODNAS_LAYOUT_PLAIN, &src));
    MN_TRY(mn_place(run, x->out, MODNAS_LAYOUT_PLAIN));
    for (int32_t i = 0; i < (int32_t)x->dst->dims[1]; i++) {
        const modnas_box box = element_box(run, x, i);
        MN_TRY(mn_emit_copy(run, src, x->out, &box, 0, 1));
    }
    return 0;
}

static int pick_backward(mn_run *run, mn_vertex *x, mn_value *g) {
    mn_value *v = mn_src(run, x, 0), *to, *gy;
    MN_TRY(mn_as(run, g, MODNAS_LAYOUT_PLAIN, &gy));
    MN_TRY(mn_grad_open(run, v, MODNAS_LAYOUT_PLAIN, &to));
    MN_TRY(mn_emit_fill(run, to, 0));
    for (int32_t i = 0; i < (int32_t)x->dst->dims[1]; i++) {
        modnas_box box = element_box(run, x, i);
        const int32_t at = box.src_start[1];
        box.src_start[1] = box.dst_start[1];
        box.dst_start[1] = at;
        MN_TRY(mn_emit_copy(run, gy, to, &box, 0, 1));
    }
    return mn_grad_close(run, v, to);
}

const mn_op mn_op_pick = {"pick", pick_forward, pick_backward};

int mn_pick(mn_run *run, mn_value *src, const int32_t *index, int32_t n, mn_value **dst) {
    const int64_t dims[4] = {1, n, 1, 1};
    uint64_t seen = 0;
    for (int32_t i = 0; i < n; i++) {
        if (index[i] < 0 || index[i] >= src->dims[1])
            return mn_fail(run->ctx, MODNAS_EINVAL, "pick: index %d of %lld elements", index[i], (long long)src->dims[1]);
        if (index[i] < 64 && (seen >> index[i]) & 1) return mn_fail(run->ctx, MODNAS_EINVAL, "pick: index %d comes twice", index[i]);
        if (index[i] < 64) seen |= UINT64_C(1) << index[i];
    }
    mn_vertex *x;
    const uint32_t first = (uint32_t)run->indices.n;
    if (!mn_vec_push(run->ctx, &run->indices, index, (size_t)n)) return MODNAS_ENOMEM;
    MN_TRY(mn_vertex_new(run, &mn_op_pick, &src, 1, dims, &x));
    x->u.pick.index = first;
    *dst = x->dst;
    return 0;
}
