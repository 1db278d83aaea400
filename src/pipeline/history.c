/* history.tsv:  index  estim  arch  status  score  METRIC ...    one line an evaluation, in the order made, in all of
 * the run.
 *
 * arch is one line of JSON; a metric that an evaluation does not have is '-'. No times and no paths: two runs of the
 * same configuration write the same bytes. Lines are appended; when an evaluation brings a metric that none before it
 * had, the file is replaced by one with a further column. After a failed append the file ends where it did before.
 * Lines reach the file at once and the disk within a second of evaluations: a table search makes thousands of them. */
#include "pipeline/history.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static const char file_name[] = "history.tsv";

#define SYNC_SECONDS 1

static int replace_file(mn_history *h) {
    char *path = mn_expdir_file(h->dir, "outputs/", file_name, NULL, "");
    const int rc = path && !h->text.failed ? mn_file_write(h->dir->ctx, path, h->text.text, h->text.n) : MODNAS_ENOMEM;
    mn_free(h->dir->ctx, path);
    if (!rc) h->saved = h->text.n;
    return rc;
}

/* Write what the file lacks; on failure cut off what came of it. */
static int append(mn_history *h, int fd, const char *path, int is_last) {
    for (size_t at = h->saved; at < h->text.n;) {
        const ssize_t n = write(fd, h->text.text + at, h->text.n - at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            const int error = n < 0 ? errno : ENOSPC;
            if (ftruncate(fd, (off_t)h->saved) != 0)
                mn_log(h->dir->ctx, MODNAS_LOG_WARN, "%s ends in half a line", path);
            return mn_fail(h->dir->ctx, MODNAS_EIO, "%s: %s", path, strerror(error));
        }
        at += (size_t)n;
    }
    if (!is_last && mn_seconds() - h->synced < SYNC_SECONDS) return 0;
    h->synced = mn_seconds();
    return fsync(fd) == 0 ? 0 : mn_fail(h->dir->ctx, MODNAS_EIO, "%s: %s", path, strerror(errno));
}

static int append_file(mn_history *h, int is_last) {
    char *path = mn_expdir_file(h->dir, "outputs/", file_name, NULL, "");
    if (!path || h->text.failed) {
        mn_free(h->dir->ctx, path);
        return MODNAS_ENOMEM;
    }
    const int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    int rc = fd < 0 ? mn_fail(h->dir->ctx, MODNAS_EIO, "%s: %s", path, strerror(errno)) : append(h, fd, path, is_last);
    if (fd >= 0 && close(fd) != 0 && !rc) rc = mn_fail(h->dir->ctx, MODNAS_EIO, "%s: %s", path, strerror(errno));
    if (!rc) h->saved = h->text.n;
    mn_free(h->dir->ctx, path);
    return rc;
}

void mn_history_init(mn_history *h, const mn_expdir *dir) {
    memset(h, 0, sizeof *h);
    h->dir = dir;
    h->text.ctx = dir->ctx;
    mn_str_add(&h->text, "index\testim\tarch\tstatus\tscore\n");
}

int mn_history_open(mn_history *h) {
    MN_TRY(replace_file(h));
    h->is_open = 1;
    return 0;
}

int mn_history_flush(mn_history *h) {
    return h->is_open ? append_file(h, 1) : 0;
}

void mn_history_close(mn_history *h) {
    if (h->dir) mn_str_free(&h->text);
}

/* The text with one more column: its name in the first line, '-' in the others. */
static int widen(mn_history *h, const char *name) {
    mn_str wide = {.ctx = h->dir->ctx};
    int is_header = 1;
    for (const char *line = h->text.text; *line; is_header = 0) {
        const char *end = strchr(line, '\n');
        mn_str_addn(&wide, line, (size_t)(end - line));
        mn_str_addf(&wide, "\t%s\n", is_header ? name : "-");
        line = end + 1;
    }
    if (wide.failed) {
        mn_str_free(&wide);
        return MODNAS_ENOMEM;
    }
    mn_str_free(&h->text);
    h->text = wide;
    h->column[h->n_columns++] = name;
    return 0;
}

static int has_column(const mn_history *h, const char *name) {
    for (int32_t i = 0; i < h->n_columns; i++)
        if (strcmp(h->column[i], name) == 0) return 1;
    return 0;
}

int mn_history_check(const mn_history *h, const mn_metrics *m) {
    int32_t n = h->n_columns;
    for (int32_t i = 0; i < m->n; i++) n += !has_column(h, m->name[i]);
    if (n <= MN_MAX_METRICS) return 0;
    return mn_fail(h->dir->ctx, MODNAS_EUNSUPPORTED, "%d different metrics; a history has room for %d", n,
                   MN_MAX_METRICS);
}

/* Half a line, and no memory for the rest: as if it had not been begun. */
static int take_back(mn_history *h, size_t before) {
    if (!h->text.text) return MODNAS_ENOMEM;
    h->text.failed = 0;
    h->text.n = before;
    h->text.text[before] = 0;
    return MODNAS_ENOMEM;
}

int mn_history_add(mn_history *h, const mn_evaluation *v) {
    int widened = 0;
    MN_TRY(mn_history_check(h, v->metrics));
    for (int32_t i = 0; i < v->metrics->n; i++) {
        if (has_column(h, v->metrics->name[i])) continue;
        MN_TRY(widen(h, v->metrics->name[i]));
        widened = 1;
    }
    const size_t before = h->text.n;
    mn_str_addf(&h->text, "%" PRId64 "\t%s\t", h->n, v->estim);
    mn_node_json(&h->text, v->arch);
    mn_str_addf(&h->text, "\t%d\t", v->status);
    mn_str_real(&h->text, v->score);
    for (int32_t i = 0; i < h->n_columns; i++) {
        const double *value = mn_metrics_get(v->metrics, h->column[i]);
        mn_str_add(&h->text, "\t");
        if (value)
            mn_str_real(&h->text, *value);
        else
            mn_str_add(&h->text, "-");
    }
    mn_str_add(&h->text, "\n");
    h->n++;
    if (h->text.failed) return take_back(h, before);
    if (!h->is_open) return 0;
    return widened ? replace_file(h) : append_file(h, 0);
}

static int load_text(mn_history *h, mn_state *io) {
    char *text = NULL;
    MN_TRY(mn_state_text(io, &text));
    const size_t n = text ? strlen(text) : 0;
    const int whole = n && text[n - 1] == '\n';
    if (whole) {
        mn_str_free(&h->text);
        mn_str_add(&h->text, text);
    }
    mn_free(io->ctx, text);
    if (!whole) return mn_state_fail(io, "%zu bytes of history do not end with a line", n);
    return h->text.failed ? MODNAS_ENOMEM : 0;
}

int mn_history_state(mn_history *h, mn_state *io) {
    if (!io->loading) MN_TRY(mn_state_text(io, &h->text.text));
    if (io->loading) MN_TRY(load_text(h, io));
    MN_TRY(mn_state_i64(io, &h->n));
    MN_TRY(mn_state_range(io, &h->n_columns, 0, MN_MAX_METRICS));
    for (int32_t i = 0; i < h->n_columns; i++) MN_TRY(mn_state_name(io, &h->column[i]));
    return io->loading && h->is_open ? replace_file(h) : 0;
}
