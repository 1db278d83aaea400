/* Fully connected layer: dst[n,o] = sum over c: src[n,c] weights[o,c] + bias[o]. Backward passes add whole rows into a
 * row of doubles (scratch), samples or outputs in order. */
#include "backend/ref/ref.h"

int MN_REF(linear_fits)(const modnas_kernel *k) {
    const int64_t *x = k->src.dims, *w = k->weights.dims, *y = k->dst.dims;
    if (!MN_REF(dims_ok)(&k->src) || !MN_REF(dims_ok)(&k->weights) || !MN_REF(dims_ok)(&k->dst)) return 0;
    for (int axis = 2; axis < 4; axis++)
        if (x[axis] != 1 || w[axis] != 1 || y[axis] != 1) return 0;
    if (x[0] != y[0] || w[0] != y[1] || w[1] != x[1]) return 0;
    if (k->flags & (MODNAS_KF_FOLD_BN | MODNAS_KF_RESIDUAL)) return 0;
    return k->pass == MODNAS_FORWARD ? MN_REF(act_fusable)(k->act) : k->act == MODNAS_ACT_NONE;
}

size_t MN_REF(linear_scratch)(const modnas_kernel *k) {
    return sizeof(double) * (size_t)k->src.dims[1];
}

int MN_REF(linear_forward)(const mn_ref_call *c) {
    const int64_t n_in = c->k->src.dims[1], n_out = c->k->dst.dims[1], batch = c->k->src.dims[0];
    const mn_real *x = c->args[0], *w = c->args[1], *bias = c->k->flags & MODNAS_KF_BIAS ? c->args[2] : NULL;
    mn_real *y = c->args[3];
    for (int64_t n = 0; n < batch; n++)
        for (int64_t o = 0; o < n_out; o++)
            y[n * n_out + o] = (mn_real)(MN_REF(dot)(x + n * n_in, w + o * n_in, n_in) + (bias ? (double)bias[o] : 0));
    if (c->k->act != MODNAS_ACT_NONE) MN_REF(act)(c->k->act, y, y, batch * n_out, 0, 0);
    return 0;
}

/* dst (n) = sum over r < n_rows: factors[r * factor_step] * row r of `rows`. */
static void combine_rows(const mn_real *factors, int64_t factor_step, const mn_real *rows, int64_t n_rows, int64_t n,
                         double *acc, mn_real *dst) {
    for (int64_t i = 0; i < n; i++) acc[i] = 0;
    for (int64_t r = 0; r < n_rows; r++) {
        const double f = (double)factors[r * factor_step];
        for (int64_t i = 0; i < n; i++) acc[i] += f * (double)rows[r * n + i];
    }
    for (int64_t i = 0; i < n; i++) dst[i] = (mn_real)acc[i];
}

int MN_REF(linear_backward_data)(const mn_ref_call *c) {
    const int64_t n_in = c->k->src.dims[1], n_out = c->k->dst.dims[1], batch = c->k->src.dims[0];
    const mn_real *gy = c->args[0], *w = c->args[1];
    mn_real *gx = c->args[2];
    for (int64_t n = 0; n < batch; n++) combine_rows(gy + n * n_out, 1, w, n_out, n_in, c->scratch, gx + n * n_in);
    return 0;
}

int MN_REF(linear_backward_weights)(const mn_ref_call *c) {
    const int64_t n_in = c->k->src.dims[1], n_out = c->k->dst.dims[1], batch = c->k->src.dims[0];
    const mn_real *x = c->args[0], *gy = c->args[1];
    mn_real *gw = c->args[2], *g_bias = c->k->flags & MODNAS_KF_BIAS ? c->args[3] : NULL;
    for (int64_t o = 0; o < n_out; o++) {
        combine_rows(gy + o, n_out, x, batch, n_in, c->scratch, gw + o * n_in);
        double sum = 0;
        for (int64_t n = 0; g_bias && n < batch; n++) sum += (double)gy[n * n_out + o];
        if (g_bias) g_bias[o] = (mn_real)sum;
    }
    return 0;
}
