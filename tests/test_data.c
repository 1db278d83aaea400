/* Data sets as components: their args, the files they find and read, made-up data, and the real Fashion-MNIST where
 * Debian's package has put it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "data/data.h"
#include "util_host.h"

static util_host host;
static modnas_ctx *ctx;

static void setup(void) {
    ctx = util_ctx_new(&host);
    ck_assert_int_eq(mn_data_register(ctx), 0);
}

static void teardown(void) {
    util_ctx_end(&host, ctx);
}

/* ---- components ------------------------------------------------------------------------------------------ */

static int build(const char *spec, mn_dataset **d) {
    mn_node *n;
    *d = NULL;
    ck_assert_int_eq(mn_yaml_read(ctx, spec, strlen(spec), "test.yaml", &n), 0);
    const int rc = mn_registry_build(ctx, "data", n->items[0], NULL, NULL, NULL, d);
    mn_node_free(ctx, n);
    return rc;
}

static void expect_fail(const char *spec, int status, const char *text) {
    mn_dataset *d;
    ck_assert_msg(build(spec, &d) == status, "%s: %s", spec, modnas_errmsg(ctx));
    ck_assert_msg(strstr(modnas_errmsg(ctx), text) != NULL, "%s: %s", spec, modnas_errmsg(ctx));
    ck_assert_ptr_null(d);
}

START_TEST(rand_data) {
    mn_dataset *d, *more, *other;
    ck_assert_int_eq(build("{type: RandData, args: {shape: [2, 3, 4], classes: 7, data_size: 500}}", &d), 0);
    ck_assert_int_eq(build("{type: RandData, args: {shape: [2, 3, 4], classes: 7, data_size: 600}}", &more), 0);
    ck_assert_int_eq(build("{type: RandData, args: {shape: [2, 3, 4], classes: 7, data_size: 500, seed: 1}}", &other),
                     0);
    ck_assert_int_eq(d->c * 100 + d->h * 10 + d->w, 234);
    ck_assert_int_eq(d->n_classes, 7);
    double sum = 0, squares = 0;
    int seen[7] = {0}, differ = 0;
    for (int i = 0; i < 500; i++) {
        float x[24], x2[24];
        int32_t y, y2;
        d->vt->sample(d, i, 1, NULL, x, &y);
        more->vt->sample(more, i, 0, NULL, x2, &y2);
        ck_assert_int_eq(y, y2);
        ck_assert_int_eq(memcmp(x, x2, sizeof x), 0);
        other->vt->sample(other, i, 0, NULL, x2, &y2);
        differ += memcmp(x, x2, sizeof x) != 0;
        ck_assert(y >= 0 && y < 7);
        seen[y]++;
        for (int k = 0; k < 24; k++) {
            sum += x[k];
            squares += x[k] * x[k];
        }
    }
    ck_assert_int_eq(differ, 500);
    for (int c = 0; c < 7; c++) ck_assert_int_gt(seen[c], 35); /* 71 each, deviation 8 */
    ck_assert_double_lt(fabs(sum / 12000), 5 / sqrt(12000));   /* normal: mean 0, variance 1, five deviations */
    ck_assert_double_lt(fabs(squares / 12000 - 1), 5 * sqrt(2. / 12000));
    mn_dataset_free(d);
    mn_dataset_free(more);
    mn_dataset_free(other);
}
END_TEST

START_TEST(rand_data_spec) {
    mn_dataset *d;
    ck_assert_int_eq(
        build("{type: RandData, args: {data_size: 200, data_spec: [[[5], float, [2, 3]], [null, int, [0, 3]]]}}", &d),
        0);
    ck_assert_int_eq(d->c * 100 + d->h * 10 + d->w, 511);
    ck_assert_int_eq(d->n_classes, 3);
    for (int i = 0; i < 200; i++) {
        float x[5];
        int32_t y;
        d->vt->sample(d, i, 0, NULL, x, &y);
        for (int k = 0; k < 5; k++) ck_assert(x[k] >= 2 && x[k] <= 3);
    }
    mn_dataset_free(d);
    expect_fail("{type: RandData, args: {data_size: 0}}", MODNAS_ECONFIG, "0 samples");
    expect_fail("{type: RandData, args: {data_spec: [[[5], float, null]]}}", MODNAS_ECONFIG, "1 entries");
    expect_fail("{type: RandData, args: {data_spec: [[[5], float, [3, 2]], [null, int, [0, 3]]]}}", MODNAS_ECONFIG,
                "[3, 2] is empty");
    expect_fail("{type: RandData, args: {data_spec: [[[5], float, null], [null, float, [0, 3]]]}}", MODNAS_ECONFIG,
                "labels");
    expect_fail("{type: RandData, args: {data_spec: [[[0], float, null], [null, int, [0, 3]]]}}", MODNAS_ECONFIG,
                "side 0");
    expect_fail("{type: RandData, args: {classes: 0}}", MODNAS_ECONFIG, "classes");
}
END_TEST

/* ---- files ----------------------------------------------------------------------------------------------- */

/* A folder with n images of 28 x 28 (all pixels i mod 256) and labels i mod 10, as FOLDER/NAME[.gz] after the prefix.
 */
static char dir[] = "/tmp/modnas-data-XXXXXX";

static void write_file(const char *name, const uint8_t *b, size_t n, int gzip) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s%s", dir, name, gzip ? ".gz" : "");
    gzFile f = gzopen(path, gzip ? "wb1" : "wbT");
    ck_assert_int_eq(gzwrite(f, b, (unsigned)n), (int)n);
    ck_assert_int_eq(gzclose(f), Z_OK);
}

static void write_set(const char *prefix, const char *part, uint8_t n, uint8_t n_labels, int gzip) {
    static uint8_t b[16 + 255 * 784];
    char name[256];
    memcpy(b, (const uint8_t[16]){0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, 28, 0, 0, 0, 28}, 16);
    for (int i = 0; i < n; i++) memset(b + 16 + 784 * i, i, 784);
    snprintf(name, sizeof name, "%s%s-images-idx3-ubyte", prefix, part);
    write_file(name, b, 16 + 784 * (size_t)n, gzip);
    memcpy(b, (const uint8_t[8]){0, 0, 8, 1, 0, 0, 0, n_labels}, 8);
    for (int i = 0; i < n_labels; i++) b[8 + i] = (uint8_t)(i % 10);
    snprintf(name, sizeof name, "%s%s-labels-idx1-ubyte", prefix, part);
    write_file(name, b, 8 + (size_t)n_labels, gzip);
}

static void make_dir(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    ck_assert_int_eq(mkdir(path, 0777), 0);
}

static void files_setup(void) {
    setup();
    ck_assert_ptr_nonnull(mkdtemp(dir));
    make_dir("MNIST");
    make_dir("MNIST/raw");
    make_dir("plain");
    make_dir("bad");
    write_set("MNIST/raw/", "train", 30, 30, 1);
    write_set("MNIST/raw/", "t10k", 20, 20, 0);
    write_set("plain/", "train", 30, 30, 0);
    write_set("bad/", "train", 30, 29, 0);
}

static void files_teardown(void) {
    char command[300];
    snprintf(command, sizeof command, "rm -r %s", dir);
    ck_assert_int_eq(system(command), 0);
    teardown();
}

static const char *spec(const char *fmt, const char *sub) {
    static char buf[512];
    snprintf(buf, sizeof buf, fmt, dir, sub);
    return buf;
}

START_TEST(finds_files) {
    mn_dataset *d;
    float x[32 * 32];
    int32_t y;
    ck_assert_int_eq(build(spec("{type: ImageClsData, args: {dataset: mnist, root: %s%s}}", ""), &d), 0);
    ck_assert_int_eq(d->n, 30);
    ck_assert_int_eq(d->n_classes, 10);
    ck_assert_int_eq(d->train_split, 1);
    ck_assert_int_eq(d->n_files, 2);
    ck_assert_str_eq(d->files[0].name, "train-images-idx3-ubyte");
    d->vt->sample(d, 17, 0, NULL, x, &y);
    ck_assert_int_eq(y, 7);
    ck_assert_float_eq_tol(x[0], (17 / 255. - 0.1307) / 0.3081, 1e-6); /* MNIST's mean and deviation */
    mn_dataset *plain; /* the same samples elsewhere and not packed: the same hash */
    ck_assert_int_eq(
        build(spec("{type: ImageClsData, args: {dataset: fashionmnist, root: %s%s, mean: [0], stddev: [1]}}", "/plain"),
              &plain),
        0);
    ck_assert_str_eq(d->sha256, plain->sha256);
    plain->vt->sample(plain, 17, 0, NULL, x, &y);
    ck_assert_float_eq_tol(x[0], 17 / 255., 1e-6);
    mn_dataset_free(plain);
    mn_dataset_free(d);
    ck_assert_int_eq(
        build(
            spec("{type: ImageClsData, args: {dataset: mnist, root: %s%s, valid: true, transform_args: {pad: 2}}}", ""),
            &d),
        0);
    ck_assert_int_eq(d->n, 20);
    ck_assert_int_eq(d->train_split, 0);
    ck_assert_int_eq(d->h * 100 + d->w, 3232);
    mn_dataset_free(d);
}
END_TEST

START_TEST(wrong_files) {
    expect_fail("{type: ImageClsData, args: {dataset: mnist}}", MODNAS_ECONFIG, "no default folder");
    expect_fail(spec("{type: ImageClsData, args: {dataset: mnist, root: %s%s}}", "/none"), MODNAS_ECONFIG,
                "no train-images-idx3-ubyte");
    expect_fail(spec("{type: ImageClsData, args: {dataset: mnist, root: %s%s}}", "/bad"), MODNAS_EFORMAT,
                "holds 30 images");
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(ctx), "test.yaml:1"));
    write_file("bad/train-labels-idx1-ubyte", (const uint8_t[]){0, 0, 8, 1, 0, 0, 0, 2, 9, 10}, 10, 0);
    expect_fail(spec("{type: ImageClsData, args: {dataset: mnist, root: %s%s}}", "/bad"), MODNAS_EFORMAT,
                "label 10 of sample 1");
    expect_fail(spec("{type: ImageClsData, args: {dataset: imagenet, root: %s%s}}", "/none"), MODNAS_ECONFIG,
                "/none is no folder");
    expect_fail(spec("{type: ImageClsData, args: {dataset: mnits, root: %s%s}}", ""), MODNAS_ECONFIG, "mnits");
}
END_TEST

START_TEST(wrong_args) {
    static const struct {
        const char *args, *text;
    } rows[] = {
        {"mean: [0, 0]", "2 numbers for images of 1 channel"},
        {"stddev: [0]", "0 is out of range"},
        {"cutout: -1", "cutout"},
        {"jitter: 3", "none of false"},
        {"jitter: weak", "none of false"},
        {"to_tensor: false", "false is not supported"},
        {"augment: {shft: 1}", "did you mean 'shift'"},
        {"augment: {shift: 28}", "from 0 to 27"},
        {"augment: {flip: 3}", "flip is neither true nor false"},
        {"augment: {vflip: 1}", "vflip is neither true nor false"},
        {"files: []", "the list is empty"},
        {"files: [3]", "named by a text"},
        {"files: [a]", "1 files; mnist has two"},
        {"transform_args: {pad: -1}", "pad"},
        {"transform_args: {crop: 1}", "unknown key 'crop'"},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        char fmt[256];
        snprintf(fmt, sizeof fmt, "{type: ImageClsData, args: {dataset: mnist, root: %%s%%s, %s}}", rows[i].args);
        expect_fail(spec(fmt, ""), MODNAS_ECONFIG, rows[i].text);
    }
}
END_TEST

/* Each allocation on the way to a set fails in turn: ENOMEM and nothing left, until there are enough. */
START_TEST(out_of_memory) {
    mn_node *n;
    const char *text = spec("{type: ImageClsData, args: {dataset: mnist, root: %s%s}}", "");
    ck_assert_int_eq(mn_yaml_read(ctx, text, strlen(text), "test.yaml", &n), 0);
    const int64_t live = host.live;
    int rc = MODNAS_ENOMEM, tries = 0;
    for (; rc; tries++) {
        mn_dataset *d = NULL;
        host.left = tries;
        rc = mn_registry_build(ctx, "data", n->items[0], NULL, NULL, NULL, &d);
        host.left = -1;
        ck_assert(rc == 0 || rc == MODNAS_ENOMEM);
        ck_assert((rc == 0) == (d != NULL));
        mn_dataset_free(d);
        ck_assert_int_eq(host.live, live);
    }
    ck_assert_int_gt(tries, 20);
    mn_node_free(ctx, n);
}
END_TEST

/* ---- the real files -------------------------------------------------------------------------------------- */

/* Hashes of the four unpacked files: data/README.md of the shared data; of two in a row: `(zcat A; zcat B) |
 * sha256sum`. */
static const struct {
    const char *args;
    int n;
    const char *images, *labels, *both;
} real[] = {
    {"", 60000, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
     "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
     "d9ef4273af5c2e360155dad0c06bd939447bf37a6620db007d69fc79e4732045"},
    {", valid: true", 10000, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
     "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
     "30214f3fe91405cb8ea60b11ecf0914a65dd6a6ca8e13c13a62eb434f2d9fe56"},
};

START_TEST(fashion_mnist) {
    if (access("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz", R_OK)) {
        printf("skipped: Debian's package dataset-fashion-mnist is not installed\n");
        return;
    }
    char text[128];
    mn_dataset *d;
    snprintf(text, sizeof text, "{type: ImageClsData, args: {dataset: fashionmnist%s}}", real[_i].args);
    ck_assert_msg(build(text, &d) == 0, "%s", modnas_errmsg(ctx));
    ck_assert_int_eq(d->n, real[_i].n);
    ck_assert_str_eq(d->files[0].sha256, real[_i].images);
    ck_assert_str_eq(d->files[1].sha256, real[_i].labels);
    ck_assert_str_eq(d->sha256, real[_i].both);
    ck_assert_str_eq(d->class_names[9], "Ankle boot");
    int count[10] = {0};
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < d->n; i++) {
        float x[784];
        int32_t y;
        d->vt->sample(d, i, 0, NULL, x, &y);
        count[y]++;
        for (int k = 0; k < 784; k++) {
            sum += x[k];
            squares += x[k] * x[k];
        }
    }
    for (int c = 0; c < 10; c++) ck_assert_int_eq(count[c], real[_i].n / 10); /* balanced, says the data set's README */
    if (_i == 0) { /* the mean and deviation are those of the training pixels, to the four digits given */
        ck_assert_double_lt(fabs(sum / (784. * 60000)), 0.0005 / 0.353);
        ck_assert_double_lt(fabs(sqrt(squares / (784. * 60000)) - 1), 0.0005);
    }
    mn_dataset_free(d);
}
END_TEST

int main(void) {
    Suite *s = suite_create("data");
    util_add(s, "rand", setup, teardown, (const TTest *[]){rand_data, rand_data_spec, NULL});
    util_add(s, "files", files_setup, files_teardown,
             (const TTest *[]){finds_files, wrong_files, wrong_args, out_of_memory, NULL});
    TCase *t = tcase_create("real");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, fashion_mnist, 0, (int)MN_COUNT(real));
    suite_add_tcase(s, t);
    return util_run(s);
}
