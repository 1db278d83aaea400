/* Components of hosts by name: registering, finding, listing, and their arguments. */
#include <stdio.h>
#include <string.h>

#include "util_hosted.h"

/* No public struct ends in padding: a field added later would lie in what an older caller left undefined. */
#define NO_TAIL(type, last)                                                                                            \
    _Static_assert(offsetof(type, last) + sizeof(((type *)0)->last) == sizeof(type), #type " ends in padding")
NO_TAIL(modnas_component, ud_free);
NO_TAIL(modnas_place, search);
NO_TAIL(modnas_module_vt, forward);
NO_TAIL(modnas_construct_vt, reserved);
NO_TAIL(modnas_slot_info, filled);
NO_TAIL(modnas_tensor_info, trained);
NO_TAIL(modnas_window_opts, reserved);

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
    hosted_expect_text("no arch_space named 'CIFAR_MobileNetV3'; did you mean 'CIFAR_MobileNetV2'?");
    ck_assert_int_eq(modnas_list_json(hosted_ctx, "arch_space", &json), 0);
    ck_assert(strstr(json, "\"MB3E6\"") && strstr(json, "\"CIFAR_MobileNetV2\"") && strstr(json, "\"IndexMixedOp\""));
    ck_assert(!strstr(json, "\"SGD\"") && !strstr(json, "\"Conv2d\""));
    modnas_string_free(hosted_ctx, json);
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

int main(void) {
    Suite *s = suite_create("host_registry");
    util_add(s, "registry", hosted_setup, hosted_teardown,
             (const TTest *const[]){refusals, newer_tables, copies, finding, arguments, misread_arguments, NULL});
    return util_run(s);
}
