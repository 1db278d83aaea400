/* `modnas inspect`: every type, and finding the type out, from memory and from a file.
 *
 * Both ways give the same verdict. A valid file has no error, another one has one of a single line. What goes to a
 * terminal holds nothing that one obeys, and the JSON is JSON. */
#include <unistd.h>

#include "config/node.h"
#include "fuzz.h"
#include "inspect/inspect.h"
#include "modnas/inspect.h"

static void check_report(const mn_report *r) {
    FUZZ_CHECK(!r->valid == !!r->error && (!r->error || *r->error), "valid %d with the error '%s'", r->valid,
               r->error ? r->error : "");
    FUZZ_CHECK(!r->valid || r->whole, "valid, but not read to its end");
    if (r->error) FUZZ_CHECK(!strpbrk(r->error, "\n\r"), "more than a line: %s", r->error);
}

static void check_text(const char *text) {
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        FUZZ_CHECK((*c >= 0x20 && *c != 0x7f) || *c == '\n', "the byte 0x%02x in %s", *c, text);
}

static void check_json(modnas_ctx *ctx, const char *json, const mn_report *r) {
    static const char *const keys[] = {"file", "type", "valid", "bytes", "sha256", "error"};
    mn_node *docs;
    for (const char *c = json; *c; c += mn_utf8_length(c, strlen(c)))
        FUZZ_CHECK(mn_utf8_length(c, strlen(c)), "no UTF-8: %s", json);
    const int rc = mn_yaml_read(ctx, json, strlen(json), "json", &docs);
    if (rc) { /* a message may quote what YAML wants escaped and JSON does not */
        int plain = 1;
        for (const char *c = json; *c; c++) plain &= (unsigned char)*c < 0x7f;
        FUZZ_CHECK(!plain, "%s: %s", modnas_errmsg(ctx), json);
        return;
    }
    const mn_node *line = docs->items[0];
    FUZZ_CHECK(docs->n == 1 && line->kind == MN_MAP && line->n == MN_COUNT(keys), "%s", json);
    for (size_t i = 0; i < MN_COUNT(keys); i++) FUZZ_CHECK(!strcmp(line->keys[i], keys[i]), "%s", json);
    FUZZ_CHECK(mn_node_get(line, "valid")->i == r->valid && !strcmp(mn_node_get(line, "type")->text, r->type),
               "another verdict from a file than from memory: %s", json);
    if (r->whole) FUZZ_CHECK(!strcmp(mn_node_get(line, "sha256")->text, r->sha256), "another hash: %s", json);
    mn_node_free(ctx, docs);
}

static void look(modnas_ctx *ctx, const char *bytes, size_t n, const char *path, const char *as) {
    const modnas_inspect_opts opts = {.size = sizeof opts, .as = as};
    mn_report r;
    char *text, *json;
    int32_t valid = -1;
    FUZZ_CHECK(mn_inspect_mem(ctx, bytes, n, path, as, &r) == 0, "%s", modnas_errmsg(ctx));
    check_report(&r);
    if (r.valid) fuzz_accept();
    FUZZ_CHECK(modnas_inspect_json(ctx, path, &opts, &json, &valid) == 0 && valid == r.valid, "%s", modnas_errmsg(ctx));
    check_json(ctx, json, &r);
    FUZZ_CHECK(modnas_inspect_text(ctx, path, &opts, &text, &valid) == 0 && valid == r.valid, "%s", modnas_errmsg(ctx));
    check_text(text);
    modnas_string_free(ctx, json);
    modnas_string_free(ctx, text);
    mn_report_free(&r);
}

static void run(modnas_ctx *ctx, const char *bytes, size_t n) {
    static const char *const types[] = {NULL,      "idx",  "cifar10", "gzip",  "zlib",
                                        "deflate", "yaml", "arch",    "table", "chkpt", "onnx"};
    char path[64];
    const int fd = fuzz_file(bytes, n, path);
    for (size_t i = 0; i < MN_COUNT(types); i++) look(ctx, bytes, n, path, types[i]);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    return fuzz_run(run, data, n, 64 << 20, 2048);
}
