/* Exporters of mixed ops (nested.c has those of nested layers): the most probable candidates, by Slot or by mixed op.
 *
 *   by Slot        [null, ["MB3E6"], ...]     null: no mixed op; a choice by index is a plain string; one text where
 *                                             the model writes its architectures as digits
 *   by mixed op    [["MB3E6"], ...]
 *   by module      {"conv_first": {}, "blocks": {"0": {"conv": ["MB3E6"]}}, ...}     at a Slot as by Slot */
#include "export/parts.h"
#include "space/nested.h"

/* Append a child that may be NULL for lack of memory. */
static int append(modnas_ctx *ctx, mn_node *list, mn_node *child) {
    return child ? mn_node_add(ctx, list, child) : MODNAS_ENOMEM;
}

/* ---- mixed ops ----------------------------------------------------------------------------------------- */

typedef struct top_kind { /* data of a row */
    int (*run)(mn_exporter *e, mn_model *model, mn_node **desc);
} top_kind;

typedef struct top_state {
    int32_t k; /* 0: not said */
} top_state;

/* ["name of the best", ...], or the plain name that an index holds. */
int mn_export_mixed(const mn_mixed *m, int32_t k, mn_node **out) {
    modnas_ctx *ctx = m->module->model->ctx;
    if (m->param->type == MN_CATEGORICAL) {
        *out = mn_node_copy(ctx, m->param->choices->items[m->param->index]);
        return *out ? 0 : MODNAS_ENOMEM;
    }
    k = k < 1 ? 1 : k > m->n ? m->n : k;
    int32_t *index = mn_alloc(ctx, (size_t)k, sizeof *index);
    mn_node *list = mn_node_new(ctx, MN_SEQ);
    int rc = index && list ? mn_mixed_top(m, k, index) : MODNAS_ENOMEM;
    for (int32_t i = 0; i < k && !rc; i++) rc = append(ctx, list, mn_node_str(ctx, mn_mixed_candidate(m, index[i])));
    mn_free(ctx, index);
    if (rc)
        mn_node_free(ctx, list);
    else
        *out = list;
    return rc;
}

static int run_mixed(mn_exporter *e, mn_model *model, mn_node **desc) {
    const top_state *s = e->state;
    mn_node *list = mn_node_new(e->ctx, MN_SEQ);
    int rc = list ? 0 : MODNAS_ENOMEM;
    for (int32_t i = 0; i < mn_model_n_mixed(model) && !rc; i++) {
        mn_node *item = NULL;
        rc = mn_export_mixed(mn_model_mixed(model, i), s->k, &item);
        if (!rc) rc = append(e->ctx, list, item);
    }
    if (rc)
        mn_node_free(e->ctx, list);
    else
        *desc = list;
    return rc;
}

/* ---- Slots --------------------------------------------------------------------------------------------- */

/* null: no mixed op. */
int mn_export_slot(const mn_slot *slot, int32_t k, mn_node **out) {
    const mn_mixed *m = slot->entity ? mn_mixed_of(slot->entity) : NULL;
    const mn_nested *n = slot->entity ? mn_nested_of(slot->entity) : NULL;
    if (m) return mn_export_mixed(m, k, out);
    if (n) return mn_export_nested(n, k, out);
    *out = mn_node_new(slot->module->model->ctx, MN_NULL);
    return *out ? 0 : MODNAS_ENOMEM;
}

static int run_slots(mn_exporter *e, mn_model *model, mn_node **desc) {
    const top_state *s = e->state;
    mn_node *list = mn_node_new(e->ctx, MN_SEQ);
    int rc = list ? 0 : MODNAS_ENOMEM;
    for (size_t i = 0; i < model->slots.n && !rc; i++) {
        const mn_slot *slot = mn_model_slot(model, i);
        mn_node *item = NULL;
        if (mn_slot_is_nested(slot)) continue; /* exported by whatever holds it */
        rc = mn_export_slot(slot, s->k, &item);
        if (!rc) rc = append(e->ctx, list, item);
    }
    mn_node *text = NULL;
    if (!rc) rc = mn_digits_write(model, list, &text);
    if (rc || text) mn_node_free(e->ctx, list);
    if (!rc) *desc = text ? text : list;
    return rc;
}

/* ---- modules ------------------------------------------------------------------------------------------- */

static int module_desc(mn_module *m, int32_t k, mn_node **out) {
    modnas_ctx *ctx = m->model->ctx;
    const mn_slot *slot = mn_slot_of(m);
    if (slot) return mn_export_slot(slot, k, out);
    mn_node *map = mn_node_new(ctx, MN_MAP);
    int rc = map ? 0 : MODNAS_ENOMEM;
    for (size_t i = 0; i < m->children.n && !rc; i++) {
        mn_module *child = MN_AT(m->children, mn_module *, i);
        mn_node *item = NULL;
        rc = module_desc(child, k, &item);
        if (!rc) rc = mn_node_push(ctx, map, child->name, item);
    }
    if (rc)
        mn_node_free(ctx, map);
    else
        *out = map;
    return rc;
}

static int run_modules(mn_exporter *e, mn_model *model, mn_node **desc) {
    const int32_t k = ((const top_state *)e->state)->k;
    if (!model->root) return mn_fail(e->ctx, MODNAS_EINVAL, "there is no network whose modules could be exported");
    return model->cells ? mn_export_cells(model, k, desc) : module_desc(model->root, k, desc);
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

/* fn_args: {k: n} */
static int build_top(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_node *fn_args = mn_args_node(args, "fn_args"), *k = fn_args ? mn_node_get(fn_args, "k") : NULL;
    const top_kind *kind = c->data;
    (void)env;
    if (fn_args && fn_args->n > (k ? 1u : 0u)) return mn_args_fail(args, "fn_args", "only k is known");
    if (k && (k->kind != MN_INT || k->i < 1 || k->i > 1 << 20))
        return mn_args_fail(args, "fn_args", "k is no whole number from 1 on");
    mn_exporter *e;
    MN_TRY(mn_exporter_new(args->ctx, sizeof(top_state), kind->run, &e));
    ((top_state *)e->state)->k = k ? (int32_t)k->i : 0;
    *(mn_exporter **)out = e;
    return 0;
}

#define END                                                                                                            \
    { NULL, 0, NULL, NULL, NULL }

static const mn_arg_def slot_args[] = {
    {"export_fn", MN_ARG_STR, "to_arch_desc", NULL, "accepted and not used"},
    {"fn_args", MN_ARG_MAP, "null", NULL, "{k: n}: the n most probable candidates (1), of a DAGLayer edges a node (2)"},
    {"gen", MN_ARG_ANY, "null", NULL, "accepted and not used"},
    END};
static const mn_arg_def tree_args[] = {
    {"export_fn", MN_ARG_STR, "to_arch_desc", NULL, "accepted and not used"},
    {"fn_args", MN_ARG_MAP, "null", NULL, "{k: n}: the n most probable candidates (1), of a DAGLayer edges a node (2)"},
    END};
static const mn_arg_def mixed_args[] = {
    {"fn_args", MN_ARG_MAP, "null", NULL, "{k: n}: the n most probable candidates (1), of a DAGLayer edges a node (2)"}, END};

static const mn_component rows[] = {
    {"export", "DefaultSlotTraversalExporter", "one item a Slot", slot_args, build_top, &(const top_kind){run_slots}},
    {"export", "DefaultMixedOpExporter", "one item a mixed op", mixed_args, build_top, &(const top_kind){run_mixed}},
    {"export", "DefaultRecursiveExporter", "one item a Slot, by the names of modules", tree_args, build_top,
     &(const top_kind){run_modules}},
};

int mn_export_tops_register(modnas_ctx *ctx) {
    return mn_registry_add_all(ctx, rows, MN_COUNT(rows));
}
