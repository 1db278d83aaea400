/* Sorting by domination (see pareto.h): fronts are peeled off one after the other. */
#include "optim/pareto.h"

#include <math.h>
#include <string.h>

/* Peel: in each round those that nothing unranked dominates. by: how many dominate each. */
static void rank_all(const mn_fitness *f, int32_t n, int32_t *rank, int32_t *by) {
    for (int32_t i = 0; i < n; i++) {
        by[i] = 0;
        rank[i] = -1;
        for (int32_t k = 0; k < n; k++) by[i] += mn_fitness_compare(&f[k], &f[i]) > 0;
    }
    for (int32_t r = 0, left = n; left > 0; r++) {
        for (int32_t i = 0; i < n; i++)
            if (rank[i] < 0 && by[i] == 0) rank[i] = r;
        for (int32_t i = 0; i < n; i++) {
            if (rank[i] != r) continue;
            left--;
            for (int32_t k = 0; k < n; k++) by[k] -= mn_fitness_compare(&f[i], &f[k]) > 0;
        }
    }
}

/* Numbers of the members of a rank, by goal g. */
static int32_t sort_members(const mn_fitness *f, int32_t n, const int32_t *rank, int32_t r, int32_t g, int32_t *out) {
    int32_t count = 0;
    for (int32_t i = 0; i < n; i++) {
        if (rank[i] != r) continue;
        int32_t at = count++;
        for (; at > 0 && f[i].value[g] < f[out[at - 1]].value[g]; at--) out[at] = out[at - 1];
        out[at] = i;
    }
    return count;
}

static void crowd(const mn_fitness *f, int32_t n, const int32_t *rank, int32_t r, double *alone, int32_t *members) {
    for (int32_t g = 0; n && g < f[0].n; g++) {
        const int32_t count = sort_members(f, n, rank, r, g, members);
        if (!count) return;
        const double low = f[members[0]].value[g], width = f[members[count - 1]].value[g] - low;
        alone[members[0]] = alone[members[count - 1]] = INFINITY;
        for (int32_t i = 1; i + 1 < count && width > 0; i++)
            alone[members[i]] += (f[members[i + 1]].value[g] - f[members[i - 1]].value[g]) / width;
    }
}

static int comes_before(const int32_t *rank, const double *alone, int32_t a, int32_t b) {
    return rank[a] != rank[b] ? rank[a] < rank[b] : alone[a] > alone[b];
}

int mn_pareto_sort(modnas_ctx *ctx, const mn_fitness *f, int32_t n, int32_t *rank, double *alone, int32_t *order) {
    int32_t *work = mn_alloc(ctx, (size_t)n + 1, sizeof *work), last = -1;
    if (!work) return MODNAS_ENOMEM;
    rank_all(f, n, rank, work);
    for (int32_t i = 0; i < n; i++) {
        alone[i] = 0;
        if (rank[i] > last) last = rank[i];
    }
    for (int32_t r = 0; r <= last; r++) crowd(f, n, rank, r, alone, work);
    for (int32_t i = 0; i < n; i++) {
        int32_t at = i;
        for (; at > 0 && comes_before(rank, alone, i, order[at - 1]); at--) order[at] = order[at - 1];
        order[at] = i;
    }
    mn_free(ctx, work);
    return 0;
}
