/* The components of this folder, and what they share. */
#ifndef MN_ESTIM_PARTS_H
#define MN_ESTIM_PARTS_H

#include "search/search.h"

extern const mn_component mn_default_estim_component, mn_supernet_estim_component, mn_random_sampling_estim_component,
    mn_subnet_estim_component, mn_shrinking_estim_component, mn_table_estim_component, mn_table_space_component;

/* 1 if the estimator's metric can be measured: it needs no validation data, or there is some. */
int mn_estim_can_score(const mn_estim *e);
/* What estimators that score need, or it is said: a metric that can be measured; an optimizer that proposes. */
int mn_estim_check_score(const mn_estim *e);
int mn_estim_check_proposer(const mn_estim *e);
/* What every estimator that trains needs: a trainer. */
int mn_estim_check_trainer(modnas_ctx *ctx, const mn_estim_env *env, const char *type);

#endif
