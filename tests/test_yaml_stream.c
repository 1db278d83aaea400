/* The stream of documents and the tabs of YAML 1.2: what libyaml alone would refuse, and what must stay refused.
 * Expectations follow YAML 1.2.2, sections as noted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modnas/config.h"
#include "util_host.h"

static util_host host;
static modnas_ctx *ctx;

static void setup(void) {
    ctx = util_ctx_new(&host);
}

static void teardown(void) {
    util_ctx_end(&host, ctx);
}

typedef struct row {
    const char *section, *yaml, *want; /* JSON, or the message */
} row;

static void expect(const row *rows, size_t n, int status) {
    for (size_t i = 0; i < n; i++) {
        char *text = NULL;
        const int rc = modnas_config_raw_text(ctx, rows[i].yaml, strlen(rows[i].yaml), "t", &text);
        ck_assert_msg(rc == status, "%s: %s: %d %s", rows[i].section, rows[i].yaml, rc, text ? text : "");
        ck_assert_str_eq(rc ? modnas_errmsg(ctx) : text, rows[i].want);
        modnas_string_free(ctx, text);
    }
}

START_TEST(documents) {
    static const row rows[] = {
        {"9.2", "a\n...\nb: 1\n...\n# c\n", "\"a\"\n{\"b\":1}\n"}, /* a bare document behind another */
        {"9.2", "...\n...\n", ""},                                 /* ends, and nothing that ends */
        {"9.2", "# c\n... # d\n\na\n", "\"a\"\n"},
        {"9.1.2", "a\n--- b\n---\n---\tc\n...", "\"a\"\n\"b\"\nnull\n\"c\"\n"},
        {"9.1.2", "a\n----\n.... b\n ---\n", "\"a ---- .... b ---\"\n"}, /* none of these is a marker */
        {"9.1.2", "a: 1\r\n---\r\nb\r\n...\r\n", "{\"a\":1}\n\"b\"\n"},
        {"6.8", "%FOO bar # c\n%TAG !y! tag:yaml.org,2002:\n---\n!y!str 1\n", "\"1\"\n"},
        {"6.8.1", "%YAML 1.3 # later\n--- a\n...\n%YAML 1.12\n--- b\n", "\"a\"\n\"b\"\n"},
        {"6.8.2", "%TAG !y! tag:yaml.org,2002:\n--- !y!str 1\n...\n%YAML 1.1\n--- 2\n", "\"1\"\n2\n"},
        {"8.1.1.2", "- |+\n   ", "[\"\\n\"]\n"}, /* the end of the text ends a line of blanks */
        {"8.1.1.2", "a: |\n  x\n   ", "{\"a\":\"x\\n \\n\"}\n"},
        {"9.2", "a\n   ", "\"a\"\n"},
    };
    expect(rows, MN_COUNT(rows), 0);
}
END_TEST

START_TEST(wrong_documents) {
    static const row rows[] = {
        {"9.2", "%YAML 1.2\n", "t:2: a directive ('%') without a document behind it"},
        {"9.2", "a\n...\n%FOO\n# b\n...\n", "t:5: a directive ('%') without a document behind it"},
        {"9.2", "a: 1\n%FOO\n---\n", "t:2: while scanning a directive: found unknown directive name"},
        {"9.2", "%YAML 1.2\na\n", "t:2: did not find expected <document start>"},
        {"9.1.2", "a\n...\n... b\n", "t:3: text behind '...'"},
        {"6.8.1", "%YAML 2.0\n---\n", "t:1: found incompatible YAML document"},
        {"6.8.1", "%YAML 1.3 1\n---\n", "t:1: while scanning a directive: did not find expected comment or line break"},
        {"6.8.1", "%YAML 1.3\n%YAML 1.3\n---\n", "t:2: found duplicate %YAML directive"},
        {"6.8.2", "%TAG !y! tag:yaml.org,2002:\n--- !y!str 1\n--- !y!str 1\n",
         "t:3: while parsing a node: found undefined tag handle"},
        {"7.1", "&a b\n--- *a\n", "t:2: no anchor '&a' comes before this alias"},
        {"3.2.1.3", "a: 1\n---\nb: 1\nb: 2\n", "t:4: key 'b' is there twice"},
        {"5.1", "a\n...\n# \x01\n",
         "t:3: control characters are not allowed"}, /* in what comes behind the last one, too */
    };
    expect(rows, MN_COUNT(rows), MODNAS_ECONFIG);
}
END_TEST

/* 6.1: tabs separate, they do not indent. */
START_TEST(tabs) {
    static const row rows[] = {
        {"6.2", "-\ta\n-\t\tb\n- \t-1\n", "[\"a\",\"b\",-1]\n"},
        {"6.2", "a:\n \tb\n", "{\"a\":\"b\"}\n"},
        {"6.2", "\t[\n\t]\n", "[]\n"},
        {"6.2", "a: {\n \tb: 1\n \t}\n", "{\"a\":{\"b\":1}}\n"},
        {"6.2", "?\ta\n:\tb\n", "{\"a\":\"b\"}\n"},
        {"6.6", " \t\na: 1\n\t\nb: 2\n \t \n", "{\"a\":1,\"b\":2}\n"},
        {"6.6", "\t# c\na: 1\n\t# d\nb: 2\n", "{\"a\":1,\"b\":2}\n"},
        {"8.1.2", "a: |\n  b\n  \tc\n", "{\"a\":\"b\\n\\tc\\n\"}\n"}, /* behind the indentation it is text */
        {"7.3.1", "a: \"b\n \tc\"\n", "{\"a\":\"b c\"}\n"},
        {"9.2", "%YAML 1.2\n\t\n---\n", "null\n"},
    };
    expect(rows, MN_COUNT(rows), 0);
}
END_TEST

#define TAB "a tab is no indentation"
START_TEST(wrong_tabs) {
    static const row rows[] = {
        {"6.1", "\ta: 1\n", "t:1: " TAB},
        {"6.1", "a:\n\tb: 1\n", "t:2: " TAB},
        {"6.1", "a:\n \tb: 1\n", "t:2: " TAB},
        {"6.1", "a:\n\t- b\n", "t:2: " TAB},
        {"8.2.1", "-\t- a\n", "t:1: " TAB},
        {"8.2.1", "- \ta: 1\n", "t:1: " TAB},
        {"8.2.2", "?\t- a\n", "t:1: " TAB},
        {"8.2.2", "? a\n:\t- b\n", "t:2: " TAB},
        {"8.2.2", "? \"a\"\n\t: b\n", "t:2: " TAB},
        {"6.1", "a:\n\tb\n", "t:2: this line has to be indented more than what it belongs to"},
        {"6.1", "a: [\n\tb]\n",
         "t:2: a line of a list in [] or a map in {} has to be indented more than what it belongs to"},
        {"6.1", "a: b\n\tc\n", "t:2: while scanning a plain scalar: found a tab character that violates indentation"},
        {"6.5", "a: b\n\t\n c\n", "t:1: " TAB}, /* an empty line of a scalar has no tab in its indentation */
    };
    expect(rows, MN_COUNT(rows), MODNAS_ECONFIG);
}
END_TEST

/* 64 MiB of text could become gigabytes of values. */
START_TEST(many_values) {
    enum { N = 2000002 };
    char *text = malloc(N), *out;
    for (size_t i = 0; i < N; i += 2) memcpy(text + i, "-\n", 2);
    ck_assert_int_eq(modnas_config_raw_text(ctx, text, N, "t", &out), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(ctx), "t:1000000: more than 1000000 values"); /* the list is one of them */
    ck_assert_uint_lt(ctx->bytes_peak, 256 << 20);
    free(text);
}
END_TEST

START_TEST(limits) {
    enum { N = 400004 };
    static char text[N];
    char *out;
    for (size_t i = 0; i < N; i += 4) memcpy(text + i, "---\n", 4);
    ck_assert_int_eq(modnas_config_raw_text(ctx, text, N, "t", &out), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(ctx), "t:100001: more than 100000 documents");
    for (size_t i = 0; i < N; i += 2) memcpy(text + i, "\t\n", 2); /* each of them stops libyaml once */
    ck_assert_int_eq(modnas_config_raw_text(ctx, text, N, "t", &out), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(ctx), "t:1: too many tabs that stand for blanks");
}
END_TEST

/* What is ignored is told. */
START_TEST(warnings) {
    static const row one = {"6.8", "a\n...\n%FOO x\n%YAML 1.4\n---\n", "\"a\"\nnull\n"};
    expect(&one, 1, 0);
    ck_assert_int_eq(host.level, MODNAS_LOG_WARN);
    ck_assert_str_eq(host.log, "t:3: ignored: '%FOO'\nt:4: read as YAML 1.2: '%YAML 1.4'\n");
}
END_TEST

START_TEST(out_of_memory) {
    static const char yaml[] = "%FOO\n--- a\n...\n\t\nb: c\n\t\nd: e\n  ";
    const int64_t live = host.live;
    int rc = MODNAS_ENOMEM, tries = 0;
    for (; rc; tries++) {
        char *text = NULL;
        host.left = tries;
        rc = modnas_config_raw_text(ctx, yaml, sizeof yaml - 1, "t", &text);
        host.left = -1;
        ck_assert(rc == 0 || rc == MODNAS_ENOMEM);
        modnas_string_free(ctx, text);
        ck_assert_int_eq(host.live, live);
    }
    ck_assert_int_gt(tries, 20);
}
END_TEST

int main(void) {
    Suite *s = suite_create("yaml_stream");
    util_add(s, "stream", setup, teardown,
             (const TTest *[]){documents, wrong_documents, tabs, wrong_tabs, many_values, limits, warnings,
                               out_of_memory, NULL});
    return util_run(s);
}
