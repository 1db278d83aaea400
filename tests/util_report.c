/* Pages (util_report.h). */
#include "util_report.h"

#include <string.h>

#include "modnas/report.h"
#include "util_rig.h"

char *util_report_page(const char *latency_table) {
    const modnas_report_opts opts = {.size = sizeof opts, .latency_table = latency_table};
    char *html = NULL;
    const int rc = modnas_report(rig.ctx, "exp/t", &opts, &html);
    ck_assert_msg(rc == 0, "%s", modnas_errmsg(rig.ctx));
    ck_assert_ptr_nonnull(html);
    return html;
}

void util_markup_has(const char *html, const char *text) {
    ck_assert_msg(strstr(html, text) != NULL, "no '%s'", text);
}

static void has_not(const char *html, const char *text) {
    ck_assert_msg(strstr(html, text) == NULL, "there is '%s': %.80s", text, strstr(html, text));
}

/* What follows '&' is one of the five, or a number. */
static void check_entity(const char *c) {
    static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    for (size_t i = 0; i < MN_COUNT(known); i++)
        if (strncmp(c, known[i], strlen(known[i])) == 0) return;
    ck_abort_msg("a bare & in %.60s", c);
}

/* One tag: its name to `name`; 1 opens, -1 closes, 0 is alone. *c moves behind it. Attributes are name="value". */
static int read_tag(const char **c, char name[32]) {
    const char *p = *c + 1;
    const int closes = *p == '/';
    p += closes;
    const size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789");
    ck_assert_msg(n > 0 && n < 32, "no tag: %.60s", *c);
    memcpy(name, p, n);
    name[n] = 0;
    for (p += n; *p == ' ';) {
        p += 1 + strcspn(p + 1, "=<>\"");
        ck_assert_msg(p[0] == '=' && p[1] == '"', "an attribute in %.80s", *c);
        for (p += 2; *p && *p != '"'; p++) {
            ck_assert_msg(*p != '<' && *p != '>', "a mark in an attribute: %.80s", *c);
            if (*p == '&') check_entity(p);
        }
        p++;
    }
    const int alone = *p == '/';
    p += alone;
    ck_assert_msg(*p == '>', "a tag without end: %.60s", *c);
    *c = p + 1;
    return closes ? -1 : !alone;
}

void util_markup_check(const char *html) {
    char stack[64][32], name[32];
    int depth = 0;
    ck_assert(strncmp(html, "<!DOCTYPE html>", 15) == 0);
    for (const char *c = html + 15; *c;) {
        if (*c == '&') check_entity(c);
        if (*c != '<') {
            ck_assert_msg(depth > 0 || *c == '\n', "text outside: %.40s", c);
            c++;
            continue;
        }
        const int what = read_tag(&c, name);
        if (what < 0) {
            ck_assert_msg(depth > 0 && strcmp(stack[depth - 1], name) == 0, "</%s> in <%s>: %.60s", name, depth ? stack[depth - 1] : "", c);
            depth--;
        } else if (what) {
            ck_assert_int_lt(depth, 64);
            strcpy(stack[depth++], name);
        }
    }
    ck_assert_int_eq(depth, 0);
}

void util_markup_closed(const char *html) {
    static const char *const no[] = {"<script", "<link", "<img", "<iframe", "<object", "http://", "https://", "url(", "@import", " src=", "javascript:"};
    for (size_t i = 0; i < MN_COUNT(no); i++) has_not(html, no[i]);
    util_markup_has(html, "Content-Security-Policy\" content=\"default-src 'none'");
}

