/* Nodes, values, initialisers and names of an ONNX graph in the making. */
#include "export/onnx_graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void mn_onnx_init(mn_onnx *g, mn_model *m, const modnas_onnx_opts *o, const int32_t chw[3]) {
    *g = (mn_onnx){.chw = {chw[0], chw[1], chw[2]}, .ctx = m->ctx, .model = m, .o = o, .opset = o->opset};
    mn_vec_init(&g->views, sizeof(mn_view));
    mn_vec_init(&g->nodes, sizeof(Mn__NodeProto *));
    mn_vec_init(&g->tensors, sizeof(mn_onnx_tensor));
    mn_vec_init(&g->blocks, sizeof(void *));
}

void mn_onnx_end(mn_onnx *g) {
    for (size_t i = 0; i < g->blocks.n; i++) mn_free(g->ctx, MN_AT(g->blocks, void *, i));
    mn_vec *const all[] = {&g->views, &g->nodes, &g->tensors, &g->blocks};
    for (size_t i = 0; i < MN_COUNT(all); i++) mn_vec_free(g->ctx, all[i]);
    mn_map_free(g->ctx, &g->names);
    mn_run_free(g->run);
}

void *mn_onnx_alloc(mn_onnx *g, size_t count, size_t size) {
    void *block = g->rc ? NULL : mn_alloc(g->ctx, count ? count : 1, size);
    if (block && mn_vec_push(g->ctx, &g->blocks, &block, 1)) return block;
    mn_free(g->ctx, block);
    if (!g->rc) g->rc = MODNAS_ENOMEM;
    return NULL;
}

void mn_onnx_refuse(mn_onnx *g, const char *fmt, ...) {
    char text[512];
    va_list args;
    if (g->rc) return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    const char *path = mn_onnx_path(g);
    if (!g->rc)
        g->rc = mn_fail(g->ctx, MODNAS_EUNSUPPORTED, "ONNX: %s of layer '%s': %s", g->at ? g->at->op : "the network", path,
                        text);
}

/* ---- names --------------------------------------------------------------------------------------------- */

static const char *join(mn_onnx *g, const char *a, const char *between, const char *b) {
    const size_t n[3] = {strlen(a), strlen(between), strlen(b)};
    char *text = mn_onnx_alloc(g, n[0] + n[1] + n[2] + 1, 1);
    if (!text) return "";
    memcpy(text, a, n[0]);
    memcpy(text + n[0], between, n[1]);
    memcpy(text + n[0] + n[1], b, n[2]);
    return text;
}

const char *mn_onnx_path(mn_onnx *g) {
    const mn_module *m = g->at ? g->at->part : NULL;
    mn_str path = {.ctx = g->ctx};
    if (!g->at) return "input";
    if (!m || !m->parent) return "";
    if (!g->rc) g->rc = mn_module_path(m, &path);
    const char *text = g->rc ? "" : join(g, path.text, "", "");
    mn_str_free(&path);
    return text;
}

const char *mn_onnx_name(mn_onnx *g, const char *wanted) {
    char number[16];
    const char *name = wanted;
    for (int i = 1; !g->rc && mn_map_get(&g->names, name); i++) {
        snprintf(number, sizeof number, "%d", i);
        name = join(g, wanted, "_", number);
    }
    if (!g->rc) g->rc = mn_map_put(g->ctx, &g->names, name, g);
    return g->rc ? "" : mn_map_key(&g->names, g->names.n - 1, NULL);
}

/* ---- nodes --------------------------------------------------------------------------------------------- */

static Mn__AttributeProto *attribute_of(mn_onnx *g, const mn_onnx_attr *a) {
    Mn__AttributeProto *p = mn_onnx_alloc(g, 1, sizeof *p);
    if (!p) return NULL;
    mn__attribute_proto__init(p);
    p->name = (char *)a->name;
    if (a->n == MN_ONNX_REAL) {
        p->type = MN__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
        p->f = (float)a->f;
    } else if (a->n == MN_ONNX_ONE) {
        p->type = MN__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
        p->i = a->i[0];
    } else {
        p->type = MN__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
        p->n_ints = (size_t)a->n;
        p->ints = mn_onnx_alloc(g, p->n_ints, sizeof *p->ints);
        if (p->ints) memcpy(p->ints, a->i, p->n_ints * sizeof *p->ints);
    }
    return p;
}

static void add_attributes(mn_onnx *g, Mn__NodeProto *node, const mn_onnx_attr *attrs) {
    size_t n = 0;
    while (attrs && attrs[n].name) n++;
    node->attribute = mn_onnx_alloc(g, n, sizeof *node->attribute);
    for (size_t i = 0; i < n && !g->rc; i++) node->attribute[i] = attribute_of(g, &attrs[i]);
    node->n_attribute = n;
}

const char *mn_onnx_node(mn_onnx *g, const char *op, const char *const *in, int32_t n, const mn_onnx_attr *attrs) {
    const char *path = mn_onnx_path(g), *name = mn_onnx_name(g, *path ? join(g, path, "/", op) : op);
    Mn__NodeProto *node = mn_onnx_alloc(g, 1, sizeof *node);
    if (!node) return "";
    mn__node_proto__init(node);
    node->op_type = (char *)op;
    node->name = (char *)name;
    node->n_input = (size_t)n;
    node->input = mn_onnx_alloc(g, node->n_input, sizeof *node->input);
    node->n_output = 1;
    node->output = mn_onnx_alloc(g, 1, sizeof *node->output);
    add_attributes(g, node, attrs);
    if (g->rc) return "";
    for (int32_t i = 0; i < n; i++) node->input[i] = (char *)in[i];
    node->output[0] = (char *)name;
    if (!mn_vec_push(g->ctx, &g->nodes, &node, 1)) g->rc = MODNAS_ENOMEM;
    return g->rc ? "" : name;
}

const char *mn_onnx_node1(mn_onnx *g, const char *op, const char *in, const mn_onnx_attr *attrs) {
    return mn_onnx_node(g, op, &in, 1, attrs);
}

const char *mn_onnx_node2(mn_onnx *g, const char *op, const char *a, const char *b, const mn_onnx_attr *attrs) {
    const char *const in[] = {a, b};
    return mn_onnx_node(g, op, in, 2, attrs);
}

/* ---- values -------------------------------------------------------------------------------------------- */

mn_onnx_value *mn_onnx_value_of(mn_onnx *g, const mn_value *v) {
    if (v == g->x) return &g->input;
    return v->producer >= 0 ? &g->values[v->producer] : NULL;
}

int mn_onnx_batched(mn_onnx *g, const mn_value *v) {
    const mn_onnx_value *x = mn_onnx_value_of(g, v);
    return x && x->batched;
}

void mn_onnx_set(mn_onnx *g, const mn_value *dst, int32_t form, const char *name) {
    mn_onnx_value *x = mn_onnx_value_of(g, dst);
    x->name[form] = name;
    x->native = form;
    x->made = 1;
}

int32_t mn_onnx_form_of(mn_onnx *g, const mn_value *v) {
    const mn_onnx_value *x = mn_onnx_value_of(g, v);
    return x ? x->native : MN_ONNX_FULL;
}

/* What is not computed from images. */
static const char *given(mn_onnx *g, const mn_value *v, const int64_t *dims, int32_t rank) {
    const double *x = mn_run_constant(g->run, v);
    if (v->param) return mn_onnx_param(g, v->param, rank, dims, NULL);
    if (x) return mn_onnx_floats(g, join(g, mn_onnx_path(g), ".", "constant"), dims, rank, x);
    mn_onnx_refuse(g, "it reads an input that is none of the network's");
    return "";
}

const char *mn_onnx_get(mn_onnx *g, const mn_value *v, int32_t form) {
    static const mn_onnx_attr axis[] = {MN_ONNX_INT("axis", 1), MN_ONNX_END};
    static const int64_t behind[] = {2, 3};
    const int64_t flat[] = {v->dims[0], v->dims[1] * v->dims[2] * v->dims[3]};
    mn_onnx_value *x = mn_onnx_value_of(g, v);
    if (g->rc) return "";
    if (!x) return form == MN_ONNX_FLAT ? given(g, v, flat, 2) : given(g, v, v->dims, 4);
    if (!x->name[form])
        x->name[form] = form == MN_ONNX_FLAT
                            ? mn_onnx_node1(g, "Flatten", x->name[MN_ONNX_FULL], axis)
                            : mn_onnx_node2(g, "Unsqueeze", x->name[MN_ONNX_FLAT], mn_onnx_ints(g, "axes", behind, 2), NULL);
    return x->name[form];
}

const char *mn_onnx_vector(mn_onnx *g, const mn_value *v) {
    const int64_t all = -1;
    if (!mn_onnx_value_of(g, v)) return given(g, v, &v->dims[1], 1);
    const char *src = mn_onnx_get(g, v, MN_ONNX_FULL);
    return mn_onnx_node2(g, "Reshape", src, mn_onnx_ints(g, "shape", &all, 1), NULL);
}

/* ---- initialisers -------------------------------------------------------------------------------------- */

static int same_contents(const mn_onnx_tensor *a, const mn_onnx_tensor *b, size_t bytes) {
    if (a->type != b->type || a->rank != b->rank || memcmp(a->dims, b->dims, sizeof a->dims) != 0) return 0;
    if (a->param || b->param) return a->param == b->param && !a->scale && !b->scale;
    return a->shared && b->shared && memcmp(a->data, b->data, bytes) == 0;
}

/* t, or one that is there already and the same; bytes: of its data. */
static const char *add_tensor(mn_onnx *g, const char *name, mn_onnx_tensor t, size_t bytes) {
    if (g->rc) return "";
    for (size_t i = 0; i < g->tensors.n; i++)
        if (same_contents(&MN_AT(g->tensors, mn_onnx_tensor, i), &t, bytes)) return MN_AT(g->tensors, mn_onnx_tensor, i).name;
    t.name = mn_onnx_name(g, name);
    if (!g->rc && !mn_vec_push(g->ctx, &g->tensors, &t, 1)) g->rc = MODNAS_ENOMEM;
    return t.name;
}

const char *mn_onnx_param(mn_onnx *g, const mn_param *p, int32_t rank, const int64_t *dims, const double *scale) {
    mn_onnx_tensor t = {.type = MN__TENSOR_PROTO__DATA_TYPE__FLOAT, .rank = rank, .param = p, .scale = scale};
    memcpy(t.dims, dims, (size_t)rank * sizeof *dims);
    return add_tensor(g, p->name, t, 0);
}

static const char *add_floats(mn_onnx *g, const char *name, const int64_t *dims, int32_t rank, const double *x, int shared) {
    mn_onnx_tensor t = {.type = MN__TENSOR_PROTO__DATA_TYPE__FLOAT, .rank = rank, .shared = shared};
    size_t n = 1;
    for (int32_t i = 0; i < rank; i++) n *= (size_t)(t.dims[i] = dims[i]);
    float *data = mn_onnx_alloc(g, n, sizeof *data);
    for (size_t i = 0; data && i < n; i++) data[i] = (float)x[i];
    t.data = data;
    return add_tensor(g, name, t, n * sizeof *data);
}

const char *mn_onnx_floats(mn_onnx *g, const char *name, const int64_t *dims, int32_t rank, const double *x) {
    return add_floats(g, name, dims, rank, x, 0);
}

const char *mn_onnx_scalar(mn_onnx *g, double x) {
    return add_floats(g, "number", NULL, 0, &x, 1);
}

const char *mn_onnx_fill(mn_onnx *g, int64_t n, double x) {
    double *all = mn_onnx_alloc(g, (size_t)n, sizeof *all);
    for (int64_t i = 0; all && i < n; i++) all[i] = x;
    return all ? add_floats(g, "vector", &n, 1, all, 1) : "";
}

const char *mn_onnx_ints(mn_onnx *g, const char *name, const int64_t *x, int32_t n) {
    mn_onnx_tensor t = {.type = MN__TENSOR_PROTO__DATA_TYPE__INT64, .rank = 1, .dims = {n}, .shared = 1};
    int64_t *data = mn_onnx_alloc(g, (size_t)n, sizeof *data);
    if (data) memcpy(data, x, (size_t)n * sizeof *data);
    t.data = data;
    return add_tensor(g, name, t, (size_t)n * sizeof *data);
}
