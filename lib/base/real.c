/* Numbers as text, the same in every locale.
 *
 * printf and strtod of libc are correctly rounded but use the locale's decimal point, and switching the locale is a
 * process-wide act that a library must not do. So the point is exchanged by hand: everything else in a printed number
 * is a digit, a sign or the exponent's letter. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

enum { REAL_BYTES = 1024 }; /* longest number that is read; no double needs more than 770 digits */

static int is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Rewrite what %g printed: the point as '.', the exponent without '+' and leading zeros. */
static void tidy(char *text) {
    char *to = text;
    int in_point = 0, in_exp = 0;
    for (const char *c = text; *c; c++) {
        const int known = is_digit(*c) || *c == '-' || *c == '+' || *c == 'e';
        if (!known && !in_point) *to++ = '.';
        in_point = !known; /* a point may be several bytes */
        if (!known || *c == '+') continue;
        if (in_exp && *c == '0' && !is_digit(to[-1]) && is_digit(c[1])) continue;
        if (*c == 'e') in_exp = 1;
        *to++ = *c;
    }
    *to = 0;
}

/* 15 digits give back every decimal of up to 15 digits, and %g drops trailing zeros, so shorter tries are only needed
 * where a double has fewer bits: below the smallest normal number. */
void mn_str_real(mn_str *s, double x) {
    if (!isfinite(x)) {
        mn_str_add(s, "null");
        return;
    }
    char text[64];
    double back;
    for (int digits = fabs(x) < 2.2250738585072014e-308 ? 1 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        tidy(text);
        if (mn_parse_real(text, &back) == 0 && back == x) break;
    }
    mn_str_add(s, text);
}

static const char *skip_digits(const char *c) {
    while (is_digit(*c)) c++;
    return c;
}

/* [-+]? ( . digits | digits ( . digits? )? ) ( [eE] [-+]? digits )?  Sets *point to the '.' or NULL. */
static int is_decimal(const char *text, const char **point) {
    const char *c = text + (*text == '-' || *text == '+');
    const char *end = skip_digits(c);
    size_t n_digits = (size_t)(end - c);
    *point = NULL;
    if (*end == '.') {
        *point = end;
        c = end + 1;
        end = skip_digits(c);
        n_digits += (size_t)(end - c);
    }
    if (!n_digits) return 0;
    if (*end == 'e' || *end == 'E') {
        c = end + 1;
        c += *c == '-' || *c == '+';
        end = skip_digits(c);
        if (end == c) return 0;
    }
    return *end == 0;
}

int mn_parse_real(const char *text, double *out) {
    const char *point;
    if (strnlen(text, REAL_BYTES) == REAL_BYTES || !is_decimal(text, &point)) return -1;
    char sample[16], copy[REAL_BYTES + sizeof sample];
    if (point) {
        const int n = snprintf(sample, sizeof sample, "%.1f", 0.5); /* 0, the locale's point, 5 */
        snprintf(copy, sizeof copy, "%.*s%.*s%s", (int)(point - text), text, n - 2, sample + 1, point + 1);
    } else {
        snprintf(copy, sizeof copy, "%s", text);
    }
    const int saved = errno;
    const double x = strtod(copy, NULL);
    errno = saved;
    if (!isfinite(x)) return -1;
    *out = x;
    return 0;
}
