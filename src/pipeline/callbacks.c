/* Making callbacks and calling them (callbacks.h). */
#include "pipeline/callbacks.h"

#include <stdio.h>
#include <string.h>

#include "config/forms.h"

typedef struct named {
    char *name; /* owned */
    mn_callback *callback;
    int32_t is_given; /* 0: by itself */
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

static void free_one(mn_pipeline *p, named *one) {
    mn_free(p->ctx, one->name);
    mn_callback_free(one->callback);
}

/* One of the same type; NULL: there is none. */
static named *like(const mn_pipeline *p, const mn_callback *c) {
    for (size_t i = 0; i < p->callbacks.n; i++)
        if (at(p, i)->callback->vt == c->vt) return at(p, i);
    return NULL;
}

/* Behind those of the same priority. Takes name and callback. */
static int insert(mn_pipeline *p, named one) {
    const mn_callback *c = one.callback;
    size_t i = p->callbacks.n;
    if (!mn_vec_push(p->ctx, &p->callbacks, &one, 1)) {
        free_one(p, &one);
        return MODNAS_ENOMEM;
    }
    for (; i > 0 && at(p, i - 1)->callback->vt->priority < c->vt->priority; i--) *at(p, i) = *at(p, i - 1);
    *at(p, i) = one;
    return 0;
}

/* There is one of a type: one that is given takes the place of one that is there by itself. Takes both. */
static int put(mn_pipeline *p, named one, const mn_node *spec) {
    char where[256];
    named *other = like(p, one.callback);
    if (!other) return insert(p, one);
    if (!other->is_given) {
        free_one(p, other);
        *other = one;
        return 0;
    }
    const int rc = mn_fail(p->ctx, MODNAS_ECONFIG, "%s: callback.%s: there is %s already, as callback.%s",
                           mn_node_where(spec, where, sizeof where), one.name, one.callback->vt->type, other->name);
    free_one(p, &one);
    return rc;
}

static int add(mn_pipeline *p, const char *name, const mn_node *spec, int is_given) {
    const mn_callback_env env = {p->model, p->objective, p, save_model, save_arch, save_text, drop, &p->n_top, &p->run_file};
    named one = {mn_strdup(p->ctx, name), NULL, is_given};
    if (!one.name) return MODNAS_ENOMEM;
    const int rc = mn_registry_build(p->ctx, "callback", spec, NULL, NULL, &env, &one.callback);
    if (!rc) return put(p, one, spec);
    mn_free(p->ctx, one.name);
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
    if (!rc) rc = add(p, name, spec ? spec : base, given != NULL);
    mn_node_free(p->ctx, spec);
    mn_node_free(p->ctx, base);
    return rc;
}

static int add_defaults(mn_pipeline *p, const mn_node *map) {
    const mn_node *all = map ? mn_node_get(map, "default") : NULL;
    const int drops_all = all && is_dropped(all);
    const char *name, *type;
    for (int i = 0; mn_default_callback(i, &name, &type); i++) {
        const mn_node *given = map ? mn_node_get(map, name) : NULL;
        if (given ? !is_dropped(given) : !drops_all) MN_TRY(add_default(p, name, type, given));
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
        MN_TRY(add(p, name, given->items[i], 1));
    }
    return 0;
}

void mn_callbacks_free(mn_pipeline *p) {
    for (size_t i = 0; i < p->callbacks.n; i++) free_one(p, at(p, i));
    if (p->callbacks.elem) mn_vec_free(p->ctx, &p->callbacks);
}

/* ---- calling ------------------------------------------------------------------------------------------- */

/* Those that do something then. */
#define CALL_EACH(p, fn, ...)                                                                                          \
    for (size_t i = 0; i < (p)->callbacks.n; i++) {                                                                    \
        mn_callback *c = at(p, i)->callback;                                                                           \
        if (c->vt->fn) MN_TRY(c->vt->fn(c, __VA_ARGS__));                                                              \
    }

int mn_callbacks_begin(mn_pipeline *p, mn_estim *e) {
    CALL_EACH(p, begin, e);
    return 0;
}

int mn_callbacks_step(mn_pipeline *p, const mn_progress *progress) {
    CALL_EACH(p, step, progress);
    return 0;
}

int mn_callbacks_evaluated(mn_pipeline *p, mn_estim *e, const mn_evaluation *v) {
    int is_opt = v->is_best;
    CALL_EACH(p, evaluated, e, v, &is_opt);
    return 0;
}

static int epoch_done(mn_pipeline *p, mn_estim *e, mn_str *line) {
    CALL_EACH(p, epoch_done, e, line);
    return 0;
}

int mn_callbacks_epoch_done(mn_pipeline *p, mn_estim *e) {
    mn_str line = {.ctx = p->ctx};
    const int rc = epoch_done(p, e, &line);
    mn_str_free(&line);
    return rc;
}

int mn_callbacks_end(mn_pipeline *p, mn_estim *e) {
    CALL_EACH(p, end, e);
    return 0;
}

void mn_callbacks_results(const mn_pipeline *p, const mn_estim *e, mn_str *s) {
    for (size_t i = 0; i < p->callbacks.n; i++) {
        const mn_callback *c = at(p, i)->callback;
        if (c->vt->results) c->vt->results(c, e, s);
    }
}

int mn_callbacks_visit(const mn_pipeline *p, int (*fn)(const char *name, mn_callback *c, void *ud), void *ud) {
    for (size_t i = 0; i < p->callbacks.n; i++)
        if (at(p, i)->callback->vt->state) MN_TRY(fn(at(p, i)->name, at(p, i)->callback, ud));
    return 0;
}
