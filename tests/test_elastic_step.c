/* Steps of elastic networks: what a step of another sub-network makes, which is nothing. */
#include <stdio.h>

#include "search/derive.h"
#include "space/elastic.h"
#include "util_small.h"

#define TRAINING                                                                                                       \
    "threads: 2\nseed: 3\n"                                                                                            \
    "model: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [1, 8, 1, 1], [6, 16, 2, 2]], n_classes: 4, width_coeff: " \
    "0, kernel_size: 5}}\n"                                                                                            \
    "construct: {elastic: {type: MobileNetV2ElasticConstructor, args: {kernel_kwargs: {kernel_range: [3, 5]}, "        \
    "spatial_kwargs: {expansion_range: [1, 3, 6]}}}}\n"                                                                \
    "train_data: {type: RandData, args: {shape: [3, 8, 8], classes: 4, data_size: 48}}\n"                              \
    "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 16, val_batch_size: 8, valid_size: 8}}\n"           \
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05, momentum: 0.9}}}}}\n"

static util_small small;

static void small_step(mn_arch *arch, mn_rng *rng) {
    mn_scores scores = {0, 0, 0, 0};
    for (int32_t i = 0; i < arch->n; i++)
        arch->index[i] = (int32_t)mn_rng_below(rng, (uint64_t)mn_space_gene(small.model->space, i)->n);
    ck_assert_int_eq(mn_arch_apply(arch), 0);
    ck_assert_msg(mn_trainer_step(small.trainer, &scores) == 0, "%s", modnas_errmsg(small.ctx));
}

/* After prepare no other sub-network makes an allocation, a plan or an object of the backend. */
START_TEST(hot_path) {
    char text[2048];
    mn_arch *arch;
    mn_rng rng;
    mn_rng_init(&rng, 1, 2, 3);
    snprintf(text, sizeof text, "%s%s", _i ? "backend: dnnl\n" : "backend: ref\n", TRAINING);
    util_small_open(&small, text);
    ck_assert_int_eq(mn_arch_new(small.model, &arch), 0);
    ck_assert_int_eq(mn_trainer_reset(small.trainer, 1), 0);
    ck_assert_msg(mn_trainer_prepare(small.trainer, 0, 0) == 0, "%s", modnas_errmsg(small.ctx));
    ck_assert_int_eq(mn_trainer_start_epoch(small.trainer, 0), 0);
    small_step(arch, &rng);
    mn_backend *b = small.model->backend;
    const int64_t allocs = small.ctx->n_allocs, plans = mn_backend_n_plans(b), objects = mn_backend_n_objects(b);
    for (int i = 0; i < 15; i++) small_step(arch, &rng);
    ck_assert_int_eq(small.ctx->n_allocs, allocs);
    ck_assert_int_eq(mn_backend_n_plans(b), plans);
    ck_assert_int_eq(mn_backend_n_objects(b), objects);
    /* and its channels are sorted with the momentum: the next steps are those of a network whose order was another */
    ck_assert_int_eq(mn_trainer_sort_channels(small.trainer, -1), 0);
    small_step(arch, &rng);
    mn_arch_free(arch);
    util_small_close(&small);
}
END_TEST

int main(void) {
    Suite *s = suite_create("elastic_step");
    util_add_loop(s, "hot path", NULL, NULL, hot_path, 2);
    return util_run(s);
}
