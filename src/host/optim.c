/* Optimizers of hosts. */
#include "host/host.h"

typedef struct host_optim { /* state of a host's optimizer */
    const mn_host *host;
    void *state;
    int32_t is_made; /* 1: state is to be destroyed */
} host_optim;

/* Architectures come as the model is set; the reader of a callback's code is the search. */
static int ask(mn_optim *o, int32_t n, mn_arch *const *archs, int32_t *n_out) {
    const host_optim *s = o->state;
    const modnas_optim_vt *vt = s->host->vt;
    int32_t got = 0;
    *n_out = 0;
    for (int32_t i = 0; i < n; i++) mn_arch_read(archs[i]);
    mn_callback_begin(o->ctx);
    const int rc = vt->ask(s->state, archs, n, &got, s->host->ud);
    const int is_done = rc == MODNAS_EDONE || (!rc && !got);
    if (!is_done) MN_TRY(mn_callback_end(o->ctx, rc, "the ask of %s", s->host->name));
    if (is_done) return n ? mn_fail(o->ctx, MODNAS_EDONE, "%s has nothing left to propose", s->host->name) : 0;
    if (got < 0 || got > n)
        return mn_fail(o->ctx, MODNAS_EINVAL, "the ask of %s gave %d architectures of %d", s->host->name, got, n);
    *n_out = got;
    return 0;
}

static int tell(mn_optim *o, const mn_arch *arch, int status, const mn_metrics *metrics) {
    const host_optim *s = o->state;
    const modnas_optim_vt *vt = s->host->vt;
    modnas_metric list[MN_MAX_METRICS];
    const int32_t n = metrics && !status ? metrics->n : 0;
    if (!vt->tell) return 0;
    for (int32_t i = 0; i < n; i++) list[i] = (modnas_metric){metrics->name[i], metrics->value[i]};
    mn_callback_begin(o->ctx);
    return mn_callback_end(o->ctx, vt->tell(s->state, arch, status, n ? list : NULL, n, s->host->ud), "the tell of %s",
                           s->host->name);
}

/* The host's bytes are the last of the section. */
static int state(mn_optim *o, mn_state *io) {
    const host_optim *s = o->state;
    const modnas_optim_vt *vt = s->host->vt;
    mn_callback_begin(o->ctx);
    if (!io->loading)
        return mn_callback_end(o->ctx, vt->save(s->state, io, s->host->ud), "the save of %s", s->host->name);
    const char *data = mn_state_rest(io);
    const size_t n = io->n - (size_t)(data - io->in);
    return mn_callback_end(o->ctx, vt->load(s->state, data, n, s->host->ud), "the load of %s", s->host->name);
}

static void destroy(mn_optim *o) {
    const host_optim *s = o->state;
    const modnas_optim_vt *vt = s->host ? s->host->vt : NULL;
    if (s->is_made && vt->destroy) vt->destroy(s->state, s->host->ud);
}

static int create(mn_optim *o, const mn_args *args) {
    host_optim *s = o->state;
    const modnas_optim_vt *vt = s->host->vt;
    if (vt->create) {
        mn_callback_begin(o->ctx);
        MN_TRY(mn_callback_end(o->ctx, vt->create(o->model, args, &s->state, s->host->ud), "the create of %s",
                               s->host->name));
    }
    s->is_made = 1;
    return 0;
}

static int build(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_host *h = c->data;
    mn_optim *o;
    if (!mn_space_n_genes(((const mn_optim_env *)env)->model->space))
        return mn_fail(args->ctx, MODNAS_ECONFIG, "%s: model %s has nothing to choose", c->name,
                       ((const mn_optim_env *)env)->model->type);
    MN_TRY(mn_optim_new(&h->optim_vt, args->ctx, env, sizeof(host_optim), &o));
    ((host_optim *)o->state)->host = h;
    const int rc = create(o, args);
    if (rc)
        mn_optim_free(o);
    else
        *(mn_optim **)out = o;
    return rc;
}

static int init(modnas_ctx *ctx, mn_host *h) {
    const modnas_optim_vt *vt = h->vt;
    h->optim_vt = (mn_optim_vt){.ask = ask, .tell = tell, .destroy = destroy, .state = vt->save ? state : NULL};
    if (!vt->save != !vt->load) return mn_host_fail_pair(ctx, h);
    if (vt->ask) return 0;
    return mn_fail(ctx, MODNAS_EINVAL, "optim '%.80s': ask is NULL", h->name);
}

static int put_optim(modnas_ctx *ctx, const mn_node *spec, const modnas_place *place) {
    return mn_host_put_part(ctx, "optim", spec, place);
}

const mn_host_kind mn_host_optim = {.kind = "optim",
                                    .vt_name = "modnas_optim_vt",
                                    .vt_bytes = sizeof(modnas_optim_vt),
                                    .init = init,
                                    .build = build,
                                    .put = put_optim};
