/* Named results of an evaluation. */
#include <string.h>

#include "search/search.h"

static double *find(mn_metrics *m, const char *name) {
    for (int32_t i = 0; i < m->n; i++)
        if (strcmp(m->name[i], name) == 0) return &m->value[i];
    return NULL;
}

int mn_metrics_add(modnas_ctx *ctx, mn_metrics *m, const char *name, double value) {
    double *old = find(m, name);
    if (old) {
        *old = value;
        return 0;
    }
    if (m->n == MN_MAX_METRICS)
        return mn_fail(ctx, MODNAS_EUNSUPPORTED, "more than %d metrics of one evaluation", MN_MAX_METRICS);
    m->name[m->n] = name;
    m->value[m->n++] = value;
    return 0;
}

int mn_metrics_state(mn_metrics *m, mn_state *io) {
    MN_TRY(mn_state_range(io, &m->n, 0, MN_MAX_METRICS));
    for (int32_t i = 0; i < m->n; i++) {
        MN_TRY(mn_state_name(io, &m->name[i]));
        MN_TRY(mn_state_real(io, &m->value[i]));
    }
    return 0;
}

const double *mn_metrics_get(const mn_metrics *m, const char *name) {
    for (int32_t i = 0; i < m->n; i++)
        if (strcmp(m->name[i], name) == 0) return &m->value[i];
    return NULL;
}

double mn_metric_sign(const char *name) {
    static const char *const less_is_better[] = {"loss", "params", "macs", "latency_ms", "arena_bytes"};
    for (size_t i = 0; i < MN_COUNT(less_is_better); i++)
        if (strcmp(name, less_is_better[i]) == 0) return -1;
    return 1;
}

double mn_metrics_score(const mn_metrics *m) {
    return m->n ? mn_metric_sign(m->name[0]) * m->value[0] : 0;
}

void mn_metric_free(mn_metric *m) {
    while (m) {
        mn_metric *next = m->next;
        modnas_ctx *ctx = m->ctx;
        if (m->destroy) m->destroy(m);
        mn_free(ctx, m->state);
        mn_free(ctx, m);
        mn_ctx_drop(ctx);
        m = next;
    }
}
