/* Pointwise losses, for one element type LOSS_REAL: what an element gives, its slope in x, and the loops over a range.
 * `ref` and the plug-ins include it and only cut the work.
 *
 * x is the prediction, t the target, b smooth-L1's beta; all in double. As in PyTorch: the slope of |d| at 0 is 0, the
 * logarithms of bce are at least -100, its divisor x (1 - x) at least 1e-12. A NaN comes through. */
#ifndef MN_LOSS_BODY_H
#define MN_LOSS_BODY_H

#include <math.h>
#include <stdint.h>

#include "modnas/sys/kernel.h"

static inline double loss_at_least(double v, double low) {
    return v <= low ? low : v;
}
static inline double loss_sign(double d) {
    return d > 0 ? 1 : d < 0 ? -1 : d;
}
static inline double loss_log(double p) {
    return loss_at_least(log(p), -100);
}

/* X(NAME, value, slope), d = x - t */
#define LOSS_MAP(X)                                                                                                    \
    X(MSE, d *d, 2 * d)                                                                                                \
    X(L1, fabs(d), loss_sign(d))                                                                                       \
    X(SMOOTH_L1, fabs(d) < b ? d * d / (2 * b) : fabs(d) - b / 2, fabs(d) < b ? d / b : loss_sign(d))                  \
    X(BCE, -t *loss_log(x) - (1 - t) * loss_log(1 - x), d / loss_at_least(x * (1 - x), 1e-12))                         \
    X(BCE_LOGITS, loss_at_least(x, 0) - x * t + log1p(exp(-fabs(x))), 1 / (1 + exp(-x)) - t)

/* Elements [begin, end) of a loss. Labels stand for their one-hot row of `classes`. */
typedef struct loss_range {
    const LOSS_REAL *x, *t;
    const int32_t *labels; /* NULL: t */
    int64_t classes, begin, end;
    double b;
} loss_range;

static inline double loss_target(const loss_range *r, int64_t i) {
    return r->labels ? r->labels[i / r->classes] == i % r->classes : (double)r->t[i];
}

#define LOSS_LOOPS(NAME, value, slope)                                                                                 \
    static double loss_sum_##NAME(const loss_range *r) {                                                               \
        const double b = r->b;                                                                                         \
        double sum = 0;                                                                                                \
        for (int64_t i = r->begin; i < r->end; i++) {                                                                  \
            const double x = (double)r->x[i], t = loss_target(r, i), d = x - t;                                        \
            (void)b, (void)d;                                                                                          \
            sum += value;                                                                                              \
        }                                                                                                              \
        return sum;                                                                                                    \
    }                                                                                                                  \
    static void loss_back_##NAME(const loss_range *r, double factor, LOSS_REAL *gx) {                                  \
        const double b = r->b;                                                                                         \
        for (int64_t i = r->begin; i < r->end; i++) {                                                                  \
            const double x = (double)r->x[i], t = loss_target(r, i), d = x - t;                                        \
            (void)b, (void)d;                                                                                          \
            gx[i] = (LOSS_REAL)(factor * (slope));                                                                     \
        }                                                                                                              \
    }
LOSS_MAP(LOSS_LOOPS)

typedef struct loss_row {
    double (*sum)(const loss_range *r);
    void (*back)(const loss_range *r, double factor, LOSS_REAL *gx);
} loss_row;

#define LOSS_ROW(NAME, value, slope) [MODNAS_LOSS_##NAME] = {loss_sum_##NAME, loss_back_##NAME},
static const loss_row loss_rows[] = {LOSS_MAP(LOSS_ROW)};
enum { N_LOSSES = sizeof(loss_rows) / sizeof(loss_rows[0]) };

/* Labels (no SOFT_TARGET): x is (N, C, 1, 1), a label a sample; else targets shaped as x. The result is one number. */
static inline int loss_shapes_fit(const modnas_kernel *k) {
    const int64_t *x = k->src.dims, *t = k->weights.dims, *y = k->dst.dims;
    const int labels = !(k->flags & MODNAS_KF_SOFT_TARGET);
    if (labels && (x[2] != 1 || x[3] != 1)) return 0;
    const int64_t want[4] = {x[0], labels ? 1 : x[1], x[2], x[3]};
    for (int i = 0; i < 4; i++)
        if (t[i] != want[i] || y[i] != 1) return 0;
    return 1;
}

/* The first label outside 0..classes-1; n if there is none. */
static inline int64_t loss_bad_label(const int32_t *labels, int64_t n, int64_t classes) {
    int64_t i = 0;
    while (i < n && labels[i] >= 0 && labels[i] < classes) i++;
    return i;
}

/* The first element that bce cannot take: outside 0..1; n if there is none. */
static inline int64_t loss_bad_probability(const LOSS_REAL *x, int64_t n) {
    int64_t i = 0;
    while (i < n && !(x[i] < 0 || x[i] > 1)) i++;
    return i;
}

#endif
