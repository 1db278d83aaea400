/* Architectures drawn uniformly, from a whole space or from those whose costs lie in ranges. */
#ifndef MN_SAMPLER_H
#define MN_SAMPLER_H

#include "search/cost.h"

typedef struct mn_cost_range {
    const char *name; /* for messages */
    mn_costs costs;
    int64_t low, high;
} mn_cost_range;

typedef struct mn_sampler mn_sampler;

/* ranges: n of them, taken, also on failure; 0: the whole space. MODNAS_ECONFIG: nothing of the space is within the
 * ranges (certainly, or as far as many draws tell: the text says which). */
int mn_sampler_new(mn_model *model, mn_cost_range *ranges, int32_t n, mn_sampler **out);
void mn_sampler_free(mn_sampler *s); /* NULL is fine */
/* An option for every gene; allocates nothing. */
int mn_sampler_draw(mn_sampler *s, mn_rng *rng, int32_t *index);

#endif
