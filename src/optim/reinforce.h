/* REINFORCEOptim's forms: which one it takes depends on what the model has to choose. */
#ifndef MN_REINFORCE_H
#define MN_REINFORCE_H

#include "search/search.h"

/* Over sampled mixed ops: their logits are the policy (reinforce_mixed.c). */
int mn_reinforce_mixed_new(const mn_args *a, const mn_optim_env *env, mn_optim **out);
/* Over a space of choices: a policy that proposes (reinforce_policy.c). */
int mn_reinforce_policy_new(const mn_args *a, const mn_optim_env *env, mn_optim **out);

#endif
