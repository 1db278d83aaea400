/* ONNX operators that move elements: concat, slice, split, constant padding. */
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

/* Take range r of one axis of x (its dims are replaced): the library slices forwards; a backward range is turned round
 * here. */
static int slice_axis(cs_env *e, cs_tensor *x, int32_t axis, const range *r) {
    int64_t dims[4];
    mn_value *in, *out;
    const int64_t width = r->step < 0 ? -r->step : r->step,
                  lowest = r->step < 0 ? r->first - (r->count - 1) * width : r->first;
    if (width > INT32_MAX || lowest > INT32_MAX) return cs_skip(e, "an index above 2^31");
    cs_fold_axis(x, axis, dims);
    const int32_t start[4] = {0, (int32_t)lowest}, step[4] = {1, (int32_t)width, 1, 1};
    const int32_t count[4] = {(int32_t)dims[0], (int32_t)r->count, (int32_t)dims[2], 1};
    CS_DO(cs_begin(e));
    CS_DO(cs_net_input(e, dims, x->v, &in));
    CS_LIB(e, mn_slice(e->net.run, in, start, step, count, &out));
    CS_DO(cs_evaluate(e, out, &x->v));
    x->dims[axis] = r->count;
    x->n = cs_product(x->dims, 0, x->rank);
    if (r->step > 0) return CS_OK;
    double *turned = cs_reals(e, x->n);
    for (int64_t i = 0; i < x->n; i++) {
        const int64_t inner = dims[2], at = i / inner % r->count;
        turned[i + (r->count - 1 - 2 * at) * inner] = x->v[i];
    }
    x->v = turned;
    return CS_OK;
}

/* The whole of a slice without negative steps at once. */
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
    int forward = 1;
    for (int32_t i = 0; i < x.rank; i++) {
        n *= r[i].count;
        forward = forward && r[i].step > 0 && r[i].step <= INT32_MAX;
    }
    if (n == 0) return cs_check(e, &e->c->out[0], NULL, 0);
    if (forward && x.rank <= 4) return slice_at_once(e, &x, r);
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

/* Constant padding that only adds: begin of each axis, then end of each axis. */
int cs_onnx_pad(cs_env *e) {
    int64_t pads[2 * CS_MAX_RANK], axes[CS_MAX_RANK], dims[4];
    int32_t before[4] = {0}, after[4] = {0}, n_axes;
    mn_value *in, *out;
    CS_DO(cs_need_inputs(e, 1));
    const cs_tensor *x = cs_nth(e, 0), *t = cs_nth(e, 1);
    if (cs_has_attr(e, "mode") && !cs_attr_is(e, "mode", "constant")) return cs_skip(e, "only constant padding");
    if (!cs_fold_left(x, dims)) return cs_skip(e, "rank %d", (int)x->rank);
    const int32_t n = t ? (int32_t)t->n : cs_attr_ints(e, "pads", pads, 2 * CS_MAX_RANK);
    CS_DO(cs_index_list(e, 3, "axes", axes, &n_axes));
    if (!n_axes) n_axes = x->rank;
    if (n != 2 * n_axes) return cs_fail(e, "%d pads for %d axes", (int)n, (int)n_axes);
    for (int32_t i = 0; i < n_axes; i++) {
        const int32_t axis = cs_axis(x, cs_nth(e, 3) ? axes[i] : i);
        const int64_t lo = t ? (int64_t)t->v[i] : pads[i], hi = t ? (int64_t)t->v[i + n_axes] : pads[i + n_axes];
        if (axis < 0 || lo > 65536 || hi > 65536) return cs_fail(e, "pads or axes are out of range");
        if (lo < 0 || hi < 0) return cs_skip(e, "negative padding");
        before[axis + 4 - x->rank] = (int32_t)lo;
        after[axis + 4 - x->rank] = (int32_t)hi;
    }
    CS_DO(cs_begin(e));
    CS_DO(cs_net_input(e, dims, x->v, &in));
    CS_LIB(e, mn_pad(e->net.run, in, before, after, cs_bound(e, 2, "value", 0), &out));
    return cs_finish(e, out);
}
