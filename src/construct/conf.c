/* Top-level keys that decide how a model is made: backend, device_ids, seed, ops. */
#include <string.h>

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

uint64_t mn_construct_seed(const mn_node *config) {
    static const char *const places[] = {"seed", "init.args.seed", "construct.init.args.seed"};
    for (size_t i = 0; i < MN_COUNT(places); i++) {
        const mn_node *n = mn_node_path(config, places[i]);
        if (n && n->kind == MN_INT) return (uint64_t)n->i;
    }
    return 0;
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

static int fail_ops(modnas_ctx *ctx, const mn_node *n, const char *what) {
    char where[256], is[128];
    return mn_fail(ctx, MODNAS_ECONFIG, "%s: ops: %s, not %s", mn_node_where(n, where, sizeof where), what,
                   mn_node_what(n, is, sizeof is));
}

/* One word of ops_order at the end of the order. */
static int add_token(char order[3], const char *word, size_t n) {
    static const char *const words[] = {"bn", "act", "weight"};
    for (size_t i = 0; i < MN_COUNT(words); i++) {
        if (strlen(words[i]) != n || strncmp(word, words[i], n) != 0) continue;
        for (int k = 0; k < 3; k++) {
            if (order[k] == words[i][0]) return -1;
            if (order[k]) continue;
            order[k] = words[i][0];
            return 0;
        }
    }
    return -1;
}

static int read_order(modnas_ctx *ctx, const mn_node *n, char out[3]) {
    const char *const wanted = "ops_order is made of bn, act and weight, each at most once, as bn_act_weight or a list";
    char order[3] = {0, 0, 0};
    int bad = n->kind != MN_SEQ && n->kind != MN_STR;
    for (size_t i = 0; n->kind == MN_SEQ && i < n->n; i++) {
        const mn_node *w = n->items[i];
        bad |= w->kind != MN_STR || add_token(order, w->text, strlen(w->text));
    }
    for (const char *at = n->kind == MN_STR ? n->text : NULL; at && !bad;) {
        const size_t k = strcspn(at, "_");
        bad |= add_token(order, at, k);
        at = at[k] ? at + k + 1 : NULL;
    }
    if (bad) return fail_ops(ctx, n, wanted);
    memcpy(out, order, sizeof order);
    return 0;
}

static int check_keys(modnas_ctx *ctx, const mn_node *map, const char *what, const char *const *known, size_t n) {
    char where[256];
    if (map->kind != MN_MAP) return fail_ops(ctx, map, what);
    for (size_t i = 0; i < map->n; i++) {
        size_t k = 0;
        while (k < n && strcmp(known[k], map->keys[i]) != 0) k++;
        if (k < n) continue;
        const char *near = mn_suggest(map->keys[i], known, n);
        return mn_fail(ctx, MODNAS_ECONFIG, "%s: ops: unknown key '%s'%s%s%s",
                       mn_node_where(map->items[i], where, sizeof where), map->keys[i], near ? "; did you mean '" : "",
                       near ? near : "", near ? "'?" : "");
    }
    return 0;
}

static int read_bn(modnas_ctx *ctx, const mn_node *bn, mn_ops_conf *c) {
    static const char *const known[] = {"affine", "eps", "momentum", "track_running_stats"};
    MN_TRY(check_keys(ctx, bn, "bn is a map", known, MN_COUNT(known)));
    const mn_node *affine = mn_node_get(bn, "affine"), *eps = mn_node_get(bn, "eps"),
                  *momentum = mn_node_get(bn, "momentum");
    const mn_node *track = mn_node_get(bn, "track_running_stats");
    if (affine && affine->kind != MN_BOOL) return fail_ops(ctx, affine, "bn.affine is true or false");
    if (track && (track->kind != MN_BOOL || !track->i)) return fail_ops(ctx, track, "bn.track_running_stats is true");
    if (eps && ((eps->kind != MN_REAL && eps->kind != MN_INT) || !(eps->r > 0)))
        return fail_ops(ctx, eps, "bn.eps is a positive number");
    if (momentum && ((momentum->kind != MN_REAL && momentum->kind != MN_INT) || !(momentum->r > 0 && momentum->r <= 1)))
        return fail_ops(ctx, momentum, "bn.momentum is a number above 0 and up to 1");
    c->bn_affine = affine ? (int32_t)affine->i : 1; /* what is given replaces all of bn */
    c->bn_eps = eps ? eps->r : 1e-5;
    c->bn_momentum = momentum ? momentum->r : 0.1;
    return 0;
}

int mn_ops_conf_read(modnas_ctx *ctx, const mn_node *ops, mn_ops_conf *out) {
    static const char *const known[] = {"ops_order", "bn", "conv", "act"}, *const conv_known[] = {"bias"},
                             *const act_known[] = {"inplace"};
    if (!ops || ops->kind == MN_NULL) return 0;
    mn_ops_conf c = *out;
    MN_TRY(check_keys(ctx, ops, "it is a map", known, MN_COUNT(known)));
    const mn_node *order = mn_node_get(ops, "ops_order"), *bn = mn_node_get(ops, "bn"),
                  *conv = mn_node_get(ops, "conv"), *act = mn_node_get(ops, "act");
    if (order) MN_TRY(read_order(ctx, order, c.order));
    if (bn) MN_TRY(read_bn(ctx, bn, &c));
    if (act) MN_TRY(check_keys(ctx, act, "act is a map", act_known, MN_COUNT(act_known)));
    if (conv) {
        MN_TRY(check_keys(ctx, conv, "conv is a map", conv_known, MN_COUNT(conv_known)));
        const mn_node *bias = mn_node_get(conv, "bias");
        if (bias && bias->kind != MN_BOOL) return fail_ops(ctx, bias, "conv.bias is true or false");
        c.conv_bias = bias ? (int32_t)bias->i : 0;
    }
    for (int k = 2; k >= 0; k--) { /* a convolution followed by batch norm needs no bias */
        if (!c.order[k]) continue;
        if (c.order[k] == 'b') c.conv_bias = 0;
        break;
    }
    *out = c;
    return 0;
}
