/* The inverted residual convolution (Sandler et al., MobileNetV2, 2018, table 1), without the residual, which the block
 * adds. */
#include "module/layers.h"
#include "space/candidates.h"

int mn_mbconv_new(mn_model *model, int32_t chn_in, int32_t chn_out, int32_t stride, int32_t expansion, int32_t kernel,
                  int32_t act, mn_module **out) {
    int32_t hidden;
    mn_module *m;
    if (expansion < 1 || __builtin_mul_overflow(chn_in, expansion, &hidden))
        return mn_fail(model->ctx, MODNAS_ESHAPE, "%d channels times an expansion of %d", chn_in, expansion);
    MN_TRY(mn_sequential_new(model, &m));
    const mn_conv_desc expand = {chn_in, hidden, {1, 1}, 1, {0, 0}, 1, 1, 0};
    const mn_conv_desc depthwise = {hidden, hidden, {kernel, kernel}, stride, {kernel / 2, kernel / 2}, 1, hidden, 0};
    const mn_conv_desc project = {hidden, chn_out, {1, 1}, 1, {0, 0}, 1, 1, 0};
    int rc = hidden == chn_in ? 0 : mn_conv_bn_act_append(m, &expand, act);
    if (!rc) rc = mn_conv_bn_act_append(m, &depthwise, act);
    if (!rc) rc = mn_conv_bn_act_append(m, &project, MODNAS_ACT_NONE);
    if (rc)
        mn_module_free(m);
    else
        *out = m;
    return rc;
}
