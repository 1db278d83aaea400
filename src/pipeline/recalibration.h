/* What batch-norm statistics are worth to the network that a weight-sharing search found: its accuracy with those that
 * the supernet's training left, and with its own, taken in each of three ways. */
#ifndef MN_RECALIBRATION_H
#define MN_RECALIBRATION_H

#include "search/search.h"

enum { MN_N_STATISTICS = 4 }; /* as they were left, pooled, average, ema */

typedef struct mn_recalibration {
    modnas_ctx *ctx;
    int32_t is_wanted;
    int64_t n_samples;                   /* that statistics were taken from; 0: not yet */
    mn_scores scores[MN_N_STATISTICS];   /* on the validation data */
    char *sha256;                        /* of the samples; owned */
} mn_recalibration;

/* For an estimator, whose section may say `recalibration: false`. */
void mn_recalibration_init(mn_recalibration *r, const mn_estim *e);
void mn_recalibration_free(mn_recalibration *r); /* zeroed is fine */
/* After the estimator's run, with the weights as they are then. They, the data and the architecture are left as they
 * were. */
int mn_recalibration_run(mn_recalibration *r, mn_estim *e);
int mn_recalibration_state(mn_recalibration *r, mn_state *io);
/* ,"recalibration":{...} if it was run. */
void mn_results_recalibration(mn_str *s, const mn_recalibration *r);
/* {"acc_top1":...,"acc_top5":...,"loss":... of sums over images; the object is left open. */
void mn_results_scores(mn_str *s, const mn_scores *sum);

#endif
