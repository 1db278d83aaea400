/* Images in folders of classes: decoding, resizing, cropping, names, and what is refused.
 *
 * Hashes (the first 16 digits) are of what Pillow 13.0 and torchvision 0.27 make of the same files, which lie in
 * tests/fuzz/corpus/picture: 53 x 37 pixels of three ramps, as grey, palette, RGBA, 16 bits, interlaced, JPEG in three
 * ways. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "data/data.h"
#include "data/picture.h"
#include "util_host.h"
#include "util_shared.h"

static util_host host;
static modnas_ctx *ctx;
static char folder[64], pictures[4096];

static void setup(void) {
    ck_assert_ptr_nonnull(realpath("tests/fuzz/corpus/picture", pictures));
    ctx = util_ctx_new(&host);
    ck_assert_int_eq(mn_data_register(ctx), 0);
    util_folder_new(folder);
}

static void teardown(void) {
    util_folder_free(folder);
    util_ctx_end(&host, ctx);
}

static void read_picture(const char *name, mn_picture *p) {
    char path[4400], why[MN_PICTURE_WHY];
    snprintf(path, sizeof path, "%s/%s", pictures, name);
    ck_assert_msg(mn_picture_read(path, p, NULL, NULL, why) == 0, "%s: %s", path, why);
}

static void check_hash(const void *bytes, size_t n, const char *want, const char *what) {
    mn_sha256 sha;
    char hex[65];
    mn_sha256_init(&sha);
    mn_sha256_add(&sha, bytes, n);
    mn_sha256_hex(&sha, hex);
    hex[16] = 0;
    ck_assert_msg(strcmp(hex, want) == 0, "%s: %s, not %s", what, hex, want);
}

/* Planes to pixels, as Pillow has them. */
static void check_planes(const uint8_t *planes, size_t n, const char *want, const char *what) {
    uint8_t *rgb = malloc(3 * n);
    ck_assert_ptr_nonnull(rgb);
    for (size_t i = 0; i < 3 * n; i++) rgb[i] = planes[i % 3 * n + i / 3];
    check_hash(rgb, 3 * n, want, what);
    free(rgb);
}

static const struct {
    const char *name, *rgb, *small, *large, *grey; /* 16 x 11; of a part, 60 x 64; 16 x 11 in grey */
} files[] = {
    {"rgb.png", "72e39dcfc0f92a46", "a26bd2ee87caf7a5", "0c10e37349067860", "57f9c708fec4a010"},
    {"rgba.png", "72e39dcfc0f92a46", "a26bd2ee87caf7a5", "0c10e37349067860", "57f9c708fec4a010"},
    {"grey.png", "4d4ba822a543961b", "42dff1d2522544e3", "e57eac93ebc4ff16", "2fbf38a70109c9cd"},
    {"palette.png", "8879bf56245df381", "44b7adf3dab58f55", "6cf989b3099c5140", "4fe62163f7550b64"},
    {"adam7.png", "72e39dcfc0f92a46", "a26bd2ee87caf7a5", "0c10e37349067860", "57f9c708fec4a010"},
    {"deep.png", "72e39dcfc0f92a46", "a26bd2ee87caf7a5", "0c10e37349067860", "57f9c708fec4a010"},
    {"rgb.jpg", "d22c9fd5d8bcde22", "6e6d2664e9d85308", "f0d84a99ed77c5aa", "77279cff3cc25ec6"},
    {"prog.jpg", "ca0b910b6ac0081a", "e5050767eb45a81a", "6900888384ef5377", "6b012f4a74c70ac1"},
    {"grey.jpg", "de8d379b456f9290", "3e95e524dcc58824", "c10eff755783c114", "786915c748b714c0"},
    {"cmyk.jpg", "4d37b84fc6a30c9f", "83f29f36c328e5e6", "41b3c44fbd5486b8", "eebe92d1b8895693"},
};

START_TEST(as_pillow) {
    uint8_t dst[3 * 60 * 64];
    mn_picture p;
    read_picture(files[_i].name, &p);
    ck_assert(p.w == 53 && p.h == 37);
    check_hash(p.rgb, 3 * 53 * 37, files[_i].rgb, files[_i].name);
    ck_assert_int_eq(mn_picture_resize(&p, (int32_t[]){0, 0, 53, 37}, 3, 11, 16, dst), 0);
    check_planes(dst, 16 * 11, files[_i].small, "small");
    ck_assert_int_eq(mn_picture_resize(&p, (int32_t[]){5, 3, 40, 30}, 3, 64, 60, dst), 0);
    check_planes(dst, 60 * 64, files[_i].large, "large");
    ck_assert_int_eq(mn_picture_resize(&p, (int32_t[]){0, 0, 53, 37}, 1, 11, 16, dst), 0);
    check_hash(dst, 16 * 11, files[_i].grey, "grey");
    mn_picture_free(&p);
}
END_TEST

/* A file that is cut, or has one byte changed, is refused or (JPEG has no check sums) has the same size. */
START_TEST(damaged) {
    for (size_t k = 0; k < MN_COUNT(files); k++) {
        char path[4400], why[MN_PICTURE_WHY], *bytes;
        size_t n;
        mn_picture p;
        snprintf(path, sizeof path, "%s/%s", pictures, files[k].name);
        ck_assert_int_eq(mn_picture_read(path, &p, &bytes, &n, why), 0);
        mn_picture_free(&p);
        for (size_t cut = 0; cut < n - 2; cut += 1 + n / 40) {
            why[0] = 0;
            ck_assert_msg(mn_picture_decode(bytes, cut, &p, why) == -1, "%s: %zu bytes", path, cut);
            ck_assert(strlen(why) > 5);
        }
        for (size_t i = 0; i < n; i += 1 + n / 100) {
            bytes[i] = (char)(bytes[i] ^ 0x10);
            if (mn_picture_decode(bytes, n, &p, why) == 0) mn_picture_free(&p);
            bytes[i] = (char)(bytes[i] ^ 0x10);
        }
        free(bytes);
    }
}
END_TEST

/* ---- sets ---------------------------------------------------------------------------------------------- */

static void put(const char *path, const char *picture) {
    char command[9000];
    snprintf(command, sizeof command, "mkdir -p $(dirname %s) && cp %s/%s %s", path, pictures, picture, path);
    ck_assert_int_eq(system(command), 0);
}

static void put_all(void) {
    put("d/train/bird/b.png", "rgb.png");
    put("d/train/bird/a.JPG", "rgb.jpg");
    put("d/train/Ant/1.jpeg", "grey.jpg");
    put("d/val/Ant/x.png", "palette.png");
    put("d/val/bird/y.png", "rgb.png");
    util_write_text("d/train/bird/notes.txt", "no image");
}

static int build(const char *args, mn_dataset **out) {
    char spec[800];
    mn_node *n;
    snprintf(spec, sizeof spec, "{type: ImageClsData, args: {dataset: image, root: d, %s}}", args);
    ck_assert_int_eq(mn_yaml_value(ctx, spec, "spec", &n), 0);
    const int rc = mn_registry_build(ctx, "data", n, NULL, NULL, NULL, out);
    mn_node_free(ctx, n);
    return rc;
}

static int sample(const mn_dataset *d, int64_t i, int augment, uint64_t step, float *x, int32_t *label) {
    mn_rng rng;
    mn_rng_init(&rng, 1, 2, step);
    return d->vt->sample(d, i, augment, &rng, x, label);
}

/* Resize(20), CenterCrop(16), ToTensor, Normalize of torchvision; of the whole, a hash of the bytes. */
START_TEST(evaluated) {
    static const struct {
        int c, y, x;
        double value;
    } rows[] = {{0, 0, 0, -0.902046}, {1, 7, 3, -0.687675}, {2, 15, 15, -1.68244}};
    enum { SIDE = 16, VALUES = 3 * SIDE * SIDE };
    uint8_t bytes[VALUES];
    float x[VALUES];
    int32_t label = -1;
    mn_dataset *d;
    put_all();
    ck_assert_msg(build("valid: true, transform_args: {size: 16, resize: 20}", &d) == 0, "%s", modnas_errmsg(ctx));
    ck_assert(d->n == 2 && d->n_classes == 2 && d->c == 3 && d->h == 16 && d->w == 16);
    ck_assert_int_eq(sample(d, 1, 0, 0, x, &label), 0);
    ck_assert_int_eq(label, 1);
    for (int i = 0; i < VALUES; i++)
        bytes[i] = (uint8_t)lrint(((double)x[i] * d->stddev[i / (SIDE * SIDE)] + d->mean[i / (SIDE * SIDE)]) * 255);
    check_hash(bytes, VALUES, "844056d998338bb7", "the middle");
    for (size_t i = 0; i < MN_COUNT(rows); i++)
        ck_assert_double_eq_tol((double)x[(rows[i].c * SIDE + rows[i].y) * SIDE + rows[i].x], rows[i].value, 2e-6);
    mn_dataset_free(d);
}
END_TEST

/* Classes in the order of bytes, files too; a training image is another each time, and the same for the same draw. */
START_TEST(named) {
    enum { VALUES = 3 * 8 * 8 };
    float a[VALUES], b[VALUES], c[VALUES], middle[VALUES];
    int32_t label;
    mn_dataset *d;
    put_all();
    ck_assert_msg(build("transform_args: {size: 8}", &d) == 0, "%s", modnas_errmsg(ctx));
    ck_assert(d->n == 3 && d->n_classes == 2);
    ck_assert_str_eq(d->class_names[0], "Ant");
    ck_assert_str_eq(d->class_names[1], "bird");
    for (int64_t i = 0; i < 3; i++) {
        ck_assert_int_eq(sample(d, i, 1, 5, a, &label), 0);
        ck_assert_int_eq(label, i > 0);
        ck_assert_int_eq(sample(d, i, 1, 5, b, &label), 0);
        ck_assert_int_eq(sample(d, i, 1, 6, c, &label), 0);
        ck_assert_int_eq(sample(d, i, 0, 5, middle, &label), 0);
        ck_assert(memcmp(a, b, sizeof a) == 0 && memcmp(a, c, sizeof a) != 0 && memcmp(a, middle, sizeof a) != 0);
    }
    mn_dataset_free(d);
    ck_assert_int_eq(build("transform_args: {size: 8, crop: 0}, augment: {flip: false}", &d), 0);
    ck_assert_int_eq(sample(d, 2, 1, 5, a, &label), 0);
    ck_assert_int_eq(sample(d, 2, 0, 5, middle, &label), 0);
    ck_assert_int_eq(memcmp(a, middle, sizeof a), 0);
    mn_dataset_free(d);
}
END_TEST

/* Found before anything is trained, with the path; or, if nobody looked, when it is wanted. */
START_TEST(broken) {
    mn_dataset *d = NULL;
    mn_loader *l;
    mn_batch batch;
    put_all();
    util_write_text("d/train/Ant/2.png", "\x89PNG\r\n\x1a\n");
    ck_assert_int_eq(build("valid: false", &d), MODNAS_EFORMAT);
    ck_assert_msg(strstr(modnas_errmsg(ctx), "d/train/Ant/2.png: the file is cut short") != NULL, "%s",
                  modnas_errmsg(ctx));
    util_write_text("d/train/Ant/2.png", "GIF89a");
    ck_assert_int_eq(build("transform_args: {size: 8}", &d), MODNAS_EFORMAT);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(ctx), "d/train/Ant/2.png: neither PNG nor JPEG"));
    ck_assert_ptr_null(d);
    ck_assert_int_eq(build("transform_args: {size: 8, verify: 0}", &d), 0);
    ck_assert_int_eq(mn_loader_plain(ctx, d, 4, &l), 0);
    ck_assert_int_eq(mn_loader_next(l, &batch), MODNAS_EFORMAT);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(ctx), "d/train/Ant/2.png: neither PNG nor JPEG"));
    ck_assert_int_eq(remove("d/train/Ant/2.png"), 0);
    ck_assert_int_eq(mn_loader_start(l, 0), 0);
    ck_assert_int_eq(mn_loader_next(l, &batch), MODNAS_EFORMAT);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(ctx), "d/train/Ant/2.png: No such file"));
    mn_loader_free(l);
    mn_dataset_free(d);
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *args, *words;
    } rows[] = {{"valid: true", "d has no folder val, valid, validation or test"},
                {"transform_args: {size: 0}", "size is no whole number from 1 to 4096"},
                {"transform_args: {scale: [0.5, 2]}", "scale is no [low, high] with 0 < low <= high <= 1"},
                {"transform_args: {sizes: 8}", "unknown key 'sizes'; did you mean 'size'?"},
                {"transform_args: {channels: 2}", "channels is 1 or 3"},
                {"files: [a]", "image is read from folders of classes: give root"}};
    mn_dataset *d = NULL;
    put("d/train/one/a.png", "rgb.png");
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        ck_assert_msg(build(rows[i].args, &d) == MODNAS_ECONFIG, "%s", rows[i].args);
        ck_assert_msg(strstr(modnas_errmsg(ctx), rows[i].words) != NULL, "%s", modnas_errmsg(ctx));
    }
    ck_assert_int_eq(mkdir("d/train/empty", 0755), 0);
    ck_assert_int_eq(build("valid: false", &d), MODNAS_ECONFIG);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(ctx), "d/train/empty: no .png, .jpg or .jpeg is there"));
    ck_assert_int_eq(system("rm -r d"), 0);
    ck_assert_int_eq(build("valid: false", &d), MODNAS_ECONFIG);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(ctx), "d is no folder"));
    ck_assert_ptr_null(d);
}
END_TEST

int main(void) {
    Suite *s = suite_create("data_folder");
    util_add_loop(s, "pillow", setup, teardown, as_pillow, MN_COUNT(files));
    util_add(s, "folders", setup, teardown, (const TTest *const[]){damaged, evaluated, named, broken, refused, NULL});
    return util_run(s);
}
