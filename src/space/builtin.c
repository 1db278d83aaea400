/* What this folder registers. */
#include "module/layer_types.h"
#include "space/candidates.h"
#include "space/mixed.h"
#include "space/nested.h"

int mn_space_register(modnas_ctx *ctx) {
    MN_TRY(mn_layers_register(ctx));
    MN_TRY(mn_slot_type_register(ctx));
    MN_TRY(mn_candidates_register(ctx));
    MN_TRY(mn_cand_nb201_register(ctx));
    MN_TRY(mn_layer_defs_register(ctx));
    MN_TRY(mn_nested_register(ctx));
    return mn_mixed_register(ctx);
}
