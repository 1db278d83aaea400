/* Layers by name: kind "layer". What a host adds to a backbone (modnas_module_add), and what a model written in YAML is
 * made of. Names and arguments are PyTorch's. */
#ifndef MN_LAYER_TYPES_H
#define MN_LAYER_TYPES_H

#include "module/model.h"

typedef struct mn_layer_env { /* out of the builder: mn_module ** */
    mn_model *model;
    mn_module *parent; /* where it will stand, for messages of what it is made of; may be NULL */
    const char *name;
} mn_layer_env;

int mn_layers_register(modnas_ctx *ctx);
/* Build one from a spec of kind "layer" and add it to parent. out may be NULL. */
int mn_layer_add(mn_module *parent, const char *name, const mn_node *spec, mn_module **out);
/* The activation of a layer's name ("ReLU6"): MODNAS_ACT_...; -1: none has that name. */
int32_t mn_activation_find(const char *name);
/* An integer argument from `least` to `most`. */
int mn_args_count(const mn_args *a, const char *name, int64_t least, int64_t most, int32_t *out);

#endif
