/* A configuration: its layers as they were given, and the tree they merge to.
 *
 *   files ---------------+
 *   override: in files --+--> resolve.c --> tree --> schema.c checks it --> defaults
 *   flags, -o -----------+        \--> one tree for each section that is not selected: checked, then dropped
 *
 * The tree is made when it is asked for and dropped when a layer is added. */
#include "config/config.h"

#include <string.h>

#include "config/resolve.h"
#include "config/schema.h"
#include "registry/registry.h"

enum { WHERE_BYTES = 100, SECTIONS_MAX = 64 /* each is merged with everything and checked */ };

struct modnas_config {
    modnas_ctx *ctx;
    mn_layers layers;
    mn_node *tree; /* NULL: not made, or out of date */
};

int modnas_config_new(modnas_ctx *ctx, modnas_config **out) {
    if (!ctx || !out) return MODNAS_EINVAL;
    MN_ENTER(ctx);
    modnas_config *cfg = mn_alloc(ctx, 1, sizeof *cfg);
    if (!cfg) return MODNAS_ENOMEM;
    cfg->ctx = ctx;
    cfg->layers.files = mn_node_new(ctx, MN_MAP);
    if (!cfg->layers.files) {
        mn_free(ctx, cfg);
        return MODNAS_ENOMEM;
    }
    mn_assigns_init(&cfg->layers.file_overrides);
    mn_assigns_init(&cfg->layers.flags);
    mn_assigns_init(&cfg->layers.overrides);
    mn_ctx_hold(ctx);
    *out = cfg;
    return 0;
}

void modnas_config_free(modnas_config *cfg) {
    if (!cfg) return;
    modnas_ctx *ctx = cfg->ctx;
    mn_node_free(ctx, cfg->layers.files);
    mn_assigns_free(ctx, &cfg->layers.file_overrides);
    mn_assigns_free(ctx, &cfg->layers.flags);
    mn_assigns_free(ctx, &cfg->layers.overrides);
    mn_node_free(ctx, cfg->tree);
    mn_free(ctx, cfg);
    mn_ctx_drop(ctx);
}

modnas_ctx *mn_config_ctx(const modnas_config *cfg) {
    return cfg->ctx;
}

static void outdate(modnas_config *cfg) {
    mn_node_free(cfg->ctx, cfg->tree);
    cfg->tree = NULL;
}

/* Move the items of `more` behind those of `list`. */
static int append(modnas_ctx *ctx, mn_vec *list, mn_vec *more) {
    if (more->n && !mn_vec_push(ctx, list, more->data, more->n)) return MODNAS_ENOMEM;
    mn_vec_free(ctx, more);
    mn_assigns_init(more);
    return 0;
}

int modnas_config_add_text(modnas_config *cfg, const char *text, size_t bytes, const char *name) {
    if (!cfg || (!text && bytes)) return MODNAS_EINVAL;
    MN_ENTER(cfg->ctx);
    modnas_ctx *ctx = cfg->ctx;
    mn_node *layer, *merged = NULL;
    mn_vec overrides;
    MN_TRY(mn_layer_read(ctx, text ? text : "", bytes, name ? name : "-", &layer));
    mn_assigns_init(&overrides);
    int rc = mn_assigns_take_overrides(ctx, &overrides, layer);
    if (rc) goto done;
    rc = MODNAS_ENOMEM;
    merged = mn_node_copy(ctx, cfg->layers.files);
    if (!merged) goto done;
    rc = mn_node_merge(ctx, merged, layer);
    if (!rc) rc = append(ctx, &cfg->layers.file_overrides, &overrides);
    if (rc) goto done;
    mn_node *old = cfg->layers.files;
    cfg->layers.files = merged;
    merged = old;
    outdate(cfg);
done:
    mn_assigns_free(ctx, &overrides);
    mn_node_free(ctx, merged);
    mn_node_free(ctx, layer);
    return rc;
}

int modnas_config_add_file(modnas_config *cfg, const char *path) {
    if (!cfg || !path) return MODNAS_EINVAL;
    MN_ENTER(cfg->ctx);
    char *text;
    size_t bytes;
    MN_TRY(mn_file_read(cfg->ctx, path, MN_YAML_BYTES_MAX, &text, &bytes));
    const int rc = modnas_config_add_text(cfg, text, bytes, path);
    mn_free(cfg->ctx, text);
    return rc;
}

int modnas_config_set(modnas_config *cfg, const char *key, const char *value) {
    if (!cfg || !key || !value) return MODNAS_EINVAL;
    MN_ENTER(cfg->ctx);
    modnas_ctx *ctx = cfg->ctx;
    mn_str where = {.ctx = ctx};
    mn_node *node;
    mn_str_addf(&where, "option %.80s", key);
    char *text = mn_str_take(&where);
    if (!text) return MODNAS_ENOMEM;
    int rc = mn_yaml_value(ctx, value, text, &node);
    mn_free(ctx, text);
    if (!rc) rc = mn_assigns_add(ctx, &cfg->layers.flags, key, node);
    if (!rc) outdate(cfg);
    return rc;
}

int modnas_config_override(modnas_config *cfg, const char *assignment) {
    if (!cfg || !assignment) return MODNAS_EINVAL;
    MN_ENTER(cfg->ctx);
    mn_str where = {.ctx = cfg->ctx};
    mn_str_addf(&where, "-o %.*s%s", WHERE_BYTES, assignment, strlen(assignment) > WHERE_BYTES ? "..." : "");
    char *text = mn_str_take(&where);
    if (!text) return MODNAS_ENOMEM;
    const int rc = mn_assigns_add_text(cfg->ctx, &cfg->layers.overrides, assignment, text, 0);
    mn_free(cfg->ctx, text);
    if (!rc) outdate(cfg);
    return rc;
}

/* Check a section that is not selected, as if it was; what others may still supply may be missing. */
static int check_section(modnas_config *cfg, char *name, const mn_node *section) {
    const mn_node routine = {.kind = MN_STR, .text = name};
    char at[300];
    mn_node *tree;
    if (!mn_node_get(cfg->layers.files, name)) /* an override made it up */
        return mn_fail(cfg->ctx, MODNAS_ECONFIG, "%s: there is no section '%.80s'",
                       mn_node_where(section, at, sizeof at), name);
    MN_TRY(mn_resolve(cfg->ctx, &cfg->layers, &routine, 0, &tree));
    const int rc = mn_schema_check(cfg->ctx, tree, 1);
    mn_node_free(cfg->ctx, tree);
    return rc;
}

static int check_all(modnas_config *cfg, mn_node *tree, int selected) {
    char at[300];
    int n_sections = 0;
    for (size_t i = 0; i < tree->n; i++) {
        if (!mn_schema_is_section(tree->keys[i], tree->items[i])) continue;
        if (n_sections++ == SECTIONS_MAX)
            return mn_fail(cfg->ctx, MODNAS_ECONFIG, "%s: more than %d sections of routines",
                           mn_node_where(tree->items[i], at, sizeof at), SECTIONS_MAX);
    }
    MN_TRY(mn_schema_check(cfg->ctx, tree, !selected && n_sections));
    for (size_t i = 0; i < tree->n; i++)
        if (mn_schema_is_section(tree->keys[i], tree->items[i]))
            MN_TRY(check_section(cfg, tree->keys[i], tree->items[i]));
    return mn_resolve_defaults(cfg->ctx, tree);
}

int mn_config_tree(modnas_config *cfg, const mn_node **out) {
    const mn_node *routine;
    mn_node *tree;
    if (!cfg->tree) {
        MN_TRY(mn_resolve_routine(cfg->ctx, &cfg->layers, &routine));
        MN_TRY(mn_resolve(cfg->ctx, &cfg->layers, routine, 1, &tree));
        const int rc = check_all(cfg, tree, routine != NULL);
        if (rc) {
            mn_node_free(cfg->ctx, tree);
            return rc;
        }
        cfg->tree = tree;
    }
    *out = cfg->tree;
    return 0;
}

int modnas_config_check(modnas_config *cfg) {
    const mn_node *tree;
    if (!cfg) return MODNAS_EINVAL;
    MN_ENTER(cfg->ctx);
    MN_TRY(mn_register_builtins(cfg->ctx)); /* names are checked against what there is */
    return mn_config_tree(cfg, &tree);
}

int modnas_config_json(modnas_config *cfg, char **text) {
    if (!cfg || !text) return MODNAS_EINVAL;
    MN_ENTER(cfg->ctx);
    const mn_node *tree;
    MN_TRY(mn_register_builtins(cfg->ctx));
    MN_TRY(mn_config_tree(cfg, &tree));
    mn_str s = {.ctx = cfg->ctx};
    mn_node_json(&s, tree);
    char *json = mn_str_take(&s);
    if (!json) return MODNAS_ENOMEM;
    *text = json;
    return 0;
}
