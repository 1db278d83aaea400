/* The library's own components: one line a folder. A component of a folder is listed there. */
#include "callback/callback.h"
#include "data/data.h"
#include "search/search.h"
#include "space/space.h"
#include "train/train.h"

static int (*const folders[])(modnas_ctx *ctx) = {mn_models_register, mn_space_register, mn_construct_register,
                                                  mn_export_register, mn_data_register,  mn_train_register,
                                                  mn_optim_register,  mn_estim_register, mn_metrics_register,
                                                  mn_callback_register};

int mn_register_builtins(modnas_ctx *ctx) {
    if (ctx->registry) return 0;
    for (size_t i = 0; i < MN_COUNT(folders); i++) {
        const int rc = folders[i](ctx);
        if (rc && ctx->registry) ctx->registry_free(ctx); /* half a table would count as done */
        if (rc) return rc;
    }
    return 0;
}
