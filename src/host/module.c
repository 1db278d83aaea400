/* Modules of hosts: backbones, candidates, layers and custom ones are one kind of module, made of a modnas_module_vt.
 *
 * While it is being built a module knows its parent already, which does not know it yet: so messages have its path, and
 * a candidate finds the Slot that it is for. */
#include "modnas/module.h"

#include <string.h>

#include "host/host.h"
#include "module/layer_types.h"

typedef struct host_module { /* state of a host's module */
    const modnas_module_vt *vt;
    void *ud;
    void (*ud_free)(void *ud); /* custom ones */
    modnas_module_vt own;      /* likewise */
} host_module;

int mn_host_may_edit(const mn_model *model) {
    if (!model->standing) return 0;
    return mn_fail(model->ctx, MODNAS_EINVAL, "the model stands: its modules are not edited any more");
}

enum { MAX_DEPTH = 64 }; /* builds and constructors inside of each other: their frames are large */

int mn_host_enter(mn_model *model, const char *name) {
    if (model->depth >= MAX_DEPTH)
        return mn_fail(model->ctx, MODNAS_EINVAL, "%d builds are inside of each other: %s calls itself", (int)MAX_DEPTH,
                       name);
    model->depth++;
    return 0;
}

/* ---- forward ------------------------------------------------------------------------------------------- */

static int forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    const host_module *h = m->state;
    modnas_ctx *ctx = m->model->ctx;
    mn_value *out = NULL;
    if (!h->vt->forward) return mn_forward_children(m, run, src, n_src, dst);
    mn_callback_begin(ctx);
    MN_TRY(mn_callback_end(ctx, h->vt->forward(m, run, src, n_src, &out, h->ud), "the forward of %s", m->vt->type));
    if (!out) return mn_fail(ctx, MODNAS_EINVAL, "the forward of %s gave no value", m->vt->type);
    if (!mn_run_owns(run, out))
        return mn_fail(ctx, MODNAS_EINVAL, "the forward of %s gave a value of another tape", m->vt->type);
    *dst = out;
    return 0;
}

static void destroy(mn_module *m) {
    const host_module *h = m->state;
    if (h->ud_free) h->ud_free(h->ud);
}

/* ---- building ------------------------------------------------------------------------------------------ */

/* An empty module; name NULL: the root. */
static int new_module(mn_model *model, const mn_module_vt *vt, mn_module *parent, const char *name, mn_module **out) {
    mn_module *m;
    MN_TRY(mn_module_new(model, vt, sizeof(host_module), &m));
    m->parent = parent;
    m->name = name ? mn_strdup(model->ctx, name) : NULL;
    if (name && !m->name) {
        mn_module_free(m);
        return MODNAS_ENOMEM;
    }
    *out = m;
    return 0;
}

static int call_build(mn_module *m, const mn_args *args) {
    const host_module *h = m->state;
    modnas_ctx *ctx = m->model->ctx;
    if (!h->vt->build) return 0;
    MN_TRY(mn_host_enter(m->model, m->vt->type));
    mn_callback_begin(ctx);
    const int rc = h->vt->build(m, args, h->ud);
    m->model->depth--;
    return mn_callback_end(ctx, rc, "the build of %s", m->vt->type);
}

static int build_module(mn_host *host, mn_model *model, mn_module *parent, const char *name, const mn_args *args,
                        mn_module **out) {
    mn_module *m;
    MN_TRY(new_module(model, &host->module_vt, parent, name, &m));
    host_module *h = m->state;
    h->vt = host->vt;
    h->ud = host->ud;
    const int rc = call_build(m, args);
    if (rc)
        mn_module_free(m);
    else
        *out = m;
    return rc;
}

static int init(modnas_ctx *ctx, mn_host *h) {
    const modnas_module_vt *vt = h->vt;
    h->module_vt.forward = forward;
    h->module_vt.destroy = destroy;
    if (vt->build || vt->forward) return 0;
    return mn_fail(ctx, MODNAS_EINVAL, "%s '%.80s': neither build nor forward", h->kind->kind, h->name);
}

static mn_host *host_of(const mn_component *c) {
    return (mn_host *)(uintptr_t)c->data;
}

static int build_layer(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_layer_env *e = env;
    return build_module(host_of(c), e->model, e->parent, e->name, args, out);
}

static int build_candidate(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_candidate_env *e = env;
    return build_module(host_of(c), e->model, e->slot->module, c->name, args, out);
}

static int check_model(const mn_model *model, const char *name) {
    if (model->input[0]) return 0;
    return mn_fail(model->ctx, MODNAS_EINVAL, "the build of %s set no input size (modnas_model_set_input)", name);
}

/* The root is the model's while it is being built, so that callbacks reach it; a failed one leaves nothing. */
static int build_model(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_model_env *)env)->model;
    mn_host *host = host_of(c);
    mn_module *m;
    (void)out;
    MN_TRY(new_module(model, &host->module_vt, NULL, NULL, &m));
    host_module *h = m->state;
    h->vt = host->vt;
    h->ud = host->ud;
    model->root = m;
    int rc = call_build(m, args);
    if (!rc) rc = check_model(model, host->name);
    if (rc) {
        model->root = NULL;
        mn_module_free(m);
    }
    return rc;
}

static int put_layer(modnas_ctx *ctx, const mn_node *spec, const modnas_place *place) {
    mn_module *parent = place->module;
    if (!parent || !place->name)
        return mn_fail(ctx, MODNAS_EINVAL, "a layer is put into place.module under place.name: %s is NULL",
                       parent ? "name" : "module");
    MN_TRY(mn_host_may_edit(parent->model));
    return mn_layer_add(parent, place->name, spec, NULL, NULL);
}

static int put_model(modnas_ctx *ctx, const mn_node *spec, const modnas_place *place) {
    if (!place->model) return mn_fail(ctx, MODNAS_EINVAL, "a model is put into place.model, which is NULL");
    return mn_construct_network(place->model, spec);
}

#define MODULE_VT "modnas_module_vt", sizeof(modnas_module_vt), init

const mn_host_kind mn_host_model = {"model", MODULE_VT, build_model, put_model};
const mn_host_kind mn_host_candidate = {"candidate", MODULE_VT, build_candidate, mn_host_put_candidate};
const mn_host_kind mn_host_layer = {"layer", MODULE_VT, build_layer, put_layer};

/* ---- adding -------------------------------------------------------------------------------------------- */

/* NULL in what every function here needs; 0 if there is none. */
static int check_given(const mn_module *m, const char *fn, const char *name, const void *value, const char *what) {
    if (name && value) return 0;
    return mn_fail(m->model->ctx, MODNAS_EINVAL, "%s: %s is NULL", fn, name ? what : "name");
}

/* {type, args} as if it were written in YAML; errors say which module it is about. */
static int make_spec(mn_module *parent, const char *name, const char *type, const char *args, mn_node **out) {
    modnas_ctx *ctx = parent->model->ctx;
    mn_str what = {.ctx = ctx};
    mn_node *map = NULL, *spec = NULL;
    mn_str_add(&what, "module '");
    int rc = mn_module_path(parent, &what);
    mn_str_addf(&what, "%s%.80s'", parent->parent ? "." : "", name);
    if (!rc && what.failed) rc = MODNAS_ENOMEM;
    if (!rc) rc = mn_host_map(ctx, args, what.text, &map);
    if (!rc && !(spec = mn_node_new(ctx, MN_MAP))) rc = MODNAS_ENOMEM;
    if (!rc) rc = mn_node_place(ctx, spec, what.text, 0);
    if (!rc) rc = mn_node_set(ctx, spec, "type", mn_node_str(ctx, type));
    if (!rc) {
        rc = mn_node_set(ctx, spec, "args", map);
        map = NULL;
    }
    mn_node_free(ctx, map);
    mn_str_free(&what);
    if (rc)
        mn_node_free(ctx, spec);
    else
        *out = spec;
    return rc;
}

int modnas_module_add(modnas_module *parent, const char *name, const char *type, const char *args,
                      modnas_module **out) {
    mn_node *spec;
    if (!parent) return MODNAS_EINVAL;
    MN_ENTER(parent->model->ctx);
    MN_TRY(check_given(parent, "modnas_module_add", name, type, "type"));
    MN_TRY(mn_host_may_edit(parent->model));
    MN_TRY(mn_module_check_name(parent, name));
    MN_TRY(make_spec(parent, name, type, args, &spec));
    const int rc = mn_layer_add(parent, name, spec, NULL, out);
    mn_node_free(parent->model->ctx, spec);
    return rc;
}

static const mn_module_vt custom_vt = {"custom module", forward, destroy};

int modnas_module_add_custom(modnas_module *parent, const char *name, const modnas_module_vt *vt, void *ud,
                             void (*ud_free)(void *ud), modnas_module **out) {
    modnas_module_vt full;
    mn_module *m;
    if (!parent) return MODNAS_EINVAL;
    MN_ENTER(parent->model->ctx);
    MN_TRY(check_given(parent, "modnas_module_add_custom", name, vt, "vt"));
    MN_TRY(mn_host_may_edit(parent->model));
    MN_TRY(mn_module_check_name(parent, name));
    MN_TRY(mn_opts_read(parent->model->ctx, "modnas_module_vt", vt, &full, sizeof full));
    MN_TRY(new_module(parent->model, &custom_vt, parent, name, &m));
    host_module *h = m->state;
    h->own = full;
    h->vt = &h->own;
    h->ud = ud;
    int rc = call_build(m, NULL);
    if (rc)
        mn_module_free(m);
    else
        rc = mn_module_add(parent, name, m);
    if (rc) return rc;
    h->ud_free = ud_free; /* only now: after an error ud is the caller's */
    if (out) *out = m;
    return 0;
}

/* ---- parameters ---------------------------------------------------------------------------------------- */

/* Sizes as a tensor of a checkpoint has them, and as they are recorded. */
static int read_dims(modnas_ctx *ctx, const char *name, const int64_t *dims, int32_t n, int64_t full[4]) {
    if (n != 1 && n != 2 && n != 4)
        return mn_fail(ctx, MODNAS_EINVAL, "parameter '%.80s': %d sizes; 1, 2 or 4 are wanted", name, n);
    for (int i = 0; i < 4; i++) full[i] = 1;
    memcpy(n == 1 ? &full[1] : full, dims, (size_t)n * sizeof *dims);
    return 0;
}

int modnas_module_param(modnas_module *m, const char *name, const int64_t *dims, int32_t n_dims, int32_t init,
                        double bound) {
    if (!m) return MODNAS_EINVAL;
    MN_ENTER(m->model->ctx);
    static const int32_t inits[] = {MN_INIT_ZEROS, MN_INIT_ONES, MN_INIT_UNIFORM, MN_INIT_NORMAL}; /* modnas_init */
    int64_t full[4];
    mn_param *p;
    MN_TRY(check_given(m, "modnas_module_param", name, dims, "dims"));
    modnas_ctx *ctx = m->model->ctx;
    MN_TRY(mn_host_may_edit(m->model));
    MN_TRY(mn_module_check_name(m, name));
    MN_TRY(read_dims(ctx, name, dims, n_dims, full));
    if (init < 0 || (size_t)init >= MN_COUNT(inits))
        return mn_fail(ctx, MODNAS_EINVAL, "parameter '%.80s': init is %d, the range is 0..3", name, init);
    if (init >= MODNAS_INIT_UNIFORM && !(bound >= 0 && bound <= 1e30))
        return mn_fail(ctx, MODNAS_EINVAL, "parameter '%.80s': the bound is %g", name, bound);
    return mn_module_param_new(m, name, MN_ROLE_WEIGHT, n_dims, full, inits[init], bound, &p);
}

/* ---- looking ------------------------------------------------------------------------------------------- */

static int slot_info(mn_slot *s, modnas_slot_info *info) {
    modnas_ctx *ctx = s->module->model->ctx;
    if (!s->kwargs_json) {
        mn_str text = {.ctx = ctx};
        if (s->kwargs)
            mn_node_json(&text, s->kwargs);
        else
            mn_str_add(&text, "{}");
        MN_TRY(mn_host_take(&text, 0, &s->kwargs_json));
    }
    const modnas_slot_info full = {sizeof full, s->name,   s->kwargs_json,   s->chn_in,
                                   s->chn_out,  s->stride, s->entity != NULL};
    return mn_opts_write(ctx, "modnas_slot_info", &full, sizeof full, info);
}

int modnas_module_slot(modnas_module *m, modnas_slot_info *info) {
    if (!m) return MODNAS_EINVAL;
    MN_ENTER(m->model->ctx);
    if (!info) return mn_fail(m->model->ctx, MODNAS_EINVAL, "modnas_module_slot: info is NULL");
    for (mn_module *at = m; at; at = at->parent)
        if (mn_slot_of(at)) return slot_info(mn_slot_of(at), info);
    return mn_fail(m->model->ctx, MODNAS_EINVAL, "a %s that is no Slot and stands in none", m->vt->type);
}

modnas_model *modnas_module_model(const modnas_module *m) {
    return m ? m->model : NULL;
}

modnas_module *modnas_module_parent(const modnas_module *m) {
    return m ? m->parent : NULL;
}

const char *modnas_module_name(const modnas_module *m) {
    return m ? m->name : NULL;
}

size_t modnas_module_n_children(const modnas_module *m) {
    return m ? m->children.n : 0;
}

modnas_module *modnas_module_child_at(const modnas_module *m, size_t i) {
    return m && i < m->children.n ? MN_AT(m->children, mn_module *, i) : NULL;
}

modnas_module *modnas_module_child(const modnas_module *m, const char *name) {
    mn_module *at = NULL;
    for (; m && name; m = at) {
        const size_t n = strcspn(name, ".");
        at = NULL;
        for (size_t i = 0; i < m->children.n && !at; i++) {
            mn_module *c = MN_AT(m->children, mn_module *, i);
            if (strncmp(c->name, name, n) == 0 && !c->name[n]) at = c;
        }
        if (!name[n]) break;
        name += n + 1;
    }
    return at;
}
