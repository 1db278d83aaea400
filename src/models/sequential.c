/* Sequential: a network written wholly in a configuration, as a row of layers (kind "layer"), blocks of layers and Slots.
 * The layers say what they are; each takes the channels that the one before gives. */
#include "models/models.h"
#include "module/layer_types.h"

static int fill(mn_module *root, const void *args) {
    const int32_t *in = root->model->input;
    mn_flow flow = {in[0], in[1] == 1 && in[2] == 1};
    return mn_layers_fill(root, mn_args_node(args, "layers"), &flow);
}

static int build(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_model_env *)env)->model;
    (void)c, (void)out;
    MN_TRY(mn_model_read_images(args, 32, model));
    return mn_model_set_root(model, fill, args);
}

static const mn_arg_def args_of[] = {
    {"layers", MN_ARG_SPECS, NULL, "layer", "a list of layers, or a map name -> layer, in the order of the forward"},
    MN_IMAGE_ARGS("null"),
    {NULL, 0, NULL, NULL, NULL}};

static const mn_component row = {"model", "Sequential", "a network of layers written in the configuration", args_of,
                                 build, NULL};

int mn_sequential_model_register(modnas_ctx *ctx) {
    return mn_registry_add(ctx, &row);
}
