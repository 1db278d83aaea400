/* Batch norm over pixels of one channel block: see mn_simd_norm in simd.h.
 *
 * Sums run over `origin`-shifted values, so that a mean far from zero costs no digits. They are kept in f32 for a run
 * of SUM_PIXELS pixels (four independent chains, to keep the adders busy) and then added to sums in double.
 *
 * Sums are taken from the first image to the last, and applied from the last to the first: what was read last is still
 * in the caches. */
#include <stddef.h>

#include "backend/dnnl/simd.h"
#include "backend/dnnl/vec_act.h"
#include "modnas/sys/kernel.h"

enum { CHAINS = 4, SUM_PIXELS = 256 };

typedef struct pair {
    vsum first, second;
} pair;

VEC_FN void pair_flush(pair *total, const vec a[CHAINS], const vec b[CHAINS]) {
    total->first = vsum_add(total->first, vec_add(vec_add(a[0], a[1]), vec_add(a[2], a[3])));
    total->second = vsum_add(total->second, vec_add(vec_add(b[0], b[1]), vec_add(b[2], b[3])));
}

VEC_FN void clear(vec a[CHAINS]) {
    for (int j = 0; j < CHAINS; j++) a[j] = vec_zero();
}

/* ---- forward ---- */

VEC_FN void add_value(vec origin, const float *x, vec *sum, vec *square) {
    const vec d = vec_sub(vec_load(x), origin);
    *sum = vec_add(*sum, d);
    *square = vec_fma(d, d, *square);
}

static void sums(const mn_simd_pixels *p, const float *origin, const float *x, double *sum, double *sumsq) {
    const vec o = vec_load(origin);
    pair total = {vsum_zero(), vsum_zero()};
    for (int64_t n = 0; n < p->n; n++) {
        for (int64_t first = 0; first < p->hw; first += SUM_PIXELS) {
            const int64_t end = first + SUM_PIXELS < p->hw ? first + SUM_PIXELS : p->hw;
            const float *from = x + n * p->step;
            vec a[CHAINS], b[CHAINS];
            clear(a);
            clear(b);
            int64_t i = first;
            for (; i + CHAINS <= end; i += CHAINS)
                for (int j = 0; j < CHAINS; j++) add_value(o, from + (i + j) * VL, &a[j], &b[j]);
            for (; i < end; i++) add_value(o, from + i * VL, &a[0], &b[0]);
            pair_flush(&total, a, b);
        }
    }
    vsum_store(sum, total.first);
    vsum_store(sumsq, total.second);
}

VEC_FN vec activate(int32_t act, vec v) {
    if (act == MODNAS_ACT_NONE) return v;
    if (act == MODNAS_ACT_HARD_SWISH) return hard_swish(v);
    v = vec_max(vec_zero(), v); /* constant first: a NaN comes through */
    return act == MODNAS_ACT_RELU6 ? vec_min(vec_set1(6), v) : v;
}

VEC_FN void apply_loop(const mn_simd_pixels *p, int32_t act, const mn_simd_norm_block *c, const float *x,
                       const float *residual, float *y) {
    const vec mean = vec_load(c->mean), scale = vec_load(c->scale), shift = vec_load(c->shift);
    for (int64_t n = p->n - 1; n >= 0; n--) {
        const int64_t from = n * p->step, end = from + p->hw * VL;
        for (int64_t i = from; i < end; i += VL) {
            vec v = vec_fma(vec_sub(vec_load(x + i), mean), scale, shift);
            if (residual) v = vec_add(v, vec_load(residual + i));
            vec_put(p->stream, y + i, activate(act, v));
        }
    }
    vec_fence(p->stream);
}

/* The loop once for each activation, with and without residual: nothing is decided inside. */
#define CASE(which, call)                                                                                              \
    case which:                                                                                                        \
        call(which);                                                                                                   \
        break;
#define BY_ACT(call)                                                                                                   \
    switch (act) {                                                                                                     \
        CASE(MODNAS_ACT_NONE, call)                                                                                    \
        CASE(MODNAS_ACT_RELU, call)                                                                                    \
        CASE(MODNAS_ACT_RELU6, call)                                                                                   \
        CASE(MODNAS_ACT_HARD_SWISH, call)                                                                              \
    }

static void apply(const mn_simd_pixels *p, int32_t act, const mn_simd_norm_block *c, const float *x,
                  const float *residual, float *y) {
#define CALL(which) (residual ? apply_loop(p, which, c, x, residual, y) : apply_loop(p, which, c, x, NULL, y))
    BY_ACT(CALL);
#undef CALL
}

/* ---- backward ---- */

typedef struct slopes {
    vec mean, scale, beta;
} slopes;

VEC_FN slopes slopes_of(const mn_simd_norm_block *c) {
    return (slopes){vec_load(c->mean), vec_load(c->scale), vec_load(c->beta)};
}

/* gy times the activation's slope: that of relu and relu6 is 1 where y, or what they were given, lies strictly between the
 * corners. */
VEC_FN vec before_act(int32_t act, const slopes *k, vec centred, const float *y, vec gy) {
    if (act == MODNAS_ACT_NONE) return gy;
    if (act == MODNAS_ACT_HARD_SWISH) return vec_mul(gy, hard_swish_slope(vec_fma(centred, k->scale, k->beta)));
    const vec v = y ? vec_load(y) : vec_fma(centred, k->scale, k->beta);
    const vmask positive = vec_gt(v, vec_zero());
    return vec_keep(act == MODNAS_ACT_RELU6 ? vec_and(positive, vec_lt(v, vec_set1(6))) : positive, gy);
}

VEC_FN void add_gradient(int32_t act, const slopes *k, const float *x, const float *y, const float *gy, float *e,
                         vec *sum, vec *dot) {
    const vec centred = vec_sub(vec_load(x), k->mean), g = before_act(act, k, centred, y, vec_load(gy));
    if (e) vec_store(e, g);
    *sum = vec_add(*sum, g);
    *dot = vec_fma(g, centred, *dot);
}

VEC_FN void back_sums_loop(const mn_simd_pixels *p, int32_t act, const mn_simd_norm_block *c, const float *x,
                           const float *y, const float *gy, float *e, double *sum, double *dot) {
    const slopes k = slopes_of(c);
    pair total = {vsum_zero(), vsum_zero()};
    for (int64_t n = 0; n < p->n; n++) {
        for (int64_t first = 0; first < p->hw; first += SUM_PIXELS) {
            const int64_t end = first + SUM_PIXELS < p->hw ? first + SUM_PIXELS : p->hw;
            vec a[CHAINS], b[CHAINS];
            clear(a);
            clear(b);
            int64_t i = first;
            for (; i + CHAINS <= end; i += CHAINS) {
                for (int j = 0; j < CHAINS; j++) {
                    const int64_t at = n * p->step + (i + j) * VL;
                    add_gradient(act, &k, x + at, y ? y + at : NULL, gy + at, e ? e + at : NULL, &a[j], &b[j]);
                }
            }
            for (; i < end; i++) {
                const int64_t at = n * p->step + i * VL;
                add_gradient(act, &k, x + at, y ? y + at : NULL, gy + at, e ? e + at : NULL, &a[0], &b[0]);
            }
            pair_flush(&total, a, b);
        }
    }
    vsum_store(sum, total.first);
    vsum_store(dot, total.second);
}

static void back_sums(const mn_simd_pixels *p, int32_t act, const mn_simd_norm_block *c, const float *x, const float *y,
                      const float *gy, float *e, double *sum, double *dot) {
#define CALL(which)                                                                                                    \
    (y ? (e ? back_sums_loop(p, which, c, x, y, gy, e, sum, dot) : back_sums_loop(p, which, c, x, y, gy, NULL, sum, dot)) \
       : (e ? back_sums_loop(p, which, c, x, NULL, gy, e, sum, dot)                                                    \
            : back_sums_loop(p, which, c, x, NULL, gy, NULL, sum, dot)))
    BY_ACT(CALL);
#undef CALL
}

VEC_FN void back_apply_loop(const mn_simd_pixels *p, int32_t act, const mn_simd_norm_block *c, const float *x,
                            const float *y, const float *gy, float *gx) {
    const slopes k = slopes_of(c);
    const vec shift = vec_load(c->shift), slope = vec_load(c->slope);
    for (int64_t n = p->n - 1; n >= 0; n--) {
        const int64_t from = n * p->step, end = from + p->hw * VL;
        for (int64_t i = from; i < end; i += VL) {
            const vec centred = vec_sub(vec_load(x + i), k.mean),
                      e = before_act(act, &k, centred, y ? y + i : NULL, vec_load(gy + i));
            vec_put(p->stream, gx + i, vec_fnma(centred, slope, vec_fma(e, k.scale, shift)));
        }
    }
    vec_fence(p->stream);
}

static void back_apply(const mn_simd_pixels *p, int32_t act, const mn_simd_norm_block *c, const float *x,
                       const float *y, const float *gy, float *gx) {
#define CALL(which) (y ? back_apply_loop(p, which, c, x, y, gy, gx) : back_apply_loop(p, which, c, x, NULL, gy, gx))
    BY_ACT(CALL);
#undef CALL
}

const mn_simd_norm VEC_NAME(mn_simd_norm) = {
    .sums = sums, .apply = apply, .back_sums = back_sums, .back_apply = back_apply};
