/* Depthwise convolution of one plane: see mn_simd_depthwise in simd.h.
 *
 * The plane is walked in strips of a few columns, rows downwards. What a strip works on stays in registers, every other
 * vector is loaded once and used for all taps of a kernel row that touch it:
 *
 *     forward        acc[o] += x[c] w[j]        c = o stride + j dilation, counted from the strip's first tap
 *     back_data      acc[i] += gy[m] w[j]       i = m stride + j dilation, counted from the strip's first column
 *     back_weights   acc[j] += x[c] gy[o]       c as in forward
 *
 * Which (column, tap) pairs meet is known when the strip is compiled: the loops below unroll completely and what is
 * left are the multiply-adds. Rows outside the image are skipped, columns outside it are found by comparing with the
 * image's border: nothing is padded and no tap is wasted on padding. */
#include "backend/dnnl/simd.h"

#define UNROLL _Pragma("GCC unroll 64")
enum { OUTPUT_ROWS = 8 }; /* of stride 1, that back_weights does at a time */

/* A strip's shape; constants wherever it is used. */
typedef struct strip {
    int width, side, stride, dilation;
} strip;

/* Output rows o of [0, n_out) with 0 <= o stride + offset < n_in: [*begin, *end). */
VEC_FN void rows_inside(int64_t n_in, int64_t n_out, int64_t stride, int64_t offset, int64_t *begin, int64_t *end) {
    const int64_t room = n_in - offset;
    const int64_t first = offset >= 0 ? 0 : (stride - 1 - offset) / stride,
                  last = room <= 0 ? 0 : (room + stride - 1) / stride;
    *end = last < n_out ? last : n_out;
    *begin = first < *end ? first : *end;
}

/* ---- forward ---- */

/* One kernel row: `row` is the offset of input column c = 0, of which those in [low, high) are inside the image. */
VEC_FN void forward_row(const strip t, const float *x, int64_t row, int64_t low, int64_t high, const float *w,
                        vec *acc) {
    const int reach = t.dilation * (t.side - 1), columns = t.stride * (t.width - 1) + reach + 1;
    vec tap[8];
    UNROLL for (int j = 0; j < t.side; j++) tap[j] = vec_load(w + j * VL);
    UNROLL for (int c = 0; c < columns; c++) {
        if ((c < reach && c < low) || (c >= columns - reach && c >= high)) continue;
        const vec v = vec_load(x + (row + c) * VL);
        UNROLL for (int j = 0; j < t.side; j++) {
            const int from = c - j * t.dilation, o = from / t.stride;
            if (from >= 0 && from % t.stride == 0 && o < t.width) acc[o] = vec_fma(v, tap[j], acc[o]);
        }
    }
}

/* Fetch what the strip reads for output row oh of the plane that follows. */
VEC_FN void forward_ahead(const strip t, const mn_simd_dw_geometry *g, int64_t first, int64_t oh, const float *x) {
    const float *from = x + ((g->in[0] + oh * t.stride) * g->in[1] + first * t.stride) * VL;
    UNROLL for (int r = 0; r < t.stride; r++)
        UNROLL for (int c = 0; c < t.stride * t.width; c += 16 / VL) vec_ahead(from + (r * g->in[1] + c) * VL);
}

VEC_FN vec finish(const mn_simd_dw_post *post, vec sum) {
    const vec v = vec_fma(sum, vec_load(post->scale), vec_load(post->shift));
    return vec_min(vec_set1(post->high), vec_max(vec_set1(post->low), v));
}

VEC_FN void forward(const strip t, const mn_simd_dw_geometry *g, int64_t first, const float *x, const float *w,
                    const mn_simd_dw_post *post, float *y) {
    const int64_t column = first * t.stride - g->pad[1], low = -column, high = g->in[1] - column;
    for (int64_t oh = 0; oh < g->out[0]; oh++) {
        vec acc[16];
        UNROLL for (int o = 0; o < t.width; o++) acc[o] = vec_zero();
        if (g->ahead) forward_ahead(t, g, first, oh, x);
        for (int k = 0; k < t.side; k++) {
            const int64_t ih = oh * t.stride + k * t.dilation - g->pad[0];
            if (ih < 0 || ih >= g->in[0]) continue;
            forward_row(t, x, ih * g->in[1] + column, low, high, w + k * t.side * VL, acc);
        }
        float *to = y + (oh * g->out[1] + first) * VL;
        if (post)
            UNROLL for (int o = 0; o < t.width; o++) acc[o] = finish(post, acc[o]);
        UNROLL for (int o = 0; o < t.width; o++) vec_put(g->stream, to + o * VL, acc[o]);
        if (!g->stream)
            UNROLL for (int o = 0; o < t.width; o++) vec_ahead(to + (o + MN_SIMD_AHEAD) * VL);
    }
    vec_fence(g->stream);
}

/* ---- back_data ---- */

/* One kernel row: `row` is the offset of the gy column that tap 0 of column i = 0 meets; `before` columns of gy lie
 * before it in the image, `after` from it on. */
VEC_FN void back_data_row(const strip t, const float *gy, int64_t row, int64_t before, int64_t after, const float *w,
                          vec *acc) {
    const int reach = t.dilation * (t.side - 1), back = reach / t.stride, ahead = (t.width - 1) / t.stride;
    vec tap[8];
    UNROLL for (int j = 0; j < t.side; j++) tap[j] = vec_load(w + j * VL);
    UNROLL for (int n = 0; n <= back + ahead; n++) {
        const int m = n - back;
        const int may_be_behind =
            (m + 2) * t.stride + reach >= t.width; /* a strip reaches over the border by less than the stride */
        if ((m < 0 && m < -before) || (may_be_behind && m >= after)) continue;
        const vec v = vec_load(gy + (row + m) * VL);
        UNROLL for (int j = 0; j < t.side; j++) {
            const int i = m * t.stride + j * t.dilation;
            if (i >= 0 && i < t.width) acc[i] = vec_fma(v, tap[j], acc[i]);
        }
    }
}

VEC_FN void back_data(const strip t, const mn_simd_dw_geometry *g, int64_t first, const float *gy, const float *w,
                      float *gx) {
    const int64_t before = first / t.stride, after = g->out[1] - before, column = first - g->pad[1];
    for (int64_t ih = 0; ih < g->in[0]; ih++) {
        vec acc[16];
        UNROLL for (int i = 0; i < t.width; i++) acc[i] = vec_zero();
        for (int k = 0; k < t.side; k++) {
            const int64_t from = ih + g->pad[0] - k * t.dilation, oh = from / t.stride;
            if (from < 0 || from % t.stride != 0 || oh >= g->out[0]) continue;
            back_data_row(t, gy, oh * g->out[1] + before, before, after, w + k * t.side * VL, acc);
        }
        UNROLL for (int i = 0; i < t.width; i++) {
            if ((i < t.stride && column + i < 0) || (i >= t.width - t.stride && column + i >= g->in[1])) continue;
            vec_store(gx + (ih * g->in[1] + column + i) * VL, acc[i]);
        }
    }
}

/* ---- back_weights ---- */

/* Neighbouring columns add to sums of their own, `chains` of them, `apart` in acc: an FMA waits for the one before. */
VEC_FN void back_weights_row(const strip t, const int chains, const int apart, const float *x, int64_t row, int64_t low,
                             int64_t high, const vec *d, vec *acc) {
    const int reach = t.dilation * (t.side - 1), columns = t.stride * (t.width - 1) + reach + 1;
    UNROLL for (int c = 0; c < columns; c++) {
        if ((c < reach && c < low) || (c >= columns - reach && c >= high)) continue;
        const vec v = vec_load(x + (row + c) * VL);
        UNROLL for (int j = 0; j < t.side; j++) {
            const int from = c - j * t.dilation, o = from / t.stride;
            vec *sum = acc + c % chains * apart + j;
            if (from >= 0 && from % t.stride == 0 && o < t.width) *sum = vec_fma(v, d[o], *sum);
        }
    }
}

/* Kernel rows [k, k + rows) and output rows [begin, end). */
VEC_FN void back_weights_rows(const strip t, const int rows, const int chains, const mn_simd_dw_geometry *g,
                              int64_t first, int64_t k, int64_t begin, int64_t end, const float *x, const float *gy,
                              float *to) {
    const int taps = rows * t.side;
    const int64_t column = first * t.stride - g->pad[1], low = -column, high = g->in[1] - column;
    vec acc[16], d[16];
    UNROLL for (int j = 0; j < chains * taps; j++) acc[j] = j < taps ? vec_load(to + j * VL) : vec_zero();
    for (int64_t oh = begin; oh < end; oh++) {
        const int64_t top = oh * t.stride + k * t.dilation - g->pad[0];
        if (rows == 1 && (top < 0 || top >= g->in[0])) continue;
        UNROLL for (int o = 0; o < t.width; o++) d[o] = vec_load(gy + (oh * g->out[1] + first + o) * VL);
        UNROLL for (int r = 0; r < rows; r++) {
            const int64_t ih = top + r * t.dilation;
            if (ih < 0 || ih >= g->in[0]) continue;
            back_weights_row(t, chains, taps, x, ih * g->in[1] + column, low, high, d, acc + r * t.side);
        }
    }
    UNROLL for (int j = taps; j < chains * taps; j++) acc[j % taps] = vec_add(acc[j % taps], acc[j]);
    UNROLL for (int j = 0; j < taps; j++) vec_store(to + j * VL, acc[j]);
}

/* `rows` kernel rows at a time: as many as have registers for their sums beside the strip of gy. They all pass over some
 * output rows while those are in the first-level cache, then over the next. */
VEC_FN void back_weights(const strip t, const int rows, const int chains, const mn_simd_dw_geometry *g, int64_t first,
                         const float *x, const float *gy, float *gw) {
    const int64_t run = OUTPUT_ROWS / t.stride;
    for (int64_t begin = 0; begin < g->out[0]; begin += run)
        for (int k = 0; k < t.side; k += rows)
            back_weights_rows(t, rows, chains, g, first, k, begin, begin + run < g->out[0] ? begin + run : g->out[0], x,
                              gy, gw + k * t.side * VL);
}

/* Any kernel: tap by tap, four sums to hide the latency. */
static void back_weights_any(const mn_simd_dw_geometry *g, const float *x, const float *gy, float *gw) {
    for (int64_t k = 0; k < g->kernel[0]; k++) {
        int64_t oh_begin, oh_end, begin, end;
        const int64_t top = k * g->dilation[0] - g->pad[0];
        rows_inside(g->in[0], g->out[0], g->stride[0], top, &oh_begin, &oh_end);
        for (int64_t j = 0; j < g->kernel[1]; j++) {
            const int64_t left = j * g->dilation[1] - g->pad[1];
            rows_inside(g->in[1], g->out[1], g->stride[1], left, &begin, &end);
            vec acc[4] = {vec_load(gw + (k * g->kernel[1] + j) * VL), vec_zero(), vec_zero(), vec_zero()};
            for (int64_t oh = oh_begin; oh < oh_end; oh++) {
                const int64_t from = (oh * g->stride[0] + top) * g->in[1] + left, to = oh * g->out[1];
                for (int64_t o = begin; o < end; o++)
                    acc[o & 3] =
                        vec_fma(vec_load(x + (from + o * g->stride[1]) * VL), vec_load(gy + (to + o) * VL), acc[o & 3]);
            }
            vec_store(gw + (k * g->kernel[1] + j) * VL, vec_add(vec_add(acc[0], acc[1]), vec_add(acc[2], acc[3])));
        }
    }
}

/* ---- the strips ---- */

/* Three functions a strip: side K, stride S, dilation D, width W. */
#define STRIP_FUNCTIONS(W, K, S, D)                                                                                    \
    static void forward_##W##_##K##S##D(const mn_simd_dw_geometry *g, int64_t first, const float *x, const float *w,   \
                                        const mn_simd_dw_post *post, float *y) {                                       \
        forward((strip){W, K, S, D}, g, first, x, w, post, y);                                                         \
    }                                                                                                                  \
    static void back_data_##W##_##K##S##D(const mn_simd_dw_geometry *g, int64_t first, const float *gy,                \
                                          const float *w, float *gx) {                                                 \
        back_data((strip){W, K, S, D}, g, first, gy, w, gx);                                                           \
    }                                                                                                                  \
    static void back_weights_##W##_##K##S##D(const mn_simd_dw_geometry *g, int64_t first, const float *x,              \
                                             const float *gy, float *gw) {                                             \
        back_weights((strip){W, K, S, D}, VEC_DW_ROWS(K), VEC_DW_CHAINS(K), g, first, x, gy, gw);                                        \
    }
#define STRIP_ROW(W, K, S, D)                                                                                          \
    {K, S, D, W, forward_##W##_##K##S##D, back_data_##W##_##K##S##D, back_weights_##W##_##K##S##D},

/* The kernels that search spaces use: MobileNet blocks, and the dilated ones of DARTS cells. */
#define STRIP_SHAPES(X, W)                                                                                             \
    X(W, 3, 1, 1)                                                                                                      \
    X(W, 5, 1, 1) X(W, 7, 1, 1) X(W, 3, 2, 1) X(W, 5, 2, 1) X(W, 7, 2, 1) X(W, 3, 1, 2) X(W, 5, 1, 2) X(W, 3, 2, 2)    \
        X(W, 5, 2, 2)
#define DEFINE_WIDTH(W) STRIP_SHAPES(STRIP_FUNCTIONS, W)
#define LIST_WIDTH(W)   STRIP_SHAPES(STRIP_ROW, W)

VEC_STRIP_WIDTHS(DEFINE_WIDTH)

static const mn_simd_dw_strip strips[] = {VEC_STRIP_WIDTHS(LIST_WIDTH)};

const mn_simd_depthwise VEC_NAME(mn_simd_depthwise) = {
    .strips = strips,
    .n_strips = sizeof strips / sizeof strips[0],
    .back_weights = back_weights_any,
};
