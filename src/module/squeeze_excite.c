/* Squeeze and excitation (Hu et al. 2018): channels are scaled by what a small network makes of their means.
 *
 *   src ------------------------------------------------------ * -> dst
 *    +-> net: mean, 1x1 to fewer channels, act, 1x1 back, gate ^ */
#include "module/layers.h"
#include "module/model.h"

int32_t mn_make_divisible(double v) {
    const int32_t n = (int32_t)(v + 4) / 8 * 8, least = n < 8 ? 8 : n;
    return least < 0.9 * v ? least + 8 : least;
}

/* children: net */
static int forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    mn_value *scale;
    if (n_src != 1)
        return mn_fail(m->model->ctx, MODNAS_EINVAL, "%s takes 1 value, %d given", m->vt->type, (int)n_src);
    MN_TRY(mn_forward1(MN_AT(m->children, mn_module *, 0), run, src[0], &scale));
    return mn_binary(run, MODNAS_BINARY_MUL, src[0], scale, dst);
}

static const mn_module_vt vt = {MN_SQUEEZE_EXCITE, forward, NULL};

/* A 1x1 convolution with bias and an activation. */
static int append(mn_module *net, int32_t chn_in, int32_t chn_out, int32_t act) {
    const mn_conv_desc d = {chn_in, chn_out, {1, 1}, 1, {0, 0}, 1, 1, 1};
    mn_module *part;
    MN_TRY(mn_conv2d_new(net->model, &d, &part));
    MN_TRY(mn_module_append(net, part));
    MN_TRY(mn_activation_new(net->model, act, &part));
    return mn_module_append(net, part);
}

static int fill(mn_module *m, int32_t chn, int32_t chn_mid, int32_t act, int32_t gate) {
    mn_module *net, *pool;
    MN_TRY(mn_sequential_new(m->model, &net));
    MN_TRY(mn_module_add(m, "net", net));
    MN_TRY(mn_global_pool_new(m->model, &pool));
    MN_TRY(mn_module_append(net, pool));
    MN_TRY(append(net, chn, chn_mid, act));
    return append(net, chn_mid, chn, gate);
}

int mn_squeeze_excite_new(mn_model *model, int32_t chn, int32_t chn_mid, int32_t act, int32_t gate, mn_module **out) {
    mn_module *m;
    MN_TRY(mn_module_new(model, &vt, 0, &m));
    const int rc = fill(m, chn, chn_mid, act, gate);
    if (rc)
        mn_module_free(m);
    else
        *out = m;
    return rc;
}
