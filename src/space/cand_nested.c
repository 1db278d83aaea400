/* DAGLayer and MultiChainLayer as operators of a Slot: what they give has the Slot's channels. Where the mergers do not
 * see to that, as with nodes side by side, edges are made narrower or wider. */
#include <string.h>

#include "module/layer_types.h"
#include "space/candidates.h"
#include "space/nested.h"

enum { CHAIN_MAX = MN_STATES_MAX };

/* An operator in front of the layer's input, the same channels out as the edges have. */
static int make_preproc(const mn_candidate_env *e, const mn_node *spec, int32_t chn, mn_module **out) {
    mn_slot slot = *e->slot;
    slot.chn_in = e->chn_in;
    slot.chn_out = chn;
    slot.stride = 1;
    return mn_candidate_build(e->model, spec, &slot, out);
}

static int make(const mn_candidate_env *e, const mn_nested_desc *d, const mn_node *preproc, int32_t chn,
                mn_module **out) {
    mn_module *before = NULL;
    mn_nested_desc with = *d;
    with.chn = chn;
    if (preproc) {
        MN_TRY(make_preproc(e, preproc, chn, &before));
        with.preproc = &before;
    }
    return mn_nested_new(e->model, &with, out);
}

static int fit(const mn_component *c, const mn_args *a, const mn_candidate_env *e, const mn_nested_desc *d,
               mn_module **out) {
    const mn_node *preproc = mn_args_node(a, "preproc");
    mn_module *m;
    MN_TRY(make(e, d, preproc, e->chn_out, &m));
    int32_t given = mn_nested_of(m)->chn_out;
    const int64_t other = (int64_t)e->chn_out * e->chn_out / given;
    if (given != e->chn_out && other > 0 && other < 1 << 24) {
        mn_module_free(m);
        MN_TRY(make(e, d, preproc, (int32_t)other, &m));
        given = mn_nested_of(m)->chn_out;
    }
    if (given == e->chn_out) {
        *out = m;
        return 0;
    }
    mn_module_free(m);
    return mn_fail(e->model->ctx, MODNAS_ESHAPE, "%s with its %s gives %d channels", c->name,
                   d->merger_out.component->name, given);
}

/* ---- args ---------------------------------------------------------------------------------------------- */

/* What is set here, as the original does, is no matter for candidates. */
static int edge_kwargs(const mn_args *a, mn_node **out) {
    static const char *const own[] = {"_chn_in", "_chn_out", "_stride", "name"};
    const mn_node *given = mn_args_node(a, "edge_kwargs");
    mn_node *copy = given ? mn_node_copy(a->ctx, given) : NULL;
    if (given && !copy) return MODNAS_ENOMEM;
    for (size_t i = 0; copy && i < MN_COUNT(own); i++)
        if (mn_node_get(copy, own[i])) mn_node_remove(a->ctx, copy, own[i]);
    *out = copy;
    return 0;
}

/* As many as `_chn_in` has. */
static int32_t n_sources(const mn_args *a) {
    const mn_node *kwargs = mn_args_node(a, "edge_kwargs"), *chn = kwargs ? mn_node_get(kwargs, "_chn_in") : NULL;
    return chn && chn->kind == MN_SEQ && chn->n && chn->n <= MN_STATES_MAX ? (int32_t)chn->n : 1;
}

static int finish(const mn_component *c, const mn_args *a, const mn_candidate_env *e, mn_nested_desc *d, void *out) {
    mn_node *kwargs;
    MN_TRY(mn_layer_def_read(a, "allocator", MN_ALLOCATOR, &d->allocator));
    MN_TRY(mn_layer_def_read(a, "merger_out", MN_MERGER, &d->merger_out));
    MN_TRY(edge_kwargs(a, &kwargs));
    d->name = mn_args_str(a, "name");
    d->n_inputs = 1;
    d->stride = e->stride;
    d->chn_in = &e->chn_in;
    d->kwargs = kwargs;
    const int rc = fit(c, a, e, d, out);
    mn_node_free(a->ctx, kwargs);
    return rc;
}

static int build_dag(const mn_component *c, const mn_args *a, const void *env, void *out) {
    mn_nested_desc d = {.n_sources = n_sources(a)};
    MN_TRY(mn_args_count(a, "n_nodes", 1, MN_STATES_MAX - 1, &d.n_rows));
    MN_TRY(mn_layer_def_read(a, "merger_state", MN_MERGER, &d.merger_state));
    MN_TRY(mn_layer_def_read(a, "enumerator", MN_ENUMERATOR, &d.enumerator));
    return finish(c, a, env, &d, out);
}

static int read_nodes(const mn_args *a, int32_t n, int32_t nodes[CHAIN_MAX]) {
    const mn_node *v = mn_args_node(a, "n_chain_nodes");
    if (v->kind == MN_SEQ && v->n != (size_t)n)
        return mn_args_fail(a, "n_chain_nodes", "%zu numbers for %d chains", v->n, n);
    for (int32_t i = 0; i < n; i++) {
        const mn_node *x = v->kind == MN_SEQ ? v->items[i] : v;
        if (x->kind != MN_INT || x->i < 1 || x->i >= MN_STATES_MAX)
            return mn_args_fail(a, "n_chain_nodes", "a whole number from 1 to %d, or one for each chain, is wanted",
                                MN_STATES_MAX - 1);
        nodes[i] = (int32_t)x->i;
    }
    return 0;
}

static int build_chains(const mn_component *c, const mn_args *a, const void *env, void *out) {
    int32_t nodes[CHAIN_MAX];
    mn_nested_desc d = {.row_nodes = nodes};
    MN_TRY(mn_args_count(a, "n_chain", 1, CHAIN_MAX - 1, &d.n_rows));
    MN_TRY(read_nodes(a, d.n_rows, nodes));
    return finish(c, a, env, &d, out);
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

#define COMMON_ARGS                                                                                                    \
    {"allocator", MN_ARG_SPEC, NULL, "layer_def", "which channels of a state an edge reads"},                          \
        {"merger_out", MN_ARG_SPEC, NULL, "layer_def", "what the output is made of nodes by"},                         \
        {"preproc", MN_ARG_SPEC, "null", "candidate", "operator in front of the input"},                               \
        {"edge_cls", MN_ARG_STR, "Slot", "Slot", "what an edge is"},                                                   \
        {"edge_kwargs", MN_ARG_MAP, "null", NULL, "of the edges' Slots; a list _chn_in: as many sources an edge"},     \
        {"name", MN_ARG_STR, "null", NULL, "edges are called NAME_0, NAME_1, ..."},                                    \
    {                                                                                                                  \
        NULL, 0, NULL, NULL, NULL                                                                                      \
    }

static const mn_arg_def dag_args[] = {
    {"n_nodes", MN_ARG_INT, NULL, NULL, "nodes besides the input"},
    {"merger_state", MN_ARG_SPEC, NULL, "layer_def", "what a node is made of edges by"},
    {"enumerator", MN_ARG_SPEC, NULL, "layer_def", "which states the edges of a node read"},
    COMMON_ARGS};
static const mn_arg_def chain_args[] = {
    {"n_chain", MN_ARG_INT, NULL, NULL, "chains side by side"},
    {"n_chain_nodes", MN_ARG_ANY, NULL, NULL, "edges of each chain, or a list of one number for each"},
    COMMON_ARGS};

static const mn_component rows[] = {
    {"candidate", "DAGLayer", "directed acyclic graph whose edges are Slots", dag_args, build_dag, NULL},
    {"candidate", "MultiChainLayer", "chains side by side whose edges are Slots", chain_args, build_chains, NULL},
};

int mn_nested_register(modnas_ctx *ctx) {
    return mn_registry_add_all(ctx, rows, MN_COUNT(rows));
}
