/* Memory runs out: of the allocations of a small search each of the first 2000, and some of the others, fails in turn.
 *
 *   hook     what the library asks its context's allocation function for
 *   malloc   what the libraries below it ask for: libyaml, libcyaml, zlib, the C library, oneDNN
 *
 * Every time: MODNAS_ENOMEM with its text, no crash, every block given back, the files of the run before whole; and the
 * same search in the same context gives the same bytes. oneDNN's own caches are filled by a run before, but for `cold`,
 * where they are emptied each time. A library may do without the memory (std::vector::shrink_to_fit does): then the run
 * must end well, with the same bytes. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "modnas/modnas.h"
#include "torture_malloc.h"
#include "util_host.h"

/* A network of one searched block on four 8x8 images: two to train, two to validate; with an architecture step. */
static const char config[] =
    "name: t\nseed: 3\n"
    "model: {type: MobileNetV2, args: {chn_in: 1, cfgs: [[0, 8, 1, 1], [3, 8, 1, 2]], n_classes: 10, width_coeff: "
    "0.05}}\n"
    "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E1, MB5E3]}\n"
    "train_data: {type: ImageClsData, args: {dataset: mnist, root: .}}\n"
    "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 2, val_batch_size: 2, valid_size: 2}}\n"
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05, momentum: 0.9}},"
    " w_grad_clip: 5.0}}}\n"
    "optim: BinaryGateOptim\n"
    "estim: {search: {type: SuperNetEstim, epochs: 1}}\n";

enum { FIRST = 2000, FILE_BYTES = 1 << 16 };

/* What is the same in every run of this configuration. */
static const char *const names[] = {"exp/t/outputs/history.tsv", "exp/t/outputs/config.yaml",
                                    "exp/t/outputs/arch_search_best.yaml", "exp/t/chkpt/model_search_best.safetensors",
                                    "exp/t/chkpt/model_search_last.safetensors"};

static char folder[64];
static struct { int64_t n_calls, left, live; } hook;
static struct {
    char bytes[FILE_BYTES];
    size_t n;
} good[MN_COUNT(names)];

typedef struct torture {
    const char *name, *backend;
    int through_hook, cold, threads;
    int64_t step_first, step_more; /* every so-manieth of the first 2000 calls, of the rest */
} torture;

/* ---- the search -------------------------------------------------------------------------------------------- */

static void *hook_alloc(void *ptr, size_t bytes, void *ud) {
    (void)ud;
    if (!bytes) {
        hook.live -= ptr != NULL;
        torture_realloc(ptr, 0);
        return NULL;
    }
    hook.n_calls++;
    if (hook.left-- == 0) return NULL;
    void *mem = torture_realloc(ptr, bytes);
    hook.live += mem && !ptr;
    return mem;
}

/* With ctx NULL a context is made first, which stays open. */
static int search(modnas_ctx **ctx, const torture *t, char **results) {
    const modnas_ctx_opts opts = {
        .size = sizeof opts, .alloc_fn = hook_alloc, .plugin_dir = getenv("MODNAS_PLUGINS"), .threads = t->threads};
    modnas_config *cfg = NULL;
    int rc = *ctx ? 0 : modnas_ctx_new(&opts, ctx);
    if (!rc) rc = modnas_config_new(*ctx, &cfg);
    if (!rc) rc = modnas_config_add_text(cfg, config, strlen(config), "t.yaml");
    if (!rc) rc = modnas_config_override(cfg, t->backend);
    if (!rc) rc = modnas_run(cfg, NULL, NULL, results);
    modnas_config_free(cfg);
    return rc;
}

static size_t read_file(const char *path, char bytes[FILE_BYTES]) {
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s is not there", path);
    const size_t n = fread(bytes, 1, FILE_BYTES, f);
    ck_assert(n < FILE_BYTES);
    fclose(f);
    return n;
}

/* The files are as `good` has them; history, which a run begins anew, may end with any line in one that failed. */
static void check_files(int64_t i, int complete) {
    static char bytes[FILE_BYTES];
    for (size_t k = 0; k < MN_COUNT(names); k++) {
        const size_t n = read_file(names[k], bytes);
        const int whole = n == good[k].n && memcmp(bytes, good[k].bytes, n) == 0;
        const int begun = k == 0 && !complete && n && bytes[n - 1] == '\n' && memcmp(bytes, "index\testim\t", 12) == 0;
        ck_assert_msg(whole || begun, "%s differs after call %lld", names[k], (long long)i);
    }
}

static void check_no_temporaries(void) {
    glob_t found;
    ck_assert_int_eq(glob("exp/t/*/*.tmp-*", 0, NULL, &found), GLOB_NOMATCH);
}

/* ---- the torture ------------------------------------------------------------------------------------------- */

static int (*set_cache_capacity)(int);

static void forget_primitives(void) {
    if (!set_cache_capacity) return;
    ck_assert_int_eq(set_cache_capacity(0), 0);
    ck_assert_int_eq(set_cache_capacity(1024), 0);
}

/* oneDNN 3.7 keeps some blocks when it first tells of an error: let it tell of an engine that is not there. */
static void know_oneDNN(void) {
    enum { CPU = 1 };
    int (*engine_create)(void **engine, int kind, size_t index);
    void *engine = NULL, *capacity = torture_symbol("libdnnl.so.", "dnnl_set_primitive_cache_capacity"),
         *create = torture_symbol("libdnnl.so.", "dnnl_engine_create");
    memcpy(&set_cache_capacity, &capacity, sizeof capacity);
    memcpy(&engine_create, &create, sizeof create);
    if (create) ck_assert_int_ne(engine_create(&engine, CPU, 99), 0);
}

/* The search with call i failing: its outcome, and in *rc what it gave. */
static int fail_one(const torture *t, int64_t i, modnas_ctx **ctx, int *rc) {
    char *results = NULL;
    int outcome;
    if (t->through_hook) {
        hook.left = i;
        *rc = search(ctx, t, &results);
        outcome = hook.left < 0 ? TORTURE_FAILED : TORTURE_NOT_REACHED;
        hook.left = -1;
    } else {
        torture_arm(i);
        *rc = search(ctx, t, &results);
        outcome = torture_disarm(NULL);
    }
    ck_assert_int_eq(results == NULL, *rc != 0);
    if (*ctx) modnas_string_free(*ctx, results);
    return outcome;
}

static void check_failed(const torture *t, int64_t i, const modnas_ctx *ctx, int rc, int64_t *n_without) {
    *n_without += rc == 0;
    ck_assert_msg(rc == MODNAS_ENOMEM || (rc == 0 && !t->through_hook), "call %lld gives %d: %s", (long long)i, rc,
                  modnas_errmsg(ctx));
    if (rc && ctx) ck_assert_msg(modnas_errmsg(ctx)[0] != 0, "no text after call %lld", (long long)i);
}

/* The number of calls that a search makes; keeps its files. */
static int64_t learn(const torture *t) {
    int64_t n_calls = 0;
    for (int k = 0; k < 3; k++) { /* libraries keep some blocks of the first run */
        modnas_ctx *ctx = NULL;
        if (t->cold || k < 2) forget_primitives();
        hook.n_calls = 0;
        torture_arm(-1);
        ck_assert_msg(search(&ctx, t, NULL) == 0, "%s", ctx ? modnas_errmsg(ctx) : "");
        torture_disarm(&n_calls);
        modnas_ctx_free(ctx);
        know_oneDNN();
    }
    ck_assert_msg(set_cache_capacity || strcmp(t->backend, "backend=dnnl") != 0, "no cache of oneDNN's found to empty");
    for (size_t k = 0; k < MN_COUNT(names); k++) good[k].n = read_file(names[k], good[k].bytes);
    return t->through_hook ? hook.n_calls : n_calls;
}

static void run(const torture *t) {
    const int64_t n_calls = learn(t), slow = torture_is_instrumented() ? 7 : 1;
    int64_t n_failed = 0, n_excused = 0, n_without = 0;
    for (int64_t i = 0, step; i < n_calls; i += step * slow) {
        modnas_ctx *ctx = NULL;
        int rc;
        step = i < FIRST ? t->step_first : t->step_more;
        if (t->cold) forget_primitives();
        const int64_t live = torture_live();
        const int outcome = fail_one(t, i, &ctx, &rc);
        n_failed += outcome == TORTURE_FAILED;
        n_excused += outcome == TORTURE_EXCUSED;
        if (outcome == TORTURE_FAILED) check_failed(t, i, ctx, rc, &n_without);
        check_files(i, rc == 0);
        /* After every eighth, and where oneDNN forgot its primitives, which fills its cache again. */
        if (ctx && (n_failed % 8 == 0 || torture_live() < live)) {
            ck_assert_msg(search(&ctx, t, NULL) == 0, "again after %lld: %s", (long long)i, modnas_errmsg(ctx));
            check_files(i, 1);
        }
        modnas_ctx_free(ctx);
        if (t->cold) forget_primitives();
        ck_assert_msg(hook.live == 0, "%lld blocks left after call %lld", (long long)hook.live, (long long)i);
        ck_assert_msg(torture_live() == live || slow > 1, "%+lld blocks after call %lld",
                      (long long)(torture_live() - live), (long long)i);
        check_no_temporaries();
    }
    printf("torture %s: of %lld calls in a search %lld failed in turn, %lld were let through, %lld were done without\n",
           t->name, (long long)n_calls, (long long)n_failed, (long long)n_excused, (long long)n_without);
    ck_assert_int_gt(n_failed, 0);
}

static const torture tortures[] = {
    {"ref hook", "backend=ref", 1, 0, 1, 1, 1},
    {"ref malloc", "backend=ref", 0, 0, 1, 1, 1},
    {"dnnl hook", "backend=dnnl", 1, 0, 1, 1, 3},
    {"dnnl malloc", "backend=dnnl", 0, 0, 1, 1, 3},
    {"dnnl malloc cold", "backend=dnnl", 0, 1, 1, 17, 23},
    {"dnnl malloc cold, 2 threads", "backend=dnnl", 0, 1, 2, 61, 67},
};

START_TEST(each_fails) {
    run(&tortures[_i]);
}
END_TEST

/* ---- the folder -------------------------------------------------------------------------------------------- */

static void put_gzip(const char *path, const unsigned char *head, size_t n_head, size_t n) {
    gzFile f = gzopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(gzwrite(f, head, (unsigned)n_head), (int)n_head);
    for (size_t i = 0; i < n; i++) ck_assert_int_ge(gzputc(f, (int)(i * 37 % (n > 4 ? 251 : 10))), 0);
    ck_assert_int_eq(gzclose(f), Z_OK);
}

static void setup(void) {
    static const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 8, 0, 0, 0, 8},
                               labels[] = {0, 0, 8, 1, 0, 0, 0, 4};
    util_folder_new(folder);
    put_gzip("train-images-idx3-ubyte.gz", images, sizeof images, 4 * 64);
    put_gzip("train-labels-idx1-ubyte.gz", labels, sizeof labels, 4);
    hook.left = -1;
}

static void teardown(void) {
    util_folder_free(folder);
}

int main(void) {
    Suite *s = suite_create("torture");
    TCase *t = tcase_create("each");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, each_fails, 0, (int)MN_COUNT(tortures));
    suite_add_tcase(s, t);
    return util_run(s);
}
