/* One search in a table through the public interface: ask, evaluate, tell. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/table.h"
#include "modnas/search.h"
#include "search_bench.h"

/* ---- the table ----------------------------------------------------------------------------------------- */

typedef struct reading {
    modnas_ctx *ctx;
    search_table *t;
    size_t value, cost;
} reading;

static double number(const char *field) {
    double x;
    return mn_parse_real(field, &x) ? NAN : x;
}

static int read_line(size_t line, const char *const *fields, size_t n, void *ud) {
    reading *r = ud;
    search_table *t = r->t;
    for (size_t i = 0; line == 1 && i < n; i++) {
        if (strcmp(fields[i], t->score) == 0) r->value = i;
        if (t->cost && strcmp(fields[i], t->cost) == 0) r->cost = i;
    }
    if (line == 1) return 0;
    if (t->n % 1024 == 0) {
        t->values = realloc(t->values, (size_t)(t->n + 1024) * sizeof(double));
        t->costs = realloc(t->costs, (size_t)(t->n + 1024) * sizeof(double));
        if (!t->values || !t->costs) return MODNAS_ENOMEM;
    }
    t->values[t->n] = number(fields[r->value]);
    t->costs[t->n] = t->cost ? number(fields[r->cost]) : 0;
    if (t->values[t->n] > t->optimum) t->optimum = t->values[t->n];
    t->n++;
    return 0;
}

int search_table_open(modnas_ctx *ctx, search_table *t, const char *name, const char *folder, const char *file,
                      const char *key, const char *score, const char *cost) {
    mn_source *s;
    *t = (search_table){.name = name, .key = key, .score = score, .cost = cost, .optimum = -INFINITY};
    reading r = {.ctx = ctx, .t = t};
    snprintf(t->path, sizeof t->path, "%s%s", folder, file);
    MN_TRY(mn_source_open(ctx, t->path, MN_SOURCE_AUTO, &s));
    const int rc = mn_table_walk(ctx, s, read_line, &r);
    mn_source_close(s);
    return rc;
}

void search_table_close(search_table *t) {
    free(t->values);
    free(t->costs);
}

/* ---- a search ------------------------------------------------------------------------------------------ */

typedef struct outcome {
    double value, cost; /* NaN: it failed */
} outcome;

static int open_search(modnas_ctx *ctx, const search_table *t, const char *optim, int seed, modnas_search **out) {
    char yaml[4096];
    modnas_config *cfg = NULL;
    snprintf(yaml, sizeof yaml,
             "backend: none\nseed: %d\noptim: %s\n%s%s%s%s%s"
             "construct: {space: {type: TableSpaceConstructor, args: {path: '%s', %s}}}\n"
             "estim: {s: {type: TableEstim, epochs: 1, args: {path: '%s', %s, score: %s, metrics: [%s]}}}\n",
             seed, optim, t->cost ? "objective: {maximize: [" : "", t->cost ? t->score : "",
             t->cost ? "], minimize: [" : "", t->cost ? t->cost : "", t->cost ? "]}\n" : "", t->path, t->key, t->path,
             t->key, t->score, t->cost ? t->cost : "");
    MN_TRY(modnas_config_new(ctx, &cfg));
    int rc = modnas_config_add_text(cfg, yaml, strlen(yaml), "search");
    if (!rc) rc = modnas_search_new(cfg, NULL, out);
    modnas_config_free(cfg);
    return rc;
}

static int evaluate(modnas_search *s, const modnas_arch *a, outcome *out) {
    modnas_metric m[4];
    int32_t n = 0;
    *out = (outcome){NAN, NAN};
    const int rc = modnas_search_evaluate(s, a, m, 4, &n);
    if (rc && rc != MODNAS_ENOTFOUND) return rc;
    if (!rc) *out = (outcome){m[0].value, n > 1 ? m[1].value : 0};
    return modnas_search_tell(s, a, rc, m, rc ? 0 : n);
}

static int drive(modnas_ctx *ctx, const search_table *t, const char *optim, int seed, int budget, outcome *out) {
    modnas_search *s = NULL;
    int rc = open_search(ctx, t, optim, seed, &s);
    for (int i = 0; i < budget && !rc; i++) {
        modnas_arch *a;
        int32_t n = 0;
        rc = modnas_search_ask(s, 1, &a, &n);
        if (rc) break;
        rc = evaluate(s, a, &out[i]);
        modnas_arch_free(a);
    }
    modnas_search_free(s);
    return rc;
}

int search_best(modnas_ctx *ctx, const search_table *t, const char *optim, int seed, int budget, double *best) {
    outcome *all = calloc((size_t)budget, sizeof *all);
    const int rc = all ? drive(ctx, t, optim, seed, budget, all) : MODNAS_ENOMEM;
    *best = -INFINITY;
    for (int i = 0; !rc && i < budget; i++) *best = fmax(*best, all[i].value);
    free(all);
    return rc;
}

/* ---- fronts -------------------------------------------------------------------------------------------- */

static int by_cost(const void *a, const void *b) {
    const outcome *x = a, *y = b;
    if (x->cost != y->cost) return x->cost < y->cost ? -1 : 1;
    return x->value > y->value ? -1 : x->value < y->value;
}

/* What nothing dominates, cheapest first, in front of `all`; returns how many. Equal outcomes are all kept. */
static int keep_front(outcome *all, int n) {
    int n_good = 0, n_front = 0;
    double best = -INFINITY;
    for (int i = 0; i < n; i++)
        if (isfinite(all[i].value) && isfinite(all[i].cost)) all[n_good++] = all[i];
    qsort(all, (size_t)n_good, sizeof *all, by_cost);
    for (int i = 0; i < n_good; i++) {
        const int again = n_front && by_cost(&all[i], &all[n_front - 1]) == 0;
        if (all[i].value <= best && !again) continue;
        best = all[i].value;
        all[n_front++] = all[i];
    }
    return n_front;
}

static double volume_of(outcome *all, int n, double least, double most_cost) {
    const int n_front = keep_front(all, n);
    double volume = 0, from = least;
    for (int i = 0; i < n_front; i++) {
        if (all[i].value <= from) continue;
        volume += (all[i].value - from) * (most_cost - all[i].cost);
        from = all[i].value;
    }
    return volume;
}

static double most_cost(const search_table *t) {
    double most = 0;
    for (int i = 0; i < t->n; i++) most = fmax(most, t->costs[i]);
    return most;
}

static outcome *rows_of(const search_table *t) {
    outcome *all = calloc((size_t)t->n, sizeof *all);
    for (int i = 0; all && i < t->n; i++) all[i] = (outcome){t->values[i], t->costs[i]};
    return all;
}

double search_true_volume(const search_table *t, double least) {
    outcome *all = rows_of(t);
    const double volume = all ? volume_of(all, t->n, least, most_cost(t)) : NAN;
    free(all);
    return volume;
}

int search_volume(modnas_ctx *ctx, const search_table *t, const char *optim, int seed, int budget, double least,
                  double *volume) {
    outcome *all = calloc((size_t)budget, sizeof *all);
    const int rc = all ? drive(ctx, t, optim, seed, budget, all) : MODNAS_ENOMEM;
    if (!rc) *volume = volume_of(all, budget, least, most_cost(t));
    free(all);
    return rc;
}

int search_front(modnas_ctx *ctx, const search_table *t, const char *optim, int seed, int budget, int *n, int *n_true) {
    outcome *found = calloc((size_t)budget, sizeof *found), *rows = rows_of(t);
    const int rc = found && rows ? drive(ctx, t, optim, seed, budget, found) : MODNAS_ENOMEM;
    if (!rc) {
        *n = keep_front(found, budget);
        *n_true = keep_front(rows, t->n);
        if (*n == *n_true && memcmp(found, rows, (size_t)*n * sizeof *found) != 0) *n = -1;
    }
    free(found);
    free(rows);
    return rc;
}

/* ---- the law of random search -------------------------------------------------------------------------- */

/* P(best of `budget` rows <= x) when m of n rows are <= x: C(m, budget) / C(n, budget). */
static double law_at(const search_table *t, int budget, double x) {
    int m = 0;
    double p = 1;
    for (int i = 0; i < t->n; i++) m += t->values[i] <= x;
    if (m < budget) return 0;
    for (int i = 0; i < budget; i++) p *= (double)(m - i) / (t->n - i);
    return p;
}

/* The distribution is of steps, where the asymptotic law errs on the side of acceptance; distances are taken at the
 * values that there are, where both sides have made their step. */
double search_law_p(const search_table *t, int budget, const double *best, int n) {
    double distance = 0, p = 0;
    for (int i = 0; i < n; i++) {
        int below = 0;
        for (int k = 0; k < n; k++) below += best[k] <= best[i];
        distance = fmax(distance, fabs((double)below / n - law_at(t, budget, best[i])));
    }
    const double z = distance * (sqrt(n) + 0.12 + 0.11 / sqrt(n));
    for (int k = 1; k <= 100; k++) p += (k % 2 ? 2 : -2) * exp(-2.0 * k * k * z * z);
    return z < 0.2 ? 1 : fmin(1, fmax(0, p));
}
