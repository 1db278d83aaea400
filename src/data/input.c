/* Inputs: a file or memory, plain or gzip, read once from front to back.
 *
 *   file --read(2)--> 64 KiB window --inflate--> caller's buffer (whose size bounds what is unpacked)
 *   memory ---------> the bytes themselves
 *
 * The caller says how much it wants, so a small file that unpacks to gigabytes costs nothing until somebody asks for
 * them. zlib checks each member's header, CRC-32 and length; a stream ends only where the last member ends. zlib's own
 * memory comes from the context. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "data/input.h"

enum { WINDOW = 1 << 16, GZIP_ONLY = 16 + MAX_WBITS /* as zlib's inflateInit2 counts */ };

struct mn_input {
    modnas_ctx *ctx;
    char *name, *content; /* of the file, and of what is in it */
    int fd; /* -1: memory */
    int gzip;
    int in_member; /* inside a gzip member: the end of the input is not the end of the data */
    int z_open;
    uint64_t n_members;  /* gzip members that ended */
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

/* Bring more source bytes in when none are left; n_in stays 0 at the end of the source. */
static int refill(mn_input *s) {
    if (s->n_in || s->fd < 0) return 0;
    ssize_t got;
    do got = read(s->fd, s->window, WINDOW);
    while (got < 0 && errno == EINTR);
    if (got < 0) return fail_errno(s->ctx, s->name, errno);
    s->in = s->window;
    s->n_in = (size_t)got;
    s->n_packed += (uint64_t)got;
    return 0;
}

/* The first two bytes tell gzip; a short read of a pipe may bring them one at a time. */
static int detect(mn_input *s, int32_t kind) {
    s->gzip = kind == MN_INPUT_GZIP;
    MN_TRY(refill(s));
    while (s->fd >= 0 && s->n_in == 1) {
        ssize_t got = read(s->fd, s->window + 1, WINDOW - 1);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno(s->ctx, s->name, errno);
        if (got == 0) break;
        s->n_in += (size_t)got;
        s->n_packed += (uint64_t)got;
    }
    if (kind == MN_INPUT_AUTO) s->gzip = s->n_in >= 2 && s->in[0] == 0x1f && s->in[1] == 0x8b;
    s->in_member = s->gzip;
    mn_str content = {.ctx = s->ctx};
    mn_str_addf(&content, "%s%s", s->name, s->gzip ? " (unpacked)" : "");
    s->content = mn_str_take(&content);
    if (!s->content) return MODNAS_ENOMEM;
    if (!s->gzip) return 0;
    s->z = (z_stream){.zalloc = z_alloc, .zfree = z_free, .opaque = s->ctx};
    if (inflateInit2(&s->z, GZIP_ONLY) != Z_OK)
        return mn_fail(s->ctx, MODNAS_ENOMEM, "%s: out of memory to unpack", s->name);
    s->z_open = 1;
    return 0;
}

static int open_input(modnas_ctx *ctx, const char *name, int fd, const void *bytes, size_t n, int32_t kind,
                      mn_input **out) {
    int rc = MODNAS_ENOMEM;
    mn_input *s = mn_alloc(ctx, 1, sizeof *s);
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
    rc = detect(s, kind);
    if (rc) goto done;
    *out = s;
    s = NULL;
done:
    mn_input_close(s);
    return rc;
}

int mn_input_open(modnas_ctx *ctx, const char *path, int32_t kind, mn_input **out) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno(ctx, path, errno);
    return open_input(ctx, path, fd, NULL, 0, kind, out);
}

int mn_input_open_mem(modnas_ctx *ctx, const void *bytes, size_t n, const char *name, int32_t kind, mn_input **out) {
    return open_input(ctx, name, -1, bytes, n, kind, out);
}

static int read_plain(mn_input *s, uint8_t *dst, size_t want, size_t *got) {
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

static int fail_packed(mn_input *s, int z_status) {
    const unsigned long long at = s->n_packed - s->n_in;
    if (z_status == Z_MEM_ERROR) return mn_fail(s->ctx, MODNAS_ENOMEM, "%s: out of memory to unpack", s->name);
    if (s->n_members && s->z.total_out == 0)
        return mn_fail(s->ctx, MODNAS_EFORMAT,
                       "%s: bytes that are no gzip member follow the %llu gzip member%s, near byte %llu", s->name,
                       (unsigned long long)s->n_members, s->n_members == 1 ? "" : "s", at);
    return mn_fail(s->ctx, MODNAS_EFORMAT, "%s: gzip data is wrong near byte %llu, after %llu unpacked bytes: %s",
                   s->name, at, (unsigned long long)(s->n_unpacked + s->z.total_out), s->z.msg ? s->z.msg : "corrupt");
}

/* One call of inflate on what is there. Leaves *got alone when a member ends or input is missing. */
static int inflate_some(mn_input *s, uint8_t *dst, size_t want, size_t *got) {
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
    if (z_status != Z_OK && z_status != Z_STREAM_END) return fail_packed(s, z_status);
    if (z_status == Z_STREAM_END) {
        s->in_member = 0;
        s->n_members++;
    }
    return 0;
}

static int read_gzip(mn_input *s, uint8_t *dst, size_t want, size_t *got) {
    while (*got < want) {
        MN_TRY(refill(s));
        if (!s->n_in && !s->in_member) return 0;
        if (!s->n_in)
            return mn_fail(s->ctx, MODNAS_EFORMAT,
                           "%s: ends at byte %llu inside a gzip member, after %llu unpacked bytes", s->name,
                           (unsigned long long)s->n_packed, (unsigned long long)(s->n_unpacked + *got));
        if (!s->in_member) { /* one more member, or something that inflate will refuse */
            inflateReset(&s->z);
            s->in_member = 1;
        }
        MN_TRY(inflate_some(s, dst, want, got));
    }
    return 0;
}

int mn_input_read(mn_input *s, void *dst, size_t want, size_t *got) {
    size_t n = 0;
    MN_TRY((s->gzip ? read_gzip : read_plain)(s, dst, want, &n));
    mn_sha256_add(&s->sha, dst, n);
    s->n_unpacked += n;
    *got = n;
    return 0;
}

uint64_t mn_input_bytes(const mn_input *s) {
    return s->n_unpacked;
}
mn_sha256 mn_input_sha256(const mn_input *s) {
    return s->sha;
}
const char *mn_input_name(const mn_input *s) {
    return s->name;
}
const char *mn_input_content(const mn_input *s) {
    return s->content;
}

void mn_input_close(mn_input *s) {
    if (!s) return;
    if (s->z_open) inflateEnd(&s->z);
    if (s->fd >= 0) close(s->fd);
    mn_free(s->ctx, s->window);
    mn_free(s->ctx, s->content);
    mn_free(s->ctx, s->name);
    mn_free(s->ctx, s);
}
