/* Limits on costs: the most probable architecture that obeys against brute force; losses with a price on expected costs
 * against their formulas. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modnas/search.h"
#include "search/derive.h"
#include "search/limit.h"
#include "util_mixed.h"
#include "util_small.h"

/* ---- choosing ------------------------------------------------------------------------------------------ */

static util_small s;

#define MUST(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(s.ctx))

static mn_limits *limits_of(const char *objective, const char *const *names) {
    static const int32_t input[3] = {3, 8, 8};
    mn_node *node;
    mn_limits *l;
    MUST(mn_yaml_value(s.ctx, objective, "test", &node));
    MUST(mn_limits_new(s.ctx, node, &l));
    for (int i = 0; names[i]; i++) {
        mn_costs costs;
        MUST(mn_costs_named(s.model, names[i], input, &costs));
        MUST(mn_limits_keep(l, i, &costs, 1));
    }
    mn_node_free(s.ctx, node);
    return l;
}

/* Of all 256 architectures: the largest sum of log p within the limits; -INFINITY if none is. */
static double brute(const double logp[4][4], int64_t params_most, int64_t macs_least) {
    static const int32_t input[3] = {3, 8, 8};
    mn_costs params, macs;
    double best = -INFINITY;
    MUST(mn_costs_named(s.model, "params", input, &params));
    MUST(mn_costs_named(s.model, "macs", input, &macs));
    for (int code = 0; code < 256; code++) {
        const int32_t index[4] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6};
        if (mn_costs_of(&params, index) > params_most || mn_costs_of(&macs, index) < macs_least) continue;
        double sum = 0;
        for (int i = 0; i < 4; i++) sum += logp[i][index[i]];
        best = fmax(best, sum);
    }
    mn_costs_free(&params);
    mn_costs_free(&macs);
    return best;
}

START_TEST(most_probable_that_obeys) {
    static const int32_t input[3] = {3, 8, 8};
    static const char *const names[] = {"params", "macs", NULL};
    mn_rng rng;
    mn_costs params, macs;
    util_small_open(&s, "backend: ref\n" UTIL_SMALL_NET UTIL_SMALL_GATES);
    MUST(mn_costs_named(s.model, "params", input, &params));
    MUST(mn_costs_named(s.model, "macs", input, &macs));
    const int64_t params_low = mn_costs_min(&params), params_high = mn_costs_max(&params),
                  macs_low = mn_costs_min(&macs), macs_high = mn_costs_max(&macs);
    mn_rng_init(&rng, 1, mn_stream("limit"), 0);
    int n_impossible = 0;
    for (int t = 0; t < 20; t++) {
        double logp[4][4];
        char text[256];
        const int64_t most = params_low + (params_high - params_low) * (t + 4) / 24,
                      least = t ? macs_low + (macs_high - macs_low) * (t % 4) / 12 : macs_high;
        for (int i = 0; i < 4; i++) {
            double sum = 0, alpha[4];
            for (int k = 0; k < 4; k++) sum += exp(alpha[k] = (float)(2 * mn_rng_normal(&rng)));
            for (int k = 0; k < 4; k++) logp[i][k] = alpha[k] - log(sum);
            MUST(mn_mixed_set_alpha(mn_model_mixed(s.model, i), alpha));
        }
        snprintf(text, sizeof text, "{subject_to: ['params <= %lld', 'macs >= %lld']}", (long long)most,
                 (long long)least);
        mn_limits *l = limits_of(text, names);
        const double want = brute(logp, most, least);
        const int rc = mn_limits_ready(l);
        if (want == -INFINITY) { /* each on its own is obeyed; both ranges are told */
            char says[256];
            ck_assert_int_eq(rc, MODNAS_ECONFIG);
            snprintf(says, sizeof says,
                     "nothing in the space obeys all of its 2 limits on costs at once: 'params <= %lld' (params goes "
                     "from %lld "
                     "to %lld), 'macs >= %lld' (macs goes from %lld to %lld)",
                     (long long)most, (long long)params_low, (long long)params_high, (long long)least,
                     (long long)macs_low, (long long)macs_high);
            ck_assert_msg(strstr(modnas_errmsg(s.ctx), says) != NULL, "'%s' is not in: %s", says, modnas_errmsg(s.ctx));
            n_impossible++;
            mn_limits_free(l);
            continue;
        }
        MUST(rc);
        s.model->limits = l;
        MUST(mn_derive_begin(s.model));
        double got = 0;
        int64_t counted;
        for (int i = 0; i < 4; i++) got += logp[i][mn_model_mixed(s.model, i)->forced];
        ck_assert_int_le(mn_derived_params(s.model), most);
        MUST(mn_derived_macs(s.model, input, &counted));
        ck_assert_int_ge(counted, least);
        modnas_arch *a; /* what the host gets is the same, while the model is reduced and after */
        int32_t forced[4];
        for (int i = 0; i < 4; i++) forced[i] = mn_model_mixed(s.model, i)->forced;
        for (int k = 0; k < 2; k++) {
            MUST(modnas_arch_new(s.model, &a));
            for (int i = 0; i < 4; i++) ck_assert_int_eq(modnas_arch_get(a, i), forced[i]);
            modnas_arch_free(a);
            if (!k) mn_derive_end(s.model);
        }
        ck_assert_msg(fabs(got - want) <= 1e-9, "%.12g, brute force has %.12g", got, want);
        s.model->limits = NULL;
        mn_limits_free(l);
    }
    ck_assert_int_eq(n_impossible, 1); /* few parameters and the most multiply-adds */
    mn_costs_free(&params);
    mn_costs_free(&macs);
    util_small_close(&s);
}
END_TEST

/* Two of four ops forced, by all 16 pairs: the best of what is left by brute force; where nothing obeys, that is said
 * with the costs that are left, and nothing is forced. */
START_TEST(partly_forced) {
    static const int32_t input[3] = {3, 8, 8};
    static const char *const names[] = {"params", NULL};
    int n_none = 0, n_some = 0;
    mn_costs c;
    util_small_open(&s, "backend: ref\n" UTIL_SMALL_NET UTIL_SMALL_GATES);
    MUST(mn_costs_named(s.model, "params", input, &c));
    const int64_t most = mn_costs_min(&c) + (mn_costs_max(&c) - mn_costs_min(&c)) / 4;
    char text[256];
    snprintf(text, sizeof text, "{subject_to: ['params <= %lld']}", (long long)most);
    mn_limits *l = limits_of(text, names);
    MUST(mn_limits_ready(l));
    s.model->limits = l;
    for (int i = 0; i < 4; i++)
        MUST(mn_mixed_set_alpha(mn_model_mixed(s.model, i), (double[]){0.1 * i, 0.5, 1 + 0.3 * i, -1}));
    for (int pair = 0; pair < 16; pair++) {
        const int32_t set[2] = {pair & 3, pair >> 2};
        int64_t low = INT64_MAX, high = 0;
        double want = -INFINITY, got = 0;
        for (int code = 0; code < 16; code++) { /* sums of logits differ from those of log p by a constant */
            const int32_t index[4] = {set[0], code & 3, set[1], code >> 2};
            const int64_t cost = mn_costs_of(&c, index);
            double alpha[2][4], sum;
            for (int k = 0; k < 2; k++) MUST(mn_mixed_alpha(mn_model_mixed(s.model, 2 * k + 1), alpha[k]));
            sum = alpha[0][index[1]] + alpha[1][index[3]];
            if (cost <= most) want = fmax(want, sum);
            low = cost < low ? cost : low;
            high = cost > high ? cost : high;
        }
        for (int k = 0; k < 2; k++) mn_mixed_force(mn_model_mixed(s.model, 2 * k), set[k]);
        modnas_arch *a = NULL;
        const int of_host = modnas_arch_new(s.model, &a), rc = mn_derive_begin(s.model);
        ck_assert_int_eq(of_host, rc);
        if (want == -INFINITY) {
            ck_assert_int_eq(rc, MODNAS_ENOTFOUND);
            snprintf(
                text, sizeof text,
                "objective: nothing in the space, with the options that are set, obeys 'params <= %lld': params goes "
                "from %lld to %lld",
                (long long)most, (long long)low, (long long)high);
            ck_assert_str_eq(modnas_errmsg(s.ctx), text);
            ck_assert_ptr_null(a);
            for (int i = 0; i < 4; i++) ck_assert_int_eq(mn_model_mixed(s.model, i)->forced, -1);
            n_none++;
            continue;
        }
        MUST(rc);
        for (int k = 0; k < 2; k++) {
            double alpha[4];
            mn_mixed *m = mn_model_mixed(s.model, 2 * k + 1);
            MUST(mn_mixed_alpha(m, alpha));
            got += alpha[m->forced];
            ck_assert_int_eq(mn_model_mixed(s.model, 2 * k)->forced, set[k]);
        }
        for (int i = 0; i < 4; i++) ck_assert_int_eq(modnas_arch_get(a, i), mn_model_mixed(s.model, i)->forced);
        ck_assert_int_le(mn_derived_params(s.model), most);
        ck_assert_msg(fabs(got - want) <= 1e-6, "%.9g, brute force has %.9g", got, want);
        modnas_arch_free(a);
        mn_derive_end(s.model);
        n_some++;
    }
    ck_assert(n_none > 0 && n_some > 0);
    s.model->limits = NULL;
    mn_limits_free(l);
    mn_costs_free(&c);
    util_small_close(&s);
}
END_TEST

/* Bounds on the border count: at the least cost one architecture is left, a unit below none. */
START_TEST(borders) {
    static const int32_t input[3] = {3, 8, 8};
    static const char *const names[] = {"macs", NULL};
    mn_costs macs;
    util_small_open(&s, "backend: ref\n" UTIL_SMALL_NET UTIL_SMALL_GATES);
    MUST(mn_costs_named(s.model, "macs", input, &macs));
    for (int below = 0; below < 2; below++) {
        char text[128], least[32];
        snprintf(text, sizeof text, "{subject_to: ['macs <= %lld']}", (long long)(mn_costs_min(&macs) - below));
        snprintf(least, sizeof least, "%lld", (long long)mn_costs_min(&macs));
        mn_limits *l = limits_of(text, names);
        ck_assert_int_eq(mn_limits_ready(l), below ? MODNAS_ECONFIG : 0);
        if (below) ck_assert_ptr_nonnull(strstr(modnas_errmsg(s.ctx), least)); /* what proves it */
        ck_assert_int_eq(mn_limit_obeys(&l->all[0], (double)mn_costs_min(&macs)), !below);
        mn_limits_free(l);
    }
    mn_costs_free(&macs);
    util_small_close(&s);
}
END_TEST

/* ---- losses -------------------------------------------------------------------------------------------- */

#define BASE 2.5

static int constant_loss(const mn_criterion *c, mn_run *run, mn_value *logits, mn_value *target, mn_value **loss) {
    static const int64_t one[4] = {1, 1, 1, 1};
    const double value = BASE;
    (void)c, (void)logits, (void)target;
    return mn_const(run, one, &value, loss);
}

/* Parameters by hand of the candidates between 4 and 4 channels: 1x1 and 3x3 convolutions with batch norm (2 x 4), and
 * a depthwise 3x3 with one, then 1x1 with one. */
static const double sizes[3] = {4 * 4 + 8, 4 * 4 * 9 + 8, 4 * 9 + 4 * 4 + 8};

/* In f64: value and gradients by the formulas; d E / d alpha_i = p_i (c_i - sum p c). */
START_TEST(losses_by_formula) {
    static const char *const specs[] = {
        "{type: AddMetricsLoss, args: {metrics: params, target_val: 200, lamd: 0.25}}",
        "{type: MultMetricsLoss, args: {metrics: params, target_val: 200, alpha: 1.5, beta: 0.7}}",
        "{type: MultLogMetricsLoss, args: {metrics: params, target_val: 200, alpha: 1.5, beta: 0.7}}",
        "{type: AddMetricsLoss, args: {metrics: latency_ms, target_val: 2, lamd: 0.25}}",
        "{type: MultMetricsLoss, args: {metrics: latency_ms, target_val: 2, alpha: 1.5, beta: 0.7}}",
        "{type: MultLogMetricsLoss, args: {metrics: latency_ms, target_val: 2, alpha: 1.5, beta: 0.7}}"};
    static const double alpha[2][3] = {{0.1, -0.4, 1.2}, {0.5, 0.9, -1}};
    const int loss_of = _i % 3, by_latency = _i >= 3; /* a parameter then takes a hundredth of a millisecond */
    const double unit = by_latency ? 100 : 1, ref = 200 / unit;
    mn_costs latency = {.ctx = NULL};
    mn_model *m = mixed_model("SoftmaxSumMixedOp", "[NC1, NC3, SS3]", 5);
    const mn_criterion base = {.ctx = model_ctx, .loss = constant_loss};
    const mn_criterion_env env = {.model = m, .input = {2, 3, 4}, .base = &base};
    mn_criterion *c;
    ck_assert_int_eq(mn_metrics_register(model_ctx), 0);
    if (by_latency) {
        ck_assert_int_eq(mn_costs_named(m, "params", env.input, &latency), 0);
        for (int k = 0; k < latency.first[latency.n]; k++) latency.of[k] *= (int64_t)(MN_COST_MS / unit);
        latency.fixed *= (int64_t)(MN_COST_MS / unit);
        m->latency = &latency;
    }
    ck_assert_msg(util_build(model_ctx, "criterion", specs[_i], &env, &c) == 0, "%s", modnas_errmsg(model_ctx));
    double all = 0, expected = 0, slope[2][3];
    for (size_t i = 0; i < mn_store_n_params(m->weights); i++) {
        const mn_param *p = mn_store_param(m->weights, i);
        if (p->role == MN_ROLE_WEIGHT) all += (double)mn_param_numel(p);
    }
    expected = all - 2 * (sizes[0] + sizes[1] + sizes[2]);
    for (int k = 0; k < 2; k++) {
        double sum = 0, mean = 0;
        for (int i = 0; i < 3; i++) sum += exp(alpha[k][i]);
        for (int i = 0; i < 3; i++) mean += exp(alpha[k][i]) / sum * sizes[i];
        for (int i = 0; i < 3; i++) slope[k][i] = exp(alpha[k][i]) / sum * (sizes[i] - mean);
        expected += mean;
        ck_assert_int_eq(mn_mixed_set_alpha(mixed(m, k), alpha[k]), 0);
    }
    expected /= unit;
    for (int k = 0; k < 6; k++) slope[k / 3][k % 3] /= unit;
    const double r = expected / ref, by_log = log(expected) / log(ref);
    const double want[3] = {BASE + 0.25 * (r - 1), 1.5 * BASE * pow(r, 0.7), 1.5 * BASE * pow(by_log, 0.7)};
    const double outer[3] = {0.25 / ref, 1.5 * BASE * 0.7 * pow(r, -0.3) / ref,
                             1.5 * BASE * 0.7 * pow(by_log, -0.3) / (expected * log(ref))};
    const int64_t x[4] = {2, 2, 3, 4}, y[4] = {2, 1, 1, 1};
    const float images[48] = {0};
    const int32_t labels[2] = {0, 1};
    mn_run *run;
    mn_value *in, *target, *logits, *loss;
    int rc = mn_run_new(m->backend, m->dtype, m->slab, &run);
    if (!rc) rc = mn_run_begin(run, &(mn_run_opts){.train = 1, .grads = MN_ROLE_ARCH});
    if (!rc) rc = mn_input(run, x, MODNAS_F32, &in);
    if (!rc) rc = mn_input(run, y, MODNAS_I32, &target);
    if (!rc) rc = mn_model_forward(m, run, in, &logits);
    if (!rc) rc = c->loss(c, run, logits, target, &loss);
    if (!rc) rc = mn_run_keep(run, loss);
    if (!rc) rc = mn_run_plan(run, loss);
    mn_run_bind(run, in, images);
    mn_run_bind(run, target, labels);
    if (!rc) rc = mn_run_forward(run, 1);
    double got = 0;
    if (!rc) rc = mn_run_read(run, loss, &got);
    mn_store_zero_grad(m->arch);
    if (!rc) rc = mn_run_backward(run);
    ck_assert_msg(rc == 0, "%s", modnas_errmsg(model_ctx));
    ck_assert_msg(fabs(got - want[loss_of]) <= 1e-12 * want[loss_of], "%.15g, not %.15g", got, want[loss_of]);
    for (int k = 0; k < 2; k++) {
        double grad[3];
        ck_assert_int_eq(mn_param_get_grad(mixed(m, k)->param->tensor, grad), 0);
        for (int i = 0; i < 3; i++)
            ck_assert_msg(fabs(grad[i] - outer[loss_of] * slope[k][i]) <=
                              1e-10 * (1e-3 + fabs(outer[loss_of] * slope[k][i])),
                          "%d %d: %.12g, not %.12g", k, i, grad[i], outer[loss_of] * slope[k][i]);
    }
    mn_run_free(run);
    mn_criterion_free(c);
    mn_costs_free(&latency);
    mn_model_free(m);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("limit");
    TCase *loops = tcase_create("losses");
    tcase_add_checked_fixture(loops, model_setup, model_teardown);
    tcase_add_loop_test(loops, losses_by_formula, 0, 6);
    suite_add_tcase(suite, loops);
    util_add(suite, "choosing", NULL, NULL, (const TTest *[]){most_probable_that_obeys, partly_forced, borders, NULL});
    return util_run(suite);
}
