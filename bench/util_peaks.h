/* What this machine can do at most, measured in the same run as what is held against it. */
#ifndef UTIL_PEAKS_H
#define UTIL_PEAKS_H

#include <stddef.h>

/* FLOP/s of f32 fused multiply-adds in registers, `threads` of them at once: the best of a few tries. 0: no threads to
 * be had. */
double peaks_flops(int threads);
/* Bytes/s between the cores and `bytes` of memory in all: the best of reading, copying, and copying past the caches. */
double peaks_bandwidth(int threads, size_t bytes);

/* The loops of one instruction set (util_peaks_body.h). */
typedef struct peaks_isa {
    /* `rounds` rounds of fused multiply-adds; their results added up. *flops: of one round. */
    float (*multiply)(long rounds, double *flops);
    /* n floats, a multiple of 64; pointers are aligned to 64 bytes */
    float (*read)(const float *src, size_t n);
    void (*copy)(float *dst, const float *src, size_t n, int stream);
} peaks_isa;
extern const peaks_isa peaks_avx512, peaks_avx2, peaks_portable;

#endif
