/* Operators that move values: concat, slice, pad, reshape, shuffle; and zeros. */
#include <math.h>

#include "export/onnx_graph.h"

void mn_onnx_concat(mn_onnx *g, const mn_view *x) {
    const mn_onnx_attr attrs[] = {MN_ONNX_INT("axis", x->u->concat.axis), MN_ONNX_END};
    const char **in = mn_onnx_alloc(g, (size_t)x->n_src, sizeof *in);
    for (int32_t i = 0; in && i < x->n_src; i++) in[i] = mn_onnx_get(g, x->src[i], MN_ONNX_FULL);
    mn_onnx_set(g, x->dst, MN_ONNX_FULL, mn_onnx_node(g, "Concat", in, x->n_src, attrs));
}

/* Axes that stay whole are not named, so that the number of images is free. */
void mn_onnx_slice(mn_onnx *g, const mn_view *x) {
    int64_t start[4], end[4], axes[4], step[4];
    int32_t n = 0;
    for (int i = 0; i < 4; i++) {
        const int64_t from = x->u->box.start[i], by = x->u->box.step[i], to = from + by * x->u->box.count[i];
        if (from == 0 && by == 1 && to == x->src[0]->dims[i]) continue;
        start[n] = from;
        end[n] = to < 0 ? INT32_MIN : to; /* down to the first element, and that */
        axes[n] = i;
        step[n++] = by;
    }
    if (!n) { /* all of it */
        mn_onnx_set(g, x->dst, MN_ONNX_FULL, mn_onnx_node1(g, "Identity", mn_onnx_get(g, x->src[0], MN_ONNX_FULL), NULL));
        return;
    }
    const char *in[5] = {mn_onnx_get(g, x->src[0], MN_ONNX_FULL)};
    in[1] = mn_onnx_ints(g, "starts", start, n);
    in[2] = mn_onnx_ints(g, "ends", end, n);
    in[3] = mn_onnx_ints(g, "axes", axes, n);
    in[4] = mn_onnx_ints(g, "steps", step, n);
    mn_onnx_set(g, x->dst, MN_ONNX_FULL, mn_onnx_node(g, "Slice", in, 5, NULL));
}

void mn_onnx_pad(mn_onnx *g, const mn_view *x) {
    int64_t pads[8];
    for (int i = 0; i < 4; i++) {
        pads[i] = x->u->box.start[i];
        pads[4 + i] = x->dst->dims[i] - x->u->box.start[i] - x->u->box.count[i];
    }
    const char *in[3] = {mn_onnx_get(g, x->src[0], MN_ONNX_FULL)};
    in[1] = mn_onnx_ints(g, "pads", pads, 8);
    in[2] = mn_onnx_scalar(g, x->u->box.fill);
    mn_onnx_set(g, x->dst, MN_ONNX_FULL, mn_onnx_node(g, "Pad", in, 3, NULL));
}

/* -1: what is left, which is the number of images where that is free. */
void mn_onnx_reshape(mn_onnx *g, const mn_view *x) {
    const int64_t *from = x->src[0]->dims, *to = x->dst->dims;
    const int64_t shape[4] = {mn_onnx_batched(g, x->dst) ? -1 : to[0], to[1], to[2], to[3]};
    if (from[0] == to[0] && to[2] == 1 && to[3] == 1) {
        mn_onnx_set(g, x->dst, MN_ONNX_FLAT, mn_onnx_get(g, x->src[0], MN_ONNX_FLAT));
        return;
    }
    const char *src = mn_onnx_get(g, x->src[0], MN_ONNX_FULL);
    mn_onnx_set(g, x->dst, MN_ONNX_FULL, mn_onnx_node2(g, "Reshape", src, mn_onnx_ints(g, "shape", shape, 4), NULL));
}

/* Shares of n pixels in each of m, as the kernel has them, (m, n) or transposed. */
static const char *shares(mn_onnx *g, int64_t n, int64_t m, int turned) {
    const int64_t dims[2] = {turned ? n : m, turned ? m : n};
    double *a = mn_onnx_alloc(g, (size_t)(n * m), sizeof *a);
    for (int64_t i = 0; a && i < m; i++) {
        const double at = fmax(((double)i + 0.5) * (double)n / (double)m - 0.5, 0);
        const int64_t first = (int64_t)at < n - 1 ? (int64_t)at : n - 1, second = first + 1 < n ? first + 1 : first;
        const double share = at - floor(at);
        a[turned ? first * m + i : i * n + first] += 1 - share;
        a[turned ? second * m + i : i * n + second] += share;
    }
    return a ? mn_onnx_floats(g, "shares", dims, 2, a) : "";
}

/* Rows and columns by a matrix each: Resize of ONNX would round otherwise at the borders. */
void mn_onnx_resize(mn_onnx *g, const mn_view *x) {
    const int64_t *from = x->src[0]->dims, *to = x->dst->dims;
    const char *v = mn_onnx_get(g, x->src[0], MN_ONNX_FULL);
    v = mn_onnx_node2(g, "MatMul", v, shares(g, from[3], to[3], 1), NULL);
    v = mn_onnx_node2(g, "MatMul", shares(g, from[2], to[2], 0), v, NULL);
    mn_onnx_set(g, x->dst, MN_ONNX_FULL, v);
}

/* (N, G, C/G, H, W) with G and C/G changed; 0: as it is. */
void mn_onnx_shuffle(mn_onnx *g, const mn_view *x) {
    const mn_onnx_attr perm[] = {{"perm", 5, {0, 2, 1, 3, 4}, 0}, MN_ONNX_END};
    const int64_t *d = x->dst->dims, groups = x->u->shuffle.groups;
    const int64_t apart[5] = {0, groups, d[1] / groups, d[2], d[3]}, whole[4] = {0, d[1], d[2], d[3]};
    const char *v = mn_onnx_get(g, x->src[0], MN_ONNX_FULL);
    v = mn_onnx_node2(g, "Reshape", v, mn_onnx_ints(g, "shape", apart, 5), NULL);
    v = mn_onnx_node1(g, "Transpose", v, perm);
    mn_onnx_set(g, x->dst, MN_ONNX_FULL, mn_onnx_node2(g, "Reshape", v, mn_onnx_ints(g, "shape", whole, 4), NULL));
}

/* The number of images, read off the input. */
static const char *count_of(mn_onnx *g) {
    static const int64_t first = 0, end = 1;
    if (g->count) return g->count;
    const char *in[3] = {mn_onnx_node1(g, "Shape", mn_onnx_get(g, g->x, MN_ONNX_FULL), NULL)};
    in[1] = mn_onnx_ints(g, "starts", &first, 1);
    in[2] = mn_onnx_ints(g, "ends", &end, 1);
    return g->count = mn_onnx_node(g, "Slice", in, 3, NULL);
}

void mn_onnx_zero(mn_onnx *g, const mn_view *x) {
    const mn_onnx_attr axis[] = {MN_ONNX_INT("axis", 0), MN_ONNX_END};
    const int64_t *d = x->dst->dims;
    const int batched = mn_onnx_batched(g, x->dst);
    const char *count = batched ? count_of(g) : "", *shape = mn_onnx_ints(g, "shape", d + batched, 4 - batched);
    if (batched) shape = mn_onnx_node2(g, "Concat", count, shape, axis);
    mn_onnx_set(g, x->dst, MN_ONNX_FULL, mn_onnx_node1(g, "ConstantOfShape", shape, NULL));
}
