/* Tables: lines of fields with tabs between them.
 *
 * The lines and fields of a table that was accepted, put together again, are the text. */
#include "data/table.h"
#include "fuzz.h"

typedef struct joined {
    mn_str text;
    size_t n_lines, n_columns;
} joined;

static int join(size_t line, const char *const *fields, size_t n, void *ud) {
    joined *j = ud;
    FUZZ_CHECK(n > 0 && (line == 1 || n == j->n_columns), "line %zu has %zu fields of %zu", line, n, j->n_columns);
    j->n_columns = n;
    j->n_lines++;
    for (size_t i = 0; i < n; i++) {
        mn_str_add(&j->text, i ? "\t" : "");
        mn_str_add(&j->text, fields[i]);
    }
    mn_str_add(&j->text, "\n");
    return 0;
}

/* But for one carriage return in front of a line end, and the last line's end. */
static void check_same(const char *got, const char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == '\r' && (i + 1 == n || bytes[i + 1] == '\n')) continue;
        FUZZ_CHECK(*got == bytes[i], "byte %zu", i);
        got++;
    }
    FUZZ_CHECK(!*got || (got[0] == '\n' && !got[1]), "%zu bytes more", strlen(got));
}

static void run(modnas_ctx *ctx, const char *bytes, size_t n) {
    mn_source *s;
    joined j = {.text = {.ctx = ctx}};
    FUZZ_CHECK(mn_source_open_mem(ctx, bytes, n, "in.tsv", MN_SOURCE_PLAIN, &s) == 0, "%s", modnas_errmsg(ctx));
    const int rc = mn_table_walk(ctx, s, join, &j);
    fuzz_check_text(ctx, rc);
    if (!rc) {
        fuzz_accept();
        check_same(j.text.text, bytes, n);
    }
    mn_str_free(&j.text);
    mn_source_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    return fuzz_run(run, data, n, 1 << 19, 512);
}
