/* Ranks of outcomes by domination, and how alone they are (NSGA-II: Deb et al. 2002). */
#ifndef MN_PARETO_H
#define MN_PARETO_H

#include "search/objective.h"

/* rank: 0 for what nothing dominates, 1 for what only those of rank 0 do, ... alone: the crowding distance within a rank,
 * infinite at its ends. order (n of them): best first, by rank, then the more alone, then the earlier. */
int mn_pareto_sort(modnas_ctx *ctx, const mn_fitness *f, int32_t n, int32_t *rank, double *alone, int32_t *order);

#endif
