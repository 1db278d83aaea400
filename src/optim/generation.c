/* Generations (see generation.h). No architecture comes twice. */
#include "optim/generation.h"

#include <string.h>

static mn_points *points(mn_generation *g) {
    return &g->proposer.points;
}

static int32_t *digits_at(mn_generation *g, int32_t i) {
    return mn_points_at(points(g), g->digits, i);
}

void mn_points_cross(const mn_points *p, mn_rng *rng, const int32_t *const *parents, int32_t n, int32_t *digits) {
    for (int32_t i = 0; i < p->n; i++) digits[i] = parents[mn_rng_below(rng, (uint64_t)n)][i];
}

/* A child that was not met before; after many tries, or where all is known, a point at random. */
static int make_child(mn_generation *g, int32_t *digits) {
    int is_new = 0;
    for (int32_t i = 0; i < g->max_tries && !mn_points_are_all(points(g)); i++) {
        mn_rng rng;
        mn_points_rng(points(g), &rng);
        g->breed(g->proposer.self, &rng, digits);
        MN_TRY(mn_points_visit(points(g), digits, &is_new));
        if (is_new) return 0;
    }
    return mn_points_new(points(g), digits);
}

static int make_members(mn_generation *g, int32_t n_bred) {
    for (g->n = g->n_asked = g->n_done = 0; g->n < g->pop_size; g->n++) {
        int32_t *digits = digits_at(g, g->n);
        const int rc = g->n < n_bred ? make_child(g, digits) : mn_points_new(points(g), digits);
        if (rc == MODNAS_EDONE && g->n) return 0; /* the last ones of the space */
        MN_TRY(rc);
    }
    return 0;
}

static int next(void *self, int32_t *digits) {
    mn_generation *g = self;
    if (g->n_asked == g->n) {
        if (g->n_done < g->n) return MN_WAIT;
        const int is_first = g->n == 0;
        if (mn_points_are_all(points(g))) return mn_points_done(points(g));
        if (!is_first) MN_TRY(g->select(self));
        MN_TRY(make_members(g, is_first ? 0 : g->n_bred));
    }
    memcpy(digits, digits_at(g, g->n_asked++), (size_t)points(g)->n * sizeof *digits);
    return 0;
}

/* What a host tells of its own is not proposed any more. */
static int commit(void *self, const int32_t *digits, const mn_fitness *f, int is_own) {
    mn_generation *g = self;
    int is_new;
    if (!is_own) return mn_points_visit(points(g), digits, &is_new);
    if (g->n_done < g->n) g->fitness[g->n_done++] = *f; /* they come in the order of asking */
    return 0;
}

int mn_generation_init(mn_generation *g, const mn_args *a, const mn_optim_env *env, const char *type) {
    g->proposer.next = next;
    g->proposer.commit = commit;
    MN_TRY(mn_proposer_init(&g->proposer, a, env, type));
    g->digits = mn_alloc(a->ctx, (size_t)g->pop_size * (size_t)points(g)->n, sizeof *g->digits);
    g->fitness = mn_alloc(a->ctx, (size_t)g->pop_size, sizeof *g->fitness);
    return g->digits && g->fitness ? 0 : MODNAS_ENOMEM;
}

void mn_generation_free(mn_generation *g) {
    modnas_ctx *ctx = points(g)->ctx;
    if (!ctx) return;
    mn_free(ctx, g->digits);
    mn_free(ctx, g->fitness);
    mn_proposer_free(&g->proposer);
}

int mn_generation_state(mn_generation *g, mn_state *io) {
    MN_TRY(mn_proposer_state(&g->proposer, io));
    MN_TRY(mn_state_range(io, &g->n, 0, g->pop_size));
    MN_TRY(mn_state_range(io, &g->n_asked, 0, g->n));
    MN_TRY(mn_state_range(io, &g->n_done, 0, g->n_asked));
    for (int32_t i = 0; i < g->n; i++) MN_TRY(mn_points_digits_state(points(g), digits_at(g, i), io));
    for (int32_t i = 0; i < g->n_done; i++) MN_TRY(mn_fitness_state(&g->fitness[i], io));
    return 0;
}

int mn_generation_ask(mn_optim *o, int32_t n, mn_arch *const *archs, int32_t *n_out) {
    return mn_proposer_ask(&((mn_generation *)o->state)->proposer, n, archs, n_out);
}

int mn_generation_tell(mn_optim *o, const mn_arch *arch, int status, const mn_metrics *m) {
    return mn_proposer_tell(&((mn_generation *)o->state)->proposer, arch, status, m);
}
