/* One vector register of floats: AVX2 with FMA. See vec_avx512.h. */
#ifndef MN_VEC_H
#define MN_VEC_H

#include <immintrin.h>
#include <stdint.h>

/* A table, one line an operation. */
/* clang-format off */
#define VEC_FN static inline __attribute__((always_inline, unused))
#define VEC_NAME(name) name##_avx2
enum { VL = 8 };
#define VEC_STRIP_WIDTHS(X) X(8) X(7) X(4) X(2) X(1) /* depthwise strips that fit into the 16 registers */
#define VEC_DW_ROWS(side) 1                          /* kernel rows that back_weights takes at once */
#define VEC_DW_CHAINS(side) 1                        /* sums of back_weights for each tap */
#define VEC_TILE 8                                      /* pixels that are summed at once */
#define VEC_REDUCE_PIXELS(z) ((z) == 1 ? 8 : (z) == 2 ? 4 : (z) == 3 ? 3 : 2) /* pixels at once, with z narrow blocks */
typedef __m256 vec;
typedef __m256 vmask; /* all bits of a lane */

VEC_FN __m256i vec_first(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int32_t)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

VEC_FN vec vec_load(const float *p) { return _mm256_loadu_ps(p); }
VEC_FN void vec_store(float *p, vec a) { _mm256_storeu_ps(p, a); }
VEC_FN void vec_put(int32_t stream, float *p, vec a) {
    if (stream) _mm256_stream_ps(p, a);
    else _mm256_storeu_ps(p, a);
}
VEC_FN void vec_fence(int32_t stream) {
    if (stream) _mm_sfence();
}
VEC_FN void vec_ahead(const float *p) { __builtin_prefetch(p, 0); }
VEC_FN vec vec_load_n(const float *p, int64_t n) { return _mm256_maskload_ps(p, vec_first(n)); }
VEC_FN void vec_store_n(float *p, vec a, int64_t n) { _mm256_maskstore_ps(p, vec_first(n), a); }
VEC_FN vec vec_set1(float a) { return _mm256_set1_ps(a); }
VEC_FN vec vec_zero(void) { return _mm256_setzero_ps(); }
VEC_FN vec vec_add(vec a, vec b) { return _mm256_add_ps(a, b); }
VEC_FN vec vec_sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
VEC_FN vec vec_mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
VEC_FN vec vec_div(vec a, vec b) { return _mm256_div_ps(a, b); }
VEC_FN vec vec_sqrt(vec a) { return _mm256_sqrt_ps(a); }
VEC_FN vec vec_min(vec a, vec b) { return _mm256_min_ps(a, b); }
VEC_FN vec vec_max(vec a, vec b) { return _mm256_max_ps(a, b); }
VEC_FN vec vec_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
VEC_FN vec vec_fnma(vec a, vec b, vec c) { return _mm256_fnmadd_ps(a, b, c); }
VEC_FN vmask vec_gt(vec a, vec b) { return _mm256_cmp_ps(a, b, _CMP_GT_OQ); }
VEC_FN vmask vec_lt(vec a, vec b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
VEC_FN vmask vec_eq(vec a, vec b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
VEC_FN vmask vec_ne(vec a, vec b) { return _mm256_cmp_ps(a, b, _CMP_NEQ_UQ); }
VEC_FN vmask vec_and(vmask a, vmask b) { return _mm256_and_ps(a, b); }
VEC_FN vmask vec_and_not(vmask a, vmask b) { return _mm256_andnot_ps(b, a); }
VEC_FN vmask vec_or(vmask a, vmask b) { return _mm256_or_ps(a, b); }
VEC_FN vmask vec_none(void) { return _mm256_setzero_ps(); }
VEC_FN vec vec_keep(vmask m, vec a) { return _mm256_and_ps(m, a); }
VEC_FN vec vec_pick(vmask m, vec a, vec b) { return _mm256_blendv_ps(b, a, m); }

typedef struct vsum {
    __m256d low, high;
} vsum;

VEC_FN __m256d vec_low(vec a) { return _mm256_cvtps_pd(_mm256_castps256_ps128(a)); }
VEC_FN __m256d vec_high(vec a) { return _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)); }
VEC_FN vsum vsum_zero(void) { return (vsum){_mm256_setzero_pd(), _mm256_setzero_pd()}; }
VEC_FN vsum vsum_add(vsum s, vec a) {
    return (vsum){_mm256_add_pd(s.low, vec_low(a)), _mm256_add_pd(s.high, vec_high(a))};
}
VEC_FN vsum vsum_fma(vsum s, vec a, vec b) {
    return (vsum){_mm256_fmadd_pd(vec_low(a), vec_low(b), s.low), _mm256_fmadd_pd(vec_high(a), vec_high(b), s.high)};
}
VEC_FN void vsum_store(double *p, vsum s) {
    _mm256_storeu_pd(p, s.low);
    _mm256_storeu_pd(p + 4, s.high);
}

/* clang-format on */

#endif
