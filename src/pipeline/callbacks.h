/* The callbacks of a search: the default ones and those that the configuration names, in the order of their priority. */
#ifndef MN_CALLBACKS_H
#define MN_CALLBACKS_H

#include "pipeline/pipeline.h"

int mn_callbacks_build(mn_pipeline *p); /* after the objective and the model were made */
void mn_callbacks_free(mn_pipeline *p);
int mn_callbacks_begin(mn_pipeline *p, mn_estim *e);
int mn_callbacks_step(mn_pipeline *p, const mn_progress *progress);
int mn_callbacks_evaluated(mn_pipeline *p, mn_estim *e, const mn_evaluation *v);
int mn_callbacks_epoch_done(mn_pipeline *p, mn_estim *e);
int mn_callbacks_end(mn_pipeline *p, mn_estim *e);
void mn_callbacks_results(const mn_pipeline *p, const mn_estim *e, mn_str *s); /* ,"key":value of e in results.json */
/* Visit those that have a state; stops at a non-zero return and returns it. */
int mn_callbacks_visit(const mn_pipeline *p, int (*fn)(const char *name, mn_callback *c, void *ud), void *ud);

#endif
