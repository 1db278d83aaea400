#include "util_hosted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

util_host hosted_host;
modnas_ctx *hosted_ctx;

void hosted_setup(void) {
    hosted_host = (util_host){.left = -1};
    modnas_ctx_opts opts = util_host_opts(&hosted_host);
    opts.threads = 1;
    opts.plugin_dir = getenv("MODNAS_PLUGINS");
    ck_assert_int_eq(modnas_ctx_new(&opts, &hosted_ctx), 0);
}

void hosted_teardown(void) {
    modnas_ctx_free(hosted_ctx);
    ck_assert_int_eq(hosted_host.live, 0);
}

modnas_config *hosted_config(const char *yaml) {
    modnas_config *cfg = NULL;
    ck_assert_int_eq(modnas_config_new(hosted_ctx, &cfg), 0);
    ck_assert_msg(modnas_config_add_text(cfg, yaml, strlen(yaml), "test.yaml") == 0, "%s", modnas_errmsg(hosted_ctx));
    return cfg;
}

modnas_model *hosted_model(const char *yaml) {
    modnas_model *m = NULL;
    modnas_config *cfg = hosted_config(yaml);
    ck_assert_msg(modnas_model_new(cfg, &m) == 0, "%s", modnas_errmsg(hosted_ctx));
    modnas_config_free(cfg);
    return m;
}

int hosted_describe(const char *yaml, char **json) {
    char *text = NULL;
    modnas_config *cfg = hosted_config(yaml);
    const int rc = modnas_describe(cfg, NULL, &text);
    modnas_config_free(cfg);
    if (json)
        *json = text;
    else
        modnas_string_free(hosted_ctx, text);
    return rc;
}

double hosted_number(const char *json, const char *key) {
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(json, quoted);
    return at ? atof(at + strlen(quoted)) : -1;
}

void hosted_expect_text(const char *text) {
    ck_assert_msg(strstr(modnas_errmsg(hosted_ctx), text) != NULL, "'%s' is not in: %s", text,
                  modnas_errmsg(hosted_ctx));
}

int hosted_register(modnas_ctx *ctx, const char *kind, const char *name, const char *args, const void *vt, void *ud) {
    const modnas_component c = {
        .size = sizeof c, .kind = kind, .name = name, .text = "of a test", .args = args, .vt = vt, .ud = ud};
    return modnas_registry_register(ctx, &c);
}

void hosted_register_net(modnas_ctx *ctx, const char *name, const modnas_module_vt *vt, void *ud) {
    ck_assert_msg(hosted_register(ctx, "model", name, NULL, vt, ud) == 0, "%s", modnas_errmsg(ctx));
}

#define ADD(m, name, type, out, ...)                                                                                   \
    do {                                                                                                               \
        char args_[256];                                                                                               \
        snprintf(args_, sizeof args_, __VA_ARGS__);                                                                    \
        MN_TRY(modnas_module_add(m, name, type, args_, out));                                                          \
    } while (0)

int hosted_small_build(modnas_module *m, const modnas_args *args, void *ud) {
    (void)args, (void)ud;
    MN_TRY(modnas_model_set_input(modnas_module_model(m), 3, 8, 8));
    MN_TRY(modnas_module_add(m, "c", "Conv2d", "in_channels: 3, out_channels: 4, kernel_size: 3, padding: 1", NULL));
    MN_TRY(modnas_module_add(m, "s", "Slot", "chn_in: 4, op: IDT", NULL));
    return modnas_module_add(m, "p", "GlobalAvgPool", NULL, NULL);
}

/* ---- MobileNetV2 --------------------------------------------------------------------------------------- */

/* One Slot, and its source is added where shapes agree. */
static int block_forward(modnas_module *m, modnas_tape *tape, modnas_value *const *src, int32_t n_src,
                         modnas_value **dst, void *ud) {
    modnas_module *conv = modnas_module_child(m, "conv");
    modnas_slot_info slot = {.size = sizeof slot};
    (void)n_src, (void)ud;
    MN_TRY(modnas_module_slot(conv, &slot));
    MN_TRY(modnas_forward(conv, tape, src[0], dst));
    return slot.stride == 1 && slot.chn_in == slot.chn_out ? modnas_op_add(tape, *dst, src[0], dst) : 0;
}

static const modnas_module_vt block_vt = {.size = sizeof block_vt, .forward = block_forward};

/* t, c, n, s: rows of the paper's table 2; the strides are those of the CIFAR form. Row 0 is the stem. */
static const int32_t cifar_rows[][4] = {{0, 32, 1, 1}, {1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2},
                                        {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 1}, {6, 320, 1, 1}},
                     small_rows[][4] = {{0, 8, 1, 1}, {3, 8, 2, 2}, {3, 8, 2, 2}};

static int add_stage(modnas_module *to, int32_t i, int32_t chn_in, const int32_t *row) {
    modnas_module *stage, *block;
    char name[64];
    snprintf(name, sizeof name, "Bottlenecks_%d", i);
    MN_TRY(modnas_module_add(to, name, "Sequential", NULL, &stage));
    for (int32_t j = 0; j < row[2]; j++) {
        snprintf(name, sizeof name, "MobileInvertedResidualBlock_%d_%d", i, j);
        MN_TRY(modnas_module_add_custom(stage, name, &block_vt, NULL, NULL, &block));
        ADD(block, "conv", "Slot", NULL, "chn_in: %d, chn_out: %d, stride: %d, op: MB3E%d", j ? row[1] : chn_in, row[1],
            j ? 1 : row[3], row[0]);
    }
    return 0;
}

static int mobilenet_build(modnas_module *m, const modnas_args *args, void *ud) {
    const int small = modnas_args_bool(args, "small");
    const int32_t(*rows)[4] = small ? small_rows : cifar_rows;
    const int32_t n = small ? MN_COUNT(small_rows) : MN_COUNT(cifar_rows), side = small ? 8 : 32,
                  last = small ? 640 : 1280;
    const int64_t n_classes = modnas_args_int(args, "n_classes");
    modnas_module *bottlenecks;
    (void)ud;
    MN_TRY(modnas_model_set_input(modnas_module_model(m), 3, side, side));
    MN_TRY(modnas_model_set_classes(modnas_module_model(m), (int32_t)n_classes));
    ADD(m, "conv_first", "ConvBNAct", NULL, "in_channels: 3, out_channels: %d, activation: ReLU6", rows[0][1]);
    MN_TRY(modnas_module_add(m, "bottlenecks", "Sequential", NULL, &bottlenecks));
    for (int32_t i = 1; i < n; i++) MN_TRY(add_stage(bottlenecks, i - 1, rows[i - 1][1], rows[i]));
    ADD(m, "conv_last", "ConvBNAct", NULL, "in_channels: %d, out_channels: %d, kernel_size: 1, activation: ReLU6",
        rows[n - 1][1], last);
    MN_TRY(modnas_module_add(m, "avgpool", "AdaptiveAvgPool2d", NULL, NULL));
    MN_TRY(modnas_module_add(m, "dropout", "Dropout", "p: 0.2", NULL));
    ADD(m, "fc", "Linear", NULL, "in_features: %d, out_features: %lld", last, (long long)n_classes);
    return 0;
}

int hosted_add_mobilenet(modnas_ctx *ctx) {
    const modnas_module_vt vt = {.size = sizeof vt, .build = mobilenet_build};
    return hosted_register(ctx, "model", "HostMobileNetV2", "n_classes: 10, small: false", &vt, NULL);
}

/* ---- residual blocks and branches ---------------------------------------------------------------------- */

/* conv, bn, relu, conv, bn, + source (or its 1x1 convolution), relu: torchvision's BasicBlock. */
static int residual_build(modnas_module *m, const modnas_args *args, void *ud) {
    const int in = (int)modnas_args_int(args, "chn_in"), out = (int)modnas_args_int(args, "chn_out"),
              stride = (int)modnas_args_int(args, "stride");
    (void)ud;
    ADD(m, "conv1", "Conv2d", NULL,
        "in_channels: %d, out_channels: %d, kernel_size: 3, stride: %d, padding: 1, bias: false", in, out, stride);
    ADD(m, "bn1", "BatchNorm2d", NULL, "num_features: %d", out);
    ADD(m, "conv2", "Conv2d", NULL, "{in_channels: %d, out_channels: %d, kernel_size: 3, padding: same, bias: false}",
        out, out);
    ADD(m, "bn2", "BatchNorm2d", NULL, "num_features: %d", out);
    if (stride == 1 && in == out) return 0;
    ADD(m, "downsample", "ConvBNAct", NULL,
        "in_channels: %d, out_channels: %d, kernel_size: 1, stride: %d, activation: none", in, out, stride);
    return 0;
}

static int residual_forward(modnas_module *m, modnas_tape *tape, modnas_value *const *src, int32_t n_src,
                            modnas_value **dst, void *ud) {
    modnas_module *down = modnas_module_child(m, "downsample");
    modnas_value *x = src[0], *v, *way = x;
    (void)n_src, (void)ud;
    MN_TRY(modnas_forward(modnas_module_child(m, "conv1"), tape, x, &v));
    MN_TRY(modnas_forward(modnas_module_child(m, "bn1"), tape, v, &v));
    MN_TRY(modnas_op_activation(tape, "ReLU", v, &v));
    MN_TRY(modnas_forward(modnas_module_child(m, "conv2"), tape, v, &v));
    MN_TRY(modnas_forward(modnas_module_child(m, "bn2"), tape, v, &v));
    if (down) MN_TRY(modnas_forward(down, tape, x, &way));
    MN_TRY(modnas_op_add(tape, v, way, &v));
    return modnas_op_activation(tape, "ReLU", v, dst);
}

/*                                                                          parameters         multiply-adds
 * stem    3 -> 8, 3x3, bn                         16 x 16    216 + 16                         216 * 256 =  55296
 * block1  8 -> 8                                  16 x 16    2 (576 + 16)                 2 * 576 * 256 = 294912
 * block2  8 -> 16, stride 2, downsample             8 x 8    1152 + 2304 + 128 + 3 * 32     3584 * 64   = 229376
 * branch  16 -> 4 (1x1) and 12 (3x3), with bias     8 x 8    64 + 4 + 1728 + 12             1792 * 64   = 114688
 * scale   a number a channel                                 16
 * slot    16 -> 16, MB3E1                           8 x 8    144 + 32 + 256 + 32             400 * 64   =  25600
 * fc      16 -> 5                                            80 + 5                                     =     80
 *                                                            7469                                         719952 */
static int resnet_build(modnas_module *m, const modnas_args *args, void *ud) {
    const int64_t dims[1] = {16};
    (void)args, (void)ud;
    MN_TRY(modnas_model_set_input(modnas_module_model(m), 3, 16, 16));
    MN_TRY(modnas_module_add(m, "stem", "ConvBNAct", "in_channels: 3, out_channels: 8", NULL));
    MN_TRY(modnas_module_add(m, "block1", "HostResidual", "chn_in: 8, chn_out: 8", NULL));
    MN_TRY(modnas_module_add(m, "block2", "HostResidual", "chn_in: 8, chn_out: 16, stride: 2", NULL));
    MN_TRY(modnas_module_add(m, "point", "Conv2d", "in_channels: 16, out_channels: 4, kernel_size: 1", NULL));
    MN_TRY(modnas_module_add(m, "window", "Conv2d", "in_channels: 16, out_channels: 12, kernel_size: 3, padding: 1",
                             NULL));
    MN_TRY(modnas_module_param(m, "scale", dims, 1, MODNAS_INIT_ONES, 0));
    MN_TRY(modnas_module_add(m, "slot", "Slot", "chn_in: 16, op: MB3E1, kwargs: {note: here}", NULL));
    return modnas_module_add(m, "fc", "Linear", "in_features: 16, out_features: 5", NULL);
}

static int resnet_forward(modnas_module *m, modnas_tape *tape, modnas_value *const *src, int32_t n_src,
                          modnas_value **dst, void *ud) {
    modnas_value *v, *part[2], *scale;
    (void)n_src, (void)ud;
    MN_TRY(modnas_forward(modnas_module_child(m, "stem"), tape, src[0], &v));
    MN_TRY(modnas_forward(modnas_module_child(m, "block1"), tape, v, &v));
    MN_TRY(modnas_forward(modnas_module_child(m, "block2"), tape, v, &v));
    MN_TRY(modnas_forward(modnas_module_child(m, "point"), tape, v, &part[0]));
    MN_TRY(modnas_forward(modnas_module_child(m, "window"), tape, v, &part[1]));
    MN_TRY(modnas_op_concat(tape, part, 2, 1, &v));
    MN_TRY(modnas_op_param(tape, m, "scale", &scale));
    MN_TRY(modnas_op_mul(tape, v, scale, &v));
    MN_TRY(modnas_forward(modnas_module_child(m, "slot"), tape, v, &v));
    MN_TRY(modnas_op_global_pool(tape, "avg", v, &v));
    return modnas_forward(modnas_module_child(m, "fc"), tape, v, dst);
}

int hosted_add_resnet(modnas_ctx *ctx) {
    const modnas_module_vt residual = {.size = sizeof residual, .build = residual_build, .forward = residual_forward},
                           resnet = {.size = sizeof resnet, .build = resnet_build, .forward = resnet_forward};
    MN_TRY(hosted_register(ctx, "layer", "HostResidual", "chn_in: 0, chn_out: 0, stride: 1", &residual, NULL));
    return hosted_register(ctx, "arch_space", "HostResNet", NULL, &resnet, NULL);
}
