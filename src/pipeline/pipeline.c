/* Making what a configuration describes, in the order in which each needs the other. Whatever can be found wrong before
 * the first step is found here: every component is built, every estimator prepared; nothing is written. */
#include "pipeline/pipeline.h"

#include <string.h>

#include "construct/construct.h"
#include "pipeline/callbacks.h"
#include "pipeline/chkpt.h"

static int is_given(const mn_node *n) {
    return n && n->kind != MN_NULL;
}

/* ---- trainers ---------------------------------------------------------------------------------------- */

static int add_trainer(const char *name, const mn_node *spec, void *ud) {
    mn_pipeline *p = ud;
    const mn_trainer_env env = {p->model, &p->loaders};
    mn_trainer *t;
    MN_TRY(mn_registry_build(p->ctx, "trainer", spec, NULL, NULL, &env, &t));
    const int rc = mn_map_put(p->ctx, &p->trainers, name ? name : "default", t);
    if (rc) mn_trainer_free(t);
    return rc;
}

/* The trainer that a section names, else the one of the estimator's own name, else the default one; NULL without
 * trainers. */
static int find_trainer(mn_pipeline *p, const char *estim, const mn_node *conf, mn_trainer **out) {
    const mn_node *named = mn_node_get(conf, "trainer");
    char where[256];
    *out = NULL;
    if (is_given(named)) {
        *out = mn_map_get(&p->trainers, named->text ? named->text : "");
        if (*out) return 0;
        return mn_fail(p->ctx, MODNAS_ECONFIG, "%s: estim.%s.trainer: there is no trainer named '%.80s'",
                       mn_node_where(named, where, sizeof where), estim, named->text ? named->text : "");
    }
    *out = mn_map_get(&p->trainers, estim);
    if (!*out) *out = mn_map_get(&p->trainers, "default");
    if (*out || !p->trainers.n) return 0;
    return mn_fail(p->ctx, MODNAS_ECONFIG, "%s: estim.%s: there is a trainer named neither '%s' nor 'default'",
                   mn_node_where(conf, where, sizeof where), estim, estim);
}

/* ---- estimators -------------------------------------------------------------------------------------- */

static mn_estim_env env_of(mn_pipeline *p, const char *name, const mn_node *conf) {
    return (mn_estim_env){.name = name,
                          .conf = conf,
                          .model = p->model,
                          .optim = p->optim,
                          .exporter = p->exporter,
                          .observer = mn_pipeline_observer(p),
                          .search = p,
                          .objective = p->objective};
}

int mn_pipeline_add_estim(mn_pipeline *p, const char *name, const mn_node *conf) {
    mn_estim_env env = env_of(p, name, conf);
    mn_stage stage = {.top = {.ctx = p->ctx, .most = p->n_top}};
    MN_TRY(mn_expdir_check_name(p->ctx, conf, "the name of estimator", name));
    MN_TRY(find_trainer(p, name, conf, &env.trainer));
    MN_TRY(mn_registry_build(p->ctx, "estim", conf, mn_estim_keys, NULL, &env, &stage.estim));
    mn_recalibration_init(&stage.recalibration, stage.estim);
    const int rc = mn_baseline_init(&stage.baseline, stage.estim);
    if (!rc && mn_vec_push(p->ctx, &p->stages, &stage, 1)) return 0;
    mn_baseline_free(&stage.baseline);
    mn_estim_free(stage.estim);
    return rc ? rc : MODNAS_ENOMEM;
}

/* A map name -> section, or a list of sections with a name. */
static int add_estims(mn_pipeline *p) {
    const mn_node *estim = mn_node_get(p->tree, "estim");
    char where[256];
    for (size_t i = 0; is_given(estim) && i < estim->n; i++) {
        const mn_node *conf = estim->items[i], *named = mn_node_get(conf, "name");
        const char *name = estim->kind == MN_MAP ? estim->keys[i] : named ? named->text : NULL;
        if (!name)
            return mn_fail(p->ctx, MODNAS_ECONFIG, "%s: estim %zu of the list has no name",
                           mn_node_where(conf, where, sizeof where), i + 1);
        MN_TRY(mn_pipeline_add_estim(p, name, conf));
    }
    return 0;
}

/* Steps for a host whose configuration has no estimator: the default trainer, or else the first one. */
static int add_loose(mn_pipeline *p) {
    static const mn_estim_vt vt = {.type = "none", .prepare = mn_estim_prepare, .is_free = 1};
    void *trainer = mn_map_get(&p->trainers, "default");
    mn_node *conf;
    if (p->stages.n) return 0;
    if (!trainer && p->trainers.n) mn_map_key(&p->trainers, 0, &trainer);
    MN_TRY(mn_yaml_value(p->ctx, "{type: none, metrics: ValidateMetrics}", "default", &conf));
    mn_estim_env env = env_of(p, "none", conf);
    env.trainer = trainer;
    const int rc = mn_estim_new(&vt, p->ctx, &env, 1, &p->loose);
    if (!rc) p->loose->conf = NULL;
    mn_node_free(p->ctx, conf);
    return rc;
}

/* The estimator that the host pulls. */
static int choose_pulled(mn_pipeline *p) {
    const char *name = p->opts.estim;
    p->opts.estim = NULL; /* the host's text */
    if (!name) p->pulled = p->loose ? p->loose : MN_AT(p->stages, mn_stage, 0).estim;
    for (size_t i = 0; name && i < p->stages.n; i++) {
        mn_estim *e = MN_AT(p->stages, mn_stage, i).estim;
        if (strcmp(e->name, name) == 0) p->pulled = e;
    }
    p->current = p->pulled;
    return p->pulled ? 0 : mn_fail(p->ctx, MODNAS_ENOTFOUND, "there is no estimator named '%.80s'", name);
}

static int prepare_estims(mn_pipeline *p) {
    for (size_t i = 0; i < p->stages.n; i++) {
        mn_estim *e = MN_AT(p->stages, mn_stage, i).estim;
        MN_TRY(e->vt->prepare(e));
        MN_TRY(mn_canceled(p->ctx));
    }
    return p->loose ? p->loose->vt->prepare(p->loose) : 0;
}

/* ---- the whole --------------------------------------------------------------------------------------- */

static int build(mn_pipeline *p) {
    const mn_node *optim = mn_node_get(p->tree, "optim");
    MN_TRY(mn_expdir_init(&p->dir, p->ctx, p->tree));
    mn_history_init(&p->history, &p->dir);
    mn_chkpt_init(p);
    MN_TRY(mn_objective_new(p->ctx, mn_node_get(p->tree, "objective"), &p->objective));
    p->limits = mn_objective_limits(p->objective);
    MN_TRY(mn_construct_model(p->ctx, p->tree, mn_construct_dtype(p->tree), 1, &p->model));
    MN_TRY(mn_callbacks_build(p));
    mn_writer_init(&p->writer, &p->dir, p->tree, p->model);
    MN_TRY(mn_pipeline_latency(p));
    MN_TRY(mn_pipeline_data(p));
    MN_TRY(mn_pipeline_test_loader(p));
    MN_TRY(mn_specs_visit(mn_node_get(p->tree, "trainer"), add_trainer, p));
    MN_TRY(mn_exporters_build(p->ctx, p->tree, &p->exporter));
    const mn_optim_env env = mn_pipeline_optim_env(p);
    if (is_given(optim)) MN_TRY(mn_registry_build(p->ctx, "optim", optim, NULL, NULL, &env, &p->optim));
    MN_TRY(add_estims(p));
    MN_TRY(add_loose(p));
    MN_TRY(choose_pulled(p));
    MN_TRY(mn_pipeline_limits(p));
    return prepare_estims(p);
}

mn_optim_env mn_pipeline_optim_env(const mn_pipeline *p) {
    return (mn_optim_env){.model = p->model, .seed = p->model->seed, .objective = p->objective};
}

static int copy_tree(mn_pipeline *p, modnas_config *cfg) {
    const mn_node *tree;
    MN_TRY(mn_config_tree(cfg, &tree));
    p->tree = mn_node_copy(p->ctx, tree);
    return p->tree ? 0 : MODNAS_ENOMEM;
}

int mn_pipeline_new(modnas_config *cfg, const modnas_search_opts *opts, mn_pipeline **out) {
    modnas_ctx *ctx = mn_config_ctx(cfg);
    mn_pipeline *p = mn_alloc(ctx, 1, sizeof *p);
    if (!p) return MODNAS_ENOMEM;
    p->ctx = ctx;
    p->opts = *opts;
    p->opts.ud_free = NULL; /* until it is made */
    p->level = MN_BUSY;     /* components of hosts are being made */
    p->started = mn_seconds();
    mn_ctx_hold(ctx);
    mn_vec_init(&p->stages, sizeof(mn_stage));
    int rc = copy_tree(p, cfg);
    if (!rc) rc = build(p);
    if (rc) {
        mn_pipeline_free(p);
        return rc;
    }
    p->opts.ud_free = opts->ud_free;
    p->level = MN_IDLE;
    *out = p;
    return 0;
}

void mn_pipeline_free(mn_pipeline *p) {
    if (!p) return;
    modnas_ctx *ctx = p->ctx;
    for (size_t i = 0; i < p->stages.n; i++) {
        mn_top_free(&MN_AT(p->stages, mn_stage, i).top);
        mn_baseline_free(&MN_AT(p->stages, mn_stage, i).baseline);
        mn_recalibration_free(&MN_AT(p->stages, mn_stage, i).recalibration);
        mn_estim_free(MN_AT(p->stages, mn_stage, i).estim);
    }
    mn_vec_free(ctx, &p->stages);
    mn_estim_free(p->loose);
    mn_history_close(&p->history);
    mn_writer_close(&p->writer);
    mn_callbacks_free(p);
    mn_optim_free(p->optim);
    mn_exporter_free(p->exporter);
    for (size_t i = 0; i < p->trainers.n; i++) {
        void *t;
        mn_map_key(&p->trainers, i, &t);
        mn_trainer_free(t);
    }
    mn_map_free(ctx, &p->trainers);
    mn_map_free(ctx, &p->names);
    mn_pipeline_free_data(p);
    if (p->model) { /* hosts may hold it longer */
        p->model->limits = NULL;
        p->model->latency = NULL;
    }
    mn_costs_free(&p->latency);
    mn_objective_free(p->objective);
    mn_model_free(p->model);
    mn_expdir_close(&p->dir);
    mn_node_free(ctx, p->tree);
    if (p->opts.ud_free) p->opts.ud_free(p->opts.ud);
    mn_free(ctx, p);
    mn_ctx_drop(ctx);
}
