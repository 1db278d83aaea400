/* The loop that training estimators share, and what this folder registers. */
#include "construct/construct.h"
#include "estim/parts.h"

int mn_estim_register(modnas_ctx *ctx) {
    MN_TRY(mn_registry_add(ctx, &mn_default_estim_component));
    return mn_registry_add(ctx, &mn_supernet_estim_component);
}

int mn_estim_need_trainer(modnas_ctx *ctx, const mn_estim_env *env, const char *type) {
    char where[256];
    if (env->trainer) return 0;
    return mn_fail(ctx, MODNAS_ECONFIG, "%s: estim.%s: %s needs a trainer",
                   mn_node_where(env->conf, where, sizeof where), env->name, type);
}

int mn_estim_can_score(const mn_estim *e) {
    int needs_valid = 0;
    for (const mn_metric *m = e->metric; m; m = m->next) needs_valid |= m->needs_valid;
    return !needs_valid || mn_trainer_n_valid(e->trainer) > 0;
}

/* The section's `chkpt`, looked for now: an estimator before this one may have written it. */
static int load_checkpoint(mn_estim *e) {
    const mn_node *chkpt = mn_node_get(e->conf, "chkpt");
    const mn_construct_env env = {e->model};
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

int mn_estim_begin(mn_estim *e) {
    mn_log(e->ctx, MODNAS_LOG_INFO, "Running estim: %s type: %s", e->name, e->vt->type);
    MN_TRY(load_checkpoint(e));
    mn_trainer_set_criteria(e->trainer, e->by_pass);
    MN_TRY(mn_trainer_reset(e->trainer, e->epochs));
    MN_TRY(e->vt->prepare(e));
    e->started = mn_seconds();
    e->n_steps = 0;
    e->total_steps = e->epochs * mn_trainer_n_train(e->trainer);
    return 0;
}

int mn_estim_train_epoch(mn_estim *e, int64_t epoch, int (*before)(mn_estim *e, int64_t step)) {
    const int64_t steps = mn_trainer_n_train(e->trainer);
    mn_scores sum = {0, 0, 0, 0};
    e->epoch = epoch;
    e->lr = mn_trainer_lr(e->trainer, epoch);
    e->arch_scores = sum;
    MN_TRY(mn_trainer_start_epoch(e->trainer, epoch));
    for (int64_t step = 0; step < steps; step++) {
        if (before) MN_TRY(before(e, step));
        MN_TRY(mn_trainer_step(e->trainer, &sum));
        e->n_steps++;
        MN_TRY(mn_estim_tick(e, "train", step, steps, &sum));
    }
    return 0;
}
