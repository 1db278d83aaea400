/* Ready-made modules: each is a vtable, a state block that holds its options, and parameters.
 *
 * Every forward takes one value; one_src checks that. Convolution and linear weights carry the kernel that they are the
 * weights of, so that the store lays them out as the backend's training forward wants them. */
#include "module/layers.h"

#include <math.h>
#include <string.h>

#include "module/active.h"
#include "module/model.h"

static int one_src(const mn_module *m, int32_t n_src) {
    if (n_src == 1) return 0;
    return mn_fail(m->model->ctx, MODNAS_EINVAL, "%s takes 1 value, %d given", m->vt->type, (int)n_src);
}

static mn_param *param(const mn_module *m, size_t i) {
    return MN_AT(m->params, mn_module_param, i).param;
}

/* Value of parameter i, NULL if the module has fewer. */
static int use(mn_module *m, mn_run *run, size_t i, mn_value **out) {
    *out = NULL;
    return i < m->params.n ? mn_active_use(m, run, param(m, i), out) : 0;
}

/* Hand out a module that was filled in, or free it. */
static int finish(int rc, mn_module *m, mn_module **out) {
    if (rc)
        mn_module_free(m);
    else
        *out = m;
    return rc;
}

/* ---- convolution --------------------------------------------------------------------------------------- */

typedef struct conv_state {
    mn_conv_opts o;
    int32_t has_bias;
} conv_state;

static void conv_use(modnas_kernel *k, const int64_t dims[4], int32_t chn_in, const mn_conv_opts *o);

/* Options and sizes of the convolution that a network of the active size has. */
static void conv_options(const mn_module *m, const int64_t dims[4], mn_conv_opts *o) {
    const mn_param *p = param(m, 0);
    if (o->groups > 1) o->groups = (int32_t)(dims[0] * o->groups / p->dims[0]);
    for (int i = 0; i < 4; i++) o->pad[i] -= o->dilation[i % 2] * (int32_t)(p->dims[2 + i % 2] - dims[2 + i % 2]) / 2;
}

/* What of the weights is active, with options to match. */
static int conv_weights(mn_module *m, mn_run *run, mn_conv_opts *o, mn_value **out) {
    mn_param *p = param(m, 0);
    modnas_kernel as;
    int64_t dims[4];
    mn_active_dims(m, p, dims);
    MN_TRY(mn_use_param(run, p, out));
    if (mn_active_is_whole(p, dims)) return 0;
    conv_options(m, dims, o);
    conv_use(&as, dims, (int32_t)dims[1] * o->groups, o);
    if (dims[2] < p->dims[2]) MN_TRY(mn_active_step_down(m, run, dims, o->groups, out));
    return mn_excerpt(run, *out, dims, o->groups, &as, out);
}

static int conv_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    const conv_state *s = m->state;
    mn_conv_opts o = s->o;
    mn_value *weights, *bias = NULL;
    MN_TRY(one_src(m, n_src));
    MN_TRY(conv_weights(m, run, &o, &weights));
    if (s->has_bias) MN_TRY(use(m, run, 1, &bias));
    return mn_conv2d(run, src[0], weights, bias, &o, dst);
}

static const mn_module_vt conv_vt = {"conv2d", conv_forward, NULL};
static int check_conv(modnas_ctx *ctx, int32_t chn_in, int32_t chn_out, const int32_t kernel[2],
                      const mn_conv_opts *o) {
    if (chn_in < 1 || chn_out < 1 || kernel[0] < 1 || kernel[1] < 1)
        return mn_fail(ctx, MODNAS_ESHAPE, "convolution %d -> %d with a %d x %d kernel", chn_in, chn_out, kernel[0],
                       kernel[1]);
    if (o->groups < 1 || chn_in % o->groups || chn_out % o->groups)
        return mn_fail(ctx, MODNAS_ESHAPE, "convolution %d -> %d cannot be split into %d groups", chn_in, chn_out,
                       o->groups);
    for (int i = 0; i < 2; i++)
        if (o->stride[i] < 1 || o->dilation[i] < 1 || o->pad[i] < 0 || o->pad[i + 2] < 0)
            return mn_fail(ctx, MODNAS_ESHAPE, "convolution with stride %d, dilation %d, padding %d, %d", o->stride[i],
                           o->dilation[i], o->pad[i], o->pad[i + 2]);
    return 0;
}

/* The convolution as a kernel on an image that just holds one window; layout choices depend on the geometry only. */
static void conv_use(modnas_kernel *k, const int64_t dims[4], int32_t chn_in, const mn_conv_opts *o) {
    int64_t src[2], dst[2];
    memset(k, 0, sizeof *k);
    k->kind = MODNAS_KERNEL_CONV2D;
    k->pass = MODNAS_FORWARD;
    memcpy(k->u.window.pad, o->pad, sizeof o->pad);
    for (int i = 0; i < 2; i++) {
        k->u.window.kernel[i] = (int32_t)dims[2 + i];
        k->u.window.stride[i] = o->stride[i];
        k->u.window.dilation[i] = o->dilation[i];
        src[i] = o->dilation[i] * (dims[2 + i] - 1) + 1;
        dst[i] = (o->pad[i] + o->pad[i + 2]) / o->stride[i] + 1;
    }
    k->u.window.groups = o->groups;
    k->src = (modnas_tdesc){{1, chn_in, src[0], src[1]}, MODNAS_LAYOUT_PLAIN, MODNAS_F32};
    memcpy(k->weights.dims, dims, sizeof k->weights.dims);
    k->dst = (modnas_tdesc){{1, dims[0], dst[0], dst[1]}, MODNAS_LAYOUT_PLAIN, MODNAS_F32};
}

static int conv_params(mn_module *m, int32_t chn_in, int32_t chn_out, const int32_t kernel[2], int bias) {
    conv_state *s = m->state;
    const mn_conv_opts *o = &s->o;
    const int64_t dims[4] = {chn_out, chn_in / o->groups, kernel[0], kernel[1]}, bias_dims[4] = {1, chn_out, 1, 1};
    const double bound = 1 / sqrt((double)(dims[1] * dims[2] * dims[3]));
    mn_param *p;
    MN_TRY(mn_module_param_new(m, "weight", MN_ROLE_WEIGHT, 4, dims, MN_INIT_UNIFORM, bound, &p));
    conv_use(&p->use, dims, chn_in, o);
    p->groups = o->groups;
    s->has_bias = bias;
    if (bias) MN_TRY(mn_module_param_new(m, "bias", MN_ROLE_WEIGHT, 1, bias_dims, MN_INIT_UNIFORM, bound, &p));
    return 0;
}

int mn_conv2d_window_new(mn_model *model, int32_t chn_in, int32_t chn_out, const int32_t kernel[2],
                         const mn_conv_opts *opts, int bias, mn_module **out) {
    mn_conv_opts o = *opts;
    int32_t *const ones[] = {&o.stride[0], &o.stride[1], &o.dilation[0], &o.dilation[1], &o.groups};
    for (size_t i = 0; i < MN_COUNT(ones); i++)
        if (!*ones[i]) *ones[i] = 1;
    MN_TRY(check_conv(model->ctx, chn_in, chn_out, kernel, &o));
    mn_module *m;
    MN_TRY(mn_module_new(model, &conv_vt, sizeof(conv_state), &m));
    ((conv_state *)m->state)->o = o;
    return finish(conv_params(m, chn_in, chn_out, kernel, bias), m, out);
}

int mn_conv2d_new(mn_model *model, const mn_conv_desc *d, mn_module **out) {
    const mn_conv_opts o = {
        {d->stride, d->stride}, {d->pad[0], d->pad[1], d->pad[0], d->pad[1]}, {d->dilation, d->dilation}, d->groups};
    return mn_conv2d_window_new(model, d->chn_in, d->chn_out, d->kernel, &o, d->bias, out);
}

/* ---- batch norm ---------------------------------------------------------------------------------------- */

typedef struct bn_state {
    int32_t affine;
    mn_bn_opts o;
    int64_t n_reduced; /* elements of a channel that were last recorded */
} bn_state;

static int bn_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    bn_state *s = m->state;
    mn_bn_opts o = s->o;
    mn_value *gamma = NULL, *beta = NULL;
    MN_TRY(one_src(m, n_src));
    s->n_reduced = src[0]->dims[0] * src[0]->dims[2] * src[0]->dims[3];
    if (m->model->bn_momentum > 0) o.momentum = m->model->bn_momentum;
    o.first = m->active.out != NULL;
    if (s->affine) {
        MN_TRY(use(m, run, 2, &gamma));
        MN_TRY(use(m, run, 3, &beta));
    }
    return mn_batch_norm(run, src[0], gamma, beta, param(m, 0), param(m, 1), &o, dst);
}

static const mn_module_vt bn_vt = {"batch_norm", bn_forward, NULL};

mn_bn_opts *mn_batch_norm_opts(mn_module *m) {
    return m->vt == &bn_vt ? &((bn_state *)m->state)->o : NULL;
}

int64_t mn_batch_norm_reduced(const mn_module *m) {
    return m->vt == &bn_vt ? ((const bn_state *)m->state)->n_reduced : 0;
}

int mn_batch_norm_new(mn_model *model, int32_t chn, int affine, double eps, double momentum, mn_module **out) {
    static const struct {
        const char *name;
        int32_t role, init;
    } params[] = {{"running_mean", MN_ROLE_STAT, MN_INIT_ZEROS},
                  {"running_var", MN_ROLE_STAT, MN_INIT_ONES},
                  {"weight", MN_ROLE_WEIGHT, MN_INIT_ONES},
                  {"bias", MN_ROLE_WEIGHT, MN_INIT_ZEROS}};
    if (chn < 1) return mn_fail(model->ctx, MODNAS_ESHAPE, "batch norm over %d channels", chn);
    mn_module *m;
    MN_TRY(mn_module_new(model, &bn_vt, sizeof(bn_state), &m));
    bn_state *s = m->state;
    s->affine = affine;
    s->o.eps = eps > 0 ? eps : 1e-5;
    s->o.momentum = momentum > 0 ? momentum : 0.1;
    const int64_t dims[4] = {1, chn, 1, 1};
    int rc = 0;
    for (int i = 0; i < (affine ? 4 : 2) && !rc; i++) {
        mn_param *p;
        rc = mn_module_param_new(m, params[i].name, params[i].role, 1, dims, params[i].init, 0, &p);
    }
    return finish(rc, m, out);
}

/* ---- layers without parameters ------------------------------------------------------------------------- */

static int act_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    MN_TRY(one_src(m, n_src));
    return mn_activation(run, src[0], *(const int32_t *)m->state, 0, 0, dst);
}

static int pool_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    MN_TRY(one_src(m, n_src));
    return mn_pool2d(run, src[0], m->state, dst);
}

static int global_pool_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    MN_TRY(one_src(m, n_src));
    return mn_global_pool(run, src[0], MODNAS_POOL_AVG, dst);
}

static int dropout_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    MN_TRY(one_src(m, n_src));
    return mn_dropout(run, src[0], *(const double *)m->state, dst);
}

static int flatten_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    MN_TRY(one_src(m, n_src));
    const int64_t *d = src[0]->dims, dims[4] = {d[0], d[1] * d[2] * d[3], 1, 1};
    return mn_reshape(run, src[0], dims, dst);
}

static const mn_module_vt act_vt = {"activation", act_forward, NULL};
static const mn_module_vt pool_vt = {"pool2d", pool_forward, NULL};
static const mn_module_vt global_pool_vt = {"global_pool", global_pool_forward, NULL};
static const mn_module_vt dropout_vt = {"dropout", dropout_forward, NULL};
static const mn_module_vt flatten_vt = {"flatten", flatten_forward, NULL};
static const mn_module_vt identity_vt = {"identity", NULL, NULL};
static const mn_module_vt sequential_vt = {"sequential", NULL, NULL};

/* A module whose state is a copy of `state`. */
static int plain_new(mn_model *model, const mn_module_vt *vt, const void *state, size_t bytes, mn_module **out) {
    MN_TRY(mn_module_new(model, vt, bytes, out));
    if (bytes) memcpy((*out)->state, state, bytes);
    return 0;
}

int mn_activation_new(mn_model *model, int32_t act, mn_module **out) {
    return plain_new(model, &act_vt, &act, sizeof act, out);
}

int32_t mn_activation_of(const mn_module *m) {
    return m->vt == &act_vt ? *(const int32_t *)m->state : -1;
}

int mn_pool2d_new(mn_model *model, const mn_pool_opts *o, mn_module **out) {
    return plain_new(model, &pool_vt, o, sizeof *o, out);
}

int mn_global_pool_new(mn_model *model, mn_module **out) {
    return plain_new(model, &global_pool_vt, NULL, 0, out);
}

int mn_flatten_new(mn_model *model, mn_module **out) {
    return plain_new(model, &flatten_vt, NULL, 0, out);
}

int mn_identity_new(mn_model *model, mn_module **out) {
    return plain_new(model, &identity_vt, NULL, 0, out);
}

int mn_module_is_identity(const mn_module *m) {
    return m->vt == &identity_vt;
}

int mn_sequential_new(mn_model *model, mn_module **out) {
    return plain_new(model, &sequential_vt, NULL, 0, out);
}

int mn_dropout_new(mn_model *model, double p, mn_module **out) {
    if (!(p >= 0 && p < 1)) return mn_fail(model->ctx, MODNAS_EINVAL, "dropout with p = %g, not in [0, 1)", p);
    return plain_new(model, &dropout_vt, &p, sizeof p, out);
}

/* ---- linear -------------------------------------------------------------------------------------------- */

static int linear_forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    mn_value *weights, *bias;
    MN_TRY(one_src(m, n_src));
    MN_TRY(use(m, run, 0, &weights));
    MN_TRY(use(m, run, 1, &bias));
    return mn_linear(run, src[0], weights, bias, dst);
}

static const mn_module_vt linear_vt = {"linear", linear_forward, NULL};

static void linear_use(modnas_kernel *k, const int64_t dims[4]) {
    k->kind = MODNAS_KERNEL_LINEAR;
    k->pass = MODNAS_FORWARD;
    k->src = (modnas_tdesc){{1, dims[1], 1, 1}, MODNAS_LAYOUT_PLAIN, MODNAS_F32};
    memcpy(k->weights.dims, dims, sizeof k->weights.dims);
    k->dst = (modnas_tdesc){{1, dims[0], 1, 1}, MODNAS_LAYOUT_PLAIN, MODNAS_F32};
}

static int linear_params(mn_module *m, int32_t chn_in, int32_t chn_out, int bias) {
    const int64_t dims[4] = {chn_out, chn_in, 1, 1}, bias_dims[4] = {1, chn_out, 1, 1};
    const double bound = 1 / sqrt((double)chn_in);
    mn_param *p;
    MN_TRY(mn_module_param_new(m, "weight", MN_ROLE_WEIGHT, 2, dims, MN_INIT_UNIFORM, bound, &p));
    linear_use(&p->use, dims);
    if (bias) MN_TRY(mn_module_param_new(m, "bias", MN_ROLE_WEIGHT, 1, bias_dims, MN_INIT_UNIFORM, bound, &p));
    return 0;
}

int mn_linear_new(mn_model *model, int32_t chn_in, int32_t chn_out, int bias, mn_module **out) {
    if (chn_in < 1 || chn_out < 1) return mn_fail(model->ctx, MODNAS_ESHAPE, "linear layer %d -> %d", chn_in, chn_out);
    mn_module *m;
    MN_TRY(mn_module_new(model, &linear_vt, 0, &m));
    return finish(linear_params(m, chn_in, chn_out, bias), m, out);
}

/* ---- the usual three ----------------------------------------------------------------------------------- */

int mn_conv_bn_act_append(mn_module *m, const mn_conv_desc *d, int32_t act) {
    mn_module *part;
    MN_TRY(mn_conv2d_new(m->model, d, &part));
    MN_TRY(mn_module_append(m, part));
    MN_TRY(mn_batch_norm_new(m->model, d->chn_out, 1, 0, 0, &part));
    MN_TRY(mn_module_append(m, part));
    if (act == MODNAS_ACT_NONE) return 0;
    MN_TRY(mn_activation_new(m->model, act, &part));
    return mn_module_append(m, part);
}

int mn_conv_bn_act_new(mn_model *model, int32_t chn_in, int32_t chn_out, int32_t k, int32_t stride, int32_t groups,
                       int32_t act, mn_module **out) {
    const mn_conv_desc d = {chn_in, chn_out, {k, k}, stride, {k / 2, k / 2}, 1, groups, 0};
    mn_module *m;
    MN_TRY(mn_sequential_new(model, &m));
    return finish(mn_conv_bn_act_append(m, &d, act), m, out);
}

/* ---- cutting ------------------------------------------------------------------------------------------- */

int mn_layer_cut(mn_module *m) {
    for (size_t i = m->params.n; i-- > 0;) {
        mn_module_param *entry = &MN_AT(m->params, mn_module_param, i);
        mn_param *p = entry->param;
        int64_t dims[4];
        if (mn_active_is_step(m, p)) {
            mn_param_free(p);
            mn_free(m->model->ctx, entry->name);
            mn_vec_remove(&m->params, i);
            continue;
        }
        mn_active_dims(m, p, dims);
        if (m->vt == &conv_vt && p->rank == 4) {
            mn_conv_opts *o = &((conv_state *)m->state)->o;
            conv_options(m, dims, o);
            conv_use(&p->use, dims, (int32_t)dims[1] * o->groups, o);
            p->groups = o->groups;
        }
        if (m->vt == &linear_vt && p->rank == 2) linear_use(&p->use, dims);
        memcpy(p->dims, dims, sizeof dims);
    }
    if (m->active.side) m->side = m->active.side->now(m->active.side);
    m->active = (mn_active){NULL};
    return 0;
}
