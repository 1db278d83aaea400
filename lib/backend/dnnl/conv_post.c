/* What is fused behind a convolution's forward: batch norm with running statistics, a residual, an activation.
 *
 *   y = act(scale[c] conv(x, w) + shift[c] + residual)      as oneDNN post-ops: mul, add, add, eltwise
 *
 * scale = gamma / sqrt(var + eps), shift = beta + (bias - mean) scale. */
#include <math.h>

#include "backend/dnnl/activation.h"
#include "backend/dnnl/conv.h"

int mn_dnnl_conv_can_fuse(const modnas_kernel *k) {
    if (k->pass != MODNAS_FORWARD)
        return k->act == MODNAS_ACT_NONE && !(k->flags & (MODNAS_KF_RESIDUAL | MODNAS_KF_FOLD_BN));
    /* clip's and linear's scalars are not among the kernel's */
    return k->act == MODNAS_ACT_NONE ||
           (mn_dnnl_eltwise_of(k->act) && k->act != MODNAS_ACT_CLIP && k->act != MODNAS_ACT_LINEAR);
}

static dnnl_status_t append_binary(dnnl_post_ops_t ops, dnnl_alg_kind_t alg, dnnl_status_t made,
                                   dnnl_memory_desc_t *md) {
    if (made != dnnl_success) return made;
    const dnnl_status_t status = onednn.post_ops_append_binary(ops, alg, *md);
    dnnl_memory_desc_destroy(*md);
    return status;
}

static dnnl_status_t append_all(mn_dnnl *s, const modnas_kernel *k, dnnl_post_ops_t ops) {
    dnnl_memory_desc_t md = NULL;
    dnnl_status_t status = dnnl_success;
    if (k->flags & MODNAS_KF_FOLD_BN) {
        status = append_binary(ops, dnnl_binary_mul, mn_dnnl_md_channels(s, k->dst.dims[1], &md), &md);
        if (status == dnnl_success)
            status = append_binary(ops, dnnl_binary_add, mn_dnnl_md_channels(s, k->dst.dims[1], &md), &md);
    }
    if (status == dnnl_success && (k->flags & MODNAS_KF_RESIDUAL))
        status = append_binary(ops, dnnl_binary_add, mn_dnnl_md_activation(s, &k->dst, &md), &md);
    if (status != dnnl_success || k->act == MODNAS_ACT_NONE) return status;
    const mn_dnnl_eltwise *e = mn_dnnl_eltwise_of(k->act);
    return onednn.post_ops_append_eltwise(ops, e->forward, e->alpha, e->beta);
}

dnnl_status_t mn_dnnl_conv_attr(mn_dnnl *s, mn_dnnl_plan *p, dnnl_primitive_attr_t *attr, mn_dnnl_conv_fold *fold) {
    dnnl_primitive_attr_t made;
    dnnl_status_t status = mn_dnnl_attr_new(s, &made);
    if (status != dnnl_success) return status;
    dnnl_post_ops_t ops;
    status = onednn.post_ops_create(&ops);
    if (status == dnnl_success) {
        s->n_objects++;
        status = append_all(s, &p->k, ops);
        if (status == dnnl_success) status = onednn.primitive_attr_set_post_ops(made, ops);
        dnnl_post_ops_destroy(ops);
    }
    if (status != dnnl_success) {
        dnnl_primitive_attr_destroy(made);
        return status;
    }
    if (p->k.flags & MODNAS_KF_FOLD_BN) {
        fold->scale = mn_dnnl_reserve(p, (size_t)p->k.dst.dims[1] * sizeof(float));
        fold->shift = mn_dnnl_reserve(p, (size_t)p->k.dst.dims[1] * sizeof(float));
    }
    *attr = made;
    return dnnl_success;
}

/* Operand of post-op number *at: the vector or tensor `md` at a place. */
static dnnl_status_t post_arg(mn_dnnl *s, mn_dnnl_chain *c, int *at, dnnl_status_t made, dnnl_memory_desc_t *md,
                              mn_dnnl_place place) {
    if (made != dnnl_success) return made;
    const dnnl_status_t status =
        mn_dnnl_chain_arg(s, c, DNNL_ARG_ATTR_MULTIPLE_POST_OP(*at) | DNNL_ARG_SRC_1, *md, place);
    dnnl_memory_desc_destroy(*md);
    ++*at;
    return status;
}

dnnl_status_t mn_dnnl_conv_post_args(mn_dnnl *s, const modnas_kernel *k, mn_dnnl_chain *c,
                                     const mn_dnnl_conv_fold *fold) {
    const int64_t channels = k->dst.dims[1];
    dnnl_memory_desc_t md = NULL;
    dnnl_status_t status = dnnl_success;
    int at = 0;
    if (k->flags & MODNAS_KF_FOLD_BN) {
        status = post_arg(s, c, &at, mn_dnnl_md_channels(s, channels, &md), &md, mn_dnnl_at_scratch(fold->scale));
        if (status == dnnl_success)
            status = post_arg(s, c, &at, mn_dnnl_md_channels(s, channels, &md), &md, mn_dnnl_at_scratch(fold->shift));
    }
    if (status == dnnl_success && (k->flags & MODNAS_KF_RESIDUAL))
        status =
            post_arg(s, c, &at, mn_dnnl_md_activation(s, &k->dst, &md), &md, mn_dnnl_at_arg(MN_DNNL_CONV_RESIDUAL));
    return status;
}

void mn_dnnl_conv_fold_run(const modnas_kernel *k, const mn_dnnl_conv_fold *fold, const mn_dnnl_run *r) {
    if (!(k->flags & MODNAS_KF_FOLD_BN)) return;
    float *scale = mn_dnnl_scratch(r, fold->scale), *shift = mn_dnnl_scratch(r, fold->shift);
    const float *bias = k->flags & MODNAS_KF_BIAS ? mn_dnnl_arg(r, 2) : NULL;
    const float *gamma = mn_dnnl_arg(r, 4), *beta = mn_dnnl_arg(r, 5), *mean = mn_dnnl_arg(r, 6),
                *var = mn_dnnl_arg(r, 7);
    const double eps = r->scalars[0];
    for (int64_t c = 0; c < k->dst.dims[1]; c++) {
        const double slope = (gamma ? gamma[c] : 1.0) / sqrt(var[c] + eps);
        scale[c] = (float)slope;
        shift[c] = (float)((beta ? beta[c] : 0.0) + ((bias ? bias[c] : 0.0) - mean[c]) * slope);
    }
}
