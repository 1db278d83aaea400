/* Additive costs: measured option by option against the architecture of all first options. */
#include "search/cost.h"

#include <inttypes.h>
#include <string.h>

#include "search/derive.h"

enum { N_TRIED = 16 }; /* architectures at random that the sum is compared with */

/* ---- life ---------------------------------------------------------------------------------------------- */

int mn_costs_new(mn_model *model, mn_costs *out) {
    const int32_t n = mn_space_n_genes(model->space);
    mn_costs c = {.ctx = model->ctx, .n = n};
    c.first = mn_alloc(model->ctx, (size_t)n + 1, sizeof *c.first);
    if (!c.first) return MODNAS_ENOMEM;
    for (int32_t i = 0; i < n; i++) c.first[i + 1] = c.first[i] + mn_space_gene(model->space, i)->n;
    c.of = mn_alloc(model->ctx, (size_t)c.first[n] + 1, sizeof *c.of);
    if (!c.of) {
        mn_free(model->ctx, c.first);
        return MODNAS_ENOMEM;
    }
    *out = c;
    return 0;
}

int mn_costs_copy(const mn_costs *c, mn_costs *out) {
    const size_t options = (size_t)c->first[c->n] + 1;
    mn_costs copy = *c;
    copy.first = mn_alloc(c->ctx, (size_t)c->n + 1, sizeof *copy.first);
    copy.of = mn_alloc(c->ctx, options, sizeof *copy.of);
    if (!copy.first || !copy.of) {
        mn_costs_free(&copy);
        return MODNAS_ENOMEM;
    }
    memcpy(copy.first, c->first, ((size_t)c->n + 1) * sizeof *copy.first);
    memcpy(copy.of, c->of, options * sizeof *copy.of);
    *out = copy;
    return 0;
}

void mn_costs_free(mn_costs *c) {
    if (!c->ctx) return;
    mn_free(c->ctx, c->first);
    mn_free(c->ctx, c->of);
    memset(c, 0, sizeof *c);
}

/* ---- sums ---------------------------------------------------------------------------------------------- */

int64_t mn_costs_of(const mn_costs *c, const int32_t *index) {
    int64_t sum = c->fixed;
    for (int32_t i = 0; i < c->n; i++) sum += index[i] < 0 ? 0 : c->of[c->first[i] + index[i]];
    return sum;
}

/* sign 1: the least; -1: the most. */
static int64_t extreme(const mn_costs *c, int64_t sign) {
    int64_t sum = c->fixed;
    for (int32_t i = 0; i < c->n; i++) {
        int64_t best = c->of[c->first[i]];
        for (int32_t k = c->first[i] + 1; k < c->first[i + 1]; k++)
            if (sign * c->of[k] < sign * best) best = c->of[k];
        sum += best;
    }
    return sum;
}

int64_t mn_costs_min(const mn_costs *c) {
    return extreme(c, 1);
}

int64_t mn_costs_max(const mn_costs *c) {
    return extreme(c, -1);
}

/* ---- measuring ----------------------------------------------------------------------------------------- */

int mn_cost_params(mn_model *model, void *ud, int64_t *cost) {
    (void)ud;
    *cost = mn_derived_params(model);
    return 0;
}

int mn_cost_macs(mn_model *model, void *ud, int64_t *cost) {
    return mn_derived_macs(model, ud, cost);
}

typedef struct probe {
    mn_model *model;
    mn_arch *arch;
    const char *name;
    mn_cost_fn fn;
    void *ud;
} probe;

static int cost_now(const probe *p, int64_t *cost) {
    MN_TRY(mn_arch_apply(p->arch));
    MN_TRY(mn_derive_begin(p->model));
    const int rc = p->fn(p->model, p->ud, cost);
    mn_derive_end(p->model);
    return rc;
}

static int take_apart(const probe *p, mn_costs *c) {
    for (int32_t i = 0; i < c->n; i++) p->arch->index[i] = 0;
    MN_TRY(cost_now(p, &c->fixed));
    for (int32_t i = 0; i < c->n; i++) {
        const int32_t options = c->first[i + 1] - c->first[i];
        for (int32_t k = 1; k < options; k++) {
            int64_t cost;
            p->arch->index[i] = k;
            MN_TRY(cost_now(p, &cost));
            c->of[c->first[i] + k] = cost - c->fixed;
        }
        p->arch->index[i] = 0;
    }
    return 0;
}

static int try_sums(const probe *p, const mn_costs *c) {
    mn_rng rng;
    mn_rng_init(&rng, 1, mn_stream("cost"), 0);
    for (int32_t t = 0; t < N_TRIED && c->n; t++) {
        int64_t cost;
        for (int32_t i = 0; i < c->n; i++)
            p->arch->index[i] = (int32_t)mn_rng_below(&rng, (uint64_t)(c->first[i + 1] - c->first[i]));
        MN_TRY(cost_now(p, &cost));
        const int64_t sum = mn_costs_of(c, p->arch->index);
        if (sum != cost)
            return mn_fail(c->ctx, MODNAS_EUNSUPPORTED,
                           "%s of this space do not add up: %" PRId64 " where the options' sum is %" PRId64, p->name,
                           cost, sum);
    }
    return 0;
}

int mn_costs_measure(mn_model *model, const char *name, mn_cost_fn fn, void *ud, mn_costs *out) {
    probe p = {.model = model, .name = name, .fn = fn, .ud = ud};
    mn_costs c;
    mn_arch *before = NULL;
    MN_TRY(mn_costs_new(model, &c));
    int rc = mn_arch_new(model, &before);
    if (!rc) rc = mn_arch_new(model, &p.arch);
    if (!rc) rc = take_apart(&p, &c);
    if (!rc) rc = try_sums(&p, &c);
    const int undone = before ? mn_arch_apply(before) : 0;
    mn_arch_free(before);
    mn_arch_free(p.arch);
    if (!rc) rc = undone;
    if (rc)
        mn_costs_free(&c);
    else
        *out = c;
    return rc;
}

double mn_cost_unit(const char *name) {
    return strcmp(name, "latency_ms") == 0 ? MN_COST_MS : 1;
}

int mn_costs_named(mn_model *model, const char *name, const int32_t input[3], mn_costs *out) {
    int32_t dims[3] = {input[0], input[1], input[2]};
    if (strcmp(name, "params") == 0) return mn_costs_measure(model, name, mn_cost_params, NULL, out);
    if (strcmp(name, "latency_ms") == 0 && model->latency) return mn_costs_copy(model->latency, out);
    if (strcmp(name, "latency_ms") == 0)
        return mn_fail(model->ctx, MODNAS_EINVAL, "latency_ms adds up in a table alone: objective.latency_table");
    if (strcmp(name, "macs") != 0)
        return mn_fail(model->ctx, MODNAS_EINVAL, "'%.40s' is no cost that adds up over a space: params, macs, latency_ms",
                       name);
    if (!model->backend)
        return mn_fail(model->ctx, MODNAS_EINVAL, "with 'backend: none' multiply-adds are not counted");
    return mn_costs_measure(model, name, mn_cost_macs, dims, out);
}
