/* Concat, slice, split and constant padding: all of them copies of boxes. Backward copies the box the other way. */
#include <string.h>

#include "graph/run.h"

static const modnas_box unit = {{0}, {0}, {1, 1, 1, 1}, {0}, {1, 1, 1, 1}};

/* Copy into dst (placed by the first copy), in the source's layout if the backend copies there, else plain. */
static int copy_into(mn_run *run, mn_value *src, mn_value *dst, const modnas_box *box, double fill, int covered) {
    modnas_kernel k;
    mn_kernel_init(&k, run, MODNAS_KERNEL_COPY, MODNAS_FORWARD);
    k.u.box = *box;
    k.src = mn_desc(mn_root(src));
    k.dst = mn_desc(dst);
    if (dst->layout < 0) {
        k.dst.layout = k.src.layout;
        if (fill != 0 || !mn_backend_supports(run->backend, &k)) k.dst.layout = MODNAS_LAYOUT_PLAIN;
        MN_TRY(mn_place(run, dst, k.dst.layout));
    }
    k.src.layout = k.dst.layout = dst->layout;
    MN_TRY(mn_as(run, src, dst->layout, &src));
    return mn_emit_copy(run, src, dst, box, fill, covered);
}

static modnas_box reversed(const modnas_box *b) {
    modnas_box r = *b;
    memcpy(r.src_start, b->dst_start, sizeof r.src_start);
    memcpy(r.src_step, b->dst_step, sizeof r.src_step);
    memcpy(r.dst_start, b->src_start, sizeof r.dst_start);
    memcpy(r.dst_step, b->src_step, sizeof r.dst_step);
    return r;
}

static int copy_back(mn_run *run, mn_value *v, mn_value *g, const modnas_box *box) {
    const modnas_box r = reversed(box);
    modnas_kernel k;
    mn_kernel_init(&k, run, MODNAS_KERNEL_COPY, MODNAS_FORWARD);
    k.u.box = r;
    k.src = mn_desc(mn_root(g));
    k.dst = mn_desc(v);
    k.dst.layout = k.src.layout;
    if (!mn_backend_supports(run->backend, &k)) k.dst.layout = MODNAS_LAYOUT_PLAIN;
    mn_value *to;
    MN_TRY(mn_as(run, g, k.dst.layout, &g));
    MN_TRY(mn_grad_open(run, v, k.dst.layout, &to));
    MN_TRY(mn_emit_copy(run, g, to, &r, 0, 0));
    return mn_grad_close(run, v, to);
}

/* ---- concat ------------------------------------------------------------------------------------------------------------------------ */

/* Box of source i, whose elements begin at *at along the axis; moves *at on. */
static modnas_box concat_box(const mn_run *run, const mn_vertex *x, int32_t i, int32_t *at) {
    const mn_value *src = mn_src(run, x, i);
    modnas_box box = unit;
    for (int d = 0; d < 4; d++) box.count[d] = (int32_t)src->dims[d];
    box.dst_start[x->u.concat.axis] = *at;
    *at += box.count[x->u.concat.axis];
    return box;
}

static int concat_forward(mn_run *run, mn_vertex *x) {
    int32_t at = 0;
    for (int32_t i = 0; i < x->n_src; i++) {
        const modnas_box box = concat_box(run, x, i, &at);
        MN_TRY(copy_into(run, mn_src(run, x, i), x->out, &box, 0, 1));
    }
    return 0;
}

static int concat_backward(mn_run *run, mn_vertex *x, mn_value *g) {
    int32_t at = 0;
    for (int32_t i = 0; i < x->n_src; i++) {
        const modnas_box box = concat_box(run, x, i, &at);
        if (mn_wants_grad(mn_src(run, x, i))) MN_TRY(copy_back(run, mn_src(run, x, i), g, &box));
    }
    return 0;
}

static const mn_op op_concat = {"concat", concat_forward, concat_backward};

int mn_concat(mn_run *run, mn_value *const *src, int32_t n, int32_t axis, mn_value **dst) {
    char a[64], b[64];
    if (n < 1 || axis < 0 || axis > 3) return mn_fail(run->ctx, MODNAS_EINVAL, "concat: %d values along axis %d", n, axis);
    int64_t dims[4];
    memcpy(dims, src[0]->dims, sizeof dims);
    for (int32_t i = 1; i < n; i++) {
        for (int d = 0; d < 4; d++)
            if (d != axis && src[i]->dims[d] != dims[d])
                return mn_fail(run->ctx, MODNAS_ESHAPE, "concat along axis %d: %s and %s differ elsewhere", axis,
                               mn_dims_text(src[0]->dims, a), mn_dims_text(src[i]->dims, b));
        dims[axis] += src[i]->dims[axis];
    }
    mn_vertex *x;
    MN_TRY(mn_vertex_new(run, &op_concat, src, n, dims, &x));
    x->u.concat.axis = axis;
    *dst = x->dst;
    return 0;
}

/* ---- slice and pad -------------------------------------------------------------------------------------------------------------------- */

static modnas_box slice_box(const mn_vertex *x) {
    modnas_box box = unit;
    memcpy(box.count, x->u.box.count, sizeof box.count);
    memcpy(box.src_start, x->u.box.start, sizeof box.src_start);
    memcpy(box.src_step, x->u.box.step, sizeof box.src_step);
    return box;
}

static modnas_box pad_box(const mn_vertex *x) {
    modnas_box box = unit;
    memcpy(box.count, x->u.box.count, sizeof box.count);
    memcpy(box.dst_start, x->u.box.start, sizeof box.dst_start);
    return box;
}

static int slice_forward(mn_run *run, mn_vertex *x) {
    const modnas_box box = slice_box(x);
    return copy_into(run, mn_src(run, x, 0), x->out, &box, 0, 1);
}

static int slice_backward(mn_run *run, mn_vertex *x, mn_value *g) {
    const modnas_box box = slice_box(x);
    return copy_back(run, mn_src(run, x, 0), g, &box);
}

static int pad_forward(mn_run *run, mn_vertex *x) {
    const modnas_box box = pad_box(x);
    return copy_into(run, mn_src(run, x, 0), x->out, &box, x->u.box.fill, 0);
}

static int pad_backward(mn_run *run, mn_vertex *x, mn_value *g) {
    const modnas_box box = pad_box(x);
    return copy_back(run, mn_src(run, x, 0), g, &box);
}

static const mn_op op_slice = {"slice", slice_forward, slice_backward};
static const mn_op op_pad = {"pad", pad_forward, pad_backward};

int mn_slice(mn_run *run, mn_value *src, const int32_t start[4], const int32_t step[4], const int32_t count[4], mn_value **dst) {
    int64_t dims[4];
    for (int i = 0; i < 4; i++) {
        dims[i] = count[i];
        const int64_t last = start[i] + ((int64_t)count[i] - 1) * step[i];
        if (step[i] == 0 || count[i] < 1 || start[i] < 0 || start[i] >= src->dims[i] || last < 0 || last >= src->dims[i])
            return mn_fail(run->ctx, MODNAS_ESHAPE, "slice: axis %d has %lld elements; start %d, step %d, count %d leave it", i,
                           (long long)src->dims[i], start[i], step[i], count[i]);
    }
    mn_vertex *x;
    MN_TRY(mn_vertex_new(run, &op_slice, &src, 1, dims, &x));
    memcpy(x->u.box.start, start, sizeof x->u.box.start);
    memcpy(x->u.box.step, step, sizeof x->u.box.step);
    memcpy(x->u.box.count, count, sizeof x->u.box.count);
    *dst = x->dst;
    return 0;
}

int mn_split(mn_run *run, mn_value *src, int32_t axis, const int32_t *sizes, int32_t n, mn_value **dst) {
    int32_t start[4] = {0}, count[4];
    const int32_t step[4] = {1, 1, 1, 1};
    int64_t total = 0;
    if (axis < 0 || axis > 3) return mn_fail(run->ctx, MODNAS_EINVAL, "split: there is no axis %d", axis);
    for (int i = 0; i < 4; i++) count[i] = (int32_t)src->dims[i];
    for (int32_t i = 0; i < n; i++) total += sizes[i];
    if (total != src->dims[axis])
        return mn_fail(run->ctx, MODNAS_ESHAPE, "split: axis %d has %lld elements, the parts %lld", axis,
                       (long long)src->dims[axis], (long long)total);
    for (int32_t i = 0; i < n; start[axis] += sizes[i++]) {
        count[axis] = sizes[i];
        MN_TRY(mn_slice(run, src, start, step, count, &dst[i]));
    }
    return 0;
}

int mn_pad(mn_run *run, mn_value *src, const int32_t before[4], const int32_t after[4], double value, mn_value **dst) {
    int64_t dims[4];
    for (int i = 0; i < 4; i++) {
        dims[i] = src->dims[i] + before[i] + after[i];
        if (before[i] < 0 || after[i] < 0)
            return mn_fail(run->ctx, MODNAS_EINVAL, "pad: axis %d is padded by %d and %d", i, before[i], after[i]);
    }
    mn_vertex *x;
    MN_TRY(mn_vertex_new(run, &op_pad, &src, 1, dims, &x));
    for (int i = 0; i < 4; i++) {
        x->u.box.start[i] = before[i];
        x->u.box.count[i] = (int32_t)src->dims[i];
    }
    x->u.box.fill = value;
    *dst = x->dst;
    return 0;
}
