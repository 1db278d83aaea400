/* The handle of a search: arguments are checked here, and whether the search may be touched now (pipeline/pull.c). */
#include <math.h>
#include <string.h>

#include "host/host.h"
#include "pipeline/pipeline.h"

/* ---- life ---------------------------------------------------------------------------------------------- */

int modnas_search_new(modnas_config *cfg, const modnas_search_opts *opts, modnas_search **out) {
    modnas_search_opts full;
    if (!cfg) return MODNAS_EINVAL;
    modnas_ctx *ctx = mn_config_ctx(cfg);
    MN_ENTER(ctx);
    if (!out) return mn_fail(ctx, MODNAS_EINVAL, "modnas_search_new: out is NULL");
    MN_TRY(mn_opts_read(ctx, "modnas_search_opts", opts, &full, sizeof full));
    if (full.reserved) return mn_fail(ctx, MODNAS_EINVAL, "modnas_search_opts: reserved is %d", full.reserved);
    MN_TRY(mn_register_builtins(ctx));
    const int rc = mn_pipeline_new(cfg, &full, out);
    if (rc == MODNAS_ECANCELED) mn_cancel_done(ctx);
    if (!rc) (*out)->of_host = 1;
    return rc;
}

void modnas_search_free(modnas_search *search) {
    if (!search || !search->of_host) return;
    if (search->depth)
        search->is_doomed = 1;
    else
        mn_pipeline_free(search);
}

/* ---- reading ------------------------------------------------------------------------------------------- */

modnas_model *modnas_search_model(const modnas_search *search) {
    return search ? search->model : NULL;
}

int64_t modnas_search_n_steps(const modnas_search *search) {
    return search && search->current->trainer ? mn_trainer_n_train(search->current->trainer) : 0;
}

const modnas_arch *modnas_search_best(const modnas_search *search, double *score) {
    const mn_estim *e = search ? search->current : NULL;
    if (e && e->best_point && score) *score = e->best_score;
    return e ? e->best_point : NULL;
}

/* ---- parts ---------------------------------------------------------------------------------------------- */

int mn_host_put_part(modnas_ctx *ctx, const char *kind, const mn_node *spec, const modnas_place *place) {
    if (!place->search) return mn_fail(ctx, MODNAS_EINVAL, "place.search of kind %s: it is NULL", kind);
    if (place->search->ctx != ctx)
        return mn_fail(ctx, MODNAS_EINVAL, "place.search of kind %s is of another context", kind);
    return mn_pipeline_put(place->search, kind, spec, place->name);
}

/* ---- driving ------------------------------------------------------------------------------------------- */

static int need(const modnas_search *s, const char *fn, const char *name, const void *given) {
    return given ? 0 : mn_fail(s->ctx, MODNAS_EINVAL, "%s: %s is NULL", fn, name);
}

static int check_arch(const modnas_search *s, const char *fn, const mn_arch *arch) {
    if (!arch || arch->model == s->model) return 0;
    return mn_fail(s->ctx, MODNAS_EINVAL, "%s: an architecture of another model", fn);
}

int modnas_search_run(modnas_search *search, char **results) {
    int32_t before, started;
    if (results) *results = NULL;
    if (!search) return MODNAS_EINVAL;
    MN_ENTER(search->ctx);
    MN_TRY(mn_pipeline_enter(search, "modnas_search_run", MN_IDLE, &before));
    return mn_pipeline_leave(search, before, mn_pipeline_run(search, &started, results));
}

int modnas_search_ask(modnas_search *search, int32_t n, modnas_arch **archs, int32_t *n_out) {
    static const char fn[] = "modnas_search_ask";
    int32_t before;
    if (!search) return MODNAS_EINVAL;
    MN_ENTER(search->ctx);
    MN_TRY(need(search, fn, "archs", archs));
    MN_TRY(need(search, fn, "n_out", n_out));
    if (n < 1) return mn_fail(search->ctx, MODNAS_EINVAL, "%s: n is %d", fn, n);
    MN_TRY(mn_pipeline_enter(search, fn, MN_READABLE, &before));
    return mn_pipeline_leave(search, before, mn_pipeline_ask(search, n, archs, n_out));
}

static int check_metrics(const modnas_search *s, const modnas_metric *metrics, int32_t n) {
    if (n < 1 || !metrics)
        return mn_fail(s->ctx, MODNAS_EINVAL, "modnas_search_tell: %d metrics%s", n, metrics ? "" : " at NULL");
    for (int32_t i = 0; i < n; i++) {
        const char *name = metrics[i].name;
        int bad = !name || !*name;
        for (const char *c = name; c && *c; c++) bad |= (unsigned char)*c < ' ';
        if (bad)
            return mn_fail(s->ctx, MODNAS_EINVAL, "modnas_search_tell: the name of metric %d is %s", i,
                           !name   ? "NULL"
                           : *name ? "not one line of text"
                                   : "empty");
    }
    return 0;
}

int modnas_search_tell(modnas_search *search, const modnas_arch *arch, int32_t status, const modnas_metric *metrics,
                       int32_t n) {
    static const char fn[] = "modnas_search_tell";
    int32_t before;
    if (!search) return MODNAS_EINVAL;
    MN_ENTER(search->ctx);
    MN_TRY(check_arch(search, fn, arch));
    if (!status) MN_TRY(check_metrics(search, metrics, n));
    MN_TRY(mn_pipeline_enter(search, fn, MN_IDLE, &before));
    return mn_pipeline_leave(search, before, mn_pipeline_tell(search, arch, status, metrics, n));
}

int modnas_search_train(modnas_search *search, const modnas_arch *arch, int64_t n_steps, double *loss) {
    static const char fn[] = "modnas_search_train";
    int32_t before;
    if (!search) return MODNAS_EINVAL;
    MN_ENTER(search->ctx);
    MN_TRY(check_arch(search, fn, arch));
    if (n_steps < 0) return mn_fail(search->ctx, MODNAS_EINVAL, "%s: n_steps is %lld", fn, (long long)n_steps);
    MN_TRY(mn_pipeline_enter(search, fn, MN_IDLE, &before));
    return mn_pipeline_leave(search, before, mn_pipeline_train(search, arch, n_steps, loss));
}

int modnas_search_arch_step(modnas_search *search, double *loss) {
    int32_t before;
    if (!search) return MODNAS_EINVAL;
    MN_ENTER(search->ctx);
    MN_TRY(mn_pipeline_enter(search, "modnas_search_arch_step", MN_IDLE, &before));
    return mn_pipeline_leave(search, before, mn_pipeline_arch_step(search, loss));
}

int modnas_search_evaluate(modnas_search *search, const modnas_arch *arch, modnas_metric *metrics, int32_t cap,
                           int32_t *n) {
    static const char fn[] = "modnas_search_evaluate";
    mn_metrics m = {0};
    int32_t before;
    if (!search) return MODNAS_EINVAL;
    MN_ENTER(search->ctx);
    MN_TRY(check_arch(search, fn, arch));
    MN_TRY(need(search, fn, "n", n));
    if (cap < 0 || (cap && !metrics))
        return mn_fail(search->ctx, MODNAS_EINVAL, "%s: %d places%s", fn, cap, metrics ? "" : " at NULL");
    MN_TRY(mn_pipeline_enter(search, fn, MN_IDLE, &before));
    MN_TRY(mn_pipeline_leave(search, before, mn_pipeline_evaluate(search, arch, &m)));
    for (int32_t i = 0; i < m.n && i < cap; i++) metrics[i] = (modnas_metric){m.name[i], m.value[i]};
    *n = m.n;
    return 0;
}

static int export_yaml(modnas_search *s, const mn_arch *arch, char **yaml) {
    mn_str text = {.ctx = s->ctx};
    mn_node *desc;
    MN_TRY(mn_pipeline_export(s, arch, &desc));
    mn_node_yaml(&text, desc);
    mn_node_free(s->ctx, desc);
    return mn_host_take(&text, 0, yaml);
}

int modnas_search_export(modnas_search *search, const modnas_arch *arch, char **yaml) {
    static const char fn[] = "modnas_search_export";
    int32_t before;
    if (!search) return MODNAS_EINVAL;
    MN_ENTER(search->ctx);
    MN_TRY(check_arch(search, fn, arch));
    MN_TRY(need(search, fn, "yaml", yaml));
    MN_TRY(mn_pipeline_enter(search, fn, MN_READABLE, &before));
    return mn_pipeline_leave(search, before, export_yaml(search, arch, yaml));
}

/* ---- checkpoints ---------------------------------------------------------------------------------------- */

int modnas_search_save(modnas_search *search, const char *path) {
    static const char fn[] = "modnas_search_save";
    int32_t before;
    if (!search) return MODNAS_EINVAL;
    MN_ENTER(search->ctx);
    MN_TRY(need(search, fn, "path", path));
    MN_TRY(mn_pipeline_enter(search, fn, MN_IDLE, &before));
    return mn_pipeline_leave(search, before, mn_pipeline_save(search, path));
}

int modnas_search_load(modnas_search *search, const char *path) {
    static const char fn[] = "modnas_search_load";
    int32_t before;
    if (!search) return MODNAS_EINVAL;
    MN_ENTER(search->ctx);
    MN_TRY(need(search, fn, "path", path));
    const int32_t was_torn = search->is_torn;
    search->is_torn = 0; /* this is what it is good for */
    const int rc = mn_pipeline_enter(search, fn, MN_IDLE, &before);
    search->is_torn = was_torn;
    MN_TRY(rc);
    return mn_pipeline_leave(search, before, mn_pipeline_load(search, path));
}

int modnas_search_checkpoint(modnas_search *search) {
    int32_t before;
    if (!search) return MODNAS_EINVAL;
    MN_ENTER(search->ctx);
    MN_TRY(mn_pipeline_enter(search, "modnas_search_checkpoint", MN_IDLE, &before));
    return mn_pipeline_leave(search, before, mn_pipeline_pause(search));
}

int modnas_state_add(modnas_state *state, const void *data, size_t bytes) {
    if (!state || state->loading) return MODNAS_EINVAL;
    MN_ENTER(state->ctx);
    if (bytes && !data) return mn_fail(state->ctx, MODNAS_EINVAL, "modnas_state_add: data is NULL");
    return mn_state_bytes(state, (void *)(uintptr_t)data, bytes);
}
