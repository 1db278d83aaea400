/* ProgressiveShrinkingEstim: which sub-networks each stage trains, what a step takes of their gradients, what is scored
 * and saved, and stages that make no sense. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "space/elastic.h"
#include "util_search.h"

/* Depths 1, 2; expansions 1, 2, 3; windows 3, 5. 40 samples to train in 3 steps. */
#define NET(sgd)                                                                                                       \
    "backend: ref\nname: t\nthreads: 2\nseed: 3\n"                                                                     \
    "model: {type: MobileNetV2, args: {input: [3, 8, 8], n_classes: 4, kernel_size: 5, width_coeff: 0.5,"              \
    " cfgs: [[0, 8, 1, 1], [1, 8, 1, 1], [3, 8, 2, 1], [3, 16, 2, 2]]}}\n"                                             \
    "construct:\n"                                                                                                     \
    "  base: MobileNetV2PredefinedConstructor\n"                                                                       \
    "  elastic: {type: MobileNetV2ElasticConstructor, args: {sequential_kwargs: {repeat_range: [1, 2]},"               \
    " spatial_kwargs: {expansion_range: [1, 2, 3]}, kernel_kwargs: {kernel_range: [3, 5]}}}\n"                         \
    "export: {default: DefaultParamsExporter}\n"                                                                       \
    "train_data: {type: RandData, args: {shape: [3, 8, 8], classes: 4, data_size: 48}}\n"                              \
    "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 16, val_batch_size: 8, valid_size: 8}}\n"           \
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {" sgd "}},"                       \
    " lr_scheduler: CosineAnnealingLR}}}\n"
#define SHRINK(args)                                                                                                   \
    "estim: {shrink: {type: ProgressiveShrinkingEstim, epochs: 2, args: {num_bn_batch: 1, " args "}}}\n"
#define PLAIN NET("lr: 0.05, momentum: 0.9")

enum { STEPS = 3, MOST = 64 };

/* The smallest size of each kind at the end of each step, that is of its last sub-network; and what was scored. */
typedef struct seen {
    modnas_search *s;
    int n_steps, n_scored;
    int least[MOST][MN_ELASTIC_RESOLUTION];
    double lr[MOST];
} seen;

static int watch(const modnas_progress *p, void *ud) {
    seen *w = ud;
    if (strcmp(p->phase, "train") != 0 || w->n_steps == MOST) return 0;
    const mn_model *m = modnas_search_model(w->s);
    for (int kind = 0; kind < MN_ELASTIC_RESOLUTION; kind++) {
        int least = 99;
        for (int32_t i = 0; i < mn_model_n_elastic(m, kind); i++) {
            const mn_elastic *e = mn_model_elastic(m, kind, i);
            const int value = (int)e->param->choices->items[e->param->index]->i;
            if (value < least) least = value;
        }
        w->least[w->n_steps][kind] = least;
    }
    w->lr[w->n_steps++] = p->lr;
    return 0;
}

static int count(modnas_search *s, const modnas_evaluation *v, void *ud) {
    (void)s, (void)v;
    ((seen *)ud)->n_scored++;
    return 0;
}

static void run_seen(const char *yaml, seen *w, char hash[65]) {
    memset(w, 0, sizeof *w);
    const modnas_search_opts opts = {.size = sizeof opts, .progress = watch, .evaluated = count, .ud = w};
    w->s = util_search(yaml, &opts);
    SEARCH_OK(modnas_search_run(w->s, NULL));
    util_search_hash(w->s, hash);
    const mn_model *m = modnas_search_model(w->s);
    for (int kind = 0; kind < MN_N_ELASTIC; kind++) /* the largest at the end */
        for (int32_t i = 0; i < mn_model_n_elastic(m, kind); i++)
            ck_assert_int_eq(mn_model_elastic(m, kind, i)->param->index, mn_model_elastic(m, kind, i)->largest);
    modnas_search_free(w->s);
}

/* The authors' order: windows, depths (one step: there are two), widths (two). In a stage the sandwich's smallest has the
 * smallest of what the stage lets be small, and the largest of the rest. Each stage has a schedule of its own. */
START_TEST(stages_in_order) {
    static const int least[4][MN_ELASTIC_RESOLUTION] = {{3, 2, 3}, {3, 1, 3}, {3, 1, 2}, {3, 1, 1}};
    seen w;
    char hash[65];
    run_seen(PLAIN SHRINK("n_subnet_batch: 2, sandwich: true, valid_grid: false"), &w, hash);
    ck_assert_int_eq(w.n_steps, 4 * 2 * STEPS);
    for (int i = 0; i < w.n_steps; i++) {
        for (int kind = 0; kind < MN_ELASTIC_RESOLUTION; kind++)
            ck_assert_int_eq(w.least[i][kind], least[i / (2 * STEPS)][kind]);
        ck_assert_double_eq_tol(w.lr[i], i / STEPS % 2 ? 0.025 : 0.05, 1e-12); /* a cosine of two epochs */
    }
    ck_assert_int_eq(w.n_scored, 4 * 2); /* the smallest and the largest at the end of each */
}
END_TEST

/* As written: other stages, a number of epochs of their own, one list for each stage of blocks, a grid of 2 windows times
 * 2 depths, and every epoch. */
START_TEST(stages_as_written) {
    seen w;
    char hash[65], other[65];
    run_seen(PLAIN SHRINK("subnet_valid_freq: 1, reset_stage_training: false, stages:"
                          " [{sequential: [2, 1], epochs: 1}, {kernel: [5, 3], depth: [[2, 1], [2]]}]"),
             &w, hash);
    ck_assert_int_eq(w.n_steps, 3 * STEPS);
    ck_assert_int_eq(w.n_scored, 2 + 2 * 4);
    for (int i = 0; i < w.n_steps; i++) {
        ck_assert_int_eq(w.least[i][MN_ELASTIC_WIDTH], 3);
        if (i < STEPS) ck_assert_int_eq(w.least[i][MN_ELASTIC_KERNEL], 5);
    }
    ck_assert_double_eq_tol(w.lr[STEPS], 0.05 * 0.75, 1e-12); /* one schedule of three epochs */
    const char *const seeds[] = {PLAIN SHRINK("n_subnet_batch: 3"), PLAIN SHRINK("n_subnet_batch: 3, seed: 3"),
                                 PLAIN SHRINK("n_subnet_batch: 3, seed: 4")};
    run_seen(seeds[0], &w, hash);
    run_seen(seeds[1], &w, other);
    ck_assert_str_eq(hash, other);
    run_seen(seeds[2], &w, other);
    ck_assert_str_ne(hash, other);
}
END_TEST

static double *weights_of(const modnas_search *s, size_t *n) {
    const mn_store *w = modnas_search_model((modnas_search *)(uintptr_t)s)->weights;
    size_t at = 0;
    *n = 0;
    for (size_t i = 0; i < mn_store_n_params(w); i++) *n += (size_t)mn_param_numel(mn_store_param(w, i));
    double *x = calloc(*n, sizeof *x);
    ck_assert_ptr_nonnull(x);
    for (size_t i = 0; i < mn_store_n_params(w); i++) {
        SEARCH_OK(mn_param_get(mn_store_param(w, i), x + at));
        at += (size_t)mn_param_numel(mn_store_param(w, i));
    }
    return x;
}

static double *trained(const char *yaml, size_t *n) {
    modnas_search *s = util_search(yaml, NULL);
    SEARCH_OK(modnas_search_train(s, NULL, 1, NULL));
    double *x = weights_of(s, n);
    modnas_search_free(s);
    return x;
}

/* A step of plain SGD: half the rate on the sum of two gradients is the rate on their mean, up to f32's rounding. */
START_TEST(mean_or_sum) {
    size_t n;
#define TWO "n_subnet_batch: 2, sandwich: true, stages: [{width: [3, 1]}]"
    double *mean = trained(NET("lr: 0.1") SHRINK(TWO), &n), *sum = trained(NET("lr: 0.05") SHRINK(TWO ", average: false"), &n),
           *full = trained(NET("lr: 0.1") SHRINK(TWO ", average: false"), &n);
    double apart = 0;
    for (size_t i = 0; i < n; i++) {
        ck_assert_double_eq_tol(mean[i], sum[i], 1e-6);
        apart = fmax(apart, fabs(mean[i] - full[i]));
    }
    ck_assert(apart > 1e-4);
    free(mean);
    free(sum);
    free(full);
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *args, *words;
    } rows[] = {
        {"stages: [{kernel: [7, 5]}]", "stage 0: 7 is no kernel that the model has"},
        {"stages: [{depth: [[2, 1]]}]", "stage 0: 1 lists of depth, the model has 2"},
        {"stages: [{width: [3]}, {widht: [3]}]", "stage 1: unknown key 'widht'; did you mean 'width'?"},
        {"stages: [{depth: [2], sequential: [1]}]", "stage 0: sequential twice"},
        {"stages: [{depth: 2}]", "stage 0: depth is no list of sizes"},
        {"stages: []", "stages: there are 0"},
        {"stages: [{epochs: 0}]", "stage 0: epochs is a whole number of at least 1"},
        {"stages: [{width: [1.5]}], use_ratio: true", "stage 0: width: a number in (0, 1] is wanted, not"},
        {"n_subnet_batch: 1, sandwich: true", "n_subnet_batch: is 1, it is from 2 (sandwich) to 64"},
        {"subnet_valid_freq: -1", "subnet_valid_freq: is -1, it is at least 0"},
    };
    modnas_search *s = NULL;
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        char yaml[4096];
        snprintf(yaml, sizeof yaml, "%sestim: {shrink: {type: ProgressiveShrinkingEstim, epochs: 2, args: {%s}}}\n", PLAIN,
                 rows[i].args);
        ck_assert_msg(util_search_try(yaml, NULL, &s) == MODNAS_ECONFIG, "%s", rows[i].args);
        util_search_says(rows[i].words);
    }
    ck_assert_int_eq(util_search_try(UTIL_SEARCH_INDEX SHRINK("n_subnet_batch: 2"), NULL, &s), MODNAS_ECONFIG);
    util_search_says("stages: model MobileNetV2 has no elastic sizes");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("shrinking");
    util_add(suite, "shrinking", rig_setup, rig_teardown,
             (const TTest *const[]){stages_in_order, stages_as_written, mean_or_sum, refused, NULL});
    return util_run(suite);
}
