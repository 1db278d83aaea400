/* NASBenchMacro: costs against the published table, architectures as digits in both directions, and what is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_nets.h"
#include "util_shared.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))
#define NET   "backend: ref\nmodel: {type: NASBenchMacro, args: {input: [3, 8, 8]}}\n"
#define SPACE NET "mixed_op: {type: %s, candidates: [SKIP, IR3E3, IR5E6]}\n"

/* ---- the published table ------------------------------------------------------------------------------- */

static void check_costs(const char *arch, int64_t params, int64_t macs) {
    mn_str config = {.ctx = model_ctx};
    mn_str_addf(&config, "backend: ref\nmodel: NASBenchMacro\narch_desc: %s\n", arch);
    mn_model *m = model_of(config.text, MODNAS_F32);
    int64_t got;
    OK(mn_model_macs(m, NULL, &got));
    ck_assert_msg(mn_model_n_params(m) == params && got == macs, "%s: %lld / %lld, published %lld / %lld", arch,
                  (long long)mn_model_n_params(m), (long long)got, (long long)params, (long long)macs);
    mn_model_free(m);
    mn_str_free(&config);
}

/* arch, four accuracies and their deviation, params, macs: every 64th row that has these; all of them with
 * MODNAS_ALL_ROWS. */
START_TEST(costs_are_the_published_ones) {
    char path[1024], line[256], arch[16];
    const int every = getenv("MODNAS_ALL_ROWS") ? 1 : 64;
    int n = 0;
    long long params, macs;
    FILE *f = fopen(util_shared_path("nas_bench_macro/nasbench_macro.tsv", path, sizeof path), "r");
    if (!f) {
        printf("skipped: %s is not there\n", path);
        return;
    }
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "%15s %*s %*s %*s %*s %*s %lld %lld", arch, &params, &macs) == 3 && n++ % every == 0)
            check_costs(arch, params, macs);
    fclose(f);
    ck_assert_int_gt(n, 3000); /* about half of 6,561 */
}
END_TEST

/* By hand, with k k C / groups O and 2 O for each convolution and its batch norm, at 32x32: stem 3 -> 32, SKIP between
 * the stages 32 -> 64 -> 128 -> 256 at 16, 8, 4 pixels and nothing else, head 256 -> 1280, 1280 -> 10 with bias. */
START_TEST(costs_by_hand) {
    const int64_t params =
        27 * 32 + 64 + (32 * 64 + 128) + (64 * 128 + 256) + (128 * 256 + 512) + (256 * 1280 + 2560) + 12810;
    const int64_t macs = 27 * 32 * 1024 + 32 * 64 * 256 + 64 * 128 * 64 + 128 * 256 * 16 + 256 * 1280 * 16 + 12800;
    check_costs("00000000", params, macs);
}
END_TEST

/* ---- digits -------------------------------------------------------------------------------------------- */

static mn_model *space_of(const char *mixed_op) {
    char config[256];
    snprintf(config, sizeof config, SPACE, mixed_op);
    return model_of(config, MODNAS_F32);
}

/* Read into the space, exported from it, and the same again from a list of names. */
START_TEST(digits_come_back) {
    static const char *const types[] = {"IndexMixedOp", "BinaryGateMixedOp"}; /* choices; logits */
    static const char *const lists[][2] = {
        {"\"01221200\"", "\"01221200\""},
        {"\"00000000\"", "\"00000000\""},
        {"[SKIP, IR3E3, [IR5E6], IR5E6, IR3E3, [IR5E6], SKIP, SKIP]", "\"01221200\""}};
    for (size_t i = 0; i < MN_COUNT(types); i++) {
        mn_model *m = space_of(types[i]);
        for (size_t k = 0; k < MN_COUNT(lists); k++) {
            mn_node *desc = yaml(lists[k][0]);
            mn_arch *a;
            OK(mn_arch_of_desc(m, desc, &a));
            OK(mn_arch_apply(a));
            model_expect_exported(m, "{}", lists[k][1]);
            mn_arch_free(a);
            mn_node_free(model_ctx, desc);
        }
        mn_model_free(m);
    }
}
END_TEST

/* A Slot without one of the three has no digit: the description stays a list. */
START_TEST(other_candidates_stay_a_list) {
    mn_model *m = model_of(NET "mixed_op: {type: IndexMixedOp, candidates: [MB3E3, SKIP]}\n", MODNAS_F32);
    model_expect_exported(m, "{}", "[\"MB3E3\",\"MB3E3\",\"MB3E3\",\"MB3E3\",\"MB3E3\",\"MB3E3\",\"MB3E3\",\"MB3E3\"]");
    mn_model_free(m);
}
END_TEST

/* Leading zeros, and digits that YAML would take for a number. */
START_TEST(digits_are_text) {
    mn_model *m = model_of(NET "arch_desc: 00000012\n", MODNAS_F32),
             *n = model_of(NET "arch_desc: '00000012'\n", MODNAS_F32);
    ck_assert_str_eq(mn_model_slot(m, 7)->op, "IR5E6");
    ck_assert_str_eq(mn_model_slot(m, 6)->op, "IR3E3");
    ck_assert_str_eq(mn_model_slot(m, 0)->op, "SKIP");
    ck_assert_int_eq(mn_model_n_params(m), mn_model_n_params(n));
    mn_model_free(m);
    mn_model_free(n);
}
END_TEST

START_TEST(wrong_digits_are_refused) {
    static const char *const wrong[] = {"0122120", "012212000", "01221203", "0122120x", "banana"};
    mn_model *m = space_of("IndexMixedOp");
    for (size_t i = 0; i < MN_COUNT(wrong); i++) {
        char config[256];
        mn_arch *a = NULL;
        mn_node *desc = mn_node_str(model_ctx, wrong[i]);
        snprintf(config, sizeof config, NET "arch_desc: '%s'\n", wrong[i]);
        expect_refused(config, MODNAS_ECONFIG, "test.yaml:3", wrong[i], "8 digits, each 0 to 2", NULL);
        ck_assert_int_eq(mn_arch_of_desc(m, desc, &a), MODNAS_ECONFIG);
        ck_assert_ptr_nonnull(strstr(modnas_errmsg(model_ctx), "8 digits, each 0 to 2"));
        ck_assert_ptr_null(a);
        mn_node_free(model_ctx, desc);
    }
    mn_model_free(m);
    expect_refused(NET "arch_desc: [SKIP, IR3E3]\n", MODNAS_ECONFIG, "2 items", "8 empty Slots", NULL);
    expect_refused("backend: ref\nmodel: CIFAR_MobileNetV2\narch_desc: '01221200'\n", MODNAS_ECONFIG, "a list", NULL);
    expect_refused("backend: ref\nmodel: {type: NASBenchMacro, args: {n_classes: 0}}\n", MODNAS_ECONFIG, "n_classes",
                   NULL);
    expect_refused(NET "arch_desc: [SKIP, SKIP, SKIP, SKIP, SKIP, SKIP, SKIP, NIL]\n" /* 256 -> 256 */
                       "construct: {more: {type: DefaultOpConstructor, args: {op: IR3E4}}}\n",
                   MODNAS_ENOTFOUND, "IR3E4", NULL);
}
END_TEST

/* ---- at work ------------------------------------------------------------------------------------------- */

START_TEST(same_step_on_dnnl) {
    net_compare_step("model: NASBenchMacro\narch_desc: '21012021'\n", 2, 1);
}
END_TEST

/* With MODNAS_ALL_ROWS alone: some have millions of weights here. */
START_TEST(candidates_fit_or_are_refused) {
    if (!getenv("MODNAS_ALL_ROWS")) return;
    ck_assert_int_gt(net_try_candidates(NET), 70);
}
END_TEST

int main(void) {
    Suite *s = suite_create("nas_bench_macro");
    util_add(s, "nas_bench_macro", model_setup, model_teardown,
             (const TTest *[]){costs_are_the_published_ones, costs_by_hand, digits_come_back,
                               other_candidates_stay_a_list, digits_are_text, wrong_digits_are_refused,
                               same_step_on_dnnl, candidates_fit_or_are_refused, NULL});
    return util_run(s);
}
