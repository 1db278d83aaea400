/* A policy over points: for each digit a softmax of logits, moved by the gradient of the expected reward (Williams 1992)
 * with Adam or SGD.
 *
 * In double precision and without the C library's exp, so that the same results give the same bytes everywhere. */
#ifndef MN_POLICY_H
#define MN_POLICY_H

#include "optim/points.h"

typedef struct mn_policy {
    const mn_points *points;
    int32_t n, *first;  /* logits; by digit its first one */
    double *logit, *p;  /* p: of the choices, as the logits are */
    double *grad, *m, *v;
    int32_t is_adam;
    double lr, beta[2], power[2], eps, decay, momentum; /* power: beta to the number of steps */
} mn_policy;

/* All logits are 0. spec: an optimizer of weights, Adam, AdamW or SGD, with its args. */
int mn_policy_init(mn_policy *y, const mn_points *p, const mn_args *a, const char *arg);
void mn_policy_free(mn_policy *y); /* zeroed is fine */
int mn_policy_state(mn_policy *y, mn_state *io);
void mn_policy_draw(const mn_policy *y, mn_rng *rng, int32_t *digits);
/* Of the loss -sum of weight log p(digits): gradients are added up, then a step is made and they are 0 again. */
void mn_policy_add(mn_policy *y, const int32_t *digits, double weight);
void mn_policy_step(mn_policy *y);

double mn_exp(double x); /* e^x, correct to 1e-15, for x <= 0 */

#endif
