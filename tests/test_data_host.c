/* Data of a host, through the public interface: what is asked by whom, what comes of it, and how codes come back. */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modnas/data.h"
#include "util_rig.h"

enum { N = 48, CLASSES = 4, SIDE = 8, CALLS_MAX = 1 << 14 };

/* Binary form, 64-bit: a caller compiled with 0.1 passes this. */
_Static_assert(sizeof(modnas_data_source) == 64 && offsetof(modnas_data_source, n) == 8 &&
                   offsetof(modnas_data_source, dims) == 16 && offsetof(modnas_data_source, n_classes) == 28 &&
                   offsetof(modnas_data_source, thread_safe) == 32 && offsetof(modnas_data_source, sample) == 40 &&
                   offsetof(modnas_data_source, ud) == 48 && offsetof(modnas_data_source, ud_free) == 56,
               "layout of modnas_data_source");

/* A host: what it answers, and what it saw. */
typedef struct host {
    int fail_at, code;               /* the fail_at-th call (from 1) answers code; 0: none */
    int wrong_at;                    /* the sample with this index gets the label below; -1: none */
    int32_t wrong_label;             /* INT32_MIN: the label is not written */
    int cancel_at;                   /* the call that cancels */
    atomic_int calls, others, freed; /* others: calls by another thread than the test's */
    int asked[CALLS_MAX];            /* index of each call */
    pthread_t thread;
} host;

static host h;

static void setup(void) {
    rig_setup();
    memset(&h, 0, sizeof h);
    h.wrong_at = -1;
    h.thread = pthread_self();
}

/* Class k < 3: channel k is 1, the others -1; class 3: all are -1. Plus a ripple of the index, so that no two are
 * alike. */
static void draw(int64_t index, float *dst) {
    const int k = (int)(index % CLASSES);
    for (int i = 0; i < 3 * SIDE * SIDE; i++)
        dst[i] = (i / (SIDE * SIDE) == k ? 1.f : -1.f) + (float)((index * 7 + i * 3) % 5) * 0.1f;
}

static int sample(int64_t index, float *dst, int32_t *label, void *ud) {
    host *s = ud;
    const int call = atomic_fetch_add(&s->calls, 1) + 1;
    if (!pthread_equal(pthread_self(), s->thread)) atomic_fetch_add(&s->others, 1);
    if (call <= CALLS_MAX) s->asked[call - 1] = (int)index;
    if (call == s->cancel_at) modnas_cancel(rig.ctx);
    if (call == s->fail_at) return s->code;
    draw(index, dst);
    if (index != s->wrong_at)
        *label = (int32_t)(index % CLASSES);
    else if (s->wrong_label != INT32_MIN)
        *label = s->wrong_label;
    return 0;
}

static void count_free(void *ud) {
    atomic_fetch_add(&((host *)ud)->freed, 1);
}

static modnas_data_source source(int thread_safe) {
    return (modnas_data_source){.size = sizeof(modnas_data_source),
                                .n = N,
                                .dims = {3, SIDE, SIDE},
                                .n_classes = CLASSES,
                                .thread_safe = thread_safe,
                                .sample = sample,
                                .ud = &h,
                                .ud_free = count_free};
}

static void add(const char *name, int thread_safe) {
    const modnas_data_source s = source(thread_safe);
    ck_assert_msg(modnas_data_register(rig.ctx, name, &s) == 0, "%s", modnas_errmsg(rig.ctx));
}

#define NET(loader, more)                                                                                              \
    "backend: ref\nname: t\nthreads: 2\nseed: 3\n"                                                                     \
    "model: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [3, 8, 2, 2]], n_classes: 4, width_coeff: 0.5}}\n"         \
    "train_data: {type: HostImages}\n"                                                                                 \
    "data_loader: " loader "\n"                                                                                        \
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.01, momentum: 0.9}}}}}\n"   \
    "estim: {e: {type: DefaultEstim, epochs: 10}}\n"                                                                   \
    "export: null\n" more
#define SPLIT "{type: DefaultDataLoader, args: {trn_batch_size: 16, val_batch_size: 8, valid_size: 8}}"

static double accuracy(void) {
    mn_node *t = util_rig_parse(&rig, rig.results);
    const double a = rig_at(t, "estim.e.best.metrics.acc_top1")->r;
    mn_node_free(rig.ctx, t);
    return a;
}

/* ---- use --------------------------------------------------------------------------------------------- */

/* A network learns the colours, so images and labels arrive together: by chance a quarter would be right. Ten epochs
 * ask for 40 samples each to train, the end for 8 to validate; the same answers give the same files whoever asks. */
enum { TRAIN_CALLS = 400, RUN_CALLS = 408 };

START_TEST(learns) {
    add("HostImages", 0);
    RIG_RUNS(NET(SPLIT, ""), NULL);
    ck_assert_int_eq(h.calls, RUN_CALLS);
    ck_assert_int_eq(h.others, 0);
    ck_assert_double_ge(accuracy(), 0.99);
    ck_assert_int_eq(system("mv exp/t exp/first"), 0);
    int count[N] = {0};
    for (int i = 0; i < RUN_CALLS; i++) count[h.asked[i]]++;
    for (int i = TRAIN_CALLS; i < RUN_CALLS; i++) ck_assert_int_eq(count[h.asked[i]], 1); /* never trained on */
    for (int i = 0; i < TRAIN_CALLS; i++) ck_assert_int_eq(count[h.asked[i]], 10);
    const modnas_data_source s = source(1);
    ck_assert_int_eq(modnas_data_register(rig.ctx, "Other", &s), 0);
    h.calls = 0;
    RIG_RUNS(NET(SPLIT, ""), RIG_OVER("train_data.type=other"));
    ck_assert_int_ge(h.calls, RUN_CALLS);
    ck_assert_int_eq(h.others, h.calls); /* all of them */
    ck_assert(util_rig_same("exp/t/chkpt/model_e_last.safetensors", "exp/first/chkpt/model_e_last.safetensors"));
    ck_assert(util_rig_same("exp/t/outputs/history.tsv", "exp/first/outputs/history.tsv"));
    h.calls = h.others = 0;
    RIG_RUNS(NET(SPLIT, ""), RIG_OVER("train_data.type=Other", "data_loader.args.workers=0"));
    ck_assert_int_eq(h.calls, RUN_CALLS);
    ck_assert_int_eq(h.others, 0);
    ck_assert(util_rig_same("exp/t/chkpt/model_e_last.safetensors", "exp/first/chkpt/model_e_last.safetensors"));
}
END_TEST

/* What is asked of the sets of a run, each by its own source. */
START_TEST(sections) {
    static host v, t;
    modnas_data_source s = source(0);
    v = t = h;
    add("HostImages", 0);
    s.ud = &v;
    s.n = 8;
    ck_assert_int_eq(modnas_data_register(rig.ctx, "v", &s), 0);
    s.ud = &t;
    s.n = 12;
    ck_assert_int_eq(modnas_data_register(rig.ctx, "t", &s), 0);
    RIG_RUNS(
        NET("{type: DefaultDataLoader, args: {trn_batch_size: 16}}", "valid_data: {type: v}\ntest_data: {type: t}\n"),
        NULL);
    ck_assert_int_eq(h.calls, 10 * N);
    ck_assert_int_eq(v.calls, 8);
    ck_assert_int_eq(t.calls, 12);
    for (int i = 0; i < 12; i++) ck_assert_int_eq(t.asked[i], i);
    mn_node *r = util_rig_parse(&rig, rig.results);
    ck_assert_int_eq(rig_at(r, "test.n")->i, 12);
    ck_assert_double_ge(rig_at(r, "test.acc_top1")->r, 0.99);
    mn_node_free(rig.ctx, r);
}
END_TEST

/* One source is one set of samples, under whatever section: split, or refused. */
START_TEST(same_source) {
    add("HostImages", 0);
    ck_assert_int_eq(
        util_rig_yaml(&rig, NET("{type: DefaultDataLoader, args: {trn_batch_size: 16}}", "valid_data: HostImages\n"),
                      NULL),
        MODNAS_ECONFIG);
    ck_assert_ptr_nonnull(strstr(rig.error, "the same 48 samples"));
    ck_assert_int_eq(util_rig_yaml(&rig, NET(SPLIT, "test_data: host_images\n"), NULL), MODNAS_ECONFIG);
    ck_assert_ptr_nonnull(strstr(rig.error, "test_data reads the same samples of HostImages as train_data"));
    ck_assert_int_eq(h.calls, 0);
    RIG_RUNS(NET(SPLIT, "valid_data: HostImages\n"), NULL);
    ck_assert_int_eq(h.calls, RUN_CALLS);
}
END_TEST

/* Labels are looked at before the run only for a balanced split, all of them, by the thread that runs: then two samples
 * of each class validate. */
START_TEST(balanced) {
    add("HostImages", 1);
    RIG_RUNS(NET("{type: ImageClsDataLoader, args: {valid_size: 8, val_batch_size: 8, workers: 0}}", ""),
             RIG_OVER("estim.e.epochs=1"));
    ck_assert_int_eq(h.calls, N + N);
    for (int i = 0; i < N; i++) ck_assert_int_eq(h.asked[i], i);
    ck_assert_int_eq(h.others, 0);
    int count[CLASSES] = {0};
    for (int i = 2 * N - 8; i < 2 * N; i++) count[h.asked[i] % CLASSES]++;
    for (int k = 0; k < CLASSES; k++) ck_assert_int_eq(count[k], 2);
    h.calls = 0;
    RIG_RUNS(NET("{type: ImageClsDataLoader, args: {workers: 0}}", "valid_data: null\n"), RIG_OVER("estim.e.epochs=0"));
    ck_assert_int_eq(h.calls, 0); /* nothing to balance */
}
END_TEST

/* ---- codes ------------------------------------------------------------------------------------------- */

/* The first and last calls of batches of 16, 16, 8, of the first and last epoch, and of the validation. The code of any
 * of them comes back, no sample is asked for after it, and what was found is saved. */
START_TEST(codes) {
    static const int at[] = {1, 2, 17, 40, 41, 399, 400, 401, 408};
    add("HostImages", 0);
    h.fail_at = at[_i];
    h.code = 77;
    ck_assert_int_eq(util_rig_yaml(&rig, NET(SPLIT, ""), NULL), 77);
    ck_assert_int_eq(rig.started, 1);
    ck_assert_int_eq(h.calls, at[_i]);
    ck_assert(util_rig_exists("exp/t/chkpt/model_e_last.safetensors"));
    mn_node *r = util_rig_parse(&rig, rig.results);
    ck_assert_int_eq(rig_at(r, "complete")->i, 0);
    ck_assert_int_eq(rig_at(r, "estim.e.evaluations")->i, 0);
    mn_node_free(rig.ctx, r);
    h.calls = h.fail_at = 0;
    RIG_RUNS(NET(SPLIT, ""), RIG_OVER("estim.e.epochs=1")); /* the context can be used again */
}
END_TEST

/* Another thread's call fails: the same code, once the batches before it are used. */
START_TEST(codes_of_another_thread) {
    add("HostImages", 1);
    for (int at = 1; at < 40; at += 7) {
        h.calls = 0;
        h.fail_at = at;
        h.code = 1000 + at;
        ck_assert_int_eq(util_rig_yaml(&rig, NET(SPLIT, ""), NULL), 1000 + at);
        ck_assert_int_eq(h.calls, at);
        h.code = -5;
        h.calls = 0;
        ck_assert_int_eq(util_rig_yaml(&rig, NET(SPLIT, ""), NULL), MODNAS_ECALLBACK);
        char text[64];
        snprintf(text, sizeof text, "HostImages: the callback returned -5 for sample %d", h.asked[at - 1]);
        ck_assert_str_eq(rig.error, text);
        ck_assert_ptr_null(rig.results);
    }
}
END_TEST

/* Before the start: while labels are read, and in the test set at the end. */
START_TEST(codes_elsewhere) {
    add("HostImages", 0);
    h.fail_at = 5;
    h.code = 3;
    ck_assert_int_eq(util_rig_yaml(&rig, NET("{type: ImageClsDataLoader, args: {valid_size: 8}}", ""), NULL), 3);
    ck_assert_int_eq(rig.started, 0);
    ck_assert(!util_rig_exists("exp"));
    static host t;
    t = h;
    h.calls = h.fail_at = t.calls = 0;
    modnas_data_source s = source(0);
    s.ud = &t;
    ck_assert_int_eq(modnas_data_register(rig.ctx, "t", &s), 0);
    ck_assert_int_eq(util_rig_yaml(&rig, NET(SPLIT, "test_data: t\n"), NULL), 3);
    mn_node *r = util_rig_parse(&rig, rig.results);
    ck_assert_int_eq(rig_at(r, "complete")->i, 0);
    ck_assert_int_eq(rig_at(r, "estim.e.evaluations")->i, 1);
    ck_assert_ptr_null(mn_node_get(r, "test"));
    mn_node_free(rig.ctx, r);
}
END_TEST

START_TEST(canceled) {
    add("HostImages", 0);
    h.cancel_at = 60;
    ck_assert_int_eq(util_rig_yaml(&rig, NET(SPLIT, ""), NULL), MODNAS_ECANCELED);
    ck_assert_int_eq(rig.started, 1);
    h.calls = 0;
    h.cancel_at = 7; /* among the labels */
    ck_assert_int_eq(util_rig_yaml(&rig, NET("{type: ImageClsDataLoader, args: {valid_size: 8}}", ""), NULL),
                     MODNAS_ECANCELED);
    ck_assert_int_eq(h.calls, 7);
    ck_assert_int_eq(rig.started, 0);
}
END_TEST

static void check_label(int thread_safe, int32_t label, const char *loader, const char *want) {
    char yaml[2048];
    snprintf(yaml, sizeof yaml, NET("%s", ""), loader);
    h.wrong_at = 29;
    h.wrong_label = label;
    ck_assert_int_eq(util_rig_yaml(&rig, yaml, thread_safe ? RIG_OVER("train_data.type=safe") : NULL), MODNAS_EINVAL);
    ck_assert_msg(strstr(rig.error, want) != NULL, "%s", rig.error);
}

START_TEST(wrong_labels) {
    add("HostImages", 0);
    add("safe", 1);
    const char *const balanced_split = "{type: ImageClsDataLoader, args: {valid_size: 8}}";
    for (int safe = 0; safe < 2; safe++) {
        check_label(safe, CLASSES, SPLIT, "label 4 of sample 29; there are 4 classes");
        check_label(safe, -2, SPLIT, "label -2 of sample 29");
        check_label(safe, INT32_MIN, SPLIT, "label -1 of sample 29"); /* not written */
        check_label(safe, CLASSES, balanced_split, "label 4 of sample 29; there are 4 classes");
    }
}
END_TEST

/* ---- registering ------------------------------------------------------------------------------------- */

START_TEST(wrong_sources) {
    static const struct {
        size_t at; /* of an int32_t or int64_t field */
        int64_t value;
        const char *text;
    } rows[] = {
        {offsetof(modnas_data_source, dims), 0, "dims are 0 x 8 x 8"},
        {offsetof(modnas_data_source, dims) + 4, -1, "dims are 3 x -1 x 8"},
        {offsetof(modnas_data_source, dims) + 8, INT32_MAX, "dims are 3 x 8 x 2147483647"},
        {offsetof(modnas_data_source, n_classes), 0, "n_classes is 0"},
        {offsetof(modnas_data_source, reserved), 1, "reserved is 1"},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        modnas_data_source s = source(0);
        const int32_t value = (int32_t)rows[i].value;
        memcpy((char *)&s + rows[i].at, &value, sizeof value);
        ck_assert_int_eq(modnas_data_register(rig.ctx, "x", &s), MODNAS_EINVAL);
        ck_assert_msg(strstr(modnas_errmsg(rig.ctx), rows[i].text) != NULL, "%s", modnas_errmsg(rig.ctx));
    }
    for (int64_t n = -1; n < 1; n++) {
        modnas_data_source s = source(0);
        s.n = n;
        ck_assert_int_eq(modnas_data_register(rig.ctx, "x", &s), MODNAS_EINVAL);
    }
    modnas_data_source s = source(0);
    s.n = INT64_C(1) << 31;
    ck_assert_int_eq(modnas_data_register(rig.ctx, "x", &s), MODNAS_EINVAL);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(rig.ctx), "n is 2147483648"));
    s = source(0);
    s.sample = NULL;
    ck_assert_int_eq(modnas_data_register(rig.ctx, "x", &s), MODNAS_EINVAL);
    s = source(0);
    s.size = 0;
    ck_assert_int_eq(modnas_data_register(rig.ctx, "x", &s), MODNAS_EINVAL);
    s = source(0);
    ck_assert_int_eq(modnas_data_register(rig.ctx, NULL, &s), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_data_register(rig.ctx, "", &s), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_data_register(rig.ctx, "x", NULL), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_data_register(NULL, "x", &s), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_data_register(rig.ctx, "rand_data", &s), MODNAS_EEXIST);
    ck_assert_int_eq(h.freed, 0);
}
END_TEST

/* Name and source are copied; a struct without the last fields is an older caller's. Its data is freed when the last
 * that holds the context goes. */
START_TEST(life) {
    modnas_ctx *ctx;
    modnas_config *cfg;
    char name[] = "Mine", *list;
    ck_assert_int_eq(modnas_ctx_new(NULL, &ctx), 0);
    modnas_data_source s = source(1);
    ck_assert_int_eq(modnas_data_register(ctx, name, &s), 0);
    ck_assert_int_eq(modnas_data_register(ctx, "mine", &s), MODNAS_EEXIST);
    s.size = offsetof(modnas_data_source, ud_free);
    ck_assert_int_eq(modnas_data_register(ctx, "old", &s), 0);
    memset(name, 'x', sizeof name - 1);
    memset(&s, 0xff, sizeof s);
    ck_assert_int_eq(modnas_list_json(ctx, "data", &list), 0);
    ck_assert_ptr_nonnull(strstr(list, "\"Mine\",\"text\":\"the host's: 48 samples of 3 x 8 x 8, 4 classes\""));
    modnas_string_free(ctx, list);
    ck_assert_int_eq(modnas_config_new(ctx, &cfg), 0);
    modnas_ctx_free(ctx);
    ck_assert_int_eq(h.freed, 0);
    modnas_config_free(cfg);
    ck_assert_int_eq(h.freed, 1);
}
END_TEST

START_TEST(out_of_memory) {
    const modnas_data_source s = source(0);
    char *list;
    ck_assert_int_eq(modnas_list_json(rig.ctx, "data", &list), 0); /* the library's own components are there */
    modnas_string_free(rig.ctx, list);
    int rc = MODNAS_ENOMEM, tries = 0;
    for (; rc; tries++) {
        rig.host.left = tries;
        rc = modnas_data_register(rig.ctx, "HostImages", &s);
        rig.host.left = -1;
        ck_assert(rc == 0 || rc == MODNAS_ENOMEM);
    }
    ck_assert_int_ge(tries, 4);
    ck_assert_int_eq(h.freed, 0);
    RIG_RUNS(NET(SPLIT, ""), RIG_OVER("estim.e.epochs=1"));
}
END_TEST

int main(void) {
    Suite *s = suite_create("data_host");
    util_add(s, "use", setup, rig_teardown, (const TTest *[]){learns, sections, same_source, balanced, NULL});
    util_add(s, "codes", setup, rig_teardown,
             (const TTest *[]){codes_of_another_thread, codes_elsewhere, canceled, wrong_labels, NULL});
    TCase *t = tcase_create("each call");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, rig_teardown);
    tcase_add_loop_test(t, codes, 0, 9);
    suite_add_tcase(s, t);
    util_add(s, "register", setup, rig_teardown, (const TTest *[]){wrong_sources, life, out_of_memory, NULL});
    return util_run(s);
}
