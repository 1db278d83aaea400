/* What is in an ONNX file, for a person: versions, input and output, nodes by operator, weights, metadata. */
#include "export/onnx_check.h"

static const char *type_name(int32_t type) {
    static const struct {
        int32_t type;
        const char *name;
    } names[] = {{MN__TENSOR_PROTO__DATA_TYPE__FLOAT, "float"},
                 {MN__TENSOR_PROTO__DATA_TYPE__UINT8, "uint8"},
                 {MN__TENSOR_PROTO__DATA_TYPE__INT64, "int64"}};
    for (size_t i = 0; i < MN_COUNT(names); i++)
        if (names[i].type == type) return names[i].name;
    return "other";
}

/* "  input input: float (N, 3, 32, 32)" */
static void add_value(mn_str *s, const char *what, const Mn__ValueInfoProto *v) {
    const Mn__TypeProto__Tensor *t = v->type->tensor_type;
    mn_str_addf(s, "  %s %s: %s (", what, v->name, type_name(t->elem_type));
    for (size_t i = 0; i < t->shape->n_dim; i++) {
        const Mn__TensorShapeProto__Dimension *d = t->shape->dim[i];
        const int named = d->value_case == MN__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        if (named)
            mn_str_addf(s, "%s%s", i ? ", " : "", d->dim_param);
        else
            mn_str_addf(s, "%s%lld", i ? ", " : "", (long long)d->dim_value);
    }
    mn_str_add(s, ")\n");
}

/* Operator -> how often. */
static int count_ops(modnas_ctx *ctx, const Mn__GraphProto *g, mn_map *ops) {
    int rc = 0;
    for (size_t i = 0; i < g->n_node && !rc; i++) {
        const Mn__NodeProto *n = g->node[i];
        mn_str name = {.ctx = ctx};
        mn_str_addf(&name, "%s%s%s", n->domain, n->domain[0] ? "." : "", n->op_type);
        const uintptr_t before = name.failed ? 0 : (uintptr_t)mn_map_get(ops, name.text);
        rc = name.failed ? MODNAS_ENOMEM : mn_map_put(ctx, ops, name.text, (void *)(before + 1));
        mn_str_free(&name);
    }
    return rc;
}

static int add_nodes(const Mn__GraphProto *g, mn_str *s) {
    mn_map ops = {0};
    const int rc = count_ops(s->ctx, g, &ops);
    mn_str_addf(s, "  %zu node%s", g->n_node, g->n_node == 1 ? "" : "s");
    for (size_t i = 0; i < ops.n && !rc; i++) {
        void *count;
        const char *name = mn_map_key(&ops, i, &count);
        mn_str_addf(s, "%s%s x %zu", i ? ", " : ": ", name, (size_t)(uintptr_t)count);
    }
    mn_str_add(s, "\n");
    mn_map_free(s->ctx, &ops);
    return rc;
}

static void add_weights(const Mn__GraphProto *g, mn_str *s) {
    unsigned long long values = 0;
    for (size_t i = 0; i < g->n_initializer; i++) {
        const Mn__TensorProto *t = g->initializer[i];
        if (t->data_type == MN__TENSOR_PROTO__DATA_TYPE__FLOAT) values += t->raw_data.len / sizeof(float);
    }
    mn_str_addf(s, "  %zu initialiser%s, %llu parameters\n", g->n_initializer, g->n_initializer == 1 ? "" : "s", values);
}

int mn_onnx_describe(const Mn__ModelProto *m, int64_t opset, mn_str *s) {
    const Mn__GraphProto *g = m->graph;
    mn_str_addf(s, "  version %lld of the format, opset %lld", (long long)m->ir_version, (long long)opset);
    for (size_t i = 0; i < m->n_opset_import; i++)
        if (m->opset_import[i]->domain[0]) mn_str_addf(s, ", domain %s", m->opset_import[i]->domain);
    if (m->producer_name[0]) mn_str_addf(s, ", by %s %s", m->producer_name, m->producer_version);
    mn_str_add(s, "\n");
    for (size_t i = 0; i < g->n_input; i++) add_value(s, "input", g->input[i]);
    for (size_t i = 0; i < g->n_output; i++) add_value(s, "output", g->output[i]);
    MN_TRY(add_nodes(g, s));
    add_weights(g, s);
    for (size_t i = 0; i < m->n_metadata_props; i++)
        mn_str_addf(s, "  %s: %s\n", m->metadata_props[i]->key, m->metadata_props[i]->value);
    return 0;
}
