/* Looking at text: YAML files and architecture descriptions.
 *
 * An architecture is judged by its form alone, since no model is at hand: names of operators, alone, in lists, or in
 * maps, at any depth (docs/formats.md). Names that are no candidates of this context are told, not refused: they may be
 * a host's own. */
#include <string.h>

#include "construct/construct.h"
#include "inspect/inspect.h"
#include "registry/registry.h"

enum { DOCUMENTS_SHOWN = 20, KEYS_SHOWN = 12 };

static int read_text(mn_source *s, char **text, size_t *n) {
    return mn_source_take(s, MN_YAML_BYTES_MAX + 1, text, n); /* one more: the reader then says that it is too much */
}

/* ---- architectures ------------------------------------------------------------------------------------- */

/* free: inside a map, where values may be settings of any type. */
static int check_arch(modnas_ctx *ctx, const mn_node *n, int free) {
    char where[256], is[128];
    mn_node_where(n, where, sizeof where);
    if (n->kind == MN_SEQ && n->n == 0)
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: a list without items in an architecture", where);
    if (!free && (n->kind == MN_BOOL || n->kind == MN_REAL))
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: %s in an architecture; items are names, null, lists or maps", where,
                       mn_node_what(n, is, sizeof is));
    for (size_t i = 0; i < n->n; i++) MN_TRY(check_arch(ctx, n->items[i], free || n->kind == MN_MAP));
    return 0;
}

static int check_root(modnas_ctx *ctx, const mn_node *desc) {
    char where[256];
    if (desc->kind == MN_NULL || (desc->kind == MN_MAP && desc->n == 0))
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: an architecture of nothing", mn_node_where(desc, where, sizeof where));
    return check_arch(ctx, desc, 0);
}

/* Count the names in a tree: name -> how often. */
static int count_names(modnas_ctx *ctx, const mn_node *n, mn_map *names) {
    if (n->kind == MN_STR) {
        const uintptr_t before = (uintptr_t)mn_map_get(names, n->text);
        MN_TRY(mn_map_put(ctx, names, n->text, (void *)(before + 1)));
    }
    for (size_t i = 0; i < n->n; i++) MN_TRY(count_names(ctx, n->items[i], names));
    return 0;
}

static void add_names(mn_report *r, const mn_map *names) {
    int n_unknown = 0;
    void *count;
    for (size_t i = 0; i < names->n; i++) {
        const char *name = mn_map_key(names, i, &count);
        mn_str_addf(&r->text, "%s%s x %zu", i ? ", " : "  ", name, (size_t)(uintptr_t)count);
    }
    if (names->n) mn_str_add(&r->text, "\n");
    for (size_t i = 0; i < names->n; i++) {
        const char *name = mn_map_key(names, i, NULL);
        if (mn_registry_find(r->ctx, "candidate", name)) continue;
        mn_str_addf(&r->text, "%s%s", n_unknown++ ? ", " : "  no candidates here: ", name);
    }
    if (n_unknown) mn_str_add(&r->text, "\n");
}

static int describe_arch(mn_report *r, const mn_node *desc) {
    if (desc->kind == MN_STR) {
        mn_str_addf(&r->text, "  the text %.200s\n", desc->text);
        return 0;
    }
    mn_map names = {0};
    int rc = mn_register_builtins(r->ctx);
    if (!rc) rc = count_names(r->ctx, desc, &names);
    if (!rc) {
        size_t n_null = 0;
        for (size_t i = 0; i < desc->n; i++) n_null += desc->items[i]->kind == MN_NULL;
        mn_str_addf(&r->text, "  a %s of %zu item%s, %zu of them null\n", desc->kind == MN_SEQ ? "list" : "map",
                    desc->n, desc->n == 1 ? "" : "s", n_null);
        add_names(r, &names);
    }
    mn_map_free(r->ctx, &names);
    return rc;
}

int mn_look_arch(mn_report *r, mn_source *s) {
    char *text;
    size_t n;
    mn_node *desc = NULL;
    MN_TRY(read_text(s, &text, &n));
    int rc = mn_arch_desc_parse(r->ctx, text, n, mn_source_name(s), &desc);
    if (!rc) rc = check_root(r->ctx, desc);
    if (!rc) rc = describe_arch(r, desc);
    mn_node_free(r->ctx, desc);
    mn_free(r->ctx, text);
    return rc;
}

/* ---- YAML ---------------------------------------------------------------------------------------------- */

/* A list of names of which one at least is a candidate. */
static int is_arch(modnas_ctx *ctx, const mn_node *docs, int *yes) {
    const mn_node *n = docs->n == 1 ? docs->items[0] : NULL;
    *yes = 0;
    if (!n || n->kind != MN_SEQ) return 0;
    MN_TRY(mn_register_builtins(ctx));
    for (size_t i = 0; i < n->n; i++) {
        const mn_node *item = n->items[i];
        if (item->kind == MN_SEQ && item->n == 1) item = item->items[0];
        if (item->kind != MN_STR && item->kind != MN_NULL) return 0;
    }
    for (size_t i = 0; i < n->n && !*yes; i++) {
        const mn_node *item = n->items[i]->kind == MN_SEQ ? n->items[i]->items[0] : n->items[i];
        *yes = item->kind == MN_STR && mn_registry_find(ctx, "candidate", item->text) != NULL;
    }
    return 0;
}

static void describe_document(mn_str *s, size_t index, const mn_node *n) {
    char is[128];
    if (n->kind < MN_SEQ) {
        mn_str_addf(s, "  %zu: %s\n", index, mn_node_what(n, is, sizeof is));
        return;
    }
    mn_str_addf(s, "  %zu: a %s of %zu", index, n->kind == MN_SEQ ? "list" : "map", n->n);
    for (size_t i = 0; n->kind == MN_MAP && i < n->n && i < KEYS_SHOWN; i++)
        mn_str_addf(s, "%s%.80s", i ? ", " : ": ", n->keys[i]);
    mn_str_add(s, n->kind == MN_MAP && n->n > KEYS_SHOWN ? ", ...\n" : "\n");
}

static void describe_documents(mn_str *s, const mn_node *docs) {
    mn_str_addf(s, "  %zu document%s\n", docs->n, docs->n == 1 ? "" : "s");
    for (size_t i = 0; i < docs->n && i < DOCUMENTS_SHOWN; i++) describe_document(s, i + 1, docs->items[i]);
    if (docs->n > DOCUMENTS_SHOWN) mn_str_add(s, "  ...\n");
}

int mn_look_yaml(mn_report *r, mn_source *s) {
    char *text;
    size_t n;
    int arch = 0;
    mn_node *docs = NULL;
    MN_TRY(read_text(s, &text, &n));
    int rc = mn_yaml_read_raw(r->ctx, text, n, mn_source_name(s), &docs);
    if (!rc && r->guessed) rc = is_arch(r->ctx, docs, &arch);
    if (!rc && arch) {
        r->type = "arch";
        rc = describe_arch(r, docs->items[0]);
    } else if (!rc) {
        describe_documents(&r->text, docs);
    }
    mn_node_free(r->ctx, docs);
    mn_free(r->ctx, text);
    return rc;
}
