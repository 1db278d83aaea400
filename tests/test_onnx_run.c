/* A network that a run has trained, as an ONNX file that takes pixels as they are in the data's files: on the first 1,000
 * test images of CIFAR-10 ONNX Runtime must be right as often as the run was. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_onnx.h"
#include "util_rig.h"
#include "util_shared.h"

#define NET                                                                                                            \
    "seed: 4\nthreads: 1\n"                                                                                            \
    "model: {type: MobileNetV2, args: {input: [3, 32, 32], n_classes: 10, width_coeff: 0,"                             \
    " cfgs: [[0, 8, 1, 2], [1, 16, 1, 2], [3, 16, 1, 2]]}}\n"
#define DATA(file)                                                                                                     \
    "{type: ImageClsData, args: {dataset: cifar10, files: [" file "], mean: [0.5, 0.48, 0.45], stddev: [0.25, 0.24, 0.26]}}\n"
#define RUN                                                                                                            \
    "name: t\n" NET "train_data: " DATA("train.bin") "test_data: " DATA("test.bin")                                    \
    "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 40, val_batch_size: 100, valid_size: 100}}\n"       \
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.03, momentum: 0.9}}}}}\n"   \
    "estim: {search: {type: DefaultEstim, epochs: 4}}\n"

static const char script[] =
    "import numpy, onnxruntime\n"
    "r = numpy.fromfile('test.bin', 'uint8').reshape(-1, 3073)\n"
    "x = numpy.ascontiguousarray(r[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))\n"
    "options = onnxruntime.SessionOptions()\n"
    "options.intra_op_num_threads = options.inter_op_num_threads = 1\n"
    "s = onnxruntime.InferenceSession('net.onnx', options, providers=['CPUExecutionProvider'])\n"
    "y = numpy.concatenate([s.run(None, {'input': x[i:i + 37]})[0] for i in range(0, len(x), 37)])\n"
    "print(len(x), int((y.argmax(1) == r[:, 0]).sum()))\n";

static char train[PATH_MAX], test[PATH_MAX]; /* files of the shared data; empty: not there */

static void setup(void) {
    char path[512];
    if (!realpath(util_shared_path("cifar10/train_10k.bin", path, sizeof path), train)) train[0] = 0;
    if (!realpath(util_shared_path("cifar10/test_5k.bin", path, sizeof path), test)) test[0] = 0;
    rig_setup(); /* goes to a folder of its own */
}

/* The first n records of a file; 0 where there is none. */
static int take(const char *from, int n, const char *to) {
    const size_t bytes = (size_t)n * 3073;
    char *data = malloc(bytes);
    FILE *f = fopen(from, "rb");
    ck_assert_ptr_nonnull(data);
    if (f) {
        ck_assert_uint_eq(fread(data, 1, bytes, f), bytes);
        fclose(f);
        FILE *out = fopen(to, "wb");
        ck_assert(out && fwrite(data, 1, bytes, out) == bytes && fclose(out) == 0);
    }
    free(data);
    return f != NULL;
}

static void export_net(void) {
    static const double mean[] = {0.5, 0.48, 0.45}, stddev[] = {0.25, 0.24, 0.26};
    const modnas_onnx_opts o = {.size = sizeof o, .bytes = 1, .channels_last = 1, .mean = mean, .stddev = stddev};
    modnas_config *cfg;
    modnas_model *m;
    ck_assert_int_eq(modnas_config_new(rig.ctx, &cfg), 0);
    ck_assert_int_eq(modnas_config_add_text(cfg, NET, strlen(NET), "net.yaml"), 0);
    ck_assert_int_eq(modnas_config_set(cfg, "chkpt", "exp/t/chkpt/model_search_last.safetensors"), 0);
    ck_assert_msg(modnas_model_new(cfg, &m) == 0, "%s", modnas_errmsg(rig.ctx));
    ck_assert_msg(modnas_model_export_onnx(m, &o, "net.onnx") == 0, "%s", modnas_errmsg(rig.ctx));
    modnas_model_free(m);
    modnas_config_free(cfg);
}

START_TEST(accuracy) {
    util_onnx u;
    char line[600];
    int n = 0, right = 0;
    util_onnx_open(&u);
    if (!u.found || !take(train, 900, "train.bin") || !take(test, 1000, "test.bin")) {
        printf("accuracy: skipped, %s\n", u.found ? "there is no CIFAR-10 beside this checkout" : "there is no ONNX Runtime");
        return;
    }
    RIG_RUNS(RUN, NULL);
    export_net();
    util_write_text("count.py", script);
    snprintf(line, sizeof line, "'%s' count.py", u.python);
    FILE *f = popen(line, "r");
    ck_assert(f && fscanf(f, "%d %d", &n, &right) == 2 && pclose(f) == 0);
    mn_node *tree = util_rig_parse(&rig, rig.results);
    ck_assert_int_eq(n, 1000);
    ck_assert_int_eq((int)rig_at(tree, "test.n")->i, n);
    ck_assert_double_eq_tol(rig_at(tree, "test.acc_top1")->r * n, right, 1e-6);
    ck_assert_int_gt(right, 150); /* better than the 100 of chance: it has learnt something */
    mn_node_free(rig.ctx, tree);
}
END_TEST

int main(void) {
    Suite *s = suite_create("onnx_run");
    util_add(s, "a run", setup, rig_teardown, (const TTest *[]){accuracy, NULL});
    return util_run(s);
}
