/* DARTSOptim (Liu et al. 2019): architecture parameters descend the validation loss.
 *
 *   first order    dL_val(w, alpha) / dalpha
 *   second order   dL_val(w'(alpha), alpha) / dalpha, w' what the next weight step makes of w      (src/train/unroll.h)
 *
 * Momentum, Nesterov and weight decay of w' are those of the weight optimizer. The original has them as arguments of
 * its own, which may disagree with it; it keeps one training batch for ever, and multiplies the second derivative by
 * the length that it should divide by. */
#include "optim/gradient.h"
#include "optim/parts.h"

typedef struct darts {
    mn_gradient base;
    int32_t second_order, is_told;
    double epsilon;
    double given[2]; /* w_momentum and w_weight_decay; negative: not given */
} darts;

/* Once: what is not as it was asked for, or not what the paper has. */
static void tell_once(mn_optim *o, const mn_weight_optim *w) {
    static const char *const names[] = {"w_momentum", "w_weight_decay"};
    darts *s = o->state;
    double own[2];
    if (s->is_told) return;
    s->is_told = 1;
    mn_weight_optim_decay(w, &own[0], &own[1]);
    for (int i = 0; i < 2; i++)
        if (s->given[i] >= 0 && s->given[i] != own[i])
            mn_log(o->ctx, MODNAS_LOG_WARN, "DARTSOptim.%s is %g, but %s has %g, which is taken", names[i], s->given[i],
                   mn_weight_optim_name(w), own[i]);
    if (!mn_weight_optim_is_exact(w))
        mn_log(o->ctx, MODNAS_LOG_WARN,
               "DARTSOptim looks ahead along the gradient, without momentum: that is not %s's step",
               mn_weight_optim_name(w));
}

static int step(mn_optim *o, mn_estim *e) {
    const darts *s = o->state;
    if (!s->second_order) {
        MN_TRY(mn_trainer_arch_grad(e->trainer, &e->arch_scores));
        return mn_gradient_apply(o);
    }
    tell_once(o, mn_trainer_optim(e->trainer));
    MN_TRY(mn_trainer_unrolled_grad(e->trainer, s->epsilon, &e->arch_scores));
    return mn_gradient_apply(o);
}

static const mn_optim_vt vt = {
    .type = "DARTSOptim", .step = step, .destroy = mn_gradient_destroy, .state = mn_gradient_state};

static int read_given(const mn_args *a, const char *name, double *x) {
    *x = -1;
    if (!mn_args_given(a, name)) return 0;
    MN_TRY(mn_args_not_negative(a, name));
    *x = mn_args_real(a, name);
    return 0;
}

static int fill(mn_optim *o, const mn_args *a, const mn_optim_env *env) {
    darts *s = o->state;
    (void)env;
    s->second_order = mn_args_bool(a, "second_order");
    s->epsilon = mn_args_real(a, "epsilon");
    o->needs = s->second_order ? MN_ARCH_AHEAD : MN_ARCH_GRAD;
    if (!(s->epsilon > 0)) return mn_args_fail(a, "epsilon", "is %g, it is above 0", s->epsilon);
    MN_TRY(read_given(a, "w_momentum", &s->given[0]));
    return read_given(a, "w_weight_decay", &s->given[1]);
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    return mn_gradient_make(a, env, &vt, mn_gradient_sums, sizeof(darts), fill, out);
}

static const mn_arg_def args[] = {
    MN_GRADIENT_ARG(MN_GRADIENT_ADAM),
    {"second_order", MN_ARG_BOOL, "true", NULL, "look one weight step ahead; false: the validation loss as it is"},
    {"epsilon", MN_ARG_REAL, "0.01", NULL, "length of the finite difference of the second derivative, in weight space"},
    {"w_momentum", MN_ARG_REAL, "null", NULL, "taken for old configurations: the weight optimizer's own counts"},
    {"w_weight_decay", MN_ARG_REAL, "null", NULL, "taken for old configurations, likewise"},
    {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_darts_component = {
    "optim", "DARTSOptim", "DARTS: descends the validation loss after one more weight step", args, build, NULL};
