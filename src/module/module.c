/* The module tree: making, joining, replacing and walking modules, and the names that follow from where they stand.
 *
 *   model->root
 *     +- conv_first ------ "0" (weight), "1" (weight, bias, running_mean, running_var), "2"
 *     +- bottlenecks ----- ...
 *
 * A parent owns its children and a module owns its parameters, so freeing the root frees the network. Names are unique
 * within a parent and hold no '.', hence a dotted path names exactly one module. */
#include "module/module.h"

#include <stdio.h>
#include <string.h>

#include "module/active.h"
#include "module/model.h"

int mn_module_new(mn_model *model, const mn_module_vt *vt, size_t state_bytes, mn_module **out) {
    modnas_ctx *ctx = model->ctx;
    mn_module *m = mn_alloc(ctx, 1, sizeof *m);
    if (!m) return MODNAS_ENOMEM;
    m->vt = vt;
    m->model = model;
    mn_vec_init(&m->children, sizeof(mn_module *));
    mn_vec_init(&m->params, sizeof(mn_module_param));
    if (state_bytes) {
        m->state = mn_alloc(ctx, 1, state_bytes);
        if (!m->state) {
            mn_free(ctx, m);
            return MODNAS_ENOMEM;
        }
    }
    *out = m;
    return 0;
}

void mn_module_free(mn_module *m) {
    if (!m) return;
    modnas_ctx *ctx = m->model->ctx;
    for (size_t i = m->children.n; i-- > 0;) mn_module_free(MN_AT(m->children, mn_module *, i));
    if (m->vt->destroy) m->vt->destroy(m);
    for (size_t i = 0; i < m->params.n; i++) {
        mn_param_free(MN_AT(m->params, mn_module_param, i).param);
        mn_free(ctx, MN_AT(m->params, mn_module_param, i).name);
    }
    mn_vec_free(ctx, &m->children);
    mn_vec_free(ctx, &m->params);
    mn_free(ctx, m->state);
    mn_free(ctx, m->name);
    mn_free(ctx, m->where);
    mn_free(ctx, m);
}

int mn_module_check_name(const mn_module *parent, const char *name) {
    modnas_ctx *ctx = parent->model->ctx;
    if (!name[0] || strchr(name, '.'))
        return mn_fail(ctx, MODNAS_EINVAL, "'%.80s' is no name of a module: it is empty or holds a '.'", name);
    if (mn_module_child(parent, name) || mn_module_find_param(parent, name))
        return mn_fail(ctx, MODNAS_EEXIST, "a %s has a child '%.80s' already", parent->vt->type, name);
    return 0;
}

int mn_module_add(mn_module *parent, const char *name, mn_module *child) {
    modnas_ctx *ctx = parent->model->ctx;
    int rc = mn_module_check_name(parent, name);
    char *copy = rc ? NULL : mn_strdup(ctx, name);
    if (!rc && (!copy || !mn_vec_push(ctx, &parent->children, &child, 1))) rc = MODNAS_ENOMEM;
    if (rc) {
        mn_free(ctx, copy);
        mn_module_free(child);
        return rc;
    }
    mn_free(ctx, child->name); /* a provisional one */
    child->name = copy;
    child->parent = parent;
    return 0;
}

int mn_module_append(mn_module *parent, mn_module *child) {
    char name[24];
    snprintf(name, sizeof name, "%zu", parent->children.n);
    return mn_module_add(parent, name, child);
}

mn_module *mn_module_child(const mn_module *m, const char *name) {
    for (size_t i = 0; i < m->children.n; i++) {
        mn_module *c = MN_AT(m->children, mn_module *, i);
        if (strcmp(c->name, name) == 0) return c;
    }
    return NULL;
}

static void detach(mn_module *m) {
    m->parent = NULL;
    m->name = NULL;
}

void mn_module_take(mn_module *m) {
    mn_vec *all = &m->parent->children;
    size_t i = 0;
    while (MN_AT(*all, mn_module *, i) != m) i++;
    mn_vec_remove(all, i);
    m->parent = NULL; /* its name is freed with it, or where it is added */
}

int mn_module_replace(mn_module *old, mn_module *next) {
    mn_module *parent = old->parent;
    mn_model *model = old->model;
    if (!parent && model->root != old) {
        mn_module_free(next);
        return mn_fail(model->ctx, MODNAS_EINVAL, "a %s that stands nowhere cannot be replaced", old->vt->type);
    }
    mn_free(model->ctx, next->name);
    next->name = old->name;
    next->parent = parent;
    detach(old);
    if (!parent)
        model->root = next;
    else
        for (size_t i = 0; i < parent->children.n; i++)
            if (MN_AT(parent->children, mn_module *, i) == old) MN_AT(parent->children, mn_module *, i) = next;
    mn_module_free(old);
    return 0;
}

static int check_elements(modnas_ctx *ctx, const char *name, const int64_t dims[4]) {
    char text[64];
    int64_t n = 1;
    for (int i = 0; i < 4 && n; i++) n = dims[i] < 1 || dims[i] > MN_MAX_ELEMENTS / n ? 0 : n * dims[i];
    if (n) return 0;
    return mn_fail(ctx, MODNAS_ESHAPE, "parameter '%.80s' of %s: 1 to %d elements are possible", name,
                   mn_dims_text(dims, text), (int)MN_MAX_ELEMENTS);
}

int mn_module_param_new(mn_module *m, const char *name, int32_t role, int32_t rank, const int64_t dims[4], int32_t init,
                        double bound, mn_param **out) {
    modnas_ctx *ctx = m->model->ctx;
    MN_TRY(check_elements(ctx, name, dims));
    mn_module_param entry = {mn_strdup(ctx, name), NULL};
    int rc = entry.name ? mn_param_new(ctx, role, rank, dims, init, bound, &entry.param) : MODNAS_ENOMEM;
    if (!rc && !mn_vec_push(ctx, &m->params, &entry, 1)) rc = MODNAS_ENOMEM;
    if (rc) {
        mn_param_free(entry.param);
        mn_free(ctx, entry.name);
        return rc;
    }
    *out = entry.param;
    return 0;
}

mn_param *mn_module_find_param(const mn_module *m, const char *name) {
    for (size_t i = 0; i < m->params.n; i++) {
        const mn_module_param *p = &MN_AT(m->params, mn_module_param, i);
        if (strcmp(p->name, name) == 0) return p->param;
    }
    return NULL;
}

int mn_module_walk(mn_module *m, int (*fn)(mn_module *m, void *ud), void *ud) {
    MN_TRY(fn(m, ud));
    for (size_t i = 0; i < m->children.n; i++) MN_TRY(mn_module_walk(MN_AT(m->children, mn_module *, i), fn, ud));
    return 0;
}

static void add_path(const mn_module *m, mn_str *out) {
    if (!m->parent) return;
    add_path(m->parent, out);
    if (m->parent->parent) mn_str_add(out, ".");
    mn_str_add(out, m->name);
}

int mn_module_path(const mn_module *m, mn_str *out) {
    add_path(m, out);
    return out->failed ? MODNAS_ENOMEM : 0;
}

/* ---- forward ------------------------------------------------------------------------------------------- */

enum { MAX_DEPTH = 256 }; /* modules in modules whose forward is under way */

int mn_forward_children(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    if (n_src != 1)
        return mn_fail(m->model->ctx, MODNAS_EINVAL, "a %s takes 1 value, %d given", m->vt->type, (int)n_src);
    mn_value *v = src[0];
    for (size_t i = 0; i < m->children.n; i++) MN_TRY(mn_forward1(MN_AT(m->children, mn_module *, i), run, v, &v));
    *dst = v;
    return 0;
}

/* The path of the innermost module before the text, and where its layer is written: those around it find
 * model->located set. */
static int locate(const mn_module *m, int rc) {
    mn_model *model = m->model;
    if (!rc || rc == MODNAS_ENOMEM || model->located) return rc;
    model->located = 1;
    const mn_module *layer = m;
    while (layer->parent && !layer->where) layer = layer->parent;
    mn_str path = {.ctx = model->ctx};
    if (!mn_module_path(m, &path) && path.n)
        rc = mn_fail(model->ctx, rc, "%s%smodule '%s': %s", layer->where ? layer->where : "", layer->where ? ": " : "",
                     path.text, modnas_errmsg(model->ctx));
    mn_str_free(&path);
    return rc;
}

int mn_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    mn_model *model = m->model;
    if (model->depth == 0) model->located = 0;
    if (n_src == 1 && !mn_active_is_there(m)) {
        *dst = src[0];
        return 0;
    }
    if (model->depth == MAX_DEPTH)
        return mn_fail(model->ctx, MODNAS_EINVAL, "%d modules are inside of each other: a forward calls itself",
                       (int)MAX_DEPTH);
    model->depth++;
    if (model->watch) model->watch->enter(m, run, model->watch->ud);
    const void *around = mn_run_within(run, m);
    mn_value *resized;
    int rc = mn_active_resize(m, run, src, n_src, &resized);
    if (!rc) rc = (m->vt->forward ? m->vt->forward : mn_forward_children)(m, run, resized ? &resized : src, n_src, dst);
    mn_run_within(run, around);
    if (model->watch && !rc) model->watch->leave(m, run, *dst, model->watch->ud);
    model->depth--;
    return locate(m, rc);
}

int mn_forward1(mn_module *m, mn_run *run, mn_value *src, mn_value **dst) {
    return mn_forward(m, run, &src, 1, dst);
}
