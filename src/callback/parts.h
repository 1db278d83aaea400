/* Inside of callbacks: their rows. The interface is callback/callback.h. */
#ifndef MN_CALLBACK_PARTS_H
#define MN_CALLBACK_PARTS_H

#include "callback/callback.h"

extern const mn_component mn_early_stopping_component, mn_results_exporter_component, mn_mixed_stats_component,
    mn_optimum_reporter_component, mn_eta_reporter_component, mn_trainer_reporter_component,
    mn_estim_reporter_component;

#endif
