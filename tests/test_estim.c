/* Estimators: which evaluation is the best, what is measured, and what the derived network counts. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "search/derive.h"
#include "util_small.h"

#define NET "backend: ref\n" UTIL_SMALL_NET

static util_small s;

#define MUST(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(s.ctx))

/* ---- evaluations ------------------------------------------------------------------------------------- */

static const double *script;

static int scripted(mn_metric *m, mn_estim *e, mn_metrics *out) {
    (void)e;
    return mn_metrics_add(m->ctx, out, "acc_top1", *script++);
}

typedef struct bests {
    int n, best[16];
} bests;

static int note_best(const mn_evaluation *v, void *ud) {
    bests *b = ud;
    ck_assert_int_eq(v->index, b->n);
    b->best[b->n++] = v->is_best;
    return 0;
}

/* The first of equals stays the best, and what is not a number never is. */
START_TEST(first_of_equals) {
    static const double scores[] = {NAN, 0.5, 0.5, 0.7, 0.6, 0.7, NAN, 0.8};
    static const int want[] = {0, 1, 0, 1, 0, 0, 0, 1};
    bests b = {0};
    mn_node *node;
    util_small_open(&s, NET UTIL_SMALL_GATES);
    mn_estim *e = util_small_estim(&s, "{type: DefaultEstim, epochs: 1, metrics: ValidateMetrics}", NULL,
                                   (mn_observer){.evaluated = note_best, .ud = &b}, &node);
    e->metric->measure = scripted;
    script = scores;
    for (size_t i = 0; i < MN_COUNT(scores); i++) MUST(mn_estim_evaluate(e, NULL));
    for (size_t i = 0; i < MN_COUNT(scores); i++) ck_assert_int_eq(b.best[i], want[i]);
    ck_assert(e->best_score == 0.8);
    ck_assert_int_eq(e->n_evaluations, 8);
    ck_assert_ptr_nonnull(mn_metrics_get(&e->best_metrics, "params"));
    ck_assert_ptr_nonnull(mn_metrics_get(&e->best_metrics, "macs"));
    mn_estim_free(e);
    mn_node_free(s.ctx, node);
    util_small_close(&s);
}
END_TEST

START_TEST(score_direction) {
    mn_metrics m = {0};
    util_small_open(&s, NET);
    ck_assert(mn_metrics_score(&m) == 0);
    MUST(mn_metrics_add(s.ctx, &m, "loss", 2.5));
    MUST(mn_metrics_add(s.ctx, &m, "acc_top1", 0.5));
    ck_assert(mn_metrics_score(&m) == -2.5); /* less loss is better */
    MUST(mn_metrics_add(s.ctx, &m, "loss", 1.5));
    ck_assert_int_eq(m.n, 2);
    ck_assert(mn_metrics_score(&m) == -1.5);
    util_small_close(&s);
}
END_TEST

/* What is measured is the derived network: its accuracy and loss are those of the net with every op forced to its most
 * probable candidate, and the ops sample again afterwards. */
START_TEST(evaluates_the_derived) {
    mn_node *node;
    mn_scores want = {0, 0, 0, 0};
    util_small_open(&s, NET UTIL_SMALL_GATES);
    const double favour[4][4] = {{0, 3, 0, 0}, {0, 0, 0, 3}, {3, 0, 0, 0}, {0, 0, 3, 0}};
    static const int best[4] = {1, 3, 0, 2};
    for (int i = 0; i < 4; i++) MUST(mn_mixed_set_alpha(mn_model_mixed(s.model, i), favour[i]));
    for (int i = 0; i < 4; i++) mn_mixed_force(mn_model_mixed(s.model, i), best[i]);
    MUST(mn_trainer_evaluate(s.trainer, NULL, &want, NULL, NULL));
    for (int i = 0; i < 4; i++) mn_mixed_force(mn_model_mixed(s.model, i), -1);
    mn_estim *e = util_small_estim(&s, "{type: DefaultEstim, epochs: 1, metrics: ValidateMetrics}", NULL,
                                   (mn_observer){.ud = NULL}, &node);
    MUST(mn_estim_evaluate(e, NULL));
    ck_assert(*mn_metrics_get(&e->last_metrics, "loss") == want.loss / 8);
    ck_assert(*mn_metrics_get(&e->last_metrics, "acc_top1") == want.top1 / 8);
    for (int i = 0; i < 4; i++) ck_assert_int_eq(mn_model_mixed(s.model, i)->forced, -1);
    mn_estim_free(e);
    mn_node_free(s.ctx, node);
    util_small_close(&s);
}
END_TEST

/* A section's `criterion` by mode: that of eval changes the loss that is measured and not the training, that of train
 * the training; without a mode both change. Same seed each time. */
START_TEST(criteria_by_mode) {
    static const char *const criteria[] = {"[]", "{type: CrossEntropyLabelSmoothingLoss, mode: eval, args: {eta: 0.5}}",
                                           "[{type: CrossEntropyLabelSmoothingLoss, mode: train, args: {eta: 0.5}}]",
                                           "[CrossEntropyLoss, {type: CrossEntropyLoss, args: {label_smoothing: 0.5}}]",
                                           "{type: CrossEntropyLabelSmoothingLoss, mode: valid, args: {eta: 0.5}}"};
    char hash[5][65];
    double loss[5];
    for (int i = 0; i < 5; i++) {
        char conf[256];
        mn_node *node;
        util_small_open(&s, NET);
        snprintf(conf, sizeof conf, "{type: DefaultEstim, epochs: 1, metrics: ValidateMetrics, criterion: %s}",
                 criteria[i]);
        mn_estim *e = util_small_estim(&s, conf, NULL, (mn_observer){.ud = NULL}, &node);
        MUST(e->vt->run(e));
        loss[i] = *mn_metrics_get(&e->last_metrics, "loss");
        util_hash_store(s.model->weights, hash[i]);
        mn_estim_free(e);
        mn_node_free(s.ctx, node);
        util_small_close(&s);
    }
    ck_assert_str_eq(hash[1], hash[0]);
    ck_assert(loss[1] != loss[0]);
    ck_assert_str_ne(hash[2], hash[0]);
    ck_assert_str_eq(hash[3], hash[2]);
    ck_assert(loss[3] != loss[2]);
    ck_assert_str_eq(hash[4], hash[0]);
    ck_assert(loss[4] == loss[0]);
}
END_TEST

/* Several metrics: the first one's is the score; fewer multiply-adds are better. An unknown mode is refused. */
START_TEST(metrics_in_order) {
    mn_node *node;
    mn_estim *e;
    util_small_open(&s, NET);
    e = util_small_estim(
        &s, "{type: DefaultEstim, epochs: 1, metrics: [MacsMetrics, {type: ValidateMetrics, args: {field: loss}}]}",
        NULL, (mn_observer){.ud = NULL}, &node);
    MUST(mn_estim_evaluate(e, NULL));
    static const char *const want[] = {"macs", "loss", "acc_top1", "acc_top5", "params"};
    ck_assert_int_eq(e->last_metrics.n, 5);
    for (int i = 0; i < 5; i++) ck_assert_str_eq(e->last_metrics.name[i], want[i]);
    ck_assert(e->best_score == -e->last_metrics.value[0] && e->best_score < 0);
    mn_estim_free(e);
    mn_node_free(s.ctx, node);
    MUST(mn_yaml_value(
        s.ctx,
        "{type: DefaultEstim, epochs: 1, metrics: ValidateMetrics, criterion: {type: CrossEntropyLoss, mode: tain}}",
        "test", &node));
    const mn_estim_env env = {.name = "e", .conf = node, .model = s.model, .trainer = s.trainer};
    ck_assert_int_eq(mn_registry_build(s.ctx, "estim", node, mn_estim_keys, NULL, &env, &e), MODNAS_ECONFIG);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(s.ctx), "tain"));
    mn_node_free(s.ctx, node);
    util_small_close(&s);
}
END_TEST

/* spec 3.3: CIFAR_MobileNetV2_GPU with 10 classes and one operator in all slots (DefaultSlotArchDescConstructor). */
START_TEST(derived_counts) {
    static const int64_t params[] = {1928730, 3427434, 3597930}, macs_mb3e3 = 43066752;
    static const int32_t input[3] = {3, 32, 32};
    util_small_open(
        &s, "backend: ref\nseed: 1\n"
            "model: {type: CIFAR_MobileNetV2_GPU, args: {n_classes: 10}}\n"
            "mixed_op: {type: IndexMixedOp, candidates: [MB3E3, MB3E6, MB5E6]}\n"
            "train_data: {type: RandData, args: {data_size: 8}}\n"
            "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 4, val_batch_size: 4, valid_size: 4}}\n"
            "trainer: {default: {type: ImageClsTrainer, args: {optimizer: SGD}}}\n");
    for (int c = 0; c < 3; c++) {
        int64_t macs;
        mn_arch *a;
        MUST(mn_arch_new(s.model, &a));
        ck_assert_int_eq(a->n, 22);
        for (int i = 0; i < 22; i++) a->index[i] = c;
        MUST(mn_arch_apply(a));
        MUST(mn_derive_begin(s.model));
        ck_assert_int_eq(mn_derived_params(s.model), params[c]);
        MUST(mn_derived_macs(s.model, input, &macs));
        if (c == 0) ck_assert_int_eq(macs, macs_mb3e3);
        mn_derive_end(s.model);
        mn_arch_free(a);
    }
    util_small_close(&s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("estim");
    util_add(suite, "evaluations", NULL, NULL,
             (const TTest *[]){first_of_equals, score_direction, evaluates_the_derived, criteria_by_mode,
                               metrics_in_order, derived_counts, NULL});
    return util_run(suite);
}
