/* ONNX operators, element by element and moving elements; the table of all of them. Only forward: the cases have no
 * gradients. Operators that are not in the table are outside the library. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "cases.h"

static const mn_run_opts inference = {0};

/* A net of inputs alone. */
static int begin(cs_env *e) {
    CS_DO(cs_net_new(e));
    return cs_net_begin(e, &inference);
}

static int evaluate(cs_env *e, mn_value *v, double **out) {
    CS_LIB(e, mn_run_keep(e->net.run, v));
    CS_DO(cs_net_run(e, NULL));
    return cs_net_read(e, v, out);
}

/* Evaluate v as the first output. */
static int finish(cs_env *e, mn_value *v) {
    double *y;
    CS_DO(evaluate(e, v, &y));
    return cs_check(e, &e->c->out[0], y, cs_product(v->dims, 0, 4));
}

/* Nothing to compute: an output without elements. */
static int is_empty(const cs_env *e) {
    return e->c->out[0].n == 0;
}

/* ---- one input ---- */

static int begin_unary(cs_env *e, mn_value **x) {
    int64_t dims[4];
    CS_DO(cs_need_inputs(e, 1));
    cs_fold(cs_nth(e, 0), dims);
    CS_DO(begin(e));
    return cs_net_input(e, dims, cs_nth(e, 0)->v, x);
}

static int act(cs_env *e, mn_value *x, int32_t kind, double alpha, double beta, mn_value **y) {
    CS_LIB(e, mn_activation(e->net.run, x, kind, alpha, beta, y));
    return CS_OK;
}

static int unary(cs_env *e) {
    mn_value *x, *y;
    CS_DO(begin_unary(e, &x));
    CS_DO(act(e, x, cs_op_of(e)->arg, 0, 0, &y));
    return finish(e, y);
}

static int negate(cs_env *e) {
    mn_value *x, *y;
    CS_DO(begin_unary(e, &x));
    CS_DO(act(e, x, MODNAS_ACT_LINEAR, -1, 0, &y));
    return finish(e, y);
}

/* max(0, min(1, alpha x + beta)) */
static int hard_sigmoid(cs_env *e) {
    mn_value *x, *y;
    CS_DO(begin_unary(e, &x));
    CS_DO(act(e, x, MODNAS_ACT_LINEAR, cs_attr_real(e, "alpha", 0.2), cs_attr_real(e, "beta", 0.5), &y));
    CS_DO(act(e, y, MODNAS_ACT_CLIP, 0, 1, &y));
    return finish(e, y);
}

/* Bound from input i, from an attribute (before opset 11), or none. */
static double bound(const cs_env *e, int32_t i, const char *key, double absent) {
    const cs_tensor *t = cs_nth(e, i);
    if (t) return t->n > 0 ? t->v[0] : absent;
    return cs_attr_real(e, key, absent);
}

static int clip(cs_env *e) {
    mn_value *x, *y;
    const double limit = e->dtype == MODNAS_F64 ? DBL_MAX : (double)FLT_MAX;
    CS_DO(begin_unary(e, &x));
    CS_DO(act(e, x, MODNAS_ACT_CLIP, bound(e, 1, "min", -limit), bound(e, 2, "max", limit), &y));
    return finish(e, y);
}

/* Before opset 13: axis 1, and all axes from it on are one. Since: the last axis alone. */
static int softmax(cs_env *e) {
    int64_t dims[4];
    mn_value *x, *y;
    CS_DO(cs_need_inputs(e, 1));
    const cs_tensor *t = cs_nth(e, 0);
    const int old = e->c->version < 13;
    const int32_t axis = cs_axis(t, cs_attr_int(e, "axis", old ? 1 : -1));
    if (axis < 0) return cs_fail(e, "axis is out of range");
    cs_fold_axis(t, axis, dims);
    if (old) dims[1] *= dims[2];
    if (old) dims[2] = 1;
    CS_DO(begin(e));
    CS_DO(cs_net_input(e, dims, t->v, &x));
    CS_LIB(e, mn_softmax(e->net.run, x, cs_op_of(e)->arg, &y));
    return finish(e, y);
}

/* As in inference, or training with ratio 0: the input, and a mask of ones. */
static int dropout(cs_env *e) {
    mn_value *x, *y;
    const cs_tensor *ratio = cs_nth(e, 1), *mode = cs_nth(e, 2);
    const double p = ratio ? ratio->v[0] : cs_attr_real(e, "ratio", 0.5);
    const int training = mode ? mode->v[0] != 0 : e->c->version < 7 && !cs_attr_int(e, "is_test", 0);
    if (training && p > 0) return cs_skip(e, "the case depends on a random stream of its own");
    CS_DO(begin_unary(e, &x));
    CS_LIB(e, mn_dropout(e->net.run, x, p < 1 ? p : 0, &y));
    CS_DO(finish(e, y));
    if (e->c->n_out < 2 || !e->c->out[1].given) return CS_OK;
    double *mask = cs_reals(e, e->c->out[1].n);
    for (int64_t i = 0; i < e->c->out[1].n; i++) mask[i] = 1;
    return cs_check(e, &e->c->out[1], mask, e->c->out[0].n);
}

/* ---- two and more inputs, broadcast ---- */

/* Before opset 7 the second operand's axes begin at `axis` of the first when broadcast=1. */
static cs_tensor placed(const cs_env *e, const cs_tensor *b, int32_t rank) {
    cs_tensor t = *b;
    const int64_t axis = cs_attr_int(e, "axis", rank - b->rank);
    if (e->c->version >= 7 || axis < 0 || axis + b->rank > rank) return t;
    t.rank = rank;
    for (int32_t i = 0; i < rank; i++) t.dims[i] = i >= axis && i < axis + b->rank ? b->dims[i - axis] : 1;
    return t;
}

/* Index of a dim counted from the last; 1 beyond the rank. */
static int64_t dim_from_end(const cs_tensor *t, int32_t i) {
    return i < t->rank ? t->dims[t->rank - 1 - i] : 1;
}

/* The tensor written out in the shape of both operands. */
static cs_tensor *expand(cs_env *e, const cs_tensor *t, const cs_tensor *shape) {
    cs_tensor *out = cs_alloc(e, 1, sizeof *out);
    *out = *shape;
    out->v = cs_reals(e, shape->n);
    for (int64_t o = 0; o < shape->n; o++) {
        int64_t rest = o, from = 0, stride = 1;
        for (int32_t i = 0; i < shape->rank; i++) {
            const int64_t n = dim_from_end(t, i);
            from += n == 1 ? 0 : rest % dim_from_end(shape, i) * stride;
            stride *= n;
            rest /= dim_from_end(shape, i);
        }
        out->v[o] = t->v[from];
    }
    return out;
}

static int joint_shape(cs_env *e, const cs_tensor *a, const cs_tensor *b, cs_tensor *out) {
    out->rank = a->rank > b->rank ? a->rank : b->rank;
    for (int32_t i = 0; i < out->rank; i++) {
        const int64_t x = dim_from_end(a, i), y = dim_from_end(b, i);
        if (x != y && x != 1 && y != 1) return cs_fail(e, "%s and %s do not broadcast", a->name, b->name);
        out->dims[out->rank - 1 - i] = x == 1 ? y : x;
    }
    out->n = cs_product(out->dims, 0, out->rank);
    return CS_OK;
}

/* All inputs as values of ranks up to 4 with ones in front; wider ones are written out and folded. */
static int operands(cs_env *e, mn_value **v, int32_t n) {
    cs_tensor shape = *cs_nth(e, 0);
    for (int32_t i = 1; i < n; i++) {
        const cs_tensor t = placed(e, cs_nth(e, i), cs_nth(e, 0)->rank);
        CS_DO(joint_shape(e, &shape, &t, &shape));
    }
    for (int32_t i = 0; i < n; i++) {
        cs_tensor t = i ? placed(e, cs_nth(e, i), cs_nth(e, 0)->rank) : *cs_nth(e, i);
        int64_t dims[4];
        if (shape.rank > 4) t = *expand(e, &t, &shape);
        if (shape.rank > 4)
            cs_fold(&t, dims);
        else
            cs_fold_left(&t, dims);
        CS_DO(cs_net_input(e, dims, t.v, &v[i]));
    }
    return CS_OK;
}

enum { MAX_INPUTS = 64 };

static int start_variadic(cs_env *e, mn_value **v, int32_t *n) {
    *n = e->c->n_in;
    if (*n < 1 || *n > MAX_INPUTS) return cs_fail(e, "%d inputs", (int)*n);
    CS_DO(cs_need_inputs(e, *n));
    CS_DO(begin(e));
    return operands(e, v, *n);
}

static int fold_binary(cs_env *e, int32_t algo, mn_value *const *v, int32_t n, mn_value **y) {
    *y = v[0];
    for (int32_t i = 1; i < n; i++) {
        const int same = memcmp((*y)->dims, v[i]->dims, sizeof v[i]->dims) == 0;
        if (algo == MODNAS_BINARY_ADD && same)
            CS_LIB(e, mn_add(e->net.run, *y, v[i], y));
        else
            CS_LIB(e, mn_binary(e->net.run, algo, *y, v[i], y));
    }
    return CS_OK;
}

/* Add, Sub, Mul, Max, Min, Sum */
static int binary(cs_env *e) {
    mn_value *v[MAX_INPUTS], *y;
    int32_t n;
    if (e->c->n_out > 0 && is_empty(e)) return cs_check(e, &e->c->out[0], NULL, 0);
    CS_DO(start_variadic(e, v, &n));
    CS_DO(fold_binary(e, cs_op_of(e)->arg, v, n, &y));
    if (n == 1) CS_DO(act(e, y, MODNAS_ACT_LINEAR, 1, 0, &y));
    return finish(e, y);
}

static int mean(cs_env *e) {
    mn_value *v[MAX_INPUTS], *y;
    int32_t n;
    CS_DO(start_variadic(e, v, &n));
    CS_DO(fold_binary(e, MODNAS_BINARY_ADD, v, n, &y));
    CS_DO(act(e, y, MODNAS_ACT_LINEAR, 1.0 / n, 0, &y));
    return finish(e, y);
}

/* ---- moving elements ---- */

static int concat(cs_env *e) {
    mn_value *v[MAX_INPUTS], *y;
    const int32_t n = e->c->n_in;
    int32_t used = 0;
    if (n < 1 || n > MAX_INPUTS) return cs_fail(e, "%d inputs", (int)n);
    CS_DO(cs_need_inputs(e, n));
    const int32_t axis = cs_axis(cs_nth(e, 0), cs_attr_int(e, "axis", 1));
    if (axis < 0) return cs_fail(e, "axis is out of range");
    CS_DO(begin(e));
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
    return finish(e, y);
}

/* Starts, ends, axes or steps: an input since opset 10, an attribute before; n numbers (0: absent). */
static int index_list(cs_env *e, int32_t input, const char *key, int64_t *out, int32_t *n) {
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
    CS_DO(index_list(e, 1, "starts", starts, &n));
    CS_DO(index_list(e, 2, "ends", ends, &n_ends));
    CS_DO(index_list(e, 3, "axes", axes, &n_axes));
    CS_DO(index_list(e, 4, "steps", steps, &n_steps));
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
    CS_DO(begin(e));
    CS_DO(cs_net_input(e, dims, x->v, &in));
    CS_LIB(e, mn_slice(e->net.run, in, start, step, count, &out));
    CS_DO(evaluate(e, out, &x->v));
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
    CS_DO(begin(e));
    CS_DO(cs_net_input(e, dims, x->v, &in));
    CS_LIB(e, mn_slice(e->net.run, in, start, step, count, &out));
    return finish(e, out);
}

static int slice(cs_env *e) {
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
    int64_t given[MAX_INPUTS], sum = 0;
    const int32_t n_given = t ? 0 : cs_attr_ints(e, "split", given, MAX_INPUTS);
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

static int split(cs_env *e) {
    int64_t sizes[MAX_INPUTS], at = 0;
    CS_DO(cs_need_inputs(e, 1));
    const cs_tensor *x = cs_nth(e, 0);
    const int32_t axis = cs_axis(x, cs_attr_int(e, "axis", 0));
    if (axis < 0 || e->c->n_out > MAX_INPUTS) return cs_fail(e, "axis is out of range, or too many outputs");
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
static int pad(cs_env *e) {
    int64_t pads[2 * CS_MAX_RANK], axes[CS_MAX_RANK], dims[4];
    int32_t before[4] = {0}, after[4] = {0}, n_axes;
    mn_value *in, *out;
    CS_DO(cs_need_inputs(e, 1));
    const cs_tensor *x = cs_nth(e, 0), *t = cs_nth(e, 1);
    if (cs_has_attr(e, "mode") && !cs_attr_is(e, "mode", "constant")) return cs_skip(e, "only constant padding");
    if (!cs_fold_left(x, dims)) return cs_skip(e, "rank %d", (int)x->rank);
    const int32_t n = t ? (int32_t)t->n : cs_attr_ints(e, "pads", pads, 2 * CS_MAX_RANK);
    CS_DO(index_list(e, 3, "axes", axes, &n_axes));
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
    CS_DO(begin(e));
    CS_DO(cs_net_input(e, dims, x->v, &in));
    CS_LIB(e, mn_pad(e->net.run, in, before, after, bound(e, 2, "value", 0), &out));
    return finish(e, out);
}

/* ReduceSum, ReduceMean: the kernel itself, no graph operator stands for it. */
static int reduce(cs_env *e) {
    int64_t axes[CS_MAX_RANK];
    int32_t n;
    modnas_kernel k;
    memset(&k, 0, sizeof k);
    CS_DO(cs_need_inputs(e, 1));
    const cs_tensor *x = cs_nth(e, 0);
    k.kind = MODNAS_KERNEL_REDUCE;
    k.algo = cs_op_of(e)->arg;
    if (!cs_fold_left(x, k.src.dims)) return cs_skip(e, "rank %d", (int)x->rank);
    if (x->n == 0) return cs_skip(e, "a tensor without elements");
    CS_DO(index_list(e, 1, "axes", axes, &n));
    if (n == 0 && cs_attr_int(e, "noop_with_empty_axes", 0)) return cs_skip(e, "nothing is reduced");
    memcpy(k.dst.dims, k.src.dims, sizeof k.dst.dims);
    for (int32_t i = 0; i < (n ? n : 4); i++) {
        const int32_t axis = n ? cs_axis(x, axes[i]) : i - 4 + x->rank;
        if (n && axis < 0) return cs_fail(e, "axis is out of range");
        k.dst.dims[axis + 4 - x->rank] = 1;
    }
    double *y = cs_reals(e, cs_product(k.dst.dims, 0, 4));
    CS_DO(cs_kernel(e, &k, x->v, y));
    return cs_check(e, &e->c->out[0], y, cs_product(k.dst.dims, 0, 4));
}

const cs_op cs_onnx_ops[] = {
    {"Conv", cs_onnx_conv, NULL, 0},
    {"BatchNormalization", cs_onnx_batch_norm, NULL, 0},
    {"MaxPool", cs_onnx_pool, NULL, MODNAS_POOL_MAX},
    {"AveragePool", cs_onnx_pool, NULL, MODNAS_POOL_AVG},
    {"GlobalMaxPool", cs_onnx_global_pool, NULL, MODNAS_POOL_MAX},
    {"GlobalAveragePool", cs_onnx_global_pool, NULL, MODNAS_POOL_AVG},
    {"Gemm", cs_onnx_gemm, NULL, 0},
    {"MatMul", cs_onnx_matmul, NULL, 0},
    {"Relu", unary, NULL, MODNAS_ACT_RELU},
    {"Sigmoid", unary, NULL, MODNAS_ACT_SIGMOID},
    {"Tanh", unary, NULL, MODNAS_ACT_TANH},
    {"HardSwish", unary, NULL, MODNAS_ACT_HARD_SWISH},
    {"HardSigmoid", hard_sigmoid, NULL, 0},
    {"Neg", negate, NULL, 0},
    {"Clip", clip, NULL, 0},
    {"Softmax", softmax, NULL, 0},
    {"LogSoftmax", softmax, NULL, 1},
    {"Dropout", dropout, NULL, 0},
    {"Add", binary, NULL, MODNAS_BINARY_ADD},
    {"Sum", binary, NULL, MODNAS_BINARY_ADD},
    {"Sub", binary, NULL, MODNAS_BINARY_SUB},
    {"Mul", binary, NULL, MODNAS_BINARY_MUL},
    {"Max", binary, NULL, MODNAS_BINARY_MAX},
    {"Min", binary, NULL, MODNAS_BINARY_MIN},
    {"Mean", mean, NULL, 0},
    {"Concat", concat, NULL, 0},
    {"Slice", slice, NULL, 0},
    {"Split", split, NULL, 0},
    {"Pad", pad, NULL, 0},
    {"ReduceSum", reduce, NULL, MODNAS_REDUCE_SUM},
    {"ReduceMean", reduce, NULL, MODNAS_REDUCE_MEAN},
    {"SoftmaxCrossEntropyLoss", cs_onnx_xent, NULL, 0},
    {"Momentum", cs_onnx_momentum, NULL, 0},
    {"Adam", cs_onnx_adam, NULL, 0},
};
const int cs_n_onnx_ops = MN_COUNT(cs_onnx_ops);
