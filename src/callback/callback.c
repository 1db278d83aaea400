/* What callbacks share, and what this folder registers. */
#include "callback/parts.h"

int mn_callback_new(const mn_callback_vt *vt, modnas_ctx *ctx, const mn_callback_env *env, size_t own_bytes,
                    mn_callback **out) {
    mn_callback *c = mn_alloc(ctx, 1, sizeof *c);
    if (!c) return MODNAS_ENOMEM;
    *c = (mn_callback){vt, ctx, *env, mn_alloc(ctx, own_bytes, 1)};
    if (!c->own) {
        mn_free(ctx, c);
        return MODNAS_ENOMEM;
    }
    *out = c;
    return 0;
}

void mn_callback_free(mn_callback *c) {
    if (!c) return;
    if (c->vt->destroy) c->vt->destroy(c);
    mn_free(c->ctx, c->own);
    mn_free(c->ctx, c);
}

int mn_callback_is_due(const mn_estim *e, double intv) {
    int64_t every = (int64_t)(intv < 1 ? intv * (double)e->epochs : intv);
    if (intv <= 0) return 0;
    if (every < 1) every = 1;
    return (e->epoch + 1) % every == 0;
}

int mn_callback_register(modnas_ctx *ctx) {
    static const mn_component *const all[] = {&mn_early_stopping_component, &mn_results_exporter_component,
                                              &mn_mixed_stats_component};
    for (size_t i = 0; i < MN_COUNT(all); i++) MN_TRY(mn_registry_add(ctx, all[i]));
    return 0;
}
