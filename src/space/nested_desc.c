/* Descriptions of nested layers, as the original has them.
 *
 *   DAGLayer          [[[["SC3"], [0], 1]], [[["SC3"], [0], 2], [["NC3"], [1], 2]]]   nodes of edges: operator, the
 *                     states that it reads, the one that it leads to; what is not listed is left out
 *   MultiChainLayer   [["SC3", "SC3"], ["SC3", "NC3"]]                                chains of edges */
#include <stdarg.h>
#include <stdio.h>

#include "space/candidates.h"
#include "space/nested.h"

/* ---- choosing ------------------------------------------------------------------------------------------ */

static const mn_edge *edge_at(const mn_nested *n, size_t i) {
    return &MN_AT(n->edges, mn_edge, i);
}

static mn_mixed *mixed_of(const mn_edge *e) {
    const mn_slot *slot = e->module ? mn_slot_of(e->module) : NULL;
    return slot && slot->entity ? mn_mixed_of(slot->entity) : NULL;
}

/* How strong an edge is, and its candidate: something fixed, forced or an index: 2; one that is not to be kept: -1. */
static int weigh(const mn_edge *e, double *p, double *strength, int32_t *option) {
    const mn_mixed *m = mixed_of(e);
    *option = -1;
    *strength = e->module ? 2 : -1;
    if (!m) return 0;
    *strength = -1;
    if (m->forced == MN_ARCH_NONE) return 0;
    MN_TRY(mn_mixed_probs(m, p));
    const int32_t only = m->forced >= 0 ? m->forced : m->param->type == MN_CATEGORICAL ? m->param->index : -1;
    for (int32_t i = 0; i < m->n; i++) {
        if ((only >= 0 && i != only) || mn_is_zero_op(mn_mixed_module(m, i)) || p[i] <= *strength) continue;
        *strength = p[i];
        *option = i;
    }
    if (only >= 0 && *option >= 0) *strength = 2;
    return 0;
}

/* Of equal ones the first. Something fixed and choices by index are kept, however many they are. */
static void keep_strongest(const mn_nested *n, const double *strength, int32_t row, int32_t k, int32_t *keep) {
    for (size_t i = 0; i < n->edges.n; i++)
        if (edge_at(n, i)->row == row) k -= keep[i] = strength[i] == 2;
    for (; k > 0; k--) {
        size_t best = n->edges.n;
        for (size_t i = 0; i < n->edges.n; i++) {
            if (edge_at(n, i)->row != row || keep[i] || strength[i] < 0) continue;
            if (best == n->edges.n || strength[i] > strength[best]) best = i;
        }
        if (best == n->edges.n) return;
        keep[best] = 1;
    }
}

static int choose_chains(const mn_nested *n, int32_t *keep, int32_t *option) {
    for (size_t i = 0; i < n->edges.n; i++) {
        const mn_mixed *m = mixed_of(edge_at(n, i));
        keep[i] = 1;
        option[i] = -1;
        if (m && m->param->type == MN_CATEGORICAL)
            option[i] = m->param->index;
        else if (m)
            MN_TRY(mn_mixed_top(m, 1, &option[i]));
    }
    return 0;
}

static int32_t widest(const mn_nested *n) {
    int32_t most = 1;
    for (size_t i = 0; i < n->edges.n; i++) {
        const mn_mixed *m = mixed_of(edge_at(n, i));
        if (m && m->n > most) most = m->n;
    }
    return most;
}

int mn_nested_choose(const mn_nested *n, int32_t k, int32_t *keep, int32_t *option) {
    modnas_ctx *ctx = n->module->model->ctx;
    if (n->is_chains) return choose_chains(n, keep, option);
    double *strength = mn_alloc(ctx, n->edges.n, sizeof *strength),
           *p = mn_alloc(ctx, (size_t)widest(n), sizeof *p);
    int rc = strength && p ? 0 : MODNAS_ENOMEM;
    for (size_t i = 0; i < n->edges.n && !rc; i++) rc = weigh(edge_at(n, i), p, &strength[i], &option[i]);
    for (int32_t r = 0; r < n->n_rows && !rc; r++) keep_strongest(n, strength, r, k, keep);
    mn_free(ctx, strength);
    mn_free(ctx, p);
    return rc;
}

static int32_t zero_option(const mn_mixed *m) {
    for (int32_t i = 0; i < m->n; i++)
        if (mn_is_zero_op(mn_mixed_module(m, i))) return i;
    return MN_ARCH_NONE;
}

int mn_mixed_left_out(const mn_mixed *m, int32_t *option) {
    *option = zero_option(m);
    return *option >= 0 || m->param->type == MN_TENSOR;
}

int mn_mixed_best(const mn_mixed *m, int32_t *option) {
    modnas_ctx *ctx = m->module->model->ctx;
    int32_t edge = 0;
    if (!mn_mixed_is_edge(m) || m->param->type != MN_TENSOR) return mn_mixed_top(m, 1, option);
    const mn_nested *n = mn_nested_around(mn_slot_of(m->module->parent), &edge);
    int32_t *keep = mn_alloc(ctx, 2 * n->edges.n, sizeof *keep), *options = keep + n->edges.n;
    if (!keep) return MODNAS_ENOMEM;
    const int rc = mn_nested_choose(n, MN_NESTED_K, keep, options);
    if (!rc) *option = keep[edge] ? options[edge] : zero_option(m);
    mn_free(ctx, keep);
    return rc;
}

/* ---- matching ------------------------------------------------------------------------------------------ */

static int fail_desc(const mn_nested *n, const mn_node *at, const char *fmt, ...) MN_PRINTF(3, 4);
static int fail_desc(const mn_nested *n, const mn_node *at, const char *fmt, ...) {
    modnas_ctx *ctx = n->module->model->ctx;
    char prefix[288], text[300];
    mn_str path = {.ctx = ctx};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    int rc = mn_module_path(n->module, &path);
    if (!rc)
        rc = mn_fail(ctx, MODNAS_ECONFIG, "%s%s %s: %s", mn_spec_prefix(at, prefix, sizeof prefix),
                     n->is_chains ? "MultiChainLayer" : "DAGLayer", path.text, text);
    mn_str_free(&path);
    return rc;
}

static int need_list(const mn_nested *n, const mn_node *v, size_t wanted, const char *what) {
    char is[80];
    if (v->kind != MN_SEQ) return fail_desc(n, v, "a list of %s is wanted, not %s", what, mn_node_what(v, is, sizeof is));
    return v->n == wanted ? 0 : fail_desc(n, v, "%zu %s are described, it has %zu", v->n, what, wanted);
}

static int reads(const mn_nested *n, const mn_edge *e, const mn_node *states) {
    if (states->n != (size_t)e->n_sources) return 0;
    for (int32_t i = 0; i < e->n_sources; i++)
        if (states->items[i]->i != MN_AT(n->sources, mn_source, (size_t)(e->source + i)).state) return 0;
    return 1;
}

static int is_whole_list(const mn_node *v) {
    for (size_t i = 0; i < v->n; i++)
        if (v->items[i]->kind != MN_INT) return 0;
    return v->kind == MN_SEQ && v->n;
}

/* [operator, [states], node] */
static int match_edge(const mn_nested *n, int32_t row, const mn_node *v, const mn_node **item) {
    if (v->kind != MN_SEQ || v->n != 3 || !is_whole_list(v->items[1]) || v->items[2]->kind != MN_INT)
        return fail_desc(n, v, "an edge is [operator, [states that it reads], state that it leads to]");
    if (v->items[2]->i != n->n_inputs + row)
        return fail_desc(n, v, "an edge of state %d that leads to %lld", n->n_inputs + row, (long long)v->items[2]->i);
    for (size_t i = 0; i < n->edges.n; i++) {
        const mn_edge *e = edge_at(n, i);
        if (e->row != row || !reads(n, e, v->items[1])) continue;
        if (!e->module || item[i]) continue; /* one more that reads the same */
        item[i] = v->items[0];
        return 0;
    }
    return fail_desc(n, v, "state %d has no such edge, or it is there twice", n->n_inputs + row);
}

static int match_row(const mn_nested *n, int32_t row, const mn_node *list, const mn_node **item) {
    size_t n_edges = 0;
    char is[80];
    for (size_t i = 0; i < n->edges.n; i++) n_edges += edge_at(n, i)->row == row;
    if (!n->is_chains) {
        if (list->kind != MN_SEQ) return fail_desc(n, list, "a list of edges is wanted, not %s", mn_node_what(list, is, sizeof is));
        for (size_t k = 0; k < list->n; k++) MN_TRY(match_edge(n, row, list->items[k], item));
        return 0;
    }
    MN_TRY(need_list(n, list, n_edges, "edges of a chain"));
    for (size_t i = 0, k = 0; i < n->edges.n; i++)
        if (edge_at(n, i)->row == row) item[i] = list->items[k++];
    return 0;
}

int mn_nested_match(const mn_nested *n, const mn_node *desc, const mn_node **item) {
    for (size_t i = 0; i < n->edges.n; i++) item[i] = NULL;
    MN_TRY(need_list(n, desc, (size_t)n->n_rows, n->is_chains ? "chains" : "nodes"));
    for (int32_t r = 0; r < n->n_rows; r++) MN_TRY(match_row(n, r, desc->items[r], item));
    return 0;
}
