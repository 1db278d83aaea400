/* bundle and verify: what a run states in one folder, and whether it holds. */
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"

/* The one folder that a command is about; NULL after a message. */
static const char *folder_of(const cli_args *args) {
    const char *folder = cli_args_operand(args);
    if (!folder)
        cli_error("%s: no folder given; usage: modnas %s %s", args->command->name, args->command->name,
                  args->command->usage);
    return folder;
}

static int status_of(const modnas_ctx *ctx, int rc) {
    if (rc == 0) return CLI_OK;
    cli_error_of(ctx, rc);
    return rc == MODNAS_ENOMEM || rc == MODNAS_EIO ? CLI_FAILED : CLI_USAGE;
}

int cli_bundle(const cli_args *args) {
    const modnas_bundle_opts opts = {
        .size = sizeof opts, .estim = cli_args_value(args, OPT_ESTIM), .out = cli_args_value(args, OPT_OUT)};
    const char *folder = folder_of(args);
    if (!folder) return CLI_USAGE;
    modnas_ctx *ctx = cli_new_ctx(0);
    if (!ctx) return CLI_FAILED;
    const int status = status_of(ctx, modnas_bundle(ctx, folder, &opts));
    modnas_ctx_free(ctx);
    return status;
}

/* All overrides in their order, then NULL; the caller frees it. */
static const char **overrides_of(const cli_args *args) {
    const char **all = cli_grow(NULL, (args->n + 1) * sizeof *all);
    size_t n = 0;
    for (size_t i = 0; i < args->n; i++)
        if (args->uses[i].option && args->uses[i].option->id == OPT_OVERRIDE) all[n++] = args->uses[i].value;
    all[n] = NULL;
    return all;
}

static int verify(const cli_args *args, modnas_ctx *ctx, const char *folder, const modnas_verify_opts *opts) {
    char *text = NULL;
    int32_t holds = 0;
    const int rc = cli_args_value(args, OPT_JSON) ? modnas_verify_json(ctx, folder, opts, &text, &holds)
                                                  : modnas_verify_text(ctx, folder, opts, &text, &holds);
    if (rc != 0) return status_of(ctx, rc);
    fputs(text, stdout);
    modnas_string_free(ctx, text);
    return holds ? CLI_OK : CLI_FAILED;
}

int cli_verify(const cli_args *args) {
    const char *folder = folder_of(args);
    if (!folder) return CLI_USAGE;
    modnas_ctx *ctx = cli_new_ctx(0);
    if (!ctx) return CLI_FAILED;
    const char **overrides = overrides_of(args);
    const modnas_verify_opts opts = {.size = sizeof opts, .overrides = overrides};
    const int status = verify(args, ctx, folder, &opts);
    free(overrides);
    modnas_ctx_free(ctx);
    return status;
}
