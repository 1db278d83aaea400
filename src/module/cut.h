/* The numbers of a layer that was cut (mn_layer_cut of layers.h). */
#ifndef MN_CUT_H
#define MN_CUT_H

#include "module/module.h"

enum { MN_CUT_STEPS = 8 };

/* How a cut parameter's numbers follow from those of the whole. */
typedef struct mn_cut {
    const mn_param *param; /* what it became: its sizes are those of the part */
    int64_t dims[4];       /* of the whole */
    int32_t n_steps;       /* matrices that it goes through, */
    int32_t windows[MN_CUT_STEPS];   /* the windows that they are of, from the largest down, */
    const char *steps[MN_CUT_STEPS]; /* and their names; borrowed */
} mn_cut;

/* Numbers of the part, plain. steps: those of the matrices. MODNAS_ENOMEM. */
int mn_cut_apply(modnas_ctx *ctx, const mn_cut *c, const double *whole, const double *const *steps, double *part);

#endif
