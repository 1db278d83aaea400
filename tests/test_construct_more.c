/* Constructors that are rarely needed: other layers in the place of old ones, the second stage of StacNAS, spaces
 * without a network; and those that only Python can use, refused with what does it here. */
#include <stdio.h>
#include <string.h>

#include "module/layers.h"
#include "util_model.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

/* ---- other layers -------------------------------------------------------------------------------------- */

#define NET                                                                                                            \
    "backend: ref\nmodel:\n  type: Sequential\n  args:\n    input: [2, 8, 8]\n    layers:\n"                         \
    "      stem: {type: ConvBNAct, args: {out_channels: 4, stride: 2, activation: ReLU6}}\n"                          \
    "      deep: {type: Residual, args: {layers: [{type: Conv2d, args: {out_channels: 4, kernel_size: 5, padding: same, groups: 2}}, ReLU]}}\n"    \
    "      pool: GlobalAvgPool\n      fc: {type: Linear, args: {out_features: 3}}\n"
#define CONVERT(args) NET "construct: {t: {type: DefaultTraversalConstructor, args: {" args "}}}\n"

/* Convolutions become Slots of their channels and strides: a search space out of a fixed network. */
START_TEST(slots_in_place) {
    mn_model *m = model_of(NET "construct: {t: {type: DefaultTraversalConstructor, args: {by_classname: Conv2d, convert: Slot}},"
                           " fill: {type: DefaultOpConstructor, args: {op: NC3}}}\n", MODNAS_F32);
    ck_assert_uint_eq(m->slots.n, 2);
    const mn_slot *a = mn_model_slot(m, 0), *b = mn_model_slot(m, 1);
    ck_assert(a->chn_in == 2 && a->chn_out == 4 && a->stride == 2);
    ck_assert(b->chn_in == 4 && b->chn_out == 4 && b->stride == 1);
    /* NC3: batch norm of what comes in, 3x3: 4 + 72, 8 + 144; the stem's batch norm 8, fc 15 */
    ck_assert_int_eq(mn_model_n_params(m), 76 + 152 + 8 + 15);
    model_param(m, "deep.layers.0.ent.net.0.weight");
    mn_model_free(m);
}
END_TEST

/* A convolution gets what the old one was told, but for what it says; an activation is found by its name. */
START_TEST(layers_in_place) {
    mn_model *m = model_of(CONVERT("by_class: [Conv2d], convert: {type: Conv2d, args: {bias: false}}"), MODNAS_F32);
    ck_assert_int_eq(mn_model_n_params(m), 72 + 8 + 4 * 2 * 25 + 15); /* the second one had a bias of 4 */
    mn_model_free(m);
    m = model_of(CONVERT("by_classname: ReLU6, convert: Hardswish"), MODNAS_F32);
    ck_assert_int_eq(mn_activation_of(mn_module_child(mn_module_child(m->root, "stem"), "2")), MODNAS_ACT_HARD_SWISH);
    ck_assert_int_eq(mn_activation_of(mn_module_child(mn_module_child(mn_module_child(m->root, "deep"), "layers"), "1")), MODNAS_ACT_RELU);
    mn_model_free(m);
}
END_TEST

START_TEST(traversal_refused) {
    expect_refused(CONVERT("by_classname: Conv3d, convert: Slot"), MODNAS_ECONFIG, "test.yaml:11", "no such layer", NULL);
    expect_refused(CONVERT("by_classname: 3, convert: Slot"), MODNAS_ECONFIG, "by_classname", "a name", NULL);
    expect_refused(CONVERT("by_classname: ReLU, convert: Relu7"), MODNAS_ENOTFOUND, "did you mean 'ReLU'", NULL);
    expect_refused(CONVERT("by_classname: ReLU, convert: {type: Linear, args: {out_features: 3}}"), MODNAS_ECONFIG, "in_features", NULL);
    expect_refused(CONVERT("by_classname: Conv2d, convert: {type: Conv2d, args: {out_channels: 6}}"), MODNAS_ESHAPE, "module", NULL);
}
END_TEST

/* ---- the second stage of StacNAS ----------------------------------------------------------------------- */

#define STAC                                                                                                           \
    MODEL_NET "construct: {second: {type: StacNASArchDescSearchConstructor, args: {arch_desc: [[MB3E1], [MB3E3], null], "   \
              "candidates_map: {MB3E1: [MB3E1, MB5E1, MB7E1], MB3E3: [MB3E3, MB5E3]}%s}}}\n"

START_TEST(groups_are_searched) {
    char config[1024];
    snprintf(config, sizeof config, STAC, ", mixed_op: BinaryGateMixedOp");
    mn_model *m = model_of(config, MODNAS_F32);
    ck_assert_int_eq(mn_model_n_mixed(m), 2);
    ck_assert_int_eq(mn_model_mixed(m, 0)->n, 3);
    ck_assert_str_eq(mn_mixed_candidate(mn_model_mixed(m, 0), 2), "MB7E1");
    ck_assert_int_eq(mn_model_mixed(m, 1)->n, 2);
    ck_assert_ptr_null(mn_mixed_of(mn_model_slot(m, 2)->entity)); /* null: the backbone's own */
    mn_model_free(m);
}
END_TEST

START_TEST(stacnas_refused) {
    expect_refused(MODEL_NET "construct: {s: {type: StacNASArchDescSearchConstructor, args: {arch_desc: [A, B], candidates_map: {}}}}\n",
                   MODNAS_ECONFIG, "arch_desc has 2 items, the model has 3", NULL);
    expect_refused(MODEL_NET "construct: {s: {type: StacNASArchDescSearchConstructor, args: {arch_desc: [MB3E1, MB3E1, MB3E1], candidates_map: {MB3E1: MB3E1}}}}\n",
                   MODNAS_ECONFIG, "candidates_map", "MB3E1: a list of candidates", NULL);
    expect_refused(MODEL_NET "construct: {s: {type: StacNASArchDescSearchConstructor, args: {arch_desc: [MB3E1, MB3E1, MB3E1], candidates_map: {MB3E1: [NIL]}}}}\n",
                   MODNAS_ECONFIG, "slot 1 (8 -> 16 channels, stride 2)", NULL);
}
END_TEST

/* ---- spaces -------------------------------------------------------------------------------------------- */

/* 2^32 by default, and 3^5; the graph of 7 nodes has 2^21 matrices and 3^5 labels: 509,607,936, the "510M" of its paper. */
START_TEST(spaces_without_a_network) {
    static const char *const rows[][2] = {{"FakeDataSpaceConstructor", "4294967296"},
                                          {"{type: FakeDataSpaceConstructor, args: {n_params: 5, dim: 3}}", "243"},
                                          {"NASBenchSpaceConstructor", "509607936"},
                                          {"{type: NASBenchSpaceConstructor, args: {n_nodes: 3}}", "24"}};
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        mn_str config = {.ctx = model_ctx}, size = {.ctx = model_ctx};
        mn_str_addf(&config, "backend: none\nconstruct: {space: %s}\n", rows[i][0]);
        mn_model *m = model_of(config.text, MODNAS_F32);
        OK(mn_space_size(m->space, &size));
        ck_assert_str_eq(size.text, rows[i][1]);
        mn_str_free(&config);
        mn_str_free(&size);
        mn_model_free(m);
    }
    mn_model *m = model_of("backend: none\nconstruct: {space: NASBenchSpaceConstructor}\n", MODNAS_F32);
    ck_assert_ptr_nonnull(mn_space_find(m->space, "edge_5_6"));
    ck_assert_str_eq(mn_space_find(m->space, "op_5")->choices->items[1]->text, "conv3x3-bn-relu");
    ck_assert_ptr_null(mn_space_find(m->space, "op_6"));
    mn_model_free(m);
    expect_refused("backend: none\nconstruct: {space: {type: FakeDataSpaceConstructor, args: {dim: 0}}}\n", MODNAS_ECONFIG, "dim", NULL);
    expect_refused("backend: none\nconstruct: {space: {type: NASBenchSpaceConstructor, args: {n_nodes: 1}}}\n", MODNAS_ECONFIG, "n_nodes", NULL);
}
END_TEST

START_TEST(python_is_refused) {
    expect_refused(MODEL_NET "construct: {m: {type: ExternalModelConstructor, args: {model_type: x, src_path: a.py}}}\n", MODNAS_EUNSUPPORTED,
                   "test.yaml:3", "Sequential", NULL);
    expect_refused(MODEL_NET "construct: {m: DefaultSlotTraversalConstructor}\n", MODNAS_EUNSUPPORTED, "modnas_slot_fill", NULL);
    expect_refused(MODEL_NET "construct: {m: DropPathTransformer}\n", MODNAS_EUNSUPPORTED, "DropPathConstructor", NULL);
}
END_TEST

int main(void) {
    Suite *s = suite_create("construct_more");
    util_add(s, "more", model_setup, model_teardown,
             (const TTest *[]){slots_in_place, layers_in_place, traversal_refused, groups_are_searched, stacnas_refused,
                               spaces_without_a_network, python_is_refused, NULL});
    return util_run(s);
}
