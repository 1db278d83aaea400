/* Whole files: read at once, replaced at once.
 *
 * A file is written under a temporary name beside it, flushed to the disk, and only then renamed over the old one; the
 * folder is flushed too, so that after a crash either the old or the new content is there, never a part. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"

static int fail_errno(modnas_ctx *ctx, const char *path, const char *what, int error) {
    char text[128];
    const int status = error == ENOENT || error == ENOTDIR ? MODNAS_ENOTFOUND : MODNAS_EIO;
    return mn_fail(ctx, status, "%s: %s: %s", path, what, strerror_r(error, text, sizeof text));
}

/* Errors of writing are all EIO, a missing folder included. */
static int fail_write(modnas_ctx *ctx, const char *path, const char *what, int error) {
    fail_errno(ctx, path, what, error);
    return MODNAS_EIO;
}

/* ---- the system ---------------------------------------------------------------------------------------- */

static int sys_open(const char *path, int flags, int mode, void *ud) {
    (void)ud;
    return open(path, flags, mode);
}
static ptrdiff_t sys_write(int fd, const void *data, size_t bytes, void *ud) {
    (void)ud;
    return write(fd, data, bytes);
}
static int sys_fsync(int fd, void *ud) {
    (void)ud;
    return fsync(fd);
}
static int sys_close(int fd, void *ud) {
    (void)ud;
    return close(fd);
}
static int sys_rename(const char *from, const char *to, void *ud) {
    (void)ud;
    return rename(from, to);
}
static int sys_unlink(const char *path, void *ud) {
    (void)ud;
    return unlink(path);
}

static const mn_file_ops sys_ops = {sys_open, sys_write, sys_fsync, sys_close, sys_rename, sys_unlink};

/* ---- writing ------------------------------------------------------------------------------------------- */

typedef struct writing {
    modnas_ctx *ctx;
    const mn_file_ops *ops;
    void *ud;
    const char *path;
    char *name; /* of the new file, with room for any that is made of path */
    size_t name_bytes;
    int fd;
    int unsynced; /* 1: the system would not flush it: it may be worth a new file */
    mn_emit_fn emit;
    void *emit_ud;
} writing;

/* A new file beside the path. Process id and a number keep writers apart. */
static int open_beside(writing *w) {
    for (int i = 0; i < 1000; i++) {
        snprintf(w->name, w->name_bytes, "%s.tmp-%ld-%d", w->path, (long)getpid(), i);
        w->fd = w->ops->open(w->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666, w->ud);
        if (w->fd >= 0) return 0;
        if (errno != EEXIST) break;
    }
    return fail_write(w->ctx, w->path, "open for writing", errno);
}

static int put(void *to, const void *from, size_t bytes) {
    const writing *w = to;
    const char *data = from;
    while (bytes) {
        const ptrdiff_t n = w->ops->write(w->fd, data, bytes < 1u << 30 ? bytes : 1u << 30, w->ud);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = ENOSPC;
        if (n <= 0) return fail_write(w->ctx, w->path, "write", errno);
        data += n;
        bytes -= (size_t)n;
    }
    return 0;
}

static int fill_new(writing *w) {
    MN_TRY(w->emit(put, w, w->emit_ud));
    if (w->ops->fsync(w->fd, w->ud) == 0) return 0;
    w->unsynced = 1;
    return fail_write(w->ctx, w->path, "flush", errno);
}

/* A new file beside the path, flushed and closed; none on failure. */
static int write_new(writing *w) {
    w->unsynced = 0;
    MN_TRY(open_beside(w));
    int rc = fill_new(w);
    if (w->ops->close(w->fd, w->ud) && !rc) rc = fail_write(w->ctx, w->path, "close", errno);
    if (rc) w->ops->unlink(w->name, w->ud);
    return rc;
}

/* Flush the folder that the path lies in; its name goes where that of the new file was. */
static int sync_folder(writing *w) {
    const char *slash = strrchr(w->path, '/');
    const size_t n = slash ? (size_t)(slash - w->path) : 0;
    memcpy(w->name, w->path, n);
    w->name[n] = 0;
    const int fd = w->ops->open(n ? w->name : slash ? "/" : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, w->ud);
    if (fd < 0) return errno == EACCES ? 0 : -1; /* a folder one may write to but not list */
    int rc = w->ops->fsync(fd, w->ud);
    const int error = errno;
    w->ops->close(fd, w->ud);
    errno = error;
    return rc && error == EINVAL ? 0 : rc; /* file systems that cannot */
}

/* After a flush that failed the system may have dropped the bytes and call the next flush good: what was written is
 * lost, and written once more into a new file. */
static int write_file(writing *w) {
    int rc = write_new(w);
    if (rc && w->unsynced) rc = write_new(w);
    if (rc) return rc;
    if (w->ops->rename(w->name, w->path, w->ud)) {
        rc = fail_write(w->ctx, w->path, "rename", errno);
        w->ops->unlink(w->name, w->ud);
        return rc;
    }
    return sync_folder(w) ? fail_write(w->ctx, w->path, "flush the folder", errno) : 0;
}

int mn_file_write_from(modnas_ctx *ctx, const char *path, mn_emit_fn emit, void *ud) {
    writing w = {.ctx = ctx, .path = path, .emit = emit, .emit_ud = ud, .ops = ctx->files ? ctx->files : &sys_ops, .ud = ctx->files_ud};
    w.name_bytes = strlen(path) + 40;
    w.name = mn_alloc(ctx, w.name_bytes, 1);
    if (!w.name) return MODNAS_ENOMEM;
    const int rc = write_file(&w);
    mn_free(ctx, w.name);
    return rc;
}

typedef struct part_list {
    const mn_bytes *parts;
    size_t n;
} part_list;

static int emit_parts(mn_put_fn put_part, void *to, void *ud) {
    const part_list *l = ud;
    for (size_t i = 0; i < l->n; i++) MN_TRY(put_part(to, l->parts[i].data, l->parts[i].n));
    return 0;
}

int mn_file_write_parts(modnas_ctx *ctx, const char *path, const mn_bytes *parts, size_t n) {
    part_list list = {parts, n};
    return mn_file_write_from(ctx, path, emit_parts, &list);
}

int mn_file_write(modnas_ctx *ctx, const char *path, const void *data, size_t bytes) {
    const mn_bytes all = {data, bytes};
    return mn_file_write_parts(ctx, path, &all, 1);
}

/* ---- reading ------------------------------------------------------------------------------------------- */

/* Read to the end or until more than max bytes came; *n bytes in *buf, which keeps room for a final 0. */
static int read_all(modnas_ctx *ctx, const char *path, int fd, size_t max, char **buf, size_t *n) {
    struct stat st;
    size_t cap = 4096;
    if (fstat(fd, &st) == 0 && st.st_size > 0 && (size_t)st.st_size <= max) cap = (size_t)st.st_size + 2;
    for (*n = 0;;) {
        char *grown = mn_realloc(ctx, *buf, cap, 1);
        if (!grown) return MODNAS_ENOMEM;
        *buf = grown;
        while (*n < cap - 1) {
            const ssize_t got = read(fd, *buf + *n, cap - 1 - *n);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return fail_errno(ctx, path, "read", errno);
            if (got == 0) return 0;
            *n += (size_t)got;
            if (*n > max) return mn_fail(ctx, MODNAS_EIO, "%s: more than the %zu bytes allowed", path, max);
        }
        cap *= 2;
    }
}

int mn_file_read(modnas_ctx *ctx, const char *path, size_t max, char **data, size_t *bytes) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno(ctx, path, "open", errno);
    char *buf = NULL;
    size_t n = 0;
    const int rc = read_all(ctx, path, fd, max, &buf, &n);
    close(fd);
    if (rc) {
        mn_free(ctx, buf);
        return rc;
    }
    buf[n] = 0;
    *data = buf;
    if (bytes) *bytes = n;
    return 0;
}

static int is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int mn_make_dirs(modnas_ctx *ctx, const char *path) {
    char *name = mn_strdup(ctx, path);
    if (!name) return MODNAS_ENOMEM;
    int rc = 0;
    for (char *c = name; !rc && *c; c++) { /* every prefix that ends before a slash or at the end */
        if (c[1] != '/' && c[1] != 0) continue;
        const char end = c[1];
        c[1] = 0;
        if (mkdir(name, 0777)) {
            const int error = errno;
            if (!is_folder(name)) rc = fail_write(ctx, name, "make the folder", error);
        }
        c[1] = end;
    }
    mn_free(ctx, name);
    return rc;
}
