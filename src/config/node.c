/* Trees of values: making, looking up, editing and merging them.
 *
 * A container's arrays hold a power of two of places, so a full one is known by its count alone. Maps are searched from
 * the front: configurations are small, and order must be kept. All functions here recurse over the tree; the reader and
 * the overrides bound its depth. */
#include "config/node.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

mn_node *mn_node_new(modnas_ctx *ctx, int32_t kind) {
    mn_node *n = mn_alloc(ctx, 1, sizeof *n);
    if (n) n->kind = kind;
    return n;
}

mn_node *mn_node_str(modnas_ctx *ctx, const char *text) {
    mn_node *n = mn_node_new(ctx, MN_STR);
    if (!n) return NULL;
    n->text = mn_strdup(ctx, text);
    if (n->text) return n;
    mn_node_free(ctx, n);
    return NULL;
}

mn_node *mn_node_int(modnas_ctx *ctx, int64_t i) {
    mn_node *n = mn_node_new(ctx, MN_INT);
    if (!n) return NULL;
    n->i = i;
    n->r = (double)i;
    return n;
}

mn_node *mn_node_real(modnas_ctx *ctx, double r) {
    mn_node *n = mn_node_new(ctx, MN_REAL);
    if (n) n->r = r;
    return n;
}

mn_node *mn_node_bool(modnas_ctx *ctx, int value) {
    mn_node *n = mn_node_new(ctx, MN_BOOL);
    if (n) n->i = value != 0;
    return n;
}

void mn_node_free(modnas_ctx *ctx, mn_node *n) {
    if (!n) return;
    for (size_t i = 0; i < n->n; i++) {
        mn_node_free(ctx, n->items[i]);
        if (n->keys) mn_free(ctx, n->keys[i]);
    }
    mn_free(ctx, n->items);
    mn_free(ctx, n->keys);
    mn_free(ctx, n->text);
    mn_free(ctx, n->file);
    mn_free(ctx, n);
}

int mn_node_place(modnas_ctx *ctx, mn_node *n, const char *file, int32_t line) {
    char *copy = NULL;
    if (file) {
        copy = mn_strdup(ctx, file);
        if (!copy) return MODNAS_ENOMEM;
    }
    mn_free(ctx, n->file);
    n->file = copy;
    n->line = line;
    return 0;
}

/* Room for one more child. */
static int reserve(modnas_ctx *ctx, mn_node *n) {
    if (n->n & (n->n - 1)) return 0;
    const size_t cap = n->n ? 2 * n->n : 1;
    mn_node **items = mn_realloc(ctx, n->items, cap, sizeof *items);
    if (!items) return MODNAS_ENOMEM;
    n->items = items;
    if (n->kind != MN_MAP) return 0;
    char **keys = mn_realloc(ctx, n->keys, cap, sizeof *keys);
    if (!keys) return MODNAS_ENOMEM;
    n->keys = keys;
    return 0;
}

int mn_node_add(modnas_ctx *ctx, mn_node *seq, mn_node *value) {
    if (!value || reserve(ctx, seq)) {
        mn_node_free(ctx, value);
        return MODNAS_ENOMEM;
    }
    seq->items[seq->n++] = value;
    return 0;
}

int mn_node_push(modnas_ctx *ctx, mn_node *map, const char *key, mn_node *value) {
    char *copy = NULL;
    if (!value || reserve(ctx, map) || !(copy = mn_strdup(ctx, key))) {
        mn_node_free(ctx, value);
        return MODNAS_ENOMEM;
    }
    map->keys[map->n] = copy;
    map->items[map->n++] = value;
    return 0;
}

static size_t find(const mn_node *map, const char *key) {
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->keys[i], key) == 0) return i;
    return SIZE_MAX;
}

mn_node *mn_node_get(const mn_node *map, const char *key) {
    if (!map || map->kind != MN_MAP) return NULL;
    const size_t i = find(map, key);
    return i == SIZE_MAX ? NULL : map->items[i];
}

int mn_node_set(modnas_ctx *ctx, mn_node *map, const char *key, mn_node *value) {
    const size_t i = find(map, key);
    if (i == SIZE_MAX || !value) return mn_node_push(ctx, map, key, value);
    mn_node_free(ctx, map->items[i]);
    map->items[i] = value;
    return 0;
}

void mn_node_remove(modnas_ctx *ctx, mn_node *map, const char *key) {
    const size_t i = map->kind == MN_MAP ? find(map, key) : SIZE_MAX;
    if (i == SIZE_MAX) return;
    mn_node_free(ctx, map->items[i]);
    mn_free(ctx, map->keys[i]);
    map->n--;
    memmove(map->items + i, map->items + i + 1, (map->n - i) * sizeof *map->items);
    memmove(map->keys + i, map->keys + i + 1, (map->n - i) * sizeof *map->keys);
}

/* ---- paths ---- */

/* The next part of a dotted path: its length; *rest points behind it, at the next part or at the end. */
static size_t part_length(const char *path, const char **rest) {
    const size_t n = strcspn(path, ".");
    *rest = path + n + (path[n] == '.');
    return n;
}

/* The place of a part in a container: an index, or SIZE_MAX. */
static size_t part_index(const mn_node *n, const char *part, size_t bytes) {
    if (n->kind == MN_MAP) {
        for (size_t i = 0; i < n->n; i++)
            if (strncmp(n->keys[i], part, bytes) == 0 && !n->keys[i][bytes]) return i;
    } else if (n->kind == MN_SEQ && bytes && bytes <= 9 && strspn(part, "0123456789") >= bytes) {
        const size_t i = (size_t)strtoul(part, NULL, 10);
        if (i < n->n) return i;
    }
    return SIZE_MAX;
}

mn_node *mn_node_path(const mn_node *root, const char *dotted) {
    const mn_node *n = root;
    while (n && *dotted) {
        const char *rest;
        const size_t bytes = part_length(dotted, &rest);
        const size_t i = part_index(n, dotted, bytes);
        n = i == SIZE_MAX ? NULL : n->items[i];
        dotted = rest;
    }
    return (mn_node *)n;
}

/* Why `part` (at dotted + from, `bytes` long) cannot be entered. */
static int path_fail(modnas_ctx *ctx, const mn_node *n, const char *dotted, size_t from, const mn_node *value) {
    char at[300], by[300], what[80];
    mn_node_where(value, by, sizeof by);
    mn_node_where(n, at, sizeof at);
    const int len = from ? (int)from - 1 : 0;
    if (n->kind == MN_SEQ)
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: '%.*s' (%s) is a list of %zu, '%.*s' is no index of it", by, len,
                       dotted, at, n->n, (int)strcspn(dotted + from, "."), dotted + from);
    return mn_fail(ctx, MODNAS_ECONFIG, "%s: '%.*s' (%s) is %s, not a map", by, len, dotted, at,
                   mn_node_what(n, what, sizeof what));
}

/* The place to write to in n for a part: makes it if n is a map that lacks it. */
static int enter(modnas_ctx *ctx, mn_node *n, const char *part, size_t bytes, mn_node ***place) {
    size_t i = part_index(n, part, bytes);
    if (i == SIZE_MAX) {
        if (n->kind != MN_MAP) return MODNAS_ECONFIG;
        char *key = mn_strndup(ctx, part, bytes);
        const int rc = key ? mn_node_push(ctx, n, key, mn_node_new(ctx, MN_MAP)) : MODNAS_ENOMEM;
        mn_free(ctx, key);
        if (rc) return rc;
        i = n->n - 1;
    }
    *place = &n->items[i];
    return 0;
}

int mn_node_set_path(modnas_ctx *ctx, mn_node *root, const char *dotted, mn_node *value) {
    if (!value) return MODNAS_ENOMEM;
    mn_node **place = &root, *n = root;
    const char *part = dotted, *rest;
    int rc = 0;
    /* A look ahead, so that a path which cannot be set changes nothing. */
    for (; n && *part; part = rest) {
        const size_t bytes = part_length(part, &rest), i = part_index(n, part, bytes);
        if (i == SIZE_MAX && n->kind != MN_MAP) {
            rc = path_fail(ctx, n, dotted, (size_t)(part - dotted), value);
            goto done;
        }
        n = i == SIZE_MAX ? NULL : n->items[i];
    }
    for (part = dotted; *part; part = rest) {
        const size_t bytes = part_length(part, &rest);
        rc = enter(ctx, *place, part, bytes, &place);
        if (!rc && *rest && !(*place)->file) rc = mn_node_place(ctx, *place, value->file, value->line);
        if (rc) goto done;
    }
    if (place == &root) {
        rc = mn_fail(ctx, MODNAS_EINVAL, "an empty path names no place");
        goto done;
    }
    mn_node_free(ctx, *place);
    *place = value;
    return 0;
done:
    mn_node_free(ctx, value);
    return rc;
}

/* ---- whole trees ---- */

mn_node *mn_node_copy(modnas_ctx *ctx, const mn_node *n) {
    mn_node *c = mn_node_new(ctx, n->kind);
    if (!c) return NULL;
    c->line = n->line;
    c->i = n->i;
    c->r = n->r;
    if (n->text && !(c->text = mn_strdup(ctx, n->text))) goto failed;
    if (n->file && !(c->file = mn_strdup(ctx, n->file))) goto failed;
    for (size_t i = 0; i < n->n; i++) {
        mn_node *child = mn_node_copy(ctx, n->items[i]);
        if (n->kind == MN_MAP ? mn_node_push(ctx, c, n->keys[i], child) : mn_node_add(ctx, c, child)) goto failed;
    }
    return c;
failed:
    mn_node_free(ctx, c);
    return NULL;
}

int mn_node_equal(const mn_node *a, const mn_node *b) {
    if (!a || !b) return a == b;
    if (a->kind != b->kind || a->n != b->n) return 0;
    if (a->kind == MN_STR) return strcmp(a->text, b->text) == 0;
    if (a->kind == MN_REAL) return a->r == b->r || (isnan(a->r) && isnan(b->r));
    if (a->kind == MN_SEQ) {
        for (size_t i = 0; i < a->n; i++)
            if (!mn_node_equal(a->items[i], b->items[i])) return 0;
        return 1;
    }
    for (size_t i = 0; i < a->n; i++)
        if (!mn_node_equal(a->items[i], mn_node_get(b, a->keys[i]))) return 0;
    return a->kind == MN_MAP || a->i == b->i;
}

/* Merge b's value into the child at index i of a. */
static int merge_child(modnas_ctx *ctx, mn_node *a, size_t i, const mn_node *b) {
    mn_node *old = a->items[i];
    if ((old->kind == MN_MAP || old->kind == MN_SEQ) && old->kind == b->kind) return mn_node_merge(ctx, old, b);
    mn_node *copy = mn_node_copy(ctx, b);
    if (!copy) return MODNAS_ENOMEM;
    mn_node_free(ctx, old);
    a->items[i] = copy;
    return 0;
}

/* Two scalars at the root cannot replace each other in place: their contents are exchanged. */
static int replace(modnas_ctx *ctx, mn_node *a, const mn_node *b) {
    mn_node *copy = mn_node_copy(ctx, b);
    if (!copy) return MODNAS_ENOMEM;
    const mn_node old = *a;
    *a = *copy;
    *copy = old;
    mn_node_free(ctx, copy);
    return 0;
}

int mn_node_merge(modnas_ctx *ctx, mn_node *a, const mn_node *b) {
    if (a->kind != b->kind || (a->kind != MN_MAP && a->kind != MN_SEQ)) return replace(ctx, a, b);
    for (size_t i = 0; i < b->n; i++) {
        const size_t at = a->kind == MN_MAP ? find(a, b->keys[i]) : SIZE_MAX;
        if (at != SIZE_MAX) {
            MN_TRY(merge_child(ctx, a, at, b->items[i]));
            continue;
        }
        mn_node *copy = mn_node_copy(ctx, b->items[i]);
        MN_TRY(a->kind == MN_MAP ? mn_node_push(ctx, a, b->keys[i], copy) : mn_node_add(ctx, a, copy));
    }
    return 0;
}
