/* The Mann-Whitney test (Mann and Whitney 1947), with midranks. Spearman's correlation, of the same.
 *
 * Exact: of all ways to pick which n_a of the N ranks are a's, the share whose sum is no less than a's own; counted by
 * sum, rank after rank, in units of half a rank:  ways[k][s] = ways without this rank + ways[k - 1][s - rank]. */
#include "search/rank.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_EXACT = 80 };

typedef struct entry {
    double value;
    int32_t is_a;
    int64_t rank2; /* twice its midrank */
    size_t at;     /* where it came from */
} entry;

static int by_value(const void *x, const void *y) {
    const double a = ((const entry *)x)->value, b = ((const entry *)y)->value;
    return (a > b) - (a < b);
}

/* Twice the midranks; the sum of t^3 - t over groups of equal ones. */
static double rank(entry *all, size_t n) {
    double ties = 0;
    qsort(all, n, sizeof *all, by_value);
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;
        while (end < n && all[end].value == all[i].value) end++;
        const double t = (double)(end - i);
        ties += t * t * t - t;
        for (size_t k = i; k < end; k++) all[k].rank2 = (int64_t)(i + 1 + end);
        i = end;
    }
    return ties;
}

static int exact(modnas_ctx *ctx, const entry *all, size_t n, size_t n_a, int64_t sum2, double *p) {
    const size_t sums = n * (n + 1) + 1; /* twice 1 + ... + n */
    double *ways = mn_alloc(ctx, (n_a + 1) * sums, sizeof *ways);
    if (!ways) return MODNAS_ENOMEM;
    ways[0] = 1;
    for (size_t i = 0; i < n; i++)
        for (size_t k = n_a < i + 1 ? n_a : i + 1; k > 0; k--)
            for (size_t s = sums; s-- > (size_t)all[i].rank2;)
                ways[k * sums + s] += ways[(k - 1) * sums + s - (size_t)all[i].rank2];
    double high = 0, whole = 0;
    for (size_t s = 0; s < sums; s++) {
        const double w = ways[n_a * sums + s];
        whole += w;
        if ((int64_t)s >= sum2) high += w;
    }
    *p = high / whole;
    mn_free(ctx, ways);
    return 0;
}

static double approximate(double n_a, double n_b, double ties, int64_t sum2) {
    const double n = n_a + n_b, u = (double)sum2 / 2 - n_a * (n_a + 1) / 2;
    const double variance = n_a * n_b / 12 * (n + 1 - ties / (n * (n - 1)));
    if (!(variance > 0)) return 1;
    return 0.5 * erfc((u - n_a * n_b / 2 - 0.5) / sqrt(2 * variance));
}

static double ranked(double x) {
    return isnan(x) ? -INFINITY : x;
}

int mn_mann_whitney(modnas_ctx *ctx, const double *a, size_t n_a, const double *b, size_t n_b, double *p) {
    const size_t n = n_a + n_b;
    int64_t sum2 = 0;
    int rc = 0;
    *p = 1;
    if (!n_a || !n_b) return 0;
    entry *all = mn_alloc(ctx, n, sizeof *all);
    if (!all) return MODNAS_ENOMEM;
    for (size_t i = 0; i < n; i++) all[i] = (entry){ranked(i < n_a ? a[i] : b[i - n_a]), i < n_a, 0, i};
    const double ties = rank(all, n);
    for (size_t i = 0; i < n; i++) sum2 += all[i].is_a ? all[i].rank2 : 0;
    if (n <= MOST_EXACT)
        rc = exact(ctx, all, n, n_a, sum2, p);
    else
        *p = approximate((double)n_a, (double)n_b, ties, sum2);
    mn_free(ctx, all);
    return rc;
}

/* Midranks of n numbers, less their mean: whole or half, so sums of their products are exact. */
static int centred(modnas_ctx *ctx, const double *x, size_t n, double *out) {
    entry *all = mn_alloc(ctx, n, sizeof *all);
    if (!all) return MODNAS_ENOMEM;
    for (size_t i = 0; i < n; i++) all[i] = (entry){ranked(x[i]), 0, 0, i};
    rank(all, n);
    for (size_t i = 0; i < n; i++) out[all[i].at] = ((double)all[i].rank2 - (double)(n + 1)) / 2;
    mn_free(ctx, all);
    return 0;
}

int mn_spearman(modnas_ctx *ctx, const double *a, const double *b, size_t n, double *rho) {
    double *x = mn_alloc(ctx, n + 1, sizeof *x), *y = mn_alloc(ctx, n + 1, sizeof *y), xy = 0, xx = 0, yy = 0;
    int rc = x && y ? 0 : MODNAS_ENOMEM;
    if (!rc && n) rc = centred(ctx, a, n, x);
    if (!rc && n) rc = centred(ctx, b, n, y);
    for (size_t i = 0; i < n && !rc; i++) {
        xy += x[i] * y[i];
        xx += x[i] * x[i];
        yy += y[i] * y[i];
    }
    if (!rc) *rho = xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
    mn_free(ctx, x);
    mn_free(ctx, y);
    return rc;
}
