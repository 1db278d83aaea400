/* Latencies measured here: by the median, once, and from then on the same. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "search/stopwatch.h"
#include "util_search.h"

START_TEST(medians) {
    double odd[] = {5, 1, 3}, even[] = {8, 2, 6, 4}, one[] = {7};
    ck_assert_double_eq(mn_timing_of(odd, 3).median, 3);
    ck_assert_double_eq(mn_timing_of(even, 4).median, 5);
    ck_assert_double_eq(mn_timing_of(even, 4).spread, 8 - 4);
    ck_assert_double_eq(mn_timing_of(one, 1).median, 7);
    ck_assert_double_eq(mn_timing_of(one, 1).spread, 0);
}
END_TEST

START_TEST(pinned_for_a_while) {
    cpu_set_t before, held, after;
    mn_pin pin;
    ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
    mn_pin_here(&pin);
    ck_assert_int_eq(sched_getaffinity(0, sizeof held, &held), 0);
    mn_unpin(&pin);
    ck_assert_int_eq(sched_getaffinity(0, sizeof after, &after), 0);
    if (pin.held) ck_assert_int_eq(CPU_COUNT(&held), 1);
    ck_assert(CPU_EQUAL(&before, &after));
}
END_TEST

#define TIMED                                                                                                          \
    UTIL_SEARCH_INDEX "estim: {search: {type: SubNetEstim, epochs: 6, subnet_epochs: 0, baseline: false, metrics: "    \
                      "[ValidateMetrics, {type: LatencyMetrics, args: {runs: 5}}]}}\n"

/* latency_ms of the architecture with option `option` everywhere. */
static double measured(modnas_search *search, int32_t option) {
    modnas_metric m[16];
    modnas_arch *a;
    int32_t n;
    SEARCH_OK(modnas_arch_new(modnas_search_model(search), &a));
    for (int32_t i = 0; i < 4; i++) SEARCH_OK(modnas_arch_set(a, i, option));
    SEARCH_OK(modnas_search_evaluate(search, a, m, 16, &n));
    ck_assert_double_ge(util_search_metric(m, n, "latency_spread_ms"), 0);
    modnas_arch_free(a);
    return util_search_metric(m, n, "latency_ms");
}

/* A time to the nanosecond does not come twice by itself: what was measured stands, also in a search that goes on from
 * a file. MB5E3 has over five times the multiply-adds of MB3E1. */
START_TEST(measured_once) {
    modnas_search *a = util_search(TIMED, NULL), *b = util_search(TIMED, NULL);
    const double small = measured(a, 0), large = measured(a, 2);
    ck_assert_double_gt(small, 0);
    ck_assert_double_gt(large, small);
    for (int i = 0; i < 3; i++) {
        ck_assert(measured(a, 0) == small);
        ck_assert(measured(a, 2) == large);
    }
    SEARCH_OK(modnas_search_save(a, "a.chkpt"));
    measured(b, 0); /* forgotten */
    SEARCH_OK(modnas_search_load(b, "a.chkpt"));
    ck_assert(measured(b, 0) == small);
    ck_assert(measured(b, 2) == large);
    ck_assert_double_gt(measured(b, 1), 0);
    modnas_search_free(a);
    modnas_search_free(b);
}
END_TEST

static int stop_at_four(const modnas_progress *p, void *ud) {
    int *n = ud;
    (void)p;
    return ++*n == 4 ? 7 : 0;
}

/* A run that is stopped and goes on has the lines of before, numbers and all. */
START_TEST(recorded_in_history) {
    int n = 0;
    rig.opts.progress = stop_at_four;
    rig.opts.progress_ud = &n;
    ck_assert_int_eq(util_rig_yaml(&rig, TIMED, NULL), 7);
    char *before = util_rig_read("exp/t/outputs/history.tsv", NULL);
    rig.opts.progress = NULL;
    rig.opts.resume = 1;
    RIG_RUNS(TIMED, NULL);
    char *after = util_rig_read("exp/t/outputs/history.tsv", NULL);
    int lines = 0;
    for (const char *c = before; *c; c++) lines += *c == '\n';
    ck_assert_int_ge(lines, 3); /* names and two evaluations */
    ck_assert_ptr_nonnull(strstr(before, "\tlatency_ms\tlatency_spread_ms"));
    ck_assert_int_eq(strncmp(before, after, strlen(before)), 0);
    ck_assert_uint_gt(strlen(after), strlen(before));
    free(before);
    free(after);
}
END_TEST

/* With a record the whole run comes again: the same bytes, and nothing is measured. */
START_TEST(replayed_from_a_record) {
    static const char *const over[][3] = {{"name=a", NULL}, {"name=b", NULL}, {"name=c", "seed=4", NULL}};
    static const char yaml[] =
        UTIL_SEARCH_INDEX "estim: {search: {type: SubNetEstim, epochs: 6, subnet_epochs: 0, metrics: "
                          "[{type: LatencyMetrics, args: {runs: 5, record: r.tsv}}]}}\n";
    RIG_RUNS(yaml, over[0]);
    char *first = util_rig_read("r.tsv", NULL);
    RIG_RUNS(yaml, over[1]);
    ck_assert(util_rig_same("exp/a/outputs/history.tsv", "exp/b/outputs/history.tsv"));
    char *second = util_rig_read("r.tsv", NULL);
    ck_assert_str_eq(first, second);
    RIG_RUNS(yaml, over[2]); /* others, which come behind */
    char *third = util_rig_read("r.tsv", NULL);
    ck_assert_int_eq(strncmp(first, third, strlen(first)), 0);
    ck_assert_uint_gt(strlen(third), strlen(first));
    free(first);
    free(second);
    free(third);
    FILE *f = fopen("r.tsv", "a");
    fputs("x\tslow\t0\n", f);
    fclose(f);
    ck_assert_int_eq(util_rig_yaml(&rig, yaml, NULL), MODNAS_ECONFIG);
    ck_assert_msg(strstr(rig.error, "latency_ms is 'slow', not a number from 0 to"), "%s", rig.error);
}
END_TEST

/* A millisecond for each candidate. */
static void write_table(void) {
    static const char *const candidates[4] = {"MB3E1", "MB3E3", "MB5E3", "MB5E1"};
    char text[1024] = "slot\tcandidate\tlatency_ms\n";
    for (int i = 0; i < 16; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d\t%s\t1\n", i / 4, candidates[i % 4]);
    util_write_text("t.tsv", text);
}

START_TEST(timing_refused) {
    static const struct {
        const char *more, *text;
    } rows[] = {
        {"objective: {latency_table: t.tsv}", "latency_ms comes from objective.latency_table, and from a metric"},
        {"estim: {search: {type: SubNetEstim, epochs: 1, subnet_epochs: 0, metrics: {type: LatencyMetrics, args: {runs: "
         "0}}}}",
         "LatencyMetrics.runs: is 0, it is 1 to 100000"},
    };
    modnas_search *search;
    write_table();
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        char yaml[3072];
        snprintf(yaml, sizeof yaml, TIMED "---\n%s\n", rows[i].more);
        ck_assert_int_eq(util_search_try(yaml, NULL, &search), MODNAS_ECONFIG);
        util_search_says(rows[i].text);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("latency_measured");
    util_add(suite, "runs", rig_setup, rig_teardown,
             (const TTest *[]){measured_once, recorded_in_history, replayed_from_a_record, timing_refused, NULL});
    util_add(suite, "stopwatch", NULL, NULL, (const TTest *[]){medians, pinned_for_a_while, NULL});
    return util_run(suite);
}
