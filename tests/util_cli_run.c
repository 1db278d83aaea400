/* `modnas run` on a small network (see util_cli_run.h). */
#include "util_cli_run.h"

#include <check.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

enum { N_LINES = 9, TEXT_BYTES = 4096 };

util_cli cli;

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

void cli_config(int number, const char *instead) {
    char text[TEXT_BYTES] = "";
    for (int i = 0; i < N_LINES; i++) {
        strcat(text, i + 1 == number ? instead : lines[i]);
        strcat(text, "\n");
    }
    util_cli_text(&cli, "c.yaml", text);
}

void cli_setup(void) {
    util_cli_new(&cli);
    cli_config(0, NULL);
}

void cli_teardown(void) {
    util_cli_free(&cli);
}

void cli_expect(const char *words, int status, const char *in_err) {
    ck_assert_msg(util_cli_run(&cli, words) == status, "modnas %s: status %d, not %d: %s", words, cli.status, status,
                  cli.err);
    if (in_err) ck_assert_msg(strstr(cli.err, in_err), "modnas %s: no '%s' in: %s", words, in_err, cli.err);
}

void cli_expect_file(const char *name) {
    ck_assert_msg(util_cli_exists(&cli, name), "there is no %s", name);
}

pid_t cli_start_until(const char *words, const char *name) {
    const struct timespec pause = {0, 20000000};
    const pid_t pid = util_cli_start(&cli, words, NULL);
    siginfo_t end = {.si_pid = 0};
    while (!util_cli_exists(&cli, name) && !end.si_pid) {
        nanosleep(&pause, NULL);
        ck_assert_int_eq(waitid(P_PID, (id_t)pid, &end, WEXITED | WNOHANG | WNOWAIT), 0);
    }
    cli_expect_file(name);
    return pid;
}
