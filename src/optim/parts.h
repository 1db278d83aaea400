/* The components of this folder, for optim.c's registration. */
#ifndef MN_OPTIM_PARTS_H
#define MN_OPTIM_PARTS_H

#include "search/search.h"

enum { MN_N_DIRECT_GRAD = 2 };
extern const mn_component mn_binary_gate_component, mn_random_search_component, mn_grid_search_component,
    mn_evolution_component, mn_aging_component, mn_nsga2_component, mn_model_based_component, mn_local_search_component;
extern const mn_component mn_darts_component, mn_gumbel_annealing_component, mn_reinforce_component;
extern const mn_component mn_direct_grad_components[MN_N_DIRECT_GRAD];

#endif
