/* Torch case of DARTS' second order: logits = sum_k softmax(alpha)_k X W_k, one SGD step with momentum looked ahead. */
#include <string.h>

#include "cases.h"
#include "train/unroll.h"
#include "train/update.h"

enum { MAX_OPS = 8 };

typedef struct mixture {
    const cs_tensor *x[2], *y[2], *w, *alpha, *buf; /* 0: training, 1: validation */
    int32_t n;
    mn_param *weights[MAX_OPS], *logits;
    mn_store *arch;
    mn_run *run[MN_N_UNROLL];
    mn_value *loss[MN_N_UNROLL];
    mn_weight_optim *sgd;
    mn_unroll *unroll;
    double valid_loss;
} mixture;

static int open_tensors(cs_env *e, mixture *m) {
    CS_DO(cs_need(e, "Xt", &m->x[0]));
    CS_DO(cs_need(e, "Yt", &m->y[0]));
    CS_DO(cs_need(e, "Xv", &m->x[1]));
    CS_DO(cs_need(e, "Yv", &m->y[1]));
    CS_DO(cs_need(e, "W", &m->w));
    CS_DO(cs_need(e, "alpha", &m->alpha));
    CS_DO(cs_need(e, "buf", &m->buf));
    if (m->w->rank != 3 || m->w->dims[0] != m->alpha->n || m->buf->n != m->w->n) return cs_fail(e, "W, alpha or buf");
    if (m->alpha->n > MAX_OPS) return cs_skip(e, "%d operators", (int)m->alpha->n);
    m->n = (int32_t)m->alpha->n;
    return CS_OK;
}

/* Matrix k of a (k, in, out) tensor as the library has it, (out, in). */
static const double *matrix(cs_env *e, const cs_tensor *t, int32_t k) {
    const int64_t in = t->dims[1], out = t->dims[2];
    double *v = cs_reals(e, in * out);
    for (int64_t i = 0; i < in * out; i++) v[i % out * in + i / out] = t->v[k * in * out + i];
    return v;
}

static int open_params(cs_env *e, mixture *m) {
    const int64_t dims[4] = {1, m->n, 1, 1};
    CS_DO(cs_net_new(e));
    for (int32_t k = 0; k < m->n; k++)
        CS_DO(cs_net_linear_weights(e, m->w->dims[2], m->w->dims[1], matrix(e, m->w, k), &m->weights[k]));
    CS_DO(cs_net_begin(e, &(mn_run_opts){0}));
    CS_LIB(e, mn_param_new(e->ctx, MN_ROLE_ARCH, 1, dims, MN_INIT_ZEROS, 0, &m->logits));
    CS_LIB(e, mn_store_new(e->b, e->dtype, &m->arch));
    CS_LIB(e, mn_store_add(m->arch, m->logits, "alpha"));
    CS_LIB(e, mn_store_commit(m->arch, 1));
    CS_LIB(e, mn_param_set(m->logits, m->alpha->v));
    return CS_OK;
}

static int record(cs_env *e, mixture *m, int32_t kind) {
    static const int32_t grads[] = {MN_ROLE_WEIGHT, MN_ROLE_WEIGHT | MN_ROLE_ARCH, MN_ROLE_ARCH};
    const int valid = kind == MN_UNROLL_VALID;
    mn_run *run = m->run[kind];
    mn_value *x, *y, *w, *p, *out[MAX_OPS];
    CS_LIB(e, mn_run_begin(run, &(mn_run_opts){.train = 1, .grads = grads[kind]}));
    CS_DO(cs_net_input(e, (const int64_t[4]){m->x[valid]->dims[0], m->x[valid]->dims[1], 1, 1}, m->x[valid]->v, &x));
    CS_DO(cs_net_labels(e, m->y[valid]->n, m->y[valid]->v, &y));
    for (int32_t k = 0; k < m->n; k++) {
        CS_LIB(e, mn_use_param(run, m->weights[k], &w));
        CS_LIB(e, mn_linear(run, x, w, NULL, &out[k]));
    }
    CS_LIB(e, mn_use_param(run, m->logits, &p));
    CS_LIB(e, mn_softmax(run, p, 0, &p));
    CS_LIB(e, mn_weighted_sum(run, p, out, m->n, &x));
    CS_LIB(e, mn_softmax_xent(run, x, y, 0, &m->loss[kind]));
    CS_LIB(e, mn_run_keep(run, m->loss[kind]));
    CS_LIB(e, mn_run_plan(run, m->loss[kind]));
    return CS_OK;
}

/* The inputs' helpers record into the net's run. */
static int open_runs(cs_env *e, mixture *m) {
    mn_run *own = e->net.run;
    int rc = CS_OK;
    for (int32_t kind = 0; kind < MN_N_UNROLL && rc == CS_OK; kind++) {
        CS_LIB(e, mn_run_new(e->b, e->dtype, e->net.slab, &m->run[kind]));
        e->net.run = m->run[kind];
        rc = record(e, m, kind);
        e->net.run = own;
    }
    return rc;
}

/* Its buffer holds what earlier steps left. */
static int open_sgd(cs_env *e, mixture *m) {
    const mn_sgd_opts opts = {.lr = cs_attr_real(e, "lr", 0.1),
                              .momentum = cs_attr_real(e, "momentum", 0),
                              .weight_decay = cs_attr_real(e, "weight_decay", 0)};
    CS_LIB(e, mn_sgd_new(e->ctx, e->net.store, &opts, &m->sgd));
    for (int32_t k = 0; k < m->n; k++) {
        const double *v = matrix(e, m->buf, k);
        const int64_t n = mn_param_numel(m->weights[k]);
        float *narrow = (float *)cs_reals(e, n);
        for (int64_t i = 0; i < n; i++) narrow[i] = (float)v[i];
        const void *plain = e->dtype == MODNAS_F64 ? (const void *)v : narrow;
        CS_LIB(e, mn_param_copy_in(m->weights[k], m->sgd->state[0], plain));
        m->sgd->steps[k] = 1;
    }
    CS_LIB(e, mn_unroll_new(e->net.store, m->arch, &m->unroll));
    return CS_OK;
}

static int run_pass(int32_t kind, void *ud) {
    mixture *m = ud;
    MN_TRY(mn_run_forward(m->run[kind], 1));
    if (kind == MN_UNROLL_VALID) MN_TRY(mn_run_read(m->run[kind], m->loss[kind], &m->valid_loss));
    return mn_run_backward(m->run[kind]);
}

static int check_grad(cs_env *e, const mixture *m, const char *name) {
    double *g = cs_reals(e, m->n);
    CS_LIB(e, mn_param_get_grad(m->logits, g));
    return cs_check_named(e, name, g, m->n);
}

static int check(cs_env *e, mixture *m) {
    const double lr = mn_weight_optim_lr(m->sgd);
    CS_LIB(e, mn_unroll_grad(m->unroll, m->sgd, lr, 0.01, run_pass, m));
    CS_DO(cs_check_named(e, "val_loss_unrolled", &m->valid_loss, 1));
    CS_DO(check_grad(e, m, "galpha_second_order"));
    CS_LIB(e, mn_unroll_grad(m->unroll, m->sgd, 0, 0.01, run_pass, m));
    return check_grad(e, m, "galpha_first_order");
}

int cs_torch_darts(cs_env *e) {
    mixture m;
    memset(&m, 0, sizeof m);
    int rc = open_tensors(e, &m);
    if (rc == CS_OK) rc = open_params(e, &m);
    if (rc == CS_OK) rc = open_runs(e, &m);
    if (rc == CS_OK) rc = open_sgd(e, &m);
    if (rc == CS_OK) rc = check(e, &m);
    mn_unroll_free(m.unroll);
    mn_weight_optim_free(m.sgd);
    for (int i = 0; i < MN_N_UNROLL; i++) mn_run_free(m.run[i]);
    mn_store_free(m.arch);
    mn_param_free(m.logits);
    return rc;
}
