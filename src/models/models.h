/* Backbones, kind "model". One file a family; each registers its rows. */
#ifndef MN_MODELS_H
#define MN_MODELS_H

#include "module/layer_types.h"
#include "module/layers.h"
#include "space/slot.h"

int mn_accel_nas_bench_register(modnas_ctx *ctx);
int mn_darts_register(modnas_ctx *ctx);
int mn_mobilenetv2_register(modnas_ctx *ctx);
int mn_mobilenetv3_register(modnas_ctx *ctx);
int mn_nas_bench_201_register(modnas_ctx *ctx);
int mn_nas_bench_macro_register(modnas_ctx *ctx);
int mn_pyramidnet_register(modnas_ctx *ctx);
int mn_resnet_register(modnas_ctx *ctx);
int mn_sequential_model_register(modnas_ctx *ctx);
int mn_shufflenetv2_register(modnas_ctx *ctx);
/* mn_model.foreign_name, as torchvision's mobilenet_v2, mobilenet_v3_large and resnets have it. */
int mn_torchvision_mobilenetv2(const mn_model *m, const char *name, mn_str *out);
int mn_torchvision_mobilenetv3(const mn_model *m, const char *name, mn_str *out);
int mn_torchvision_resnet(const mn_model *m, const char *name, mn_str *out);

/* ---- what they share (args.c) ------------------------------------------------------------------------------------ */

/* Rows of the args that mn_model_read_images reads; `classes`: the default of n_classes as text. */
#define MN_IMAGE_ARGS(classes)                                                                                         \
    {"chn_in", MN_ARG_INT, "null", NULL, "channels of the images; default: those of input, else 3"},                   \
        {"n_classes", MN_ARG_INT, classes, NULL, "outputs of the classifier"}, {                                       \
        "input", MN_ARG_LIST, "null", NULL,                                                                            \
            "[channels, height, width] of one image, for counts and memory; default: the model's own"                  \
    }
/* model->input, which is 3 x size x size if nothing is said, and model->n_classes, 0 if that is null. */
int mn_model_read_images(const mn_args *a, int32_t size, mn_model *model);
/* A sequential as the model's root, which fill(root, plan) gives its children. */
int mn_model_set_root(mn_model *model, int (*fill)(mn_module *root, const void *plan), const void *plan);
/* Add the child that a call has made which returned rc; not 0: it made none. */
int mn_add_made(mn_module *parent, const char *name, int rc, mn_module *child);
/* Whole numbers by name: the kwargs of a Slot. A map that is the caller's; and one of a Slot's, `otherwise` if it is not
 * there. */
typedef struct mn_kwarg {
    const char *name;
    int32_t value;
} mn_kwarg;
int mn_kwargs_new(modnas_ctx *ctx, const mn_kwarg *kwargs, size_t n, mn_node **out);
int32_t mn_kwarg_of(const mn_slot *slot, const char *name, int32_t otherwise);
/* Row i of the arg cfgs: n whole numbers, each from its least on and up to 65536. what: "[t, c, n, s]". */
int mn_row_read(const mn_args *a, size_t i, const mn_node *row, const char *what, const int32_t *least, int32_t n,
                int32_t *to);
/* A Slot whose candidates are told of the groups of the convolution that it stands for: kwargs {groups: n}. */
int mn_add_conv_slot(mn_module *parent, const char *name, int32_t chn_in, int32_t chn_out, int32_t stride,
                     int32_t groups);
/* The block of MobileNets (inverted_residual.c). */
int mn_add_inverted_residual(mn_module *parent, const char *name, int32_t chn_in, int32_t chn_out, int32_t stride,
                             const mn_kwarg *kwargs, size_t n);

#endif
