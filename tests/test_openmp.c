/* A host that uses OpenMP itself: this program is compiled with -fopenmp. From inside a parallel region oneDNN computes
 * wrong, or hangs; so what is called there is refused, changes nothing, and works afterwards outside. Regions of one
 * thread are none. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util_entries.h"
#include "util_paths.h"
#include "util_rig.h"

/* ---- inside of a region -------------------------------------------------------------------------------- */

/* Call from one of two threads of a region. */
static int call_in_region(const util_entry *e, util_subject *s, int which) {
    int rc = 1, parallel = 0;
#pragma omp parallel num_threads(2)
    if (omp_get_thread_num() == which) {
        parallel = omp_in_parallel();
        rc = e->call(s);
    }
    ck_assert_int_eq(parallel, 1);
    return rc;
}

/* With a backend open that has OpenMP, every entry is refused, on the first thread and on another. */
START_TEST(refused) {
    util_subject s;
    char before[65], after[65];
    util_subject_open(&s, rig.ctx, "dnnl");
    util_subject_hash(&s, before);
    for (const util_entry *e = util_entries; e->name; e++)
        for (int which = 0; which < 2; which++) {
            const int rc = call_in_region(e, &s, which);
            ck_assert_msg(rc == MODNAS_EPARALLEL, "%s: %d", e->name, rc);
            ck_assert_ptr_nonnull(strstr(modnas_errmsg(rig.ctx), "parallel region"));
        }
    ck_assert(util_subject_untouched(&s));
    ck_assert(!util_rig_exists("saved.safetensors") && !util_rig_exists("exp"));
    util_subject_hash(&s, after);
    ck_assert_str_eq(before, after);
    for (const util_entry *e = util_entries; e->name; e++) {
        const int rc = e->call(&s);
        ck_assert_msg(rc == e->status, "%s: %d %s", e->name, rc, modnas_errmsg(rig.ctx));
        util_subject_clear(&s);
    }
    util_subject_close(&s);
}
END_TEST

/* All threads at once: one is inside and refused for the region, others may find it busy; none gets through. */
START_TEST(refused_all_at_once) {
    enum { N = 200 };
    util_subject s[2];
    int n_through = 0, n_parallel = 0;
    for (int i = 0; i < 2; i++) util_subject_open(&s[i], rig.ctx, "dnnl");
#pragma omp parallel for num_threads(4) reduction(+ : n_through, n_parallel) schedule(dynamic, 1)
    for (int i = 0; i < N; i++) {
        float logits[4] = {0};
        const int rc = modnas_model_forward(s[i % 2].model, s[0].image, 1, logits);
        n_parallel += rc == MODNAS_EPARALLEL;
        n_through += rc != MODNAS_EPARALLEL && rc != MODNAS_EBUSY;
    }
    ck_assert_int_eq(n_through, 0);
    ck_assert_int_gt(n_parallel, 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(modnas_model_forward(s[i].model, s[i].image, 1, s[i].logits), 0);
        util_subject_close(&s[i]);
    }
}
END_TEST

/* A context that has opened nothing yet: what would open a backend with OpenMP is refused, and leaves it closed. */
START_TEST(refused_before_it_opens) {
    util_subject s;
    util_subject_open(&s, rig.ctx, "ref");
    ck_assert_int_eq(modnas_config_set(s.cfg, "backend", _i ? "auto" : "dnnl"), 0);
    for (const util_entry *e = util_entries; e->name; e++) {
        if (strcmp(e->name, "modnas_model_new") != 0 && strcmp(e->name, "modnas_search_new") != 0 &&
            strcmp(e->name, "modnas_run") != 0)
            continue;
        const int rc = call_in_region(e, &s, 1);
        ck_assert_msg(rc == MODNAS_EPARALLEL, "%s: %d %s", e->name, rc, modnas_errmsg(rig.ctx));
        ck_assert(util_subject_untouched(&s));
        ck_assert(!util_rig_exists("exp"));
        const int other = call_in_region(&util_entries[0], &s, 0); /* nothing with OpenMP was left open */
        ck_assert_int_eq(other, 0);
        util_subject_clear(&s);
    }
    ck_assert_int_eq(modnas_model_new(s.cfg, &s.new_model), 0);
    util_subject_close(&s);
}
END_TEST

/* `ref` has no OpenMP: all goes in a region as it goes outside, with the same numbers. */
START_TEST(ref_is_free) {
    util_subject s;
    float outside[4];
    util_subject_open(&s, rig.ctx, "ref");
    for (size_t i = 0; i < MN_COUNT(s.image); i++) s.image[i] = (float)(i % 7) - 3;
    ck_assert_int_eq(modnas_model_forward(s.model, s.image, 1, outside), 0);
    for (const util_entry *e = util_entries; e->name; e++) {
        const int rc = call_in_region(e, &s, 1);
        ck_assert_msg(rc == e->status, "%s: %d %s", e->name, rc, modnas_errmsg(rig.ctx));
        if (strcmp(e->name, "modnas_model_forward") == 0) ck_assert_mem_eq(s.logits, outside, sizeof outside);
        const util_subject old = s;
        util_subject_clear(&s);
        memcpy(s.image, old.image, sizeof s.image);
    }
    util_subject_close(&s);
}
END_TEST

/* ---- what looks like a region and is none -------------------------------------------------------------- */

static int forward(util_subject *s, float *logits) {
    return modnas_model_forward(s->model, s->image, 1, logits);
}

/* One thread, the master after a region, a serial `for`, a region of one thread inside a pool that has worked: the
 * same numbers as without OpenMP. A nested region of one thread inside of two is still a region. */
START_TEST(one_thread_is_none) {
    util_subject s;
    float want[4], got[4][4] = {{0}};
    int rc[4] = {1, 1, 1, 1}, nested = 0;
    util_subject_open(&s, rig.ctx, "dnnl");
    for (size_t i = 0; i < MN_COUNT(s.image); i++) s.image[i] = (float)(i % 5) - 2;
    ck_assert_int_eq(forward(&s, want), 0);
#pragma omp parallel num_threads(1)
    rc[0] = forward(&s, got[0]);
#pragma omp parallel for num_threads(1)
    for (int i = 0; i < 1; i++) rc[1] = forward(&s, got[1]);
#pragma omp parallel if (0)
#pragma omp parallel num_threads(1)
    rc[2] = forward(&s, got[2]);
#pragma omp parallel num_threads(2)
    if (omp_get_thread_num() == 0) {
        float unused[4];
#pragma omp parallel num_threads(1)
        nested = omp_in_parallel() ? forward(&s, unused) : MODNAS_EPARALLEL;
    }
    rc[3] = forward(&s, got[3]);
    ck_assert_int_eq(nested, MODNAS_EPARALLEL);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(rc[i], 0);
        ck_assert_mem_eq(got[i], want, sizeof want);
    }
    util_subject_close(&s);
}
END_TEST

/* Training steps too, whose backward passes are what a region spoils. */
START_TEST(one_thread_trains) {
    static const char *const names[] = {"modnas_search_train", "modnas_search_arch_step", "modnas_search_train"};
    util_subject s[2];
    char hash[2][65];
    for (int i = 0; i < 2; i++) {
        util_subject_open(&s[i], rig.ctx, "dnnl");
        for (size_t k = 0; k < MN_COUNT(names); k++)
            for (const util_entry *e = util_entries; e->name; e++) {
                int rc = 1;
                if (strcmp(e->name, names[k]) != 0) continue;
#pragma omp parallel num_threads(1) if (i)
                rc = e->call(&s[i]);
                ck_assert_msg(rc == 0, "%s: %d", e->name, rc);
            }
        util_subject_hash(&s[i], hash[i]);
        util_subject_close(&s[i]);
    }
    ck_assert_str_eq(hash[0], hash[1]);
}
END_TEST

/* ---- a callback's own region --------------------------------------------------------------------------- */

static int region_in_callback(const modnas_progress *p, void *ud) {
    util_subject *s = ud;
    int rc[2] = {1, 1};
    (void)p;
#pragma omp parallel num_threads(2)
    rc[omp_get_thread_num()] = modnas_config_json(s->cfg, &s->text);
    ck_assert_int_eq(rc[0], MODNAS_EPARALLEL); /* this thread is inside, the other is another one */
    ck_assert_int_eq(rc[1], MODNAS_EBUSY);
    return 0;
}

/* A host's callback may use OpenMP for its own work in the middle of a run; calling back from there is refused. */
START_TEST(in_a_callback) {
    util_subject s;
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("name=alone", "backend=dnnl"));
    util_subject_open(&s, rig.ctx, "dnnl");
    rig.opts.progress = region_in_callback;
    rig.opts.progress_ud = &s;
    RIG_RUNS(UTIL_RIG_CONFIG, RIG_OVER("name=regions", "backend=dnnl"));
    ck_assert(rig_same_run("alone", "regions"));
    util_subject_close(&s);
}
END_TEST

/* ---- fewer threads than asked for ---------------------------------------------------------------------- */

static void train(util_subject *s, char hash[65]) {
    util_subject_open(s, rig.ctx, "dnnl");
    ck_assert_int_eq(modnas_search_train(s->search, NULL, 3, NULL), 0);
    util_subject_hash(s, hash);
}

/* With regions of fewer threads than planned for oneDNN computes wrong. A host that lets OpenMP choose (OMP_DYNAMIC,
 * which looks at the load of the machine) gets the numbers of all others, and keeps its settings. */
START_TEST(dynamic) {
    util_subject s;
    char plain[65], chosen[65];
    train(&s, plain);
    util_subject_close(&s);
    omp_set_dynamic(1);
    omp_set_num_threads(5);
    train(&s, chosen);
    ck_assert_str_eq(plain, chosen);
    ck_assert_int_eq(omp_get_dynamic(), 1);
    ck_assert_int_eq(omp_get_max_threads(), 5);
    util_subject_close(&s);
}
END_TEST

/* Where there can be one thread only it says so, also after the backend was opened; with `threads: 1` it works. */
START_TEST(no_regions_at_all) {
    util_subject s;
    util_subject_open(&s, rig.ctx, "dnnl");
    const int levels = omp_get_max_active_levels();
    omp_set_max_active_levels(0);
    ck_assert_int_eq(modnas_search_train(s.search, NULL, 1, &s.loss), MODNAS_EUNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(rig.ctx), "threads is 2, but OpenMP is set to give 1 at most"));
    ck_assert_int_eq(forward(&s, s.logits), MODNAS_EUNSUPPORTED);
    ck_assert(util_subject_untouched(&s));
    omp_set_max_active_levels(levels);
    ck_assert_int_eq(modnas_search_train(s.search, NULL, 1, &s.loss), 0);
    util_subject_close(&s);
}
END_TEST

/* OMP_THREAD_LIMIT is read when a program starts: this one starts itself again. */
START_TEST(limit) {
    char self[4096], command[5000];
    util_path_beside(0, "", self, sizeof self);
    snprintf(command, sizeof command, "OMP_THREAD_LIMIT=1 CK_RUN_CASE=limited '%s'", self);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(limited) {
    util_subject s;
    if (omp_get_thread_limit() > 1) return;
    util_subject_open(&s, rig.ctx, "ref");
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(modnas_config_set(s.cfg, "backend", i ? "auto" : "dnnl"), 0);
        ck_assert_int_eq(modnas_model_new(s.cfg, &s.new_model), MODNAS_EUNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(modnas_errmsg(rig.ctx), "OMP_THREAD_LIMIT"));
    }
    ck_assert_int_eq(modnas_config_set(s.cfg, "threads", "1"), 0);
    ck_assert_int_eq(modnas_model_new(s.cfg, &s.new_model), 0);
    util_subject_close(&s);
}
END_TEST

#ifdef __SANITIZE_THREAD__
enum { BLIND = 1 };
#else
enum { BLIND = 0 };
#endif

START_TEST(unseen) {
    printf("openmp: skipped, the thread sanitizer sees none of OpenMP's barriers\n");
}
END_TEST

static void add_all(Suite *s) {
    util_add(s, "region", rig_setup, rig_teardown,
             (const TTest *[]){refused, refused_all_at_once, ref_is_free, one_thread_is_none, one_thread_trains,
                               in_a_callback, NULL});
    util_add_loop(s, "closed", rig_setup, rig_teardown, refused_before_it_opens, 2);
    util_add(s, "fewer", rig_setup, rig_teardown, (const TTest *[]){dynamic, no_regions_at_all, limit, NULL});
    util_add(s, "limited", rig_setup, rig_teardown, (const TTest *[]){limited, NULL});
}

int main(void) {
    Suite *s = suite_create("openmp");
    if (BLIND)
        util_add(s, "unseen", NULL, NULL, (const TTest *[]){unseen, NULL});
    else
        add_all(s);
    return util_run(s);
}
