/* Bundles: what is in one, that it holds wherever it lies, and that what it states is measured. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util_bundle.h"
#include "util_cli.h"

/* What hosts were compiled with (64-bit). */
_Static_assert(offsetof(modnas_bundle_opts, estim) == 8 && offsetof(modnas_bundle_opts, out) == 16 && sizeof(modnas_bundle_opts) == 24,
               "modnas_bundle_opts");
_Static_assert(offsetof(modnas_verify_opts, overrides) == 8 && sizeof(modnas_verify_opts) == 16, "modnas_verify_opts");

/* ---- good ones ----------------------------------------------------------------------------------------- */

static void move(const char *from, const char *to) {
    ck_assert_int_eq(rename(from, to), 0);
}

START_TEST(a_network_that_was_found) {
    static const char *const what[] = {"manifest.tsv", "results.json", "config.yaml", "arch_desc.yaml",
                                       "arch_train_best.yaml", "model_train_best.safetensors",
                                       "model_train_last.safetensors", "data_sha256.train", "data_sha256.test",
                                       "weights of model_train_best.safetensors", "weights of model_train_last.safetensors",
                                       "estim.train.best.arch", "estim.train.best.score",
                                       "estim.train.best.metrics.acc_top1", "estim.train.best.metrics.acc_top5",
                                       "estim.train.best.metrics.loss", "estim.train.best.metrics.params",
                                       "estim.train.best.metrics.macs", "network.params", "network.macs",
                                       "network.input.0", "network.input.1", "network.input.2", "test.acc_top1",
                                       "test.acc_top5", "test.loss", "test.n"};
    util_bundle_found();
    util_verify(BUNDLE, NULL);
    ALL_HOLD();
    ck_assert_int_eq(rig_at(util_verify_said(), "exact")->i, 1);
    for (size_t i = 0; i < MN_COUNT(what); i++) HOLDS(what[i]);
    ck_assert_uint_eq(rig_at(util_verify_said(), "statements")->n, MN_COUNT(what));
    /* with another number of threads, numbers may differ, by little */
    util_verify(BUNDLE, RIG_OVER("threads=2"));
    ALL_HOLD();
    ck_assert_int_eq(rig_at(util_verify_said(), "exact")->i, 0);
}
END_TEST

/* Counts against what `describe` counts of the same file. */
START_TEST(moved) {
    util_bundle_found();
    move(BUNDLE, "elsewhere");
    move("exp", "old");
    ck_assert_int_eq(unlink("found.yaml"), 0);
    util_verify("elsewhere", NULL);
    ALL_HOLD();
    move("data", "images");
    util_verify("elsewhere", NULL);
    ck_assert_int_eq(util_verify_holds(), 0);
    OPEN("data_sha256.train");
    OPEN("data_sha256.test");
    OPEN("estim.train.best");
    OPEN("test");
    ck_assert_ptr_nonnull(strstr(rig_at(util_verify_statement("test"), "why")->text, "data"));
    ck_assert_int_eq(rig_at(util_verify_said(), "exact")->kind, MN_NULL);
    HOLDS("network.params"); /* what takes no data is looked at */
    HOLDS("network.macs");
    HOLDS("estim.train.best.arch");
    HOLDS("weights of model_train_last.safetensors");
    util_verify("elsewhere", RIG_OVER("train_data.args.root=images", "test_data.args.root=images"));
    ALL_HOLD();
    /* other data */
    util_bundle_data("data", 8);
    util_verify("elsewhere", NULL);
    FAILS("data_sha256.train");
    FAILS("data_sha256.test");
    FAILS("test.loss");
    HOLDS("test.n");
}
END_TEST

/* Searches: what was found by gradients, by proposals with statistics of their own, by proposals beside training, and of
 * networks that were trained while they were evaluated. */
START_TEST(searches) {
#define INDEX  "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3, MB5E1]}\noptim: RandomSearchOptim\n"
#define PASSED "{search: {type: SubNetEstim, epochs: 3, arch_update_batch: 2, args: {num_bn_batch: 2}"
    static const char *const rows[] = {
        UTIL_SMALL_GATES "optim: BinaryGateOptim\nestim: {warm: {type: DefaultEstim, epochs: 1}, search: {type: SuperNetEstim, epochs: 2}}\n",
        UTIL_SMALL_GATES "optim: BinaryGateOptim\nestim: {search: {type: SuperNetEstim, epochs: 2}}\n"
                         "objective: {maximize: [acc_top1], subject_to: ['macs <= 60K']}\n",
        INDEX "estim: " PASSED "}}\n",
        INDEX "estim: " PASSED ", subnet_epochs: 1}}\n",
        INDEX "estim: {search: {type: SuperNetEstim, epochs: 2}}\nexport: {type: DefaultRecursiveExporter}\n",
        INDEX "estim: {search: {type: SuperNetEstim, epochs: 2}}\nexport: {params: DefaultParamsExporter}\n",
        INDEX "estim: {search: {type: SuperNetEstim, epochs: 2}, tune: {type: DefaultEstim, epochs: 1}}\n"
              "export: {file: {type: DefaultToFileExporter, args: {path: out.yaml}}}\n",
    };
    util_bundle_data("data", 7);
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        char yaml[4096];
        snprintf(yaml, sizeof yaml, BUNDLE_MODEL BUNDLE_DATA "%s", rows[i]);
        RIG_RUNS(yaml, RIG_OVER("estim.search.baseline=false"));
        SEARCH_OK(modnas_bundle(rig.ctx, "exp/t", NULL));
        unlink("out.yaml");
        util_verify(BUNDLE, NULL);
        ck_assert_msg(util_verify_holds(), "%s: %s", rows[i], util_verify_text());
        ck_assert(!util_rig_exists("out.yaml"));
        HOLDS("test.acc_top1");
        if (!strstr(rows[i], "tune")) HOLDS("estim.search.best.metrics.loss");
        ck_assert_msg(!strstr(util_verify_text(), "does not hold"), "%s: %s", rows[i], util_verify_text());
        ck_assert_int_eq(system("rm -r exp"), 0);
    }
}
END_TEST

/* The table goes with it. */
START_TEST(a_table_of_latencies) {
    static const char yaml[] = BUNDLE_MODEL BUNDLE_DATA UTIL_SMALL_GATES
        "optim: BinaryGateOptim\nobjective: {latency_table: t.tsv}\n"
        "estim: {search: {type: SuperNetEstim, epochs: 1, baseline: false}}\n";
    char table[1024] = "slot\tcandidate\tlatency_ms\nfixed\t-\t1.5\n";
    for (int i = 0; i < 16; i++) {
        static const char *const names[] = {"MB3E1", "MB3E3", "MB5E3", "MB5E1"};
        const size_t n = strlen(table);
        snprintf(table + n, sizeof table - n, "%d\t%s\t%d.25\n", i / 4, names[i % 4], i);
    }
    util_bundle_data("data", 7);
    util_write_text("t.tsv", table);
    RIG_RUNS(yaml, NULL);
    SEARCH_OK(modnas_bundle(rig.ctx, "exp/t", NULL));
    ck_assert_int_eq(unlink("t.tsv"), 0);
    util_verify(BUNDLE, NULL);
    ALL_HOLD();
    HOLDS("latency_table.tsv");
    HOLDS("data_sha256.latency_table");
    HOLDS("estim.search.best.metrics.latency_ms");
}
END_TEST

/* The estimator that is asked for; another folder; a file that lies there already, as ONNX. */
START_TEST(choices) {
    const modnas_bundle_opts opts = {.size = sizeof opts, .estim = "warm", .out = "b"};
    RIG_RUNS(UTIL_RIG_CONFIG, NULL);
    ck_assert_int_eq(mkdir("b", 0777), 0);
    util_write_text("b/net.onnx", "not looked into");
    SEARCH_OK(modnas_bundle(rig.ctx, "exp/t", &opts));
    util_verify("b", NULL);
    ALL_HOLD();
    HOLDS("net.onnx");
    HOLDS("estim.warm.best.metrics.acc_top1");
    ck_assert_ptr_null(util_verify_statement("estim.search.best.arch"));
    util_write_text("b/net.onnx", "not looked intO");
    util_verify("b", NULL);
    FAILS("net.onnx");
}
END_TEST

/* ---- memory, the program ----------------------------------------------------------------------------------- */

/* Every so-manieth allocation fails. */
START_TEST(out_of_memory) {
    util_bundle_found();
    const int64_t live = rig.host.live;
    int rc = MODNAS_ENOMEM, tries = 0;
    for (int left = 0; rc; left += 211, tries++) {
        char *json = NULL;
        rig.host.left = left;
        rc = modnas_bundle(rig.ctx, "exp/t", NULL);
        if (!rc) rc = modnas_verify_json(rig.ctx, BUNDLE, NULL, &json, NULL);
        rig.host.left = -1;
        ck_assert_msg(rc == 0 || rc == MODNAS_ENOMEM, "%d: %s", rc, modnas_errmsg(rig.ctx));
        ck_assert(!rc == (json != NULL));
        modnas_string_free(rig.ctx, json);
        ck_assert_int_eq(rig.host.live, live);
    }
    ck_assert_int_gt(tries, 20);
}
END_TEST

START_TEST(program) {
    util_cli cli;
    util_cli_new(&cli);
    util_cli_text(&cli, "s.yaml", UTIL_RIG_CONFIG);
    ck_assert_msg(util_cli_run(&cli, "run --quiet -c s.yaml") == 0, "%s", cli.err);
    ck_assert_msg(util_cli_run(&cli, "bundle exp/t") == 0, "%s", cli.err);
    ck_assert_msg(util_cli_run(&cli, "verify exp/t/bundle") == 0, "%s%s", cli.out, cli.err);
    ck_assert_ptr_nonnull(strstr(cli.out, "\nholds                 estim.search.best.metrics.acc_top1: "));
    ck_assert_ptr_nonnull(strstr(cli.out, "\nmeasured again as it was before: "));
    ck_assert_ptr_nonnull(strstr(cli.out, " hold, 0 do not, 0 could not be checked\n"));
    ck_assert_int_eq(util_cli_run(&cli, "verify exp/t/bundle --json -o threads=1"), 0);
    ck_assert_ptr_nonnull(strstr(cli.out, "{\"bundle\":\"exp/t/bundle\",\"holds\":true,\"exact\":false,\"statements\":[{"));
    util_cli_text(&cli, "exp/t/bundle/arch_search_best.yaml", "- [MB3E1]\n");
    ck_assert_int_eq(util_cli_run(&cli, "verify exp/t/bundle"), 1);
    ck_assert_ptr_nonnull(strstr(cli.out, "\ndoes not hold         arch_search_best.yaml: stated "));
    ck_assert_int_eq(util_cli_run(&cli, "verify exp/t"), 2);
    ck_assert_ptr_nonnull(strstr(cli.err, "exp/t/manifest.tsv"));
    ck_assert_int_eq(util_cli_run(&cli, "verify"), 2);
    ck_assert_ptr_nonnull(strstr(cli.err, "verify: no folder given"));
    ck_assert_int_eq(util_cli_run(&cli, "verify exp/t/bundle -o nothing"), 2);
    ck_assert_int_eq(util_cli_run(&cli, "bundle exp/none"), 2);
    ck_assert_int_eq(util_cli_run(&cli, "bundle exp/t --estim none"), 2);
    util_cli_free(&cli);
}
END_TEST

int main(void) {
    Suite *s = suite_create("bundle");
    util_add(s, "good", rig_setup, util_bundle_teardown,
             (const TTest *[]){a_network_that_was_found, moved, searches, a_table_of_latencies, choices, out_of_memory, NULL});
    util_add(s, "program", NULL, NULL, (const TTest *[]){program, NULL});
    return util_run(s);
}
