/* modnas run: a configuration to its end, with progress, and with Ctrl-C and SIGTERM taken as a wish to stop tidily.
 *
 * The first signal asks the library to stop at the next step: weights and the best architecture so far are saved, and
 * the status is 130. A second one ends the process at once. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "progress.h"
#include "summary.h"

static _Atomic(modnas_ctx *) running;
static atomic_int n_signals;

static void on_signal(int signal_number) {
    (void)signal_number;
    if (atomic_fetch_add(&n_signals, 1) > 0) _exit(CLI_INTERRUPTED);
    modnas_cancel(atomic_load(&running));
}

/* Taken even where the shell set the signals to be ignored, as it does for background jobs: who sends one by hand means
 * it. */
static void take_signals(modnas_ctx *ctx) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    atomic_store(&running, ctx);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* What is found wrong before anything was written is the caller's to mend: usage, configuration, input. */
static int exit_status(int rc, int started) {
    if (rc == 0) return CLI_OK;
    if (rc == MODNAS_ECANCELED) return CLI_INTERRUPTED;
    return started || rc == MODNAS_ENOMEM ? CLI_FAILED : CLI_USAGE;
}

static int run_config(modnas_ctx *ctx, modnas_config *cfg, int quiet, int resume) {
    modnas_run_opts opts = {.size = sizeof opts, .progress = progress_step, .resume = resume};
    int32_t started = 0;
    char *results = NULL;
    const int rc = modnas_run(cfg, &opts, &started, &results);
    if (results) progress_end();
    if (!quiet) summary_print(ctx, cfg, results); /* also of a run that was stopped */
    if (rc == MODNAS_ECANCELED && !quiet)
        cli_error(started ? "interrupted; what was found so far is saved, --resume goes on" : "interrupted");
    else if (rc != 0 && rc != MODNAS_ECANCELED)
        cli_error_of(ctx, rc);
    modnas_string_free(ctx, results);
    return exit_status(rc, started);
}

int cli_run(const cli_args *args) {
    const int quiet = cli_args_value(args, OPT_QUIET) != NULL;
    modnas_ctx_opts opts = {.size = sizeof opts, .log_fn = progress_log, .log_level = MODNAS_LOG_INFO};
    modnas_ctx *ctx = NULL;
    modnas_config *cfg = NULL;
    progress_start(quiet);
    int rc = modnas_ctx_new(&opts, &ctx), status = CLI_FAILED;
    if (rc == 0) rc = modnas_config_new(ctx, &cfg);
    if (rc != 0) {
        cli_error_of(ctx, rc);
    } else if ((status = cli_args_config(args, ctx, cfg)) == CLI_OK) {
        take_signals(ctx);
        status = run_config(ctx, cfg, quiet, cli_args_value(args, OPT_RESUME) != NULL);
    }
    atomic_store(&running, NULL);
    modnas_config_free(cfg);
    modnas_ctx_free(ctx);
    return status;
}
