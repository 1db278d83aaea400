/* Rows of the kernel case table: convolution and pooling. Odd channel counts (1, 3, 17, 24), odd sizes, strides, batch
 * 1, asymmetric pads, windows larger than the image; and, marked bench, shapes of the CIFAR MobileNetV2 at batch 64. */
#include <stdio.h>

#include "util_kernel_args.h"

typedef struct conv_row {
    const char *name;
    int64_t n, c, h, w, o;
    int32_t kernel[2], stride[2], pad[4], dilation[2], groups;
    int32_t flags, act, bench;
} conv_row;

#define K1                                                                                                             \
    {1, 1}, {1, 1}, {0, 0, 0, 0}, {                                                                                    \
        1, 1                                                                                                           \
    }
#define K1S2                                                                                                           \
    {1, 1}, {2, 2}, {0, 0, 0, 0}, {                                                                                    \
        1, 1                                                                                                           \
    }
/* a square kernel that keeps the size ("same") at stride 1 */
#define KS(k, s)                                                                                                       \
    {k, k}, {s, s}, {(k) / 2, (k) / 2, (k) / 2, (k) / 2}, {                                                            \
        1, 1                                                                                                           \
    }
#define KD(k, s, d)                                                                                                    \
    {k, k}, {s, s}, {(k) / 2 * (d), (k) / 2 * (d), (k) / 2 * (d), (k) / 2 * (d)}, {                                    \
        d, d                                                                                                           \
    }

enum {
    BIAS = MODNAS_KF_BIAS,
    RESIDUAL = MODNAS_KF_RESIDUAL,
    FOLD = MODNAS_KF_FOLD_BN,
    AFFINE = MODNAS_KF_AFFINE,
    RELU = MODNAS_ACT_RELU,
    RELU6 = MODNAS_ACT_RELU6,
    HSWISH = MODNAS_ACT_HARD_SWISH
};

static const conv_row conv_rows[] = {
    {"1x1_c1_o1_b1", 1, 1, 5, 5, 1, K1, 1, 0, 0, 0},
    {"1x1_c3_o17", 2, 3, 9, 7, 17, K1, 1, 0, 0, 0},
    {"1x1_c17_o24_bias", 3, 17, 7, 5, 24, K1, 1, BIAS, 0, 0},
    {"1x1_c24_o3_b1", 1, 24, 6, 6, 3, K1, 1, 0, 0, 0},
    {"1x1_c16_o32", 2, 16, 8, 8, 32, K1, 1, 0, 0, 0},
    {"1x1_c24_o72_1px", 4, 24, 1, 1, 72, K1, 1, BIAS, 0, 0},
    {"1x1_c17_o24_s2", 2, 17, 7, 9, 24, K1S2, 1, 0, 0, 0},
    {"1x1_c16_o16_s2", 2, 16, 8, 8, 16, K1S2, 1, 0, 0, 0},
    {"3x3_c1_o4_b1", 1, 1, 28, 28, 4, KS(3, 1), 1, BIAS, 0, 0},
    {"3x3_c3_o16", 2, 3, 9, 9, 16, KS(3, 1), 1, 0, 0, 0},
    {"3x3_c3_o17_s2", 2, 3, 11, 9, 17, KS(3, 2), 1, BIAS, 0, 0},
    {"3x3_c17_o24", 2, 17, 9, 7, 24, KS(3, 1), 1, 0, 0, 0},
    {"3x3_c32_o32", 2, 32, 8, 8, 32, KS(3, 1), 1, 0, 0, 0},
    {"3x3_valid_c5_o7", 2, 5, 6, 8, 7, {3, 3}, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1, 0, 0, 0},
    {"3x3_valid_s2_rest", 1, 4, 8, 8, 6, {3, 3}, {2, 2}, {0, 0, 0, 0}, {1, 1}, 1, 0, 0, 0},
    {"5x5_c3_o8_s2", 2, 3, 12, 12, 8, KS(5, 2), 1, 0, 0, 0},
    {"7x7_c3_o8_s2", 1, 3, 15, 15, 8, KS(7, 2), 1, 0, 0, 0},
    {"3x1_rect", 2, 6, 9, 7, 8, {3, 1}, {1, 1}, {1, 0, 1, 0}, {1, 1}, 1, 0, 0, 0},
    {"1x5_rect_s12", 2, 6, 9, 11, 8, {1, 5}, {1, 2}, {0, 2, 0, 2}, {1, 1}, 1, 0, 0, 0},
    {"3x3_asym_same_s2", 2, 3, 10, 10, 8, {3, 3}, {2, 2}, {0, 0, 1, 1}, {1, 1}, 1, 0, 0, 0},
    {"3x3_asym_all", 1, 5, 6, 7, 6, {3, 3}, {1, 1}, {2, 0, 1, 3}, {1, 1}, 1, BIAS, 0, 0},
    {"3x3_group4", 2, 24, 8, 8, 16, KS(3, 1), 4, 0, 0, 0},
    {"3x3_group3_odd_s2", 2, 6, 9, 9, 9, KS(3, 2), 3, BIAS, 0, 0},
    {"3x3_group2_c32", 2, 32, 6, 6, 32, KS(3, 1), 2, 0, 0, 0},
    {"1x1_group4", 2, 24, 5, 5, 12, K1, 4, 0, 0, 0},
    {"3x3_dil2", 1, 3, 10, 10, 8, KD(3, 1, 2), 1, 0, 0, 0},
    {"3x3_dil2_s2_c17", 2, 17, 11, 11, 8, KD(3, 2, 2), 1, 0, 0, 0},
    {"3x3_group2_dil3", 1, 6, 9, 9, 4, KD(3, 1, 3), 2, 0, 0, 0},
    {"3x3_dil2_c24_o17_b1", 1, 24, 11, 9, 17, KD(3, 1, 2), 1, BIAS, 0, 0},
    {"5x5_dil3_c17_o3", 2, 17, 13, 15, 3, KD(5, 1, 3), 1, 0, 0, 0},
    {"3x3_dil12_s21_rect", 2, 5, 9, 10, 24, {3, 3}, {2, 1}, {1, 2, 1, 2}, {1, 2}, 1, 0, 0, 0},
    {"3x3_dil2_asym_valid", 2, 24, 9, 8, 16, {3, 3}, {2, 2}, {0, 1, 2, 0}, {2, 2}, 1, 0, 0, 0},
    {"dw_k3_c1_b1", 1, 1, 6, 6, 1, KS(3, 1), 1, 0, 0, 0},
    {"dw_k3_c3", 2, 3, 7, 7, 3, KS(3, 1), 3, 0, 0, 0},
    {"dw_k3_c17", 2, 17, 9, 7, 17, KS(3, 1), 17, 0, 0, 0},
    {"dw_k3_c24_bias", 2, 24, 8, 8, 24, KS(3, 1), 24, BIAS, 0, 0},
    {"dw_k3_c32_s2", 2, 32, 8, 8, 32, KS(3, 2), 32, 0, 0, 0},
    {"dw_k3_c17_s2_odd", 3, 17, 7, 9, 17, KS(3, 2), 17, 0, 0, 0},
    {"dw_k5_c24", 2, 24, 8, 8, 24, KS(5, 1), 24, 0, 0, 0},
    {"dw_k5_c17_s2", 2, 17, 9, 9, 17, KS(5, 2), 17, 0, 0, 0},
    {"dw_k7_c24", 2, 24, 8, 8, 24, KS(7, 1), 24, 0, 0, 0},
    {"dw_k7_c3_s2", 2, 3, 11, 11, 3, KS(7, 2), 3, 0, 0, 0},
    {"dw_k7_c32_4x4", 2, 32, 4, 4, 32, KS(7, 1), 32, 0, 0, 0},
    {"dw_k9_c17", 1, 17, 9, 9, 17, KS(9, 1), 17, 0, 0, 0},
    {"dw_k9_c24_s2", 2, 24, 8, 8, 24, KS(9, 2), 24, 0, 0, 0},
    {"dw_k5_2x2", 2, 16, 2, 2, 16, KS(5, 1), 16, 0, 0, 0},
    {"dw_k3_1x1", 2, 16, 1, 1, 16, KS(3, 1), 16, 0, 0, 0},
    {"dw_k3_w33", 1, 16, 5, 33, 16, KS(3, 1), 16, 0, 0, 0},
    {"dw_k5_w17_s2", 1, 24, 6, 17, 24, KS(5, 2), 24, 0, 0, 0},
    {"dw_k3_x2", 2, 8, 6, 6, 16, KS(3, 1), 8, 0, 0, 0},
    {"dw_k3_dil2", 2, 17, 10, 10, 17, KD(3, 1, 2), 17, 0, 0, 0},
    {"dw_k5_dil2_s2", 1, 4, 12, 12, 4, KD(5, 2, 2), 4, 0, 0, 0},
    {"dw_k3_dil2_s2_c24", 2, 24, 9, 11, 24, KD(3, 2, 2), 24, BIAS, 0, 0},
    {"dw_k5_dil2_c24_b1", 1, 24, 11, 9, 24, KD(5, 1, 2), 24, 0, 0, 0},
    {"dw_k3_dil3_c17", 2, 17, 9, 8, 17, KD(3, 1, 3), 17, 0, 0, 0},
    {"dw_k7_dil2_c24_s2", 2, 24, 13, 13, 24, KD(7, 2, 2), 24, 0, 0, 0},
    {"dw_k3_dil21_rect", 2, 17, 8, 9, 17, {3, 3}, {1, 2}, {2, 1, 2, 1}, {2, 1}, 17, 0, 0, 0},
    {"dw_k3_asym", 2, 24, 8, 8, 24, {3, 3}, {2, 2}, {0, 0, 1, 1}, {1, 1}, 24, 0, 0, 0},
    {"dw_k5x3_rect", 2, 17, 8, 9, 17, {5, 3}, {1, 2}, {2, 1, 2, 1}, {1, 1}, 17, 0, 0, 0},
    {"dw_k3_valid", 2, 24, 7, 7, 24, {3, 3}, {1, 1}, {0, 0, 0, 0}, {1, 1}, 24, 0, 0, 0},

    {"fused_1x1_relu", 2, 17, 6, 6, 24, K1, 1, BIAS, RELU, 0},
    {"fused_3x3_hswish", 2, 3, 8, 8, 16, KS(3, 2), 1, 0, HSWISH, 0},
    {"fused_1x1_residual", 2, 24, 5, 7, 24, K1, 1, RESIDUAL, 0, 0},
    {"fused_1x1_residual_relu", 2, 24, 5, 7, 17, K1, 1, BIAS | RESIDUAL, RELU, 0},
    {"fused_1x1_fold", 2, 17, 6, 6, 24, K1, 1, FOLD, 0, 0},
    {"fused_1x1_fold_affine_residual", 2, 24, 6, 6, 24, K1, 1, FOLD | AFFINE | RESIDUAL, 0, 0},
    {"fused_3x3_fold_affine_relu6", 2, 3, 9, 9, 17, KS(3, 2), 1, FOLD | AFFINE, RELU6, 0},
    {"fused_dw_fold_affine_relu6", 2, 24, 8, 8, 24, KS(5, 1), 24, FOLD | AFFINE, RELU6, 0},
    {"fused_dw_dil2_fold_affine_relu6", 2, 24, 8, 8, 24, KD(3, 1, 2), 24, FOLD | AFFINE, RELU6, 0},
    {"fused_dw_fold_affine_hswish", 2, 17, 8, 8, 17, KS(3, 2), 17, FOLD | AFFINE, HSWISH, 0},
    {"fused_all", 1, 6, 7, 7, 9, KS(3, 1), 3, BIAS | FOLD | AFFINE | RESIDUAL, RELU6, 0},

    {"c24_o144_h32", 64, 24, 32, 32, 144, K1, 1, 0, 0, 1},
    {"c144_o24_h32", 64, 144, 32, 32, 24, K1, 1, 0, 0, 1},
    {"c160_o960_h4", 64, 160, 4, 4, 960, K1, 1, 0, 0, 1},
    {"c320_o1280_h4", 64, 320, 4, 4, 1280, K1, 1, 0, 0, 1},
    {"stem_c3_o32_h32", 64, 3, 32, 32, 32, KS(3, 1), 1, 0, 0, 1},
    {"dw_k3_c144_h32", 64, 144, 32, 32, 144, KS(3, 1), 144, 0, 0, 1},
    {"dw_k5_c96_h32_s2", 64, 96, 32, 32, 96, KS(5, 2), 96, 0, 0, 1},
    {"dw_k5_c144_h16", 64, 144, 16, 16, 144, KS(5, 1), 144, 0, 0, 1},
    {"dw_k7_c192_h8", 64, 192, 8, 8, 192, KS(7, 1), 192, 0, 0, 1},
    {"dw_k7_c960_h4", 64, 960, 4, 4, 960, KS(7, 1), 960, 0, 0, 1},
    {"3x3_c64_o64_h16", 64, 64, 16, 16, 64, KS(3, 1), 1, 0, 0, 1},
};

static void set_window(modnas_window *w, const int32_t kernel[2], const int32_t stride[2], const int32_t pad[4],
                       const int32_t dilation[2], int32_t groups) {
    for (int i = 0; i < 2; i++) {
        w->kernel[i] = kernel[i];
        w->stride[i] = stride[i];
        w->dilation[i] = dilation[i];
    }
    for (int i = 0; i < 4; i++) w->pad[i] = pad[i];
    w->groups = groups;
}

/* Positions of a window along an axis: PyTorch, Conv2d and MaxPool2d, "Shape". */
static int64_t n_positions(int64_t size, const modnas_window *w, int axis, int ceil_mode) {
    const int64_t room = size + w->pad[axis] + w->pad[axis + 2] - w->dilation[axis] * (w->kernel[axis] - 1) - 1;
    return (room + (ceil_mode ? w->stride[axis] - 1 : 0)) / w->stride[axis] + 1;
}

static int32_t conv_passes(int row) {
    const conv_row *r = &conv_rows[row];
    return r->act || (r->flags & (RESIDUAL | FOLD)) ? KC_F : KC_F | KC_D | KC_W;
}

static void conv_build(int row, kc_case *c) {
    const conv_row *r = &conv_rows[row];
    modnas_kernel *k = &c->kernel;
    snprintf(c->name, sizeof c->name, "%s", r->name);
    c->bench = r->bench;
    set_window(&k->u.window, r->kernel, r->stride, r->pad, r->dilation, r->groups);
    kc_set_dims(&k->src, (const int64_t[]){r->n, r->c, r->h, r->w});
    kc_set_dims(&k->weights, (const int64_t[]){r->o, r->c / r->groups, r->kernel[0], r->kernel[1]});
    kc_set_dims(&k->dst, (const int64_t[]){r->n, r->o, n_positions(r->h, &k->u.window, 0, 0),
                                           n_positions(r->w, &k->u.window, 1, 0)});
    k->act = r->act;
    k->flags = k->pass == MODNAS_BACKWARD_DATA ? 0 : r->flags;
    c->n_scalars = r->flags & FOLD ? 1 : 0;
    c->scalars[0] = r->flags & FOLD ? 1e-3 : 0;
}

typedef struct pool_row {
    const char *name;
    int32_t algo;
    int64_t n, c, h, w;
    int32_t kernel[2], stride[2], pad[4], dilation[2], ceil_mode, flags, bench;
} pool_row;

enum { MAX = MODNAS_POOL_MAX, AVG = MODNAS_POOL_AVG, AVG_PAD = MODNAS_POOL_AVG_INCLUDE_PAD };

#define K2                                                                                                             \
    {2, 2}, {2, 2}, {0, 0, 0, 0}, {                                                                                    \
        1, 1                                                                                                           \
    }
#define GLOBAL(h, w)                                                                                                   \
    {h, w}, {1, 1}, {0, 0, 0, 0}, {                                                                                    \
        1, 1                                                                                                           \
    }

static const pool_row pool_rows[] = {
    {"max_k3_s1", MAX, 2, 3, 8, 8, KS(3, 1), 0, 0, 0},
    {"max_k3_s2_c17", MAX, 2, 17, 9, 7, KS(3, 2), 0, 0, 0},
    {"max_k2_rest", MAX, 1, 24, 9, 9, K2, 0, 0, 0},
    {"max_k2_ceil", MAX, 1, 24, 9, 9, K2, 1, 0, 0},
    {"max_k3_s2_ceil_c1", MAX, 1, 1, 8, 8, {3, 3}, {2, 2}, {0, 0, 0, 0}, {1, 1}, 1, 0, 0},
    {"max_k3_dil2", MAX, 2, 17, 9, 9, KD(3, 1, 2), 0, 0, 0},
    {"max_asym_rect", MAX, 2, 24, 8, 9, {3, 2}, {2, 1}, {0, 0, 1, 1}, {1, 1}, 0, 0, 0},
    {"max_global", MAX, 2, 17, 5, 5, GLOBAL(5, 5), 0, 0, 0},
    {"max_k3_inference", MAX, 2, 24, 8, 8, KS(3, 2), 0, MODNAS_KF_INFERENCE, 0},
    {"avg_k3_s1", AVG, 2, 3, 8, 8, KS(3, 1), 0, 0, 0},
    {"avg_k3_s2_c17", AVG, 2, 17, 9, 7, KS(3, 2), 0, 0, 0},
    {"avg_k3_ceil", AVG, 1, 24, 8, 8, {3, 3}, {2, 2}, {0, 0, 0, 0}, {1, 1}, 1, 0, 0},
    {"avg_k5_asym", AVG, 1, 16, 7, 7, {5, 5}, {2, 2}, {1, 2, 2, 1}, {1, 1}, 0, 0, 0},
    {"avg_k2_dil2", AVG, 1, 17, 7, 7, {2, 2}, {1, 1}, {0, 0, 0, 0}, {2, 2}, 0, 0, 0},
    {"avg_global_c24", AVG, 3, 24, 7, 6, GLOBAL(7, 6), 0, 0, 0},
    {"avg_global_c17_b1", AVG, 1, 17, 4, 4, GLOBAL(4, 4), 0, 0, 0},
    {"avg_pad_k3_s1", AVG_PAD, 2, 3, 8, 8, KS(3, 1), 0, 0, 0},
    {"avg_pad_k3_s2_c17", AVG_PAD, 2, 17, 9, 7, KS(3, 2), 0, 0, 0},
    {"avg_pad_k3_s2_ceil", AVG_PAD, 1, 24, 8, 8, KS(3, 2), 1, 0, 0},
    {"avg_global_h4_c1280", AVG, 64, 1280, 4, 4, GLOBAL(4, 4), 0, 0, 1},
    {"max_k3_s1_h32_c64", MAX, 64, 64, 32, 32, KS(3, 1), 0, 0, 1},
};

static int32_t pool_passes(int row) {
    return pool_rows[row].flags & MODNAS_KF_INFERENCE ? KC_F : KC_F | KC_D;
}

static void pool_build(int row, kc_case *c) {
    const pool_row *r = &pool_rows[row];
    modnas_kernel *k = &c->kernel;
    snprintf(c->name, sizeof c->name, "%s", r->name);
    c->bench = r->bench;
    set_window(&k->u.window, r->kernel, r->stride, r->pad, r->dilation, 1);
    kc_set_dims(&k->src, (const int64_t[]){r->n, r->c, r->h, r->w});
    kc_set_dims(&k->dst, (const int64_t[]){r->n, r->c, n_positions(r->h, &k->u.window, 0, r->ceil_mode),
                                           n_positions(r->w, &k->u.window, 1, r->ceil_mode)});
    k->algo = r->algo;
    k->flags = r->flags;
}

const kc_group kc_window_groups[] = {
    {MODNAS_KERNEL_CONV2D, MN_COUNT(conv_rows), conv_passes, conv_build},
    {MODNAS_KERNEL_POOL2D, MN_COUNT(pool_rows), pool_passes, pool_build},
};
const int kc_n_window_groups = MN_COUNT(kc_window_groups);
