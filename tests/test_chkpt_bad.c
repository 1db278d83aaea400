/* Damaged checkpoints: cut off anywhere, with any byte changed, or made up with sums that are right. Never a crash,
 * always a verdict with its reason; what is found before anything was loaded leaves the search as it was, and after
 * what is found later a good file still loads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sections.h"
#include "modnas/inspect.h"
#include "util_resume.h"
#include "util_search.h"

static modnas_search *search;
static char at_good[65], elsewhere[65]; /* hashes of the search in c.chkpt, and a step further */
static char *file;
static size_t n_file;
enum { N_MADE_UP = 144 / UTIL_FEWER }; /* fuzz_resume makes more of them */

/* An outcome for the goals of any row; NULL: of what the model stands for. */
static int tell(modnas_arch *a, double score) {
    const modnas_metric m[] = {{"acc_top1", score}, {"acc", score}, {"cost", 1}, {"latency_ms", 2}};
    return modnas_search_tell(search, a, 0, m, 4);
}

static int is_table(int row) {
    return strstr(util_resumes[row].yaml, "TableEstim") != NULL;
}

/* On by a step; in a table nothing is trained. */
static void move_on(int row, int n) {
    if (is_table(row)) {
        modnas_arch *a;
        int32_t n_asked;
        SEARCH_OK(modnas_search_ask(search, 1, &a, &n_asked));
        if (n > 1) SEARCH_OK(tell(a, 0.25));
        modnas_arch_free(a);
    } else {
        SEARCH_OK(modnas_search_train(search, NULL, n, NULL));
    }
}

/* A search that has been everywhere: evaluated, told, trained. */
static void open_search(int row) {
    static char yaml[4096];
    modnas_arch *a;
    snprintf(yaml, sizeof yaml, "backend: ref\n%s", util_resumes[row].yaml);
    search = util_search(yaml, NULL);
    move_on(row, 2);
    SEARCH_OK(modnas_arch_new(modnas_search_model(search), &a));
    SEARCH_OK(tell(a, 0.5));
    modnas_arch_free(a);
    SEARCH_OK(modnas_search_save(search, "c.chkpt"));
    util_search_hash(search, at_good);
    file = util_rig_read("c.chkpt", &n_file);
    move_on(row, 1);
    util_search_hash(search, elsewhere);
    ck_assert(is_table(row) || strcmp(at_good, elsewhere) != 0);
}

static void close_search(void) {
    modnas_search_free(search);
    free(file);
}

static void put(const char *bytes, size_t n) {
    FILE *f = fopen("x.chkpt", "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

static int is_valid(void) {
    const modnas_inspect_opts opts = {.size = sizeof opts, .as = "chkpt"};
    char *text;
    int32_t valid;
    SEARCH_OK(modnas_inspect_text(rig.ctx, "x.chkpt", &opts, &text, &valid));
    ck_assert_msg(valid || strstr(text, "not valid"), "%s", text);
    modnas_string_free(rig.ctx, text);
    return valid;
}

/* Torn or changed without its sums: refused by both readers, the search did not move. */
static void check_refused(const char *what, size_t at) {
    char now[65];
    ck_assert_msg(!is_valid(), "%s at byte %zu is valid", what, at);
    const int rc = modnas_search_load(search, "x.chkpt");
    ck_assert_msg(rc == MODNAS_EFORMAT || rc == MODNAS_EUNSUPPORTED, "%s at byte %zu: %d", what, at, rc);
    util_search_says("x.chkpt: ");
    util_search_hash(search, now);
    ck_assert_msg(strcmp(now, elsewhere) == 0, "%s at byte %zu changed the search", what, at);
}

/* Every byte of the heads and of the small sections, and some of the large ones. */
START_TEST(flipped) {
    open_search(1);
    for (size_t i = 0; i < n_file; i += (i < 4096 || i + 4096 > n_file ? 13 : 151) * UTIL_FEWER) {
        const char before = file[i];
        file[i] = (char)(before ^ (1 << i % 8));
        put(file, n_file);
        check_refused("a bit", i);
        file[i] = before;
    }
    close_search();
}
END_TEST

START_TEST(cut_off) {
    open_search(0);
    for (size_t n = 0; n < n_file; n += (n < 256 ? 11 : 211) * UTIL_FEWER) {
        put(file, n);
        check_refused("an end", n);
    }
    file = realloc(file, n_file + 1);
    ck_assert_ptr_nonnull(file);
    put(file, n_file + 1);
    check_refused("one byte more", n_file);
    close_search();
}
END_TEST

/* ---- right sums ---------------------------------------------------------------------------------------- */

/* Change a section: bytes anywhere in it to what numbers like, or its length. */
static void spoil(mn_section *s, mn_rng *rng) {
    static const uint64_t numbers[] = {0, 1, UINT64_MAX, INT64_MAX, 1u << 31, UINT32_MAX, 7, 255};
    const size_t at = s->n ? (size_t)mn_rng_below(rng, s->n) : 0, left = s->n - at;
    const uint64_t x = numbers[mn_rng_below(rng, MN_COUNT(numbers))];
    switch (mn_rng_below(rng, 4)) {
    case 0:
        s->n = at;
        break;
    case 1:
        memcpy(s->data + at, &x, left < 8 ? left : 8);
        break;
    case 2:
        memcpy(s->data + at / 8 * 8, &x, s->n - at / 8 * 8 < 8 ? s->n - at / 8 * 8 : 8);
        break;
    default:
        if (left) s->data[at] = (char)mn_rng_u32(rng);
    }
}

static int load_spoilt(const char *section, size_t i, mn_rng *rng) {
    mn_sections f;
    int rc = mn_sections_read(rig.ctx, "c.chkpt", &f);
    ck_assert_int_eq(rc, 0);
    mn_section *s = (mn_section *)(uintptr_t)mn_sections_find(&f, section);
    if (!s) s = &MN_AT(f.list, mn_section, i % f.list.n); /* a table has no weights */
    spoil(s, rng);
    SEARCH_OK(mn_sections_write(&f, "x.chkpt"));
    mn_sections_free(&f);
    rc = modnas_search_load(search, "x.chkpt");
    ck_assert_msg(rc == 0 || rc == MODNAS_EFORMAT || rc == MODNAS_ECONFIG || rc == MODNAS_ESHAPE ||
                      rc == MODNAS_EINVAL || rc == MODNAS_EUNSUPPORTED,
                  "section %s: %d", section, rc);
    if (rc) ck_assert_msg(modnas_errmsg(rig.ctx)[0], "section %s: no text", section);
    return rc;
}

START_TEST(made_up) {
    static const char *const sections[] = {"meta", "config",          "model", "search",      "state",
                                           "data", "trainer.default", "optim", "estim.search"};
    int n_refused = 0, n_torn = 0;
    mn_rng rng;
    open_search(_i);
    mn_rng_init(&rng, 5, 6, (uint64_t)_i);
    for (int i = 0; i < N_MADE_UP; i++) {
        char now[65];
        const int rc = load_spoilt(sections[i % (int)MN_COUNT(sections)], (size_t)i, &rng);
        n_refused += rc != 0;
        n_torn += tell(NULL, 0.75) == MODNAS_EINVAL; /* whatever it holds, it can be used */
        SEARCH_OK(modnas_search_load(search, "c.chkpt"));
        util_search_hash(search, now);
        ck_assert_str_eq(now, at_good);
    }
    printf("made up: of %d files %d were refused, %d of them after loading had begun\n", N_MADE_UP, n_refused, n_torn);
    ck_assert_int_gt(n_refused, N_MADE_UP / 3);
    close_search();
}
END_TEST

/* A section that nobody knows is passed over, unless it is needed; another version is refused, with both numbers. */
START_TEST(versions) {
    mn_sections f;
    open_search(0);
    for (int needed = 0; needed < 2; needed++) {
        ck_assert_int_eq(mn_sections_read(rig.ctx, "c.chkpt", &f), 0);
        const mn_section more = {.name = mn_strdup(rig.ctx, "later"), .needed = needed, .data = file, .n = 100};
        ck_assert_ptr_nonnull(mn_vec_push(rig.ctx, &f.list, &more, 1));
        SEARCH_OK(mn_sections_write(&f, "x.chkpt"));
        mn_sections_free(&f);
        ck_assert(is_valid());
        ck_assert_int_eq(modnas_search_load(search, "x.chkpt"), needed ? MODNAS_EUNSUPPORTED : 0);
    }
    util_search_says("sections");
    for (char version = 1; version <= 3; version += 2) {
        file[8] = version;
        put(file, n_file);
        ck_assert(!is_valid());
        ck_assert_int_eq(modnas_search_load(search, "x.chkpt"), MODNAS_EUNSUPPORTED);
        util_search_says(version == 1 ? "a checkpoint of version 1, this library reads 2" : "version 3, this library reads 2");
    }
    close_search();
}
END_TEST

int main(void) {
    Suite *s = suite_create("chkpt_bad");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, util_resume_setup, rig_teardown);
    tcase_add_test(t, flipped);
    tcase_add_test(t, cut_off);
    tcase_add_loop_test(t, made_up, 0, (int)util_n_resumes);
    tcase_add_test(t, versions);
    suite_add_tcase(s, t);
    return util_run(s);
}
