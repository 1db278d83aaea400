/* The loop that training estimators share, and what this folder registers. */
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
    return !e->metric->needs_valid || mn_trainer_n_valid(e->trainer) > 0;
}

int mn_estim_begin(mn_estim *e) {
    const mn_node *chkpt = mn_node_get(e->conf, "chkpt");
    mn_log(e->ctx, MODNAS_LOG_INFO, "Running estim: %s type: %s", e->name, e->vt->type);
    if (chkpt && chkpt->kind == MN_STR) MN_TRY(mn_model_load(e->model, chkpt->text, 0));
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
