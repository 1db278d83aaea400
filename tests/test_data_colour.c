/* Random colours: each step against torchvision's formulas worked out by hand, their ranges, and their order. */
#include <math.h>
#include <string.h>

#include "data/colour.h"
#include "data/image_set.h"
#include "util_host.h"

static util_host host;
static modnas_ctx *ctx;

static void setup(void) {
    ctx = util_ctx_new(&host);
}

static void teardown(void) {
    util_ctx_end(&host, ctx);
}

/* One image of four pixels, red, a grey, white, and a dull green; values back in 0..1. */
static void draw_colours(mn_image_opts o, uint64_t step, double x[3][4]) {
    static const uint8_t bytes[3][4] = {{255, 102, 255, 51}, {0, 102, 255, 153}, {0, 102, 255, 51}};
    mn_dataset *d;
    mn_rng rng;
    float v[12];
    int32_t y;
    uint8_t *p = mn_alloc(ctx, 12, 1);
    int32_t *labels = mn_alloc(ctx, 1, sizeof *labels);
    memcpy(p, bytes, sizeof bytes);
    o.n = o.h = 1;
    o.c = 3;
    o.w = 4;
    for (int k = 0; k < 3; k++) {
        o.mean[k] = 0.5 + 0.1 * k;
        o.stddev[k] = 0.2;
    }
    ck_assert_int_eq(mn_image_set_new(ctx, "colours", &o, p, labels, &d), 0);
    mn_rng_init(&rng, 7, 8, step);
    d->vt->sample(d, 0, 1, &rng, v, &y);
    for (int i = 0; i < 12; i++) x[i / 4][i % 4] = v[i] * 0.2 + 0.5 + 0.1 * (i / 4);
    mn_dataset_free(d);
}

/* A value that was drawn from [low, high]: never outside, and over 500 draws near both ends. */
typedef struct range {
    double min, max;
} range;

static void meet(range *r, double v) {
    r->min = fmin(r->min, v);
    r->max = fmax(r->max, v);
}

static void expect_range(const range *r, double low, double high) {
    const double slack = (high - low) * 0.02;
    ck_assert_msg(r->min > low - 1e-5 && r->min < low + slack && r->max < high + 1e-5 && r->max > high - slack,
                  "[%g, %g], not [%g, %g]", r->min, r->max, low, high);
}

enum { DRAWS = 500 };
#define TOL 2e-6 /* f32, four steps */

/* Each step alone, by torchvision's formulas (colour.c). Grey, by hand: of red 0.2989, of the grey pixel 0.39996, of
 * white 0.9999, of the green (0.2, 0.6, 0.2) 0.43478. */
START_TEST(each_colour) {
    range b = {9, -9}, k = b, s = b, h = b;
    const double m = (0.2989 + 0.39996 + 0.9999 + 0.43478) / 4;
    for (uint64_t i = 0; i < DRAWS; i++) {
        double x[3][4];
        draw_colours((mn_image_opts){.brightness = 0.4}, i, x);
        meet(&b, x[0][1] / 0.4);
        ck_assert_double_eq_tol(x[1][3], 0.6 * x[0][1] / 0.4, TOL);
        ck_assert_double_eq_tol(x[0][0], fmin(x[0][1] / 0.4, 1), TOL); /* red is clipped */
        draw_colours((mn_image_opts){.contrast = 0.4}, i, x);
        const double slope = (x[1][3] - x[0][3]) / 0.4;
        meet(&k, slope);
        ck_assert_double_eq_tol(x[2][1], slope * 0.4 + (1 - slope) * m, 1e-4);
        draw_colours((mn_image_opts){.saturation = 0.4}, i, x);
        const double sat = (x[1][3] - x[0][3]) / 0.4;
        meet(&s, sat);
        ck_assert_double_eq_tol(x[0][3], sat * 0.2 + (1 - sat) * 0.43478, 1e-4);
        ck_assert_double_eq_tol(x[0][1], 0.4, 1e-4); /* grey stays grey */
        draw_colours((mn_image_opts){.hue = 0.1}, i, x);
        const double turn = x[1][0] > x[2][0] ? x[1][0] / 6 : -x[2][0] / 6; /* red goes to yellow or to magenta */
        meet(&h, turn);
        ck_assert_double_eq_tol(x[0][0], 1, TOL);
        ck_assert_double_eq_tol(fmin(x[1][0], x[2][0]), 0, TOL);
        ck_assert_double_eq_tol(x[1][1], 0.4, TOL);
        ck_assert_double_eq_tol(x[1][3], 0.6, TOL); /* green goes to cyan or to yellow: 0.2 + 0.4 (6 turn) */
        ck_assert_double_eq_tol(turn > 0 ? x[2][3] : x[0][3], 0.2 + 0.4 * 6 * fabs(turn), TOL);
        ck_assert_double_eq_tol(turn > 0 ? x[0][3] : x[2][3], 0.2, TOL);
    }
    expect_range(&b, 0.6, 1.4);
    expect_range(&k, 0.6, 1.4);
    expect_range(&s, 0.6, 1.4);
    expect_range(&h, -0.1, 0.1);
}
END_TEST

/* Two steps in either order, by hand. White and black; brightness 0.5, contrast 2: 0.5 and 0, of mean 0.249975, become
 * 2 x 0.5 - 0.249975 and 0; the other way 1 and 0, of mean 0.49995, stay (clipped) and become 0.5 and 0. Red; a third
 * of a turn, saturation 0: green, then its grey 0.587; the other way its grey 0.2989, which has no hue. */
START_TEST(order_of_two) {
    mn_colour c = {{0, 1, 2, 3}, 0.5, 2, 1, 0};
    float a[6] = {1, 0, 1, 0, 1, 0}, b[6] = {1, 0, 1, 0, 1, 0}, red[3] = {1, 0, 0}, same[3] = {1, 0, 0};
    mn_colour_apply(&c, a, 2);
    c.order[0] = 1;
    c.order[1] = 0;
    mn_colour_apply(&c, b, 2);
    mn_colour t = {{3, 2, 1, 0}, 1, 1, 0, 1. / 3};
    mn_colour_apply(&t, red, 1);
    t.order[0] = 2;
    t.order[1] = 3;
    mn_colour_apply(&t, same, 1);
    for (int k = 0; k < 3; k++) {
        ck_assert_float_eq_tol(a[2 * k], 0.750025f, 1e-6);
        ck_assert_float_eq_tol(b[2 * k], 0.5f, 1e-6);
        ck_assert_float_eq_tol(a[2 * k + 1], 0, 1e-6);
        ck_assert_float_eq_tol(b[2 * k + 1], 0, 1e-6);
        ck_assert_float_eq_tol(red[k], 0.587f, 1e-6);
        ck_assert_float_eq_tol(same[k], 0.2989f, 1e-6);
    }
}
END_TEST

/* Both orders are drawn. With contrast k < 1 (red's green is lifted from 0) only brightness clips in between: white to
 * 1, if it comes first and is above 1. Then white and grey differ by k (1 - 0.4 b), else by 0.6 b k; green's channels
 * tell b k. */
START_TEST(both_orders) {
    int n = 0, clipped = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        double x[3][4];
        draw_colours((mn_image_opts){.brightness = 0.4, .contrast = 0.4}, i, x);
        const double slope = (x[1][3] - x[0][3]) / 0.4, white = x[1][2];
        if (x[1][0] < 1e-6 || white > 1 - 1e-6) continue;
        n++;
        clipped += fabs((white - x[1][1]) / 0.6 - slope) > 1e-3;
    }
    /* Half have k < 1. Brightness is first in half of those, and above 1 in half again; some of the others end clipped.
     */
    ck_assert_int_gt(n, 150);
    ck_assert(clipped > 40 && clipped < 90); /* 62, deviation 7 */
}
END_TEST

int main(void) {
    Suite *s = suite_create("data_colour");
    util_add(s, "colours", setup, teardown, (const TTest *[]){each_colour, order_of_two, both_orders, NULL});
    return util_run(s);
}
