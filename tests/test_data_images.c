/* Images in memory: normalising, padding and every augmentation against values computed by hand. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

/* One grey image of 2 x 3. With mean 0.5 and standard deviation 0.25, pixel v becomes (v / 255 - 0.5) / 0.25: */
enum { H = 2, W = 3 };
static const uint8_t pixels[H * W] = {0, 51, 102, 153, 204, 255};
static const float normal[H * W] = {-2, -1.2f, -0.4f, 0.4f, 1.2f, 2}; /* by hand: 51 / 255 = 0.2, ... */
#define BLACK (-2.f)

static mn_dataset *one_image(mn_image_opts o, const uint8_t *bytes) {
    mn_dataset *d;
    uint8_t *p = mn_alloc(ctx, H * W, 1);
    int32_t *y = mn_alloc(ctx, 1, sizeof *y);
    memcpy(p, bytes, H * W);
    y[0] = 3;
    o.n = o.c = 1;
    o.h = H;
    o.w = W;
    o.mean[0] = 0.5;
    o.stddev[0] = 0.25;
    ck_assert_int_eq(mn_image_set_new(ctx, "one", &o, p, y, &d), 0);
    return d;
}

static void sample(const mn_dataset *d, int augment, uint64_t step, float *x) {
    mn_rng rng;
    int32_t label = -1;
    mn_rng_init(&rng, 1, 2, step);
    d->vt->sample(d, 0, augment, &rng, x, &label);
    ck_assert_int_eq(label, 3);
}

static void check_values(const float *x, const float *want, int n) {
    for (int i = 0; i < n; i++) ck_assert_float_eq_tol(x[i], want[i], 1e-6);
}

START_TEST(normalise) {
    float x[H * W];
    mn_dataset *d = one_image((mn_image_opts){.shift = 1, .flip = 1, .cutout = 2, .contrast = 0.5}, pixels);
    sample(d, 0, 0, x); /* nothing of that when not augmenting */
    check_values(x, normal, H * W);
    mn_dataset_free(d);
}
END_TEST

START_TEST(padding) {
    float x[4 * 5];
    static const float want[4 * 5] = {BLACK, BLACK, BLACK, BLACK, BLACK, BLACK, BLACK, -1.2f, -0.4f, BLACK,
                                      BLACK, 0.4f,  1.2f,  2,     BLACK, BLACK, BLACK, BLACK, BLACK, BLACK};
    mn_dataset *d = one_image((mn_image_opts){.pad = 1}, pixels);
    ck_assert_int_eq(d->h, 4);
    ck_assert_int_eq(d->w, 5);
    sample(d, 1, 0, x);
    check_values(x, want, 4 * 5);
    mn_dataset_free(d);
}
END_TEST

/* What the image is moved by (dy, dx) and then mirrored: out[y][x] = in[y - dy][x - dx]. */
static void moved(int dy, int dx, int flip, float *out) {
    for (int y = 0; y < H; y++) {
        for (int x = 0; x < W; x++) {
            const int from_y = y - dy, from_x = (flip ? W - 1 - x : x) - dx;
            const int inside = from_y >= 0 && from_y < H && from_x >= 0 && from_x < W;
            out[y * W + x] = inside ? normal[from_y * W + from_x] : BLACK;
        }
    }
}

/* By hand: one to the right is {black, -2, -1.2, black, 0.4, 1.2}, mirrored {-1.2, -2, black, ...}. */
START_TEST(moved_is_right) {
    float x[H * W];
    moved(0, 1, 0, x);
    check_values(x, (const float[]){BLACK, -2, -1.2f, BLACK, 0.4f, 1.2f}, H * W);
    moved(0, 1, 1, x);
    check_values(x, (const float[]){-1.2f, -2, BLACK, 1.2f, 0.4f, BLACK}, H * W);
    moved(-1, 0, 0, x);
    check_values(x, (const float[]){0.4f, 1.2f, 2, BLACK, BLACK, BLACK}, H * W);
}
END_TEST

/* 5 shifts up to 2 each way and the mirror, 50 images (some alike: mostly black), all equally likely. Of n = 20000
 * draws each is expected 400 times, with a deviation of 20; five of them are allowed. */
START_TEST(shift_and_flip) {
    enum { N = 20000, KINDS = 50 };
    int count[KINDS] = {0}, want[KINDS] = {0}, first[KINDS];
    float x[H * W], all[KINDS][H * W];
    for (int k = 0; k < KINDS; k++) moved(k / 10 - 2, k / 2 % 5 - 2, k % 2, all[k]);
    for (int k = 0; k < KINDS; k++) {
        first[k] = k; /* images that look alike are counted together */
        for (int j = k - 1; j >= 0; j--)
            if (!memcmp(all[j], all[k], sizeof x)) first[k] = j;
        want[first[k]] += N / KINDS;
    }
    mn_dataset *d = one_image((mn_image_opts){.shift = 2, .flip = 1}, pixels);
    for (int i = 0; i < N; i++) {
        sample(d, 1, (uint64_t)i, x);
        int k = 0;
        while (k < KINDS && memcmp(all[k], x, sizeof x)) {
            int same = 1; /* all[] is rounded by hand, x by the table */
            for (int j = 0; j < H * W; j++) same &= fabsf(all[k][j] - x[j]) < 1e-6f;
            if (same) break;
            k++;
        }
        ck_assert_int_lt(k, KINDS);
        count[first[k]]++;
    }
    for (int k = 0; k < KINDS; k++) ck_assert_int_le(abs(count[k] - want[k]), (int)(5 * sqrt(want[k])));
    mn_dataset_free(d);
}
END_TEST

/* Cutout, side 2: a square of 2 x 2 with its lower right middle at a random pixel, clipped. By hand for an image of 2 x
 * 3 (y, x of the centre -> pixels that are 0): (0,0) 0; (0,1) 0 1; (0,2) 1 2; (1,0) 0 3; (1,1) 0 1 3 4; (1,2) 1 2 4 5.
 * A side of 3 is the same. */
START_TEST(cutout) {
    static const unsigned masks[] = {1, 3, 6, 9, 27, 54}; /* bit i: pixel i is 0 */
    for (int side = 2; side <= 3; side++) {
        int count[MN_COUNT(masks)] = {0};
        mn_dataset *d = one_image((mn_image_opts){.cutout = side}, pixels);
        for (int i = 0; i < 600; i++) {
            float x[H * W];
            unsigned mask = 0;
            sample(d, 1, (uint64_t)i, x);
            for (int k = 0; k < H * W; k++) {
                if (x[k] == 0)
                    mask |= 1u << k;
                else
                    ck_assert_float_eq_tol(x[k], normal[k], 1e-6);
            }
            size_t k = 0;
            while (k < MN_COUNT(masks) && masks[k] != mask) k++;
            ck_assert_uint_lt(k, MN_COUNT(masks));
            count[k]++;
        }
        for (size_t k = 0; k < MN_COUNT(masks); k++) ck_assert_int_gt(count[k], 50); /* 100 each, deviation 9 */
        mn_dataset_free(d);
    }
}
END_TEST

/* Undo the normalising: pixel value 0..255. */
static double pixel(float x) {
    return (x * 0.25 + 0.5) * 255;
}

/* Brightness b and contrast k: v' = b (k v + (1 - k) m) with m = 127.5, the mean, whichever comes first, as long as
 * nothing is clipped: 1.4 (1.4 x 27.5 + 127.5) < 255. The mean of v' is b m, its slope b k; then every pixel must
 * agree. */
START_TEST(brightness_and_contrast) {
    static const uint8_t middle[H * W] = {100, 111, 122, 133, 144, 155};
    double b_min = 9, b_max = 0, k_min = 9, k_max = 0;
    mn_dataset *d = one_image((mn_image_opts){.brightness = 0.4, .contrast = 0.4}, middle);
    for (int i = 0; i < 500; i++) {
        float x[H * W];
        double sum = 0;
        sample(d, 1, (uint64_t)i, x);
        for (int j = 0; j < H * W; j++) sum += pixel(x[j]);
        const double b = sum / (6 * 127.5), k = (pixel(x[5]) - pixel(x[0])) / (55 * b);
        for (int j = 0; j < H * W; j++)
            ck_assert_double_eq_tol(pixel(x[j]), b * (k * middle[j] + (1 - k) * 127.5), 1e-3);
        b_min = fmin(b_min, b);
        b_max = fmax(b_max, b);
        k_min = fmin(k_min, k);
        k_max = fmax(k_max, k);
    }
    ck_assert(b_min > 0.6 - 1e-6 && b_min < 0.61 && b_max > 1.39 && b_max < 1.4 + 1e-6); /* 500 uniform draws */
    ck_assert(k_min > 0.6 - 1e-6 && k_min < 0.61 && k_max > 1.39 && k_max < 1.4 + 1e-6);
    mn_dataset_free(d);
}
END_TEST

/* Half black, half white. Pixels stay within 0..255, and the clipping between the steps shows their order. With k < 1
 * black is lifted; then with b > 1, brightness first is clipped at once: black (1 - k) 127.5, white (1 + k) 127.5, sum
 * 255; contrast first gives b times that, a larger sum. b < 1 makes the sum 255 b either way. */
START_TEST(jitter_clips) {
    static const uint8_t ends[H * W] = {0, 0, 0, 255, 255, 255};
    int brightness_first = 0, contrast_first = 0, darker = 0, steeper = 0;
    mn_dataset *d = one_image((mn_image_opts){.brightness = 0.4, .contrast = 0.4}, ends);
    for (int i = 0; i < 1000; i++) {
        float x[H * W];
        sample(d, 1, (uint64_t)i, x);
        const double black = pixel(x[0]), white = pixel(x[5]), sum = black + white;
        ck_assert(black > -1e-4 && white < 255 + 1e-4);
        steeper += black < 1e-4; /* k > 1 */
        if (black < 1e-4 || white > 255 - 1e-4) continue;
        brightness_first += fabs(sum - 255) < 1e-3;
        contrast_first += sum > 255 + 1e-3;
        darker += sum < 255 - 1e-3;
    }
    ck_assert(steeper > 400 && steeper < 600);                  /* 500, deviation 16 */
    ck_assert(darker > 180 && darker < 320);                    /* 250, deviation 14 */
    ck_assert(brightness_first > 70 && brightness_first < 180); /* 125, deviation 10 */
    ck_assert(contrast_first > 10);                             /* those not clipped at the end */
    mn_dataset_free(d);
}
END_TEST

int main(void) {
    Suite *s = suite_create("data_images");
    util_add(s, "images", setup, teardown,
             (const TTest *[]){normalise, padding, moved_is_right, shift_and_flip, cutout, brightness_and_contrast,
                               jitter_clips, NULL});
    return util_run(s);
}
