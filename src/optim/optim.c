/* What this folder registers. */
#include "optim/parts.h"

int mn_optim_register(modnas_ctx *ctx) {
    MN_TRY(mn_registry_add(ctx, &mn_binary_gate_component));
    return mn_registry_add(ctx, &mn_random_search_component);
}
