/* Threads: a context that another one is inside of is refused, N contexts run on N threads as they do alone, and a run
 * is canceled from another thread or from a signal handler at any time. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "util_entries.h"
#include "util_rig.h"

/* ---- one thread is inside ------------------------------------------------------------------------------ */

typedef struct call {
    const util_entry *entry;
    util_subject *subject;
    int rc;
} call;

static void *make_call(void *ud) {
    call *c = ud;
    c->rc = c->entry->call(c->subject);
    return NULL;
}

static int call_elsewhere(const util_entry *entry, util_subject *subject) {
    pthread_t thread;
    call c = {entry, subject, 0};
    ck_assert_int_eq(pthread_create(&thread, NULL, make_call, &c), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    return c.rc;
}

/* From another thread all are refused, nothing is written. */
static void expect_busy(util_subject *s) {
    for (const util_entry *e = util_entries; e->name; e++) {
        const int rc = call_elsewhere(e, s);
        ck_assert_msg(rc == MODNAS_EBUSY, "%s: %d", e->name, rc);
    }
    ck_assert(util_subject_untouched(s));
    ck_assert(!util_rig_exists("saved.safetensors") && !util_rig_exists("saved.state"));
}

/* On the thread that is inside they may be called: a configuration and a model that nobody uses. */
static void expect_free(util_subject *s) {
    static const char *const names[] = {"modnas_config_json", "modnas_describe_text", "modnas_list_json",
                                        "modnas_model_forward", "modnas_arch_json"};
    for (size_t i = 0; i < MN_COUNT(names); i++)
        for (const util_entry *e = util_entries; e->name; e++) {
            if (strcmp(e->name, names[i]) != 0) continue;
            const int rc = e->call(s);
            ck_assert_msg(rc == 0, "%s: %d %s", e->name, rc, modnas_errmsg(s->ctx));
            util_subject_clear(s);
        }
}

static int inside(const modnas_progress *p, void *ud) {
    util_subject *s = ud;
    (void)p;
    if (rig.opts.progress_ud) expect_busy(s);
    if (rig.opts.progress_ud) expect_free(s);
    rig.opts.progress_ud = NULL; /* once is enough */
    return 0;
}

/* While a run is inside its callback, calls from another thread give MODNAS_EBUSY and change nothing, not even the
 * run's bytes; once it has ended, any thread may take the context over. */
START_TEST(busy) {
    static const char *const backend[] = {"ref", "dnnl"};
    util_subject s;
    char override[32], before[65], after[65], missing[1024];
    util_entries_missing(missing, sizeof missing);
    ck_assert_str_eq(missing, "");
    snprintf(override, sizeof override, "backend=%s", backend[_i]);
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("name=alone", override));
    util_subject_open(&s, rig.ctx, backend[_i]);
    util_subject_hash(&s, before);
    rig.opts.progress = inside;
    rig.opts.progress_ud = &s;
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("name=disturbed", override));
    ck_assert_ptr_null(rig.opts.progress_ud);
    ck_assert(rig_same_run("alone", "disturbed"));
    util_subject_hash(&s, after);
    ck_assert_str_eq(before, after);
    for (const util_entry *e = util_entries; e->name; e++) {
        const int rc = call_elsewhere(e, &s);
        ck_assert_msg(rc == e->status, "%s: %d %s", e->name, rc, modnas_errmsg(rig.ctx));
        util_subject_clear(&s);
    }
    util_subject_close(&s);
}
END_TEST

/* The same from the log callback, of which a run makes use as well. */
static util_subject *logged_subject;

static void call_in_log(int32_t level, const char *text, void *ud) {
    util_subject *s = logged_subject;
    (void)level, (void)ud;
    if (!s || strncmp(text, "Train: [", 8) != 0) return;
    logged_subject = NULL;
    expect_busy(s);
    expect_free(s);
    logged_subject = s;
}

START_TEST(busy_in_the_log) {
    util_subject s;
    modnas_ctx *const of_rig = rig.ctx;
    const modnas_ctx_opts opts = {.size = sizeof opts, .log_fn = call_in_log};
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("name=alone"));
    ck_assert_int_eq(modnas_ctx_new(&opts, &rig.ctx), 0);
    util_subject_open(&s, rig.ctx, "ref");
    logged_subject = &s;
    modnas_string_free(of_rig, rig.results);
    rig.results = NULL;
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("name=disturbed"));
    ck_assert_ptr_eq(logged_subject, &s);
    logged_subject = NULL;
    ck_assert(rig_same_run("alone", "disturbed"));
    util_subject_close(&s);
    modnas_string_free(rig.ctx, rig.results);
    rig.results = NULL;
    modnas_ctx_free(rig.ctx);
    rig.ctx = of_rig;
}
END_TEST

/* Calls at any moment of a run, not only in its callbacks. */
typedef struct hammer {
    util_subject *subject;
    atomic_int inside, stop; /* 1: the run is between its first and its last callback */
    int n, wrong;
    const char *name;
} hammer;

static void *hit(void *ud) {
    hammer *h = ud;
    while (!atomic_load(&h->stop))
        for (const util_entry *e = util_entries; e->name && atomic_load(&h->inside); e++) {
            const int rc = e->call(h->subject);
            if (rc == MODNAS_EBUSY || !atomic_load(&h->inside)) {
                h->n += rc == MODNAS_EBUSY;
                continue;
            }
            h->wrong = rc ? rc : 1;
            h->name = e->name;
        }
    return NULL;
}

/* The first step of the first epoch of "search" opens the door, the last of the last one shuts it well before the end.
 */
static int tell_hammer(const modnas_progress *p, void *ud) {
    hammer *h = ud;
    if (strcmp(p->estim, "search") != 0 || strcmp(p->phase, "train") != 0) return 0;
    if (p->epoch == 0) atomic_store(&h->inside, 1);
    if (p->epoch == p->epochs - 1) atomic_store(&h->inside, 0);
    return 0;
}

START_TEST(busy_all_the_time) {
    util_subject s;
    pthread_t thread;
    hammer h = {.subject = &s};
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("name=alone", "estim.search.epochs=20"));
    util_subject_open(&s, rig.ctx, "ref");
    rig.opts.progress = tell_hammer;
    rig.opts.progress_ud = &h;
    ck_assert_int_eq(pthread_create(&thread, NULL, hit, &h), 0);
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("name=disturbed", "estim.search.epochs=20"));
    atomic_store(&h.stop, 1);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_msg(!h.wrong, "%s: %d", h.name, h.wrong);
    ck_assert_int_gt(h.n, 1000);
    ck_assert(rig_same_run("alone", "disturbed"));
    util_subject_close(&s);
}
END_TEST

/* ---- N contexts on N threads --------------------------------------------------------------------------- */

typedef struct job {
    const char *overrides[3]; /* name, backend, threads */
    char name[32];
    int rc;
} job;

static const char *const kinds[][2] = {{"backend=ref", "threads=1"},
                                       {"backend=dnnl", "threads=1"},
                                       {"backend=ref", "threads=2"},
                                       {"backend=dnnl", "threads=2"}};

static job job_of(const char *prefix, size_t i) {
    job j = {.overrides = {NULL, kinds[i % MN_COUNT(kinds)][0], kinds[i % MN_COUNT(kinds)][1]}};
    snprintf(j.name, sizeof j.name, "name=%s%zu", prefix, i);
    return j;
}

static void *run_alone(void *ud) {
    job *j = ud;
    char *results = NULL;
    modnas_ctx *ctx = NULL;
    modnas_config *c = NULL;
    j->overrides[0] = j->name;
    int rc = modnas_ctx_new(NULL, &ctx);
    if (!rc) rc = modnas_config_new(ctx, &c);
    if (!rc) rc = modnas_config_add_text(c, UTIL_RIG_CONFIG, strlen(UTIL_RIG_CONFIG), "t.yaml");
    for (size_t i = 0; i < MN_COUNT(j->overrides) && !rc; i++) rc = modnas_config_override(c, j->overrides[i]);
    if (!rc) rc = modnas_run(c, NULL, NULL, &results);
    j->rc = rc;
    modnas_string_free(ctx, results);
    modnas_config_free(c);
    modnas_ctx_free(ctx);
    return NULL;
}

/* Eight searches at once, two of each kind: the bytes of one alone. */
START_TEST(contexts_on_threads) {
    enum { N_THREADS = 8 };
    pthread_t threads[N_THREADS];
    job jobs[N_THREADS], alone[MN_COUNT(kinds)];
    for (size_t i = 0; i < MN_COUNT(kinds); i++) {
        alone[i] = job_of("alone", i);
        run_alone(&alone[i]);
        ck_assert_int_eq(alone[i].rc, 0);
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        jobs[i] = job_of("t", i);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_alone, &jobs[i]), 0);
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(jobs[i].rc, 0);
        ck_assert(rig_same_run(alone[i % MN_COUNT(kinds)].name + 5, jobs[i].name + 5));
    }
}
END_TEST

/* ---- canceled at any time ------------------------------------------------------------------------------ */

static useconds_t after_us;

static void *cancel_later(void *ud) {
    usleep(after_us);
    modnas_cancel(ud);
    return NULL;
}

static void on_alarm(int sig) {
    (void)sig;
    modnas_cancel(rig.ctx);
}

/* Whatever the moment: the run ends with MODNAS_ECANCELED, or had ended before; what lies in the folder is whole,
 * nobody holds its lock, and the run can be made again in the same context with the bytes of one that was never
 * canceled. */
static void check_canceled(int rc) {
    ck_assert_msg(rc == 0 || rc == MODNAS_ECANCELED, "%d: %s", rc, rig.error);
    if (rc && rig.started) {
        mn_node *results = util_rig_parse(&rig, rig.results);
        ck_assert_int_eq(rig_at(results, "complete")->i, 0);
        mn_node_free(rig.ctx, results);
    }
    ck_assert_int_eq(system("test -z \"$(find exp -name '*.tmp*')\""), 0);
    rig.opts.progress = NULL;
    RIG_RUNS(UTIL_RIG_CONFIG, NULL);
    ck_assert(rig_same_run("t", "whole"));
}

static int slowly(const modnas_progress *p, void *ud) {
    (void)p, (void)ud;
    usleep(500);
    return 0;
}

START_TEST(cancel_from_a_thread) {
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("name=whole"));
    for (after_us = 0; after_us < 30000; after_us += 1700) {
        pthread_t thread;
        rig.opts.progress = slowly;
        ck_assert_int_eq(pthread_create(&thread, NULL, cancel_later, rig.ctx), 0);
        const int rc = util_rig_yaml(&rig, UTIL_RIG_CONFIG, NULL);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        if (rc == 0) { /* a wish that comes late stands for the next run */
            ck_assert_int_eq(util_rig_yaml(&rig, UTIL_RIG_CONFIG, NULL), MODNAS_ECANCELED);
            ck_assert_int_eq(rig.started, 0);
        }
        check_canceled(rc);
    }
}
END_TEST

START_TEST(cancel_from_a_signal) {
    const struct sigaction action = {.sa_handler = on_alarm};
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("name=whole"));
    for (after_us = 100; after_us < 20000; after_us += 1900) {
        const struct itimerval once = {.it_value.tv_usec = (suseconds_t)after_us}, never = {.it_value.tv_usec = 0};
        rig.opts.progress = slowly;
        ck_assert_int_eq(setitimer(ITIMER_REAL, &once, NULL), 0);
        const int rc = util_rig_yaml(&rig, UTIL_RIG_CONFIG, NULL);
        ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
        mn_cancel_done(rig.ctx);
        check_canceled(rc);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("threads");
    util_add_loop(s, "inside", rig_setup, rig_teardown, busy, 2);
    util_add(s, "threads", rig_setup, rig_teardown,
             (const TTest *[]){busy_in_the_log, busy_all_the_time, contexts_on_threads, cancel_from_a_thread,
                               cancel_from_a_signal, NULL});
    return util_run(s);
}
