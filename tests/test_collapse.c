/* The collapse alarm: its numbers by hand, when it is raised, and that it stands in results.json. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "search/collapse.h"
#include "util_rig.h"

#define NET      "backend: ref\n" UTIL_SMALL_NET
#define SUMS(of) "mixed_op: {type: SoftmaxSumMixedOp, candidates: " of "}\n"
#define MUST(e)  ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(s.ctx))

static util_small s;

/* All mixed ops but the last `others` ones prefer candidate c. */
static mn_collapse measure(int32_t c, int others) {
    mn_collapse out;
    const int32_t n = mn_model_n_mixed(s.model);
    for (int32_t i = 0; i < n; i++) {
        double a[8] = {0};
        a[i < n - others ? c : 0] = 2;
        MUST(mn_mixed_set_alpha(mn_model_mixed(s.model, i), a));
    }
    MUST(mn_collapse_measure(s.model, &out));
    return out;
}

/* 4 Slots of 4 candidates; two of the Slots have a strided IDT, which has weights: 2 mixed ops can choose none. With
 * one of four: P(2) = 1/16 and P(1 or 2) = 7/16. */
START_TEST(numbers) {
    util_small_open(&s, NET SUMS("[MB3E1, MB3E3, MB5E3, IDT]"));
    int n_free = 0;
    for (int32_t i = 0; i < mn_model_n_mixed(s.model); i++)
        n_free += mn_module_child(mn_model_mixed(s.model, i)->module, "IDT")->children.n == 0;
    const mn_collapse all = measure(3, 0), none = measure(0, 0);
    ck_assert_int_eq(n_free, 2);
    ck_assert_int_eq(all.n_ops, n_free);
    ck_assert_int_eq(all.n_free, n_free);
    ck_assert_double_eq_tol(all.expected, n_free / 4.0, 1e-12);
    ck_assert_double_eq_tol(all.p, pow(0.25, n_free), 1e-12);
    ck_assert_int_eq(none.n_free, 0);
    ck_assert_double_eq_tol(none.p, 1, 1e-12);
    ck_assert_int_eq(none.is_alarm, 0);
    const double z = exp(2) + 3, h = -(exp(2) / z * log(exp(2) / z) + 3 / z * log(1 / z));
    ck_assert_double_eq_tol(all.entropy, h / log(4), 1e-6);
    util_small_close(&s);
}
END_TEST

#define DEEP                                                                                                           \
    "threads: 2\nbackend: ref\n"                                                                                       \
    "model: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [1, 8, 8, 1]], n_classes: 4, input: [3, 8, 8]}}\n"         \
    "train_data: {type: RandData, args: {shape: [3, 8, 8], classes: 4, data_size: 48}}\n"                              \
    "data_loader: {type: DefaultDataLoader, args: {valid_size: 8}}\n"                                                  \
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: SGD}}}\n"

/* 8 Slots with one of four without parameters: P(K >= 6) = 28 (1/4)^6 (3/4)^2 + 8 (1/4)^7 (3/4) + (1/4)^8, which is
 * 0.00423; P(K >= 4) = 0.114. */
START_TEST(alarm) {
    util_small_open(&s, DEEP SUMS("[MB3E1, MB3E3, MB5E3, IDT]"));
    const mn_collapse six = measure(3, 2), four = measure(3, 4), two = measure(3, 6);
    ck_assert_int_eq(six.n_ops, 8);
    ck_assert_int_eq(six.n_free, 6);
    ck_assert_double_eq_tol(six.p, 28 * pow(0.25, 6) * 0.5625 + 8 * pow(0.25, 7) * 0.75 + pow(0.25, 8), 1e-12);
    ck_assert(six.is_alarm && !four.is_alarm && !two.is_alarm);
    ck_assert_double_eq_tol(four.p, 0.1138, 1e-4);
    util_small_close(&s);
}
END_TEST

/* Nothing but candidates with weights: nothing to say. */
START_TEST(nothing_free) {
    util_small_open(&s, DEEP SUMS("[MB3E1, MB3E3]"));
    const mn_collapse c = measure(1, 0);
    ck_assert(c.n_ops == 0 && c.n_free == 0 && !c.is_alarm && c.p == 1);
    util_small_close(&s);
}
END_TEST

/* A run whose alphas are pushed on: with IDT alone beside one block, and a large step of first-order DARTS,
 * results.json has the object; without the alarm, or with sampled paths of a proposing optimizer, it has none. */
#define RUN                                                                                                            \
    "name: t\nseed: 3\n" DEEP SUMS("[MB3E1, IDT]") "estim: {search: {type: SuperNetEstim, epochs: 1}}\n"               \
                                                   "optim: {type: DARTSOptim, args: {second_order: false, a_optim: "   \
                                                   "{type: Adam, args: {lr: 0.5}}}}\n"

START_TEST(results) {
    RIG_RUNS(RUN, NULL);
    mn_node *tree = util_rig_parse(&rig, rig.results);
    const mn_node *c = rig_at(tree, "estim.search.collapse");
    ck_assert_int_eq(rig_at(c, "of")->i, 8);
    ck_assert_double_eq_tol(rig_at(c, "expected")->r, 4, 1e-12);
    ck_assert(rig_at(c, "parameter_free")->i >= 0 && rig_at(c, "entropy")->r < 1);
    mn_node_free(rig.ctx, tree);
    RIG_RUNS(RUN, RIG_OVER("estim.search.args.collapse_alarm=false"));
    tree = util_rig_parse(&rig, rig.results);
    ck_assert_ptr_null(mn_node_path(tree, "estim.search.collapse"));
    mn_node_free(rig.ctx, tree);
}
END_TEST

/* ---- when it is said ------------------------------------------------------------------------------------ */

/* All 8 mixed ops of two candidates prefer the one without parameters in some epochs: p = 1 / 256. */
static const char *pattern;
static int n_said[16];

static int push(mn_optim *o, mn_estim *e) {
    const int collapsed = pattern[e->epoch] == 'x';
    for (int32_t i = 0; i < mn_model_n_mixed(o->model); i++) {
        const double a[2] = {collapsed ? 0 : 2, collapsed ? 2 : 0};
        MN_TRY(mn_mixed_set_alpha(mn_model_mixed(o->model, i), a));
    }
    return 0;
}

static int look(const mn_progress *p, void *ud) {
    (void)ud;
    const char *log = s.host.log;
    n_said[p->epoch] = 0;
    while ((log = strstr(log, "collapse: 8 of 8")) != NULL) n_said[p->epoch]++, log++;
    return 0;
}

#define TINY                                                                                                           \
    "threads: 1\nbackend: ref\n"                                                                                       \
    "model: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [1, 8, 8, 1]], n_classes: 4, width_coeff: 0.05,"           \
    " input: [1, 4, 4]}}\n"                                                                                            \
    "train_data: {type: RandData, args: {shape: [1, 4, 4], classes: 4, data_size: 8}}\n"                               \
    "data_loader: {type: DefaultDataLoader, args: {valid_size: 4}}\n"                                                  \
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: SGD}}}\n"

/* In the third epoch of a row, once in a row, and in the last one. */
START_TEST(said) {
    static const struct {
        const char *pattern, *said; /* so often up to then */
    } rows[] = {{"xx-xxxxx-", "000001111"}, {"xx-------", "000000000"}, {"-------xx", "000000001"},
                {"xxx-xxx-x", "001111223"}, {"------xxx", "000000001"}, {"x", "1"}};
    const mn_optim_vt vt = {.type = "Pusher", .step = push};
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        char conf[128];
        mn_node *node;
        util_small_open(&s, TINY SUMS("[MB3E1, IDT]"));
        mn_optim optim = {.vt = &vt, .ctx = s.ctx, .model = s.model};
        pattern = rows[i].pattern;
        snprintf(conf, sizeof conf, "{type: SuperNetEstim, metrics: ParamsMetrics, epochs: %zu, arch_update_intv: 0}",
                 strlen(pattern));
        mn_estim *e = util_small_estim(&s, conf, &optim, (mn_observer){.epoch_done = look}, &node);
        s.host.log[0] = 0;
        MUST(e->vt->run(e));
        for (size_t k = 0; k < strlen(pattern); k++)
            ck_assert_msg(n_said[k] == rows[i].said[k] - '0', "%s, epoch %zu: %d", pattern, k, n_said[k]);
        mn_estim_free(e);
        mn_node_free(s.ctx, node);
        util_small_close(&s);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("collapse");
    util_add(suite, "numbers", NULL, NULL, (const TTest *[]){numbers, alarm, nothing_free, said, NULL});
    util_add(suite, "runs", rig_setup, rig_teardown, (const TTest *[]){results, NULL});
    return util_run(suite);
}
