/* What metrics.c registers of the other files of this folder. */
#ifndef MN_METRICS_PARTS_H
#define MN_METRICS_PARTS_H

#include "search/search.h"

int mn_cost_loss_register(modnas_ctx *ctx);
extern const mn_component mn_latency_metrics_component;

#endif
