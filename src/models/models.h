/* Backbones, kind "model". One file a family; each registers its rows. */
#ifndef MN_MODELS_H
#define MN_MODELS_H

#include "module/model.h"

int mn_mobilenetv2_register(modnas_ctx *ctx);
/* mn_model.foreign_name, as torchvision's mobilenet_v2 has it. */
int mn_torchvision_mobilenetv2(const mn_model *m, const char *name, mn_str *out);

#endif
