/* The oneDNN plug-in against `ref` over the kernel case table.
 *
 *   - every case, in the layouts that the plug-in asks for and in plain ones, in f32 against ref in f64; the padding of
 * blocked tensors stays 0; with AVX-512, AVX2 and portable C (oneDNN's own limit on the instruction set chooses)
 *   - the shapes of the benchmark with few images
 *   - threads 1 to 4: a second run gives the same bytes and makes no plan and no oneDNN object
 *   - which kinds are left to ref; texts of errors
 *
 * Tolerances are kc_tolerance's: f32 sums of K terms. Cases go in chunks, one forked process a chunk; nothing of OpenMP
 * or oneDNN runs in the parent. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_kernel_cases.h"

static modnas_ctx *ctx;
static mn_backend *ref, *dnnl;

/* What ONEDNN_MAX_CPU_ISA is set to (NULL: left alone). oneDNN reads it when it is first used, in the test's own
 * process. */
static const char *const limits[] = {NULL, "AVX2", "SSE41"};
enum { N_LIMITS = 3 };

static void open_backends(const char *limit, int threads) {
    if (limit) ck_assert_int_eq(setenv("ONEDNN_MAX_CPU_ISA", limit, 1), 0);
    ck_assert_int_eq(modnas_ctx_new(NULL, &ctx), 0);
    ck_assert_int_eq(mn_backend_open(ctx, "ref", 1, &ref), 0);
    ck_assert_msg(mn_backend_open(ctx, "dnnl", threads, &dnnl) == 0, "%s", modnas_errmsg(ctx));
    if (limit) ck_assert_ptr_null(strstr(mn_backend_version(dnnl), "avx512"));
    if (limit && strcmp(limit, "SSE41") == 0) ck_assert_ptr_nonnull(strstr(mn_backend_version(dnnl), "portable"));
}

static void close_backends(void) {
    mn_backend_close(dnnl);
    mn_backend_close(ref);
    modnas_ctx_free(ctx);
}

enum { CHUNK = 20, FEW_IMAGES = 3 };

static int n_chunks(void) {
    return (kc_count() + CHUNK - 1) / CHUNK;
}

/* Case number i; a large one gets few images, so that ref can follow. 0 if it has no batch to cut (flat ranges). */
static int get_case(int i, kc_case *c) {
    kc_get(i, c);
    if (!c->bench) return 1;
    modnas_tdesc *all[] = {&c->kernel.src, &c->kernel.weights, &c->kernel.dst};
    const int64_t batch = c->kernel.src.dims[0];
    if (batch <= FEW_IMAGES) return 0;
    for (int k = 0; k < 3; k++)
        if (all[k]->dims[0] == batch && !(k == 1 && c->kernel.kind == MODNAS_KERNEL_CONV2D))
            all[k]->dims[0] = FEW_IMAGES;
    if (c->kernel.kind == MODNAS_KERNEL_COPY) c->kernel.u.box.count[0] = FEW_IMAGES;
    kc_set_args(c);
    return 1;
}

static void assert_case(const kc_case *c, int layouts) {
    char text[400] = "";
    kc_data *want = NULL, *got;
    kc_bound *bound = NULL;
    kc_data *in = kc_fill(ref, c, MODNAS_F32, 1);
    ck_assert_msg(in != NULL, "%s: %s", c->name, modnas_errmsg(ctx));
    ck_assert_msg(kc_run(ref, c, MODNAS_F64, KC_PLAIN, in, &want) == 0, "%s: %s", c->name, modnas_errmsg(ctx));
    const int rc = kc_bind(dnnl, c, MODNAS_F32, layouts, in, &bound);
    if (rc == 0) {
        ck_assert_msg(kc_bound_run(bound) == 0, "%s: %s", c->name, modnas_errmsg(ctx));
        ck_assert_ptr_nonnull(got = kc_copy(in));
        ck_assert_msg(kc_bound_fetch(bound, got) == 0, "%s: %s", c->name, modnas_errmsg(ctx));
        ck_assert_msg(kc_compare(c, got, want, text, sizeof text) == 0, "layouts %d: %s", layouts, text);
        ck_assert_msg(kc_bound_dirty_padding(bound) == 0, "%s: padding is not 0", c->name);
        kc_data_free(got);
    } else {
        ck_assert_msg(rc == MODNAS_EUNSUPPORTED, "%s: %s", c->name, modnas_errmsg(ctx));
    }
    kc_bound_free(bound);
    kc_data_free(want);
    kc_data_free(in);
}

START_TEST(cases_agree_with_ref) {
    const int chunk = _i / N_LIMITS;
    open_backends(limits[_i % N_LIMITS], 2);
    for (int i = chunk * CHUNK; i < (chunk + 1) * CHUNK && i < kc_count(); i++) {
        kc_case c;
        if (!get_case(i, &c)) continue;
        assert_case(&c, KC_WANTED);
        if (!c.bench) assert_case(&c, KC_PLAIN);
    }
    close_backends();
}
END_TEST

/* ---- the same bytes ---- */

static void assert_repeats(const kc_case *c) {
    kc_data *in = kc_fill(ref, c, MODNAS_F32, 2), *out[2];
    kc_bound *bound[2] = {NULL};
    int64_t n_plans = 0, n_objects = 0;
    ck_assert_msg(in != NULL, "%s: %s", c->name, modnas_errmsg(ctx));
    for (int k = 0; k < 2; k++) {
        ck_assert_msg(kc_bind(dnnl, c, MODNAS_F32, KC_WANTED, in, &bound[k]) == 0, "%s: %s", c->name,
                      modnas_errmsg(ctx));
        ck_assert_ptr_nonnull(out[k] = kc_copy(in));
    }
    for (int k = 0; k < 2; k++) {
        ck_assert_msg(kc_bound_run(bound[k]) == 0, "%s: %s", c->name, modnas_errmsg(ctx));
        if (k == 0) n_plans = mn_backend_n_plans(dnnl);
        if (k == 0) n_objects = mn_backend_n_objects(dnnl);
    }
    ck_assert_msg(mn_backend_n_plans(dnnl) == n_plans, "%s: a second run made a plan", c->name);
    ck_assert_msg(mn_backend_n_objects(dnnl) == n_objects, "%s: a second run made a oneDNN object", c->name);
    for (int k = 0; k < 2; k++) ck_assert_int_eq(kc_bound_fetch(bound[k], out[k]), 0);
    for (int a = 0; a < c->n_args; a++) {
        if (!out[0]->arg[a]) continue;
        ck_assert_msg(memcmp(out[0]->arg[a], out[1]->arg[a], sizeof(double) * (size_t)in->n_elems[a]) == 0,
                      "%s: %s differs in a second run", c->name, c->args[a].name);
    }
    for (int k = 0; k < 2; k++) {
        kc_bound_free(bound[k]);
        kc_data_free(out[k]);
    }
    kc_data_free(in);
}

START_TEST(runs_repeat_bit_by_bit) {
    const int chunk = _i / 4;
    open_backends(NULL, 1 + _i % 4);
    for (int i = chunk * CHUNK; i < (chunk + 1) * CHUNK && i < kc_count(); i++) {
        kc_case c;
        if (get_case(i, &c)) assert_repeats(&c);
    }
    close_backends();
}
END_TEST

/* ---- what is left to ref ---- */

/* Softmax, its loss, and reductions over other axes than whole planes. */
static int is_left(const modnas_kernel *k) {
    const int64_t *from = k->src.dims, *to = k->dst.dims;
    if (k->kind == MODNAS_KERNEL_REDUCE) return to[1] != from[1] || to[2] != 1 || to[3] != 1;
    return k->kind == MODNAS_KERNEL_SOFTMAX || k->kind == MODNAS_KERNEL_SOFTMAX_XENT;
}

START_TEST(only_small_kinds_are_left_to_ref) {
    open_backends(NULL, 2);
    for (int i = 0; i < kc_count(); i++) {
        kc_case c;
        kc_get(i, &c);
        modnas_kernel k = c.kernel;
        k.src.layout = mn_backend_want_layout(dnnl, &c.kernel, MODNAS_ROLE_SRC);
        k.weights.layout = mn_backend_want_layout(dnnl, &c.kernel, MODNAS_ROLE_WEIGHTS);
        k.dst.layout = mn_backend_want_layout(dnnl, &c.kernel, MODNAS_ROLE_DST);
        const int expected = !is_left(&k);
        if (mn_backend_supports(dnnl, &k) != expected) fprintf(stderr, "left to ref: %s\n", c.name);
        ck_assert_msg(mn_backend_supports(dnnl, &k) == expected, "%s", c.name);
    }
    close_backends();
}
END_TEST

/* ---- layouts ---- */

static modnas_kernel conv_of(int64_t batch, int64_t channels, int64_t size, int64_t out, int32_t side, int32_t groups) {
    modnas_kernel k;
    memset(&k, 0, sizeof k);
    k.kind = MODNAS_KERNEL_CONV2D;
    k.src = (modnas_tdesc){{batch, channels, size, size}, 0, MODNAS_F32};
    k.weights = (modnas_tdesc){{out, channels / groups, side, side}, 0, MODNAS_F32};
    k.dst = (modnas_tdesc){{batch, out, size, size}, 0, MODNAS_F32};
    k.u.window = (modnas_window){{side, side}, {1, 1}, {side / 2, side / 2, side / 2, side / 2}, {1, 1}, groups, {0}};
    return k;
}

START_TEST(weights_rest_by_geometry_alone) {
    open_backends(NULL, 2);
    const modnas_kernel a = conv_of(64, 24, 32, 144, 1, 1), b = conv_of(1, 24, 7, 144, 1, 1),
                        c = conv_of(8, 40, 32, 144, 1, 1);
    const int32_t layout = mn_backend_want_layout(dnnl, &a, MODNAS_ROLE_WEIGHTS);
    ck_assert_int_eq(mn_backend_want_layout(dnnl, &b, MODNAS_ROLE_WEIGHTS), layout);
    ck_assert_int_ne(mn_backend_want_layout(dnnl, &c, MODNAS_ROLE_WEIGHTS),
                     layout); /* other dims, another descriptor */
    const int64_t n_objects = mn_backend_n_objects(dnnl);
    ck_assert_int_eq(mn_backend_want_layout(dnnl, &a, MODNAS_ROLE_WEIGHTS), layout);
    ck_assert_int_eq(mn_backend_n_objects(dnnl), n_objects);
    modnas_tdesc w = a.weights;
    ck_assert_uint_eq(mn_backend_layout_bytes(dnnl, &w, 1), 144 * 24 * 4);
    w.layout = layout; /* blocks of 16 or 8 outputs and inputs */
    const size_t bytes = mn_backend_layout_bytes(dnnl, &w, 1);
    ck_assert(bytes == 144 * 32 * 4 || bytes == 144 * 24 * 4);
    w.layout = 99999;
    ck_assert_uint_eq(mn_backend_layout_bytes(dnnl, &w, 1), 0);
    close_backends();
}
END_TEST

START_TEST(images_stay_plain) {
    open_backends(NULL, 2);
    const modnas_kernel image = conv_of(8, 3, 32, 32, 3, 1), inner = conv_of(8, 32, 32, 32, 3, 1),
                        depthwise = conv_of(8, 3, 32, 3, 3, 3);
    ck_assert_int_eq(mn_backend_want_layout(dnnl, &image, MODNAS_ROLE_SRC), MODNAS_LAYOUT_PLAIN);
    ck_assert_int_eq(mn_backend_want_layout(dnnl, &image, MODNAS_ROLE_DST), MODNAS_LAYOUT_BLOCKED);
    ck_assert_int_eq(mn_backend_want_layout(dnnl, &inner, MODNAS_ROLE_SRC), MODNAS_LAYOUT_BLOCKED);
    ck_assert_int_eq(mn_backend_want_layout(dnnl, &depthwise, MODNAS_ROLE_SRC), MODNAS_LAYOUT_BLOCKED);
    close_backends();
}
END_TEST

/* ---- errors ---- */

START_TEST(refusals_name_kernel_and_shapes) {
    const mn_plan *plan;
    open_backends(NULL, 2);
    modnas_kernel k = conv_of(2, 16, 8, 16, 3, 1);
    k.src.layout = k.dst.layout = MODNAS_LAYOUT_BLOCKED;
    k.dst.dims[2] = 5; /* 8 + 2 - 3 + 1 = 8 rows */
    ck_assert_int_ne(mn_backend_plan(dnnl, &k, &plan), 0);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(ctx), "conv2d"));
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(ctx), "2x16x5x8"));
    close_backends();
}
END_TEST

START_TEST(too_few_arguments_are_refused) {
    const mn_plan *plan;
    float y[16];
    void *args[] = {y};
    open_backends(NULL, 2);
    modnas_kernel k;
    memset(&k, 0, sizeof k);
    k.kind = MODNAS_KERNEL_AXPBY;
    ck_assert_int_eq(mn_backend_plan(dnnl, &k, &plan), 0);
    ck_assert_int_eq(mn_plan_run(plan, args, 1, (double[]){16, 1, 1}, 3, NULL), MODNAS_EINVAL);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(ctx), "axpby"));
    close_backends();
}
END_TEST

START_TEST(dot_refuses_an_index_outside) {
    const mn_plan *plan;
    float a[16] = {0}, out[2] = {0};
    void *args[] = {a, a, out};
    open_backends(NULL, 2);
    modnas_kernel k;
    memset(&k, 0, sizeof k);
    k.kind = MODNAS_KERNEL_DOT;
    k.src = k.weights = (modnas_tdesc){{1, 16, 1, 1}, 0, MODNAS_F32};
    k.dst = (modnas_tdesc){{1, 2, 1, 1}, 0, MODNAS_F32};
    ck_assert_int_eq(mn_backend_plan(dnnl, &k, &plan), 0);
    ck_assert_int_eq(mn_plan_run(plan, args, 3, (double[]){2}, 1, NULL), MODNAS_EINVAL);
    ck_assert_int_eq(mn_plan_run(plan, args, 3, (double[]){1}, 1, NULL), 0);
    close_backends();
}
END_TEST

int main(void) {
    Suite *s = suite_create("kernels_dnnl");
    TCase *table = tcase_create("table"), *rest = tcase_create("rest");
    tcase_set_timeout(table, 300);
    tcase_set_timeout(rest, 60);
    tcase_add_loop_test(table, cases_agree_with_ref, 0, n_chunks() * N_LIMITS);
    tcase_add_loop_test(table, runs_repeat_bit_by_bit, 0, n_chunks() * 4);
    tcase_add_test(rest, only_small_kinds_are_left_to_ref);
    tcase_add_test(rest, weights_rest_by_geometry_alone);
    tcase_add_test(rest, images_stay_plain);
    tcase_add_test(rest, refusals_name_kernel_and_shapes);
    tcase_add_test(rest, too_few_arguments_are_refused);
    tcase_add_test(rest, dot_refuses_an_index_outside);
    suite_add_tcase(s, table);
    suite_add_tcase(s, rest);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
