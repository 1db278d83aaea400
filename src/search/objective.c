/* Objectives: read from the configuration, and outcomes compared by them (see objective.h). */
#include "search/objective.h"

#include <math.h>
#include <string.h>

/* ---- reading ------------------------------------------------------------------------------------------- */

static int add_goal(mn_objective *o, const mn_node *name, double sign) {
    char where[256];
    for (int32_t i = 0; i < o->n_goals; i++)
        if (strcmp(o->goals[i].name, name->text) == 0)
            return mn_fail(o->ctx, MODNAS_ECONFIG, "%s: objective: %s is there twice",
                           mn_node_where(name, where, sizeof where), name->text);
    if (o->n_goals == MN_MAX_GOALS)
        return mn_fail(o->ctx, MODNAS_ECONFIG, "%s: objective: more than %d goals",
                       mn_node_where(name, where, sizeof where), MN_MAX_GOALS);
    o->goals[o->n_goals++] = (mn_goal){name->text, sign};
    return 0;
}

/* The name of a metric, or a list of them. */
static int add_goals(mn_objective *o, const mn_node *names, double sign) {
    if (!names || names->kind == MN_NULL) return 0;
    if (names->kind != MN_SEQ) return add_goal(o, names, sign);
    for (size_t i = 0; i < names->n; i++) MN_TRY(add_goal(o, names->items[i], sign));
    return 0;
}

static int fill(mn_objective *o, const mn_node *section) {
    o->section = mn_node_copy(o->ctx, section);
    if (!o->section) return MODNAS_ENOMEM;
    MN_TRY(add_goals(o, mn_node_get(o->section, "maximize"), 1));
    MN_TRY(add_goals(o, mn_node_get(o->section, "minimize"), -1));
    return mn_limits_new(o->ctx, o->section, &o->limits);
}

int mn_objective_new(modnas_ctx *ctx, const mn_node *section, mn_objective **out) {
    *out = NULL;
    if (!section || section->kind == MN_NULL) return 0;
    mn_objective *o = mn_alloc(ctx, 1, sizeof *o);
    if (!o) return MODNAS_ENOMEM;
    o->ctx = ctx;
    const int rc = fill(o, section);
    if (rc)
        mn_objective_free(o);
    else
        *out = o;
    return rc;
}

void mn_objective_free(mn_objective *o) {
    if (!o) return;
    mn_limits_free(o->limits);
    mn_node_free(o->ctx, o->section);
    mn_free(o->ctx, o);
}

int32_t mn_objective_n_goals(const mn_objective *o) {
    return o && o->n_goals ? o->n_goals : 1;
}

mn_limits *mn_objective_limits(const mn_objective *o) {
    return o ? o->limits : NULL;
}

static int check_name(const mn_objective *o, const char *name, const char *const *names, int32_t n, const char *who) {
    char where[256];
    for (int32_t i = 0; i < n; i++)
        if (strcmp(name, names[i]) == 0) return 0;
    const char *near = mn_suggest(name, names, (size_t)n);
    return mn_fail(o->ctx, MODNAS_ECONFIG, "%s: objective: %s measures no '%.80s'%s%s%s",
                   mn_node_where(o->section, where, sizeof where), who, name, near ? "; did you mean '" : "",
                   near ? near : "", near ? "'?" : "");
}

int mn_objective_check(const mn_objective *o, const char *const *names, int32_t n, const char *who) {
    for (int32_t i = 0; o && i < o->n_goals; i++) MN_TRY(check_name(o, o->goals[i].name, names, n, who));
    for (int32_t i = 0; o && o->limits && i < o->limits->n; i++)
        MN_TRY(check_name(o, o->limits->all[i].metric, names, n, who));
    return 0;
}

/* ---- judging ------------------------------------------------------------------------------------------- */

static double violation(const mn_limit *l, const mn_metrics *m) {
    const double *x = mn_metrics_get(m, l->metric);
    if (!x || mn_limit_obeys(l, *x)) return 0;
    const double excess = l->is_least ? l->bound - *x : *x - l->bound;
    return l->bound != 0 ? excess / fabs(l->bound) : excess;
}

static int goal_value(const mn_objective *o, const mn_goal *g, const mn_metrics *m, double *out) {
    const double *value = mn_metrics_get(m, g->name);
    if (!value) return mn_fail(o->ctx, MODNAS_EINVAL, "the objective needs %.80s, which was not measured", g->name);
    *out = g->sign * *value;
    return 0;
}

/* Values and violation of what did not fail. */
static int measure(const mn_objective *o, const mn_metrics *m, mn_fitness *f) {
    const mn_limits *l = mn_objective_limits(o);
    for (int32_t i = 0; l && i < l->n; i++) f->violation += violation(&l->all[i], m);
    if (!o || !o->n_goals) f->value[0] = mn_metrics_score(m);
    for (int32_t i = 0; o && i < o->n_goals; i++) MN_TRY(goal_value(o, &o->goals[i], m, &f->value[i]));
    return 0;
}

int mn_objective_judge(const mn_objective *o, int status, const mn_metrics *m, mn_fitness *out) {
    mn_fitness f = {.failed = status != 0, .n = mn_objective_n_goals(o)};
    if (!f.failed) MN_TRY(measure(o, m, &f));
    int finite = isfinite(f.violation);
    for (int32_t i = 0; i < f.n; i++) finite &= isfinite(f.value[i]) != 0;
    f.failed |= !finite;
    *out = f;
    return 0;
}

int mn_fitness_is_feasible(const mn_fitness *f) {
    return !f->failed && f->violation == 0;
}

static int sign_of(double x) {
    return (x > 0) - (x < 0);
}

int mn_fitness_compare(const mn_fitness *a, const mn_fitness *b) {
    int better = 0, worse = 0;
    if (a->failed || b->failed) return b->failed - a->failed;
    if (a->violation != b->violation) return sign_of(b->violation - a->violation);
    for (int32_t i = 0; i < a->n; i++) {
        better |= a->value[i] > b->value[i];
        worse |= a->value[i] < b->value[i];
    }
    return better - worse;
}

int mn_fitness_order(const mn_fitness *a, const mn_fitness *b) {
    int order = mn_fitness_compare(a, b);
    for (int32_t i = 0; !a->failed && !b->failed && i < a->n && !order; i++) order = sign_of(a->value[i] - b->value[i]);
    return order;
}

int mn_fitness_state(mn_fitness *f, mn_state *io) {
    MN_TRY(mn_state_range(io, &f->failed, 0, 1));
    MN_TRY(mn_state_range(io, &f->n, 1, MN_MAX_GOALS));
    MN_TRY(mn_state_real(io, &f->violation));
    int finite = isfinite(f->violation) && f->violation >= 0;
    for (int32_t i = 0; i < f->n; i++) {
        MN_TRY(mn_state_real(io, &f->value[i]));
        finite &= isfinite(f->value[i]) != 0;
    }
    return f->failed || finite ? 0 : mn_state_fail(io, "a fitness that is not finite");
}
