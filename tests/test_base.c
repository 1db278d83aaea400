/* The bottom layer: context and its options, memory, containers, numbers as text, random numbers, files, hashes. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "modnas/version.h"

static modnas_ctx *ctx;

static void setup(void) {
    ck_assert_int_eq(modnas_ctx_new(NULL, &ctx), 0);
}

static void teardown(void) {
    ck_assert_uint_eq(ctx->bytes_live, 0);
    modnas_ctx_free(ctx);
}

/* ---- context and options ---- */

typedef struct host {
    int64_t left; /* allocations until the hook fails; negative: never */
    int64_t live; /* blocks */
    int n_lines;
    int32_t level;
    char line[1100];
} host;

static void *host_alloc(void *ptr, size_t bytes, void *ud) {
    host *h = ud;
    if (!bytes) {
        h->live -= ptr != NULL;
        free(ptr);
        return NULL;
    }
    if (h->left == 0) return NULL;
    h->left--;
    void *mem = realloc(ptr, bytes);
    h->live += mem && !ptr;
    return mem;
}

static void host_log(int32_t level, const char *text, void *ud) {
    host *h = ud;
    h->n_lines++;
    h->level = level;
    snprintf(h->line, sizeof h->line, "%s", text);
}

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
    host h = {.left = -1};
    struct {
        modnas_ctx_opts o;
        char tail[16];
    } big = {.o = {.log_fn = host_log, .log_ud = &h}};
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
    ck_assert_msg(strstr(h.line, want) != NULL, "own size: %s", h.line);
    snprintf(want, sizeof want, "%zu bytes", sizeof big.o);
    ck_assert_msg(strstr(h.line, want) != NULL, "known size: %s", h.line);
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
        host h = {.left = left};
        const modnas_ctx_opts o = {.size = sizeof o, .alloc_fn = host_alloc, .alloc_ud = &h, .plugin_dir = "a:b"};
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
    host h = {.left = -1};
    const modnas_ctx_opts o = {.size = sizeof o, .log_fn = host_log, .log_ud = &h, .log_level = MODNAS_LOG_WARN};
    modnas_ctx *c;
    ck_assert_int_eq(modnas_ctx_new(&o, &c), 0);
    mn_log(c, MODNAS_LOG_INFO, "dropped");
    ck_assert_int_eq(h.n_lines, 0);
    mn_log(c, MODNAS_LOG_WARN, "epoch %d\n", 4);
    ck_assert_int_eq(h.n_lines, 1);
    ck_assert_int_eq(h.level, MODNAS_LOG_WARN);
    ck_assert_str_eq(h.line, "epoch 4 ");
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
    host h = {.left = -1};
    const modnas_ctx_opts o = {.size = sizeof o, .alloc_fn = host_alloc, .alloc_ud = &h};
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

/* ---- numbers as text ---- */

static void check_real(double x, const char *want) {
    mn_str s = {.ctx = ctx};
    mn_str_real(&s, x);
    char *text = mn_str_take(&s);
    if (want) ck_assert_str_eq(text, want);
    double back;
    ck_assert_int_eq(mn_parse_real(text, &back), 0);
    ck_assert_mem_eq(&back, &x, sizeof x);
    mn_free(ctx, text);
}

/* Shortest decimals as Python's repr prints them (exponents without sign and leading zeros). */
static void check_known_reals(void) {
    check_real(0.0, "0");
    check_real(-0.0, "-0");
    check_real(0.1, "0.1");
    check_real(1.0 / 3, "0.3333333333333333");
    check_real(0.1 + 0.2, "0.30000000000000004");
    check_real(5e-324, "5e-324");
    check_real(2.2250738585072014e-308, "2.2250738585072014e-308");
    check_real(1.7976931348623157e308, "1.7976931348623157e308");
    check_real(1e100, "1e100");
    check_real(-1.5e-7, "-1.5e-7");
    check_real(100000, "100000");
    check_real(9007199254740993.0, "9007199254740992");
}

START_TEST(real_round_trips) {
    check_known_reals();
    mn_rng r;
    mn_rng_init(&r, 1, mn_stream("reals"), 0);
    for (int i = 0; i < 20000;) {
        const uint64_t bits = (uint64_t)mn_rng_u32(&r) << 32 | mn_rng_u32(&r);
        double x;
        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x)) continue;
        check_real(x, NULL);
        i++;
    }
    mn_str s = {.ctx = ctx};
    mn_str_real(&s, NAN);
    mn_str_real(&s, -INFINITY);
    char *text = mn_str_take(&s);
    ck_assert_str_eq(text, "nullnull");
    mn_free(ctx, text);
}
END_TEST

/* A locale with a decimal comma, made on the spot where the machine has none installed: localedef needs its sources, so
 * a machine without either says so and checks the default locale only. */
static int comma_locale(void) {
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE",
                                        "fr_FR.UTF-8", "fr_FR.utf8", "pt_BR.utf8"};
    for (size_t i = 0; i < MN_COUNT(names); i++)
        if (setlocale(LC_NUMERIC, names[i])) return 1;
    char dir[] = "/tmp/modnas-locale-XXXXXX", command[256];
    if (!mkdtemp(dir)) return 0;
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1", dir);
    int ok = 0;
    if (system(command) == 0 && setenv("LOCPATH", dir, 1) == 0) ok = setlocale(LC_NUMERIC, "de_DE.UTF-8") != NULL;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command)) ok = 0;
    return ok;
}

START_TEST(real_ignores_the_locale) {
    if (!comma_locale()) {
        printf("real_ignores_the_locale: skipped, no locale with a decimal comma here\n");
        return;
    }
    char text[16];
    snprintf(text, sizeof text, "%.1f", 0.5);
    ck_assert_str_eq(text, "0,5");
    check_known_reals();
    double x;
    ck_assert_int_eq(mn_parse_real("1,5", &x), -1);
}
END_TEST

START_TEST(real_parses) {
    static const struct {
        const char *text;
        int rc;
        double x;
    } row[] = {/* YAML 1.2 core schema, 10.3.2, without .inf, .nan and integers in other bases */
               {"1e2", 0, 100}, {"-1.50E-1", 0, -0.15}, {".5", 0, 0.5},   {"5.", 0, 5},
               {"+7", 0, 7},    {"1e999", -1, 0},       {"", -1, 0},      {".", -1, 0},
               {"1e", -1, 0},   {"1e+", -1, 0},         {"0x10", -1, 0},  {"inf", -1, 0},
               {"nan", -1, 0},  {" 1", -1, 0},          {"1 ", -1, 0},    {"1.2.3", -1, 0},
               {"--1", -1, 0},  {"1e1.5", -1, 0},       {"1e-999", 0, 0}, {"1_000", -1, 0}};
    for (size_t i = 0; i < MN_COUNT(row); i++) {
        double x = 42;
        ck_assert_msg(mn_parse_real(row[i].text, &x) == row[i].rc, "'%s'", row[i].text);
        ck_assert_msg(x == (row[i].rc ? 42 : row[i].x), "'%s' gives %g", row[i].text, x);
    }
    char text[1100];
    memset(text, '1', sizeof text);
    text[300] = 0;
    double x;
    ck_assert_int_eq(mn_parse_real(text, &x), 0);
    ck_assert_double_eq_tol(x / 1e299, 10.0 / 9, 1e-12); /* 111... = 10^300 / 9 */
    text[300] = '1';
    text[1099] = 0;
    ck_assert_int_eq(mn_parse_real(text, &x), -1);
}
END_TEST

START_TEST(suggests) {
    static const char *const names[] = {"DARTSOptim", "BinaryGateOptim", "RandomSearchOptim",
                                        "lr_min",     "lr_max",          "seed"};
    static const struct {
        const char *word, *want;
    } row[] = {{"DartsOptim", "DARTSOptim"},
               {"BinaryGatOptim", "BinaryGateOptim"},
               {"lr-min", "lr_min"},
               {"lr_mxa", "lr_max"},
               {"sede", "seed"},
               {"epochs", NULL},
               {"", NULL},
               {"x", NULL},
               {"Seed", "seed"}};
    for (size_t i = 0; i < MN_COUNT(row); i++) {
        const char *got = mn_suggest(row[i].word, names, MN_COUNT(names));
        ck_assert_msg((got == NULL) == (row[i].want == NULL) && (!got || !strcmp(got, row[i].want)), "%s: %s",
                      row[i].word, got ? got : "none");
    }
    char huge[200];
    memset(huge, 'a', sizeof huge);
    huge[199] = 0;
    ck_assert_ptr_null(mn_suggest(huge, names, MN_COUNT(names)));
    ck_assert_ptr_null(mn_suggest("lr", names, 0));
}
END_TEST

/* ---- random numbers ---- */

START_TEST(rng_known_answers) {
    static const struct { /* Random123 1.09, kat_vectors: "philox4x32 10" */
        uint32_t counter[4], key[2], want[4];
    } row[] = {{{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
               {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
                {0xffffffff, 0xffffffff},
                {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
               {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                {0xa4093822, 0x299f31d0},
                {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};
    for (size_t i = 0; i < MN_COUNT(row); i++) {
        uint32_t got[4];
        mn_philox(row[i].counter, row[i].key, got);
        ck_assert_mem_eq(got, row[i].want, sizeof got);
    }
    ck_assert_uint_eq(mn_stream(""), 0xcbf29ce484222325u); /* FNV-1a test vectors of its authors */
    ck_assert_uint_eq(mn_stream("foobar"), 0x85944171f73967e8u);
}
END_TEST

START_TEST(rng_is_keyed) {
    mn_rng a, b;
    mn_rng_init(&a, 0, 5, 9);
    mn_rng_init(&b, 0, 5, 9);
    for (int i = 0; i < 100; i++) ck_assert_uint_eq(mn_rng_u32(&a), mn_rng_u32(&b));
    static const uint64_t other[][3] = {{1, 5, 9}, {0, 6, 9}, {0, 5, 10}, {5, 0, 9}, {0, 5, 9ull << 32}};
    for (size_t k = 0; k < MN_COUNT(other); k++) {
        int same = 0;
        mn_rng_init(&a, 0, 5, 9);
        mn_rng_init(&b, other[k][0], other[k][1], other[k][2]);
        for (int i = 0; i < 100; i++) same += mn_rng_u32(&a) == mn_rng_u32(&b);
        ck_assert_int_le(same, 1); /* 100 chances of 2^-32 */
    }
}
END_TEST

/* Moments against theory; bounds are 5 standard deviations of the mean of n draws. */
START_TEST(rng_moments) {
    enum { n = 100000 };
    mn_rng r;
    mn_rng_init(&r, 3, mn_stream("moments"), 0);
    double sum = 0, sum_z = 0, sum_z2 = 0;
    for (int i = 0; i < n; i++) {
        const double u = mn_rng_real(&r), z = mn_rng_normal(&r);
        ck_assert(u >= 0 && u < 1);
        sum += u;
        sum_z += z;
        sum_z2 += z * z;
    }
    ck_assert_double_eq_tol(sum / n, 0.5, 5 * sqrt(1.0 / 12 / n));
    ck_assert_double_eq_tol(sum_z / n, 0, 5 * sqrt(1.0 / n));
    ck_assert_double_eq_tol(sum_z2 / n, 1, 5 * sqrt(2.0 / n)); /* variance of z^2 is 2 */
}
END_TEST

START_TEST(rng_below) {
    mn_rng r;
    mn_rng_init(&r, 4, 0, 0);
    ck_assert_uint_eq(mn_rng_below(&r, 1), 0);
    ck_assert_uint_eq(r.index, 0);
    int count[7] = {0};
    for (int i = 0; i < 70000; i++) count[mn_rng_below(&r, 7)]++;
    double chi2 = 0;
    for (int i = 0; i < 7; i++) chi2 += (count[i] - 1e4) * (count[i] - 1e4) / 1e4;
    ck_assert_double_lt(chi2, 22.46); /* chi-square, 6 degrees of freedom: 99.9 % */
    uint64_t high = 0;
    for (int i = 0; i < 1000; i++) {
        const uint64_t x = mn_rng_below(&r, 3ull << 40);
        ck_assert_uint_lt(x, 3ull << 40);
        if (x > high) high = x;
    }
    ck_assert_uint_gt(high, 3ull << 39);
}
END_TEST

START_TEST(rng_shuffle) {
    mn_rng r;
    mn_rng_init(&r, 5, 0, 0);
    int count[6] = {0};
    for (int k = 0; k < 6000; k++) {
        int32_t a[3] = {0, 1, 2};
        mn_rng_shuffle(&r, a, 3);
        ck_assert_int_eq(a[0] + a[1] + a[2], 3);
        ck_assert_int_ne(a[0], a[1]);
        count[a[0] * 2 + (a[1] > a[2])]++;
    }
    double chi2 = 0;
    for (int i = 0; i < 6; i++) chi2 += (count[i] - 1e3) * (count[i] - 1e3) / 1e3;
    ck_assert_double_lt(chi2, 20.52); /* 5 degrees of freedom: 99.9 % */
    mn_rng_shuffle(&r, NULL, 0);
}
END_TEST

/* ---- hash ---- */

static void check_sha(const char *text, size_t n, size_t times, size_t split, const char *want) {
    mn_sha256 s;
    char hex[65];
    mn_sha256_init(&s);
    for (size_t i = 0; i < times; i++) {
        const size_t head = split < n ? split : n;
        mn_sha256_add(&s, text, head);
        mn_sha256_add(&s, text + head, n - head);
    }
    mn_sha256_hex(&s, hex);
    ck_assert_str_eq(hex, want);
}

START_TEST(sha256_vectors) { /* FIPS 180-4 examples (NIST: SHA256.pdf) and the million 'a' of FIPS 180-2 */
    const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    for (size_t split = 0; split < 60; split++) {
        check_sha("", 0, 1, split, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        check_sha("abc", 3, 1, split, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        check_sha(two, 56, 1, split, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    }
    char a[1000];
    memset(a, 'a', sizeof a);
    check_sha(a, sizeof a, 1000, 77, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

/* ---- files ---- */

static char dir[64];

static void file_setup(void) {
    setup();
    snprintf(dir, sizeof dir, "/tmp/modnas-base-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void file_teardown(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
    teardown();
}

static const char *in_dir(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void check_content(const char *path, const char *want) {
    char *data = NULL;
    size_t n = 0;
    ck_assert_msg(mn_file_read(ctx, path, 100, &data, &n) == 0, "%s", ctx->err);
    ck_assert_uint_eq(n, strlen(want));
    ck_assert_str_eq(data, want);
    mn_free(ctx, data);
}

static int n_in_dir(void) {
    char command[128];
    snprintf(command, sizeof command, "ls -A %s | wc -l", dir);
    FILE *f = popen(command, "r");
    int n = -1;
    ck_assert_int_eq(fscanf(f, "%d", &n), 1);
    pclose(f);
    return n;
}

START_TEST(file_round_trip) {
    const char *path = in_dir("a");
    const mode_t mask = umask(027);
    ck_assert_int_eq(mn_file_write(ctx, path, "old", 3), 0);
    umask(mask);
    check_content(path, "old");
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0640); /* 0666 without the umask's bits */
    ck_assert_int_eq(mn_file_write(ctx, path, "newer", 5), 0);
    check_content(path, "newer");
    ck_assert_int_eq(mn_file_write(ctx, path, NULL, 0), 0);
    check_content(path, "");
    ck_assert_int_eq(n_in_dir(), 1); /* no temporary file is left */
}
END_TEST

START_TEST(file_old_one_stays_whole) {
    char path[256];
    snprintf(path, sizeof path, "%s", in_dir("a"));
    ck_assert_int_eq(mn_file_write(ctx, path, "old", 3), 0);
    char other[300];
    snprintf(other, sizeof other, "%s.tmp-%ld-0", path, (long)getpid()); /* a leftover of a killed run */
    ck_assert_int_eq(mn_file_write(ctx, other, "left", 4), 0);
    const int fd = open(path, O_RDONLY); /* a reader of the old file keeps it */
    ck_assert_int_eq(mn_file_write(ctx, path, "new", 3), 0);
    char buf[4] = "";
    ck_assert_int_eq(read(fd, buf, 3), 3);
    close(fd);
    ck_assert_str_eq(buf, "old");
    check_content(path, "new");
    check_content(other, "left");
    ck_assert_int_eq(unlink(other), 0);
    ck_assert_int_eq(mkdir(in_dir("d"), 0777), 0);
    ck_assert_int_eq(mkdir(in_dir("d/full"), 0777), 0);
    ck_assert_int_eq(mn_file_write(ctx, in_dir("d"), "x", 1), MODNAS_EIO); /* the rename is what fails */
    ck_assert_msg(strstr(ctx->err, in_dir("d")) != NULL, "%s", ctx->err);
    ck_assert_int_eq(n_in_dir(), 2);
}
END_TEST

START_TEST(file_unwritable) {
    ck_assert_int_eq(mn_file_write(ctx, in_dir("none/a"), "x", 1), MODNAS_EIO);
    ck_assert_msg(strstr(ctx->err, "No such file") != NULL, "%s", ctx->err);
    ck_assert_int_eq(mn_file_write(ctx, in_dir("a"), "old", 3), 0);
    ck_assert_int_eq(mn_file_write(ctx, in_dir("a/b"), "x", 1), MODNAS_EIO);
    ck_assert_int_eq(mn_file_write(ctx, "/proc/modnas-test", "x", 1), MODNAS_EIO); /* refused to root as well */
    if (geteuid() == 0) return;                                                    /* root may write anywhere */
    ck_assert_int_eq(chmod(dir, 0555), 0);
    ck_assert_int_eq(mn_file_write(ctx, in_dir("a"), "new", 3), MODNAS_EIO);
    ck_assert_int_eq(chmod(dir, 0755), 0);
    check_content(in_dir("a"), "old");
}
END_TEST

START_TEST(file_read_errors) {
    char *data = NULL;
    size_t n = 7;
    ck_assert_int_eq(mn_file_read(ctx, in_dir("none"), 10, &data, &n), MODNAS_ENOTFOUND);
    ck_assert_int_eq(mn_file_read(ctx, dir, 10, &data, &n), MODNAS_EIO);
    ck_assert_int_eq(mn_file_write(ctx, in_dir("a"), "0123456789", 10), 0);
    ck_assert_int_eq(mn_file_read(ctx, in_dir("a"), 9, &data, &n), MODNAS_EIO);
    ck_assert_msg(strstr(ctx->err, "9 bytes") != NULL, "%s", ctx->err);
    ck_assert_int_eq(mn_file_read(ctx, "/dev/zero", 100000, &data, &n), MODNAS_EIO); /* no size to ask for */
    ck_assert_ptr_null(data);
    ck_assert_uint_eq(n, 7);
    ck_assert_int_eq(mn_file_read(ctx, in_dir("a"), 10, &data, NULL), 0);
    ck_assert_str_eq(data, "0123456789");
    mn_free(ctx, data);
}
END_TEST

START_TEST(file_make_dirs) {
    ck_assert_int_eq(mn_make_dirs(ctx, in_dir("x/y//z/")), 0);
    ck_assert_int_eq(mn_make_dirs(ctx, in_dir("x/y/z")), 0);
    ck_assert_int_eq(mn_file_write(ctx, in_dir("x/y/z/a"), "1", 1), 0);
    ck_assert_int_eq(mn_make_dirs(ctx, in_dir("x/y/z/a/b")), MODNAS_EIO);
    ck_assert_int_eq(mn_make_dirs(ctx, "/proc/modnas-test/a"), MODNAS_EIO);
    ck_assert_msg(strstr(ctx->err, "/proc/modnas-test") != NULL, "%s", ctx->err);
    ck_assert_int_eq(mn_make_dirs(ctx, "/"), 0);
    ck_assert_int_eq(mn_make_dirs(ctx, "."), 0);
}
END_TEST

/* ---- machine ---- */

START_TEST(cpu_agrees_with_the_kernel) {
    char *info = NULL;
    ck_assert_int_eq(mn_file_read(ctx, "/proc/cpuinfo", 1 << 24, &info, NULL), 0);
    int want = strstr(info, " avx2 ") && strstr(info, " fma ") ? MN_ISA_AVX2 : MN_ISA_PORTABLE;
    if (want && strstr(info, " avx512f ") && strstr(info, " avx512bw ") && strstr(info, " avx512dq ") &&
        strstr(info, " avx512vl "))
        want = MN_ISA_AVX512;
    ck_assert_int_eq(mn_cpu_isa(), want);
    mn_free(ctx, info);
}
END_TEST

START_TEST(time_goes_on) {
    const double t = mn_seconds();
    usleep(2000);
    const double d = mn_seconds() - t;
    ck_assert(d >= 0.002 && d < 60);
}
END_TEST

static void add(Suite *s, const char *name, void (*before)(void), void (*after)(void), const TTest *const *tests) {
    TCase *t = tcase_create(name);
    tcase_set_timeout(t, 60);
    if (before) tcase_add_checked_fixture(t, before, after);
    for (; *tests; tests++) tcase_add_test(t, *tests);
    suite_add_tcase(s, t);
}

int main(void) {
    Suite *s = suite_create("base");
    add(s, "ctx", setup, teardown,
        (const TTest *[]){ctx_defaults, ctx_opts_size, ctx_opts_range, ctx_out_of_memory, ctx_lives_with_children,
                          ctx_cancel, NULL});
    add(s, "error", setup, teardown,
        (const TTest *[]){status_text, error_is_one_line, error_is_cut_between_characters, log_levels, NULL});
    add(s, "alloc", setup, teardown,
        (const TTest *[]){alloc_counts, alloc_aligned, alloc_too_large, alloc_fails_by_hook, NULL});
    add(s, "containers", setup, teardown, (const TTest *[]){vec_grows, map_keeps_order, str_builds, str_json, NULL});
    add(s, "real", setup, teardown,
        (const TTest *[]){real_round_trips, real_ignores_the_locale, real_parses, suggests, NULL});
    add(s, "rng", NULL, NULL,
        (const TTest *[]){rng_known_answers, rng_is_keyed, rng_moments, rng_below, rng_shuffle, NULL});
    add(s, "sha256", NULL, NULL, (const TTest *[]){sha256_vectors, NULL});
    add(s, "file", file_setup, file_teardown,
        (const TTest *[]){file_round_trip, file_old_one_stays_whole, file_unwritable, file_read_errors, file_make_dirs,
                          NULL});
    add(s, "machine", setup, teardown, (const TTest *[]){cpu_agrees_with_the_kernel, time_goes_on, NULL});
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
