/* modnas_search_save and _load: a search that its host drives goes on from a file with the same bytes, host's
 * optimizers and estimators included. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_search.h"

/* ---- pull ---------------------------------------------------------------------------------------------- */

/* Some steps of every kind; hash of what came of them. */
static void drive_gates(modnas_search *s, char text[65]) {
    modnas_metric m[8];
    int32_t n;
    for (int i = 0; i < 4; i++) {
        SEARCH_OK(modnas_search_train(s, NULL, 2, NULL));
        SEARCH_OK(modnas_search_arch_step(s, NULL));
        SEARCH_OK(modnas_search_evaluate(s, NULL, m, 8, &n));
        SEARCH_OK(modnas_search_tell(s, NULL, 0, m, n));
    }
    util_search_hash(s, text);
}

/* The same steps after a load as after the save, in a new search and in one that has been elsewhere. */
START_TEST(gradient_steps) {
    char first[65], at_save[65], want[65], got[65];
    double score, loaded;
    modnas_search *s = util_search(UTIL_SEARCH_GATES, NULL), *t = util_search(UTIL_SEARCH_GATES, NULL);
    drive_gates(s, first);
    SEARCH_OK(modnas_search_train(s, NULL, 1, NULL)); /* within an epoch */
    util_search_hash(s, at_save);
    SEARCH_OK(modnas_search_save(s, "s.chkpt"));
    ck_assert_ptr_nonnull(modnas_search_best(s, &score));
    drive_gates(s, want);
    for (int i = 0; i < 2; i++) { /* t is new, then used */
        SEARCH_OK(modnas_search_load(t, "s.chkpt"));
        util_search_hash(t, got);
        ck_assert_str_eq(got, at_save);
        ck_assert_ptr_nonnull(modnas_search_best(t, &loaded));
        ck_assert(loaded == score);
        drive_gates(t, got);
        ck_assert_str_eq(got, want);
    }
    modnas_search_free(s);
    modnas_search_free(t);
}
END_TEST

/* What the next n questions propose, and are told. */
static void ask_some(modnas_search *s, int n, int codes[]) {
    for (int i = 0; i < n; i++) {
        modnas_arch *a;
        int32_t got;
        SEARCH_OK(modnas_search_ask(s, 1, &a, &got));
        const modnas_metric m = {"right", util_search_toy(a)};
        SEARCH_OK(modnas_search_tell(s, a, 0, &m, 1));
        codes[i] = util_search_code(a);
        modnas_arch_free(a);
    }
}

/* The library's optimizer and the host's propose on, and nothing that was proposed before. */
START_TEST(proposals) {
    static const char *const optims[] = {UTIL_SEARCH_TOY "optim: RandomSearchOptim\n",
                                         UTIL_SEARCH_TOY "optim: LocalSearch\n"};
    int before[9], want[9], got[9];
    util_search_add_local();
    modnas_search *s = util_search(optims[_i], NULL), *t = util_search(optims[_i], NULL);
    ask_some(s, 9, before);
    SEARCH_OK(modnas_search_save(s, "s.chkpt"));
    ask_some(s, 9, want);
    SEARCH_OK(modnas_search_load(t, "s.chkpt"));
    ask_some(t, 9, got);
    ck_assert_int_eq(memcmp(got, want, sizeof got), 0);
    SEARCH_OK(modnas_search_load(s, "s.chkpt")); /* where it was before */
    ask_some(s, 9, got);
    ck_assert_int_eq(memcmp(got, want, sizeof got), 0);
    modnas_search_free(s);
    modnas_search_free(t);
}
END_TEST

/* ---- an estimator of the host -------------------------------------------------------------------------- */

typedef struct own { /* an estimator of six rounds */
    int32_t round, loaded;
    int n_rounds, n_saves; /* in all */
    int stop_at;           /* canceled in this round of all; 0: never */
    int busy;              /* 1: try what is not to be had there */
} own;

static int own_run(modnas_search *search, const modnas_args *args, void *ud) {
    own *o = ud;
    (void)args;
    if (!o->loaded) o->round = 0;
    o->loaded = 0;
    while (o->round < 6) {
        const modnas_metric m = {"score", (double)(o->round % 4)};
        MN_TRY(modnas_search_train(search, NULL, 2, NULL));
        MN_TRY(modnas_search_arch_step(search, NULL));
        MN_TRY(modnas_search_tell(search, NULL, 0, &m, 1));
        o->round++;
        if (++o->n_rounds == o->stop_at) modnas_cancel(rig.ctx);
        if (o->busy) {
            ck_assert_int_eq(modnas_search_load(search, "s.chkpt"), MODNAS_EBUSY);
            SEARCH_OK(modnas_search_save(search, "inside.chkpt"));
        }
        MN_TRY(modnas_search_checkpoint(search));
    }
    return 0;
}

static int own_save(modnas_search *search, modnas_state *out, void *ud) {
    own *o = ud;
    ck_assert_int_eq(modnas_search_save(search, "no.chkpt"), MODNAS_EBUSY);
    o->n_saves++;
    MN_TRY(modnas_state_add(out, "round", 5));
    return modnas_state_add(out, &o->round, sizeof o->round);
}

static int own_load(modnas_search *search, const void *data, size_t bytes, void *ud) {
    own *o = ud;
    (void)search;
    if (bytes != 9 || memcmp(data, "round", 5) != 0) return MODNAS_EFORMAT;
    memcpy(&o->round, (const char *)data + 5, sizeof o->round);
    o->loaded = 1;
    return 0;
}

#define OWN UTIL_SEARCH_GATES "estim: {search: {type: Own, metrics: ValidateMetrics}}\n"

/* Canceled in each round and resumed: the same files. The estimator without `save` begins anew, with the same bytes. */
START_TEST(host_estimator) {
    const modnas_estim_vt vt = {sizeof vt, own_run, _i ? own_save : NULL, _i ? own_load : NULL};
    own o = {0};
    util_search_register("estim", "Own", NULL, &vt, &o);
    RIG_RUNS(OWN, RIG_OVER("name=whole"));
    ck_assert_int_eq(o.n_rounds, 6);
    for (int at = 1; at <= 6; at++) {
        o = (own){.stop_at = at};
        ck_assert_int_eq(util_rig_yaml(&rig, OWN, NULL), MODNAS_ECANCELED);
        ck_assert_int_eq(o.n_saves, _i);
        o.stop_at = 0;
        rig.opts.resume = 1;
        RIG_RUNS(OWN, NULL);
        rig.opts.resume = 0;
        ck_assert_int_eq(o.n_rounds, _i ? 6 : 6 + at);
        ck_assert(rig_same_run("whole", "t"));
    }
}
END_TEST

START_TEST(inside_a_run) {
    const modnas_estim_vt vt = {sizeof vt, own_run, own_save, own_load};
    own o = {.busy = 1};
    char want[65], got[65];
    util_search_register("estim", "Own", NULL, &vt, &o);
    modnas_search *s = util_search(OWN, NULL), *t = util_search(OWN, NULL);
    ck_assert_int_eq(modnas_search_checkpoint(s), MODNAS_EINVAL);
    SEARCH_OK(modnas_search_run(s, NULL));
    util_search_hash(s, want);
    SEARCH_OK(modnas_search_load(t, "inside.chkpt")); /* of the last round */
    ck_assert_int_eq(o.loaded, 1);
    ck_assert_int_eq(o.round, 6);
    SEARCH_OK(modnas_search_run(t, NULL));
    util_search_hash(t, got);
    ck_assert_str_eq(got, want);
    modnas_search_free(s);
    modnas_search_free(t);
}
END_TEST

/* ---- what does not work -------------------------------------------------------------------------------- */

static int ask_none(void *state, modnas_arch *const *archs, int32_t n, int32_t *n_out, void *ud) {
    (void)state, (void)archs, (void)ud;
    *n_out = n;
    return 0;
}

/* An optimizer without save: said by name; a run goes without checkpoints and says so once. */
START_TEST(optimizer_without_save) {
    const modnas_optim_vt vt = {.size = sizeof vt, .ask = ask_none};
    util_search_register("optim", "Mute", NULL, &vt, NULL);
    modnas_search *s = util_search(UTIL_SEARCH_TOY "optim: Mute\n", NULL);
    ck_assert_int_eq(modnas_search_save(s, "s.chkpt"), MODNAS_EUNSUPPORTED);
    util_search_says("Mute");
    ck_assert(!util_rig_exists("s.chkpt"));
    modnas_search_free(s);
    RIG_RUNS(UTIL_SEARCH_INDEX "estim: {search: {type: SuperNetEstim, epochs: 2}}\n",
             RIG_OVER("optim=Mute", "expman.chkpt_intv_steps=1"));
    const char *line = strstr(rig.host.log, "no checkpoints: Mute");
    ck_assert_ptr_nonnull(line);
    ck_assert_ptr_null(strstr(line + 1, "no checkpoints"));
}
END_TEST

static int fail_save(void *state, modnas_state *out, void *ud) {
    (void)state, (void)ud;
    ck_assert_int_eq(modnas_state_add(NULL, "", 1), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_state_add(out, NULL, 1), MODNAS_EINVAL);
    SEARCH_OK(modnas_state_add(out, NULL, 0));
    return 77;
}

static int fail_load(void *state, const void *data, size_t bytes, void *ud) {
    (void)state, (void)data, (void)bytes, (void)ud;
    return -5000;
}

START_TEST(wrong_use) {
    modnas_optim_vt vt = {.size = sizeof vt, .ask = ask_none, .save = fail_save};
    const modnas_component half = {.size = sizeof half, .kind = "optim", .name = "Half", .vt = &vt};
    ck_assert_int_eq(modnas_registry_register(rig.ctx, &half), MODNAS_EINVAL);
    util_search_says("of save and load one is NULL");
    vt.load = fail_load;
    util_search_register("optim", "Bad", NULL, &vt, NULL);
    modnas_search *s = util_search(UTIL_SEARCH_TOY "optim: Bad\n", NULL);
    ck_assert_int_eq(modnas_search_save(s, "s.chkpt"), 77);
    ck_assert(!util_rig_exists("s.chkpt"));
    ck_assert_int_eq(modnas_search_save(s, NULL), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_search_load(s, NULL), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_search_save(NULL, "x"), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_search_load(NULL, "x"), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_search_checkpoint(NULL), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_search_load(s, "nothing.chkpt"), MODNAS_ENOTFOUND);
    modnas_search_free(s);
    s = util_search(UTIL_SEARCH_TOY "optim: RandomSearchOptim\n", NULL);
    ck_assert_int_eq(modnas_search_save(s, "no/such/folder"), MODNAS_EIO);
    modnas_search_free(s);
}
END_TEST

/* Memory runs out at any allocation of save and of load: the file is the old one, the search is as before or takes
 * another load, and nothing is leaked. */
START_TEST(out_of_memory) {
    char want[65], got[65];
    int n_save = 0, n_load = 0, rc = MODNAS_ENOMEM;
    modnas_search *s = util_search(UTIL_SEARCH_GATES, NULL), *t = util_search(UTIL_SEARCH_GATES, NULL);
    drive_gates(s, want);
    SEARCH_OK(modnas_search_save(s, "s.chkpt"));
    for (int64_t i = 0; rc; i++, n_save++) {
        const int64_t live = rig.host.live;
        rig.host.left = i;
        rc = modnas_search_save(s, "s.chkpt");
        rig.host.left = -1;
        ck_assert_int_eq(rig.host.live, live);
        ck_assert(!rc || rc == MODNAS_ENOMEM);
    }
    rc = MODNAS_ENOMEM;
    for (int64_t i = 0; rc; i += 1 + i / 64, n_load++) {
        rig.host.left = i;
        rc = modnas_search_load(t, "s.chkpt");
        rig.host.left = -1;
        ck_assert_msg(!rc || rc == MODNAS_ENOMEM, "%d: %s", rc, modnas_errmsg(rig.ctx));
        if (!rc || i % 16) continue;
        SEARCH_OK(modnas_search_load(t, "s.chkpt"));
        util_search_hash(t, got);
        ck_assert_str_eq(got, want);
    }
    util_search_hash(t, got);
    ck_assert_str_eq(got, want);
    printf("out of memory: %d times in a save, %d times in a load\n", n_save, n_load);
    ck_assert(n_save > 50 && n_load > 50);
    modnas_search_free(s);
    modnas_search_free(t);
}
END_TEST

int main(void) {
    Suite *s = suite_create("search_save");
    util_add(s, "pull", rig_setup, rig_teardown, (const TTest *[]){gradient_steps, NULL});
    util_add_loop(s, "proposals", rig_setup, rig_teardown, proposals, 2);
    util_add_loop(s, "estimators", rig_setup, rig_teardown, host_estimator, 2);
    util_add(s, "use", rig_setup, rig_teardown,
             (const TTest *[]){inside_a_run, optimizer_without_save, wrong_use, out_of_memory, NULL});
    return util_run(s);
}
