/* Padding with elements of the source, axis by axis: pieces of it are put before and behind with slices and a concat,
 * which know their backward. */
#include "graph/run.h"

/* count elements along an axis, from `start` on in steps. */
static int piece(mn_run *run, mn_value *src, int axis, int32_t start, int32_t step, int32_t count, mn_value **dst) {
    int32_t starts[4] = {0}, steps[4] = {1, 1, 1, 1}, counts[4];
    for (int i = 0; i < 4; i++) counts[i] = (int32_t)src->dims[i];
    starts[axis] = start;
    steps[axis] = step;
    counts[axis] = count;
    return mn_slice(run, src, starts, steps, counts, dst);
}

/* The element at `at`, count times. */
static int repeated(mn_run *run, mn_value *src, int axis, int32_t at, int32_t count, mn_value **dst) {
    int64_t dims[4];
    mn_value *one, *zeros;
    for (int i = 0; i < 4; i++) dims[i] = i == axis ? count : src->dims[i];
    MN_TRY(piece(run, src, axis, at, 1, 1, &one));
    MN_TRY(mn_zero(run, dims, &zeros));
    return mn_binary(run, MODNAS_BINARY_ADD, one, zeros, dst);
}

/* What lies before (end 0) or behind (end 1) the source. */
static int border_piece(mn_run *run, mn_value *src, int axis, int end, int32_t count, int32_t border, mn_value **dst) {
    const int32_t n = (int32_t)src->dims[axis];
    switch (border) {
    case MN_BORDER_REFLECT:
        return piece(run, src, axis, end ? n - 2 : count, -1, count, dst);
    case MN_BORDER_EDGE:
        return repeated(run, src, axis, end ? n - 1 : 0, count, dst);
    default:
        return piece(run, src, axis, end ? 0 : n - count, 1, count, dst);
    }
}

static int check(mn_run *run, const mn_value *src, int axis, const int32_t count[2], int32_t border) {
    const int64_t n = src->dims[axis], most = border == MN_BORDER_REFLECT ? n - 1
                                              : border == MN_BORDER_WRAP  ? n
                                                                          : INT32_MAX;
    if (border < MN_BORDER_REFLECT || border > MN_BORDER_WRAP)
        return mn_fail(run->ctx, MODNAS_EINVAL, "pad: there is no border %d", border);
    for (int end = 0; end < 2; end++)
        if (count[end] < 0 || count[end] > most)
            return mn_fail(run->ctx, MODNAS_ESHAPE,
                           "pad: axis %d has %lld elements, %d more at an end are none of 0..%lld", axis, (long long)n,
                           count[end], (long long)most);
    return 0;
}

int mn_pad_border(mn_run *run, mn_value *src, const int32_t before[4], const int32_t after[4], int32_t border,
                  mn_value **dst) {
    mn_value *x = src;
    for (int axis = 0; axis < 4; axis++) {
        const int32_t count[2] = {before[axis], after[axis]};
        mn_value *parts[3];
        int32_t n = 0;
        MN_TRY(check(run, x, axis, count, border));
        if (count[0]) MN_TRY(border_piece(run, x, axis, 0, count[0], border, &parts[n++]));
        parts[n++] = x;
        if (count[1]) MN_TRY(border_piece(run, x, axis, 1, count[1], border, &parts[n++]));
        if (n > 1) MN_TRY(mn_concat(run, parts, n, axis, &x));
    }
    *dst = x;
    return 0;
}
