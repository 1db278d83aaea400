/* Trees of values as text: JSON, YAML, and the words that messages use.
 *
 * YAML is written in block style. A string or key stays plain only if it consists of letters that have no meaning in
 * YAML and the core schema takes it for a string; everything else is double-quoted, with the characters escaped that
 * readers disagree about (C1 controls, NEL, LS, PS, BOM). So what is written comes back the same through mn_yaml_read.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "config/node.h"
#include "config/yaml.h"

enum {
    LONG_KEY =
        160, /* bytes; longer keys are written with '?': implicit ones are limited to 1024 characters, a byte to 6 */
    WORDS_MAX = 40, /* bytes of a value that a message shows */
};

/* ---- messages ---- */

const char *mn_node_kind_name(int32_t kind) {
    static const char *const names[] = {"null",     "true or false", "an integer", "a number",
                                        "a string", "a list",        "a map"};
    return kind >= 0 && (size_t)kind < MN_COUNT(names) ? names[kind] : "?";
}

const char *mn_node_where(const mn_node *n, char *buf, size_t bytes) {
    if (!n || (!n->file && !n->line))
        snprintf(buf, bytes, "default");
    else if (n->line)
        snprintf(buf, bytes, "%s:%d", n->file ? n->file : "?", (int)n->line);
    else
        snprintf(buf, bytes, "%s", n->file);
    return buf;
}

/* At most max bytes of text, whole characters only. */
static int cut(const char *text, int max) {
    const int n = (int)strnlen(text, (size_t)max + 1);
    if (n <= max) return n;
    int end = max;
    while (end && ((unsigned char)text[end] & 0xc0) == 0x80) end--;
    return end;
}

static void describe_number(const mn_node *n, char *buf, size_t bytes) {
    if (n->text)
        snprintf(buf, bytes, "the number %.*s", cut(n->text, WORDS_MAX), n->text);
    else if (n->kind == MN_INT)
        snprintf(buf, bytes, "the number %lld", (long long)n->i);
    else
        snprintf(buf, bytes, "the number %g", n->r);
}

const char *mn_node_what(const mn_node *n, char *buf, size_t bytes) {
    static const char *const full[] = {"a list", "a map"}, *const empty[] = {"an empty list", "an empty map"};
    if (!n || n->kind == MN_NULL) {
        snprintf(buf, bytes, "%s", n && !n->text ? "an empty value" : "null");
    } else if (n->kind == MN_STR) {
        const int len = cut(n->text, WORDS_MAX);
        snprintf(buf, bytes, "the string '%.*s%s'", len, n->text, n->text[len] ? "..." : "");
    } else if (n->kind == MN_BOOL) {
        snprintf(buf, bytes, "%s", n->i ? "true" : "false");
    } else if (n->kind == MN_INT || n->kind == MN_REAL) {
        describe_number(n, buf, bytes);
    } else {
        snprintf(buf, bytes, "%s", (n->n ? full : empty)[n->kind == MN_MAP]);
    }
    return buf;
}

/* ---- JSON ---- */

/* A real keeps a point or an exponent, so that it comes back as a real; whole numbers beyond 64 bits keep their digits.
 */
static void add_real(mn_str *s, const mn_node *n) {
    const char *digits = n->text ? n->text + strspn(n->text, "+-") : "";
    if (*digits && !digits[strspn(digits, "0123456789")] && fabs(n->r) >= 9223372036854775808.0) {
        mn_str_addf(s, "%s%s", n->r < 0 ? "-" : "", digits + strspn(digits, "0"));
        return;
    }
    const size_t at = s->n;
    mn_str_real(s, n->r);
    if (isfinite(n->r) && s->text && !strpbrk(s->text + at, ".e")) mn_str_add(s, ".0");
}

static void add_scalar(mn_str *s, const mn_node *n) {
    if (n->kind == MN_BOOL)
        mn_str_add(s, n->i ? "true" : "false");
    else if (n->kind == MN_INT)
        mn_str_addf(s, "%lld", (long long)n->i);
    else if (n->kind == MN_REAL)
        add_real(s, n);
    else
        mn_str_add(s, "null");
}

void mn_node_json(mn_str *s, const mn_node *n) {
    if (!n || n->kind < MN_STR) {
        n ? add_scalar(s, n) : mn_str_add(s, "null");
        return;
    }
    if (n->kind == MN_STR) {
        mn_str_json(s, n->text);
        return;
    }
    const int map = n->kind == MN_MAP;
    mn_str_add(s, map ? "{" : "[");
    for (size_t i = 0; i < n->n; i++) {
        if (i) mn_str_add(s, ",");
        if (map) {
            mn_str_json(s, n->keys[i]);
            mn_str_add(s, ":");
        }
        mn_node_json(s, n->items[i]);
    }
    mn_str_add(s, map ? "}" : "]");
}

/* ---- YAML ---- */

static int is_plain(const char *text) {
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/";
    static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/0123456789.+-";
    return *text && strchr(first, *text) && !text[strspn(text, rest)] && mn_yaml_core_kind(text) == MN_STR;
}

/* One UTF-8 character: its length in bytes and code; a byte that starts none is taken alone. */
static size_t next_char(const char *text, uint32_t *code) {
    const unsigned char *u = (const unsigned char *)text;
    const size_t n = u[0] < 0xc0 ? 1 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
    *code = n == 1 ? u[0] : u[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((u[i] & 0xc0) != 0x80) return 1;
        *code = *code << 6 | (u[i] & 0x3f);
    }
    return n;
}

static int needs_escape(uint32_t c) {
    return c < 0x20 || c == '"' || c == '\\' || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
           c == 0xfffe || c == 0xffff;
}

static void add_quoted(mn_str *s, const char *text) {
    mn_str_add(s, "\"");
    uint32_t code;
    for (size_t n; *text; text += n) {
        n = next_char(text, &code);
        if (!needs_escape(code))
            mn_str_addn(s, text, n);
        else if (code == '"' || code == '\\')
            mn_str_addf(s, "\\%c", (int)code);
        else
            mn_str_addf(s, "\\u%04x", (unsigned)code);
    }
    mn_str_add(s, "\"");
}

static void add_text(mn_str *s, const char *text) {
    if (is_plain(text))
        mn_str_add(s, text);
    else
        add_quoted(s, text);
}

static void add_yaml_real(mn_str *s, const mn_node *n) {
    if (isnan(n->r))
        mn_str_add(s, ".nan");
    else if (isinf(n->r))
        mn_str_add(s, n->r < 0 ? "-.inf" : ".inf");
    else
        add_real(s, n);
}

static void indent_to(mn_str *s, int columns) {
    for (int i = 0; i < columns; i++) mn_str_add(s, " ");
}

static int is_block(const mn_node *n) {
    return (n->kind == MN_SEQ || n->kind == MN_MAP) && n->n;
}

static void add_block(mn_str *s, const mn_node *n, int columns, int on_line);

/* What follows ':' or '-'. A block that may start on the same line does so behind '-'. */
static void add_value(mn_str *s, const mn_node *n, int columns, int after_dash) {
    if (is_block(n)) {
        mn_str_add(s, after_dash ? " " : "\n");
        add_block(s, n, columns + 2, after_dash);
        return;
    }
    mn_str_add(s, " ");
    if (n->kind == MN_STR)
        add_text(s, n->text);
    else if (n->kind == MN_REAL)
        add_yaml_real(s, n);
    else if (n->n == 0 && n->kind > MN_STR)
        mn_str_add(s, n->kind == MN_SEQ ? "[]" : "{}");
    else
        add_scalar(s, n);
    mn_str_add(s, "\n");
}

/* A non-empty list or map at a column; on_line: the cursor already is there. */
static void add_block(mn_str *s, const mn_node *n, int columns, int on_line) {
    for (size_t i = 0; i < n->n; i++) {
        if (i || !on_line) indent_to(s, columns);
        if (n->kind == MN_SEQ) {
            mn_str_add(s, "-");
        } else if (strlen(n->keys[i]) <= LONG_KEY) {
            add_text(s, n->keys[i]);
            mn_str_add(s, ":");
        } else {
            mn_str_add(s, "? ");
            add_quoted(s, n->keys[i]);
            mn_str_add(s, "\n");
            indent_to(s, columns);
            mn_str_add(s, ":");
        }
        add_value(s, n->items[i], columns, n->kind == MN_SEQ);
    }
}

void mn_node_yaml(mn_str *s, const mn_node *n) {
    if (is_block(n)) {
        add_block(s, n, 0, 0);
        return;
    }
    const size_t at = s->n;
    add_value(s, n, 0, 1);
    if (s->failed) return;
    memmove(s->text + at, s->text + at + 1, s->n - at); /* the blank in front */
    s->n--;
}
