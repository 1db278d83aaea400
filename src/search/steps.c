/* The steps of a phase. An estimator's loop is made of them, and so is a host's that pulls: the same steps in the same
 * order give the same bytes either way. */
#include "construct/construct.h"
#include "search/search.h"

/* ---- beginning ----------------------------------------------------------------------------------------- */

/* The section's `chkpt`, looked for now: an estimator before this one may have written it. */
static int load_checkpoint(mn_estim *e) {
    const mn_node *chkpt = mn_node_get(e->conf, "chkpt");
    const mn_construct_env env = {.model = e->model};
    if (!chkpt || chkpt->kind != MN_STR) return 0;
    mn_node *more = mn_node_new(e->ctx, MN_MAP), *spec = mn_node_str(e->ctx, "TorchCheckpointLoader"),
            *path = mn_node_copy(e->ctx, chkpt);
    int rc = more && spec && path ? mn_node_place(e->ctx, spec, chkpt->file, chkpt->line) : MODNAS_ENOMEM;
    if (!rc) {
        rc = mn_node_set(e->ctx, more, "path", path);
        path = NULL;
    }
    if (!rc) rc = mn_registry_build(e->ctx, "construct", spec, NULL, more, &env, NULL);
    mn_node_free(e->ctx, more);
    mn_node_free(e->ctx, spec);
    mn_node_free(e->ctx, path);
    return rc;
}

static int begin_criteria(mn_estim *e) {
    for (size_t i = 0; i < e->criteria.n; i++) {
        mn_criterion *c = MN_AT(e->criteria, mn_criterion *, i);
        if (c->begin) MN_TRY(c->begin(c));
    }
    return 0;
}

/* A phase that was loaded: its optimizer, its clocks and where it is are there. */
static int go_on(mn_estim *e) {
    mn_log(e->ctx, MODNAS_LOG_INFO, "Running estim: %s type: %s, from epoch %lld, step %lld on", e->name, e->vt->type,
           (long long)e->epoch + 1, (long long)e->n_steps);
    e->resumed = 0;
    if (e->trainer) mn_trainer_set_criteria(e->trainer, e->by_pass);
    return e->vt->prepare(e);
}

int mn_estim_begin(mn_estim *e) {
    e->resumable = 0;
    if (e->resumed) return go_on(e);
    mn_log(e->ctx, MODNAS_LOG_INFO, "Running estim: %s type: %s", e->name, e->vt->type);
    MN_TRY(load_checkpoint(e));
    if (e->trainer) mn_trainer_set_criteria(e->trainer, e->by_pass);
    if (e->trainer) MN_TRY(mn_trainer_reset(e->trainer, e->epochs));
    MN_TRY(begin_criteria(e));
    MN_TRY(e->vt->prepare(e));
    e->started = mn_seconds();
    e->n_steps = e->n_arch_steps = 0;
    e->epoch = e->epoch_base = 0;
    e->epoch_open = e->is_stopped = 0;
    e->total_steps = e->trainer ? e->epochs * mn_trainer_n_train(e->trainer) : 0;
    return 0;
}

int mn_estim_goes_on(const mn_estim *e) {
    return !e->is_stopped && e->epoch < e->epochs;
}

int mn_estim_prepare(mn_estim *e) {
    const mn_optim *o = e->optim;
    return e->trainer ? mn_trainer_prepare(e->trainer, o ? o->needs : 0, o ? o->n_active : 0) : 0;
}

int mn_estim_need_trainer(const mn_estim *e) {
    if (e->trainer) return 0;
    return mn_fail(e->ctx, MODNAS_EINVAL, "estim.%s: there is no trainer", e->name);
}

/* ---- stepping ------------------------------------------------------------------------------------------ */

static int open_epoch(mn_estim *e) {
    if (e->epoch_open) return 0;
    const int64_t epoch = e->n_steps / mn_trainer_n_train(e->trainer);
    if (e->vt->open_epoch) MN_TRY(e->vt->open_epoch(e, epoch));
    MN_TRY(mn_trainer_start_epoch(e->trainer, epoch - e->epoch_base));
    e->epoch = epoch;
    e->lr = mn_trainer_lr(e->trainer, epoch - e->epoch_base);
    e->scores = e->arch_scores = (mn_scores){0, 0, 0, 0};
    e->epoch_open = 1;
    return 0;
}

static void add_scores(mn_scores *sum, const mn_scores *more) {
    if (!sum) return;
    sum->loss += more->loss;
    sum->top1 += more->top1;
    sum->top5 += more->top5;
    sum->n += more->n;
}

int mn_estim_train_step(mn_estim *e, mn_scores *sum) {
    const int64_t steps = mn_trainer_n_train(e->trainer);
    mn_scores step = {0, 0, 0, 0};
    e->resumable = 0;
    MN_TRY(open_epoch(e));
    MN_TRY(e->vt->weight_step && !e->is_given ? e->vt->weight_step(e, &step) : mn_trainer_step(e->trainer, &step));
    add_scores(&e->scores, &step);
    add_scores(sum, &step);
    const int64_t at = e->n_steps++ % steps;
    e->epoch_open = at + 1 < steps;
    return mn_estim_tick(e, "train", at, steps, &e->scores);
}

int mn_estim_arch_step(mn_estim *e, mn_scores *sum) {
    const int64_t steps = mn_trainer_n_train(e->trainer);
    e->resumable = 0;
    MN_TRY(open_epoch(e));
    const mn_scores before = e->arch_scores;
    e->arch_scores = (mn_scores){0, 0, 0, 0};
    const int rc = e->optim->vt->step(e->optim, e);
    const mn_scores step = e->arch_scores;
    e->arch_scores = before;
    MN_TRY(rc);
    add_scores(&e->arch_scores, &step);
    add_scores(sum, &step);
    e->n_arch_steps++;
    return mn_estim_tick(e, "arch", e->n_steps % steps, steps, &e->arch_scores);
}

int mn_estim_train_epoch(mn_estim *e, int (*before)(mn_estim *e, int64_t step)) {
    const int64_t steps = mn_trainer_n_train(e->trainer), first = e->epoch * steps;
    if (e->n_steps - first < steps) MN_TRY(open_epoch(e));
    for (int64_t step = e->n_steps - first; step < steps; step++) {
        MN_TRY(mn_estim_checkpoint(e, 0));
        if (before) MN_TRY(before(e, step));
        MN_TRY(mn_estim_train_step(e, NULL));
    }
    return 0;
}
