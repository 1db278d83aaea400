/* Optimizers: the step of BinaryGateOptim against its formula, what renorm keeps, RandomSearchOptim's walk through
 * small and huge spaces. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "optim/visited.h"
#include "util_small.h"

#define NET       "backend: ref\n" UTIL_SMALL_NET
#define INDEX_OPS "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3, MB5E3, MB5E1]}\n"
/* Slots 1 and 3 keep their shape and get a zero operator: 4 candidates there, 3 elsewhere. */
#define ZERO_OPS                                                                                                       \
    "construct: {mixed_op: {type: MobileNetV2SearchConstructor, args: {fix_first: false, add_zero_op: true,"           \
    " candidates: [MB3E1, MB3E3, MB5E3], mixed_op: BinaryGateMixedOp}}}\n"

enum { MAX_OPS = 8, MAX_CANDIDATES = 8 };

static util_small s;

#define MUST(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(s.ctx))

static int build_optim(const char *spec, mn_optim **o) {
    const mn_optim_env env = {.model = s.model, .seed = s.model->seed};
    return util_build(s.ctx, "optim", spec, &env, o);
}

typedef struct alphas {
    double a[MAX_OPS][MAX_CANDIDATES];
} alphas;

static int n_candidates(int op) {
    return mn_model_mixed(s.model, op)->n;
}

static alphas read_alphas(void) {
    alphas x;
    memset(&x, 0, sizeof x);
    for (int i = 0; i < mn_model_n_mixed(s.model); i++) MUST(mn_mixed_alpha(mn_model_mixed(s.model, i), x.a[i]));
    return x;
}

static double sum_exp(const double *a, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += exp(a[i]);
    return sum;
}

/* ---- BinaryGateOptim --------------------------------------------------------------------------------- */

/* One step from the start: with betas (0, 0.999) Adam moves an alpha of gradient g by -lr g / (|g| + eps). Then alphas
 * of the two sampled candidates are shifted together so that the sum of their exponentials is what it was. f32: 1e-6.
 */
START_TEST(gate_step) {
    const int renorm = _i;
    mn_optim *o;
    mn_estim e = {.trainer = NULL};
    util_small_open(&s, NET UTIL_SMALL_GATES);
    e.trainer = s.trainer;
    MUST(build_optim(renorm ? "BinaryGateOptim" : "{type: BinaryGateOptim, args: {renorm: false}}", &o));
    ck_assert_int_eq(mn_model_n_mixed(s.model), 4);
    const alphas before = read_alphas();
    MUST(o->vt->step(o, &e));
    const alphas after = read_alphas();
    ck_assert_int_eq(e.arch_scores.n, 8);
    for (int i = 0; i < 4; i++) {
        double g[4], want[4], sum_before = 0, sum_step = 0;
        int sampled = 0;
        MUST(mn_param_get_grad(mn_model_mixed(s.model, i)->param->tensor, g));
        for (int k = 0; k < 4; k++) {
            want[k] = before.a[i][k] - 0.006 * g[k] / (fabs(g[k]) + 1e-8);
            if (g[k] == 0) continue;
            sampled++;
            sum_before += exp(before.a[i][k]);
            sum_step += exp(want[k]);
        }
        ck_assert_int_eq(sampled, 2);
        for (int k = 0; k < 4; k++) {
            if (g[k] != 0 && renorm) want[k] += log(sum_before / sum_step);
            ck_assert_double_eq_tol(after.a[i][k], want[k], 1e-6);
            if (g[k] == 0) ck_assert(after.a[i][k] == before.a[i][k]);
        }
        ck_assert_double_eq_tol(g[0] + g[1] + g[2] + g[3], 0, 1e-6); /* the softmax rule of the pair sums to 0 */
        ck_assert_int_eq(mn_model_mixed(s.model, i)->n_active, 4);
    }
    mn_optim_free(o);
    util_small_close(&s);
}
END_TEST

/* Ops of 3 and of 4 candidates side by side, n_samples 2 and 3: where the active set is not everything the probability
 * of the others stays (their alphas do, and so must the sum over all); a set of all candidates is not touched by
 * renorm. */
START_TEST(renorm_keeps_the_rest) {
    const char *const specs[] = {"{type: BinaryGateOptim, args: {n_samples: 2}}",
                                 "{type: BinaryGateOptim, args: {n_samples: 3}}"};
    mn_optim *o;
    mn_estim e = {.trainer = NULL};
    util_small_open(&s, NET ZERO_OPS);
    e.trainer = s.trainer;
    MUST(build_optim(specs[_i], &o));
    int partial = 0, whole = 0;
    for (int step = 0; step < 40; step++) {
        const alphas before = read_alphas();
        MUST(o->vt->step(o, &e));
        const alphas after = read_alphas();
        for (int i = 0; i < 4; i++) {
            const int n = n_candidates(i);
            int moved = 0;
            for (int k = 0; k < n; k++) moved += before.a[i][k] != after.a[i][k];
            ck_assert_int_le(moved, _i + 2);
            if (moved == n) {
                whole++;
                continue;
            }
            partial++;
            ck_assert_double_eq_tol(sum_exp(after.a[i], n) / sum_exp(before.a[i], n), 1, 1e-6);
        }
    }
    ck_assert_int_gt(partial, 40);
    ck_assert_int_eq(whole > 0, _i == 1); /* 3 of 3 */
    mn_optim_free(o);
    util_small_close(&s);
}
END_TEST

/* More samples than candidates: all of them, as n_samples 0; none is drawn twice and nothing is refused. */
START_TEST(samples_are_clamped) {
    const char *const specs[] = {"{type: BinaryGateOptim, args: {n_samples: 9}}",
                                 "{type: BinaryGateOptim, args: {n_samples: 0}}"};
    char hash[2][65];
    for (int i = 0; i < 2; i++) {
        mn_optim *o;
        mn_estim e = {.trainer = NULL};
        util_small_open(&s, NET ZERO_OPS);
        e.trainer = s.trainer;
        MUST(build_optim(specs[i], &o));
        for (int step = 0; step < 5; step++) MUST(o->vt->step(o, &e));
        util_hash_store(s.model->arch, hash[i]);
        mn_optim_free(o);
        util_small_close(&s);
    }
    ck_assert_str_eq(hash[0], hash[1]);
}
END_TEST

/* skip_zero: an op whose path is NIL keeps its alphas; the default moves them. */
START_TEST(zero_path) {
    const char *const specs[] = {"BinaryGateOptim", "{type: BinaryGateOptim, args: {skip_zero: true}}"};
    mn_optim *o;
    mn_estim e = {.trainer = NULL};
    int zero = 0, moved_zero = 0;
    util_small_open(&s, NET ZERO_OPS);
    e.trainer = s.trainer;
    MUST(build_optim(specs[_i], &o));
    for (int step = 0; step < 60; step++) {
        const alphas before = read_alphas();
        MUST(o->vt->step(o, &e));
        const alphas after = read_alphas();
        for (int i = 0; i < 4; i++) {
            const mn_mixed *m = mn_model_mixed(s.model, i);
            const int moved = memcmp(before.a[i], after.a[i], sizeof before.a[i]) != 0;
            const int is_zero = strcmp(mn_mixed_candidate(m, m->last), "NIL") == 0;
            if (!is_zero) ck_assert(moved);
            zero += is_zero;
            moved_zero += is_zero && moved;
        }
    }
    ck_assert_int_gt(zero, 10);
    if (_i)
        ck_assert_int_eq(moved_zero, 0);
    else
        ck_assert_int_gt(moved_zero, zero / 2);
    mn_optim_free(o);
    util_small_close(&s);
}
END_TEST

/* An architecture step leaves weights and running statistics as they are, bit by bit. */
START_TEST(gate_step_leaves_weights) {
    char before[65], after[65];
    mn_optim *o;
    mn_estim e = {.trainer = NULL};
    mn_scores scores = {0, 0, 0, 0};
    util_small_open(&s, NET UTIL_SMALL_GATES);
    e.trainer = s.trainer;
    MUST(build_optim("BinaryGateOptim", &o));
    MUST(mn_trainer_step(s.trainer, &scores));
    util_hash_store(s.model->weights, before);
    for (int i = 0; i < 5; i++) MUST(o->vt->step(o, &e));
    util_hash_store(s.model->weights, after);
    ck_assert_str_eq(before, after);
    mn_optim_free(o);
    util_small_close(&s);
}
END_TEST

static void refuse(const char *net, const char *spec, const char *a, const char *b) {
    mn_optim *o = NULL;
    util_small_open(&s, net);
    ck_assert_int_eq(build_optim(spec, &o), MODNAS_ECONFIG);
    ck_assert_ptr_null(o);
    ck_assert_msg(strstr(modnas_errmsg(s.ctx), a) && strstr(modnas_errmsg(s.ctx), b), "%s", modnas_errmsg(s.ctx));
    util_small_close(&s);
}

START_TEST(refusals) {
    static const char gates[] = NET UTIL_SMALL_GATES, index_ops[] = NET INDEX_OPS, none[] = NET,
                      gumbel[] = NET "mixed_op: {type: GumbelSumMixedOp, candidates: [MB3E1, MB3E3]}\n",
                      sum[] = NET "mixed_op: {type: SoftmaxSumMixedOp, candidates: [MB3E1, MB3E3]}\n";
    refuse(sum, "BinaryGateOptim", "BinaryGateOptim", "SoftmaxSumMixedOp");
    refuse(index_ops, "BinaryGateOptim", "BinaryGateOptim", "IndexMixedOp");
    refuse(gates, "DARTSOptim", "DARTSOptim", "BinaryGateMixedOp");
    refuse(gates, "{type: DARTSOptim, args: {second_order: false}}", "DARTSOptim", "BinaryGateMixedOp");
    refuse(index_ops, "DARTSOptim", "DARTSOptim", "IndexMixedOp");
    refuse(gates, "DirectGradOptim", "DirectGradOptim", "BinaryGateMixedOp");
    refuse(index_ops, "DirectGradOptimBiLevel", "DirectGradBiLevelOptim", "IndexMixedOp");
    refuse(sum, "GumbelAnnealingOptim", "GumbelAnnealingOptim", "SoftmaxSumMixedOp");
    refuse(none, "DARTSOptim", "DARTSOptim", "MobileNetV2");
    refuse(sum, "{type: DARTSOptim, args: {epsilon: 0}}", "DARTSOptim.epsilon", "0");
    refuse(sum, "{type: DARTSOptim, args: {w_momentum: -1}}", "DARTSOptim.w_momentum", "-1");
    refuse(gumbel, "{type: GumbelAnnealingOptim, args: {init_temp: 0}}", "GumbelAnnealingOptim.init_temp", "0");
    refuse(gumbel, "{type: GumbelAnnealingOptim, args: {init_temp: 1, end_temp: 2}}", "GumbelAnnealingOptim.end_temp", "2");
    refuse(gumbel, "{type: GumbelAnnealingOptim, args: {anneal_interval: 0}}", "anneal_interval", "0");
    refuse(gumbel, "{type: GumbelAnnealingOptim, args: {restart_period: 0}}", "restart_period", "0");
    refuse(gumbel, "{type: GumbelAnnealingOptim, args: {exp_anneal_rate: -0.1}}", "exp_anneal_rate", "-0.1");
    refuse(none, "BinaryGateOptim", "BinaryGateOptim", "MobileNetV2");
    refuse(gates, "RandomSearchOptim", "RandomSearchOptim", "BinaryGateMixedOp");
    refuse(gates, "{type: BinaryGateOptim, args: {n_samples: -1}}", "BinaryGateOptim.n_samples", "-1");
    refuse(gates, "{type: BinaryGateOptim, args: {a_optim: {type: Adam, args: {betas: [0, 1]}}}}", "Adam.betas", "1");
}
END_TEST

/* ---- RandomSearchOptim ------------------------------------------------------------------------------- */

static int code(const mn_arch *a) {
    int x = 0;
    for (int32_t i = 0; i < a->n; i++) x = 4 * x + a->index[i];
    return x;
}

/* 4 slots of 4 candidates: 256 points, each once, then MODNAS_EDONE; the order hangs on the seed alone. */
START_TEST(random_visits_all) {
    static int order[3][256];
    util_small_open(&s, NET INDEX_OPS);
    for (int run = 0; run < 3; run++) {
        mn_arch *archs[7];
        mn_optim *o;
        int seen[256] = {0}, n = 0;
        int32_t got;
        MUST(build_optim(run == 2 ? "{type: RandomSearchOptim, args: {seed: 8}}" : "RandomSearchOptim", &o));
        for (int i = 0; i < 7; i++) MUST(mn_arch_new(s.model, &archs[i]));
        while (n < 256) {
            MUST(o->vt->ask(o, 7, archs, &got));
            ck_assert_int_eq(got, n + 7 <= 256 ? 7 : 256 - n);
            for (int i = 0; i < got; i++) {
                ck_assert_int_eq(seen[code(archs[i])]++, 0);
                order[run][n++] = code(archs[i]);
                MUST(o->vt->tell(o, archs[i], 0, NULL));
            }
        }
        ck_assert_int_eq(o->vt->ask(o, 1, archs, &got), MODNAS_EDONE);
        ck_assert_int_eq(got, 0);
        ck_assert_ptr_nonnull(strstr(modnas_errmsg(s.ctx), "256"));
        for (int i = 0; i < 7; i++) mn_arch_free(archs[i]);
        mn_optim_free(o);
    }
    ck_assert_int_eq(memcmp(order[0], order[1], sizeof order[0]), 0);
    ck_assert_int_ne(memcmp(order[0], order[2], sizeof order[0]), 0);
    util_small_close(&s);
}
END_TEST

/* What is left is equally likely: of a space of 256 the first 128 points of 200 seeds hold each point about 100 times.
 * Standard deviation sqrt(200 / 4) = 7; 6 of them for 256 counts. */
START_TEST(random_is_uniform) {
    int count[256] = {0};
    int32_t got;
    mn_arch *a;
    util_small_open(&s, NET INDEX_OPS);
    MUST(mn_arch_new(s.model, &a));
    for (int seed = 0; seed < 200; seed++) {
        char spec[64];
        mn_optim *o;
        snprintf(spec, sizeof spec, "{type: RandomSearchOptim, args: {seed: %d}}", seed);
        MUST(build_optim(spec, &o));
        for (int i = 0; i < 128; i++) {
            MUST(o->vt->ask(o, 1, &a, &got));
            count[code(a)]++;
        }
        mn_optim_free(o);
    }
    for (int i = 0; i < 256; i++) ck_assert_int_le(abs(count[i] - 100), 42);
    mn_arch_free(a);
    util_small_close(&s);
}
END_TEST

/* 4^4 * 6^30 points, far above 2^64 (6^30 is about 2^77): 5000 of them, no two alike. */
START_TEST(random_in_a_huge_space) {
    mn_arch *a;
    mn_visited seen;
    mn_optim *o;
    int32_t got, choices[34];
    util_small_open(&s, NET INDEX_OPS);
    for (int i = 0; i < 30; i++) {
        mn_node *list;
        mn_arch_param *param;
        MUST(mn_yaml_value(s.ctx, "[a, b, c, d, e, f]", "test", &list));
        MUST(mn_space_categorical(s.model->space, NULL, list, &param));
    }
    for (int i = 0; i < 34; i++) choices[i] = mn_space_categorical_at(s.model->space, i)->n;
    MUST(build_optim("RandomSearchOptim", &o));
    MUST(mn_arch_new(s.model, &a));
    MUST(mn_visited_init(&seen, s.ctx, choices, 34));
    ck_assert(seen.size == UINT64_MAX);
    for (int i = 0; i < 5000; i++) {
        int is_new;
        MUST(o->vt->ask(o, 1, &a, &got));
        ck_assert_int_eq(got, 1);
        for (int k = 0; k < 34; k++) ck_assert(a->index[k] >= 0 && a->index[k] < choices[k]);
        MUST(mn_visited_add(&seen, a->index, &is_new));
        ck_assert(is_new);
    }
    ck_assert(seen.n == 5000 && mn_visited_has(&seen, a->index));
    mn_visited_free(&seen);
    mn_arch_free(a);
    mn_optim_free(o);
    util_small_close(&s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("optim");
    TCase *t = tcase_create("loops");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, gate_step, 0, 2);
    tcase_add_loop_test(t, renorm_keeps_the_rest, 0, 2);
    tcase_add_loop_test(t, zero_path, 0, 2);
    suite_add_tcase(suite, t);
    util_add(suite, "gates", NULL, NULL,
             (const TTest *[]){samples_are_clamped, gate_step_leaves_weights, refusals, NULL});
    util_add(suite, "random", NULL, NULL,
             (const TTest *[]){random_visits_all, random_is_uniform, random_in_a_huge_space, NULL});
    return util_run(suite);
}
