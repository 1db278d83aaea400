/* Formulas of training beside PyTorch's: learning rate schedules, clipping, counting. */
#include <math.h>
#include <string.h>

#include "train/train.h"
#include "util_small.h"

static util_host host;
static modnas_ctx *ctx;

static void setup(void) {
    ctx = util_ctx_new(&host);
    ck_assert_int_eq(mn_train_register(ctx), 0);
}

static void teardown(void) {
    util_ctx_end(&host, ctx);
}

/* From the documentation of torch.optim.lr_scheduler: StepLR's example (lr 0.05, step 30, gamma 0.1) and MultiStepLR's
 * (30, 80), ConstantLR's (factor 0.5, 4 epochs), and the cosine's formula at its quarter points: cos(pi/4) = sqrt(1/2).
 */
START_TEST(schedules) {
    const int64_t milestones[] = {30, 80};
    ck_assert(mn_lr_step(0.05, 30, 0.1, 29) == 0.05);
    ck_assert_double_eq_tol(mn_lr_step(0.05, 30, 0.1, 30), 0.005, 1e-17);
    ck_assert_double_eq_tol(mn_lr_step(0.05, 30, 0.1, 89), 0.0005, 1e-17);
    ck_assert(mn_lr_multistep(0.05, milestones, 2, 0.1, 29) == 0.05);
    ck_assert_double_eq_tol(mn_lr_multistep(0.05, milestones, 2, 0.1, 30), 0.005, 1e-17);
    ck_assert_double_eq_tol(mn_lr_multistep(0.05, milestones, 2, 0.1, 80), 0.0005, 1e-17);
    ck_assert_double_eq_tol(mn_lr_constant(0.05, 0.5, 4, 3), 0.025, 1e-17);
    ck_assert(mn_lr_constant(0.05, 0.5, 4, 4) == 0.05);
    ck_assert_double_eq_tol(mn_lr_exponential(0.05, 0.9, 2), 0.0405, 1e-16);
    ck_assert(mn_lr_cosine(0.1, 0.02, 8, 0) == 0.1);
    ck_assert_double_eq_tol(mn_lr_cosine(0.1, 0.02, 8, 2), 0.02 + 0.04 * (1 + sqrt(0.5)), 1e-15);
    ck_assert_double_eq_tol(mn_lr_cosine(0.1, 0.02, 8, 4), 0.06, 1e-15);
    ck_assert_double_eq_tol(mn_lr_cosine(0.1, 0.02, 8, 8), 0.02, 1e-15);
}
END_TEST

/* Epochs 0 to 7 with lr 0.5, by PyTorch 2.12 in f64: get the rate, optimizer.step(), scheduler.step(), over and over.
 */
static const struct torch_schedule {
    const char *spec;
    double want[8];
} torch_schedules[] = {
    /* LinearLR(o) */
    {"LinearLR",
     {0.16666666666666666, 0.23333333333333334, 0.3, 0.36666666666666675, 0.43333333333333346, 0.5, 0.5, 0.5}},
    /* LinearLR(o, start_factor=0.1, end_factor=0.8, total_iters=3) */
    {"{type: LinearLR, args: {start_factor: 0.1, end_factor: 0.8, total_iters: 3}}",
     {0.05, 0.16666666666666666, 0.2833333333333333, 0.4, 0.4, 0.4, 0.4, 0.4}},
    /* SequentialLR(o, [LinearLR(o, start_factor=0.25, total_iters=2), CosineAnnealingLR(o, T_max=6)], milestones=[2])
     */
    {"{type: CosineAnnealingLR, args: {warmup_epochs: 2, warmup_factor: 0.25}}",
     {0.125, 0.3125, 0.5, 0.4665063509461097, 0.375, 0.25, 0.12500000000000006, 0.03349364905389032}},
    /* LambdaLR(o, lambda e: {0: 1, 3: 0.5, 5: 0.1}[max(k for k in (0, 3, 5) if k <= e)]) */
    {"{type: LambdaLR, args: {lr_lambda: {5: 0.1, 0: 1, 3: 0.5}}}", {0.5, 0.5, 0.5, 0.25, 0.25, 0.05, 0.05, 0.05}},
    {"{type: LambdaLR, args: {lr_lambda: {3: 0.5, 5: 0.1}}}", {0.5, 0.5, 0.5, 0.25, 0.25, 0.05, 0.05, 0.05}},
};

START_TEST(schedules_as_torch) {
    const struct torch_schedule *row = &torch_schedules[_i];
    const mn_schedule_env env = {.lr = 0.5, .epochs = 8};
    mn_schedule *s = NULL;
    ck_assert_msg(util_build(ctx, "lr_scheduler", row->spec, &env, &s) == 0, "%s", modnas_errmsg(ctx));
    for (int i = 0; i < 8; i++) ck_assert_double_eq_tol(mn_schedule_lr(s, i), row->want[i], 1e-15);
    mn_schedule_free(s);
}
END_TEST

static const char *const bad[][2] = {
    {"{type: LambdaLR, args: {lr_lambda: {a: 1}}}", "'a' is no epoch"},
    {"{type: LambdaLR, args: {lr_lambda: {-1: 1}}}", "'-1' is no epoch"},
    {"{type: LambdaLR, args: {lr_lambda: {1.5: 1}}}", "'1.5' is no epoch"},
    {"{type: LambdaLR, args: {lr_lambda: {99999999999: 1}}}", "'99999999999' is no epoch"},
    {"{type: LambdaLR, args: {lr_lambda: {2: x}}}", "epoch 2 has no factor"},
    {"{type: LambdaLR, args: {lr_lambda: {2: -1}}}", "epoch 2 has no factor"},
    {"{type: LambdaLR, args: {lr_lambda: {2: .inf}}}", "epoch 2 has no factor"},
    {"{type: LinearLR, args: {start_factor: 0}}", "LinearLR.start_factor: 0 is outside (0, 1]"},
    {"{type: LinearLR, args: {end_factor: 1.5}}", "LinearLR.end_factor: 1.5 is outside 0..1"},
    {"{type: StepLR, args: {step_size: 1, warmup_epochs: -1}}", "StepLR.warmup_epochs: is -1"},
    {"{type: StepLR, args: {step_size: 1, warmup_factor: 2}}", "StepLR.warmup_factor: 2 is outside 0..1"}};

START_TEST(bad_schedules) {
    const mn_schedule_env env = {.lr = 0.5, .epochs = 8};
    mn_schedule *s = NULL;
    ck_assert_int_eq(util_build(ctx, "lr_scheduler", bad[_i][0], &env, &s), MODNAS_ECONFIG);
    ck_assert_msg(strstr(modnas_errmsg(ctx), bad[_i][1]) != NULL, "%s", modnas_errmsg(ctx));
    ck_assert_ptr_null(s);
}
END_TEST

/* ---- clipping ---------------------------------------------------------------------------------------- */

/* torch.nn.utils.clip_grad_norm_: coefficient max_norm / (norm + 1e-6), never above 1. */
START_TEST(clip_scale) {
    ck_assert_double_eq_tol(mn_clip_scale(10, 5), 5 / 10.000001, 1e-15);
    ck_assert(mn_clip_scale(4.9, 5) == 1);
    ck_assert(mn_clip_scale(0, 5) == 1);
    ck_assert_double_lt(mn_clip_scale(5, 5), 1);
}
END_TEST

/* ---- counting ---------------------------------------------------------------------------------------- */

START_TEST(count_top) {
    const float logits[] = {0, 3, 1, 2, 5, 4, /**/ 1, 1, 1, 1, 1, 1, /**/ -1, -2, -3, -4, -5, -6};
    const int32_t best[] = {4, 0, 0}, fifth[] = {2, 4, 4}, last[] = {0, 5, 5};
    ck_assert_int_eq(mn_count_top(logits, best, 3, 6, 1), 3);
    ck_assert_int_eq(mn_count_top(logits, fifth, 3, 6, 1), 0);
    ck_assert_int_eq(mn_count_top(logits, fifth, 3, 6, 5), 3); /* of equal logits the lower class is ahead */
    ck_assert_int_eq(mn_count_top(logits, last, 3, 6, 5), 0);
    ck_assert_int_eq(mn_count_top(logits, last, 3, 6, 6), 3);
}
END_TEST

int main(void) {
    Suite *s = suite_create("train_formulas");
    util_add(s, "formulas", setup, teardown, (const TTest *[]){schedules, clip_scale, count_top, NULL});
    util_add_loop(s, "torch", setup, teardown, schedules_as_torch, MN_COUNT(torch_schedules));
    util_add_loop(s, "bad", setup, teardown, bad_schedules, MN_COUNT(bad));
    return util_run(s);
}
