/* A search beside chance: as many architectures at random, measured in the same way, and whether what the search
 * proposed is better. */
#ifndef MN_BASELINE_H
#define MN_BASELINE_H

#include "optim/visited.h"
#include "search/limit.h"
#include "search/search.h"

typedef struct mn_baseline {
    modnas_ctx *ctx;
    mn_visited found; /* what the search evaluated, each once; ctx NULL: nothing is noted */
    mn_vec scores;    /* double, of each the best */
    int32_t is_wanted;
    mn_vec random;    /* double, of those that were drawn and measured; NaN: it failed; empty: not yet */
    double best;
    mn_metrics metrics; /* of the best one; n 0: none could be measured */
    char *arch;         /* of the best one, one line of JSON; owned */
    double p;           /* of the verdict */
} mn_baseline;

#define MN_BASELINE_LEVEL 0.05 /* of p: below it is better than random */

/* For an estimator, whose section may say `baseline: false`. */
int mn_baseline_init(mn_baseline *b, const mn_estim *e);
void mn_baseline_free(mn_baseline *b); /* zeroed is fine */
int mn_baseline_note(mn_baseline *b, const mn_evaluation *v);
/* After the estimator's run: draw, measure, compare. limits: what is drawn obeys, too; may be NULL. Nothing where
 * nothing was sought. */
int mn_baseline_run(mn_baseline *b, mn_estim *e, const mn_limits *limits);
int mn_baseline_state(mn_baseline *b, mn_state *io);
/* ,"baseline":{...},"verdict":{...} if it was run. */
void mn_results_baseline(mn_str *s, const mn_baseline *b);

#endif
