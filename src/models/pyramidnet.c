/* PyramidNet (Han et al. 2017, "Deep Pyramidal Residual Networks", additive): channels grow from block to block instead
 * of doubling from stage to stage.
 *
 *   conv1 -> bn1 -> pyramid.<stage>.<block> -> bn_final -> relu_final -> avgpool -> fc
 *
 *   bottleneck   bottle_in (bn, 1x1) -> cell (Slot) -> bottle_out (bn, relu, 1x1) -> bn ---------------> +
 *   basic        cell1 (Slot) -> cell2 (Slot) -> bn ---------------------------------------------------> +
 *   shortcut     the block's source, averaged over 2x2 (downsample) at stride 2, zeros for the channels --+
 *                that are new
 *
 * Of n blocks, block j = 1, 2, ... n is round(chn + j alpha / n) channels wide, less what conv_groups does not divide; a
 * bottleneck ends with bottleneck_ratio times as many. The backbone's own operator in a Slot is batch norm, ReLU (but
 * not at the head of a basic block) and a 3x3 convolution. */
#include <math.h>
#include <string.h>

#include "models/models.h"
#include "module/layer_types.h"

enum { MAX_STAGES = 12, MAX_BLOCKS = 1024, MAX_CHN = 65536 };

typedef struct plan {
    int32_t chn_in, chn, n_classes, n_stages, n_blocks /* of a stage */, groups, ratio, bottleneck, bias;
    double alpha;
} plan;

/* ---- block --------------------------------------------------------------------------------------------- */

typedef struct block_state {
    int32_t bias; /* of the convolutions of the backbone's own operators */
} block_state;

/* All children in their order, but downsample beside them. */
static int block_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    const mn_module *downsample = mn_module_child(m, "downsample");
    mn_value *v = src[0], *shortcut = src[0];
    if (n_src != 1) return mn_fail(m->model->ctx, MODNAS_EINVAL, "a %s takes 1 value, %d given", m->vt->type, (int)n_src);
    for (size_t i = 0; i < m->children.n; i++) {
        mn_module *child = MN_AT(m->children, mn_module *, i);
        mn_value **to = child == downsample ? &shortcut : &v;
        MN_TRY(mn_forward1(child, run, *to, to));
    }
    const int32_t before[4] = {0}, after[4] = {0, (int32_t)(v->dims[1] - shortcut->dims[1])};
    if (after[1]) MN_TRY(mn_pad(run, shortcut, before, after, 0, &shortcut));
    return mn_add(run, v, shortcut, dst);
}

static const mn_module_vt block_vt = {"pyramid_block", block_forward, NULL};

static int append_norm(mn_module *to, int32_t chn) {
    mn_module *m;
    MN_TRY(mn_batch_norm_new(to->model, chn, 1, 0, 0, &m));
    return mn_module_append(to, m);
}

static int append_relu(mn_module *to) {
    mn_module *m;
    MN_TRY(mn_activation_new(to->model, MODNAS_ACT_RELU, &m));
    return mn_module_append(to, m);
}

/* Batch norm, ReLU, convolution, as "net" of a block. */
static int fill_conv(mn_module *to, const mn_conv_desc *d, int relu) {
    mn_module *net, *conv;
    MN_TRY(mn_sequential_new(to->model, &net));
    MN_TRY(mn_module_add(to, "net", net));
    MN_TRY(append_norm(net, d->chn_in));
    if (relu) MN_TRY(append_relu(net));
    MN_TRY(mn_conv2d_new(to->model, d, &conv));
    return mn_module_append(net, conv);
}

static int new_conv(mn_model *model, const mn_conv_desc *d, int relu, mn_module **out) {
    mn_module *m;
    MN_TRY(mn_sequential_new(model, &m));
    const int rc = fill_conv(m, d, relu);
    if (rc)
        mn_module_free(m);
    else
        *out = m;
    return rc;
}

static int add_1x1(mn_module *block, const char *name, int32_t chn_in, int32_t chn_out, int relu, int bias) {
    const mn_conv_desc d = {.chn_in = chn_in, .chn_out = chn_out, .kernel = {1, 1}, .bias = bias};
    mn_module *m = NULL;
    const int rc = new_conv(block->model, &d, relu, &m);
    return mn_add_made(block, name, rc, m);
}

static int fill_block(mn_module *m, const plan *p, int32_t chn_in, int32_t chn, int32_t stride) {
    const mn_pool_opts halves = {.algo = MODNAS_POOL_AVG, .kernel = {2, 2}, .stride = {2, 2}, .ceil_mode = 1};
    mn_module *part = NULL;
    if (p->bottleneck) {
        MN_TRY(add_1x1(m, "bottle_in", chn_in, chn, 0, p->bias));
        MN_TRY(mn_add_conv_slot(m, "cell", chn, chn, stride, p->groups));
        MN_TRY(add_1x1(m, "bottle_out", chn, chn * p->ratio, 1, p->bias));
    } else {
        MN_TRY(mn_add_conv_slot(m, "cell1", chn_in, chn, stride, p->groups));
        MN_TRY(mn_add_conv_slot(m, "cell2", chn, chn, 1, p->groups));
    }
    int rc = mn_batch_norm_new(m->model, chn * p->ratio, 1, 0, 0, &part);
    MN_TRY(mn_add_made(m, "bn", rc, part));
    if (stride == 1) return 0;
    rc = mn_pool2d_new(m->model, &halves, &part);
    return mn_add_made(m, "downsample", rc, part);
}

static int append_block(mn_module *stage, const plan *p, int32_t chn_in, int32_t chn, int32_t stride) {
    mn_module *m;
    MN_TRY(mn_module_new(stage->model, &block_vt, sizeof(block_state), &m));
    ((block_state *)m->state)->bias = p->bias;
    MN_TRY(mn_module_append(stage, m));
    return fill_block(m, p, chn_in, chn, stride);
}

static int predefined(mn_model *model, const mn_slot *slot, mn_module **out) {
    const mn_module *block = slot->module->parent;
    const int ours = block && block->vt == &block_vt;
    const mn_conv_desc d = {.chn_in = slot->chn_in, .chn_out = slot->chn_out, .kernel = {3, 3}, .stride = slot->stride,
                            .pad = {1, 1}, .groups = mn_kwarg_of(slot, "groups", 1),
                            .bias = ours ? ((const block_state *)block->state)->bias : 1};
    return new_conv(model, &d, !ours || slot->module != mn_module_child(block, "cell1"), out);
}

/* ---- backbone ------------------------------------------------------------------------------------------ */

/* Channels within block j of all, from 1 on. */
static int32_t width_of(const plan *p, int32_t j) {
    const int32_t chn = (int32_t)rint(p->chn + j * p->alpha / (p->n_stages * p->n_blocks));
    return chn - chn % p->groups;
}

static int add_stages(mn_module *root, const plan *p, int32_t *chn_out) {
    mn_module *all, *stage = NULL;
    int32_t chn_in = p->chn;
    MN_TRY(mn_sequential_new(root->model, &all));
    MN_TRY(mn_module_add(root, "pyramid", all));
    for (int32_t j = 0; j < p->n_stages * p->n_blocks; j++) {
        const int first = j % p->n_blocks == 0;
        if (first) {
            MN_TRY(mn_sequential_new(root->model, &stage));
            MN_TRY(mn_module_append(all, stage));
        }
        MN_TRY(append_block(stage, p, chn_in, width_of(p, j + 1), j && first ? 2 : 1));
        chn_in = width_of(p, j + 1) * p->ratio;
    }
    *chn_out = chn_in;
    return 0;
}

static int add_tail(mn_module *root, int32_t chn, int32_t n_classes) {
    mn_module *m = NULL;
    int rc = mn_batch_norm_new(root->model, chn, 1, 0, 0, &m);
    MN_TRY(mn_add_made(root, "bn_final", rc, m));
    rc = mn_activation_new(root->model, MODNAS_ACT_RELU, &m);
    MN_TRY(mn_add_made(root, "relu_final", rc, m));
    rc = mn_global_pool_new(root->model, &m);
    MN_TRY(mn_add_made(root, "avgpool", rc, m));
    rc = mn_linear_new(root->model, chn, n_classes, 1, &m);
    return mn_add_made(root, "fc", rc, m);
}

static int add_layers(mn_module *root, const void *made) {
    const plan *p = made;
    const mn_conv_desc stem = {.chn_in = p->chn_in, .chn_out = p->chn, .kernel = {3, 3}, .pad = {1, 1}};
    mn_module *m = NULL;
    int32_t chn;
    int rc = mn_conv2d_new(root->model, &stem, &m);
    MN_TRY(mn_add_made(root, "conv1", rc, m));
    rc = mn_batch_norm_new(root->model, p->chn, 1, 0, 0, &m);
    MN_TRY(mn_add_made(root, "bn1", rc, m));
    MN_TRY(add_stages(root, p, &chn));
    return add_tail(root, chn, p->n_classes);
}

/* ---- arguments ----------------------------------------------------------------------------------------- */

/* The shortcut only grows. */
static int check_widths(const mn_args *a, const plan *p) {
    int32_t chn_in = p->chn;
    for (int32_t j = 1; j <= p->n_stages * p->n_blocks; j++) {
        const int32_t chn = width_of(p, j);
        if (chn < 1)
            return mn_args_fail(a, "conv_groups", "%d groups leave no channels to block %d", p->groups, j);
        if (chn * p->ratio < chn_in)
            return mn_args_fail(a, "conv_groups", "block %d has %d channels at its end, its shortcut %d", j,
                                chn * p->ratio, chn_in);
        chn_in = chn * p->ratio;
    }
    return 0;
}

static int read_plan(const mn_args *a, plan *p) {
    p->bottleneck = mn_args_bool(a, "bottleneck");
    p->bias = mn_args_bool(a, "conv_bias");
    p->alpha = mn_args_real(a, "alpha");
    p->ratio = p->bottleneck ? 4 : 1;
    MN_TRY(mn_args_count(a, "chn", 1, MAX_CHN, &p->chn));
    MN_TRY(mn_args_count(a, "groups", 1, MAX_STAGES, &p->n_stages));
    MN_TRY(mn_args_count(a, "blocks", 1, MAX_BLOCKS / p->n_stages, &p->n_blocks));
    MN_TRY(mn_args_count(a, "conv_groups", 1, MAX_CHN, &p->groups));
    if (mn_args_given(a, "bottleneck_ratio")) MN_TRY(mn_args_count(a, "bottleneck_ratio", 1, 256, &p->ratio));
    if (!p->bottleneck && p->ratio != 1)
        return mn_args_fail(a, "bottleneck_ratio", "%d, but a basic block ends with the channels that it has: 1", p->ratio);
    if (!p->bottleneck && p->chn % p->groups)
        return mn_args_fail(a, "conv_groups", "%d channels cannot be split into %d groups", p->chn, p->groups);
    if (!(p->alpha >= 0 && (p->chn + p->alpha) * p->ratio <= MAX_CHN))
        return mn_args_fail(a, "alpha", "%g; the last block has chn + alpha channels, times %d at most %d", p->alpha,
                            p->ratio, (int)MAX_CHN);
    return check_widths(a, p);
}

static int build(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_model_env *)env)->model;
    plan p;
    (void)c, (void)out;
    MN_TRY(read_plan(args, &p));
    MN_TRY(mn_model_read_images(args, 32, model));
    p.chn_in = model->input[0];
    p.n_classes = model->n_classes;
    MN_TRY(mn_model_set_root(model, add_layers, &p));
    model->predefined = predefined;
    return 0;
}

static const mn_arg_def args[] = {
    {"chn", MN_ARG_INT, "16", NULL, "channels of the stem"},
    {"groups", MN_ARG_INT, "3", NULL, "stages; all but the first halve height and width"},
    {"blocks", MN_ARG_INT, NULL, NULL, "of each stage"},
    {"alpha", MN_ARG_REAL, NULL, NULL, "channels that the last block has more than the stem"},
    {"conv_groups", MN_ARG_INT, "1", NULL, "of the convolutions in Slots; divides the channels of every block"},
    {"bottleneck", MN_ARG_BOOL, "true", NULL, "bottlenecks, one Slot each; false: basic blocks, two Slots each"},
    {"bottleneck_ratio", MN_ARG_INT, "null", NULL,
     "a bottleneck ends with this many times its channels; default: 4, of basic blocks 1"},
    {"conv_bias", MN_ARG_BOOL, "true", NULL, "convolutions of blocks have a bias, as the original's (not the paper's)"},
    MN_IMAGE_ARGS("10"),
    {NULL, 0, NULL, NULL, NULL}};

static const mn_component row = {"model", "PyramidNet", "pyramidal residual network, for 3x32x32 images", args, build,
                                 NULL};

int mn_pyramidnet_register(modnas_ctx *ctx) {
    return mn_registry_add(ctx, &row);
}
