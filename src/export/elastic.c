/* MobileNetV2ElasticArchDescExporter: what an elastic MobileNetV2 is set to, block by block, as candidates are called.
 *
 *   [null, "MB3E6", "MB5E3", "NIL", ...]     null: the first block, which is kept; NIL: a block beyond its stage's depth */
#include <stdio.h>

#include "export/parts.h"
#include "module/active.h"
#include "space/elastic.h"

/* The elastic value of a kind that a Slot has; NULL: none. */
static const mn_elastic *value_of(const mn_model *m, int32_t kind, const mn_slot *slot) {
    const mn_elastic *e = NULL;
    for (int32_t i = 0; (e = mn_model_elastic(m, kind, i)) && e->slot != slot; i++) {}
    return e;
}

/* Window and expansion of what a block of the whole network has. */
typedef struct block {
    int64_t window, hidden;
} block;

static int look(mn_module *m, void *ud) {
    block *b = ud;
    const mn_param *p = m->params.n ? MN_AT(m->params, mn_module_param, 0).param : NULL;
    if (!p || p->rank != 4 || p->groups != p->dims[0] || p->groups < 2) return 0;
    b->window = p->dims[2];
    b->hidden = p->dims[0];
    return 0;
}

static int name_block(const mn_slot *slot, char *name, size_t bytes) {
    const mn_model *m = slot->module->model;
    const mn_elastic *width = value_of(m, MN_ELASTIC_WIDTH, slot), *kernel = value_of(m, MN_ELASTIC_KERNEL, slot);
    block b = {0, 0};
    mn_str where = {.ctx = m->ctx};
    if (!mn_active_is_there(slot->module->parent)) {
        snprintf(name, bytes, "NIL");
        return 0;
    }
    MN_TRY(mn_module_walk(slot->entity, look, &b));
    if (kernel) b.window = mn_elastic_now(kernel);
    if (width) b.hidden = mn_elastic_now(width);
    snprintf(name, bytes, "MB%dE%d", (int)b.window, (int)(b.hidden / slot->chn_in));
    if (b.hidden % slot->chn_in == 0 && mn_registry_find(m->ctx, "candidate", name)) return 0;
    int rc = mn_slot_name(slot, &where);
    if (!rc)
        rc = mn_fail(m->ctx, MODNAS_EUNSUPPORTED, "%s: no operator is a block of window %d and %d channels inside: "
                     "DefaultParamsExporter writes any", where.text, (int)b.window, (int)b.hidden);
    mn_str_free(&where);
    return rc;
}

static int run(mn_exporter *e, mn_model *model, mn_node **desc) {
    const int32_t fix_first = *(const int32_t *)e->state;
    mn_node *list = mn_node_new(e->ctx, MN_SEQ);
    int rc = !list ? MODNAS_ENOMEM
             : mn_model_is_elastic(model)
                 ? 0
                 : mn_fail(e->ctx, MODNAS_EINVAL, "MobileNetV2ElasticArchDescExporter: nothing of %s is elastic", model->type);
    for (size_t i = 0; i < model->slots.n && !rc; i++) {
        const mn_slot *slot = mn_model_slot(model, i);
        char name[32];
        if (mn_slot_is_nested(slot)) continue;
        const int keeps = fix_first && list->n == 0;
        if (!keeps) rc = name_block(slot, name, sizeof name);
        mn_node *item = rc ? NULL : keeps ? mn_node_new(e->ctx, MN_NULL) : mn_node_str(e->ctx, name);
        if (!rc) rc = item ? mn_node_add(e->ctx, list, item) : MODNAS_ENOMEM;
    }
    if (rc)
        mn_node_free(e->ctx, list);
    else
        *desc = list;
    return rc;
}

static int build(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_exporter *e;
    (void)c, (void)env;
    mn_args_warn_unused(args);
    MN_TRY(mn_exporter_new(args->ctx, sizeof(int32_t), run, &e));
    *(int32_t *)e->state = mn_args_bool(args, "fix_first");
    *(mn_exporter **)out = e;
    return 0;
}

static const mn_arg_def args_of[] = {{"fix_first", MN_ARG_BOOL, "true", NULL, "the first block is null"},
                                     {"max_stage_depth", MN_ARG_INT, "null", NULL, MN_UNUSED_ARG},
                                     {NULL, 0, NULL, NULL, NULL}};
static const mn_component row = {
    "export", "MobileNetV2ElasticArchDescExporter", "an elastic MobileNetV2 block by block: null, MB3E6, NIL", args_of, build,
    NULL};

int mn_export_elastic_register(modnas_ctx *ctx) {
    return mn_registry_add(ctx, &row);
}
