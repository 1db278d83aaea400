/* What mixed ops can be asked and told: choices, probabilities, forced candidates, shared parameters, older names. */
#include <math.h>
#include <string.h>

#include "util_mixed.h"

#define OK(e)      ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))
#define CANDIDATES "[MB3E1, MB3E3, IDT]"

enum { N = MIXED_CANDIDATES };

static const double alpha[N] = {0.3, -0.9, 0.8};

static void softmax(const int32_t *active, int32_t n, double p[N]) {
    double sum = 0;
    memset(p, 0, N * sizeof *p);
    for (int32_t i = 0; i < n; i++) sum += p[active[i]] = exp(alpha[active[i]]);
    for (int32_t i = 0; i < N; i++) p[i] /= sum;
}

START_TEST(index_runs_its_choice) {
    mn_model *m = mixed_model("IndexMixedOp", CANDIDATES, 3);
    mn_arch *arch;
    step s;
    double p[N];
    step_new(m, 3, &s);
    OK(mn_arch_new(m, &arch));
    for (int32_t c = 0; c < N; c++) {
        const int32_t path[MIXED_OPS] = {c, (c + 1) % N};
        memcpy(arch->index, path, sizeof path);
        OK(mn_arch_apply(arch));
        step_record(m, &s, &(mn_run_opts){.train = 1});
        const double got = step_go(&s);
        ck_assert(fabs(got - mixture_loss(m, &s, path, -1, NULL)) < 1e-14);
        OK(mn_mixed_probs(mixed(m, 0), p));
        for (int32_t i = 0; i < N; i++) ck_assert(p[i] == (i == c));
    }
    ck_assert_int_eq(mn_mixed_set_alpha(mixed(m, 0), alpha), MODNAS_EINVAL);
    ck_assert_str_eq(mixed(m, 0)->param->name, "c_0");
    ck_assert_str_eq(mixed(m, 0)->param->choices->items[2]->text, "IDT");
    mn_arch_free(arch);
    step_free(&s);
    mn_model_free(m);
}
END_TEST

START_TEST(probabilities_and_best) {
    mn_model *m = mixed_model("BinaryGateMixedOp", CANDIDATES, 3);
    mn_mixed *x = mixed(m, 0);
    double p[N], want[N];
    int32_t top[N];
    OK(mn_mixed_set_alpha(x, alpha));
    OK(mn_mixed_probs(x, p));
    softmax((const int32_t[]){0, 1, 2}, N, want);
    for (int i = 0; i < N; i++) ck_assert(fabs(p[i] - want[i]) < 1e-15);
    OK(mn_mixed_top(x, 3, top));
    ck_assert(top[0] == 2 && top[1] == 0 && top[2] == 1);
    OK(mn_mixed_set_alpha(x, (const double[]){1, 1, 1})); /* ties go to the lower index */
    OK(mn_mixed_top(x, 2, top));
    ck_assert(top[0] == 0 && top[1] == 1);
    OK(mn_mixed_set_alpha(x, (const double[]){1000, 0, -1000})); /* no overflow */
    OK(mn_mixed_probs(x, p));
    ck_assert(p[0] == 1 && p[1] == 0 && p[2] == 0);
    ck_assert_int_eq(mn_mixed_top(x, 4, top), MODNAS_EINVAL);
    OK(mn_mixed_set_alpha(x, (const double[]){0, NAN, 0}));
    ck_assert_int_eq(mn_mixed_probs(x, p), MODNAS_ENUMERIC);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(model_ctx), "t_0 is not finite"));
    ck_assert_str_eq(mn_mixed_candidate(x, 1), "MB3E3");
    mn_model_free(m);
}
END_TEST

START_TEST(forced_candidates_win) {
    static const char *const types[] = {"SoftmaxSumMixedOp", "GumbelSumMixedOp", "BinaryGateMixedOp",
                                        "BinaryGateUniformMixedOp", "IndexMixedOp"};
    for (size_t t = 0; t < MN_COUNT(types); t++) {
        mn_model *m = mixed_model(types[t], CANDIDATES, 3);
        step s;
        step_new(m, 3, &s);
        for (int32_t c = 0; c < N; c++) {
            const uint64_t version = m->version;
            mn_mixed_force(mixed(m, 0), c);
            mn_mixed_force(mixed(m, 1), N - 1 - c);
            ck_assert(m->version != version);
            step_record(m, &s, &(mn_run_opts){.train = 1});
            const double got = step_go(&s);
            ck_assert(fabs(got - mixture_loss(m, &s, (const int32_t[]){c, N - 1 - c}, -1, NULL)) < 1e-14);
            ck_assert_int_eq(mixed(m, 0)->last, c);
        }
        step_free(&s);
        mn_model_free(m);
    }
}
END_TEST

/* The version moves when a recording would come out differently, and only then. */
START_TEST(version_follows_what_is_recorded) {
    static const struct {
        const char *type;
        int moves;
    } types[] = {{"SoftmaxSumMixedOp", 0}, {"IndexMixedOp", 0}, {"GumbelSumMixedOp", 1}, {"BinaryGateMixedOp", 1}};
    for (size_t t = 0; t < MN_COUNT(types); t++) {
        mn_model *m = mixed_model(types[t].type, CANDIDATES, 3);
        uint64_t version = m->version;
        mn_model_set_draw(m, 8);
        ck_assert_int_eq(m->version != version, types[t].moves);
        version = m->version;
        mn_model_set_draw(m, 8);
        ck_assert(m->version == version);
        mn_model_set_arch_step(m, 1);
        ck_assert(m->version != version);
        version = m->version;
        mn_model_set_arch_step(m, 1);
        ck_assert(m->version == version);
        for (int32_t i = 0; i < MIXED_OPS; i++) mn_mixed_force(mixed(m, i), 0);
        version = m->version;
        mn_model_set_draw(m, 9); /* nothing is drawn now */
        ck_assert(m->version == version);
        mn_model_free(m);
    }
}
END_TEST

START_TEST(older_names_are_known) {
    static const char *const older[][2] = {{"BinGate", "BinaryGateMixedOp"},
                                           {"BinGateUniform", "BinaryGateUniformMixedOp"},
                                           {"WeightedSum", "SoftmaxSumMixedOp"},
                                           {"GumbelSum", "GumbelSumMixedOp"},
                                           {"Index", "IndexMixedOp"},
                                           {"BinaryGate", "BinaryGateMixedOp"},
                                           {"binary-gate mixed_op", "BinaryGateMixedOp"}};
    for (size_t i = 0; i < MN_COUNT(older); i++) {
        mn_model *m = mixed_model(older[i][0], CANDIDATES, 3);
        ck_assert_str_eq(mixed(m, 0)->vt->type, older[i][1]);
        mn_model_free(m);
    }
}
END_TEST

/* Two mixed ops may share a parameter of the right size; their draws stay apart. */
START_TEST(parameters_can_be_shared) {
    mn_model *m = mixed_model("BinaryGateMixedOp", CANDIDATES, 3);
    mn_node *spec = yaml("BinaryGateMixedOp"), *fit = yaml("{x: MB3E1, y: MB5E1, z: MB7E1}"),
            *misfit = yaml("[MB3E1, MB5E1]"), *index = yaml("IndexMixedOp");
    const mn_slot *slot = mn_model_slot(m, 0);
    mn_mixed_env env = {m, slot, fit, mixed(m, 0)->param};
    mn_module *x = NULL;
    OK(mn_mixed_build(m, spec, &env, &x));
    ck_assert_ptr_eq(mn_mixed_of(x)->param, mixed(m, 0)->param);
    ck_assert_str_eq(mn_mixed_candidate(mn_mixed_of(x), 2), "z");
    mn_module_free(x);
    x = NULL;
    ck_assert_int_eq(mn_mixed_build(m, index, &env, &x), MODNAS_ECONFIG);
    env.candidates = misfit;
    ck_assert_int_eq(mn_mixed_build(m, spec, &env, &x), MODNAS_ECONFIG);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(model_ctx), "t_0 of 3 does not fit 2 candidates"));
    ck_assert_ptr_null(x);
    mn_node *const nodes[] = {spec, fit, misfit, index};
    for (size_t i = 0; i < MN_COUNT(nodes); i++) mn_node_free(model_ctx, nodes[i]);
    mn_model_free(m);
}
END_TEST

int main(void) {
    Suite *s = suite_create("mixed state");
    util_add(s, "questions", model_setup, model_teardown,
             (const TTest *[]){index_runs_its_choice, probabilities_and_best, forced_candidates_win,
                               version_follows_what_is_recorded, older_names_are_known, parameters_can_be_shared,
                               NULL});
    return util_run(s);
}
