/* MobileNetV2: counts against the figures published for the original's networks (measured there with PyTorch), shapes,
 * names, and that no network changes another's table. */
#include <string.h>

#include "util_model.h"

typedef struct figure {
    const char *config;
    int64_t params, macs;
    size_t slots;
    int32_t mixed;
} figure;

#define CIFAR_GPU "model: {type: CIFAR_MobileNetV2_GPU, args: {n_classes: 10}}\n"
#define SIX       "candidates: [MB3E3, MB3E6, MB5E3, MB5E6, MB7E3, MB7E6]"
#define ALL(op)                                                                                                        \
    "[" op "," op "," op "," op "," op "," op "," op "," op "," op "," op "," op "," op "," op "," op "," op "," op    \
    "," op "," op "," op "," op "," op "," op "]"
#define BY_SLOT(op) CIFAR_GPU "arch_desc: " ALL(op) "\n"
#define BY_MBV2(op) BY_SLOT(op) "construct: {arch_desc: MobileNetV2ArchDescConstructor}\n"

/* macs 0: not published for this one. */
static const figure figures[] = {
    {"model: ImageNet_MobileNetV2\n", 3504872, 300774272, 17, 0},
    {"model: ImageNet_MobileNetV2_GPU\n", 4684776, 472620800, 22, 0},
    {"model: {type: CIFAR_MobileNetV2, args: {n_classes: 10}}\n", 2236682, 43758080, 17, 0},
    {"model: CIFAR_MobileNetV2\n", 3504872, 45025280, 17, 0},
    {CIFAR_GPU, 3416586, 68294912, 22, 0},
    {"model: [CIFAR_MobileNetV2_GPU, {}]\n", 4684776, 69562112, 22, 0},
    {CIFAR_GPU "mixed_op: {type: BinaryGateMixedOp, " SIX "}\n", 14834106, 0, 22, 22},
    {CIFAR_GPU "mixed_op: {type: IndexMixedOp, " SIX "}\n", 14834106, 0, 22, 22},
    {CIFAR_GPU "construct: {mixed_op: {type: MobileNetV2SearchConstructor, args: {mixed_op: BinaryGateMixedOp, " SIX
               "}}}\n",
     14765978, 0, 22, 21},
    {BY_SLOT("MB3E3"), 1928730, 43066752, 22, 0},
    {BY_SLOT("MB3E6"), 3427434, 0, 22, 0},
    {BY_SLOT("MB5E6"), 3597930, 0, 22, 0},
    {BY_MBV2("MB3E3"), 1923738, 38282624, 22, 0},
    {BY_MBV2("MB3E6"), 3416586, 0, 22, 0},
    {BY_MBV2("MB5E6"), 3584010, 0, 22, 0},
    {CIFAR_GPU "construct: {fill: {type: DefaultOpConstructor, args: {op: MB3E3}}}\n", 1928730, 43066752, 22, 0},
    {CIFAR_GPU "construct: {predefined: MobileNetV2PredefinedConstructor}\n", 3416586, 68294912, 22, 0},
};

static void check_figure(const figure *f) {
    mn_str config = {.ctx = model_ctx};
    mn_str_addf(&config, "backend: ref\n%s", f->config);
    mn_model *m = model_of(config.text, MODNAS_F32);
    int64_t macs;
    ck_assert_msg(mn_model_n_params(m) == f->params, "%s: %lld params, wanted %lld", f->config,
                  (long long)mn_model_n_params(m), (long long)f->params);
    ck_assert_msg(mn_model_macs(m, NULL, &macs) == 0, "%s", modnas_errmsg(model_ctx));
    if (f->macs)
        ck_assert_msg(macs == f->macs, "%s: %lld multiply-adds, wanted %lld", f->config, (long long)macs,
                      (long long)f->macs);
    ck_assert_uint_eq(m->slots.n, f->slots);
    ck_assert_int_eq(mn_model_n_mixed(m), f->mixed);
    mn_model_free(m);
    mn_str_free(&config);
}

START_TEST(counts) {
    check_figure(&figures[_i]);
}
END_TEST

/* A supernet's multiply-adds are those of the stem, tail and all candidates. With slots of one candidate each it is the
 * plain network's; NIL adds none, so the search space with NIL alone on top of MB3E3 counts the same as without. */
START_TEST(supernet_macs_add_up) {
    static const char *const configs[] = {
        "backend: ref\n" CIFAR_GPU "mixed_op: {type: SoftmaxSumMixedOp, candidates: [MB3E3]}\n",
        "backend: ref\n" CIFAR_GPU "mixed_op: {type: SoftmaxSumMixedOp, candidates: [MB3E6]}\n",
        "backend: ref\n" CIFAR_GPU "mixed_op: {type: SoftmaxSumMixedOp, candidates: [MB3E3, MB3E6]}\n",
        "backend: ref\n" CIFAR_GPU "construct: {mixed_op: {type: MobileNetV2SearchConstructor, args: {mixed_op: "
        "GumbelSumMixedOp, candidates: MB3E6}}}\n"};
    int64_t macs[4];
    for (int i = 0; i < 4; i++) {
        mn_model *m = model_of(configs[i], MODNAS_F32);
        ck_assert_int_eq(mn_model_macs(m, NULL, &macs[i]), 0);
        mn_model_free(m);
    }
    ck_assert_int_eq(macs[0], 43066752);
    /* stem 3*27... : 32x32 pixels, 27 * 32 each; last convolution 4x4 pixels, 320 * 1280; classifier 1280 * 10 */
    const int64_t outside = 32 * 32 * 27 * 32 + 4 * 4 * 320 * 1280 + 12800;
    ck_assert_int_eq(macs[2], macs[0] + macs[1] - outside);
    ck_assert_int_eq(macs[3], 68294912); /* first block kept, MB3E6 and NIL elsewhere: the predefined network's */
}
END_TEST

/* The original's CIFAR forms edit the table that the ImageNet forms read, which then have 2,144,798,720 multiply-adds.
 */
START_TEST(tables_are_not_shared) {
    check_figure(&figures[2]);
    check_figure(&figures[4]);
    check_figure(&figures[0]);
    check_figure(&figures[1]);
}
END_TEST

/* Each count makes and frees a run; the next one may stand at the same address and must not see its values. */
START_TEST(counting_again_gives_the_same) {
    mn_model *m = model_of("backend: ref\nmodel: CIFAR_MobileNetV2\n", MODNAS_F32);
    const int32_t half[3] = {3, 16, 16};
    for (int i = 0; i < 4; i++) {
        int64_t macs;
        ck_assert_msg(mn_model_macs(m, i % 2 ? half : NULL, &macs) == 0, "%s", modnas_errmsg(model_ctx));
        ck_assert_int_eq(macs, i % 2 ? (45025280 - 1280000) / 4 + 1280000 : 45025280);
    }
    mn_model_free(m);
}
END_TEST

/* Slots, parameters and choices belong to a model: the second one numbers its own from 0. */
START_TEST(two_models_live_in_one_context) {
    const char *config =
        "backend: ref\nmodel: CIFAR_MobileNetV2\nmixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB5E1]}\n";
    mn_model *a = model_of(config, MODNAS_F32), *b = model_of(config, MODNAS_F32);
    ck_assert_str_eq(mn_model_slot(b, 0)->name, "0");
    ck_assert_str_eq(mn_space_categorical_at(b->space, 0)->name, "c_0");
    mn_arch *arch;
    ck_assert_int_eq(mn_arch_new(a, &arch), 0);
    ck_assert_int_eq(arch->n, 17);
    for (int i = 0; i < 17; i++) arch->index[i] = 1;
    ck_assert_int_eq(mn_arch_apply(arch), 0);
    ck_assert_int_eq(mn_space_categorical_at(a->space, 16)->index, 1);
    ck_assert_int_eq(mn_space_categorical_at(b->space, 16)->index, 0);
    mn_arch_free(arch);
    mn_model_free(a);
    ck_assert_int_eq(mn_model_n_mixed(b), 17);
    mn_model_free(b);
}
END_TEST

/* Names as PyTorch gives them to the original's modules. */
START_TEST(names_of_parameters) {
    static const char *const names[] = {
        "conv_first.0.weight",
        "conv_first.1.bias",
        "bottlenecks.Bottlenecks_0.MobileInvertedResidualBlock_0_0.conv.ent.0.weight",
        "bottlenecks.Bottlenecks_1.MobileInvertedResidualBlock_1_1.conv.ent.7.running_var",
        "conv_last.0.weight",
        "fc.weight",
        "fc.bias"};
    mn_model *m = model_of("backend: ref\nmodel: CIFAR_MobileNetV2\n", MODNAS_F32);
    for (size_t i = 0; i < MN_COUNT(names); i++) {
        int found = 0;
        for (size_t k = 0; k < mn_store_n_params(m->weights); k++)
            found |= strcmp(mn_store_param(m->weights, k)->name, names[i]) == 0;
        ck_assert_msg(found, "no parameter %s", names[i]);
    }
    mn_model_free(m);
}
END_TEST

/* Rounding of channels as published with MobileNet: width 0.75 of 32, 16, 24 is 24, 16 (12 up to 8 * 2), 24 (18 is
 * within a tenth of 16, so 16 would lose more than a tenth: 24); depth 1.5 of 2 blocks is 3. */
START_TEST(generic_rows_are_scaled) {
    mn_model *m = model_of(
        "backend: ref\n"
        "model: {type: MobileNetV2, args: {cfgs: [[0, 32, 1, 1], [1, 16, 1, 1], [6, 24, 2, 2]], width_coeff: 0.75, "
        "depth_coeff: 1.5, n_classes: 7, input: [1, 9, 11]}}\n",
        MODNAS_F32);
    ck_assert_int_eq(m->input[0], 1);
    ck_assert_int_eq(m->input[1], 9);
    ck_assert_int_eq(m->input[2], 11);
    ck_assert_int_eq(m->n_classes, 7);
    ck_assert_uint_eq(m->slots.n, 2 + 3);
    const mn_slot *first = mn_model_slot(m, 0), *third = mn_model_slot(m, 2);
    ck_assert_int_eq(first->chn_in, 24);
    ck_assert_int_eq(first->chn_out, 16);
    ck_assert_int_eq(third->chn_out, 24);
    ck_assert_int_eq(third->stride, 2);
    step s;
    step_new(m, 2, &s);
    step_record(m, &s, &(mn_run_opts){.train = 1, .grads = MN_ROLE_WEIGHT});
    ck_assert(step_go(&s) > 0);
    step_free(&s);
    mn_model_free(m);
}
END_TEST

START_TEST(wrong_arguments_are_named) {
    expect_refused("model: MobileNetV2\n", MODNAS_ECONFIG, "test.yaml:1", "cfgs", NULL);
    expect_refused("model: {type: CIFAR_MobileNetV2, args: {n_classes: 0}}\n", MODNAS_ECONFIG, "n_classes", NULL);
    expect_refused("model: {type: CIFAR_MobileNetV2, args: {n_clases: 10}}\n", MODNAS_ECONFIG, "n_clases", "n_classes",
                   NULL);
    expect_refused("model: {type: CIFAR_MobileNetV2, args: {cfgs: [[0, 32, 1, 1], [1, 16, 1]]}}\n", MODNAS_ECONFIG,
                   "row 1", NULL);
    expect_refused("model: {type: MobileNetV2, args: {cfgs: [[0, 32, 1, 1], [1, 16, 1, 0]]}}\n", MODNAS_ECONFIG,
                   "row 1, number 3", NULL);
    expect_refused("model: {type: MobileNetV2, args: {cfgs: [[0, 32, 1, 1], [1, 16, 60, 1]], depth_coeff: 20}}\n",
                   MODNAS_ECONFIG, "1220 blocks, at most 1024", NULL); /* 20 * (1 + 60) */
    expect_refused("model: {type: CIFAR_MobileNetV2, args: {dropout_rate: 1.0}}\n", MODNAS_ECONFIG, "dropout_rate",
                   NULL);
    expect_refused("model: {type: CIFAR_MobileNetV2, args: {input: [3, 32]}}\n", MODNAS_ECONFIG, "input", NULL);
    expect_refused("model: {type: CIFAR_MobileNetV2, args: {chn_in: 1, input: [3, 32, 32]}}\n", MODNAS_ECONFIG,
                   "chn_in", NULL);
    expect_refused("model: CIFAR_MobilNetV2\n", MODNAS_ENOTFOUND, "test.yaml:1", "did you mean 'CIFAR_MobileNetV2'",
                   NULL);
}
END_TEST

int main(void) {
    Suite *s = suite_create("models");
    util_add_loop(s, "counts", model_setup, model_teardown, counts, MN_COUNT(figures));
    util_add(s, "models", model_setup, model_teardown,
             (const TTest *[]){supernet_macs_add_up, tables_are_not_shared, names_of_parameters,
                               generic_rows_are_scaled, wrong_arguments_are_named, two_models_live_in_one_context,
                               counting_again_gives_the_same, NULL});
    return util_run(s);
}
