/* Error texts and log lines: both are one line of UTF-8. The status of the last text is kept, so that a host's callback
 * may hand on what this library told it.
 *
 * Texts are formatted into a local buffer first, so an argument may be the context's own previous text ("FILE:
 * <text>"). Line ends become blanks, and a text that is too long is cut between characters. */
#include <stdio.h>
#include <string.h>

#include "base/base.h"

enum { LINE_BYTES = sizeof((modnas_ctx *)0)->err };

static void format_line(char *line, const char *fmt, va_list ap) {
    const int n = vsnprintf(line, LINE_BYTES, fmt, ap);
    if (n >= LINE_BYTES) {
        size_t end = LINE_BYTES - 1;
        while (end && ((unsigned char)line[end - 1] & 0xc0) == 0x80)
            end--; /* continuation bytes of the last character */
        if (end && (unsigned char)line[end - 1] >= 0xc0) end--;
        line[end] = 0;
    }
    for (char *c = line; *c; c++)
        if (*c == '\n' || *c == '\r') *c = ' ';
}

int mn_fail(modnas_ctx *ctx, int status, const char *fmt, ...) {
    if (!ctx) return status;
    char line[LINE_BYTES] = "";
    va_list ap;
    va_start(ap, fmt);
    format_line(line, fmt, ap);
    va_end(ap);
    memcpy(ctx->err, line, sizeof line);
    ctx->err_status = status;
    return status;
}

void mn_callback_begin(modnas_ctx *ctx) {
    ctx->err_status = 0;
}

int mn_callback_end(modnas_ctx *ctx, int rc, const char *fmt, ...) {
    if (!rc || rc == ctx->err_status) return rc;
    char line[LINE_BYTES] = "";
    va_list ap;
    va_start(ap, fmt);
    format_line(line, fmt, ap);
    va_end(ap);
    return mn_fail(ctx, rc > 0 ? rc : MODNAS_ECALLBACK, "%s returned %d", line, rc);
}

void mn_log(modnas_ctx *ctx, int32_t level, const char *fmt, ...) {
    if (!ctx || !ctx->opts.log_fn || level > ctx->opts.log_level) return;
    char line[LINE_BYTES] = "";
    va_list ap;
    va_start(ap, fmt);
    format_line(line, fmt, ap);
    va_end(ap);
    ctx->opts.log_fn(level, line, ctx->opts.log_ud);
}
