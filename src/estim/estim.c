/* What this folder registers, and what its estimators ask for. */
#include "estim/parts.h"

int mn_estim_register(modnas_ctx *ctx) {
    static const mn_component *const all[] = {&mn_default_estim_component, &mn_supernet_estim_component,
                                              &mn_random_sampling_estim_component, &mn_subnet_estim_component,
                                              &mn_table_estim_component, &mn_table_space_component};
    for (size_t i = 0; i < MN_COUNT(all); i++) MN_TRY(mn_registry_add(ctx, all[i]));
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
