/* inspect: each file is looked at by itself; the status tells whether all of them are valid. */
#include <stdio.h>
#include <string.h>

#include "cli.h"

static int inspect_one(modnas_ctx *ctx, const char *file, const modnas_inspect_opts *opts, int json) {
    char *text = NULL;
    int32_t valid = 0;
    if (strcmp(file, "-") == 0) file = "/dev/stdin";
    const int rc = json ? modnas_inspect_json(ctx, file, opts, &text, &valid)
                        : modnas_inspect_text(ctx, file, opts, &text, &valid);
    if (rc != 0) {
        cli_error_of(ctx, rc);
        return rc == MODNAS_ENOMEM ? CLI_FAILED : CLI_USAGE;
    }
    fputs(text, stdout);
    modnas_string_free(ctx, text);
    return valid ? CLI_OK : CLI_USAGE;
}

int cli_inspect(const cli_args *args) {
    const modnas_inspect_opts opts = {.size = sizeof opts, .as = cli_args_value(args, OPT_AS)};
    const int json = cli_args_value(args, OPT_JSON) != NULL;
    if (!cli_args_operand(args)) {
        cli_error("inspect: no file given; usage: modnas inspect %s", args->command->usage);
        return CLI_USAGE;
    }
    modnas_ctx *ctx = cli_new_ctx(0);
    if (!ctx) return CLI_FAILED;
    int status = CLI_OK;
    for (size_t i = 0; i < args->n && status != CLI_FAILED; i++) {
        if (args->uses[i].option) continue;
        const int one = inspect_one(ctx, args->uses[i].value, &opts, json);
        if (one != CLI_OK) status = one;
    }
    modnas_ctx_free(ctx);
    return status;
}
