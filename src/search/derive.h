/* The derived network: a supernet with every mixed op reduced to its best candidate. */
#ifndef MN_DERIVE_H
#define MN_DERIVE_H

#include "space/space.h"

/* Force the most probable candidate of every mixed op (an index op: its choice; one that is forced already stays), or
 * of all together the most probable ones that obey the model's limits (search/limit.h), until mn_derive_end. May be
 * nested: the outermost pair counts. */
int mn_derive_begin(mn_model *m);
void mn_derive_end(mn_model *m);
/* What is open in an architecture becomes what its model would be reduced to; MODNAS_ENOTFOUND as mn_limits_choose. */
int mn_derive_arch(mn_arch *a);

/* Trainable weights and biases of the modules that a derived network keeps. Between begin and end. */
int64_t mn_derived_params(const mn_model *m);
int64_t mn_derived_weights(mn_module *module); /* those of a part of it; also without begin: of all candidates */
/* Multiply-adds for one input of C, H, W. Between begin and end. */
int mn_derived_macs(mn_model *m, const int32_t input[3], int64_t *macs);

#endif
