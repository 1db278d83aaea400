/* Bundles: what is in one, that it holds wherever it lies, that every byte of it counts, and that what it states is
 * measured and not believed. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle/bundle.h"
#include "modnas/bundle.h"
#include "util_cli.h"
#include "util_search.h"

/* What hosts were compiled with (64-bit). */
_Static_assert(offsetof(modnas_bundle_opts, estim) == 8 && offsetof(modnas_bundle_opts, out) == 16 && sizeof(modnas_bundle_opts) == 24,
               "modnas_bundle_opts");
_Static_assert(offsetof(modnas_verify_opts, overrides) == 8 && sizeof(modnas_verify_opts) == 16, "modnas_verify_opts");

/* ---- a run on files ------------------------------------------------------------------------------------ */

/* 4 Slots; 24 images to train, 8 to validate, 12 to test, of 1x8x8. */
#define MODEL                                                                                                          \
    "backend: ref\nthreads: 1\nname: t\nseed: 3\n"                                                                     \
    "model: {type: MobileNetV2, args: {input: [1, 8, 8], n_classes: 10, width_coeff: 0.5,"                             \
    " cfgs: [[0, 8, 1, 1], [3, 8, 2, 2], [3, 16, 2, 2]]}}\n"                                                           \
    "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 8, val_batch_size: 8, valid_size: 8}}\n"            \
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05, momentum: 0.9}}}}}\n"
#define DATA                                                                                                           \
    "train_data: {type: ImageClsData, args: {dataset: mnist, root: data}}\n"                                           \
    "test_data: {type: ImageClsData, args: {dataset: mnist, root: data, valid: true}}\n"
#define FOUND MODEL DATA "arch_desc: found.yaml\nestim: {train: {type: DefaultEstim, epochs: 2}}\n"

static void put_be(FILE *f, uint32_t x) {
    for (int i = 24; i >= 0; i -= 8) fputc((int)(x >> i & 255), f);
}

/* n images of 8x8 with labels, of a generator (Park and Miller). */
static void write_idx(const char *folder, const char *part, uint32_t n, uint64_t x) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s-images-idx3-ubyte", folder, part);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    put_be(f, 0x803), put_be(f, n), put_be(f, 8), put_be(f, 8);
    for (uint32_t i = 0; i < n * 64; i++) fputc((int)((x = x * 16807 % 2147483647) >> 8 & 255), f);
    ck_assert_int_eq(fclose(f), 0);
    snprintf(path, sizeof path, "%s/%s-labels-idx1-ubyte", folder, part);
    ck_assert_ptr_nonnull(f = fopen(path, "wb"));
    put_be(f, 0x801), put_be(f, n);
    for (uint32_t i = 0; i < n; i++) fputc((int)(i % 10), f);
    ck_assert_int_eq(fclose(f), 0);
}

static void write_data(const char *folder, uint64_t seed) {
    ck_assert_int_eq(mkdir(folder, 0777), 0);
    write_idx(folder, "train", 32, seed);
    write_idx(folder, "t10k", 12, seed + 1);
}

#define BUNDLE "exp/t/bundle"

/* A bundle of a network that was found elsewhere, trained and tested. */
static void make_found(void) {
    write_data("data", 7);
    util_write_text("found.yaml", "- MB3E1\n- [MB3E3]\n- MB5E1\n- MB3E1\n");
    RIG_RUNS(FOUND, NULL);
    SEARCH_OK(modnas_bundle(rig.ctx, "exp/t", NULL));
}

/* ---- what a verification says -------------------------------------------------------------------------- */

static mn_node *said;
static int32_t holds;

/* Into `said` and `holds`. */
static void verify(const char *folder, const char *const *overrides) {
    const modnas_verify_opts opts = {.size = sizeof opts, .overrides = overrides};
    char *json = NULL;
    mn_node_free(rig.ctx, said);
    said = NULL;
    ck_assert_msg(modnas_verify_json(rig.ctx, folder, &opts, &json, &holds) == 0, "%s", modnas_errmsg(rig.ctx));
    said = util_rig_parse(&rig, json);
    ck_assert_int_eq(rig_at(said, "holds")->i, holds);
    modnas_string_free(rig.ctx, json);
}

static const mn_node *statement(const char *what) {
    const mn_node *all = rig_at(said, "statements");
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(rig_at(all->items[i], "what")->text, what) == 0) return all->items[i];
    return NULL;
}

static const char *verdict(const char *what) {
    const mn_node *s = statement(what);
    return s ? rig_at(s, "verdict")->text : "nothing was said";
}

static const char *all_said(void) {
    static char text[1 << 16];
    mn_str s = {.ctx = rig.ctx};
    mn_node_json(&s, said);
    snprintf(text, sizeof text, "%s", s.text);
    mn_str_free(&s);
    return text;
}

#define SAYS(what, is) ck_assert_msg(strcmp(verdict(what), is) == 0, "%s: '%s', not '%s': %s", what, verdict(what), is, all_said())
#define HOLDS(what)    SAYS(what, "holds")
#define FAILS(what)    SAYS(what, "does not hold")
#define OPEN(what)     SAYS(what, "could not be checked")
#define ALL_HOLD()     ck_assert_msg(holds == 1, "%s", all_said())

static void close_rig(void) {
    mn_node_free(rig.ctx, said);
    said = NULL;
    rig_teardown();
}

static void move(const char *from, const char *to) {
    ck_assert_int_eq(rename(from, to), 0);
}

/* ---- good ones ----------------------------------------------------------------------------------------- */

START_TEST(a_network_that_was_found) {
    static const char *const what[] = {"manifest.tsv", "results.json", "config.yaml", "arch_desc.yaml",
                                       "arch_train_best.yaml", "model_train_best.safetensors",
                                       "model_train_last.safetensors", "data_sha256.train", "data_sha256.test",
                                       "weights of model_train_best.safetensors", "weights of model_train_last.safetensors",
                                       "estim.train.best.arch", "estim.train.best.score",
                                       "estim.train.best.metrics.acc_top1", "estim.train.best.metrics.acc_top5",
                                       "estim.train.best.metrics.loss", "estim.train.best.metrics.params",
                                       "estim.train.best.metrics.macs", "network.params", "network.macs",
                                       "network.input.0", "network.input.1", "network.input.2", "test.acc_top1",
                                       "test.acc_top5", "test.loss", "test.n"};
    make_found();
    verify(BUNDLE, NULL);
    ALL_HOLD();
    ck_assert_int_eq(rig_at(said, "exact")->i, 1);
    for (size_t i = 0; i < MN_COUNT(what); i++) HOLDS(what[i]);
    ck_assert_uint_eq(rig_at(said, "statements")->n, MN_COUNT(what));
    /* with another number of threads, numbers may differ, by little */
    verify(BUNDLE, RIG_OVER("threads=2"));
    ALL_HOLD();
    ck_assert_int_eq(rig_at(said, "exact")->i, 0);
}
END_TEST

/* Counts against what `describe` counts of the same file. */
START_TEST(moved) {
    make_found();
    move(BUNDLE, "elsewhere");
    move("exp", "old");
    ck_assert_int_eq(unlink("found.yaml"), 0);
    verify("elsewhere", NULL);
    ALL_HOLD();
    move("data", "images");
    verify("elsewhere", NULL);
    ck_assert_int_eq(holds, 0);
    OPEN("data_sha256.train");
    OPEN("data_sha256.test");
    OPEN("estim.train.best");
    OPEN("test");
    ck_assert_ptr_nonnull(strstr(rig_at(statement("test"), "why")->text, "data"));
    ck_assert_int_eq(rig_at(said, "exact")->kind, MN_NULL);
    HOLDS("network.params"); /* what takes no data is looked at */
    HOLDS("network.macs");
    HOLDS("estim.train.best.arch");
    HOLDS("weights of model_train_last.safetensors");
    verify("elsewhere", RIG_OVER("train_data.args.root=images", "test_data.args.root=images"));
    ALL_HOLD();
    /* other data */
    write_data("data", 8);
    verify("elsewhere", NULL);
    FAILS("data_sha256.train");
    FAILS("data_sha256.test");
    FAILS("test.loss");
    HOLDS("test.n");
}
END_TEST

/* Searches: what was found by gradients, by proposals with statistics of their own, by proposals beside training, and of
 * networks that were trained while they were evaluated. */
START_TEST(searches) {
#define INDEX  "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3, MB5E1]}\noptim: RandomSearchOptim\n"
#define PASSED "{search: {type: SubNetEstim, epochs: 3, arch_update_batch: 2, args: {num_bn_batch: 2}"
    static const char *const rows[] = {
        UTIL_SMALL_GATES "optim: BinaryGateOptim\nestim: {warm: {type: DefaultEstim, epochs: 1}, search: {type: SuperNetEstim, epochs: 2}}\n",
        UTIL_SMALL_GATES "optim: BinaryGateOptim\nestim: {search: {type: SuperNetEstim, epochs: 2}}\n"
                         "objective: {maximize: [acc_top1], subject_to: ['macs <= 60K']}\n",
        INDEX "estim: " PASSED "}}\n",
        INDEX "estim: " PASSED ", subnet_epochs: 1}}\n",
        INDEX "estim: {search: {type: SuperNetEstim, epochs: 2}}\nexport: {type: DefaultRecursiveExporter}\n",
        INDEX "estim: {search: {type: SuperNetEstim, epochs: 2}}\nexport: {params: DefaultParamsExporter}\n",
        INDEX "estim: {search: {type: SuperNetEstim, epochs: 2}, tune: {type: DefaultEstim, epochs: 1}}\n"
              "export: {file: {type: DefaultToFileExporter, args: {path: out.yaml}}}\n",
    };
    write_data("data", 7);
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        char yaml[4096];
        snprintf(yaml, sizeof yaml, MODEL DATA "%s", rows[i]);
        RIG_RUNS(yaml, RIG_OVER("estim.search.baseline=false"));
        SEARCH_OK(modnas_bundle(rig.ctx, "exp/t", NULL));
        unlink("out.yaml");
        verify(BUNDLE, NULL);
        const int trained = strstr(rows[i], "subnet_epochs") != NULL; /* for the test as well, by steps of its own */
        ck_assert_msg(holds == !trained, "%s: %s", rows[i], all_said());
        ck_assert(!util_rig_exists("out.yaml"));
        if (trained)
            OPEN("test");
        else
            HOLDS("test.acc_top1");
        if (!strstr(rows[i], "tune")) HOLDS("estim.search.best.metrics.loss");
        ck_assert_msg(!strstr(all_said(), "does not hold"), "%s: %s", rows[i], all_said());
        ck_assert_int_eq(system("rm -r exp"), 0);
    }
}
END_TEST

/* The table goes with it. */
START_TEST(a_table_of_latencies) {
    static const char yaml[] = MODEL DATA UTIL_SMALL_GATES
        "optim: BinaryGateOptim\nobjective: {latency_table: t.tsv}\n"
        "estim: {search: {type: SuperNetEstim, epochs: 1, baseline: false}}\n";
    char table[1024] = "slot\tcandidate\tlatency_ms\nfixed\t-\t1.5\n";
    for (int i = 0; i < 16; i++) {
        static const char *const names[] = {"MB3E1", "MB3E3", "MB5E3", "MB5E1"};
        const size_t n = strlen(table);
        snprintf(table + n, sizeof table - n, "%d\t%s\t%d.25\n", i / 4, names[i % 4], i);
    }
    write_data("data", 7);
    util_write_text("t.tsv", table);
    RIG_RUNS(yaml, NULL);
    SEARCH_OK(modnas_bundle(rig.ctx, "exp/t", NULL));
    ck_assert_int_eq(unlink("t.tsv"), 0);
    verify(BUNDLE, NULL);
    ALL_HOLD();
    HOLDS("latency_table.tsv");
    HOLDS("data_sha256.latency_table");
    HOLDS("estim.search.best.metrics.latency_ms");
}
END_TEST

/* The estimator that is asked for; another folder; a file that lies there already, as ONNX. */
START_TEST(choices) {
    const modnas_bundle_opts opts = {.size = sizeof opts, .estim = "warm", .out = "b"};
    RIG_RUNS(UTIL_RIG_CONFIG, NULL);
    ck_assert_int_eq(mkdir("b", 0777), 0);
    util_write_text("b/net.onnx", "not looked into");
    SEARCH_OK(modnas_bundle(rig.ctx, "exp/t", &opts));
    verify("b", NULL);
    ALL_HOLD();
    HOLDS("net.onnx");
    HOLDS("estim.warm.best.metrics.acc_top1");
    ck_assert_ptr_null(statement("estim.search.best.arch"));
    util_write_text("b/net.onnx", "not looked intO");
    verify("b", NULL);
    FAILS("net.onnx");
}
END_TEST

/* ---- a byte --------------------------------------------------------------------------------------------- */

static void flip(const char *path, size_t at) {
    FILE *f = fopen(path, "r+b");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, (long)at, SEEK_SET), 0);
    const int c = fgetc(f);
    ck_assert_int_eq(fseek(f, (long)at, SEEK_SET), 0);
    fputc(c ^ 1, f);
    ck_assert_int_eq(fclose(f), 0);
}

/* Of every file, at both ends and between. */
START_TEST(every_byte_counts) {
    mn_vec names;
    make_found();
    SEARCH_OK(mn_bundle_names(rig.ctx, BUNDLE, &names));
    ck_assert_uint_eq(names.n, 7);
    for (size_t i = 0; i < names.n; i++) {
        const char *name = MN_AT(names, char *, i);
        char path[256];
        snprintf(path, sizeof path, BUNDLE "/%s", name);
        size_t n;
        free(util_rig_read(path, &n));
        for (size_t k = 0; k <= 2; k++) {
            const size_t at = k * (n - 1) / 2;
            flip(path, at);
            verify(BUNDLE, NULL);
            ck_assert_int_eq(holds, 0);
            FAILS(name);
            flip(path, at);
        }
    }
    verify(BUNDLE, NULL);
    ALL_HOLD();
    mn_bundle_free_names(rig.ctx, &names);
}
END_TEST

/* Where it is: the tensor, the key, the item. */
START_TEST(told_by_its_part) {
    make_found();
    mn_str text = {.ctx = rig.ctx};
    size_t n;
    char *weights = util_rig_read(BUNDLE "/model_train_best.safetensors", &n);
    uint64_t header;
    memcpy(&header, weights, 8);
    flip(BUNDLE "/model_train_best.safetensors", 8 + (size_t)header); /* the first one that the header has */
    const char *name = strchr(strstr(weights + 8, "}") + 1, '"') + 1;
    mn_str_addf(&text, "in %.*s, bytes %zu to ", (int)strcspn(name, "\""), name, 8 + (size_t)header);
    verify(BUNDLE, NULL);
    const char *why = rig_at(statement("model_train_best.safetensors"), "why")->text;
    ck_assert_msg(strncmp(why, text.text, text.n) == 0 && !strstr(why, "more"), "%s, not %s", why, text.text);
    char *results = util_rig_read(BUNDLE "/results.json", &n);
    flip(BUNDLE "/results.json", (size_t)(strstr(results, "\"peak_rss_bytes\":") - results) + 17);
    flip(BUNDLE "/arch_desc.yaml", 2);
    verify(BUNDLE, NULL);
    ck_assert_ptr_nonnull(strstr(rig_at(statement("results.json"), "why")->text, "in peak_rss_bytes, bytes "));
    ck_assert_ptr_nonnull(strstr(rig_at(statement("arch_desc.yaml"), "why")->text, "in item-1, bytes 0 to "));
    mn_str_free(&text);
    free(results);
    free(weights);
}
END_TEST

/* ---- other statements, in a manifest that is right ------------------------------------------------------- */

static void renew_manifest(const char *folder) {
    mn_vec names;
    mn_str text = {.ctx = rig.ctx};
    char path[256];
    SEARCH_OK(mn_bundle_names(rig.ctx, folder, &names));
    for (size_t i = 0; i < names.n; i++) {
        size_t n;
        snprintf(path, sizeof path, "%s/%s", folder, MN_AT(names, char *, i));
        char *bytes = util_rig_read(path, &n);
        if (strcmp(MN_AT(names, char *, i), MN_MANIFEST)) SEARCH_OK(mn_manifest_add(&text, MN_AT(names, char *, i), bytes, n));
        free(bytes);
    }
    mn_manifest_end(&text);
    snprintf(path, sizeof path, "%s/" MN_MANIFEST, folder);
    util_write_text(path, text.text);
    mn_str_free(&text);
    mn_bundle_free_names(rig.ctx, &names);
}

/* In the last place of `key`, up to the end of its value. */
static void restate(const char *file, const char *from, const char *key, const char *value) {
    char path[256], text[1 << 15];
    size_t n;
    snprintf(path, sizeof path, BUNDLE "/%s", file);
    char *all = util_rig_read(path, &n), *at = strstr(all, from);
    ck_assert_ptr_nonnull(at);
    at = strstr(at, key);
    ck_assert_ptr_nonnull(at);
    at += strlen(key);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - all), all, value, at + strcspn(at, ",}\n"));
    util_write_text(path, text);
    free(all);
}

START_TEST(other_statements) {
    static const struct {
        const char *from, *key, *value, *what;
    } rows[] = {
        {"\"best\":", "\"acc_top1\":", "0.875", "estim.train.best.metrics.acc_top1"},
        {"\"best\":", "\"loss\":", "0.5", "estim.train.best.metrics.loss"},
        {"\"best\":", "\"params\":", "1000", "estim.train.best.metrics.params"},
        {"\"best\":", "\"score\":", "1", "estim.train.best.score"},
        {"\"best\":", "\"acc_top5\":", "\"all\"", "estim.train.best.metrics.acc_top5"},
        {"\"best\":", "\"macs\":", "1,\"speed\":3", "estim.train.best.metrics.speed"},
        {"\"best\":", "\"arch\":", "[\"MB3E1\",null", "estim.train.best.arch"},
        {"\"network\":", "\"params\":", "1001", "network.params"},
        {"\"network\":", "\"macs\":", "1001", "network.macs"},
        {"\"test\":{\"acc", "_top1\":", "1", "test.acc_top1"},
        {"\"test\":{\"acc", "\"n\":", "13", "test.n"},
        {"\"data_sha256\":", "\"train\":", "\"00\"", "data_sha256.train"},
    };
    make_found();
    char *good = util_rig_read(BUNDLE "/results.json", NULL);
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        restate("results.json", rows[i].from, rows[i].key, rows[i].value);
        renew_manifest(BUNDLE);
        verify(BUNDLE, NULL);
        HOLDS("results.json");
        FAILS(rows[i].what);
        util_write_text(BUNDLE "/results.json", good);
    }
    free(good);
    /* another architecture: its weights do not fit */
    util_write_text(BUNDLE "/arch_desc.yaml", "- MB3E1\n- MB5E3\n- MB5E1\n- MB3E1\n");
    renew_manifest(BUNDLE);
    verify(BUNDLE, NULL);
    HOLDS("arch_desc.yaml");
    FAILS("weights of model_train_best.safetensors");
    OPEN("estim.train.best");
    OPEN("test");
}
END_TEST

/* Accuracies a little off: within what another backend may do, and not within what this one may. */
START_TEST(tolerance) {
    make_found();
    mn_node *r = util_rig_parse(&rig, rig.results);
    char near[64], far[64];
    const double loss = rig_at(r, "test.loss")->r;
    snprintf(near, sizeof near, "%.17g", loss + 0.001);
    snprintf(far, sizeof far, "%.17g", loss + 0.5);
    mn_node_free(rig.ctx, r);
    restate("results.json", "\"test\":{\"acc", "\"loss\":", near);
    renew_manifest(BUNDLE);
    verify(BUNDLE, NULL);
    FAILS("test.loss");
    verify(BUNDLE, RIG_OVER("threads=2"));
    HOLDS("test.loss");
    restate("results.json", "\"test\":{\"acc", "\"loss\":", far);
    renew_manifest(BUNDLE);
    verify(BUNDLE, RIG_OVER("threads=2"));
    FAILS("test.loss");
}
END_TEST

/* ---- what is no bundle ----------------------------------------------------------------------------------- */

static void refused(const char *folder, const char *const *overrides, int status, const char *text) {
    const modnas_verify_opts opts = {.size = sizeof opts, .overrides = overrides};
    char *json = NULL;
    int32_t all = -7;
    ck_assert_int_eq(modnas_verify_json(rig.ctx, folder, &opts, &json, &all), status);
    util_search_says(text);
    ck_assert_ptr_null(json);
    ck_assert_int_eq(all, -7);
}

START_TEST(not_whole) {
    make_found();
    ck_assert_int_eq(unlink(BUNDLE "/arch_train_best.yaml"), 0);
    util_write_text(BUNDLE "/more.txt", "x");
    verify(BUNDLE, NULL);
    FAILS("arch_train_best.yaml");
    FAILS("more.txt");
    HOLDS("test.acc_top1");
    util_write_text(BUNDLE "/config.yaml", "modle: x\n");
    verify(BUNDLE, NULL);
    FAILS("config.yaml");
    FAILS("contents of config.yaml");
    util_write_text(BUNDLE "/results.json", "[1]\n");
    verify(BUNDLE, NULL);
    FAILS("contents of results.json");
    refused(BUNDLE "/nothing", NULL, MODNAS_ENOTFOUND, "manifest.tsv");
    refused("data", NULL, MODNAS_ENOTFOUND, "data/manifest.tsv");
}
END_TEST

START_TEST(wrong_overrides) {
    make_found();
    refused(BUNDLE, RIG_OVER("train_data"), MODNAS_ECONFIG, "-o train_data");
    refused(BUNDLE, RIG_OVER("modle=x"), MODNAS_ECONFIG, "modle");
}
END_TEST

#define SHA  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEAD "file\tpart\tat\tbytes\tsha256\n"

START_TEST(wrong_manifests) {
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"", "m: 0 bytes"},
        {"x", "m:1: no manifest of a bundle"},
        {HEAD, "m:2: the last row is missing"},
        {HEAD "a\t-\t0\t5\t" SHA "\n", "m:3: the last row is missing"},
        {HEAD "../a\t-\t0\t5\t" SHA "\n", "m:2: no name of a file in the folder: '../a'"},
        {HEAD ".a\t-\t0\t5\t" SHA "\n", "m:2: no name of a file in the folder: '.a'"},
        {HEAD "a\t-\t0\t-5\t" SHA "\n", "m:2: at and bytes are no numbers"},
        {HEAD "a\t-\t0\t1e3\t" SHA "\n", "m:2: at and bytes are no numbers"},
        {HEAD "a\t-\t0\t5\tA" SHA "\n", "m:2: no SHA-256 in lower case"},
        {HEAD "a\t-\t1\t5\t" SHA "\n", "m:2: a second row of file 'a'"},
        {HEAD "a\t-\t0\t5\t" SHA "\na\t-\t0\t5\t" SHA "\n", "m:3: a second row of file 'a'"},
        {HEAD "a\tx\t0\t5\t" SHA "\n", "m:2: a part without its file 'a'"},
        {HEAD "a\t-\t0\t5\t" SHA "\na\tx\t1\t4\t" SHA "\n", "m:3: a part that is not in its place 'x'"},
        {HEAD "a\t-\t0\t5\t" SHA "\na\tx\t0\t6\t" SHA "\n", "m:3: a part that is not in its place 'x'"},
        {HEAD "a\t-\t0\t5\t" SHA "\na\tx\t0\t4\t" SHA "\nb\t-\t0\t5\t" SHA "\n", "m:4: parts of the file before"},
        {HEAD "manifest.tsv\tmodnas-bundle-9\t0\t5\t" SHA "\n", "m:2: of another version than modnas-bundle-1"},
        {HEAD "manifest.tsv\tmodnas-bundle-1\t0\t26\t" SHA "\n", "m:2: the lines are not those that the sum"},
        {HEAD "a\t-\t0\t5\n", "m:2: 4 fields in a table of 5 columns"},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        mn_manifest m = {.ctx = NULL};
        ck_assert_int_eq(mn_manifest_parse(rig.ctx, rows[i].text, strlen(rows[i].text), "m", &m), MODNAS_EFORMAT);
        ck_assert_msg(strncmp(modnas_errmsg(rig.ctx), rows[i].error, strlen(rows[i].error)) == 0, "%s, not %s",
                      modnas_errmsg(rig.ctx), rows[i].error);
        ck_assert_ptr_null(m.ctx);
    }
}
END_TEST

/* The sum of "abc" is FIPS 180-2's example. */
START_TEST(manifest_by_hand) {
    mn_str s = {.ctx = rig.ctx};
    mn_manifest m;
    SEARCH_OK(mn_manifest_add(&s, "a.txt", "abc", 3));
    ck_assert_str_eq(s.text, HEAD "a.txt\t-\t0\t3\tba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n");
    SEARCH_OK(mn_manifest_add(&s, "b.json", "{\"x\": [1, {\"y\": 2}], \"z\": \"a,\\\"b\"}", 34));
    ck_assert_ptr_nonnull(strstr(s.text, "\nb.json\tx\t0\t21\t"));
    ck_assert_ptr_nonnull(strstr(s.text, "\nb.json\tz\t21\t13\t"));
    mn_manifest_end(&s);
    SEARCH_OK(mn_manifest_parse(rig.ctx, s.text, s.n, "m", &m));
    ck_assert_uint_eq(m.rows.n, 4);
    ck_assert_uint_eq(mn_manifest_find(&m, "b.json")->bytes, 34);
    ck_assert_ptr_null(mn_manifest_find(&m, "c"));
    mn_manifest_free(&m);
    mn_str_free(&s);
}
END_TEST

START_TEST(no_bundles) {
    const modnas_bundle_opts other = {.size = sizeof other, .estim = "other"};
    ck_assert_int_eq(modnas_bundle(rig.ctx, "exp/none", NULL), MODNAS_ENOTFOUND);
    util_search_says("exp/none/outputs/results.json");
    make_found();
    ck_assert_int_eq(modnas_bundle(rig.ctx, "exp/t", &other), MODNAS_ENOTFOUND);
    util_search_says("no estimator 'other'");
    ck_assert_int_eq(unlink("found.yaml"), 0);
    ck_assert_int_eq(modnas_bundle(rig.ctx, "exp/t", NULL), MODNAS_ENOTFOUND);
    util_search_says("found.yaml");
    ck_assert(!util_rig_exists(BUNDLE "/manifest.tsv")); /* half of one is none */
    ck_assert_int_eq(system("rm -r exp/t/chkpt"), 0);
    ck_assert_int_eq(modnas_bundle(rig.ctx, "exp/t", NULL), MODNAS_ENOTFOUND);
    util_search_says("no weights of estimator 'train'");
}
END_TEST

/* ---- memory, the program ----------------------------------------------------------------------------------- */

/* Every so-manieth allocation fails. */
START_TEST(out_of_memory) {
    make_found();
    const int64_t live = rig.host.live;
    int rc = MODNAS_ENOMEM, tries = 0;
    for (int left = 0; rc; left += 211, tries++) {
        char *json = NULL;
        rig.host.left = left;
        rc = modnas_bundle(rig.ctx, "exp/t", NULL);
        if (!rc) rc = modnas_verify_json(rig.ctx, BUNDLE, NULL, &json, NULL);
        rig.host.left = -1;
        ck_assert_msg(rc == 0 || rc == MODNAS_ENOMEM, "%d: %s", rc, modnas_errmsg(rig.ctx));
        ck_assert(!rc == (json != NULL));
        modnas_string_free(rig.ctx, json);
        ck_assert_int_eq(rig.host.live, live);
    }
    ck_assert_int_gt(tries, 20);
}
END_TEST

START_TEST(program) {
    util_cli cli;
    util_cli_new(&cli);
    util_cli_text(&cli, "s.yaml", UTIL_RIG_CONFIG);
    ck_assert_msg(util_cli_run(&cli, "run --quiet -c s.yaml") == 0, "%s", cli.err);
    ck_assert_msg(util_cli_run(&cli, "bundle exp/t") == 0, "%s", cli.err);
    ck_assert_msg(util_cli_run(&cli, "verify exp/t/bundle") == 0, "%s%s", cli.out, cli.err);
    ck_assert_ptr_nonnull(strstr(cli.out, "\nholds                 estim.search.best.metrics.acc_top1: "));
    ck_assert_ptr_nonnull(strstr(cli.out, "\nmeasured again as it was before: "));
    ck_assert_ptr_nonnull(strstr(cli.out, " hold, 0 do not, 0 could not be checked\n"));
    ck_assert_int_eq(util_cli_run(&cli, "verify exp/t/bundle --json -o threads=1"), 0);
    ck_assert_ptr_nonnull(strstr(cli.out, "{\"bundle\":\"exp/t/bundle\",\"holds\":true,\"exact\":false,\"statements\":[{"));
    util_cli_text(&cli, "exp/t/bundle/arch_search_best.yaml", "- [MB3E1]\n");
    ck_assert_int_eq(util_cli_run(&cli, "verify exp/t/bundle"), 1);
    ck_assert_ptr_nonnull(strstr(cli.out, "\ndoes not hold         arch_search_best.yaml: stated "));
    ck_assert_int_eq(util_cli_run(&cli, "verify exp/t"), 2);
    ck_assert_ptr_nonnull(strstr(cli.err, "exp/t/manifest.tsv"));
    ck_assert_int_eq(util_cli_run(&cli, "verify"), 2);
    ck_assert_ptr_nonnull(strstr(cli.err, "verify: no folder given"));
    ck_assert_int_eq(util_cli_run(&cli, "verify exp/t/bundle -o nothing"), 2);
    ck_assert_int_eq(util_cli_run(&cli, "bundle exp/none"), 2);
    ck_assert_int_eq(util_cli_run(&cli, "bundle exp/t --estim none"), 2);
    util_cli_free(&cli);
}
END_TEST

int main(void) {
    Suite *s = suite_create("bundle");
    util_add(s, "good", rig_setup, close_rig,
             (const TTest *[]){a_network_that_was_found, moved, searches, a_table_of_latencies, choices, NULL});
    util_add(s, "changed", rig_setup, close_rig,
             (const TTest *[]){every_byte_counts, told_by_its_part, other_statements, tolerance, NULL});
    util_add(s, "none", rig_setup, close_rig,
             (const TTest *[]){not_whole, wrong_overrides, wrong_manifests, manifest_by_hand, no_bundles, out_of_memory, NULL});
    util_add(s, "program", NULL, NULL, (const TTest *[]){program, NULL});
    return util_run(s);
}
