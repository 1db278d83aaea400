/* What nested layers are made of, by name: kind "layer_def".
 *
 *   merger       several values become one: ConcatMerger, SumMerger, AvgMerger, LastMerger
 *   enumerator   which states the edges of a node read: Combination, LastN, FirstN, Tree, Reverse
 *   allocator    which channels of a state an edge reads: Replicate, EvenSplit */
#ifndef MN_LAYER_DEFS_H
#define MN_LAYER_DEFS_H

#include "space/space.h"

enum mn_def_role { MN_MERGER, MN_ENUMERATOR, MN_ALLOCATOR };
enum mn_merger { MN_MERGE_CONCAT, MN_MERGE_SUM, MN_MERGE_AVG, MN_MERGE_LAST };

typedef struct mn_layer_def { /* out of the builder: mn_layer_def * */
    const mn_component *component;
    int32_t role, algo;
    int32_t start; /* merger: the first value that counts; -1: not said */
    int32_t width; /* of a tree */
} mn_layer_def;

/* What an arg of kind "layer_def" says: MODNAS_ECONFIG when it has another role. */
int mn_layer_def_read(const mn_args *a, const char *arg, int32_t role, mn_layer_def *out);

/* Channels of what values of chn[0 .. n) channels, those from start on, are merged to. MODNAS_ESHAPE: they do not fit. */
int mn_merged_chn(modnas_ctx *ctx, const mn_layer_def *merger, const int32_t *chn, int32_t n, int32_t *out);
/* n > 0 values, all of which count. */
int mn_merge(const mn_layer_def *merger, mn_run *run, mn_value *const *src, int32_t n, mn_value **dst);

/* Call fn for every edge of a node that comes after n_states states, each with the states that it reads, n of them
 * (Reverse: all). MODNAS_ECONFIG when there are not so many. */
typedef int (*mn_enumerate_fn)(const int32_t *state, int32_t n, void *ud);
enum { MN_STATES_MAX = 64 };
int mn_enumerate(modnas_ctx *ctx, const mn_layer_def *enumerator, int32_t n_states, int32_t n, mn_enumerate_fn fn,
                 void *ud);

/* Channels [*first, *first + *n) of a state of chn channels that go to node `node`, both counted among all states. */
int mn_allocate(modnas_ctx *ctx, const mn_layer_def *allocator, int32_t n_inputs, int32_t n_nodes, int32_t state,
                int32_t node, int32_t chn, int32_t *first, int32_t *n);

int mn_layer_defs_register(modnas_ctx *ctx);

#endif
