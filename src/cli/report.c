/* The command report: a page of what a run left in its folder, into a file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* FOLDER/outputs/report.html; the caller frees it. */
static char *default_path(const char *folder) {
    static const char end[] = "/outputs/report.html";
    const size_t n = strlen(folder);
    char *path = cli_grow(NULL, n + sizeof end);
    memcpy(path, folder, n);
    memcpy(path + n, end, sizeof end);
    return path;
}

static int write_page(const cli_args *args, const char *folder, const char *html) {
    char *path = default_path(folder);
    const char *out = cli_args_value(args, OPT_OUT);
    const int status = cli_write_file(out ? out : path, html);
    if (status == CLI_OK && !cli_args_value(args, OPT_QUIET)) printf("report        %s\n", out ? out : path);
    free(path);
    return status;
}

int cli_report(const cli_args *args) {
    const modnas_report_opts opts = {.size = sizeof opts, .latency_table = cli_args_value(args, OPT_LATENCY_TABLE)};
    const char *folder = cli_args_operand(args);
    char *html = NULL;
    if (!folder) {
        cli_error("report: no folder given; usage: modnas report %s", args->command->usage);
        return CLI_USAGE;
    }
    modnas_ctx *ctx = cli_new_ctx(cli_args_value(args, OPT_QUIET) != NULL);
    if (!ctx) return CLI_FAILED;
    const int rc = modnas_report(ctx, folder, &opts, &html);
    int status = rc == MODNAS_ENOMEM ? CLI_FAILED : CLI_USAGE;
    if (rc)
        cli_error_of(ctx, rc);
    else
        status = write_page(args, folder, html);
    modnas_string_free(ctx, html);
    modnas_ctx_free(ctx);
    return status;
}
