/* YAML text to documents: the stream of YAML 1.2.2, chapter 9, cut line by line.
 *
 * No content has a line that begins with "---" or "..." and a blank (9.1.2), so documents can be told apart before they
 * are understood. Each goes to libyaml alone; so it needs no "---" behind "...", and directives are known to be such:
 * those that YAML reserves are ignored with a warning (6.8), where libyaml gives up. */
#include <string.h>

#include "config/yaml.h"

enum { DOCUMENTS_MAX = 100000, DIRECTIVES_MAX = 100 /* of a document; libyaml looks at all of them for each */ };

typedef struct line {
    size_t start, end, next; /* its text is start..end, the line behind begins at next */
} line;

typedef struct stream {
    mn_yaml_source all;
    size_t at;      /* the next line begins here, */
    size_t n_lines; /* behind so many */
} stream;

static int is_blank(char c) {
    return c == ' ' || c == '\t';
}

static int is_break(char c) {
    return c == '\n' || c == '\r';
}

/* ---- lines ---- */

static line next_line(const stream *s) {
    const char *text = s->all.text;
    line l = {.start = s->at, .end = s->at};
    while (l.end < s->all.bytes && !is_break(text[l.end])) l.end++;
    l.next = l.end;
    if (l.next < s->all.bytes)
        l.next += text[l.next] == '\r' && l.next + 1 < s->all.bytes && text[l.next + 1] == '\n' ? 2 : 1;
    return l;
}

static void pass(stream *s, const line *l) {
    s->n_lines += l->next > l->end;
    s->at = l->next;
}

/* '-' or '.' if the line is a document's mark, else 0. */
static char marker_of(const stream *s, const line *l) {
    const char *c = s->all.text + l->start;
    const size_t n = l->end - l->start;
    if (n < 3 || (*c != '-' && *c != '.') || c[1] != *c || c[2] != *c || (n > 3 && !is_blank(c[3]))) return 0;
    return *c;
}

/* Whether a line says nothing from byte i on. */
static int is_empty(const stream *s, const line *l, size_t i) {
    while (i < l->end && is_blank(s->all.text[i])) i++;
    return i == l->end || s->all.text[i] == '#';
}

/* ---- directives ---- */

static void warn(const stream *s, const char *what, const char *word, size_t n) {
    mn_log(s->all.ctx, MODNAS_LOG_WARN, "%s:%zu: %s '%%%.*s'", s->all.file, s->n_lines + 1, what, n < 80 ? (int)n : 80,
           word);
}

/* A later minor version is tried as 1.2 (6.8.1). */
static void mend_version(stream *s, const line *l, size_t i) {
    const char *text = s->all.text;
    while (i < l->end && is_blank(text[i])) i++;
    if (l->end - i < 3 || memcmp(text + i, "1.", 2) != 0) return;
    size_t minor = 0, end = i + 2;
    for (; end < l->end && text[end] >= '0' && text[end] <= '9'; end++)
        if (minor < 10) minor = 10 * minor + (size_t)(text[end] - '0');
    if (minor <= 2) return;
    warn(s, "read as YAML 1.2:", text + l->start + 1, end - l->start - 1);
    memset(s->all.scan + i + 2, ' ', end - i - 2);
    s->all.scan[i + 2] = '2';
}

static void mend_directive(stream *s, const line *l) {
    const char *name = s->all.text + l->start + 1;
    size_t n = 0;
    while (l->start + 1 + n < l->end && !is_blank(name[n])) n++;
    if (n == 4 && memcmp(name, "YAML", 4) == 0) {
        mend_version(s, l, l->start + 5);
    } else if (n && !(n == 3 && memcmp(name, "TAG", 3) == 0)) {
        warn(s, "ignored:", name, n);
        s->all.scan[l->start] = '#';
    }
}

/* ---- documents ---- */

static int fail_line(const stream *s, const char *what) {
    return mn_yaml_fail(&s->all, s->n_lines + 1, "%s", what);
}

/* The lines up to the end of the next document, or of the text; *found: there is one in them. */
static int next_part(stream *s, mn_yaml_source *part, int *found) {
    const size_t start = s->at, n_lines = s->n_lines;
    int directives = 0;
    size_t end = s->at;
    *found = 0;
    while (s->at < s->all.bytes) {
        const line l = next_line(s);
        const char mark = marker_of(s, &l);
        if (mark == '.' && !*found && directives) break;
        if (mark == '.' && !is_empty(s, &l, l.start + 3)) return fail_line(s, "text behind '...'");
        if (mark == '-' && *found) break;
        if (mark != '.' || *found) end = l.next; /* "..." alone ends nothing */
        if (!*found && !mark && s->all.text[l.start] == '%') {
            if (directives++ == DIRECTIVES_MAX) return fail_line(s, "more than 100 directives ('%') of a document");
            mend_directive(s, &l);
        }
        *found |= mark == '-' || (!mark && s->all.text[l.start] != '%' && !is_empty(s, &l, l.start));
        pass(s, &l);
        if (mark == '.') break;
    }
    if (directives && !*found) return fail_line(s, "a directive ('%') without a document behind it");
    *part = s->all;
    part->text += start;
    part->scan += start;
    part->bytes = end - start;
    part->line0 = n_lines;
    return 0;
}

static int read_documents(stream *s, mn_node *docs) {
    while (s->at < s->all.bytes) {
        mn_yaml_source part;
        mn_node *doc = NULL;
        int found;
        MN_TRY(next_part(s, &part, &found));
        if (docs->n == DOCUMENTS_MAX) return mn_yaml_fail(&part, 1, "more than %d documents", DOCUMENTS_MAX);
        MN_TRY(mn_yaml_document(&part, &doc)); /* comments have to be right too */
        if (doc) MN_TRY(mn_node_add(s->all.ctx, docs, doc));
    }
    return 0;
}

/* ---- the interface ---- */

/* Copies of the text: to look at and to give to libyaml. A byte order mark says nothing in UTF-8. The end of the text
 * ends a line of blanks (a line of text, too, but readers of block scalars disagree on what it then is). */
static int copy_text(mn_yaml_source *src, const char *text, size_t bytes, char **memory) {
    const size_t skip = bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    if (bytes > MN_YAML_BYTES_MAX)
        return mn_yaml_fail(src, 1, "%zu bytes of YAML, at most %d are read", bytes, MN_YAML_BYTES_MAX);
    char *copy = *memory = mn_realloc(src->ctx, NULL, 2, bytes + 1);
    if (!copy) return MODNAS_ENOMEM;
    size_t n = bytes - skip;
    if (n) memcpy(copy, text + skip, n);
    if (n && is_blank(copy[n - 1])) {
        size_t i = n;
        while (i && is_blank(copy[i - 1])) i--;
        if (!i || is_break(copy[i - 1])) copy[n++] = '\n';
    }
    src->text = copy;
    src->bytes = n;
    src->scan = memcpy(copy + n, copy, n);
    return 0;
}

static int read_text(const mn_yaml_source *how, const char *text, size_t bytes, mn_node **docs) {
    size_t n_values = 0;
    stream s = {.all = *how};
    s.all.n_values = &n_values;
    char *memory = NULL;
    mn_node *all = mn_node_new(how->ctx, MN_SEQ);
    if (!all) return MODNAS_ENOMEM;
    int rc = copy_text(&s.all, text, bytes, &memory);
    if (!rc) rc = mn_yaml_check_bytes(&s.all);
    if (!rc) rc = read_documents(&s, all);
    mn_free(how->ctx, memory);
    if (rc)
        mn_node_free(how->ctx, all);
    else
        *docs = all;
    return rc;
}

int mn_yaml_read(modnas_ctx *ctx, const char *text, size_t bytes, const char *file, mn_node **docs) {
    const mn_yaml_source how = {.ctx = ctx, .file = file ? file : "?", .lines = 1};
    return read_text(&how, text, bytes, docs);
}

int mn_yaml_read_raw(modnas_ctx *ctx, const char *text, size_t bytes, const char *file, mn_node **docs) {
    const mn_yaml_source how = {.ctx = ctx, .file = file ? file : "?", .lines = 1, .any_tag = 1};
    return read_text(&how, text, bytes, docs);
}

int mn_yaml_value(modnas_ctx *ctx, const char *text, const char *file, mn_node **out) {
    const mn_yaml_source how = {.ctx = ctx, .file = file ? file : "?"};
    mn_node *docs, *value = NULL;
    MN_TRY(read_text(&how, text, strlen(text), &docs));
    int rc = 0;
    if (docs->n > 1) rc = mn_yaml_fail(&how, 1, "%zu documents where one value is wanted", docs->n);
    if (docs->n == 1) {
        value = docs->items[0];
        docs->n = 0;
    } else if (!rc) {
        value = mn_node_new(ctx, MN_NULL);
        rc = value ? mn_node_place(ctx, value, how.file, 0) : MODNAS_ENOMEM;
    }
    mn_node_free(ctx, docs);
    if (rc)
        mn_node_free(ctx, value);
    else
        *out = value;
    return rc;
}
