/* Losses of the graph. What each is checked for is in util_graph.h. */
#include <math.h>

#include "util_graph.h"

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

static int nll(gn_net *t, mn_value **v, mn_value **y) {
    static const int32_t labels[3] = {4, 0, 2};
    mn_value *target;
    MN_TRY(mn_input(t->run, (int64_t[]){3, 1, 1, 1}, MODNAS_I32, &target));
    mn_run_bind(t->run, target, labels);
    MN_TRY(mn_softmax(t->run, v[0], 1, y));
    return mn_nll(t->run, *y, target, y);
}

/* A pointwise loss of x against numbers of its own shape, on probabilities where it wants them. */
static int loss_of(gn_net *t, mn_value *x, int32_t algo, double beta, mn_value **y) {
    double numbers[240];
    mn_value *target;
    for (int i = 0; i < 240; i++) numbers[i] = 0.5 + 0.5 * sin(2.3 * i);
    MN_TRY(mn_const(t->run, x->dims, numbers, &target));
    if (algo == MODNAS_LOSS_BCE) MN_TRY(mn_activation(t->run, x, MODNAS_ACT_SIGMOID, 0, 0, &x));
    return mn_loss(t->run, algo, x, target, beta, y);
}
static int mse(gn_net *t, mn_value **v, mn_value **y) {
    return loss_of(t, v[0], MODNAS_LOSS_MSE, 0, y);
}
static int l1(gn_net *t, mn_value **v, mn_value **y) {
    return loss_of(t, v[0], MODNAS_LOSS_L1, 0, y);
}
static int smooth_l1(gn_net *t, mn_value **v, mn_value **y) {
    return loss_of(t, v[0], MODNAS_LOSS_SMOOTH_L1, 0.75, y);
}
static int bce(gn_net *t, mn_value **v, mn_value **y) {
    return loss_of(t, v[0], MODNAS_LOSS_BCE, 0, y);
}
static int bce_logits(gn_net *t, mn_value **v, mn_value **y) {
    return loss_of(t, v[0], MODNAS_LOSS_BCE_LOGITS, 0, y);
}
static int mse_labels(gn_net *t, mn_value **v, mn_value **y) {
    static const int32_t labels[3] = {4, 0, 2};
    mn_value *target;
    MN_TRY(mn_input(t->run, (int64_t[]){3, 1, 1, 1}, MODNAS_I32, &target));
    mn_run_bind(t->run, target, labels);
    return mn_loss(t->run, MODNAS_LOSS_MSE, v[0], target, 0, y);
}

#define X4                                                                                                             \
    { 2, 4, 5, 6 }
static const gn_case cases[] = {
    {"softmax_xent", {{3, 5, 1, 1}}, xent, 0, 0},
    {"softmax_xent, soft targets", {{3, 5, 1, 1}}, xent_soft, 0, 0},
    {"nll", {{3, 5, 1, 1}}, nll, 0, 0},
    {"mse", {X4}, mse, 0, 0},
    {"mse, labels", {{3, 5, 1, 1}}, mse_labels, 0, 0},
    {"l1", {X4}, l1, 0, 0},
    {"smooth l1", {X4}, smooth_l1, 0, 0},
    {"bce", {X4}, bce, 0, 0},
    {"bce with logits", {X4}, bce_logits, 0, 0},
};

int main(void) {
    return gn_run_cases("graph_losses", cases, (int)MN_COUNT(cases));
}
