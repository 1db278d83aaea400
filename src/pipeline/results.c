/* Keeping the best architectures, and writing what results.json says of an estimator. */
#include "pipeline/results.h"

#include <inttypes.h>
#include <string.h>

static void drop(mn_top *t, int32_t i) {
    mn_free(t->ctx, t->found[i].arch);
    memmove(&t->found[i], &t->found[i + 1], (size_t)(t->n - i - 1) * sizeof t->found[0]);
    t->n--;
}

/* Takes f.arch. */
static void insert(mn_top *t, mn_found f) {
    int32_t at = t->n;
    while (at > 0 && f.score > t->found[at - 1].score) at--;
    if (at == t->most) {
        mn_free(t->ctx, f.arch);
        return;
    }
    if (t->n == t->most) drop(t, t->most - 1);
    memmove(&t->found[at + 1], &t->found[at], (size_t)(t->n - at) * sizeof t->found[0]);
    t->found[at] = f;
    t->n++;
}

int mn_top_add(mn_top *t, const mn_evaluation *v) {
    mn_found f;
    if (!mn_fitness_is_feasible(v->fitness)) return 0;
    MN_TRY(mn_found_of(t->ctx, v, &f));
    for (int32_t i = 0; i < t->n; i++) {
        if (strcmp(t->found[i].arch, f.arch) != 0) continue;
        if (f.score <= t->found[i].score) {
            mn_free(t->ctx, f.arch);
            return 0;
        }
        drop(t, i);
        break;
    }
    insert(t, f);
    return 0;
}

int mn_top_state(mn_top *t, mn_state *io) {
    int32_t n = t->n;
    MN_TRY(mn_state_range(io, &n, 0, t->most));
    if (io->loading) mn_top_free(t);
    for (int32_t i = 0; i < n; i++) {
        mn_found *f = &t->found[i];
        if (io->loading) {
            *f = (mn_found){0};
            t->n = i + 1; /* it is freed with the others from here on */
        }
        MN_TRY(mn_found_state(f, io));
    }
    return 0;
}

void mn_top_free(mn_top *t) {
    while (t->n) drop(t, t->n - 1);
}

static void add_limits(mn_str *s, const mn_limits *limits, const mn_metrics *best) {
    if (!limits || !best->n) return;
    mn_str_add(s, ",\"limits\":[");
    for (int32_t i = 0; i < limits->n; i++) {
        const mn_limit *l = &limits->all[i];
        const double *value = mn_metrics_get(best, l->metric);
        mn_str_add(s, i ? ",{\"limit\":" : "{\"limit\":");
        mn_str_json(s, l->text);
        mn_str_add(s, ",\"value\":");
        if (value)
            mn_str_real(s, *value);
        else
            mn_str_add(s, "null");
        mn_str_addf(s, ",\"obeys\":%s}", !value ? "null" : mn_limit_obeys(l, *value) ? "true" : "false");
    }
    mn_str_add(s, "]");
}

static void add_collapse(mn_str *s, const mn_collapse *c) {
    if (!c->n_ops) return;
    mn_str_addf(s, ",\"collapse\":{\"parameter_free\":%d,\"of\":%d,\"expected\":", c->n_free, c->n_ops);
    mn_str_real(s, c->expected);
    mn_str_add(s, ",\"p\":");
    mn_str_real(s, c->p);
    mn_str_addf(s, ",\"identities\":%d,\"p_identities\":", c->n_identity);
    mn_str_real(s, c->p_identity);
    mn_str_add(s, ",\"entropy\":");
    mn_str_real(s, c->entropy);
    mn_str_addf(s, ",\"alarm\":%s}", c->is_alarm ? "true" : "false");
}

static void add_hash(mn_str *s, const char *key, const char *hash) {
    if (!hash) return;
    mn_str_addf(s, ",\"%s\":", key);
    mn_str_json(s, hash);
}

void mn_results_estim(mn_str *s, const mn_estim *e, const mn_top *top, const mn_baseline *baseline) {
    mn_str_addf(s, "{\"evaluations\":%" PRId64 ",\"best\":", e->n_evaluations);
    if (top->n)
        mn_found_json(s, top->found[0].arch, top->found[0].score, &top->found[0].metrics);
    else
        mn_str_add(s, "null");
    mn_str_add(s, ",\"top\":[");
    for (int32_t i = 0; i < top->n; i++) {
        if (i) mn_str_add(s, ",");
        mn_found_json(s, top->found[i].arch, top->found[i].score, &top->found[i].metrics);
    }
    mn_str_add(s, "]");
    add_limits(s, mn_objective_limits(e->objective), &e->best_metrics);
    mn_results_baseline(s, baseline);
    add_collapse(s, &e->collapse);
    if (e->is_stopped) mn_str_addf(s, ",\"stopped_after\":%" PRId64, e->epoch);
    add_hash(s, "calibration_sha256", e->calibration_sha256);
    add_hash(s, "table_sha256", e->table_sha256);
}
