/* Numbers of a part of weights: the first outputs and inputs, the middle of the window, down through the matrices
 * between windows. In double, as active.c records it. */
#include "module/cut.h"

#include <string.h>

/* dst = the part of src; windows are square or the same. */
static void crop(const double *src, const int64_t from[4], double *dst, const int64_t to[4]) {
    const int64_t top = (from[2] - to[2]) / 2, left = (from[3] - to[3]) / 2;
    for (int64_t o = 0; o < to[0]; o++)
        for (int64_t i = 0; i < to[1]; i++)
            for (int64_t h = 0; h < to[2]; h++)
                memcpy(dst + ((o * to[1] + i) * to[2] + h) * to[3],
                       src + ((o * from[1] + i) * from[2] + top + h) * from[3] + left, (size_t)to[3] * sizeof *dst);
}

/* Each row of n numbers times the matrix: dst_j = sum_i src_i m[j][i]. */
static void through(const double *src, const double *m, int64_t rows, int64_t n, double *dst) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t i = 0; i < n; i++) sum += src[r * n + i] * m[j * n + i];
            dst[r * n + j] = sum;
        }
}

int mn_cut_apply(modnas_ctx *ctx, const mn_cut *c, const double *whole, const double *const *steps, double *part) {
    const int64_t *to = c->param->dims;
    int64_t now[4], next[4] = {to[0], to[1], c->dims[2], c->dims[3]};
    const size_t most = (size_t)(to[0] * to[1] * c->dims[2] * c->dims[3]);
    double *a = mn_alloc(ctx, 2 * most, sizeof *a), *b = a + most;
    if (!a) return MODNAS_ENOMEM;
    crop(whole, c->dims, a, next);
    for (int32_t i = 0; i < c->n_steps; i++) {
        memcpy(now, next, sizeof now);
        next[2] = next[3] = c->windows[i];
        crop(a, now, b, next);
        through(b, steps[i], to[0] * to[1], next[2] * next[3], a);
    }
    crop(a, next, part, to);
    mn_free(ctx, a);
    return 0;
}
