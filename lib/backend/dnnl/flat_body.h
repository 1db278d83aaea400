/* Loops over n consecutive floats: see mn_simd_flat in simd.h. Included by flat_<isa>.c behind a vec_<isa>.h.
 *
 * Every loop has the same form: whole vectors, then the rest as one short vector. EACH writes that form down once:
 * inside it, `i` is the position, LOAD and STORE move a vector or the rest of one. */
#include <math.h>

#include "backend/dnnl/simd.h"
#include "backend/dnnl/vec_act.h"
#include "modnas/sys/kernel.h"

VEC_FN vec load_some(const float *p, int64_t n) {
    return n >= VL ? vec_load(p) : vec_load_n(p, n);
}
VEC_FN void store_some(float *p, vec a, int64_t n) {
    if (n >= VL)
        vec_store(p, a);
    else
        vec_store_n(p, a, n);
}

#define LOAD(p)     load_some((p) + i, left)
#define STORE(p, a) store_some((p) + i, a, left)
#define EACH(n, body)                                                                                                  \
    do {                                                                                                               \
        int64_t i = 0;                                                                                                 \
        for (; i + VL <= (n); i += VL) {                                                                               \
            enum { left = VL };                                                                                        \
            body;                                                                                                      \
        }                                                                                                              \
        if (i < (n)) {                                                                                                 \
            const int64_t left = (n)-i;                                                                                \
            body;                                                                                                      \
        }                                                                                                              \
    } while (0)

static void fill(float *y, int64_t n, float value) {
    const vec v = vec_set1(value);
    EACH(n, STORE(y, v));
}

static void axpby(const float *x, float *y, int64_t n, float a, float b) {
    const vec va = vec_set1(a), vb = vec_set1(b);
    if (a == 0 && b == 0)
        fill(y, n, 0);
    else if (a == 0)
        EACH(n, STORE(y, vec_mul(vb, LOAD(y))));
    else if (b == 0)
        EACH(n, STORE(y, vec_mul(va, LOAD(x))));
    else
        EACH(n, STORE(y, vec_fma(va, LOAD(x), vec_mul(vb, LOAD(y)))));
}

static double lanes_total(vsum s) {
    double lane[VL], total = 0;
    vsum_store(lane, s);
    for (int i = 0; i < VL; i++) total += lane[i];
    return total;
}

static double dot(const float *x, const float *y, int64_t n) {
    vsum even = vsum_zero(), odd = vsum_zero();
    int64_t i = 0;
    for (; i + 2 * VL <= n; i += 2 * VL) {
        even = vsum_fma(even, vec_load(x + i), vec_load(y + i));
        odd = vsum_fma(odd, vec_load(x + i + VL), vec_load(y + i + VL));
    }
    for (; i < n; i += VL) even = vsum_fma(even, load_some(x + i, n - i), load_some(y + i, n - i));
    return lanes_total(even) + lanes_total(odd);
}

static void weighted_sum(const float *p, void *const *x, int32_t n_src, int64_t first, float *y, int64_t n) {
    for (int64_t i = 0; i < n; i += VL) {
        vec sum = vec_zero();
        for (int32_t s = 0; s < n_src; s++)
            sum = vec_fma(vec_set1(p[s]), load_some((const float *)x[s] + first + i, n - i), sum);
        store_some(y + i, sum, n - i);
    }
}

/* ---- two operands ---- */

VEC_FN vec operate(int32_t algo, vec a, vec b) {
    switch (algo) {
    case MODNAS_BINARY_ADD:
        return vec_add(a, b);
    case MODNAS_BINARY_SUB:
        return vec_sub(a, b);
    case MODNAS_BINARY_MUL:
        return vec_mul(a, b);
    case MODNAS_BINARY_DIV:
        return vec_div(a, b);
    case MODNAS_BINARY_MAX:
        return vec_pick(vec_eq(a, a), vec_max(a, b), a); /* a NaN comes through */
    default:
        return vec_pick(vec_eq(a, a), vec_min(a, b), a);
    }
}

VEC_FN vec operand_at(const mn_simd_operand *o, int64_t i) {
    const float *p = o->mem + i * o->step;
    return o->splat ? vec_set1(*p) : vec_load(p);
}

VEC_FN void binary_loop(int32_t algo, const mn_simd_operand *a, const mn_simd_operand *b, float *y, int64_t n_vec) {
    for (int64_t i = 0; i < n_vec; i++) vec_store(y + i * VL, operate(algo, operand_at(a, i), operand_at(b, i)));
}

VEC_FN void binary_flat_loop(int32_t algo, const float *a, const float *b, float *y, int64_t n) {
    EACH(n, STORE(y, operate(algo, LOAD(a), LOAD(b))));
}

/* One loop a case: nothing is decided inside. */
#define CASE(which, call)                                                                                              \
    case which:                                                                                                        \
        call(which);                                                                                                   \
        break;
#define BY_ALGO(call)                                                                                                  \
    switch (algo) {                                                                                                    \
        CASE(MODNAS_BINARY_ADD, call)                                                                                  \
        CASE(MODNAS_BINARY_SUB, call)                                                                                  \
        CASE(MODNAS_BINARY_MUL, call)                                                                                  \
        CASE(MODNAS_BINARY_MAX, call)                                                                                  \
        CASE(MODNAS_BINARY_MIN, call)                                                                                  \
        CASE(MODNAS_BINARY_DIV, call)                                                                                  \
    }

static void binary(int32_t algo, const mn_simd_operand *a, const mn_simd_operand *b, float *y, int64_t n_vec) {
#define CALL(op) binary_loop(op, a, b, y, n_vec)
    BY_ALGO(CALL);
#undef CALL
}

static void binary_flat(int32_t algo, const float *a, const float *b, float *y, int64_t n) {
#define CALL(op) binary_flat_loop(op, a, b, y, n)
    BY_ALGO(CALL);
#undef CALL
}

/* ---- activations ---- */

VEC_FN vmask inside(vec x, vec low, vec high) {
    return vec_and(vec_gt(x, low), vec_lt(x, high));
}

/* What has no vector form here: an element after the other. */
VEC_FN vec by_lane(float (*fn)(float, float), vec x, vec y) {
    float a[VL], b[VL];
    vec_store(a, x);
    vec_store(b, y);
    for (int i = 0; i < VL; i++) a[i] = fn(a[i], b[i]);
    return vec_load(a);
}

static float elu_below(float x, float alpha) {
    return alpha * expm1f(x);
}
static float elu_slope_below(float x, float alpha) {
    return alpha * expf(x);
}
static float logarithm(float x, float unused) {
    (void)unused;
    return logf(x);
}
static float pow_slope(float x, float alpha) {
    return alpha == 0 ? 0 : alpha * powf(x, alpha - 1);
}

VEC_FN vec value_of(int32_t act, vec x, vec alpha, vec beta) {
    const vec zero = vec_zero(), six = vec_set1(6);
    switch (act) {
    case MODNAS_ACT_RELU:
        return vec_max(zero, x);
    case MODNAS_ACT_RELU6:
        return clip(x, zero, six);
    case MODNAS_ACT_CLIP:
        return clip(x, alpha, beta);
    case MODNAS_ACT_HARD_SIGMOID:
        return hard_sigmoid(x);
    case MODNAS_ACT_HARD_SWISH:
        return hard_swish(x);
    case MODNAS_ACT_LINEAR:
        return vec_fma(alpha, x, beta);
    case MODNAS_ACT_LEAKY_RELU:
        return vec_pick(vec_gt(x, zero), x, vec_mul(alpha, x));
    case MODNAS_ACT_ELU:
        return vec_pick(vec_gt(x, zero), vec_mul(beta, x), by_lane(elu_below, x, alpha));
    case MODNAS_ACT_LOG:
        return by_lane(logarithm, x, x);
    case MODNAS_ACT_POW:
        return by_lane(powf, x, alpha);
    case MODNAS_ACT_ABS:
        return vec_max(vec_sub(zero, x), x);
    default:
        return x;
    }
}

VEC_FN vec slope_of(int32_t act, vec x, vec alpha, vec beta) {
    const vec zero = vec_zero(), one = vec_set1(1), three = vec_set1(3), minus = vec_set1(-3);
    switch (act) {
    case MODNAS_ACT_RELU:
        return vec_keep(vec_gt(x, zero), one);
    case MODNAS_ACT_RELU6:
        return vec_keep(inside(x, zero, vec_set1(6)), one);
    case MODNAS_ACT_CLIP:
        return vec_keep(inside(x, alpha, beta), one);
    case MODNAS_ACT_HARD_SIGMOID:
        return vec_keep(inside(x, minus, three), vec_set1(1.0f / 6));
    case MODNAS_ACT_HARD_SWISH:
        return hard_swish_slope(x);
    case MODNAS_ACT_LINEAR:
        return alpha;
    case MODNAS_ACT_LEAKY_RELU:
        return vec_pick(vec_gt(x, zero), one, alpha);
    case MODNAS_ACT_ELU:
        return vec_pick(vec_gt(x, zero), beta, by_lane(elu_slope_below, x, alpha));
    case MODNAS_ACT_LOG:
        return vec_div(one, x);
    case MODNAS_ACT_POW:
        return by_lane(pow_slope, x, alpha);
    case MODNAS_ACT_ABS:
        return vec_sub(vec_keep(vec_gt(x, zero), one), vec_keep(vec_lt(x, zero), one));
    default:
        return one;
    }
}

VEC_FN void act_loop(int32_t act, float alpha, float beta, const float *x, float *y, int64_t n) {
    const vec a = vec_set1(alpha), b = vec_set1(beta);
    EACH(n, STORE(y, value_of(act, LOAD(x), a, b)));
}

VEC_FN void act_back_loop(int32_t act, float alpha, float beta, const float *x, const float *gy, float *gx, int64_t n) {
    const vec a = vec_set1(alpha), b = vec_set1(beta);
    EACH(n, STORE(gx, vec_mul(LOAD(gy), slope_of(act, LOAD(x), a, b))));
}

#define BY_ACT(call)                                                                                                   \
    switch (act) {                                                                                                     \
        CASE(MODNAS_ACT_NONE, call)                                                                                    \
        CASE(MODNAS_ACT_RELU, call)                                                                                    \
        CASE(MODNAS_ACT_RELU6, call)                                                                                   \
        CASE(MODNAS_ACT_CLIP, call)                                                                                    \
        CASE(MODNAS_ACT_HARD_SIGMOID, call)                                                                            \
        CASE(MODNAS_ACT_HARD_SWISH, call)                                                                              \
        CASE(MODNAS_ACT_LINEAR, call)                                                                                  \
        CASE(MODNAS_ACT_LEAKY_RELU, call)                                                                              \
        CASE(MODNAS_ACT_ELU, call)                                                                                     \
        CASE(MODNAS_ACT_LOG, call)                                                                                     \
        CASE(MODNAS_ACT_POW, call)                                                                                     \
        CASE(MODNAS_ACT_ABS, call)                                                                                     \
    }

static void act_forward(int32_t act, float alpha, float beta, const float *x, float *y, int64_t n) {
#define CALL(which) act_loop(which, alpha, beta, x, y, n)
    BY_ACT(CALL);
#undef CALL
}

static void act_back(int32_t act, float alpha, float beta, const float *x, const float *gy, float *gx, int64_t n) {
#define CALL(which) act_back_loop(which, alpha, beta, x, gy, gx, n)
    BY_ACT(CALL);
#undef CALL
}

/* ---- optimizers ---- */

/* d = g_scale g + decay w; buf = first ? d : momentum buf + (1 - dampening) d
 * w -= lr (nesterov ? d + momentum buf : buf) */
VEC_FN vec sgd_momentum(const mn_simd_sgd *c, vec d, vec buf) {
    return c->first ? d : vec_fma(vec_set1(c->momentum), buf, vec_mul(vec_set1(c->rest), d));
}

static void sgd(const mn_simd_sgd *c, float *w, const float *g, float *buf, int64_t n) {
    const vec lr = vec_set1(c->lr), momentum = vec_set1(c->momentum), decay = vec_set1(c->decay);
    const vec g_scale = vec_set1(c->g_scale);
    for (int64_t i = 0; i < n; i += VL) {
        const int64_t left = n - i;
        const vec old = LOAD(w);
        vec d = vec_fma(g_scale, LOAD(g), vec_mul(decay, old));
        if (buf) {
            const vec b = sgd_momentum(c, d, c->first ? d : LOAD(buf));
            STORE(buf, b);
            d = c->nesterov ? vec_fma(momentum, b, d) : b;
        }
        STORE(w, vec_fnma(lr, d, old));
    }
}

static void adam(const mn_simd_adam *c, float *w, const float *g, float *m, float *v, int64_t n) {
    const vec beta1 = vec_set1(c->beta1), beta2 = vec_set1(c->beta2), rest1 = vec_set1(c->rest1);
    const vec rest2 = vec_set1(c->rest2), eps = vec_set1(c->eps), lr = vec_set1(c->lr);
    const vec decay = vec_set1(c->decoupled ? 0 : c->decay), shrink = vec_set1(c->decoupled ? c->shrink : 1);
    const vec g_scale = vec_set1(c->g_scale), correction2 = vec_set1(c->correction2);
    for (int64_t i = 0; i < n; i += VL) {
        const int64_t left = n - i;
        const vec old = LOAD(w);
        const vec d = vec_fma(g_scale, LOAD(g), vec_mul(decay, old));
        const vec mean = vec_fma(beta1, LOAD(m), vec_mul(rest1, d));
        const vec square = vec_fma(beta2, LOAD(v), vec_mul(rest2, vec_mul(d, d)));
        STORE(m, mean);
        STORE(v, square);
        const vec divisor = vec_add(vec_div(vec_sqrt(square), correction2), eps);
        STORE(w, vec_sub(vec_mul(shrink, old), vec_div(vec_mul(lr, mean), divisor)));
    }
}

static void rmsprop(const mn_simd_rmsprop *c, float *w, const float *g, float *v, float *mean, float *buf, int64_t n) {
    const vec lr = vec_set1(c->lr), alpha = vec_set1(c->alpha), rest = vec_set1(c->rest), eps = vec_set1(c->eps);
    const vec decay = vec_set1(c->decay), momentum = vec_set1(c->momentum), g_scale = vec_set1(c->g_scale);
    for (int64_t i = 0; i < n; i += VL) {
        const int64_t left = n - i;
        const vec old = LOAD(w), d = vec_fma(g_scale, LOAD(g), vec_mul(decay, old));
        vec square = vec_fma(alpha, LOAD(v), vec_mul(rest, vec_mul(d, d)));
        STORE(v, square);
        if (mean) {
            const vec m = vec_fma(alpha, LOAD(mean), vec_mul(rest, d));
            STORE(mean, m);
            square = vec_max(vec_zero(), vec_fnma(m, m, square));
        }
        vec step = vec_div(d, vec_add(vec_sqrt(square), eps));
        if (buf) {
            step = vec_fma(momentum, LOAD(buf), step);
            STORE(buf, step);
        }
        STORE(w, vec_fnma(lr, step, old));
    }
}

static void adagrad(const mn_simd_adagrad *c, float *w, const float *g, float *sum, int64_t n) {
    const vec lr = vec_set1(c->lr), eps = vec_set1(c->eps), decay = vec_set1(c->decay), g_scale = vec_set1(c->g_scale);
    for (int64_t i = 0; i < n; i += VL) {
        const int64_t left = n - i;
        const vec old = LOAD(w), d = vec_fma(g_scale, LOAD(g), vec_mul(decay, old));
        const vec square = vec_fma(d, d, LOAD(sum));
        STORE(sum, square);
        STORE(w, vec_fnma(lr, vec_div(d, vec_add(vec_sqrt(square), eps)), old));
    }
}

const mn_simd_flat VEC_NAME(mn_simd_flat) = {
    .fill = fill,
    .axpby = axpby,
    .dot = dot,
    .weighted_sum = weighted_sum,
    .binary = binary,
    .binary_flat = binary_flat,
    .act = act_forward,
    .act_back = act_back,
    .sgd = sgd,
    .adam = adam,
    .rmsprop = rmsprop,
    .adagrad = adagrad,
};
