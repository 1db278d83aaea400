/* What a kernel case has to do at least. */
#include "kernels_cost.h"

#include <stdio.h>
#include <string.h>

/* Pairs (position of the window, tap) along an axis of `size` pixels that meet a pixel. */
static double n_taps(int64_t size, int64_t positions, const modnas_window *w, int axis) {
    int64_t n = 0;
    for (int64_t p = 0; p < positions; p++)
        for (int64_t tap = 0; tap < w->kernel[axis]; tap++) {
            const int64_t at = p * w->stride[axis] - w->pad[axis] + tap * w->dilation[axis];
            n += at >= 0 && at < size;
        }
    return (double)n;
}

double cost_flops(const modnas_kernel *k) {
    const int64_t *x = k->src.dims, *w = k->weights.dims, *y = k->dst.dims;
    if (k->kind == MODNAS_KERNEL_LINEAR) return 2.0 * (double)(y[0] * y[1]) * (double)w[1];
    if (k->kind != MODNAS_KERNEL_CONV2D) return 0;
    return 2.0 * (double)(y[0] * y[1] * w[1]) * n_taps(x[2], y[2], &k->u.window, 0) *
           n_taps(x[3], y[3], &k->u.window, 1);
}

cost_traffic cost_bytes(const kc_case *c, const kc_data *in) {
    cost_traffic t = {0, 0};
    for (int i = 0; i < c->n_args; i++) {
        const double bytes = (c->args[i].desc.dtype == MODNAS_F64 ? 8.0 : 4.0) * (double)in->n_elems[i];
        t.set += bytes;
        t.moved += c->args[i].io == KC_INOUT ? 2 * bytes : bytes;
    }
    return t;
}

static int put_dims(char *text, size_t bytes, const int64_t dims[4]) {
    return snprintf(text, bytes, "%lldx%lldx%lldx%lld", (long long)dims[0], (long long)dims[1], (long long)dims[2],
                    (long long)dims[3]);
}

void cost_shape(const kc_case *c, char *text, size_t bytes) {
    const modnas_kernel *k = &c->kernel;
    if (k->src.dims[0] == 0) {
        snprintf(text, bytes, "%.0f", c->scalars[0]); /* flat ranges: n comes first */
        return;
    }
    int n = put_dims(text, bytes, k->src.dims);
    if (memcmp(k->src.dims, k->dst.dims, sizeof k->src.dims) == 0 || (size_t)n + 64 > bytes) return;
    n += snprintf(text + n, bytes - (size_t)n, " -> ");
    put_dims(text + n, bytes - (size_t)n, k->dst.dims);
}
