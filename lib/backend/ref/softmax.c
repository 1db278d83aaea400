/* Softmax and log-softmax over C, at every (n, h, w); the largest logit is subtracted first.
 *
 *   y = exp(x - max) / sum exp(x - max)         g_x = y (g_y - sum g_y y)
 *   y = x - max - log sum exp(x - max)          g_x = g_y - exp(y) sum g_y          (MODNAS_KF_LOG) */
#include <math.h>

#include "backend/ref/ref.h"

int MN_REF(softmax_fits)(const modnas_kernel *k) {
    return MN_REF(dims_ok)(&k->src) && MN_REF(same_dims)(&k->src, &k->dst);
}

static void forward_column(const mn_real *x, mn_real *y, int64_t n, int64_t step, int logarithm) {
    double max = (double)x[0], sum = 0;
    for (int64_t i = 1; i < n; i++) max = (double)x[i * step] > max ? (double)x[i * step] : max;
    for (int64_t i = 0; i < n; i++) sum += exp((double)x[i * step] - max);
    const double log_sum = log(sum);
    for (int64_t i = 0; i < n; i++) {
        const double centred = (double)x[i * step] - max;
        y[i * step] = (mn_real)(logarithm ? centred - log_sum : exp(centred) / sum);
    }
}

static void backward_column(const mn_real *y, const mn_real *gy, mn_real *gx, int64_t n, int64_t step, int logarithm) {
    double sum = 0;
    for (int64_t i = 0; i < n * step; i += step) sum += (double)gy[i] * (logarithm ? 1 : (double)y[i]);
    for (int64_t i = 0; i < n * step; i += step) {
        const double g = (double)gy[i], v = (double)y[i];
        gx[i] = (mn_real)(logarithm ? g - exp(v) * sum : v * (g - sum));
    }
}

int MN_REF(softmax_forward)(const mn_ref_call *c) {
    const int64_t *d = c->k->src.dims, plane = d[2] * d[3];
    const mn_real *x = c->args[0];
    mn_real *y = c->args[1];
    for (int64_t i = 0; i < d[0] * plane; i++) {
        const int64_t first = i / plane * d[1] * plane + i % plane;
        forward_column(x + first, y + first, d[1], plane, c->k->flags & MODNAS_KF_LOG);
    }
    return 0;
}

int MN_REF(softmax_backward)(const mn_ref_call *c) {
    const int64_t *d = c->k->src.dims, plane = d[2] * d[3];
    const mn_real *y = c->args[0], *gy = c->args[1];
    mn_real *gx = c->args[2];
    for (int64_t i = 0; i < d[0] * plane; i++) {
        const int64_t first = i / plane * d[1] * plane + i % plane;
        backward_column(y + first, gy + first, gx + first, d[1], plane, c->k->flags & MODNAS_KF_LOG);
    }
    return 0;
}
