/* ONNX matrix products and optimizers. Transposing operands is done here; products are the library's linear layer. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "cases.h"
#include "train/update.h"

/* ---- Gemm: alpha A' B' + beta C ---- */

/* A matrix operand, transposed if `flip`. */
static const double *matrix(cs_env *e, const cs_tensor *t, int flip, int64_t *rows, int64_t *columns) {
    *rows = t->dims[flip ? 1 : 0];
    *columns = t->dims[flip ? 0 : 1];
    return flip ? cs_transpose(e, t->v, t->dims, 2, (const int32_t[]){1, 0}) : t->v;
}

/* y = alpha x w^T, x (m, k), w (n, k), + beta c; a vector c is the layer's bias where alpha is 1. */
static int record_gemm(cs_env *e, mn_value *x, mn_param *pw, mn_param *pc, double alpha, double beta, mn_value **y) {
    mn_value *w, *c = NULL;
    CS_LIB(e, mn_use_param(e->net.run, pw, &w));
    if (pc) CS_LIB(e, mn_use_param(e->net.run, pc, &c));
    const int is_bias = c && c->dims[0] == 1 && c->dims[1] == w->dims[0] && alpha == 1 && beta == 1;
    CS_LIB(e, mn_linear(e->net.run, x, w, is_bias ? c : NULL, y));
    if (is_bias) return CS_OK;
    if (alpha != 1) CS_LIB(e, mn_activation(e->net.run, *y, MODNAS_ACT_LINEAR, alpha, 0, y));
    if (!c || beta == 0) return CS_OK;
    if (beta != 1) CS_LIB(e, mn_activation(e->net.run, c, MODNAS_ACT_LINEAR, beta, 0, &c));
    CS_LIB(e, mn_binary(e->net.run, MODNAS_BINARY_ADD, *y, c, y));
    return CS_OK;
}

int cs_onnx_gemm(cs_env *e) {
    const mn_run_opts opts = {0};
    int64_t m, k, n, k2;
    mn_param *pw, *pc = NULL;
    mn_value *x, *y;
    double *got;
    CS_DO(cs_need_inputs(e, 2));
    const cs_tensor *a = cs_nth(e, 0), *b = cs_nth(e, 1), *c = cs_nth(e, 2);
    if (a->rank != 2 || b->rank != 2 || (c && c->rank > 2)) return cs_fail(e, "operands are no matrices");
    const double *rows = matrix(e, a, cs_attr_int(e, "transA", 0) != 0, &m, &k);
    const double *columns = matrix(e, b, !cs_attr_int(e, "transB", 0), &n, &k2);
    CS_DO(cs_net_new(e));
    CS_DO(cs_net_linear_weights(e, n, k2, columns, &pw));
    if (c) {
        const int64_t dims[4] = {c->rank == 2 ? c->dims[0] : 1, c->rank > 0 ? c->dims[c->rank - 1] : 1, 1, 1};
        CS_DO(cs_net_param(e, MN_ROLE_WEIGHT, dims, c->v, &pc));
    }
    CS_DO(cs_net_begin(e, &opts));
    CS_DO(cs_net_input(e, (const int64_t[]){m, k, 1, 1}, rows, &x));
    CS_DO(record_gemm(e, x, pw, pc, cs_attr_real(e, "alpha", 1), cs_attr_real(e, "beta", 1), &y));
    CS_LIB(e, mn_run_keep(e->net.run, y));
    CS_DO(cs_net_run(e, NULL));
    CS_DO(cs_net_read(e, y, &got));
    return cs_check(e, &e->c->out[0], got, cs_product(y->dims, 0, 4));
}

/* ---- MatMul: a linear layer for each pair of matrices ---- */

static int product(cs_env *e, const double *a, const double *b, int64_t m, int64_t k, int64_t n, double *out) {
    const mn_run_opts opts = {0};
    const int64_t dims[2] = {k, n};
    mn_param *pw;
    mn_value *x, *y, *w;
    double *got;
    CS_DO(cs_net_new(e));
    CS_DO(cs_net_linear_weights(e, n, k, cs_transpose(e, b, dims, 2, (const int32_t[]){1, 0}), &pw));
    CS_DO(cs_net_begin(e, &opts));
    CS_DO(cs_net_input(e, (const int64_t[]){m, k, 1, 1}, a, &x));
    CS_LIB(e, mn_use_param(e->net.run, pw, &w));
    CS_LIB(e, mn_linear(e->net.run, x, w, NULL, &y));
    CS_LIB(e, mn_run_keep(e->net.run, y));
    CS_DO(cs_net_run(e, NULL));
    CS_DO(cs_net_read(e, y, &got));
    memcpy(out, got, sizeof *out * (size_t)(m * n));
    return CS_OK;
}

int cs_onnx_matmul(cs_env *e) {
    CS_DO(cs_need_inputs(e, 2));
    const cs_tensor *a = cs_nth(e, 0), *b = cs_nth(e, 1);
    const int32_t r = a->rank;
    if (r < 2 || b->rank != r) return cs_skip(e, "operands of rank %d and %d", (int)r, (int)b->rank);
    if (memcmp(a->dims, b->dims, sizeof *a->dims * (size_t)(r - 2)) != 0) return cs_skip(e, "batches are broadcast");
    const int64_t m = a->dims[r - 2], k = a->dims[r - 1], n = b->dims[r - 1], batch = cs_product(a->dims, 0, r - 2);
    if (b->dims[r - 2] != k) return cs_fail(e, "inner sizes differ");
    double *y = cs_reals(e, batch * m * n);
    for (int64_t i = 0; i < batch; i++) CS_DO(product(e, a->v + i * m * k, b->v + i * k * n, m, k, n, y + i * m * n));
    return cs_check(e, &e->c->out[0], y, batch * m * n);
}

/* ---- Momentum, Adam, Adagrad: R, T, X..., G..., states... -> X..., states... ---- */

typedef struct update {
    double rate;
    int64_t t;
    int32_t n, n_state;
    mn_weight_optim *o;
} update;

/* Tensor `part` (0: X, 1: G, 2 on: states) of parameter i. */
static const cs_tensor *part_of(const cs_env *e, const update *u, int32_t part, int32_t i) {
    return cs_nth(e, 2 + part * u->n + i);
}

static int read_update(cs_env *e, int32_t n_state, update *u) {
    const mn_run_opts opts = {0};
    *u = (update){.n_state = n_state, .n = (e->c->n_in - 2) / (2 + n_state)};
    CS_DO(cs_need_inputs(e, e->c->n_in));
    if (u->n < 1 || e->c->n_in != 2 + u->n * (2 + n_state) || e->c->n_out != u->n * (1 + n_state))
        return cs_fail(e, "%d inputs and %d outputs", (int)e->c->n_in, (int)e->c->n_out);
    u->rate = cs_nth(e, 0)->v[0];
    u->t = (int64_t)cs_nth(e, 1)->v[0];
    CS_DO(cs_net_new(e));
    for (int32_t i = 0; i < u->n; i++) {
        const cs_tensor *x = part_of(e, u, 0, i);
        mn_param *p;
        for (int32_t part = 1; part < 2 + n_state; part++)
            if (part_of(e, u, part, i)->n != x->n)
                return cs_fail(e, "%s and its gradient or states differ in size", x->name);
        CS_DO(cs_net_param(e, MN_ROLE_WEIGHT, (const int64_t[]){1, x->n, 1, 1}, x->v, &p));
    }
    CS_DO(cs_net_begin(e, &opts));
    mn_store_zero_grad(e->net.store);
    for (int32_t i = 0; i < u->n; i++) CS_DO(cs_net_set_grad(e, e->net.params[i], part_of(e, u, 1, i)->v));
    return CS_OK;
}

static size_t element_bytes(const cs_env *e) {
    return e->dtype == MODNAS_F64 ? sizeof(double) : sizeof(float);
}

/* Move a state of parameter i between the optimizer's arena and doubles. */
static int state_io(cs_env *e, const update *u, int32_t s, int32_t i, double *v, int out) {
    const mn_param *p = e->net.params[i];
    const int64_t n = mn_param_numel(p);
    const size_t size = element_bytes(e);
    char *place = (char *)u->o->state[s] + p->offset * size;
    void *host = cs_alloc(e, n, sizeof(double));
    for (int64_t k = 0; k < n && !out; k++) {
        if (size == sizeof(double)) ((double *)host)[k] = v[k];
        if (size == sizeof(float)) ((float *)host)[k] = (float)v[k];
    }
    if (!out) CS_LIB(e, mn_backend_upload(e->b, place, host, (size_t)n * size));
    if (out) CS_LIB(e, mn_backend_download(e->b, host, place, (size_t)n * size));
    for (int64_t k = 0; k < n && out; k++)
        v[k] = size == sizeof(double) ? ((const double *)host)[k] : (double)((const float *)host)[k];
    return CS_OK;
}

/* One step with the states of the case; `steps` updates are said to have been made before. */
static int step(cs_env *e, update *u, double lr, int64_t steps, double shrink) {
    double *v;
    for (int32_t i = 0; i < u->n; i++) {
        u->o->steps[i] = steps;
        for (int32_t s = 0; s < u->n_state; s++) CS_DO(state_io(e, u, s, i, part_of(e, u, 2 + s, i)->v, 0));
    }
    CS_LIB(e, mn_weight_optim_step(u->o, lr, 1));
    for (int32_t i = 0; i < u->n; i++) {
        const int64_t n = mn_param_numel(e->net.params[i]);
        CS_DO(cs_net_get(e, e->net.params[i], &v));
        for (int64_t k = 0; k < n; k++) v[k] *= shrink;
        CS_DO(cs_check(e, &e->c->out[i], v, n));
        for (int32_t s = 0; s < u->n_state; s++) {
            CS_DO(state_io(e, u, s, i, v, 1));
            CS_DO(cs_check(e, &e->c->out[(1 + s) * u->n + i], v, n));
        }
    }
    return CS_OK;
}

/* V' = alpha V + b (G + norm X), b = beta, but 1 when T is 0: momentum alpha, dampening 1 - b. The buffer is never the
 * first one, since V is given. X' = X - R V', or, nesterov, X - R (G + norm X + alpha V'). */
int cs_onnx_momentum(cs_env *e) {
    update u;
    CS_DO(read_update(e, 1, &u));
    const double b = u.t > 0 ? cs_attr_real(e, "beta", 1) : 1, alpha = cs_attr_real(e, "alpha", 0);
    const mn_sgd_opts o = {.lr = u.rate,
                           .momentum = alpha != 0 ? alpha : DBL_MIN, /* the library keeps no buffer at 0 */
                           .dampening = 1 - b,
                           .weight_decay = cs_attr_real(e, "norm_coefficient", 0),
                           .nesterov = cs_attr_is(e, "mode", "nesterov")};
    CS_LIB(e, mn_sgd_new(e->ctx, e->net.store, &o, &u.o));
    const int rc = step(e, &u, u.rate, 1, 1);
    mn_weight_optim_free(u.o);
    return rc;
}

/* X' = X - r V' / (sqrt(H') + eps), r = R sqrt(1 - beta^T) / (1 - alpha^T), but R when T is 0. torch's form divides
 * sqrt(H') by sqrt(1 - beta^t) before it adds its eps: the same with eps / sqrt(1 - beta^t); T = 0 is t = 1 with its
 * corrections taken out. */
int cs_onnx_adam(cs_env *e) {
    update u;
    CS_DO(read_update(e, 2, &u));
    const double alpha = cs_attr_real(e, "alpha", 0.9), beta = cs_attr_real(e, "beta", 0.999);
    const int64_t t = u.t > 0 ? u.t : 1;
    const double correct1 = 1 - pow(alpha, (double)t), correct2 = sqrt(1 - pow(beta, (double)t));
    const double lr = u.t > 0 ? u.rate : u.rate * correct1 / correct2;
    const mn_adam_opts o = {.lr = lr,
                            .beta1 = alpha,
                            .beta2 = beta,
                            .eps = cs_attr_real(e, "epsilon", 1e-6) / correct2,
                            .weight_decay = cs_attr_real(e, "norm_coefficient", 0)};
    CS_LIB(e, mn_adam_new(e->ctx, e->net.store, &o, &u.o));
    const int rc = step(e, &u, lr, t - 1, 1 - cs_attr_real(e, "norm_coefficient_post", 0));
    mn_weight_optim_free(u.o);
    return rc;
}

/* H' = H + (G + norm X)^2, X' = X - R / (1 + T decay) (G + norm X) / (sqrt(H') + eps): torch's form after T steps. */
int cs_onnx_adagrad(cs_env *e) {
    update u;
    CS_DO(read_update(e, 1, &u));
    const mn_adagrad_opts o = {.lr = u.rate,
                               .lr_decay = cs_attr_real(e, "decay_factor", 0),
                               .weight_decay = cs_attr_real(e, "norm_coefficient", 0),
                               .eps = cs_attr_real(e, "epsilon", 1e-6)};
    CS_LIB(e, mn_adagrad_new(e->ctx, e->net.store, &o, &u.o));
    const int rc = step(e, &u, u.rate, u.t, 1);
    mn_weight_optim_free(u.o);
    return rc;
}
