/* Reader of CIFAR binary files: right files, what is wrong with others, several files, memory.
 *
 * Records are made here by hand after the format's description (cs.toronto.edu/~kriz/cifar.html, "Binary version");
 * fuzz/ and cifar10/ of the shared data bring files, verdicts and facts from elsewhere. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/cifar.h"
#include "util_host.h"
#include "util_shared.h"

enum { RECORD = 3073, RECORD_100 = 3074, MAX = 5 * RECORD_100 };

static util_host host;
static modnas_ctx *ctx;
static uint8_t file[MAX];

static void setup(void) {
    ctx = util_ctx_new(&host);
}

static void teardown(void) {
    util_ctx_end(&host, ctx);
}

/* Pixel k of record i; CIFAR-10 label of record i is 2 i, CIFAR-100's are 4 i and 20 i. */
static uint8_t pixel(int i, int k) {
    return (uint8_t)(7 * i + 3 * k + k / 1024);
}

static size_t put_records(int n, int32_t kind) {
    uint8_t *b = file;
    for (int i = 0; i < n; i++) {
        if (kind == MN_CIFAR_10) *b++ = (uint8_t)(2 * i);
        if (kind == MN_CIFAR_100) *b++ = (uint8_t)(4 * i);
        if (kind == MN_CIFAR_100) *b++ = (uint8_t)(20 * i);
        for (int k = 0; k < 3072; k++) *b++ = pixel(i, k);
    }
    return (size_t)(b - file);
}

static void check_records(const mn_cifar *c, int64_t from, int n, int step) {
    for (int i = 0; i < n; i++) {
        ck_assert_int_eq(c->labels[from + i], step * i);
        for (int k = 0; k < 3072; k++) ck_assert_int_eq(c->pixels[(from + i) * 3072 + k], pixel(i, k));
    }
}

START_TEST(cifar10) {
    mn_cifar c = {0};
    const size_t n = put_records(5, MN_CIFAR_10);
    ck_assert_int_eq(mn_cifar_add_mem(ctx, file, n, "a", MN_CIFAR_10, &c), 0);
    ck_assert_int_eq(c.n, 5);
    ck_assert_int_eq(c.file_bytes, 5 * RECORD);
    check_records(&c, 0, 5, 2);
    mn_cifar_free(ctx, &c);
}
END_TEST

START_TEST(cifar100) {
    mn_cifar c = {0};
    const size_t n = put_records(4, MN_CIFAR_100);
    ck_assert_int_eq(mn_cifar_add_mem(ctx, file, n, "a", MN_CIFAR_100, &c), 0);
    ck_assert_int_eq(c.n, 4);
    check_records(&c, 0, 4, 20);
    mn_cifar_free(ctx, &c);
}
END_TEST

/* The hash of all files is that of their bytes one behind the other, packed or not. */
START_TEST(several_files) {
    static uint8_t z[2 * MAX];
    char all[65], want[65];
    mn_cifar c = {0};
    const size_t n = put_records(3, MN_CIFAR_10);
    const size_t packed = util_pack(file, n, 31, z, sizeof z);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(mn_cifar_add_mem(ctx, i == 1 ? z : file, i == 1 ? packed : n, "a", MN_CIFAR_10, &c), 0);
        ck_assert_int_eq(c.file_bytes, 3 * RECORD);
    }
    ck_assert_int_eq(c.n, 9);
    for (int i = 0; i < 3; i++) check_records(&c, 3 * i, 3, 2);
    mn_sha256 sha, got = c.sha;
    mn_sha256_init(&sha);
    mn_sha256_add(&sha, file, n);
    mn_sha256 one = sha;
    mn_sha256_hex(&one, want);
    ck_assert_str_eq(c.file_sha256, want);
    for (int i = 1; i < 3; i++) mn_sha256_add(&sha, file, n);
    mn_sha256_hex(&sha, want);
    mn_sha256_hex(&got, all);
    ck_assert_str_eq(all, want);
    /* A file that is wrong at its end leaves what was there. */
    ck_assert_int_eq(mn_cifar_add_mem(ctx, file, n - 1, "b", MN_CIFAR_10, &c), MODNAS_EFORMAT);
    ck_assert_int_eq(c.n, 9);
    got = c.sha;
    mn_sha256_hex(&got, all);
    ck_assert_str_eq(all, want);
    check_records(&c, 6, 3, 2);
    mn_cifar_free(ctx, &c);
}
END_TEST

static const struct {
    int32_t kind, made_as;
    int n, length, at; /* records, bytes of them that are there (0: all), a byte that is replaced */
    uint8_t byte;
    const char *text;
} wrong[] = {
    {MN_CIFAR_10, MN_CIFAR_10, 0, 0, -1, 0, "f: 0 bytes; a CIFAR-10 file is records of 3073 bytes"},
    {MN_CIFAR_100, MN_CIFAR_10, 0, 0, -1, 0, "f: 0 bytes; a CIFAR-100 file is records of 3074 bytes"},
    {MN_CIFAR_10, MN_CIFAR_10, 1, 1, -1, 0, "f: 1 bytes: 0 CIFAR-10 records of 3073 bytes and 1 bytes more"},
    {MN_CIFAR_10, MN_CIFAR_10, 2, 6145, -1, 0, "f: 6145 bytes: 1 CIFAR-10 records of 3073 bytes and 3072 bytes more"},
    {MN_CIFAR_10, MN_CIFAR_10, 2, 3074, -1, 0,
     "f: 3074 bytes: 1 CIFAR-10 records of 3073 bytes and 1 bytes more; it may be CIFAR-100"},
    {MN_CIFAR_10, MN_CIFAR_100, 3, 0, -1, 0,
     "f: 9222 bytes: 3 CIFAR-10 records of 3073 bytes and 3 bytes more; it may be CIFAR-100"},
    {MN_CIFAR_100, MN_CIFAR_10, 3, 0, -1, 0,
     "f: 9219 bytes: 2 CIFAR-100 records of 3074 bytes and 3071 bytes more; it may be CIFAR-10"},
    {MN_CIFAR_10, MN_CIFAR_10, 3, 0, 0, 10, "f: byte 0: label 10 of record 0 is not below 10"},
    {MN_CIFAR_10, MN_CIFAR_10, 3, 0, 2 * RECORD, 255, "f: byte 6146: label 255 of record 2 is not below 10"},
    {MN_CIFAR_100, MN_CIFAR_100, 2, 0, RECORD_100, 20, "f: byte 3074: coarse label 20 of record 1 is not below 20"},
    {MN_CIFAR_100, MN_CIFAR_100, 2, 0, RECORD_100 + 1, 100,
     "f: byte 3075: fine label 100 of record 1 is not below 100"},
};

START_TEST(cifar_wrong) {
    for (size_t i = 0; i < MN_COUNT(wrong); i++) {
        mn_cifar c = {0};
        size_t n = put_records(wrong[i].n, wrong[i].made_as);
        if (wrong[i].length) n = (size_t)wrong[i].length;
        if (wrong[i].at >= 0) file[wrong[i].at] = wrong[i].byte;
        ck_assert_int_eq(mn_cifar_add_mem(ctx, file, n, "f", wrong[i].kind, &c), MODNAS_EFORMAT);
        ck_assert_str_eq(modnas_errmsg(ctx), wrong[i].text);
        ck_assert_int_eq(c.n, 0);
        mn_cifar_free(ctx, &c);
    }
}
END_TEST

/* The largest labels there are. */
START_TEST(cifar_edge) {
    mn_cifar c = {0};
    put_records(1, MN_CIFAR_10);
    file[0] = 9;
    ck_assert_int_eq(mn_cifar_add_mem(ctx, file, RECORD, "f", MN_CIFAR_10, &c), 0);
    file[0] = 19;
    file[1] = 99;
    ck_assert_int_eq(mn_cifar_add_mem(ctx, file, RECORD_100, "f", MN_CIFAR_100, &c), 0);
    ck_assert_int_eq(c.labels[0], 9);
    ck_assert_int_eq(c.labels[1], 99);
    mn_cifar_free(ctx, &c);
    ck_assert_int_eq(mn_cifar_add(ctx, "/nonexistent/f.bin", MN_CIFAR_10, &c), MODNAS_ENOTFOUND);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(ctx), "/nonexistent/f.bin"));
}
END_TEST

static int count(const uint8_t *records, size_t n, void *ud) {
    (void)records;
    *(size_t *)ud += n;
    return *(size_t *)ud > 2500 ? 77 : 0;
}

/* 6 MB of records in a file of some KB: a walk holds a window of them. A callback's status ends it. */
START_TEST(cifar_walk) {
    enum { N = 3000 };
    uint8_t *zeros = calloc(N, RECORD), *z = malloc(1 << 20);
    mn_source *s;
    for (int records = 2000; records <= N; records += 1000) {
        const size_t packed = util_pack(zeros, (size_t)records * RECORD, 31, z, 1 << 20), before = ctx->bytes_peak;
        size_t n = 0;
        ck_assert_int_eq(mn_source_open_mem(ctx, z, packed, "z.gz", MN_SOURCE_AUTO, &s), 0);
        ck_assert_int_eq(mn_cifar_walk(ctx, s, MN_CIFAR_10, count, &n), records == N ? 77 : 0);
        if (records < N) ck_assert_uint_eq(n, 2000);
        ck_assert_uint_lt(ctx->bytes_peak - before, 256 << 10);
        mn_source_close(s);
    }
    free(z);
    free(zeros);
}
END_TEST

START_TEST(cifar_out_of_memory) {
    const size_t n = put_records(3, MN_CIFAR_10);
    const int64_t live = host.live;
    int rc = MODNAS_ENOMEM, tries = 0;
    for (; rc; tries++) {
        mn_cifar c = {0};
        host.left = tries;
        rc = mn_cifar_add_mem(ctx, file, n, "f", MN_CIFAR_10, &c);
        host.left = -1;
        ck_assert(rc == 0 || rc == MODNAS_ENOMEM);
        mn_cifar_free(ctx, &c);
        ck_assert_int_eq(host.live, live);
    }
    ck_assert_int_gt(tries, 4);
}
END_TEST

/* ---- outside data -------------------------------------------------------------------------------------- */

static void replay(const char *name, const char *path, const char *verdict) {
    mn_cifar c = {0};
    (void)name;
    const int rc = mn_cifar_add(ctx, path, MN_CIFAR_10, &c);
    if (!strncmp(verdict, "accept", 6)) {
        ck_assert_msg(rc == 0, "%s", modnas_errmsg(ctx));
        ck_assert_int_eq(c.n, atoi(verdict + 7));
    } else {
        ck_assert_msg(rc == MODNAS_EFORMAT, "%s: %d, not %s", path, rc, verdict);
    }
    mn_cifar_free(ctx, &c);
}

START_TEST(corpus) {
    const int n = util_shared_each("fuzz", "dataset/cifar", 2, replay);
    ck_assert(n == -1 || n == 7);
}
END_TEST

/* Facts of the README of cifar10/: class-balanced, means of the channels 0.4913 0.4821 0.4465 over all training images
 * (these are a fifth of them: within 0.005); SHA256SUMS there. */
START_TEST(real_images) {
    char path[1024];
    mn_cifar c = {0};
    util_shared_path("cifar10/train_10k.bin", path, sizeof path);
    const int rc = mn_cifar_add(ctx, path, MN_CIFAR_10, &c);
    if (rc == MODNAS_ENOTFOUND) {
        printf("skipped: %s is not there\n", path);
        return;
    }
    ck_assert_msg(rc == 0, "%s", modnas_errmsg(ctx));
    ck_assert_str_eq(c.file_sha256, "36b8a7f315dd7e41696a7002741363213c4fbb90413f20b707af63959bda3983");
    int64_t counts[10] = {0};
    double sums[3] = {0};
    static const double means[3] = {0.4913, 0.4821, 0.4465};
    ck_assert_int_eq(c.n, 10000);
    for (int64_t i = 0; i < c.n; i++) {
        counts[c.labels[i]]++;
        for (int k = 0; k < 3072; k++) sums[k / 1024] += c.pixels[i * 3072 + k];
    }
    for (int k = 0; k < 10; k++) ck_assert_int_eq(counts[k], 1000);
    for (int k = 0; k < 3; k++) ck_assert_double_eq_tol(sums[k] / (255. * 1024 * 10000), means[k], 0.005);
    mn_cifar_free(ctx, &c);
}
END_TEST

int main(void) {
    Suite *s = suite_create("data_cifar");
    util_add(s, "cifar", setup, teardown,
             (const TTest *[]){cifar10, cifar100, several_files, cifar_wrong, cifar_edge, cifar_walk,
                               cifar_out_of_memory, NULL});
    util_add(s, "outside", setup, teardown, (const TTest *[]){corpus, real_images, NULL});
    return util_run(s);
}
