/* DefaultRecursiveArchDescConstructor: an architecture by the names of modules, as DefaultRecursiveExporter writes it.
 *
 *   {conv_first: {}, bottlenecks: {Bottlenecks_0: {MobileInvertedResidualBlock_0_0: {conv: [MB3E3]}}}, ...}
 *
 * What stands at a Slot is what an item of a list is there (arch_desc.c); a map that is no spec means the backbone's
 * own operator. Modules that are left out are left alone. One operator instead of the map goes into every empty Slot.
 */
#include <string.h>

#include "construct/parts.h"
#include "space/nested.h"

static int fail_at(mn_module *m, const mn_node *item, const char *what, const char *name) {
    modnas_ctx *ctx = m->model->ctx;
    mn_str path = {.ctx = ctx};
    char where[256];
    int rc = mn_module_path(m, &path);
    if (!rc)
        rc = mn_fail(ctx, MODNAS_ECONFIG, "%s: arch_desc: %s '%s' %s '%.80s'", mn_node_where(item, where, sizeof where),
                     path.n ? "module" : "model", path.n ? path.text : m->model->type, what, name);
    mn_str_free(&path);
    return rc;
}

/* A tree that was written from a Slot with the backbone's own operator: {ent: {...}}. */
static int is_own(const mn_node *item) {
    return item->kind == MN_MAP && !mn_node_get(item, "type");
}

static int fill_tree(mn_module *m, const mn_node *desc) {
    for (size_t i = 0; i < desc->n; i++) {
        const mn_node *item = desc->items[i];
        mn_module *child = mn_module_child(m, desc->keys[i]);
        if (!child) return fail_at(m, item, "has no part", desc->keys[i]);
        mn_slot *slot = mn_slot_of(child);
        const mn_nested *nested = slot && slot->entity ? mn_nested_of(slot->entity) : NULL;
        if (slot && (!slot->entity || (nested && mn_nested_is_open(nested)))) {
            MN_TRY(is_own(item) ? mn_fill_predefined(slot) : mn_fill_item(slot, item));
        } else if (!slot && item->kind == MN_MAP) {
            MN_TRY(fill_tree(child, item));
        } else if (!slot && item->kind != MN_NULL) {
            return fail_at(m, item, "has no Slot", desc->keys[i]);
        }
    }
    return 0;
}

static int fill_same(mn_slot *slot, void *ud) {
    return mn_fill_item(slot, ud);
}

static int run_tree(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_construct_env *)env)->model;
    mn_node *desc;
    char where[256];
    (void)c, (void)out;
    if (!model->root) return mn_args_fail(args, "arch_desc", "the configuration has no model to build it in");
    MN_TRY(mn_arch_desc_load(model->ctx, mn_args_node(args, "arch_desc"), &desc));
    int rc;
    if (mn_cells_describe(model, desc))
        rc = mn_fill_cells(model, desc);
    else if (desc->kind == MN_MAP && !mn_node_get(desc, "type"))
        rc = fill_tree(model->root, desc);
    else if (desc->kind == MN_SEQ && desc->n != 1)
        rc = mn_fail(model->ctx, MODNAS_ECONFIG, "%s: arch_desc is a list of %zu, wanted a map by names of modules",
                     mn_node_where(desc, where, sizeof where), desc->n);
    else
        rc = mn_each_empty_slot(model, fill_same, desc);
    mn_node_free(model->ctx, desc);
    return rc;
}

static const mn_arg_def args_of[] = {
    {"arch_desc", MN_ARG_ANY, NULL, NULL, "a map by names of modules or one operator; also as a path or YAML text"},
    {"parse_args", MN_ARG_MAP, "null", NULL, "accepted and not used"},
    {"construct_fn", MN_ARG_STR, "build_from_arch_desc", NULL, "accepted and not used"},
    {"fn_args", MN_ARG_MAP, "null", NULL, "accepted and not used"},
    {"substitute", MN_ARG_BOOL, "false", NULL, "accepted and not used"},
    {"skip_exist", MN_ARG_BOOL, "true", NULL, "accepted: filled Slots are left alone"},
    {NULL, 0, NULL, NULL, NULL}};

static const mn_component row = {
    "construct", "DefaultRecursiveArchDescConstructor", "an architecture by the names of modules", args_of, run_tree,
    NULL};

int mn_construct_arch_tree_register(modnas_ctx *ctx) {
    return mn_registry_add(ctx, &row);
}
