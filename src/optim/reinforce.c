/* REINFORCEOptim (Williams 1992): the logits of a policy move along (reward - baseline) times the gradient of the
 * logarithm of what was drawn. */
#include "optim/reinforce.h"
#include "optim/gradient.h"
#include "optim/parts.h"

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    const mn_space *space = ((const mn_optim_env *)env)->model->space;
    (void)c;
    if (space && mn_space_n_categorical(space)) return mn_reinforce_policy_new(a, env, out);
    return mn_reinforce_mixed_new(a, env, out);
}

static const mn_arg_def args[] = {
    MN_GRADIENT_ARG(MN_GRADIENT_ADAM),
    {"batch_size", MN_ARG_INT, "10", NULL, "architectures drawn for a step"},
    {"valid_batches", MN_ARG_INT, "1", NULL,
     "validation batches that a drawn path is scored on, the same ones for all paths of a step; 0: all of them"},
    {"seed", MN_ARG_INT, "null", NULL, "of the draws over choices; null: the run's"},
    {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_reinforce_component = {
    "optim", "REINFORCEOptim", "ProxylessNAS-R: rewards of sampled paths, against their running mean", args, build,
    NULL};
