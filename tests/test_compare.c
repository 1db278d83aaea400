/* bench/compare on made-up files: machines that drift, one figure that moved, files that cannot be compared. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util_host.h"

enum { KERNELS = 12, PATHS = 4, REPS = 6 };

static char script[4096], folder[64], out[1 << 15];
static int status;

/* Noise of about +-1 %, the same on every machine. */
static double noise(int run, int i) {
    return 1 + 0.01 * sin(7.1 * run + 3.7 * i);
}

/* All takes `drift` times as long as it did; our kernel 3 takes `moved` times as long on top. */
static void write_kernels(const char *name, int run, double drift, double moved, int threads) {
    FILE *f = fopen(name, "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "{\"program\":\"kernels\",\"machine\":{\"cores\":2},\"threads\":%d,\"cold\":1,\"rows\":[", threads);
    for (int i = 0; i < KERNELS; i++)
        fprintf(f, "%s{\"kernel\":\"k%d\",\"value\":{\"min\":%.9g},\"onednn\":{\"min\":%.9g}}", i ? "," : "", i,
                (1 + i) * drift * (i == 3 ? moved : 1) * noise(run, i), (2 + i) * drift * noise(run, i + 50));
    fprintf(f, "]}\n");
    fclose(f);
}

/* Steps of our side alone: three figures, of which the last one moved. */
static void write_steps(const char *name, int run, double moved) {
    FILE *f = fopen(name, "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "{\"program\":\"step\",\"machine\":{\"cores\":2},\"threads\":2,\"batch\":64,\"paths\":%d,\"rows\":[", PATHS);
    for (int k = 0; k < 3; k++) {
        fprintf(f, "%s{\"model\":\"M\",\"text\":\"s%d\",\"side\":\"modnas\",\"side_text\":\"ours\",\"values\":[", k ? "," : "", k);
        for (int i = 0; i < PATHS * REPS; i++)
            fprintf(f, "%s%.9g", i ? "," : "", (10 + i % PATHS) * (k == 2 ? moved : 1) * noise(run, 100 * k + i));
        fprintf(f, "]}");
    }
    /* a side of fewer paths, and one that was never measured above 0 */
    fprintf(f, ",{\"model\":\"M\",\"text\":\"few\",\"side\":\"one_thread\",\"side_text\":\"one\",\"paths\":1,\"values\":[");
    for (int i = 0; i < REPS; i++) fprintf(f, "%s%.9g", i ? "," : "", 5 * moved * noise(run, 300 + i));
    fprintf(f, "]},{\"model\":\"M\",\"text\":\"none\",\"side\":\"modnas\",\"side_text\":\"ours\",\"values\":[0,0]}]}\n");
    fclose(f);
}

static void compare(const char *args) {
    char command[5000];
    snprintf(command, sizeof command, "python3 '%s' %s 2>&1", script, args);
    FILE *p = popen(command, "r");
    ck_assert_ptr_nonnull(p);
    out[fread(out, 1, sizeof out - 1, p)] = '\0';
    const int rc = pclose(p);
    status = WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

#define SAYS(text) ck_assert_msg(strstr(out, text) != NULL, "'%s' is not in: %s", text, out)

START_TEST(same) {
    write_kernels("a.json", 1, 1, 1, 2);
    write_kernels("b.json", 2, 1.3, 1, 2);
    compare("a.json b.json");
    ck_assert_msg(status == 0, "%s", out);
    SAYS("kernels: 0 slower, 0 faster");
    SAYS("false alarms, A against A: 0 of 12 (0.0 %)");
    SAYS("drift +30.");
}
END_TEST

START_TEST(slower_and_faster) {
    write_kernels("a.json", 1, 1, 1, 2);
    write_kernels("b.json", 2, 0.8, 1.1, 2);
    compare("a.json b.json");
    ck_assert_int_eq(status, 1);
    SAYS("kernels: 1 slower, 0 faster");
    SAYS("  k3 ");
    compare("b.json a.json --all");
    ck_assert_int_eq(status, 0);
    SAYS("kernels: 0 slower, 1 faster");
    SAYS("  k4 ");
}
END_TEST

START_TEST(steps_alone) {
    write_steps("a.json", 1, 1);
    write_steps("b.json", 2, 1.2);
    compare("a.json b.json");
    ck_assert_msg(status == 1, "%s", out);
    SAYS("the first half of the repetitions and the second");
    SAYS("step: 2 slower, 0 faster");
    SAYS("M, s2, ours");
    SAYS("M, few, one");
}
END_TEST

START_TEST(refused) {
    write_kernels("a.json", 1, 1, 1, 2);
    write_kernels("b.json", 2, 1, 1, 4);
    write_steps("s.json", 1, 1);
    compare("a.json b.json");
    ck_assert_int_eq(status, 2);
    SAYS("threads was 2 and is 4");
    compare("a.json s.json");
    ck_assert_int_eq(status, 2);
    SAYS("no program in common");
    compare("a.json none.json");
    ck_assert_int_eq(status, 2);
    SAYS("none.json");
    compare("a.json");
    ck_assert_int_eq(status, 2);
    FILE *f = fopen("x.json", "w");
    fprintf(f, "{\"program\":\"kernels\"}");
    fclose(f);
    compare("a.json x.json");
    ck_assert_int_eq(status, 2);
    SAYS("not a file of bench");
}
END_TEST

static void enter(void) {
    util_folder_new(folder);
}
static void leave(void) {
    util_folder_free(folder);
}

int main(void) {
    if (!getcwd(script, sizeof script - 20)) return 1;
    strcat(script, "/bench/compare");
    Suite *s = suite_create("compare");
    if (system("python3 -c '' >/dev/null 2>&1") != 0 || access(script, R_OK) != 0) {
        printf("skipped: bench/compare needs python3, and this program the top folder of the project\n");
        printf("100%%: Checks: 1, Failures: 0, Errors: 0\n");
        return 0;
    }
    util_add(s, "compare", enter, leave, (const TTest *const[]){same, slower_and_faster, steps_alone, refused, NULL});
    return util_run(s);
}
