/* `modnas run` from outside: exit statuses (those of the README), messages with file and line, nothing written on bad
 * input, signals, faults of the file system, and the progress line. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "util_cli.h"
#include "util_host.h"

enum { N_LINES = 9, TEXT_BYTES = 4096 };

/* One line a section, so that a test can replace one and knows the number that the message must have. */
static const char *const lines[N_LINES] = {
    "seed: 3",
    "model: {type: MobileNetV2, args: {input: [1, 8, 8], n_classes: 4, cfgs: [[0, 8, 1, 1], [1, 8, 1, 1], [6, 16, 2, "
    "2]]}}",
    "train_data: {type: RandData, args: {shape: [1, 8, 8], classes: 4, data_size: 128}}",
    "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 16, val_batch_size: 16, valid_ratio: 0.25}}",
    "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E3, MB5E3]}",
    "optim: BinaryGateOptim",
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05}}}}}",
    "estim: {warmup: {type: DefaultEstim, epochs: 1}, search: {type: SuperNetEstim, epochs: 2}}",
    "backend: ref",
};

static util_cli cli;

/* Write c.yaml with line `number` (from 1; 0: none) replaced. */
static void write_config(int number, const char *instead) {
    char text[TEXT_BYTES] = "";
    for (int i = 0; i < N_LINES; i++) {
        strcat(text, i + 1 == number ? instead : lines[i]);
        strcat(text, "\n");
    }
    util_cli_text(&cli, "c.yaml", text);
}

static void start(void) {
    util_cli_new(&cli);
    write_config(0, NULL);
}
static void stop(void) {
    util_cli_free(&cli);
}

static void expect(const char *words, int status, const char *in_err) {
    ck_assert_msg(util_cli_run(&cli, words) == status, "modnas %s: status %d, not %d: %s", words, cli.status, status,
                  cli.err);
    if (in_err) ck_assert_msg(strstr(cli.err, in_err), "modnas %s: no '%s' in: %s", words, in_err, cli.err);
}

static void expect_file(const char *name) {
    ck_assert_msg(util_cli_exists(&cli, name), "there is no %s", name);
}

/* ---- a run ------------------------------------------------------------------------------------------- */

START_TEST(writes_its_folder) {
    static const char *const files[] = {"exp/a/outputs/arch_search_best.yaml",
                                        "exp/a/outputs/config.yaml",
                                        "exp/a/outputs/history.tsv",
                                        "exp/a/outputs/results.json",
                                        "exp/a/chkpt/model_warmup_best.safetensors",
                                        "exp/a/chkpt/model_search_best.safetensors"};
    expect("run -c c.yaml -n a", 0, "Running estim: search");
    for (size_t i = 0; i < MN_COUNT(files); i++) expect_file(files[i]);
    ck_assert_ptr_nonnull(strstr(cli.out, "search found"));
    ck_assert_ptr_nonnull(strstr(cli.out, files[0]));
    ck_assert_ptr_nonnull(strstr(cli.out, files[5]));
    expect("run -c c.yaml -n b --quiet", 0, NULL);
    ck_assert_str_eq(cli.out, "");
    ck_assert_str_eq(cli.err, "");
}
END_TEST

/* What was found is trained from its file; the test set's row is in the table. */
START_TEST(trains_what_was_found) {
    expect("run -c c.yaml -n a", 0, NULL);
    util_cli_text(
        &cli, "train.yaml",
        "test_data: {type: RandData, args: {shape: [1, 8, 8], classes: 4, data_size: 32, seed: 8}}\n"
        "override: [mixed_op=null, 'estim={train: {type: DefaultEstim, epochs: 1}}', optim=null, export=null]\n");
    expect("run -c c.yaml train.yaml -n b -g exp/a/outputs/arch_search_best.yaml", 0, NULL);
    ck_assert_ptr_nonnull(strstr(cli.out, "test images"));
    ck_assert_ptr_nonnull(strstr(cli.out, "exp/b/chkpt/model_train_best.safetensors"));
}
END_TEST

START_TEST(flags) {
    expect("run -c c.yaml --name 42 --seed 0 -o estim.search.epochs=1 -oestim.warmup.epochs=2 --override=threads=1", 0,
           NULL);
    char *results = util_cli_read(&cli, "exp/42/outputs/results.json");
    ck_assert_ptr_nonnull(strstr(results, "\"seed\":0,"));
    ck_assert_ptr_nonnull(strstr(results, "\"threads\":1,"));
    ck_assert_ptr_nonnull(strstr(results, "\"search\":{\"evaluations\":1,"));
    free(results);
    expect("config -c c.yaml -b dnnl -r nothing", 2, "no section 'nothing'");
    expect("config -c c.yaml -b dnnl", 0, NULL);
    ck_assert_ptr_nonnull(strstr(cli.out, "\"backend\":\"dnnl\""));
    expect("config -c c.yaml --seed x", 2, "seed");
    expect("config -c c.yaml -o estim.search.epochs", 2, "=");
}
END_TEST

static void stdin_is_config(void) {
    (void)!dup2(open("c.yaml", O_RDONLY), 0);
}

START_TEST(configuration_from_standard_input) {
    util_cli_wait(&cli, util_cli_start(&cli, "config -c -", stdin_is_config));
    ck_assert_int_eq(cli.status, 0);
    ck_assert_ptr_nonnull(strstr(cli.out, "\"seed\":3"));
    write_config(8, "estim: {search: {type: SuperNetEstim, epoch: 2}}");
    util_cli_wait(&cli, util_cli_start(&cli, "config -c -", stdin_is_config));
    ck_assert_int_eq(cli.status, 2);
    ck_assert_ptr_nonnull(strstr(cli.err, "modnas: -:8: "));
}
END_TEST

/* 4,684,776 parameters and 472,620,800 multiply-adds: sum over the layers of MobileNetV2's GPU table at 3x224x224 with
 * 1000 classes (the published original counts the same). */
START_TEST(describe) {
    util_cli_text(
        &cli, "d.yaml",
        "model: ImageNet_MobileNetV2_GPU\nconstruct: {ops: MobileNetV2PredefinedConstructor}\nbackend: ref\n");
    expect("describe -c d.yaml", 0, NULL);
    ck_assert_ptr_nonnull(strstr(cli.out, "4,684,776"));
    ck_assert_ptr_nonnull(strstr(cli.out, "472,620,800"));
    expect("describe -c d.yaml --json --batch 2", 0, NULL);
    ck_assert_ptr_nonnull(strstr(cli.out, "\"params\":4684776,\"macs\":472620800,"));
    ck_assert_ptr_nonnull(strstr(cli.out, "\"batch\":2,"));
    expect("describe -c d.yaml --input 3x32x32 --json", 0, NULL);
    ck_assert_ptr_nonnull(strstr(cli.out, "\"input\":[3,32,32]"));
    static const char *const wrong[] = {"3x32",    "3x32x32x1", "3x0x32", "-3x32x32", "3x32x99999999999",
                                        "ax32x32", "3 x"};
    for (size_t i = 0; i < MN_COUNT(wrong); i++) {
        char words[128];
        snprintf(words, sizeof words, "describe -c d.yaml --input %s", wrong[i]);
        expect(words, 2, NULL);
    }
    expect("describe -c d.yaml --batch 0", 2, "--batch 0");
    ck_assert(!util_cli_exists(&cli, "exp"));
}
END_TEST

/* ---- bad input: status 2, file and line, nothing written ----------------------------------------------- */

static const struct {
    int line;
    const char *instead, *message;
} bad_configs[] = {
    {8, "estim: {search: {type: SuperNetEstim, epoch: 2}}", "did you mean 'epochs'?"},
    {8, "estm: {search: {type: SuperNetEstim, epochs: 2}}", "did you mean 'estim'?"},
    {8, "estim: {search: {type: SuperNetEstm, epochs: 2}}", "did you mean 'SuperNetEstim'?"},
    {8, "estim: {search: {type: SuperNetEstim, epochs: many}}", "epochs"},
    {8, "estim: {search: {type: SuperNetEstim}}", "epochs"},
    {8, "estim: {search: }", "search"},
    {8, "estim: {}", "estim"},
    {8, "estim: {../up: {type: DefaultEstim, epochs: 1}}", "../up"},
    {6, "optim: BinaryGateOptm", "did you mean 'BinaryGateOptim'?"},
    {6, "optim: {type: BinaryGateOptim, args: {n_sample: 2}}", "did you mean 'n_samples'?"},
    {4, "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: lots}}", "trn_batch_size"},
    {4, "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 0}}", "trn_batch_size"},
    {5, "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E3, NIL]}", "NIL"}, /* 8 -> 16 channels: no zeros fit */
    {5, "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E2]}", "MB3E2"},
    {5, "mixed_op: {type: BinaryGateMixedOp, candidates: []}", "candidates"},
    {2, "model: {type: MobilNetV2}", "did you mean 'MobileNetV2'?"},
    {2, "model: ", "model"},
    {7, "trainer: {default: {type: ImageClsTrainer}}", "optimizer"},
    {1, "seed: [3", "c.yaml:"},
    {1, "seed: 3\x01", "c.yaml:"},
    {3, "train_data: {type: ImageClsData, args: {dataset: mnist, root: nowhere}}", "nowhere"},
    {9, "backend: cuda", "backend"},
};

START_TEST(bad_configuration) {
    char place[32];
    write_config(bad_configs[_i].line, bad_configs[_i].instead);
    expect("run -c c.yaml -n a", 2, bad_configs[_i].message);
    const char *message = strstr(cli.err, "modnas: "); /* log lines may come before it */
    ck_assert_msg(strncmp(message, "modnas: c.yaml:", 15) == 0, "%s", message);
    ck_assert_ptr_eq(strchr(message, '\n'), message + strlen(message) - 1);
    snprintf(place, sizeof place, "modnas: c.yaml:%d: ", bad_configs[_i].line);
    /* an unclosed bracket is seen further down */
    if (bad_configs[_i].line > 1)
        ck_assert_msg(strncmp(message, place, strlen(place)) == 0, "not '%s' in: %s", place, message);
    ck_assert_str_eq(cli.out, "");
    ck_assert(!util_cli_exists(&cli, "exp"));
}
END_TEST

START_TEST(name_that_leaves) {
    static const char *const names[] = {"../x", "..", ".", "a/b", "/tmp/x", "a\\b", "a\nb"};
    for (size_t i = 0; i < MN_COUNT(names); i++) {
        char words[64];
        snprintf(words, sizeof words, "run -c c.yaml -n %s", names[i]);
        expect(words, 2, "name");
        ck_assert(!util_cli_exists(&cli, "exp"));
        ck_assert(!util_cli_exists(&cli, "x"));
    }
}
END_TEST

START_TEST(missing_files) {
    expect("run -c nothing.yaml", 2, "modnas: nothing.yaml: ");
    expect("run -c c.yaml -g nothing.yaml", 2, "nothing.yaml");
    expect("run -c c.yaml -p nothing.safetensors", 2, "nothing.safetensors");
    util_cli_text(&cli, "bad.safetensors", "not tensors");
    expect("run -c c.yaml -p bad.safetensors", 2, "bad.safetensors");
    ck_assert(!util_cli_exists(&cli, "exp"));
}
END_TEST

/* ---- image files ----------------------------------------------------------------------------------------- */

/* IDX of n images of 8x8, or of n labels 0..3; the header claims `claimed`. */
static void write_idx(const char *name, int images, int n, int claimed, int cut, int label) {
    unsigned char data[16 + 64 * 64] = {0, 0, 8, images ? 3 : 1, 0, 0, 0, (unsigned char)claimed};
    const int header = images ? 16 : 8, bytes = images ? 64 : 1;
    if (images) data[11] = data[15] = 8;
    for (int i = 0; i < n * bytes; i++) data[header + i] = (unsigned char)(images ? i * 7 : i % 4);
    if (!images) data[header] = (unsigned char)label;
    util_cli_write(&cli, name, data, (size_t)(header + n * bytes - cut));
}

START_TEST(image_files) {
    static const char images[] = "train-images-idx3-ubyte", labels[] = "train-labels-idx1-ubyte";
    write_config(3, "train_data: {type: ImageClsData, args: {dataset: mnist, root: ., augment: {shift: 1}}}");
    write_idx(images, 1, 32, 32, 0, 0);
    write_idx(labels, 0, 32, 32, 0, 0);
    util_cli_text(&cli, "ten.yaml", "override: [model.args.n_classes=10]\n");
    expect("run -c c.yaml ten.yaml -n good", 0, NULL);
    write_idx(images, 1, 32, 32, 5, 0);
    expect("run -c c.yaml ten.yaml -n a", 2, images);
    write_idx(images, 1, 31, 31, 0, 0);
    expect("run -c c.yaml ten.yaml -n a", 2, "31");
    write_idx(images, 1, 32, 32, 0, 0);
    write_idx(labels, 0, 32, 32, 0, 200);
    expect("run -c c.yaml ten.yaml -n a", 2, "200");
    util_cli_write(&cli, labels, "\x1f\x8b\x08\0\0\0\0\0\0\x03broken", 16);
    expect("run -c c.yaml ten.yaml -n a", 2, labels);
    ck_assert(!util_cli_exists(&cli, "exp/a"));
}
END_TEST

/* ---- later faults: status 1, what was saved stays ---------------------------------------------------------- */

START_TEST(loss_is_not_finite) {
    write_config(7, "trainer: {warmup: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05}}}}, "
                    "default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 1e30}}}}}");
    expect("run -c c.yaml -n a", 1, "loss");
    expect_file("exp/a/outputs/arch_warmup_best.yaml");
    expect_file("exp/a/chkpt/model_warmup_best.safetensors");
    ck_assert(!util_cli_exists(&cli, "exp/a/chkpt/model_search_best.safetensors"));
}
END_TEST

START_TEST(folder_cannot_be_written) {
    util_cli_text(&cli, "exp", "in the way");
    expect("run -c c.yaml -n a", 1, "exp");
    expect("run -c c.yaml -n a -o expman.root_dir=/proc/modnas", 1, "/proc/modnas");
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
    expect("run -c c.yaml -n a", 0, NULL);
    const size_t before = size_of(weights);
    ck_assert_uint_gt(before, 20000);
    util_cli_wait(&cli, util_cli_start(&cli, "run -c c.yaml -n a --seed 4", short_files));
    ck_assert_int_eq(cli.status, 1);
    ck_assert_msg(strstr(cli.err, "safetensors") != NULL, "%s", cli.err);
    ck_assert_uint_eq(size_of(weights), before);
    util_cli_text(&cli, "load.yaml", "chkpt: exp/a/chkpt/model_warmup_best.safetensors\n");
    expect("describe -c c.yaml load.yaml", 0, NULL); /* still whole */
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

static void wait_for(const char *name) {
    const struct timespec pause = {0, 20000000};
    for (int i = 0; i < 2000 && !util_cli_exists(&cli, name); i++) nanosleep(&pause, NULL);
    expect_file(name);
}

START_TEST(stopped_by_a_signal) {
    static const int signals[] = {SIGINT, SIGTERM};
    const pid_t pid = util_cli_start(&cli, "run -c c.yaml -n a -o estim.search.epochs=1000000", NULL);
    wait_for("exp/a/outputs/arch_search_best.yaml");
    kill(pid, signals[_i]);
    util_cli_wait(&cli, pid);
    ck_assert_int_eq(cli.status, 130);
    ck_assert_ptr_nonnull(strstr(cli.err, "interrupted"));
    expect_file("exp/a/chkpt/model_search_last.safetensors");
    char *results = util_cli_read(&cli, "exp/a/outputs/results.json");
    ck_assert_ptr_nonnull(strstr(results, "\"complete\":false"));
    free(results);
    expect("describe -c c.yaml -p exp/a/chkpt/model_search_last.safetensors", 0, NULL);
}
END_TEST

/* What was stopped goes on where it was; a search that is another one is refused with status 2. */
START_TEST(resumed) {
    static const char *const files[] = {"outputs/history.tsv", "outputs/arch_search_best.yaml"};
    expect("run -c c.yaml -n whole --quiet -o estim.search.epochs=12", 0, NULL);
    const pid_t pid = util_cli_start(&cli, "run -c c.yaml -n a -o estim.search.epochs=12", NULL);
    wait_for("exp/a/outputs/arch_search_best.yaml");
    kill(pid, SIGINT);
    util_cli_wait(&cli, pid);
    ck_assert_int_eq(cli.status, 130);
    ck_assert_ptr_nonnull(strstr(cli.err, "--resume goes on"));
    expect("run -c c.yaml -n a --resume -o estim.search.epochs=13", 2, "estim.search.epochs is 12 there and 13 here");
    expect("run -c c.yaml -n a --resume -o estim.search.epochs=12 -o threads=3", 2, "threads is 2 there and 3 here");
    expect("run -c c.yaml -n a --resume -o estim.search.epochs=12", 0, "goes on from exp/a/chkpt/state_");
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
    expect("run -c c.yaml -n b --resume --quiet", 0, NULL); /* nothing to go on from: it begins */
    expect("describe -c c.yaml --resume", 2, "--resume");
}
END_TEST

START_TEST(second_signal) {
    const pid_t pid = util_cli_start(&cli, "run -c c.yaml -n a --quiet -o estim.search.epochs=1000000", NULL);
    wait_for("exp/a/outputs/history.tsv");
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
    const pid_t pid = util_cli_start(&cli, "run -c c.yaml -n a -o estim.search.epochs=60", on_terminal);
    while (n + 1 < sizeof shown && (got = read(terminal, shown + n, sizeof shown - 1 - n)) > 0) n += (size_t)got;
    util_cli_wait(&cli, pid);
    close(terminal);
    ck_assert_int_eq(cli.status, 0);
    ck_assert_ptr_nonnull(strstr(shown, "epoch 60/60"));
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
    Suite *s = suite_create("cli_run");
    TCase *bad = tcase_create("bad"), *stopped = tcase_create("stopped");
    util_add(s, "run", start, stop,
             (const TTest *[]){writes_its_folder, trains_what_was_found, flags, configuration_from_standard_input,
                               describe, name_that_leaves, missing_files, image_files, loss_is_not_finite,
                               folder_cannot_be_written, file_cannot_grow, disk_is_full, second_signal, progress_line,
                               NULL});
    tcase_add_checked_fixture(bad, start, stop);
    tcase_add_loop_test(bad, bad_configuration, 0, (int)MN_COUNT(bad_configs));
    suite_add_tcase(s, bad);
    tcase_set_timeout(stopped, 60);
    tcase_add_checked_fixture(stopped, start, stop);
    tcase_add_loop_test(stopped, stopped_by_a_signal, 0, 2);
    tcase_add_test(stopped, resumed);
    suite_add_tcase(s, stopped);
    return util_run(s);
}
