/* The components of this folder, and what they share. */
#ifndef MN_ESTIM_PARTS_H
#define MN_ESTIM_PARTS_H

#include "search/search.h"

extern const mn_component mn_default_estim_component, mn_supernet_estim_component;

/* Start a phase: checkpoint of the section's `chkpt`, new optimizer and schedule, clocks. */
int mn_estim_begin(mn_estim *e);
/* One epoch of weight steps; before (may be NULL) is called before each. */
int mn_estim_train_epoch(mn_estim *e, int64_t epoch, int (*before)(mn_estim *e, int64_t step));
/* 1 if the estimator's metric can be measured: it needs no validation data, or there is some. */
int mn_estim_can_score(const mn_estim *e);
/* What every estimator that trains needs: a trainer. */
int mn_estim_need_trainer(modnas_ctx *ctx, const mn_estim_env *env, const char *type);

#endif
