/* `modnas run` that does not get to its end: later faults, signals, and what stays; the progress line. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include "util_cli_run.h"
#include "util_host.h"

/* ---- later faults: status 1, what was saved stays ---------------------------------------------------------- */

START_TEST(loss_is_not_finite) {
    cli_config(7, "trainer: {warmup: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05}}}}, "
                  "default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 1e30}}}}}");
    cli_expect("run -c c.yaml -n a", 1, "loss");
    cli_expect_file("exp/a/outputs/arch_warmup_best.yaml");
    cli_expect_file("exp/a/chkpt/model_warmup_best.safetensors");
    ck_assert(!util_cli_exists(&cli, "exp/a/chkpt/model_search_best.safetensors"));
}
END_TEST

START_TEST(folder_cannot_be_written) {
    util_cli_text(&cli, "exp", "in the way");
    cli_expect("run -c c.yaml -n a", 1, "exp");
    cli_expect("run -c c.yaml -n a -o expman.root_dir=/proc/modnas", 1, "/proc/modnas");
}
END_TEST

/* Files end at 20,000 bytes: less than the weights need, more than the rest. */
static void short_files(void) {
    const struct rlimit limit = {20000, 20000};
    signal(SIGXFSZ, SIG_IGN);
    (void)!setrlimit(RLIMIT_FSIZE, &limit);
}

static size_t size_of(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", cli.folder, name);
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "there is no %s", path);
    fseek(f, 0, SEEK_END);
    const long n = ftell(f);
    fclose(f);
    return (size_t)n;
}

START_TEST(file_cannot_grow) {
    static const char weights[] = "exp/a/chkpt/model_warmup_best.safetensors";
    cli_expect("run -c c.yaml -n a", 0, NULL);
    const size_t before = size_of(weights);
    ck_assert_uint_gt(before, 20000);
    util_cli_wait(&cli, util_cli_start(&cli, "run -c c.yaml -n a --seed 4", short_files));
    ck_assert_int_eq(cli.status, 1);
    ck_assert_msg(strstr(cli.err, "safetensors") != NULL, "%s", cli.err);
    ck_assert_uint_eq(size_of(weights), before);
    util_cli_text(&cli, "load.yaml", "chkpt: exp/a/chkpt/model_warmup_best.safetensors\n");
    cli_expect("describe -c c.yaml load.yaml", 0, NULL); /* still whole */
}
END_TEST

START_TEST(disk_is_full) {
    char disk[128], command[160];
    snprintf(disk, sizeof disk, "%s/disk", cli.folder);
    snprintf(command, sizeof command, "mkdir %s", disk);
    ck_assert_int_eq(system(command), 0);
    if (mount("tmpfs", disk, "tmpfs", 0, "size=64k") != 0) {
        printf("disk_is_full: skipped, no file system can be mounted here\n");
        return;
    }
    const int status = util_cli_run(&cli, "run -c c.yaml -n a -o expman.root_dir=disk");
    umount2(disk, MNT_DETACH);
    ck_assert_int_eq(status, 1);
    ck_assert_msg(strstr(cli.err, "No space left on device"), "%s", cli.err);
}
END_TEST

/* ---- signals ----------------------------------------------------------------------------------------------- */

START_TEST(stopped_by_a_signal) {
    static const int signals[] = {SIGINT, SIGTERM};
    const pid_t pid =
        cli_start_until("run -c c.yaml -n a -o estim.search.epochs=1000000", "exp/a/outputs/arch_search_best.yaml");
    kill(pid, signals[_i]);
    util_cli_wait(&cli, pid);
    ck_assert_int_eq(cli.status, 130);
    ck_assert_ptr_nonnull(strstr(cli.err, "interrupted"));
    cli_expect_file("exp/a/chkpt/model_search_last.safetensors");
    char *results = util_cli_read(&cli, "exp/a/outputs/results.json");
    ck_assert_ptr_nonnull(strstr(results, "\"complete\":false"));
    free(results);
    cli_expect("describe -c c.yaml -p exp/a/chkpt/model_search_last.safetensors", 0, NULL);
}
END_TEST

/* What was stopped goes on where it was; a search that is another one is refused with status 2. */
START_TEST(resumed) {
    static const char *const files[] = {"outputs/history.tsv", "outputs/arch_search_best.yaml"};
    cli_expect("run -c c.yaml -n whole --quiet -o estim.search.epochs=12", 0, NULL);
    const pid_t pid =
        cli_start_until("run -c c.yaml -n a -o estim.search.epochs=12", "exp/a/outputs/arch_search_best.yaml");
    kill(pid, SIGINT);
    util_cli_wait(&cli, pid);
    ck_assert_int_eq(cli.status, 130);
    ck_assert_ptr_nonnull(strstr(cli.err, "--resume goes on"));
    cli_expect("run -c c.yaml -n a --resume -o estim.search.epochs=13", 2,
               "estim.search.epochs is 12 there and 13 here");
    cli_expect("run -c c.yaml -n a --resume -o estim.search.epochs=12 -o threads=3", 2,
               "threads is 2 there and 3 here");
    cli_expect("run -c c.yaml -n a --resume -o estim.search.epochs=12", 0, "goes on from exp/a/chkpt/state_");
    for (size_t i = 0; i < MN_COUNT(files); i++) {
        char path[64];
        snprintf(path, sizeof path, "exp/whole/%s", files[i]);
        char *want = util_cli_read(&cli, path);
        snprintf(path, sizeof path, "exp/a/%s", files[i]);
        char *got = util_cli_read(&cli, path);
        ck_assert_str_eq(got, want);
        free(want);
        free(got);
    }
    cli_expect("run -c c.yaml -n b --resume --quiet", 0, NULL); /* nothing to go on from: it begins */
    cli_expect("describe -c c.yaml --resume", 2, "--resume");
}
END_TEST

START_TEST(second_signal) {
    const pid_t pid =
        cli_start_until("run -c c.yaml -n a --quiet -o estim.search.epochs=1000000", "exp/a/outputs/history.tsv");
    kill(pid, SIGINT);
    kill(pid, SIGTERM);
    util_cli_wait(&cli, pid);
    ck_assert_int_eq(cli.status, 130);
}
END_TEST

/* ---- the progress line ------------------------------------------------------------------------------------- */

static int terminal = -1;

static void on_terminal(void) {
    const int fd = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    (void)!dup2(fd, 2);
    setenv("TERM", "xterm", 1);
    setenv("COLUMNS", "40", 1);
}

/* Everything between two returns fits in 40 columns, and the line is taken away at the end. */
START_TEST(progress_line) {
    static char shown[1 << 20];
    size_t n = 0;
    ssize_t got;
    terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0) {
        printf("progress_line: skipped, there are no pseudo-terminals here\n");
        return;
    }
    const pid_t pid = util_cli_start(&cli, "run -c c.yaml -n a -o estim.search.epochs=20", on_terminal);
    while (n + 1 < sizeof shown && (got = read(terminal, shown + n, sizeof shown - 1 - n)) > 0) n += (size_t)got;
    util_cli_wait(&cli, pid);
    close(terminal);
    ck_assert_int_eq(cli.status, 0);
    ck_assert_ptr_nonnull(strstr(shown, "epoch 20/20"));
    ck_assert_ptr_null(strstr(shown, "Train:")); /* the log is in its file */
    ck_assert_int_eq(shown[n - 1], '\n');
    char *rest = shown;
    for (char *line; (line = strsep(&rest, "\r\n"));) {
        char *end = strstr(line, "\033[K");
        ck_assert_msg((size_t)((end ? end : line + strlen(line)) - line) < 40, "too wide: %s", line);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("cli_stop");
    util_add(s, "stopped", cli_setup, cli_teardown,
             (const TTest *[]){loss_is_not_finite, folder_cannot_be_written, file_cannot_grow, disk_is_full, resumed,
                               second_signal, progress_line, NULL});
    util_add_loop(s, "signals", cli_setup, cli_teardown, stopped_by_a_signal, 2);
    return util_run(s);
}
