/* Constructors that fill Slots: with mixed ops, with one operator, with the backbone's own.
 *
 * All of them leave Slots alone that are filled already. Every candidate is built for every Slot, so what does not fit
 * is found here, with the Slot's name. */
#include <string.h>

#include "construct/parts.h"

int mn_each_empty_slot(mn_model *model, int (*fn)(mn_slot *slot, void *ud), void *ud) {
    const size_t n = model->slots.n; /* Slots inside of what is put in belong to another constructor */
    for (size_t i = 0; i < n; i++) {
        mn_slot *s = mn_model_slot(model, i);
        if (!s->entity) MN_TRY(fn(s, ud));
    }
    return 0;
}

static int need_model(mn_model *model) {
    if (model->root) return 0;
    return mn_fail(model->ctx, MODNAS_ECONFIG, "the configuration has no model, but constructors for one");
}

/* ---- the backbone's own -------------------------------------------------------------------------------- */

int mn_has_predefined(const mn_slot *slot) {
    return slot->own || slot->module->model->predefined;
}

int mn_fill_predefined(mn_slot *slot) {
    mn_model *model = slot->module->model;
    mn_module *entity;
    if (slot->own) {
        MN_TRY(mn_candidate_build(model, slot->own, slot, &entity));
        return mn_slot_fill(slot, entity, NULL);
    }
    if (!model->predefined)
        return mn_fail(model->ctx, MODNAS_ECONFIG, "slot %s: model %s has no operator of its own for it", slot->name,
                       model->type);
    MN_TRY(model->predefined(model, slot, &entity));
    return mn_slot_fill(slot, entity, NULL);
}

static int fill_one(mn_slot *slot, void *ud) {
    (void)ud;
    return mn_fill_predefined(slot);
}

static int run_predefined(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_construct_env *)env)->model;
    (void)c, (void)args, (void)out;
    MN_TRY(need_model(model));
    return mn_each_empty_slot(model, fill_one, NULL);
}

static int run_resnet(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_construct_env *)env)->model;
    model->own_bn = mn_args_bool(args, "use_bn");
    return run_predefined(c, args, env, out);
}

/* ---- one operator everywhere --------------------------------------------------------------------------- */

int mn_fill_candidate(mn_slot *slot, const mn_node *spec) {
    const mn_node *args;
    mn_model *model = slot->module->model;
    const char *name;
    mn_module *entity;
    MN_TRY(mn_spec_parse(model->ctx, spec, NULL, &name, &args));
    MN_TRY(mn_candidate_build(model, spec, slot, &entity));
    return mn_slot_fill(slot, entity, mn_registry_find(model->ctx, "candidate", name)->name);
}

static int fill_op(mn_slot *slot, void *ud) {
    return mn_fill_candidate(slot, ud);
}

static int run_op(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_construct_env *)env)->model;
    (void)c, (void)out;
    MN_TRY(need_model(model));
    return mn_each_empty_slot(model, fill_op, (void *)(uintptr_t)mn_args_node(args, "op"));
}

/* ---- mixed ops ----------------------------------------------------------------------------------------- */

typedef struct mixing {
    const mn_node *spec, *candidates, *with_more, *args;
    int32_t keep, fix_first, n_filled;
} mixing;

static int fill_mixed(mn_slot *slot, void *ud) {
    mixing *x = ud;
    mn_model *model = slot->module->model;
    mn_module *entity;
    if (x->fix_first && x->n_filled++ == 0) return mn_fill_predefined(slot);
    MN_TRY(mn_slot_give_args(slot, x->args, x->keep));
    const int more = x->with_more && slot->stride == 1 && slot->chn_in == slot->chn_out;
    const mn_mixed_env env = {model, slot, more ? x->with_more : x->candidates, NULL};
    MN_TRY(mn_mixed_build(model, x->spec, &env, &entity));
    return mn_slot_fill(slot, entity, NULL);
}

static mixing mixing_of(const mn_args *args) {
    return (mixing){.spec = mn_args_node(args, "mixed_op"),
                    .candidates = mn_args_node(args, "candidates"),
                    .args = mn_args_node(args, "candidate_args")};
}

static int run_mixed(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_construct_env *)env)->model;
    mixing x = mixing_of(args);
    (void)c, (void)out;
    MN_TRY(need_model(model));
    MN_TRY(mn_check_candidate_args(args, "candidate_args", x.candidates));
    return mn_each_empty_slot(model, fill_mixed, &x);
}

static int append_copy(modnas_ctx *ctx, mn_node *list, const mn_node *n) {
    mn_node *copy = mn_node_copy(ctx, n);
    return copy ? mn_node_add(ctx, list, copy) : MODNAS_ENOMEM;
}

typedef struct search {
    const char *name;
    int found;
} search;

static int find_name(const char *key, const mn_node *spec, void *ud) {
    search *s = ud;
    const mn_node *type = spec->kind == MN_STR ? spec : mn_node_get(spec, "type");
    const char *name = key ? key : type && type->kind == MN_STR ? type->text : "";
    s->found |= strcmp(name, s->name) == 0;
    return 0;
}

/* The candidates, and `more` at their end unless it is among them. */
static int add_candidate(modnas_ctx *ctx, const mn_node *candidates, const char *more, mn_node **out) {
    search s = {more, 0};
    MN_TRY(mn_specs_visit(candidates, find_name, &s));
    const int one = candidates->kind == MN_STR;
    mn_node *list = one ? mn_node_new(ctx, MN_SEQ) : mn_node_copy(ctx, candidates);
    int rc = list ? 0 : MODNAS_ENOMEM;
    if (!rc && one) rc = append_copy(ctx, list, candidates);
    if (!rc && !s.found) {
        mn_node *name = mn_node_str(ctx, more);
        rc = !name                  ? MODNAS_ENOMEM
             : list->kind == MN_MAP ? mn_node_set(ctx, list, more, name)
                                    : mn_node_add(ctx, list, name);
    }
    if (rc)
        mn_node_free(ctx, list);
    else
        *out = list;
    return rc;
}

#define MIXED_ARGS                                                                                                     \
    {"candidates", MN_ARG_SPECS, NULL, "candidate",                                                                    \
     "operators of every Slot: a list of names, or a map name -> spec"},                                               \
        {"mixed_op", MN_ARG_SPEC, NULL, "mixed_op", "how they are mixed"}, {                                           \
        "candidate_args", MN_ARG_MAP, "{}", NULL, "args of candidates that have such and do not say otherwise"         \
    }
#define SEARCH_ARGS                                                                                                    \
    MIXED_ARGS, {"fix_first", MN_ARG_BOOL, "true", NULL, "the first Slot keeps the backbone's own operator"}, {        \
        "add_zero_op", MN_ARG_BOOL, "true", NULL, "Slots with equal channels and stride 1 get NIL as well"             \
    }
#define END                                                                                                            \
    { NULL, 0, NULL, NULL, NULL }

static const mn_arg_def mixed_args[] = {MIXED_ARGS, END};
static const mn_arg_def search_args[] = {SEARCH_ARGS, END};
static const mn_arg_def mbv3_args[] = {
    SEARCH_ARGS,
    {"keep_config", MN_ARG_BOOL, "true", NULL, "candidates get use_se and use_hs of the block that they stand for"},
    END};
static const mn_arg_def shuffle_args[] = {
    MIXED_ARGS,
    {"add_identity_op", MN_ARG_BOOL, "true", NULL, "Slots with equal channels and stride 1 get IDT as well"},
    END};

/* What searches in a family of backbones have besides; data of a row. */
typedef struct family {
    mn_construct_row row;
    const char *arg, *candidate;    /* where a block can vanish, the latter if the former is true */
    int32_t fix_first, keep_config; /* 1: these args */
} family;

static const family mbv2 = {.arg = "add_zero_op", .candidate = "NIL", .fix_first = 1},
                    mbv3 = {.arg = "add_zero_op", .candidate = "NIL", .fix_first = 1, .keep_config = 1},
                    shuffle = {.arg = "add_identity_op", .candidate = "IDT"};

static int run_search(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_construct_env *)env)->model;
    const family *f = c->data;
    mixing x = mixing_of(args);
    mn_node *with_more = NULL;
    (void)out;
    MN_TRY(need_model(model));
    MN_TRY(mn_check_candidate_args(args, "candidate_args", x.candidates));
    if (mn_args_bool(args, f->arg)) MN_TRY(add_candidate(model->ctx, x.candidates, f->candidate, &with_more));
    x.with_more = with_more;
    x.fix_first = f->fix_first && mn_args_bool(args, "fix_first");
    x.keep = f->keep_config && mn_args_bool(args, "keep_config");
    const int rc = mn_each_empty_slot(model, fill_mixed, &x);
    mn_node_free(model->ctx, with_more);
    return rc;
}

int mn_fill_mixed(mn_slot *slot, const mn_node *spec) {
    static const char *const extra[] = {"candidates", NULL};
    mn_model *model = slot->module->model;
    const mn_mixed_env env = {model, slot, mn_node_get(spec, "candidates"), NULL};
    char where[256];
    mn_module *entity;
    if (!env.candidates || env.candidates->kind == MN_NULL)
        return mn_fail(model->ctx, MODNAS_ECONFIG, "%s: slot %s: this mixed_op has no candidates",
                       mn_node_where(spec, where, sizeof where), slot->name);
    MN_TRY(mn_registry_build(model->ctx, "mixed_op", spec, extra, NULL, &env, &entity));
    return mn_slot_fill(slot, entity, NULL);
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

static const mn_arg_def resnet_args[] = {
    {"use_bn", MN_ARG_BOOL, "false", NULL, "batch norm behind each convolution, in its Slot"}, END};
static const mn_arg_def op_args[] = {{"op", MN_ARG_SPEC, NULL, "candidate", "the operator"}, END};

static const mn_component rows[] = {
    {"construct", "DefaultMixedOpConstructor", "a mixed op in every empty Slot", mixed_args, run_mixed, NULL},
    {"construct", "MobileNetV2SearchConstructor", "mixed ops, the first block kept, NIL where a block can vanish",
     search_args, run_search, &mbv2},
    {"construct", "MobileNetV3SearchConstructor", "the same with squeeze-excite and hard-swish as the block has them",
     mbv3_args, run_search, &mbv3},
    {"construct", "ShuffleNetV2SearchConstructor", "mixed ops, IDT where a unit can be left out", shuffle_args, run_search,
     &shuffle},
    {"construct", "DefaultOpConstructor", "one operator in every empty Slot", op_args, run_op, NULL},
    {"construct", "MobileNetV2PredefinedConstructor", "the backbone's own operator in every empty Slot", NULL,
     run_predefined, NULL},
    {"construct", "MobileNetV3PredefinedConstructor", "the same", NULL, run_predefined, NULL},
    {"construct", "PyramidNetPredefinedConstructor", "the same", NULL, run_predefined, NULL},
    {"construct", "ResNetPredefinedConstructor", "the backbone's own 3x3 convolution in every empty Slot", resnet_args,
     run_resnet, NULL},
    {"construct", "ShuffleNetV2PredefinedConstructor", "the same", NULL, run_predefined, NULL},
};

int mn_construct_slots_register(modnas_ctx *ctx) {
    return mn_registry_add_all(ctx, rows, MN_COUNT(rows));
}
