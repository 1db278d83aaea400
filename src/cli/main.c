/* modnas: neural architecture search from the command line.
 *
 *   modnas COMMAND [OPTION...]     every command is a row of cli_commands, every option one of the table in options.c
 *
 * Exit status: 0 done; 2 wrong usage, configuration or input, found before anything was trained; 1 what failed later;
 * 130 interrupted. Results go to standard output, everything else to standard error. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

const cli_command cli_commands[] = {
    {CMD_RUN, "run", "-c FILE ... [OPTION...]", "search and train as a configuration says; writes exp/NAME/", 0,
     cli_run},
    {CMD_DESCRIBE, "describe", "-c FILE ... [OPTION...]",
     "build the model and train nothing: the network as a tree, parameters, multiply-adds, Slots, candidates", 0, cli_describe},
    {CMD_CONFIG, "config", "-c FILE ... [OPTION...] | -c FILE --raw", "check and merge a configuration and print it as JSON", 0,
     cli_config},
    {CMD_PROFILE, "profile", "-c FILE ... [--out FILE] [--emit DIR | --import FILE] [--check N] [OPTION...]",
     "time each candidate at each slot: a table of latencies for objective.latency_table", 0, cli_profile},
    {CMD_REPORT, "report", "EXP_DIR [--out FILE] [--latency-table FILE]",
     "a page of what a run found and how sure it is: one HTML file, EXP_DIR/outputs/report.html", 1, cli_report},
    {CMD_EXPORT, "export", "-c FILE ... -p FILE [-g ARCH] --out FILE [OPTION...]",
     "the network found, with its weights, as a file for use elsewhere", 0, cli_export},
    {CMD_INSPECT, "inspect", "FILE ... [--as TYPE] [--json]",
     "what files are and what is in them, or why they are bad", INT_MAX, cli_inspect},
    {CMD_BUNDLE, "bundle", "EXP [--out DIR] [--estim NAME]",
     "put what a run states, and all that it takes to measure it again, into one folder", 1, cli_bundle},
    {CMD_VERIFY, "verify", "BUNDLE [--json] [-o KEY=VALUE]",
     "does what a bundle states hold? files, network, data, accuracy measured again; status 1 if not", 1, cli_verify},
    {CMD_LIST, "list", "[KIND] [--json]", "every registered component, its arguments and their defaults", 1, cli_list},
    {CMD_DEVICES, "devices", "[--json]", "the backends that can be opened here, and why others cannot", 0, cli_devices},
    {CMD_VERSION, "version", "", "the version of the library", 0, cli_version},
    {0, NULL, NULL, NULL, 0, NULL},
};

static const cli_command *find_command(const char *name) {
    for (const cli_command *c = cli_commands; c->name; c++)
        if (strcmp(c->name, name) == 0) return c;
    return NULL;
}

static int unknown_command(const char *word) {
    const char *names[sizeof(cli_commands) / sizeof(cli_commands[0]) + 1];
    size_t n = 0;
    for (const cli_command *c = cli_commands; c->name; c++) names[n++] = c->name;
    names[n++] = "help";
    const char *near = cli_suggest(word, names, n);
    if (near)
        cli_error("no command '%s'; did you mean '%s'?", word, near);
    else
        cli_error("no command '%s'; 'modnas help' lists them", word);
    return CLI_USAGE;
}

static void print_commands(FILE *to) {
    fputs("modnas: neural architecture search\n\nUsage: modnas COMMAND [OPTION...]\n\nCommands:\n", to);
    for (const cli_command *c = cli_commands; c->name; c++) fprintf(to, "  %-10s %s\n", c->name, c->text);
    fprintf(to, "  %-10s %s\n", "help", "this text; 'modnas help COMMAND' or 'modnas COMMAND --help' for one command");
    fputs("\nExample: modnas run -c docs/examples/fashion_mnist_proxyless.yaml -r search -n first\n", to);
}

static int print_help(const cli_command *c) {
    if (!c) {
        print_commands(stdout);
        return CLI_OK;
    }
    printf("modnas %s: %s\n\nUsage: modnas %s%s%s\n", c->name, c->text, c->name, *c->usage ? " " : "", c->usage);
    cli_options_print(c->id);
    return CLI_OK;
}

static int help(int argc, char **argv) {
    if (argc < 1) return print_help(NULL);
    const cli_command *c = find_command(argv[0]);
    return c ? print_help(c) : unknown_command(argv[0]);
}

static int dispatch(int argc, char **argv) {
    if (argc < 2) {
        print_commands(stderr);
        return CLI_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return help(argc - 2, argv + 2);
    if (strcmp(word, "--version") == 0) word = "version";
    const cli_command *command = find_command(word);
    if (!command) return unknown_command(word);
    cli_args args;
    int status = cli_args_read(command, argc - 2, argv + 2, &args);
    if (status == CLI_OK) status = cli_args_value(&args, OPT_HELP) ? print_help(command) : command->run(&args);
    cli_args_free(&args);
    return status;
}

/* A closed standard stream would give its number to the next file that is opened, and our lines would end up in there.
 */
static void hold_streams(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) (void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

/* Threads of the kernels wait for each other some hundred times a step. libgomp lets them spin for milliseconds; with another program
 * on the same cores the one that is waited for then does not get to run. A short spin costs nothing on an idle machine and makes a
 * busy one several times faster. What the user has set stays. Only a program may do this: the library never does. */
static void wait_briefly(void) {
    if (!getenv("OMP_WAIT_POLICY")) setenv("GOMP_SPINCOUNT", "5000", 0);
}

int main(int argc, char **argv) {
    hold_streams();
    wait_briefly();
    signal(SIGPIPE, SIG_IGN); /* a reader that went away must not end a run; the write says so */
    int status = dispatch(argc, argv);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == CLI_OK) {
        if (errno != EPIPE) cli_error("standard output: %s", strerror(errno));
        status = CLI_FAILED;
    }
    return status;
}
