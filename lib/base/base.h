/* The bottom layer: context internals, errors, memory, strings, vectors, maps and random numbers.
 *
 * Everything above allocates through the context (so that a host's allocator sees it and a test can count it), reports
 * errors with mn_fail (text set once, where the fault is known), and draws random numbers keyed by stream and step (so
 * that no draw depends on how many were made elsewhere). */
#ifndef MN_BASE_H
#define MN_BASE_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "modnas/ctx.h"

#define MN_COUNT(a)           (sizeof(a) / sizeof((a)[0]))
#define MN_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/* Return status codes upwards unchanged: `MN_TRY(call);` */
#define MN_TRY(expr)                                                                                                   \
    do {                                                                                                               \
        int mn_try_rc_ = (expr);                                                                                       \
        if (mn_try_rc_ != 0) return mn_try_rc_;                                                                        \
    } while (0)

/* ---- context ------------------------------------------------------------------------------------------------ */

struct mn_registry; /* src/registry */
struct mn_backends; /* lib/backend */

struct modnas_ctx {
    modnas_ctx_opts opts; /* full copy, defaults filled in */
    char *plugin_dir;     /* owned copy */
    int is_libc;          /* memory comes from libc: a large block from calloc is zero without being touched */
    atomic_int refs;      /* children hold the context */
    atomic_int canceled;
    atomic_uintptr_t owner; /* the thread that is inside; 0: none */
    int depth;              /* how often it is, by way of callbacks */
    long pid;               /* of the process that made the context */
    char err[1024];
    int err_status;   /* that went with it */
    int64_t n_allocs; /* calls that allocated or resized, since the context was made */
    size_t bytes_live, bytes_peak;
    uint64_t n_recordings; /* of all runs (lib/graph): numbers them, so that none is taken for another at its address */
    struct mn_registry *registry;
    void (*registry_free)(struct modnas_ctx *ctx); /* set by the layer that made `registry`; likewise below */
    struct mn_backends *backends;
    void (*backends_free)(struct modnas_ctx *ctx);
    int (*backends_enter)(struct modnas_ctx *ctx); /* 0, or MODNAS_EPARALLEL */
    const struct mn_file_ops *files;               /* NULL: the system's */
    void *files_ud;
};

/* The border: `MN_ENTER(ctx);` at the top of every public function with a status, before anything of the context is
 * touched. One thread is inside at a time; it may come again, from a callback. Left with the function, however it
 * returns. MODNAS_EBUSY leaves the text alone, which belongs to the thread that is inside; MODNAS_EFORK;
 * MODNAS_EPARALLEL when an opened backend says that a parallel region is calling. */
#define MN_ENTER(ctx)                                                                                                  \
    modnas_ctx *mn_entered_ __attribute__((cleanup(mn_leave))) = NULL;                                                 \
    MN_TRY(mn_enter((ctx), &mn_entered_))
int mn_enter(modnas_ctx *ctx, modnas_ctx **entered); /* holds the context */
void mn_leave(modnas_ctx **entered);
/* The short form for what is called many times in a callback, where this thread is inside: MODNAS_EBUSY if another is. */
int mn_check_thread(const modnas_ctx *ctx);

void mn_ctx_hold(modnas_ctx *ctx);
void mn_ctx_drop(modnas_ctx *ctx);    /* same as modnas_ctx_free */
int mn_canceled(modnas_ctx *ctx);     /* 0, or MODNAS_ECANCELED with its text set; stays so until mn_cancel_done */
void mn_cancel_done(modnas_ctx *ctx); /* by the outermost entry that hands MODNAS_ECANCELED to the host */

/* Full copy of an option struct whose first field is `size_t size`: src NULL gives zeros, a shorter src is completed
 * with zeros, a longer one is refused (MODNAS_EINVAL, both sizes named) unless its unknown tail is zero. dst->size =
 * known. */
int mn_opts_read(modnas_ctx *ctx, const char *name, const void *src, void *dst, size_t known);
/* Fill a struct of the caller's whose `size` is set: as much of `full` as it has room for, size stays. MODNAS_EINVAL
 * when it has no room for size itself. */
int mn_opts_write(modnas_ctx *ctx, const char *name, const void *full, size_t known, void *dst);

/* Set the error text and return `status`. One line, present facts with the numbers. */
int mn_fail(modnas_ctx *ctx, int status, const char *fmt, ...) MN_PRINTF(3, 4);
/* What a host's callback returned, as the status that goes up: mn_callback_begin before it is called, mn_callback_end
 * after. A status that this library set meanwhile keeps its text; a positive code goes up as it is, any other negative
 * one as MODNAS_ECALLBACK, both with the number behind the text "...". */
void mn_callback_begin(modnas_ctx *ctx);
int mn_callback_end(modnas_ctx *ctx, int rc, const char *fmt, ...) MN_PRINTF(3, 4);
void mn_log(modnas_ctx *ctx, int32_t level, const char *fmt, ...) MN_PRINTF(3, 4);

/* ---- memory: all of it through ctx->opts.alloc_fn ------------------------------------------------------------ */

/* count * size zeroed bytes, 16-byte aligned. NULL when out of memory (error text set) or when the product overflows.
 */
void *mn_alloc(modnas_ctx *ctx, size_t count, size_t size);
void *mn_realloc(modnas_ctx *ctx, void *ptr, size_t count, size_t size); /* grown part is not zeroed */
void mn_free(modnas_ctx *ctx, void *ptr);
/* As mn_alloc, 64-byte aligned and NOT zeroed; for large numeric buffers. Free with mn_free_aligned. */
void *mn_alloc_aligned(modnas_ctx *ctx, size_t bytes);
void *mn_alloc_aligned_zeroed(modnas_ctx *ctx, size_t bytes);
void mn_free_aligned(modnas_ctx *ctx, void *ptr);
char *mn_strdup(modnas_ctx *ctx, const char *text);
char *mn_strndup(modnas_ctx *ctx, const char *text, size_t n);

/* ---- vector: `mn_vec` of elements of one size ----------------------------------------------------------------- */

typedef struct mn_vec {
    void *data;
    size_t n, cap, elem;
} mn_vec;

void mn_vec_init(mn_vec *v, size_t elem);
void mn_vec_free(modnas_ctx *ctx, mn_vec *v);
/* Append n elements (copied from src, zeroed if src is NULL); returns the first new one, NULL when out of memory. */
void *mn_vec_push(modnas_ctx *ctx, mn_vec *v, const void *src, size_t n);
void mn_vec_remove(mn_vec *v, size_t i); /* i < n; those behind it move up */
#define MN_AT(v, type, i) (((type *)(v).data)[i])

/* ---- map: string -> pointer, in insertion order ---------------------------------------------------------------- */

typedef struct mn_map {
    struct mn_map_slot *slots;
    size_t n, cap;
} mn_map;

void mn_map_free(modnas_ctx *ctx, mn_map *m); /* keys are owned by the map, values are not */
void *mn_map_get(const mn_map *m, const char *key);
int mn_map_put(modnas_ctx *ctx, mn_map *m, const char *key, void *value); /* replaces */
const char *mn_map_key(const mn_map *m, size_t i, void **value);          /* i-th put, 0 <= i < n; value may be NULL */
/* A map of names alone: one of its own that is the same text, put there if it is new; lives as long as the map. */
int mn_map_name(modnas_ctx *ctx, mn_map *m, const char *name, const char **out);

/* ---- string builder ------------------------------------------------------------------------------------------- */

/* Zero-initialise. After an out-of-memory `failed` is set, and mn_str_take returns NULL. */
typedef struct mn_str {
    modnas_ctx *ctx;
    char *text;
    size_t n, cap;
    int failed;
} mn_str;

void mn_str_add(mn_str *s, const char *text);
void mn_str_addn(mn_str *s, const char *text, size_t n);
void mn_str_addf(mn_str *s, const char *fmt, ...) MN_PRINTF(2, 3);
void mn_str_json(mn_str *s, const char *text); /* quoted and escaped; bytes that are no UTF-8 become U+FFFD */
void mn_str_real(
    mn_str *s,
    double x); /* shortest decimal that reads back the same; JSON's null when not finite; independent of the locale */
char *mn_str_take(mn_str *s); /* owned by the caller; NULL (error text set) when out of memory */
void mn_str_free(mn_str *s);

/* Bytes of the UTF-8 character (RFC 3629) that begins a text of n bytes; 0 if none does. */
size_t mn_utf8_length(const char *text, size_t n);
/* Locale-independent strtod; returns 0 and the value if the whole text (under 1024 bytes) is a decimal number that a
 * double can hold, else -1. No blanks, no hexadecimal, no "inf", no "nan". */
int mn_parse_real(const char *text, double *out);
/* Edit distance suggestion: the best of names[0..n) for `word`, or NULL when none is near. */
const char *mn_suggest(const char *word, const char *const *names, size_t n);

/* ---- random numbers -------------------------------------------------------------------------------------------- */

/* Counter-based (Philox 4x32-10, Salmon et al. 2011): word = f(seed, stream, step, index). A component has a stream
 * (mn_stream of its name), the caller counts steps; draws inside a step are numbered by the generator itself. */
typedef struct mn_rng {
    uint64_t seed, stream, step, index;
    uint32_t word[4];
} mn_rng;

/* One block of Philox4x32-10: four words from a 128-bit counter and a 64-bit key. */
void mn_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
uint64_t mn_stream(const char *name); /* FNV-1a of the name */
void mn_rng_init(mn_rng *r, uint64_t seed, uint64_t stream, uint64_t step);
uint32_t mn_rng_u32(mn_rng *r);
double mn_rng_real(mn_rng *r);                         /* [0, 1), 53 bits */
double mn_rng_normal(mn_rng *r);                       /* Box-Muller */
void mn_rng_reals(mn_rng *r, double *x, int64_t n);    /* the next n of mn_rng_real, in a quarter of the time */
void mn_rng_normals(mn_rng *r, double *x, int64_t n);  /* the next n of mn_rng_normal */
uint64_t mn_rng_below(mn_rng *r, uint64_t n);          /* 0 .. n-1, without bias; n >= 1 */
void mn_rng_shuffle(mn_rng *r, int32_t *a, int64_t n); /* Fisher-Yates */

/* ---- files ------------------------------------------------------------------------------------------------------ */

/* What writing a file asks of the system; each as the call of that name, with errno. */
typedef struct mn_file_ops {
    int (*open)(const char *path, int flags, int mode, void *ud);
    ptrdiff_t (*write)(int fd, const void *data, size_t bytes, void *ud);
    int (*fsync)(int fd, void *ud);
    int (*close)(int fd, void *ud);
    int (*rename)(const char *from, const char *to, void *ud);
    int (*unlink)(const char *path, void *ud);
} mn_file_ops;

typedef struct mn_bytes {
    const void *data;
    size_t n;
} mn_bytes;

/* Write a whole file: temporary name beside it, write, fsync, rename, fsync of the folder. The old file stays whole on
 * any error. 0 or MODNAS_EIO / MODNAS_ENOMEM with path and reason in the text. */
int mn_file_write(modnas_ctx *ctx, const char *path, const void *data, size_t bytes);
int mn_file_write_parts(modnas_ctx *ctx, const char *path, const mn_bytes *parts, size_t n); /* one behind the other */
/* Contents that are not in memory as a whole: emit puts them, one piece after another, and passes on what put returns.
 * Asked again it puts the same. */
typedef int (*mn_put_fn)(void *to, const void *data, size_t bytes);
typedef int (*mn_emit_fn)(mn_put_fn put, void *to, void *ud);
int mn_file_write_from(modnas_ctx *ctx, const char *path, mn_emit_fn emit, void *ud);
/* Read a whole file of at most `max` bytes; *data is 0-terminated behind its end and freed with mn_free.
 * MODNAS_ENOTFOUND if there is none, MODNAS_EIO, MODNAS_ENOMEM. */
int mn_file_read(modnas_ctx *ctx, const char *path, size_t max, char **data, size_t *bytes);
int mn_make_dirs(modnas_ctx *ctx, const char *path); /* mkdir -p */

/* Lower-case hex SHA-256 (FIPS 180-4) into text[65]. */
typedef struct mn_sha256 {
    uint32_t h[8];
    uint64_t bytes;
    uint8_t block[64];
} mn_sha256;
void mn_sha256_init(mn_sha256 *s);
void mn_sha256_add(mn_sha256 *s, const void *data, size_t n);
void mn_sha256_hex(mn_sha256 *s, char text[65]);

uint32_t mn_crc32c(const void *data, size_t n);

/* Monotonic seconds. */
double mn_seconds(void);

/* ---- CPU --------------------------------------------------------------------------------------------------------- */

enum mn_isa { MN_ISA_PORTABLE = 0, MN_ISA_AVX2 = 1, MN_ISA_AVX512 = 2 };
int mn_cpu_isa(void); /* cpuid + xgetbv; no state is kept */
const char *mn_cpu_isa_name(void); /* "portable", "avx2", "avx512" */

#endif
