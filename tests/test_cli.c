/* The command line of `modnas`: help, wrong usage, and the commands that only look. Statuses are those of the README.
 */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "modnas/version.h"
#include "util_cli.h"
#include "util_host.h"

static util_cli cli;

static void start(void) {
    util_cli_new(&cli);
}
static void stop(void) {
    util_cli_free(&cli);
}

/* Status, and what must be in standard output or error. */
static void expect(const char *words, int status, const char *in_out, const char *in_err) {
    ck_assert_msg(util_cli_run(&cli, words) == status, "modnas %s: status %d, not %d: %s", words, cli.status, status,
                  cli.err);
    if (in_out) ck_assert_msg(strstr(cli.out, in_out), "modnas %s: no '%s' in: %s", words, in_out, cli.out);
    if (in_err) ck_assert_msg(strstr(cli.err, in_err), "modnas %s: no '%s' in: %s", words, in_err, cli.err);
}

static const char *const commands[] = {"run", "describe", "config", "profile", "report", "inspect", "bundle", "verify", "list", "devices", "version"};

START_TEST(help_names_every_command) {
    expect("help", 0, "Usage: modnas COMMAND", NULL);
    for (size_t i = 0; i < MN_COUNT(commands); i++) ck_assert_ptr_nonnull(strstr(cli.out, commands[i]));
    ck_assert_str_eq(cli.err, "");
    expect("--help", 0, "Usage: modnas COMMAND", NULL);
    expect("-h", 0, "Usage: modnas COMMAND", NULL);
}
END_TEST

START_TEST(help_of_a_command) {
    char words[64];
    static const char *const forms[][2] = {{"help ", ""}, {"", " --help"}, {"", " -h"}};
    for (size_t i = 0; i < MN_COUNT(commands) * MN_COUNT(forms); i++) {
        const char *const *form = forms[i % MN_COUNT(forms)], *command = commands[i / MN_COUNT(forms)];
        snprintf(words, sizeof words, "%s%s%s", form[0], command, form[1]);
        expect(words, 0, "Usage: modnas ", NULL);
        ck_assert_ptr_nonnull(strstr(cli.out, command));
    }
    expect("help run", 0, "--override KEY=VALUE", NULL);
    expect("help describe", 0, "--input CxHxW", NULL);
    expect("help list", 0, "--json", NULL);
    ck_assert_ptr_null(strstr(cli.out, "--seed"));
}
END_TEST

START_TEST(no_command) {
    expect("help nothing", 2, NULL, "no command 'nothing'");
    expect("rnu", 2, NULL, "no command 'rnu'; did you mean 'run'?");
    expect("descrbe", 2, NULL, "did you mean 'describe'?");
    expect("xyzzy", 2, NULL, "'modnas help' lists them");
    ck_assert_str_eq(cli.out, "");
}
END_TEST

START_TEST(wrong_usage) {
    expect("run", 2, NULL, "no configuration given");
    expect("run --sed 1", 2, NULL, "no option '--sed'; did you mean '--seed'?");
    expect("run --devices 1", 2, NULL, "did you mean '--device_ids'?");
    expect("run -x", 2, NULL, "no option '-x'");
    expect("run -c", 2, NULL, "option '-c' wants a value: FILE ...");
    expect("run -c -n x", 2, NULL, "option '-c' wants a value");
    expect("run --seed", 2, NULL, "option '--seed' wants a value: N");
    expect("list --json=yes", 2, NULL, "option '--json' takes no value");
    expect("list -n x", 2, NULL, "no option '-n'");
    expect("list optim estim", 2, NULL, "'estim' is one word too many");
    expect("version 1", 2, NULL, "'1' is one word too many");
    expect("devices -- --json", 2, NULL, "'--json' is one word too many");
}
END_TEST

START_TEST(version) {
    expect("version", 0, "modnas " MODNAS_VERSION_STRING "\n", NULL);
    expect("--version", 0, "modnas " MODNAS_VERSION_STRING "\n", NULL);
}
END_TEST

/* Names of README.md and design notes that hosts and scripts depend on. */
START_TEST(list) {
    static const char *const names[] = {"CIFAR_MobileNetV2", "MB3E6",         "BinaryGateMixedOp",
                                        "BinaryGateOptim",   "SuperNetEstim", "DefaultSlotTraversalExporter",
                                        "CosineAnnealingLR", "ImageClsData",  "ImageClsTrainer"};
    expect("list", 0, NULL, NULL);
    for (size_t i = 0; i < MN_COUNT(names); i++)
        ck_assert_msg(strstr(cli.out, names[i]), "list does not name %s", names[i]);
    expect("list optim", 0, "BinaryGateOptim", NULL);
    ck_assert_ptr_null(strstr(cli.out, "SuperNetEstim"));
    expect("list --json optim", 0, "\"BinaryGateOptim\"", NULL);
    ck_assert_int_eq(cli.out[0], '[');
    ck_assert_str_eq(cli.out + strlen(cli.out) - 2, "]\n");
    expect("list optom", 2, NULL, "optim");
}
END_TEST

START_TEST(devices) {
    expect("devices", 0, "ref", NULL);
    ck_assert_ptr_nonnull(strstr(cli.out, "dnnl"));
    expect("devices --json", 0, "\"name\":\"ref\"", NULL);
}
END_TEST

/* ---- standard output that cannot be written -------------------------------------------------------------- */

static void close_stdout(void) {
    close(1);
}
static void full_stdout(void) {
    (void)!dup2(open("/dev/full", O_WRONLY), 1);
}

START_TEST(closed_output) {
    util_cli_wait(&cli, util_cli_start(&cli, "list", close_stdout));
    ck_assert_int_eq(cli.status, 1);
    ck_assert_ptr_nonnull(strstr(cli.err, "standard output"));
    if (access("/dev/full", W_OK) != 0) {
        printf("closed_output: skipped, no /dev/full here\n");
        return;
    }
    util_cli_wait(&cli, util_cli_start(&cli, "help", full_stdout));
    ck_assert_int_eq(cli.status, 1);
    ck_assert_ptr_nonnull(strstr(cli.err, "No space left on device"));
}
END_TEST

int main(void) {
    Suite *s = suite_create("cli");
    util_add(s, "usage", start, stop,
             (const TTest *[]){help_names_every_command, help_of_a_command, no_command, wrong_usage, NULL});
    util_add(s, "look", start, stop, (const TTest *[]){version, list, devices, closed_output, NULL});
    return util_run(s);
}
