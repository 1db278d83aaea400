/* Entries of hosts that drive a search themselves.
 *
 * An entry holds the search at MN_BUSY; callbacks lower that as far as they may call back (observe.c, hand_over). The
 * pull functions work on one estimator: outside of a run that which the host named, inside the run of an estimator of
 * the host's that one. Its phase begins with the first step, and anew after a run, which used the same trainers. */
#include <math.h>

#include "pipeline/pipeline.h"

/* ---- entering ------------------------------------------------------------------------------------------ */

int mn_pipeline_enter(mn_pipeline *p, const char *fn, int32_t most, int32_t *before) {
    if (p->is_torn)
        return mn_fail(p->ctx, MODNAS_EINVAL, "%s: a checkpoint was loaded in part: load another, or free the search",
                       fn);
    if (p->level > most)
        return mn_fail(p->ctx, MODNAS_EBUSY,
                       "%s: not from a callback of the search, which is in the middle of something", fn);
    *before = p->level;
    p->level = MN_BUSY;
    p->depth++;
    return 0;
}

int mn_pipeline_leave(mn_pipeline *p, int32_t before, int rc) {
    p->level = before;
    if (--p->depth) return rc;
    if (rc == MODNAS_ECANCELED) mn_cancel_done(p->ctx);
    if (p->is_doomed) mn_pipeline_free(p);
    return rc;
}

int mn_pipeline_hand_over(mn_estim *e, int (*drive)(mn_estim *e)) {
    mn_pipeline *p = e->search;
    const int32_t before = p->level;
    MN_TRY(mn_estim_begin(e));
    p->begun = e;
    p->level = MN_IDLE;
    const int rc = drive(e);
    p->level = before;
    return rc;
}

/* ---- steps --------------------------------------------------------------------------------------------- */

static int begin(mn_pipeline *p) {
    if (p->model->backend) MN_TRY(mn_backend_enter(p->model->backend));
    MN_TRY(mn_canceled(p->ctx));
    if (p->begun == p->current) return 0;
    p->begun = NULL;
    MN_TRY(mn_estim_begin(p->current));
    p->begun = p->current;
    return 0;
}

static double mean_loss(const mn_scores *s) {
    return s->n ? s->loss / (double)s->n : NAN;
}

static int train(mn_estim *e, int64_t n_steps, mn_scores *sum) {
    for (int64_t i = 0; i < n_steps; i++) MN_TRY(mn_estim_train_step(e, sum));
    return 0;
}

int mn_pipeline_train(mn_pipeline *p, const mn_arch *arch, int64_t n_steps, double *loss) {
    mn_scores sum = {0, 0, 0, 0};
    mn_arch *before;
    MN_TRY(mn_estim_need_trainer(p->current));
    MN_TRY(begin(p));
    MN_TRY(mn_arch_new(p->model, &before));
    int rc = arch ? mn_arch_apply(arch) : 0;
    p->current->is_given = arch != NULL;
    if (!rc) rc = train(p->current, n_steps, &sum);
    p->current->is_given = 0;
    const int undone = mn_arch_apply(before);
    mn_arch_free(before);
    if (!rc) rc = undone;
    if (!rc && loss) *loss = mean_loss(&sum);
    return rc;
}

int mn_pipeline_arch_step(mn_pipeline *p, double *loss) {
    mn_estim *e = p->current;
    mn_scores sum = {0, 0, 0, 0};
    if (!p->optim) return mn_fail(p->ctx, MODNAS_EINVAL, "the configuration has no optim");
    if (!p->optim->vt->step)
        return mn_fail(p->ctx, MODNAS_EUNSUPPORTED, "%s makes no gradient steps: it proposes (modnas_search_ask)",
                       p->optim->vt->type);
    MN_TRY(mn_estim_need_trainer(e));
    MN_TRY(begin(p));
    MN_TRY(mn_estim_prepare(e));
    MN_TRY(mn_estim_arch_step(e, &sum));
    if (loss) *loss = mean_loss(&sum);
    return 0;
}

/* ---- proposals and evaluations ------------------------------------------------------------------------- */

static void free_archs(mn_arch **archs, int32_t n) {
    for (int32_t i = 0; i < n; i++) mn_arch_free(archs[i]);
}

static int propose(mn_pipeline *p, int32_t n, mn_arch **archs, int32_t *n_out) {
    for (int32_t i = 0; i < n; i++) {
        const int rc = mn_arch_new(p->model, &archs[i]);
        if (rc) free_archs(archs, i);
        MN_TRY(rc);
    }
    int32_t got = 0;
    const int rc = p->optim->vt->ask(p->optim, n, archs, &got);
    if (rc) got = 0;
    free_archs(archs + got, n - got);
    if (!rc) *n_out = got;
    return rc;
}

int mn_pipeline_ask(mn_pipeline *p, int32_t n, mn_arch **archs, int32_t *n_out) {
    if (!p->optim) return mn_fail(p->ctx, MODNAS_EINVAL, "the configuration has no optim");
    if (!p->optim->vt->ask)
        return mn_fail(p->ctx, MODNAS_EUNSUPPORTED, "%s proposes nothing: it makes steps (modnas_search_arch_step)",
                       p->optim->vt->type);
    mn_arch **made = mn_alloc(p->ctx, (size_t)n, sizeof *made);
    if (!made) return MODNAS_ENOMEM;
    int32_t got = 0;
    const int rc = propose(p, n, made, &got);
    for (int32_t i = 0; i < got; i++) archs[i] = made[i];
    if (!rc) *n_out = got;
    mn_free(p->ctx, made);
    return rc;
}

int mn_pipeline_tell(mn_pipeline *p, const mn_arch *arch, int32_t status, const modnas_metric *metrics, int32_t n) {
    mn_metrics m = {0};
    for (int32_t i = 0; !status && i < n; i++) {
        const char *name;
        MN_TRY(mn_map_name(p->ctx, &p->names, metrics[i].name, &name));
        MN_TRY(mn_metrics_add(p->ctx, &m, name, metrics[i].value));
    }
    MN_TRY(mn_history_check(&p->history, &m));
    return mn_estim_record(p->current, arch, status, &m);
}

int mn_pipeline_evaluate(mn_pipeline *p, const mn_arch *arch, mn_metrics *out) {
    MN_TRY(begin(p));
    return mn_estim_measure(p->current, arch, out);
}

int mn_pipeline_export(mn_pipeline *p, const mn_arch *arch, mn_node **desc) {
    if (!p->exporter) return mn_fail(p->ctx, MODNAS_EINVAL, "the configuration has no exporter");
    return mn_estim_describe(p->current, arch, desc);
}
