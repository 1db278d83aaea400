/* Losses, the mean over a batch. In the components' texts x is the network's output, t the target.
 *
 * Labels stand for their one-hot row wherever a loss wants numbers. (The original hands labels to PyTorch's losses as
 * they are, which refuse their shape.) A smoothed target is eq. 7 of Szegedy et al. 2016: (1 - eta) onehot + eta /
 * classes. Formulas and what happens at corners: docs/operators.md. */
#include "train/parts.h"

#include <string.h>

/* What a component is made of: its one argument (NULL: none), in 0..arg_max. */
typedef struct criterion_row {
    const char *arg;
    double arg_max;
    int (*loss)(const mn_criterion *c, mn_run *run, mn_value *logits, mn_value *target, mn_value **loss);
    int32_t algo;
} criterion_row;

static int cross_entropy(const mn_criterion *c, mn_run *run, mn_value *logits, mn_value *target, mn_value **loss) {
    return mn_softmax_xent(run, logits, target, c->arg, loss);
}

/* Numbers are the logits of another network; or, when arg is 0, and of labels always, probabilities. */
static int soft_target(const mn_criterion *c, mn_run *run, mn_value *logits, mn_value *target, mn_value **loss) {
    if (target->dtype != MODNAS_I32 && c->arg != 0) MN_TRY(mn_softmax(run, target, 0, &target));
    return mn_softmax_xent(run, logits, target, 0, loss);
}

static int nll(const mn_criterion *c, mn_run *run, mn_value *logits, mn_value *target, mn_value **loss) {
    (void)c;
    return mn_nll(run, logits, target, loss);
}

static int pointwise(const mn_criterion *c, mn_run *run, mn_value *logits, mn_value *target, mn_value **loss) {
    return mn_loss(run, c->algo, logits, target, c->arg, loss);
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)env;
    const criterion_row *row = c->data;
    const int is_flag = row->arg && c->args[0].type == MN_ARG_BOOL;
    const double arg = is_flag ? mn_args_bool(a, row->arg) : row->arg ? mn_args_real(a, row->arg) : 0;
    if (!(arg >= 0 && arg <= row->arg_max)) return mn_args_fail(a, row->arg, "%g is outside 0..%g", arg, row->arg_max);
    mn_criterion *k = mn_alloc(a->ctx, 1, sizeof *k);
    if (!k) return MODNAS_ENOMEM;
    *k = (mn_criterion){.ctx = a->ctx, .arg = arg, .algo = row->algo, .loss = row->loss};
    mn_ctx_hold(a->ctx);
    *(mn_criterion **)out = k;
    return 0;
}

void mn_criterion_free(mn_criterion *c) {
    if (!c) return;
    modnas_ctx *ctx = c->ctx;
    if (c->destroy) c->destroy(c);
    mn_free(ctx, c->state);
    mn_free(ctx, c);
    mn_ctx_drop(ctx);
}

int mn_criterion_make(const mn_criterion *draft, const mn_args *a, const void *env, const char *arg, size_t state_bytes,
                      mn_criterion_fill_fn fill, void *out) {
    const mn_criterion_env *e = env;
    if (!e) return mn_args_fail(a, arg, "of a trainer: it is a criterion of an estimator");
    if (!e->base) return mn_args_fail(a, arg, "is made upon a loss, and there is no trainer that has one");
    mn_criterion *c = mn_alloc(a->ctx, 1, sizeof *c);
    if (!c) return MODNAS_ENOMEM;
    *c = *draft;
    c->ctx = a->ctx;
    c->base = e->base;
    mn_ctx_hold(c->ctx);
    c->state = mn_alloc(c->ctx, 1, state_bytes);
    if (!c->state) c->destroy = NULL;
    const int rc = c->state ? fill(c, a, e) : MODNAS_ENOMEM;
    if (rc)
        mn_criterion_free(c);
    else
        *(mn_criterion **)out = c;
    return rc;
}

mn_fed *mn_fed_in(mn_fed table[MN_FED_RUNS], const mn_run *run) {
    int i = 0;
    while (i < MN_FED_RUNS && table[i].run && table[i].run != run) i++;
    if (i < MN_FED_RUNS) {
        table[i].run = run;
        return &table[i];
    }
    memmove(table, table + 1, (MN_FED_RUNS - 1) * sizeof *table);
    table[MN_FED_RUNS - 1] = (mn_fed){.run = run};
    return &table[MN_FED_RUNS - 1];
}

#define UNIFORM "share of the target that is uniform"

static const mn_arg_def plain_args[] = {{"label_smoothing", MN_ARG_REAL, "0", NULL, UNIFORM}, {0}},
                        smooth_args[] = {{"eta", MN_ARG_REAL, "0.1", NULL, UNIFORM}, {0}},
                        soft_args[] = {{"softmax", MN_ARG_BOOL, "true", NULL, "t holds logits, not probabilities"},
                                       {0}},
                        beta_args[] = {{"beta", MN_ARG_REAL, "1", NULL, "|x - t| where the square goes over"}, {0}};

static const criterion_row plain = {"label_smoothing", 1, cross_entropy, 0}, smooth = {"eta", 1, cross_entropy, 0},
                           soft = {"softmax", 1, soft_target, 0}, log_given = {NULL, 0, nll, 0},
                           mse = {NULL, 0, pointwise, MODNAS_LOSS_MSE}, l1 = {NULL, 0, pointwise, MODNAS_LOSS_L1},
                           smooth_l1 = {"beta", 1e30, pointwise, MODNAS_LOSS_SMOOTH_L1},
                           bce = {NULL, 0, pointwise, MODNAS_LOSS_BCE},
                           bce_logits = {NULL, 0, pointwise, MODNAS_LOSS_BCE_LOGITS};

#define POINTWISE "; mean over samples and outputs, labels count as one-hot"

const mn_component mn_criterion_components[MN_N_CRITERIA] = {
    {"criterion", "CrossEntropyLoss", "cross-entropy of softmax and label", plain_args, build, &plain},
    {"criterion", "CrossEntropyLabelSmoothingLoss", "cross-entropy with a smoothed target", smooth_args, build,
     &smooth},
    {"criterion", "CrossEntropySoftTargetLoss", "cross-entropy of two softmaxes, or of softmax and label", soft_args,
     build, &soft},
    {"criterion", "NLLLoss", "-x at the label, x log-probabilities; mean over samples", NULL, build, &log_given},
    {"criterion", "MSELoss", "(x - t)^2" POINTWISE, NULL, build, &mse},
    {"criterion", "L1Loss", "|x - t|" POINTWISE, NULL, build, &l1},
    {"criterion", "SmoothL1Loss", "d = |x - t|: d^2 / (2 beta) below beta, else d - beta / 2" POINTWISE, beta_args,
     build, &smooth_l1},
    {"criterion", "BCELoss", "binary cross-entropy of probabilities" POINTWISE, NULL, build, &bce},
    {"criterion", "BCEWithLogitsLoss", "binary cross-entropy of sigmoid(x)" POINTWISE, NULL, build, &bce_logits},
};
