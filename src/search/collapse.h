/* Has a gradient search run into what needs no weights? */
#ifndef MN_COLLAPSE_H
#define MN_COLLAPSE_H

#include "space/space.h"

typedef struct mn_collapse {
    int32_t n_ops;    /* architecture parameters that could choose a candidate without weights; 0: nothing can collapse */
    int32_t n_free;   /* of these, whose most probable candidate is such a one */
    double expected;  /* how many a choice at random would give */
    double p;         /* its chance to give as many or more */
    double entropy;   /* of softmax(alpha), mean over all mixed ops with logits, 1: all candidates alike */
    int32_t n_identity; /* those of n_free that are an identity */
    double p_identity;  /* the chance of as many or more */
    int32_t is_alarm; /* half of them or more, and p at most 0.01; or half of those that could be an identity, likewise */
} mn_collapse;
/* Of the model as its logits are now. */
int mn_collapse_measure(mn_model *m, mn_collapse *out);

#endif
