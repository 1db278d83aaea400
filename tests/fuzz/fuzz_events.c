/* TensorBoard's event files.
 *
 * As a file: what was accepted is accepted when its end is cut off, too, and tells no more then. As one event, with the
 * right sums around it: the same bytes tell the same. */
#include "data/source.h"
#include "export/events.h"
#include "fuzz.h"

typedef struct told {
    size_t n, n_starts, bytes; /* scalars, beginnings, of their tags */
} told;

static int count(const mn_event *e, void *ud) {
    told *t = ud;
    t->n += e->tag != NULL;
    t->n_starts += e->tag == NULL;
    t->bytes += e->tag ? strlen(e->tag) : 0;
    return 0;
}

static int read(modnas_ctx *ctx, const void *bytes, size_t n, told *t, int *torn) {
    mn_source *s;
    FUZZ_CHECK(mn_source_open_mem(ctx, bytes, n, "in", MN_SOURCE_PLAIN, &s) == 0, "%s", modnas_errmsg(ctx));
    *t = (told){0};
    fuzz_fill(torn, sizeof *torn);
    const int rc = mn_events_read(ctx, s, count, t, torn);
    fuzz_check_text(ctx, rc);
    if (rc) fuzz_check_untouched(torn, sizeof *torn);
    mn_source_close(s);
    return rc;
}

static uint32_t masked(const void *data, size_t n) {
    const uint32_t crc = mn_crc32c(data, n);
    return (crc >> 15 | crc << 17) + 0xa282ead8;
}

static void put(mn_str *s, uint64_t x, int bytes) {
    for (int i = 0; i < bytes; i++) {
        const char c = (char)(x >> 8 * i);
        mn_str_addn(s, &c, 1);
    }
}

static void as_event(modnas_ctx *ctx, const char *bytes, size_t n) {
    mn_str s = {.ctx = ctx};
    told a, b;
    int torn;
    put(&s, n, 8);
    put(&s, masked(s.text, 8), 4);
    mn_str_addn(&s, bytes, n);
    put(&s, masked(bytes, n), 4);
    const int rc = read(ctx, s.text, s.n, &a, &torn);
    FUZZ_CHECK(rc || !torn, "%zu bytes", n);
    FUZZ_CHECK(rc || a.bytes <= n, "%zu bytes of tags in %zu", a.bytes, n);
    FUZZ_CHECK(read(ctx, s.text, s.n, &b, &torn) == rc, "%s", modnas_errmsg(ctx));
    FUZZ_CHECK(a.n == b.n && a.n_starts == b.n_starts, "%zu scalars, then %zu", a.n, b.n);
    mn_str_free(&s);
}

static void run(modnas_ctx *ctx, const char *bytes, size_t n) {
    told whole, cut;
    int torn;
    if (!read(ctx, bytes, n, &whole, &torn)) {
        fuzz_accept();
        FUZZ_CHECK(!n || !read(ctx, bytes, n - 1, &cut, &torn), "%s", modnas_errmsg(ctx));
        FUZZ_CHECK(!n || cut.n <= whole.n, "%zu scalars of %zu", cut.n, whole.n);
    }
    as_event(ctx, bytes, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    return fuzz_run(run, data, n, 1 << 19, 512);
}
