/* Args of components: checking them against the component's row, filling in defaults, and reading them.
 *
 * Everything that a type can rule out is ruled out here, with the place in the file, so that builders only see good
 * values. */
#include "registry/args.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAMES_MAX = 64 }; /* args of a component, allowed words of a string */

const char *mn_did_you_mean(char *buf, size_t bytes, const char *word, const char *const *names, size_t n) {
    const char *near = mn_suggest(word, names, n);
    if (near)
        snprintf(buf, bytes, "; did you mean '%s'?", near);
    else
        buf[0] = 0;
    return buf;
}

/* ---- one value ---- */

static int bad_value(modnas_ctx *ctx, const char *owner, const mn_arg_def *def, const mn_node *v, const char *wanted) {
    char at[300], what[80];
    return mn_fail(ctx, MODNAS_ECONFIG, "%s: %s%s%s: %s is wanted, not %s", mn_node_where(v, at, sizeof at), owner,
                   *owner ? "." : "", def->name, wanted, mn_node_what(v, what, sizeof what));
}

/* The words of "a|b|c", cut apart in buf. */
static size_t split_words(const char *list, char *buf, size_t bytes, const char **words) {
    snprintf(buf, bytes, "%s", list);
    size_t n = 0;
    for (char *word = buf; word && n < NAMES_MAX; n++) {
        words[n] = word;
        word = strchr(word, '|');
        if (word) *word++ = 0;
    }
    return n;
}

static int check_word(modnas_ctx *ctx, const char *owner, const mn_arg_def *def, const mn_node *v) {
    char buf[600], all[600], hint[100], at[300];
    const char *words[NAMES_MAX];
    if (!def->of) return 0;
    const size_t n = split_words(def->of, buf, sizeof buf, words);
    for (size_t i = 0; i < n; i++)
        if (strcmp(words[i], v->text) == 0) return 0;
    size_t len = 0;
    all[0] = 0;
    for (size_t i = 0; i < n && len < sizeof all; i++)
        len += (size_t)snprintf(all + len, sizeof all - len, "%s%s", i ? ", " : "", words[i]);
    return mn_fail(ctx, MODNAS_ECONFIG, "%s: %s%s%s: '%.40s' is none of %s%s", mn_node_where(v, at, sizeof at), owner,
                   *owner ? "." : "", def->name, v->text, all, mn_did_you_mean(hint, sizeof hint, v->text, words, n));
}

static int is_whole(const mn_node *v) {
    return v->kind == MN_INT || (v->kind == MN_REAL && fabs(v->r) <= 9007199254740992.0 && v->r == floor(v->r));
}

static int is_number(const mn_node *v) {
    return v->kind == MN_INT || v->kind == MN_REAL;
}

static int all_numbers(const mn_node *v) {
    for (size_t i = 0; i < v->n; i++)
        if (!is_number(v->items[i])) return 0;
    return v->kind == MN_SEQ;
}

/* What plain types want: whether the value fits, and the words for it. ORDER mn_arg_type */
static int fits(int32_t type, const mn_node *v, const char **wanted) {
    static const char *const words[] = {"anything", "true or false", "an integer", "a number",
                                        "a string", "a list",        "a map",      "a list of numbers"};
    *wanted = words[type];
    switch (type) {
    case MN_ARG_BOOL:
        return v->kind == MN_BOOL;
    case MN_ARG_INT:
        return is_whole(v);
    case MN_ARG_REAL:
        return is_number(v);
    case MN_ARG_STR:
        return v->kind == MN_STR;
    case MN_ARG_LIST:
        return v->kind == MN_SEQ;
    case MN_ARG_MAP:
        return v->kind == MN_MAP;
    case MN_ARG_REALS:
        return all_numbers(v);
    default:
        return 1;
    }
}

typedef struct spec_check {
    modnas_ctx *ctx;
    const char *kind;
    int part;
} spec_check;

static int check_one(const char *name, const mn_node *spec, void *ud) {
    const spec_check *c = ud;
    (void)name;
    return mn_spec_check_any(c->ctx, c->kind, spec, NULL, NULL, c->part);
}

int mn_arg_check(modnas_ctx *ctx, const char *owner, const mn_arg_def *def, const mn_node *v, int part) {
    const char *wanted;
    if (def->type == MN_ARG_ANY) return 0;
    if (v->kind == MN_NULL && v->text && def->def && strcmp(def->def, "null") == 0) return 0;
    if (def->type == MN_ARG_SPEC) return mn_spec_check_any(ctx, def->of, v, NULL, NULL, part);
    if (def->type == MN_ARG_SPECS) {
        spec_check c = {ctx, def->of, part};
        if (v->kind < MN_STR) return bad_value(ctx, owner, def, v, "a component, a list or a map of them");
        return mn_specs_visit(v, check_one, &c);
    }
    if (!fits(def->type, v, &wanted)) return bad_value(ctx, owner, def, v, wanted);
    return def->type == MN_ARG_STR ? check_word(ctx, owner, def, v) : 0;
}

/* ---- all args ---- */

static const mn_arg_def *find_def(const mn_component *c, const char *name) {
    for (const mn_arg_def *d = c->args; d && d->name; d++)
        if (strcmp(d->name, name) == 0) return d;
    return NULL;
}

static int unknown_arg(modnas_ctx *ctx, const mn_component *c, const char *key, const mn_node *v) {
    const char *names[NAMES_MAX];
    size_t n = 0;
    for (const mn_arg_def *d = c->args; d && d->name && n < NAMES_MAX; d++) names[n++] = d->name;
    char at[300], hint[100];
    return mn_fail(ctx, MODNAS_ECONFIG, "%s: %s has no arg '%.80s'%s", mn_node_where(v, at, sizeof at), c->name, key,
                   mn_did_you_mean(hint, sizeof hint, key, names, n));
}

int mn_args_check(modnas_ctx *ctx, const mn_component *c, const mn_node *spec, const mn_node *args, const mn_node *more,
                  int part) {
    for (size_t i = 0; args && i < args->n; i++) {
        const mn_arg_def *def = find_def(c, args->keys[i]);
        if (!def) return unknown_arg(ctx, c, args->keys[i], args->items[i]);
        MN_TRY(mn_arg_check(ctx, c->name, def, args->items[i], part));
    }
    for (const mn_arg_def *d = c->args; d && d->name && !part; d++) {
        if (d->def || mn_node_get(args, d->name) || mn_node_get(more, d->name)) continue;
        char at[300];
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: %s needs the arg '%s' (%s)", mn_node_where(spec, at, sizeof at),
                       c->name, d->name, d->text);
    }
    return 0;
}

/* ---- building ---- */

/* An arg's value as a node of its own: the spec's, the framework's or the default. */
static int make_value(modnas_ctx *ctx, const mn_component *c, const mn_arg_def *d, const mn_node *args,
                      const mn_node *more, mn_node **out) {
    const mn_node *given = mn_node_get(args, d->name);
    mn_node *v;
    if (!given && (given = mn_node_get(more, d->name))) MN_TRY(mn_arg_check(ctx, c->name, d, given, 0));
    if (given) {
        v = mn_node_copy(ctx, given);
        if (!v) return MODNAS_ENOMEM;
    } else {
        MN_TRY(mn_yaml_value(ctx, d->def, "default", &v));
        const int rc = mn_node_place(ctx, v, NULL, 0);
        if (rc) {
            mn_node_free(ctx, v);
            return rc;
        }
    }
    if (d->type == MN_ARG_INT && v->kind == MN_REAL) { /* 3.0 is 3 */
        v->kind = MN_INT;
        v->i = (int64_t)v->r;
    }
    *out = v;
    return 0;
}

static int make_args(modnas_ctx *ctx, const mn_component *c, const mn_node *args, const mn_node *more, mn_node **out) {
    mn_node *map = mn_node_new(ctx, MN_MAP);
    if (!map) return MODNAS_ENOMEM;
    for (const mn_arg_def *d = c->args; d && d->name; d++) {
        mn_node *v = NULL;
        int rc = make_value(ctx, c, d, args, more, &v);
        if (!rc) rc = mn_node_push(ctx, map, d->name, v);
        if (rc) {
            mn_node_free(ctx, map);
            return rc;
        }
    }
    *out = map;
    return 0;
}

int mn_registry_build(modnas_ctx *ctx, const char *kind, const mn_node *spec, const char *const *extra,
                      const mn_node *more, const void *env, void *out) {
    const char *type;
    const mn_node *given;
    const mn_component *c;
    mn_node *map = NULL;
    MN_TRY(mn_spec_take(ctx, kind, spec, extra, &type, &given));
    if (!type) return mn_spec_no_type(ctx, kind, spec);
    MN_TRY(mn_registry_need(ctx, kind, type, spec, &c));
    MN_TRY(mn_args_check(ctx, c, spec, given, more, 0));
    MN_TRY(make_args(ctx, c, given, more, &map));
    const mn_args args = {ctx, c, map, spec};
    const int rc = c->build(c, &args, env, out);
    mn_node_free(ctx, map);
    return rc;
}

/* ---- getters ---- */

static const mn_node *need(const mn_args *a, const char *name) {
    const mn_node *v = mn_node_get(a->map, name);
    assert(v);
    return v;
}

int64_t mn_args_int(const mn_args *a, const char *name) {
    return need(a, name)->i;
}

double mn_args_real(const mn_args *a, const char *name) {
    return need(a, name)->r;
}

int mn_args_bool(const mn_args *a, const char *name) {
    return need(a, name)->i != 0;
}

const char *mn_args_str(const mn_args *a, const char *name) {
    const mn_node *v = need(a, name);
    return v->kind == MN_STR ? v->text : NULL;
}

const mn_node *mn_args_node(const mn_args *a, const char *name) {
    const mn_node *v = need(a, name);
    return v->kind == MN_NULL ? NULL : v;
}

int mn_args_given(const mn_args *a, const char *name) {
    return need(a, name)->kind != MN_NULL;
}

int mn_args_fail(const mn_args *a, const char *name, const char *fmt, ...) {
    char text[600], at[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const mn_node *v = mn_node_get(a->map, name);
    mn_node_where(v && v->file ? v : a->origin, at, sizeof at);
    return mn_fail(a->ctx, MODNAS_ECONFIG, "%s: %s.%s: %s", at, a->component->name, name, text);
}

void mn_args_warn_unused(const mn_args *a) {
    const mn_component *c = a->component;
    for (const mn_arg_def *d = c->args; d && d->name; d++)
        if (strcmp(d->text, MN_UNUSED_ARG) == 0 && mn_args_given(a, d->name))
            mn_log(a->ctx, MODNAS_LOG_WARN, "%s: %s is not used", c->name, d->name);
}
