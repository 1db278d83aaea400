/* The reference kernels: values calculated by hand, and what must be refused. Losses: test_kernels_ref_loss.c. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "util_kernel_hand.h"

/* x = 1 2 3 4 in a row; kernel 1x3, stride 2, pads left and right 1, ceil mode: windows (., 1, 2), (2, 3, 4), and
 * (4, ., beyond): the third starts at 3, holds one element, one padding, and one place behind the padding. */
START_TEST(pool_in_ceil_mode) {
    double x[] = {1, 2, 3, 4}, y[3];
    void *args[] = {x, y, NULL};
    modnas_kernel k = kh_kernel(MODNAS_KERNEL_POOL2D, MODNAS_FORWARD);
    kh_dims(&k.src, 1, 1, 1, 4);
    kh_dims(&k.dst, 1, 1, 1, 3);
    k.u.window = (modnas_window){.kernel = {1, 3}, .stride = {1, 2}, .pad = {0, 1, 0, 1}, .dilation = {1, 1}};
    k.algo = MODNAS_POOL_MAX;
    ck_assert_int_eq(kh_run(&k, args, 3, NULL, 0), 0);
    kh_check(y, (double[]){2, 4, 4}, 3);
    k.algo = MODNAS_POOL_AVG;
    ck_assert_int_eq(kh_run(&k, args, 3, NULL, 0), 0);
    kh_check(y, (double[]){1.5, 3, 4}, 3);
    k.algo = MODNAS_POOL_AVG_INCLUDE_PAD; /* (0 + 1 + 2) / 3, 9 / 3, (4 + 0) / 2 */
    ck_assert_int_eq(kh_run(&k, args, 3, NULL, 0), 0);
    kh_check(y, (double[]){1, 3, 2}, 3);
}
END_TEST

/* Channel 0: 1 3, mean 2, biased variance 1, unbiased 2; eps 0, so xhat = -1 1. momentum 0.25. */
START_TEST(batch_norm_by_hand) {
    double x[] = {1, 3}, gamma[] = {2}, beta[] = {10}, mean[] = {4}, var[] = {6}, saved_mean[1], saved_rstd[1], y[2];
    void *args[] = {x, gamma, beta, mean, var, saved_mean, saved_rstd, NULL, y};
    const double scalars[] = {0, 0.25};
    modnas_kernel k = kh_kernel(MODNAS_KERNEL_BATCH_NORM, MODNAS_FORWARD);
    kh_dims(&k.src, 2, 1, 1, 1);
    kh_dims(&k.dst, 2, 1, 1, 1);
    k.flags = MODNAS_KF_AFFINE | MODNAS_KF_UPDATE_STATS;
    ck_assert_int_eq(kh_run(&k, args, 9, scalars, 2), 0);
    kh_check(y, (double[]){8, 12}, 2);
    kh_check((double[]){mean[0], var[0], saved_mean[0], saved_rstd[0]}, (double[]){3.5, 5, 2, 1}, 4);
    k.flags = MODNAS_KF_AFFINE; /* running statistics stay */
    ck_assert_int_eq(kh_run(&k, args, 9, scalars, 2), 0);
    kh_check((double[]){mean[0], var[0]}, (double[]){3.5, 5}, 2);
}
END_TEST

/* Derivatives on the corners are 0 (torch.nn.functional.relu and hardtanh: open intervals). */
START_TEST(corners_have_no_gradient) {
    double x[] = {-1, 0, 1, 6, 7}, y[] = {0, 0, 1, 6, 6}, gy[] = {1, 1, 1, 1, 1}, gx[5];
    void *args[] = {x, y, gy, gx};
    modnas_kernel k = kh_kernel(MODNAS_KERNEL_ACTIVATION, MODNAS_BACKWARD_DATA);
    kh_dims(&k.src, 1, 5, 1, 1);
    kh_dims(&k.dst, 1, 5, 1, 1);
    k.act = MODNAS_ACT_RELU6;
    ck_assert_int_eq(kh_run(&k, args, 4, NULL, 0), 0);
    kh_check(gx, (double[]){0, 0, 1, 0, 0}, 5);
    k.act = MODNAS_ACT_RELU;
    ck_assert_int_eq(kh_run(&k, args, 4, NULL, 0), 0);
    kh_check(gx, (double[]){0, 0, 1, 1, 1}, 5);
}
END_TEST

/* Values and slopes at -2, 0, 4 with alpha 0.5 and beta 2: e^-2 = 0.1353352832366127, log(1 + e^-2) =
 * 0.1269280110429726, log(1 + e^4) = 4.0181499279178094, s(4) = 0.9820137900379085. pow is at 0.25, 1, 4. */
START_TEST(activations_by_hand) {
    static const struct {
        int32_t act;
        double x[3], y[3], slope[3];
    } rows[] = {
        {MODNAS_ACT_LEAKY_RELU, {-2, 0, 4}, {-1, 0, 4}, {0.5, 0.5, 1}},
        {MODNAS_ACT_ELU, {-2, 0, 4}, {0.5 * (0.1353352832366127 - 1), 0, 8}, {0.5 * 0.1353352832366127, 0.5, 2}},
        {MODNAS_ACT_SOFTPLUS,
         {-2, 0, 4},
         {0.1269280110429726, 0.6931471805599453, 4.0181499279178094},
         {0.1192029220221176, 0.5, 0.9820137900379085}},
        {MODNAS_ACT_EXP,
         {-2, 0, 4},
         {0.1353352832366127, 1, 54.598150033144236},
         {0.1353352832366127, 1, 54.598150033144236}},
        {MODNAS_ACT_LOG, {0.25, 1, 4}, {-1.3862943611198906, 0, 1.3862943611198906}, {4, 1, 0.25}},
        {MODNAS_ACT_POW, {0.25, 1, 4}, {0.5, 1, 2}, {1, 0.5, 0.25}},
        {MODNAS_ACT_ABS, {-2, 0, 4}, {2, 0, 4}, {-1, 0, 1}},
    };
    const double parameters[] = {0.5, 2};
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        double x[3], y[3], gy[] = {1, 1, 1}, gx[3];
        modnas_kernel k = kh_kernel(MODNAS_KERNEL_ACTIVATION, MODNAS_FORWARD);
        kh_dims(&k.src, 1, 3, 1, 1);
        kh_dims(&k.dst, 1, 3, 1, 1);
        k.act = rows[i].act;
        memcpy(x, rows[i].x, sizeof x);
        ck_assert_int_eq(kh_run(&k, (void *[]){x, y}, 2, parameters, 2), 0);
        kh_check(y, rows[i].y, 3);
        k.pass = MODNAS_BACKWARD_DATA;
        ck_assert_int_eq(kh_run(&k, (void *[]){x, y, gy, gx}, 4, parameters, 2), 0);
        kh_check(gx, rows[i].slope, 3);
    }
}
END_TEST

/* min(max(x, alpha), beta) is beta everywhere where alpha > beta (as numpy.clip), and has no slope. */
START_TEST(clip_with_crossed_bounds) {
    double x[] = {-1, 1.5, 9}, y[3], gy[] = {1, 1, 1}, gx[3];
    const double bounds[] = {2, 1};
    modnas_kernel k = kh_kernel(MODNAS_KERNEL_ACTIVATION, MODNAS_FORWARD);
    kh_dims(&k.src, 1, 3, 1, 1);
    kh_dims(&k.dst, 1, 3, 1, 1);
    k.act = MODNAS_ACT_CLIP;
    ck_assert_int_eq(kh_run(&k, (void *[]){x, y}, 2, bounds, 2), 0);
    kh_check(y, (double[]){1, 1, 1}, 3);
    k.pass = MODNAS_BACKWARD_DATA;
    ck_assert_int_eq(kh_run(&k, (void *[]){x, y, gy, gx}, 4, bounds, 2), 0);
    kh_check(gx, (double[]){0, 0, 0}, 3);
}
END_TEST

/* A loss that went wrong must not be hidden by an activation. */
START_TEST(activations_pass_nan_on) {
    const int32_t acts[] = {MODNAS_ACT_RELU,       MODNAS_ACT_RELU6, MODNAS_ACT_SIGMOID,    MODNAS_ACT_HARD_SIGMOID,
                            MODNAS_ACT_HARD_SWISH, MODNAS_ACT_SWISH, MODNAS_ACT_LEAKY_RELU, MODNAS_ACT_ELU,
                            MODNAS_ACT_SOFTPLUS,   MODNAS_ACT_ABS};
    for (size_t i = 0; i < MN_COUNT(acts); i++) {
        double x[] = {NAN}, y[] = {0};
        void *args[] = {x, y};
        modnas_kernel k = kh_kernel(MODNAS_KERNEL_ACTIVATION, MODNAS_FORWARD);
        kh_dims(&k.src, 1, 1, 1, 1);
        kh_dims(&k.dst, 1, 1, 1, 1);
        k.act = acts[i];
        ck_assert_int_eq(kh_run(&k, args, 2, NULL, 0), 0);
        ck_assert_msg(isnan(y[0]), "activation %d", (int)acts[i]);
    }
}
END_TEST

/* kernel.h: element i is kept when word i of Philox (seed, stream 0, step), scaled by 2^-32, is >= p. */
START_TEST(dropout_mask_is_a_function_of_the_position) {
    enum { N = 4000 };
    static double x[N], y[N], mask[N];
    void *args[] = {x, y, mask};
    const double scalars[] = {0.25, 77, 3};
    int kept = 0;
    modnas_kernel k = kh_kernel(MODNAS_KERNEL_DROPOUT, MODNAS_FORWARD);
    kh_dims(&k.src, 4, 10, 10, 10);
    kh_dims(&k.dst, 4, 10, 10, 10);
    for (int i = 0; i < N; i++) x[i] = i + 1;
    ck_assert_int_eq(kh_run(&k, args, 3, scalars, 3), 0);
    for (int i = 0; i < N; i++) {
        mn_rng rng;
        mn_rng_init(&rng, 77, 0, 3);
        rng.index = (uint64_t)(i - i % 4);
        uint32_t word = 0;
        for (int w = 0; w <= i % 4; w++) word = mn_rng_u32(&rng);
        const double want = word * 0x1p-32 >= 0.25 ? 1 / 0.75 : 0;
        ck_assert(mask[i] == want && y[i] == x[i] * want);
        kept += mask[i] != 0;
    }
    ck_assert_int_ge(kept, 2880); /* 3000 expected, standard deviation 27 */
    ck_assert_int_le(kept, 3120);
}
END_TEST

/* C = 6 in 3 groups of 2: channel i 2 + j goes to j 3 + i. */
START_TEST(shuffle_by_hand) {
    double x[] = {0, 1, 2, 3, 4, 5}, y[6];
    void *args[] = {x, y};
    modnas_kernel k = kh_kernel(MODNAS_KERNEL_SHUFFLE, MODNAS_FORWARD);
    kh_dims(&k.src, 1, 6, 1, 1);
    kh_dims(&k.dst, 1, 6, 1, 1);
    k.groups = 3;
    ck_assert_int_eq(kh_run(&k, args, 2, NULL, 0), 0);
    kh_check(y, (double[]){0, 2, 4, 1, 3, 5}, 6);
}
END_TEST

/* Every second column of x, from the second on, into row 1 of y; the rest of y stays. */
START_TEST(copy_by_hand) {
    double x[] = {1, 2, 3, 4}, y[] = {-1, -2, -3, -4};
    void *args[] = {x, y};
    modnas_kernel k = kh_kernel(MODNAS_KERNEL_COPY, MODNAS_FORWARD);
    kh_dims(&k.src, 1, 1, 1, 4);
    kh_dims(&k.dst, 1, 1, 2, 2);
    k.u.box = (modnas_box){{1, 1, 1, 2}, {0, 0, 0, 1}, {1, 1, 1, 2}, {0, 0, 1, 0}, {1, 1, 1, 1}};
    ck_assert_int_eq(kh_run(&k, args, 2, NULL, 0), 0);
    kh_check(y, (double[]){-1, -2, 2, 4}, 4);
}
END_TEST

/* A column (2, 3) and a row (1, 5). */
START_TEST(binary_by_hand) {
    const double want[][4] = {{3, 7, 4, 8}, {1, -3, 2, -2}, {2, 10, 3, 15},
                              {2, 5, 3, 5}, {1, 2, 1, 3},   {2, 0.4, 3, 0.6}};
    double a[] = {2, 3}, b[] = {1, 5}, y[4];
    void *args[] = {a, b, y};
    modnas_kernel k = kh_kernel(MODNAS_KERNEL_BINARY, MODNAS_FORWARD);
    kh_dims(&k.src, 1, 1, 2, 1);
    kh_dims(&k.weights, 1, 1, 1, 2);
    kh_dims(&k.dst, 1, 1, 2, 2);
    for (k.algo = MODNAS_BINARY_ADD; k.algo <= MODNAS_BINARY_DIV; k.algo++) {
        ck_assert_int_eq(kh_run(&k, args, 3, NULL, 0), 0);
        kh_check(y, want[k.algo], 4);
    }
}
END_TEST

START_TEST(mixture_by_hand) {
    double p[] = {2, -1}, x0[] = {1, 2}, x1[] = {3, 5}, y[2], out[] = {7, 7};
    const double second = 1, none = 2;
    modnas_kernel k = kh_kernel(MODNAS_KERNEL_WEIGHTED_SUM, MODNAS_FORWARD);
    kh_dims(&k.src, 1, 2, 1, 1);
    kh_dims(&k.weights, 1, 1, 1, 2);
    kh_dims(&k.dst, 1, 2, 1, 1);
    k.n_src = 2;
    ck_assert_int_eq(kh_run(&k, (void *[]){p, x0, x1, y}, 4, NULL, 0), 0);
    kh_check(y, (double[]){-1, -1}, 2);
    k.kind = MODNAS_KERNEL_SCALE;
    ck_assert_int_eq(kh_run(&k, (void *[]){p, x1, y}, 3, &second, 1), 0);
    kh_check(y, (double[]){-3, -5}, 2);
    ck_assert_int_eq(kh_run(&k, (void *[]){p, x1, y}, 3, &none, 1), MODNAS_EINVAL);
    k.kind = MODNAS_KERNEL_DOT;
    kh_dims(&k.weights, 1, 2, 1, 1);
    kh_dims(&k.dst, 1, 1, 1, 2);
    ck_assert_int_eq(kh_run(&k, (void *[]){x0, x1, out}, 3, &second, 1), 0);
    kh_check(out, (double[]){7, 13}, 2);
}
END_TEST

START_TEST(reduce_by_hand) {
    double x[] = {1, 2, 3, 4, 5, 6}, y[3];
    modnas_kernel k = kh_kernel(MODNAS_KERNEL_REDUCE, MODNAS_FORWARD);
    kh_dims(&k.src, 2, 3, 1, 1);
    kh_dims(&k.dst, 1, 3, 1, 1);
    k.algo = MODNAS_REDUCE_MEAN;
    ck_assert_int_eq(kh_run(&k, (void *[]){x, y}, 2, NULL, 0), 0);
    kh_check(y, (double[]){2.5, 3.5, 4.5}, 3);
    kh_dims(&k.dst, 2, 1, 1, 1);
    k.algo = MODNAS_REDUCE_SUM;
    ck_assert_int_eq(kh_run(&k, (void *[]){x, y}, 2, NULL, 0), 0);
    kh_check(y, (double[]){6, 15}, 2);
}
END_TEST

START_TEST(flat_ranges_by_hand) {
    double x[] = {1, 2}, y[] = {NAN, NAN}, out[] = {10};
    modnas_kernel k = kh_kernel(MODNAS_KERNEL_AXPBY, MODNAS_FORWARD);
    ck_assert_int_eq(kh_run(&k, (void *[]){x, y}, 2, (double[]){2, 3, 0}, 3), 0); /* b 0: y is not read */
    kh_check(y, (double[]){3, 6}, 2);
    ck_assert_int_eq(kh_run(&k, (void *[]){x, y}, 2, (double[]){2, -1, 0.5}, 3), 0);
    kh_check(y, (double[]){0.5, 1}, 2);
    k.kind = MODNAS_KERNEL_FILL;
    ck_assert_int_eq(kh_run(&k, (void *[]){y}, 1, (double[]){1, 9}, 2), 0);
    kh_check(y, (double[]){9, 1}, 2);
    k.kind = MODNAS_KERNEL_SUMSQ;
    ck_assert_int_eq(kh_run(&k, (void *[]){x, out}, 2, (double[]){2, 1}, 2), 0);
    kh_check(out, (double[]){15}, 1);
}
END_TEST

/* w 1, g 2, buf 4; lr 0.1, momentum 0.5, dampening 0.25, weight decay 0.5, g_scale 2:
 * d = 4 + 0.5 = 4.5; buf = 2 + 0.75 * 4.5 = 5.375. */
START_TEST(sgd_by_hand) {
    const struct {
        int32_t flags;
        double first, w, buf;
    } rows[] = {{0, 0, 1 - 0.45, 4},
                {MODNAS_KF_MOMENTUM, 0, 1 - 0.5375, 5.375},
                {MODNAS_KF_MOMENTUM, 1, 1 - 0.45, 4.5},
                {MODNAS_KF_MOMENTUM | MODNAS_KF_NESTEROV, 0, 1 - 0.1 * (4.5 + 0.5 * 5.375), 5.375}};
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        double w[] = {1}, g[] = {2}, buf[] = {4};
        modnas_kernel k = kh_kernel(MODNAS_KERNEL_SGD, MODNAS_FORWARD);
        k.flags = rows[i].flags;
        const double scalars[] = {1, 0.1, 0.5, 0.25, 0.5, rows[i].first, 2};
        ck_assert_int_eq(kh_run(&k, (void *[]){w, g, buf}, 3, scalars, 7), 0);
        kh_check((double[]){w[0], buf[0]}, (double[]){rows[i].w, rows[i].buf}, 2);
    }
}
END_TEST

/* The first step of Adam with eps 0 is lr whatever the gradient; here g_scale 0.5 and g 4: m = 0.1 * 2, v = 0.001 * 4.
 * Weight decay 0.5 adds 0.5 to the gradient of Adam and takes lr / 2 off w before AdamW's step. */
START_TEST(adam_by_hand) {
    for (int decoupled = 0; decoupled < 2; decoupled++) {
        double w[] = {1}, g[] = {4}, m[] = {0}, v[] = {0};
        modnas_kernel k = kh_kernel(MODNAS_KERNEL_ADAM, MODNAS_FORWARD);
        k.flags = decoupled ? MODNAS_KF_DECOUPLED : 0;
        const double scalars[] = {1, 0.01, 0.9, 0.999, 0, 0.5, 1, 0.5}, d = decoupled ? 2 : 2.5;
        ck_assert_int_eq(kh_run(&k, (void *[]){w, g, m, v}, 4, scalars, 8), 0);
        kh_check((double[]){w[0], m[0], v[0]}, (double[]){decoupled ? 0.985 : 0.99, 0.1 * d, 0.001 * d * d}, 3);
    }
}
END_TEST

START_TEST(arguments_are_counted_and_checked) {
    double x[4] = {0}, y[4];
    void *args[] = {x, y};
    void *hole[] = {x, NULL};
    modnas_kernel k = kh_kernel(MODNAS_KERNEL_ACTIVATION, MODNAS_FORWARD);
    kh_dims(&k.src, 1, 4, 1, 1);
    kh_dims(&k.dst, 1, 4, 1, 1);
    ck_assert_int_eq(kh_run(&k, args, 1, NULL, 0), MODNAS_EINVAL);
    ck_assert_int_eq(kh_run(&k, hole, 2, NULL, 0), MODNAS_EINVAL);
    ck_assert_int_eq(kh_run(&k, args, 2, NULL, 0), 0);
}
END_TEST

int main(void) {
    Suite *s = suite_create("kernels_ref_hand");
    TCase *hand = tcase_create("hand");
    tcase_add_checked_fixture(hand, kh_setup, kh_teardown);
    tcase_add_test(hand, pool_in_ceil_mode);
    tcase_add_test(hand, batch_norm_by_hand);
    tcase_add_test(hand, corners_have_no_gradient);
    tcase_add_test(hand, activations_by_hand);
    tcase_add_test(hand, clip_with_crossed_bounds);
    tcase_add_test(hand, activations_pass_nan_on);
    tcase_add_test(hand, dropout_mask_is_a_function_of_the_position);
    tcase_add_test(hand, shuffle_by_hand);
    tcase_add_test(hand, copy_by_hand);
    tcase_add_test(hand, binary_by_hand);
    tcase_add_test(hand, mixture_by_hand);
    tcase_add_test(hand, reduce_by_hand);
    tcase_add_test(hand, flat_ranges_by_hand);
    tcase_add_test(hand, sgd_by_hand);
    tcase_add_test(hand, adam_by_hand);
    tcase_add_test(hand, arguments_are_counted_and_checked);
    suite_add_tcase(s, hand);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
