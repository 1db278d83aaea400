/* What this folder registers, and what its estimators ask for. */
#include "estim/parts.h"

int mn_estim_register(modnas_ctx *ctx) {
    static const mn_component *const all[] = {&mn_default_estim_component,         &mn_supernet_estim_component,
                                              &mn_random_sampling_estim_component, &mn_subnet_estim_component,
                                              &mn_shrinking_estim_component,       &mn_table_estim_component,
                                              &mn_table_space_component};
    static const char *const older_names[][2] = {{"DefaultEstimator", "DefaultEstim"},
                                                 {"SuperNetEstimator", "SuperNetEstim"},
                                                 {"SubNetEstimator", "SubNetEstim"},
                                                 {"RandomSamplingEstimator", "RandomSamplingEstim"}};
    for (size_t i = 0; i < MN_COUNT(all); i++) MN_TRY(mn_registry_add(ctx, all[i]));
    for (size_t i = 0; i < MN_COUNT(older_names); i++)
        MN_TRY(mn_registry_alias(ctx, "estim", older_names[i][0], older_names[i][1]));
    return 0;
}

int mn_estim_check_trainer(modnas_ctx *ctx, const mn_estim_env *env, const char *type) {
    char where[256];
    if (env->trainer) return 0;
    return mn_fail(ctx, MODNAS_ECONFIG, "%s: estim.%s: %s needs a trainer",
                   mn_node_where(env->conf, where, sizeof where), env->name, type);
}

int mn_estim_can_score(const mn_estim *e) {
    int needs_valid = 0;
    for (const mn_metric *m = e->metric; m; m = m->next) needs_valid |= m->needs_valid;
    return !needs_valid || (e->trainer && mn_trainer_n_valid(e->trainer) > 0);
}

int mn_estim_check_score(const mn_estim *e) {
    char where[256];
    if (mn_estim_can_score(e)) return 0;
    return mn_fail(
        e->ctx, MODNAS_ECONFIG,
        "%s: estim.%s scores architectures on validation data and there is none: give data_loader a valid_ratio "
        "or valid_size, or valid_data",
        mn_node_where(e->conf, where, sizeof where), e->name);
}

int mn_estim_check_proposer(const mn_estim *e) {
    char where[256];
    if (e->optim && e->optim->vt->ask) return 0;
    return mn_fail(e->ctx, MODNAS_ECONFIG, "%s: estim.%s: %s needs an optimizer that proposes architectures%s%s",
                   mn_node_where(e->conf, where, sizeof where), e->name, e->vt->type,
                   e->optim ? ", not " : "; there is no `optim`", e->optim ? e->optim->vt->type : "");
}
