/* LatencyMetrics: how long a forward pass of the network that the model is reduced to takes here.
 *
 * A time is no function of the seed. What was measured of an architecture is kept, and stands for it from then on: in
 * this run, through the checkpoint in one that goes on, and with `record` in all that have that file. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "metrics/parts.h"
#include "search/latency.h"
#include "search/stopwatch.h"

enum { MAX_RUNS = 100000 };

typedef struct latency {
    int32_t runs, batch;
    mn_latency known; /* by architecture */
    char *record;     /* file that holds it too; NULL: none does */
    mn_str key, line;
} latency;

/* ---- what is known ------------------------------------------------------------------------------------- */

/* Options behind the space that they are of, "0123456789ab:1,0,3". */
static int make_key(latency *s, const mn_model *model, const mn_arch *arch) {
    char space[65];
    MN_TRY(mn_space_hash(model, space));
    s->key.n = 0;
    mn_str_addf(&s->key, "%.12s:%d", space, s->batch);
    for (int32_t i = 0; arch && i < arch->n; i++) mn_str_addf(&s->key, ",%d", arch->index[i]);
    return s->key.failed ? MODNAS_ENOMEM : 0;
}

static int load_one(mn_latency *known, mn_state *io) {
    char *key = NULL;
    mn_latency_row row = {.line = 0};
    int rc = mn_state_text(io, &key);
    if (!rc) rc = mn_state_i64(io, &row.ns);
    if (!rc) rc = mn_state_i64(io, &row.spread_ns);
    if (!rc && (!key || row.ns < 0 || row.spread_ns < 0 || mn_latency_find(known, key)))
        rc = mn_state_fail(io, "latency %zu is negative, or there twice", known->rows.n);
    if (!rc) rc = mn_latency_put(known, key, &row);
    mn_free(io->ctx, key);
    return rc;
}

static int save_one(const latency *s, size_t i, mn_state *io) {
    char *key = (char *)(uintptr_t)mn_map_key(&s->known.places, i, NULL);
    mn_latency_row *row = &MN_AT(s->known.rows, mn_latency_row, i);
    MN_TRY(mn_state_text(io, &key));
    MN_TRY(mn_state_i64(io, &row->ns));
    return mn_state_i64(io, &row->spread_ns);
}

/* Into what a file that is kept beside knows already. */
static int merge(latency *s, const mn_latency *more) {
    for (size_t i = 0; i < more->rows.n; i++) {
        const char *key = mn_map_key(&more->places, i, NULL);
        if (mn_latency_find(&s->known, key)) continue;
        MN_TRY(mn_latency_put(&s->known, key, &MN_AT(more->rows, mn_latency_row, i)));
    }
    return 0;
}

static int state(mn_metric *m, mn_state *io) {
    latency *s = m->state;
    uint64_t n = s->known.rows.n;
    MN_TRY(mn_state_count(io, &n, 2 * sizeof(int64_t)));
    mn_latency loaded;
    mn_latency_init(&loaded, m->ctx);
    int rc = 0;
    for (uint64_t i = 0; i < n && !rc; i++) rc = io->loading ? load_one(&loaded, io) : save_one(s, i, io);
    if (!rc && io->loading && !s->record) { /* what was measured since is forgotten */
        mn_latency_free(&s->known);
        mn_latency_init(&s->known, m->ctx);
    }
    if (!rc && io->loading) rc = merge(s, &loaded);
    mn_latency_free(&loaded);
    return rc;
}

/* ---- the file ------------------------------------------------------------------------------------------ */

static int read_record(const mn_args *a, latency *s) {
    mn_source *source;
    mn_latency t;
    const int open = mn_source_open(a->ctx, s->record, MN_SOURCE_PLAIN, &source);
    if (open == MODNAS_ENOTFOUND) return 0; /* not yet */
    if (open) return open == MODNAS_ENOMEM ? open : mn_args_fail(a, "record", "%s", modnas_errmsg(a->ctx));
    const int rc = mn_latency_read(a->ctx, source, MN_LATENCY_RECORD, &t);
    mn_source_close(source);
    if (rc) return rc == MODNAS_ENOMEM ? rc : mn_args_fail(a, "record", "%s", modnas_errmsg(a->ctx));
    mn_latency_free(&s->known);
    s->known = t;
    return 0;
}

/* One write: lines of two writers do not mix. */
static int append(const mn_metric *m, const latency *s, int fd) {
    const off_t end = lseek(fd, 0, SEEK_END);
    const char *names = end == 0 ? "arch\tlatency_ms\tlatency_spread_ms\n" : "";
    mn_str text = {.ctx = m->ctx};
    mn_str_add(&text, names);
    mn_str_add(&text, s->line.text);
    int rc = text.failed ? MODNAS_ENOMEM : 0;
    if (!rc && (end < 0 || write(fd, text.text, text.n) != (ssize_t)text.n || fsync(fd) != 0))
        rc = mn_fail(m->ctx, MODNAS_EIO, "%s: %s", s->record, strerror(errno));
    mn_str_free(&text);
    return rc;
}

static int write_record(const mn_metric *m, latency *s, const mn_latency_row *row) {
    if (!s->record) return 0;
    s->line.n = 0;
    mn_str_addf(&s->line, "%s\t", s->key.text);
    mn_str_real(&s->line, (double)row->ns / MN_COST_MS);
    mn_str_add(&s->line, "\t");
    mn_str_real(&s->line, (double)row->spread_ns / MN_COST_MS);
    mn_str_add(&s->line, "\n");
    if (s->line.failed) return MODNAS_ENOMEM;
    const int fd = open(s->record, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return mn_fail(m->ctx, MODNAS_EIO, "%s: %s", s->record, strerror(errno));
    const int rc = append(m, s, fd);
    close(fd);
    return rc;
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

static int time_network(const latency *s, mn_estim *e, mn_latency_row *row) {
    int32_t in[3];
    mn_model *model = e->model;
    mn_timing t = {0, 0};
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
        if (!rc) rc = time_run(s, model, run, &t);
        mn_run_free(run);
    }
    mn_free(model->ctx, images);
    row->ns = llround(t.median * 1e9);
    row->spread_ns = llround(t.spread * 1e9);
    return rc;
}

static int measure(mn_metric *m, mn_estim *e, mn_metrics *out) {
    latency *s = m->state;
    mn_latency_row row = {.line = 0};
    if (!e->model->backend) return mn_fail(m->ctx, MODNAS_EINVAL, "with 'backend: none' there is nothing to time");
    MN_TRY(make_key(s, e->model, e->subject));
    const mn_latency_row *known = mn_latency_find(&s->known, s->key.text);
    if (!known) {
        MN_TRY(time_network(s, e, &row));
        MN_TRY(write_record(m, s, &row));
        MN_TRY(mn_latency_put(&s->known, s->key.text, &row));
        known = &row;
    }
    MN_TRY(mn_metrics_add(m->ctx, out, "latency_ms", (double)known->ns / MN_COST_MS));
    return mn_metrics_add(m->ctx, out, "latency_spread_ms", (double)known->spread_ns / MN_COST_MS);
}

/* ---- making -------------------------------------------------------------------------------------------- */

static void release(modnas_ctx *ctx, latency *s) {
    mn_latency_free(&s->known);
    mn_free(ctx, s->record);
    mn_str_free(&s->key);
    mn_str_free(&s->line);
}

static void destroy(mn_metric *m) {
    release(m->ctx, m->state);
}

static int read_count(const mn_args *a, const char *name, int32_t *out) {
    const int64_t n = mn_args_int(a, name);
    *out = (int32_t)n;
    return n >= 1 && n <= MAX_RUNS ? 0 : mn_args_fail(a, name, "is %lld, it is 1 to %d", (long long)n, MAX_RUNS);
}

static int fill(latency *s, const mn_args *a) {
    mn_latency_init(&s->known, a->ctx);
    s->key.ctx = s->line.ctx = a->ctx;
    MN_TRY(read_count(a, "runs", &s->runs));
    MN_TRY(read_count(a, "batch", &s->batch));
    if (!mn_args_given(a, "record")) return 0;
    s->record = mn_strdup(a->ctx, mn_args_str(a, "record"));
    return s->record ? read_record(a, s) : MODNAS_ENOMEM;
}

static int build(const mn_component *c, const mn_args *a, const void *env, void *out) {
    latency *s = mn_alloc(a->ctx, 1, sizeof *s);
    mn_metric *m = mn_alloc(a->ctx, 1, sizeof *m);
    (void)c;
    (void)env;
    int rc = s && m ? fill(s, a) : MODNAS_ENOMEM;
    if (rc) {
        if (s && m) release(a->ctx, s);
        mn_free(a->ctx, s);
        mn_free(a->ctx, m);
        return rc;
    }
    *m = (mn_metric){.ctx = a->ctx, .measure = measure, .destroy = destroy, .io = state, .is_timed = 1, .state = s};
    mn_ctx_hold(a->ctx);
    *(mn_metric **)out = m;
    return 0;
}

static const mn_arg_def args[] = {{"runs", MN_ARG_INT, "30", NULL, "passes that the time is the median of"},
                                  {"batch", MN_ARG_INT, "1", NULL, "images of a pass"},
                                  {"record", MN_ARG_STR, "null", NULL, "file that keeps what was measured, for later runs too"},
                                  {NULL, 0, NULL, NULL, NULL}};

const mn_component mn_latency_metrics_component = {
    "metrics", "LatencyMetrics", "milliseconds of the derived network's forward pass here; fewer are better", args, build,
    NULL};
