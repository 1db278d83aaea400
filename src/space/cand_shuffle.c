/* The units of ShuffleNetV2 (Ma et al. 2018, figure 3) and the longer one of SPOS (Guo et al. 2020).
 *
 *            stride 1: halves of the channels      otherwise: the source twice
 *   proj     as it is                              depthwise, 1x1
 *   main     plain: 1x1, depthwise, 1x1            long: depthwise, 1x1, depthwise, 1x1, depthwise, 1x1
 *
 * joined in this order, and shuffled in two groups. A depthwise convolution has batch norm behind it, a 1x1 batch norm
 * and ReLU; the batch norms are those of model->ops. The first depthwise convolution has the stride. */
#include "module/layers.h"
#include "space/candidates.h"

/* ---- the unit ------------------------------------------------------------------------------------------ */

/* Children: main, proj (with a stride only). */
static int forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    mn_module *main = MN_AT(m->children, mn_module *, 0), *proj = mn_module_child(m, "proj");
    mn_value *part[2], *both;
    if (n_src != 1) return mn_fail(m->model->ctx, MODNAS_EINVAL, "shuffle unit takes 1 value, %d given", (int)n_src);
    if (proj) {
        MN_TRY(mn_forward1(proj, run, src[0], &part[0]));
        part[1] = src[0];
    } else {
        const int32_t half = (int32_t)(src[0]->dims[1] / 2);
        MN_TRY(mn_split(run, src[0], 1, (const int32_t[]){half, half}, 2, part));
    }
    MN_TRY(mn_forward1(main, run, part[1], &part[1]));
    MN_TRY(mn_concat(run, part, 2, 1, &both));
    return mn_shuffle(run, both, 2, dst);
}

static const mn_module_vt vt = {"shuffle_unit", forward, NULL};

static int append_conv(mn_module *to, const mn_conv_desc *d, int32_t act) {
    const mn_ops_conf *ops = &to->model->ops;
    mn_module *part;
    MN_TRY(mn_conv2d_new(to->model, d, &part));
    MN_TRY(mn_module_append(to, part));
    MN_TRY(mn_batch_norm_new(to->model, d->chn_out, ops->bn_affine, ops->bn_eps, ops->bn_momentum, &part));
    MN_TRY(mn_module_append(to, part));
    if (act == MODNAS_ACT_NONE) return 0;
    MN_TRY(mn_activation_new(to->model, act, &part));
    return mn_module_append(to, part);
}

static int append_depthwise(mn_module *to, int32_t chn, int32_t k, int32_t stride) {
    const mn_conv_desc d = {chn, chn, {k, k}, stride, {k / 2, k / 2}, 1, chn, 0};
    return append_conv(to, &d, MODNAS_ACT_NONE);
}

static int append_pointwise(mn_module *to, int32_t chn_in, int32_t chn_out) {
    const mn_conv_desc d = {chn_in, chn_out, {1, 1}, 1, {0, 0}, 1, 1, 0};
    return append_conv(to, &d, MODNAS_ACT_RELU);
}

/* ---- branches ------------------------------------------------------------------------------------------ */

static int fill_plain(mn_module *to, const mn_shuffle_desc *d, int32_t chn_in, int32_t chn_out) {
    MN_TRY(append_pointwise(to, chn_in, d->chn_mid));
    MN_TRY(append_depthwise(to, d->chn_mid, d->kernel, d->stride));
    return append_pointwise(to, d->chn_mid, chn_out);
}

static int fill_long(mn_module *to, const mn_shuffle_desc *d, int32_t chn_in, int32_t chn_out) {
    const int32_t chn[] = {chn_in, d->chn_mid, d->chn_mid, chn_out};
    for (int i = 0; i < 3; i++) {
        MN_TRY(append_depthwise(to, chn[i], d->kernel, i ? 1 : d->stride));
        MN_TRY(append_pointwise(to, chn[i], chn[i + 1]));
    }
    return 0;
}

static int fill_proj(mn_module *to, const mn_shuffle_desc *d, int32_t chn_in, int32_t chn_out) {
    MN_TRY(append_depthwise(to, chn_in, d->kernel, d->stride));
    return append_pointwise(to, chn_in, chn_out);
}

typedef int (*fill_fn)(mn_module *to, const mn_shuffle_desc *d, int32_t chn_in, int32_t chn_out);

static int add_branch(mn_module *unit, const char *name, fill_fn fill, const mn_shuffle_desc *d, int32_t chn_in,
                      int32_t chn_out) {
    mn_module *branch;
    MN_TRY(mn_sequential_new(unit->model, &branch));
    MN_TRY(mn_module_add(unit, name, branch));
    return fill(branch, d, chn_in, chn_out);
}

int mn_shuffle_unit_new(mn_model *model, const mn_shuffle_desc *given, mn_module **out) {
    mn_shuffle_desc d = *given;
    const int32_t chn_proj = d.stride == 1 ? d.chn_in / 2 : d.chn_in;
    mn_module *unit;
    if (!d.chn_mid) d.chn_mid = d.chn_out / 2;
    MN_TRY(mn_module_new(model, &vt, 0, &unit));
    int rc = add_branch(unit, "main", d.is_long ? fill_long : fill_plain, &d, chn_proj, d.chn_out - chn_proj);
    if (!rc && d.stride != 1) rc = add_branch(unit, "proj", fill_proj, &d, d.chn_in, d.chn_in);
    if (rc)
        mn_module_free(unit);
    else
        *out = unit;
    return rc;
}
