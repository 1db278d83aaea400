/* Moving elements: copy of a box (concat, split, slice, crop, constant padding, strided sub-sampling) and reorder,
 * which between plain layouts is a plain copy. Steps may be negative, never 0; nothing outside the box is touched. */
#include <string.h>

#include "backend/ref/ref.h"

static int range_ok(int64_t start, int64_t step, int64_t count, int64_t size) {
    const int64_t last = start + (count - 1) * step;
    return step != 0 && start >= 0 && start < size && last >= 0 && last < size;
}

int MN_REF(copy_fits)(const modnas_kernel *k) {
    const modnas_box *b = &k->u.box;
    if (!MN_REF(dims_ok)(&k->src) || !MN_REF(dims_ok)(&k->dst)) return 0;
    for (int i = 0; i < 4; i++) {
        if (b->count[i] < 1 || !range_ok(b->src_start[i], b->src_step[i], b->count[i], k->src.dims[i])) return 0;
        if (!range_ok(b->dst_start[i], b->dst_step[i], b->count[i], k->dst.dims[i])) return 0;
    }
    return 1;
}

/* Offset of the first element of row (i0, i1, i2) of the box. */
static int64_t row_offset(const int64_t dims[4], const int32_t start[4], const int32_t step[4], const int64_t i[3]) {
    int64_t at = 0;
    for (int axis = 0; axis < 3; axis++) at = (at + start[axis] + i[axis] * step[axis]) * dims[axis + 1];
    return at + start[3];
}

int MN_REF(copy_forward)(const mn_ref_call *c) {
    const modnas_kernel *k = c->k;
    const modnas_box *b = &k->u.box;
    const mn_real *x = c->args[0];
    mn_real *y = c->args[1];
    const int64_t src_step = b->src_step[3], dst_step = b->dst_step[3];
    const int64_t n_rows = (int64_t)b->count[0] * b->count[1] * b->count[2];
    for (int64_t r = 0; r < n_rows; r++) {
        const int64_t i[3] = {r / b->count[2] / b->count[1], r / b->count[2] % b->count[1], r % b->count[2]};
        const mn_real *from = x + row_offset(k->src.dims, b->src_start, b->src_step, i);
        mn_real *to = y + row_offset(k->dst.dims, b->dst_start, b->dst_step, i);
        if (src_step == 1 && dst_step == 1) {
            memcpy(to, from, (size_t)b->count[3] * sizeof(mn_real));
            continue;
        }
        for (int64_t e = 0; e < b->count[3]; e++) to[e * dst_step] = from[e * src_step];
    }
    return 0;
}

int MN_REF(reorder_fits)(const modnas_kernel *k) {
    return MN_REF(dims_ok)(&k->src) && MN_REF(same_dims)(&k->src, &k->dst);
}

int MN_REF(reorder_forward)(const mn_ref_call *c) {
    memmove(c->args[1], c->args[0], (size_t)MN_REF(count)(&c->k->src) * sizeof(mn_real));
    return 0;
}
