/* Searches in tables of results: spaces made of tables, TableEstim, objectives, and the front of several goals.
 *
 * The tables are written by the tests; what is best in them, and what dominates what, was worked out by hand. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modnas/describe.h"
#include "util_search.h"

/* 2 x 3 points by characters, one of them (b1) missing and one (a0) without a score. cost is less the better. */
static const char table[] = "arch\tacc\tcost\ttest\n"
                            "a2\t70\t5\t69\n"
                            "b0\t90\t9\t-\n"
                            "a0\t-\t1\t50\n"
                            "b2\t80\t4\t81\n"
                            "a1\t60\t2\t61\n";

#define SPACE   "backend: none\nname: t\nconstruct: {space: {type: TableSpaceConstructor, args: {path: t.tsv, arch: arch}}}\n"
#define COLUMNS "path: t.tsv, arch: arch, score: acc, report: test, metrics: [cost]"
#define SEARCH  SPACE "optim: RandomSearchOptim\nestim: {search: {type: TableEstim, epochs: 10, args: {" COLUMNS "}}}\n"

static void setup(void) {
    rig_setup();
    util_write_text("t.tsv", table);
}

static void expect_refused(const char *yaml, const char *says) {
    modnas_search *s = NULL;
    const int rc = util_search_try(yaml, NULL, &s);
    ck_assert_msg(rc == MODNAS_ECONFIG, "%d for %s", rc, yaml);
    ck_assert_msg(strstr(modnas_errmsg(rig.ctx), says), "'%s' is not in: %s", says, modnas_errmsg(rig.ctx));
}

static mn_node *results(void) {
    return util_rig_parse(&rig, rig.results);
}

/* Values of a list's members, "90,80," */
static void join(const mn_node *list, const char *path, char *out) {
    *out = 0;
    for (size_t i = 0; i < list->n; i++) out += sprintf(out, "%g,", rig_at(list->items[i], path)->r);
}

/* All six points, each once: five rows, of which one has no score; the best is b0. */
START_TEST(run) {
    RIG_RUNS(SEARCH, NULL);
    mn_node *r = results();
    ck_assert_int_eq(rig_at(r, "estim.search.evaluations")->i, 6);
    ck_assert(rig_at(r, "estim.search.best.score")->r == 90);
    ck_assert_uint_eq(rig_at(r, "estim.search.top")->n, 4);
    ck_assert_ptr_null(mn_node_path(r, "estim.search.front"));
    ck_assert(rig_at(r, "estim.search.top.1.metrics.test")->r == 81);
    ck_assert_ptr_null(mn_node_path(r, "estim.search.best.metrics.test"));
    mn_node_free(rig.ctx, r);
    char *arch = util_rig_read("exp/t/outputs/arch_search_best.yaml", NULL);
    ck_assert_str_eq(arch, "x0: b\nx1: \"0\"\n");
    free(arch);
    char *history = util_rig_read("exp/t/outputs/history.tsv", NULL);
    ck_assert_ptr_nonnull(strstr(history, "index\testim\tarch\tstatus\tscore\tacc\tcost\ttest\n"));
    char want[100];
    for (int i = 0; i < 2; i++) {
        snprintf(want, sizeof want, "{\"x0\":\"%s\"}\t%d\tnull\t-\t-\t-\n", i ? "b\",\"x1\":\"1" : "a\",\"x1\":\"0",
                 MODNAS_ENOTFOUND);
        ck_assert_ptr_nonnull(strstr(history, want));
    }
    ck_assert_ptr_nonnull(strstr(history, "{\"x0\":\"b\",\"x1\":\"0\"}\t0\t90\t90\t9\t-\n"));
    free(history);
    RIG_RUNS(SEARCH, RIG_OVER("name=u"));
    ck_assert(util_rig_same("exp/t/outputs/history.tsv", "exp/u/outputs/history.tsv"));
}
END_TEST

/* Batches: the last one is short, the seventh ask finds nothing left. By columns the same points have the names of the
 * columns. */
START_TEST(batches_and_columns) {
    RIG_RUNS(SEARCH, RIG_OVER("estim.search.arch_update_batch=4", "estim.search.epochs=1"));
    mn_node *r = results();
    ck_assert_int_eq(rig_at(r, "estim.search.evaluations")->i, 4);
    mn_node_free(rig.ctx, r);
    util_write_text("c.tsv", "size\tkind\tacc\n10\tx y\t3\n4\tx y\t5\n10\tz\t4\n");
    RIG_RUNS("backend: none\nname: c\n"
             "construct: {space: {type: TableSpaceConstructor, args: {path: c.tsv, params: [kind, size]}}}\n"
             "optim: RandomSearchOptim\n"
             "estim: {search: {type: TableEstim, epochs: 9, arch_update_batch: 3, args: {path: c.tsv, params: [kind, size], "
             "score: acc}}}\n",
             NULL);
    r = results();
    ck_assert_int_eq(rig_at(r, "estim.search.evaluations")->i, 4);
    ck_assert(rig_at(r, "estim.search.best.score")->r == 5);
    ck_assert_str_eq(rig_at(r, "estim.search.best.arch.kind")->text, "x y");
    ck_assert_str_eq(rig_at(r, "estim.search.best.arch.size")->text, "4");
    mn_node_free(rig.ctx, r);
}
END_TEST

/* The columns of score and metrics steer; what breaks a limit is never the best. */
START_TEST(objectives) {
    static const struct {
        const char *objective;
        double best; /* its score; 0: there is none */
        const char *front;
    } rows[] = {
        {"{maximize: acc}", 90, NULL},
        {"{minimize: [cost]}", -2, NULL},
        {"{maximize: [acc], subject_to: ['cost <= 4']}", 80, NULL},
        {"{subject_to: ['cost<=4 ms', 'acc >= 0.07K']}", 80, NULL},
        {"{maximize: [acc], subject_to: ['cost <= 1']}", 0, NULL},
        {"{maximize: [acc], minimize: [cost]}", 90, "90,80,60,"},
        {"{minimize: [cost], maximize: [acc], subject_to: ['cost >= 4']}", 90, "90,80,"},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        char over[160], front[80];
        snprintf(over, sizeof over, "objective=%s", rows[i].objective);
        RIG_RUNS(SEARCH, RIG_OVER(over));
        mn_node *r = results();
        const mn_node *best = rig_at(r, "estim.search.best");
        if (rows[i].best != 0)
            ck_assert_msg(rig_at(best, "score")->r == rows[i].best, "%s: %g", over, rig_at(best, "score")->r);
        else
            ck_assert_int_eq(best->kind, MN_NULL);
        ck_assert_int_eq(rig_at(r, "estim.search.evaluations")->i, 6);
        ck_assert_int_eq(mn_node_path(r, "estim.search.front") != NULL, rows[i].front != NULL);
        if (rows[i].front) {
            join(rig_at(r, "estim.search.front"), "metrics.acc", front);
            ck_assert_str_eq(front, rows[i].front);
        }
        mn_node_free(rig.ctx, r);
    }
}
END_TEST

/* The same through the pull interface: what it evaluates and tells is what the run found. */
START_TEST(pull) {
    modnas_search *s = util_search(SEARCH "objective: {maximize: [acc], subject_to: ['cost <= 5']}\n", NULL);
    modnas_arch *archs[6];
    int32_t n = 0;
    double score = 0;
    SEARCH_OK(modnas_search_ask(s, 6, archs, &n));
    ck_assert_int_eq(n, 6);
    for (int32_t i = 0; i < n; i++) {
        modnas_metric m[4];
        int32_t n_metrics = 0;
        const int rc = modnas_search_evaluate(s, archs[i], m, 4, &n_metrics);
        ck_assert(rc == 0 || rc == MODNAS_ENOTFOUND);
        if (rc) util_search_says("the table");
        SEARCH_OK(modnas_search_tell(s, archs[i], rc, m, rc ? 0 : n_metrics));
        modnas_arch_free(archs[i]);
    }
    ck_assert_int_eq(modnas_search_ask(s, 1, archs, &n), MODNAS_EDONE);
    const modnas_arch *best = modnas_search_best(s, &score);
    ck_assert(best && score == 80);
    ck_assert_str_eq(modnas_arch_option(best, 1, modnas_arch_get(best, 1)), "2");
    modnas_search_free(s);
}
END_TEST

/* A host that does not tell the goal is told what is missing, and nothing is recorded. */
START_TEST(tell_without_a_goal) {
    modnas_search *s = util_search(SEARCH "objective: {maximize: [acc], subject_to: ['cost <= 5']}\n", NULL);
    modnas_arch *a;
    int32_t n;
    SEARCH_OK(modnas_search_ask(s, 1, &a, &n));
    const modnas_metric m = {"cost", 3};
    ck_assert_int_eq(modnas_search_tell(s, a, 0, &m, 1), MODNAS_EINVAL);
    util_search_says("needs acc");
    ck_assert_ptr_null(modnas_search_best(s, NULL));
    modnas_arch_free(a);
    modnas_search_free(s);
}
END_TEST

static void expect_size(const char *yaml, const char *size) {
    modnas_config *cfg = NULL;
    char *json = NULL;
    SEARCH_OK(modnas_config_new(rig.ctx, &cfg));
    SEARCH_OK(modnas_config_add_text(cfg, yaml, strlen(yaml), "t.yaml"));
    SEARCH_OK(modnas_describe(cfg, NULL, &json));
    mn_node *d = util_rig_parse(&rig, json);
    ck_assert_str_eq(rig_at(d, "space_size")->text, size);
    ck_assert_int_eq(rig_at(d, "params")->i, 0);
    mn_node_free(rig.ctx, d);
    modnas_string_free(rig.ctx, json);
    SEARCH_OK(modnas_describe_text(cfg, NULL, &json));
    ck_assert_ptr_nonnull(strstr(json, "no network"));
    modnas_string_free(rig.ctx, json);
    modnas_config_free(cfg);
}

/* 70 characters of two kinds: 2^70 points, of which two are in the table. Characters, not bytes. */
START_TEST(describe) {
    char wide[200], row[71] = "";
    expect_size(SPACE, "6");
    expect_size("construct: {space: {type: TableSpaceConstructor, args: {path: t.tsv, arch: arch}}}\n", "6");
    memset(row, 'a', 70);
    snprintf(wide, sizeof wide, "arch\tacc\n%s\t1\n", row);
    memset(row, 'b', 70);
    snprintf(wide + strlen(wide), sizeof wide - strlen(wide), "%s\t2", row);
    util_write_text("t.tsv", wide);
    expect_size(SPACE, "1180591620717411303424");
    util_write_text("t.tsv", "arch\tacc\n\xc3\xa4z\t1\r\n\xc3\xb6z\t2\r\n");
    expect_size(SPACE, "2");
}
END_TEST

START_TEST(bad_tables) {
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"arch\tacc\tcost\ttest\n", "has no rows"},
        {"arch\tacc\tcost\na0\t1\t1\n", "no column 'test'"},
        {"arch\tacc\tcosts\ttest\na0\t1\t1\t1\n", "no column 'cost'; did you mean 'costs'?"},
        {"arch\tacc\tcost\ttest\na0\t1\t1\t1\nb\t2\t2\t2\n", "t.tsv:3: 'b' has 1 characters, the first row has 2"},
        {"arch\tacc\tcost\ttest\n\t1\t1\t1\n", "t.tsv:2: '' has 0 characters"},
        {"arch\tacc\tcost\ttest\na0\t1\t1\t1\na0\t2\t2\t2\n", "t.tsv:3: 'a0' is there twice"},
        {"arch\tacc\tcost\ttest\na0\t1\tone\t1\n", "t.tsv:2: column cost: 'one' is no number"},
        {"arch\tacc\tcost\ttest\na0\t1\n", "t.tsv:2: 2 fields"},
        {"", "0 bytes"},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        util_write_text("t.tsv", rows[i].text);
        expect_refused(SEARCH, rows[i].says);
    }
    remove("t.tsv");
    expect_refused(SEARCH, "t.tsv");
}
END_TEST

START_TEST(bad_configurations) {
#define ESTIM(args) "optim: RandomSearchOptim\nestim: {search: {type: TableEstim, epochs: 1, args: {path: t.tsv, " args "}}}\n"
    expect_refused("backend: none\n" ESTIM("arch: arch, score: acc"), "no model");
    expect_refused(SPACE ESTIM("score: acc"), "one of arch and params");
    expect_refused(SPACE ESTIM("arch: arch, params: [acc], score: acc"), "one of arch and params");
    expect_refused(SPACE ESTIM("params: [], score: acc"), "the list is empty");
    expect_refused(SPACE ESTIM("params: [acc, acc], score: acc"), "'acc' is there twice");
    expect_refused(SPACE ESTIM("params: [acc], score: acc"), "no parameter 'acc'");
    expect_refused(SPACE ESTIM("arch: arch, score: acc, metrics: [1]"), "names of columns");
    expect_refused(SPACE ESTIM("arch: arch, score: nothing"), "no column 'nothing'");
    expect_refused(SEARCH "objective: {maximize: [test]}\n", "t.yaml:6: objective: TableEstim measures no 'test'");
    expect_refused(SEARCH "objective: {maximize: [acc], subject_to: ['costs <= 1']}\n", "did you mean 'cost'?");
    expect_refused(SEARCH "objective: {maximize: [acc, cost], minimize: [acc]}\n", "acc is there twice");
    expect_refused(SPACE "estim: {search: {type: TableEstim, epochs: 1, args: {" COLUMNS "}}}\n", "there is no `optim`");
    expect_refused(SPACE "optim: RandomSearchOptim\nestim: {search: {type: TableEstim, args: {" COLUMNS "}}}\n",
                   "has no epochs");
#undef ESTIM
}
END_TEST

/* What needs a network, without one: refused with a reason, never a crash. */
START_TEST(no_network) {
    expect_refused("backend: none\nconstruct: {space: {type: TableSpaceConstructor, args: {path: t.tsv, arch: arch}}, "
                   "init_weights: DefaultModelInitializer}\n",
                   "no model");
    expect_refused(SPACE "optim: BinaryGateOptim\n", "no mixed ops");
    modnas_search *s = util_search(SPACE, NULL);
    double loss;
    ck_assert_int_eq(modnas_search_train(s, NULL, 1, &loss), MODNAS_EINVAL);
    ck_assert_int_ne(modnas_model_save(modnas_search_model(s), "x.safetensors"), 0);
    float x[4] = {0};
    ck_assert_int_ne(modnas_model_forward(modnas_search_model(s), x, 1, x), 0);
    ck_assert_int_eq(modnas_model_n_params(modnas_search_model(s)), 0);
    int64_t macs;
    ck_assert_int_ne(modnas_model_macs(modnas_search_model(s), &macs), 0);
    modnas_search_free(s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("table");
    util_add(suite, "tables", setup, rig_teardown,
             (const TTest *[]){run, batches_and_columns, objectives, pull, tell_without_a_goal, describe, bad_tables,
                               bad_configurations, no_network, NULL});
    return util_run(suite);
}
