/* What memory the steps of a configuration take, planned before anything runs. */
#ifndef MN_FOOTPRINT_H
#define MN_FOOTPRINT_H

#include "construct/construct.h"

enum {
    MN_MEM_SAVED,      /* activations that the forward leaves for the backward */
    MN_MEM_TRANSIENTS, /* values that come and go */
    MN_MEM_WORKSPACE,  /* of the kernel that wants most */
    MN_MEM_WEIGHTS,
    MN_MEM_GRADIENTS,
    MN_MEM_OPTIMIZER, /* state of the weight optimizers, one a trainer */
    MN_MEM_ARCH,      /* architecture parameters, their gradients, the optimizer's state */
    MN_MEM_BATCHES,   /* what loaders prepare ahead */
    MN_MEM_LIBRARY,   /* modules, recorded steps, plans of kernels */
    MN_N_MEMORY
};
extern const char *const mn_memory_names[MN_N_MEMORY];

typedef struct mn_memory {
    size_t bytes[MN_N_MEMORY];
} mn_memory;
size_t mn_memory_sum(const mn_memory *m);

typedef struct mn_memory_step {
    mn_model *model;
    const mn_node *config;
    const int32_t *input; /* C, H, W */
    int32_t batch;
    size_t live; /* bytes of the context before the model was made */
} mn_memory_step;

/* Record and plan the steps that the configuration's trainers make; nothing is run, the slab stays as it is. For paths
 * of a supernet the bounds of space/prepare.h. With a limit (`memory`) what a run would take under it, or MODNAS_ECONFIG
 * as the run would answer. */
int mn_memory_measure(const mn_memory_step *s, mn_memory *out);

#endif
