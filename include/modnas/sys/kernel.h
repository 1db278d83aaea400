/* Kernels: the vocabulary between the graph and the backends. Extension tier: looser promise than the stable headers.
 *
 * A kernel is described by plain data (`modnas_kernel`, hashed and compared as bytes: memset it to 0 first). A backend
 * turns a description into a plan once; the plan is run many times with pointers and run-time scalars. Learning rates,
 * epsilons, seeds and range lengths are scalars, never part of the description.
 *
 * Tensors have logical dims N,C,H,W (weights: O, I/groups, KH, KW; vectors over channels: 1,C,1,1; flat ranges: 1,1,1,n)
 * and a layout id: 0 is plain row-major; other ids belong to the backend. Channels that a blocked layout pads are 0
 * before and after every kernel.
 *
 * Arguments are passed in the order of the tables below. [x] may be NULL, "out" is written, "inout" is read and written.
 * All sums that cross elements are taken in an order that depends only on the shapes and on `threads`. */
#ifndef MODNAS_SYS_KERNEL_H
#define MODNAS_SYS_KERNEL_H

#include <stdint.h>

/* ORDER KERNELS: ref/table.c and dnnl/table.c follow this list. X(NAME, number, text) */
#define MODNAS_KERNEL_MAP(X)                                                                       \
    X(CONV2D, 1, "conv2d")                                                                         \
    X(LINEAR, 2, "linear")                                                                         \
    X(BATCH_NORM, 3, "batch_norm")                                                                 \
    X(POOL2D, 4, "pool2d")                                                                         \
    X(ACTIVATION, 5, "activation")                                                                 \
    X(BINARY, 6, "binary")                                                                         \
    X(WEIGHTED_SUM, 7, "weighted_sum")                                                             \
    X(SCALE, 8, "scale")                                                                           \
    X(DOT, 9, "dot")                                                                               \
    X(COPY, 10, "copy")                                                                            \
    X(SHUFFLE, 11, "shuffle")                                                                      \
    X(SOFTMAX, 12, "softmax")                                                                      \
    X(SOFTMAX_XENT, 13, "softmax_xent")                                                            \
    X(DROPOUT, 14, "dropout")                                                                      \
    X(FILL, 15, "fill")                                                                            \
    X(AXPBY, 16, "axpby")                                                                          \
    X(SUMSQ, 17, "sumsq")                                                                          \
    X(SGD, 18, "sgd")                                                                              \
    X(ADAM, 19, "adam")                                                                            \
    X(REORDER, 20, "reorder")                                                                      \
    X(REDUCE, 21, "reduce")                                                                        \
    X(LOSS, 22, "loss")                                                                            \
    X(BOTTLENECK, 23, "bottleneck")                                                                \
    X(RMSPROP, 24, "rmsprop")                                                                      \
    X(ADAGRAD, 25, "adagrad")                                                                      \
    X(RESIZE, 26, "resize")

enum modnas_kernel_kind {
#define MODNAS_KERNEL_ENUM(name, number, text) MODNAS_KERNEL_##name = number,
    MODNAS_KERNEL_MAP(MODNAS_KERNEL_ENUM)
#undef MODNAS_KERNEL_ENUM
};

enum modnas_pass { MODNAS_FORWARD = 0, MODNAS_BACKWARD_DATA = 1, MODNAS_BACKWARD_WEIGHTS = 2 };

enum modnas_dtype { MODNAS_F32 = 0, MODNAS_F64 = 1, MODNAS_I32 = 2, MODNAS_U8 = 3 };

enum modnas_layout {
    MODNAS_LAYOUT_PLAIN = 0,
    MODNAS_LAYOUT_BLOCKED = 1 /* activations as [N][C / B][H][W][B], C / B rounded up; B is the backend's */
};

enum modnas_act {
    MODNAS_ACT_NONE = 0,
    MODNAS_ACT_RELU = 1,
    MODNAS_ACT_RELU6 = 2,
    MODNAS_ACT_CLIP = 3,        /* min(max(x, alpha), beta) */
    MODNAS_ACT_SIGMOID = 4,
    MODNAS_ACT_HARD_SIGMOID = 5,/* relu6(x + 3) / 6 */
    MODNAS_ACT_HARD_SWISH = 6,  /* x relu6(x + 3) / 6 */
    MODNAS_ACT_SWISH = 7,       /* x sigmoid(x) */
    MODNAS_ACT_TANH = 8,
    MODNAS_ACT_LINEAR = 9,      /* alpha x + beta */
    MODNAS_ACT_LEAKY_RELU = 10, /* x > 0 ? x : alpha x */
    MODNAS_ACT_ELU = 11,        /* x > 0 ? beta x : alpha (e^x - 1) */
    MODNAS_ACT_SOFTPLUS = 12,   /* log(1 + e^x) */
    MODNAS_ACT_EXP = 13,
    MODNAS_ACT_LOG = 14,
    MODNAS_ACT_POW = 15,        /* x^alpha */
    MODNAS_ACT_ABS = 16
};

enum modnas_algo {
    MODNAS_POOL_MAX = 0,
    MODNAS_POOL_AVG = 1,             /* padding left out of the mean */
    MODNAS_POOL_AVG_INCLUDE_PAD = 2, /* padding counted as zeros of the mean */
    MODNAS_BINARY_ADD = 0,
    MODNAS_BINARY_SUB = 1,
    MODNAS_BINARY_MUL = 2,
    MODNAS_BINARY_MAX = 3,
    MODNAS_BINARY_MIN = 4,
    MODNAS_BINARY_DIV = 5,
    MODNAS_REDUCE_SUM = 0,
    MODNAS_REDUCE_MEAN = 1,
    MODNAS_LOSS_MSE = 0,       /* d^2, d = x - t */
    MODNAS_LOSS_L1 = 1,        /* |d| */
    MODNAS_LOSS_SMOOTH_L1 = 2, /* |d| < beta ? d^2 / (2 beta) : |d| - beta / 2 */
    MODNAS_LOSS_BCE = 3,       /* -t log x - (1 - t) log(1 - x), logarithms at least -100; x in [0, 1] */
    MODNAS_LOSS_BCE_LOGITS = 4 /* -t log s(x) - (1 - t) log(1 - s(x)), s the sigmoid */
};

enum modnas_kernel_flags {
    MODNAS_KF_INFERENCE = 1 << 0,   /* forward only: nothing is saved for a backward */
    MODNAS_KF_GLOBAL_STATS = 1 << 1,/* batch_norm: normalise with the running statistics */
    MODNAS_KF_UPDATE_STATS = 1 << 2,/* batch_norm: running = (1 - momentum) running + momentum batch (variance unbiased) */
    MODNAS_KF_BIAS = 1 << 3,        /* conv2d, linear: a bias argument is given */
    MODNAS_KF_AFFINE = 1 << 4,      /* batch_norm: gamma and beta are given */
    MODNAS_KF_RESIDUAL = 1 << 5,    /* batch_norm, conv2d: a residual is added before the activation */
    MODNAS_KF_FOLD_BN = 1 << 6,     /* conv2d forward: batch norm with running statistics is part of it */
    MODNAS_KF_SOFT_TARGET = 1 << 7, /* softmax_xent, loss: targets are numbers shaped as x, not labels */
    MODNAS_KF_LOG = 1 << 8,         /* softmax: log-softmax; softmax_xent: x holds log-probabilities already */
    MODNAS_KF_NESTEROV = 1 << 9,    /* sgd */
    MODNAS_KF_DECOUPLED = 1 << 10,  /* adam: weight decay apart from the gradient (AdamW) */
    MODNAS_KF_MOMENTUM = 1 << 11,   /* sgd, rmsprop: a momentum buffer is given */
    MODNAS_KF_EXPAND = 1 << 12,     /* bottleneck: there is a first 1x1 convolution */
    MODNAS_KF_CENTERED = 1 << 13    /* rmsprop: the mean gradient is given */
};

typedef struct modnas_tdesc {
    int64_t dims[4];
    int32_t layout;
    int32_t dtype;
} modnas_tdesc;

/* conv2d and pool2d */
typedef struct modnas_window {
    int32_t kernel[2], stride[2], pad[4] /* top, left, bottom, right */, dilation[2] /* 1 = dense */;
    int32_t groups;
    int32_t reserved[9];
} modnas_window;

/* copy: for i < count: dst[dst_start + i dst_step] = src[src_start + i src_step], per axis; the rest of dst stays.
 * Realises concat, split, slice, crop, constant padding and strided sub-sampling. */
typedef struct modnas_box {
    int32_t count[4], src_start[4], src_step[4], dst_start[4], dst_step[4];
} modnas_box;

/* Size 8 * 4 + 80 + 3 * 40 = 232 bytes, no padding. */
typedef struct modnas_kernel {
    int32_t kind, pass, dtype, flags;
    int32_t act;   /* fused activation (conv2d forward, batch_norm) or the activation itself */
    int32_t algo;  /* pool2d, binary, reduce, loss */
    int32_t n_src; /* weighted_sum */
    int32_t groups;/* shuffle; copy: 1: src and dst are weights, in layouts of weights */
    union {
        modnas_window window;
        modnas_box box;
    } u;
    modnas_tdesc src, weights, dst; /* in every pass: of the forward operation's src, weights (or second operand), dst */
} modnas_kernel;

/* ---- arguments and scalars, by kind and pass ------------------------------------------------------------------------
 * Let x be src, y dst, w weights, g_ a gradient.
 *
 * conv2d FORWARD           x, w, [bias (1,O,1,1)], y, [gamma], [beta], [mean], [var], [residual]       scalars: eps
 *     y = act(bn(conv(x, w) + bias) + residual); gamma..var only with FOLD_BN (gamma, beta NULL without AFFINE)
 * conv2d BACKWARD_DATA     g_y, w, g_x (out)
 * conv2d BACKWARD_WEIGHTS  x, g_y, g_w (out), [g_bias (out)]
 * linear: x (N,C,1,1), w (O,C,1,1), bias (1,O,1,1), y (N,O,1,1): the same three argument lists (without BN and residual)
 * batch_norm FORWARD       x, [gamma], [beta], mean (inout), var (inout), saved_mean (out), saved_rstd (out), [residual], y
 *                          scalars: eps, momentum
 *     y = act(gamma (x - m) / sqrt(v + eps) + beta + residual); m, v of the batch (v biased), or mean, var (GLOBAL_STATS).
 *     saved_* (1,C,1,1; 1 / sqrt(v + eps)) are written unless INFERENCE. Running statistics change only with UPDATE_STATS.
 * batch_norm BACKWARD_DATA x, y, g_y, [gamma], saved_mean, saved_rstd, g_x (out), [g_gamma (out)], [g_beta (out)],
 *                          [g_residual (out)], [beta]
 *     one kernel for all gradients; with GLOBAL_STATS the statistics are constants. act is NONE, RELU or RELU6 (its mask
 *     is read off y), or, without RESIDUAL, HARD_SWISH (its slope is that at gamma xhat + beta: y is not read, AFFINE
 *     wants beta). g_x NULL: only the parameters' gradients. g_residual may equal g_y (in place).
 * pool2d FORWARD           x, y, [workspace (out)]
 * pool2d BACKWARD_DATA     x, y, g_y, [workspace], g_x (out)      workspace: plan_workspace() bytes of the forward plan
 *     global pooling: kernel = (H, W). With ceil-mode sizes dst is simply larger; windows are clipped at the border.
 * activation FORWARD       x, y                                  scalars: alpha, beta (those with parameters)
 * activation BACKWARD_DATA x, y, g_y, g_x (out)                  scalars: alpha, beta
 *     relu, relu6, clip, abs: derivative 0 on the corners (as PyTorch's hardtanh: open interval; relu: x > 0);
 *     leaky_relu, elu: alpha at 0; hard_swish: 0 at -3, 1 at 3
 * binary FORWARD           a (src), b (weights), y               each dim of a and b is 1 or y's (broadcast)
 * weighted_sum FORWARD     p (weights, n_src), x_0 .. x_{n-1}, y                      y = sum_i p[i] x_i
 * scale FORWARD            p (weights), x, y                     scalars: i           y = p[i] x
 * dot FORWARD              a (src), b (same dims and layout), out (dst, n)   scalars: i      out[i] = sum a b; double inside
 * copy FORWARD             x, y (inout)
 * shuffle FORWARD          x, y      channel c = i (C/groups) + j goes to j groups + i        (BACKWARD_DATA: g_y, g_x)
 * softmax FORWARD          x, y      over C                      BACKWARD_DATA: y, g_y, g_x (out)
 * softmax_xent FORWARD     x (N,C,1,1), target, loss (1), [prob (out, N,C,1,1)]   scalars: label_smoothing eta
 *     loss = mean over N of -sum_c t_c log softmax(x)_c; labels (i32, N): t = (1 - eta) onehot + eta / C; soft targets q:
 *     t = (1 - eta) q + eta / C
 *     a label outside 0..C-1 gives MODNAS_EINVAL with sample and label. LOG: loss = mean of -sum_c t_c x_c, no prob
 * softmax_xent BACKWARD_DATA [prob], target, g_loss (1), g_x (out)   scalars: eta
 * loss FORWARD             x, target, loss (1)                   scalars: beta
 *     loss = mean over all elements; labels (i32, N; x is (N,C,1,1)) stand for their one-hot rows
 * loss BACKWARD_DATA       x, target, g_loss (1), g_x (out)      scalars: beta        no gradient to the target
 *     l1 and smooth_l1 with beta 0: slope 0 at d = 0; bce: slope d / max(x (1 - x), 1e-12)
 * dropout FORWARD          x, y, mask (out, as x)                scalars: p, seed (< 2^53), step
 *     mask = 0 or 1 / (1 - p); element i of plain order is kept when its Philox draw (seed, step, i) is >= p: word i of
 *     the generator of lib/base/rng.c with stream 0, times 2^-32
 * dropout BACKWARD_DATA    mask, g_y, g_x (out)
 * fill FORWARD             y                                     scalars: n elements, value          (flat range)
 * axpby FORWARD            x, y (inout)                          scalars: n, a, b     y = a x + b y  (x not read if a = 0,
 *                                                                y not read if b = 0)
 * sumsq FORWARD            x, out (1, f64)                       scalars: n, keep     out = keep out + sum x^2
 * sgd FORWARD              w (inout), g, [buf (inout)]           scalars: n, lr, momentum, dampening, weight_decay, first,
 *                                                                g_scale
 *     d = g_scale g + weight_decay w; buf = first ? d : momentum buf + (1 - dampening) d; d = NESTEROV ? d + momentum buf : buf;
 *     w -= lr d                                                  (torch.optim.SGD)
 * adam FORWARD             w (inout), g, m (inout), v (inout)    scalars: n, lr, beta1, beta2, eps, weight_decay, t (from 1),
 *                                                                g_scale     (torch.optim.Adam / AdamW with DECOUPLED)
 * rmsprop FORWARD          w (inout), g, v (inout), [mean (inout)], [buf (inout)]    scalars: n, lr, alpha, eps,
 *                                                        weight_decay, momentum, g_scale
 *     d = g_scale g + weight_decay w; v = alpha v + (1 - alpha) d^2; mean = alpha mean + (1 - alpha) d;
 *     u = d / (sqrt(v - mean^2) + eps); buf = momentum buf + u; w -= lr (MOMENTUM ? buf : u)      (torch.optim.RMSprop)
 * adagrad FORWARD          w (inout), g, sum (inout)     scalars: n, lr, eps, weight_decay, g_scale
 *     d = g_scale g + weight_decay w; sum += d^2; w -= lr d / (sqrt(sum) + eps)                   (torch.optim.Adagrad)
 * reorder FORWARD          x, y      between layouts of the same dims and dtype; u.window.groups = groups for weights, else 0
 * resize FORWARD           x, y      height and width, bilinear, pixels' centres half a pixel in (BACKWARD_DATA: g_y, g_x)
 * reduce FORWARD           x, y      dims of y are x's or 1; sum or mean over the axes where y has 1
 * bottleneck: the wide part of an inverted residual block in training (batch statistics); weights and u.window: of the
 *     depthwise convolution. A backend may lack it (`ref` does): the graph then runs the operators one by one.
 *     y = conv(act(bn2(depthwise(act(bn1(conv(x, w1))), w2))), w3); w1 and bn1 only with EXPAND. w1 and w3 are 1x1 and lie
 *     in the layouts that conv2d wants for them.
 * bottleneck FORWARD       x, y, saved (out, plan_workspace() bytes), w1, gamma1, beta1, mean1 (inout), var1 (inout), w2,
 *                          gamma2, beta2, mean2 (inout), var2 (inout), w3          scalars: eps1, momentum1, eps2, momentum2
 *     with INFERENCE       the third batch norm behind w3 is in it, all have their running statistics:
 *                          x, y, NULL, w1, ..., w3, gamma3, beta3, mean3, var3, residual (with RESIDUAL)
 *                                                               scalars: eps1, -, eps2, -, eps3
 * bottleneck BACKWARD_DATA x, g_y, saved (inout: used up), g_x (out), w1, gamma1, beta1, g_w1, g_gamma1, g_beta1, w2,
 *                          gamma2, beta2, g_w2, g_gamma2, g_beta2, w3, g_w3 (all g_ out; every one may be NULL)
 */

#endif
