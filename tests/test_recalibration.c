/* Batch-norm statistics of what a supernet's search found: what results.json says of them is what searches that score with
 * the same statistics measure themselves; nothing else changes. */
#include <stdio.h>
#include <stdlib.h>

#include "util_resume.h"
#include "util_search.h"

/* 100 batches are all 40 training samples: those that `recalibration` takes, too. */
#define SPOS(args)                                                                                                     \
    UTIL_SEARCH_INDEX "estim: {supernet: {type: RandomSamplingEstim, epochs: 2}, search: {type: SubNetEstim, epochs: 4, " args "}}\n"

static mn_node *results(void) {
    return util_rig_parse(&rig, rig.results);
}

static const mn_node *entry(const mn_node *all, const char *name) {
    return rig_at(rig_at(all, "estim.search.recalibration"), name);
}

static void same_scores(const mn_node *a, const mn_node *b) {
    static const char *const names[] = {"acc_top1", "acc_top5", "loss"};
    for (size_t i = 0; i < MN_COUNT(names); i++)
        ck_assert_msg(rig_at(a, names[i])->r == rig_at(b, names[i])->r, "%s: %.17g, not %.17g", names[i], rig_at(a, names[i])->r,
                      rig_at(b, names[i])->r);
}

/* The search scores with statistics of one kind: of its best the same numbers stand beside. */
START_TEST(as_the_search_measures) {
    static const struct {
        const char *args, *entry;
    } rows[] = {{"args: {num_bn_batch: 0}", "none"},
                {"args: {num_bn_batch: 100, bn_mode: pooled}", "pooled"},
                {"args: {num_bn_batch: 100, bn_mode: average}", "average"},
                {"args: {num_bn_batch: 100, bn_mode: ema}", "ema"}};
    char yaml[4096];
    snprintf(yaml, sizeof yaml, SPOS("%s"), rows[_i].args);
    RIG_RUNS(yaml, NULL);
    mn_node *all = results();
    same_scores(entry(all, rows[_i].entry), rig_at(all, "estim.search.best.metrics"));
    ck_assert_int_eq(entry(all, "samples")->i, 40);
    if (_i) ck_assert_str_eq(entry(all, "samples_sha256")->text, rig_at(all, "estim.search.calibration_sha256")->text);
    ck_assert(entry(all, "none.loss")->r != entry(all, "pooled.loss")->r);
    ck_assert(entry(all, "average.loss")->r != entry(all, "pooled.loss")->r);
    ck_assert(entry(all, "ema.loss")->r != entry(all, "pooled.loss")->r);
    mn_node_free(rig.ctx, all);
}
END_TEST

/* Gradient searches have one; what follows is the same with and without. */
START_TEST(leaves_no_trace) {
    static const char more[] = UTIL_SEARCH_GATES "estim: {search: {type: SuperNetEstim, epochs: 2}, more: {type: DefaultEstim, epochs: 1}}\n";
    RIG_RUNS(more, NULL);
    mn_node *all = results();
    ck_assert_double_gt(entry(all, "pooled.loss")->r, 0);
    ck_assert_ptr_null(mn_node_path(all, "estim.more.recalibration"));
    mn_node_free(rig.ctx, all);
    ck_assert_int_eq(system("mv exp/t exp/with"), 0);
    RIG_RUNS(more, RIG_OVER("estim.search.recalibration=false"));
    all = results();
    ck_assert_ptr_null(mn_node_path(all, "estim.search.recalibration"));
    mn_node_free(rig.ctx, all);
    ck_assert(rig_same_run("with", "t"));
    ck_assert(util_rig_same("exp/with/chkpt/model_more_last.safetensors", "exp/t/chkpt/model_more_last.safetensors"));
}
END_TEST

/* Where weights are not shared, or nothing is validated, there is nothing to say. */
START_TEST(not_there) {
    static const char *const none[] = {SPOS("subnet_epochs: 1"), SPOS("metrics: ParamsMetrics")};
    RIG_RUNS(none[_i], NULL);
    mn_node *all = results();
    ck_assert_ptr_null(mn_node_path(all, "estim.search.recalibration"));
    ck_assert_ptr_null(mn_node_path(all, "estim.supernet.recalibration"));
    mn_node_free(rig.ctx, all);
}
END_TEST

/* It is in checkpoints: a run that was stopped in the next estimator tells the same. */
START_TEST(kept) {
    static const char more[] = UTIL_SEARCH_INDEX
        "estim: {search: {type: SuperNetEstim, epochs: 1}, more: {type: DefaultEstim, epochs: 2}}\n";
    int n;
    ck_assert_int_eq(util_resume_run(more, NULL, 0, 0, &n), 0);
    mn_node *whole = results();
    ck_assert_int_eq(system("rm -r exp/t"), 0);
    ck_assert_int_ne(util_resume_run(more, NULL, n - 1, 0, NULL), 0);
    ck_assert_int_eq(util_resume_run(more, NULL, 0, 1, NULL), 0);
    mn_node *again = results();
    static const char *const names[] = {"none", "pooled", "average", "ema"};
    for (size_t i = 0; i < MN_COUNT(names); i++) same_scores(entry(whole, names[i]), entry(again, names[i]));
    ck_assert_str_eq(entry(whole, "samples_sha256")->text, entry(again, "samples_sha256")->text);
    mn_node_free(rig.ctx, whole);
    mn_node_free(rig.ctx, again);
}
END_TEST

/* No memory while statistics are taken: the run ends with MODNAS_ENOMEM or not at all. */
START_TEST(no_memory) {
    static const char yaml[] = SPOS("baseline: false, args: {num_bn_batch: 0}");
    const int64_t many = 1 << 30;
    rig.host.left = many;
    RIG_RUNS(yaml, NULL);
    const int64_t all = many - rig.host.left;
    ck_assert_int_eq(system("rm -r exp/t"), 0);
    for (int64_t back = 1; back < all / 4; back += 3 * back) {
        rig.host.left = all - back;
        const int rc = util_rig_yaml(&rig, yaml, NULL);
        rig.host.left = -1;
        ck_assert_msg(rc == 0 || rc == MODNAS_ENOMEM, "%d: %s", rc, rig.error);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("recalibration");
    TCase *t = tcase_create("loops");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, rig_setup, rig_teardown);
    tcase_add_loop_test(t, as_the_search_measures, 0, 4);
    tcase_add_loop_test(t, not_there, 0, 2);
    suite_add_tcase(suite, t);
    util_add(suite, "runs", rig_setup, rig_teardown, (const TTest *[]){leaves_no_trace, kept, no_memory, NULL});
    return util_run(suite);
}
