/* Uniform draws within a range of costs.
 *
 * Costs are rounded down to a grid, and the ways to complete a beginning are counted by its sum on the grid:
 *
 *   ways[i][f] = sum over options o of gene i of ways[i + 1][f + floor((cost of o) / unit)]
 *   ways[n][f] = 1 where f is within the range, widened by what rounding may have cost
 *
 * An option is drawn by the ways that it leaves, so every architecture of the widened range is equally likely; those
 * outside of the true range are drawn again. What stays is uniform over the range, however few it holds. Further ranges
 * are kept by drawing again. */
#include "search/sampler.h"

#include <inttypes.h>
#include <string.h>

enum { MAX_TRIES = 200000, MAX_CELLS = 1 << 22 };

struct mn_sampler {
    modnas_ctx *ctx;
    int32_t n, *options; /* genes */
    mn_cost_range *ranges;
    int32_t n_ranges;
    int32_t *step; /* by option of a gene, of the first range's costs: floor(cost / unit) */
    int64_t cells; /* grid points that count: 0 to cells - 1 */
    double *ways;  /* (n + 1) x cells */
};

static int64_t least(const mn_costs *c, int32_t i) {
    int64_t best = c->of[c->first[i]];
    for (int32_t k = c->first[i]; k < c->first[i + 1]; k++)
        if (c->of[k] < best) best = c->of[k];
    return best;
}

/* ---- counting ------------------------------------------------------------------------------------------ */

static int none(const mn_sampler *s, const mn_cost_range *r, const char *how) {
    const double unit = mn_cost_unit(r->name);
    return mn_fail(s->ctx, MODNAS_ECONFIG, "no architecture has %s from %.15g to %.15g%s; the space has %.15g to %.15g",
                   r->name, (double)r->low / unit, (double)r->high / unit, how, (double)mn_costs_min(&r->costs) / unit,
                   (double)mn_costs_max(&r->costs) / unit);
}

static void count_ways(mn_sampler *s, int64_t first) {
    const mn_costs *c = &s->ranges[0].costs;
    double *last = s->ways + (size_t)s->n * (size_t)s->cells;
    for (int64_t f = 0; f < s->cells; f++) last[f] = f >= first;
    for (int32_t i = s->n; i-- > 0;) {
        double *row = s->ways + (size_t)i * (size_t)s->cells, *next = row + s->cells;
        for (int64_t f = 0; f < s->cells; f++) {
            row[f] = 0;
            for (int32_t k = c->first[i]; k < c->first[i + 1]; k++)
                if (f + s->step[k] < s->cells) row[f] += next[f + s->step[k]];
        }
    }
}

/* A grid fine enough for few draws to be in vain: rounding widens the range by a unit a gene. */
static int make_grid(mn_sampler *s) {
    const mn_cost_range *r = &s->ranges[0];
    const mn_costs *c = &r->costs;
    const int64_t base = mn_costs_min(c), most = mn_costs_max(c);
    const int64_t high = (r->high < most ? r->high : most) - base, low = r->low > base ? r->low - base : 0;
    if (high < 0 || low > most - base || low > high) return none(s, r, "");
    const int64_t room = MAX_CELLS / (s->n + 1), fine = (high - low) / (16 * (int64_t)s->n + 1);
    int64_t unit = fine > 0 ? fine : 1;
    if (high / unit + 2 > room) unit = high / (room - 2) + 1;
    s->cells = high / unit + 1;
    s->ways = mn_alloc(s->ctx, (size_t)(s->n + 1), (size_t)s->cells * sizeof *s->ways);
    s->step = mn_alloc(s->ctx, (size_t)c->first[s->n] + 1, sizeof *s->step);
    if (!s->ways || !s->step) return MODNAS_ENOMEM;
    for (int32_t i = 0; i < s->n; i++)
        for (int32_t k = c->first[i]; k < c->first[i + 1]; k++) {
            const int64_t step = (c->of[k] - least(c, i)) / unit;
            s->step[k] = step < s->cells ? (int32_t)step : (int32_t)s->cells;
        }
    /* floor sums: (low - n (unit - 1)) / unit <= f */
    const int64_t slack = low - (int64_t)s->n * (unit - 1);
    count_ways(s, slack > 0 ? (slack + unit - 1) / unit : 0);
    return s->ways[0] > 0 ? 0 : none(s, r, "");
}

/* ---- drawing ------------------------------------------------------------------------------------------- */

static void draw_counted(const mn_sampler *s, mn_rng *rng, int32_t *index) {
    const mn_costs *c = &s->ranges[0].costs;
    int64_t f = 0;
    for (int32_t i = 0; i < s->n; i++) {
        const double *row = s->ways + (size_t)i * (size_t)s->cells, *next = row + s->cells;
        double at = mn_rng_real(rng) * row[f];
        int32_t chosen = -1;
        for (int32_t k = c->first[i]; k < c->first[i + 1]; k++) {
            const double ways = f + s->step[k] < s->cells ? next[f + s->step[k]] : 0;
            if (ways == 0) continue;
            chosen = k;
            at -= ways;
            if (at < 0) break;
        }
        index[i] = chosen - c->first[i];
        f += s->step[chosen];
    }
}

static void draw_any(const mn_sampler *s, mn_rng *rng, int32_t *index) {
    for (int32_t i = 0; i < s->n; i++) index[i] = (int32_t)mn_rng_below(rng, (uint64_t)s->options[i]);
}

/* The first range that an architecture is outside of; NULL: it is within all. */
static const mn_cost_range *missed(const mn_sampler *s, const int32_t *index) {
    for (int32_t i = 0; i < s->n_ranges; i++) {
        const int64_t cost = mn_costs_of(&s->ranges[i].costs, index);
        if (cost < s->ranges[i].low || cost > s->ranges[i].high) return &s->ranges[i];
    }
    return NULL;
}

int mn_sampler_draw(mn_sampler *s, mn_rng *rng, int32_t *index) {
    const mn_cost_range *outside = NULL;
    for (int32_t t = 0; t < MAX_TRIES; t++) {
        if (s->n_ranges)
            draw_counted(s, rng, index);
        else
            draw_any(s, rng, index);
        outside = missed(s, index);
        if (!outside) return 0;
    }
    return none(s, outside, " among 200000 that were drawn");
}

/* ---- life ---------------------------------------------------------------------------------------------- */

static int fill(mn_sampler *s, mn_model *model) {
    mn_rng rng;
    s->n = mn_space_n_genes(model->space);
    s->options = mn_alloc(s->ctx, (size_t)s->n + 1, 2 * sizeof *s->options); /* and room for a draw */
    if (!s->options) return MODNAS_ENOMEM;
    for (int32_t i = 0; i < s->n; i++) s->options[i] = mn_space_gene(model->space, i)->n;
    if (!s->n_ranges) return 0;
    MN_TRY(make_grid(s));
    mn_rng_init(&rng, 1, mn_stream("sampler"), 0);
    return mn_sampler_draw(s, &rng, s->options + s->n + 1);
}

int mn_sampler_new(mn_model *model, mn_cost_range *ranges, int32_t n, mn_sampler **out) {
    mn_sampler *s = mn_alloc(model->ctx, 1, sizeof *s);
    mn_cost_range *own = n ? mn_alloc(model->ctx, (size_t)n, sizeof *own) : NULL;
    int rc = s && (own || !n) ? 0 : MODNAS_ENOMEM;
    if (rc) {
        for (int32_t i = 0; i < n; i++) mn_costs_free(&ranges[i].costs);
        mn_free(model->ctx, s);
        mn_free(model->ctx, own);
        return rc;
    }
    if (n) memcpy(own, ranges, (size_t)n * sizeof *own);
    s->ctx = model->ctx;
    s->ranges = own;
    s->n_ranges = n;
    rc = fill(s, model);
    if (rc)
        mn_sampler_free(s);
    else
        *out = s;
    return rc;
}

void mn_sampler_free(mn_sampler *s) {
    if (!s) return;
    for (int32_t i = 0; i < s->n_ranges; i++) mn_costs_free(&s->ranges[i].costs);
    void *const blocks[] = {s->options, s->ranges, s->step, s->ways, s};
    modnas_ctx *ctx = s->ctx;
    for (size_t i = 0; i < MN_COUNT(blocks); i++) mn_free(ctx, blocks[i]);
}
