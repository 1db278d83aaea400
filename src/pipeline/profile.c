/* Profiles: what each candidate takes at each Slot of a space, and what is always there.
 *
 *   networks of the space, the k-th one with candidate k everywhere -> forward passes, timed by the mixed op that a
 *   kernel belongs to (mn_run_tag) -> a row a candidate, and one of what belongs to none
 *
 * A candidate is thus measured where it stands: with the sources that it has there, fused as it is there. What it is
 * made of, with all shapes, is its job; the same job at several places has one name, which is a hash of it. */
#include <math.h>
#include <string.h>

#include "construct/construct.h"
#include "pipeline/profile.h"

enum { USUAL_RUNS = 50, MAX_RUNS = 100000 };

typedef mn_profile profile;
typedef mn_profile_row row;

/* ---- the networks -------------------------------------------------------------------------------------- */

static int build_model(profile *p) {
    if (strcmp(mn_construct_backend(p->config), "none") == 0)
        return mn_fail(p->ctx, MODNAS_ECONFIG, "with 'backend: none' there is nothing to time");
    MN_TRY(mn_construct_model(p->ctx, p->config, MODNAS_F32, 1, &p->model));
    p->n_mixed = mn_model_n_mixed(p->model);
    if (!p->model->root || !p->n_mixed)
        return mn_fail(p->ctx, MODNAS_ECONFIG, "the model has no mixed ops: there are no candidates to profile");
    MN_TRY(mn_model_choose_input(p->model, p->opts.input, p->opts.input));
    for (int32_t i = 0; i < p->n_mixed; i++)
        if (!mn_slot_of(mn_model_mixed(p->model, i)->module->parent))
            return mn_fail(p->ctx, MODNAS_ECONFIG, "mixed op %d of %d stands at no slot", i + 1, p->n_mixed);
    return 0;
}

static int make_rows(profile *p) {
    p->first = mn_alloc(p->ctx, (size_t)p->n_mixed, sizeof *p->first);
    if (!p->first) return MODNAS_ENOMEM;
    int32_t n = 1;
    for (int32_t i = 0; i < p->n_mixed; i++) {
        const int32_t k = mn_model_mixed(p->model, i)->n;
        p->first[i] = n;
        n += k;
        if (k > p->n_nets) p->n_nets = k;
    }
    p->rows = mn_alloc(p->ctx, (size_t)n, sizeof *p->rows);
    p->nets = mn_alloc(p->ctx, (size_t)p->n_nets, sizeof(mn_run *));
    if (!p->rows || !p->nets) return MODNAS_ENOMEM;
    p->n_rows = n;
    return 0;
}

static int fill_row(row *r, const mn_run *run, int32_t tag, const char *slot, const char *candidate) {
    char hash[65];
    mn_sha256 sha;
    *r = (row){.slot = slot, .candidate = candidate, .ops = {.ctx = mn_run_ctx(run)}};
    mn_run_describe(run, tag, &r->ops);
    if (r->ops.failed) return MODNAS_ENOMEM;
    mn_sha256_init(&sha);
    mn_sha256_add(&sha, r->ops.text, r->ops.n);
    mn_sha256_hex(&sha, hash);
    memcpy(r->job, hash, MN_JOB_BYTES - 1);
    return 0;
}

/* Of what net k was recorded of. */
static int fill_rows(profile *p, int32_t k) {
    if (!k) MN_TRY(fill_row(&p->rows[0], p->nets[k], 0, "fixed", "-"));
    for (int32_t i = 0; i < p->n_mixed; i++) {
        const mn_mixed *m = mn_model_mixed(p->model, i);
        if (k >= m->n) continue;
        MN_TRY(fill_row(&p->rows[p->first[i] + k], p->nets[k], m->tag, mn_slot_of(m->module->parent)->name,
                        mn_mixed_candidate(m, k)));
    }
    return 0;
}

int mn_profile_record(mn_profile *p, mn_run **run, mn_value **x, mn_value **logits) {
    const mn_model *m = p->model;
    MN_TRY(mn_run_new(m->backend, m->dtype, m->slab, run));
    return mn_model_record(p->model, *run, p->opts.input, p->opts.batch, x, logits);
}

int mn_profile_plan(mn_profile *p, mn_run *run, mn_value *x, mn_value *logits) {
    MN_TRY(mn_run_keep(run, logits));
    MN_TRY(mn_run_plan(run, NULL));
    mn_run_bind(run, x, p->images);
    return 0;
}

static int record_net(profile *p, int32_t k) {
    mn_model *m = p->model;
    mn_value *x, *logits;
    for (int32_t i = 0; i < p->n_mixed; i++) mn_mixed_force(mn_model_mixed(m, i), k % mn_model_mixed(m, i)->n);
    MN_TRY(mn_profile_record(p, &p->nets[k], &x, &logits));
    MN_TRY(fill_rows(p, k));
    return mn_profile_plan(p, p->nets[k], x, logits);
}

static int record_nets(profile *p) {
    const int32_t *in = p->opts.input;
    const size_t image = (size_t)in[0] * (size_t)in[1] * (size_t)in[2];
    p->images = mn_alloc(p->ctx, (size_t)p->opts.batch, image * sizeof *p->images);
    if (!p->images) return MODNAS_ENOMEM;
    for (int32_t k = 0; k < p->n_nets; k++) MN_TRY(record_net(p, k));
    return 0;
}

/* ---- measuring ----------------------------------------------------------------------------------------- */

static double ms_of(double seconds) { /* whole nanoseconds */
    return round(seconds * 1e9) / 1e6;
}

mn_timing mn_profile_timing(double *times, int32_t n) {
    const mn_timing t = mn_timing_of(times, n);
    return (mn_timing){ms_of(t.median), ms_of(t.spread)};
}

static int measure(profile *p) {
    const int32_t n_tags = p->n_mixed + 1, runs = p->opts.runs, all = p->n_nets * runs;
    p->seconds = mn_alloc(p->ctx, (size_t)all, (size_t)n_tags * sizeof *p->seconds);
    double *times = mn_alloc(p->ctx, (size_t)all, sizeof *times);
    int rc = p->seconds && times ? mn_time_runs(p->nets, p->n_nets, runs, n_tags, p->seconds) : MODNAS_ENOMEM;
    for (int32_t t = 0; t < all && !rc; t++) times[t] = p->seconds[(size_t)t * (size_t)n_tags];
    if (!rc) p->rows[0].timing = mn_profile_timing(times, all);
    for (int32_t i = 0; i < p->n_mixed && !rc; i++) {
        const mn_mixed *m = mn_model_mixed(p->model, i);
        for (int32_t k = 0; k < m->n; k++) {
            for (int32_t t = 0; t < runs; t++)
                times[t] = p->seconds[((size_t)k * (size_t)runs + (size_t)t) * (size_t)n_tags + (size_t)m->tag];
            p->rows[p->first[i] + k].timing = mn_profile_timing(times, runs);
        }
    }
    mn_free(p->ctx, times);
    return rc;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static void write_table(mn_str *s, const profile *p) {
    mn_str_add(s, "slot\tcandidate\tlatency_ms\tspread_ms\truns\tjob\n");
    for (int32_t i = 0; i < p->n_rows; i++) {
        const row *r = &p->rows[i];
        mn_str_addf(s, "%s\t%s\t", r->slot, r->candidate);
        mn_str_real(s, r->timing.median);
        mn_str_add(s, "\t");
        if (p->opts.measured) {
            mn_str_addf(s, "-\t-\t%s\n", r->job);
            continue;
        }
        mn_str_real(s, r->timing.spread);
        mn_str_addf(s, "\t%d\t%s\n", i ? p->opts.runs : p->n_nets * p->opts.runs, r->job);
    }
}

/* Each once, with all places where it stands. */
static void write_jobs(mn_str *s, const profile *p) {
    mn_str_add(s, "job\tplaces\tops\n");
    for (int32_t i = 0; i < p->n_rows; i++) {
        const row *r = &p->rows[i];
        int32_t n = 0;
        for (int32_t k = 0; k < i; k++) n += strcmp(p->rows[k].job, r->job) == 0;
        if (n || mn_profile_is_nothing(r)) continue;
        mn_str_addf(s, "%s\t", r->job);
        for (int32_t k = i; k < p->n_rows; k++)
            if (strcmp(p->rows[k].job, r->job) == 0)
                mn_str_addf(s, "%s%s/%s", n++ ? " " : "", p->rows[k].slot, p->rows[k].candidate);
        mn_str_addf(s, "\t%s\n", r->ops.text);
    }
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

static int check_opts(profile *p) {
    modnas_profile_opts *o = &p->opts;
    if (o->list_jobs && o->measured)
        return mn_fail(p->ctx, MODNAS_EINVAL, "modnas_profile_opts: list_jobs and measured: one of them");
    if (o->jobs_dir && !o->list_jobs)
        return mn_fail(p->ctx, MODNAS_EINVAL, "modnas_profile_opts: jobs_dir without list_jobs");
    if (o->check_nets < 0 || o->check_nets > MN_PROFILE_MAX_NETS)
        return mn_fail(p->ctx, MODNAS_EINVAL, "%d networks, wanted are 1 to %d", o->check_nets, MN_PROFILE_MAX_NETS);
    if (o->batch < 0 || o->runs < 0 || o->runs > MAX_RUNS)
        return mn_fail(p->ctx, MODNAS_EINVAL, "a batch of %d, %d runs; at most %d runs", o->batch, o->runs, MAX_RUNS);
    if (!o->batch) o->batch = 1;
    if (!o->runs) o->runs = USUAL_RUNS;
    return 0;
}

static int make(profile *p) {
    MN_TRY(check_opts(p));
    MN_TRY(build_model(p));
    MN_TRY(make_rows(p));
    MN_TRY(record_nets(p));
    if (p->opts.measured) MN_TRY(mn_profile_import(p));
    return p->opts.measured || p->opts.list_jobs ? 0 : measure(p);
}

int mn_profile_open(modnas_config *cfg, const modnas_profile_opts *opts, mn_profile *p) {
    p->ctx = mn_config_ctx(cfg);
    MN_TRY(mn_opts_read(p->ctx, "modnas_profile_opts", opts, &p->opts, sizeof p->opts));
    MN_TRY(mn_register_builtins(p->ctx));
    MN_TRY(mn_config_tree(cfg, &p->config));
    return make(p);
}

void mn_profile_free(mn_profile *p) {
    for (int32_t i = 0; i < p->n_rows; i++)
        if (p->rows[i].ops.ctx) mn_str_free(&p->rows[i].ops);
    for (int32_t i = 0; p->nets && i < p->n_nets; i++) mn_run_free(p->nets[i]);
    void *const blocks[] = {p->first, p->rows, p->nets, p->images, p->seconds, p->whole};
    for (size_t i = 0; i < MN_COUNT(blocks); i++) mn_free(p->ctx, blocks[i]);
    mn_model_free(p->model);
}

int modnas_profile(modnas_config *cfg, const modnas_profile_opts *opts, char **text) {
    if (!cfg || !text) return MODNAS_EINVAL;
    modnas_ctx *ctx = mn_config_ctx(cfg);
    MN_ENTER(ctx);
    profile p = {.ctx = ctx};
    mn_str made = {.ctx = ctx};
    int rc = mn_profile_open(cfg, opts, &p);
    if (!rc && p.opts.jobs_dir) rc = mn_profile_write_jobs(&p);
    if (!rc) (p.opts.list_jobs ? write_jobs : write_table)(&made, &p);
    char *done = rc ? NULL : mn_str_take(&made);
    if (!rc && !done) rc = MODNAS_ENOMEM;
    if (!rc) *text = done;
    mn_str_free(&made);
    mn_profile_free(&p);
    if (rc == MODNAS_ECANCELED) mn_cancel_done(ctx);
    return rc;
}
