/* What planned steps are made of: no layout is changed but the images' and, once each, that of weights which a backward
 * wants otherwise; in evaluation batch norm and activations are part of the convolutions. Plans are looked at, nothing
 * is run. */
#include <string.h>

#include "graph/run.h"
#include "train/trainer.h"
#include "util_small.h"

static util_small s;

#define MUST(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(s.ctx))

#define NET(model, backend)                                                                                            \
    "backend: " backend "\nthreads: 2\nseed: 1\nmodel: {type: " model ", args: {n_classes: 10}}\n"                     \
    "train_data: {type: RandData, args: {data_size: 16}}\n"                                                            \
    "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 8}}\n"                                              \
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {momentum: 0.9}}}}}\n"
#define SIX(mixed)                                                                                                     \
    "construct: {mixed_op: {type: MobileNetV2SearchConstructor, args: {add_zero_op: true, candidates: "                \
    "[MB3E3, MB3E6, MB5E3, MB5E6, MB7E3, MB7E6], mixed_op: " mixed "}}}\n"

static const mn_run *plan(int kind) {
    mn_pass *p = &s.trainer->pass[kind];
    MUST(mn_pass_record(p, s.model, mn_trainer_criterion(s.trainer, p), (const int32_t[]){8, 3, 32, 32}));
    return p->run;
}

static const mn_call *call_at(const mn_run *run, size_t i) {
    return &MN_AT(run->calls, mn_call, i);
}

static const mn_value *arg_at(const mn_run *run, const mn_call *c, uint32_t a) {
    return MN_AT(run->args, mn_value *, c->arg + a);
}

static int count(const mn_run *run, int32_t kind) {
    int n = 0;
    for (size_t i = 0; i < run->calls.n; i++) n += call_at(run, i)->kind == kind;
    return n;
}

/* Every reorder is of the images or of weights, of each once. */
static void check_reorders(const mn_run *run, const char *what) {
    int n_images = 0;
    for (size_t i = 0; i < run->calls.n; i++) {
        const mn_call *c = call_at(run, i);
        if (c->kind != MODNAS_KERNEL_REORDER) continue;
        const mn_value *src = arg_at(run, c, 0);
        char text[64];
        if (src->place == MN_IN_HOST || src->bound) {
            ck_assert_int_eq(++n_images, 1);
            continue;
        }
        ck_assert_msg(src->param != NULL && src->place == MN_IN_WEIGHTS, "%s: call %zu of %zu (forward: %zu) reorders %s",
                      what, i, run->calls.n, run->n_forward, mn_dims_text(src->dims, text));
        for (size_t j = 0; j < i; j++)
            ck_assert(call_at(run, j)->kind != MODNAS_KERNEL_REORDER || arg_at(run, call_at(run, j), 0) != src);
    }
}

static const char *const nets[] = {
    NET("CIFAR_MobileNetV2", "dnnl") SIX("BinaryGateMixedOp"),
    NET("CIFAR_MobileNetV2_GPU", "dnnl") SIX("BinaryGateMixedOp"),
    NET("CIFAR_MobileNetV2", "dnnl"),
    NET("CIFAR_MobileNetV2", "ref") SIX("BinaryGateMixedOp"),
};

START_TEST(reorders) {
    util_small_open(&s, nets[_i]);
    for (uint64_t path = 1; path <= 8; path++) {
        mn_model_set_draw(s.model, path);
        check_reorders(plan(MN_PASS_TRAIN), "weight step");
        if (s.model->arch && path % 4 == 1) {
            mn_model_set_arch_step(s.model, 1);
            check_reorders(plan(MN_PASS_ARCH), "architecture step");
            mn_model_set_arch_step(s.model, 0);
        }
        check_reorders(plan(MN_PASS_EVAL), "evaluation");
    }
    util_small_close(&s);
}
END_TEST

START_TEST(evaluation_is_folded) {
    util_small_open(&s, nets[_i]);
    for (uint64_t path = 1; path <= 8; path++) {
        for (int32_t k = 0; k < mn_model_n_mixed(s.model); k++) {
            mn_mixed *m = mn_model_mixed(s.model, k);
            mn_mixed_force(m, (int32_t)((path + (uint64_t)k) % (uint64_t)m->n));
        }
        const mn_run *run = plan(MN_PASS_EVAL);
        ck_assert_int_gt(count(run, MODNAS_KERNEL_CONV2D) + count(run, MODNAS_KERNEL_BOTTLENECK), 10);
        ck_assert_int_eq(count(run, MODNAS_KERNEL_BATCH_NORM), 0);
        ck_assert_int_eq(count(run, MODNAS_KERNEL_ACTIVATION), 0);
        ck_assert_int_eq(count(run, MODNAS_KERNEL_BINARY), 0); /* residuals */
    }
    util_small_close(&s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("plan kernels");
    util_add_loop(suite, "reorders", NULL, NULL, reorders, MN_COUNT(nets));
    util_add_loop(suite, "evaluation", NULL, NULL, evaluation_is_folded, MN_COUNT(nets));
    return util_run(suite);
}
