/* A host for tests: counts blocks, fails on demand, keeps what is logged. */
#include "util_host.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *host_alloc(void *ptr, size_t bytes, void *ud) {
    util_host *h = ud;
    if (!bytes) {
        h->live -= ptr != NULL;
        free(ptr);
        return NULL;
    }
    if (h->left == 0) return NULL;
    h->left--;
    void *mem = realloc(ptr, bytes);
    h->live += mem && !ptr;
    return mem;
}

static void host_log(int32_t level, const char *text, void *ud) {
    util_host *h = ud;
    const size_t n = strlen(h->log);
    h->n_lines++;
    h->level = level;
    snprintf(h->log + n, sizeof h->log - n, "%s\n", text);
}

modnas_ctx_opts util_host_opts(util_host *h) {
    return (modnas_ctx_opts){
        .size = sizeof(modnas_ctx_opts), .alloc_fn = host_alloc, .alloc_ud = h, .log_fn = host_log, .log_ud = h};
}

void util_add(Suite *s, const char *name, void (*before)(void), void (*after)(void), const TTest *const *tests) {
    TCase *t = tcase_create(name);
    tcase_set_timeout(t, 60);
    if (before) tcase_add_checked_fixture(t, before, after);
    for (; *tests; tests++) tcase_add_test(t, *tests);
    suite_add_tcase(s, t);
}

void util_add_loop(Suite *s, const char *name, void (*before)(void), void (*after)(void), const TTest *test, size_t n) {
    TCase *t = tcase_create(name);
    tcase_set_timeout(t, 60);
    if (before) tcase_add_checked_fixture(t, before, after);
    tcase_add_loop_test(t, test, 0, (int)n);
    suite_add_tcase(s, t);
}

int util_run(Suite *s) {
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

void util_folder_new(char folder[64]) {
    const int memory = access("/dev/shm", R_OK | W_OK | X_OK) == 0;
    snprintf(folder, 64, "%s/modnas_test_XXXXXX", memory ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
}

void util_write_text(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

void util_folder_free(const char *folder) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(system(command), 0);
}

modnas_ctx *util_ctx_new(util_host *h) {
    modnas_ctx *ctx = NULL;
    *h = (util_host){.left = -1};
    const modnas_ctx_opts opts = util_host_opts(h);
    ck_assert_int_eq(modnas_ctx_new(&opts, &ctx), 0);
    return ctx;
}

void util_ctx_end(util_host *h, modnas_ctx *ctx) {
    modnas_ctx_free(ctx);
    ck_assert_int_eq(h->live, 0);
}

int util_comma_locale(void) {
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE",
                                        "fr_FR.UTF-8", "fr_FR.utf8", "pt_BR.utf8"};
    for (size_t i = 0; i < MN_COUNT(names); i++)
        if (setlocale(LC_ALL, names[i])) return 1;
    char dir[] = "/tmp/modnas-locale-XXXXXX", command[256];
    if (!mkdtemp(dir)) return 0;
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1", dir);
    int ok = 0;
    if (system(command) == 0 && setenv("LOCPATH", dir, 1) == 0) ok = setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command)) ok = 0;
    return ok;
}
