/* Components of hosts: registering, finding and building them by name, their arguments, and what they can do as
 * candidates, layers and constructors. */
#include <stdio.h>
#include <string.h>

#include "util_hosted.h"

static int nothing_build(modnas_module *m, const modnas_args *args, void *ud) {
    (void)m, (void)args, (void)ud;
    return 0;
}

static int nothing_run(modnas_model *model, const modnas_args *args, void *ud) {
    (void)model, (void)args, (void)ud;
    return 0;
}

static const modnas_module_vt nothing = {.size = sizeof nothing, .build = nothing_build};
static const modnas_construct_vt no_run = {.size = sizeof no_run}, runs = {.size = sizeof runs, .run = nothing_run},
                                 odd_run = {.size = sizeof odd_run, .run = nothing_run, .after_commit = 2};

/* ---- registering --------------------------------------------------------------------------------------- */

START_TEST(refusals) {
    static const modnas_module_vt empty = {.size = sizeof empty}, small = {.size = 4};
    static const struct {
        const char *kind, *name, *args;
        const void *vt;
        int status;
        const char *text;
    } rows[] = {
        {"model", "CIFAR-MobileNet V2", NULL, &nothing, MODNAS_EEXIST, "model 'CIFAR-MobileNet V2' is there already"},
        {"arch_space", "cifarmobilenetv2", NULL, &nothing, MODNAS_EEXIST, "model 'cifarmobilenetv2'"},
        {"candidate", "mb3e3", NULL, &nothing, MODNAS_EEXIST, "candidate 'mb3e3'"},
        {"layer", "Slot", NULL, &nothing, MODNAS_EEXIST, "layer 'Slot'"},
        {"optimizer", "Mine", NULL, &nothing, MODNAS_EUNSUPPORTED, "model, candidate, layer, construct"},
        {"mixed_op", "Mine", NULL, &nothing, MODNAS_EUNSUPPORTED, "'mixed_op'"},
        {"nonsense", "Mine", NULL, &nothing, MODNAS_EUNSUPPORTED, "'nonsense'"},
        {"", "Mine", NULL, &nothing, MODNAS_EINVAL, "without a kind"},
        {"model", "", NULL, &nothing, MODNAS_EINVAL, "without a name"},
        {"model", "a.b", NULL, &nothing, MODNAS_EINVAL, "no '.'"},
        {"model", "a\nb", NULL, &nothing, MODNAS_EINVAL, "no control characters"},
        {"model", "Mine", "[1, 2]", &nothing, MODNAS_EINVAL, "args of model 'Mine': a map of arguments is wanted"},
        {"model", "Mine", "a: 1, a: 2", &nothing, MODNAS_EINVAL, "args of model 'Mine'"},
        {"model", "Mine", "{a: 1", &nothing, MODNAS_EINVAL, "args of model 'Mine'"},
        {"model", "Mine", NULL, &empty, MODNAS_EINVAL, "model 'Mine': neither build nor forward"},
        {"model", "Mine", NULL, &small, MODNAS_EINVAL, "modnas_module_vt: size is 4"},
        {"construct", "Mine", NULL, &no_run, MODNAS_EINVAL, "construct 'Mine': run is NULL"},
        {"construct", "Mine", NULL, &odd_run, MODNAS_EINVAL, "construct 'Mine': after_commit is 2"},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        const int rc = hosted_register(hosted_ctx, rows[i].kind, rows[i].name, rows[i].args, rows[i].vt, NULL);
        ck_assert_msg(rc == rows[i].status, "row %zu: %d, %s", i, rc, modnas_errmsg(hosted_ctx));
        hosted_expect_text(rows[i].text);
    }
    char longer[400];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    ck_assert_int_eq(hosted_register(hosted_ctx, "model", longer, NULL, &nothing, NULL), MODNAS_EINVAL);
    ck_assert_int_eq(hosted_register(hosted_ctx, "model", "Mine", NULL, &nothing, NULL), 0);
    ck_assert_int_eq(hosted_register(hosted_ctx, "candidate", "Mine", NULL, &nothing, NULL), 0); /* by kind */
    ck_assert_int_eq(hosted_register(hosted_ctx, "arch_space", "mine", NULL, &nothing, NULL), MODNAS_EEXIST);
}
END_TEST

/* A table of a newer host is taken if what is unknown in it is zero. */
START_TEST(newer_tables) {
    struct {
        modnas_module_vt vt;
        void *later;
    } newer = {{.size = sizeof newer, .build = nothing_build}, NULL};
    ck_assert_int_eq(hosted_register(hosted_ctx, "model", "A", NULL, &newer, NULL), 0);
    newer.later = &newer;
    ck_assert_int_eq(hosted_register(hosted_ctx, "model", "B", NULL, &newer, NULL), MODNAS_EINVAL);
}
END_TEST

/* Everything is copied: what the caller had may change. */
START_TEST(copies) {
    char name[] = "Mine", kind[] = "model", text[] = "a model", args[] = "width: 3";
    modnas_module_vt vt = nothing;
    modnas_component c = {.size = sizeof c, .kind = kind, .name = name, .text = text, .args = args, .vt = &vt};
    const modnas_builder *b = NULL;
    char *json = NULL;
    ck_assert_int_eq(modnas_registry_register(hosted_ctx, &c), 0);
    name[0] = kind[0] = text[0] = args[0] = 'X';
    memset(&vt, 0, sizeof vt);
    ck_assert_int_eq(modnas_registry_get_builder(hosted_ctx, "model", "mine", &b), 0);
    ck_assert_str_eq(modnas_builder_name(b), "Mine");
    ck_assert_str_eq(modnas_builder_kind(b), "model");
    ck_assert_str_eq(modnas_builder_text(b), "a model");
    ck_assert_int_eq(modnas_builder_args_json(hosted_ctx, b, &json), 0);
    ck_assert_str_eq(
        json, "[{\"name\":\"width\",\"type\":\"int\",\"default\":3,\"required\":false,\"text\":\"of the host\"}]");
    modnas_string_free(hosted_ctx, json);
    ck_assert_int_eq(hosted_describe("backend: ref\nmodel: Mine\n", NULL), MODNAS_EINVAL); /* it was called: no input */
    hosted_expect_text("the build of Mine set no input size");
}
END_TEST

/* ---- finding ------------------------------------------------------------------------------------------- */

START_TEST(finding) {
    static const char *const there[][3] = {{"arch_space", "CIFAR_MobileNetV2", "model"},
                                           {"arch_space", "MB3E6", "candidate"},
                                           {"arch_space", "SoftmaxSum", "mixed_op"},
                                           {"optim", "binary-gate optim", "optim"},
                                           {"construct", "DefaultMixedOpConstructor", "construct"},
                                           {"estim", "SuperNetEstim", "estim"},
                                           {"layer", "conv2d", "layer"}};
    const modnas_builder *b = NULL;
    char *json = NULL;
    for (size_t i = 0; i < MN_COUNT(there); i++) {
        ck_assert_int_eq(modnas_registry_get_builder(hosted_ctx, there[i][0], there[i][1], &b), 0);
        ck_assert_str_eq(modnas_builder_kind(b), there[i][2]);
    }
    b = NULL;
    ck_assert_int_eq(modnas_registry_get_builder(hosted_ctx, "arch_space", "CIFAR_MobileNetV3", &b), MODNAS_ENOTFOUND);
    hosted_expect_text("no model named 'CIFAR_MobileNetV3'; did you mean 'CIFAR_MobileNetV2'?");
    ck_assert_int_eq(modnas_registry_get_builder(hosted_ctx, "optimiser", "SGD", &b), MODNAS_ENOTFOUND);
    ck_assert_ptr_null(b);
    ck_assert_int_eq(hosted_register(hosted_ctx, "construct", "Mine", "a: {b: 1}", &runs, NULL), 0);
    ck_assert_int_eq(modnas_list_json(hosted_ctx, "construct", &json), 0);
    ck_assert_ptr_nonnull(
        strstr(json, "{\"kind\":\"construct\",\"name\":\"Mine\",\"text\":\"of a test\",\"args\":[{\"name\":\"a\","
                     "\"type\":\"map\",\"default\":{\"b\":1},"));
    modnas_string_free(hosted_ctx, json);
}
END_TEST

/* ---- arguments ----------------------------------------------------------------------------------------- */

#define ALL_ARGS "i: 3, r: 0.5, b: true, s: some text, l: [1, 2], m: {x: 1}, n: null"

static int see_args(modnas_model *model, const modnas_args *a, void *ud) {
    char *json = NULL, *l = NULL;
    const char *s = modnas_args_str(a, "s"), *n = modnas_args_str(a, "n");
    (void)model;
    MN_TRY(modnas_args_json(a, NULL, &json));
    MN_TRY(modnas_args_json(a, "l", &l));
    snprintf(ud, 512, "%lld %g %g %d %s %s %d %d %s | %s", (long long)modnas_args_int(a, "i"), modnas_args_real(a, "r"),
             modnas_args_real(a, "i"), modnas_args_bool(a, "b"), s ? s : "(none)", n ? n : "(none)",
             modnas_args_given(a, "n"), modnas_args_given(a, "q"), l, json);
    modnas_string_free(hosted_ctx, json);
    modnas_string_free(hosted_ctx, l);
    return 0;
}

#define NET "backend: ref\nmodel: HostResNet\n"

START_TEST(arguments) {
    static const char *const rows[][2] = {
        {"", "3 0.5 3 1 some text (none) 0 0 [1,2] | {\"i\":3,\"r\":0.5,\"b\":true,\"s\":\"some text\",\"l\":[1,2],"
             "\"m\":{\"x\":1},\"n\":null}"},
        {"i: -4.0, r: 2, b: false, s: '7', l: [], m: {}, n: x",
         "-4 2 -4 0 7 x 1 0 [] | {\"i\":-4,\"r\":2,\"b\":false,\"s\":\"7\",\"l\":[],\"m\":{},\"n\":\"x\"}"}};
    char seen[512];
    const modnas_construct_vt vt = {.size = sizeof vt, .run = see_args};
    ck_assert_int_eq(hosted_add_resnet(hosted_ctx), 0);
    ck_assert_int_eq(hosted_register(hosted_ctx, "construct", "See", ALL_ARGS, &vt, seen), 0);
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        char yaml[512];
        snprintf(yaml, sizeof yaml, NET "construct: {x: {type: See, args: {%s}}}\n", rows[i][0]);
        ck_assert_msg(hosted_describe(yaml, NULL) == 0, "%s", modnas_errmsg(hosted_ctx));
        ck_assert_str_eq(seen, rows[i][1]);
    }
    static const char *const wrong[][2] = {{"i: 1.5", "test.yaml:3: See.i: an integer is wanted, not the number 1.5"},
                                           {"r: x", "test.yaml:3: See.r: a number is wanted"},
                                           {"b: yes", "test.yaml:3: See.b: true or false is wanted"},
                                           {"s: 7", "test.yaml:3: See.s: a string is wanted"},
                                           {"l: 7", "test.yaml:3: See.l: a list is wanted"},
                                           {"m: [7]", "test.yaml:3: See.m: a map is wanted"},
                                           {"lst: 7", "test.yaml:3: See has no arg 'lst'"}};
    for (size_t i = 0; i < MN_COUNT(wrong); i++) {
        char yaml[512];
        snprintf(yaml, sizeof yaml, NET "construct: {x: {type: See, args: {%s}}}\n", wrong[i][0]);
        ck_assert_int_eq(hosted_describe(yaml, NULL), MODNAS_ECONFIG);
        hosted_expect_text(wrong[i][1]);
    }
}
END_TEST

static int misread(modnas_model *model, const modnas_args *a, void *ud) {
    char *json = NULL;
    (void)model, (void)ud;
    ck_assert(modnas_args_int(a, "widht") == 0 && modnas_args_real(a, "s") == 0 && modnas_args_bool(a, "i") == 0);
    ck_assert(!modnas_args_str(a, "i") && modnas_args_int(a, "n") == 0 && modnas_args_int(a, "r") == 0);
    ck_assert_int_eq(modnas_args_json(a, "widht", &json), MODNAS_ENOTFOUND);
    ck_assert_ptr_null(json);
    return 0;
}

START_TEST(misread_arguments) {
    const modnas_construct_vt vt = {.size = sizeof vt, .run = misread};
    ck_assert_int_eq(hosted_add_resnet(hosted_ctx), 0);
    ck_assert_int_eq(hosted_register(hosted_ctx, "construct", "Misread", ALL_ARGS ", width: 3", &vt, NULL), 0);
    ck_assert_int_eq(hosted_describe(NET "construct: {x: Misread}\n", NULL), 0);
    ck_assert_ptr_nonnull(strstr(hosted_host.log, "Misread declares no argument 'widht'; did you mean 'width'?"));
    ck_assert_ptr_nonnull(strstr(hosted_host.log, "Misread.i is the number 3, not a string"));
}
END_TEST

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
    ck_assert_int_eq(PUT("optim", "RandomSearchOptim", .model = model), MODNAS_EUNSUPPORTED);
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
    Suite *s = suite_create("host_registry");
    util_add(s, "registry", hosted_setup, hosted_teardown,
             (const TTest *const[]){refusals, newer_tables, copies, finding, arguments, misread_arguments, NULL});
    util_add(
        s, "use", hosted_setup, hosted_teardown,
        (const TTest *const[]){candidates, nested_slots, endless_slots, layers, composing, weights_of_the_host, NULL});
    return util_run(s);
}
