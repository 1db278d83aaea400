/* What this folder registers. */
#include "optim/parts.h"

int mn_optim_register(modnas_ctx *ctx) {
    MN_TRY(mn_registry_add(ctx, &mn_binary_gate_component));
    MN_TRY(mn_registry_add(ctx, &mn_darts_component));
    MN_TRY(mn_registry_add_all(ctx, mn_direct_grad_components, MN_N_DIRECT_GRAD));
    MN_TRY(mn_registry_alias(ctx, "optim", "DirectGradOptimBiLevel", "DirectGradBiLevelOptim"));
    MN_TRY(mn_registry_add(ctx, &mn_gumbel_annealing_component));
    MN_TRY(mn_registry_add(ctx, &mn_reinforce_component));
    static const mn_component *const proposing[] = {
        &mn_random_search_component, &mn_grid_search_component, &mn_evolution_component,    &mn_aging_component,
        &mn_nsga2_component,         &mn_model_based_component, &mn_local_search_component};
    for (size_t i = 0; i < MN_COUNT(proposing); i++) MN_TRY(mn_registry_add(ctx, proposing[i]));
    return 0;
}
