/* ONNX operators, element by element; reductions; the table of all. Only forward: the cases have no gradients.
 * Operators that are not in the table are outside the library. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "cases.h"

/* ---- one input ---- */

static int begin_unary(cs_env *e, mn_value **x) {
    int64_t dims[4];
    CS_DO(cs_need_inputs(e, 1));
    cs_fold(cs_nth(e, 0), dims);
    CS_DO(cs_begin(e));
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
    return cs_finish(e, y);
}

/* Operators that are an activation with parameters, fixed or from attributes. Selu is gamma x above 0 and gamma alpha
 * (e^x - 1) below. */
static int parametric(cs_env *e) {
    static const struct {
        const char *op;
        int32_t act;
        double alpha, beta;
    } rows[] = {{"Neg", MODNAS_ACT_LINEAR, -1, 0},
                {"Identity", MODNAS_ACT_LINEAR, 1, 0},
                {"Sqrt", MODNAS_ACT_POW, 0.5, 0},
                {"Reciprocal", MODNAS_ACT_POW, -1, 0},
                {"LeakyRelu", MODNAS_ACT_LEAKY_RELU, 0.01, 0},
                {"Elu", MODNAS_ACT_ELU, 1, 1},
                {"Selu", MODNAS_ACT_ELU, 1.67326319217681884765625, 1.05070102214813232421875}};
    const size_t i = (size_t)cs_op_of(e)->arg;
    double alpha = rows[i].alpha, beta = rows[i].beta;
    mn_value *x, *y;
    if (strcmp(rows[i].op, e->c->op) != 0) return cs_fail(e, "row %zu of the table is %s", i, rows[i].op);
    if (rows[i].act == MODNAS_ACT_LEAKY_RELU || rows[i].act == MODNAS_ACT_ELU) alpha = cs_attr_real(e, "alpha", alpha);
    if (rows[i].act == MODNAS_ACT_ELU) beta = cs_attr_real(e, "gamma", beta);
    if (rows[i].act == MODNAS_ACT_ELU) alpha *= beta;
    CS_DO(begin_unary(e, &x));
    CS_DO(act(e, x, rows[i].act, alpha, beta, &y));
    return cs_finish(e, y);
}

/* Pow: one exponent for all elements. */
static int power(cs_env *e) {
    mn_value *x, *y;
    CS_DO(cs_need_inputs(e, 2));
    if (cs_nth(e, 1)->n != 1) return cs_skip(e, "an exponent for each element");
    CS_DO(begin_unary(e, &x));
    CS_DO(act(e, x, MODNAS_ACT_POW, cs_nth(e, 1)->v[0], 0, &y));
    return cs_finish(e, y);
}

/* max(0, min(1, alpha x + beta)) */
static int hard_sigmoid(cs_env *e) {
    mn_value *x, *y;
    CS_DO(begin_unary(e, &x));
    CS_DO(act(e, x, MODNAS_ACT_LINEAR, cs_attr_real(e, "alpha", 0.2), cs_attr_real(e, "beta", 0.5), &y));
    CS_DO(act(e, y, MODNAS_ACT_CLIP, 0, 1, &y));
    return cs_finish(e, y);
}

/* Bound from input i, from an attribute (before opset 11), or none. */
double cs_bound(const cs_env *e, int32_t i, const char *key, double absent) {
    const cs_tensor *t = cs_nth(e, i);
    if (t) return t->n > 0 ? t->v[0] : absent;
    return cs_attr_real(e, key, absent);
}

static int clip(cs_env *e) {
    mn_value *x, *y;
    const double limit = e->dtype == MODNAS_F64 ? DBL_MAX : (double)FLT_MAX;
    CS_DO(begin_unary(e, &x));
    CS_DO(act(e, x, MODNAS_ACT_CLIP, cs_bound(e, 1, "min", -limit), cs_bound(e, 2, "max", limit), &y));
    return cs_finish(e, y);
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
    CS_DO(cs_begin(e));
    CS_DO(cs_net_input(e, dims, t->v, &x));
    CS_LIB(e, mn_softmax(e->net.run, x, cs_op_of(e)->arg, &y));
    return cs_finish(e, y);
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
    CS_DO(cs_finish(e, y));
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
        const cs_tensor before = shape;
        CS_DO(joint_shape(e, &before, &t, &shape));
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

static int start_variadic(cs_env *e, mn_value **v, int32_t *n) {
    *n = e->c->n_in;
    if (*n < 1 || *n > CS_MAX_INPUTS) return cs_fail(e, "%d inputs", (int)*n);
    CS_DO(cs_need_inputs(e, *n));
    CS_DO(cs_begin(e));
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

/* Add, Sub, Mul, Div, Max, Min, Sum */
static int binary(cs_env *e) {
    mn_value *v[CS_MAX_INPUTS], *y;
    int32_t n;
    if (e->c->n_out > 0 && e->c->out[0].n == 0) return cs_check(e, &e->c->out[0], NULL, 0);
    CS_DO(start_variadic(e, v, &n));
    CS_DO(fold_binary(e, cs_op_of(e)->arg, v, n, &y));
    if (n == 1) CS_DO(act(e, y, MODNAS_ACT_LINEAR, 1, 0, &y));
    return cs_finish(e, y);
}

static int mean(cs_env *e) {
    mn_value *v[CS_MAX_INPUTS], *y;
    int32_t n;
    CS_DO(start_variadic(e, v, &n));
    CS_DO(fold_binary(e, MODNAS_BINARY_ADD, v, n, &y));
    CS_DO(act(e, y, MODNAS_ACT_LINEAR, 1.0 / n, 0, &y));
    return cs_finish(e, y);
}

/* ---- reductions and the table ---- */

/* ReduceSum, ReduceMean */
static int reduce(cs_env *e) {
    int64_t axes[CS_MAX_RANK], dims[4];
    int32_t n;
    mn_value *in, *y;
    CS_DO(cs_need_inputs(e, 1));
    const cs_tensor *x = cs_nth(e, 0);
    if (!cs_fold_left(x, dims)) return cs_skip(e, "rank %d", (int)x->rank);
    if (x->n == 0) return cs_skip(e, "a tensor without elements");
    CS_DO(cs_index_list(e, 1, "axes", axes, &n));
    CS_DO(cs_begin(e));
    CS_DO(cs_net_input(e, dims, x->v, &in));
    const int all = n == 0 && !cs_attr_int(e, "noop_with_empty_axes", 0);
    for (int32_t i = 0; i < (all ? 4 : n); i++) {
        const int32_t axis = all ? i - 4 + x->rank : cs_axis(x, axes[i]);
        if (!all && axis < 0) return cs_fail(e, "axis is out of range");
        dims[axis + 4 - x->rank] = 1;
    }
    CS_LIB(e, mn_reduce(e->net.run, cs_op_of(e)->arg, in, dims, &y));
    return cs_finish(e, y);
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
    {"Softplus", unary, NULL, MODNAS_ACT_SOFTPLUS},
    {"Exp", unary, NULL, MODNAS_ACT_EXP},
    {"Log", unary, NULL, MODNAS_ACT_LOG},
    {"Abs", unary, NULL, MODNAS_ACT_ABS},
    {"Neg", parametric, NULL, 0},
    {"Identity", parametric, NULL, 1},
    {"Sqrt", parametric, NULL, 2},
    {"Reciprocal", parametric, NULL, 3},
    {"LeakyRelu", parametric, NULL, 4},
    {"Elu", parametric, NULL, 5},
    {"Selu", parametric, NULL, 6},
    {"Pow", power, NULL, 0},
    {"Clip", clip, NULL, 0},
    {"Softmax", softmax, NULL, 0},
    {"LogSoftmax", softmax, NULL, 1},
    {"Dropout", dropout, NULL, 0},
    {"Add", binary, NULL, MODNAS_BINARY_ADD},
    {"Sum", binary, NULL, MODNAS_BINARY_ADD},
    {"Sub", binary, NULL, MODNAS_BINARY_SUB},
    {"Mul", binary, NULL, MODNAS_BINARY_MUL},
    {"Div", binary, NULL, MODNAS_BINARY_DIV},
    {"Max", binary, NULL, MODNAS_BINARY_MAX},
    {"Min", binary, NULL, MODNAS_BINARY_MIN},
    {"Mean", mean, NULL, 0},
    {"Concat", cs_onnx_concat, NULL, 0},
    {"Slice", cs_onnx_slice, NULL, 0},
    {"Split", cs_onnx_split, NULL, 0},
    {"Pad", cs_onnx_pad, NULL, 0},
    {"Reshape", cs_onnx_reshape, NULL, 0},
    {"Flatten", cs_onnx_reshape, NULL, 0},
    {"Squeeze", cs_onnx_reshape, NULL, 0},
    {"Unsqueeze", cs_onnx_reshape, NULL, 0},
    {"Expand", cs_onnx_expand, NULL, 0},
    {"ReduceSum", reduce, NULL, MODNAS_REDUCE_SUM},
    {"ReduceMean", reduce, NULL, MODNAS_REDUCE_MEAN},
    {"SoftmaxCrossEntropyLoss", cs_onnx_xent, NULL, 0},
    {"NegativeLogLikelihoodLoss", cs_onnx_xent, NULL, 1},
    {"Momentum", cs_onnx_momentum, NULL, 0},
    {"Adagrad", cs_onnx_adagrad, NULL, 0},
    {"Adam", cs_onnx_adam, NULL, 0},
};
const int cs_n_onnx_ops = MN_COUNT(cs_onnx_ops);
