/* Registering, finding and building components by name. */
#include "modnas/registry.h"

#include <stdint.h>
#include <string.h>

#include "host/host.h"

/* ---- registering --------------------------------------------------------------------------------------- */

static int check_name(modnas_ctx *ctx, const modnas_component *c) {
    if (!c->kind || !*c->kind) return mn_fail(ctx, MODNAS_EINVAL, "a component without a kind");
    if (!c->name || !*c->name) return mn_fail(ctx, MODNAS_EINVAL, "a %.40s without a name", c->kind);
    if (!c->vt) return mn_fail(ctx, MODNAS_EINVAL, "%.40s '%.80s': vt is NULL", c->kind, c->name);
    for (const char *at = c->name; *at; at++)
        if (*at == '.' || (unsigned char)*at < ' ')
            return mn_fail(ctx, MODNAS_EINVAL, "%.40s '%.80s': a name has no '.' and no control characters", c->kind,
                           c->name);
    return 0;
}

static int find_kind(modnas_ctx *ctx, const char *kind, const mn_host_kind **out) {
    const mn_host_kind *k = mn_host_kind_find(strcmp(kind, "arch_space") == 0 ? "model" : kind);
    if (k && k->build) {
        *out = k;
        return 0;
    }
    mn_str open = {.ctx = ctx};
    mn_host_kinds_text(&open, 0);
    const int rc = mn_fail(ctx, MODNAS_EUNSUPPORTED, "components of kind '%.40s' are not registered by hosts, but %s",
                           kind, open.failed ? "others" : open.text);
    mn_str_free(&open);
    return rc;
}

typedef struct defs { /* args of a row while it is made */
    mn_node *map;
    mn_vec rows;  /* mn_arg_def; the last one all zero */
    mn_vec texts; /* char *: their defaults */
} defs;

/* ORDER mn_node_kind: the type of an argument follows its default. */
static const int32_t type_of[] = {MN_ARG_ANY, MN_ARG_BOOL, MN_ARG_INT, MN_ARG_REAL,
                                  MN_ARG_STR, MN_ARG_LIST, MN_ARG_MAP};

static int add_def(modnas_ctx *ctx, defs *d, const char *name, const mn_node *value) {
    mn_str s = {.ctx = ctx};
    mn_node_json(&s, value);
    char *text = mn_str_take(&s);
    if (!text) return MODNAS_ENOMEM;
    if (!mn_vec_push(ctx, &d->texts, &text, 1)) {
        mn_free(ctx, text);
        return MODNAS_ENOMEM;
    }
    const mn_arg_def def = {name, type_of[value->kind], text, NULL, "of the host"};
    return mn_vec_push(ctx, &d->rows, &def, 1) ? 0 : MODNAS_ENOMEM;
}

static int make_defs(modnas_ctx *ctx, const modnas_component *c, defs *d) {
    mn_str what = {.ctx = ctx};
    mn_vec_init(&d->rows, sizeof(mn_arg_def));
    mn_vec_init(&d->texts, sizeof(char *));
    mn_str_addf(&what, "args of %s '%.80s'", c->kind, c->name);
    int rc = what.failed ? MODNAS_ENOMEM : mn_host_map(ctx, c->args, what.text, &d->map);
    mn_str_free(&what);
    for (size_t i = 0; !rc && i < d->map->n; i++) rc = add_def(ctx, d, d->map->keys[i], d->map->items[i]);
    if (!rc && !mn_vec_push(ctx, &d->rows, NULL, 1)) rc = MODNAS_ENOMEM;
    return rc == MODNAS_ECONFIG ? MODNAS_EINVAL : rc;
}

static void defs_free(modnas_ctx *ctx, defs *d) {
    for (size_t i = 0; i < d->texts.n; i++) mn_free(ctx, MN_AT(d->texts, char *, i));
    mn_vec_free(ctx, &d->texts);
    mn_vec_free(ctx, &d->rows);
    mn_node_free(ctx, d->map);
}

static void host_free(modnas_ctx *ctx, void *data) {
    mn_host *h = data;
    if (!h) return;
    if (h->ud_free) h->ud_free(h->ud);
    mn_free(ctx, h->vt);
    mn_free(ctx, h);
}

/* ud stays the caller's: ud_free is set once the row is in. */
static int make_host(modnas_ctx *ctx, const modnas_component *c, const mn_host_kind *kind, mn_host **out) {
    mn_host *h = mn_alloc(ctx, 1, sizeof *h);
    if (!h) return MODNAS_ENOMEM;
    h->kind = kind;
    h->name = c->name;
    h->ud = c->ud;
    h->vt = mn_alloc(ctx, 1, kind->vt_bytes);
    int rc = h->vt ? mn_opts_read(ctx, kind->vt_name, c->vt, h->vt, kind->vt_bytes) : MODNAS_ENOMEM;
    if (!rc && kind->init) rc = kind->init(ctx, h);
    if (rc)
        host_free(ctx, h);
    else
        *out = h;
    return rc;
}

static int add(modnas_ctx *ctx, const modnas_component *c, const mn_host_kind *kind, const defs *d) {
    mn_host *h;
    MN_TRY(make_host(ctx, c, kind, &h));
    const mn_component row = {kind->kind,  c->name, c->text ? c->text : "", d->map->n ? d->rows.data : NULL,
                              kind->build, h};
    const int rc = mn_registry_add_owned(ctx, &row, host_free);
    if (rc) {
        host_free(ctx, h);
        return rc;
    }
    h->name = mn_registry_find(ctx, kind->kind, c->name)->name;
    h->module_vt.type = h->optim_vt.type = h->estim_vt.type = h->name;
    h->ud_free = c->ud_free;
    return 0;
}

int modnas_registry_register(modnas_ctx *ctx, const modnas_component *component) {
    modnas_component c;
    const mn_host_kind *kind = NULL;
    defs d = {.map = NULL};
    if (!ctx) return MODNAS_EINVAL;
    MN_ENTER(ctx);
    if (!component) return mn_fail(ctx, MODNAS_EINVAL, "modnas_registry_register: component is NULL");
    MN_TRY(mn_opts_read(ctx, "modnas_component", component, &c, sizeof c));
    MN_TRY(check_name(ctx, &c));
    MN_TRY(find_kind(ctx, c.kind, &kind));
    MN_TRY(mn_register_builtins(ctx));
    int rc = make_defs(ctx, &c, &d);
    if (!rc) rc = add(ctx, &c, kind, &d);
    defs_free(ctx, &d);
    return rc;
}

/* ---- finding ------------------------------------------------------------------------------------------- */

int modnas_registry_get_builder(modnas_ctx *ctx, const char *kind, const char *name, const modnas_builder **out) {
    if (!ctx) return MODNAS_EINVAL;
    MN_ENTER(ctx);
    if (!kind || !name || !out)
        return mn_fail(ctx, MODNAS_EINVAL, "modnas_registry_get_builder: %s is NULL",
                       !kind   ? "kind"
                       : !name ? "name"
                               : "out");
    MN_TRY(mn_register_builtins(ctx));
    return mn_registry_need(ctx, kind, name, NULL, out);
}

const char *modnas_builder_kind(const modnas_builder *b) {
    return b ? b->kind : NULL;
}

const char *modnas_builder_name(const modnas_builder *b) {
    return b ? b->name : NULL;
}

const char *modnas_builder_text(const modnas_builder *b) {
    return b ? b->text : NULL;
}

int modnas_builder_args_json(modnas_ctx *ctx, const modnas_builder *b, char **json) {
    if (!ctx) return MODNAS_EINVAL;
    MN_ENTER(ctx);
    if (!b || !json)
        return mn_fail(ctx, MODNAS_EINVAL, "modnas_builder_args_json: %s is NULL", !b ? "the builder" : "json");
    mn_str s = {.ctx = ctx};
    return mn_host_take(&s, mn_component_args_json(&s, b), json);
}

/* ---- building ------------------------------------------------------------------------------------------ */

static int no_place(modnas_ctx *ctx, const char *kind) {
    mn_str open = {.ctx = ctx};
    mn_host_kinds_text(&open, 1);
    const int rc =
        mn_fail(ctx, MODNAS_EUNSUPPORTED, "a '%.40s' is made from a configuration only; built by name are %s", kind,
                open.failed ? "others" : open.text);
    mn_str_free(&open);
    return rc;
}

/* arch_space is told apart by the name. */
static int build(modnas_ctx *ctx, const char *kind, const mn_node *spec, const modnas_place *place) {
    static const char *const extra[] = {"candidates", NULL};
    const mn_host_kind *k = mn_host_kind_find(kind);
    if (!k && mn_kind_holds(kind, "model")) {
        const mn_component *c;
        const mn_node *args;
        const char *name;
        MN_TRY(mn_spec_parse(ctx, spec, extra, &name, &args));
        MN_TRY(mn_registry_need(ctx, kind, name, spec, &c));
        k = mn_host_kind_find(c->kind);
    }
    return k && k->put ? k->put(ctx, spec, place) : no_place(ctx, kind);
}

int modnas_registry_build(modnas_ctx *ctx, const char *kind, const char *spec, const modnas_place *place) {
    modnas_place full;
    mn_node *node;
    if (!ctx) return MODNAS_EINVAL;
    MN_ENTER(ctx);
    if (!kind || !spec || !place)
        return mn_fail(ctx, MODNAS_EINVAL, "modnas_registry_build: %s is NULL",
                       !kind   ? "kind"
                       : !spec ? "spec"
                               : "place");
    MN_TRY(mn_opts_read(ctx, "modnas_place", place, &full, sizeof full));
    MN_TRY(mn_register_builtins(ctx));
    MN_TRY(mn_host_value(ctx, spec, kind, &node));
    const int rc = build(ctx, kind, node, &full);
    mn_node_free(ctx, node);
    return rc;
}
