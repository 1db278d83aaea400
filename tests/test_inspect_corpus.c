/* What `modnas inspect` says about the shared folder fuzz/: verdicts, lengths and hashes come from elsewhere (zlib, and
 * the README of that folder). */
#include <stdio.h>
#include <string.h>

#include "modnas/inspect.h"
#include "util_host.h"
#include "util_shared.h"

static modnas_ctx *ctx;
static int n_valid, n_invalid, n_either;

static void setup(void) {
    ck_assert_int_eq(modnas_ctx_new(NULL, &ctx), 0);
}

static void teardown(void) {
    ck_assert_uint_eq(ctx->bytes_live, 0);
    modnas_ctx_free(ctx);
}

static const char *type_of(const char *file) {
    static const char *const types[][2] = {
        {"gzip/", "gzip"}, {"zlib/", "zlib"}, {"flate/", "deflate"}, {"dataset/cifar", "cifar10"}, {"dataset/", "idx"}};
    size_t i = 0;
    while (strncmp(file, types[i][0], strlen(types[i][0])) != 0) i++;
    return types[i][1];
}

/* Verdicts that hang on more than the file ("when opened as labels") are looked at in test_data_idx. */
static int wanted(const char *file, const char *verdict) {
    if (strncmp(verdict, "valid ", 6) == 0 || strncmp(verdict, "accept ", 7) == 0) return 1;
    if (strncmp(verdict, "reject-or-", 10) == 0) return -1;
    const int depends = strstr(verdict, "opened as") || strstr(verdict, "paired");
    const int of_labels = strstr(verdict, "n_classes") && strcmp(type_of(file), "idx") == 0;
    return depends || of_labels ? 1 : 0;
}

static void replay(const char *file, const char *path, const char *verdict) {
    const modnas_inspect_opts opts = {.size = sizeof opts, .as = type_of(file)};
    char want[256] = "", sha256[65] = "", *said;
    unsigned long long n = 0;
    int32_t valid;
    if (sscanf(verdict, "valid %llu %64s", &n, sha256) == 2)
        snprintf(want, sizeof want, ",\"bytes\":%llu,\"sha256\":\"%s\",\"error\":null}", n, sha256);
    ck_assert_msg(modnas_inspect_json(ctx, path, &opts, &said, &valid) == 0, "%s", modnas_errmsg(ctx));
    const int wants = wanted(file, verdict);
    ck_assert_msg(wants < 0 || valid == wants, "%s: %s", verdict, said);
    ck_assert_msg(strstr(said, want) != NULL, "%s: %s", verdict, said);
    if (wants < 0) printf("test_inspect_corpus: %s: %s", verdict, said);
    *(wants < 0 ? &n_either : valid ? &n_valid : &n_invalid) += 1;
    modnas_string_free(ctx, said);
}

START_TEST(corpus) {
    const int n = util_shared_each("fuzz", "", 2, replay);
    if (n < 0) return;
    printf("test_inspect_corpus: %d valid, %d refused, %d either way, all as wanted\n", n_valid, n_invalid, n_either);
    ck_assert_int_eq(n, 472); /* README: 431 streams and 41 files */
    ck_assert_int_eq(n_either, 3);
}
END_TEST

/* No type at all is said: whatever a file is taken for, no bad one passes. A stream of deflate has no mark. */
static void replay_guessed(const char *file, const char *path, const char *verdict) {
    char *said;
    int32_t valid;
    ck_assert_msg(modnas_inspect_json(ctx, path, NULL, &said, &valid) == 0, "%s", modnas_errmsg(ctx));
    const int wants = wanted(file, verdict);
    if (strncmp(file, "flate/", 6) != 0) ck_assert_msg(wants < 0 || valid <= wants, "%s: %s", verdict, said);
    if (strncmp(file, "dataset/", 8) == 0) ck_assert_msg(wants < 0 || valid == wants, "%s: %s", verdict, said);
    modnas_string_free(ctx, said);
}

START_TEST(guessed) {
    util_shared_each("fuzz", "", 2, replay_guessed);
}
END_TEST

int main(void) {
    Suite *s = suite_create("inspect_corpus");
    util_add(s, "corpus", setup, teardown, (const TTest *[]){corpus, guessed, NULL});
    return util_run(s);
}
