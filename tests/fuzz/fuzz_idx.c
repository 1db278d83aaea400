/* IDX files, plain or in gzip: read as labels, as images, as either.
 *
 * A file that was accepted is its header and its data and nothing else, and is either labels or images. */
#include "data/idx.h"
#include "fuzz.h"

typedef struct walked {
    uint64_t n;
    uint8_t sum;
} walked;

static int count(const mn_idx *idx, const uint8_t *elements, size_t n, void *ud) {
    walked *w = ud;
    (void)idx;
    for (size_t i = 0; i < n; i++) w->sum = (uint8_t)(w->sum + elements[i]);
    w->n += n;
    return 0;
}

static void check_bytes(const mn_idx *idx, const char *bytes, size_t n) {
    mn_sha256 sha;
    char text[65];
    size_t product = 1;
    for (int i = 0; i < 3; i++) product *= (size_t)idx->dims[i];
    FUZZ_CHECK(product == idx->data_bytes && product > 0, "%zu bytes of data, %zu by the sizes", idx->data_bytes,
               product);
    mn_sha256_init(&sha);
    mn_sha256_add(&sha, idx->header, idx->header_bytes);
    mn_sha256_add(&sha, idx->data, idx->data_bytes);
    mn_sha256_hex(&sha, text);
    FUZZ_CHECK(strcmp(text, idx->sha256) == 0, "the hash is of something else");
    if (n >= 2 && (uint8_t)bytes[0] == 0x1f) return; /* packed */
    FUZZ_CHECK(n == idx->header_bytes + idx->data_bytes, "%zu bytes", n);
    FUZZ_CHECK(memcmp(bytes, idx->header, idx->header_bytes) == 0, "another header");
    FUZZ_CHECK(memcmp(bytes + idx->header_bytes, idx->data, idx->data_bytes) == 0, "other data");
}

static void check_labels(modnas_ctx *ctx, const mn_idx *idx) {
    size_t n_right = 0;
    while (n_right < idx->data_bytes && idx->data[n_right] < 10) n_right++;
    const int rc = mn_idx_check_labels(ctx, idx, 10);
    fuzz_check_text(ctx, rc);
    FUZZ_CHECK((rc == 0) == (n_right == idx->data_bytes), "status %d, but label %zu is the first wrong one", rc,
               n_right);
}

static int read_as(modnas_ctx *ctx, const char *bytes, size_t n, int32_t want) {
    mn_idx idx;
    fuzz_fill(&idx, sizeof idx);
    const int rc = mn_idx_parse(ctx, bytes, n, "in.idx", want, &idx);
    fuzz_check_text(ctx, rc);
    if (rc) {
        FUZZ_CHECK(rc == MODNAS_EFORMAT || rc == MODNAS_EUNSUPPORTED, "status %d", rc);
        fuzz_check_untouched(&idx, sizeof idx);
        return rc;
    }
    fuzz_accept();
    FUZZ_CHECK(want == MN_IDX_ANY || idx.n_dims == want, "%d dimensions", idx.n_dims);
    check_bytes(&idx, bytes, n);
    if (want == MN_IDX_LABELS) check_labels(ctx, &idx);
    mn_idx_free(ctx, &idx);
    return 0;
}

static void walk(modnas_ctx *ctx, const char *bytes, size_t n, int want_rc) {
    mn_source *s;
    mn_idx idx;
    walked w = {0};
    FUZZ_CHECK(mn_source_open_mem(ctx, bytes, n, "in.idx", MN_SOURCE_AUTO, &s) == 0, "%s", modnas_errmsg(ctx));
    const int rc = mn_idx_walk(ctx, s, MN_IDX_ANY, count, &w, &idx);
    mn_source_close(s);
    FUZZ_CHECK(rc == want_rc, "%d when walked, %d when kept", rc, want_rc);
    if (rc) return;
    FUZZ_CHECK(w.n == idx.data_bytes && !idx.data, "%llu elements of %zu", (unsigned long long)w.n, idx.data_bytes);
    mn_idx_free(ctx, &idx);
}

static void run(modnas_ctx *ctx, const char *bytes, size_t n) {
    const int any = read_as(ctx, bytes, n, MN_IDX_ANY), labels = read_as(ctx, bytes, n, MN_IDX_LABELS),
              images = read_as(ctx, bytes, n, MN_IDX_IMAGES);
    FUZZ_CHECK((any == 0) == (labels == 0 || images == 0) && (labels || images), "any %d, labels %d, images %d", any,
               labels, images);
    walk(ctx, bytes, n, any);
}

/* Deflate makes up to 1032 bytes of one; what is kept is at most doubled. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    return fuzz_run(run, data, n, 1 << 18, 3 * 1032);
}
