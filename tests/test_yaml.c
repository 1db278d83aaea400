/* Reading YAML: core types, places, aliases, and what is refused in which words. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "config/node.h"
#include "util_host.h"

static modnas_ctx *ctx;

static void setup(void) {
    ck_assert_int_eq(modnas_ctx_new(NULL, &ctx), 0);
}

static void teardown(void) {
    ck_assert_uint_eq(ctx->bytes_live, 0);
    modnas_ctx_free(ctx);
}

/* The documents of a text as JSON, one a line; NULL and the error text where it is refused. Freed by the caller. */
static char *read_json(const char *text, size_t bytes, const char *file) {
    mn_node *docs = NULL;
    if (mn_yaml_read(ctx, text, bytes, file, &docs)) {
        ck_assert_ptr_null(docs);
        return NULL;
    }
    mn_str s = {.ctx = ctx};
    for (size_t i = 0; i < docs->n; i++) {
        if (i) mn_str_add(&s, "\n");
        mn_node_json(&s, docs->items[i]);
    }
    mn_node_free(ctx, docs);
    return mn_str_take(&s);
}

static void expect_json(const char *text, const char *json) {
    char *got = read_json(text, strlen(text), "t");
    ck_assert_msg(got != NULL, "%s refused: %s", text, modnas_errmsg(ctx));
    ck_assert_str_eq(got, json);
    mn_free(ctx, got);
}

static void expect_error(const char *text, const char *message) {
    mn_node *docs = NULL;
    const int rc = mn_yaml_read(ctx, text, strlen(text), "t", &docs);
    ck_assert_msg(rc == MODNAS_ECONFIG, "%s accepted", text);
    ck_assert_str_eq(modnas_errmsg(ctx), message);
}

START_TEST(core_types) {
    static const struct {
        const char *yaml, *json;
    } rows[] = {
        {"1e2", "100.0"},
        {"0o10", "8"},
        {"010", "10"},
        {"0x1F", "31"},
        {"yes", "\"yes\""},
        {"no", "\"no\""},
        {"on", "\"on\""},
        {"True", "true"},
        {"FALSE", "false"},
        {"tRUE", "\"tRUE\""},
        {"~", "null"},
        {"null", "null"},
        {"nULL", "\"nULL\""},
        {"-7", "-7"},
        {"+7", "7"},
        {"1_000", "\"1_000\""},
        {"0b11", "\"0b11\""},
        {"1:30", "\"1:30\""},
        {".5", "0.5"},
        {"5.", "5.0"},
        {"-.5e1", "-5.0"},
        {"1.5.2", "\"1.5.2\""},
        {"0.0", "0.0"},
        {"-0.0", "-0.0"},
        {"2001-01-01", "\"2001-01-01\""},
        {"\"1\"", "\"1\""},
        {"'true'", "\"true\""},
        {"|-\n 1\n", "\"1\""},
        {"---", "null"},
        {"3e-4", "0.0003"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"9223372036854775808", "9223372036854775808"},
        {"00000000", "0"},
        {"0x", "\"0x\""},
        {"e5", "\"e5\""},
        {".", "\".\""},
        {"+", "\"+\""},
        {"1e", "\"1e\""},
        {"0o8", "\"0o8\""},
        {"123456789012345678901234567890", "123456789012345678901234567890"},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) expect_json(rows[i].yaml, rows[i].json);
}
END_TEST

START_TEST(special_reals) {
    mn_node *docs;
    const char text[] = "[.inf, -.Inf, .NAN, +.INF]";
    ck_assert_int_eq(mn_yaml_read(ctx, text, sizeof text - 1, "t", &docs), 0);
    mn_node *const *v = docs->items[0]->items;
    ck_assert(isinf(v[0]->r) && v[0]->r > 0 && isinf(v[1]->r) && v[1]->r < 0 && isnan(v[2]->r) && isinf(v[3]->r));
    for (int i = 0; i < 4; i++) ck_assert_int_eq(v[i]->kind, MN_REAL);
    mn_node_free(ctx, docs);
    expect_error("1e999", "t:1: the number 1e999 does not fit a double");
    expect_error("0xFFFFFFFFFFFFFFFFF", "t:1: the integer 0xFFFFFFFFFFFFFFFFF does not fit 64 bits");
}
END_TEST

START_TEST(text_as_written) {
    mn_node *v;
    ck_assert_int_eq(mn_yaml_value(ctx, "00000000", "-g", &v), 0);
    ck_assert_int_eq(v->kind, MN_INT);
    ck_assert_str_eq(v->text, "00000000");
    mn_node_free(ctx, v);
    ck_assert_int_eq(mn_yaml_value(ctx, "null", "-o", &v), 0);
    ck_assert_str_eq(v->text, "null");
    mn_node_free(ctx, v);
    ck_assert_int_eq(mn_yaml_value(ctx, "", "-o", &v), 0);
    ck_assert_int_eq(v->kind, MN_NULL);
    ck_assert_ptr_null(v->text); /* nothing was written */
    ck_assert_str_eq(v->file, "-o");
    ck_assert_int_eq(v->line, 0);
    mn_node_free(ctx, v);
    ck_assert_int_eq(mn_yaml_value(ctx, "a\n---\nb\n", "-o x", &v), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(ctx), "-o x: 2 documents where one value is wanted");
}
END_TEST

START_TEST(tags) {
    expect_json("!!float 3e-4", "0.0003");
    expect_json("!!float 3", "3.0");
    expect_json("!!int \"3\"", "3");
    expect_json("!!str 3", "\"3\"");
    expect_json("! 3", "\"3\"");
    expect_json("!!bool \"true\"", "true");
    expect_json("!!null ''", "null");
    expect_json("!!map {a: !!seq [1]}", "{\"a\":[1]}");
    expect_json("%TAG !y! tag:yaml.org,2002:\n---\n!y!str 1\n", "\"1\"");
    expect_error("!!float banana", "t:1: 'banana' is not what its tag tag:yaml.org,2002:float says");
    expect_error("!!int 1.5", "t:1: '1.5' is not what its tag tag:yaml.org,2002:int says");
    expect_error("a:\n  !local b", "t:2: tag '!local' is not known");
    expect_error("!!set {a: }", "t:1: tag 'tag:yaml.org,2002:set' is not known for a map");
    expect_error("!!python/object:os.system x", "t:1: tag 'tag:yaml.org,2002:python/object:os.system' is not known");
}
END_TEST

START_TEST(places) {
    mn_node *docs;
    static const char text[] = "a: 1\nb:\n  c: [x,\n    y]\n# comment\nd:\n  - e\n  - f: 2\n";
    ck_assert_int_eq(mn_yaml_read(ctx, text, sizeof text - 1, "p.yaml", &docs), 0);
    const mn_node *root = docs->items[0];
    static const struct {
        const char *path;
        int line;
    } rows[] = {{"a", 1}, {"b", 2},   {"b.c", 3}, {"b.c.0", 3}, {"b.c.1", 4},
                {"d", 6}, {"d.0", 7}, {"d.1", 8}, {"d.1.f", 8}};
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        const mn_node *n = mn_node_path(root, rows[i].path);
        ck_assert_ptr_nonnull(n);
        ck_assert_int_eq(n->line, rows[i].line);
        ck_assert_str_eq(n->file, "p.yaml");
    }
    char where[40];
    ck_assert_str_eq(mn_node_where(mn_node_path(root, "b.c.1"), where, sizeof where), "p.yaml:4");
    mn_node_free(ctx, docs);
}
END_TEST

START_TEST(aliases_and_merge_keys) {
    expect_json("a: &x [1, 2]\nb: *x\n", "{\"a\":[1,2],\"b\":[1,2]}");
    expect_json("&k key: *k\n", "{\"key\":\"key\"}");
    expect_json("- &a 1\n- &a 2\n- *a\n", "[1,2,2]"); /* the last of a name counts (YAML 1.2.2, 7.1) */
    /* https://yaml.org/type/merge.html: own keys win, then earlier maps of the list */
    expect_json("base: &b {lr: 1, wd: 2}\nx:\n  <<: *b\n  lr: 3\n",
                "{\"base\":{\"lr\":1,\"wd\":2},\"x\":{\"lr\":3,\"wd\":2}}");
    expect_json("x: {lr: 3, <<: [{lr: 1, a: 1}, {a: 2, b: 2}], c: 4}", "{\"x\":{\"lr\":3,\"a\":1,\"b\":2,\"c\":4}}");
    expect_json("x: {<<: {a: &v [1]}}\ny: *v\n", "{\"x\":{\"a\":[1]},\"y\":[1]}");
    expect_json("\"<<\": 1", "{\"<<\":1}"); /* quoted: a key like any other */
    expect_error("a: *x", "t:1: no anchor '&x' comes before this alias");
    expect_error("a: &x\n  b:\n    - *x\n", "t:3: '*x' contains itself");
    expect_error("a:\n  <<: 3\n", "t:2: '<<' wants a map or a list of maps");
    expect_error("--- &x 1\n--- *x\n",
                 "t:2: no anchor '&x' comes before this alias"); /* anchors end with their document */
}
END_TEST

/* Nine levels of nine aliases each would be 9^9 = 387,420,489 values. Level n has s(n) = 1 + 9 s(n-1) values, s(0) = 1:
 * 10, 91, 820, 7381, 66430; lines 2 to 6 add 74,727 of them, and the first alias of line 7 would add another 66,430. */
START_TEST(alias_bomb) {
    mn_str s = {.ctx = ctx};
    mn_str_add(&s, "a0: &a0 x\n");
    for (int i = 1; i <= 9; i++) {
        mn_str_addf(&s, "a%d: &a%d [", i, i);
        for (int k = 0; k < 9; k++) mn_str_addf(&s, "%s*a%d", k ? "," : "", i - 1);
        mn_str_add(&s, "]\n");
    }
    mn_node *docs;
    ck_assert_int_eq(mn_yaml_read(ctx, s.text, s.n, "bomb", &docs), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(ctx), "bomb:7: aliases expand to more than 100000 values");
    mn_str_free(&s);
    ck_assert_uint_lt(ctx->bytes_peak, 64u << 20);
}
END_TEST

START_TEST(too_deep) {
    char text[2500];
    memset(text, '[', 100);
    memset(text + 100, ']', 100);
    text[200] = 0;
    char *json = read_json(text, 200, "t");
    ck_assert_ptr_nonnull(json);
    mn_free(ctx, json);
    memset(text, '[', 101);
    memset(text + 101, ']', 101);
    text[202] = 0;
    expect_error(text, "t:1: more than 100 levels deep");
    /* aliases within aliases must not get around it */
    size_t n = 0;
    n += (size_t)snprintf(text + n, sizeof text - n, "- &a0 [x]\n");
    for (int i = 1; i < 102; i++) n += (size_t)snprintf(text + n, sizeof text - n, "- &a%d [*a%d]\n", i, i - 1);
    expect_error(text, "t:99: more than 100 levels deep");
}
END_TEST

START_TEST(refused_keys) {
    expect_error("a: 1\nb: 2\na: 3\n", "t:3: key 'a' is there twice");
    expect_error("x: {k: 1, k: 1}", "t:1: key 'k' is there twice");
    expect_error("1: a\n\"1\": b\n", "t:2: key '1' is there twice");
    expect_error("? [a]\n: b\n", "t:1: a key is a list");
    expect_error("? ~\n: b\n", "t:1: a key is empty or null");
    expect_error("\"a\\0b\": 1", "t:1: a string with a zero byte is not supported");
}
END_TEST

/* Each rule of yaml_strict.c and yaml_text.c: YAML 1.2.2 forbids it in the section named, libyaml reads it. */
START_TEST(forbidden) {
    static const struct {
        const char *section, *yaml, *message;
    } rows[] = {
        {"6.6", "[a,#b\n]", "t:2: a '#' that starts a comment wants a blank in front"},
        {"6.6", "a: \"b\"#c\n", "t:2: a '#' that starts a comment wants a blank in front"},
        {"6.8", "%YAML 1.2#x\n---\n", "t:2: a '#' that starts a comment wants a blank in front"},
        {"9.2", "\"a\"\n%YAML 1.2\n---\nb\n", "t:2: a directive ('%') inside a document"},
        {"7.3.3", "[-]", "t:1: '-', '?' and ':' alone are no strings; quote them"},
        {"7.3.3", "- [-, a]", "t:1: '-', '?' and ':' alone are no strings; quote them"},
        {"7.4.2", "[?a]", "t:1: '-', '?' and ':' want a blank behind them"},
        {"6.9.2", "a: &b:c d", "t:1: a tag, anchor or alias wants a blank behind it"},
        {"7.3.1", "a: \"b\n\tc\"\n", "t:1: a string's next line has to be indented more than what it belongs to"},
        {"7.4", "a: [b,\nc]\n",
         "t:2: a line of a list in [] or a map in {} has to be indented more than what it belongs to"},
        {"7.4", "a: {b: c\n}\n",
         "t:2: a line of a list in [] or a map in {} has to be indented more than what it belongs to"},
        {"8.2.1", "? # c\n|\n x\n", "t:2: this line has to be indented more than what it belongs to"},
        {"8.1.1.1", "- |\n  \n x\n", "t:1: blank lines deeper than the first line of the text"},
        {"8.1.1.1", "- >\n \n  \n # x\n- y\n", "t:1: blank lines deeper than the first line of the text"},
        {"8.1.1", "a: |#c\n b\n", "t:1: text behind '|' or '>'"},
        {"9.1.2", "a\n... b\n", "t:2: text behind '...'"},
        {"7.4.1", "[- a]", "t:1: '-' starts no item within []"},
        {"7.4", "[a,, b]", "t:1: a ',' with nothing in front"},
        {"7.4", "[\"a\"b]", "t:1: two values without a blank between them"},
        {"5.4", "a\xc2\x85z", "t:1: the character U+0085 (next line) has to be written as \"\\N\""},
        {"5.2", "a: \xef\xbb\xbfz", "t:1: a byte order mark inside the text"},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) expect_error(rows[i].yaml, rows[i].message);
}
END_TEST

/* Valid, but libyaml would read another value: refused until it can be read right. */
START_TEST(doubtful) {
    static const struct {
        const char *yaml, *message;
    } rows[] = {
        {"--- |\n# ab\n", "t:1: a text behind '|' or '>' has to be indented"},
        {"--- |1\n  ab\n", "t:1: an indentation behind '|' or '>' is not supported at the top"},
        {"a: |\n  x", "t:1: a text behind '|' or '>' has to end with a line end"},
        {"[\"a\"? b]", "t:1: '?' in a string; quote it"},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) expect_error(rows[i].yaml, rows[i].message);
}
END_TEST

/* The same neighbourhood, but allowed: the rules must not eat these. */
START_TEST(allowed) {
    expect_json("\xef\xbb\xbf"
                "a: 1 # c\n",
                "{\"a\":1}");
    expect_json("a: b#c\n", "{\"a\":\"b#c\"}");
    expect_json("[a, b] # c", "[\"a\",\"b\"]");
    expect_json("{\"a\":1, 'b':2}", "{\"a\":1,\"b\":2}");
    expect_json("[a ? b, a?b]", "[\"a ? b\",\"a?b\"]");
    expect_json("[-1, -x]", "[-1,\"-x\"]");
    expect_json("a:\n- b\n- c\n", "{\"a\":[\"b\",\"c\"]}");
    expect_json("a:\t1\nb: [c,\n\n  d]\n", "{\"a\":1,\"b\":[\"c\",\"d\"]}");
    expect_json("-   MB3E3\n-   MB3E6\n", "[\"MB3E3\",\"MB3E6\"]");
    expect_json("a: |\n\n  b\n   c\n\nd: >-\n  e\n  f\n", "{\"a\":\"\\nb\\n c\\n\",\"d\":\"e f\"}");
    expect_json("a: \"b\n  c\"\n", "{\"a\":\"b c\"}");
    expect_json("a: |\n  b\nc: 1\n", "{\"a\":\"b\\n\",\"c\":1}");
    expect_json("a\n%YAML 1.2\n", "\"a %YAML 1.2\""); /* within a plain scalar it is no directive */
    expect_json("%YAML 1.2\n--- # c\na\n...\n# d\n", "\"a\"");
    expect_json("a: 1\r\nb: 2\r\n", "{\"a\":1,\"b\":2}");
    expect_json("--- a\n--- b\n", "\"a\"\n\"b\"");
    expect_json("{a: 1, <<: {b: 2}}", "{\"b\":2,\"a\":1}");
}
END_TEST

START_TEST(scanner_errors) {
    expect_error("a: [1, 2\n", "t:2: while parsing a flow sequence: did not find expected ',' or ']'");
    expect_error("[a\n: b]", "t:2: while parsing a flow sequence: did not find expected ',' or ']'");
    expect_error("a: b: c\n", "t:1: mapping values are not allowed in this context");
    expect_error("a: !!str,x y", "t:1: while scanning a tag: did not find expected whitespace or line break");
    expect_error("a: \x01\n", "t:1: control characters are not allowed");
    mn_node *docs;
    ck_assert_int_eq(mn_yaml_read(ctx, "a\0b", 3, "t", &docs), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(ctx), "t:1: a zero byte; the text has to be UTF-8");
    ck_assert_int_eq(mn_yaml_read(ctx, "a: 1\nb: \xff\n", 10, "t", &docs), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(ctx), "t:2: invalid leading UTF-8 octet");
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        core_types, special_reals, text_as_written, tags,     places,  aliases_and_merge_keys, alias_bomb,
        too_deep,   refused_keys,  forbidden,       doubtful, allowed, scanner_errors,         NULL};
    Suite *s = suite_create("yaml");
    util_add(s, "yaml", setup, teardown, tests);
    return util_run(s);
}
