/* What every backbone must show: right gradients, the same step on every backend, and candidates that fit its Slots or
 * are refused with a reason. Configurations are YAML without the keys backend, threads and seed. */
#ifndef UTIL_NETS_H
#define UTIL_NETS_H

#include "util_model.h"

typedef struct net_figure {
    const char *config;
    int64_t params, macs; /* macs 0: not looked at, nothing is committed */
    size_t slots;
} net_figure;
void net_check_figure(const net_figure *f);

/* raised: batch norms get a bias that keeps what they give away from the kink of a ReLU. Otherwise a rounding, or the
 * step of a difference, takes an element over it now and then, and the gradient jumps by what that one passes on: in a
 * deep network there are many, and at the last, small images each one counts much. */
/* Gradients of all weights in double on ref, against central differences of the loss; images as the model says. */
void net_check_gradients(const char *config, int32_t batch, int raised);
/* One training step on dnnl against one on ref in double: loss, gradients and statistics differ no more than four times
 * what they do on ref in single precision. A line that says "skipped" where there is no dnnl. */
void net_compare_step(const char *config, int32_t batch, int raised);
/* Every candidate in every Slot: it is made and the whole can be recorded, or the Slot and a reason are said. The
 * number of candidates that some Slot took. */
int net_try_candidates(const char *config);
/* All names, which end with NULL, are those of parameters. */
void net_has_params(const char *config, const char *const *names);

#endif
