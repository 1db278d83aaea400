/* The table of components.
 *
 * Rows are kept in the order they were added; a map finds them by folded kind and name. Aliases are further keys of the
 * same row, so they need no row of their own and never show in a listing. Rows made at run time are copies that the
 * table owns; all others are constants. */
#include "registry/args.h"

#include <string.h>

enum { KEY_BYTES = 160 };

typedef struct owned {
    mn_component *row;
    void (*data_free)(modnas_ctx *ctx, void *data);
} owned;

typedef struct mn_registry {
    mn_vec rows;  /* const mn_component * */
    mn_map keys;  /* "kind.name", folded -> const mn_component * */
    mn_vec owned; /* those of rows that are copies */
} mn_registry;

static void registry_free(modnas_ctx *ctx) {
    mn_registry *r = ctx->registry;
    if (!r) return; /* freed already, after a registration that ran out of memory */
    for (size_t i = r->owned.n; i-- > 0;) {
        const owned *o = &MN_AT(r->owned, owned, i);
        if (o->data_free) o->data_free(ctx, (void *)(uintptr_t)o->row->data);
        mn_free(ctx, o->row);
    }
    mn_vec_free(ctx, &r->owned);
    mn_vec_free(ctx, &r->rows);
    mn_map_free(ctx, &r->keys);
    mn_free(ctx, r);
    ctx->registry = NULL;
}

/* The context's table, made on first use; NULL when out of memory. */
static mn_registry *table(modnas_ctx *ctx) {
    if (ctx->registry) return ctx->registry;
    mn_registry *r = mn_alloc(ctx, 1, sizeof *r);
    if (!r) return NULL;
    mn_vec_init(&r->rows, sizeof(const mn_component *));
    mn_vec_init(&r->owned, sizeof(owned));
    ctx->registry = r;
    ctx->registry_free = registry_free;
    return r;
}

static size_t fold(char *dst, size_t at, const char *text) {
    for (; *text; text++) {
        if (*text == '-' || *text == '_' || *text == ' ') continue;
        if (at == KEY_BYTES) return at;
        dst[at++] = *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text;
    }
    return at;
}

/* As the original folds them; -1: too long to be a name. */
static int make_key(char key[KEY_BYTES], const char *kind, const char *name) {
    size_t n = fold(key, 0, kind);
    if (n < KEY_BYTES) key[n++] = '.';
    n = fold(key, n, name);
    if (n == KEY_BYTES) return -1;
    key[n] = 0;
    return 0;
}

static int add_key(modnas_ctx *ctx, mn_registry *r, const mn_component *c, const char *name) {
    char key[KEY_BYTES];
    if (make_key(key, c->kind, name))
        return mn_fail(ctx, MODNAS_EINVAL, "the name of a component has %zu bytes, too many", strlen(name));
    if (mn_map_get(&r->keys, key)) return mn_fail(ctx, MODNAS_EEXIST, "%s '%s' is there already", c->kind, name);
    return mn_map_put(ctx, &r->keys, key, (void *)(uintptr_t)c);
}

int mn_registry_add(modnas_ctx *ctx, const mn_component *c) {
    mn_registry *r = table(ctx);
    if (!r || !mn_vec_push(ctx, &r->rows, &c, 1)) return MODNAS_ENOMEM;
    const int rc = add_key(ctx, r, c, c->name);
    if (rc) r->rows.n--;
    return rc;
}

int mn_registry_add_owned(modnas_ctx *ctx, const mn_component *c, void (*data_free)(modnas_ctx *ctx, void *data)) {
    mn_registry *r = table(ctx);
    const owned o = {r ? mn_component_copy(ctx, c) : NULL, data_free};
    if (!o.row) return MODNAS_ENOMEM;
    int rc = mn_vec_push(ctx, &r->owned, &o, 1) ? 0 : MODNAS_ENOMEM;
    if (!rc) {
        rc = mn_registry_add(ctx, o.row);
        if (rc) r->owned.n--;
    }
    if (rc) mn_free(ctx, o.row);
    return rc;
}

int mn_registry_add_all(modnas_ctx *ctx, const mn_component *rows, size_t n) {
    for (size_t i = 0; i < n; i++) MN_TRY(mn_registry_add(ctx, &rows[i]));
    return 0;
}

int mn_registry_alias(modnas_ctx *ctx, const char *kind, const char *alias, const char *name) {
    const mn_component *c = NULL;
    MN_TRY(mn_registry_need(ctx, kind, name, NULL, &c));
    return add_key(ctx, ctx->registry, c, alias);
}

static const char *const arch_space[] = {"model", "candidate", "mixed_op"};

static int is_arch_space(const char *kind) {
    return strcmp(kind, "arch_space") == 0;
}

int mn_kind_holds(const char *asked, const char *kind) {
    if (!asked || strcmp(asked, kind) == 0) return 1;
    for (size_t i = 0; is_arch_space(asked) && i < MN_COUNT(arch_space); i++)
        if (strcmp(arch_space[i], kind) == 0) return 1;
    return 0;
}

static const mn_component *find(modnas_ctx *ctx, const char *kind, const char *name) {
    char key[KEY_BYTES];
    if (!ctx->registry || make_key(key, kind, name)) return NULL;
    return mn_map_get(&ctx->registry->keys, key);
}

const mn_component *mn_registry_find(modnas_ctx *ctx, const char *kind, const char *name) {
    const mn_component *c = find(ctx, kind, name);
    for (size_t i = 0; !c && is_arch_space(kind) && i < MN_COUNT(arch_space); i++) c = find(ctx, arch_space[i], name);
    return c;
}

/* The name of a kind that is near, or NULL. */
static const char *near_name(modnas_ctx *ctx, const char *kind, const char *name) {
    const char *best = NULL;
    for (size_t i = 0; ctx->registry && i < ctx->registry->rows.n; i++) {
        const mn_component *c = MN_AT(ctx->registry->rows, const mn_component *, i);
        if (!mn_kind_holds(kind, c->kind)) continue;
        const char *const pair[] = {best ? best : c->name, c->name};
        best = mn_suggest(name, pair, 2);
    }
    return best;
}

int mn_registry_need(modnas_ctx *ctx, const char *kind, const char *name, const mn_node *where,
                     const mn_component **out) {
    const mn_component *c = mn_registry_find(ctx, kind, name);
    if (c) {
        *out = c;
        return 0;
    }
    char at[300] = "";
    if (where) mn_node_where(where, at, sizeof at);
    const char *near = near_name(ctx, kind, name);
    return mn_fail(ctx, MODNAS_ENOTFOUND, "%s%sno %s named '%.80s'%s%s%s", at, where ? ": " : "", kind, name,
                   near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int mn_registry_visit(modnas_ctx *ctx, const char *kind, int (*fn)(const mn_component *c, void *ud), void *ud) {
    for (size_t i = 0; ctx->registry && i < ctx->registry->rows.n; i++) {
        const mn_component *c = MN_AT(ctx->registry->rows, const mn_component *, i);
        if (!mn_kind_holds(kind, c->kind)) continue;
        MN_TRY(fn(c, ud));
    }
    return 0;
}
