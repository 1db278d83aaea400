/* Where two trees differ, for messages that name the place and both values. */
#include <string.h>

#include "config/node.h"

/* One line of JSON; the same for what reads as the same. */
static int leaves_differ(modnas_ctx *ctx, const mn_node *a, const mn_node *b, int *differ) {
    mn_str x = {.ctx = ctx}, y = {.ctx = ctx};
    mn_node_json(&x, a);
    mn_node_json(&y, b);
    const int failed = x.failed || y.failed;
    *differ = failed || strcmp(x.text, y.text) != 0;
    mn_str_free(&x);
    mn_str_free(&y);
    return failed ? MODNAS_ENOMEM : 0;
}

static int descend(modnas_ctx *ctx, mn_str *path, const char *key, const mn_node **a, const mn_node **b, int *differ) {
    const size_t before = path->n;
    mn_str_addf(path, "%s%s", before ? "." : "", key);
    if (path->failed) return MODNAS_ENOMEM;
    MN_TRY(mn_node_differ(ctx, path, a, b, differ));
    if (*differ) return 0;
    path->n = before;
    path->text[before] = 0;
    return 0;
}

static int maps_differ(modnas_ctx *ctx, mn_str *path, const mn_node **a, const mn_node **b, int *differ) {
    const mn_node *x = *a, *y = *b;
    for (size_t i = 0; i < x->n; i++) {
        *a = x->items[i];
        *b = mn_node_get(y, x->keys[i]);
        MN_TRY(descend(ctx, path, x->keys[i], a, b, differ));
        if (*differ) return 0;
    }
    for (size_t i = 0; i < y->n; i++) {
        if (mn_node_get(x, y->keys[i])) continue;
        *a = NULL;
        *b = y->items[i];
        MN_TRY(descend(ctx, path, y->keys[i], a, b, differ));
        if (*differ) return 0;
    }
    return 0;
}

int mn_node_differ(modnas_ctx *ctx, mn_str *path, const mn_node **a, const mn_node **b, int *differ) {
    if (*a && *b && (*a)->kind == MN_MAP && (*b)->kind == MN_MAP) {
        *differ = 0;
        return maps_differ(ctx, path, a, b, differ);
    }
    return leaves_differ(ctx, *a, *b, differ);
}
