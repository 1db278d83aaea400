/* The inverted residual convolution (Sandler et al., MobileNetV2, 2018, table 1; Howard et al., MobileNetV3, 2019, figure
 * 4), without the residual, which the block adds; and as a block of its own. */
#include "module/layers.h"
#include "space/candidates.h"

int mn_mbv3_se_new(mn_model *model, int32_t chn, mn_module **out) {
    return mn_squeeze_excite_new(model, chn, mn_make_divisible(chn / 4), MODNAS_ACT_RELU, MODNAS_ACT_HARD_SIGMOID, out);
}

static int add_parts(mn_module *m, const mn_mbconv_desc *d) {
    const int32_t k = d->kernel, h = d->hidden;
    const mn_conv_desc expand = {d->chn_in, h, {1, 1}, 1, {0, 0}, 1, 1, 0};
    const mn_conv_desc depthwise = {h, h, {k, k}, d->stride, {k / 2, k / 2}, 1, h, 0};
    const mn_conv_desc project = {h, d->chn_out, {1, 1}, 1, {0, 0}, 1, 1, 0};
    mn_module *se;
    if (h != d->chn_in) MN_TRY(mn_conv_bn_act_append(m, &expand, d->act));
    MN_TRY(mn_conv_bn_act_append(m, &depthwise, d->act));
    if (d->use_se) {
        MN_TRY(mn_mbv3_se_new(m->model, h, &se));
        MN_TRY(mn_module_append(m, se));
    }
    return mn_conv_bn_act_append(m, &project, MODNAS_ACT_NONE);
}

int mn_mbconv_build(mn_model *model, const mn_mbconv_desc *d, mn_module **out) {
    mn_module *m;
    MN_TRY(mn_sequential_new(model, &m));
    const int rc = add_parts(m, d);
    if (rc)
        mn_module_free(m);
    else
        *out = m;
    return rc;
}

int mn_mbconv_hidden(const mn_model *model, int32_t chn_in, int32_t expansion, int32_t *hidden) {
    if (expansion >= 1 && !__builtin_mul_overflow(chn_in, expansion, hidden)) return 0;
    return mn_fail(model->ctx, MODNAS_ESHAPE, "%d channels times an expansion of %d", chn_in, expansion);
}

int mn_mbconv_new(mn_model *model, int32_t chn_in, int32_t chn_out, int32_t stride, int32_t expansion, int32_t kernel,
                  int32_t act, mn_module **out) {
    mn_mbconv_desc d = {chn_in, 0, chn_out, stride, kernel, act, 0};
    MN_TRY(mn_mbconv_hidden(model, chn_in, expansion, &d.hidden));
    return mn_mbconv_build(model, &d, out);
}

/* ---- with its shortcut --------------------------------------------------------------------------------- */

typedef struct block {
    int32_t shortcut;
} block;

static int block_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    mn_value *v;
    MN_TRY(mn_forward(MN_AT(m->children, mn_module *, 0), run, src, n_src, &v));
    if (((const block *)m->state)->shortcut) return mn_add(run, v, src[0], dst);
    *dst = v;
    return 0;
}

static const mn_module_vt block_vt = {"inverted_residual", block_forward, NULL};

int mn_inverted_residual_new(mn_model *model, int32_t chn_in, int32_t chn_out, int32_t stride, int32_t expansion,
                             int32_t kernel, mn_module **out) {
    mn_module *m, *conv;
    MN_TRY(mn_mbconv_new(model, chn_in, chn_out, stride, expansion, kernel, MODNAS_ACT_RELU, &conv));
    int rc = mn_module_new(model, &block_vt, sizeof(block), &m);
    if (rc) {
        mn_module_free(conv);
        return rc;
    }
    ((block *)m->state)->shortcut = stride == 1 && chn_in == chn_out;
    rc = mn_module_add(m, "conv", conv);
    if (rc)
        mn_module_free(m);
    else
        *out = m;
    return rc;
}
