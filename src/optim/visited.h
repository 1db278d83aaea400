/* The set of points of a categorical space that were visited. */
#ifndef MN_VISITED_H
#define MN_VISITED_H

#include "base/state.h"

typedef struct mn_visited {
    modnas_ctx *ctx;
    int32_t n_digits;
    uint64_t n;      /* points in the set */
    uint64_t size;   /* points that there are; UINT64_MAX: that many or more */
    int32_t *digits; /* n points one behind the other */
    uint64_t room;   /* points that `digits` has room for */
    uint64_t *table; /* 1 + number of a point, 0: free; `cap` places, a power of two */
    uint64_t cap;
} mn_visited;

/* choices: how many each of the n_digits digits has. */
int mn_visited_init(mn_visited *v, modnas_ctx *ctx, const int32_t *choices, int32_t n_digits);
void mn_visited_free(mn_visited *v);
/* is_new: 0 when the point was in the set already. */
int mn_visited_add(mn_visited *v, const int32_t *digits, int *is_new);
int mn_visited_state(mn_visited *v, mn_state *io); /* the points, in the order in which they came */
int mn_visited_has(const mn_visited *v, const int32_t *digits);

#endif
