/* Tables of latencies: what one is, every way to be wrong, sums by hand, searches under limits on them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "search/latency.h"
#include "util_search.h"

/* ---- tables -------------------------------------------------------------------------------------------- */

#define NAMES "slot\tcandidate\tlatency_ms\n"

static const char *const candidates[4] = {"MB3E1", "MB3E3", "MB5E3", "MB5E1"};
/* By Slot, by candidate, in ms; 0.75 and 0.5 of fixed parts. */
static const double ms_of[4][4] = {
    {0.10, 0.20, 0.35, 0.15}, {0.30, 0.55, 0.80, 0.41}, {0.21, 0.34, 0.55, 0.26}, {0.11, 0.19, 0.27, 0.13}};
static const double fixed_ms = 1.25;

/* The whole table, but for line `without` (0: none), with the line `more` behind it. */
static char *table_text(int without, const char *more) {
    static char text[2048];
    size_t n = (size_t)snprintf(text, sizeof text, "%s%s%s", NAMES, without == 2 ? "" : "stem\t-\t0.75\n",
                                without == 3 ? "" : "head\t-\t5e-1\n");
    for (int i = 0; i < 16; i++)
        if (without != i + 4)
            n += (size_t)snprintf(text + n, sizeof text - n, "%d\t%s\t%.17g\n", i / 4, candidates[i % 4], ms_of[i / 4][i % 4]);
    snprintf(text + n, sizeof text - n, "%s", more);
    return text;
}

static int read_text(modnas_ctx *ctx, const char *text, mn_latency *t) {
    mn_source *s;
    MN_TRY(mn_source_open_mem(ctx, text, strlen(text), "t.tsv", MN_SOURCE_PLAIN, &s));
    const int rc = mn_latency_read(ctx, s, MN_LATENCY_PLACES, t);
    mn_source_close(s);
    return rc;
}

START_TEST(wrong_tables) {
    static const struct {
        const char *text, *error;
    } wrong[] = {
        {NAMES, "t.tsv has no rows"},
        {"slot\tcandidate\tlatency\n0\tx\t1\n", "t.tsv:1: there is no column 'latency_ms'; is 'latency' meant?"},
        {"a\tcandidate\tlatency_ms\n0\tx\t1\n", "t.tsv:1: there is no column 'slot'"},
        {NAMES "0\tx\t1\n0\ty\t1,5\n", "t.tsv:3: latency_ms is '1,5', not a number from 0 to 1e+09"},
        {NAMES "0\tx\t-1\n", "t.tsv:2: latency_ms is '-1', not a number from 0 to 1e+09"},
        {NAMES "0\tx\tnan\n", "t.tsv:2: latency_ms is 'nan', not a number from 0 to 1e+09"},
        {NAMES "0\tx\t1e10\n", "t.tsv:2: latency_ms is '1e10', not a number from 0 to 1e+09"},
        {NAMES "0\tx\t\n", "t.tsv:2: latency_ms is '', not a number from 0 to 1e+09"},
        {NAMES "\tx\t1\n", "t.tsv:2: there is no slot"},
        {NAMES "0\t\t1\n", "t.tsv:2: there is no candidate"},
        {NAMES "0\tx\t1\n1\tx\t1\n0\tx\t2\n", "t.tsv:4: slot 0, candidate x was in line 2 already"},
        {NAMES "0\tx\n", "t.tsv:2: 2 fields in a table of 3 columns"},
    };
    util_host host;
    modnas_ctx *ctx = util_ctx_new(&host);
    for (size_t i = 0; i < MN_COUNT(wrong); i++) {
        mn_latency t = {.name = NULL};
        ck_assert_int_eq(read_text(ctx, wrong[i].text, &t), MODNAS_EFORMAT);
        ck_assert_str_eq(modnas_errmsg(ctx), wrong[i].error);
        ck_assert_ptr_null(t.name); /* untouched */
    }
    util_ctx_end(&host, ctx);
}
END_TEST

static util_small s;

#define MUST(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(s.ctx))

static int64_t ns(double ms) {
    return (int64_t)llround(ms * 1e6);
}

/* All 256 architectures, columns in another order and others between them. */
START_TEST(sums_by_hand) {
    mn_latency t;
    mn_costs c;
    char text[2048] = "spread_ms\tlatency_ms\tslot\tcandidate\n";
    util_small_open(&s, "backend: ref\n" UTIL_SMALL_NET UTIL_SMALL_GATES);
    for (int i = 0; i < 16; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "-\t%.17g\t%d\t%s\n", ms_of[i / 4][i % 4], i / 4,
                 candidates[i % 4]);
    strcat(text, "x\t1.25\tfixed\t-\ny\t99\t2\tMB7E6\n"); /* a candidate that this space does not have */
    MUST(read_text(s.ctx, text, &t));
    MUST(mn_latency_costs(&t, s.model, &c));
    for (int code = 0; code < 256; code++) {
        const int32_t index[4] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6};
        int64_t want = ns(fixed_ms);
        for (int i = 0; i < 4; i++) want += ns(ms_of[i][index[i]]);
        ck_assert_int_eq(mn_costs_of(&c, index), want);
    }
    mn_costs_free(&c);
    mn_latency_free(&t);
    util_small_close(&s);
}
END_TEST

/* Slots that are filled: no choice is left, their rows are always there. */
START_TEST(filled_slots) {
    mn_latency t;
    mn_costs c;
    util_small_open(&s, "backend: ref\n" UTIL_SMALL_NET "arch_desc: [MB5E3, MB3E1, MB3E3, MB5E1]\n");
    MUST(read_text(s.ctx, table_text(0, ""), &t));
    MUST(mn_latency_costs(&t, s.model, &c));
    ck_assert_int_eq(c.n, 0);
    ck_assert_int_eq(c.fixed, ns(fixed_ms) + ns(0.35) + ns(0.30) + ns(0.34) + ns(0.13));
    mn_costs_free(&c);
    mn_latency_free(&t);
    util_small_close(&s);
}
END_TEST

START_TEST(tables_of_other_models) {
    static const struct {
        const char *text, *error;
    } wrong[] = {
        {NAMES "fixed\t-\t1\n", "there is no row of slot 0, candidate MB3E1; slot 0, candidate MB3E3; slot 0, candidate "
                                "MB5E3; slot 0, candidate MB5E1; and 12 more"},
        {NULL, "t.tsv:20: the model has no slot '17'"},
        {NAMES "0\tMB3E1\t1\n", "t.tsv: there is no row of slot 0, candidate MB3E3;"},
    };
    util_small_open(&s, "backend: ref\n" UTIL_SMALL_NET UTIL_SMALL_GATES);
    for (size_t i = 0; i < MN_COUNT(wrong); i++) {
        mn_latency t;
        mn_costs c = {.n = -7};
        MUST(read_text(s.ctx, wrong[i].text ? wrong[i].text : table_text(0, "17\tMB3E1\t1\n"), &t));
        ck_assert_int_eq(mn_latency_costs(&t, s.model, &c), MODNAS_ECONFIG);
        ck_assert_msg(strstr(modnas_errmsg(s.ctx), wrong[i].error), "%s", modnas_errmsg(s.ctx));
        ck_assert_int_eq(c.n, -7);
        mn_latency_free(&t);
    }
    util_small_close(&s);
}
END_TEST

START_TEST(out_of_memory) {
    util_small_open(&s, "backend: ref\n" UTIL_SMALL_NET UTIL_SMALL_GATES);
    const int64_t live = s.host.live;
    int rc = MODNAS_ENOMEM, tries = 0;
    for (; rc; tries++) {
        mn_latency t = {.ctx = NULL};
        mn_costs c = {.ctx = NULL};
        s.host.left = tries;
        rc = read_text(s.ctx, table_text(0, ""), &t);
        if (!rc) rc = mn_latency_costs(&t, s.model, &c);
        s.host.left = -1;
        ck_assert_msg(rc == 0 || rc == MODNAS_ENOMEM, "%s", modnas_errmsg(s.ctx));
        mn_costs_free(&c);
        mn_latency_free(&t);
        ck_assert_int_eq(s.host.live, live);
    }
    ck_assert_int_gt(tries, 20);
    util_small_close(&s);
}
END_TEST

/* ---- runs ---------------------------------------------------------------------------------------------- */

/* What an exported description, [[MB3E1], ...] or [MB3E1, ...], takes by the table. */
static double ms_of_arch(const mn_node *arch) {
    double sum = fixed_ms;
    ck_assert_uint_eq(arch->n, 4);
    for (size_t i = 0; i < 4; i++) {
        const mn_node *op = arch->items[i]->kind == MN_SEQ ? arch->items[i]->items[0] : arch->items[i];
        for (int k = 0; k < 4; k++)
            if (strcmp(op->text, candidates[k]) == 0) sum += ms_of[i][k];
    }
    return sum;
}

static void best_obeys(const char *estim, double most) {
    char path[64];
    mn_node *r = util_rig_parse(&rig, rig.results);
    snprintf(path, sizeof path, "estim.%s.best.arch", estim);
    const double ms = ms_of_arch(rig_at(r, path));
    ck_assert_msg(ms <= most + 1e-9, "%g ms with a limit of %g", ms, most);
    snprintf(path, sizeof path, "estim.%s.best.metrics.latency_ms", estim);
    ck_assert_double_eq_tol(rig_at(r, path)->r, ms, 1e-9);
    snprintf(path, sizeof path, "estim.%s.limits.0.obeys", estim);
    ck_assert_int_eq(rig_at(r, path)->i, 1);
    mn_node_free(rig.ctx, r);
}

#define SOURCES                                                                                                        \
    "backend: ref\nname: t\n" UTIL_SMALL_NET "mixed_op: {type: %s, candidates: [MB3E1, MB3E3, MB5E3, MB5E1]}\n"

/* The least is 1.97 ms, the most 3.22 ms. */
START_TEST(searches_obey) {
    static const struct {
        const char *mixed, *optim, *estim;
    } rows[] = {
        {"BinaryGateMixedOp", "BinaryGateOptim", "SuperNetEstim, epochs: 2, baseline: false"},
        {"SoftmaxSumMixedOp", "DARTSOptim", "SuperNetEstim, epochs: 2, baseline: false"},
        {"IndexMixedOp", "{type: RegularizedEvolutionOptim, args: {pop_size: 6, n_select: 3}}",
         "SubNetEstim, epochs: 10, subnet_epochs: 0, arch_update_batch: 2, baseline: false"},
    };
    util_write_text("t.tsv", table_text(0, ""));
    for (int seed = 0; seed < 2; seed++) {
        char yaml[3072];
        const double most = seed ? 2.0 : 2.4;
        snprintf(yaml, sizeof yaml,
                 SOURCES "optim: %s\nestim: {search: {type: %s}}\n"
                         "objective: {latency_table: t.tsv, subject_to: ['latency_ms <= %g']}\n---\nseed: %d\n",
                 rows[_i].mixed, rows[_i].optim, rows[_i].estim, _i == 2 ? 2.6 : most, seed);
        RIG_RUNS(yaml, NULL);
        best_obeys("search", _i == 2 ? 2.6 : most);
    }
}
END_TEST

/* Limits at the very sum of an architecture, which no binary fraction is: it is there, a nanosecond less is not. */
START_TEST(borders) {
    static const char *const limits[] = {"1.97", "1.969999", "1.97 ms"};
    modnas_search *search;
    util_write_text("t.tsv", table_text(0, ""));
    for (size_t i = 0; i < MN_COUNT(limits); i++) {
        char yaml[3072];
        snprintf(yaml, sizeof yaml,
                 UTIL_SEARCH_GATES "objective: {latency_table: t.tsv, subject_to: ['latency_ms <= %s']}\n", limits[i]);
        ck_assert_int_eq(util_search_try(yaml, NULL, &search), i == 1 ? MODNAS_ECONFIG : 0);
        if (i == 1) util_search_says("latency_ms goes from 1.97 to 3.22");
        if (i != 1) modnas_search_free(search);
    }
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *more, *text;
    } rows[] = {
        {"objective: {latency_table: no.tsv}", "no.tsv"},
        {"objective: {latency_table: bad.tsv}", "objective.latency_table: bad.tsv:2: latency_ms is 'x'"},
        {"objective: {latency_table: t.tsv}", "objective.latency_table: t.tsv: there is no row of slot 1, candidate MB3E1"},
        {"estim: {x: {type: DefaultEstim, epochs: 1, criterion: {type: AddMetricsLoss, args: {metrics: latency_ms}}}}",
         "objective.latency_table"},
    };
    modnas_search *search;
    util_write_text("t.tsv", NAMES "0\tMB3E1\tx\n");
    ck_assert_int_eq(rename("t.tsv", "bad.tsv"), 0);
    util_write_text("t.tsv", table_text(8, ""));
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        char yaml[3072];
        snprintf(yaml, sizeof yaml, UTIL_SEARCH_GATES "---\n%s\n", rows[i].more);
        ck_assert_int_lt(util_search_try(yaml, NULL, &search), 0);
        util_search_says(rows[i].text);
    }
}
END_TEST

/* Ranges in milliseconds: one that holds the least sum alone is fine, one below it is refused. */
START_TEST(paths_within) {
    static const char *const ranges[] = {"[2.0, 2.1]", "[1.97, 1.97]", "[1.5, 1.969999]"};
    modnas_search *search;
    util_write_text("t.tsv", table_text(0, ""));
    for (size_t i = 0; i < MN_COUNT(ranges); i++) {
        char yaml[3072];
        snprintf(yaml, sizeof yaml,
                 UTIL_SEARCH_INDEX "objective: {latency_table: t.tsv}\nestim: {search: {type: RandomSamplingEstim, "
                                   "epochs: 1, args: {within: {latency_ms: %s}}}}\n",
                 ranges[i]);
        const int rc = util_search_try(yaml, NULL, &search);
        ck_assert_msg(rc == (i == 2 ? MODNAS_ECONFIG : 0), "%s", modnas_errmsg(rig.ctx));
        if (i == 2) util_search_says("no architecture has latency_ms from 1.5 to 1.969999; the space has 1.97 to 3.22");
        if (i != 2) modnas_search_free(search);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("latency");
    TCase *t = tcase_create("searches");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, rig_setup, rig_teardown);
    tcase_add_loop_test(t, searches_obey, 0, 3);
    suite_add_tcase(suite, t);
    util_add(suite, "tables", NULL, NULL,
             (const TTest *[]){wrong_tables, sums_by_hand, filled_slots, tables_of_other_models, out_of_memory, NULL});
    util_add(suite, "runs", rig_setup, rig_teardown, (const TTest *[]){borders, refused, paths_within, NULL});
    return util_run(suite);
}
