/* OptimumReporter: which evaluations are new optima, and the set of them.
 *
 * An architecture is compared by keys: metrics, each of which is to be more (max) or less (min). The set of an estimator
 * holds those found that obey the limits and that none dominates. With tolerances t it is an approximation (additive
 * epsilon-dominance: Laumanns et al. 2002): x is no new optimum if some member m has m_k + t_k >= x_k in all keys k, the
 * more the better. So whatever was evaluated, a member is at most t worse. Of one key the first of equals stays; of
 * several, others with the same values are kept beside it, and are no new optima. */
#include <math.h>
#include <string.h>

#include "callback/parts.h"
#include "search/found.h"

#define SCORE "default" /* the original's name of an only metric: the score; with a cmp_fn, the first metric */

typedef struct key {
    char *name;  /* owned */
    double sign; /* 1: max, -1: min, 0: the score */
    double tolerance;
} key;

typedef struct member {
    mn_found found;
    mn_fitness fitness;
} member;

typedef struct set { /* of an estimator */
    char *estim;     /* owned */
    mn_vec members;  /* in the order in which they were found */
    mn_fitness of_epoch; /* the best of this epoch; failed: none */
} set;

typedef struct optimum {
    int32_t n_keys, stat_epoch;
    key keys[MN_MAX_GOALS];
    mn_vec sets;
} optimum;

/* ---- sets ---------------------------------------------------------------------------------------------- */

static const mn_fitness none = {.failed = 1, .n = 1};

static member *at(const set *s, size_t i) {
    return &MN_AT(s->members, member, i);
}

static void drop(modnas_ctx *ctx, set *s, size_t i) {
    mn_free(ctx, at(s, i)->found.arch);
    memmove(at(s, i), at(s, i + 1), (s->members.n - i - 1) * sizeof(member));
    s->members.n--;
}

static void free_sets(modnas_ctx *ctx, optimum *o) {
    for (; o->sets.n; o->sets.n--) {
        set *s = &MN_AT(o->sets, set, o->sets.n - 1);
        while (s->members.n) drop(ctx, s, s->members.n - 1);
        mn_vec_free(ctx, &s->members);
        mn_free(ctx, s->estim);
    }
}

static set *find(const optimum *o, const char *estim) {
    for (size_t i = 0; i < o->sets.n; i++)
        if (strcmp(MN_AT(o->sets, set, i).estim, estim) == 0) return &MN_AT(o->sets, set, i);
    return NULL;
}

/* Takes estim. */
static set *add_set(modnas_ctx *ctx, optimum *o, char *estim) {
    set s = {.estim = estim, .of_epoch = none};
    mn_vec_init(&s.members, sizeof(member));
    set *added = estim ? mn_vec_push(ctx, &o->sets, &s, 1) : NULL;
    if (!added) mn_free(ctx, estim);
    return added;
}

/* ---- optima -------------------------------------------------------------------------------------------- */

/* NULL: it was not measured. */
static const double *value_of(const key *k, const mn_evaluation *v) {
    if (k->sign == 0) return &v->score;
    if (strcmp(k->name, SCORE) != 0) return mn_metrics_get(v->metrics, k->name);
    return v->metrics->n ? &v->metrics->value[0] : NULL;
}

static double raw(const key *k, double value) {
    return k->sign == 0 ? value : k->sign * value;
}

/* What obeys all limits, by the keys. */
static int judge(const mn_callback *c, const mn_evaluation *v, mn_fitness *out) {
    const optimum *o = c->own;
    *out = (mn_fitness){.n = o->n_keys};
    for (int32_t i = 0; i < o->n_keys; i++) {
        const key *k = &o->keys[i];
        const double *x = value_of(k, v);
        if (!x)
            return mn_fail(c->ctx, MODNAS_EINVAL, "OptimumReporter.cmp_keys: estim.%s does not measure '%.80s'",
                           v->estim, k->name);
        out->value[i] = raw(k, *x);
        out->failed |= !isfinite(out->value[i]);
    }
    return 0;
}

static int covers(const optimum *o, const mn_fitness *m, const mn_fitness *x) {
    for (int32_t i = 0; i < o->n_keys; i++)
        if (m->value[i] + o->keys[i].tolerance < x->value[i]) return 0;
    return 1;
}

enum { COVERED, EQUAL, NEW };

static int compare(const optimum *o, const set *s, const mn_fitness *x, const char *arch) {
    int verdict = NEW;
    for (size_t i = 0; i < s->members.n; i++) {
        const member *m = at(s, i);
        if (strcmp(m->found.arch, arch) == 0 && mn_fitness_compare(x, &m->fitness) <= 0) return COVERED;
        if (!covers(o, &m->fitness, x)) continue;
        if (mn_fitness_order(&m->fitness, x) != 0 || o->n_keys == 1) return COVERED;
        verdict = EQUAL;
    }
    return verdict;
}

/* Takes m->found.arch. */
static int add(mn_callback *c, set *s, const member *m, int *is_opt) {
    const int verdict = compare(c->own, s, &m->fitness, m->found.arch);
    *is_opt = 0;
    if (verdict == COVERED || !mn_vec_push(c->ctx, &s->members, m, 1)) {
        mn_free(c->ctx, m->found.arch);
        return verdict == COVERED ? 0 : MODNAS_ENOMEM;
    }
    for (size_t i = s->members.n - 1; i-- > 0;)
        if (mn_fitness_compare(&m->fitness, &at(s, i)->fitness) > 0) drop(c->ctx, s, i);
    *is_opt = verdict == NEW;
    return 0;
}

static int evaluated(mn_callback *c, mn_estim *e, const mn_evaluation *v, int *is_opt) {
    optimum *o = c->own;
    set *s = find(o, e->name);
    member m;
    *is_opt = 0;
    if (!mn_fitness_is_feasible(v->fitness)) return 0;
    MN_TRY(judge(c, v, &m.fitness));
    if (m.fitness.failed) return 0;
    if (!s && !(s = add_set(c->ctx, o, mn_strdup(c->ctx, e->name)))) return MODNAS_ENOMEM;
    if (mn_fitness_order(&m.fitness, &s->of_epoch) > 0) s->of_epoch = m.fitness;
    MN_TRY(mn_found_of(c->ctx, v, &m.found));
    return add(c, s, &m, is_opt);
}

/* ---- what is told -------------------------------------------------------------------------------------- */

/* Number of the member that comes behind `last` in the order of the list; n: none. Equal ones as they were found. */
static size_t next(const set *s, size_t last) {
    const size_t n = s->members.n;
    size_t best = n;
    for (size_t i = 0; i < n; i++) {
        const int to_last = last < n ? mn_fitness_order(&at(s, i)->fitness, &at(s, last)->fitness) : -1;
        if (to_last > 0 || (to_last == 0 && i <= last)) continue;
        if (best == n || mn_fitness_order(&at(s, i)->fitness, &at(s, best)->fitness) > 0) best = i;
    }
    return best;
}

static int begin(mn_callback *c, mn_estim *e) {
    set *s = find(c->own, e->name);
    if (s) s->of_epoch = none;
    return 0;
}

static int epoch_done(mn_callback *c, mn_estim *e, mn_str *line) {
    const optimum *o = c->own;
    set *s = find(o, e->name);
    if (!s || !s->members.n) return 0;
    if (o->stat_epoch && !s->of_epoch.failed)
        mn_callback_tell(line, "Epoch Opt: %.4f", raw(&o->keys[0], s->of_epoch.value[0]));
    mn_callback_tell(line, "Opt: %.4f", raw(&o->keys[0], at(s, next(s, s->members.n))->fitness.value[0]));
    s->of_epoch = none;
    return 0;
}

/* All of several keys; of one it is the best of results.json. */
static void results(const mn_callback *c, const mn_estim *e, mn_str *out) {
    const optimum *o = c->own;
    const set *s = find(o, e->name);
    const size_t n = s ? s->members.n : 0;
    if (o->n_keys < 2) return;
    mn_str_add(out, ",\"front\":[");
    for (size_t i = n ? next(s, n) : 0, n_told = 0; i < n; i = next(s, i), n_told++) {
        const mn_found *f = &at(s, i)->found;
        if (n_told) mn_str_add(out, ",");
        mn_found_json(out, f->arch, f->score, &f->metrics);
    }
    mn_str_add(out, "]");
}

/* ---- state --------------------------------------------------------------------------------------------- */

static int fitness_state(const optimum *o, mn_fitness *f, mn_state *io) {
    MN_TRY(mn_fitness_state(f, io));
    return f->failed || f->n == o->n_keys ? 0 : mn_state_fail(io, "%d values of %d keys", f->n, o->n_keys);
}

static int set_state(const optimum *o, set *s, mn_state *io) {
    uint64_t n = s->members.n;
    MN_TRY(fitness_state(o, &s->of_epoch, io));
    MN_TRY(mn_state_count(io, &n, 8));
    for (uint64_t i = 0; i < n; i++) {
        if (io->loading && !mn_vec_push(io->ctx, &s->members, NULL, 1)) return MODNAS_ENOMEM;
        member *m = at(s, (size_t)i);
        MN_TRY(mn_found_state(&m->found, io));
        MN_TRY(fitness_state(o, &m->fitness, io));
        if (!mn_fitness_is_feasible(&m->fitness)) return mn_state_fail(io, "optimum %llu is none", (unsigned long long)i);
    }
    return 0;
}

static int state(mn_callback *c, mn_state *io) {
    optimum *o = c->own;
    uint64_t n = o->sets.n;
    MN_TRY(mn_state_count(io, &n, 8));
    if (io->loading) free_sets(c->ctx, o);
    for (uint64_t i = 0; i < n; i++) {
        char *estim = io->loading ? NULL : MN_AT(o->sets, set, i).estim;
        MN_TRY(mn_state_text(io, &estim));
        if (!estim) return mn_state_fail(io, "the name of an estimator is missing");
        if (io->loading && !add_set(c->ctx, o, estim)) return MODNAS_ENOMEM;
        MN_TRY(set_state(o, &MN_AT(o->sets, set, i), io));
    }
    return 0;
}

static void destroy(mn_callback *c) {
    optimum *o = c->own;
    if (o->sets.elem) free_sets(c->ctx, o);
    if (o->sets.elem) mn_vec_free(c->ctx, &o->sets);
    for (int32_t i = 0; i < o->n_keys; i++) mn_free(c->ctx, o->keys[i].name);
}

static const mn_callback_vt vt = {.type = "OptimumReporter",
                                  .begin = begin,
                                  .evaluated = evaluated,
                                  .epoch_done = epoch_done,
                                  .results = results,
                                  .state = state,
                                  .destroy = destroy};

/* ---- keys ---------------------------------------------------------------------------------------------- */

static key *key_of(optimum *o, const char *name) {
    for (int32_t i = 0; i < o->n_keys; i++)
        if (strcmp(o->keys[i].name, name) == 0) return &o->keys[i];
    return NULL;
}

static int add_key(mn_callback *c, const mn_args *a, const char *name, double sign) {
    optimum *o = c->own;
    if (key_of(o, name)) return mn_args_fail(a, "cmp_keys", "'%.80s' is there twice", name);
    if (o->n_keys == MN_MAX_GOALS) return mn_args_fail(a, "cmp_keys", "more than %d keys", MN_MAX_GOALS);
    char *copy = mn_strdup(c->ctx, name);
    if (!copy) return MODNAS_ENOMEM;
    o->keys[o->n_keys++] = (key){copy, sign, 0};
    return 0;
}

/* As the objective has it, else as its name says. */
static double sign_of(const mn_objective *objective, const char *name) {
    for (int32_t i = 0; objective && i < objective->n_goals; i++)
        if (strcmp(objective->goals[i].name, name) == 0) return objective->goals[i].sign;
    return strcmp(name, SCORE) == 0 ? 0 : mn_metric_sign(name);
}

/* Those given, else the goals of the objective, else the score. */
static int read_keys(mn_callback *c, const mn_args *a) {
    const mn_objective *objective = c->env.objective;
    const mn_node *given = mn_args_node(a, "cmp_keys");
    const int32_t n_goals = objective ? objective->n_goals : 0;
    for (size_t i = 0; given && i < given->n; i++) {
        const char *name = given->items[i]->kind == MN_STR ? given->items[i]->text : "";
        if (!*name) return mn_args_fail(a, "cmp_keys", "names of metrics are wanted");
        MN_TRY(add_key(c, a, name, sign_of(objective, name)));
    }
    if (given) return given->n ? 0 : mn_args_fail(a, "cmp_keys", "no key to compare by");
    for (int32_t i = 0; i < n_goals; i++) MN_TRY(add_key(c, a, objective->goals[i].name, objective->goals[i].sign));
    return n_goals ? 0 : add_key(c, a, SCORE, 0);
}

/* A map by keys. */
static int read_map(mn_callback *c, const mn_args *a, const char *arg,
                    int (*read)(key *k, const mn_args *a, const mn_node *v)) {
    const mn_node *map = mn_args_node(a, arg);
    for (size_t i = 0; map && i < map->n; i++) {
        key *k = key_of(c->own, map->keys[i]);
        if (!k) return mn_args_fail(a, arg, "'%.80s' is none of the keys that are compared by", map->keys[i]);
        MN_TRY(read(k, a, map->items[i]));
    }
    return 0;
}

static int read_fn(key *k, const mn_args *a, const mn_node *v) {
    const int is_max = v->kind == MN_STR && strcmp(v->text, "max") == 0;
    if (!is_max && !(v->kind == MN_STR && strcmp(v->text, "min") == 0))
        return mn_args_fail(a, "cmp_fn", "%.80s: max or min is wanted", k->name);
    k->sign = is_max ? 1 : -1;
    return 0;
}

static int read_tolerance(key *k, const mn_args *a, const mn_node *v) {
    if ((v->kind != MN_INT && v->kind != MN_REAL) || !(v->r >= 0) || !isfinite(v->r))
        return mn_args_fail(a, "cmp_th", "%.80s: a number that is at least 0 is wanted", k->name);
    k->tolerance = v->r;
    return 0;
}

static int fill(mn_callback *c, const mn_args *a) {
    optimum *o = c->own;
    mn_vec_init(&o->sets, sizeof(set));
    o->stat_epoch = mn_args_bool(a, "stat_epoch");
    MN_TRY(read_keys(c, a));
    MN_TRY(read_map(c, a, "cmp_fn", read_fn));
    return read_map(c, a, "cmp_th", read_tolerance);
}

static int build(const mn_component *component, const mn_args *a, const void *env, void *out) {
    (void)component;
    return mn_callback_make(&vt, a, env, sizeof(optimum), fill, out);
}

static const mn_arg_def args[] = {
    {"cmp_keys", MN_ARG_LIST, "null", NULL, "metrics to compare by, `default` is the score; null: the goals of `objective`"},
    {"cmp_fn", MN_ARG_MAP, "null", NULL, "{key: max or min}; else as `objective` has it, or less of what costs"},
    {"cmp_th", MN_ARG_MAP, "null", NULL, "{key: by how much a new optimum has to be better}, default 0"},
    {"score_fn", MN_ARG_ANY, "null", NULL, MN_UNUSED_ARG},
    {"format_fn", MN_ARG_ANY, "null", NULL, MN_UNUSED_ARG},
    {"stat_epoch", MN_ARG_BOOL, "true", NULL, "the best of each epoch stands in its line, too"},
    {NULL, 0, NULL, NULL, NULL}};
const mn_component mn_optimum_reporter_component = {
    "callback", "OptimumReporter", "new optima by one or several metrics, and the set of them", args, build, NULL};
