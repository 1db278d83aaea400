/* Architectures that were found (found.h). */
#include "search/found.h"

int mn_found_of(modnas_ctx *ctx, const mn_evaluation *v, mn_found *out) {
    mn_str json = {.ctx = ctx};
    mn_node_json(&json, v->arch);
    char *arch = mn_str_take(&json);
    if (!arch) return MODNAS_ENOMEM;
    *out = (mn_found){arch, v->score, *v->metrics};
    return 0;
}

int mn_found_state(mn_found *f, mn_state *io) {
    MN_TRY(mn_state_text(io, &f->arch));
    if (!f->arch) return mn_state_fail(io, "an architecture is missing");
    MN_TRY(mn_state_real(io, &f->score));
    return mn_metrics_state(&f->metrics, io);
}

void mn_metrics_json(mn_str *s, const mn_metrics *m) {
    mn_str_add(s, "{");
    for (int32_t i = 0; i < m->n; i++) {
        if (i) mn_str_add(s, ",");
        mn_str_json(s, m->name[i]);
        mn_str_add(s, ":");
        mn_str_real(s, m->value[i]);
    }
    mn_str_add(s, "}");
}

void mn_found_json(mn_str *s, const char *arch, double score, const mn_metrics *metrics) {
    mn_str_addf(s, "{\"arch\":%s,\"score\":", arch);
    mn_str_real(s, score);
    mn_str_add(s, ",\"metrics\":");
    mn_metrics_json(s, metrics);
    mn_str_add(s, "}");
}
