/* DefaultModelInitializer: bounds by the formulas of its rules, statistics of what is drawn, and settings that are
 * wrong.
 *
 * Fans are worked out by hand: of a convolution kernel height times width times channels (over groups unless div_groups
 * is false), of a linear layer its sizes, of a batch norm its channels. The gain of leaky_relu with slope sqrt(5), the
 * default, is sqrt(2 / (1 + 5)) = sqrt(1/3). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "module/layers.h"
#include "util_model.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))
/* a 3x3 stem 2 -> 32; a block 32 -> 64 with 96 hidden channels; 64 -> 1280; 1280 -> 10 */
#define NET                                                                                                            \
    "backend: ref\n"                                                                                                   \
    "model: {type: MobileNetV2, args: {cfgs: [[0, 32, 1, 1], [3, 64, 1, 2]], n_classes: 10, input: [2, 6, 6], "        \
    "width_coeff: 0}}\n"
#define BLOCK "bottlenecks.Bottlenecks_0.MobileInvertedResidualBlock_0_0.conv.ent."

static mn_model *model_with(const char *args) {
    mn_str config = {.ctx = model_ctx};
    mn_str_addf(&config, NET "construct: {w: {type: DefaultModelInitializer, args: {%s}}}\n", args);
    mn_model *m = model_of(config.text, MODNAS_F32);
    mn_str_free(&config);
    return m;
}

/* ---- what is drawn ------------------------------------------------------------------------------------- */

/* Mean and standard deviation of n draws are off by less than 5 of their own standard deviations, s / sqrt(n) and
 * (for all distributions here) less than s / sqrt(2 n); draws of a bounded distribution come near the bound. */
static void check_draws(const mn_param *p, double mean, double deviation, double low, double high) {
    const int64_t n = mn_param_numel(p);
    double *x = mn_alloc(model_ctx, (size_t)n, sizeof *x), sum = 0, squares = 0, least = INFINITY, most = -INFINITY;
    ck_assert_ptr_nonnull(x);
    OK(mn_param_get(p, x));
    for (int64_t i = 0; i < n; i++) {
        sum += x[i];
        squares += (x[i] - mean) * (x[i] - mean);
        least = fmin(least, x[i]);
        most = fmax(most, x[i]);
    }
    mn_free(model_ctx, x);
    const double got_mean = sum / (double)n, got_deviation = sqrt(squares / (double)n);
    ck_assert_msg(fabs(got_mean - mean) <= 5 * deviation / sqrt((double)n), "%s: mean %g, wanted %g", p->name, got_mean,
                  mean);
    ck_assert_msg(fabs(got_deviation - deviation) <= 5 * deviation / sqrt(2 * (double)n), "%s: deviation %g, wanted %g",
                  p->name, got_deviation, deviation);
    if (!isfinite(low)) return;
    const double gap = 20 * (high - low) / (double)n; /* missed with probability e^-20 */
    ck_assert_msg(least >= low && least <= low + gap && most <= high && most >= high - gap,
                  "%s: %g to %g, wanted %g to %g", p->name, least, most, low, high);
}

typedef struct rule {
    const char *name;
    int uniform;
    double in, out, both, gained; /* bound or deviation squared is gained (1/3 or 1) times one of k / fan */
} rule;

static const rule rules[] = {
    {"he_normal_fin", 0, 1, 0, 0, 1. / 3},  {"he_normal_fout", 0, 0, 1, 0, 1. / 3},
    {"he_uniform_fin", 1, 3, 0, 0, 1. / 3}, {"he_uniform_fout", 1, 0, 3, 0, 1. / 3},
    {"xavier_normal", 0, 0, 0, 2, 1. / 3},  {"xavier_uniform", 1, 0, 0, 6, 1. / 3},
    {"uniform_fin", 1, 1, 0, 0, 1},         {"uniform_fout", 1, 0, 1, 0, 1},
};

static void check_rule(const rule *r, const mn_param *p, double in, double out) {
    const double square = r->gained * (r->in    ? r->in / in
                                       : r->out ? r->out / out
                                                : r->both / (in + out)),
                 bound = sqrt(square);
    ck_assert_double_eq_tol(p->bound, bound, 1e-12);
    if (r->uniform)
        check_draws(p, 0, bound / sqrt(3), -bound, bound);
    else
        check_draws(p, 0, bound, -INFINITY, INFINITY);
}

START_TEST(rules_follow_their_formulas) {
    const rule *r = &rules[_i];
    char args[200];
    snprintf(args, sizeof args, "init_config: {conv: {type: %s}, fc: {type: %s}, bias: {type: ones}}", r->name,
             r->name);
    mn_model *m = model_with(args);
    check_rule(r, model_param(m, "conv_first.0.weight"), 9 * 2, 9 * 32);
    check_rule(r, model_param(m, BLOCK "0.weight"), 32, 96);
    check_rule(r, model_param(m, BLOCK "3.weight"), 9, 9); /* depthwise: 96 channels in 96 groups */
    check_rule(r, model_param(m, "conv_last.0.weight"), 64, 1280);
    check_rule(r, model_param(m, "fc.weight"), 1280, 10);
    ck_assert_int_eq(model_param(m, "fc.bias")->init, MN_INIT_ONES);
    mn_model_free(m);
    snprintf(args, sizeof args, "init_config: {conv: {type: %s, div_groups: false}}", r->name);
    m = model_with(args);
    check_rule(r, model_param(m, BLOCK "3.weight"), 9 * 96, 9 * 96);
    check_rule(r, model_param(m, "conv_first.0.weight"), 9 * 2, 9 * 32);
    mn_model_free(m);
}
END_TEST

START_TEST(plain_rules_know_no_fans) {
    mn_model *m =
        model_with("init_config: {conv: {type: uniform}, fc: {type: normal}, norm: {type: zeros}, bias: {type: ones}}");
    check_draws(model_param(m, "conv_last.0.weight"), 0.5, sqrt(1. / 12), 0, 1);
    check_draws(model_param(m, "fc.weight"), 0, 1, -INFINITY, INFINITY);
    check_draws(model_param(m, "fc.bias"), 1, 0, 1, 1);
    check_draws(model_param(m, "conv_last.1.weight"), 0, 0, 0, 0);
    check_draws(model_param(m, "conv_last.1.bias"), 1, 0, 1, 1);
    check_draws(model_param(m, "conv_last.1.running_var"), 1, 0, 1, 1); /* statistics are no parameters */
    check_draws(model_param(m, "conv_last.1.running_mean"), 0, 0, 0, 0);
    mn_model_free(m);
    m = model_with("init_config: {norm: {type: uniform_fin}}");
    ck_assert_double_eq_tol(model_param(m, "conv_last.1.weight")->bound, 1 / sqrt(1280), 1e-12);
    mn_model_free(m);
}
END_TEST

/* As torch.nn.init.calculate_gain. */
START_TEST(gains) {
    static const struct {
        const char *args;
        double gain;
    } cases[] = {{"nonlinear: relu", 1.4142135623730951},
                 {"nonlinear: tanh", 5. / 3},
                 {"nonlinear: selu", 0.75},
                 {"nonlinear: linear", 1},
                 {"nonlinear: sigmoid", 1},
                 {"neg_slope: 0", 1.4142135623730951},
                 {"neg_slope: 1", 1},
                 {"nonlinear: leaky_relu", 0.5773502691896257}};
    for (size_t i = 0; i < MN_COUNT(cases); i++) {
        char args[200];
        snprintf(args, sizeof args, "init_config: {fc: {type: he_normal_fin}}, %s", cases[i].args);
        mn_model *m = model_with(args);
        ck_assert_double_eq_tol(model_param(m, "fc.weight")->bound, cases[i].gain / sqrt(1280), 1e-12);
        mn_model_free(m);
    }
    mn_model *m = model_with("init_config: {fc: {type: he_normal_fin}, gain: 3}, nonlinear: relu");
    ck_assert_double_eq_tol(model_param(m, "fc.weight")->bound, 3 / sqrt(1280), 1e-12);
    mn_model_free(m);
}
END_TEST

/* ---- what stays ---------------------------------------------------------------------------------------- */

static void expect_as_without(const char *args, const char *name, int same) {
    mn_model *a = model_of(NET, MODNAS_F32), *b = model_with(args);
    const mn_param *p = model_param(a, name), *q = model_param(b, name);
    ck_assert_msg((p->init == q->init && p->bound == q->bound) == same, "%s with %s", name, args);
    mn_model_free(a);
    mn_model_free(b);
}

START_TEST(what_has_no_type_stays) {
    static const char *const names[] = {"conv_first.0.weight", "fc.weight", "fc.bias", BLOCK "4.weight",
                                        BLOCK "4.bias"};
    for (size_t i = 0; i < MN_COUNT(names); i++) {
        expect_as_without("", names[i], 1);
        expect_as_without("init_config: {conv: {type: null}, norm: {}, fc: {type: null}}", names[i], 1);
    }
    expect_as_without("init_config: {bias: {type: ones}}", "fc.bias", 1); /* a linear layer's goes with its weights */
    expect_as_without("init_config: {bias: {type: ones}}", BLOCK "4.bias", 0);
    expect_as_without("init_config: {fc: {type: zeros}}, module_init_map: {Linear: null}", "fc.weight", 1);
    expect_as_without("init_config: {fc: {type: zeros}}, module_init_map: {Linear: fc}", "fc.weight", 0);
    expect_as_without("default_init_type: zeros", "fc.weight", 1);
    expect_as_without("default_init_type: zeros, module_init_map: {Linear: null}", "fc.weight", 0);
}
END_TEST

static int check_norm(mn_module *m, void *ud) {
    const mn_bn_opts *o = mn_batch_norm_opts(m), *want = ud;
    if (!o) return 0;
    ck_assert_double_eq(o->momentum, want->momentum);
    ck_assert_double_eq(o->eps, want->eps);
    return 0;
}

START_TEST(batch_norms_get_momentum_and_eps) {
    mn_model *m = model_with("init_config: {norm: {type: ones, momentum: 0.2, eps: 0.001}}");
    OK(mn_module_walk(m->root, check_norm, &(mn_bn_opts){.momentum = 0.2, .eps = 0.001}));
    mn_model_free(m);
    m = model_with("init_config: {norm: {type: ones, eps: 0.001}}");
    OK(mn_module_walk(m->root, check_norm, &(mn_bn_opts){.momentum = 0.1, .eps = 0.001}));
    mn_model_free(m);
}
END_TEST

/* It is run when all Slots are filled, wherever it stands: all candidates and the operators of the backbone are met. */
START_TEST(every_slot_is_filled_before) {
    mn_model *m =
        model_of(NET "construct: {w: {type: DefaultModelInitializer, args: {init_config: {conv: {type: zeros}}}}, "
                     "o: {type: DefaultMixedOpConstructor, args: {mixed_op: Index, candidates: [NC3, MB3E1]}}}\n",
                 MODNAS_F32);
    ck_assert_int_eq(model_param(m, BLOCK "NC3.net.2.weight")->init, MN_INIT_ZEROS);
    ck_assert_int_eq(model_param(m, BLOCK "MB3E1.0.weight")->init, MN_INIT_ZEROS);
    mn_model_free(m);
}
END_TEST

START_TEST(wrong_settings_are_refused) {
    static const char *const cases[][2] = {
        {"init_config: {conv: {type: he_norml_fout}}", "did you mean 'he_normal_fout'?"},
        {"init_config: {conv: {typ: zeros}}", "unknown key 'typ' of conv"},
        {"init_config: {cnv: {type: zeros}}", "unknown key 'cnv' of init_config"},
        {"init_config: {conv: zeros}", "init_config.conv: a map is wanted"},
        {"init_config: {conv: {div_groups: 1}}", "conv.div_groups: true or false"},
        {"init_config: {norm: {eps: 0}}", "eps: a number above 0"},
        {"init_config: {fc: {div_groups: true}}", "unknown key 'div_groups' of fc"},
        {"nonlinear: gelu", "'gelu' is none of"},
        {"default_init_type: none", "there is no rule 'none'"},
        {"module_init_map: {Conv3d: conv}", "'Conv3d' is none of"},
        {"module_init_map: {Linear: conv}", "Linear is initialised as fc"}};
    for (size_t i = 0; i < MN_COUNT(cases); i++) {
        mn_str config = {.ctx = model_ctx};
        mn_str_addf(&config, NET "construct: {w: {type: DefaultModelInitializer, args: {%s}}}\n", cases[i][0]);
        expect_refused(config.text, MODNAS_ECONFIG, "test.yaml:3", cases[i][1], NULL);
        mn_str_free(&config);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("initialise");
    util_add(s, "initialise", model_setup, model_teardown,
             (const TTest *[]){plain_rules_know_no_fans, gains, what_has_no_type_stays,
                               batch_norms_get_momentum_and_eps, every_slot_is_filled_before,
                               wrong_settings_are_refused, NULL});
    util_add_loop(s, "rules", model_setup, model_teardown, rules_follow_their_formulas, MN_COUNT(rules));
    return util_run(s);
}
