/* SubNetEstim: weights and statistics come back bit for bit, training of candidates, outcomes that fail, chains, and
 * pull beside push. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "search/derive.h"
#include "util_search.h"

#define NET       "backend: ref\n" UTIL_SMALL_NET
#define INDEX_OPS "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3, MB5E3, MB5E1]}\n"

static util_small s;

#define MUST(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(s.ctx))

/* ---- an optimizer that proposes what the test says ----------------------------------------------------- */

typedef struct script {
    int n, asked, told; /* architectures there are */
    int32_t index[8][4];
    int status[8];
    double score[8];
} script;

static script plan;

static int script_ask(mn_optim *o, int32_t n, mn_arch *const *archs, int32_t *n_out) {
    for (*n_out = 0; *n_out < n && plan.asked < plan.n; ++*n_out)
        memcpy(archs[*n_out]->index, plan.index[plan.asked++], sizeof plan.index[0]);
    return *n_out ? 0 : mn_fail(o->ctx, MODNAS_EDONE, "the script is over");
}

static int script_tell(mn_optim *o, const mn_arch *arch, int status, const mn_metrics *m) {
    (void)o;
    ck_assert_int_eq(memcmp(arch->index, plan.index[plan.told], sizeof plan.index[0]), 0);
    plan.status[plan.told] = status;
    plan.score[plan.told++] = status ? NAN : mn_metrics_score(m);
    return 0;
}

static const mn_optim_vt script_vt = {.type = "Script", .ask = script_ask, .tell = script_tell};

static const script three = {.n = 3, .index = {{0, 1, 2, 3}, {3, 3, 3, 3}, {0, 1, 2, 3}}};

typedef struct witness {
    char before[65]; /* hash of weights and statistics */
    int n, changed;
    double loss[8];
} witness;

/* Observers meet the weights that were measured. */
static int evaluated(const mn_evaluation *v, void *ud) {
    witness *w = ud;
    char now[65];
    util_hash_store(s.model->weights, now);
    w->changed += strcmp(now, w->before) != 0;
    const double *loss = mn_metrics_get(v->metrics, "loss");
    w->loss[w->n++] = loss ? *loss : NAN;
    return 0;
}

static void run_conf(const char *conf, const script *script_of, witness *w, char after[65]) {
    mn_node *node;
    plan = *script_of;
    mn_optim optim = {.vt = &script_vt, .ctx = s.ctx, .model = s.model};
    *w = (witness){.n = 0};
    util_hash_store(s.model->weights, w->before);
    mn_estim *e = util_small_estim(&s, conf, &optim, (mn_observer){.evaluated = evaluated, .ud = w}, &node);
    MUST(e->vt->run(e));
    util_hash_store(s.model->weights, after);
    if (e->best_point)
        for (int i = 0; i < 4; i++)
            ck_assert_int_eq(mn_space_categorical_at(s.model->space, i)->index, e->best_point->index[i]);
    mn_estim_free(e);
    mn_node_free(s.ctx, node);
}

/* ---- what comes back ----------------------------------------------------------------------------------- */

/* The third architecture is the first one again and scores the same to the last bit: nothing of the second one is left.
 * All are told, the last batch too. */
START_TEST(weights_come_back) {
    static const struct {
        const char *conf;
        int changes;
    } rows[] = {{"epochs: 9, args: {num_bn_batch: 2}", 1},
                {"epochs: 9, args: {num_bn_batch: 2, bn_mode: average}", 1},
                {"epochs: 9, args: {num_bn_batch: 2, bn_mode: ema, clear_subnet_bn: false}", 1},
                {"epochs: 9, arch_update_batch: 2, args: {num_bn_batch: 9}", 1},
                {"epochs: 9, args: {num_bn_batch: 0}", 0},
                {"epochs: 9, subnet_epochs: 1, args: {rebuild_subnet: true, num_bn_batch: 0}", 1}};
    char conf[256], after[65];
    witness w;
    util_small_open(&s, NET INDEX_OPS);
    snprintf(conf, sizeof conf, "{type: SubNetEstim, metrics: ValidateMetrics, %s}", rows[_i].conf);
    run_conf(conf, &three, &w, after);
    ck_assert_str_eq(after, w.before);
    ck_assert_int_eq(w.n, 3);
    ck_assert_int_eq(plan.told, 3);
    ck_assert_int_eq(w.changed, rows[_i].changes ? 3 : 0);
    if (!strstr(rows[_i].conf, "subnet_epochs")) /* another order of samples each time */
        ck_assert(w.loss[0] == w.loss[2]);
    ck_assert(w.loss[0] != w.loss[1]);
    util_small_close(&s);
}
END_TEST

/* Statistics of an untrained network are far off: with them its loss is another one. The loss by hand: calibrate, force
 * the path, validate. */
static double loss_by_hand(const int32_t index[4]) {
    mn_scores sum = {0, 0, 0, 0};
    mn_arch *a;
    MUST(mn_arch_new(s.model, &a));
    memcpy(a->index, index, 4 * sizeof *index);
    MUST(mn_arch_apply(a));
    MUST(mn_trainer_evaluate(s.trainer, NULL, &sum, NULL, NULL));
    mn_arch_free(a);
    return sum.loss / (double)sum.n;
}

START_TEST(without_calibration) {
    witness w;
    char after[65];
    util_small_open(&s, NET INDEX_OPS);
    run_conf("{type: SubNetEstim, metrics: ValidateMetrics, epochs: 3, args: {num_bn_batch: 0}}", &three, &w, after);
    ck_assert(w.loss[0] == loss_by_hand(three.index[0]));
    ck_assert(w.loss[1] == loss_by_hand(three.index[1]));
    run_conf("{type: SubNetEstim, metrics: ValidateMetrics, epochs: 3, args: {num_bn_batch: 3}}", &three, &w, after);
    ck_assert(w.loss[0] != loss_by_hand(three.index[0]));
    util_small_close(&s);
}
END_TEST

/* ---- training ------------------------------------------------------------------------------------------ */

/* From scratch the shared weights are of no account; fine-tuned they are. */
START_TEST(scratch_and_fine_tuning) {
    static const char *const confs[] = {"args: {rebuild_subnet: true, num_bn_batch: 0}", "args: {num_bn_batch: 0}"};
    double loss[2][2];
    for (int kind = 0; kind < 2; kind++)
        for (int trained = 0; trained < 2; trained++) {
            char conf[256], after[65];
            witness w;
            script one = three;
            one.n = 1;
            util_small_open(&s, NET INDEX_OPS);
            if (trained) { /* other shared weights */
                double x[8192];
                for (size_t i = 0; i < mn_store_n_params(s.model->weights); i++) {
                    mn_param *p = mn_store_param(s.model->weights, i);
                    const size_t n = (size_t)mn_param_numel(p);
                    ck_assert_uint_le(n, 8192);
                    MUST(mn_param_get(p, x));
                    for (size_t k = 0; k < n; k++) x[k] *= 1.25;
                    MUST(mn_param_set(p, x));
                }
            }
            snprintf(conf, sizeof conf,
                     "{type: SubNetEstim, metrics: ValidateMetrics, epochs: 1, subnet_epochs: 2, %s}", confs[kind]);
            run_conf(conf, &one, &w, after);
            ck_assert_str_eq(after, w.before);
            loss[kind][trained] = w.loss[0];
            util_small_close(&s);
        }
    ck_assert(loss[0][0] == loss[0][1]);
    ck_assert(loss[1][0] != loss[1][1]);
}
END_TEST

/* Two epochs of fine-tuning by hand: the same steps, the same loss. */
START_TEST(trains_as_a_trainer) {
    char after[65];
    witness w;
    script one = three;
    one.n = 1;
    util_small_open(&s, NET INDEX_OPS);
    run_conf("{type: SubNetEstim, metrics: ValidateMetrics, epochs: 1, subnet_epochs: 2, args: {num_bn_batch: 0}}",
             &one, &w, after);
    util_small_close(&s);
    util_small_open(&s, NET INDEX_OPS);
    mn_arch *a;
    mn_scores sum = {0, 0, 0, 0};
    MUST(mn_arch_new(s.model, &a));
    memcpy(a->index, one.index[0], sizeof one.index[0]);
    MUST(mn_arch_apply(a));
    MUST(mn_trainer_reset(s.trainer, 1)); /* the estimator's phase */
    MUST(mn_trainer_reset(s.trainer, 2));
    for (int epoch = 0; epoch < 2; epoch++) {
        MUST(mn_trainer_start_epoch(s.trainer, epoch));
        for (int i = 0; i < 3; i++) MUST(mn_trainer_step(s.trainer, &sum));
    }
    ck_assert(loss_by_hand(one.index[0]) == w.loss[0]);
    mn_arch_free(a);
    util_small_close(&s);
}
END_TEST

/* ---- outcomes ------------------------------------------------------------------------------------------ */

static int n_measured;

static int moody(mn_metric *m, mn_estim *e, mn_metrics *out) {
    if (n_measured++ == 1) return mn_fail(e->ctx, MODNAS_ENUMERIC, "the loss is nan");
    return mn_metrics_add(m->ctx, out, "acc_top1", n_measured);
}

/* What fails is recorded, told and over; the next ones go on. Other errors end the run, weights are back all the same.
 */
static int broken(mn_metric *m, mn_estim *e, mn_metrics *out) {
    (void)m, (void)out;
    return mn_fail(e->ctx, MODNAS_EIO, "the disk is gone");
}

START_TEST(failures_are_outcomes) {
    mn_node *node;
    char before[65], after[65];
    witness w = {.n = 0};
    util_small_open(&s, NET INDEX_OPS);
    plan = three;
    mn_optim optim = {.vt = &script_vt, .ctx = s.ctx, .model = s.model};
    util_hash_store(s.model->weights, before);
    mn_estim *e = util_small_estim(&s, "{type: SubNetEstim, metrics: ValidateMetrics, epochs: 3}", &optim,
                                   (mn_observer){.evaluated = evaluated, .ud = &w}, &node);
    n_measured = 0;
    e->metric->measure = moody;
    MUST(e->vt->run(e));
    ck_assert_int_eq(plan.told, 3);
    ck_assert_int_eq(plan.status[0], 0);
    ck_assert_int_eq(plan.status[1], MODNAS_ENUMERIC);
    ck_assert_int_eq(plan.status[2], 0);
    ck_assert_int_eq(e->n_evaluations, 3);
    ck_assert(e->best_score == 3);
    util_hash_store(s.model->weights, after);
    ck_assert_str_eq(after, before);
    plan = three;
    e->metric->measure = broken;
    ck_assert_int_eq(e->vt->run(e), MODNAS_EIO);
    util_hash_store(s.model->weights, after);
    ck_assert_str_eq(after, before);
    mn_estim_free(e);
    mn_node_free(s.ctx, node);
    util_small_close(&s);
}
END_TEST

/* ---- whole runs ---------------------------------------------------------------------------------------- */

#define CHAIN                                                                                                          \
    UTIL_SEARCH_INDEX "estim: {supernet: {type: RandomSamplingEstim, epochs: 4}, search: {type: SubNetEstim,"          \
                      " epochs: 6, arch_update_batch: 2, args: {num_bn_batch: 2}}}\n"

START_TEST(chain) {
    RIG_RUNS(CHAIN, NULL);
    mn_node *t = util_rig_parse(&rig, rig.results);
    ck_assert_int_eq(rig_at(t, "estim.supernet.evaluations")->i, 0);
    ck_assert_int_eq(rig_at(t, "estim.search.evaluations")->i, 12);
    ck_assert_uint_eq(strlen(rig_at(t, "estim.search.calibration_sha256")->text), 64);
    ck_assert_ptr_null(mn_node_path(t, "estim.supernet.calibration_sha256"));
    mn_node_free(rig.ctx, t);
    ck_assert_int_eq(system("mv exp/t exp/before"), 0);
    RIG_RUNS(CHAIN, NULL);
    ck_assert(rig_same_run("before", "t"));
}
END_TEST

/* A space of 4 runs out after 4; with test data the network found is measured as it was evaluated. */
START_TEST(exhausted_and_tested) {
    RIG_RUNS("backend: ref\nname: t\n" UTIL_SMALL_NET
             "mixed_op: {type: IndexMixedOp, candidates: [MB3E1]}\noptim: RandomSearchOptim\n"
             "estim: {search: {type: SubNetEstim, epochs: 6}}\n"
             "test_data: {type: RandData, args: {shape: [3, 8, 8], classes: 4, data_size: 20, seed: 9}}\n",
             NULL);
    mn_node *t = util_rig_parse(&rig, rig.results);
    ck_assert_int_eq(rig_at(t, "estim.search.evaluations")->i, 1);
    ck_assert_double_lt(rig_at(t, "test.loss")->r, 3); /* with the initial statistics it is far above log 4 */
    mn_node_free(rig.ctx, t);
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *yaml, *text;
    } rows[] = {
        {UTIL_SEARCH_GATES "estim: {search: {type: SubNetEstim, epochs: 1}}\n", "BinaryGateOptim"},
        {UTIL_SEARCH_INDEX "optim: null\nestim: {search: {type: SubNetEstim, epochs: 1}}\n", "optim"},
        {UTIL_SEARCH_INDEX "estim: {search: {type: SubNetEstim, epochs: 1, arch_update_batch: 0}}\n", "below 1"},
        {UTIL_SEARCH_INDEX "estim: {search: {type: SubNetEstim, epochs: 1, args: {num_bn_batch: -1}}}\n", "at least 0"},
        {UTIL_SEARCH_INDEX "estim: {search: {type: SubNetEstim, epochs: 1, args: {bn_mode: mean}}}\n", "mean"},
        {UTIL_SEARCH_INDEX "estim: {search: {type: SubNetEstim, epochs: 1, args: {rebuild_subnet: true}}}\n",
         "subnet_epochs"},
        {UTIL_SEARCH_TOY "optim: RandomSearchOptim\nestim: {search: {type: SubNetEstim, epochs: 1, subnet_epochs: 1, "
                         "metrics: ParamsMetrics}}\n",
         "trainer"},
        {UTIL_SEARCH_TOY "optim: RandomSearchOptim\nestim: {search: {type: SubNetEstim, epochs: 1}}\n", "validation"}};
    modnas_search *search;
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        const char *yaml = rows[i].yaml;
        char text[2048];
        const char *null = strstr(yaml, "optim: RandomSearchOptim\noptim: null\n");
        snprintf(text, sizeof text, "%s", yaml);
        if (null) snprintf(text + (null - yaml), sizeof text - (size_t)(null - yaml), "%s", null + 37);
        ck_assert_int_eq(util_search_try(text, NULL, &search), MODNAS_ECONFIG);
        util_search_says(rows[i].text);
    }
}
END_TEST

/* Without a network: a space and a metric of sizes. */
START_TEST(without_a_backend) {
    RIG_RUNS(UTIL_SEARCH_TOY "optim: RandomSearchOptim\n"
                             "estim: {search: {type: SubNetEstim, epochs: 300, metrics: ParamsMetrics}}\n",
             NULL);
    mn_node *t = util_rig_parse(&rig, rig.results);
    ck_assert_int_eq(rig_at(t, "estim.search.evaluations")->i, 256);
    for (int i = 0; i < 4; i++) { /* the smallest everywhere */
        char path[64];
        snprintf(path, sizeof path, "estim.search.best.arch.c_%d", i);
        ck_assert_str_eq(rig_at(t, path)->text, "MB3E1");
    }
    mn_node_free(rig.ctx, t);
}
END_TEST

/* ask, evaluate, tell by hand: the same metrics and the same best. */
START_TEST(pull_equals_push) {
#define ALONE                                                                                                          \
    UTIL_SEARCH_INDEX "estim: {search: {type: SubNetEstim, epochs: 6, arch_update_batch: 2, args: {num_bn_batch: "     \
                      "2}}}\n"
    char yaml[2048], before[65], after[65];
    double pushed = 0, pulled = 0;
    snprintf(yaml, sizeof yaml, "%s%s", ALONE, _i ? "---\nbackend: dnnl\n" : "");
    modnas_search *p = util_search(yaml, NULL);
    SEARCH_OK(modnas_search_run(p, NULL));
    modnas_search_best(p, &pushed);
    char *file = util_rig_read("exp/t/outputs/arch_search_best.yaml", NULL), *text = NULL;
    modnas_search_free(p);
    p = util_search(yaml, NULL);
    util_search_hash(p, before);
    for (int i = 0; i < 6; i++) {
        modnas_arch *a[2];
        int32_t n;
        SEARCH_OK(modnas_search_ask(p, 2, a, &n));
        for (int k = 0; k < 2; k++) {
            modnas_metric m[16];
            SEARCH_OK(modnas_search_evaluate(p, a[k], m, 16, &n));
            SEARCH_OK(modnas_search_tell(p, a[k], 0, m, n));
            modnas_arch_free(a[k]);
        }
    }
    util_search_hash(p, after);
    ck_assert_str_eq(after, before);
    SEARCH_OK(modnas_search_export(p, modnas_search_best(p, &pulled), &text));
    ck_assert_str_eq(text, file);
    ck_assert(pushed == pulled);
    modnas_string_free(rig.ctx, text);
    free(file);
    modnas_search_free(p);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("subnet");
    TCase *t = tcase_create("loops");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, weights_come_back, 0, 6);
    suite_add_tcase(suite, t);
    TCase *runs = tcase_create("pulled");
    tcase_set_timeout(runs, 60);
    tcase_add_checked_fixture(runs, rig_setup, rig_teardown);
    tcase_add_loop_test(runs, pull_equals_push, 0, 2);
    suite_add_tcase(suite, runs);
    util_add(suite, "candidates", NULL, NULL,
             (const TTest *[]){without_calibration, scratch_and_fine_tuning, trains_as_a_trainer, failures_are_outcomes,
                               NULL});
    util_add(suite, "runs", rig_setup, rig_teardown,
             (const TTest *[]){chain, exhausted_and_tested, refused, without_a_backend, NULL});
    return util_run(suite);
}
