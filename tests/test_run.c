/* Whole runs: what they write, that they write it again bit by bit, that they stop tidily, and what they leave when
 * they fail. */
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pipeline/history.h"
#include "util_rig.h"

static util_rig r;

static void setup(void) {
    util_rig_open(&r);
}
static void teardown(void) {
    util_rig_close(&r);
}

#define RUNS(...) ck_assert_msg(util_rig_yaml(&r, __VA_ARGS__) == 0, "%s", r.error)
#define OVER(...) ((const char *const[]){__VA_ARGS__, NULL})

static const mn_node *at(const mn_node *tree, const char *path) {
    const mn_node *n = mn_node_path(tree, path);
    ck_assert_msg(n != NULL, "no %s", path);
    return n;
}

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
    RUNS(UTIL_RIG_CONFIG, NULL);
    ck_assert_int_eq(r.started, 1);
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
    RUNS(UTIL_RIG_CONFIG "test_data: {type: RandData, args: {shape: [3, 8, 8], classes: 4, data_size: 20, seed: 9}}\n",
         NULL);
    char *file = util_rig_read("exp/t/outputs/results.json", NULL);
    ck_assert_str_eq(file, r.results);
    free(file);
    mn_node *t = util_rig_parse(&r, r.results);
    ck_assert_str_eq(at(t, "name")->text, "t");
    ck_assert_int_eq(at(t, "seed")->i, 3);
    ck_assert_str_eq(at(t, "backend")->text, "ref");
    ck_assert_int_eq(at(t, "threads")->i, 2);
    ck_assert_str_eq(at(t, "versions.modnas")->text, modnas_version());
    ck_assert_int_eq(at(t, "data_sha256")->kind, MN_MAP);
    ck_assert_double_gt(at(t, "seconds")->r, 0);
    ck_assert_int_gt(at(t, "peak_rss_bytes")->i, 1000000);
    ck_assert_int_eq(at(t, "estim.warm.evaluations")->i, 1);
    ck_assert_int_eq(at(t, "estim.search.evaluations")->i, 2);
    ck_assert_int_eq(at(t, "test.n")->i, 20);
    ck_assert(at(t, "test.acc_top1")->r >= 0 && at(t, "test.acc_top1")->r <= 1);
    ck_assert(at(t, "test.acc_top5")->r == 1); /* of 4 classes */
    ck_assert_double_gt(at(t, "test.loss")->r, 0);
    ck_assert(mn_node_equal(at(t, "estim.search.best"), at(t, "estim.search.top.0")));
    ck_assert(at(t, "estim.search.best.score")->r == at(t, "estim.search.best.metrics.acc_top1")->r);
    char *arch_text = util_rig_read("exp/t/outputs/arch_search_best.yaml", NULL);
    mn_node *arch = util_rig_parse(&r, arch_text);
    ck_assert(mn_node_equal(arch, at(t, "estim.search.best.arch")));
    ck_assert_uint_eq(arch->n, 4);
    free(arch_text);
    mn_node_free(r.ctx, arch);
    mn_node_free(r.ctx, t);
}
END_TEST

/* What was found can be trained from its file; its params are those that the search wrote down. */
START_TEST(arch_is_built_again) {
    RUNS(UTIL_RIG_CONFIG, NULL);
    mn_node *found = util_rig_parse(&r, r.results);
    RUNS("backend: ref\nname: again\n" UTIL_SMALL_NET
         "arch_desc: exp/t/outputs/arch_search_best.yaml\nestim: {train: {type: DefaultEstim, epochs: 1}}\n",
         NULL);
    mn_node *trained = util_rig_parse(&r, r.results);
    ck_assert_int_eq(at(trained, "estim.train.best.metrics.params")->i,
                     at(found, "estim.search.best.metrics.params")->i);
    ck_assert_int_eq(at(trained, "estim.train.best.metrics.macs")->i, at(found, "estim.search.best.metrics.macs")->i);
    mn_node_free(r.ctx, found);
    mn_node_free(r.ctx, trained);
}
END_TEST

/* expman.root_dir and a default name: day, dot, four hex digits; export: null leaves no architecture. */
START_TEST(where_it_goes) {
    RUNS(UTIL_RIG_CONFIG, OVER("name=null", "expman.root_dir=deep/er", "export=null"));
    mn_node *t = util_rig_parse(&r, r.results);
    const char *name = at(t, "name")->text;
    ck_assert_uint_eq(strlen(name), 13);
    ck_assert_uint_eq(strspn(name, "0123456789"), 8);
    ck_assert_int_eq(name[8], '.');
    ck_assert_uint_eq(strspn(name + 9, "0123456789abcdef"), 4);
    char path[128];
    snprintf(path, sizeof path, "deep/er/%s/outputs/results.json", name);
    ck_assert(util_rig_exists(path));
    snprintf(path, sizeof path, "deep/er/%s/outputs/arch_search_best.yaml", name);
    ck_assert(!util_rig_exists(path));
    ck_assert_int_eq(at(t, "estim.search.best.arch")->kind, MN_NULL);
    ck_assert(!util_rig_exists("exp"));
    mn_node_free(r.ctx, t);
}
END_TEST

/* ---- again ------------------------------------------------------------------------------------------- */

static int same_run(const char *a, const char *b) {
    static const char *const names[] = {"outputs/history.tsv", "outputs/arch_search_best.yaml",
                                        "chkpt/model_search_best.safetensors", "chkpt/model_search_last.safetensors"};
    int same = 1;
    for (size_t i = 0; i < MN_COUNT(names); i++) {
        char x[128], y[128];
        snprintf(x, sizeof x, "exp/%s/%s", a, names[i]);
        snprintf(y, sizeof y, "exp/%s/%s", b, names[i]);
        same &= util_rig_same(x, y);
    }
    return same;
}

/* The same configuration, seed and threads: the same bytes, on both backends, in the same context and in another. */
START_TEST(same_bytes) {
    static const char *const backends[] = {"backend=ref", "backend=dnnl"};
    char threads[32];
    snprintf(threads, sizeof threads, "threads=%d", _i / 2 + 1);
    RUNS(UTIL_RIG_CONFIG, OVER(backends[_i % 2], threads, "name=a"));
    RUNS(UTIL_RIG_CONFIG, OVER(backends[_i % 2], threads, "name=b"));
    ck_assert(same_run("a", "b"));
    RUNS(UTIL_RIG_CONFIG, OVER(backends[_i % 2], threads, "name=c", "seed=4"));
    ck_assert(!util_rig_same("exp/a/outputs/history.tsv", "exp/c/outputs/history.tsv"));
    ck_assert(!util_rig_same("exp/a/chkpt/model_search_last.safetensors", "exp/c/chkpt/model_search_last.safetensors"));
    modnas_ctx *first = r.ctx;
    const modnas_ctx_opts opts = util_host_opts(&r.host);
    modnas_string_free(first, r.results);
    r.results = NULL;
    ck_assert_int_eq(modnas_ctx_new(&opts, &r.ctx), 0);
    RUNS(UTIL_RIG_CONFIG, OVER(backends[_i % 2], threads, "name=d"));
    ck_assert(same_run("a", "d"));
    modnas_ctx_free(first);
}
END_TEST

/* config.yaml is the run: it gives the same bytes, and the same config.yaml but for the name. */
START_TEST(config_runs_again) {
    const char routine[] =
        "backend: ref\nname: a\n" UTIL_SMALL_NET "optim: BinaryGateOptim\n"
        "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E1, MB3E3]}\n"
        "search: {mixed_op: {candidates: [MB5E3]}, estim: {search: {type: SuperNetEstim, epochs: 2}}}\n";
    RUNS(routine, OVER("routine=search", "trainer.default.args.w_grad_clip=1.5"));
    char *config = util_rig_read("exp/a/outputs/config.yaml", NULL);
    RUNS(config, OVER("name=b"));
    ck_assert(same_run("a", "b"));
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
    RUNS(UTIL_RIG_CONFIG, OVER("seed=5"));
    RUNS(UTIL_RIG_CONFIG, NULL);
    RUNS(UTIL_RIG_CONFIG, OVER("name=other"));
    ck_assert(same_run("t", "other"));
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
    r.opts.progress = note_rates;
    r.opts.progress_ud = &s;
    RUNS(UTIL_RIG_CONFIG, OVER("estim={a: {type: DefaultEstim, epochs: 2}, b: {type: SuperNetEstim, epochs: 4}}"));
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
    r.opts.progress = note_rates;
    r.opts.progress_ud = &s;
    RUNS(two_trainers, NULL);
    ck_assert_int_eq(s.n, 3);
    for (int i = 0; i < 3; i++) ck_assert(s.lr[i] == want[i]);
    ck_assert_int_eq(util_rig_yaml(&r, two_trainers, OVER("estim.c.trainer=nobody")), MODNAS_ECONFIG);
    ck_assert_ptr_nonnull(strstr(r.error, "nobody"));
}
END_TEST

/* Weights carry over: loading what the estimator before has just saved changes nothing. A checkpoint is looked for when
 * its reader starts, not before. */
START_TEST(chain_reads_checkpoint) {
    RUNS(UTIL_RIG_CONFIG, OVER("estim.search.chkpt=exp/t/chkpt/model_warm_last.safetensors"));
    RUNS(UTIL_RIG_CONFIG, OVER("name=plain"));
    ck_assert(same_run("t", "plain"));
    ck_assert_int_lt(util_rig_yaml(&r, UTIL_RIG_CONFIG, OVER("name=u", "estim.search.chkpt=exp/none.safetensors")), 0);
    ck_assert_int_eq(r.started, 1);
    ck_assert_ptr_nonnull(strstr(r.error, "exp/none.safetensors"));
    ck_assert(util_rig_exists("exp/u/chkpt/model_warm_last.safetensors"));
}
END_TEST

/* ---- stopping ---------------------------------------------------------------------------------------- */

typedef struct stopper {
    int at, n, answer; /* after how many calls; what to answer then, 0: cancel */
} stopper;

static int stop(const modnas_progress *p, void *ud) {
    stopper *s = ud;
    (void)p;
    if (++s->n != s->at) return 0;
    if (!s->answer) modnas_cancel(r.ctx);
    return s->answer;
}

/* A run has 3 + 1 + 2 (3 + 1 + 1) calls: training steps, validation, and architecture steps. Canceled at any of them it
 * saves the weights and an architecture of the estimator it was in, makes no further step, and the context can be used
 * again. */
START_TEST(cancel) {
    stopper s = {.at = _i + 1};
    r.opts.progress = stop;
    r.opts.progress_ud = &s;
    ck_assert_int_eq(util_rig_yaml(&r, UTIL_RIG_CONFIG, NULL), MODNAS_ECANCELED);
    ck_assert_int_eq(s.n, s.at);
    ck_assert_int_eq(r.started, 1);
    ck_assert_str_eq(r.error, "canceled");
    const char *const estim = s.at <= 4 ? "warm" : "search";
    char path[128];
    snprintf(path, sizeof path, "exp/t/chkpt/model_%s_last.safetensors", estim);
    ck_assert_msg(util_rig_exists(path), "%s", path);
    snprintf(path, sizeof path, "exp/t/outputs/arch_%s_best.yaml", estim);
    ck_assert_msg(util_rig_exists(path), "%s", path);
    ck_assert_int_eq(util_rig_exists("exp/t/chkpt/model_search_last.safetensors"), s.at > 4);
    mn_node *t = util_rig_parse(&r, r.results);
    ck_assert_int_eq(at(t, "complete")->i, 0);
    mn_node_free(r.ctx, t);
    r.opts.progress = NULL;
    RUNS(UTIL_RIG_CONFIG, NULL);
    t = util_rig_parse(&r, r.results);
    ck_assert_int_eq(at(t, "complete")->i, 1);
    mn_node_free(r.ctx, t);
}
END_TEST

START_TEST(cancel_before_the_start) {
    modnas_cancel(r.ctx);
    ck_assert_int_eq(util_rig_yaml(&r, UTIL_RIG_CONFIG, NULL), MODNAS_ECANCELED);
    ck_assert_int_eq(r.started, 0);
    ck_assert(!util_rig_exists("exp"));
    RUNS(UTIL_RIG_CONFIG, NULL);
}
END_TEST

/* The callback's own code comes back; a negative one is MODNAS_ECALLBACK and named. */
START_TEST(callback_codes) {
    stopper s = {.at = 6, .answer = 77};
    r.opts.progress = stop;
    r.opts.progress_ud = &s;
    ck_assert_int_eq(util_rig_yaml(&r, UTIL_RIG_CONFIG, NULL), 77);
    ck_assert(util_rig_exists("exp/t/chkpt/model_search_last.safetensors"));
    s = (stopper){.at = 6, .answer = -77};
    ck_assert_int_eq(util_rig_yaml(&r, UTIL_RIG_CONFIG, NULL), MODNAS_ECALLBACK);
    ck_assert_ptr_nonnull(strstr(r.error, "-77"));
}
END_TEST

/* ---- failing ----------------------------------------------------------------------------------------- */

/* A rate of 1e30 ends in a loss that is no number: the message says where, and the files of the run before stay as they
 * are. */
START_TEST(loss_is_no_number) {
    RUNS(UTIL_RIG_CONFIG, NULL);
    ck_assert_int_eq(system("cp -r exp/t exp/before"), 0);
    ck_assert_int_eq(util_rig_yaml(&r, UTIL_RIG_CONFIG, OVER("trainer.default.args.optimizer.args.lr=1e30")),
                     MODNAS_ENUMERIC);
    ck_assert_int_eq(r.started, 1);
    ck_assert_ptr_nonnull(strstr(r.error, "epoch 1, step 2"));
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
    ck_assert_int_eq(util_rig_yaml(&r, UTIL_RIG_CONFIG, NULL), MODNAS_EIO);
    ck_assert_ptr_nonnull(strstr(r.error, "exp"));
    ck_assert_ptr_null(r.results);
}
END_TEST

/* A full disk, here a limit on the size of files below that of a checkpoint: MODNAS_EIO with the file's name; the
 * checkpoint of the run before stays whole, and no temporary file is left. */
START_TEST(full_disk) {
    const struct rlimit limit = {20000, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
    RUNS(UTIL_RIG_CONFIG, NULL);
    ck_assert_int_eq(system("cp -r exp/t exp/before"), 0);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const int rc = util_rig_yaml(&r, UTIL_RIG_CONFIG, OVER("seed=9"));
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    ck_assert_int_eq(rc, MODNAS_EIO);
    ck_assert_int_eq(r.started, 1);
    ck_assert_ptr_nonnull(strstr(r.error, "exp/t/chkpt/model_warm_best.safetensors"));
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
    mn_evaluation v = {0, "e", NULL, 0, 0.5, &few, 1};
    mn_node *config, *arch;
    mn_expdir dir;
    mn_history h;
    int rc = 0;
    ck_assert_int_eq(mn_yaml_value(r.ctx, "{name: h}", "test", &config), 0);
    ck_assert_int_eq(mn_yaml_value(r.ctx, "[[MB3E3], null]", "test", &arch), 0);
    ck_assert_int_eq(mn_expdir_init(&dir, r.ctx, config), 0);
    ck_assert_int_eq(mn_expdir_open(&dir), 0);
    ck_assert_int_eq(mn_history_open(&h, &dir), 0);
    ck_assert_int_eq(mn_history_add(&h, &v), 0);
    v = (mn_evaluation){1, "e", arch, 0, 0.25, &more, 0};
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
    mn_node_free(r.ctx, config);
    mn_node_free(r.ctx, arch);
}
END_TEST

START_TEST(folder_in_use) {
    RUNS(UTIL_RIG_CONFIG, NULL);
    const int lock = open("exp/t/.lock", O_RDWR);
    ck_assert_int_ge(lock, 0);
    ck_assert_int_eq(flock(lock, LOCK_EX | LOCK_NB), 0); /* nobody holds it after a run */
    ck_assert_int_eq(util_rig_yaml(&r, UTIL_RIG_CONFIG, NULL), MODNAS_EBUSY);
    ck_assert_int_eq(r.started, 0);
    ck_assert_str_eq(r.error, "exp/t is in use by another run");
    close(lock);
    RUNS(UTIL_RIG_CONFIG, NULL);
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
        ck_assert_msg(util_rig_yaml(&r, UTIL_RIG_CONFIG, rows[i].over) < 0, "%s", rows[i].over[0]);
        ck_assert_int_eq(r.started, 0);
        for (int k = 0; k < 2; k++)
            ck_assert_msg(strstr(r.error, rows[i].words[k]) != NULL, "%s: '%s' has no '%s'", rows[i].over[0], r.error,
                          rows[i].words[k]);
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
    ck_assert_int_eq(modnas_config_new(r.ctx, &cfg), 0);
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
        r.host.left = left;
        rc = util_rig_yaml(&r, UTIL_RIG_CONFIG, OVER("estim.warm.epochs=1", "estim.search.epochs=1"));
        r.host.left = -1;
        ck_assert_msg(rc == 0 || rc == MODNAS_ENOMEM, "%d after %lld: %s", rc, (long long)left, r.error);
        n++;
    }
    ck_assert_int_gt(n, 50);
}
END_TEST

/* ---- listing ----------------------------------------------------------------------------------------- */

static int has_component(const mn_node *list, const char *kind, const char *name) {
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(at(list->items[i], "kind")->text, kind) == 0 && strcmp(at(list->items[i], "name")->text, name) == 0)
            return 1;
    return 0;
}

START_TEST(list) {
    static const char *const want[][2] = {{"optim", "BinaryGateOptim"},
                                          {"optim", "RandomSearchOptim"},
                                          {"estim", "DefaultEstim"},
                                          {"estim", "SuperNetEstim"},
                                          {"trainer", "ImageClsTrainer"},
                                          {"optimizer", "SGD"},
                                          {"optimizer", "Adam"},
                                          {"optimizer", "AdamW"},
                                          {"lr_scheduler", "CosineAnnealingLR"},
                                          {"lr_scheduler", "StepLR"},
                                          {"lr_scheduler", "MultiStepLR"},
                                          {"lr_scheduler", "ExponentialLR"},
                                          {"lr_scheduler", "ConstantLR"},
                                          {"criterion", "CrossEntropyLoss"},
                                          {"criterion", "CrossEntropyLabelSmoothingLoss"},
                                          {"metrics", "ValidateMetrics"},
                                          {"model", "CIFAR_MobileNetV2"},
                                          {"mixed_op", "BinaryGateMixedOp"},
                                          {"data", "ImageClsData"},
                                          {"data_loader", "ImageClsDataLoader"},
                                          {"export", "DefaultSlotTraversalExporter"}};
    char *text = NULL;
    ck_assert_int_eq(modnas_list_json(r.ctx, NULL, &text), 0);
    mn_node *all = util_rig_parse(&r, text);
    modnas_string_free(r.ctx, text);
    for (size_t i = 0; i < MN_COUNT(want); i++)
        ck_assert_msg(has_component(all, want[i][0], want[i][1]), "%s", want[i][1]);
    for (size_t i = 0; i < all->n; i++) {
        ck_assert_int_gt(strlen(at(all->items[i], "text")->text), 5);
        const mn_node *args = at(all->items[i], "args");
        for (size_t k = 0; k < args->n; k++) {
            ck_assert_ptr_nonnull(mn_node_get(args->items[k], "default"));
            ck_assert_int_gt(strlen(at(args->items[k], "text")->text), 2);
        }
    }
    mn_node_free(r.ctx, all);
    ck_assert_int_eq(modnas_list_json(r.ctx, "optim", &text), 0);
    all = util_rig_parse(&r, text);
    modnas_string_free(r.ctx, text);
    for (size_t i = 0; i < all->n; i++) ck_assert_str_eq(at(all->items[i], "kind")->text, "optim");
    mn_node_free(r.ctx, all);
    text = NULL;
    ck_assert_int_eq(modnas_list_json(r.ctx, "optin", &text), MODNAS_ENOTFOUND);
    ck_assert_ptr_null(text);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(r.ctx), "'optim'"));
    ck_assert_int_eq(modnas_list_text(r.ctx, "optim", &text), 0);
    ck_assert_ptr_nonnull(strstr(text, "n_samples: int = 2"));
    modnas_string_free(r.ctx, text);
    ck_assert_int_eq(modnas_list_text(r.ctx, NULL, NULL), MODNAS_EINVAL);
}
END_TEST

START_TEST(devices) {
    char *text = NULL;
    ck_assert_int_eq(modnas_devices_json(r.ctx, &text), 0);
    mn_node *all = util_rig_parse(&r, text);
    modnas_string_free(r.ctx, text);
    ck_assert_uint_ge(all->n, 2);
    ck_assert_str_eq(at(all, "0.name")->text, "ref");
    for (size_t i = 0; i < all->n; i++) {
        const mn_node *d = all->items[i];
        const int available = (int)at(d, "available")->i;
        ck_assert_int_eq(at(d, "version")->kind, available ? MN_STR : MN_NULL);
        ck_assert_int_eq(at(d, "why")->kind, available ? MN_NULL : MN_STR);
    }
    ck_assert_int_eq(at(all, "0.available")->i, 1);
    mn_node_free(r.ctx, all);
    ck_assert_int_eq(modnas_devices_text(r.ctx, &text), 0);
    ck_assert_ptr_nonnull(strstr(text, "ref "));
    modnas_string_free(r.ctx, text);
}
END_TEST

int main(void) {
    Suite *s = suite_create("run");
    TCase *t = tcase_create("loops");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, same_bytes, 0, 8);
    tcase_add_loop_test(t, cancel, 0, 14);
    tcase_add_test(t, out_of_memory);
    suite_add_tcase(s, t);
    util_add(s, "files", setup, teardown, (const TTest *[]){files, results, arch_is_built_again, where_it_goes, NULL});
    util_add(s, "again", setup, teardown, (const TTest *[]){config_runs_again, folder_is_used_again, NULL});
    util_add(s, "chains", setup, teardown,
             (const TTest *[]){chain_schedules, trainers_by_name, chain_reads_checkpoint, NULL});
    util_add(s, "stopping", setup, teardown, (const TTest *[]){cancel_before_the_start, callback_codes, NULL});
    util_add(s, "failing", setup, teardown,
             (const TTest *[]){loss_is_no_number, unwritable_folder, full_disk, history, folder_in_use,
                               found_before_the_start, wrong_use, NULL});
    util_add(s, "listing", setup, teardown, (const TTest *[]){list, devices, NULL});
    return util_run(s);
}
