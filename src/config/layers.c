/* Reading one file's worth of configuration: documents to one map, and the spellings that are accepted beside ours.
 *
 *   proc              is routine (Vega)
 *   init.args.seed    is seed
 *   type: ModNasArchSpace, fully_train, and of an estimator save_arch_desc, save_freq   Vega's own: warned about and
 * dropped */
#include <string.h>

#include "config/layers.h"
#include "config/schema.h"

static const char *const foreign_keys[] = {"fully_train"}, *const foreign_estim_keys[] = {"save_arch_desc",
                                                                                          "save_freq"};

const char *mn_layer_path(const char *path) {
    static const struct { const char *alias, *key; } aliases[] = {{"proc", "routine"}, {"init.args.seed", "seed"}};
    for (size_t i = 0; i < MN_COUNT(aliases); i++)
        if (strcmp(path, aliases[i].alias) == 0) return aliases[i].key;
    return path;
}

static void drop_foreign(modnas_ctx *ctx, mn_node *map, const char *key) {
    const mn_node *v = mn_node_get(map, key);
    char at[300];
    if (!v) return;
    mn_log(ctx, MODNAS_LOG_WARN, "%s: '%s' is Vega's own and is ignored", mn_node_where(v, at, sizeof at), key);
    mn_node_remove(ctx, map, key);
}

static void drop_all_foreign(modnas_ctx *ctx, mn_node *root) {
    const mn_node *type = mn_node_get(root, "type");
    if (type && type->kind == MN_STR && strcmp(type->text, "ModNasArchSpace") == 0) drop_foreign(ctx, root, "type");
    for (size_t i = 0; i < MN_COUNT(foreign_keys); i++) drop_foreign(ctx, root, foreign_keys[i]);
    const mn_node *estim = mn_node_get(root, "estim");
    for (size_t i = 0; estim && i < estim->n; i++)
        for (size_t k = 0; k < MN_COUNT(foreign_estim_keys); k++)
            if (estim->items[i]->kind == MN_MAP) drop_foreign(ctx, estim->items[i], foreign_estim_keys[k]);
}

static int said_twice(modnas_ctx *ctx, const char *alias, const mn_node *a, const char *key, const mn_node *b) {
    char at[300], other[300];
    return mn_fail(ctx, MODNAS_ECONFIG, "%s: '%s' is '%s' again, which %s gives another value",
                   mn_node_where(a, at, sizeof at), alias, key, mn_node_where(b, other, sizeof other));
}

/* Move the value of an alias to its key. */
static int resolve_alias(modnas_ctx *ctx, mn_node *root, mn_node *holder, const char *last, const char *alias) {
    const mn_node *v = mn_node_get(holder, last);
    if (!v) return 0;
    const char *key = mn_layer_path(alias);
    const mn_node *known = mn_node_get(root, key);
    if (known && !mn_node_equal(known, v)) return said_twice(ctx, alias, v, key, known);
    if (!known) MN_TRY(mn_node_push(ctx, root, key, mn_node_copy(ctx, v)));
    mn_node_remove(ctx, holder, last);
    return 0;
}

static int resolve_aliases(modnas_ctx *ctx, mn_node *root) {
    mn_node *init = mn_node_get(root, "init"), *args = mn_node_get(init, "args");
    MN_TRY(resolve_alias(ctx, root, root, "proc", "proc"));
    MN_TRY(resolve_alias(ctx, root, args, "seed", "init.args.seed"));
    if (args && args->kind == MN_MAP && !args->n) mn_node_remove(ctx, init, "args");
    if (init && init->kind == MN_MAP && !init->n) mn_node_remove(ctx, root, "init");
    return 0;
}

/* `key:` with nothing behind it is an oversight; who means null writes null. */
static int refuse_empty(modnas_ctx *ctx, const mn_node *map) {
    char at[300];
    for (size_t i = 0; i < map->n; i++) {
        const mn_node *v = map->items[i];
        if (v->kind == MN_NULL && !v->text)
            return mn_fail(ctx, MODNAS_ECONFIG, "%s: '%s' is empty", mn_node_where(v, at, sizeof at), map->keys[i]);
    }
    return 0;
}

static int check_widths(modnas_ctx *ctx, const mn_node *n) {
    char at[300];
    if (n->kind == MN_MAP && n->n > MN_LAYER_KEYS_MAX)
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: a map of %zu keys, at most %d", mn_node_where(n, at, sizeof at), n->n,
                       MN_LAYER_KEYS_MAX);
    for (size_t i = 0; i < n->n; i++) MN_TRY(check_widths(ctx, n->items[i]));
    return 0;
}

static int tidy(modnas_ctx *ctx, mn_node *map) {
    MN_TRY(refuse_empty(ctx, map));
    drop_all_foreign(ctx, map);
    return resolve_aliases(ctx, map);
}

static int tidy_all(modnas_ctx *ctx, mn_node *root) {
    MN_TRY(tidy(ctx, root));
    for (size_t i = 0; i < root->n; i++)
        if (root->items[i]->kind == MN_MAP && !mn_schema_knows(root->keys[i])) MN_TRY(tidy(ctx, root->items[i]));
    return 0;
}

/* Lay a document over those before it. */
static int add_document(modnas_ctx *ctx, mn_node *all, const mn_node *doc, const char *name) {
    char what[80];
    if (doc->kind != MN_MAP)
        return mn_fail(ctx, MODNAS_ECONFIG, "%s:%d: a map of keys is wanted, not %s", name,
                       doc->line ? (int)doc->line : 1, mn_node_what(doc, what, sizeof what));
    for (size_t i = 0; i < doc->n; i++) MN_TRY(mn_node_set(ctx, all, doc->keys[i], mn_node_copy(ctx, doc->items[i])));
    return 0;
}

int mn_layer_read(modnas_ctx *ctx, const char *text, size_t bytes, const char *name, mn_node **out) {
    mn_node *docs;
    MN_TRY(mn_yaml_read(ctx, text, bytes, name, &docs));
    mn_node *all = mn_node_new(ctx, MN_MAP);
    int rc = all ? mn_node_place(ctx, all, name, 1) : MODNAS_ENOMEM;
    if (!rc && !docs->n) rc = mn_fail(ctx, MODNAS_ECONFIG, "%s:1: the file is empty", name);
    if (!rc) rc = check_widths(ctx, docs);
    for (size_t i = 0; i < docs->n && !rc; i++) rc = add_document(ctx, all, docs->items[i], name);
    if (!rc) rc = check_widths(ctx, all);
    if (!rc) rc = tidy_all(ctx, all);
    mn_node_free(ctx, docs);
    if (rc)
        mn_node_free(ctx, all);
    else
        *out = all;
    return rc;
}
