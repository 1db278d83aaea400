/* Architectures that were found, with their results, as results.json tells of them. */
#ifndef MN_FOUND_H
#define MN_FOUND_H

#include "search/search.h"

typedef struct mn_found {
    char *arch; /* one line of JSON; owned */
    double score;
    mn_metrics metrics;
} mn_found;

int mn_found_of(modnas_ctx *ctx, const mn_evaluation *v, mn_found *out); /* arch is the caller's */
int mn_found_state(mn_found *f, mn_state *io);
void mn_found_json(mn_str *s, const char *arch, double score, const mn_metrics *metrics);
void mn_metrics_json(mn_str *s, const mn_metrics *m); /* {"acc_top1":0.5,...} */

#endif
