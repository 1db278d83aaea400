/* Gradient optimizers over a trainer: what their steps leave alone, where their gradients come from, temperatures, and
 * what a checkpoint keeps of them. The second order itself is in test_darts.c, gates in test_optim.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util_small.h"

#define NET_OF(backend, loader)                                                                                        \
    "backend: " backend "\nthreads: 2\nseed: 3\n"                                                                      \
    "model: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [3, 8, 2, 2], [3, 16, 2, 2]], n_classes: 4,"               \
    " width_coeff: 0.5, dropout_rate: 0}}\n"                                                                           \
    "train_data: {type: RandData, args: {shape: [3, 8, 8], classes: 4, data_size: 48}}\n"                              \
    "data_loader: {type: DefaultDataLoader, args: {" loader "}}\n"                                                     \
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05, momentum: 0.9,"         \
    " weight_decay: 0.001, nesterov: true}}, w_grad_clip: 0.5}}}\n"
#define SPLIT       "trn_batch_size: 16, val_batch_size: 8, valid_size: 8"
#define WHOLE       "trn_batch_size: 16"
#define SUMS(type)  "mixed_op: {type: " type ", candidates: [MB3E1, MB3E3, IDT]}\n"
#define STILL(name) "{type: " name ", args: {a_optim: {type: SGD, args: {lr: 0}}}}"
#define MUST(e)     ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(s.ctx))

enum { MAX_ALPHAS = 32 };

static util_small s;
static mn_estim estim;
static mn_optim *optim;

static void open_as(const char *yaml, const char *spec) {
    util_small_open(&s, yaml);
    const mn_optim_env env = {.model = s.model, .seed = s.model->seed};
    MUST(util_build(s.ctx, "optim", spec, &env, &optim));
    estim = (mn_estim){.trainer = s.trainer};
    MUST(mn_trainer_reset(s.trainer, 4));
    MUST(mn_trainer_prepare(s.trainer, optim->needs, optim->n_active));
    MUST(mn_trainer_start_epoch(s.trainer, 0));
}

static void close_all(void) {
    mn_optim_free(optim);
    util_small_close(&s);
}

static void weight_steps(int n) {
    mn_scores scores = {0, 0, 0, 0};
    for (int i = 0; i < n; i++) MUST(mn_trainer_step(s.trainer, &scores));
}

static void arch_step(void) {
    MUST(optim->vt->step(optim, &estim));
}

static int read_grads(double *g) {
    int n = 0;
    for (size_t i = 0; i < mn_store_n_params(s.model->arch); i++) {
        const mn_param *p = mn_store_param(s.model->arch, i);
        MUST(mn_param_get_grad(p, g + n));
        n += (int)mn_param_numel(p);
    }
    return n;
}

static int read_alphas(double *a) {
    int n = 0;
    for (int32_t i = 0; i < mn_model_n_mixed(s.model); i++, n += mn_model_mixed(s.model, i - 1)->n)
        MUST(mn_mixed_alpha(mn_model_mixed(s.model, i), a + n));
    return n;
}

/* ---- what a step leaves alone ------------------------------------------------------------------------ */

/* Weights, running statistics and the weight optimizer's momentum and counts, after some steps of both kinds. */
static void hash_training(char text[65]) {
    mn_state io;
    char weights[65];
    mn_sha256 sha;
    util_hash_store(s.model->weights, weights);
    mn_state_save_to(&io, s.ctx, "test");
    MUST(mn_weight_optim_state((mn_weight_optim *)(uintptr_t)mn_trainer_optim(s.trainer), &io));
    MUST(mn_state_end(&io));
    mn_sha256_init(&sha);
    mn_sha256_add(&sha, weights, sizeof weights);
    mn_sha256_add(&sha, io.out.text, io.out.n);
    mn_sha256_hex(&sha, text);
    mn_state_free(&io);
}

static const struct pairing {
    const char *net, *optim;
} pairings[] = {
    {NET_OF("ref", SPLIT) SUMS("SoftmaxSumMixedOp"), "DARTSOptim"},
    {NET_OF("dnnl", SPLIT) SUMS("SoftmaxSumMixedOp"), "DARTSOptim"},
    {NET_OF("ref", WHOLE) SUMS("GumbelSumMixedOp"), "DARTSOptim"}, /* both batches are of one loader */
    {NET_OF("ref", SPLIT) SUMS("SoftmaxSumMixedOp"), "{type: DARTSOptim, args: {second_order: false}}"},
    {NET_OF("ref", SPLIT) SUMS("SoftmaxSumMixedOp"), "DirectGradOptim"},
    {NET_OF("ref", SPLIT) SUMS("GumbelSumMixedOp"), "DirectGradBiLevelOptim"},
    {NET_OF("ref", SPLIT) SUMS("GumbelSumMixedOp"), "GumbelAnnealingOptim"},
};

START_TEST(leaves_weights) {
    char before[65], after[65];
    double a[MAX_ALPHAS], b[MAX_ALPHAS];
    open_as(pairings[_i].net, pairings[_i].optim);
    for (int round = 0; round < 3; round++) {
        weight_steps(1);
        hash_training(before);
        const int n = read_alphas(a);
        arch_step();
        hash_training(after);
        ck_assert_str_eq(before, after);
        ck_assert_int_eq(read_alphas(b), n);
        ck_assert_int_ne(memcmp(a, b, (size_t)n * sizeof *a), 0);
    }
    close_all();
}
END_TEST

/* DARTS looks at the batch of the next weight step and does not take it: with alphas that stay, weights go the same way
 * with and without it. */
START_TEST(takes_no_batch) {
    char hash[2][65];
    for (int looks = 0; looks < 2; looks++) {
        open_as(NET_OF("ref", SPLIT) SUMS("SoftmaxSumMixedOp"), STILL("DARTSOptim"));
        for (int i = 0; i < 5; i++) {
            if (looks) arch_step();
            weight_steps(1);
        }
        hash_training(hash[looks]);
        close_all();
    }
    ck_assert_str_eq(hash[0], hash[1]);
}
END_TEST

/* ---- where gradients come from ------------------------------------------------------------------------- */

static void expect_close(const double *got, const double *want, int n, double tol) {
    double most = 0;
    for (int i = 0; i < n; i++) most = fmax(most, fabs(want[i]));
    ck_assert_double_gt(most, 0);
    for (int i = 0; i < n; i++)
        ck_assert_msg(fabs(got[i] - want[i]) <= tol * most, "%d: %.8g, wanted %.8g", i, got[i], want[i]);
}

/* Without validation data the first architecture step sees the first training batch: the gradient that the first weight
 * step leaves on the way is the same one. f32 in another order of passes: 1e-5. */
START_TEST(joint_gradient) {
    double want[MAX_ALPHAS], got[MAX_ALPHAS];
    mn_scores scores = {0, 0, 0, 0};
    open_as(NET_OF("ref", WHOLE) SUMS("SoftmaxSumMixedOp"), STILL("DirectGradBiLevelOptim"));
    MUST(mn_trainer_arch_grad(s.trainer, &scores));
    const int n = read_grads(want);
    close_all();
    open_as(NET_OF("ref", WHOLE) SUMS("SoftmaxSumMixedOp"), STILL("DirectGradOptim"));
    weight_steps(1);
    ck_assert_int_eq(read_grads(got), n);
    expect_close(got, want, n, 1e-5);
    close_all();
}
END_TEST

/* Two weight steps leave the sum of what each leaves; a step of the optimizer begins anew. */
START_TEST(joint_gradients_add_up) {
    double sum[MAX_ALPHAS], part[2][MAX_ALPHAS], none[MAX_ALPHAS];
    const char *net = NET_OF("ref", SPLIT) SUMS("SoftmaxSumMixedOp");
    open_as(net, STILL("DirectGradOptim"));
    weight_steps(2);
    const int n = read_grads(sum);
    close_all();
    open_as(net, STILL("DirectGradOptim"));
    for (int i = 0; i < 2; i++) {
        weight_steps(1);
        read_grads(part[i]);
        arch_step();
    }
    read_grads(none);
    for (int i = 0; i < n; i++) {
        part[0][i] += part[1][i];
        ck_assert(none[i] == 0);
    }
    expect_close(sum, part[0], n, 1e-5);
    close_all();
}
END_TEST

/* A trainer whose next estimator wants no such gradients leaves none. */
START_TEST(joint_ends) {
    double g[MAX_ALPHAS];
    open_as(NET_OF("ref", SPLIT) SUMS("SoftmaxSumMixedOp"), "DirectGradOptim");
    MUST(mn_trainer_prepare(s.trainer, 0, 0));
    weight_steps(1);
    const int n = read_grads(g);
    for (int i = 0; i < n; i++) ck_assert(g[i] == 0);
    close_all();
}
END_TEST

/* Adam's first step is lr in the direction of each gradient (betas do not matter, decay 0.001 of alphas near 0 does not
 * turn it): all alphas of the two methods go the same way. */
START_TEST(bilevel_is_first_order) {
    double a[MAX_ALPHAS], b[MAX_ALPHAS];
    const char *const specs[] = {"DirectGradOptimBiLevel", "{type: DARTSOptim, args: {second_order: false}}"};
    int n = 0;
    for (int i = 0; i < 2; i++) {
        open_as(NET_OF("ref", SPLIT) SUMS("SoftmaxSumMixedOp"), specs[i]);
        arch_step();
        n = read_alphas(i ? b : a);
        close_all();
    }
    ck_assert_int_eq(memcmp(a, b, (size_t)n * sizeof *a), 0);
}
END_TEST

/* ---- temperatures -------------------------------------------------------------------------------------- */

static double temperature(void) {
    for (int32_t i = 1; i < mn_model_n_mixed(s.model); i++)
        ck_assert(mn_model_mixed(s.model, i)->temperature == mn_model_mixed(s.model, 0)->temperature);
    return mn_model_mixed(s.model, 0)->temperature;
}

/* A phase of 40 weight steps, an architecture step before every `every`-th from step `first` on. */
static void anneal(const char *args, int every, int first, double *out) {
    char spec[256];
    snprintf(spec, sizeof spec, "{type: GumbelAnnealingOptim, args: {%s}}", args);
    open_as(NET_OF("ref", SPLIT) SUMS("GumbelSumMixedOp"), spec);
    estim.total_steps = 40;
    for (int i = first; i < 40; i += every) {
        estim.n_steps = i;
        arch_step();
        estim.n_arch_steps++;
        *out++ = temperature();
    }
    close_all();
}

#define NEAR(x, y) ck_assert_double_eq_tol((x) / (y), 1, 1e-12)

/* T = 8 (0.5 / 8)^p, from p = 0 at the first step to 1 at the last one. */
START_TEST(temperature_ends) {
    double t[40];
    anneal("init_temp: 8, end_temp: 0.5", 1, 0, t);
    for (int i = 0; i < 40; i++) NEAR(t[i], 8 * pow(0.5 / 8, i / 39.0));
    anneal("init_temp: 8, end_temp: 0.5", 1, 10, t); /* the search begins later */
    for (int i = 0; i < 30; i++) NEAR(t[i], 8 * pow(0.5 / 8, i / 29.0));
    anneal("init_temp: 8, end_temp: 0.5, anneal_interval: 4", 1, 0, t);
    for (int i = 0; i < 40; i++) NEAR(t[i], 8 * pow(0.5 / 8, i / 4 * 4 / 39.0));
    anneal("", 39, 0, t); /* defaults */
    NEAR(t[0], 1e4);
    NEAR(t[1], 0.1);
}
END_TEST

/* The original's formula, T0 exp(-rate floor(t / interval)), not below the end; and restarts. */
START_TEST(temperature_by_rate) {
    double t[40];
    anneal("init_temp: 8, end_temp: 0.5, exp_anneal_rate: 0.2, anneal_interval: 2", 1, 0, t);
    for (int i = 0; i < 40; i++) NEAR(t[i], fmax(0.5, 8 * exp(-0.2 * (i / 2))));
    anneal("init_temp: 8, end_temp: 0.5, exp_anneal_rate: 0.2, restart_period: 7", 1, 0, t);
    for (int i = 0; i < 40; i++) NEAR(t[i], fmax(0.5, 8 * exp(-0.2 * (i % 7))));
    anneal("init_temp: 8, end_temp: 0.5, restart_period: 7", 1, 0, t);
    for (int i = 0; i < 40; i++) NEAR(t[i], 8 * pow(0.5 / 8, i % 7 / 6.0));
}
END_TEST

/* A phase without an end: the original's rate. */
START_TEST(temperature_of_an_open_end) {
    open_as(NET_OF("ref", SPLIT) SUMS("GumbelSumMixedOp"), "GumbelAnnealingOptim");
    for (int i = 0; i < 5; i++) {
        arch_step();
        NEAR(temperature(), 1e4 * exp(-0.0015 * i));
    }
    close_all();
}
END_TEST

/* ---- checkpoints --------------------------------------------------------------------------------------- */

static mn_str saved(mn_optim *o) {
    mn_state io;
    mn_state_save_to(&io, s.ctx, "test");
    MUST(o->vt->state(o, &io));
    MUST(mn_state_end(&io));
    return io.out;
}

/* What is saved and loaded into a new optimizer is saved as the same bytes, and the pending gradients are there. */
START_TEST(state_comes_back) {
    double before[MAX_ALPHAS], after[MAX_ALPHAS];
    mn_state io;
    mn_map names = {0};
    open_as(pairings[_i].net, pairings[_i].optim);
    for (int i = 0; i < 3; i++) {
        weight_steps(1);
        arch_step();
    }
    weight_steps(1);
    mn_str first = saved(optim);
    const int n = read_grads(before);
    const mn_optim_env env = {.model = s.model, .seed = s.model->seed};
    mn_optim_free(optim);
    mn_store_zero_grad(s.model->arch);
    MUST(util_build(s.ctx, "optim", pairings[_i].optim, &env, &optim));
    mn_state_load_from(&io, s.ctx, "test", first.text, first.n, &names);
    MUST(optim->vt->state(optim, &io));
    MUST(mn_state_end(&io));
    mn_str second = saved(optim);
    ck_assert_uint_eq(first.n, second.n);
    ck_assert_int_eq(memcmp(first.text, second.text, first.n), 0);
    if (optim->needs == MN_ARCH_JOINT) {
        ck_assert_int_eq(read_grads(after), n);
        ck_assert_int_eq(memcmp(before, after, (size_t)n * sizeof *before), 0);
    }
    mn_str_free(&first);
    mn_str_free(&second);
    mn_map_free(s.ctx, &names);
    close_all();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("gradient");
    TCase *t = tcase_create("pairings");
    tcase_add_loop_test(t, leaves_weights, 0, MN_COUNT(pairings));
    tcase_add_loop_test(t, state_comes_back, 0, MN_COUNT(pairings));
    suite_add_tcase(suite, t);
    util_add(suite, "steps", NULL, NULL,
             (const TTest *[]){takes_no_batch, joint_gradient, joint_gradients_add_up, joint_ends,
                               bilevel_is_first_order, temperature_ends, temperature_by_rate,
                               temperature_of_an_open_end, NULL});
    return util_run(suite);
}
