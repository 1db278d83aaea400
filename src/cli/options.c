/* The command line: one table of options, and what a configuration is made of it.
 *
 * -x VALUE, -xVALUE, --name VALUE and --name=VALUE are the same; "--" ends the options; -c takes every word up to the
 * next option. Flags become the top-level key of the same name, as text unless the table says that they are YAML. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const cli_option options[] = {
    {OPT_CONFIG, 'c', "config", "FILE ...", CMD_WITH_CONFIG, NULL, 0,
     "YAML files, later ones win; - is standard input"},
    {OPT_NAME, 'n', "name", "NAME", CMD_WITH_CONFIG, "name", 0, "name of the experiment: its folder is exp/NAME"},
    {OPT_CHKPT, 'p', "chkpt", "FILE", CMD_WITH_CONFIG, "chkpt", 0, "weights to start from"},
    {OPT_ROUTINE, 'r', "routine", "SECTION", CMD_WITH_CONFIG, "routine", 0,
     "section of the configuration to apply, as search"},
    {OPT_OVERRIDE, 'o', "override", "KEY=VALUE", CMD_WITH_CONFIG | CMD_VERIFY, NULL, 1,
     "set a.b.c=value over everything else; repeatable"},
    {OPT_BACKEND, 'b', "backend", "NAME", CMD_WITH_CONFIG, "backend", 0, "auto, ref, dnnl, cudnn or none"},
    {OPT_DEVICE, 'd', "device_ids", "DEVICE", CMD_WITH_CONFIG, "device_ids", 1, "device of the backend: cpu, all, 0"},
    {OPT_ARCH, 'g', "arch_desc", "ARCH", CMD_WITH_CONFIG, "arch_desc", 0, "architecture to build: a file or YAML text"},
    {OPT_SEED, 0, "seed", "N", CMD_WITH_CONFIG, "seed", 1, "of all random numbers"},
    {OPT_INPUT, 0, "input", "CxHxW", CMD_DESCRIBE | CMD_PROFILE, NULL, 0, "input size to count or time for; default: the model's own"},
    {OPT_BATCH, 0, "batch", "N", CMD_DESCRIBE | CMD_PROFILE | CMD_EXPORT, NULL, 0,
     "images to plan memory for (default: the configuration's), to time (default: 1), that an .onnx file takes (default: any number)"},
    {OPT_OUT, 0, "out", "PATH", CMD_PROFILE | CMD_BUNDLE | CMD_REPORT | CMD_EXPORT, NULL, 0,
     "where it goes; default: standard output for a table, EXP/bundle for a bundle, EXP/outputs/report.html for a report; "
     "the network's ending says how: .safetensors, .onnx"},
    {OPT_CALIBRATE, 0, "calibrate", "MODE", CMD_EXPORT, NULL, 0,
     "statistics of batch norm anew from training data: pooled, average, ema; or none. Default: pooled out of a supernet"},
    {OPT_BATCHES, 0, "batches", "N", CMD_EXPORT, NULL, 0, "training batches to take statistics from; default: 100"},
    {OPT_OPSET, 0, "opset", "N", CMD_EXPORT, NULL, 0, ".onnx: of its operators, 13 to 21; default: 17"},
    {OPT_BYTES, 0, "bytes", NULL, CMD_EXPORT, NULL, 0, ".onnx: it takes pixels as bytes 0..255; default: floats"},
    {OPT_CHANNELS_LAST, 0, "channels-last", NULL, CMD_EXPORT, NULL, 0, ".onnx: it takes images as (N, H, W, C)"},
    {OPT_KEEP_BATCH_NORM, 0, "keep-batch-norm", NULL, CMD_EXPORT, NULL, 0, ".onnx: batch norm is not put into convolutions"},
    {OPT_CUSTOM_OPS, 0, "custom-ops", NULL, CMD_EXPORT, NULL, 0,
     ".onnx: what it has no operator for becomes a node of domain modnas; default: refused"},
    {OPT_LATENCY_TABLE, 0, "latency-table", "FILE", CMD_REPORT, NULL, 0,
     "table of latencies to hold against what the run measured"},
    {OPT_EMIT, 0, "emit", "DIR", CMD_PROFILE, NULL, 0, "time nothing: write DIR/jobs.tsv and an ONNX file a job, what another device is to time"},
    {OPT_IMPORT, 0, "import", "FILE", CMD_PROFILE, NULL, 0, "time nothing: make the table of what that device measured"},
    {OPT_RUNS, 0, "runs", "N", CMD_PROFILE, NULL, 0, "passes that each time is the median of; default: 50"},
    {OPT_CHECK, 0, "check", "N", CMD_PROFILE, NULL, 0,
     "time N random networks whole, print how the table predicts them; --out then takes a line a network. With --emit: ONNX files of them, too"},
    {OPT_ESTIM, 0, "estim", "NAME", CMD_BUNDLE, NULL, 0, "the estimator whose network it is; default: the last"},
    {OPT_JSON, 0, "json", NULL, CMD_DESCRIBE | CMD_LIST | CMD_DEVICES | CMD_INSPECT | CMD_VERIFY, NULL, 0, "print JSON"},
    {OPT_DRAW, 0, "draw", "FILE", CMD_DESCRIBE, NULL, 0,
     "draw the network too: FILE.dot for Graphviz and, if its program dot is there, FILE.svg, .png or .pdf, whichever FILE ends with"},
    {OPT_RAW, 0, "raw", NULL, CMD_CONFIG, NULL, 0,
     "each document of one file as it is, one JSON a line; nothing is merged or checked"},
    {OPT_AS, 0, "as", "TYPE", CMD_INSPECT, NULL, 0,
     "idx, cifar10, gzip, zlib, deflate, yaml, arch, table, chkpt or onnx; default: found out"},
    {OPT_RESUME, 0, "resume", NULL, CMD_RUN, NULL, 0,
     "go on from the newest good checkpoint in the experiment's folder"},
    {OPT_QUIET, 0, "quiet", NULL, CMD_WITH_CONFIG | CMD_REPORT, NULL, 0, "print errors only; no progress, no log, no table"},
    {OPT_HELP, 'h', "help", NULL, CMD_ALL, NULL, 0, "this text"},
};
enum { N_OPTIONS = sizeof(options) / sizeof(options[0]) };

void cli_options_print(int command) {
    printf("\nOptions:\n");
    for (const cli_option *o = options; o < options + N_OPTIONS; o++) {
        char left[64];
        if (!(o->commands & command)) continue;
        snprintf(left, sizeof left, "%c%c%s--%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
                 o->letter ? ", " : "  ", o->name, o->value ? " " : "", o->value ? o->value : "");
        printf("  %-28s %s\n", left, o->text);
    }
}

/* ---- reading --------------------------------------------------------------------------------------------- */

static int same_name(const char *a, const char *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const char x = a[i] == '-' ? '_' : a[i], y = b[i] == '-' ? '_' : b[i];
        if (x != y || !y) return 0;
    }
    return b[n] == 0;
}

/* `word` without its dashes, n bytes of it the name. */
static const cli_option *find_option(const char *word, size_t n, int is_long) {
    for (const cli_option *o = options; o < options + N_OPTIONS; o++) {
        if (is_long ? same_name(word, o->name, n) : o->letter == word[0]) return o;
    }
    return NULL;
}

static int unknown_option(const cli_command *command, const char *word, size_t n) {
    const char *names[N_OPTIONS], *near = NULL;
    char name[64];
    size_t count = 0;
    for (const cli_option *o = options; o < options + N_OPTIONS; o++)
        if (o->commands & command->id) names[count++] = o->name;
    if (word[1] == '-' && n > 2) {
        snprintf(name, sizeof name, "%.*s", (int)(n - 2), word + 2);
        near = cli_suggest(name, names, count);
    }
    if (near)
        cli_error("%s: no option '%.*s'; did you mean '--%s'?", command->name, (int)n, word, near);
    else
        cli_error("%s: no option '%.*s'; 'modnas %s --help' lists them", command->name, (int)n, word, command->name);
    return CLI_USAGE;
}

static void add_use(cli_args *args, const cli_option *option, const char *value) {
    args->uses = cli_grow(args->uses, (args->n + 1) * sizeof *args->uses);
    args->uses[args->n++] = (cli_use){option, value};
}

static int is_option(const char *word) {
    return word[0] == '-' && word[1];
}

/* One option at argv[i]; *i moves to the last word taken. */
static int read_option(cli_args *args, int argc, char **argv, int *i) {
    const char *word = argv[*i], *equals = strchr(word, '=');
    const int is_long = word[1] == '-';
    const size_t n = is_long ? (equals ? (size_t)(equals - word) : strlen(word)) : 2;
    const cli_option *o = find_option(word + 1 + is_long, n - 1 - (size_t)is_long, is_long);
    if (!o || !(o->commands & args->command->id)) return unknown_option(args->command, word, n);
    const char *value = is_long ? (equals ? equals + 1 : NULL) : word[2] ? word + 2 : NULL;
    if (!o->value) {
        if (value) {
            cli_error("%s: option '%.*s' takes no value", args->command->name, (int)n, word);
            return CLI_USAGE;
        }
        add_use(args, o, "");
        return CLI_OK;
    }
    if (!value) {
        if (*i + 1 >= argc || (o->id == OPT_CONFIG && is_option(argv[*i + 1]))) {
            cli_error("%s: option '%s' wants a value: %s", args->command->name, word, o->value);
            return CLI_USAGE;
        }
        value = argv[++*i];
    }
    add_use(args, o, value);
    while (o->id == OPT_CONFIG && *i + 1 < argc && !is_option(argv[*i + 1])) add_use(args, o, argv[++*i]);
    return CLI_OK;
}

int cli_args_read(const cli_command *command, int argc, char **argv, cli_args *out) {
    int operands = 0, options_end = 0;
    *out = (cli_args){command, NULL, 0};
    for (int i = 0; i < argc; i++) {
        if (!options_end && strcmp(argv[i], "--") == 0) {
            options_end = 1;
        } else if (!options_end && is_option(argv[i])) {
            if (read_option(out, argc, argv, &i) != CLI_OK) return CLI_USAGE;
        } else if (operands++ < command->operands) {
            add_use(out, NULL, argv[i]);
        } else {
            cli_error("%s: '%s' is one word too many; usage: modnas %s %s", command->name, argv[i], command->name,
                      command->usage);
            return CLI_USAGE;
        }
    }
    return CLI_OK;
}

void cli_args_free(cli_args *args) {
    free(args->uses);
}

const char *cli_args_value(const cli_args *args, int option) {
    const char *value = NULL;
    for (size_t i = 0; i < args->n; i++)
        if (args->uses[i].option && args->uses[i].option->id == option) value = args->uses[i].value;
    return value;
}

const char *cli_args_operand(const cli_args *args) {
    for (size_t i = 0; i < args->n; i++)
        if (!args->uses[i].option) return args->uses[i].value;
    return NULL;
}

/* ---- a configuration ------------------------------------------------------------------------------------- */

int cli_read_stdin(char **text, size_t *bytes) {
    size_t n = 0, got;
    char *read = NULL;
    do {
        read = cli_grow(read, n + 65536);
        got = fread(read + n, 1, 65536, stdin);
        n += got;
    } while (got > 0);
    if (ferror(stdin)) {
        cli_error("-: standard input: %s", strerror(errno));
        free(read);
        return CLI_USAGE;
    }
    *text = read;
    *bytes = n;
    return CLI_OK;
}

static int add_stdin(modnas_ctx *ctx, modnas_config *cfg) {
    char *text;
    size_t n;
    if (cli_read_stdin(&text, &n) != CLI_OK) return CLI_USAGE;
    const int rc = modnas_config_add_text(cfg, text, n, "-");
    if (rc != 0) cli_error_of(ctx, rc);
    free(text);
    return rc != 0 ? CLI_USAGE : CLI_OK;
}

static int apply_use(const cli_use *u, modnas_ctx *ctx, modnas_config *cfg) {
    int rc = 0;
    if (u->option->id == OPT_CONFIG && strcmp(u->value, "-") == 0) return add_stdin(ctx, cfg);
    if (u->option->id == OPT_CONFIG) {
        rc = modnas_config_add_file(cfg, u->value);
    } else if (u->option->id == OPT_OVERRIDE) {
        rc = modnas_config_override(cfg, u->value);
    } else if (u->option->key && u->option->plain) {
        rc = modnas_config_set(cfg, u->option->key, u->value);
    } else if (u->option->key) {
        char *quoted = cli_quote(u->value);
        rc = modnas_config_set(cfg, u->option->key, quoted);
        free(quoted);
    }
    if (rc == 0) return CLI_OK;
    cli_error_of(ctx, rc);
    return CLI_USAGE;
}

int cli_args_config(const cli_args *args, modnas_ctx *ctx, modnas_config *cfg) {
    if (!cli_args_value(args, OPT_CONFIG)) {
        cli_error("%s: no configuration given; usage: modnas %s %s", args->command->name, args->command->name,
                  args->command->usage);
        return CLI_USAGE;
    }
    for (size_t i = 0; i < args->n; i++)
        if (args->uses[i].option && apply_use(&args->uses[i], ctx, cfg) != CLI_OK) return CLI_USAGE;
    return CLI_OK;
}
