/* Codes of hosts' callbacks come back as include/modnas/registry.h says, what hosts hand over is freed once, and memory
 * may run out anywhere. */
#include <string.h>

#include "util_hosted.h"
#include "util_rig.h"

/* ---- codes --------------------------------------------------------------------------------------------- */

static int code_of(modnas_module *m, modnas_tape *tape, modnas_value *const *src, int32_t n_src, modnas_value **dst,
                   void *ud) {
    (void)m, (void)tape, (void)src, (void)n_src, (void)dst;
    return *(int *)ud;
}

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
        HOSTED_NET("InBuild") TRAIN, HOSTED_NET("InForward") TRAIN, HOSTED_NET("Good") "construct: {x: InRun}\n" TRAIN,
        HOSTED_NET("Good") "arch_desc: [InCandidate]\n" TRAIN,
        HOSTED_NET("Good") "mixed_op: {type: IndexMixedOp, candidates: [IDT, InForwardOfCandidate]}\n" TRAIN};
    int code;
    const modnas_module_vt good = {.size = sizeof good, .build = hosted_small_build},
                           in_build = {.size = sizeof in_build, .build = code_build},
                           in_forward = {.size = sizeof in_forward, .build = hosted_small_build, .forward = code_of},
                           candidate = {.size = sizeof candidate, .forward = code_of};
    const modnas_construct_vt in_run = {.size = sizeof in_run, .run = code_run};
    hosted_register_net(rig.ctx, "Good", &good, NULL);
    hosted_register_net(rig.ctx, "InBuild", &in_build, &code);
    hosted_register_net(rig.ctx, "InForward", &in_forward, &code);
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
    ck_assert_msg(util_rig_yaml(&rig, HOSTED_NET("Good") TRAIN, NULL) == 0, "%s", rig.error);
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
    const modnas_module_vt good = {.size = sizeof good, .build = hosted_small_build},
                           candidate = {.size = sizeof candidate, .forward = later};
    hosted_register_net(rig.ctx, "Good", &good, NULL);
    ck_assert_int_eq(hosted_register(rig.ctx, "candidate", "Later", NULL, &candidate, NULL), 0);
    int rc = 9;
    for (int n = 0; rc; n++) {
        after = n;
        rc = util_rig_yaml(
            &rig, HOSTED_NET("Good") "mixed_op: {type: SoftmaxSumMixedOp, candidates: [IDT, Later]}\n" TRAIN, NULL);
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
    modnas_model *m = hosted_model(HOSTED_NET("N"));
    ck_assert_int_eq(modules, 0);
    modnas_model_free(m);
    ck_assert_int_eq(modules, 1); /* with its module, and not for those that failed */
    ck_assert_int_eq(hosted_describe(HOSTED_NET("N"), NULL), 6);
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
    Suite *s = suite_create("host_codes");
    util_add(s, "codes", rig_setup, rig_teardown, (const TTest *const[]){codes_come_back, codes_come_back_later, NULL});
    util_add(s, "memory", hosted_setup, hosted_teardown, (const TTest *const[]){ud_is_freed_once, out_of_memory, NULL});
    return util_run(s);
}
