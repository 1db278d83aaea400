/* modnas_describe: counts against the published figures, memory against its parts, the size of the space, sizes given
 * by the caller, and what is refused. The public functions only, besides the reader that takes the JSON apart. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/node.h"
#include "modnas/modnas.h"
#include "util_host.h"

static util_host host;
static modnas_ctx *ctx;

static void setup(void) {
    host = (util_host){.left = -1};
    modnas_ctx_opts opts = util_host_opts(&host);
    opts.plugin_dir = getenv("MODNAS_PLUGINS");
    ck_assert_int_eq(modnas_ctx_new(&opts, &ctx), 0);
}

static void teardown(void) {
    util_ctx_end(&host, ctx);
}

typedef int (*describe_fn)(modnas_config *cfg, const modnas_describe_opts *opts, char **text);

static int describe_with(describe_fn fn, const char *config, const modnas_describe_opts *opts, char **text) {
    modnas_config *cfg;
    ck_assert_int_eq(modnas_config_new(ctx, &cfg), 0);
    int rc = modnas_config_add_text(cfg, config, strlen(config), "test.yaml");
    if (!rc) rc = fn(cfg, opts, text);
    modnas_config_free(cfg);
    return rc;
}

/* The parsed answer, freed with mn_node_free. */
static mn_node *describe(const char *config, const modnas_describe_opts *opts) {
    char *text = NULL;
    mn_node *docs, *object;
    ck_assert_msg(describe_with(modnas_describe, config, opts, &text) == 0, "%s", modnas_errmsg(ctx));
    ck_assert_msg(mn_yaml_read(ctx, text, strlen(text), "answer", &docs) == 0, "%s", modnas_errmsg(ctx));
    object = mn_node_copy(ctx, docs->items[0]);
    mn_node_free(ctx, docs);
    modnas_string_free(ctx, text);
    return object;
}

static int64_t number(const mn_node *d, const char *key) {
    const mn_node *n = mn_node_path(d, key);
    ck_assert_msg(n && n->kind == MN_INT, "no number %s", key);
    return n->i;
}

static const char *string(const mn_node *d, const char *key) {
    const mn_node *n = mn_node_path(d, key);
    ck_assert_msg(n && n->kind == MN_STR, "no string %s", key);
    return n->text;
}

#define CIFAR_GPU "backend: ref\nmodel: {type: CIFAR_MobileNetV2_GPU, args: {n_classes: 10}}\n"
#define SIX       "candidates: [MB3E3, MB3E6, MB5E3, MB5E6, MB7E3, MB7E6]"
#define SUPERNET  CIFAR_GPU "mixed_op: {type: BinaryGateMixedOp, " SIX "}\n"

typedef struct figure {
    const char *config, *model;
    int64_t params, macs, mixed_ops;
    size_t slots;
    const char *space_size;
    int32_t batch; /* ImageNet is planned for one image: the reference's plans are slow to list */
} figure;

/* 6^22; with the first block kept 21 Slots, of which 15 have NIL as well: 6^6 7^15. */
static const figure figures[] = {
    {"backend: ref\nmodel: ImageNet_MobileNetV2\n", "ImageNet_MobileNetV2", 3504872, 300774272, 0, 17, "1", 1},
    {"backend: ref\nmodel: ImageNet_MobileNetV2_GPU\n", "ImageNet_MobileNetV2_GPU", 4684776, 472620800, 0, 22, "1", 1},
    {"backend: ref\nmodel: {type: CIFAR_MobileNetV2, args: {n_classes: 10}}\n", "CIFAR_MobileNetV2", 2236682, 43758080,
     0, 17, "1", 0},
    {CIFAR_GPU, "CIFAR_MobileNetV2_GPU", 3416586, 68294912, 0, 22, "1", 0},
    {SUPERNET, "CIFAR_MobileNetV2_GPU", 14834106, -1, 22, 22, "131621703842267136", 0},
    {CIFAR_GPU "construct: {mixed_op: {type: MobileNetV2SearchConstructor, args: {mixed_op: BinaryGateMixedOp, " SIX
               "}}}\n",
     "CIFAR_MobileNetV2_GPU", 14765978, -1, 21, 22, "221502229807900608", 0},
    {"backend: none\nmodel: cifar-mobilenet_v2\n", "CIFAR_MobileNetV2", 3504872, 45025280, 0, 17, "1", 0},
};

START_TEST(counts) {
    const figure *f = &figures[_i];
    const modnas_describe_opts opts = {.size = sizeof opts, .batch = f->batch};
    mn_node *d = describe(f->config, &opts);
    ck_assert_str_eq(string(d, "model"), f->model);
    ck_assert_int_eq(number(d, "params"), f->params);
    if (f->macs >= 0) ck_assert_int_eq(number(d, "macs"), f->macs);
    ck_assert_int_eq(number(d, "mixed_ops"), f->mixed_ops);
    ck_assert_uint_eq(mn_node_get(d, "slots")->n, f->slots);
    ck_assert_str_eq(string(d, "space_size"), f->space_size);
    ck_assert_int_eq(number(d, "batch"), f->batch ? f->batch : 64);
    static const char *const parts[] = {"saved",     "transients", "workspace", "weights", "gradients",
                                        "optimizer", "arch",       "batches",   "library"};
    int64_t sum = 0;
    for (size_t i = 0; i < MN_COUNT(parts); i++) sum += mn_node_get(mn_node_get(d, "memory"), parts[i])->i;
    ck_assert_uint_eq(mn_node_get(d, "memory")->n, MN_COUNT(parts));
    ck_assert_int_eq(number(d, "planned_peak_bytes"), sum);
    /* four slots of 3x32x32 numbers (3x224x224 for ImageNet) and labels */
    ck_assert_int_eq(number(d, "memory.batches"),
                     4 * number(d, "batch") * (4 * 3 * number(d, "input.1") * number(d, "input.1") + 4));
    ck_assert_int_ge(number(d, "memory.weights"), 4 * f->params);
    ck_assert_int_eq(number(d, "memory.optimizer"), number(d, "memory.weights")); /* SGD with momentum, unless said */
    mn_node_free(ctx, d);
}
END_TEST

START_TEST(slots_and_candidates) {
    mn_node *d = describe(CIFAR_GPU "construct: {s: {type: MobileNetV2SearchConstructor, args: {mixed_op: "
                                    "IndexMixedOp, candidates: [MB3E3, MB5E6]}}}\n",
                          NULL);
    ck_assert_str_eq(string(d, "slots.0.name"), "0");
    ck_assert_uint_eq(mn_node_path(d, "slots.0.candidates")->n, 0);
    ck_assert_int_eq(number(d, "slots.1.chn_in"), 16);
    ck_assert_int_eq(number(d, "slots.1.chn_out"), 24);
    ck_assert_int_eq(number(d, "slots.1.stride"), 2);
    ck_assert_uint_eq(mn_node_path(d, "slots.1.candidates")->n, 2);
    ck_assert_uint_eq(mn_node_path(d, "slots.2.candidates")->n, 3);
    ck_assert_str_eq(string(d, "slots.2.candidates.1"), "MB5E6");
    ck_assert_str_eq(string(d, "slots.2.candidates.2"), "NIL");
    ck_assert_int_eq(number(d, "memory.arch"), 0);
    mn_node_free(ctx, d);
    d = describe(CIFAR_GPU "construct: {o: {type: DefaultOpConstructor, args: {op: MB3E3}}}\n", NULL);
    ck_assert_str_eq(string(d, "slots.21.candidates.0"), "MB3E3");
    mn_node_free(ctx, d);
}
END_TEST

/* An input of other size: multiply-adds of a fully convolutional network without padding effects grow with the pixels:
 * 64x64 has four times as many as 32x32, but for the classifier's 1280 * 10. */
START_TEST(sizes_of_the_caller) {
    const modnas_describe_opts opts = {.size = sizeof opts, .input = {3, 64, 64}, .batch = 2};
    mn_node *small = describe(CIFAR_GPU, NULL), *large = describe(CIFAR_GPU, &opts);
    ck_assert_int_eq(number(large, "macs") - 12800, 4 * (number(small, "macs") - 12800));
    ck_assert_int_eq(number(large, "input.1"), 64);
    ck_assert_int_eq(number(small, "input.1"), 32);
    ck_assert_int_eq(number(large, "batch"), 2);
    ck_assert_int_lt(number(large, "planned_peak_bytes"), number(small, "planned_peak_bytes"));
    mn_node_free(ctx, small);
    mn_node_free(ctx, large);
    mn_node *d = describe(CIFAR_GPU "data_loader: {type: ImageClsDataLoader, args: {trn_batch_size: 16}}\n", NULL);
    ck_assert_int_eq(number(d, "batch"), 16);
    mn_node_free(ctx, d);
}
END_TEST

START_TEST(the_optimizer_of_the_trainer_counts) {
    static const struct {
        const char *spec;
        int64_t arenas;
    } optimizers[] = {{"{type: SGD, args: {lr: 0.1, momentum: 0.9}}", 1},
                      {"{type: SGD, args: {lr: 0.1}}", 0},
                      {"{type: Adam, args: {lr: 0.1}}", 2}};
    for (size_t i = 0; i < MN_COUNT(optimizers); i++) {
        mn_str config = {.ctx = ctx};
        mn_str_addf(&config, CIFAR_GPU "trainer: {default: {type: ImageClsTrainer, args: {optimizer: %s}}}\n",
                    optimizers[i].spec);
        mn_node *d = describe(config.text, NULL);
        ck_assert_int_eq(number(d, "memory.optimizer"), optimizers[i].arenas * number(d, "memory.weights"));
        mn_node_free(ctx, d);
        mn_str_free(&config);
    }
}
END_TEST

/* More paths at once need more memory; all candidates at once still more. */
START_TEST(memory_grows_with_what_runs) {
    static const char *const ops[] = {"BinaryGateMixedOp", "{type: BinaryGateMixedOp, args: {n_samples: 2}}",
                                      "SoftmaxSumMixedOp"};
    int64_t slab[3];
    for (size_t i = 0; i < 3; i++) {
        mn_str config = {.ctx = ctx};
        mn_str_addf(&config,
                    CIFAR_GPU "construct: {s: {type: DefaultMixedOpConstructor, args: {mixed_op: %s, " SIX "}}}\n",
                    ops[i]);
        mn_node *d = describe(config.text, NULL);
        slab[i] = number(d, "memory.saved") + number(d, "memory.transients");
        mn_node_free(ctx, d);
        mn_str_free(&config);
    }
    ck_assert_int_lt(slab[0], slab[1]);
    ck_assert_int_lt(slab[1], slab[2]);
}
END_TEST

START_TEST(text_for_a_person) {
    char *text = NULL;
    ck_assert_int_eq(describe_with(modnas_describe_text, SUPERNET, NULL, &text), 0);
    static const char *const parts[] = {"CIFAR_MobileNetV2_GPU, input 3x32x32, 10 classes", "14,834,106",
                                        "131621703842267136 architectures", "64 images",
                                        "MB3E3 | MB3E6 | MB5E3 | MB5E6 | MB7E3 | MB7E6"};
    for (size_t i = 0; i < MN_COUNT(parts); i++)
        ck_assert_msg(strstr(text, parts[i]) != NULL, "no '%s' in:\n%s", parts[i], text);
    modnas_string_free(ctx, text);
    text = NULL;
    ck_assert_int_eq(describe_with(modnas_describe_text, CIFAR_GPU, NULL, &text), 0);
    ck_assert_ptr_nonnull(strstr(text, "1 architecture\n"));
    ck_assert_ptr_nonnull(strstr(text, "slot 0: own"));
    modnas_string_free(ctx, text);
}
END_TEST

typedef struct refusal {
    const char *config;
    modnas_describe_opts opts;
    int status;
    const char *text;
} refusal;

static const refusal refusals[] = {
    {"backend: ref\n", {.size = sizeof(modnas_describe_opts)}, MODNAS_ECONFIG, "no model"},
    {"backend: ref\nmodel: CIFAR_MobileNetV3\n",
     {.size = sizeof(modnas_describe_opts)},
     MODNAS_ENOTFOUND,
     "test.yaml:2"},
    {CIFAR_GPU "modle: x\n", {.size = sizeof(modnas_describe_opts)}, MODNAS_ECONFIG, "test.yaml:3"},
    {CIFAR_GPU, {.size = sizeof(modnas_describe_opts), .batch = -1}, MODNAS_EINVAL, "batch of -1"},
    {CIFAR_GPU, {.size = sizeof(modnas_describe_opts), .input = {3, 0, 0}}, MODNAS_EINVAL, "all three or none"},
    {CIFAR_GPU,
     {.size = sizeof(modnas_describe_opts), .input = {1, 32, 32}},
     MODNAS_ESHAPE,
     "1 channels; the model takes 3"},
    {CIFAR_GPU "mixed_op: {type: BinaryGateMixedOp, candidates: [NIL]}\n",
     {.size = sizeof(modnas_describe_opts)},
     MODNAS_ECONFIG,
     "slot 0"},
};

START_TEST(what_is_refused) {
    const refusal *r = &refusals[_i];
    char *text = (char *)1;
    const int rc = describe_with(modnas_describe, r->config, &r->opts, &text);
    ck_assert_msg(rc == r->status, "%d: %s", rc, modnas_errmsg(ctx));
    ck_assert_ptr_eq(text, (char *)1);
    ck_assert_msg(strstr(modnas_errmsg(ctx), r->text) != NULL, "%s", modnas_errmsg(ctx));
}
END_TEST

/* Every allocation may be the one that fails: an error each time, and nothing is left. */
START_TEST(out_of_memory_at_every_place) {
    const char *config =
        "backend: ref\n"
        "model: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [1, 8, 2, 1]], n_classes: 2, input: [1, 4, 4]}}\n"
        "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E1, NIL]}\n";
    int64_t n = 0;
    for (int rc = 1; rc; n++) {
        modnas_config *cfg;
        char *text = NULL;
        teardown();
        setup();
        ck_assert_int_eq(modnas_config_new(ctx, &cfg), 0);
        ck_assert_int_eq(modnas_config_add_text(cfg, config, strlen(config), "test.yaml"), 0);
        host.left = n;
        rc = modnas_describe(cfg, NULL, &text);
        host.left = -1;
        ck_assert_msg(rc == 0 || rc == MODNAS_ENOMEM, "allocation %d: %d, %s", (int)n, rc, modnas_errmsg(ctx));
        modnas_string_free(ctx, text);
        modnas_config_free(cfg);
    }
    ck_assert_int_gt(n, 500);
}
END_TEST

START_TEST(the_option_struct_is_pinned) {
    ck_assert_uint_eq(sizeof(modnas_describe_opts), sizeof(size_t) + 16);
    ck_assert_uint_eq(offsetof(modnas_describe_opts, input), sizeof(size_t));
    ck_assert_uint_eq(offsetof(modnas_describe_opts, batch), sizeof(size_t) + 12);
}
END_TEST

static void add_loop(Suite *s, const char *name, const TTest *test, size_t n) {
    TCase *t = tcase_create(name);
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, test, 0, (int)n);
    suite_add_tcase(s, t);
}

int main(void) {
    Suite *s = suite_create("describe model");
    add_loop(s, "counts", counts, MN_COUNT(figures));
    add_loop(s, "refusals", what_is_refused, MN_COUNT(refusals));
    util_add(s, "describe", setup, teardown,
             (const TTest *[]){slots_and_candidates, sizes_of_the_caller, the_optimizer_of_the_trainer_counts,
                               memory_grows_with_what_runs, text_for_a_person, the_option_struct_is_pinned,
                               out_of_memory_at_every_place, NULL});
    return util_run(s);
}
