/* The inverted residual convolution (Sandler et al., MobileNetV2, 2018, table 1), without the residual, which the block
 * adds. */
#include "module/layers.h"
#include "space/candidates.h"

#include <stdio.h>

/* One convolution with batch norm and activation, as the next children of a flat sequence. */
static int add_conv(mn_module *m, const mn_conv_desc *d, int32_t act) {
    mn_module *parts[3] = {NULL, NULL, NULL};
    MN_TRY(mn_conv2d_new(m->model, d, &parts[0]));
    int rc = mn_batch_norm_new(m->model, d->chn_out, 1, 0, 0, &parts[1]);
    if (!rc && act != MODNAS_ACT_NONE) rc = mn_activation_new(m->model, act, &parts[2]);
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "%zu", m->children.n);
        if (rc)
            mn_module_free(parts[i]);
        else if (parts[i])
            rc = mn_module_add(m, name, parts[i]);
    }
    return rc;
}

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
    int rc = hidden == chn_in ? 0 : add_conv(m, &expand, act);
    if (!rc) rc = add_conv(m, &depthwise, act);
    if (!rc) rc = add_conv(m, &project, MODNAS_ACT_NONE);
    if (rc)
        mn_module_free(m);
    else
        *out = m;
    return rc;
}
