/* Pooling over windows. Destinations of a plane are walked in row-major order; a window is clipped at the image border.
 *
 *   max      the first largest element of the window (a NaN wins); its index in the plane, y W + x, goes into the
 * workspace (int32 a destination, -1 for a window without elements, whose result is 0). Without one, backward looks
 * again. average  divisor: the taps inside the image, or (AVG_INCLUDE_PAD) those inside image and padding, so that a
 * window that hangs over the end in ceil mode does not count what lies beyond the padding.
 *
 * Sizes: between floor and ceil of (H + pads - dilation (kernel - 1) - 1) / stride + 1. */
#include "backend/ref/ref.h"

static int axis_ok(const modnas_kernel *k, int axis) {
    const modnas_window *v = &k->u.window;
    const int64_t kernel = v->kernel[axis], stride = v->stride[axis], dilation = v->dilation[axis];
    const int64_t pad_lo = v->pad[axis], pad_hi = v->pad[axis + 2], size = k->src.dims[axis + 2];
    if (kernel < 1 || stride < 1 || dilation < 1 || pad_lo < 0 || pad_hi < 0) return 0;
    const int64_t room = size + pad_lo + pad_hi - dilation * (kernel - 1) - 1;
    const int64_t least = room >= 0 ? room / stride + 1 : 1;
    const int64_t most = room >= 0 ? (room + stride - 1) / stride + 1 : 1;
    return k->dst.dims[axis + 2] >= least && k->dst.dims[axis + 2] <= most;
}

int MN_REF(pool2d_fits)(const modnas_kernel *k) {
    if (!MN_REF(dims_ok)(&k->src) || !MN_REF(dims_ok)(&k->dst)) return 0;
    if (k->src.dims[0] != k->dst.dims[0] || k->src.dims[1] != k->dst.dims[1]) return 0;
    if (k->src.dims[2] > INT32_MAX / k->src.dims[3]) return 0;
    const int known =
        k->algo == MODNAS_POOL_MAX || k->algo == MODNAS_POOL_AVG || k->algo == MODNAS_POOL_AVG_INCLUDE_PAD;
    return known && axis_ok(k, 0) && axis_ok(k, 1);
}

size_t MN_REF(pool2d_workspace)(const modnas_kernel *k) {
    return k->algo == MODNAS_POOL_MAX ? sizeof(int32_t) * (size_t)MN_REF(count)(&k->dst) : 0;
}

/* Backward adds into a plane of doubles. */
size_t MN_REF(pool2d_scratch)(const modnas_kernel *k) {
    return k->pass == MODNAS_FORWARD ? 0 : sizeof(double) * (size_t)(k->src.dims[2] * k->src.dims[3]);
}

/* Positions start, start + step, ... (< hi) of one axis that lie inside the image; n_padded: inside image and padding.
 */
typedef struct taps {
    int64_t start, hi, step, n, n_padded;
} taps;

static taps taps_of(const modnas_kernel *k, int axis, int64_t at) {
    const modnas_window *v = &k->u.window;
    const int64_t size = k->src.dims[axis + 2], step = v->dilation[axis];
    const int64_t first = at * v->stride[axis] - v->pad[axis];
    const mn_ref_span inside = MN_REF(span)(v->kernel[axis], size, step, first);
    const mn_ref_span padded =
        MN_REF(span)(v->kernel[axis], size + v->pad[axis] + v->pad[axis + 2], step, first + v->pad[axis]);
    return (taps){.start = first + inside.lo * step,
                  .hi = first + inside.hi * step,
                  .step = step,
                  .n = inside.hi - inside.lo,
                  .n_padded = padded.hi - padded.lo};
}

static int64_t window_argmax(const mn_real *x, int64_t width, const taps *ty, const taps *tx) {
    int64_t best = -1;
    for (int64_t iy = ty->start; iy < ty->hi; iy += ty->step) {
        for (int64_t ix = tx->start; ix < tx->hi; ix += tx->step) {
            const int64_t at = iy * width + ix;
            const int is_nan = x[at] != x[at];
            if (best < 0 || x[at] > x[best] || (is_nan && x[best] == x[best])) best = at;
        }
    }
    return best;
}

static double window_sum(const mn_real *x, int64_t width, const taps *ty, const taps *tx) {
    double sum = 0;
    for (int64_t iy = ty->start; iy < ty->hi; iy += ty->step)
        for (int64_t ix = tx->start; ix < tx->hi; ix += tx->step) sum += (double)x[iy * width + ix];
    return sum;
}

/* 1 / divisor of an average; 0 for a window without elements. */
static double window_weight(int32_t algo, const taps *ty, const taps *tx) {
    const int64_t n = algo == MODNAS_POOL_AVG ? ty->n * tx->n : ty->n_padded * tx->n_padded;
    return n > 0 ? 1 / (double)n : 0;
}

int MN_REF(pool2d_forward)(const mn_ref_call *c) {
    const modnas_kernel *k = c->k;
    const int64_t h = k->src.dims[2], w = k->src.dims[3], oh = k->dst.dims[2], ow = k->dst.dims[3];
    const int64_t n_planes = k->src.dims[0] * k->src.dims[1];
    const mn_real *x = c->args[0];
    mn_real *y = c->args[1];
    int32_t *workspace = k->algo == MODNAS_POOL_MAX ? c->args[2] : NULL;
    for (int64_t plane = 0; plane < n_planes; plane++, x += h * w) {
        for (int64_t at = 0; at < oh * ow; at++) {
            const taps ty = taps_of(k, 0, at / ow), tx = taps_of(k, 1, at % ow);
            if (k->algo == MODNAS_POOL_MAX) {
                const int64_t best = window_argmax(x, w, &ty, &tx);
                y[plane * oh * ow + at] = best < 0 ? 0 : x[best];
                if (workspace) workspace[plane * oh * ow + at] = (int32_t)best;
            } else {
                y[plane * oh * ow + at] = (mn_real)(window_sum(x, w, &ty, &tx) * window_weight(k->algo, &ty, &tx));
            }
        }
    }
    return 0;
}

static void spread(double *acc, int64_t width, const taps *ty, const taps *tx, double g) {
    for (int64_t iy = ty->start; iy < ty->hi; iy += ty->step)
        for (int64_t ix = tx->start; ix < tx->hi; ix += tx->step) acc[iy * width + ix] += g;
}

/* Add the gradients of one plane of destinations into acc. */
static void backward_plane(const modnas_kernel *k, const mn_real *x, const mn_real *gy, const int32_t *workspace,
                           double *acc) {
    const int64_t w = k->src.dims[3], oh = k->dst.dims[2], ow = k->dst.dims[3];
    for (int64_t at = 0; at < oh * ow; at++) {
        const taps ty = taps_of(k, 0, at / ow), tx = taps_of(k, 1, at % ow);
        if (k->algo == MODNAS_POOL_MAX) {
            const int64_t best = workspace ? workspace[at] : window_argmax(x, w, &ty, &tx);
            if (best >= 0) acc[best] += (double)gy[at];
        } else {
            spread(acc, w, &ty, &tx, (double)gy[at] * window_weight(k->algo, &ty, &tx));
        }
    }
}

int MN_REF(pool2d_backward)(const mn_ref_call *c) {
    const modnas_kernel *k = c->k;
    const int64_t n_src = k->src.dims[2] * k->src.dims[3], n_dst = k->dst.dims[2] * k->dst.dims[3];
    const int64_t n_planes = k->src.dims[0] * k->src.dims[1];
    const mn_real *x = c->args[0], *gy = c->args[2];
    const int32_t *workspace = c->args[3];
    mn_real *gx = c->args[4];
    double *acc = c->scratch;
    if (k->algo == MODNAS_POOL_MAX && !x && !workspace)
        return MN_REF(fail)(c, MODNAS_EINVAL, "pool2d backward: max pooling has neither x nor workspace");
    for (int64_t plane = 0; plane < n_planes; plane++) {
        for (int64_t i = 0; i < n_src; i++) acc[i] = 0;
        backward_plane(k, x ? x + plane * n_src : NULL, gy + plane * n_dst,
                       workspace ? workspace + plane * n_dst : NULL, acc);
        for (int64_t i = 0; i < n_src; i++) gx[plane * n_src + i] = (mn_real)acc[i];
    }
    return 0;
}
