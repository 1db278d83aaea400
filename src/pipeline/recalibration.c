/* The found network's batch-norm statistics: shared ones against its own (train/calibrate.h).
 *
 * Weights of a supernet are trained along many paths, and so are the running statistics of a layer that they share: those
 * of a single path are others, and its accuracy with the shared ones may be anything. What is measured is the best
 * architecture that the search found, four times on the validation data: a few passes over data, little beside the
 * search. */
#include "pipeline/recalibration.h"

#include <inttypes.h>

#include "config/node.h"
#include "module/layers.h"
#include "search/derive.h"
#include "search/found.h"
#include "train/calibrate.h"

enum { N_BATCHES = 100 }; /* SubNetEstim's number */

static const char *name_of(int i) {
    return i ? mn_calibration_mode_name(i - 1) : "none";
}

static int is_norm(mn_module *m, void *ud) {
    (void)ud;
    return mn_batch_norm_opts(m) != NULL;
}

/* Something is measured on validation data, with weights that architectures share. */
static int has_subject(const mn_estim *e) {
    const mn_metric *m = e->metric;
    while (m && !m->needs_valid) m = m->next;
    return m && e->vt->searches && !e->trains_each && e->trainer && mn_trainer_n_valid(e->trainer) &&
           mn_space_n_genes(e->model->space) && mn_module_walk(e->model->root, is_norm, NULL);
}

void mn_recalibration_init(mn_recalibration *r, const mn_estim *e) {
    const mn_node *given = mn_node_get(e->conf, "recalibration");
    *r = (mn_recalibration){.ctx = e->ctx, .is_wanted = has_subject(e) && !(given && given->kind == MN_BOOL && !given->i)};
}

void mn_recalibration_free(mn_recalibration *r) {
    if (!r->ctx) return;
    mn_free(r->ctx, r->sha256);
    *r = (mn_recalibration){.ctx = NULL};
}

/* ---- measuring ----------------------------------------------------------------------------------------- */

static int measure(mn_recalibration *r, mn_estim *e, mn_calibration *c) {
    for (int i = 0; i < MN_N_STATISTICS; i++) {
        r->scores[i] = (mn_scores){0, 0, 0, 0};
        if (i) mn_calibration_set_mode(c, i - 1);
        if (i) MN_TRY(mn_calibration_run(c));
        MN_TRY(mn_trainer_evaluate(e->trainer, NULL, &r->scores[i], NULL, NULL));
    }
    return 0;
}

/* Of the model as it is set, whose statistics are put back. */
static int measure_derived(mn_recalibration *r, mn_estim *e, mn_calibration *c) {
    MN_TRY(mn_calibration_identify(c));
    MN_TRY(mn_calibration_keep(c));
    MN_TRY(mn_derive_begin(e->model));
    const int rc = measure(r, e, c), undone = mn_calibration_restore(c);
    mn_derive_end(e->model);
    return rc ? rc : undone;
}

static int measure_best(mn_recalibration *r, mn_estim *e, mn_calibration *c) {
    mn_trainer_mark mark;
    mn_arch *before;
    MN_TRY(mn_arch_new(e->model, &before));
    mn_trainer_mark_take(e->trainer, &mark);
    int rc = mn_arch_apply(e->best_point);
    if (!rc) rc = measure_derived(r, e, c);
    const int set = mn_arch_apply(before), back = mn_trainer_mark_back(e->trainer, &mark);
    mn_arch_free(before);
    return rc ? rc : set ? set : back;
}

static int keep(mn_recalibration *r, const mn_estim *e, const mn_calibration *c) {
    double top1[MN_N_STATISTICS];
    char *sha256 = mn_strdup(r->ctx, mn_calibration_sha256(c));
    if (!sha256) return MODNAS_ENOMEM;
    mn_free(r->ctx, r->sha256);
    r->sha256 = sha256;
    r->n_samples = mn_calibration_n_samples(c);
    for (int i = 0; i < MN_N_STATISTICS; i++) top1[i] = r->scores[i].top1 / (double)r->scores[i].n;
    mn_log(r->ctx, MODNAS_LOG_INFO,
           "estim.%s: accuracy of the best with the supernet's statistics of batch norm %.4f; with its own, pooled %.4f, "
           "average %.4f, ema %.4f",
           e->name, top1[0], top1[1], top1[2], top1[3]);
    return 0;
}

static int is_outcome(int rc) {
    return rc == MODNAS_ENUMERIC || rc == MODNAS_ESHAPE || rc == MODNAS_EUNSUPPORTED || rc == MODNAS_ENOTFOUND;
}

int mn_recalibration_run(mn_recalibration *r, mn_estim *e) {
    const mn_calibration_opts o = {.n_batches = N_BATCHES, .clear = 1};
    mn_calibration *c;
    if (!r->is_wanted || !e->best_point) return 0;
    MN_TRY(mn_calibration_new(e->trainer, &o, &c));
    int rc = measure_best(r, e, c);
    if (!rc) rc = keep(r, e, c);
    mn_calibration_free(c);
    if (!is_outcome(rc)) return rc;
    mn_log(r->ctx, MODNAS_LOG_WARN, "estim.%s: no recalibration: %s", e->name, modnas_errmsg(r->ctx));
    return 0;
}

/* ---- state, results ------------------------------------------------------------------------------------ */

int mn_recalibration_state(mn_recalibration *r, mn_state *io) {
    if (!r->is_wanted) return 0;
    MN_TRY(mn_state_i64(io, &r->n_samples));
    for (int i = 0; i < MN_N_STATISTICS; i++) {
        MN_TRY(mn_scores_state(&r->scores[i], io));
        if (r->n_samples && r->scores[i].n < 1) return mn_state_fail(io, "scores of %" PRId64 " images", r->scores[i].n);
    }
    return mn_state_text(io, &r->sha256);
}

void mn_results_scores(mn_str *s, const mn_scores *sum) {
    const double n = (double)sum->n;
    const mn_metrics m = {3, {"acc_top1", "acc_top5", "loss"}, {sum->top1 / n, sum->top5 / n, sum->loss / n}};
    mn_metrics_json(s, &m);
    s->n--; /* before the closing brace */
}

void mn_results_recalibration(mn_str *s, const mn_recalibration *r) {
    if (r->n_samples < 1 || !r->sha256) return;
    mn_str_addf(s, ",\"recalibration\":{\"samples\":%" PRId64 ",\"samples_sha256\":", r->n_samples);
    mn_str_json(s, r->sha256);
    for (int i = 0; i < MN_N_STATISTICS; i++) {
        mn_str_addf(s, ",\"%s\":", name_of(i));
        mn_results_scores(s, &r->scores[i]);
        mn_str_add(s, "}");
    }
    mn_str_add(s, "}");
}
