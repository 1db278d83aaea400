/* The program `modnas`: what its files share. It is a host like any other: it sees the public headers and libc only.
 *
 *   main.c      finds the command            options.c   reads the command line by one table
 *   show.c      list, describe, devices,     run.c       run, signals, exit status
 *               config, version              progress.c  the progress line, log lines
 *   inspect.c   inspect                      profile.c   profile
 *   bundle.c    bundle, verify
 *   report.c    report
 *   export.c    export                       draw.c      describe --draw
 *   text.c      suggestions, quoting         summary.c   the table at the end, read from the results with json.c */
#ifndef CLI_H
#define CLI_H

#include <stddef.h>

#include <modnas/modnas.h>

enum cli_exit { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_INTERRUPTED = 130 };

enum cli_command_id {
    CMD_RUN = 1,
    CMD_DESCRIBE = 2,
    CMD_CONFIG = 4,
    CMD_LIST = 8,
    CMD_DEVICES = 16,
    CMD_VERSION = 32,
    CMD_INSPECT = 64,
    CMD_PROFILE = 128,
    CMD_BUNDLE = 1024,
    CMD_VERIFY = 2048,
    CMD_REPORT = 256,
    CMD_EXPORT = 512
};
#define CMD_WITH_CONFIG (CMD_RUN | CMD_DESCRIBE | CMD_CONFIG | CMD_PROFILE | CMD_EXPORT)
#define CMD_ALL         0x7fffffff

enum cli_option_id {
    OPT_CONFIG,
    OPT_NAME,
    OPT_CHKPT,
    OPT_ROUTINE,
    OPT_OVERRIDE,
    OPT_BACKEND,
    OPT_DEVICE,
    OPT_ARCH,
    OPT_SEED,
    OPT_INPUT,
    OPT_BATCH,
    OPT_JSON,
    OPT_DRAW,
    OPT_RAW,
    OPT_AS,
    OPT_RESUME,
    OPT_OUT,
    OPT_EMIT,
    OPT_IMPORT,
    OPT_RUNS,
    OPT_ESTIM,
    OPT_CHECK,
    OPT_LATENCY_TABLE,
    OPT_OPSET,
    OPT_BYTES,
    OPT_CHANNELS_LAST,
    OPT_KEEP_BATCH_NORM,
    OPT_CUSTOM_OPS,
    OPT_CALIBRATE,
    OPT_BATCHES,
    OPT_QUIET,
    OPT_HELP,
};

typedef struct cli_option {
    int id;
    char letter;       /* 0: none */
    const char *name;  /* long name; '-' and '_' are the same in it */
    const char *value; /* what its value is called in the help; NULL: takes none */
    int commands;      /* bits of the commands that take it */
    const char *key;   /* configuration key that it sets; NULL: none */
    int plain;         /* 1: the value is YAML as it stands; 0: it is text */
    const char *text;  /* one line */
} cli_option;

struct cli_args;
typedef struct cli_command {
    int id;
    const char *name, *usage, *text;
    int operands; /* how many it takes at most */
    int (*run)(const struct cli_args *args);
} cli_command;

/* ---- options.c ------------------------------------------------------------------------------------------- */

typedef struct cli_use { /* one option as given, or an operand: option NULL */
    const cli_option *option;
    const char *value;
} cli_use;

typedef struct cli_args {
    const cli_command *command;
    cli_use *uses; /* in the order given */
    size_t n;
} cli_args;

/* Sort argv into options and operands by the table. CLI_OK, or CLI_USAGE after a message. Freed with cli_args_free. */
int cli_args_read(const cli_command *command, int argc, char **argv, cli_args *out);
void cli_args_free(cli_args *args);
const char *cli_args_value(const cli_args *args,
                           int option);             /* of the last use; "" for one without value; NULL: not given */
const char *cli_args_operand(const cli_args *args); /* the first; NULL: none */
/* A context whose log goes to standard error; NULL after a message. */
modnas_ctx *cli_new_ctx(int quiet);
/* All of standard input; the caller frees it. CLI_OK, or CLI_USAGE after a message. */
int cli_read_stdin(char **text, size_t *bytes);
/* Files, flags and overrides into a configuration. CLI_OK, or CLI_USAGE after a message. */
int cli_args_config(const cli_args *args, modnas_ctx *ctx, modnas_config *cfg);
void cli_options_print(int command);

/* ---- show.c ---------------------------------------------------------------------------------------------- */

/* Commands on a configuration differ in one call, whose text is printed. It returns the library's status, or one of
 * cli_exit, which is positive, after a message of its own. */
typedef int (*cli_show_fn)(const cli_args *args, modnas_ctx *ctx, modnas_config *cfg, char **text);
int cli_show_config(const cli_args *args, cli_show_fn show);
/* --input and --batch, where they are given. CLI_OK, or CLI_USAGE after a message. */
int cli_read_sizes(const cli_args *args, int32_t input[3], int32_t *batch);
/* "3x32x32", or one number, into n positive numbers; -1: it is not that. */
int cli_parse_sizes(const char *text, int32_t *out, int n);

/* ---- draw.c ---------------------------------------------------------------------------------------------- */

/* The network into FILE.dot and, with Graphviz, the picture: CLI_OK, or another status after a message. */
int cli_draw(const char *file, modnas_ctx *ctx, modnas_config *cfg, const modnas_describe_opts *opts);

/* ---- text.c ---------------------------------------------------------------------------------------------- */

/* One line "modnas: ..." on standard error; clears the progress line before it. */
void cli_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* What the context says went wrong with `status`. */
void cli_error_of(const modnas_ctx *ctx, int status);
const char *cli_suggest(const char *word, const char *const *names, size_t n); /* NULL: none is near */
char *cli_quote(
    const char *text); /* as a double-quoted YAML scalar; the caller frees it; ends the program when out of memory */
/* All of the file or nothing: CLI_OK, or CLI_FAILED after a message. */
int cli_write_file(const char *path, const char *text);
void *cli_grow(void *ptr, size_t bytes); /* realloc that ends the program when out of memory */

/* ---- commands -------------------------------------------------------------------------------------------- */

extern const cli_command cli_commands[]; /* ends with a NULL name */
int cli_profile(const cli_args *args);
int cli_bundle(const cli_args *args);
int cli_verify(const cli_args *args);
int cli_report(const cli_args *args);
int cli_export(const cli_args *args);
int cli_run(const cli_args *args);
int cli_describe(const cli_args *args);
int cli_config(const cli_args *args);
int cli_inspect(const cli_args *args);
int cli_list(const cli_args *args);
int cli_devices(const cli_args *args);
int cli_version(const cli_args *args);

#endif
