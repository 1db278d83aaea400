/* Mergers, enumerators and allocators.
 *
 *   Concat   the values side by side      Sum, Avg   their sum, their mean (of those merged)      Last   the last one
 *   Combination   every n of the states, in order of their numbers      LastN, FirstN   n from the end, from the start
 *   Tree     state floor((states - 1 + i) / width) for i < n            Reverse         all of them, the last one first
 *   Replicate   all channels
 *   EvenSplit   of c channels of state s, floor(c / e) for each of the e nodes that may read it and the rest for the
 *               last one; e = min(nodes, inputs + nodes - s - 1). Which share a node has follows from its number alone,
 *               so it is the same when other edges are left out. */
#include "space/layer_defs.h"

/* ---- mergers ------------------------------------------------------------------------------------------- */

int mn_merged_chn(modnas_ctx *ctx, const mn_layer_def *merger, const int32_t *chn, int32_t n, int32_t *out) {
    const int32_t start = merger->start > 0 ? merger->start : 0;
    const char *name = merger->component->name;
    int64_t sum = 0;
    if (n <= start) return mn_fail(ctx, MODNAS_ECONFIG, "%s from %d on: there are %d values to merge", name, start, n);
    for (int32_t i = start; i < n; i++) {
        sum += chn[i];
        if ((merger->algo == MN_MERGE_SUM || merger->algo == MN_MERGE_AVG) && chn[i] != chn[start])
            return mn_fail(ctx, MODNAS_ESHAPE, "%s of values of %d and %d channels", name, chn[start], chn[i]);
    }
    if (sum > 1 << 24) return mn_fail(ctx, MODNAS_ESHAPE, "%s to %lld channels", name, (long long)sum);
    *out = merger->algo == MN_MERGE_CONCAT ? (int32_t)sum : chn[n - 1];
    return 0;
}

static int sum_of(mn_run *run, mn_value *const *src, int32_t n, mn_value **dst) {
    mn_value *sum = src[0];
    for (int32_t i = 1; i < n; i++) MN_TRY(mn_add(run, sum, src[i], &sum));
    *dst = sum;
    return 0;
}

int mn_merge(const mn_layer_def *merger, mn_run *run, mn_value *const *src, int32_t n, mn_value **dst) {
    *dst = src[n - 1];
    if (n == 1 || merger->algo == MN_MERGE_LAST) return 0;
    if (merger->algo == MN_MERGE_CONCAT) return mn_concat(run, src, n, 1, dst);
    MN_TRY(sum_of(run, src, n, dst));
    return merger->algo == MN_MERGE_SUM ? 0 : mn_activation(run, *dst, MODNAS_ACT_LINEAR, 1.0 / n, 0, dst);
}

/* ---- enumerators --------------------------------------------------------------------------------------- */

typedef struct enumeration {
    const mn_layer_def *def;
    int32_t n_states, n;
    mn_enumerate_fn fn;
    void *ud;
} enumeration;

static int combinations(const enumeration *e) {
    int32_t state[MN_STATES_MAX];
    for (int32_t i = 0; i < e->n; i++) state[i] = i;
    for (;;) {
        MN_TRY(e->fn(state, e->n, e->ud));
        int32_t i = e->n - 1;
        while (i >= 0 && state[i] == e->n_states - e->n + i) i--;
        if (i < 0) return 0;
        for (state[i++]++; i < e->n; i++) state[i] = state[i - 1] + 1;
    }
}

static int32_t last(const enumeration *e, int32_t i) {
    return e->n_states - 1 - i;
}

static int32_t first(const enumeration *e, int32_t i) {
    (void)e;
    return i;
}

static int32_t branch(const enumeration *e, int32_t i) {
    return (e->n_states - 1 + i) / e->def->width;
}

static const struct {
    int32_t (*state)(const enumeration *e, int32_t i); /* NULL: all combinations */
    int32_t all;                                       /* 1: of all states, whatever n is */
} enumerators[] = {{NULL, 0}, {last, 0}, {first, 0}, {branch, 0}, {last, 1}};

int mn_enumerate(modnas_ctx *ctx, const mn_layer_def *enumerator, int32_t n_states, int32_t n, mn_enumerate_fn fn,
                 void *ud) {
    enumeration e = {enumerator, n_states, enumerators[enumerator->algo].all ? n_states : n, fn, ud};
    int32_t state[MN_STATES_MAX];
    if (e.n < 1 || e.n > n_states || n_states > MN_STATES_MAX)
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: an edge of %d sources, where there are %d states",
                       enumerator->component->name, e.n, n_states);
    if (!enumerators[enumerator->algo].state) return combinations(&e);
    for (int32_t i = 0; i < e.n; i++) {
        state[i] = enumerators[enumerator->algo].state(&e, i);
        if (state[i] >= n_states)
            return mn_fail(ctx, MODNAS_ECONFIG, "%s: an edge reads state %d of %d", enumerator->component->name,
                           state[i], n_states);
    }
    return fn(state, e.n, ud);
}

/* ---- allocators ---------------------------------------------------------------------------------------- */

enum { REPLICATE, EVEN_SPLIT };

int mn_allocate(modnas_ctx *ctx, const mn_layer_def *allocator, int32_t n_inputs, int32_t n_nodes, int32_t state,
                int32_t node, int32_t chn, int32_t *from, int32_t *n) {
    *from = 0;
    *n = chn;
    if (allocator->algo == REPLICATE) return 0;
    const int32_t later = n_inputs + n_nodes - state - 1, parts = n_nodes < later ? n_nodes : later;
    const int32_t part = node - (state < n_inputs ? n_inputs : state + 1);
    if (chn < parts)
        return mn_fail(ctx, MODNAS_ESHAPE, "%s: %d channels for %d parts", allocator->component->name, chn, parts);
    *from = chn / parts * part;
    *n = part == parts - 1 ? chn - *from : chn / parts;
    return 0;
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

typedef struct def_row {
    int32_t role, algo;
} def_row;

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    const def_row *row = c->data;
    mn_layer_def d = {.component = c, .role = row->role, .algo = row->algo, .start = -1};
    (void)env;
    if (d.role == MN_MERGER && mn_args_given(a, "start")) {
        d.start = (int32_t)mn_args_int(a, "start");
        if (d.start < 0 || d.start > MN_STATES_MAX)
            return mn_args_fail(a, "start", "is not between 0 and %d", MN_STATES_MAX);
    } else if (c->args && d.role == MN_ENUMERATOR) {
        d.width = (int32_t)mn_args_int(a, "width");
        if (d.width < 1 || d.width > MN_STATES_MAX)
            return mn_args_fail(a, "width", "is not between 1 and %d", MN_STATES_MAX);
    }
    *(mn_layer_def *)out = d;
    return 0;
}

int mn_layer_def_read(const mn_args *a, const char *arg, int32_t role, mn_layer_def *out) {
    static const char *const wanted[] = {"a merger", "an enumerator", "an allocator"};
    mn_layer_def d;
    MN_TRY(mn_registry_build(a->ctx, "layer_def", mn_args_node(a, arg), NULL, NULL, NULL, &d));
    if (d.role != role) return mn_args_fail(a, arg, "%s is not %s", d.component->name, wanted[role]);
    *out = d;
    return 0;
}

static const mn_arg_def merger_args[] = {
    {"start", MN_ARG_INT, "null", NULL, "the first value that counts; default: of an output the first node's, else 0"},
    {NULL, 0, NULL, NULL, NULL}};
static const mn_arg_def tree_args[] = {{"width", MN_ARG_INT, "2", NULL, "nodes that read one state"},
                                       {NULL, 0, NULL, NULL, NULL}};

#define DEF(name, text, args, ...)                                                                                     \
    { "layer_def", name, text, args, build, &(const def_row){__VA_ARGS__} }

static const mn_component rows[] = {
    DEF("ConcatMerger", "the values side by side", merger_args, MN_MERGER, MN_MERGE_CONCAT),
    DEF("SumMerger", "the sum of the values", merger_args, MN_MERGER, MN_MERGE_SUM),
    DEF("AvgMerger", "the mean of the values", merger_args, MN_MERGER, MN_MERGE_AVG),
    DEF("LastMerger", "the last value", merger_args, MN_MERGER, MN_MERGE_LAST),
    /* ORDER enumerators */
    DEF("CombinationEnumerator", "an edge for every n of the states before", NULL, MN_ENUMERATOR, 0),
    DEF("LastNEnumerator", "one edge, from the last n states", NULL, MN_ENUMERATOR, 1),
    DEF("FirstNEnumerator", "one edge, from the first n states", NULL, MN_ENUMERATOR, 2),
    DEF("TreeEnumerator", "one edge, each state is read by `width` nodes", tree_args, MN_ENUMERATOR, 3),
    DEF("ReverseEnumerator", "one edge, from all states, the last one first", NULL, MN_ENUMERATOR, 4),
    DEF("ReplicateAllocator", "every edge reads all channels", NULL, MN_ALLOCATOR, REPLICATE),
    DEF("EvenSplitAllocator", "the nodes share the channels of a state", NULL, MN_ALLOCATOR, EVEN_SPLIT),
};

int mn_layer_defs_register(modnas_ctx *ctx) {
    return mn_registry_add_all(ctx, rows, MN_COUNT(rows));
}
