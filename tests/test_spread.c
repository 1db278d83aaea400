/* Workers are moved apart and not pinned (docs/design/0007-spread.md): after runs each thread may go wherever it might
 * before, also where the process may use one CPU only. */
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/trainer.h"
#include "util_small.h"

static util_small s;
static cpu_set_t whole;

/* The CPUs of every thread of this process are `want`; returns how many threads there are. */
static int check_threads(const cpu_set_t *want) {
    DIR *d = opendir("/proc/self/task");
    ck_assert_ptr_nonnull(d);
    int n = 0;
    for (const struct dirent *e; (e = readdir(d));) {
        cpu_set_t have;
        const int tid = atoi(e->d_name);
        if (tid <= 0 || sched_getaffinity(tid, sizeof have, &have) != 0) continue;
        ck_assert_msg(CPU_EQUAL(&have, want), "thread %d may use %d CPUs, not %d", tid, CPU_COUNT(&have), CPU_COUNT(want));
        n++;
    }
    closedir(d);
    return n;
}

static void train_some(int threads) {
    char yaml[2048];
    mn_scores scores = {0, 0, 0, 0};
    const char *rest = strchr(UTIL_SMALL_NET, '\n'); /* its first line is of threads */
    snprintf(yaml, sizeof yaml, "backend: dnnl\nthreads: %d%s", threads, rest);
    util_small_open(&s, yaml);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(mn_trainer_start_epoch(s.trainer, i), 0);
        ck_assert_msg(mn_trainer_step(s.trainer, &scores) == 0, "%s", modnas_errmsg(s.ctx));
    }
}

START_TEST(left_free) {
    train_some(2 + _i);
    ck_assert_int_ge(check_threads(&whole), 2);
    util_small_close(&s);
}
END_TEST

START_TEST(on_one_cpu) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    train_some(3);
    ck_assert_int_ge(check_threads(&one), 2);
    util_small_close(&s);
}
END_TEST

int main(void) {
    if (sched_getaffinity(0, sizeof whole, &whole) != 0) return 1;
    Suite *suite = suite_create("spread");
    util_add_loop(suite, "left free", NULL, NULL, left_free, 3);
    util_add(suite, "on one CPU", NULL, NULL, (const TTest *const[]){on_one_cpu, NULL});
    return util_run(suite);
}
