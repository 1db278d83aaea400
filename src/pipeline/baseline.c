/* The random baseline and the verdict.
 *
 * As many distinct architectures as the search evaluated are drawn uniformly (from those that obey the limits) and
 * measured by the same estimator, after the search and outside of its history. The verdict is a one-sided Mann-Whitney
 * test of the scores of all distinct architectures of the search against those of the baseline (search/rank.h): it asks
 * whether the search proposes better networks than chance does, not whether its one best is lucky. Where weights moved
 * while the search evaluated, its architectures are measured again with the weights as they are at the end, so that
 * both sides are. */
#include "pipeline/baseline.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "pipeline/results.h"
#include "search/rank.h"
#include "search/sampler.h"

enum { MAX_REPEATS = 1000 }; /* draws in a row that were met before: there is nothing else */

/* ---- what the search evaluated ------------------------------------------------------------------------- */

static int visited_of(mn_visited *v, const mn_model *model) {
    const int32_t n = mn_space_n_genes(model->space);
    int32_t *choices = mn_alloc(model->ctx, (size_t)n, sizeof *choices);
    if (!choices) return MODNAS_ENOMEM;
    for (int32_t i = 0; i < n; i++) choices[i] = mn_space_gene(model->space, i)->n;
    const int rc = mn_visited_init(v, model->ctx, choices, n);
    mn_free(model->ctx, choices);
    return rc;
}

int mn_baseline_init(mn_baseline *b, const mn_estim *e) {
    const mn_node *given = mn_node_get(e->conf, "baseline");
    *b = (mn_baseline){.ctx = e->ctx, .p = 1};
    mn_vec_init(&b->scores, sizeof(double));
    mn_vec_init(&b->random, sizeof(double));
    b->is_wanted = e->vt->searches && e->optim && e->metric && mn_space_n_genes(e->model->space) &&
                   !(given && given->kind == MN_BOOL && !given->i);
    return b->is_wanted ? visited_of(&b->found, e->model) : 0;
}

void mn_baseline_free(mn_baseline *b) {
    if (!b->ctx) return;
    mn_visited_free(&b->found);
    mn_vec_free(b->ctx, &b->scores);
    mn_vec_free(b->ctx, &b->random);
    mn_free(b->ctx, b->arch);
    memset(b, 0, sizeof *b);
}

int mn_baseline_note(mn_baseline *b, const mn_evaluation *v) {
    const double score = v->status ? NAN : v->score;
    int is_new;
    if (!b->is_wanted || !v->point || v->point->n != b->found.n_digits) return 0;
    MN_TRY(mn_visited_add(&b->found, v->point->index, &is_new));
    return !is_new || mn_vec_push(b->ctx, &b->scores, &score, 1) ? 0 : MODNAS_ENOMEM;
}

/* ---- measuring ----------------------------------------------------------------------------------------- */

typedef struct drawing {
    mn_baseline *b;
    mn_estim *e;
    mn_arch *arch;
    mn_sampler *sampler;
    mn_visited drawn;
} drawing;

/* NaN: it failed. */
static int measure(mn_estim *e, const mn_arch *arch, mn_metrics *m, double *score) {
    *m = (mn_metrics){0};
    *score = NAN;
    const int rc = mn_estim_measure(e, arch, m);
    if (rc == MODNAS_ENUMERIC || rc == MODNAS_ESHAPE || rc == MODNAS_EUNSUPPORTED || rc == MODNAS_ENOTFOUND) return 0;
    MN_TRY(rc);
    mn_fitness f;
    MN_TRY(mn_objective_judge(e->objective, 0, m, &f));
    *score = f.value[0];
    return 0;
}

static int measure_again(drawing *d) {
    mn_metrics m;
    for (uint64_t i = 0; i < d->b->found.n; i++) {
        memcpy(d->arch->index, d->b->found.digits + i * (uint64_t)d->arch->n, (size_t)d->arch->n * sizeof(int32_t));
        MN_TRY(measure(d->e, d->arch, &m, &MN_AT(d->b->scores, double, i)));
    }
    return 0;
}

static int keep_best(drawing *d, double score, const mn_metrics *m) {
    mn_baseline *b = d->b;
    mn_node *desc;
    mn_str json = {.ctx = b->ctx};
    if (isnan(score) || (b->metrics.n && score <= b->best)) return 0;
    MN_TRY(mn_estim_describe(d->e, d->arch, &desc));
    mn_node_json(&json, desc);
    mn_node_free(b->ctx, desc);
    char *text = mn_str_take(&json);
    if (!text) return MODNAS_ENOMEM;
    mn_free(b->ctx, b->arch);
    b->arch = text;
    b->best = score;
    b->metrics = *m;
    return 0;
}

/* The next one that was not met; *is_new 0: there is none. */
static int draw(drawing *d, uint64_t *step, int *is_new) {
    *is_new = 0;
    for (int i = 0; i < MAX_REPEATS && !*is_new; i++) {
        mn_rng rng;
        mn_rng_init(&rng, d->e->model->seed, mn_stream("baseline"), (*step)++);
        MN_TRY(mn_sampler_draw(d->sampler, &rng, d->arch->index));
        MN_TRY(mn_visited_add(&d->drawn, d->arch->index, is_new));
    }
    return 0;
}

static int measure_random(drawing *d) {
    mn_baseline *b = d->b;
    uint64_t step = 0;
    b->random.n = 0;
    while ((uint64_t)b->random.n < b->found.n) {
        mn_metrics m;
        double score;
        int is_new;
        MN_TRY(draw(d, &step, &is_new));
        if (!is_new) return 0;
        MN_TRY(measure(d->e, d->arch, &m, &score));
        MN_TRY(keep_best(d, score, &m));
        if (!mn_vec_push(b->ctx, &b->random, &score, 1)) return MODNAS_ENOMEM;
    }
    return 0;
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

static int copy_ranges(const mn_limits *l, mn_cost_range *ranges, int32_t *n) {
    for (int32_t i = 0; l && i < l->n; i++) {
        const mn_limit *x = &l->all[i];
        mn_cost_range *r = &ranges[*n];
        if (!x->is_kept) continue;
        *r = (mn_cost_range){.name = x->metric, .low = INT64_MIN, .high = INT64_MAX};
        MN_TRY(mn_costs_copy(&x->costs, &r->costs));
        if (x->is_least)
            r->low = mn_limit_bound(x);
        else
            r->high = mn_limit_bound(x);
        ++*n;
    }
    return 0;
}

static int make_sampler(drawing *d, const mn_limits *limits) {
    mn_cost_range ranges[MN_KNAPSACK_COSTS];
    int32_t n = 0;
    const int rc = copy_ranges(limits, ranges, &n);
    if (!rc) return mn_sampler_new(d->e->model, ranges, n, &d->sampler);
    for (int32_t i = 0; i < n; i++) mn_costs_free(&ranges[i].costs);
    return rc;
}

static int compare(drawing *d, const mn_limits *limits) {
    mn_baseline *b = d->b;
    MN_TRY(mn_arch_new(d->e->model, &d->arch));
    MN_TRY(visited_of(&d->drawn, d->e->model));
    MN_TRY(make_sampler(d, limits));
    mn_log(b->ctx, MODNAS_LOG_INFO, "estim.%s: %" PRIu64 " architectures at random beside it", d->e->name, b->found.n);
    if (d->e->vt->searches == MN_SEARCHES_MOVING) MN_TRY(measure_again(d));
    MN_TRY(measure_random(d));
    return mn_mann_whitney(b->ctx, b->scores.data, b->scores.n, b->random.data, b->random.n, &b->p);
}

static const char *verdict(const mn_baseline *b) {
    return b->p < MN_BASELINE_LEVEL ? "better than random" : "no better than random";
}

int mn_baseline_run(mn_baseline *b, mn_estim *e, const mn_limits *limits) {
    drawing d = {.b = b, .e = e};
    if (!b->is_wanted || !b->found.n) return 0;
    const int rc = compare(&d, limits);
    mn_arch_free(d.arch);
    mn_sampler_free(d.sampler);
    mn_visited_free(&d.drawn);
    if (rc == MODNAS_ECONFIG) { /* the sampler found too few within the limits: no reason to fail */
        mn_log(b->ctx, MODNAS_LOG_WARN, "estim.%s: no baseline: %s", e->name, modnas_errmsg(b->ctx));
        b->random.n = 0;
        return 0;
    }
    if (rc)
        b->random.n = 0;
    else
        mn_log(b->ctx, MODNAS_LOG_INFO, "estim.%s: best %.6g, of %zu at random %.6g: %s (p = %.3g)", e->name,
               e->best_score, b->random.n, b->best, verdict(b), b->p);
    return rc;
}

/* ---- state, results ------------------------------------------------------------------------------------ */

/* n of them; loading: room is made. */
static int scores_state(mn_baseline *b, mn_vec *scores, uint64_t n, mn_state *io) {
    if (io->loading) {
        scores->n = 0;
        if (n && !mn_vec_push(b->ctx, scores, NULL, (size_t)n)) return MODNAS_ENOMEM;
    }
    return n ? mn_state_bytes(io, scores->data, scores->n * sizeof(double)) : 0;
}

int mn_baseline_state(mn_baseline *b, mn_state *io) {
    int64_t n_random = (int64_t)b->random.n;
    if (!b->is_wanted) return 0;
    MN_TRY(mn_visited_state(&b->found, io));
    MN_TRY(scores_state(b, &b->scores, b->found.n, io));
    MN_TRY(mn_state_i64(io, &n_random));
    if (n_random < 0 || (uint64_t)n_random > b->found.n)
        return mn_state_fail(io, "%" PRId64 " architectures at random beside %" PRIu64, n_random, b->found.n);
    MN_TRY(scores_state(b, &b->random, (uint64_t)n_random, io));
    MN_TRY(mn_state_real(io, &b->best));
    MN_TRY(mn_metrics_state(&b->metrics, io));
    MN_TRY(mn_state_text(io, &b->arch));
    return mn_state_real(io, &b->p);
}

/* ,"scores":[0.5,null]: null of what failed. */
static void add_scores(mn_str *s, const mn_vec *scores) {
    mn_str_add(s, ",\"scores\":[");
    for (size_t i = 0; i < scores->n; i++) {
        if (i) mn_str_add(s, ",");
        mn_str_real(s, MN_AT(*scores, double, i));
    }
    mn_str_add(s, "]");
}

void mn_results_baseline(mn_str *s, const mn_baseline *b) {
    if (!b->random.n) return;
    mn_str_addf(s, ",\"baseline\":{\"evaluations\":%zu,\"best\":", b->random.n);
    if (b->arch)
        mn_found_json(s, b->arch, b->best, &b->metrics);
    else
        mn_str_add(s, "null");
    add_scores(s, &b->random);
    mn_str_addf(s, "},\"verdict\":{\"text\":\"%s\",\"p\":", verdict(b));
    mn_str_real(s, b->p);
    add_scores(s, &b->scores);
    mn_str_add(s, "}");
}
