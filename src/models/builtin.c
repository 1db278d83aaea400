/* What this folder registers. */
#include "models/models.h"
#include "space/space.h"

int mn_models_register(modnas_ctx *ctx) {
    MN_TRY(mn_mobilenetv2_register(ctx));
    MN_TRY(mn_nas_bench_macro_register(ctx));
    return mn_sequential_model_register(ctx);
}
