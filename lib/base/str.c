/* String builder.
 *
 * Appending never reports: after an out-of-memory the builder drops everything and says so once, in mn_str_take. So
 * writers of JSON and YAML stay free of error paths. */
#include "base/base.h"

#include <stdio.h>
#include <string.h>

/* Room for n more bytes and the final 0; NULL when out of memory, else where to write. */
static char *reserve(mn_str *s, size_t n) {
    if (s->failed) return NULL;
    if (n >= s->cap - s->n) {
        size_t cap = s->cap + s->cap / 2;
        if (cap < 64) cap = 64;
        if (cap < s->n + n + 1) cap = s->n + n + 1;
        char *text = mn_realloc(s->ctx, s->text, cap, 1);
        if (!text) {
            s->failed = 1;
            return NULL;
        }
        s->text = text;
        s->cap = cap;
    }
    return s->text + s->n;
}

void mn_str_addn(mn_str *s, const char *text, size_t n) {
    char *at = reserve(s, n);
    if (!at) return;
    memcpy(at, text, n);
    at[n] = 0;
    s->n += n;
}

void mn_str_add(mn_str *s, const char *text) {
    mn_str_addn(s, text, strlen(text));
}

void mn_str_addf(mn_str *s, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    char small[128];
    const int n = vsnprintf(small, sizeof small, fmt, ap);
    if (n >= 0 && (size_t)n < sizeof small) {
        mn_str_addn(s, small, (size_t)n);
    } else if (n >= 0) {
        char *at = reserve(s, (size_t)n);
        if (at) {
            vsnprintf(at, (size_t)n + 1, fmt, again);
            s->n += (size_t)n;
        }
    }
    va_end(again);
    va_end(ap);
}

size_t mn_utf8_length(const char *text, size_t n) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* a longer form of a lower one is wrong */
    const unsigned char *u = (const unsigned char *)text;
    if (n == 0) return 0;
    const size_t bytes = u[0] < 0x80 ? 1 : u[0] < 0xc0 ? 0 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : u[0] < 0xf8 ? 4 : 0;
    if (bytes < 2 || bytes > n) return bytes == 1;
    uint32_t code = u[0] & (0x7fu >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        if ((u[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (u[i] & 0x3f);
    }
    const int surrogate = code >= 0xd800 && code < 0xe000;
    return code < least[bytes] || code > 0x10ffff || surrogate ? 0 : bytes;
}

/* One character, or one byte that is none. */
static size_t add_json_char(mn_str *s, const char *c) {
    static const char plain[] = "\"\\\b\f\n\r\t", escape[] = "\"\\bfnrt";
    const size_t n = mn_utf8_length(c, strnlen(c, 4));
    const char *known = strchr(plain, *c);
    if (n == 0)
        mn_str_add(s, "\\ufffd");
    else if (known)
        mn_str_addf(s, "\\%c", escape[known - plain]);
    else if (*c > 0 && *c < 0x20)
        mn_str_addf(s, "\\u%04x", (unsigned)*c);
    else
        mn_str_addn(s, c, n);
    return n ? n : 1;
}

void mn_str_json(mn_str *s, const char *text) {
    mn_str_addn(s, "\"", 1);
    while (*text) text += add_json_char(s, text);
    mn_str_addn(s, "\"", 1);
}

char *mn_str_take(mn_str *s) {
    if (!s->text) reserve(s, 0); /* nothing was added: the empty string */
    char *text = NULL;
    if (!s->failed) {
        text = s->text;
        text[s->n] = 0;
        s->text = NULL;
    }
    mn_str_free(s);
    return text;
}

void mn_str_free(mn_str *s) {
    mn_free(s->ctx, s->text);
    *s = (mn_str){.ctx = s->ctx};
}
