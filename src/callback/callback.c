/* What callbacks share, and what this folder registers. */
#include <stdarg.h>
#include <stdio.h>

#include "callback/parts.h"

static int new(const mn_callback_vt *vt, modnas_ctx *ctx, const mn_callback_env *env, size_t own_bytes,
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

int mn_callback_make(const mn_callback_vt *vt, const mn_args *a, const mn_callback_env *env, size_t own_bytes,
                     int (*fill)(mn_callback *c, const mn_args *a), void *out) {
    mn_callback *c;
    mn_args_warn_unused(a);
    MN_TRY(new(vt, a->ctx, env, own_bytes, &c));
    const int rc = fill ? fill(c, a) : 0;
    if (rc)
        mn_callback_free(c);
    else
        *(mn_callback **)out = c;
    return rc;
}

void mn_callback_free(mn_callback *c) {
    if (!c) return;
    if (c->vt->destroy) c->vt->destroy(c);
    mn_free(c->ctx, c->own);
    mn_free(c->ctx, c);
}

/* ---- intervals, and what is told ----------------------------------------------------------------------- */

int64_t mn_callback_every(double intv, int64_t n) {
    const int64_t every = (int64_t)(intv < 1 ? intv * (double)n : intv);
    if (intv <= 0) return 0;
    return every < 1 ? 1 : every;
}

int mn_callback_is_due(const mn_estim *e, double intv) {
    const int64_t every = mn_callback_every(intv, e->epochs);
    return every && (e->epoch + 1) % every == 0;
}

int mn_callback_intv(const mn_args *a, const char *name, double *out) {
    *out = mn_args_real(a, name);
    if (*out >= 0 && *out < 1e9) return 0;
    return mn_args_fail(a, name, "it is %g; a number of them is wanted, or below 1 a share of all", *out);
}

static int fill_interval(mn_callback *c, const mn_args *a) {
    return mn_callback_intv(a, "interval", c->own);
}

int mn_callback_make_interval(const mn_callback_vt *vt, const mn_args *a, const mn_callback_env *env, void *out) {
    return mn_callback_make(vt, a, env, sizeof(double), fill_interval, out);
}

void mn_callback_tell(mn_str *line, const char *fmt, ...) {
    char text[200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    mn_str_add(line, line->n ? " | " : "");
    mn_str_add(line, text);
}

int mn_callback_register(modnas_ctx *ctx) {
    static const mn_component *const all[] = {
        &mn_early_stopping_component, &mn_results_exporter_component, &mn_mixed_stats_component,
        &mn_optimum_reporter_component, &mn_eta_reporter_component, &mn_trainer_reporter_component,
        &mn_estim_reporter_component};
    for (size_t i = 0; i < MN_COUNT(all); i++) MN_TRY(mn_registry_add(ctx, all[i]));
    return 0;
}
