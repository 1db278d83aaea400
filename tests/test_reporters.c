/* Reporters, the callbacks that are there by themselves: lines of log and how often, optima by which keys, and that a
 * run which is interrupted goes on with the same ones. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_resume.h"
#include "util_rig.h"

/* By grid in the order of the digits. */
static const char digits[] = "arch\tacc\tcost\n0\t5\t9\n1\t7\t9\n2\t9\t9\n3\t9\t9\n4\t1\t8\n5\t2\t9\n6\t9\t9\n7\t10\t9\n8\t3\t9\n9\t4\t9\n";
#define TABLE                                                                                                          \
    "backend: none\nname: t\nconstruct: {space: {type: TableSpaceConstructor, args: {path: t.tsv, arch: arch}}}\n"     \
    "optim: GridSearchOptim\n"                                                                                         \
    "estim: {search: {type: TableEstim, epochs: 10, args: {path: t.tsv, arch: arch, score: acc, metrics: [cost]}}}\n"
#define TWO "objective={maximize: acc, minimize: cost}"

static void setup(void) {
    rig_setup();
    util_write_text("t.tsv", digits);
}

/* ---- lines of log -------------------------------------------------------------------------------------- */

/* The log of a run alone, which the caller frees. */
static char *log_of(const char *yaml, const char *over) {
    ck_assert_int_eq(system("rm -rf exp"), 0);
    RIG_RUNS(yaml, over ? RIG_OVER(over) : NULL);
    ck_assert_int_eq(system("cat exp/t/logs/*.log > log"), 0);
    char *log = util_rig_read("log", NULL);
    ck_assert_ptr_nonnull(log);
    return log;
}

static int count(const char *text, const char *what) {
    int n = 0;
    for (; (text = strstr(text, what)); text++) n++;
    return n;
}

static void expect_lines(const char *yaml, const char *over, const char *what, int want) {
    char *log = log_of(yaml, over);
    const int n = count(log, what);
    ck_assert_msg(n == want, "%d lines of '%s', not %d, with %s", n, what, want, over ? over : "nothing");
    free(log);
}

/* Three epochs of three steps, in all. */
START_TEST(within_an_epoch) {
    static const struct {
        const char *over;
        int train;
    } rows[] = {
        {NULL, 9},
        {"callback={trainer: {args: {interval: 2}}}", 6}, /* the second, and always the last */
        {"callback={trainer: {args: {interval: 0}}}", 3},
        {"callback={trainer: {args: {interval: 1000}}}", 3},
        {"callback={trainer: {args: {interval: 0.7}}}", 6}, /* of 3 that is 2 */
        {"callback={trainer: {args: {interval: 0.001}}}", 9},
        {"callback={trainer: null}", 0},
        {"callback={default: false}", 0},
        {"callback={default: false, trainer: {args: {interval: 2}}}", 6},
        {"callback=[{type: TrainerReporter, args: {interval: 2}}]", 6}, /* in place of the one that is there by itself */
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) expect_lines(UTIL_RIG_CONFIG, rows[i].over, "Train: [", rows[i].train);
    expect_lines(UTIL_RIG_CONFIG, NULL, "Train: [  3/3] Acc Top1: ", 3);
    expect_lines(UTIL_RIG_CONFIG, NULL, "Valid: [  1/1] Acc Top1: ", 5); /* three evaluations, and the two of the baseline */
}
END_TEST

START_TEST(of_an_epoch) {
    static const struct {
        const char *over, *what;
        int n;
    } rows[] = {
        {NULL, "search: [", 10},
        {"callback={estim: {args: {interval: 4}}}", "search: [", 3}, /* 4, 8, 10 */
        {"callback={estim: {args: {interval: 0.5}}}", "search: [", 2},
        {"callback={estim: {args: {interval: 0}}}", "search: [ 10/10]", 1},
        {"callback={estim: null}", "search: [", 0},
        {"callback=[{type: EstimReporter, args: {interval: 4}}]", "search: [", 3},
        {NULL, "search: [  5/10] Epoch Opt: 1.0000 | Opt: 9.0000 | ETA: 0 h 0 m 0 s", 1},
        {"callback={eta: null}", "search: [  5/10] Epoch Opt: 1.0000 | Opt: 9.0000\n", 1},
        {"callback={opt: {args: {stat_epoch: false}}}", "search: [  5/10] Opt: 9.0000 | ETA: ", 1},
        {"callback={opt: null}", "search: [  5/10] ETA: ", 1},
        {"callback={opt: null, eta: null}", "search: [  5/10]\n", 1},
        {"callback={opt: {args: {cmp_keys: [cost], cmp_fn: {cost: min}}}}", "[  5/10] Epoch Opt: 8.0000 | Opt: 8.0000 |", 1},
        {"callback={opt: {args: {cmp_keys: [cost]}}}", "[  5/10] Epoch Opt: 8.0000 | Opt: 9.0000 |", 1},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) expect_lines(TABLE, rows[i].over, rows[i].what, rows[i].n);
}
END_TEST

/* What names a Python function. */
START_TEST(unused) {
    rig.host.log[0] = 0;
    RIG_RUNS(TABLE, RIG_OVER("callback={opt: {args: {score_fn: f}}, trainer: {args: {stat_cls: AverageMeter, format_fn: null}}}"));
    ck_assert_ptr_nonnull(strstr(rig.host.log, "OptimumReporter: score_fn is not used"));
    ck_assert_ptr_nonnull(strstr(rig.host.log, "TrainerReporter: stat_cls is not used"));
    ck_assert_ptr_null(strstr(rig.host.log, "format_fn is not used"));
}
END_TEST

/* ---- optima -------------------------------------------------------------------------------------------- */

/* The digits of the front, in its order; "-": there is none. */
static void front(char out[32]) {
    mn_node *r = util_rig_parse(&rig, rig.results);
    const mn_node *list = mn_node_path(r, "estim.search.front");
    strcpy(out, list ? "" : "-");
    for (size_t i = 0; list && i < list->n; i++) strcat(out, rig_at(list->items[i], "arch.x0")->text);
    mn_node_free(rig.ctx, r);
}

/* More acc, less cost, worked out by hand. */
START_TEST(keys) {
    static const struct {
        const char *over, *want;
    } rows[] = {
        {NULL, "-"},
        {TWO, "74"},
        {"callback={opt: {args: {cmp_keys: [acc, cost], cmp_fn: {cost: min}}}}", "74"},
        {"callback={opt: {args: {cmp_keys: [default, cost], cmp_fn: {default: max, cost: min}}}}", "74"},
        {"callback={opt: {args: {cmp_keys: [cost, acc], cmp_fn: {cost: min, acc: min}}}}", "4"},
        {"callback={opt: {args: {cmp_keys: [acc, cost]}}}", "7"},
        {"callback={opt: {args: {cmp_keys: [acc]}}}", "-"},
        {"callback={o: {type: OptimumReporter, args: {cmp_keys: [acc, cost], cmp_fn: {cost: min}}}}", "74"},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        char got[32];
        RIG_RUNS(TABLE, rows[i].over ? RIG_OVER(rows[i].over) : NULL);
        front(got);
        ck_assert_msg(strcmp(got, rows[i].want) == 0, "%s, not %s with %s", got, rows[i].want, rows[i].over);
    }
}
END_TEST

/* By how much it has to be better: 7 is no better than 5 by more than 2, 9 is, 10 is not. */
START_TEST(tolerances) {
    char got[32];
    RIG_RUNS(TABLE, RIG_OVER(TWO, "callback={opt: {args: {cmp_th: {acc: 2}}}}"));
    front(got);
    ck_assert_str_eq(got, "2364");
    RIG_RUNS(TABLE, RIG_OVER(TWO, "callback={opt: {args: {cmp_th: {acc: 0, cost: 1}}}}"));
    front(got);
    ck_assert_str_eq(got, "7"); /* the one that costs less does not by more than 1 */
    RIG_RUNS(TABLE, RIG_OVER(TWO, "callback={opt: null}"));
    front(got);
    ck_assert_str_eq(got, "-");
}
END_TEST

/* What early stopping waits for are these optima. */
START_TEST(stops) {
#define STOP(threshold, opt) "callback={e: {type: EarlyStopping, args: {threshold: " threshold "}}, opt: " opt "}"
    static const struct {
        const char *over, *objective;
        int after; /* epochs; 0: all */
    } rows[] = {
        {STOP("5", "{args: {stat_epoch: true}}"), "threads=2", 0},
        {STOP("5", "{args: {cmp_th: {default: 3}}}"), "threads=2", 8}, /* optima are 5 and 9, in epochs 1 and 3 */
        {STOP("4", "{args: {cmp_keys: [cost], cmp_fn: {cost: min}}}"), "threads=2", 9}, /* 9 and 8, in 1 and 5 */
        {STOP("2", "{args: {cmp_keys: [cost], cmp_fn: {cost: min}}}"), "threads=2", 3},
        {STOP("2", "{args: {stat_epoch: true}}"), TWO, 7}, /* the fifth costs less */
        {STOP("2", "null"), TWO, 5},                       /* then only what is the best counts */
        {STOP("2", "{args: {cmp_keys: [acc]}}"), TWO, 5},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        RIG_RUNS(TABLE, RIG_OVER(rows[i].over, rows[i].objective));
        mn_node *r = util_rig_parse(&rig, rig.results);
        const mn_node *n = mn_node_path(r, "estim.search.stopped_after");
        const int after = n ? (int)n->i : 0;
        ck_assert_msg(after == rows[i].after, "row %zu: %d", i, after);
        mn_node_free(rig.ctx, r);
    }
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *over, *says;
    } rows[] = {
        {"callback={opt: {args: {cmp_keys: []}}}", "OptimumReporter.cmp_keys: no key"},
        {"callback={opt: {args: {cmp_keys: [1]}}}", "OptimumReporter.cmp_keys: names of metrics"},
        {"callback={opt: {args: {cmp_keys: [acc, acc]}}}", "OptimumReporter.cmp_keys: 'acc' is there twice"},
        {"callback={opt: {args: {cmp_keys: [a, b, c, d, e, f, g, h, i]}}}", "more than 8 keys"},
        {"callback={opt: {args: {cmp_fn: {acc: max}}}}", "OptimumReporter.cmp_fn: 'acc' is none of the keys"},
        {"callback={opt: {args: {cmp_fn: {default: most}}}}", "OptimumReporter.cmp_fn: default: max or min"},
        {"callback={opt: {args: {cmp_th: {default: -1}}}}", "OptimumReporter.cmp_th: default: a number"},
        {"callback={opt: {args: {cmp_th: {default: x}}}}", "OptimumReporter.cmp_th: default: a number"},
        {"callback={opt: {args: {cmp_key: [acc]}}}", "did you mean 'cmp_keys'"},
        {"callback={trainer: {args: {interval: -1}}}", "TrainerReporter.interval: it is -1"},
        {"callback={estim: {args: {interval: .nan}}}", "EstimReporter.interval: it is "},
        {"callback={a: OptimumReporter, b: OptimumReporter}", "callback.b: there is OptimumReporter already, as callback.a"},
        {"callback={opt: {args: {stat_epoch: true}}, b: OptimumReporter}", "already, as callback.opt"},
        {"callback={opt: {args: {cmp_keys: [acc, price]}}}", "estim.search does not measure 'price'"},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++)
        util_rig_refused(&rig, TABLE, RIG_OVER(rows[i].over), rows[i].says);
}
END_TEST

/* ---- going on ------------------------------------------------------------------------------------------ */

/* Interrupted anywhere and resumed: the same optima, with several of the same values among them. */
START_TEST(goes_on) {
    const char *const whole[] = {"name=whole", TWO, "callback={opt: {args: {cmp_th: {acc: 2}}}}", NULL};
    const char *const *over = whole + 1;
    char got[32];
    int n;
    ck_assert_msg(util_resume_run(TABLE, whole, 0, 0, &n) == 0, "%s", rig.error);
    front(got);
    ck_assert_str_eq(got, "2364");
    ck_assert_int_gt(n, 9);
    for (int at = 1; at < n; at++) {
        ck_assert_int_eq(util_resume_run(TABLE, over, at, 0, NULL), MODNAS_ECANCELED);
        ck_assert_msg(util_resume_run(TABLE, over, 0, 1, NULL) == 0, "%s", rig.error);
        front(got);
        ck_assert_msg(strcmp(got, "2364") == 0, "%s after a stop at call %d", got, at);
    }
}
END_TEST

/* Other keys would find other optima: it is another search. */
START_TEST(another) {
    const char *const over[] = {TWO, NULL};
    const char *const other[] = {TWO, "callback={opt: {args: {cmp_keys: [acc]}}}", NULL};
    ck_assert_int_eq(util_resume_run(TABLE, over, 3, 0, NULL), MODNAS_ECANCELED);
    ck_assert_int_eq(util_resume_run(TABLE, other, 0, 1, NULL), MODNAS_ECONFIG);
    ck_assert_msg(strstr(rig.error, "callback") != NULL, "%s", rig.error);
}
END_TEST

/* No memory at any of its requests: a status, or the same optima; what is left allocated the rig would tell. */
START_TEST(out_of_memory) {
    const char *const over[] = {TWO, "callback={opt: {args: {cmp_keys: [acc, cost], cmp_fn: {cost: min}}}}", NULL};
    char got[32];
    int rc = MODNAS_ENOMEM, n_failed = 0;
    for (int64_t left = 300; rc; left += 1 + left / 200) {
        rig.host.left = left;
        rc = util_rig_yaml(&rig, TABLE, over);
        ck_assert_msg(!rc || rc == MODNAS_ENOMEM, "%d after %lld requests: %s", rc, (long long)left, rig.error);
        n_failed += rc != 0;
    }
    rig.host.left = -1;
    ck_assert_int_gt(n_failed, 100);
    front(got);
    ck_assert_str_eq(got, "74");
}
END_TEST

int main(void) {
    Suite *s = suite_create("reporters");
    util_add(s, "lines", setup, rig_teardown, (const TTest *[]){within_an_epoch, of_an_epoch, unused, NULL});
    util_add(s, "optima", setup, rig_teardown, (const TTest *[]){keys, tolerances, stops, refused, NULL});
    util_add(s, "going on", setup, rig_teardown, (const TTest *[]){goes_on, another, out_of_memory, NULL});
    return util_run(s);
}
