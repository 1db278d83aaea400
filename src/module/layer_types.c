/* The table of layers, and how each reads its arguments.
 *
 * Everything that can be found wrong with the numbers of one layer is found here, with the argument's name; what
 * depends on the image that it meets is found when a forward is recorded. */
#include "module/layer_types.h"

#include <string.h>

#include "module/layers.h"

enum { MAX_SIZE = MN_LAYER_SIZE_MAX };

static mn_model *model_of(const void *env) {
    return ((const mn_layer_env *)env)->model;
}

static void give(const void *env, int32_t chn, int32_t is_flat) {
    *((const mn_layer_env *)env)->out = (mn_flow){chn, is_flat};
}

static mn_flow taken(const void *env) {
    return ((const mn_layer_env *)env)->in;
}

/* ---- arguments ----------------------------------------------------------------------------------------- */

static int check_count(const mn_args *a, const char *name, int64_t i, int64_t least, int64_t most) {
    if (i >= least && i <= most) return 0;
    return mn_args_fail(a, name, "%lld is not between %lld and %lld", (long long)i, (long long)least, (long long)most);
}

int mn_args_count(const mn_args *a, const char *name, int64_t least, int64_t most, int32_t *out) {
    const int64_t i = mn_args_int(a, name);
    MN_TRY(check_count(a, name, i, least, most));
    *out = (int32_t)i;
    return 0;
}

int mn_layer_chn_in(const mn_args *a, const char *name, int64_t most, const mn_layer_env *e, int32_t *out) {
    if (mn_args_given(a, name)) {
        MN_TRY(mn_args_count(a, name, 1, most, out));
        if (!e->in.chn || e->in.chn == *out) return 0;
        return mn_args_fail(a, name, "%d, but %d channels come in", *out, e->in.chn);
    }
    *out = e->in.chn;
    return *out ? 0 : mn_args_fail(a, name, "it has to be given here: how many channels come in is not known");
}

/* n, or [height, width]. */
static int read_pair(const mn_args *a, const char *name, int64_t least, int32_t dst[2]) {
    const mn_node *v = mn_args_node(a, name);
    char what[80];
    const int two = v && v->kind == MN_SEQ && v->n == 2;
    for (size_t i = 0; i < 2; i++) {
        const mn_node *x = two ? v->items[i] : v;
        if (!x || x->kind != MN_INT)
            return mn_args_fail(a, name, "a whole number or a list of two is wanted, not %s",
                                mn_node_what(v, what, sizeof what));
        MN_TRY(check_count(a, name, x->i, least, MAX_SIZE));
        dst[i] = (int32_t)x->i;
    }
    return 0;
}

/* padding as read_pair, or "same" (stride 1, an odd window) or "valid". pad: top, left, bottom, right. */
static int read_padding(const mn_args *a, const int32_t kernel[2], const int32_t stride[2], const int32_t dilation[2],
                        int32_t pad[4]) {
    const mn_node *v = mn_args_node(a, "padding");
    if (v && v->kind == MN_STR && strcmp(v->text, "same") == 0) {
        for (int i = 0; i < 2; i++) {
            const int64_t reach = (int64_t)dilation[i] * (kernel[i] - 1);
            if (stride[i] != 1) return mn_args_fail(a, "padding", "same goes with stride 1, not %d", stride[i]);
            if (reach % 2) return mn_args_fail(a, "padding", "same goes with an odd window, not %lld", (long long)reach + 1);
            MN_TRY(check_count(a, "padding", reach / 2, 0, MAX_SIZE));
            pad[i] = (int32_t)(reach / 2);
        }
    } else if (!v || v->kind != MN_STR || strcmp(v->text, "valid") != 0) {
        MN_TRY(read_pair(a, "padding", 0, pad));
    }
    pad[2] = pad[0];
    pad[3] = pad[1];
    return 0;
}

static int check_groups(const mn_args *a, int32_t groups, int32_t chn_in, int32_t chn_out) {
    if (chn_in % groups == 0 && chn_out % groups == 0) return 0;
    return mn_args_fail(a, "groups", "%d channels to %d cannot be split into %d groups", chn_in, chn_out, groups);
}

/* name: the argument that is to blame. */
static int check_weights(const mn_args *a, const char *name, double n) {
    if (n <= MN_MAX_ELEMENTS) return 0;
    return mn_args_fail(a, name, "%.0f weights; %d are possible", n, (int)MN_MAX_ELEMENTS);
}

/* ---- with weights -------------------------------------------------------------------------------------- */

static int build_conv(const mn_component *c, const mn_args *a, const void *env, void *out) {
    int32_t chn_in, chn_out, kernel[2];
    mn_conv_opts o = {{0}, {0}, {0}, 0};
    (void)c;
    MN_TRY(mn_layer_chn_in(a, "in_channels", MAX_SIZE, env, &chn_in));
    MN_TRY(mn_args_count(a, "out_channels", 1, MAX_SIZE, &chn_out));
    MN_TRY(read_pair(a, "kernel_size", 1, kernel));
    MN_TRY(read_pair(a, "stride", 1, o.stride));
    MN_TRY(read_pair(a, "dilation", 1, o.dilation));
    MN_TRY(read_padding(a, kernel, o.stride, o.dilation, o.pad));
    MN_TRY(mn_args_count(a, "groups", 1, MAX_SIZE, &o.groups));
    MN_TRY(check_groups(a, o.groups, chn_in, chn_out));
    MN_TRY(check_weights(a, "kernel_size", (double)chn_out * (chn_in / o.groups) * kernel[0] * kernel[1]));
    give(env, chn_out, taken(env).is_flat && kernel[0] * kernel[1] == 1 && !o.pad[0] && !o.pad[1]);
    return mn_conv2d_window_new(model_of(env), chn_in, chn_out, kernel, &o, mn_args_bool(a, "bias"), out);
}

static int build_batch_norm(const mn_component *c, const mn_args *a, const void *env, void *out) {
    const double eps = mn_args_real(a, "eps"), momentum = mn_args_real(a, "momentum");
    int32_t chn;
    (void)c;
    MN_TRY(mn_layer_chn_in(a, "num_features", MAX_SIZE, env, &chn));
    if (!(eps > 0)) return mn_args_fail(a, "eps", "%g is not positive", eps);
    if (!(momentum > 0 && momentum <= 1)) return mn_args_fail(a, "momentum", "%g is not above 0 and up to 1", momentum);
    if (!mn_args_bool(a, "track_running_stats"))
        return mn_args_fail(a, "track_running_stats", "only true is supported");
    give(env, chn, taken(env).is_flat);
    return mn_batch_norm_new(model_of(env), chn, mn_args_bool(a, "affine"), eps, momentum, out);
}

static int build_linear(const mn_component *c, const mn_args *a, const void *env, void *out) {
    const int64_t most = 1 << 24; /* a flattened image is long */
    int32_t chn_in, chn_out;
    (void)c;
    MN_TRY(mn_layer_chn_in(a, "in_features", most, env, &chn_in));
    MN_TRY(mn_args_count(a, "out_features", 1, most, &chn_out));
    MN_TRY(check_weights(a, "out_features", (double)chn_in * chn_out));
    give(env, chn_out, 1);
    return mn_linear_new(model_of(env), chn_in, chn_out, mn_args_bool(a, "bias"), out);
}

static int build_conv_bn_act(const mn_component *c, const mn_args *a, const void *env, void *out) {
    int32_t chn_in, chn_out, kernel, stride, groups;
    (void)c;
    MN_TRY(mn_layer_chn_in(a, "in_channels", MAX_SIZE, env, &chn_in));
    MN_TRY(mn_args_count(a, "out_channels", 1, MAX_SIZE, &chn_out));
    MN_TRY(mn_args_count(a, "kernel_size", 1, MAX_SIZE, &kernel));
    MN_TRY(mn_args_count(a, "stride", 1, MAX_SIZE, &stride));
    MN_TRY(mn_args_count(a, "groups", 1, MAX_SIZE, &groups));
    MN_TRY(check_groups(a, groups, chn_in, chn_out));
    MN_TRY(check_weights(a, "kernel_size", (double)chn_out * (chn_in / groups) * kernel * kernel));
    if (kernel % 2 == 0) return mn_args_fail(a, "kernel_size", "%d is even: the padding would not be SAME", kernel);
    give(env, chn_out, taken(env).is_flat);
    return mn_conv_bn_act_new(model_of(env), chn_in, chn_out, kernel, stride, groups, mn_args_act(a, "activation"),
                              out);
}

static int build_squeeze_excite(const mn_component *c, const mn_args *a, const void *env, void *out) {
    int32_t chn, chn_mid;
    (void)c;
    MN_TRY(mn_layer_chn_in(a, "input_channels", MAX_SIZE, env, &chn));
    chn_mid = mn_make_divisible(chn / 4);
    if (mn_args_given(a, "squeeze_channels")) MN_TRY(mn_args_count(a, "squeeze_channels", 1, MAX_SIZE, &chn_mid));
    MN_TRY(check_weights(a, "squeeze_channels", (double)chn * chn_mid));
    give(env, chn, taken(env).is_flat);
    return mn_squeeze_excite_new(model_of(env), chn, chn_mid, mn_args_act(a, "activation"), mn_args_act(a, "scale_activation"),
                                 out);
}

/* ---- without ------------------------------------------------------------------------------------------- */

typedef struct act_row {
    const char *name;
    int32_t act;
} act_row;

static const act_row acts[] = {
    {"ReLU", MODNAS_ACT_RELU},  {"ReLU6", MODNAS_ACT_RELU6},     {"Hardswish", MODNAS_ACT_HARD_SWISH},
    {"SiLU", MODNAS_ACT_SWISH}, {"Sigmoid", MODNAS_ACT_SIGMOID}, {"Hardsigmoid", MODNAS_ACT_HARD_SIGMOID},
    {"Tanh", MODNAS_ACT_TANH}};

int32_t mn_activation_find(const char *name) {
    for (size_t i = 0; i < MN_COUNT(acts); i++)
        if (strcmp(acts[i].name, name) == 0) return acts[i].act;
    return -1;
}

int32_t mn_args_act(const mn_args *a, const char *name) {
    const char *act = mn_args_str(a, name);
    return strcmp(act, "none") == 0 ? MODNAS_ACT_NONE : mn_activation_find(act);
}

/* What goes through as it is. */
static void pass(const void *env) {
    give(env, taken(env).chn, taken(env).is_flat);
}

static int build_activation(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)a;
    pass(env);
    return mn_activation_new(model_of(env), mn_activation_find(c->name), out);
}

/* data: the algorithm with padding left out of the mean. */
static int build_pool(const mn_component *c, const mn_args *a, const void *env, void *out) {
    const int avg = *(const int32_t *)c->data == MODNAS_POOL_AVG;
    mn_pool_opts o = {.algo = MODNAS_POOL_MAX, .dilation = {1, 1}};
    if (avg) o.algo = mn_args_bool(a, "count_include_pad") ? MODNAS_POOL_AVG_INCLUDE_PAD : MODNAS_POOL_AVG;
    MN_TRY(read_pair(a, "kernel_size", 1, o.kernel));
    memcpy(o.stride, o.kernel, sizeof o.stride);
    if (mn_args_given(a, "stride")) MN_TRY(read_pair(a, "stride", 1, o.stride));
    if (!avg) MN_TRY(read_pair(a, "dilation", 1, o.dilation));
    MN_TRY(read_pair(a, "padding", 0, o.pad));
    for (int i = 0; i < 2; i++) {
        if (2 * o.pad[i] > o.kernel[i])
            return mn_args_fail(a, "padding", "%d is more than half of the window of %d", o.pad[i], o.kernel[i]);
        o.pad[i + 2] = o.pad[i];
    }
    o.ceil_mode = mn_args_bool(a, "ceil_mode");
    give(env, taken(env).chn, 0);
    return mn_pool2d_new(model_of(env), &o, out);
}

static int build_global_pool(const mn_component *c, const mn_args *a, const void *env, void *out) {
    int32_t size[2] = {1, 1};
    if (c->args) MN_TRY(read_pair(a, "output_size", 1, size));
    if (size[0] != 1 || size[1] != 1)
        return mn_args_fail(a, "output_size", "%d x %d; only 1 is supported", size[0], size[1]);
    give(env, taken(env).chn, 1);
    return mn_global_pool_new(model_of(env), out);
}

static int build_dropout(const mn_component *c, const mn_args *a, const void *env, void *out) {
    const double p = mn_args_real(a, "p");
    (void)c;
    if (!(p >= 0 && p < 1)) return mn_args_fail(a, "p", "%g is not in [0, 1)", p);
    pass(env);
    return mn_dropout_new(model_of(env), p, out);
}

static int build_flatten(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c;
    if (mn_args_int(a, "start_dim") != 1) return mn_args_fail(a, "start_dim", "only 1 is supported");
    if (mn_args_int(a, "end_dim") != -1) return mn_args_fail(a, "end_dim", "only -1 is supported");
    give(env, taken(env).is_flat ? taken(env).chn : 0, 1);
    return mn_flatten_new(model_of(env), out);
}

static int build_identity(const mn_component *c, const mn_args *a, const void *env, void *out) {
    (void)c, (void)a;
    pass(env);
    return mn_identity_new(model_of(env), out);
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

#define END                                                                                                            \
    { NULL, 0, NULL, NULL, NULL }
#define INPLACE                                                                                                        \
    { "inplace", MN_ARG_BOOL, "false", NULL, "accepted; the planner decides" }
#define CHANNELS                                                                                                       \
    {"in_channels", MN_ARG_INT, "null", NULL, MN_LAYER_IN}, {                                                          \
        "out_channels", MN_ARG_INT, NULL, NULL, "channels of the result"                                               \
    }
#define WINDOW                                                                                                         \
    {"kernel_size", MN_ARG_ANY, NULL, NULL, "of the window: n or [height, width]"},                                    \
        {"stride", MN_ARG_ANY, "null", NULL, "n or [height, width]; default: the window's size"},                      \
        {"padding", MN_ARG_ANY, "0", NULL, "on both sides: n or [height, width]"}, {                                   \
        "ceil_mode", MN_ARG_BOOL, "false", NULL, "the result's size is rounded up"                                     \
    }

static const mn_arg_def conv_args[] = {
    CHANNELS,
    {"kernel_size", MN_ARG_ANY, NULL, NULL, "n or [height, width]"},
    {"stride", MN_ARG_ANY, "1", NULL, "n or [height, width]"},
    {"padding", MN_ARG_ANY, "0", NULL, "on both sides: n, [height, width], same or valid"},
    {"dilation", MN_ARG_ANY, "1", NULL, "n or [height, width]"},
    {"groups", MN_ARG_INT, "1", NULL, "channels are split into this many parts"},
    {"bias", MN_ARG_BOOL, "true", NULL, "a number is added to each output channel"},
    END};
static const mn_arg_def bn_args[] = {
    {"num_features", MN_ARG_INT, "null", NULL, MN_LAYER_IN},
    {"eps", MN_ARG_REAL, "1e-5", NULL, "added to the variance"},
    {"momentum", MN_ARG_REAL, "0.1", NULL, "share of the new batch in the running statistics"},
    {"affine", MN_ARG_BOOL, "true", NULL, "a trained scale and shift"},
    {"track_running_stats", MN_ARG_BOOL, "true", NULL, "only true"},
    END};
static const mn_arg_def linear_args[] = {{"in_features", MN_ARG_INT, "null", NULL, MN_LAYER_IN},
                                         {"out_features", MN_ARG_INT, NULL, NULL, "of the result"},
                                         {"bias", MN_ARG_BOOL, "true", NULL, "a number is added to each output"},
                                         END};
static const mn_arg_def block_args[] = {CHANNELS,
                                        {"kernel_size", MN_ARG_INT, "3", NULL, "odd; the padding keeps the size"},
                                        {"stride", MN_ARG_INT, "1", NULL, "in both directions"},
                                        {"groups", MN_ARG_INT, "1", NULL, "channels are split into this many parts"},
                                        {"activation", MN_ARG_STR, "ReLU", MN_LAYER_ACTS, "behind batch norm"},
                                        END};
static const mn_arg_def se_args[] = {
    {"input_channels", MN_ARG_INT, "null", NULL, MN_LAYER_IN},
    {"squeeze_channels", MN_ARG_INT, "null", NULL, "between the two convolutions; default: a quarter, rounded to 8"},
    {"activation", MN_ARG_STR, "ReLU", MN_LAYER_REAL_ACTS, "behind the first convolution"},
    {"scale_activation", MN_ARG_STR, "Hardsigmoid", MN_LAYER_REAL_ACTS, "behind the second one"},
    END};
static const mn_arg_def act_args[] = {INPLACE, END};
static const mn_arg_def max_pool_args[] = {WINDOW, {"dilation", MN_ARG_ANY, "1", NULL, "n or [height, width]"}, END};
static const mn_arg_def avg_pool_args[] = {
    WINDOW, {"count_include_pad", MN_ARG_BOOL, "true", NULL, "padding counts as zeros of the mean"}, END};
static const mn_arg_def adaptive_args[] = {{"output_size", MN_ARG_ANY, "1", NULL, "only 1"}, END};
static const mn_arg_def dropout_args[] = {{"p", MN_ARG_REAL, "0.5", NULL, "probability of a zero"}, INPLACE, END};
static const mn_arg_def flatten_args[] = {
    {"start_dim", MN_ARG_INT, "1", NULL, "only 1"}, {"end_dim", MN_ARG_INT, "-1", NULL, "only -1"}, END};
static const int32_t pool_max = MODNAS_POOL_MAX, pool_avg = MODNAS_POOL_AVG;

static const mn_component rows[] = {
    {"layer", "Conv2d", "convolution", conv_args, build_conv, NULL},
    {"layer", "BatchNorm2d", "batch normalisation", bn_args, build_batch_norm, NULL},
    {"layer", "Linear", "fully connected, on (N, C, 1, 1)", linear_args, build_linear, NULL},
    {"layer", "ConvBNAct", "convolution, batch norm, activation, as children 0, 1, 2", block_args, build_conv_bn_act,
     NULL},
    {"layer", "SqueezeExcitation", "channels scaled by what two 1x1 convolutions make of their means", se_args,
     build_squeeze_excite, NULL},
    {"layer", "ReLU", "max(x, 0)", act_args, build_activation, NULL},
    {"layer", "ReLU6", "min(max(x, 0), 6)", act_args, build_activation, NULL},
    {"layer", "Hardswish", "x relu6(x + 3) / 6", act_args, build_activation, NULL},
    {"layer", "SiLU", "x sigmoid(x)", act_args, build_activation, NULL},
    {"layer", "Sigmoid", "1 / (1 + exp(-x))", act_args, build_activation, NULL},
    {"layer", "Hardsigmoid", "relu6(x + 3) / 6", act_args, build_activation, NULL},
    {"layer", "Tanh", "hyperbolic tangent", act_args, build_activation, NULL},
    {"layer", "MaxPool2d", "largest of a window", max_pool_args, build_pool, &pool_max},
    {"layer", "AvgPool2d", "mean of a window", avg_pool_args, build_pool, &pool_avg},
    {"layer", "AdaptiveAvgPool2d", "mean over height and width", adaptive_args, build_global_pool, NULL},
    {"layer", "GlobalAvgPool", "mean over height and width", NULL, build_global_pool, NULL},
    {"layer", "Dropout", "zeros with probability p while training", dropout_args, build_dropout, NULL},
    {"layer", "Flatten", "(N, C, H, W) becomes (N, C H W, 1, 1)", flatten_args, build_flatten, NULL},
    {"layer", "Identity", "the source itself", NULL, build_identity, NULL},
};

int mn_layers_register(modnas_ctx *ctx) {
    MN_TRY(mn_registry_add_all(ctx, rows, MN_COUNT(rows)));
    return mn_layer_blocks_register(ctx);
}
