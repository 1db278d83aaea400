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
    mn_run_set_limit(t->run, t->least ? SIZE_MAX : 0);
    GN_TRY(mn_run_begin(t->run, &o));
    for (int i = 0; i < t->n - c->stats; i++) GN_TRY(mn_use_param(t->run, t->p[i], &v[i]));
    GN_TRY(c->build(t, v, &y));
    GN_TRY(gn_to_loss(t, y, &loss));
    GN_TRY(mn_run_keep(t->run, loss));
    GN_TRY(mn_run_plan(t->run, loss));
    if (t->least) GN_TRY(mn_run_plan_least(t->run));
    mn_store_zero_grad(t->store);
    GN_TRY(mn_run_forward(t->run, 3));
    if (backward) GN_TRY(mn_run_backward(t->run));
    double x;
    GN_TRY(mn_run_read(t->run, loss, &x));
    return x;
}

/* ---- the checks that every operator gets ---- */

static const gn_case *cases;

/* Largest error over all elements of all parameters, relative to the largest gradient. */
static double gradient_error(gn_net *t, const gn_case *c) {
    double worst = 0, largest = 1e-12;
    gn_loss_of(t, c, 1);
    double *grads[GN_MAX_PARAMS];
    for (int i = 0; i < t->n - c->stats; i++) {
        grads[i] = mn_alloc(t->ctx, (size_t)mn_param_numel(t->p[i]), sizeof **grads);
        GN_TRY(mn_param_get_grad(t->p[i], grads[i]));
    }
    for (int i = 0; i < t->n - c->stats; i++) {
        const int64_t n = mn_param_numel(t->p[i]);
        double *w = mn_alloc(t->ctx, (size_t)n, sizeof *w);
        GN_TRY(mn_param_get(t->p[i], w));
        for (int64_t j = 0; j < n; j++) {
            const double h = 1e-5, was = w[j];
            w[j] = was + h;
            GN_TRY(mn_param_set(t->p[i], w));
            const double up = gn_loss_of(t, c, 1); /* the same plan as with gradients */
            w[j] = was - h;
            GN_TRY(mn_param_set(t->p[i], w));
            const double down = gn_loss_of(t, c, 1);
            w[j] = was;
            const double d = (up - down) / (2 * h), e = fabs(d - grads[i][j]);
            if (e > worst) worst = e;
            if (fabs(d) > largest) largest = fabs(d);
        }
        GN_TRY(mn_param_set(t->p[i], w));
        mn_free(t->ctx, w);
    }
    for (int i = 0; i < t->n - c->stats; i++) mn_free(t->ctx, grads[i]);
    return worst / largest;
}

START_TEST(gradients) {
    gn_net n, *t = &n;
    const gn_case *c = &cases[_i];
    gn_open(t, c, MODNAS_F64, "ref");
    const double e = gradient_error(t, c);
    ck_assert_msg(e < 1e-7, "%s: relative gradient error %g", c->name, e);
    gn_close(t);
}
END_TEST

/* The same loss without gradients (batch norm folded into convolutions in evaluation, nothing saved) and in f32. */
START_TEST(losses_agree) {
    gn_net n, *t = &n;
    const gn_case *c = &cases[_i];
    gn_open(t, c, MODNAS_F64, "ref");
    const double with = gn_loss_of(t, c, 1), without = gn_loss_of(t, c, 0);
    gn_close(t);
    ck_assert_msg(fabs(with - without) <= 1e-10 * (1 + fabs(with)), "%s: %.17g with, %.17g without gradients", c->name,
                  with, without);
    gn_open(t, c, MODNAS_F32, "auto");
    const double single = gn_loss_of(t, c, 1);
    gn_close(t);
    ck_assert_msg(fabs(with - single) <= 2e-5 * (1 + fabs(with)), "%s: %.9g in f64, %.9g in f32", c->name, with,
                  single);
}
END_TEST

/* What is dropped and made again gives the bytes of what is saved. */
START_TEST(made_again) {
    gn_net n, *t = &n;
    const gn_case *c = &cases[_i];
    for (int backend = 0; backend < 2; backend++) {
        gn_open(t, c, MODNAS_F32, backend ? "auto" : "ref");
        double saved[2], *want[2][GN_MAX_PARAMS];
        for (t->least = 0; t->least < 2; t->least++) {
            saved[t->least] = gn_loss_of(t, c, 1);
            for (int i = 0; i < t->n - c->stats; i++) {
                double **grad = &want[t->least][i];
                *grad = mn_alloc(t->ctx, (size_t)mn_param_numel(t->p[i]), sizeof **grad);
                GN_TRY(mn_param_get_grad(t->p[i], *grad));
            }
        }
        ck_assert(saved[0] == saved[1]);
        for (int i = 0; i < t->n - c->stats; i++) {
            ck_assert_mem_eq(want[0][i], want[1][i], (size_t)mn_param_numel(t->p[i]) * sizeof(double));
            for (int j = 0; j < 2; j++) mn_free(t->ctx, want[j][i]);
        }
        gn_close(t);
    }
}
END_TEST

/* No two values that live at the same time share memory; checked from the plan itself. */
START_TEST(no_overlap) {
    gn_net n, *t = &n;
    const gn_case *c = &cases[_i / 2];
    gn_open(t, c, MODNAS_F64, "ref");
    t->least = _i % 2;
    gn_loss_of(t, c, 1);
    mn_run *r = t->run;
    for (size_t i = 0; i < r->args.n; i++)
        for (size_t j = 0; j < i; j++) {
            const mn_value *a = MN_AT(r->args, mn_value *, i), *b = MN_AT(r->args, mn_value *, j);
            if (!a || !b || a == b || a->place != MN_IN_SLAB || b->place != MN_IN_SLAB) continue;
            if (a->last < b->first || b->last < a->first) continue;
            ck_assert_msg(a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset,
                          "%s: two values overlap", c->name);
            ck_assert(a->offset + a->bytes <= r->slab_bytes);
        }
    gn_close(t);
}
END_TEST

int gn_run_cases(const char *suite, const gn_case *all, int n) {
    Suite *s = suite_create(suite);
    TCase *c = tcase_create("operators");
    cases = all;
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, gradients, 0, n);
    tcase_add_loop_test(c, losses_agree, 0, n);
    tcase_add_loop_test(c, made_again, 0, n);
    tcase_add_loop_test(c, no_overlap, 0, 2 * n);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
