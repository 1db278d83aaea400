/* Arguments as a host's builder reads them. A wrong name is the host's mistake: it gets a 0 and a line in the log. */
#include <string.h>

#include "host/host.h"
#include "registry/args.h"

/* The value of an argument that is declared; NULL, and `why` in the log or the error text. */
static const mn_node *find(const mn_args *a, const char *name, mn_str *why) {
    const char *names[64];
    size_t n = 0;
    char hint[100];
    const mn_node *v = name ? mn_node_get(a->map, name) : NULL;
    if (v) return v;
    for (const mn_arg_def *d = a->component->args; d && d->name && n < MN_COUNT(names); d++) names[n++] = d->name;
    mn_str_addf(why, "%s declares no argument '%.80s'%s", a->component->name, name ? name : "(NULL)",
                name ? mn_did_you_mean(hint, sizeof hint, name, names, n) : "");
    return NULL;
}

/* As find, and of one of two kinds of node. null is of every kind. */
static const mn_node *get(const mn_args *a, const char *name, int32_t kind, int32_t other) {
    if (!a) return NULL;
    mn_str why = {.ctx = a->ctx};
    char what[80];
    const mn_node *v = find(a, name, &why);
    if (v && v->kind != kind && v->kind != other && v->kind != MN_NULL) {
        mn_str_addf(&why, "%s.%s is %s, not %s", a->component->name, name, mn_node_what(v, what, sizeof what),
                    mn_node_kind_name(kind));
        v = NULL;
    }
    if (!v && !why.failed) mn_log(a->ctx, MODNAS_LOG_WARN, "%s", why.text);
    mn_str_free(&why);
    return v && v->kind != MN_NULL ? v : NULL;
}

int64_t modnas_args_int(const modnas_args *args, const char *name) {
    const mn_node *v = get(args, name, MN_INT, MN_INT);
    return v ? v->i : 0;
}

double modnas_args_real(const modnas_args *args, const char *name) {
    const mn_node *v = get(args, name, MN_REAL, MN_INT);
    return v ? v->r : 0;
}

int32_t modnas_args_bool(const modnas_args *args, const char *name) {
    const mn_node *v = get(args, name, MN_BOOL, MN_BOOL);
    return v && v->i;
}

const char *modnas_args_str(const modnas_args *args, const char *name) {
    const mn_node *v = get(args, name, MN_STR, MN_STR);
    return v ? v->text : NULL;
}

int32_t modnas_args_given(const modnas_args *args, const char *name) {
    const mn_node *v = args && name ? mn_node_get(args->map, name) : NULL;
    return v && v->kind != MN_NULL;
}

int modnas_args_json(const modnas_args *args, const char *name, char **json) {
    if (!args) return MODNAS_EINVAL;
    MN_ENTER(args->ctx);
    if (!json) return mn_fail(args->ctx, MODNAS_EINVAL, "modnas_args_json: json is NULL");
    mn_str why = {.ctx = args->ctx}, s = {.ctx = args->ctx};
    const mn_node *v = name ? find(args, name, &why) : args->map;
    int rc = 0;
    if (v)
        mn_node_json(&s, v);
    else
        rc = why.failed ? MODNAS_ENOMEM : mn_fail(args->ctx, MODNAS_ENOTFOUND, "%s", why.text);
    mn_str_free(&why);
    return mn_host_take(&s, rc, json);
}

int modnas_args_fail(const modnas_args *args, const char *name, const char *text) {
    if (!args) return MODNAS_EINVAL;
    MN_ENTER(args->ctx);
    if (!name || !text)
        return mn_fail(args->ctx, MODNAS_EINVAL, "modnas_args_fail: %s is NULL", name ? "text" : "name");
    return mn_args_fail(args, name, "%s", text);
}
