/* Gradients of mixed ops, in f64 on ref.
 *
 * Sums: weights, the way back to the stem, and alpha against central differences of the loss. The binary gate is a
 * straight-through estimate and biased by design (ProxylessNAS, Cai et al. 2019, eq. 3-4), so it is compared with its
 * own formula: for a path c dL/dalpha_i = sum over active j of <G, o_j> w_j (delta_ij - w_i), with <G, o_j> measured
 * here as the slope of the loss when a little of o_j is mixed in (weighted_sum with fixed weights, no gate). All paths
 * and all pairs are enumerated; their probability-weighted sum is the expectation that draws must meet within five
 * standard errors. The bias against the gradient of the expected loss is printed, not judged. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util_mixed.h"

#define OK(e)      ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))
#define CANDIDATES "[MB3E1, MB3E3, IDT]"

enum { N = MIXED_CANDIDATES };

static const double alphas[MIXED_OPS][N] = {{0.3, -0.5, 0.1}, {-0.2, 0.4, 0.9}};

static void set_alphas(mn_model *m) {
    for (int32_t i = 0; i < MIXED_OPS; i++) OK(mn_mixed_set_alpha(mixed(m, i), alphas[i]));
}

/* ---- sums ---------------------------------------------------------------------------------------------- */

static void check_sum(const char *type, const char *candidates, double temperature) {
    mn_model *m = mixed_model(type, candidates, 3);
    step s;
    set_alphas(m);
    for (int32_t i = 0; i < MIXED_OPS; i++) mixed(m, i)->temperature = temperature;
    mn_model_set_draw(m, 17);
    step_new(m, 3, &s);
    step_record(m, &s, &(mn_run_opts){.train = 1, .grads = MN_ROLE_WEIGHT | MN_ROLE_ARCH});
    for (size_t i = 0; i < mn_store_n_params(m->weights); i++)
        if (mn_store_param(m->weights, i)->role == MN_ROLE_WEIGHT) check_gradient(m, &s, mn_store_param(m->weights, i));
    for (size_t i = 0; i < mn_store_n_params(m->arch); i++) check_gradient(m, &s, mn_store_param(m->arch, i));
    step_free(&s);
    mn_model_free(m);
}

START_TEST(softmax_sum) {
    check_sum("SoftmaxSumMixedOp", CANDIDATES, 1);
    check_sum("SoftmaxSumMixedOp", "[MB3E3, NIL, IDT]", 1);
}
END_TEST
START_TEST(gumbel_sum) {
    check_sum("GumbelSumMixedOp", CANDIDATES, 0.7);
    check_sum("GumbelSumMixedOp", "[NIL, MB5E3, IDT]", 2.5);
}
END_TEST

static void softmax(const double *x, double scale, double *p) {
    double sum = 0;
    for (int i = 0; i < N; i++) sum += p[i] = exp(x[i] * scale);
    for (int i = 0; i < N; i++) p[i] /= sum;
}

/* The softmax sum is what its formula says: the same loss as with the weights given as constants, one op at a time. */
START_TEST(softmax_sum_is_its_formula) {
    mn_model *m = mixed_model("SoftmaxSumMixedOp", CANDIDATES, 3);
    step s;
    double p[N];
    set_alphas(m);
    step_new(m, 3, &s);
    for (int32_t i = 0; i < N; i++) {
        const int32_t path[MIXED_OPS] = {0, i};
        softmax(alphas[0], 1, p);
        const double want = mixture_loss(m, &s, path, 0, p);
        mn_mixed_force(mixed(m, 1), i);
        step_record(m, &s, &(mn_run_opts){.train = 1});
        ck_assert(fabs(step_go(&s) - want) < 1e-12);
    }
    step_free(&s);
    mn_model_free(m);
}
END_TEST

/* Gumbel: noise is drawn anew each step, from the right distribution: softmax((alpha + g) / T) has its largest entry at
 * i with probability softmax(alpha)_i (the Gumbel-max trick), which a low temperature makes visible in the loss. */
START_TEST(gumbel_noise_picks_by_softmax) {
    enum { DRAWS = 3000 };
    mn_model *m = mixed_model("GumbelSumMixedOp", CANDIDATES, 3);
    step s;
    double p[N], loss[N];
    int hits[N] = {0, 0, 0};
    set_alphas(m);
    step_new(m, 3, &s);
    for (int32_t i = 0; i < N; i++) loss[i] = mixture_loss(m, &s, (const int32_t[]){i, 0}, -1, NULL);
    mn_mixed_force(mixed(m, 1), 0);
    mixed(m, 0)->temperature = 1e-6;
    for (int d = 0; d < DRAWS; d++) {
        mn_model_set_draw(m, (uint64_t)d + 1);
        step_record(m, &s, &(mn_run_opts){.train = 1});
        const double got = step_go(&s);
        for (int i = 0; i < N; i++) hits[i] += fabs(got - loss[i]) < 1e-9;
    }
    softmax(alphas[0], 1, p);
    for (int i = 0; i < N; i++) ck_assert(fabs(hits[i] - DRAWS * p[i]) < 5 * sqrt(DRAWS * p[i] * (1 - p[i])));
    step_free(&s);
    mn_model_free(m);
}
END_TEST

/* ---- binary gate --------------------------------------------------------------------------------------- */

/* One case of an architecture step: active sets, and the path chosen among them. */
typedef struct gate_case {
    int32_t active[MIXED_OPS][N], n_active, chosen[MIXED_OPS];
    double probability;
    double grad[MIXED_OPS][N]; /* as the engine has it */
} gate_case;

static void set_case(mn_model *m, const gate_case *c) {
    for (int32_t i = 0; i < MIXED_OPS; i++) {
        mn_mixed *x = mixed(m, i);
        memcpy(x->active, c->active[i], sizeof c->active[i]);
        x->n_active = c->n_active;
        x->choice = c->chosen[i];
    }
}

static void read_grads(const mn_model *m, double grad[MIXED_OPS][N]) {
    for (int32_t i = 0; i < MIXED_OPS; i++) OK(mn_param_get_grad(mixed(m, i)->param->tensor, grad[i]));
}

static void arch_step(mn_model *m, step *s, double grad[MIXED_OPS][N]) {
    mn_model_set_arch_step(m, 1);
    mn_store_zero_grad(m->arch);
    mn_store_zero_grad(m->weights);
    step_record(m, s, &(mn_run_opts){.train = 1, .grads = MN_ROLE_ARCH});
    step_go(s);
    mn_model_set_arch_step(m, 0);
    read_grads(m, grad);
    const mn_range *ranges;
    size_t n;
    OK(mn_store_active(m->weights, &ranges, &n));
    ck_assert_uint_eq(n, 0); /* candidate weights get no gradient */
}

static void check_formula(mn_model *m, step *s, const gate_case *c, int32_t at) {
    double w[N] = {0, 0, 0}, slope[N] = {0, 0, 0}, sum = 0;
    for (int32_t k = 0; k < c->n_active; k++) sum += w[c->active[at][k]] = exp(alphas[at][c->active[at][k]]);
    for (int32_t j = 0; j < N; j++) {
        w[j] /= sum;
        if (w[j] > 0) slope[j] = mixture_slope(m, s, c->chosen, at, j);
    }
    for (int32_t i = 0; i < N; i++) {
        double want = 0;
        for (int32_t j = 0; j < N; j++) want += slope[j] * w[j] * ((i == j) - w[i]);
        ck_assert_msg(fabs(c->grad[at][i] - want) < 1e-8, "op %d, alpha %d: %.12g, wanted %.12g", at, i, c->grad[at][i],
                      want);
    }
}

/* All cases of both ops together, for one set of size k or all sets of two; the number of them. */
static int enumerate(int32_t k, gate_case *cases) {
    static const int32_t sets[2][3][N] = {{{0, 1, 2}, {0, 0, 0}, {0, 0, 0}}, {{0, 1, 0}, {0, 2, 0}, {1, 2, 0}}};
    const int n_sets = k == N ? 1 : 3;
    int n = 0;
    for (int a = 0; a < n_sets; a++)
        for (int b = 0; b < n_sets; b++)
            for (int32_t c = 0; c < k; c++)
                for (int32_t d = 0; d < k; d++) {
                    gate_case *x = &cases[n++];
                    memcpy(x->active[0], sets[k != N][a], sizeof x->active[0]);
                    memcpy(x->active[1], sets[k != N][b], sizeof x->active[1]);
                    x->n_active = k;
                    x->chosen[0] = x->active[0][c];
                    x->chosen[1] = x->active[1][d];
                }
    return n;
}

/* Probability that sample_ops draws this set (without replacement, by softmax), times that its path is drawn from the
 * set. */
static double probability(const double *alpha, const int32_t *active, int32_t k, int32_t chosen) {
    double w[N], within = 0, set = 1;
    softmax(alpha, 1, w);
    for (int32_t i = 0; i < k; i++) within += w[active[i]];
    if (k == 2)
        set = w[active[0]] * w[active[1]] / (1 - w[active[0]]) + w[active[1]] * w[active[0]] / (1 - w[active[1]]);
    return set * w[chosen] / within;
}

/* d/dalpha of sum over paths of w(path) L(path), all candidates active. */
static void true_gradient(mn_model *m, step *s, double grad[MIXED_OPS][N]) {
    double w[MIXED_OPS][N];
    memset(grad, 0, sizeof(double[MIXED_OPS][N]));
    for (int i = 0; i < MIXED_OPS; i++) softmax(alphas[i], 1, w[i]);
    for (int32_t a = 0; a < N; a++)
        for (int32_t b = 0; b < N; b++) {
            const double loss = mixture_loss(m, s, (const int32_t[]){a, b}, -1, NULL) * w[0][a] * w[1][b];
            for (int32_t i = 0; i < N; i++) {
                grad[0][i] += loss * ((i == a) - w[0][i]);
                grad[1][i] += loss * ((i == b) - w[1][i]);
            }
        }
}

static void check_draws(mn_model *m, step *s, int32_t k, const double mean[MIXED_OPS][N],
                        const double square[MIXED_OPS][N]) {
    enum { DRAWS = 4000 };
    double got[MIXED_OPS][N], sum[MIXED_OPS][N] = {{0}};
    for (int32_t i = 0; i < MIXED_OPS; i++) mixed(m, i)->choice = -1;
    for (int d = 0; d < DRAWS; d++) {
        mn_rng rng;
        mn_rng_init(&rng, 9, mn_stream("test"), (uint64_t)d);
        for (int32_t i = 0; i < MIXED_OPS; i++) OK(mn_mixed_sample_ops(mixed(m, i), k, &rng));
        mn_model_set_draw(m, (uint64_t)d + 1);
        arch_step(m, s, got);
        for (int32_t i = 0; i < MIXED_OPS * N; i++) sum[i / N][i % N] += got[i / N][i % N] / DRAWS;
    }
    for (int32_t i = 0; i < MIXED_OPS * N; i++) {
        const double want = mean[i / N][i % N], error = sqrt((square[i / N][i % N] - want * want) / DRAWS);
        ck_assert_msg(fabs(sum[i / N][i % N] - want) < 5 * error + 1e-12,
                      "op %d, alpha %d: mean %.6g, expected %.6g, standard error %.2g", i / N, i % N, sum[i / N][i % N],
                      want, error);
    }
}

static void check_gate(int32_t k) {
    gate_case cases[64];
    double mean[MIXED_OPS][N] = {{0}}, square[MIXED_OPS][N] = {{0}}, exact[MIXED_OPS][N], total = 0;
    mn_model *m = mixed_model("BinaryGateMixedOp", CANDIDATES, 3);
    step s;
    set_alphas(m);
    step_new(m, 3, &s);
    const int n = enumerate(k, cases);
    for (int c = 0; c < n; c++) {
        gate_case *x = &cases[c];
        set_case(m, x);
        arch_step(m, &s, x->grad);
        x->probability = probability(alphas[0], x->active[0], k, x->chosen[0]) *
                         probability(alphas[1], x->active[1], k, x->chosen[1]);
        total += x->probability;
        for (int32_t i = 0; i < MIXED_OPS; i++) check_formula(m, &s, x, i);
        for (int32_t i = 0; i < MIXED_OPS * N; i++) {
            mean[i / N][i % N] += x->probability * x->grad[i / N][i % N];
            square[i / N][i % N] += x->probability * x->grad[i / N][i % N] * x->grad[i / N][i % N];
        }
    }
    ck_assert(fabs(total - 1) < 1e-12);
    true_gradient(m, &s, exact);
    for (int32_t i = 0; i < MIXED_OPS * N; i++)
        printf("gate with %d of %d active, op %d, alpha %d: expectation %+.6f, true gradient %+.6f, bias %+.6f\n", k, N,
               i / N, i % N, mean[i / N][i % N], exact[i / N][i % N], mean[i / N][i % N] - exact[i / N][i % N]);
    check_draws(m, &s, k, mean, square);
    step_free(&s);
    mn_model_free(m);
}

START_TEST(gate_over_all_paths) {
    check_gate(N);
}
END_TEST
START_TEST(gate_over_all_pairs) {
    check_gate(2);
}
END_TEST

/* An active zero operator: its output counts as 0, so it adds nothing to the sum, and its alpha moves by the others'
 * push. */
START_TEST(gate_with_a_zero_op) {
    mn_model *m = mixed_model("BinaryGateMixedOp", "[MB3E1, NIL, IDT]", 3);
    step s;
    set_alphas(m);
    step_new(m, 3, &s);
    for (int32_t c = 0; c < N; c++) {
        gate_case x = {{{0, 1, 2}, {0, 1, 2}}, N, {c, 2}, 1, {{0}}};
        set_case(m, &x);
        arch_step(m, &s, x.grad);
        for (int32_t i = 0; i < MIXED_OPS; i++) check_formula(m, &s, &x, i);
        ck_assert(x.grad[0][1] != 0);
    }
    step_free(&s);
    mn_model_free(m);
}
END_TEST

/* The gate's way back: gradients of the stem's weights in an architecture step with weight gradients are those of the
 * chosen path. */
START_TEST(gate_passes_the_chosen_gradient) {
    mn_model *m = mixed_model("BinaryGateMixedOp", CANDIDATES, 3);
    step s;
    double want[8], got[8];
    mn_param *stem = mn_store_param(m->weights, 0);
    set_alphas(m);
    step_new(m, 3, &s);
    for (int32_t i = 0; i < MIXED_OPS; i++) mn_mixed_force(mixed(m, i), 1);
    mn_store_zero_grad(m->weights);
    step_record(m, &s, &(mn_run_opts){.train = 1, .grads = MN_ROLE_WEIGHT});
    step_go(&s);
    OK(mn_param_get_grad(stem, want));
    for (int32_t i = 0; i < MIXED_OPS; i++) mn_mixed_force(mixed(m, i), -1);
    set_case(m, &(const gate_case){{{0, 1, 2}, {0, 1, 2}}, N, {1, 1}, 1, {{0}}});
    mn_store_zero_grad(m->weights);
    mn_model_set_arch_step(m, 1);
    step_record(m, &s, &(mn_run_opts){.train = 1, .grads = MN_ROLE_WEIGHT | MN_ROLE_ARCH});
    step_go(&s);
    OK(mn_param_get_grad(stem, got));
    ck_assert_int_eq(mn_param_numel(stem), 8);
    for (int i = 0; i < 8; i++) ck_assert(fabs(got[i] - want[i]) < 1e-14);
    step_free(&s);
    mn_model_free(m);
}
END_TEST

int main(void) {
    Suite *s = suite_create("mixed");
    util_add(
        s, "sums", model_setup, model_teardown,
        (const TTest *[]){softmax_sum, gumbel_sum, softmax_sum_is_its_formula, gumbel_noise_picks_by_softmax, NULL});
    util_add(s, "gates", model_setup, model_teardown,
             (const TTest *[]){gate_over_all_paths, gate_over_all_pairs, gate_with_a_zero_op,
                               gate_passes_the_chosen_gradient, NULL});
    return util_run(s);
}
