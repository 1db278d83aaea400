/* Are these numbers larger than those? Do they go together? */
#ifndef MN_RANK_H
#define MN_RANK_H

#include "base/base.h"

/* One-sided Mann-Whitney test: the probability that a has ranks as high as these, or higher, when a and b are drawn
 * from the same distribution. Equal numbers share the mean of their ranks; NaN counts as the least. Exact up to 80
 * numbers in all, above with the normal approximation (ties, continuity). 1 when a or b is empty. */
int mn_mann_whitney(modnas_ctx *ctx, const double *a, size_t n_a, const double *b, size_t n_b, double *p);

/* Spearman's rank correlation of n pairs: Pearson's of their midranks. NaN counts as the least; NaN comes out where all
 * numbers of a side are equal, or there are none. */
int mn_spearman(modnas_ctx *ctx, const double *a, const double *b, size_t n, double *rho);

#endif
