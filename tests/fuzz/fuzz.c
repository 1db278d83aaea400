/* What the fuzz targets share (see fuzz.h). */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

enum { FILL = 0xa5 };

size_t fuzz_n_accepted;
static int accepted;

/* Block sizes are kept by the context's own heads; here it is the sum that counts. */
typedef struct heap {
    size_t live, limit, n_input;
    long n_blocks;
} heap;

typedef struct block {
    size_t bytes, unused; /* keeps what follows aligned to 16 */
} block;

static void *bounded_alloc(void *ptr, size_t bytes, void *ud) {
    heap *h = ud;
    block *old = ptr ? (block *)ptr - 1 : NULL;
    const size_t before = old ? old->bytes : 0;
    if (!bytes) {
        h->n_blocks -= old != NULL;
        h->live -= before;
        free(old);
        return NULL;
    }
    FUZZ_CHECK(bytes - before <= h->limit - h->live || bytes <= before,
               "%zu bytes asked for, %zu in use, for an input of %zu", bytes, h->live, h->n_input);
    block *b = realloc(old, sizeof *b + bytes);
    FUZZ_CHECK(b != NULL, "%zu bytes of memory", bytes);
    h->n_blocks += !old;
    h->live += bytes - before;
    b->bytes = bytes;
    return b + 1;
}

int fuzz_run(fuzz_fn fn, const uint8_t *data, size_t n, size_t fixed, size_t per_byte) {
    heap h = {.limit = fixed + per_byte * n, .n_input = n};
    const modnas_ctx_opts opts = {.size = sizeof opts, .alloc_fn = bounded_alloc, .alloc_ud = &h, .threads = 1};
    modnas_ctx *ctx = NULL;
    char *copy = malloc(n + 1); /* of the exact size: a sanitizer sees the first byte behind it */
    FUZZ_CHECK(copy && modnas_ctx_new(&opts, &ctx) == 0, "no context");
    if (n) memcpy(copy, data, n);
    copy[n] = 0;
    accepted = 0;
    fn(ctx, copy, n);
    modnas_ctx_free(ctx);
    free(copy);
    FUZZ_CHECK(h.n_blocks == 0 && h.live == 0, "%ld blocks of %zu bytes are left", h.n_blocks, h.live);
    fuzz_n_accepted += (size_t)accepted;
    return 0;
}

void fuzz_accept(void) {
    accepted = 1;
}

void fuzz_fill(void *out, size_t bytes) {
    memset(out, FILL, bytes);
}

void fuzz_check_untouched(const void *out, size_t bytes) {
    const unsigned char *b = out;
    for (size_t i = 0; i < bytes; i++)
        FUZZ_CHECK(b[i] == FILL, "byte %zu of a result was written by a call that failed", i);
}

void fuzz_check_text(const modnas_ctx *ctx, int rc) {
    const char *text = modnas_errmsg(ctx);
    if (rc) FUZZ_CHECK(*text && !strpbrk(text, "\n\r"), "status %d with the text '%s'", rc, text);
}

int fuzz_is_modest(const char *json) {
    size_t n = 0;
    for (; *json; json++, n++)
        if ((unsigned char)*json >= 0x7f) return 0;
    return n < 1000;
}

int fuzz_file(const void *bytes, size_t n, char path[64]) {
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0, "no file in memory");
    FUZZ_CHECK(write(fd, bytes, n) == (ssize_t)n, "%zu bytes to a file in memory", n);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}
