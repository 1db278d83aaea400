/* What a merged configuration looks like: one form for one meaning, defaults, foreign keys, leaf structs. */
#include <string.h>

#include "util_config.h"

START_TEST(normal_forms) {
    config_must_add(
        "backend: torch\nname: 007\narch_desc: 00000000\noptim: null\nproc: null\n"
        "estim: [{name: a, type: DefaultEstim, epochs: 1, chkpt: null}]\nconstruct: {x: null}\ninit: {args: "
        "{seed: 0}}\n");
    config_expect_at("backend", "\"auto\"");
    config_expect_at("name", "\"007\"");
    config_expect_at("arch_desc", "\"00000000\""); /* decisions: an arch desc that is one plain scalar is text */
    config_expect_at("seed", "0");                 /* decisions: seed 0 is a seed */
    config_expect_at("estim.a.epochs", "1");
    config_expect_at("construct", "{}");
    ck_assert_ptr_null(mn_node_get(config_tree(), "optim"));
    ck_assert_ptr_null(mn_node_get(config_tree(), "init"));
    ck_assert_ptr_null(mn_node_path(config_tree(), "estim.a.chkpt"));
    ck_assert_ptr_null(mn_node_path(config_tree(), "estim.a.name"));
}
END_TEST

START_TEST(seed_by_either_key) {
    config_must_add("search: {init: {args: {seed: 5}}}\nseed: 1\n");
    ck_assert_int_eq(modnas_config_set(config_cfg, "routine", "search"), 0);
    config_expect_at("seed", "5");
    ck_assert_int_eq(modnas_config_override(config_cfg, "init.args.seed=6"), 0);
    config_expect_at("seed", "6");
    ck_assert_int_eq(modnas_config_override(config_cfg, "search.init.args.seed=7"), 0);
    config_expect_at("seed", "7");
    config_expect_bad("seed: 1\ninit: {args: {seed: 2}}\n", MODNAS_ECONFIG,
                      "c.yaml:2: 'init.args.seed' is 'seed' again, which c.yaml:1 gives another value");
}
END_TEST

/* spec 1.4 */
START_TEST(defaults) {
    config_must_add("defaults: {'estim.*.main': true, 'expman.root_dir': e, seed: 4}\nseed: 3\n"
                    "estim: {a: {type: SuperNetEstim, arch_update_batch: 7}, b: {type: DefaultEstim, main: false}}\n");
    config_expect_at("backend", "\"auto\"");
    config_expect_at("device_ids", "\"all\"");
    config_expect_at("seed", "3");
    config_expect_at("expman.root_dir", "\"e\"");
    config_expect_at("estim.a",
                     "{\"type\":\"SuperNetEstim\",\"arch_update_batch\":7,\"main\":true,\"arch_update_epoch_start\":0,"
                     "\"arch_update_epoch_intv\":1,\"arch_update_intv\":-1,\"metrics\":\"ValidateMetrics\"}");
    config_expect_at("estim.b.main", "false");
    ck_assert_ptr_null(mn_node_get(config_tree(), "defaults"));
}
END_TEST

/* The resolved tree given again as a file resolves to itself. */
START_TEST(resolved_is_stable) {
    config_must_add(CONFIG_MODEL
                    "routine: search\noverride: [seed=2]\nsearch: {estim: {s: {type: SuperNetEstim, epochs: "
                    "3}}}\naugment: {seed: 9}\n");
    char *json, *again;
    ck_assert_int_eq(modnas_config_json(config_cfg, &json), 0);
    mn_str yaml = {.ctx = config_ctx};
    mn_node_yaml(&yaml, config_tree());
    modnas_config *second;
    ck_assert_int_eq(modnas_config_new(config_ctx, &second), 0);
    ck_assert_int_eq(modnas_config_add_text(second, yaml.text, yaml.n, "config.yaml"), 0);
    ck_assert_msg(modnas_config_json(second, &again) == 0, "%s", modnas_errmsg(config_ctx));
    ck_assert_str_eq(json, again);
    modnas_config_free(second);
    modnas_string_free(config_ctx, json);
    modnas_string_free(config_ctx, again);
    mn_str_free(&yaml);
}
END_TEST

START_TEST(foreign_keys) {
    config_must_add("type: ModNasArchSpace\nfully_train: true\nproc: augment\n" CONFIG_MODEL
                    "augment:\n  construct: {predefined: MobileNetV2PredefinedConstructor}\n"
                    "estim: {a: {type: DefaultEstim, epochs: 1, save_arch_desc: true, save_freq: 0}}\n");
    ck_assert_str_eq(config_host.log, "c.yaml:1: 'type' is Vega's own and is ignored\n"
                                      "c.yaml:2: 'fully_train' is Vega's own and is ignored\n"
                                      "c.yaml:7: 'save_arch_desc' is Vega's own and is ignored\n"
                                      "c.yaml:7: 'save_freq' is Vega's own and is ignored\n");
    ck_assert_int_eq(config_host.level, MODNAS_LOG_WARN);
    config_expect_at("construct", "{\"predefined\":\"MobileNetV2PredefinedConstructor\"}");
    config_expect_bad("type: Other\n", MODNAS_ECONFIG, "c.yaml:1: unknown key 'type'");
}
END_TEST

/* The ModularNAS parts of data/configs/vega_modnas_pxl.yml (decisions: what must run unchanged), as one file. */
START_TEST(published_sections) {
    config_must_add(
        "type: ModNasArchSpace\ndevice_ids: '0'\nmodel:\n    type: CIFAR_MobileNetV2_GPU\n    args:\n        "
        "n_classes: 10\n"
        "search:\n    mixed_op:\n        type: BinaryGateMixedOp\n        candidates:\n            -   MB3E3\n         "
        "   -   MB3E6\n"
        "            -   MB5E3\n            -   MB5E6\n            -   MB7E3\n            -   MB7E6\n"
        "optim:\n    type: BinaryGateOptim\nestim:\n    search:\n        type: SuperNetEstim\n        epochs: 1\n");
    ck_assert_int_eq(modnas_config_set(config_cfg, "routine", "search"), 0);
    config_expect_at("mixed_op.candidates", "[\"MB3E3\",\"MB3E6\",\"MB5E3\",\"MB5E6\",\"MB7E3\",\"MB7E6\"]");
    config_expect_at("device_ids", "\"0\"");
}
END_TEST

START_TEST(estimator_settings) {
    mn_node *n;
    mn_estim_conf *c = NULL;
    ck_assert_int_eq(mn_yaml_value(config_ctx,
                                   "{type: 'A: #b', epochs: 1e2, arch_update_intv: 5, arch_update_batch: 9000000000}",
                                   "t", &n),
                     0);
    ck_assert_int_eq(mn_estim_conf_load(config_ctx, n, &c), 0);
    ck_assert_str_eq(c->type, "A: #b");
    ck_assert_int_eq(c->epochs, 100); /* libcyaml alone reads 1e2 as 1 */
    ck_assert_int_eq(c->subnet_epochs, -1);
    ck_assert_int_eq(c->arch_update_epoch_start, 0); /* spec 1.4 */
    ck_assert_int_eq(c->arch_update_epoch_intv, 1);
    ck_assert_int_eq(c->arch_update_intv, 5);
    ck_assert_int_eq(c->arch_update_batch, 9000000000);
    mn_estim_conf_free(config_ctx, c);
    mn_estim_conf_free(config_ctx, NULL);
    mn_node_free(config_ctx, n);
    c = NULL;
    ck_assert_int_eq(mn_yaml_value(config_ctx, "{type: A, epochs: banana}", "t", &n), 0);
    ck_assert_int_eq(mn_estim_conf_load(config_ctx, n, &c), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(config_ctx), "t: epochs: an integer is wanted, not the string 'banana'");
    ck_assert_ptr_null(c);
    mn_node_free(config_ctx, n);
}
END_TEST

START_TEST(quantities) {
    static const struct {
        const char *text;
        double value; /* by the units' definitions; 0: none */
    } rows[] = {
        {"60M", 60e6},
        {"1.5G", 1.5e9},
        {"2K", 2000},
        {"2GiB", 2147483648.0},
        {"512MiB", 536870912.0},
        {"1KiB", 1024},
        {"5 ms", 5},
        {"5ms", 5},
        {"1e6", 1e6},
        {"7", 7},
        {"60m", 0},
        {"M", 0},
        {"6 0", 0},
        {"60MM", 0},
        {"", 0},
        {"2 Gi", 0},
        {"1e308K", 0}, /* no double */
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        double x = 0;
        const int rc = mn_quantity(rows[i].text, &x);
        ck_assert_msg(rc == (rows[i].value == 0 ? -1 : 0) && x == rows[i].value, "%s: %d %g", rows[i].text, rc, x);
    }
}
END_TEST

int main(void) {
    const TTest *const forms[] = {normal_forms,       seed_by_either_key, defaults,
                                  resolved_is_stable, foreign_keys,       published_sections,
                                  estimator_settings, quantities,         NULL};
    Suite *s = suite_create("config_forms");
    util_add(s, "forms", config_setup, config_teardown, forms);
    return util_run(s);
}
