/* What a host's forward can record: each function's result on a small image against numbers worked out by hand (or by
 * the formula beside it), on both backends; gradients of parameters that the host made, and of all that lies between,
 * against central differences in f64. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util_hosted.h"
#include "util_model.h"

static const char *const backends[] = {"backend: ref\n", "backend: dnnl\n"};

/* One image of 2 channels, 2 x 2. */
static const float image[8] = {-3, -2, -1, 0, 1, 2, 3, 4};

#define OP(name)                                                                                                       \
    static int name(modnas_module *m, modnas_tape *t, modnas_value *const *src, int32_t n_src, modnas_value **dst,     \
                    void *ud)
#define USED (void)m, (void)n_src, (void)ud
#define ACT(fn, name)                                                                                                  \
    OP(fn) {                                                                                                           \
        USED;                                                                                                          \
        return modnas_op_activation(t, name, src[0], dst);                                                             \
    }
ACT(relu, "ReLU")
ACT(relu6, "ReLU6")
ACT(sigmoid, "Sigmoid")
ACT(hardsigmoid, "Hardsigmoid")
ACT(hardswish, "Hardswish")
ACT(silu, "SiLU")
ACT(tanh_, "Tanh")

static int vector(modnas_tape *t, double a, double b, modnas_value **dst) {
    return modnas_op_constant(t, (int64_t[]){1, 2, 1, 1}, (double[]){a, b}, dst);
}

#define BINARY(fn, op)                                                                                                 \
    OP(fn) {                                                                                                           \
        modnas_value *v;                                                                                               \
        USED;                                                                                                          \
        MN_TRY(vector(t, 2, -4, &v));                                                                                  \
        return op(t, src[0], v, dst);                                                                                  \
    }
BINARY(add_vector, modnas_op_add)
BINARY(sub_vector, modnas_op_sub)
BINARY(mul_vector, modnas_op_mul)
BINARY(div_vector, modnas_op_div)

OP(add_self) {
    USED;
    return modnas_op_add(t, src[0], src[0], dst);
}

OP(affine) {
    USED;
    return modnas_op_affine(t, src[0], 2, -1, dst);
}

OP(sum_h) {
    int64_t d[4];
    USED;
    MN_TRY(modnas_value_dims(t, src[0], d));
    d[2] = 1;
    return modnas_op_reduce(t, "sum", src[0], d, dst);
}

OP(mean_c) {
    int64_t d[4];
    USED;
    MN_TRY(modnas_value_dims(t, src[0], d));
    d[1] = 1;
    return modnas_op_reduce(t, "mean", src[0], d, dst);
}

OP(concat_c) {
    USED;
    return modnas_op_concat(t, (modnas_value *[]){src[0], src[0]}, 2, 1, dst);
}

OP(concat_w) {
    USED;
    return modnas_op_concat(t, (modnas_value *[]){src[0], src[0]}, 2, 3, dst);
}

/* halves of the channels, the second first */
OP(split_c) {
    modnas_value *v[2];
    USED;
    MN_TRY(modnas_op_split(t, src[0], 1, NULL, 2, v));
    return modnas_op_concat(t, (modnas_value *[]){v[1], v[0]}, 2, 1, dst);
}

/* four channels into 3 and 1 */
OP(split_sizes) {
    modnas_value *v[2];
    USED;
    MN_TRY(modnas_op_concat(t, (modnas_value *[]){src[0], src[0]}, 2, 1, &v[0]));
    MN_TRY(modnas_op_split(t, v[0], 1, (int32_t[]){3, 1}, 2, v));
    *dst = v[1];
    return 0;
}

OP(slice) {
    int64_t d[4];
    USED;
    MN_TRY(modnas_value_dims(t, src[0], d));
    return modnas_op_slice(t, src[0], (int32_t[]){0, 1, 0, 1}, NULL, (int32_t[]){(int32_t)d[0], 1, 2, 1}, dst);
}

OP(pad) {
    USED;
    return modnas_op_pad(t, src[0], (int32_t[]){0, 0, 1, 0}, (int32_t[]){0, 0, 0, 1}, 0.5, dst);
}

/* channels a b c d in 2 groups become a c b d */
OP(shuffle) {
    modnas_value *v;
    USED;
    MN_TRY(modnas_op_affine(t, src[0], 1, 10, &v));
    MN_TRY(modnas_op_concat(t, (modnas_value *[]){src[0], v}, 2, 1, &v));
    return modnas_op_shuffle(t, v, 2, dst);
}

OP(reshape) {
    int64_t d[4];
    USED;
    MN_TRY(modnas_value_dims(t, src[0], d));
    return modnas_op_reshape(t, src[0], (int64_t[]){d[0], 1, 4, 2}, dst);
}

OP(softmax) {
    USED;
    return modnas_op_softmax(t, src[0], dst);
}

OP(log_softmax) {
    USED;
    return modnas_op_log_softmax(t, src[0], dst);
}

OP(dropout) {
    USED;
    return modnas_op_dropout(t, src[0], 0.5, dst);
}

OP(zeros) {
    int64_t d[4];
    modnas_value *z;
    USED;
    MN_TRY(modnas_value_dims(t, src[0], d));
    MN_TRY(modnas_op_zeros(t, d, &z));
    return modnas_op_concat(t, (modnas_value *[]){z, src[0]}, 2, 1, dst);
}

OP(max_pool) {
    const modnas_window_opts o = {.size = sizeof o, .kernel = {2, 2}, .stride = {1, 1}, .pad = {0, 1, 0, 0}};
    USED;
    return modnas_op_pool2d(t, "max", src[0], &o, dst);
}

OP(avg_pool) { /* padding is left out of the mean */
    const modnas_window_opts o = {.size = sizeof o, .kernel = {2, 2}, .stride = {1, 1}, .pad = {0, 1, 0, 0}};
    USED;
    return modnas_op_pool2d(t, "avg", src[0], &o, dst);
}

OP(avg_pool_counted) {
    const modnas_window_opts o = {
        .size = sizeof o, .kernel = {2, 2}, .stride = {1, 1}, .pad = {0, 1, 0, 0}, .count_pad = 1};
    USED;
    return modnas_op_pool2d(t, "avg", src[0], &o, dst);
}

OP(global_max) {
    USED;
    return modnas_op_global_pool(t, "max", src[0], dst);
}

OP(global_avg) {
    USED;
    return modnas_op_global_pool(t, "avg", src[0], dst);
}

/* one output: sum of a 2 x 2 window over both channels, the second one twice; + 100 */
OP(conv) {
    modnas_value *w, *b;
    USED;
    MN_TRY(modnas_op_constant(t, (int64_t[]){1, 2, 2, 2}, (double[]){1, 1, 1, 1, 2, 2, 2, 2}, &w));
    MN_TRY(modnas_op_constant(t, (int64_t[]){1, 1, 1, 1}, (double[]){100}, &b));
    return modnas_op_conv2d(t, src[0], w, b, NULL, dst);
}

/* by channel, 1 x 2, over a column of zeros on either side, every second place */
OP(conv_groups) {
    const modnas_window_opts o = {.size = sizeof o, .stride = {1, 2}, .pad = {0, 1, 0, 1}, .groups = 2};
    modnas_value *w;
    USED;
    MN_TRY(modnas_op_constant(t, (int64_t[]){2, 1, 1, 2}, (double[]){1, 10, 2, 20}, &w));
    return modnas_op_conv2d(t, src[0], w, NULL, &o, dst);
}

OP(linear) {
    modnas_value *v, *w, *b;
    USED;
    MN_TRY(modnas_op_global_pool(t, "max", src[0], &v)); /* 0, 4 */
    MN_TRY(modnas_op_constant(t, (int64_t[]){3, 2, 1, 1}, (double[]){1, 1, 5, -1, 0, 0.5}, &w));
    MN_TRY(vector(t, 0, 0, &b));
    MN_TRY(modnas_op_constant(t, (int64_t[]){1, 3, 1, 1}, (double[]){1, 2, 3}, &b));
    return modnas_op_linear(t, v, w, b, dst);
}

/* x + mean over all elements of x^2; evaluated on one image: 44 / 8 */
OP(mse) {
    int64_t d[4];
    modnas_value *z, *loss;
    USED;
    MN_TRY(modnas_value_dims(t, src[0], d));
    MN_TRY(modnas_op_zeros(t, d, &z));
    MN_TRY(modnas_op_loss(t, "MSELoss", src[0], z, 0, &loss));
    return modnas_op_add(t, src[0], loss, dst);
}

static double f_sigmoid(double x) {
    return 1 / (1 + exp(-x));
}
static double f_silu(double x) {
    return x * f_sigmoid(x);
}
/* softmax over 2 channels whose values are 4 apart: e^0 and e^4 over their sum */
static double f_softmax(double x) {
    return x > 0 ? f_sigmoid(4) : f_sigmoid(-4);
}
static double f_log_softmax(double x) {
    return log(f_softmax(x));
}

static const struct {
    const char *name;
    int (*forward)(modnas_module *m, modnas_tape *t, modnas_value *const *src, int32_t n_src, modnas_value **dst,
                   void *ud);
    int n;
    double want[18];
    double (*formula)(double x); /* of every element of the image, instead of want */
} ops[] = {
    {"ReLU", relu, 8, {0, 0, 0, 0, 1, 2, 3, 4}, NULL},
    {"ReLU6", relu6, 8, {0, 0, 0, 0, 1, 2, 3, 4}, NULL},
    {"Sigmoid", sigmoid, 8, {0}, f_sigmoid},
    {"Hardsigmoid", hardsigmoid, 8, {0, 1. / 6, 2. / 6, 3. / 6, 4. / 6, 5. / 6, 1, 1}, NULL},
    {"Hardswish", hardswish, 8, {0, -2. / 6, -2. / 6, 0, 4. / 6, 10. / 6, 3, 4}, NULL},
    {"SiLU", silu, 8, {0}, f_silu},
    {"Tanh", tanh_, 8, {0}, tanh},
    {"add", add_self, 8, {-6, -4, -2, 0, 2, 4, 6, 8}, NULL},
    {"add vector", add_vector, 8, {-1, 0, 1, 2, -3, -2, -1, 0}, NULL},
    {"sub vector", sub_vector, 8, {-5, -4, -3, -2, 5, 6, 7, 8}, NULL},
    {"mul vector", mul_vector, 8, {-6, -4, -2, 0, -4, -8, -12, -16}, NULL},
    {"div vector", div_vector, 8, {-1.5, -1, -.5, 0, -.25, -.5, -.75, -1}, NULL},
    {"affine", affine, 8, {-7, -5, -3, -1, 1, 3, 5, 7}, NULL},
    {"sum over H", sum_h, 4, {-4, -2, 4, 6}, NULL},
    {"mean over C", mean_c, 4, {-1, 0, 1, 2}, NULL},
    {"concat C", concat_c, 16, {-3, -2, -1, 0, 1, 2, 3, 4, -3, -2, -1, 0, 1, 2, 3, 4}, NULL},
    {"concat W", concat_w, 16, {-3, -2, -3, -2, -1, 0, -1, 0, 1, 2, 1, 2, 3, 4, 3, 4}, NULL},
    {"split", split_c, 8, {1, 2, 3, 4, -3, -2, -1, 0}, NULL},
    {"split by sizes", split_sizes, 4, {1, 2, 3, 4}, NULL},
    {"slice", slice, 2, {2, 4}, NULL},
    {"pad", pad, 18, {.5, .5, .5, -3, -2, .5, -1, 0, .5, .5, .5, .5, 1, 2, .5, 3, 4, .5}, NULL},
    {"shuffle", shuffle, 16, {-3, -2, -1, 0, 7, 8, 9, 10, 1, 2, 3, 4, 11, 12, 13, 14}, NULL},
    {"reshape", reshape, 8, {-3, -2, -1, 0, 1, 2, 3, 4}, NULL},
    {"softmax", softmax, 8, {0}, f_softmax},
    {"log_softmax", log_softmax, 8, {0}, f_log_softmax},
    {"dropout", dropout, 8, {-3, -2, -1, 0, 1, 2, 3, 4}, NULL},
    {"zeros", zeros, 16, {0, 0, 0, 0, 0, 0, 0, 0, -3, -2, -1, 0, 1, 2, 3, 4}, NULL},
    {"max pool", max_pool, 4, {-1, 0, 3, 4}, NULL},
    {"avg pool", avg_pool, 4, {-2, -1.5, 2, 2.5}, NULL},
    {"avg pool, padding counts", avg_pool_counted, 4, {-1, -1.5, 1, 2.5}, NULL},
    {"global max", global_max, 2, {0, 4}, NULL},
    {"global avg", global_avg, 2, {-1.5, 2.5}, NULL},
    {"conv2d", conv, 1, {114}, NULL},
    {"conv2d in groups", conv_groups, 8, {-30, -2, -10, 0, 20, 4, 60, 8}, NULL},
    {"linear", linear, 3, {5, -2, 5}, NULL},
    {"loss", mse, 8, {2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5}, NULL},
};

/* Child "op" is the operator; what it gives is flattened. */
static int op_build(modnas_module *m, const modnas_args *args, void *ud) {
    const modnas_module_vt vt = {.size = sizeof vt, .forward = ops[*(const int *)ud].forward};
    (void)args;
    MN_TRY(modnas_model_set_input(modnas_module_model(m), 2, 2, 2));
    MN_TRY(modnas_module_add_custom(m, "op", &vt, NULL, NULL, NULL));
    return modnas_module_add(m, "flat", "Flatten", NULL, NULL);
}

START_TEST(values) {
    const modnas_module_vt vt = {.size = sizeof vt, .build = op_build};
    ck_assert_int_eq(hosted_register(hosted_ctx, "model", "N", NULL, &vt, &_i), 0);
    for (size_t b = 0; b < MN_COUNT(backends); b++) {
        char yaml[64];
        float y[32];
        snprintf(yaml, sizeof yaml, "%smodel: N\n", backends[b]);
        modnas_model *m = hosted_model(yaml);
        const int n = modnas_model_n_classes(m);
        ck_assert_int_eq(n, ops[_i].n);
        ck_assert_msg(modnas_model_forward(m, image, 1, y) == 0, "%s", modnas_errmsg(hosted_ctx));
        for (int i = 0; i < n; i++) {
            const double want = ops[_i].formula ? ops[_i].formula(image[i]) : ops[_i].want[i];
            ck_assert_msg(fabs(y[i] - want) <= 1e-6 * fmax(1, fabs(want)), "%s, %s%d: %g, wanted %g", ops[_i].name,
                          backends[b], i, y[i], want); /* f32, a few terms */
        }
        modnas_model_free(m);
    }
}
END_TEST

/* ---- numbers that make no sense ------------------------------------------------------------------------ */

static int misuse(modnas_module *m, modnas_tape *t, modnas_value *const *src, int32_t n_src, modnas_value **dst,
                  void *ud) {
    modnas_value *x = src[0], *v = NULL;
    const int32_t zero[4] = {0}, one[4] = {1, 1, 1, 1}, huge[4] = {0, 0, INT32_MAX, 0}, below[4] = {0, 0, -1, 0},
                  three[4] = {1, 1, 3, 1};
    const double nan_ = NAN;
#define WINDOW(...) (&(const modnas_window_opts){.size = sizeof(modnas_window_opts), __VA_ARGS__})
    const struct {
        const char *what;
        int rc, want;
    } rows[] = {
        {"stride", modnas_op_conv2d(t, x, x, NULL, WINDOW(.stride = {-1, 1}), &v), MODNAS_EINVAL},
        {"pad", modnas_op_conv2d(t, x, x, NULL, WINDOW(.pad = {INT32_MAX, 0, INT32_MAX, 0}), &v), MODNAS_EINVAL},
        {"groups", modnas_op_conv2d(t, x, x, NULL, WINDOW(.groups = 3), &v), MODNAS_ESHAPE},
        {"bias", modnas_op_conv2d(t, x, x, x, NULL, &v), MODNAS_ESHAPE},
        {"short opts", modnas_op_conv2d(t, x, x, NULL, &(const modnas_window_opts){.size = 2}, &v), MODNAS_EINVAL},
        {"linear of an image", modnas_op_linear(t, x, x, NULL, &v), MODNAS_ESHAPE},
        {"no kernel", modnas_op_pool2d(t, "max", x, WINDOW(.stride = {1, 1}), &v), MODNAS_EINVAL},
        {"pool dilation",
         modnas_op_pool2d(t, "max", x, WINDOW(.kernel = {65536, 65536}, .dilation = {65536, 65536}), &v),
         MODNAS_EINVAL},
        {"large window", modnas_op_pool2d(t, "max", x, WINDOW(.kernel = {3, 3}), &v), MODNAS_ESHAPE},
        {"pooling", modnas_op_pool2d(t, "min", x, WINDOW(.kernel = {2, 2}), &v), MODNAS_EINVAL},
        {"global pooling", modnas_op_global_pool(t, "sum", x, &v), MODNAS_EINVAL},
        {"activation", modnas_op_activation(t, "Relu", x, &v), MODNAS_ENOTFOUND},
        {"loss", modnas_op_loss(t, "L3Loss", x, x, 0, &v), MODNAS_ENOTFOUND},
        {"reduction", modnas_op_reduce(t, "max", x, (int64_t[]){1, 1, 1, 1}, &v), MODNAS_EINVAL},
        {"reduced to more", modnas_op_reduce(t, "sum", x, (int64_t[]){2, 4, 2, 2}, &v), MODNAS_ESHAPE},
        {"dropout 1", modnas_op_dropout(t, x, 1, &v), MODNAS_EINVAL},
        {"dropout NaN", modnas_op_dropout(t, x, nan_, &v), MODNAS_EINVAL},
        {"concat axis", modnas_op_concat(t, src, 1, 4, &v), MODNAS_EINVAL},
        {"concat of none", modnas_op_concat(t, src, -1, 1, &v), MODNAS_EINVAL},
        {"split axis", modnas_op_split(t, x, -1, NULL, 2, &v), MODNAS_EINVAL},
        {"split in three", modnas_op_split(t, x, 1, NULL, 3, &v), MODNAS_ESHAPE},
        {"split by sizes", modnas_op_split(t, x, 1, (int32_t[]){1, 2}, 2, &v), MODNAS_ESHAPE},
        {"split below 0", modnas_op_split(t, x, 1, (int32_t[]){3, -1}, 2, &v), MODNAS_ESHAPE},
        {"slice beyond", modnas_op_slice(t, x, zero, NULL, three, &v), MODNAS_ESHAPE},
        {"slice from below", modnas_op_slice(t, x, below, NULL, one, &v), MODNAS_ESHAPE},
        {"slice far", modnas_op_slice(t, x, huge, huge, one, &v), MODNAS_ESHAPE},
        {"pad below", modnas_op_pad(t, x, below, zero, 0, &v), MODNAS_EINVAL},
        {"pad far", modnas_op_pad(t, x, huge, huge, 0, &v), MODNAS_ESHAPE},
        {"reshape", modnas_op_reshape(t, x, (int64_t[]){1, 1, 1, 7}, &v), MODNAS_ESHAPE},
        {"reshape below", modnas_op_reshape(t, x, (int64_t[]){-2, -2, 2, 2}, &v), MODNAS_ESHAPE},
        {"reshape far", modnas_op_reshape(t, x, (int64_t[]){INT64_MAX, INT64_MAX, 2, 2}, &v), MODNAS_ESHAPE},
        {"shuffle", modnas_op_shuffle(t, x, 3, &v), MODNAS_ESHAPE},
        {"shuffle in 0", modnas_op_shuffle(t, x, 0, &v), MODNAS_ESHAPE},
        {"constant of nothing", modnas_op_constant(t, (int64_t[]){0, 1, 1, 1}, &nan_, &v), MODNAS_ESHAPE},
        {"large constant", modnas_op_constant(t, (int64_t[]){1, 65537, 1, 1}, &nan_, &v), MODNAS_ESHAPE},
        {"zeros of nothing", modnas_op_zeros(t, (int64_t[]){0, 1, 1, 1}, &v), MODNAS_ESHAPE},
        {"too many zeros", modnas_op_zeros(t, (int64_t[]){INT64_MAX, 2, 2, 2}, &v), MODNAS_ESHAPE},
        {"parameter", modnas_op_param(t, m, "w", &v), MODNAS_ENOTFOUND},
    };
    (void)n_src, (void)ud;
    for (size_t i = 0; i < MN_COUNT(rows); i++)
        ck_assert_msg(rows[i].rc == rows[i].want, "%s: %d, wanted %d: %s", rows[i].what, rows[i].rc, rows[i].want,
                      modnas_errmsg(hosted_ctx));
    return modnas_op_global_pool(t, "avg", x, dst);
}

static int misuse_build(modnas_module *m, const modnas_args *args, void *ud) {
    (void)args, (void)ud;
    return modnas_model_set_input(modnas_module_model(m), 2, 2, 2);
}

START_TEST(refused) {
    const modnas_module_vt vt = {.size = sizeof vt, .build = misuse_build, .forward = misuse};
    ck_assert_int_eq(hosted_register(hosted_ctx, "model", "N", NULL, &vt, NULL), 0);
    modnas_model_free(hosted_model("backend: ref\nmodel: N\n"));
}
END_TEST

/* ---- training and evaluation --------------------------------------------------------------------------- */

static int n_training, n_evaluation;

OP(looks) {
    USED;
    ++*(modnas_tape_is_training(t) ? &n_training : &n_evaluation);
    return modnas_op_global_pool(t, "avg", src[0], dst);
}

START_TEST(knows_the_mode) {
    const modnas_module_vt vt = {.size = sizeof vt, .build = misuse_build, .forward = looks};
    float y[2];
    ck_assert_int_eq(hosted_register(hosted_ctx, "model", "N", NULL, &vt, NULL), 0);
    modnas_model *m = hosted_model("backend: ref\nmodel: N\n");
    n_training = n_evaluation = 0;
    ck_assert_int_eq(modnas_model_forward(m, image, 1, y), 0);
    ck_assert_int_eq(modnas_model_forward(m, image, 1, y), 0);
    ck_assert_int_eq(n_training, 0);
    ck_assert_int_eq(n_evaluation, 1); /* the plan was kept */
    modnas_model_free(m);
}
END_TEST

/* ---- gradients ----------------------------------------------------------------------------------------- */

/* Parameters of the host as weights, scaled (so that the convolution's weights are computed ones), a vector, a table
 * that is added to the image, and what moves values around between them. Image 2x4x4, 3 classes. */
static int own_build(modnas_module *m, const modnas_args *args, void *ud) {
    (void)args, (void)ud;
    MN_TRY(modnas_model_set_input(modnas_module_model(m), 2, 4, 4));
    MN_TRY(modnas_module_param(m, "conv", (int64_t[]){6, 2, 3, 3}, 4, MODNAS_INIT_NORMAL, 0.3));
    MN_TRY(modnas_module_param(m, "gain", (int64_t[]){6, 1, 1, 1}, 4, MODNAS_INIT_UNIFORM, 1));
    MN_TRY(modnas_module_param(m, "depthwise", (int64_t[]){8, 1, 3, 3}, 4, MODNAS_INIT_NORMAL, 0.3));
    MN_TRY(modnas_module_param(m, "bias", (int64_t[]){8}, 1, MODNAS_INIT_UNIFORM, 0.5));
    MN_TRY(modnas_module_param(m, "place", (int64_t[]){1, 2, 4, 4}, 4, MODNAS_INIT_UNIFORM, 0.5));
    return modnas_module_param(m, "fc", (int64_t[]){3, 8}, 2, MODNAS_INIT_NORMAL, 0.5);
}

OP(own_forward) {
    const modnas_window_opts window = {.size = sizeof window, .pad = {1, 1, 1, 1}},
                             groups = {.size = sizeof groups, .pad = {1, 1, 1, 1}, .stride = {2, 2}, .groups = 8};
    modnas_value *x, *w, *p, *part[2];
    USED;
    MN_TRY(modnas_op_param(t, m, "place", &p));
    MN_TRY(modnas_op_add(t, src[0], p, &x));
    MN_TRY(modnas_op_param(t, m, "conv", &w));
    MN_TRY(modnas_op_param(t, m, "gain", &p));
    MN_TRY(modnas_op_mul(t, w, p, &w));
    MN_TRY(modnas_op_conv2d(t, x, w, NULL, &window, &part[0]));
    MN_TRY(modnas_op_activation(t, "SiLU", part[0], &part[0]));
    part[1] = x;
    MN_TRY(modnas_op_concat(t, part, 2, 1, &x));
    MN_TRY(modnas_op_shuffle(t, x, 2, &x));
    MN_TRY(modnas_op_split(t, x, 1, (int32_t[]){3, 5}, 2, part));
    MN_TRY(modnas_op_concat(t, (modnas_value *[]){part[1], part[0]}, 2, 1, &x));
    MN_TRY(modnas_op_param(t, m, "depthwise", &w));
    MN_TRY(modnas_op_param(t, m, "bias", &p));
    MN_TRY(modnas_op_conv2d(t, x, w, p, &groups, &x));
    MN_TRY(modnas_op_affine(t, x, 2, 0.25, &x));
    MN_TRY(modnas_op_global_pool(t, "avg", x, &x));
    MN_TRY(modnas_op_param(t, m, "fc", &w));
    return modnas_op_linear(t, x, w, NULL, dst);
}

static const modnas_module_vt own_vt = {.size = sizeof own_vt, .build = own_build, .forward = own_forward};

START_TEST(gradients) {
    const mn_run_opts opts = {.train = 1, .grads = MN_ROLE_WEIGHT};
    step s;
    ck_assert_int_eq(hosted_register(model_ctx, "model", "Own", NULL, &own_vt, NULL), 0);
    mn_model *m = model_of("backend: ref\nmodel: Own\n", MODNAS_F64);
    step_new(m, 3, &s);
    step_record(m, &s, &opts);
    ck_assert_uint_eq(mn_model_n_tensors(m), 6);
    for (size_t i = 0; i < mn_model_n_tensors(m); i++) check_gradient(m, &s, mn_model_tensor(m, i));
    step_free(&s);
    mn_model_free(m);
}
END_TEST

/* The same gradients and loss in f32 on both backends, from the same seed: layouts differ, results agree. */
START_TEST(backends_agree) {
    const mn_run_opts opts = {.train = 1, .grads = MN_ROLE_WEIGHT};
    double loss[2], grad[2][6][256];
    ck_assert_int_eq(hosted_register(model_ctx, "model", "Own", NULL, &own_vt, NULL), 0);
    for (int b = 0; b < 2; b++) {
        char yaml[64];
        step s;
        snprintf(yaml, sizeof yaml, "%smodel: Own\n", backends[b]);
        mn_model *m = model_of(yaml, MODNAS_F32);
        step_new(m, 3, &s);
        step_record(m, &s, &opts);
        loss[b] = step_go(&s);
        for (size_t i = 0; i < 6; i++) ck_assert_int_eq(mn_param_get_grad(mn_model_tensor(m, i), grad[b][i]), 0);
        step_free(&s);
        mn_model_free(m);
    }
    ck_assert_double_eq_tol(loss[0], loss[1], 1e-5);
    static const int sizes[6] = {108, 6, 72, 8, 32, 24};
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < sizes[i]; k++) ck_assert_double_eq_tol(grad[0][i][k], grad[1][i][k], 1e-5);
}
END_TEST

int main(void) {
    Suite *s = suite_create("host_ops");
    TCase *c = tcase_create("values");
    tcase_add_checked_fixture(c, hosted_setup, hosted_teardown);
    tcase_add_loop_test(c, values, 0, (int)MN_COUNT(ops));
    suite_add_tcase(s, c);
    util_add(s, "use", hosted_setup, hosted_teardown, (const TTest *const[]){refused, knows_the_mode, NULL});
    util_add(s, "parameters", model_setup, model_teardown, (const TTest *const[]){gradients, backends_agree, NULL});
    return util_run(s);
}
