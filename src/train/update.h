/* Weight optimizers from the inside: one rule a file (sgd.c, adam.c, rmsprop.c, adagrad.c), the loop over parameters in weight_optim.c. */
#ifndef MN_UPDATE_H
#define MN_UPDATE_H

#include "train/arena.h"
#include "train/train.h"

#define MN_UPDATE_STATES  MN_OPTIM_ARENAS /* most state arenas of a rule */
#define MN_UPDATE_SCALARS 10 /* most run-time scalars of its kernel */

/* A step as a straight line: w' = w - lr (grad (g + weight_decay w) + state s), s the first state arena. */
typedef struct mn_ahead {
    double grad, state;
} mn_ahead;

typedef struct mn_update_rule {
    const char *name;
    int32_t kind;    /* of the kernel */
    int32_t n_state; /* arenas beside weights and gradients; may be fewer by the options, see mn_weight_optim_new */
    /* Parameters that have made a and b steps may share one kernel call. */
    int (*same)(int64_t a, int64_t b);
    /* The kernel's scalars for a range of n elements whose parameters have made `steps` steps before; returns their
     * number. */
    int32_t (*scalars)(const mn_weight_optim *o, double n, double lr, double g_scale, int64_t steps, double *out);
    mn_ahead (*ahead)(const mn_weight_optim *o, int64_t steps); /* NULL: its steps are no straight lines */
} mn_update_rule;

struct mn_weight_optim {
    modnas_ctx *ctx;
    mn_store *store;
    const mn_update_rule *rule;
    int32_t flags, n_state; /* of the kernel */
    int32_t absent;         /* bit i: state i < n_state is not kept, the kernel is given NULL */
    double lr, weight_decay;
    double momentum, dampening; /* SGD */
    double beta1, beta2, eps;   /* Adam; eps: of RMSprop and Adagrad, too */
    double alpha;               /* RMSprop */
    double lr_decay;            /* Adagrad */
    double state_init;          /* what its states begin with */
    const mn_plan *plan;
    mn_axpby axpby;
    void *state[MN_UPDATE_STATES]; /* arenas: device memory, offsets as the weights' */
    int64_t *steps;                /* by parameter of the store: updates it has had */
    size_t n_params;
};

/* `draft` with everything but plan, state and steps filled in becomes an optimizer of its own. */
int mn_weight_optim_new(const mn_weight_optim *draft, mn_weight_optim **out);
/* eps, but never 0: where there never was a gradient, as in the padding of blocked weights, a step would be 0 / 0. */
double mn_update_eps(const mn_weight_optim *o);
int mn_update_same_steps(int64_t a, int64_t b); /* for `same`: each count of steps by itself */
int mn_update_any_steps(int64_t a, int64_t b);  /* for `same`: the rule does not count */

#endif
