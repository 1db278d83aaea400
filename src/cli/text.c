/* Words to the user: errors on standard error, suggestions for misspelt words, quoting of values. */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"

void *cli_grow(void *ptr, size_t bytes) {
    void *grown = realloc(ptr, bytes ? bytes : 1);
    if (grown) return grown;
    fputs("modnas: out of memory\n", stderr);
    exit(CLI_FAILED);
}

void cli_error(const char *fmt, ...) {
    va_list list;
    progress_clear();
    fputs("modnas: ", stderr);
    va_start(list, fmt);
    vfprintf(stderr, fmt, list);
    va_end(list);
    fputc('\n', stderr);
}

void cli_error_of(const modnas_ctx *ctx, int status) {
    const char *text = ctx ? modnas_errmsg(ctx) : "";
    cli_error("%s", *text ? text : modnas_strerror(status));
}

char *cli_quote(const char *text) {
    char *out = cli_grow(NULL, 4 * strlen(text) + 3), *p = out;
    *p++ = '"';
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') *p++ = '\\';
        if (c < 0x20 || c == 0x7f)
            p += sprintf(p, "\\x%02X", c);
        else
            *p++ = (char)c;
    }
    *p++ = '"';
    *p = 0;
    return out;
}

int cli_write_file(const char *path, const char *text) {
    const size_t n = strlen(path);
    char *part = cli_grow(NULL, n + 6);
    memcpy(part, path, n);
    memcpy(part + n, ".part", 6);
    FILE *f = fopen(part, "w");
    int failed = !f || fputs(text, f) < 0;
    if (f && fclose(f) != 0) failed = 1;
    if (!failed) failed = rename(part, path) != 0;
    if (failed) cli_error("%s: %s", path, strerror(errno));
    if (failed && f) remove(part);
    free(part);
    return failed ? CLI_FAILED : CLI_OK;
}

static char fold(char c) {
    return c == '_' ? '-' : c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Edits (insert, delete, replace) between two words, by the usual table of which one row is kept. */
static size_t distance(const char *a, const char *b) {
    enum { MAX = 40 };
    size_t row[MAX + 1];
    const size_t n = strlen(b);
    if (strlen(a) > MAX || n > MAX) return MAX;
    for (size_t j = 0; j <= n; j++) row[j] = j;
    for (size_t i = 1; *a; a++, i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            const size_t up = row[j], change = corner + (fold(*a) != fold(b[j - 1]));
            const size_t step = (up < row[j - 1] ? up : row[j - 1]) + 1;
            row[j] = change < step ? change : step;
            corner = up;
        }
    }
    return row[n];
}

const char *cli_suggest(const char *word, const char *const *names, size_t n) {
    const char *best = NULL;
    size_t least = strlen(word) / 3 + 2; /* at most a third of the letters, and one, may be wrong */
    for (size_t i = 0; i < n; i++) {
        const size_t d = distance(word, names[i]);
        if (d >= least || d >= strlen(names[i])) continue;
        least = d;
        best = names[i];
    }
    return best;
}
