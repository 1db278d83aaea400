/* Reading and writing YAML: core types, places, aliases, what is refused, and the YAML test suite where it is at hand.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/node.h"

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

/* ---- types: YAML 1.2.2, section 10.3.2 ---- */

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

/* ---- aliases ---- */

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

/* ---- what is refused ---- */

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
        {"a: |\n  x\n   ", "t:1: a text behind '|' or '>' has to end with a line end"},
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
    expect_error("a:\n\tb: 1\n", "t:2: while scanning for the next token: found character that cannot start any token");
    expect_error("a: !!str,x y", "t:1: while scanning a tag: did not find expected whitespace or line break");
    expect_error("k:\n- \ta: 1\n",
                 "t:2: while scanning for the next token: found character that cannot start any token");
    expect_error("a: \x01\n", "t:1: control characters are not allowed");
    mn_node *docs;
    ck_assert_int_eq(mn_yaml_read(ctx, "a\0b", 3, "t", &docs), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(ctx), "t:1: a zero byte; the text has to be UTF-8");
    ck_assert_int_eq(mn_yaml_read(ctx, "a: 1\nb: \xff\n", 10, "t", &docs), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(ctx), "t:2: invalid leading UTF-8 octet");
}
END_TEST

/* ---- writing ---- */

static void expect_back(const mn_node *n) {
    mn_str yaml = {.ctx = ctx}, json = {.ctx = ctx};
    mn_node *docs;
    mn_node_yaml(&yaml, n);
    mn_node_json(&json, n);
    ck_assert_msg(mn_yaml_read(ctx, yaml.text, yaml.n, "back", &docs) == 0, "%s\n%s", modnas_errmsg(ctx), yaml.text);
    ck_assert_uint_eq(docs->n, 1);
    ck_assert_msg(mn_node_equal(docs->items[0], n), "%s\n%s", yaml.text, json.text);
    mn_node_free(ctx, docs);
    ck_assert_msg(mn_yaml_read(ctx, json.text, json.n, "back", &docs) == 0, "%s\n%s", modnas_errmsg(ctx), json.text);
    ck_assert_msg(mn_node_equal(docs->items[0], n), "%s", json.text);
    mn_node_free(ctx, docs);
    mn_str_free(&yaml);
    mn_str_free(&json);
}

static const char *const odd_strings[] = {
    "",         " ",       "a",     "null",        "~",
    "true",     "1",       "1e2",   "0o7",         ".inf",
    "-",        "- a",     "?",     ":",           "a: b",
    "a #b",     "#c",      "&x",    "*x",          "!t",
    "|",        ">",       "%d",    "@a",          "`a",
    "[a]",      "{a}",     ",",     "'",           "\"",
    "a\nb",     "\n",      "a\n",   "\ta",         "a\t",
    " a ",      "\\n",     "<<",    "---",         "...",
    "--- a",    "a\rb",    "yes",   "caf\xc3\xa9", "\xe2\x82\xac 5",
    "\x01\x1f", "a-b.c/d", "MB3E3", "x=y",         "\xf0\x9f\x98\x80",
};

START_TEST(strings_come_back) {
    mn_node *map = mn_node_new(ctx, MN_MAP), *list = mn_node_new(ctx, MN_SEQ);
    for (size_t i = 0; i < MN_COUNT(odd_strings); i++) {
        const char *s = odd_strings[i];
        ck_assert_int_eq(mn_node_add(ctx, list, mn_node_str(ctx, s)), 0);
        mn_node *v = mn_node_str(ctx, s);
        expect_back(v);
        ck_assert_int_eq(mn_node_set(ctx, map, s, v), 0);
    }
    ck_assert_uint_eq(map->n, MN_COUNT(odd_strings));
    ck_assert_int_eq(mn_node_set(ctx, map, "list", list), 0);
    expect_back(map);
    mn_node_free(ctx, map);
}
END_TEST

/* An implicit key has at most 1024 characters (YAML 1.2.2, 7.4.2); longer ones are written with '?'. */
START_TEST(long_key) {
    char key[3001];
    memset(key, 'k', 3000);
    key[3000] = 0;
    mn_node *map = mn_node_new(ctx, MN_MAP), *back;
    ck_assert_int_eq(mn_node_set(ctx, map, key, mn_node_int(ctx, 1)), 0);
    mn_str yaml = {.ctx = ctx};
    mn_node_yaml(&yaml, map);
    ck_assert_int_eq(mn_yaml_value(ctx, yaml.text, "t", &back), 0);
    ck_assert(mn_node_equal(map, back));
    mn_node_free(ctx, map);
    mn_node_free(ctx, back);
    mn_str_free(&yaml);
}
END_TEST

/* Raw in JSON, escaped in YAML: characters that YAML 1.1 readers take for line ends or refuse. */
START_TEST(escaped_characters) {
    mn_node *v = mn_node_str(ctx, "a\xc2\x85"
                                  "b\xe2\x80\xa8"
                                  "c\x7f"
                                  "d\xef\xbb\xbf");
    mn_str s = {.ctx = ctx};
    mn_node_yaml(&s, v);
    ck_assert_str_eq(s.text, "\"a\\u0085b\\u2028c\\u007fd\\ufeff\"\n");
    mn_node *back;
    ck_assert_int_eq(mn_yaml_value(ctx, s.text, "t", &back), 0);
    ck_assert(mn_node_equal(v, back));
    mn_node_free(ctx, back);
    mn_node_free(ctx, v);
    mn_str_free(&s);
}
END_TEST

START_TEST(written_form) {
    mn_node *docs;
    static const char text[] = "{a: [1, [2, 3.0], {b: x, c: []}], d: {}, e: null, f: [[x]], g: '1', h: 1e300, i: .nan}";
    ck_assert_int_eq(mn_yaml_read(ctx, text, sizeof text - 1, "t", &docs), 0);
    mn_str s = {.ctx = ctx};
    mn_node_yaml(&s, docs->items[0]);
    ck_assert_str_eq(
        s.text, "a:\n  - 1\n  - - 2\n    - 3.0\n  - b: x\n    c: []\nd: {}\ne: null\nf:\n  - - x\ng: \"1\"\nh: 1e300\n"
                "i: .nan\n");
    mn_str_free(&s);
    mn_node_json(&s, docs->items[0]);
    ck_assert_str_eq(
        s.text, "{\"a\":[1,[2,3.0],{\"b\":\"x\",\"c\":[]}],\"d\":{},\"e\":null,\"f\":[[\"x\"]],\"g\":\"1\",\"h\":1e300,"
                "\"i\":null}");
    mn_str_free(&s);
    mn_node_json(&s, NULL);
    ck_assert_str_eq(s.text, "null");
    mn_str_free(&s);
    mn_node_free(ctx, docs);
}
END_TEST

static mn_node *random_node(mn_rng *r, int depth) {
    const int kind = (int)mn_rng_below(r, depth < 4 ? 7 : 5);
    if (kind == MN_NULL) return mn_node_new(ctx, MN_NULL);
    if (kind == MN_BOOL) return mn_node_bool(ctx, (int)mn_rng_below(r, 2));
    if (kind == MN_INT)
        return mn_node_int(ctx, (int64_t)((uint64_t)mn_rng_u32(r) << 32 | mn_rng_u32(r)) >> mn_rng_below(r, 60));
    if (kind == MN_REAL) return mn_node_real(ctx, ldexp(mn_rng_real(r) - 0.5, (int)mn_rng_below(r, 400) - 200));
    if (kind == MN_STR) return mn_node_str(ctx, odd_strings[mn_rng_below(r, MN_COUNT(odd_strings))]);
    mn_node *n = mn_node_new(ctx, kind);
    const int count = (int)mn_rng_below(r, 5);
    for (int i = 0; i < count; i++) {
        mn_node *child = random_node(r, depth + 1);
        const char *key = odd_strings[mn_rng_below(r, MN_COUNT(odd_strings))];
        ck_assert_int_eq(kind == MN_MAP ? mn_node_set(ctx, n, key, child) : mn_node_add(ctx, n, child), 0);
    }
    return n;
}

START_TEST(trees_come_back) {
    mn_rng r;
    for (int i = 0; i < 1000; i++) {
        mn_rng_init(&r, 7, mn_stream("test_yaml"), (uint64_t)i);
        mn_node *n = random_node(&r, 0);
        expect_back(n);
        mn_node_free(ctx, n);
    }
}
END_TEST

/* ---- trees ---- */

START_TEST(merging) {
    mn_node *a, *b;
    ck_assert_int_eq(mn_yaml_value(ctx, "{m: {x: 1, y: 2}, l: [1], s: 1, t: [1]}", "a", &a), 0);
    ck_assert_int_eq(mn_yaml_value(ctx, "{m: {y: 3, z: 4}, l: [2], s: {q: 1}, t: 5, u: 6}", "b", &b), 0);
    ck_assert_int_eq(mn_node_merge(ctx, a, b), 0);
    mn_str s = {.ctx = ctx};
    mn_node_json(&s, a); /* spec 1.2: dict + dict recurse, list + list concatenate, else the new value replaces */
    ck_assert_str_eq(s.text, "{\"m\":{\"x\":1,\"y\":3,\"z\":4},\"l\":[1,2],\"s\":{\"q\":1},\"t\":5,\"u\":6}");
    ck_assert_str_eq(mn_node_path(a, "m.y")->file, "b");
    mn_str_free(&s);
    mn_node_free(ctx, a);
    mn_node_free(ctx, b);
}
END_TEST

START_TEST(paths) {
    mn_node *a;
    ck_assert_int_eq(mn_yaml_value(ctx, "{a: {b: [{c: 1}, 2]}, s: x}", "f", &a), 0);
    ck_assert_int_eq(mn_node_path(a, "a.b.0.c")->i, 1);
    ck_assert_ptr_null(mn_node_path(a, "a.b.2"));
    ck_assert_ptr_null(mn_node_path(a, "s.t"));
    ck_assert_int_eq(mn_node_set_path(ctx, a, "a.b.0.c", mn_node_int(ctx, 5)), 0);
    ck_assert_int_eq(mn_node_set_path(ctx, a, "n.e.w", mn_node_int(ctx, 6)), 0);
    ck_assert_int_eq(mn_node_path(a, "a.b.0.c")->i, 5);
    ck_assert_int_eq(mn_node_path(a, "n.e.w")->i, 6);
    ck_assert_int_eq(mn_node_set_path(ctx, a, "s.t.u", mn_node_int(ctx, 7)), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(ctx), "default: 's' (f) is the string 'x', not a map");
    ck_assert_int_eq(mn_node_set_path(ctx, a, "a.b.2", mn_node_int(ctx, 7)), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(ctx), "default: 'a.b' (f) is a list of 2, '2' is no index of it");
    mn_node_remove(ctx, a, "a");
    ck_assert_ptr_null(mn_node_get(a, "a"));
    ck_assert_str_eq(a->keys[0], "s");
    mn_node_free(ctx, a);
}
END_TEST

/* ---- memory ---- */

static int64_t allocs_left;

static void *failing_alloc(void *ptr, size_t bytes, void *ud) {
    (void)ud;
    if (!bytes) {
        free(ptr);
        return NULL;
    }
    if (allocs_left == 0) return NULL;
    allocs_left--;
    return realloc(ptr, bytes);
}

/* Every allocation fails once: the answer is MODNAS_ENOMEM, nothing is kept, nothing breaks. */
START_TEST(out_of_memory) {
    static const char text[] = "a: &x [1, {b: c}]\nd: {<<: {e: *x}, f: \"g\"}\n";
    const modnas_ctx_opts opts = {.size = sizeof opts, .alloc_fn = failing_alloc};
    modnas_ctx *c;
    allocs_left = -1;
    ck_assert_int_eq(modnas_ctx_new(&opts, &c), 0);
    const size_t before = c->bytes_live;
    int n = 0;
    for (int rc = MODNAS_ENOMEM; rc; n++) {
        mn_node *docs = NULL;
        allocs_left = n;
        rc = mn_yaml_read(c, text, sizeof text - 1, "t", &docs);
        allocs_left = -1;
        ck_assert(rc == 0 || (rc == MODNAS_ENOMEM && !docs));
        mn_node_free(c, docs);
        ck_assert_uint_eq(c->bytes_live, before);
    }
    ck_assert_int_gt(n, 30);
    modnas_ctx_free(c);
}
END_TEST

/* ---- the YAML test suite ---- */

/* A JSON reader of its own, so that expected values do not come from the code under test. */
static void skip_space(const char **t) {
    while (**t && strchr(" \t\r\n", **t)) ++*t;
}

static char *json_string(const char **t) {
    mn_str s = {.ctx = ctx};
    for (++*t; **t != '"'; ++*t) {
        static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
        ck_assert(**t != 0);
        if (**t != '\\') {
            mn_str_addn(&s, *t, 1);
            continue;
        }
        const char c = *++*t;
        const char *at = strchr(from, c);
        if (c == 'u') {
            unsigned code = 0;
            ck_assert_int_eq(sscanf(*t + 1, "%4x", &code), 1);
            ck_assert_uint_lt(code, 0xd800);
            if (code < 0x80)
                mn_str_addf(&s, "%c", (int)code);
            else if (code < 0x800)
                mn_str_addf(&s, "%c%c", (int)(0xc0 | code >> 6), (int)(0x80 | (code & 63)));
            else
                mn_str_addf(&s, "%c%c%c", (int)(0xe0 | code >> 12), (int)(0x80 | (code >> 6 & 63)),
                            (int)(0x80 | (code & 63)));
            *t += 4;
        } else {
            mn_str_addf(&s, "%c", at ? to[at - from] : c);
        }
    }
    ++*t;
    char *text = mn_str_take(&s);
    ck_assert_ptr_nonnull(text);
    return text;
}

static mn_node *json_value(const char **t);

static mn_node *json_list(const char **t, int32_t kind, char close) {
    mn_node *n = mn_node_new(ctx, kind);
    ++*t;
    for (skip_space(t); **t != close; skip_space(t)) {
        char *key = NULL;
        if (**t == ',') ++*t;
        skip_space(t);
        if (kind == MN_MAP) {
            key = json_string(t);
            skip_space(t);
            ck_assert_int_eq(**t, ':');
            ++*t;
        }
        mn_node *v = json_value(t);
        ck_assert_int_eq(key ? mn_node_push(ctx, n, key, v) : mn_node_add(ctx, n, v), 0);
        mn_free(ctx, key);
    }
    ++*t;
    return n;
}

static mn_node *json_value(const char **t) {
    skip_space(t);
    if (**t == '{') return json_list(t, MN_MAP, '}');
    if (**t == '[') return json_list(t, MN_SEQ, ']');
    if (**t == '"') {
        char *text = json_string(t);
        mn_node *n = mn_node_str(ctx, text);
        mn_free(ctx, text);
        return n;
    }
    static const char *const words[] = {"null", "false", "true"};
    for (int i = 0; i < 3; i++) {
        if (strncmp(*t, words[i], strlen(words[i])) != 0) continue;
        *t += strlen(words[i]);
        return i ? mn_node_bool(ctx, i == 2) : mn_node_new(ctx, MN_NULL);
    }
    char *end;
    const double x = strtod(*t, &end);
    ck_assert_msg(end != *t, "no JSON: %s", *t);
    *t = end;
    return mn_node_real(ctx, x);
}

/* Equal but for the spelling of numbers: JSON does not tell 1 from 1.0. */
static int same(const mn_node *a, const mn_node *b) {
    const int number_a = a->kind == MN_INT || a->kind == MN_REAL, number_b = b->kind == MN_INT || b->kind == MN_REAL;
    if (number_a || number_b) return number_a && number_b && a->r == b->r;
    if (a->kind != b->kind || a->n != b->n) return 0;
    if (a->kind == MN_STR) return strcmp(a->text, b->text) == 0;
    for (size_t i = 0; i < a->n; i++) {
        const mn_node *other = a->kind == MN_MAP ? mn_node_get(b, a->keys[i]) : b->items[i];
        if (!other || !same(a->items[i], other)) return 0;
    }
    return a->kind != MN_BOOL || a->i == b->i;
}

static const char *shared(char *buf, size_t bytes, const char *path) {
    const char *root = getenv("MODNAS_SHARED");
    snprintf(buf, bytes, "%s/data/%s", root ? root : "../shared", path);
    return buf;
}

static char *load(const char *folder, const char *name, size_t *bytes) {
    char path[600], local[400], *text = NULL;
    snprintf(local, sizeof local, "yaml/%s/%s", folder, name);
    shared(path, sizeof path, local);
    if (mn_file_read(ctx, path, 1 << 24, &text, bytes)) return NULL;
    return text;
}

/* 0 right, 1 refused, 2 wrong. */
static int run_case(const char *name, const char *expect) {
    size_t bytes, json_bytes;
    char *yaml = load(name, "in.yaml", &bytes);
    ck_assert_msg(yaml != NULL, "%s", modnas_errmsg(ctx));
    mn_node *docs = NULL;
    const int rc = mn_yaml_read(ctx, yaml, bytes, name, &docs);
    ck_assert_msg(rc == 0 || rc == MODNAS_ECONFIG, "%s: %d", name, rc);
    int result = rc ? 1 : strcmp(expect, "error") == 0 ? 2 : 0;
    if (!rc && strcmp(expect, "json") == 0) {
        char *json = load(name, "in.json", &json_bytes);
        ck_assert_ptr_nonnull(json);
        const char *t = json;
        size_t i = 0;
        for (skip_space(&t); *t; skip_space(&t), i++) {
            mn_node *want = json_value(&t);
            if (i >= docs->n || !same(docs->items[i], want)) result = 2;
            mn_node_free(ctx, want);
        }
        if (i != docs->n) result = 2;
        mn_free(ctx, json);
    }
    mn_node_free(ctx, docs);
    mn_free(ctx, yaml);
    return result;
}

START_TEST(suite) {
    char path[600], *manifest, *save = NULL;
    size_t bytes;
    if (mn_file_read(ctx, shared(path, sizeof path, "yaml/manifest.tsv"), 1 << 20, &manifest, &bytes)) {
        printf("test_yaml: %s not found, the YAML test suite is skipped\n", path);
        return;
    }
    int n[2][3] = {{0}};             /* json, error; right, refused, wrong */
    strtok_r(manifest, "\n", &save); /* headings */
    for (char *line; (line = strtok_r(NULL, "\n", &save)) != NULL;) {
        char name[40], expect[10];
        ck_assert_int_eq(sscanf(line, "%39s %9s", name, expect), 2);
        const int result = run_case(name, expect);
        const int error = strcmp(expect, "error") == 0;
        if (strcmp(expect, "event") != 0) n[error][result]++;
        if (result == 2) printf("test_yaml: %s (%s) WRONG\n", name, expect);
        if (!error && result == 1 && strcmp(expect, "json") == 0)
            printf("test_yaml: refused, though valid: %s\n", modnas_errmsg(ctx));
    }
    mn_free(ctx, manifest);
    printf("test_yaml: suite: %d equal, %d refused, %d wrong; of the bad ones %d refused, %d accepted\n", n[0][0],
           n[0][1], n[0][2], n[1][1], n[1][2]);
    ck_assert_int_eq(n[0][2], 0);
    ck_assert_int_eq(n[1][2], 0);
    ck_assert_int_gt(n[1][1], 40);
    ck_assert_int_ge(n[0][0], 133); /* of 169; fewer means that good files became unreadable */
}
END_TEST

START_TEST(published_configs) {
    static const char *const names[] = {"vega_modnas_darts.yml", "vega_modnas_mbv2.yml", "vega_modnas_ps.yml",
                                        "vega_modnas_pxl.yml"};
    for (size_t i = 0; i < MN_COUNT(names); i++) {
        char path[600], local[100], *text;
        size_t bytes;
        mn_node *docs;
        snprintf(local, sizeof local, "configs/%s", names[i]);
        if (mn_file_read(ctx, shared(path, sizeof path, local), 1 << 20, &text, &bytes)) {
            printf("test_yaml: %s not found, skipped\n", path);
            continue;
        }
        ck_assert_msg(mn_yaml_read(ctx, text, bytes, names[i], &docs) == 0, "%s", modnas_errmsg(ctx));
        const char *trainer =
            i == 1 ? "fully_train.trainer.optimizer.params.weight_decay" : "nas.trainer.optimizer.params.weight_decay";
        const mn_node *decay = mn_node_path(docs->items[0], trainer);
        ck_assert_ptr_nonnull(decay);
        ck_assert_int_eq(decay->kind, MN_REAL);
        ck_assert(decay->r == 3e-4); /* written !!float 3e-4 */
        mn_node_free(ctx, docs);
        mn_free(ctx, text);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("yaml");
    TCase *t = tcase_create("yaml");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, core_types);
    tcase_add_test(t, special_reals);
    tcase_add_test(t, text_as_written);
    tcase_add_test(t, tags);
    tcase_add_test(t, places);
    tcase_add_test(t, aliases_and_merge_keys);
    tcase_add_test(t, alias_bomb);
    tcase_add_test(t, too_deep);
    tcase_add_test(t, refused_keys);
    tcase_add_test(t, forbidden);
    tcase_add_test(t, doubtful);
    tcase_add_test(t, allowed);
    tcase_add_test(t, scanner_errors);
    tcase_add_test(t, strings_come_back);
    tcase_add_test(t, long_key);
    tcase_add_test(t, escaped_characters);
    tcase_add_test(t, written_form);
    tcase_add_test(t, trees_come_back);
    tcase_add_test(t, merging);
    tcase_add_test(t, paths);
    tcase_add_test(t, out_of_memory);
    tcase_add_test(t, suite);
    tcase_add_test(t, published_configs);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
