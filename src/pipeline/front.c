/* The front of a search with several goals: what obeys all limits and is dominated by nothing that was found. */
#include <string.h>

#include "pipeline/results.h"

typedef struct member {
    mn_found found;
    mn_fitness fitness;
} member;

static member *at(const mn_front *f, size_t i) {
    return &MN_AT(f->members, member, i);
}

static void drop(mn_front *f, size_t i) {
    mn_free(f->ctx, at(f, i)->found.arch);
    memmove(at(f, i), at(f, i + 1), (f->members.n - i - 1) * sizeof(member));
    f->members.n--;
}

void mn_front_init(mn_front *f, modnas_ctx *ctx) {
    f->ctx = ctx;
    mn_vec_init(&f->members, sizeof(member));
}

void mn_front_free(mn_front *f) {
    while (f->members.n) drop(f, f->members.n - 1);
    if (f->ctx) mn_vec_free(f->ctx, &f->members);
}

static int is_dominated(const mn_front *f, const mn_fitness *x) {
    for (size_t i = 0; i < f->members.n; i++)
        if (mn_fitness_compare(&at(f, i)->fitness, x) > 0) return 1;
    return 0;
}

static int has(const mn_front *f, const char *arch) {
    for (size_t i = 0; i < f->members.n; i++)
        if (strcmp(at(f, i)->found.arch, arch) == 0) return 1;
    return 0;
}

/* One with the same values. */
static int has_equal(const mn_front *f, const mn_fitness *x) {
    for (size_t i = 0; i < f->members.n; i++)
        if (mn_fitness_order(&at(f, i)->fitness, x) == 0) return 1;
    return 0;
}

int mn_front_add(mn_front *f, const mn_evaluation *v, int *is_new) {
    *is_new = 0;
    if (v->fitness->n < 2 || !mn_fitness_is_feasible(v->fitness) || is_dominated(f, v->fitness)) return 0;
    mn_str json = {.ctx = f->ctx};
    mn_node_json(&json, v->arch);
    const member m = {{mn_str_take(&json), v->score, *v->metrics}, *v->fitness};
    if (!m.found.arch) return MODNAS_ENOMEM;
    const int is_there = has(f, m.found.arch), is_tie = has_equal(f, v->fitness);
    if (is_there || !mn_vec_push(f->ctx, &f->members, &m, 1)) {
        mn_free(f->ctx, m.found.arch);
        return is_there ? 0 : MODNAS_ENOMEM;
    }
    for (size_t i = f->members.n - 1; i-- > 0;)
        if (mn_fitness_compare(&m.fitness, &at(f, i)->fitness) > 0) drop(f, i);
    *is_new = !is_tie;
    return 0;
}

static int member_state(member *m, mn_state *io) {
    MN_TRY(mn_state_text(io, &m->found.arch));
    if (!m->found.arch) return mn_state_fail(io, "an architecture is missing");
    MN_TRY(mn_state_real(io, &m->found.score));
    MN_TRY(mn_metrics_state(&m->found.metrics, io));
    return mn_fitness_state(&m->fitness, io);
}

int mn_front_state(mn_front *f, mn_state *io) {
    uint64_t n = f->members.n;
    MN_TRY(mn_state_count(io, &n, 8));
    while (io->loading && f->members.n) drop(f, f->members.n - 1);
    for (uint64_t i = 0; i < n; i++) {
        if (io->loading && !mn_vec_push(f->ctx, &f->members, NULL, 1)) return MODNAS_ENOMEM;
        MN_TRY(member_state(at(f, (size_t)i), io));
    }
    return 0;
}

/* Number of the member that comes behind `last` in the order of the list; n: none. Equal ones as they were found. */
static size_t next(const mn_front *f, size_t last) {
    const size_t n = f->members.n;
    size_t best = n;
    for (size_t i = 0; i < n; i++) {
        const int to_last = last < n ? mn_fitness_order(&at(f, i)->fitness, &at(f, last)->fitness) : -1;
        if (to_last > 0 || (to_last == 0 && i <= last)) continue;
        if (best == n || mn_fitness_order(&at(f, i)->fitness, &at(f, best)->fitness) > 0) best = i;
    }
    return best;
}

void mn_results_front(mn_str *s, const mn_front *f) {
    const size_t n = f->members.n;
    size_t i = next(f, n);
    mn_str_add(s, "[");
    for (int is_first = 1; i < n; i = next(f, i), is_first = 0) {
        const mn_found *m = &at(f, i)->found;
        if (!is_first) mn_str_add(s, ",");
        mn_results_found(s, m->arch, m->score, &m->metrics);
    }
    mn_str_add(s, "]");
}
