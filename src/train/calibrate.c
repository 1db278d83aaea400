/* Recalibration of batch norm: a pass over a fixed set of training samples in training mode, nothing dropped.
 *
 * pooled and average read each batch's own statistics, which running statistics are with a momentum of 1. With M
 * elements of a channel in a batch, its mean m and its biased variance v:
 *
 *   pooled    N = sum M,  mean = sum M m / N,  variance = sum M (v + m^2) / N - mean^2     (law of total variance)
 *   average   mean = sum M m / N,  variance = sum M v / N                                  (Once-for-All)
 *   ema       running statistics with the network's own momentum, batch by batch           (SPOS) */
#include "train/calibrate.h"

#include <string.h>

#include "module/layers.h"
#include "space/prepare.h"
#include "train/trainer.h"

typedef struct norm { /* a batch norm of the model */
    mn_module *module;
    mn_param *mean, *var;
    size_t at;      /* of its sums */
    double n;       /* elements so far */
    int32_t is_met; /* the model runs it */
} norm;

struct mn_calibration {
    modnas_ctx *ctx;
    mn_trainer *t;
    mn_calibration_opts opts;
    mn_loader *loader;
    mn_run *run;
    mn_value *x;
    uint64_t version; /* of the model when recorded */
    int32_t dims[4];  /* likewise; N 0: nothing is recorded */
    mn_vec norms;
    double *sum_mean, *sum_var; /* by channel of all norms */
    double *kept;               /* likewise, of mean and then of var, as they were; NULL: nothing was kept */
    double *mean, *var;         /* work space of the widest one */
    float *narrow;              /* likewise */
    size_t n_sums, n_widest;
    int32_t is_prepared;
    char sha256[65];
};

static const char *const modes[] = {"pooled", "average", "ema"};

int32_t mn_calibration_mode(const char *name) {
    for (int32_t i = 0; i < (int32_t)MN_COUNT(modes); i++)
        if (strcmp(modes[i], name) == 0) return i;
    return -1;
}

const char *mn_calibration_mode_name(int32_t mode) {
    return modes[mode];
}

/* ---- parameters without allocation --------------------------------------------------------------------- */

static int read_param(const mn_calibration *c, const mn_param *p, double *x) {
    const int64_t n = mn_param_numel(p);
    if (c->t->model->dtype == MODNAS_F64) return mn_param_get(p, x);
    MN_TRY(mn_param_get_f32(p, c->narrow));
    for (int64_t i = 0; i < n; i++) x[i] = c->narrow[i];
    return 0;
}

static int write_param(const mn_calibration *c, mn_param *p, const double *x) {
    const int64_t n = mn_param_numel(p);
    if (c->t->model->dtype == MODNAS_F64) return mn_param_set(p, x);
    for (int64_t i = 0; i < n; i++) c->narrow[i] = (float)x[i];
    return mn_param_set_f32(p, c->narrow);
}

/* ---- recording ----------------------------------------------------------------------------------------- */

static int record(mn_run *run, int32_t i, void *ud) {
    static const mn_run_opts opts = {.train = 1, .update_stats = 1, .no_drop = 1};
    mn_calibration *c = ud;
    mn_model *m = c->t->model;
    const int64_t x[4] = {c->dims[0], c->dims[1], c->dims[2], c->dims[3]};
    mn_value *logits;
    (void)i;
    MN_TRY(mn_run_begin(run, &opts));
    MN_TRY(mn_input(run, x, MODNAS_F32, &c->x));
    MN_TRY(mn_model_forward(m, run, c->x, &logits));
    MN_TRY(mn_run_keep(run, logits));
    MN_TRY(mn_run_plan(run, NULL));
    c->version = m->version;
    return 0;
}

static int ready(mn_calibration *c, int32_t n) {
    if (c->dims[0] == n && c->version == c->t->model->version) return 0;
    mn_trainer_dims(c->loader, n, c->dims);
    const int rc = record(c->run, 0, c);
    if (rc) c->dims[0] = 0;
    return rc;
}

/* ---- running ------------------------------------------------------------------------------------------- */

/* Add the statistics of the batch that ran last. */
static int gather(mn_calibration *c) {
    for (size_t i = 0; i < c->norms.n; i++) {
        norm *b = &MN_AT(c->norms, norm, i);
        const double m = (double)mn_batch_norm_reduced(b->module);
        if (!mn_run_uses(c->run, b->mean)) continue;
        MN_TRY(read_param(c, b->mean, c->mean));
        MN_TRY(read_param(c, b->var, c->var));
        const int64_t n = mn_param_numel(b->mean);
        for (int64_t k = 0; k < n; k++) {
            const double mean = c->mean[k], biased = m > 1 ? c->var[k] * (m - 1) / m : c->var[k];
            c->sum_mean[b->at + (size_t)k] += m * mean;
            c->sum_var[b->at + (size_t)k] += m * (c->opts.mode == MN_CALIBRATE_POOLED ? biased + mean * mean : biased);
        }
        b->n += m;
    }
    return 0;
}

static int finish(mn_calibration *c) {
    for (size_t i = 0; i < c->norms.n; i++) {
        norm *b = &MN_AT(c->norms, norm, i);
        if (b->n == 0) continue;
        const int64_t n = mn_param_numel(b->mean);
        for (int64_t k = 0; k < n; k++) {
            const double mean = c->sum_mean[b->at + (size_t)k] / b->n, var = c->sum_var[b->at + (size_t)k] / b->n;
            const double total = c->opts.mode == MN_CALIBRATE_POOLED ? var - mean * mean : var;
            c->mean[k] = mean;
            c->var[k] = total > 0 ? total : 0;
        }
        MN_TRY(write_param(c, b->mean, c->mean));
        MN_TRY(write_param(c, b->var, c->var));
    }
    return 0;
}

static int clear(mn_calibration *c) {
    for (size_t k = 0; k < c->n_widest; k++) {
        c->mean[k] = 0;
        c->var[k] = 1;
    }
    for (size_t i = 0; i < c->norms.n; i++) {
        norm *b = &MN_AT(c->norms, norm, i);
        if (b->is_met || !mn_run_uses(c->run, b->mean)) continue;
        b->is_met = 1;
        MN_TRY(write_param(c, b->mean, c->mean));
        MN_TRY(write_param(c, b->var, c->var));
    }
    return 0;
}

static int run_batch(mn_calibration *c, const mn_batch *batch) {
    const int running = c->opts.mode == MN_CALIBRATE_EMA;
    MN_TRY(ready(c, batch->n));
    if (running && c->opts.clear) MN_TRY(clear(c));
    mn_run_bind(c->run, c->x, batch->x);
    MN_TRY(mn_run_forward(c->run, 0));
    return running ? 0 : gather(c);
}

static int run_batches(mn_calibration *c) {
    mn_batch batch;
    MN_TRY(mn_loader_start(c->loader, 0));
    for (int64_t i = 0; i < mn_loader_n_batches(c->loader); i++) {
        MN_TRY(mn_loader_next(c->loader, &batch));
        c->t->model->busy++;
        const int rc = run_batch(c, &batch);
        c->t->model->busy--;
        MN_TRY(rc);
        MN_TRY(mn_canceled(c->ctx));
    }
    return 0;
}

int mn_calibration_run(mn_calibration *c) {
    mn_model *m = c->t->model;
    const int by_batch = c->opts.mode != MN_CALIBRATE_EMA;
    memset(c->sum_mean, 0, c->n_sums * sizeof *c->sum_mean);
    memset(c->sum_var, 0, c->n_sums * sizeof *c->sum_var);
    for (size_t i = 0; i < c->norms.n; i++) MN_AT(c->norms, norm, i).n = MN_AT(c->norms, norm, i).is_met = 0;
    m->bn_momentum = by_batch ? 1 : 0;
    m->version++;
    const int rc = run_batches(c);
    m->bn_momentum = 0;
    m->version++;
    return rc || !by_batch ? rc : finish(c);
}

/* ---- prepare ------------------------------------------------------------------------------------------- */

static int prepare_batch(mn_calibration *c, int64_t n) {
    const mn_prepare_opts o = {.n_runs = 1, .runs = {{.run = c->run}}, .record = record, .ud = c};
    if (n == 0) return 0;
    mn_trainer_dims(c->loader, (int32_t)n, c->dims);
    mn_footprint f = {0};
    const int rc = mn_prepare(c->t->model, &o, &f);
    c->dims[0] = 0;
    if (rc) return rc;
    mn_footprint_join(&c->t->footprint, &f);
    return mn_trainer_keep_limit(c->t);
}

int mn_calibration_identify(mn_calibration *c) {
    mn_sha256 sha;
    mn_batch batch;
    mn_sha256_init(&sha);
    MN_TRY(mn_loader_start(c->loader, 0));
    for (int64_t i = 0; i < mn_loader_n_batches(c->loader); i++) {
        MN_TRY(mn_loader_next(c->loader, &batch));
        int32_t dims[4];
        mn_trainer_dims(c->loader, 1, dims);
        const size_t values = (size_t)dims[1] * (size_t)dims[2] * (size_t)dims[3];
        mn_sha256_add(&sha, batch.x, (size_t)batch.n * values * sizeof *batch.x);
        mn_sha256_add(&sha, batch.y, (size_t)batch.n * sizeof *batch.y);
        MN_TRY(mn_canceled(c->ctx));
    }
    mn_sha256_hex(&sha, c->sha256);
    return 0;
}

int mn_calibration_prepare(mn_calibration *c) {
    const int64_t n = mn_loader_n_samples(c->loader), batch = mn_loader_batch_size(c->loader);
    if (c->is_prepared) return 0;
    MN_TRY(prepare_batch(c, n >= batch ? batch : 0));
    MN_TRY(prepare_batch(c, n % batch));
    MN_TRY(mn_calibration_identify(c));
    mn_log(c->ctx, MODNAS_LOG_INFO, "calibration: %lld samples, SHA-256 %s", (long long)n, c->sha256);
    c->is_prepared = 1;
    return 0;
}

/* ---- keeping ------------------------------------------------------------------------------------------- */

static int move_kept(const mn_calibration *c, int is_back) {
    for (size_t i = 0; i < c->norms.n; i++) {
        const norm *b = &MN_AT(c->norms, norm, i);
        mn_param *const params[] = {b->mean, b->var};
        for (size_t k = 0; k < MN_COUNT(params); k++) {
            double *at = c->kept + k * c->n_sums + b->at;
            MN_TRY(is_back ? write_param(c, params[k], at) : read_param(c, params[k], at));
        }
    }
    return 0;
}

int mn_calibration_keep(mn_calibration *c) {
    if (!c->kept) c->kept = mn_alloc(c->ctx, c->n_sums + 1, 2 * sizeof *c->kept);
    return c->kept ? move_kept(c, 0) : MODNAS_ENOMEM;
}

int mn_calibration_restore(mn_calibration *c) {
    return move_kept(c, 1);
}

void mn_calibration_set_mode(mn_calibration *c, int32_t mode) {
    c->opts.mode = mode;
}

int64_t mn_calibration_n_samples(const mn_calibration *c) {
    return mn_loader_n_samples(c->loader);
}

const char *mn_calibration_sha256(const mn_calibration *c) {
    return c->sha256;
}

/* ---- life ---------------------------------------------------------------------------------------------- */

static int add_norm(mn_module *m, void *ud) {
    mn_calibration *c = ud;
    if (!mn_batch_norm_opts(m)) return 0;
    norm b = {m, mn_module_find_param(m, "running_mean"), mn_module_find_param(m, "running_var"), c->n_sums, 0, 0};
    const size_t n = (size_t)mn_param_numel(b.mean);
    c->n_sums += n;
    if (n > c->n_widest) c->n_widest = n;
    return mn_vec_push(c->ctx, &c->norms, &b, 1) ? 0 : MODNAS_ENOMEM;
}

static int fill(mn_calibration *c) {
    const mn_loader *train = c->t->loaders.train;
    const int64_t most = mn_loader_n_samples(train), batch = mn_loader_batch_size(train);
    const int64_t n = c->opts.n_batches < most / batch + 1 ? c->opts.n_batches * batch : most;
    mn_model *m = c->t->model;
    MN_TRY(mn_loader_sample(train, n, &c->loader));
    MN_TRY(mn_module_walk(m->root, add_norm, c));
    c->sum_mean = mn_alloc(c->ctx, c->n_sums + 1, sizeof *c->sum_mean);
    c->sum_var = mn_alloc(c->ctx, c->n_sums + 1, sizeof *c->sum_var);
    c->mean = mn_alloc(c->ctx, c->n_widest + 1, sizeof *c->mean);
    c->var = mn_alloc(c->ctx, c->n_widest + 1, sizeof *c->var);
    c->narrow = mn_alloc(c->ctx, c->n_widest + 1, sizeof *c->narrow);
    if (!c->sum_mean || !c->sum_var || !c->mean || !c->var || !c->narrow) return MODNAS_ENOMEM;
    return mn_run_new(m->backend, m->dtype, m->slab, &c->run);
}

int mn_calibration_new(mn_trainer *t, const mn_calibration_opts *opts, mn_calibration **out) {
    mn_calibration *c = mn_alloc(t->ctx, 1, sizeof *c);
    if (!c) return MODNAS_ENOMEM;
    c->ctx = t->ctx;
    mn_ctx_hold(c->ctx);
    c->t = t;
    c->opts = *opts;
    mn_vec_init(&c->norms, sizeof(norm));
    const int rc = fill(c);
    if (rc)
        mn_calibration_free(c);
    else
        *out = c;
    return rc;
}

void mn_calibration_free(mn_calibration *c) {
    if (!c) return;
    modnas_ctx *ctx = c->ctx;
    mn_run_free(c->run);
    mn_loader_free(c->loader);
    mn_vec_free(ctx, &c->norms);
    void *const blocks[] = {c->sum_mean, c->sum_var, c->kept, c->mean, c->var, c->narrow};
    for (size_t i = 0; i < MN_COUNT(blocks); i++) mn_free(ctx, blocks[i]);
    mn_free(ctx, c);
    mn_ctx_drop(ctx);
}
