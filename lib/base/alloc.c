/* Memory: everything goes through the context's one allocation function.
 *
 *   [ size | unused ][ bytes the caller sees ... ]        a block; the 16-byte head keeps what follows 16-byte aligned
 *   [ head ][ .. gap .. | block ][ 64-byte aligned ... ]  an aligned block: the word before it points to its block
 *
 * The size in the head serves the counters (live and peak bytes), which tests and memory reports read. */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

typedef struct head {
    size_t bytes;
    size_t unused; /* fills the head up to 16 bytes */
} head;

enum { ALIGN = 64 };

/* A new block, all zeros. Pages that libc gets from the system are zero already and take no memory until they are used. */
static head *new_zeroed(modnas_ctx *ctx, size_t bytes) {
    if (ctx->is_libc) return calloc(1, bytes);
    head *h = ctx->opts.alloc_fn(NULL, bytes, ctx->opts.alloc_ud);
    if (h) memset(h, 0, bytes);
    return h;
}

/* Allocate or resize the block of which `old` is the head (NULL: a new one, zeroed if wanted). */
static void *resize(modnas_ctx *ctx, head *old, size_t bytes, int zeroed) {
    const size_t before = old ? old->bytes : 0;
    head *h = NULL;
    if (bytes <= SIZE_MAX - sizeof *h)
        h = zeroed ? new_zeroed(ctx, sizeof *h + bytes) : ctx->opts.alloc_fn(old, sizeof *h + bytes, ctx->opts.alloc_ud);
    if (!h) {
        mn_fail(ctx, MODNAS_ENOMEM, "out of memory: %zu bytes asked for, %zu in use", bytes, ctx->bytes_live);
        return NULL;
    }
    h->bytes = bytes;
    ctx->n_allocs++;
    ctx->bytes_live += bytes - before;
    if (ctx->bytes_live > ctx->bytes_peak) ctx->bytes_peak = ctx->bytes_live;
    return h + 1;
}

static int product(modnas_ctx *ctx, size_t count, size_t size, size_t *bytes) {
    if (__builtin_mul_overflow(count, size, bytes))
        return mn_fail(ctx, MODNAS_ENOMEM, "out of memory: %zu elements of %zu bytes do not fit in memory", count,
                       size);
    return 0;
}

void *mn_alloc(modnas_ctx *ctx, size_t count, size_t size) {
    size_t bytes;
    if (product(ctx, count, size, &bytes)) return NULL;
    return resize(ctx, NULL, bytes, 1);
}

void *mn_realloc(modnas_ctx *ctx, void *ptr, size_t count, size_t size) {
    size_t bytes;
    if (product(ctx, count, size, &bytes)) return NULL;
    return resize(ctx, ptr ? (head *)ptr - 1 : NULL, bytes, 0);
}

void mn_free(modnas_ctx *ctx, void *ptr) {
    if (!ptr) return;
    head *h = (head *)ptr - 1;
    ctx->bytes_live -= h->bytes;
    ctx->opts.alloc_fn(h, 0, ctx->opts.alloc_ud);
}

static void *alloc_aligned(modnas_ctx *ctx, size_t bytes, int zeroed) {
    if (bytes > SIZE_MAX - ALIGN) {
        mn_fail(ctx, MODNAS_ENOMEM, "out of memory: %zu bytes do not fit in memory", bytes);
        return NULL;
    }
    char *block = resize(ctx, NULL, bytes + ALIGN, zeroed);
    if (!block) return NULL;
    /* A block is 16-byte aligned, so at least 16 bytes lie before the next multiple of 64: room for the word. */
    void **mem = (void **)(block + ALIGN - (uintptr_t)block % ALIGN);
    mem[-1] = block;
    return mem;
}

void *mn_alloc_aligned(modnas_ctx *ctx, size_t bytes) {
    return alloc_aligned(ctx, bytes, 0);
}

void *mn_alloc_aligned_zeroed(modnas_ctx *ctx, size_t bytes) {
    return alloc_aligned(ctx, bytes, 1);
}

void mn_free_aligned(modnas_ctx *ctx, void *ptr) {
    if (ptr) mn_free(ctx, ((void **)ptr)[-1]);
}

char *mn_strndup(modnas_ctx *ctx, const char *text, size_t n) {
    n = strnlen(text, n);
    char *copy = mn_alloc(ctx, n + 1, 1);
    if (copy) memcpy(copy, text, n);
    return copy;
}

char *mn_strdup(modnas_ctx *ctx, const char *text) {
    return mn_strndup(ctx, text, strlen(text));
}
