/* From a supernet to a network of its own. */
#include "construct/subnet.h"

#include <string.h>

#include "construct/parts.h"
#include "module/active.h"
#include "module/cut.h"
#include "module/layers.h"
#include "space/elastic.h"
#include "space/nested.h"

/* ---- the supernet ---------------------------------------------------------------------------------------- */

static int take_chkpt(mn_subnet *s, const mn_node *given) {
    mn_str path = {.ctx = s->ctx};
    if (!given || given->kind != MN_STR) return 0;
    const int rc = mn_weights_path(given->text, &path);
    if (!rc) s->chkpt = mn_str_take(&path);
    mn_str_free(&path);
    return rc ? rc : s->chkpt ? 0 : MODNAS_ENOMEM;
}

/* The configuration's model without the constructors that make one network of it, if that has mixed ops. What fails
 * here fails again where the whole configuration is built, and is told there. */
static int build(mn_subnet *s, const mn_node *config, mn_node *list, int32_t dtype) {
    mn_node_remove(s->ctx, list, "arch_desc");
    mn_node_remove(s->ctx, list, "chkpt");
    const int rc = mn_construct_from(s->ctx, config, list, dtype, 0, &s->model);
    if (rc == MODNAS_ENOMEM || rc > 0) return rc;
    if (!rc && (mn_model_n_mixed(s->model) || mn_model_is_elastic(s->model))) return 0;
    if (!rc) mn_model_free(s->model);
    s->model = NULL;
    return 0;
}

static int open_list(mn_subnet *s, const mn_node *config, mn_node *list, int32_t dtype) {
    const mn_node *arch = mn_node_path(list, "arch_desc.args.arch_desc");
    MN_TRY(take_chkpt(s, mn_node_path(list, "chkpt.args.path")));
    if (arch && arch->kind != MN_NULL) MN_TRY(mn_arch_desc_load(s->ctx, arch, &s->arch));
    return build(s, config, list, dtype);
}

int mn_subnet_open(modnas_ctx *ctx, const mn_node *config, int32_t dtype, mn_subnet *out) {
    mn_subnet s = {.ctx = ctx};
    mn_node *list;
    MN_TRY(mn_construct_list(ctx, config, &list));
    const int rc = open_list(&s, config, list, dtype);
    mn_node_free(ctx, list);
    if (rc)
        mn_subnet_close(&s);
    else
        *out = s;
    return rc;
}

void mn_subnet_close(mn_subnet *s) {
    if (!s->ctx) return;
    mn_model_free(s->model);
    mn_node_free(s->ctx, s->arch);
    mn_free(s->ctx, s->chkpt);
    *s = (mn_subnet){.ctx = NULL};
}

/* ---- names in the supernet's file ------------------------------------------------------------------------ */

typedef struct names {
    mn_model *model;
    mn_vec targets; /* mn_target: all of the supernet's tensors, in the tree's order, then architecture parameters */
    mn_vec cuts;    /* mn_cut: of targets that are cut; room was made before */
    size_t at;      /* keep_param: those before it are settled */
} names;

static int add_target(names *n, mn_param *p, mn_str *name) {
    char *text = mn_str_take(name);
    if (!text) return MODNAS_ENOMEM;
    const mn_target t = mn_target_of(p, text);
    if (mn_vec_push(n->model->ctx, &n->targets, &t, 1)) return 0;
    mn_free(n->model->ctx, text);
    return MODNAS_ENOMEM;
}

static int add_params(mn_module *m, void *ud) {
    for (size_t i = 0; i < m->params.n; i++) {
        const mn_module_param *p = &MN_AT(m->params, mn_module_param, i);
        mn_str name = {.ctx = m->model->ctx};
        int rc = mn_module_path(m, &name);
        if (m->parent) mn_str_add(&name, ".");
        mn_str_add(&name, p->name);
        if (!rc) rc = add_target(ud, p->param, &name);
        mn_str_free(&name);
        MN_TRY(rc);
    }
    return 0;
}

static int take_names(names *n) {
    MN_TRY(mn_module_walk(n->model->root, add_params, n));
    for (size_t i = 0; i < n->model->arch_params.n; i++) {
        const mn_module_param *p = &MN_AT(n->model->arch_params, mn_module_param, i);
        mn_str name = {.ctx = n->model->ctx};
        mn_str_addf(&name, "arch.%s", p->name);
        const int rc = add_target(n, p->param, &name);
        mn_str_free(&name);
        MN_TRY(rc);
    }
    return 0;
}

/* Parameters that are left have kept their order: what lies between two of them is gone. */
static void keep_param(names *n, const mn_param *p) {
    while (MN_AT(n->targets, mn_target, n->at).param != p) MN_AT(n->targets, mn_target, n->at++).param = NULL;
    n->at++;
}

static int keep_params(mn_module *m, void *ud) {
    for (size_t i = 0; i < m->params.n; i++) keep_param(ud, MN_AT(m->params, mn_module_param, i).param);
    return 0;
}

static void drop_names(names *n) {
    (void)mn_module_walk(n->model->root, keep_params, n);
    for (size_t i = 0; i < n->model->arch_params.n; i++)
        keep_param(n, MN_AT(n->model->arch_params, mn_module_param, i).param);
    for (; n->at < n->targets.n; n->at++) MN_AT(n->targets, mn_target, n->at).param = NULL;
}

/* ---- elastic layers -------------------------------------------------------------------------------------- */

static mn_target *target_of(const names *n, const mn_param *p) {
    size_t i = 0;
    while (MN_AT(n->targets, mn_target, i).param != p) i++;
    return &MN_AT(n->targets, mn_target, i);
}

/* The matrices that lead from the largest window to that of dims. */
static void note_steps(const names *n, const mn_module *m, int64_t window, mn_cut *c) {
    for (size_t i = 1; i < m->params.n && c->n_steps < MN_CUT_STEPS; i++) {
        const mn_param *step = MN_AT(m->params, mn_module_param, i).param;
        int32_t w = 1;
        while ((int64_t)w * w < step->dims[0]) w++;
        if (!mn_active_is_step(m, step) || w < window) continue;
        c->windows[c->n_steps] = w;
        c->steps[c->n_steps++] = target_of(n, step)->name;
    }
}

static int cut_layer(mn_module *m, void *ud) {
    names *n = ud;
    for (size_t i = 0; i < m->params.n; i++) {
        mn_param *p = MN_AT(m->params, mn_module_param, i).param;
        int64_t dims[4];
        mn_active_dims(m, p, dims);
        if (mn_active_is_whole(p, dims)) continue;
        mn_cut c = {.param = p};
        memcpy(c.dims, p->dims, sizeof c.dims);
        if (p->rank == 4 && dims[2] < p->dims[2]) note_steps(n, m, dims[2], &c);
        target_of(n, p)->cut = mn_vec_push(m->model->ctx, &n->cuts, &c, 1);
    }
    return mn_layer_cut(m);
}

static void drop_absent(mn_module *m) {
    for (size_t i = m->children.n; i-- > 0;) {
        mn_module *child = MN_AT(m->children, mn_module *, i);
        if (mn_active_is_there(child)) {
            drop_absent(child);
            continue;
        }
        mn_module_take(child);
        mn_module_free(child);
    }
}

/* What is active becomes all there is. */
static int cut_elastic(names *n) {
    mn_model *model = n->model;
    if (!mn_model_is_elastic(model)) return 0;
    if (n->targets.n && !mn_vec_push(model->ctx, &n->cuts, NULL, n->targets.n)) return MODNAS_ENOMEM;
    n->cuts.n = 0; /* they stay where they are put */
    drop_absent(model->root);
    MN_TRY(mn_module_walk(model->root, cut_layer, n));
    mn_elastic_remove_all(model);
    return 0;
}

static void free_names(names *n) {
    for (size_t i = 0; i < n->targets.n; i++) mn_free(n->model->ctx, (char *)(uintptr_t)MN_AT(n->targets, mn_target, i).name);
    mn_vec_free(n->model->ctx, &n->targets);
    mn_vec_free(n->model->ctx, &n->cuts);
}

/* ---- the tree -------------------------------------------------------------------------------------------- */

/* A mixed op gives way to one of its candidates. */
static int give_way(mn_mixed *m, int32_t option) {
    modnas_ctx *ctx = m->module->model->ctx;
    mn_slot *slot = m->module->parent ? mn_slot_of(m->module->parent) : NULL;
    if (option == MN_ARCH_NONE) {
        int32_t edge = 0;
        mn_nested *around = mn_nested_around(slot, &edge);
        mn_nested_drop(around, edge);
        return 0;
    }
    mn_module *chosen = mn_mixed_module(m, option);
    char *name = mn_strdup(ctx, chosen->name);
    if (!name) return MODNAS_ENOMEM;
    mn_module_take(chosen);
    const int rc = slot ? mn_slot_fill(slot, chosen, name) : mn_module_replace(m->module, chosen);
    mn_free(ctx, name);
    return rc;
}

static int32_t option_of(const mn_arch *a, const mn_arch_param *p) {
    int32_t i = 0;
    while (mn_space_gene(a->model->space, i) != p) i++;
    return a->index[i];
}

/* Outer mixed ops come first, and take those inside of what they drop along. */
static int give_way_all(mn_model *model, const mn_arch *a) {
    for (mn_mixed *m; (m = mn_model_mixed(model, 0));) MN_TRY(give_way(m, option_of(a, m->param)));
    return 0;
}

/* Parameters that no mixed op follows belong to modules that read them: they are set, and stay. */
static int collapse(mn_model *model, const mn_arch *a) {
    mn_map followed = {0}; /* names */
    int rc = 0;
    for (int32_t i = 0; i < a->n; i++) {
        mn_arch_param *p = mn_space_gene(model->space, i);
        if (p->choices) p->index = a->index[i];
    }
    for (int32_t i = 0; i < mn_model_n_mixed(model) && !rc; i++) {
        mn_arch_param *p = mn_model_mixed(model, i)->param;
        rc = mn_map_put(model->ctx, &followed, p->name, p);
    }
    if (!rc) rc = give_way_all(model, a);
    for (size_t i = 0; i < followed.n && !rc; i++) {
        void *p;
        mn_map_key(&followed, i, &p);
        mn_space_remove(model->space, p);
    }
    mn_map_free(model->ctx, &followed);
    return rc;
}

static int choose(mn_model *model, const mn_node *desc) {
    mn_arch *a;
    MN_TRY(mn_arch_of_desc(model, desc, &a));
    const int rc = collapse(model, a);
    mn_arch_free(a);
    return rc;
}

int mn_subnet_reduce(mn_model *supernet, const mn_node *arch, const char *chkpt) {
    names n = {.model = supernet};
    if (!supernet->backend)
        return mn_fail(supernet->ctx, MODNAS_ECONFIG, "with 'backend: none' a network has no weights");
    mn_vec_init(&n.targets, sizeof(mn_target));
    mn_vec_init(&n.cuts, sizeof(mn_cut));
    int rc = take_names(&n);
    if (!rc) rc = choose(supernet, arch);
    if (!rc) rc = cut_elastic(&n);
    if (!rc) drop_names(&n);
    if (!rc) rc = mn_model_commit(supernet);
    if (!rc) rc = mn_try_model(supernet);
    if (!rc) rc = mn_targets_load(supernet->ctx, n.targets.data, n.targets.n, chkpt, 0);
    free_names(&n);
    return rc;
}
