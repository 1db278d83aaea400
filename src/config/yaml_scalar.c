/* Types of scalars: the YAML 1.2 core schema (YAML 1.2.2, section 10.3.2) and the tags that ask for one of them.
 *
 *   null   null Null NULL ~ and nothing        bool   true True TRUE false False FALSE
 *   int    [-+]?[0-9]+  0o[0-7]+  0x[0-9a-fA-F]+
 *   float  [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?  [-+]?(\.inf|\.Inf|\.INF)  \.nan|\.NaN|\.NAN
 *
 * A decimal integer beyond 64 bits becomes a real that keeps its digits as text. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config/yaml.h"

#define TAG_PREFIX "tag:yaml.org,2002:"

static int one_of(const char *text, const char *const *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(text, words[i]) == 0) return 1;
    return 0;
}

static int is_null(const char *text) {
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    return one_of(text, words, MN_COUNT(words));
}

static int is_bool(const char *text) {
    static const char *const words[] = {"true", "True", "TRUE", "false", "False", "FALSE"};
    return one_of(text, words, MN_COUNT(words));
}

/* The base of an integer as written, 0 if it is none. */
static int int_base(const char *text) {
    static const struct {
        const char *prefix, *digits;
        int base;
    } forms[] = {{"0o", "01234567", 8}, {"0x", "0123456789abcdefABCDEF", 16}};
    for (size_t i = 0; i < MN_COUNT(forms); i++) {
        if (strncmp(text, forms[i].prefix, 2) != 0) continue;
        return text[2] && !text[2 + strspn(text + 2, forms[i].digits)] ? forms[i].base : 0;
    }
    text += *text == '-' || *text == '+';
    return *text && !text[strspn(text, "0123456789")] ? 10 : 0;
}

static int special_real(const char *text, double *out) {
    static const char *const inf[] = {".inf", ".Inf", ".INF"}, *const nan[] = {".nan", ".NaN", ".NAN"};
    const int sign = *text == '-' || *text == '+';
    if (one_of(text + sign, inf, MN_COUNT(inf)))
        *out = *text == '-' ? -(double)INFINITY : (double)INFINITY;
    else if (one_of(text, nan, MN_COUNT(nan)))
        *out = (double)NAN;
    else
        return 0;
    return 1;
}

/* Whether it has the form of a decimal real; its value may still be out of range. */
static int is_decimal(const char *text) {
    text += *text == '-' || *text == '+';
    const size_t n_int = strspn(text, "0123456789");
    text += n_int;
    size_t n_frac = 0;
    if (*text == '.') {
        n_frac = strspn(text + 1, "0123456789");
        text += 1 + n_frac;
    }
    if (!n_int && !n_frac) return 0;
    if (*text == 'e' || *text == 'E') {
        text += 1 + (text[1] == '-' || text[1] == '+');
        const size_t n_exp = strspn(text, "0123456789");
        if (!n_exp) return 0;
        text += n_exp;
    }
    return !*text;
}

int32_t mn_yaml_core_kind(const char *text) {
    double r;
    if (is_null(text)) return MN_NULL;
    if (is_bool(text)) return MN_BOOL;
    if (int_base(text)) return MN_INT;
    return special_real(text, &r) || is_decimal(text) ? MN_REAL : MN_STR;
}

static int set_int(const mn_yaml_source *src, size_t line, mn_node *n) {
    const int base = int_base(n->text);
    const int saved = errno;
    errno = 0;
    n->i = strtoll(n->text + (base == 10 ? 0 : 2), NULL, base);
    const int too_large = errno == ERANGE;
    errno = saved;
    if (!too_large) {
        n->r = (double)n->i;
        return 0;
    }
    n->i = 0;
    if (base != 10 || mn_parse_real(n->text, &n->r))
        return mn_yaml_fail(src, line, "the integer %.40s does not fit 64 bits", n->text);
    n->kind = MN_REAL;
    return 0;
}

static int set_value(const mn_yaml_source *src, size_t line, mn_node *n) {
    if (n->kind == MN_BOOL) n->i = n->text[0] == 't' || n->text[0] == 'T';
    if (n->kind == MN_INT) return set_int(src, line, n);
    if (n->kind == MN_REAL && !special_real(n->text, &n->r) && mn_parse_real(n->text, &n->r))
        return mn_yaml_fail(src, line, "the number %.40s does not fit a double", n->text);
    if (n->kind == MN_NULL && !n->text[0]) {
        mn_free(src->ctx, n->text);
        n->text = NULL;
    }
    return 0;
}

/* The kind that a tag asks for; -1: not one that we know. */
static int32_t tag_kind(const char *tag) {
    static const char *const names[] = {"null", "bool", "int", "float", "str", "seq", "map"}; /* ORDER mn_node_kind */
    if (strncmp(tag, TAG_PREFIX, sizeof TAG_PREFIX - 1) != 0) return -1;
    for (size_t i = 0; i < MN_COUNT(names); i++)
        if (strcmp(tag + sizeof TAG_PREFIX - 1, names[i]) == 0) return (int32_t)i;
    return -1;
}

/* "!" says that a node is what it looks like, and a scalar a string (6.9.1). */
static int is_plain_tag(const char *tag) {
    return strcmp(tag, "!") == 0;
}

int mn_yaml_check_tag(const mn_yaml_source *src, size_t line, const char *tag, int32_t kind) {
    if (!tag || is_plain_tag(tag)) return 0;
    const int32_t wanted = tag_kind(tag);
    if (wanted == kind || (wanted < 0 && src->any_tag)) return 0;
    return mn_yaml_fail(src, line, wanted < 0 ? "tag '%s' is not known for %s" : "tag '%s' does not fit %s", tag,
                        mn_node_kind_name(kind));
}

/* A tag that is not known leaves the type of a plain scalar open, unless it can only be a string. */
static int check_unknown_tag(const mn_yaml_source *src, size_t line, const char *text, const char *tag, int32_t kind) {
    if (!src->any_tag) return mn_yaml_fail(src, line, "tag '%s' is not known", tag);
    if (kind == MN_STR) return 0;
    return mn_yaml_fail(src, line, "tag '%s' is not known, so '%.40s' may be a string or not; quote it", tag, text);
}

static int pick_kind(const mn_yaml_source *src, size_t line, const char *text, const char *tag, int quoted,
                     int32_t *kind) {
    const int32_t core = mn_yaml_core_kind(text);
    *kind = quoted || (tag && is_plain_tag(tag)) ? MN_STR : core;
    if (!tag || is_plain_tag(tag)) return 0;
    const int32_t wanted = tag_kind(tag);
    if (wanted < 0) return check_unknown_tag(src, line, text, tag, *kind);
    if (wanted != MN_STR && wanted != core && !(wanted == MN_REAL && core == MN_INT && int_base(text) == 10))
        return mn_yaml_fail(src, line, "'%.40s' is not what its tag %s says", text, tag);
    *kind = wanted;
    return 0;
}

int mn_yaml_scalar(const mn_yaml_source *src, size_t line, const char *text, size_t bytes, const char *tag, int quoted,
                   mn_node **out) {
    if (strlen(text) != bytes) return mn_yaml_fail(src, line, "a string with a zero byte is not supported");
    int32_t kind;
    MN_TRY(pick_kind(src, line, text, tag, quoted, &kind));
    mn_node *n = mn_node_new(src->ctx, kind);
    if (!n) return MODNAS_ENOMEM;
    int rc = MODNAS_ENOMEM;
    n->text = mn_strdup(src->ctx, text);
    if (n->text) rc = set_value(src, line, n);
    if (rc) {
        mn_node_free(src->ctx, n);
        return rc;
    }
    *out = n;
    return 0;
}
