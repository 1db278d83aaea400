/* Static parts of work: see parallel.h. */
#include "backend/dnnl/parallel.h"

enum { PART_BYTES_MIN = 32 * 1024, STREAM_BYTES_MIN = 16 << 20, STREAM_ALIGN = 64 };

void mn_dnnl_parallel(int32_t parts, mn_dnnl_part_fn fn, const void *job) {
    if (parts <= 1) {
        fn(job, 0, 1);
        return;
    }
#pragma omp parallel for schedule(static, 1) num_threads(parts)
    for (int32_t part = 0; part < parts; part++) fn(job, part, parts);
}

int32_t mn_dnnl_parts(const mn_dnnl *s, int64_t bytes) {
    const int64_t worth = bytes / PART_BYTES_MIN;
    if (worth <= 1) return 1;
    return worth < s->threads ? (int32_t)worth : s->threads;
}

void mn_dnnl_range(int64_t n, int64_t align, int32_t part, int32_t parts, int64_t *begin, int64_t *end) {
    const int64_t units = (n + align - 1) / align;
    const int64_t first = units * part / parts * align, last = units * (part + 1) / parts * align;
    *begin = first < n ? first : n;
    *end = last < n ? last : n;
}

int32_t mn_dnnl_streams(const void *mem, int64_t bytes) {
    return bytes >= STREAM_BYTES_MIN && (uintptr_t)mem % STREAM_ALIGN == 0;
}
