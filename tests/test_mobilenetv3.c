/* MobileNetV3: counts against those of the original's networks and of torchvision's (measured with PyTorch), names, what
 * constructors keep of a block, and what is refused. */
#include <string.h>

#include "util_nets.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

/* ---- counts -------------------------------------------------------------------------------------------- */

#define LARGE(args)      "model: {type: mobilenetv3_large, args: {" args "}}\n"
#define SMALL(args)      "model: {type: mobilenetv3_small, args: {" args "}}\n"
#define FIVE(op)         op "," op "," op "," op "," op
#define SAME_15(op)      "arch_desc: [" FIVE(op) "," FIVE(op) "," FIVE(op) "]\n"
#define SAME_11(op)      "arch_desc: [" FIVE(op) "," FIVE(op) "," op "]\n"
#define DESC(args)       "construct: {arch_desc: {type: MobileNetV3ArchDescConstructor, args: {" args "}}}\n"
#define SEARCH(args)                                                                                                   \
    "construct: {mixed_op: {type: MobileNetV3SearchConstructor, args: {mixed_op: IndexMixedOp, candidates: [M3B3E3, "  \
    "M3B3E6, M3B5E3, M3B5E6]" args "}}}\n"

/* config, parameters, multiply-adds (0: not looked at), Slots */
static const net_figure figures[] = {
    {"model: mobilenetv3_large\n", 5483032, 216589760, 15},
    {"model: mobilenetv3_small\n", 2709464, 56676288, 11},
    {SMALL("last_se: false"), 2542856, 56510400, 11}, /* torchvision's mobilenet_v3_small */
    {LARGE("width_mult: 0.35, n_classes: 10"), 2227618, 93870016, 15},
    {SMALL("width_mult: 0.35, n_classes: 10"), 749378, 26942992, 11},
    {LARGE("width_mult: 0.75, n_classes: 10"), 3329114, 180116416, 15},
    {SMALL("width_mult: 0.5, n_classes: 10"), 915898, 34531008, 11},
    {LARGE("width_mult: 1.25, n_classes: 10"), 5311858, 281026240, 15},
    {"model: mobilenetv3_large\nconstruct: {own: MobileNetV3PredefinedConstructor}\n", 5483032, 216589760, 15},
    {"model: mobilenetv3_large\n" SEARCH(""), 11081080, 0, 15},
    {"model: mobilenetv3_large\n" SEARCH(", keep_config: false"), 7145528, 0, 15},
    {"model: mobilenetv3_large\n" SEARCH(", fix_first: false"), 11096008, 0, 15},
    {"model: mobilenetv3_large\n" SEARCH(", add_zero_op: false"), 11081080, 0, 15},
    {"model: mobilenetv3_large\n" SEARCH(", keep_config: false, candidate_args: {use_se: 1, use_hs: 1}"), 12082904, 0, 15},
    {"model: mobilenetv3_small\n" SEARCH(""), 4443872, 0, 11},
    {"model: mobilenetv3_small\n" SEARCH(", keep_config: false"), 3132320, 0, 11},
    {"model: mobilenetv3_small\n" SEARCH(", keep_config: false, candidate_args: {use_se: 1, use_hs: 1}"), 4487040, 0, 11},
    {"model: mobilenetv3_large\n" SAME_15("M3B3E3") DESC(""), 3790464, 153412272, 15},
    {"model: mobilenetv3_large\n" SAME_15("M3B3E3") DESC("fix_first: false"), 3792192, 173081264, 15},
    {"model: mobilenetv3_large\n" SAME_15("M3B3E3") DESC("keep_config: false"), 3389504, 153014064, 15},
    {"model: mobilenetv3_large\n" SAME_15("M3B7E9") DESC(""), 8735832, 537056400, 15},
    {"model: mobilenetv3_large\n" SAME_15("M3B7E9"), 5217776, 674830352, 15}, /* neither kept */
    {"model: mobilenetv3_small\n" SAME_11("M3B5E6") DESC(""), 2814792, 71661984, 11},
    {"model: mobilenetv3_small\n" SAME_11("M3B5E6") DESC("keep_config: false, fix_first: false"), 2298280, 101499808, 11},
};

START_TEST(counts) {
    net_check_figure(&figures[_i]);
}
END_TEST

START_TEST(mixed_ops) {
    mn_model *m = model_of("backend: ref\nmodel: mobilenetv3_small\n" SEARCH(""), MODNAS_F32),
             *all = model_of("backend: ref\nmodel: mobilenetv3_small\n" SEARCH(", fix_first: false"), MODNAS_F32);
    ck_assert_int_eq(mn_model_n_mixed(m), 10); /* of 11 Slots */
    ck_assert_int_eq(mn_model_mixed(m, 0)->n, 4);
    ck_assert_int_eq(mn_model_mixed(m, 1)->n, 5); /* 24 -> 24, stride 1: NIL, too */
    ck_assert_int_eq(mn_model_n_mixed(all), 11);
    mn_model_free(m);
    mn_model_free(all);
}
END_TEST

/* ---- names --------------------------------------------------------------------------------------------- */

/* As PyTorch gives them to the original's modules. */
START_TEST(names_of_parameters) {
    static const char *const names[] = {
        "features.0.0.weight", "features.0.1.bias", "features.1.conv.ent.0.weight", "features.1.conv.ent.3.net.1.bias",
        "features.1.conv.ent.4.weight", "features.2.conv.ent.7.running_var", "features.11.conv.ent.6.net.3.weight",
        "features.11.conv.ent.8.weight", "conv.0.weight", "conv.1.weight", "conv.3.net.1.weight", "classifier.0.weight",
        "classifier.3.bias"};
    mn_model *m = model_of("backend: ref\nmodel: mobilenetv3_small\n", MODNAS_F32);
    for (size_t i = 0; i < MN_COUNT(names); i++) model_param(m, names[i]);
    mn_model_free(m);
}
END_TEST

/* ---- what the rows say --------------------------------------------------------------------------------- */

#define ROWS "cfgs: [[3, 0, 16, 0, 1, 1], [3, 16, 16, 1, 0, 1], [5, 40, 24, 0, 1, 2]]"

/* Width 0.75: 16 and 24 become 16 (12 is a half between 8 and 16) and 24 (18, of which 16 would lose more than a tenth),
 * the last 40 becomes 32 (30), 1024 becomes 768. Inside of blocks nothing changes. */
START_TEST(rows_are_scaled) {
    mn_model *m = model_of("backend: ref\nmodel: {type: MobileNetV3, args: {" ROWS ", mode: small, width_mult: 0.75, "
                           "n_classes: 7, input: [1, 9, 11]}}\n", MODNAS_F32);
    const mn_slot *first = mn_model_slot(m, 0), *second = mn_model_slot(m, 1);
    ck_assert_int_eq(m->input[0], 1);
    ck_assert_int_eq(m->input[2], 11);
    ck_assert_int_eq(m->n_classes, 7);
    ck_assert_int_eq(first->chn_in, 16);
    ck_assert_int_eq(second->chn_out, 24);
    ck_assert_int_eq(second->stride, 2);
    ck_assert_int_eq(model_param(m, "features.2.conv.ent.0.weight")->dims[0], 40);
    ck_assert_int_eq(model_param(m, "features.2.conv.ent.3.weight")->dims[2], 5);
    ck_assert_int_eq(model_param(m, "conv.0.weight")->dims[0], 32);
    ck_assert_int_eq(model_param(m, "classifier.0.weight")->dims[0], 768);
    mn_model_free(m);
}
END_TEST

/* ---- steps --------------------------------------------------------------------------------------------- */

/* A block without expansion, with and without squeeze and excitation, ReLU and hard-swish, strides 1 and 2. */
#define NET                                                                                                            \
    "model: {type: MobileNetV3, args: {cfgs: [[3, 0, 8, 0, 1, 1], [3, 8, 8, 1, 0, 1], [5, 20, 16, 0, 1, 2], [3, 24, 16," \
    " 1, 1, 1]], mode: small, width_mult: 0.1, n_classes: 3, dropout_rate: 0, input: [2, 7, 6]}}\n"

START_TEST(gradients) {
    net_check_gradients(NET, 4, 0);
}
END_TEST

/* The whole networks on images of 64 x 64, too. */
static const struct {
    const char *config;
    int32_t batch, raised;
} nets[] = {{NET, 4, 0},
            {LARGE("input: [3, 64, 64], n_classes: 10, dropout_rate: 0"), 2, 1},
            {SMALL("input: [3, 64, 64], n_classes: 10, dropout_rate: 0"), 2, 1}};

START_TEST(same_step_on_dnnl) {
    net_compare_step(nets[_i].config, nets[_i].batch, nets[_i].raised);
}
END_TEST

START_TEST(candidates) {
    ck_assert_int_gt(net_try_candidates("backend: ref\n" NET), 130); /* 64 M3B, 16 MB, 56 others by kernel */
}
END_TEST

/* ---- exporting ----------------------------------------------------------------------------------------- */

/* What is exported of a search space builds the network that was chosen in it. */
START_TEST(comes_back) {
    const char *net = "backend: ref\nmodel: {type: MobileNetV3, args: {" ROWS ", mode: large, input: [3, 8, 8]}}\n";
    mn_str config = {.ctx = model_ctx}, text = {.ctx = model_ctx};
    mn_str_addf(&config, "%s" SEARCH(""), net);
    mn_model *supernet = model_of(config.text, MODNAS_F32);
    mn_node *none = yaml("{}"), *desc;
    mn_exporter *e;
    int64_t macs, again;
    OK(mn_exporters_build(model_ctx, none, &e));
    mn_model_mixed(supernet, 0)->param->index = 3;
    OK(e->run(e, supernet, &desc));
    mn_node_json(&text, desc);
    ck_assert_str_eq(text.text, "[null,\"M3B5E6\"]");
    OK(mn_model_recorded_macs(supernet, NULL, &macs));
    config.n = 0;
    mn_str_addf(&config, "%sarch_desc: %s\n" DESC(""), net, text.text);
    mn_model *m = model_of(config.text, MODNAS_F32);
    OK(mn_model_macs(m, NULL, &again));
    ck_assert_int_eq(macs, again);
    mn_model_free(m);
    mn_model_free(supernet);
    mn_exporter_free(e);
    mn_node_free(model_ctx, desc);
    mn_node_free(model_ctx, none);
    mn_str_free(&config);
    mn_str_free(&text);
}
END_TEST

/* ---- refused ------------------------------------------------------------------------------------------- */

static const struct {
    const char *config, *text[2];
} wrong[] = {
    {"model: MobileNetV3\n", {"test.yaml:1", "cfgs"}},
    {"model: {type: MobileNetV3, args: {" ROWS "}}\n", {"mode", NULL}},
    {"model: {type: MobileNetV3, args: {" ROWS ", mode: medium}}\n", {"mode", "large"}},
    {SMALL("cfgs: [[3, 0, 16, 0, 1, 2]]"), {"1 rows; a stem and 1 to", NULL}},
    {SMALL("cfgs: [[3, 0, 16, 0, 1, 2], [3, 16, 16, 0, 0]]"), {"row 1 is not [k, exp, c, SE, HS, s]", NULL}},
    {SMALL("cfgs: [[3, 0, 16, 0, 1, 2], [3, 0, 16, 0, 0, 1]]"), {"row 1, number 1", "from 1 to 65536"}},
    {SMALL("cfgs: [[3, 0, 16, 0, 1, 2], [4, 16, 16, 0, 0, 1]]"), {"row 1: a kernel of 4", NULL}},
    {SMALL("cfgs: [[3, 0, 16, 0, 1, 2], [3, 16, 16, 0, 0, 3]]"), {"row 1: a stride of 3; a block has 1 or 2", NULL}},
    {SMALL("cfgs: [[3, 0, 16, 0, 1, 2], [3, 16, 16, 2, 0, 1]]"), {"row 1: SE and HS are 0 or 1, not 2, 0", NULL}},
    {SMALL("width_mult: 0"), {"width_mult: 0 is not above 0", NULL}},
    {SMALL("dropout_rate: 1"), {"dropout_rate: 1 is not in [0, 1)", NULL}},
    {SMALL("last_se: 3"), {"last_se", "true or false"}},
    {"model: mobilenetv3_small\narch_desc: [M3B3E3]\n" DESC(""), {"arch_desc has 1 items, the model has 11", NULL}},
    {"model: mobilenetv3_small\n" SAME_11("M3B3E3") DESC("fn_args: {use_sE: 1}"), {"fn_args", "no candidate has an arg 'use_sE'"}},
    {"model: mobilenetv3_small\n" SEARCH(", candidate_args: {use_s: 1}"),
     {"candidate_args", "none of the candidates has an arg 'use_s'"}},
    {"model: mobilenetv3_small\n" SEARCH(", keep_config: false, candidate_args: {use_se: 3}"),
     {"slot 1 (16 -> 24 channels, stride 2)", "M3B3E3 takes 0 or 1 as use_se, not the number 3"}},
};

START_TEST(refused) {
    expect_refused(wrong[_i].config, MODNAS_ECONFIG, wrong[_i].text[0], wrong[_i].text[1], NULL);
}
END_TEST

int main(void) {
    Suite *s = suite_create("mobilenetv3");
    util_add_loop(s, "counts", model_setup, model_teardown, counts, MN_COUNT(figures));
    util_add_loop(s, "refused", model_setup, model_teardown, refused, MN_COUNT(wrong));
    util_add(s, "nets", model_setup, model_teardown,
             (const TTest *[]){mixed_ops, names_of_parameters, rows_are_scaled, gradients, candidates, comes_back,
                               NULL});
    util_add_loop(s, "steps", model_setup, model_teardown, same_step_on_dnnl, MN_COUNT(nets));
    return util_run(s);
}
