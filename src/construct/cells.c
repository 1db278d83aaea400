/* DARTSSearchConstructor: mixed ops on the edges of cells. Edges of one name share their architecture parameter: all
 * cells of a kind are alike. */
#include "construct/parts.h"

typedef struct mixing {
    const mn_node *spec, *candidates;
    mn_map params; /* label -> mn_arch_param * */
} mixing;

static int fill_edge(mn_slot *slot, void *ud) {
    mixing *x = ud;
    mn_model *model = slot->module->model;
    const mn_mixed_env env = {model, slot, x->candidates, slot->label ? mn_map_get(&x->params, slot->label) : NULL};
    mn_module *entity;
    MN_TRY(mn_mixed_build(model, x->spec, &env, &entity));
    MN_TRY(mn_slot_fill(slot, entity, NULL));
    if (!slot->label || env.shared) return 0;
    return mn_map_put(model->ctx, &x->params, slot->label, mn_mixed_of(entity)->param);
}

static int run(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_construct_env *)env)->model;
    mixing x = {.spec = mn_args_node(args, "mixed_op"), .candidates = mn_args_node(args, "candidates")};
    (void)c, (void)out;
    if (!model->root) return mn_args_fail(args, "candidates", "the configuration has no model to put them in");
    const int rc = mn_each_empty_slot(model, fill_edge, &x);
    mn_map_free(model->ctx, &x.params);
    return rc;
}

static const mn_arg_def args_of[] = {
    {"candidates", MN_ARG_SPECS, NULL, "candidate", "operators of every edge: a list of names, or a map name -> spec"},
    {"mixed_op", MN_ARG_SPEC, NULL, "mixed_op", "how they are mixed"},
    {"candidate_args", MN_ARG_MAP, "{}", NULL, "accepted and not used: the candidates here have no arguments"},
    {NULL, 0, NULL, NULL, NULL}};

static const mn_component row = {
    "construct", "DARTSSearchConstructor", "mixed ops in cells; edges of one name share their parameter", args_of, run,
    NULL};

int mn_construct_cells_register(modnas_ctx *ctx) {
    return mn_registry_add(ctx, &row);
}
