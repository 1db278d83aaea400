/* REINFORCEOptim over sampled mixed ops: its gradient against the enumerated one, its baseline by hand, that it learns,
 * and what it does with paths that have no score. Rewards are made up: a function of the path. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util_small.h"

#define NET        "backend: ref\n" UTIL_SMALL_NET "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E1, MB3E3, IDT]}\n"
#define MUST(e)    ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(s.ctx))
#define SPEC(args) "{type: REINFORCEOptim, args: {" args "}}"
#define STILL      "a_optim: {type: SGD, args: {lr: 0}}"

enum { MAX_OPS = 4, MAX_N = 4, MAX_PATHS = 64 };

static util_small s;
static mn_estim estim;
static mn_metric metric;
static mn_optim *optim;
static int n_ops;

/* What was measured since the latest clear. */
static int n_seen;
static int32_t seen[MAX_PATHS][MAX_OPS];
static double rewards[MAX_PATHS];

/* No sum over ops: what one of them should do depends on the others. */
static double reward_of(const int32_t *path) {
    double r = 0.3, product = 1;
    for (int i = 0; i < n_ops; i++) {
        r += 0.1 * (i + 1) * path[i];
        product *= 0.5 + path[i];
    }
    return r - 0.4 * product;
}

static int measure(mn_metric *m, mn_estim *e, mn_metrics *out) {
    ck_assert_int_lt(n_seen, MAX_PATHS);
    for (int i = 0; i < n_ops; i++) {
        seen[n_seen][i] = e->subject->index[i];
        ck_assert_int_eq(mn_model_mixed(e->model, i)->forced, e->subject->index[i]); /* the net is that path */
    }
    rewards[n_seen] = reward_of(seen[n_seen]);
    n_seen++;
    return mn_metrics_add(m->ctx, out, "reward", rewards[n_seen - 1]);
}

static const mn_estim_vt plain_vt = {.type = "test"};

static void build(const char *spec, uint64_t seed) {
    const mn_optim_env env = {.model = s.model, .seed = seed};
    MUST(util_build(s.ctx, "optim", spec, &env, &optim));
}

static void setup(void) {
    util_small_open(&s, NET);
    n_ops = mn_model_n_mixed(s.model);
    ck_assert_int_le(n_ops, MAX_OPS);
    metric = (mn_metric){.ctx = s.ctx, .measure = measure};
    estim = (mn_estim){.vt = &plain_vt, .ctx = s.ctx, .model = s.model, .trainer = s.trainer, .metric = &metric};
    MUST(mn_trainer_prepare(s.trainer, 0, 0));
}

static void teardown(void) {
    util_small_close(&s);
}

static void arch_step(void) {
    n_seen = 0;
    MUST(optim->vt->step(optim, &estim));
}

static void set_alphas(void) {
    for (int i = 0; i < n_ops; i++) {
        const int32_t n = mn_model_mixed(s.model, i)->n;
        double a[MAX_N];
        for (int k = 0; k < n; k++) a[k] = 0.4 * k - 0.3 * i * (k == 1);
        MUST(mn_mixed_set_alpha(mn_model_mixed(s.model, i), a));
    }
}

typedef struct grads {
    double g[MAX_OPS][MAX_N];
} grads;

static grads read_grads(void) {
    grads x;
    memset(&x, 0, sizeof x);
    for (int i = 0; i < n_ops; i++) MUST(mn_param_get_grad(mn_model_mixed(s.model, i)->param->tensor, x.g[i]));
    return x;
}

static void read_probs(double p[MAX_OPS][MAX_N]) {
    for (int i = 0; i < n_ops; i++) MUST(mn_mixed_probs(mn_model_mixed(s.model, i), p[i]));
}

/* -dE[r]/dalpha over all paths. */
static grads enumerated(double p[MAX_OPS][MAX_N]) {
    grads x;
    int32_t path[MAX_OPS] = {0};
    memset(&x, 0, sizeof x);
    for (;;) {
        double probability = 1;
        for (int i = 0; i < n_ops; i++) probability *= p[i][path[i]];
        for (int i = 0; i < n_ops; i++)
            for (int k = 0; k < mn_model_mixed(s.model, i)->n; k++)
                x.g[i][k] -= probability * reward_of(path) * ((k == path[i]) - p[i][k]);
        int at = 0;
        while (at < n_ops && ++path[at] == mn_model_mixed(s.model, at)->n) path[at++] = 0;
        if (at == n_ops) return x;
    }
}

/* The mean over many first steps is the true gradient: within 5 standard errors of each alpha. */
START_TEST(unbiased) {
    enum { TRIALS = 1500 };
    double p[MAX_OPS][MAX_N], sum[MAX_OPS][MAX_N] = {{0}}, square[MAX_OPS][MAX_N] = {{0}};
    set_alphas();
    read_probs(p);
    const grads want = enumerated(p);
    for (int t = 0; t < TRIALS; t++) {
        build(SPEC("batch_size: 4, " STILL), (uint64_t)t);
        arch_step();
        ck_assert_int_eq(n_seen, 4);
        const grads got = read_grads();
        for (int i = 0; i < n_ops; i++)
            for (int k = 0; k < MAX_N; k++) {
                sum[i][k] += got.g[i][k] / TRIALS;
                square[i][k] += got.g[i][k] * got.g[i][k] / TRIALS;
            }
        mn_optim_free(optim);
    }
    for (int i = 0; i < n_ops; i++)
        for (int k = 0; k < mn_model_mixed(s.model, i)->n; k++) {
            const double error = sqrt((square[i][k] - sum[i][k] * sum[i][k]) / TRIALS);
            ck_assert_msg(fabs(sum[i][k] - want.g[i][k]) < 5 * error, "op %d, alpha %d: mean %.5f, true %.5f +- %.5f",
                          i, k, sum[i][k], want.g[i][k], error);
        }
}
END_TEST

/* Steps by hand: the first takes each reward off the mean of the others, later ones off a baseline that moves after it
 * was used. f32: 1e-6. */
START_TEST(baseline) {
    enum { N = 5 };
    double p[MAX_OPS][MAX_N], b = 0;
    set_alphas();
    read_probs(p);
    build(SPEC("batch_size: 5, " STILL), 3);
    for (int step = 0; step < 4; step++) {
        double want[MAX_OPS][MAX_N] = {{0}}, mean = 0;
        arch_step();
        ck_assert_int_eq(n_seen, N);
        for (int j = 0; j < N; j++) mean += rewards[j] / N;
        for (int j = 0; j < N; j++) {
            const double others = (N * mean - rewards[j]) / (N - 1), r = rewards[j] - (step ? b : others);
            for (int i = 0; i < n_ops; i++)
                for (int k = 0; k < mn_model_mixed(s.model, i)->n; k++)
                    want[i][k] += r * (p[i][k] - (k == seen[j][i])) / N;
        }
        const grads got = read_grads();
        for (int i = 0; i < n_ops; i++)
            for (int k = 0; k < mn_model_mixed(s.model, i)->n; k++)
                ck_assert_double_eq_tol(got.g[i][k], want[i][k], 1e-6);
        b = step ? b + 0.99 * (mean - b) : mean;
    }
    mn_optim_free(optim);
}
END_TEST

/* Paths are drawn by softmax(alpha): with 6000 draws a frequency lies within 5 standard deviations. */
START_TEST(draws) {
    double p[MAX_OPS][MAX_N];
    int hits[MAX_OPS][MAX_N] = {{0}}, n = 0;
    set_alphas();
    read_probs(p);
    build(SPEC("batch_size: 60, " STILL), 9);
    for (int step = 0; step < 100; step++) {
        arch_step();
        for (int j = 0; j < n_seen; j++, n++)
            for (int i = 0; i < n_ops; i++) hits[i][seen[j][i]]++;
    }
    for (int i = 0; i < n_ops; i++)
        for (int k = 0; k < mn_model_mixed(s.model, i)->n; k++)
            ck_assert_double_le(fabs(hits[i][k] - n * p[i][k]), 5 * sqrt(n * p[i][k] * (1 - p[i][k])));
    mn_optim_free(optim);
}
END_TEST

/* The best of all paths becomes the most probable one. */
START_TEST(learns) {
    double p[MAX_OPS][MAX_N], best = -1e9;
    int32_t path[MAX_OPS] = {0}, want[MAX_OPS] = {0};
    for (int at = 0; at < n_ops;) {
        if (reward_of(path) > best) {
            best = reward_of(path);
            memcpy(want, path, sizeof want);
        }
        for (at = 0; at < n_ops && ++path[at] == mn_model_mixed(s.model, at)->n; at++) path[at] = 0;
    }
    build(SPEC("a_optim: {type: Adam, args: {lr: 0.1}}"), 3);
    for (int step = 0; step < 150; step++) arch_step();
    read_probs(p);
    double r = 0;
    for (int j = 0; j < n_seen; j++) r += rewards[j] / n_seen;
    printf("mean reward %.3f of at most %.3f\n", r, best);
    ck_assert_double_gt(r, best - 0.15);
    mn_optim_free(optim);
}
END_TEST

/* ---- a real score, and none ---------------------------------------------------------------------------- */

static int n_failures;

static int fail_sometimes(mn_metric *m, mn_estim *e, mn_metrics *out) {
    if (e->subject->index[0] != 0) return measure(m, e, out);
    n_failures++;
    return mn_fail(m->ctx, MODNAS_ENUMERIC, "the loss is nan");
}

static int fail_always(mn_metric *m, mn_estim *e, mn_metrics *out) {
    (void)e, (void)out;
    return mn_fail(m->ctx, MODNAS_ENUMERIC, "the loss is nan");
}

static int break_down(mn_metric *m, mn_estim *e, mn_metrics *out) {
    (void)e, (void)out;
    return mn_fail(m->ctx, MODNAS_EIO, "the disk is gone");
}

START_TEST(no_score) {
    char before[65], after[65];
    build(SPEC("batch_size: 20"), 3);
    metric.measure = fail_sometimes;
    arch_step();
    ck_assert(n_failures > 0 && n_seen > 0 && n_seen + n_failures == 20);
    const grads g = read_grads();
    for (int i = 0; i < n_ops; i++)
        for (int k = 0; k < MAX_N; k++) ck_assert(isfinite(g.g[i][k]));
    ck_assert(g.g[0][0] != 0 || g.g[0][1] != 0);
    metric.measure = fail_always; /* nothing to learn from */
    util_hash_store(s.model->arch, before);
    arch_step();
    util_hash_store(s.model->arch, after);
    ck_assert_str_eq(before, after);
    metric.measure = break_down;
    ck_assert_int_eq(optim->vt->step(optim, &estim), MODNAS_EIO);
    for (int i = 0; i < n_ops; i++) ck_assert_int_eq(mn_model_mixed(s.model, i)->forced, -1); /* put back */
    mn_optim_free(optim);
}
END_TEST

/* The estimator's own metric on one validation batch, quietly; weights and statistics stay. */
static int n_told;
static int progress(const mn_progress *p, void *ud) {
    (void)p, (void)ud;
    n_told++;
    return 0;
}

START_TEST(validation) {
    char before[65], after[65];
    mn_metric *real;
    MUST(util_build(s.ctx, "metrics", "ValidateMetrics", NULL, &real));
    estim.metric = real;
    estim.observer.progress = progress;
    build(SPEC(""), 3);
    util_hash_store(s.model->weights, before);
    for (int i = 0; i < 3; i++) MUST(optim->vt->step(optim, &estim));
    util_hash_store(s.model->weights, after);
    ck_assert_str_eq(before, after);
    ck_assert_int_eq(n_told, 0);
    mn_scores scores = {0, 0, 0, 0};
    MUST(mn_trainer_evaluate(s.trainer, NULL, &scores, NULL, NULL));
    ck_assert_int_eq(scores.n, 8); /* all of it again */
    mn_optim_free(optim);
    mn_metric_free(real);
}
END_TEST

static void refuse(const char *spec, const char *word, const char *more) {
    const mn_optim_env env = {.model = s.model, .seed = 1};
    optim = NULL;
    ck_assert_int_eq(util_build(s.ctx, "optim", spec, &env, &optim), MODNAS_ECONFIG);
    ck_assert_ptr_null(optim);
    ck_assert_msg(strstr(modnas_errmsg(s.ctx), word) && strstr(modnas_errmsg(s.ctx), more), "%s", modnas_errmsg(s.ctx));
}

START_TEST(refusals) {
    refuse(SPEC("batch_size: 0"), "batch_size", "0");
    refuse(SPEC("valid_batches: -1"), "valid_batches", "-1");
    util_small_close(&s);
    util_small_open(&s,
                    "backend: ref\n" UTIL_SMALL_NET "mixed_op: {type: SoftmaxSumMixedOp, candidates: [MB3E1, IDT]}\n");
    refuse("REINFORCEOptim", "REINFORCEOptim", "SoftmaxSumMixedOp");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("reinforce");
    util_add(suite, "paths", setup, teardown,
             (const TTest *[]){unbiased, baseline, draws, learns, no_score, validation, refusals, NULL});
    return util_run(suite);
}
