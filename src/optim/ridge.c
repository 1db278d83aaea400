/* Ridge regression by conjugate gradients: (X'X + l2) w = X'(y - mean y). A row of X has one 1 for each digit, so X is
 * never stored: a step costs as much as there are digits in all points. */
#include "optim/ridge.h"

#include <string.h>

enum { MAX_STEPS = 200 };
#define SMALL 1e-20 /* of the squared residual, as a share of the first */

int mn_ridge_init(mn_ridge *r, const mn_points *p) {
    modnas_ctx *ctx = p->ctx;
    r->points = p;
    r->first = mn_alloc(ctx, (size_t)p->n, sizeof *r->first);
    if (!r->first) return MODNAS_ENOMEM;
    for (int32_t i = 0; i < p->n; i++) {
        r->first[i] = r->n_features;
        r->n_features += p->choices[i];
    }
    const size_t n = (size_t)r->n_features;
    r->w = mn_alloc(ctx, n, sizeof *r->w);
    r->grad = mn_alloc(ctx, n, sizeof *r->grad);
    r->step = mn_alloc(ctx, n, sizeof *r->step);
    r->image = mn_alloc(ctx, n, sizeof *r->image);
    return r->w && r->grad && r->step && r->image ? 0 : MODNAS_ENOMEM;
}

void mn_ridge_free(mn_ridge *r) {
    if (!r->points) return;
    void *const blocks[] = {r->first, r->w, r->grad, r->step, r->image};
    for (size_t i = 0; i < MN_COUNT(blocks); i++) mn_free(r->points->ctx, blocks[i]);
}

static double row_times(const mn_ridge *r, const int32_t *digits, const double *v) {
    double sum = 0;
    for (int32_t i = 0; i < r->points->n; i++) sum += v[r->first[i] + digits[i]];
    return sum;
}

static void add_row(const mn_ridge *r, const int32_t *digits, double factor, double *v) {
    for (int32_t i = 0; i < r->points->n; i++) v[r->first[i] + digits[i]] += factor;
}

/* image = (X'X + l2) step */
static void apply(mn_ridge *r, const int32_t *digits, int64_t n, double l2) {
    for (int32_t i = 0; i < r->n_features; i++) r->image[i] = l2 * r->step[i];
    for (int64_t k = 0; k < n; k++, digits += r->points->n)
        add_row(r, digits, row_times(r, digits, r->step), r->image);
}

static double dot(const double *a, const double *b, int32_t n) {
    double sum = 0;
    for (int32_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void solve(mn_ridge *r, const int32_t *digits, int64_t n, double l2) {
    const int32_t m = r->n_features;
    double size = dot(r->grad, r->grad, m);
    const double enough = SMALL * size;
    memcpy(r->step, r->grad, (size_t)m * sizeof *r->step);
    for (int i = 0; i < MAX_STEPS && size > enough; i++) {
        apply(r, digits, n, l2);
        const double length = size / dot(r->step, r->image, m);
        for (int32_t k = 0; k < m; k++) {
            r->w[k] += length * r->step[k];
            r->grad[k] -= length * r->image[k];
        }
        const double before = size;
        size = dot(r->grad, r->grad, m);
        for (int32_t k = 0; k < m; k++) r->step[k] = r->grad[k] + size / before * r->step[k];
    }
}

void mn_ridge_fit(mn_ridge *r, const int32_t *digits, const double *y, int64_t n, double l2) {
    const size_t bytes = (size_t)r->n_features * sizeof(double);
    r->bias = 0;
    for (int64_t i = 0; i < n; i++) r->bias += y[i] / (double)n;
    memset(r->w, 0, bytes);
    memset(r->grad, 0, bytes);
    for (int64_t i = 0; i < n; i++) add_row(r, digits + i * r->points->n, y[i] - r->bias, r->grad);
    solve(r, digits, n, l2);
}

double mn_ridge_predict(const mn_ridge *r, const int32_t *digits) {
    return r->bias + row_times(r, digits, r->w);
}
