/* Adagrad as torch.optim.Adagrad (Duchi, Hazan and Singer 2011):
 *
 *   g += weight_decay w;  sum += g^2, from initial_accumulator_value on
 *   w -= lr / (1 + (t - 1) lr_decay) g / (sqrt(sum) + eps),   t counted by parameter from 1 */
#include "train/parts.h"
#include "train/update.h"

static int32_t scalars(const mn_weight_optim *o, double n, double lr, double g_scale, int64_t steps, double *out) {
    const double slower = 1 + (double)steps * o->lr_decay;
    const double all[] = {n, lr / slower, mn_update_eps(o), o->weight_decay, g_scale};
    for (size_t i = 0; i < MN_COUNT(all); i++) out[i] = all[i];
    return (int32_t)MN_COUNT(all);
}

/* Only the decay of the rate counts steps. */
static const mn_update_rule rule = {"Adagrad", MODNAS_KERNEL_ADAGRAD, 1, mn_update_any_steps, scalars, NULL};
static const mn_update_rule counting = {"Adagrad", MODNAS_KERNEL_ADAGRAD, 1, mn_update_same_steps, scalars, NULL};

int mn_adagrad_new(modnas_ctx *ctx, mn_store *store, const mn_adagrad_opts *opts, mn_weight_optim **out) {
    mn_weight_optim draft = {.ctx = ctx, .store = store, .lr = opts->lr, .lr_decay = opts->lr_decay};
    draft.rule = opts->lr_decay != 0 ? &counting : &rule;
    draft.eps = opts->eps;
    draft.weight_decay = opts->weight_decay;
    draft.state_init = opts->initial_accumulator_value;
    draft.n_state = rule.n_state;
    return mn_weight_optim_new(&draft, out);
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    static const char *const not_negative[] = {"lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"};
    (void)c;
    for (size_t i = 0; i < MN_COUNT(not_negative); i++) MN_TRY(mn_args_not_negative(a, not_negative[i]));
    const mn_adagrad_opts opts = {mn_args_real(a, "lr"), mn_args_real(a, "lr_decay"), mn_args_real(a, "weight_decay"),
                                  mn_args_real(a, "initial_accumulator_value"), mn_args_real(a, "eps")};
    return mn_adagrad_new(a->ctx, ((const mn_optimizer_env *)env)->store, &opts, out);
}

static const mn_arg_def args[] = {
    {"lr", MN_ARG_REAL, "0.01", NULL, "learning rate at the start of the schedule"},
    {"lr_decay", MN_ARG_REAL, "0", NULL, "the rate is divided by 1 + this times the steps made"},
    {"weight_decay", MN_ARG_REAL, "0", NULL, "factor of the weights that is added to the gradient"},
    {"initial_accumulator_value", MN_ARG_REAL, "0", NULL, "what the sum of squares begins with"},
    {"eps", MN_ARG_REAL, "1e-10", NULL, "added to the root of the sum of squares"},
    {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_adagrad_component = {
    "optimizer", "Adagrad", "steps divided by the root of the sum of squares, as torch.optim.Adagrad",
    args,        build,     NULL};
