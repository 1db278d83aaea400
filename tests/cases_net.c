/* Nets for cases: parameters in a store, one run, and the reading and writing of both. */
#include <stdlib.h>
#include <string.h>

#include "cases.h"

enum { MAX_PARAMS = 256 };

void cs_net_free(cs_env *e) {
    cs_net *n = &e->net;
    mn_run_free(n->run);
    mn_slab_free(n->slab);
    mn_store_free(n->store);
    for (int32_t i = 0; i < n->n_params; i++) mn_param_free(n->params[i]);
    memset(n, 0, sizeof *n);
}

int cs_net_new(cs_env *e) {
    cs_net_free(e);
    e->net.params = cs_alloc(e, MAX_PARAMS, sizeof *e->net.params);
    e->net.values = cs_alloc(e, MAX_PARAMS, sizeof *e->net.values);
    CS_LIB(e, mn_store_new(e->b, e->dtype, &e->net.store));
    CS_LIB(e, mn_slab_new(e->b, &e->net.slab));
    CS_LIB(e, mn_run_new(e->b, e->dtype, e->net.slab, &e->net.run));
    return CS_OK;
}

static int rank_of(const int64_t dims[4]) {
    return dims[0] == 1 && dims[2] == 1 && dims[3] == 1 ? 1 : 4;
}

static int new_param(cs_env *e, int32_t role, const int64_t dims[4], const double *v, mn_param **out) {
    cs_net *n = &e->net;
    if (n->n_params == MAX_PARAMS) return cs_skip(e, "more than %d tensors", (int)MAX_PARAMS);
    CS_LIB(e, mn_param_new(e->ctx, role, rank_of(dims), dims, MN_INIT_ZEROS, 0, out));
    n->values[n->n_params] = v;
    n->params[n->n_params++] = *out;
    return CS_OK;
}

static int add_param(cs_env *e, mn_param *p) {
    char name[16] = "p";
    const int32_t i = e->net.n_params - 1;
    name[1] = (char)('0' + i / 100);
    name[2] = (char)('0' + i / 10 % 10);
    name[3] = (char)('0' + i % 10);
    CS_LIB(e, mn_store_add(e->net.store, p, name));
    return CS_OK;
}

int cs_net_param(cs_env *e, int32_t role, const int64_t dims[4], const double *v, mn_param **out) {
    CS_DO(new_param(e, role, dims, v, out));
    return add_param(e, *out);
}

/* The use of weights in a net, on an image that just holds one window: their layout depends on the geometry only. */
int cs_net_conv_weights(cs_env *e, const int64_t dims[4], const double *v, const cs_window *w, mn_param **out) {
    CS_DO(new_param(e, MN_ROLE_WEIGHT, dims, v, out));
    modnas_kernel *k = &(*out)->use;
    memset(k, 0, sizeof *k);
    k->kind = MODNAS_KERNEL_CONV2D;
    k->src.dims[0] = k->dst.dims[0] = 1;
    k->src.dims[1] = dims[1] * w->groups;
    k->dst.dims[1] = dims[0];
    for (int i = 0; i < 2; i++) {
        k->u.window.kernel[i] = w->kernel[i];
        k->u.window.stride[i] = w->stride[i];
        k->u.window.dilation[i] = w->dilation[i];
        k->u.window.pad[i] = w->pad[i];
        k->u.window.pad[i + 2] = w->pad[i + 2];
        k->src.dims[i + 2] = w->dilation[i] * (w->kernel[i] - 1) + 1;
        k->dst.dims[i + 2] = (w->pad[i] + w->pad[i + 2]) / w->stride[i] + 1;
    }
    k->u.window.groups = w->groups;
    memcpy(k->weights.dims, dims, sizeof k->weights.dims);
    (*out)->groups = w->groups;
    (*out)->rank = 4;
    return add_param(e, *out);
}

int cs_net_linear_weights(cs_env *e, int64_t n_out, int64_t n_in, const double *v, mn_param **out) {
    const int64_t dims[4] = {n_out, n_in, 1, 1};
    CS_DO(new_param(e, MN_ROLE_WEIGHT, dims, v, out));
    modnas_kernel *k = &(*out)->use;
    memset(k, 0, sizeof *k);
    k->kind = MODNAS_KERNEL_LINEAR;
    const int64_t src[4] = {1, n_in, 1, 1}, dst[4] = {1, n_out, 1, 1};
    memcpy(k->src.dims, src, sizeof src);
    memcpy(k->weights.dims, dims, sizeof dims);
    memcpy(k->dst.dims, dst, sizeof dst);
    (*out)->rank = 2;
    return add_param(e, *out);
}

int cs_net_begin(cs_env *e, const mn_run_opts *opts) {
    CS_LIB(e, mn_store_commit(e->net.store, 1));
    for (int32_t i = 0; i < e->net.n_params; i++) CS_LIB(e, mn_param_set(e->net.params[i], e->net.values[i]));
    CS_LIB(e, mn_run_begin(e->net.run, opts));
    return CS_OK;
}

/* ---- recording ---- */

static int bound_input(cs_env *e, const int64_t dims[4], int32_t dtype, const double *v, mn_value **out) {
    const int64_t n = cs_product(dims, 0, 4);
    void *host = cs_alloc(e, n, sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        if (dtype == MODNAS_F64) ((double *)host)[i] = v[i];
        if (dtype == MODNAS_F32) ((float *)host)[i] = (float)v[i];
        if (dtype == MODNAS_I32) ((int32_t *)host)[i] = (int32_t)v[i];
    }
    CS_LIB(e, mn_input(e->net.run, dims, dtype, out));
    mn_run_bind(e->net.run, *out, host);
    return CS_OK;
}

int cs_net_input(cs_env *e, const int64_t dims[4], const double *v, mn_value **out) {
    return bound_input(e, dims, e->dtype, v, out);
}

int cs_net_labels(cs_env *e, int64_t n, const double *v, mn_value **out) {
    const int64_t dims[4] = {n, 1, 1, 1};
    return bound_input(e, dims, MODNAS_I32, v, out);
}

int cs_net_conv(cs_env *e, mn_value *x, mn_param *w, mn_param *bias, const cs_window *o, mn_value **y) {
    mn_value *weights, *b = NULL;
    mn_conv_opts opts = {.groups = o->groups};
    memcpy(opts.stride, o->stride, sizeof opts.stride);
    memcpy(opts.pad, o->pad, sizeof opts.pad);
    memcpy(opts.dilation, o->dilation, sizeof opts.dilation);
    CS_LIB(e, mn_use_param(e->net.run, w, &weights));
    if (bias) CS_LIB(e, mn_use_param(e->net.run, bias, &b));
    CS_LIB(e, mn_conv2d(e->net.run, x, weights, b, &opts, y));
    return CS_OK;
}

int cs_net_dot(cs_env *e, mn_value *y, const double *gy, mn_value **loss) {
    const int64_t one[4] = {1, 1, 1, 1};
    mn_value *g, *product;
    CS_LIB(e, mn_const(e->net.run, y->dims, gy, &g));
    CS_LIB(e, mn_binary(e->net.run, MODNAS_BINARY_MUL, y, g, &product));
    CS_LIB(e, mn_reduce(e->net.run, MODNAS_REDUCE_SUM, product, one, loss));
    return CS_OK;
}

/* ---- running ---- */

int cs_net_run(cs_env *e, mn_value *loss) {
    CS_LIB(e, mn_run_plan(e->net.run, loss));
    mn_store_zero_grad(e->net.store);
    CS_LIB(e, mn_run_forward(e->net.run, 0));
    if (loss) CS_LIB(e, mn_run_backward(e->net.run));
    return CS_OK;
}

int cs_net_read(cs_env *e, const mn_value *v, double **out) {
    *out = cs_reals(e, cs_product(v->dims, 0, 4));
    CS_LIB(e, mn_run_read(e->net.run, v, *out));
    return CS_OK;
}

int cs_net_get(cs_env *e, const mn_param *p, double **out) {
    *out = cs_reals(e, mn_param_numel(p));
    CS_LIB(e, mn_param_get(p, *out));
    return CS_OK;
}

int cs_net_grad(cs_env *e, const mn_param *p, double **out) {
    *out = cs_reals(e, mn_param_numel(p));
    CS_LIB(e, mn_param_get_grad(p, *out));
    return CS_OK;
}

int cs_begin(cs_env *e) {
    const mn_run_opts inference = {0};
    CS_DO(cs_net_new(e));
    return cs_net_begin(e, &inference);
}

int cs_evaluate(cs_env *e, mn_value *v, double **out) {
    CS_LIB(e, mn_run_keep(e->net.run, v));
    CS_DO(cs_net_run(e, NULL));
    return cs_net_read(e, v, out);
}

int cs_finish(cs_env *e, mn_value *v) {
    double *y;
    CS_DO(cs_evaluate(e, v, &y));
    return cs_check(e, &e->c->out[0], y, cs_product(v->dims, 0, 4));
}

/* n values as elements of the run's dtype. */
static void *encode(cs_env *e, const double *v, int64_t n) {
    void *out = cs_alloc(e, n, sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        if (e->dtype == MODNAS_F64) ((double *)out)[i] = v[i];
        if (e->dtype == MODNAS_F32) ((float *)out)[i] = (float)v[i];
    }
    return out;
}

static size_t element_bytes(const cs_env *e) {
    return e->dtype == MODNAS_F64 ? sizeof(double) : sizeof(float);
}

int cs_net_set_grad(cs_env *e, mn_param *p, const double *g) {
    const int64_t n = mn_param_numel(p);
    char *grads = mn_store_grads(e->net.store);
    CS_LIB(e, mn_backend_upload(e->b, grads + p->offset * element_bytes(e), encode(e, g, n),
                                (size_t)n * element_bytes(e)));
    mn_param_touch(p);
    return CS_OK;
}
