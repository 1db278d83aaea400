/* What this folder registers. */
#include "optim/parts.h"

int mn_optim_register(modnas_ctx *ctx) {
    MN_TRY(mn_registry_add(ctx, &mn_binary_gate_component));
    MN_TRY(mn_registry_add(ctx, &mn_darts_component));
    MN_TRY(mn_registry_add_all(ctx, mn_direct_grad_components, MN_N_DIRECT_GRAD));
    MN_TRY(mn_registry_alias(ctx, "optim", "DirectGradOptimBiLevel", "DirectGradBiLevelOptim"));
    MN_TRY(mn_registry_add(ctx, &mn_gumbel_annealing_component));
    MN_TRY(mn_registry_add(ctx, &mn_reinforce_component));
    return mn_registry_add(ctx, &mn_random_search_component);
}
