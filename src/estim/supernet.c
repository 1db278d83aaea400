/* SuperNetEstim: weights and architecture in turns.
 *
 *   gradients  epoch:  for each training batch:  architecture steps, when they are due;  a weight step
 *                      evaluate the current best architecture with the shared weights
 *   proposals  epoch:  for each training batch:  a weight step on a path drawn uniformly;  then, when they are due, ask
 *                      for architectures;  evaluate each with the shared weights, and tell
 *
 * These are due in epochs from arch_update_epoch_start on, every arch_update_epoch_intv-th of them, there whenever
 * floor(weight steps of the epoch / I) exceeds the updates made in it, the step to come counted for gradients. I =
 * arch_update_intv, or with 0 all batches of the epoch (once), or with -1 the number of training batches over that of
 * validation batches (at least 1): one pass over each an epoch, which is what one evaluation takes, so for proposals -1
 * is as 0. Each time it is arch_update_batch steps or architectures.
 *
 * Proposals are not what is trained: an optimizer would have to wait for results of many, and those that it favours
 * would be favoured by their weights too. When the whole space was proposed, architectures drawn at random are
 * evaluated in their place. Draws are keyed by the steps and evaluations made. */
#include <inttypes.h>
#include <math.h>

#include "config/config.h"
#include "estim/parts.h"
#include "estim/proposed.h"

enum { ALARM_EPOCHS = 3 };

typedef struct supernet {
    int64_t epoch_start, epoch_intv, intv, batch;
    int64_t n_updates; /* in this epoch */
    int64_t end;       /* of e->n_arch_steps: those that the updates so far want */
    double interval;   /* between updates; 0: none in this epoch */
    mn_arch *path;     /* trained beside an optimizer that proposes; NULL: none did */
    mn_proposed proposed;
    int32_t collapse_alarm;
    int32_t n_alarms;  /* epochs in a row, with an alarm at the end of each */
    int32_t exhausted; /* the optimizer has nothing left to propose */
} supernet;

static int is_gradient(const mn_estim *e) {
    return e->optim->vt->step != NULL;
}

/* ---- proposals ----------------------------------------------------------------------------------------- */

/* Room for an optimizer that proposes, which a host may have put in after this was made. */
static int make_room(mn_estim *e) {
    supernet *s = e->state;
    if (!s->path) MN_TRY(mn_arch_new(e->model, &s->path));
    return s->proposed.room < s->batch ? mn_proposed_init(&s->proposed, e, s->batch) : 0;
}

static void draw(const mn_estim *e, const char *stream, int64_t key, mn_arch *arch) {
    mn_rng rng;
    mn_rng_init(&rng, e->model->seed, mn_stream(stream), (uint64_t)key);
    for (int32_t i = 0; i < arch->n; i++) {
        const mn_arch_param *p = mn_space_gene(e->model->space, i);
        if (p->choices) arch->index[i] = (int32_t)mn_rng_below(&rng, (uint64_t)p->n);
    }
}

static int ask(mn_estim *e) {
    supernet *s = e->state;
    mn_proposed *p = &s->proposed;
    const int64_t left = s->end - e->n_arch_steps;
    const int32_t n = left < p->room ? (int32_t)left : p->room;
    const int rc = s->exhausted ? MODNAS_EDONE : mn_proposed_ask(p, e, n);
    if ((rc && rc != MODNAS_EDONE) || (!rc && p->n)) return rc;
    if (!s->exhausted)
        mn_log(e->ctx, MODNAS_LOG_INFO, "estim.%s: %s has nothing left to propose; from here on it is at random",
               e->name, e->optim->vt->type);
    s->exhausted = 1;
    p->next = 0;
    for (p->n = 0; p->n < n; p->n++) draw(e, "SuperNetEstim.proposed", e->n_evaluations + p->n, p->archs[p->n]);
    return 0;
}

static int evaluate(mn_estim *e) {
    mn_proposed *p = &((supernet *)e->state)->proposed;
    if (p->next == p->n) MN_TRY(ask(e));
    MN_TRY(mn_proposed_evaluate(p, e));
    e->n_arch_steps++;
    return 0;
}

static int weight_step(mn_estim *e, mn_scores *scores) {
    const supernet *s = e->state;
    if (!is_gradient(e)) {
        MN_TRY(make_room(e));
        draw(e, "SuperNetEstim", e->n_steps, s->path);
        MN_TRY(mn_arch_apply(s->path));
    }
    return mn_trainer_step(e->trainer, scores);
}

/* ---- the loop ------------------------------------------------------------------------------------------ */

static double interval(const mn_estim *e, int64_t epoch) {
    const supernet *s = e->state;
    const double n_train = (double)mn_trainer_n_train(e->trainer), n_valid = (double)mn_trainer_n_valid(e->trainer);
    if (epoch < s->epoch_start || (epoch - s->epoch_start) % s->epoch_intv) return 0;
    if (s->intv > 0) return (double)s->intv;
    if (s->intv == 0 || !is_gradient(e)) return n_train;
    return n_valid > 0 && n_train > n_valid ? n_train / n_valid : 1;
}

/* steps: weight steps of the epoch that count. */
static int update_arch(mn_estim *e, int64_t steps) {
    supernet *s = e->state;
    if (s->interval != 0 && floor((double)steps / s->interval) > (double)s->n_updates) {
        s->n_updates++;
        s->end += s->batch;
    }
    while (e->n_arch_steps < s->end) MN_TRY(is_gradient(e) ? mn_estim_arch_step(e, NULL) : evaluate(e));
    return 0;
}

static int before_step(mn_estim *e, int64_t step) {
    return update_arch(e, is_gradient(e) ? step + 1 : step);
}

/* What an epoch ends with: the derived network, or the proposals that are due. */
static int after_steps(mn_estim *e) {
    return is_gradient(e) ? mn_estim_evaluate(e, NULL) : update_arch(e, mn_trainer_n_train(e->trainer));
}

/* 1 unless it was interrupted in the middle of it. */
static int is_new_epoch(const mn_estim *e) {
    return !e->epoch_open && e->n_steps == e->epoch * mn_trainer_n_train(e->trainer);
}

/* Said when it has been so for a while, since it passes as a rule where logits are close to each other yet; or at the
 * end. */
static int watch(mn_estim *e) {
    supernet *s = e->state;
    const mn_collapse *c = &e->collapse;
    if (!s->collapse_alarm || !is_gradient(e)) return 0;
    MN_TRY(mn_collapse_measure(e->model, &e->collapse));
    if (!c->is_alarm)
        s->n_alarms = 0;
    else if (s->n_alarms <= ALARM_EPOCHS)
        s->n_alarms++;
    const int is_last = e->epoch + 1 >= e->epochs && s->n_alarms > 0 && s->n_alarms < ALARM_EPOCHS;
    if (s->n_alarms == ALARM_EPOCHS || is_last)
        mn_log(e->ctx, MODNAS_LOG_WARN,
               "estim.%s: collapse: %d of %d choices that could be without parameters are, %.1f were to be expected "
               "(p = %.2g), %d are identities (p = %.2g); entropy %.2f",
               e->name, c->n_free, c->n_ops, c->expected, c->p, c->n_identity, c->p_identity, c->entropy);
    return 0;
}

static int epochs(mn_estim *e) {
    supernet *s = e->state;
    while (mn_estim_goes_on(e)) {
        s->interval = interval(e, e->epoch);
        if (is_new_epoch(e)) s->n_updates = 0;
        MN_TRY(mn_estim_train_epoch(e, before_step));
        MN_TRY(after_steps(e));
        MN_TRY(watch(e));
        MN_TRY(mn_estim_epoch_done(e));
    }
    return 0;
}

static int run(mn_estim *e) {
    supernet *s = e->state;
    const int goes_on = e->resumed;
    if (!is_gradient(e)) MN_TRY(make_room(e));
    MN_TRY(mn_estim_begin(e));
    if (!goes_on) s->end = s->exhausted = s->n_alarms = s->proposed.next = s->proposed.n = 0;
    const int rc = epochs(e), set = !is_gradient(e) && e->best_point ? mn_arch_apply(e->best_point) : 0;
    return rc ? rc : set;
}

static void destroy(mn_estim *e) {
    supernet *s = e->state;
    mn_arch_free(s->path);
    mn_proposed_free(&s->proposed, e);
}

static int state(mn_estim *e, mn_state *io) {
    supernet *s = e->state;
    MN_TRY(mn_state_i64(io, &s->n_updates));
    MN_TRY(mn_state_i64(io, &s->end));
    if (s->n_updates < 0 || s->end < e->n_arch_steps || s->end - e->n_arch_steps > s->batch)
        return mn_state_fail(io, "%" PRId64 " updates, %" PRId64 " architecture steps of %" PRId64, s->n_updates,
                             e->n_arch_steps, s->end);
    MN_TRY(mn_state_range(io, &s->exhausted, 0, 1));
    MN_TRY(mn_state_range(io, &s->n_alarms, 0, ALARM_EPOCHS + 1));
    int32_t proposes = s->path != NULL;
    MN_TRY(mn_state_range(io, &proposes, 0, 1));
    if (!proposes) return 0;
    MN_TRY(make_room(e));
    return mn_proposed_state(&s->proposed, io);
}

static const mn_estim_vt vt = {.type = "SuperNetEstim",
                               .prepare = mn_estim_prepare,
                               .run = run,
                               .destroy = destroy,
                               .weight_step = weight_step,
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
    return is_gradient(e) ? 0 : make_room(e);
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
