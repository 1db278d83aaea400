/* Primitive candidates: a weight token W with batch norm and ReLU around it, in the order of model->ops.
 *
 *   W   pooling                     PoolBN   AP MP AVG MAX; never a ReLU
 *       k x k                       StdConv  NC
 *       depthwise k x k, 1 x 1      DilConv  SS DC DD
 *       k x 1, 1 x k                FacConv  FC
 *   SepConv (SC) is two DilConvs without dilation, the first one with the stride and the channels of its source.
 *
 * The batch norm has the source's channels before W and the output's behind it. Sizes are kept but for the stride:
 * padding is half of what the window spans. Parameters are named as the original's: net.0.weight, net.1.bias, ... */
#include "module/layers.h"
#include "space/candidates.h"

typedef struct token {
    int32_t n_convs; /* 0: pool */
    mn_conv_desc conv[2];
    mn_pool_opts pool;
} token;

/* ---- the order ----------------------------------------------------------------------------------------- */

static int add_weight(mn_module *net, const token *t) {
    mn_module *part;
    if (!t->n_convs) {
        MN_TRY(mn_pool2d_new(net->model, &t->pool, &part));
        return mn_module_append(net, part);
    }
    for (int32_t i = 0; i < t->n_convs; i++) {
        mn_conv_desc d = t->conv[i];
        d.bias = net->model->ops.conv_bias;
        MN_TRY(mn_conv2d_new(net->model, &d, &part));
        MN_TRY(mn_module_append(net, part));
    }
    return 0;
}

static int add_norm(mn_module *net, int32_t chn) {
    const mn_ops_conf *ops = &net->model->ops;
    mn_module *part;
    MN_TRY(mn_batch_norm_new(net->model, chn, ops->bn_affine, ops->bn_eps, ops->bn_momentum, &part));
    return mn_module_append(net, part);
}

static int add_relu(mn_module *net) {
    mn_module *part;
    MN_TRY(mn_activation_new(net->model, MODNAS_ACT_RELU, &part));
    return mn_module_append(net, part);
}

static int add_ordered(mn_module *net, const mn_block *b, const token *t) {
    const char *order = net->model->ops.order;
    int32_t chn = b->chn_in;
    for (int i = 0; i < 3 && order[i]; i++) {
        if (order[i] == 'b' && (t->n_convs || net->model->ops.pool_bn)) MN_TRY(add_norm(net, chn));
        if (order[i] == 'a' && t->n_convs) MN_TRY(add_relu(net));
        if (order[i] != 'w') continue;
        MN_TRY(add_weight(net, t));
        chn = b->chn_out;
    }
    return 0;
}

/* A block and its empty "net". */
static int new_block(mn_model *model, mn_module **block, mn_module **net) {
    MN_TRY(mn_sequential_new(model, block));
    int rc = mn_sequential_new(model, net);
    if (!rc) rc = mn_module_add(*block, "net", *net);
    if (rc) mn_module_free(*block);
    return rc;
}

static int ordered_block(mn_model *model, const mn_block *b, const token *t, mn_module **out) {
    mn_module *block, *net;
    MN_TRY(new_block(model, &block, &net));
    const int rc = add_ordered(net, b, t);
    if (rc)
        mn_module_free(block);
    else
        *out = block;
    return rc;
}

/* ---- blocks -------------------------------------------------------------------------------------------- */

int mn_pool_bn_new(mn_model *model, const mn_block *b, mn_module **out) {
    const int32_t k = b->kernel, s = b->stride, p = k / 2;
    const token t = {0, {{0}}, {.algo = b->algo, .kernel = {k, k}, .stride = {s, s}, .pad = {p, p, p, p}}};
    return ordered_block(model, b, &t, out);
}

int mn_std_conv_new(mn_model *model, const mn_block *b, mn_module **out) {
    const int32_t k = b->kernel, p = k / 2;
    const token t = {1, {{b->chn_in, b->chn_out, {k, k}, b->stride, {p, p}, 1, b->groups, 0}}, {0}};
    return ordered_block(model, b, &t, out);
}

int mn_dil_conv_new(mn_model *model, const mn_block *b, mn_module **out) {
    const int32_t k = b->kernel, d = b->dilation ? b->dilation : 1, p = d * (k - 1) / 2;
    const token t = {2,
                     {{b->chn_in, b->chn_in, {k, k}, b->stride, {p, p}, d, b->chn_in, 0},
                      {b->chn_in, b->chn_out, {1, 1}, 1, {0, 0}, 1, 1, 0}},
                     {0}};
    return ordered_block(model, b, &t, out);
}

int mn_fac_conv_new(mn_model *model, const mn_block *b, mn_module **out) {
    const int32_t k = b->kernel, p = k / 2;
    const token t = {2,
                     {{b->chn_in, b->chn_in, {k, 1}, b->stride, {p, 0}, 1, 1, 0},
                      {b->chn_in, b->chn_out, {1, k}, 1, {0, p}, 1, 1, 0}},
                     {0}};
    return ordered_block(model, b, &t, out);
}

int mn_sep_conv_new(mn_model *model, const mn_block *b, mn_module **out) {
    const mn_block half[2] = {{.chn_in = b->chn_in, .chn_out = b->chn_in, .stride = b->stride, .kernel = b->kernel},
                              {.chn_in = b->chn_in, .chn_out = b->chn_out, .stride = 1, .kernel = b->kernel}};
    mn_module *block, *net, *part;
    MN_TRY(new_block(model, &block, &net));
    int rc = 0;
    for (int i = 0; i < 2 && !rc; i++) {
        rc = mn_dil_conv_new(model, &half[i], &part);
        if (!rc) rc = mn_module_append(net, part);
    }
    if (rc)
        mn_module_free(block);
    else
        *out = block;
    return rc;
}
