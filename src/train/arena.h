/* Arithmetic on whole arenas and their active ranges. */
#ifndef MN_ARENA_H
#define MN_ARENA_H

#include "graph/store.h"

/* y = a x + b y for arenas of a store's type; what has the factor 0 is not read. */
typedef struct mn_axpby {
    const mn_plan *plan;
    size_t elem_bytes;
} mn_axpby;
int mn_axpby_new(mn_store *s, mn_axpby *out);
/* count elements from `offset` on, in both. */
int mn_axpby_run(const mn_axpby *k, size_t offset, size_t count, double a, const void *x, double b, void *y);

#endif
