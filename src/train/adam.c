/* Adam and AdamW as torch.optim.Adam and AdamW (Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019):
 *
 *   g += weight_decay w (Adam)  or  w *= 1 - lr weight_decay (AdamW)
 *   m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
 *   w -= lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps),   t counted by parameter from 1 */
#include "train/parts.h"
#include "train/update.h"

static int32_t scalars(const mn_weight_optim *o, double n, double lr, double g_scale, int64_t steps, double *out) {
    const double all[] = {n, lr, o->beta1, o->beta2, mn_update_eps(o), o->weight_decay, (double)(steps + 1), g_scale};
    for (size_t i = 0; i < MN_COUNT(all); i++) out[i] = all[i];
    return (int32_t)MN_COUNT(all);
}

static const mn_update_rule rule = {"Adam", MODNAS_KERNEL_ADAM, 2, mn_update_same_steps, scalars, NULL};

int mn_adam_new(modnas_ctx *ctx, mn_store *store, const mn_adam_opts *opts, mn_weight_optim **out) {
    mn_weight_optim draft = {
        .ctx = ctx, .store = store, .rule = &rule, .lr = opts->lr, .beta1 = opts->beta1, .beta2 = opts->beta2};
    draft.eps = opts->eps;
    draft.weight_decay = opts->weight_decay;
    draft.n_state = rule.n_state;
    draft.flags = opts->decoupled ? MODNAS_KF_DECOUPLED : 0;
    return mn_weight_optim_new(&draft, out);
}

static int read_betas(const mn_args *a, double *beta) {
    const mn_node *list = mn_args_node(a, "betas");
    if (list->n != 2) return mn_args_fail(a, "betas", "has %zu numbers, it takes 2", list->n);
    for (int i = 0; i < 2; i++) {
        beta[i] = list->items[i]->r;
        if (!(beta[i] >= 0 && beta[i] < 1)) return mn_args_fail(a, "betas", "%g is outside [0, 1)", beta[i]);
    }
    return 0;
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    double beta[2] = {0, 0};
    MN_TRY(mn_args_not_negative(a, "lr"));
    MN_TRY(mn_args_not_negative(a, "eps"));
    MN_TRY(mn_args_not_negative(a, "weight_decay"));
    MN_TRY(read_betas(a, beta));
    const mn_adam_opts opts = {mn_args_real(a, "lr"),           beta[0],        beta[1], mn_args_real(a, "eps"),
                               mn_args_real(a, "weight_decay"), c->data != NULL};
    return mn_adam_new(a->ctx, ((const mn_optimizer_env *)env)->store, &opts, out);
}

static const mn_arg_def adam_args[] = {
    {"lr", MN_ARG_REAL, "0.001", NULL, "learning rate at the start of the schedule"},
    {"betas", MN_ARG_REALS, "[0.9, 0.999]", NULL, "decay of the running means of the gradient and of its square"},
    {"eps", MN_ARG_REAL, "1e-8", NULL, "added to the root of the mean square"},
    {"weight_decay", MN_ARG_REAL, "0", NULL, "factor of the weights that is added to the gradient"},
    {NULL, 0, NULL, NULL, NULL}};

static const mn_arg_def adamw_args[] = {
    {"lr", MN_ARG_REAL, "0.001", NULL, "learning rate at the start of the schedule"},
    {"betas", MN_ARG_REALS, "[0.9, 0.999]", NULL, "decay of the running means of the gradient and of its square"},
    {"eps", MN_ARG_REAL, "1e-8", NULL, "added to the root of the mean square"},
    {"weight_decay", MN_ARG_REAL, "0.01", NULL, "weights shrink by lr times this before each step"},
    {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_adam_component = {"optimizer", "Adam", "Adam, as torch.optim.Adam", adam_args, build, NULL};
const mn_component mn_adamw_component = {
    "optimizer", "AdamW", "Adam with decay apart from the gradient, as torch.optim.AdamW", adamw_args, build, &rule};
