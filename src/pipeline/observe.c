/* What a search does with what its estimators report: history, the files of a new best, and the host's callbacks. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/callbacks.h"
#include "pipeline/chkpt.h"

/* ---- the host's callbacks ------------------------------------------------------------------------------ */

/* While one runs, the search may be read. begin's value is for end. */
static int32_t callback_begin(mn_pipeline *p) {
    const int32_t before = p->level;
    p->level = MN_READABLE;
    mn_callback_begin(p->ctx);
    return before;
}

static int callback_end(mn_pipeline *p, int32_t before, int rc, const char *what) {
    p->level = before;
    return mn_callback_end(p->ctx, rc, "the %s callback", what);
}

static modnas_progress public_progress(const mn_progress *p) {
    return (modnas_progress){sizeof(modnas_progress),
                             p->estim,
                             p->phase,
                             p->epoch,
                             p->epochs,
                             p->step,
                             p->steps,
                             p->loss,
                             p->acc_top1,
                             p->lr,
                             p->seconds,
                             p->left};
}

static int progress(const mn_progress *p, void *ud) {
    mn_pipeline *run = ud;
    const modnas_progress out = public_progress(p);
    MN_TRY(mn_callbacks_step(run, p));
    if (run->running) MN_TRY(mn_writer_step(&run->writer, p, !run->current->transient));
    if (!run->opts.progress) return 0;
    const int32_t before = callback_begin(run);
    return callback_end(run, before, run->opts.progress(&out, run->opts.ud), "progress");
}

static int epoch_done(const mn_progress *p, void *ud) {
    mn_pipeline *run = ud;
    const modnas_progress out = public_progress(p);
    if (run->running) MN_TRY(mn_writer_epoch(&run->writer));
    if (run->running) MN_TRY(mn_callbacks_epoch_done(run, run->current));
    if (!run->opts.epoch_done) return 0;
    const int32_t before = callback_begin(run);
    return callback_end(run, before, run->opts.epoch_done(run, &out, run->opts.ud), "epoch_done");
}

static int tell_host(mn_pipeline *p, const mn_evaluation *v) {
    modnas_metric metrics[MN_MAX_METRICS];
    mn_str desc = {.ctx = p->ctx};
    if (!p->opts.evaluated) return 0;
    mn_node_json(&desc, v->arch);
    if (desc.failed) {
        mn_str_free(&desc);
        return MODNAS_ENOMEM;
    }
    for (int32_t i = 0; i < v->metrics->n; i++) metrics[i] = (modnas_metric){v->metrics->name[i], v->metrics->value[i]};
    const modnas_evaluation out = {.size = sizeof out,
                                   .estim = v->estim,
                                   .index = v->index,
                                   .arch = v->point,
                                   .desc = desc.text,
                                   .metrics = metrics,
                                   .n_metrics = v->metrics->n,
                                   .status = v->status,
                                   .is_best = v->is_best,
                                   .score = v->score};
    const int32_t before = callback_begin(p);
    const int rc = callback_end(p, before, p->opts.evaluated(p, &out, p->opts.ud), "evaluated");
    mn_str_free(&desc);
    return rc;
}

/* ---- files --------------------------------------------------------------------------------------------- */

static mn_stage *stage_of(const mn_pipeline *p, const char *estim) {
    for (size_t i = 0; i < p->stages.n; i++) {
        mn_stage *s = &MN_AT(p->stages, mn_stage, i);
        if (strcmp(s->estim->name, estim) == 0) return s;
    }
    return NULL;
}

int mn_pipeline_save_model(mn_pipeline *p, const mn_estim *e, const char *tag) {
    const char *const metadata[] = {"format", "modnas", "model", p->model->type, "estim", e->name, "tag", tag, NULL};
    mn_str end = {.ctx = p->ctx};
    if (!mn_model_committed(p->model)) return 0; /* backend: none */
    mn_str_addf(&end, "_%s.safetensors", tag);
    char *path = end.failed ? NULL : mn_expdir_file(&p->dir, "chkpt/", "model_", e->name, end.text);
    const int rc = path ? mn_model_save(p->model, path, metadata) : MODNAS_ENOMEM;
    mn_free(p->ctx, path);
    mn_str_free(&end);
    return rc;
}

int mn_pipeline_save_arch(mn_pipeline *p, const mn_estim *e, const char *tag, const mn_node *arch) {
    mn_str text = {.ctx = p->ctx}, end = {.ctx = p->ctx};
    if (!arch) return 0;
    mn_str_addf(&end, "_%s.yaml", tag);
    mn_node_yaml(&text, arch);
    text.failed |= end.failed;
    const int rc = mn_expdir_write(&p->dir, "arch_", e->name, end.text ? end.text : "", &text);
    mn_str_free(&end);
    return rc;
}

static int drop_file(mn_pipeline *p, const mn_estim *e, const char *folder, const char *before, const char *tag,
                     const char *ending) {
    mn_str end = {.ctx = p->ctx};
    mn_str_addf(&end, "_%s%s", tag, ending);
    char *path = end.failed ? NULL : mn_expdir_file(&p->dir, folder, before, e->name, end.text);
    int rc = path ? 0 : MODNAS_ENOMEM;
    if (!rc && unlink(path) && errno != ENOENT) rc = mn_fail(p->ctx, MODNAS_EIO, "%s: %s", path, strerror(errno));
    mn_free(p->ctx, path);
    mn_str_free(&end);
    return rc;
}

int mn_pipeline_drop(mn_pipeline *p, const mn_estim *e, const char *tag) {
    MN_TRY(drop_file(p, e, "chkpt/", "model_", tag, ".safetensors"));
    return drop_file(p, e, "outputs/", "arch_", tag, ".yaml");
}

static int keep(mn_pipeline *p, const mn_evaluation *v) {
    mn_stage *s = stage_of(p, v->estim);
    MN_TRY(mn_history_add(&p->history, v));
    if (s) MN_TRY(mn_top_add(&s->top, v));
    if (s) MN_TRY(mn_baseline_note(&s->baseline, v));
    return s && p->is_open ? mn_callbacks_evaluated(p, s->estim, v) : 0;
}

static int evaluated(const mn_evaluation *v, void *ud) {
    mn_pipeline *p = ud;
    MN_TRY(keep(p, v));
    if (p->running) MN_TRY(mn_writer_evaluated(&p->writer, v));
    return tell_host(p, v);
}

static int checkpoint(mn_estim *e, int is_epoch, void *ud) {
    mn_pipeline *p = ud;
    return p->is_open && p->current == e ? mn_chkpt_due(p, is_epoch) : 0;
}

static int save(mn_estim *e, const char *tag, void *ud) {
    mn_pipeline *p = ud;
    return p->is_open && p->current == e ? mn_pipeline_save_model(p, e, tag) : 0;
}

mn_observer mn_pipeline_observer(mn_pipeline *p) {
    return (mn_observer){.progress = progress,
                         .evaluated = evaluated,
                         .ud = p,
                         .epoch_done = epoch_done,
                         .checkpoint = checkpoint,
                         .save = save};
}
