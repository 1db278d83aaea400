/* What components of hosts do: candidates with arguments and Slots of their own, layers inside of Sequentials,
 * constructors that build by name and set weights. */
#include <stdio.h>
#include <string.h>

#include "util_hosted.h"

#define NET "backend: ref\nmodel: HostResNet\n"

/* ---- candidates ---------------------------------------------------------------------------------------- */

static char seen_slot[256];

/* A convolution of any width that refuses strides above 2. */
static int candidate_build(modnas_module *m, const modnas_args *args, void *ud) {
    modnas_slot_info s = {.size = sizeof s};
    char text[160];
    (void)ud;
    MN_TRY(modnas_module_slot(m, &s));
    snprintf(seen_slot, sizeof seen_slot, "%s %d %d %d %s %d %s", s.name, s.chn_in, s.chn_out, s.stride, s.kwargs,
             s.filled, modnas_module_name(m));
    if (s.stride > 2) return modnas_args_fail(args, "kernel", "strides above 2 are not for this");
    snprintf(text, sizeof text, "in_channels: %d, out_channels: %d, kernel_size: %lld, stride: %d, padding: %lld",
             s.chn_in, s.chn_out, (long long)modnas_args_int(args, "kernel"), s.stride,
             (long long)modnas_args_int(args, "kernel") / 2);
    return modnas_module_add(m, "conv", "Conv2d", text, NULL);
}

static const modnas_module_vt candidate = {.size = sizeof candidate, .build = candidate_build};

static double params_of(const char *yaml) {
    char *json = NULL;
    ck_assert_msg(hosted_describe(yaml, &json) == 0, "%s", modnas_errmsg(hosted_ctx));
    const double n = hosted_number(json, "params");
    modnas_string_free(hosted_ctx, json);
    return n;
}

/* 16 -> 16 channels: k = 3 has 16 * 16 * 9 + 16 = 2320 weights, k = 5 has 6416; MB3E1 has 464. */
START_TEST(candidates) {
    const double rest = HOSTED_RESNET_PARAMS - 464;
    ck_assert_int_eq(hosted_add_resnet(hosted_ctx), 0);
    ck_assert_int_eq(hosted_register(hosted_ctx, "candidate", "HostConv", "kernel: 3", &candidate, NULL), 0);
    ck_assert(params_of(NET "arch_desc: [HostConv]\n") == rest + 2320);
    ck_assert_str_eq(seen_slot, "0 16 16 1 {\"note\":\"here\"} 0 HostConv");
    ck_assert(params_of(NET "arch_desc: [{type: HostConv, args: {kernel: 5}}]\n") == rest + 6416);
    ck_assert(params_of(NET "mixed_op: {type: IndexMixedOp, candidates: [HostConv, MB3E1, NIL]}\n") ==
              rest + 2320 + 464);
    ck_assert(params_of(NET "mixed_op: {type: BinaryGateMixedOp, candidates: {a: HostConv, b: {type: HostConv, args: "
                            "{kernel: 5}}, c: IDT}}\n") == rest + 2320 + 6416);
    ck_assert_int_eq(hosted_describe(NET "arch_desc: [HostConf]\n", NULL), MODNAS_ENOTFOUND);
    hosted_expect_text("did you mean 'HostConv'?");
    ck_assert_int_eq(hosted_describe(NET "arch_desc: [{type: HostConv, args: {kernel: 0}}]\n", NULL), MODNAS_ECONFIG);
    hosted_expect_text("module 'slot.HostConv.conv': Conv2d.kernel_size: 0 is not between 1 and 65536");
}
END_TEST

/* A candidate with Slots of its own: they take their own operators where nothing else fills them. */
static int cell_build(modnas_module *m, const modnas_args *args, void *ud) {
    modnas_slot_info s = {.size = sizeof s};
    (void)args, (void)ud;
    MN_TRY(modnas_module_slot(m, &s));
    MN_TRY(modnas_module_add(m, "first", "Slot", "chn_in: 16, op: HostConv", NULL));
    return modnas_module_add(m, "second", "Slot", "chn_in: 16, op: IDT", NULL);
}

static int mix_nested(modnas_model *model, const modnas_args *args, void *ud) {
    (void)args, (void)ud;
    for (size_t i = 0; i < modnas_model_n_slots(model); i++) {
        modnas_slot_info s = {.size = sizeof s};
        MN_TRY(modnas_module_slot(modnas_model_slot(model, i), &s));
        if (!s.filled)
            MN_TRY(modnas_slot_mix(modnas_model_slot(model, i), "{type: IndexMixedOp, candidates: [HostConv, IDT]}"));
    }
    return 0;
}

START_TEST(nested_slots) {
    const double rest = HOSTED_RESNET_PARAMS - 464;
    const modnas_module_vt cell = {.size = sizeof cell, .build = cell_build};
    const modnas_construct_vt mix = {.size = sizeof mix, .run = mix_nested};
    ck_assert_int_eq(hosted_add_resnet(hosted_ctx), 0);
    ck_assert_int_eq(hosted_register(hosted_ctx, "candidate", "HostConv", "kernel: 3", &candidate, NULL), 0);
    ck_assert_int_eq(hosted_register(hosted_ctx, "candidate", "Cell", NULL, &cell, NULL), 0);
    ck_assert_int_eq(hosted_register(hosted_ctx, "construct", "MixNested", NULL, &mix, NULL), 0);
    ck_assert(params_of(NET "arch_desc: [Cell]\n") == rest + 2320);
    ck_assert(params_of(NET "arch_desc: [Cell]\nconstruct: {inner: MixNested}\n") == rest + 2 * 2320);
    ck_assert(
        params_of(NET
                  "mixed_op: {type: SoftmaxSumMixedOp, candidates: [Cell, IDT]}\nconstruct: {inner: MixNested}\n") ==
        rest + 2 * 2320);
}
END_TEST

/* A Slot in the operator of its own Slot, without end. */
static int endless_build(modnas_module *m, const modnas_args *args, void *ud) {
    (void)args, (void)ud;
    return modnas_module_add(m, "s", "Slot", "chn_in: 16, op: Endless", NULL);
}

START_TEST(endless_slots) {
    const modnas_module_vt endless = {.size = sizeof endless, .build = endless_build};
    ck_assert_int_eq(hosted_add_resnet(hosted_ctx), 0);
    ck_assert_int_eq(hosted_register(hosted_ctx, "candidate", "Endless", NULL, &endless, NULL), 0);
    ck_assert_int_eq(hosted_describe(NET "arch_desc: [Endless]\n", NULL), MODNAS_ECONFIG);
    hosted_expect_text("is empty");
}
END_TEST

/* ---- layers -------------------------------------------------------------------------------------------- */

/* Twice the source: a layer without children. Used by name inside of a Sequential. */
static int twice(modnas_module *m, modnas_tape *tape, modnas_value *const *src, int32_t n_src, modnas_value **dst,
                 void *ud) {
    (void)m, (void)n_src, (void)ud;
    return modnas_op_add(tape, src[0], src[0], dst);
}

static int layers_build(modnas_module *m, const modnas_args *args, void *ud) {
    (void)args, (void)ud;
    MN_TRY(modnas_model_set_input(modnas_module_model(m), 1, 2, 2));
    return modnas_module_add(m, "all", "Sequential",
                             "layers:\n"
                             "  - Twice\n"
                             "  - [Sequential, {layers: {a: Twice, b: {type: MaxPool2d, args: {kernel_size: 2}}}}]\n"
                             "  - Flatten\n",
                             NULL);
}

START_TEST(layers) {
    const modnas_module_vt layer = {.size = sizeof layer, .forward = twice},
                           net = {.size = sizeof net, .build = layers_build};
    const float x[4] = {-1, 3, 2, 0};
    float y = 0;
    ck_assert_int_eq(hosted_register(hosted_ctx, "layer", "Twice", NULL, &layer, NULL), 0);
    ck_assert_int_eq(hosted_register(hosted_ctx, "model", "N", NULL, &net, NULL), 0);
    modnas_model *m = hosted_model("backend: ref\nmodel: N\n");
    ck_assert_ptr_nonnull(modnas_module_child(modnas_model_root(m), "all.1.b"));
    ck_assert_int_eq(modnas_model_forward(m, x, 1, &y), 0);
    ck_assert_float_eq(y, 12); /* 2 * 2 * 3 */
    modnas_model_free(m);
}
END_TEST

/* ---- constructors and building ------------------------------------------------------------------------- */

#define PUT(kind, spec, ...)                                                                                           \
    modnas_registry_build(hosted_ctx, kind, spec, &(const modnas_place){.size = sizeof(modnas_place), __VA_ARGS__})

/* Instead of the implied constructor of the model: a built-in backbone, by name, then one built-in constructor after
 * another, then what the model still needs by hand. */
static int compose(modnas_model *model, const modnas_args *args, void *ud) {
    (void)args, (void)ud;
    ck_assert_ptr_null(modnas_model_root(model));
    ck_assert_int_eq(PUT("construct", "MobileNetV2PredefinedConstructor", .model = model), MODNAS_ECONFIG);
    ck_assert_int_eq(PUT("arch_space", "NoSuchNet", .model = model), MODNAS_ENOTFOUND);
    MN_TRY(PUT("arch_space", "{type: CIFAR_MobileNetV2, args: {n_classes: 10}}", .model = model));
    ck_assert_uint_eq(modnas_model_n_slots(model), 17);
    ck_assert_int_eq(modnas_model_n_classes(model), 10);
    ck_assert_int_eq(PUT("model", "CIFAR_MobileNetV2", .model = model), MODNAS_EINVAL);
    hosted_expect_text("the model is a CIFAR_MobileNetV2 already");
    MN_TRY(PUT("candidate", "MB3E1", .module = modnas_model_slot(model, 0)));
    MN_TRY(PUT("arch_space", "{type: BinaryGate, candidates: [MB3E3, MB3E6]}", .module = modnas_model_slot(model, 1)));
    ck_assert_int_eq(PUT("candidate", "MB3E3", .module = modnas_model_root(model)), MODNAS_EINVAL);
    ck_assert_int_eq(PUT("construct", "{type: TorchCheckpointLoader, args: {path: x}}", .model = model), MODNAS_EINVAL);
    hosted_expect_text("TorchCheckpointLoader is run after a model is complete");
    MN_TRY(PUT("construct", "[DefaultOpConstructor, {op: MB3E6}]", .model = model)); /* the Slots that are left */
    MN_TRY(PUT("layer", "{type: ReLU, args: {}}", .module = modnas_model_root(model), .name = "behind"));
    ck_assert_int_eq(PUT("data", "RandData", .model = model), MODNAS_EUNSUPPORTED);
    ck_assert_int_eq(PUT("nonsense", "X", .model = model), MODNAS_EUNSUPPORTED);
    ck_assert_int_eq(PUT("layer", "{type: [", .module = modnas_model_root(model), .name = "x"), MODNAS_ECONFIG);
    ck_assert_int_eq(PUT("layer", "", .module = modnas_model_root(model), .name = "x"), MODNAS_ECONFIG);
    return 0;
}

/* CIFAR_MobileNetV2's own operators are MB3E1 and sixteen times MB3E6: 2,236,682. The second Slot (16 -> 24 channels)
 * has MB3E3 beside: 16 * 48 + 2 * 48 + 9 * 48 + 2 * 48 + 48 * 24 + 2 * 24 = 2592. */
START_TEST(composing) {
    const modnas_construct_vt vt = {.size = sizeof vt, .run = compose};
    ck_assert_int_eq(hosted_register(hosted_ctx, "construct", "Compose", NULL, &vt, NULL), 0);
    modnas_model *m = hosted_model("backend: ref\nconstruct: {model: Compose}\n");
    ck_assert_int_eq(modnas_model_n_params(m), 2236682 + 2592);
    ck_assert_ptr_nonnull(modnas_module_child(modnas_model_root(m), "behind"));
    ck_assert_int_eq(PUT("layer", "ReLU", .module = modnas_model_root(m), .name = "late"), MODNAS_EINVAL);
    ck_assert_int_eq(PUT("candidate", "MB3E1", .module = modnas_model_slot(m, 0)), MODNAS_EINVAL);
    ck_assert_int_eq(PUT("construct", "MobileNetV2PredefinedConstructor", .model = m), MODNAS_EINVAL);
    hosted_expect_text("is run before a model is complete");
    ck_assert_int_eq(PUT("construct", "{type: TorchCheckpointLoader, args: {path: /nowhere}}", .model = m),
                     MODNAS_ECONFIG);
    modnas_model_free(m);
}
END_TEST

/* After the commit: weights, from wherever the host has them. */
static int set_weights(modnas_model *model, const modnas_args *args, void *ud) {
    float scale[16];
    (void)ud;
    for (int i = 0; i < 16; i++) scale[i] = (float)modnas_args_real(args, "scale");
    return modnas_model_set(model, "scale", scale, 16);
}

START_TEST(weights_of_the_host) {
    const modnas_construct_vt late = {.size = sizeof late, .run = set_weights, .after_commit = 1},
                              early = {.size = sizeof early, .run = set_weights};
    float scale[16];
    ck_assert_int_eq(hosted_add_resnet(hosted_ctx), 0);
    ck_assert_int_eq(hosted_register(hosted_ctx, "construct", "Late", "scale: 0.25", &late, NULL), 0);
    ck_assert_int_eq(hosted_register(hosted_ctx, "construct", "Early", "scale: 0.25", &early, NULL), 0);
    modnas_model *m = hosted_model(NET "construct: {w: Late}\n");
    ck_assert_int_eq(modnas_model_get(m, "scale", scale, 16), 0);
    ck_assert_float_eq(scale[15], 0.25f);
    ck_assert_int_eq(PUT("construct", "{type: Late, args: {scale: 2}}", .model = m), 0);
    ck_assert_int_eq(modnas_model_get(m, "scale", scale, 16), 0);
    ck_assert_float_eq(scale[15], 2);
    modnas_model_free(m);
    ck_assert_int_eq(hosted_describe(NET "construct: {w: Early}\n", NULL), MODNAS_ENOTFOUND);
}
END_TEST

int main(void) {
    Suite *s = suite_create("host_components");
    util_add(
        s, "use", hosted_setup, hosted_teardown,
        (const TTest *const[]){candidates, nested_slots, endless_slots, layers, composing, weights_of_the_host, NULL});
    return util_run(s);
}
