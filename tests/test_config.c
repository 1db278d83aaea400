/* Configurations: how layers merge (decisions, later wins: files < section < flags < override: of files < -o), files,
 * memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_config.h"

START_TEST(files_merge) {
    config_must_add("threads: 1\n" CONFIG_MODEL "override: [seed=1]\nimport: [modnas.a]\n");
    config_must_add("threads: 2\nmodel: {args: {dropout_rate: 0.5}}\nimport: [modnas.b]\n");
    config_expect_at("threads", "2");
    config_expect_at("model", "{\"type\":\"CIFAR_MobileNetV2\",\"args\":{\"n_classes\":10,\"dropout_rate\":0.5}}");
    config_expect_at("import", "[\"modnas.a\",\"modnas.b\"]"); /* lists concatenate */
    config_expect_at("seed", "1");
}
END_TEST

/* spec 1.2: within a file a later document's top-level key replaces the earlier one */
START_TEST(documents_replace) {
    config_must_add(
        "model: {type: CIFAR_MobileNetV2, args: {n_classes: 10}}\nseed: 1\n---\nmodel: {type: ImageNet_MobileNetV2}\n");
    config_expect_at("model", "{\"type\":\"ImageNet_MobileNetV2\"}");
    config_expect_at("seed", "1");
}
END_TEST

START_TEST(order_of_layers) {
    config_must_add(
        "seed: 1\nthreads: 1\nname: file\nchkpt: file\nwriter: {enabled: false}\nrecord: {seed: 2, threads: 2, "
        "name: section, "
        "chkpt: section}\nroutine: record\noverride: [name=override, chkpt=override]\n");
    config_expect_at("seed", "2");
    config_expect_at("threads", "2");
    ck_assert_int_eq(modnas_config_set(config_cfg, "threads", "3"), 0);
    ck_assert_int_eq(modnas_config_set(config_cfg, "name", "flag"), 0);
    ck_assert_int_eq(modnas_config_override(config_cfg, "chkpt=last"), 0);
    config_expect_at("seed", "2");
    config_expect_at("threads", "3");
    config_expect_at("name", "\"override\"");
    config_expect_at("chkpt", "\"last\"");
    ck_assert_ptr_null(mn_node_get(config_tree(), "record")); /* used up, as are these: */
    ck_assert_ptr_null(mn_node_get(config_tree(), "routine"));
    ck_assert_ptr_null(mn_node_get(config_tree(), "override"));
}
END_TEST

START_TEST(routine_by_flag_and_override) {
    config_must_add(CONFIG_MODEL "search: {seed: 1}\naugment: {seed: 2}\n");
    ck_assert_ptr_null(mn_node_get(config_tree(), "seed"));
    ck_assert_int_eq(modnas_config_set(config_cfg, "routine", "search"), 0);
    config_expect_at("seed", "1");
    config_expect_at("augment", "{\"seed\":2}"); /* not selected: stays as it is */
    ck_assert_int_eq(modnas_config_override(config_cfg, "routine=augment"), 0);
    config_expect_at("seed", "2");
    ck_assert_int_eq(modnas_config_set(config_cfg, "proc", "search"),
                     0); /* an alias, but a flag still loses against -o */
    config_expect_at("seed", "2");
    ck_assert_int_eq(modnas_config_override(config_cfg, "routine=null"), 0);
    ck_assert_ptr_null(mn_node_get(config_tree(), "seed"));
}
END_TEST

START_TEST(overrides_by_path) {
    config_must_add(CONFIG_MODEL "search:\n  estim: {search: {type: SuperNetEstim, epochs: 50}}\n"
                                 "  mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E3, MB3E6]}\n");
    ck_assert_int_eq(modnas_config_set(config_cfg, "routine", "search"), 0);
    ck_assert_int_eq(modnas_config_override(config_cfg, "estim.search.epochs=1"), 0);
    config_expect_at("estim.search.epochs", "1");
    ck_assert_int_eq(modnas_config_override(config_cfg, "search.estim.search.epochs=2"), 0);
    config_expect_at("estim.search.epochs", "2");
    ck_assert_int_eq(modnas_config_override(config_cfg, "routine.estim.search.epochs=3"), 0);
    config_expect_at("estim.search.epochs", "3");
    ck_assert_int_eq(modnas_config_override(config_cfg, "mixed_op.candidates.1=NIL"), 0); /* numbers index lists */
    config_expect_at("mixed_op.candidates", "[\"MB3E3\",\"NIL\"]");
    ck_assert_int_eq(modnas_config_override(config_cfg, "mixed_op.candidates=[MB5E6]"), 0); /* a list is replaced */
    config_expect_at("mixed_op.candidates", "[\"MB5E6\"]");
    ck_assert_int_eq(modnas_config_override(config_cfg, "chkpt=a=b=c"), 0); /* split at the first '=' */
    config_expect_at("chkpt", "\"a=b=c\"");
    ck_assert_int_eq(modnas_config_override(config_cfg, "search={seed: 7, threads: 1}"), 0);
    config_expect_at("seed", "7");
    config_expect_at("estim.search.epochs", "3");
}
END_TEST

START_TEST(overrides_in_files) {
    config_must_add(CONFIG_MODEL
                    "seed: 1\nname: a=b\noverride:\n  - seed=2\n  - threads: 3\n    model.args: {dropout_rate: 0.1}\n"
                    "  - [[model.args.width_coeff=2]]\n");
    config_expect_at("seed", "2");
    config_expect_at("threads", "3");
    config_expect_at("model.args", "{\"n_classes\":10,\"dropout_rate\":0.1,\"width_coeff\":2}");
    char where[60];
    ck_assert_str_eq(mn_node_where(mn_node_get(config_tree(), "seed"), where, sizeof where), "c.yaml:5");
}
END_TEST

START_TEST(bad_overrides) {
    config_must_add(CONFIG_MODEL "seed: 1\nimport: [modnas.a]\n");
    ck_assert_int_eq(modnas_config_override(config_cfg, "seed"), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(config_ctx), "-o seed: 'seed' is no assignment, KEY=VALUE is wanted");
    ck_assert_int_eq(modnas_config_override(config_cfg, "=1"), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(config_ctx), "-o =1: the path '' has an empty part");
    ck_assert_int_eq(modnas_config_override(config_cfg, "a..b=1"), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(config_ctx), "-o a..b=1: the path 'a..b' has an empty part");
    ck_assert_int_eq(modnas_config_override(config_cfg, "seed=[1"), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(config_ctx),
                     "-o seed=[1: while parsing a flow sequence: did not find expected ',' or ']'");
    config_expect_at("seed", "1"); /* none of these left anything behind */
    ck_assert_int_eq(modnas_config_override(config_cfg, "seed.x.y=1"), 0);
    config_expect_fail(MODNAS_ECONFIG, "-o seed.x.y=1: 'seed' (c.yaml:2) is the number 1, not a map");
}
END_TEST

START_TEST(bad_override_index) {
    config_must_add(CONFIG_MODEL "import: [modnas.a]\n");
    ck_assert_int_eq(modnas_config_override(config_cfg, "import.1=modnas.b"), 0);
    config_expect_fail(MODNAS_ECONFIG,
                       "-o import.1=modnas.b: 'import' (c.yaml:2) is a list of 1, '1' is no index of it");
}
END_TEST

START_TEST(override_without_routine) {
    config_must_add(CONFIG_MODEL "search: {seed: 1}\n");
    ck_assert_int_eq(modnas_config_override(config_cfg, "routine.seed=1"), 0);
    config_expect_fail(MODNAS_ECONFIG, "-o routine.seed=1: no routine is selected");
}
END_TEST

START_TEST(override_makes_no_section) {
    config_must_add(CONFIG_MODEL);
    ck_assert_int_eq(modnas_config_override(config_cfg, "serch.seed=1"), 0);
    config_expect_fail(MODNAS_ECONFIG, "-o serch.seed=1: there is no section 'serch'");
}
END_TEST

START_TEST(wrong_values_from_the_command_line) {
    config_must_add(CONFIG_MODEL);
    ck_assert_int_eq(modnas_config_override(config_cfg, "model.args.n_classes=banana"), 0);
    config_expect_fail(
        MODNAS_ECONFIG,
        "-o model.args.n_classes=banana: CIFAR_MobileNetV2.n_classes: an integer is wanted, not the string 'banana'");
    ck_assert_int_eq(modnas_config_override(config_cfg, "model.args.n_classes=10"), 0);
    ck_assert_int_eq(modnas_config_set(config_cfg, "name", "a/b"), 0);
    config_expect_fail(MODNAS_ECONFIG, "option name: name: 'a/b' would leave exp/");
}
END_TEST

/* An override is for the routine that runs; a section that does not run must not fail because of it. */
START_TEST(overrides_do_not_reach_other_sections) {
    config_must_add(CONFIG_MODEL "search: {construct: {a: {type: TorchToDevice, args: {device: all}}}}\n"
                                 "augment: {construct: {a: MobileNetV2PredefinedConstructor}}\n");
    ck_assert_int_eq(modnas_config_set(config_cfg, "routine", "search"), 0);
    ck_assert_int_eq(modnas_config_override(config_cfg, "construct.a.args.device=cpu"), 0);
    config_expect_at("construct.a.args.device", "\"cpu\"");
    ck_assert_int_eq(modnas_config_override(config_cfg, "augment.threads=0"), 0);
    config_expect_fail(MODNAS_ECONFIG, "-o augment.threads=0: threads: 0 is not in 1..256");
}
END_TEST

START_TEST(files) {
    char path[] = "/tmp/test_config_XXXXXX";
    const int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    FILE *f = fdopen(fd, "w");
    fputs("seed: 1\nmodle: 2\n", f);
    fclose(f);
    ck_assert_int_eq(modnas_config_add_file(config_cfg, path), 0);
    char message[100];
    snprintf(message, sizeof message, "%s:2: unknown key 'modle'; did you mean 'model'?", path);
    config_expect_fail(MODNAS_ECONFIG, message);
    remove(path);
    ck_assert_int_eq(modnas_config_add_file(config_cfg, path), MODNAS_ENOTFOUND);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(config_ctx), path));
}
END_TEST

START_TEST(bad_files_change_nothing) {
    config_must_add("seed: 1\n");
    config_expect_at("seed", "1");
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"", "c.yaml:1: the file is empty"},
        {"# nothing\n", "c.yaml:1: the file is empty"},
        {"- a\n", "c.yaml:1: a map of keys is wanted, not a list"},
        {"seed: 2\n--- 5\n", "c.yaml:2: a map of keys is wanted, not the number 5"},
        {"seed: 2\nseed: 3\n", "c.yaml:2: key 'seed' is there twice"},
        {"seed:\n", "c.yaml:1: 'seed' is empty"},
        {"seed: 2\noverride: [a..b=1]\n", "c.yaml:2: the path 'a..b' has an empty part"},
        {"seed: 2\noverride: ['seed=[1']\n",
         "c.yaml:2: while parsing a flow sequence: did not find expected ',' or ']'"},
        {"a: [1\n", "c.yaml:2: while parsing a flow sequence: did not find expected ',' or ']'"},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        ck_assert_int_eq(config_add(rows[i].text), MODNAS_ECONFIG);
        ck_assert_str_eq(modnas_errmsg(config_ctx), rows[i].message);
        config_expect_at("seed", "1");
    }
}
END_TEST

START_TEST(arguments) {
    char *text = NULL;
    ck_assert_int_eq(modnas_config_new(NULL, &config_cfg), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_config_new(config_ctx, NULL), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_config_add_file(NULL, "x"), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_config_add_file(config_cfg, NULL), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_config_add_text(config_cfg, NULL, 3, "x"), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_config_set(config_cfg, NULL, "1"), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_config_override(config_cfg, NULL), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_config_check(NULL), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_config_json(config_cfg, NULL), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_config_json(NULL, &text), MODNAS_EINVAL);
    modnas_config_free(NULL);
}
END_TEST

static int whole_round(void) {
    static const char text[] = CONFIG_MODEL
        "override: [{threads: 1}]\ninit: {args: {seed: 1}}\nsearch: {estim: [{name: a, type: DefaultEstim}]}\n"
        "augment: {data: RandData, train_data: {args: {classes: 3}}}\n";
    modnas_config *c = NULL;
    mn_estim_conf *conf = NULL;
    const mn_node *t;
    char *json = NULL;
    int rc = modnas_config_new(config_ctx, &c);
    if (!rc) rc = modnas_config_add_text(c, text, sizeof text - 1, "m");
    if (!rc) rc = modnas_config_set(c, "routine", "search");
    if (!rc) rc = modnas_config_override(c, "search.estim.0.epochs=2");
    if (!rc) rc = modnas_config_json(c, &json);
    if (!rc) rc = mn_config_tree(c, &t);
    if (!rc) rc = mn_estim_conf_load(config_ctx, mn_node_path(t, "estim.a"), &conf);
    if (!rc) ck_assert_int_eq(conf->epochs, 2);
    mn_estim_conf_free(config_ctx, conf);
    modnas_string_free(config_ctx, json);
    modnas_config_free(c);
    return rc;
}

/* Every allocation fails once: MODNAS_ENOMEM, nothing kept. */
START_TEST(out_of_memory) {
    const int64_t live = config_host.live;
    int n = 0;
    for (int rc = MODNAS_ENOMEM; rc; n++) {
        config_host.left = n;
        rc = whole_round();
        config_host.left = -1;
        ck_assert_msg(rc == 0 || rc == MODNAS_ENOMEM, "allocation %d: %d %s", n, rc, modnas_errmsg(config_ctx));
        ck_assert_int_eq(config_host.live, live);
    }
    ck_assert_int_gt(n, 300);
}
END_TEST

int main(void) {
    const TTest *const layers[] = {files_merge,
                                   documents_replace,
                                   order_of_layers,
                                   routine_by_flag_and_override,
                                   overrides_by_path,
                                   overrides_in_files,
                                   bad_overrides,
                                   bad_override_index,
                                   override_without_routine,
                                   override_makes_no_section,
                                   wrong_values_from_the_command_line,
                                   overrides_do_not_reach_other_sections,
                                   NULL};
    const TTest *const rest[] = {files, bad_files_change_nothing, arguments, out_of_memory, NULL};
    Suite *s = suite_create("config");
    util_add(s, "layers", config_setup, config_teardown, layers);
    util_add(s, "rest", config_setup, config_teardown, rest);
    return util_run(s);
}
