/* NULL for every pointer argument of every function of search.h: a status, 0 or NULL, never a crash; a search of
 * another model's architectures; and what else a host may get wrong. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "util_search.h"

/* ---- layout -------------------------------------------------------------------------------------------- */

/* What hosts were compiled with (64-bit). */
#define AT(type, field, offset) _Static_assert(offsetof(type, field) == (offset), #type "." #field)
#define SIZE(type, bytes)       _Static_assert(sizeof(type) == (bytes), #type)
AT(modnas_metric, value, 8);
SIZE(modnas_metric, 16);
AT(modnas_evaluation, estim, 8);
AT(modnas_evaluation, index, 16);
AT(modnas_evaluation, arch, 24);
AT(modnas_evaluation, desc, 32);
AT(modnas_evaluation, metrics, 40);
AT(modnas_evaluation, n_metrics, 48);
AT(modnas_evaluation, status, 52);
AT(modnas_evaluation, is_best, 56);
AT(modnas_evaluation, score, 64);
SIZE(modnas_evaluation, 72);
AT(modnas_search_opts, estim, 8);
AT(modnas_search_opts, progress, 16);
AT(modnas_search_opts, evaluated, 24);
AT(modnas_search_opts, epoch_done, 32);
AT(modnas_search_opts, ud, 40);
AT(modnas_search_opts, ud_free, 48);
AT(modnas_search_opts, resume, 56);
SIZE(modnas_search_opts, 64);
AT(modnas_optim_vt, create, 8);
AT(modnas_optim_vt, ask, 16);
AT(modnas_optim_vt, tell, 24);
AT(modnas_optim_vt, destroy, 32);
AT(modnas_optim_vt, save, 40);
AT(modnas_optim_vt, load, 48);
SIZE(modnas_optim_vt, 56);
AT(modnas_estim_vt, save, 16);
AT(modnas_estim_vt, load, 24);
SIZE(modnas_estim_vt, 32);
SIZE(modnas_metrics_vt, 16);
SIZE(modnas_criterion_vt, 16);
SIZE(modnas_export_vt, 16);

/* ---- NULL ---------------------------------------------------------------------------------------------- */

typedef struct row {
    const char *what;
    int rc;
} row;
#define R(call)                                                                                                        \
    { #call, call }

/* What may be NULL by its description is called further down. */
START_TEST(null) {
    modnas_search *s = util_search(UTIL_SEARCH_INDEX, NULL), *t = NULL;
    modnas_model *model = modnas_search_model(s);
    modnas_config *cfg;
    modnas_arch *a, *b = NULL;
    modnas_metric m[16] = {{"x", 1}};
    const modnas_metric nameless = {NULL, 1}, empty = {"", 1}, line = {"a\tb", 1};
    char *text = NULL;
    int32_t n = 77;
    double x;
    SEARCH_OK(modnas_config_new(rig.ctx, &cfg));
    SEARCH_OK(modnas_arch_new(model, &a));
    const row rows[] = {R(modnas_search_new(NULL, NULL, &t)),
                        R(modnas_search_new(cfg, NULL, NULL)),
                        R(modnas_search_run(NULL, &text)),
                        R(modnas_search_ask(NULL, 1, &b, &n)),
                        R(modnas_search_ask(s, 1, NULL, &n)),
                        R(modnas_search_ask(s, 1, &b, NULL)),
                        R(modnas_search_ask(s, 0, &b, &n)),
                        R(modnas_search_ask(s, -1, &b, &n)),
                        R(modnas_search_tell(NULL, a, 0, m, 1)),
                        R(modnas_search_tell(s, a, 0, NULL, 1)),
                        R(modnas_search_tell(s, a, 0, m, 0)),
                        R(modnas_search_tell(s, a, 0, m, -1)),
                        R(modnas_search_tell(s, a, 0, &nameless, 1)),
                        R(modnas_search_tell(s, a, 0, &empty, 1)),
                        R(modnas_search_tell(s, a, 0, &line, 1)),
                        R(modnas_search_train(NULL, a, 1, &x)),
                        R(modnas_search_train(s, a, -1, &x)),
                        R(modnas_search_arch_step(NULL, &x)),
                        R(modnas_search_evaluate(NULL, a, m, 16, &n)),
                        R(modnas_search_evaluate(s, a, NULL, 16, &n)),
                        R(modnas_search_evaluate(s, a, m, -1, &n)),
                        R(modnas_search_evaluate(s, a, m, 16, NULL)),
                        R(modnas_search_export(NULL, a, &text)),
                        R(modnas_search_export(s, a, NULL)),
                        R(modnas_arch_new(NULL, &b)),
                        R(modnas_arch_new(model, NULL)),
                        R(modnas_arch_copy(NULL, &b)),
                        R(modnas_arch_copy(a, NULL)),
                        R(modnas_arch_set(NULL, 0, 0)),
                        R(modnas_arch_json(NULL, &text)),
                        R(modnas_arch_json(a, NULL))};
    for (size_t i = 0; i < MN_COUNT(rows); i++)
        ck_assert_msg(rows[i].rc == MODNAS_EINVAL, "%s: %d", rows[i].what, rows[i].rc);
    ck_assert(!t && !b && !text && n == 77);
    ck_assert(!modnas_search_model(NULL) && !modnas_search_best(NULL, &x) && !modnas_search_best(s, NULL));
    ck_assert(modnas_search_n_steps(NULL) == 0 && modnas_arch_n(NULL) == 0 && modnas_arch_get(NULL, 0) == MODNAS_OPEN);
    ck_assert(!modnas_arch_name(NULL, 0) && !modnas_arch_option(NULL, 0, 0) && !modnas_arch_n_options(NULL, 0));
    modnas_arch_free(NULL);
    modnas_search_free(NULL);
    ck_assert_ptr_null(modnas_search_best(s, NULL)); /* nothing of all this was recorded */
    modnas_arch_free(a);
    modnas_config_free(cfg);
    modnas_search_free(s);
}
END_TEST

START_TEST(may_be_null) {
    modnas_search *s = util_search(UTIL_SEARCH_INDEX "estim: {search: {type: SuperNetEstim, epochs: 1}}\n", NULL);
    const modnas_metric m = {"x", 1};
    int32_t n;
    SEARCH_OK(modnas_search_train(s, NULL, 0, NULL));
    SEARCH_OK(modnas_search_train(s, NULL, 1, NULL));
    SEARCH_OK(modnas_search_evaluate(s, NULL, NULL, 0, &n));
    ck_assert_int_eq(n, 5);
    SEARCH_OK(modnas_search_tell(s, NULL, 0, &m, 1));
    SEARCH_OK(modnas_search_tell(s, NULL, 1, NULL, 0));
    SEARCH_OK(modnas_search_run(s, NULL));
    modnas_search_free(s);
}
END_TEST

/* ---- wrong use ----------------------------------------------------------------------------------------- */

/* Of another model, also when that one is of the same configuration, or gone. */
START_TEST(another_models_architecture) {
    modnas_search *s = util_search(UTIL_SEARCH_INDEX, NULL), *other = util_search(UTIL_SEARCH_INDEX, NULL);
    const modnas_metric m = {"x", 1};
    modnas_metric out[1];
    modnas_arch *a;
    char *yaml = NULL;
    int32_t n;
    SEARCH_OK(modnas_arch_new(modnas_search_model(other), &a));
    for (int gone = 0; gone < 2; gone++) {
        ck_assert_int_eq(modnas_search_tell(s, a, 0, &m, 1), MODNAS_EINVAL);
        util_search_says("another model");
        ck_assert_int_eq(modnas_search_train(s, a, 1, NULL), MODNAS_EINVAL);
        ck_assert_int_eq(modnas_search_evaluate(s, a, out, 1, &n), MODNAS_EINVAL);
        ck_assert_int_eq(modnas_search_export(s, a, &yaml), MODNAS_EINVAL);
        if (!gone) modnas_search_free(other);
    }
    ck_assert_ptr_null(yaml);
    modnas_arch_free(a);
    modnas_search_free(s);
}
END_TEST

/* Each optimizer answers to its own calls; without one, without a trainer or an exporter there is a text. */
START_TEST(what_is_not_there) {
    modnas_arch *a = NULL;
    char *yaml = NULL;
    int32_t n;
    modnas_search *s = util_search(UTIL_SEARCH_GATES, NULL);
    ck_assert_int_eq(modnas_search_ask(s, 1, &a, &n), MODNAS_EUNSUPPORTED);
    util_search_says("BinaryGateOptim");
    ck_assert_int_eq(modnas_search_run(s, NULL), MODNAS_ECONFIG); /* no estimator */
    modnas_search_free(s);
    s = util_search(UTIL_SEARCH_INDEX, NULL);
    ck_assert_int_eq(modnas_search_arch_step(s, NULL), MODNAS_EUNSUPPORTED);
    util_search_says("RandomSearchOptim");
    modnas_search_free(s);
    s = util_search(UTIL_SEARCH_TOY "export: null\n", NULL);
    ck_assert_int_eq(modnas_search_ask(s, 1, &a, &n), MODNAS_EINVAL);
    util_search_says("optim");
    ck_assert_int_eq(modnas_search_arch_step(s, NULL), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_search_train(s, NULL, 1, NULL), MODNAS_EINVAL);
    util_search_says("trainer");
    ck_assert_int_eq(modnas_search_evaluate(s, NULL, NULL, 0, &n), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_search_export(s, NULL, &yaml), MODNAS_EINVAL);
    util_search_says("exporter");
    ck_assert_int_eq(modnas_search_n_steps(s), 0);
    modnas_search_free(s);
}
END_TEST

START_TEST(options) {
    modnas_search *s = NULL;
    modnas_search_opts opts = {.size = 3};
    ck_assert_int_eq(util_search_try(UTIL_SEARCH_INDEX, &opts, &s), MODNAS_EINVAL);
    opts = (modnas_search_opts){.size = sizeof opts, .estim = "serach"};
    ck_assert_int_eq(util_search_try(UTIL_RIG_CONFIG, &opts, &s), MODNAS_ENOTFOUND);
    util_search_says("serach");
    ck_assert_int_eq(util_search_try(UTIL_SEARCH_INDEX, &opts, &s), MODNAS_ENOTFOUND);
    ck_assert_ptr_null(s);
    opts.estim = "search";
    SEARCH_OK(util_search_try(UTIL_RIG_CONFIG, &opts, &s));
    modnas_search_free(s);
}
END_TEST

/* 16 metrics of one evaluation and of a history, no more; nothing is recorded of one that does not fit. */
START_TEST(too_many_metrics) {
    static const char *const names[17] = {"a", "b", "c", "d", "e", "f", "g", "h", "i",
                                          "j", "k", "l", "m", "n", "o", "p", "q"};
    modnas_metric m[17];
    double score = 0;
    modnas_search *s = util_search(UTIL_SEARCH_TOY, NULL);
    for (int i = 0; i < 17; i++) m[i] = (modnas_metric){names[i], i};
    ck_assert_int_eq(modnas_search_tell(s, NULL, 0, m, 17), MODNAS_EUNSUPPORTED);
    SEARCH_OK(modnas_search_tell(s, NULL, 0, m, 16));
    ck_assert_int_eq(modnas_search_tell(s, NULL, 0, m + 16, 1), MODNAS_EUNSUPPORTED);
    ck_assert(modnas_search_best(s, &score) && score == 0);
    modnas_search_free(s);
}
END_TEST

/* A loss that is no number: named with its step, the weights did not move in it. */
START_TEST(loss_is_no_number) {
    char before[65], after[65];
    double loss = -1;
    modnas_config *cfg;
    modnas_search *s = NULL;
    SEARCH_OK(modnas_config_new(rig.ctx, &cfg));
    SEARCH_OK(modnas_config_add_text(cfg, UTIL_SEARCH_INDEX, sizeof UTIL_SEARCH_INDEX - 1, "t.yaml"));
    SEARCH_OK(modnas_config_override(cfg, "trainer.default.args.optimizer.args.lr=1e30"));
    SEARCH_OK(modnas_search_new(cfg, NULL, &s));
    SEARCH_OK(modnas_search_train(s, NULL, 1, NULL));
    util_search_hash_trained(s, before);
    ck_assert_int_eq(modnas_search_train(s, NULL, 1, &loss), MODNAS_ENUMERIC);
    util_search_says("step 2");
    util_search_hash_trained(s, after);
    ck_assert_str_eq(before, after);
    ck_assert(loss == -1);
    modnas_search_free(s);
    modnas_config_free(cfg);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("search_null");
    util_add(suite, "null", rig_setup, rig_teardown, (const TTest *[]){null, may_be_null, NULL});
    util_add(suite, "wrong", rig_setup, rig_teardown,
             (const TTest *[]){another_models_architecture, what_is_not_there, options, too_many_metrics,
                               loss_is_no_number, NULL});
    return util_run(suite);
}
