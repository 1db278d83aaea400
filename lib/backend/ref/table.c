/* ORDER KERNELS: one row a kernel kind and pass, for one element type; and the helpers that the kernels share. */
#include <stdarg.h>
#include <stdio.h>

#include "backend/ref/ref.h"

#define A(i) (UINT64_C(1) << (i))

/* kind, pass, fewest arguments, fewest scalars, arguments that must be there, fits, scratch, workspace, run */
#define ROW(kind, pass, n_args, n_scalars, required, fits, scratch, workspace, run)                                    \
    { MODNAS_KERNEL_##kind, MODNAS_##pass, n_args, n_scalars, required, fits, scratch, workspace, run }

const mn_ref_row MN_REF(rows)[] = {
    ROW(CONV2D, FORWARD, 4, 0, A(0) | A(1) | A(3), MN_REF(conv2d_fits), MN_REF(conv2d_scratch), NULL,
        MN_REF(conv2d_forward)),
    ROW(CONV2D, BACKWARD_DATA, 3, 0, A(0) | A(1) | A(2), MN_REF(conv2d_fits), MN_REF(conv2d_scratch), NULL,
        MN_REF(conv2d_backward_data)),
    ROW(CONV2D, BACKWARD_WEIGHTS, 3, 0, A(0) | A(1) | A(2), MN_REF(conv2d_fits), NULL, NULL,
        MN_REF(conv2d_backward_weights)),
    ROW(LINEAR, FORWARD, 4, 0, A(0) | A(1) | A(3), MN_REF(linear_fits), NULL, NULL, MN_REF(linear_forward)),
    ROW(LINEAR, BACKWARD_DATA, 3, 0, A(0) | A(1) | A(2), MN_REF(linear_fits), MN_REF(linear_scratch), NULL,
        MN_REF(linear_backward_data)),
    ROW(LINEAR, BACKWARD_WEIGHTS, 3, 0, A(0) | A(1) | A(2), MN_REF(linear_fits), MN_REF(linear_scratch), NULL,
        MN_REF(linear_backward_weights)),
    ROW(BATCH_NORM, FORWARD, 9, 2, A(0) | A(8), MN_REF(batch_norm_fits), NULL, NULL, MN_REF(batch_norm_forward)),
    ROW(BATCH_NORM, BACKWARD_DATA, 7, 0, A(0) | A(2) | A(4) | A(5), MN_REF(batch_norm_backward_fits), NULL, NULL,
        MN_REF(batch_norm_backward)),
    ROW(POOL2D, FORWARD, 2, 0, A(0) | A(1), MN_REF(pool2d_fits), NULL, MN_REF(pool2d_workspace),
        MN_REF(pool2d_forward)),
    ROW(POOL2D, BACKWARD_DATA, 5, 0, A(2) | A(4), MN_REF(pool2d_fits), MN_REF(pool2d_scratch), NULL,
        MN_REF(pool2d_backward)),
    ROW(ACTIVATION, FORWARD, 2, 0, A(0) | A(1), MN_REF(activation_fits), NULL, NULL, MN_REF(activation_forward)),
    ROW(ACTIVATION, BACKWARD_DATA, 4, 0, A(0) | A(2) | A(3), MN_REF(activation_fits), NULL, NULL,
        MN_REF(activation_backward)),
    ROW(BINARY, FORWARD, 3, 0, A(0) | A(1) | A(2), MN_REF(binary_fits), NULL, NULL, MN_REF(binary_forward)),
    ROW(WEIGHTED_SUM, FORWARD, 2, 0, A(0), MN_REF(weighted_sum_fits), NULL, NULL, MN_REF(weighted_sum_forward)),
    ROW(SCALE, FORWARD, 3, 1, A(0) | A(1) | A(2), MN_REF(scale_fits), NULL, NULL, MN_REF(scale_forward)),
    ROW(DOT, FORWARD, 3, 1, A(0) | A(1) | A(2), MN_REF(dot_fits), NULL, NULL, MN_REF(dot_forward)),
    ROW(COPY, FORWARD, 2, 0, A(0) | A(1), MN_REF(copy_fits), NULL, NULL, MN_REF(copy_forward)),
    ROW(SHUFFLE, FORWARD, 2, 0, A(0) | A(1), MN_REF(shuffle_fits), NULL, NULL, MN_REF(shuffle_forward)),
    ROW(SHUFFLE, BACKWARD_DATA, 2, 0, A(0) | A(1), MN_REF(shuffle_fits), NULL, NULL, MN_REF(shuffle_backward)),
    ROW(SOFTMAX, FORWARD, 2, 0, A(0) | A(1), MN_REF(softmax_fits), NULL, NULL, MN_REF(softmax_forward)),
    ROW(SOFTMAX, BACKWARD_DATA, 3, 0, A(0) | A(1) | A(2), MN_REF(softmax_fits), NULL, NULL, MN_REF(softmax_backward)),
    ROW(SOFTMAX_XENT, FORWARD, 3, 1, A(0) | A(1) | A(2), MN_REF(softmax_xent_fits), NULL, NULL,
        MN_REF(softmax_xent_forward)),
    ROW(SOFTMAX_XENT, BACKWARD_DATA, 4, 1, A(1) | A(2) | A(3), MN_REF(softmax_xent_fits), NULL, NULL,
        MN_REF(softmax_xent_backward)),
    ROW(DROPOUT, FORWARD, 3, 3, A(0) | A(1) | A(2), MN_REF(dropout_fits), NULL, NULL, MN_REF(dropout_forward)),
    ROW(DROPOUT, BACKWARD_DATA, 3, 0, A(0) | A(1) | A(2), MN_REF(dropout_fits), NULL, NULL, MN_REF(dropout_backward)),
    ROW(FILL, FORWARD, 1, 2, A(0), MN_REF(flat_fits), NULL, NULL, MN_REF(fill_forward)),
    ROW(AXPBY, FORWARD, 2, 3, A(1), MN_REF(flat_fits), NULL, NULL, MN_REF(axpby_forward)),
    ROW(SUMSQ, FORWARD, 2, 2, A(0) | A(1), MN_REF(flat_fits), NULL, NULL, MN_REF(sumsq_forward)),
    ROW(SGD, FORWARD, 2, 7, A(0) | A(1), MN_REF(flat_fits), NULL, NULL, MN_REF(sgd_forward)),
    ROW(ADAM, FORWARD, 4, 8, A(0) | A(1) | A(2) | A(3), MN_REF(flat_fits), NULL, NULL, MN_REF(adam_forward)),
    ROW(RMSPROP, FORWARD, 3, 7, A(0) | A(1) | A(2), MN_REF(flat_fits), NULL, NULL, MN_REF(rmsprop_forward)),
    ROW(ADAGRAD, FORWARD, 3, 5, A(0) | A(1) | A(2), MN_REF(flat_fits), NULL, NULL, MN_REF(adagrad_forward)),
    ROW(REORDER, FORWARD, 2, 0, A(0) | A(1), MN_REF(reorder_fits), NULL, NULL, MN_REF(reorder_forward)),
    ROW(RESIZE, FORWARD, 2, 0, A(0) | A(1), MN_REF(resize_fits), NULL, NULL, MN_REF(resize_forward)),
    ROW(RESIZE, BACKWARD_DATA, 2, 0, A(0) | A(1), MN_REF(resize_fits), NULL, NULL, MN_REF(resize_backward)),
    ROW(REDUCE, FORWARD, 2, 0, A(0) | A(1), MN_REF(reduce_fits), NULL, NULL, MN_REF(reduce_forward)),
    ROW(LOSS, FORWARD, 3, 1, A(0) | A(1) | A(2), MN_REF(loss_fits), NULL, NULL, MN_REF(loss_forward)),
    ROW(LOSS, BACKWARD_DATA, 4, 1, A(0) | A(1) | A(2) | A(3), MN_REF(loss_fits), NULL, NULL, MN_REF(loss_backward)),
};
const int MN_REF(n_rows) = sizeof(MN_REF(rows)) / sizeof(MN_REF(rows)[0]);

int MN_REF(fail)(const mn_ref_call *c, int status, const char *fmt, ...) {
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return c->host->fail(c->host->host, status, text);
}

int64_t MN_REF(count)(const modnas_tdesc *t) {
    return t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
}

int MN_REF(dims_ok)(const modnas_tdesc *t) {
    const int64_t limit = INT64_C(1) << 62;
    int64_t n = 1;
    for (int i = 0; i < 4; i++) {
        if (t->dims[i] < 1 || t->dims[i] > limit / n) return 0;
        n *= t->dims[i];
    }
    return 1;
}

int MN_REF(same_dims)(const modnas_tdesc *a, const modnas_tdesc *b) {
    for (int i = 0; i < 4; i++)
        if (a->dims[i] != b->dims[i]) return 0;
    return 1;
}

static double join_lanes(const double lane[8]) {
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

double MN_REF(sum)(const mn_real *a, int64_t n) {
    double lane[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++) lane[l] += (double)a[i + l];
    for (; i < n; i++) lane[i % 8] += (double)a[i];
    return join_lanes(lane);
}

double MN_REF(dot)(const mn_real *a, const mn_real *b, int64_t n) {
    double lane[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++) lane[l] += (double)a[i + l] * (double)b[i + l];
    for (; i < n; i++) lane[i % 8] += (double)a[i] * (double)b[i];
    return join_lanes(lane);
}

mn_ref_span MN_REF(span)(int64_t n_out, int64_t n_in, int64_t stride, int64_t offset) {
    const int64_t lo = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    const int64_t hi = n_in - offset > 0 ? (n_in - offset + stride - 1) / stride : 0;
    const int64_t clipped = hi < n_out ? hi : n_out;
    return (mn_ref_span){lo < clipped ? lo : clipped, clipped};
}
