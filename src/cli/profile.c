/* The command profile: a table of latencies, measured here or on another device. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static int write_jobs(const char *dir, const char *text) {
    const size_t n = strlen(dir);
    char *path = cli_grow(NULL, n + 10);
    memcpy(path, dir, n);
    memcpy(path + n, "/jobs.tsv", 10);
    const int status = cli_write_file(path, text);
    free(path);
    return status;
}

static int read_opts(const cli_args *args, modnas_profile_opts *o) {
    const char *runs = cli_args_value(args, OPT_RUNS), *check = cli_args_value(args, OPT_CHECK);
    o->measured = cli_args_value(args, OPT_IMPORT);
    o->jobs_dir = cli_args_value(args, OPT_EMIT);
    o->list_jobs = o->jobs_dir != NULL;
    if (check && cli_parse_sizes(check, &o->check_nets, 1) != 0) {
        cli_error("profile: --check %s is not a positive number of networks", check);
        return CLI_USAGE;
    }
    if (o->list_jobs && (o->measured || cli_args_value(args, OPT_OUT))) {
        cli_error("profile: --emit writes DIR/jobs.tsv: neither --import nor --out goes with it");
        return CLI_USAGE;
    }
    if (runs && cli_parse_sizes(runs, &o->runs, 1) != 0) {
        cli_error("profile: --runs %s is not a positive number", runs);
        return CLI_USAGE;
    }
    return cli_read_sizes(args, o->input, &o->batch);
}

/* The table of networks into --out, where that is given; what comes of it is left to print. */
static int check_table(const cli_args *args, modnas_ctx *ctx, modnas_config *cfg, char **text) {
    modnas_profile_opts opts = {.size = sizeof opts};
    const char *out = cli_args_value(args, OPT_OUT);
    char *table = NULL;
    if (read_opts(args, &opts) != CLI_OK) return CLI_USAGE;
    const int rc = modnas_profile_check(cfg, &opts, opts.check_nets, &table, text);
    if (rc != 0) return rc;
    const int status = out ? cli_write_file(out, table) : CLI_OK;
    modnas_string_free(ctx, table);
    if (status != CLI_OK) modnas_string_free(ctx, *text);
    return status;
}

static int show_profile(const cli_args *args, modnas_ctx *ctx, modnas_config *cfg, char **text) {
    modnas_profile_opts opts = {.size = sizeof opts};
    const char *out = cli_args_value(args, OPT_OUT), *dir = cli_args_value(args, OPT_EMIT);
    if (cli_args_value(args, OPT_CHECK) && !dir) return check_table(args, ctx, cfg, text);
    if (read_opts(args, &opts) != CLI_OK) return CLI_USAGE;
    const int rc = modnas_profile(cfg, &opts, text);
    if (rc != 0 || (!out && !dir)) return rc;
    const int status = dir ? write_jobs(dir, *text) : cli_write_file(out, *text);
    if (status == CLI_OK)
        **text = 0; /* nothing is left to print */
    else
        modnas_string_free(ctx, *text);
    return status;
}

int cli_profile(const cli_args *args) {
    return cli_show_config(args, show_profile);
}
