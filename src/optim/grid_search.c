/* GridSearchOptim: all points of the categorical space in order, the first parameter's choices fastest, as a number that
 * is counted up. The number has as many digits as there are parameters, so spaces of any size are fine. */
#include <string.h>

#include "optim/parts.h"
#include "optim/points.h"

typedef struct grid_search {
    mn_points points;
    int32_t *at;  /* the next point */
    int32_t done; /* 1: it was the last one */
} grid_search;

static void count_up(grid_search *s) {
    const mn_points *p = &s->points;
    for (int32_t i = 0; i < p->n; i++) {
        if (++s->at[i] < p->choices[i]) return;
        s->at[i] = 0;
    }
    s->done = 1;
}

static int ask(mn_optim *o, int32_t n, mn_arch *const *archs, int32_t *n_out) {
    grid_search *s = o->state;
    *n_out = 0;
    for (; *n_out < n && !s->done; ++*n_out) {
        mn_points_write(&s->points, s->at, archs[*n_out]);
        count_up(s);
    }
    return *n_out || !n ? 0 : mn_points_done(&s->points);
}

static int tell(mn_optim *o, const mn_arch *arch, int status, const mn_metrics *metrics) {
    (void)o, (void)arch, (void)status, (void)metrics;
    return 0;
}

static void destroy(mn_optim *o) {
    grid_search *s = o->state;
    mn_points_free(&s->points);
    mn_free(o->ctx, s->at);
}

static int state(mn_optim *o, mn_state *io) {
    grid_search *s = o->state;
    MN_TRY(mn_state_range(io, &s->done, 0, 1));
    for (int32_t i = 0; i < s->points.n; i++) MN_TRY(mn_state_range(io, &s->at[i], 0, s->points.choices[i] - 1));
    return 0;
}

static const mn_optim_vt vt = {.type = "GridSearchOptim", .ask = ask, .tell = tell, .destroy = destroy, .state = state};

static int fill(mn_optim *o, const mn_args *a, const mn_optim_env *env) {
    grid_search *s = o->state;
    MN_TRY(mn_points_init(&s->points, a, env, vt.type));
    s->at = mn_alloc(o->ctx, (size_t)s->points.n, sizeof *s->at);
    return s->at ? 0 : MODNAS_ENOMEM;
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    return mn_optim_make(&vt, a, env, sizeof(grid_search), fill, out);
}

static const mn_arg_def args[] = {MN_POINTS_ARG, {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_grid_search_component = {
    "optim", "GridSearchOptim", "all points of the space in order", args, build, NULL};
