/* Named results of one evaluation. */
#ifndef MN_METRICS_H
#define MN_METRICS_H

#include "base/state.h"

/* In a fixed order; the first one is the score (higher is better) unless an objective says more. */
#define MN_MAX_METRICS 16
typedef struct mn_metrics {
    int32_t n;
    const char *name[MN_MAX_METRICS]; /* static or owned by the component that measured */
    double value[MN_MAX_METRICS];
} mn_metrics;

int mn_metrics_state(mn_metrics *m, mn_state *io);
int mn_metrics_add(modnas_ctx *ctx, mn_metrics *m, const char *name, double value); /* replaces a value of that name */
const double *mn_metrics_get(const mn_metrics *m, const char *name);                /* NULL when absent */
double mn_metric_sign(const char *name); /* -1 where less is better: loss, params, macs, latency_ms, arena_bytes; else 1 */
/* What is maximised: the first metric, negated where less is better. */
double mn_metrics_score(const mn_metrics *m);

#endif
