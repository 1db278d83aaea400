/* Activations and their derivatives, as one table of expressions in x (double) with parameters a and b.
 *
 * Corners follow PyTorch: relu, relu6, clip and hard-sigmoid pass a gradient only in the open interval, hard-swish has
 * on its corners the slope of outside, leaky-relu and elu at 0 that of below. Comparisons are written so that a NaN
 * comes through. */
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
    return x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5;
}

static double softplus(double x) {
    return at_least(x, 0) + log1p(exp(-fabs(x)));
}
static double sign(double x) {
    return x > 0 ? 1 : x < 0 ? -1 : x;
}
static double pow_slope(double x, double a) {
    return a == 0 ? 0 : a * pow(x, a - 1);
}

/* X(NAME, has parameters, value, slope) */
#define ACT_MAP(X)                                                                                                     \
    X(NONE, 0, x, 1)                                                                                                   \
    X(RELU, 0, x <= 0 ? 0 : x, !(x <= 0))                                                                              \
    X(RELU6, 0, clip(x, 0, 6), inside(x, 0, 6))                                                                        \
    X(CLIP, 1, clip(x, a, b), inside(x, a, b))                                                                         \
    X(SIGMOID, 0, sigmoid(x), sigmoid(x) * (1 - sigmoid(x)))                                                           \
    X(HARD_SIGMOID, 0, clip(x + 3, 0, 6) / 6, inside(x, -3, 3) / 6)                                                    \
    X(HARD_SWISH, 0, clip(x + 3, 0, 6) * x / 6, MN_REF(hard_swish_slope)(x))                                           \
    X(SWISH, 0, sigmoid(x) * x, swish_slope(x))                                                                        \
    X(TANH, 0, tanh(x), 1 - tanh(x) * tanh(x))                                                                         \
    X(LINEAR, 1, b + a * x, a)                                                                                         \
    X(LEAKY_RELU, 1, x > 0 ? x : a * x, x > 0 ? 1 : a)                                                                 \
    X(ELU, 1, x > 0 ? b * x : a * expm1(x), x > 0 ? b : a * exp(x))                                                    \
    X(SOFTPLUS, 0, softplus(x), sigmoid(x))                                                                            \
    X(EXP, 0, exp(x), exp(x))                                                                                          \
    X(LOG, 0, log(x), 1 / x)                                                                                           \
    X(POW, 1, pow(x, a), pow_slope(x, a))                                                                              \
    X(ABS, 0, fabs(x), sign(x))

/* Two loops an activation: y = value(x), gx = gy slope(x). In place is fine. */
#define ACT_LOOPS(NAME, parameters, value, slope)                                                                      \
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
    int parameters;
    void (*forward)(const mn_real *src, mn_real *dst, int64_t n, double a, double b);
    void (*backward)(const mn_real *src, const mn_real *gy, mn_real *gx, int64_t n, double a, double b);
} act_row;

#define ACT_ROW(NAME, parameters, value, slope) [MODNAS_ACT_##NAME] = {parameters, forward_##NAME, backward_##NAME},
static const act_row rows[] = {ACT_MAP(ACT_ROW)};
enum { N_ACTS = sizeof(rows) / sizeof(rows[0]) };

void MN_REF(act)(int32_t act, const mn_real *x, mn_real *y, int64_t n, double alpha, double beta) {
    rows[act].forward(x, y, n, alpha, beta);
}

int MN_REF(act_fusable)(int32_t act) {
    return act >= 0 && act < N_ACTS && !rows[act].parameters;
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
