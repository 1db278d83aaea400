/* Exporters: the texts that the original's exporters give for such models, and the way back: what is exported builds
 * the network that the most probable candidates make. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util_model.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))
/* 3 Slots: 8 -> 8 stride 1, 8 -> 16 stride 2, 16 -> 16 stride 1 */
#define NET                                                                                                            \
    "backend: ref\n"                                                                                                   \
    "model: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [1, 8, 1, 1], [3, 16, 2, 2]], n_classes: 3, input: [2, "   \
    "6, 6], width_coeff: 0}}\n"
#define SEARCH(op)                                                                                                     \
    NET "construct: {s: {type: MobileNetV2SearchConstructor, args: {candidates: [MB3E3, MB5E3], mixed_op: " op "}}}\n"
#define MIXED(op) NET "mixed_op: {type: " op ", candidates: [MB3E3, MB5E3]}\n"

static char path[64];

static void setup(void) {
    model_setup();
    snprintf(path, sizeof path, "/tmp/test_export_%ld.yaml", (long)getpid());
}

static void teardown(void) {
    unlink(path);
    model_teardown();
}

/* alpha grows with the candidate's index in the first and third mixed op, falls in the second; the last index is the
 * first choice. */
static void set_alphas(mn_model *m) {
    for (int32_t i = 0; i < mn_model_n_mixed(m); i++) {
        mn_mixed *x = mn_model_mixed(m, i);
        double alpha[8];
        for (int32_t k = 0; k < x->n; k++) alpha[k] = i == 1 ? 0 - 0.5 * k : 0.25 * k;
        if (x->param->type == MN_TENSOR)
            OK(mn_mixed_set_alpha(x, alpha));
        else
            x->param->index = i == 1 ? 0 : x->n - 1;
    }
}

static mn_exporter *exporter_of(const char *spec_text) {
    mn_node *spec = yaml(spec_text);
    mn_exporter *e = NULL;
    OK(mn_registry_build(model_ctx, "export", spec, NULL, NULL, NULL, &e));
    mn_node_free(model_ctx, spec);
    return e;
}

static void expect_desc(mn_exporter *e, mn_model *m, const char *json) {
    mn_node *desc;
    mn_str text = {.ctx = model_ctx};
    OK(e->run(e, m, &desc));
    mn_node_json(&text, desc);
    ck_assert_str_eq(text.text, json);
    mn_str_free(&text);
    mn_node_free(model_ctx, desc);
}

typedef struct sample {
    const char *config, *exporter, *json;
} sample;

static const sample samples[] = {
    {SEARCH("BinaryGateMixedOp"), "DefaultSlotTraversalExporter", "[null,[\"MB5E3\"],[\"MB3E3\"]]"},
    {SEARCH("SoftmaxSumMixedOp"), "{type: DefaultSlotTraversalExporter, args: {fn_args: {k: 2}}}",
     "[null,[\"MB5E3\",\"MB3E3\"],[\"MB3E3\",\"MB5E3\"]]"},
    {MIXED("GumbelSumMixedOp"), "DefaultSlotTraversalExporter", "[[\"MB5E3\"],[\"MB3E3\"],[\"MB5E3\"]]"},
    {MIXED("GumbelSumMixedOp"), "{type: DefaultSlotTraversalExporter, args: {fn_args: {k: 9}}}",
     "[[\"MB5E3\",\"MB3E3\"],[\"MB3E3\",\"MB5E3\"],[\"MB5E3\",\"MB3E3\"]]"},
    {MIXED("IndexMixedOp"), "DefaultSlotTraversalExporter", "[\"MB5E3\",\"MB3E3\",\"MB5E3\"]"},
    {NET, "DefaultSlotTraversalExporter", "[null,null,null]"},
    {NET "arch_desc: [MB3E3, MB3E3, MB3E3]\n", "DefaultSlotTraversalExporter", "[null,null,null]"},
    {SEARCH("BinaryGateMixedOp"), "DefaultMixedOpExporter", "[[\"MB5E3\"],[\"MB3E3\"]]"},
    {SEARCH("BinaryGateMixedOp"), "{type: DefaultMixedOpExporter, args: {fn_args: {k: 2}}}",
     "[[\"MB5E3\",\"MB3E3\"],[\"MB3E3\",\"MB5E3\"]]"},
    {MIXED("IndexMixedOp"), "DefaultParamsExporter", "{\"c_0\":\"MB5E3\",\"c_1\":\"MB3E3\",\"c_2\":\"MB5E3\"}"},
    {MIXED("IndexMixedOp"), "{type: DefaultParamsExporter, args: {with_keys: false}}",
     "[\"MB5E3\",\"MB3E3\",\"MB5E3\"]"},
    {MIXED("IndexMixedOp"), "{type: DefaultParamsExporter, args: {export_fmt: '{c_0}-{c_1}'}}", "\"MB5E3-MB3E3\""},
    {MIXED("IndexMixedOp"), "{type: DefaultParamsExporter, args: {export_fmt: '{{{}}}/{}/{2}', with_keys: false}}",
     "\"{MB5E3}/MB3E3/MB5E3\""},
    {SEARCH("BinaryGateMixedOp"), "DefaultParamsExporter", "{\"t_0\":[0.0,0.25],\"t_1\":[0.0,-0.5,-1.0]}"},
    {NET, "DefaultParamsExporter", "{}"},
    {NET, "{type: DefaultParamsExporter, args: {export_fmt: ''}}", "\"\""},
    {SEARCH("IndexMixedOp"),
     "{type: MergeExporter, args: {exporters: {a: DefaultSlotTraversalExporter, p: DefaultParamsExporter}}}",
     "{\"a\":[null,\"MB5E3\",\"MB3E3\"],\"p\":{\"c_0\":\"MB5E3\",\"c_1\":\"MB3E3\"}}"},
    {MIXED("IndexMixedOp"),
     "{type: MergeExporter, args: {exporters: [DefaultMixedOpExporter, {type: DefaultParamsExporter, args: "
     "{export_fmt: x}}]}}",
     "{\"0\":[\"MB5E3\",\"MB3E3\",\"MB5E3\"],\"1\":\"x\"}"},
};

START_TEST(descriptions_as_published) {
    const sample *x = &samples[_i];
    mn_model *m = model_of(x->config, MODNAS_F32);
    mn_exporter *e = exporter_of(x->exporter);
    set_alphas(m);
    expect_desc(e, m, x->json);
    expect_desc(e, m, x->json); /* an exporter keeps nothing of a model */
    mn_exporter_free(e);
    mn_model_free(m);
}
END_TEST

typedef struct section {
    const char *config, *json;
} section;

static const section sections[] = {
    {"{}", "[null,\"MB5E3\",\"MB3E3\"]"},
    {"export: {}", "[null,\"MB5E3\",\"MB3E3\"]"},
    {"backend: none", "{\"c_0\":\"MB5E3\",\"c_1\":\"MB3E3\"}"},
    {"export: {default: DefaultMixedOpExporter}", "[\"MB5E3\",\"MB3E3\"]"},
    {"export: DefaultMixedOpExporter", "[\"MB5E3\",\"MB3E3\"]"},
    {"export: {a: DefaultMixedOpExporter, p: DefaultParamsExporter}",
     "{\"a\":[\"MB5E3\",\"MB3E3\"],\"p\":{\"c_0\":\"MB5E3\",\"c_1\":\"MB3E3\"}}"},
};

START_TEST(the_section_of_a_configuration) {
    mn_model *m = model_of(SEARCH("IndexMixedOp"), MODNAS_F32);
    mn_node *tree = yaml(sections[_i].config);
    mn_exporter *e = NULL;
    set_alphas(m);
    OK(mn_exporters_build(model_ctx, tree, &e));
    expect_desc(e, m, sections[_i].json);
    mn_exporter_free(e);
    mn_node_free(model_ctx, tree);
    mn_model_free(m);
}
END_TEST

START_TEST(null_means_none) {
    mn_node *tree = yaml("export: null");
    mn_exporter *e = (mn_exporter *)1;
    OK(mn_exporters_build(model_ctx, tree, &e));
    ck_assert_ptr_null(e);
    mn_exporter_free(e);
    mn_node_free(model_ctx, tree);
}
END_TEST

static void expect_bad_spec(const char *spec_text, const char *text) {
    mn_node *spec = yaml(spec_text);
    mn_exporter *e = NULL;
    ck_assert_int_lt(mn_registry_build(model_ctx, "export", spec, NULL, NULL, NULL, &e), 0);
    ck_assert_ptr_null(e);
    ck_assert_msg(strstr(modnas_errmsg(model_ctx), text) != NULL, "%s", modnas_errmsg(model_ctx));
    mn_node_free(model_ctx, spec);
}

START_TEST(wrong_arguments_are_named) {
    static const char *const formats[][2] = {
        {"{c_9}", "{c_9}"}, {"{c_0", "without '}'"}, {"c_0}", "without '{'"}, {"{0}", "{0}"}};
    expect_bad_spec("{type: DefaultSlotTraversalExporter, args: {fn_args: {k: 0}}}", "k is no whole number");
    expect_bad_spec("{type: DefaultSlotTraversalExporter, args: {fn_args: {k: 1, n: 2}}}", "only k");
    expect_bad_spec("{type: MergeExporter, args: {exporters: {a: Nothing}}}", "Nothing");
    expect_bad_spec("{type: MergeExporter}", "exporters");
    expect_bad_spec("{type: DefaultToFileExporter, args: {path: x, ext: pkl}}", "ext");
    mn_model *m = model_of(MIXED("IndexMixedOp"), MODNAS_F32);
    for (size_t i = 0; i < MN_COUNT(formats); i++) {
        mn_str spec = {.ctx = model_ctx};
        mn_node *desc = NULL;
        mn_str_addf(&spec, "{type: DefaultParamsExporter, args: {export_fmt: '%s'}}", formats[i][0]);
        mn_exporter *e = exporter_of(spec.text);
        ck_assert_int_eq(e->run(e, m, &desc), MODNAS_ECONFIG);
        ck_assert_ptr_null(desc);
        ck_assert_ptr_nonnull(strstr(modnas_errmsg(model_ctx), formats[i][1]));
        mn_exporter_free(e);
        mn_str_free(&spec);
    }
    mn_model_free(m);
}
END_TEST

/* ---- there and back ------------------------------------------------------------------------------------ */

/* What the inner exporter says, and a file that another network takes; NAME.pt is NAME.safetensors. */
START_TEST(weights_beside_a_description) {
    char weights[128], spec[256], config[512];
    snprintf(weights, sizeof weights, "/tmp/test_export_%ld", (long)getpid());
    snprintf(spec, sizeof spec, "{type: DefaultTorchCheckpointExporter, args: {path: %s.pt, exporter: DefaultParamsExporter}}", weights);
    mn_model *m = model_of(MODEL_NET "seed: 7\n", MODNAS_F32);
    mn_exporter *e = exporter_of(spec);
    mn_node *desc;
    OK(e->run(e, m, &desc));
    ck_assert(desc->kind == MN_MAP && desc->n == 0); /* no architecture parameters */
    snprintf(config, sizeof config, MODEL_NET "seed: 8\nchkpt: %s.safetensors\n", weights);
    mn_model *other = model_of(config, MODNAS_F32);
    double a[64], b[64];
    OK(mn_param_get(model_param(m, "fc.bias"), a));
    OK(mn_param_get(model_param(other, "fc.bias"), b));
    ck_assert_mem_eq(a, b, 3 * sizeof *a);
    mn_node_free(model_ctx, desc);
    mn_exporter_free(e);
    e = exporter_of("{type: DefaultTorchCheckpointExporter, args: {path: /tmp/no/such/folder/w}}");
    ck_assert_int_eq(e->run(e, m, &desc), MODNAS_EIO);
    mn_exporter_free(e);
    mn_model_free(other);
    mn_model_free(m);
    snprintf(config, sizeof config, "%s.safetensors", weights);
    ck_assert_int_eq(remove(config), 0);
}
END_TEST

/* Write what `super` exports to a file, build `derived` from it: every Slot holds the most probable candidate, or the
 * backbone's own where the supernet does, and the file's text is YAML. */
static void round_trip(const char *super, const char *derived) {
    mn_model *m = model_of(super, MODNAS_F32);
    mn_str config = {.ctx = model_ctx}, spec = {.ctx = model_ctx};
    mn_rng rng;
    mn_rng_init(&rng, 6, 1, 0);
    for (int32_t i = 0; i < mn_model_n_mixed(m); i++) {
        mn_mixed *x = mn_model_mixed(m, i);
        double alpha[8];
        for (int32_t k = 0; k < x->n; k++) alpha[k] = mn_rng_normal(&rng);
        if (x->param->type == MN_TENSOR)
            OK(mn_mixed_set_alpha(x, alpha));
        else
            x->param->index = (int32_t)mn_rng_below(&rng, (uint64_t)x->n);
    }
    mn_str_addf(&spec, "{type: DefaultToFileExporter, args: {path: %s}}", path);
    mn_exporter *e = exporter_of(spec.text);
    mn_node *desc;
    OK(e->run(e, m, &desc));
    mn_node_free(model_ctx, desc);
    mn_str_addf(&config, "%sarch_desc: %s\n", derived, path);
    mn_model *d = model_of(config.text, MODNAS_F32);
    ck_assert_uint_eq(d->slots.n, m->slots.n);
    for (size_t i = 0; i < m->slots.n; i++) {
        const mn_mixed *x = mn_mixed_of(mn_model_slot(m, i)->entity);
        const char *op = mn_model_slot(d, i)->op;
        int32_t best = 0;
        if (!x) {
            ck_assert_ptr_null(op);
            continue;
        }
        OK(mn_mixed_top(x, 1, &best));
        ck_assert_str_eq(op, mn_mixed_candidate(x, best));
    }
    mn_model_free(d);
    mn_model_free(m);
    mn_exporter_free(e);
    mn_str_free(&config);
    mn_str_free(&spec);
}

#define CIFAR "backend: ref\nmodel: {type: CIFAR_MobileNetV2_GPU, args: {n_classes: 10}}\n"
#define SIX   "candidates: [MB3E3, MB3E6, MB5E3, MB5E6, MB7E3, MB7E6]"

START_TEST(what_is_exported_builds_the_network) {
    round_trip(NET "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E1, MB5E3, MB7E6]}\n", NET);
    round_trip(NET "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB5E3, MB7E6]}\n", NET);
    round_trip(CIFAR "construct: {s: {type: MobileNetV2SearchConstructor, args: {mixed_op: BinaryGateMixedOp, " SIX
                     "}}}\n",
               CIFAR);
    round_trip(CIFAR "construct: {s: {type: MobileNetV2SearchConstructor, args: {mixed_op: IndexMixedOp, " SIX "}}}\n",
               CIFAR "construct: {arch_desc: MobileNetV2ArchDescConstructor}\n");
}
END_TEST

static void expect_file(const char *name, const char *text) {
    char *data;
    size_t bytes;
    OK(mn_file_read(model_ctx, name, 1 << 16, &data, &bytes));
    ck_assert_str_eq(data, text);
    mn_free(model_ctx, data);
    unlink(name);
}

START_TEST(files_by_ending) {
    mn_node *desc = yaml("[null, [MB3E3], MB5E3]");
    char name[80];
    snprintf(name, sizeof name, "/tmp/test_export_%ld.json", (long)getpid());
    OK(mn_desc_write(model_ctx, desc, name));
    expect_file(name, "[null,[\"MB3E3\"],\"MB5E3\"]\n");
    OK(mn_desc_write(model_ctx, desc, path));
    char *data;
    size_t bytes;
    OK(mn_file_read(model_ctx, path, 1 << 16, &data, &bytes));
    mn_node *docs;
    OK(mn_yaml_read(model_ctx, data, bytes, path, &docs));
    ck_assert(docs->n == 1 && mn_node_equal(docs->items[0], desc));
    ck_assert_int_eq(mn_desc_write(model_ctx, desc, "/tmp/no/such/folder/x.yaml"), MODNAS_EIO);
    mn_node_free(model_ctx, docs);
    mn_free(model_ctx, data);
    mn_node_free(model_ctx, desc);
    mn_model *m = model_of(MIXED("IndexMixedOp"), MODNAS_F32); /* an ending is added to a path without one */
    mn_str spec = {.ctx = model_ctx};
    snprintf(name, sizeof name, "/tmp/test_export_%ld", (long)getpid());
    mn_str_addf(&spec,
                "{type: DefaultToFileExporter, args: {path: %s, ext: json, exporter: {type: DefaultParamsExporter, "
                "args: {with_keys: false}}}}",
                name);
    mn_exporter *e = exporter_of(spec.text);
    expect_desc(e, m, "[\"MB3E3\",\"MB3E3\",\"MB3E3\"]");
    snprintf(name, sizeof name, "/tmp/test_export_%ld.json", (long)getpid());
    expect_file(name, "[\"MB3E3\",\"MB3E3\",\"MB3E3\"]\n");
    mn_exporter_free(e);
    mn_str_free(&spec);
    mn_model_free(m);
}
END_TEST

static void add_loop(Suite *s, const char *name, const TTest *test, size_t n) {
    TCase *t = tcase_create(name);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, test, 0, (int)n);
    suite_add_tcase(s, t);
}

int main(void) {
    Suite *s = suite_create("export");
    add_loop(s, "descriptions", descriptions_as_published, MN_COUNT(samples));
    add_loop(s, "sections", the_section_of_a_configuration, MN_COUNT(sections));
    util_add(s, "export", setup, teardown,
             (const TTest *[]){null_means_none, weights_beside_a_description, wrong_arguments_are_named, what_is_exported_builds_the_network,
                               files_by_ending, NULL});
    return util_run(s);
}
