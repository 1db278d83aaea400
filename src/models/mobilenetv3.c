/* MobileNetV3 (Howard et al. 2019): a stem, inverted residual blocks, a wide 1x1 convolution, pooling, a classifier of
 * two layers.
 *
 *   features.0 (stem) -> features.<i>.conv (the Slot of block i) -> conv -> avgpool -> classifier
 *
 * A row of the table is one block: kernel k, hidden channels exp, channels c, squeeze and excitation SE, hard-swish HS,
 * stride s; row 0 is the stem, which has kernel, channels, HS and stride. width_mult scales what goes from block to
 * block, not the channels inside of one, as the original has it. */
#include "models/models.h"
#include "space/candidates.h"

enum { MAX_ROWS = 1024 };

typedef struct block {
    int32_t k, exp, c, se, hs, s;
} block;

typedef struct variant {
    const block *rows;
    int32_t n_rows, small; /* small: -1: the arg mode says */
} variant;

static const block large_rows[] = {
    {3, 0, 16, 0, 1, 2},   {3, 16, 16, 0, 0, 1},  {3, 64, 24, 0, 0, 2},  {3, 72, 24, 0, 0, 1},
    {5, 72, 40, 1, 0, 2},  {5, 120, 40, 1, 0, 1}, {5, 120, 40, 1, 0, 1}, {3, 240, 80, 0, 1, 2},
    {3, 200, 80, 0, 1, 1}, {3, 184, 80, 0, 1, 1}, {3, 184, 80, 0, 1, 1}, {3, 480, 112, 1, 1, 1},
    {3, 672, 112, 1, 1, 1}, {5, 672, 160, 1, 1, 2}, {5, 960, 160, 1, 1, 1}, {5, 960, 160, 1, 1, 1}};
static const block small_rows[] = {{3, 0, 16, 0, 1, 2},  {3, 16, 16, 1, 0, 2},  {3, 72, 24, 0, 0, 2},
                                   {3, 88, 24, 0, 0, 1}, {5, 96, 40, 1, 1, 2},  {5, 240, 40, 1, 1, 1},
                                   {5, 240, 40, 1, 1, 1}, {5, 120, 48, 1, 1, 1}, {5, 144, 48, 1, 1, 1},
                                   {5, 288, 96, 1, 1, 2}, {5, 576, 96, 1, 1, 1}, {5, 576, 96, 1, 1, 1}};

static const variant generic = {NULL, 0, -1}, large = {large_rows, MN_COUNT(large_rows), 0},
                     small = {small_rows, MN_COUNT(small_rows), 1};

/* ---- blocks -------------------------------------------------------------------------------------------- */

static int32_t activation(int32_t hs) {
    return hs ? MODNAS_ACT_HARD_SWISH : MODNAS_ACT_RELU;
}

/* The block's own operator, as the Slot describes it. */
static int predefined(mn_model *model, const mn_slot *slot, mn_module **out) {
    const mn_mbconv_desc d = {slot->chn_in,
                              mn_kwarg_of(slot, "chn", slot->chn_in),
                              slot->chn_out,
                              slot->stride,
                              mn_kwarg_of(slot, "kernel_size", 3),
                              activation(mn_kwarg_of(slot, "use_hs", 0)),
                              mn_kwarg_of(slot, "use_se", 0)};
    return mn_mbconv_build(model, &d, out);
}

static int add_block(mn_module *features, int32_t i, int32_t chn_in, const block *b) {
    const mn_kwarg kwargs[] = {{"chn", b->exp}, {"kernel_size", b->k}, {"use_se", b->se}, {"use_hs", b->hs}};
    mn_str name = {.ctx = features->model->ctx};
    mn_str_addf(&name, "%d", i);
    const int rc = name.failed ? MODNAS_ENOMEM
                               : mn_add_inverted_residual(features, name.text, chn_in, b->c, b->s, kwargs,
                                                          MN_COUNT(kwargs));
    mn_str_free(&name);
    return rc;
}

/* ---- backbone ------------------------------------------------------------------------------------------ */

typedef struct plan {
    block rows[MAX_ROWS];
    int32_t n_rows, chn_in, chn_last, chn_hidden, n_classes, last_se;
    double dropout;
} plan;

static int add_features(mn_module *root, const plan *p) {
    const block *stem = &p->rows[0];
    mn_module *features, *m = NULL;
    MN_TRY(mn_sequential_new(root->model, &features));
    MN_TRY(mn_module_add(root, "features", features));
    const int rc = mn_conv_bn_act_new(root->model, p->chn_in, stem->c, stem->k, stem->s, 1, activation(stem->hs), &m);
    MN_TRY(mn_add_made(features, "0", rc, m));
    for (int32_t i = 1; i < p->n_rows; i++) MN_TRY(add_block(features, i, p->rows[i - 1].c, &p->rows[i]));
    return 0;
}

static int add_last(mn_module *root, const plan *p) {
    mn_module *conv = NULL, *se;
    const int rc = mn_conv_bn_act_new(root->model, p->rows[p->n_rows - 1].c, p->chn_last, 1, 1, 1,
                                      MODNAS_ACT_HARD_SWISH, &conv);
    MN_TRY(mn_add_made(root, "conv", rc, conv));
    if (!p->last_se) return 0;
    MN_TRY(mn_mbv3_se_new(root->model, p->chn_last, &se));
    return mn_module_append(conv, se);
}

/* Its layers are 1x1 convolutions. */
static int add_classifier(mn_module *root, const plan *p) {
    const mn_conv_desc hidden = {p->chn_last, p->chn_hidden, {1, 1}, 1, {0, 0}, 1, 1, 1},
                       out = {p->chn_hidden, p->n_classes, {1, 1}, 1, {0, 0}, 1, 1, 1};
    mn_model *model = root->model;
    mn_module *c, *m;
    MN_TRY(mn_sequential_new(model, &c));
    MN_TRY(mn_module_add(root, "classifier", c));
    MN_TRY(mn_conv2d_new(model, &hidden, &m));
    MN_TRY(mn_module_append(c, m));
    MN_TRY(mn_activation_new(model, MODNAS_ACT_HARD_SWISH, &m));
    MN_TRY(mn_module_append(c, m));
    MN_TRY(mn_dropout_new(model, p->dropout, &m));
    MN_TRY(mn_module_append(c, m));
    MN_TRY(mn_conv2d_new(model, &out, &m));
    return mn_module_append(c, m);
}

static int add_layers(mn_module *root, const void *made) {
    const plan *p = made;
    mn_module *pool = NULL;
    MN_TRY(add_features(root, p));
    MN_TRY(add_last(root, p));
    const int rc = mn_global_pool_new(root->model, &pool);
    MN_TRY(mn_add_made(root, "avgpool", rc, pool));
    return add_classifier(root, p);
}

/* ---- arguments ----------------------------------------------------------------------------------------- */

static int check_row(const mn_args *a, int32_t i, const block *b) {
    if (b->k % 2 == 0) return mn_args_fail(a, "cfgs", "row %d: a kernel of %d; it is odd, or sizes change", i, b->k);
    if (b->se > 1 || b->hs > 1)
        return mn_args_fail(a, "cfgs", "row %d: SE and HS are 0 or 1, not %d, %d", i, b->se, b->hs);
    if (i && b->s > 2) return mn_args_fail(a, "cfgs", "row %d: a stride of %d; a block has 1 or 2", i, b->s);
    return 0;
}

static int read_row(const mn_args *a, const mn_node *row, int32_t i, block *b) {
    const int32_t least[] = {1, i > 0, 1, 0, 0, 1}; /* the stem has nothing inside */
    int32_t to[6];
    MN_TRY(mn_row_read(a, (size_t)i, row, "[k, exp, c, SE, HS, s]", least, MN_COUNT(to), to));
    *b = (block){to[0], to[1], to[2], to[3], to[4], to[5]};
    return check_row(a, i, b);
}

static int read_rows(const mn_args *a, const variant *v, plan *p) {
    const mn_node *given = mn_args_node(a, "cfgs");
    const size_t n = given ? given->n : (size_t)v->n_rows;
    if (n < 2 || n > MAX_ROWS)
        return mn_args_fail(a, "cfgs", "%zu rows; a stem and 1 to %d blocks are wanted", n, MAX_ROWS - 1);
    p->n_rows = (int32_t)n;
    for (int32_t i = 0; i < p->n_rows; i++) {
        if (given)
            MN_TRY(read_row(a, given->items[i], i, &p->rows[i]));
        else
            p->rows[i] = v->rows[i];
    }
    return 0;
}

static int read_plan(const mn_args *a, const variant *v, mn_model *model, plan *p) {
    const double width = mn_args_real(a, "width_mult");
    const int is_small = v->small < 0 ? mn_args_str(a, "mode")[0] == 's' : v->small;
    MN_TRY(read_rows(a, v, p));
    if (!(width > 0 && width <= 64)) return mn_args_fail(a, "width_mult", "%g is not above 0 and up to 64", width);
    for (int32_t i = 0; i < p->n_rows; i++) p->rows[i].c = mn_make_divisible(p->rows[i].c * width);
    p->chn_last = mn_make_divisible(p->rows[p->n_rows - 1].exp * width);
    p->chn_hidden = mn_make_divisible((is_small ? 1024 : 1280) * width);
    p->last_se = mn_args_given(a, "last_se") ? mn_args_bool(a, "last_se") : is_small;
    MN_TRY(mn_model_read_images(a, 224, model));
    p->n_classes = model->n_classes;
    p->chn_in = model->input[0];
    p->dropout = mn_args_real(a, "dropout_rate");
    if (p->dropout >= 0 && p->dropout < 1) return 0;
    return mn_args_fail(a, "dropout_rate", "%g is not in [0, 1)", p->dropout);
}

static int build(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_model_env *)env)->model;
    plan *p = mn_alloc(model->ctx, 1, sizeof *p);
    (void)out;
    if (!p) return MODNAS_ENOMEM;
    int rc = read_plan(args, c->data, model, p);
    if (!rc) rc = mn_model_set_root(model, add_layers, p);
    mn_free(model->ctx, p);
    if (rc) return rc;
    model->predefined = predefined;
    model->foreign_name = mn_torchvision_mobilenetv3;
    return 0;
}

#define COMMON_ARGS                                                                                                    \
    {"width_mult", MN_ARG_REAL, "1.0", NULL, "channels between blocks are multiplied by this and rounded to 8"},       \
        {"dropout_rate", MN_ARG_REAL, "0.2", NULL, "before the last layer"},                                           \
        {"last_se", MN_ARG_BOOL, "null", NULL,                                                                         \
         "squeeze and excitation behind the last convolution; default: in the small form"},                            \
        MN_IMAGE_ARGS("1000"), {                                                                                       \
        NULL, 0, NULL, NULL, NULL                                                                                      \
    }

static const mn_arg_def generic_args[] = {
    {"cfgs", MN_ARG_LIST, NULL, NULL, "rows [kernel, hidden channels, channels, SE, HS, stride]; row 0 is the stem"},
    {"mode", MN_ARG_STR, NULL, "large|small", "the end: 1280 channels, or 1024 behind squeeze and excitation"},
    COMMON_ARGS};
static const mn_arg_def args[] = {
    {"cfgs", MN_ARG_LIST, "null", NULL, "rows [kernel, hidden channels, channels, SE, HS, stride] instead of its own"},
    COMMON_ARGS};

static const mn_component rows[] = {
    {"model", "MobileNetV3", "MobileNetV3 of given blocks, for 3x224x224 images", generic_args, build, &generic},
    {"model", "mobilenetv3_large", "MobileNetV3-Large for 3x224x224 images: 15 Slots", args, build, &large},
    {"model", "mobilenetv3_small", "MobileNetV3-Small for 3x224x224 images: 11 Slots", args, build, &small},
};

int mn_mobilenetv3_register(modnas_ctx *ctx) {
    return mn_registry_add_all(ctx, rows, MN_COUNT(rows));
}
