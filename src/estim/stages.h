/* The stages of progressive shrinking: which sizes each elastic value may take in which one. */
#ifndef MN_STAGES_H
#define MN_STAGES_H

#include "search/search.h"
#include "space/elastic.h"

typedef struct mn_stage_def {
    int64_t first, epochs; /* epochs before it, and its own */
    int32_t *n, *choice;   /* by elastic value: how many choices; which, from i width on, in the order of their sizes */
} mn_stage_def;

typedef struct mn_stages {
    modnas_ctx *ctx;
    mn_elastic **value; /* of all kinds, in their order */
    int32_t n_values, width;
    mn_stage_def *stage;
    int32_t n;
} mn_stages;

/* From the args stages and use_ratio of an estimator: each stage a map of kinds to sizes. epochs: of a stage that says
 * nothing. After a failure mn_stages_free is fine. */
int mn_stages_read(mn_stages *s, const mn_args *a, mn_model *model, int64_t epochs);
void mn_stages_free(mn_stages *s); /* zeroed is fine */
int64_t mn_stages_epochs(const mn_stages *s);
int32_t mn_stages_at(const mn_stages *s, int64_t epoch); /* the stage of an epoch */
/* Set the genes of elastic values: each to one of the stage's choices at random; all to the smallest, or the largest;
 * of `kind` to the k-th choice there (the largest where there are fewer). */
void mn_stage_draw(const mn_stages *s, int32_t stage, int32_t kind, mn_rng *rng, mn_arch *arch);
enum { MN_STAGE_SMALLEST = -2, MN_STAGE_LARGEST = -1 };
void mn_stage_set(const mn_stages *s, int32_t stage, int32_t kind, int32_t k, mn_arch *arch);
int32_t mn_stage_most(const mn_stages *s, int32_t stage, int32_t kind); /* choices of a value of the kind; 0: no value */

#endif
