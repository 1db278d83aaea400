/* Every operator of the graph: f64 gradient check on ref (weights and inputs are both parameters here), the loss
 * without gradients and in f32 on the default backend, lifetimes that do not overlap.
 *
 * Expected gradients are central differences of the loss itself, error O(h^2) with h = 1e-5 in double. Activations with
 * corners are checked on seeded inputs that keep away from them. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "util_graph.h"

/* ---- the operators
 * ------------------------------------------------------------------------------------------------------------ */

static int conv(gn_net *t, mn_value **v, mn_value **y) {
    const mn_conv_opts o = {.stride = {2, 1}, .pad = {1, 2, 0, 1}, .dilation = {1, 2}, .groups = 2};
    return mn_conv2d(t->run, v[0], v[1], v[2], &o, y);
}

static int depthwise(gn_net *t, mn_value **v, mn_value **y) {
    const mn_conv_opts o = {.stride = {2, 2}, .pad = {2, 2, 2, 2}, .groups = 3};
    return mn_conv2d(t->run, v[0], v[1], NULL, &o, y);
}

static int linear(gn_net *t, mn_value **v, mn_value **y) {
    return mn_linear(t->run, v[0], v[1], v[2], y);
}

static int bn_of(gn_net *t, mn_value *x, mn_value *gamma, mn_value *beta, mn_value **y) {
    const mn_bn_opts o = {.eps = 1e-3, .momentum = 0.1};
    return mn_batch_norm(t->run, x, gamma, beta, t->p[t->n - 2], t->p[t->n - 1], &o, y);
}

static int bn(gn_net *t, mn_value **v, mn_value **y) {
    return bn_of(t, v[0], v[1], v[2], y);
}
static int bn_plain(gn_net *t, mn_value **v, mn_value **y) {
    return bn_of(t, v[0], NULL, NULL, y);
}

static int bn_relu6(gn_net *t, mn_value **v, mn_value **y) {
    MN_TRY(bn_of(t, v[0], v[1], v[2], y));
    return mn_activation(t->run, *y, MODNAS_ACT_RELU6, 0, 0, y);
}

static int bn_hswish(gn_net *t, mn_value **v, mn_value **y) {
    MN_TRY(mn_activation(t->run, v[0], MODNAS_ACT_LINEAR, 4, 0, y));
    MN_TRY(bn_of(t, *y, v[1], v[2], y));
    return mn_activation(t->run, *y, MODNAS_ACT_HARD_SWISH, 0, 0, y);
}

static int bn_add_hswish(gn_net *t, mn_value **v, mn_value **y) { /* not fused: the slope would want the residual */
    MN_TRY(bn_of(t, v[0], v[1], v[2], y));
    MN_TRY(mn_add(t->run, v[3], *y, y));
    return mn_activation(t->run, *y, MODNAS_ACT_HARD_SWISH, 0, 0, y);
}

static int bn_add(gn_net *t, mn_value **v, mn_value **y) { /* residual meets its own source */
    MN_TRY(bn_of(t, v[0], v[1], v[2], y));
    return mn_add(t->run, *y, v[0], y);
}

static int bn_add_relu(gn_net *t, mn_value **v, mn_value **y) {
    MN_TRY(bn_of(t, v[0], v[1], v[2], y));
    MN_TRY(mn_add(t->run, v[3], *y, y));
    return mn_activation(t->run, *y, MODNAS_ACT_RELU, 0, 0, y);
}

static int block(gn_net *t, mn_value **v, mn_value **y) { /* conv, bn, relu6, conv, bn, + x: an inverted residual */
    mn_value *h;
    const mn_conv_opts o = {.pad = {1, 1, 1, 1}};
    MN_TRY(mn_conv2d(t->run, v[0], v[1], NULL, NULL, &h));
    MN_TRY(bn_of(t, h, v[2], v[3], &h));
    MN_TRY(mn_activation(t->run, h, MODNAS_ACT_RELU6, 0, 0, &h));
    MN_TRY(mn_conv2d(t->run, h, v[4], NULL, &o, &h));
    return mn_add(t->run, h, v[0], y);
}

#define ACTIVATION(name, act, a, b)                                                                                    \
    static int name(gn_net *t, mn_value **v, mn_value **y) {                                                           \
        return mn_activation(t->run, v[0], act, a, b, y);                                                              \
    }
ACTIVATION(relu, MODNAS_ACT_RELU, 0, 0)
ACTIVATION(relu6, MODNAS_ACT_RELU6, 0, 0)
ACTIVATION(clip, MODNAS_ACT_CLIP, -0.5, 0.7)
ACTIVATION(sigmoid, MODNAS_ACT_SIGMOID, 0, 0)
ACTIVATION(hard_sigmoid, MODNAS_ACT_HARD_SIGMOID, 0, 0)
ACTIVATION(hard_swish, MODNAS_ACT_HARD_SWISH, 0, 0)
ACTIVATION(swish, MODNAS_ACT_SWISH, 0, 0)
ACTIVATION(tanh_, MODNAS_ACT_TANH, 0, 0)
ACTIVATION(affine, MODNAS_ACT_LINEAR, 2.5, -1)

static int pool(gn_net *t, mn_value **v, mn_value **y, int32_t algo, int32_t ceil_mode) {
    const mn_pool_opts o = {
        .algo = algo, .kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 0, 1, 1}, .ceil_mode = ceil_mode};
    return mn_pool2d(t->run, v[0], &o, y);
}
static int max_pool(gn_net *t, mn_value **v, mn_value **y) {
    return pool(t, v, y, MODNAS_POOL_MAX, 0);
}
static int avg_pool(gn_net *t, mn_value **v, mn_value **y) {
    return pool(t, v, y, MODNAS_POOL_AVG, 1);
}
static int avg_pad_pool(gn_net *t, mn_value **v, mn_value **y) {
    return pool(t, v, y, MODNAS_POOL_AVG_INCLUDE_PAD, 0);
}

static int global_max(gn_net *t, mn_value **v, mn_value **y) {
    return mn_global_pool(t->run, v[0], MODNAS_POOL_MAX, y);
}
static int add(gn_net *t, mn_value **v, mn_value **y) {
    return mn_add(t->run, v[0], v[1], y);
}
static int add_self(gn_net *t, mn_value **v, mn_value **y) {
    MN_TRY(mn_add(t->run, v[0], v[0], y));
    return mn_add(t->run, *y, v[0], y);
}
static int mul(gn_net *t, mn_value **v, mn_value **y) {
    return mn_binary(t->run, MODNAS_BINARY_MUL, v[0], v[1], y);
}
static int sub(gn_net *t, mn_value **v, mn_value **y) {
    return mn_binary(t->run, MODNAS_BINARY_SUB, v[0], v[1], y);
}

static int concat(gn_net *t, mn_value **v, mn_value **y) {
    MN_TRY(mn_concat(t->run, (mn_value *[]){v[0], v[1], v[0]}, 3, 1, y));
    return mn_concat(t->run, (mn_value *[]){*y, *y}, 2, 3, y);
}

static int slice(gn_net *t, mn_value **v, mn_value **y) {
    return mn_slice(t->run, v[0], (int32_t[]){0, 1, 1, 0}, (int32_t[]){1, 1, 2, 3}, (int32_t[]){2, 2, 2, 2}, y);
}

static int pad(gn_net *t, mn_value **v, mn_value **y) {
    return mn_pad(t->run, v[0], (int32_t[]){0, 1, 2, 0}, (int32_t[]){0, 0, 1, 3}, 0.5, y);
}

static int zero_add(gn_net *t, mn_value **v, mn_value **y) {
    mn_value *z;
    MN_TRY(mn_zero(t->run, v[0]->dims, &z));
    MN_TRY(mn_add(t->run, z, v[0], y));
    ck_assert_ptr_eq(*y, v[0]);
    return mn_concat(t->run, (mn_value *[]){z, *y}, 2, 2, y);
}

static int shuffle(gn_net *t, mn_value **v, mn_value **y) {
    return mn_shuffle(t->run, v[0], 3, y);
}
static int dropout(gn_net *t, mn_value **v, mn_value **y) {
    return mn_dropout(t->run, v[0], 0.4, y);
}
static int softmax(gn_net *t, mn_value **v, mn_value **y) {
    return mn_softmax(t->run, v[0], 0, y);
}
static int log_softmax(gn_net *t, mn_value **v, mn_value **y) {
    return mn_softmax(t->run, v[0], 1, y);
}

static int xent(gn_net *t, mn_value **v, mn_value **y) {
    static const int32_t labels[3] = {4, 0, 2};
    mn_value *target;
    MN_TRY(mn_input(t->run, (int64_t[]){3, 1, 1, 1}, MODNAS_I32, &target));
    mn_run_bind(t->run, target, labels);
    return mn_softmax_xent(t->run, v[0], target, 0.1, y);
}

static int xent_soft(gn_net *t, mn_value **v, mn_value **y) {
    static const float soft[15] = {.1f, .2f, .3f, .2f, .2f, 1, 0, 0, 0, 0, .5f, .25f, .25f, 0, 0};
    mn_value *target;
    MN_TRY(mn_input(t->run, (int64_t[]){3, 5, 1, 1}, MODNAS_F32, &target));
    mn_run_bind(t->run, target, soft);
    return mn_softmax_xent(t->run, v[0], target, 0, y);
}

static int weighted_sum(gn_net *t, mn_value **v, mn_value **y) {
    mn_value *p, *z;
    MN_TRY(mn_softmax(t->run, v[0], 0, &p));
    MN_TRY(mn_zero(t->run, v[1]->dims, &z));
    return mn_weighted_sum(t->run, p, (mn_value *[]){z, v[1], v[2]}, 3, y);
}

static int pick(gn_net *t, mn_value **v, mn_value **y) {
    MN_TRY(mn_pick(t->run, v[0], (int32_t[]){4, 1, 2}, 3, y));
    return mn_softmax(t->run, *y, 0, y);
}

#define X4                                                                                                             \
    { 2, 4, 5, 6 }
static const gn_case cases[] = {
    {"conv2d", {X4, {6, 2, 3, 2}, {1, 6, 1, 1}}, conv, 0, 0},
    {"conv2d depthwise", {{2, 3, 7, 6}, {3, 1, 5, 5}}, depthwise, 0, 0},
    {"linear", {{3, 4, 1, 1}, {5, 4, 1, 1}, {1, 5, 1, 1}}, linear, 0, 0},
    {"batch_norm", {X4, {1, 4, 1, 1}, {1, 4, 1, 1}, {1, 4, 1, 1}, {1, 4, 1, 1}}, bn, 2, 0},
    {"batch_norm, running statistics", {X4, {1, 4, 1, 1}, {1, 4, 1, 1}, {1, 4, 1, 1}, {1, 4, 1, 1}}, bn, 2, 1},
    {"batch_norm, not affine", {X4, {1, 4, 1, 1}, {1, 4, 1, 1}}, bn_plain, 2, 0},
    {"batch_norm + relu6", {X4, {1, 4, 1, 1}, {1, 4, 1, 1}, {1, 4, 1, 1}, {1, 4, 1, 1}}, bn_relu6, 2, 0},
    {"batch_norm + hard_swish", {X4, {1, 4, 1, 1}, {1, 4, 1, 1}, {1, 4, 1, 1}, {1, 4, 1, 1}}, bn_hswish, 2, 0},
    {"batch_norm + hard_swish, running statistics",
     {X4, {1, 4, 1, 1}, {1, 4, 1, 1}, {1, 4, 1, 1}, {1, 4, 1, 1}},
     bn_hswish,
     2,
     1},
    {"batch_norm + residual + hard_swish",
     {X4, {1, 4, 1, 1}, {1, 4, 1, 1}, X4, {1, 4, 1, 1}, {1, 4, 1, 1}},
     bn_add_hswish,
     2,
     0},
    {"batch_norm + own source", {X4, {1, 4, 1, 1}, {1, 4, 1, 1}, {1, 4, 1, 1}, {1, 4, 1, 1}}, bn_add, 2, 0},
    {"batch_norm + residual + relu",
     {X4, {1, 4, 1, 1}, {1, 4, 1, 1}, X4, {1, 4, 1, 1}, {1, 4, 1, 1}},
     bn_add_relu,
     2,
     0},
    {"block", {X4, {6, 4, 1, 1}, {1, 6, 1, 1}, {1, 6, 1, 1}, {4, 6, 3, 3}, {1, 6, 1, 1}, {1, 6, 1, 1}}, block, 2, 0},
    {"block, running statistics",
     {X4, {6, 4, 1, 1}, {1, 6, 1, 1}, {1, 6, 1, 1}, {4, 6, 3, 3}, {1, 6, 1, 1}, {1, 6, 1, 1}},
     block,
     2,
     1},
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

/* No two values that live at the same time share memory; checked from the plan itself. */
START_TEST(no_overlap) {
    gn_net n, *t = &n;
    const gn_case *c = &cases[_i];
    gn_open(t, c, MODNAS_F64, "ref");
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

int main(void) {
    Suite *s = suite_create("graph_ops");
    TCase *c = tcase_create("operators");
    const int n = (int)MN_COUNT(cases);
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, gradients, 0, n);
    tcase_add_loop_test(c, losses_agree, 0, n);
    tcase_add_loop_test(c, no_overlap, 0, n);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
