/* What this folder registers. */
#include "construct/parts.h"

int mn_construct_register(modnas_ctx *ctx) {
    MN_TRY(mn_construct_infra_register(ctx));
    MN_TRY(mn_construct_cells_register(ctx));
    MN_TRY(mn_construct_slots_register(ctx));
    MN_TRY(mn_construct_spaces_register(ctx));
    MN_TRY(mn_construct_stacnas_register(ctx));
    MN_TRY(mn_construct_traversal_register(ctx));
    MN_TRY(mn_construct_arch_tree_register(ctx));
    MN_TRY(mn_construct_initialise_register(ctx));
    MN_TRY(mn_construct_drop_path_register(ctx));
    MN_TRY(mn_construct_hparam_register(ctx));
    MN_TRY(mn_construct_constructed_register(ctx));
    MN_TRY(mn_construct_elastic_register(ctx));
    return mn_construct_arch_desc_register(ctx);
}
