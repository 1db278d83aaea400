/* Threads: a context that another one is inside of is refused, N contexts run on N threads as they do alone, and a run
 * is canceled from another thread or from a signal handler at any time. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "modnas/modnas.h"
#include "util_rig.h"

/* ---- one thread is inside ------------------------------------------------------------------------------ */

static modnas_config *cfg;
static modnas_model *model;
static char *text;
static float image[3 * 224 * 224], logits[4];

/* Each must be refused, and leave text and logits alone. */
static int t_config_new(void) {
    modnas_config *c = cfg;
    const int rc = modnas_config_new(rig.ctx, &c);
    return c == cfg ? rc : 1;
}
static int t_config_set(void) {
    return modnas_config_set(cfg, "seed", "9");
}
static int t_config_override(void) {
    return modnas_config_override(cfg, "seed=9");
}
static int t_config_text(void) {
    return modnas_config_add_text(cfg, "seed: 9", 7, "x");
}
static int t_config_file(void) {
    return modnas_config_add_file(cfg, "/dev/null");
}
static int t_config_check(void) {
    return modnas_config_check(cfg);
}
static int t_config_json(void) {
    return modnas_config_json(cfg, &text);
}
static int t_raw(void) {
    return modnas_config_raw_text(rig.ctx, "1", 1, "x", &text);
}
static int t_describe(void) {
    return modnas_describe(cfg, NULL, &text);
}
static int t_list(void) {
    return modnas_list_json(rig.ctx, NULL, &text);
}
static int t_devices(void) {
    return modnas_devices_text(rig.ctx, &text);
}
static int t_inspect(void) {
    return modnas_inspect_json(rig.ctx, "/dev/null", NULL, &text, NULL);
}
static int t_run(void) {
    int32_t started = 1;
    const int rc = modnas_run(cfg, NULL, &started, &text);
    return started ? 1 : rc;
}
static int t_model_new(void) {
    modnas_model *m = model;
    const int rc = modnas_model_new(cfg, &m);
    return m == model ? rc : 1;
}
static int t_model_forward(void) {
    return modnas_model_forward(model, image, 1, logits);
}
static int t_model_macs(void) {
    int64_t macs;
    return modnas_model_macs(model, &macs);
}
static int t_model_save(void) {
    return modnas_model_save(model, "refused.safetensors");
}
static int t_builder(void) {
    const modnas_builder *b;
    return modnas_registry_get_builder(rig.ctx, "model", "MobileNetV2", &b);
}
static int t_module(void) {
    return modnas_module_add(modnas_model_root(model), "x", "Identity", NULL, NULL);
}

static int (*const calls[])(void) = {t_config_new,  t_config_set,   t_config_override, t_config_text,
                                     t_config_file, t_config_check, t_config_json,     t_raw,
                                     t_describe,    t_list,         t_devices,         t_inspect,
                                     t_run,         t_model_new,    t_model_forward,   t_model_macs,
                                     t_model_save,  t_builder,      t_module};

static int status;

static void *call(void *ud) {
    status = (*(int (*const *)(void))ud)();
    return NULL;
}

static int call_elsewhere(int (*const *fn)(void)) {
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, call, (void *)(uintptr_t)fn), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    return status;
}

static int inside(const modnas_progress *p, void *ud) {
    int *n = ud;
    (void)p;
    if ((*n)++ != 4) return 0;
    for (size_t i = 0; i < MN_COUNT(calls); i++) {
        const int rc = call_elsewhere(&calls[i]);
        ck_assert_msg(rc == MODNAS_EBUSY, "call %zu: %d", i, rc);
    }
    ck_assert_ptr_null(text);
    ck_assert_float_eq(logits[0], 0);
    ck_assert(!util_rig_exists("refused.safetensors"));
    ck_assert_int_eq(modnas_config_json(cfg, &text), 0); /* but this thread may */
    modnas_string_free(rig.ctx, text);
    ck_assert_int_eq(modnas_describe_text(cfg, NULL, &text), 0);
    modnas_string_free(rig.ctx, text);
    text = NULL;
    return 0;
}

/* While a run is inside its callback, calls from another thread give MODNAS_EBUSY and change nothing, not even the
 * run's bytes; once it has ended, any thread may take the context over. */
START_TEST(busy) {
    static int (*const json)(void) = t_config_json;
    int n = 0;
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("name=alone"));
    ck_assert_int_eq(modnas_config_new(rig.ctx, &cfg), 0);
    ck_assert_int_eq(modnas_config_add_text(cfg, UTIL_RIG_CONFIG, strlen(UTIL_RIG_CONFIG), "t.yaml"), 0);
    ck_assert_int_eq(modnas_model_new(cfg, &model), 0);
    rig.opts.progress = inside;
    rig.opts.progress_ud = &n;
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("name=disturbed"));
    ck_assert_int_gt(n, 4);
    ck_assert(rig_same_run("alone", "disturbed"));
    ck_assert_int_eq(call_elsewhere(&json), 0);
    modnas_string_free(rig.ctx, text);
    modnas_model_free(model);
    modnas_config_free(cfg);
}
END_TEST

/* ---- N contexts on N threads --------------------------------------------------------------------------- */

typedef struct job {
    char name[24], backend[16];
    int rc;
} job;

static void *run_alone(void *ud) {
    job *j = ud;
    char *results = NULL;
    modnas_ctx *ctx = NULL;
    modnas_config *c = NULL;
    int rc = modnas_ctx_new(NULL, &ctx);
    if (!rc) rc = modnas_config_new(ctx, &c);
    if (!rc) rc = modnas_config_add_text(c, UTIL_RIG_CONFIG, strlen(UTIL_RIG_CONFIG), "t.yaml");
    if (!rc) rc = modnas_config_set(c, "name", j->name);
    if (!rc) rc = modnas_config_override(c, j->backend);
    if (!rc) rc = modnas_run(c, NULL, NULL, &results);
    j->rc = rc;
    modnas_string_free(ctx, results);
    modnas_config_free(c);
    modnas_ctx_free(ctx);
    return NULL;
}

START_TEST(contexts_on_threads) {
    enum { N_THREADS = 6 };
    static const char *const backends[] = {"backend=ref", "backend=dnnl"};
    pthread_t threads[N_THREADS];
    job jobs[N_THREADS], alone[2];
    for (int i = 0; i < 2; i++) {
        snprintf(alone[i].name, sizeof alone[i].name, "alone%d", i);
        strcpy(alone[i].backend, backends[i]);
        run_alone(&alone[i]);
        ck_assert_int_eq(alone[i].rc, 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        snprintf(jobs[i].name, sizeof jobs[i].name, "t%d", i);
        strcpy(jobs[i].backend, backends[i % 2]);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_alone, &jobs[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(jobs[i].rc, 0);
        ck_assert(rig_same_run(alone[i % 2].name, jobs[i].name));
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
    util_add(s, "threads", rig_setup, rig_teardown,
             (const TTest *[]){busy, contexts_on_threads, cancel_from_a_thread, cancel_from_a_signal, NULL});
    return util_run(s);
}
