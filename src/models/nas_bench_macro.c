/* NASBenchMacro: the 3^8 networks of NAS-Bench-Macro (Su et al., CVPR 2021) for 3x32x32 images.
 *
 *   stem -> layers.0 ... layers.7, a Slot each -> head -> pool -> fc
 *
 * The layers are stages of 2, 3 and 3 with 64, 128 and 256 channels; the first of a stage has stride 2. An architecture
 * is eight digits, "01221200": SKIP, IR3E3 or IR5E6 at each layer. */
#include "models/models.h"
#include "space/candidates.h"

enum { STEM = 32, HEAD = 1280 };

static const struct { int32_t chn, layers; } stages[] = {{64, 2}, {128, 3}, {256, 3}};

static const char *const ops[] = {"SKIP", "IR3E3", "IR5E6"};
static const mn_digits digits = {ops, MN_COUNT(ops), 8};

/* The first digit that is no identity. */
static int predefined(mn_model *model, const mn_slot *s, mn_module **out) {
    return mn_inverted_residual_new(model, s->chn_in, s->chn_out, s->stride, 3, 3, out);
}

static int add_layers(mn_module *root) {
    mn_module *layers, *slot;
    int32_t chn = STEM;
    MN_TRY(mn_sequential_new(root->model, &layers));
    MN_TRY(mn_module_add(root, "layers", layers));
    for (size_t i = 0; i < MN_COUNT(stages); i++) {
        for (int32_t j = 0; j < stages[i].layers; j++) {
            MN_TRY(mn_slot_new(root->model, chn, stages[i].chn, j ? 1 : 2, NULL, &slot));
            MN_TRY(mn_module_append(layers, slot));
            chn = stages[i].chn;
        }
    }
    return 0;
}

static int add_parts(mn_module *root, const void *plan) {
    mn_model *model = root->model;
    const int32_t chn_last = stages[MN_COUNT(stages) - 1].chn;
    mn_module *m = NULL;
    (void)plan;
    int rc = mn_conv_bn_act_new(model, model->input[0], STEM, 3, 1, 1, MODNAS_ACT_RELU, &m);
    MN_TRY(mn_add_made(root, "stem", rc, m));
    MN_TRY(add_layers(root));
    rc = mn_conv_bn_act_new(model, chn_last, HEAD, 1, 1, 1, MODNAS_ACT_RELU, &m);
    MN_TRY(mn_add_made(root, "head", rc, m));
    rc = mn_global_pool_new(model, &m);
    MN_TRY(mn_add_made(root, "pool", rc, m));
    rc = mn_linear_new(model, HEAD, model->n_classes, 1, &m);
    return mn_add_made(root, "fc", rc, m);
}

static int build(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_model_env *)env)->model;
    (void)c, (void)out;
    MN_TRY(mn_model_read_images(args, 32, model));
    MN_TRY(mn_model_set_root(model, add_parts, NULL));
    model->predefined = predefined;
    model->digits = &digits;
    return 0;
}

static const mn_arg_def args[] = {MN_IMAGE_ARGS("10"), {NULL, 0, NULL, NULL, NULL}};

static const mn_component row = {"model", "NASBenchMacro", "the space of NAS-Bench-Macro for 3x32x32 images: 8 Slots",
                                 args,    build,           NULL};

int mn_nas_bench_macro_register(modnas_ctx *ctx) {
    return mn_registry_add(ctx, &row);
}
