/* Builds of hosts that go wrong: each gives its status and a text with the module, the argument and the numbers; the
 * context goes on. */
#include <string.h>

#include "util_hosted.h"

/* ---- builds -------------------------------------------------------------------------------------------- */

#define BUILD(name) static int name(modnas_module *m, const modnas_args *args, void *ud)
#define HELD        (void)m, (void)args, (void)ud

BUILD(no_input) {
    HELD;
    return 0;
}

BUILD(bad_input) {
    HELD;
    return modnas_model_set_input(modnas_module_model(m), 3, 0, 32);
}

BUILD(bad_classes) {
    HELD;
    return modnas_model_set_classes(modnas_module_model(m), -1);
}

BUILD(same_name) {
    HELD;
    MN_TRY(modnas_module_add(m, "a", "ReLU", NULL, NULL));
    return modnas_module_add(m, "a", "ReLU6", NULL, NULL);
}

BUILD(dotted_name) {
    HELD;
    return modnas_module_add(m, "a.b", "ReLU", NULL, NULL);
}

BUILD(empty_name) {
    HELD;
    return modnas_module_add(m, "", "ReLU", NULL, NULL);
}

BUILD(unknown_layer) {
    modnas_module *inner;
    HELD;
    MN_TRY(modnas_module_add(m, "a", "Sequential", NULL, &inner));
    return modnas_module_add(inner, "b", "Conv2", NULL, NULL);
}

BUILD(param_like_child) {
    HELD;
    MN_TRY(modnas_module_add(m, "a", "ReLU", NULL, NULL));
    return modnas_module_param(m, "a", (int64_t[]){4}, 1, MODNAS_INIT_ONES, 0);
}

BUILD(param_twice) {
    HELD;
    MN_TRY(modnas_module_param(m, "a", (int64_t[]){4}, 1, MODNAS_INIT_ONES, 0));
    return modnas_module_param(m, "a", (int64_t[]){4}, 1, MODNAS_INIT_ONES, 0);
}

BUILD(param_of_no_size) {
    HELD;
    return modnas_module_param(m, "a", (int64_t[]){4, 0}, 2, MODNAS_INIT_ONES, 0);
}

BUILD(param_too_large) {
    HELD;
    return modnas_module_param(m, "a", (int64_t[]){1 << 16, 1 << 16, 1 << 16, 1 << 16}, 4, MODNAS_INIT_ONES, 0);
}

BUILD(param_of_three) {
    HELD;
    return modnas_module_param(m, "a", (int64_t[]){4, 4, 4}, 3, MODNAS_INIT_ONES, 0);
}

BUILD(param_init) {
    HELD;
    return modnas_module_param(m, "a", (int64_t[]){4}, 1, 4, 0);
}

BUILD(param_bound) {
    HELD;
    return modnas_module_param(m, "a", (int64_t[]){4}, 1, MODNAS_INIT_NORMAL, -1);
}

BUILD(slot_that_is_none) {
    modnas_module *a;
    HELD;
    MN_TRY(modnas_module_add(m, "a", "ReLU", NULL, &a));
    return modnas_slot_fill(a, "MB3E3");
}

BUILD(slot_without_own) {
    modnas_module *a;
    HELD;
    MN_TRY(modnas_module_add(m, "a", "Slot", "chn_in: 4", &a));
    return modnas_slot_fill(a, NULL);
}

BUILD(slot_that_does_not_fit) {
    modnas_module *a;
    HELD;
    MN_TRY(modnas_module_add(m, "a", "Slot", "chn_in: 4, chn_out: 8", &a));
    return modnas_slot_fill(a, "NIL");
}

BUILD(mix_without_candidates) {
    modnas_module *a;
    HELD;
    MN_TRY(modnas_module_add(m, "a", "Slot", "chn_in: 4", &a));
    return modnas_slot_mix(a, "SoftmaxSumMixedOp");
}

BUILD(another_model) {
    const modnas_place place = {.size = sizeof place, .model = modnas_module_model(m)};
    HELD;
    return modnas_registry_build(hosted_ctx, "model", "CIFAR_MobileNetV2", &place);
}

BUILD(other_classes) {
    MN_TRY(modnas_model_set_classes(modnas_module_model(m), 7));
    return hosted_small_build(m, args, ud);
}

BUILD(calls_itself) {
    HELD;
    return modnas_module_add(m, "again", "Self", NULL, NULL);
}

BUILD(fills_with_itself) {
    modnas_module *a;
    HELD;
    MN_TRY(modnas_module_add(m, "a", "Slot", "chn_in: 4", &a));
    return modnas_slot_fill(a, "Self");
}

BUILD(refused_arg) {
    HELD;
    return modnas_args_fail(args, "width", "4 is too narrow");
}

static const struct {
    const char *name;
    int (*build)(modnas_module *m, const modnas_args *args, void *ud);
    int status;
    const char *text;
} builds[] = {
    {"sets no input", no_input, MODNAS_EINVAL, "the build of Bad set no input size"},
    {"sets a bad input", bad_input, MODNAS_ESHAPE, "an input of 3x0x32"},
    {"sets bad classes", bad_classes, MODNAS_ESHAPE, "-1 classes"},
    {"adds the same name twice", same_name, MODNAS_EEXIST, "a Bad has a child 'a' already"},
    {"adds a dotted name", dotted_name, MODNAS_EINVAL, "'a.b' is no name of a module"},
    {"adds an empty name", empty_name, MODNAS_EINVAL, "'' is no name of a module"},
    {"adds an unknown layer", unknown_layer, MODNAS_ENOTFOUND,
     "module 'a.b': no layer named 'Conv2'; did you mean 'Conv2d'?"},
    {"names a parameter as a child", param_like_child, MODNAS_EEXIST, "'a' already"},
    {"names a parameter twice", param_twice, MODNAS_EEXIST, "'a' already"},
    {"makes a parameter of no size", param_of_no_size, MODNAS_ESHAPE,
     "parameter 'a' of 4x0x1x1: 1 to 1073741824 elements"},
    {"makes too large a parameter", param_too_large, MODNAS_ESHAPE, "parameter 'a' of 65536x65536x65536x65536"},
    {"makes a parameter of three sizes", param_of_three, MODNAS_EINVAL, "parameter 'a': 3 sizes; 1, 2 or 4 are wanted"},
    {"makes a parameter with a bad init", param_init, MODNAS_EINVAL, "parameter 'a': init is 4"},
    {"makes a parameter with a bad bound", param_bound, MODNAS_EINVAL, "parameter 'a': the bound is -1"},
    {"fills what is no Slot", slot_that_is_none, MODNAS_EINVAL, "a activation is no Slot"},
    {"fills with what it has not", slot_without_own, MODNAS_ECONFIG, "model Bad has no operator of its own"},
    {"fills with what does not fit", slot_that_does_not_fit, MODNAS_ECONFIG, "slot 0 (4 -> 8 channels, stride 1)"},
    {"mixes without candidates", mix_without_candidates, MODNAS_ECONFIG, "slot 0: this mixed_op has no candidates"},
    {"builds another model", another_model, MODNAS_EINVAL, "the model is a Bad already"},
    {"says other classes than it gives", other_classes, MODNAS_ESHAPE, "2x7x1x1 is wanted"},
    {"builds itself as a layer", calls_itself, MODNAS_EINVAL, "64 builds are inside of each other: Self calls itself"},
    {"builds itself as a candidate", fills_with_itself, MODNAS_EINVAL,
     "64 builds are inside of each other: Self calls itself"},
    {"refuses an argument", refused_arg, MODNAS_ECONFIG, "test.yaml:2: Bad.width: 4 is too narrow"},
};

START_TEST(wrong_build) {
    const modnas_module_vt good = {.size = sizeof good, .build = hosted_small_build},
                           bad = {.size = sizeof bad, .build = builds[_i].build};
    hosted_register_net(hosted_ctx, "Good", &good, NULL);
    const modnas_module_vt layer = {.size = sizeof layer, .build = calls_itself},
                           candidate = {.size = sizeof candidate, .build = fills_with_itself};
    ck_assert_int_eq(hosted_register(hosted_ctx, "model", "Bad", "width: 8", &bad, NULL), 0);
    ck_assert_int_eq(hosted_register(hosted_ctx, "layer", "Self", NULL, &layer, NULL), 0);
    ck_assert_int_eq(hosted_register(hosted_ctx, "candidate", "Self", NULL, &candidate, NULL), 0);
    const int rc = hosted_describe("backend: ref\nmodel: {type: Bad, args: {width: 4}}\n", NULL);
    ck_assert_msg(rc == builds[_i].status, "%s: %d, %s", builds[_i].name, rc, modnas_errmsg(hosted_ctx));
    hosted_expect_text(builds[_i].text);
    ck_assert_int_eq(hosted_describe(HOSTED_NET("Good"), NULL), 0);
}
END_TEST

/* ---- arguments of layers ------------------------------------------------------------------------------- */

#define CONV "in_channels: 16, out_channels: 16, kernel_size: 3"

static const struct {
    const char *type, *args, *text;
} layers[] = {
    {"Conv2d", NULL, "Conv2d needs the arg 'out_channels'"},
    {"Conv2d", "{out_channels: 3, kernel_size: 1}", "Conv2d.in_channels: it has to be given here"},
    {"Conv2d", "in_chanels: 3", "Conv2d has no arg 'in_chanels'; did you mean 'in_channels'?"},
    {"Conv2d", "in_channels: 0, out_channels: 16, kernel_size: 3", "Conv2d.in_channels: 0 is not between 1 and 65536"},
    {"Conv2d", "in_channels: x, out_channels: 16, kernel_size: 3",
     "Conv2d.in_channels: an integer is wanted, not the string 'x'"},
    {"Conv2d", "in_channels: 3, out_channels: 1e9, kernel_size: 3",
     "Conv2d.out_channels: 1000000000 is not between 1 and 65536"},
    {"Conv2d", "in_channels: 3, out_channels: 16, kernel_size: null",
     "Conv2d.kernel_size: a whole number or a list of two is wanted, not null"},
    {"Conv2d", "in_channels: 3, out_channels: 16, kernel_size: [3]",
     "Conv2d.kernel_size: a whole number or a list of two"},
    {"Conv2d", "in_channels: 3, out_channels: 16, kernel_size: [3, 0]", "Conv2d.kernel_size: 0 is not between 1"},
    {"Conv2d", CONV ", stride: 0", "Conv2d.stride: 0 is not between 1 and 65536"},
    {"Conv2d", CONV ", padding: -1", "Conv2d.padding: -1 is not between 0 and 65536"},
    {"Conv2d", CONV ", padding: same, stride: 2", "Conv2d.padding: same goes with stride 1, not 2"},
    {"Conv2d", "in_channels: 3, out_channels: 16, kernel_size: 2, padding: same",
     "Conv2d.padding: same goes with an odd window, not 2"},
    {"Conv2d", "in_channels: 1, out_channels: 1, kernel_size: 65535, dilation: 65536, padding: same",
     "Conv2d.padding: 2147418112 is not between 0 and 65536"},
    {"Conv2d", CONV ", padding: full",
     "Conv2d.padding: a whole number or a list of two is wanted, not the string 'full'"},
    {"Conv2d", CONV ", groups: 3", "Conv2d.groups: 16 channels to 16 cannot be split into 3 groups"},
    {"Conv2d", CONV ", bias: 3", "Conv2d.bias: true or false is wanted, not the number 3"},
    {"Conv2d", "in_channels: 65536, out_channels: 65536, kernel_size: 65536",
     "module 'x': Conv2d.kernel_size: 18446744073709551616 weights; 1073741824 are possible"},
    {"Linear", "in_features: 16777216, out_features: 65", "Linear.out_features: 1090519040 weights"},
    {"Conv2d", "[3, 16]", "a map of arguments is wanted, not a list"},
    {"Conv2d", "3", "module 'x'"},
    {"Conv2d", "{in_channels: 3", "module 'x'"},
    {"BatchNorm2d", "num_features: -4", "BatchNorm2d.num_features: -4 is not between 1 and 65536"},
    {"BatchNorm2d", "num_features: 4, eps: 0", "BatchNorm2d.eps: 0 is not positive"},
    {"BatchNorm2d", "num_features: 4, momentum: 2", "BatchNorm2d.momentum: 2 is not above 0 and up to 1"},
    {"BatchNorm2d", "num_features: 4, track_running_stats: false", "BatchNorm2d.track_running_stats: only true"},
    {"Linear", "in_features: 4, out_features: 0", "Linear.out_features: 0 is not between 1 and 16777216"},
    {"MaxPool2d", "kernel_size: 3, padding: 2", "MaxPool2d.padding: 2 is more than half of the window of 3"},
    {"AvgPool2d", "{}", "AvgPool2d needs the arg 'kernel_size'"},
    {"AdaptiveAvgPool2d", "output_size: 7", "AdaptiveAvgPool2d.output_size: 7 x 7; only 1 is supported"},
    {"Dropout", "p: 1", "Dropout.p: 1 is not in [0, 1)"},
    {"Flatten", "start_dim: 2", "Flatten.start_dim: only 1 is supported"},
    {"ConvBNAct", CONV ", activation: Relu", "ConvBNAct.activation: 'Relu' is none of none, ReLU, "},
    {"ConvBNAct", "in_channels: 3, out_channels: 16, kernel_size: 4", "ConvBNAct.kernel_size: 4 is even"},
    {"SqueezeExcitation", "{}", "SqueezeExcitation.input_channels: it has to be given here"},
    {"SqueezeExcitation", "input_channels: 8, squeeze_channels: 0", "SqueezeExcitation.squeeze_channels: 0 is not between 1"},
    {"SqueezeExcitation", "input_channels: 8, activation: none", "SqueezeExcitation.activation: 'none' is none of ReLU, "},
    {"Sequential", "layers: [ReLU, [Conv2d, {in_channels: 3}]]", "module 'x': Conv2d needs the arg 'out_channels'"},
    {"Sequential", "layers: 3", "Sequential.layers"},
    {"Slot", "chn_in: 4, stride: 0", "Slot.stride: 0 is not between 1 and 65536"},
    {"Slot", "chn_in: 4, op: MB3E2", "no candidate named 'MB3E2'"},
};

static int build_layer(modnas_module *m, const modnas_args *args, void *ud) {
    const int i = *(const int *)ud;
    (void)args;
    return modnas_module_add(m, "x", layers[i].type, layers[i].args, NULL);
}

START_TEST(wrong_layer) {
    const modnas_module_vt vt = {.size = sizeof vt, .build = build_layer};
    hosted_register_net(hosted_ctx, "Bad", &vt, &_i);
    const int rc = hosted_describe(HOSTED_NET("Bad"), NULL);
    ck_assert_msg(rc == MODNAS_ECONFIG || rc == MODNAS_ENOTFOUND, "%d, %s", rc, modnas_errmsg(hosted_ctx));
    hosted_expect_text("module 'x'");
    hosted_expect_text(layers[_i].text);
}
END_TEST

int main(void) {
    Suite *s = suite_create("host_build");
    TCase *c = tcase_create("wrong");
    tcase_add_checked_fixture(c, hosted_setup, hosted_teardown);
    tcase_add_loop_test(c, wrong_build, 0, (int)MN_COUNT(builds));
    tcase_add_loop_test(c, wrong_layer, 0, (int)MN_COUNT(layers));
    suite_add_tcase(s, c);
    return util_run(s);
}
