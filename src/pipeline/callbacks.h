/* The callbacks of a search: the default ones and those that the configuration names, in the order of their priority. */
#ifndef MN_CALLBACKS_H
#define MN_CALLBACKS_H

#include "pipeline/pipeline.h"

int mn_callbacks_build(mn_pipeline *p); /* after the model was made */
void mn_callbacks_free(mn_pipeline *p);
int mn_callbacks_begin(mn_pipeline *p, mn_estim *e);
int mn_callbacks_evaluated(mn_pipeline *p, mn_estim *e, const mn_evaluation *v, int is_new);
int mn_callbacks_epoch_done(mn_pipeline *p, mn_estim *e);
int mn_callbacks_end(mn_pipeline *p, mn_estim *e);
/* Visit those that have a state; stops at a non-zero return and returns it. */
int mn_callbacks_visit(const mn_pipeline *p, int (*fn)(const char *name, mn_callback *c, void *ud), void *ud);

#endif
