/* ShuffleNetV2: counts against those of the original's networks (measured there with PyTorch), initial values, a step
 * on both backends, and what is refused. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util_nets.h"

#define OK(e)   ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))
#define TEN(id) "backend: ref\nmodel: {type: " id ", args: {n_classes: 10}}\n"
#define SPOS    "candidates: [SHU3, SHU5, SHU7, SHX3]"
#define SEARCH(more)                                                                                                   \
    "construct: {mixed_op: {type: ShuffleNetV2SearchConstructor, args: {" more "mixed_op: IndexMixedOp, " SPOS "}}}\n"

typedef struct figure {
    const char *config;
    int64_t params, macs; /* macs 0: not published */
    size_t slots;
    const char *space;
} figure;

/* cifar_shufflenetv2_oneshot by hand: 3x3 stem 3 -> 24; units by the rows of a unit's table (widths c, middle c / 2):
 * with a stride 9 i + 2 i + i i + 2 i for what passes by and i m + 2 m + 9 m + 2 m + m (c - i) + 2 (c - i) beside,
 * without one the latter from c / 2; 1x1 640 -> 1024, 1024 x 10. The supernet's is the original's. */
static const figure figures[] = {
    {"backend: ref\nmodel: shufflenetv2\n", 2278760, 145814296, 16, "1"},
    {"backend: ref\nmodel: shufflenetv2_oneshot\n", 3154880, 295842496, 20, "1"},
    {TEN("cifar_shufflenetv2"), 1265000, 45298048, 16, "1"},
    {TEN("cifar_shufflenetv2_oneshot"), 2035520, 0, 20, "1"},
    {TEN("cifar_shufflenetv2_oneshot") SEARCH("add_identity_op: false, "), 7033648, 0, 20, "1099511627776"},
    {TEN("cifar_shufflenetv2_oneshot") SEARCH(""), 7033648, 0, 20,
     "39062500000000"}, /* 4^4 5^16: an identity is free */
    {TEN("cifar_shufflenetv2") "construct: {own: ShuffleNetV2PredefinedConstructor}\n", 1265000, 45298048, 16, "1"},
    {TEN("cifar_shufflenetv2_oneshot") "mixed_op: {type: IndexMixedOp, " SPOS "}\n", 7033648, 0, 20, "1099511627776"},
};

static void check_figure(const figure *f) {
    mn_model *m = model_of(f->config, MODNAS_F32);
    int64_t macs;
    mn_str size = {.ctx = model_ctx};
    OK(mn_model_macs(m, NULL, &macs));
    OK(mn_space_size(m->space, &size));
    ck_assert_msg(mn_model_n_params(m) == f->params, "%s: %lld params, wanted %lld", f->config,
                  (long long)mn_model_n_params(m), (long long)f->params);
    if (f->macs)
        ck_assert_msg(macs == f->macs, "%s: %lld multiply-adds, wanted %lld", f->config, (long long)macs,
                      (long long)f->macs);
    ck_assert_uint_eq(m->slots.n, f->slots);
    ck_assert_str_eq(size.text, f->space);
    mn_str_free(&size);
    mn_model_free(m);
}

START_TEST(counts) {
    check_figure(&figures[_i]);
}
END_TEST

/* As the comment of the table says. */
START_TEST(oneshot_by_hand) {
    static const int64_t rows[][3] = {{64, 4, 2}, {160, 4, 2}, {320, 8, 2}, {640, 4, 1}};
    int64_t n = 27 * 24 + 48, chn = 24;
    for (size_t i = 0; i < MN_COUNT(rows); i++)
        for (int64_t j = 0; j < rows[i][1]; j++) {
            const int64_t c = rows[i][0], m = c / 2, stride = j ? 1 : rows[i][2], by = stride > 1 ? chn : chn / 2;
            n += by * m + 13 * m + m * (c - by) + 2 * (c - by);
            if (stride > 1) n += 9 * by + 2 * by + by * by + 2 * by;
            chn = c;
        }
    ck_assert_int_eq(n + 640 * 1024 + 2048 + 10240, 2035520);
}
END_TEST

/* ---- the tree ------------------------------------------------------------------------------------------ */

#define SMALL                                                                                                          \
    "model: {type: shufflenetv2, args: {n_classes: 3, dropout_rate: 0, input: [2, 16, 16], cfgs: [[8, 1, 4], [12, 2, " \
    "2, 1.5], "                                                                                                        \
    "[16, 1, 1], [20, 1, 1]]}}\n"

static double spread_of(const mn_param *p) {
    double x[4096], sum = 0;
    const int64_t n = mn_param_numel(p);
    ck_assert_int_le(n, MN_COUNT(x));
    OK(mn_param_get(p, x));
    for (int64_t i = 0; i < n; i++) sum += x[i] * x[i];
    return sqrt(sum / (double)n);
}

/* Normal with deviation 0.01, 1 / channels, 0.01; shifts 1e-4; in Slots PyTorch's values. Of n numbers the deviation is
 * known to 1 / sqrt(2 n): 5 of these. */
START_TEST(initial_values) {
    static const struct {
        const char *name;
        double want;
    } normal[] = {{"conv_first.0.weight", 0.01}, {"conv_last.0.weight", 1.0 / 464}, {"fc.weight", 0.01}};
    mn_model *m =
        model_of("backend: ref\nmodel: {type: cifar_shufflenetv2, args: {n_classes: 4, cfgs: [[24, 1, 1], [464, 1, 2], "
                 "[8, 1, 1]]}}\n",
                 MODNAS_F64);
    for (size_t i = 0; i < MN_COUNT(normal); i++) {
        const mn_param *p = model_param(m, normal[i].name);
        const double got = spread_of(p), share = 5 / sqrt(2.0 * (double)mn_param_numel(p));
        ck_assert_msg(fabs(got / normal[i].want - 1) < share, "%s: %g, wanted %g", normal[i].name, got, normal[i].want);
    }
    ck_assert_double_eq_tol(spread_of(model_param(m, "conv_first.1.bias")), 1e-4, 1e-12);
    ck_assert_double_eq_tol(spread_of(model_param(m, "conv_last.1.bias")), 1e-4, 1e-12);
    ck_assert_double_eq(spread_of(model_param(m, "conv_last.1.weight")), 1);
    ck_assert_double_eq(spread_of(model_param(m, "stages.0.0.ent.main.1.bias")), 0);
    mn_model_free(m);
}
END_TEST

/* The middle has chn_mid channels: c / 2 e = 9, 8 of the second stage, whatever stands there; an arg says otherwise. */
START_TEST(middle_is_the_slots) {
    mn_model *m = model_of("backend: ref\n" SMALL "construct: {fill: {type: DefaultOpConstructor, args: {op: SHX5}}}\n",
                           MODNAS_F32),
             *n = model_of("backend: ref\n" SMALL
                           "construct: {fill: {type: DefaultOpConstructor, args: {op: {type: SHU5, args: "
                           "{chn_mid: 4}}}}}\n",
                           MODNAS_F32);
    ck_assert_int_eq(model_param(m, "stages.0.0.ent.main.2.weight")->dims[0], 9);
    ck_assert_int_eq(model_param(m, "stages.1.0.ent.main.2.weight")->dims[0], 8);
    ck_assert_int_eq(model_param(n, "stages.0.1.ent.main.0.weight")->dims[0], 4);
    mn_model_free(m);
    mn_model_free(n);
}
END_TEST

/* ---- at work ------------------------------------------------------------------------------------------- */

START_TEST(gradients) {
    net_check_gradients(SMALL, 4, 1);
}
END_TEST

/* The published sizes of table and images, every candidate somewhere. */
START_TEST(same_step_on_dnnl) {
    static const char *const nets[] = {
        SMALL, "model: {type: shufflenetv2, args: {n_classes: 5, dropout_rate: 0, input: [3, 64, 64]}}\n",
        "model: {type: shufflenetv2_oneshot, args: {n_classes: 5, dropout_rate: 0, input: [3, 64, 64]}}\n",
        "model: {type: cifar_shufflenetv2, args: {n_classes: 10, dropout_rate: 0}}\n",
        "model: {type: cifar_shufflenetv2_oneshot, args: {n_classes: 10, dropout_rate: 0}}\n"
        "construct: {fill: {type: DefaultOpConstructor, args: {op: SHX5}}}\n"};
    for (size_t i = 0; i < MN_COUNT(nets); i++) net_compare_step(nets[i], 2, 1);
}
END_TEST

START_TEST(candidates_fit_or_are_refused) {
    ck_assert_int_gt(net_try_candidates("backend: ref\n" SMALL), 70);
}
END_TEST

/* ---- refusals ------------------------------------------------------------------------------------------ */

#define CFGS(rows) "backend: ref\nmodel: {type: shufflenetv2, args: {cfgs: " rows "}}\n"

START_TEST(wrong_arguments_are_named) {
    expect_refused(CFGS("[[24, 1, 1], [48, 2, 2]]"), MODNAS_ECONFIG, "test.yaml:2", "2 rows", NULL);
    expect_refused(CFGS("[[24, 1, 1], [48, 2], [64, 1, 1]]"), MODNAS_ECONFIG, "row 1 is not [c, n, s]", NULL);
    expect_refused(CFGS("[[24, 1, 1], [48, 2, 0], [64, 1, 1]]"), MODNAS_ECONFIG, "row 1, number 2", NULL);
    expect_refused(CFGS("[[24, 1, 1], [48, 2, 2, 0.001], [64, 1, 1]]"), MODNAS_ECONFIG, "row 1, number 3", NULL);
    expect_refused(CFGS("[[24, 1, 1], [48, 2, 2, wide], [64, 1, 1]]"), MODNAS_ECONFIG, "row 1, number 3", NULL);
    expect_refused(CFGS("[[24, 1, 1], [48, 2000, 2], [64, 1, 1]]"), MODNAS_ECONFIG, "2002 units, at most 1024", NULL);
    expect_refused("backend: ref\nmodel: {type: shufflenetv2, args: {dropout_rate: 1}}\n", MODNAS_ECONFIG,
                   "dropout_rate", NULL);
    /* what passes by leaves nothing to make: 24 of 24 channels; an odd number is not split */
    expect_refused(CFGS("[[24, 1, 1], [24, 2, 2], [64, 1, 1]]"), MODNAS_ECONFIG, "slot 0 (24 -> 24 channels, stride 2)",
                   "needs more output channels", NULL);
    expect_refused(CFGS("[[25, 1, 1], [48, 2, 1], [64, 1, 1]]"), MODNAS_ECONFIG, "slot 0 (25 -> 48 channels, stride 1)",
                   "needs an even number of channels", NULL);
    expect_refused("backend: ref\nmodel: shufflenet_v3\n", MODNAS_ENOTFOUND, "did you mean 'shufflenetv2'", NULL);
}
END_TEST

int main(void) {
    Suite *s = suite_create("shufflenetv2");
    util_add_loop(s, "counts", model_setup, model_teardown, counts, MN_COUNT(figures));
    util_add(s, "shufflenetv2", model_setup, model_teardown,
             (const TTest *[]){oneshot_by_hand, initial_values, middle_is_the_slots, gradients, same_step_on_dnnl,
                               candidates_fit_or_are_refused, wrong_arguments_are_named, NULL});
    return util_run(s);
}
