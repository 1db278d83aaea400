/* The context: everything hangs off it. No global state exists; two contexts never influence each other.
 * A context and all that was made from it is used by one thread at a time; only modnas_cancel may be called from
 * anywhere. A callback may call the library again, on the thread that it is called on. Every function with a status
 * refuses, before it touches anything:
 *   MODNAS_EBUSY      another thread is inside; there is no text then, modnas_errmsg belongs to that thread
 *   MODNAS_EFORK      the context was made before fork. In the child a new one works, with kernels of more than one thread
 *                     from a new thread only (OpenMP's threads stay behind)
 *   MODNAS_EPARALLEL  the call comes from inside an OpenMP region and a backend with OpenMP is open, or would be opened */
#ifndef MODNAS_CTX_H
#define MODNAS_CTX_H

#include <stddef.h>
#include <stdint.h>

#include "modnas/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct modnas_ctx modnas_ctx;

/** One function allocates, resizes and frees (as Lua's): ptr NULL: allocate; bytes 0: free, return NULL.
 * Blocks are aligned to 16 bytes, as malloc's. Returns NULL when memory is out; the old block then stays as it was.
 * Called from the context's thread only. */
typedef void *(*modnas_alloc_fn)(void *ptr, size_t bytes, void *ud);

enum modnas_log_level { MODNAS_LOG_ERROR = 0, MODNAS_LOG_WARN = 1, MODNAS_LOG_INFO = 2, MODNAS_LOG_DEBUG = 3 };

/** Receives one finished line (UTF-8, no line end). The text is only valid during the call. */
typedef void (*modnas_log_fn)(int32_t level, const char *text, void *ud);

/** Options of a context. Zero in a field means its default. */
typedef struct modnas_ctx_opts {
    size_t size;               /* sizeof(modnas_ctx_opts) as the caller compiled it */
    modnas_alloc_fn alloc_fn;  /* default: realloc and free of libc */
    void *alloc_ud;
    modnas_log_fn log_fn;      /* default: lines are dropped */
    void *log_ud;
    const char *plugin_dir;    /* more folders to seek plug-ins in, separated by ':'; default: none */
    int32_t threads;           /* logical threads of the kernels, 1..256; default 2. Part of the determinism promise */
    int32_t log_level;         /* highest level passed on; default MODNAS_LOG_INFO */
} modnas_ctx_opts;

/** Make a context.
 *
 * @param opts  NULL: all defaults
 * @param out   [out] the context; the caller frees it with modnas_ctx_free
 * @return 0; MODNAS_EINVAL (size is 0 or too large with a non-zero tail, threads out of range), MODNAS_ENOMEM
 * Since 0.1. */
MODNAS_API MODNAS_MUST_USE int modnas_ctx_new(const modnas_ctx_opts *opts, modnas_ctx **out);

/** Release a context. What was made from it holds it: it goes when its last child goes. NULL is fine. Since 0.1. */
MODNAS_API void modnas_ctx_free(modnas_ctx *ctx);

/** Text of the last error on this context: one line with the numbers. Borrowed until the next call on the context;
 * "" when nothing failed. Since 0.1. */
MODNAS_API const char *modnas_errmsg(const modnas_ctx *ctx);

/** Ask whatever runs on this context to stop at the next step; it then returns MODNAS_ECANCELED.
 * Lock-free: may be called from any thread and from a signal handler. NULL is fine. Since 0.1. */
MODNAS_API void modnas_cancel(modnas_ctx *ctx);

/** Release a string that a function of this library handed out. NULL is fine. Since 0.1. */
MODNAS_API void modnas_string_free(modnas_ctx *ctx, char *text);

/** Version of the library that runs, such as "0.1.0". Static. Since 0.1. */
MODNAS_API const char *modnas_version(void);

#ifdef __cplusplus
}
#endif
#endif
