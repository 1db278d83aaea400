/* Rows of the kernel case table: everything without a window. */
#include <stdio.h>
#include <string.h>

#include "util_kernel_args.h"

enum {
    BIAS = MODNAS_KF_BIAS,
    AFFINE = MODNAS_KF_AFFINE,
    RESIDUAL = MODNAS_KF_RESIDUAL,
    UPDATE = MODNAS_KF_UPDATE_STATS,
    GLOBAL = MODNAS_KF_GLOBAL_STATS,
    INFERENCE = MODNAS_KF_INFERENCE,
    RELU = MODNAS_ACT_RELU,
    RELU6 = MODNAS_ACT_RELU6,
    HSWISH = MODNAS_ACT_HARD_SWISH
};

/* Forward alone; forward and backward. */
static int32_t forward_only(int row) {
    (void)row;
    return KC_F;
}

static int32_t both_passes(int row) {
    (void)row;
    return KC_F | KC_D;
}

static void set_scalars(kc_case *c, const double *scalars, int n) {
    c->n_scalars = n;
    memcpy(c->scalars, scalars, sizeof(double) * (size_t)n);
}

/* ---- linear ---- */

typedef struct linear_row {
    const char *name;
    int64_t n, c, o;
    int32_t flags, act, bench;
} linear_row;

static const linear_row linear_rows[] = {
    {"c12_o7_bias", 5, 12, 7, BIAS, 0, 0},   {"c17_o24", 3, 17, 24, 0, 0, 0},
    {"c1_o1_b1", 1, 1, 1, BIAS, 0, 0},       {"c24_o10_b1", 1, 24, 10, BIAS, 0, 0},
    {"c128_o17", 16, 128, 17, 0, 0, 0},      {"c17_o3_relu", 4, 17, 3, BIAS, RELU, 0},
    {"c1280_o10", 64, 1280, 10, BIAS, 0, 1},
};

static int32_t linear_passes(int row) {
    return linear_rows[row].act ? KC_F : KC_F | KC_D | KC_W;
}

static void linear_build(int row, kc_case *c) {
    const linear_row *r = &linear_rows[row];
    snprintf(c->name, sizeof c->name, "%s", r->name);
    c->bench = r->bench;
    kc_set_dims(&c->kernel.src, (const int64_t[]){r->n, r->c, 1, 1});
    kc_set_dims(&c->kernel.weights, (const int64_t[]){r->o, r->c, 1, 1});
    kc_set_dims(&c->kernel.dst, (const int64_t[]){r->n, r->o, 1, 1});
    c->kernel.act = r->act;
    c->kernel.flags = c->kernel.pass == MODNAS_BACKWARD_DATA ? 0 : r->flags;
}

/* ---- kernels whose dst is like their src: batch_norm, activation, shuffle, softmax, dropout, reorder ---- */

typedef struct same_row {
    const char *name;
    int64_t dims[4];
    int32_t flags, act, groups, bench;
    double scalars[2];
} same_row;

static void same_build(const same_row *r, kc_case *c) {
    snprintf(c->name, sizeof c->name, "%s", r->name);
    c->bench = r->bench;
    kc_set_dims(&c->kernel.src, r->dims);
    kc_set_dims(&c->kernel.dst, r->dims);
    c->kernel.flags = r->flags;
    c->kernel.act = r->act;
    c->kernel.groups = r->groups;
}

static const same_row bn_rows[] = {
    {"train_c3", {4, 3, 5, 5}, AFFINE | UPDATE, 0, 0, 0, {1e-5, 0.1}},
    {"train_c17_plain", {2, 17, 7, 5}, UPDATE, 0, 0, 0, {1e-5, 0.1}},
    {"train_c24_frozen_running", {2, 24, 6, 6}, AFFINE, 0, 0, 0, {1e-5, 0.1}},
    {"train_c1_b1", {1, 1, 9, 9}, AFFINE | UPDATE, 0, 0, 0, {1e-5, 0.1}},
    {"train_c10_1px", {8, 10, 1, 1}, AFFINE | UPDATE, 0, 0, 0, {1e-3, 0.01}},
    {"train_relu_c24", {3, 24, 7, 7}, AFFINE | UPDATE, RELU, 0, 0, {1e-5, 0.1}},
    {"train_relu6_c17", {2, 17, 9, 5}, AFFINE | UPDATE, RELU6, 0, 0, {1e-5, 0.1}},
    {"train_relu6_c32", {2, 32, 8, 8}, AFFINE | UPDATE, RELU6, 0, 0, {1e-5, 0.1}},
    {"train_relu_plain_c3", {2, 3, 6, 6}, UPDATE, RELU, 0, 0, {1e-5, 0.1}},
    {"train_hswish_c24", {2, 24, 7, 5}, AFFINE | UPDATE, HSWISH, 0, 0, {1e-5, 0.1}},
    {"train_hswish_plain_c17", {3, 17, 5, 5}, UPDATE, HSWISH, 0, 0, {1e-5, 0.1}},
    {"train_hswish_c3_b1", {1, 3, 9, 7}, AFFINE, HSWISH, 0, 0, {1e-3, 0.1}},
    {"global_hswish_c17", {2, 17, 5, 7}, AFFINE | GLOBAL, HSWISH, 0, 0, {1e-5, 0.1}},
    {"inference_hswish_residual_c24", {2, 24, 5, 3}, AFFINE | GLOBAL | RESIDUAL | INFERENCE, HSWISH, 0, 0, {1e-5, 0.1}},
    {"train_residual_c24", {2, 24, 5, 5}, AFFINE | UPDATE | RESIDUAL, 0, 0, 0, {1e-5, 0.1}},
    {"train_residual_relu_c17", {2, 17, 6, 6}, AFFINE | UPDATE | RESIDUAL, RELU, 0, 0, {1e-5, 0.1}},
    {"train_residual_relu6_c16", {2, 16, 6, 6}, AFFINE | UPDATE | RESIDUAL, RELU6, 0, 0, {1e-5, 0.1}},
    {"global_c17", {2, 17, 6, 6}, AFFINE | GLOBAL, 0, 0, 0, {1e-5, 0.1}},
    {"global_plain_c3", {2, 3, 8, 8}, GLOBAL, 0, 0, 0, {1e-3, 0.1}},
    {"global_relu6_c24", {2, 24, 6, 6}, AFFINE | GLOBAL, RELU6, 0, 0, {1e-5, 0.1}},
    {"global_residual_relu_c17", {1, 17, 6, 6}, AFFINE | GLOBAL | RESIDUAL, RELU, 0, 0, {1e-5, 0.1}},
    {"inference_global_c24", {2, 24, 7, 5}, AFFINE | GLOBAL | INFERENCE, 0, 0, 0, {1e-5, 0.1}},
    {"inference_global_relu_residual_c17",
     {2, 17, 7, 5},
     AFFINE | GLOBAL | RESIDUAL | INFERENCE,
     RELU,
     0,
     0,
     {1e-5, 0.1}},
    {"inference_batch_c17", {2, 17, 7, 5}, AFFINE | INFERENCE, RELU6, 0, 0, {1e-5, 0.1}},
    {"inference_batch_update_c24", {2, 24, 5, 5}, AFFINE | UPDATE | INFERENCE, 0, 0, 0, {1e-5, 0.1}},
    {"train_relu6_c144_h32", {64, 144, 32, 32}, AFFINE | UPDATE, RELU6, 0, 1, {1e-5, 0.1}},
    {"train_hswish_c144_h32", {64, 144, 32, 32}, AFFINE | UPDATE, HSWISH, 0, 1, {1e-5, 0.1}},
    {"train_residual_c24_h32", {64, 24, 32, 32}, AFFINE | UPDATE | RESIDUAL, 0, 0, 1, {1e-5, 0.1}},
    {"train_relu6_c960_h4", {64, 960, 4, 4}, AFFINE | UPDATE, RELU6, 0, 1, {1e-5, 0.1}},
};

static int32_t bn_passes(int row) {
    return bn_rows[row].flags & INFERENCE ? KC_F : KC_F | KC_D;
}

static void bn_build(int row, kc_case *c) {
    same_build(&bn_rows[row], c);
    if (c->kernel.pass == MODNAS_FORWARD) set_scalars(c, bn_rows[row].scalars, 2);
    if (c->kernel.pass != MODNAS_FORWARD) c->kernel.flags &= ~UPDATE;
}

static const same_row act_rows[] = {
    {"none", {2, 17, 5, 3}, 0, MODNAS_ACT_NONE, 0, 0, {0, 0}},
    {"relu_c24", {2, 24, 5, 3}, 0, RELU, 0, 0, {0, 0}},
    {"relu_c17", {2, 17, 5, 3}, 0, RELU, 0, 0, {0, 0}},
    {"relu6_c17", {2, 17, 5, 3}, 0, RELU6, 0, 0, {0, 0}},
    {"clip", {2, 3, 5, 7}, 0, MODNAS_ACT_CLIP, 0, 0, {-1.25, 2.5}},
    {"sigmoid", {1, 17, 4, 4}, 0, MODNAS_ACT_SIGMOID, 0, 0, {0, 0}},
    {"hard_sigmoid", {2, 17, 3, 3}, 0, MODNAS_ACT_HARD_SIGMOID, 0, 0, {0, 0}},
    {"hard_swish", {2, 24, 3, 3}, 0, MODNAS_ACT_HARD_SWISH, 0, 0, {0, 0}},
    {"swish", {2, 17, 3, 3}, 0, MODNAS_ACT_SWISH, 0, 0, {0, 0}},
    {"tanh", {1, 1, 9, 9}, 0, MODNAS_ACT_TANH, 0, 0, {0, 0}},
    {"linear", {2, 17, 3, 3}, 0, MODNAS_ACT_LINEAR, 0, 0, {0.5, -0.75}},
    {"leaky_relu_c17", {2, 17, 5, 3}, 0, MODNAS_ACT_LEAKY_RELU, 0, 0, {0.1, 0}},
    {"elu_c17", {2, 17, 5, 3}, 0, MODNAS_ACT_ELU, 0, 0, {1, 1}},
    {"elu_selu_c24", {1, 24, 7, 3}, 0, MODNAS_ACT_ELU, 0, 0, {1.7580993408473766, 1.0507009873554805}},
    {"softplus_c17", {2, 17, 3, 3}, 0, MODNAS_ACT_SOFTPLUS, 0, 0, {0, 0}},
    {"exp_c17", {2, 17, 3, 3}, 0, MODNAS_ACT_EXP, 0, 0, {0, 0}},
    {"log_c17", {2, 17, 3, 3}, 0, MODNAS_ACT_LOG, 0, 0, {0, 0}},
    {"pow_c17_reciprocal", {2, 17, 3, 3}, 0, MODNAS_ACT_POW, 0, 0, {-1, 0}},
    {"pow_c24_root", {2, 24, 3, 5}, 0, MODNAS_ACT_POW, 0, 0, {0.5, 0}},
    {"pow_c3", {2, 3, 3, 3}, 0, MODNAS_ACT_POW, 0, 0, {2.5, 0}},
    {"abs_c17", {2, 17, 5, 3}, 0, MODNAS_ACT_ABS, 0, 0, {0, 0}},
    {"relu6_c144_h32", {64, 144, 32, 32}, 0, RELU6, 0, 1, {0, 0}},
};

static void act_build(int row, kc_case *c) {
    same_build(&act_rows[row], c);
    set_scalars(c, act_rows[row].scalars, 2);
}

static const same_row shuffle_rows[] = {
    {"c12_g3", {2, 12, 3, 3}, 0, 0, 3, 0, {0}},        {"c24_g2", {1, 24, 5, 3}, 0, 0, 2, 0, {0}},
    {"c17_g17", {2, 17, 4, 4}, 0, 0, 17, 0, {0}},      {"c32_g1", {1, 32, 2, 2}, 0, 0, 1, 0, {0}},
    {"c48_g2_h16", {64, 48, 16, 16}, 0, 0, 2, 1, {0}},
};
static void shuffle_build(int row, kc_case *c) {
    same_build(&shuffle_rows[row], c);
}

static const same_row softmax_rows[] = {
    {"c6", {5, 6, 1, 1}, 0, 0, 0, 0, {0}},
    {"c17_hw", {2, 17, 3, 4}, 0, 0, 0, 0, {0}},
    {"c1", {3, 1, 1, 1}, 0, 0, 0, 0, {0}},
    {"log_c6", {5, 6, 1, 1}, MODNAS_KF_LOG, 0, 0, 0, {0}},
    {"log_c24_hw", {2, 24, 2, 3}, MODNAS_KF_LOG, 0, 0, 0, {0}},
    {"c1000_b64", {64, 1000, 1, 1}, 0, 0, 0, 1, {0}},
};
static void softmax_build(int row, kc_case *c) {
    same_build(&softmax_rows[row], c);
}

static const same_row dropout_rows[] = {
    {"p03_c17", {2, 17, 3, 3}, 0, 0, 0, 0, {0.3, 7}},
    {"p05_c24", {3, 24, 1, 1}, 0, 0, 0, 0, {0.5, 1}},
    {"p0_c3", {1, 3, 5, 5}, 0, 0, 0, 0, {0, 0}},
    {"p02_c1280", {64, 1280, 1, 1}, 0, 0, 0, 1, {0.2, 1}},
};

static void dropout_build(int row, kc_case *c) {
    const same_row *r = &dropout_rows[row];
    const double scalars[] = {r->scalars[0], 12345, r->scalars[1]};
    same_build(r, c);
    if (c->kernel.pass == MODNAS_FORWARD) set_scalars(c, scalars, 3);
}

static const same_row reorder_rows[] = {
    {"plain_c17", {2, 17, 3, 5}, 0, 0, 0, 0, {0}},
    {"plain_c24", {1, 24, 4, 4}, 0, 0, 0, 0, {0}},
    {"images_c3_h32", {64, 3, 32, 32}, 0, 0, 0, 1, {0}},
};
static void reorder_build(int row, kc_case *c) {
    same_build(&reorder_rows[row], c);
}

/* ---- three shapes: binary, weighted_sum, scale, dot, reduce ---- */

typedef struct trio_row {
    const char *name;
    int32_t choice; /* algo; n_src of weighted_sum; index of scale and dot */
    int64_t src[4], weights[4], dst[4];
    int32_t bench;
} trio_row;

static void trio_build(const trio_row *r, kc_case *c) {
    snprintf(c->name, sizeof c->name, "%s", r->name);
    c->bench = r->bench;
    kc_set_dims(&c->kernel.src, r->src);
    kc_set_dims(&c->kernel.weights, r->weights);
    kc_set_dims(&c->kernel.dst, r->dst);
}

static const trio_row binary_rows[] = {
    {"add_c17", MODNAS_BINARY_ADD, {2, 17, 5, 3}, {2, 17, 5, 3}, {2, 17, 5, 3}, 0},
    {"add_c24", MODNAS_BINARY_ADD, {2, 24, 5, 3}, {2, 24, 5, 3}, {2, 24, 5, 3}, 0},
    {"sub_c3", MODNAS_BINARY_SUB, {2, 3, 5, 3}, {2, 3, 5, 3}, {2, 3, 5, 3}, 0},
    {"mul_c17", MODNAS_BINARY_MUL, {1, 17, 4, 4}, {1, 17, 4, 4}, {1, 17, 4, 4}, 0},
    {"max_c24", MODNAS_BINARY_MAX, {2, 24, 3, 3}, {2, 24, 3, 3}, {2, 24, 3, 3}, 0},
    {"min_c17", MODNAS_BINARY_MIN, {2, 17, 3, 3}, {2, 17, 3, 3}, {2, 17, 3, 3}, 0},
    {"div_c17", MODNAS_BINARY_DIV, {2, 17, 3, 3}, {2, 17, 3, 3}, {2, 17, 3, 3}, 0},
    {"div_c24_channel", MODNAS_BINARY_DIV, {2, 24, 3, 5}, {1, 24, 1, 1}, {2, 24, 3, 5}, 0},
    {"div_c17_scalar_first", MODNAS_BINARY_DIV, {1, 1, 1, 1}, {2, 17, 4, 4}, {2, 17, 4, 4}, 0},
    {"add_channel", MODNAS_BINARY_ADD, {2, 17, 5, 3}, {1, 17, 1, 1}, {2, 17, 5, 3}, 0},
    {"mul_squeeze_excite", MODNAS_BINARY_MUL, {2, 24, 5, 3}, {2, 24, 1, 1}, {2, 24, 5, 3}, 0},
    {"sub_scalar", MODNAS_BINARY_SUB, {2, 17, 4, 4}, {1, 1, 1, 1}, {2, 17, 4, 4}, 0},
    {"sub_scalar_first", MODNAS_BINARY_SUB, {1, 1, 1, 1}, {2, 17, 4, 4}, {2, 17, 4, 4}, 0},
    {"add_row_and_column", MODNAS_BINARY_ADD, {2, 3, 5, 1}, {1, 3, 1, 4}, {2, 3, 5, 4}, 0},
    {"add_c24_h32", MODNAS_BINARY_ADD, {64, 24, 32, 32}, {64, 24, 32, 32}, {64, 24, 32, 32}, 1},
};
static void binary_build(int row, kc_case *c) {
    trio_build(&binary_rows[row], c);
    c->kernel.algo = binary_rows[row].choice;
}

static const trio_row sum_rows[] = {
    {"n1_c17", 1, {2, 17, 5, 3}, {1, 1, 1, 1}, {2, 17, 5, 3}, 0},
    {"n2_c24", 2, {2, 24, 5, 3}, {1, 1, 1, 2}, {2, 24, 5, 3}, 0},
    {"n6_c17", 6, {2, 17, 4, 4}, {1, 1, 1, 6}, {2, 17, 4, 4}, 0},
    {"n7_c3_b1", 7, {1, 3, 9, 9}, {1, 1, 1, 7}, {1, 3, 9, 9}, 0},
    {"n6_c24_h32", 6, {64, 24, 32, 32}, {1, 1, 1, 6}, {64, 24, 32, 32}, 1},
};
static void sum_build(int row, kc_case *c) {
    trio_build(&sum_rows[row], c);
    c->kernel.n_src = sum_rows[row].choice;
}

static const trio_row scale_rows[] = {
    {"i0_c17", 0, {2, 17, 5, 3}, {1, 1, 1, 1}, {2, 17, 5, 3}, 0},
    {"i4_c24", 4, {2, 24, 5, 3}, {1, 1, 1, 6}, {2, 24, 5, 3}, 0},
    {"i1_c24_h32", 1, {64, 24, 32, 32}, {1, 1, 1, 6}, {64, 24, 32, 32}, 1},
};
static const trio_row dot_rows[] = {
    {"i0_c17", 0, {2, 17, 5, 3}, {2, 17, 5, 3}, {1, 1, 1, 1}, 0},
    {"i3_c24", 3, {2, 24, 5, 3}, {2, 24, 5, 3}, {1, 1, 1, 6}, 0},
    {"i2_c3_b1", 2, {1, 3, 33, 31}, {1, 3, 33, 31}, {1, 1, 1, 3}, 0},
    {"i1_c24_h32", 1, {64, 24, 32, 32}, {64, 24, 32, 32}, {1, 1, 1, 6}, 1},
};
static void index_build(const trio_row *r, kc_case *c) {
    trio_build(r, c);
    c->n_scalars = 1;
    c->scalars[0] = r->choice;
}
static void scale_build(int row, kc_case *c) {
    index_build(&scale_rows[row], c);
}
static void dot_build(int row, kc_case *c) {
    index_build(&dot_rows[row], c);
}

static const trio_row reduce_rows[] = {
    {"sum_hw", MODNAS_REDUCE_SUM, {2, 17, 5, 3}, {0}, {2, 17, 1, 1}, 0},
    {"mean_hw", MODNAS_REDUCE_MEAN, {2, 24, 5, 3}, {0}, {2, 24, 1, 1}, 0},
    {"sum_all", MODNAS_REDUCE_SUM, {3, 3, 5, 7}, {0}, {1, 1, 1, 1}, 0},
    {"sum_nhw", MODNAS_REDUCE_SUM, {3, 17, 4, 4}, {0}, {1, 17, 1, 1}, 0},
    {"sum_hw_c17_big", MODNAS_REDUCE_SUM, {3, 17, 33, 31}, {0}, {3, 17, 1, 1}, 0},
    {"mean_nhw_c24", MODNAS_REDUCE_MEAN, {3, 24, 5, 4}, {0}, {1, 24, 1, 1}, 0},
    {"sum_hw_c144_h32", MODNAS_REDUCE_SUM, {64, 144, 32, 32}, {0}, {64, 144, 1, 1}, 1},
    {"mean_c", MODNAS_REDUCE_MEAN, {2, 17, 4, 4}, {0}, {2, 1, 4, 4}, 0},
    {"sum_w", MODNAS_REDUCE_SUM, {2, 3, 4, 9}, {0}, {2, 3, 4, 1}, 0},
    {"mean_n", MODNAS_REDUCE_MEAN, {5, 24, 1, 1}, {0}, {1, 24, 1, 1}, 0},
};
static void reduce_build(int row, kc_case *c) {
    trio_build(&reduce_rows[row], c);
    memset(&c->kernel.weights, 0, sizeof c->kernel.weights);
    c->kernel.algo = reduce_rows[row].choice;
}

const kc_group kc_plain_groups[] = {
    {MODNAS_KERNEL_LINEAR, MN_COUNT(linear_rows), linear_passes, linear_build},
    {MODNAS_KERNEL_BATCH_NORM, MN_COUNT(bn_rows), bn_passes, bn_build},
    {MODNAS_KERNEL_ACTIVATION, MN_COUNT(act_rows), both_passes, act_build},
    {MODNAS_KERNEL_BINARY, MN_COUNT(binary_rows), forward_only, binary_build},
    {MODNAS_KERNEL_WEIGHTED_SUM, MN_COUNT(sum_rows), forward_only, sum_build},
    {MODNAS_KERNEL_SCALE, MN_COUNT(scale_rows), forward_only, scale_build},
    {MODNAS_KERNEL_DOT, MN_COUNT(dot_rows), forward_only, dot_build},
    {MODNAS_KERNEL_SHUFFLE, MN_COUNT(shuffle_rows), both_passes, shuffle_build},
    {MODNAS_KERNEL_SOFTMAX, MN_COUNT(softmax_rows), both_passes, softmax_build},
    {MODNAS_KERNEL_DROPOUT, MN_COUNT(dropout_rows), both_passes, dropout_build},
    {MODNAS_KERNEL_REORDER, MN_COUNT(reorder_rows), forward_only, reorder_build},
    {MODNAS_KERNEL_REDUCE, MN_COUNT(reduce_rows), forward_only, reduce_build},
};
const int kc_n_plain_groups = MN_COUNT(kc_plain_groups);
