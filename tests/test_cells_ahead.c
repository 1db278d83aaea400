/* Second-order DARTS in a network of cells: the architecture's gradient one weight step ahead. */
#include <math.h>
#include <string.h>

#include "train/unroll.h"
#include "util_model.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

static const char net[] =
    "model: {type: DARTS, args: {chn: 4, layers: 3, nodes: 2, channel_multiplier: 1, n_classes: 3, input: [2, 8, 8]}}\n"
    "ops: {ops_order: weight_bn}\n"
    "construct: {cells: {type: DARTSSearchConstructor, args: {mixed_op: SoftmaxSumMixedOp, candidates: [AVG, SC3, DC3, IDT, "
    "NIL]}}}\n";

static mn_model *on_backend(const char *backend, int32_t dtype) {
    mn_str text = {.ctx = model_ctx};
    mn_str_addf(&text, "backend: %s\nthreads: 1\n%s", backend, net);
    mn_model *m = model_of(text.text, dtype);
    mn_str_free(&text);
    return m;
}

typedef struct ahead {
    step pass[MN_N_UNROLL];
} ahead;

static int run_pass(int32_t kind, void *ud) {
    step_go(&((ahead *)ud)->pass[kind]);
    return 0;
}

enum { N_ALPHA = 10 * 5 };

/* DARTS' second-order gradient of the architecture parameters; lr 0: the first order. */
static void unrolled(mn_model *m, double lr, double radius, double g[N_ALPHA]) {
    static const int32_t grads[MN_N_UNROLL] = {MN_ROLE_WEIGHT, MN_ROLE_WEIGHT | MN_ROLE_ARCH, MN_ROLE_ARCH};
    const mn_sgd_opts opts = {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.03};
    mn_weight_optim *sgd;
    mn_unroll *unroll;
    ahead a;
    for (int k = 0; k < MN_N_UNROLL; k++) {
        step_new(m, k == MN_UNROLL_VALID ? 5 : 4, &a.pass[k]);
        step_record(m, &a.pass[k], &(mn_run_opts){.train = 1, .grads = grads[k]});
    }
    OK(mn_sgd_new(model_ctx, m->weights, &opts, &sgd));
    OK(mn_unroll_new(m->weights, m->arch, &unroll));
    OK(mn_unroll_grad(unroll, sgd, lr, radius, run_pass, &a));
    ck_assert_uint_eq(m->arch_params.n, 10);
    for (size_t i = 0; i < 10; i++) OK(mn_param_get_grad(MN_AT(m->arch_params, mn_module_param, i).param, g + 5 * i));
    mn_unroll_free(unroll);
    mn_weight_optim_free(sgd);
    for (int k = 0; k < MN_N_UNROLL; k++) step_free(&a.pass[k]);
}

static double distance(const double *a, const double *b) {
    double sum = 0;
    for (int i = 0; i < N_ALPHA; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sqrt(sum);
}

static void move_alpha(mn_model *m, double by) {
    for (size_t i = 0; i < 10; i++) {
        mn_param *p = MN_AT(m->arch_params, mn_module_param, i).param;
        double x[5];
        OK(mn_param_get(p, x));
        for (int k = 0; k < 5; k++) x[k] += by * sin(1 + 5 * (double)i + k);
        OK(mn_param_set(p, x));
    }
}

/* What the second order is the gradient of: the loss on the validation batch after a weight step on the training batch.
 * Weights come back. */
static double loss_ahead(mn_model *m, double lr) {
    const mn_sgd_opts opts = {.lr = lr, .momentum = 0.9, .weight_decay = 0.03};
    const size_t n = mn_store_n_params(m->weights);
    double *before[512] = {NULL};
    mn_weight_optim *sgd;
    step train, valid;
    ck_assert_uint_le(n, 512);
    step_new(m, 4, &train);
    step_new(m, 5, &valid);
    step_record(m, &train, &(mn_run_opts){.train = 1, .grads = MN_ROLE_WEIGHT});
    step_record(m, &valid, &(mn_run_opts){.train = 1});
    OK(mn_sgd_new(model_ctx, m->weights, &opts, &sgd));
    for (size_t i = 0; i < n; i++) {
        mn_param *p = mn_store_param(m->weights, i);
        before[i] = mn_alloc(model_ctx, (size_t)mn_param_numel(p), sizeof **before);
        ck_assert_ptr_nonnull(before[i]);
        OK(mn_param_get(p, before[i]));
    }
    mn_store_zero_grad(m->weights);
    step_go(&train);
    OK(mn_weight_optim_step(sgd, lr, 1));
    const double loss = step_go(&valid);
    for (size_t i = 0; i < n; i++) {
        OK(mn_param_set(mn_store_param(m->weights, i), before[i]));
        mn_free(model_ctx, before[i]);
    }
    mn_weight_optim_free(sgd);
    step_free(&train);
    step_free(&valid);
    return loss;
}

/* Along one direction of all architecture parameters, in double precision. Both differences are short: factorized
 * reductions have activations, which bend. */
START_TEST(second_order_is_the_derivative) {
    const double h = 1e-6;
    double first[N_ALPHA], g[N_ALPHA], got = 0, without = 0;
    mn_model *m = on_backend("ref", MODNAS_F64);
    unrolled(m, 0.1, 1e-5, g);
    unrolled(m, 0, 1e-5, first);
    for (int i = 0; i < N_ALPHA; i++) {
        got += g[i] * sin(1 + i);
        without += first[i] * sin(1 + i);
    }
    move_alpha(m, h);
    const double above = loss_ahead(m, 0.1);
    move_alpha(m, -2 * h);
    const double want = (above - loss_ahead(m, 0.1)) / (2 * h);
    ck_assert_msg(fabs(got - want) < 2e-2 * fabs(want - without), "%g, wanted %g; the first order alone is %g", got, want,
                  without);
    mn_model_free(m);
}
END_TEST

/* The first order is the same on both backends as f32 is; the second one takes a difference of two gradients over 2 e,
 * e = 0.01 / |v|, which multiplies what they differ by: a hundredth of it is far below what it adds. */
START_TEST(both_orders_are_those_of_ref) {
    static const double zero[N_ALPHA];
    double ref[2][N_ALPHA], other[2][N_ALPHA];
    if (!model_has_dnnl("both_orders_are_those_of_ref")) return;
    mn_model *a = on_backend("ref", MODNAS_F32), *b = on_backend("dnnl", MODNAS_F32);
    for (int k = 0; k < 2; k++) {
        unrolled(a, k ? 0.1 : 0, 0.01, ref[k]);
        unrolled(b, k ? 0.1 : 0, 0.01, other[k]);
    }
    ck_assert_double_le(distance(ref[0], other[0]), 1e-4 * distance(ref[0], zero));
    ck_assert_double_gt(distance(ref[0], ref[1]), 1e-2 * distance(ref[0], zero));
    ck_assert_double_le(distance(ref[1], other[1]), 1e-2 * distance(ref[0], ref[1]));
    mn_model_free(a);
    mn_model_free(b);
}
END_TEST

int main(void) {
    Suite *s = suite_create("cells_ahead");
    util_add(s, "ahead", model_setup, model_teardown, (const TTest *[]){both_orders_are_those_of_ref, second_order_is_the_derivative, NULL});
    return util_run(s);
}
