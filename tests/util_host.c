/* A host for tests: counts blocks, fails on demand, keeps what is logged. */
#include "util_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
