/* What a run does with what its estimators report: the host's progress callback, history.tsv, and the files of a new
 * best. */
#include <math.h>
#include <string.h>

#include "pipeline/pipeline.h"

static int progress(const mn_progress *p, void *ud) {
    const mn_pipeline *run = ud;
    const modnas_progress out = {sizeof out, p->estim, p->phase,    p->epoch, p->epochs,  p->step,
                                 p->steps,   p->loss,  p->acc_top1, p->lr,    p->seconds, p->left};
    if (!run->opts.progress) return 0;
    mn_callback_begin(run->ctx);
    return mn_callback_end(run->ctx, run->opts.progress(&out, run->opts.progress_ud), "the progress callback");
}

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
    mn_str_addf(&end, "_%s.safetensors", tag);
    char *path = end.failed ? NULL : mn_expdir_file(&p->dir, "chkpt/", "model_", e->name, end.text);
    const int rc = path ? mn_model_save(p->model, path, metadata) : MODNAS_ENOMEM;
    mn_free(p->ctx, path);
    mn_str_free(&end);
    return rc;
}

int mn_pipeline_save_arch(mn_pipeline *p, const mn_estim *e, const mn_node *arch) {
    mn_str text = {.ctx = p->ctx};
    if (!arch) return 0;
    mn_node_yaml(&text, arch);
    return mn_expdir_write(&p->dir, "arch_", e->name, "_best.yaml", &text);
}

static int evaluated(const mn_evaluation *v, void *ud) {
    mn_pipeline *p = ud;
    mn_stage *s = stage_of(p, v->estim);
    MN_TRY(mn_history_add(&p->history, v));
    MN_TRY(mn_top_add(&s->top, v));
    if (!v->is_best) return 0;
    MN_TRY(mn_pipeline_save_model(p, s->estim, "best"));
    return mn_pipeline_save_arch(p, s->estim, v->arch);
}

mn_observer mn_pipeline_observer(mn_pipeline *p) {
    return (mn_observer){.progress = progress, .evaluated = evaluated, .ud = p};
}
