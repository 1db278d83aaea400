/* Building a run's network again (net.h). */
#include "report/net.h"

#include <math.h>
#include <string.h>

#include "config/config.h"
#include "construct/construct.h"
#include "search/derive.h"
#include "search/latency.h"

/* ---- building -------------------------------------------------------------------------------------------- */

/* Counts are the same on every backend; the reference is always there. Weights are not asked for. */
static int configure(const mn_experiment *e, modnas_config *cfg) {
    static const char *const set[][2] = {{"backend", "ref"}, {"device_ids", "all"}, {"chkpt", "null"}, {"memory", "null"}};
    char *path = mn_experiment_path(e, "outputs/config.yaml", "", "");
    int rc = path ? modnas_config_add_text(cfg, e->config_text, strlen(e->config_text), path) : MODNAS_ENOMEM;
    for (size_t i = 0; i < MN_COUNT(set) && !rc; i++) rc = modnas_config_set(cfg, set[i][0], set[i][1]);
    mn_free(e->ctx, path);
    return rc;
}

static int build(const mn_experiment *e, mn_net *n) {
    const mn_node *tree;
    MN_TRY(modnas_config_new(e->ctx, &n->cfg));
    MN_TRY(configure(e, n->cfg));
    MN_TRY(mn_config_tree(n->cfg, &tree));
    MN_TRY(mn_construct_model(e->ctx, tree, MODNAS_F32, 1, &n->model));
    if (!n->model->root) return mn_fail(e->ctx, MODNAS_EUNSUPPORTED, "the configuration describes a space without a network");
    return mn_arch_new(n->model, &n->arch);
}

int mn_net_open(const mn_experiment *e, mn_net *out) {
    mn_net n = {.ctx = e->ctx};
    const mn_node *model = mn_node_get(e->config, "model");
    if (!e->config) return mn_fail(e->ctx, MODNAS_EUNSUPPORTED, "there is no outputs/config.yaml to build it from");
    if (!model || model->kind == MN_NULL)
        return mn_fail(e->ctx, MODNAS_EUNSUPPORTED, "the run had no network: it looked its results up");
    mn_vec_init(&n.layers, sizeof(mn_layer));
    MN_TRY(mn_register_builtins(e->ctx));
    const int rc = build(e, &n);
    if (rc)
        mn_net_close(&n);
    else
        *out = n;
    return rc;
}

void mn_net_close(mn_net *n) {
    if (!n->ctx) return;
    for (size_t i = 0; i < n->layers.n; i++) {
        mn_layer *l = &MN_AT(n->layers, mn_layer, i);
        mn_free(n->ctx, l->name);
        mn_free(n->ctx, l->op);
        mn_free(n->ctx, l->slot);
    }
    mn_vec_free(n->ctx, &n->layers);
    mn_arch_free(n->arch);
    mn_model_free(n->model);
    modnas_config_free(n->cfg);
    *n = (mn_net){.ctx = NULL};
}

/* ---- options --------------------------------------------------------------------------------------------- */

int mn_net_options(const mn_net *n, const mn_node *desc, mn_arch *a) {
    mn_arch *read;
    if (!desc) return mn_fail(n->ctx, MODNAS_ECONFIG, "there is no architecture");
    MN_TRY(mn_arch_of_desc(n->model, desc, &read));
    memcpy(a->index, read->index, (size_t)a->n * sizeof *a->index);
    mn_arch_free(read);
    return 0;
}

/* ---- layers ---------------------------------------------------------------------------------------------- */

typedef struct recording {
    mn_net *net;
    const mn_module *unit; /* inside of which; NULL: between layers */
    int64_t macs;          /* before it */
    int rc;
} recording;

static int is_slot(mn_module *m, void *ud) {
    (void)ud;
    return mn_slot_of(m) != NULL;
}

static void enter(mn_module *m, mn_run *run, void *ud) {
    recording *r = ud;
    if (r->unit || !m->parent || (!mn_slot_of(m) && mn_module_walk(m, is_slot, NULL))) return;
    r->unit = m;
    r->macs = mn_run_macs(run);
}

static int32_t gene_of(const mn_net *n, const mn_arch_param *p) {
    for (int32_t i = 0; i < n->arch->n; i++)
        if (mn_space_gene(n->model->space, i) == p) return i;
    return -1;
}

static const char *op_of(mn_layer *l, mn_net *n, mn_module *m) {
    mn_slot *slot = mn_slot_of(m);
    const mn_mixed *mixed = slot && slot->entity ? mn_mixed_of(slot->entity) : NULL;
    if (!slot) return m->vt->type;
    if (!mixed) return slot->op ? slot->op : "the model's own";
    l->gene = gene_of(n, mixed->param);
    l->choice = l->gene >= 0 ? n->arch->index[l->gene] : -1;
    return l->choice >= 0 ? mn_mixed_candidate(mixed, l->choice) : "?";
}

static int add_layer(mn_net *n, mn_module *m, const mn_value *dst, int64_t macs) {
    const mn_slot *slot = mn_slot_of(m);
    mn_layer l = {.choice = -1, .gene = -1, .macs = macs, .params = mn_derived_weights(m), .ms = NAN};
    mn_str path = {.ctx = n->ctx};
    for (int i = 0; i < 3; i++) l.dims[i] = dst->dims[i + 1];
    l.op = mn_strdup(n->ctx, op_of(&l, n, m));
    if (slot) l.slot = mn_strdup(n->ctx, slot->name);
    if (!mn_module_path(m, &path)) l.name = mn_str_take(&path);
    mn_str_free(&path);
    n->params += l.params;
    n->macs += macs;
    if (l.op && l.name && (l.slot || !slot) && mn_vec_push(n->ctx, &n->layers, &l, 1)) return 0;
    mn_free(n->ctx, l.op);
    mn_free(n->ctx, l.name);
    mn_free(n->ctx, l.slot);
    return MODNAS_ENOMEM;
}

/* A layer that computes without weights and leaves the sizes: nothing of it could be shown. Residual blocks have many. */
static int is_plain(const recording *r, mn_module *m, const mn_value *dst) {
    const mn_vec *all = &r->net->layers;
    const int64_t *before = all->n ? MN_AT(*all, mn_layer, all->n - 1).dims : NULL;
    if (!before || mn_slot_of(m) || mn_derived_weights(m)) return 0;
    return dst->dims[1] == before[0] && dst->dims[2] == before[1] && dst->dims[3] == before[2];
}

static void leave(mn_module *m, mn_run *run, const mn_value *dst, void *ud) {
    recording *r = ud;
    if (r->unit != m) return;
    r->unit = NULL;
    if (!r->rc && !is_plain(r, m, dst)) r->rc = add_layer(r->net, m, dst, mn_run_macs(run) - r->macs);
}

/* Sizes as the run says them. */
static int read_input(mn_net *n, const mn_node *input) {
    int32_t given[3] = {0, 0, 0};
    for (size_t i = 0; input && input->kind == MN_SEQ && input->n == 3 && i < 3; i++) {
        const int64_t size = input->items[i]->kind == MN_INT ? input->items[i]->i : 0;
        if (size < 1 || size > 65536) return mn_fail(n->ctx, MODNAS_EFORMAT, "an image of the run has a size that is no number from 1 to 65536");
        given[i] = (int32_t)size;
    }
    return mn_model_choose_input(n->model, given, n->input);
}

int mn_net_layers(mn_net *n, const mn_node *desc, const mn_node *input) {
    mn_run *run;
    mn_value *x, *logits;
    recording r = {.net = n};
    const mn_watch watch = {enter, leave, &r};
    if (n->arch->n) MN_TRY(mn_net_options(n, desc, n->arch));
    MN_TRY(read_input(n, input));
    MN_TRY(mn_arch_apply(n->arch));
    MN_TRY(mn_run_new(n->model->backend, n->model->dtype, n->model->slab, &run));
    n->model->watch = &watch;
    int rc = mn_derive_begin(n->model);
    if (!rc) rc = mn_model_record(n->model, run, n->input, 1, &x, &logits);
    if (!rc) mn_derive_end(n->model);
    n->model->watch = NULL;
    mn_run_free(run);
    return rc ? rc : r.rc;
}

int mn_net_time(mn_net *n, const char *table, double *fixed, double *sum) {
    mn_costs costs;
    char hash[65];
    MN_TRY(mn_latency_load(n->model, table, &costs, hash));
    *fixed = (double)costs.fixed / MN_COST_MS;
    *sum = (double)mn_costs_of(&costs, n->arch->index) / MN_COST_MS;
    for (size_t i = 0; i < n->layers.n; i++) {
        mn_layer *l = &MN_AT(n->layers, mn_layer, i);
        if (l->gene >= 0) l->ms = (double)costs.of[costs.first[l->gene] + l->choice] / MN_COST_MS;
    }
    mn_costs_free(&costs);
    return 0;
}
