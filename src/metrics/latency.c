/* LatencyMetrics: how long a forward pass of the network that the model is reduced to takes here.
 *
 * A time is no function of the seed. What was measured of an architecture is kept, and stands for it from then on: in
 * this run, and through the checkpoint in one that goes on. */
#include <math.h>
#include <string.h>

#include "metrics/parts.h"
#include "search/stopwatch.h"

enum { MAX_RUNS = 100000 };

typedef struct latency {
    int32_t runs, batch;
    mn_map known;   /* options, "1,0,3" -> 1 + number of the timing */
    mn_vec timings; /* mn_timing, in ms */
    mn_str key;
} latency;

/* ---- what is known ------------------------------------------------------------------------------------- */

static int keep(modnas_ctx *ctx, latency *s, const char *key, mn_timing t) {
    if (!mn_vec_push(ctx, &s->timings, &t, 1)) return MODNAS_ENOMEM;
    const int rc = mn_map_put(ctx, &s->known, key, (void *)(uintptr_t)s->timings.n);
    if (rc) s->timings.n--;
    return rc;
}

static int make_key(latency *s, const mn_arch *arch) {
    s->key.n = 0;
    mn_str_add(&s->key, "arch");
    for (int32_t i = 0; arch && i < arch->n; i++) mn_str_addf(&s->key, ",%d", arch->index[i]);
    return s->key.failed ? MODNAS_ENOMEM : 0;
}

static int load_one(modnas_ctx *ctx, latency *s, mn_state *io) {
    char *key = NULL;
    mn_timing t;
    int rc = mn_state_text(io, &key);
    if (!rc) rc = mn_state_real(io, &t.median);
    if (!rc) rc = mn_state_real(io, &t.spread);
    if (!rc && (!key || !isfinite(t.median) || !isfinite(t.spread) || mn_map_get(&s->known, key)))
        rc = mn_state_fail(io, "latency %zu is no number, or there twice", s->timings.n);
    if (!rc) rc = keep(ctx, s, key, t);
    mn_free(ctx, key);
    return rc;
}

static void forget(modnas_ctx *ctx, latency *s) {
    mn_map_free(ctx, &s->known);
    s->timings.n = 0;
}

static int state(mn_metric *m, mn_state *io) {
    latency *s = m->state;
    uint64_t n = s->timings.n;
    MN_TRY(mn_state_count(io, &n, 2 * sizeof(double)));
    if (io->loading) forget(m->ctx, s);
    for (uint64_t i = 0; i < n && io->loading; i++) MN_TRY(load_one(m->ctx, s, io));
    for (uint64_t i = 0; i < n && !io->loading; i++) {
        char *key = (char *)(uintptr_t)mn_map_key(&s->known, i, NULL);
        MN_TRY(mn_state_text(io, &key));
        MN_TRY(mn_state_real(io, &MN_AT(s->timings, mn_timing, i).median));
        MN_TRY(mn_state_real(io, &MN_AT(s->timings, mn_timing, i).spread));
    }
    return 0;
}

/* ---- measuring ----------------------------------------------------------------------------------------- */

static int time_run(const latency *s, mn_model *model, mn_run *run, mn_timing *out) {
    const int32_t n_tags = mn_model_n_mixed(model) + 1;
    double *seconds = mn_alloc(model->ctx, (size_t)s->runs, (size_t)n_tags * sizeof *seconds);
    double *times = mn_alloc(model->ctx, (size_t)s->runs, sizeof *times);
    int rc = seconds && times ? mn_time_runs(&run, 1, s->runs, n_tags, seconds) : MODNAS_ENOMEM;
    for (int64_t i = 0; i < (int64_t)s->runs * n_tags && !rc; i++) times[i / n_tags] += seconds[i];
    if (!rc) *out = mn_timing_of(times, s->runs);
    mn_free(model->ctx, seconds);
    mn_free(model->ctx, times);
    return rc;
}

static int time_network(const latency *s, mn_estim *e, mn_timing *out) {
    int32_t in[3];
    mn_model *model = e->model;
    mn_run *run;
    mn_value *x, *logits;
    mn_estim_input(e, in);
    double *images = mn_alloc(model->ctx, (size_t)s->batch * sizeof *images, (size_t)in[0] * (size_t)in[1] * (size_t)in[2]);
    if (!images) return MODNAS_ENOMEM;
    int rc = mn_run_new(model->backend, model->dtype, model->slab, &run);
    if (!rc) {
        rc = mn_model_record(model, run, in, s->batch, &x, &logits);
        if (!rc) rc = mn_run_keep(run, logits);
        if (!rc) rc = mn_run_plan(run, NULL);
        if (!rc) mn_run_bind(run, x, images);
        if (!rc) rc = time_run(s, model, run, out);
        mn_run_free(run);
    }
    mn_free(model->ctx, images);
    *out = (mn_timing){out->median * 1e3, out->spread * 1e3};
    return rc;
}

static int measure(mn_metric *m, mn_estim *e, mn_metrics *out) {
    latency *s = m->state;
    mn_timing t = {0, 0};
    if (!e->model->backend) return mn_fail(m->ctx, MODNAS_EINVAL, "with 'backend: none' there is nothing to time");
    MN_TRY(make_key(s, e->subject));
    const uintptr_t at = (uintptr_t)mn_map_get(&s->known, s->key.text);
    if (at) {
        t = MN_AT(s->timings, mn_timing, at - 1);
    } else {
        MN_TRY(time_network(s, e, &t));
        MN_TRY(keep(m->ctx, s, s->key.text, t));
    }
    MN_TRY(mn_metrics_add(m->ctx, out, "latency_ms", t.median));
    return mn_metrics_add(m->ctx, out, "latency_spread_ms", t.spread);
}

/* ---- making -------------------------------------------------------------------------------------------- */

static void destroy(mn_metric *m) {
    latency *s = m->state;
    forget(m->ctx, s);
    mn_vec_free(m->ctx, &s->timings);
    mn_str_free(&s->key);
}

static int read_count(const mn_args *a, const char *name, int32_t *out) {
    const int64_t n = mn_args_int(a, name);
    *out = (int32_t)n;
    return n >= 1 && n <= MAX_RUNS ? 0 : mn_args_fail(a, name, "is %lld, it is 1 to %d", (long long)n, MAX_RUNS);
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    latency s = {.key = {.ctx = a->ctx}};
    (void)c;
    (void)env;
    MN_TRY(read_count(a, "runs", &s.runs));
    MN_TRY(read_count(a, "batch", &s.batch));
    mn_vec_init(&s.timings, sizeof(mn_timing));
    mn_metric *m = mn_alloc(a->ctx, 1, sizeof *m);
    latency *kept = mn_alloc(a->ctx, 1, sizeof *kept);
    if (!m || !kept) {
        mn_free(a->ctx, m);
        mn_free(a->ctx, kept);
        return MODNAS_ENOMEM;
    }
    *kept = s;
    *m = (mn_metric){
        .ctx = a->ctx, .measure = measure, .destroy = destroy, .io = state, .is_timed = 1, .state = kept};
    mn_ctx_hold(a->ctx);
    *(mn_metric **)out = m;
    return 0;
}

static const mn_arg_def args[] = {{"runs", MN_ARG_INT, "30", NULL, "passes that the time is the median of"},
                                  {"batch", MN_ARG_INT, "1", NULL, "images of a pass"},
                                  {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_latency_metrics_component = {
    "metrics", "LatencyMetrics", "milliseconds of the derived network's forward pass here; fewer are better", args, build,
    NULL};
