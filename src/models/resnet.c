/* ResNet (He et al. 2016) and ResNeXt (Xie et al. 2017): a stem, stages of residual blocks, pooling, a classifier.
 *
 *   conv1 -> layers.<stage>.<block> -> avgpool -> fc
 *
 *   basic        conv1 (Slot) -> bn1 -> relu -> conv2 (Slot) -> bn2 ------------------------------> + -> relu
 *   bottleneck   conv1 (1x1, bn) -> relu -> conv2 (Slot) -> bn2 -> relu -> conv3 (1x1, bn) -------> + -> relu
 *   shortcut     the block's source, or downsample (1x1 with the stride, bn) where shapes differ ---+
 *
 * Every 3x3 convolution is a Slot; the first of a block has the stride and the groups. Candidates carry their own batch
 * norm, hence bn1 and bn2 are identities unless the model's use_bn says otherwise. Stage i has 2^i chn channels, times
 * the expansion at the end of its bottlenecks, and stride 2 but for the first. */
#include <string.h>

#include "models/models.h"
#include "module/layer_types.h"

enum { MAX_STAGES = 12, MAX_BLOCKS = 1024, MAX_CHN = 65536 };

typedef struct variant {
    int32_t layers[4], n_stages; /* n_stages 0: args has the layers */
    int32_t bottleneck, imagenet;
    int32_t groups, width_per_group; /* what they are if they are not given; 0: not said */
} variant;

typedef struct plan {
    int32_t layers[MAX_STAGES], n_stages, bottleneck, imagenet;
    int32_t chn_in, chn, n_classes, use_bn, zero_init;
    int32_t groups, group_width, expansion;
} plan;

/* ---- block --------------------------------------------------------------------------------------------- */

typedef struct block_state {
    int32_t zero_init;
} block_state;

/* The steps by name, then the shortcut and the last ReLU. */
static int walk(mn_module *m, mn_run *run, const char *const *steps, mn_value *src, mn_value **dst) {
    mn_module *downsample = mn_module_child(m, "downsample");
    mn_value *v = src, *shortcut = src;
    for (; *steps; steps++) MN_TRY(mn_forward1(mn_module_child(m, *steps), run, v, &v));
    if (downsample) MN_TRY(mn_forward1(downsample, run, src, &shortcut));
    MN_TRY(mn_add(run, v, shortcut, &v));
    return mn_forward1(mn_module_child(m, "relu"), run, v, dst);
}

static int one_src(const mn_module *m, int32_t n_src) {
    if (n_src == 1) return 0;
    return mn_fail(m->model->ctx, MODNAS_EINVAL, "a %s takes 1 value, %d given", m->vt->type, (int)n_src);
}

static int basic_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    static const char *const steps[] = {"conv1", "bn1", "relu", "conv2", "bn2", NULL};
    MN_TRY(one_src(m, n_src));
    return walk(m, run, steps, src[0], dst);
}

static int bottleneck_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    static const char *const steps[] = {"conv1", "relu", "conv2", "bn2", "relu", "conv3", NULL};
    MN_TRY(one_src(m, n_src));
    return walk(m, run, steps, src[0], dst);
}

static const mn_module_vt basic_vt = {"basic_block", basic_forward, NULL},
                          bottleneck_vt = {"bottleneck_block", bottleneck_forward, NULL};

/* Batch norm if `bn`, else an identity in its place. */
static int new_norm(mn_model *model, int32_t chn, int bn, mn_module **out) {
    return bn ? mn_batch_norm_new(model, chn, 1, 0, 0, out) : mn_identity_new(model, out);
}

/* The weight of a batch norm begins with zeros: a block is its shortcut at first (Goyal et al. 2017, section 5.1). */
static void begin_with_zeros(mn_module *norm) {
    mn_param *p = mn_module_find_param(norm, "weight");
    if (p) p->init = MN_INIT_ZEROS;
}

static int add_norm(mn_module *block, const char *name, int32_t chn, int bn) {
    mn_module *m = NULL;
    const int rc = new_norm(block->model, chn, bn, &m);
    return mn_add_made(block, name, rc, m);
}

static int add_relu(mn_module *to) {
    mn_module *m = NULL;
    const int rc = mn_activation_new(to->model, MODNAS_ACT_RELU, &m);
    return mn_add_made(to, "relu", rc, m);
}

/* 1x1, batch norm. */
static int add_conv1x1(mn_module *to, const char *name, int32_t chn_in, int32_t chn_out, int32_t stride) {
    mn_module *m = NULL;
    const int rc = mn_conv_bn_act_new(to->model, chn_in, chn_out, 1, stride, 1, MODNAS_ACT_NONE, &m);
    return mn_add_made(to, name, rc, m);
}

static int fill_basic(mn_module *m, const plan *p, int32_t chn_in, int32_t chn, int32_t stride) {
    MN_TRY(mn_add_conv_slot(m, "conv1", chn_in, chn, stride, p->groups));
    MN_TRY(add_norm(m, "bn1", chn, p->use_bn));
    MN_TRY(add_relu(m));
    MN_TRY(mn_add_conv_slot(m, "conv2", chn, chn, 1, 1));
    MN_TRY(add_norm(m, "bn2", chn, p->use_bn));
    if (p->zero_init) begin_with_zeros(mn_module_child(m, "bn2"));
    return 0;
}

static int fill_bottleneck(mn_module *m, const plan *p, int32_t chn_in, int32_t chn, int32_t stride) {
    const int32_t width = chn / p->chn * p->group_width * p->groups;
    MN_TRY(add_conv1x1(m, "conv1", chn_in, width, 1));
    MN_TRY(mn_add_conv_slot(m, "conv2", width, width, stride, p->groups));
    MN_TRY(add_norm(m, "bn2", width, p->use_bn));
    MN_TRY(add_conv1x1(m, "conv3", width, chn * p->expansion, 1));
    if (p->zero_init) begin_with_zeros(mn_module_child(mn_module_child(m, "conv3"), "1"));
    return add_relu(m);
}

static int add_downsample(mn_module *block, int32_t chn_in, int32_t chn_out, int32_t stride) {
    mn_module *m;
    MN_TRY(mn_sequential_new(block->model, &m));
    MN_TRY(mn_module_add(block, "downsample", m));
    return add_conv1x1(m, "0", chn_in, chn_out, stride);
}

/* The last one of `stage`: chn channels within it. */
static int append_block(mn_module *stage, const plan *p, int32_t chn_in, int32_t chn, int32_t stride) {
    mn_module *m;
    MN_TRY(mn_module_new(stage->model, p->bottleneck ? &bottleneck_vt : &basic_vt, sizeof(block_state), &m));
    ((block_state *)m->state)->zero_init = p->zero_init;
    MN_TRY(mn_module_append(stage, m));
    MN_TRY((p->bottleneck ? fill_bottleneck : fill_basic)(m, p, chn_in, chn, stride));
    return stride == 1 && chn_in == chn * p->expansion ? 0 : add_downsample(m, chn_in, chn * p->expansion, stride);
}

/* ---- the backbone's own operator ----------------------------------------------------------------------- */

/* 3x3, batch norm if the model is told so: a basic block ends with it then. */
static int fill_own(mn_module *to, const mn_slot *slot) {
    mn_model *model = to->model;
    const mn_conv_desc d = {.chn_in = slot->chn_in, .chn_out = slot->chn_out, .kernel = {3, 3}, .stride = slot->stride,
                            .pad = {1, 1}, .groups = mn_kwarg_of(slot, "groups", 1)};
    mn_module *m, *block = slot->module->parent, *last = block ? mn_module_child(block, "bn2") : NULL;
    MN_TRY(mn_conv2d_new(model, &d, &m));
    MN_TRY(mn_module_append(to, m));
    MN_TRY(new_norm(model, slot->chn_out, model->own_bn, &m));
    if (block && block->vt == &basic_vt && ((block_state *)block->state)->zero_init &&
        mn_module_child(block, "conv2") == slot->module && mn_module_is_identity(last))
        begin_with_zeros(m);
    return mn_module_append(to, m);
}

static int predefined(mn_model *model, const mn_slot *slot, mn_module **out) {
    mn_module *m;
    MN_TRY(mn_sequential_new(model, &m));
    const int rc = fill_own(m, slot);
    if (rc)
        mn_module_free(m);
    else
        *out = m;
    return rc;
}

/* ---- backbone ------------------------------------------------------------------------------------------ */

static int add_stem(mn_module *root, const plan *p) {
    const mn_pool_opts halves = {.algo = MODNAS_POOL_MAX, .kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1, 1, 1}};
    const int big = p->imagenet;
    mn_module *m = NULL;
    int rc = mn_conv_bn_act_new(root->model, p->chn_in, p->chn, big ? 7 : 3, big ? 2 : 1, 1, MODNAS_ACT_RELU, &m);
    MN_TRY(mn_add_made(root, "conv1", rc, m));
    if (!big) return 0;
    mn_module *stem = m;
    MN_TRY(mn_pool2d_new(root->model, &halves, &m));
    return mn_module_append(stem, m);
}

static int add_stages(mn_module *root, const plan *p, int32_t *chn_out) {
    mn_module *all, *stage;
    int32_t chn_in = p->chn, chn = p->chn;
    MN_TRY(mn_sequential_new(root->model, &all));
    MN_TRY(mn_module_add(root, "layers", all));
    for (int32_t i = 0; i < p->n_stages; i++, chn *= 2) {
        MN_TRY(mn_sequential_new(root->model, &stage));
        MN_TRY(mn_module_append(all, stage));
        for (int32_t j = 0; j < p->layers[i]; j++) {
            MN_TRY(append_block(stage, p, chn_in, chn, i && !j ? 2 : 1));
            chn_in = chn * p->expansion;
        }
    }
    *chn_out = chn_in;
    return 0;
}

static int add_layers(mn_module *root, const void *made) {
    const plan *p = made;
    mn_module *m = NULL;
    int32_t chn;
    MN_TRY(add_stem(root, p));
    MN_TRY(add_stages(root, p, &chn));
    int rc = mn_global_pool_new(root->model, &m);
    MN_TRY(mn_add_made(root, "avgpool", rc, m));
    rc = mn_linear_new(root->model, chn, p->n_classes, 1, &m);
    return mn_add_made(root, "fc", rc, m);
}

/* ---- arguments ----------------------------------------------------------------------------------------- */

static int read_layers(const mn_args *a, const variant *v, plan *p) {
    const mn_node *given = v->n_stages ? NULL : mn_args_node(a, "layers");
    const size_t n = given ? given->n : (size_t)v->n_stages;
    int64_t n_blocks = 0;
    if (n < 1 || n > MAX_STAGES) return mn_args_fail(a, "layers", "%zu stages; 1 to %d are possible", n, (int)MAX_STAGES);
    for (size_t i = 0; i < n; i++) {
        const mn_node *x = given ? given->items[i] : NULL;
        if (x && (x->kind != MN_INT || x->i < 1 || x->i > MAX_BLOCKS))
            return mn_args_fail(a, "layers", "number %zu is no whole number from 1 to %d", i, (int)MAX_BLOCKS);
        p->layers[i] = x ? (int32_t)x->i : v->layers[i];
        n_blocks += p->layers[i];
    }
    p->n_stages = (int32_t)n;
    if (n_blocks <= MAX_BLOCKS) return 0;
    return mn_args_fail(a, "layers", "%lld blocks, at most %d", (long long)n_blocks, (int)MAX_BLOCKS);
}

/* From 1 on, or `otherwise` where it is not given. */
static int read_number(const mn_args *a, const char *name, int32_t otherwise, int32_t *out) {
    *out = otherwise;
    return mn_args_given(a, name) ? mn_args_count(a, name, 1, MAX_CHN, out) : 0;
}

static int read_widths(const mn_args *a, const variant *v, plan *p) {
    MN_TRY(read_number(a, "chn", v->imagenet ? 64 : 16, &p->chn));
    MN_TRY(read_number(a, "groups", v->groups ? v->groups : 1, &p->groups));
    MN_TRY(read_number(a, "expansion", p->bottleneck ? 4 : 1, &p->expansion));
    if (!p->bottleneck && p->expansion != 1)
        return mn_args_fail(a, "expansion", "%d, but a basic block ends with the channels that it has: 1", p->expansion);
    if (!p->bottleneck && p->chn % p->groups)
        return mn_args_fail(a, "groups", "%d channels cannot be split into %d groups", p->chn, p->groups);
    if (p->groups > p->chn && !v->width_per_group && !mn_args_given(a, "width_per_group"))
        return mn_args_fail(a, "groups", "%d of %d channels: width_per_group says how many each has", p->groups, p->chn);
    const int32_t share = p->groups > p->chn ? 1 : p->chn / p->groups;
    MN_TRY(read_number(a, "width_per_group", v->width_per_group ? v->width_per_group : share, &p->group_width));
    const double scale = (double)(1 << (p->n_stages - 1)), own = scale * p->chn * p->expansion,
                 inside = p->bottleneck ? scale * p->group_width * p->groups : 0;
    if (own > MAX_CHN || inside > MAX_CHN)
        return mn_args_fail(a, "chn", "%.0f channels in the last stage, at most %d", own > inside ? own : inside,
                            (int)MAX_CHN);
    return 0;
}

static int build(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_model_env *)env)->model;
    const variant *v = c->data;
    plan p = {.imagenet = v->imagenet, .use_bn = mn_args_bool(args, "use_bn")};
    (void)out;
    p.bottleneck = v->n_stages ? v->bottleneck : mn_args_bool(args, "bottleneck");
    p.zero_init = mn_args_bool(args, "zero_init_residual");
    MN_TRY(read_layers(args, v, &p));
    MN_TRY(read_widths(args, v, &p));
    MN_TRY(mn_model_read_images(args, v->imagenet ? 224 : 32, model));
    p.chn_in = model->input[0];
    p.n_classes = model->n_classes;
    MN_TRY(mn_model_set_root(model, add_layers, &p));
    model->predefined = predefined;
    model->foreign_name = mn_torchvision_resnet;
    return 0;
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

#define COMMON_ARGS(classes)                                                                                           \
    {"chn", MN_ARG_INT, "null", NULL, "channels of the first stage; default: 16 (CIFAR), 64 (ImageNet)"},              \
        {"use_bn", MN_ARG_BOOL, "false", NULL, "batch norm behind each Slot, beside what stands in it"},               \
        {"zero_init_residual", MN_ARG_BOOL, "false", NULL,                                                             \
         "the batch norm that ends a block begins with weight 0, where the block has one"},                            \
        {"groups", MN_ARG_INT, "null", NULL, "of a block's first Slot; default: 1, of ResNeXt 32"},                    \
        {"width_per_group", MN_ARG_INT, "null", NULL,                                                                  \
         "channels of a group in bottlenecks of the first stage; default: chn / groups, of ResNeXt 4 and 8"},          \
        {"expansion", MN_ARG_INT, "null", NULL, "a bottleneck ends with this many times its stage's channels: 4"},     \
        MN_IMAGE_ARGS(classes), {                                                                                      \
        NULL, 0, NULL, NULL, NULL                                                                                      \
    }
#define GENERIC_ARGS                                                                                                   \
    {"layers", MN_ARG_LIST, NULL, NULL, "blocks of each stage"}, {                                                     \
        "bottleneck", MN_ARG_BOOL, "false", NULL, "bottleneck blocks instead of basic ones"                            \
    }

static const mn_arg_def cifar_args[] = {COMMON_ARGS("10")}, imagenet_args[] = {COMMON_ARGS("1000")},
                        cifar_generic_args[] = {GENERIC_ARGS, COMMON_ARGS("10")},
                        imagenet_generic_args[] = {GENERIC_ARGS, COMMON_ARGS("1000")};

#define STAGES(...) .layers = {__VA_ARGS__}, .n_stages = sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t)
#define ROW(name, text, args, ...)                                                                                     \
    {                                                                                                                  \
        "model", name, text, args, build, &(const variant) {                                                           \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
/* A network for both kinds of images. */
#define BOTH(name, text, ...)                                                                                          \
    ROW("CIFAR-" name, text ", for 3x32x32 images", cifar_args, __VA_ARGS__),                                          \
        ROW("ImageNet-" name, text ", for 3x224x224 images", imagenet_args, __VA_ARGS__, .imagenet = 1)

static const mn_component rows[] = {
    BOTH("ResNet-10", "ResNet, basic blocks: 8 Slots", STAGES(1, 1, 1, 1)),
    BOTH("ResNet-18", "ResNet, basic blocks: 16 Slots", STAGES(2, 2, 2, 2)),
    BOTH("ResNet-32", "ResNet, basic blocks: 30 Slots", STAGES(5, 5, 5)),
    BOTH("ResNet-34", "ResNet, basic blocks: 32 Slots", STAGES(3, 4, 6, 3)),
    BOTH("ResNet-50", "ResNet, bottlenecks: 16 Slots", STAGES(3, 4, 6, 3), .bottleneck = 1),
    BOTH("ResNet-56", "ResNet, basic blocks: 54 Slots", STAGES(9, 9, 9)),
    BOTH("ResNet-101", "ResNet, bottlenecks: 33 Slots", STAGES(3, 4, 23, 3), .bottleneck = 1),
    BOTH("ResNet-110", "ResNet, basic blocks: 108 Slots", STAGES(18, 18, 18)),
    BOTH("ResNet-152", "ResNet, bottlenecks: 50 Slots", STAGES(3, 8, 36, 3), .bottleneck = 1),
    BOTH("ResNeXt-50", "ResNeXt 32x4d: 16 Slots", STAGES(3, 4, 6, 3), .bottleneck = 1, .groups = 32,
         .width_per_group = 4),
    BOTH("ResNeXt-101", "ResNeXt 32x8d: 33 Slots", STAGES(3, 4, 23, 3), .bottleneck = 1, .groups = 32,
         .width_per_group = 8),
    ROW("CIFAR-ResNet", "ResNet of given stages, for 3x32x32 images", cifar_generic_args, .n_stages = 0),
    ROW("ImageNet-ResNet", "ResNet of given stages, for 3x224x224 images", imagenet_generic_args, .imagenet = 1),
};

int mn_resnet_register(modnas_ctx *ctx) {
    return mn_registry_add_all(ctx, rows, MN_COUNT(rows));
}
