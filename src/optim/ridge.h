/* Ridge regression on one-hot features of points: y = b + sum over digits of w[digit, choice]. */
#ifndef MN_RIDGE_H
#define MN_RIDGE_H

#include "optim/points.h"

typedef struct mn_ridge {
    const mn_points *points;
    int32_t n_features, *first; /* by digit: its first feature */
    double bias, *w;
    double *grad, *step, *image; /* work space */
} mn_ridge;

int mn_ridge_init(mn_ridge *r, const mn_points *p);
void mn_ridge_free(mn_ridge *r); /* zeroed is fine */
/* Least squares of n points with values y, plus l2 |w|^2 (b is the mean of y and is not shrunk). */
void mn_ridge_fit(mn_ridge *r, const int32_t *digits, const double *y, int64_t n, double l2);
double mn_ridge_predict(const mn_ridge *r, const int32_t *digits);

#endif
