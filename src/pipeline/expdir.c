/* Where a run writes.
 *
 * A lock on exp/NAME/.lock keeps two runs apart, in one process or in two; it goes with the descriptor, so a killed run
 * leaves none. While the folder is open every log line also goes to logs/<unix seconds>.log, from MODNAS_LOG_INFO on
 * whatever the host wants to see. The log file is for people: a line that cannot be written is lost and stops nothing.
 */
#include "pipeline/expdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* ---- names ------------------------------------------------------------------------------------------- */

int mn_expdir_check_name(modnas_ctx *ctx, const mn_node *at, const char *what, const char *name) {
    char where[256];
    int bad = !name[0] || name[0] == '.' || strlen(name) > 200;
    for (const char *c = name; *c; c++) bad |= *c == '/' || *c == '\\' || (unsigned char)*c < 32 || *c == 127;
    if (!bad) return 0;
    return mn_fail(ctx, MODNAS_ECONFIG,
                   "%s: %s '%.80s' is part of file names: 1 to 200 characters, no '/', '\\' or control characters, no "
                   "'.' in front",
                   mn_node_where(at, where, sizeof where), what, name);
}

/* YYYYMMDD. and the first 4 hex digits of the SHA-256 of the configuration. */
static char *default_name(modnas_ctx *ctx, const mn_node *config) {
    char text[65], day[16] = "";
    struct tm tm;
    const time_t now = time(NULL);
    mn_str json = {.ctx = ctx}, name = {.ctx = ctx};
    mn_sha256 sha;
    mn_node_json(&json, config);
    if (!json.failed) {
        mn_sha256_init(&sha);
        mn_sha256_add(&sha, json.text, json.n);
        mn_sha256_hex(&sha, text);
        if (localtime_r(&now, &tm)) strftime(day, sizeof day, "%Y%m%d", &tm);
        mn_str_addf(&name, "%s.%.4s", day, text);
    }
    const int failed = json.failed;
    mn_str_free(&json);
    return failed ? NULL : mn_str_take(&name);
}

static int make_name(mn_expdir *d, const mn_node *config) {
    const mn_node *name = mn_node_get(config, "name");
    if (name && name->kind != MN_NULL) {
        if (!name->text) return mn_expdir_check_name(d->ctx, name, "name", "");
        MN_TRY(mn_expdir_check_name(d->ctx, name, "name", name->text));
        d->name = mn_strdup(d->ctx, name->text);
    } else {
        d->name = default_name(d->ctx, config);
    }
    return d->name ? 0 : MODNAS_ENOMEM;
}

static int make_path(mn_expdir *d, const mn_node *config) {
    const mn_node *root = mn_node_path(config, "expman.root_dir"),
                  *format = mn_node_path(config, "expman.subdir_timefmt");
    mn_str path = {.ctx = d->ctx};
    mn_str_addf(&path, "%s/%s", root && root->kind == MN_STR && root->text[0] ? root->text : "exp", d->name);
    if (format && format->kind == MN_STR) {
        char sub[256] = "";
        struct tm tm;
        const time_t now = time(NULL);
        if (localtime_r(&now, &tm) && !strftime(sub, sizeof sub, format->text, &tm)) sub[0] = 0;
        const int rc = mn_expdir_check_name(d->ctx, format, "expman.subdir_timefmt", sub);
        if (rc) {
            mn_str_free(&path);
            return rc;
        }
        mn_str_addf(&path, "/%s", sub);
    }
    d->path = mn_str_take(&path);
    return d->path ? 0 : MODNAS_ENOMEM;
}

int mn_expdir_init(mn_expdir *d, modnas_ctx *ctx, const mn_node *config) {
    memset(d, 0, sizeof *d);
    d->ctx = ctx;
    d->lock = d->log = -1;
    MN_TRY(make_name(d, config));
    return make_path(d, config);
}

/* ---- lock and log ------------------------------------------------------------------------------------ */

static int take_lock(mn_expdir *d) {
    char *path = mn_expdir_file(d, "", ".lock", NULL, "");
    int rc = 0;
    if (!path) return MODNAS_ENOMEM;
    d->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (d->lock < 0)
        rc = mn_fail(d->ctx, MODNAS_EIO, "%s: %s", path, strerror(errno));
    else if (flock(d->lock, LOCK_EX | LOCK_NB) != 0)
        rc = errno == EWOULDBLOCK ? mn_fail(d->ctx, MODNAS_EBUSY, "%s is in use by another run", d->path)
                                  : mn_fail(d->ctx, MODNAS_EIO, "%s: %s", path, strerror(errno));
    mn_free(d->ctx, path);
    return rc;
}

void mn_expdir_note(const mn_expdir *d, int32_t level, const char *text) {
    static const char *const names[] = {"ERROR", "WARNING", "INFO", "DEBUG"};
    char line[1400], when[32] = "";
    struct timespec now;
    struct tm tm;
    if (d->log < 0) return;
    clock_gettime(CLOCK_REALTIME, &now);
    if (localtime_r(&now.tv_sec, &tm)) strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
    const char *name = level >= 0 && level < (int32_t)MN_COUNT(names) ? names[level] : "?";
    const int n =
        snprintf(line, sizeof line, "%s,%03d - modnas - %s - %s\n", when, (int)(now.tv_nsec / 1000000), name, text);
    const ssize_t done = write(d->log, line, n < (int)sizeof line ? (size_t)n : sizeof line - 1);
    (void)done;
}

static void log_line(int32_t level, const char *text, void *ud) {
    const mn_expdir *d = ud;
    if (level <= d->log_level && d->log_fn) d->log_fn(level, text, d->log_ud);
    mn_expdir_note(d, level, text);
}

static int open_log(mn_expdir *d) {
    char file[48];
    snprintf(file, sizeof file, "%" PRId64 ".log", (int64_t)time(NULL));
    char *path = mn_expdir_file(d, "logs/", file, NULL, "");
    if (!path) return MODNAS_ENOMEM;
    d->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    const int rc = d->log < 0 ? mn_fail(d->ctx, MODNAS_EIO, "%s: %s", path, strerror(errno)) : 0;
    mn_free(d->ctx, path);
    if (rc) return rc;
    modnas_ctx_opts *o = &d->ctx->opts;
    d->log_fn = o->log_fn;
    d->log_ud = o->log_ud;
    d->log_level = o->log_level;
    o->log_fn = log_line;
    o->log_ud = d;
    if (o->log_level < MODNAS_LOG_INFO) o->log_level = MODNAS_LOG_INFO;
    return 0;
}

const char *mn_expdir_next(DIR *folder) {
    errno = 0; /* readdir leaves it as it is at the end */
    const struct dirent *entry = readdir(folder);
    return entry ? entry->d_name : NULL;
}

/* FILE.tmp-PID-NUMBER, as mn_file_write calls what is not whole yet. */
static int is_unfinished(const char *name) {
    const char *at = strstr(name, ".tmp-");
    return at && strspn(at + 5, "0123456789-") == strlen(at + 5);
}

/* What a run that was killed left half-written: nobody else is here, and has it open. */
static void sweep(const char *path) {
    DIR *folder = opendir(path);
    for (const char *name; folder && (name = mn_expdir_next(folder));)
        if (is_unfinished(name)) unlinkat(dirfd(folder), name, 0);
    if (folder) closedir(folder);
}

int mn_expdir_open(mn_expdir *d) {
    static const char *const folders[] = {"logs", "chkpt", "outputs"};
    MN_TRY(mn_make_dirs(d->ctx, d->path));
    MN_TRY(take_lock(d));
    for (size_t i = 0; i < MN_COUNT(folders); i++) {
        char *path = mn_expdir_file(d, "", folders[i], NULL, "");
        const int rc = path ? mn_make_dirs(d->ctx, path) : MODNAS_ENOMEM;
        if (!rc) sweep(path);
        mn_free(d->ctx, path);
        if (rc) return rc;
    }
    return open_log(d);
}

void mn_expdir_leave(mn_expdir *d) {
    if (d->log >= 0) {
        d->ctx->opts.log_fn = d->log_fn;
        d->ctx->opts.log_ud = d->log_ud;
        d->ctx->opts.log_level = d->log_level;
        close(d->log);
    }
    if (d->lock >= 0) close(d->lock);
    d->log = d->lock = -1;
}

void mn_expdir_close(mn_expdir *d) {
    if (!d->ctx) return;
    mn_expdir_leave(d);
    mn_free(d->ctx, d->name);
    mn_free(d->ctx, d->path);
}

/* ---- files ------------------------------------------------------------------------------------------- */

char *mn_expdir_file(const mn_expdir *d, const char *folder, const char *before, const char *estim, const char *after) {
    mn_str path = {.ctx = d->ctx};
    mn_str_addf(&path, "%s/%s%s%s%s", d->path, folder, before, estim ? estim : "", after);
    return mn_str_take(&path);
}

int mn_expdir_write(const mn_expdir *d, const char *before, const char *estim, const char *after, mn_str *text) {
    char *path = mn_expdir_file(d, "outputs/", before, estim, after);
    const int rc = path && !text->failed ? mn_file_write(d->ctx, path, text->text, text->n) : MODNAS_ENOMEM;
    mn_free(d->ctx, path);
    mn_str_free(text);
    return rc;
}
