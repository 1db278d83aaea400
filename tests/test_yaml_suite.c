/* The YAML test suite, read by what is behind `modnas config --raw`, and the published configurations, where they are
 * at hand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/node.h"
#include "modnas/config.h"
#include "util_host.h"
#include "util_shared.h"

static modnas_ctx *ctx;

static void setup(void) {
    ck_assert_int_eq(modnas_ctx_new(NULL, &ctx), 0);
}

static void teardown(void) {
    ck_assert_uint_eq(ctx->bytes_live, 0);
    modnas_ctx_free(ctx);
}

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

static int n_results[2][3]; /* valid, wrong files; right, refused, wrong result */

/* The documents of two JSON texts, in order. */
static int same_documents(const char *got, const char *want) {
    int equal = 1;
    for (;;) {
        skip_space(&got);
        skip_space(&want);
        if (!*got || !*want) return equal && !*got && !*want;
        mn_node *a = json_value(&got), *b = json_value(&want);
        equal &= same(a, b);
        mn_node_free(ctx, a);
        mn_node_free(ctx, b);
    }
}

static int is_as_wanted(const char *folder, const char *got) {
    char path[1100], *want;
    snprintf(path, sizeof path, "%s/in.json", folder);
    ck_assert_int_eq(mn_file_read(ctx, path, 1 << 24, &want, NULL), 0);
    const int equal = same_documents(got, want);
    mn_free(ctx, want);
    return equal;
}

/* What `modnas config --raw` prints. Lines hold one document each. */
static void run_case(const char *name, const char *folder, const char *expect) {
    char path[1100], *got = NULL;
    const int error = strcmp(expect, "error") == 0, json = strcmp(expect, "json") == 0;
    snprintf(path, sizeof path, "%s/in.yaml", folder);
    const int rc = modnas_config_raw_file(ctx, path, &got);
    ck_assert_msg(rc == 0 || rc == MODNAS_ECONFIG, "%s: %d", name, rc);
    ck_assert_int_eq(rc != 0, got == NULL);
    const int result = rc ? 1 : error || (json && !is_as_wanted(folder, got)) ? 2 : 0;
    if (error || json) n_results[error][result]++;
    if (result == 2) printf("test_yaml_suite: %s (%s) WRONG: %s\n", name, expect, got);
    if (json && rc)
        printf("test_yaml_suite: refused, though valid: %s: %s\n", name, strstr(modnas_errmsg(ctx), "in.yaml:"));
    modnas_string_free(ctx, got);
}

START_TEST(suite) {
    if (util_shared_each("yaml", "", 1, run_case) < 0) return;
    const int *valid = n_results[0], *wrong = n_results[1];
    printf("test_yaml_suite: %d equal, %d refused, %d wrong; of the bad ones %d refused, %d accepted\n", valid[0],
           valid[1], valid[2], wrong[1], wrong[2]);
    ck_assert_int_eq(valid[2], 0);
    ck_assert_int_eq(wrong[2], 0);
    ck_assert_int_eq(wrong[1], 48);
    ck_assert_int_ge(valid[0], 155); /* of 169; fewer means that good files became unreadable */
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
        if (mn_file_read(ctx, util_shared_path(local, path, sizeof path), 1 << 20, &text, &bytes)) {
            printf("test_yaml_suite: %s not found, skipped\n", path);
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
    const TTest *const tests[] = {suite, published_configs, NULL};
    Suite *s = suite_create("yaml_suite");
    util_add(s, "yaml_suite", setup, teardown, tests);
    return util_run(s);
}
