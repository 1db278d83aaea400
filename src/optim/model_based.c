/* ModelBasedOptim: a model of the outcomes proposes.
 *
 *   the first n_next_pts architectures at random; then, for each n_next_pts more: fit a ridge regression on one-hot
 *   features to what is known, one for each goal and one for how far limits are exceeded, let it judge n_iter candidates,
 *   propose the best of them
 *
 * Half of the candidates are at random, half are changes of the best ones known. A share greedy_e of what is proposed is
 * at random, for the model to learn from. Of several goals, candidates are sorted by domination. Nothing comes twice. */
#include <math.h>
#include <string.h>

#include "optim/pareto.h"
#include "optim/parts.h"
#include "optim/proposer.h"
#include "optim/ridge.h"

enum { N_ELITE = 10, MAX_CHANGES = 2 };

typedef struct model_based {
    mn_proposer proposer;
    int32_t n_next, n_random, n_iter;
    double l2;
    int64_t n, room; /* outcomes that did not fail */
    int32_t *digits;
    mn_fitness *fitness;
    double *y;
    int32_t n_queue, at; /* proposals, handed out so far */
    int32_t *queue;
    mn_ridge ridge;
    int32_t *candidates; /* n_iter points; below what the model says of them */
    mn_fitness *guess;
    int32_t *rank, *order;
    double *alone;
} model_based;

static mn_points *points(model_based *s) {
    return &s->proposer.points;
}

/* ---- what is known ------------------------------------------------------------------------------------- */

static int make_room(model_based *s) {
    modnas_ctx *ctx = points(s)->ctx;
    if (s->n < s->room) return 0;
    const size_t room = s->room ? 2 * (size_t)s->room : 256;
    int32_t *digits = mn_realloc(ctx, s->digits, room * (size_t)points(s)->n, sizeof *digits);
    if (digits) s->digits = digits;
    mn_fitness *fitness = mn_realloc(ctx, s->fitness, room, sizeof *fitness);
    if (fitness) s->fitness = fitness;
    double *y = mn_realloc(ctx, s->y, room, sizeof *y);
    if (y) s->y = y;
    if (!digits || !fitness || !y) return MODNAS_ENOMEM;
    s->room = (int64_t)room;
    return 0;
}

static int commit(void *self, const int32_t *digits, const mn_fitness *f, int is_own) {
    model_based *s = self;
    int is_new;
    if (!is_own) MN_TRY(mn_points_visit(points(s), digits, &is_new));
    if (f->failed) return 0;
    MN_TRY(make_room(s));
    memcpy(mn_points_at(points(s), s->digits, s->n), digits, (size_t)points(s)->n * sizeof *digits);
    s->fitness[s->n++] = *f;
    return 0;
}

/* Numbers of the best that are known, best first; returns how many. */
static int32_t find_elite(const model_based *s, int64_t *elite) {
    int32_t n = 0;
    for (int64_t i = 0; i < s->n; i++) {
        int32_t at = n < N_ELITE ? n++ : N_ELITE;
        for (; at > 0 && mn_fitness_order(&s->fitness[i], &s->fitness[elite[at - 1]]) > 0; at--)
            if (at < N_ELITE) elite[at] = elite[at - 1];
        if (at < N_ELITE) elite[at] = i;
    }
    return n;
}

/* ---- candidates ---------------------------------------------------------------------------------------- */

static void make_candidate(model_based *s, mn_rng *rng, const int64_t *elite, int32_t n_elite, int32_t i) {
    mn_points *p = points(s);
    int32_t *digits = mn_points_at(p, s->candidates, i);
    if (i % 2 || !n_elite) {
        mn_points_draw(p, rng, digits);
        return;
    }
    const int64_t from = elite[mn_rng_below(rng, (uint64_t)n_elite)];
    memcpy(digits, mn_points_at(p, s->digits, from), (size_t)p->n * sizeof *digits);
    for (uint64_t k = 1 + mn_rng_below(rng, MAX_CHANGES); k > 0; k--) mn_points_mutate_one(p, rng, digits);
}

/* Candidates that were not visited; some may be there twice. */
static int32_t make_candidates(model_based *s) {
    int64_t elite[N_ELITE];
    const int32_t n_elite = find_elite(s, elite);
    mn_rng rng;
    int32_t n = 0;
    mn_points_rng(points(s), &rng);
    for (int32_t i = 0; i < s->n_iter; i++) {
        make_candidate(s, &rng, elite, n_elite, n);
        n += !mn_visited_has(&points(s)->visited, mn_points_at(points(s), s->candidates, n));
    }
    return n;
}

/* ---- the model ----------------------------------------------------------------------------------------- */

/* What it says of goal g of the candidates; -1: of the violation, which counts where it is more than nothing. */
static void guess(model_based *s, int32_t g, int32_t n) {
    double most = 0;
    for (int64_t i = 0; i < s->n; i++) {
        s->y[i] = g < 0 ? s->fitness[i].violation : s->fitness[i].value[g];
        most = fmax(most, s->y[i]);
    }
    if (g < 0 && most == 0) return;
    mn_ridge_fit(&s->ridge, s->digits, s->y, s->n, s->l2);
    for (int32_t i = 0; i < n; i++) {
        const double y = mn_ridge_predict(&s->ridge, mn_points_at(points(s), s->candidates, i));
        if (g >= 0)
            s->guess[i].value[g] = y;
        else
            s->guess[i].violation = y > 0 ? y : 0;
    }
}

static int sort_candidates(model_based *s, int32_t n) {
    const int32_t n_goals = mn_objective_n_goals(s->proposer.objective);
    for (int32_t i = 0; i < n; i++) s->guess[i] = (mn_fitness){.n = n_goals};
    for (int32_t g = -1; g < n_goals; g++) guess(s, g, n);
    if (n_goals > 1) return mn_pareto_sort(points(s)->ctx, s->guess, n, s->rank, s->alone, s->order);
    for (int32_t i = 0; i < n; i++) { /* with one goal: a plain order */
        int32_t at = i;
        for (; at > 0 && mn_fitness_order(&s->guess[i], &s->guess[s->order[at - 1]]) > 0; at--)
            s->order[at] = s->order[at - 1];
        s->order[at] = i;
    }
    return 0;
}

/* ---- proposals ----------------------------------------------------------------------------------------- */

static int add_random(model_based *s, int32_t until) {
    while (s->n_queue < until) {
        const int rc = mn_points_new(points(s), mn_points_at(points(s), s->queue, s->n_queue));
        if (rc == MODNAS_EDONE && s->n_queue) return 0;
        MN_TRY(rc);
        s->n_queue++;
    }
    return 0;
}

static int add_best(model_based *s, int32_t until) {
    const int32_t n = make_candidates(s);
    MN_TRY(sort_candidates(s, n));
    for (int32_t i = 0; i < n && s->n_queue < until; i++) {
        const int32_t *digits = mn_points_at(points(s), s->candidates, s->order[i]);
        int is_new;
        MN_TRY(mn_points_visit(points(s), digits, &is_new));
        if (!is_new) continue;
        memcpy(mn_points_at(points(s), s->queue, s->n_queue++), digits, (size_t)points(s)->n * sizeof *digits);
    }
    return 0;
}

static int next(void *self, int32_t *digits) {
    model_based *s = self;
    if (s->at == s->n_queue) {
        s->at = s->n_queue = 0;
        if (mn_points_are_all(points(s))) return mn_points_done(points(s));
        if (s->n) MN_TRY(add_best(s, s->n_next - s->n_random));
        MN_TRY(add_random(s, s->n_next));
    }
    memcpy(digits, mn_points_at(points(s), s->queue, s->at++), (size_t)points(s)->n * sizeof *digits);
    return 0;
}

/* ---- life ---------------------------------------------------------------------------------------------- */

static int ask(mn_optim *o, int32_t n, mn_arch *const *archs, int32_t *n_out) {
    return mn_proposer_ask(&((model_based *)o->state)->proposer, n, archs, n_out);
}

static int tell(mn_optim *o, const mn_arch *arch, int status, const mn_metrics *m) {
    return mn_proposer_tell(&((model_based *)o->state)->proposer, arch, status, m);
}

static void destroy(mn_optim *o) {
    model_based *s = o->state;
    mn_ridge_free(&s->ridge); /* looks at the points */
    mn_proposer_free(&s->proposer);
    void *const blocks[] = {s->digits, s->fitness, s->y,     s->queue, s->candidates,
                            s->guess,  s->rank,    s->order, s->alone};
    for (size_t i = 0; i < MN_COUNT(blocks); i++) mn_free(o->ctx, blocks[i]);
}

static int state(mn_optim *o, mn_state *io) {
    model_based *s = o->state;
    const mn_points *p = points(s);
    uint64_t n = (uint64_t)s->n;
    MN_TRY(mn_proposer_state(&s->proposer, io));
    MN_TRY(mn_state_range(io, &s->n_queue, 0, s->n_next));
    MN_TRY(mn_state_range(io, &s->at, 0, s->n_queue));
    for (int32_t i = 0; i < s->n_queue; i++) MN_TRY(mn_points_digits_state(p, mn_points_at(p, s->queue, i), io));
    MN_TRY(mn_state_count(io, &n, 16));
    for (s->n = 0; s->n < (int64_t)n; s->n++) {
        MN_TRY(make_room(s));
        if (io->loading) s->fitness[s->n] = (mn_fitness){.n = 1};
        MN_TRY(mn_points_digits_state(p, mn_points_at(p, s->digits, s->n), io));
        MN_TRY(mn_fitness_state(&s->fitness[s->n], io));
    }
    return 0;
}

static const mn_optim_vt vt = {.type = "ModelBasedOptim", .ask = ask, .tell = tell, .destroy = destroy, .state = state};

static int allocate(mn_optim *o) {
    model_based *s = o->state;
    const size_t n = (size_t)s->n_iter, digits = (size_t)points(s)->n;
    s->queue = mn_alloc(o->ctx, (size_t)s->n_next * digits, sizeof *s->queue);
    s->candidates = mn_alloc(o->ctx, n * digits, sizeof *s->candidates);
    s->guess = mn_alloc(o->ctx, n, sizeof *s->guess);
    s->rank = mn_alloc(o->ctx, n, sizeof *s->rank);
    s->order = mn_alloc(o->ctx, n, sizeof *s->order);
    s->alone = mn_alloc(o->ctx, n, sizeof *s->alone);
    const int ok = s->queue && s->candidates && s->guess && s->rank && s->order && s->alone;
    return ok ? mn_ridge_init(&s->ridge, points(s)) : MODNAS_ENOMEM;
}

static int fill(mn_optim *o, const mn_args *a, const mn_optim_env *env) {
    model_based *s = o->state;
    const double share = mn_args_real(a, "greedy_e");
    s->l2 = mn_args_real(a, "l2");
    if (!(share >= 0 && share <= 1)) return mn_args_fail(a, "greedy_e", "is %g, it is 0 to 1", share);
    if (!(s->l2 > 0 && isfinite(s->l2))) return mn_args_fail(a, "l2", "is %g, it is above 0", s->l2);
    MN_TRY(mn_points_count(a, "n_next_pts", 1, &s->n_next));
    MN_TRY(mn_points_count(a, "n_iter", 1, &s->n_iter));
    s->n_random = (int32_t)(share * s->n_next);
    s->proposer.self = s;
    s->proposer.next = next;
    s->proposer.commit = commit;
    mn_args_warn_unused(a);
    MN_TRY(mn_proposer_init(&s->proposer, a, env, vt.type));
    return allocate(o);
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    return mn_optim_make(&vt, a, env, sizeof(model_based), fill, out);
}

static const mn_arg_def args[] = {
    {"greedy_e", MN_ARG_REAL, "0.05", NULL, "share of what is proposed that is at random, rounded down"},
    {"n_next_pts", MN_ARG_INT, "32", NULL, "architectures between two fits of the model"},
    {"n_iter", MN_ARG_INT, "1000", NULL, "candidates that the model judges for them"},
    {"l2", MN_ARG_REAL, "1.0", NULL, "of the ridge regression"},
    {"model_config", MN_ARG_ANY, "null", NULL, MN_UNUSED_ARG},
    {"model_optim_config", MN_ARG_ANY, "null", NULL, MN_UNUSED_ARG},
    MN_POINTS_ARG,
    {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_model_based_component = {
    "optim", "ModelBasedOptim", "a ridge regression on one-hot features proposes", args, build, NULL};
