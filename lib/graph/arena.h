/* How small an arena of a plan can be: values at fixed offsets, those that live at the same time apart. */
#ifndef MN_ARENA_H
#define MN_ARENA_H

#include "graph/graph.h"

typedef struct mn_span {
    size_t bytes;
    int32_t first, last; /* calls that it lives from and to */
    size_t offset;
} mn_span;

/* The smallest arena that was found for n values; offsets are those of the last try. */
int mn_arena_bytes(modnas_ctx *ctx, mn_span *s, size_t n, size_t *bytes);
/* The bytes of all that lives at some time: no arena is smaller. */
size_t mn_arena_least(const mn_span *s, size_t n);
/* Place the values in an order, each as low as it goes; placed: work space of n. Returns the arena's size. */
size_t mn_arena_place(mn_span *s, const uint32_t *order, size_t n, uint32_t *placed);

/* The values of a planned run, its inputs among them (mn_span), weights not. */
int mn_run_spans(const mn_run *run, mn_vec *spans);
/* Their arena, and behind it the work space of the kernel that wants most. */
int mn_run_arena(const mn_run *run, size_t *bytes);

#endif
