/* LocalSearchOptim: from an architecture at random to a neighbour that is better, until there is none; then from another
 * one (White, Nolen, Savani 2020).
 *
 * Neighbours differ in one choice. They are tried in random order, and the first that is better is gone to; those that
 * were met before are left out. Nothing comes twice. */
#include <string.h>

#include "optim/parts.h"
#include "optim/proposer.h"

enum { LOOKING, STARTED, CLIMBING }; /* for a start; it has no result yet; from `here` */

typedef struct local_search {
    mn_proposer proposer;
    int32_t phase;
    int32_t *here;       /* CLIMBING: the best so far */
    mn_fitness fitness;  /* its outcome */
    int32_t *start;      /* STARTED */
    int32_t n, at;       /* neighbours, tried so far */
    int32_t *order;      /* of the neighbours: numbers */
    uint64_t step;       /* that the order was drawn in */
} local_search;

static void shuffle(local_search *s) {
    mn_points *p = &s->proposer.points;
    mn_rng rng;
    mn_rng_init(&rng, p->seed, mn_stream("LocalSearchOptim.order"), s->step);
    for (int32_t i = 0; i < s->n; i++) s->order[i] = i;
    mn_rng_shuffle(&rng, s->order, s->n);
}

static void climb_from(local_search *s, const int32_t *digits, const mn_fitness *f) {
    memcpy(s->here, digits, (size_t)s->proposer.points.n * sizeof *s->here);
    s->fitness = *f;
    s->phase = CLIMBING;
    s->at = 0;
    s->step++;
    shuffle(s);
}

/* Neighbour number i: of digit d, one of its choices - 1 others. */
static void neighbour(const local_search *s, int32_t i, int32_t *digits) {
    const mn_points *p = &s->proposer.points;
    memcpy(digits, s->here, (size_t)p->n * sizeof *digits);
    for (int32_t d = 0; d < p->n; i -= p->choices[d++] - 1) {
        if (i >= p->choices[d] - 1) continue;
        digits[d] = i + (i >= digits[d]);
        return;
    }
}

static int next(void *self, int32_t *digits) {
    local_search *s = self;
    mn_points *p = &s->proposer.points;
    int is_new = 0;
    while (s->phase == CLIMBING && s->at < s->n) {
        neighbour(s, s->order[s->at++], digits);
        MN_TRY(mn_points_visit(p, digits, &is_new));
        if (is_new) return 0;
    }
    if (s->phase == STARTED || s->proposer.n) return MN_WAIT; /* one that is out may be better */
    MN_TRY(mn_points_new(p, digits));
    memcpy(s->start, digits, (size_t)p->n * sizeof *digits);
    s->phase = STARTED;
    return 0;
}

static int commit(void *self, const int32_t *digits, const mn_fitness *f, int is_own) {
    local_search *s = self;
    const mn_points *p = &s->proposer.points;
    int is_new;
    if (!is_own) MN_TRY(mn_points_visit(&s->proposer.points, digits, &is_new));
    const int is_start = s->phase == STARTED && mn_points_same(p, digits, s->start);
    if (is_start || (s->phase == CLIMBING && mn_fitness_compare(f, &s->fitness) > 0)) climb_from(s, digits, f);
    return 0;
}

static int ask(mn_optim *o, int32_t n, mn_arch *const *archs, int32_t *n_out) {
    return mn_proposer_ask(&((local_search *)o->state)->proposer, n, archs, n_out);
}

static int tell(mn_optim *o, const mn_arch *arch, int status, const mn_metrics *m) {
    return mn_proposer_tell(&((local_search *)o->state)->proposer, arch, status, m);
}

static void destroy(mn_optim *o) {
    local_search *s = o->state;
    mn_proposer_free(&s->proposer);
    mn_free(o->ctx, s->here);
    mn_free(o->ctx, s->start);
    mn_free(o->ctx, s->order);
}

static int state(mn_optim *o, mn_state *io) {
    local_search *s = o->state;
    const mn_points *p = &s->proposer.points;
    MN_TRY(mn_proposer_state(&s->proposer, io));
    MN_TRY(mn_state_range(io, &s->phase, LOOKING, CLIMBING));
    MN_TRY(mn_state_range(io, &s->at, 0, s->n));
    MN_TRY(mn_state_u64(io, &s->step));
    MN_TRY(mn_points_digits_state(p, s->here, io));
    MN_TRY(mn_points_digits_state(p, s->start, io));
    MN_TRY(mn_fitness_state(&s->fitness, io));
    if (io->loading) shuffle(s);
    return 0;
}

static const mn_optim_vt vt = {.type = "LocalSearchOptim", .ask = ask, .tell = tell, .destroy = destroy, .state = state};

static int fill(mn_optim *o, const mn_args *a, const mn_optim_env *env) {
    local_search *s = o->state;
    const mn_points *p = &s->proposer.points;
    int64_t n = 0;
    s->proposer.self = s;
    s->proposer.next = next;
    s->proposer.commit = commit;
    s->fitness.n = 1;
    MN_TRY(mn_proposer_init(&s->proposer, a, env, vt.type));
    for (int32_t i = 0; i < p->n; i++) n += p->choices[i] - 1;
    if (n > 1 << 24) return mn_fail(o->ctx, MODNAS_ECONFIG, "%s: %lld neighbours", vt.type, (long long)n);
    s->n = (int32_t)n;
    s->here = mn_alloc(o->ctx, (size_t)p->n, sizeof *s->here);
    s->start = mn_alloc(o->ctx, (size_t)p->n, sizeof *s->start);
    s->order = mn_alloc(o->ctx, (size_t)n + 1, sizeof *s->order);
    return s->here && s->start && s->order ? 0 : MODNAS_ENOMEM;
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    return mn_optim_make(&vt, a, env, sizeof(local_search), fill, out);
}

static const mn_arg_def args[] = {MN_POINTS_ARG, {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_local_search_component = {
    "optim", "LocalSearchOptim", "to a better neighbour while there is one, then from elsewhere", args, build, NULL};
