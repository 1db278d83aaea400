/* Making callbacks and calling them (callbacks.h). */
#include "pipeline/callbacks.h"

#include <stdio.h>
#include <string.h>

#include "config/forms.h"

typedef struct named {
    char *name; /* owned */
    mn_callback *callback;
} named;

static named *at(const mn_pipeline *p, size_t i) {
    return &MN_AT(p->callbacks, named, i);
}

/* ---- files --------------------------------------------------------------------------------------------- */

static int save_model(void *ud, const mn_estim *e, const char *tag) {
    return mn_pipeline_save_model(ud, e, tag);
}

static int save_arch(void *ud, const mn_estim *e, const char *tag, const mn_node *arch) {
    return mn_pipeline_save_arch(ud, e, tag, arch);
}

static int save_text(void *ud, const mn_estim *e, const char *before, const char *ending, mn_str *text) {
    const mn_pipeline *p = ud;
    return mn_expdir_write(&p->dir, before, e->name, ending, text);
}

static int drop(void *ud, const mn_estim *e, const char *tag) {
    return mn_pipeline_drop(ud, e, tag);
}

/* ---- making -------------------------------------------------------------------------------------------- */

/* Behind those of the same priority. Takes name. */
static int insert(mn_pipeline *p, char *name, mn_callback *c) {
    const named one = {name, c};
    size_t i = p->callbacks.n;
    if (!mn_vec_push(p->ctx, &p->callbacks, &one, 1)) {
        mn_free(p->ctx, name);
        mn_callback_free(c);
        return MODNAS_ENOMEM;
    }
    for (; i > 0 && at(p, i - 1)->callback->vt->priority < c->vt->priority; i--) *at(p, i) = *at(p, i - 1);
    *at(p, i) = one;
    return 0;
}

static int add(mn_pipeline *p, const char *name, const mn_node *spec) {
    const mn_callback_env env = {p->model, p, save_model, save_arch, save_text, drop, &p->n_top, &p->run_file};
    mn_callback *c;
    char *copy = mn_strdup(p->ctx, name);
    if (!copy) return MODNAS_ENOMEM;
    const int rc = mn_registry_build(p->ctx, "callback", spec, NULL, NULL, &env, &c);
    if (!rc) return insert(p, copy, c);
    mn_free(p->ctx, copy);
    return rc;
}

static int is_dropped(const mn_node *n) {
    return n->kind == MN_NULL || (n->kind == MN_BOOL && !n->i);
}

/* A default one, with what the configuration says of it. */
static int add_default(mn_pipeline *p, const char *name, const char *type, const mn_node *given) {
    mn_node *base = mn_node_str(p->ctx, type), *spec = NULL;
    int rc = base ? 0 : MODNAS_ENOMEM;
    if (!rc && given) rc = mn_spec_merge(p->ctx, base, given, &spec);
    if (!rc) rc = add(p, name, spec ? spec : base);
    mn_node_free(p->ctx, spec);
    mn_node_free(p->ctx, base);
    return rc;
}

static int add_defaults(mn_pipeline *p, const mn_node *map) {
    const mn_node *all = map ? mn_node_get(map, "default") : NULL;
    const char *name, *type;
    if (all && is_dropped(all)) return 0;
    for (int i = 0; mn_default_callback(i, &name, &type); i++) {
        const mn_node *given = map ? mn_node_get(map, name) : NULL;
        if (!given || !is_dropped(given)) MN_TRY(add_default(p, name, type, given));
    }
    return 0;
}

static int is_default(const char *name) {
    const char *known, *type;
    for (int i = 0; mn_default_callback(i, &known, &type); i++)
        if (strcmp(known, name) == 0) return 1;
    return 0;
}

int mn_callbacks_build(mn_pipeline *p) {
    const mn_node *given = mn_node_get(p->tree, "callback");
    const int is_map = given && given->kind == MN_MAP;
    mn_vec_init(&p->callbacks, sizeof(named));
    p->n_top = MN_TOP;
    p->run_file = "results";
    MN_TRY(add_defaults(p, is_map ? given : NULL));
    for (size_t i = 0; given && i < given->n; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        const char *name = is_map ? given->keys[i] : number;
        if (is_dropped(given->items[i]) || (is_map && is_default(name))) continue;
        MN_TRY(add(p, name, given->items[i]));
    }
    return 0;
}

void mn_callbacks_free(mn_pipeline *p) {
    for (size_t i = 0; i < p->callbacks.n; i++) {
        mn_free(p->ctx, at(p, i)->name);
        mn_callback_free(at(p, i)->callback);
    }
    if (p->callbacks.elem) mn_vec_free(p->ctx, &p->callbacks);
}

/* ---- calling ------------------------------------------------------------------------------------------- */

enum { BEGIN, EPOCH_DONE, END };

static int each(mn_pipeline *p, mn_estim *e, int moment) {
    for (size_t i = 0; i < p->callbacks.n; i++) {
        mn_callback *c = at(p, i)->callback;
        int (*const fns[])(mn_callback *, mn_estim *) = {c->vt->begin, c->vt->epoch_done, c->vt->end};
        if (fns[moment]) MN_TRY(fns[moment](c, e));
    }
    return 0;
}

int mn_callbacks_begin(mn_pipeline *p, mn_estim *e) {
    return each(p, e, BEGIN);
}

int mn_callbacks_epoch_done(mn_pipeline *p, mn_estim *e) {
    return each(p, e, EPOCH_DONE);
}

int mn_callbacks_end(mn_pipeline *p, mn_estim *e) {
    return each(p, e, END);
}

int mn_callbacks_evaluated(mn_pipeline *p, mn_estim *e, const mn_evaluation *v, int is_new) {
    for (size_t i = 0; i < p->callbacks.n; i++) {
        mn_callback *c = at(p, i)->callback;
        if (c->vt->evaluated) MN_TRY(c->vt->evaluated(c, e, v, is_new));
    }
    return 0;
}

int mn_callbacks_visit(const mn_pipeline *p, int (*fn)(const char *name, mn_callback *c, void *ud), void *ud) {
    for (size_t i = 0; i < p->callbacks.n; i++)
        if (at(p, i)->callback->vt->state) MN_TRY(fn(at(p, i)->name, at(p, i)->callback, ud));
    return 0;
}
