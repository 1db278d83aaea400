/* The loops of util_peaks.c over the vector of one instruction set; included by util_peaks_avx512.c and so on. */
#include "util_peaks.h"

enum {
    N_CHAINS = 16,
    N_SUMS = 4
}; /* chains: more than a unit's latency times the number of units, and registers enough */

#define EACH_CHAIN _Pragma("GCC unroll 16") for (int i = 0; i < N_CHAINS; i++)

static float multiply(long rounds, double *flops) {
    const vec half = vec_set1(0.5f), one = vec_set1(1);
    vec x[N_CHAINS];
    float out[VL];
    EACH_CHAIN x[i] = vec_set1((float)i);
    for (long r = 0; r < rounds; r++) EACH_CHAIN x[i] = vec_fma(x[i], half, one);
    for (int i = 1; i < N_CHAINS; i++) x[0] = vec_add(x[0], x[i]);
    vec_store(out, x[0]);
    *flops = 2.0 * N_CHAINS * VL;
    return out[0];
}

static float read_all(const float *src, size_t n) {
    vec sum[N_SUMS] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
    float out[VL];
    for (size_t at = 0; at < n; at += N_SUMS * VL)
        for (size_t i = 0; i < N_SUMS; i++) sum[i] = vec_add(sum[i], vec_load(src + at + i * VL));
    vec_store(out, vec_add(vec_add(sum[0], sum[1]), vec_add(sum[2], sum[3])));
    return out[0];
}

static void copy_all(float *dst, const float *src, size_t n, int stream) {
    for (size_t at = 0; at < n; at += VL) vec_put(stream, dst + at, vec_load(src + at));
    vec_fence(stream);
}

const peaks_isa VEC_NAME(peaks) = {multiply, read_all, copy_all};
