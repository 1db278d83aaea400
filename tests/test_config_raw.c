/* `modnas config --raw` and what is behind it: files as they are. Expected JSON is written by hand after YAML 1.2.2. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modnas/config.h"
#include "util_cli.h"
#include "util_host.h"

static util_host host;
static modnas_ctx *ctx;
static util_cli cli;

static void setup(void) {
    ctx = util_ctx_new(&host);
    util_cli_new(&cli);
}

static void teardown(void) {
    util_ctx_end(&host, ctx);
    util_cli_free(&cli);
}

static void expect(const char *yaml, const char *json) {
    char *text;
    const int rc = modnas_config_raw_text(ctx, yaml, strlen(yaml), "t", &text);
    ck_assert_msg(rc == 0, "%s", modnas_errmsg(ctx));
    ck_assert_str_eq(text, json);
    modnas_string_free(ctx, text);
}

static void expect_error(const char *yaml, const char *message) {
    char *text = NULL;
    ck_assert_int_eq(modnas_config_raw_text(ctx, yaml, strlen(yaml), "t", &text), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(ctx), message);
    ck_assert_ptr_null(text);
}

START_TEST(documents) {
    expect("", "");
    expect("# nothing\n", "");
    expect("a: 1\n", "{\"a\":1}\n");
    expect("a: 1\n---\na: 2\n---\n- x\n...\n---\n", "{\"a\":1}\n{\"a\":2}\n[\"x\"]\nnull\n");
    expect("routine: nowhere\nno_such_key: {type: Nothing}\n",
           "{\"routine\":\"nowhere\",\"no_such_key\":{\"type\":\"Nothing\"}}\n"); /* nothing is looked at */
    expect("override: [a=1]\nx: \"two\\nlines\"\n", "{\"override\":[\"a=1\"],\"x\":\"two\\nlines\"}\n");
    expect("&a a: &b {x: 0x1f, y: 1e2, z: 0o17, n: ~, t: true, s: yes}\nc: *b\n",
           "{\"a\":{\"x\":31,\"y\":100.0,\"z\":15,\"n\":null,\"t\":true,\"s\":\"yes\"},\"c\":{\"x\":31,\"y\":100.0,"
           "\"z\":15,"
           "\"n\":null,\"t\":true,\"s\":\"yes\"}}\n");
    expect("123456789012345678901234567890", "123456789012345678901234567890\n");
}
END_TEST

/* 3.3.2: what is not known is not guessed: a quoted scalar is a string, a list a list; a plain 1 may be anything. */
START_TEST(unknown_tags) {
    expect("!circle {r: !local \"7\"}\n", "{\"r\":\"7\"}\n");
    expect("--- !!omap\n- a: 1\n", "[{\"a\":1}]\n");
    expect("!!set {a: , b: }\n", "{\"a\":null,\"b\":null}\n");
    expect("!!binary |\n  R0lG\n", "\"R0lG\\n\"\n");
    expect("!x two words\n", "\"two words\"\n");
    expect("!!float 1\n", "1.0\n");
    expect_error("- 0\n- !x 1\n", "t:2: tag '!x' is not known, so '1' may be a string or not; quote it");
    expect_error("!x true\n", "t:1: tag '!x' is not known, so 'true' may be a string or not; quote it");
    expect_error("!!int {a: 1}\n", "t:1: tag 'tag:yaml.org,2002:int' does not fit a map");
    expect_error("!!map [1]\n", "t:1: tag 'tag:yaml.org,2002:map' does not fit a list");
    expect_error("!!seq x\n", "t:1: 'x' is not what its tag tag:yaml.org,2002:seq says");
}
END_TEST

START_TEST(refused) {
    expect_error("a: 1\nb: .nan\n", "t:2: .nan has no form in JSON");
    expect_error("- [-.INF]\n", "t:1: -.INF has no form in JSON");
    expect_error("a: 1\na: 2\n", "t:2: key 'a' is there twice");
    expect_error("a: [1\n", "t:2: while parsing a flow sequence: did not find expected ',' or ']'");
}
END_TEST

START_TEST(arguments) {
    char *text = NULL;
    ck_assert_int_eq(modnas_config_raw_text(NULL, "", 0, "t", &text), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_config_raw_text(ctx, NULL, 1, "t", &text), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_config_raw_text(ctx, "", 0, "t", NULL), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_config_raw_file(ctx, NULL, &text), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_config_raw_file(ctx, "/nonexistent.yaml", &text), MODNAS_ENOTFOUND);
    ck_assert_ptr_null(text);
}
END_TEST

START_TEST(out_of_memory) {
    static const char yaml[] = "a: &x [1, {b: !t \"c\"}]\nd: *x\n---\n- e\n";
    const int64_t live = host.live;
    int n = 0;
    for (int rc = MODNAS_ENOMEM; rc; n++) {
        char *text = NULL;
        host.left = n;
        rc = modnas_config_raw_text(ctx, yaml, sizeof yaml - 1, NULL, &text);
        host.left = -1;
        ck_assert(rc == 0 || rc == MODNAS_ENOMEM);
        modnas_string_free(ctx, text);
        ck_assert_int_eq(host.live, live);
    }
    ck_assert_int_gt(n, 20);
}
END_TEST

static void run(const char *words, int status, const char *out, const char *err) {
    ck_assert_int_eq(util_cli_run(&cli, words), status);
    ck_assert_str_eq(cli.out, out);
    ck_assert_str_eq(cli.err, err);
}

START_TEST(program) {
    util_cli_text(&cli, "a.yaml", "x: 1\n--- [y]\n");
    util_cli_text(&cli, "b.yaml", "\nx: 1\nx: 2\n");
    run("config -c a.yaml --raw", 0, "{\"x\":1}\n[\"y\"]\n", "");
    run("config --raw -c -", 0, "", ""); /* standard input is empty */
    run("config --raw -c b.yaml", 2, "", "modnas: b.yaml:3: key 'x' is there twice\n");
    run("config --raw -c c.yaml", 2, "", "modnas: c.yaml: open: No such file or directory\n");
    run("config --raw -c .", 2, "", "modnas: .: read: Is a directory\n");
    run("config --raw", 2, "", "modnas: config: no file given; usage: modnas config -c FILE --raw\n");
    run("config --raw -c a.yaml b.yaml", 2, "",
        "modnas: config: --raw takes one -c FILE and no other option; here is --config b.yaml\n");
    run("config --raw -c a.yaml -o x=1", 2, "",
        "modnas: config: --raw takes one -c FILE and no other option; here is --override x=1\n");
}
END_TEST

int main(void) {
    Suite *s = suite_create("config_raw");
    util_add(s, "raw", setup, teardown,
             (const TTest *[]){documents, unknown_tags, refused, arguments, out_of_memory, program, NULL});
    return util_run(s);
}
