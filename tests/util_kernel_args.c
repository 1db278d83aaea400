/* The argument lists of modnas/sys/kernel.h as a table: one line an argument, in order. A line is passed as NULL unless
 * the kernel has all flags of `need` and none of `unless`. */
#include <string.h>

#include "util_kernel_args.h"
#include "util_kernel_cases.h"

enum shape {
    SRC = 0, /* dims of kernel.src */
    WEIGHTS, /* of kernel.weights */
    DST,     /* of kernel.dst */
    SRC_C,   /* (1, C, 1, 1) */
    DST_C,   /* (1, O, 1, 1) */
    ONE,     /* (1, 1, 1, 1) */
    ONE_F64, /* one f64, whatever the kernel's dtype */
    FLAT,    /* (1, 1, 1, scalars[0]) */
    LABELS   /* (N, 1, 1, 1) i32 */
};

typedef struct arg_row {
    int32_t kind, pass;
    const char *name;
    int32_t io, shape, fill, need, unless;
} arg_row;

enum {
    BIAS = MODNAS_KF_BIAS,
    AFFINE = MODNAS_KF_AFFINE,
    FOLD = MODNAS_KF_FOLD_BN,
    RESIDUAL = MODNAS_KF_RESIDUAL,
    SOFT = MODNAS_KF_SOFT_TARGET,
    MOMENTUM = MODNAS_KF_MOMENTUM,
    CENTERED = MODNAS_KF_CENTERED,
    INFERENCE = MODNAS_KF_INFERENCE,
    LOG = MODNAS_KF_LOG
};

#define K(kind, pass) MODNAS_KERNEL_##kind, MODNAS_##pass
#define DATA          BACKWARD_DATA

static const arg_row rows[] = {
    {K(CONV2D, FORWARD), "x", KC_IN, SRC, KC_FILL_UNIT, 0, 0},
    {K(CONV2D, FORWARD), "w", KC_IN, WEIGHTS, KC_FILL_UNIT, 0, 0},
    {K(CONV2D, FORWARD), "bias", KC_IN, DST_C, KC_FILL_UNIT, BIAS, 0},
    {K(CONV2D, FORWARD), "y", KC_OUT, DST, 0, 0, 0},
    {K(CONV2D, FORWARD), "gamma", KC_IN, DST_C, KC_FILL_GAMMA, FOLD | AFFINE, 0},
    {K(CONV2D, FORWARD), "beta", KC_IN, DST_C, KC_FILL_UNIT, FOLD | AFFINE, 0},
    {K(CONV2D, FORWARD), "mean", KC_IN, DST_C, KC_FILL_UNIT, FOLD, 0},
    {K(CONV2D, FORWARD), "var", KC_IN, DST_C, KC_FILL_POSITIVE, FOLD, 0},
    {K(CONV2D, FORWARD), "residual", KC_IN, DST, KC_FILL_UNIT, RESIDUAL, 0},
    {K(CONV2D, BACKWARD_DATA), "g_y", KC_IN, DST, KC_FILL_UNIT, 0, 0},
    {K(CONV2D, BACKWARD_DATA), "w", KC_IN, WEIGHTS, KC_FILL_UNIT, 0, 0},
    {K(CONV2D, BACKWARD_DATA), "g_x", KC_OUT, SRC, 0, 0, 0},
    {K(CONV2D, BACKWARD_WEIGHTS), "x", KC_IN, SRC, KC_FILL_UNIT, 0, 0},
    {K(CONV2D, BACKWARD_WEIGHTS), "g_y", KC_IN, DST, KC_FILL_UNIT, 0, 0},
    {K(CONV2D, BACKWARD_WEIGHTS), "g_w", KC_OUT, WEIGHTS, 0, 0, 0},
    {K(CONV2D, BACKWARD_WEIGHTS), "g_bias", KC_OUT, DST_C, 0, BIAS, 0},

    {K(LINEAR, FORWARD), "x", KC_IN, SRC, KC_FILL_UNIT, 0, 0},
    {K(LINEAR, FORWARD), "w", KC_IN, WEIGHTS, KC_FILL_UNIT, 0, 0},
    {K(LINEAR, FORWARD), "bias", KC_IN, DST_C, KC_FILL_UNIT, BIAS, 0},
    {K(LINEAR, FORWARD), "y", KC_OUT, DST, 0, 0, 0},
    {K(LINEAR, BACKWARD_DATA), "g_y", KC_IN, DST, KC_FILL_UNIT, 0, 0},
    {K(LINEAR, BACKWARD_DATA), "w", KC_IN, WEIGHTS, KC_FILL_UNIT, 0, 0},
    {K(LINEAR, BACKWARD_DATA), "g_x", KC_OUT, SRC, 0, 0, 0},
    {K(LINEAR, BACKWARD_WEIGHTS), "x", KC_IN, SRC, KC_FILL_UNIT, 0, 0},
    {K(LINEAR, BACKWARD_WEIGHTS), "g_y", KC_IN, DST, KC_FILL_UNIT, 0, 0},
    {K(LINEAR, BACKWARD_WEIGHTS), "g_w", KC_OUT, WEIGHTS, 0, 0, 0},
    {K(LINEAR, BACKWARD_WEIGHTS), "g_bias", KC_OUT, DST_C, 0, BIAS, 0},

    {K(BATCH_NORM, FORWARD), "x", KC_IN, SRC, KC_FILL_BN, 0, 0},
    {K(BATCH_NORM, FORWARD), "gamma", KC_IN, SRC_C, KC_FILL_GAMMA, AFFINE, 0},
    {K(BATCH_NORM, FORWARD), "beta", KC_IN, SRC_C, KC_FILL_UNIT, AFFINE, 0},
    {K(BATCH_NORM, FORWARD), "mean", KC_INOUT, SRC_C, KC_FILL_UNIT, 0, 0},
    {K(BATCH_NORM, FORWARD), "var", KC_INOUT, SRC_C, KC_FILL_POSITIVE, 0, 0},
    {K(BATCH_NORM, FORWARD), "saved_mean", KC_OUT, SRC_C, 0, 0, INFERENCE},
    {K(BATCH_NORM, FORWARD), "saved_rstd", KC_OUT, SRC_C, 0, 0, INFERENCE},
    {K(BATCH_NORM, FORWARD), "residual", KC_IN, DST, KC_FILL_UNIT, RESIDUAL, 0},
    {K(BATCH_NORM, FORWARD), "y", KC_OUT, DST, 0, 0, 0},
    {K(BATCH_NORM, BACKWARD_DATA), "x", KC_IN, SRC, KC_FILL_BN, 0, 0},
    {K(BATCH_NORM, BACKWARD_DATA), "y", KC_IN, DST, KC_FILL_UNIT, 0, 0},
    {K(BATCH_NORM, BACKWARD_DATA), "g_y", KC_IN, DST, KC_FILL_UNIT, 0, 0},
    {K(BATCH_NORM, BACKWARD_DATA), "gamma", KC_IN, SRC_C, KC_FILL_GAMMA, AFFINE, 0},
    {K(BATCH_NORM, BACKWARD_DATA), "saved_mean", KC_IN, SRC_C, KC_FILL_UNIT, 0, 0},
    {K(BATCH_NORM, BACKWARD_DATA), "saved_rstd", KC_IN, SRC_C, KC_FILL_POSITIVE, 0, 0},
    {K(BATCH_NORM, BACKWARD_DATA), "g_x", KC_OUT, SRC, 0, 0, 0},
    {K(BATCH_NORM, BACKWARD_DATA), "g_gamma", KC_OUT, SRC_C, 0, AFFINE, 0},
    {K(BATCH_NORM, BACKWARD_DATA), "g_beta", KC_OUT, SRC_C, 0, AFFINE, 0},
    {K(BATCH_NORM, BACKWARD_DATA), "g_residual", KC_OUT, DST, 0, RESIDUAL, 0},
    {K(BATCH_NORM, BACKWARD_DATA), "beta", KC_IN, SRC_C, KC_FILL_UNIT, AFFINE, 0},

    {K(POOL2D, FORWARD), "x", KC_IN, SRC, KC_FILL_APART, 0, 0},
    {K(POOL2D, FORWARD), "y", KC_OUT, DST, 0, 0, 0},
    {K(POOL2D, FORWARD), "workspace", KC_WORKSPACE_OUT, ONE, 0, 0, INFERENCE},
    {K(POOL2D, BACKWARD_DATA), "x", KC_IN, SRC, KC_FILL_APART, 0, 0},
    {K(POOL2D, BACKWARD_DATA), "y", KC_IN, DST, KC_FILL_UNIT, 0, 0},
    {K(POOL2D, BACKWARD_DATA), "g_y", KC_IN, DST, KC_FILL_UNIT, 0, 0},
    {K(POOL2D, BACKWARD_DATA), "workspace", KC_WORKSPACE_IN, ONE, 0, 0, 0},
    {K(POOL2D, BACKWARD_DATA), "g_x", KC_OUT, SRC, 0, 0, 0},

    {K(ACTIVATION, FORWARD), "x", KC_IN, SRC, KC_FILL_ACT, 0, 0},
    {K(ACTIVATION, FORWARD), "y", KC_OUT, DST, 0, 0, 0},
    {K(ACTIVATION, BACKWARD_DATA), "x", KC_IN, SRC, KC_FILL_ACT, 0, 0},
    {K(ACTIVATION, BACKWARD_DATA), "y", KC_IN, DST, KC_FILL_ACT, 0, 0},
    {K(ACTIVATION, BACKWARD_DATA), "g_y", KC_IN, DST, KC_FILL_UNIT, 0, 0},
    {K(ACTIVATION, BACKWARD_DATA), "g_x", KC_OUT, SRC, 0, 0, 0},

    {K(BINARY, FORWARD), "a", KC_IN, SRC, KC_FILL_UNIT, 0, 0},
    {K(BINARY, FORWARD), "b", KC_IN, WEIGHTS, KC_FILL_DIVISOR, 0, 0},
    {K(BINARY, FORWARD), "y", KC_OUT, DST, 0, 0, 0},

    {K(SCALE, FORWARD), "p", KC_IN, WEIGHTS, KC_FILL_UNIT, 0, 0},
    {K(SCALE, FORWARD), "x", KC_IN, SRC, KC_FILL_UNIT, 0, 0},
    {K(SCALE, FORWARD), "y", KC_OUT, DST, 0, 0, 0},
    {K(DOT, FORWARD), "a", KC_IN, SRC, KC_FILL_UNIT, 0, 0},
    {K(DOT, FORWARD), "b", KC_IN, WEIGHTS, KC_FILL_UNIT, 0, 0},
    {K(DOT, FORWARD), "out", KC_INOUT, DST, KC_FILL_UNIT, 0, 0},

    {K(COPY, FORWARD), "x", KC_IN, SRC, KC_FILL_UNIT, 0, 0},
    {K(COPY, FORWARD), "y", KC_INOUT, DST, KC_FILL_UNIT, 0, 0},
    {K(SHUFFLE, FORWARD), "x", KC_IN, SRC, KC_FILL_UNIT, 0, 0},
    {K(SHUFFLE, FORWARD), "y", KC_OUT, DST, 0, 0, 0},
    {K(SHUFFLE, BACKWARD_DATA), "g_y", KC_IN, DST, KC_FILL_UNIT, 0, 0},
    {K(SHUFFLE, BACKWARD_DATA), "g_x", KC_OUT, SRC, 0, 0, 0},

    {K(SOFTMAX, FORWARD), "x", KC_IN, SRC, KC_FILL_ACT, 0, 0},
    {K(SOFTMAX, FORWARD), "y", KC_OUT, DST, 0, 0, 0},
    {K(SOFTMAX, BACKWARD_DATA), "y", KC_IN, DST, KC_FILL_UNIT, 0, 0},
    {K(SOFTMAX, BACKWARD_DATA), "g_y", KC_IN, DST, KC_FILL_UNIT, 0, 0},
    {K(SOFTMAX, BACKWARD_DATA), "g_x", KC_OUT, SRC, 0, 0, 0},

    {K(SOFTMAX_XENT, FORWARD), "x", KC_IN, SRC, KC_FILL_ACT, 0, 0},
    {K(SOFTMAX_XENT, FORWARD), "target", KC_IN, LABELS, KC_FILL_LABEL, 0, SOFT},
    {K(SOFTMAX_XENT, FORWARD), "loss", KC_OUT, ONE, 0, 0, 0},
    {K(SOFTMAX_XENT, FORWARD), "prob", KC_OUT, SRC, 0, 0, LOG},
    {K(SOFTMAX_XENT, BACKWARD_DATA), "prob", KC_IN, SRC, KC_FILL_UNIT, 0, LOG},
    {K(SOFTMAX_XENT, BACKWARD_DATA), "target", KC_IN, LABELS, KC_FILL_LABEL, 0, SOFT},
    {K(SOFTMAX_XENT, BACKWARD_DATA), "g_loss", KC_IN, ONE, KC_FILL_UNIT, 0, 0},
    {K(SOFTMAX_XENT, BACKWARD_DATA), "g_x", KC_OUT, SRC, 0, 0, 0},

    {K(LOSS, FORWARD), "x", KC_IN, SRC, KC_FILL_LOSS, 0, 0},
    {K(LOSS, FORWARD), "target", KC_IN, LABELS, KC_FILL_LABEL, 0, SOFT},
    {K(LOSS, FORWARD), "loss", KC_OUT, ONE, 0, 0, 0},
    {K(LOSS, BACKWARD_DATA), "x", KC_IN, SRC, KC_FILL_LOSS, 0, 0},
    {K(LOSS, BACKWARD_DATA), "target", KC_IN, LABELS, KC_FILL_LABEL, 0, SOFT},
    {K(LOSS, BACKWARD_DATA), "g_loss", KC_IN, ONE, KC_FILL_UNIT, 0, 0},
    {K(LOSS, BACKWARD_DATA), "g_x", KC_OUT, SRC, 0, 0, 0},

    {K(DROPOUT, FORWARD), "x", KC_IN, SRC, KC_FILL_UNIT, 0, 0},
    {K(DROPOUT, FORWARD), "y", KC_OUT, DST, 0, 0, 0},
    {K(DROPOUT, FORWARD), "mask", KC_OUT, SRC, 0, 0, 0},
    {K(DROPOUT, BACKWARD_DATA), "mask", KC_IN, SRC, KC_FILL_UNIT, 0, 0},
    {K(DROPOUT, BACKWARD_DATA), "g_y", KC_IN, DST, KC_FILL_UNIT, 0, 0},
    {K(DROPOUT, BACKWARD_DATA), "g_x", KC_OUT, SRC, 0, 0, 0},

    {K(FILL, FORWARD), "y", KC_OUT, FLAT, 0, 0, 0},
    {K(AXPBY, FORWARD), "x", KC_IN, FLAT, KC_FILL_UNIT, 0, 0},
    {K(AXPBY, FORWARD), "y", KC_INOUT, FLAT, KC_FILL_UNIT, 0, 0},
    {K(SUMSQ, FORWARD), "x", KC_IN, FLAT, KC_FILL_UNIT, 0, 0},
    {K(SUMSQ, FORWARD), "out", KC_INOUT, ONE_F64, KC_FILL_UNIT, 0, 0},
    {K(SGD, FORWARD), "w", KC_INOUT, FLAT, KC_FILL_UNIT, 0, 0},
    {K(SGD, FORWARD), "g", KC_IN, FLAT, KC_FILL_UNIT, 0, 0},
    {K(SGD, FORWARD), "buf", KC_INOUT, FLAT, KC_FILL_UNIT, MOMENTUM, 0},
    {K(ADAM, FORWARD), "w", KC_INOUT, FLAT, KC_FILL_UNIT, 0, 0},
    {K(ADAM, FORWARD), "g", KC_IN, FLAT, KC_FILL_UNIT, 0, 0},
    {K(ADAM, FORWARD), "m", KC_INOUT, FLAT, KC_FILL_UNIT, 0, 0},
    {K(ADAM, FORWARD), "v", KC_INOUT, FLAT, KC_FILL_POSITIVE, 0, 0},
    {K(RMSPROP, FORWARD), "w", KC_INOUT, FLAT, KC_FILL_UNIT, 0, 0},
    {K(RMSPROP, FORWARD), "g", KC_IN, FLAT, KC_FILL_UNIT, 0, 0},
    {K(RMSPROP, FORWARD), "v", KC_INOUT, FLAT, KC_FILL_POSITIVE, 0, 0},
    {K(RMSPROP, FORWARD), "mean", KC_INOUT, FLAT, KC_FILL_UNIT, CENTERED, 0},
    {K(RMSPROP, FORWARD), "buf", KC_INOUT, FLAT, KC_FILL_UNIT, MOMENTUM, 0},
    {K(ADAGRAD, FORWARD), "w", KC_INOUT, FLAT, KC_FILL_UNIT, 0, 0},
    {K(ADAGRAD, FORWARD), "g", KC_IN, FLAT, KC_FILL_UNIT, 0, 0},
    {K(ADAGRAD, FORWARD), "sum", KC_INOUT, FLAT, KC_FILL_POSITIVE, 0, 0},
    {K(REORDER, FORWARD), "x", KC_IN, SRC, KC_FILL_UNIT, 0, 0},
    {K(REORDER, FORWARD), "y", KC_OUT, DST, 0, 0, 0},
    {K(REDUCE, FORWARD), "x", KC_IN, SRC, KC_FILL_UNIT, 0, 0},
    {K(REDUCE, FORWARD), "y", KC_OUT, DST, 0, 0, 0},
};

/* Soft targets have the place of the labels. */
static const arg_row soft_target = {0, 0, "target", KC_IN, SRC, KC_FILL_PROB, 0, 0};
/* weighted_sum has as many sources as its kernel says. */
static const char *const source_names[] = {"x_0", "x_1", "x_2", "x_3", "x_4", "x_5", "x_6", "x_7", "x_8", "x_9"};

static modnas_tdesc shape_of(const kc_case *c, int32_t shape) {
    const modnas_kernel *k = &c->kernel;
    modnas_tdesc t = {.dims = {1, 1, 1, 1}, .dtype = MODNAS_F32};
    const modnas_tdesc *whole[] = {[SRC] = &k->src, [WEIGHTS] = &k->weights, [DST] = &k->dst};
    if (shape <= DST) memcpy(t.dims, whole[shape]->dims, sizeof t.dims);
    if (shape == SRC_C) t.dims[1] = k->src.dims[1];
    if (shape == DST_C) t.dims[1] = k->dst.dims[1];
    if (shape == FLAT) t.dims[3] = (int64_t)c->scalars[0];
    if (shape == LABELS) t.dims[0] = k->src.dims[0];
    if (shape == LABELS) t.dtype = MODNAS_I32;
    if (shape == ONE_F64) t.dtype = MODNAS_F64;
    return t;
}

/* Vectors of architecture weights and results of dot are never in a layout of their own. */
static int32_t role_of(const modnas_kernel *k, int32_t shape) {
    const int vector =
        (shape == WEIGHTS && (k->kind == MODNAS_KERNEL_SCALE || k->kind == MODNAS_KERNEL_WEIGHTED_SUM)) ||
        (shape == DST && k->kind == MODNAS_KERNEL_DOT);
    if (vector || shape > DST) return -1;
    return shape;
}

static void push(kc_case *c, const char *name, const arg_row *row) {
    const modnas_kernel *k = &c->kernel;
    const int given = (k->flags & row->need) == row->need && (k->flags & row->unless) == 0;
    kc_arg *a = &c->args[c->n_args++];
    *a = (kc_arg){.name = name, .io = given ? row->io : KC_NONE, .role = role_of(k, row->shape), .fill = row->fill};
    a->desc = shape_of(c, row->shape);
    if (row->shape == WEIGHTS && k->kind == MODNAS_KERNEL_CONV2D) a->groups = k->u.window.groups;
    if (row->shape == WEIGHTS && k->kind == MODNAS_KERNEL_LINEAR) a->groups = 1;
}

void kc_set_args(kc_case *c) {
    static const arg_row p = {0, 0, "p", KC_IN, WEIGHTS, KC_FILL_UNIT, 0, 0};
    static const arg_row x = {0, 0, "x", KC_IN, SRC, KC_FILL_UNIT, 0, 0};
    static const arg_row y = {0, 0, "y", KC_OUT, DST, 0, 0, 0};
    c->n_args = 0;
    if (c->kernel.kind == MODNAS_KERNEL_WEIGHTED_SUM) {
        push(c, "p", &p);
        for (int i = 0; i < c->kernel.n_src; i++) push(c, source_names[i], &x);
        push(c, "y", &y);
        return;
    }
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        const int soft = rows[i].fill == KC_FILL_LABEL && (c->kernel.flags & SOFT);
        if (rows[i].kind == c->kernel.kind && rows[i].pass == c->kernel.pass)
            push(c, rows[i].name, soft ? &soft_target : &rows[i]);
    }
}

int kc_find(const kc_case *c, const char *name) {
    for (int i = 0; i < c->n_args; i++)
        if (c->args[i].io != KC_NONE && strcmp(c->args[i].name, name) == 0) return i;
    return -1;
}
