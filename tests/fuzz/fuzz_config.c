/* Configurations: files and words of a command line, merged and checked.
 *
 *   YAML \f key=value \f key=value ...      texts behind a form feed are what stands behind -o
 *
 * A configuration that was accepted and is printed is one again, and prints the same. A text that is refused leaves the
 * configuration as it was. */
#include "fuzz.h"
#include "modnas/config.h"

static modnas_config *config_new(modnas_ctx *ctx) {
    modnas_config *cfg;
    FUZZ_CHECK(modnas_config_new(ctx, &cfg) == 0, "%s", modnas_errmsg(ctx));
    return cfg;
}

/* The JSON of a configuration; NULL if it does not pass. */
static char *json_of(modnas_ctx *ctx, modnas_config *cfg) {
    char *json;
    fuzz_fill(&json, sizeof json);
    const int rc = modnas_config_json(cfg, &json);
    fuzz_check_text(ctx, rc);
    if (!rc) return json;
    fuzz_check_untouched(&json, sizeof json);
    return NULL;
}

static void expect_json(modnas_ctx *ctx, modnas_config *cfg, const char *want, const char *when) {
    char *json = json_of(ctx, cfg);
    FUZZ_CHECK(json, "%s: %s\n%s", when, modnas_errmsg(ctx), want);
    FUZZ_CHECK(strcmp(json, want) == 0, "%s:\n%s\nwas\n%s", when, json, want);
    modnas_string_free(ctx, json);
}

static void check_again(modnas_ctx *ctx, const char *json) {
    modnas_config *cfg = config_new(ctx);
    const int rc = modnas_config_add_text(cfg, json, strlen(json), "again");
    FUZZ_CHECK(!rc || !fuzz_is_modest(json), "%s\n%s", modnas_errmsg(ctx), json);
    if (!rc) expect_json(ctx, cfg, json, "read again");
    modnas_config_free(cfg);
}

/* Give every word; *used: any was taken. */
static void add_words(modnas_ctx *ctx, modnas_config *cfg, const char *words, int *used) {
    mn_str word = {.ctx = ctx};
    while (*words) {
        const size_t n = strcspn(words, "\f");
        mn_str_addn(&word, words, n);
        const int rc = modnas_config_override(cfg, word.text);
        fuzz_check_text(ctx, rc);
        *used |= !rc;
        mn_str_free(&word);
        words += n + (words[n] == '\f');
    }
}

static void run(modnas_ctx *ctx, const char *bytes, size_t n) {
    modnas_config *cfg = config_new(ctx);
    const char *end = memchr(bytes, '\f', n);
    const size_t n_yaml = end ? (size_t)(end - bytes) : n;
    int used = 0;
    const int rc = modnas_config_add_text(cfg, bytes, n_yaml, "in.yaml");
    fuzz_check_text(ctx, rc);
    char *json = rc ? NULL : json_of(ctx, cfg);
    if (json) {
        fuzz_accept();
        check_again(ctx, json);
        FUZZ_CHECK(modnas_config_add_text(cfg, "][", 2, "bad") == MODNAS_ECONFIG, "no YAML was taken");
        expect_json(ctx, cfg, json, "after a refused text");
    }
    if (end) add_words(ctx, cfg, end + 1, &used);
    char *with_words = json_of(ctx, cfg);
    if (with_words) check_again(ctx, with_words);
    if (json && !used) FUZZ_CHECK(with_words && strcmp(json, with_words) == 0, "refused words changed\n%s", json);
    modnas_string_free(ctx, with_words);
    modnas_string_free(ctx, json);
    modnas_config_free(cfg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    return fuzz_run(run, data, n, 128 << 20, 4096);
}
