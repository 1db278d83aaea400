/* The command export: the network that was found, as a file. */
#include <stdio.h>

#include "cli.h"

/* The number behind an option, if that is given. */
static int read_number(const cli_args *args, int option, const char *name, int32_t *out) {
    const char *value = cli_args_value(args, option);
    if (!value || cli_parse_sizes(value, out, 1) == 0) return CLI_OK;
    cli_error("export: --%s %s is not a positive number", name, value);
    return CLI_USAGE;
}

static modnas_onnx_opts onnx_opts(const cli_args *args) {
    return (modnas_onnx_opts){.size = sizeof(modnas_onnx_opts),
                              .bytes = cli_args_value(args, OPT_BYTES) != NULL,
                              .channels_last = cli_args_value(args, OPT_CHANNELS_LAST) != NULL,
                              .keep_batch_norm = cli_args_value(args, OPT_KEEP_BATCH_NORM) != NULL,
                              .custom_ops = cli_args_value(args, OPT_CUSTOM_OPS) != NULL};
}

static int show_export(const cli_args *args, modnas_ctx *ctx, modnas_config *cfg, char **text) {
    modnas_onnx_opts onnx = onnx_opts(args);
    modnas_export_opts opts = {.size = sizeof opts, .calibrate = cli_args_value(args, OPT_CALIBRATE), .onnx = &onnx};
    const char *out = cli_args_value(args, OPT_OUT);
    if (!out) {
        cli_error("export: --out FILE is missing: where the network goes");
        return CLI_USAGE;
    }
    if (read_number(args, OPT_BATCHES, "batches", &opts.n_batches) || read_number(args, OPT_OPSET, "opset", &onnx.opset) ||
        read_number(args, OPT_BATCH, "batch", &onnx.batch))
        return CLI_USAGE;
    const int rc = modnas_export(cfg, &opts, out, text);
    if (rc == 0 && cli_args_value(args, OPT_QUIET)) **text = 0; /* nothing is left to print */
    if (rc != MODNAS_EIO) return rc;
    cli_error_of(ctx, rc);
    return CLI_FAILED;
}

int cli_export(const cli_args *args) {
    return cli_show_config(args, show_export);
}
