/* `modnas inspect`: words, streams and statuses. What is said about files is looked at in test_inspect. */
#include <stdlib.h>
#include <string.h>

#include "util_cli.h"
#include "util_host.h"
#include "util_shared.h"

static util_cli cli;
static size_t hello_bytes; /* of hello.z */

/* A right table, the same with a ragged line, and a packed "hello". */
static void start(void) {
    char packed[64];
    util_cli_new(&cli);
    util_cli_text(&cli, "good.tsv", "a\tb\n1\t2\n");
    util_cli_text(&cli, "bad.tsv", "a\tb\n1\t2\n3\n");
    hello_bytes = util_pack("hello\n", 6, 15, packed, sizeof packed);
    util_cli_write(&cli, "hello.z", packed, hello_bytes);
    util_cli_write(&cli, "hello.deflate", packed, util_pack("hello\n", 6, -15, packed, sizeof packed));
}

static void stop(void) {
    util_cli_free(&cli);
}

static void run(const char *words, int status, const char *out, const char *err) {
    ck_assert_int_eq(util_cli_run(&cli, words), status);
    ck_assert_str_eq(cli.out, out);
    ck_assert_str_eq(cli.err, err);
}

#define HELLO "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03" /* echo hello | sha256sum */
#define TSV_OK                                                                                                         \
    "good.tsv: table\n  1 row, 2 columns\n  a: numbers from 1 to 1\n  b: numbers from 2 to 2\n  8 bytes, SHA-256 "     \
    "8db4d84da82d0020646ed808dff19ce516a74a948820cc5cdbbe1ce69c7e037d\n"

START_TEST(text) {
    char want[200];
    snprintf(want, sizeof want, "hello.z: zlib\n  1 stream, %zu bytes packed\n  6 bytes, SHA-256 " HELLO "\n",
             hello_bytes);
    run("inspect hello.z", 0, want, "");
    run("inspect good.tsv", 0, TSV_OK, "");
    util_cli_run(&cli, "inspect bad.tsv good.tsv none");
    ck_assert_int_eq(cli.status, 2); /* all of them are told */
    ck_assert_ptr_nonnull(
        strstr(cli.out, "bad.tsv: table, not valid\n  bad.tsv:3: 1 field in a table of 2 columns\n  10 bytes, "));
    ck_assert_ptr_nonnull(strstr(cli.out, TSV_OK));
    ck_assert_ptr_nonnull(strstr(cli.out, "none: unknown, not valid\n  none: No such file or directory\n"));
    ck_assert_str_eq(cli.err, "");
}
END_TEST

START_TEST(json) {
    run("inspect hello.deflate --as deflate --json", 0,
        "{\"file\":\"hello.deflate\",\"type\":\"deflate\",\"valid\":true,\"bytes\":6,\"sha256\":\"" HELLO
        "\",\"error\":null}\n",
        "");
    run("inspect --json none -- --json", 2,
        "{\"file\":\"none\",\"type\":\"unknown\",\"valid\":false,\"bytes\":null,\"sha256\":null,\"error\":\"none: No "
        "such "
        "file or "
        "directory\"}\n{\"file\":\"--json\",\"type\":\"unknown\",\"valid\":false,\"bytes\":null,\"sha256\":null,"
        "\"error\":\"--json: No such file or directory\"}\n",
        "");
}
END_TEST

START_TEST(wrong_usage) {
    run("inspect", 2, "", "modnas: inspect: no file given; usage: modnas inspect FILE ... [--as TYPE] [--json]\n");
    run("inspect --as", 2, "", "modnas: inspect: option '--as' wants a value: TYPE\n");
    run("inspect good.tsv --as csv", 2, "",
        "modnas: there is no type 'csv'; types: idx, cifar10, gzip, zlib, deflate, yaml, arch, table, chkpt, onnx\n");
    run("inspect good.tsv --as tabel", 2, "",
        "modnas: there is no type 'tabel'; did you mean 'table'?; types: idx, cifar10, gzip, zlib, deflate, yaml, "
        "arch, "
        "table, chkpt, onnx\n");
}
END_TEST

int main(void) {
    Suite *s = suite_create("cli_inspect");
    util_add(s, "inspect", start, stop, (const TTest *[]){text, json, wrong_usage, NULL});
    return util_run(s);
}
