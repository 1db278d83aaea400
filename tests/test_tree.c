/* Trees of values: writing them so that they come back, merging, paths, and running out of memory. */
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

/* Every allocation fails once: the answer is MODNAS_ENOMEM, nothing is kept, nothing breaks. */
START_TEST(out_of_memory) {
    static const char text[] = "a: &x [1, {b: c}]\nd: {<<: {e: *x}, f: \"g\"}\n";
    util_host host = {.left = -1};
    const modnas_ctx_opts opts = util_host_opts(&host);
    modnas_ctx *c;
    ck_assert_int_eq(modnas_ctx_new(&opts, &c), 0);
    const int64_t before = host.live;
    int n = 0;
    for (int rc = MODNAS_ENOMEM; rc; n++) {
        mn_node *docs = NULL;
        host.left = n;
        rc = mn_yaml_read(c, text, sizeof text - 1, "t", &docs);
        host.left = -1;
        ck_assert(rc == 0 || (rc == MODNAS_ENOMEM && !docs));
        mn_node_free(c, docs);
        ck_assert_int_eq(host.live, before);
    }
    ck_assert_int_gt(n, 30);
    modnas_ctx_free(c);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {strings_come_back, long_key, escaped_characters, written_form, trees_come_back,
                                  merging,           paths,    out_of_memory,      NULL};
    Suite *s = suite_create("tree");
    util_add(s, "tree", setup, teardown, tests);
    return util_run(s);
}
