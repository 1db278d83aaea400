/* Weights with names as torchvision gives them: by hand for a small network, and of the real package's networks. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "modnas/model.h"
#include "module/safetensors.h"
#include "util_model.h"
#include "util_paths.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

#define SMALL                                                                                                          \
    "backend: ref\nmodel: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [1, 8, 1, 1], [6, 16, 2, 2]], n_classes: 3," \
    " input: [3, 8, 8], width_coeff: 0}}\n"
#define FILE_NAME "theirs.safetensors"

static char folder[64];

static void setup(void) {
    model_setup();
    util_folder_new(folder);
}

static void teardown(void) {
    util_folder_free(folder);
    model_teardown();
}

/* ---- a file by hand -------------------------------------------------------------------------------------- */

/* Modules in the order of the network, as torchvision 0.27 prints a MobileNetV2 with these blocks. */
#define BLOCK(i, ours)                                                                                                 \
    {"bottlenecks.Bottlenecks_" ours ".conv.ent.0", "features." i ".conv.0.0"},                                        \
        {"bottlenecks.Bottlenecks_" ours ".conv.ent.1", "features." i ".conv.0.1"},                                    \
        {"bottlenecks.Bottlenecks_" ours ".conv.ent.3", "features." i ".conv.1.0"},                                    \
        {"bottlenecks.Bottlenecks_" ours ".conv.ent.4", "features." i ".conv.1.1"},                                    \
        {"bottlenecks.Bottlenecks_" ours ".conv.ent.6", "features." i ".conv.2"}, {                                    \
        "bottlenecks.Bottlenecks_" ours ".conv.ent.7", "features." i ".conv.3"                                         \
    }
static const char *const modules[][2] = {
    {"conv_first.0", "features.0.0"},
    {"conv_first.1", "features.0.1"},
    {"bottlenecks.Bottlenecks_0.MobileInvertedResidualBlock_0_0.conv.ent.0", "features.1.conv.0.0"},
    {"bottlenecks.Bottlenecks_0.MobileInvertedResidualBlock_0_0.conv.ent.1", "features.1.conv.0.1"},
    {"bottlenecks.Bottlenecks_0.MobileInvertedResidualBlock_0_0.conv.ent.3", "features.1.conv.1"},
    {"bottlenecks.Bottlenecks_0.MobileInvertedResidualBlock_0_0.conv.ent.4", "features.1.conv.2"},
    BLOCK("2", "1.MobileInvertedResidualBlock_1_0"),
    BLOCK("3", "1.MobileInvertedResidualBlock_1_1"),
    {"conv_last.0", "features.4.0"},
    {"conv_last.1", "features.4.1"},
    {"fc", "classifier.1"},
};

/* The same of a MobileNetV3: a block without expansion and with squeeze and excitation, one with both. */
#define SMALL3                                                                                                         \
    "backend: ref\nmodel: {type: MobileNetV3, args: {cfgs: [[3, 0, 8, 0, 1, 1], [3, 8, 8, 1, 0, 1], [3, 16, 16, 1, 1, " \
    "2]], mode: large, n_classes: 3, input: [3, 8, 8]}}\n"
static const char *const modules3[][2] = {
    {"features.0.0", "features.0.0"},
    {"features.0.1", "features.0.1"},
    {"features.1.conv.ent.0", "features.1.block.0.0"},
    {"features.1.conv.ent.1", "features.1.block.0.1"},
    {"features.1.conv.ent.3.net.1", "features.1.block.1.fc1"},
    {"features.1.conv.ent.3.net.3", "features.1.block.1.fc2"},
    {"features.1.conv.ent.4", "features.1.block.2.0"},
    {"features.1.conv.ent.5", "features.1.block.2.1"},
    {"features.2.conv.ent.0", "features.2.block.0.0"},
    {"features.2.conv.ent.1", "features.2.block.0.1"},
    {"features.2.conv.ent.3", "features.2.block.1.0"},
    {"features.2.conv.ent.4", "features.2.block.1.1"},
    {"features.2.conv.ent.6.net.1", "features.2.block.2.fc1"},
    {"features.2.conv.ent.6.net.3", "features.2.block.2.fc2"},
    {"features.2.conv.ent.7", "features.2.block.3.0"},
    {"features.2.conv.ent.8", "features.2.block.3.1"},
    {"conv.0", "features.3.0"},
    {"conv.1", "features.3.1"},
    {"classifier.0", "classifier.0"},
    {"classifier.3", "classifier.3"},
};

typedef const char *const names_of[2];

typedef struct edit { /* of what is written */
    const char *drop, *rename, *to; /* names as they are in the file */
} edit;

/* "theirs.weight" of "ours.weight". */
static void translate(names_of *names, size_t n_names, const char *name, char out[128]) {
    for (size_t i = 0; i < n_names; i++) {
        const size_t n = strlen(names[i][0]);
        if (strncmp(name, names[i][0], n) != 0 || name[n] != '.' || strchr(name + n + 1, '.')) continue;
        snprintf(out, 128, "%s%s", names[i][1], name + n);
        return;
    }
    ck_abort_msg("no name for %s", name);
}

static void add_entry(mn_str *header, const char *name, const char *dtype, const int64_t *dims, int32_t rank, size_t *at,
                      size_t bytes) {
    mn_str_addf(header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", header->n > 1 ? "," : "", name, dtype);
    for (int32_t k = 0; k < rank; k++) mn_str_addf(header, "%s%lld", k ? "," : "", (long long)dims[k]);
    mn_str_addf(header, "],\"data_offsets\":[%zu,%zu]}", *at, *at + bytes);
    *at += bytes;
}

/* All tensors of m under their names, a counter as PyTorch has them behind each batch norm. */
static void write_as(const mn_model *m, names_of *names, size_t n_names, const edit *e) {
    mn_str header = {.ctx = model_ctx}, data = {.ctx = model_ctx};
    size_t at = 0;
    mn_str_add(&header, "{");
    for (size_t i = 0; i < mn_model_n_tensors(m); i++) {
        const mn_param *p = mn_model_tensor(m, i);
        const size_t n = (size_t)mn_param_numel(p);
        float *x = calloc(n, sizeof *x);
        int64_t dims[4];
        char name[128];
        int32_t rank = p->rank;
        translate(names, n_names, p->name, name);
        if (e->drop && strcmp(name, e->drop) == 0) {
            free(x);
            continue;
        }
        if (e->rename && strcmp(name, e->rename) == 0) snprintf(name, sizeof name, "%s", e->to);
        mn_param_shape(p, dims);
        OK(mn_param_get_f32(p, x));
        mn_str_addn(&data, (const char *)x, n * sizeof *x);
        if (strncmp(name, "classifier.", 11) == 0 && rank == 4) rank = 2; /* a linear layer there */
        add_entry(&header, name, "F32", dims, rank, &at, n * sizeof *x);
        free(x);
        if (!strstr(name, "running_var")) continue;
        strcpy(strstr(name, "running_var"), "num_batches_tracked");
        mn_str_addn(&data, "\7\0\0\0\0\0\0", 8);
        add_entry(&header, name, "I64", NULL, 0, &at, 8);
    }
    mn_str_add(&header, "}");
    const uint64_t length = header.n;
    const mn_bytes parts[] = {{&length, 8}, {header.text, header.n}, {data.text, data.n}};
    OK(mn_file_write_parts(model_ctx, FILE_NAME, parts, 3));
    mn_str_free(&header);
    mn_str_free(&data);
}

static void write_theirs(const mn_model *m, const edit *e) {
    write_as(m, modules, MN_COUNT(modules), e);
}

static void same(const mn_model *a, const mn_model *b) {
    for (size_t i = 0; i < mn_model_n_tensors(a); i++) {
        const mn_param *p = mn_model_tensor(a, i), *q = mn_model_tensor(b, i);
        const size_t n = (size_t)mn_param_numel(p);
        double *x = calloc(n, sizeof *x), *y = calloc(n, sizeof *y);
        OK(mn_param_get(p, x));
        OK(mn_param_get(q, y));
        ck_assert_msg(memcmp(x, y, n * sizeof *x) == 0, "%s", p->name);
        free(x);
        free(y);
    }
}

START_TEST(small) {
    mn_model *a = model_of(SMALL "seed: 1\n", MODNAS_F32), *b = model_of(SMALL "seed: 2\n", MODNAS_F32);
    write_theirs(a, &(edit){NULL, NULL, NULL});
    OK(mn_model_load(b, FILE_NAME, 0));
    same(a, b);
    mn_model_free(b);
    b = model_of(SMALL "seed: 2\nchkpt: " FILE_NAME "\n", MODNAS_F32);
    same(a, b);
    mn_model_free(a);
    mn_model_free(b);
}
END_TEST

/* Some names are the same on both sides. */
START_TEST(small_v3) {
    mn_model *a = model_of(SMALL3 "seed: 1\n", MODNAS_F32), *b = model_of(SMALL3 "seed: 2\n", MODNAS_F32);
    write_as(a, modules3, MN_COUNT(modules3), &(edit){NULL, NULL, NULL});
    OK(mn_model_load(b, FILE_NAME, 0));
    same(a, b);
    mn_model_free(b);
    b = model_of(SMALL3 "seed: 2\n", MODNAS_F32);
    OK(mn_model_save(a, "ours.safetensors", NULL));
    OK(mn_model_load(b, "ours.safetensors", 0));
    same(a, b);
    write_as(a, modules3, MN_COUNT(modules3), &(edit){"classifier.3.bias", "features.1.block.1.fc1.weight", "fc1"});
    ck_assert_int_eq(mn_model_load(b, FILE_NAME, 0), MODNAS_EFORMAT);
    ck_assert_msg(strstr(modnas_errmsg(model_ctx), "of the model: features.1.conv.ent.3.net.1.weight, classifier.3.bias; of "
                         "the file: fc1") != NULL, "%s", modnas_errmsg(model_ctx));
    mn_model_free(a);
    mn_model_free(b);
}
END_TEST

START_TEST(refused) {
    static const struct {
        edit edit;
        int status;
        const char *text[2];
    } rows[] = {
        {{"classifier.1.bias", "features.3.conv.2.weight", "features.3.conv.7.weight"},
         MODNAS_EFORMAT,
         {"no partner have of the model: bottlenecks.Bottlenecks_1.MobileInvertedResidualBlock_1_1.conv.ent.6.weight, "
          "fc.bias;",
          "of the file: features.3.conv.7.weight"}},
        {{NULL, "features.0.0.weight", "features.9.0.weight"},
         MODNAS_EFORMAT,
         {"of the model: conv_first.0.weight;", "of the file: features.9.0.weight"}},
        {{"features.4.1.bias", NULL, NULL}, MODNAS_EFORMAT, {"of the model: conv_last.1.bias;", "of the file: none"}},
    };
    mn_model *a = model_of(SMALL "seed: 1\n", MODNAS_F32), *b = model_of(SMALL "seed: 2\n", MODNAS_F32),
             *as_it_was = model_of(SMALL "seed: 2\n", MODNAS_F32);
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        write_theirs(a, &rows[i].edit);
        ck_assert_int_eq(mn_model_load(b, FILE_NAME, 0), rows[i].status);
        for (int k = 0; k < 2; k++)
            ck_assert_msg(strstr(modnas_errmsg(model_ctx), rows[i].text[k]) != NULL, "%s", modnas_errmsg(model_ctx));
        same(b, as_it_was);
    }
    OK(mn_model_load(b, FILE_NAME, 1));
    mn_model_free(b);
    write_theirs(a, &(edit){NULL, NULL, NULL});
    b = model_of("backend: ref\nmodel: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [1, 8, 1, 1], [6, 16, 2, 2]], "
                 "n_classes: 5, input: [3, 8, 8], width_coeff: 0}}\n", MODNAS_F32);
    ck_assert_int_eq(mn_model_load(b, FILE_NAME, 0), MODNAS_ESHAPE);
    ck_assert_msg(strstr(modnas_errmsg(model_ctx), "classifier.1.weight is 3x1280, the model wants 5x1280") != NULL, "%s",
                  modnas_errmsg(model_ctx));
    mn_model_free(a);
    mn_model_free(b);
    mn_model_free(as_it_was);
}
END_TEST

/* A counter is no weight. */
START_TEST(integers) {
    static const char header[] = "{\"fc.bias\":{\"dtype\":\"I64\",\"shape\":[3],\"data_offsets\":[0,24]}}";
    const uint64_t length = sizeof header - 1;
    const char data[24] = {0};
    const mn_bytes parts[] = {{&length, 8}, {header, length}, {data, 24}};
    OK(mn_file_write_parts(model_ctx, FILE_NAME, parts, 3));
    mn_model *m = model_of(SMALL, MODNAS_F32);
    ck_assert_int_eq(mn_model_load(m, FILE_NAME, 1), MODNAS_EFORMAT);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(model_ctx), "tensor fc.bias is I64, wanted F32 or F64"));
    mn_model_free(m);
}
END_TEST

/* ---- the packages themselves ----------------------------------------------------------------------------- */

typedef struct env {
    const char *variable; /* names a Python that has the packages; else it is in build/FOLDER, where MADE_BY puts it */
    const char *folder, *made_by, *imports;
} env;

static const env reader = {"MODNAS_SAFETENSORS", "deps/safetensors", "tools/safetensors.sh",
                           "safetensors, numpy"},
                 torch = {"MODNAS_TORCHVISION", "bench-venv", "bench/deps.sh", "torch, torchvision, safetensors"};

/* 0, after a line: there is none. */
static int find_python(const env *e, char out[512]) {
    char line[1100];
    util_path_python(e->variable, e->folder, out, 512);
    snprintf(line, sizeof line, "'%s' -c 'import %s' 2>/dev/null", out, e->imports);
    if (system(line) == 0) return 1;
    printf("foreign: skipped, '%s' has no %s: %s installs them\n", out, e->imports, e->made_by);
    return 0;
}

static void run_python(const char *python, const char *script) {
    char line[1100];
    util_write_text("script.py", script);
    snprintf(line, sizeof line, "'%s' script.py", python);
    ck_assert_int_eq(system(line), 0);
}

/* Every number of our file, read by the package, against what the model has: it writes them as plain text. */
START_TEST(read_by_the_package) {
    static const char script[] =
        "from safetensors import safe_open\n"
        "with safe_open('ours.safetensors', 'np') as f, open('out.txt', 'w') as out:\n"
        "    assert f.metadata()['format'] == 'modnas', f.metadata()\n"
        "    for name in f.keys():\n"
        "        t = f.get_tensor(name)\n"
        "        assert t.dtype == 'float32', t.dtype\n"
        "        print(name, 'x'.join(map(str, t.shape)), *(float(x).hex() for x in t.ravel()), file=out)\n";
    char python[512], name[160], shape[64];
    size_t n_tensors = 0;
    if (!find_python(&reader, python)) return;
    mn_model *m = model_of(SMALL, MODNAS_F32);
    OK(mn_model_save(m, "ours.safetensors", (const char *const[]){"format", "modnas", NULL}));
    run_python(python, script);
    FILE *f = fopen("out.txt", "r");
    ck_assert_ptr_nonnull(f);
    for (; fscanf(f, "%159s %63s", name, shape) == 2; n_tensors++) {
        const mn_param *p = model_param(m, name);
        const size_t n = (size_t)mn_param_numel(p);
        float *x = calloc(n, sizeof *x), y;
        char want[64] = "";
        int64_t dims[4];
        mn_param_shape(p, dims);
        for (int32_t k = 0; k < p->rank; k++) sprintf(want + strlen(want), "%s%lld", k ? "x" : "", (long long)dims[k]);
        ck_assert_str_eq(shape, want);
        OK(mn_param_get_f32(p, x));
        for (size_t i = 0; i < n; i++) ck_assert(fscanf(f, "%a", &y) == 1 && y == x[i]);
        free(x);
    }
    fclose(f);
    ck_assert_uint_eq(n_tensors, mn_model_n_tensors(m));
    mn_model_free(m);
}
END_TEST

typedef struct foreign {
    const char *theirs; /* torchvision.models.<theirs>(weights=None) */
    const char *config; /* ours, but for the file */
} foreign;

#define EPS                                                                                                            \
    "construct: {weights: {type: DefaultModelInitializer, args: {init_config: {norm: {type: ones, eps: 0.001}}}}}\n"
static const foreign foreigns[] = {
    {"mobilenet_v2", "model: {type: ImageNet_MobileNetV2, args: {input: [3, 64, 64]}}\n"},
    {"resnet18", "model: {type: ImageNet-ResNet-18, args: {input: [3, 64, 64]}}\n"
                 "construct: {own: {type: ResNetPredefinedConstructor, args: {use_bn: true}}}\n"},
    {"resnet50", "model: {type: ImageNet-ResNet-50, args: {use_bn: true, input: [3, 64, 64]}}\n"},
    {"resnext50_32x4d", "model: {type: ImageNet-ResNeXt-50, args: {use_bn: true, input: [3, 64, 64]}}\n"},
    {"mobilenet_v3_large", "model: {type: mobilenetv3_large, args: {input: [3, 64, 64]}}\n" EPS},
    {"mobilenet_v3_small", "model: {type: mobilenetv3_small, args: {input: [3, 64, 64], last_se: false}}\n" EPS},
};

/* Its weights and statistics into theirs.safetensors, 2 images and its logits into io.safetensors. */
static void run_theirs(const char *python, const char *name) {
    static const char script[] =
        "import torch, torchvision\n"
        "from safetensors.torch import save_file\n"
        "torch.manual_seed(1)\n"
        "net = torchvision.models.%s(weights=None)\n"
        "for m in net.modules():\n"
        "    if isinstance(m, torch.nn.BatchNorm2d):\n"
        "        m.weight.data.uniform_(0.5, 1.5), m.bias.data.uniform_(-0.5, 0.5)\n"
        "        m.running_mean.uniform_(-0.5, 0.5), m.running_var.uniform_(0.5, 1.5)\n"
        "net.train()(torch.randn(8, 3, 64, 64))\n"
        "net.eval()\n"
        "x = torch.randn(2, 3, 64, 64)\n"
        "last = [m for m in net.modules() if isinstance(m, torch.nn.Linear)][-1]\n"
        "last.weight.data /= net(x).detach().abs().max().clamp(min=1)\n" /* logits of up to about 1 */
        "save_file(net.state_dict(), 'theirs.safetensors')\n"
        "save_file({'x': x, 'logits': net(x).detach()}, 'io.safetensors')\n";
    char text[sizeof script + 64];
    snprintf(text, sizeof text, script, name);
    run_python(python, text);
}

/* What m makes of x, against the logits. */
static void compare_logits(mn_model *m, const char *name) {
    mn_safetensors *io;
    OK(mn_safetensors_read(model_ctx, "io.safetensors", &io));
    const mn_tensor_info *x = mn_safetensors_find(io, "x"), *want = mn_safetensors_find(io, "logits");
    float *images = calloc(x->count, sizeof *images), *have = calloc(want->count, sizeof *have);
    float *logits = calloc(want->count, sizeof *logits);
    memcpy(images, x->data, x->count * sizeof *images);
    memcpy(logits, want->data, want->count * sizeof *logits);
    OK(modnas_model_forward(m, images, 2, have));
    double most = 0, largest = 0;
    for (size_t i = 0; i < want->count; i++) {
        most = fmax(most, fabs((double)have[i] - (double)logits[i]));
        largest = fmax(largest, fabs((double)logits[i]));
    }
    printf("torchvision %s: largest difference %.2g of logits up to %.3g\n", name, most, largest);
    ck_assert_double_lt(most, 1e-4);
    ck_assert_double_gt(largest, 0.01);
    free(images);
    free(have);
    free(logits);
    mn_safetensors_free(io);
}

/* Networks with weights and statistics made up there, evaluated on 2 images of 64 x 64: the same logits. */
START_TEST(torchvision) {
    char python[512];
    mn_str config = {.ctx = model_ctx};
    if (!find_python(&torch, python)) return;
    run_theirs(python, foreigns[_i].theirs);
    mn_str_addf(&config, "backend: ref\n%schkpt: theirs.safetensors\n", foreigns[_i].config);
    mn_model *m = model_of(config.text, MODNAS_F32);
    compare_logits(m, foreigns[_i].theirs);
    mn_model_free(m);
    mn_str_free(&config);
}
END_TEST

int main(void) {
    Suite *s = suite_create("foreign");
    util_add(s, "names", setup, teardown, (const TTest *[]){small, small_v3, refused, integers, NULL});
    util_add(s, "packages", setup, teardown, (const TTest *[]){read_by_the_package, NULL});
    util_add_loop(s, "torchvision", setup, teardown, torchvision, MN_COUNT(foreigns));
    return util_run(s);
}
