/* A sub-network with its weights: what an architecture stands for in a supernet, as a network of its own.
 *
 *   configuration of the supernet -> its tree, without memory -> each mixed op gives way to the candidate that the
 *   architecture names -> commit -> weights and statistics out of the supernet's file
 *
 * The network is built in no other way than the supernet was, and a tensor that stays is found by the name that it had
 * there. */
#ifndef MN_SUBNET_H
#define MN_SUBNET_H

#include "construct/construct.h"

typedef struct mn_subnet {
    modnas_ctx *ctx;
    mn_model *model; /* NULL: the configuration describes no supernet */
    mn_node *arch;   /* as the configuration has it, read; NULL: it has none */
    char *chkpt;     /* likewise: the file of weights */
} mn_subnet;

/* The supernet of a configuration, without memory, and what else it says. */
int mn_subnet_open(modnas_ctx *ctx, const mn_node *config, int32_t dtype, mn_subnet *out);
void mn_subnet_close(mn_subnet *s); /* zeroed is fine */
/* The supernet becomes the network that `arch` is in it, with weights of a file of the supernet's, whole: a file of
 * weights or a resumable checkpoint. After an error the model is good for nothing. */
int mn_subnet_reduce(mn_model *supernet, const mn_node *arch, const char *chkpt);

#endif
