/* Candidates without a window: zeros, and the factorized reduction that stands for an identity with stride 2. */
#include "module/layers.h"
#include "space/candidates.h"

/* ---- zeros --------------------------------------------------------------------------------------------- */

typedef struct zero_state {
    int32_t chn, stride;
} zero_state;

static int zero_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    const zero_state *s = m->state;
    if (n_src != 1 || src[0]->dims[1] != s->chn)
        return mn_fail(m->model->ctx, MODNAS_ESHAPE, "zero operator: %d values of %lld channels, wanted 1 of %d",
                       (int)n_src, n_src ? (long long)src[0]->dims[1] : 0LL, s->chn);
    const int64_t *d = src[0]->dims,
                  dims[4] = {d[0], s->chn, (d[2] + s->stride - 1) / s->stride, (d[3] + s->stride - 1) / s->stride};
    return mn_zero(run, dims, dst);
}

static const mn_module_vt zero_vt = {"zero", zero_forward, NULL};

int mn_zero_op_new(mn_model *model, int32_t chn, int32_t stride, mn_module **out) {
    MN_TRY(mn_module_new(model, &zero_vt, sizeof(zero_state), out));
    *(zero_state *)(*out)->state = (zero_state){chn, stride};
    return 0;
}

int mn_is_zero_op(const mn_module *m) {
    return m->vt == &zero_vt;
}

/* ---- factorized reduction ------------------------------------------------------------------------------ */

/* Every second pixel from (1, 1) on, as many as there are from (0, 0) on: what is missing at an odd size is zero. */
static int odd_pixels(mn_run *run, mn_value *src, mn_value **dst) {
    const int32_t h = (int32_t)src->dims[2], w = (int32_t)src->dims[3];
    const int32_t start[4] = {0, 0, 1, 1}, step[4] = {1, 1, 2, 2}, none[4] = {0, 0, 0, 0},
                  after[4] = {0, 0, h % 2, w % 2};
    const int32_t count[4] = {(int32_t)src->dims[0], (int32_t)src->dims[1], h / 2, w / 2};
    if (h < 2 || w < 2)
        return mn_zero(run, (const int64_t[4]){src->dims[0], src->dims[1], (h + 1) / 2, (w + 1) / 2}, dst);
    MN_TRY(mn_slice(run, src, start, step, count, dst));
    return h % 2 || w % 2 ? mn_pad(run, *dst, none, after, 0, dst) : 0;
}

/* Children: conv1, conv2 (absent for a single output channel), bn. */
static int reduce_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    mn_module *conv1 = mn_module_child(m, "conv1"), *conv2 = mn_module_child(m, "conv2"),
              *bn = mn_module_child(m, "bn");
    mn_value *x, *odd, *part[2], *both;
    if (n_src != 1)
        return mn_fail(m->model->ctx, MODNAS_EINVAL, "factorized reduction takes 1 value, %d given", (int)n_src);
    MN_TRY(mn_activation(run, src[0], MODNAS_ACT_RELU, 0, 0, &x));
    MN_TRY(mn_forward1(conv1, run, x, &part[0]));
    both = part[0];
    if (conv2) {
        MN_TRY(odd_pixels(run, x, &odd));
        MN_TRY(mn_forward1(conv2, run, odd, &part[1]));
        MN_TRY(mn_concat(run, part, 2, 1, &both));
    }
    return mn_forward1(bn, run, both, dst);
}

static const mn_module_vt reduce_vt = {"factorized_reduce", reduce_forward, NULL};

static int add_reduce_parts(mn_module *m, int32_t chn_in, int32_t chn_out) {
    const mn_ops_conf *ops = &m->model->ops;
    /* conv2 reads pixels that are picked already: its stride is 1 */
    const mn_conv_desc conv1 = {chn_in, chn_out - chn_out / 2, {1, 1}, 2, {0, 0}, 1, 1, 0};
    const mn_conv_desc conv2 = {chn_in, chn_out / 2, {1, 1}, 1, {0, 0}, 1, 1, 0};
    mn_module *part;
    MN_TRY(mn_conv2d_new(m->model, &conv1, &part));
    MN_TRY(mn_module_add(m, "conv1", part));
    if (conv2.chn_out) {
        MN_TRY(mn_conv2d_new(m->model, &conv2, &part));
        MN_TRY(mn_module_add(m, "conv2", part));
    }
    MN_TRY(mn_batch_norm_new(m->model, chn_out, ops->bn_affine, ops->bn_eps, ops->bn_momentum, &part));
    return mn_module_add(m, "bn", part);
}

int mn_factorized_reduce_new(mn_model *model, int32_t chn_in, int32_t chn_out, mn_module **out) {
    mn_module *m;
    MN_TRY(mn_module_new(model, &reduce_vt, 0, &m));
    const int rc = add_reduce_parts(m, chn_in, chn_out);
    if (rc)
        mn_module_free(m);
    else
        *out = m;
    return rc;
}
