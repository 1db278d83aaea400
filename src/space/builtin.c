/* What this folder registers. */
#include "space/candidates.h"
#include "space/mixed.h"

int mn_space_register(modnas_ctx *ctx) {
    MN_TRY(mn_candidates_register(ctx));
    return mn_mixed_register(ctx);
}
