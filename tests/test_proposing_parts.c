/* What optimizers that propose are made of: sorting by domination, ridge regression, the exponential function. */
#include <math.h>
#include <string.h>

#include "optim/pareto.h"
#include "optim/policy.h"
#include "optim/ridge.h"
#include "util_model.h"

#define OK(call) ck_assert_msg((call) == 0, "%s: %s", #call, modnas_errmsg(model_ctx))

/* Ranks and distances by hand: (1,5) (2,4) (4,1) (2,3) (0,0) and one that failed. */
START_TEST(pareto) {
    const double v[5][2] = {{1, 5}, {2, 4}, {4, 1}, {2, 3}, {0, 0}};
    const int32_t want_rank[] = {0, 0, 0, 1, 2, 3}, want_order[] = {0, 2, 1, 3, 4, 5};
    mn_fitness f[6] = {{0}};
    int32_t rank[6], order[6];
    double alone[6];
    for (int i = 0; i < 6; i++) {
        f[i].n = 2;
        f[i].failed = i == 5;
        for (int k = 0; k < 2 && i < 5; k++) f[i].value[k] = v[i][k];
    }
    OK(mn_pareto_sort(model_ctx, f, 6, rank, alone, order));
    ck_assert_int_eq(memcmp(rank, want_rank, sizeof rank), 0);
    ck_assert_int_eq(memcmp(order, want_order, sizeof order), 0);
    ck_assert(alone[0] == INFINITY && alone[2] == INFINITY);
    ck_assert_double_eq_tol(alone[1], 3.0 / 3 + 4.0 / 4, 1e-15);
}
END_TEST

/* An additive function is found exactly as l2 goes to 0; with one digit of two choices and l2 = 2, w = +-1/2 (2 + 2):
 * four points with y = +-1 give (2 + l2) w = +-2. */
START_TEST(ridge) {
    mn_points p = {.ctx = model_ctx, .n = 3, .choices = (int32_t[]){2, 3, 4}};
    mn_ridge r = {0};
    int32_t digits[24][3];
    double y[24];
    for (int i = 0; i < 24; i++) {
        digits[i][0] = i % 2;
        digits[i][1] = i / 2 % 3;
        digits[i][2] = i / 6;
        y[i] = 3 + 2 * digits[i][0] - digits[i][1] * digits[i][1] + (digits[i][2] == 3);
    }
    OK(mn_ridge_init(&r, &p));
    mn_ridge_fit(&r, digits[0], y, 24, 1e-9);
    for (int i = 0; i < 24; i++) ck_assert_double_eq_tol(mn_ridge_predict(&r, digits[i]), y[i], 1e-6);
    mn_ridge_free(&r);
    mn_points one = {.ctx = model_ctx, .n = 1, .choices = (int32_t[]){2}};
    const int32_t x[] = {0, 1, 0, 1};
    const double z[] = {-1, 1, -1, 1};
    r = (mn_ridge){0};
    OK(mn_ridge_init(&r, &one));
    mn_ridge_fit(&r, x, z, 4, 2);
    for (int i = 0; i < 2; i++) ck_assert_double_eq_tol(mn_ridge_predict(&r, &x[i]), i ? 0.5 : -0.5, 1e-12);
    mn_ridge_free(&r);
}
END_TEST

/* Against the C library, within 1e-15 of the value. */
START_TEST(exponential) {
    for (int i = 0; i <= 7000; i++) {
        const double x = -i / 10.0;
        ck_assert_double_le(fabs(mn_exp(x) - exp(x)), 1e-15 * exp(x));
    }
    ck_assert(mn_exp(-1e9) == 0 && mn_exp(0) == 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("proposing_parts");
    util_add(suite, "parts", model_setup, model_teardown, (const TTest *[]){pareto, ridge, exponential, NULL});
    return util_run(suite);
}
