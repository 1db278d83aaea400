/* CIFAR records, plain or in gzip, of both kinds.
 *
 * A file that was accepted is its labels and pixels; one that is refused leaves the records before it as they were. */
#include "data/cifar.h"
#include "fuzz.h"

enum { RECORD_MAX = MN_CIFAR_100 + MN_CIFAR_PIXELS };

/* One right record in front of everything, so that there is something to damage. */
static void add_first(modnas_ctx *ctx, int32_t kind, mn_cifar *c) {
    static const uint8_t record[RECORD_MAX] = {1, 2, 3};
    FUZZ_CHECK(mn_cifar_add_mem(ctx, record, (size_t)kind + MN_CIFAR_PIXELS, "first", kind, c) == 0, "%s",
               modnas_errmsg(ctx));
}

static void check_first(const mn_cifar *c, int32_t kind) {
    FUZZ_CHECK(c->n >= 1 && c->labels[0] == kind && c->pixels[0] == 3 - (kind == MN_CIFAR_10),
               "the first record changed");
}

static void check_records(const mn_cifar *c, int32_t kind, const char *bytes, size_t n) {
    const size_t record = (size_t)kind + MN_CIFAR_PIXELS;
    const int64_t count = c->n - 1;
    FUZZ_CHECK(count > 0 && (uint64_t)c->file_bytes == (uint64_t)count * record, "%lld records of %lld bytes",
               (long long)count, (long long)c->file_bytes);
    for (int64_t i = 1; i < c->n; i++)
        FUZZ_CHECK(c->labels[i] >= 0 && c->labels[i] < (kind == MN_CIFAR_10 ? 10 : 100), "label %d", c->labels[i]);
    if (n >= 2 && (uint8_t)bytes[0] == 0x1f && (uint8_t)bytes[1] == 0x8b) return; /* packed */
    FUZZ_CHECK((uint64_t)c->file_bytes == n, "%zu bytes", n);
    for (int64_t i = 0; i < count; i++) {
        const char *at = bytes + (size_t)i * record;
        FUZZ_CHECK((uint8_t)at[kind - 1] == c->labels[1 + i], "another label of record %lld", (long long)i);
        FUZZ_CHECK(memcmp(at + kind, c->pixels + (size_t)(1 + i) * MN_CIFAR_PIXELS, MN_CIFAR_PIXELS) == 0,
                   "other pixels");
    }
}

static void read_as(modnas_ctx *ctx, const char *bytes, size_t n, int32_t kind) {
    mn_cifar c = {0};
    add_first(ctx, kind, &c);
    const mn_cifar before = c;
    const int rc = mn_cifar_add_mem(ctx, bytes, n, "in.bin", kind, &c);
    fuzz_check_text(ctx, rc);
    if (rc) {
        FUZZ_CHECK(rc == MODNAS_EFORMAT, "status %d", rc);
        FUZZ_CHECK(c.n == before.n && c.file_bytes == before.file_bytes && !memcmp(&c.sha, &before.sha, sizeof c.sha) &&
                       !memcmp(c.file_sha256, before.file_sha256, sizeof c.file_sha256),
                   "a refused file changed what is said of those before");
    } else {
        fuzz_accept();
        check_records(&c, kind, bytes, n);
    }
    check_first(&c, kind);
    mn_cifar_free(ctx, &c);
}

static void run(modnas_ctx *ctx, const char *bytes, size_t n) {
    read_as(ctx, bytes, n, MN_CIFAR_10);
    read_as(ctx, bytes, n, MN_CIFAR_100);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    return fuzz_run(run, data, n, 1 << 20, 3 * 1032);
}
