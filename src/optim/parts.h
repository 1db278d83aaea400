/* The components of this folder, for optim.c's registration. */
#ifndef MN_OPTIM_PARTS_H
#define MN_OPTIM_PARTS_H

#include "search/search.h"

extern const mn_component mn_binary_gate_component, mn_random_search_component;

#endif
