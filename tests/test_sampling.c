/* RandomSamplingEstim: which paths are trained, strictly fair steps, ranges of costs, and pull beside push. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "search/cost.h"
#include "util_search.h"

#define SAMPLING(args) UTIL_SEARCH_INDEX "estim: {search: {type: RandomSamplingEstim, epochs: 20, args: {" args "}}}\n"

/* ---- paths of a run ------------------------------------------------------------------------------------ */

static mn_model *model_of_search(modnas_search *s) {
    return modnas_search_model(s);
}

typedef struct paths {
    modnas_search *s;
    int n, code[64];
} paths;

static int watch(const modnas_progress *p, void *ud) {
    paths *w = ud;
    if (strcmp(p->phase, "train") != 0) return 0;
    int x = 0;
    const mn_space *space = model_of_search(w->s)->space;
    for (int i = 0; i < 4; i++) x = 4 * x + mn_space_categorical_at(space, i)->index;
    w->code[w->n++] = x;
    return 0;
}

static void run_paths(const char *yaml, paths *w, char hash[65]) {
    *w = (paths){.n = 0};
    const modnas_search_opts opts = {.size = sizeof opts, .progress = watch, .ud = w};
    w->s = util_search(yaml, &opts);
    SEARCH_OK(modnas_search_run(w->s, NULL));
    if (hash) util_search_hash(w->s, hash);
    for (int i = 0; i < 4; i++) /* set as before */
        ck_assert_int_eq(mn_space_categorical_at(model_of_search(w->s)->space, i)->index, 0);
    modnas_search_free(w->s);
}

/* 60 steps: 60 draws of 256; the same with the same seed, others with another. Option counts of a Slot are binomial
 * (60, 1/4): mean 15, standard deviation 3.4; none is 5 of them off. */
START_TEST(draws_paths) {
    paths a, b, c;
    char first[65], again[65];
    run_paths(SAMPLING(""), &a, first);
    run_paths(SAMPLING(""), &b, again);
    run_paths(SAMPLING("seed: 4"), &c, NULL);
    ck_assert_int_eq(a.n, 60);
    ck_assert_str_eq(first, again);
    ck_assert_int_eq(memcmp(a.code, b.code, sizeof a.code), 0);
    ck_assert_int_ne(memcmp(a.code, c.code, sizeof a.code), 0);
    for (int slot = 0; slot < 4; slot++) {
        int count[4] = {0};
        for (int i = 0; i < a.n; i++) count[a.code[i] >> (2 * slot) & 3]++;
        for (int k = 0; k < 4; k++) ck_assert_int_le(abs(count[k] - 15), 17);
    }
}
END_TEST

/* Only paths within the range are trained; of nothing the configuration is refused, with what there is. */
START_TEST(within_a_range) {
    paths w;
    mn_costs macs;
    static const int32_t input[3] = {3, 8, 8};
    modnas_search *s = util_search(SAMPLING(""), NULL);
    SEARCH_OK(mn_costs_named(model_of_search(s), "macs", input, &macs));
    const int64_t least = mn_costs_min(&macs), most = mn_costs_max(&macs), low = least + (most - least) / 4,
                  high = least + (most - least) / 3;
    char yaml[2048];
    snprintf(yaml, sizeof yaml, SAMPLING("within: {macs: [%lld, %lld], params: [null, 1M]}"), (long long)low,
             (long long)high);
    run_paths(yaml, &w, NULL);
    ck_assert_int_eq(w.n, 60);
    for (int i = 0; i < w.n; i++) {
        const int32_t index[4] = {w.code[i] >> 6 & 3, w.code[i] >> 4 & 3, w.code[i] >> 2 & 3, w.code[i] & 3};
        const int64_t cost = mn_costs_of(&macs, index);
        ck_assert(cost >= low && cost <= high);
    }
    mn_costs_free(&macs);
    modnas_search_free(s);
    ck_assert_int_eq(util_search_try(SAMPLING("within: {macs: [null, 10]}"), NULL, &s), MODNAS_ECONFIG);
    util_search_says("no architecture has macs");
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *yaml, *text;
    } rows[] = {{SAMPLING("within: {macs: 5}"), "[least, most]"},
                {SAMPLING("within: {macs: [x, 5]}"), "'x'"},
                {SAMPLING("within: {speed: [1, 5]}"), "speed"},
                {SAMPLING("strict: true, within: {macs: [1, 2G]}"), "within"},
                {SAMPLING("valid_intv: -1"), "valid_intv"},
                {"backend: ref\nname: t\n" UTIL_SMALL_NET "estim: {search: {type: RandomSamplingEstim, epochs: 1}}\n",
                 "nothing to choose"}};
    modnas_search *s;
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        ck_assert_int_lt(util_search_try(rows[i].yaml, NULL, &s), 0);
        util_search_says(rows[i].text);
    }
}
END_TEST

/* Nothing is scored unless it is asked for. */
START_TEST(scores_on_demand) {
    RIG_RUNS(SAMPLING("valid_intv: 8"), NULL);
    mn_node *t = util_rig_parse(&rig, rig.results);
    ck_assert_int_eq(rig_at(t, "estim.search.evaluations")->i, 3); /* after 8, 16 and 20 */
    mn_node_free(rig.ctx, t);
    RIG_RUNS(SAMPLING(""), NULL);
    t = util_rig_parse(&rig, rig.results);
    ck_assert_int_eq(rig_at(t, "estim.search.evaluations")->i, 0);
    mn_node_free(rig.ctx, t);
}
END_TEST

/* The host's own loop trains the same paths: the same weights. With an architecture it trains that one. */
START_TEST(pull_equals_push) {
    static const char *const yaml[] = {SAMPLING(""), SAMPLING("strict: true")};
    char pushed[65], pulled[65], named[65];
    modnas_arch *a;
    paths w;
    run_paths(yaml[_i], &w, pushed);
    modnas_search *s = util_search(yaml[_i], NULL);
    for (int i = 0; i < 60; i++) SEARCH_OK(modnas_search_train(s, NULL, 1, NULL));
    util_search_hash(s, pulled);
    ck_assert_str_eq(pulled, pushed);
    modnas_search_free(s);
    s = util_search(yaml[_i], NULL);
    SEARCH_OK(modnas_arch_new(modnas_search_model(s), &a));
    SEARCH_OK(modnas_search_train(s, a, 60, NULL));
    util_search_hash(s, named);
    ck_assert_str_ne(named, pushed);
    modnas_arch_free(a);
    modnas_search_free(s);
}
END_TEST

/* ---- strictly fair steps ------------------------------------------------------------------------------- */

static util_small small;

#define MUST(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(small.ctx))

static const int32_t two_paths[2][4] = {{0, 1, 2, 3}, {2, 1, 0, 0}};

static int set_two(int64_t i, void *ud) {
    mn_arch *a = ud;
    memcpy(a->index, two_paths[i], sizeof two_paths[i]);
    return mn_arch_apply(a);
}

static int set_first(int64_t i, void *ud) {
    (void)i;
    return set_two(0, ud);
}
static int set_second(int64_t i, void *ud) {
    (void)i;
    return set_two(1, ud);
}

static int is_trained(const mn_param *p) {
    return p->role == MN_ROLE_WEIGHT;
}

/* What one step of SGD takes from all weights, from the same start and on the same batch. */
static double *moved(const void *start, int64_t n, int (*set)(int64_t, void *), mn_arch *a, uint64_t draw) {
    mn_store *w = small.model->weights;
    mn_scores scores = {0, 0, 0, 0};
    MUST(mn_trainer_reset(small.trainer, 1));
    MUST(mn_store_restore(w, start));
    MUST(mn_loader_start(small.loaders.train, 3));
    mn_model_set_draw(small.model, draw); /* of dropout: the paths of a step have one after the other */
    MUST(mn_trainer_step_paths(small.trainer, n, 0, set, a, &scores));
    ck_assert_int_eq(scores.n, 16 * n);
    size_t total = 0;
    for (size_t i = 0; i < mn_store_n_params(w); i++) total += (size_t)mn_param_numel(mn_store_param(w, i));
    double *x = calloc(total, sizeof *x);
    ck_assert_ptr_nonnull(x);
    for (size_t i = 0, at = 0; i < mn_store_n_params(w); i++) {
        MUST(mn_param_get(mn_store_param(w, i), x + at));
        at += (size_t)mn_param_numel(mn_store_param(w, i));
    }
    return x;
}

/* Without momentum, decay and clipping a step is the gradient. Gradients of two paths add up: a step on both moves
 * weights by what two steps from the same start move together. What neither runs stays. */
START_TEST(gradients_add_up) {
    static const char *const backends[] = {"backend: ref\n", "backend: dnnl\n"};
    char yaml[2048];
    mn_arch *a;
    snprintf(yaml, sizeof yaml, "%s%s", backends[_i],
             UTIL_SMALL_NET "mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3, MB5E3, MB5E1]}\n");
    char *sgd = strstr(yaml, "momentum: 0.9, weight_decay: 0.001"), *clip = strstr(yaml, ", w_grad_clip: 5.0");
    ck_assert(sgd && clip);
    memset(clip, ' ', strlen(", w_grad_clip: 5.0"));
    memset(sgd, ' ', strlen("momentum: 0.9, weight_decay: 0.001"));
    util_small_open(&small, yaml);
    mn_store *w = small.model->weights;
    void *start = malloc(mn_store_bytes(w));
    ck_assert_ptr_nonnull(start);
    MUST(mn_store_save(w, start));
    MUST(mn_trainer_prepare_paths(small.trainer));
    MUST(mn_arch_new(small.model, &a));
    double *x[4] = {NULL, moved(start, 1, set_first, a, 0), moved(start, 1, set_second, a, 1),
                    moved(start, 2, set_two, a, 0)};
    size_t total = 0, n_moved = 0;
    MUST(mn_store_restore(w, start));
    for (size_t i = 0; i < mn_store_n_params(w); i++) {
        const mn_param *p = mn_store_param(w, i);
        double before[8192];
        const size_t n = (size_t)mn_param_numel(p);
        ck_assert_uint_le(n, 8192);
        MUST(mn_param_get(p, before));
        for (size_t k = 0; k < n && is_trained(p); k++) {
            const double d[4] = {0, x[1][total + k] - before[k], x[2][total + k] - before[k],
                                 x[3][total + k] - before[k]};
            ck_assert_msg(fabs(d[3] - d[1] - d[2]) <= 1e-5 + 1e-4 * fabs(d[3]), "%s[%zu]: %g, not %g + %g", p->name, k,
                          d[3], d[1], d[2]); /* f32 weights of about 1, steps of about 1e-3 */
            n_moved += d[1] != 0 && d[2] != 0;
        }
        total += n;
    }
    ck_assert_uint_gt(n_moved, 100);
    for (int i = 1; i < 4; i++) free(x[i]);
    free(start);
    mn_arch_free(a);
    util_small_close(&small);
}
END_TEST

#define UNEQUAL                                                                                                        \
    "backend: ref\nname: t\n" UTIL_SMALL_NET                                                                           \
    "construct: {mixed_op: {type: MobileNetV2SearchConstructor, args: {fix_first: false, add_zero_op: true,"           \
    " candidates: [MB3E1, MB3E3, MB5E3], mixed_op: IndexMixedOp}}}\n"                                                  \
    "estim: {search: {type: RandomSamplingEstim, epochs: 1, args: {strict: true}}}\n"

/* Slots of 4 and of 3 candidates: 12 paths a step, each option of the one trained 3 times and of the other 4 times.
 * An update of statistics with momentum 0.1: mean' = 0.9 mean + 0.1 m. From a mean that is far off, 1e6, what is left
 * of it after k updates is 0.9^k 1e6: k can be read off. */
START_TEST(every_option_as_often) {
    modnas_search *s = util_search(UNEQUAL, NULL);
    const mn_model *m = model_of_search(s);
    const mn_store *w = m->weights;
    double huge[2048];
    for (int i = 0; i < 2048; i++) huge[i] = 1e6;
    for (size_t i = 0; i < mn_store_n_params(w); i++) {
        mn_param *p = mn_store_param(w, i);
        if (strstr(p->name, "running_mean")) SEARCH_OK(mn_param_set(p, huge));
    }
    SEARCH_OK(modnas_search_train(s, NULL, 1, NULL));
    int seen[2] = {0, 0};
    for (int i = 0; i < mn_model_n_mixed(m); i++) {
        const mn_mixed *mixed = mn_model_mixed(m, i);
        for (int32_t k = 0; k < mixed->n; k++) {
            mn_str path = {.ctx = rig.ctx};
            SEARCH_OK(mn_module_path(mn_mixed_module(mixed, k), &path));
            for (size_t j = 0; j < mn_store_n_params(w); j++) {
                mn_param *p = mn_store_param(w, j);
                if (strncmp(p->name, path.text, path.n) != 0 || !strstr(p->name, "running_mean")) continue;
                double mean[2048];
                SEARCH_OK(mn_param_get(p, mean));
                const double updates = log(mean[0] / 1e6) / log(0.9);
                ck_assert_msg(fabs(updates - 12.0 / mixed->n) < 0.01, "%s: %g updates of %d options", p->name, updates,
                              mixed->n);
                seen[mixed->n == 4]++;
            }
            mn_str_free(&path);
        }
    }
    ck_assert_int_gt(seen[0], 0);
    ck_assert_int_gt(seen[1], 0);
    modnas_search_free(s);
}
END_TEST

/* ---- the hot path -------------------------------------------------------------------------------------- */

START_TEST(no_allocation) {
    static const char *const args[] = {"", "strict: true", "within: {params: [1, 1G]}"};
    char yaml[2048];
    snprintf(yaml, sizeof yaml,
             UTIL_SEARCH_INDEX "estim: {search: {type: RandomSamplingEstim, epochs: 20, args: {%s}}}\n", args[_i % 3]);
    if (_i >= 3) strcat(yaml, "---\nbackend: dnnl\n");
    modnas_search *s = util_search(yaml, NULL);
    SEARCH_OK(modnas_search_train(s, NULL, 3, NULL));
    const mn_model *m = model_of_search(s);
    const int64_t plans = mn_backend_n_plans(m->backend), objects = mn_backend_n_objects(m->backend);
    const int64_t before = rig.ctx->n_allocs;
    SEARCH_OK(modnas_search_train(s, NULL, 1, NULL));
    const int64_t entry = rig.ctx->n_allocs - before; /* what an entry of the host's makes */
    SEARCH_OK(modnas_search_train(s, NULL, 30, NULL));
    ck_assert_int_eq(rig.ctx->n_allocs, before + 2 * entry);
    ck_assert_int_eq(mn_backend_n_plans(m->backend), plans);
    ck_assert_int_eq(mn_backend_n_objects(m->backend), objects);
    modnas_search_free(s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sampling");
    TCase *t = tcase_create("loops");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, rig_setup, rig_teardown);
    tcase_add_loop_test(t, pull_equals_push, 0, 2);
    tcase_add_loop_test(t, no_allocation, 0, 6);
    suite_add_tcase(suite, t);
    TCase *plain = tcase_create("steps");
    tcase_set_timeout(plain, 60);
    tcase_add_loop_test(plain, gradients_add_up, 0, 2);
    suite_add_tcase(suite, plain);
    util_add(suite, "paths", rig_setup, rig_teardown,
             (const TTest *[]){draws_paths, within_a_range, refused, scores_on_demand, every_option_as_often, NULL});
    return util_run(suite);
}
