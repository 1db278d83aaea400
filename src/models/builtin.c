/* What this folder registers. */
#include "models/models.h"
#include "space/space.h"

int mn_models_register(modnas_ctx *ctx) {
    int (*const families[])(modnas_ctx *ctx) = {
        mn_accel_nas_bench_register,
        mn_darts_register,
        mn_mobilenetv2_register,
        mn_mobilenetv3_register,
        mn_nas_bench_201_register,
        mn_nas_bench_macro_register,
        mn_pyramidnet_register,
        mn_resnet_register,
        mn_sequential_model_register,
        mn_shufflenetv2_register,
    };
    for (size_t i = 0; i < MN_COUNT(families); i++) MN_TRY(families[i](ctx));
    return 0;
}
