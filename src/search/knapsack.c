/* Dynamic programming over what is not dominated (Nemhauser and Ullmann 1969), group by group:
 *
 *   a label is a choice for the groups so far: its value and its costs. It goes when another one has no less value at
 * no more costs, when its costs leave no room for the cheapest rest, or when the best rest cannot reach what is known
 *
 * The best rest is bounded by Lagrange: for any lambda >= 0 a completion is worth at most
 *   value + sum of max (value - lambda cost) of later groups + lambda (room - cost so far)
 * With one cost lambda is sought so that the relaxed choice just fits, which is a good known solution, too. Costs are
 * whole numbers: sums are exact. */
#include "search/knapsack.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_BISECTIONS = 60 };

typedef struct label {
    double value;
    int64_t cost[MN_KNAPSACK_COSTS];
    int32_t parent, option; /* label of the group before */
} label;

typedef struct solver {
    modnas_ctx *ctx;
    const mn_knapsack *k;
    double lambda, known; /* known: value of a solution that fits, or -INFINITY */
    double *rest;         /* n + 1: bound of groups from i on */
    int64_t *cheapest;    /* (n + 1) x n_costs: likewise, least costs */
    mn_vec labels, fresh; /* label: all groups' one behind the other; of the group that is being made */
} solver;

static int is_taken(const mn_knapsack *k, int32_t option) {
    return k->value[option] > -INFINITY;
}

/* ---- bounds -------------------------------------------------------------------------------------------- */

/* The relaxed choice of lambda: its cost and value; -1 if a group has nothing to take. */
static int relax(const mn_knapsack *k, double lambda, int64_t *cost, double *value) {
    *cost = 0;
    *value = 0;
    for (int32_t i = 0; i < k->n; i++) {
        int32_t best = -1;
        double most = -INFINITY;
        for (int32_t o = k->first[i]; o < k->first[i + 1]; o++) {
            const double x = k->value[o] - lambda * (double)k->cost[0][o];
            if (!is_taken(k, o) || (best >= 0 && !(x > most))) continue;
            best = o;
            most = x;
        }
        if (best < 0) return -1;
        *cost += k->cost[0][best];
        *value += k->value[best];
    }
    return 0;
}

/* Does the relaxed choice fit? Then it is a known solution. */
static int try_lambda(solver *s, double lambda) {
    int64_t cost;
    double value;
    if (relax(s->k, lambda, &cost, &value) || cost > s->k->room[0]) return 0;
    s->lambda = lambda;
    if (value > s->known) s->known = value;
    return 1;
}

static void find_lambda(solver *s) {
    double low = 0, high = 1e-12;
    s->lambda = 0;
    s->known = -INFINITY;
    if (s->k->n_costs != 1 || try_lambda(s, 0)) return;
    while (high < 1e12 && !try_lambda(s, high)) {
        low = high;
        high *= 4;
    }
    for (int t = 0; t < N_BISECTIONS && high < 1e12; t++) {
        const double middle = (low + high) / 2;
        if (try_lambda(s, middle))
            high = middle;
        else
            low = middle;
    }
}

static void fill_bounds(solver *s) {
    const mn_knapsack *k = s->k;
    for (int32_t i = k->n; i-- > 0;) {
        double most = -INFINITY;
        for (int32_t o = k->first[i]; o < k->first[i + 1]; o++) {
            if (!is_taken(k, o)) continue;
            most = fmax(most, k->value[o] - (k->n_costs ? s->lambda * (double)k->cost[0][o] : 0));
        }
        s->rest[i] = s->rest[i + 1] + most;
        for (int32_t c = 0; c < k->n_costs; c++) {
            int64_t least = INT64_MAX;
            for (int32_t o = k->first[i]; o < k->first[i + 1]; o++)
                if (is_taken(k, o) && k->cost[c][o] < least) least = k->cost[c][o];
            s->cheapest[i * MN_KNAPSACK_COSTS + c] =
                least == INT64_MAX ? INT64_MAX / 4 : s->cheapest[(i + 1) * MN_KNAPSACK_COSTS + c] + least;
        }
    }
}

/* Can a label whose next group is i become the best? */
static int is_hopeful(const solver *s, const label *l, int32_t i) {
    const mn_knapsack *k = s->k;
    for (int32_t c = 0; c < k->n_costs; c++)
        if (l->cost[c] + s->cheapest[i * MN_KNAPSACK_COSTS + c] > k->room[c]) return 0;
    if (s->known == -INFINITY) return 1;
    const double left = k->n_costs ? s->lambda * (double)(k->room[0] - l->cost[0]) : 0;
    return l->value + s->rest[i] + left >= s->known - 1e-9 * (1 + fabs(s->known));
}

/* ---- groups -------------------------------------------------------------------------------------------- */

static int by_cost(const void *a, const void *b) {
    const label *x = a, *y = b;
    for (int c = 0; c < MN_KNAPSACK_COSTS; c++)
        if (x->cost[c] != y->cost[c]) return x->cost[c] < y->cost[c] ? -1 : 1;
    if (x->value != y->value) return x->value > y->value ? -1 : 1;
    if (x->parent != y->parent) return x->parent < y->parent ? -1 : 1;
    return (x->option > y->option) - (x->option < y->option);
}

static int is_dominated(const solver *s, const label *l, size_t from) {
    const size_t n = s->labels.n;
    if (s->k->n_costs <= 1) return n > from && MN_AT(s->labels, label, n - 1).value >= l->value;
    for (size_t i = from; i < n; i++) {
        const label *x = &MN_AT(s->labels, label, i);
        int fits = x->value >= l->value;
        for (int32_t c = 1; c < s->k->n_costs; c++) fits &= x->cost[c] <= l->cost[c];
        if (fits) return 1;
    }
    return 0;
}

static int extend(solver *s, int32_t group, size_t from, size_t end) {
    const mn_knapsack *k = s->k;
    s->fresh.n = 0;
    for (size_t i = from; i < end; i++)
        for (int32_t o = k->first[group]; o < k->first[group + 1]; o++) {
            label l = MN_AT(s->labels, label, i);
            if (!is_taken(k, o)) continue;
            l.value += k->value[o];
            for (int32_t c = 0; c < k->n_costs; c++) l.cost[c] += k->cost[c][o];
            l.parent = (int32_t)i;
            l.option = o - k->first[group];
            if (is_hopeful(s, &l, group + 1) && !mn_vec_push(s->ctx, &s->fresh, &l, 1)) return MODNAS_ENOMEM;
        }
    if (s->fresh.n) qsort(s->fresh.data, s->fresh.n, sizeof(label), by_cost);
    for (size_t i = 0; i < s->fresh.n; i++) {
        const label *l = &MN_AT(s->fresh, label, i);
        if (!is_dominated(s, l, end) && !mn_vec_push(s->ctx, &s->labels, l, 1)) return MODNAS_ENOMEM;
    }
    return s->labels.n > INT32_MAX ? MODNAS_ENOMEM : 0;
}

static int solve(solver *s, int32_t *index) {
    const mn_knapsack *k = s->k;
    const label none = {.parent = -1};
    size_t from = 0;
    s->rest = mn_alloc(s->ctx, (size_t)k->n + 1, sizeof *s->rest);
    s->cheapest = mn_alloc(s->ctx, (size_t)k->n + 1, MN_KNAPSACK_COSTS * sizeof *s->cheapest);
    if (!s->rest || !s->cheapest || !mn_vec_push(s->ctx, &s->labels, &none, 1)) return MODNAS_ENOMEM;
    find_lambda(s);
    fill_bounds(s);
    if (!is_hopeful(s, &none, 0)) return MODNAS_ENOTFOUND;
    for (int32_t i = 0; i < k->n; i++) {
        const size_t end = s->labels.n;
        MN_TRY(extend(s, i, from, end));
        from = end;
        if (s->labels.n == end) return MODNAS_ENOTFOUND;
    }
    size_t best = from;
    for (size_t i = from; i < s->labels.n; i++)
        if (MN_AT(s->labels, label, i).value > MN_AT(s->labels, label, best).value) best = i;
    for (int32_t i = k->n; i-- > 0;) {
        const label *l = &MN_AT(s->labels, label, best);
        index[i] = l->option;
        best = (size_t)l->parent;
    }
    return 0;
}

int mn_knapsack_solve(modnas_ctx *ctx, const mn_knapsack *k, int32_t *index) {
    solver s = {.ctx = ctx, .k = k};
    mn_vec_init(&s.labels, sizeof(label));
    mn_vec_init(&s.fresh, sizeof(label));
    const int rc = solve(&s, index);
    mn_free(ctx, s.rest);
    mn_free(ctx, s.cheapest);
    mn_vec_free(ctx, &s.labels);
    mn_vec_free(ctx, &s.fresh);
    return rc;
}
