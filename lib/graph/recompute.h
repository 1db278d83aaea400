/* Recomputing inside: recompute.c rewrites a plan, segments.c chooses how much of it. */
#ifndef MN_RECOMPUTE_H
#define MN_RECOMPUTE_H

#include "graph/run.h"

/* A stretch of forward calls, [from, to). */
typedef struct mn_segment {
    int32_t from, to;
    int32_t on;    /* what it saves within itself is dropped and made again */
    int32_t done;  /* made again, in the plan being written */
    size_t saved;  /* bytes that this drops */
    double cost;   /* of making it again */
} mn_segment;

/* What is known of a forward call. */
typedef struct mn_forward_call {
    int32_t segment, needed;
    int32_t barred;  /* > 0: no segment begins here, a value is half written */
    size_t crossing; /* bytes of values from before that are read here or later in the forward */
    size_t made;     /* bytes that it saves for the backward */
} mn_forward_call;

/* Remember the plan as it is; the values' made, ahead and used, and of_call are filled in. */
int mn_recompute_begin(mn_run *run);
/* Write the plan anew with run->segments, and place its values. */
int mn_recompute_plan(mn_run *run);
int mn_recompute_writes(const mn_call *c, int32_t arg);

#endif
