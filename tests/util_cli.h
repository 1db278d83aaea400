/* Running build/<variant>/modnas, the program beside the test, in a folder of its own. */
#ifndef UTIL_CLI_H
#define UTIL_CLI_H

#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

typedef struct util_cli {
    char folder[64]; /* the current folder of the program: new and empty at first */
    char *out, *err; /* what it wrote, 0-terminated; of the last call */
    int status;      /* exit status, or 128 + the signal that ended it */
} util_cli;

void util_cli_new(util_cli *c);
void util_cli_free(util_cli *c); /* removes the folder */
/* A file in the folder. */
void util_cli_write(const util_cli *c, const char *name, const void *data, size_t bytes);
void util_cli_text(const util_cli *c, const char *name, const char *text);
char *util_cli_read(const util_cli *c, const char *name); /* NULL: there is none; the caller frees it */
int util_cli_exists(const util_cli *c, const char *name);

/* Start with the words of a command line, separated by one blank; `prepare` (may be NULL) is called in the child just
 * before. */
pid_t util_cli_start(util_cli *c, const char *words, void (*prepare)(void));
void util_cli_wait(util_cli *c, pid_t pid);
/* Start and wait; returns the status. */
int util_cli_run(util_cli *c, const char *words);

#endif
