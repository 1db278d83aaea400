/* Optimizers, estimators and metrics of a host: they steer a search as the library's own do. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_search.h"

/* ---- optimizer and estimator --------------------------------------------------------------------------- */

/* Ask, score by the toy's formula, tell, until nothing is left; n at a time. */
static int drive_toy(modnas_search *s, int32_t n, int *n_told) {
    modnas_arch *a[8];
    int32_t got;
    int rc;
    while ((rc = modnas_search_ask(s, n, a, &got)) == 0)
        for (int32_t i = 0; i < got; i++) {
            const modnas_metric m = {"right", util_search_toy(a[i])};
            if (!rc) rc = modnas_search_tell(s, a[i], 0, &m, 1);
            modnas_arch_free(a[i]);
            ++*n_told;
        }
    return rc == MODNAS_EDONE ? 0 : rc;
}

/* From 0000 to 0123, the only point with 4 right digits, whatever the size of the questions. */
START_TEST(local_search_by_pull) {
    double score = 0;
    int n = 0;
    util_search_add_local();
    modnas_search *s = util_search(UTIL_SEARCH_TOY "optim: LocalSearch\n", NULL);
    SEARCH_OK(drive_toy(s, 1 + _i, &n));
    const modnas_arch *best = modnas_search_best(s, &score);
    ck_assert(score == 4);
    ck_assert_int_eq(util_search_code(best), 0 * 64 + 1 * 16 + 2 * 4 + 3);
    ck_assert_int_ge(n, 16);
    ck_assert_int_lt(n, 80);
    modnas_search_free(s);
}
END_TEST

static int toy_run(modnas_search *search, const modnas_args *args, void *ud) {
    return drive_toy(search, (int32_t)modnas_args_int(args, "at_once"), ud);
}

/* The same within a run, by an estimator of the host: same evaluations, same files as any run. */
START_TEST(local_search_by_push) {
    const modnas_estim_vt vt = {.size = sizeof vt, .run = toy_run};
    int pulled = 0, pushed = 0;
    char *results = NULL;
    util_search_add_local();
    util_search_register("estim", "ToyEstim", "at_once: 1", &vt, &pushed);
    modnas_search *s = util_search(UTIL_SEARCH_TOY "optim: LocalSearch\n", NULL);
    SEARCH_OK(drive_toy(s, 3, &pulled));
    modnas_search_free(s);
    s = util_search(UTIL_SEARCH_TOY "optim: LocalSearch\nestim: {search: {type: ToyEstim, args: {at_once: 3}}}\n",
                    NULL);
    SEARCH_OK(modnas_search_run(s, &results));
    ck_assert_int_eq(pushed, pulled);
    mn_node *t = util_rig_parse(&rig, results);
    ck_assert_int_eq(rig_at(t, "estim.search.evaluations")->i, pushed);
    ck_assert(rig_at(t, "estim.search.best.score")->r == 4);
    mn_node_free(rig.ctx, t);
    char *file = util_rig_read("exp/t/outputs/arch_search_best.yaml", NULL);
    ck_assert_ptr_nonnull(file);
    const char *at = file;
    static const char *const want[] = {"MB3E1", "MB3E3", "MB5E3", "MB5E1"};
    for (int i = 0; i < 4; i++) ck_assert_ptr_nonnull(at = strstr(at, want[i]));
    free(file);
    modnas_string_free(rig.ctx, results);
    modnas_search_free(s);
}
END_TEST

/* A model with nothing to choose has nothing to propose. */
START_TEST(optimizers_need_a_space) {
    modnas_search *s = NULL;
    util_search_add_local();
    ck_assert_int_eq(util_search_try("backend: ref\n" UTIL_SMALL_NET "optim: LocalSearch\n", NULL, &s), MODNAS_ECONFIG);
    util_search_says("LocalSearch");
    ck_assert_ptr_null(s);
}
END_TEST

/* ---- metrics ------------------------------------------------------------------------------------------- */

typedef struct measured {
    int n, busy;
    double top1; /* of the images in x, by modnas_model_forward */
} measured;

static int count_right(modnas_search *search, const modnas_arch *arch, const modnas_args *args, double *value,
                       void *ud) {
    measured *m = ud;
    m->n++;
    if (m->busy) { /* nothing that changes the search works from here */
        modnas_arch *a = NULL;
        int32_t n;
        char *text = NULL;
        ck_assert_int_eq(modnas_search_run(search, NULL), MODNAS_EBUSY);
        ck_assert_int_eq(modnas_search_train(search, NULL, 1, NULL), MODNAS_EBUSY);
        ck_assert_int_eq(modnas_search_ask(search, 1, &a, &n), MODNAS_EBUSY);
        ck_assert_int_eq(modnas_search_evaluate(search, NULL, NULL, 0, &n), MODNAS_EBUSY);
        ck_assert_int_eq(modnas_search_export(search, NULL, &text), MODNAS_EBUSY);
        util_search_says("modnas_search_export");
    }
    *value = modnas_args_real(args, "scale") * util_search_toy(arch);
    return 0;
}

/* SuperNetEstim measures and tells a proposal an epoch: an optimizer and a metric of the host
 * find the metric's optimum in a run of the library's estimator. */
START_TEST(metric_and_optimizer_steer_a_run) {
    const modnas_metrics_vt vt = {sizeof vt, count_right};
    measured m = {.busy = 1};
    double score = 0;
    char *results = NULL;
    util_search_add_local();
    util_search_register("metrics", "RightDigits", "scale: 1.0", &vt, &m);
    modnas_search *s =
        util_search("backend: ref\nname: t\n" UTIL_SMALL_NET_OF(
                        "trn_batch_size: 40, val_batch_size: 8, valid_size: 8") "mixed_op: {type: IndexMixedOp, "
                                                                                "candidates: [MB3E1, MB3E3, MB5E3, "
                                                                                "MB5E1]}\noptim: LocalSearch\n"
                                                                                "estim: {search: {type: SuperNetEstim, "
                                                                                "epochs: 48, baseline: false, metrics: [{type: "
                                                                                "RightDigits, args: {scale: 0.25}},"
                                                                                " ValidateMetrics]}}\n",
                    NULL);
    SEARCH_OK(modnas_search_run(s, &results));
    const modnas_arch *best = modnas_search_best(s, &score);
    ck_assert(score == 1);
    ck_assert_int_eq(util_search_code(best), 27);
    ck_assert_int_eq(m.n, 48);
    mn_node *t = util_rig_parse(&rig, results);
    ck_assert(rig_at(t, "estim.search.best.metrics.RightDigits")->r == 1);
    rig_at(t, "estim.search.best.metrics.acc_top1");
    mn_node_free(rig.ctx, t);
    modnas_string_free(rig.ctx, results);
    modnas_search_free(s);
}
END_TEST

/* One image per class of RandData is as good as any: the logits of modnas_model_forward inside a metric are those of
 * the network that is measured, derived or asked for. */
static int first_logit(modnas_search *search, const modnas_arch *arch, const modnas_args *args, double *value,
                       void *ud) {
    modnas_model *m = modnas_search_model(search);
    float x[3 * 224 * 224], logits[4];
    (void)arch, (void)args, (void)ud;
    int32_t chw[3];
    MN_TRY(modnas_model_input(m, chw));
    ck_assert_int_le(chw[0] * chw[1] * chw[2], (int)MN_COUNT(x));
    for (int i = 0; i < chw[0] * chw[1] * chw[2]; i++) x[i] = (float)(i % 7);
    MN_TRY(modnas_model_forward(m, x, 1, logits));
    *value = logits[0];
    return 0;
}

START_TEST(metrics_run_the_model) {
    const modnas_metrics_vt vt = {sizeof vt, first_logit};
    modnas_metric m[16];
    modnas_arch *a;
    int32_t n;
    double value[3];
    util_search_register("metrics", "FirstLogit", NULL, &vt, NULL);
    modnas_search *s =
        util_search(UTIL_SEARCH_INDEX "estim: {e: {type: DefaultEstim, epochs: 1, metrics: FirstLogit}}\n", NULL);
    SEARCH_OK(modnas_arch_new(modnas_search_model(s), &a));
    for (int k = 0; k < 3; k++) {
        SEARCH_OK(modnas_arch_set(a, 3, k % 2));
        SEARCH_OK(modnas_search_evaluate(s, a, m, 16, &n));
        value[k] = util_search_metric(m, n, "FirstLogit");
    }
    ck_assert(value[0] == value[2]);
    ck_assert(value[0] != value[1]);
    modnas_arch_free(a);
    modnas_search_free(s);
}
END_TEST

/* Named latency_ms: less is better. */
static int latency(modnas_search *search, const modnas_arch *arch, const modnas_args *args, double *value, void *ud) {
    (void)search, (void)args, (void)ud;
    *value = 1 + modnas_arch_get(arch, 0);
    return 0;
}

START_TEST(a_name_gives_the_direction) {
    const modnas_metrics_vt vt = {sizeof vt, latency};
    modnas_metric m[16];
    modnas_arch *a;
    double score;
    int32_t n;
    util_search_register("metrics", "latency_ms", NULL, &vt, NULL);
    modnas_search *s =
        util_search(UTIL_SEARCH_INDEX "estim: {e: {type: DefaultEstim, epochs: 1, metrics: latency_ms}}\n", NULL);
    SEARCH_OK(modnas_arch_new(modnas_search_model(s), &a));
    for (int k = 3; k >= 0; k--) {
        SEARCH_OK(modnas_arch_set(a, 0, k));
        SEARCH_OK(modnas_search_evaluate(s, a, m, 16, &n));
        SEARCH_OK(modnas_search_tell(s, a, 0, m, n));
    }
    ck_assert_int_eq(modnas_arch_get(modnas_search_best(s, &score), 0), 0);
    ck_assert(score == -1);
    modnas_arch_free(a);
    modnas_search_free(s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("search_host");
    util_add_loop(suite, "local", rig_setup, rig_teardown, local_search_by_pull, 7);
    util_add(suite, "driving", rig_setup, rig_teardown,
             (const TTest *[]){local_search_by_push, metric_and_optimizer_steer_a_run, metrics_run_the_model,
                               a_name_gives_the_direction, optimizers_need_a_space, NULL});
    return util_run(suite);
}
