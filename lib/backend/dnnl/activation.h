/* What oneDNN calls the activations. */
#ifndef MN_DNNL_ACTIVATION_H
#define MN_DNNL_ACTIVATION_H

#include "backend/dnnl/dnnl_backend.h"

typedef struct mn_dnnl_eltwise {
    dnnl_alg_kind_t forward, backward;
    int32_t backward_reads_dst; /* the backward algorithm works from y, not from x */
    float alpha, beta;
} mn_dnnl_eltwise;

/* NULL for NONE, and for what oneDNN does not have with constants of its own (clip, linear). */
const mn_dnnl_eltwise *mn_dnnl_eltwise_of(int32_t act);

#endif
