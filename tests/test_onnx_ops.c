/* Every operator that the graph knows, as ONNX: the file checks itself while it is written, and ONNX Runtime computes what
 * we do. Each case is a network of one module. */
#include <string.h>
#include <unistd.h>

#include "module/layers.h"
#include "util_onnx.h"

/* ---- a network of a function --------------------------------------------------------------------------- */

typedef int (*case_fn)(mn_run *run, mn_module *m, mn_value *x, mn_value **y);

typedef struct op_case {
    const char *name;
    int32_t input[3];
    case_fn make;
    int64_t weights[4]; /* of parameter "w"; dims[0] 0: none */
    int32_t param;      /* what the case makes of it */
    int32_t batched;    /* 1: it wants the number of images to be said */
    int32_t opset;
} op_case;

static const op_case *now; /* the case that is recorded */

static int forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    (void)n_src;
    return now->make(run, m, src[0], dst);
}

static const mn_module_vt vt = {"case", forward, NULL};

#define OK(e) ck_assert_msg((e) == 0, "%s: %s: %s", now->name, #e, modnas_errmsg(model_ctx))

static mn_model *model_of_case(const op_case *c) {
    mn_model *m = model_empty();
    mn_module *part;
    mn_param *p;
    now = c;
    OK(mn_sequential_new(m, &m->root));
    OK(mn_module_new(m, &vt, 0, &part));
    OK(mn_module_add(m->root, "op", part));
    if (c->weights[0]) {
        const int is_vector = c->weights[0] == 1 && c->weights[2] * c->weights[3] == 1;
        const int rank = is_vector ? 1 : c->weights[2] * c->weights[3] == 1 && c->input[1] * c->input[2] == 1 ? 2 : 4;
        OK(mn_module_param_new(part, "w", MN_ROLE_WEIGHT, rank, c->weights, MN_INIT_UNIFORM, 0.5, &p));
    }
    OK(mn_module_param_new(part, "mean", MN_ROLE_STAT, 1, (const int64_t[]){1, c->input[0], 1, 1}, MN_INIT_UNIFORM, 0.5, &p));
    OK(mn_module_param_new(part, "var", MN_ROLE_STAT, 1, (const int64_t[]){1, c->input[0], 1, 1}, MN_INIT_UNIT, 0, &p));
    memcpy(m->input, c->input, sizeof m->input);
    m->n_classes = 1;
    OK(mn_model_commit(m));
    return m;
}

static int weights(mn_run *run, mn_module *m, mn_value **w) {
    return mn_use_param(run, mn_module_find_param(m, "w"), w);
}

/* ---- cases --------------------------------------------------------------------------------------------- */

static const mn_conv_opts convs[] = {
    {.pad = {1, 1, 1, 1}},
    {.stride = {2, 1}, .pad = {0, 1, 2, 1}, .dilation = {1, 2}},
    {.pad = {2, 2, 2, 2}, .groups = 4, .dilation = {2, 2}},
};

static int conv(mn_run *run, mn_module *m, mn_value *x, mn_value **y) {
    mn_value *w;
    MN_TRY(weights(run, m, &w));
    return mn_conv2d(run, x, w, NULL, &convs[now->param], y);
}

/* Its weights are computed, and its bias is a constant. */
static int conv_computed(mn_run *run, mn_module *m, mn_value *x, mn_value **y) {
    const double bias[3] = {0.5, -1, 2};
    mn_value *w, *b;
    MN_TRY(weights(run, m, &w));
    MN_TRY(mn_activation(run, w, MODNAS_ACT_LINEAR, 2, 0.25, &w));
    MN_TRY(mn_const(run, (const int64_t[]){1, 3, 1, 1}, bias, &b));
    return mn_conv2d(run, x, w, b, &convs[0], y);
}

/* With the module's statistics; w is scale and shift, NULL: neither. */
static int norm_of(mn_run *run, mn_module *m, mn_value *x, mn_value *w, mn_value **y) {
    const mn_bn_opts o = {.eps = 1e-3, .momentum = 0.1};
    return mn_batch_norm(run, x, w, w, mn_module_find_param(m, "mean"), mn_module_find_param(m, "var"), &o, y);
}

/* Two batch norms in a row; or, with param 1, one behind a convolution that another reads, too: it is not folded. */
static int conv_norm(mn_run *run, mn_module *m, mn_value *x, mn_value **y) {
    mn_value *w, *v;
    MN_TRY(weights(run, m, &w));
    MN_TRY(mn_conv2d(run, x, w, NULL, &convs[0], &v));
    MN_TRY(norm_of(run, m, v, NULL, y));
    return now->param ? mn_add(run, v, *y, y) : norm_of(run, m, *y, NULL, y);
}

static int norm(mn_run *run, mn_module *m, mn_value *x, mn_value **y) {
    mn_value *w = NULL;
    if (now->weights[0]) MN_TRY(weights(run, m, &w));
    return norm_of(run, m, x, w, y);
}

static int linear(mn_run *run, mn_module *m, mn_value *x, mn_value **y) {
    mn_value *w;
    MN_TRY(weights(run, m, &w));
    MN_TRY(mn_linear(run, x, w, NULL, y));
    MN_TRY(mn_activation(run, *y, MODNAS_ACT_TANH, 0, 0, y));
    if (now->param == 1) return mn_add(run, *y, x, y); /* one of both is flat */
    if (now->param == 2) return norm_of(run, m, *y, NULL, y);
    return mn_softmax(run, *y, 0, y);
}

static const struct {
    int32_t act;
    double alpha, beta;
} acts[] = {{MODNAS_ACT_RELU, 0, 0},     {MODNAS_ACT_RELU6, 0, 0},      {MODNAS_ACT_CLIP, -0.25, 0.5}, {MODNAS_ACT_SIGMOID, 0, 0},
            {MODNAS_ACT_HARD_SIGMOID, 0, 0}, {MODNAS_ACT_HARD_SWISH, 0, 0}, {MODNAS_ACT_SWISH, 0, 0},  {MODNAS_ACT_TANH, 0, 0},
            {MODNAS_ACT_LINEAR, -3, 0.5}, {MODNAS_ACT_LEAKY_RELU, 0.1, 0}, {MODNAS_ACT_ELU, 0.7, 1},   {MODNAS_ACT_ELU, 0.7, 2},
            {MODNAS_ACT_ELU, 0.7, 0},    {MODNAS_ACT_SOFTPLUS, 0, 0},   {MODNAS_ACT_EXP, 0, 0},        {MODNAS_ACT_ABS, 0, 0}};

/* Each on 8 x - 1, side by side; then those of positive numbers. */
static int activations(mn_run *run, mn_module *m, mn_value *x, mn_value **y) {
    mn_value *part[MN_COUNT(acts) + 2], *wide;
    (void)m;
    MN_TRY(mn_activation(run, x, MODNAS_ACT_LINEAR, 8, -1, &wide));
    for (size_t i = 0; i < MN_COUNT(acts); i++)
        MN_TRY(mn_activation(run, i < 14 ? wide : x, acts[i].act, acts[i].alpha, acts[i].beta, &part[i]));
    mn_value *positive = part[14]; /* e^x */
    MN_TRY(mn_activation(run, positive, MODNAS_ACT_LOG, 0, 0, &part[MN_COUNT(acts)]));
    MN_TRY(mn_activation(run, positive, MODNAS_ACT_POW, 1.5, 0, &part[MN_COUNT(acts) + 1]));
    return mn_concat(run, part, MN_COUNT(part), 1, y);
}

static const mn_pool_opts pools[] = {
    {.algo = MODNAS_POOL_MAX, .kernel = {3, 2}, .stride = {2, 1}, .pad = {1, 0, 1, 1}},
    {.algo = MODNAS_POOL_AVG, .kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1, 1, 1}},
    {.algo = MODNAS_POOL_AVG_INCLUDE_PAD, .kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 0, 0, 1}},
    {.algo = MODNAS_POOL_MAX, .kernel = {3, 3}, .stride = {2, 2}, .ceil_mode = 1},
    {.algo = MODNAS_POOL_AVG, .kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1, 1, 1}, .ceil_mode = 1},
    {.algo = MODNAS_POOL_AVG_INCLUDE_PAD, .kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1, 1, 1}, .ceil_mode = 1},
    {.algo = MODNAS_POOL_AVG_INCLUDE_PAD, .kernel = {2, 2}, .stride = {3, 3}, .ceil_mode = 1},
    {.algo = MODNAS_POOL_MAX, .kernel = {2, 2}, .stride = {1, 1}, .dilation = {2, 3}},
    {.algo = MODNAS_POOL_MAX, .kernel = {8, 7}},
    {.algo = MODNAS_POOL_AVG_INCLUDE_PAD, .kernel = {8, 7}},
};

static int pool(mn_run *run, mn_module *m, mn_value *x, mn_value **y) {
    (void)m;
    return mn_pool2d(run, x, &pools[now->param], y);
}

/* With a vector, with the mean of its own planes, and with numbers. */
static int binary(mn_run *run, mn_module *m, mn_value *x, mn_value **y) {
    static const int32_t algos[] = {MODNAS_BINARY_ADD, MODNAS_BINARY_SUB, MODNAS_BINARY_MUL, MODNAS_BINARY_MAX, MODNAS_BINARY_MIN};
    const int64_t n = x->dims[0], per_plane[4] = {n, x->dims[1], 1, 1};
    const double numbers[2] = {1.5, -2};
    mn_value *w, *mean, *c;
    MN_TRY(weights(run, m, &w));
    MN_TRY(mn_reduce(run, MODNAS_REDUCE_MEAN, x, per_plane, &mean));
    MN_TRY(mn_const(run, (const int64_t[]){1, 1, 1, 2}, numbers, &c));
    *y = x;
    for (size_t i = 0; i < MN_COUNT(algos); i++) MN_TRY(mn_binary(run, algos[i], *y, i % 2 ? w : mean, y));
    return mn_binary(run, MODNAS_BINARY_DIV, *y, c, y);
}

/* Sums over the axes of a bit set: 1 images, 2 channels, 4 height, 8 width. */
static int reduce(mn_run *run, mn_module *m, mn_value *x, mn_value **y) {
    int64_t dims[4];
    (void)m;
    for (int i = 0; i < 4; i++) dims[i] = now->param >> i & 1 ? 1 : x->dims[i];
    MN_TRY(mn_reduce(run, MODNAS_REDUCE_SUM, x, dims, y));
    return mn_reduce(run, MODNAS_REDUCE_MEAN, *y, (const int64_t[]){dims[0], dims[1], dims[2], 1}, y);
}

static int move(mn_run *run, mn_module *m, mn_value *x, mn_value **y) {
    const int32_t start[4] = {0, 3, 0, 4}, by[4] = {1, -1, 2, -2}, n = (int32_t)x->dims[0], count[4] = {n, 4, 3, 3};
    const int32_t before[4] = {0, 1, 0, 2}, after[4] = {0, 0, 3, 1};
    mn_value *parts[3];
    (void)m;
    MN_TRY(mn_slice(run, x, start, by, count, y));
    MN_TRY(mn_pad(run, *y, before, after, -1.5, y));
    MN_TRY(mn_split(run, *y, 2, (const int32_t[]){1, 2, 3}, 3, parts));
    MN_TRY(mn_concat(run, (mn_value *[]){parts[2], parts[0], parts[1]}, 3, 2, y));
    return mn_slice(run, *y, (const int32_t[4]){0}, (const int32_t[]){1, 1, 1, 1},
                    (const int32_t[]){n, (int32_t)(*y)->dims[1], (int32_t)(*y)->dims[2], (int32_t)(*y)->dims[3]}, y);
}

static int borders(mn_run *run, mn_module *m, mn_value *x, mn_value **y) {
    const int32_t before[4] = {0, 0, 2, 1}, after[4] = {0, 0, 1, 2};
    (void)m;
    MN_TRY(mn_pad_border(run, x, before, after, MN_BORDER_REFLECT, y));
    MN_TRY(mn_pad_border(run, *y, before, after, MN_BORDER_EDGE, y));
    return mn_pad_border(run, *y, before, after, MN_BORDER_WRAP, y);
}

static int shapes(mn_run *run, mn_module *m, mn_value *x, mn_value **y) {
    const int64_t n = x->dims[0];
    (void)m;
    MN_TRY(mn_shuffle(run, x, 3, y));
    MN_TRY(mn_reshape(run, *y, (const int64_t[]){n, 4, 3, 10}, y));
    MN_TRY(mn_softmax(run, *y, 1, y));
    return mn_reshape(run, *y, (const int64_t[]){n, 120, 1, 1}, y);
}

/* All images of a batch together: only where it is said how many they are. */
static int together(mn_run *run, mn_module *m, mn_value *x, mn_value **y) {
    (void)m;
    return mn_reshape(run, x, (const int64_t[]){1, x->dims[0] * x->dims[1], x->dims[2], x->dims[3]}, y);
}

static int zeros(mn_run *run, mn_module *m, mn_value *x, mn_value **y) {
    mn_value *zero, *two;
    (void)m;
    MN_TRY(mn_zero(run, x->dims, &zero));
    MN_TRY(mn_zero(run, (const int64_t[]){1, 2, 1, 1}, &two));
    MN_TRY(mn_concat(run, (mn_value *[]){x, zero}, 2, 1, y));
    return mn_binary(run, MODNAS_BINARY_MAX, *y, two, y);
}

/* As a mixed op: softmax of some logits, a sum, a gate. */
static int mixture(mn_run *run, mn_module *m, mn_value *x, mn_value **y) {
    mn_value *w, *p, *part[3] = {x, x, NULL};
    MN_TRY(weights(run, m, &w));
    MN_TRY(mn_pick(run, w, (const int32_t[]){3, 0, 2}, 3, &w));
    MN_TRY(mn_softmax(run, w, 0, &p));
    MN_TRY(mn_activation(run, x, MODNAS_ACT_TANH, 0, 0, &part[1]));
    MN_TRY(mn_zero(run, x->dims, &part[2]));
    MN_TRY(mn_weighted_sum(run, p, part, 3, &part[0]));
    return mn_gate(run, p, part, 3, 0, y);
}

static int resized(mn_run *run, mn_module *m, mn_value *x, mn_value **y) {
    (void)m;
    MN_TRY(mn_resize(run, x, 4, 9, y));
    return mn_resize(run, *y, 7, 5, y);
}

static int itself(mn_run *run, mn_module *m, mn_value *x, mn_value **y) {
    (void)run, (void)m;
    *y = x;
    return 0;
}

#define POOL(i) {"pool2d " #i, {2, 8, 7}, pool, {0}, i, 0, 0}
static const op_case cases[] = {
    {"conv2d", {3, 6, 5}, conv, {4, 3, 3, 3}, 0, 0, 0},
    {"conv2d, odd", {3, 9, 7}, conv, {4, 3, 2, 3}, 1, 0, 0},
    {"conv2d, groups", {4, 6, 6}, conv, {8, 1, 3, 3}, 2, 0, 0},
    {"conv2d, weights computed", {3, 6, 5}, conv_computed, {3, 3, 3, 3}, 0, 0, 0},
    {"conv2d, batch norms", {3, 6, 5}, conv_norm, {3, 3, 3, 3}, 0, 0, 0},
    {"conv2d with two readers", {3, 6, 5}, conv_norm, {3, 3, 3, 3}, 1, 0, 0},
    {"batch_norm", {5, 4, 3}, norm, {1, 5, 1, 1}, 0, 0, 0},
    {"batch_norm, not affine", {5, 4, 3}, norm, {0}, 0, 0, 13},
    {"linear", {6, 1, 1}, linear, {4, 6, 1, 1}, 0, 0, 0},
    {"linear, added", {6, 1, 1}, linear, {6, 6, 1, 1}, 1, 0, 0},
    {"linear, batch_norm", {6, 1, 1}, linear, {6, 6, 1, 1}, 2, 0, 0},
    {"activations", {3, 4, 5}, activations, {0}, 0, 0, 17},
    {"activations of 13", {3, 4, 5}, activations, {0}, 0, 0, 13},
    POOL(0), POOL(1), POOL(2), POOL(3), POOL(4), POOL(5), POOL(6), POOL(7), POOL(8), POOL(9),
    {"binary", {3, 5, 2}, binary, {1, 3, 1, 1}, 0, 0, 0},
    {"binary of 18", {3, 5, 2}, binary, {1, 3, 1, 1}, 0, 0, 18},
    {"reduce", {3, 4, 5}, reduce, {0}, 6, 0, 0},
    {"reduce of 21", {3, 4, 5}, reduce, {0}, 2, 0, 21},
    {"reduce images", {3, 4, 5}, reduce, {0}, 1, 0, 0},
    {"slice, pad, split, concat", {5, 6, 7}, move, {0}, 0, 0, 0},
    {"pad with borders", {2, 5, 4}, borders, {0}, 0, 0, 0},
    {"shuffle, reshape", {12, 2, 5}, shapes, {0}, 0, 0, 0},
    {"images together", {2, 3, 4}, together, {0}, 0, 1, 0},
    {"zeros", {1, 2, 3}, zeros, {0}, 0, 0, 0},
    {"mixture", {3, 2, 3}, mixture, {1, 4, 1, 1}, 0, 0, 0},
    {"resize", {2, 6, 7}, resized, {0}, 0, 0, 0},
    {"nothing", {2, 3, 1}, itself, {0}, 0, 0, 0},
};

START_TEST(operators) {
    util_onnx u;
    char folder[64];
    util_folder_new(folder);
    util_onnx_open(&u);
    for (size_t i = 0; i < MN_COUNT(cases); i++) {
        mn_model *m = model_of_case(&cases[i]);
        const modnas_onnx_opts o = {.size = sizeof o, .opset = cases[i].opset, .batch = cases[i].batched ? 3 : 0};
        const modnas_onnx_opts fixed = {.size = sizeof o, .batch = 3, .keep_batch_norm = 1};
        util_onnx_add(&u, m, &o, 3);
        util_onnx_add(&u, m, &fixed, 3);
        mn_model_free(m);
    }
    util_onnx_compare(&u);
    util_folder_free(folder);
}
END_TEST

/* Without a number they are refused, and the layer is named. */
START_TEST(images_that_mix) {
    char folder[64];
    util_folder_new(folder);
    for (size_t i = 0; i < MN_COUNT(cases); i++) {
        if (!cases[i].batched) continue;
        mn_model *m = model_of_case(&cases[i]);
        ck_assert_int_eq(modnas_model_export_onnx(m, NULL, "x.onnx"), MODNAS_EUNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(modnas_errmsg(model_ctx), "reshape of layer 'op'"));
        ck_assert_int_ne(access("x.onnx", F_OK), 0);
        mn_model_free(m);
    }
    util_folder_free(folder);
}
END_TEST

/* A loss is none of ONNX's operators: refused with its name and layer, or a node of our own domain. */
static int loss(mn_run *run, mn_module *m, mn_value *x, mn_value **y) {
    mn_value *zero;
    (void)m;
    MN_TRY(mn_zero(run, x->dims, &zero));
    return mn_loss(run, MODNAS_LOSS_L1, x, zero, 0, y);
}

START_TEST(foreign) {
    const op_case c = {"loss", {3, 1, 1}, loss, {0}, 0, 0, 0};
    const modnas_onnx_opts own = {.size = sizeof own, .custom_ops = 1};
    char folder[64], *bytes;
    size_t n;
    util_folder_new(folder);
    mn_model *m = model_of_case(&c);
    ck_assert_int_eq(modnas_model_export_onnx(m, NULL, "x.onnx"), MODNAS_EUNSUPPORTED);
    ck_assert_msg(strstr(modnas_errmsg(model_ctx), "loss of layer 'op'") != NULL, "%s", modnas_errmsg(model_ctx));
    ck_assert_int_ne(access("x.onnx", F_OK), 0);
    OK(modnas_model_export_onnx(m, &own, "x.onnx"));
    OK(mn_file_read(model_ctx, "x.onnx", SIZE_MAX / 4, &bytes, &n));
    ck_assert_ptr_nonnull(memmem(bytes, n, "modnas", 6));
    mn_free(model_ctx, bytes);
    mn_model_free(m);
    util_folder_free(folder);
}
END_TEST

/* While it is recorded. */
static int nested(mn_run *run, mn_module *m, mn_value *x, mn_value **y) {
    (void)run;
    *y = x;
    ck_assert_int_eq(modnas_model_export_onnx(m->model, NULL, "y.onnx"), MODNAS_EBUSY);
    return 0;
}

START_TEST(busy) {
    const op_case c = {"nested", {3, 1, 1}, nested, {0}, 0, 0, 0};
    char folder[64];
    util_folder_new(folder);
    mn_model *m = model_of_case(&c);
    OK(modnas_model_export_onnx(m, NULL, "x.onnx"));
    ck_assert_int_ne(access("y.onnx", F_OK), 0);
    mn_model_free(m);
    util_folder_free(folder);
}
END_TEST

int main(void) {
    Suite *s = suite_create("onnx_ops");
    util_add(s, "operators", model_setup, model_teardown, (const TTest *[]){operators, images_that_mix, foreign, busy, NULL});
    return util_run(s);
}
