/* Numbers as text in any locale, suggestions, random numbers. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "util_host.h"

static modnas_ctx *ctx;

static void setup(void) {
    ck_assert_int_eq(modnas_ctx_new(NULL, &ctx), 0);
}

static void teardown(void) {
    ck_assert_uint_eq(ctx->bytes_live, 0);
    modnas_ctx_free(ctx);
}

/* ---- numbers as text ---- */

static void check_real(double x, const char *want) {
    mn_str s = {.ctx = ctx};
    mn_str_real(&s, x);
    char *text = mn_str_take(&s);
    if (want) ck_assert_str_eq(text, want);
    double back;
    ck_assert_int_eq(mn_parse_real(text, &back), 0);
    ck_assert_mem_eq(&back, &x, sizeof x);
    mn_free(ctx, text);
}

/* Shortest decimals as Python's repr prints them (exponents without sign and leading zeros). */
static void check_known_reals(void) {
    check_real(0.0, "0");
    check_real(-0.0, "-0");
    check_real(0.1, "0.1");
    check_real(1.0 / 3, "0.3333333333333333");
    check_real(0.1 + 0.2, "0.30000000000000004");
    check_real(5e-324, "5e-324");
    check_real(2.2250738585072014e-308, "2.2250738585072014e-308");
    check_real(1.7976931348623157e308, "1.7976931348623157e308");
    check_real(1e100, "1e100");
    check_real(-1.5e-7, "-1.5e-7");
    check_real(100000, "100000");
    check_real(9007199254740993.0, "9007199254740992");
}

START_TEST(real_round_trips) {
    check_known_reals();
    mn_rng r;
    mn_rng_init(&r, 1, mn_stream("reals"), 0);
    for (int i = 0; i < 20000;) {
        const uint64_t bits = (uint64_t)mn_rng_u32(&r) << 32 | mn_rng_u32(&r);
        double x;
        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x)) continue;
        check_real(x, NULL);
        i++;
    }
    mn_str s = {.ctx = ctx};
    mn_str_real(&s, NAN);
    mn_str_real(&s, -INFINITY);
    char *text = mn_str_take(&s);
    ck_assert_str_eq(text, "nullnull");
    mn_free(ctx, text);
}
END_TEST

START_TEST(real_ignores_the_locale) {
    if (!util_comma_locale()) {
        printf("real_ignores_the_locale: skipped, no locale with a decimal comma here\n");
        return;
    }
    char text[16];
    snprintf(text, sizeof text, "%.1f", 0.5);
    ck_assert_str_eq(text, "0,5");
    check_known_reals();
    double x;
    ck_assert_int_eq(mn_parse_real("1,5", &x), -1);
}
END_TEST

START_TEST(real_parses) {
    static const struct {
        const char *text;
        int rc;
        double x;
    } row[] = {/* YAML 1.2 core schema, 10.3.2, without .inf, .nan and integers in other bases */
               {"1e2", 0, 100}, {"-1.50E-1", 0, -0.15}, {".5", 0, 0.5},   {"5.", 0, 5},
               {"+7", 0, 7},    {"1e999", -1, 0},       {"", -1, 0},      {".", -1, 0},
               {"1e", -1, 0},   {"1e+", -1, 0},         {"0x10", -1, 0},  {"inf", -1, 0},
               {"nan", -1, 0},  {" 1", -1, 0},          {"1 ", -1, 0},    {"1.2.3", -1, 0},
               {"--1", -1, 0},  {"1e1.5", -1, 0},       {"1e-999", 0, 0}, {"1_000", -1, 0}};
    for (size_t i = 0; i < MN_COUNT(row); i++) {
        double x = 42;
        ck_assert_msg(mn_parse_real(row[i].text, &x) == row[i].rc, "'%s'", row[i].text);
        ck_assert_msg(x == (row[i].rc ? 42 : row[i].x), "'%s' gives %g", row[i].text, x);
    }
    char text[1100];
    memset(text, '1', sizeof text);
    text[300] = 0;
    double x;
    ck_assert_int_eq(mn_parse_real(text, &x), 0);
    ck_assert_double_eq_tol(x / 1e299, 10.0 / 9, 1e-12); /* 111... = 10^300 / 9 */
    text[300] = '1';
    text[1099] = 0;
    ck_assert_int_eq(mn_parse_real(text, &x), -1);
}
END_TEST

START_TEST(suggests) {
    static const char *const names[] = {"DARTSOptim", "BinaryGateOptim", "RandomSearchOptim",
                                        "lr_min",     "lr_max",          "seed"};
    static const struct {
        const char *word, *want;
    } row[] = {{"DartsOptim", "DARTSOptim"},
               {"BinaryGatOptim", "BinaryGateOptim"},
               {"lr-min", "lr_min"},
               {"lr_mxa", "lr_max"},
               {"sede", "seed"},
               {"epochs", NULL},
               {"", NULL},
               {"x", NULL},
               {"Seed", "seed"}};
    for (size_t i = 0; i < MN_COUNT(row); i++) {
        const char *got = mn_suggest(row[i].word, names, MN_COUNT(names));
        ck_assert_msg((got == NULL) == (row[i].want == NULL) && (!got || !strcmp(got, row[i].want)), "%s: %s",
                      row[i].word, got ? got : "none");
    }
    char huge[200];
    memset(huge, 'a', sizeof huge);
    huge[199] = 0;
    ck_assert_ptr_null(mn_suggest(huge, names, MN_COUNT(names)));
    ck_assert_ptr_null(mn_suggest("lr", names, 0));
}
END_TEST

/* ---- random numbers ---- */

START_TEST(rng_known_answers) {
    static const struct { /* Random123 1.09, kat_vectors: "philox4x32 10" */
        uint32_t counter[4], key[2], want[4];
    } row[] = {{{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
               {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
                {0xffffffff, 0xffffffff},
                {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
               {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                {0xa4093822, 0x299f31d0},
                {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};
    for (size_t i = 0; i < MN_COUNT(row); i++) {
        uint32_t got[4];
        mn_philox(row[i].counter, row[i].key, got);
        ck_assert_mem_eq(got, row[i].want, sizeof got);
    }
    ck_assert_uint_eq(mn_stream(""), 0xcbf29ce484222325u); /* FNV-1a test vectors of its authors */
    ck_assert_uint_eq(mn_stream("foobar"), 0x85944171f73967e8u);
}
END_TEST

START_TEST(rng_is_keyed) {
    mn_rng a, b;
    mn_rng_init(&a, 0, 5, 9);
    mn_rng_init(&b, 0, 5, 9);
    for (int i = 0; i < 100; i++) ck_assert_uint_eq(mn_rng_u32(&a), mn_rng_u32(&b));
    static const uint64_t other[][3] = {{1, 5, 9}, {0, 6, 9}, {0, 5, 10}, {5, 0, 9}, {0, 5, 9ull << 32}};
    for (size_t k = 0; k < MN_COUNT(other); k++) {
        int same = 0;
        mn_rng_init(&a, 0, 5, 9);
        mn_rng_init(&b, other[k][0], other[k][1], other[k][2]);
        for (int i = 0; i < 100; i++) same += mn_rng_u32(&a) == mn_rng_u32(&b);
        ck_assert_int_le(same, 1); /* 100 chances of 2^-32 */
    }
}
END_TEST

/* Many at once are the same bits as one by one, wherever they begin. */
START_TEST(rng_many) {
    enum { MOST = 600 };
    static const int64_t counts[] = {0, 1, 2, 3, 4, 257, MOST};
    void (*const many[])(mn_rng *r, double *x, int64_t n) = {mn_rng_reals, mn_rng_normals};
    double (*const one[])(mn_rng *r) = {mn_rng_real, mn_rng_normal};
    double x[MOST];
    for (int begin = 0; begin < 8; begin++)
        for (size_t k = 0; k < MN_COUNT(counts) * MN_COUNT(many); k++) {
            const int64_t n = counts[k / 2];
            mn_rng a, b;
            mn_rng_init(&a, 7, 11, 13);
            for (int i = 0; i < begin; i++) mn_rng_u32(&a);
            b = a;
            many[k % 2](&a, x, n);
            for (int64_t i = 0; i < n; i++) {
                const double want = one[k % 2](&b);
                ck_assert_mem_eq(&x[i], &want, sizeof want);
            }
            ck_assert_uint_eq(mn_rng_u32(&a), mn_rng_u32(&b));
        }
}
END_TEST

/* Moments against theory; bounds are 5 standard deviations of the mean of n draws. */
START_TEST(rng_moments) {
    enum { n = 100000 };
    mn_rng r;
    mn_rng_init(&r, 3, mn_stream("moments"), 0);
    double sum = 0, sum_z = 0, sum_z2 = 0;
    for (int i = 0; i < n; i++) {
        const double u = mn_rng_real(&r), z = mn_rng_normal(&r);
        ck_assert(u >= 0 && u < 1);
        sum += u;
        sum_z += z;
        sum_z2 += z * z;
    }
    ck_assert_double_eq_tol(sum / n, 0.5, 5 * sqrt(1.0 / 12 / n));
    ck_assert_double_eq_tol(sum_z / n, 0, 5 * sqrt(1.0 / n));
    ck_assert_double_eq_tol(sum_z2 / n, 1, 5 * sqrt(2.0 / n)); /* variance of z^2 is 2 */
}
END_TEST

START_TEST(rng_below) {
    mn_rng r;
    mn_rng_init(&r, 4, 0, 0);
    ck_assert_uint_eq(mn_rng_below(&r, 1), 0);
    ck_assert_uint_eq(r.index, 0);
    int count[7] = {0};
    for (int i = 0; i < 70000; i++) count[mn_rng_below(&r, 7)]++;
    double chi2 = 0;
    for (int i = 0; i < 7; i++) chi2 += (count[i] - 1e4) * (count[i] - 1e4) / 1e4;
    ck_assert_double_lt(chi2, 22.46); /* chi-square, 6 degrees of freedom: 99.9 % */
    uint64_t high = 0;
    for (int i = 0; i < 1000; i++) {
        const uint64_t x = mn_rng_below(&r, 3ull << 40);
        ck_assert_uint_lt(x, 3ull << 40);
        if (x > high) high = x;
    }
    ck_assert_uint_gt(high, 3ull << 39);
}
END_TEST

START_TEST(rng_shuffle) {
    mn_rng r;
    mn_rng_init(&r, 5, 0, 0);
    int count[6] = {0};
    for (int k = 0; k < 6000; k++) {
        int32_t a[3] = {0, 1, 2};
        mn_rng_shuffle(&r, a, 3);
        ck_assert_int_eq(a[0] + a[1] + a[2], 3);
        ck_assert_int_ne(a[0], a[1]);
        count[a[0] * 2 + (a[1] > a[2])]++;
    }
    double chi2 = 0;
    for (int i = 0; i < 6; i++) chi2 += (count[i] - 1e3) * (count[i] - 1e3) / 1e3;
    ck_assert_double_lt(chi2, 20.52); /* 5 degrees of freedom: 99.9 % */
    mn_rng_shuffle(&r, NULL, 0);
}
END_TEST

int main(void) {
    Suite *s = suite_create("base_values");
    util_add(s, "real", setup, teardown,
             (const TTest *[]){real_round_trips, real_ignores_the_locale, real_parses, suggests, NULL});
    util_add(s, "rng", NULL, NULL,
             (const TTest *[]){rng_known_answers, rng_is_keyed, rng_many, rng_moments, rng_below, rng_shuffle, NULL});
    return util_run(s);
}
