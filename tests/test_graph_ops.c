/* Operators of the graph: convolution, normalisation, activations, pooling, softmax, dropout. What each is checked for
 * is in util_graph.h. */
#include "util_graph.h"

static int conv(gn_net *t, mn_value **v, mn_value **y) {
    const mn_conv_opts o = {.stride = {2, 1}, .pad = {1, 2, 0, 1}, .dilation = {1, 2}, .groups = 2};
    return mn_conv2d(t->run, v[0], v[1], v[2], &o, y);
}

static int dilated(gn_net *t, mn_value **v, mn_value **y) { /* depthwise */
    const mn_conv_opts o = {.stride = {2, 1}, .pad = {2, 2, 2, 2}, .dilation = {2, 2}, .groups = 3};
    return mn_conv2d(t->run, v[0], v[1], NULL, &o, y);
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
ACTIVATION(leaky_relu, MODNAS_ACT_LEAKY_RELU, 0.2, 0)
ACTIVATION(elu, MODNAS_ACT_ELU, 1.7580993408473766, 1.0507009873554805)
ACTIVATION(softplus, MODNAS_ACT_SOFTPLUS, 0, 0)
ACTIVATION(exp_, MODNAS_ACT_EXP, 0, 0)
ACTIVATION(abs_, MODNAS_ACT_ABS, 0, 0)

/* of positive numbers */
static int logarithm(gn_net *t, mn_value **v, mn_value **y) {
    MN_TRY(mn_activation(t->run, v[0], MODNAS_ACT_SOFTPLUS, 0, 0, y));
    return mn_activation(t->run, *y, MODNAS_ACT_LOG, 0, 0, y);
}
static int power(gn_net *t, mn_value **v, mn_value **y) {
    MN_TRY(mn_activation(t->run, v[0], MODNAS_ACT_SOFTPLUS, 0, 0, y));
    return mn_activation(t->run, *y, MODNAS_ACT_POW, -1.5, 0, y);
}

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

static int dropout(gn_net *t, mn_value **v, mn_value **y) {
    return mn_dropout(t->run, v[0], 0.4, y);
}

static int softmax(gn_net *t, mn_value **v, mn_value **y) {
    return mn_softmax(t->run, v[0], 0, y);
}

static int log_softmax(gn_net *t, mn_value **v, mn_value **y) {
    return mn_softmax(t->run, v[0], 1, y);
}

#define X4                                                                                                             \
    { 2, 4, 5, 6 }
static const gn_case cases[] = {
    {"conv2d", {X4, {6, 2, 3, 2}, {1, 6, 1, 1}}, conv, 0, 0},
    {"conv2d depthwise", {{2, 3, 7, 6}, {3, 1, 5, 5}}, depthwise, 0, 0},
    {"conv2d depthwise, dilated", {{2, 3, 7, 6}, {3, 1, 3, 3}}, dilated, 0, 0},
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
    {"leaky_relu", {X4}, leaky_relu, 0, 0},
    {"elu", {X4}, elu, 0, 0},
    {"softplus", {X4}, softplus, 0, 0},
    {"exp", {X4}, exp_, 0, 0},
    {"abs", {X4}, abs_, 0, 0},
    {"log", {X4}, logarithm, 0, 0},
    {"pow", {X4}, power, 0, 0},
    {"max pool", {X4}, max_pool, 0, 0},
    {"average pool, ceil", {X4}, avg_pool, 0, 0},
    {"average pool, padding counts", {X4}, avg_pad_pool, 0, 0},
    {"global max pool", {X4}, global_max, 0, 0},
    {"dropout", {X4}, dropout, 0, 0},
    {"softmax", {X4}, softmax, 0, 0},
    {"log softmax", {X4}, log_softmax, 0, 0},
};

int main(void) {
    return gn_run_cases("graph_ops", cases, (int)MN_COUNT(cases));
}
