/* Products of channels over pixels (1x1 convolutions), between a "narrow" tensor (few channel blocks) and single blocks
 * of a "wide" one: see mn_simd_matrix in simd.h.
 *
 *     expand   wide[p]    = sum over c: narrow[c][p] w[c]    a tile of pixels in registers, one FMA a pixel and channel
 *     outer    gw[c]     += sum over p: narrow[c][p] wide[p] a block of gw in registers, all pixels run past it
 *     reduce   narrow[p] += sum over c: wide[c][p] w[c]      a tile of pixels times narrow blocks in registers
 *
 * In all three one operand is a vector and the other a float that is broadcast from memory. Two wide blocks at once share
 * the broadcasts: with one, an FMA wants a load of its own, and there are no more loads than FMAs a cycle. */
#include <stddef.h>

#include "backend/dnnl/simd.h"

#define UNROLL _Pragma("GCC unroll 64")

/* ---- expand ---- */

/* Pixels [p, p + n) of z wide blocks. */
VEC_FN void expand_tile(const int n, const int z, const mn_simd_expand *e, const mn_simd_clamp *post, int64_t p,
                        const float *narrow, const float *w, float *wide) {
    vec acc[VEC_TILE];
    UNROLL for (int i = 0; i < n * z; i++) acc[i] = post ? vec_load(post[i % z].shift) : vec_zero();
    if (e->next)
        UNROLL for (int i = 0; i < n * z; i++) vec_ahead(e->next + i % z * e->next_step + (p + i / z) * VL);
    narrow += p * VL;
    for (int64_t c = 0; c < e->channels; c += VL, narrow += e->step) {
        const int64_t end = e->channels - c < VL ? e->channels - c : VL;
        for (int64_t j = 0; j < end; j++, w += VL) {
            vec v[2];
            UNROLL for (int k = 0; k < z; k++) v[k] = vec_load(w + k * e->w_step);
            UNROLL for (int i = 0; i < n; i++) {
                const vec a = vec_set1(narrow[i * VL + j]);
                UNROLL for (int k = 0; k < z; k++) acc[i * z + k] = vec_fma(a, v[k], acc[i * z + k]);
            }
        }
    }
    if (post) /* constants first: a NaN comes through */
        UNROLL for (int i = 0; i < n * z; i++) acc[i] =
            vec_min(vec_set1(post->high), vec_max(vec_set1(post->low), acc[i]));
    UNROLL for (int i = 0; i < n * z; i++) vec_store(wide + i % z * e->wide_step + (p + i / z) * VL, acc[i]);
}

VEC_FN void expand_blocks(const int z, const mn_simd_expand *e, const mn_simd_clamp *post, const float *narrow,
                          const float *w, float *wide) {
    const int n = VEC_TILE / z, few = n / 4;
    int64_t p = 0;
    for (; p + n <= e->n_px; p += n) expand_tile(n, z, e, post, p, narrow, w, wide);
    for (; few > 1 && p + few <= e->n_px; p += few) expand_tile(few, z, e, post, p, narrow, w, wide);
    for (; p < e->n_px; p++) expand_tile(1, z, e, post, p, narrow, w, wide);
}

static void expand(const mn_simd_expand *e, const float *narrow, const float *w, float *wide) {
    if (e->blocks == 2 && e->post)
        expand_blocks(2, e, e->post, narrow, w, wide);
    else if (e->blocks == 2)
        expand_blocks(2, e, NULL, narrow, w, wide);
    else if (e->post)
        expand_blocks(1, e, e->post, narrow, w, wide);
    else
        expand_blocks(1, e, NULL, narrow, w, wide);
}

/* ---- outer ---- */

/* `rows` channels of the narrow tensor, z wide blocks. */
VEC_FN void outer_block(const int rows, const int z, const mn_simd_outer *o, const float *narrow, const float *wide,
                        float *gw) {
    vec acc[VL];
    UNROLL for (int i = 0; i < rows * z; i++) acc[i] = vec_load(gw + i % z * o->gw_step + i / z * VL);
    for (int64_t n = 0; n < o->n; n++) {
        const float *from = narrow + n * o->image;
        for (int64_t p = 0; p < o->hw; p++, from += VL, wide += VL) {
            vec v[2];
            UNROLL for (int k = 0; k < z; k++) v[k] = vec_load(wide + k * o->wide_step);
            UNROLL for (int i = 0; i < rows; i++) {
                const vec a = vec_set1(from[i]);
                UNROLL for (int k = 0; k < z; k++) acc[i * z + k] = vec_fma(a, v[k], acc[i * z + k]);
            }
        }
    }
    UNROLL for (int i = 0; i < rows * z; i++) vec_store(gw + i % z * o->gw_step + i / z * VL, acc[i]);
}

static void outer(const mn_simd_outer *o, const float *narrow, const float *wide, float *gw) {
    const int64_t half = VL / 2;
    for (int64_t c = 0; c < o->channels; c += half) {
        const float *from = narrow + c / VL * o->step + c % VL;
        if (o->blocks == 2)
            outer_block(VL / 2, 2, o, from, wide, gw + c * VL);
        else if (c % VL == 0 && o->channels - c > half) {
            outer_block(VL, 1, o, from, wide, gw + c * VL);
            c += half;
        } else
            outer_block(VL / 2, 1, o, from, wide, gw + c * VL);
    }
}

/* ---- reduce ---- */

/* n pixels, z narrow blocks, some wide blocks. */
VEC_FN void reduce_tile(const int n, const int z, const mn_simd_reduce *r, int64_t wide_blocks, const float *wide,
                        const float *w, const float *next, float *narrow, int add) {
    vec acc[VEC_TILE * 2];
    UNROLL for (int i = 0; i < n * z; i++) acc[i] =
        add ? vec_load(narrow + i % z * r->narrow_step + i / z * VL) : vec_zero();
    for (int64_t b = 0; b < wide_blocks; b++, wide += r->wide_step) {
        if (next)
            UNROLL for (int i = 0; i < n; i++) vec_ahead(next + b * r->next_step + i * VL);
        for (int64_t j = 0; j < VL; j++, w += VL) {
            vec v[4];
            UNROLL for (int k = 0; k < z; k++) v[k] = vec_load(w + k * r->w_step);
            UNROLL for (int i = 0; i < n; i++) {
                const vec a = vec_set1(wide[i * VL + j]);
                UNROLL for (int k = 0; k < z; k++) acc[i * z + k] = vec_fma(a, v[k], acc[i * z + k]);
            }
        }
    }
    UNROLL for (int i = 0; i < n * z; i++) vec_store(narrow + i % z * r->narrow_step + i / z * VL, acc[i]);
}

/* All pixels and z narrow blocks; the wide blocks in runs whose weights stay in the first-level cache. */
VEC_FN void reduce_blocks(const int z, const mn_simd_reduce *r, const float *next, const float *wide, const float *w,
                          float *narrow) {
    enum { WEIGHTS_FLOATS = 6 * 1024 };
    const int n = VEC_REDUCE_PIXELS(z);
    const int64_t run = WEIGHTS_FLOATS / (VL * VL * z);
    for (int64_t b = 0; b < r->wide_blocks; b += run) {
        const int64_t left = r->wide_blocks - b, blocks = left < run ? left : run;
        const float *from = wide + b * r->wide_step, *wb = w + b * VL * VL;
        const int add = b > 0 || r->add;
        int64_t p = 0;
        const float *ahead = next ? next + b * r->next_step : NULL;
        for (; p + n <= r->n_px; p += n)
            reduce_tile(n, z, r, blocks, from + p * VL, wb, ahead ? ahead + p * VL : NULL, narrow + p * VL, add);
        for (; p < r->n_px; p++) reduce_tile(1, z, r, blocks, from + p * VL, wb, NULL, narrow + p * VL, add);
    }
}

static void reduce(const mn_simd_reduce *r, const float *wide, const float *w, float *narrow) {
    int64_t left = r->narrow_blocks;
    const float *next = r->next;
    while (left > 0) {
        const int64_t z = left >= 8 || left == 4 ? 4 : left >= 6 || left == 3 ? 3 : left == 5 || left == 2 ? 2 : 1;
        switch (z) {
        case 4:
            reduce_blocks(4, r, next, wide, w, narrow);
            break;
        case 3:
            reduce_blocks(3, r, next, wide, w, narrow);
            break;
        case 2:
            reduce_blocks(2, r, next, wide, w, narrow);
            break;
        default:
            reduce_blocks(1, r, next, wide, w, narrow);
            break;
        }
        next = NULL; /* the first blocks have fetched it */
        left -= z;
        w += z * r->w_step;
        narrow += z * r->narrow_step;
    }
}

/* ---- transpose ---- */

static void transpose(const float *from, int64_t rows, int64_t columns, float *to) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++) {
            const float *x = from + (r * columns + c) * VL * VL;
            float *y = to + (c * rows + r) * VL * VL;
            for (int i = 0; i < VL; i++)
                for (int j = 0; j < VL; j++) y[i * VL + j] = x[j * VL + i];
        }
}

const mn_simd_matrix VEC_NAME(mn_simd_matrix) = {
    .expand = expand, .outer = outer, .reduce = reduce, .transpose = transpose};
