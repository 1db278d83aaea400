/* The commands that only look: list, describe, devices, config, version. Each asks the library for text, or for JSON,
 * and prints it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "progress.h"

static int print_text(modnas_ctx *ctx, int rc, char *text) {
    if (rc != 0) {
        cli_error_of(ctx, rc);
        return rc == MODNAS_ENOMEM ? CLI_FAILED : CLI_USAGE;
    }
    const size_t n = strlen(text);
    fputs(text, stdout);
    if (n && text[n - 1] != '\n') putchar('\n');
    modnas_string_free(ctx, text);
    return CLI_OK;
}

modnas_ctx *cli_new_ctx(int quiet) {
    modnas_ctx_opts opts = {.size = sizeof opts, .log_fn = progress_log, .log_level = MODNAS_LOG_WARN};
    modnas_ctx *ctx = NULL;
    progress_start(quiet);
    const int rc = modnas_ctx_new(&opts, &ctx);
    if (rc != 0) cli_error_of(NULL, rc);
    return ctx;
}

int cli_list(const cli_args *args) {
    char *text = NULL;
    modnas_ctx *ctx = cli_new_ctx(0);
    if (!ctx) return CLI_FAILED;
    const char *kind = cli_args_operand(args);
    const int rc =
        cli_args_value(args, OPT_JSON) ? modnas_list_json(ctx, kind, &text) : modnas_list_text(ctx, kind, &text);
    const int status = print_text(ctx, rc, text);
    modnas_ctx_free(ctx);
    return status;
}

int cli_devices(const cli_args *args) {
    char *text = NULL;
    modnas_ctx *ctx = cli_new_ctx(0);
    if (!ctx) return CLI_FAILED;
    const int rc = cli_args_value(args, OPT_JSON) ? modnas_devices_json(ctx, &text) : modnas_devices_text(ctx, &text);
    const int status = print_text(ctx, rc, text);
    modnas_ctx_free(ctx);
    return status;
}

int cli_version(const cli_args *args) {
    (void)args;
    printf("modnas %s\n", modnas_version());
    if (strcmp(modnas_version(), MODNAS_VERSION_STRING) != 0)
        printf("built with the headers of %s\n", MODNAS_VERSION_STRING);
    return CLI_OK;
}

int cli_show_config(const cli_args *args, cli_show_fn show) {
    char *text = NULL;
    modnas_config *cfg = NULL;
    modnas_ctx *ctx = cli_new_ctx(cli_args_value(args, OPT_QUIET) != NULL);
    if (!ctx) return CLI_FAILED;
    int rc = modnas_config_new(ctx, &cfg), status = CLI_FAILED;
    if (rc != 0)
        cli_error_of(ctx, rc);
    else if ((status = cli_args_config(args, ctx, cfg)) == CLI_OK && (rc = show(args, ctx, cfg, &text)) <= 0)
        status = print_text(ctx, rc, text);
    else if (status == CLI_OK)
        status = rc;
    modnas_config_free(cfg);
    modnas_ctx_free(ctx);
    return status;
}

static int show_json(const cli_args *args, modnas_ctx *ctx, modnas_config *cfg, char **text) {
    (void)args;
    (void)ctx;
    return modnas_config_json(cfg, text);
}

/* The one file of --raw; NULL after a message. */
static const char *raw_file(const cli_args *args) {
    const char *file = NULL;
    for (size_t i = 0; i < args->n; i++) {
        const cli_option *o = args->uses[i].option;
        if (o->id == OPT_RAW || o->id == OPT_QUIET) continue;
        if (o->id != OPT_CONFIG || file) {
            cli_error("config: --raw takes one -c FILE and no other option; here is --%s %s", o->name,
                      args->uses[i].value);
            return NULL;
        }
        file = args->uses[i].value;
    }
    if (!file) cli_error("config: no file given; usage: modnas config -c FILE --raw");
    return file;
}

static int config_raw(const cli_args *args) {
    char *text = NULL, *yaml = NULL;
    size_t bytes = 0;
    int rc = 0;
    const char *file = raw_file(args);
    if (!file || (strcmp(file, "-") == 0 && cli_read_stdin(&yaml, &bytes) != CLI_OK)) return CLI_USAGE;
    modnas_ctx *ctx = cli_new_ctx(0);
    if (!ctx) return CLI_FAILED;
    rc = yaml ? modnas_config_raw_text(ctx, yaml, bytes, "-", &text) : modnas_config_raw_file(ctx, file, &text);
    const int status = print_text(ctx, rc, text);
    free(yaml);
    modnas_ctx_free(ctx);
    return status;
}

int cli_config(const cli_args *args) {
    return cli_args_value(args, OPT_RAW) ? config_raw(args) : cli_show_config(args, show_json);
}

int cli_parse_sizes(const char *text, int32_t *out, int n) {
    for (int i = 0; i < n; i++) {
        char *end;
        const long value = strtol(text, &end, 10);
        const char want = i + 1 < n ? 'x' : 0;
        if (end == text || *text < '0' || *text > '9' || value < 1 || value > INT32_MAX || *end != want) return -1;
        out[i] = (int32_t)value;
        text = end + 1;
    }
    return 0;
}

int cli_read_sizes(const cli_args *args, int32_t input[3], int32_t *batch) {
    const char *sizes = cli_args_value(args, OPT_INPUT), *images = cli_args_value(args, OPT_BATCH),
               *name = args->command->name;
    if (sizes && cli_parse_sizes(sizes, input, 3) != 0) {
        cli_error("%s: --input %s is not channels x height x width, as in 3x32x32", name, sizes);
        return CLI_USAGE;
    }
    if (images && cli_parse_sizes(images, batch, 1) != 0) {
        cli_error("%s: --batch %s is not a positive number", name, images);
        return CLI_USAGE;
    }
    return CLI_OK;
}

static int show_description(const cli_args *args, modnas_ctx *ctx, modnas_config *cfg, char **text) {
    modnas_describe_opts opts = {.size = sizeof opts};
    const char *drawing = cli_args_value(args, OPT_DRAW);
    if (cli_read_sizes(args, opts.input, &opts.batch) != CLI_OK) return CLI_USAGE;
    const int status = drawing ? cli_draw(drawing, ctx, cfg, &opts) : CLI_OK;
    if (status != CLI_OK) return status;
    return cli_args_value(args, OPT_JSON) ? modnas_describe(cfg, &opts, text) : modnas_describe_text(cfg, &opts, text);
}

int cli_describe(const cli_args *args) {
    return cli_show_config(args, show_description);
}
