/* The oneDNN plug-in: what its files share.
 *
 *   entry.c      the entry point and the vtable
 *   table.c      one row a kernel kind: supports, want, plan, run, drop
 *   conv.c depthwise.c linear.c reorder.c activation.c      oneDNN does the work (depthwise.c: our own kernels)
 *   batch_norm.c pool.c elementwise.c copy.c dropout.c flat.c reduce.c   our own kernels, on channel-blocked tensors
 *   loss.c                                                  pointwise losses, on plain ones
 *   bottleneck.h                                                the wide part of inverted residual blocks as one kernel
 *   layout.c prim.c parallel.c spread.c error.c             layouts, primitives, static parts, workers, error texts
 *   simd.h       the loops, compiled once for each instruction set: *_avx512.c, *_avx2.c, *_portable.c from *_body.h
 *
 * A blocked activation is [N][C/B][H][W][B]: B channels lie side by side, B = 16 with AVX-512 and 8 without; the
 * channels that fill up the last block are 0. oneDNN calls it nChw16c or nChw8c. One pixel of one block is one vector
 * register.
 *
 * Work is cut into parts by shape and logical thread count alone, partial sums are added in index order: the machine's
 * cores never change a bit. */
#ifndef MN_DNNL_BACKEND_H
#define MN_DNNL_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "backend/dnnl/onednn.h"
#include "backend/dnnl/simd.h"
#include "modnas/status.h"
#include "modnas/sys/backend.h"

/* 1 in the plug-in that bench/step holds ours against: convolutions by oneDNN wherever it is not many times slower than it
 * could be, so all but depthwise backward-weights, and none of our fused kernels. */
#ifndef MN_DNNL_ALONE
#define MN_DNNL_ALONE 0
#endif

typedef struct mn_dnnl mn_dnnl;
typedef struct mn_dnnl_plan mn_dnnl_plan;

/* What one call of plan_run brings. */
typedef struct mn_dnnl_run {
    void *const *args;
    const double *scalars;
    char *scratch;
    int32_t n_args, n_scalars;
} mn_dnnl_run;

/* One row of the kernel table. */
typedef struct mn_dnnl_kernel {
    int32_t kind;
    size_t plan_bytes; /* of the kernel's own plan, which begins with a mn_dnnl_plan */
    int (*supports)(mn_dnnl *s, const modnas_kernel *k); /* 0, 1, or a status: it cannot be told */
    int32_t (*want)(mn_dnnl *s, const modnas_kernel *k, int32_t role);
    int (*plan)(mn_dnnl *s, mn_dnnl_plan *p); /* p is zeroed but for its first three fields */
    int (*run)(mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_run *r);
    void (*drop)(mn_dnnl *s, mn_dnnl_plan *p); /* may be NULL; also called after plan() returned an error */
    int8_t n_args[3], n_scalars[3]; /* by pass: the least number of arguments and scalars; 0 arguments: no such pass */
} mn_dnnl_kernel;

struct mn_dnnl_plan {
    const mn_dnnl_kernel *row;
    modnas_kernel k;
    size_t scratch;   /* grows while the plan is made */
    size_t workspace; /* bytes that forward leaves for backward */
};

/* Conv weights' layouts: one memory descriptor an id, and which id a geometry wants. */
typedef struct mn_dnnl_layouts {
    dnnl_memory_desc_t *md; /* id 16 + i */
    struct mn_dnnl_want *wants;
    int32_t n_md, n_wants;
} mn_dnnl_layouts;

struct mn_dnnl {
    modnas_host host;
    int32_t threads;
    const mn_simd *simd;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    int64_t n_objects;
    mn_dnnl_layouts layouts;
};

/* table.c: NULL for a kind that this backend does not know */
const mn_dnnl_kernel *mn_dnnl_kernel_of(int32_t kind);

/* error.c */
int mn_dnnl_fail(mn_dnnl *s, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A failed oneDNN call: its status, what was tried, the kernel and its shapes. Returns the status code to pass on. */
int mn_dnnl_refused(mn_dnnl *s, dnnl_status_t status, const char *what, const modnas_kernel *k);
void mn_dnnl_describe(const modnas_kernel *k, char *text, size_t bytes);

/* Argument i of a run; NULL where it was left out. */
static inline float *mn_dnnl_arg(const mn_dnnl_run *r, int32_t i) {
    return i < r->n_args ? (float *)r->args[i] : NULL;
}

/* A place in the run's scratch; NULL if the plan has none. */
static inline void *mn_dnnl_scratch(const mn_dnnl_run *r, size_t offset) {
    return r->scratch ? (void *)(r->scratch + offset) : NULL;
}

/* Reserve bytes of the plan's scratch; returns their offset, a multiple of 64. */
size_t mn_dnnl_reserve(mn_dnnl_plan *p, size_t bytes);
/* Host memory; NULL (error text set) when out of memory. */
void *mn_dnnl_alloc(mn_dnnl *s, size_t bytes);

#endif
