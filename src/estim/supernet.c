/* SuperNetEstim: weights and architecture in turns.
 *
 *   epoch:  for each training batch:
 *               architecture steps, when they are due;  the next path of a proposing optimizer;  a weight step
 *           then evaluate the current best architecture with the shared weights
 *
 * Architecture steps are due in epochs from arch_update_epoch_start on, every arch_update_epoch_intv-th of them, there
 * whenever floor((step + 1) / I) exceeds the updates made in this epoch: I = arch_update_intv, or with -1 the number of
 * training batches over that of validation batches (at least 1: one pass over each an epoch), or with 0 all batches of
 * the epoch (once, at its last step). Each time arch_update_batch steps are made.
 *
 * A proposing optimizer (RandomSearchOptim on index ops) names the path of every weight step. When it has proposed the
 * whole space, paths are drawn at random from then on, repeats included. At the end of an epoch the path of its last
 * step is evaluated and told. */
#include <inttypes.h>
#include <math.h>

#include "config/config.h"
#include "estim/parts.h"

typedef struct supernet {
    int64_t epoch_start, epoch_intv, intv, batch;
    int64_t n_updates; /* in this epoch */
    int64_t end;       /* of e->n_arch_steps: those that the updates so far want */
    double interval;   /* between updates; 0: none in this epoch */
    mn_arch *arch;     /* path of a proposing optimizer; NULL: none was proposed */
    int32_t collapse_alarm;
    int32_t exhausted; /* it has nothing left to propose */
    uint64_t n_drawn;
} supernet;

static int is_gradient(const mn_estim *e) {
    return e->optim->vt->step != NULL;
}

static double interval(const mn_estim *e, int64_t epoch) {
    const supernet *s = e->state;
    const double n_train = (double)mn_trainer_n_train(e->trainer), n_valid = (double)mn_trainer_n_valid(e->trainer);
    if (!is_gradient(e) || epoch < s->epoch_start || (epoch - s->epoch_start) % s->epoch_intv) return 0;
    if (s->intv > 0) return (double)s->intv;
    if (s->intv == 0) return n_train;
    return n_valid > 0 && n_train > n_valid ? n_train / n_valid : 1;
}

static int update_arch(mn_estim *e, int64_t step) {
    supernet *s = e->state;
    if (s->interval != 0 && floor((double)(step + 1) / s->interval) > (double)s->n_updates) {
        s->n_updates++;
        s->end += s->batch;
    }
    while (e->n_arch_steps < s->end) MN_TRY(mn_estim_arch_step(e, NULL));
    return 0;
}

static int draw(mn_estim *e) {
    supernet *s = e->state;
    mn_rng rng;
    mn_rng_init(&rng, e->model->seed, mn_stream("SuperNetEstim"), s->n_drawn++);
    for (int32_t i = 0; i < s->arch->n; i++) {
        const mn_arch_param *p = mn_space_gene(e->model->space, i);
        if (p->type == MN_CATEGORICAL) s->arch->index[i] = (int32_t)mn_rng_below(&rng, (uint64_t)p->n);
    }
    return 0;
}

static int next_path(mn_estim *e) {
    supernet *s = e->state;
    int32_t n;
    if (!e->optim->vt->ask) return 0;
    if (!s->arch) MN_TRY(mn_arch_new(e->model, &s->arch)); /* the host put in another optimizer */
    int rc = s->exhausted ? draw(e) : e->optim->vt->ask(e->optim, 1, &s->arch, &n);
    if (rc == MODNAS_EDONE) {
        mn_log(e->ctx, MODNAS_LOG_INFO, "estim.%s: %s; from here on paths are drawn at random", e->name,
               modnas_errmsg(e->ctx));
        s->exhausted = 1;
        rc = draw(e);
    }
    return rc ? rc : mn_arch_apply(s->arch);
}

static int before_step(mn_estim *e, int64_t step) {
    MN_TRY(update_arch(e, step));
    return next_path(e);
}

/* 1 unless it was interrupted in the middle of it. */
static int is_new_epoch(const mn_estim *e) {
    return !e->epoch_open && e->n_steps == e->epoch * mn_trainer_n_train(e->trainer);
}

/* Said when it begins to be so. */
static int watch(mn_estim *e) {
    const supernet *s = e->state;
    const int was_alarm = e->collapse.is_alarm;
    if (!s->collapse_alarm || !is_gradient(e)) return 0;
    MN_TRY(mn_collapse_measure(e->model, &e->collapse));
    const mn_collapse *c = &e->collapse;
    if (c->is_alarm && !was_alarm)
        mn_log(e->ctx, MODNAS_LOG_WARN,
               "estim.%s: collapse: %d of %d mixed ops that could choose no parameters do so, %.1f were to be expected "
               "(p = %.2g); entropy %.2f",
               e->name, c->n_free, c->n_ops, c->expected, c->p, c->entropy);
    return 0;
}

static int run(mn_estim *e) {
    supernet *s = e->state;
    const int goes_on = e->resumed;
    MN_TRY(mn_estim_begin(e));
    if (!goes_on) s->end = 0;
    while (mn_estim_goes_on(e)) {
        s->interval = interval(e, e->epoch);
        if (is_new_epoch(e)) s->n_updates = 0;
        MN_TRY(mn_estim_train_epoch(e, before_step));
        MN_TRY(mn_estim_evaluate(e, s->arch));
        MN_TRY(watch(e));
        MN_TRY(mn_estim_epoch_done(e));
    }
    return 0;
}

static void destroy(mn_estim *e) {
    mn_arch_free(((supernet *)e->state)->arch);
}

static int state(mn_estim *e, mn_state *io) {
    supernet *s = e->state;
    MN_TRY(mn_state_i64(io, &s->n_updates));
    MN_TRY(mn_state_i64(io, &s->end));
    MN_TRY(mn_state_range(io, &s->exhausted, 0, 1));
    MN_TRY(mn_state_u64(io, &s->n_drawn));
    MN_TRY(mn_state_range(io, &e->collapse.is_alarm, 0, 1)); /* was it said? */
    int32_t has_arch = s->arch != NULL;
    MN_TRY(mn_state_range(io, &has_arch, 0, 1));
    if (has_arch && !s->arch) MN_TRY(mn_arch_new(e->model, &s->arch));
    return has_arch ? mn_arch_state(s->arch, io) : 0;
}

static const mn_estim_vt vt = {.type = "SuperNetEstim",
                               .prepare = mn_estim_prepare,
                               .run = run,
                               .destroy = destroy,
                               .state = state,
                               .searches = MN_SEARCHES_MOVING};

/* ---- making ------------------------------------------------------------------------------------------ */

static int fail(const mn_estim *e, const char *key, int64_t value, const char *want) {
    char where[256];
    return mn_fail(e->ctx, MODNAS_ECONFIG, "%s: estim.%s.%s is %" PRId64 ", it is %s",
                   mn_node_where(e->conf, where, sizeof where), e->name, key, value, want);
}

static int read_conf(mn_estim *e) {
    supernet *s = e->state;
    mn_estim_conf *conf;
    MN_TRY(mn_estim_conf_load(e->ctx, e->conf, &conf));
    s->epoch_start = conf->arch_update_epoch_start;
    s->epoch_intv = conf->arch_update_epoch_intv;
    s->intv = conf->arch_update_intv;
    s->batch = conf->arch_update_batch;
    mn_estim_conf_free(e->ctx, conf);
    if (s->epoch_start < 0) return fail(e, "arch_update_epoch_start", s->epoch_start, "at least 0");
    if (s->epoch_intv < 1) return fail(e, "arch_update_epoch_intv", s->epoch_intv, "at least 1");
    if (s->intv < -1) return fail(e, "arch_update_intv", s->intv, "at least -1");
    return s->batch < 1 ? fail(e, "arch_update_batch", s->batch, "at least 1") : 0;
}

static int fill(mn_estim *e, const mn_args *a) {
    supernet *s = e->state;
    char where[256];
    if (!e->optim)
        return mn_fail(e->ctx, MODNAS_ECONFIG, "%s: estim.%s: SuperNetEstim needs an optimizer, there is no `optim`",
                       mn_node_where(e->conf, where, sizeof where), e->name);
    s->collapse_alarm = mn_args_bool(a, "collapse_alarm");
    MN_TRY(read_conf(e));
    MN_TRY(mn_estim_check_score(e));
    return e->optim->vt->ask ? mn_arch_new(e->model, &s->arch) : 0;
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    MN_TRY(mn_estim_check_trainer(a->ctx, env, vt.type));
    return mn_estim_make(&vt, a, env, sizeof(supernet), fill, out);
}

static const mn_arg_def args[] = {{"collapse_alarm", MN_ARG_BOOL, "true", NULL,
                                   "a gradient search that runs into candidates without parameters is told of"},
                                  {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_supernet_estim_component = {
    "estim", "SuperNetEstim", "trains a supernet: weights and architecture in turns", args, build, NULL};
