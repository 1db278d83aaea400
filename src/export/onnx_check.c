/* A look at the bytes of an ONNX file as somebody else's: nothing of what made them is asked.
 *
 *   names      every value and every node has one of its own, every input is there before it is read
 *   nodes      operators of the file's opset with as many inputs as they take, of the right types, and attributes that they know
 *   sizes      found anew from input to output (onnx_shapes.c): those that the file states must be the same
 *   weights    as many bytes as their sizes say */
#include "export/onnx_check.h"

#include <stdio.h>
#include <string.h>

typedef struct checking {
    modnas_ctx *ctx;
    const char *file;
    const Mn__ModelProto *model;
    int64_t opset;
    int custom;       /* 1: MN_ONNX_DOMAIN is imported */
    mn_map values;    /* -> mn_onnx_shape * */
    mn_map nodes, stated;
    mn_vec shapes;    /* mn_onnx_shape *, owned */
} checking;

static int bad(const checking *c, const char *what, const char *name) {
    return mn_fail(c->ctx, MODNAS_EFORMAT, "%s: %s '%.200s'", c->file, what, name);
}

int mn_onnx_bad(const mn_onnx_site *s, const char *fmt, ...) {
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return mn_fail(s->ctx, MODNAS_EFORMAT, "%s: node '%.200s' (%.80s): %s", s->file, s->node->name, s->node->op_type, text);
}

const Mn__AttributeProto *mn_onnx_attribute(const Mn__NodeProto *node, const char *name) {
    for (size_t i = 0; i < node->n_attribute; i++)
        if (strcmp(node->attribute[i]->name, name) == 0) return node->attribute[i];
    return NULL;
}

/* ---- values -------------------------------------------------------------------------------------------- */

static int add_value(checking *c, const char *name, const mn_onnx_shape *shape) {
    if (!name[0]) return bad(c, "there is a value without a name beside", "");
    if (mn_map_get(&c->values, name)) return bad(c, "there are two values of the name", name);
    for (int32_t i = 0; i < shape->rank; i++)
        if (shape->dims[i] > INT32_MAX) return bad(c, "too large is the value", name);
    mn_onnx_shape *copy = mn_alloc(c->ctx, 1, sizeof *copy);
    if (!copy || !mn_vec_push(c->ctx, &c->shapes, &copy, 1)) {
        mn_free(c->ctx, copy);
        return MODNAS_ENOMEM;
    }
    *copy = *shape;
    return mn_map_put(c->ctx, &c->values, name, copy);
}

/* What a file says of a value; a size with a name is the number of images. */
static int read_info(const checking *c, const Mn__ValueInfoProto *v, mn_onnx_shape *out) {
    const Mn__TypeProto__Tensor *t =
        v->type && v->type->value_case == MN__TYPE_PROTO__VALUE_TENSOR_TYPE ? v->type->tensor_type : NULL;
    if (!t || !t->shape || t->shape->n_dim > MN_ONNX_RANK) return bad(c, "no sizes, or too many, has the value", v->name);
    *out = (mn_onnx_shape){.type = t->elem_type, .rank = (int32_t)t->shape->n_dim};
    for (int32_t i = 0; i < out->rank; i++) {
        const Mn__TensorShapeProto__Dimension *d = t->shape->dim[i];
        const int named = d->value_case == MN__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        if (named ? i != 0 || strcmp(d->dim_param, "N") != 0
                  : d->value_case != MN__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE || d->dim_value < 1)
            return bad(c, "a size that is none has the value", v->name);
        out->dims[i] = named ? MN_ONNX_ANY : d->dim_value;
    }
    return 0;
}

static int same_shape(const mn_onnx_shape *a, const mn_onnx_shape *b) {
    return a->type == b->type && a->rank == b->rank && memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]) == 0;
}

/* What the file states of a value must be what was found. */
static int check_stated(checking *c, const Mn__ValueInfoProto *v) {
    mn_onnx_shape stated;
    const mn_onnx_shape *found = mn_map_get(&c->values, v->name);
    MN_TRY(read_info(c, v, &stated));
    if (!found) return bad(c, "nothing makes the value", v->name);
    if (mn_map_get(&c->stated, v->name)) return bad(c, "stated twice are the sizes of the value", v->name);
    MN_TRY(mn_map_put(c->ctx, &c->stated, v->name, c));
    return same_shape(found, &stated) ? 0 : bad(c, "other sizes, or another type, than stated has the value", v->name);
}

/* ---- initialisers -------------------------------------------------------------------------------------- */

static int add_tensor(checking *c, const Mn__TensorProto *t) {
    mn_onnx_shape s = {.type = t->data_type, .rank = (int32_t)t->n_dims};
    size_t n = t->data_type == MN__TENSOR_PROTO__DATA_TYPE__INT64 ? sizeof(int64_t) : sizeof(float);
    if (t->data_type != MN__TENSOR_PROTO__DATA_TYPE__INT64 && t->data_type != MN__TENSOR_PROTO__DATA_TYPE__FLOAT)
        return bad(c, "neither float nor int64 is the tensor", t->name);
    if (t->n_dims > MN_ONNX_RANK) return bad(c, "too many dimensions has the tensor", t->name);
    for (size_t i = 0; i < t->n_dims; i++) {
        s.dims[i] = t->dims[i];
        if (t->dims[i] < 1 || __builtin_mul_overflow(n, (size_t)t->dims[i], &n)) return bad(c, "no size has the tensor", t->name);
    }
    if (t->raw_data.len != n) return bad(c, "not as many bytes as its sizes say has the tensor", t->name);
    s.known = t->data_type == MN__TENSOR_PROTO__DATA_TYPE__INT64 && s.rank == 1 && s.dims[0] <= MN_ONNX_RANK;
    if (s.known) memcpy(s.ints, t->raw_data.data, n);
    return add_value(c, t->name, &s);
}

/* ---- nodes --------------------------------------------------------------------------------------------- */

/* Is NAME, with the mark of its kind, among the names of a rule? */
static int is_among(const char *attrs, const Mn__AttributeProto *a) {
    const size_t n = strlen(a->name);
    const char mark = a->type == MN__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS    ? '*'
                      : a->type == MN__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT ? '~'
                      : a->type == MN__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT   ? ' '
                                                                              : 0;
    for (const char *at = attrs; n && mark && *at; at = strchr(at, ' ') + 1)
        if (strncmp(at, a->name, n) == 0 && at[n] == mark) return 1;
    return 0;
}

static int check_attributes(const mn_onnx_site *s, const mn_onnx_rule *rule) {
    for (size_t i = 0; i < s->node->n_attribute; i++) {
        const Mn__AttributeProto *a = s->node->attribute[i];
        if (rule && !is_among(rule->attrs, a)) return mn_onnx_bad(s, "it has no attribute '%.80s' of this type", a->name);
        if (mn_onnx_attribute(s->node, a->name) != a) return mn_onnx_bad(s, "attribute '%.80s' twice", a->name);
    }
    return 0;
}

static int check_inputs(const mn_onnx_site *s, const mn_onnx_rule *rule) {
    const size_t n_types = strlen(rule->types);
    if (s->n_in < (size_t)rule->least || s->n_in > (size_t)rule->most)
        return mn_onnx_bad(s, "%zu inputs, wanted %d to %d", s->n_in, rule->least, rule->most);
    for (size_t i = 0; i < s->n_in; i++) {
        const char type = rule->types[i < n_types ? i : n_types - 1];
        if (!s->in[i] && (i < (size_t)rule->least || rule->most == INT32_MAX)) return mn_onnx_bad(s, "input %zu is left out", i);
        if (!s->in[i] || type == 'x') continue;
        if (s->in[i]->type != (type == 'f' ? MN__TENSOR_PROTO__DATA_TYPE__FLOAT : MN__TENSOR_PROTO__DATA_TYPE__INT64))
            return mn_onnx_bad(s, "input %zu is of type %d", i, s->in[i]->type);
    }
    return 0;
}

/* Ours: the node says the sizes itself. */
static int custom(const mn_onnx_site *s, mn_onnx_shape *out) {
    const Mn__AttributeProto *a = mn_onnx_attribute(s->node, "shape");
    if (!a || a->n_ints != 4) return mn_onnx_bad(s, "no shape of 4 sizes");
    out->rank = 4;
    for (int i = 0; i < 4; i++) {
        out->dims[i] = a->ints[i];
        if (a->ints[i] < 1 && (i || a->ints[i] != MN_ONNX_ANY)) return mn_onnx_bad(s, "size %d is %lld", i, (long long)a->ints[i]);
    }
    return 0;
}

static int infer(const checking *c, const mn_onnx_site *s, mn_onnx_shape *out) {
    const int ours = strcmp(s->node->domain, MN_ONNX_DOMAIN) == 0;
    const mn_onnx_rule *rule = ours ? NULL : mn_onnx_rule_of(s->node->op_type, c->opset);
    if (s->node->domain[0] && !ours) return mn_onnx_bad(s, "domain '%.80s' is not known", s->node->domain);
    if (ours && !c->custom) return mn_onnx_bad(s, "domain '%s' is not imported", MN_ONNX_DOMAIN);
    if (!ours && !rule) return mn_onnx_bad(s, "no operator of opset %lld", (long long)c->opset);
    MN_TRY(check_attributes(s, rule));
    if (ours) return custom(s, out);
    MN_TRY(check_inputs(s, rule));
    return rule->infer(s, out);
}

static int check_node(checking *c, const Mn__NodeProto *node) {
    mn_onnx_shape out = {.type = MN__TENSOR_PROTO__DATA_TYPE__FLOAT};
    const mn_onnx_shape **in = mn_alloc(c->ctx, node->n_input, sizeof *in);
    const mn_onnx_site site = {c->ctx, c->file, node, in, node->n_input};
    int rc = in ? 0 : MODNAS_ENOMEM;
    for (size_t i = 0; i < node->n_input && !rc; i++) {
        in[i] = mn_map_get(&c->values, node->input[i]);
        if (!in[i] && node->input[i][0]) rc = mn_onnx_bad(&site, "nothing before it makes '%.200s'", node->input[i]);
    }
    if (!rc && (!node->name[0] || mn_map_get(&c->nodes, node->name))) rc = mn_onnx_bad(&site, "the name is no name, or taken");
    if (!rc && node->n_output != 1) rc = mn_onnx_bad(&site, "%zu outputs", node->n_output);
    if (!rc) rc = mn_map_put(c->ctx, &c->nodes, node->name, c);
    if (!rc) rc = infer(c, &site, &out);
    mn_free(c->ctx, in);
    return rc ? rc : add_value(c, node->output[0], &out);
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

static int check_graph(checking *c, const Mn__GraphProto *g) {
    mn_onnx_shape s;
    if (!g->name[0]) return bad(c, "there is no name of the graph", "");
    if (g->n_input != 1 || g->n_output != 1)
        return mn_fail(c->ctx, MODNAS_EFORMAT, "%s: %zu inputs and %zu outputs, wanted one of each", c->file, g->n_input,
                       g->n_output);
    MN_TRY(read_info(c, g->input[0], &s));
    MN_TRY(add_value(c, g->input[0]->name, &s));
    for (size_t i = 0; i < g->n_initializer; i++) MN_TRY(add_tensor(c, g->initializer[i]));
    for (size_t i = 0; i < g->n_node; i++) MN_TRY(check_node(c, g->node[i]));
    MN_TRY(check_stated(c, g->output[0]));
    for (size_t i = 0; i < g->n_value_info; i++) MN_TRY(check_stated(c, g->value_info[i]));
    return 0;
}

static int check_versions(checking *c) {
    const Mn__ModelProto *m = c->model;
    for (size_t i = 0; i < m->n_opset_import; i++) {
        const Mn__OperatorSetIdProto *o = m->opset_import[i];
        if (!o->domain[0] && !c->opset)
            c->opset = o->version;
        else if (strcmp(o->domain, MN_ONNX_DOMAIN) == 0 && !c->custom && o->version == 1)
            c->custom = 1;
        else
            return bad(c, "not known, or imported twice, is the domain", o->domain);
    }
    if (m->ir_version < 7 || m->ir_version > 10 || c->opset < MN_ONNX_OPSET_LEAST || c->opset > MN_ONNX_OPSET_MOST)
        return mn_fail(c->ctx, MODNAS_EFORMAT, "%s: version %lld of the format with opset %lld", c->file,
                       (long long)m->ir_version, (long long)c->opset);
    return m->graph ? check_graph(c, m->graph) : bad(c, "there is no graph in", c->file);
}

static int check_metadata(const checking *c) {
    mn_map keys = {0};
    int rc = 0;
    for (size_t i = 0; i < c->model->n_metadata_props && !rc; i++) {
        const char *key = c->model->metadata_props[i]->key;
        rc = mn_map_get(&keys, key) ? bad(c, "twice in the metadata is", key) : mn_map_put(c->ctx, &keys, key, &keys);
    }
    mn_map_free(c->ctx, &keys);
    return rc;
}

/* protobuf-c's memory comes from the context; failed: there was none. */
typedef struct memory {
    modnas_ctx *ctx;
    int failed;
} memory;

static void *take(void *data, size_t bytes) {
    memory *m = data;
    void *p = mn_alloc(m->ctx, bytes, 1);
    if (!p) m->failed = 1;
    return p;
}

static void give(void *data, void *p) {
    mn_free(((memory *)data)->ctx, p);
}

int mn_onnx_look(modnas_ctx *ctx, const void *bytes, size_t n, const char *name, mn_str *facts) {
    memory m = {ctx, 0};
    ProtobufCAllocator allocator = {take, give, &m};
    Mn__ModelProto *model = mn__model_proto__unpack(&allocator, n, bytes);
    if (!model) return m.failed ? MODNAS_ENOMEM : mn_fail(ctx, MODNAS_EFORMAT, "%s: no ONNX file", name);
    checking c = {.ctx = ctx, .file = name, .model = model};
    mn_vec_init(&c.shapes, sizeof(mn_onnx_shape *));
    int rc = check_versions(&c);
    if (!rc) rc = check_metadata(&c);
    if (!rc && facts) rc = mn_onnx_describe(model, c.opset, facts);
    for (size_t i = 0; i < c.shapes.n; i++) mn_free(ctx, MN_AT(c.shapes, mn_onnx_shape *, i));
    mn_vec_free(ctx, &c.shapes);
    mn_map_free(ctx, &c.values);
    mn_map_free(ctx, &c.nodes);
    mn_map_free(ctx, &c.stated);
    mn__model_proto__free_unpacked(model, &allocator);
    return rc;
}

int mn_onnx_check(modnas_ctx *ctx, const void *bytes, size_t n, const char *name) {
    return mn_onnx_look(ctx, bytes, n, name, NULL);
}
