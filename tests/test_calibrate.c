/* Recalibration of batch norm: the first layer's statistics against ones computed by hand, the whole network's against
 * its own training mode. On ref and on dnnl. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/calibrate.h"
#include "train/trainer.h"
#include "util_small.h"

static const char *const backends[] = {"ref", "dnnl"};
static util_small s;

#define MUST(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(s.ctx))

static void open_small(int backend) {
    char yaml[2048];
    const int n = snprintf(yaml, sizeof yaml,
                           "backend: %s\n" UTIL_SMALL_NET
                           "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3, MB5E3, MB5E1]}\n",
                           backends[backend]);
    ck_assert(n > 0 && (size_t)n < sizeof yaml);
    util_small_open(&s, yaml);
}

static mn_calibration *calibration(int64_t n_batches, int32_t mode, int32_t clear) {
    const mn_calibration_opts o = {n_batches, mode, clear};
    mn_calibration *c;
    MUST(mn_calibration_new(s.trainer, &o, &c));
    MUST(mn_calibration_prepare(c));
    return c;
}

static mn_param *param(const char *name) {
    for (size_t i = 0; i < mn_store_n_params(s.model->weights); i++) {
        mn_param *p = mn_store_param(s.model->weights, i);
        if (strcmp(p->name, name) == 0) return p;
    }
    ck_abort_msg("no %s", name);
    return NULL;
}

static void values(const char *name, double *x) {
    MUST(mn_param_get(param(name), x));
}

/* ---- by hand ------------------------------------------------------------------------------------------- */

enum { CHN = 8, MOST = 64 };

/* Mean and biased variance of the first convolution's output (3x3, padding 1, no bias) over images of 3x8x8. */
static int64_t first_layer(const float *x, int n, int chn, int stride, const double *w, double *mean, double *var) {
    const int side = (8 + 2 - 3) / stride + 1;
    for (int o = 0; o < chn; o++) {
        double sum = 0, squares = 0;
        for (int b = 0; b < n; b++)
            for (int i = 0; i < side * side; i++) {
                double y = 0;
                for (int c = 0; c < 3; c++)
                    for (int k = 0; k < 9; k++) {
                        const int row = i / side * stride + k / 3 - 1, col = i % side * stride + k % 3 - 1;
                        if (row < 0 || col < 0 || row > 7 || col > 7) continue;
                        y += w[(o * 3 + c) * 9 + k] * (double)x[((b * 3 + c) * 8 + row) * 8 + col];
                    }
                sum += y;
                squares += y * y;
            }
        const double m = (double)n * side * side;
        mean[o] = sum / m;
        var[o] = squares / m - mean[o] * mean[o];
    }
    return (int64_t)n * side * side;
}

/* 40 training samples in batches of 16, 16 and 8. */
START_TEST(by_hand) {
    static const struct {
        int32_t mode, clear;
    } rows[] = {{MN_CALIBRATE_POOLED, 1}, {MN_CALIBRATE_AVERAGE, 1}, {MN_CALIBRATE_EMA, 1}, {MN_CALIBRATE_EMA, 0}};
    const int mode = rows[_i / 2].mode;
    double w[MOST * 27], start[2][MOST], got[2][MOST], mean[MOST], var[MOST], want[2][MOST] = {{0}};
    mn_loader *samples;
    mn_batch batch;
    open_small(_i % 2);
    mn_param *conv = param("conv_first.0.weight");
    const int chn = (int)conv->dims[0], stride = 1;
    ck_assert_int_le(chn, MOST);
    values("conv_first.0.weight", w);
    for (int i = 0; i < chn; i++) {
        start[0][i] = 0.25 * i;
        start[1][i] = 2;
    }
    MUST(mn_param_set(param("conv_first.1.running_mean"), start[0]));
    MUST(mn_param_set(param("conv_first.1.running_var"), start[1]));
    MUST(mn_loader_sample(s.loaders.train, 40, &samples));
    double n = 0;
    for (int i = 0; i < chn && mode == MN_CALIBRATE_EMA; i++) {
        want[0][i] = rows[_i / 2].clear ? 0 : start[0][i];
        want[1][i] = rows[_i / 2].clear ? 1 : start[1][i];
    }
    for (int b = 0; b < 3; b++) {
        MUST(mn_loader_next(samples, &batch));
        ck_assert_int_eq(batch.n, b == 2 ? 8 : 16);
        const double m = (double)first_layer(batch.x, batch.n, chn, stride, w, mean, var);
        for (int i = 0; i < chn; i++) {
            if (mode == MN_CALIBRATE_EMA) { /* PyTorch: 0.9 old + 0.1 new, the unbiased variance */
                want[0][i] = 0.9 * want[0][i] + 0.1 * mean[i];
                want[1][i] = 0.9 * want[1][i] + 0.1 * var[i] * m / (m - 1);
            } else {
                want[0][i] += m * mean[i];
                want[1][i] += m * (mode == MN_CALIBRATE_POOLED ? var[i] + mean[i] * mean[i] : var[i]);
            }
        }
        n += m;
    }
    for (int i = 0; i < chn && mode != MN_CALIBRATE_EMA; i++) {
        want[0][i] /= n;
        want[1][i] = want[1][i] / n - (mode == MN_CALIBRATE_POOLED ? want[0][i] * want[0][i] : 0);
    }
    mn_calibration *c = calibration(3, mode, rows[_i / 2].clear);
    MUST(mn_calibration_run(c));
    values("conv_first.1.running_mean", got[0]);
    values("conv_first.1.running_var", got[1]);
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < chn; i++) /* f32 sums of some 1000 terms */
            ck_assert_msg(fabs(got[k][i] - want[k][i]) <= 2e-5 * (1 + fabs(want[k][i])), "%d %d: %g, not %g", k, i,
                          got[k][i], want[k][i]);
    mn_calibration_free(c);
    mn_loader_free(samples);
    util_small_close(&s);
}
END_TEST

/* ---- the whole network --------------------------------------------------------------------------------- */

static void logits_of(const mn_batch *batch, const mn_run_opts *opts, float *logits) {
    const int64_t x[4] = {batch->n, 3, 8, 8};
    mn_run *run;
    mn_value *in, *out;
    MUST(mn_run_new(s.model->backend, s.model->dtype, s.model->slab, &run));
    MUST(mn_run_begin(run, opts));
    MUST(mn_input(run, x, MODNAS_F32, &in));
    MUST(mn_model_forward(s.model, run, in, &out));
    MUST(mn_run_keep(run, out));
    MUST(mn_run_plan(run, NULL));
    mn_run_bind(run, in, batch->x);
    MUST(mn_run_forward(run, 1));
    MUST(mn_run_read_f32(run, out, logits));
    mn_run_free(run);
}

/* With one batch, pooled statistics are those of that batch: evaluation gives what training mode gives. Weights and
 * the statistics of candidates that do not run stay as they are; another time gives the same bytes. */
START_TEST(evaluation_equals_training_mode) {
    float trained[64], before[64], after[64];
    char first[65], again[65];
    double kept[2], same[2];
    mn_loader *samples;
    mn_batch batch;
    open_small(_i);
    MUST(mn_loader_sample(s.loaders.train, 16, &samples));
    MUST(mn_loader_next(samples, &batch));
    logits_of(&batch, &(mn_run_opts){.train = 1, .no_drop = 1}, trained);
    logits_of(&batch, &(mn_run_opts){.train = 0}, before);
    mn_calibration *c = calibration(1, MN_CALIBRATE_POOLED, 1);
    mn_param *out_of_path = NULL;
    for (size_t i = 0; i < mn_store_n_params(s.model->weights); i++) {
        mn_param *p = mn_store_param(s.model->weights, i);
        if (strstr(p->name, "MB5E3") && strstr(p->name, "running_var")) out_of_path = p;
    }
    ck_assert_ptr_nonnull(out_of_path);
    ck_assert_int_ge(mn_param_numel(out_of_path), 2);
    double all[2048];
    MUST(mn_param_get(out_of_path, all));
    memcpy(kept, all, sizeof kept);
    MUST(mn_calibration_run(c));
    util_hash_store(s.model->weights, first);
    MUST(mn_param_get(out_of_path, all));
    memcpy(same, all, sizeof same);
    ck_assert_int_eq(memcmp(kept, same, sizeof kept), 0);
    MUST(mn_loader_start(samples, 0));
    MUST(mn_loader_next(samples, &batch));
    logits_of(&batch, &(mn_run_opts){.train = 0}, after);
    double moved = 0;
    for (int i = 0; i < 64; i++) {
        ck_assert_msg(fabsf(after[i] - trained[i]) <= 2e-3f, "%d: %g, not %g", i, (double)after[i], (double)trained[i]);
        moved = fmax(moved, fabs((double)before[i] - (double)trained[i]));
    }
    ck_assert_msg(moved > 0.01, "nothing was to be calibrated: %g", moved);
    MUST(mn_calibration_run(c));
    util_hash_store(s.model->weights, again);
    ck_assert_str_eq(first, again);
    mn_calibration_free(c);
    mn_loader_free(samples);
    util_small_close(&s);
}
END_TEST

/* The samples: the same ones each time, none of them of the validation part, and the hash is over what they hold. */
START_TEST(samples_are_fixed) {
    mn_sha256 sha;
    mn_batch batch;
    mn_loader *samples;
    char want[65];
    open_small(0);
    MUST(mn_loader_sample(s.loaders.train, 32, &samples));
    mn_sha256_init(&sha);
    for (int i = 0; i < 2; i++) {
        MUST(mn_loader_next(samples, &batch));
        mn_sha256_add(&sha, batch.x, (size_t)batch.n * 192 * sizeof *batch.x);
        mn_sha256_add(&sha, batch.y, (size_t)batch.n * sizeof *batch.y);
        for (int k = 0; k < batch.n; k++) { /* made-up images are all different */
            mn_batch valid;
            MUST(mn_loader_start(s.loaders.valid, 0));
            MUST(mn_loader_next(s.loaders.valid, &valid));
            for (int v = 0; v < valid.n; v++)
                ck_assert_int_ne(memcmp(valid.x + v * 192, batch.x + k * 192, 192 * sizeof *batch.x), 0);
        }
    }
    mn_sha256_hex(&sha, want);
    mn_calibration *c = calibration(2, MN_CALIBRATE_POOLED, 1);
    ck_assert_str_eq(mn_calibration_sha256(c), want);
    mn_calibration_free(c);
    mn_loader_free(samples);
    util_small_close(&s);
}
END_TEST

/* After prepare: no allocation, no plan, no object, whatever the path. */
START_TEST(hot_path) {
    mn_rng rng;
    mn_arch *a;
    open_small(_i);
    mn_calibration *c = calibration(3, MN_CALIBRATE_POOLED, 1);
    MUST(mn_arch_new(s.model, &a));
    MUST(mn_calibration_run(c)); /* the loader starts its thread */
    const int64_t allocs = s.ctx->n_allocs, plans = mn_backend_n_plans(s.model->backend),
                  objects = mn_backend_n_objects(s.model->backend);
    mn_rng_init(&rng, 5, mn_stream("test"), 0);
    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < a->n; k++) a->index[k] = (int32_t)mn_rng_below(&rng, 4);
        MUST(mn_arch_apply(a));
        MUST(mn_calibration_run(c));
    }
    ck_assert_int_eq(s.ctx->n_allocs, allocs);
    ck_assert_int_eq(mn_backend_n_plans(s.model->backend), plans);
    ck_assert_int_eq(mn_backend_n_objects(s.model->backend), objects);
    mn_arch_free(a);
    mn_calibration_free(c);
    util_small_close(&s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("calibrate");
    TCase *t = tcase_create("loops");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, by_hand, 0, 8);
    tcase_add_loop_test(t, evaluation_equals_training_mode, 0, 2);
    tcase_add_loop_test(t, hot_path, 0, 2);
    suite_add_tcase(suite, t);
    util_add(suite, "samples", NULL, NULL, (const TTest *[]){samples_are_fixed, NULL});
    return util_run(suite);
}
