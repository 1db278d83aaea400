/* A network with the weights of a larger one: they are kept, its batch norm statistics taken, and all put back. */
#ifndef MN_REDUCED_H
#define MN_REDUCED_H

#include "search/search.h"
#include "train/calibrate.h"

typedef struct mn_reduced {
    mn_calibration *calibration; /* NULL: statistics stay */
    void *kept;                  /* weights and statistics, as they rest; NULL: nothing changes them */
    int32_t is_kept;
} mn_reduced;

/* From the args below; changes: the weights are changed, too. */
int mn_reduced_init(mn_reduced *r, mn_estim *e, const mn_args *a, int changes);
void mn_reduced_free(mn_reduced *r, mn_estim *e); /* zeroed is fine */
int mn_reduced_prepare(mn_reduced *r, mn_estim *e);
/* Keep the weights; whoever changes them does so now; take the statistics; at the end put all back, bit for bit. */
int mn_reduced_keep(mn_reduced *r, mn_estim *e);
int mn_reduced_calibrate(mn_reduced *r);
int mn_reduced_put(mn_reduced *r, mn_estim *e);

#define MN_REDUCED_ARGS                                                                                                \
    {"num_bn_batch", MN_ARG_INT, "100", NULL,                                                                          \
     "training batches, always the same, that an architecture's batch norm statistics are taken from; 0: they stay"},  \
        {"bn_mode", MN_ARG_STR, "pooled", "pooled|average|ema",                                                        \
         "statistics of all samples together; means of the batches' ones; running ones"},                              \
    {                                                                                                                  \
        "clear_subnet_bn", MN_ARG_BOOL, "true", NULL, "ema begins with mean 0 and variance 1, not with the shared ones" \
    }

#endif
