/* Limits on what a search may find: `objective: {subject_to: ["macs <= 60M", "latency_ms <= 5"]}`.
 *
 * Limits on costs that add up (search/cost.h) are kept: of logits, what a model is reduced to is not the most probable
 * candidate of each mixed op but the most probable architecture that obeys, max sum log p (knapsack.h). Others are only
 * looked at when something was measured. */
#ifndef MN_LIMIT_H
#define MN_LIMIT_H

#include "search/cost.h"
#include "search/knapsack.h"

typedef struct mn_limit {
    const char *text, *metric; /* as written; owned */
    int32_t is_least;          /* 1: at least `bound`; 0: at most */
    double bound, unit;        /* in the metric's unit; of a cost in that */
    int32_t is_kept;           /* 1: `costs` are there */
    mn_costs costs;
} mn_limit;

typedef struct mn_limits {
    modnas_ctx *ctx;
    int32_t n, n_kept;
    mn_limit *all;
    mn_knapsack knapsack; /* of what is kept; borrowed of the next: */
    double *value;
    int64_t *cost;
    int32_t *index;
} mn_limits;

/* Of a checked `objective`, which may be NULL; *out NULL when there is none. */
int mn_limits_new(modnas_ctx *ctx, const mn_node *objective, mn_limits **out);
void mn_limits_free(mn_limits *l); /* NULL is fine */
/* Limit i is one on these costs (taken, also on failure), `unit` of them are one of the metric. MODNAS_EUNSUPPORTED:
 * more than MN_KNAPSACK_COSTS. */
int mn_limits_keep(mn_limits *l, int32_t i, mn_costs *costs, double unit);
/* After the last mn_limits_keep. MODNAS_ECONFIG: nothing in the space obeys, which is certain; the text says why. */
int mn_limits_ready(mn_limits *l);
/* Of the options of an architecture of the model, what is open becomes the most probable ones that obey; those that are
 * set, and choices, stay. With nothing open, or no costs, nothing is done. MODNAS_ENOTFOUND: what is set leaves none
 * that obeys, which is certain, and the text says why; nothing is done. */
int mn_limits_choose(mn_limits *l, const mn_model *model, int32_t *index);
/* The same of the model: the candidates are forced on the mixed ops that have logits and are free (mn_derive_begin). */
int mn_limits_force(mn_limits *l, mn_model *model);
/* Of one that is kept: the least or the most that its costs may be. */
int64_t mn_limit_bound(const mn_limit *l);
/* Is a measured value within the limit? */
int mn_limit_obeys(const mn_limit *l, double value);

#endif
