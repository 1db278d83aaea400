/* What a run found: the best architectures of each estimator, and results.json. */
#ifndef MN_RESULTS_H
#define MN_RESULTS_H

#include "callback/callback.h"
#include "pipeline/baseline.h"
#include "search/search.h"

#define MN_TOP 10 /* architectures that are kept of an estimator, unless the configuration says another number */

typedef struct mn_found {
    char *arch; /* one line of JSON; owned */
    double score;
    mn_metrics metrics;
} mn_found;

/* The best distinct architectures that obey all limits, best first; of equal ones the first found is ahead. */
typedef struct mn_top {
    modnas_ctx *ctx;
    int32_t n, most;
    mn_found found[MN_MOST_TOP];
} mn_top;

/* Of several goals: the distinct architectures that none dominates (front.c). */
typedef struct mn_front {
    modnas_ctx *ctx;
    mn_vec members; /* in the order in which they were found */
} mn_front;

void mn_front_init(mn_front *f, modnas_ctx *ctx);
int mn_front_add(mn_front *f, const mn_evaluation *v, int *is_new); /* is_new: 1 if its values are there now, and were not */
int mn_front_state(mn_front *f, mn_state *io);
void mn_front_free(mn_front *f);                 /* zeroed is fine */
void mn_results_front(mn_str *s, const mn_front *f); /* a list, the best by the first goal ahead */

int mn_top_add(mn_top *t, const mn_evaluation *v);
int mn_top_state(mn_top *t, mn_state *io);
void mn_top_free(mn_top *t);

void mn_results_found(mn_str *s, const char *arch, double score, const mn_metrics *metrics);
void mn_results_metrics(mn_str *s, const mn_metrics *m); /* {"acc_top1":0.5,...} */
/* {"evaluations":...,"best":{...},"top":[...]} of an estimator; of several goals also "front". */
void mn_results_estim(mn_str *s, const mn_estim *e, const mn_top *top, const mn_front *front,
                      const mn_baseline *baseline);

#endif
