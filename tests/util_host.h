/* A host for tests: counts blocks, fails on demand, keeps what is logged. */
#ifndef UTIL_HOST_H
#define UTIL_HOST_H

#include <check.h>

#include "base/base.h"

typedef struct util_host {
    int64_t left; /* allocations until the hook fails; negative: never */
    int64_t live; /* blocks */
    int n_lines;
    int32_t level;  /* of the last line */
    char log[4096]; /* all lines, each with its line end */
} util_host;

/* Options that send everything to `h`; the rest is default. */
modnas_ctx_opts util_host_opts(util_host *h);
/* A context with those, on a fresh host; and its end, when nothing may be left allocated. */
modnas_ctx *util_ctx_new(util_host *h);
void util_ctx_end(util_host *h, modnas_ctx *ctx);

/* Add tests to a suite as one case; before and after may be NULL. The list ends with NULL. */
void util_add(Suite *s, const char *name, void (*before)(void), void (*after)(void), const TTest *const *tests);

/* One test as a case of its own, run for _i = 0 .. n-1. */
void util_add_loop(Suite *s, const char *name, void (*before)(void), void (*after)(void), const TTest *test, size_t n);

/* Make a folder of one's own and go there; in memory where there is such a place, since runs sync what they write. */
void util_folder_new(char folder[64]);
void util_write_text(const char *path, const char *text); /* a file of it */
/* Leave and remove it. */
void util_folder_free(const char *folder);

/* Instrumented code takes several times as long for everything: of repeats that go the same way it makes one in so many. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { UTIL_FEWER = 5 };
#else
enum { UTIL_FEWER = 1 };
#endif

/* Set a locale with a decimal comma, made on the spot where the machine has none installed: localedef needs its
 * sources. 0: neither is to be had. */
int util_comma_locale(void);

/* Run a suite and free it; the exit status of the program. */
int util_run(Suite *s);

#endif
