/* What optimizers reach in the tables of the shared folder: fewer seeds of what bench/search shows. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "search/rank.h"
#include "util_search.h"
#include "util_shared.h"

enum { SEEDS = 15, BUDGET = 200 };

static const struct {
    const char *file, *score;
    double optimum; /* of the table: data/search_yardsticks.tsv */
} tables[] = {{"nas_bench_macro/nasbench_macro.tsv", "acc_mean", 93.127},
              {"nas_bench_201/nb201_cifar10.tsv", "c10_test_full", 94.373}};

#define AGING     "{type: RegularizedEvolutionOptim, args: {pop_size: 50, n_select: 10}}"
#define REINFORCE "{type: REINFORCEOptim, args: {a_optim: {type: Adam, args: {lr: 0.2}}, batch_size: 10}}"

/* Their paths from the root, since each test goes to a folder of its own; "" where there is none. */
static char paths[MN_COUNT(tables)][4096];

static void find_tables(void) {
    for (size_t i = 0; i < MN_COUNT(tables); i++) {
        char path[512];
        if (realpath(util_shared_path(tables[i].file, path, sizeof path), paths[i])) continue;
        printf("skipped: there is no %s\n", path);
        paths[i][0] = 0;
    }
}

static double best_of(const char *path, const char *score, const char *optim, int seed, int budget) {
    char yaml[10000];
    double best = -INFINITY;
    snprintf(yaml, sizeof yaml,
             "backend: none\nseed: %d\noptim: %s\n"
             "construct: {space: {type: TableSpaceConstructor, args: {path: '%s', arch: arch}}}\n"
             "estim: {s: {type: TableEstim, epochs: 1, args: {path: '%s', arch: arch, score: %s}}}\n",
             seed, optim, path, path, score);
    modnas_search *s = util_search(yaml, NULL);
    for (int i = 0; i < budget; i++) {
        modnas_arch *a;
        modnas_metric m;
        int32_t n;
        SEARCH_OK(modnas_search_ask(s, 1, &a, &n));
        SEARCH_OK(modnas_search_evaluate(s, a, &m, 1, &n));
        SEARCH_OK(modnas_search_tell(s, a, 0, &m, 1));
        best = fmax(best, m.value);
        modnas_arch_free(a);
    }
    modnas_search_free(s);
    return best;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of aging evolution is the table's optimum; it, REINFORCE and the model beat random search. */
START_TEST(better_than_random) {
    static const char *const specs[] = {"RandomSearchOptim", AGING, REINFORCE, "ModelBasedOptim"};
    double best[MN_COUNT(specs)][SEEDS], p;
    const char *path = paths[_i];
    if (!*path) return;
    for (size_t k = 0; k < MN_COUNT(specs); k++) {
        for (int seed = 0; seed < SEEDS; seed++)
            best[k][seed] = best_of(path, tables[_i].score, specs[k], seed, BUDGET);
        SEARCH_OK(mn_mann_whitney(rig.ctx, best[k], SEEDS, best[0], SEEDS, &p));
        if (k) ck_assert_msg(p < 0.05, "%s: p %g", specs[k], p);
    }
    qsort(best[1], SEEDS, sizeof best[1][0], by_value);
    ck_assert_double_eq_tol(best[1][SEEDS / 2], tables[_i].optimum, 1e-3);
}
END_TEST

START_TEST(grid_finds_the_optimum) {
    if (!*paths[1]) return;
    ck_assert_double_eq_tol(best_of(paths[1], tables[1].score, "GridSearchOptim", 0, 15625), tables[1].optimum, 1e-3);
}
END_TEST

int main(void) {
    find_tables();
    Suite *suite = suite_create("search_tables");
    TCase *t = tcase_create("tables");
    tcase_add_checked_fixture(t, rig_setup, rig_teardown);
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, better_than_random, 0, 2);
    tcase_add_test(t, grid_finds_the_optimum);
    suite_add_tcase(suite, t);
    return util_run(suite);
}
