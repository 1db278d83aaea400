/* Files, hashes of their content, the CPU and the clock. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* ---- hash ---- */

static void check_sha(const char *text, size_t n, size_t times, size_t split, const char *want) {
    mn_sha256 s;
    char hex[65];
    mn_sha256_init(&s);
    for (size_t i = 0; i < times; i++) {
        const size_t head = split < n ? split : n;
        mn_sha256_add(&s, text, head);
        mn_sha256_add(&s, text + head, n - head);
    }
    mn_sha256_hex(&s, hex);
    ck_assert_str_eq(hex, want);
}

START_TEST(sha256_vectors) { /* FIPS 180-4 examples (NIST: SHA256.pdf) and the million 'a' of FIPS 180-2 */
    const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    for (size_t split = 0; split < 60; split++) {
        check_sha("", 0, 1, split, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        check_sha("abc", 3, 1, split, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        check_sha(two, 56, 1, split, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    }
    char a[1000];
    memset(a, 'a', sizeof a);
    check_sha(a, sizeof a, 1000, 77, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

/* ---- files ---- */

static char dir[64];

static void file_setup(void) {
    setup();
    snprintf(dir, sizeof dir, "/tmp/modnas-base-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void file_teardown(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
    teardown();
}

static const char *in_dir(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void check_content(const char *path, const char *want) {
    char *data = NULL;
    size_t n = 0;
    ck_assert_msg(mn_file_read(ctx, path, 100, &data, &n) == 0, "%s", ctx->err);
    ck_assert_uint_eq(n, strlen(want));
    ck_assert_str_eq(data, want);
    mn_free(ctx, data);
}

static void check_err(const char *want) {
    ck_assert_msg(strstr(ctx->err, want) != NULL, "'%s' not in: %s", want, ctx->err);
}

static int n_in_dir(void) {
    char command[128];
    snprintf(command, sizeof command, "ls -A %s | wc -l", dir);
    FILE *f = popen(command, "r");
    int n = -1;
    ck_assert_int_eq(fscanf(f, "%d", &n), 1);
    pclose(f);
    return n;
}

START_TEST(file_round_trip) {
    const char *path = in_dir("a");
    const mode_t mask = umask(027);
    ck_assert_int_eq(mn_file_write(ctx, path, "old", 3), 0);
    umask(mask);
    check_content(path, "old");
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0640); /* 0666 without the umask's bits */
    ck_assert_int_eq(mn_file_write(ctx, path, "newer", 5), 0);
    check_content(path, "newer");
    ck_assert_int_eq(mn_file_write(ctx, path, NULL, 0), 0);
    check_content(path, "");
    ck_assert_int_eq(n_in_dir(), 1); /* no temporary file is left */
}
END_TEST

START_TEST(file_old_one_stays_whole) {
    char path[256];
    snprintf(path, sizeof path, "%s", in_dir("a"));
    ck_assert_int_eq(mn_file_write(ctx, path, "old", 3), 0);
    char other[300];
    snprintf(other, sizeof other, "%s.tmp-%ld-0", path, (long)getpid()); /* a leftover of a killed run */
    ck_assert_int_eq(mn_file_write(ctx, other, "left", 4), 0);
    const int fd = open(path, O_RDONLY); /* a reader of the old file keeps it */
    ck_assert_int_eq(mn_file_write(ctx, path, "new", 3), 0);
    char buf[4] = "";
    ck_assert_int_eq(read(fd, buf, 3), 3);
    close(fd);
    ck_assert_str_eq(buf, "old");
    check_content(path, "new");
    check_content(other, "left");
    ck_assert_int_eq(unlink(other), 0);
    ck_assert_int_eq(mkdir(in_dir("d"), 0777), 0);
    ck_assert_int_eq(mkdir(in_dir("d/full"), 0777), 0);
    ck_assert_int_eq(mn_file_write(ctx, in_dir("d"), "x", 1), MODNAS_EIO); /* the rename is what fails */
    check_err(in_dir("d"));
    ck_assert_int_eq(n_in_dir(), 2);
}
END_TEST

START_TEST(file_unwritable) {
    ck_assert_int_eq(mn_file_write(ctx, in_dir("none/a"), "x", 1), MODNAS_EIO);
    check_err("No such file");
    ck_assert_int_eq(mn_file_write(ctx, in_dir("a"), "old", 3), 0);
    ck_assert_int_eq(mn_file_write(ctx, in_dir("a/b"), "x", 1), MODNAS_EIO);
    ck_assert_int_eq(mn_file_write(ctx, "/proc/modnas-test", "x", 1), MODNAS_EIO); /* refused to root as well */
    ck_assert_int_eq(chmod(dir, 0555), 0);
    const uid_t user = geteuid();
    if (user == 0) ck_assert_int_eq(seteuid(65534), 0); /* root may write anywhere, nobody may not */
    const int rc = mn_file_write(ctx, in_dir("a"), "new", 3);
    if (user == 0) ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(rc, MODNAS_EIO);
    check_err("Permission denied");
    ck_assert_int_eq(chmod(dir, 0755), 0);
    check_content(in_dir("a"), "old");
    ck_assert_int_eq(n_in_dir(), 1);
}
END_TEST

/* As on a full disk: the write stops half-way. */
START_TEST(file_no_room) {
    static const char big[5000] = {0};
    struct rlimit old, small;
    ck_assert_int_eq(mn_file_write(ctx, in_dir("a"), "old", 3), 0);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 1000;
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    const int rc = mn_file_write(ctx, in_dir("a"), big, sizeof big);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_DFL);
    ck_assert_int_eq(rc, MODNAS_EIO);
    check_err("File too large");
    check_content(in_dir("a"), "old");
    ck_assert_int_eq(n_in_dir(), 1);
}
END_TEST

START_TEST(file_read_errors) {
    char *data = NULL;
    size_t n = 7;
    ck_assert_int_eq(mn_file_read(ctx, in_dir("none"), 10, &data, &n), MODNAS_ENOTFOUND);
    ck_assert_int_eq(mn_file_read(ctx, dir, 10, &data, &n), MODNAS_EIO);
    ck_assert_int_eq(mn_file_write(ctx, in_dir("a"), "0123456789", 10), 0);
    ck_assert_int_eq(mn_file_read(ctx, in_dir("a"), 9, &data, &n), MODNAS_EIO);
    check_err("9 bytes");
    ck_assert_int_eq(mn_file_read(ctx, "/dev/zero", 100000, &data, &n), MODNAS_EIO); /* no size to ask for */
    ck_assert_ptr_null(data);
    ck_assert_uint_eq(n, 7);
    ck_assert_int_eq(mn_file_read(ctx, in_dir("a"), 10, &data, NULL), 0);
    ck_assert_str_eq(data, "0123456789");
    mn_free(ctx, data);
}
END_TEST

START_TEST(file_make_dirs) {
    ck_assert_int_eq(mn_make_dirs(ctx, in_dir("x/y//z/")), 0);
    ck_assert_int_eq(mn_make_dirs(ctx, in_dir("x/y/z")), 0);
    ck_assert_int_eq(mn_file_write(ctx, in_dir("x/y/z/a"), "1", 1), 0);
    ck_assert_int_eq(mn_make_dirs(ctx, in_dir("x/y/z/a/b")), MODNAS_EIO);
    ck_assert_int_eq(mn_make_dirs(ctx, "/proc/modnas-test/a"), MODNAS_EIO);
    check_err("/proc/modnas-test");
    ck_assert_int_eq(mn_make_dirs(ctx, "/"), 0);
    ck_assert_int_eq(mn_make_dirs(ctx, "."), 0);
}
END_TEST

/* ---- machine ---- */

START_TEST(cpu_agrees_with_the_kernel) {
    char *info = NULL;
    ck_assert_int_eq(mn_file_read(ctx, "/proc/cpuinfo", 1 << 24, &info, NULL), 0);
    int want = strstr(info, " avx2 ") && strstr(info, " fma ") ? MN_ISA_AVX2 : MN_ISA_PORTABLE;
    if (want && strstr(info, " avx512f ") && strstr(info, " avx512bw ") && strstr(info, " avx512dq ") &&
        strstr(info, " avx512vl "))
        want = MN_ISA_AVX512;
    ck_assert_int_eq(mn_cpu_isa(), want);
    mn_free(ctx, info);
}
END_TEST

START_TEST(time_goes_on) {
    const double t = mn_seconds();
    usleep(2000);
    const double d = mn_seconds() - t;
    ck_assert(d >= 0.002 && d < 60);
}
END_TEST

int main(void) {
    Suite *s = suite_create("base_system");
    util_add(s, "sha256", NULL, NULL, (const TTest *[]){sha256_vectors, NULL});
    util_add(s, "file", file_setup, file_teardown,
             (const TTest *[]){file_round_trip, file_old_one_stays_whole, file_unwritable, file_no_room,
                               file_read_errors, file_make_dirs, NULL});
    util_add(s, "machine", setup, teardown, (const TTest *[]){cpu_agrees_with_the_kernel, time_goes_on, NULL});
    return util_run(s);
}
