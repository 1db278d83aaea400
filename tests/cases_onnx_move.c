/* ONNX operators that move elements: concat, slice, split, padding, other shapes, repeating. */
#include <string.h>

#include "cases.h"

int cs_onnx_concat(cs_env *e) {
    mn_value *v[CS_MAX_INPUTS], *y;
    const int32_t n = e->c->n_in;
    int32_t used = 0;
    if (n < 1 || n > CS_MAX_INPUTS) return cs_fail(e, "%d inputs", (int)n);
    CS_DO(cs_need_inputs(e, n));
    const int32_t axis = cs_axis(cs_nth(e, 0), cs_attr_int(e, "axis", 1));
    if (axis < 0) return cs_fail(e, "axis is out of range");
    CS_DO(cs_begin(e));
    for (int32_t i = 0; i < n; i++) {
        int64_t dims[4];
        const cs_tensor *t = cs_nth(e, i);
        if (t->n == 0) continue;
        if (t->rank != cs_nth(e, 0)->rank) return cs_fail(e, "ranks differ");
        if (t->rank == 4)
            memcpy(dims, t->dims, sizeof dims);
        else
            cs_fold_axis(t, axis, dims);
        CS_DO(cs_net_input(e, dims, t->v, &v[used++]));
    }
    if (used == 0) return cs_check(e, &e->c->out[0], NULL, 0);
    CS_LIB(e, mn_concat(e->net.run, v, used, cs_nth(e, 0)->rank == 4 ? axis : 1, &y));
    return cs_finish(e, y);
}

/* Starts, ends, axes or steps: an input since opset 10, an attribute before; n numbers (0: absent). */
int cs_index_list(cs_env *e, int32_t input, const char *key, int64_t *out, int32_t *n) {
    const cs_tensor *t = cs_nth(e, input);
    *n = t ? (int32_t)t->n : cs_attr_ints(e, key, out, CS_MAX_RANK);
    if (*n < 0 || *n > CS_MAX_RANK) return cs_fail(e, "%s has more than %d numbers", key, (int)CS_MAX_RANK);
    for (int32_t i = 0; i < *n && t; i++) {
        const double limit = 4e18; /* INT64_MAX stands for "to the end" */
        const double v = t->v[i];
        out[i] = v > limit ? INT64_MAX / 2 : v < -limit ? INT64_MIN / 2 : (int64_t)v;
    }
    return CS_OK;
}

typedef struct range {
    int64_t first, step, count; /* in the direction of the slice */
} range;

/* Slice's rules: negative numbers count from the end, then clamping depends on the direction. */
static range range_of(int64_t size, int64_t start, int64_t end, int64_t step) {
    if (start < 0) start += size;
    if (end < 0) end += size;
    const int64_t lo = step < 0 ? -1 : 0, hi = step < 0 ? size - 1 : size;
    const int64_t from = start < (step < 0 ? 0 : lo) ? (step < 0 ? -1 : 0) : start > hi ? hi : start;
    const int64_t to = end < lo ? lo : end > hi ? hi : end;
    const int64_t span = step < 0 ? from - to : to - from, width = step < 0 ? -step : step;
    return (range){from, step, span > 0 ? (span + width - 1) / width : 0};
}

static int read_ranges(cs_env *e, const cs_tensor *x, range *r) {
    int64_t starts[CS_MAX_RANK], ends[CS_MAX_RANK], axes[CS_MAX_RANK], steps[CS_MAX_RANK];
    int32_t n, n_ends, n_axes, n_steps;
    CS_DO(cs_index_list(e, 1, "starts", starts, &n));
    CS_DO(cs_index_list(e, 2, "ends", ends, &n_ends));
    CS_DO(cs_index_list(e, 3, "axes", axes, &n_axes));
    CS_DO(cs_index_list(e, 4, "steps", steps, &n_steps));
    if (n_ends != n || (n_axes && n_axes != n) || (n_steps && n_steps != n))
        return cs_fail(e, "starts, ends, axes differ");
    for (int32_t i = 0; i < x->rank; i++) r[i] = (range){0, 1, x->dims[i]};
    for (int32_t i = 0; i < n; i++) {
        const int32_t axis = cs_axis(x, n_axes ? axes[i] : i);
        if (axis < 0 || (n_steps && steps[i] == 0)) return cs_fail(e, "an axis is out of range, or a step is 0");
        r[axis] = range_of(x->dims[axis], starts[i], ends[i], n_steps ? steps[i] : 1);
    }
    return CS_OK;
}

/* Take range r of one axis of x (its dims are replaced). */
static int slice_axis(cs_env *e, cs_tensor *x, int32_t axis, const range *r) {
    int64_t dims[4];
    mn_value *in, *out;
    cs_fold_axis(x, axis, dims);
    const int32_t start[4] = {0, (int32_t)r->first}, step[4] = {1, r->count > 1 ? (int32_t)r->step : 1, 1, 1};
    const int32_t count[4] = {(int32_t)dims[0], (int32_t)r->count, (int32_t)dims[2], 1};
    CS_DO(cs_begin(e));
    CS_DO(cs_net_input(e, dims, x->v, &in));
    CS_LIB(e, mn_slice(e->net.run, in, start, step, count, &out));
    CS_DO(cs_evaluate(e, out, &x->v));
    x->dims[axis] = r->count;
    x->n = cs_product(x->dims, 0, x->rank);
    return CS_OK;
}

/* All axes at once. */
static int slice_at_once(cs_env *e, const cs_tensor *x, const range *r) {
    int64_t dims[4];
    int32_t start[4] = {0}, step[4] = {1, 1, 1, 1}, count[4] = {1, 1, 1, 1};
    mn_value *in, *out;
    cs_fold_left(x, dims);
    for (int32_t i = 0; i < x->rank; i++) {
        const int32_t to = i + 4 - x->rank;
        start[to] = (int32_t)r[i].first;
        step[to] = (int32_t)(r[i].count > 1 ? r[i].step : 1);
        count[to] = (int32_t)r[i].count;
    }
    CS_DO(cs_begin(e));
    CS_DO(cs_net_input(e, dims, x->v, &in));
    CS_LIB(e, mn_slice(e->net.run, in, start, step, count, &out));
    return cs_finish(e, out);
}

int cs_onnx_slice(cs_env *e) {
    range r[CS_MAX_RANK];
    CS_DO(cs_need_inputs(e, 1));
    cs_tensor x = *cs_nth(e, 0);
    CS_DO(read_ranges(e, &x, r));
    int64_t n = 1;
    for (int32_t i = 0; i < x.rank; i++) n *= r[i].count;
    if (n == 0) return cs_check(e, &e->c->out[0], NULL, 0);
    if (x.rank <= 4) return slice_at_once(e, &x, r);
    for (int32_t i = 0; i < x.rank; i++)
        if (r[i].count != x.dims[i] || r[i].step != 1) CS_DO(slice_axis(e, &x, i, &r[i]));
    return cs_check(e, &e->c->out[0], x.v, x.n);
}

/* Sizes of the parts: given, or equal ones with a smaller last. */
static int split_sizes(cs_env *e, int64_t total, int64_t *sizes) {
    const int32_t n = e->c->n_out;
    const cs_tensor *t = cs_nth(e, 1);
    int64_t given[CS_MAX_INPUTS], sum = 0;
    const int32_t n_given = t ? 0 : cs_attr_ints(e, "split", given, CS_MAX_INPUTS);
    if ((t && t->n != n) || (n_given && n_given != n)) return cs_fail(e, "sizes do not fit %d outputs", (int)n);
    const int64_t each = (total + n - 1) / n;
    for (int32_t i = 0; i < n; i++) {
        sizes[i] = t ? (int64_t)t->v[i] : n_given ? given[i] : i < n - 1 ? each : total - each * (n - 1);
        if (sizes[i] < 0 || sizes[i] > total - sum)
            return cs_fail(e, "parts do not fit %lld elements", (long long)total);
        sum += sizes[i];
    }
    return sum == total ? CS_OK : cs_fail(e, "parts do not add up to %lld", (long long)total);
}

int cs_onnx_split(cs_env *e) {
    int64_t sizes[CS_MAX_INPUTS], at = 0;
    CS_DO(cs_need_inputs(e, 1));
    const cs_tensor *x = cs_nth(e, 0);
    const int32_t axis = cs_axis(x, cs_attr_int(e, "axis", 0));
    if (axis < 0 || e->c->n_out > CS_MAX_INPUTS) return cs_fail(e, "axis is out of range, or too many outputs");
    CS_DO(split_sizes(e, x->dims[axis], sizes));
    for (int32_t i = 0; i < e->c->n_out; at += sizes[i++]) {
        cs_tensor part = *x;
        const range r = {at, 1, sizes[i]};
        part.n = 0;
        if (r.count > 0) CS_DO(slice_axis(e, &part, axis, &r));
        CS_DO(cs_check(e, &e->c->out[i], part.v, part.n));
    }
    return CS_OK;
}

/* Pads as begin of each axis, then end of each axis; into the four axes of the library. */
static int read_pads(cs_env *e, const cs_tensor *x, int32_t before[4], int32_t after[4]) {
    int64_t pads[2 * CS_MAX_RANK], axes[CS_MAX_RANK];
    int32_t n_axes;
    const cs_tensor *t = cs_nth(e, 1);
    const char *const key = cs_has_attr(e, "paddings") ? "paddings" : "pads"; /* opset 1 */
    const int32_t n = t ? (int32_t)t->n : cs_attr_ints(e, key, pads, 2 * CS_MAX_RANK);
    CS_DO(cs_index_list(e, 3, "axes", axes, &n_axes));
    if (!n_axes) n_axes = x->rank;
    if (n != 2 * n_axes) return cs_fail(e, "%d pads for %d axes", (int)n, (int)n_axes);
    for (int32_t i = 0; i < n_axes; i++) {
        const int32_t axis = cs_axis(x, cs_nth(e, 3) ? axes[i] : i);
        const int64_t lo = t ? (int64_t)t->v[i] : pads[i], hi = t ? (int64_t)t->v[i + n_axes] : pads[i + n_axes];
        if (axis < 0 || lo > 65536 || hi > 65536 || lo < -65536 || hi < -65536)
            return cs_fail(e, "pads or axes are out of range");
        before[axis + 4 - x->rank] = (int32_t)lo;
        after[axis + 4 - x->rank] = (int32_t)hi;
    }
    return CS_OK;
}

/* Negative pads take off; the others are left. */
static int crop(cs_env *e, mn_value *in, int32_t before[4], int32_t after[4], mn_value **out) {
    int32_t start[4] = {0}, count[4], cuts = 0;
    const int32_t step[4] = {1, 1, 1, 1};
    *out = in;
    for (int i = 0; i < 4; i++) {
        cuts += before[i] < 0 || after[i] < 0;
        start[i] = before[i] < 0 ? -before[i] : 0;
        count[i] = (int32_t)in->dims[i] - start[i] + (after[i] < 0 ? after[i] : 0);
        before[i] = before[i] < 0 ? 0 : before[i];
        after[i] = after[i] < 0 ? 0 : after[i];
    }
    if (cuts) CS_LIB(e, mn_slice(e->net.run, in, start, step, count, out));
    return CS_OK;
}

int cs_onnx_pad(cs_env *e) {
    static const char *const modes[] = {
        [MN_BORDER_REFLECT] = "reflect", [MN_BORDER_EDGE] = "edge", [MN_BORDER_WRAP] = "wrap"};
    int64_t dims[4];
    int32_t before[4] = {0}, after[4] = {0}, border = -1;
    mn_value *in, *out;
    CS_DO(cs_need_inputs(e, 1));
    const cs_tensor *x = cs_nth(e, 0);
    if (!cs_fold_left(x, dims)) return cs_skip(e, "rank %d", (int)x->rank);
    CS_DO(read_pads(e, x, before, after));
    CS_DO(cs_begin(e));
    CS_DO(cs_net_input(e, dims, x->v, &in));
    CS_DO(crop(e, in, before, after, &in));
    for (int32_t i = 0; i < 3; i++)
        if (cs_attr_is(e, "mode", modes[i])) border = i;
    if (border >= 0)
        CS_LIB(e, mn_pad_border(e->net.run, in, before, after, border, &out));
    else
        CS_LIB(e, mn_pad(e->net.run, in, before, after, cs_bound(e, 2, "value", 0), &out));
    return cs_finish(e, out);
}

/* ---- other shapes ---- */

/* Flatten: two axes, cut at `axis`. */
static int flattened(cs_env *e, const cs_tensor *x, cs_tensor *y) {
    const int64_t at = cs_attr_int(e, "axis", 1), axis = at < 0 ? at + x->rank : at;
    if (axis < 0 || axis > x->rank) return cs_fail(e, "axis is out of range");
    y->rank = 2;
    y->dims[0] = cs_product(x->dims, 0, (int32_t)axis);
    y->dims[1] = cs_product(x->dims, (int32_t)axis, x->rank);
    return CS_OK;
}

/* Reshape: 0 keeps an axis (unless allowzero), -1 is what is left. */
static int reshaped(cs_env *e, const cs_tensor *x, cs_tensor *y) {
    int32_t open = -1;
    int64_t shape[CS_MAX_RANK], n = 1;
    CS_DO(cs_index_list(e, 1, "shape", shape, &y->rank));
    for (int32_t i = 0; i < y->rank; i++) {
        y->dims[i] = shape[i] == 0 && i < x->rank && !cs_attr_int(e, "allowzero", 0) ? x->dims[i] : shape[i];
        if (y->dims[i] == -1) open = i;
        if (y->dims[i] != -1) n *= y->dims[i];
    }
    if (open >= 0) y->dims[open] = n > 0 ? x->n / n : 0;
    return CS_OK;
}

/* Squeeze, Unsqueeze: axes (of x; of y) that come or go. Without axes all ones go. */
static int squeezed(cs_env *e, const cs_tensor *x, int unsqueeze, cs_tensor *y) {
    int64_t axes[CS_MAX_RANK];
    int32_t n, from = 0;
    char named[CS_MAX_RANK] = {0};
    CS_DO(cs_index_list(e, 1, "axes", axes, &n));
    const int32_t rank = unsqueeze ? x->rank + n : x->rank;
    if (rank > CS_MAX_RANK) return cs_skip(e, "rank %d", (int)rank);
    for (int32_t i = 0; i < n; i++) {
        const int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
        if (axis < 0 || axis >= rank) return cs_fail(e, "axis is out of range");
        named[axis] = 1;
    }
    y->rank = 0;
    for (int32_t i = 0; i < rank; i++) {
        const int gone = !unsqueeze && (n ? named[i] : x->dims[i] == 1);
        if (!gone) y->dims[y->rank++] = unsqueeze && named[i] ? 1 : x->dims[from];
        from += !(unsqueeze && named[i]);
    }
    return CS_OK;
}

/* The shape is worked out by ONNX's rules and must be that of the output. */
int cs_onnx_reshape(cs_env *e) {
    int64_t dims[4], to[4];
    mn_value *in, *y;
    CS_DO(cs_need_inputs(e, 1));
    const cs_tensor *x = cs_nth(e, 0), *want = &e->c->out[0];
    cs_tensor shape = *x;
    if (strcmp(e->c->op, "Flatten") == 0) CS_DO(flattened(e, x, &shape));
    if (strcmp(e->c->op, "Reshape") == 0) CS_DO(reshaped(e, x, &shape));
    if (strcmp(e->c->op, "Squeeze") == 0) CS_DO(squeezed(e, x, 0, &shape));
    if (strcmp(e->c->op, "Unsqueeze") == 0) CS_DO(squeezed(e, x, 1, &shape));
    if (shape.rank != want->rank || memcmp(shape.dims, want->dims, sizeof *want->dims * (size_t)want->rank) != 0)
        return cs_fail(e, "the shape is not that of %s", want->name);
    if (x->n == 0) return cs_check(e, want, NULL, 0);
    cs_fold(x, dims);
    cs_fold(&shape, to);
    CS_DO(cs_begin(e));
    CS_DO(cs_net_input(e, dims, x->v, &in));
    CS_LIB(e, mn_reshape(e->net.run, in, to, &y));
    if (y == in) CS_LIB(e, mn_activation(e->net.run, in, MODNAS_ACT_LINEAR, 1, 0, &y));
    return cs_finish(e, y);
}

/* Expand: x + 0, broadcast to a shape. */
int cs_onnx_expand(cs_env *e) {
    int64_t dims[4], shape[CS_MAX_RANK], to[4] = {1, 1, 1, 1};
    int32_t n;
    mn_value *in, *zeros, *y;
    CS_DO(cs_need_inputs(e, 2));
    const cs_tensor *x = cs_nth(e, 0);
    CS_DO(cs_index_list(e, 1, "shape", shape, &n));
    if (!cs_fold_left(x, dims) || n > 4) return cs_skip(e, "rank %d to %d", (int)x->rank, (int)n);
    for (int32_t i = 0; i < n; i++) to[i + 4 - n] = shape[i];
    for (int i = 0; i < 4; i++)
        if (to[i] == 1) to[i] = dims[i];
    CS_DO(cs_begin(e));
    CS_DO(cs_net_input(e, dims, x->v, &in));
    CS_LIB(e, mn_zero(e->net.run, to, &zeros));
    CS_LIB(e, mn_binary(e->net.run, MODNAS_BINARY_ADD, in, zeros, &y));
    return cs_finish(e, y);
}
