/* The tables of each instruction set, put together. */
#include "backend/dnnl/simd.h"

#define SIMD(isa, width)                                                                                               \
    const mn_simd mn_simd_##isa = {                                                                                    \
        .block = width,                                                                                                \
        .flat = &mn_simd_flat_##isa,                                                                                   \
        .norm = &mn_simd_norm_##isa,                                                                                   \
        .pool = &mn_simd_pool_##isa,                                                                                   \
        .depthwise = &mn_simd_depthwise_##isa,                                                                         \
        .matrix = &mn_simd_matrix_##isa,                                                                               \
    }
SIMD(avx512, 16);
SIMD(avx2, 8);
SIMD(portable, 8);
