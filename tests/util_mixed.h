/* Two mixed ops of three candidates in a small f64 network on ref, for tests of their gradients and draws. */
#ifndef UTIL_MIXED_H
#define UTIL_MIXED_H

#include "util_model.h"

enum { MIXED_OPS = 2, MIXED_CANDIDATES = 3 };

/* stem (1x1, 2 -> 4), two Slots 4 -> 4, pool, classifier for 3; batch of 3 images 2x3x4. spec: of both mixed ops. */
mn_model *mixed_model(const char *spec, const char *candidates, uint64_t seed);
/* Candidates built with ops in this order ("wb": weights, then batch norm, no activation: smooth); NULL: the default. */
mn_model *mixed_model_of(const char *spec, const char *candidates, uint64_t seed, const char *order);
mn_mixed *mixed(const mn_model *m, int32_t i);
/* Loss with fixed paths, except that mixed op `at` gives sum_j p[j] o_j(x); at -1: none. Training mode. */
double mixture_loss(mn_model *m, step *s, const int32_t path[MIXED_OPS], int32_t at, const double *p);
/* d loss / d p[j] at p = one-hot(path[at]) by central differences: <G, o_j(x)>. */
double mixture_slope(mn_model *m, step *s, const int32_t path[MIXED_OPS], int32_t at, int32_t j);

#endif
