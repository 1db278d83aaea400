/* Operators of the graph as nodes of ONNX: the table, and those that compute element by element, over axes, with
 * weights. */
#include "export/onnx_graph.h"

#include <string.h>

/* ---- element by element -------------------------------------------------------------------------------- */

typedef struct act_row {
    const char *op;
    int32_t n;            /* attributes */
    mn_onnx_attr attr[2]; /* their values; of alpha and beta the operator's own are put in */
} act_row;

/* What is one node. */
static const act_row act_rows[] = {
    [MODNAS_ACT_RELU] = {"Relu", 0, {MN_ONNX_END}},
    [MODNAS_ACT_SIGMOID] = {"Sigmoid", 0, {MN_ONNX_END}},
    [MODNAS_ACT_HARD_SIGMOID] = {"HardSigmoid", 2, {MN_ONNX_FLOAT("alpha", 1.0 / 6), MN_ONNX_FLOAT("beta", 0.5)}},
    [MODNAS_ACT_HARD_SWISH] = {"HardSwish", 0, {MN_ONNX_END}},
    [MODNAS_ACT_TANH] = {"Tanh", 0, {MN_ONNX_END}},
    [MODNAS_ACT_SOFTPLUS] = {"Softplus", 0, {MN_ONNX_END}},
    [MODNAS_ACT_EXP] = {"Exp", 0, {MN_ONNX_END}},
    [MODNAS_ACT_LOG] = {"Log", 0, {MN_ONNX_END}},
    [MODNAS_ACT_ABS] = {"Abs", 0, {MN_ONNX_END}},
};

static const char *one_node(mn_onnx *g, int32_t act, const char *v) {
    const act_row *row = &act_rows[act];
    mn_onnx_attr attrs[3] = {MN_ONNX_END, MN_ONNX_END, MN_ONNX_END};
    memcpy(attrs, row->attr, (size_t)row->n * sizeof *attrs);
    return mn_onnx_node1(g, row->op, v, attrs);
}

static const char *clip(mn_onnx *g, const char *v, double low, double high) {
    const char *in[3] = {v, mn_onnx_scalar(g, low)};
    in[2] = mn_onnx_scalar(g, high);
    return mn_onnx_node(g, "Clip", in, 3, NULL);
}

/* x > 0 ? beta x : alpha (e^x - 1); Selu has gamma (alpha e^x - alpha) and gamma x. */
static const char *elu(mn_onnx *g, const char *v, double alpha, double beta) {
    const mn_onnx_attr one[] = {MN_ONNX_FLOAT("alpha", alpha), MN_ONNX_END},
                       two[] = {MN_ONNX_FLOAT("alpha", beta == 0 ? 0 : alpha / beta), MN_ONNX_FLOAT("gamma", beta), MN_ONNX_END};
    if (beta == 1) return mn_onnx_node1(g, "Elu", v, one);
    if (beta != 0) return mn_onnx_node1(g, "Selu", v, two);
    return mn_onnx_node1(g, "Elu", mn_onnx_node2(g, "Min", v, mn_onnx_scalar(g, 0), NULL), one);
}

static const char *activated(mn_onnx *g, const mn_view *x, const char *v) {
    const double alpha = x->u->act.alpha, beta = x->u->act.beta;
    const mn_onnx_attr leaky[] = {MN_ONNX_FLOAT("alpha", alpha), MN_ONNX_END};
    switch (x->u->act.act) {
    case MODNAS_ACT_RELU6:
        return clip(g, v, 0, 6);
    case MODNAS_ACT_CLIP:
        return clip(g, v, alpha, beta);
    case MODNAS_ACT_SWISH:
        return mn_onnx_node2(g, "Mul", v, one_node(g, MODNAS_ACT_SIGMOID, v), NULL);
    case MODNAS_ACT_LINEAR:
        v = mn_onnx_node2(g, "Mul", v, mn_onnx_scalar(g, alpha), NULL);
        return mn_onnx_node2(g, "Add", v, mn_onnx_scalar(g, beta), NULL);
    case MODNAS_ACT_LEAKY_RELU:
        return mn_onnx_node1(g, "LeakyRelu", v, leaky);
    case MODNAS_ACT_ELU:
        return elu(g, v, alpha, beta);
    case MODNAS_ACT_POW:
        return mn_onnx_node2(g, "Pow", v, mn_onnx_scalar(g, alpha), NULL);
    case MODNAS_ACT_HARD_SWISH:
        if (g->opset < 14) return mn_onnx_node2(g, "Mul", v, one_node(g, MODNAS_ACT_HARD_SIGMOID, v), NULL);
        break;
    }
    return one_node(g, x->u->act.act, v);
}

static void activation(mn_onnx *g, const mn_view *x) {
    const int32_t form = mn_onnx_form_of(g, x->src[0]);
    mn_onnx_set(g, x->dst, form, activated(g, x, mn_onnx_get(g, x->src[0], form)));
}

/* Two sources: flat ones stay so. */
static void pairwise(mn_onnx *g, const mn_view *x, const char *op) {
    const int flat = mn_onnx_form_of(g, x->src[0]) == MN_ONNX_FLAT && mn_onnx_form_of(g, x->src[1]) == MN_ONNX_FLAT;
    const int32_t form = flat ? MN_ONNX_FLAT : MN_ONNX_FULL;
    const char *a = mn_onnx_get(g, x->src[0], form);
    mn_onnx_set(g, x->dst, form, mn_onnx_node2(g, op, a, mn_onnx_get(g, x->src[1], form), NULL));
}

static void add(mn_onnx *g, const mn_view *x) {
    pairwise(g, x, "Add");
}

static void binary(mn_onnx *g, const mn_view *x) {
    static const char *const names[] = {[MODNAS_BINARY_ADD] = "Add", [MODNAS_BINARY_SUB] = "Sub",
                                        [MODNAS_BINARY_MUL] = "Mul", [MODNAS_BINARY_MAX] = "Max",
                                        [MODNAS_BINARY_MIN] = "Min", [MODNAS_BINARY_DIV] = "Div"};
    pairwise(g, x, names[x->u->binary.algo]);
}

/* ---- over axes, with weights --------------------------------------------------------------------------- */

static void softmax(mn_onnx *g, const mn_view *x) {
    const mn_onnx_attr axis[] = {MN_ONNX_INT("axis", 1), MN_ONNX_END};
    const int32_t form = mn_onnx_form_of(g, x->src[0]);
    const char *op = x->u->softmax.log ? "LogSoftmax" : "Softmax";
    mn_onnx_set(g, x->dst, form, mn_onnx_node1(g, op, mn_onnx_get(g, x->src[0], form), axis));
}

/* Axes are an input of ReduceSum from 13 on, of ReduceMean from 18 on. */
static void reduce(mn_onnx *g, const mn_view *x) {
    const int mean = x->u->reduce.algo == MODNAS_REDUCE_MEAN;
    mn_onnx_attr attrs[3] = {MN_ONNX_INT("keepdims", 1)}, *axes = &attrs[1];
    *axes = (mn_onnx_attr){"axes", 0, {0}, 0};
    for (int i = 0; i < 4; i++)
        if (x->dst->dims[i] == 1 && (x->src[0]->dims[i] != 1 || (i == 0 && mn_onnx_batched(g, x->src[0]))))
            axes->i[axes->n++] = i;
    const char *op = mean ? "ReduceMean" : "ReduceSum", *v = mn_onnx_get(g, x->src[0], MN_ONNX_FULL);
    const int as_input = !mean || g->opset >= 18;
    if (!axes->n) {
        v = mn_onnx_node1(g, "Identity", v, NULL);
    } else if (as_input) {
        const char *list = mn_onnx_ints(g, "axes", axes->i, axes->n);
        axes->name = NULL;
        v = mn_onnx_node2(g, op, v, list, attrs);
    } else {
        v = mn_onnx_node1(g, op, v, attrs);
    }
    mn_onnx_set(g, x->dst, MN_ONNX_FULL, v);
}

static void linear(mn_onnx *g, const mn_view *x) {
    const mn_onnx_attr attrs[] = {MN_ONNX_INT("transB", 1), MN_ONNX_END};
    const char *in[3] = {mn_onnx_get(g, x->src[0], MN_ONNX_FLAT)};
    in[1] = mn_onnx_get(g, x->src[1], MN_ONNX_FLAT);
    if (x->src[2]) in[2] = mn_onnx_vector(g, x->src[2]);
    mn_onnx_set(g, x->dst, MN_ONNX_FLAT, mn_onnx_node(g, "Gemm", in, x->src[2] ? 3 : 2, attrs));
}

/* ---- mixtures ------------------------------------------------------------------------------------------ */

/* Elements of a (1, C, 1, 1) along its channels. */
static const char *gather(mn_onnx *g, const mn_value *v, const int64_t *index, int32_t n) {
    const mn_onnx_attr axis[] = {MN_ONNX_INT("axis", 1), MN_ONNX_END};
    const char *src = mn_onnx_get(g, v, MN_ONNX_FULL);
    return mn_onnx_node2(g, "Gather", src, mn_onnx_ints(g, "indices", index, n), axis);
}

static void pick(mn_onnx *g, const mn_view *x) {
    const int32_t n = (int32_t)x->dst->dims[1];
    int64_t *index = mn_onnx_alloc(g, (size_t)n, sizeof *index);
    for (int32_t i = 0; index && i < n; i++) index[i] = x->index[i];
    if (index) mn_onnx_set(g, x->dst, MN_ONNX_FULL, gather(g, x->src[0], index, n));
}

static void weighted_sum(mn_onnx *g, const mn_view *x) {
    const int32_t n = x->n_src - 1;
    const char **part = mn_onnx_alloc(g, (size_t)n, sizeof *part);
    for (int64_t i = 0; part && i < n; i++) {
        const char *p = gather(g, x->src[0], &i, 1);
        part[i] = mn_onnx_node2(g, "Mul", p, mn_onnx_get(g, x->src[1 + i], MN_ONNX_FULL), NULL);
    }
    mn_onnx_set(g, x->dst, MN_ONNX_FULL, mn_onnx_node(g, "Sum", part, n, NULL));
}

/* The chosen one under another name: no node. */
static void gate(mn_onnx *g, const mn_view *x) {
    const mn_value *chosen = x->src[1 + x->u->gate.chosen];
    mn_onnx_set(g, x->dst, MN_ONNX_FULL, mn_onnx_get(g, chosen, MN_ONNX_FULL));
}

/* Weights of an elastic layer that is not all active: the sub-network is to be cut out, and has none. */
static void excerpt(mn_onnx *g, const mn_view *x) {
    (void)x;
    mn_onnx_refuse(g, "part of an elastic layer's weights: a sub-network is exported when it was cut out (modnas export)");
}

/* ---- the table ----------------------------------------------------------------------------------------- */

static const struct {
    const char *op;
    mn_onnx_op_fn make;
} rows[] = {{"conv2d", mn_onnx_conv2d},   {"linear", linear},         {"batch_norm", mn_onnx_batch_norm},
            {"activation", activation},   {"pool2d", mn_onnx_pool2d}, {"add", add},
            {"binary", binary},           {"extremum", binary},       {"zero", mn_onnx_zero},
            {"reduce", reduce},           {"concat", mn_onnx_concat}, {"slice", mn_onnx_slice},
            {"pad", mn_onnx_pad},         {"reshape", mn_onnx_reshape}, {"shuffle", mn_onnx_shuffle},
            {"softmax", softmax},         {"weighted_sum", weighted_sum}, {"pick", pick},
            {"gate", gate},               {"excerpt", excerpt},       {"resize", mn_onnx_resize}};

/* A node of our own domain: the operator's name, its sources, and the sizes of what it makes. */
static void custom(mn_onnx *g, const mn_view *x) {
    const int64_t *d = x->dst->dims;
    const mn_onnx_attr attrs[] = {{"shape", 4, {mn_onnx_batched(g, x->dst) ? -1 : d[0], d[1], d[2], d[3]}, 0}, MN_ONNX_END};
    const char **in = mn_onnx_alloc(g, (size_t)x->n_src, sizeof *in);
    for (int32_t i = 0; in && i < x->n_src; i++) in[i] = x->src[i] ? mn_onnx_get(g, x->src[i], MN_ONNX_FULL) : "";
    const char *name = mn_onnx_node(g, x->op, in, x->n_src, attrs);
    if (g->rc) return;
    MN_AT(g->nodes, Mn__NodeProto *, g->nodes.n - 1)->domain = (char *)MN_ONNX_DOMAIN;
    g->customs = 1;
    mn_onnx_set(g, x->dst, MN_ONNX_FULL, name);
}

void mn_onnx_op(mn_onnx *g, const mn_view *x) {
    for (size_t i = 0; i < MN_COUNT(rows); i++)
        if (strcmp(rows[i].op, x->op) == 0) {
            rows[i].make(g, x);
            return;
        }
    if (g->o->custom_ops)
        custom(g, x);
    else
        mn_onnx_refuse(g, "ONNX has no such operator; with custom_ops it becomes a node of domain \"" MN_ONNX_DOMAIN "\"");
}
