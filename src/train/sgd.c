/* Stochastic gradient descent as torch.optim.SGD (PyTorch 2.x documentation, "SGD", the algorithm box):
 *
 *   d = g + weight_decay w;  buf = d at a parameter's first step, else momentum buf + (1 - dampening) d
 *   w -= lr (nesterov ? d + momentum buf : buf)                                                          without
 * momentum: w -= lr d */
#include "train/parts.h"
#include "train/update.h"

/* Only the first step differs from the rest. */
static int same(int64_t a, int64_t b) {
    return (a == 0) == (b == 0);
}

static int32_t scalars(const mn_weight_optim *o, double n, double lr, double g_scale, int64_t steps, double *out) {
    const double all[] = {n, lr, o->momentum, o->dampening, o->weight_decay, steps == 0, g_scale};
    for (size_t i = 0; i < MN_COUNT(all); i++) out[i] = all[i];
    return (int32_t)MN_COUNT(all);
}

/* buf = d or momentum buf + (1 - dampening) d put into the step above. */
static mn_ahead ahead(const mn_weight_optim *o, int64_t steps) {
    const double m = o->momentum;
    if (m == 0) return (mn_ahead){1, 0};
    if (o->flags & MODNAS_KF_NESTEROV) return (mn_ahead){1 + m, steps ? m * m : 0};
    return steps ? (mn_ahead){1 - o->dampening, m} : (mn_ahead){1, 0};
}

static const mn_update_rule rule = {"SGD", MODNAS_KERNEL_SGD, 1, same, scalars, ahead};

int mn_sgd_new(modnas_ctx *ctx, mn_store *store, const mn_sgd_opts *opts, mn_weight_optim **out) {
    mn_weight_optim draft = {.ctx = ctx, .store = store, .rule = &rule, .lr = opts->lr, .momentum = opts->momentum};
    draft.dampening = opts->dampening;
    draft.weight_decay = opts->weight_decay;
    draft.n_state = opts->momentum != 0;
    draft.flags = (opts->momentum != 0 ? MODNAS_KF_MOMENTUM : 0) | (opts->nesterov ? MODNAS_KF_NESTEROV : 0);
    return mn_weight_optim_new(&draft, out);
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    MN_TRY(mn_args_not_negative(a, "lr"));
    MN_TRY(mn_args_not_negative(a, "momentum"));
    MN_TRY(mn_args_not_negative(a, "weight_decay"));
    const mn_sgd_opts opts = {mn_args_real(a, "lr"), mn_args_real(a, "momentum"), mn_args_real(a, "dampening"),
                              mn_args_real(a, "weight_decay"), mn_args_bool(a, "nesterov")};
    if (opts.nesterov && (opts.momentum <= 0 || opts.dampening != 0))
        return mn_args_fail(a, "nesterov", "needs a momentum above 0 and no dampening, they are %g and %g",
                            opts.momentum, opts.dampening);
    return mn_sgd_new(a->ctx, ((const mn_optimizer_env *)env)->store, &opts, out);
}

static const mn_arg_def args[] = {
    {"lr", MN_ARG_REAL, "0.001", NULL, "learning rate at the start of the schedule"},
    {"momentum", MN_ARG_REAL, "0", NULL, "share of the last step that is kept"},
    {"dampening", MN_ARG_REAL, "0", NULL, "share of the gradient that is kept out of the momentum"},
    {"weight_decay", MN_ARG_REAL, "0", NULL, "factor of the weights that is added to the gradient"},
    {"nesterov", MN_ARG_BOOL, "false", NULL, "look one step ahead"},
    {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_sgd_component = {
    "optimizer", "SGD", "stochastic gradient descent with momentum, as torch.optim.SGD", args, build, NULL};
