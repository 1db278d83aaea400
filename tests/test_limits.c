/* Texts that are short and ask for much, and long ones that are simple: memory and time stay in proportion. That time
 * does shows in that these tests end: each of the long texts took minutes when readers looked at a line anew for every
 * token on it, or at a map for every key. */
#include <stdlib.h>
#include <string.h>

#include "util_config.h"

/* front, `n` times the pattern (with %d the number), end. */
static char *repeated(const char *front, const char *pattern, int n, const char *end) {
    mn_str s = {.ctx = config_ctx};
    mn_str_add(&s, front);
    const char *number = strstr(pattern, "%d");
    for (int i = 0; i < n; i++) {
        mn_str_addn(&s, pattern, number ? (size_t)(number - pattern) : strlen(pattern));
        if (number) mn_str_addf(&s, "%d%s", i, number + 2);
    }
    mn_str_add(&s, end);
    char *text = mn_str_take(&s);
    ck_assert_ptr_nonnull(text);
    return text;
}

static mn_node *read_docs(char *text) {
    mn_node *docs = NULL;
    ck_assert_msg(mn_yaml_read(config_ctx, text, strlen(text), "t", &docs) == 0, "%s", modnas_errmsg(config_ctx));
    mn_free(config_ctx, text);
    return docs;
}

static void expect_refused(char *text, const char *message) {
    mn_node *docs = NULL;
    ck_assert_int_eq(mn_yaml_read(config_ctx, text, strlen(text), "t", &docs), MODNAS_ECONFIG);
    ck_assert_str_eq(modnas_errmsg(config_ctx), message);
    mn_free(config_ctx, text);
}

START_TEST(long_lines) {
    mn_node *docs = read_docs(repeated("[", "a, ", 100000, "b]\n"));
    ck_assert_uint_eq(docs->items[0]->n, 100001);
    mn_node_free(config_ctx, docs);
    docs = read_docs(repeated("{", "\"k%d\":{\"v\":[1,2]},", 20000, "\"last\":1}")); /* JSON as checkpoints have it */
    ck_assert_uint_eq(docs->items[0]->n, 20001);
    mn_node_free(config_ctx, docs);
    char *indent = repeated("a:\n", " ", 50000, "");
    docs = read_docs(repeated(indent, "[x],", 0, "[x, y, {z: 1}]\n"));
    ck_assert_int_eq(mn_node_path(docs->items[0], "a.2.z")->line, 2);
    mn_node_free(config_ctx, docs);
    mn_free(config_ctx, indent);
}
END_TEST

START_TEST(deep_lines) {
    expect_refused(repeated("", "- ", 100000, "x\n"), "t:1: more than 100 levels deep");
    expect_refused(repeated("", "? ", 100000, "x\n"), "t:1: more than 100 levels deep");
    expect_refused(repeated("", "[", 100000, ""), "t:1: more than 100 levels deep");
    mn_node_free(config_ctx, read_docs(repeated("", "- ", 100, "x\n")));
}
END_TEST

START_TEST(many_anchors) {
    char *many = repeated("- &z zed\n", "- &a%d x\n", 50000, "- &z last\n");
    mn_node *docs = read_docs(repeated(many, "- *z\n", 50000, ""));
    ck_assert_uint_eq(docs->items[0]->n, 100002);
    ck_assert_str_eq(docs->items[0]->items[100001]->text, "last"); /* the last one of a name counts */
    mn_node_free(config_ctx, docs);
    mn_free(config_ctx, many);
}
END_TEST

/* 1 KiB that would be 56 MB: what aliases copy is bounded in values and in bytes. */
START_TEST(alias_bombs) {
    char *a = repeated("a: &a \"", "x", 700, "\"\n");
    char *b = repeated(a, "", 0,
                       "b: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n"
                       "d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\n"
                       "f: [*e,*e,*e,*e,*e,*e,*e,*e]\n");
    expect_refused(b, "t:6: aliases expand to more than 16777216 bytes of text");
    ck_assert_uint_lt(config_ctx->bytes_peak, 64 << 20);
    mn_free(config_ctx, a);
}
END_TEST

START_TEST(many_directives) {
    mn_node_free(config_ctx, read_docs(repeated("", "%TAG !t%d! x\n", 100, "---\n!!str a\n")));
    expect_refused(repeated("", "%TAG !t%d! x\n", 50000, "---\na\n"),
                   "t:101: more than 100 directives ('%') of a document");
}
END_TEST

/* Merged keys come first and keep their places, own values win. */
START_TEST(large_merges) {
    char *base = repeated("b: &b\n", "  k%d: 1\n", 20000, "m:\n  <<: *b\n");
    mn_node *docs = read_docs(repeated(base, "  own%d: 2\n", 20000, "  k7: 3\n"));
    const mn_node *m = mn_node_get(docs->items[0], "m");
    ck_assert_uint_eq(m->n, 40000);
    ck_assert_str_eq(m->keys[7], "k7");
    ck_assert_int_eq(m->items[7]->i, 3);
    ck_assert_str_eq(m->keys[20000], "own0");
    mn_node_free(config_ctx, docs);
    mn_free(config_ctx, base);
}
END_TEST

/* A key of control characters is six times as long where it is written; libyaml reads 1024 characters. */
START_TEST(long_keys) {
    static const int lengths[] = {1, 160, 161, 500, 5000};
    for (size_t i = 0; i < MN_COUNT(lengths); i++) {
        mn_node *map = mn_node_new(config_ctx, MN_MAP);
        char *key = repeated("", "\x01", lengths[i], "");
        mn_str s = {.ctx = config_ctx};
        ck_assert_int_eq(mn_node_push(config_ctx, map, key, mn_node_int(config_ctx, 1)), 0);
        mn_node_yaml(&s, map);
        mn_node *docs = read_docs(mn_str_take(&s));
        ck_assert(mn_node_equal(docs->items[0], map));
        mn_node_free(config_ctx, docs);
        mn_node_free(config_ctx, map);
        mn_free(config_ctx, key);
    }
}
END_TEST

static void expect_bad(char *text, const char *message) {
    config_expect_bad(text, MODNAS_ECONFIG, message);
    mn_free(config_ctx, text);
}

/* What configurations have few of. Lists of values may be long. */
START_TEST(configurations) {
    expect_bad(repeated("seed: 1\n", "k%d: 1\n", 4096, ""), "c.yaml:1: a map of 4097 keys, at most 4096");
    expect_bad(repeated("estim:\n", "  e%d: {}\n", 5000, ""), "c.yaml:1: a map of 5000 keys, at most 4096");
    expect_bad(repeated("estim: [", "{name: e%d},\n  ", 5000, "{name: e}]\n"), "c.yaml:1: estim: too many estimators");
    expect_bad(repeated("override: [", "seed=%d,\n  ", 5000, "seed=1]\n"), "c.yaml:4097: more than 4096 assignments");
    expect_bad(repeated("", "s%d: {seed: 1}\n", 65, ""), "c.yaml:65: more than 64 sections of routines");
    char *good = repeated("arch_desc: [", "MB3E3, ", 20000, "MB3E3]\nmodel: CIFAR_MobileNetV2\n");
    config_expect_good(good);
    mn_free(config_ctx, good);
}
END_TEST

/* A path is made of maps: each part is a level that everything recurses over. */
START_TEST(long_paths) {
    expect_bad(repeated("defaults:\n  ? ", "a.", 65, "b\n  : 1\n"), "c.yaml:2: a path of 66 parts, at most 64");
    expect_bad(repeated("defaults:\n  ? ", "a.", 1000, "b\n  : 1\n"),
               "c.yaml:2: a path of 2001 bytes, at most 1000: 'a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a."
               "a.a.a.a.a.a.a.a.a.a.a.a....'");
    expect_bad(repeated("defaults: {", "a.", 1, ".b: 1}\n"), "c.yaml:1: the path 'a..b' has an empty part");
    char *word = repeated("", "k", 1001, "=1");
    ck_assert_int_eq(modnas_config_override(config_cfg, word), MODNAS_ECONFIG);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(config_ctx), "a path of 1001 bytes, at most 1000"));
    mn_free(config_ctx, word);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {long_lines,   deep_lines, many_anchors,   alias_bombs, many_directives,
                                  large_merges, long_keys,  configurations, long_paths,  NULL};
    Suite *s = suite_create("limits");
    util_add(s, "limits", config_setup, config_teardown, tests);
    return util_run(s);
}
