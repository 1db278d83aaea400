/* Component specs: `Name`, `{type: Name, args: {...}}` or `[Name, {...}]`, alone, in lists and in maps. */
#include <string.h>

#include "registry/args.h"

/* Keys that specs of a kind have beside type and args; they are for whoever uses the component. */
static const struct {
    const char *kind;
    mn_arg_def def;
} kind_extras[] = {
    {"criterion", {"mode", MN_ARG_STR, "all", "all|train|valid|eval", "which passes it takes part in"}},
    {"metrics", {"base", MN_ARG_REAL, "1", NULL, "value it is divided by"}},
    {"metrics", {"weight", MN_ARG_REAL, "1", NULL, "factor in a sum"}},
    {"metrics", {"alpha", MN_ARG_REAL, "1", NULL, "exponent in a product, at or below base"}},
    {"metrics", {"beta", MN_ARG_REAL, "1", NULL, "exponent in a product, above base"}},
};

static const mn_arg_def *find_extra(const char *kind, const char *key) {
    for (size_t i = 0; i < MN_COUNT(kind_extras); i++)
        if (kind && strcmp(kind_extras[i].kind, kind) == 0 && strcmp(kind_extras[i].def.name, key) == 0)
            return &kind_extras[i].def;
    return NULL;
}

static int in_list(const char *const *list, const char *key) {
    for (; list && *list; list++)
        if (strcmp(*list, key) == 0) return 1;
    return 0;
}

static int unknown_key(modnas_ctx *ctx, const char *kind, const char *key, const mn_node *v, const char *const *extra) {
    const char *names[40] = {"type", "args"};
    size_t n = 2;
    for (; extra && *extra && n < 30; extra++) names[n++] = *extra;
    for (size_t i = 0; i < MN_COUNT(kind_extras) && n < MN_COUNT(names); i++)
        if (kind && strcmp(kind_extras[i].kind, kind) == 0) names[n++] = kind_extras[i].def.name;
    char at[300], hint[100];
    return mn_fail(ctx, MODNAS_ECONFIG, "%s: unknown key '%.80s' of this %s%s", mn_node_where(v, at, sizeof at), key,
                   kind ? kind : "component", mn_did_you_mean(hint, sizeof hint, key, names, n));
}

static int bad_form(modnas_ctx *ctx, const char *kind, const mn_node *spec) {
    char at[300], what[80];
    return mn_fail(ctx, MODNAS_ECONFIG, "%s: %s: Name, {type: Name, args: {...}} or [Name, {...}] is wanted, not %s",
                   mn_node_where(spec, at, sizeof at), kind ? kind : "component",
                   mn_node_what(spec, what, sizeof what));
}

/* Name and args as they are; NULL where absent. */
static int take_apart(modnas_ctx *ctx, const char *kind, const mn_node *spec, const char *const *extra,
                      const mn_node **type, const mn_node **args) {
    *type = *args = NULL;
    if (spec->kind == MN_STR) {
        *type = spec;
    } else if (spec->kind == MN_SEQ && (spec->n == 1 || spec->n == 2)) {
        *type = spec->items[0];
        if (spec->n == 2) *args = spec->items[1];
    } else if (spec->kind == MN_MAP && spec->n) {
        *type = mn_node_get(spec, "type");
        *args = mn_node_get(spec, "args");
        for (size_t i = 0; i < spec->n; i++) {
            const mn_node *v = spec->items[i];
            const mn_arg_def *def = find_extra(kind, spec->keys[i]);
            if (v == *type || v == *args || in_list(extra, spec->keys[i])) continue;
            if (!def) return unknown_key(ctx, kind, spec->keys[i], v, extra);
            MN_TRY(mn_arg_check(ctx, kind, def, v, 0));
        }
    } else {
        return bad_form(ctx, kind, spec);
    }
    return 0;
}

int mn_spec_take(modnas_ctx *ctx, const char *kind, const mn_node *spec, const char *const *extra, const char **type,
                 const mn_node **args) {
    char at[300], what[80];
    const mn_node *name, *map;
    MN_TRY(take_apart(ctx, kind, spec, extra, &name, &map));
    if (name && name->kind != MN_STR)
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: %s: a name is wanted, not %s", mn_node_where(name, at, sizeof at),
                       kind ? kind : "component", mn_node_what(name, what, sizeof what));
    if (map && map->kind != MN_MAP)
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: args: a map is wanted, not %s", mn_node_where(map, at, sizeof at),
                       mn_node_what(map, what, sizeof what));
    *type = name ? name->text : NULL;
    *args = map;
    return 0;
}

int mn_spec_no_type(modnas_ctx *ctx, const char *kind, const mn_node *spec) {
    char at[300];
    return mn_fail(ctx, MODNAS_ECONFIG, "%s: this %s has no type", mn_node_where(spec, at, sizeof at),
                   kind ? kind : "component");
}

int mn_spec_parse(modnas_ctx *ctx, const mn_node *spec, const char *const *extra, const char **type,
                  const mn_node **args) {
    const char *name;
    const mn_node *map;
    MN_TRY(mn_spec_take(ctx, NULL, spec, extra, &name, &map));
    if (!name) return mn_spec_no_type(ctx, NULL, spec);
    *type = name;
    *args = map;
    return 0;
}

int mn_spec_check_any(modnas_ctx *ctx, const char *kind, const mn_node *spec, const char *const *extra,
                      const char *known, int part) {
    const char *type;
    const mn_node *args;
    const mn_component *c;
    MN_TRY(mn_spec_take(ctx, kind, spec, extra, &type, &args));
    if (!type) type = known;
    if (!type) return part ? 0 : mn_spec_no_type(ctx, kind, spec);
    MN_TRY(mn_registry_need(ctx, kind, type, spec, &c));
    return mn_args_check(ctx, c, spec, args, NULL, part);
}

int mn_spec_check(modnas_ctx *ctx, const char *kind, const mn_node *spec, const char *const *extra) {
    return mn_spec_check_any(ctx, kind, spec, extra, NULL, 0);
}

int mn_spec_check_part(modnas_ctx *ctx, const char *kind, const mn_node *spec, const char *const *extra,
                       const char *type) {
    return mn_spec_check_any(ctx, kind, spec, extra, type, 1);
}

int mn_spec_to_map(modnas_ctx *ctx, const mn_node *spec, mn_node **out) {
    const mn_node *type, *args;
    if (spec->kind == MN_MAP) {
        *out = mn_node_copy(ctx, spec);
        return *out ? 0 : MODNAS_ENOMEM;
    }
    MN_TRY(take_apart(ctx, NULL, spec, NULL, &type, &args));
    mn_node *map = mn_node_new(ctx, MN_MAP);
    int rc = map ? mn_node_place(ctx, map, spec->file, spec->line) : MODNAS_ENOMEM;
    if (!rc) rc = mn_node_push(ctx, map, "type", mn_node_copy(ctx, type));
    if (!rc && args) rc = mn_node_push(ctx, map, "args", mn_node_copy(ctx, args));
    if (rc)
        mn_node_free(ctx, map);
    else
        *out = map;
    return rc;
}

int mn_spec_merge(modnas_ctx *ctx, const mn_node *base, const mn_node *over, mn_node **out) {
    mn_node *all, *more;
    MN_TRY(mn_spec_to_map(ctx, base, &all));
    int rc = mn_spec_to_map(ctx, over, &more);
    if (!rc) {
        rc = mn_node_merge(ctx, all, more);
        if (!rc) rc = mn_node_place(ctx, all, over->file, over->line);
        mn_node_free(ctx, more);
    }
    if (rc)
        mn_node_free(ctx, all);
    else
        *out = all;
    return rc;
}

/* A list that is one spec, `[Name, {...}]`, and no list of specs. */
static int is_pair(const mn_node *n) {
    return n->n == 2 && n->items[0]->kind == MN_STR && n->items[1]->kind == MN_MAP && !mn_node_get(n->items[1], "type");
}

int mn_specs_visit(const mn_node *specs, int (*fn)(const char *name, const mn_node *spec, void *ud), void *ud) {
    if (!specs || specs->kind == MN_NULL) return 0;
    const mn_node *type = mn_node_get(specs, "type");
    const int list = specs->kind == MN_SEQ && !is_pair(specs);
    const int map = specs->kind == MN_MAP && !(type && type->kind == MN_STR);
    if (!list && !map) return fn(NULL, specs, ud);
    for (size_t i = 0; i < specs->n; i++) MN_TRY(fn(map ? specs->keys[i] : NULL, specs->items[i], ud));
    return 0;
}
