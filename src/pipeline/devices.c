/* Backends that can be opened here, as JSON or as text. */
#include "backend/backend.h"
#include "modnas/run.h"

typedef struct listing {
    mn_str text;
    int n;
} listing;

static int take(mn_str *s, int rc, char **text) {
    char *taken = rc ? NULL : mn_str_take(s);
    if (rc) mn_str_free(s);
    if (!rc && !taken) return MODNAS_ENOMEM;
    if (!rc) *text = taken;
    return rc;
}

static void add_member(mn_str *s, const char *key, const char *value) {
    mn_str_addf(s, ",\"%s\":", key);
    if (value)
        mn_str_json(s, value);
    else
        mn_str_add(s, "null");
}

static int add_json(const char *name, const char *version, const char *why_not, void *ud) {
    listing *l = ud;
    mn_str_add(&l->text, l->n++ ? ",{\"name\":" : "{\"name\":");
    mn_str_json(&l->text, name);
    add_member(&l->text, "version", why_not ? NULL : version);
    mn_str_addf(&l->text, ",\"available\":%s", why_not ? "false" : "true");
    add_member(&l->text, "why", why_not);
    mn_str_add(&l->text, "}");
    return 0;
}

int modnas_devices_json(modnas_ctx *ctx, char **text) {
    if (!ctx || !text) return MODNAS_EINVAL;
    MN_ENTER(ctx);
    listing l = {.text = {.ctx = ctx}};
    mn_str_add(&l.text, "[");
    const int rc = mn_backend_visit(ctx, add_json, &l);
    mn_str_add(&l.text, "]\n");
    return take(&l.text, rc, text);
}

static int add_text(const char *name, const char *version, const char *why_not, void *ud) {
    listing *l = ud;
    mn_str_addf(&l->text, "%-6s %s%s\n", name, why_not ? "not available: " : "", why_not ? why_not : version);
    return 0;
}

int modnas_devices_text(modnas_ctx *ctx, char **text) {
    if (!ctx || !text) return MODNAS_EINVAL;
    MN_ENTER(ctx);
    listing l = {.text = {.ctx = ctx}};
    const int rc = mn_backend_visit(ctx, add_text, &l);
    return take(&l.text, rc, text);
}
