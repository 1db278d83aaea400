/* Looking at data: IDX files, CIFAR records, packed streams, tables. Each goes by once. */
#include <math.h>
#include <string.h>

#include "data/cifar.h"
#include "data/idx.h"
#include "data/table.h"
#include "inspect/inspect.h"

enum { BYTE_VALUES = 256 };

static const char *packed(const mn_source *s) {
    return mn_source_kind(s) == MN_SOURCE_GZIP ? ", in gzip" : "";
}

/* ---- bytes --------------------------------------------------------------------------------------------- */

typedef struct tally {
    uint64_t n[BYTE_VALUES];
} tally;

static int tally_idx(const mn_idx *idx, const uint8_t *elements, size_t n, void *ud) {
    tally *t = ud;
    (void)idx;
    for (size_t i = 0; i < n; i++) t->n[elements[i]]++;
    return 0;
}

static int tally_cifar(const uint8_t *records, size_t n_records, void *ud) {
    tally *t = ud;
    for (size_t i = 0; i < n_records; i++) t->n[records[i * (MN_CIFAR_10 + MN_CIFAR_PIXELS)]]++;
    return 0;
}

/* "  labels: 0 x 1000, 1 x 998, ..." */
static void add_labels(mn_str *s, const tally *t) {
    const char *before = "  labels: ";
    for (int i = 0; i < BYTE_VALUES; i++) {
        if (!t->n[i]) continue;
        mn_str_addf(s, "%s%d x %llu", before, i, (unsigned long long)t->n[i]);
        before = ", ";
    }
    mn_str_add(s, "\n");
}

/* Mean and range of bytes that are pixels. */
static void add_pixels(mn_str *s, const tally *t) {
    double n = 0, sum = 0;
    int least = -1, most = 0;
    for (int i = 0; i < BYTE_VALUES; i++) {
        if (!t->n[i]) continue;
        n += (double)t->n[i];
        sum += i * (double)t->n[i];
        if (least < 0) least = i;
        most = i;
    }
    mn_str_addf(s, "  pixels from %d to %d, mean ", least, most);
    mn_str_real(s, round(sum / n / 255 * 1e4) / 1e4);
    mn_str_add(s, " where 255 is 1\n");
}

int mn_look_idx(mn_report *r, mn_source *s) {
    tally t = {{0}};
    mn_idx idx;
    MN_TRY(mn_idx_walk(r->ctx, s, MN_IDX_ANY, tally_idx, &t, &idx));
    if (idx.n_dims == MN_IDX_LABELS) {
        mn_str_addf(&r->text, "  %lld labels%s\n", (long long)idx.dims[0], packed(s));
        add_labels(&r->text, &t);
    } else {
        mn_str_addf(&r->text, "  %lld images of %lld x %lld%s\n", (long long)idx.dims[0], (long long)idx.dims[1],
                    (long long)idx.dims[2], packed(s));
        add_pixels(&r->text, &t);
    }
    mn_idx_free(r->ctx, &idx);
    return 0;
}

int mn_look_cifar10(mn_report *r, mn_source *s) {
    tally t = {{0}};
    MN_TRY(mn_cifar_walk(r->ctx, s, MN_CIFAR_10, tally_cifar, &t));
    const unsigned long long n = mn_source_bytes(s) / (MN_CIFAR_10 + MN_CIFAR_PIXELS);
    mn_str_addf(&r->text, "  %llu record%s of a label and 3 x 32 x 32 pixels%s\n", n, n == 1 ? "" : "s", packed(s));
    add_labels(&r->text, &t);
    return 0;
}

int mn_look_packed(mn_report *r, mn_source *s) {
    MN_TRY(mn_source_drain(s));
    const unsigned long long n = mn_source_n_members(s);
    mn_str_addf(&r->text, "  %llu %s%s, %llu bytes packed\n", n,
                mn_source_kind(s) == MN_SOURCE_GZIP ? "member" : "stream", n == 1 ? "" : "s",
                (unsigned long long)mn_source_packed(s));
    return 0;
}

/* ---- tables -------------------------------------------------------------------------------------------- */

typedef struct column {
    char *name;
    uint64_t n_numbers, n_missing, n_texts;
    double least, most;
} column;

typedef struct table {
    modnas_ctx *ctx;
    mn_vec columns;
    uint64_t n_rows;
} table;

static int add_column(table *t, const char *name) {
    column c = {.name = mn_strdup(t->ctx, name)};
    if (!c.name) return MODNAS_ENOMEM;
    if (mn_vec_push(t->ctx, &t->columns, &c, 1)) return 0;
    mn_free(t->ctx, c.name);
    return MODNAS_ENOMEM;
}

/* "-" and nothing stand for what was not measured. Digits that begin with a 0 are no number but a name, as 00000000. */
static void tally_field(column *c, const char *field) {
    double x;
    const int is_name = field[0] == '0' && field[1] >= '0' && field[1] <= '9';
    if (!*field || strcmp(field, "-") == 0) {
        c->n_missing++;
    } else if (is_name || mn_parse_real(field, &x)) {
        c->n_texts++;
    } else {
        if (!c->n_numbers || x < c->least) c->least = x;
        if (!c->n_numbers || x > c->most) c->most = x;
        c->n_numbers++;
    }
}

static int tally_line(size_t line, const char *const *fields, size_t n_fields, void *ud) {
    table *t = ud;
    for (size_t i = 0; i < n_fields; i++) {
        if (line == 1)
            MN_TRY(add_column(t, fields[i]));
        else
            tally_field(&MN_AT(t->columns, column, i), fields[i]);
    }
    t->n_rows += line > 1;
    return 0;
}

static void add_column_line(mn_str *s, const column *c) {
    mn_str_addf(s, "  %s: %s", c->name, c->n_texts ? "text" : c->n_numbers ? "numbers from " : "nothing");
    if (!c->n_texts && c->n_numbers) {
        mn_str_real(s, c->least);
        mn_str_add(s, " to ");
        mn_str_real(s, c->most);
    }
    if (c->n_missing && (c->n_texts || c->n_numbers))
        mn_str_addf(s, ", %llu missing", (unsigned long long)c->n_missing);
    mn_str_add(s, "\n");
}

int mn_look_table(mn_report *r, mn_source *s) {
    table t = {.ctx = r->ctx};
    mn_vec_init(&t.columns, sizeof(column));
    const int rc = mn_table_walk(r->ctx, s, tally_line, &t);
    if (!rc)
        mn_str_addf(&r->text, "  %llu row%s, %zu column%s\n", (unsigned long long)t.n_rows, t.n_rows == 1 ? "" : "s",
                    t.columns.n, t.columns.n == 1 ? "" : "s");
    for (size_t i = 0; i < t.columns.n; i++) {
        if (!rc) add_column_line(&r->text, &MN_AT(t.columns, column, i));
        mn_free(r->ctx, MN_AT(t.columns, column, i).name);
    }
    mn_vec_free(r->ctx, &t.columns);
    return rc;
}
