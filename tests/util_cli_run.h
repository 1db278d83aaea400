/* `modnas run` on a small network: a configuration of a section a line, and what the program is expected to say. */
#ifndef UTIL_CLI_RUN_H
#define UTIL_CLI_RUN_H

#include "util_cli.h"

/* One test's program in its folder, with c.yaml in it; opened and closed by the fixture. */
extern util_cli cli;
void cli_setup(void);
void cli_teardown(void);
/* c.yaml with line `number` replaced (from 1; 0: none). */
void cli_config(int number, const char *instead);
/* This status, and this text in what went to standard error (NULL: any). */
void cli_expect(const char *words, int status, const char *in_err);
void cli_expect_file(const char *name);
/* Start, and wait until the file is there, or until the program ends, which fails the test. */
pid_t cli_start_until(const char *words, const char *name);

#endif
