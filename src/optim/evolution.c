/* EvolutionOptim: a genetic algorithm by generations.
 *
 *   the n_eliminate worst of a generation go; of those left
 *     tournament   a parent is the best of n_select drawn, with replacement
 *     truncation   a parent is any of the n_select best
 *   n_parents give n_offsprings children, each choice from one of the parents at random, then changed with mutation_prob
 *
 * The first generation, and what is missing from n_crossover children to pop_size, is at random. Nothing comes twice:
 * a child that was met before is bred anew, up to max_it times. */
#include <string.h>

#include "optim/generation.h"
#include "optim/parts.h"

enum { MAX_PARENTS = 16 };

typedef struct evolution {
    mn_generation generation;
    int32_t n_parents, n_offsprings, n_select, n_eliminate, is_truncation;
    double mutation_prob;
    int32_t n_left;                  /* of the last generation: those that may be parents */
    int32_t *order;                  /* their numbers, best first */
    int32_t *past;                   /* its points */
    int32_t parent[MAX_PARENTS], n_mated; /* parents, and how many children they gave */
} evolution;

/* Best first; of equal ones the earlier. */
static int select_parents(void *self) {
    evolution *s = self;
    mn_generation *g = &s->generation;
    memcpy(s->past, g->digits, (size_t)g->n * (size_t)g->proposer.points.n * sizeof *s->past);
    for (int32_t i = 0; i < g->n; i++) {
        int32_t at = i;
        for (; at > 0 && mn_fitness_order(&g->fitness[i], &g->fitness[s->order[at - 1]]) > 0; at--)
            s->order[at] = s->order[at - 1];
        s->order[at] = i;
    }
    s->n_left = g->n > s->n_eliminate ? g->n - s->n_eliminate : 1;
    s->n_mated = s->n_offsprings; /* new parents */
    return 0;
}

static int32_t choose_parent(const evolution *s, mn_rng *rng) {
    const int32_t n = s->n_left;
    if (s->is_truncation) return s->order[mn_rng_below(rng, (uint64_t)(n < s->n_select ? n : s->n_select))];
    int32_t best = n;
    for (int32_t i = 0; i < s->n_select; i++) {
        const int32_t other = (int32_t)mn_rng_below(rng, (uint64_t)n);
        if (other < best) best = other;
    }
    return s->order[best];
}

static void breed(void *self, mn_rng *rng, int32_t *digits) {
    evolution *s = self;
    const mn_points *p = &s->generation.proposer.points;
    const int32_t *parents[MAX_PARENTS];
    if (s->n_mated == s->n_offsprings) {
        for (int32_t i = 0; i < s->n_parents; i++) s->parent[i] = choose_parent(s, rng);
        s->n_mated = 0;
    }
    s->n_mated++;
    for (int32_t i = 0; i < s->n_parents; i++) parents[i] = mn_points_at(p, s->past, s->parent[i]);
    mn_points_cross(p, rng, parents, s->n_parents, digits);
    mn_points_mutate(p, rng, s->mutation_prob, digits);
}

static void destroy(mn_optim *o) {
    evolution *s = o->state;
    mn_generation_free(&s->generation);
    mn_free(o->ctx, s->order);
    mn_free(o->ctx, s->past);
}

/* Parents are chosen for a whole generation at once: what is left of them does not matter after. */
static int state(mn_optim *o, mn_state *io) {
    return mn_generation_state(o->state, io);
}

static const mn_optim_vt vt = {.type = "EvolutionOptim",
                               .ask = mn_generation_ask,
                               .tell = mn_generation_tell,
                               .destroy = destroy,
                               .state = state};

static int read_args(evolution *s, const mn_args *a) {
    mn_generation *g = &s->generation;
    MN_TRY(mn_points_count(a, "pop_size", 1, &g->pop_size));
    MN_TRY(mn_points_count(a, "n_parents", 1, &s->n_parents));
    MN_TRY(mn_points_count(a, "n_offsprings", 1, &s->n_offsprings));
    MN_TRY(mn_points_count(a, "n_select", 1, &s->n_select));
    MN_TRY(mn_points_count(a, "n_eliminate", 0, &s->n_eliminate));
    MN_TRY(mn_points_count(a, "max_it", 1, &g->max_tries));
    g->n_bred = g->pop_size;
    if (mn_args_given(a, "n_crossover")) MN_TRY(mn_points_count(a, "n_crossover", 0, &g->n_bred));
    if (s->n_parents > MAX_PARENTS) return mn_args_fail(a, "n_parents", "is %d, it is 1 to %d", s->n_parents, MAX_PARENTS);
    s->mutation_prob = mn_args_real(a, "mutation_prob");
    if (!(s->mutation_prob >= 0 && s->mutation_prob <= 1))
        return mn_args_fail(a, "mutation_prob", "is %g, it is 0 to 1", s->mutation_prob);
    s->is_truncation = strcmp(mn_args_str(a, "selection"), "truncation") == 0;
    return 0;
}

static int fill(mn_optim *o, const mn_args *a, const mn_optim_env *env) {
    evolution *s = o->state;
    mn_generation *g = &s->generation;
    MN_TRY(read_args(s, a));
    g->proposer.self = s;
    g->select = select_parents;
    g->breed = breed;
    MN_TRY(mn_generation_init(g, a, env, vt.type));
    s->order = mn_alloc(o->ctx, (size_t)g->pop_size, sizeof *s->order);
    s->past = mn_alloc(o->ctx, (size_t)g->pop_size * (size_t)g->proposer.points.n, sizeof *s->past);
    return s->order && s->past ? 0 : MODNAS_ENOMEM;
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    return mn_optim_make(&vt, a, env, sizeof(evolution), fill, out);
}

static const mn_arg_def args[] = {
    {"pop_size", MN_ARG_INT, "100", NULL, "architectures in a generation"},
    {"n_parents", MN_ARG_INT, "2", NULL, "of a child"},
    {"n_offsprings", MN_ARG_INT, "1", NULL, "children of the same parents"},
    {"n_select", MN_ARG_INT, "10", NULL, "drawn for a tournament; truncation: kept"},
    {"n_eliminate", MN_ARG_INT, "1", NULL, "worst ones that are never parents"},
    {"n_crossover", MN_ARG_INT, "null", NULL, "children in a generation, the others are at random; null: all"},
    {"mutation_prob", MN_ARG_REAL, "0.01", NULL, "of a change of each choice of a child"},
    {"selection", MN_ARG_STR, "tournament", "tournament|truncation", "how parents are chosen"},
    {"max_it", MN_ARG_INT, "1000", NULL, "tries for a child that was not met before"},
    MN_POINTS_ARG,
    {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_evolution_component = {
    "optim", "EvolutionOptim", "a genetic algorithm by generations", args, build, NULL};
