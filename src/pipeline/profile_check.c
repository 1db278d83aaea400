/* Is a table of latencies right? Networks of the space, drawn at random, are timed whole, and what the table says of them
 * is held against it.
 *
 *   rows of profile.c ---- sums ---> predicted \
 *   random networks --- stopwatch -> measured  --> a line a network; Spearman, errors; residuals by Slot */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/profile.h"
#include "search/cost.h"
#include "search/rank.h"

typedef struct checking {
    mn_profile p;
    int32_t n;       /* networks: p.opts.check_nets */
    int32_t *choice; /* by network and mixed op */
    mn_run **nets;
    double *predicted, *measured, *spread; /* ms, by network */
    double *part_predicted, *part_measured; /* ms, by tag: sums over networks */
    double *residual;                       /* ms, by network and tag: predicted less measured */
} checking;

/* ---- networks ------------------------------------------------------------------------------------------ */

static int record(checking *c) {
    for (int32_t k = 0; k < c->n; k++) {
        mn_value *x, *logits;
        MN_TRY(mn_profile_draw(&c->p, k, c->choice + k * c->p.n_mixed));
        if (c->p.whole) continue;
        MN_TRY(mn_profile_record(&c->p, &c->nets[k], &x, &logits));
        MN_TRY(mn_profile_plan(&c->p, c->nets[k], x, logits));
    }
    return 0;
}

/* ---- times --------------------------------------------------------------------------------------------- */

static double row_ms(const checking *c, int32_t row) {
    return c->p.rows[row].timing.median;
}

static void predict(checking *c, int32_t k) {
    const int32_t n_tags = c->p.n_mixed + 1;
    c->predicted[k] = 0;
    for (int32_t tag = 0; tag < n_tags; tag++) {
        const double ms = row_ms(c, tag ? c->p.first[tag - 1] + c->choice[k * c->p.n_mixed + tag - 1] : 0);
        c->part_predicted[tag] += ms;
        c->residual[k * n_tags + tag] = ms;
        c->predicted[k] += ms;
    }
}

/* seconds: of network k, by pass and tag. */
static void evaluate(checking *c, int32_t k, const double *seconds, double *times) {
    const int32_t runs = c->p.opts.runs, n_tags = c->p.n_mixed + 1;
    for (int32_t tag = -1; tag < n_tags; tag++) { /* -1: all of it */
        for (int32_t t = 0; t < runs; t++) {
            const double *pass = seconds + (size_t)t * (size_t)n_tags;
            times[t] = tag < 0 ? 0 : pass[tag];
            for (int32_t i = 0; tag < 0 && i < n_tags; i++) times[t] += pass[i];
        }
        const mn_timing timing = mn_profile_timing(times, runs);
        if (tag < 0) {
            c->measured[k] = timing.median;
            c->spread[k] = timing.spread;
        } else {
            c->part_measured[tag] += timing.median;
            c->residual[k * n_tags + tag] -= timing.median;
        }
    }
}

static int measure_here(checking *c) {
    const int32_t runs = c->p.opts.runs, n_tags = c->p.n_mixed + 1;
    const size_t each = (size_t)runs * (size_t)n_tags;
    double *seconds = mn_alloc(c->p.ctx, (size_t)c->n, each * sizeof *seconds);
    double *times = mn_alloc(c->p.ctx, (size_t)runs, sizeof *times);
    int rc = seconds && times ? mn_time_runs(c->nets, c->n, runs, n_tags, seconds) : MODNAS_ENOMEM;
    for (int32_t k = 0; k < c->n && !rc; k++) evaluate(c, k, seconds + (size_t)k * each, times);
    mn_free(c->p.ctx, seconds);
    mn_free(c->p.ctx, times);
    return rc;
}

static int measure(checking *c) {
    for (int32_t k = 0; k < c->n; k++) {
        predict(c, k);
        if (c->p.whole) c->measured[k] = c->p.whole[k];
    }
    return c->p.whole ? 0 : measure_here(c);
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static double error_of(const checking *c, int32_t k) {
    return c->measured[k] > 0 ? (c->predicted[k] - c->measured[k]) / c->measured[k] : NAN;
}

static void add_field(mn_str *s, double x) {
    mn_str_add(s, "\t");
    mn_str_real(s, x);
}

static const char *slot_of(const checking *c, int32_t tag) {
    return c->p.rows[tag ? c->p.first[tag - 1] : 0].slot;
}

static void write_table(mn_str *s, const checking *c) {
    const int32_t n_parts = c->p.whole ? 0 : c->p.n_mixed + 1;
    mn_str_add(s, "net\tpredicted_ms\tmeasured_ms\tspread_ms\terror\tarch");
    for (int32_t i = 0; i < n_parts; i++) mn_str_addf(s, "\tresidual_ms.%s", slot_of(c, i));
    mn_str_add(s, "\n");
    for (int32_t k = 0; k < c->n; k++) {
        mn_str_addf(s, "%d", k);
        add_field(s, c->predicted[k]);
        add_field(s, c->measured[k]);
        c->p.whole ? mn_str_add(s, "\t-") : add_field(s, c->spread[k]);
        add_field(s, error_of(c, k));
        for (int32_t i = 0; i < c->p.n_mixed; i++) {
            mn_str_add(s, i ? "," : "\t[");
            mn_str_json(s, mn_mixed_candidate(mn_model_mixed(c->p.model, i), c->choice[k * c->p.n_mixed + i]));
        }
        mn_str_add(s, "]");
        for (int32_t i = 0; i < n_parts; i++) add_field(s, round(c->residual[k * n_parts + i] * MN_COST_MS) / MN_COST_MS);
        mn_str_add(s, "\n");
    }
}

static void write_part(mn_str *s, const checking *c, const char *name, double predicted, double measured) {
    mn_str_add(s, name);
    add_field(s, predicted / c->n);
    add_field(s, measured / c->n);
    add_field(s, (predicted - measured) / c->n);
    mn_str_add(s, "\n");
}

static double sum(const double *x, int32_t n) {
    double s = 0;
    for (int32_t k = 0; k < n; k++) s += x[k];
    return s;
}

static void write_parts(mn_str *s, const checking *c) {
    mn_str_add(s, "slot\tpredicted_ms\tmeasured_ms\tresidual_ms\n");
    if (c->p.whole) write_part(s, c, "whole", sum(c->predicted, c->n), sum(c->measured, c->n));
    for (int32_t i = 0; i <= c->p.n_mixed && !c->p.whole; i++)
        write_part(s, c, slot_of(c, i), c->part_predicted[i], c->part_measured[i]);
}

static int write_summary(mn_str *s, const checking *c) {
    double rho, *errors = mn_alloc(c->p.ctx, (size_t)c->n, sizeof *errors);
    if (!errors) return MODNAS_ENOMEM;
    for (int32_t k = 0; k < c->n; k++) errors[k] = fabs(error_of(c, k));
    const double median = mn_timing_of(errors, c->n).median, largest = errors[c->n - 1]; /* sorted by then */
    const int rc = mn_spearman(c->p.ctx, c->predicted, c->measured, (size_t)c->n, &rho);
    mn_free(c->p.ctx, errors);
    MN_TRY(rc);
    mn_str_addf(s, "%d networks, seed %" PRIu64 ": Spearman ", c->n, c->p.model->seed);
    if (isnan(rho))
        mn_str_add(s, "undefined");
    else
        mn_str_addf(s, "%.4f", rho);
    mn_str_addf(s, ", median error %.1f %%, largest %.1f %%\n", 100 * median, 100 * largest);
    write_parts(s, c);
    return s->failed ? MODNAS_ENOMEM : 0;
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

static int make_room(checking *c) {
    const mn_profile *p = &c->p;
    const size_t n = (size_t)c->n, n_tags = (size_t)p->n_mixed + 1;
    c->nets = mn_alloc(p->ctx, n, sizeof(mn_run *));
    c->choice = mn_alloc(p->ctx, n, (size_t)p->n_mixed * sizeof *c->choice);
    double **const by_net[] = {&c->predicted, &c->measured, &c->spread},
                 **const by_tag[] = {&c->part_predicted, &c->part_measured};
    c->residual = mn_alloc(p->ctx, n, n_tags * sizeof *c->residual);
    int failed = !c->nets || !c->choice || !c->residual;
    for (size_t i = 0; i < MN_COUNT(by_net); i++) failed |= !(*by_net[i] = mn_alloc(p->ctx, n, sizeof(double)));
    for (size_t i = 0; i < MN_COUNT(by_tag); i++) failed |= !(*by_tag[i] = mn_alloc(p->ctx, n_tags, sizeof(double)));
    return failed ? MODNAS_ENOMEM : 0;
}

static int check(checking *c, mn_str *table, mn_str *summary) {
    MN_TRY(make_room(c));
    MN_TRY(record(c));
    MN_TRY(measure(c));
    write_table(table, c);
    return write_summary(summary, c);
}

static void release(checking *c) {
    for (int32_t k = 0; c->nets && k < c->n; k++) mn_run_free(c->nets[k]);
    void *const blocks[] = {c->nets,   c->choice,         c->predicted,    c->measured,
                            c->spread, c->part_predicted, c->part_measured, c->residual};
    for (size_t i = 0; i < MN_COUNT(blocks); i++) mn_free(c->p.ctx, blocks[i]);
    mn_profile_free(&c->p);
}

static int open_profile(checking *c, modnas_config *cfg, const modnas_profile_opts *opts) {
    modnas_ctx *ctx = c->p.ctx;
    modnas_profile_opts o;
    MN_TRY(mn_opts_read(ctx, "modnas_profile_opts", opts, &o, sizeof o));
    if (o.list_jobs) return mn_fail(ctx, MODNAS_EINVAL, "list_jobs measures nothing that could be checked");
    if (c->n < 1) return mn_fail(ctx, MODNAS_EINVAL, "%d networks, wanted are 1 to %d", c->n, MN_PROFILE_MAX_NETS);
    o.check_nets = c->n;
    return mn_profile_open(cfg, &o, &c->p);
}

/* Both or none. */
static int hand_out(mn_str *from_table, mn_str *from_summary, char **table, char **summary) {
    modnas_ctx *ctx = from_table->ctx;
    char *a = mn_str_take(from_table), *b = mn_str_take(from_summary);
    if (a && b) {
        *table = a;
        *summary = b;
        return 0;
    }
    mn_free(ctx, a);
    mn_free(ctx, b);
    return MODNAS_ENOMEM;
}

int modnas_profile_check(modnas_config *cfg, const modnas_profile_opts *opts, int32_t n_nets, char **table,
                         char **summary) {
    if (!cfg || !table || !summary) return MODNAS_EINVAL;
    modnas_ctx *ctx = mn_config_ctx(cfg);
    MN_ENTER(ctx);
    checking c = {.p = {.ctx = ctx}, .n = n_nets};
    mn_str lines = {.ctx = ctx}, text = {.ctx = ctx};
    int rc = open_profile(&c, cfg, opts);
    if (!rc) rc = check(&c, &lines, &text);
    if (!rc) rc = hand_out(&lines, &text, table, summary);
    mn_str_free(&lines);
    mn_str_free(&text);
    release(&c);
    if (rc == MODNAS_ECANCELED) mn_cancel_done(ctx);
    return rc;
}
