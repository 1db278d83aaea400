/* YAML, as configurations are read and as `modnas config --raw` reads any file.
 *
 * What was accepted and is written comes back the same; the lines of --raw are the documents. */
#include "config/node.h"
#include "fuzz.h"
#include "modnas/config.h"

static void read_again(modnas_ctx *ctx, const mn_node *doc, const char *text, size_t n, int may_refuse) {
    mn_node *docs;
    const int rc = mn_yaml_read(ctx, text, n, "again", &docs);
    if (rc && may_refuse) return;
    FUZZ_CHECK(rc == 0, "%s\n%s", modnas_errmsg(ctx), text);
    FUZZ_CHECK(docs->n == 1 && mn_node_equal(doc, docs->items[0]), "another value:\n%s", text);
    mn_node_free(ctx, docs);
}

static void write_and_read(modnas_ctx *ctx, const mn_node *doc) {
    mn_str s = {.ctx = ctx};
    mn_node_yaml(&s, doc);
    FUZZ_CHECK(!s.failed, "no memory");
    read_again(ctx, doc, s.text, s.n, 0);
    mn_str_free(&s);
}

static void read_strict(modnas_ctx *ctx, const char *text, size_t n) {
    mn_node *docs;
    fuzz_fill(&docs, sizeof docs);
    const int rc = mn_yaml_read(ctx, text, n, "in.yaml", &docs);
    fuzz_check_text(ctx, rc);
    if (rc) {
        FUZZ_CHECK(rc == MODNAS_ECONFIG, "status %d", rc);
        fuzz_check_untouched(&docs, sizeof docs);
        return;
    }
    fuzz_accept();
    for (size_t i = 0; i < docs->n; i++) write_and_read(ctx, docs->items[i]);
    mn_node_free(ctx, docs);
}

/* Each line against the document of the same number. */
static void check_lines(modnas_ctx *ctx, const char *lines, const char *text, size_t n) {
    mn_node *docs;
    FUZZ_CHECK(mn_yaml_read_raw(ctx, text, n, "in.yaml", &docs) == 0, "%s", modnas_errmsg(ctx));
    for (size_t i = 0; i < docs->n; i++) {
        const char *end = strchr(lines, '\n');
        FUZZ_CHECK(end, "%zu lines for %zu documents", i, docs->n);
        char *line = mn_strndup(ctx, lines, (size_t)(end - lines));
        read_again(ctx, docs->items[i], line, strlen(line), !fuzz_is_modest(line));
        mn_free(ctx, line);
        lines = end + 1;
    }
    FUZZ_CHECK(!*lines, "more lines than documents");
    mn_node_free(ctx, docs);
}

static void read_raw(modnas_ctx *ctx, const char *text, size_t n) {
    char *lines;
    fuzz_fill(&lines, sizeof lines);
    const int rc = modnas_config_raw_text(ctx, text, n, "in.yaml", &lines);
    fuzz_check_text(ctx, rc);
    if (rc) {
        fuzz_check_untouched(&lines, sizeof lines);
        return;
    }
    fuzz_accept();
    check_lines(ctx, lines, text, n);
    modnas_string_free(ctx, lines);
}

static void run(modnas_ctx *ctx, const char *text, size_t n) {
    read_strict(ctx, text, n);
    read_raw(ctx, text, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    return fuzz_run(run, data, n, 128 << 20, 2048);
}
