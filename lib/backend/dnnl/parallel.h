/* Static parts of work.
 *
 * A job is cut into `parts` pieces whose borders follow from the shapes and the logical thread count. Each piece is
 * done by one worker; when the machine gives fewer workers a worker does several pieces, and nothing changes in the
 * results.
 *
 * Sums over images and pixels of a channel block: each part takes equally many whole blocks; blocks that are left over
 * are cut into one slice a part, and the slices' sums are added in index order. */
#ifndef MN_DNNL_PARALLEL_H
#define MN_DNNL_PARALLEL_H

#include "backend/dnnl/dnnl_backend.h"

/* Piece number `part` of a job; `job` is the caller's struct. */
typedef void (*mn_dnnl_part_fn)(const void *job, int32_t part, int32_t parts);

void mn_dnnl_parallel(int32_t parts, mn_dnnl_part_fn fn, const void *job);

/* spread.c: workers that wake on one CPU are moved apart. To be called before a run of many kernels. */
void mn_dnnl_spread(const mn_dnnl *s);

/* How many parts a job that touches so many bytes is worth. */
int32_t mn_dnnl_parts(const mn_dnnl *s, int64_t bytes);

/* Is memory of so many bytes to be written past the caches? It must be aligned for that, and so large that its
 * beginning would be out of them before it is read again. */
int32_t mn_dnnl_streams(const void *mem, int64_t bytes);

/* The piece [*begin, *end) of 0..n-1, borders at multiples of `align`. */
void mn_dnnl_range(int64_t n, int64_t align, int32_t part, int32_t parts, int64_t *begin, int64_t *end);

#endif
