/* Activations and their derivatives, as one table of expressions in x (double) with parameters a and b.
 *
 * Corners follow PyTorch: relu, relu6 and clip pass a gradient only in the open interval, hard-sigmoid likewise,
 * hard-swish in the closed one. Comparisons are written so that a NaN comes through. */
#include <math.h>

#include "backend/ref/ref.h"

static double sigmoid(double x) {
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}
static double at_least(double x, double lo) {
    return x <= lo ? lo : x;
}
static double at_most(double x, double hi) {
    return x >= hi ? hi : x;
}
static double clip(double x, double lo, double hi) {
    return at_most(at_least(x, lo), hi);
}
static double inside(double x, double lo, double hi) {
    return !(x <= lo || x >= hi);
}
static double swish_slope(double x) {
    return sigmoid(x) * (1 + x * (1 - sigmoid(x)));
}
double MN_REF(hard_swish_slope)(double x) {
    return x < -3 ? 0 : x > 3 ? 1 : x / 3 + 0.5;
}

/* X(NAME, value, slope) */
#define ACT_MAP(X)                                                                                                     \
    X(NONE, x, 1)                                                                                                      \
    X(RELU, x <= 0 ? 0 : x, !(x <= 0))                                                                                 \
    X(RELU6, clip(x, 0, 6), inside(x, 0, 6))                                                                           \
    X(CLIP, clip(x, a, b), inside(x, a, b))                                                                            \
    X(SIGMOID, sigmoid(x), sigmoid(x) * (1 - sigmoid(x)))                                                              \
    X(HARD_SIGMOID, clip(x + 3, 0, 6) / 6, inside(x, -3, 3) / 6)                                                       \
    X(HARD_SWISH, clip(x + 3, 0, 6) * x / 6, MN_REF(hard_swish_slope)(x))                                              \
    X(SWISH, sigmoid(x) * x, swish_slope(x))                                                                           \
    X(TANH, tanh(x), 1 - tanh(x) * tanh(x))                                                                            \
    X(LINEAR, b + a * x, a)

/* Two loops an activation: y = value(x), gx = gy slope(x). In place is fine. */
#define ACT_LOOPS(NAME, value, slope)                                                                                  \
    static void forward_##NAME(const mn_real *src, mn_real *dst, int64_t n, double a, double b) {                      \
        (void)a, (void)b;                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            const double x = (double)src[i];                                                                           \
            dst[i] = (mn_real)(value);                                                                                 \
        }                                                                                                              \
    }                                                                                                                  \
    static void backward_##NAME(const mn_real *src, const mn_real *gy, mn_real *gx, int64_t n, double a, double b) {   \
        (void)a, (void)b;                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            const double x = (double)src[i];                                                                           \
            (void)x;                                                                                                   \
            gx[i] = (mn_real)((double)gy[i] * (slope));                                                                \
        }                                                                                                              \
    }
ACT_MAP(ACT_LOOPS)

typedef struct act_row {
    void (*forward)(const mn_real *src, mn_real *dst, int64_t n, double a, double b);
    void (*backward)(const mn_real *src, const mn_real *gy, mn_real *gx, int64_t n, double a, double b);
} act_row;

#define ACT_ROW(NAME, value, slope) [MODNAS_ACT_##NAME] = {forward_##NAME, backward_##NAME},
static const act_row rows[] = {ACT_MAP(ACT_ROW)};
enum { N_ACTS = sizeof(rows) / sizeof(rows[0]) };

void MN_REF(act)(int32_t act, const mn_real *x, mn_real *y, int64_t n, double alpha, double beta) {
    rows[act].forward(x, y, n, alpha, beta);
}

int MN_REF(act_fusable)(int32_t act) {
    return act >= 0 && act < N_ACTS && act != MODNAS_ACT_CLIP && act != MODNAS_ACT_LINEAR;
}

int MN_REF(activation_fits)(const modnas_kernel *k) {
    return MN_REF(dims_ok)(&k->src) && MN_REF(same_dims)(&k->src, &k->dst) && k->act >= 0 && k->act < N_ACTS;
}

int MN_REF(activation_forward)(const mn_ref_call *c) {
    MN_REF(act)(c->k->act, c->args[0], c->args[1], MN_REF(count)(&c->k->src), c->scalars[0], c->scalars[1]);
    return 0;
}

int MN_REF(activation_backward)(const mn_ref_call *c) {
    rows[c->k->act].backward(c->args[0], c->args[2], c->args[3], MN_REF(count)(&c->k->src), c->scalars[0],
                             c->scalars[1]);
    return 0;
}
