/* RMSprop as torch.optim.RMSprop (Tieleman and Hinton 2012, lecture 6.5; centered: Graves 2013, equation 40):
 *
 *   g += weight_decay w;  v = alpha v + (1 - alpha) g^2;  mean = alpha mean + (1 - alpha) g
 *   u = g / (sqrt(v) + eps),   centered: g / (sqrt(v - mean^2) + eps)
 *   w -= lr u,   with momentum: buf = momentum buf + u, w -= lr buf */
#include "train/parts.h"
#include "train/update.h"

static int32_t scalars(const mn_weight_optim *o, double n, double lr, double g_scale, int64_t steps, double *out) {
    const double all[] = {n, lr, o->alpha, mn_update_eps(o), o->weight_decay, o->momentum, g_scale};
    (void)steps;
    for (size_t i = 0; i < MN_COUNT(all); i++) out[i] = all[i];
    return (int32_t)MN_COUNT(all);
}

static const mn_update_rule rule = {"RMSprop", MODNAS_KERNEL_RMSPROP, 3, mn_update_any_steps, scalars, NULL};

int mn_rmsprop_new(modnas_ctx *ctx, mn_store *store, const mn_rmsprop_opts *opts, mn_weight_optim **out) {
    const int centered = opts->centered != 0, keeps = opts->momentum != 0;
    mn_weight_optim draft = {.ctx = ctx, .store = store, .rule = &rule, .lr = opts->lr, .alpha = opts->alpha};
    draft.eps = opts->eps;
    draft.weight_decay = opts->weight_decay;
    draft.momentum = opts->momentum;
    draft.n_state = rule.n_state;
    draft.absent = (centered ? 0 : 1 << 1) | (keeps ? 0 : 1 << 2);
    draft.flags = (centered ? MODNAS_KF_CENTERED : 0) | (keeps ? MODNAS_KF_MOMENTUM : 0);
    return mn_weight_optim_new(&draft, out);
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    static const char *const not_negative[] = {"lr", "alpha", "eps", "weight_decay", "momentum"};
    (void)c;
    for (size_t i = 0; i < MN_COUNT(not_negative); i++) MN_TRY(mn_args_not_negative(a, not_negative[i]));
    const mn_rmsprop_opts opts = {mn_args_real(a, "lr"),       mn_args_real(a, "alpha"),
                                  mn_args_real(a, "eps"),      mn_args_real(a, "weight_decay"),
                                  mn_args_real(a, "momentum"), mn_args_bool(a, "centered")};
    if (opts.alpha > 1) return mn_args_fail(a, "alpha", "is %g, a share of at most 1", opts.alpha);
    return mn_rmsprop_new(a->ctx, ((const mn_optimizer_env *)env)->store, &opts, out);
}

static const mn_arg_def args[] = {
    {"lr", MN_ARG_REAL, "0.01", NULL, "learning rate at the start of the schedule"},
    {"alpha", MN_ARG_REAL, "0.99", NULL, "decay of the running means"},
    {"eps", MN_ARG_REAL, "1e-8", NULL, "added to the root of the mean square"},
    {"weight_decay", MN_ARG_REAL, "0", NULL, "factor of the weights that is added to the gradient"},
    {"momentum", MN_ARG_REAL, "0", NULL, "share of the last step that is kept"},
    {"centered", MN_ARG_BOOL, "false", NULL, "divide by the deviation from the mean gradient"},
    {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_rmsprop_component = {
    "optimizer", "RMSprop", "steps divided by the gradient's running root mean square, as torch.optim.RMSprop",
    args,        build,     NULL};
