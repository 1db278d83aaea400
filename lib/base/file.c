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

/* A new file beside `path`; its name goes to `name`. Process id and a number keep writers apart. */
static int open_beside(modnas_ctx *ctx, const char *path, char *name, size_t bytes, int *fd) {
    for (int i = 0; i < 1000; i++) {
        snprintf(name, bytes, "%s.tmp-%ld-%d", path, (long)getpid(), i);
        *fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (*fd >= 0) return 0;
        if (errno != EEXIST) break;
    }
    return fail_write(ctx, path, "open for writing", errno);
}

static int write_all(int fd, const char *data, size_t bytes) {
    while (bytes) {
        const ssize_t n = write(fd, data, bytes < 1u << 30 ? bytes : 1u << 30);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        data += n;
        bytes -= (size_t)n;
    }
    return 0;
}

/* Flush the folder that `path` lies in; `scratch` has room for its name. */
static int sync_folder(const char *path, char *scratch) {
    const char *slash = strrchr(path, '/');
    const size_t n = slash ? (size_t)(slash - path) : 0;
    memcpy(scratch, path, n);
    scratch[n] = 0;
    const int fd = open(n ? scratch : slash ? "/" : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno == EACCES ? 0 : -1; /* a folder one may write to but not list */
    int rc = fsync(fd);
    if (rc && errno == EINVAL) rc = 0; /* file systems that cannot */
    close(fd);
    return rc;
}

int mn_file_write(modnas_ctx *ctx, const char *path, const void *data, size_t bytes) {
    const size_t name_bytes = strlen(path) + 40;
    char *name = mn_alloc(ctx, name_bytes, 1);
    if (!name) return MODNAS_ENOMEM;
    int fd = -1, rc = open_beside(ctx, path, name, name_bytes, &fd);
    if (rc) goto done;
    if (write_all(fd, data, bytes) || fsync(fd)) {
        rc = fail_write(ctx, path, "write", errno);
        close(fd);
        goto undo;
    }
    if (close(fd)) {
        rc = fail_write(ctx, path, "close", errno);
        goto undo;
    }
    if (rename(name, path)) {
        rc = fail_write(ctx, path, "rename", errno);
        goto undo;
    }
    if (sync_folder(path, name)) rc = fail_write(ctx, path, "flush the folder", errno);
    goto done;
undo:
    unlink(name);
done:
    mn_free(ctx, name);
    return rc;
}

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
