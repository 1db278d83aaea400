/* The graph: f64 gradient check of every operator on ref (weights and inputs are both parameters here), fusion against the unfused
 * formula, gradients that meet, lifetimes that do not overlap.
 *
 * Expected gradients are central differences of the loss itself, error O(h^2) with h = 1e-5 in double. Activations with corners are checked on
 * seeded inputs that keep away from them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/run.h"
#include "util_host.h"

#define MAX_PARAMS 8

typedef struct net {
    modnas_ctx *ctx;
    mn_backend *b;
    mn_store *store;
    mn_slab *slab;
    mn_run *run;
    mn_param *p[MAX_PARAMS];
    int n;
} net;

typedef struct op_case {
    const char *name;
    int64_t dims[MAX_PARAMS][4];
    int (*build)(net *t, mn_value **v, mn_value **y);
    int32_t stats;  /* number of trailing parameters that are running statistics */
    int32_t global; /* evaluation-mode batch norm */
} op_case;

#define TRY(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(t->ctx))

static void open_net(net *t, const op_case *c, int32_t dtype, const char *backend) {
    memset(t, 0, sizeof *t);
    ck_assert_int_eq(modnas_ctx_new(NULL, &t->ctx), 0);
    TRY(mn_backend_open(t->ctx, backend, 0, &t->b));
    TRY(mn_store_new(t->b, dtype, &t->store));
    while (t->n < MAX_PARAMS && c->dims[t->n][0]) t->n++;
    for (int i = 0; i < t->n; i++) {
        const int stat = i >= t->n - c->stats;
        char name[16];
        snprintf(name, sizeof name, "p%d", i);
        TRY(mn_param_new(t->ctx, stat ? MN_ROLE_STAT : MN_ROLE_WEIGHT, 4, c->dims[i],
                         stat && i == t->n - 1 ? MN_INIT_ONES : MN_INIT_UNIFORM, 1.5, &t->p[i]));
        TRY(mn_store_add(t->store, t->p[i], name));
    }
    TRY(mn_store_commit(t->store, 11));
    TRY(mn_slab_new(t->b, &t->slab));
    TRY(mn_run_new(t->b, dtype, t->slab, &t->run));
}

static void close_net(net *t) {
    mn_run_free(t->run);
    mn_slab_free(t->slab);
    mn_store_free(t->store);
    for (int i = 0; i < t->n; i++) mn_param_free(t->p[i]);
    mn_backend_close(t->b);
    modnas_ctx_free(t->ctx);
}

/* A loss that every element of y moves differently: y times cos(index), averaged over the plane, summed over the batch, and a linear layer. */
static int to_loss(net *t, mn_value *y, mn_value **loss) {
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
        const int32_t start[4] = {(int32_t)i, 0, 0, 0}, step[4] = {1, 1, 1, 1}, count[4] = {1, (int32_t)pooled->dims[1], 1, 1};
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

static double loss_of(net *t, const op_case *c, int backward) {
    mn_value *v[MAX_PARAMS], *y, *loss;
    const mn_run_opts o = {.train = !c->global, .grads = backward ? MN_ROLE_WEIGHT : 0, .seed = 5};
    TRY(mn_run_begin(t->run, &o));
    for (int i = 0; i < t->n - c->stats; i++) TRY(mn_use_param(t->run, t->p[i], &v[i]));
    TRY(c->build(t, v, &y));
    TRY(to_loss(t, y, &loss));
    TRY(mn_run_keep(t->run, loss));
    TRY(mn_run_plan(t->run, loss));
    mn_store_zero_grad(t->store);
    TRY(mn_run_forward(t->run, 3));
    if (backward) TRY(mn_run_backward(t->run));
    double x;
    TRY(mn_run_read(t->run, loss, &x));
    return x;
}

/* ---- the operators ------------------------------------------------------------------------------------------------------------ */

static int conv(net *t, mn_value **v, mn_value **y) {
    const mn_conv_opts o = {.stride = {2, 1}, .pad = {1, 2, 0, 1}, .dilation = {1, 2}, .groups = 2};
    return mn_conv2d(t->run, v[0], v[1], v[2], &o, y);
}

static int depthwise(net *t, mn_value **v, mn_value **y) {
    const mn_conv_opts o = {.stride = {2, 2}, .pad = {2, 2, 2, 2}, .groups = 3};
    return mn_conv2d(t->run, v[0], v[1], NULL, &o, y);
}

static int linear(net *t, mn_value **v, mn_value **y) { return mn_linear(t->run, v[0], v[1], v[2], y); }

static int bn_of(net *t, mn_value *x, mn_value *gamma, mn_value *beta, mn_value **y) {
    const mn_bn_opts o = {.eps = 1e-3, .momentum = 0.1};
    return mn_batch_norm(t->run, x, gamma, beta, t->p[t->n - 2], t->p[t->n - 1], &o, y);
}

static int bn(net *t, mn_value **v, mn_value **y) { return bn_of(t, v[0], v[1], v[2], y); }
static int bn_plain(net *t, mn_value **v, mn_value **y) { return bn_of(t, v[0], NULL, NULL, y); }

static int bn_relu6(net *t, mn_value **v, mn_value **y) {
    MN_TRY(bn_of(t, v[0], v[1], v[2], y));
    return mn_activation(t->run, *y, MODNAS_ACT_RELU6, 0, 0, y);
}

static int bn_add(net *t, mn_value **v, mn_value **y) { /* residual meets its own source */
    MN_TRY(bn_of(t, v[0], v[1], v[2], y));
    return mn_add(t->run, *y, v[0], y);
}

static int bn_add_relu(net *t, mn_value **v, mn_value **y) {
    MN_TRY(bn_of(t, v[0], v[1], v[2], y));
    MN_TRY(mn_add(t->run, v[3], *y, y));
    return mn_activation(t->run, *y, MODNAS_ACT_RELU, 0, 0, y);
}

static int block(net *t, mn_value **v, mn_value **y) { /* conv, bn, relu6, conv, bn, + x: an inverted residual */
    mn_value *h;
    const mn_conv_opts o = {.pad = {1, 1, 1, 1}};
    MN_TRY(mn_conv2d(t->run, v[0], v[1], NULL, NULL, &h));
    MN_TRY(bn_of(t, h, v[2], v[3], &h));
    MN_TRY(mn_activation(t->run, h, MODNAS_ACT_RELU6, 0, 0, &h));
    MN_TRY(mn_conv2d(t->run, h, v[4], NULL, &o, &h));
    return mn_add(t->run, h, v[0], y);
}

#define ACTIVATION(name, act, a, b)                                                                                               \
    static int name(net *t, mn_value **v, mn_value **y) { return mn_activation(t->run, v[0], act, a, b, y); }
ACTIVATION(relu, MODNAS_ACT_RELU, 0, 0)
ACTIVATION(relu6, MODNAS_ACT_RELU6, 0, 0)
ACTIVATION(clip, MODNAS_ACT_CLIP, -0.5, 0.7)
ACTIVATION(sigmoid, MODNAS_ACT_SIGMOID, 0, 0)
ACTIVATION(hard_sigmoid, MODNAS_ACT_HARD_SIGMOID, 0, 0)
ACTIVATION(hard_swish, MODNAS_ACT_HARD_SWISH, 0, 0)
ACTIVATION(swish, MODNAS_ACT_SWISH, 0, 0)
ACTIVATION(tanh_, MODNAS_ACT_TANH, 0, 0)
ACTIVATION(affine, MODNAS_ACT_LINEAR, 2.5, -1)

static int pool(net *t, mn_value **v, mn_value **y, int32_t algo, int32_t ceil_mode) {
    const mn_pool_opts o = {.algo = algo, .kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 0, 1, 1}, .ceil_mode = ceil_mode};
    return mn_pool2d(t->run, v[0], &o, y);
}
static int max_pool(net *t, mn_value **v, mn_value **y) { return pool(t, v, y, MODNAS_POOL_MAX, 0); }
static int avg_pool(net *t, mn_value **v, mn_value **y) { return pool(t, v, y, MODNAS_POOL_AVG, 1); }
static int avg_pad_pool(net *t, mn_value **v, mn_value **y) { return pool(t, v, y, MODNAS_POOL_AVG_INCLUDE_PAD, 0); }

static int global_max(net *t, mn_value **v, mn_value **y) { return mn_global_pool(t->run, v[0], MODNAS_POOL_MAX, y); }
static int add(net *t, mn_value **v, mn_value **y) { return mn_add(t->run, v[0], v[1], y); }
static int add_self(net *t, mn_value **v, mn_value **y) {
    MN_TRY(mn_add(t->run, v[0], v[0], y));
    return mn_add(t->run, *y, v[0], y);
}
static int mul(net *t, mn_value **v, mn_value **y) { return mn_binary(t->run, MODNAS_BINARY_MUL, v[0], v[1], y); }
static int sub(net *t, mn_value **v, mn_value **y) { return mn_binary(t->run, MODNAS_BINARY_SUB, v[0], v[1], y); }

static int concat(net *t, mn_value **v, mn_value **y) {
    MN_TRY(mn_concat(t->run, (mn_value *[]){v[0], v[1], v[0]}, 3, 1, y));
    return mn_concat(t->run, (mn_value *[]){*y, *y}, 2, 3, y);
}

static int slice(net *t, mn_value **v, mn_value **y) {
    return mn_slice(t->run, v[0], (int32_t[]){0, 1, 1, 0}, (int32_t[]){1, 1, 2, 3}, (int32_t[]){2, 2, 2, 2}, y);
}

static int pad(net *t, mn_value **v, mn_value **y) {
    return mn_pad(t->run, v[0], (int32_t[]){0, 1, 2, 0}, (int32_t[]){0, 0, 1, 3}, 0.5, y);
}

static int zero_add(net *t, mn_value **v, mn_value **y) {
    mn_value *z;
    MN_TRY(mn_zero(t->run, v[0]->dims, &z));
    MN_TRY(mn_add(t->run, z, v[0], y));
    ck_assert_ptr_eq(*y, v[0]);
    return mn_concat(t->run, (mn_value *[]){z, *y}, 2, 2, y);
}

static int shuffle(net *t, mn_value **v, mn_value **y) { return mn_shuffle(t->run, v[0], 3, y); }
static int dropout(net *t, mn_value **v, mn_value **y) { return mn_dropout(t->run, v[0], 0.4, y); }
static int softmax(net *t, mn_value **v, mn_value **y) { return mn_softmax(t->run, v[0], 0, y); }
static int log_softmax(net *t, mn_value **v, mn_value **y) { return mn_softmax(t->run, v[0], 1, y); }

static int xent(net *t, mn_value **v, mn_value **y) {
    static const int32_t labels[3] = {4, 0, 2};
    mn_value *target;
    MN_TRY(mn_input(t->run, (int64_t[]){3, 1, 1, 1}, MODNAS_I32, &target));
    mn_run_bind(t->run, target, labels);
    return mn_softmax_xent(t->run, v[0], target, 0.1, y);
}

static int xent_soft(net *t, mn_value **v, mn_value **y) {
    static const float soft[15] = {.1f, .2f, .3f, .2f, .2f, 1, 0, 0, 0, 0, .5f, .25f, .25f, 0, 0};
    mn_value *target;
    MN_TRY(mn_input(t->run, (int64_t[]){3, 5, 1, 1}, MODNAS_F32, &target));
    mn_run_bind(t->run, target, soft);
    return mn_softmax_xent(t->run, v[0], target, 0, y);
}

static int weighted_sum(net *t, mn_value **v, mn_value **y) {
    mn_value *p, *z;
    MN_TRY(mn_softmax(t->run, v[0], 0, &p));
    MN_TRY(mn_zero(t->run, v[1]->dims, &z));
    return mn_weighted_sum(t->run, p, (mn_value *[]){z, v[1], v[2]}, 3, y);
}

static int pick(net *t, mn_value **v, mn_value **y) {
    MN_TRY(mn_pick(t->run, v[0], (int32_t[]){4, 1, 2}, 3, y));
    return mn_softmax(t->run, *y, 0, y);
}

#define X4 {2, 4, 5, 6}
static const op_case cases[] = {
    {"conv2d", {X4, {6, 2, 3, 2}, {1, 6, 1, 1}}, conv, 0, 0},
    {"conv2d depthwise", {{2, 3, 7, 6}, {3, 1, 5, 5}}, depthwise, 0, 0},
    {"linear", {{3, 4, 1, 1}, {5, 4, 1, 1}, {1, 5, 1, 1}}, linear, 0, 0},
    {"batch_norm", {X4, {1, 4, 1, 1}, {1, 4, 1, 1}, {1, 4, 1, 1}, {1, 4, 1, 1}}, bn, 2, 0},
    {"batch_norm, running statistics", {X4, {1, 4, 1, 1}, {1, 4, 1, 1}, {1, 4, 1, 1}, {1, 4, 1, 1}}, bn, 2, 1},
    {"batch_norm, not affine", {X4, {1, 4, 1, 1}, {1, 4, 1, 1}}, bn_plain, 2, 0},
    {"batch_norm + relu6", {X4, {1, 4, 1, 1}, {1, 4, 1, 1}, {1, 4, 1, 1}, {1, 4, 1, 1}}, bn_relu6, 2, 0},
    {"batch_norm + own source", {X4, {1, 4, 1, 1}, {1, 4, 1, 1}, {1, 4, 1, 1}, {1, 4, 1, 1}}, bn_add, 2, 0},
    {"batch_norm + residual + relu", {X4, {1, 4, 1, 1}, {1, 4, 1, 1}, X4, {1, 4, 1, 1}, {1, 4, 1, 1}}, bn_add_relu, 2, 0},
    {"block", {X4, {6, 4, 1, 1}, {1, 6, 1, 1}, {1, 6, 1, 1}, {4, 6, 3, 3}, {1, 6, 1, 1}, {1, 6, 1, 1}}, block, 2, 0},
    {"block, running statistics", {X4, {6, 4, 1, 1}, {1, 6, 1, 1}, {1, 6, 1, 1}, {4, 6, 3, 3}, {1, 6, 1, 1}, {1, 6, 1, 1}}, block, 2, 1},
    {"relu", {X4}, relu, 0, 0},
    {"relu6", {X4}, relu6, 0, 0},
    {"clip", {X4}, clip, 0, 0},
    {"sigmoid", {X4}, sigmoid, 0, 0},
    {"hard_sigmoid", {X4}, hard_sigmoid, 0, 0},
    {"hard_swish", {X4}, hard_swish, 0, 0},
    {"swish", {X4}, swish, 0, 0},
    {"tanh", {X4}, tanh_, 0, 0},
    {"linear activation", {X4}, affine, 0, 0},
    {"max pool", {X4}, max_pool, 0, 0},
    {"average pool, ceil", {X4}, avg_pool, 0, 0},
    {"average pool, padding counts", {X4}, avg_pad_pool, 0, 0},
    {"global max pool", {X4}, global_max, 0, 0},
    {"add", {X4, X4}, add, 0, 0},
    {"add, thrice the same", {X4}, add_self, 0, 0},
    {"mul, broadcast", {X4, {1, 4, 1, 6}}, mul, 0, 0},
    {"sub, broadcast", {{2, 4, 1, 6}, {1, 4, 5, 1}}, sub, 0, 0},
    {"concat", {X4, {2, 3, 5, 6}}, concat, 0, 0},
    {"slice", {{2, 4, 5, 6}}, slice, 0, 0},
    {"pad", {X4}, pad, 0, 0},
    {"zero", {X4}, zero_add, 0, 0},
    {"shuffle", {{2, 6, 3, 2}}, shuffle, 0, 0},
    {"dropout", {X4}, dropout, 0, 0},
    {"softmax", {X4}, softmax, 0, 0},
    {"log softmax", {X4}, log_softmax, 0, 0},
    {"softmax_xent", {{3, 5, 1, 1}}, xent, 0, 0},
    {"softmax_xent, soft targets", {{3, 5, 1, 1}}, xent_soft, 0, 0},
    {"weighted_sum", {{1, 3, 1, 1}, X4, X4}, weighted_sum, 0, 0},
    {"pick", {{1, 5, 1, 1}}, pick, 0, 0},
};

/* Largest error over all elements of all parameters, relative to the largest gradient. */
static double gradient_error(net *t, const op_case *c) {
    double worst = 0, largest = 1e-12;
    loss_of(t, c, 1);
    double *grads[MAX_PARAMS];
    for (int i = 0; i < t->n - c->stats; i++) {
        grads[i] = mn_alloc(t->ctx, (size_t)mn_param_numel(t->p[i]), sizeof **grads);
        TRY(mn_param_get_grad(t->p[i], grads[i]));
    }
    for (int i = 0; i < t->n - c->stats; i++) {
        const int64_t n = mn_param_numel(t->p[i]);
        double *w = mn_alloc(t->ctx, (size_t)n, sizeof *w);
        TRY(mn_param_get(t->p[i], w));
        for (int64_t j = 0; j < n; j++) {
            const double h = 1e-5, was = w[j];
            w[j] = was + h;
            TRY(mn_param_set(t->p[i], w));
            const double up = loss_of(t, c, 1); /* the same plan as with gradients */
            w[j] = was - h;
            TRY(mn_param_set(t->p[i], w));
            const double down = loss_of(t, c, 1);
            w[j] = was;
            const double d = (up - down) / (2 * h), e = fabs(d - grads[i][j]);
            if (e > worst) worst = e;
            if (fabs(d) > largest) largest = fabs(d);
        }
        TRY(mn_param_set(t->p[i], w));
        mn_free(t->ctx, w);
    }
    for (int i = 0; i < t->n - c->stats; i++) mn_free(t->ctx, grads[i]);
    return worst / largest;
}

START_TEST(gradients) {
    net n, *t = &n;
    const op_case *c = &cases[_i];
    open_net(t, c, MODNAS_F64, "ref");
    const double e = gradient_error(t, c);
    ck_assert_msg(e < 1e-7, "%s: relative gradient error %g", c->name, e);
    close_net(t);
}
END_TEST

/* The same loss without gradients (batch norm folded into convolutions in evaluation, nothing saved) and in f32. */
START_TEST(losses_agree) {
    net n, *t = &n;
    const op_case *c = &cases[_i];
    open_net(t, c, MODNAS_F64, "ref");
    const double with = loss_of(t, c, 1), without = loss_of(t, c, 0);
    close_net(t);
    ck_assert_msg(fabs(with - without) <= 1e-10 * (1 + fabs(with)), "%s: %.17g with, %.17g without gradients", c->name, with, without);
    open_net(t, c, MODNAS_F32, "auto");
    const double single = loss_of(t, c, 1);
    close_net(t);
    ck_assert_msg(fabs(with - single) <= 2e-5 * (1 + fabs(with)), "%s: %.9g in f64, %.9g in f32", c->name, with, single);
}
END_TEST

/* The binary gate: its gradient is the estimator's, not the loss's: dL/dp_j = <g, x_j> for all j, dL/dx only for the chosen. */
START_TEST(gate) {
    net n, *t = &n;
    const op_case c = {"gate", {{1, 3, 1, 1}, X4, X4, X4}, NULL, 0, 0};
    open_net(t, &c, MODNAS_F64, "ref");
    const mn_run_opts o = {.train = 1, .grads = MN_ROLE_WEIGHT};
    mn_value *v[4], *y, *loss;
    TRY(mn_run_begin(t->run, &o));
    for (int i = 0; i < 4; i++) TRY(mn_use_param(t->run, t->p[i], &v[i]));
    TRY(mn_gate(t->run, v[0], v + 1, 3, 1, &y));
    TRY(to_loss(t, y, &loss));
    TRY(mn_run_plan(t->run, loss));
    mn_store_zero_grad(t->store);
    TRY(mn_run_forward(t->run, 0));
    TRY(mn_run_backward(t->run));
    double g[240], x[240], dp[3];
    TRY(mn_param_get_grad(t->p[0], dp));
    TRY(mn_param_get_grad(t->p[2], g)); /* of the chosen one: the upstream gradient itself */
    for (int j = 0; j < 3; j++) {
        double dot = 0;
        TRY(mn_param_get(t->p[1 + j], x));
        for (int i = 0; i < 240; i++) dot += g[i] * x[i];
        ck_assert_double_eq_tol(dp[j], dot, 1e-12);
    }
    ck_assert(!mn_param_active(t->p[1]));
    ck_assert(mn_param_active(t->p[2]));
    ck_assert(!mn_param_active(t->p[3]));
    close_net(t);
}
END_TEST

/* Accumulation over two runs gives twice the gradient; without it the second run replaces the first. */
START_TEST(accumulate) {
    net n, *t = &n;
    const op_case *c = &cases[0];
    open_net(t, c, MODNAS_F64, "ref");
    double once[72], twice[72];
    loss_of(t, c, 1);
    TRY(mn_param_get_grad(t->p[1], once));
    mn_store_zero_grad(t->store);
    mn_value *v[MAX_PARAMS], *y, *loss;
    const mn_run_opts o = {.train = 1, .grads = MN_ROLE_WEIGHT, .accumulate = 1};
    TRY(mn_run_begin(t->run, &o));
    for (int i = 0; i < t->n; i++) TRY(mn_use_param(t->run, t->p[i], &v[i]));
    TRY(c->build(t, v, &y));
    TRY(to_loss(t, y, &loss));
    TRY(mn_run_plan(t->run, loss));
    for (int k = 0; k < 2; k++) {
        TRY(mn_run_forward(t->run, 3));
        TRY(mn_run_backward(t->run));
    }
    TRY(mn_param_get_grad(t->p[1], twice));
    for (int64_t i = 0; i < mn_param_numel(t->p[1]); i++) ck_assert_double_eq_tol(twice[i], 2 * once[i], 1e-12);
    close_net(t);
}
END_TEST

/* No two values that live at the same time share memory; checked from the plan itself. */
START_TEST(no_overlap) {
    net n, *t = &n;
    const op_case *c = &cases[_i];
    open_net(t, c, MODNAS_F64, "ref");
    loss_of(t, c, 1);
    mn_run *r = t->run;
    for (size_t i = 0; i < r->args.n; i++)
        for (size_t j = 0; j < i; j++) {
            const mn_value *a = MN_AT(r->args, mn_value *, i), *b = MN_AT(r->args, mn_value *, j);
            if (!a || !b || a == b || a->place != MN_IN_SLAB || b->place != MN_IN_SLAB) continue;
            if (a->last < b->first || b->last < a->first) continue;
            ck_assert_msg(a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset, "%s: two values overlap", c->name);
            ck_assert(a->offset + a->bytes <= r->slab_bytes);
        }
    close_net(t);
}
END_TEST

START_TEST(refusals) {
    net n, *t = &n;
    open_net(t, &cases[0], MODNAS_F64, "ref");
    const mn_run_opts o = {.train = 1};
    mn_value *x, *w, *y = NULL, *keep = NULL;
    TRY(mn_run_begin(t->run, &o));
    TRY(mn_use_param(t->run, t->p[0], &x));
    TRY(mn_use_param(t->run, t->p[1], &w));
    ck_assert_int_eq(mn_conv2d(t->run, x, w, NULL, NULL, &y), MODNAS_ESHAPE);
    ck_assert_str_eq(modnas_errmsg(t->ctx), "conv2d: src has 4 channels, weights want 2 in 1 groups of 6 outputs");
    ck_assert_int_eq(mn_add(t->run, x, w, &y), MODNAS_ESHAPE);
    ck_assert_str_eq(modnas_errmsg(t->ctx), "add: 2x4x5x6 and 6x2x3x2 differ");
    ck_assert_int_eq(mn_linear(t->run, x, w, NULL, &y), MODNAS_ESHAPE);
    ck_assert_int_eq(mn_shuffle(t->run, x, 3, &y), MODNAS_ESHAPE);
    ck_assert_int_eq(mn_dropout(t->run, x, 1, &y), MODNAS_EINVAL);
    ck_assert_int_eq(mn_pick(t->run, x, (int32_t[]){9}, 1, &y), MODNAS_EINVAL);
    const mn_pool_opts big = {.algo = MODNAS_POOL_MAX, .kernel = {9, 9}};
    ck_assert_int_eq(mn_pool2d(t->run, x, &big, &y), MODNAS_ESHAPE);
    ck_assert_ptr_eq(y, keep);
    ck_assert_int_eq(mn_run_plan(t->run, x), MODNAS_ESHAPE);
    ck_assert_int_eq(mn_run_forward(t->run, 0), MODNAS_EINVAL);
    close_net(t);
}
END_TEST

int main(void) {
    Suite *s = suite_create("graph");
    TCase *c = tcase_create("operators");
    const int n = (int)MN_COUNT(cases);
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, gradients, 0, n);
    tcase_add_loop_test(c, losses_agree, 0, n);
    tcase_add_loop_test(c, no_overlap, 0, n);
    tcase_add_test(c, gate);
    tcase_add_test(c, accumulate);
    tcase_add_test(c, refusals);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
