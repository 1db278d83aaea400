/* Loaders: orders, the same bytes with and without the thread, restarts, restarts_while_busy, ends, forks, memory. */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "data/loader.h"
#include "util_counted.h"

static const mn_dataset_vt *plain_vt; /* of the set, while a slow one stands in */

static int same_places(const seen *a, const seen *b, int n) {
    int same = 0;
    for (int i = 0; i < n; i++) same += a->x[2 * i] == b->x[2 * i];
    return same;
}

START_TEST(orders) {
    static seen a, b, c;
    mn_loaders l = counted_build("valid_ratio: 0.3, trn_batch_size: 64");
    ck_assert_int_eq(mn_loader_n_batches(l.train), 11); /* 700 = 10 x 64 + 60 */
    counted_epoch(l.train, 0, &a);
    counted_epoch(l.train, 1, &b);
    counted_epoch(l.train, 0, &c);
    ck_assert_int_eq(memcmp(a.x, c.x, 700 * 2 * sizeof *a.x), 0); /* an epoch is what its number says */
    double sum = 0;
    float drawn[N] = {0};
    for (int i = 0; i < 700; i++) {
        drawn[(int)a.x[2 * i]] = a.x[2 * i + 1];
        ck_assert(a.x[2 * i + 1] > 0); /* augmented */
        sum += a.x[2 * i + 1];
    }
    ck_assert(sum > 700 * 0.4 && sum < 700 * 0.6);
    ck_assert_int_lt(same_places(&a, &b, 700), 12); /* one expected of a random permutation */
    for (int i = 0; i < 700; i++) ck_assert(drawn[(int)b.x[2 * i]] != b.x[2 * i + 1]); /* drawn anew */
    counted_epoch(l.valid, 0, &a);
    for (int i = 0; i < 300; i++) ck_assert(a.x[2 * i + 1] == 0); /* validation samples are not */
    const mn_loader_env env = {.train = counted_set, .seed = 6};
    mn_loaders other;
    ck_assert_int_eq(counted_build_with(&env, "ImageClsDataLoader", "valid_ratio: 0.3, trn_batch_size: 64", &other), 0);
    counted_epoch(other.train, 0, &b);
    ck_assert_int_lt(same_places(&b, &c, 700), 12);
    counted_free(&other);
    counted_free(&l);
}
END_TEST

START_TEST(same_bytes_with_thread) {
    static seen a, b;
    mn_loaders now = counted_build("workers: 0, trn_batch_size: 33"),
               ahead = counted_build("workers: 3, trn_batch_size: 33");
    for (int64_t e = 0; e < 4; e++) {
        mn_batch batch;
        const int64_t n = counted_epoch(now.train, e, &a);
        ck_assert_int_eq(mn_loader_start(ahead.train, 9), 0);
        for (int64_t i = 0; i < 7 * e; i++)
            ck_assert_int_eq(mn_loader_next(ahead.train, &batch), 0); /* and away from there */
        counted_epoch(ahead.train, e, &b);
        ck_assert_int_eq(memcmp(a.x, b.x, 2 * (size_t)n * sizeof *a.x), 0);
        ck_assert_int_eq(memcmp(a.y, b.y, (size_t)n * sizeof *a.y), 0);
    }
    counted_free(&now);
    counted_free(&ahead);
}
END_TEST

/* Start again and again and take a few batches each time: always what the caller alone would have prepared. */
static void restart(int n) {
    mn_loaders l = counted_build("trn_batch_size: 8"), now = counted_build("trn_batch_size: 8, workers: 0");
    for (int i = 0; i < n; i++) {
        mn_batch b, want;
        ck_assert_int_eq(mn_loader_start(l.train, i), 0);
        ck_assert_int_eq(mn_loader_start(now.train, i), 0);
        for (int k = 0; k < i % 4; k++) {
            ck_assert_int_eq(mn_loader_next(l.train, &b), 0);
            ck_assert_int_eq(mn_loader_next(now.train, &want), 0);
            ck_assert_int_eq(b.index, k);
            ck_assert_int_eq(memcmp(b.x, want.x, 16 * sizeof *b.x), 0);
        }
    }
    counted_free(&l); /* with batches prepared and not taken */
    counted_free(&now);
}

START_TEST(restarts) {
    restart(3000);
}
END_TEST

/* Samples so slow that the thread is always in the middle of a batch. */
START_TEST(restarts_while_busy) {
    counted_delay_us = 20;
    restart(100);
}
END_TEST

/* A batch stays as it was until the next call, however far ahead the thread is. */
START_TEST(lent_batch_stays) {
    mn_loaders l = counted_build("trn_batch_size: 10");
    mn_batch b;
    float copy[20];
    while (mn_loader_next(l.train, &b) == 0) {
        memcpy(copy, b.x, sizeof copy);
        if (b.index % 10 == 0) usleep(1000);
        ck_assert_int_eq(memcmp(copy, b.x, sizeof copy), 0);
    }
    counted_free(&l);
}
END_TEST

START_TEST(endless) {
    mn_loaders l = counted_build("trn_batch_size: 400"); /* 400, 400, 200 */
    static seen a;
    mn_batch b;
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(mn_loader_next_endless(l.train, &b), 0);
        ck_assert_int_eq(b.index, i % 3);
        ck_assert_int_eq(b.n, i % 3 == 2 ? 200 : 400);
    }
    float last = b.x[0]; /* the first of epoch 3 */
    counted_epoch(l.train, 3, &a);
    ck_assert_float_eq(last, a.x[0]);
    counted_free(&l);
    l = counted_build("trn_batch_size: 4000, parallel_multiplier: 2"); /* more than there is */
    ck_assert_int_eq(mn_loader_n_batches(l.train), 1);
    ck_assert_int_eq(mn_loader_next_endless(l.train, &b), 0);
    ck_assert_int_eq(b.n, N);
    counted_free(&l);
    l = counted_build("trn_batch_size: 50, parallel_multiplier: 2");
    ck_assert_int_eq(mn_loader_batch_size(l.train), 100);
    counted_free(&l);
}
END_TEST

/* Looking at the next batch, twice, changes nothing: not its bytes, nor what comes after it, over the end of an epoch. */
START_TEST(looks_ahead) {
    const char *const args[] = {"trn_batch_size: 64, workers: 0", "trn_batch_size: 64, workers: 2"};
    mn_loaders l = counted_build(args[_i]), plain = counted_build(args[_i]);
    const int64_t n = mn_loader_n_batches(l.train);
    static float pixels[64 * 2];
    for (int64_t i = 0; i < 2 * n + 3; i++) {
        mn_batch ahead, got, want;
        for (int k = 0; k < 2; k++) ck_assert_int_eq(mn_loader_peek_endless(l.train, &ahead), 0);
        memcpy(pixels, ahead.x, (size_t)ahead.n * 2 * sizeof *pixels);
        ck_assert_int_eq(mn_loader_next_endless(l.train, &got), 0);
        ck_assert_int_eq(mn_loader_next_endless(plain.train, &want), 0);
        ck_assert(ahead.n == want.n && got.n == want.n && got.index == i % n && ahead.index == i % n);
        ck_assert_int_eq(memcmp(pixels, want.x, (size_t)want.n * 2 * sizeof *pixels), 0);
        ck_assert_int_eq(memcmp(got.x, want.x, (size_t)want.n * 2 * sizeof *pixels), 0);
    }
    counted_free(&plain);
    counted_free(&l);
}
END_TEST

START_TEST(plain_order) {
    static seen s;
    mn_loader *l;
    ck_assert_int_eq(mn_loader_plain(counted_ctx, counted_set, 64, &l), 0);
    for (int64_t e = 0; e < 2; e++) {
        ck_assert_int_eq(counted_epoch(l, e, &s), N);
        for (int i = 0; i < N; i++) ck_assert(s.x[2 * i] == i && s.x[2 * i + 1] == 0 && s.y[i] == i % CLASSES);
    }
    mn_loader_free(l);
    ck_assert_int_eq(mn_loader_plain(counted_ctx, counted_set, 0, &l), MODNAS_EINVAL);
    mn_loader_free(NULL);
}
END_TEST

/* A sample that cannot be used: the batches before its own come as ever, then its status comes as often as asked; once
 * it can be used the rest comes as ever, and the next epoch begins anew. Prepared ahead or not, the same. */
static void check_fault(mn_loader *l, int go_on, int status, const char *text) {
    static seen s;
    int (*const next)(mn_loader *, mn_batch *) = go_on ? mn_loader_next_endless : mn_loader_next;
    const struct counted_fault fault = counted_fault;
    counted_fault.index = -1;
    const int64_t n = counted_epoch(l, 4, &s);
    int64_t at = 0;
    while (at < n && s.x[2 * at] != (float)fault.index) at++;
    ck_assert_int_lt(at, n);
    counted_fault = fault;
    ck_assert_int_eq(mn_loader_start(l, 4), 0);
    mn_batch b;
    int64_t done = 0;
    int rc;
    while ((rc = next(l, &b)) == 0) {
        ck_assert_int_eq(memcmp(b.x, s.x + 2 * done, 2 * (size_t)b.n * sizeof *b.x), 0);
        done += b.n;
    }
    ck_assert_int_eq(done, at / 64 * 64);
    for (int i = 0; i < 3; i++, rc = next(l, &b)) {
        ck_assert_int_eq(rc, status);
        ck_assert_str_eq(modnas_errmsg(counted_ctx), text);
    }
    counted_fault.index = -1;
    while (done < n) {
        ck_assert_int_eq(next(l, &b), 0);
        ck_assert_int_eq(memcmp(b.x, s.x + 2 * done, 2 * (size_t)b.n * sizeof *b.x), 0);
        done += b.n;
    }
    ck_assert_int_eq(counted_epoch(l, 4, &s), n);
    counted_fault = fault;
}

START_TEST(faults) {
    mn_loaders l = counted_build(_i % 2 ? "trn_batch_size: 64, workers: 0" : "trn_batch_size: 64");
    counted_fault = (struct counted_fault){.index = 17, .code = 5};
    check_fault(l.train, _i / 2, 5, "counted: the callback returned 5 for sample 17");
    counted_fault.code = -6;
    check_fault(l.train, _i / 2, MODNAS_ECALLBACK, "counted: the callback returned -6 for sample 17");
    counted_fault = (struct counted_fault){.index = 999, .label = CLASSES};
    check_fault(l.train, _i / 2, MODNAS_EINVAL, "counted: label 10 of sample 999; there are 10 classes, from 0");
    counted_free(&l);
    l = counted_build(_i % 2 ? "trn_batch_size: 64, classes: [3, 7], workers: 0"
                             : "trn_batch_size: 64, classes: [3, 7]");
    counted_fault = (struct counted_fault){.index = 57, .label = 5};
    check_fault(l.train, _i / 2, MODNAS_EINVAL,
                "counted: label 5 of sample 57 was another one when the classes were chosen");
    counted_free(&l);
}
END_TEST

/* Labels from the index alone. */
static int n_unlabelled;

static int sample_unlabelled(const mn_dataset *d, int64_t index, int augment, mn_rng *rng, float *dst, int32_t *label) {
    (void)d, (void)rng;
    ck_assert(!augment);
    n_unlabelled++;
    dst[0] = dst[1] = 0;
    const int wrong = index == counted_fault.index;
    *label = wrong ? counted_fault.label : (int32_t)(index % CLASSES);
    return wrong ? counted_fault.code : 0;
}

static const mn_dataset_vt unlabelled_vt = {.sample = sample_unlabelled};

/* Labels that a set does not hold are asked for once, by whoever splits; what is wrong with one is said. */
START_TEST(labels_on_demand) {
    mn_loaders l;
    const mn_loader_env env = {.train = counted_set, .seed = 5};
    int32_t *labels = counted_set->labels;
    mn_dataset *twin = counted_set_new(N);
    counted_set->labels = NULL;
    counted_set->vt = &unlabelled_vt;
    n_unlabelled = 0;
    ck_assert_int_eq(counted_build_with(&env, "DefaultDataLoader", "valid_size: 100", &l), 0);
    counted_free(&l);
    ck_assert_int_eq(n_unlabelled, 0);
    ck_assert_int_eq(counted_build_with(&env, "ImageClsDataLoader", "valid_size: 100", &l), 0);
    ck_assert_int_eq(n_unlabelled, N);
    ck_assert_int_eq(memcmp(counted_set->labels, labels, N * sizeof *labels), 0);
    counted_free(&l);
    ck_assert_int_eq(counted_build_with(&env, "ImageClsDataLoader", "classes: 3", &l), 0);
    ck_assert_int_eq(n_unlabelled, N);
    counted_free(&l);
    mn_free(counted_ctx, labels);
    mn_free(counted_ctx, twin->labels);
    twin->labels = NULL;
    const mn_loader_env other = {.train = twin, .seed = 5};
    counted_fault = (struct counted_fault){.index = 3, .code = 9};
    twin->vt = &unlabelled_vt;
    ck_assert_int_eq(counted_build_with(&other, "ImageClsDataLoader", "classes: 3", &l), 9);
    ck_assert_ptr_null(twin->labels);
    counted_fault = (struct counted_fault){.index = 3, .label = -1};
    ck_assert_int_eq(counted_build_with(&other, "ImageClsDataLoader", "classes: 3", &l), MODNAS_EINVAL);
    ck_assert_ptr_null(twin->labels);
    mn_dataset_free(twin);
}
END_TEST

/* Once made, a loader allocates nothing; it leaves the caller's signal mask alone. */
START_TEST(no_allocation) {
    static seen s;
    sigset_t before, after;
    sigemptyset(&before);
    sigaddset(&before, SIGUSR1);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    mn_loaders l = counted_build("valid_ratio: 0.2");
    const int64_t n = counted_ctx->n_allocs;
    for (int64_t e = 0; e < 3; e++) counted_epoch(l.train, e, &s);
    for (int64_t e = 0; e < 3; e++) counted_epoch(l.valid, e, &s);
    ck_assert_int_eq(counted_ctx->n_allocs, n);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
    for (int sig = 1; sig < 32; sig++) ck_assert_int_eq(sigismember(&after, sig), sig == SIGUSR1);
    ck_assert(mn_loader_waited(l.train) >= 0 && mn_loader_waited(l.train) < 10);
    counted_free(&l);
}
END_TEST

/* Samples that take a while: sum them up for callers that do nothing between two batches, and hide them from those that do. */
static int slow_sample(const mn_dataset *d, int64_t index, int augment, mn_rng *rng, float *dst, int32_t *label) {
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return plain_vt->sample(d, index, augment, rng, dst, label);
}

static int64_t waits_of(const char *args, long step_ms, double *seconds) {
    enum { BATCHES = 8 };
    mn_loaders l = counted_build(args);
    mn_batch b;
    ck_assert_int_eq(mn_loader_next(l.train, &b), 0); /* nothing was prepared before the first */
    const int64_t before = mn_loader_waits(l.train);
    const double waited = mn_loader_waited(l.train);
    for (int i = 0; i < BATCHES; i++) {
        nanosleep(&(struct timespec){.tv_nsec = step_ms * 1000000}, NULL);
        ck_assert_int_eq(mn_loader_next(l.train, &b), 0);
    }
    const int64_t n = mn_loader_waits(l.train) - before;
    *seconds = mn_loader_waited(l.train) - waited;
    counted_free(&l);
    return n;
}

START_TEST(waits) {
    mn_dataset_vt slow = *counted_set->vt;
    double seconds;
    plain_vt = counted_set->vt;
    slow.sample = slow_sample;
    counted_set->vt = &slow;
    /* 8 samples of 1 ms and more: a batch each 8 ms, a step each 0 ms */
    ck_assert_int_ge(waits_of("trn_batch_size: 8", 0, &seconds), 4);
    ck_assert_msg(seconds > 0.02, "%g s", seconds);
    /* the same by the caller itself: it waits for every one of them, at least 1 ms a sample */
    ck_assert_int_eq(waits_of("trn_batch_size: 8, workers: 0", 0, &seconds), 8);
    ck_assert_msg(seconds >= 0.064, "%g s", seconds);
    /* a step of 60 ms: the next batch has long been there (one late turn of the thread on a busy machine is no fault) */
    ck_assert_int_le(waits_of("trn_batch_size: 8", 60, &seconds), 1);
    counted_set->vt = plain_vt;
}
END_TEST

/* In a forked child the thread is not there: said, and freed without waiting for it. */
START_TEST(forked) {
    mn_loaders l = counted_build("");
    mn_batch b;
    ck_assert_int_eq(mn_loader_next(l.train, &b), 0);
    const pid_t child = fork();
    if (child == 0) {
        const int rc = mn_loader_next(l.train, &b), rc2 = mn_loader_start(l.train, 1);
        mn_loader_free(l.train);
        _exit(rc == MODNAS_EFORK && rc2 == MODNAS_EFORK ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(mn_loader_next(l.train, &b), 0);
    counted_free(&l);
}
END_TEST

START_TEST(out_of_memory) {
    const int64_t live = counted_host.live;
    const int32_t map[CLASSES] = {0};
    int rc = MODNAS_ENOMEM, tries = 0;
    for (; rc; tries++) {
        const mn_loader_opts o = {.set = counted_set, .batch = 10, .label_map = map, .n_classes = 1, .stream = "a"};
        mn_loader *l = NULL;
        counted_host.left = tries;
        rc = mn_loader_new(counted_ctx, &o, &l);
        counted_host.left = -1;
        ck_assert(rc == 0 || rc == MODNAS_ENOMEM);
        mn_loader_free(l);
        ck_assert_int_eq(counted_host.live, live);
    }
    ck_assert_int_eq(tries, 7); /* the loader, index, order, x, y, map: six blocks */
}
END_TEST

int main(void) {
    Suite *s = suite_create("data_loader");
    util_add(s, "batches", counted_setup, counted_teardown,
             (const TTest *[]){orders, same_bytes_with_thread, restarts, restarts_while_busy, lent_batch_stays, endless,
                               plain_order, labels_on_demand, no_allocation, waits, forked, out_of_memory, NULL});
    TCase *t = tcase_create("faults");
    tcase_add_checked_fixture(t, counted_setup, counted_teardown);
    tcase_add_loop_test(t, faults, 0, 4);
    tcase_add_loop_test(t, looks_ahead, 0, 2);
    suite_add_tcase(s, t);
    return util_run(s);
}
