/* Top-level keys that decide how a model is made: backend, device_ids, seed, ops. */
#include <string.h>

#include "config/config.h"
#include "config/forms.h"
#include "construct/parts.h"

/* ---- backend and seed ---------------------------------------------------------------------------------- */

const char *mn_construct_backend(const mn_node *config) {
    static const char *const known[][2] = {{"torch", "auto"}, {"auto", "auto"},   {"ref", "ref"},
                                           {"dnnl", "dnnl"},  {"cudnn", "cudnn"}, {"none", "none"}};
    const mn_node *b = mn_node_get(config, "backend");
    if (!b) return "auto";
    if (b->kind == MN_NULL) return "none";
    for (size_t i = 0; i < MN_COUNT(known); i++)
        if (b->kind == MN_STR && strcmp(b->text, known[i][0]) == 0) return known[i][1];
    return b->kind == MN_STR ? b->text : "auto";
}

int32_t mn_construct_dtype(const mn_node *config) {
    const mn_node *precision = mn_node_get(config, "precision");
    return precision && precision->kind == MN_STR && strcmp(precision->text, "f64") == 0 ? MODNAS_F64 : MODNAS_F32;
}

uint64_t mn_construct_seed(const mn_node *config, const mn_node *list) {
    const mn_node *places[] = {mn_node_get(config, "seed"), mn_node_path(list, "init.args.seed")};
    for (size_t i = 0; i < MN_COUNT(places); i++)
        if (places[i] && places[i]->kind == MN_INT) return (uint64_t)places[i]->i;
    return 0;
}

/* The form was checked: bytes, or text with a unit. */
int mn_construct_memory(const mn_node *config, mn_model *model) {
    const mn_node *v = mn_node_get(config, "memory");
    char where[256];
    double bytes;
    if (!v || v->kind == MN_NULL) return 0;
    bytes = v->r;
    if (v->kind == MN_STR && mn_quantity(v->text, &bytes)) return 0;
    if (!(bytes > 0 && bytes < (double)(SIZE_MAX / 2))) return 0;
    model->memory = (size_t)bytes;
    model->memory_key = mn_strdup(model->ctx, mn_node_where(v, where, sizeof where));
    return model->memory_key ? 0 : MODNAS_ENOMEM;
}

/* A graphics processor was asked for where the backend runs on the processor: said once, not an error. */
static void note_devices(modnas_ctx *ctx, const mn_node *config, const mn_backend *b) {
    static const char *const cpu[] = {"all", "cpu", "nil", "none"};
    const mn_node *ids = mn_node_get(config, "device_ids");
    if (!ids || ids->kind == MN_NULL || strcmp(mn_backend_name(b), "cudnn") == 0) return;
    for (size_t i = 0; i < MN_COUNT(cpu); i++)
        if (ids->text && strcmp(ids->text, cpu[i]) == 0) return;
    mn_log(ctx, MODNAS_LOG_WARN, "device_ids: %s: backend %s runs on the CPU", ids->text ? ids->text : "a list",
           mn_backend_name(b));
}

int mn_construct_open_backend(modnas_ctx *ctx, const mn_node *config, mn_backend **out) {
    const char *name = mn_construct_backend(config);
    const mn_node *threads = mn_node_get(config, "threads");
    *out = NULL;
    if (strcmp(name, "none") == 0) return 0;
    MN_TRY(mn_backend_open(ctx, name, threads && threads->kind == MN_INT ? (int32_t)threads->i : 0, out));
    note_devices(ctx, config, *out);
    return 0;
}

/* ---- ops ----------------------------------------------------------------------------------------------- */

static const mn_node *given(const mn_node *map, const char *key) {
    const mn_node *v = mn_node_get(map, key);
    return v && v->kind != MN_NULL ? v : NULL;
}

static int given_bool(const mn_node *map, const char *key, int otherwise) {
    const mn_node *v = given(map, key);
    return v ? v->i != 0 : otherwise;
}

/* What is given replaces all of bn. */
static void read_bn(const mn_node *bn, mn_ops_conf *c) {
    const mn_node *eps = given(bn, "eps"), *momentum = given(bn, "momentum");
    c->bn_affine = given_bool(bn, "affine", 1);
    c->bn_eps = eps ? eps->r : 1e-5;
    c->bn_momentum = momentum ? momentum->r : 0.1;
}

int mn_ops_conf_read(modnas_ctx *ctx, const mn_node *ops, mn_ops_conf *out) {
    static const mn_arg_def def = {"ops", MN_ARG_MAP, "null", NULL, "settings of all operators"};
    const mn_check check = {ctx, NULL, 0};
    if (!ops || ops->kind == MN_NULL) return 0;
    MN_TRY(mn_form_ops(&check, &def, ops));
    const mn_node *order = given(ops, "ops_order"), *bn = given(ops, "bn"), *conv = given(ops, "conv");
    if (order) mn_ops_order_read(order, out->order);
    if (bn) read_bn(bn, out);
    if (conv) out->conv_bias = given_bool(conv, "bias", 0);
    const size_t n = strnlen(out->order, sizeof out->order);
    if (n && out->order[n - 1] == 'b') out->conv_bias = 0; /* batch norm has its own shift */
    return 0;
}
