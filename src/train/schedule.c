/* Learning rate schedules in closed form: the rate of an epoch depends on the epoch alone, so a run that is resumed, or
 * a trainer that is used by two estimators, needs no state and changes no configuration. Names and formulas are those
 * of torch.optim.lr_scheduler (PyTorch 2.x documentation; CosineAnnealingLR: Loshchilov and Hutter 2017, without
 * restarts).
 *
 *   ConstantLR         lr factor while epoch < total_iters, then lr
 *   StepLR             lr gamma^floor(epoch / step_size)
 *   MultiStepLR        lr gamma^(number of milestones <= epoch)
 *   ExponentialLR      lr gamma^epoch
 *   LinearLR           lr (start + (end - start) min(epoch, total_iters) / total_iters)
 *   LambdaLR           lr times the factor of the last row of a table epoch -> factor that was reached, 1 before
 *   CosineAnnealingLR  eta_min + (lr - eta_min) (1 + cos(pi epoch / T_max)) / 2,    T_max: the estimator's epochs
 * unless given
 *
 * Each may begin with a warm-up: with warmup_epochs N it is torch's SequentialLR of LinearLR(warmup_factor, total_iters
 * N) and the schedule, whose epochs count from there. Without a schedule the rate stays as it is. */
#include <math.h>
#include <stdlib.h>

#include "train/parts.h"

double mn_lr_constant(double lr, double factor, double total_iters, int64_t epoch) {
    return (double)epoch < total_iters ? lr * factor : lr;
}

double mn_lr_step(double lr, int64_t step_size, double gamma, int64_t epoch) {
    return lr * pow(gamma, (double)(epoch / step_size));
}

double mn_lr_multistep(double lr, const int64_t *milestones, size_t n, double gamma, int64_t epoch) {
    int passed = 0;
    for (size_t i = 0; i < n; i++) passed += milestones[i] <= epoch;
    return lr * pow(gamma, passed);
}

double mn_lr_exponential(double lr, double gamma, int64_t epoch) {
    return lr * pow(gamma, (double)epoch);
}

double mn_lr_linear(double lr, double start, double end, double total_iters, int64_t epoch) {
    const double share = (double)epoch < total_iters ? (double)epoch / total_iters : 1;
    return lr * (start + (end - start) * share);
}

double mn_lr_table(double lr, const int64_t *epochs, const double *factors, size_t n, int64_t epoch) {
    int64_t reached = -1;
    double factor = 1;
    for (size_t i = 0; i < n; i++) {
        if (epochs[i] > epoch || epochs[i] <= reached) continue;
        reached = epochs[i];
        factor = factors[i];
    }
    return lr * factor;
}

double mn_lr_cosine(double lr, double eta_min, double t_max, int64_t epoch) {
    const double pi = 3.14159265358979323846;
    return eta_min + (lr - eta_min) * (1 + cos(pi * (double)epoch / t_max)) / 2;
}

struct mn_schedule {
    modnas_ctx *ctx;
    double (*at)(const mn_schedule *s, int64_t epoch);
    double lr, factor, factor_end, total_iters, gamma, eta_min, t_max;
    int64_t step_size, warmup_epochs;
    double warmup_factor;
    int64_t *milestones; /* or a table's epochs */
    double *factors;     /* of a table */
    size_t n_milestones;
};

static double at_none(const mn_schedule *s, int64_t epoch) {
    (void)epoch;
    return s->lr;
}
static double at_constant(const mn_schedule *s, int64_t epoch) {
    return mn_lr_constant(s->lr, s->factor, s->total_iters, epoch);
}
static double at_step(const mn_schedule *s, int64_t epoch) {
    return mn_lr_step(s->lr, s->step_size, s->gamma, epoch);
}
static double at_multistep(const mn_schedule *s, int64_t epoch) {
    return mn_lr_multistep(s->lr, s->milestones, s->n_milestones, s->gamma, epoch);
}
static double at_exponential(const mn_schedule *s, int64_t epoch) {
    return mn_lr_exponential(s->lr, s->gamma, epoch);
}
static double at_linear(const mn_schedule *s, int64_t epoch) {
    return mn_lr_linear(s->lr, s->factor, s->factor_end, s->total_iters, epoch);
}
static double at_table(const mn_schedule *s, int64_t epoch) {
    return mn_lr_table(s->lr, s->milestones, s->factors, s->n_milestones, epoch);
}
static double at_cosine(const mn_schedule *s, int64_t epoch) {
    return mn_lr_cosine(s->lr, s->eta_min, s->t_max, epoch);
}

double mn_schedule_lr(const mn_schedule *s, int64_t epoch) {
    if (epoch < s->warmup_epochs) return mn_lr_linear(s->lr, s->warmup_factor, 1, (double)s->warmup_epochs, epoch);
    return s->at(s, epoch - s->warmup_epochs);
}

void mn_schedule_free(mn_schedule *s) {
    if (!s) return;
    modnas_ctx *ctx = s->ctx;
    mn_free(ctx, s->milestones);
    mn_free(ctx, s->factors);
    mn_free(ctx, s);
    mn_ctx_drop(ctx);
}

int mn_schedule_none(modnas_ctx *ctx, double lr, mn_schedule **out) {
    mn_schedule *s = mn_alloc(ctx, 1, sizeof *s);
    if (!s) return MODNAS_ENOMEM;
    s->ctx = ctx;
    s->at = at_none;
    s->lr = lr;
    mn_ctx_hold(ctx);
    *out = s;
    return 0;
}

/* ---- from a configuration: each reads its own args into the schedule --------------------------------- */

static int read_constant(const mn_args *a, const mn_schedule_env *env, mn_schedule *s) {
    (void)env;
    s->at = at_constant;
    s->factor = mn_args_real(a, "factor");
    s->total_iters = mn_args_real(a, "total_iters");
    return s->factor >= 0 && s->factor <= 1 ? 0 : mn_args_fail(a, "factor", "%g is outside 0..1", s->factor);
}

static int read_step(const mn_args *a, const mn_schedule_env *env, mn_schedule *s) {
    (void)env;
    s->at = at_step;
    s->step_size = mn_args_int(a, "step_size");
    s->gamma = mn_args_real(a, "gamma");
    return s->step_size >= 1 ? 0 : mn_args_fail(a, "step_size", "is %lld, it is at least 1", (long long)s->step_size);
}

static int read_multistep(const mn_args *a, const mn_schedule_env *env, mn_schedule *s) {
    (void)env;
    const mn_node *list = mn_args_node(a, "milestones");
    s->at = at_multistep;
    s->gamma = mn_args_real(a, "gamma");
    s->milestones = mn_alloc(a->ctx, list->n + 1, sizeof *s->milestones);
    if (!s->milestones) return MODNAS_ENOMEM;
    s->n_milestones = list->n;
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i]->kind != MN_INT) return mn_args_fail(a, "milestones", "%g is no epoch", list->items[i]->r);
        s->milestones[i] = list->items[i]->i;
    }
    return 0;
}

static int read_exponential(const mn_args *a, const mn_schedule_env *env, mn_schedule *s) {
    (void)env;
    s->at = at_exponential;
    s->gamma = mn_args_real(a, "gamma");
    return 0;
}

static int read_linear(const mn_args *a, const mn_schedule_env *env, mn_schedule *s) {
    (void)env;
    s->at = at_linear;
    s->factor = mn_args_real(a, "start_factor");
    s->factor_end = mn_args_real(a, "end_factor");
    s->total_iters = mn_args_real(a, "total_iters");
    if (!(s->factor > 0 && s->factor <= 1)) return mn_args_fail(a, "start_factor", "%g is outside (0, 1]", s->factor);
    return s->factor_end >= 0 && s->factor_end <= 1
               ? 0
               : mn_args_fail(a, "end_factor", "%g is outside 0..1", s->factor_end);
}

/* One row of a table: an epoch, and a factor that is not negative. */
static int read_row(const mn_args *a, const char *key, const mn_node *value, mn_schedule *s) {
    char *end;
    const int64_t epoch = strtoll(key, &end, 10);
    if (!*key || *end || epoch < 0 || epoch > INT32_MAX)
        return mn_args_fail(a, "lr_lambda", "'%.40s' is no epoch", key);
    if ((value->kind != MN_INT && value->kind != MN_REAL) || !(value->r >= 0 && isfinite(value->r)))
        return mn_args_fail(a, "lr_lambda", "epoch %lld has no factor that is 0 or more", (long long)epoch);
    s->milestones[s->n_milestones] = epoch;
    s->factors[s->n_milestones++] = value->r;
    return 0;
}

static int read_table(const mn_args *a, const mn_schedule_env *env, mn_schedule *s) {
    const mn_node *table = mn_args_node(a, "lr_lambda");
    (void)env;
    s->at = at_table;
    s->milestones = mn_alloc(a->ctx, table->n + 1, sizeof *s->milestones);
    s->factors = mn_alloc(a->ctx, table->n + 1, sizeof *s->factors);
    if (!s->milestones || !s->factors) return MODNAS_ENOMEM;
    for (size_t i = 0; i < table->n; i++) MN_TRY(read_row(a, table->keys[i], table->items[i], s));
    return 0;
}

static int read_cosine(const mn_args *a, const mn_schedule_env *env, mn_schedule *s) {
    s->at = at_cosine;
    s->eta_min = mn_args_real(a, "eta_min");
    s->t_max = mn_args_given(a, "T_max") ? mn_args_real(a, "T_max") : (double)(env->epochs - s->warmup_epochs);
    if (s->t_max <= 0) s->t_max = 1; /* an estimator of no epochs asks for no rate */
    return !mn_args_given(a, "T_max") || mn_args_real(a, "T_max") > 0 ? 0 : mn_args_fail(a, "T_max", "is not above 0");
}

static int read_warmup(const mn_args *a, mn_schedule *s) {
    s->warmup_epochs = mn_args_int(a, "warmup_epochs");
    s->warmup_factor = mn_args_real(a, "warmup_factor");
    if (s->warmup_epochs < 0)
        return mn_args_fail(a, "warmup_epochs", "is %lld, it must not be negative", (long long)s->warmup_epochs);
    return s->warmup_factor >= 0 && s->warmup_factor <= 1
               ? 0
               : mn_args_fail(a, "warmup_factor", "%g is outside 0..1", s->warmup_factor);
}

typedef struct reader {
    int (*read)(const mn_args *a, const mn_schedule_env *env, mn_schedule *s);
} reader;

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    const mn_schedule_env *e = env;
    mn_schedule *s;
    MN_TRY(mn_schedule_none(a->ctx, e->lr, &s));
    int rc = read_warmup(a, s);
    if (!rc) rc = ((const reader *)c->data)->read(a, e, s);
    if (rc)
        mn_schedule_free(s);
    else
        *(mn_schedule **)out = s;
    return rc;
}

#define WARMUP                                                                                                         \
    {"warmup_epochs", MN_ARG_INT, "0", NULL, "epochs in which the rate rises, before the schedule begins"},            \
        {"warmup_factor", MN_ARG_REAL, "0.3333333333333333", NULL, "multiplies the rate at the start of the warm-up"}, \
    {                                                                                                                  \
        NULL, 0, NULL, NULL, NULL                                                                                      \
    }
static const mn_arg_def constant_args[] = {
    {"factor", MN_ARG_REAL, "0.3333333333333333", NULL, "multiplies the rate at first"},
    {"total_iters", MN_ARG_REAL, "5", NULL, "epochs with the factor"},
    WARMUP};
static const mn_arg_def step_args[] = {{"step_size", MN_ARG_INT, NULL, NULL, "epochs between two steps"},
                                       {"gamma", MN_ARG_REAL, "0.1", NULL, "factor of a step"},
                                       WARMUP};
static const mn_arg_def multistep_args[] = {{"milestones", MN_ARG_REALS, NULL, NULL, "epochs at which the rate steps"},
                                            {"gamma", MN_ARG_REAL, "0.1", NULL, "factor of a step"},
                                            WARMUP};
static const mn_arg_def exponential_args[] = {{"gamma", MN_ARG_REAL, NULL, NULL, "factor of every epoch"}, WARMUP};
static const mn_arg_def cosine_args[] = {
    {"T_max", MN_ARG_REAL, "null", NULL, "epochs to the minimum; null: the estimator's"},
    {"eta_min", MN_ARG_REAL, "0", NULL, "smallest rate"},
    WARMUP};

static const mn_arg_def linear_args[] = {
    {"start_factor", MN_ARG_REAL, "0.3333333333333333", NULL, "multiplies the rate at first"},
    {"end_factor", MN_ARG_REAL, "1", NULL, "multiplies the rate in the end"},
    {"total_iters", MN_ARG_REAL, "5", NULL, "epochs from the one to the other"},
    WARMUP};
static const mn_arg_def table_args[] = {
    {"lr_lambda", MN_ARG_MAP, NULL, NULL, "table epoch: factor; each holds until the next"}, WARMUP};

static const reader read_by[] = {{read_constant}, {read_step},   {read_multistep}, {read_exponential},
                                 {read_cosine},   {read_linear}, {read_table}};
const mn_component mn_schedule_components[MN_N_SCHEDULES] = {
    {"lr_scheduler", "ConstantLR", "rate times a factor for the first epochs", constant_args, build, &read_by[0]},
    {"lr_scheduler", "StepLR", "rate times gamma every step_size epochs", step_args, build, &read_by[1]},
    {"lr_scheduler", "MultiStepLR", "rate times gamma at each milestone", multistep_args, build, &read_by[2]},
    {"lr_scheduler", "ExponentialLR", "rate times gamma every epoch", exponential_args, build, &read_by[3]},
    {"lr_scheduler", "CosineAnnealingLR", "half a cosine from the rate down to eta_min", cosine_args, build,
     &read_by[4]},
    {"lr_scheduler", "LinearLR", "rate times a factor that moves from one to another", linear_args, build, &read_by[5]},
    {"lr_scheduler", "LambdaLR", "rate times the factor of a table of epochs", table_args, build, &read_by[6]},
};
