/* A small net for tests of the graph: see util_graph.h. */
#include "util_graph.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void gn_open(gn_net *t, const gn_case *c, int32_t dtype, const char *backend) {
    memset(t, 0, sizeof *t);
    ck_assert_int_eq(modnas_ctx_new(NULL, &t->ctx), 0);
    GN_TRY(mn_backend_open(t->ctx, backend, 0, &t->b));
    GN_TRY(mn_store_new(t->b, dtype, &t->store));
    while (t->n < GN_MAX_PARAMS && c->dims[t->n][0]) t->n++;
    for (int i = 0; i < t->n; i++) {
        const int stat = i >= t->n - c->stats;
        char name[16];
        snprintf(name, sizeof name, "p%d", i);
        GN_TRY(mn_param_new(t->ctx, stat ? MN_ROLE_STAT : MN_ROLE_WEIGHT, 4, c->dims[i],
                            stat && i == t->n - 1 ? MN_INIT_ONES : MN_INIT_UNIFORM, 1.5, &t->p[i]));
        GN_TRY(mn_store_add(t->store, t->p[i], name));
    }
    GN_TRY(mn_store_commit(t->store, 11));
    GN_TRY(mn_slab_new(t->b, &t->slab));
    GN_TRY(mn_run_new(t->b, dtype, t->slab, &t->run));
}

void gn_close(gn_net *t) {
    mn_run_free(t->run);
    mn_slab_free(t->slab);
    mn_store_free(t->store);
    for (int i = 0; i < t->n; i++) mn_param_free(t->p[i]);
    mn_backend_close(t->b);
    modnas_ctx_free(t->ctx);
}

/* A loss that every element of y moves differently: y times cos(index), averaged over the plane, summed over the batch,
 * and a linear layer. */
int gn_to_loss(gn_net *t, mn_value *y, mn_value **loss) {
    const int64_t n = y->dims[0] * y->dims[1] * y->dims[2] * y->dims[3];
    double *w = mn_alloc(t->ctx, (size_t)n, sizeof *w);
    for (int64_t i = 0; i < n; i++) w[i] = cos(1.7 * (double)i + 0.3);
    mn_value *weights, *product;
    int rc = mn_const(t->run, y->dims, w, &weights);
    mn_free(t->ctx, w);
    MN_TRY(rc);
    MN_TRY(mn_binary(t->run, MODNAS_BINARY_MUL, y, weights, &product));
    mn_value *pooled;
    MN_TRY(mn_global_pool(t->run, product, MODNAS_POOL_AVG, &pooled)); /* (N, C, 1, 1) */
    mn_value *row = NULL;
    for (int64_t i = 0; i < pooled->dims[0]; i++) {
        mn_value *part;
        const int32_t start[4] = {(int32_t)i, 0, 0, 0}, step[4] = {1, 1, 1, 1},
                      count[4] = {1, (int32_t)pooled->dims[1], 1, 1};
        MN_TRY(mn_slice(t->run, pooled, start, step, count, &part));
        if (row)
            MN_TRY(mn_add(t->run, row, part, &row));
        else
            row = part;
    }
    double *ones = mn_alloc(t->ctx, (size_t)row->dims[1], sizeof *ones);
    for (int64_t i = 0; i < row->dims[1]; i++) ones[i] = 1 + 0.1 * (double)i;
    mn_value *sum;
    rc = mn_const(t->run, (int64_t[]){1, row->dims[1], 1, 1}, ones, &sum);
    mn_free(t->ctx, ones);
    MN_TRY(rc);
    return mn_linear(t->run, row, sum, NULL, loss);
}

double gn_loss_of(gn_net *t, const gn_case *c, int backward) {
    mn_value *v[GN_MAX_PARAMS], *y, *loss;
    const mn_run_opts o = {.train = !c->global, .grads = backward ? MN_ROLE_WEIGHT : 0, .seed = 5};
    GN_TRY(mn_run_begin(t->run, &o));
    for (int i = 0; i < t->n - c->stats; i++) GN_TRY(mn_use_param(t->run, t->p[i], &v[i]));
    GN_TRY(c->build(t, v, &y));
    GN_TRY(gn_to_loss(t, y, &loss));
    GN_TRY(mn_run_keep(t->run, loss));
    GN_TRY(mn_run_plan(t->run, loss));
    mn_store_zero_grad(t->store);
    GN_TRY(mn_run_forward(t->run, 3));
    if (backward) GN_TRY(mn_run_backward(t->run));
    double x;
    GN_TRY(mn_run_read(t->run, loss, &x));
    return x;
}
