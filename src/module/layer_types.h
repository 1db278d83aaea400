/* Layers by name: kind "layer". What a host adds to a backbone (modnas_module_add), and what a model written in YAML is
 * made of. Names and arguments are PyTorch's. */
#ifndef MN_LAYER_TYPES_H
#define MN_LAYER_TYPES_H

#include "module/model.h"

/* What goes from layer to layer while a list of them is built. */
typedef struct mn_flow {
    int32_t chn;     /* channels; 0: not known */
    int32_t is_flat; /* 1: height and width are 1 */
} mn_flow;

typedef struct mn_layer_env { /* out of the builder: mn_module ** */
    mn_model *model;
    mn_module *parent; /* where it will stand, for messages of what it is made of; may be NULL */
    const char *name;
    mn_flow in;   /* what comes in */
    mn_flow *out; /* what it gives, for a builder that knows it */
} mn_layer_env;

int mn_layers_register(modnas_ctx *ctx);
int mn_layer_blocks_register(modnas_ctx *ctx); /* layers of layers */
/* Build one from a spec of kind "layer" and add it to parent. flow [in, out]: what comes in, then what it gives; NULL:
 * nothing is known. out may be NULL. */
int mn_layer_add(mn_module *parent, const char *name, const mn_node *spec, mn_flow *flow, mn_module **out);
/* Add all of a checked SPECS of layers, by name or numbered on. */
int mn_layers_fill(mn_module *parent, const mn_node *specs, mn_flow *flow);
/* The channels that come in: an argument from 1 to `most` that has to agree with the layers before, or what they give. */
int mn_layer_chn_in(const mn_args *a, const char *name, int64_t most, const mn_layer_env *e, int32_t *out);
#define MN_LAYER_IN "channels that come in; default: what the layers before give"
enum { MN_LAYER_SIZE_MAX = 65536 }; /* channels, windows, strides, padding of a layer */
#define MN_LAYER_REAL_ACTS "ReLU|ReLU6|Hardswish|SiLU|Sigmoid|Hardsigmoid|Tanh"
#define MN_LAYER_ACTS      "none|" MN_LAYER_REAL_ACTS
int32_t mn_args_act(const mn_args *a, const char *name); /* an argument that is one of these */
/* The activation of a layer's name ("ReLU6"): MODNAS_ACT_...; -1: none has that name. */
int32_t mn_activation_find(const char *name);
/* An integer argument from `least` to `most`. */
int mn_args_count(const mn_args *a, const char *name, int64_t least, int64_t most, int32_t *out);

#endif
