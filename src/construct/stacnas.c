/* StacNASArchDescSearchConstructor: the second stage of StacNAS (Li et al. 2019). The first stage has searched with one
 * operator for each group of similar ones; here each Slot gets a mixed op of the group that was found for it:
 *
 *   arch_desc: [[SC3], [AVG], [IDT]]     candidates_map: {SC3: [SC3, SC5, DC3], AVG: [AVG, MAX]}
 *
 * An operator that is in no group stays as it is. Edges of one name and one group share their parameter, as in cells. */
#include "construct/parts.h"

typedef struct second_stage {
    const mn_node *groups, *spec;
    mn_map params; /* label of an edge and its group -> mn_arch_param * */
} second_stage;

/* "normal_3 SC3"; NULL for a Slot without a label. */
static char *key_of(const mn_slot *slot, const char *op) {
    mn_str key = {.ctx = slot->module->model->ctx};
    if (!slot->label) return NULL;
    mn_str_addf(&key, "%s %s", slot->label, op);
    char *text = mn_str_take(&key);
    mn_str_free(&key);
    return text;
}

static int fill_group(second_stage *x, mn_slot *slot, const mn_node *group, const char *op) {
    mn_model *model = slot->module->model;
    char *key = key_of(slot, op);
    const mn_mixed_env env = {model, slot, group, key ? mn_map_get(&x->params, key) : NULL};
    mn_module *entity = NULL;
    int rc = slot->label && !key ? MODNAS_ENOMEM : mn_mixed_build(model, x->spec, &env, &entity);
    if (!rc) rc = mn_slot_fill(slot, entity, NULL);
    if (!rc && key && !env.shared) rc = mn_map_put(model->ctx, &x->params, key, mn_mixed_of(entity)->param);
    mn_free(model->ctx, key);
    return rc;
}

static int fill_item(mn_slot *slot, const mn_node *item, void *ud) {
    second_stage *x = ud;
    const mn_node *first = item->kind == MN_SEQ && item->n == 1 ? item->items[0] : item,
                  *group = first->kind == MN_STR ? mn_node_get(x->groups, first->text) : NULL;
    return group ? fill_group(x, slot, group, first->text) : mn_fill_item(slot, item);
}

/* Each value is a list of candidates, or a map of them. */
static int check_groups(const mn_args *args, const mn_node *groups) {
    for (size_t i = 0; i < groups->n; i++) {
        const mn_node *group = groups->items[i];
        if ((group->kind != MN_SEQ && group->kind != MN_MAP) || !group->n)
            return mn_args_fail(args, "candidates_map", "%.80s: a list of candidates is wanted", groups->keys[i]);
    }
    return 0;
}

static int run(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_construct_env *)env)->model;
    second_stage x = {.groups = mn_args_node(args, "candidates_map"), .spec = mn_args_node(args, "mixed_op")};
    mn_node *desc;
    (void)c, (void)out;
    if (!model->root) return mn_args_fail(args, "arch_desc", "the configuration has no model to build it in");
    MN_TRY(check_groups(args, x.groups));
    MN_TRY(mn_arch_items(model, mn_args_node(args, "arch_desc"), &desc));
    const int rc = mn_each_item(model, desc, fill_item, &x);
    mn_map_free(model->ctx, &x.params);
    mn_node_free(model->ctx, desc);
    return rc;
}

static const mn_arg_def args_of[] = {
    {"arch_desc", MN_ARG_ANY, NULL, NULL, "what the first stage found: a list, a path that ends in .yaml, .yml or .json, or YAML text"},
    {"candidates_map", MN_ARG_MAP, NULL, NULL, "map from an operator to the candidates of its group"},
    {"mixed_op", MN_ARG_SPEC, "SoftmaxSumMixedOp", "mixed_op", "how these are mixed"},
    {NULL, 0, NULL, NULL, NULL}};

static const mn_component row = {"construct", "StacNASArchDescSearchConstructor",
                                 "a search inside of the groups of operators that a first one found", args_of, run, NULL};

int mn_construct_stacnas_register(modnas_ctx *ctx) {
    return mn_registry_add(ctx, &row);
}
