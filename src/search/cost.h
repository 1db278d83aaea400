/* Costs that add up over a space: what is always there, plus what each option adds.
 *
 *   cost(arch) = fixed + sum over genes i of of[first[i] + option of i]
 *
 * Whole numbers, so that sums and comparisons are exact: parameters and multiply-adds as they are, milliseconds in
 * nanoseconds. */
#ifndef MN_COST_H
#define MN_COST_H

#include "space/space.h"

#define MN_COST_MS 1e6 /* nanoseconds in a millisecond */

typedef struct mn_costs {
    modnas_ctx *ctx;
    int32_t n;      /* genes: parameters of the space with options */
    int32_t *first; /* n + 1 */
    int64_t *of, fixed;
} mn_costs;

/* All zero, for the space of a model; freed with mn_costs_free. */
int mn_costs_new(mn_model *model, mn_costs *out);
int mn_costs_copy(const mn_costs *c, mn_costs *out);
void mn_costs_free(mn_costs *c); /* zeroed is fine */

/* The cost of the network that the model is reduced to. */
typedef int (*mn_cost_fn)(mn_model *model, void *ud, int64_t *cost);
/* Take apart a cost by changing one option after the other, and try it on architectures at random: MODNAS_EUNSUPPORTED
 * with `name` where options' costs do not add up. The model is afterwards as before. */
int mn_costs_measure(mn_model *model, const char *name, mn_cost_fn fn, void *ud, mn_costs *out);
/* mn_cost_fn: trained parameters; multiply-adds for one image of int32_t[3] at ud. */
int mn_cost_params(mn_model *model, void *ud, int64_t *cost);
int mn_cost_macs(mn_model *model, void *ud, int64_t *cost);

/* By the name of its metric: params, macs, or latency_ms of a model that has a table (model->latency). input: C, H, W
 * of an image. MODNAS_EINVAL: there is no such cost; or it needs a backend, or a table. */
int mn_costs_named(mn_model *model, const char *name, const int32_t input[3], mn_costs *out);

double mn_cost_unit(const char *name); /* of its costs are one of the metric */

int64_t mn_costs_of(const mn_costs *c, const int32_t *index); /* an option for every gene */
int64_t mn_costs_min(const mn_costs *c);
int64_t mn_costs_max(const mn_costs *c);

#endif
