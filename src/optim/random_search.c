/* RandomSearchOptim: points of the categorical space, each at most once, all unvisited ones equally likely. */
#include "optim/parts.h"
#include "optim/points.h"

static int ask(mn_optim *o, int32_t n, mn_arch *const *archs, int32_t *n_out) {
    mn_points *p = o->state;
    *n_out = 0;
    while (*n_out < n && !mn_points_are_all(p)) {
        MN_TRY(mn_points_new(p, p->digits));
        mn_points_write(p, p->digits, archs[(*n_out)++]);
    }
    return *n_out || !n ? 0 : mn_points_done(p);
}

static int tell(mn_optim *o, const mn_arch *arch, int status, const mn_metrics *metrics) {
    (void)o, (void)arch, (void)status, (void)metrics; /* what comes next does not depend on what was found */
    return 0;
}

static void destroy(mn_optim *o) {
    mn_points_free(o->state);
}

static int state(mn_optim *o, mn_state *io) {
    return mn_points_state(o->state, io);
}

static const mn_optim_vt vt = {
    .type = "RandomSearchOptim", .ask = ask, .tell = tell, .destroy = destroy, .state = state};

static int fill(mn_optim *o, const mn_args *a, const mn_optim_env *env) {
    return mn_points_init(o->state, a, env, vt.type);
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    return mn_optim_make(&vt, a, env, sizeof(mn_points), fill, out);
}

static const mn_arg_def args[] = {MN_POINTS_ARG, {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_random_search_component = {
    "optim", "RandomSearchOptim", "unvisited points of the space at random", args, build, NULL};
