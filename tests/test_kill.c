/* The program killed at random moments, resumed each time: the bytes of architecture, weights and history are those of
 * the run that was never killed.
 *
 * Every other kill waits for the file of a checkpoint to be begun, and so falls into its writing where the system is
 * slow enough; the others fall anywhere, into the start as well. A run that gets to its end is compared, and the next
 * one begins anew. MODNAS_KILLS is the number of kills for each search, backend and number of threads. */
#include <check.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util_cli.h"
#include "util_host.h"
#include "util_resume.h"

static const char *const variants[][2] = {{"ref", "2"}, {"ref", "3"}, {"dnnl", "2"}, {"dnnl", "3"}};
enum { N_VARIANTS = MN_COUNT(variants), N_KILLS = 3 };

static util_cli cli;
static mn_rng rng;

static void setup(void) {
    cli = (util_cli){.folder = ""};
    util_folder_new(cli.folder);
    util_resume_table();
}

static void teardown(void) {
    ck_assert_int_eq(chdir("/"), 0);
    util_cli_free(&cli);
}

/* A run's command line; all of its life it makes a checkpoint a step. */
static void words(char out[256], int variant, const char *name, const char *more) {
    snprintf(out, 256, "run -c c.yaml --quiet -n %s -b %s -o threads=%s -o expman.chkpt_intv_steps=1%s", name,
             variants[variant][0], variants[variant][1], more);
}

static double run_whole(int variant, const char *name, const char *more) {
    struct timespec a, b;
    char line[256];
    words(line, variant, name, more);
    clock_gettime(CLOCK_MONOTONIC, &a);
    ck_assert_msg(util_cli_run(&cli, line) == 0, "%s: %d: %s", line, cli.status, cli.err);
    clock_gettime(CLOCK_MONOTONIC, &b);
    return (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
}

/* Wait until the file of a checkpoint is begun for the n-th time, at most `seconds`. */
static void await_begun(int fd, int n, double seconds) {
    char events[4096];
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    while (n > 0 && poll(&ready, 1, (int)(1000 * seconds) + 1) == 1) {
        const ssize_t got = read(fd, events, sizeof events);
        for (ssize_t at = 0; at < got;) {
            struct inotify_event e;
            memcpy(&e, events + at, sizeof e);
            n -= e.len && strstr(events + at + sizeof e, ".tmp-") != NULL;
            at += (ssize_t)(sizeof e + e.len);
        }
    }
}

static int is_half_written(void) {
    glob_t found;
    const int rc = glob("exp/t/chkpt/*.tmp-*", 0, NULL, &found);
    if (rc == 0) globfree(&found);
    return rc == 0;
}

/* One life of the run; 1 if it was over before it was killed. */
static int live(int variant, double seconds, int in_write) {
    char line[256];
    const int fd = inotify_init1(IN_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(system("mkdir -p exp/t/chkpt"), 0);
    ck_assert_int_ge(inotify_add_watch(fd, "exp/t/chkpt", IN_CREATE), 0);
    words(line, variant, "t", " --resume");
    const pid_t pid = util_cli_start(&cli, line, NULL);
    if (in_write) {
        await_begun(fd, 1 + (int)mn_rng_below(&rng, 12), seconds);
    } else {
        const long ns = (long)(1e9 * seconds * mn_rng_real(&rng));
        nanosleep(&(struct timespec){ns / 1000000000, ns % 1000000000}, NULL);
    }
    kill(pid, SIGKILL);
    util_cli_wait(&cli, pid);
    close(fd);
    if (cli.status != 128 + SIGKILL) ck_assert_msg(cli.status == 0, "%s: %d: %s", line, cli.status, cli.err);
    return cli.status == 0;
}

/* All but what a run says of itself and of its time. */
static void check_same(const char *what) {
    static const char diff[] = "diff -r -x logs -x 'state_*' -x results.json -x config.yaml -x .lock exp/whole exp/t";
    ck_assert_msg(system(diff) == 0, "%s is not the same as without kills", what);
}

static void new_run(const char *what, int variant) {
    run_whole(variant, "t", " --resume");
    check_same(what);
    ck_assert_int_eq(system("rm -rf exp/t"), 0);
}

START_TEST(kills) {
    const util_resume *r = &util_resumes[_i / N_VARIANTS];
    const int variant = _i % N_VARIANTS;
    if (!r->is_killed) return;
    const char *given = getenv("MODNAS_KILLS");
    int n_kills = 0, n_ends = 0, n_in_write = 0;
    mn_rng_init(&rng, 7, mn_stream(r->name), (uint64_t)variant);
    util_cli_text(&cli, "c.yaml", r->yaml);
    const double seconds = run_whole(variant, "whole", "");
    while (n_kills < (given ? atoi(given) : N_KILLS)) {
        const int is_over = live(variant, seconds, n_kills % 2 == 0);
        n_kills += !is_over;
        n_in_write += is_half_written();
        n_ends += is_over;
        if (is_over) new_run(r->name, variant);
    }
    new_run(r->name, variant);
    printf(
        "kill: %s on %s, threads %s: %d kills, %d of them inside the write of a checkpoint; %d runs got to their end "
        "meanwhile; same bytes\n",
        r->name, variants[variant][0], variants[variant][1], n_kills, n_in_write, n_ends);
}
END_TEST

int main(void) {
    Suite *s = suite_create("kill");
    TCase *t = tcase_create("kills");
    tcase_set_timeout(t, 600);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, kills, 0, (int)util_n_resumes * N_VARIANTS);
    suite_add_tcase(s, t);
    return util_run(s);
}
