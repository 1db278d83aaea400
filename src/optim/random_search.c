/* RandomSearchOptim: points of the categorical space, each at most once, all unvisited ones equally likely.
 *
 * A point is drawn digit by digit, one for each parameter, and drawn again when it was visited, so no number of the
 * size of the space is ever needed: spaces far above 2^64 are fine. Visited points lie one behind the other in
 * `digits`; a hash table of their numbers finds them again. Drawing again costs size / left tries on average, size
 * ln(size) for the whole space. */
#include <inttypes.h>
#include <string.h>

#include "optim/parts.h"
#include "optim/visited.h"

typedef struct random_search {
    uint64_t seed, step;
    int32_t *gene;    /* of an architecture, by digit: the categorical ones */
    int32_t *choices; /* by digit */
    int32_t *digits;  /* work space */
    int32_t n_digits;
    mn_visited visited;
} random_search;

static int ask(mn_optim *o, int32_t n, mn_arch *const *archs, int32_t *n_out) {
    random_search *s = o->state;
    *n_out = 0;
    while (*n_out < n && s->visited.n < s->visited.size) {
        int is_new = 0;
        while (!is_new) {
            mn_rng rng;
            mn_rng_init(&rng, s->seed, mn_stream("RandomSearchOptim"), s->step++);
            for (int32_t i = 0; i < s->n_digits; i++)
                s->digits[i] = (int32_t)mn_rng_below(&rng, (uint64_t)s->choices[i]);
            MN_TRY(mn_visited_add(&s->visited, s->digits, &is_new));
        }
        for (int32_t i = 0; i < s->n_digits; i++) archs[*n_out]->index[s->gene[i]] = s->digits[i];
        ++*n_out;
    }
    if (*n_out || !n) return 0;
    return mn_fail(o->ctx, MODNAS_EDONE, "all %" PRIu64 " architectures were proposed", s->visited.size);
}

static int tell(mn_optim *o, const mn_arch *arch, int status, const mn_metrics *metrics) {
    (void)o;
    (void)arch;
    (void)status;
    (void)metrics; /* what comes next does not depend on what was found */
    return 0;
}

static void destroy(mn_optim *o) {
    random_search *s = o->state;
    mn_free(o->ctx, s->gene);
    mn_free(o->ctx, s->choices);
    mn_free(o->ctx, s->digits);
    mn_visited_free(&s->visited);
}

static int state(mn_optim *o, mn_state *io) {
    random_search *s = o->state;
    MN_TRY(mn_state_u64(io, &s->step));
    return mn_visited_state(&s->visited, io);
}

static const mn_optim_vt vt = {
    .type = "RandomSearchOptim", .ask = ask, .tell = tell, .destroy = destroy, .state = state};

static int fill(mn_optim *o, const mn_args *a, const mn_optim_env *env, int32_t n) {
    random_search *s = o->state;
    s->seed = mn_args_given(a, "seed") ? (uint64_t)mn_args_int(a, "seed") : env->seed;
    s->gene = mn_alloc(o->ctx, (size_t)n, sizeof *s->gene);
    s->choices = mn_alloc(o->ctx, (size_t)n, sizeof *s->choices);
    s->digits = mn_alloc(o->ctx, (size_t)n, sizeof *s->digits);
    if (!s->gene || !s->choices || !s->digits) return MODNAS_ENOMEM;
    for (int32_t i = 0; i < mn_space_n_genes(env->model->space); i++) {
        const mn_arch_param *p = mn_space_gene(env->model->space, i);
        if (p->type != MN_CATEGORICAL) continue;
        s->gene[s->n_digits] = i;
        s->choices[s->n_digits++] = p->n;
    }
    return mn_visited_init(&s->visited, o->ctx, s->choices, n);
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    const mn_optim_env *e = env;
    const int32_t n = e->model->space ? mn_space_n_categorical(e->model->space) : 0;
    mn_optim *o;
    (void)c;
    if (!n)
        return mn_fail(a->ctx, MODNAS_ECONFIG,
                       "RandomSearchOptim: model %s has no categorical parameters (its mixed ops: %s)", e->model->type,
                       mn_model_n_mixed(e->model) ? mn_model_mixed(e->model, 0)->vt->type : "none");
    MN_TRY(mn_optim_new(&vt, a->ctx, e, sizeof(random_search), &o));
    const int rc = fill(o, a, e, n);
    if (rc)
        mn_optim_free(o);
    else
        *(mn_optim **)out = o;
    return rc;
}

static const mn_arg_def args[] = {{"seed", MN_ARG_INT, "null", NULL, "of the draws; null: the run's"},
                                  {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_random_search_component = {
    "optim", "RandomSearchOptim", "unvisited points of the space at random", args, build, NULL};
