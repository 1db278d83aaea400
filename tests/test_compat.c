/* Configurations of the original: the examples in tests/compat, and the ModularNAS parts of four files that Huawei's Vega
 * published (data/configs), run a few steps. Only sizes, epochs and paths are overridden (docs/compat.md). */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "registry/registry.h"
#include "util_paths.h"
#include "util_rig.h"
#include "util_shared.h"

enum { MOST_OVER = 24, IMAGE = 3 * 32 * 32, N_FILE = 4 };

/* ---- data ------------------------------------------------------------------------------------------------ */

/* CIFAR-10's files, of 4 images each: 20 to train, two of each class. */
static void write_cifar(void) {
    static const char *const names[] = {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"};
    mn_rng rng;
    mn_rng_init(&rng, 1, mn_stream("compat"), 0);
    ck_assert_int_eq(mkdir("data", 0777), 0);
    for (int i = 0; i < (int)MN_COUNT(names); i++) {
        char path[64];
        snprintf(path, sizeof path, "data/%s.bin", names[i]);
        FILE *f = fopen(path, "wb");
        ck_assert_ptr_nonnull(f);
        for (int k = 0; k < N_FILE; k++) {
            fputc((i * N_FILE + k) % 10, f);
            for (int j = 0; j < IMAGE; j++) fputc((int)mn_rng_below(&rng, 256), f);
        }
        ck_assert_int_eq(fclose(f), 0);
    }
}

static void setup(void) {
    rig_setup();
    write_cifar();
}

/* ---- running --------------------------------------------------------------------------------------------- */

/* The text of a configuration, then overrides, as the command line has them. */
static int try_run(const char *text, const char *name, const char *const *over) {
    static const char unnamed[] = "name: default\n";
    modnas_config *cfg = NULL;
    modnas_string_free(rig.ctx, rig.results);
    rig.results = NULL;
    int rc = modnas_config_new(rig.ctx, &cfg);
    if (!rc) rc = modnas_config_add_text(cfg, unnamed, strlen(unnamed), "name"); /* what follows may have its own */
    if (!rc) rc = modnas_config_add_text(cfg, text, strlen(text), name);
    if (!rc) rc = modnas_config_override(cfg, "threads=1");
    for (; !rc && *over; over++)
        rc = strncmp(*over, "-r ", 3) == 0   ? modnas_config_set(cfg, "routine", *over + 3)
             : strncmp(*over, "-g ", 3) == 0 ? modnas_config_set(cfg, "arch_desc", *over + 3)
                                             : modnas_config_override(cfg, *over);
    if (!rc) rc = modnas_run(cfg, &rig.opts, &rig.started, &rig.results);
    modnas_config_free(cfg);
    return rc;
}

static void runs(const char *text, const char *name, const char *const *over) {
    const int rc = try_run(text, name, over);
    ck_assert_msg(rc == 0, "%s: %s", name, modnas_errmsg(rig.ctx));
    ck_assert_ptr_nonnull(strstr(rig.results, "\"complete\":true"));
}

static const mn_node *best_of(const mn_node *results, const char *estim) {
    char path[64];
    snprintf(path, sizeof path, "estim.%s.best", estim);
    const mn_node *best = rig_at(results, path);
    ck_assert_int_eq(best->kind, MN_MAP);
    return best;
}

static void has_found(const char *estim) {
    mn_node *all = util_rig_parse(&rig, rig.results);
    ck_assert_ptr_nonnull(best_of(all, estim));
    mn_node_free(rig.ctx, all);
}

/* ---- the examples ---------------------------------------------------------------------------------------- */

/* Freed with free(). */
static char *example(const char *name) {
    char root[PATH_MAX], path[PATH_MAX + 64];
    util_path_beside(4, "/tests/compat", root, sizeof root);
    snprintf(path, sizeof path, "%s/%s.yaml", root, name);
    char *text = util_rig_read(path, NULL);
    ck_assert_msg(text != NULL, "no %s", path);
    return text;
}

static const struct {
    const char *file, *estim; /* what ends it */
    const char *over[MOST_OVER];
} examples[] = {
    {"darts", "search",
     {"-r search", "search.model.args.chn=4", "search.model.args.layers=3", "search.data_loader.args.trn_batch_size=5",
      "search.data_loader.args.val_batch_size=5", "search.estim.search.epochs=1", "search.estim.search.baseline=false"}},
    {"random", "search",
     {"data_loader.args.train_size=10", "data_loader.args.trn_batch_size=4", "estim.search.epochs=1", "estim.search.subnet_epochs=1",
      "estim.search.arch_update_batch=2", "estim.search.baseline=false"}},
    {"proxyless", "search",
     {"data_loader.args.trn_batch_size=8", "data_loader.args.val_batch_size=4", "estim.warmup.epochs=1", "estim.search.epochs=2",
      "estim.search.baseline=false", "estim.search.recalibration=false"}},
    {"spos", "search",
     {"data_loader.args.valid_size=10", "data_loader.args.trn_batch_size=5", "data_loader.args.val_batch_size=5", "estim.supernet.epochs=1",
      "estim.search.epochs=3", "estim.search.args.num_bn_batch=1", "estim.search.baseline=false"}},
    {"ofa", "search",
     {"data_loader.args.valid_ratio=0.2", "data_loader.args.trn_batch_size=8", "data_loader.args.val_batch_size=4", "estim.teacher.epochs=1", "estim.shrink.epochs=1",
      "estim.search.epochs=2", "estim.search.args.num_bn_batch=1", "estim.search.baseline=false"}},
};
enum { SMALL_ONES = 2 }; /* the first ones, which are run under sanitizers, too */

START_TEST(an_example) {
    char *text = example(examples[_i].file);
    runs(text, examples[_i].file, examples[_i].over);
    has_found(examples[_i].estim);
    free(text);
}
END_TEST

/* The second command of the first example: what was found, trained. */
START_TEST(darts_augmented) {
    char *text = example("darts");
    const char *const augment[] = {"-r augment", "-g exp/default/outputs/arch_search_best.yaml", "augment.model.args.chn=4",
                                   "augment.model.args.layers=3", "augment.data_loader.args.trn_batch_size=10",
                                   "augment.data_loader.args.val_batch_size=4", "augment.estim.train.epochs=1", NULL};
    runs(text, "darts", examples[0].over);
    runs(text, "darts", augment);
    free(text);
}
END_TEST

/* ---- Vega's files ---------------------------------------------------------------------------------------- */

static char configs[PATH_MAX]; /* the folder; empty: there is none */

static mn_node *read_file(const char *name) {
    char path[PATH_MAX + 64], *text;
    size_t n;
    mn_node *docs;
    snprintf(path, sizeof path, "%s/%s", configs, name);
    if (access(path, R_OK) != 0) return NULL;
    ck_assert_msg(mn_file_read(rig.ctx, path, MN_YAML_BYTES_MAX, &text, &n) == 0, "%s", modnas_errmsg(rig.ctx));
    ck_assert_msg(mn_yaml_read(rig.ctx, text, n, path, &docs) == 0, "%s", modnas_errmsg(rig.ctx));
    mn_free(rig.ctx, text);
    return docs;
}

/* The keys of a map, as keys of the configuration. */
static void add_keys(mn_str *s, const mn_node *map) {
    for (size_t i = 0; map && i < map->n; i++) {
        mn_str_addf(s, "%s: ", map->keys[i]);
        mn_node_json(s, map->items[i]);
        mn_str_add(s, "\n");
    }
}

/* Data and weight optimizer are Vega's own parts: those of its files in ModularNAS's words. */
static const char vega_training[] =
    "train_data: {type: ImageClsData, args: {dataset: cifar10, root: data}}\n"
    "data_loader: {type: ImageClsDataLoader, args: {valid_ratio: 0.2, trn_batch_size: 8, val_batch_size: 4}}\n"
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.025, momentum: 0.9, weight_decay: !!float 3e-4}},"
    " lr_scheduler: {type: CosineAnnealingLR, args: {T_max: 50.0, eta_min: 0.001}}}}}\n";

static const struct {
    const char *file, *custom, *estim, *more;
    const char *over[MOST_OVER];
} vega[] = {
    {"vega_modnas_pxl.yml", "nas.search_space.custom", "search", "", {"-r search", "estim.search.baseline=false", "estim.search.recalibration=false"}},
    {"vega_modnas_darts.yml", "nas.search_space.custom", "search", "", {"-r search", "estim.search.baseline=false", "estim.search.recalibration=false"}},
    {"vega_modnas_mbv2.yml", "fully_train.model.model_desc.custom", "train", "estim: {train: {type: DefaultEstim, epochs: 1}}\n", {NULL}},
    {"vega_modnas_ps.yml", "nas.search_space.custom", "search", "", {"-r search", "estim.search.baseline=false", "estim.search.epochs=1",
     "estim.search.args.num_bn_batch=1"}},
};

START_TEST(published) {
    mn_str text = {.ctx = rig.ctx};
    mn_node *docs = read_file(vega[_i].file);
    if (!docs) {
        printf("skipped: no %s\n", vega[_i].file);
        return;
    }
    const mn_node *root = docs->items[0], *optim = mn_node_path(root, "nas.search_algorithm.optim");
    add_keys(&text, rig_at(root, vega[_i].custom));
    add_keys(&text, mn_node_path(root, "nas.trainer.modnas"));
    if (optim) mn_str_add(&text, "optim: ");
    if (optim) mn_node_json(&text, optim);
    mn_str_addf(&text, "\n%s%s", vega_training, vega[_i].more);
    ck_assert(!text.failed);
    mn_node_free(rig.ctx, docs);
    runs(text.text, vega[_i].file, vega[_i].over);
    has_found(vega[_i].estim);
    mn_str_free(&text);
}
END_TEST

/* ---- the table of components ----------------------------------------------------------------------------- */

/* Components of the original by kind: each is registered, or docs/compat.md says why not. */
static const struct {
    const char *kind, *names;
} components[] = {
    {"model", "ImageNet_MobileNetV2 CIFAR_MobileNetV2 ImageNet_MobileNetV2_GPU CIFAR_MobileNetV2_GPU MobileNetV2 mobilenetv3_large mobilenetv3_small "
              "MobileNetV3 CIFAR-ResNet-18 ImageNet-ResNet-50 CIFAR-ResNeXt-50 ResNet PyramidNet shufflenetv2 shufflenetv2_oneshot cifar_shufflenetv2 "
              "cifar_shufflenetv2_oneshot DARTS ImageNet-DARTS"},
    {"candidate", "MB3E1 MB9E9 M3B3E1 SHU3 SHX5 IDT NIL AVG MAX AP3 MP3 NC3 SS3 SC3 DC3 DD3 FC1 DAGLayer MultiChainLayer Constructed"},
    {"layer_def", "ConcatMerger SumMerger AvgMerger LastMerger CombinationEnumerator LastNEnumerator FirstNEnumerator TreeEnumerator ReverseEnumerator "
                  "ReplicateAllocator EvenSplitAllocator"},
    {"mixed_op", "BinaryGateMixedOp BinaryGateUniformMixedOp SoftmaxSumMixedOp GumbelSumMixedOp IndexMixedOp"},
    {"construct", "DefaultMixedOpConstructor DefaultOpConstructor DefaultSlotArchDescConstructor DefaultRecursiveArchDescConstructor DefaultInitConstructor "
                  "TorchInitConstructor DefaultModelConstructor ExternalModelConstructor DefaultTraversalConstructor DefaultSlotTraversalConstructor "
                  "TorchToDevice TorchCheckpointLoader DropPathConstructor DropPathConverter DefaultModelInitializer DefaultHParamSpaceConstructor "
                  "MobileNetV2PredefinedConstructor MobileNetV2SearchConstructor MobileNetV2ArchDescConstructor MobileNetV3PredefinedConstructor "
                  "MobileNetV3SearchConstructor MobileNetV3ArchDescConstructor ShuffleNetV2PredefinedConstructor ShuffleNetV2SearchConstructor "
                  "ResNetPredefinedConstructor PyramidNetPredefinedConstructor DARTSSearchConstructor MobileNetV2ElasticConstructor "
                  "MobileNetV2ElasticSpatialConstructor MobileNetV2ElasticSequentialConstructor StacNASArchDescSearchConstructor "
                  "FakeDataSpaceConstructor NASBenchSpaceConstructor"},
    {"optim", "BinaryGateOptim DARTSOptim REINFORCEOptim DirectGradOptim DirectGradBiLevelOptim GumbelAnnealingOptim EvolutionOptim "
              "RegularizedEvolutionOptim RandomSearchOptim GridSearchOptim ModelBasedOptim SkoptOptim HyperoptOptim HITLOptim"},
    {"estim", "DefaultEstim SuperNetEstim SubNetEstim ProgressiveShrinkingEstim UnifiedEstim RegressionEstim HPTuneEstim PipelineEstim "
              "DistributedEstim RandomSamplingEstim FakeDataEstim NASBenchEstim"},
    {"export", "DefaultSlotTraversalExporter DefaultRecursiveExporter DefaultParamsExporter DefaultMixedOpExporter MergeExporter DefaultToFileExporter "
               "DefaultTorchCheckpointExporter MobileNetV2ElasticArchDescExporter"},
    {"callback", "OptimumReporter ETAReporter EstimResultsExporter TrainerReporter EstimReporter EarlyStopping ParetoReporter MetricsStatsReporter "
                 "MixedOpStatsReporter"},
    {"trainer", "ImageClsTrainer DefaultTrainer"},
    {"criterion", "CrossEntropyLoss CrossEntropyLabelSmoothingLoss CrossEntropySoftTargetLoss MixUpLoss AuxiliaryLoss KnowledgeDistillLoss AddMetricsLoss "
                  "MultMetricsLoss MultLogMetricsLoss"},
    {"metrics", "ValidateMetrics SumAggMetrics ProdAggMetrics MergeAggMetrics StatsLUTMetrics StatsRecordMetrics StatsModelMetrics OnnxExportMetrics "
                "LocalProfilerMetrics"},
    {"data", "ImageClsData RandData"},
    {"data_loader", "DefaultDataLoader ImageClsDataLoader"},
    {"data_provider", "DefaultDataProvider"},
};

START_TEST(every_component) {
    char path[PATH_MAX], names[2048];
    char *text = util_rig_read(util_path_beside(4, "/docs/compat.md", path, sizeof path), NULL);
    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(mn_register_builtins(rig.ctx), 0);
    for (size_t i = 0; i < MN_COUNT(components); i++) {
        snprintf(names, sizeof names, "%s", components[i].names);
        for (char *name = strtok(names, " "); name; name = strtok(NULL, " ")) {
            const int there = mn_registry_find(rig.ctx, components[i].kind, name) != NULL, said = strstr(text, name) != NULL;
            ck_assert_msg(there || said, "%s %s: neither here nor in docs/compat.md", components[i].kind, name);
        }
    }
    ck_assert_ptr_eq(mn_registry_find(rig.ctx, "estim", "SuperNetEstimator"), mn_registry_find(rig.ctx, "estim", "SuperNetEstim"));
    ck_assert_ptr_eq(mn_registry_find(rig.ctx, "mixed_op", "BinGate"), mn_registry_find(rig.ctx, "mixed_op", "BinaryGateMixedOp"));
    free(text);
}
END_TEST

int main(void) {
    char relative[512];
    Suite *suite = suite_create("compat");
    if (!realpath(util_shared_path("configs", relative, sizeof relative), configs)) configs[0] = 0;
    TCase *t = tcase_create("runs");
    tcase_set_timeout(t, 200 * UTIL_FEWER);
    tcase_add_checked_fixture(t, setup, rig_teardown);
    tcase_add_loop_test(t, an_example, 0, UTIL_FEWER > 1 ? SMALL_ONES : (int)MN_COUNT(examples));
    tcase_add_test(t, darts_augmented);
    if (UTIL_FEWER == 1) tcase_add_loop_test(t, published, 0, (int)MN_COUNT(vega)); /* what they do, others do on smaller networks */
    tcase_add_test(t, every_component);
    suite_add_tcase(suite, t);
    return util_run(suite);
}
