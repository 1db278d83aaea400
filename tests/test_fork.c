/* Forks: a context of before is refused in the child and can be freed there; a new one works, with one thread or from a
 * new thread. OpenMP's threads, which stay behind, are there when the child is made. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util_entries.h"
#include "util_rig.h"

enum { GOOD = 42, PATIENCE = 60 };

/* Run in a child, which must end well, and by itself. */
static void in_child(int (*fn)(util_subject *s), util_subject *s) {
    int status;
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(PATIENCE * 10);
        _exit(fn(s));
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == GOOD, "status %x", (unsigned)status);
}

/* ---- the context of before ----------------------------------------------------------------------------- */

static int refused(util_subject *s) {
    for (const util_entry *e = util_entries; e->name; e++) {
        const int rc = e->call(s);
        if (rc == MODNAS_EFORK && util_subject_untouched(s)) continue;
        fprintf(stderr, "%s: %d\n", e->name, rc);
        return 1;
    }
    return strstr(modnas_errmsg(s->ctx), "made by process") && !util_rig_exists("exp") ? GOOD : 2;
}

static int freed(util_subject *s) {
    util_subject_close(s);
    modnas_ctx_free(s->ctx);
    return GOOD;
}

static int refused_then_freed(util_subject *s) {
    const int rc = refused(s);
    return rc == GOOD ? freed(s) : rc;
}

static const char *const backends[] = {"ref", "dnnl"};

/* The subject has trained: loaders have their threads, OpenMP has a pool. It goes on in the parent as if nothing were.
 */
START_TEST(of_before) {
    util_subject s, twin;
    char hash[2][65];
    double loss;
    util_subject_open(&s, rig.ctx, backends[_i]);
    util_subject_open(&twin, rig.ctx, backends[_i]);
    ck_assert_int_eq(modnas_search_train(s.search, NULL, 2, &loss), 0);
    ck_assert_int_eq(modnas_search_train(twin.search, NULL, 2, &loss), 0);
    in_child(refused, &s);
    in_child(freed, &s);
    in_child(refused_then_freed, &s);
    ck_assert_int_eq(modnas_search_train(s.search, NULL, 5, &loss), 0);
    ck_assert_int_eq(modnas_search_train(twin.search, NULL, 5, &loss), 0);
    util_subject_hash(&s, hash[0]);
    util_subject_hash(&twin, hash[1]);
    ck_assert_str_eq(hash[0], hash[1]);
    util_subject_close(&s);
    util_subject_close(&twin);
}
END_TEST

/* In a callback, where the forking thread is inside. */
static int fork_inside(const modnas_progress *p, void *ud) {
    (void)p;
    if (rig.opts.progress_ud) in_child(refused, ud);
    rig.opts.progress_ud = NULL;
    return 0;
}

START_TEST(in_a_callback) {
    util_subject s;
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("name=alone"));
    ck_assert_int_eq(system("mv exp before"), 0);
    util_subject_open(&s, rig.ctx, "ref");
    rig.opts.progress = fork_inside;
    rig.opts.progress_ud = &s;
    ck_assert_int_eq(system("mkdir elsewhere"), 0);
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("expman={root_dir: elsewhere}"));
    ck_assert(util_rig_same("before/alone/outputs/history.tsv", "elsewhere/t/outputs/history.tsv"));
    util_subject_close(&s);
}
END_TEST

/* Forked while another thread is inside: it is not in the child, and nobody waits for it. */
static pthread_barrier_t met;

static int wait_inside(const modnas_progress *p, void *ud) {
    (void)p;
    if (*(int *)ud) return 0;
    *(int *)ud = 1;
    pthread_barrier_wait(&met); /* inside */
    pthread_barrier_wait(&met); /* forked */
    return 0;
}

static void *run_search(void *ud) {
    (void)ud;
    return (void *)(intptr_t)util_rig_yaml(&rig, UTIL_RIG_CONFIG, RIG_OVER("expman={root_dir: elsewhere}"));
}

START_TEST(while_another_is_inside) {
    util_subject s;
    pthread_t thread;
    void *rc = &rc;
    int once = 0;
    ck_assert_int_eq(pthread_barrier_init(&met, NULL, 2), 0);
    util_subject_open(&s, rig.ctx, "ref");
    rig.opts.progress = wait_inside;
    rig.opts.progress_ud = &once;
    ck_assert_int_eq(pthread_create(&thread, NULL, run_search, NULL), 0);
    pthread_barrier_wait(&met);
    int status;
    const pid_t pid = fork();
    if (pid == 0) {
        int ok = 1;
        for (const util_entry *e = util_entries; e->name; e++) ok &= e->call(&s) == MODNAS_EFORK;
        _exit(ok && util_subject_untouched(&s) ? GOOD : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    pthread_barrier_wait(&met);
    ck_assert_int_eq(pthread_join(thread, &rc), 0);
    ck_assert_ptr_null(rc);
    ck_assert_int_eq(WEXITSTATUS(status), GOOD);
    util_subject_close(&s);
}
END_TEST

/* ---- a new one in the child ---------------------------------------------------------------------------- */

static const char *overrides[4];

static int run_new(void) {
    char *results = NULL;
    modnas_ctx *ctx = NULL;
    modnas_config *cfg = NULL;
    int rc = modnas_ctx_new(NULL, &ctx);
    if (!rc) rc = modnas_config_new(ctx, &cfg);
    if (!rc) rc = modnas_config_add_text(cfg, UTIL_RIG_CONFIG, strlen(UTIL_RIG_CONFIG), "t.yaml");
    for (size_t i = 0; i < MN_COUNT(overrides) && !rc && overrides[i]; i++)
        rc = modnas_config_override(cfg, overrides[i]);
    if (!rc) rc = modnas_run(cfg, NULL, NULL, &results);
    if (rc) fprintf(stderr, "%d %s\n", rc, modnas_errmsg(ctx));
    modnas_string_free(ctx, results);
    modnas_config_free(cfg);
    modnas_ctx_free(ctx);
    return rc ? 1 : GOOD;
}

static int here(util_subject *s) {
    (void)s;
    return run_new();
}

static void *on_thread(void *ud) {
    *(int *)ud = run_new();
    return NULL;
}

static int on_new_thread(util_subject *s) {
    pthread_t thread;
    int rc = 1;
    (void)s;
    if (pthread_create(&thread, NULL, on_thread, &rc) || pthread_join(thread, NULL)) return 3;
    return rc;
}

static int freed_then_new(util_subject *s) {
    freed(s);
    return on_new_thread(s);
}

static const struct way {
    const char *backend, *threads;
    int (*fn)(util_subject *s);
} ways[] = {{"backend=dnnl", "threads=1", here},          {"backend=dnnl", "threads=1", on_new_thread},
            {"backend=dnnl", "threads=2", on_new_thread}, {"backend=dnnl", "threads=2", freed_then_new},
            {"backend=ref", "threads=2", here},           {"backend=ref", "threads=2", on_new_thread}};

/* The bytes of the same run in the parent, made before with a pool of OpenMP's that the child does not have. */
START_TEST(anew) {
    const struct way *w = &ways[_i];
    util_subject s;
#ifdef __SANITIZE_THREAD__
    printf("anew: skipped, the thread sanitizer knows no threads in the child of a process that has some\n");
    return;
#endif
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("name=parent", w->backend, w->threads));
    util_subject_open(&s, rig.ctx, "dnnl");
    ck_assert_int_eq(modnas_search_train(s.search, NULL, 2, NULL), 0);
    overrides[0] = "name=child";
    overrides[1] = w->backend;
    overrides[2] = w->threads;
    in_child(w->fn, &s);
    ck_assert(rig_same_run("parent", "child"));
    util_subject_close(&s);
}
END_TEST

int main(void) {
    Suite *s = suite_create("fork");
    util_add_loop(s, "before", rig_setup, rig_teardown, of_before, MN_COUNT(backends));
    util_add_loop(s, "new", rig_setup, rig_teardown, anew, MN_COUNT(ways));
    util_add(s, "inside", rig_setup, rig_teardown, (const TTest *[]){in_a_callback, while_another_is_inside, NULL});
    return util_run(s);
}
