/* The reference kernels against what defines them:
 *
 *   - f32 against f64 over the case table (the f64 set is the same source, so this bounds rounding, not meaning);
 *   - every backward kernel in f64 against central differences of its forward kernel;
 *   - forward convolution against the sum written out in modnas/sys/kernel.h, term by term;
 *   - descriptions that do not fit are refused. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "util_kernel_cases.h"

static modnas_ctx *ctx;
static mn_backend *ref;

static void setup(void) {
    ck_assert_int_eq(modnas_ctx_new(NULL, &ctx), 0);
    ck_assert_int_eq(mn_backend_open(ctx, "ref", 1, &ref), 0);
}

static void teardown(void) {
    mn_backend_close(ref);
    modnas_ctx_free(ctx);
}

/* ---- the table ---- */

START_TEST(f32_agrees_with_f64) {
    char text[256] = "";
    kc_case c;
    kc_data *got = NULL, *want = NULL;
    kc_get(_i, &c);
    if (c.bench) return;
    kc_data *in = kc_fill(ref, &c, MODNAS_F32, 1);
    ck_assert_msg(in != NULL, "%s: %s", c.name, modnas_errmsg(ctx));
    ck_assert_msg(kc_run(ref, &c, MODNAS_F32, KC_PLAIN, in, &got) == 0, "%s: %s", c.name, modnas_errmsg(ctx));
    ck_assert_msg(kc_run(ref, &c, MODNAS_F64, KC_PLAIN, in, &want) == 0, "%s: %s", c.name, modnas_errmsg(ctx));
    ck_assert_msg(kc_compare(&c, got, want, text, sizeof text) == 0, "%s", text);
    kc_data_free(in);
    kc_data_free(got);
    kc_data_free(want);
}
END_TEST

/* ---- gradients ---- */

/* A forward case that is run again and again with one input changed: L = sum of y g_y. */
typedef struct probe {
    kc_case c;
    kc_data *in;
    const double *gy;
    int y;
} probe;

static double loss_of(probe *p) {
    kc_data *out = NULL;
    double sum = 0;
    ck_assert_msg(kc_run(ref, &p->c, MODNAS_F64, KC_PLAIN, p->in, &out) == 0, "%s: %s", p->c.name, modnas_errmsg(ctx));
    for (int64_t i = 0; i < out->n_elems[p->y]; i++) sum += out->arg[p->y][i] * p->gy[i];
    kc_data_free(out);
    return sum;
}

/* Derivative of L along a direction of input `arg`. */
static double slope_along(probe *p, int arg, const double *direction) {
    const double h = 1e-5;
    const int64_t n = p->in->n_elems[arg];
    double *x = p->in->arg[arg], *kept = malloc(sizeof(double) * (size_t)n), loss[2];
    ck_assert_ptr_nonnull(kept);
    memcpy(kept, x, sizeof(double) * (size_t)n);
    for (int side = 0; side < 2; side++) {
        for (int64_t i = 0; i < n; i++) x[i] = kept[i] + (side ? -h : h) * direction[i];
        loss[side] = loss_of(p);
    }
    memcpy(x, kept, sizeof(double) * (size_t)n);
    free(kept);
    return (loss[0] - loss[1]) / (2 * h);
}

/* Directions 0..5: one element each, spread over the tensor; 6 and 7: all elements, random signs and sizes. */
enum { N_DIRECTIONS = 8, N_SINGLE = 6 };

static void set_direction(int which, double *direction, int64_t n) {
    mn_rng rng;
    mn_rng_init(&rng, 5, mn_stream("direction"), (uint64_t)which);
    memset(direction, 0, sizeof(double) * (size_t)n);
    if (which < N_SINGLE) direction[n * which / N_SINGLE] = 1;
    for (int64_t i = 0; i < n && which >= N_SINGLE; i++) direction[i] = 2 * mn_rng_real(&rng) - 1;
}

/* Central differences with h = 1e-5 in f64: h^2 |L'''| / 6 and 1e-16 |L| / h, both below 1e-7 of the terms' size here.
 */
static void check_gradient(probe *p, const char *name, const double *gradient) {
    const int arg = kc_find(&p->c, name);
    ck_assert_msg(arg >= 0, "%s has no %s", p->c.name, name);
    const int64_t n = p->in->n_elems[arg];
    double *direction = malloc(sizeof(double) * (size_t)n);
    ck_assert_ptr_nonnull(direction);
    for (int which = 0; which < N_DIRECTIONS; which++) {
        double want = 0, size = 1;
        set_direction(which, direction, n);
        for (int64_t i = 0; i < n; i++) {
            want += gradient[i] * direction[i];
            size += fabs(gradient[i] * direction[i]);
        }
        const double slope = slope_along(p, arg, direction);
        ck_assert_msg(fabs(slope - want) <= 2e-7 * size, "%s: along direction %d of %s: %.12g, differences give %.12g",
                      p->c.name, which, name, want, slope);
    }
    free(direction);
}

START_TEST(gradient_agrees_with_differences) {
    kc_case c;
    kc_get(_i, &c);
    if (c.bench || c.kernel.pass == MODNAS_FORWARD) return;
    kc_data *in = kc_fill(ref, &c, MODNAS_F64, 2), *out = NULL;
    ck_assert_msg(in != NULL, "%s: %s", c.name, modnas_errmsg(ctx));
    ck_assert_msg(kc_run(ref, &c, MODNAS_F64, KC_PLAIN, in, &out) == 0, "%s: %s", c.name, modnas_errmsg(ctx));
    probe p;
    const int is_loss = c.kernel.kind == MODNAS_KERNEL_SOFTMAX_XENT || c.kernel.kind == MODNAS_KERNEL_LOSS;
    kc_forward_of(&c, &p.c);
    p.in = kc_fill(ref, &p.c, MODNAS_F64, 2);
    p.y = kc_find(&p.c, is_loss ? "loss" : "y");
    p.gy = in->arg[kc_find(&c, is_loss ? "g_loss" : "g_y")];
    for (int i = 0; i < c.n_args; i++)
        if (c.args[i].io == KC_OUT) check_gradient(&p, c.args[i].name + 2, out->arg[i]);
    kc_data_free(p.in);
    kc_data_free(in);
    kc_data_free(out);
}
END_TEST

/* ---- convolution, term by term ---- */

static int64_t at(const modnas_tdesc *t, int64_t n, int64_t c, int64_t h, int64_t w) {
    return ((n * t->dims[1] + c) * t->dims[2] + h) * t->dims[3] + w;
}

static const double *value_of(const kc_case *c, const kc_data *d, const char *name) {
    const int i = kc_find(c, name);
    return i < 0 ? NULL : d->arg[i];
}

/* dst[n,o,y,x] without bias and what follows. */
static double conv_at(const kc_case *c, const double *x, const double *w, const int64_t i[4]) {
    const modnas_kernel *k = &c->kernel;
    const modnas_window *v = &k->u.window;
    const int64_t per_group = k->weights.dims[1], group = i[1] / (k->dst.dims[1] / v->groups);
    double sum = 0;
    for (int64_t ch = 0; ch < per_group; ch++)
        for (int64_t ky = 0; ky < v->kernel[0]; ky++)
            for (int64_t kx = 0; kx < v->kernel[1]; kx++) {
                const int64_t y = i[2] * v->stride[0] + ky * v->dilation[0] - v->pad[0];
                const int64_t xx = i[3] * v->stride[1] + kx * v->dilation[1] - v->pad[1];
                if (y < 0 || xx < 0 || y >= k->src.dims[2] || xx >= k->src.dims[3]) continue;
                sum += x[at(&k->src, i[0], group * per_group + ch, y, xx)] * w[at(&k->weights, i[1], ch, ky, kx)];
            }
    return sum;
}

/* y = act(bn(conv + bias) + residual), the activations as in kernel.h. */
static double fused(const kc_case *c, const kc_data *in, double v, int64_t o, int64_t pos) {
    const double *bias = value_of(c, in, "bias"), *gamma = value_of(c, in, "gamma"), *beta = value_of(c, in, "beta");
    const double *mean = value_of(c, in, "mean"), *var = value_of(c, in, "var");
    const double *residual = value_of(c, in, "residual");
    if (bias) v += bias[o];
    if (mean) v = (v - mean[o]) / sqrt(var[o] + c->scalars[0]) * (gamma ? gamma[o] : 1) + (beta ? beta[o] : 0);
    if (residual) v += residual[pos];
    if (c->kernel.act == MODNAS_ACT_RELU) return fmax(v, 0);
    if (c->kernel.act == MODNAS_ACT_RELU6) return fmin(fmax(v, 0), 6);
    if (c->kernel.act == MODNAS_ACT_HARD_SWISH) return v * fmin(fmax(v + 3, 0), 6) / 6;
    return v;
}

START_TEST(convolution_is_the_sum) {
    kc_case c;
    kc_data *out = NULL;
    kc_get(_i, &c);
    if (c.bench || c.kernel.kind != MODNAS_KERNEL_CONV2D || c.kernel.pass != MODNAS_FORWARD) return;
    kc_data *in = kc_fill(ref, &c, MODNAS_F64, 3);
    ck_assert_ptr_nonnull(in);
    ck_assert_msg(kc_run(ref, &c, MODNAS_F64, KC_PLAIN, in, &out) == 0, "%s: %s", c.name, modnas_errmsg(ctx));
    const double *x = value_of(&c, in, "x"), *w = value_of(&c, in, "w"), *got = value_of(&c, out, "y");
    const int64_t *d = c.kernel.dst.dims;
    for (int64_t p = 0; p < d[0] * d[1] * d[2] * d[3]; p++) {
        const int64_t i[4] = {p / d[3] / d[2] / d[1], p / d[3] / d[2] % d[1], p / d[3] % d[2], p % d[3]};
        const double want = fused(&c, in, conv_at(&c, x, w, i), i[1], p);
        ck_assert_msg(fabs(got[p] - want) <= 1e-12 * (1 + fabs(want)), "%s: y[%lld] is %.15g, the sum gives %.15g",
                      c.name, (long long)p, got[p], want);
    }
    kc_data_free(in);
    kc_data_free(out);
}
END_TEST

/* ---- what must be refused ---- */

/* A change that makes the description of a case inconsistent. */
static void one_row_more(modnas_kernel *k) {
    k->dst.dims[2]++;
}
static void other_batch(modnas_kernel *k) {
    k->dst.dims[0]++;
}
static void no_stride(modnas_kernel *k) {
    k->u.window.stride[1] = 0;
}
static void odd_groups(modnas_kernel *k) {
    k->u.window.groups = 5;
}
static void blocked(modnas_kernel *k) {
    k->src.layout = MODNAS_LAYOUT_BLOCKED;
}
static void integers(modnas_kernel *k) {
    k->dtype = MODNAS_I32;
}
static void box_too_long(modnas_kernel *k) {
    k->u.box.count[1]++;
}
static void box_starts_below(modnas_kernel *k) {
    k->u.box.src_start[1] = -1;
}
static void act_unknown(modnas_kernel *k) {
    k->act = 99;
}
static void algo_unknown(modnas_kernel *k) {
    k->algo = 99;
}
static void shuffle_groups(modnas_kernel *k) {
    k->groups = 5;
}
static void hard_to_unmask(modnas_kernel *k) {
    k->act = MODNAS_ACT_SWISH;
}
static void unknown_pass(modnas_kernel *k) {
    k->pass = 3;
}

static const struct {
    const char *name;
    void (*spoil)(modnas_kernel *k);
} refusals[] = {
    {"conv2d/fwd/3x3_c3_o16", one_row_more},
    {"conv2d/fwd/3x3_c3_o16", other_batch},
    {"conv2d/bwd_data/3x3_c3_o16", no_stride},
    {"conv2d/bwd_weights/3x3_group4", odd_groups},
    {"conv2d/fwd/1x1_c16_o32", blocked},
    {"conv2d/fwd/1x1_c16_o32", integers},
    {"conv2d/fwd/1x1_c16_o32", act_unknown},
    {"conv2d/fwd/1x1_c16_o32", unknown_pass},
    {"linear/fwd/c12_o7_bias", other_batch},
    {"pool2d/fwd/max_k2_ceil", one_row_more},
    {"pool2d/fwd/avg_k3_s1", algo_unknown},
    {"batch_norm/fwd/train_c3", one_row_more},
    {"batch_norm/bwd_data/train_c3", hard_to_unmask},
    {"activation/fwd/relu6_c17", act_unknown},
    {"binary/fwd/add_channel", one_row_more},
    {"binary/fwd/add_c17", algo_unknown},
    {"copy/fwd/slice_c_3_20", box_too_long},
    {"copy/fwd/crop", box_starts_below},
    {"shuffle/fwd/c12_g3", shuffle_groups},
    {"reduce/fwd/sum_hw", one_row_more},
    {"loss/fwd/mse_c17_hw", other_batch},
    {"loss/bwd_data/bce_c10", algo_unknown},
};

START_TEST(inconsistent_shapes_are_refused) {
    const mn_plan *p;
    kc_case c = {.name = ""};
    for (int i = 0; i < kc_count() && strcmp(c.name, refusals[_i].name) != 0; i++) kc_get(i, &c);
    ck_assert_str_eq(c.name, refusals[_i].name);
    ck_assert(mn_backend_supports(ref, &c.kernel));
    refusals[_i].spoil(&c.kernel);
    ck_assert_msg(!mn_backend_supports(ref, &c.kernel), "%s", c.name);
    ck_assert_int_eq(mn_backend_plan(ref, &c.kernel, &p), MODNAS_EUNSUPPORTED);
}
END_TEST

int main(void) {
    Suite *s = suite_create("kernels_ref");
    TCase *table = tcase_create("table");
    tcase_add_checked_fixture(table, setup, teardown);
    tcase_set_timeout(table, 60);
    tcase_add_loop_test(table, f32_agrees_with_f64, 0, kc_count());
    tcase_add_loop_test(table, gradient_agrees_with_differences, 0, kc_count());
    tcase_add_loop_test(table, convolution_is_the_sum, 0, kc_count());
    tcase_add_loop_test(table, inconsistent_shapes_are_refused, 0, MN_COUNT(refusals));
    suite_add_tcase(s, table);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
