/* Cache of plans: description of a kernel (its bytes) -> plan. Nothing is ever evicted. */
#ifndef MN_PLAN_CACHE_H
#define MN_PLAN_CACHE_H

#include "backend/backend.h"

typedef struct mn_plan_cache {
    struct mn_plan_entry **table;
    size_t n, cap;
} mn_plan_cache;

/* The plan of this description, or NULL. Stays where it is as long as the cache. */
const mn_plan *mn_plan_cache_get(const mn_plan_cache *c, const modnas_kernel *k);

/* Take over a plan for a description that is not in the cache yet; *out is its place. On MODNAS_ENOMEM the plan stays
 * the caller's. */
int mn_plan_cache_put(modnas_ctx *ctx, mn_plan_cache *c, const modnas_kernel *k, const mn_plan *plan,
                      const mn_plan **out);

/* Free the plans, each on the backend that made it. */
void mn_plan_cache_free(modnas_ctx *ctx, mn_plan_cache *c);

#endif
