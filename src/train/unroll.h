/* The gradient of architecture parameters through one step of the weights. */
#ifndef MN_UNROLL_H
#define MN_UNROLL_H

#include "train/train.h"

/* The passes that it is made of, each forward and backward with the weights that the store has at the moment:
 *   TRAIN   training loss, gradients of the weights
 *   VALID   validation loss, gradients of the weights and of the architecture parameters
 *   CROSS   training loss on the same batch, gradients of the architecture parameters */
enum mn_unroll_kind { MN_UNROLL_TRAIN, MN_UNROLL_VALID, MN_UNROLL_CROSS, MN_N_UNROLL };
typedef int (*mn_unroll_fn)(int32_t kind, void *ud);

typedef struct mn_unroll mn_unroll;
/* Both stores are borrowed. Holds memory of one weight arena and of two architecture arenas. */
int mn_unroll_new(mn_store *weights, mn_store *arch, mn_unroll **out);
void mn_unroll_free(mn_unroll *u); /* NULL is fine */
/* Leaves the gradient in the architecture store; the weights are not touched, nor is what the optimizer keeps.
 * radius: how far the weights are moved to each side for the second derivative. Allocates nothing. */
int mn_unroll_grad(mn_unroll *u, const mn_weight_optim *o, double lr, double radius, mn_unroll_fn run, void *ud);

#endif
