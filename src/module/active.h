/* What layers need to record, and others to count, when only part of a module is active (mn_active of module.h). */
#ifndef MN_ACTIVE_H
#define MN_ACTIVE_H

#include "module/module.h"

/* Sizes of a parameter of m as much of it is active. */
void mn_active_dims(const mn_module *m, const mn_param *p, int64_t dims[4]);
/* Elements of it that a network of that size would have: none of the matrices between its windows. */
int64_t mn_active_numel(const mn_module *m, const mn_param *p);
int mn_active_is_there(const mn_module *m); /* 0: it hands on what it is given */
int mn_active_is_whole(const mn_param *p, const int64_t dims[4]);
int mn_active_is_step(const mn_module *m, const mn_param *p); /* 1: a convolution's matrix between two windows */

/* Between its windows of two sizes, from the largest down: parameter "7to5_matrix", which begins as the identity. */
int mn_active_add_step(mn_module *m, int32_t from, int32_t to);

/* What m is given, at the size that it is to have; NULL: it is not resized. */
int mn_active_resize(const mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **out);
/* A vector's or a linear layer's value, as much of it is active. */
int mn_active_use(mn_module *m, mn_run *run, mn_param *p, mn_value **out);
/* Weights of a convolution with steps, down to the window of dims; *weights: all of it. */
int mn_active_step_down(mn_module *m, mn_run *run, const int64_t dims[4], int32_t groups, mn_value **weights);

#endif
