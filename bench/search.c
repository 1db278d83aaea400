/* What optimizers that propose reach in tables of results, and whether that is what it should be.
 *
 *   search [--data DIR] [--seeds N]
 *
 *   NAS-Bench-Macro, NAS-Bench-201   best of 200 evaluations: median, share at the table's optimum, p of being no better
 *                                    than random search (one-sided Mann-Whitney)
 *   random search                    best of 50 and of 200 against the law of drawing without replacement (Kolmogorov,
 *                                    Smirnov), over 200 seeds
 *   grid search                      all of NAS-Bench-201
 *   two goals                        hypervolume of NSGA2Optim's front of accuracy and parameters, 500 evaluations;
 *                                    parameters of all networks from their definition (search_macro.c)
 *   Accel-NASBench                   the front of accuracy and latency when all rows were visited
 *
 * Status 1 if any of it is not as it should be. Nothing here measures time. */
#include "search_bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUDGET = 200, LAW_SEEDS = 200, FRONT_BUDGET = 500, FRONT_SEEDS = 20, MAX_SEEDS = 1000 };

typedef struct bench {
    modnas_ctx *ctx;
    char data[512];
    int seeds, n_failed;
} bench;

static void verdict(bench *b, int good) {
    b->n_failed += !good;
    printf("%s\n", good ? "   ok" : "   NOT AS IT SHOULD BE");
}

/* ---- one goal ------------------------------------------------------------------------------------------ */

static const struct {
    const char *name, *spec;
    int at_optimum, beats_random; /* what is claimed of it */
} optims[] = {
    {"random", "RandomSearchOptim", 0, 0},
    {"aging evolution", "{type: RegularizedEvolutionOptim, args: {pop_size: 50, n_select: 10}}", 1, 1},
    {"REINFORCE", "{type: REINFORCEOptim, args: {a_optim: {type: Adam, args: {lr: 0.2}}, batch_size: 10}}", 0, 1},
    {"model based", "ModelBasedOptim", 0, 1},
    {"evolution", "{type: EvolutionOptim, args: {pop_size: 25, mutation_prob: 0.1}}", 0, 1},
    {"local search", "LocalSearchOptim", 0, 1},
};

static int one_goal(bench *b, const search_table *t) {
    double best[MN_COUNT(optims)][MAX_SEEDS], p;
    for (size_t i = 0; i < MN_COUNT(optims); i++) {
        int n_optimal = 0;
        for (int seed = 0; seed < b->seeds; seed++) {
            MN_TRY(search_best(b->ctx, t, optims[i].spec, seed, BUDGET, &best[i][seed]));
            n_optimal += best[i][seed] == t->optimum;
        }
        MN_TRY(mn_mann_whitney(b->ctx, best[i], (size_t)b->seeds, best[0], (size_t)b->seeds, &p));
        const spread s = spread_of(best[i], (size_t)b->seeds);
        printf("%-14s %-16s %8.3f %8.3f %8.3f %6d/%d", t->name, optims[i].name, s.low, s.median, s.high, n_optimal,
               b->seeds);
        if (i) printf("   p %.1e", p);
        verdict(b, (!optims[i].at_optimum || s.median == t->optimum) && (!optims[i].beats_random || p < 0.01));
    }
    return 0;
}

static int law(bench *b, const search_table *t) {
    static const int budgets[] = {50, 200};
    for (size_t k = 0; k < MN_COUNT(budgets); k++) {
        double best[LAW_SEEDS];
        for (int seed = 0; seed < LAW_SEEDS; seed++)
            MN_TRY(search_best(b->ctx, t, "RandomSearchOptim", 1000 + seed, budgets[k], &best[seed]));
        const double p = search_law_p(t, budgets[k], best, LAW_SEEDS);
        printf("%-14s best of %3d at random, %d seeds: p %.3f", t->name, budgets[k], LAW_SEEDS, p);
        verdict(b, p > 0.01);
    }
    return 0;
}

static int grid(bench *b, const search_table *t) {
    double best;
    MN_TRY(search_best(b->ctx, t, "GridSearchOptim", 0, t->n, &best));
    printf("%-14s grid search of all %d: %.3f", t->name, t->n, best);
    verdict(b, best == t->optimum);
    return 0;
}

/* ---- two goals ----------------------------------------------------------------------------------------- */

static int fronts(bench *b, const search_table *t) {
    static const char *const specs[] = {"NSGA2Optim", "RandomSearchOptim"};
    const double all = search_true_volume(t, 85);
    for (int i = 0; i < 2; i++) {
        double share[FRONT_SEEDS];
        for (int seed = 0; seed < FRONT_SEEDS; seed++) {
            double volume;
            MN_TRY(search_volume(b->ctx, t, specs[i], seed, FRONT_BUDGET, 85, &volume));
            share[seed] = volume / all;
        }
        const spread s = spread_of(share, FRONT_SEEDS);
        printf("%-14s %-18s %d evaluations, %d seeds: hypervolume %.4f %.4f %.4f of the true front's", t->name, specs[i],
               FRONT_BUDGET, FRONT_SEEDS, s.low, s.median, s.high);
        verdict(b, i || s.median >= 0.99);
    }
    return 0;
}

static int whole_front(bench *b, const search_table *t) {
    int n, n_true;
    MN_TRY(search_front(b->ctx, t, "RandomSearchOptim", 0, t->n, &n, &n_true));
    printf("%-14s %d of %d on the front after %d visits", t->name, n, n_true, t->n);
    verdict(b, n == n_true && n > 0);
    return 0;
}

/* ---- all ----------------------------------------------------------------------------------------------- */

static int run(bench *b) {
    search_table t[4];
    char macro[640];
    MN_TRY(search_macro_write(b->ctx, b->data, macro, sizeof macro));
    MN_TRY(search_table_open(b->ctx, &t[0], "Macro", b->data, "nas_bench_macro/nasbench_macro.tsv", "arch: arch",
                             "acc_mean", NULL));
    MN_TRY(search_table_open(b->ctx, &t[1], "201", b->data, "nas_bench_201/nb201_cifar10.tsv", "arch: arch",
                             "c10_test_full", NULL));
    MN_TRY(search_table_open(b->ctx, &t[2], "Macro, params", "", macro, "arch: arch", "acc_mean", "params"));
    MN_TRY(search_table_open(b->ctx, &t[3], "Accel", b->data, "accel_nasbench/anb_open.tsv", "params: [id]", "top1",
                             "lat_zcu102_ms"));
    printf("best of %d evaluations, %d seeds: quartiles, runs at the optimum (%.3f and %.3f), p against random\n", BUDGET,
           b->seeds, t[0].optimum, t[1].optimum);
    int rc = one_goal(b, &t[0]);
    if (!rc) rc = one_goal(b, &t[1]);
    for (int i = 0; i < 2 && !rc; i++) rc = law(b, &t[i]);
    if (!rc) rc = grid(b, &t[1]);
    if (!rc) rc = fronts(b, &t[2]);
    if (!rc) rc = whole_front(b, &t[3]);
    for (int i = 0; i < 4; i++) search_table_close(&t[i]);
    remove(macro);
    return rc;
}

int main(int argc, char **argv) {
    bench b = {.seeds = 50};
    util_shared_path("", b.data, sizeof b.data);
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--data") == 0) snprintf(b.data, sizeof b.data, "%s/", argv[i + 1]);
        if (strcmp(argv[i], "--seeds") == 0) b.seeds = atoi(argv[i + 1]);
    }
    if (b.seeds < 2 || b.seeds > MAX_SEEDS) return 2;
    if (modnas_ctx_new(NULL, &b.ctx)) return 1;
    const int rc = run(&b);
    if (rc) fprintf(stderr, "search: %s\n", modnas_errmsg(b.ctx));
    modnas_ctx_free(b.ctx);
    return rc || b.n_failed ? 1 : 0;
}
