/* Whole runs: what they write, that they write it again bit by bit, and chains of estimators. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_rig.h"

static int count_lines(const char *text) {
    int n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

/* ---- what is written --------------------------------------------------------------------------------- */

START_TEST(files) {
    static const char *const names[] = {"chkpt/model_warm_best.safetensors",
                                        "chkpt/model_warm_last.safetensors",
                                        "chkpt/model_search_best.safetensors",
                                        "chkpt/model_search_last.safetensors",
                                        "outputs/arch_warm_best.yaml",
                                        "outputs/arch_search_best.yaml",
                                        "outputs/config.yaml",
                                        "outputs/history.tsv",
                                        "outputs/results.json"};
    RIG_RUNS(UTIL_RIG_CONFIG, NULL);
    ck_assert_int_eq(rig.started, 1);
    for (size_t i = 0; i < MN_COUNT(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "exp/t/%s", names[i]);
        ck_assert_msg(util_rig_exists(path), "%s", path);
    }
    char *history = util_rig_read("exp/t/outputs/history.tsv", NULL);
    ck_assert_int_eq(count_lines(history), 4); /* a header and 1 + 2 evaluations */
    const char header[] = "index\testim\tarch\tstatus\tscore\tacc_top1\tacc_top5\tloss\tparams\tmacs\n0\twarm\t[[";
    ck_assert_int_eq(strncmp(history, header, strlen(header)), 0);
    ck_assert_ptr_nonnull(strstr(history, "\n2\tsearch\t"));
    free(history);
}
END_TEST

START_TEST(results) {
    RIG_RUNS(UTIL_RIG_CONFIG
             "test_data: {type: RandData, args: {shape: [3, 8, 8], classes: 4, data_size: 20, seed: 9}}\n",
             NULL);
    char *file = util_rig_read("exp/t/outputs/results.json", NULL);
    ck_assert_str_eq(file, rig.results);
    free(file);
    mn_node *t = util_rig_parse(&rig, rig.results);
    ck_assert_str_eq(rig_at(t, "name")->text, "t");
    ck_assert_int_eq(rig_at(t, "seed")->i, 3);
    ck_assert_str_eq(rig_at(t, "backend")->text, "ref");
    ck_assert_int_eq(rig_at(t, "threads")->i, 2);
    ck_assert_str_eq(rig_at(t, "versions.modnas")->text, modnas_version());
    ck_assert_int_eq(rig_at(t, "data_sha256")->kind, MN_MAP);
    ck_assert_double_gt(rig_at(t, "seconds")->r, 0);
    ck_assert_int_gt(rig_at(t, "peak_rss_bytes")->i, 1000000);
    ck_assert_int_eq(rig_at(t, "estim.warm.evaluations")->i, 1);
    ck_assert_int_eq(rig_at(t, "estim.search.evaluations")->i, 2);
    ck_assert_int_eq(rig_at(t, "test.n")->i, 20);
    ck_assert(rig_at(t, "test.acc_top1")->r >= 0 && rig_at(t, "test.acc_top1")->r <= 1);
    ck_assert(rig_at(t, "test.acc_top5")->r == 1); /* of 4 classes */
    ck_assert_double_gt(rig_at(t, "test.loss")->r, 0);
    ck_assert(mn_node_equal(rig_at(t, "estim.search.best"), rig_at(t, "estim.search.top.0")));
    ck_assert(rig_at(t, "estim.search.best.score")->r == rig_at(t, "estim.search.best.metrics.acc_top1")->r);
    char *arch_text = util_rig_read("exp/t/outputs/arch_search_best.yaml", NULL);
    mn_node *arch = util_rig_parse(&rig, arch_text);
    ck_assert(mn_node_equal(arch, rig_at(t, "estim.search.best.arch")));
    ck_assert_uint_eq(arch->n, 4);
    free(arch_text);
    mn_node_free(rig.ctx, arch);
    mn_node_free(rig.ctx, t);
}
END_TEST

/* What was found can be trained from its file; its params are those that the search wrote down. */
START_TEST(arch_is_built_again) {
    RIG_RUNS(UTIL_RIG_CONFIG, NULL);
    mn_node *found = util_rig_parse(&rig, rig.results);
    RIG_RUNS("backend: ref\nname: again\n" UTIL_SMALL_NET
             "arch_desc: exp/t/outputs/arch_search_best.yaml\nestim: {train: {type: DefaultEstim, epochs: 1}}\n",
             NULL);
    mn_node *trained = util_rig_parse(&rig, rig.results);
    ck_assert_int_eq(rig_at(trained, "estim.train.best.metrics.params")->i,
                     rig_at(found, "estim.search.best.metrics.params")->i);
    ck_assert_int_eq(rig_at(trained, "estim.train.best.metrics.macs")->i,
                     rig_at(found, "estim.search.best.metrics.macs")->i);
    mn_node_free(rig.ctx, found);
    mn_node_free(rig.ctx, trained);
}
END_TEST

/* expman.root_dir and a default name: day, dot, four hex digits; export: null leaves no architecture. */
START_TEST(where_it_goes) {
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("name=null", "expman.root_dir=deep/er", "export=null"));
    mn_node *t = util_rig_parse(&rig, rig.results);
    const char *name = rig_at(t, "name")->text;
    ck_assert_uint_eq(strlen(name), 13);
    ck_assert_uint_eq(strspn(name, "0123456789"), 8);
    ck_assert_int_eq(name[8], '.');
    ck_assert_uint_eq(strspn(name + 9, "0123456789abcdef"), 4);
    char path[128];
    snprintf(path, sizeof path, "deep/er/%s/outputs/results.json", name);
    ck_assert(util_rig_exists(path));
    snprintf(path, sizeof path, "deep/er/%s/outputs/arch_search_best.yaml", name);
    ck_assert(!util_rig_exists(path));
    ck_assert_int_eq(rig_at(t, "estim.search.best.arch")->kind, MN_NULL);
    ck_assert(!util_rig_exists("exp"));
    mn_node_free(rig.ctx, t);
}
END_TEST

/* ---- again ------------------------------------------------------------------------------------------- */

/* The same configuration, seed and threads: the same bytes, on both backends, in the same context and in another. */
START_TEST(same_bytes) {
    static const char *const backends[] = {"backend=ref", "backend=dnnl"};
    char threads[32];
    snprintf(threads, sizeof threads, "threads=%d", _i / 2 + 1);
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER(backends[_i % 2], threads, "name=a"));
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER(backends[_i % 2], threads, "name=b"));
    ck_assert(rig_same_run("a", "b"));
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER(backends[_i % 2], threads, "name=c", "seed=4"));
    ck_assert(!util_rig_same("exp/a/outputs/history.tsv", "exp/c/outputs/history.tsv"));
    ck_assert(!util_rig_same("exp/a/chkpt/model_search_last.safetensors", "exp/c/chkpt/model_search_last.safetensors"));
    modnas_ctx *first = rig.ctx;
    const modnas_ctx_opts opts = util_host_opts(&rig.host);
    modnas_string_free(first, rig.results);
    rig.results = NULL;
    ck_assert_int_eq(modnas_ctx_new(&opts, &rig.ctx), 0);
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER(backends[_i % 2], threads, "name=d"));
    ck_assert(rig_same_run("a", "d"));
    modnas_ctx_free(first);
}
END_TEST

/* config.yaml is the run: it gives the same bytes, and the same config.yaml but for the name. */
START_TEST(config_runs_again) {
    const char routine[] =
        "backend: ref\nname: a\n" UTIL_SMALL_NET "optim: BinaryGateOptim\n"
        "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E1, MB3E3]}\n"
        "search: {mixed_op: {candidates: [MB5E3]}, estim: {search: {type: SuperNetEstim, epochs: 2}}}\n";
    RIG_RUNS(routine, RIG_OVER("routine=search", "trainer.default.args.w_grad_clip=1.5"));
    char *config = util_rig_read("exp/a/outputs/config.yaml", NULL);
    RIG_RUNS(config, RIG_OVER("name=b"));
    ck_assert(rig_same_run("a", "b"));
    ck_assert_ptr_nonnull(strstr(config, "w_grad_clip: 1.5"));
    free(config);
    char *again = util_rig_read("exp/b/outputs/config.yaml", NULL), *b = strstr(again, "name: b");
    ck_assert_ptr_nonnull(b);
    b[6] = 'a';
    config = util_rig_read("exp/a/outputs/config.yaml", NULL);
    ck_assert_str_eq(config, again);
    free(config);
    free(again);
}
END_TEST

/* An existing folder is used again: its files are those of the new run. */
START_TEST(folder_is_used_again) {
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("seed=5"));
    RIG_RUNS(UTIL_RIG_CONFIG, NULL);
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("name=other"));
    ck_assert(rig_same_run("t", "other"));
}
END_TEST

/* ---- chains ------------------------------------------------------------------------------------------ */

typedef struct rates {
    int n;
    double lr[16];
    char estim[16];
} rates;

static int note_rates(const modnas_progress *p, void *ud) {
    rates *s = ud;
    ck_assert_uint_eq(p->size, sizeof *p);
    if (strcmp(p->phase, "train") != 0 || p->step) return 0;
    s->lr[s->n] = p->lr;
    s->estim[s->n++] = p->estim[0];
    return 0;
}

/* Each estimator of a chain has a schedule of its own length (spec D15): cosine from 0.05 over 2, then over 4 epochs;
 * by hand 0.05 (1 + cos(pi k / n)) / 2. Weights carry over: the second begins where the first ended. */
START_TEST(chain_schedules) {
    const double q = 0.025 * sqrt(0.5), want[] = {0.05, 0.025, 0.05, 0.025 + q, 0.025, 0.025 - q};
    rates s = {0};
    rig.opts.progress = note_rates;
    rig.opts.progress_ud = &s;
    RIG_RUNS(UTIL_RIG_CONFIG,
             RIG_OVER("estim={a: {type: DefaultEstim, epochs: 2}, b: {type: SuperNetEstim, epochs: 4}}"));
    ck_assert_int_eq(s.n, 6);
    for (int i = 0; i < 6; i++) {
        ck_assert_double_eq_tol(s.lr[i], want[i], 1e-15);
        ck_assert_int_eq(s.estim[i], i < 2 ? 'a' : 'b');
    }
}
END_TEST

static const char two_trainers[] =
    "backend: ref\nname: t\n" UTIL_SMALL_GATES "threads: 2\nseed: 3\noptim: BinaryGateOptim\n"
    "model: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [3, 8, 2, 2], [3, 16, 2, 2]], n_classes: 4, width_coeff: "
    "0.5}}\n"
    "train_data: {type: RandData, args: {shape: [3, 8, 8], classes: 4, data_size: 48}}\n"
    "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 16, val_batch_size: 8, valid_size: 8}}\n"
    "trainer:\n"
    "  default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05}}}}\n"
    "  own: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.02}}}}\n"
    "  named: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.01}}}}\n"
    "estim:\n"
    "  a: {type: DefaultEstim, epochs: 1}\n"
    "  own: {type: DefaultEstim, epochs: 1}\n"
    "  c: {type: SuperNetEstim, epochs: 1, trainer: named}\n";

/* A trainer is found by the key `trainer`, else by the estimator's name, else it is the default one. */
START_TEST(trainers_by_name) {
    static const double want[] = {0.05, 0.02, 0.01};
    rates s = {0};
    rig.opts.progress = note_rates;
    rig.opts.progress_ud = &s;
    RIG_RUNS(two_trainers, NULL);
    ck_assert_int_eq(s.n, 3);
    for (int i = 0; i < 3; i++) ck_assert(s.lr[i] == want[i]);
    ck_assert_int_eq(util_rig_yaml(&rig, two_trainers, RIG_OVER("estim.c.trainer=nobody")), MODNAS_ECONFIG);
    ck_assert_ptr_nonnull(strstr(rig.error, "nobody"));
}
END_TEST

/* Weights carry over: loading what the estimator before has just saved changes nothing. A checkpoint is looked for when
 * its reader starts, not before. */
START_TEST(chain_reads_checkpoint) {
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("estim.search.chkpt=exp/t/chkpt/model_warm_last.safetensors"));
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("name=plain"));
    ck_assert(rig_same_run("t", "plain"));
    ck_assert_int_lt(
        util_rig_yaml(&rig, UTIL_RIG_CONFIG, RIG_OVER("name=u", "estim.search.chkpt=exp/none.safetensors")), 0);
    ck_assert_int_eq(rig.started, 1);
    ck_assert_ptr_nonnull(strstr(rig.error, "exp/none.safetensors"));
    ck_assert(util_rig_exists("exp/u/chkpt/model_warm_last.safetensors"));
}
END_TEST

int main(void) {
    Suite *s = suite_create("run");
    TCase *t = tcase_create("loops");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, rig_setup, rig_teardown);
    tcase_add_loop_test(t, same_bytes, 0, 8);
    suite_add_tcase(s, t);
    util_add(s, "files", rig_setup, rig_teardown,
             (const TTest *[]){files, results, arch_is_built_again, where_it_goes, NULL});
    util_add(s, "again", rig_setup, rig_teardown, (const TTest *[]){config_runs_again, folder_is_used_again, NULL});
    util_add(s, "chains", rig_setup, rig_teardown,
             (const TTest *[]){chain_schedules, trainers_by_name, chain_reads_checkpoint, NULL});
    return util_run(s);
}
