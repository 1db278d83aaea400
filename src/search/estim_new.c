/* An estimator from its section: epochs, metrics, losses; and its end. */
#include <string.h>

#include "config/config.h"
#include "search/search.h"

const char *const mn_estim_keys[] = {"epochs",
                                     "subnet_epochs",
                                     "arch_update_epoch_start",
                                     "arch_update_epoch_intv",
                                     "arch_update_intv",
                                     "arch_update_batch",
                                     "baseline",
                                     "recalibration",
                                     "metrics",
                                     "criterion",
                                     "trainer",
                                     "chkpt",
                                     "main",
                                     "pipeline",
                                     "trial_args",
                                     "trial_config",
                                     "record_path",
                                     "name",
                                     NULL};

/* ---- metrics and losses ------------------------------------------------------------------------------ */

static int add_metric(const char *name, const mn_node *spec, void *ud) {
    mn_estim *e = ud;
    mn_metric **last = &e->metric;
    (void)name;
    while (*last) last = &(*last)->next;
    return mn_registry_build(e->ctx, "metrics", spec, NULL, NULL, NULL, last);
}

/* The passes that a criterion is for: its `mode` all (the default), train, valid (architecture steps) or eval. */
static int read_mode(mn_estim *e, const mn_node *spec, int *first, int *end) {
    static const char *const modes[MN_N_PASSES] = {"train", "valid", "eval"};
    const mn_node *mode = mn_node_get(spec, "mode");
    char where[256];
    *first = 0;
    *end = MN_N_PASSES;
    if (!mode || (mode->text && strcmp(mode->text, "all") == 0)) return 0;
    for (int i = 0; i < MN_N_PASSES; i++) {
        if (!mode->text || strcmp(mode->text, modes[i]) != 0) continue;
        *first = i;
        *end = i + 1;
        return 0;
    }
    return mn_fail(e->ctx, MODNAS_ECONFIG, "%s: estim.%s.criterion: mode is all, train, valid or eval, not '%.40s'",
                   mn_node_where(mode, where, sizeof where), e->name, mode->text ? mode->text : "");
}

/* One for a pass, on what that pass has so far. */
static int build_criterion(mn_estim *e, const mn_node *spec, int pass) {
    mn_criterion_env env = {.model = e->model, .base = e->by_pass[pass], .pass = pass};
    mn_criterion *c;
    memcpy(env.input, e->model->input, sizeof env.input);
    if (e->trainer) mn_trainer_input(e->trainer, env.input);
    if (!env.base && e->trainer) env.base = mn_trainer_own_criterion(e->trainer);
    MN_TRY(mn_registry_build(e->ctx, "criterion", spec, (const char *const[]){"mode", NULL}, NULL, &env, &c));
    if (!mn_vec_push(e->ctx, &e->criteria, &c, 1)) {
        mn_criterion_free(c);
        return MODNAS_ENOMEM;
    }
    e->by_pass[pass] = c;
    return 0;
}

/* A later criterion replaces those before it, or is added to them: what the original's losses do with what they are
 * given. */
static int add_criterion(const char *name, const mn_node *spec, void *ud) {
    mn_estim *e = ud;
    int first, end;
    (void)name;
    MN_TRY(read_mode(e, spec, &first, &end));
    for (int i = first; i < end; i++) MN_TRY(build_criterion(e, spec, i));
    return 0;
}

int mn_estim_add_metric(mn_estim *e, const mn_node *spec) {
    return add_metric(NULL, spec, e);
}

int mn_estim_add_criterion(mn_estim *e, const mn_node *spec) {
    return add_criterion(NULL, spec, e);
}

/* ---- life -------------------------------------------------------------------------------------------- */

static int read_section(mn_estim *e, const mn_estim_env *env) {
    char where[256];
    mn_estim_conf *conf;
    MN_TRY(mn_estim_conf_load(e->ctx, env->conf, &conf));
    e->epochs = conf->epochs;
    mn_estim_conf_free(e->ctx, conf);
    mn_node_where(env->conf, where, sizeof where);
    if (e->epochs < 0 && e->vt->is_free) e->epochs = 0;
    if (e->epochs < 0)
        return mn_fail(e->ctx, MODNAS_ECONFIG, "%s: estim.%s has no epochs, %s needs them", where, env->name,
                       e->vt->type);
    MN_TRY(mn_specs_visit(mn_node_get(env->conf, "metrics"), add_metric, e));
    if (!e->metric && !e->vt->is_free)
        return mn_fail(e->ctx, MODNAS_ECONFIG, "%s: estim.%s has no metrics", where, env->name);
    for (const mn_metric *k = e->metric; k && e->model->latency; k = k->next)
        if (k->is_timed)
            return mn_fail(e->ctx, MODNAS_ECONFIG,
                           "%s: estim.%s: latency_ms comes from objective.latency_table, and from a metric: one of them", where,
                           env->name);
    return mn_specs_visit(mn_node_get(env->conf, "criterion"), add_criterion, e);
}

int mn_estim_new(const mn_estim_vt *vt, modnas_ctx *ctx, const mn_estim_env *env, size_t state_bytes, mn_estim **out) {
    mn_estim *e = mn_alloc(ctx, 1, sizeof *e);
    if (!e) return MODNAS_ENOMEM;
    e->vt = vt;
    e->ctx = ctx;
    mn_ctx_hold(ctx);
    e->conf = env->conf;
    e->model = env->model;
    e->trainer = env->trainer;
    e->optim = env->optim;
    e->exporter = env->exporter;
    e->observer = env->observer;
    e->search = env->search;
    e->objective = env->objective;
    mn_vec_init(&e->criteria, sizeof(mn_criterion *));
    e->name = mn_strdup(ctx, env->name);
    e->state = mn_alloc(ctx, 1, state_bytes);
    const int rc = e->name && e->state ? read_section(e, env) : MODNAS_ENOMEM;
    if (rc)
        mn_estim_free(e);
    else
        *out = e;
    return rc;
}

int mn_estim_make(const mn_estim_vt *vt, const mn_args *a, const mn_estim_env *env, size_t state_bytes,
                  int (*fill)(mn_estim *e, const mn_args *a), void *out) {
    mn_estim *e;
    MN_TRY(mn_estim_new(vt, a->ctx, env, state_bytes, &e));
    const int rc = fill(e, a);
    if (rc)
        mn_estim_free(e);
    else
        *(mn_estim **)out = e;
    return rc;
}

void mn_estim_free(mn_estim *e) {
    if (!e) return;
    modnas_ctx *ctx = e->ctx;
    if (e->vt->destroy && e->state) e->vt->destroy(e);
    mn_metric_free(e->metric);
    for (size_t i = 0; i < e->criteria.n; i++) mn_criterion_free(MN_AT(e->criteria, mn_criterion *, i));
    mn_vec_free(ctx, &e->criteria);
    mn_node_free(ctx, e->best_arch);
    mn_arch_free(e->best_point);
    mn_free(ctx, e->name);
    mn_free(ctx, e->state);
    mn_free(ctx, e);
    mn_ctx_drop(ctx);
}
