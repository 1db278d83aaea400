/* Recording: what makes no sense is refused, a forward knows its mode, and gradients of parameters that the host made,
 * and of all that lies between, agree with central differences in f64 and on both backends. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "space/prepare.h"
#include "util_hosted.h"
#include "util_model.h"

static const char *const backends[] = {"backend: ref\n", "backend: dnnl\n"};

/* One image of 2 channels, 2 x 2. */
static const float image[8] = {-3, -2, -1, 0, 1, 2, 3, 4};

#define OP(name)                                                                                                       \
    static int name(modnas_module *m, modnas_tape *t, modnas_value *const *src, int32_t n_src, modnas_value **dst,     \
                    void *ud)
#define USED (void)m, (void)n_src, (void)ud
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
         MODNAS_ESHAPE},
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

/* ---- the hot path -------------------------------------------------------------------------------------- */

static const mn_run_opts weight_step = {.train = 1, .update_stats = 1, .grads = MN_ROLE_WEIGHT};

typedef struct recording {
    mn_model *model;
    step step;
} recording;

static int record(mn_run *run, int32_t i, void *ud) {
    recording *r = ud;
    (void)run, (void)i;
    step_record(r->model, &r->step, &weight_step);
    return 0;
}

/* Once prepared, a host's forward is recorded again for every path that is drawn, and nothing is allocated. */
START_TEST(no_allocation) {
    ck_assert_int_eq(hosted_add_mobilenet(model_ctx), 0);
    for (size_t b = 0; b < MN_COUNT(backends); b++) {
        char yaml[512];
        recording r;
        snprintf(yaml, sizeof yaml,
                 "%s" HOSTED_SMALL_COPY "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E1, MB5E3, MB7E6]}\n",
                 backends[b]);
        r.model = model_of(yaml, MODNAS_F32);
        step_new(r.model, 4, &r.step);
        const mn_prepare_opts opts = {.n_runs = 1, .runs = {{.run = r.step.run}}, .record = record, .ud = &r};
        ck_assert_int_eq(mn_prepare(r.model, &opts, NULL), 0);
        const int64_t before = model_ctx->n_allocs;
        for (uint64_t draw = 0; draw < 100; draw++) {
            mn_model_set_draw(r.model, draw);
            step_record(r.model, &r.step, &weight_step);
            step_go(&r.step);
        }
        ck_assert_int_eq(model_ctx->n_allocs, before);
        step_free(&r.step);
        mn_model_free(r.model);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("host_tape");
    util_add(s, "use", hosted_setup, hosted_teardown, (const TTest *const[]){refused, knows_the_mode, NULL});
    util_add(s, "parameters", model_setup, model_teardown,
             (const TTest *const[]){gradients, backends_agree, no_allocation, NULL});
    return util_run(s);
}
