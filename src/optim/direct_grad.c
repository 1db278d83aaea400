/* DirectGradOptim and DirectGradBiLevelOptim: nothing but gradients and their optimizer.
 *
 *   DirectGradOptim          one level: weight steps also sum up the training loss's gradients of the architecture
 *                            parameters; a step applies the sum and starts a new one
 *   DirectGradBiLevelOptim   two levels: a step takes the gradient of the next validation batch (as DARTS, first order)
 */
#include "optim/gradient.h"
#include "optim/parts.h"

static int step_joint(mn_optim *o, mn_estim *e) {
    (void)e;
    MN_TRY(mn_gradient_apply(o)); /* before the first weight step there is none: nothing moves */
    mn_store_zero_grad(o->model->arch);
    return 0;
}

/* The sum so far. */
static int joint_state(mn_optim *o, mn_state *io) {
    mn_store *s = o->model->arch;
    MN_TRY(mn_gradient_state(o, io));
    MN_TRY(mn_store_state(s, mn_store_grads(s), io));
    if (io->loading) mn_store_zero_grad(s);
    for (size_t i = 0; i < mn_store_n_params(s); i++) {
        int32_t active = mn_param_active(mn_store_param(s, i));
        MN_TRY(mn_state_range(io, &active, 0, 1));
        if (active) mn_param_touch(mn_store_param(s, i));
    }
    return 0;
}

static int step_valid(mn_optim *o, mn_estim *e) {
    MN_TRY(mn_trainer_arch_grad(e->trainer, &e->arch_scores));
    return mn_gradient_apply(o);
}

typedef struct direct { /* a component's own constant */
    mn_optim_vt vt;
    int32_t needs;
    const char *const *types;
} direct;

static const char *const any_logits[] = {"SoftmaxSumMixedOp", "GumbelSumMixedOp", "BinaryGateMixedOp",
                                         "BinaryGateUniformMixedOp", NULL};

static const direct joint = {{.type = "DirectGradOptim",
                              .step = step_joint,
                              .destroy = mn_gradient_destroy,
                              .state = joint_state},
                             MN_ARCH_JOINT,
                             mn_gradient_sums},
                    bilevel = {{.type = "DirectGradBiLevelOptim",
                                .step = step_valid,
                                .destroy = mn_gradient_destroy,
                                .state = mn_gradient_state},
                               MN_ARCH_GRAD,
                               any_logits};

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    const direct *d = c->data;
    mn_optim *o;
    MN_TRY(mn_gradient_new(a, env, &d->vt, d->types, sizeof(mn_gradient), &o));
    o->needs = d->needs;
    *(mn_optim **)out = o;
    return 0;
}

static const mn_arg_def args[] = {MN_GRADIENT_ARG(MN_GRADIENT_ADAM), {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_direct_grad_components[MN_N_DIRECT_GRAD] = {
    {"optim", "DirectGradOptim", "one level: architecture parameters learn from the weight steps' own gradients", args,
     build, &joint},
    {"optim", "DirectGradBiLevelOptim", "two levels: gradients of the validation loss as it is", args, build, &bilevel},
};
