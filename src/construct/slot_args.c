/* What constructors tell the candidates of a Slot beside their specs. */
#include <string.h>

#include "construct/parts.h"

/* ---- giving -------------------------------------------------------------------------------------------- */

static const char *const kept[] = {"use_se", "use_hs"}; /* of the block that a candidate replaces */

static int keep_flags(const mn_slot *slot, mn_node *args) {
    modnas_ctx *ctx = slot->module->model->ctx;
    for (size_t i = 0; i < MN_COUNT(kept); i++) {
        const mn_node *flag = mn_node_get(slot->kwargs, kept[i]);
        mn_node *copy = flag ? mn_node_copy(ctx, flag) : NULL;
        if (!flag) continue;
        MN_TRY(copy ? mn_node_set(ctx, args, kept[i], copy) : MODNAS_ENOMEM);
    }
    return 0;
}

int mn_slot_give_args(mn_slot *slot, const mn_node *args, int keep) {
    modnas_ctx *ctx = slot->module->model->ctx;
    if (!(args && args->n) && !keep) return 0;
    mn_node *all = args ? mn_node_copy(ctx, args) : mn_node_new(ctx, MN_MAP);
    int rc = all ? 0 : MODNAS_ENOMEM;
    if (!rc && keep) rc = keep_flags(slot, all);
    if (rc)
        mn_node_free(ctx, all);
    else
        mn_slot_set_args(slot, all);
    return rc;
}

/* ---- checking ------------------------------------------------------------------------------------------ */

typedef struct asking {
    modnas_ctx *ctx;
    const char *arg;
    int found;
} asking;

static int look(const mn_component *c, void *ud) {
    asking *q = ud;
    for (const mn_arg_def *d = c->args; d && d->name; d++) q->found |= strcmp(d->name, q->arg) == 0;
    return 0;
}

static int look_in_spec(const char *key, const mn_node *spec, void *ud) {
    asking *q = ud;
    const char *name;
    const mn_node *args;
    (void)key;
    MN_TRY(mn_spec_parse(q->ctx, spec, NULL, &name, &args));
    const mn_component *c = mn_registry_find(q->ctx, "candidate", name);
    const mn_node *inner = mn_node_get(args, "module"); /* of a Constructed */
    if (inner) return look_in_spec(NULL, inner, ud);
    return c ? look(c, q) : 0;
}

int mn_check_candidate_args(const mn_args *a, const char *name, const mn_node *candidates) {
    const mn_node *given = mn_args_node(a, name);
    for (size_t i = 0; given && i < given->n; i++) {
        asking q = {a->ctx, given->keys[i], 0};
        MN_TRY(candidates ? mn_specs_visit(candidates, look_in_spec, &q) : mn_registry_visit(a->ctx, "candidate", look, &q));
        if (!q.found)
            return mn_args_fail(a, name, "%s has an arg '%.80s'", candidates ? "none of the candidates" : "no candidate", q.arg);
    }
    return 0;
}
