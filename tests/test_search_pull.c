/* Searches that a host drives step by step: the same bytes as a run, proposals and what comes of them, and
 * architectures as hosts hold them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_search.h"

/* ---- pull and push ------------------------------------------------------------------------------------- */

/* The same configuration on either backend. */
#define ON_DNNL     "---\nbackend: dnnl\n"
#define ON(i, yaml) ((i) ? yaml ON_DNNL : yaml)

/* SuperNetEstim on index ops: every step trains a path at random; at the end of an epoch a proposal is evaluated and
 * told. The same by hand gives the same weights, the same architecture file and the same metrics. */
START_TEST(proposals_equal_a_run) {
#define PROPOSALS UTIL_SEARCH_INDEX "estim: {search: {type: SuperNetEstim, epochs: 3}}\n"
    char pushed[65], pulled[65], *results = NULL, *yaml = NULL;
    modnas_search *s = util_search(ON(_i, PROPOSALS), NULL);
    SEARCH_OK(modnas_search_run(s, &results));
    util_search_hash(s, pushed);
    char *file = util_rig_read("exp/t/outputs/arch_search_best.yaml", NULL);
    double pushed_score = 0, score = 0;
    ck_assert_ptr_nonnull(modnas_search_best(s, &pushed_score));
    modnas_string_free(rig.ctx, results);
    modnas_search_free(s);

    s = util_search(ON(_i, PROPOSALS), NULL);
    ck_assert_int_eq(modnas_search_n_steps(s), 3);
    for (int epoch = 0; epoch < 3; epoch++) {
        modnas_arch *a;
        modnas_metric m[16];
        int32_t n;
        double loss = NAN;
        SEARCH_OK(modnas_search_train(s, NULL, 3, &loss));
        ck_assert(loss > 0);
        SEARCH_OK(modnas_search_ask(s, 1, &a, &n));
        ck_assert_int_eq(n, 1);
        SEARCH_OK(modnas_search_evaluate(s, a, m, 16, &n));
        SEARCH_OK(modnas_search_tell(s, a, 0, m, n));
        modnas_arch_free(a);
    }
    util_search_hash(s, pulled);
    ck_assert_str_eq(pulled, pushed);
    SEARCH_OK(modnas_search_export(s, modnas_search_best(s, &score), &yaml));
    ck_assert_str_eq(yaml, file);
    ck_assert(score == pushed_score);
    modnas_string_free(rig.ctx, yaml);
    free(file);
    modnas_search_free(s);
}
END_TEST

/* SuperNetEstim on gates: with arch_update_intv 1 an architecture step before each weight step; 7 epochs of 3 are 21
 * steps. Weights, alphas and the last evaluation are the same by hand. */
START_TEST(gradients_equal_a_run) {
#define GRADIENTS UTIL_SEARCH_GATES "estim: {search: {type: SuperNetEstim, epochs: 7, arch_update_intv: 1}}\n"
    char pushed[65], pulled[65];
    double pushed_score = 0, score = 0;
    modnas_search *s = util_search(ON(_i, GRADIENTS), NULL);
    SEARCH_OK(modnas_search_run(s, NULL));
    util_search_hash(s, pushed);
    modnas_search_best(s, &pushed_score);
    char *file = util_rig_read("exp/t/outputs/arch_search_best.yaml", NULL), *yaml = NULL;
    modnas_search_free(s);

    s = util_search(ON(_i, GRADIENTS), NULL);
    for (int step = 0; step < 21; step++) {
        double loss = NAN;
        modnas_metric m[16];
        int32_t n;
        SEARCH_OK(modnas_search_arch_step(s, &loss));
        ck_assert(loss > 0);
        SEARCH_OK(modnas_search_train(s, NULL, 1, &loss));
        ck_assert(loss > 0);
        if (step % 3 < 2) continue;
        SEARCH_OK(modnas_search_evaluate(s, NULL, m, 16, &n));
        SEARCH_OK(modnas_search_tell(s, NULL, 0, m, n));
    }
    util_search_hash(s, pulled);
    ck_assert_str_eq(pulled, pushed);
    SEARCH_OK(modnas_search_export(s, modnas_search_best(s, &score), &yaml));
    ck_assert_str_eq(yaml, file);
    ck_assert(score == pushed_score);
    modnas_string_free(rig.ctx, yaml);
    free(file);
    modnas_search_free(s);
}
END_TEST

/* modnas_run is new, run and free: the same files, but for times and sizes in results.json. */
START_TEST(run_equals_the_handle) {
    RIG_RUNS(UTIL_RIG_CONFIG, NULL);
    ck_assert_int_eq(system("mv exp/t exp/before"), 0);
    modnas_search *s = util_search(UTIL_RIG_CONFIG, NULL);
    ck_assert(!util_rig_exists("exp/t"));
    SEARCH_OK(modnas_search_run(s, NULL));
    static const char *const files[] = {"outputs/history.tsv", "outputs/arch_search_best.yaml", "outputs/config.yaml",
                                        "chkpt/model_search_last.safetensors", "chkpt/model_warm_best.safetensors"};
    for (size_t i = 0; i < MN_COUNT(files); i++) {
        char a[128], b[128];
        snprintf(a, sizeof a, "exp/before/%s", files[i]);
        snprintf(b, sizeof b, "exp/t/%s", files[i]);
        ck_assert_msg(util_rig_same(a, b), "%s", files[i]);
    }
    ck_assert_int_eq(modnas_search_run(s, NULL), MODNAS_EDONE);
    modnas_search_free(s);
}
END_TEST

/* Pulling before a run and after it. What was told before is in the run's history and counts; the run then makes the
 * same weights as one that finds them so. Afterwards a new phase begins, with the weights as they are. */
START_TEST(pull_and_push_mixed) {
    modnas_metric m[16] = {{"acc_top1", 0.125}};
    int32_t n;
    double loss;
    char *results = NULL, before[65], after[65];
    const modnas_search_opts opts = {.size = sizeof opts, .estim = "search"};
    modnas_search *s = util_search(UTIL_RIG_CONFIG, &opts);
    SEARCH_OK(modnas_search_train(s, NULL, 2, &loss));
    SEARCH_OK(modnas_search_tell(s, NULL, 0, m, 1));
    ck_assert(!util_rig_exists("exp"));
    SEARCH_OK(modnas_search_run(s, &results));
    mn_node *t = util_rig_parse(&rig, results);
    ck_assert_int_eq(rig_at(t, "estim.warm.evaluations")->i, 1);
    ck_assert_int_eq(rig_at(t, "estim.search.evaluations")->i, 3);
    mn_node_free(rig.ctx, t);
    char *history = util_rig_read("exp/t/outputs/history.tsv", NULL);
    ck_assert_ptr_nonnull(strstr(history, "\n0\tsearch\t[[\""));
    ck_assert_ptr_nonnull(strstr(history, "\n1\twarm\t"));
    ck_assert_ptr_nonnull(strstr(history, "\n3\tsearch\t"));
    free(history);
    util_search_hash(s, before);
    SEARCH_OK(modnas_search_evaluate(s, NULL, m, 16, &n));
    util_search_hash(s, after);
    ck_assert_str_eq(before, after);
    SEARCH_OK(modnas_search_train(s, NULL, 4, &loss));
    SEARCH_OK(modnas_search_arch_step(s, &loss));
    util_search_hash(s, after);
    ck_assert_str_ne(before, after);
    modnas_string_free(rig.ctx, results);
    modnas_search_free(s);
}
END_TEST

/* ---- single functions ---------------------------------------------------------------------------------- */

/* All of the space, then MODNAS_EDONE; what is left is fewer than asked for. */
START_TEST(ask_to_the_end) {
    modnas_search *s = util_search(UTIL_SEARCH_TOY "optim: RandomSearchOptim\n", NULL);
    modnas_arch *a[100];
    int seen[256] = {0};
    int32_t n = 0, total = 0;
    for (int i = 0; i < 3; i++) {
        SEARCH_OK(modnas_search_ask(s, 100, a, &n));
        ck_assert_int_eq(n, i < 2 ? 100 : 56);
        for (int32_t k = 0; k < n; k++) {
            ck_assert_int_eq(seen[util_search_code(a[k])]++, 0);
            modnas_arch_free(a[k]);
        }
        total += n;
    }
    ck_assert_int_eq(total, 256);
    a[0] = NULL;
    ck_assert_int_eq(modnas_search_ask(s, 1, a, &n), MODNAS_EDONE);
    ck_assert_ptr_null(a[0]);
    ck_assert_int_eq(n, 56);
    modnas_search_free(s);
}
END_TEST

/* An estimator that leaves all to the host. */
static int idle(modnas_search *search, const modnas_args *args, void *ud) {
    (void)search, (void)args, (void)ud;
    return 0;
}

/* The first of equals stays the best; what failed and what is not a number is recorded and never is. */
START_TEST(outcomes) {
    static const struct {
        int32_t status;
        double value;
        int is_best;
    } rows[] = {{5, 0, 0}, {0, NAN, 0}, {0, 0.5, 1}, {-3, 0.9, 0}, {0, 0.5, 0}, {0, INFINITY, 0}, {0, 0.75, 1}};
    const modnas_estim_vt vt = {.size = sizeof vt, .run = idle};
    util_search_register("estim", "Idle", NULL, &vt, NULL);
    modnas_search *s = util_search(UTIL_SEARCH_TOY "optim: RandomSearchOptim\nestim: {search: {type: Idle}}\n", NULL);
    double score = -1;
    int32_t n;
    ck_assert_ptr_null(modnas_search_best(s, &score));
    ck_assert(score == -1);
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        const modnas_metric m = {"acc_top1", rows[i].value};
        modnas_arch *a;
        SEARCH_OK(modnas_search_ask(s, 1, &a, &n));
        SEARCH_OK(modnas_search_tell(s, a, rows[i].status, rows[i].status ? NULL : &m, rows[i].status ? 0 : 1));
        const modnas_arch *best = modnas_search_best(s, &score);
        if (rows[i].is_best) ck_assert(best && util_search_code(best) == util_search_code(a) && score == rows[i].value);
        modnas_arch_free(a);
    }
    ck_assert(score == 0.75);
    SEARCH_OK(modnas_search_run(s, NULL));
    char *history = util_rig_read("exp/t/outputs/history.tsv", NULL);
    int lines = 0;
    for (const char *c = history; *c; c++) lines += *c == '\n';
    ck_assert_int_eq(lines, 1 + (int)MN_COUNT(rows));
    ck_assert_ptr_nonnull(strstr(history, "\t5\tnull\t-\n"));
    ck_assert_ptr_nonnull(strstr(history, "\t-3\tnull\t-\n"));
    ck_assert_ptr_nonnull(strstr(history, "\t0\tnull\tnull\n"));
    free(history);
    modnas_search_free(s);
}
END_TEST

/* loss: less is better. The names of metrics are the host's only during the call. */
START_TEST(direction_of_scores) {
    modnas_search *s = util_search(UTIL_SEARCH_TOY, NULL);
    char name[] = "loss";
    double score = 0;
    modnas_metric m = {name, 2.5};
    SEARCH_OK(modnas_search_tell(s, NULL, 0, &m, 1));
    m.value = 1.5;
    SEARCH_OK(modnas_search_tell(s, NULL, 0, &m, 1));
    memset(name, 'x', sizeof name - 1);
    modnas_search_best(s, &score);
    ck_assert(score == -1.5);
    modnas_search_free(s);
}
END_TEST

/* Choices are as before after train, evaluate and export of an architecture; only its path was trained. */
START_TEST(the_model_is_put_back) {
    modnas_search *s = util_search(UTIL_SEARCH_GATES, NULL);
    modnas_model *m = modnas_search_model(s);
    modnas_arch *now, *a;
    modnas_metric metrics[16];
    char *yaml = NULL, before[65], after[65];
    int32_t n;
    SEARCH_OK(modnas_arch_new(m, &now));
    SEARCH_OK(modnas_arch_copy(now, &a));
    ck_assert_int_eq(modnas_arch_n(a), 4);
    for (int32_t i = 0; i < 4; i++) SEARCH_OK(modnas_arch_set(a, i, (modnas_arch_get(now, i) + 1 + i) % 4));
    for (int32_t i = 0; i < 4; i++) ck_assert_int_eq(modnas_arch_n_options(a, i), 4);
    ck_assert_str_eq(modnas_arch_option(a, 0, 2), "MB5E3");
    ck_assert_str_eq(modnas_arch_name(a, 3), "t_3");
    SEARCH_OK(modnas_search_export(s, a, &yaml));
    for (int32_t i = 0; i < 4; i++)
        ck_assert_ptr_nonnull(strstr(yaml, modnas_arch_option(a, i, modnas_arch_get(a, i))));
    modnas_string_free(rig.ctx, yaml);
    util_search_hash(s, before);
    SEARCH_OK(modnas_search_evaluate(s, a, metrics, 16, &n));
    util_search_hash(s, after);
    ck_assert_str_eq(before, after);
    SEARCH_OK(modnas_search_train(s, a, 3, NULL));
    util_search_hash(s, after);
    ck_assert_str_ne(before, after);
    modnas_arch *again;
    SEARCH_OK(modnas_arch_new(m, &again));
    ck_assert_int_eq(util_search_code(again), util_search_code(now));
    modnas_arch_free(now);
    modnas_arch_free(again);
    modnas_search_free(s);
    ck_assert_str_eq(modnas_arch_option(a, 0, 0), "MB3E1"); /* it holds its model */
    modnas_arch_free(a);
}
END_TEST

/* One path of a supernet has the parameters and multiply-adds of the network that its description builds. */
START_TEST(evaluates_what_is_asked) {
    modnas_search *s = util_search(UTIL_SEARCH_GATES, NULL);
    modnas_arch *a;
    modnas_metric m[2];
    int32_t n;
    SEARCH_OK(modnas_arch_new(modnas_search_model(s), &a));
    static const int32_t path[4] = {3, 0, 2, 1};
    for (int32_t i = 0; i < 4; i++) SEARCH_OK(modnas_arch_set(a, i, path[i]));
    SEARCH_OK(modnas_search_evaluate(s, a, m, 2, &n));
    ck_assert_int_eq(n, 5); /* acc_top1 acc_top5 loss params macs */
    ck_assert_str_eq(m[0].name, "acc_top1");
    ck_assert_str_eq(m[1].name, "acc_top5");
    modnas_metric all[16];
    SEARCH_OK(modnas_search_evaluate(s, a, all, 16, &n));
    char yaml[4096], *desc = NULL;
    SEARCH_OK(modnas_search_export(s, a, &desc));
    FILE *f = fopen("arch.yaml", "w");
    ck_assert_ptr_nonnull(f);
    fputs(desc, f);
    fclose(f);
    snprintf(yaml, sizeof yaml, "backend: ref\n%sarch_desc: arch.yaml\n", UTIL_SMALL_NET);
    modnas_search *derived = util_search(yaml, NULL);
    modnas_metric want[16];
    SEARCH_OK(modnas_search_evaluate(derived, NULL, want, 16, &n));
    ck_assert(util_search_metric(all, n, "params") == (double)modnas_model_n_params(modnas_search_model(derived)));
    ck_assert(util_search_metric(all, n, "macs") == util_search_metric(want, n, "macs"));
    modnas_string_free(rig.ctx, desc);
    modnas_search_free(derived);
    modnas_search_free(s);
    modnas_arch_free(a);
}
END_TEST

START_TEST(archs_in_json) {
    modnas_search *s = util_search(UTIL_SEARCH_TOY, NULL);
    modnas_arch *a;
    char *json = NULL;
    SEARCH_OK(modnas_arch_new(modnas_search_model(s), &a));
    SEARCH_OK(modnas_arch_set(a, 1, 3));
    SEARCH_OK(modnas_arch_set(a, 2, MODNAS_OPEN));
    SEARCH_OK(modnas_arch_json(a, &json));
    ck_assert_str_eq(json, "{\"c_0\":\"MB3E1\",\"c_1\":\"MB5E1\",\"c_2\":null,\"c_3\":\"MB3E1\"}");
    modnas_string_free(rig.ctx, json);
    ck_assert_int_eq(modnas_arch_set(a, 1, 4), MODNAS_EINVAL);
    util_search_says("c_1");
    ck_assert_int_eq(modnas_arch_set(a, 1, -2), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_arch_set(a, 4, 0), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_arch_set(a, -1, 0), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_arch_get(a, 1), 3);
    ck_assert_int_eq(modnas_arch_get(a, 4), MODNAS_OPEN);
    ck_assert_int_eq(modnas_arch_n_options(a, -1), 0);
    ck_assert_ptr_null(modnas_arch_name(a, 4));
    ck_assert_ptr_null(modnas_arch_option(a, 0, 4));
    modnas_arch_free(a);
    modnas_search_free(s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("search_pull");
    util_add_loop(suite, "proposals", rig_setup, rig_teardown, proposals_equal_a_run, 2);
    util_add_loop(suite, "gradients", rig_setup, rig_teardown, gradients_equal_a_run, 2);
    util_add(suite, "equal", rig_setup, rig_teardown,
             (const TTest *[]){run_equals_the_handle, pull_and_push_mixed, NULL});
    util_add(suite, "functions", rig_setup, rig_teardown,
             (const TTest *[]){ask_to_the_end, outcomes, direction_of_scores, the_model_is_put_back,
                               evaluates_what_is_asked, archs_in_json, NULL});
    return util_run(suite);
}
