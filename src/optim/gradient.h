/* What gradient methods share: which mixed ops they can work with, and the optimizer of the architecture parameters. */
#ifndef MN_GRADIENT_H
#define MN_GRADIENT_H

#include "search/search.h"

typedef struct mn_gradient { /* the state of a gradient method begins with it */
    mn_weight_optim *optim;  /* of the architecture parameters */
} mn_gradient;

/* The original's default. */
#define MN_GRADIENT_ADAM "{type: Adam, args: {lr: 0.0003, betas: [0.5, 0.999], weight_decay: 0.001}}"
#define MN_GRADIENT_ARG(adam)                                                                                          \
    { "a_optim", MN_ARG_SPEC, adam, "optimizer", "how architecture parameters move" }

/* MODNAS_ECONFIG, with the names of both, unless all mixed ops are of the types (ends with NULL), there is one, and a
 * backend holds their logits. */
int mn_gradient_check(const mn_args *a, const mn_model *model, const char *const *types);
/* Check, and make one with its a_optim. types: as above. */
int mn_gradient_new(const mn_args *a, const mn_optim_env *env, const mn_optim_vt *vt, const char *const *types,
                    size_t state_bytes, mn_optim **out);
/* The same for builders, filled by `fill`, after whose failure it is freed. out: mn_optim **. */
int mn_gradient_make(const mn_args *a, const mn_optim_env *env, const mn_optim_vt *vt, const char *const *types,
                     size_t state_bytes, int (*fill)(mn_optim *o, const mn_args *a, const mn_optim_env *env),
                     void *out);
/* Move the architecture parameters along the gradients that are there. */
int mn_gradient_apply(mn_optim *o);
int mn_gradient_state(mn_optim *o, mn_state *io);
void mn_gradient_destroy(mn_optim *o);

/* Mixed ops that compute all candidates: their weights are differentiable functions of the architecture parameters. */
extern const char *const mn_gradient_sums[];

#endif
