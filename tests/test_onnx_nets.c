/* Networks out of supernets as ONNX files, against our own evaluation: by ONNX Runtime where it is there. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "space/space.h"
#include "util_onnx.h"

#define MB      "candidates: [MB3E1, MB3E3, MB3E6, MB5E3, MB5E6, MB7E6, MB9E3]"
#define DARTS   "candidates: [AP3, MP5, NC3, SS5, SC3, DC3, DD5, FC7, IDT, NIL, AVG, MAX]"
#define RESNET  "candidates: [NC3, NC5, SC3, SC5, DC3, DC5, FC3]"
#define PYRAMID "candidates: [AVG, MAX, IDT, SS3, SS5, SS7, DC3]"
#define NET(type, args, candidates)                                                                                    \
    "backend: auto\nthreads: 1\nseed: 5\nmodel: {type: " type ", args: {n_classes: 10" args "}}\n"                     \
    "mixed_op: {type: IndexMixedOp, " candidates "}\n"
/* One size for all Slots: what zeros and identities can stand in for. */
#define EVEN ", cfgs: [[0, 16, 1, 1], [1, 16, 3, 1], [1, 16, 3, 2]], width_coeff: 0, input: [3, 12, 13]"

/* Squeeze and excitation, and hard swish, where the blocks have them. */
#define V3   "candidates: [M3B3E3, M3B3E6, M3B5E3, M3B7E6]"
#define KEPT "construct: {mixed_op: {type: MobileNetV3SearchConstructor}}\n"
#define ROWS ", mode: small, cfgs: [[3, 0, 16, 0, 1, 2], [3, 16, 16, 1, 0, 1], [5, 40, 16, 0, 1, 1], [3, 40, 16, 1, 1, 1]], input: [1, 28, 28]"

static const struct {
    const char *name, *yaml;
    int32_t asked; /* 1: only where a number of networks is asked for */
} spaces[] = {
    {"CIFAR_MobileNetV2", NET("CIFAR_MobileNetV2", "", MB), 0},
    {"CIFAR_MobileNetV2_GPU", NET("CIFAR_MobileNetV2_GPU", "", MB), 1},
    {"ImageNet_MobileNetV2", NET("ImageNet_MobileNetV2", ", input: [3, 65, 64]", MB), 1},
    {"ImageNet_MobileNetV2_GPU", NET("ImageNet_MobileNetV2_GPU", ", input: [3, 64, 65]", MB), 1},
    {"MobileNetV2, hard swish, narrow", NET("MobileNetV2",
     ", activation: Hardswish, width_coeff: 0.4, input: [1, 28, 28], chn_in: 1, cfgs: [[0, 16, 1, 1], [3, 24, 2, 2], [6, 40, 2, 2]]", MB), 0},
    {"cifar_shufflenetv2_oneshot", NET("cifar_shufflenetv2_oneshot", "", "candidates: [SHU3, SHU5, SHU7, SHX3]"), 0},
    {"shufflenetv2", NET("shufflenetv2", ", input: [3, 64, 65]", "candidates: [SHU3, SHX9]"), 1},
    {"mobilenetv3_small", NET("mobilenetv3_small", ", input: [3, 64, 65]", V3) KEPT, 0},
    {"mobilenetv3_large", NET("mobilenetv3_large", ", input: [3, 65, 64]", V3) KEPT, 1},
    {"MobileNetV3, all endings", NET("MobileNetV3", ROWS, "candidates: [M3B3E3S, M3B5E6H, M3B7E1SH, M3B9E3, SE]"), 0},
    {"NASBenchMacro", NET("NASBenchMacro", "", "candidates: [SKIP, IR3E3, IR5E6]"), 0},
    {"CIFAR-ResNet-10", NET("CIFAR-ResNet-10", ", input: [3, 15, 16]", RESNET), 0},
    {"CIFAR-ResNet-32", "ops: {ops_order: weight_bn}\n" NET("CIFAR-ResNet-32", ", zero_init_residual: true", RESNET), 1},
    {"ImageNet-ResNet-18", NET("ImageNet-ResNet-18", ", chn: 16, use_bn: true, input: [3, 65, 64]", RESNET), 1},
    {"ImageNet-ResNeXt-50", NET("ImageNet-ResNeXt-50", ", chn: 16, width_per_group: 1, input: [3, 64, 65]", RESNET), 1},
    {"PyramidNet", NET("PyramidNet", ", blocks: 2, alpha: 25, conv_groups: 2, input: [3, 15, 13]", PYRAMID), 0},
    {"PyramidNet, basic blocks", NET("PyramidNet", ", blocks: 3, alpha: 25, bottleneck: false", RESNET), 1},
    {"operators of DARTS", NET("MobileNetV2", EVEN, DARTS), 0},
    {"cells of DARTS", NET("DARTS", ", chn: 4, layers: 3, nodes: 3, input: [3, 12, 13]", "candidates: [AVG, MAX, SC3, DC5, IDT, NIL]"), 0},
    {"cells of DARTS that average and share channels", NET("DARTS",
     ", chn: 8, layers: 3, nodes: 3, input: [3, 12, 13], allocator: EvenSplitAllocator, merger_state: AvgMerger",
     "candidates: [SC3, NC1]"), 0},
    {"the same, activation first", "ops: {ops_order: act_weight_bn, bn: {affine: false}}\n" NET("MobileNetV2", EVEN, DARTS), 0},
};

/* A network of the space, drawn by a number; its mixed ops stand for it from then on. */
static void choose(mn_model *m, uint64_t number) {
    mn_arch *a;
    mn_rng rng;
    mn_rng_init(&rng, number, mn_stream("arch"), 0);
    ck_assert_int_eq(mn_arch_new(m, &a), 0);
    for (int32_t i = 0; i < a->n; i++) a->index[i] = (int32_t)mn_rng_below(&rng, (uint64_t)mn_space_gene(m->space, i)->n);
    ck_assert_int_eq(mn_arch_apply(a), 0);
    mn_arch_free(a);
}

/* The largest logit of the first n networks, on one image of noise. */
static double largest_logit(mn_model *m, int n) {
    float y[16] = {0};
    double most = 0;
    const int64_t count = (int64_t)m->input[0] * m->input[1] * m->input[2];
    float *x = malloc((size_t)count * sizeof *x);
    mn_rng rng;
    mn_rng_init(&rng, 1, mn_stream("noise"), 0);
    ck_assert(x && m->n_classes <= 16);
    for (int64_t k = 0; k < count; k++) x[k] = (float)(4 * mn_rng_real(&rng) - 2);
    for (int i = 0; i < n; i++) {
        choose(m, (uint64_t)i);
        ck_assert_int_eq(modnas_model_forward(m, x, 1, y), 0);
        for (int k = 0; k < m->n_classes; k++) most = fmax(most, fabs(y[k]));
    }
    free(x);
    return most;
}

/* A difference is measured beside logits of the size that trained networks have: with batch norms all over the place those
 * of deep networks go into the thousands, where f32 itself is that coarse. The last weights with a row a class are made smaller. */
static void tame(mn_model *m, int n) {
    static double x[1 << 16];
    const double most = largest_logit(m, n);
    mn_param *p = NULL;
    for (size_t i = 0; i < mn_store_n_params(m->weights); i++) {
        mn_param *w = mn_store_param(m->weights, i);
        if (w->rank > 1 && w->dims[0] == m->n_classes) p = w;
    }
    ck_assert(p && mn_param_numel(p) <= 1 << 16);
    ck_assert_int_eq(mn_param_get(p, x), 0);
    for (int64_t k = 0; k < mn_param_numel(p); k++) x[k] *= fmin(1, 5 / most);
    ck_assert_int_eq(mn_param_set(p, x), 0);
}

/* n networks of a space: with batch norm folded and not, batches of any size and of a size, and what stands before the
 * network. */
static double compare(const char *yaml_text, int n) {
    static const double mean[] = {0.4913, 0.4821, 0.4465}, stddev[] = {0.247, 0.2434, 0.2615};
    util_onnx u;
    mn_model *m = model_of(yaml_text, MODNAS_F32);
    util_onnx_open(&u);
    util_onnx_fill(m, 9);
    tame(m, n);
    for (int i = 0; i < n; i++) {
        const int64_t images = 1 + 2 * (i % 3);
        const modnas_onnx_opts o[] = {
            {.size = sizeof o[0], .opset = 13 + i % 9},
            {.size = sizeof o[0], .keep_batch_norm = 1, .batch = (int32_t)images, .bytes = i % 2,
             .channels_last = 1, .mean = mean, .stddev = stddev}};
        choose(m, (uint64_t)i);
        for (size_t k = 0; k < MN_COUNT(o); k++) util_onnx_add(&u, m, &o[k], images);
    }
    mn_model_free(m);
    return util_onnx_compare(&u);
}

/* MODNAS_ONNX_NETS networks of each space; unless it is set one each of the small ones. */
START_TEST(networks) {
    char folder[64];
    const char *given = getenv("MODNAS_ONNX_NETS");
    const int n = given ? atoi(given) : 1;
    if (!given && spaces[_i].asked) return;
    util_folder_new(folder);
    const double worst = compare(spaces[_i].yaml, n);
    if (given) printf("onnx: %s: %d networks, twice each: a difference of at most %.3g\n", spaces[_i].name, n, worst);
    util_folder_free(folder);
}
END_TEST

int main(void) {
    Suite *s = suite_create("onnx_nets");
    util_add_loop(s, "networks", model_setup, model_teardown, networks, MN_COUNT(spaces));
    return util_run(s);
}
