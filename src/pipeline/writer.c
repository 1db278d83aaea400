/* Event files of a run (writer.h). */
#include "pipeline/writer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "export/events.h"
#include "space/slot.h"

#define FLUSH_SECONDS 1

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- the file ------------------------------------------------------------------------------------------ */

/* TensorBoard reads the files of a folder in the order of their names, those with "tfevents" in them. */
#define NAME "events.out.tfevents.%010" PRId64 ".%06" PRId64 ".modnas"

static void name_of(int64_t seconds, int64_t number, char name[96]) {
    snprintf(name, 96, NAME, seconds, number);
}

/* Number of the start that wrote it; 0: it is none of these files. */
static int64_t number_in(const char *file) {
    int64_t seconds, number;
    char name[96];
    if (sscanf(file, "events.out.tfevents.%" SCNd64 ".%" SCNd64, &seconds, &number) != 2) return 0;
    name_of(seconds, number, name);
    return strcmp(file, name) == 0 && number > 0 ? number : 0;
}

static int fail(mn_writer *w, const char *path) {
    return mn_fail(w->dir->ctx, MODNAS_EIO, "%s: %s", path, strerror(errno));
}

/* A file of an earlier start: it is of this search up to where the checkpoint was made. */
static int tidy_file(mn_writer *w, const char *path, int64_t number) {
    if (number > w->number || !w->number) return unlink(path) ? fail(w, path) : 0;
    if (number < w->number) return 0;
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return fail(w, path);
    int rc = lseek(fd, 0, SEEK_END) > w->size && ftruncate(fd, w->size) ? fail(w, path) : 0;
    if (close(fd) && !rc) rc = fail(w, path);
    return rc;
}

static int tidy(mn_writer *w, const char *folder) {
    DIR *d = opendir(folder);
    int rc = d ? 0 : fail(w, folder);
    for (const char *name; !rc && (name = mn_expdir_next(d));) {
        const int64_t number = number_in(name);
        if (!number) continue;
        char *path = mn_expdir_file(w->dir, "writers/", name, NULL, "");
        rc = path ? tidy_file(w, path, number) : MODNAS_ENOMEM;
        mn_free(w->dir->ctx, path);
    }
    if (!rc && errno) rc = fail(w, folder);
    if (d) closedir(d);
    return rc;
}

static int flush(mn_writer *w) {
    for (size_t done = 0; done < w->n_kept;) {
        const ssize_t n = write(w->fd, w->out.text + done, w->n_kept - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 || n == 0) return n ? -1 : (errno = ENOSPC, -1);
        done += (size_t)n;
    }
    w->size += (int64_t)w->n_kept;
    w->out.n -= w->n_kept;
    if (w->n_kept) memmove(w->out.text, w->out.text + w->n_kept, w->out.n);
    w->n_kept = 0;
    w->flushed = mn_seconds();
    return 0;
}

/* No more of it, what is whole stays. */
static void give_up(mn_writer *w) {
    mn_log(w->dir->ctx, MODNAS_LOG_WARN, "%s/writers: %s; nothing more is written there", w->dir->path, strerror(errno));
    if (ftruncate(w->fd, w->size)) mn_log(w->dir->ctx, MODNAS_LOG_WARN, "the last of its files ends in half a record");
    close(w->fd);
    w->fd = -1;
}

static int begin_file(mn_writer *w, const char *path) {
    const int goes_on = w->number > 1;
    w->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
    if (w->fd < 0) return fail(w, path);
    w->size = 0;
    w->out.n = w->n_kept = 0;
    w->at = w->kept;
    MN_TRY(mn_event_version(&w->out, now()));
    if (goes_on) MN_TRY(mn_event_start(&w->out, now(), w->at.end));
    w->n_kept = w->out.n;
    return flush(w) ? fail(w, path) : 0;
}

int mn_writer_open(mn_writer *w) {
    char name[96];
    if (!w->is_on) return 0;
    char *folder = mn_expdir_file(w->dir, "", "writers", NULL, "");
    int rc = folder ? mn_make_dirs(w->dir->ctx, folder) : MODNAS_ENOMEM;
    if (!rc) rc = tidy(w, folder);
    mn_free(w->dir->ctx, folder);
    MN_TRY(rc);
    if ((int64_t)now() > w->seconds) w->seconds = (int64_t)now();
    name_of(w->seconds, ++w->number, name);
    char *path = mn_expdir_file(w->dir, "writers/", name, NULL, "");
    rc = path ? begin_file(w, path) : MODNAS_ENOMEM;
    mn_free(w->dir->ctx, path);
    return rc;
}

/* All so far is whole. */
static void keep(mn_writer *w) {
    w->kept = w->at;
    w->n_kept = w->out.n;
    if (w->fd >= 0 && mn_seconds() - w->flushed >= FLUSH_SECONDS && flush(w)) give_up(w);
}

void mn_writer_init(mn_writer *w, const mn_expdir *dir, const mn_node *config, mn_model *model) {
    const mn_node *enabled = mn_node_path(config, "writer.enabled");
    *w = (mn_writer){.dir = dir, .model = model, .is_on = enabled && enabled->kind == MN_BOOL && enabled->i, .fd = -1};
    w->out.ctx = dir->ctx;
}

void mn_writer_close(mn_writer *w) {
    if (!w->dir) return;
    if (w->fd >= 0 && flush(w)) give_up(w);
    if (w->fd >= 0) close(w->fd);
    w->fd = -1;
    mn_str_free(&w->out);
    w->n_kept = 0;
}

/* ---- what is told -------------------------------------------------------------------------------------- */

static int tell(mn_writer *w, int64_t step, const mn_scalar *scalars, size_t n) {
    if (w->at.end <= step) w->at.end = step + 1;
    return w->fd >= 0 ? mn_event_scalars(&w->out, now(), step, scalars, n) : 0;
}

/* Of the latest step alone. */
static mn_scores take_off(const mn_scores *sum, const mn_scores *before) {
    return (mn_scores){sum->loss - before->loss, sum->top1 - before->top1, sum->top5 - before->top5,
                       sum->n - before->n};
}

int mn_writer_step(mn_writer *w, const mn_progress *p, int is_kept) {
    static const char *const prefixes[] = {"trainer/train/", "trainer/valid/"};
    const int phase = strcmp(p->phase, "train") == 0 ? MN_WRITER_TRAIN : MN_WRITER_VALID;
    if (phase == MN_WRITER_VALID && strcmp(p->phase, "valid") != 0) return 0;
    const mn_scores none = {0, 0, 0, 0}, s = take_off(p->sofar, p->step ? &w->at.before[phase] : &none);
    const double n = (double)s.n;
    const char *prefix = prefixes[phase];
    const mn_scalar scalars[] = {{prefix, "loss", s.loss / n},
                                 {prefix, "acc_top1", s.top1 / n},
                                 {prefix, "acc_top5", s.top5 / n},
                                 {prefix, "LR", p->lr}};
    int64_t step = p->epoch * p->steps + p->step;
    if (step < w->at.next[phase]) step = w->at.next[phase];
    w->at.next[phase] = step + 1;
    w->at.before[phase] = *p->sofar;
    if (s.n > 0) MN_TRY(tell(w, step, scalars, phase == MN_WRITER_TRAIN ? 4 : 3));
    if (is_kept) keep(w);
    return 0;
}

int mn_writer_evaluated(mn_writer *w, const mn_evaluation *v) {
    mn_str prefix = {.ctx = w->dir->ctx};
    mn_scalar scalars[MN_MAX_METRICS];
    mn_str_addf(&prefix, "evaluate/%s/", v->estim);
    if (prefix.failed) return MODNAS_ENOMEM;
    for (int32_t i = 0; i < v->metrics->n; i++)
        scalars[i] = (mn_scalar){prefix.text, v->metrics->name[i], v->metrics->value[i]};
    const int rc = v->metrics->n ? tell(w, v->index, scalars, (size_t)v->metrics->n) : 0;
    mn_str_free(&prefix);
    if (!rc) keep(w);
    return rc;
}

static int tell_op(mn_writer *w, const mn_mixed *m, int32_t i, mn_scalar *scalars, double *probs) {
    const mn_slot *slot = m->module->parent ? mn_slot_of(m->module->parent) : NULL;
    mn_str prefix = {.ctx = w->dir->ctx};
    MN_TRY(mn_mixed_probs(m, probs));
    if (slot)
        mn_str_addf(&prefix, "arch/%s/", slot->name);
    else
        mn_str_addf(&prefix, "arch/op %d/", i);
    for (int32_t k = 0; k < m->n; k++) scalars[k] = (mn_scalar){prefix.text, mn_mixed_candidate(m, k), probs[k]};
    const int rc = prefix.failed ? MODNAS_ENOMEM : tell(w, w->at.next[MN_WRITER_TRAIN] - 1, scalars, (size_t)m->n);
    mn_str_free(&prefix);
    return rc;
}

int mn_writer_epoch(mn_writer *w) {
    int rc = 0;
    if (!w->at.next[MN_WRITER_TRAIN]) return 0; /* a table's search */
    for (int32_t i = 0; i < mn_model_n_mixed(w->model) && !rc; i++) {
        const mn_mixed *m = mn_model_mixed(w->model, i);
        if (m->param->type != MN_TENSOR) continue;
        mn_scalar *scalars = mn_alloc(w->dir->ctx, (size_t)m->n, sizeof *scalars);
        double *probs = mn_alloc(w->dir->ctx, (size_t)m->n, sizeof *probs);
        rc = scalars && probs ? tell_op(w, m, i, scalars, probs) : MODNAS_ENOMEM;
        mn_free(w->dir->ctx, scalars);
        mn_free(w->dir->ctx, probs);
    }
    if (!rc) keep(w);
    return rc;
}

/* ---- state --------------------------------------------------------------------------------------------- */

static int count(int64_t *x, mn_state *io) {
    MN_TRY(mn_state_i64(io, x));
    return *x < 0 ? mn_state_fail(io, "a count of event files is %" PRId64, *x) : 0;
}

static void to_disk(mn_writer *w) {
    if (w->fd < 0) return;
    if (flush(w) || fdatasync(w->fd)) give_up(w);
}

int mn_writer_state(mn_writer *w, mn_state *io) {
    if (!io->loading) to_disk(w);
    MN_TRY(count(&w->seconds, io));
    MN_TRY(count(&w->number, io));
    MN_TRY(count(&w->size, io));
    MN_TRY(count(&w->kept.end, io));
    for (int i = 0; i < MN_WRITER_PHASES; i++) {
        MN_TRY(count(&w->kept.next[i], io));
        MN_TRY(mn_scores_state(&w->kept.before[i], io));
    }
    return 0;
}
