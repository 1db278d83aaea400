/* The fixed part of an estimator's settings as a struct, filled by libcyaml.
 *
 * libcyaml's own parsing of scalars is lenient (`1e2` is 1 to it), so it never sees what a user wrote: the checked tree
 * is rendered to canonical scalars, every field present, and that text is loaded through the schema below. The schema
 * is then the one place that says where a field lies. libcyaml allocates through the context. */
#include <cyaml/cyaml.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"

#define FIELD(name) CYAML_FIELD_INT(#name, CYAML_FLAG_DEFAULT, mn_estim_conf, name)

static const cyaml_schema_field_t fields[] = {
    CYAML_FIELD_STRING_PTR("type", CYAML_FLAG_POINTER, mn_estim_conf, type, 0, CYAML_UNLIMITED),
    FIELD(epochs),
    FIELD(subnet_epochs),
    FIELD(arch_update_epoch_start),
    FIELD(arch_update_epoch_intv),
    FIELD(arch_update_intv),
    FIELD(arch_update_batch),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, mn_estim_conf, fields)};

/* What a field is when it is not given: -1 stands for that, the others are the defaults of spec 1.4. */
static const struct {
    const char *key;
    int64_t value;
} defaults[] = {
    {"epochs", -1},           {"subnet_epochs", -1},    {"arch_update_epoch_start", 0}, {"arch_update_epoch_intv", 1},
    {"arch_update_intv", -1}, {"arch_update_batch", 1},
};

static void *on_alloc(void *ctx, void *ptr, size_t bytes) {
    if (bytes) return mn_realloc(ctx, ptr, bytes, 1);
    mn_free(ctx, ptr);
    return NULL;
}

static void on_log(cyaml_log_t level, void *ctx, const char *fmt, va_list args) {
    char text[300];
    vsnprintf(text, sizeof text, fmt, args);
    text[strcspn(text, "\n")] = 0;
    mn_log(ctx, level >= CYAML_LOG_ERROR ? MODNAS_LOG_WARN : MODNAS_LOG_DEBUG, "libcyaml: %s", text);
}

static cyaml_config_t make_config(modnas_ctx *ctx) {
    return (cyaml_config_t){
        .log_fn = on_log, .log_ctx = ctx, .mem_fn = on_alloc, .mem_ctx = ctx, .log_level = CYAML_LOG_WARNING};
}

/* A map with exactly the schema's fields. */
static int make_map(modnas_ctx *ctx, const mn_node *estim, mn_node **out) {
    char at[300], what[80];
    const mn_node *type = mn_node_get(estim, "type");
    if (!type || type->kind != MN_STR)
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: this estim has no type", mn_node_where(estim, at, sizeof at));
    mn_node *map = mn_node_new(ctx, MN_MAP);
    int rc = map ? mn_node_push(ctx, map, "type", mn_node_str(ctx, type->text)) : MODNAS_ENOMEM;
    for (size_t i = 0; i < MN_COUNT(defaults) && !rc; i++) {
        const mn_node *v = mn_node_get(estim, defaults[i].key);
        if (v && v->kind == MN_NULL) v = NULL;
        if (v && v->kind != MN_INT && !(v->kind == MN_REAL && fabs(v->r) < 9e15 && v->r == floor(v->r)))
            rc = mn_fail(ctx, MODNAS_ECONFIG, "%s: %s: an integer is wanted, not %s", mn_node_where(v, at, sizeof at),
                         defaults[i].key, mn_node_what(v, what, sizeof what));
        const int64_t value = !v ? defaults[i].value : v->kind == MN_INT ? v->i : (int64_t)v->r;
        if (!rc) rc = mn_node_push(ctx, map, defaults[i].key, mn_node_int(ctx, value));
    }
    if (rc)
        mn_node_free(ctx, map);
    else
        *out = map;
    return rc;
}

int mn_estim_conf_load(modnas_ctx *ctx, const mn_node *estim, mn_estim_conf **out) {
    mn_node *map = NULL;
    MN_TRY(make_map(ctx, estim, &map));
    mn_str yaml = {.ctx = ctx};
    mn_node_yaml(&yaml, map);
    mn_node_free(ctx, map);
    char *text = mn_str_take(&yaml);
    if (!text) return MODNAS_ENOMEM;
    const cyaml_config_t config = make_config(ctx);
    cyaml_data_t *data = NULL;
    const cyaml_err_t err = cyaml_load_data((const uint8_t *)text, strlen(text), &config, &schema, &data, NULL);
    mn_free(ctx, text);
    if (err == CYAML_ERR_OOM || err == CYAML_ERR_LIBYAML_PARSER_INIT || err == CYAML_ERR_LIBYAML_PARSER)
        return mn_fail(ctx, MODNAS_ENOMEM,
                       "out of memory while reading an estimator's settings"); /* our YAML is good */
    char at[300];
    if (err != CYAML_OK)
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: estimator: %s", mn_node_where(estim, at, sizeof at),
                       cyaml_strerror(err));
    *out = data;
    return 0;
}

void mn_estim_conf_free(modnas_ctx *ctx, mn_estim_conf *c) {
    if (!c) return;
    const cyaml_config_t config = make_config(ctx);
    cyaml_free(&config, &schema, c, 0);
}
