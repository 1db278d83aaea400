/* The five operators of NAS-Bench-201 (Dong and Yang 2020), under its names: zeros, the source itself, ReLU, convolution
 * and batch norm, average pooling (padding is left out of the mean). Of `ops` they heed what batch norm is like. */
#include "module/layers.h"
#include "space/candidates.h"

static int misfit(const mn_component *c, const mn_candidate_env *e) {
    return mn_fail(e->model->ctx, MODNAS_ECONFIG, "%s needs equal channels", c->name);
}

static int build_none(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_candidate_env *e = env;
    (void)args;
    if (e->chn_in != e->chn_out) return misfit(c, e);
    return mn_zero_op_new(e->model, e->chn_out, e->stride, out);
}

static int build_skip(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_candidate_env *e = env;
    (void)args;
    if (e->chn_in != e->chn_out) return misfit(c, e);
    if (e->stride != 1) return mn_fail(e->model->ctx, MODNAS_ECONFIG, "%s needs stride 1", c->name);
    return mn_identity_new(e->model, out);
}

static int build_pool(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_candidate_env *e = env;
    const mn_pool_opts o = {
        .algo = MODNAS_POOL_AVG, .kernel = {3, 3}, .stride = {e->stride, e->stride}, .pad = {1, 1, 1, 1}};
    (void)args;
    if (e->chn_in != e->chn_out) return misfit(c, e);
    return mn_pool2d_new(e->model, &o, out);
}

static int add_parts(mn_module *m, int32_t chn_in, int32_t chn_out, int32_t kernel, int32_t stride) {
    const mn_ops_conf *ops = &m->model->ops;
    const mn_conv_desc d = {chn_in, chn_out, {kernel, kernel}, stride, {kernel / 2, kernel / 2}, 1, 1, 0};
    mn_module *part;
    MN_TRY(mn_activation_new(m->model, MODNAS_ACT_RELU, &part));
    MN_TRY(mn_module_append(m, part));
    MN_TRY(mn_conv2d_new(m->model, &d, &part));
    MN_TRY(mn_module_append(m, part));
    MN_TRY(mn_batch_norm_new(m->model, chn_out, ops->bn_affine, ops->bn_eps, ops->bn_momentum, &part));
    return mn_module_append(m, part);
}

int mn_relu_conv_bn_new(mn_model *model, int32_t chn_in, int32_t chn_out, int32_t kernel, int32_t stride,
                        mn_module **out) {
    mn_module *m;
    MN_TRY(mn_sequential_new(model, &m));
    const int rc = add_parts(m, chn_in, chn_out, kernel, stride);
    if (rc)
        mn_module_free(m);
    else
        *out = m;
    return rc;
}

static int build_conv(const mn_component *c, const mn_args *args, const void *env, void *out) {
    const mn_candidate_env *e = env;
    (void)args;
    return mn_relu_conv_bn_new(e->model, e->chn_in, e->chn_out, *(const int32_t *)c->data, e->stride, out);
}

static const mn_component rows[] = {
    {"candidate", "none", "zeros (NAS-Bench-201)", NULL, build_none, NULL},
    {"candidate", "skip_connect", "identity (NAS-Bench-201)", NULL, build_skip, NULL},
    {"candidate", "nor_conv_1x1", "ReLU, convolution 1 x 1, batch norm (NAS-Bench-201)", NULL, build_conv,
     &(const int32_t){1}},
    {"candidate", "nor_conv_3x3", "ReLU, convolution 3 x 3, batch norm (NAS-Bench-201)", NULL, build_conv,
     &(const int32_t){3}},
    {"candidate", "avg_pool_3x3", "average pooling, kernel 3 (NAS-Bench-201)", NULL, build_pool, NULL},
};

int mn_cand_nb201_register(modnas_ctx *ctx) {
    return mn_registry_add_all(ctx, rows, MN_COUNT(rows));
}
