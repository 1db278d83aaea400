/* Opening backends, refusing plug-ins that do not fit, falling back to ref, and the cache of plans. The plug-ins are
 * plugin_fake.c, built in one wrong way each; they lie in plugins/ beside this program. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/backend.h"
#include "util_host.h"
#include "util_paths.h"

static util_host h;
static modnas_ctx *ctx;
static char junk[64], plugins[4096], search[5000];

/* A context that seeks plug-ins in a folder of junk, then in the fakes'. */
static void setup(void) {
    util_path_beside(1, "/plugins", plugins, sizeof plugins);
    snprintf(junk, sizeof junk, "/tmp/modnas-backend-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(junk));
    snprintf(search, sizeof search, "/nonexistent::%s:%s", junk, plugins);
    h = (util_host){.left = -1};
    modnas_ctx_opts o = util_host_opts(&h);
    o.plugin_dir = search;
    o.threads = 3;
    ck_assert_int_eq(modnas_ctx_new(&o, &ctx), 0);
}

static void teardown(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", junk);
    ck_assert_int_eq(system(command), 0);
    modnas_ctx_free(ctx);
    ck_assert_int_eq(h.live, 0); /* the context frees what was left open */
}

static void write_junk(const char *name, const void *data, size_t bytes) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", junk, name);
    ck_assert_int_eq(mn_file_write(ctx, path, data, bytes), 0);
}

static void check_err(const char *want) {
    ck_assert_msg(strstr(ctx->err, want) != NULL, "'%s' not in: %s", want, ctx->err);
}

static mn_backend *open_ok(const char *name, int32_t threads) {
    mn_backend *b = NULL;
    ck_assert_msg(mn_backend_open(ctx, name, threads, &b) == 0, "%s: %s", name, ctx->err);
    return b;
}

static modnas_kernel axpby(int64_t n, int32_t dtype) {
    modnas_kernel k;
    memset(&k, 0, sizeof k);
    k.kind = MODNAS_KERNEL_AXPBY;
    k.dtype = dtype;
    k.src = k.dst = (modnas_tdesc){{1, 1, 1, n}, 0, dtype};
    return k;
}

/* ---- plug-ins that are missing or wrong ---- */

START_TEST(plugin_missing) {
    mn_backend *b = NULL;
    ck_assert_int_eq(mn_backend_open(ctx, "nowhere", 0, &b), MODNAS_ENOBACKEND);
    ck_assert_ptr_null(b);
    check_err("no modnas-nowhere.so in ");
    check_err("/nonexistent");
    check_err("/modnas-plugins");
    static const char *const bad[] = {"", "../x", "a/b", "Dnnl", "a.b"};
    for (size_t i = 0; i < MN_COUNT(bad); i++) {
        ck_assert_int_eq(mn_backend_open(ctx, bad[i], 0, &b), MODNAS_ENOBACKEND);
        check_err("no such name");
    }
}
END_TEST

START_TEST(plugin_is_no_object) {
    mn_backend *b = NULL;
    write_junk("modnas-fake_ok.so", "not an object\n", 14); /* comes before the good one, and decides */
    ck_assert_int_eq(mn_backend_open(ctx, "fake_ok", 0, &b), MODNAS_ENOBACKEND);
    check_err("does not load");
    check_err(junk);
    char path[4200], *elf = NULL;
    size_t n;
    snprintf(path, sizeof path, "%s/modnas-fake_ok.so", plugins);
    ck_assert_int_eq(mn_file_read(ctx, path, 1 << 24, &elf, &n), 0);
    write_junk("modnas-fake_ok.so", elf, 100); /* cut off */
    mn_free(ctx, elf);
    ck_assert_int_eq(mn_backend_open(ctx, "fake_ok", 0, &b), MODNAS_ENOBACKEND);
    check_err("does not load");
    ck_assert_ptr_null(b);
}
END_TEST

static const struct wrong {
    const char *name;
    int rc;
    const char *text[2];
} wrong[] = {{"fake_entry", MODNAS_EABI, {"modnas-fake_entry.so", "no function modnas_plugin_entry"}},
             {"fake_abi", MODNAS_EABI, {"the plug-in has abi 42", "the library has 1"}},
             {"fake_size", MODNAS_EABI, {"the plug-in's table has 176 bytes", "the library's has 184"}},
             {"fake_name", MODNAS_EABI, {"calls itself 'other'", "not 'fake_name'"}},
             {"fake_hole", MODNAS_EABI, {"no function 'plan_run'", "modnas-fake_hole.so"}},
             {"fake_refuse", MODNAS_EABI, {"needs a driver of version 12, here is 11", ""}},
             {"fake_rude", MODNAS_EABI, {"the plug-in refuses abi 1", "modnas-fake_rude.so"}},
             {"fake_open", MODNAS_ENOBACKEND, {"no device of this kind", ""}}};

START_TEST(plugin_refused) {
    const struct wrong *w = &wrong[_i];
    mn_backend *b = NULL;
    ck_assert_int_eq(mn_backend_open(ctx, w->name, 0, &b), w->rc);
    ck_assert_ptr_null(b);
    check_err(w->text[0]);
    check_err(w->text[1]);
    ck_assert_ptr_null(strstr(h.log, "closed")); /* never opened, never closed */
}
END_TEST

START_TEST(plugin_out_of_memory) {
    int64_t n = 0; /* fail at every allocation in turn, until opening and planning succeed */
    for (int rc = MODNAS_ENOMEM; rc; n++) {
        ck_assert_int_lt(n, 100);
        const size_t before = ctx->bytes_live;
        mn_backend *b = NULL;
        const mn_plan *p = NULL;
        const modnas_kernel k = axpby(8, MODNAS_F32);
        h.left = n;
        rc = mn_backend_open(ctx, "fake_ok", 0, &b);
        if (!rc) rc = mn_backend_plan(b, &k, &p);
        h.left = -1;
        ck_assert_msg(rc == 0 || rc == MODNAS_ENOMEM, "%s", ctx->err);
        ck_assert_int_eq(p != NULL, rc == 0);
        mn_backend_close(b);
        /* the list of open backends stays with the context: at most 3 small blocks */
        ck_assert_uint_le(ctx->bytes_live - before, 256);
    }
    ck_assert_int_gt(n, 10);
}
END_TEST

/* ---- opening and closing ---- */

START_TEST(open_once_per_name_and_threads) {
    mn_backend *a = open_ok("fake_ok", 0), *b = open_ok("fake_ok", 3), *c = open_ok("fake_ok", 2);
    ck_assert_ptr_eq(a, b); /* 0: the context's 3 threads */
    ck_assert_ptr_ne(a, c);
    ck_assert_int_eq(mn_backend_threads(a), 3);
    ck_assert_int_eq(mn_backend_threads(c), 2);
    ck_assert_str_eq(mn_backend_name(a), "fake_ok");
    ck_assert_str_eq(mn_backend_version(a), "fake 1.0");
    ck_assert_ptr_eq(mn_backend_ctx(a), ctx);
    mn_backend_close(a);
    ck_assert_str_eq(h.log, "");
    mn_backend_close(b);
    ck_assert_str_eq(h.log, "fake_ok closed with 0 alive\n");
    mn_backend_close(c);
    mn_backend_close(NULL);
    mn_backend *x = NULL;
    ck_assert_int_eq(mn_backend_open(ctx, "ref", 257, &x), MODNAS_EINVAL);
    ck_assert_int_eq(mn_backend_open(ctx, "ref", -1, &x), MODNAS_EINVAL);
    ck_assert_ptr_null(x);
}
END_TEST

START_TEST(open_forgotten) {
    mn_backend *b = open_ok("fake_ok", 1);
    open_ok("ref", 1);
    const modnas_kernel k = axpby(4, MODNAS_F32), on_ref = axpby(4, MODNAS_F64);
    const mn_plan *p;
    ck_assert_int_eq(mn_backend_plan(b, &k, &p), 0);
    ck_assert_int_eq(mn_backend_plan(b, &on_ref, &p), 0);
    modnas_ctx_free(ctx);
    ck_assert_str_eq(h.log, "fake_ok closed with 0 alive\n"); /* its plans went first */
    ck_assert_int_eq(h.live, 0);
    const modnas_ctx_opts o = util_host_opts(&h);
    ck_assert_int_eq(modnas_ctx_new(&o, &ctx), 0); /* for the teardown */
}
END_TEST

START_TEST(open_auto_falls_back) {
    mn_fail(ctx, MODNAS_EIO, "an error of before");
    write_junk("modnas-dnnl.so", "junk", 4); /* hides a real one */
    mn_backend *b = open_ok("auto", 0);
    ck_assert_str_eq(mn_backend_name(b), "ref");
    ck_assert_msg(strstr(h.log, "modnas-dnnl.so") != NULL, "the reason is logged: %s", h.log);
    ck_assert_str_eq(modnas_errmsg(ctx), "an error of before");
    mn_backend_close(b);
}
END_TEST

typedef struct seen {
    int n, stop_at;
    char text[3][1200];
} seen;

static int see(const char *name, const char *version, const char *why_not, void *ud) {
    seen *s = ud;
    ck_assert_int_lt(s->n, 3);
    ck_assert_int_eq(version == NULL, why_not != NULL);
    snprintf(s->text[s->n++], sizeof s->text[0], "%s %s", name, version ? "is here" : why_not);
    return s->n == s->stop_at ? 77 : 0;
}

START_TEST(visit_all) {
    write_junk("modnas-dnnl.so", "junk", 4);
    seen s = {0};
    ck_assert_int_eq(mn_backend_visit(ctx, see, &s), 0);
    ck_assert_int_eq(s.n, 3);
    ck_assert_str_eq(s.text[0], "ref is here");
    ck_assert_ptr_nonnull(strstr(s.text[1], "does not load"));
    ck_assert_ptr_eq(strstr(s.text[2], "cudnn"), s.text[2]);
    ck_assert_str_eq(modnas_errmsg(ctx), "");
    s = (seen){.stop_at = 1};
    ck_assert_int_eq(mn_backend_visit(ctx, see, &s), 77);
    ck_assert_int_eq(s.n, 1);
}
END_TEST

START_TEST(enter_refuses) {
    mn_backend *ref = open_ok("ref", 1), *fake = open_ok("fake_ok", 1), *busy = NULL;
    ck_assert_int_eq(mn_backend_enter(ref), 0);
    ck_assert_int_eq(mn_backend_enter(fake), 0);
    ck_assert_int_eq(mn_backend_open(ctx, "fake_parallel", 1, &busy), MODNAS_EPARALLEL);
    ck_assert_ptr_null(busy);
    check_err("parallel region");
    const pid_t pid = fork();
    if (pid == 0) {
        mn_backend *again = NULL;
        int ok = mn_backend_enter(ref) == MODNAS_EFORK && strstr(ctx->err, "backend ref was opened by process") != NULL;
        ok = ok && mn_backend_open(ctx, "ref", 1, &again) == MODNAS_EFORK && !again;
        modnas_ctx *fresh = NULL; /* a context of the child's own works */
        ok = ok && modnas_ctx_new(NULL, &fresh) == 0 && mn_backend_open(fresh, "ref", 1, &again) == 0 &&
             mn_backend_enter(again) == 0;
        _exit(ok ? 42 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 42);
    ck_assert_int_eq(mn_backend_enter(ref), 0);
    mn_backend_close(ref);
    mn_backend_close(fake);
}
END_TEST

/* ---- memory ---- */

static void check_memory(const char *name, int64_t n_moves) {
    mn_backend *b = open_ok(name, 1);
    const int64_t before = mn_backend_n_objects(b);
    unsigned char *mem = NULL, back[5000], zeros[5000] = {0};
    ck_assert_int_eq(mn_backend_alloc(b, sizeof back, (void **)&mem), 0);
    ck_assert_uint_eq((uintptr_t)mem % 64, 0);
    ck_assert_int_eq(mn_backend_n_objects(b) - before, n_moves);
    ck_assert_int_eq(mn_backend_download(b, back, mem, sizeof back), 0);
    ck_assert_mem_eq(back, zeros, sizeof back);
    ck_assert_int_eq(mn_backend_upload(b, mem + 4990, "0123456789", 10), 0);
    ck_assert_int_eq(mn_backend_download(b, back, mem, sizeof back), 0);
    ck_assert_mem_eq(back + 4988, "\0\0000123456789", 12);
    mn_backend_free(b, mem);
    mn_backend_free(b, NULL);
    mem = NULL;
    h.left = 0;
    ck_assert_int_eq(mn_backend_alloc(b, 100, (void **)&mem), MODNAS_ENOMEM);
    h.left = -1;
    ck_assert_ptr_null(mem);
    mn_backend_close(b);
}

START_TEST(memory_is_zeroed) {
    check_memory("ref", 0);
    check_memory("fake_ok", 0);
    check_memory("fake_device", 2); /* 5000 bytes of zeros in pieces of 4096 */
}
END_TEST

/* ---- plans ---- */

START_TEST(plan_runs_or_falls_back) {
    mn_backend *b = open_ok("fake_ok", 1);
    const modnas_kernel k = axpby(4, MODNAS_F32), wide = axpby(4, MODNAS_F64);
    const mn_plan *p, *q;
    ck_assert_int_eq(mn_backend_supports(b, &k), 1);
    ck_assert_int_eq(mn_backend_supports(b, &wide), 0);
    ck_assert_int_eq(mn_backend_plan(b, &k, &p), 0);
    ck_assert_int_eq(mn_backend_plan(b, &wide, &q), 0);
    ck_assert_int_eq(p->fallback, 0);
    ck_assert_int_eq(q->fallback, 1);
    ck_assert_uint_eq(p->scratch, 4); /* what fake's plan_scratch says */
    float x[4] = {1, 2, 3, 4}, y[4] = {10, 10, 10, 10};
    double dx[4] = {1, 2, 3, 4}, dy[4] = {10, 10, 10, 10};
    const double scalars[3] = {3, 2, 0.5}; /* n, a, b: the first three become 2 x + 5 */
    ck_assert_int_eq(mn_plan_run(p, (void *[]){x, y}, 2, scalars, 3, NULL), 0);
    ck_assert_int_eq(mn_plan_run(q, (void *[]){dx, dy}, 2, scalars, 3, NULL), 0);
    const double want[4] = {7, 9, 11, 10};
    for (int i = 0; i < 4; i++) {
        ck_assert_double_eq(y[i], want[i]);
        ck_assert_double_eq(dy[i], want[i]);
    }
    ck_assert_int_eq(mn_plan_run(p, NULL, 0, NULL, 0, NULL), MODNAS_EINVAL);
    check_err("axpby: 2 arguments");
    mn_backend_close(b);
}
END_TEST

START_TEST(plan_unsupported) {
    mn_backend *b = open_ok("fake_ok", 1), *device = open_ok("fake_device", 1);
    modnas_kernel k = axpby(4, MODNAS_F64);
    const mn_plan *p = NULL;
    ck_assert_int_eq(mn_backend_plan(device, &k, &p), MODNAS_EUNSUPPORTED); /* ref cannot reach its memory */
    check_err("backend fake_device does not run axpby forward f64 (src 1x1x1x4, ");
    k.src.layout = 1;
    ck_assert_int_eq(mn_backend_plan(b, &k, &p), MODNAS_EUNSUPPORTED);
    check_err("src 1x1x1x4 layout 1");
    check_err("ref would need plain layouts");
    k = axpby(4, MODNAS_F64);
    k.kind = 99;
    ck_assert_int_eq(mn_backend_plan(b, &k, &p), MODNAS_EUNSUPPORTED);
    check_err("? forward");
    check_err("nor does ref");
    ck_assert_ptr_null(p);
    ck_assert_int_eq(mn_backend_n_plans(b), 0);
    mn_backend_close(b);
    mn_backend_close(device);
}
END_TEST

START_TEST(plan_cache_grows) {
    enum { n = 3000 };
    static const mn_plan *first[n];
    mn_backend *b = open_ok("fake_ok", 1);
    modnas_kernel k;
    for (int64_t i = 0; i < n; i++) {
        k = axpby(i + 1, MODNAS_F32);
        ck_assert_int_eq(mn_backend_plan(b, &k, &first[i]), 0);
    }
    ck_assert_int_eq(mn_backend_n_plans(b), n);
    ck_assert_int_eq(mn_backend_n_objects(b), n);
    const int64_t n_allocs = ctx->n_allocs;
    for (int64_t i = 0; i < n; i++) { /* again: the same plans at the same place, nothing made */
        const mn_plan *p;
        k = axpby(i + 1, MODNAS_F32);
        ck_assert_int_eq(mn_backend_plan(b, &k, &p), 0);
        ck_assert_ptr_eq(p, first[i]);
        ck_assert_uint_eq(p->scratch, (size_t)i + 1);
    }
    ck_assert_int_eq(ctx->n_allocs, n_allocs);
    ck_assert_int_eq(mn_backend_n_objects(b), n);
    k.flags = 1; /* one bit of the description makes it another one */
    const mn_plan *p;
    ck_assert_int_eq(mn_backend_plan(b, &k, &p), 0);
    ck_assert_ptr_ne(p, first[n - 1]);
    ck_assert_int_eq(mn_backend_n_plans(b), n + 1);
    mn_backend_close(b);
    ck_assert_str_eq(h.log, "fake_ok closed with 0 alive\n");
}
END_TEST

START_TEST(layouts_pass_through) {
    mn_backend *b = open_ok("fake_ok", 1);
    modnas_kernel k = axpby(4, MODNAS_F32);
    ck_assert_int_eq(mn_backend_want_layout(b, &k, MODNAS_ROLE_DST), 0);
    k.kind = MODNAS_KERNEL_CONV2D;
    ck_assert_int_eq(mn_backend_want_layout(b, &k, MODNAS_ROLE_DST), 102);
    modnas_tdesc t = {{2, 3, 4, 5}, 0, MODNAS_F32};
    ck_assert_uint_eq(mn_backend_layout_bytes(b, &t, 7), 2 * 3 * 4 * 5 * 4 + 7);
    t.layout = 9;
    ck_assert_uint_eq(mn_backend_layout_bytes(b, &t, 0), 0);
    mn_backend_close(b);
}
END_TEST

int main(void) {
    Suite *s = suite_create("backend");
    TCase *t = tcase_create("refused");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, plugin_refused, 0, MN_COUNT(wrong));
    suite_add_tcase(s, t);
    util_add(s, "open", setup, teardown,
             (const TTest *[]){plugin_missing, plugin_is_no_object, plugin_out_of_memory,
                               open_once_per_name_and_threads, open_forgotten, open_auto_falls_back, visit_all,
                               enter_refuses, memory_is_zeroed, NULL});
    util_add(
        s, "plan", setup, teardown,
        (const TTest *[]){plan_runs_or_falls_back, plan_unsupported, plan_cache_grows, layouts_pass_through, NULL});
    return util_run(s);
}
