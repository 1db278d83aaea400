/* GumbelAnnealingOptim: gradients through Gumbel-softmax sums whose temperature falls (SNAS, Xie et al. 2019).
 *
 *   T = init_temp (end_temp / init_temp)^p,  p from 0 at the first architecture step to 1 at the end of the phase
 *   with exp_anneal_rate r:  T = max(end_temp, init_temp e^(-r floor(t / anneal_interval))),  t: architecture steps
 * made
 *
 * The temperature moves every anneal_interval steps; restart_period counts anew from 0 after so many, and p is then the
 * share of the period. The original's default is r = 0.0015 from 10^4: six thousand steps before T comes near 1, which
 * typical searches do not make; here the schedule ends when the search does. A phase without an end (a host that goes
 * on as it likes) takes that r. */
#include <math.h>

#include "optim/gradient.h"
#include "optim/parts.h"

#define OPEN_END_RATE 0.0015

typedef struct gumbel {
    mn_gradient base;
    double init_temp, end_temp, rate; /* rate < 0: by progress */
    int64_t interval, period;         /* period 0: none */
    int64_t t;                        /* architecture steps, since the latest restart */
    int64_t first;                    /* weight steps that had been made before the phase's first one */
    double now;                       /* temperature */
} gumbel;

/* How far the schedule is, 0 to 1; negative: nobody knows where it ends. */
static double progress(const gumbel *s, const mn_estim *e) {
    if (s->period) return s->period > 1 ? (double)s->t / (double)(s->period - 1) : 1;
    const int64_t last = e->total_steps - 1 - s->first, at = e->n_steps - s->first;
    if (e->total_steps <= 0) return -1;
    return last > 0 && at < last ? (double)at / (double)last : 1;
}

static double temperature(const gumbel *s, const mn_estim *e) {
    const double p = s->rate < 0 ? progress(s, e) : -1, rate = s->rate < 0 ? OPEN_END_RATE : s->rate;
    if (p >= 0) return s->init_temp * pow(s->end_temp / s->init_temp, p);
    return fmax(s->end_temp, s->init_temp * exp(-rate * (double)(s->t / s->interval)));
}

static void cool(mn_optim *o, const mn_estim *e) {
    gumbel *s = o->state;
    if (e->n_arch_steps == 0) s->first = e->n_steps;
    if (s->t % s->interval == 0) s->now = temperature(s, e);
    for (int32_t i = 0; i < mn_model_n_mixed(o->model); i++)
        mn_mixed_set_temperature(mn_model_mixed(o->model, i), s->now);
}

static int step(mn_optim *o, mn_estim *e) {
    gumbel *s = o->state;
    cool(o, e);
    MN_TRY(mn_trainer_arch_grad(e->trainer, &e->arch_scores));
    MN_TRY(mn_gradient_apply(o));
    s->t++;
    if (s->period) s->t %= s->period;
    return 0;
}

static int state(mn_optim *o, mn_state *io) {
    gumbel *s = o->state;
    MN_TRY(mn_gradient_state(o, io));
    MN_TRY(mn_state_i64(io, &s->t));
    MN_TRY(mn_state_i64(io, &s->first));
    MN_TRY(mn_state_real(io, &s->now));
    return io->loading && s->t < 0 ? mn_state_fail(io, "%lld steps of annealing", (long long)s->t) : 0;
}

static const mn_optim_vt vt = {
    .type = "GumbelAnnealingOptim", .step = step, .destroy = mn_gradient_destroy, .state = state};

static int positive(const mn_args *a, const char *name, double *x) {
    *x = mn_args_real(a, name);
    return *x > 0 ? 0 : mn_args_fail(a, name, "is %g, it is above 0", *x);
}

static int fill(mn_optim *o, const mn_args *a, const mn_optim_env *env) {
    gumbel *s = o->state;
    (void)env;
    o->needs = MN_ARCH_GRAD;
    MN_TRY(positive(a, "init_temp", &s->init_temp));
    MN_TRY(positive(a, "end_temp", &s->end_temp));
    if (s->end_temp > s->init_temp)
        return mn_args_fail(a, "end_temp", "is %g, above init_temp, which is %g", s->end_temp, s->init_temp);
    s->rate = -1;
    if (mn_args_given(a, "exp_anneal_rate")) {
        MN_TRY(mn_args_not_negative(a, "exp_anneal_rate"));
        s->rate = mn_args_real(a, "exp_anneal_rate");
    }
    s->interval = mn_args_int(a, "anneal_interval");
    s->period = mn_args_given(a, "restart_period") ? mn_args_int(a, "restart_period") : 0;
    if (s->interval < 1) return mn_args_fail(a, "anneal_interval", "is %lld, it is at least 1", (long long)s->interval);
    if (mn_args_given(a, "restart_period") && s->period < 1)
        return mn_args_fail(a, "restart_period", "is %lld, it is at least 1", (long long)s->period);
    return 0;
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    static const char *const types[] = {"GumbelSumMixedOp", NULL};
    (void)c;
    return mn_gradient_make(a, env, &vt, types, sizeof(gumbel), fill, out);
}

static const mn_arg_def args[] = {
    MN_GRADIENT_ARG(MN_GRADIENT_ADAM),
    {"init_temp", MN_ARG_REAL, "10000", NULL, "temperature of the first architecture step"},
    {"end_temp", MN_ARG_REAL, "0.1", NULL, "temperature at the end, and the lowest one"},
    {"exp_anneal_rate", MN_ARG_REAL, "null", NULL,
     "the temperature's logarithm falls by this every anneal_interval steps; null: so that it ends with the phase"},
    {"anneal_interval", MN_ARG_INT, "1", NULL, "architecture steps between two changes"},
    {"restart_period", MN_ARG_INT, "null", NULL, "architecture steps after which it begins anew; null: never"},
    {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_gumbel_annealing_component = {
    "optim", "GumbelAnnealingOptim", "SNAS: gradients through Gumbel-softmax sums of falling temperature", args, build,
    NULL};
