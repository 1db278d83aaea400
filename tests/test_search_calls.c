/* What callbacks of a search may call, also that it ends: freeing and canceling. */
#include <string.h>

#include "util_search.h"

/* ---- what may be called where -------------------------------------------------------------------------- */

typedef struct caller {
    int n, asked;
    modnas_search *search; /* progress callbacks are not given it */
} caller;

/* Reading works, asking works, everything that would change the search does not. */
static void call_all(modnas_search *s, caller *c) {
    modnas_arch *a = NULL;
    modnas_metric m = {"x", 1};
    char *text = NULL;
    int32_t n = 0;
    c->n++;
    ck_assert_int_eq(modnas_search_run(s, NULL), MODNAS_EBUSY);
    util_search_says("modnas_search_run");
    ck_assert_int_eq(modnas_search_train(s, NULL, 1, NULL), MODNAS_EBUSY);
    ck_assert_int_eq(modnas_search_arch_step(s, NULL), MODNAS_EBUSY);
    ck_assert_int_eq(modnas_search_evaluate(s, NULL, NULL, 0, &n), MODNAS_EBUSY);
    ck_assert_int_eq(modnas_search_tell(s, NULL, 0, &m, 1), MODNAS_EBUSY);
    SEARCH_OK(modnas_search_ask(s, 1, &a, &n));
    c->asked += n;
    SEARCH_OK(modnas_search_export(s, a, &text));
    modnas_string_free(rig.ctx, text);
    modnas_arch_free(a);
    SEARCH_OK(modnas_arch_new(modnas_search_model(s), &a));
    modnas_arch_free(a);
    modnas_search_best(s, NULL);
}

static int call_in_progress(const modnas_progress *p, void *ud) {
    (void)p;
    call_all(((caller *)ud)->search, ud);
    return 0;
}

static int call_in_evaluated(modnas_search *s, const modnas_evaluation *e, void *ud) {
    char *json = NULL;
    ck_assert_ptr_eq(s, ((caller *)ud)->search);
    ck_assert_int_eq(modnas_arch_n(e->arch), 4);
    ck_assert_ptr_nonnull(strstr(e->desc, modnas_arch_option(e->arch, 0, modnas_arch_get(e->arch, 0))));
    ck_assert_str_eq(e->metrics[0].name, "acc_top1");
    ck_assert(e->metrics[0].value == e->score && e->status == 0 && e->n_metrics == 5);
    SEARCH_OK(modnas_arch_json(e->arch, &json));
    modnas_string_free(rig.ctx, json);
    call_all(s, ud);
    return 0;
}

static int call_in_epoch(modnas_search *s, const modnas_progress *p, void *ud) {
    ck_assert_int_eq(p->step, p->steps);
    call_all(s, ud);
    return 0;
}

/* A run in whose callbacks a host reads and asks makes the weights of one without: the optimizer's order alone is
 * another. */
START_TEST(calls_from_callbacks) {
#define GATES_AND_EPOCHS UTIL_SEARCH_INDEX "estim: {search: {type: DefaultEstim, epochs: 2, args: {valid_intv: 1}}}\n"
    char quiet[65], curious[65];
    caller c = {0, 0, NULL};
    const modnas_search_opts opts = {.size = sizeof opts,
                                     .progress = call_in_progress,
                                     .evaluated = call_in_evaluated,
                                     .epoch_done = call_in_epoch,
                                     .ud = &c};
    modnas_search *s = util_search(GATES_AND_EPOCHS, NULL);
    SEARCH_OK(modnas_search_run(s, NULL));
    util_search_hash(s, quiet);
    modnas_search_free(s);
    s = c.search = util_search(GATES_AND_EPOCHS, &opts);
    SEARCH_OK(modnas_search_run(s, NULL));
    util_search_hash(s, curious);
    ck_assert_str_eq(quiet, curious);
    ck_assert_int_eq(c.n, 2 * (3 + 1) + 2 + 2); /* steps, batches of validation, evaluations, epochs */
    ck_assert_int_eq(c.asked, c.n);
    modnas_search_free(s);
}
END_TEST

static int n_freed;

static void free_ud(void *ud) {
    ck_assert_int_eq(*(int *)ud, 5);
    n_freed++;
}

static int free_inside(modnas_search *s, const modnas_evaluation *e, void *ud) {
    (void)e, (void)ud;
    modnas_search_free(s);
    ck_assert_int_eq(n_freed, 0);
    return 0;
}

/* Freed from inside, a search goes when the outermost call returns; its ud with it, once. */
START_TEST(freed_in_a_callback) {
    int five = 5;
    const modnas_metric m = {"x", 1};
    const modnas_search_opts opts = {.size = sizeof opts, .evaluated = free_inside, .ud = &five, .ud_free = free_ud};
    n_freed = 0;
    modnas_search *s = util_search(UTIL_SEARCH_TOY, &opts);
    SEARCH_OK(modnas_search_tell(s, NULL, 0, &m, 1));
    ck_assert_int_eq(n_freed, 1);
    s = NULL;
    ck_assert_int_eq(util_search_try("model: Nothing\n", &opts, &s), MODNAS_ENOTFOUND);
    ck_assert_int_eq(n_freed, 1); /* after an error it is the caller's */
}
END_TEST

static int free_what_is_not_ours(modnas_search *s, const modnas_arch *arch, const modnas_args *args, double *value,
                                 void *ud) {
    (void)arch, (void)args;
    modnas_search_free(s);
    *value = ++*(int *)ud;
    return 0;
}

/* The search of modnas_run is not the host's to free. */
START_TEST(freed_in_a_run) {
    const modnas_metrics_vt vt = {sizeof vt, free_what_is_not_ours};
    int n = 0;
    util_search_register("metrics", "Free", NULL, &vt, &n);
    RIG_RUNS(UTIL_SEARCH_INDEX "estim: {search: {type: SuperNetEstim, epochs: 2, baseline: false, metrics: Free}}\n", NULL);
    ck_assert_int_eq(n, 2);
}
END_TEST

/* modnas_cancel stops pulled steps at the next one; afterwards all goes on. */
static int cancel(const modnas_progress *p, void *ud) {
    (void)p;
    if (++*(int *)ud == 2) modnas_cancel(rig.ctx);
    return 0;
}

START_TEST(canceled) {
    int n = 0;
    double mean = -1;
    const modnas_search_opts opts = {.size = sizeof opts, .progress = cancel, .ud = &n};
    modnas_search *s = util_search(UTIL_SEARCH_GATES, &opts);
    ck_assert_int_eq(modnas_search_train(s, NULL, 10, &mean), MODNAS_ECANCELED);
    ck_assert(n == 2 && mean == -1);
    SEARCH_OK(modnas_search_train(s, NULL, 10, &mean));
    ck_assert(n == 12 && mean > 0);
    modnas_search_free(s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("search_calls");
    util_add(suite, "calls", rig_setup, rig_teardown,
             (const TTest *[]){calls_from_callbacks, freed_in_a_callback, freed_in_a_run, canceled, NULL});
    return util_run(suite);
}
