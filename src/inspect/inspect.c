/* Looking at files: the table of types, and the one way through it (see inspect.h). */
#include "inspect/inspect.h"

#include <string.h>

#include "modnas/inspect.h"

static const struct {
    const char *name;
    int32_t kind; /* how such a file may be packed */
    mn_look_fn look;
} types[] = {{"idx", MN_SOURCE_AUTO, mn_look_idx},           {"cifar10", MN_SOURCE_AUTO, mn_look_cifar10},
             {"gzip", MN_SOURCE_GZIP, mn_look_packed},       {"zlib", MN_SOURCE_ZLIB, mn_look_packed},
             {"deflate", MN_SOURCE_DEFLATE, mn_look_packed}, {"yaml", MN_SOURCE_PLAIN, mn_look_yaml},
             {"arch", MN_SOURCE_PLAIN, mn_look_arch},        {"table", MN_SOURCE_PLAIN, mn_look_table},
             {"chkpt", MN_SOURCE_PLAIN, mn_look_chkpt},      {"onnx", MN_SOURCE_PLAIN, mn_look_onnx}};

static int find_type(const char *name) {
    for (size_t i = 0; name && i < MN_COUNT(types); i++)
        if (strcmp(types[i].name, name) == 0) return (int)i;
    return -1;
}

/* "idx, cifar10, ..." */
static char *all_types(modnas_ctx *ctx) {
    mn_str s = {.ctx = ctx};
    for (size_t i = 0; i < MN_COUNT(types); i++) mn_str_addf(&s, "%s%s", i ? ", " : "", types[i].name);
    return mn_str_take(&s);
}

static int fail_type(modnas_ctx *ctx, const char *as) {
    const char *names[MN_COUNT(types)];
    for (size_t i = 0; i < MN_COUNT(types); i++) names[i] = types[i].name;
    const char *near = mn_suggest(as, names, MN_COUNT(types));
    char *all = all_types(ctx);
    if (!all) return MODNAS_ENOMEM;
    const int rc = mn_fail(ctx, MODNAS_EINVAL, "there is no type '%.80s'%s%s%s; types: %s", as,
                           near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "", all);
    mn_free(ctx, all);
    return rc;
}

static int fail_unknown(modnas_ctx *ctx, const mn_source *s, size_t n_head) {
    char *all = all_types(ctx);
    if (!all) return MODNAS_ENOMEM;
    const int rc = mn_fail(ctx, MODNAS_EFORMAT, "%s: %s; types to read it as: %s", mn_source_name(s),
                           n_head ? "neither its name nor its first bytes tell what it is" : "0 bytes", all);
    mn_free(ctx, all);
    return rc;
}

/* ---- one file ------------------------------------------------------------------------------------------ */

static int find_out(mn_report *r, mn_source *s, int *type) {
    enum { HEAD = 4096 };
    const uint8_t *head;
    size_t n;
    MN_TRY(mn_source_head(s, HEAD, &head, &n));
    r->guessed = 1;
    *type = find_type(mn_sniff(r->ctx, head, n, mn_source_name(s)));
    return *type < 0 ? fail_unknown(r->ctx, s, n) : 0;
}

static int look(mn_report *r, mn_source *s, int type) {
    if (type < 0) MN_TRY(find_out(r, s, &type));
    r->type = types[type].name;
    MN_TRY(mn_source_unpack(s, types[type].kind));
    MN_TRY(types[type].look(r, s));
    return r->text.failed ? MODNAS_ENOMEM : 0;
}

/* What went wrong is the report's, unless it was memory. */
static int judge(mn_report *r, int rc) {
    if (rc == MODNAS_ENOMEM) return rc;
    r->valid = rc == 0;
    if (!rc) return 0;
    mn_str_free(&r->text);
    r->error = mn_strdup(r->ctx, modnas_errmsg(r->ctx));
    return r->error ? 0 : MODNAS_ENOMEM;
}

static int measure(mn_report *r, mn_source *s) {
    const int rc = mn_source_drain(s);
    if (rc == MODNAS_ENOMEM) return rc;
    r->whole = rc == 0;
    r->bytes = mn_source_bytes(s);
    mn_sha256 sha = mn_source_sha256(s);
    mn_sha256_hex(&sha, r->sha256);
    return 0;
}

static mn_report new_report(modnas_ctx *ctx, int type) {
    return (mn_report){.ctx = ctx, .type = type < 0 ? "unknown" : types[type].name, .text = {.ctx = ctx}};
}

int mn_inspect_source(modnas_ctx *ctx, mn_source *s, const char *as, mn_report *out) {
    const int type = find_type(as);
    mn_report r = new_report(ctx, type);
    int rc = as && type < 0 ? fail_type(ctx, as) : 0;
    if (!rc) rc = judge(&r, look(&r, s, type));
    if (!rc) rc = measure(&r, s);
    mn_source_close(s);
    if (rc)
        mn_report_free(&r);
    else
        *out = r;
    return rc;
}

int mn_inspect_mem(modnas_ctx *ctx, const void *bytes, size_t n, const char *name, const char *as, mn_report *out) {
    mn_source *s;
    MN_TRY(mn_source_open_mem(ctx, bytes, n, name, MN_SOURCE_PLAIN, &s));
    return mn_inspect_source(ctx, s, as, out);
}

/* A file that cannot be opened is a bad one. */
static int inspect_path(modnas_ctx *ctx, const char *path, const char *as, mn_report *out) {
    mn_source *s;
    const int type = find_type(as);
    if (as && type < 0) return fail_type(ctx, as);
    const int rc = mn_source_open(ctx, path, MN_SOURCE_PLAIN, &s);
    if (!rc) return mn_inspect_source(ctx, s, as, out);
    mn_report r = new_report(ctx, type);
    MN_TRY(judge(&r, rc));
    *out = r;
    return 0;
}

void mn_report_free(mn_report *r) {
    mn_str_free(&r->text);
    mn_free(r->ctx, r->error);
}

/* ---- the interface ------------------------------------------------------------------------------------- */

static void add_json(mn_str *s, const mn_report *r, const char *path) {
    mn_str_add(s, "{\"file\":");
    mn_str_json(s, path);
    mn_str_addf(s, ",\"type\":\"%s\",\"valid\":%s", r->type, r->valid ? "true" : "false");
    if (r->whole)
        mn_str_addf(s, ",\"bytes\":%llu,\"sha256\":\"%s\"", (unsigned long long)r->bytes, r->sha256);
    else
        mn_str_add(s, ",\"bytes\":null,\"sha256\":null");
    mn_str_add(s, ",\"error\":");
    if (r->error)
        mn_str_json(s, r->error);
    else
        mn_str_add(s, "null");
    mn_str_add(s, "}\n");
}

static void add_text(mn_str *s, const mn_report *r, const char *path) {
    mn_str_addf(s, "%s: %s%s\n", path, r->type, r->valid ? "" : ", not valid");
    if (r->valid)
        mn_str_add(s, r->text.text ? r->text.text : "");
    else
        mn_str_addf(s, "  %s\n", r->error);
    for (char *c = s->failed ? NULL : s->text; c && *c; c++) /* names in a file may hold what a terminal obeys */
        if (((unsigned char)*c < 0x20 && *c != '\n') || *c == 0x7f) *c = '?';
    if (r->whole) mn_str_addf(s, "  %llu bytes, SHA-256 %s\n", (unsigned long long)r->bytes, r->sha256);
}

static int inspect(modnas_ctx *ctx, const char *path, const modnas_inspect_opts *opts,
                   void (*add)(mn_str *s, const mn_report *r, const char *path), char **out, int32_t *valid) {
    modnas_inspect_opts o;
    mn_report r;
    if (!ctx || !path || !out) return MODNAS_EINVAL;
    MN_ENTER(ctx);
    MN_TRY(mn_opts_read(ctx, "modnas_inspect_opts", opts, &o, sizeof o));
    MN_TRY(inspect_path(ctx, path, o.as, &r));
    mn_str s = {.ctx = ctx};
    add(&s, &r, path);
    const int32_t is_valid = r.valid;
    mn_report_free(&r);
    char *text = mn_str_take(&s);
    if (!text) return MODNAS_ENOMEM;
    *out = text;
    if (valid) *valid = is_valid;
    return 0;
}

int modnas_inspect_json(modnas_ctx *ctx, const char *path, const modnas_inspect_opts *opts, char **json,
                        int32_t *valid) {
    return inspect(ctx, path, opts, add_json, json, valid);
}

int modnas_inspect_text(modnas_ctx *ctx, const char *path, const modnas_inspect_opts *opts, char **text,
                        int32_t *valid) {
    return inspect(ctx, path, opts, add_text, text, valid);
}
