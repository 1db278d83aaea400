/* The multiple-choice knapsack: one option of every group, the sum of values as large as it can be, sums of costs
 * within their room. Solved exactly. */
#ifndef MN_KNAPSACK_H
#define MN_KNAPSACK_H

#include "base/base.h"

#define MN_KNAPSACK_COSTS 4

typedef struct mn_knapsack {
    int32_t n;            /* groups */
    const int32_t *first; /* n + 1: options of group i are first[i] to first[i + 1] - 1 */
    const double *value;  /* by option; -INFINITY: not to be taken */
    int32_t n_costs;
    const int64_t *cost[MN_KNAPSACK_COSTS]; /* by option, of any sign */
    int64_t room[MN_KNAPSACK_COSTS];
} mn_knapsack;

/* index: option of each group, from 0 on. Of equal sums of values the one with the least first cost. MODNAS_ENOTFOUND
 * (no text is set): there is none within the room, which is certain; MODNAS_ENOMEM. */
int mn_knapsack_solve(modnas_ctx *ctx, const mn_knapsack *k, int32_t *index);

#endif
