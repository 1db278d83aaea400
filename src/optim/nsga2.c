/* NSGA2Optim: several goals at once (Deb, Pratap, Agarwal, Meyarivan 2002).
 *
 *   parents and children together are sorted by domination, within a rank the more alone first; the first pop_size are
 *   the next parents. A child has two, each the better of two drawn; with crossover_prob its choices come from both, else
 *   from the first; then each is changed with mutation_prob.
 *
 * With one goal it is an elitist genetic algorithm. Nothing comes twice. */
#include <string.h>

#include "optim/generation.h"
#include "optim/pareto.h"
#include "optim/parts.h"

typedef struct nsga2 {
    mn_generation generation;
    double crossover_prob, mutation_prob;
    int32_t n;       /* parents */
    int32_t *digits; /* parents first, then room for a generation */
    mn_fitness *fitness;
    int32_t *rank, *order, *sorted; /* work space for both */
    double *alone;
    mn_fitness *kept;
} nsga2;

/* The parents are the best of the parents and the generation, in order. */
static int select_parents(void *self) {
    nsga2 *s = self;
    mn_generation *g = &s->generation;
    const mn_points *p = &g->proposer.points;
    const size_t point = (size_t)p->n * sizeof *s->digits;
    const int32_t all = s->n + g->n, n = all < g->pop_size ? all : g->pop_size;
    memcpy(mn_points_at(p, s->digits, s->n), g->digits, (size_t)g->n * point);
    memcpy(s->fitness + s->n, g->fitness, (size_t)g->n * sizeof *s->fitness);
    MN_TRY(mn_pareto_sort(p->ctx, s->fitness, all, s->rank, s->alone, s->order));
    for (int32_t i = 0; i < n; i++) {
        memcpy(mn_points_at(p, s->sorted, i), mn_points_at(p, s->digits, s->order[i]), point);
        s->kept[i] = s->fitness[s->order[i]];
    }
    memcpy(s->digits, s->sorted, (size_t)n * point);
    memcpy(s->fitness, s->kept, (size_t)n * sizeof *s->fitness);
    s->n = n;
    return 0;
}

/* They are sorted: the one in front is the better. */
static const int32_t *choose_parent(const nsga2 *s, mn_rng *rng) {
    const int32_t a = (int32_t)mn_rng_below(rng, (uint64_t)s->n), b = (int32_t)mn_rng_below(rng, (uint64_t)s->n);
    return mn_points_at(&s->generation.proposer.points, s->digits, a < b ? a : b);
}

static void breed(void *self, mn_rng *rng, int32_t *digits) {
    const nsga2 *s = self;
    const mn_points *p = &s->generation.proposer.points;
    const int32_t *parents[2];
    for (int i = 0; i < 2; i++) parents[i] = choose_parent(s, rng);
    mn_points_cross(p, rng, parents, mn_rng_real(rng) < s->crossover_prob ? 2 : 1, digits);
    mn_points_mutate(p, rng, s->mutation_prob, digits);
}

static void destroy(mn_optim *o) {
    nsga2 *s = o->state;
    void *const blocks[] = {s->digits, s->fitness, s->rank, s->order, s->sorted, s->alone, s->kept};
    mn_generation_free(&s->generation);
    for (size_t i = 0; i < MN_COUNT(blocks); i++) mn_free(o->ctx, blocks[i]);
}

static int state(mn_optim *o, mn_state *io) {
    nsga2 *s = o->state;
    const mn_points *p = &s->generation.proposer.points;
    MN_TRY(mn_generation_state(&s->generation, io));
    MN_TRY(mn_state_range(io, &s->n, 0, s->generation.pop_size));
    for (int32_t i = 0; i < s->n; i++) {
        MN_TRY(mn_points_digits_state(p, mn_points_at(p, s->digits, i), io));
        MN_TRY(mn_fitness_state(&s->fitness[i], io));
    }
    return 0;
}

static const mn_optim_vt vt = {.type = "NSGA2Optim",
                               .ask = mn_generation_ask,
                               .tell = mn_generation_tell,
                               .destroy = destroy,
                               .state = state};

static int allocate(mn_optim *o) {
    nsga2 *s = o->state;
    const size_t n = 2 * (size_t)s->generation.pop_size, digits = (size_t)s->generation.proposer.points.n;
    s->digits = mn_alloc(o->ctx, n * digits, sizeof *s->digits);
    s->sorted = mn_alloc(o->ctx, n * digits, sizeof *s->sorted);
    s->fitness = mn_alloc(o->ctx, n, sizeof *s->fitness);
    s->kept = mn_alloc(o->ctx, n, sizeof *s->kept);
    s->rank = mn_alloc(o->ctx, n, sizeof *s->rank);
    s->order = mn_alloc(o->ctx, n, sizeof *s->order);
    s->alone = mn_alloc(o->ctx, n, sizeof *s->alone);
    const int ok = s->digits && s->sorted && s->fitness && s->kept && s->rank && s->order && s->alone;
    return ok ? 0 : MODNAS_ENOMEM;
}

static int read_probability(const mn_args *a, const char *name, double *out) {
    *out = mn_args_real(a, name);
    return *out >= 0 && *out <= 1 ? 0 : mn_args_fail(a, name, "is %g, it is 0 to 1", *out);
}

static int fill(mn_optim *o, const mn_args *a, const mn_optim_env *env) {
    nsga2 *s = o->state;
    mn_generation *g = &s->generation;
    MN_TRY(mn_points_count(a, "pop_size", 2, &g->pop_size));
    MN_TRY(mn_points_count(a, "max_it", 1, &g->max_tries));
    MN_TRY(read_probability(a, "crossover_prob", &s->crossover_prob));
    g->n_bred = g->pop_size;
    g->proposer.self = s;
    g->select = select_parents;
    g->breed = breed;
    MN_TRY(mn_generation_init(g, a, env, vt.type));
    s->mutation_prob = 1.0 / g->proposer.points.n;
    if (mn_args_given(a, "mutation_prob")) MN_TRY(read_probability(a, "mutation_prob", &s->mutation_prob));
    return allocate(o);
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    return mn_optim_make(&vt, a, env, sizeof(nsga2), fill, out);
}

static const mn_arg_def args[] = {
    {"pop_size", MN_ARG_INT, "50", NULL, "architectures in a generation, and parents"},
    {"crossover_prob", MN_ARG_REAL, "0.9", NULL, "that a child has choices of both parents"},
    {"mutation_prob", MN_ARG_REAL, "null", NULL, "of a change of each choice; null: 1 / choices"},
    {"max_it", MN_ARG_INT, "1000", NULL, "tries for a child that was not met before"},
    MN_POINTS_ARG,
    {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_nsga2_component = {
    "optim", "NSGA2Optim", "several goals: the front by domination and distance", args, build, NULL};
