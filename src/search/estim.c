/* What all estimators share: reporting, and the evaluation of the derived network.
 *
 * An evaluation never depends on who listens: the estimator measures, keeps the best and counts; observers are told
 * afterwards. */
#include "search/search.h"

#include <math.h>
#include <string.h>

#include "config/config.h"
#include "search/derive.h"

/* ---- reporting --------------------------------------------------------------------------------------- */

static double mean(double sum, int64_t n) {
    return n ? sum / (double)n : NAN;
}

static mn_progress progress_of(const mn_estim *e, const char *phase, int64_t step, int64_t steps, const mn_scores *s) {
    const double seconds = mn_seconds() - e->started;
    mn_progress p = {
        .estim = e->name, .phase = phase, .epoch = e->epoch, .epochs = e->epochs, .step = step, .steps = steps};
    p.loss = mean(s->loss, s->n);
    p.acc_top1 = mean(s->top1, s->n);
    p.lr = e->lr;
    p.sofar = s;
    p.seconds = seconds;
    const int64_t left = e->total_steps - e->n_steps;
    p.left = e->n_steps && left >= 0 ? seconds / (double)e->n_steps * (double)left : -1;
    return p;
}

int mn_estim_tick(mn_estim *e, const char *phase, int64_t step, int64_t steps, const mn_scores *s) {
    const mn_progress p = progress_of(e, phase, step, steps, s);
    if (e->quiet) return mn_canceled(e->ctx);
    int rc = e->observer.progress ? e->observer.progress(&p, e->observer.ud) : 0;
    if (!rc) rc = mn_canceled(e->ctx);
    e->resumable = rc != 0; /* the step is made: it is not made again */
    return rc;
}

int mn_estim_epoch_done(mn_estim *e) {
    const int64_t steps = e->trainer ? mn_trainer_n_train(e->trainer) : 0;
    const mn_progress p = progress_of(e, "epoch", steps, steps, &e->scores);
    const int rc = e->observer.epoch_done ? e->observer.epoch_done(&p, e->observer.ud) : 0;
    e->epoch++;
    e->resumable = rc != 0;
    return rc ? rc : mn_estim_checkpoint(e, 1);
}

/* ---- what is evaluated --------------------------------------------------------------------------------- */

typedef struct subject {
    mn_arch *before; /* the model's setting, put back at the end */
    mn_arch *point;
} subject;

static void put_down(mn_estim *e, subject *s) {
    mn_derive_end(e->model);
    if (mn_arch_apply(s->before)) mn_log(e->ctx, MODNAS_LOG_ERROR, "%s", modnas_errmsg(e->ctx)); /* it was set before */
    mn_arch_free(s->before);
    mn_arch_free(s->point);
}

/* Set the model to an architecture, open options as derived. Undone by put_down, on failure here. */
static int take_up(mn_estim *e, const mn_arch *arch, subject *s) {
    s->before = s->point = NULL;
    MN_TRY(mn_arch_new(e->model, &s->before));
    int rc = arch ? mn_arch_apply(arch) : 0;
    if (!rc) rc = mn_derive_begin(e->model);
    if (rc) {
        mn_arch_free(s->before);
        return rc;
    }
    rc = mn_arch_new(e->model, &s->point);
    if (rc) put_down(e, s);
    return rc;
}

void mn_estim_input(const mn_estim *e, int32_t input[3]) {
    memcpy(input, e->model->input, 3 * sizeof *input);
    if (e->trainer) mn_trainer_input(e->trainer, input);
}

int mn_estim_macs(const mn_estim *e, int64_t *macs) {
    int32_t input[3];
    if (!e->model->backend) return mn_fail(e->ctx, MODNAS_EINVAL, "with 'backend: none' multiply-adds are not counted");
    mn_estim_input(e, input);
    return mn_derived_macs(e->model, input, macs);
}

int mn_estim_take(mn_estim *e) {
    e->transient++;
    if (e->trainer) mn_trainer_average_in(e->trainer);
    return e->vt->take ? e->vt->take(e) : 0;
}

int mn_estim_put(mn_estim *e) {
    e->transient--;
    const int rc = e->vt->put ? e->vt->put(e) : 0;
    if (e->trainer) mn_trainer_average_out(e->trainer);
    return rc;
}

/* By the table. */
static double latency_ms(const mn_estim *e) {
    return (double)mn_costs_of(e->model->latency, e->subject->index) / MN_COST_MS;
}

static int by_metrics(mn_estim *e, int is_again, mn_metrics *m) {
    int64_t macs;
    for (mn_metric *k = e->metric; k; k = k->next)
        if (!is_again || !k->is_timed) MN_TRY(k->measure(k, e, m));
    MN_TRY(mn_metrics_add(e->ctx, m, "params", (double)mn_derived_params(e->model)));
    if (e->model->backend) {
        MN_TRY(mn_estim_macs(e, &macs));
        MN_TRY(mn_metrics_add(e->ctx, m, "macs", (double)macs));
    }
    return e->model->latency ? mn_metrics_add(e->ctx, m, "latency_ms", latency_ms(e)) : 0;
}

static int take_and_measure(mn_estim *e, const mn_arch *point, mn_metrics *m) {
    mn_trainer_mark mark;
    if (e->trainer) mn_trainer_mark_take(e->trainer, &mark);
    int rc = mn_estim_take(e);
    if (!rc) rc = e->vt->measure ? e->vt->measure(e, point, m) : by_metrics(e, 0, m);
    /* stopped: whoever goes on makes it again, from here */
    if (e->trainer && (rc == MODNAS_ECANCELED || rc > 0) && mn_trainer_mark_back(e->trainer, &mark)) e->resumable = 0;
    return rc;
}

/* mn_estim_put follows, whatever came of it. */
static int measure(mn_estim *e, const mn_arch *point, mn_metrics *m) {
    e->subject = point;
    const int rc = take_and_measure(e, point, m);
    e->subject = NULL;
    return rc;
}

static int describe(mn_estim *e, mn_node **desc) {
    *desc = NULL;
    return e->exporter ? e->exporter->run(e->exporter, e->model, desc) : 0;
}

int mn_estim_measure(mn_estim *e, const mn_arch *arch, mn_metrics *out) {
    subject s;
    MN_TRY(take_up(e, arch, &s));
    const int rc = measure(e, s.point, out), undone = mn_estim_put(e);
    put_down(e, &s);
    return rc ? rc : undone;
}

int mn_estim_remeasure(mn_estim *e, mn_metrics *out) {
    subject s;
    if (e->vt->measure)
        return mn_fail(e->ctx, MODNAS_EUNSUPPORTED, "estim.%s: %s measures in its own way", e->name, e->vt->type);
    MN_TRY(take_up(e, NULL, &s));
    e->subject = s.point;
    const int rc = by_metrics(e, 1, out);
    e->subject = NULL;
    put_down(e, &s);
    return rc;
}

int mn_estim_describe(mn_estim *e, const mn_arch *arch, mn_node **desc) {
    subject s;
    MN_TRY(take_up(e, arch, &s));
    const int rc = describe(e, desc);
    put_down(e, &s);
    return rc;
}

/* ---- recording ----------------------------------------------------------------------------------------- */

static MODNAS_MUST_USE int log_evaluation(const mn_estim *e, const mn_evaluation *v) {
    mn_str text = {.ctx = e->ctx};
    mn_node_json(&text, v->arch);
    mn_str_add(&text, " -> ");
    if (v->status) mn_str_addf(&text, "failed with %d", v->status);
    for (int32_t i = 0; i < v->metrics->n; i++)
        mn_str_addf(&text, "%s%s %.6g", i ? ", " : "", v->metrics->name[i], v->metrics->value[i]);
    const int failed = text.failed;
    if (!failed) mn_log(e->ctx, MODNAS_LOG_INFO, "Evaluate: %s", text.text);
    mn_str_free(&text);
    return failed ? MODNAS_ENOMEM : 0;
}

static void keep_best(mn_estim *e, const mn_evaluation *v, mn_node *desc, mn_arch *point) {
    mn_node_free(e->ctx, e->best_arch);
    mn_arch_free(e->best_point);
    e->best_arch = desc;
    e->best_point = point;
    e->best_metrics = *v->metrics;
    e->best_score = v->score;
}

/* Takes desc and point. told: what the optimizer proposed; NULL: nothing. It learns of an evaluation before anyone else
 * does; when it fails, nothing was recorded. */
static int commit(mn_estim *e, const mn_evaluation *v, mn_node *desc, mn_arch *point, const mn_arch *told) {
    const mn_optim *o = told ? e->optim : NULL;
    int rc = log_evaluation(e, v); /* first, since memory may be out */
    if (!rc && o && o->vt->tell) rc = o->vt->tell(e->optim, told, v->status, v->metrics);
    const int is_best = !rc && v->is_best;
    if (is_best) keep_best(e, v, desc, point);
    if (!rc) {
        e->n_evaluations++;
        e->last_metrics = *v->metrics;
        if (e->observer.evaluated) rc = e->observer.evaluated(v, e->observer.ud);
    }
    if (is_best) return rc;
    mn_node_free(e->ctx, desc);
    mn_arch_free(point);
    return rc;
}

/* What a record says of an architecture; the model is put back before anyone is told. Undoes take_up. */
static int finish(mn_estim *e, subject *s, int rc, mn_node **desc, mn_arch **point) {
    if (!rc) rc = describe(e, desc);
    *point = rc ? NULL : s->point;
    if (!rc) s->point = NULL;
    put_down(e, s);
    return rc;
}

/* The best is one that obeys all limits; of several goals the first one decides. */
static int is_better(const mn_estim *e, const mn_fitness *f, int *yes) {
    mn_fitness best;
    *yes = mn_fitness_is_feasible(f);
    if (!*yes || !e->best_metrics.n) return 0;
    MN_TRY(mn_objective_judge(e->objective, 0, &e->best_metrics, &best));
    *yes = mn_fitness_order(f, &best) > 0;
    return 0;
}

/* Takes desc and point. */
static int record(mn_estim *e, int status, const mn_metrics *m, mn_node *desc, mn_arch *point, const mn_arch *told) {
    static const mn_metrics none;
    mn_fitness f;
    int is_best = 0;
    int rc = mn_objective_judge(e->objective, status, m, &f);
    if (!rc) rc = is_better(e, &f, &is_best);
    if (rc) {
        mn_node_free(e->ctx, desc);
        mn_arch_free(point);
        return rc;
    }
    const double score = status ? NAN : f.value[0];
    const mn_evaluation v = {.index = e->n_evaluations,
                             .estim = e->name,
                             .arch = desc,
                             .status = status,
                             .score = score,
                             .metrics = status ? &none : m,
                             .is_best = is_best,
                             .point = point,
                             .fitness = &f};
    return commit(e, &v, desc, point, told);
}

int mn_estim_record(mn_estim *e, const mn_arch *arch, int status, const mn_metrics *m) {
    subject s;
    mn_node *desc;
    mn_arch *point;
    MN_TRY(take_up(e, arch, &s));
    MN_TRY(finish(e, &s, 0, &desc, &point));
    return record(e, status, m, desc, point, arch ? arch : point);
}

int mn_estim_evaluate(mn_estim *e, const mn_arch *proposed) {
    mn_metrics m = {0};
    subject s;
    mn_node *desc;
    mn_arch *point;
    MN_TRY(take_up(e, NULL, &s));
    int rc = measure(e, s.point, &m);
    rc = finish(e, &s, rc, &desc, &point);
    if (!rc) rc = record(e, 0, &m, desc, point, proposed); /* observers save the weights that were measured */
    const int undone = mn_estim_put(e);
    return rc ? rc : undone;
}
