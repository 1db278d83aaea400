/* The bottom layer: context and its options, errors, memory and containers. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "modnas/version.h"
#include "util_host.h"

static modnas_ctx *ctx;

static void setup(void) {
    ck_assert_int_eq(modnas_ctx_new(NULL, &ctx), 0);
}

static void teardown(void) {
    ck_assert_uint_eq(ctx->bytes_live, 0);
    modnas_ctx_free(ctx);
}

/* ---- context and options ---- */

START_TEST(ctx_defaults) {
    ck_assert_int_eq(ctx->opts.threads, 2); /* ctx.h: default 2 */
    ck_assert_int_eq(ctx->opts.log_level, MODNAS_LOG_INFO);
    ck_assert_uint_eq(ctx->opts.size, sizeof(modnas_ctx_opts));
    ck_assert_str_eq(modnas_errmsg(ctx), "");
    ck_assert_str_eq(modnas_version(), MODNAS_VERSION_STRING);
    modnas_ctx_free(NULL);
    modnas_cancel(NULL);
    modnas_string_free(ctx, NULL);
}
END_TEST

START_TEST(ctx_opts_size) {
    util_host h = {.left = -1};
    struct {
        modnas_ctx_opts o;
        char tail[16];
    } big = {.o = util_host_opts(&h)};
    modnas_ctx *c = NULL;
    big.o.size = sizeof big; /* a newer caller that uses nothing new */
    ck_assert_int_eq(modnas_ctx_new(&big.o, &c), 0);
    modnas_ctx_free(c);
    c = NULL;
    big.tail[3] = 1;
    ck_assert_int_eq(modnas_ctx_new(&big.o, &c), MODNAS_EINVAL);
    ck_assert_ptr_null(c);
    char want[32];
    snprintf(want, sizeof want, "%zu", sizeof big);
    ck_assert_msg(strstr(h.log, want) != NULL, "own size: %s", h.log);
    snprintf(want, sizeof want, "%zu bytes", sizeof big.o);
    ck_assert_msg(strstr(h.log, want) != NULL, "known size: %s", h.log);
    big.o.size = 0;
    ck_assert_int_eq(modnas_ctx_new(&big.o, &c), MODNAS_EINVAL);
    big.o.threads = 7;
    big.o.size = offsetof(modnas_ctx_opts, threads); /* an older caller without `threads` */
    ck_assert_int_eq(modnas_ctx_new(&big.o, &c), 0);
    ck_assert_int_eq(c->opts.threads, 2);
    modnas_ctx_free(c);
}
END_TEST

START_TEST(ctx_opts_range) {
    static const struct {
        int32_t threads, level;
        int rc;
    } row[] = {{1, 3, 0},
               {256, 1, 0},
               {257, 0, MODNAS_EINVAL},
               {-1, 0, MODNAS_EINVAL},
               {1, 4, MODNAS_EINVAL},
               {1, -1, MODNAS_EINVAL}};
    for (size_t i = 0; i < MN_COUNT(row); i++) {
        modnas_ctx *c = NULL;
        const modnas_ctx_opts o = {.size = sizeof o, .threads = row[i].threads, .log_level = row[i].level};
        ck_assert_int_eq(modnas_ctx_new(&o, &c), row[i].rc);
        ck_assert_int_eq(c != NULL, row[i].rc == 0);
        modnas_ctx_free(c);
    }
}
END_TEST

START_TEST(ctx_out_of_memory) {
    for (int64_t left = 0; left < 2; left++) { /* the context itself, then its copy of plugin_dir */
        util_host h = {.left = left};
        modnas_ctx_opts o = util_host_opts(&h);
        o.plugin_dir = "a:b";
        modnas_ctx *c = NULL;
        ck_assert_int_eq(modnas_ctx_new(&o, &c), MODNAS_ENOMEM);
        ck_assert_ptr_null(c);
        ck_assert_int_eq(h.live, 0);
    }
}
END_TEST

static int n_freed;
static void count_free(modnas_ctx *c) {
    n_freed += c != NULL;
}

START_TEST(ctx_lives_with_children) {
    modnas_ctx *c;
    ck_assert_int_eq(modnas_ctx_new(NULL, &c), 0);
    c->registry_free = count_free;
    c->backends_free = count_free;
    mn_ctx_hold(c);
    modnas_ctx_free(c);
    ck_assert_int_eq(n_freed, 0);
    mn_ctx_drop(c);
    ck_assert_int_eq(n_freed, 2);
}
END_TEST

START_TEST(ctx_cancel) {
    ck_assert_int_eq(mn_canceled(ctx), 0);
    modnas_cancel(ctx);
    ck_assert_int_eq(mn_canceled(ctx), MODNAS_ECANCELED);
    ck_assert_str_eq(modnas_errmsg(ctx), "canceled");
    ck_assert_int_eq(mn_canceled(ctx), MODNAS_ECANCELED);
    mn_cancel_done(ctx);
    ck_assert_int_eq(mn_canceled(ctx), 0);
}
END_TEST

/* ---- status, error text, log ---- */

START_TEST(status_text) {
    ck_assert_str_eq(modnas_strerror(0), "ok");
    ck_assert_str_eq(modnas_strerror(-2), "out of memory"); /* numbers as pinned in status.h */
    ck_assert_str_eq(modnas_strerror(-18), "binary interface does not match");
    ck_assert_str_eq(modnas_strerror(-999), "unknown status");
    ck_assert_str_eq(modnas_strerror(7), "host callback code");
}
END_TEST

START_TEST(error_is_one_line) {
    ck_assert_int_eq(mn_fail(ctx, MODNAS_ESHAPE, "src has %d\nchannels", 3), MODNAS_ESHAPE);
    ck_assert_str_eq(modnas_errmsg(ctx), "src has 3 channels");
    mn_fail(ctx, MODNAS_ECONFIG, "a.yaml:3: %s", ctx->err); /* its own text as argument */
    ck_assert_str_eq(modnas_errmsg(ctx), "a.yaml:3: src has 3 channels");
    ck_assert_int_eq(mn_fail(NULL, MODNAS_EIO, "no context"), MODNAS_EIO);
}
END_TEST

START_TEST(error_is_cut_between_characters) {
    char text[1500];
    for (int lead = 0; lead < 3; lead++) { /* the cut falls on each byte of a three-byte character (U+20AC) */
        memset(text, 'x', sizeof text);
        for (size_t i = (size_t)lead; i + 3 < sizeof text; i += 3) memcpy(text + i, "\xe2\x82\xac", 3);
        text[sizeof text - 4] = 0;
        mn_fail(ctx, MODNAS_EIO, "%s", text);
        const size_t n = strlen(ctx->err);
        ck_assert_uint_ge(n, sizeof ctx->err - 4);
        ck_assert_uint_eq((n - (size_t)lead) % 3, 0);
        ck_assert_mem_eq(ctx->err + n - 3, "\xe2\x82\xac", 3);
    }
}
END_TEST

START_TEST(log_levels) {
    util_host h = {.left = -1};
    modnas_ctx_opts o = util_host_opts(&h);
    o.log_level = MODNAS_LOG_WARN;
    modnas_ctx *c;
    ck_assert_int_eq(modnas_ctx_new(&o, &c), 0);
    mn_log(c, MODNAS_LOG_INFO, "dropped");
    ck_assert_int_eq(h.n_lines, 0);
    mn_log(c, MODNAS_LOG_WARN, "epoch %d\n", 4);
    ck_assert_int_eq(h.n_lines, 1);
    ck_assert_int_eq(h.level, MODNAS_LOG_WARN);
    ck_assert_str_eq(h.log, "epoch 4 \n");
    mn_log(ctx, MODNAS_LOG_ERROR, "nobody listens");
    modnas_ctx_free(c);
}
END_TEST

/* ---- memory ---- */

START_TEST(alloc_counts) {
    unsigned char *a = mn_alloc(ctx, 10, 3);
    ck_assert_uint_eq((uintptr_t)a % 16, 0);
    for (int i = 0; i < 30; i++) ck_assert_int_eq(a[i], 0);
    ck_assert_uint_eq(ctx->bytes_live, 30);
    a[29] = 5;
    a = mn_realloc(ctx, a, 100, 1);
    ck_assert_int_eq(a[29], 5);
    ck_assert_uint_eq(ctx->bytes_live, 100);
    a = mn_realloc(ctx, a, 20, 1);
    ck_assert_uint_eq(ctx->bytes_live, 20);
    ck_assert_uint_eq(ctx->bytes_peak, 100);
    ck_assert_int_eq(ctx->n_allocs, 3);
    mn_free(ctx, a);
    mn_free(ctx, NULL);
    ck_assert_uint_eq(ctx->bytes_live, 0);
    ck_assert_int_eq(ctx->n_allocs, 3);
}
END_TEST

START_TEST(alloc_aligned) {
    void *mem[8];
    for (size_t i = 0; i < 8; i++) {
        mem[i] = mn_alloc_aligned(ctx, 100 * i + 1);
        ck_assert_uint_eq((uintptr_t)mem[i] % 64, 0);
        memset(mem[i], 0xff, 100 * i + 1);
    }
    for (size_t i = 0; i < 8; i++) mn_free_aligned(ctx, mem[i]);
    mn_free_aligned(ctx, NULL);
}
END_TEST

START_TEST(alloc_too_large) {
    ck_assert_ptr_null(mn_alloc(ctx, SIZE_MAX / 2, 3));
    ck_assert_msg(strstr(ctx->err, "elements of 3 bytes") != NULL, "%s", ctx->err);
    ck_assert_ptr_null(mn_alloc(ctx, SIZE_MAX, 1));
    ck_assert_ptr_null(mn_alloc_aligned(ctx, SIZE_MAX - 10));
    char *keep = mn_strdup(ctx, "keep");
    ck_assert_ptr_null(mn_realloc(ctx, keep, SIZE_MAX, 2));
    ck_assert_str_eq(keep, "keep");
    modnas_string_free(ctx, keep);
}
END_TEST

START_TEST(alloc_fails_by_hook) {
    util_host h = {.left = -1};
    const modnas_ctx_opts o = util_host_opts(&h);
    modnas_ctx *c;
    ck_assert_int_eq(modnas_ctx_new(&o, &c), 0);
    mn_map m = {0};
    mn_vec v;
    mn_vec_init(&v, sizeof(int));
    ck_assert_int_eq(mn_map_put(c, &m, "a", c), 0);
    mn_str s = {.ctx = c};
    h.left = 0;
    ck_assert_ptr_null(mn_alloc(c, 12, 1));
    ck_assert_msg(strstr(c->err, "out of memory: 12 bytes") != NULL, "%s", c->err);
    ck_assert_ptr_null(mn_vec_push(c, &v, NULL, 1));
    ck_assert_int_eq(mn_map_put(c, &m, "b", c), MODNAS_ENOMEM);
    ck_assert_uint_eq(m.n, 1);
    ck_assert_ptr_eq(mn_map_get(&m, "a"), c);
    mn_str_add(&s, "text");
    h.left = -1;
    mn_str_add(&s, "more");
    ck_assert_ptr_null(mn_str_take(&s)); /* says so once, at the end */
    mn_map_free(c, &m);
    ck_assert_uint_eq(c->bytes_live, 0);
    modnas_ctx_free(c);
    ck_assert_int_eq(h.live, 0);
}
END_TEST

/* ---- containers ---- */

START_TEST(vec_grows) {
    mn_vec v;
    mn_vec_init(&v, sizeof(int32_t));
    for (int32_t i = 0; i < 1000; i++) ck_assert_ptr_nonnull(mn_vec_push(ctx, &v, &i, 1));
    ck_assert_int_lt(ctx->n_allocs, 20); /* growth by half: log(1000 / 8) / log(1.5) = 12 */
    const int32_t pair[2] = {-1, -2};
    const int32_t *first = mn_vec_push(ctx, &v, pair, 2);
    ck_assert_int_eq(first[1], -2);
    ck_assert_int_eq(*(int32_t *)mn_vec_push(ctx, &v, NULL, 3), 0);
    ck_assert_uint_eq(v.n, 1005);
    for (int32_t i = 0; i < 1000; i++) ck_assert_int_eq(MN_AT(v, int32_t, i), i);
    mn_vec_free(ctx, &v);
    ck_assert_uint_eq(v.n, 0);
}
END_TEST

START_TEST(map_keeps_order) {
    mn_map m = {0};
    int value[500];
    char key[16];
    ck_assert_ptr_null(mn_map_get(&m, "k0"));
    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "k%d", i * 7919 % 500);
        ck_assert_int_eq(mn_map_put(ctx, &m, key, &value[i]), 0);
    }
    for (int i = 0; i < 500; i++) {
        void *got;
        snprintf(key, sizeof key, "k%d", i * 7919 % 500);
        ck_assert_str_eq(mn_map_key(&m, (size_t)i, &got), key);
        ck_assert_ptr_eq(got, &value[i]);
        ck_assert_ptr_eq(mn_map_get(&m, key), &value[i]);
    }
    ck_assert_int_eq(mn_map_put(ctx, &m, "k3", &value[0]), 0);
    ck_assert_ptr_eq(mn_map_get(&m, "k3"), &value[0]);
    ck_assert_uint_eq(m.n, 500);
    ck_assert_ptr_null(mn_map_get(&m, "k500"));
    ck_assert_ptr_null(mn_map_key(&m, 500, NULL));
    mn_map_free(ctx, &m);
}
END_TEST

START_TEST(str_builds) {
    mn_str s = {.ctx = ctx};
    char *text = mn_str_take(&s);
    ck_assert_str_eq(text, "");
    mn_free(ctx, text);
    for (int i = 0; i < 100; i++) mn_str_addf(&s, "%d,", i);
    mn_str_addn(&s, "abcdef", 3);
    mn_str_addf(&s, "%0300d", 7);
    text = mn_str_take(&s);
    ck_assert_uint_eq(strlen(text), 10 * 2 + 90 * 3 + 3 + 300);
    ck_assert_mem_eq(text, "0,1,2,", 6);
    ck_assert_int_eq(text[strlen(text) - 1], '7');
    mn_free(ctx, text);
}
END_TEST

START_TEST(str_json) { /* RFC 8259, section 7 */
    mn_str s = {.ctx = ctx};
    mn_str_json(&s, "a\"b\\c\n\t\x01\x1f/\xc3\xa9");
    char *text = mn_str_take(&s);
    ck_assert_str_eq(text, "\"a\\\"b\\\\c\\n\\t\\u0001\\u001f/\xc3\xa9\"");
    mn_free(ctx, text);
}
END_TEST

/* RFC 3629, section 4: the first and last of each row of its table, and what lies just outside. */
START_TEST(utf8) {
    static const struct {
        const char *text;
        size_t n;
    } cases[] = {{"", 0},
                 {"a", 1},
                 {"\x7f", 1},
                 {"\x80", 0},
                 {"\xc1\xbf", 0},
                 {"\xc2\x80", 2},
                 {"\xdf\xbf", 2},
                 {"\xc2\x41", 0},
                 {"\xe0\x9f\xbf", 0},
                 {"\xe0\xa0\x80", 3},
                 {"\xed\x9f\xbf", 3},
                 {"\xed\xa0\x80", 0},
                 {"\xee\x80\x80", 3},
                 {"\xe2\x82", 0},
                 {"\xf0\x8f\xbf\xbf", 0},
                 {"\xf0\x90\x80\x80", 4},
                 {"\xf4\x8f\xbf\xbf", 4},
                 {"\xf4\x90\x80\x80", 0},
                 {"\xf8\x88\x80\x80", 0},
                 {"\xff", 0}};
    for (size_t i = 0; i < MN_COUNT(cases); i++)
        ck_assert_uint_eq(mn_utf8_length(cases[i].text, strlen(cases[i].text)), cases[i].n);
    mn_str s = {.ctx = ctx};
    mn_str_json(&s, "\xe2\x82\xac\xe2\x82|\xff");
    char *text = mn_str_take(&s);
    ck_assert_str_eq(text, "\"\xe2\x82\xac\\ufffd\\ufffd|\\ufffd\"");
    mn_free(ctx, text);
}
END_TEST

int main(void) {
    Suite *s = suite_create("base");
    util_add(s, "ctx", setup, teardown,
             (const TTest *[]){ctx_defaults, ctx_opts_size, ctx_opts_range, ctx_out_of_memory, ctx_lives_with_children,
                               ctx_cancel, NULL});
    util_add(s, "error", setup, teardown,
             (const TTest *[]){status_text, error_is_one_line, error_is_cut_between_characters, log_levels, NULL});
    util_add(s, "alloc", setup, teardown,
             (const TTest *[]){alloc_counts, alloc_aligned, alloc_too_large, alloc_fails_by_hook, NULL});
    util_add(s, "containers", setup, teardown,
             (const TTest *[]){vec_grows, map_keeps_order, str_builds, str_json, utf8, NULL});
    return util_run(s);
}
