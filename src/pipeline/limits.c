/* The table and the limits of `objective`: what the table says of the model, which limits the space keeps, and whether
 * the networks that were found obey them all. */
#include <string.h>

#include "pipeline/pipeline.h"
#include "search/latency.h"

/* Costs of the model itself that the limit is on: *found 0: it is on something else. */
static int costs_of(const mn_pipeline *p, const mn_limit *l, mn_costs *costs, int *found) {
    int32_t input[3];
    const int is_params = strcmp(l->metric, "params") == 0, is_macs = strcmp(l->metric, "macs") == 0,
              is_latency = strcmp(l->metric, "latency_ms") == 0;
    *found = mn_model_n_mixed(p->model) &&
             (is_params || (is_macs && p->model->backend) || (is_latency && p->model->latency));
    if (!*found) return 0;
    memcpy(input, p->model->input, sizeof input);
    if (p->pulled->trainer) mn_trainer_input(p->pulled->trainer, input);
    return mn_costs_named(p->model, l->metric, input, costs);
}

int mn_pipeline_latency(mn_pipeline *p) {
    const mn_node *path = mn_node_path(p->tree, "objective.latency_table");
    char where[256];
    if (!path || path->kind == MN_NULL) return 0;
    const int rc = mn_latency_load(p->model, path->text, &p->latency, p->latency_sha256);
    if (!rc) p->model->latency = &p->latency;
    if (!rc || rc == MODNAS_ENOMEM) return rc;
    return mn_fail(p->ctx, MODNAS_ECONFIG, "%s: objective.latency_table: %s", mn_node_where(path, where, sizeof where),
                   modnas_errmsg(p->ctx));
}

int mn_pipeline_limits(mn_pipeline *p) {
    for (int32_t i = 0; p->limits && i < p->limits->n; i++) {
        mn_costs costs;
        int found;
        const int rc = costs_of(p, &p->limits->all[i], &costs, &found);
        if (rc && rc != MODNAS_EUNSUPPORTED) return rc;
        if (!rc && found) {
            MN_TRY(mn_limits_keep(p->limits, i, &costs, mn_cost_unit(p->limits->all[i].metric)));
            continue;
        }
        mn_log(p->ctx, MODNAS_LOG_INFO, "objective: '%s' is looked at when it was measured%s%s", p->limits->all[i].text,
               rc ? ": " : "", rc ? modnas_errmsg(p->ctx) : "");
    }
    if (!p->limits) return 0;
    MN_TRY(mn_limits_ready(p->limits));
    p->model->limits = p->limits;
    return 0;
}

void mn_pipeline_check_limits(const mn_pipeline *p, const mn_estim *e) {
    for (int32_t i = 0; p->limits && i < p->limits->n && e->best_metrics.n; i++) {
        const mn_limit *l = &p->limits->all[i];
        const double *value = mn_metrics_get(&e->best_metrics, l->metric);
        if (value && mn_limit_obeys(l, *value))
            mn_log(p->ctx, MODNAS_LOG_INFO, "estim.%s: the best obeys '%s': %.9g", e->name, l->text, *value);
        else if (value)
            mn_log(p->ctx, MODNAS_LOG_WARN, "estim.%s: the best does not obey '%s': %.9g", e->name, l->text, *value);
        else
            mn_log(p->ctx, MODNAS_LOG_WARN, "estim.%s: '%s' was not measured", e->name, l->text);
    }
}
