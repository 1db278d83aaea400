/* RandomSamplingEstim: trains the weights of a supernet on paths at random, which gives none an advantage (SPOS: Guo et
 * al. 2020).
 *
 *   uniform        one path a step, every architecture equally likely; with `within`, every one whose costs lie in the
 *                  ranges (search/sampler.h)
 *   strictly fair  M paths a step on one batch, their gradients added up for one update (FairNAS: Chu et al. 2021):
 *                  each parameter takes each of its n options M / n times, in random order; M is the least common
 *                  multiple of all n
 *
 * Draws are keyed by seed and step. What was set before is set again at the end. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "config/config.h"
#include "estim/parts.h"
#include "search/sampler.h"

enum { MAX_PATHS = 1000 };

typedef struct sampling {
    uint64_t seed;
    int64_t valid_intv; /* 0: nothing is scored */
    mn_arch *path, *before;
    mn_sampler *sampler;
    int32_t n_paths; /* of a step; 0: one, not strictly fair */
    int32_t *order;  /* strictly fair: of gene i, n_paths options from i n_paths on */
} sampling;

/* ---- steps --------------------------------------------------------------------------------------------- */

static int set_path(int64_t at, void *ud) {
    const sampling *s = ud;
    for (int32_t i = 0; i < s->path->n; i++) s->path->index[i] = s->order[(int64_t)i * s->n_paths + at];
    return mn_arch_apply(s->path);
}

static int step(mn_estim *e, mn_scores *scores) {
    sampling *s = e->state;
    mn_rng rng;
    mn_rng_init(&rng, s->seed, mn_stream("RandomSamplingEstim"), (uint64_t)e->n_steps);
    if (!s->n_paths) {
        MN_TRY(mn_sampler_draw(s->sampler, &rng, s->path->index));
        MN_TRY(mn_arch_apply(s->path));
        return mn_trainer_step(e->trainer, scores);
    }
    for (int32_t i = 0; i < s->path->n; i++) {
        int32_t *order = s->order + (int64_t)i * s->n_paths;
        const int32_t options = mn_space_gene(e->model->space, i)->n;
        for (int32_t k = 0; k < s->n_paths; k++) order[k] = k % options;
        mn_rng_shuffle(&rng, order, s->n_paths);
    }
    return mn_trainer_step_paths(e->trainer, s->n_paths, 0, set_path, s, scores);
}

static int prepare(mn_estim *e) {
    const sampling *s = e->state;
    MN_TRY(mn_trainer_prepare(e->trainer, 0, 0));
    return s->n_paths ? mn_trainer_prepare_paths(e->trainer) : 0;
}

static int epochs(mn_estim *e) {
    const sampling *s = e->state;
    while (mn_estim_goes_on(e)) {
        const int64_t made = e->epoch + 1;
        MN_TRY(mn_estim_train_epoch(e, NULL));
        MN_TRY(mn_arch_apply(s->before));
        if (s->valid_intv && (made % s->valid_intv == 0 || made == e->epochs)) MN_TRY(mn_estim_evaluate(e, NULL));
        MN_TRY(mn_estim_epoch_done(e));
    }
    return 0;
}

static int run(mn_estim *e) {
    sampling *s = e->state;
    const int goes_on = e->resumed;
    MN_TRY(mn_estim_begin(e));
    if (!goes_on) mn_arch_read(s->before);
    const int rc = epochs(e), undone = mn_arch_apply(s->before);
    return rc ? rc : undone;
}

static void destroy(mn_estim *e) {
    sampling *s = e->state;
    mn_arch_free(s->path);
    mn_arch_free(s->before);
    mn_sampler_free(s->sampler);
    mn_free(e->ctx, s->order);
}

/* Draws are keyed by the step. */
static int state(mn_estim *e, mn_state *io) {
    return mn_arch_state(((sampling *)e->state)->before, io);
}

static const mn_estim_vt vt = {.type = "RandomSamplingEstim",
                               .prepare = prepare,
                               .run = run,
                               .destroy = destroy,
                               .weight_step = step,
                               .state = state};

/* ---- ranges of costs ----------------------------------------------------------------------------------- */

/* A number or a quantity ("60M") in costs, `unit` for one; null: `open`. */
static int read_bound(const mn_args *a, const mn_node *n, double unit, int64_t open, int64_t *out) {
    double x = 0;
    char what[128];
    if (n->kind == MN_NULL) {
        *out = open;
        return 0;
    }
    const int is_number = n->kind == MN_INT || n->kind == MN_REAL;
    if (is_number) x = n->r;
    const int failed = !is_number && (n->kind != MN_STR || mn_quantity(n->text, &x));
    x = round(x * unit);
    if (failed || !(x >= -1e18 && x <= 1e18))
        return mn_args_fail(a, "within", "holds %s, not a number", mn_node_what(n, what, sizeof what));
    *out = (int64_t)x;
    return 0;
}

static int read_range(const mn_estim *e, const mn_args *a, const char *name, const mn_node *range, mn_cost_range *r) {
    int32_t input[3];
    if (range->kind != MN_SEQ || range->n != 2)
        return mn_args_fail(a, "within", "has no [least, most] for %.40s", name);
    r->name = name;
    const double unit = mn_cost_unit(name);
    MN_TRY(read_bound(a, range->items[0], unit, INT64_MIN, &r->low));
    MN_TRY(read_bound(a, range->items[1], unit, INT64_MAX, &r->high));
    mn_trainer_input(e->trainer, input);
    return mn_costs_named(e->model, name, input, &r->costs);
}

/* Names of ranges live as long as the section that they are written in. */
static int make_sampler(mn_estim *e, const mn_args *a) {
    sampling *s = e->state;
    const mn_node *within = mn_args_node(a, "within"), *given = mn_node_path(e->conf, "args.within");
    const size_t n = within ? within->n : 0;
    mn_cost_range *ranges = mn_alloc(e->ctx, n + 1, sizeof *ranges);
    int rc = ranges ? 0 : MODNAS_ENOMEM;
    size_t i = 0;
    for (; i < n && !rc; i++) rc = read_range(e, a, given ? given->keys[i] : "cost", within->items[i], &ranges[i]);
    if (rc) {
        for (size_t k = 0; ranges && k < i; k++) mn_costs_free(&ranges[k].costs);
    } else {
        rc = mn_sampler_new(e->model, ranges, (int32_t)n, &s->sampler);
    }
    mn_free(e->ctx, ranges);
    return rc;
}

/* ---- making -------------------------------------------------------------------------------------------- */

static int64_t gcd(int64_t a, int64_t b) {
    return b ? gcd(b, a % b) : a;
}

static int make_orders(mn_estim *e, const mn_args *a) {
    sampling *s = e->state;
    int64_t m = 1;
    if (mn_args_given(a, "within")) return mn_args_fail(a, "strict", "true, and `within`: one of them");
    for (int32_t i = 0; i < s->path->n && m <= MAX_PATHS; i++) {
        const int64_t n = mn_space_gene(e->model->space, i)->n;
        m = m / gcd(m, n) * n;
    }
    if (m > MAX_PATHS)
        return mn_args_fail(a, "strict", "true: the least common multiple of the numbers of options is over %d",
                            MAX_PATHS);
    s->n_paths = (int32_t)m;
    s->order = mn_alloc(e->ctx, (size_t)s->path->n, (size_t)m * sizeof *s->order);
    return s->order ? 0 : MODNAS_ENOMEM;
}

static int fill(mn_estim *e, const mn_args *a) {
    sampling *s = e->state;
    char where[256];
    s->seed = mn_args_given(a, "seed") ? (uint64_t)mn_args_int(a, "seed") : e->model->seed;
    s->valid_intv = mn_args_given(a, "valid_intv") ? mn_args_int(a, "valid_intv") : 0;
    if (s->valid_intv < 0) return mn_args_fail(a, "valid_intv", "is %" PRId64 ", it is at least 0", s->valid_intv);
    if (s->valid_intv && !mn_estim_can_score(e))
        return mn_args_fail(a, "valid_intv", "is given, but there is no validation data");
    if (!mn_space_n_genes(e->model->space))
        return mn_fail(e->ctx, MODNAS_ECONFIG, "%s: estim.%s: RandomSamplingEstim: model %s has nothing to choose",
                       mn_node_where(e->conf, where, sizeof where), e->name, e->model->type);
    MN_TRY(mn_arch_new(e->model, &s->path));
    MN_TRY(mn_arch_new(e->model, &s->before));
    return mn_args_bool(a, "strict") ? make_orders(e, a) : make_sampler(e, a);
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    MN_TRY(mn_estim_check_trainer(a->ctx, env, vt.type));
    return mn_estim_make(&vt, a, env, sizeof(sampling), fill, out);
}

static const mn_arg_def args[] = {
    {"seed", MN_ARG_INT, "null", NULL, "of the paths; null: the run's"},
    {"strict", MN_ARG_BOOL, "false", NULL, "strictly fair: every step trains each option as often as the others"},
    {"within", MN_ARG_MAP, "null", NULL,
     "{macs: [least, most], params: [...], latency_ms: [...]}: only paths with such costs; null is no bound"},
    {"valid_intv", MN_ARG_INT, "null", NULL,
     "epochs between two scores of the network that the model is reduced to; null: none"},
    {"save_best", MN_ARG_BOOL, "true", NULL, "taken for old configurations: the best is always saved"},
    {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_random_sampling_estim_component = {
    "estim", "RandomSamplingEstim", "trains the weights on paths at random", args, build, NULL};
