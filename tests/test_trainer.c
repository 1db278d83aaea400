/* The trainer on a small network: what a step moves and what it leaves, wrong data, clipping, phases, evaluation. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "util_small.h"

#define NET(loader) "backend: ref\n" UTIL_SMALL_NET_OF(loader)

static util_small s;

#define MUST(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(s.ctx))

/* All trainable weights of the store, plain. */
static double *read_weights(size_t *n) {
    size_t total = 0;
    for (size_t i = 0; i < mn_store_n_params(s.model->weights); i++) {
        const mn_param *p = mn_store_param(s.model->weights, i);
        if (p->role == MN_ROLE_WEIGHT) total += (size_t)mn_param_numel(p);
    }
    double *w = calloc(total, sizeof *w);
    ck_assert_ptr_nonnull(w);
    size_t at = 0;
    for (size_t i = 0; i < mn_store_n_params(s.model->weights); i++) {
        const mn_param *p = mn_store_param(s.model->weights, i);
        if (p->role != MN_ROLE_WEIGHT) continue;
        MUST(mn_param_get(p, w + at));
        at += (size_t)mn_param_numel(p);
    }
    *n = total;
    return w;
}

/* ---- data that is wrong ------------------------------------------------------------------------------ */

static int32_t next_label;
static float next_pixel;

static int sample(const mn_dataset *d, int64_t index, int augment, mn_rng *rng, float *dst, int32_t *label) {
    (void)index;
    (void)augment;
    (void)rng;
    for (int32_t i = 0; i < d->c * d->h * d->w; i++) dst[i] = next_pixel;
    *label = next_label;
    return 0;
}

static const mn_dataset_vt fake = {.sample = sample};

/* A step on samples of a label and a pixel, from a set that now says n_classes, must fail and leave scores and weights
 * as they are, bit by bit. */
static void check_refused(int32_t n_classes, int32_t label, float pixel, int status, const char *word) {
    size_t n;
    mn_scores first = {0, 0, 0, 0}, scores = {1, 2, 3, 4};
    util_small_open(&s, NET("trn_batch_size: 16, val_batch_size: 8, valid_size: 8, workers: 0") UTIL_SMALL_GATES);
    const mn_dataset_vt *vt = s.set->vt;
    MUST(mn_trainer_start_epoch(s.trainer, 0));
    MUST(mn_trainer_step(s.trainer, &first));
    double *before = read_weights(&n);
    next_label = label;
    next_pixel = pixel;
    s.set->vt = &fake;
    s.set->n_classes = n_classes;
    ck_assert_int_eq(mn_trainer_step(s.trainer, &scores), status);
    ck_assert_msg(strstr(modnas_errmsg(s.ctx), word) != NULL, "%s", modnas_errmsg(s.ctx));
    ck_assert(scores.loss == 1 && scores.top1 == 2 && scores.top5 == 3 && scores.n == 4);
    double *after = read_weights(&n);
    ck_assert_int_eq(memcmp(before, after, n * sizeof *before), 0);
    free(before);
    free(after);
    s.set->vt = vt;
    util_small_close(&s);
}

START_TEST(wrong_samples) {
    check_refused(5, 4, 0.5f, MODNAS_EFORMAT, "label 4, the network has 4 outputs");
    check_refused(4, 4, 0.5f, MODNAS_EINVAL, "label 4 of sample ");
    check_refused(4, -1, 0.5f, MODNAS_EINVAL, "label -1 of sample ");
    check_refused(4, 0, NAN, MODNAS_ENUMERIC, "epoch 1, step 2: the loss is ");
}
END_TEST

/* ---- steps ------------------------------------------------------------------------------------------- */

/* Plain SGD with rate 0.5: clipped to norm 0.01 the weights move by 0.5 * 0.01, up to the 1e-6 beside the norm and
 * f32's rounding of some 10^4 weights of size 0.1 (1e-8 each). */
START_TEST(clipped_step) {
    size_t n;
    double moved = 0;
    mn_scores scores = {0, 0, 0, 0};
    util_small_open(&s, NET("trn_batch_size: 16"));
    mn_trainer *t;
    const mn_trainer_env env = {s.model, &s.loaders};
    MUST(util_build(s.ctx, "trainer",
                    "{type: ImageClsTrainer, args: {w_grad_clip: 0.01, optimizer: {type: SGD, args: {lr: 0.5}}}}", &env,
                    &t));
    double *before = read_weights(&n);
    MUST(mn_trainer_step(t, &scores));
    double *after = read_weights(&n);
    for (size_t i = 0; i < n; i++) moved += (after[i] - before[i]) * (after[i] - before[i]);
    ck_assert_double_eq_tol(sqrt(moved), 0.005, 2e-5);
    free(before);
    free(after);
    mn_trainer_free(t);
    util_small_close(&s);
}
END_TEST

/* Phases: each begins with a schedule of its own length, whatever was before (half a cosine of 0.05); its specs stay as
 * given. */
START_TEST(phases) {
    util_small_open(&s, NET("trn_batch_size: 16"));
    for (int64_t epochs = 2; epochs <= 8; epochs += 2) {
        MUST(mn_trainer_reset(s.trainer, epochs));
        ck_assert(mn_trainer_lr(s.trainer, 0) == 0.05);
        ck_assert_double_eq_tol(mn_trainer_lr(s.trainer, epochs / 2), 0.025, 1e-15);
    }
    ck_assert_ptr_null(mn_node_path(s.conf, "trainer.default.args.lr_scheduler.args"));
    util_small_close(&s);
}
END_TEST

/* A new phase starts with an empty momentum: two phases of one step each with momentum 0.9 are two steps without any,
 * bit by bit. The samples are the same, since epochs are counted on over phases. */
START_TEST(phase_drops_momentum) {
    static const struct {
        const char *spec;
        int split;
    } rows[] = {{"{type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05, momentum: 0.9}}}}", 1},
                {"{type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05}}}}", 0},
                {"{type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05, momentum: 0.9}}}}", 0}};
    char hash[3][65];
    for (int i = 0; i < 3; i++) {
        mn_scores scores = {0, 0, 0, 0};
        mn_trainer *t;
        util_small_open(&s, NET("trn_batch_size: 16"));
        const mn_trainer_env env = {s.model, &s.loaders};
        MUST(util_build(s.ctx, "trainer", rows[i].spec, &env, &t));
        MUST(mn_trainer_reset(t, rows[i].split ? 1 : 2));
        MUST(mn_trainer_start_epoch(t, 0));
        MUST(mn_trainer_step(t, &scores));
        if (rows[i].split) MUST(mn_trainer_reset(t, 1));
        MUST(mn_trainer_start_epoch(t, rows[i].split ? 0 : 1));
        MUST(mn_trainer_step(t, &scores));
        util_hash_store(s.model->weights, hash[i]);
        mn_trainer_free(t);
        util_small_close(&s);
    }
    ck_assert_str_eq(hash[0], hash[1]);
    ck_assert_str_ne(hash[0], hash[2]);
}
END_TEST

/* ---- architecture steps without validation data ------------------------------------------------------ */

/* They take training batches; an epoch still has all its weight steps. */
START_TEST(arch_step_on_training_data) {
    mn_scores weights = {0, 0, 0, 0}, arch = {0, 0, 0, 0};
    util_small_open(&s, NET("trn_batch_size: 16") UTIL_SMALL_GATES);
    ck_assert_int_eq(mn_trainer_n_valid(s.trainer), 0);
    for (int epoch = 0; epoch < 2; epoch++) {
        MUST(mn_trainer_start_epoch(s.trainer, epoch));
        for (int i = 0; i < 3; i++) {
            MUST(mn_trainer_arch_grad(s.trainer, &arch));
            MUST(mn_trainer_step(s.trainer, &weights));
        }
    }
    ck_assert_int_eq(arch.n, 96);
    ck_assert_int_eq(weights.n, 96);
    for (int i = 0; i < 4; i++) ck_assert(mn_param_active(mn_model_mixed(s.model, i)->param->tensor));
    ck_assert_int_eq(mn_trainer_evaluate(s.trainer, NULL, &arch, NULL, NULL), MODNAS_ECONFIG);
    util_small_close(&s);
}
END_TEST

START_TEST(no_alphas) {
    mn_scores scores = {0, 0, 0, 0};
    util_small_open(&s, NET("trn_batch_size: 16"));
    ck_assert_int_eq(mn_trainer_arch_grad(s.trainer, &scores), MODNAS_EINVAL);
    util_small_close(&s);
}
END_TEST

/* ---- evaluation -------------------------------------------------------------------------------------- */

static int stop_at;

static int tick(int64_t step, int64_t steps, const mn_scores *sofar, void *ud) {
    ck_assert(ud == &stop_at);
    ck_assert_int_eq(steps, 3);
    ck_assert_int_eq(sofar->n, step == 2 ? 20 : 8 * (step + 1));
    return step + 1 == stop_at ? 55 : 0;
}

/* 20 samples in batches of 8, 8 and 4 or of 20: the same sums (f32, sums of 20 losses: 1e-5), weights and statistics
 * untouched. */
START_TEST(evaluation) {
    static const char *const loaders[] = {NET("trn_batch_size: 28, val_batch_size: 8, valid_size: 20"),
                                          NET("trn_batch_size: 28, val_batch_size: 20, valid_size: 20")};
    mn_scores sum[2] = {{0, 0, 0, 0}, {0, 0, 0, 0}};
    for (int i = 0; i < 2; i++) {
        char before[65], after[65];
        mn_scores scores = {0, 0, 0, 0};
        util_small_open(&s, loaders[i]);
        MUST(mn_trainer_step(s.trainer, &scores));
        util_hash_store(s.model->weights, before);
        stop_at = 0;
        MUST(mn_trainer_evaluate(s.trainer, NULL, &sum[i], i ? NULL : tick, &stop_at));
        util_hash_store(s.model->weights, after);
        ck_assert_str_eq(before, after);
        stop_at = 2;
        mn_scores none = {0, 0, 0, 0};
        if (!i) ck_assert_int_eq(mn_trainer_evaluate(s.trainer, NULL, &none, tick, &stop_at), 55);
        ck_assert_int_eq(none.n, 0);
        util_small_close(&s);
    }
    ck_assert_int_eq(sum[0].n, 20);
    ck_assert_int_eq(sum[1].n, 20);
    ck_assert(sum[0].top1 == sum[1].top1 && sum[0].top5 == 20);
    ck_assert_double_eq_tol(sum[0].loss, sum[1].loss, 1e-5);
}
END_TEST

/* One batch of the validation set: the same one until it is asked for anew, then another order's; then all of them
 * again. */
START_TEST(limited_evaluation) {
    double loss[5];
    util_small_open(&s, NET("trn_batch_size: 28, val_batch_size: 8, valid_size: 20"));
    for (int i = 0; i < 5; i++) {
        mn_scores sum = {0, 0, 0, 0};
        if (i % 2 == 0) mn_trainer_limit_valid(s.trainer, i < 4);
        MUST(mn_trainer_evaluate(s.trainer, NULL, &sum, NULL, NULL));
        ck_assert_int_eq(sum.n, i < 4 ? 8 : 20);
        loss[i] = sum.loss;
    }
    ck_assert(loss[0] == loss[1] && loss[2] == loss[3] && loss[0] != loss[2]);
    util_small_close(&s);
}
END_TEST

/* A canceled context ends an evaluation after the batch. */
START_TEST(evaluation_is_canceled) {
    mn_scores scores = {0, 0, 0, 0};
    util_small_open(&s, NET("trn_batch_size: 28, val_batch_size: 8, valid_size: 20"));
    modnas_cancel(s.ctx);
    ck_assert_int_eq(mn_trainer_evaluate(s.trainer, NULL, &scores, NULL, NULL), MODNAS_ECANCELED);
    ck_assert_int_eq(scores.n, 0);
    mn_cancel_done(s.ctx);
    MUST(mn_trainer_evaluate(s.trainer, NULL, &scores, NULL, NULL));
    ck_assert_int_eq(scores.n, 20);
    util_small_close(&s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("trainer");
    util_add(suite, "steps", NULL, NULL,
             (const TTest *[]){wrong_samples, clipped_step, phases, phase_drops_momentum, arch_step_on_training_data,
                               no_alphas, NULL});
    util_add(suite, "evaluation", NULL, NULL, (const TTest *[]){evaluation, limited_evaluation, evaluation_is_canceled, NULL});
    return util_run(suite);
}
