/* The wide part of inverted residual blocks as one kernel: losses, gradients, running statistics and the bytes at other
 * thread counts.
 *
 * The reference is ref, which has no such kernel and runs convolutions and batch norms one by one (each of them checked
 * elsewhere against finite differences and PyTorch). Models are a stem, one block and a head; weights follow from seed
 * and name, so both backends have the same. Sums over thousands of products in f32: tensors agree to 2e-4 of their
 * largest element (or 1e-6, for gradients that cancel). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module/layers.h"
#include "space/candidates.h"
#include "util_model.h"

enum { MAX_THREADS = 4 };

typedef struct shape {
    int in, out, stride, size, batch, kernel, expansion, act;
} shape;

/* Channels that are no multiple of a block, planes of one pixel up to several tiles, batches that leave a rest. */
static const shape shapes[] = {
    {16, 24, 1, 8, 4, 3, 6, MODNAS_ACT_RELU6},  {24, 24, 1, 4, 5, 5, 3, MODNAS_ACT_RELU6},
    {8, 16, 2, 9, 3, 3, 3, MODNAS_ACT_RELU6},   {32, 16, 1, 8, 2, 7, 6, MODNAS_ACT_RELU6},
    {40, 80, 2, 14, 2, 5, 6, MODNAS_ACT_RELU6}, {16, 16, 1, 8, 3, 3, 1, MODNAS_ACT_RELU6},
    {17, 24, 2, 8, 3, 5, 1, MODNAS_ACT_RELU6},  {20, 13, 1, 7, 3, 7, 3, MODNAS_ACT_RELU6},
    {24, 40, 1, 16, 2, 3, 6, MODNAS_ACT_RELU},  {16, 8, 1, 1, 6, 3, 3, MODNAS_ACT_RELU6},
    {96, 96, 1, 4, 9, 7, 6, MODNAS_ACT_RELU6},  {32, 32, 1, 33, 1, 3, 3, MODNAS_ACT_RELU6},
    {16, 320, 1, 4, 2, 3, 6, MODNAS_ACT_RELU6}, {64, 24, 2, 32, 2, 7, 3, MODNAS_ACT_RELU6},
    {5, 7, 1, 6, 2, 5, 2, MODNAS_ACT_RELU},     {128, 24, 2, 16, 2, 3, 2, MODNAS_ACT_RELU6},
    {20, 30, 2, 17, 3, 5, 3, MODNAS_ACT_RELU6}, {16, 24, 1, 20, 1, 7, 6, MODNAS_ACT_RELU6},
};

static void add(mn_model *m, const char *name, mn_module *part) {
    ck_assert_msg(mn_module_add(m->root, name, part) == 0, "%s", modnas_errmsg(model_ctx));
}

/* A stem, one block, a head, on a backend. */
static mn_model *build(const shape *c, const char *backend, int threads) {
    mn_backend *b;
    mn_model *m;
    mn_module *part;
    ck_assert_int_eq(mn_backend_open(model_ctx, backend, threads, &b), 0);
    ck_assert_int_eq(mn_model_new(model_ctx, b, MODNAS_F32, 3, &m), 0);
    mn_backend_close(b);
    m->input[0] = 3;
    m->input[1] = m->input[2] = c->size;
    m->n_classes = 5;
    ck_assert_int_eq(mn_sequential_new(m, &m->root), 0);
    ck_assert_int_eq(mn_conv_bn_act_new(m, 3, c->in, 3, 1, 1, MODNAS_ACT_NONE, &part), 0);
    add(m, "stem", part);
    ck_assert_int_eq(mn_mbconv_new(m, c->in, c->out, c->stride, c->expansion, c->kernel, c->act, &part), 0);
    add(m, "block", part);
    ck_assert_int_eq(mn_global_pool_new(m, &part), 0);
    add(m, "pool", part);
    ck_assert_int_eq(mn_linear_new(m, c->out, 5, 1, &part), 0);
    add(m, "head", part);
    ck_assert_int_eq(mn_model_commit(m), 0);
    return m;
}

static int has_dnnl(void) {
    mn_backend *b;
    if (mn_backend_open(model_ctx, "dnnl", 1, &b)) {
        printf("skipped: no dnnl here: %s\n", modnas_errmsg(model_ctx));
        return 0;
    }
    mn_backend_close(b);
    return 1;
}

static void compare(const shape *c, const char *name, const char *what, const double *want, const double *got,
                    int64_t n) {
    double largest = 0, worst = 0;
    for (int64_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs(want[i]));
        worst = fmax(worst, fabs(want[i] - got[i]));
        ck_assert_msg(got[i] == got[i], "%s %s: element %lld is no number", name, what, (long long)i);
    }
    ck_assert_msg(worst <= 2e-4 * largest + 1e-6,
                  "%d -> %d, expansion %d, kernel %d, stride %d, %dx%d: %s of %s is off by %g of %g", c->in, c->out,
                  c->expansion, c->kernel, c->stride, c->size, c->size, what, name, worst, largest);
}

static void compare_params(const shape *c, mn_model *a, mn_model *b) {
    for (size_t i = 0; i < mn_store_n_params(a->weights); i++) {
        const mn_param *p = mn_store_param(a->weights, i), *q = model_param(b, p->name);
        const int64_t n = mn_param_numel(p);
        double *x = calloc((size_t)n, sizeof *x), *y = calloc((size_t)n, sizeof *y);
        const int stat = p->role == MN_ROLE_STAT;
        ck_assert_int_eq(stat ? mn_param_get(p, x) : mn_param_get_grad(p, x), 0);
        ck_assert_int_eq(stat ? mn_param_get(q, y) : mn_param_get_grad(q, y), 0);
        compare(c, p->name, stat ? "value" : "gradient", x, y, n);
        free(x);
        free(y);
    }
}

static const mn_run_opts weight_step = {.train = 1, .update_stats = 1, .grads = MN_ROLE_WEIGHT};

static double one_step(mn_model *m, int batch, const mn_run_opts *opts, int64_t *n_calls) {
    step s;
    step_new(m, batch, &s);
    step_record(m, &s, opts);
    const double loss = step_go(&s);
    *n_calls = mn_run_n_calls(s.run);
    step_free(&s);
    return loss;
}

/* Is the block one kernel on dnnl? Without AVX2, oneDNN keeps the weights of a convolution plain when a channel count is no
 * multiple of 8, and such a block runs as single kernels. */
static int fuses(const shape *c, const mn_model *dnnl) {
    const char *version = mn_backend_version(dnnl->backend);
    return strstr(version, "avx") || (c->in % 8 == 0 && c->out % 8 == 0 && c->in * c->expansion % 8 == 0);
}

START_TEST(test_equals_ref) {
    const shape *c = &shapes[_i];
    int64_t calls_ref, calls_dnnl;
    if (!has_dnnl()) return;
    mn_model *ref = build(c, "ref", 1), *dnnl = build(c, "dnnl", 1);
    const double a = one_step(ref, c->batch, &weight_step, &calls_ref),
                 b = one_step(dnnl, c->batch, &weight_step, &calls_dnnl);
    ck_assert_msg(fabs(a - b) <= 1e-5 * fabs(a), "loss %.9g on ref, %.9g on dnnl", a, b);
    ck_assert_msg(!fuses(c, dnnl) || calls_dnnl < calls_ref, "%lld calls on dnnl, %lld on ref: nothing was fused",
                  (long long)calls_dnnl, (long long)calls_ref);
    compare_params(c, ref, dnnl);
    mn_model_free(ref);
    mn_model_free(dnnl);
}
END_TEST

/* The same bytes each time, whatever the number of threads is; close to ref at all of them. */
START_TEST(test_threads) {
    const shape *c = &shapes[4];
    int64_t calls;
    if (!has_dnnl()) return;
    mn_model *ref = build(c, "ref", 1), *first = build(c, "dnnl", 1 + _i), *second = build(c, "dnnl", 1 + _i);
    one_step(ref, c->batch, &weight_step, &calls);
    const double a = one_step(first, c->batch, &weight_step, &calls),
                 b = one_step(second, c->batch, &weight_step, &calls);
    const size_t bytes = mn_store_count(first->weights) * sizeof(float);
    ck_assert(a == b && memcmp(mn_store_grads(first->weights), mn_store_grads(second->weights), bytes) == 0);
    compare_params(c, ref, first);
    mn_model_free(ref);
    mn_model_free(first);
    mn_model_free(second);
}
END_TEST

/* Batch statistics without moving the running ones, and without gradients: an architecture step's paths. */
START_TEST(test_frozen_statistics) {
    const mn_run_opts opts = {.train = 1};
    const shape *c = &shapes[0];
    int64_t calls;
    if (!has_dnnl()) return;
    mn_model *ref = build(c, "ref", 1), *dnnl = build(c, "dnnl", 2);
    const double a = one_step(ref, c->batch, &opts, &calls), b = one_step(dnnl, c->batch, &opts, &calls);
    ck_assert_msg(fabs(a - b) <= 1e-5 * fabs(a), "loss %.9g on ref, %.9g on dnnl", a, b);
    compare_params(c, ref, dnnl); /* running statistics as they were made */
    mn_model_free(ref);
    mn_model_free(dnnl);
}
END_TEST

/* ---- inference ---- */

/* Logits in evaluation, after a training step that moved the running statistics. */
static double *evaluate(mn_model *m, int batch, int64_t *n_calls, int64_t *n) {
    static const mn_run_opts opts = {.train = 0};
    step s;
    int64_t calls;
    one_step(m, batch, &weight_step, &calls);
    step_new(m, batch, &s);
    step_record(m, &s, &opts);
    step_go(&s);
    *n_calls = mn_run_n_calls(s.run);
    *n = s.logits->dims[0] * s.logits->dims[1];
    double *logits = calloc((size_t)*n, sizeof *logits);
    ck_assert_int_eq(mn_run_read(s.run, s.logits, logits), 0);
    step_free(&s);
    return logits;
}

/* Both take over `a` and `b`. Is one kernel run for the block on dnnl, where the batch can be shared out evenly? */
static void compare_evaluation(const shape *c, mn_model *a, mn_model *b, int shares) {
    int64_t calls_ref, calls_dnnl, n, m;
    double *want = evaluate(a, c->batch, &calls_ref, &n), *got = evaluate(b, c->batch, &calls_dnnl, &m);
    ck_assert_int_eq(n, m);
    compare(c, "evaluation", "logits", want, got, n);
    if (shares && fuses(c, b)) ck_assert_int_lt(calls_dnnl, calls_ref);
    free(want);
    free(got);
    mn_model_free(a);
    mn_model_free(b);
}

START_TEST(test_inference) {
    const shape *c = &shapes[_i / MAX_THREADS];
    const int threads = 1 + _i % MAX_THREADS;
    if (!has_dnnl()) return;
    compare_evaluation(c, build(c, "ref", 1), build(c, "dnnl", threads),
                       c->batch % threads == 0 || c->batch >= 8 * threads);
}
END_TEST

/* Whole networks: with residuals, with and without an expansion. */
START_TEST(test_inference_residual) {
    const shape c = {.in = 3, .out = 5, .stride = 1, .size = 17, .batch = 4};
    static const char net[] = "model: {type: MobileNetV2, args: {cfgs: [[0, 16, 1, 1], [1, 16, 2, 1], [3, 20, 3, 2], [6, 40, 2,"
                              " 2]], n_classes: 5, input: [3, 17, 17], width_coeff: 0}}\n";
    char text[2][512];
    if (!has_dnnl()) return;
    snprintf(text[0], sizeof text[0], "backend: ref\n%s", net);
    snprintf(text[1], sizeof text[1], "backend: dnnl\nthreads: %d\n%s", 1 + _i, net);
    compare_evaluation(&c, model_of(text[0], MODNAS_F32), model_of(text[1], MODNAS_F32), 4 % (1 + _i) == 0);
}
END_TEST

int main(void) {
    Suite *s = suite_create("bottleneck");
    util_add_loop(s, "inference", model_setup, model_teardown, test_inference, MAX_THREADS * MN_COUNT(shapes));
    util_add_loop(s, "residual", model_setup, model_teardown, test_inference_residual, MAX_THREADS);
    util_add_loop(s, "equals_ref", model_setup, model_teardown, test_equals_ref, MN_COUNT(shapes));
    util_add_loop(s, "threads", model_setup, model_teardown, test_threads, MAX_THREADS);
    util_add(s, "frozen", model_setup, model_teardown, (const TTest *const[]){test_frozen_statistics, NULL});
    return util_run(s);
}
