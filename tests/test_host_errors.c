/* What hosts do wrong: each gives its status and a text that names the place, nothing is left behind, and the context
 * goes on. Codes of callbacks come back as include/modnas/registry.h says. */
#include <stdlib.h>
#include <string.h>

#include "util_hosted.h"
#include "util_rig.h"

/* ---- forwards that go wrong ---------------------------------------------------------------------------- */

/* Image 3x8x8, 4 classes: conv "c" (3 -> 4), a Slot "s" in the middle, pooling "p". */
static int build(modnas_module *m, const modnas_args *args, void *ud) {
    (void)args, (void)ud;
    MN_TRY(modnas_model_set_input(modnas_module_model(m), 3, 8, 8));
    MN_TRY(modnas_module_add(m, "c", "Conv2d", "in_channels: 3, out_channels: 4, kernel_size: 3, padding: 1", NULL));
    MN_TRY(modnas_module_add(m, "s", "Slot", "chn_in: 4, op: IDT", NULL));
    return modnas_module_add(m, "p", "GlobalAvgPool", NULL, NULL);
}

#define FORWARD(name)                                                                                                  \
    static int name(modnas_module *m, modnas_tape *tape, modnas_value *const *src, int32_t n_src, modnas_value **dst,  \
                    void *ud)
#define USED (void)m, (void)tape, (void)src, (void)n_src, (void)dst, (void)ud

static int through(modnas_module *m, modnas_tape *tape, const char *names, modnas_value *v, modnas_value **dst) {
    for (; *names; names++) {
        const char name[2] = {*names, 0};
        MN_TRY(modnas_forward(modnas_module_child(m, name), tape, v, &v));
    }
    *dst = v;
    return 0;
}

FORWARD(right) {
    USED;
    return through(m, tape, "csp", src[0], dst);
}

FORWARD(no_value) {
    modnas_value *v;
    USED;
    return through(m, tape, "csp", src[0], &v);
}

static modnas_value *kept;

FORWARD(keeps) {
    USED;
    MN_TRY(through(m, tape, "csp", src[0], dst));
    kept = *dst;
    return 0;
}

FORWARD(gives_kept) {
    USED;
    *dst = kept;
    return 0;
}

FORWARD(uses_kept) {
    USED;
    return through(m, tape, "csp", kept, dst);
}

FORWARD(gives_nonsense) {
    USED;
    *dst = (modnas_value *)((char *)src[0] + 1);
    return 0;
}

FORWARD(wrong_shape) {
    USED;
    return through(m, tape, "cs", src[0], dst);
}

FORWARD(takes_images_together) {
    USED;
    MN_TRY(through(m, tape, "csp", src[0], dst));
    return modnas_op_reshape(tape, *dst, (int64_t[]){1, 8, 1, 1}, dst);
}

FORWARD(leaves_slot_out) {
    USED;
    return through(m, tape, "cp", src[0], dst);
}

FORWARD(leaves_layer_out) {
    USED;
    return through(m, tape, "sp", src[0], dst);
}

FORWARD(wrong_channels) {
    USED;
    MN_TRY(through(m, tape, "c", src[0], dst));
    return through(m, tape, "csp", *dst, dst);
}

FORWARD(calls_itself) {
    USED;
    return modnas_forward(m, tape, src[0], dst);
}

FORWARD(null_module) {
    USED;
    return modnas_forward(modnas_module_child(m, "x"), tape, src[0], dst);
}

FORWARD(adds_late) {
    USED;
    return modnas_module_add(m, "late", "ReLU", NULL, NULL);
}

FORWARD(fills_late) {
    USED;
    return modnas_slot_fill(modnas_module_child(m, "s"), "NIL");
}

static modnas_module *stranger;

FORWARD(foreign_module) {
    USED;
    return modnas_forward(stranger, tape, src[0], dst);
}

FORWARD(foreign_param) {
    USED;
    return modnas_op_param(tape, stranger, "weight", dst);
}

FORWARD(evaluates) {
    float x[3 * 8 * 8] = {0}, logits[4];
    USED;
    return modnas_model_forward(modnas_module_model(m), x, 1, logits);
}

FORWARD(too_many_sources) {
    USED;
    modnas_value *two[2] = {src[0], src[0]};
    return modnas_forward_n(modnas_module_child(m, "c"), tape, two, 2, dst);
}

FORWARD(code_of) {
    USED;
    return *(int *)ud;
}

static const struct {
    const char *name;
    int (*forward)(modnas_module *m, modnas_tape *tape, modnas_value *const *src, int32_t n_src, modnas_value **dst,
                   void *ud);
    int status;
    const char *text;
} forwards[] = {
    {"gives nothing", no_value, MODNAS_EINVAL, "the forward of Bad gave no value"},
    {"gives a value of another tape", gives_kept, MODNAS_EINVAL, "the forward of Bad gave a value of another tape"},
    {"uses a value of another tape", uses_kept, MODNAS_EINVAL, "modnas_forward: a value is of another tape"},
    {"gives what is no value", gives_nonsense, MODNAS_EINVAL, "a value of another tape"},
    {"gives a wrong shape", wrong_shape, MODNAS_ESHAPE,
     "model Bad gives 2x4x8x8 for 2 images of 3x8x8; 2x4x1x1 is wanted"},
    {"takes images together", takes_images_together, MODNAS_ESHAPE, "gives 1x8x1x1 for 2 images"},
    {"leaves a Slot out", leaves_slot_out, MODNAS_EINVAL,
     "module 's': slot 0 (4 -> 4 channels, stride 1) is never used: the forward of Bad leaves it out"},
    {"gives a layer the wrong channels", wrong_channels, MODNAS_ESHAPE,
     "module 'c': conv2d: src has 4 channels, weights want 3"},
    {"calls itself", calls_itself, MODNAS_EINVAL, "a forward calls itself"},
    {"records a NULL module", null_module, MODNAS_EINVAL, "modnas_forward: the module is NULL"},
    {"adds a module", adds_late, MODNAS_EINVAL, "the model stands"},
    {"fills a Slot", fills_late, MODNAS_EINVAL, "the model stands"},
    {"records a module of another model", foreign_module, MODNAS_EINVAL, "'c' is of another model than the tape"},
    {"reads a parameter of another model", foreign_param, MODNAS_EINVAL, "'c' is of another model than the tape"},
    {"evaluates the model it records", evaluates, MODNAS_EBUSY, "in use"},
    {"gives a layer two sources", too_many_sources, MODNAS_EINVAL, "module 'c': conv2d takes 1 value, 2 given"},
};

static void register_net(modnas_ctx *ctx, const char *name, const modnas_module_vt *vt, void *ud) {
    ck_assert_msg(hosted_register(ctx, "model", name, NULL, vt, ud) == 0, "%s", modnas_errmsg(ctx));
}

#define NET(name) "backend: ref\nmodel: " name "\n"

/* Ends with a model that is right, so the context went on. */
START_TEST(wrong_forward) {
    const modnas_module_vt good = {.size = sizeof good, .build = build, .forward = right},
                           other = {.size = sizeof other, .build = build, .forward = keeps},
                           bad = {.size = sizeof bad, .build = build, .forward = forwards[_i].forward};
    register_net(hosted_ctx, "Good", &good, NULL);
    register_net(hosted_ctx, "Other", &other, NULL);
    register_net(hosted_ctx, "Bad", &bad, NULL);
    modnas_model *m = hosted_model(NET("Other"));
    stranger = modnas_module_child(modnas_model_root(m), "c");
    const int rc = hosted_describe(NET("Bad"), NULL);
    ck_assert_msg(rc == forwards[_i].status, "%s: %d, %s", forwards[_i].name, rc, modnas_errmsg(hosted_ctx));
    hosted_expect_text(forwards[_i].text);
    modnas_model_free(m);
    ck_assert_int_eq(hosted_describe(NET("Good"), NULL), 0);
}
END_TEST

/* A layer that is never used is worth a line in the log. */
START_TEST(unused_is_logged) {
    const modnas_module_vt all = {.size = sizeof all, .build = build}, /* children in order */
        some = {.size = sizeof some, .build = build, .forward = leaves_layer_out};
    register_net(hosted_ctx, "All", &all, NULL);
    register_net(hosted_ctx, "Some", &some, NULL);
    ck_assert_int_eq(hosted_describe(NET("All"), NULL), 0);
    ck_assert_ptr_null(strstr(hosted_host.log, "leaves"));
    ck_assert_int_eq(hosted_describe(NET("Some"), NULL), 0);
    ck_assert_ptr_nonnull(strstr(hosted_host.log, "the forward of Some leaves 2 of its weights out: c.weight, ..."));
}
END_TEST

/* ---- builds that go wrong ------------------------------------------------------------------------------ */

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
    {"refuses an argument", refused_arg, MODNAS_ECONFIG, "test.yaml:2: Bad.width: 4 is too narrow"},
};

START_TEST(wrong_build) {
    const modnas_module_vt good = {.size = sizeof good, .build = build},
                           bad = {.size = sizeof bad, .build = builds[_i].build};
    register_net(hosted_ctx, "Good", &good, NULL);
    ck_assert_int_eq(hosted_register(hosted_ctx, "model", "Bad", "width: 8", &bad, NULL), 0);
    const int rc = hosted_describe("backend: ref\nmodel: {type: Bad, args: {width: 4}}\n", NULL);
    ck_assert_msg(rc == builds[_i].status, "%s: %d, %s", builds[_i].name, rc, modnas_errmsg(hosted_ctx));
    hosted_expect_text(builds[_i].text);
    ck_assert_int_eq(hosted_describe(NET("Good"), NULL), 0);
}
END_TEST

/* ---- arguments of layers ------------------------------------------------------------------------------- */

#define CONV "in_channels: 16, out_channels: 16, kernel_size: 3"

static const struct {
    const char *type, *args, *text;
} layers[] = {
    {"Conv2d", NULL, "Conv2d needs the arg 'in_channels'"},
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
    register_net(hosted_ctx, "Bad", &vt, &_i);
    const int rc = hosted_describe(NET("Bad"), NULL);
    ck_assert_msg(rc == MODNAS_ECONFIG || rc == MODNAS_ENOTFOUND, "%d, %s", rc, modnas_errmsg(hosted_ctx));
    hosted_expect_text("module 'x'");
    hosted_expect_text(layers[_i].text);
}
END_TEST

/* ---- codes --------------------------------------------------------------------------------------------- */

static int code_build(modnas_module *m, const modnas_args *args, void *ud) {
    (void)m, (void)args;
    return *(int *)ud;
}

static int code_run(modnas_model *model, const modnas_args *args, void *ud) {
    (void)model, (void)args;
    return *(int *)ud;
}

#define TRAIN                                                                                                          \
    "train_data: {type: RandData, args: {shape: [3, 8, 8], classes: 4, data_size: 8}}\n"                               \
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: SGD}}}\nestim: {train: {type: DefaultEstim, "        \
    "epochs: 1}}\n"

/* From every callback and every entry; a nested one passes through its parents. */
START_TEST(codes_come_back) {
    static const struct {
        int code, status;
        const char *text;
    } codes[] = {{7, 7, "returned 7"},
                 {1, 1, "returned 1"},
                 {-77, MODNAS_ECALLBACK, "returned -77"},
                 {MODNAS_EIO, MODNAS_ECALLBACK, "returned -7"}};
    static const char *const configs[] = {
        NET("InBuild") TRAIN, NET("InForward") TRAIN, NET("Good") "construct: {x: InRun}\n" TRAIN,
        NET("Good") "arch_desc: [InCandidate]\n" TRAIN,
        NET("Good") "mixed_op: {type: IndexMixedOp, candidates: [IDT, InForwardOfCandidate]}\n" TRAIN};
    int code;
    const modnas_module_vt good = {.size = sizeof good, .build = build},
                           in_build = {.size = sizeof in_build, .build = code_build},
                           in_forward = {.size = sizeof in_forward, .build = build, .forward = code_of},
                           candidate = {.size = sizeof candidate, .forward = code_of};
    const modnas_construct_vt in_run = {.size = sizeof in_run, .run = code_run};
    register_net(rig.ctx, "Good", &good, NULL);
    register_net(rig.ctx, "InBuild", &in_build, &code);
    register_net(rig.ctx, "InForward", &in_forward, &code);
    ck_assert_int_eq(hosted_register(rig.ctx, "construct", "InRun", NULL, &in_run, &code), 0);
    ck_assert_int_eq(hosted_register(rig.ctx, "candidate", "InCandidate", NULL, &in_build, &code), 0);
    ck_assert_int_eq(hosted_register(rig.ctx, "candidate", "InForwardOfCandidate", NULL, &candidate, &code), 0);
    for (size_t i = 0; i < MN_COUNT(codes); i++)
        for (size_t k = 0; k < MN_COUNT(configs); k++) {
            code = codes[i].code;
            const int rc = util_rig_yaml(&rig, configs[k], NULL);
            ck_assert_msg(rc == codes[i].status, "%s: %d, %s", configs[k], rc, rig.error);
            ck_assert_msg(strstr(rig.error, codes[i].text) != NULL, "%s", rig.error);
            ck_assert_int_eq(rig.started, 0);
            ck_assert_ptr_null(rig.results);
        }
    code = 0;
    ck_assert_msg(util_rig_yaml(&rig, NET("Good") TRAIN, NULL) == 0, "%s", rig.error);
}
END_TEST

static int after; /* recordings until it fails */

static int later(modnas_module *m, modnas_tape *tape, modnas_value *const *src, int32_t n_src, modnas_value **dst,
                 void *ud) {
    (void)m, (void)tape, (void)n_src, (void)ud;
    if (after-- <= 0) return 9;
    *dst = src[0];
    return 0;
}

/* In the middle of a run, too: an index op records a new path at any time. */
START_TEST(codes_come_back_later) {
    const modnas_module_vt good = {.size = sizeof good, .build = build},
                           candidate = {.size = sizeof candidate, .forward = later};
    register_net(rig.ctx, "Good", &good, NULL);
    ck_assert_int_eq(hosted_register(rig.ctx, "candidate", "Later", NULL, &candidate, NULL), 0);
    int rc = 9;
    for (int n = 0; rc; n++) {
        after = n;
        rc = util_rig_yaml(&rig, NET("Good") "mixed_op: {type: SoftmaxSumMixedOp, candidates: [IDT, Later]}\n" TRAIN,
                           NULL);
        ck_assert_msg(rc == 9 || rc == 0, "%d, %s", rc, rig.error);
        ck_assert_int_lt(n, 1000);
    }
}
END_TEST

/* ---- ud_free ------------------------------------------------------------------------------------------- */

static void count(void *ud) {
    ++*(int *)ud;
}

static int custom_calls;

static int build_custom(modnas_module *m, const modnas_args *args, void *ud) {
    static const modnas_module_vt pass = {.size = sizeof pass}, failing = {.size = sizeof failing, .build = code_build};
    static int three = 3;
    (void)args;
    MN_TRY(modnas_model_set_input(modnas_module_model(m), 3, 1, 1));
    MN_TRY(modnas_module_add_custom(m, "a", &pass, ud, count, NULL));
    ck_assert_int_eq(modnas_module_add_custom(m, "a", &pass, ud, count, NULL), MODNAS_EEXIST);
    ck_assert_int_eq(modnas_module_add_custom(m, "b", &failing, &three, count, NULL), 3);
    ck_assert_int_eq(modnas_module_n_children(m), 1);
    return custom_calls++ ? 6 : 0;
}

START_TEST(ud_is_freed_once) {
    int freed[2] = {0, 0}, modules = 0;
    modnas_ctx *ctx;
    const modnas_module_vt vt = {.size = sizeof vt, .build = build_custom};
    modnas_component c = {.size = sizeof c, .kind = "model", .name = "N", .vt = &vt, .ud = &modules, .ud_free = NULL};
    ck_assert_int_eq(modnas_registry_register(hosted_ctx, &c), 0);
    modnas_model *m = hosted_model(NET("N"));
    ck_assert_int_eq(modules, 0);
    modnas_model_free(m);
    ck_assert_int_eq(modules, 1); /* with its module, and not for those that failed */
    ck_assert_int_eq(hosted_describe(NET("N"), NULL), 6);
    ck_assert_int_eq(modules, 2);
    ck_assert_int_eq(modnas_ctx_new(NULL, &ctx), 0);
    c.ud = &freed[0];
    c.ud_free = count;
    ck_assert_int_eq(modnas_registry_register(ctx, &c), 0);
    c.ud = &freed[1];
    ck_assert_int_eq(modnas_registry_register(ctx, &c), MODNAS_EEXIST);
    modnas_ctx_free(ctx);
    ck_assert_int_eq(freed[0], 1);
    ck_assert_int_eq(freed[1], 0);
}
END_TEST

/* ---- out of memory ------------------------------------------------------------------------------------- */

/* Every allocation of making and describing a host's net failed in turn: MODNAS_ENOMEM, nothing leaked, and it works
 * once there is memory. */
START_TEST(out_of_memory) {
    int64_t n = 0;
    for (int rc = MODNAS_ENOMEM; rc; n++) {
        modnas_ctx *ctx = NULL;
        modnas_config *cfg = NULL;
        modnas_model *m = NULL;
        util_host host = {.left = -1};
        const modnas_ctx_opts opts = util_host_opts(&host);
        const char *yaml =
            "backend: ref\nmodel: HostResNet\nmixed_op: {type: IndexMixedOp, candidates: [IDT, MB3E1]}\n";
        ck_assert_int_eq(modnas_ctx_new(&opts, &ctx), 0);
        ck_assert_int_eq(modnas_list_text(ctx, "layer", (char **)&m),
                         0); /* the library's own rows are not the matter here */
        modnas_string_free(ctx, (char *)m);
        m = NULL;
        host.left = n;
        rc = hosted_add_resnet(ctx);
        if (!rc) rc = modnas_config_new(ctx, &cfg);
        if (!rc) rc = modnas_config_add_text(cfg, yaml, strlen(yaml), "t.yaml");
        if (!rc) rc = modnas_model_new(cfg, &m);
        ck_assert_msg(rc == 0 || rc == MODNAS_ENOMEM, "allocation %lld: %d, %s", (long long)n, rc, modnas_errmsg(ctx));
        host.left = -1;
        modnas_model_free(m);
        modnas_config_free(cfg);
        modnas_ctx_free(ctx);
        ck_assert_int_eq(host.live, 0);
    }
    ck_assert_int_gt(n, 300);
}
END_TEST

int main(void) {
    Suite *s = suite_create("host_errors");
    TCase *c = tcase_create("wrong");
    tcase_add_checked_fixture(c, hosted_setup, hosted_teardown);
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, wrong_forward, 0, (int)MN_COUNT(forwards));
    tcase_add_loop_test(c, wrong_build, 0, (int)MN_COUNT(builds));
    tcase_add_loop_test(c, wrong_layer, 0, (int)MN_COUNT(layers));
    suite_add_tcase(s, c);
    util_add(s, "more", hosted_setup, hosted_teardown,
             (const TTest *const[]){unused_is_logged, ud_is_freed_once, out_of_memory, NULL});
    util_add(s, "codes", rig_setup, rig_teardown, (const TTest *const[]){codes_come_back, codes_come_back_later, NULL});
    return util_run(s);
}
