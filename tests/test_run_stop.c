/* Runs that do not end as planned: canceled, stopped by the host, failing on the way, or wrong from the start. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pipeline/history.h"
#include "util_rig.h"

/* ---- stopping ---------------------------------------------------------------------------------------- */

typedef struct stopper {
    int at, n, answer; /* after how many calls; what to answer then, 0: cancel */
} stopper;

static int stop(const modnas_progress *p, void *ud) {
    stopper *s = ud;
    (void)p;
    if (++s->n != s->at) return 0;
    if (!s->answer) modnas_cancel(rig.ctx);
    return s->answer;
}

/* A run has 3 + 1 + 2 (3 + 1 + 1) calls: training steps, validation, and architecture steps. Canceled at any of them it
 * saves the weights and an architecture of the estimator it was in, makes no further step, and the context can be used
 * again. */
START_TEST(cancel) {
    stopper s = {.at = _i + 1};
    rig.opts.progress = stop;
    rig.opts.progress_ud = &s;
    ck_assert_int_eq(util_rig_yaml(&rig, UTIL_RIG_CONFIG, NULL), MODNAS_ECANCELED);
    ck_assert_int_eq(s.n, s.at);
    ck_assert_int_eq(rig.started, 1);
    ck_assert_str_eq(rig.error, "canceled");
    const char *const estim = s.at <= 4 ? "warm" : "search";
    char path[128];
    snprintf(path, sizeof path, "exp/t/chkpt/model_%s_last.safetensors", estim);
    ck_assert_msg(util_rig_exists(path), "%s", path);
    snprintf(path, sizeof path, "exp/t/outputs/arch_%s_best.yaml", estim);
    ck_assert_msg(util_rig_exists(path), "%s", path);
    ck_assert_int_eq(util_rig_exists("exp/t/chkpt/model_search_last.safetensors"), s.at > 4);
    mn_node *t = util_rig_parse(&rig, rig.results);
    ck_assert_int_eq(rig_at(t, "complete")->i, 0);
    mn_node_free(rig.ctx, t);
    rig.opts.progress = NULL;
    RIG_RUNS(UTIL_RIG_CONFIG, NULL);
    t = util_rig_parse(&rig, rig.results);
    ck_assert_int_eq(rig_at(t, "complete")->i, 1);
    mn_node_free(rig.ctx, t);
}
END_TEST

START_TEST(cancel_before_the_start) {
    modnas_cancel(rig.ctx);
    ck_assert_int_eq(util_rig_yaml(&rig, UTIL_RIG_CONFIG, NULL), MODNAS_ECANCELED);
    ck_assert_int_eq(rig.started, 0);
    ck_assert(!util_rig_exists("exp"));
    RIG_RUNS(UTIL_RIG_CONFIG, NULL);
}
END_TEST

/* The callback's own code comes back; a negative one is MODNAS_ECALLBACK and named. */
START_TEST(callback_codes) {
    stopper s = {.at = 6, .answer = 77};
    rig.opts.progress = stop;
    rig.opts.progress_ud = &s;
    ck_assert_int_eq(util_rig_yaml(&rig, UTIL_RIG_CONFIG, NULL), 77);
    ck_assert(util_rig_exists("exp/t/chkpt/model_search_last.safetensors"));
    s = (stopper){.at = 6, .answer = -77};
    ck_assert_int_eq(util_rig_yaml(&rig, UTIL_RIG_CONFIG, NULL), MODNAS_ECALLBACK);
    ck_assert_ptr_nonnull(strstr(rig.error, "-77"));
}
END_TEST

/* ---- failing ----------------------------------------------------------------------------------------- */

/* A rate of 1e30 ends in a loss that is no number: the message says where, and the files of the run before stay as they
 * are. */
START_TEST(loss_is_no_number) {
    RIG_RUNS(UTIL_RIG_CONFIG, NULL);
    ck_assert_int_eq(system("cp -r exp/t exp/before"), 0);
    ck_assert_int_eq(util_rig_yaml(&rig, UTIL_RIG_CONFIG, RIG_OVER("trainer.default.args.optimizer.args.lr=1e30")),
                     MODNAS_ENUMERIC);
    ck_assert_int_eq(rig.started, 1);
    ck_assert_ptr_nonnull(strstr(rig.error, "epoch 1, step 2"));
    ck_assert(util_rig_same("exp/t/chkpt/model_warm_best.safetensors", "exp/before/chkpt/model_warm_best.safetensors"));
    ck_assert(
        util_rig_same("exp/t/chkpt/model_search_last.safetensors", "exp/before/chkpt/model_search_last.safetensors"));
    ck_assert(util_rig_same("exp/t/outputs/arch_search_best.yaml", "exp/before/outputs/arch_search_best.yaml"));
}
END_TEST

/* The folder cannot be made, since a file is in its way. */
START_TEST(unwritable_folder) {
    FILE *f = fopen("exp", "w");
    ck_assert_ptr_nonnull(f);
    fclose(f);
    ck_assert_int_eq(util_rig_yaml(&rig, UTIL_RIG_CONFIG, NULL), MODNAS_EIO);
    ck_assert_ptr_nonnull(strstr(rig.error, "exp"));
    ck_assert_ptr_null(rig.results);
}
END_TEST

/* A full disk, here a limit on the size of files below that of a checkpoint: MODNAS_EIO with the file's name; the
 * checkpoint of the run before stays whole, and no temporary file is left. */
START_TEST(full_disk) {
    const struct rlimit limit = {20000, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
    RIG_RUNS(UTIL_RIG_CONFIG, NULL);
    ck_assert_int_eq(system("cp -r exp/t exp/before"), 0);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const int rc = util_rig_yaml(&rig, UTIL_RIG_CONFIG, RIG_OVER("seed=9"));
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    ck_assert_int_eq(rc, MODNAS_EIO);
    ck_assert_int_eq(rig.started, 1);
    ck_assert_ptr_nonnull(strstr(rig.error, "exp/t/chkpt/model_warm_best.safetensors"));
    ck_assert(util_rig_same("exp/t/chkpt/model_warm_best.safetensors", "exp/before/chkpt/model_warm_best.safetensors"));
    ck_assert(util_rig_same("exp/t/outputs/arch_warm_best.yaml", "exp/before/outputs/arch_warm_best.yaml"));
    ck_assert_int_eq(system("test $(ls -A exp/t/chkpt | wc -l) = 4"), 0);
}
END_TEST

/* history.tsv: a metric that comes later is a further column, '-' in the lines before. When the file cannot grow, here
 * by a limit on the size of files, it ends with the last whole line. */
START_TEST(history) {
    const struct rlimit limit = {500, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
    const mn_metrics few = {1, {"acc_top1"}, {0.5}}, more = {2, {"acc_top1", "latency_ms"}, {0.25, 1e-3}};
    mn_evaluation v = {.estim = "e", .score = 0.5, .metrics = &few, .is_best = 1};
    mn_node *config, *arch;
    mn_expdir dir;
    mn_history h;
    int rc = 0;
    ck_assert_int_eq(mn_yaml_value(rig.ctx, "{name: h}", "test", &config), 0);
    ck_assert_int_eq(mn_yaml_value(rig.ctx, "[[MB3E3], null]", "test", &arch), 0);
    ck_assert_int_eq(mn_expdir_init(&dir, rig.ctx, config), 0);
    ck_assert_int_eq(mn_expdir_open(&dir), 0);
    mn_history_init(&h, &dir);
    ck_assert_int_eq(mn_history_add(&h, &v), 0);
    ck_assert_int_eq(mn_history_open(&h), 0);
    v = (mn_evaluation){.index = 1, .estim = "e", .arch = arch, .score = 0.25, .metrics = &more};
    ck_assert_int_eq(mn_history_add(&h, &v), 0);
    v.metrics = &few;
    ck_assert_int_eq(mn_history_add(&h, &v), 0);
    const char want[] = "index\testim\tarch\tstatus\tscore\tacc_top1\tlatency_ms\n0\te\tnull\t0\t0.5\t0.5\t-\n"
                        "1\te\t[[\"MB3E3\"],null]\t0\t0.25\t0.25\t0.001\n2\te\t[[\"MB3E3\"],null]\t0\t0.25\t0.5\t-\n";
    char *text = util_rig_read("exp/h/outputs/history.tsv", NULL);
    ck_assert_str_eq(text, want);
    free(text);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (int i = 0; i < 100 && !rc; i++) rc = mn_history_add(&h, &v);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    ck_assert_int_eq(rc, MODNAS_EIO);
    size_t bytes;
    text = util_rig_read("exp/h/outputs/history.tsv", &bytes);
    ck_assert(bytes > 400 && bytes <= 500);
    ck_assert_int_eq(text[bytes - 1], '\n');
    ck_assert_int_eq(strncmp(text, want, strlen(want)), 0);
    free(text);
    mn_history_close(&h);
    mn_expdir_close(&dir);
    mn_node_free(rig.ctx, config);
    mn_node_free(rig.ctx, arch);
}
END_TEST

START_TEST(folder_in_use) {
    RIG_RUNS(UTIL_RIG_CONFIG, NULL);
    const int lock = open("exp/t/.lock", O_RDWR);
    ck_assert_int_ge(lock, 0);
    ck_assert_int_eq(flock(lock, LOCK_EX | LOCK_NB), 0); /* nobody holds it after a run */
    ck_assert_int_eq(util_rig_yaml(&rig, UTIL_RIG_CONFIG, NULL), MODNAS_EBUSY);
    ck_assert_int_eq(rig.started, 0);
    ck_assert_str_eq(rig.error, "exp/t is in use by another run");
    close(lock);
    RIG_RUNS(UTIL_RIG_CONFIG, NULL);
}
END_TEST

/* Wrong from the start: nothing is written, and the message has the words. */
START_TEST(found_before_the_start) {
    static const struct {
        const char *over[3], *words[2];
    } rows[] = {{{"name=../up"}, {"name", "../up"}},
                {{"name=a/b"}, {"name", "a/b"}},
                {{"name=."}, {"name", "."}},
                {{"optim=RandomSearchOptim"}, {"RandomSearchOptim", "BinaryGateMixedOp"}},
                {{"mixed_op={type: IndexMixedOp, candidates: [MB3E1]}"}, {"BinaryGateOptim", "IndexMixedOp"}},
                {{"optim=null"}, {"search", "optim"}},
                {{"data_loader.args.valid_size=0"}, {"search", "valid"}},
                {{"estim=null"}, {"estim", ""}},
                {{"estim.warm.epochs=null"}, {"warm", "epochs"}},
                {{"trainer=null"}, {"trainer", ""}},
                {{"train_data=null"}, {"data", ""}},
                {{"train_data.args.shape=[1, 8, 8]"}, {"1 channels", "3"}},
                {{"train_data.args.classes=5"}, {"5 classes", "4"}},
                {{"estim.search.arch_update_epoch_intv=0"}, {"arch_update_epoch_intv", "0"}},
                {{"estim.search.arch_update_batch=0"}, {"arch_update_batch", "0"}},
                {{"estim.warm.args={valid_intv: -1}"}, {"valid_intv", "-1"}},
                {{"estim={\"a/b\": {type: DefaultEstim, epochs: 1}}"}, {"a/b", ""}},
                {{"trainer.default.args.optimizer.args.lr=-1"}, {"lr", "-1"}},
                {{"trainer.default.args.optimizer.args={nesterov: true}"}, {"nesterov", "momentum"}},
                {{"trainer.default.args.w_grad_clip=-1"}, {"w_grad_clip", "-1"}},
                {{"trainer.default.args.lr_scheduler={type: StepLR, args: {step_size: 0}}"}, {"step_size", "0"}},
                {{"trainer.default.args.criterion={type: CrossEntropyLoss, args: {label_smoothing: 2}}"},
                 {"label_smoothing", "2"}},
                {{"trainer.default.args.optimizer.type=SDG"}, {"SDG", "SGD"}},
                {{"test_data={type: RandData, args: {shape: [3, 9, 9], classes: 4}}"}, {"test", "9"}},
                {{"backend=none"}, {"none", "backend"}},
                {{"backend=cudnn"}, {"cudnn", ""}},
                {{"seed=banana"}, {"seed", "banana"}},
                {{"objective={maximise: [acc_top1]}"}, {"maximise", ""}}};
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        ck_assert_msg(util_rig_yaml(&rig, UTIL_RIG_CONFIG, rows[i].over) < 0, "%s", rows[i].over[0]);
        ck_assert_int_eq(rig.started, 0);
        for (int k = 0; k < 2; k++)
            ck_assert_msg(strstr(rig.error, rows[i].words[k]) != NULL, "%s: '%s' has no '%s'", rows[i].over[0],
                          rig.error, rows[i].words[k]);
        ck_assert_msg(!util_rig_exists("exp"), "%s wrote something", rows[i].over[0]);
    }
}
END_TEST

START_TEST(wrong_use) {
    modnas_run_opts opts = {.size = 3};
    modnas_config *cfg;
    int32_t started = 5;
    ck_assert_int_eq(modnas_run(NULL, NULL, &started, NULL), MODNAS_EINVAL);
    ck_assert_int_eq(started, 0);
    ck_assert_int_eq(modnas_config_new(rig.ctx, &cfg), 0);
    ck_assert_int_eq(modnas_run(cfg, &opts, NULL, NULL), MODNAS_EINVAL);
    ck_assert_int_lt(modnas_run(cfg, NULL, NULL, NULL), 0); /* an empty configuration */
    ck_assert(!util_rig_exists("exp"));
    modnas_config_free(cfg);
}
END_TEST

/* Memory runs out at an allocation somewhere: the run says so, leaves nothing allocated, and a run after it is as ever.
 */
START_TEST(out_of_memory) {
    int n = 0, rc = MODNAS_ENOMEM;
    for (int64_t left = 0; rc; left += 1 + left / 16) {
        rig.host.left = left;
        rc = util_rig_yaml(&rig, UTIL_RIG_CONFIG, RIG_OVER("estim.warm.epochs=1", "estim.search.epochs=1"));
        rig.host.left = -1;
        ck_assert_msg(rc == 0 || rc == MODNAS_ENOMEM, "%d after %lld: %s", rc, (long long)left, rig.error);
        n++;
    }
    ck_assert_int_gt(n, 50);
}
END_TEST

int main(void) {
    Suite *s = suite_create("run_stop");
    TCase *t = tcase_create("loops");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, rig_setup, rig_teardown);
    tcase_add_loop_test(t, cancel, 0, 14);
    tcase_add_test(t, out_of_memory);
    suite_add_tcase(s, t);
    util_add(s, "stopping", rig_setup, rig_teardown, (const TTest *[]){cancel_before_the_start, callback_codes, NULL});
    util_add(s, "failing", rig_setup, rig_teardown,
             (const TTest *[]){loss_is_no_number, unwritable_folder, full_disk, history, folder_in_use,
                               found_before_the_start, wrong_use, NULL});
    return util_run(s);
}
