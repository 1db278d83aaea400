/* Nested layers: which edges there are and what they read, the tree of modules, and the forward. */
#include "space/nested.h"

#include <stdio.h>
#include <string.h>

#include "module/layers.h"

enum { EDGES_MAX = 1024 };

/* ---- the graph ----------------------------------------------------------------------------------------- */

typedef struct planning {
    mn_nested *n;
    const mn_nested_desc *d;
    int32_t row, node;
} planning;

static mn_edge *edge_at(const mn_nested *n, size_t i) {
    return &MN_AT(n->edges, mn_edge, i);
}

static int add_source(planning *p, int32_t state, int32_t for_node, int32_t n_nodes, mn_edge *e) {
    modnas_ctx *ctx = p->n->module->model->ctx;
    mn_source s = {.state = state};
    MN_TRY(mn_allocate(ctx, &p->d->allocator, p->n->n_inputs, n_nodes, state, for_node, p->n->chn[state], &s.first, &s.chn));
    e->chn_in += s.chn;
    e->n_sources++;
    return mn_vec_push(ctx, &p->n->sources, &s, 1) ? 0 : MODNAS_ENOMEM;
}

static int push_edge(planning *p, const mn_edge *e) {
    modnas_ctx *ctx = p->n->module->model->ctx;
    if (p->n->edges.n == EDGES_MAX) return mn_fail(ctx, MODNAS_ECONFIG, "more than %d edges", EDGES_MAX);
    return mn_vec_push(ctx, &p->n->edges, e, 1) ? 0 : MODNAS_ENOMEM;
}

static int add_dag_edge(const int32_t *state, int32_t n, void *ud) {
    planning *p = ud;
    mn_edge e = {.row = p->row, .node = p->node, .source = (int32_t)p->n->sources.n, .chn = p->d->chn};
    int32_t n_inputs = 0;
    for (int32_t i = 0; i < n; i++) {
        n_inputs += state[i] < p->n->n_inputs;
        MN_TRY(add_source(p, state[i], p->node, p->d->n_rows, &e));
    }
    e.stride = n_inputs == n ? p->n->stride : 1;
    if (n_inputs && n_inputs < n && p->n->stride > 1)
        return mn_fail(p->n->module->model->ctx, MODNAS_ESHAPE,
                       "edge %zu reads an input and a node, which differ in size at stride %d", p->n->edges.n,
                       p->n->stride);
    return push_edge(p, &e);
}

static int plan_node(planning *p) {
    modnas_ctx *ctx = p->n->module->model->ctx;
    const size_t before = p->n->edges.n;
    int32_t chn[EDGES_MAX];
    MN_TRY(mn_enumerate(ctx, &p->d->enumerator, p->node, p->d->n_sources ? p->d->n_sources : 1, add_dag_edge, p));
    const int32_t n = (int32_t)(p->n->edges.n - before);
    for (int32_t i = 0; i < n; i++) chn[i] = p->d->chn;
    p->n->out[p->n->n_out++] = p->node;
    return mn_merged_chn(ctx, &p->n->merger_state, chn, n, &p->n->chn[p->node]);
}

/* The first edge of a chain reads its share of the inputs, each other one what the one before gives. */
static int plan_chain(planning *p) {
    mn_nested *n = p->n;
    int32_t chn = 0;
    for (int32_t j = 0; j < p->d->row_nodes[p->row]; j++, p->node++) {
        mn_edge e = {.row = p->row, .node = p->node, .source = (int32_t)n->sources.n, .stride = j ? 1 : n->stride};
        if (j) {
            const mn_source whole = {p->node - 1, 0, chn};
            e.n_sources = 1;
            e.chn_in = chn;
            if (!mn_vec_push(n->module->model->ctx, &n->sources, &whole, 1)) return MODNAS_ENOMEM;
        }
        for (int32_t i = 0; i < n->n_inputs && !j; i++) {
            const int32_t before = e.chn_in;
            MN_TRY(add_source(p, i, n->n_inputs + p->row, p->d->n_rows, &e));
            chn += (int32_t)((int64_t)p->d->chn * (e.chn_in - before) / n->chn[i]);
        }
        n->chn[p->node] = e.chn = chn;
        MN_TRY(push_edge(p, &e));
    }
    n->out[n->n_out++] = p->node - 1;
    return 0;
}

static int plan(mn_nested *n, const mn_nested_desc *d) {
    planning p = {n, d, 0, n->n_inputs};
    int32_t chn[2 * MN_STATES_MAX];
    for (int32_t i = 0; i < n->n_inputs; i++) {
        n->chn[i] = d->preproc ? d->chn : d->chn_in[i];
        n->out[n->n_out++] = i;
    }
    for (; p.row < n->n_rows; p.row++) {
        MN_TRY(n->is_chains ? plan_chain(&p) : plan_node(&p));
        p.node += !n->is_chains;
    }
    for (int32_t i = 0; i < n->n_out; i++) chn[i] = n->chn[n->out[i]];
    return mn_merged_chn(n->module->model->ctx, &n->merger_out, chn, n->n_out, &n->chn_out);
}

/* ---- modules ------------------------------------------------------------------------------------------- */

static int add_slot(mn_nested *n, const mn_nested_desc *d, size_t i, mn_module *row) {
    modnas_ctx *ctx = row->model->ctx;
    mn_edge *e = edge_at(n, i);
    mn_node *kwargs = NULL;
    char name[96];
    if (d->kwargs && d->kwargs->n && !(kwargs = mn_node_copy(ctx, d->kwargs))) return MODNAS_ENOMEM;
    MN_TRY(mn_slot_new(row->model, e->chn_in, e->chn, e->stride, kwargs, &e->module));
    snprintf(name, sizeof name, "%.64s_%zu", n->name ? n->name : "", i);
    const int rc = n->name ? mn_slot_set_label(mn_slot_of(e->module), name) : 0;
    if (rc) {
        mn_module_free(e->module);
        e->module = NULL;
        return rc;
    }
    mn_module *const slot = e->module;
    e->module = NULL; /* until it stands in the tree */
    MN_TRY(mn_module_append(row, slot));
    e->module = slot;
    return 0;
}

static int add_edges(mn_nested *n, const mn_nested_desc *d) {
    mn_model *model = n->module->model;
    mn_module *rows, *row;
    size_t at = 0;
    MN_TRY(mn_sequential_new(model, &rows));
    MN_TRY(mn_module_add(n->module, n->is_chains ? "chains" : "dag", rows));
    for (int32_t r = 0; r < n->n_rows; r++) {
        MN_TRY(mn_sequential_new(model, &row));
        MN_TRY(mn_module_append(rows, row));
        for (; at < n->edges.n && edge_at(n, at)->row == r; at++) MN_TRY(add_slot(n, d, at, row));
    }
    return 0;
}

/* Those that are in the tree are its own from there on. */
static int add_preprocs(mn_nested *n, const mn_nested_desc *d) {
    mn_module *list;
    MN_TRY(mn_sequential_new(n->module->model, &list));
    MN_TRY(mn_module_add(n->module, "preprocs", list));
    for (int32_t i = 0; i < n->n_inputs; i++) {
        mn_module *m = d->preproc[i];
        d->preproc[i] = NULL;
        MN_TRY(mn_module_append(list, m));
    }
    return 0;
}

static int fill(mn_nested *n, const mn_nested_desc *d) {
    modnas_ctx *ctx = n->module->model->ctx;
    int64_t states = n->n_inputs = d->n_inputs;
    n->is_chains = d->row_nodes != NULL;
    n->n_rows = d->n_rows;
    n->stride = d->stride;
    n->merger_state = d->merger_state;
    n->merger_out = d->merger_out;
    if (n->merger_out.start < 0) n->merger_out.start = n->n_inputs;
    for (int32_t r = 0; r < d->n_rows; r++) states += d->row_nodes ? d->row_nodes[r] : 1;
    if (states > MN_STATES_MAX)
        return mn_fail(ctx, MODNAS_ECONFIG, "%lld inputs and nodes, at most %d", (long long)states, MN_STATES_MAX);
    n->n_states = (int32_t)states;
    if (d->name && !(n->name = mn_strdup(ctx, d->name))) return MODNAS_ENOMEM;
    n->chn = mn_alloc(ctx, (size_t)states, sizeof *n->chn);
    n->out = mn_alloc(ctx, (size_t)states, sizeof *n->out);
    if (!n->chn || !n->out) return MODNAS_ENOMEM;
    MN_TRY(plan(n, d));
    n->value = mn_alloc(ctx, (size_t)n->n_states * 2 + n->edges.n, sizeof *n->value);
    if (!n->value) return MODNAS_ENOMEM;
    if (d->preproc) MN_TRY(add_preprocs(n, d));
    return add_edges(n, d);
}

static void destroy(mn_module *m) {
    modnas_ctx *ctx = m->model->ctx;
    mn_nested *n = m->state;
    mn_vec_free(ctx, &n->sources);
    mn_vec_free(ctx, &n->edges);
    mn_free(ctx, n->name);
    mn_free(ctx, n->chn);
    mn_free(ctx, n->out);
    mn_free(ctx, n->value);
}

/* ---- forward ------------------------------------------------------------------------------------------- */

static int read_source(const mn_nested *n, mn_run *run, const mn_source *s, mn_value **dst) {
    mn_value *v = n->value[s->state];
    const int64_t *d = v->dims;
    const int32_t start[4] = {0, s->first, 0, 0}, step[4] = {1, 1, 1, 1};
    *dst = v;
    if (s->chn == n->chn[s->state]) return 0;
    return mn_slice(run, v, start, step, (const int32_t[4]){(int32_t)d[0], s->chn, (int32_t)d[2], (int32_t)d[3]}, dst);
}

static int run_edge(const mn_nested *n, mn_run *run, const mn_edge *e, mn_value **dst) {
    const mn_source *s = &MN_AT(n->sources, mn_source, (size_t)e->source);
    mn_value *part[MN_STATES_MAX], *src;
    MN_TRY(read_source(n, run, s, &src));
    part[0] = src;
    for (int32_t i = 1; i < e->n_sources; i++) MN_TRY(read_source(n, run, &s[i], &part[i]));
    if (e->n_sources > 1) MN_TRY(mn_concat(run, part, e->n_sources, 1, &src));
    return mn_forward1(e->module, run, src, dst);
}

static int is_off(const mn_edge *e) {
    if (!e->module) return 1;
    const mn_slot *slot = mn_slot_of(e->module);
    const mn_mixed *m = slot->entity ? mn_mixed_of(slot->entity) : NULL;
    return m && m->forced == MN_ARCH_NONE;
}

/* Zeros of a node's size. */
static int zeros(const mn_nested *n, mn_run *run, int32_t chn, mn_value **dst) {
    const int64_t *d = n->value[0]->dims, s = n->stride;
    return mn_zero(run, (const int64_t[4]){d[0], chn, (d[2] + s - 1) / s, (d[3] + s - 1) / s}, dst);
}

/* Edges from *at on that lead to `state`. Side by side, one that is left out keeps its place. */
static int make_state(mn_nested *n, mn_run *run, int32_t state, size_t *at) {
    mn_value **made = n->value + n->n_states;
    const int in_place = !n->is_chains && n->merger_state.algo == MN_MERGE_CONCAT;
    int32_t n_made = 0, n_on = 0;
    for (; *at < n->edges.n && edge_at(n, *at)->node == state; ++*at) {
        const mn_edge *e = edge_at(n, *at);
        const int off = is_off(e);
        if (off && !in_place) continue;
        MN_TRY(off ? zeros(n, run, e->chn, &made[n_made]) : run_edge(n, run, e, &made[n_made]));
        n_made++;
        n_on += !off;
    }
    if (!n_on) return zeros(n, run, n->chn[state], &n->value[state]);
    if (n->is_chains) {
        n->value[state] = made[0];
        return 0;
    }
    return mn_merge(&n->merger_state, run, made, n_made, &n->value[state]);
}

static int take_inputs(mn_nested *n, mn_run *run, mn_value *const *src) {
    mn_module *preprocs = mn_module_child(n->module, "preprocs");
    for (int32_t i = 0; i < n->n_inputs; i++) {
        n->value[i] = src[i];
        if (preprocs)
            MN_TRY(mn_forward1(MN_AT(preprocs->children, mn_module *, (size_t)i), run, src[i], &n->value[i]));
    }
    return 0;
}

static int forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    mn_nested *n = m->state;
    mn_value **merged = n->value + n->n_states;
    size_t at = 0;
    if (n_src != n->n_inputs)
        return mn_fail(m->model->ctx, MODNAS_EINVAL, "%s takes %d values, %d given", m->vt->type, n->n_inputs, n_src);
    MN_TRY(take_inputs(n, run, src));
    for (int32_t s = n->n_inputs; s < n->n_states; s++) MN_TRY(make_state(n, run, s, &at));
    int32_t n_merged = 0;
    for (int32_t i = n->merger_out.start; i < n->n_out; i++) merged[n_merged++] = n->value[n->out[i]];
    return mn_merge(&n->merger_out, run, merged, n_merged, dst);
}

static const mn_module_vt dag_vt = {"dag_layer", forward, destroy}, chains_vt = {"multi_chain_layer", forward, destroy};

int mn_nested_new(mn_model *model, const mn_nested_desc *d, mn_module **out) {
    mn_module *m = NULL;
    int rc = mn_module_new(model, d->row_nodes ? &chains_vt : &dag_vt, sizeof(mn_nested), &m);
    if (!rc) {
        mn_nested *n = m->state;
        n->module = m;
        mn_vec_init(&n->sources, sizeof(mn_source));
        mn_vec_init(&n->edges, sizeof(mn_edge));
        rc = fill(n, d);
    }
    for (int32_t i = 0; d->preproc && i < d->n_inputs; i++) mn_module_free(d->preproc[i]); /* those left over */
    if (rc)
        mn_module_free(m);
    else
        *out = m;
    return rc;
}

/* ---- looking ------------------------------------------------------------------------------------------- */

mn_nested *mn_nested_of(mn_module *m) {
    return m->vt == &dag_vt || m->vt == &chains_vt ? m->state : NULL;
}

mn_nested *mn_nested_around(const mn_slot *slot, int32_t *edge) {
    mn_module *m = slot->module;
    for (int i = 0; i < 3 && m; i++) m = m->parent; /* row, rows, layer */
    mn_nested *n = m ? mn_nested_of(m) : NULL;
    for (size_t i = 0; n && i < n->edges.n; i++) {
        if (edge_at(n, i)->module != slot->module) continue;
        *edge = (int32_t)i;
        return n;
    }
    return NULL;
}

int mn_mixed_is_edge(const mn_mixed *m) {
    const mn_slot *slot = m->module->parent ? mn_slot_of(m->module->parent) : NULL;
    int32_t edge;
    const mn_nested *n = slot ? mn_nested_around(slot, &edge) : NULL;
    return n && !n->is_chains;
}

int mn_nested_is_open(const mn_nested *n) {
    for (size_t i = 0; i < n->edges.n; i++)
        if (!edge_at(n, i)->module || mn_slot_of(edge_at(n, i)->module)->entity) return 0;
    return 1;
}

void mn_nested_drop(mn_nested *n, int32_t edge) {
    mn_edge *e = edge_at(n, (size_t)edge);
    if (!e->module) return;
    mn_module_take(e->module);
    mn_module_free(e->module);
    e->module = NULL;
}

typedef struct looking {
    const char *name;
    mn_nested *found;
} looking;

static int has_name(mn_module *m, void *ud) {
    looking *l = ud;
    mn_nested *n = mn_nested_of(m);
    if (!n || !n->name || strcmp(n->name, l->name) != 0) return 0;
    l->found = n;
    return 1;
}

mn_nested *mn_nested_find(mn_model *model, const char *name) {
    looking l = {name, NULL};
    if (model->root) (void)mn_module_walk(model->root, has_name, &l);
    return l.found;
}
