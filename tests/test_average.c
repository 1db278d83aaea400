/* The running average of weights: by its formula, what it is used for, and that it leaves everything else alone. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_search.h"
#include "util_small.h"

static util_small s;

#define MUST(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(s.ctx))

static mn_trainer *averaging(const char *ema) {
    char spec[200];
    mn_trainer *t;
    const mn_trainer_env env = {s.model, &s.loaders};
    snprintf(spec, sizeof spec, "{type: ImageClsTrainer, args: {ema: %s, optimizer: {type: SGD, args: {lr: 0.1}}}}", ema);
    MUST(util_build(s.ctx, "trainer", spec, &env, &t));
    return t;
}

/* All of the store, statistics too. */
static double *values(size_t *n) {
    size_t at = 0;
    *n = 0;
    for (size_t i = 0; i < mn_store_n_params(s.model->weights); i++)
        *n += (size_t)mn_param_numel(mn_store_param(s.model->weights, i));
    double *x = calloc(*n, sizeof *x);
    ck_assert_ptr_nonnull(x);
    for (size_t i = 0; i < mn_store_n_params(s.model->weights); i++) {
        MUST(mn_param_get(mn_store_param(s.model->weights, i), x + at));
        at += (size_t)mn_param_numel(mn_store_param(s.model->weights, i));
    }
    return x;
}

/* a_1 = w_1, a_n = d a_(n-1) + (1 - d) w_n, d = min(0.3, n / (9 + n)); 1e-6 of f32 numbers up to some tens. */
START_TEST(by_formula) {
    size_t n;
    util_small_open(&s, "backend: ref\n" UTIL_SMALL_NET_OF("trn_batch_size: 16"));
    mn_trainer *t = averaging("0.3");
    double *want = NULL;
    for (int k = 0; k < 8; k++) {
        mn_scores scores = {0, 0, 0, 0};
        MUST(mn_trainer_step(t, &scores));
        double *w = values(&n);
        const double grown = (1.0 + k) / (10.0 + k), d = k == 0 ? 0 : grown < 0.3 ? grown : 0.3;
        if (!want) want = calloc(n, sizeof *want);
        ck_assert_ptr_nonnull(want);
        for (size_t i = 0; i < n; i++) want[i] = d * want[i] + (1 - d) * w[i];
        mn_trainer_average_in(t);
        double *a = values(&n);
        mn_trainer_average_out(t);
        double *again = values(&n);
        ck_assert_int_eq(memcmp(w, again, n * sizeof *w), 0);
        for (size_t i = 0; i < n; i++)
            ck_assert_msg(fabs(a[i] - want[i]) <= 1e-6 * (1 + fabs(want[i])), "%d %zu: %g, not %g", k, i, a[i], want[i]);
        free(w);
        free(a);
        free(again);
    }
    MUST(mn_trainer_settle(t));
    double *settled = values(&n);
    for (size_t i = 0; i < n; i++) ck_assert_double_eq_tol(settled[i], want[i], 1e-6 * (1 + fabs(want[i])));
    MUST(mn_trainer_reset(t, 1)); /* a phase begins with none */
    mn_trainer_average_in(t);
    double *own = values(&n);
    mn_trainer_average_out(t);
    ck_assert_int_eq(memcmp(own, settled, n * sizeof *own), 0);
    free(own);
    free(settled);
    free(want);
    mn_trainer_free(t);
    util_small_close(&s);
}
END_TEST

START_TEST(refused) {
    const char *const wrong[] = {"1", "-0.5"};
    util_small_open(&s, "backend: ref\n" UTIL_SMALL_NET_OF("trn_batch_size: 16"));
    for (size_t i = 0; i < MN_COUNT(wrong); i++) {
        char spec[200];
        mn_trainer *t = NULL;
        const mn_trainer_env env = {s.model, &s.loaders};
        snprintf(spec, sizeof spec, "{type: ImageClsTrainer, args: {ema: %s, optimizer: {type: SGD, args: {lr: 0.1}}}}",
                 wrong[i]);
        ck_assert_int_eq(util_build(s.ctx, "trainer", spec, &env, &t), MODNAS_ECONFIG);
        ck_assert_msg(strstr(modnas_errmsg(s.ctx), "is outside [0, 1)") != NULL, "%s", modnas_errmsg(s.ctx));
        ck_assert_ptr_null(t);
    }
    util_small_close(&s);
}
END_TEST

/* ---- in a run ------------------------------------------------------------------------------------------ */

static char history[2][65];
static double losses[2];

static int watch(modnas_search *search, const modnas_evaluation *v, void *ud) {
    (void)search;
    for (int32_t i = 0; i < v->n_metrics; i++)
        if (strcmp(v->metrics[i].name, "loss") == 0) losses[*(int *)ud] = v->metrics[i].value;
    return 0;
}

static void run_with(const char *ema, int which) {
    char yaml[2048];
    const char *all = UTIL_SEARCH_INDEX "estim: {a: {type: DefaultEstim, epochs: 2}}\n", *clip = strstr(all, "w_grad_clip");
    snprintf(yaml, sizeof yaml, "%.*s%s%s", (int)(clip - all), all, ema, clip);
    const modnas_search_opts opts = {.size = sizeof opts, .evaluated = watch, .ud = &which};
    modnas_search *search = util_search(yaml, &opts);
    SEARCH_OK(modnas_search_run(search, NULL));
    util_search_hash(search, history[which]);
    modnas_search_free(search);
}

/* A decay of 0 is no average: the same weights and score, bit by bit. Of 0.9, other ones are scored and left. */
START_TEST(in_a_run) {
    run_with("", 0);
    run_with("ema: 0, ", 1);
    ck_assert_str_eq(history[0], history[1]);
    ck_assert(losses[0] == losses[1]);
    run_with("ema: 0.9, ", 1);
    ck_assert_str_ne(history[0], history[1]);
    ck_assert(losses[0] != losses[1]);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("average");
    util_add(suite, "average", NULL, NULL, (const TTest *const[]){by_formula, refused, NULL});
    util_add(suite, "runs", rig_setup, rig_teardown, (const TTest *const[]){in_a_run, NULL});
    return util_run(suite);
}
