/* One "vector register" of floats in portable C: eight floats in a struct. See vec_avx512.h. Correct everywhere, fast
 * only as far as the compiler turns the short loops into vector instructions. */
#ifndef MN_VEC_H
#define MN_VEC_H

#include <math.h>
#include <stdint.h>

/* A table, one line an operation. */
/* clang-format off */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__ /* checks of every lane, everywhere: minutes to compile */
#define VEC_FN static __attribute__((noinline, unused))
#else
#define VEC_FN static inline __attribute__((always_inline, unused))
#endif
#define VEC_NAME(name) name##_portable
enum { VL = 8 };
#define VEC_STRIP_WIDTHS(X) X(4) X(2) X(1) /* depthwise strips */
#define VEC_DW_ROWS(side) 1           /* kernel rows that back_weights takes at once */
#define VEC_DW_CHAINS(side) 1         /* sums of back_weights for each tap */
#define VEC_TILE 4                                      /* pixels that are summed at once */
#define VEC_REDUCE_PIXELS(z) (2) /* pixels at once, with z narrow blocks */
typedef struct vec {
    float lane[VL];
} vec;
typedef struct vmask {
    int32_t lane[VL];
} vmask;

#define VEC_EACH(type, expr)                                                                       \
    type out_;                                                                                     \
    for (int i = 0; i < VL; i++) out_.lane[i] = (expr);                                            \
    return out_

VEC_FN vec vec_load(const float *p) { VEC_EACH(vec, p[i]); }
VEC_FN void vec_store(float *p, vec a) {
    for (int i = 0; i < VL; i++) p[i] = a.lane[i];
}
VEC_FN void vec_put(int32_t stream, float *p, vec a) {
    (void)stream;
    vec_store(p, a);
}
VEC_FN void vec_fence(int32_t stream) { (void)stream; }
VEC_FN void vec_ahead(const float *p) { (void)p; }
VEC_FN vec vec_load_n(const float *p, int64_t n) { VEC_EACH(vec, i < n ? p[i] : 0); }
VEC_FN void vec_store_n(float *p, vec a, int64_t n) {
    for (int i = 0; i < VL && i < n; i++) p[i] = a.lane[i];
}
VEC_FN vec vec_set1(float a) { VEC_EACH(vec, a); }
VEC_FN vec vec_zero(void) { VEC_EACH(vec, 0); }
VEC_FN vec vec_add(vec a, vec b) { VEC_EACH(vec, a.lane[i] + b.lane[i]); }
VEC_FN vec vec_sub(vec a, vec b) { VEC_EACH(vec, a.lane[i] - b.lane[i]); }
VEC_FN vec vec_mul(vec a, vec b) { VEC_EACH(vec, a.lane[i] * b.lane[i]); }
VEC_FN vec vec_div(vec a, vec b) { VEC_EACH(vec, a.lane[i] / b.lane[i]); }
VEC_FN vec vec_sqrt(vec a) { VEC_EACH(vec, sqrtf(a.lane[i])); }
VEC_FN vec vec_min(vec a, vec b) { VEC_EACH(vec, a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]); }
VEC_FN vec vec_max(vec a, vec b) { VEC_EACH(vec, a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]); }
VEC_FN vec vec_fma(vec a, vec b, vec c) { VEC_EACH(vec, a.lane[i] * b.lane[i] + c.lane[i]); }
VEC_FN vec vec_fnma(vec a, vec b, vec c) { VEC_EACH(vec, c.lane[i] - a.lane[i] * b.lane[i]); }
VEC_FN vmask vec_gt(vec a, vec b) { VEC_EACH(vmask, a.lane[i] > b.lane[i]); }
VEC_FN vmask vec_lt(vec a, vec b) { VEC_EACH(vmask, a.lane[i] < b.lane[i]); }
VEC_FN vmask vec_eq(vec a, vec b) { VEC_EACH(vmask, a.lane[i] == b.lane[i]); }
VEC_FN vmask vec_ne(vec a, vec b) { VEC_EACH(vmask, a.lane[i] != b.lane[i]); }
VEC_FN vmask vec_and(vmask a, vmask b) { VEC_EACH(vmask, a.lane[i] & b.lane[i]); }
VEC_FN vmask vec_and_not(vmask a, vmask b) { VEC_EACH(vmask, a.lane[i] & !b.lane[i]); }
VEC_FN vmask vec_or(vmask a, vmask b) { VEC_EACH(vmask, a.lane[i] | b.lane[i]); }
VEC_FN vmask vec_none(void) { VEC_EACH(vmask, 0); }
VEC_FN vec vec_keep(vmask m, vec a) { VEC_EACH(vec, m.lane[i] ? a.lane[i] : 0); }
VEC_FN vec vec_pick(vmask m, vec a, vec b) { VEC_EACH(vec, m.lane[i] ? a.lane[i] : b.lane[i]); }

typedef struct vsum {
    double lane[VL];
} vsum;

VEC_FN vsum vsum_zero(void) { VEC_EACH(vsum, 0); }
VEC_FN vsum vsum_add(vsum s, vec a) { VEC_EACH(vsum, s.lane[i] + a.lane[i]); }
VEC_FN vsum vsum_fma(vsum s, vec a, vec b) { VEC_EACH(vsum, s.lane[i] + (double)a.lane[i] * b.lane[i]); }
VEC_FN void vsum_store(double *p, vsum s) {
    for (int i = 0; i < VL; i++) p[i] = s.lane[i];
}

/* clang-format on */

#endif
