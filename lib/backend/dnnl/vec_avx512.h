/* One vector register of floats: AVX-512. The three vec_*.h define the same names; the *_body.h are written over them.
 *
 * vec_min and vec_max return their second operand when one is not a number, as x86 does: with the constant first, a NaN
 * in the data stays one. */
#ifndef MN_VEC_H
#define MN_VEC_H

#include <immintrin.h>
#include <stdint.h>

/* A table, one line an operation. */
/* clang-format off */
#define VEC_FN static inline __attribute__((always_inline, unused))
#define VEC_NAME(name) name##_avx512
enum { VL = 16 };
#define VEC_STRIP_WIDTHS(X) X(16) X(8) X(7) X(4) X(2) X(1) /* depthwise strips that fit into the 32 registers */
#define VEC_DW_ROWS(side) ((side) <= 3 ? (side) : 1)        /* kernel rows that back_weights takes at once */
#define VEC_DW_CHAINS(side) ((side) <= 3 ? 1 : 2)        /* sums of back_weights for each tap */
#define VEC_TILE 16                                      /* pixels that are summed at once */
#define VEC_REDUCE_PIXELS(z) ((z) == 1 ? 16 : (z) <= 3 ? 8 : 4) /* pixels at once, with z narrow blocks */
typedef __m512 vec;
typedef __mmask16 vmask;

VEC_FN vec vec_load(const float *p) { return _mm512_loadu_ps(p); }
VEC_FN void vec_store(float *p, vec a) { _mm512_storeu_ps(p, a); }
/* Past the caches if `stream`; p is aligned then. vec_fence when all is written. vec_ahead: p is wanted
 * soon; it need not be valid. */
VEC_FN void vec_put(int32_t stream, float *p, vec a) {
    if (stream) _mm512_stream_ps(p, a);
    else _mm512_storeu_ps(p, a);
}
VEC_FN void vec_fence(int32_t stream) {
    if (stream) _mm_sfence();
}
VEC_FN void vec_ahead(const float *p) { __builtin_prefetch(p, 0); }
VEC_FN vec vec_load_n(const float *p, int64_t n) { return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
VEC_FN void vec_store_n(float *p, vec a, int64_t n) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), a); }
VEC_FN vec vec_set1(float a) { return _mm512_set1_ps(a); }
VEC_FN vec vec_zero(void) { return _mm512_setzero_ps(); }
VEC_FN vec vec_add(vec a, vec b) { return _mm512_add_ps(a, b); }
VEC_FN vec vec_sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
VEC_FN vec vec_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
VEC_FN vec vec_div(vec a, vec b) { return _mm512_div_ps(a, b); }
VEC_FN vec vec_sqrt(vec a) { return _mm512_sqrt_ps(a); }
VEC_FN vec vec_min(vec a, vec b) { return _mm512_min_ps(a, b); }
VEC_FN vec vec_max(vec a, vec b) { return _mm512_max_ps(a, b); }
VEC_FN vec vec_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }   /* a b + c */
VEC_FN vec vec_fnma(vec a, vec b, vec c) { return _mm512_fnmadd_ps(a, b, c); } /* c - a b */
VEC_FN vmask vec_gt(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
VEC_FN vmask vec_lt(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
VEC_FN vmask vec_eq(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
VEC_FN vmask vec_ne(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ); }
VEC_FN vmask vec_and(vmask a, vmask b) { return a & b; }
VEC_FN vmask vec_and_not(vmask a, vmask b) { return a & (vmask)~b; } /* a and not b */
VEC_FN vmask vec_or(vmask a, vmask b) { return a | b; }
VEC_FN vmask vec_none(void) { return 0; }
VEC_FN vec vec_keep(vmask m, vec a) { return _mm512_maskz_mov_ps(m, a); }            /* m ? a : 0 */
VEC_FN vec vec_pick(vmask m, vec a, vec b) { return _mm512_mask_blend_ps(m, b, a); } /* m ? a : b */

/* VL sums in double. */
typedef struct vsum {
    __m512d low, high;
} vsum;

VEC_FN __m512d vec_low(vec a) { return _mm512_cvtps_pd(_mm512_castps512_ps256(a)); }
VEC_FN __m512d vec_high(vec a) { return _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)); }
VEC_FN vsum vsum_zero(void) { return (vsum){_mm512_setzero_pd(), _mm512_setzero_pd()}; }
VEC_FN vsum vsum_add(vsum s, vec a) {
    return (vsum){_mm512_add_pd(s.low, vec_low(a)), _mm512_add_pd(s.high, vec_high(a))};
}
VEC_FN vsum vsum_fma(vsum s, vec a, vec b) {
    return (vsum){_mm512_fmadd_pd(vec_low(a), vec_low(b), s.low), _mm512_fmadd_pd(vec_high(a), vec_high(b), s.high)};
}
VEC_FN void vsum_store(double *p, vsum s) {
    _mm512_storeu_pd(p, s.low);
    _mm512_storeu_pd(p + 8, s.high);
}

/* clang-format on */

#endif
