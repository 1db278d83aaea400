/* DARTS' second order: the gradient through one weight step against a finite difference, in f64, of what it is the
 * gradient of:  F(alpha) = L_val(w', alpha),  w' what the real optimizer's step makes of w on the training batch.
 *
 * The difference that the method itself takes is of second order in epsilon: without activations the network is
 * smooth, and halving epsilon divides the error by 4. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "space/mixed.h"
#include "train/unroll.h"
#include "train/update.h"
#include "util_mixed.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

enum { N = MIXED_CANDIDATES, ALPHAS = MIXED_OPS * N, MAX_WEIGHTS = 4096 };

static const double alphas[MIXED_OPS][N] = {{0.3, -0.9, 0.8}, {-0.2, 0.5, 0.1}};

typedef struct bench {
    mn_model *m;
    step pass[MN_N_UNROLL];
    mn_weight_optim *sgd;
    mn_unroll *unroll;
} bench;

/* ---- passes -------------------------------------------------------------------------------------------- */

static int run_pass(int32_t kind, void *ud) {
    bench *b = ud;
    step_go(&b->pass[kind]);
    return 0;
}

static void open_bench(bench *b, const char *type, const char *candidates, const char *order, const mn_sgd_opts *sgd) {
    static const int32_t grads[MN_N_UNROLL] = {MN_ROLE_WEIGHT, MN_ROLE_WEIGHT | MN_ROLE_ARCH, MN_ROLE_ARCH};
    b->m = mixed_model_of(type, candidates, 3, order);
    mn_model_set_draw(b->m, 5);
    for (int32_t i = 0; i < MIXED_OPS; i++) {
        OK(mn_mixed_set_alpha(mixed(b->m, i), alphas[i]));
        mn_mixed_set_temperature(mixed(b->m, i), 0.7);
    }
    for (int k = 0; k < MN_N_UNROLL; k++) {
        step *s = &b->pass[k];
        step_new(b->m, k == MN_UNROLL_VALID ? 5 : 4, s);
        for (int64_t i = 0; k == MN_UNROLL_VALID && i < 5 * 24; i++) s->images[i] = (float)sin(0.7 * (double)i + 1);
        step_record(b->m, s, &(mn_run_opts){.train = 1, .grads = grads[k]});
    }
    OK(mn_sgd_new(model_ctx, b->m->weights, sgd, &b->sgd));
    OK(mn_unroll_new(b->m->weights, b->m->arch, &b->unroll));
}

static void close_bench(bench *b) {
    mn_unroll_free(b->unroll);
    mn_weight_optim_free(b->sgd);
    for (int k = 0; k < MN_N_UNROLL; k++) step_free(&b->pass[k]);
    mn_model_free(b->m);
}

static void weight_step(bench *b) {
    mn_store_zero_grad(b->m->weights);
    step_go(&b->pass[MN_UNROLL_TRAIN]);
    OK(mn_weight_optim_step(b->sgd, mn_weight_optim_lr(b->sgd), 1));
}

/* ---- what it is compared with -------------------------------------------------------------------------- */

typedef struct snapshot { /* of all that a weight step moves; memory of ref is plain */
    double weights[MAX_WEIGHTS], state[MAX_WEIGHTS];
    int64_t steps[256];
} snapshot;

static size_t arena_bytes(const bench *b) {
    ck_assert_uint_le(mn_store_count(b->m->weights), MAX_WEIGHTS);
    ck_assert_uint_le(b->sgd->n_params, 256);
    return mn_store_count(b->m->weights) * sizeof(double);
}

static void save(const bench *b, snapshot *s) {
    memset(s, 0, sizeof *s);
    memcpy(s->weights, mn_store_weights(b->m->weights), arena_bytes(b));
    if (b->sgd->n_state) memcpy(s->state, b->sgd->state[0], arena_bytes(b));
    memcpy(s->steps, b->sgd->steps, b->sgd->n_params * sizeof *s->steps);
}

static void restore(const bench *b, const snapshot *s) {
    memcpy(mn_store_weights(b->m->weights), s->weights, arena_bytes(b));
    if (b->sgd->n_state) memcpy(b->sgd->state[0], s->state, arena_bytes(b));
    memcpy(b->sgd->steps, s->steps, b->sgd->n_params * sizeof *s->steps);
}

static double unrolled_loss(bench *b, const snapshot *start) {
    weight_step(b);
    const double loss = step_go(&b->pass[MN_UNROLL_VALID]);
    restore(b, start);
    return loss;
}

/* Central difference of the fourth order: with h = 1e-3 far below the errors that are looked for. */
static double slope(bench *b, const snapshot *start, int i, double h) {
    static const double at[] = {-2, -1, 1, 2}, factor[] = {1, -8, 8, -1};
    double sum = 0;
    for (int k = 0; k < 4; k++) {
        double a[N];
        memcpy(a, alphas[i / N], sizeof a);
        a[i % N] += at[k] * h;
        OK(mn_mixed_set_alpha(mixed(b->m, i / N), a));
        sum += factor[k] * unrolled_loss(b, start);
    }
    OK(mn_mixed_set_alpha(mixed(b->m, i / N), alphas[i / N]));
    return sum / (12 * h);
}

static void look(bench *b, double lr, double radius, double *g) {
    OK(mn_unroll_grad(b->unroll, b->sgd, lr, radius, run_pass, b));
    for (int32_t i = 0; i < MIXED_OPS; i++) OK(mn_param_get_grad(mixed(b->m, i)->param->tensor, g + i * N));
}

static double distance(const double *a, const double *b) {
    double sum = 0;
    for (int i = 0; i < ALPHAS; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sqrt(sum);
}

static double length(const double *a) {
    static const double zero[ALPHAS];
    return distance(a, zero);
}

/* ---- the checks ---------------------------------------------------------------------------------------- */

static const struct optimizer {
    const char *name;
    mn_sgd_opts opts;
    int steps; /* made before: momentum has something to say */
} optimizers[] = {
    {"plain", {.lr = 0.2}, 0},
    {"weight decay", {.lr = 0.2, .weight_decay = 0.1}, 2},
    {"momentum, first step", {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.03}, 0},
    {"momentum", {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.03}, 3},
    {"Nesterov, first step", {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.03, .nesterov = 1}, 0},
    {"Nesterov", {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.03, .nesterov = 1}, 3},
    {"dampening", {.lr = 0.2, .momentum = 0.8, .dampening = 0.4, .weight_decay = 0.03}, 3},
};

/* Relative errors of the gradient at radius / |v| and at a half and a quarter of it; *second: length of the
 * second-order part, relative likewise. h: of the reference. */
static void measure(bench *b, int steps, double radius, double h, double error[3], double *second) {
    static snapshot start, after;
    double want[ALPHAS], got[ALPHAS], first[ALPHAS];
    for (int i = 0; i < steps; i++) weight_step(b);
    save(b, &start);
    for (int i = 0; i < ALPHAS; i++) want[i] = slope(b, &start, i, h);
    for (int k = 0; k < 3; k++) {
        look(b, mn_weight_optim_lr(b->sgd), radius / (1 << k), got);
        error[k] = distance(got, want) / length(want);
    }
    save(b, &after);
    ck_assert_mem_eq(&start, &after, sizeof start); /* weights, statistics, momentum, steps: bit for bit */
    look(b, 0, 0.01, first);
    *second = distance(first, want) / length(want);
}

START_TEST(smooth) {
    const struct optimizer *o = &optimizers[_i];
    double error[3], second;
    bench b;
    open_bench(&b, "SoftmaxSumMixedOp", "[NC1, NC3, IDT]", "wb", &o->opts);
    measure(&b, o->steps, 0.01, 1e-3, error, &second);
    printf("%s: relative error %.2e, %.2e, %.2e; away from first order: %.2e\n", o->name, error[0], error[1], error[2],
           second);
    ck_assert_double_le(error[0], 1e-3);
    ck_assert_double_gt(second, 20 * error[0]); /* there is a second order to be seen */
    for (int k = 0; k < 2; k++)
        ck_assert_msg(fabs(error[k] / error[k + 1] - 4) < 0.4, "ratio %g", error[k] / error[k + 1]);
    close_bench(&b);
}
END_TEST

/* MB candidates have ReLU6: a difference that is too short to meet a kink. Gumbel noise is the same in all passes. */
START_TEST(with_kinks) {
    static const char *const types[] = {"SoftmaxSumMixedOp", "GumbelSumMixedOp"};
    const struct optimizer *o = &optimizers[3];
    double error[3], second;
    bench b;
    open_bench(&b, types[_i], "[MB3E1, MB3E3, IDT]", NULL, &o->opts);
    measure(&b, o->steps, 1e-5, 1e-6, error, &second);
    printf("%s: relative error %.2e; away from first order: %.2e\n", types[_i], error[0], second);
    ck_assert_double_le(error[0], 1e-3);
    ck_assert_double_gt(second, 1e-2);
    close_bench(&b);
}
END_TEST

int main(void) {
    Suite *s = suite_create("darts");
    TCase *t = tcase_create("second order");
    tcase_add_checked_fixture(t, model_setup, model_teardown);
    tcase_add_loop_test(t, smooth, 0, MN_COUNT(optimizers));
    tcase_add_loop_test(t, with_kinks, 0, 2);
    suite_add_tcase(s, t);
    return util_run(s);
}
