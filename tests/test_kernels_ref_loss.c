/* The reference kernels of softmax and losses: values calculated by hand, labels and probabilities that are none. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "util_kernel_hand.h"

/* Logits 0 and log 3 are probabilities 1/4 and 3/4. */
START_TEST(softmax_by_hand) {
    double x[] = {0, log(3)}, y[2], t[] = {0.5, 0.5}, loss[1], prob[2];
    const double eta = 0;
    modnas_kernel k = kh_kernel(MODNAS_KERNEL_SOFTMAX, MODNAS_FORWARD);
    kh_dims(&k.src, 1, 2, 1, 1);
    kh_dims(&k.dst, 1, 2, 1, 1);
    ck_assert_int_eq(kh_run(&k, (void *[]){x, y}, 2, NULL, 0), 0);
    kh_check(y, (double[]){0.25, 0.75}, 2);
    k.flags = MODNAS_KF_LOG;
    ck_assert_int_eq(kh_run(&k, (void *[]){x, y}, 2, NULL, 0), 0);
    kh_check(y, (double[]){-log(4), log(3) - log(4)}, 2);
    k.kind = MODNAS_KERNEL_SOFTMAX_XENT;
    k.flags = MODNAS_KF_SOFT_TARGET;
    ck_assert_int_eq(kh_run(&k, (void *[]){x, t, loss, prob}, 4, &eta, 1), 0);
    kh_check(loss, (double[]){log(4) - 0.5 * log(3)}, 1);
    kh_check(prob, (double[]){0.25, 0.75}, 2);
}
END_TEST

/* x 0.5 3 -1 1, t 1 1 -1 1: d -0.5 2 0 0. Logarithms of bce: -log 1/4 for the first, -100 for each that is wholly
 * wrong. Logits log 3 and 0 are probabilities 3/4 and 1/2. Gradients are times g_loss / n = 8 / 4. */
START_TEST(pointwise_losses_by_hand) {
    static const struct {
        int32_t algo;
        double beta, x[4], t[4], loss, slope[4];
    } rows[] = {
        {MODNAS_LOSS_MSE, 0, {0.5, 3, -1, 1}, {1, 1, -1, 1}, (0.25 + 4) / 4, {-1, 4, 0, 0}},
        {MODNAS_LOSS_L1, 0, {0.5, 3, -1, 1}, {1, 1, -1, 1}, 2.5 / 4, {-1, 1, 0, 0}},
        {MODNAS_LOSS_SMOOTH_L1, 1, {0.5, 3, -1, 1}, {1, 1, -1, 1}, (0.125 + 1.5) / 4, {-0.5, 1, 0, 0}},
        {MODNAS_LOSS_BCE, 0, {0.25, 1, 0, 1}, {1, 0, 0, 1}, (1.3862943611198906 + 100) / 4, {-4, 1e12, 0, 0}},
        {MODNAS_LOSS_BCE_LOGITS,
         0,
         {1.0986122886681098, 0, 0, -800},
         {0, 1, 0, 1},
         (1.3862943611198906 + 2 * 0.6931471805599453 + 800) / 4,
         {0.75, -0.5, 0.5, -1}},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        double x[4], t[4], loss[1], g[] = {8}, gx[4];
        modnas_kernel k = kh_kernel(MODNAS_KERNEL_LOSS, MODNAS_FORWARD);
        kh_dims(&k.src, 2, 2, 1, 1);
        kh_dims(&k.weights, 2, 2, 1, 1);
        kh_dims(&k.dst, 1, 1, 1, 1);
        k.algo = rows[i].algo;
        k.flags = MODNAS_KF_SOFT_TARGET;
        memcpy(x, rows[i].x, sizeof x);
        memcpy(t, rows[i].t, sizeof t);
        ck_assert_int_eq(kh_run(&k, (void *[]){x, t, loss}, 3, &rows[i].beta, 1), 0);
        kh_check(loss, &rows[i].loss, 1);
        k.pass = MODNAS_BACKWARD_DATA;
        ck_assert_int_eq(kh_run(&k, (void *[]){x, t, g, gx}, 4, &rows[i].beta, 1), 0);
        for (int j = 0; j < 4; j++) ck_assert_double_eq_tol(gx[j], 2 * rows[i].slope[j], 1e-3);
        x[3] = NAN; /* comes through */
        k.pass = MODNAS_FORWARD;
        ck_assert_int_eq(kh_run(&k, (void *[]){x, t, loss}, 3, &rows[i].beta, 1), 0);
        ck_assert(isnan(loss[0]));
    }
}
END_TEST

/* Label 1 of two classes is the row 0 1: squares 0.25 and 4. A bce of 1.5 is none. */
START_TEST(pointwise_losses_of_labels) {
    double x[] = {0.5, 3}, loss[] = {-1};
    int32_t label[] = {1};
    const double beta = 0;
    modnas_kernel k = kh_kernel(MODNAS_KERNEL_LOSS, MODNAS_FORWARD);
    kh_dims(&k.src, 1, 2, 1, 1);
    kh_dims(&k.weights, 1, 1, 1, 1);
    kh_dims(&k.dst, 1, 1, 1, 1);
    ck_assert_int_eq(kh_run(&k, (void *[]){x, label, loss}, 3, &beta, 1), 0);
    kh_check(loss, (double[]){(0.25 + 4) / 2}, 1);
    k.algo = MODNAS_LOSS_BCE;
    ck_assert_int_eq(kh_run(&k, (void *[]){x, label, loss}, 3, &beta, 1), MODNAS_EINVAL);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(kh_ctx), "bce wants probabilities, element 1 is 3"));
    label[0] = 2;
    ck_assert_int_eq(kh_run(&k, (void *[]){x, label, loss}, 3, &beta, 1), MODNAS_EINVAL);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(kh_ctx), "loss: sample 0 has label 2"));
    kh_check(loss, (double[]){(0.25 + 4) / 2}, 1);
}
END_TEST

START_TEST(label_out_of_range) {
    double x[6] = {0}, loss[] = {-1}, prob[6] = {0};
    int32_t labels[] = {0, 3};
    void *args[] = {x, labels, loss, prob};
    const double eta = 0;
    modnas_kernel k = kh_kernel(MODNAS_KERNEL_SOFTMAX_XENT, MODNAS_FORWARD);
    kh_dims(&k.src, 2, 3, 1, 1);
    kh_dims(&k.dst, 1, 1, 1, 1);
    ck_assert_int_eq(kh_run(&k, args, 4, &eta, 1), MODNAS_EINVAL);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(kh_ctx), "sample 1 has label 3"));
    ck_assert(loss[0] == -1 && prob[0] == 0);
    labels[1] = -1;
    ck_assert_int_eq(kh_run(&k, args, 4, &eta, 1), MODNAS_EINVAL);
    labels[1] = 2; /* three equal logits: log 3 */
    ck_assert_int_eq(kh_run(&k, args, 4, &eta, 1), 0);
    ck_assert_double_eq_tol(loss[0], log(3), 1e-15);
}
END_TEST

int main(void) {
    Suite *s = suite_create("kernels_ref_loss");
    TCase *hand = tcase_create("hand");
    tcase_add_checked_fixture(hand, kh_setup, kh_teardown);
    tcase_add_test(hand, softmax_by_hand);
    tcase_add_test(hand, pointwise_losses_by_hand);
    tcase_add_test(hand, pointwise_losses_of_labels);
    tcase_add_test(hand, label_out_of_range);
    suite_add_tcase(s, hand);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
