/* Packed streams: gzip, zlib, deflate, and gzip found by its mark.
 *
 * From memory or from a file, byte by byte or in large pieces, a stream is the same bytes or is refused; so does zlib's
 * own one-call form see zlib and deflate streams. A source that failed stays so. Memory does not grow with what is
 * unpacked. */
#include <unistd.h>
#include <zlib.h>

#include "data/source.h"
#include "fuzz.h"

enum { PIECE = 1 << 16, SMALL = 1 << 12 /* read byte by byte, too */ };

typedef struct result {
    int rc;
    uint64_t bytes;
    char sha256[65];
} result;

/* Read to the end in pieces; what the source says of itself has to be what came. */
static result drain(modnas_ctx *ctx, mn_source *s, size_t piece) {
    uint8_t *window = malloc(piece); /* of the exact size, so that a sanitizer sees what is written behind it */
    result r = {0};
    mn_sha256 sha;
    size_t got = piece;
    FUZZ_CHECK(window, "no memory");
    mn_sha256_init(&sha);
    while (!r.rc && got == piece) {
        r.rc = mn_source_read(s, window, piece, &got);
        fuzz_check_text(ctx, r.rc);
        if (r.rc) break;
        mn_sha256_add(&sha, window, got);
        r.bytes += got;
    }
    if (r.rc) FUZZ_CHECK(mn_source_read(s, window, 1, &got) == r.rc, "a failed source is read on");
    FUZZ_CHECK(mn_source_bytes(s) == r.bytes, "%llu bytes", (unsigned long long)r.bytes);
    mn_sha256_hex(&sha, r.sha256);
    mn_source_close(s);
    free(window);
    return r;
}

static void expect_same(result a, result b, const char *how) {
    FUZZ_CHECK(a.rc == b.rc, "status %d; %s: %d", a.rc, how, b.rc);
    if (a.rc) return;
    FUZZ_CHECK(a.bytes == b.bytes && strcmp(a.sha256, b.sha256) == 0, "%llu bytes; %s: %llu",
               (unsigned long long)a.bytes, how, (unsigned long long)b.bytes);
}

/* zlib alone: whether bytes are one whole stream, and how long what is in it. */
static int plain_inflate(const char *bytes, size_t n, int window_bits, uint64_t *length) {
    uint8_t piece[4096];
    z_stream z = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (unsigned)n};
    int rc = inflateInit2(&z, window_bits);
    while (rc == Z_OK) {
        z.next_out = piece;
        z.avail_out = sizeof piece;
        rc = inflate(&z, Z_NO_FLUSH);
    }
    *length = z.total_out;
    const int whole = rc == Z_STREAM_END && z.avail_in == 0;
    inflateEnd(&z);
    return whole;
}

static void run_kind(modnas_ctx *ctx, const char *bytes, size_t n, int32_t kind, const char *path) {
    mn_source *s;
    uint64_t length;
    FUZZ_CHECK(mn_source_open_mem(ctx, bytes, n, "in", kind, &s) == 0, "%s", modnas_errmsg(ctx));
    const result whole = drain(ctx, s, PIECE);
    FUZZ_CHECK(mn_source_open(ctx, path, kind, &s) == 0, "%s", modnas_errmsg(ctx));
    expect_same(whole, drain(ctx, s, PIECE), "from a file");
    if (whole.bytes <= SMALL) {
        FUZZ_CHECK(mn_source_open_mem(ctx, bytes, n, "in", kind, &s) == 0, "%s", modnas_errmsg(ctx));
        expect_same(whole, drain(ctx, s, 1), "byte by byte");
    }
    if (kind == MN_SOURCE_ZLIB || kind == MN_SOURCE_DEFLATE) {
        const int right = plain_inflate(bytes, n, kind == MN_SOURCE_ZLIB ? MAX_WBITS : -MAX_WBITS, &length);
        FUZZ_CHECK(right == !whole.rc, "%s", right ? "a right stream is refused" : "a wrong stream is accepted");
        if (right) FUZZ_CHECK(length == whole.bytes, "%llu bytes", (unsigned long long)length);
    }
    if (!whole.rc) fuzz_accept();
}

static void run(modnas_ctx *ctx, const char *bytes, size_t n) {
    static const int32_t kinds[] = {MN_SOURCE_GZIP, MN_SOURCE_ZLIB, MN_SOURCE_DEFLATE, MN_SOURCE_AUTO};
    char path[64];
    for (size_t i = 0; i < MN_COUNT(kinds); i++) {
        const int fd = fuzz_file(bytes, n, path);
        run_kind(ctx, bytes, n, kinds[i], path);
        close(fd);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    return fuzz_run(run, data, n, 1 << 19, 0);
}
