/* Bundles: manifests, and the parts of files.
 *
 * A manifest that was read and is written again is the text; files have plain names and parts that make them up. Parts of
 * any file rise, end in the file, and a manifest of it is read again. */
#include "bundle/bundle.h"
#include "fuzz.h"

static void check_rows(const mn_manifest *m) {
    const mn_manifest_row *whole = NULL;
    uint64_t at = 0;
    for (size_t i = 0; i < m->rows.n; i++) {
        const mn_manifest_row *r = &MN_AT(m->rows, mn_manifest_row, i);
        FUZZ_CHECK(*r->file && !strchr(r->file, '/') && r->file[0] != '.', "row %zu: %s", i, r->file);
        FUZZ_CHECK(strlen(r->sha256) == 64, "row %zu: %s", i, r->sha256);
        if (!r->part) {
            FUZZ_CHECK(mn_manifest_find(m, r->file) == r, "row %zu: %s is there twice", i, r->file);
            FUZZ_CHECK(!whole || !at || at == whole->bytes, "row %zu", i);
            whole = r;
            at = 0;
            continue;
        }
        FUZZ_CHECK(whole && strcmp(whole->file, r->file) == 0 && r->at == at, "row %zu", i);
        at += r->bytes;
        FUZZ_CHECK(at <= whole->bytes, "row %zu", i);
    }
}

static void read_manifest(modnas_ctx *ctx, const char *bytes, size_t n) {
    mn_manifest m;
    fuzz_fill(&m, sizeof m);
    const int rc = mn_manifest_parse(ctx, bytes, n, "in.tsv", &m);
    fuzz_check_text(ctx, rc);
    if (rc) {
        fuzz_check_untouched(&m, sizeof m);
        return;
    }
    fuzz_accept();
    check_rows(&m);
    mn_manifest_free(&m);
}

/* The same lines with a last row that is right for them: what lies behind the sum is read as well. */
static void read_healed(modnas_ctx *ctx, const char *bytes, size_t n) {
    mn_str text = {.ctx = ctx};
    if (n && bytes[n - 1] == '\n') n--;
    while (n && bytes[n - 1] != '\n') n--;
    mn_str_addn(&text, bytes, n);
    mn_manifest_end(&text);
    read_manifest(ctx, text.text, text.n);
    mn_str_free(&text);
}

static void find_parts(modnas_ctx *ctx, const char *file, const char *bytes, size_t n) {
    mn_vec parts;
    mn_str text = {.ctx = ctx};
    mn_manifest m;
    FUZZ_CHECK(mn_parts_find(ctx, file, bytes, n, &parts) == 0, "%s", modnas_errmsg(ctx));
    FUZZ_CHECK(parts.n != 1, "one part of %s", file);
    for (size_t i = 0; i < parts.n; i++) {
        const mn_part *p = &MN_AT(parts, mn_part, i);
        FUZZ_CHECK(p->at < n && (!i || p->at > p[-1].at) && strlen(p->name) < MN_PART_NAME, "part %zu of %s", i, file);
    }
    FUZZ_CHECK(mn_manifest_add(&text, file, bytes, n) == 0, "%s", modnas_errmsg(ctx));
    mn_manifest_end(&text);
    FUZZ_CHECK(mn_manifest_parse(ctx, text.text, text.n, "again", &m) == 0, "%s", modnas_errmsg(ctx));
    mn_manifest_free(&m);
    mn_str_free(&text);
    mn_vec_free(ctx, &parts);
}

static void run(modnas_ctx *ctx, const char *bytes, size_t n) {
    static const char *const files[] = {"x.safetensors", "x.json", "x.yaml", "x"};
    read_manifest(ctx, bytes, n);
    read_healed(ctx, bytes, n);
    for (size_t i = 0; i < MN_COUNT(files); i++) find_parts(ctx, files[i], bytes, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    return fuzz_run(run, data, n, 1 << 19, 1024);
}
