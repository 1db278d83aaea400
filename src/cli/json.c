/* A walk over JSON text that the library wrote (see json.h): well-formed by construction, so a fault only ends the
 * walk. */
#include "json.h"

#include <stdlib.h>
#include <string.h>

static const char *blank(const char *p) {
    return p + strspn(p, " \t\r\n");
}

static const char *skip_string(const char *p) {
    for (p++; *p && *p != '"'; p++)
        if (*p == '\\' && p[1]) p++;
    return *p ? p + 1 : p;
}

/* Behind the value that starts at p: brackets are counted, so that depth costs no stack. */
static const char *skip(const char *p) {
    long depth = 0;
    do {
        p = blank(p);
        if (*p == '"')
            p = skip_string(p);
        else if (*p == '{' || *p == '[')
            depth++, p++;
        else if (*p == '}' || *p == ']')
            depth--, p++;
        else if (*p == ',' || *p == ':')
            p++;
        else
            p += strcspn(p, ",:]} \t\r\n");
    } while (depth > 0 && *p);
    return p;
}

size_t json_length(const char *value) {
    return value ? (size_t)(skip(value) - value) : 0;
}

const char *json_string(const char *value, char *buf, size_t bytes) {
    size_t n = 0;
    if (!value || *value != '"') return NULL;
    for (const char *p = value + 1; *p && *p != '"' && n + 1 < bytes; p++) {
        if (*p != '\\') {
            buf[n++] = *p;
            continue;
        }
        static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
        const char *found = *++p ? strchr(from, *p) : NULL;
        if (!*p) break;
        if (*p == 'u' && strlen(p) > 4) {
            buf[n++] = '?'; /* control characters only: names hold none */
            p += 4;
        } else {
            buf[n++] = found ? to[found - from] : *p;
        }
    }
    buf[n] = 0;
    return buf;
}

const char *json_next(const char *container, const char **at, char *key, size_t bytes) {
    if (!container || (*container != '{' && *container != '[')) return NULL;
    const char *p = *at ? blank(skip(*at)) : container;
    if (*p != *container && *p != ',') return NULL; /* a closing bracket */
    p = blank(p + 1);
    if (*p == '}' || *p == ']' || !*p) return NULL;
    if (*container == '{') {
        if (!json_string(p, key, bytes)) return NULL;
        p = blank(skip_string(p));
        if (*p != ':') return NULL;
        p = blank(p + 1);
    }
    *at = p;
    return p;
}

const char *json_get(const char *object, const char *key) {
    const char *at = NULL, *value;
    char name[256];
    if (!object || *object != '{') return NULL;
    while ((value = json_next(object, &at, name, sizeof name)))
        if (strcmp(name, key) == 0) return value;
    return NULL;
}

double json_number(const char *value, double otherwise) {
    char *end;
    if (!value || !strchr("-0123456789", *value)) return otherwise;
    const double x = strtod(value, &end);
    return end > value ? x : otherwise;
}
