/* The command export: the network that was found, as a file. */
#include <stdio.h>

#include "cli.h"

static int show_export(const cli_args *args, modnas_ctx *ctx, modnas_config *cfg, char **text) {
    modnas_export_opts opts = {.size = sizeof opts, .calibrate = cli_args_value(args, OPT_CALIBRATE)};
    const char *out = cli_args_value(args, OPT_OUT), *batches = cli_args_value(args, OPT_BATCHES);
    if (!out) {
        cli_error("export: --out FILE is missing: where the network goes");
        return CLI_USAGE;
    }
    if (batches && cli_parse_sizes(batches, &opts.n_batches, 1) != 0) {
        cli_error("export: --batches %s is not a positive number", batches);
        return CLI_USAGE;
    }
    const int rc = modnas_export(cfg, &opts, out, text);
    if (rc == 0 && cli_args_value(args, OPT_QUIET)) **text = 0; /* nothing is left to print */
    if (rc != MODNAS_EIO) return rc;
    cli_error_of(ctx, rc);
    return CLI_FAILED;
}

int cli_export(const cli_args *args) {
    return cli_show_config(args, show_export);
}
