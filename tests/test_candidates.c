/* Every candidate in one Slot: parameters, multiply-adds, what `ops` changes, and Slots that are refused.
 *
 * The first table holds counts measured on the original's operators with PyTorch, at 32x32. The second one goes through
 * all families and kernels with the formulas of the operators: k k C O for a convolution and so on; a batch norm has
 * two parameters a channel of what it stands behind. */
#include <stdio.h>
#include <string.h>

#include "module/layers.h"
#include "util_slot.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

/* Counts of the candidate alone: what stem and classifier have is taken off. */
static void expect_counts(const char *op, const char *ops, int32_t chn_in, int32_t chn_out, int32_t stride,
                          int64_t params, int64_t macs) {
    mn_model *m = slot_empty_model("ref", MODNAS_F32);
    slot_set_ops(m, ops);
    mn_slot *slot = slot_model(m, chn_in, chn_out, stride, 32);
    int64_t got;
    m->input[2] = 32;
    OK(slot_fill(slot, op));
    OK(mn_model_commit(m));
    OK(mn_model_macs(m, NULL, &got));
    const int64_t got_params = mn_model_n_params(m) - (2 * chn_in + 3 * chn_out + 3),
                  got_macs = got - (32 * 32 * 2 * chn_in + 3 * chn_out);
    ck_assert_msg(got_params == params && got_macs == macs, "%s with %s: %lld / %lld, wanted %lld / %lld", op, ops,
                  (long long)got_params, (long long)got_macs, (long long)params, (long long)macs);
    mn_model_free(m);
}

/* ---- measured ------------------------------------------------------------------------------------------ */

typedef struct measured {
    const char *name, *ops;
    int32_t chn_in, chn_out, stride;
    int64_t params, macs;
} measured;

#define SAME(name, params, macs)                                                                                       \
    { name, "{}", 16, 16, 1, params, macs }
#define HALF(name, params, macs)                                                                                       \
    { name, "{}", 16, 32, 2, params, macs }
#define TRAILING(name, params, macs)                                                                                   \
    { name, "{ops_order: weight_bn}", 16, 32, 2, params, macs }

static const measured originals[] = {
    SAME("AVG", 32, 0),
    SAME("MAX", 32, 0),
    SAME("IDT", 0, 0),
    HALF("IDT", 576, 131072),
    SAME("NC3", 2336, 2359296),
    HALF("NC3", 4640, 1179648),
    SAME("SC3", 864, 819200),
    HALF("SC3", 1120, 270336),
    SAME("SS3", 432, 409600),
    HALF("SS3", 688, 167936),
    SAME("DC3", 432, 409600),
    HALF("DC3", 688, 167936),
    SAME("DD3", 432, 409600),
    HALF("DD3", 688, 167936),
    SAME("DC5", 688, 671744),
    HALF("DC5", 944, 233472),
    SAME("FC3", 1568, 1572864),
    HALF("FC3", 2336, 589824),
    SAME("MB3E1", 464, 409600),
    HALF("MB3E1", 752, 167936),
    SAME("MB3E6", 4352, 4030464),
    HALF("MB3E6", 5920, 2580480),
    SAME("MB5E3", 2960, 2801664),
    HALF("MB5E3", 3760, 1486848),
    SAME("M3B5E3S", 4560, 2803200),
    HALF("M3B5E3S", 5360, 1488384),
    SAME("M3B3E1H", 464, 409600), /* as MB: an activation has no parameters */
    HALF("M3B3E6", 5920, 2580480),
    TRAILING("NC3", 4672, 1179648),
    TRAILING("SC3", 1152, 270336),
    TRAILING("DC3", 720, 167936),
    TRAILING("FC3", 2368, 589824),
    SAME("NIL", 0, 0), /* no parameters, no arithmetic */
    {"NIL", "{}", 16, 16, 2, 0, 0},
    /* h = 9 * 16 = 144: 16 h + 2 h + 81 h + 2 h + 16 h + 32; 1024 (16 h + 81 h + 16 h) */
    SAME("MB9E9", 16880, 16662528),
    SAME("IR9E9", 16880, 16662528), /* a shortcut costs nothing */
    HALF("IR3E6", 5920, 2580480),
    SAME("SHU3", 248, 204800),
    HALF("SHU3", 1216, 466944),
    SAME("SHX3", 504, 417792),
    HALF("SHX3", 1856, 409600),
    {"SHU3", "{bn: {affine: false}}", 16, 16, 1, 200, 204800}, /* without 2 (8 + 8 + 8) */
    SAME("SKIP", 0, 0),
    HALF("SKIP", 576, 131072), /* 16 32 + 64; 16 32 256 */
    {"SKIP", "{}", 16, 32, 1, 576, 524288},
    {"MB7E1", "{}", 16, 32, 1, 1392, 1327104},
    /* SE of h channels: m is h / 4 rounded to 8; 2 h m + m + h; 2 h m. h = 96, m = 24; h = 144, m = 40; h = 16, m = 8 */
    SAME("M3B3E6SH", 4352 + 4728, 4030464 + 4608),
    HALF("{type: M3B3E6, args: {use_se: 1, use_hs: true}}", 5920 + 4728, 2580480 + 4608),
    SAME("M3B9E9SH", 16880 + 11704, 16662528 + 11520),
    SAME("SE", 280, 256),
};

START_TEST(counts_are_the_originals) {
    const measured *c = &originals[_i];
    expect_counts(c->name, c->ops, c->chn_in, c->chn_out, c->stride, c->params, c->macs);
}
END_TEST

/* ---- by formula ---------------------------------------------------------------------------------------- */

typedef struct setting {
    const char *ops;
    int norm;    /* 0: none, 1: before the weight, 2: behind it */
    int64_t two; /* parameters of a batch norm's channel */
    int bias;
} setting;

static const setting settings[] = {
    {"{}", 1, 2, 0},
    {"{ops_order: weight_bn_act, conv: {bias: true}}", 2, 2, 1},
    {"{ops_order: [act, weight, bn], conv: {bias: true}}", 2, 2, 0}, /* a last batch norm turns the bias off */
    {"{ops_order: act_weight_bn, bn: {affine: false}}", 2, 0, 0},
    {"{ops_order: weight, conv: {bias: true}}", 0, 2, 1},
};

/* Weights of the convolutions of one block, C -> O, all of which see the block's output size. */
static int64_t weights_of(char family, int64_t k, int64_t c, int64_t o) {
    switch (family) {
    case 'N':
        return k * k * c * o;
    case 'S':
    case 'D':
        return k * k * c + c * o;
    case 'F':
        return k * c * c + k * c * o;
    default:
        return 0;
    }
}

static int64_t block_params(const setting *s, char family, int64_t k, int64_t c, int64_t o) {
    const int64_t biases = family == 'N' ? o : family == 'S' || family == 'D' || family == 'F' ? c + o : 0;
    const int64_t normed = s->norm == 1 ? c : s->norm == 2 ? o : 0;
    return weights_of(family, k, c, o) + s->two * normed + (s->bias ? biases : 0);
}

static void expect_family(const setting *s, const char *family, int32_t k, int32_t c, int32_t o, int32_t stride) {
    const int64_t pixels = 32 / stride * (32 / stride);
    const int two = strcmp(family, "SC") == 0, pool = strcmp(family + 1, "P") == 0;
    const char kind = pool ? 'P' : family[0];
    int64_t params = block_params(s, kind, k, c, o), macs = pixels * weights_of(kind, k, c, o);
    char name[16];
    if (pool && c != o) return;
    if (two) {
        params += block_params(s, kind, k, c, c);
        macs += pixels * weights_of(kind, k, c, c);
    }
    snprintf(name, sizeof name, "%s%d", family, k);
    expect_counts(name, s->ops, c, o, stride, params, macs);
}

START_TEST(counts_follow_the_formulas) {
    static const char *const families[] = {"AP", "MP", "NC", "SS", "SC", "DC", "DD", "FC"};
    static const int32_t kernels[] = {1, 3, 5, 7, 9, 11, 13};
    for (size_t f = 0; f < MN_COUNT(families); f++)
        for (size_t k = 0; k < MN_COUNT(kernels); k++) {
            expect_family(&settings[_i], families[f], kernels[k], 3, 3, 1);
            expect_family(&settings[_i], families[f], kernels[k], 4, 6, 2);
            expect_family(&settings[_i], families[f], kernels[k], 2, 2, 4);
        }
}
END_TEST

/* ---- what stands where --------------------------------------------------------------------------------- */

static int add_type(mn_module *m, void *ud) {
    mn_str *text = ud;
    if (!m->children.n) mn_str_addf(text, "%s%s", text->n ? " " : "", m->vt->type);
    return 0;
}

START_TEST(orders_are_kept) {
    static const char *const cases[][3] = {
        {"{}", "NC3", "batch_norm activation conv2d"},
        {"{}", "AVG", "batch_norm pool2d"}, /* pooling has no activation */
        {"{}", "SC3", "batch_norm activation conv2d conv2d batch_norm activation conv2d conv2d"},
        {"{ops_order: weight_act_bn}", "FC5", "conv2d conv2d activation batch_norm"},
        {"{ops_order: act_weight_bn}", "DD7", "activation conv2d conv2d batch_norm"},
        {"{ops_order: act_weight_bn}", "MP1", "pool2d batch_norm"},
        {"{ops_order: [weight]}", "SS3", "conv2d conv2d"},
        {"{ops_order: weight_act}", "NC1", "conv2d activation"},
        {"{ops_order: bn_act}", "NC3", "batch_norm activation"},
        {"{}", "M3B3E1SH",
         "conv2d batch_norm activation global_pool conv2d activation conv2d activation conv2d batch_norm"},
        {"{ops_order: weight_bn}", "MB3E1", "conv2d batch_norm activation conv2d batch_norm"}, /* heeds no order */
        {"{ops_order: weight}", "IR3E1", "conv2d batch_norm activation conv2d batch_norm"},
        {"{}", "SKIP", "identity"},
        {"{ops_order: weight}", "SHU3",
         "conv2d batch_norm activation conv2d batch_norm conv2d batch_norm activation"}, /* 1x1, depthwise, 1x1 */
    };
    for (size_t i = 0; i < MN_COUNT(cases); i++) {
        mn_model *m = slot_empty_model("ref", MODNAS_F32);
        mn_str text = {.ctx = model_ctx};
        slot_set_ops(m, cases[i][0]);
        mn_slot *slot = slot_model(m, 4, 4, 1, 5);
        OK(slot_fill(slot, cases[i][1]));
        OK(mn_module_walk(slot->entity, add_type, &text));
        ck_assert_str_eq(text.text, cases[i][2]);
        mn_str_free(&text);
        mn_model_free(m);
    }
}
END_TEST

/* Names as PyTorch gives them to the original's modules. */
START_TEST(parameters_have_the_originals_names) {
    static const char *const cases[][2] = {
        {"NC3", "slot.ent.net.2.weight"}, {"SC3", "slot.ent.net.1.net.3.weight"}, {"AVG", "slot.ent.net.0.running_var"},
        {"DC5", "slot.ent.net.3.weight"}, {"IDT", "slot.ent.conv2.weight"},       {"MB3E3", "slot.ent.7.bias"},
        {"M3B3E3S", "slot.ent.6.net.3.weight"}};
    for (size_t i = 0; i < MN_COUNT(cases); i++) {
        mn_model *m = slot_empty_model("ref", MODNAS_F32);
        int found = 0;
        OK(slot_fill(slot_model(m, 4, 4, 2, 8), cases[i][0]));
        OK(mn_model_commit(m));
        for (size_t k = 0; k < mn_store_n_params(m->weights); k++)
            found |= strcmp(mn_store_param(m->weights, k)->name, cases[i][1]) == 0;
        ck_assert_msg(found, "%s has no parameter %s", cases[i][0], cases[i][1]);
        mn_model_free(m);
    }
}
END_TEST

/* The batch norm of the reduction follows `ops`: without affine it has 2 O parameters less. */
START_TEST(reduction_follows_ops) {
    expect_counts("IDT", "{bn: {affine: false}}", 16, 32, 2, 512, 131072);
    expect_counts("IDT", "{ops_order: weight, conv: {bias: true}}", 16, 32, 2, 576, 131072);
}
END_TEST

/* ---- Slots that do not fit ----------------------------------------------------------------------------- */

typedef struct misfit {
    const char *name, *ops;
    int32_t chn_in, chn_out, stride;
    int status;
    const char *text;
} misfit;

static const misfit misfits[] = {
    {"IDT", "{}", 4, 6, 1, MODNAS_ECONFIG, "slot 0 (4 -> 6 channels, stride 1): IDT needs equal channels at stride 1"},
    {"IDT", "{}", 4, 4, 3, MODNAS_ECONFIG, "IDT needs a stride of 1 or 2"},
    {"NIL", "{}", 4, 6, 2, MODNAS_ECONFIG, "slot 0 (4 -> 6 channels, stride 2): NIL needs equal channels"},
    {"AVG", "{}", 4, 6, 2, MODNAS_ECONFIG, "slot 0 (4 -> 6 channels, stride 2): AVG needs equal channels"},
    {"{type: MP13}", "{}", 4, 6, 1, MODNAS_ECONFIG, "slot 0 (4 -> 6 channels, stride 1): MP13 needs equal channels"},
    {"nc-3", "{ops_order: bn_act}", 4, 6, 1, MODNAS_ECONFIG,
     "slot 0 (4 -> 6 channels, stride 1): NC3 without weight in ops_order needs equal channels and stride 1"},
    {"AP3", "{ops_order: bn}", 4, 4, 2, MODNAS_ECONFIG, "AP3 without weight in ops_order"},
    {"SHU3", "{}", 5, 8, 1, MODNAS_ECONFIG, "slot 0 (5 -> 8 channels, stride 1): SHU3 needs an even number of channels"},
    {"SHX5", "{}", 4, 7, 2, MODNAS_ECONFIG, "SHX5 needs an even number of output channels"},
    {"SHU3", "{}", 8, 4, 1, MODNAS_ECONFIG, "SHU3 needs more output channels than pass by"},
    {"SHX3", "{}", 8, 8, 2, MODNAS_ECONFIG, "slot 0 (8 -> 8 channels, stride 2): SHX3 needs more output channels"},
    {"{type: SHU3, args: {chn_mid: 0}}", "{}", 4, 4, 1, MODNAS_ECONFIG, "chn_mid"},
    {"MB3E9", "{}", 268435456, 4, 1, MODNAS_ESHAPE,
     "slot 0 (268435456 -> 4 channels, stride 1): 268435456 channels times an expansion of 9"},
    {"MB3E33", "{}", 4, 4, 1, MODNAS_ENOTFOUND,
     "slot 0 (4 -> 4 channels, stride 1): no candidate named 'MB3E33'; did you mean 'MB3E3'?"},
    {"SC4", "{}", 4, 4, 1, MODNAS_ENOTFOUND, "no candidate named 'SC4'; did you mean 'SC"},
    {"NC15", "{}", 4, 4, 1, MODNAS_ENOTFOUND, "no candidate named 'NC15'; did you mean 'NC1"},
    {"AVGG", "{}", 4, 4, 1, MODNAS_ENOTFOUND, "did you mean 'AVG'?"},
    {"M3B3E3Z", "{}", 4, 4, 1, MODNAS_ENOTFOUND, "no candidate named 'M3B3E3Z'; did you mean 'M3B3E3"},
    {"SE", "{}", 4, 6, 1, MODNAS_ECONFIG,
     "slot 0 (4 -> 6 channels, stride 1): SE needs equal channels and stride 1"},
    {"SE", "{}", 4, 4, 2, MODNAS_ECONFIG, "SE needs equal channels and stride 1"},
    {"{type: M3B3E3, args: {use_se: 2}}", "{}", 4, 4, 1, MODNAS_ECONFIG,
     "slot 0 (4 -> 4 channels, stride 1): M3B3E3 takes 0 or 1 as use_se, not the number 2"},
    {"{type: M3B3E3, args: {use_hs: yes}}", "{}", 4, 4, 1, MODNAS_ECONFIG, "takes 0 or 1 as use_hs, not the string 'yes'"},
    {"{type: M3B3E3S, args: {use_hs: 1}}", "{}", 4, 4, 1, MODNAS_ECONFIG, "M3B3E3S has no arg 'use_hs'"},
    {"M3B3E9", "{}", 268435456, 4, 1, MODNAS_ESHAPE, "268435456 channels times an expansion of 9"},
    {"banana", "{}", 4, 4, 1, MODNAS_ENOTFOUND, "no candidate named 'banana'"},
    {"{type: MB3E3, args: {k: 3}}", "{}", 4, 4, 1, MODNAS_ECONFIG, "MB3E3 has no arg 'k'"},
};

START_TEST(misfits_are_refused_with_slot_and_reason) {
    const misfit *c = &misfits[_i];
    mn_model *m = slot_empty_model("ref", MODNAS_F32);
    mn_module *place;
    slot_set_ops(m, c->ops);
    OK(mn_slot_new(m, c->chn_in, c->chn_out, c->stride, NULL, &place));
    ck_assert_int_eq(slot_fill(mn_slot_of(place), c->name), c->status);
    ck_assert_msg(strstr(modnas_errmsg(model_ctx), c->text) != NULL, "%s", modnas_errmsg(model_ctx));
    ck_assert_msg(strstr(modnas_errmsg(model_ctx), "test.yaml:1") != NULL, "%s", modnas_errmsg(model_ctx));
    mn_module_free(place);
    mn_model_free(m);
}
END_TEST

int main(void) {
    Suite *s = suite_create("candidates");
    util_add(s, "candidates", model_setup, model_teardown,
             (const TTest *[]){orders_are_kept, parameters_have_the_originals_names, reduction_follows_ops, NULL});
    util_add_loop(s, "measured", model_setup, model_teardown, counts_are_the_originals, MN_COUNT(originals));
    util_add_loop(s, "formulas", model_setup, model_teardown, counts_follow_the_formulas, MN_COUNT(settings));
    util_add_loop(s, "misfits", model_setup, model_teardown, misfits_are_refused_with_slot_and_reason,
                  MN_COUNT(misfits));
    return util_run(s);
}
