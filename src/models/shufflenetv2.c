/* ShuffleNetV2 (Ma et al. 2018) and the backbone of SPOS (Guo et al. 2020).
 *
 *   conv_first -> stages.<i>.<j>, a Slot each -> conv_last -> avgpool -> dropout -> fc (without bias)
 *
 * A row is channels c, Slots n, stride s of the first one, width e of the units' middle (chn_mid = c / 2 e). The first
 * row is the stem; stride 4 there is stride 2 and a max pooling of stride 2. The last one is a 1x1 convolution. Layers
 * of the backbone begin as the original's do; what stands in Slots does not. */
#include "models/models.h"

enum { MAX_ROWS = 64, MAX_SLOTS = 1024, MAX_CHN = 65536 };

typedef struct stage {
    int32_t c, n, s;
    double e;
} stage;

typedef struct variant {
    const stage *rows;
    int32_t n_rows, input;
} variant;

static const stage plain[] = {{24, 1, 4, 1}, {116, 4, 2, 1}, {232, 8, 2, 1}, {464, 4, 2, 1}, {1024, 1, 1, 1}};
static const stage plain_small[] = {{24, 1, 1, 1}, {116, 4, 2, 1}, {232, 8, 2, 1}, {464, 4, 2, 1}, {1024, 1, 1, 1}};
static const stage oneshot[] = {{16, 1, 2, 1},  {64, 4, 2, 1},  {160, 4, 2, 1},
                                {320, 8, 2, 1}, {640, 4, 2, 1}, {1024, 1, 1, 1}};
static const stage oneshot_small[] = {{24, 1, 1, 1},  {64, 4, 2, 1},  {160, 4, 2, 1},
                                      {320, 8, 2, 1}, {640, 4, 1, 1}, {1024, 1, 1, 1}};

static const variant imagenet = {plain, MN_COUNT(plain), 224}, cifar = {plain_small, MN_COUNT(plain_small), 32},
                     imagenet_oneshot = {oneshot, MN_COUNT(oneshot), 224},
                     cifar_oneshot = {oneshot_small, MN_COUNT(oneshot_small), 32};

/* ---- initial values ------------------------------------------------------------------------------------ */

static void set_init(const mn_module *m, const char *param, int32_t init, double bound) {
    mn_param *p = mn_module_find_param(m, param);
    if (!p) return;
    p->init = init;
    p->bound = bound;
}

/* Of a convolution, batch norm, ReLU: N(0, sd), and 1e-4 for the shift. */
static void init_conv(const mn_module *m, double sd) {
    set_init(mn_module_child(m, "0"), "weight", MN_INIT_NORMAL, sd);
    set_init(mn_module_child(m, "1"), "bias", MN_INIT_CONSTANT, 1e-4);
}

/* ---- backbone ------------------------------------------------------------------------------------------ */

typedef struct plan {
    stage rows[MAX_ROWS];
    int32_t n_rows;
    double dropout;
} plan;

static int add_stem(mn_module *root, const stage *st) {
    static const mn_pool_opts pool = {
        .algo = MODNAS_POOL_MAX, .kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1, 1, 1}, .dilation = {1, 1}};
    mn_module *stem, *m;
    MN_TRY(mn_conv_bn_act_new(root->model, root->model->input[0], st->c, 3, st->s == 4 ? 2 : st->s, 1, MODNAS_ACT_RELU,
                              &stem));
    init_conv(stem, 0.01);
    MN_TRY(mn_module_add(root, "conv_first", stem));
    if (st->s != 4) return 0;
    MN_TRY(mn_pool2d_new(root->model, &pool, &m));
    return mn_module_append(stem, m);
}

/* A Slot whose own operator is SHU3. */
static int append_slot(mn_module *to, int32_t chn_in, const stage *st, int32_t stride) {
    modnas_ctx *ctx = to->model->ctx;
    const mn_kwarg kwargs[] = {{"chn_mid", (int32_t)(st->c / 2 * st->e)}};
    mn_module *slot;
    mn_node *map;
    MN_TRY(mn_kwargs_new(ctx, kwargs, MN_COUNT(kwargs), &map));
    MN_TRY(mn_slot_new(to->model, chn_in, st->c, stride, map, &slot));
    mn_slot_of(slot)->own = mn_node_str(ctx, "SHU3");
    if (mn_slot_of(slot)->own) return mn_module_append(to, slot);
    mn_module_free(slot);
    return MODNAS_ENOMEM;
}

static int add_stage(mn_module *stages, int32_t chn_in, const stage *st) {
    mn_module *m;
    MN_TRY(mn_sequential_new(stages->model, &m));
    MN_TRY(mn_module_append(stages, m));
    for (int32_t j = 0; j < st->n; j++) MN_TRY(append_slot(m, j ? st->c : chn_in, st, j ? 1 : st->s));
    return 0;
}

static int add_tail(mn_module *root, const plan *p, int32_t chn_in) {
    mn_model *model = root->model;
    const int32_t chn = p->rows[p->n_rows - 1].c;
    mn_module *m = NULL;
    MN_TRY(mn_conv_bn_act_new(model, chn_in, chn, 1, p->rows[p->n_rows - 1].s, 1, MODNAS_ACT_RELU, &m));
    init_conv(m, 1.0 / chn_in);
    MN_TRY(mn_module_add(root, "conv_last", m));
    int rc = mn_global_pool_new(model, &m);
    MN_TRY(mn_add_made(root, "avgpool", rc, m));
    rc = mn_dropout_new(model, p->dropout, &m);
    MN_TRY(mn_add_made(root, "dropout", rc, m));
    MN_TRY(mn_linear_new(model, chn, model->n_classes, 0, &m));
    set_init(m, "weight", MN_INIT_NORMAL, 0.01);
    return mn_module_add(root, "fc", m);
}

static int add_layers(mn_module *root, const void *made) {
    const plan *p = made;
    mn_module *stages;
    MN_TRY(add_stem(root, &p->rows[0]));
    MN_TRY(mn_sequential_new(root->model, &stages));
    MN_TRY(mn_module_add(root, "stages", stages));
    for (int32_t i = 1; i < p->n_rows - 1; i++) MN_TRY(add_stage(stages, p->rows[i - 1].c, &p->rows[i]));
    return add_tail(root, p, p->rows[p->n_rows - 2].c);
}

/* ---- arguments ----------------------------------------------------------------------------------------- */

static int read_row(const mn_args *a, const mn_node *row, size_t i, stage *st) {
    int32_t *const to[3] = {&st->c, &st->n, &st->s};
    if (row->kind != MN_SEQ || row->n < 3 || row->n > 4)
        return mn_args_fail(a, "cfgs", "row %zu is not [c, n, s] or [c, n, s, e]", i);
    for (size_t k = 0; k < 3; k++) {
        const mn_node *v = row->items[k];
        if (v->kind != MN_INT || v->i < 1 || v->i > MAX_CHN)
            return mn_args_fail(a, "cfgs", "row %zu, number %zu is no whole number from 1 to %d", i, k, (int)MAX_CHN);
        *to[k] = (int32_t)v->i;
    }
    const mn_node *e = row->n > 3 ? row->items[3] : NULL;
    st->e = e ? e->r : 1;
    if (e && ((e->kind != MN_INT && e->kind != MN_REAL) || !(st->c / 2 * st->e >= 1) || !(st->e <= 64)))
        return mn_args_fail(a, "cfgs", "row %zu, number 3 is no width that leaves 1 to %d channels", i, (int)MAX_CHN);
    return 0;
}

static int read_rows(const mn_args *a, const variant *v, plan *p) {
    const mn_node *given = mn_args_node(a, "cfgs");
    const size_t n = given ? given->n : (size_t)v->n_rows;
    int64_t n_slots = 0;
    if (n < 3 || n > MAX_ROWS)
        return mn_args_fail(a, "cfgs", "%zu rows; a stem, 1 to %d stages and a last convolution are wanted", n,
                            MAX_ROWS - 2);
    p->n_rows = (int32_t)n;
    for (size_t i = 0; i < n; i++) {
        if (given)
            MN_TRY(read_row(a, given->items[i], i, &p->rows[i]));
        else
            p->rows[i] = v->rows[i];
        n_slots += p->rows[i].n;
    }
    if (n_slots > MAX_SLOTS) return mn_args_fail(a, "cfgs", "%lld units, at most %d", (long long)n_slots, MAX_SLOTS);
    return 0;
}

static int build(const mn_component *c, const mn_args *args, const void *env, void *out) {
    mn_model *model = ((const mn_model_env *)env)->model;
    const variant *v = c->data;
    plan p = {.dropout = mn_args_real(args, "dropout_rate")};
    (void)out;
    MN_TRY(mn_model_read_images(args, v->input, model));
    MN_TRY(read_rows(args, v, &p));
    if (!(p.dropout >= 0 && p.dropout < 1)) return mn_args_fail(args, "dropout_rate", "%g is not in [0, 1)", p.dropout);
    return mn_model_set_root(model, add_layers, &p);
}

static const mn_arg_def args[] = {MN_IMAGE_ARGS("1000"),
                                  {"cfgs", MN_ARG_LIST, "null", NULL,
                                   "rows [channels, units, stride] or [..., width of their middle], instead of the "
                                   "model's own; the first is the stem, the "
                                   "last a 1x1 convolution"},
                                  {"dropout_rate", MN_ARG_REAL, "0.1", NULL, "before the classifier"},
                                  {NULL, 0, NULL, NULL, NULL}};

static const mn_component rows[] = {
    {"model", "shufflenetv2", "ShuffleNetV2 for 3x224x224 images: 16 Slots", args, build, &imagenet},
    {"model", "shufflenetv2_oneshot", "the backbone of SPOS for 3x224x224 images: 20 Slots", args, build,
     &imagenet_oneshot},
    {"model", "cifar_shufflenetv2", "ShuffleNetV2 for 3x32x32 images: 16 Slots", args, build, &cifar},
    {"model", "cifar_shufflenetv2_oneshot", "the backbone of SPOS for 3x32x32 images: 20 Slots", args, build,
     &cifar_oneshot},
};

int mn_shufflenetv2_register(modnas_ctx *ctx) {
    return mn_registry_add_all(ctx, rows, MN_COUNT(rows));
}
