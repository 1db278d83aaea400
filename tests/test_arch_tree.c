/* Architectures by the names of modules: written as the original does, and read back, which the original cannot. */
#include <string.h>

#include "util_model.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))
#define INDEX "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3, MB5E6]}\n"
#define BLOCK "MobileInvertedResidualBlock_"
#define TREE  "construct: {arch_desc: DefaultRecursiveArchDescConstructor}\narch_desc: "

/* The names of a network of MODEL_NET are those of the original's module tree. */
START_TEST(descriptions_have_the_names_of_modules) {
    mn_model *m = model_of(MODEL_NET "construct: {s: {type: MobileNetV2SearchConstructor, args: {mixed_op: BinaryGate,"
                                     " add_zero_op: false, candidates: [MB3E1]}}}\n",
                           MODNAS_F32);
    char *text = model_exported(m, "export: {d: DefaultRecursiveExporter}\n");
    ck_assert_str_eq(text, "{\"conv_first\":{\"0\":{},\"1\":{},\"2\":{}},\"bottlenecks\":{\"Bottlenecks_0\":{\"" BLOCK
                           "0_0\":{\"conv\":null}},\"Bottlenecks_1\":{\"" BLOCK "1_0\":{\"conv\":[\"MB3E1\"]},\"" BLOCK
                           "1_1\":{\"conv\":[\"MB3E1\"]}}},\"conv_last\":{\"0\":{},\"1\":{},\"2\":{}},\"avgpool\":{},"
                           "\"dropout\":{},\"fc\":{}}");
    mn_free(model_ctx, text);
    mn_model_free(m);
}
END_TEST

START_TEST(what_is_written_is_read_back) {
    static const int32_t paths[][3] = {{0, 1, 2}, {2, 2, 0}, {1, 0, 1}};
    for (size_t i = 0; i < MN_COUNT(paths); i++) {
        mn_model *m = model_of(MODEL_NET INDEX, MODNAS_F32);
        mn_str config = {.ctx = model_ctx};
        for (int32_t k = 0; k < 3; k++) mn_space_categorical_at(m->space, k)->index = paths[i][k];
        char *text = model_exported(m, "export: {d: DefaultRecursiveExporter}\n");
        mn_str_addf(&config, MODEL_NET TREE "%s\n", text);
        mn_model *n = model_of(config.text, MODNAS_F32);
        for (int32_t k = 0; k < 3; k++)
            ck_assert_str_eq(mn_model_slot(n, (size_t)k)->op, mn_mixed_candidate(mn_model_mixed(m, k), paths[i][k]));
        mn_free(model_ctx, text);
        mn_str_free(&config);
        mn_model_free(n);
        mn_model_free(m);
    }
}
END_TEST

/* Names of the operators in the Slots, "-" for the backbone's own. */
static void expect_ops(const char *config, const char *ops) {
    mn_model *m = model_of(config, MODNAS_F32);
    mn_str text = {.ctx = model_ctx};
    for (size_t i = 0; i < m->slots.n; i++)
        mn_str_addf(&text, "%s%s", i ? " " : "", mn_model_slot(m, i)->op ? mn_model_slot(m, i)->op : "-");
    ck_assert_str_eq(text.text, ops);
    mn_str_free(&text);
    mn_model_free(m);
}

#define BLOCKS(first, second)                                                                                          \
    "{bottlenecks: {Bottlenecks_0: {" BLOCK "0_0: {conv: " first "}}, Bottlenecks_1: {" BLOCK "1_0: {conv: " second    \
    "}, " BLOCK "1_1: {conv: MB3E1}}}}\n"

START_TEST(items_take_every_form) {
    expect_ops(MODEL_NET TREE BLOCKS("MB5E6", "[NC3]"), "MB5E6 NC3 MB3E1");
    expect_ops(MODEL_NET TREE BLOCKS("null", "{type: SC5}"), "- SC5 MB3E1");
    expect_ops(MODEL_NET TREE BLOCKS("{ent: {'0': {}, '1': {}}}", "MB3E3"),
               "- MB3E3 MB3E1"); /* the original's, of an own one */
    expect_ops(MODEL_NET TREE "MB3E3\n", "MB3E3 MB3E3 MB3E3");
    expect_ops(MODEL_NET TREE "[MB3E3]\n", "MB3E3 MB3E3 MB3E3");
    expect_ops(MODEL_NET TREE "{conv_first: {'0': {}}, fc: null}\n", "- - -"); /* no Slot named: the backbone's own */
    /* what another constructor filled is left alone */
    expect_ops(MODEL_NET
               "construct: {p: MobileNetV2PredefinedConstructor, t: {type: DefaultRecursiveArchDescConstructor,"
               " args: {arch_desc: MB3E3}}}\n",
               "- - -");
}
END_TEST

START_TEST(wrong_trees_are_refused) {
    static const char *const cases[][2] = {
        {"{bottleneck: {}}\n", "test.yaml:4: arch_desc: model 'MobileNetV2' has no part 'bottleneck'"},
        {"{bottlenecks: {Bottlenecks_0: {b: MB3E3}}}\n", "module 'bottlenecks.Bottlenecks_0' has no part 'b'"},
        {"{fc: MB3E3}\n", "has no Slot 'fc'"},
        {"[MB3E3, MB3E3, MB3E3]\n", "a list of 3, wanted a map by names of modules"},
        {BLOCKS("[MB3E3, MB5E3]", "MB3E3"),
         "slot 0 (8 -> 8 channels, stride 1): a list, wanted the name of one operator"},
        {BLOCKS("5", "MB3E3"), "wanted the name of an operator"},
        {BLOCKS("MB3E3", "NIL"), "test.yaml:4: slot 1 (8 -> 16 channels, stride 2): NIL needs equal channels"},
        {"{bottlenecks: {Bottlenecks_0: {" BLOCK "0_0: {conv: MB3E3}}}}\n",
         "slot 1 (8 -> 16 channels, stride 2) of MobileNetV2 is empty"}};
    for (size_t i = 0; i < MN_COUNT(cases); i++) {
        mn_str config = {.ctx = model_ctx};
        mn_str_addf(&config, MODEL_NET TREE "%s", cases[i][0]);
        expect_refused(config.text, MODNAS_ECONFIG, cases[i][1], NULL);
        mn_str_free(&config);
    }
    expect_refused(TREE "MB3E3\n", MODNAS_ECONFIG, "no model to build it in", NULL);
}
END_TEST

int main(void) {
    Suite *s = suite_create("arch_tree");
    util_add(s, "arch_tree", model_setup, model_teardown,
             (const TTest *[]){descriptions_have_the_names_of_modules, what_is_written_is_read_back,
                               items_take_every_form, wrong_trees_are_refused, NULL});
    return util_run(s);
}
