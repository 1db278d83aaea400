/* The context: options, life, who is inside, and cancellation.
 *
 * A context is counted: its maker holds it once, every child once more, so frees may come in any order. What upper
 * layers hang on it (registry, opened backends) does not hold it; it is released with the context through the two
 * hooks, in reverse order of the layers.
 *
 * Option structs of the whole library follow one rule, kept in mn_opts_read: `size` comes first, a shorter struct (an
 * older caller) is completed with zeros, a longer one (a newer caller) is taken if everything unknown in it is zero. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"

/* The size that a caller's struct says it has. */
static int read_size(modnas_ctx *ctx, const char *name, const void *src, size_t known, size_t *size) {
    memcpy(size, src, sizeof *size);
    if (*size >= sizeof *size) return 0;
    return mn_fail(ctx, MODNAS_EINVAL, "%s: size is %zu, the struct has %zu bytes", name, *size, known);
}

int mn_opts_read(modnas_ctx *ctx, const char *name, const void *src, void *dst, size_t known) {
    if (!src) {
        memset(dst, 0, known);
        memcpy(dst, &known, sizeof known);
        return 0;
    }
    size_t size;
    MN_TRY(read_size(ctx, name, src, known, &size));
    const unsigned char *bytes = src;
    for (size_t i = known; i < size; i++)
        if (bytes[i])
            return mn_fail(ctx, MODNAS_EINVAL, "%s: size is %zu with a value at byte %zu, this library knows %zu bytes",
                           name, size, i, known);
    const size_t n = size < known ? size : known;
    memset(dst, 0, known);
    memcpy(dst, src, n);
    memcpy(dst, &known, sizeof known);
    return 0;
}

int mn_opts_write(modnas_ctx *ctx, const char *name, const void *full, size_t known, void *dst) {
    size_t size;
    MN_TRY(read_size(ctx, name, dst, known, &size));
    const size_t n = size < known ? size : known;
    memcpy((char *)dst + sizeof size, (const char *)full + sizeof size, n - sizeof size);
    return 0;
}

static void *libc_alloc(void *ptr, size_t bytes, void *ud) {
    (void)ud;
    if (bytes) return realloc(ptr, bytes);
    free(ptr);
    return NULL;
}

static int fill_defaults(modnas_ctx *ctx) {
    modnas_ctx_opts *o = &ctx->opts;
    ctx->is_libc = !o->alloc_fn;
    if (!o->alloc_fn) o->alloc_fn = libc_alloc;
    if (!o->threads) o->threads = 2;
    if (!o->log_level) o->log_level = MODNAS_LOG_INFO;
    if (o->threads < 1 || o->threads > 256)
        return mn_fail(ctx, MODNAS_EINVAL, "modnas_ctx_opts: threads is %d, the range is 1..256", (int)o->threads);
    if (o->log_level < MODNAS_LOG_ERROR || o->log_level > MODNAS_LOG_DEBUG)
        return mn_fail(ctx, MODNAS_EINVAL, "modnas_ctx_opts: log_level is %d, the range is 0..3", (int)o->log_level);
    return 0;
}

int modnas_ctx_new(const modnas_ctx_opts *opts, modnas_ctx **out) {
    if (!out) return MODNAS_EINVAL;
    modnas_ctx draft = {.refs = 1, .pid = (long)getpid()}; /* carries the error text until there is a context */
    int rc = mn_opts_read(&draft, "modnas_ctx_opts", opts, &draft.opts, sizeof draft.opts);
    if (rc && opts->size > sizeof draft.opts) {
        draft.opts.log_fn = opts->log_fn; /* a newer caller's struct is refused, but its log is in the part we know */
        draft.opts.log_ud = opts->log_ud;
    }
    if (!rc) rc = fill_defaults(&draft);
    if (rc) {
        mn_log(&draft, MODNAS_LOG_ERROR, "%s", draft.err);
        return rc;
    }
    modnas_ctx *ctx = draft.opts.alloc_fn(NULL, sizeof *ctx, draft.opts.alloc_ud);
    if (!ctx) return MODNAS_ENOMEM;
    memcpy(ctx, &draft, sizeof draft);
    if (draft.opts.plugin_dir) {
        ctx->plugin_dir = mn_strdup(ctx, draft.opts.plugin_dir);
        if (!ctx->plugin_dir) {
            modnas_ctx_free(ctx);
            return MODNAS_ENOMEM;
        }
    }
    ctx->opts.plugin_dir = ctx->plugin_dir;
    *out = ctx;
    return 0;
}

void mn_ctx_hold(modnas_ctx *ctx) {
    atomic_fetch_add(&ctx->refs, 1);
}

void mn_ctx_drop(modnas_ctx *ctx) {
    if (!ctx || atomic_fetch_sub(&ctx->refs, 1) != 1) return;
    if (ctx->registry_free) ctx->registry_free(ctx);
    if (ctx->backends_free) ctx->backends_free(ctx);
    mn_free(ctx, ctx->plugin_dir);
    ctx->opts.alloc_fn(ctx, 0, ctx->opts.alloc_ud);
}

void modnas_ctx_free(modnas_ctx *ctx) {
    mn_ctx_drop(ctx);
}

/* ---- the border ---------------------------------------------------------------------------------------- */

static uintptr_t this_thread(void) {
    return (uintptr_t)pthread_self();
}

static int may_enter(modnas_ctx *ctx) {
    if (ctx->pid != (long)getpid())
        return mn_fail(ctx, MODNAS_EFORK, "the context was made by process %ld, this is process %ld", ctx->pid,
                       (long)getpid());
    return ctx->backends_enter ? ctx->backends_enter(ctx) : 0;
}

int mn_enter(modnas_ctx *ctx, modnas_ctx **entered) {
    uintptr_t owner = 0;
    if (!atomic_compare_exchange_strong(&ctx->owner, &owner, this_thread()) && owner != this_thread())
        return ctx->pid == (long)getpid() ? MODNAS_EBUSY : MODNAS_EFORK; /* whoever was inside is not in this process */
    ctx->depth++;
    mn_ctx_hold(ctx);
    *entered = ctx;
    return may_enter(ctx);
}

void mn_leave(modnas_ctx **entered) {
    modnas_ctx *ctx = *entered;
    if (!ctx) return;
    if (--ctx->depth == 0) atomic_store(&ctx->owner, 0);
    mn_ctx_drop(ctx);
}

int mn_check_thread(const modnas_ctx *ctx) {
    const uintptr_t owner = atomic_load(&ctx->owner);
    return owner && owner != this_thread() ? MODNAS_EBUSY : 0;
}

/* ---- errors and cancellation --------------------------------------------------------------------------- */

const char *modnas_errmsg(const modnas_ctx *ctx) {
    return ctx ? ctx->err : "";
}

void modnas_cancel(modnas_ctx *ctx) {
    if (ctx) atomic_store(&ctx->canceled, 1);
}

int mn_canceled(modnas_ctx *ctx) {
    if (!atomic_load(&ctx->canceled)) return 0;
    return mn_fail(ctx, MODNAS_ECANCELED, "canceled");
}

void mn_cancel_done(modnas_ctx *ctx) {
    atomic_store(&ctx->canceled, 0);
}

void modnas_string_free(modnas_ctx *ctx, char *text) {
    if (ctx) mn_free(ctx, text);
}
