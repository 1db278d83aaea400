/* Backbones, kind "model". One file a family; each registers its rows. */
#ifndef MN_MODELS_H
#define MN_MODELS_H

#include "base/base.h"

int mn_mobilenetv2_register(modnas_ctx *ctx);

#endif
