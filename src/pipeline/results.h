/* What a run found: the best architectures of each estimator, and results.json. */
#ifndef MN_RESULTS_H
#define MN_RESULTS_H

#include "callback/callback.h"
#include "pipeline/baseline.h"
#include "pipeline/recalibration.h"
#include "search/found.h"

#define MN_TOP 10 /* architectures that are kept of an estimator, unless the configuration says another number */

/* The best distinct architectures that obey all limits, best first; of equal ones the first found is ahead. */
typedef struct mn_top {
    modnas_ctx *ctx;
    int32_t n, most;
    mn_found found[MN_MOST_TOP];
} mn_top;

int mn_top_add(mn_top *t, const mn_evaluation *v);
int mn_top_state(mn_top *t, mn_state *io);
void mn_top_free(mn_top *t);

/* {"evaluations":...,"best":{...},"top":[...] of an estimator; the object is left open. */
void mn_results_estim(mn_str *s, const mn_estim *e, const mn_top *top, const mn_baseline *baseline);

#endif
