/* What the debug variant checks after each kernel call: channels that a blocked layout pads are 0.
 *
 * A blocked value is [N][C / B][H][W][B] (kernel.h). All arguments are looked at, read or written: a kernel that leaves
 * something in the padding is named at once, not by the next one that sums over it. */
#include <string.h>

#include "graph/run.h"

/* Channels of a block: what one pixel of one channel takes. */
static int64_t block_of(mn_run *run, int32_t dtype) {
    const modnas_tdesc t = {.dims = {1, 1, 1, 1}, .layout = MODNAS_LAYOUT_BLOCKED, .dtype = dtype};
    return (int64_t)(mn_backend_layout_bytes(run->backend, &t, 0) / mn_dtype_bytes(dtype));
}

static int is_zero(const char *p, size_t bytes, int32_t dtype) {
    for (size_t i = 0; i < bytes; i += mn_dtype_bytes(dtype))
        if (dtype == MODNAS_F64 ? *(const double *)(p + i) != 0 : *(const float *)(p + i) != 0) return 0;
    return 1;
}

/* Pixels whose padding is not clean. */
static int64_t dirty_pixels(mn_run *run, const mn_value *v, const char *mem) {
    const int64_t c = v->dims[1], plane = v->dims[2] * v->dims[3], b = block_of(run, v->dtype);
    if (b < 1 || c % b == 0) return 0;
    const int64_t blocks = c / b + 1, used = c % b;
    const size_t size = mn_dtype_bytes(v->dtype);
    int64_t n_dirty = 0;
    for (int64_t n = 0; n < v->dims[0]; n++) {
        const char *last = mem + (size_t)((n * blocks + blocks - 1) * plane * b) * size;
        for (int64_t i = 0; i < plane; i++)
            n_dirty += !is_zero(last + (size_t)(i * b + used) * size, (size_t)(b - used) * size, v->dtype);
    }
    return n_dirty;
}

int mn_check_padding(mn_run *run, const mn_call *c, void *const *args) {
    char text[64];
    for (int32_t i = 0; i < c->n_args; i++) {
        const mn_value *v = MN_AT(run->args, mn_value *, c->arg + (uint32_t)i);
        if (!v || v->layout != MODNAS_LAYOUT_BLOCKED) continue;
        const int64_t n = dirty_pixels(run, v, args[i]);
        if (n > 0)
            return mn_fail(run->ctx, MODNAS_EINVAL,
                           "%s, pass %d: argument %d (%s, blocked) has padding that is not 0 at %lld pixels",
                           mn_kernel_name(c->kind), c->pass, i, mn_dims_text(v->dims, text), (long long)n);
    }
    return 0;
}
