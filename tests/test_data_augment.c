/* Augmentation of colour images as loaders give them: what is drawn how often, what each draw does, who is spared, and
 * that it depends on seed, epoch and sample alone. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/image_set.h"
#include "data/loader.h"
#include "util_host.h"

enum { SIDE = 8, PLANE = SIDE * SIDE, VALUES = 3 * PLANE, N = 100, EPOCHS = 200 };

static util_host host;
static modnas_ctx *ctx;

static void setup(void) {
    ctx = util_ctx_new(&host);
    ck_assert_int_eq(mn_data_register(ctx), 0);
}

static void teardown(void) {
    util_ctx_end(&host, ctx);
}

/* Every pixel of an image has a value of its own, none is black: channel k, row y, column x. */
static int pixel(int k, int y, int x) {
    return 1 + k * PLANE + y * SIDE + x;
}

/* N images, all alike; mean 0.001 and deviation 1 / 255 leave v - 0.255 of pixel v, -0.255 of black, and 0 of what is
 * cut out. */
static mn_dataset *alike(mn_image_opts o) {
    mn_dataset *d;
    uint8_t *p = mn_alloc(ctx, N * VALUES, 1);
    int32_t *labels = mn_alloc(ctx, N, sizeof *labels);
    for (int i = 0; i < N * VALUES; i++) p[i] = (uint8_t)pixel(i / PLANE % 3, i / SIDE % SIDE, i % SIDE);
    o.n = N;
    o.c = 3;
    o.h = o.w = SIDE;
    for (int k = 0; k < 3; k++) {
        o.mean[k] = 0.001;
        o.stddev[k] = 1. / 255;
    }
    ck_assert_int_eq(mn_image_set_new(ctx, "alike", &o, p, labels, &d), 0);
    d->n_classes = 1;
    return d;
}

/* The pixel that a value stands for; 0: black; -1: cut out; -2: none. */
static int decode(float v) {
    const double p = v + 0.255;
    if (v == 0) return -1;
    return fabs(p - round(p)) < 1e-3 ? (int)round(p) : -2;
}

typedef void (*look_fn)(const float *x, void *ud);

/* Show every sample of every epoch. */
static void look(const mn_dataset *set, uint64_t seed, look_fn fn, void *ud) {
    mn_loader *l;
    mn_batch b;
    const mn_loader_opts o = {.set = (mn_dataset *)(uintptr_t)set,
                              .batch = 32,
                              .augment = 1,
                              .shuffle = 1,
                              .prefetch = 1,
                              .seed = seed,
                              .stream = "test"};
    ck_assert_int_eq(mn_loader_new(ctx, &o, &l), 0);
    for (int e = 0; e < EPOCHS; e++) {
        ck_assert_int_eq(mn_loader_start(l, e), 0);
        while (mn_loader_next(l, &b) == 0)
            for (int i = 0; i < b.n; i++) fn(b.x + i * VALUES, ud);
    }
    mn_loader_free(l);
}

/* Chi-square of counts against equal shares lies between its quantiles of 0.0001 and 0.9999 (Wilson, Hilferty 1931: k
 * (1 - 2 / 9k +- 3.719 sqrt(2 / 9k))^3, k = cells - 1). Seeds are fixed: it does so each time or never. */
static void expect_uniform(const int *count, int cells, int total) {
    const double k = cells - 1, share = (double)total / cells, d = 2 / (9 * k);
    double chi2 = 0;
    for (int i = 0; i < cells; i++) chi2 += (count[i] - share) * (count[i] - share) / share;
    const double low = k * pow(fmax(1 - d - 3.719 * sqrt(d), 0), 3), high = k * pow(1 - d + 3.719 * sqrt(d), 3);
    ck_assert_msg(chi2 > low && chi2 < high, "chi-square %g of %d cells is not in (%g, %g)", chi2, cells, low, high);
}

/* ---- crop and mirrors ---------------------------------------------------------------------------------- */

enum { PAD = 4, OFFSETS = 2 * PAD + 1 };

/* dst is the image padded by PAD black pixels, cropped at (dy + PAD, dx + PAD), mirrored. */
static int crop_matches(const float *x, int dy, int dx, int flip, int vflip) {
    for (int i = 0; i < VALUES; i++) {
        const int k = i / PLANE, out_y = i / SIDE % SIDE, out_x = i % SIDE;
        const int y = (vflip ? SIDE - 1 - out_y : out_y) + dy, x_in = (flip ? SIDE - 1 - out_x : out_x) + dx;
        const int inside = y >= 0 && y < SIDE && x_in >= 0 && x_in < SIDE;
        if (decode(x[i]) != (inside ? pixel(k, y, x_in) : 0)) return 0;
    }
    return 1;
}

typedef struct crops {
    int count[OFFSETS * OFFSETS * 4], n;
} crops;

/* What was drawn shows in one pixel that is not black and where it lies; then all pixels must agree. */
static void count_crop(const float *x, void *ud) {
    crops *c = ud;
    int found = -1;
    for (int m = 0; m < 4 && found < 0; m++) {
        for (int o = 0; o < OFFSETS * OFFSETS && found < 0; o++) {
            const int dy = o / OFFSETS - PAD, dx = o % OFFSETS - PAD;
            const int y = 4 + (dy < 0 ? 0 : -dy), xx = 4 + (dx < 0 ? 0 : -dx); /* in the output: always inside */
            const int out_y = m & 2 ? SIDE - 1 - y : y, out_x = m & 1 ? SIDE - 1 - xx : xx;
            const int value = decode(x[out_y * SIDE + out_x]);
            if (value == pixel(0, y + dy, xx + dx) && crop_matches(x, dy, dx, m & 1, m >> 1)) found = o * 4 + m;
        }
    }
    ck_assert_int_ge(found, 0);
    c->count[found]++;
    c->n++;
}

/* The crop of Krizhevsky 2009 and He et al. 2016, section 4.2: pad 4, crop at one of 9 x 9 places, mirrored or not: all
 * 162 equally often, in 20,000 samples 123 times each. */
START_TEST(crop_and_flip) {
    static crops c;
    int kept[OFFSETS * OFFSETS * 2];
    mn_dataset *d = alike((mn_image_opts){.shift = PAD, .flip = 1});
    look(d, 11, count_crop, &c);
    ck_assert_int_eq(c.n, N * EPOCHS);
    for (int i = 0; i < OFFSETS * OFFSETS; i++) {
        kept[2 * i] = c.count[4 * i];
        kept[2 * i + 1] = c.count[4 * i + 1];
        ck_assert_int_eq(c.count[4 * i + 2] + c.count[4 * i + 3], 0); /* never upside down */
    }
    expect_uniform(kept, OFFSETS * OFFSETS * 2, c.n);
    mn_dataset_free(d);
}
END_TEST

START_TEST(vertical_flip) {
    static crops c;
    const int none = PAD * OFFSETS + PAD;
    mn_dataset *d = alike((mn_image_opts){.flip = 1, .vflip = 1});
    look(d, 12, count_crop, &c);
    int sum = 0;
    for (int m = 0; m < 4; m++) sum += c.count[none * 4 + m];
    ck_assert_int_eq(sum, c.n); /* not moved */
    expect_uniform(c.count + none * 4, 4, c.n);
    mn_dataset_free(d);
}
END_TEST

/* ---- cutout -------------------------------------------------------------------------------------------- */

enum { CUT = 5 }; /* an odd side: half of it, rounded down, each way */

typedef struct cuts {
    int count[PLANE], area[PLANE], n;
} cuts;

/* Rows and columns [c - 2, c + 2) as far as they are in the image, in all channels. */
static int cut_matches(const float *x, int cy, int cx, int *area) {
    *area = 0;
    for (int i = 0; i < VALUES; i++) {
        const int k = i / PLANE, y = i / SIDE % SIDE, col = i % SIDE;
        const int inside = y >= cy - CUT / 2 && y < cy + CUT / 2 && col >= cx - CUT / 2 && col < cx + CUT / 2;
        if (decode(x[i]) != (inside ? -1 : pixel(k, y, col))) return 0;
        *area += inside && k == 0;
    }
    return 1;
}

static void count_cut(const float *x, void *ud) {
    cuts *c = ud;
    int found = 0, area;
    for (int i = 0; i < PLANE && !found; i++) {
        if (!cut_matches(x, i / SIDE, i % SIDE, &area)) continue;
        found = 1;
        c->count[i]++;
        c->area[i] = area;
    }
    ck_assert_int_eq(found, 1);
    c->n++;
}

/* DeVries, Taylor 2017: the centre is uniform over the pixels, so that the square is clipped near the border. By hand
 * for a half side of 2 and a side of 8: along an axis, 2 pixels at centre 0, 3 at 1 and 7, 4 at 2 to 6; the area is the
 * product of both, 3.5 x 3.5 on average. */
START_TEST(cutout) {
    static cuts c;
    static const int length[SIDE] = {2, 3, 4, 4, 4, 4, 4, 3};
    mn_dataset *d = alike((mn_image_opts){.cutout = CUT});
    look(d, 13, count_cut, &c);
    expect_uniform(c.count, PLANE, c.n);
    double sum = 0;
    for (int i = 0; i < PLANE; i++) {
        ck_assert_int_eq(c.area[i], length[i / SIDE] * length[i % SIDE]);
        sum += (double)c.count[i] * c.area[i];
    }
    ck_assert_double_eq_tol(sum / c.n, 3.5 * 3.5, 5 * 3.4 / sqrt(c.n)); /* an area deviates by 3.4 */
    mn_dataset_free(d);
}
END_TEST

/* A square larger than the image still covers only what lies within half its side. */
START_TEST(large_cutout) {
    for (int side = 2 * SIDE; side < 100; side += 40) {
        mn_dataset *d = alike((mn_image_opts){.cutout = side});
        mn_rng rng;
        float x[VALUES];
        int32_t y;
        mn_rng_init(&rng, 1, 2, 3);
        d->vt->sample(d, 0, 1, &rng, x, &y);
        for (int i = 0; i < VALUES; i++) ck_assert_int_eq(decode(x[i]), -1); /* a half of 8 reaches every pixel */
        mn_dataset_free(d);
    }
}
END_TEST

/* ---- who is augmented, and by what --------------------------------------------------------------------- */

static int load(mn_dataset *train, mn_dataset *valid, uint64_t seed, const char *args, mn_loaders *out) {
    mn_node *n;
    ck_assert_int_eq(mn_yaml_read(ctx, args, strlen(args), "test.yaml", &n), 0);
    const mn_loader_env env = {.train = train, .valid = valid, .seed = seed};
    *out = (mn_loaders){0};
    const int rc = mn_registry_build(ctx, "data_loader", n->items[0], NULL, NULL, &env, out);
    mn_node_free(ctx, n);
    return rc;
}

/* How many samples of two epochs are not the plain image. */
static int count_changed(mn_loader *l) {
    int changed = 0;
    mn_batch b;
    for (int e = 0; e < 2; e++) {
        ck_assert_int_eq(mn_loader_start(l, e), 0);
        while (mn_loader_next(l, &b) == 0)
            for (int i = 0; i < b.n; i++) changed += !crop_matches(b.x + i * VALUES, 0, 0, 0, 0);
    }
    return changed;
}

static const mn_image_opts everything = {.shift = PAD,
                                         .flip = 1,
                                         .vflip = 1,
                                         .brightness = 0.4,
                                         .contrast = 0.4,
                                         .saturation = 0.4,
                                         .hue = 0.1,
                                         .cutout = CUT};

/* Of validation data, split off or of its own, and of test data, no pixel is touched. */
START_TEST(only_training) {
    mn_dataset *d = alike(everything), *other = alike(everything);
    mn_loaders l;
    mn_loader *test;
    ck_assert_int_eq(load(d, NULL, 1, "{type: ImageClsDataLoader, args: {valid_size: 40}}", &l), 0);
    ck_assert_int_eq(count_changed(l.train), 2 * 60);
    ck_assert_int_eq(count_changed(l.valid), 0);
    mn_loader_free(l.train);
    mn_loader_free(l.valid);
    ck_assert_int_eq(load(d, other, 1, "{type: DefaultDataLoader}", &l), 0);
    ck_assert_int_eq(count_changed(l.train), 2 * N);
    ck_assert_int_eq(count_changed(l.valid), 0);
    mn_loader_free(l.train);
    mn_loader_free(l.valid);
    ck_assert_int_eq(mn_loader_plain(ctx, other, 32, &test), 0);
    ck_assert_int_eq(count_changed(test), 0);
    mn_loader_free(test);
    mn_dataset_free(d);
    mn_dataset_free(other);
}
END_TEST

/* What a sample gets is a function of seed, epoch and its number: batches of another size, prepared ahead or not, from
 * the middle of an epoch or after others, are the same; with another seed or epoch all is drawn anew. All images being
 * alike, batches of an order would not show it: the order is taken away by sorting bytes of samples. */
static int by_bytes(const void *a, const void *b) {
    return memcmp(a, b, VALUES * sizeof(float));
}

static void gather(mn_dataset *d, uint64_t seed, int64_t epoch, const char *args, float *all) {
    mn_loaders l;
    mn_batch b;
    int n = 0;
    ck_assert_int_eq(load(d, NULL, seed, args, &l), 0);
    ck_assert_int_eq(mn_loader_start(l.train, 5), 0);
    ck_assert_int_eq(mn_loader_next(l.train, &b), 0);
    ck_assert_int_eq(mn_loader_start(l.train, epoch), 0);
    while (mn_loader_next(l.train, &b) == 0) {
        memcpy(all + n * VALUES, b.x, (size_t)b.n * VALUES * sizeof *all);
        n += b.n;
    }
    ck_assert_int_eq(n, N);
    mn_loader_free(l.train);
    qsort(all, N, VALUES * sizeof *all, by_bytes);
}

START_TEST(keyed) {
    static float a[N * VALUES], b[N * VALUES];
    mn_dataset *d = alike(everything);
    gather(d, 1, 2, "{type: DefaultDataLoader, args: {workers: 0, trn_batch_size: 7}}", a);
    gather(d, 1, 2, "{type: DefaultDataLoader, args: {workers: 3, trn_batch_size: 64}}", b);
    ck_assert_int_eq(memcmp(a, b, sizeof a), 0);
    for (int other = 0; other < 2; other++) {
        gather(d, 1 + (uint64_t)other, 3 - other, "{type: DefaultDataLoader}", b);
        for (int i = 0; i < N; i++) ck_assert_ptr_null(bsearch(a + i * VALUES, b, N, VALUES * sizeof *b, by_bytes));
    }
    mn_dataset_free(d);
}
END_TEST

int main(void) {
    Suite *s = suite_create("data_augment");
    util_add(s, "draws", setup, teardown, (const TTest *[]){crop_and_flip, vertical_flip, cutout, large_cutout, NULL});
    util_add(s, "who", setup, teardown, (const TTest *[]){only_training, keyed, NULL});
    return util_run(s);
}
