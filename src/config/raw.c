/* A YAML file as JSON, one document a line: what the reader understands, before anything is made of it. */
#include <math.h>

#include "config/config.h"
#include "modnas/config.h"

/* JSON has no words for these, and null would be another value. */
static int check_finite(modnas_ctx *ctx, const mn_node *n) {
    char where[256];
    if (n->kind == MN_REAL && !isfinite(n->r))
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: %s has no form in JSON", mn_node_where(n, where, sizeof where),
                       n->text);
    for (size_t i = 0; i < n->n; i++) MN_TRY(check_finite(ctx, n->items[i]));
    return 0;
}

int modnas_config_raw_text(modnas_ctx *ctx, const char *yaml, size_t bytes, const char *name, char **text) {
    if (!ctx || (!yaml && bytes) || !text) return MODNAS_EINVAL;
    MN_ENTER(ctx);
    mn_node *docs;
    mn_str s = {.ctx = ctx};
    MN_TRY(mn_yaml_read_raw(ctx, yaml ? yaml : "", bytes, name ? name : "-", &docs));
    const int rc = check_finite(ctx, docs);
    for (size_t i = 0; i < docs->n && !rc; i++) {
        mn_node_json(&s, docs->items[i]);
        mn_str_add(&s, "\n");
    }
    mn_node_free(ctx, docs);
    char *lines = rc ? NULL : mn_str_take(&s);
    if (!lines) return rc ? rc : MODNAS_ENOMEM;
    *text = lines;
    return 0;
}

int modnas_config_raw_file(modnas_ctx *ctx, const char *path, char **text) {
    if (!ctx || !path || !text) return MODNAS_EINVAL;
    MN_ENTER(ctx);
    char *yaml;
    size_t bytes;
    MN_TRY(mn_file_read(ctx, path, MN_YAML_BYTES_MAX, &yaml, &bytes));
    const int rc = modnas_config_raw_text(ctx, yaml, bytes, path, text);
    mn_free(ctx, yaml);
    return rc;
}
