/* Components that a host puts into a search that is there, as modnas_registry_build does: an optimizer or an exporter
 * in the place of the one before, a metric or a loss for the estimator that is pulled, a further estimator. After an
 * error the search is as it was. */
#include "pipeline/pipeline.h"

#include <string.h>

static mn_estim *estim_at(const mn_pipeline *p, size_t i) {
    return i < p->stages.n ? MN_AT(p->stages, mn_stage, i).estim : p->loose;
}

static size_t n_estims(const mn_pipeline *p) {
    return p->stages.n + (p->loose != NULL);
}

static void give_optim(mn_pipeline *p, mn_optim *o) {
    p->optim = o;
    for (size_t i = 0; i < n_estims(p); i++) estim_at(p, i)->optim = o;
}

static int prepare_all(mn_pipeline *p) {
    for (size_t i = 0; i < n_estims(p); i++) MN_TRY(estim_at(p, i)->vt->prepare(estim_at(p, i)));
    return 0;
}

static int put_optim(mn_pipeline *p, const mn_node *spec, const char *name) {
    const mn_optim_env env = mn_pipeline_optim_env(p);
    mn_optim *before = p->optim, *o;
    (void)name;
    MN_TRY(mn_registry_build(p->ctx, "optim", spec, NULL, NULL, &env, &o));
    give_optim(p, o);
    const int rc = prepare_all(p);
    if (rc) give_optim(p, before);
    mn_optim_free(rc ? o : before);
    return rc;
}

static int put_exporter(mn_pipeline *p, const mn_node *spec, const char *name) {
    mn_exporter *e;
    (void)name;
    MN_TRY(mn_registry_build(p->ctx, "export", spec, NULL, NULL, NULL, &e));
    mn_exporter_free(p->exporter);
    p->exporter = e;
    for (size_t i = 0; i < n_estims(p); i++) estim_at(p, i)->exporter = e;
    return 0;
}

static int put_metric(mn_pipeline *p, const mn_node *spec, const char *name) {
    (void)name;
    return mn_estim_add_metric(p->current, spec);
}

static int put_criterion(mn_pipeline *p, const mn_node *spec, const char *name) {
    mn_estim *e = p->current;
    (void)name;
    MN_TRY(mn_estim_need_trainer(e));
    MN_TRY(mn_estim_add_criterion(e, spec));
    if (p->begun == e) mn_trainer_set_criteria(e->trainer, e->by_pass);
    return 0;
}

/* Its section in the tree, where it is written from: a map name -> section, or a list of sections with names. */
static int add_section(mn_pipeline *p, const mn_node *spec, const char *name, mn_node **out) {
    modnas_ctx *ctx = p->ctx;
    mn_node *all = mn_node_get(p->tree, "estim"), *section = NULL;
    if (!all || all->kind == MN_NULL) {
        MN_TRY(mn_node_set(ctx, p->tree, "estim", mn_node_new(ctx, MN_MAP)));
        all = mn_node_get(p->tree, "estim");
    }
    MN_TRY(mn_spec_to_map(ctx, spec, &section));
    mn_node *metrics = mn_node_get(section, "metrics") ? NULL : mn_node_str(ctx, "ValidateMetrics");
    int rc = 0;
    if (metrics) rc = mn_node_set(ctx, section, "metrics", metrics);
    if (!rc && all->kind == MN_SEQ) rc = mn_node_set(ctx, section, "name", mn_node_str(ctx, name));
    if (rc) {
        mn_node_free(ctx, section);
        return rc;
    }
    *out = section;
    return all->kind == MN_SEQ ? mn_node_add(ctx, all, section) : mn_node_push(ctx, all, name, section);
}

static void drop_section(mn_pipeline *p, const char *name) {
    mn_node *all = mn_node_get(p->tree, "estim");
    if (all->kind == MN_MAP)
        mn_node_remove(p->ctx, all, name);
    else
        mn_node_free(p->ctx, all->items[--all->n]);
}

static int put_estim(mn_pipeline *p, const mn_node *spec, const char *name) {
    mn_node *section = NULL;
    if (!name) return mn_fail(p->ctx, MODNAS_EINVAL, "an estim needs a name (modnas_place.name)");
    for (size_t i = 0; i < p->stages.n; i++)
        if (strcmp(estim_at(p, i)->name, name) == 0)
            return mn_fail(p->ctx, MODNAS_EEXIST, "there is an estimator named '%.80s' already", name);
    MN_TRY(add_section(p, spec, name, &section));
    int rc = mn_pipeline_add_estim(p, name, section);
    if (rc) {
        drop_section(p, name);
        return rc;
    }
    mn_stage *last = &MN_AT(p->stages, mn_stage, p->stages.n - 1);
    rc = last->estim->vt->prepare(last->estim);
    if (!rc) return 0;
    mn_baseline_free(&last->baseline);
    mn_recalibration_free(&last->recalibration);
    mn_estim_free(last->estim);
    p->stages.n--;
    drop_section(p, name);
    return rc;
}

int mn_pipeline_put(mn_pipeline *p, const char *kind, const mn_node *spec, const char *name) {
    static const struct {
        const char *kind;
        int (*put)(mn_pipeline *p, const mn_node *spec, const char *name);
    } rows[] = {{"optim", put_optim},
                {"estim", put_estim},
                {"metrics", put_metric},
                {"criterion", put_criterion},
                {"export", put_exporter}};
    int32_t before;
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        if (strcmp(rows[i].kind, kind) != 0) continue;
        MN_TRY(mn_pipeline_enter(p, "modnas_registry_build", MN_IDLE, &before));
        return mn_pipeline_leave(p, before, rows[i].put(p, spec, name));
    }
    return MODNAS_EUNSUPPORTED;
}
