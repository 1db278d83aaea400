/* A configuration of its own for each test, and the words for what is expected of it. */
#include "util_config.h"

#include <string.h>

#include "registry/registry.h"

util_host config_host;
modnas_ctx *config_ctx;
modnas_config *config_cfg;

static int build_nothing(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    (void)a;
    (void)env;
    (void)out;
    return 0;
}

/* A kind that has no component of its own yet, and one whose args a routine's section completes. */
static const mn_arg_def toy_args[] = {
    {"threshold", MN_ARG_INT, "10", NULL, "epochs"},
    {0},
};
static const mn_component toys[] = {{"callback", "ToyCallback", "toy", toy_args, build_nothing, NULL}};

void config_setup(void) {
    config_host = (util_host){.left = -1};
    const modnas_ctx_opts opts = util_host_opts(&config_host);
    ck_assert_int_eq(modnas_ctx_new(&opts, &config_ctx), 0);
    ck_assert_int_eq(mn_register_builtins(config_ctx), 0);
    ck_assert_int_eq(mn_registry_add_all(config_ctx, toys, MN_COUNT(toys)), 0);
    ck_assert_int_eq(modnas_config_new(config_ctx, &config_cfg), 0);
}

void config_teardown(void) {
    modnas_config_free(config_cfg);
    modnas_ctx_free(config_ctx);
    ck_assert_int_eq(config_host.live, 0);
}

int config_add(const char *text) {
    return modnas_config_add_text(config_cfg, text, strlen(text), "c.yaml");
}

void config_must_add(const char *text) {
    ck_assert_msg(config_add(text) == 0, "%s", modnas_errmsg(config_ctx));
}

const mn_node *config_tree(void) {
    const mn_node *t = NULL;
    ck_assert_msg(mn_config_tree(config_cfg, &t) == 0, "%s", modnas_errmsg(config_ctx));
    return t;
}

/* The value at a path of the merged tree, as JSON. */
void config_expect_at(const char *path, const char *json) {
    mn_str s = {.ctx = config_ctx};
    const mn_node *n = mn_node_path(config_tree(), path);
    if (n) mn_node_json(&s, n);
    ck_assert_msg(n && strcmp(s.text, json) == 0, "%s: %s, not %s", path, n ? s.text : "absent", json);
    mn_str_free(&s);
}

void config_expect_fail(int status, const char *message) {
    const int rc = modnas_config_check(config_cfg);
    ck_assert_msg(rc == status && strcmp(modnas_errmsg(config_ctx), message) == 0, "%d: %s\nnot: %s", rc,
                  modnas_errmsg(config_ctx), message);
}

/* One text that is wrong, alone. */
void config_expect_bad(const char *text, int status, const char *message) {
    modnas_config *mine = config_cfg;
    ck_assert_int_eq(modnas_config_new(config_ctx, &config_cfg), 0);
    int rc = config_add(text);
    if (!rc) rc = modnas_config_check(config_cfg);
    ck_assert_msg(rc == status, "%s\n%d: %s", text, rc, modnas_errmsg(config_ctx));
    ck_assert_str_eq(modnas_errmsg(config_ctx), message);
    modnas_config_free(config_cfg);
    config_cfg = mine;
}

void config_expect_good(const char *text) {
    modnas_config *mine = config_cfg;
    ck_assert_int_eq(modnas_config_new(config_ctx, &config_cfg), 0);
    ck_assert_msg(config_add(text) == 0 && modnas_config_check(config_cfg) == 0, "%s\n%s", text,
                  modnas_errmsg(config_ctx));
    modnas_config_free(config_cfg);
    config_cfg = mine;
}
