/* Sources of bytes: a file or memory, plain or packed, read once from front to back.
 *
 *   file --read(2)--> 64 KiB window --inflate--> caller's buffer (whose size bounds what is unpacked)
 *   memory ---------> the bytes themselves
 *
 * The caller says how much it wants, so a small file that unpacks to gigabytes costs nothing until somebody asks for
 * them. zlib checks headers, check values and lengths; the data ends only where the last packed stream (a member, in
 * gzip) ends. zlib's own memory comes from the context. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "data/source.h"

enum { WINDOW = 1 << 16 };

static const struct {
    const char *name, *unit; /* what it is called, and one packed stream of it */
    int window_bits;         /* as zlib's inflateInit2 counts */
} kinds[] = {[MN_SOURCE_GZIP] = {"gzip", "gzip member", 16 + MAX_WBITS},
             [MN_SOURCE_ZLIB] = {"zlib", "zlib stream", MAX_WBITS},
             [MN_SOURCE_DEFLATE] = {"deflate", "deflate stream", -MAX_WBITS}};

struct mn_source {
    modnas_ctx *ctx;
    char *name, *content; /* of the file, and of what is in it */
    int fd;               /* -1: memory */
    int32_t kind;
    int in_member; /* inside a packed stream: the end of the source is not the end of the data */
    int z_open;
    int failed;          /* what a read returned */
    uint64_t n_members;  /* packed streams that ended */
    uint64_t n_packed;   /* bytes that came from the source */
    uint64_t n_unpacked; /* bytes delivered */
    const uint8_t *in;   /* source bytes not used yet */
    size_t n_in;
    uint8_t *window; /* where a file's bytes are read to */
    mn_sha256 sha;
    z_stream z;
};

static void *z_alloc(void *ctx, unsigned n, unsigned size) {
    return mn_alloc(ctx, n, size);
}
static void z_free(void *ctx, void *mem) {
    mn_free(ctx, mem);
}

static int fail_errno(modnas_ctx *ctx, const char *path, int error) {
    char text[128];
    const int status = error == ENOENT || error == ENOTDIR ? MODNAS_ENOTFOUND : MODNAS_EIO;
    return mn_fail(ctx, status, "%s: %s", path, strerror_r(error, text, sizeof text));
}

/* Bring source bytes in until `want` are there, or the window is full, or the source ends. */
static int fill(mn_source *s, size_t want) {
    if (s->fd < 0 || s->n_in >= want) return 0;
    if (s->n_in) memmove(s->window, s->in, s->n_in);
    s->in = s->window;
    while (s->n_in < want && s->n_in < WINDOW) {
        const ssize_t got = read(s->fd, s->window + s->n_in, WINDOW - s->n_in);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno(s->ctx, s->name, errno);
        if (got == 0) return 0;
        s->n_in += (size_t)got;
        s->n_packed += (uint64_t)got;
    }
    return 0;
}

/* n_in stays 0 at the end of the source only. */
static int refill(mn_source *s) {
    return fill(s, 1);
}

int mn_source_head(mn_source *s, size_t want, const uint8_t **bytes, size_t *n) {
    MN_TRY(fill(s, want));
    *bytes = s->in;
    *n = s->n_in < WINDOW ? s->n_in : WINDOW;
    return 0;
}

static int set_content_name(mn_source *s) {
    mn_str name = {.ctx = s->ctx};
    mn_str_addf(&name, "%s%s", s->name, s->kind == MN_SOURCE_PLAIN ? "" : " (unpacked)");
    mn_free(s->ctx, s->content);
    s->content = mn_str_take(&name);
    return s->content ? 0 : MODNAS_ENOMEM;
}

int mn_source_unpack(mn_source *s, int32_t kind) {
    if (kind == MN_SOURCE_AUTO) { /* the first two bytes tell gzip */
        MN_TRY(fill(s, 2));
        kind = s->n_in >= 2 && s->in[0] == 0x1f && s->in[1] == 0x8b ? MN_SOURCE_GZIP : MN_SOURCE_PLAIN;
    }
    if (s->z_open) inflateEnd(&s->z);
    s->z_open = 0;
    s->kind = kind;
    s->in_member = kind != MN_SOURCE_PLAIN;
    MN_TRY(set_content_name(s));
    if (kind == MN_SOURCE_PLAIN) return 0;
    s->z = (z_stream){.zalloc = z_alloc, .zfree = z_free, .opaque = s->ctx};
    if (inflateInit2(&s->z, kinds[kind].window_bits) != Z_OK)
        return mn_fail(s->ctx, MODNAS_ENOMEM, "%s: out of memory to unpack", s->name);
    s->z_open = 1;
    return 0;
}

static int open_source(modnas_ctx *ctx, const char *name, int fd, const void *bytes, size_t n, int32_t kind,
                       mn_source **out) {
    int rc = MODNAS_ENOMEM;
    mn_source *s = mn_alloc(ctx, 1, sizeof *s);
    if (!s) {
        if (fd >= 0) close(fd);
        return rc;
    }
    s->ctx = ctx;
    s->fd = fd;
    mn_sha256_init(&s->sha);
    if (fd < 0) {
        s->in = bytes;
        s->n_in = n;
        s->n_packed = n;
    }
    s->name = mn_strdup(ctx, name);
    if (!s->name) goto done;
    if (fd >= 0 && !(s->window = mn_alloc(ctx, WINDOW, 1))) goto done;
    rc = mn_source_unpack(s, kind);
    if (rc) goto done;
    *out = s;
    s = NULL;
done:
    mn_source_close(s);
    return rc;
}

int mn_source_open(modnas_ctx *ctx, const char *path, int32_t kind, mn_source **out) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno(ctx, path, errno);
    return open_source(ctx, path, fd, NULL, 0, kind, out);
}

int mn_source_open_mem(modnas_ctx *ctx, const void *bytes, size_t n, const char *name, int32_t kind, mn_source **out) {
    return open_source(ctx, name, -1, bytes, n, kind, out);
}

static int read_plain(mn_source *s, uint8_t *dst, size_t want, size_t *got) {
    while (*got < want) {
        MN_TRY(refill(s));
        if (!s->n_in) return 0;
        const size_t n = s->n_in < want - *got ? s->n_in : want - *got;
        memcpy(dst + *got, s->in, n);
        s->in += n;
        s->n_in -= n;
        *got += n;
    }
    return 0;
}

static int fail_packed(mn_source *s, int z_status) {
    const unsigned long long at = s->n_packed - s->n_in;
    if (z_status == Z_MEM_ERROR) return mn_fail(s->ctx, MODNAS_ENOMEM, "%s: out of memory to unpack", s->name);
    if (s->n_members && s->z.total_out == 0)
        return mn_fail(s->ctx, MODNAS_EFORMAT,
                       "%s: bytes that are no gzip member follow the %llu gzip member%s, near byte %llu", s->name,
                       (unsigned long long)s->n_members, s->n_members == 1 ? "" : "s", at);
    return mn_fail(s->ctx, MODNAS_EFORMAT, "%s: %s data is wrong near byte %llu, after %llu unpacked bytes: %s",
                   s->name, kinds[s->kind].name, at, (unsigned long long)(s->n_unpacked + s->z.total_out),
                   s->z.msg ? s->z.msg : "corrupt");
}

static int fail_short(mn_source *s, size_t got) {
    return mn_fail(s->ctx, MODNAS_EFORMAT, "%s: ends at byte %llu inside a %s, after %llu unpacked bytes", s->name,
                   (unsigned long long)s->n_packed, kinds[s->kind].unit, (unsigned long long)(s->n_unpacked + got));
}

/* One call of inflate on what is there. Leaves *got alone when a member ends or bytes are missing. Behind the last byte
 * of the source, too: inflate may have taken it in and hold what comes of it, until there is room. */
static int inflate_some(mn_source *s, uint8_t *dst, size_t want, size_t *got) {
    const unsigned n_in = s->n_in < UINT_MAX ? (unsigned)s->n_in : UINT_MAX;
    const unsigned n_out = want - *got < UINT_MAX ? (unsigned)(want - *got) : UINT_MAX;
    s->z.next_in = (Bytef *)(uintptr_t)s->in; /* zlib does not write to it */
    s->z.avail_in = n_in;
    s->z.next_out = dst + *got;
    s->z.avail_out = n_out;
    const int z_status = inflate(&s->z, Z_NO_FLUSH);
    s->in += n_in - s->z.avail_in;
    s->n_in -= n_in - s->z.avail_in;
    *got += n_out - s->z.avail_out;
    if (z_status == Z_BUF_ERROR && !n_in) return fail_short(s, *got);
    if (z_status != Z_OK && z_status != Z_STREAM_END) return fail_packed(s, z_status);
    if (z_status == Z_STREAM_END) {
        s->in_member = 0;
        s->n_members++;
    }
    return 0;
}

/* Behind a packed stream comes the end, or in gzip one more member, or something that inflate will refuse. */
static int next_member(mn_source *s) {
    if (s->kind != MN_SOURCE_GZIP)
        return mn_fail(s->ctx, MODNAS_EFORMAT, "%s: more bytes follow the %s, which ends at byte %llu", s->name,
                       kinds[s->kind].unit, (unsigned long long)(s->n_packed - s->n_in));
    inflateReset(&s->z);
    s->in_member = 1;
    return 0;
}

static int read_packed(mn_source *s, uint8_t *dst, size_t want, size_t *got) {
    while (*got < want) {
        MN_TRY(refill(s));
        if (!s->n_in && !s->in_member) return 0;
        if (!s->in_member) MN_TRY(next_member(s));
        MN_TRY(inflate_some(s, dst, want, got));
    }
    return 0;
}

int mn_source_read(mn_source *s, void *dst, size_t want, size_t *got) {
    size_t n = 0;
    if (s->failed) return mn_fail(s->ctx, s->failed, "%s: cannot be read further", s->name);
    s->failed = (s->kind == MN_SOURCE_PLAIN ? read_plain : read_packed)(s, dst, want, &n);
    MN_TRY(s->failed);
    mn_sha256_add(&s->sha, dst, n);
    s->n_unpacked += n;
    *got = n;
    return 0;
}

int mn_source_drain(mn_source *s) {
    uint8_t *piece = mn_alloc(s->ctx, WINDOW, 1);
    if (!piece) return MODNAS_ENOMEM;
    size_t got = WINDOW;
    int rc = 0;
    while (!rc && got == WINDOW) rc = mn_source_read(s, piece, WINDOW, &got);
    mn_free(s->ctx, piece);
    return rc;
}

int mn_source_take(mn_source *s, size_t max, char **data, size_t *n) {
    char *all = NULL;
    size_t have = 0, cap = 0;
    int rc = 0;
    while (!rc && have == cap && (cap < max || !all)) {
        size_t got = 0;
        cap = cap ? 2 * cap : WINDOW;
        if (cap > max) cap = max;
        char *grown = mn_realloc(s->ctx, all, cap + 1, 1);
        if (grown) all = grown;
        rc = grown ? mn_source_read(s, all + have, cap - have, &got) : MODNAS_ENOMEM;
        have += got;
    }
    if (rc) {
        mn_free(s->ctx, all);
        return rc;
    }
    all[have] = 0;
    *data = all;
    *n = have;
    return 0;
}

uint64_t mn_source_bytes(const mn_source *s) {
    return s->n_unpacked;
}
mn_sha256 mn_source_sha256(const mn_source *s) {
    return s->sha;
}
int32_t mn_source_kind(const mn_source *s) {
    return s->kind;
}
uint64_t mn_source_packed(const mn_source *s) {
    return s->n_packed;
}
uint64_t mn_source_n_members(const mn_source *s) {
    return s->n_members;
}
const char *mn_source_name(const mn_source *s) {
    return s->name;
}
const char *mn_source_content(const mn_source *s) {
    return s->content;
}

void mn_source_close(mn_source *s) {
    if (!s) return;
    if (s->z_open) inflateEnd(&s->z);
    if (s->fd >= 0) close(s->fd);
    mn_free(s->ctx, s->window);
    mn_free(s->ctx, s->content);
    mn_free(s->ctx, s->name);
    mn_free(s->ctx, s);
}
