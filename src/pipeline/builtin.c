/* One line a folder: what it registers. A component of a folder is listed there. */
#include "pipeline/builtin.h"

#include "data/data.h"
#include "search/search.h"
#include "space/space.h"
#include "train/train.h"

static int (*const folders[])(modnas_ctx *ctx) = {mn_models_register, mn_space_register, mn_construct_register,
                                                  mn_export_register, mn_data_register,  mn_train_register,
                                                  mn_optim_register,  mn_estim_register, mn_metrics_register};

int mn_register_builtins(modnas_ctx *ctx) {
    const int was_empty = !ctx->registry;
    if (mn_registry_find(ctx, "estim", "SuperNetEstim")) return 0;
    for (size_t i = 0; i < MN_COUNT(folders); i++) {
        const int rc = folders[i](ctx);
        if (rc && was_empty && ctx->registry) ctx->registry_free(ctx); /* half a table would refuse the next attempt */
        if (rc) return rc;
    }
    return 0;
}
