/* What operators make of the sizes that go in, by the ONNX standard; sizes may be the number of images, which is any. */
#include <string.h>

#include "export/onnx_check.h"

int64_t mn_onnx_number(const mn_onnx_site *s, const char *name, int64_t otherwise) {
    const Mn__AttributeProto *a = mn_onnx_attribute(s->node, name);
    return a ? a->i : otherwise;
}

/* A list of n whole numbers; all `otherwise` where it is not given. */
int mn_onnx_numbers(const mn_onnx_site *s, const char *name, size_t n, int64_t least, int64_t otherwise, int64_t *out) {
    const Mn__AttributeProto *a = mn_onnx_attribute(s->node, name);
    if (a && a->n_ints != n) return mn_onnx_bad(s, "%s has %zu numbers, wanted %zu", name, a->n_ints, n);
    for (size_t i = 0; i < n; i++) {
        out[i] = a ? a->ints[i] : otherwise;
        if (out[i] < least || out[i] > INT32_MAX)
            return mn_onnx_bad(s, "%s has %lld", name, (long long)out[i]);
    }
    return 0;
}

int mn_onnx_want_rank(const mn_onnx_site *s, size_t i, int32_t rank) {
    if (s->in[i]->rank == rank) return 0;
    return mn_onnx_bad(s, "input %zu has %d dimensions, wanted %d", i, s->in[i]->rank, rank);
}

int mn_onnx_want_size(const mn_onnx_site *s, size_t i, int axis, int64_t size) {
    if (s->in[i]->dims[axis] == size) return 0;
    return mn_onnx_bad(s, "size %d of input %zu is %lld, wanted %lld", axis, i, (long long)s->in[i]->dims[axis], (long long)size);
}

/* An axis of input i, counted from the end if it is negative. */
int mn_onnx_axis(const mn_onnx_site *s, int64_t axis, int32_t rank, int32_t *out) {
    if (axis < -(int64_t)rank || axis >= rank) return mn_onnx_bad(s, "axis %lld of %d dimensions", (long long)axis, rank);
    *out = (int32_t)(axis < 0 ? axis + rank : axis);
    return 0;
}

/* Whole numbers that have to be known; n < 0: as many as there are. */
int mn_onnx_want_known(const mn_onnx_site *s, size_t i, int64_t n) {
    if (!s->in[i]->known) return mn_onnx_bad(s, "the numbers of input %zu are not known", i);
    return n < 0 ? 0 : mn_onnx_want_size(s, i, 0, n);
}

void mn_onnx_copy_dims(mn_onnx_shape *out, const mn_onnx_shape *in) {
    out->rank = in->rank;
    memcpy(out->dims, in->dims, sizeof out->dims);
}

/* ---- element by element -------------------------------------------------------------------------------- */

static int same(const mn_onnx_site *s, mn_onnx_shape *out) {
    for (size_t i = 1; i < s->n_in; i++)
        if (s->in[i]) MN_TRY(mn_onnx_want_rank(s, i, 0)); /* bounds */
    *out = *s->in[0];
    return 0;
}

static int cast(const mn_onnx_site *s, mn_onnx_shape *out) {
    if (mn_onnx_number(s, "to", 0) != MN__TENSOR_PROTO__DATA_TYPE__FLOAT) return mn_onnx_bad(s, "to is not float");
    mn_onnx_copy_dims(out, s->in[0]);
    return 0;
}

/* Sizes from the last one on; 1 goes with all. */
static int broadcast(const mn_onnx_site *s, mn_onnx_shape *out) {
    for (size_t i = 0; i < s->n_in; i++)
        if (s->in[i]->rank > out->rank) out->rank = s->in[i]->rank;
    for (int32_t d = 0; d < out->rank; d++) {
        out->dims[d] = 1;
        for (size_t i = 0; i < s->n_in; i++) {
            const int32_t at = d - (out->rank - s->in[i]->rank);
            const int64_t size = at < 0 ? 1 : s->in[i]->dims[at];
            if (size == 1 || size == out->dims[d]) continue;
            if (out->dims[d] != 1)
                return mn_onnx_bad(s, "sizes %lld and %lld do not go together", (long long)out->dims[d], (long long)size);
            out->dims[d] = size;
        }
    }
    return 0;
}

static int batch_norm(const mn_onnx_site *s, mn_onnx_shape *out) {
    if (s->in[0]->rank < 2) return mn_onnx_bad(s, "input 0 has no channels");
    for (size_t i = 1; i < 5; i++) {
        MN_TRY(mn_onnx_want_rank(s, i, 1));
        MN_TRY(mn_onnx_want_size(s, i, 0, s->in[0]->dims[1]));
    }
    mn_onnx_copy_dims(out, s->in[0]);
    return 0;
}

static int along_axis(const mn_onnx_site *s, mn_onnx_shape *out) {
    int32_t axis;
    MN_TRY(mn_onnx_axis(s, mn_onnx_number(s, "axis", -1), s->in[0]->rank, &axis));
    mn_onnx_copy_dims(out, s->in[0]);
    return 0;
}

/* ---- windows ------------------------------------------------------------------------------------------- */

/* Height and width of a window's results. */
static int slide(const mn_onnx_site *s, const int64_t kernel[2], mn_onnx_shape *out) {
    int64_t pads[4], strides[2], dilations[2];
    MN_TRY(mn_onnx_numbers(s, "pads", 4, 0, 0, pads));
    MN_TRY(mn_onnx_numbers(s, "strides", 2, 1, 1, strides));
    MN_TRY(mn_onnx_numbers(s, "dilations", 2, 1, 1, dilations));
    out->rank = 4;
    for (int i = 0; i < 2; i++) {
        const int64_t in = s->in[0]->dims[2 + i], room = in + pads[i] + pads[2 + i] - dilations[i] * (kernel[i] - 1) - 1;
        if (in < 1 || kernel[i] < 1 || room < 0)
            return mn_onnx_bad(s, "a window of %lld on %lld", (long long)kernel[i], (long long)in);
        out->dims[2 + i] = room / strides[i] + 1;
    }
    return 0;
}

static int conv(const mn_onnx_site *s, mn_onnx_shape *out) {
    const int64_t group = mn_onnx_number(s, "group", 1);
    int64_t kernel[2];
    MN_TRY(mn_onnx_want_rank(s, 0, 4));
    MN_TRY(mn_onnx_want_rank(s, 1, 4));
    const int64_t *w = s->in[1]->dims;
    MN_TRY(mn_onnx_numbers(s, "kernel_shape", 2, 1, 1, kernel));
    if (kernel[0] != w[2] || kernel[1] != w[3]) return mn_onnx_bad(s, "kernel_shape is not that of the weights");
    if (group < 1 || group > INT32_MAX || s->in[0]->dims[1] != w[1] * group || w[0] % group)
        return mn_onnx_bad(s, "%lld channels, the weights want %lld in %lld groups", (long long)s->in[0]->dims[1],
                           (long long)w[1], (long long)group);
    if (s->n_in > 2 && s->in[2]) {
        MN_TRY(mn_onnx_want_rank(s, 2, 1));
        MN_TRY(mn_onnx_want_size(s, 2, 0, w[0]));
    }
    out->dims[0] = s->in[0]->dims[0];
    out->dims[1] = w[0];
    return slide(s, kernel, out);
}

static int pool(const mn_onnx_site *s, mn_onnx_shape *out) {
    int64_t kernel[2];
    MN_TRY(mn_onnx_want_rank(s, 0, 4));
    MN_TRY(mn_onnx_numbers(s, "kernel_shape", 2, 1, 0, kernel));
    out->dims[0] = s->in[0]->dims[0];
    out->dims[1] = s->in[0]->dims[1];
    return slide(s, kernel, out);
}

static int global_pool(const mn_onnx_site *s, mn_onnx_shape *out) {
    MN_TRY(mn_onnx_want_rank(s, 0, 4));
    mn_onnx_copy_dims(out, s->in[0]);
    out->dims[2] = out->dims[3] = 1;
    return 0;
}

/* One of them a matrix for all of the other's. */
static int matmul(const mn_onnx_site *s, mn_onnx_shape *out) {
    const mn_onnx_shape *a = s->in[0], *b = s->in[1], *many = a->rank > b->rank ? a : b;
    if (a->rank < 2 || b->rank < 2 || (a->rank > 2 && b->rank > 2))
        return mn_onnx_bad(s, "%d and %d dimensions, wanted a matrix and 2 or more", a->rank, b->rank);
    MN_TRY(mn_onnx_want_size(s, 1, b->rank - 2, a->dims[a->rank - 1]));
    mn_onnx_copy_dims(out, many);
    out->dims[many->rank - 2] = a->dims[a->rank - 2];
    out->dims[many->rank - 1] = b->dims[b->rank - 1];
    return 0;
}

static int gemm(const mn_onnx_site *s, mn_onnx_shape *out) {
    if (mn_onnx_number(s, "transB", 0) != 1) return mn_onnx_bad(s, "transB is not 1");
    MN_TRY(mn_onnx_want_rank(s, 0, 2));
    MN_TRY(mn_onnx_want_rank(s, 1, 2));
    MN_TRY(mn_onnx_want_size(s, 1, 1, s->in[0]->dims[1]));
    if (s->n_in > 2 && s->in[2]) {
        MN_TRY(mn_onnx_want_rank(s, 2, 1));
        MN_TRY(mn_onnx_want_size(s, 2, 0, s->in[1]->dims[0]));
    }
    out->rank = 2;
    out->dims[0] = s->in[0]->dims[0];
    out->dims[1] = s->in[1]->dims[0];
    return 0;
}

/* ---- the table ----------------------------------------------------------------------------------------- */

#define WINDOW "dilations* kernel_shape* pads* strides* "
static const mn_onnx_rule rules[] = {
    {"Abs", 13, 0, 1, 1, "f", "", same},
    {"Add", 13, 0, 2, 2, "f", "", broadcast},
    {"AveragePool", 11, 0, 1, 1, "f", "count_include_pad kernel_shape* pads* strides* ", pool},
    {"BatchNormalization", 9, 0, 5, 5, "f", "epsilon~ ", batch_norm},
    {"Cast", 13, 0, 1, 1, "x", "to ", cast},
    {"Clip", 13, 0, 1, 3, "f", "", same},
    {"Concat", 13, 0, 1, INT32_MAX, "x", "axis ", mn_onnx_shape_concat},
    {"ConstantOfShape", 9, 0, 1, 1, "i", "", mn_onnx_shape_constant_of_shape},
    {"Conv", 11, 0, 2, 3, "f", "group " WINDOW, conv},
    {"Div", 13, 0, 2, 2, "f", "", broadcast},
    {"Elu", 6, 0, 1, 1, "f", "alpha~ ", same},
    {"Exp", 13, 0, 1, 1, "f", "", same},
    {"Flatten", 13, 0, 1, 1, "f", "axis ", mn_onnx_shape_flatten},
    {"Gather", 13, 0, 2, 2, "fi", "axis ", mn_onnx_shape_gather},
    {"Gemm", 13, 0, 2, 3, "f", "transB ", gemm},
    {"GlobalAveragePool", 1, 0, 1, 1, "f", "", global_pool},
    {"GlobalMaxPool", 1, 0, 1, 1, "f", "", global_pool},
    {"HardSigmoid", 6, 0, 1, 1, "f", "alpha~ beta~ ", same},
    {"HardSwish", 14, 0, 1, 1, "f", "", same},
    {"Identity", 13, 0, 1, 1, "x", "", same},
    {"LeakyRelu", 6, 0, 1, 1, "f", "alpha~ ", same},
    {"Log", 13, 0, 1, 1, "f", "", same},
    {"LogSoftmax", 13, 0, 1, 1, "f", "axis ", along_axis},
    {"MatMul", 13, 0, 2, 2, "f", "", matmul},
    {"Max", 13, 0, 1, INT32_MAX, "f", "", broadcast},
    {"MaxPool", 12, 0, 1, 1, "f", WINDOW, pool},
    {"Min", 13, 0, 1, INT32_MAX, "f", "", broadcast},
    {"Mul", 13, 0, 2, 2, "f", "", broadcast},
    {"Pad", 13, 0, 2, 3, "fif", "", mn_onnx_shape_pad},
    {"Pow", 13, 0, 2, 2, "f", "", broadcast},
    {"ReduceMean", 13, 17, 1, 1, "f", "axes* keepdims ", mn_onnx_shape_reduce},
    {"ReduceMean", 18, 0, 2, 2, "fi", "keepdims ", mn_onnx_shape_reduce},
    {"ReduceSum", 13, 0, 2, 2, "fi", "keepdims ", mn_onnx_shape_reduce},
    {"Relu", 13, 0, 1, 1, "f", "", same},
    {"Reshape", 13, 0, 2, 2, "fi", "", mn_onnx_shape_reshape},
    {"Selu", 6, 0, 1, 1, "f", "alpha~ gamma~ ", same},
    {"Shape", 13, 0, 1, 1, "x", "", mn_onnx_shape_shape},
    {"Sigmoid", 13, 0, 1, 1, "f", "", same},
    {"Slice", 13, 0, 3, 5, "xi", "", mn_onnx_shape_slice},
    {"Softmax", 13, 0, 1, 1, "f", "axis ", along_axis},
    {"Softplus", 1, 0, 1, 1, "f", "", same},
    {"Sub", 13, 0, 2, 2, "f", "", broadcast},
    {"Sum", 13, 0, 1, INT32_MAX, "f", "", broadcast},
    {"Tanh", 13, 0, 1, 1, "f", "", same},
    {"Transpose", 13, 0, 1, 1, "x", "perm* ", mn_onnx_shape_transpose},
    {"Unsqueeze", 13, 0, 2, 2, "fi", "", mn_onnx_shape_unsqueeze},
};

const mn_onnx_rule *mn_onnx_rule_of(const char *op, int64_t opset) {
    for (size_t i = 0; i < MN_COUNT(rules); i++)
        if (strcmp(rules[i].op, op) == 0 && opset >= rules[i].since && (!rules[i].until || opset <= rules[i].until))
            return &rules[i];
    return NULL;
}
