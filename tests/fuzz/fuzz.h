/* Fuzz targets: what their files share.
 *
 *   fuzz_x.c (one target) --+-- libFuzzer's main: finds new inputs        (make fuzz)
 *                           +-- replay.c: files, then seeded mutations    (make check)
 *
 * A target gives fuzz_run its function, which reads the input in every way the library has for it and checks what must
 * hold whatever the input is. Each input has a context of its own: nothing may be left allocated in it, and what is in
 * use at a time is bounded by the input's size. A check that fails aborts, which both drivers take for a finding. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

#define FUZZ_CHECK(cond, ...)                                                                                          \
    do {                                                                                                               \
        if (cond) break;                                                                                               \
        fprintf(stderr, "%s:%d: not so: %s: ", __FILE__, __LINE__, #cond);                                             \
        fprintf(stderr, __VA_ARGS__);                                                                                  \
        fputc('\n', stderr);                                                                                           \
        abort();                                                                                                       \
    } while (0)

/* The bytes are followed by a 0 that n does not count. */
typedef void (*fuzz_fn)(modnas_ctx *ctx, const char *bytes, size_t n);

/* Run fn on one input, with at most fixed + per_byte * n bytes in use at a time. Always 0, as libFuzzer wants it. */
int fuzz_run(fuzz_fn fn, const uint8_t *data, size_t n, size_t fixed, size_t per_byte);
/* Say that the input was right for a reader. fuzz_n_accepted counts the inputs of which it was said. */
void fuzz_accept(void);
extern size_t fuzz_n_accepted;

/* A result that a call which fails must leave alone: filled before the call, looked at behind it. */
void fuzz_fill(void *out, size_t bytes);
void fuzz_check_untouched(const void *out, size_t bytes);

/* A status other than 0 comes with a text of one line. */
void fuzz_check_text(const modnas_ctx *ctx, int rc);

/* Whether JSON keeps within what libyaml reads of it: no key beyond 1024 characters, no raw control characters, no line
 * ends of YAML 1.1. May be 0 for other texts, too. */
int fuzz_is_modest(const char *json);

/* The input as a file in memory: its path goes to path. The descriptor that is returned is closed by the caller. */
int fuzz_file(const void *bytes, size_t n, char path[64]);

/* What libFuzzer and replay.c call. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#endif
