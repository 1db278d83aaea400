/* Callbacks: early stopping, files of the best and of every so-manieth epoch, statistics of options; and that all of
 * them go on where a run was interrupted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modnas/search.h"
#include "util_resume.h"
#include "util_rig.h"

/* By grid in the order of the digits: what is best is found third, and once more eighth; the fourth and the seventh are
 * as good as the third. */
static const char digits[] = "arch\tacc\tcost\n0\t5\t9\n1\t7\t9\n2\t9\t9\n3\t9\t9\n4\t1\t8\n5\t2\t9\n6\t9\t9\n7\t10\t9\n8\t3\t9\n9\t4\t9\n";
#define TABLE                                                                                                          \
    "backend: none\nname: t\nconstruct: {space: {type: TableSpaceConstructor, args: {path: t.tsv, arch: arch}}}\n"     \
    "optim: GridSearchOptim\n"                                                                                         \
    "estim: {search: {type: TableEstim, epochs: 10, args: {path: t.tsv, arch: arch, score: acc, metrics: [cost]}}}\n"
#define STOP "callback={early: {type: EarlyStopping, args: {threshold: %d}}}"

static void setup(void) {
    rig_setup();
    util_write_text("t.tsv", digits);
}

static double result(const char *path) {
    mn_node *r = util_rig_parse(&rig, rig.results);
    const mn_node *n = mn_node_path(r, path);
    const double x = n ? n->r : -1;
    mn_node_free(rig.ctx, r);
    return x;
}

/* ---- early stopping ------------------------------------------------------------------------------------ */

/* Epochs of so many candidates; what is as good is no new optimum. */
START_TEST(stops) {
    static const struct {
        int threshold;
        const char *over;
        int evaluations, best, after; /* -1: all epochs */
    } rows[] = {
        {4, "threads=2", 7, 9, 7},   {5, "threads=2", 10, 10, -1}, {1, "threads=2", 4, 9, 4},
        {2, "threads=2", 5, 9, 5},   {99, "threads=2", 10, 10, -1},
        {1, "estim.search.arch_update_batch=2", 6, 9, 3},
        /* the fifth costs less than all before it: a point of the front */
        {2, "objective={maximize: acc, minimize: cost}", 7, 9, 7},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        char stop[80];
        snprintf(stop, sizeof stop, STOP, rows[i].threshold);
        RIG_RUNS(TABLE, RIG_OVER(stop, rows[i].over));
        ck_assert_msg((int)result("estim.search.evaluations") == rows[i].evaluations, "row %zu: %g", i,
                      result("estim.search.evaluations"));
        ck_assert_int_eq((int)result("estim.search.best.score"), rows[i].best);
        ck_assert_int_eq((int)result("estim.search.stopped_after"), rows[i].after);
    }
}
END_TEST

/* Two epochs that evaluate nothing are no two epochs without an optimum; the estimator behind begins to count anew. */
START_TEST(only_what_evaluates) {
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("callback={early: {type: EarlyStopping, args: {threshold: 1}}}", "estim.warm.epochs=3"));
    ck_assert_int_eq((int)result("estim.warm.evaluations"), 1);
    ck_assert_int_eq((int)result("estim.warm.stopped_after"), -1);
    ck_assert_int_ge((int)result("estim.search.evaluations"), 1);
}
END_TEST

/* ---- files --------------------------------------------------------------------------------------------- */

/* Which of these are there: a letter each. */
static void expect_files(const char *const *over, const char *want) {
    static const char *const names[] = {
        "outputs/results.json",     "outputs/arch_search_best.yaml",         "chkpt/model_search_best.safetensors",
        "outputs/all.json",         "outputs/arch_search_top.yaml",          "chkpt/model_search_top.safetensors",
        "outputs/arch_search_ep001.yaml", "outputs/arch_search_ep002.yaml",  "chkpt/model_search_ep001.safetensors",
        "chkpt/model_search_ep002.safetensors", "outputs/arch_warm_ep001.yaml"};
    char got[MN_COUNT(names) + 1];
    ck_assert_int_eq(system("rm -rf exp"), 0);
    RIG_RUNS(UTIL_RIG_CONFIG, over);
    for (size_t i = 0; i < MN_COUNT(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "exp/t/%s", names[i]);
        got[i] = util_rig_exists(path) ? '+' : '-';
    }
    got[MN_COUNT(names)] = 0;
    ck_assert_msg(strcmp(got, want) == 0, "%s, not %s with %s", got, want, over ? over[0] : "nothing");
}

START_TEST(files) {
    expect_files(NULL, "+++--------");
    expect_files(RIG_OVER("callback={estim_export: null}"), "+----------");
    expect_files(RIG_OVER("callback={default: false}"), "+----------");
    expect_files(RIG_OVER("callback={estim_export: {args: {save_desc_best: false}}}"), "+-+--------");
    expect_files(RIG_OVER("callback={estim_export: {args: {save_chkpt_best: false}}}"), "++---------");
    expect_files(RIG_OVER("callback={estim_export: {args: {run_file_name: all, best_file_name: top}}}"), "---+++-----");
    expect_files(RIG_OVER("callback={estim_export: {args: {desc_intv: 1}}}"), "+++---++--+");
    expect_files(RIG_OVER("callback={estim_export: {args: {desc_intv: 2, chkpt_intv: 1}}}"), "+++----+++-");
    expect_files(RIG_OVER("callback=[{type: EstimResultsExporter, args: {chkpt_intv: 2}}]"), "+++------+-");
}
END_TEST

/* Weights and architecture of the last epoch are those at the end; the table's search tells the best so far. */
START_TEST(every_epoch) {
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("callback={estim_export: {args: {desc_intv: 1, chkpt_intv: 2}}}"));
    char *a = util_rig_read("exp/t/outputs/arch_search_ep002.yaml", NULL);
    ck_assert_ptr_nonnull(a);
    ck_assert_int_eq(a[0], '-'); /* an item for each Slot */
    free(a);
    RIG_RUNS(TABLE, RIG_OVER("callback={estim_export: {args: {desc_intv: 5}}}"));
    a = util_rig_read("exp/t/outputs/arch_search_ep005.yaml", NULL);
    ck_assert_str_eq(a, "x0: \"2\"\n");
    free(a);
    ck_assert(util_rig_same("exp/t/outputs/arch_search_ep010.yaml", "exp/t/outputs/arch_search_best.yaml"));
}
END_TEST

/* A search that finds nothing within its limits leaves no file of one before it. */
START_TEST(of_another_run) {
    RIG_RUNS(TABLE, NULL);
    ck_assert(util_rig_exists("exp/t/outputs/arch_search_best.yaml"));
    RIG_RUNS(TABLE, RIG_OVER("objective={maximize: acc, subject_to: ['cost <= 7']}"));
    ck_assert(!util_rig_exists("exp/t/outputs/arch_search_best.yaml"));
    RIG_RUNS(TABLE, RIG_OVER("objective={maximize: acc, subject_to: ['cost <= 8']}"));
    ck_assert(util_rig_exists("exp/t/outputs/arch_search_best.yaml"));
}
END_TEST

START_TEST(top) {
    RIG_RUNS(TABLE, RIG_OVER("callback={estim_export: {args: {top: 4}}}"));
    mn_node *r = util_rig_parse(&rig, rig.results);
    const mn_node *list = rig_at(r, "estim.search.top");
    static const struct {
        const char *arch;
        double score;
    } want[] = {{"7", 10}, {"2", 9}, {"3", 9}, {"6", 9}};
    ck_assert_uint_eq(list->n, 4);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_str_eq(rig_at(list->items[i], "arch.x0")->text, want[i].arch);
        ck_assert_double_eq(rig_at(list->items[i], "score")->r, want[i].score);
    }
    mn_node_free(rig.ctx, r);
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *over, *says;
    } rows[] = {
        {"callback={e: {type: EarlyStopping, args: {threshold: 0}}}", "EarlyStopping.threshold"},
        {"callback={e: {type: EarlyStoping}}", "did you mean 'EarlyStopping'"},
        {"callback={e: {args: {threshold: 1}}}", "type"},
        {"callback={estim_export: {args: {top: 0}}}", "EstimResultsExporter.top"},
        {"callback={estim_export: {args: {top: 101}}}", "1 to 100"},
        {"callback={estim_export: {args: {desc_intv: -1}}}", "EstimResultsExporter.desc_intv"},
        {"callback={estim_export: {args: {best_file_name: ../x}}}", "EstimResultsExporter.best_file_name"},
        {"callback={m: {type: MixedOpStatsReporter, args: {plot_intv: 0}}}", "MixedOpStatsReporter.plot_intv"},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++)
        util_rig_refused(&rig, TABLE, RIG_OVER(rows[i].over), rows[i].says);
    ck_assert(!util_rig_exists("exp/t"));
}
END_TEST

/* ---- statistics ---------------------------------------------------------------------------------------- */

#define STATS "callback={m: {type: MixedOpStatsReporter, args: {plot_intv: 0.5}}}"
#define HEAD  "epoch\tparam\toption\tprobability\tevaluations\tmean_score\n"

/* By grid, the first digit fastest: a0 b0 a1 | b1 a2 b2; means by hand. */
START_TEST(by_hand) {
    util_write_text("t.tsv", "arch\tacc\tcost\na0\t1\t1\na1\t2\t1\na2\t3\t1\nb0\t4\t1\nb1\t5\t1\nb2\t6\t1\n");
    RIG_RUNS(TABLE, RIG_OVER(STATS, "estim.search.epochs=6"));
    char *text = util_rig_read("exp/t/outputs/probs_search.tsv", NULL);
    ck_assert_str_eq(text, HEAD "3\tx0\ta\t-\t2\t1.5\n3\tx0\tb\t-\t1\t4\n"
                                "3\tx1\t0\t-\t2\t2.5\n3\tx1\t1\t-\t1\t2\n3\tx1\t2\t-\t0\t-\n"
                                "6\tx0\ta\t-\t3\t2\n6\tx0\tb\t-\t3\t5\n"
                                "6\tx1\t0\t-\t2\t2.5\n6\tx1\t1\t-\t2\t3.5\n6\tx1\t2\t-\t2\t4.5\n");
    free(text);
}
END_TEST

/* Of a search that is stopped early the last lines are of where it was. */
START_TEST(stats_at_the_end) {
    RIG_RUNS(TABLE, RIG_OVER("callback={m: MixedOpStatsReporter, e: {type: EarlyStopping, args: {threshold: 4}}}"));
    char *text = util_rig_read("exp/t/outputs/probs_search.tsv", NULL);
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_nonnull(strstr(text, "\n6\tx0\t5\t-\t1\t2\n"));
    ck_assert_ptr_nonnull(strstr(text, "\n7\tx0\t6\t-\t1\t9\n"));
    ck_assert_ptr_null(strstr(text, "\n8\t"));
    free(text);
}
END_TEST

/* Of logits: probabilities of a parameter add up to 1, and the largest at the end is what the architecture has. */
START_TEST(of_logits) {
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER(STATS));
    char *text = util_rig_read("exp/t/outputs/probs_search.tsv", NULL), *arch, param[16], option[16], best[16] = "";
    ck_assert_ptr_nonnull(text);
    arch = util_rig_read("exp/t/outputs/arch_search_best.yaml", NULL);
    const char *line = text + strlen(HEAD);
    double sum = 0, most = 0, p;
    int n = 0, epoch;
    for (; sscanf(line, "%d\t%15s\t%15s\t%lf", &epoch, param, option, &p) == 4; line = strchr(line, '\n') + 1) {
        if (n % 4 == 0) sum = most = 0;
        sum += p;
        if (p > most) strcpy(best, option);
        most = p > most ? p : most;
        if (++n % 4 == 0) ck_assert_double_eq_tol(sum, 1, 1e-12);
    }
    ck_assert_int_eq(n, 2 * 4 * 4); /* epochs, Slots, candidates */
    ck_assert_int_eq(epoch, 2);
    ck_assert_ptr_nonnull(strstr(arch, best));
    free(arch);
    free(text);
}
END_TEST

/* ---- going on ------------------------------------------------------------------------------------------ */

#define ALL "callback={m: {type: MixedOpStatsReporter, args: {plot_intv: 1}}, e: {type: EarlyStopping, args: {threshold: 1}}}"

/* A search that would go on for six epochs is stopped by the callback where it is when nobody interrupts it. */
START_TEST(goes_on) {
    const char *yaml = util_resumes[0].yaml;
    const char *const whole[] = {"name=whole", "backend=ref", "estim.search.epochs=6", ALL, NULL}, *const *over = whole + 1;
    int n;
    ck_assert_msg(util_resume_run(yaml, whole, 0, 0, &n) == 0, "%s", rig.error);
    const int after = (int)result("estim.search.stopped_after");
    ck_assert(after > 0 && after < 6);
    for (int at = 2; at < n; at += 3) {
        ck_assert_int_eq(util_resume_run(yaml, over, at, 0, NULL), MODNAS_ECANCELED);
        ck_assert_msg(util_resume_run(yaml, over, 0, 1, NULL) == 0, "%s", rig.error);
        ck_assert_int_eq((int)result("estim.search.stopped_after"), after);
        ck_assert(rig_same_run("whole", "t"));
        ck_assert(util_rig_same("exp/whole/outputs/probs_search.tsv", "exp/t/outputs/probs_search.tsv"));
    }
}
END_TEST

/* Another threshold would have stopped elsewhere: it is another search. */
START_TEST(another) {
    const char *const over[] = {"backend=ref", ALL, NULL}, *const none[] = {"backend=ref", NULL};
    ck_assert_int_eq(util_resume_run(util_resumes[0].yaml, over, 5, 0, NULL), MODNAS_ECANCELED);
    ck_assert_int_eq(util_resume_run(util_resumes[0].yaml, none, 0, 1, NULL), MODNAS_ECONFIG);
    ck_assert_msg(strstr(rig.error, "callback") != NULL, "%s", rig.error);
}
END_TEST

/* No memory at any of its requests: a status, or the same files; what is left allocated the rig would tell. */
START_TEST(out_of_memory) {
    const char *const over[] = {"callback={m: {type: MixedOpStatsReporter, args: {plot_intv: 1}}, estim_export: {args: {desc_intv: 1}}}",
                                "writer={enabled: true}", "estim.search.epochs=3", NULL};
    int rc = MODNAS_ENOMEM, n_failed = 0;
    for (int64_t left = 300; rc; left += 1 + left / 200) {
        rig.host.left = left;
        rc = util_rig_yaml(&rig, TABLE, over);
        ck_assert_msg(!rc || rc == MODNAS_ENOMEM, "%d after %lld requests: %s", rc, (long long)left, rig.error);
        n_failed += rc != 0;
    }
    rig.host.left = -1;
    ck_assert_int_gt(n_failed, 100);
    ck_assert_uint_eq((size_t)result("estim.search.evaluations"), 3);
    ck_assert(util_rig_exists("exp/t/outputs/probs_search.tsv"));
}
END_TEST

int main(void) {
    Suite *s = suite_create("callbacks");
    util_add(s, "early stopping", setup, rig_teardown, (const TTest *[]){stops, only_what_evaluates, NULL});
    util_add(s, "files", setup, rig_teardown, (const TTest *[]){files, every_epoch, of_another_run, top, refused, NULL});
    util_add(s, "statistics", setup, rig_teardown, (const TTest *[]){by_hand, stats_at_the_end, of_logits, out_of_memory, NULL});
    util_add(s, "going on", rig_setup, rig_teardown, (const TTest *[]){goes_on, another, NULL});
    return util_run(s);
}
