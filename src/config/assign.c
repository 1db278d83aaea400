/* Assignments: `path = value` from flags, `-o` and `override:`, kept in the order given.
 *
 * A value keeps the place it came from; where it came from no file, its `file` says how the user wrote it. */
#include <string.h>

#include "config/layers.h"

enum {
    PARTS_MAX = 64,        /* of a path: trees stay shallow enough to recurse over */
    PATH_BYTES_MAX = 1000, /* every leaf of a map has its whole path */
};

void mn_assigns_init(mn_vec *list) {
    mn_vec_init(list, sizeof(mn_assign));
}

void mn_assigns_free(modnas_ctx *ctx, mn_vec *list) {
    for (size_t i = 0; i < list->n; i++) {
        mn_free(ctx, MN_AT(*list, mn_assign, i).path);
        mn_node_free(ctx, MN_AT(*list, mn_assign, i).value);
    }
    mn_vec_free(ctx, list);
    mn_assigns_init(list);
}

int mn_path_check(modnas_ctx *ctx, const char *path, const mn_node *value) {
    char at[300];
    size_t n = 1;
    const size_t bytes = strlen(path);
    int empty = !*path;
    for (const char *c = path; *c; c++) {
        if (*c != '.') continue;
        n++;
        empty |= c == path || c[1] == '.' || !c[1];
    }
    mn_node_where(value, at, sizeof at);
    if (bytes > PATH_BYTES_MAX)
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: a path of %zu bytes, at most %d: '%.80s...'", at, bytes,
                       PATH_BYTES_MAX, path);
    if (empty) return mn_fail(ctx, MODNAS_ECONFIG, "%s: the path '%.80s' has an empty part", at, path);
    if (n > PARTS_MAX) return mn_fail(ctx, MODNAS_ECONFIG, "%s: a path of %zu parts, at most %d", at, n, PARTS_MAX);
    return 0;
}

static int check_room(modnas_ctx *ctx, const mn_vec *list, const mn_node *value) {
    char at[300];
    if (list->n < MN_LAYER_KEYS_MAX) return 0;
    return mn_fail(ctx, MODNAS_ECONFIG, "%s: more than %d assignments", mn_node_where(value, at, sizeof at),
                   MN_LAYER_KEYS_MAX);
}

int mn_assigns_add(modnas_ctx *ctx, mn_vec *list, const char *path, mn_node *value) {
    mn_assign a = {NULL, value};
    int rc = value ? mn_path_check(ctx, path, value) : MODNAS_ENOMEM;
    if (!rc) rc = check_room(ctx, list, value);
    if (rc) goto failed;
    rc = MODNAS_ENOMEM;
    a.path = mn_strdup(ctx, mn_layer_path(path));
    if (!a.path || !mn_vec_push(ctx, list, &a, 1)) goto failed;
    return 0;
failed:
    mn_free(ctx, a.path);
    mn_node_free(ctx, value);
    return rc;
}

/* A value that came as text inside a file has the place of that text. */
static int place_all(modnas_ctx *ctx, mn_node *n, const char *file, int32_t line) {
    MN_TRY(mn_node_place(ctx, n, file, line));
    for (size_t i = 0; i < n->n; i++) MN_TRY(place_all(ctx, n->items[i], file, line));
    return 0;
}

int mn_assigns_add_text(modnas_ctx *ctx, mn_vec *list, const char *text, const char *where, int32_t line) {
    const char *equals = strchr(text, '=');
    mn_node *value = NULL;
    mn_node place = {.file = (char *)(uintptr_t)where, .line = line};
    char at[300];
    mn_node_where(&place, at, sizeof at);
    if (!equals) return mn_fail(ctx, MODNAS_ECONFIG, "%s: '%.80s' is no assignment, KEY=VALUE is wanted", at, text);
    char *path = mn_strndup(ctx, text, (size_t)(equals - text));
    if (!path) return MODNAS_ENOMEM;
    int rc = mn_yaml_value(ctx, equals + 1, at, &value);
    if (!rc && line) rc = place_all(ctx, value, where, line);
    if (rc)
        mn_node_free(ctx, value);
    else
        rc = mn_assigns_add(ctx, list, path, value);
    mn_free(ctx, path);
    return rc;
}

/* Assign the leaves of a map below a path ("": the keys are paths). */
static int add_map(modnas_ctx *ctx, mn_vec *list, const char *prefix, const mn_node *map) {
    for (size_t i = 0; i < map->n; i++) {
        const mn_node *v = map->items[i];
        mn_str path = {.ctx = ctx};
        mn_str_addf(&path, "%s%s%s", prefix, *prefix ? "." : "", map->keys[i]);
        char *text = mn_str_take(&path);
        if (!text) return MODNAS_ENOMEM;
        const int rc = v->kind == MN_MAP && v->n ? add_map(ctx, list, text, v)
                                                 : mn_assigns_add(ctx, list, text, mn_node_copy(ctx, v));
        mn_free(ctx, text);
        if (rc) return rc;
    }
    return 0;
}

static int add_overrides(modnas_ctx *ctx, mn_vec *list, const mn_node *n) {
    char at[300], what[80];
    if (n->kind == MN_MAP) return add_map(ctx, list, "", n);
    if (n->kind == MN_STR) return mn_assigns_add_text(ctx, list, n->text, n->file, n->line);
    if (n->kind != MN_SEQ)
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: override: KEY=VALUE, a map or a list of these is wanted, not %s",
                       mn_node_where(n, at, sizeof at), mn_node_what(n, what, sizeof what));
    for (size_t i = 0; i < n->n; i++) MN_TRY(add_overrides(ctx, list, n->items[i]));
    return 0;
}

int mn_assigns_take_overrides(modnas_ctx *ctx, mn_vec *list, mn_node *map) {
    const mn_node *n = mn_node_get(map, "override");
    if (!n) return 0;
    const int rc = add_overrides(ctx, list, n);
    mn_node_remove(ctx, map, "override");
    return rc;
}
