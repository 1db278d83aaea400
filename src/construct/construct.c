/* From a configuration to a model.
 *
 *   init -> model -> mixed_op -> arch_desc -> entries of `construct` with other names, in the order of the file
 *   -> Slots that all stayed empty get the backbone's own operators -> initialisers -> commit -> weights from files
 *
 * The first ones are implied by top-level keys; entries of `construct` with the same names override or complete them.
 */
#include "construct/construct.h"

#include <stdio.h>
#include <string.h>

#include "config/forms.h"
#include "construct/parts.h"

/* ---- list of constructors ------------------------------------------------------------------------------ */

static int set_type(modnas_ctx *ctx, mn_node *spec, const char *type) {
    mn_node *text = mn_node_str(ctx, type);
    return text ? mn_node_set(ctx, spec, "type", text) : MODNAS_ENOMEM;
}

/* list[name] = {type, args: {}} with the place of `from`; *args is the args map. */
static int add_implied(modnas_ctx *ctx, mn_node *list, const char *name, const mn_node *from, mn_node **args) {
    mn_node *map = mn_node_new(ctx, MN_MAP);
    if (!map) return MODNAS_ENOMEM;
    int rc = from->file ? mn_node_place(ctx, map, from->file, from->line) : 0;
    if (rc) {
        mn_node_free(ctx, map);
        return rc;
    }
    MN_TRY(mn_node_set(ctx, list, name, map));
    MN_TRY(set_type(ctx, map, mn_implicit_constructor(name)));
    mn_node *empty = mn_node_new(ctx, MN_MAP);
    MN_TRY(empty ? mn_node_set(ctx, map, "args", empty) : MODNAS_ENOMEM);
    *args = empty;
    return 0;
}

static int set_copy(modnas_ctx *ctx, mn_node *map, const char *key, const mn_node *value) {
    mn_node *copy = mn_node_copy(ctx, value);
    return copy ? mn_node_set(ctx, map, key, copy) : MODNAS_ENOMEM;
}

static int imply_model(modnas_ctx *ctx, const mn_node *given, mn_node *list) {
    const char *type;
    const mn_node *model_args;
    mn_node *args;
    MN_TRY(mn_spec_parse(ctx, given, NULL, &type, &model_args));
    MN_TRY(add_implied(ctx, list, "model", given, &args));
    mn_node *name = mn_node_str(ctx, type);
    MN_TRY(name ? mn_node_set(ctx, args, "model_type", name) : MODNAS_ENOMEM);
    return model_args ? set_copy(ctx, args, "args", model_args) : 0;
}

static int imply_mixed_op(modnas_ctx *ctx, const mn_node *given, mn_node *list) {
    static const char *const extra[] = {"candidates", NULL};
    const char *type;
    const mn_node *op_args, *candidates = mn_node_get(given, "candidates");
    mn_node *args, *spec;
    MN_TRY(mn_spec_parse(ctx, given, extra, &type, &op_args));
    MN_TRY(add_implied(ctx, list, "mixed_op", given, &args));
    if (candidates) MN_TRY(set_copy(ctx, args, "candidates", candidates));
    MN_TRY(mn_spec_to_map(ctx, given, &spec));
    if (spec->kind == MN_MAP) mn_node_remove(ctx, spec, "candidates");
    return mn_node_set(ctx, args, "mixed_op", spec);
}

static int imply_arch_desc(modnas_ctx *ctx, const mn_node *given, mn_node *list) {
    mn_node *args;
    MN_TRY(add_implied(ctx, list, "arch_desc", given, &args));
    return set_copy(ctx, args, "arch_desc", given);
}

static int imply_chkpt(modnas_ctx *ctx, const mn_node *given, mn_node *list) {
    mn_node *args;
    MN_TRY(add_implied(ctx, list, "chkpt", given, &args));
    return set_copy(ctx, args, "path", given);
}

/* One entry of `construct` over what is there; null drops it. */
static int merge_entry(modnas_ctx *ctx, mn_node *list, const char *name, const mn_node *given) {
    mn_node *spec, *there = mn_node_get(list, name);
    if (given->kind == MN_NULL) {
        if (there) mn_node_remove(ctx, list, name);
        return 0;
    }
    MN_TRY(mn_spec_to_map(ctx, given, &spec));
    if (!there) return mn_node_set(ctx, list, name, spec);
    const int rc = mn_node_merge(ctx, there, spec);
    mn_node_free(ctx, spec);
    return rc;
}

static int imply_init(modnas_ctx *ctx, const mn_node *given, mn_node *list) {
    mn_node *args;
    MN_TRY(add_implied(ctx, list, "init", given, &args));
    return merge_entry(ctx, list, "init", given);
}

/* Entries of the implied names may have left their type out. */
static int complete(modnas_ctx *ctx, mn_node *list) {
    for (size_t i = 0; i < list->n; i++) {
        const char *type = mn_implicit_constructor(list->keys[i]);
        if (type && !mn_node_get(list->items[i], "type")) MN_TRY(set_type(ctx, list->items[i], type));
    }
    return 0;
}

static int fill_list(modnas_ctx *ctx, const mn_node *config, mn_node *list) {
    static const struct {
        const char *key;
        int (*imply)(modnas_ctx *ctx, const mn_node *given, mn_node *list);
    } implied[] = {
        {"init", imply_init}, {"model", imply_model}, {"mixed_op", imply_mixed_op}, {"arch_desc", imply_arch_desc}};
    const mn_node *own = mn_node_get(config, "construct"), *chkpt = mn_node_get(config, "chkpt");
    for (size_t i = 0; i < MN_COUNT(implied); i++) {
        const mn_node *given = mn_node_get(config, implied[i].key),
                      *over = own ? mn_node_get(own, implied[i].key) : NULL;
        if (given && given->kind != MN_NULL) MN_TRY(implied[i].imply(ctx, given, list));
        if (over) MN_TRY(merge_entry(ctx, list, implied[i].key, over));
    }
    for (size_t i = 0; own && own->kind == MN_MAP && i < own->n; i++) {
        size_t k = 0;
        while (k < MN_COUNT(implied) && strcmp(implied[k].key, own->keys[i]) != 0) k++;
        if (k == MN_COUNT(implied)) MN_TRY(merge_entry(ctx, list, own->keys[i], own->items[i]));
    }
    if (chkpt && chkpt->kind != MN_NULL && !mn_node_get(list, "chkpt")) MN_TRY(imply_chkpt(ctx, chkpt, list));
    return complete(ctx, list);
}

int mn_construct_list(modnas_ctx *ctx, const mn_node *config, mn_node **out) {
    mn_node *list = mn_node_new(ctx, MN_MAP);
    if (!list) return MODNAS_ENOMEM;
    const int rc = fill_list(ctx, config, list);
    if (rc)
        mn_node_free(ctx, list);
    else
        *out = list;
    return rc;
}

/* ---- running them -------------------------------------------------------------------------------------- */

static int32_t when(modnas_ctx *ctx, const char *type) {
    const mn_component *c = mn_registry_find(ctx, "construct", type);
    const mn_construct_row *row = c ? c->data : NULL;
    return row ? row->when : MN_IN_ORDER;
}

int mn_construct_run(mn_model *model, const mn_node *spec) {
    modnas_ctx *ctx = model->ctx;
    const mn_construct_env env = {.model = model};
    const char *type;
    const mn_node *args;
    MN_TRY(mn_spec_parse(ctx, spec, NULL, &type, &args));
    if ((when(ctx, type) == MN_WHEN_COMMITTED) != model->standing)
        return mn_fail(ctx, MODNAS_EINVAL, "%s is run %s a model is complete", type,
                       model->standing ? "before" : "after");
    return mn_registry_build(ctx, "construct", spec, NULL, NULL, &env, NULL);
}

static int run_list(mn_model *model, const mn_node *list, int32_t now) {
    const mn_construct_env env = {.model = model};
    for (size_t i = 0; i < list->n; i++) {
        const mn_node *type = mn_node_get(list->items[i], "type");
        if (when(model->ctx, type && type->kind == MN_STR ? type->text : "") == now)
            MN_TRY(mn_registry_build(model->ctx, "construct", list->items[i], NULL, NULL, &env, NULL));
    }
    return 0;
}

enum { MAX_NESTED = 16 }; /* Slots in operators in Slots ... */

/* Fill the empty Slots that may take the backbone's own operator, and those that are inside of these. */
static int fill_own(mn_model *model, int all) {
    for (int round = 0, n = 1; n && round < MAX_NESTED; round++) {
        const size_t n_slots = model->slots.n;
        n = 0;
        for (size_t i = 0; i < n_slots; i++) {
            mn_slot *s = mn_model_slot(model, i);
            if (s->entity || !mn_has_predefined(s) || !(all || mn_slot_is_nested(s))) continue;
            MN_TRY(mn_fill_predefined(s));
            n++;
        }
    }
    return 0;
}

/* Where no constructor filled a Slot the backbone's own operators stand, and so they do inside of what Slots were
 * filled with; a part that was left empty is a mistake. */
static int settle_slots(mn_model *model) {
    size_t n = 0;
    for (size_t i = 0; i < model->slots.n; i++) n += !mn_model_slot(model, i)->entity;
    if (n) MN_TRY(fill_own(model, n == model->slots.n));
    mn_slot *empty = mn_model_empty_slot(model);
    if (!empty) return 0;
    mn_str name = {.ctx = model->ctx};
    int rc = mn_slot_name(empty, &name);
    if (!rc)
        rc = mn_fail(model->ctx, MODNAS_ECONFIG, "%s of %s is empty: no constructor filled it", name.text, model->type);
    mn_str_free(&name);
    return rc;
}

/* A space without a network: there is nothing to run, as with `backend: none`. */
static int name_space(mn_model *model) {
    mn_backend_close(model->backend);
    model->backend = NULL;
    model->type = mn_strdup(model->ctx, "space");
    return model->type ? 0 : MODNAS_ENOMEM;
}

/* All but what works on parameters in memory. */
static int assemble(mn_model *model, const mn_node *list, int commit) {
    mn_space *space;
    MN_TRY(mn_space_of(model, &space));
    MN_TRY(run_list(model, list, MN_IN_ORDER));
    if (!model->root && !space->params.n) return mn_fail(model->ctx, MODNAS_ECONFIG, "the configuration has no model");
    MN_TRY(settle_slots(model));
    MN_TRY(run_list(model, list, MN_WHEN_FILLED));
    if (!model->root) MN_TRY(name_space(model));
    if (!commit) return 0;
    MN_TRY(mn_model_commit(model));
    return model->backend ? mn_try_model(model) : 0;
}

static int construct(mn_model *model, const mn_node *config, const mn_node *list, int commit) {
    MN_TRY(mn_construct_memory(config, model));
    MN_TRY(mn_ops_conf_read(model->ctx, mn_node_get(config, "ops"), &model->ops));
    MN_TRY(assemble(model, list, commit));
    return commit ? run_list(model, list, MN_WHEN_COMMITTED) : 0;
}

int mn_construct_from(modnas_ctx *ctx, const mn_node *config, const mn_node *list, int32_t dtype, int commit,
                      mn_model **out) {
    mn_backend *backend = NULL;
    mn_model *model = NULL;
    int rc = mn_construct_open_backend(ctx, config, &backend);
    if (!rc) rc = mn_model_new(ctx, backend, dtype, mn_construct_seed(config, list), &model);
    if (!rc) rc = construct(model, config, list, commit);
    if (rc)
        mn_model_free(model);
    else
        *out = model;
    mn_backend_close(backend);
    return rc;
}

int mn_construct_model(modnas_ctx *ctx, const mn_node *config, int32_t dtype, int commit, mn_model **out) {
    mn_node *list;
    MN_TRY(mn_construct_list(ctx, config, &list));
    const int rc = mn_construct_from(ctx, config, list, dtype, commit, out);
    mn_node_free(ctx, list);
    return rc;
}

/* ---- networks beside it -------------------------------------------------------------------------------- */

typedef struct numbering {
    modnas_ctx *ctx;
    mn_node *list;
} numbering;

static int add_numbered(const char *name, const mn_node *spec, void *ud) {
    const numbering *n = ud;
    char number[24];
    mn_node *map;
    (void)name;
    snprintf(number, sizeof number, "%zu", n->list->n);
    MN_TRY(mn_spec_to_map(n->ctx, spec, &map));
    return mn_node_set(n->ctx, n->list, number, map);
}

static int number_specs(modnas_ctx *ctx, const mn_node *specs, mn_node **out) {
    numbering n = {ctx, mn_node_new(ctx, MN_MAP)};
    const int rc = n.list ? mn_specs_visit(specs, add_numbered, &n) : MODNAS_ENOMEM;
    if (rc)
        mn_node_free(ctx, n.list);
    else
        *out = n.list;
    return rc;
}

int mn_construct_beside(const mn_model *like, const mn_node *specs, mn_model **out) {
    mn_model *model = NULL;
    mn_node *list;
    MN_TRY(number_specs(like->ctx, specs, &list));
    int rc = mn_model_new(like->ctx, like->backend, like->dtype, like->seed, &model);
    if (!rc) {
        model->ops = like->ops;
        rc = assemble(model, list, 1);
    }
    if (!rc && !model->root) rc = mn_fail(like->ctx, MODNAS_ECONFIG, "its constructors make no model");
    mn_node_free(like->ctx, list);
    if (rc)
        mn_model_free(model);
    else
        *out = model;
    return rc;
}

int mn_construct_load(mn_model *model, const mn_node *specs) {
    mn_node *list;
    MN_TRY(number_specs(model->ctx, specs, &list));
    const int rc = run_list(model, list, MN_WHEN_COMMITTED);
    mn_node_free(model->ctx, list);
    return rc;
}
