/* MobileNetV2 (Sandler et al. 2018): a stem, stages of inverted residual blocks, a wide 1x1 convolution, pooling, a
 * classifier.
 *
 *   conv_first -> bottlenecks.Bottlenecks_<i>.MobileInvertedResidualBlock_<i>_<j>.conv -> conv_last -> avgpool ->
 * dropout -> fc
 *
 * Each block holds one Slot ("conv") and adds its input where shapes agree. A row of the table is one stage: expansion
 * t, channels c, blocks n, stride s of its first block; row 0 is the stem. The CIFAR forms keep more pixels: stem and
 * sixth stage have stride 1. Tables are constants; a variant or a width works on its own copy. */
#include <math.h>
#include <string.h>

#include "models/models.h"
#include "space/candidates.h"

enum { MAX_ROWS = 64, MAX_BLOCKS = 1024 /* of all rows */ };

typedef struct stage {
    int32_t t, c, n, s;
} stage;

typedef struct variant {
    const stage *rows;
    int32_t n_rows, cifar, input; /* input: height and width */
} variant;

static const stage original[] = {{0, 32, 1, 2}, {1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2},
                                 {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
static const stage gpu[] = {{0, 32, 1, 2}, {1, 16, 1, 1}, {6, 24, 4, 2},  {6, 40, 4, 2},
                            {6, 80, 4, 2}, {6, 96, 4, 1}, {6, 192, 4, 2}, {6, 320, 1, 1}};

static const variant generic = {NULL, 0, 0, 224}, imagenet = {original, MN_COUNT(original), 0, 224},
                     cifar = {original, MN_COUNT(original), 1, 32}, imagenet_gpu = {gpu, MN_COUNT(gpu), 0, 224},
                     cifar_gpu = {gpu, MN_COUNT(gpu), 1, 32};

/* The block's own operator, as the Slot describes it; also for the first block of a search space that keeps it. */
static int predefined(mn_model *model, const mn_slot *slot, mn_module **out) {
    return mn_mbconv_new(model, slot->chn_in, slot->chn_out, slot->stride, mn_kwarg_of(slot, "expansion", 6),
                         mn_kwarg_of(slot, "kernel_size", 3), mn_kwarg_of(slot, "activation", MODNAS_ACT_RELU6), out);
}

/* ---- backbone ------------------------------------------------------------------------------------------ */

typedef struct plan {
    stage rows[MAX_ROWS];
    int32_t n_rows, chn_in, chn_last, n_classes, act, kernel;
    double dropout;
} plan;

static int add_stage(mn_module *to, int32_t i, const plan *p) {
    const stage *st = &p->rows[i + 1];
    const int32_t chn_in = p->rows[i].c;
    const mn_kwarg kwargs[] = {{"expansion", st->t}, {"activation", p->act}, {"kernel_size", p->kernel}};
    const size_t n_kwargs = MN_COUNT(kwargs) - (p->kernel == 3); /* the usual window goes without saying */
    mn_str name = {.ctx = to->model->ctx};
    mn_module *m;
    mn_str_addf(&name, "Bottlenecks_%d", i);
    int rc = name.failed ? MODNAS_ENOMEM : mn_sequential_new(to->model, &m);
    rc = rc ? rc : mn_module_add(to, name.text, m);
    for (int32_t j = 0; j < st->n && !rc; j++) {
        name.n = 0;
        mn_str_addf(&name, "MobileInvertedResidualBlock_%d_%d", i, j);
        rc = name.failed ? MODNAS_ENOMEM
                         : mn_add_inverted_residual(m, name.text, j ? st->c : chn_in, st->c, j ? 1 : st->s, kwargs,
                                                    n_kwargs);
    }
    mn_str_free(&name);
    return rc;
}

static int add_bottlenecks(mn_module *root, const plan *p) {
    mn_module *m;
    MN_TRY(mn_sequential_new(root->model, &m));
    MN_TRY(mn_module_add(root, "bottlenecks", m));
    for (int32_t i = 1; i < p->n_rows; i++) MN_TRY(add_stage(m, i - 1, p));
    return 0;
}

static int add_layers(mn_module *root, const void *made) {
    const plan *p = made;
    mn_model *model = root->model;
    mn_module *m = NULL;
    int rc = mn_conv_bn_act_new(model, p->chn_in, p->rows[0].c, 3, p->rows[0].s, 1, p->act, &m);
    MN_TRY(mn_add_made(root, "conv_first", rc, m));
    MN_TRY(add_bottlenecks(root, p));
    rc = mn_conv_bn_act_new(model, p->rows[p->n_rows - 1].c, p->chn_last, 1, 1, 1, p->act, &m);
    MN_TRY(mn_add_made(root, "conv_last", rc, m));
    rc = mn_global_pool_new(model, &m);
    MN_TRY(mn_add_made(root, "avgpool", rc, m));
    rc = mn_dropout_new(model, p->dropout, &m);
    MN_TRY(mn_add_made(root, "dropout", rc, m));
    rc = mn_linear_new(model, p->chn_last, p->n_classes, 1, &m);
    return mn_add_made(root, "fc", rc, m);
}

/* ---- arguments ----------------------------------------------------------------------------------------- */

/* Width 0 leaves c alone. */
static int32_t round_filters(int32_t c, double width) {
    return width == 0 ? c : mn_make_divisible(c * width);
}

static int read_row(const mn_args *a, const mn_node *row, size_t i, stage *st) {
    const int32_t least[] = {i > 0, 1, 1, 1}; /* the stem has no expansion */
    int32_t to[4];
    MN_TRY(mn_row_read(a, i, row, "[t, c, n, s]", least, MN_COUNT(to), to));
    *st = (stage){to[0], to[1], to[2], to[3]};
    return 0;
}

static int read_rows(const mn_args *a, const variant *v, plan *p) {
    const mn_node *given = mn_args_node(a, "cfgs");
    const size_t n = given ? given->n : (size_t)v->n_rows;
    if (n < 2 || n > MAX_ROWS)
        return mn_args_fail(a, "cfgs", "%zu rows; a stem and 1 to %d stages are wanted", n, MAX_ROWS - 1);
    p->n_rows = (int32_t)n;
    for (size_t i = 0; i < n; i++) {
        if (given)
            MN_TRY(read_row(a, given->items[i], i, &p->rows[i]));
        else
            p->rows[i] = v->rows[i];
    }
    if (!v->cifar) return 0;
    if (n < 7) return mn_args_fail(a, "cfgs", "%zu rows; a CIFAR form changes the stride of row 6", n);
    p->rows[0].s = p->rows[6].s = 1;
    return 0;
}

static int scale_rows(const mn_args *a, plan *p) {
    const double width = mn_args_real(a, "width_coeff"), depth = mn_args_real(a, "depth_coeff");
    if (!(width >= 0 && width <= 64)) return mn_args_fail(a, "width_coeff", "%g is not between 0 and 64", width);
    if (!(depth >= 0 && depth <= 64)) return mn_args_fail(a, "depth_coeff", "%g is not between 0 and 64", depth);
    int64_t n_blocks = 0;
    for (int32_t i = 0; i < p->n_rows; i++) {
        p->rows[i].c = round_filters(p->rows[i].c, width);
        if (depth > 0) p->rows[i].n = (int32_t)ceil(p->rows[i].n * depth);
        n_blocks += p->rows[i].n;
    }
    if (n_blocks > MAX_BLOCKS)
        return mn_args_fail(a, "cfgs", "%lld blocks, at most %d", (long long)n_blocks, MAX_BLOCKS);
    p->chn_last = round_filters(1280, width);
    return 0;
}

static int read_plan(const mn_args *a, const variant *v, mn_model *model, plan *p) {
    static const struct {
        const char *name;
        int32_t act;
    } acts[] = {{"ReLU6", MODNAS_ACT_RELU6},
                {"ReLU", MODNAS_ACT_RELU},
                {"Hardswish", MODNAS_ACT_HARD_SWISH},
                {"SiLU", MODNAS_ACT_SWISH}};
    MN_TRY(read_rows(a, v, p));
    MN_TRY(scale_rows(a, p));
    MN_TRY(mn_model_read_images(a, v->input, model));
    p->n_classes = model->n_classes;
    p->chn_in = model->input[0];
    const int64_t kernel = mn_args_int(a, "kernel_size");
    if (kernel < 1 || kernel > 31 || kernel % 2 == 0)
        return mn_args_fail(a, "kernel_size", "%lld is not one of 1, 3, 5, ... 31", (long long)kernel);
    p->kernel = (int32_t)kernel;
    p->dropout = mn_args_real(a, "dropout_rate");
    if (!(p->dropout >= 0 && p->dropout < 1)) return mn_args_fail(a, "dropout_rate", "%g is not in [0, 1)", p->dropout);
    for (size_t i = 0; i < MN_COUNT(acts); i++)
        if (strcmp(mn_args_str(a, "activation"), acts[i].name) == 0) p->act = acts[i].act;
    return 0;
}

static int build(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_model_env *)env)->model;
    plan p = {.act = MODNAS_ACT_RELU6};
    (void)out;
    MN_TRY(read_plan(args, c->data, model, &p));
    MN_TRY(mn_model_set_root(model, add_layers, &p));
    model->predefined = predefined;
    model->foreign_name = mn_torchvision_mobilenetv2;
    return 0;
}

#define COMMON_ARGS                                                                                                    \
    {"width_coeff", MN_ARG_REAL, "1.0", NULL, "channels are multiplied by this and rounded to 8"},                     \
        {"depth_coeff", MN_ARG_REAL, "1.0", NULL, "blocks a stage are multiplied by this, rounded up"},                \
        {"resolution", MN_ARG_ANY, "null", NULL, "accepted and not used"},                                             \
        {"dropout_rate", MN_ARG_REAL, "0.2", NULL, "before the classifier"},                                           \
        {"activation", MN_ARG_STR, "ReLU6", "ReLU6|ReLU|Hardswish|SiLU",                                               \
         "of stem, blocks and last convolution; candidates have ReLU6"},                                               \
        {"kernel_size", MN_ARG_INT, "3", NULL, "window of the blocks' own depthwise convolutions"},                    \
        MN_IMAGE_ARGS("1000"), {                                                                                       \
        NULL, 0, NULL, NULL, NULL                                                                                      \
    }

static const mn_arg_def generic_args[] = {
    {"cfgs", MN_ARG_LIST, NULL, NULL, "rows [expansion, channels, blocks, stride]; row 0 is the stem"}, COMMON_ARGS};
static const mn_arg_def args[] = {
    {"cfgs", MN_ARG_LIST, "null", NULL, "rows [expansion, channels, blocks, stride] instead of the model's own"},
    COMMON_ARGS};

static const mn_component rows[] = {
    {"model", "MobileNetV2", "MobileNetV2 of given stages, for 3x224x224 images", generic_args, build, &generic},
    {"model", "ImageNet_MobileNetV2", "MobileNetV2 for 3x224x224 images: 17 Slots", args, build, &imagenet},
    {"model", "CIFAR_MobileNetV2", "MobileNetV2 for 3x32x32 images: 17 Slots", args, build, &cifar},
    {"model", "ImageNet_MobileNetV2_GPU", "deeper MobileNetV2 for 3x224x224 images: 22 Slots", args, build,
     &imagenet_gpu},
    {"model", "CIFAR_MobileNetV2_GPU", "deeper MobileNetV2 for 3x32x32 images: 22 Slots", args, build, &cifar_gpu},
};

int mn_mobilenetv2_register(modnas_ctx *ctx) {
    return mn_registry_add_all(ctx, rows, MN_COUNT(rows));
}
