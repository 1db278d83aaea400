/* Nested layers as their descriptions (space/nested_desc.c says what they look like). */
#include "export/parts.h"
#include "space/nested.h"

/* Append a child that may be NULL for lack of memory. */
static int append(modnas_ctx *ctx, mn_node *list, mn_node *child) {
    return child ? mn_node_add(ctx, list, child) : MODNAS_ENOMEM;
}

/* The name, or a list of it; null without one. */
static int name_node(modnas_ctx *ctx, const char *name, int in_list, mn_node **out) {
    mn_node *list = name && in_list ? mn_node_new(ctx, MN_SEQ) : NULL;
    mn_node *text = name ? mn_node_str(ctx, name) : mn_node_new(ctx, MN_NULL);
    if (!text || (name && in_list && !list)) {
        mn_node_free(ctx, list);
        mn_node_free(ctx, text);
        return MODNAS_ENOMEM;
    }
    *out = list ? list : text;
    return list ? mn_node_add(ctx, list, text) : 0;
}

/* What stands in an edge's Slot: a name, a description, or null for the backbone's own. */
static int edge_op(const mn_nested *n, const mn_slot *slot, int32_t option, int32_t k, mn_node **out) {
    const mn_mixed *m = slot->entity ? mn_mixed_of(slot->entity) : NULL;
    const mn_nested *inner = slot->entity ? mn_nested_of(slot->entity) : NULL;
    if (inner) return mn_export_nested(inner, k, out);
    return name_node(n->module->model->ctx, m ? mn_mixed_candidate(m, option) : slot->op, !n->is_chains, out);
}

static int add_states(const mn_nested *n, const mn_edge *e, mn_node *to) {
    modnas_ctx *ctx = n->module->model->ctx;
    mn_node *states = mn_node_new(ctx, MN_SEQ);
    MN_TRY(append(ctx, to, states));
    for (int32_t i = 0; i < e->n_sources; i++)
        MN_TRY(append(ctx, states, mn_node_int(ctx, MN_AT(n->sources, mn_source, (size_t)(e->source + i)).state)));
    return 0;
}

/* [operator, [states], node]; takes op. */
static int dag_edge(const mn_nested *n, const mn_edge *e, mn_node *op, mn_node **out) {
    modnas_ctx *ctx = n->module->model->ctx;
    mn_node *edge = mn_node_new(ctx, MN_SEQ);
    if (!edge) {
        mn_node_free(ctx, op);
        return MODNAS_ENOMEM;
    }
    int rc = mn_node_add(ctx, edge, op);
    if (!rc) rc = add_states(n, e, edge);
    if (!rc) rc = append(ctx, edge, mn_node_int(ctx, e->node));
    if (rc)
        mn_node_free(ctx, edge);
    else
        *out = edge;
    return rc;
}

static int add_row(const mn_nested *n, int32_t row, int32_t k, const int32_t *keep, const int32_t *option, mn_node *list) {
    modnas_ctx *ctx = n->module->model->ctx;
    for (size_t i = 0; i < n->edges.n; i++) {
        const mn_edge *e = &MN_AT(n->edges, mn_edge, i);
        mn_node *op, *item;
        if (e->row != row || !keep[i]) continue;
        MN_TRY(edge_op(n, mn_slot_of(e->module), option[i], k, &op));
        item = op;
        if (!n->is_chains) MN_TRY(dag_edge(n, e, op, &item));
        MN_TRY(mn_node_add(ctx, list, item));
    }
    return 0;
}

static int add_rows(const mn_nested *n, int32_t k, const int32_t *keep, const int32_t *option, mn_node *desc) {
    modnas_ctx *ctx = n->module->model->ctx;
    for (int32_t r = 0; r < n->n_rows; r++) {
        mn_node *row = mn_node_new(ctx, MN_SEQ);
        int rc = row ? add_row(n, r, k, keep, option, row) : MODNAS_ENOMEM;
        if (rc) {
            mn_node_free(ctx, row);
            return rc;
        }
        MN_TRY(mn_node_add(ctx, desc, row));
    }
    return 0;
}

int mn_export_nested(const mn_nested *n, int32_t k, mn_node **out) {
    modnas_ctx *ctx = n->module->model->ctx;
    int32_t *keep = mn_alloc(ctx, 2 * n->edges.n, sizeof *keep), *option = keep + n->edges.n;
    mn_node *desc = mn_node_new(ctx, MN_SEQ);
    int rc = keep && desc ? mn_nested_choose(n, k < 1 ? MN_NESTED_K : k, keep, option) : MODNAS_ENOMEM;
    if (!rc) rc = add_rows(n, k, keep, option, desc);
    mn_free(ctx, keep);
    if (rc)
        mn_node_free(ctx, desc);
    else
        *out = desc;
    return rc;
}

int mn_export_cells(mn_model *model, int32_t k, mn_node **out) {
    mn_node *list = mn_node_new(model->ctx, MN_SEQ);
    int rc = list ? 0 : MODNAS_ENOMEM;
    for (size_t i = 0; model->cells[i] && !rc; i++) {
        const mn_nested *n = mn_nested_find(model, model->cells[i]);
        mn_node *cell = NULL;
        if (n)
            rc = mn_export_nested(n, k, &cell);
        else
            cell = mn_node_new(model->ctx, MN_SEQ);
        if (!rc) rc = append(model->ctx, list, cell);
    }
    if (rc)
        mn_node_free(model->ctx, list);
    else
        *out = list;
    return rc;
}
