/* CIFAR-10 and CIFAR-100 as data sets: where files are sought, what is read from them, names of classes, and the
 * outside data of the shared folder. Records here are made by hand after the format's description
 * (cs.toronto.edu/~kriz/ cifar.html, "Binary version"). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "data/data.h"
#include "util_host.h"
#include "util_shared.h"

enum { SIDE = 32, PLANE = SIDE * SIDE, VALUES = 3 * PLANE };

static util_host host;
static modnas_ctx *ctx;
static char dir[] = "/tmp/modnas-sets-XXXXXX";

/* The path of a file in the folder, until the next call. */
static const char *at(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

/* Channel k of pixel p of record i of all. */
static uint8_t pixel(int i, int k, int p) {
    return (uint8_t)(11 * i + 85 * k + p % 50);
}

/* Records first .. first + n - 1; record i is of class i mod 10, or of CIFAR-100's i and coarse i mod 20. */
static void write_records(const char *name, int first, int n, int n_labels) {
    const size_t len = strlen(name);
    gzFile f = gzopen(at(name), len > 3 && !strcmp(name + len - 3, ".gz") ? "wb1" : "wbT");
    ck_assert_ptr_nonnull(f);
    for (int i = first; i < first + n; i++) {
        uint8_t b[2 + VALUES], *next = b;
        if (n_labels == 2) *next++ = (uint8_t)(i % 20);
        *next++ = (uint8_t)(n_labels == 2 ? i : i % 10);
        for (int k = 0; k < 3; k++)
            for (int p = 0; p < PLANE; p++) *next++ = pixel(i, k, p);
        ck_assert_int_eq(gzwrite(f, b, (unsigned)(next - b)), (int)(next - b));
    }
    ck_assert_int_eq(gzclose(f), Z_OK);
}

/* PREFIX data_batch_1 .. 5 of two records each, test_batch of three. */
static void write_cifar10(const char *prefix, const char *suffix) {
    char name[128];
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "%sdata_batch_%d.bin%s", prefix, i + 1, suffix);
        write_records(name, 2 * i, 2, 1);
    }
    snprintf(name, sizeof name, "%stest_batch.bin%s", prefix, suffix);
    write_records(name, 10, 3, 1);
}

static void setup(void) {
    ctx = util_ctx_new(&host);
    ck_assert_int_eq(mn_data_register(ctx), 0);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(mkdir(at("flat"), 0777), 0);
    ck_assert_int_eq(mkdir(at("nested"), 0777), 0);
    ck_assert_int_eq(mkdir(at("nested/cifar-10-batches-bin"), 0777), 0);
    ck_assert_int_eq(mkdir(at("hundred"), 0777), 0);
    write_cifar10("flat/", "");
    write_cifar10("nested/cifar-10-batches-bin/", ".gz");
    write_records("hundred/train.bin", 20, 80, 2);
    write_records("hundred/test.bin", 0, 20, 2);
}

static void teardown(void) {
    char command[300];
    snprintf(command, sizeof command, "rm -r %s", dir);
    ck_assert_int_eq(system(command), 0);
    util_ctx_end(&host, ctx);
}

/* Build from args in YAML; each %s in it is the folder. */
static int build(const char *args, mn_dataset **d) {
    char text[1024], full[1100];
    mn_node *n;
    snprintf(text, sizeof text, args, dir, dir, dir); /* those beyond are left out */
    snprintf(full, sizeof full, "{type: ImageClsData, args: {%s}}", text);
    *d = NULL;
    ck_assert_int_eq(mn_yaml_read(ctx, full, strlen(full), "test.yaml", &n), 0);
    const int rc = mn_registry_build(ctx, "data", n->items[0], NULL, NULL, NULL, d);
    mn_node_free(ctx, n);
    return rc;
}

static mn_dataset *must_build(const char *args) {
    mn_dataset *d;
    ck_assert_msg(build(args, &d) == 0, "%s", modnas_errmsg(ctx));
    return d;
}

static void expect_fail(const char *args, int status, const char *text) {
    mn_dataset *d;
    ck_assert_msg(build(args, &d) == status, "%s: %s", args, modnas_errmsg(ctx));
    ck_assert_msg(strstr(modnas_errmsg(ctx), text) != NULL, "%s: %s", args, modnas_errmsg(ctx));
    ck_assert_msg(strncmp(modnas_errmsg(ctx), "test.yaml:1: ImageClsData.", 26) == 0, "%s", modnas_errmsg(ctx));
    ck_assert_ptr_null(d);
}

/* Sample `index` of a set is record `i`, normalised. */
static void expect_record(const mn_dataset *d, int64_t index, int i, int32_t label, const double *mean,
                          const double *stddev) {
    static float x[VALUES];
    int32_t y = -1;
    d->vt->sample(d, index, 0, NULL, x, &y);
    ck_assert_int_eq(y, label);
    for (int k = 0; k < 3; k++)
        for (int p = 0; p < PLANE; p++)
            ck_assert_float_eq_tol(x[k * PLANE + p], (pixel(i, k, p) / 255. - mean[k]) / stddev[k], 2e-6);
}

/* The constants of DARTS' cnn/utils.py, CIFAR_MEAN and CIFAR_STD (spec 7.6 has the same). */
static const double mean10[] = {.49139968, .48215827, .44653124}, stddev10[] = {.24703233, .24348505, .26158768};

/* ---- files --------------------------------------------------------------------------------------------- */

START_TEST(official_layout) {
    mn_dataset *d = must_build("dataset: cifar10, root: %s/flat");
    mn_dataset *gz = must_build("dataset: cifar10, root: %s/nested");
    ck_assert_int_eq(d->n, 10);
    ck_assert_int_eq(d->c * 10000 + d->h * 100 + d->w, 33232);
    ck_assert_int_eq(d->n_classes, 10);
    ck_assert_int_eq(d->train_split, 1);
    ck_assert_int_eq(d->n_files, 5);
    for (int i = 0; i < 10; i++) {
        expect_record(d, i, i, i, mean10, stddev10);
        expect_record(gz, i, i, i, mean10, stddev10);
    }
    ck_assert_str_eq(gz->files[4].name, "data_batch_5.bin");
    ck_assert_int_eq(gz->files[4].bytes, 2 * 3073);
    ck_assert_str_eq(d->sha256, gz->sha256);
    ck_assert_str_eq(d->class_names[3], "cat");
    mn_dataset_free(gz);
    mn_dataset_free(d);
    d = must_build("dataset: cifar10, root: %s/flat, valid: true");
    ck_assert_int_eq(d->n, 3);
    ck_assert_int_eq(d->train_split, 0);
    for (int i = 0; i < 3; i++) expect_record(d, i, 10 + i, i, mean10, stddev10);
    mn_dataset_free(d);
}
END_TEST

START_TEST(files_by_name) {
    mn_dataset *d = must_build("dataset: cifar10, files: [%s/nested/cifar-10-batches-bin/data_batch_3.bin.gz, "
                               "%s/flat/data_batch_1.bin], mean: [0, 0, 0.5], stddev: [1, 1, 0.5]");
    static const double mean[] = {0, 0, 0.5}, stddev[] = {1, 1, 0.5};
    ck_assert_int_eq(d->n, 4);
    ck_assert_str_eq(d->files[0].name, "data_batch_3.bin");
    expect_record(d, 0, 4, 4, mean, stddev);
    expect_record(d, 3, 1, 1, mean, stddev);
    mn_dataset_free(d);
    d = must_build("dataset: cifar10, root: %s/flat, files: [test_batch.bin]"); /* under root */
    ck_assert_int_eq(d->n, 3);
    mn_dataset_free(d);
    ck_assert_int_eq(chdir(dir), 0);
    d = must_build("dataset: cifar10, files: [flat/test_batch.bin]");
    ck_assert_int_eq(d->n, 3);
    mn_dataset_free(d);
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(cifar100) {
    /* conf/global_settings.py of pytorch-cifar100, CIFAR100_TRAIN_MEAN and CIFAR100_TRAIN_STD */
    static const double mean[] = {0.5070751592371323, 0.48654887331495095, 0.4408917910838468};
    static const double stddev[] = {0.2673342858792401, 0.2564384629170883, 0.27615047132568404};
    mn_dataset *d = must_build("dataset: cifar100, root: %s/hundred");
    ck_assert_int_eq(d->n, 80);
    ck_assert_int_eq(d->n_classes, 100);
    ck_assert_ptr_null(d->class_names);
    expect_record(d, 79, 99, 99, mean, stddev);
    mn_dataset_free(d);
    d = must_build("dataset: cifar100, root: %s/hundred, valid: true");
    ck_assert_int_eq(d->n, 20);
    mn_dataset_free(d);
    expect_fail("dataset: cifar10, files: [%s/hundred/test.bin]", MODNAS_EFORMAT, "CIFAR-100");
}
END_TEST

START_TEST(wrong_files) {
    expect_fail("dataset: cifar10", MODNAS_ECONFIG, "cifar10 has no default folder");
    expect_fail("dataset: cifar10, root: %s", MODNAS_ECONFIG, "no data_batch_1.bin, plain or .gz, in ");
    expect_fail("dataset: cifar10, root: %s", MODNAS_ECONFIG, "/cifar-10-batches-bin (the binary version");
    expect_fail("dataset: cifar10, files: [%s/none.bin]", MODNAS_ENOTFOUND, "none.bin");
    expect_fail("dataset: cifar10, root: %s/flat, files: [test_batch.bin, test_batch.bin]", MODNAS_ECONFIG,
                "test_batch.bin and test_batch.bin hold the same bytes");
    expect_fail("dataset: cifar10, files: [%s/flat]", MODNAS_EIO, "/flat");
    util_write_text(at("flat/data_batch_4.bin"), "x");
    expect_fail("dataset: cifar10, root: %s/flat", MODNAS_EFORMAT, "data_batch_4.bin: 1 bytes");
    ck_assert_int_eq(unlink(at("flat/data_batch_4.bin")), 0);
    expect_fail("dataset: cifar10, root: %s/flat", MODNAS_ECONFIG, "no data_batch_4.bin");
    expect_fail("dataset: cifar10, root: %s/nested, mean: [0.5]", MODNAS_ECONFIG, "1 numbers for images of 3 channels");
    expect_fail("dataset: cifar10, root: %s/nested, augment: {shift: 32}", MODNAS_ECONFIG, "from 0 to 31");
}
END_TEST

/* ---- names of classes ---------------------------------------------------------------------------------- */

START_TEST(names) {
    util_write_text(at("flat/batches.meta.txt"), "a0\na1\r\na2\na3\na4\na5\na6\na7\na8\n\na 9\n\n\n"); /* the real one ends so */
    mn_dataset *d = must_build("dataset: cifar10, root: %s/flat");
    ck_assert_str_eq(d->class_names[0], "a0");
    ck_assert_str_eq(d->class_names[1], "a1");
    ck_assert_str_eq(d->class_names[9], "a 9");
    mn_dataset_free(d);
    d = must_build("dataset: cifar10, files: [%s/flat/test_batch.bin]");
    ck_assert_str_eq(d->class_names[8], "a8");
    mn_dataset_free(d);
    util_write_text(at("flat/batches.meta.txt"), "a0\na1\n");
    expect_fail("dataset: cifar10, root: %s/flat", MODNAS_EFORMAT,
                "batches.meta.txt: 2 names of classes; cifar10 has 10");
    util_write_text(at("flat/batches.meta.txt"), "");
    expect_fail("dataset: cifar10, root: %s/flat", MODNAS_EFORMAT, "0 names");
}
END_TEST

/* ---- sets that share samples --------------------------------------------------------------------------- */

static int load(mn_dataset *train, mn_dataset *valid, const char *args, mn_loaders *out) {
    char text[256];
    mn_node *n;
    snprintf(text, sizeof text, "{type: ImageClsDataLoader, args: {%s}}", args);
    ck_assert_int_eq(mn_yaml_read(ctx, text, strlen(text), "test.yaml", &n), 0);
    const mn_loader_env env = {.train = train, .valid = valid};
    *out = (mn_loaders){0};
    const int rc = mn_registry_build(ctx, "data_loader", n->items[0], NULL, NULL, &env, out);
    mn_node_free(ctx, n);
    return rc;
}

/* A file on both sides is refused, packed or not, whatever is beside it; labels alone may be alike. */
START_TEST(shared_files) {
    mn_loaders l;
    mn_dataset *d = must_build("dataset: cifar10, root: %s/flat");
    mn_dataset *part = must_build("dataset: cifar10, files: [%s/flat/test_batch.bin, "
                                  "%s/nested/cifar-10-batches-bin/data_batch_2.bin.gz]");
    mn_dataset *other = must_build("dataset: cifar10, root: %s/flat, valid: true");
    ck_assert_int_eq(load(d, part, "", &l), MODNAS_ECONFIG);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(ctx), "training and validation data both read data_batch_2.bin"));
    ck_assert_int_eq(load(d, other, "", &l), 0);
    mn_loader_free(l.train);
    mn_loader_free(l.valid);
    ck_assert_int_eq(load(d, other, "classes: [cat, 1]", &l), 0);
    ck_assert_int_eq(mn_loader_n_samples(l.train), 2); /* records 1 and 3 */
    ck_assert_int_eq(mn_loader_n_samples(l.valid), 1); /* record 11 */
    mn_loader_free(l.train);
    mn_loader_free(l.valid);
    mn_dataset_free(other);
    mn_dataset_free(part);
    mn_dataset_free(d);
    d = must_build("dataset: mnist, files: [%s/i1, %s/l]");
    other = must_build("dataset: mnist, files: [%s/i2, %s/l]");
    ck_assert_int_eq(load(d, other, "", &l), 0);
    mn_loader_free(l.train);
    mn_loader_free(l.valid);
    mn_dataset_free(d);
    mn_dataset_free(other);
}
END_TEST

static void write_bytes(const char *name, const uint8_t *bytes, size_t n) {
    FILE *f = fopen(at(name), "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

/* Two images of 2 x 2, twice with another first pixel, and their labels. */
static void shared_setup(void) {
    setup();
    uint8_t images[24] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1};
    const uint8_t labels[10] = {0, 0, 8, 1, 0, 0, 0, 2, 5, 6};
    write_bytes("i1", images, sizeof images);
    images[16] = 2;
    write_bytes("i2", images, sizeof images);
    write_bytes("l", labels, sizeof labels);
}

/* ---- memory -------------------------------------------------------------------------------------------- */

START_TEST(out_of_memory) {
    util_write_text(at("flat/batches.meta.txt"), "a0\na1\na2\na3\na4\na5\na6\na7\na8\na9\n");
    const int64_t live = host.live;
    int rc = MODNAS_ENOMEM, tries = 0;
    for (; rc; tries++) {
        mn_dataset *d = NULL;
        mn_node *n;
        char text[256];
        snprintf(text, sizeof text, "{type: ImageClsData, args: {dataset: cifar10, root: %s/flat}}", dir);
        ck_assert_int_eq(mn_yaml_read(ctx, text, strlen(text), "test.yaml", &n), 0);
        host.left = tries;
        rc = mn_registry_build(ctx, "data", n->items[0], NULL, NULL, NULL, &d);
        host.left = -1;
        mn_node_free(ctx, n);
        ck_assert(rc == 0 || rc == MODNAS_ENOMEM);
        ck_assert((rc == 0) == (d != NULL));
        mn_dataset_free(d);
        ck_assert_int_eq(host.live, live);
    }
    ck_assert_int_gt(tries, 40);
}
END_TEST

/* ---- outside data -------------------------------------------------------------------------------------- */

/* data/README.md: 10,000 and 5,000 records, class-balanced; channel means 0.4913 0.4821 0.4465, deviations 0.2452
 * 0.2428 0.2606 over all training images. Means of single images scatter by 0.14, so that of n by 0.14 / sqrt(n): five
 * times that are allowed, and as much for deviations. Hashes: SHA256SUMS. */
static const struct {
    const char *file, *sha256;
    int n;
} real[] = {
    {"train_10k.bin", "36b8a7f315dd7e41696a7002741363213c4fbb90413f20b707af63959bda3983", 10000},
    {"test_5k.bin", "50a33e0b2268918190df2ec205573a2f3301670569d7ffce5ee4c71e0ddf1701", 5000},
};

START_TEST(outside) {
    static const double mean[] = {0.4913, 0.4821, 0.4465}, stddev[] = {0.2452, 0.2428, 0.2606};
    char path[200], args[400];
    snprintf(args, sizeof args, "cifar10/%s", real[_i].file);
    if (access(util_shared_path(args, path, sizeof path), R_OK)) {
        printf("skipped: %s is not there\n", path);
        return;
    }
    snprintf(args, sizeof args, "dataset: cifar10, files: [%s]", path);
    mn_dataset *d = must_build(args);
    static float x[VALUES];
    double sum[3] = {0}, squares[3] = {0};
    int count[10] = {0};
    ck_assert_int_eq(d->n, real[_i].n);
    ck_assert_str_eq(d->files[0].sha256, real[_i].sha256);
    ck_assert_str_eq(d->sha256, real[_i].sha256);
    ck_assert_str_eq(d->class_names[1], "automobile");
    for (int64_t i = 0; i < d->n; i++) {
        int32_t y;
        d->vt->sample(d, i, 0, NULL, x, &y);
        count[y]++;
        for (int k = 0; k < VALUES; k++) {
            sum[k / PLANE] += x[k];
            squares[k / PLANE] += x[k] * x[k];
        }
    }
    for (int k = 0; k < 10; k++) ck_assert_int_eq(count[k], real[_i].n / 10);
    for (int k = 0; k < 3; k++) {
        const double m = sum[k] / ((double)d->n * PLANE), v = squares[k] / ((double)d->n * PLANE) - m * m;
        ck_assert_double_eq_tol(m * stddev10[k] + mean10[k], mean[k], 0.7 / sqrt((double)d->n));
        ck_assert_double_eq_tol(sqrt(v) * stddev10[k], stddev[k], 0.7 / sqrt((double)d->n));
    }
    mn_dataset_free(d);
}
END_TEST

int main(void) {
    Suite *s = suite_create("data_sets");
    util_add(s, "files", setup, teardown,
             (const TTest *[]){official_layout, files_by_name, cifar100, wrong_files, names, out_of_memory, NULL});
    util_add(s, "shared", shared_setup, teardown, (const TTest *[]){shared_files, NULL});
    TCase *t = tcase_create("outside");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, outside, 0, (int)MN_COUNT(real));
    suite_add_tcase(s, t);
    return util_run(s);
}
