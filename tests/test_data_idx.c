/* Readers of IDX files and of gzip: right files, every kind of wrong ones, corruption of each byte, memory that stays
 * small.
 *
 * Files are built here byte by byte after the format's description (yann.lecun.com/exdb/mnist, "the IDX file format");
 * gzip is made by zlib. The folder fuzz/ of the shared data brings files and verdicts from elsewhere. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/idx.h"
#include "data/source.h"
#include "util_host.h"
#include "util_shared.h"

static util_host host;
static modnas_ctx *ctx;

static void setup(void) {
    ctx = util_ctx_new(&host);
}

static void teardown(void) {
    util_ctx_end(&host, ctx);
}

/* 2 images of 3 x 4, pixel i is 7 i mod 256. */
enum { IMAGES_BYTES = 16 + 24, LABELS_BYTES = 8 + 5 };
static void put_images(uint8_t *b) {
    memcpy(b, (const uint8_t[16]){0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4}, 16);
    for (int i = 0; i < 24; i++) b[16 + i] = (uint8_t)(7 * i);
}

/* 5 labels, label i is 3 i. */
static void put_labels(uint8_t *b) {
    memcpy(b, (const uint8_t[8]){0, 0, 8, 1, 0, 0, 0, 5}, 8);
    for (int i = 0; i < 5; i++) b[8 + i] = (uint8_t)(3 * i);
}

/* One gzip member; returns its size. */
static size_t put_gzip(const void *src, size_t n, uint8_t *dst, size_t cap) {
    return util_pack(src, n, 31, dst, cap);
}

static void check_images(const mn_idx *idx) {
    ck_assert_int_eq(idx->n_dims, 3);
    ck_assert_int_eq(idx->dims[0], 2);
    ck_assert_int_eq(idx->dims[1], 3);
    ck_assert_int_eq(idx->dims[2], 4);
    ck_assert_uint_eq(idx->data_bytes, 24);
    for (int i = 0; i < 24; i++) ck_assert_int_eq(idx->data[i], 7 * i);
    /* sha256sum of the 40 bytes */
    ck_assert_str_eq(idx->sha256, "c10657cdf40f3ff127be3201f313a73cdc547b705b950f5da7975c13d013cc59");
}

START_TEST(idx_plain) {
    uint8_t b[IMAGES_BYTES];
    mn_idx idx;
    put_images(b);
    ck_assert_int_eq(mn_idx_parse(ctx, b, sizeof b, "a", MN_IDX_IMAGES, &idx), 0);
    check_images(&idx);
    mn_idx_free(ctx, &idx);
    put_labels(b);
    ck_assert_int_eq(mn_idx_parse(ctx, b, LABELS_BYTES, "a", MN_IDX_ANY, &idx), 0);
    ck_assert_int_eq(idx.n_dims, 1);
    ck_assert_int_eq(idx.dims[0], 5);
    for (int i = 0; i < 5; i++) ck_assert_int_eq(idx.data[i], 3 * i);
    ck_assert_str_eq(idx.sha256, "eace7399d2c909ac76761415afae9ddbba2f19426f86eae6c543894967b890ae");
    mn_idx_free(ctx, &idx);
}
END_TEST

/* One member, and every way to cut the file into two members. */
START_TEST(idx_gzip_members) {
    uint8_t b[IMAGES_BYTES], z[512];
    mn_idx idx;
    put_images(b);
    for (size_t cut = 0; cut <= sizeof b; cut++) {
        size_t n = put_gzip(b, cut, z, sizeof z);
        n += put_gzip(b + cut, sizeof b - cut, z + n, sizeof z - n);
        ck_assert_int_eq(mn_idx_parse(ctx, z, n, "a.gz", MN_IDX_IMAGES, &idx), 0);
        check_images(&idx);
        mn_idx_free(ctx, &idx);
    }
}
END_TEST

/* The same through a file, also when it is larger than the reader's window of 64 KiB and barely compresses. */
START_TEST(idx_file) {
    enum { SIDE = 300, BYTES = 16 + 2 * SIDE * SIDE };
    static uint8_t b[BYTES], z[2 * BYTES];
    memcpy(b, (const uint8_t[16]){0, 0, 8, 3, 0, 0, 0, 2, 0, 0, SIDE >> 8, SIDE & 255, 0, 0, SIDE >> 8, SIDE & 255},
           16);
    uint32_t x = 1;
    for (int i = 16; i < BYTES; i++) b[i] = (uint8_t)((x = x * 1664525u + 1013904223u) >> 24);
    const size_t n = put_gzip(b, BYTES, z, sizeof z);
    ck_assert_uint_gt(n, 1 << 16);
    char path[] = "/tmp/modnas-idx-XXXXXX";
    const int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    for (int gzip = 0; gzip < 2; gzip++) {
        ck_assert_int_eq(ftruncate(fd, 0), 0);
        ck_assert_int_eq(pwrite(fd, gzip ? z : b, gzip ? n : BYTES, 0), (ssize_t)(gzip ? n : BYTES));
        mn_idx idx;
        ck_assert_int_eq(mn_idx_read(ctx, path, MN_IDX_IMAGES, &idx), 0);
        ck_assert_uint_eq(idx.data_bytes, BYTES - 16);
        ck_assert_int_eq(memcmp(idx.data, b + 16, BYTES - 16), 0);
        mn_idx_free(ctx, &idx);
    }
    close(fd);
    unlink(path);
    mn_idx idx;
    ck_assert_int_eq(mn_idx_read(ctx, path, MN_IDX_IMAGES, &idx), MODNAS_ENOTFOUND);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(ctx), path));
    ck_assert_int_eq(mn_idx_read(ctx, "/tmp", MN_IDX_IMAGES, &idx), MODNAS_EIO);
}
END_TEST

/* Bytes put over a right file, its length, how it is opened, and what is said. */
static const struct {
    int at;
    uint8_t bytes[4];
    int n_bytes, length, want, status;
    const char *text;
} wrong[] = {
    {0, {0}, 0, 0, MN_IDX_ANY, MODNAS_EFORMAT, "0 bytes in all"},
    {0, {0}, 0, 3, MN_IDX_ANY, MODNAS_EFORMAT, "3 bytes in all"},
    {0, {1}, 1, IMAGES_BYTES, MN_IDX_ANY, MODNAS_EFORMAT, "byte 0: 01 00 08 03"},
    {2, {7}, 1, IMAGES_BYTES, MN_IDX_ANY, MODNAS_EFORMAT, "byte 2: 0x07 is no IDX element type"},
    {2, {0x0d}, 1, IMAGES_BYTES, MN_IDX_ANY, MODNAS_EUNSUPPORTED, "byte 2: elements are of type 0x0d (float)"},
    {3, {0}, 1, IMAGES_BYTES, MN_IDX_ANY, MODNAS_EFORMAT, "byte 3: 0 dimensions"},
    {3, {2}, 1, IMAGES_BYTES, MN_IDX_ANY, MODNAS_EUNSUPPORTED, "byte 3: 2 dimensions"},
    {3, {255}, 1, IMAGES_BYTES, MN_IDX_ANY, MODNAS_EUNSUPPORTED, "byte 3: 255 dimensions"},
    {0, {0}, 0, IMAGES_BYTES, MN_IDX_LABELS, MODNAS_EFORMAT, "byte 3: 3 dimensions; labels have 1"},
    {3, {1}, 1, IMAGES_BYTES, MN_IDX_IMAGES, MODNAS_EFORMAT, "byte 3: 1 dimensions; images have 3"},
    {0, {0}, 0, 4, MN_IDX_ANY, MODNAS_EFORMAT, "ends at byte 4; the header with 3 dimensions takes 16"},
    {0, {0}, 0, 15, MN_IDX_ANY, MODNAS_EFORMAT, "ends at byte 15"},
    {7, {0}, 1, IMAGES_BYTES, MN_IDX_ANY, MODNAS_EFORMAT, "byte 4: count is 0"},
    {11, {0}, 1, IMAGES_BYTES, MN_IDX_ANY, MODNAS_EFORMAT, "byte 8: height is 0"},
    {15, {0}, 1, IMAGES_BYTES, MN_IDX_ANY, MODNAS_EFORMAT, "byte 12: width is 0"},
    {0, {0}, 0, 16, MN_IDX_ANY, MODNAS_EFORMAT, "ends at byte 16: 0 of the 24 bytes of 2 images of 3 x 4"},
    {0, {0}, 0, IMAGES_BYTES - 1, MN_IDX_ANY, MODNAS_EFORMAT, "ends at byte 39: 23 of the 24 bytes"},
    {0, {0}, 0, IMAGES_BYTES + 1, MN_IDX_ANY, MODNAS_EFORMAT, "1 bytes follow byte 40"},
    {7, {1}, 1, IMAGES_BYTES, MN_IDX_ANY, MODNAS_EFORMAT, "12 bytes follow byte 28"},
    {4,
     {255, 255, 255, 255},
     4,
     IMAGES_BYTES,
     MN_IDX_ANY,
     MODNAS_EFORMAT,
     "24 of the 51539607540 bytes of 4294967295 images"},
};

START_TEST(idx_wrong) {
    for (int gzip = 0; gzip < 2; gzip++) {
        for (size_t i = 0; i < MN_COUNT(wrong); i++) {
            uint8_t b[IMAGES_BYTES + 1] = {0}, z[512];
            put_images(b);
            memcpy(b + wrong[i].at, wrong[i].bytes, (size_t)wrong[i].n_bytes);
            size_t n = (size_t)wrong[i].length;
            if (gzip) n = put_gzip(b, n, z, sizeof z);
            mn_idx idx = {.data_bytes = 77};
            ck_assert_int_eq(mn_idx_parse(ctx, gzip ? z : b, n, "some-file", wrong[i].want, &idx), wrong[i].status);
            ck_assert_msg(strstr(modnas_errmsg(ctx), wrong[i].text) != NULL, "%s", modnas_errmsg(ctx));
            ck_assert_ptr_nonnull(strstr(modnas_errmsg(ctx), "some-file"));
            ck_assert_uint_eq(idx.data_bytes, 77); /* untouched */
        }
    }
}
END_TEST

/* 2^32-1 cubed does not fit 63 bits; 2^16 cubed and 2^31 x 2 x 2 would be 0 modulo 2^32 or 2^33: neither may pass. */
START_TEST(idx_dims_overflow) {
    static const uint32_t dims[][3] = {
        {UINT32_MAX, UINT32_MAX, UINT32_MAX}, {1 << 16, 1 << 16, 1 << 16}, {1u << 31, 2, 2}};
    for (size_t i = 0; i < MN_COUNT(dims); i++) {
        uint8_t b[80] = {0, 0, 8, 3};
        for (int k = 0; k < 12; k++) b[4 + k] = (uint8_t)(dims[i][k / 4] >> (24 - 8 * (k % 4)));
        mn_idx idx;
        ck_assert_int_eq(mn_idx_parse(ctx, b, sizeof b, "a", MN_IDX_ANY, &idx), MODNAS_EFORMAT);
    }
    ck_assert_uint_lt(ctx->bytes_peak, 1 << 18);
}
END_TEST

START_TEST(idx_pairs) {
    uint8_t b[IMAGES_BYTES], l[LABELS_BYTES];
    mn_idx images, labels;
    put_images(b);
    put_labels(l);
    ck_assert_int_eq(mn_idx_parse(ctx, b, sizeof b, "the-images", MN_IDX_IMAGES, &images), 0);
    ck_assert_int_eq(mn_idx_parse(ctx, l, sizeof l, "the-labels", MN_IDX_LABELS, &labels), 0);
    ck_assert_int_eq(mn_idx_check_count(ctx, &images, &labels), MODNAS_EFORMAT);
    ck_assert_str_eq(modnas_errmsg(ctx), "the-images holds 2 images, the-labels 5 labels");
    ck_assert_int_eq(mn_idx_check_labels(ctx, &labels, 13), 0); /* 0 3 6 9 12 */
    ck_assert_int_eq(mn_idx_check_labels(ctx, &labels, 10), MODNAS_EFORMAT);
    ck_assert_str_eq(modnas_errmsg(ctx),
                     "the-labels: byte 12: label 12 of sample 4 is not below the number of classes, 10");
    mn_idx_free(ctx, &images);
    mn_idx_free(ctx, &labels);
}
END_TEST

/* Every byte of a small .gz changed, every cut: refused, or (time stamp and such) the very same content. */
START_TEST(gzip_corruption) {
    uint8_t b[IMAGES_BYTES], z[512];
    put_images(b);
    const size_t n = put_gzip(b, sizeof b, z, sizeof z);
    int n_refused = 0;
    mn_idx idx;
    for (size_t at = 0; at < n; at++) {
        for (int mask = 1; mask < 256; mask++) {
            z[at] ^= (uint8_t)mask;
            if (mn_idx_parse(ctx, z, n, "a.gz", MN_IDX_ANY, &idx)) {
                n_refused++;
            } else {
                check_images(&idx);
                mn_idx_free(ctx, &idx);
            }
            z[at] ^= (uint8_t)mask;
        }
    }
    /* Of RFC 1952's ten header bytes only MTIME (4), XFL and OS are free to change, and no other byte at all; a set FLG
     * may happen to parse. */
    ck_assert_int_ge(n_refused, (int)(n - 7) * 255);
    for (size_t cut = 0; cut < n; cut++) {
        ck_assert_int_ne(mn_idx_parse(ctx, z, cut, "a.gz", MN_IDX_ANY, &idx), 0);
        if (cut >= 2) ck_assert_ptr_nonnull(strstr(modnas_errmsg(ctx), "inside a gzip member"));
    }
    memset(z + n, 'x', 7); /* something behind the member */
    for (size_t more = 1; more <= 7; more++)
        ck_assert_int_ne(mn_idx_parse(ctx, z, n + more, "a.gz", MN_IDX_ANY, &idx), 0);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(ctx), "no gzip member follow"));
}
END_TEST

/* What is unpacked follows the header, and what is allocated follows what is really there. */
START_TEST(gzip_bombs) {
    enum { ZEROS = 10 << 20 };
    uint8_t *b = calloc(1, 16 + ZEROS), *z = malloc(1 << 20);
    mn_idx idx;
    put_images(b); /* 24 bytes by the header, 10 MB in the file */
    size_t n = put_gzip(b, 16 + ZEROS, z, 1 << 20);
    ck_assert_uint_lt(n, 16 << 10);
    size_t before = ctx->bytes_peak;
    ck_assert_int_eq(mn_idx_parse(ctx, z, n, "bomb.gz", MN_IDX_ANY, &idx), MODNAS_EFORMAT);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(ctx), "at least 64 bytes follow byte 40"));
    ck_assert_uint_lt(ctx->bytes_peak - before, 128 << 10);
    memset(b + 4, 0x40, 2); /* 1 GiB and more by the header, 1 MiB in the file */
    n = put_gzip(b, 16 + (1 << 20), z, 1 << 20);
    before = ctx->bytes_peak;
    ck_assert_int_eq(mn_idx_parse(ctx, z, n, "short.gz", MN_IDX_ANY, &idx), MODNAS_EFORMAT);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(ctx), "1048576 of the"));
    ck_assert_uint_lt(ctx->bytes_peak - before, 3 << 20);
    free(z);
    free(b);
}
END_TEST

/* Each allocation fails in turn, zlib's included: ENOMEM and nothing left, until there are enough. */
START_TEST(idx_out_of_memory) {
    uint8_t b[IMAGES_BYTES], z[512];
    put_images(b);
    const size_t n = put_gzip(b, sizeof b, z, sizeof z);
    const int64_t live = host.live;
    int rc = MODNAS_ENOMEM, tries = 0;
    for (; rc; tries++) {
        mn_idx idx;
        host.left = tries;
        rc = mn_idx_parse(ctx, z, n, "a.gz", MN_IDX_ANY, &idx);
        host.left = -1;
        ck_assert(rc == 0 || rc == MODNAS_ENOMEM);
        if (!rc) mn_idx_free(ctx, &idx);
        ck_assert_int_eq(host.live, live);
    }
    ck_assert_int_gt(tries, 4);
}
END_TEST

/* ---- the shared corpus ----------------------------------------------------------------------------------- */

static void replay_idx(const char *file, const char *path, const char *verdict) {
    if (strstr(file, "/cifar")) return; /* no IDX */
    mn_idx idx = {0};
    const int as_labels = strstr(verdict, "as labels") != NULL, as_images = strstr(verdict, "as images") != NULL;
    const int want = as_labels ? MN_IDX_LABELS : as_images ? MN_IDX_IMAGES : MN_IDX_ANY;
    int rc = mn_idx_read(ctx, path, want, &idx);
    if (!rc && strstr(verdict, "n_classes=10")) rc = mn_idx_check_labels(ctx, &idx, 10);
    if (!rc && strstr(verdict, "paired")) {
        char other[1024];
        mn_idx images;
        util_shared_path("fuzz/dataset/ok_images_2x4x4", other, sizeof other);
        ck_assert_int_eq(mn_idx_read(ctx, other, MN_IDX_IMAGES, &images), 0);
        rc = mn_idx_check_count(ctx, &images, &idx);
        mn_idx_free(ctx, &images);
    }
    if (!strncmp(verdict, "accept", 6)) {
        int d[3] = {0, 1, 1};
        ck_assert_msg(rc == 0, "%s", modnas_errmsg(ctx));
        ck_assert_int_ge(sscanf(strpbrk(verdict, "0123456789"), "%d %d %d", &d[0], &d[1], &d[2]), 1);
        for (int i = 0; i < 3; i++) ck_assert_int_eq(idx.dims[i], d[i]);
    } else if (!strcmp(verdict, "reject") || !strncmp(verdict, "reject ", 7)) {
        ck_assert_msg(rc == MODNAS_EFORMAT || rc == MODNAS_EUNSUPPORTED, "%s: %s", path, verdict);
    }
    mn_idx_free(ctx, &idx);
}

START_TEST(corpus_idx) {
    const int n = util_shared_each("fuzz", "dataset/", 2, replay_idx);
    ck_assert(n == -1 || n > 30);
}
END_TEST

/* Unpack a file in pieces of `step` bytes; n and hash are what came. */
static int unpack(const char *path, int32_t kind, size_t step, uint64_t *n, char sha256[65]) {
    uint8_t piece[4096];
    mn_source *in;
    int rc = mn_source_open(ctx, path, kind, &in);
    if (rc) return rc;
    size_t got = step;
    while (!rc && got == step) rc = mn_source_read(in, piece, step, &got);
    *n = mn_source_bytes(in);
    mn_sha256 sha = mn_source_sha256(in);
    mn_sha256_hex(&sha, sha256);
    mn_source_close(in);
    return rc;
}

static void replay_packed(const char *file, const char *path, const char *verdict) {
    static const size_t steps[] = {1, 7, 4096};
    const int32_t kind = *file == 'g' ? MN_SOURCE_GZIP : *file == 'z' ? MN_SOURCE_ZLIB : MN_SOURCE_DEFLATE;
    for (size_t i = 0; i < MN_COUNT(steps); i++) {
        uint64_t n;
        char sha256[65], said[128];
        const int rc = unpack(path, kind, steps[i], &n, sha256);
        snprintf(said, sizeof said, "valid %llu %s", (unsigned long long)n, sha256);
        if (!strncmp(verdict, "valid", 5))
            ck_assert_msg(rc == 0 && !strcmp(said, verdict), "%s: %s, not %s", path, said, verdict);
        else
            ck_assert_msg(rc == MODNAS_EFORMAT, "%s: %d, not %s", path, rc, verdict);
    }
}

START_TEST(corpus_packed) {
    static const char *const folders[] = {"gzip/", "zlib/", "flate/"};
    for (size_t i = 0; i < MN_COUNT(folders); i++) {
        const int n = util_shared_each("fuzz", folders[i], 2, replay_packed);
        ck_assert(n == -1 || n > 100);
    }
}
END_TEST

/* A deflate stream has nothing behind its last block, so its bytes are used up while some of what they say has yet to
 * come: wherever a piece ends, the rest follows. */
START_TEST(deflate_in_pieces) {
    static const uint8_t zeros[700];
    uint8_t packed[64], piece[300];
    for (size_t n = 1; n < sizeof zeros; n++) {
        const size_t n_packed = util_pack(zeros, n, -15, packed, sizeof packed);
        for (size_t step = 1; step < sizeof piece; step += 13) {
            mn_source *in;
            size_t got = step;
            ck_assert_int_eq(mn_source_open_mem(ctx, packed, n_packed, "z", MN_SOURCE_DEFLATE, &in), 0);
            while (got == step)
                ck_assert_msg(mn_source_read(in, piece, step, &got) == 0, "%zu in steps of %zu: %s", n, step,
                              modnas_errmsg(ctx));
            ck_assert_uint_eq(mn_source_bytes(in), n);
            mn_source_close(in);
        }
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("data_idx");
    util_add(s, "idx", setup, teardown,
             (const TTest *[]){idx_plain, idx_gzip_members, idx_file, idx_wrong, idx_dims_overflow, idx_pairs,
                               idx_out_of_memory, NULL});
    util_add(s, "gzip", setup, teardown, (const TTest *[]){gzip_corruption, gzip_bombs, deflate_in_pieces, NULL});
    util_add(s, "corpus", setup, teardown, (const TTest *[]){corpus_idx, corpus_packed, NULL});
    return util_run(s);
}
