/* The random baseline and its verdict: the test of ranks against enumeration and a printed table, and runs whose search
 * is or is not better than chance. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "search/rank.h"
#include "util_search.h"

/* ---- ranks --------------------------------------------------------------------------------------------- */

static double p_of(const double *a, size_t n_a, const double *b, size_t n_b) {
    double p;
    SEARCH_OK(mn_mann_whitney(rig.ctx, a, n_a, b, n_b, &p));
    return p;
}

/* One-sided critical values (Siegel, table J): of 5 and 5, U = 4 has p = 0.048, U = 5 0.075; of 3 and 3, U = 0 has
 * 0.050. Here U counts the pairs where b is larger. */
START_TEST(printed_table) {
    const double three[2][3] = {{4, 5, 6}, {1, 2, 3}};
    ck_assert_double_eq_tol(p_of(three[0], 3, three[1], 3), 0.05, 1e-12);
    ck_assert_double_eq_tol(p_of(three[1], 3, three[0], 3), 1, 1e-12);
    const double a[5] = {3, 7, 8, 9, 10}, b[5] = {1, 2, 4, 5, 6}; /* 3 pairs */
    const double c[5] = {2, 7, 8, 9, 10}, d[5] = {1, 3, 4, 5, 6}; /* 4 pairs */
    ck_assert_double_eq_tol(p_of(c, 5, d, 5), 12 / 252.0, 1e-12);
    ck_assert_double_eq_tol(p_of(a, 5, b, 5), 7 / 252.0, 1e-12);
    ck_assert(p_of(a, 0, b, 5) == 1);
}
END_TEST

/* Twice the sum of the midranks of those of x[0..n) that `mask` picks. */
static long rank_sum2(const double *x, int n, unsigned mask) {
    long sum = 0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n && (mask >> i & 1); k++) sum += (x[k] < x[i]) * 2 + (x[k] == x[i] ? 1 : 0) + (k == i);
    return sum;
}

/* Every choice of a's places among all, with ties; NaN is the least. */
START_TEST(enumerated) {
    mn_rng rng;
    mn_rng_init(&rng, 3, mn_stream("rank"), 0);
    for (int t = 0; t < 60; t++) {
        const int n = 2 + t % 9, n_a = 1 + t % (n - 1);
        double x[10];
        for (int i = 0; i < n; i++) x[i] = (double)mn_rng_below(&rng, t % 2 ? 4 : 1000);
        if (t % 5 == 0) x[0] = NAN;
        const double p = p_of(x, (size_t)n_a, x + n_a, (size_t)(n - n_a));
        if (isnan(x[0])) x[0] = -1;
        const long own = rank_sum2(x, n, (1u << n_a) - 1);
        long all = 0, high = 0;
        for (unsigned mask = 0; mask < 1u << n; mask++) {
            if (__builtin_popcount(mask) != n_a) continue;
            all++;
            high += rank_sum2(x, n, mask) >= own;
        }
        ck_assert_double_eq_tol(p, (double)high / (double)all, 1e-12);
    }
}
END_TEST

/* The approximation takes over smoothly: 40 and 40 numbers exactly, 40 and 41 by it. */
START_TEST(approximated) {
    double a[40], b[41];
    mn_rng rng;
    for (int t = 0; t < 10; t++) {
        mn_rng_init(&rng, 4, mn_stream("rank"), (uint64_t)t);
        for (int i = 0; i < 40; i++) a[i] = floor(20 * (mn_rng_real(&rng) + 0.02 * t));
        for (int i = 0; i < 41; i++) b[i] = floor(20 * mn_rng_real(&rng));
        b[40] = 10;
        ck_assert_double_eq_tol(p_of(a, 40, b, 40), p_of(a, 40, b, 41), 0.03);
    }
}
END_TEST

/* By hand: without ties 1 - 6 sum d^2 / (n (n^2 - 1)), d = 1, 1, 1, 1, 0; with ties Pearson's of the midranks (1, 2.5, 2.5, 4) and
 * (1, 2, 3.5, 3.5): products of what they are off their mean add up to 3.75, squares to 4.5 and 4.5. */
START_TEST(spearman_by_hand) {
    static const struct {
        double a[5], b[5];
        size_t n;
        double rho;
    } rows[] = {{{1, 2, 3, 4, 5}, {20, 10, 40, 30, 50}, 5, 0.8},
                {{1, 2, 3, 4, 5}, {-1, -2, -3, -4, -5}, 5, -1},
                {{0.1, 7, 7, 9}, {3, 4, 5, 5}, 4, 3.75 / 4.5},
                {{5, 5, 1}, {2, 2, 0}, 3, 1}};
    double rho = -7;
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        SEARCH_OK(mn_spearman(rig.ctx, rows[i].a, rows[i].b, rows[i].n, &rho));
        ck_assert_double_eq_tol(rho, rows[i].rho, 1e-15);
    }
    SEARCH_OK(mn_spearman(rig.ctx, rows[0].a, (const double[]){3, 3, 3}, 3, &rho));
    ck_assert(isnan(rho));
    SEARCH_OK(mn_spearman(rig.ctx, NULL, NULL, 0, &rho));
    ck_assert(isnan(rho));
}
END_TEST

/* ---- runs ---------------------------------------------------------------------------------------------- */

/* Fewer parameters are better; nothing is trained. */
#define SIZES(optim, epochs, more)                                                                                     \
    UTIL_SEARCH_TOY "optim: " optim "\nestim: {search: {type: SubNetEstim, epochs: " epochs                            \
                    ", metrics: ParamsMetrics" more "}}\n"

static mn_node *run(const char *yaml) {
    RIG_RUNS(yaml, NULL);
    return util_rig_parse(&rig, rig.results);
}

static int toy(modnas_search *search, const modnas_arch *arch, const modnas_args *args, double *value, void *ud) {
    (void)search, (void)args, (void)ud;
    *value = util_search_toy(arch);
    return 0;
}

/* Local search climbs to the optimum: what it proposes is better than chance. */
START_TEST(better_than_random) {
    const modnas_metrics_vt vt = {sizeof vt, toy};
    util_search_add_local();
    util_search_register("metrics", "Toy", NULL, &vt, NULL);
    mn_node *t =
        run(UTIL_SEARCH_TOY "optim: LocalSearch\nestim: {search: {type: SubNetEstim, epochs: 40, metrics: Toy}}\n");
    ck_assert_str_eq(rig_at(t, "estim.search.verdict.text")->text, "better than random");
    ck_assert_double_lt(rig_at(t, "estim.search.verdict.p")->r, 0.05);
    const int64_t n = rig_at(t, "estim.search.baseline.evaluations")->i;
    ck_assert(n > 5 && n <= rig_at(t, "estim.search.evaluations")->i); /* distinct ones */
    ck_assert_double_le(rig_at(t, "estim.search.baseline.best.score")->r, rig_at(t, "estim.search.best.score")->r);
    ck_assert_uint_eq(rig_at(t, "estim.search.baseline.best.arch")->n, 4);
    mn_node_free(rig.ctx, t);
    char *history = util_rig_read("exp/t/outputs/history.tsv", NULL); /* the baseline is not in it */
    int lines = 0;
    for (const char *c = history; *c; c++) lines += *c == '\n';
    t = util_rig_parse(&rig, rig.results);
    ck_assert_int_eq(lines, 1 + (int)rig_at(t, "estim.search.evaluations")->i);
    mn_node_free(rig.ctx, t);
    free(history);
}
END_TEST

/* Random search is no better than random: at level 0.05 about 1 of 20 seeds says otherwise; 5 or more of 20 have a
 * probability of 0.003 (binomial). */
START_TEST(random_is_no_better) {
    int better = 0;
    for (int seed = 0; seed < 20; seed++) {
        char yaml[2048];
        snprintf(yaml, sizeof yaml, "%s---\nseed: %d\n", SIZES("RandomSearchOptim", "12", ""), seed);
        mn_node *t = run(yaml);
        better += strcmp(rig_at(t, "estim.search.verdict.text")->text, "better than random") == 0;
        ck_assert_int_eq(rig_at(t, "estim.search.baseline.evaluations")->i, 12);
        mn_node_free(rig.ctx, t);
    }
    ck_assert_int_lt(better, 5);
}
END_TEST

/* The whole space on both sides: p of equal sets is a little above one half. */
START_TEST(whole_space) {
    mn_node *t = run(SIZES("RandomSearchOptim", "300", ""));
    ck_assert_int_eq(rig_at(t, "estim.search.baseline.evaluations")->i, 256);
    ck_assert_double_eq_tol(rig_at(t, "estim.search.verdict.p")->r, 0.5, 0.01);
    ck_assert(rig_at(t, "estim.search.baseline.best.score")->r == rig_at(t, "estim.search.best.score")->r);
    mn_node_free(rig.ctx, t);
}
END_TEST

/* The scores beside p are those that it is of: it comes out of counting all ways to deal them to the two sides. */
START_TEST(single_scores) {
    enum { N = 7 };
    double x[2 * N];
    mn_node *t = run(SIZES("RandomSearchOptim", "7", ""));
    const mn_node *found = rig_at(t, "estim.search.verdict.scores"), *random = rig_at(t, "estim.search.baseline.scores");
    ck_assert_uint_eq(found->n, N);
    ck_assert_uint_eq(random->n, N);
    double best[2] = {-INFINITY, -INFINITY};
    for (int i = 0; i < 2 * N; i++) {
        x[i] = (i < N ? found : random)->items[i % N]->r;
        best[i / N] = fmax(best[i / N], x[i]);
    }
    ck_assert(best[0] == rig_at(t, "estim.search.best.score")->r);
    ck_assert(best[1] == rig_at(t, "estim.search.baseline.best.score")->r);
    const long own = rank_sum2(x, 2 * N, (1u << N) - 1);
    long all = 0, high = 0;
    for (unsigned mask = 0; mask < 1u << 2 * N; mask++) {
        if (__builtin_popcount(mask) != N) continue;
        all++;
        high += rank_sum2(x, 2 * N, mask) >= own;
    }
    ck_assert_double_eq_tol(rig_at(t, "estim.search.verdict.p")->r, (double)high / (double)all, 1e-12);
    mn_node_free(rig.ctx, t);
}
END_TEST

START_TEST(on_demand) {
    mn_node *t = run(SIZES("RandomSearchOptim", "5", ", baseline: false"));
    ck_assert_ptr_null(mn_node_path(t, "estim.search.baseline"));
    ck_assert_ptr_null(mn_node_path(t, "estim.search.verdict"));
    mn_node_free(rig.ctx, t);
    t = run(UTIL_RIG_CONFIG); /* a warm-up searches nothing, a supernet does */
    ck_assert_ptr_null(mn_node_path(t, "estim.warm.baseline"));
    ck_assert_int_ge(rig_at(t, "estim.search.baseline.evaluations")->i, 1);
    ck_assert_double_gt(rig_at(t, "estim.search.baseline.best.metrics.loss")->r, 0);
    mn_node_free(rig.ctx, t);
}
END_TEST

/* A baseline changes nothing of the run: the same history, architecture and weights with and without. */
START_TEST(leaves_no_trace) {
    RIG_RUNS(UTIL_RIG_CONFIG, NULL);
    ck_assert_int_eq(system("mv exp/t exp/with"), 0);
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("estim.search.baseline=false"));
    ck_assert(rig_same_run("with", "t"));
}
END_TEST

/* What is drawn beside a limited search obeys the limit, too: of the networks with 42,304 to 87,744 multiply-adds. */
START_TEST(within_the_limits) {
    RIG_RUNS(UTIL_SEARCH_INDEX "estim: {search: {type: SubNetEstim, epochs: 12, args: {num_bn_batch: 1}}}\n"
                               "objective: {subject_to: ['macs <= 45K']}\n",
             NULL);
    mn_node *t = util_rig_parse(&rig, rig.results);
    ck_assert_double_le(rig_at(t, "estim.search.baseline.best.metrics.macs")->r, 45000);
    ck_assert_int_ge(rig_at(t, "estim.search.baseline.evaluations")->i, 1);
    mn_node_free(rig.ctx, t);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("baseline");
    util_add(suite, "ranks", rig_setup, rig_teardown, (const TTest *[]){printed_table, enumerated, approximated, spearman_by_hand, NULL});
    util_add(suite, "runs", rig_setup, rig_teardown,
             (const TTest *[]){better_than_random, random_is_no_better, whole_space, single_scores, on_demand, leaves_no_trace,
                               within_the_limits, NULL});
    return util_run(suite);
}
