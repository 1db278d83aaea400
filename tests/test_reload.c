/* A program that links nothing of ours loads the library, uses it and lets it go, a thousand times: no memory, no
 * thread and no mapping of it is left behind. What a plug-in with OpenMP leaves (it cannot be unloaded) does not grow.
 *
 * It knows the headers only; all functions come from dlsym. */
#include <check.h>
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "modnas/modnas.h"

#define FUNCTIONS(X)                                                                                                   \
    X(version)                                                                                                         \
    X(strerror)                                                                                                        \
    X(ctx_new)                                                                                                         \
    X(ctx_free)                                                                                                        \
    X(errmsg)                                                                                                          \
    X(config_new)                                                                                                      \
    X(config_add_text)                                                                                                 \
    X(config_override)                                                                                                 \
    X(config_free)                                                                                                     \
    X(search_new)                                                                                                      \
    X(search_train)                                                                                                    \
    X(search_free)

typedef struct library {
    void *handle;
#define MEMBER(name) __typeof__(&modnas_##name) name;
    FUNCTIONS(MEMBER)
#undef MEMBER
} library;

static char path[4096];

/* build/VARIANT/libmodnas.so, seen from build/VARIANT/tests/test_reload. */
static void find_library(void) {
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
    ck_assert_int_gt(n, 0);
    path[n] = 0;
    for (int up = 0; up < 2; up++) *strrchr(path, '/') = 0;
    strcat(path, "/libmodnas.so");
}

static void load(library *l) {
    l->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(l->handle != NULL, "%s", dlerror());
#define FIND(name)                                                                                                     \
    *(void **)&l->name = dlsym(l->handle, "modnas_" #name);                                                            \
    ck_assert_ptr_nonnull(*(void **)&l->name);
    FUNCTIONS(FIND)
#undef FIND
}

static void unload(library *l) {
    ck_assert_int_eq(dlclose(l->handle), 0);
    ck_assert_ptr_null(dlopen(path, RTLD_NOW | RTLD_NOLOAD)); /* it is really gone */
}

/* ---- uses ---------------------------------------------------------------------------------------------- */

static void nothing(library *l, const char *backend) {
    (void)l, (void)backend;
}

static void context(library *l, const char *backend) {
    modnas_ctx *ctx = NULL;
    (void)backend;
    ck_assert_str_eq(l->strerror(0), "ok");
    ck_assert_int_gt(strlen(l->version()), 0);
    ck_assert_int_eq(l->ctx_new(NULL, &ctx), 0);
    l->ctx_free(ctx);
}

/* A search is made whole and trains a step: a thread loads data, kernels run. */
static void train(library *l, const char *backend) {
    static const char yaml[] =
        "model: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [1, 8, 1, 1]], n_classes: 4, width_coeff: 0.5}}\n"
        "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E1, IDT]}\noptim: BinaryGateOptim\n"
        "train_data: {type: RandData, args: {shape: [3, 4, 4], classes: 4, data_size: 8}}\n"
        "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 2}}\n"
        "trainer: {default: {type: ImageClsTrainer, args: {optimizer: SGD}}}\n";
    modnas_ctx *ctx = NULL;
    modnas_config *cfg = NULL;
    modnas_search *search = NULL;
    double loss = 0;
    ck_assert_int_eq(l->ctx_new(NULL, &ctx), 0);
    int rc = l->config_new(ctx, &cfg);
    if (!rc) rc = l->config_add_text(cfg, yaml, strlen(yaml), "t.yaml");
    if (!rc) rc = l->config_override(cfg, backend);
    if (!rc) rc = l->config_override(cfg, "threads=2");
    if (!rc) rc = l->search_new(cfg, NULL, &search);
    if (!rc) rc = l->search_train(search, NULL, 1, &loss);
    ck_assert_msg(rc == 0 && loss > 0, "%d %s", rc, l->errmsg(ctx));
    l->ctx_free(ctx); /* its children hold it */
    l->search_free(search);
    l->config_free(cfg);
}

/* ---- what is left -------------------------------------------------------------------------------------- */

static long rss_kib(void) {
    long total, rss = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%ld %ld", &total, &rss), 2);
    fclose(f);
    return rss * (sysconf(_SC_PAGESIZE) / 1024);
}

static int entries(const char *folder) {
    int n = 0;
    DIR *d = opendir(folder);
    ck_assert_ptr_nonnull(d);
    while (readdir(d)) n++;
    closedir(d);
    return n - 2;
}

static int lines(const char *file) {
    int n = 0, c;
    FILE *f = fopen(file, "r");
    ck_assert_ptr_nonnull(f);
    while ((c = getc(f)) != EOF) n += c == '\n';
    fclose(f);
    return n;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { INSTRUMENTED = 1 }; /* freed memory is kept for a while */
#else
enum { INSTRUMENTED = 0 };
#endif

typedef struct left {
    long rss;
    int threads, files, mappings;
} left;

static left look(void) {
    return (left){rss_kib(), entries("/proc/self/task"), entries("/proc/self/fd"), lines("/proc/self/maps")};
}

/* After the first tenth nothing grows: not memory beyond what malloc's own order makes (of 1000 rounds, 300 bytes a
 * round would show), not by a thread, a file, or more than a few mappings (malloc's heap may split). */
static void check_left(const left *a, const left *b, int n, long kib) {
    printf("reload: %d rounds: %ld -> %ld KiB, %d threads, %d -> %d mappings\n", n, a->rss, b->rss, b->threads,
           a->mappings, b->mappings);
    ck_assert_int_eq(a->threads, b->threads);
    ck_assert_int_eq(a->files, b->files);
    if (INSTRUMENTED) return;
    ck_assert_int_le(b->rss - a->rss, kib);
    ck_assert_int_le(b->mappings - a->mappings, 4);
}

static const struct use {
    const char *name;
    void (*fn)(library *l, const char *backend);
    const char *backend;
    int n, threads; /* rounds; threads that are there at the end */
    long kib;       /* most growth */
} uses[] = {{"loaded", nothing, "", 1000, 1, 256},
            {"context", context, "", 1000, 1, 256},
            {"ref", train, "backend=ref", 1000, 1, 256},
            {"dnnl", train, "backend=dnnl", 200, 2, 1024}}; /* and one of OpenMP's pool */

START_TEST(again_and_again) {
    const struct use *u = &uses[_i];
    const int n = INSTRUMENTED ? u->n / 10 : u->n;
    library l;
    left early = {0}, late;
    find_library();
    look(); /* what looking itself takes */
    for (int i = 0; i < n; i++) {
        load(&l);
        u->fn(&l, u->backend);
        unload(&l);
        if (i == n / 10) early = look();
    }
    late = look();
    check_left(&early, &late, n, u->kib);
    ck_assert_int_eq(late.threads - (INSTRUMENTED ? early.threads - u->threads : 0), u->threads);
}
END_TEST

int main(void) {
    Suite *s = suite_create("reload");
    TCase *t = tcase_create("reload");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, again_and_again, 0, sizeof uses / sizeof *uses);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
