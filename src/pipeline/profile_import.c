/* A profile of what another device measured: jobs by name.
 *
 * What a candidate takes alone is not quite what it takes among others, where caches are colder or warmer and nothing is
 * called but once. The whole networks of one candidate each say by how much: the fixed part and a factor of all
 * candidates are fitted to them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/profile.h"
#include "search/latency.h"

typedef mn_profile profile;
typedef mn_profile_row row;

int mn_profile_is_nothing(const row *r) {
    return strcmp(r->ops.text, "[]") == 0;
}

/* ms of the k-th network of one candidate each; < 0: not measured. */
static double net_ms(const profile *p, const mn_latency *t, int32_t k) {
    char job[32];
    mn_profile_net_job(k, job, sizeof job);
    const mn_latency_row *found = k < p->n_nets ? mn_latency_find(t, job) : NULL;
    return found ? (double)found->ns / MN_COST_MS : -1;
}

static double candidates_ms(const profile *p, int32_t k) {
    double ms = 0;
    for (int32_t i = 0; i < p->n_mixed; i++) ms += p->rows[p->first[i] + k % mn_model_mixed(p->model, i)->n].timing.median;
    return ms;
}

/* Least squares: net_ms = fixed + factor * candidates_ms over the networks that were measured; of one alone the factor is
 * 1, as it is where none that is positive fits. Returns how many there were. */
static int32_t fit(const profile *p, const mn_latency *t, double *fixed, double *factor) {
    double n = 0, x = 0, y = 0, xx = 0, xy = 0;
    for (int32_t k = 0; k < p->n_nets; k++) {
        const double net = net_ms(p, t, k), sum = candidates_ms(p, k);
        if (net < 0) continue;
        n++;
        x += sum;
        y += net;
        xx += sum * sum;
        xy += sum * net;
    }
    const double spread = xx - x * x / n, slope = (xy - x * y / n) / spread;
    *factor = n > 1 && spread > 1e-12 * xx && slope > 0 ? slope : 1;
    *fixed = n > 0 ? (y - *factor * x) / n : 0;
    return (int32_t)n;
}

static double whole_ns(double ms) {
    return ms > 0 ? round(ms * MN_COST_MS) / MN_COST_MS : 0;
}

/* The fixed part: measured, or what whole networks take beside their candidates. */
static int take_fixed(profile *p, const mn_latency *t) {
    const mn_latency_row *found = mn_latency_find(t, p->rows[0].job);
    double fixed, factor;
    if (found) {
        p->rows[0].timing.median = (double)found->ns / MN_COST_MS;
        return 0;
    }
    if (!fit(p, t, &fixed, &factor))
        return mn_fail(p->ctx, MODNAS_ECONFIG, "%s: there is no job %s, which is the fixed part, and no job " MN_PROFILE_NET,
                       t->name, p->rows[0].job);
    p->rows[0].timing.median = whole_ns(fixed);
    for (int32_t i = 1; i < p->n_rows; i++) p->rows[i].timing.median = whole_ns(factor * p->rows[i].timing.median);
    return 0;
}

/* The random networks, where the file has any of them. */
static int take_whole(profile *p, const mn_latency *t) {
    const int32_t n = p->opts.check_nets;
    char job[32];
    int32_t n_found = 0, missing = 0;
    if (!n) return 0;
    p->whole = mn_alloc(p->ctx, (size_t)n, sizeof *p->whole);
    if (!p->whole) return MODNAS_ENOMEM;
    for (int32_t k = n - 1; k >= 0; k--) {
        snprintf(job, sizeof job, MN_PROFILE_CHECK "%d", k);
        const mn_latency_row *found = mn_latency_find(t, job);
        if (found) p->whole[k] = (double)found->ns / MN_COST_MS;
        if (!found) missing = k;
        n_found += found != NULL;
    }
    if (n_found == n) return 0;
    mn_free(p->ctx, p->whole);
    p->whole = NULL;
    if (!n_found) return 0;
    return mn_fail(p->ctx, MODNAS_ECONFIG, "%s: there is no job " MN_PROFILE_CHECK "%d: of %d networks, it has %d", t->name,
                   missing, n, n_found);
}

static int is_numbered(const char *job, const char *prefix) {
    const size_t n = strlen(prefix);
    return strncmp(job, prefix, n) == 0 && job[n] && job[n + strspn(job + n, "0123456789")] == 0;
}

static int take_measured(profile *p, const mn_latency *t) {
    for (int32_t i = 1; i < p->n_rows; i++) {
        row *r = &p->rows[i];
        const mn_latency_row *found = mn_latency_find(t, r->job);
        if (found) r->timing.median = (double)found->ns / MN_COST_MS;
        if (!found && !mn_profile_is_nothing(r))
            return mn_fail(p->ctx, MODNAS_ECONFIG, "%s: there is no job %s, which is slot %s, candidate %s", t->name,
                           r->job, r->slot, r->candidate);
    }
    for (size_t i = 0; i < t->rows.n; i++) {
        const char *job = mn_map_key(&t->places, i, NULL);
        int known = is_numbered(job, MN_PROFILE_NET "_") || is_numbered(job, MN_PROFILE_CHECK) || strcmp(job, MN_PROFILE_NET) == 0;
        for (int32_t k = 0; k < p->n_rows; k++) known |= strcmp(p->rows[k].job, job) == 0;
        if (!known)
            return mn_fail(p->ctx, MODNAS_ECONFIG, "%s:%zu: the space has no job %.40s", t->name,
                           MN_AT(t->rows, mn_latency_row, i).line, job);
    }
    MN_TRY(take_fixed(p, t));
    return take_whole(p, t);
}

int mn_profile_import(profile *p) {
    mn_source *s;
    mn_latency t = {.ctx = NULL};
    MN_TRY(mn_source_open(p->ctx, p->opts.measured, MN_SOURCE_AUTO, &s));
    int rc = mn_latency_read(p->ctx, s, MN_LATENCY_JOBS, &t);
    mn_source_close(s);
    if (!rc) rc = take_measured(p, &t);
    mn_latency_free(&t);
    return rc;
}
