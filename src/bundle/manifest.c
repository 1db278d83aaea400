/* The manifest of a bundle: a table (data/table.h) of what its files are.
 *
 *   file          part             at   bytes  sha256
 *   results.json  -                0    1800   1f...     all of it
 *   results.json  name             0    11     9a...     its parts, which make it up
 *   ...
 *   manifest.tsv  modnas-bundle-1  0    5210   c0...     of the lines above
 *
 * A text that was read is written again and compared: what is not exactly as it would be written is refused, so that no
 * byte of it can change without being told. */
#include <inttypes.h>
#include <string.h>

#include "bundle/bundle.h"
#include "data/table.h"

#define COLUMNS "file\tpart\tat\tbytes\tsha256\n"
#define FORMAT  "modnas-bundle-1"
#define WHOLE   "-"

/* ---- writing ------------------------------------------------------------------------------------------- */

static void add_row(mn_str *s, const mn_manifest_row *r) {
    if (!s->n) mn_str_add(s, COLUMNS);
    mn_str_addf(s, "%s\t%s\t%" PRIu64 "\t%" PRIu64 "\t%s\n", r->file, r->part ? r->part : WHOLE, r->at, r->bytes,
                r->sha256);
}

static mn_manifest_row row_of(const char *file, const char *part, const char *bytes, size_t at, size_t n) {
    mn_manifest_row r = {.file = file, .part = part, .at = at, .bytes = n};
    mn_sha256 sha;
    mn_sha256_init(&sha);
    mn_sha256_add(&sha, bytes + at, n);
    mn_sha256_hex(&sha, r.sha256);
    return r;
}

int mn_manifest_add(mn_str *s, const char *file, const char *bytes, size_t n) {
    mn_vec parts;
    MN_TRY(mn_parts_find(s->ctx, file, bytes, n, &parts));
    const mn_manifest_row whole = row_of(file, NULL, bytes, 0, n);
    add_row(s, &whole);
    for (size_t i = 0; i < parts.n; i++) {
        const mn_part *p = &MN_AT(parts, mn_part, i);
        const size_t at = i ? p->at : 0, end = i + 1 < parts.n ? p[1].at : n;
        const mn_manifest_row r = row_of(file, p->name, bytes, at, end - at);
        add_row(s, &r);
    }
    mn_vec_free(s->ctx, &parts);
    return s->failed ? MODNAS_ENOMEM : 0;
}

void mn_manifest_end(mn_str *s) {
    if (!s->n) mn_str_add(s, COLUMNS);
    if (s->failed) return;
    const mn_manifest_row r = row_of(MN_MANIFEST, FORMAT, s->text, 0, s->n);
    add_row(s, &r);
}

/* ---- reading ------------------------------------------------------------------------------------------- */

typedef struct reading {
    mn_manifest *m;
    const char *name;
    mn_map files;
    uint64_t size, at; /* of the file whose rows are read; where its next part begins */
    int32_t n_parts;   /* of that file */
    int32_t is_over;   /* the last row was read */
} reading;

static int wrong(const reading *r, size_t line, const char *what, const char *text) {
    return mn_fail(r->m->ctx, MODNAS_EFORMAT, "%s:%zu: %s%s%.80s%s", r->name, line, what, text ? " '" : "",
                   text ? text : "", text ? "'" : "");
}

/* Digits of a number that takes part in sums: below 2^53. */
static int read_number(const char *text, uint64_t *out) {
    const size_t n = strlen(text);
    *out = 0;
    if (!n || n > 15 || text[strspn(text, "0123456789")]) return -1;
    for (; *text; text++) *out = *out * 10 + (uint64_t)(*text - '0');
    return 0;
}

static int is_hash(const char *text) {
    return strlen(text) == 64 && !text[strspn(text, "0123456789abcdef")];
}

/* A plain name, which leads out of no folder. */
static int is_name(const char *file) {
    return *file && *file != '.' && !strchr(file, '/') && strlen(file) < 256;
}

/* Behind the last part of a file nothing of it may be left. */
static int end_file(reading *r, size_t line) {
    if (r->n_parts && r->at != r->size) return wrong(r, line, "parts of the file before do not make it up", NULL);
    r->n_parts = 0;
    return 0;
}

static int begin_file(reading *r, size_t line, const mn_manifest_row *row) {
    MN_TRY(end_file(r, line));
    if (row->at || mn_map_get(&r->files, row->file)) return wrong(r, line, "a second row of file", row->file);
    r->size = row->bytes;
    r->at = 0;
    return mn_map_put(r->m->ctx, &r->files, row->file, r);
}

static int add_part(reading *r, size_t line, const mn_manifest_row *row) {
    const size_t n = r->m->rows.n;
    if (!n || strcmp(MN_AT(r->m->rows, mn_manifest_row, n - 1).file, row->file) != 0)
        return wrong(r, line, "a part without its file", row->file);
    if (row->at != r->at || row->bytes > r->size - r->at) return wrong(r, line, "a part that is not in its place", row->part);
    r->at += row->bytes;
    r->n_parts++;
    return 0;
}

static int read_row(size_t line, const char *const *f, size_t n, void *ud) {
    reading *r = ud;
    mn_manifest_row row = {.part = NULL};
    modnas_ctx *ctx = r->m->ctx;
    if (line == 1) return n == 5 ? 0 : wrong(r, 1, "no manifest of a bundle: 5 columns are wanted", NULL);
    if (r->is_over) return wrong(r, line, "a row behind the last one", NULL);
    if (!is_name(f[0])) return wrong(r, line, "no name of a file in the folder:", f[0]);
    if (read_number(f[2], &row.at) || read_number(f[3], &row.bytes)) return wrong(r, line, "at and bytes are no numbers", NULL);
    if (!is_hash(f[4])) return wrong(r, line, "no SHA-256 in lower case:", f[4]);
    MN_TRY(mn_map_name(ctx, &r->m->names, f[0], &row.file));
    if (strcmp(f[1], WHOLE) != 0) MN_TRY(mn_map_name(ctx, &r->m->names, f[1], &row.part));
    memcpy(row.sha256, f[4], sizeof row.sha256);
    if (strcmp(f[0], MN_MANIFEST) == 0) {
        if (strcmp(f[1], FORMAT) != 0) return wrong(r, line, "of another version than " FORMAT ":", f[1]);
        r->is_over = 1;
        return end_file(r, line);
    }
    MN_TRY(row.part ? add_part(r, line, &row) : begin_file(r, line, &row));
    return mn_vec_push(ctx, &r->m->rows, &row, 1) ? 0 : MODNAS_ENOMEM;
}

/* Is the text what would be written of the rows? */
static int check_text(const reading *r, const char *text, size_t n) {
    mn_str s = {.ctx = r->m->ctx};
    for (size_t i = 0; i < r->m->rows.n; i++) add_row(&s, &MN_AT(r->m->rows, mn_manifest_row, i));
    mn_manifest_end(&s);
    int rc = s.failed ? MODNAS_ENOMEM : 0;
    size_t line = 1, at = 0;
    for (; !rc && at < n && at < s.n && text[at] == s.text[at]; at++) line += text[at] == '\n';
    if (!rc && (at < n || at < s.n))
        rc = wrong(r, line, r->is_over ? "the lines are not those that the sum in the last one is of, or are otherwise written"
                                       : "the last row is missing", NULL);
    mn_str_free(&s);
    return rc;
}

static int read_text(reading *r, const char *text, size_t n) {
    mn_source *s;
    MN_TRY(mn_source_open_mem(r->m->ctx, text, n, r->name, MN_SOURCE_PLAIN, &s));
    const int rc = mn_table_walk(r->m->ctx, s, read_row, r);
    mn_source_close(s);
    return rc ? rc : check_text(r, text, n);
}

int mn_manifest_parse(modnas_ctx *ctx, const char *text, size_t n, const char *name, mn_manifest *out) {
    mn_manifest m = {.ctx = ctx};
    reading r = {.m = &m, .name = name};
    mn_vec_init(&m.rows, sizeof(mn_manifest_row));
    const int rc = read_text(&r, text, n);
    mn_map_free(ctx, &r.files);
    if (rc)
        mn_manifest_free(&m);
    else
        *out = m;
    return rc;
}

void mn_manifest_free(mn_manifest *m) {
    if (!m->ctx) return;
    mn_vec_free(m->ctx, &m->rows);
    mn_map_free(m->ctx, &m->names);
}

const mn_manifest_row *mn_manifest_find(const mn_manifest *m, const char *file) {
    for (size_t i = 0; i < m->rows.n; i++) {
        const mn_manifest_row *r = &MN_AT(m->rows, mn_manifest_row, i);
        if (!r->part && strcmp(r->file, file) == 0) return r;
    }
    return NULL;
}
