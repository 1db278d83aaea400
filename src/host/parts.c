/* The other components of a search that hosts can have: estimators, metrics, losses, exporters. Their callbacks get the
 * component's arguments each time, which are kept with the object. */
#include "host/host.h"
#include "pipeline/pipeline.h"
#include "search/derive.h"

typedef struct kept { /* state of each of them */
    const mn_host *host;
    mn_args args;
    mn_node *map; /* that args reads */
} kept;

static int keep(kept *k, const mn_component *c, const mn_args *args) {
    k->host = c->data;
    k->map = mn_node_copy(args->ctx, args->map);
    if (!k->map) return MODNAS_ENOMEM;
    k->args = (mn_args){.ctx = args->ctx, .component = args->component, .map = k->map};
    return 0;
}

/* A kind's table needs its one function. */
static int need(modnas_ctx *ctx, const mn_host *h, const char *name, int is_there) {
    return is_there ? 0 : mn_fail(ctx, MODNAS_EINVAL, "%s '%.80s': %s is NULL", h->kind->kind, h->name, name);
}

/* ---- estim --------------------------------------------------------------------------------------------- */

static int drive(mn_estim *e) {
    const kept *k = e->state;
    const modnas_estim_vt *vt = k->host->vt;
    mn_callback_begin(e->ctx);
    return mn_callback_end(e->ctx, vt->run(e->search, &k->args, k->host->ud), "the run of %s", k->host->name);
}

static int run_estim(mn_estim *e) {
    return mn_pipeline_hand_over(e, drive);
}

/* The host's bytes are the last of the section. */
static int state_estim(mn_estim *e, mn_state *io) {
    const kept *k = e->state;
    const modnas_estim_vt *vt = k->host->vt;
    mn_callback_begin(e->ctx);
    if (!io->loading)
        return mn_callback_end(e->ctx, vt->save(e->search, io, k->host->ud), "the save of %s", k->host->name);
    const char *data = mn_state_rest(io);
    const size_t n = io->n - (size_t)(data - io->in);
    return mn_callback_end(e->ctx, vt->load(e->search, data, n, k->host->ud), "the load of %s", k->host->name);
}

static void destroy_estim(mn_estim *e) {
    mn_node_free(e->ctx, ((kept *)e->state)->map);
}

static int build_estim(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_host *h = c->data;
    mn_estim *e;
    MN_TRY(mn_estim_new(&h->estim_vt, args->ctx, env, sizeof(kept), &e));
    const int rc = keep(e->state, c, args);
    if (rc)
        mn_estim_free(e);
    else
        *(mn_estim **)out = e;
    return rc;
}

static int init_estim(modnas_ctx *ctx, mn_host *h) {
    const modnas_estim_vt *vt = h->vt;
    h->estim_vt = (mn_estim_vt){.prepare = mn_estim_prepare, .run = run_estim, .destroy = destroy_estim, .is_free = 1};
    h->estim_vt.state = vt->save ? state_estim : NULL;
    if (!vt->save != !vt->load) return mn_host_fail_pair(ctx, h);
    return need(ctx, h, "run", vt->run != NULL);
}

static int put_estim(modnas_ctx *ctx, const mn_node *spec, const modnas_place *place) {
    return mn_host_put_part(ctx, "estim", spec, place);
}

const mn_host_kind mn_host_estim = {.kind = "estim",
                                    .vt_name = "modnas_estim_vt",
                                    .vt_bytes = sizeof(modnas_estim_vt),
                                    .init = init_estim,
                                    .build = build_estim,
                                    .put = put_estim};

/* ---- metrics ------------------------------------------------------------------------------------------- */

static int measure(mn_metric *m, mn_estim *e, mn_metrics *out) {
    const kept *k = m->state;
    const modnas_metrics_vt *vt = k->host->vt;
    double value = 0;
    mn_callback_begin(m->ctx);
    MN_TRY(mn_callback_end(m->ctx, vt->measure(e->search, e->subject, &k->args, &value, k->host->ud),
                           "the measure of %s", k->host->name));
    return mn_metrics_add(m->ctx, out, k->host->name, value);
}

static void destroy_metric(mn_metric *m) {
    if (m->state) mn_node_free(m->ctx, ((kept *)m->state)->map);
}

static int build_metric(const mn_component *c, const mn_args *args, const void *env, void *out) {
    (void)env;
    mn_metric *m = mn_alloc(args->ctx, 1, sizeof *m);
    if (!m) return MODNAS_ENOMEM;
    mn_ctx_hold(args->ctx);
    *m = (mn_metric){.ctx = args->ctx, .measure = measure, .destroy = destroy_metric};
    m->state = mn_alloc(args->ctx, 1, sizeof(kept));
    const int rc = m->state ? keep(m->state, c, args) : MODNAS_ENOMEM;
    if (rc)
        mn_metric_free(m);
    else
        *(mn_metric **)out = m;
    return rc;
}

static int init_metric(modnas_ctx *ctx, mn_host *h) {
    return need(ctx, h, "measure", ((const modnas_metrics_vt *)h->vt)->measure != NULL);
}

static int put_metrics(modnas_ctx *ctx, const mn_node *spec, const modnas_place *place) {
    return mn_host_put_part(ctx, "metrics", spec, place);
}

const mn_host_kind mn_host_metrics = {.kind = "metrics",
                                      .vt_name = "modnas_metrics_vt",
                                      .vt_bytes = sizeof(modnas_metrics_vt),
                                      .init = init_metric,
                                      .build = build_metric,
                                      .put = put_metrics};

/* ---- criterion ----------------------------------------------------------------------------------------- */

static int loss(const mn_criterion *c, mn_run *run, mn_value *logits, mn_value *target, mn_value **out) {
    const kept *k = c->state;
    const modnas_criterion_vt *vt = k->host->vt;
    mn_value *v = NULL;
    mn_callback_begin(c->ctx);
    MN_TRY(mn_callback_end(c->ctx, vt->loss(run, logits, target, &k->args, &v, k->host->ud), "the loss of %s",
                           k->host->name));
    if (!v || !mn_run_owns(run, v))
        return mn_fail(c->ctx, MODNAS_EINVAL, "the loss of %s gave %s", k->host->name,
                       v ? "a value of another tape" : "no value");
    if (v->dims[0] == 1 && v->dims[1] == 1 && v->dims[2] == 1 && v->dims[3] == 1) {
        *out = v;
        return 0;
    }
    return mn_fail(c->ctx, MODNAS_ESHAPE, "the loss of %s is %lld x %lld x %lld x %lld, not one number", k->host->name,
                   (long long)v->dims[0], (long long)v->dims[1], (long long)v->dims[2], (long long)v->dims[3]);
}

static void destroy_criterion(mn_criterion *c) {
    if (c->state) mn_node_free(c->ctx, ((kept *)c->state)->map);
}

static int build_criterion(const mn_component *c, const mn_args *args, const void *env, void *out) {
    (void)env;
    mn_criterion *k = mn_alloc(args->ctx, 1, sizeof *k);
    if (!k) return MODNAS_ENOMEM;
    mn_ctx_hold(args->ctx);
    *k = (mn_criterion){.ctx = args->ctx, .loss = loss, .destroy = destroy_criterion};
    k->state = mn_alloc(args->ctx, 1, sizeof(kept));
    const int rc = k->state ? keep(k->state, c, args) : MODNAS_ENOMEM;
    if (rc)
        mn_criterion_free(k);
    else
        *(mn_criterion **)out = k;
    return rc;
}

static int init_criterion(modnas_ctx *ctx, mn_host *h) {
    return need(ctx, h, "loss", ((const modnas_criterion_vt *)h->vt)->loss != NULL);
}

static int put_criterion(modnas_ctx *ctx, const mn_node *spec, const modnas_place *place) {
    return mn_host_put_part(ctx, "criterion", spec, place);
}

const mn_host_kind mn_host_criterion = {.kind = "criterion",
                                        .vt_name = "modnas_criterion_vt",
                                        .vt_bytes = sizeof(modnas_criterion_vt),
                                        .init = init_criterion,
                                        .build = build_criterion,
                                        .put = put_criterion};

/* ---- export -------------------------------------------------------------------------------------------- */

static int run_exporter(mn_exporter *e, mn_model *model, mn_node **desc) {
    const kept *k = e->state;
    const modnas_export_vt *vt = k->host->vt;
    const char *yaml = NULL;
    mn_arch *arch;
    MN_TRY(mn_arch_new(model, &arch));
    int rc = mn_derive_arch(arch);
    if (!rc) {
        mn_callback_begin(e->ctx);
        rc =
            mn_callback_end(e->ctx, vt->run(model, arch, &k->args, &yaml, k->host->ud), "the run of %s", k->host->name);
    }
    if (!rc && !yaml) rc = mn_fail(e->ctx, MODNAS_EINVAL, "the run of %s gave no text", k->host->name);
    if (!rc) rc = mn_yaml_value(e->ctx, yaml, k->host->name, desc);
    mn_arch_free(arch);
    return rc;
}

static void destroy_exporter(mn_exporter *e) {
    mn_node_free(e->ctx, ((kept *)e->state)->map);
}

static int build_exporter(const mn_component *c, const mn_args *args, const void *env, void *out) {
    (void)env;
    mn_exporter *e;
    MN_TRY(mn_exporter_new(args->ctx, sizeof(kept), run_exporter, &e));
    e->destroy = destroy_exporter;
    const int rc = keep(e->state, c, args);
    if (rc)
        mn_exporter_free(e);
    else
        *(mn_exporter **)out = e;
    return rc;
}

static int init_exporter(modnas_ctx *ctx, mn_host *h) {
    return need(ctx, h, "run", ((const modnas_export_vt *)h->vt)->run != NULL);
}

static int put_export(modnas_ctx *ctx, const mn_node *spec, const modnas_place *place) {
    return mn_host_put_part(ctx, "export", spec, place);
}

const mn_host_kind mn_host_export = {.kind = "export",
                                     .vt_name = "modnas_export_vt",
                                     .vt_bytes = sizeof(modnas_export_vt),
                                     .init = init_exporter,
                                     .build = build_exporter,
                                     .put = put_export};
