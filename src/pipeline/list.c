/* What there is: the registry as JSON or as text. The rows of the components say it all; nothing is repeated here. */
#include <string.h>

#include "modnas/run.h"
#include "registry/registry.h"

/* ---- kinds ------------------------------------------------------------------------------------------- */

enum { MAX_KINDS = 32 };

typedef struct kinds {
    const char *name[MAX_KINDS];
    size_t n;
} kinds;

static int add_kind(const mn_component *c, void *ud) {
    kinds *k = ud;
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->name[i], c->kind) == 0) return 0;
    if (k->n < MAX_KINDS) k->name[k->n++] = c->kind;
    return 0;
}

static int get_kinds(modnas_ctx *ctx, const char *only, kinds *k) {
    k->n = 0;
    MN_TRY(mn_registry_visit(ctx, NULL, add_kind, k));
    if (!only) return 0;
    for (size_t i = 0; i < k->n; i++)
        if (mn_kind_holds(only, k->name[i])) return 0;
    const char *near = mn_suggest(only, k->name, k->n);
    mn_str all = {.ctx = ctx};
    for (size_t i = 0; i < k->n; i++) mn_str_addf(&all, "%s%s", i ? ", " : "", k->name[i]);
    const int rc =
        mn_fail(ctx, MODNAS_ENOTFOUND, "there is no kind '%.80s'%s%s%s; kinds: %s", only,
                near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "", all.failed ? "" : all.text);
    mn_str_free(&all);
    return rc;
}

/* ---- JSON -------------------------------------------------------------------------------------------- */

typedef struct json_list {
    mn_str text;
    int n;
} json_list;

static void add_member(mn_str *s, const char *before, const char *key, const char *value) {
    mn_str_addf(s, "%s\"%s\":", before, key);
    mn_str_json(s, value);
}

static int add_json(const mn_component *c, void *ud) {
    json_list *l = ud;
    mn_str *s = &l->text;
    add_member(s, l->n++ ? ",\n{" : "{", "kind", c->kind);
    add_member(s, ",", "name", c->name);
    add_member(s, ",", "text", c->text);
    mn_str_add(s, ",\"args\":");
    MN_TRY(mn_component_args_json(s, c));
    mn_str_add(s, "}");
    return 0;
}

static int take(modnas_ctx *ctx, mn_str *s, int rc, char **text) {
    char *taken = rc ? NULL : mn_str_take(s);
    if (rc) mn_str_free(s);
    if (!rc && !taken) return mn_fail(ctx, MODNAS_ENOMEM, "out of memory");
    if (!rc) *text = taken;
    return rc;
}

int modnas_list_json(modnas_ctx *ctx, const char *kind, char **text) {
    kinds k;
    if (!ctx || !text) return MODNAS_EINVAL;
    MN_ENTER(ctx);
    MN_TRY(mn_register_builtins(ctx));
    MN_TRY(get_kinds(ctx, kind, &k));
    json_list l = {.text = {.ctx = ctx}};
    mn_str_add(&l.text, "[");
    const int rc = mn_registry_visit(ctx, kind, add_json, &l);
    mn_str_add(&l.text, "]\n");
    return take(ctx, &l.text, rc, text);
}

/* ---- text -------------------------------------------------------------------------------------------- */

static int add_text(const mn_component *c, void *ud) {
    mn_str *s = ud;
    mn_str_addf(s, "  %-36s %s\n", c->name, c->text);
    for (const mn_arg_def *d = c->args; d && d->name; d++) {
        const char *of = d->type == MN_ARG_SPEC || d->type == MN_ARG_SPECS ? d->of : mn_arg_type_name(d->type);
        mn_str value = {.ctx = s->ctx};
        mn_str_addf(&value, "%s: %s%s%s", d->name, of, d->def ? " = " : ", required", d->def ? d->def : "");
        mn_str_addf(s, "      %-56s %s\n", value.failed ? d->name : value.text, d->text);
        mn_str_free(&value);
    }
    return 0;
}

int modnas_list_text(modnas_ctx *ctx, const char *kind, char **text) {
    kinds k;
    if (!ctx || !text) return MODNAS_EINVAL;
    MN_ENTER(ctx);
    MN_TRY(mn_register_builtins(ctx));
    MN_TRY(get_kinds(ctx, kind, &k));
    mn_str s = {.ctx = ctx};
    int rc = 0;
    for (size_t i = 0; i < k.n && !rc; i++) {
        if (!mn_kind_holds(kind, k.name[i])) continue;
        mn_str_addf(&s, "%s%s\n", s.n ? "\n" : "", k.name[i]);
        rc = mn_registry_visit(ctx, k.name[i], add_text, &s);
    }
    return take(ctx, &s, rc, text);
}
