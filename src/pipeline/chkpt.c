/* When checkpoints are made, and which one a run goes on from.
 *
 *   chkpt/state_000001.chkpt, state_000002.chkpt, ...    the newest two stay
 *
 * A new one is whole under its name before an older one goes, so that there is a good one at any time after the first.
 * A run numbers on from whatever is there. One that is not good any more is passed over with a message, and goes when
 * the next one is written. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/chkpt.h"

#define PREFIX "state_"
#define SUFFIX ".chkpt"

/* ---- the files ----------------------------------------------------------------------------------------- */

static char *path_of(const mn_pipeline *p, int64_t number) {
    char name[48];
    snprintf(name, sizeof name, PREFIX "%06" PRId64 SUFFIX, number);
    return mn_expdir_file(&p->dir, "chkpt/", name, NULL, "");
}

/* The number in a file's name; 0: it is no checkpoint's. */
static int64_t number_in(const char *name) {
    int64_t n = 0;
    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0) return 0;
    const char *c = name + strlen(PREFIX);
    for (; *c >= '0' && *c <= '9' && n < INT64_MAX / 20; c++) n = 10 * n + (*c - '0');
    return strcmp(c, SUFFIX) == 0 ? n : 0;
}

static int by_number(const mn_vec *list, size_t i, int64_t n) {
    return MN_AT(*list, int64_t, i) < n;
}

/* Numbers of the checkpoints that are there, the newest first. */
static int list_files(const mn_pipeline *p, mn_vec *out) {
    char *path = mn_expdir_file(&p->dir, "", "chkpt", NULL, "");
    if (!path) return MODNAS_ENOMEM;
    DIR *folder = opendir(path);
    const int error = errno == ENOMEM ? MODNAS_ENOMEM : MODNAS_EIO;
    int rc = folder ? 0 : mn_fail(p->ctx, error, "%s: %s", path, strerror(errno));
    for (const char *name; !rc && (name = mn_expdir_next(folder));) {
        const int64_t n = number_in(name);
        size_t i = out->n;
        if (!n) continue;
        if (!mn_vec_push(p->ctx, out, &n, 1)) rc = MODNAS_ENOMEM;
        for (; !rc && i > 0 && by_number(out, i - 1, n); i--) MN_AT(*out, int64_t, i) = MN_AT(*out, int64_t, i - 1);
        if (!rc) MN_AT(*out, int64_t, i) = n;
    }
    if (!rc && errno) rc = mn_fail(p->ctx, MODNAS_EIO, "%s: %s", path, strerror(errno));
    if (folder) closedir(folder);
    mn_free(p->ctx, path);
    return rc;
}

/* Remove all but two (0: none). */
static int remove_others(const mn_pipeline *p, int64_t a, int64_t b) {
    mn_vec list;
    mn_vec_init(&list, sizeof(int64_t));
    int rc = list_files(p, &list);
    for (size_t i = 0; !rc && i < list.n; i++) {
        const int64_t n = MN_AT(list, int64_t, i);
        if (n == a || n == b) continue;
        char *path = path_of(p, n);
        if (!path) rc = MODNAS_ENOMEM;
        if (path && unlink(path)) mn_log(p->ctx, MODNAS_LOG_WARN, "%s: %s", path, strerror(errno));
        mn_free(p->ctx, path);
    }
    mn_vec_free(p->ctx, &list);
    return rc;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static double number_at(const mn_pipeline *p, const char *key, double otherwise) {
    const mn_node *n = mn_node_path(p->tree, key);
    return n && (n->kind == MN_INT || n->kind == MN_REAL) ? n->r : otherwise;
}

void mn_chkpt_init(mn_pipeline *p) {
    p->chkpt = (mn_chkpt){.intv_epochs = number_at(p, "expman.chkpt_intv", 0),
                          .intv_steps = number_at(p, "expman.chkpt_intv_steps", 0),
                          .intv_seconds = number_at(p, "expman.chkpt_intv_seconds", 600)};
}

static int write_file(mn_pipeline *p, const mn_sections *f) {
    const int64_t number = p->chkpt.newest + 1;
    char *path = path_of(p, number);
    int rc = path ? mn_sections_write(f, path) : MODNAS_ENOMEM;
    mn_free(p->ctx, path);
    p->chkpt.newest = number; /* of one that failed, too: its file is there if only the folder was not flushed */
    if (rc) return rc;
    rc = remove_others(p, number, p->chkpt.good);
    p->chkpt.good = number;
    return rc;
}

int mn_chkpt_write(mn_pipeline *p, int under_way) {
    mn_sections f;
    if (p->chkpt.is_off) return 0;
    int rc = mn_pipeline_pack(p, under_way, &f);
    if (!rc) {
        rc = write_file(p, &f);
        mn_sections_free(&f);
    }
    p->chkpt.n_epochs = p->chkpt.n_steps = 0;
    p->chkpt.last = mn_seconds();
    p->chkpt.is_off = rc == MODNAS_EUNSUPPORTED;
    if (rc == MODNAS_EIO || rc == MODNAS_EUNSUPPORTED) {
        mn_log(p->ctx, MODNAS_LOG_WARN, "no checkpoint%s: %s", p->chkpt.is_off ? "s" : "", modnas_errmsg(p->ctx));
        return 0;
    }
    return rc;
}

int mn_chkpt_due(mn_pipeline *p, int is_epoch) {
    mn_chkpt *c = &p->chkpt;
    c->n_epochs += is_epoch != 0;
    c->n_steps += is_epoch == 0;
    const int due = (c->intv_epochs > 0 && c->n_epochs >= c->intv_epochs) ||
                    (c->intv_steps > 0 && c->n_steps >= c->intv_steps) ||
                    (c->intv_seconds > 0 && mn_seconds() - c->last >= c->intv_seconds);
    return due ? mn_chkpt_write(p, 1) : 0;
}

/* ---- going on ------------------------------------------------------------------------------------------ */

static int load_file(mn_pipeline *p, const char *path) {
    mn_sections f;
    MN_TRY(mn_sections_read(p->ctx, path, &f));
    const int rc = mn_pipeline_unpack(p, &f, path);
    mn_sections_free(&f);
    return rc;
}

/* Whether the next one may do: it is the file that is bad, not the memory, the configuration or the
 * version: the run could go on with another library, and must not begin anew here. */
static int is_bad_file(int rc) {
    return rc == MODNAS_EFORMAT || rc == MODNAS_EIO || rc == MODNAS_ENOTFOUND || rc == MODNAS_ESHAPE;
}

static int load_newest(mn_pipeline *p, const mn_vec *list) {
    int rc = 0;
    for (size_t i = 0; i < list->n; i++) {
        char *path = path_of(p, MN_AT(*list, int64_t, i));
        rc = path ? load_file(p, path) : MODNAS_ENOMEM;
        if (!rc) mn_log(p->ctx, MODNAS_LOG_INFO, "goes on from %s", path);
        mn_free(p->ctx, path);
        if (!rc) p->chkpt.good = MN_AT(*list, int64_t, i);
        if (!rc || !is_bad_file(rc)) return rc;
        mn_log(p->ctx, MODNAS_LOG_WARN, "a checkpoint is passed over: %s", modnas_errmsg(p->ctx));
    }
    if (p->is_torn) return rc; /* nothing to begin with */
    mn_log(p->ctx, MODNAS_LOG_WARN, "%s/chkpt has no checkpoint to go on from: the run begins", p->dir.path);
    return 0;
}

int mn_chkpt_open(mn_pipeline *p, int resume) {
    mn_vec list;
    p->chkpt.last = mn_seconds();
    if (!resume) return remove_others(p, 0, 0);
    mn_vec_init(&list, sizeof(int64_t));
    int rc = list_files(p, &list);
    if (!rc && list.n) p->chkpt.newest = MN_AT(list, int64_t, 0);
    if (!rc) rc = load_newest(p, &list);
    mn_vec_free(p->ctx, &list);
    return rc;
}

/* ---- entries of hosts ---------------------------------------------------------------------------------- */

int mn_pipeline_save(mn_pipeline *p, const char *path) {
    mn_sections f;
    MN_TRY(mn_pipeline_pack(p, p->running, &f));
    const int rc = mn_sections_write(&f, path);
    mn_sections_free(&f);
    return rc;
}

int mn_pipeline_load(mn_pipeline *p, const char *path) {
    if (p->running) return mn_fail(p->ctx, MODNAS_EBUSY, "modnas_search_load: the search is run");
    return load_file(p, path);
}

int mn_pipeline_pause(mn_pipeline *p) {
    if (!p->running) return mn_fail(p->ctx, MODNAS_EINVAL, "modnas_search_checkpoint: not in the run of an estimator");
    const int rc = mn_canceled(p->ctx);
    if (!rc) return mn_estim_checkpoint(p->current, 0);
    if (p->current->vt->state) MN_TRY(mn_chkpt_write(p, 1));
    return mn_fail(p->ctx, rc, "canceled");
}
