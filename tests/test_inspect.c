/* Looking at files, through the public functions: what types are found out, what is said about right and wrong files,
 * and that big ones take no memory. Files are built here after their formats; hashes are those of sha256sum. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inspect/inspect.h"
#include "modnas/inspect.h"
#include "module/safetensors.h"
#include "util_host.h"
#include "util_shared.h"

static util_host host;
static modnas_ctx *ctx;
static char folder[64], path[128];

static void setup(void) {
    ctx = util_ctx_new(&host);
    strcpy(folder, "/tmp/modnas-inspect-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    path[0] = 0;
}

static void teardown(void) {
    util_ctx_end(&host, ctx);
    if (path[0]) unlink(path);
    rmdir(folder);
}

/* One file at a time: the last one goes. */
static void put(const char *name, const void *data, size_t bytes) {
    if (path[0]) unlink(path);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, bytes, f), bytes);
    ck_assert_int_eq(fclose(f), 0);
}

/* What is said about `path`, behind its name. */
static void look(const char *as, int json, int32_t want_valid, char *said, size_t bytes) {
    const modnas_inspect_opts opts = {.size = sizeof opts, .as = as};
    char *text = NULL;
    int32_t valid = -1;
    const int rc = json ? modnas_inspect_json(ctx, path, &opts, &text, &valid)
                        : modnas_inspect_text(ctx, path, &opts, &text, &valid);
    ck_assert_msg(rc == 0, "%s", modnas_errmsg(ctx));
    ck_assert_msg(valid == want_valid, "valid is %d: %s", valid, text);
    snprintf(said, bytes, "%s", text);
    modnas_string_free(ctx, text);
}

static void expect_text(const char *as, int32_t valid, const char *want) {
    char said[4096], all[4096];
    look(as, 0, valid, said, sizeof said);
    char *sha = strstr(said, ", SHA-256 ");
    if (sha) sha[0] = 0; /* hashes are looked at elsewhere */
    snprintf(all, sizeof all, "%s: %s", path, want);
    ck_assert_str_eq(said, all);
}

/* error: what stands behind the name of the file. */
static void expect_error(const char *as, const char *type, const char *error) {
    char said[4096], want[4096];
    look(as, 1, 0, said, sizeof said);
    snprintf(want, sizeof want, "{\"file\":\"%s\",\"type\":\"%s\",\"valid\":false,", path, type);
    ck_assert_msg(strncmp(said, want, strlen(want)) == 0, "%s", said);
    snprintf(want, sizeof want, "\"error\":\"%s%s\"}\n", path, error);
    ck_assert_msg(strstr(said, want) != NULL, "no %s in %s", want, said);
}

static const uint8_t idx_labels[11] = {0, 0, 8, 1, 0, 0, 0, 3, 7, 1, 7};

START_TEST(json) {
    char said[1024], want[1024];
    uint8_t packed[64];
    put("x", idx_labels, sizeof idx_labels);
    look(NULL, 1, 1, said, sizeof said);
    snprintf(want, sizeof want,
             "{\"file\":\"%s\",\"type\":\"idx\",\"valid\":true,\"bytes\":11,\"sha256\":"
             "\"e1fbfb13ee9dbe2cfeb7cc21f35cd3870d314846d056cf8cce2f625373720abd\",\"error\":null}\n",
             path);
    ck_assert_str_eq(said, want);
    put("y\"\n", packed, util_pack("hello\n", 6, 31, packed, sizeof packed));
    look(NULL, 1, 1, said, sizeof said);
    snprintf(want, sizeof want,
             "{\"file\":\"%s/y\\\"\\n\",\"type\":\"gzip\",\"valid\":true,\"bytes\":6,\"sha256\":"
             "\"5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\",\"error\":null}\n",
             folder);
    ck_assert_str_eq(said, want);
    put("z", packed, 12);
    look("zlib", 1, 0, said, sizeof said);
    snprintf(want, sizeof want,
             "{\"file\":\"%s\",\"type\":\"zlib\",\"valid\":false,\"bytes\":null,\"sha256\":null,\"error\":"
             "\"%s: zlib data is wrong near byte 2, after 0 unpacked bytes: incorrect header check\"}\n",
             path, path);
    ck_assert_str_eq(said, want);
}
END_TEST

START_TEST(types_found_out) {
    static uint8_t record[3073], z[8192];
    static const struct {
        const char *name, *text, *want;
    } texts[] = {
        {"a", "a: 1\n", "yaml\n  1 document\n  1: a map of 1: a\n  5 bytes"},
        {"a.json", "{}", "yaml\n  1 document\n  1: a map of 0\n  2 bytes"},
        {"a.yml", "# nothing\n", "yaml\n  0 documents\n  10 bytes"},
        {"a", "# text\n\n- b\n---\nx\n...\n--- 1.5\n",
         "yaml\n  3 documents\n  1: a list of 1\n  2: the string 'x'\n  3: the number 1.5\n  30 bytes"},
        {"a", "x\ty\n1\t2\n",
         "table\n  1 row, 2 columns\n  x: numbers from 1 to 1\n  y: numbers from 2 to 2\n  8 bytes"},
        {"a.tsv", "x", "table\n  0 rows, 1 column\n  x: nothing\n  1 bytes"},
        {"a", "- [MB3E6]\n- null\n- MB3E6\n", "arch\n  a list of 3 items, 1 of them null\n  MB3E6 x 2\n  25 bytes"},
        {"arch_search_best.yaml", "[NEW]\n",
         "arch\n  a list of 1 item, 0 of them null\n  NEW x 1\n  no candidates here: NEW\n  6 bytes"},
    };
    for (size_t i = 0; i < MN_COUNT(texts); i++) {
        put(texts[i].name, texts[i].text, strlen(texts[i].text));
        expect_text(NULL, 1, texts[i].want);
    }
    put("x.bin", record, sizeof record);
    expect_text(NULL, 1, "cifar10\n  1 record of a label and 3 x 32 x 32 pixels\n  labels: 0 x 1\n  3073 bytes");
    put("x.bin.gz", z, util_pack(record, sizeof record, 31, z, sizeof z));
    expect_text(NULL, 1,
                "cifar10\n  1 record of a label and 3 x 32 x 32 pixels, in gzip\n  labels: 0 x 1\n  3073 bytes");
    put("x.gz", z, util_pack(idx_labels, sizeof idx_labels, 31, z, sizeof z));
    expect_text(NULL, 1, "idx\n  3 labels, in gzip\n  labels: 1 x 1, 7 x 2\n  11 bytes");
    char want[80];
    const size_t n = util_pack(record, sizeof record, 15, z, sizeof z);
    put("x", z, n);
    snprintf(want, sizeof want, "zlib\n  1 stream, %zu bytes packed\n  3073 bytes", n);
    expect_text(NULL, 1, want);
    put("x", "plain words\n", 12);
    expect_error(
        NULL, "unknown",
        ": neither its name nor its first bytes tell what it is; types to read it as: idx, cifar10, gzip, zlib, "
        "deflate, yaml, arch, table, chkpt, onnx");
    put("x", "", 0);
    expect_error(NULL, "unknown",
                 ": 0 bytes; types to read it as: idx, cifar10, gzip, zlib, deflate, yaml, arch, table, chkpt, onnx");
    unlink(path);
    expect_error(NULL, "unknown", ": No such file or directory");
    expect_error("idx", "idx", ": No such file or directory");
    put("x", "", 0);
}
END_TEST

/* 2 images of 1 x 2: pixels 0, 255, 51, 0: mean 306 / 4 / 255 = 0.3. */
START_TEST(idx_images) {
    static const uint8_t b[20] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 255, 51, 0};
    put("x", b, sizeof b);
    expect_text(NULL, 1, "idx\n  2 images of 1 x 2\n  pixels from 0 to 255, mean 0.3 where 255 is 1\n  20 bytes");
    put("x", b, 19);
    expect_error(NULL, "idx", ": ends at byte 19: 3 of the 4 bytes of 2 images of 1 x 2 are there");
}
END_TEST

/* Streams made by zlib: whole, two, cut, with one byte more. */
START_TEST(packed) {
    static const struct {
        const char *as, *unit, *more;
        int window_bits;
    } kinds[] = {{"gzip", "gzip member", ": gzip data is wrong near byte 24, after 0 unpacked bytes", 31},
                 {"zlib", "zlib stream", ": more bytes follow the zlib stream, which ends at byte ", 15},
                 {"deflate", "deflate stream", ": more bytes follow the deflate stream, which ends at byte ", -15}};
    for (size_t i = 0; i < MN_COUNT(kinds); i++) {
        uint8_t z[128];
        char said[1024], want[128];
        const size_t n = util_pack("hello\n", 6, kinds[i].window_bits, z, sizeof z);
        put("x", z, n);
        look(kinds[i].as, 1, 1, said, sizeof said);
        ck_assert_ptr_nonnull(strstr(said, "\"bytes\":6,\"sha256\":\"5891b5b522d5df08"));
        for (size_t cut = 0; cut < n; cut++) {
            put("x", z, cut);
            snprintf(want, sizeof want, ": ends at byte %zu inside a %s, after ", cut, kinds[i].unit);
            look(kinds[i].as, 1, 0, said, sizeof said);
            ck_assert_msg(strstr(said, want) != NULL, "no %s in %s", want, said);
            ck_assert_ptr_nonnull(strstr(said, "\"bytes\":null,\"sha256\":null"));
        }
        z[n] = 0;
        put("x", z, n + 1);
        look(kinds[i].as, 1, 0, said, sizeof said);
        memcpy(z + n, z, n);
        put("x", z, 2 * n);
        look(kinds[i].as, 1, i == 0, said, sizeof said);
        ck_assert_ptr_nonnull(strstr(said, i == 0 ? "\"bytes\":12" : kinds[i].more));
    }
}
END_TEST

/* Of more than that a table is judged by its reader (test_data_table). */
START_TEST(tables) {
    static const char crlf[] = "name\tx\ty\r\na b\t-1.5\t00\r\n\"c\"\t-\t12\r\nd\t2e3\t\r\n";
    put("t", crlf, sizeof crlf - 1);
    expect_text("table", 1,
                "table\n  3 rows, 3 columns\n  name: text\n  x: numbers from -1.5 to 2000, 1 missing\n"
                "  y: text, 1 missing\n  41 bytes");
    put("t", "a\tb\n1\n", 6);
    expect_error("table", "table", ":2: 1 field in a table of 2 columns");
}
END_TEST

START_TEST(archs) {
    static const struct {
        const char *text, *want;
    } right[] = {
        {"[[MB3E3, MB5E3], [NIL]]", "a list of 2 items, 0 of them null\n  MB3E3 x 1, MB5E3 x 1, NIL x 1\n"},
        {"{c_0: MB3E3, lr: 0.5}", "a map of 2 items, 0 of them null\n  MB3E3 x 1\n"},
        {"[[[[SC3], [0], 2]], null]", "a list of 2 items, 1 of them null\n  SC3 x 1\n"},
        {"- {type: MB3E3, args: {bias: true}}", "a list of 1 item, 0 of them null\n  MB3E3 x 1\n"},
        {"0120", "the text 0120\n"},
        {"normal=sep_conv_3x3:0 reduce=max_pool_3x3:1", "the text normal=sep_conv_3x3:0 reduce=max_pool_3x3:1\n"},
    };
    static const struct {
        const char *text, *error;
    } wrong[] = {
        {"", ": 0 documents; an architecture is 1"},
        {"a\n---\nb\n", ": 2 documents; an architecture is 1"},
        {"~", ":1: an architecture of nothing"},
        {"{}", ":1: an architecture of nothing"},
        {"[]", ":1: a list without items in an architecture"},
        {"- MB3E3\n- []\n", ":2: a list without items in an architecture"},
        {"- MB3E3\n- 0.5\n", ":2: the number 0.5 in an architecture; items are names, null, lists or maps"},
        {"- [true]\n", ":1: true in an architecture; items are names, null, lists or maps"},
        {"- !x MB3E3\n", ":1: tag '!x' is not known"},
    };
    for (size_t i = 0; i < MN_COUNT(right); i++) {
        char said[1024];
        put("a", right[i].text, strlen(right[i].text));
        look("arch", 0, 1, said, sizeof said);
        ck_assert_msg(strstr(said, right[i].want) != NULL, "no %s in %s", right[i].want, said);
    }
    for (size_t i = 0; i < MN_COUNT(wrong); i++) {
        put("a", wrong[i].text, strlen(wrong[i].text));
        expect_error("arch", "arch", wrong[i].error);
    }
}
END_TEST

static int fill_tensor(size_t i, void *data, void *ud) {
    (void)ud;
    for (size_t k = 0; k < (i ? 2 : 6); k++) ((float *)data)[k] = (float)k;
    return 0;
}

START_TEST(checkpoints) {
    static const mn_tensor_info tensors[] = {{.name = "conv.weight", .rank = 2, .dims = {2, 3}},
                                             {.name = "conv.bias", .rank = 1, .dims = {2}}};
    static const char *const metadata[] = {"format", "modnas", "model", "m", NULL};
    char *file;
    size_t n;
    put("x.safetensors", "", 0);
    ck_assert_int_eq(mn_safetensors_write(ctx, path, tensors, 2, metadata, fill_tensor, NULL), 0);
    ck_assert_int_eq(mn_file_read(ctx, path, 4096, &file, &n), 0);
    char want[256];
    snprintf(want, sizeof want,
             "chkpt\n  2 tensors, 8 values\n  format: modnas\n  model: m\n  conv.weight (2, 3)\n  conv.bias (2)\n  %zu "
             "bytes",
             n);
    expect_text(NULL, 1, want);
    put("x", file, n);
    expect_text(NULL, 1, want); /* without the name too */
    put("x", file, n - 1);
    expect_error(NULL, "chkpt", ": tensor conv.bias ends at byte 32 of 31");
    put("x", file, 40);
    snprintf(want, sizeof want, ": a header of %zu bytes in a file of 40", n - 8 - 32);
    expect_error("chkpt", "chkpt", want);
    put("x", file, 3);
    expect_error("chkpt", "chkpt", ": 3 bytes, no safetensors file");
    memset(file, 0xff, 8);
    put("x", file, n);
    snprintf(want, sizeof want, ": a header of 18446744073709551615 bytes in a file of %zu", n);
    expect_error("chkpt", "chkpt", want);
    mn_free(ctx, file);
}
END_TEST

/* What a terminal would obey does not get there. */
START_TEST(control_characters) {
    char said[1024];
    static const char yaml[] = "\"a\\e[2J\": 1\n";
    put("x.yaml", yaml, sizeof yaml - 1);
    look(NULL, 0, 1, said, sizeof said);
    ck_assert_ptr_nonnull(strstr(said, "a map of 1: a?[2J\n"));
}
END_TEST

/* 32 MB of zeros in 32 KB: in no way more than a window is held. As YAML, a table or a checkpoint it is not unpacked.
 */
START_TEST(bombs) {
    enum { N = 32 << 20 };
    static const char *const types[] = {"gzip", "idx", "cifar10", "yaml", "arch", "table", "chkpt", NULL};
    uint8_t *zeros = calloc(1, N), *z = malloc(1 << 20);
    char said[2048];
    memcpy(zeros, (const uint8_t[16]){0, 0, 8, 3, 0, 0, 0, 32, 0, 0, 4, 0, 0, 0, 4, 0}, 16);
    put("bomb.gz", z, util_pack(zeros, N, 31, z, 1 << 20));
    const size_t before = ctx->bytes_live;
    for (size_t i = 0; i < MN_COUNT(types); i++) {
        ctx->bytes_peak = before;
        look(types[i], 1, types[i] && strcmp(types[i], "gzip") == 0, said, sizeof said);
        ck_assert_msg(ctx->bytes_peak - before < 512 << 10, "%zu bytes for %s", ctx->bytes_peak - before,
                      types[i] ? types[i] : "nothing said");
    }
    free(z);
    free(zeros);
}
END_TEST

START_TEST(arguments) {
    modnas_inspect_opts opts = {.size = sizeof opts, .as = "gzp"};
    char *text = NULL;
    int32_t valid = 7;
    put("x", "", 0);
    ck_assert_int_eq(modnas_inspect_json(ctx, path, &opts, &text, &valid), MODNAS_EINVAL);
    ck_assert_str_eq(modnas_errmsg(ctx), "there is no type 'gzp'; did you mean 'gzip'?; types: idx, cifar10, gzip, "
                                         "zlib, deflate, yaml, arch, table, chkpt, onnx");
    ck_assert_int_eq(modnas_inspect_json(NULL, path, NULL, &text, &valid), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_inspect_text(ctx, NULL, NULL, &text, &valid), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_inspect_text(ctx, path, NULL, NULL, &valid), MODNAS_EINVAL);
    opts.size = 0;
    ck_assert_int_eq(modnas_inspect_text(ctx, path, &opts, &text, &valid), MODNAS_EINVAL);
    ck_assert_ptr_null(text);
    ck_assert_int_eq(valid, 7);
    ck_assert_int_eq(modnas_inspect_json(ctx, path, NULL, &text, NULL), 0);
    modnas_string_free(ctx, text);
}
END_TEST

/* Each allocation fails once, for each type: MODNAS_ENOMEM and nothing left, or the same report. */
START_TEST(out_of_memory) {
    static const struct {
        const char *as, *text;
    } files[] = {{"yaml", "a: [b, &x c, *x]\n"},
                 {"arch", "[MB3E3, null]"},
                 {"table", "a\tb\n1\t2\n"},
                 {"table", "a\n1\t2\n"},
                 {NULL, "- MB3E3\n"},
                 {"chkpt", "12345678"},
                 {"idx", "\1"},
                 {"cifar10", ""}};
    for (size_t i = 0; i < MN_COUNT(files); i++) {
        int rc = MODNAS_ENOMEM;
        put("x", files[i].text, strlen(files[i].text));
        for (int n = 0; rc; n++) {
            const modnas_inspect_opts opts = {.size = sizeof opts, .as = files[i].as};
            char *text = NULL;
            modnas_ctx *own = NULL;
            const modnas_ctx_opts ctx_opts = util_host_opts(&host);
            const int64_t live = host.live;
            ck_assert_int_eq(modnas_ctx_new(&ctx_opts, &own), 0); /* each time a registry without rows */
            host.left = n;
            rc = modnas_inspect_text(own, path, &opts, &text, NULL);
            host.left = -1;
            ck_assert_msg(rc == 0 || rc == MODNAS_ENOMEM, "%s: %d", modnas_errmsg(own), rc);
            modnas_string_free(own, text);
            modnas_ctx_free(own);
            ck_assert_int_eq(host.live, live);
        }
    }
}
END_TEST

START_TEST(memory) {
    mn_report r;
    ck_assert_int_eq(mn_inspect_mem(ctx, idx_labels, sizeof idx_labels, "m", NULL, &r), 0);
    ck_assert_str_eq(r.type, "idx");
    ck_assert_int_eq(r.valid, 1);
    ck_assert_uint_eq(r.bytes, 11);
    mn_report_free(&r);
    ck_assert_int_eq(mn_inspect_mem(ctx, NULL, 0, "m", "yaml", &r), 0); /* no document is valid YAML */
    ck_assert_int_eq(r.valid, 1);
    mn_report_free(&r);
    ck_assert_int_eq(mn_inspect_mem(ctx, "", 0, "m", "deflate", &r), 0);
    ck_assert_str_eq(r.error, "m: ends at byte 0 inside a deflate stream, after 0 unpacked bytes");
    mn_report_free(&r);
    ck_assert_int_eq(mn_inspect_mem(ctx, "", 0, "m", "", &r), MODNAS_EINVAL);
}
END_TEST

int main(void) {
    Suite *s = suite_create("inspect");
    util_add(s, "types", setup, teardown,
             (const TTest *[]){json, types_found_out, idx_images, packed, tables, archs, checkpoints,
                               control_characters, NULL});
    util_add(s, "all", setup, teardown, (const TTest *[]){bombs, arguments, out_of_memory, memory, NULL});
    return util_run(s);
}
