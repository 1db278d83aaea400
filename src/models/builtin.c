/* What this folder registers. */
#include "models/models.h"
#include "space/space.h"

int mn_models_register(modnas_ctx *ctx) {
    return mn_mobilenetv2_register(ctx);
}
