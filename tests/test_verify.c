/* Bundles that do not hold: every byte of one counts, what it states is not believed, and what is no bundle is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util_bundle.h"

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
    util_bundle_found();
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
            util_verify(BUNDLE, NULL);
            ck_assert_int_eq(util_verify_holds(), 0);
            FAILS(name);
            flip(path, at);
        }
    }
    util_verify(BUNDLE, NULL);
    ALL_HOLD();
    mn_bundle_free_names(rig.ctx, &names);
}
END_TEST

/* Where it is: the tensor, the key, the item. */
START_TEST(told_by_its_part) {
    util_bundle_found();
    mn_str text = {.ctx = rig.ctx};
    size_t n;
    char *weights = util_rig_read(BUNDLE "/model_train_best.safetensors", &n);
    uint64_t header;
    memcpy(&header, weights, 8);
    flip(BUNDLE "/model_train_best.safetensors", 8 + (size_t)header); /* the first one that the header has */
    const char *name = strchr(strstr(weights + 8, "}") + 1, '"') + 1;
    mn_str_addf(&text, "in %.*s, bytes %zu to ", (int)strcspn(name, "\""), name, 8 + (size_t)header);
    util_verify(BUNDLE, NULL);
    const char *why = rig_at(util_verify_statement("model_train_best.safetensors"), "why")->text;
    ck_assert_msg(strncmp(why, text.text, text.n) == 0 && !strstr(why, "more"), "%s, not %s", why, text.text);
    char *results = util_rig_read(BUNDLE "/results.json", &n);
    flip(BUNDLE "/results.json", (size_t)(strstr(results, "\"peak_rss_bytes\":") - results) + 17);
    flip(BUNDLE "/arch_desc.yaml", 2);
    util_verify(BUNDLE, NULL);
    ck_assert_ptr_nonnull(strstr(rig_at(util_verify_statement("results.json"), "why")->text, "in peak_rss_bytes, bytes "));
    ck_assert_ptr_nonnull(strstr(rig_at(util_verify_statement("arch_desc.yaml"), "why")->text, "in item-1, bytes 0 to "));
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
    util_bundle_found();
    char *good = util_rig_read(BUNDLE "/results.json", NULL);
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        restate("results.json", rows[i].from, rows[i].key, rows[i].value);
        renew_manifest(BUNDLE);
        util_verify(BUNDLE, NULL);
        HOLDS("results.json");
        FAILS(rows[i].what);
        util_write_text(BUNDLE "/results.json", good);
    }
    free(good);
    /* another architecture: its weights do not fit */
    util_write_text(BUNDLE "/arch_desc.yaml", "- MB3E1\n- MB5E3\n- MB5E1\n- MB3E1\n");
    renew_manifest(BUNDLE);
    util_verify(BUNDLE, NULL);
    HOLDS("arch_desc.yaml");
    FAILS("weights of model_train_best.safetensors");
    OPEN("estim.train.best");
    OPEN("test");
}
END_TEST

/* Accuracies a little off: within what another backend may do, and not within what this one may. */
START_TEST(tolerance) {
    util_bundle_found();
    mn_node *r = util_rig_parse(&rig, rig.results);
    char near[64], far[64];
    const double loss = rig_at(r, "test.loss")->r;
    snprintf(near, sizeof near, "%.17g", loss + 0.001);
    snprintf(far, sizeof far, "%.17g", loss + 0.5);
    mn_node_free(rig.ctx, r);
    restate("results.json", "\"test\":{\"acc", "\"loss\":", near);
    renew_manifest(BUNDLE);
    util_verify(BUNDLE, NULL);
    FAILS("test.loss");
    util_verify(BUNDLE, RIG_OVER("threads=2"));
    HOLDS("test.loss");
    restate("results.json", "\"test\":{\"acc", "\"loss\":", far);
    renew_manifest(BUNDLE);
    util_verify(BUNDLE, RIG_OVER("threads=2"));
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
    util_bundle_found();
    ck_assert_int_eq(unlink(BUNDLE "/arch_train_best.yaml"), 0);
    util_write_text(BUNDLE "/more.txt", "x");
    util_verify(BUNDLE, NULL);
    FAILS("arch_train_best.yaml");
    FAILS("more.txt");
    HOLDS("test.acc_top1");
    util_write_text(BUNDLE "/config.yaml", "modle: x\n");
    util_verify(BUNDLE, NULL);
    FAILS("config.yaml");
    FAILS("contents of config.yaml");
    util_write_text(BUNDLE "/results.json", "[1]\n");
    util_verify(BUNDLE, NULL);
    FAILS("contents of results.json");
    refused(BUNDLE "/nothing", NULL, MODNAS_ENOTFOUND, "manifest.tsv");
    refused("data", NULL, MODNAS_ENOTFOUND, "data/manifest.tsv");
}
END_TEST

START_TEST(wrong_overrides) {
    util_bundle_found();
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
    util_bundle_found();
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

int main(void) {
    Suite *s = suite_create("verify");
    util_add(s, "changed", rig_setup, util_bundle_teardown,
             (const TTest *[]){every_byte_counts, told_by_its_part, other_statements, tolerance, NULL});
    util_add(s, "none", rig_setup, util_bundle_teardown,
             (const TTest *[]){not_whole, wrong_overrides, wrong_manifests, manifest_by_hand, no_bundles, NULL});
    return util_run(s);
}
