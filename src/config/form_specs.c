/* Forms made of component specs. */
#include <stdio.h>
#include <string.h>

#include "config/forms.h"

static int check_spec(const mn_check *c, const char *kind, const mn_node *v, const char *const *extra,
                      const char *type) {
    return mn_spec_check_any(c->ctx, kind, v, extra, type, c->part);
}

int mn_form_spec(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    return check_spec(c, def->of, v, NULL, NULL);
}

/* ---- mixed_op ---- */

/* Names of candidates in a list, or a map name -> spec. */
static int check_candidates(const mn_check *c, const mn_node *v) {
    char what[80];
    if ((v->kind != MN_SEQ && v->kind != MN_MAP) || !v->n)
        return mn_form_fail(c, "mixed_op.candidates", v, "a list of candidates is wanted, not %s",
                            mn_node_what(v, what, sizeof what));
    for (size_t i = 0; i < v->n; i++) MN_TRY(check_spec(c, "candidate", v->items[i], NULL, NULL));
    return 0;
}

int mn_form_mixed_op(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    static const char *const extra[] = {"candidates", NULL};
    MN_TRY(check_spec(c, def->of, v, extra, NULL));
    const mn_node *candidates = mn_node_get(v, "candidates");
    if (candidates) return check_candidates(c, candidates);
    return c->part ? 0 : mn_form_fail(c, def->name, v, "it has no candidates");
}

/* ---- data ---- */

/* `data` alone is a part: the others add to it. */
int mn_form_data(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    return mn_spec_check_part(c->ctx, def->of, v, NULL, NULL);
}

int mn_form_data_part(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    const mn_node *base = mn_node_get(c->root, "data");
    mn_node *merged;
    if (!base) return check_spec(c, def->of, v, NULL, NULL);
    MN_TRY(mn_spec_merge(c->ctx, base, v, &merged));
    const int rc = check_spec(c, def->of, merged, NULL, NULL);
    mn_node_free(c->ctx, merged);
    return rc;
}

/* ---- maps of specs ---- */

int mn_form_specs(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    MN_TRY(mn_form_map(c, def->name, v, "names and components"));
    for (size_t i = 0; i < v->n; i++) MN_TRY(check_spec(c, def->of, v->items[i], NULL, NULL));
    return 0;
}

/* An entry of one of these names may leave out the type, and args that other top-level keys supply. */
const char *mn_implicit_constructor(const char *name) {
    static const struct {
        const char *name, *type;
    } rows[] = {
        {"init", "TorchInitConstructor"},
        {"model", "DefaultModelConstructor"},
        {"mixed_op", "DefaultMixedOpConstructor"},
        {"arch_desc", "DefaultSlotArchDescConstructor"},
        {"device", "TorchToDevice"},
        {"chkpt", "TorchCheckpointLoader"},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++)
        if (strcmp(rows[i].name, name) == 0) return rows[i].type;
    return NULL;
}

int mn_form_construct(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    if (v->kind == MN_MAP && !v->n) return 0; /* its entries were dropped */
    MN_TRY(mn_form_map(c, def->name, v, "names and components"));
    for (size_t i = 0; i < v->n; i++) {
        const char *type = mn_implicit_constructor(v->keys[i]);
        MN_TRY(mn_spec_check_any(c->ctx, def->of, v->items[i], NULL, type, c->part || type));
    }
    return 0;
}

int mn_form_init(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    return mn_spec_check_part(c->ctx, def->of, v, NULL, mn_implicit_constructor("init"));
}

int mn_form_export(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    if ((v->kind == MN_NULL && v->text) || (v->kind == MN_MAP && !v->n)) return 0;
    return mn_form_specs(c, def, v);
}

int mn_default_callback(int i, const char **name, const char **type) {
    static const char *const rows[][2] = {{"opt", "OptimumReporter"},
                                           {"eta", "ETAReporter"},
                                           {"estim_export", "EstimResultsExporter"},
                                           {"trainer", "TrainerReporter"},
                                           {"estim", "EstimReporter"}};
    if (i < 0 || i >= (int)MN_COUNT(rows)) return 0;
    *name = rows[i][0];
    *type = rows[i][1];
    return 1;
}

static const char *default_type(const mn_node *map, size_t i) {
    const char *name, *type;
    for (int k = 0; map->kind == MN_MAP && mn_default_callback(k, &name, &type); k++)
        if (strcmp(name, map->keys[i]) == 0) return type;
    return NULL;
}

int mn_form_callback(const mn_check *c, const mn_arg_def *def, const mn_node *v) {
    char what[80];
    if ((v->kind != MN_MAP && v->kind != MN_SEQ) || !v->n)
        return mn_form_fail(c, def->name, v, "a map or a list of callbacks is wanted, not %s",
                            mn_node_what(v, what, sizeof what));
    for (size_t i = 0; i < v->n; i++) {
        const mn_node *item = v->items[i];
        const int drops = (item->kind == MN_NULL && item->text) || (item->kind == MN_BOOL && !item->i);
        if (drops && v->kind == MN_MAP) continue;
        const char *type = default_type(v, i);
        MN_TRY(mn_spec_check_any(c->ctx, def->of, item, NULL, type, c->part || type));
    }
    return 0;
}
