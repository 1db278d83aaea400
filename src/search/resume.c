/* Phases that are interrupted and go on: when a checkpoint may be made, and what of an estimator is in it. */
#include <string.h>

#include "config/node.h"
#include "search/search.h"

int mn_estim_checkpoint(mn_estim *e, int is_epoch) {
    if (!e->observer.checkpoint || !e->vt->state || e->transient || e->model->derived) return 0;
    return e->observer.checkpoint(e, is_epoch, e->observer.ud);
}

/* ---- state --------------------------------------------------------------------------------------------- */

int mn_scores_state(mn_scores *s, mn_state *io) {
    MN_TRY(mn_state_real(io, &s->loss));
    MN_TRY(mn_state_real(io, &s->top1));
    MN_TRY(mn_state_real(io, &s->top5));
    return mn_state_i64(io, &s->n);
}

/* Numbers that count something. */
static int counts_state(mn_estim *e, mn_state *io) {
    int64_t *const counts[] = {&e->n_evaluations, &e->epoch, &e->n_steps, &e->total_steps, &e->n_arch_steps};
    for (size_t i = 0; i < MN_COUNT(counts); i++) {
        int64_t x = *counts[i];
        MN_TRY(mn_state_i64(io, &x));
        if (x < 0) return mn_state_fail(io, "count %zu is %lld", i, (long long)x);
        *counts[i] = x;
    }
    MN_TRY(mn_state_range(io, &e->is_stopped, 0, 1));
    return mn_state_range(io, &e->epoch_open, 0, 1);
}

/* A tree as JSON; NULL stays NULL. */
static int node_state(mn_node **n, mn_state *io) {
    mn_str json = {.ctx = io->ctx};
    char *text = NULL;
    mn_node *got = NULL;
    if (!io->loading && *n) {
        mn_node_json(&json, *n);
        text = mn_str_take(&json);
        if (!text) return MODNAS_ENOMEM;
    }
    int rc = mn_state_text(io, &text);
    if (!rc && io->loading && text) rc = mn_yaml_value(io->ctx, text, io->section, &got);
    mn_free(io->ctx, text);
    if (rc || !io->loading) return rc;
    mn_node_free(io->ctx, *n);
    *n = got;
    return 0;
}

static int point_state(mn_estim *e, mn_state *io) {
    int32_t is_there = e->best_point != NULL;
    mn_arch *a = e->best_point;
    MN_TRY(mn_state_range(io, &is_there, 0, 1));
    if (!io->loading) return is_there ? mn_arch_state(a, io) : 0;
    a = NULL;
    if (is_there) {
        MN_TRY(mn_arch_new(e->model, &a));
        const int rc = mn_arch_state(a, io);
        if (rc) mn_arch_free(a);
        if (rc) return rc;
    }
    mn_arch_free(e->best_point);
    e->best_point = a;
    return 0;
}

static int best_state(mn_estim *e, mn_state *io) {
    MN_TRY(mn_metrics_state(&e->last_metrics, io));
    MN_TRY(mn_metrics_state(&e->best_metrics, io));
    MN_TRY(mn_state_real(io, &e->best_score));
    MN_TRY(node_state(&e->best_arch, io));
    return point_state(e, io);
}

int mn_estim_state(mn_estim *e, mn_state *io, int under_way) {
    double seconds = mn_seconds() - e->started;
    MN_TRY(counts_state(e, io));
    MN_TRY(mn_state_real(io, &seconds));
    MN_TRY(mn_state_real(io, &e->lr));
    MN_TRY(mn_scores_state(&e->scores, io));
    MN_TRY(mn_scores_state(&e->arch_scores, io));
    MN_TRY(best_state(e, io));
    for (mn_metric *k = e->metric; k; k = k->next)
        if (k->io) MN_TRY(k->io(k, io));
    for (size_t i = 0; i < e->criteria.n; i++) {
        mn_criterion *c = MN_AT(e->criteria, mn_criterion *, i);
        if (c->io) MN_TRY(c->io(c, io));
    }
    if (under_way && !e->vt->state) return mn_state_fail(io, "%s cannot go on in the middle", e->vt->type);
    if (under_way) MN_TRY(e->vt->state(e, io));
    if (!io->loading) return 0;
    e->started = mn_seconds() - seconds;
    e->resumed = under_way;
    e->resumable = e->transient = 0;
    return 0;
}
