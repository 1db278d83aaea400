/* RegularizedEvolutionOptim: aging evolution (Real, Aggarwal, Huang, Le 2019).
 *
 *   the first pop_size architectures at random; then each is the best of n_select drawn from the population, with
 *   replacement, with one choice changed. The youngest comes in, the oldest goes.
 *
 * Architectures may come again, and count. What failed is worse than anything else, and ages as well. */
#include <string.h>

#include "optim/parts.h"
#include "optim/proposer.h"

typedef struct aging {
    mn_proposer proposer;
    int32_t pop_size, n_select;
    double mutation_prob; /* < 0: one choice */
    int64_t n_asked;
    int32_t n, first; /* of the population: members, place of the oldest */
    int32_t *digits;
    mn_fitness *fitness;
} aging;

/* Place of the winner; the first drawn of equal ones. */
static int32_t tournament(const aging *s, mn_rng *rng) {
    int32_t best = (int32_t)mn_rng_below(rng, (uint64_t)s->n);
    for (int32_t i = 1; i < s->n_select; i++) {
        const int32_t other = (int32_t)mn_rng_below(rng, (uint64_t)s->n);
        if (mn_fitness_compare(&s->fitness[other], &s->fitness[best]) > 0) best = other;
    }
    return best;
}

static int next(void *self, int32_t *digits) {
    aging *s = self;
    mn_points *p = &s->proposer.points;
    mn_rng rng;
    mn_points_rng(p, &rng);
    if (s->n_asked++ < s->pop_size || !s->n) {
        mn_points_draw(p, &rng, digits);
        return 0;
    }
    memcpy(digits, mn_points_at(p, s->digits, tournament(s, &rng)), (size_t)p->n * sizeof *digits);
    if (s->mutation_prob < 0 || !mn_points_mutate(p, &rng, s->mutation_prob, digits))
        mn_points_mutate_one(p, &rng, digits);
    return 0;
}

static int commit(void *self, const int32_t *digits, const mn_fitness *f, int is_own) {
    aging *s = self;
    const mn_points *p = &s->proposer.points;
    const int32_t at = s->n < s->pop_size ? s->n++ : s->first;
    (void)is_own;
    if (at == s->first && s->n == s->pop_size) s->first = (s->first + 1) % s->pop_size;
    memcpy(mn_points_at(p, s->digits, at), digits, (size_t)p->n * sizeof *digits);
    s->fitness[at] = *f;
    return 0;
}

static int ask(mn_optim *o, int32_t n, mn_arch *const *archs, int32_t *n_out) {
    return mn_proposer_ask(&((aging *)o->state)->proposer, n, archs, n_out);
}

static int tell(mn_optim *o, const mn_arch *arch, int status, const mn_metrics *m) {
    return mn_proposer_tell(&((aging *)o->state)->proposer, arch, status, m);
}

static void destroy(mn_optim *o) {
    aging *s = o->state;
    mn_proposer_free(&s->proposer);
    mn_free(o->ctx, s->digits);
    mn_free(o->ctx, s->fitness);
}

static int state(mn_optim *o, mn_state *io) {
    aging *s = o->state;
    const mn_points *p = &s->proposer.points;
    MN_TRY(mn_proposer_state(&s->proposer, io));
    MN_TRY(mn_state_i64(io, &s->n_asked));
    MN_TRY(mn_state_range(io, &s->n, 0, s->pop_size));
    MN_TRY(mn_state_range(io, &s->first, 0, s->pop_size - 1));
    for (int32_t i = 0; i < s->n; i++) {
        MN_TRY(mn_points_digits_state(p, mn_points_at(p, s->digits, i), io));
        MN_TRY(mn_fitness_state(&s->fitness[i], io));
    }
    return 0;
}

static const mn_optim_vt vt = {
    .type = "RegularizedEvolutionOptim", .ask = ask, .tell = tell, .destroy = destroy, .state = state};

static int fill(mn_optim *o, const mn_args *a, const mn_optim_env *env) {
    aging *s = o->state;
    s->proposer.self = s;
    s->proposer.next = next;
    s->proposer.commit = commit;
    MN_TRY(mn_points_count(a, "pop_size", 1, &s->pop_size));
    MN_TRY(mn_points_count(a, "n_select", 1, &s->n_select));
    s->mutation_prob = mn_args_given(a, "mutation_prob") ? mn_args_real(a, "mutation_prob") : -1;
    if (s->mutation_prob > 1) return mn_args_fail(a, "mutation_prob", "is %g, a probability", s->mutation_prob);
    mn_args_warn_unused(a);
    MN_TRY(mn_proposer_init(&s->proposer, a, env, vt.type));
    s->digits = mn_alloc(o->ctx, (size_t)s->pop_size * (size_t)s->proposer.points.n, sizeof *s->digits);
    s->fitness = mn_alloc(o->ctx, (size_t)s->pop_size, sizeof *s->fitness);
    return s->digits && s->fitness ? 0 : MODNAS_ENOMEM;
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    return mn_optim_make(&vt, a, env, sizeof(aging), fill, out);
}

static const mn_arg_def args[] = {
    {"pop_size", MN_ARG_INT, "100", NULL, "architectures that live at a time"},
    {"n_select", MN_ARG_INT, "10", NULL, "of them drawn for a tournament, with replacement"},
    {"mutation_prob", MN_ARG_REAL, "null", NULL, "of a change of each choice, at least one changes; null: exactly one"},
    {"n_eliminate", MN_ARG_INT, "null", NULL, MN_UNUSED_ARG},
    {"n_parents", MN_ARG_INT, "null", NULL, MN_UNUSED_ARG},
    {"n_offsprings", MN_ARG_INT, "null", NULL, MN_UNUSED_ARG},
    {"n_crossover", MN_ARG_INT, "null", NULL, MN_UNUSED_ARG},
    MN_POINTS_ARG,
    {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_aging_component = {
    "optim", "RegularizedEvolutionOptim", "aging evolution: the best of a sample changed, the oldest goes", args, build,
    NULL};
