/* ValidateMetrics, params, macs and arena_bytes: what an evaluation measures.
 *
 * The first metric is the score. Estimators add params and macs of the derived network after the configured metric's
 * own, so their two components here serve to make one of them the score. */
#include <string.h>

#include "graph/arena.h"
#include "metrics/parts.h"
#include "search/derive.h"

static int new_metric(const mn_args *a, int (*measure)(mn_metric *, mn_estim *, mn_metrics *), void *out) {
    mn_metric *m = mn_alloc(a->ctx, 1, sizeof *m);
    if (!m) return MODNAS_ENOMEM;
    m->ctx = a->ctx;
    m->measure = measure;
    mn_ctx_hold(a->ctx);
    *(mn_metric **)out = m;
    return 0;
}

/* ---- ValidateMetrics: one pass over the validation set ----------------------------------------------- */

typedef struct validate {
    int32_t first; /* of fields: the score */
} validate;

static const char *const fields[] = {"acc_top1", "acc_top5", "loss"};

static int tick(int64_t step, int64_t steps, const mn_scores *sofar, void *ud) {
    return mn_estim_tick(ud, "valid", step, steps, sofar);
}

static int measure_validation(mn_metric *m, mn_estim *e, mn_metrics *out) {
    const int32_t first = ((const validate *)m->state)->first;
    mn_scores s = {0, 0, 0, 0};
    MN_TRY(mn_estim_need_trainer(e));
    MN_TRY(mn_trainer_evaluate(e->trainer, NULL, &s, tick, e));
    const double value[] = {s.top1 / (double)s.n, s.top5 / (double)s.n, s.loss / (double)s.n};
    MN_TRY(mn_metrics_add(m->ctx, out, fields[first], value[first]));
    for (size_t i = 0; i < MN_COUNT(fields); i++) MN_TRY(mn_metrics_add(m->ctx, out, fields[i], value[i]));
    return 0;
}

static int build_validate(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    (void)env;
    mn_metric *m;
    MN_TRY(new_metric(a, measure_validation, &m));
    m->needs_valid = 1;
    validate *s = m->state = mn_alloc(a->ctx, 1, sizeof *s);
    if (!s) {
        mn_metric_free(m);
        return MODNAS_ENOMEM;
    }
    for (size_t i = 0; mn_args_given(a, "field") && i < MN_COUNT(fields); i++)
        if (strcmp(mn_args_str(a, "field"), fields[i]) == 0) s->first = (int32_t)i;
    *(mn_metric **)out = m;
    return 0;
}

/* ---- size and work of the derived network ------------------------------------------------------------ */

static int measure_params(mn_metric *m, mn_estim *e, mn_metrics *out) {
    return mn_metrics_add(m->ctx, out, "params", (double)mn_derived_params(e->model));
}

static int measure_macs(mn_metric *m, mn_estim *e, mn_metrics *out) {
    int64_t macs;
    MN_TRY(mn_estim_macs(e, &macs));
    return mn_metrics_add(m->ctx, out, "macs", (double)macs);
}

/* The network that the model is reduced to, for one image: recorded and planned. */
static int measure_arena(mn_metric *m, mn_estim *e, mn_metrics *out) {
    int32_t input[3];
    size_t bytes = 0;
    mn_run *run;
    mn_value *x, *logits;
    if (!e->model->backend) return mn_fail(m->ctx, MODNAS_EINVAL, "with 'backend: none' there is no arena");
    mn_estim_input(e, input);
    MN_TRY(mn_run_new(e->model->backend, e->model->dtype, e->model->slab, &run));
    int rc = mn_model_record(e->model, run, input, 1, &x, &logits);
    if (!rc) rc = mn_run_keep(run, logits);
    if (!rc) rc = mn_run_plan(run, NULL);
    if (!rc) rc = mn_run_arena(run, &bytes);
    mn_run_free(run);
    return rc ? rc : mn_metrics_add(m->ctx, out, "arena_bytes", (double)bytes);
}

static int build_arena(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    (void)env;
    return new_metric(a, measure_arena, out);
}

static int build_params(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    (void)env;
    return new_metric(a, measure_params, out);
}

static int build_macs(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    (void)env;
    return new_metric(a, measure_macs, out);
}

static const mn_arg_def validate_args[] = {
    {"field", MN_ARG_STR, "null", "acc_top1|acc_top5|loss", "the score; null: acc_top1"}, {NULL, 0, NULL, NULL, NULL}};

static const mn_component components[] = {
    {"metrics", "ValidateMetrics", "accuracy and loss on the validation set", validate_args, build_validate, NULL},
    {"metrics", "ParamsMetrics", "trainable parameters of the derived network; fewer are better", NULL, build_params,
     NULL},
    {"metrics", "ArenaMetrics", "bytes that the derived network's values need for one image; fewer are better", NULL,
     build_arena, NULL},
    {"metrics", "MacsMetrics", "multiply-adds of the derived network for one image; fewer are better", NULL, build_macs,
     NULL},
};

int mn_metrics_register(modnas_ctx *ctx) {
    MN_TRY(mn_cost_loss_register(ctx));
    MN_TRY(mn_registry_add_all(ctx, &mn_latency_metrics_component, 1));
    return mn_registry_add_all(ctx, components, MN_COUNT(components));
}
