/* Backbones of hosts: a copy of CIFAR_MobileNetV2 has the published counts of the original (parameters 2,236,682 and
 * multiply-adds 43,758,080, measured there with PyTorch), the names of the built-in one, and gives the same logits; a
 * small one with residual blocks, branches and a parameter of its own has the counts of a hand calculation; both are
 * searched, written and read like any other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_hosted.h"
#include "util_rig.h"

#define BACKENDS 2
static const char *const backends[BACKENDS] = {"backend: ref\n", "backend: dnnl\n"};

#define CONFIG(text, ...)                                                                                              \
    char text[2048];                                                                                                   \
    snprintf(text, sizeof text, __VA_ARGS__)

static void setup(void) {
    hosted_setup();
    ck_assert_int_eq(hosted_add_mobilenet(hosted_ctx), 0);
    ck_assert_int_eq(hosted_add_resnet(hosted_ctx), 0);
}

/* ---- counts and logits --------------------------------------------------------------------------------- */

START_TEST(counts) {
    static const struct {
        const char *model;
        double params, macs, slots;
    } rows[] = {{"model: HostMobileNetV2\n", 2236682, 43758080, 17},
                {"model: {type: host-mobilenet_v2, args: {n_classes: 1000}}\n", 3504872, 45025280, 17},
                {"model: HostResNet\n", HOSTED_RESNET_PARAMS, HOSTED_RESNET_MACS, 1}};
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        CONFIG(yaml, "%s%s", backends[_i], rows[i].model);
        char *json = NULL;
        ck_assert_msg(hosted_describe(yaml, &json) == 0, "%s", modnas_errmsg(hosted_ctx));
        ck_assert_msg(hosted_number(json, "params") == rows[i].params, "%s", json);
        ck_assert_msg(hosted_number(json, "macs") == rows[i].macs, "%s", json);
        modnas_string_free(hosted_ctx, json);
        modnas_model *m = hosted_model(yaml);
        int64_t macs = 0;
        ck_assert_int_eq(modnas_model_macs(m, &macs), 0);
        ck_assert_int_eq(macs, (int64_t)rows[i].macs);
        ck_assert_int_eq(modnas_model_n_params(m), (int64_t)rows[i].params);
        ck_assert_uint_eq(modnas_model_n_slots(m), (size_t)rows[i].slots);
        modnas_model_free(m);
    }
}
END_TEST

static float *images(int64_t n) {
    mn_rng rng;
    mn_rng_init(&rng, 1, mn_stream("images"), 0);
    float *x = calloc((size_t)n, sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = (float)(2 * mn_rng_real(&rng) - 1);
    return x;
}

/* Of 2 images, logits[2 * classes]. */
static void forward(modnas_model *m, float *logits) {
    int32_t chw[3];
    ck_assert_int_eq(modnas_model_input(m, chw), 0);
    float *x = images(2 * chw[0] * chw[1] * chw[2]);
    ck_assert_msg(modnas_model_forward(m, x, 2, logits) == 0, "%s", modnas_errmsg(hosted_ctx));
    free(x);
}

static void expect_same_logits(const char *a, const char *b, int classes) {
    const char *path = "/tmp/modnas_host_backbone.safetensors";
    float of_a[64], before[64], of_b[64];
    modnas_model *first = hosted_model(a), *second = hosted_model(b);
    const size_t bytes = 2 * (size_t)classes * sizeof *of_a;
    ck_assert_int_eq(modnas_model_n_classes(first), classes);
    ck_assert_int_eq(modnas_model_n_classes(second), classes);
    forward(first, of_a);
    forward(second, before);
    ck_assert_int_ne(memcmp(of_a, before, bytes), 0);
    ck_assert_msg(modnas_model_save(first, path) == 0, "%s", modnas_errmsg(hosted_ctx));
    ck_assert_msg(modnas_model_load(second, path, 0) == 0, "%s", modnas_errmsg(hosted_ctx));
    forward(second, of_b);
    ck_assert_msg(memcmp(of_a, of_b, bytes) == 0, "%g and %g", of_a[0], of_b[0]);
    remove(path);
    modnas_model_free(first);
    modnas_model_free(second);
}

/* Other seeds give other weights; one's checkpoint makes the other give the same bytes. */
START_TEST(same_as_built_in) {
    CONFIG(ours, "%sseed: 1\nmodel: {type: CIFAR_MobileNetV2, args: {n_classes: 10}}\n", backends[_i]);
    CONFIG(theirs, "%sseed: 2\nmodel: HostMobileNetV2\n", backends[_i]);
    expect_same_logits(ours, theirs, 10);
}
END_TEST

#define CANDIDATES "candidates: [MB3E1, MB5E3, MB7E6]"

/* What follows is of the library's own blocks, too, and names have lengths. */
static void without_memory(char *json) {
    char *from = strstr(json, ",\"memory\":");
    ck_assert_ptr_nonnull(from);
    *from = '\0';
}

/* A supernet too, by every mixed op: the most probable candidates of the first are those of the second then. */
START_TEST(same_supernets) {
    static const char *const types[] = {"SoftmaxSumMixedOp", "GumbelSumMixedOp", "BinaryGateMixedOp",
                                        "BinaryGateUniformMixedOp", "IndexMixedOp"};
    for (size_t i = 0; i < MN_COUNT(types); i++) {
        CONFIG(ours, "%sseed: 1\n" HOSTED_SMALL "mixed_op: {type: %s, " CANDIDATES "}\n", backends[_i], types[i]);
        CONFIG(theirs, "%sseed: 2\n" HOSTED_SMALL_COPY "mixed_op: {type: %s, " CANDIDATES "}\n", backends[_i],
               types[i]);
        expect_same_logits(ours, theirs, 4);
        char *a = NULL, *b = NULL;
        ck_assert_int_eq(hosted_describe(ours, &a), 0);
        ck_assert_int_eq(hosted_describe(theirs, &b), 0);
        without_memory(a);
        without_memory(b);
        ck_assert_str_eq(strstr(a, "\"backend\""), strstr(b, "\"backend\""));
        modnas_string_free(hosted_ctx, a);
        modnas_string_free(hosted_ctx, b);
        CONFIG(resnet, "%smodel: HostResNet\nmixed_op: {type: %s, " CANDIDATES "}\n", backends[_i], types[i]);
        modnas_model *m = hosted_model(resnet);
        float logits[2 * HOSTED_RESNET_CLASSES];
        forward(m, logits);
        modnas_model_free(m);
    }
}
END_TEST

/* A plan is kept: the same input gives the same again, and so does each image alone. */
START_TEST(evaluation_repeats) {
    CONFIG(yaml, "%smodel: HostResNet\n", backends[_i]);
    modnas_model *m = hosted_model(yaml);
    float first[2 * HOSTED_RESNET_CLASSES], again[2 * HOSTED_RESNET_CLASSES], alone[HOSTED_RESNET_CLASSES];
    forward(m, first);
    const int64_t before = hosted_ctx->n_allocs;
    forward(m, again);
    ck_assert_int_eq(hosted_ctx->n_allocs, before);
    ck_assert_int_eq(memcmp(first, again, sizeof first), 0);
    float *x = images(2 * 3 * 16 * 16);
    ck_assert_int_eq(modnas_model_forward(m, x + 3 * 16 * 16, 1, alone), 0);
    for (int i = 0; i < HOSTED_RESNET_CLASSES; i++)
        ck_assert_float_eq_tol(alone[i], first[HOSTED_RESNET_CLASSES + i], 1e-5f); /* f32, sums of under 200 terms */
    free(x);
    modnas_model_free(m);
}
END_TEST

/* ---- the tree and its tensors -------------------------------------------------------------------------- */

START_TEST(tree) {
    modnas_model *m = hosted_model("backend: ref\nmodel: HostMobileNetV2\n");
    modnas_module *root = modnas_model_root(m);
    modnas_module *block = modnas_module_child(root, "bottlenecks.Bottlenecks_1.MobileInvertedResidualBlock_1_0");
    ck_assert_ptr_nonnull(block);
    ck_assert_str_eq(modnas_module_name(block), "MobileInvertedResidualBlock_1_0");
    ck_assert_str_eq(modnas_module_name(modnas_module_parent(block)), "Bottlenecks_1");
    ck_assert_ptr_eq(modnas_module_model(block), m);
    ck_assert_uint_eq(modnas_module_n_children(root), 6);
    ck_assert_ptr_eq(modnas_module_child_at(root, 1), modnas_module_child(root, "bottlenecks"));
    ck_assert_ptr_null(modnas_module_child_at(root, 6));
    ck_assert_ptr_null(modnas_module_child(root, "bottlenecks.Bottlenecks_9.x"));
    ck_assert_ptr_null(modnas_module_child(root, "bottleneck"));
    ck_assert_ptr_null(modnas_module_parent(root));
    ck_assert_ptr_null(modnas_module_name(root));
    modnas_slot_info slot = {.size = sizeof slot};
    ck_assert_int_eq(modnas_module_slot(modnas_module_child(block, "conv"), &slot), 0);
    ck_assert_ptr_eq(modnas_model_slot(m, 1), modnas_module_child(block, "conv"));
    ck_assert_ptr_null(modnas_model_slot(m, 17));
    ck_assert_int_eq(slot.chn_in, 16);
    ck_assert_int_eq(slot.chn_out, 24);
    ck_assert_int_eq(slot.stride, 2);
    ck_assert_int_eq(slot.filled, 1);
    ck_assert_str_eq(slot.name, "1");
    ck_assert_str_eq(slot.kwargs, "{}");
    ck_assert_int_eq(modnas_module_slot(root, &slot), MODNAS_EINVAL);
    modnas_model_free(m);
}
END_TEST

/* A struct of an older caller is filled as far as it goes. */
START_TEST(short_structs) {
    modnas_model *m = hosted_model("backend: ref\nmodel: HostResNet\n");
    modnas_slot_info slot = {.size = offsetof(modnas_slot_info, kwargs)};
    ck_assert_int_eq(modnas_module_slot(modnas_model_slot(m, 0), &slot), 0);
    ck_assert_str_eq(slot.name, "0");
    ck_assert_ptr_null(slot.kwargs);
    ck_assert_uint_eq(slot.size, offsetof(modnas_slot_info, kwargs));
    slot.size = sizeof slot;
    ck_assert_int_eq(modnas_module_slot(modnas_model_slot(m, 0), &slot), 0);
    ck_assert_str_eq(slot.kwargs, "{\"note\":\"here\"}");
    slot.size = 3;
    ck_assert_int_eq(modnas_module_slot(modnas_model_slot(m, 0), &slot), MODNAS_EINVAL);
    modnas_model_free(m);
}
END_TEST

START_TEST(tensors) {
    modnas_model *m = hosted_model("backend: ref\nmodel: HostResNet\n");
    float w[128], scale[16], mean[16], changed[16];
    int found = 0;
    for (size_t i = 0; i < modnas_model_n_tensors(m); i++) {
        modnas_tensor_info t = {.size = sizeof t};
        ck_assert_int_eq(modnas_model_tensor(m, i, &t), 0);
        if (strcmp(t.name, "block2.downsample.0.weight") == 0) {
            found++;
            ck_assert_int_eq(t.n_dims, 4);
            ck_assert(t.dims[0] == 16 && t.dims[1] == 8 && t.dims[2] == 1 && t.dims[3] == 1);
            ck_assert_int_eq(t.count, 128);
            ck_assert_int_eq(t.trained, 1);
        }
        if (strcmp(t.name, "block2.bn1.running_mean") == 0) found += !t.trained && t.n_dims == 1 && t.dims[0] == 16;
        if (strcmp(t.name, "scale") == 0) found += t.trained && t.n_dims == 1 && t.dims[0] == 16;
    }
    ck_assert_int_eq(found, 3);
    ck_assert_int_eq(modnas_model_get(m, "block2.downsample.0.weight", w, 128), 0);
    ck_assert_int_eq(modnas_model_get(m, "scale", scale, 16), 0);
    ck_assert_int_eq(modnas_model_get(m, "block2.bn1.running_mean", mean, 16), 0);
    for (int i = 0; i < 16; i++) {
        ck_assert_float_eq(scale[i], 1);
        ck_assert_float_eq(mean[i], 0);
        scale[i] = (float)i;
    }
    ck_assert_int_eq(modnas_model_set(m, "scale", scale, 16), 0);
    ck_assert_int_eq(modnas_model_get(m, "scale", changed, 16), 0);
    ck_assert_int_eq(memcmp(scale, changed, sizeof scale), 0);
    ck_assert_int_eq(modnas_model_get(m, "scale", scale, 15), MODNAS_ESHAPE);
    hosted_expect_text("tensor scale has 16 elements, 15 are given");
    ck_assert_int_eq(modnas_model_set(m, "Scale", scale, 16), MODNAS_ENOTFOUND);
    modnas_tensor_info t = {.size = sizeof t};
    ck_assert_int_eq(modnas_model_tensor(m, 10000, &t), MODNAS_EINVAL);
    modnas_model_free(m);
}
END_TEST

/* A borrowed model stays: only what modnas_model_new made is freed by modnas_model_free. */
static int free_borrowed(modnas_model *model, const modnas_args *args, void *ud) {
    (void)args, (void)ud;
    modnas_model_free(model);
    return modnas_model_n_slots(model) == 1 ? 0 : 5;
}

START_TEST(borrowed_model_stays) {
    const modnas_construct_vt vt = {.size = sizeof vt, .run = free_borrowed};
    ck_assert_int_eq(hosted_register(hosted_ctx, "construct", "FreeIt", NULL, &vt, NULL), 0);
    modnas_model_free(hosted_model("backend: ref\nmodel: HostResNet\nconstruct: {x: FreeIt}\n"));
}
END_TEST

static modnas_model *own;

static int free_in_forward(modnas_module *m, modnas_tape *tape, modnas_value *const *src, int32_t n_src,
                           modnas_value **dst, void *ud) {
    (void)m, (void)n_src, (void)ud;
    modnas_model_free(own);
    return modnas_op_global_pool(tape, "avg", src[0], dst);
}

static int small_input(modnas_module *m, const modnas_args *args, void *ud) {
    (void)args, (void)ud;
    return modnas_model_set_input(modnas_module_model(m), 2, 2, 2);
}

/* Freed by its own forward: it goes afterwards. (The fixture counts what is left.) */
START_TEST(freed_while_recorded) {
    const modnas_module_vt vt = {.size = sizeof vt, .build = small_input, .forward = free_in_forward};
    const float x[8] = {4};
    float y[2] = {0, 7};
    int64_t macs = 7;
    ck_assert_int_eq(hosted_register(hosted_ctx, "model", "Fleeting", NULL, &vt, NULL), 0);
    own = NULL;
    modnas_model *m = hosted_model("backend: ref\nmodel: Fleeting\n");
    own = m;
    ck_assert_int_eq(modnas_model_forward(m, x, 1, y), 0);
    ck_assert_float_eq(y[0], 1);
    own = NULL;
    m = hosted_model("backend: ref\nmodel: Fleeting\n");
    own = m;
    ck_assert_int_eq(modnas_model_macs(m, &macs), 0);
    ck_assert_int_eq(macs, 0);
}
END_TEST

START_TEST(double_precision) {
    float a[2 * HOSTED_RESNET_CLASSES], b[2 * HOSTED_RESNET_CLASSES];
    modnas_model *wide = hosted_model("backend: ref\nprecision: f64\nseed: 1\nmodel: HostResNet\n"),
                 *narrow = hosted_model("backend: ref\nseed: 1\nmodel: HostResNet\n");
    forward(wide, a);
    forward(narrow, b);
    ck_assert_int_ne(memcmp(a, b, sizeof a), 0);
    for (size_t i = 0; i < MN_COUNT(a); i++)
        ck_assert_float_eq_tol(a[i], b[i], 1e-5f); /* f32, sums of under 200 terms */
    modnas_model_free(wide);
    modnas_model_free(narrow);
}
END_TEST

START_TEST(without_backend) {
    modnas_model *m = hosted_model("backend: none\nmodel: HostMobileNetV2\n");
    float x[4] = {0}, logits[10];
    int64_t macs;
    ck_assert_int_eq(modnas_model_n_params(m), 2236682);
    ck_assert_int_eq(modnas_model_forward(m, x, 1, logits), MODNAS_EINVAL);
    ck_assert_int_eq(modnas_model_macs(m, &macs), MODNAS_EINVAL);
    ck_assert_uint_eq(modnas_model_n_tensors(m), 0);
    ck_assert_int_eq(modnas_module_add(modnas_model_root(m), "late", "ReLU", NULL, NULL), MODNAS_EINVAL);
    modnas_model_free(m);
    char *json = NULL;
    ck_assert_int_eq(hosted_describe("backend: none\nmodel: HostMobileNetV2\n", &json), 0);
    ck_assert(hosted_number(json, "macs") == 43758080);
    modnas_string_free(hosted_ctx, json);
}
END_TEST

/* ---- whole runs ---------------------------------------------------------------------------------------- */

#define RUN(model)                                                                                                     \
    "name: t\nbackend: ref\nseed: 3\n" model                                                                           \
    "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E1, MB3E3, MB5E3]}\n"                                         \
    "train_data: {type: RandData, args: {shape: [3, 8, 8], classes: 4, data_size: 48}}\n"                              \
    "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 16, val_batch_size: 8, valid_size: 8}}\n"           \
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05, momentum: 0.9}}}}}\n"   \
    "optim: BinaryGateOptim\nestim: {search: {type: SuperNetEstim, epochs: 3}}\n"

static char *file_of(const char *yaml, const char *path) {
    size_t bytes;
    ck_assert_msg(util_rig_yaml(&rig, yaml, NULL) == 0, "%s", rig.error);
    char *text = util_rig_read(path, &bytes);
    ck_assert_ptr_nonnull(text);
    return text;
}

/* The same search of the same space: the same history and architecture, byte for byte. */
START_TEST(same_search) {
    static const char *const files[] = {"exp/t/outputs/history.tsv", "exp/t/outputs/arch_search_best.yaml"};
    ck_assert_int_eq(hosted_add_mobilenet(rig.ctx), 0);
    for (size_t i = 0; i < MN_COUNT(files); i++) {
        char *a = file_of(RUN(HOSTED_SMALL), files[i]), *b = file_of(RUN(HOSTED_SMALL_COPY), files[i]);
        ck_assert_str_eq(a, b);
        free(a);
        free(b);
    }
}
END_TEST

#define TRAIN                                                                                                          \
    "train_data: {type: RandData, args: {shape: [3, 8, 8], classes: 4, data_size: 32}}\n"                              \
    "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 16, val_batch_size: 8, valid_size: 8}}\n"           \
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: SGD}}}\nestim: {train: {type: DefaultEstim, "        \
    "epochs: 1}}\n"

/* The architecture that was found is built on the host's backbone, and trained. */
START_TEST(found_is_built) {
    ck_assert_int_eq(hosted_add_mobilenet(rig.ctx), 0);
    ck_assert_msg(util_rig_yaml(&rig, RUN(HOSTED_SMALL_COPY), NULL) == 0, "%s", rig.error);
    ck_assert_msg(util_rig_yaml(&rig,
                                "name: u\nbackend: ref\n" HOSTED_SMALL_COPY
                                "arch_desc: exp/t/outputs/arch_search_best.yaml\n" TRAIN,
                                NULL) == 0,
                  "%s", rig.error);
    ck_assert(util_rig_exists("exp/u/chkpt/model_train_best.safetensors"));
}
END_TEST

int main(void) {
    Suite *s = suite_create("host_backbone");
    TCase *c = tcase_create("backends");
    tcase_add_checked_fixture(c, setup, hosted_teardown);
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, counts, 0, BACKENDS);
    tcase_add_loop_test(c, same_as_built_in, 0, BACKENDS);
    tcase_add_loop_test(c, same_supernets, 0, BACKENDS);
    tcase_add_loop_test(c, evaluation_repeats, 0, BACKENDS);
    suite_add_tcase(s, c);
    util_add(s, "model", setup, hosted_teardown,
             (const TTest *const[]){tree, short_structs, tensors, borrowed_model_stays, freed_while_recorded,
                                    double_precision, without_backend, NULL});
    util_add(s, "runs", rig_setup, rig_teardown, (const TTest *const[]){same_search, found_is_built, NULL});
    return util_run(s);
}
