/* Two operands, element by element: add, sub, mul, max, min, div. A dim of 1 is repeated (broadcast). */
#include "backend/ref/ref.h"

enum { N_ALGOS = MODNAS_BINARY_DIV + 1 };

static int broadcasts(const modnas_tdesc *t, const modnas_tdesc *dst) {
    if (!MN_REF(dims_ok)(t)) return 0;
    for (int i = 0; i < 4; i++)
        if (t->dims[i] != 1 && t->dims[i] != dst->dims[i]) return 0;
    return 1;
}

int MN_REF(binary_fits)(const modnas_kernel *k) {
    if (!MN_REF(dims_ok)(&k->dst) || k->algo < 0 || k->algo >= N_ALGOS) return 0;
    for (int i = 0; i < 4; i++)
        if (k->dst.dims[i] != 1 && k->src.dims[i] == 1 && k->weights.dims[i] == 1) return 0;
    return broadcasts(&k->src, &k->dst) && broadcasts(&k->weights, &k->dst);
}

/* A NaN in either operand comes through max and min, as in PyTorch. */
static mn_real greater(mn_real a, mn_real b) {
    return a > b || a != a ? a : b;
}
static mn_real lesser(mn_real a, mn_real b) {
    return a < b || a != a ? a : b;
}

/* Innermost loops: a_step and b_step are 0 (repeated) or 1. */
typedef void (*row_fn)(const mn_real *a, int64_t a_step, const mn_real *b, int64_t b_step, mn_real *y, int64_t n);
#define ROW_LOOP(name, expr)                                                                                           \
    static void name(const mn_real *pa, int64_t a_step, const mn_real *pb, int64_t b_step, mn_real *y, int64_t n) {    \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            const mn_real a = pa[i * a_step], b = pb[i * b_step];                                                      \
            y[i] = expr;                                                                                               \
        }                                                                                                              \
    }
ROW_LOOP(row_add, a + b)
ROW_LOOP(row_sub, a - b)
ROW_LOOP(row_mul, a *b)
ROW_LOOP(row_max, greater(a, b))
ROW_LOOP(row_min, lesser(a, b))
ROW_LOOP(row_div, a / b)

static const row_fn rows[N_ALGOS] = {
    [MODNAS_BINARY_ADD] = row_add, [MODNAS_BINARY_SUB] = row_sub, [MODNAS_BINARY_MUL] = row_mul,
    [MODNAS_BINARY_MAX] = row_max, [MODNAS_BINARY_MIN] = row_min, [MODNAS_BINARY_DIV] = row_div};

/* Element strides of an operand along the axes of dst: 0 where it is repeated. */
static void strides_of(const modnas_tdesc *t, int64_t stride[4]) {
    int64_t step = 1;
    for (int i = 3; i >= 0; i--) {
        stride[i] = t->dims[i] == 1 ? 0 : step;
        step *= t->dims[i];
    }
}

int MN_REF(binary_forward)(const mn_ref_call *c) {
    const modnas_kernel *k = c->k;
    const mn_real *a = c->args[0], *b = c->args[1];
    mn_real *y = c->args[2];
    const row_fn row = rows[k->algo];
    if (MN_REF(same_dims)(&k->src, &k->dst) && MN_REF(same_dims)(&k->weights, &k->dst)) {
        row(a, 1, b, 1, y, MN_REF(count)(&k->dst));
        return 0;
    }
    int64_t sa[4], sb[4];
    strides_of(&k->src, sa);
    strides_of(&k->weights, sb);
    const int64_t *d = k->dst.dims;
    for (int64_t n = 0; n < d[0]; n++)
        for (int64_t ch = 0; ch < d[1]; ch++)
            for (int64_t h = 0; h < d[2]; h++, y += d[3])
                row(a + n * sa[0] + ch * sa[1] + h * sa[2], sa[3], b + n * sb[0] + ch * sb[1] + h * sb[2], sb[3], y,
                    d[3]);
    return 0;
}
