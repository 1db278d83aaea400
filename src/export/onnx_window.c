/* Convolution, with the batch norm behind it inside or not; batch norm; pooling. */
#include <math.h>
#include <string.h>

#include "export/onnx_graph.h"

/* Parameter's elements, until g ends; x where there is none. */
static double *vector_of(mn_onnx *g, const mn_value *v, int64_t n, double x) {
    if (v && mn_param_numel(v->param) != n) mn_onnx_refuse(g, "part of a vector");
    double *data = g->rc ? NULL : mn_onnx_alloc(g, (size_t)n, sizeof *data);
    for (int64_t i = 0; data && i < n; i++) data[i] = x;
    if (data && v) g->rc = mn_param_get(v->param, data);
    return g->rc ? NULL : data;
}

/* ---- folding ------------------------------------------------------------------------------------------- */

static int is_param(const mn_value *v) {
    return !v || v->param;
}

/* The batch norm that alone reads a convolution, if all of both are parameters; else NULL. */
static const mn_view *norm_behind(const mn_onnx *g, const mn_view *x) {
    if (g->o->keep_batch_norm || x->dst == g->logits || g->readers[x->dst->producer] != 1) return NULL;
    if (!is_param(x->src[2]) || !x->src[1]->param) return NULL;
    const mn_view *end = &MN_AT(g->views, mn_view, g->views.n);
    for (const mn_view *y = x + 1; y < end; y++) {
        if (y->n_src < 1 || y->src[0] != x->dst || strcmp(y->op, "batch_norm") != 0) continue;
        return is_param(y->src[1]) && is_param(y->src[2]) ? y : NULL;
    }
    return NULL;
}

/* bn(w x + b) = (s w) x + (b - mean) s + beta, s = gamma / sqrt(var + eps). */
static void fold(mn_onnx *g, const mn_view *x, const mn_view *norm, const char *in[3]) {
    const int64_t n = x->dst->dims[1];
    const mn_value *w = x->src[1];
    double *scale = vector_of(g, norm->src[1], n, 1), *bias = vector_of(g, x->src[2], n, 0);
    const double *beta = vector_of(g, norm->src[2], n, 0), *mean = vector_of(g, norm->u->bn.mean, n, 0),
                 *var = vector_of(g, norm->u->bn.var, n, 0);
    if (g->rc) return;
    for (int64_t i = 0; i < n; i++) {
        scale[i] /= sqrt(var[i] + norm->u->bn.o.eps);
        bias[i] = (bias[i] - mean[i]) * scale[i] + beta[i];
    }
    in[1] = mn_onnx_param(g, w->param, 4, w->dims, scale);
    mn_str name = {.ctx = g->ctx};
    mn_str_addf(&name, "%s%sbias", mn_onnx_path(g), *mn_onnx_path(g) ? "." : "");
    if (name.failed && !g->rc) g->rc = MODNAS_ENOMEM;
    if (!g->rc) in[2] = mn_onnx_floats(g, name.text, &n, 1, bias);
    mn_str_free(&name);
}

/* ---- convolution and batch norm ------------------------------------------------------------------------ */

void mn_onnx_conv2d(mn_onnx *g, const mn_view *x) {
    const mn_conv_opts *o = &x->u->conv;
    const int64_t *w = x->src[1]->dims;
    const mn_view *norm = norm_behind(g, x);
    const mn_onnx_attr attrs[] = {{"dilations", 2, {o->dilation[0], o->dilation[1]}, 0},
                                  MN_ONNX_INT("group", o->groups),
                                  {"kernel_shape", 2, {w[2], w[3]}, 0},
                                  {"pads", 4, {o->pad[0], o->pad[1], o->pad[2], o->pad[3]}, 0},
                                  {"strides", 2, {o->stride[0], o->stride[1]}, 0},
                                  MN_ONNX_END};
    const char *in[3] = {mn_onnx_get(g, x->src[0], MN_ONNX_FULL)};
    if (norm) {
        fold(g, x, norm, in);
    } else {
        in[1] = mn_onnx_get(g, x->src[1], MN_ONNX_FULL);
        if (x->src[2]) in[2] = mn_onnx_vector(g, x->src[2]);
    }
    mn_onnx_set(g, norm ? norm->dst : x->dst, MN_ONNX_FULL, mn_onnx_node(g, "Conv", in, in[2] ? 3 : 2, attrs));
}

void mn_onnx_batch_norm(mn_onnx *g, const mn_view *x) {
    const int64_t n = x->dst->dims[1];
    const int32_t form = mn_onnx_form_of(g, x->src[0]);
    const mn_onnx_attr attrs[] = {MN_ONNX_FLOAT("epsilon", x->u->bn.o.eps), MN_ONNX_END};
    if (mn_onnx_value_of(g, x->dst)->made) return; /* it is inside of a convolution */
    const char *in[5] = {mn_onnx_get(g, x->src[0], form)};
    for (int i = 1; i < 3; i++) in[i] = x->src[i] ? mn_onnx_vector(g, x->src[i]) : mn_onnx_fill(g, n, i == 1);
    in[3] = mn_onnx_vector(g, x->u->bn.mean);
    in[4] = mn_onnx_vector(g, x->u->bn.var);
    mn_onnx_set(g, x->dst, form, mn_onnx_node(g, "BatchNormalization", in, 5, attrs));
}

/* ---- pooling ------------------------------------------------------------------------------------------- */

static int is_global(const mn_view *x) {
    const mn_pool_opts *o = &x->u->pool;
    const int64_t *d = x->src[0]->dims;
    return o->kernel[0] == d[2] && o->kernel[1] == d[3] && !o->pad[0] && !o->pad[1] && !o->pad[2] && !o->pad[3];
}

/* How far the last window reaches beyond the source at the end of an axis: sizes that are rounded up become padding, on
 * which everyone agrees. */
static int64_t end_of(const mn_view *x, int axis) {
    const mn_pool_opts *o = &x->u->pool;
    const int64_t reach = (int64_t)(o->kernel[axis] - 1) * o->dilation[axis] + 1;
    const int64_t need = (x->dst->dims[2 + axis] - 1) * o->stride[axis] + reach - x->src[0]->dims[2 + axis] - o->pad[axis];
    return o->ceil_mode && need > o->pad[2 + axis] ? need : o->pad[2 + axis];
}

/* Padding that counts as zeros where more than that is needed at the end, which does not: it becomes a Pad. */
static const char *pad_apart(mn_onnx *g, const mn_view *x, const char *src, int64_t pads[4]) {
    const int32_t *p = x->u->pool.pad;
    const int64_t around[8] = {0, 0, p[0], p[1], 0, 0, p[2], p[3]};
    for (int i = 0; i < 4; i++) pads[i] -= p[i];
    return mn_onnx_node2(g, "Pad", src, mn_onnx_ints(g, "pads", around, 8), NULL);
}

void mn_onnx_pool2d(mn_onnx *g, const mn_view *x) {
    const mn_pool_opts *o = &x->u->pool;
    const int max = o->algo == MODNAS_POOL_MAX, dilated = o->dilation[0] > 1 || o->dilation[1] > 1;
    const char *src = mn_onnx_get(g, x->src[0], MN_ONNX_FULL);
    if (is_global(x)) {
        mn_onnx_set(g, x->dst, MN_ONNX_FULL, mn_onnx_node1(g, max ? "GlobalMaxPool" : "GlobalAveragePool", src, NULL));
        return;
    }
    int64_t pads[4] = {o->pad[0], o->pad[1], end_of(x, 0), end_of(x, 1)};
    int counted = o->algo == MODNAS_POOL_AVG_INCLUDE_PAD && (pads[0] || pads[1] || pads[2] || pads[3]);
    if (counted && (pads[2] != o->pad[2] || pads[3] != o->pad[3])) {
        src = pad_apart(g, x, src, pads);
        counted = 0;
    }
    if (dilated && !max) mn_onnx_refuse(g, "average pooling with a dilation of %d x %d", o->dilation[0], o->dilation[1]);
    mn_onnx_attr attrs[6] = {{"kernel_shape", 2, {o->kernel[0], o->kernel[1]}, 0},
                             {"pads", 4, {pads[0], pads[1], pads[2], pads[3]}, 0},
                             {"strides", 2, {o->stride[0], o->stride[1]}, 0}};
    if (counted) attrs[3] = (mn_onnx_attr)MN_ONNX_INT("count_include_pad", 1);
    if (dilated) attrs[3] = (mn_onnx_attr){"dilations", 2, {o->dilation[0], o->dilation[1]}, 0};
    mn_onnx_set(g, x->dst, MN_ONNX_FULL, mn_onnx_node1(g, max ? "MaxPool" : "AveragePool", src, attrs));
}
