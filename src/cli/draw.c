/* describe --draw: the network as a file for Graphviz, and as a picture if its program `dot` is there. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "cli.h"

extern char **environ;

/* One of the kinds of pictures that `file` ends with, or "dot"; NULL: none. */
static const char *kind_of(const char *file) {
    static const char *const kinds[] = {"dot", "svg", "png", "pdf"};
    const char *end = strrchr(file, '.');
    for (size_t i = 0; end && end != file && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(end + 1, kinds[i]) == 0) return kinds[i];
    return NULL;
}

/* `file` with another ending of three letters; the caller frees it. */
static char *with_ending(const char *file, const char *ending) {
    const size_t n = strlen(file);
    char *other = cli_grow(NULL, n + 1);
    memcpy(other, file, n + 1);
    memcpy(other + n - 3, ending, 3);
    return other;
}

/* The picture of a file; where `dot` is missing a line says so, and that is all. */
static int run_dot(const char *kind, const char *picture, const char *file) {
    char flag[8];
    snprintf(flag, sizeof flag, "-T%s", kind);
    char *argv[] = {"dot", flag, "-o", (char *)(size_t)picture, (char *)(size_t)file, NULL};
    pid_t pid;
    int status = 0;
    const int rc = posix_spawnp(&pid, "dot", NULL, NULL, argv, environ);
    if (rc == ENOENT) {
        fprintf(stderr, "modnas: %s is written; the program dot of Graphviz, which makes a picture of it, is not there\n", file);
        return CLI_OK;
    }
    if (rc == 0)
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    if (rc == 0 && status == 0) {
        fprintf(stderr, "modnas: %s and %s are written\n", file, picture);
        return CLI_OK;
    }
    cli_error("describe: %s is written, but dot made no %s of it%s%s", file, picture, rc ? ": " : "", rc ? strerror(rc) : "");
    return CLI_FAILED;
}

int cli_draw(const char *file, modnas_ctx *ctx, modnas_config *cfg, const modnas_describe_opts *opts) {
    const char *kind = kind_of(file);
    char *text = NULL;
    if (!kind) {
        cli_error("describe: --draw %s: its ending has to be .dot, .svg, .png or .pdf", file);
        return CLI_USAGE;
    }
    const int rc = modnas_describe_dot(cfg, opts, &text);
    if (rc) {
        cli_error_of(ctx, rc);
        return rc == MODNAS_ENOMEM ? CLI_FAILED : CLI_USAGE;
    }
    if (strcmp(kind, "dot") == 0) kind = "svg";
    char *dot = with_ending(file, "dot"), *picture = with_ending(file, kind);
    int status = cli_write_file(dot, text);
    if (status == CLI_OK) status = run_dot(kind, picture, dot);
    modnas_string_free(ctx, text);
    free(dot);
    free(picture);
    return status;
}
