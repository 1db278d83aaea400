/* What a host's forward can record: each function's result on a small image against numbers worked out by hand (or by
 * the formula beside it), on both backends. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util_hosted.h"

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

int main(void) {
    Suite *s = suite_create("host_ops");
    TCase *c = tcase_create("values");
    tcase_add_checked_fixture(c, hosted_setup, hosted_teardown);
    tcase_add_loop_test(c, values, 0, (int)MN_COUNT(ops));
    suite_add_tcase(s, c);
    return util_run(s);
}
