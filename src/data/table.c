/* Tables (see table.h): one pass, in which the longest line is all that is held. */
#include <string.h>

#include "data/table.h"

enum { WINDOW = 1 << 16, LINE_MAX_BYTES = 4 << 20, RAGGED_SHOWN = 4 };

typedef struct walk {
    modnas_ctx *ctx;
    const char *name;
    mn_table_fn fn;
    void *ud;
    mn_vec text;   /* char: the line so far */
    mn_vec fields; /* const char *, into text */
    size_t line, n_columns;
    size_t n_ragged;
    struct {
        size_t line, n;
    } ragged[RAGGED_SHOWN];
} walk;

/* Bytes that a text has no use for, UTF-8 or not. */
static int check_text(const walk *w, const char *text, size_t n) {
    for (size_t i = 0; i < n;) {
        const size_t step = mn_utf8_length(text + i, n - i);
        const unsigned char c = (unsigned char)text[i];
        if (!step || (c < 0x20 && c != '\t') || c == 0x7f)
            return mn_fail(w->ctx, MODNAS_EFORMAT, "%s:%zu: byte %zu of the line, 0x%02x, is no text", w->name, w->line,
                           i + 1, c);
        i += step;
    }
    return 0;
}

static int split(walk *w, char *text) {
    w->fields.n = 0;
    while (text) {
        const char *field = text;
        text = strchr(text, '\t');
        if (text) *text++ = 0;
        if (!mn_vec_push(w->ctx, &w->fields, &field, 1)) return MODNAS_ENOMEM;
    }
    return 0;
}

static int check_names(walk *w) {
    mn_map seen = {0};
    int rc = 0;
    for (size_t i = 0; i < w->n_columns && !rc; i++) {
        const char *name = MN_AT(w->fields, const char *, i);
        if (!*name)
            rc = mn_fail(w->ctx, MODNAS_EFORMAT, "%s:1: column %zu of %zu has no name", w->name, i + 1, w->n_columns);
        else if (mn_map_get(&seen, name))
            rc = mn_fail(w->ctx, MODNAS_EFORMAT, "%s:1: two columns are named '%.80s'", w->name, name);
        else
            rc = mn_map_put(w->ctx, &seen, name, w);
    }
    mn_map_free(w->ctx, &seen);
    return rc;
}

static int end_line(walk *w) {
    static const char end = 0;
    if (w->text.n && MN_AT(w->text, char, w->text.n - 1) == '\r') w->text.n--;
    const size_t n = w->text.n;
    if (!mn_vec_push(w->ctx, &w->text, &end, 1)) return MODNAS_ENOMEM;
    w->line++;
    w->text.n = 0;
    MN_TRY(check_text(w, w->text.data, n));
    MN_TRY(split(w, w->text.data));
    if (w->line == 1) {
        w->n_columns = w->fields.n;
        MN_TRY(check_names(w));
    }
    if (w->fields.n == w->n_columns) return w->fn(w->line, w->fields.data, w->n_columns, w->ud);
    if (w->n_ragged < RAGGED_SHOWN) {
        w->ragged[w->n_ragged].line = w->line;
        w->ragged[w->n_ragged].n = w->fields.n;
    }
    w->n_ragged++;
    return 0;
}

static int add_bytes(walk *w, const char *bytes, size_t n) {
    if (n > LINE_MAX_BYTES - w->text.n)
        return mn_fail(w->ctx, MODNAS_EFORMAT, "%s:%zu: the line is longer than %d bytes", w->name, w->line + 1,
                       LINE_MAX_BYTES);
    return !n || mn_vec_push(w->ctx, &w->text, bytes, n) ? 0 : MODNAS_ENOMEM;
}

static int add_piece(walk *w, const char *piece, size_t n) {
    while (n) {
        const char *end = memchr(piece, '\n', n);
        const size_t k = end ? (size_t)(end - piece) : n;
        MN_TRY(add_bytes(w, piece, k));
        if (!end) return 0;
        MN_TRY(end_line(w));
        piece += k + 1;
        n -= k + 1;
    }
    return 0;
}

/* "t.tsv:5: 3 fields in 4 columns; also lines 9 (5), 12 (3), and 7 more" */
static int fail_ragged(const walk *w) {
    mn_str s = {.ctx = w->ctx};
    for (size_t i = 1; i < w->n_ragged && i < RAGGED_SHOWN; i++)
        mn_str_addf(&s, "%s%zu (%zu)", i == 1 ? "; also lines " : ", ", w->ragged[i].line, w->ragged[i].n);
    if (w->n_ragged > RAGGED_SHOWN) mn_str_addf(&s, " and %zu more", w->n_ragged - RAGGED_SHOWN);
    char *others = mn_str_take(&s);
    if (!others) return MODNAS_ENOMEM;
    const int rc =
        mn_fail(w->ctx, MODNAS_EFORMAT, "%s:%zu: %zu field%s in a table of %zu column%s%s", w->name, w->ragged[0].line,
                w->ragged[0].n, w->ragged[0].n == 1 ? "" : "s", w->n_columns, w->n_columns == 1 ? "" : "s", others);
    mn_free(w->ctx, others);
    return rc;
}

static int walk_lines(walk *w, mn_source *s, char *window) {
    for (size_t got = WINDOW; got == WINDOW;) {
        MN_TRY(mn_source_read(s, window, WINDOW, &got));
        MN_TRY(add_piece(w, window, got));
    }
    if (w->text.n) MN_TRY(end_line(w));
    if (!w->line) return mn_fail(w->ctx, MODNAS_EFORMAT, "%s: 0 bytes; a table has a line of names", w->name);
    return w->n_ragged ? fail_ragged(w) : 0;
}

int mn_table_walk(modnas_ctx *ctx, mn_source *s, mn_table_fn fn, void *ud) {
    walk w = {.ctx = ctx, .name = mn_source_content(s), .fn = fn, .ud = ud};
    mn_vec_init(&w.text, 1);
    mn_vec_init(&w.fields, sizeof(const char *));
    char *window = mn_alloc(ctx, WINDOW, 1);
    const int rc = window ? walk_lines(&w, s, window) : MODNAS_ENOMEM;
    mn_free(ctx, window);
    mn_vec_free(ctx, &w.text);
    mn_vec_free(ctx, &w.fields);
    return rc;
}
