/* Pooling of one plane: see mn_simd_pool in simd.h. Windows are clipped at the border of the image.
 *
 *   max      a NaN wins; a window without elements gives 0. Backward looks for the first element of the window that
 *            equals the result (or is a NaN) and gives it the gradient, so no workspace is needed.
 *   average  divisor: taps inside the image, or (include_pad) those inside image and padding
 *
 * Forward takes a row of outputs in two steps: every input column over the window's rows, into a row of its own, and
 * of that row the window's columns. Neighbouring windows share the first step: 6 elements instead of 9 for 3x3. */
#include <string.h>

#include "backend/dnnl/simd.h"

/* Taps begin .. end-1 of a window lie inside the image, the first of them at `at`; n_padded lie inside image and
 * padding. */
typedef struct span {
    int64_t begin, end, at, n_padded;
} span;

/* How many taps of a window that starts at `first` lie before `border`. */
VEC_FN int64_t taps_before(const mn_simd_pool_axis *a, int64_t first, int64_t border) {
    const int64_t room = border - first;
    const int64_t n = room <= 0 ? 0 : (room + a->dilation - 1) / a->dilation;
    return n < a->kernel ? n : a->kernel;
}

VEC_FN span span_of(const mn_simd_pool_axis *a, int64_t out) {
    const int64_t first = out * a->stride - a->pad_begin, last = first + (a->kernel - 1) * a->dilation;
    if (first >= 0 && last < a->in) return (span){0, a->kernel, first, a->kernel}; /* most windows: no division */
    span s = {taps_before(a, first, 0), taps_before(a, first, a->in), 0, taps_before(a, first, a->in + a->pad_end)};
    s.at = first + s.begin * a->dilation;
    return s;
}

VEC_FN vec weight_of(const mn_simd_pool_geometry *g, span rows, span columns) {
    const int64_t inside = (rows.end - rows.begin) * (columns.end - columns.begin);
    const int64_t n = g->include_pad ? rows.n_padded * columns.n_padded : inside;
    return vec_set1(n > 0 ? 1.0f / (float)n : 0);
}

/* ---- forward ---- */

VEC_FN vec larger(vec best, vec v) {
    return vec_pick(vec_eq(best, best), vec_max(best, v), best);
}

VEC_FN vec join(const int is_max, vec all, vec v) {
    return is_max ? larger(all, v) : vec_add(all, v);
}

/* The largest, or the sum, of n vectors that are `step` floats apart; 0 if there are none. */
VEC_FN vec fold(const int is_max, const float *x, int64_t n, int64_t step) {
    if (n <= 0) return vec_zero();
    vec all = vec_load(x);
    if (n == 3) return join(is_max, join(is_max, all, vec_load(x + step)), vec_load(x + 2 * step));
    for (int64_t i = 1; i < n; i++) all = join(is_max, all, vec_load(x + i * step));
    return all;
}

/* `row` has room for a row of inputs. */
VEC_FN void forward(const int is_max, const mn_simd_pool_geometry *g, const float *x, float *row, float *y) {
    const mn_simd_pool_axis *v = &g->axis[0], *h = &g->axis[1];
    for (int64_t oh = 0; oh < v->out; oh++) {
        const span rows = span_of(v, oh);
        const float *top = x + rows.at * h->in * VL;
        for (int64_t iw = 0; iw < h->in; iw++)
            vec_store(row + iw * VL, fold(is_max, top + iw * VL, rows.end - rows.begin, v->dilation * h->in * VL));
        for (int64_t ow = 0; ow < h->out; ow++, y += VL) {
            const span columns = span_of(h, ow);
            const vec all = fold(is_max, row + columns.at * VL, columns.end - columns.begin, h->dilation * VL);
            vec_put(g->stream, y, is_max ? all : vec_mul(weight_of(g, rows, columns), all));
        }
    }
    vec_fence(g->stream);
}

static void pool_max(const mn_simd_pool_geometry *g, const float *x, float *row, float *y) {
    forward(1, g, x, row, y);
}

static void pool_avg(const mn_simd_pool_geometry *g, const float *x, float *row, float *y) {
    forward(0, g, x, row, y);
}

/* ---- backward ---- */

/* Walk over the window's elements: `e` is the offset of each. */
#define EACH_TAP(g, rows, columns, body)                                                                               \
    do {                                                                                                               \
        for (int64_t r = (rows).begin, ih = (rows).at; r < (rows).end; r++, ih += (g)->axis[0].dilation) {             \
            int64_t e = (ih * (g)->axis[1].in + (columns).at) * VL;                                                    \
            for (int64_t c = (columns).begin; c < (columns).end; c++, e += (g)->axis[1].dilation * VL) {               \
                body;                                                                                                  \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

/* One output element after the other, with its window. */
#define EACH_WINDOW(g, body)                                                                                           \
    do {                                                                                                               \
        int64_t at = 0;                                                                                                \
        for (int64_t oh = 0; oh < (g)->axis[0].out; oh++) {                                                            \
            const span rows = span_of(&(g)->axis[0], oh);                                                              \
            for (int64_t ow = 0; ow < (g)->axis[1].out; ow++, at += VL) {                                              \
                const span columns = span_of(&(g)->axis[1], ow);                                                       \
                body;                                                                                                  \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

static void clear_plane(const mn_simd_pool_geometry *g, float *gx) {
    memset(gx, 0, (size_t)(g->axis[0].in * g->axis[1].in) * VL * sizeof *gx);
}

VEC_FN void window_max_back(const mn_simd_pool_geometry *g, span rows, span columns, const float *x, vec y, vec gy,
                            float *gx) {
    vmask taken = vec_none();
    EACH_TAP(g, rows, columns, {
        const vec v = vec_load(x + e);
        const vmask here = vec_and_not(vec_or(vec_eq(v, y), vec_ne(v, v)), taken);
        vec_store(gx + e, vec_add(vec_load(gx + e), vec_keep(here, gy)));
        taken = vec_or(taken, here);
    });
}

static void pool_max_back(const mn_simd_pool_geometry *g, const float *x, const float *y, const float *gy, float *gx) {
    clear_plane(g, gx);
    EACH_WINDOW(g, window_max_back(g, rows, columns, x, vec_load(y + at), vec_load(gy + at), gx));
}

static void pool_avg_back(const mn_simd_pool_geometry *g, const float *gy, float *gx) {
    clear_plane(g, gx);
    EACH_WINDOW(g, {
        const vec share = vec_mul(weight_of(g, rows, columns), vec_load(gy + at));
        EACH_TAP(g, rows, columns, vec_store(gx + e, vec_add(vec_load(gx + e), share)));
    });
}

const mn_simd_pool VEC_NAME(mn_simd_pool) = {
    .max = pool_max,
    .max_back = pool_max_back,
    .avg = pool_avg,
    .avg_back = pool_avg_back,
};
