/* Merging the layers of a configuration into one tree.
 *
 * Order, later wins: files < section of the routine < flags < `override:` of files < `-o`. Files and section merge as
 * maps do (lists grow), flags and overrides replace what is at their path. A path may begin with the routine's name or
 * the word "routine": the section is merged away, so it then means the top level. */
#include "config/resolve.h"

#include <string.h>

#include "config/schema.h"

static const mn_node *last_routine(const mn_vec *list, const mn_node *before) {
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(MN_AT(*list, mn_assign, i).path, "routine") == 0) before = MN_AT(*list, mn_assign, i).value;
    return before;
}

int mn_resolve_routine(modnas_ctx *ctx, const mn_layers *l, const mn_node **out) {
    const mn_node *r = last_routine(&l->flags, mn_node_get(l->files, "routine"));
    char at[300], what[80];
    r = last_routine(&l->overrides, last_routine(&l->file_overrides, r));
    if (r && r->kind == MN_NULL && r->text) r = NULL;
    if (r && (r->kind != MN_STR || !*r->text))
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: routine: the name of a section is wanted, not %s",
                       mn_node_where(r, at, sizeof at), mn_node_what(r, what, sizeof what));
    *out = r;
    return 0;
}

/* ---- the routine's section ---- */

static int no_section(modnas_ctx *ctx, const mn_node *root, const mn_node *routine) {
    const char *names[32];
    size_t n = 0;
    char at[300];
    for (size_t i = 0; i < root->n && n < MN_COUNT(names); i++)
        if (mn_schema_is_section(root->keys[i], root->items[i])) names[n++] = root->keys[i];
    const char *near = mn_suggest(routine->text, names, n);
    return mn_fail(ctx, MODNAS_ECONFIG, "%s: routine: there is no section '%.80s'%s%s%s",
                   mn_node_where(routine, at, sizeof at), routine->text, near ? "; did you mean '" : "",
                   near ? near : "", near ? "'?" : "");
}

/* Merge the section over the top level; its overrides go to `more`. */
static int merge_section(modnas_ctx *ctx, mn_node *root, const mn_node *routine, mn_vec *more) {
    char at[300];
    if (mn_schema_knows(routine->text))
        return mn_fail(ctx, MODNAS_EUNSUPPORTED, "%s: routine '%.80s' is not supported",
                       mn_node_where(routine, at, sizeof at), routine->text);
    const mn_node *section = mn_node_get(root, routine->text);
    if (!section || section->kind != MN_MAP) return no_section(ctx, root, routine);
    mn_node *copy = mn_node_copy(ctx, section);
    if (!copy) return MODNAS_ENOMEM;
    int rc = mn_assigns_take_overrides(ctx, more, copy);
    mn_node_remove(ctx, root, routine->text);
    if (!rc) rc = mn_node_merge(ctx, root, copy);
    mn_node_free(ctx, copy);
    return rc;
}

/* ---- assignments ---- */

/* The path without a section's name in front; path itself if it has none; NULL: it names the section as a whole. */
static const char *inner_path(const char *path, const char *section) {
    const size_t n = strlen(section);
    if (strncmp(path, section, n) != 0 || (path[n] && path[n] != '.')) return path;
    return path[n] ? mn_layer_path(path + n + 1) : NULL;
}

static int assign_at(modnas_ctx *ctx, mn_node *root, const char *path, const mn_node *value) {
    char at[300];
    if (strcmp(path, "override") == 0)
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: 'override' cannot be overridden", mn_node_where(value, at, sizeof at));
    return mn_node_set_path(ctx, root, path, mn_node_copy(ctx, value));
}

/* A section as a whole: key by key over the top level. */
static int assign_section(modnas_ctx *ctx, mn_node *root, const mn_assign *a) {
    char at[300], what[80];
    if (a->value->kind != MN_MAP)
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: section '%.80s': a map is wanted, not %s",
                       mn_node_where(a->value, at, sizeof at), a->path, mn_node_what(a->value, what, sizeof what));
    for (size_t i = 0; i < a->value->n; i++)
        MN_TRY(assign_at(ctx, root, mn_layer_path(a->value->keys[i]), a->value->items[i]));
    return 0;
}

static int assign(modnas_ctx *ctx, mn_node *root, const mn_assign *a, const mn_node *routine, int selected) {
    char at[300];
    const char *path = a->path;
    if (strcmp(path, "routine") == 0) return 0;
    if (routine) path = inner_path(path, routine->text);
    const int inner = path != a->path;
    if (!inner && selected && strncmp(path, "routine.", 8) == 0) {
        if (!routine)
            return mn_fail(ctx, MODNAS_ECONFIG, "%s: no routine is selected", mn_node_where(a->value, at, sizeof at));
        path = mn_layer_path(path + 8);
    }
    if (!path) return assign_section(ctx, root, a);
    if (!selected && !inner && !mn_node_path(root, path)) return 0;
    return assign_at(ctx, root, path, a->value);
}

static int assign_all(modnas_ctx *ctx, mn_node *root, const mn_vec *list, const mn_node *routine, int selected) {
    for (size_t i = 0; i < list->n; i++) MN_TRY(assign(ctx, root, &MN_AT(*list, mn_assign, i), routine, selected));
    return 0;
}

/* ---- one form for one meaning ---- */

static int bad_estim(modnas_ctx *ctx, const mn_node *n, const char *what) {
    char at[300];
    return mn_fail(ctx, MODNAS_ECONFIG, "%s: estim: %s", mn_node_where(n, at, sizeof at), what);
}

/* A list of estimators with names becomes a map. */
static int name_estims(modnas_ctx *ctx, mn_node *root) {
    const mn_node *list = mn_node_get(root, "estim");
    if (!list || list->kind != MN_SEQ) return 0;
    if (list->n > MN_LAYER_KEYS_MAX) return bad_estim(ctx, list, "too many estimators");
    mn_node *map = mn_node_new(ctx, MN_MAP);
    int rc = map ? mn_node_place(ctx, map, list->file, list->line) : MODNAS_ENOMEM;
    for (size_t i = 0; i < list->n && !rc; i++) {
        const mn_node *conf = list->items[i], *name = mn_node_get(conf, "name");
        if (!name || name->kind != MN_STR) rc = bad_estim(ctx, conf, "an estimator in a list has to have a 'name'");
        if (!rc && mn_node_get(map, name->text)) rc = bad_estim(ctx, conf, "two estimators have the same name");
        if (!rc) rc = mn_node_push(ctx, map, name->text, mn_node_copy(ctx, conf));
        if (!rc) mn_node_remove(ctx, map->items[i], "name");
    }
    if (!rc) return mn_node_set(ctx, root, "estim", map);
    mn_node_free(ctx, map);
    return rc;
}

/* Remove keys that say null, except those for which null says something. */
static void drop_nulls(modnas_ctx *ctx, mn_node *map, const char *const *except) {
    if (!map || map->kind != MN_MAP) return;
    for (size_t i = map->n; i-- > 0;) {
        int keep = map->items[i]->kind != MN_NULL || !map->items[i]->text;
        for (size_t k = 0; except && except[k]; k++) keep |= strcmp(except[k], map->keys[i]) == 0;
        if (!keep) mn_node_remove(ctx, map, map->keys[i]);
    }
}

/* A plain scalar where text is meant: as it was written. */
static void make_text(mn_node *n) {
    if (!n || !n->text || n->kind == MN_NULL) return;
    n->kind = MN_STR;
    n->i = 0;
    n->r = 0;
}

/* `backend: torch` is the original's default; null is its way to say none. */
static int name_backend(modnas_ctx *ctx, mn_node *root) {
    mn_node *n = mn_node_get(root, "backend");
    const char *name = NULL;
    if (n && n->kind == MN_NULL) name = "none";
    if (n && n->kind == MN_STR && strcmp(n->text, "torch") == 0) name = "auto";
    if (!name) return 0;
    char *text = mn_strdup(ctx, name);
    if (!text) return MODNAS_ENOMEM;
    mn_free(ctx, n->text);
    n->text = text;
    n->kind = MN_STR;
    return 0;
}

static int normalise(modnas_ctx *ctx, mn_node *root) {
    static const char *const meaningful[] = {"backend", "export", "estim", "model", "trainer", NULL};
    MN_TRY(name_estims(ctx, root));
    make_text(mn_node_get(root, "name"));
    make_text(mn_node_get(root, "arch_desc"));
    MN_TRY(name_backend(ctx, root));
    drop_nulls(ctx, root, meaningful);
    drop_nulls(ctx, mn_node_get(root, "construct"), NULL);
    const mn_node *estim = mn_node_get(root, "estim");
    for (size_t i = 0; estim && i < estim->n; i++) drop_nulls(ctx, estim->items[i], NULL);
    return 0;
}

/* ---- defaults ---- */

/* Set what is missing at a path; '*' stands for every child. */
static int set_missing(modnas_ctx *ctx, mn_node *n, const char *path, const mn_node *value) {
    const size_t bytes = strcspn(path, ".");
    const char *rest = path[bytes] ? path + bytes + 1 : NULL;
    if (!n || (n->kind != MN_MAP && n->kind != MN_SEQ)) return 0;
    if (bytes == 1 && *path == '*') {
        for (size_t i = 0; rest && i < n->n; i++) MN_TRY(set_missing(ctx, n->items[i], rest, value));
        return 0;
    }
    char *key = mn_strndup(ctx, path, bytes);
    if (!key) return MODNAS_ENOMEM;
    mn_node *child = mn_node_path(n, key);
    int rc = 0;
    if (!child && n->kind == MN_MAP && !(rest && *rest == '*')) {
        rc = mn_node_push(ctx, n, key, rest ? mn_node_new(ctx, MN_MAP) : mn_node_copy(ctx, value));
        if (!rc && rest) rc = mn_node_place(ctx, n->items[n->n - 1], value->file, value->line);
        child = rc ? NULL : n->items[n->n - 1];
    }
    mn_free(ctx, key);
    return rc || !rest ? rc : set_missing(ctx, child, rest, value);
}

/* The configuration's own `defaults: {path: value}`. */
static int apply_user_defaults(modnas_ctx *ctx, mn_node *root) {
    const mn_node *given = mn_node_get(root, "defaults");
    char at[300], what[80];
    if (!given) return 0;
    if (given->kind != MN_MAP)
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: defaults: a map of paths is wanted, not %s",
                       mn_node_where(given, at, sizeof at), mn_node_what(given, what, sizeof what));
    for (size_t i = 0; i < given->n; i++) {
        MN_TRY(mn_path_check(ctx, given->keys[i], given->items[i]));
        MN_TRY(set_missing(ctx, root, given->keys[i], given->items[i]));
    }
    mn_node_remove(ctx, root, "defaults");
    return 0;
}

int mn_resolve_defaults(modnas_ctx *ctx, mn_node *root) {
    static const struct {
        const char *path, *value;
    } rows[] = {
        /* spec 1.4 */
        {"backend", "auto"},
        {"device_ids", "all"},
        {"estim.*.arch_update_epoch_start", "0"},
        {"estim.*.arch_update_epoch_intv", "1"},
        {"estim.*.arch_update_intv", "-1"},
        {"estim.*.arch_update_batch", "1"},
        {"estim.*.metrics", "ValidateMetrics"},
    };
    const int has_estim = mn_node_get(root, "estim") != NULL;
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        mn_node *value;
        if (!has_estim && strncmp(rows[i].path, "estim.", 6) == 0) continue;
        MN_TRY(mn_yaml_value(ctx, rows[i].value, "default", &value));
        const int rc = set_missing(ctx, root, rows[i].path, value);
        mn_node_free(ctx, value);
        if (rc) return rc;
    }
    return 0;
}

/* ---- all of it ---- */

static int merge(modnas_ctx *ctx, const mn_layers *l, const mn_node *routine, int selected, mn_node *root,
                 mn_vec *more) {
    if (routine) MN_TRY(merge_section(ctx, root, routine, more));
    MN_TRY(assign_all(ctx, root, &l->flags, routine, selected));
    MN_TRY(assign_all(ctx, root, &l->file_overrides, routine, selected));
    MN_TRY(assign_all(ctx, root, more, routine, 1));
    MN_TRY(assign_all(ctx, root, &l->overrides, routine, selected));
    mn_node_remove(ctx, root, "routine");
    MN_TRY(apply_user_defaults(ctx, root));
    return normalise(ctx, root);
}

int mn_resolve(modnas_ctx *ctx, const mn_layers *l, const mn_node *routine, int selected, mn_node **out) {
    mn_vec more;
    mn_node *root = mn_node_copy(ctx, l->files);
    if (!root) return MODNAS_ENOMEM;
    mn_assigns_init(&more);
    const int rc = merge(ctx, l, routine, selected, root, &more);
    mn_assigns_free(ctx, &more);
    if (rc)
        mn_node_free(ctx, root);
    else
        *out = root;
    return rc;
}
