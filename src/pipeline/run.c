/* A run: the estimators in order, their folder written as they go, results.json at the end.
 *
 * What was saved stays whole whatever happens: files are replaced by rename, history grows by whole lines, and an error
 * later in the run touches none of them. A wish to stop (modnas_cancel, or a positive code of the progress callback) is
 * no error: weights and the best architecture so far are saved before it is passed on. */
#include <inttypes.h>
#include <sys/resource.h>

#include "modnas/version.h"
#include "pipeline/callbacks.h"
#include "pipeline/chkpt.h"

/* ---- saving ------------------------------------------------------------------------------------------ */

/* The architecture as it stands, for an estimator that evaluated nothing. */
static int save_current_arch(mn_pipeline *p, mn_estim *e) {
    mn_node *arch;
    MN_TRY(mn_estim_describe(e, NULL, &arch));
    const int rc = mn_pipeline_save_arch(p, e, "best", arch);
    mn_node_free(p->ctx, arch);
    return rc;
}

static int save_last(mn_pipeline *p, mn_estim *e) {
    mn_pipeline_check_limits(p, e);
    MN_TRY(mn_pipeline_save_model(p, e, "last"));
    return e->n_evaluations ? 0 : save_current_arch(p, e);
}

static int save_config(mn_pipeline *p) {
    mn_str text = {.ctx = p->ctx};
    mn_node_yaml(&text, p->tree);
    return mn_expdir_write(&p->dir, "config", NULL, ".yaml", &text);
}

/* ---- results.json ------------------------------------------------------------------------------------ */

static void add_key(mn_str *s, const char *key) {
    mn_str_json(s, key);
    mn_str_add(s, ":");
}

static void add_text(mn_str *s, const char *key, const char *value) {
    add_key(s, key);
    mn_str_json(s, value);
}

static void add_versions(mn_str *s, const mn_pipeline *p) {
    mn_str_add(s, ",\"versions\":{");
    add_text(s, "modnas", MODNAS_VERSION_STRING);
    if (p->model->backend) {
        mn_str_add(s, ",");
        add_text(s, mn_backend_name(p->model->backend), mn_backend_version(p->model->backend));
    }
    mn_str_add(s, "}");
}

static void add_hashes(mn_str *s, const mn_pipeline *p) {
    const mn_dataset *const sets[] = {p->train, p->valid, p->test};
    static const char *const names[] = {"train", "valid", "test", "latency_table"};
    int n = 0;
    mn_str_add(s, ",\"data_sha256\":{");
    for (size_t i = 0; i < MN_COUNT(names); i++) {
        const char *hash = i == MN_COUNT(sets) ? p->latency_sha256 : sets[i] ? sets[i]->sha256 : "";
        if (!*hash) continue;
        if (n++) mn_str_add(s, ",");
        add_text(s, names[i], hash);
    }
    mn_str_add(s, "}");
}

static void add_estims(mn_str *s, const mn_pipeline *p) {
    mn_str_add(s, ",\"estim\":{");
    for (size_t i = 0; i < p->stages.n; i++) {
        const mn_stage *stage = &MN_AT(p->stages, mn_stage, i);
        if (i) mn_str_add(s, ",");
        add_key(s, stage->estim->name);
        mn_results_estim(s, stage->estim, &stage->top, &stage->baseline);
        mn_results_recalibration(s, &stage->recalibration);
        mn_callbacks_results(p, stage->estim, s);
        mn_str_add(s, "}");
    }
    mn_str_add(s, "}");
}

static void add_test(mn_str *s, const mn_scores *test) {
    if (!test->n) return;
    mn_str_add(s, ",\"test\":");
    mn_results_scores(s, test);
    mn_str_addf(s, ",\"n\":%" PRId64 "}", test->n);
}

/* Left out where there is none: nothing obeys the limits, or nothing is run. */
static void add_network(mn_str *s, mn_pipeline *p) {
    mn_network n;
    const int rc = mn_pipeline_network(p, &n);
    if (rc == MODNAS_ENOMEM) s->failed = 1;
    if (!rc)
        mn_str_addf(s, ",\"network\":{\"input\":[%d,%d,%d],\"params\":%" PRId64 ",\"macs\":%" PRId64 "}", n.input[0],
                    n.input[1], n.input[2], n.params, n.macs);
}

static int64_t peak_rss_bytes(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (int64_t)usage.ru_maxrss * 1024 : 0;
}

static char *make_results(mn_pipeline *p, const mn_scores *test, int rc) {
    mn_str s = {.ctx = p->ctx};
    mn_str_add(&s, "{");
    add_text(&s, "name", p->dir.name);
    mn_str_addf(&s, ",\"complete\":%s,\"seed\":%" PRIu64 ",", rc ? "false" : "true", p->model->seed);
    add_text(&s, "backend", p->model->backend ? mn_backend_name(p->model->backend) : "none");
    mn_str_addf(&s, ",\"threads\":%d",
                p->model->backend ? mn_backend_threads(p->model->backend) : p->ctx->opts.threads);
    mn_str_add(&s, ",");
    add_text(&s, "isa", mn_cpu_isa_name());
    add_versions(&s, p);
    add_hashes(&s, p);
    mn_str_add(&s, ",\"seconds\":");
    mn_str_real(&s, mn_seconds() - p->started);
    mn_str_addf(&s, ",\"peak_rss_bytes\":%" PRId64, peak_rss_bytes());
    add_estims(&s, p);
    if (!rc) add_network(&s, p);
    add_test(&s, test);
    mn_str_add(&s, "}\n");
    return mn_str_take(&s);
}

static int write_results(mn_pipeline *p, const mn_scores *test, int rc, char **results) {
    char *text = make_results(p, test, rc);
    mn_str copy = {.ctx = p->ctx};
    if (!text) return MODNAS_ENOMEM;
    mn_str_add(&copy, text);
    const int written = mn_expdir_write(&p->dir, p->run_file, NULL, ".json", &copy);
    if (written || !results)
        mn_free(p->ctx, text);
    else
        *results = text;
    return written;
}

/* ---- running ----------------------------------------------------------------------------------------- */

static int is_stop(int rc) {
    return rc == MODNAS_ECANCELED || rc > 0;
}

/* An estimator that stopped where it can go on. */
static int save_stopped(mn_pipeline *p, const mn_estim *e) {
    return e->resumable && e->vt->state && !e->vt->is_free ? mn_chkpt_write(p, 1) : 0;
}

static int run_estim(mn_pipeline *p, mn_estim *e) {
    if (!e->resumed) MN_TRY(mn_callbacks_begin(p, e));
    if (!e->resumed) MN_TRY(mn_chkpt_write(p, 0));
    p->running = 1;
    int rc = e->vt->run(e);
    p->running = 0;
    if (!rc && e->trainer) rc = mn_trainer_settle(e->trainer);
    if (!rc) rc = mn_callbacks_end(p, e);
    if (rc && !is_stop(rc)) return rc;
    MN_TRY(save_last(p, e));
    if (rc) MN_TRY(save_stopped(p, e));
    return rc;
}

/* What is measured beside it moves the data that is behind it: a run that is stopped there begins that again. */
static int run_beside(mn_pipeline *p, mn_estim *e) {
    mn_stage *s = &MN_AT(p->stages, mn_stage, p->at);
    if (s->baseline.is_wanted || s->recalibration.is_wanted) MN_TRY(mn_chkpt_write(p, 0));
    MN_TRY(mn_baseline_run(&s->baseline, e, p->limits));
    return mn_recalibration_run(&s->recalibration, e);
}

static int run_estims(mn_pipeline *p) {
    for (; p->at < (int32_t)p->stages.n; p->at++) {
        mn_estim *e = MN_AT(p->stages, mn_stage, p->at).estim;
        p->current = e;
        if (!p->is_over) MN_TRY(run_estim(p, e));
        p->is_over = 1;
        MN_TRY(run_beside(p, e));
        p->is_over = 0;
    }
    return mn_chkpt_write(p, 0);
}

static int run(mn_pipeline *p, char **results) {
    mn_scores test = {0, 0, 0, 0};
    MN_TRY(save_config(p));
    MN_TRY(mn_history_open(&p->history));
    MN_TRY(mn_writer_open(&p->writer));
    int rc = run_estims(p);
    if (!rc) rc = mn_pipeline_test(p, 0, &test);
    if (rc && !is_stop(rc)) return rc;
    MN_TRY(mn_history_flush(&p->history));
    MN_TRY(write_results(p, &test, rc, results));
    return is_stop(rc) && rc < 0 ? mn_fail(p->ctx, rc, "canceled") : rc;
}

int mn_pipeline_run(mn_pipeline *p, int32_t *started, char **results) {
    *started = 0;
    if (!p->stages.n) return mn_fail(p->ctx, MODNAS_ECONFIG, "there is no estim: nothing would be run");
    if (p->has_run) return mn_fail(p->ctx, MODNAS_EDONE, "the search has run already");
    int rc = mn_expdir_open(&p->dir);
    p->has_run = *started = rc != MODNAS_EBUSY;
    if (!rc && (rc = mn_chkpt_open(p, p->opts.resume))) *started = 0;
    p->is_open = !rc;
    p->begun = NULL; /* estimators use the trainers */
    if (!rc) rc = run(p, results);
    if (rc) mn_expdir_note(&p->dir, MODNAS_LOG_ERROR, modnas_errmsg(p->ctx)); /* the caller tells the host */
    mn_writer_close(&p->writer);
    mn_expdir_leave(&p->dir);
    p->history.is_open = p->is_open = 0;
    p->current = p->pulled;
    p->begun = NULL;
    return rc;
}

int modnas_run(modnas_config *cfg, const modnas_run_opts *opts, int32_t *started, char **results) {
    modnas_run_opts full;
    mn_pipeline *p;
    int32_t has_started = 0, before = 0;
    if (started) *started = 0;
    if (results) *results = NULL;
    if (!cfg) return MODNAS_EINVAL;
    modnas_ctx *ctx = mn_config_ctx(cfg);
    MN_ENTER(ctx);
    MN_TRY(mn_opts_read(ctx, "modnas_run_opts", opts, &full, sizeof full));
    if (full.reserved) return mn_fail(ctx, MODNAS_EINVAL, "modnas_run_opts: reserved is %d", full.reserved);
    MN_TRY(mn_register_builtins(ctx));
    const modnas_search_opts search = {.size = sizeof search, .progress = full.progress, .ud = full.progress_ud, .resume = full.resume};
    int rc = mn_pipeline_new(cfg, &search, &p);
    if (rc == MODNAS_ECANCELED) mn_cancel_done(ctx);
    if (!rc) rc = mn_pipeline_enter(p, "modnas_run", MN_IDLE, &before);
    MN_TRY(rc);
    rc = mn_pipeline_leave(p, before, mn_pipeline_run(p, &has_started, results));
    if (started) *started = has_started;
    mn_pipeline_free(p);
    return rc;
}
