/* Operators of torch cases: forward value and the gradients that an incoming `gy` gives. Every input that has a
 * gradient is a parameter of a net whose loss is sum y gy. */
#include <math.h>
#include <string.h>

#include "cases.h"

static const mn_run_opts training = {.train = 1, .update_stats = 1, .grads = MN_ROLE_WEIGHT | MN_ROLE_ARCH};

/* "3" or "3,5" (rows, columns); 0 when absent or malformed. */
static int pair(const cs_env *e, const char *key, int32_t absent, int32_t out[2]) {
    int64_t v[2];
    const int32_t n = cs_attr_ints(e, key, v, 2);
    out[0] = out[1] = absent;
    if (n < 1) return !cs_has_attr(e, key);
    for (int i = 0; i < 2; i++) {
        if (v[n == 2 ? i : 0] < 0 || v[n == 2 ? i : 0] > 4096) return 0;
        out[i] = (int32_t)v[n == 2 ? i : 0];
    }
    return 1;
}

static int window_of(cs_env *e, cs_window *w) {
    int32_t pad[2];
    memset(w, 0, sizeof *w);
    const int ok = pair(e, "kernel", 1, w->kernel) && pair(e, "stride", 0, w->stride) && pair(e, "padding", 0, pad) &&
                   pair(e, "dilation", 1, w->dilation);
    if (!ok || w->kernel[0] < 1 || w->kernel[1] < 1 || w->dilation[0] < 1 || w->dilation[1] < 1)
        return cs_fail(e, "attributes of the window: %s", e->c->attrs);
    for (int i = 0; i < 2; i++) w->pad[i] = w->pad[i + 2] = pad[i];
    w->groups = (int32_t)cs_attr_int(e, "groups", 1);
    w->ceil_mode = cs_attr_int(e, "ceil_mode", 0) != 0;
    return CS_OK;
}

int cs_one_begin(cs_env *e, cs_one *o) {
    CS_DO(cs_need(e, "x", &o->x));
    o->gy = cs_in(e, "gy");
    CS_DO(cs_net_new(e));
    return cs_net_param(e, MN_ROLE_WEIGHT, o->dims, o->x->v, &o->p);
}

int cs_one_start(cs_env *e, cs_one *o, const mn_run_opts *opts) {
    CS_DO(cs_net_begin(e, opts ? opts : &training));
    CS_LIB(e, mn_use_param(e->net.run, o->p, &o->v));
    return CS_OK;
}

/* y is recorded: run, and compare y and gx. */
int cs_one_finish(cs_env *e, cs_one *o) {
    mn_value *loss = NULL;
    double *y, *gx;
    const int64_t n = cs_product(o->y->dims, 0, 4);
    CS_LIB(e, mn_run_keep(e->net.run, o->y));
    if (o->gy && o->gy->n != n)
        return cs_fail(e, "gy has %lld elements, y has %lld", (long long)o->gy->n, (long long)n);
    if (o->gy) CS_DO(cs_net_dot(e, o->y, o->gy->v, &loss));
    CS_DO(cs_net_run(e, loss));
    CS_DO(cs_net_read(e, o->y, &y));
    CS_DO(cs_check_named(e, "y", y, n));
    if (!loss) return CS_OK;
    CS_DO(cs_net_grad(e, o->p, &gx));
    return cs_check_named(e, "gx", gx, o->x->n);
}

int cs_check_grad(cs_env *e, const char *name, const mn_param *p) {
    double *g;
    if (!p) return CS_OK;
    CS_DO(cs_net_grad(e, p, &g));
    return cs_check_named(e, name, g, mn_param_numel(p));
}

/* A vector input over channels, if the case has it. */
static int vector_param(cs_env *e, int32_t role, const char *name, mn_param **p) {
    const cs_tensor *t = cs_in(e, name);
    *p = NULL;
    if (!t) return CS_OK;
    return cs_net_param(e, role, (const int64_t[]){1, t->n, 1, 1}, t->v, p);
}

/* ---- convolution, batch norm, pooling, linear ---- */

static int conv2d(cs_env *e) {
    cs_one o = {0};
    cs_window w;
    const cs_tensor *x, *weights;
    mn_param *pw, *pb;
    CS_DO(cs_need(e, "x", &x));
    CS_DO(cs_need(e, "w", &weights));
    if (x->rank != 4 || weights->rank != 4) return cs_fail(e, "x or w is not of rank 4");
    CS_DO(window_of(e, &w));
    for (int i = 0; i < 2; i++) {
        w.kernel[i] = (int32_t)weights->dims[i + 2];
        if (!w.stride[i]) w.stride[i] = 1;
    }
    memcpy(o.dims, x->dims, sizeof o.dims);
    CS_DO(cs_one_begin(e, &o));
    CS_DO(cs_net_conv_weights(e, weights->dims, weights->v, &w, &pw));
    CS_DO(vector_param(e, MN_ROLE_WEIGHT, "b", &pb));
    CS_DO(cs_one_start(e, &o, NULL));
    CS_DO(cs_net_conv(e, o.v, pw, pb, &w, &o.y));
    CS_DO(cs_one_finish(e, &o));
    CS_DO(cs_check_grad(e, "gw", pw));
    return cs_check_grad(e, "gb", pb);
}

static int batch_norm(cs_env *e) {
    cs_one o = {0};
    const cs_tensor *x;
    mn_param *gamma, *beta, *mean, *var;
    mn_value *g = NULL, *b = NULL;
    const mn_bn_opts bn = {.eps = cs_attr_real(e, "eps", 1e-5), .momentum = cs_attr_real(e, "momentum", 0.1)};
    mn_run_opts opts = training;
    CS_DO(cs_need(e, "x", &x));
    cs_fold(x, o.dims);
    CS_DO(cs_one_begin(e, &o));
    CS_DO(vector_param(e, MN_ROLE_WEIGHT, "gamma", &gamma));
    CS_DO(vector_param(e, MN_ROLE_WEIGHT, "beta", &beta));
    CS_DO(vector_param(e, MN_ROLE_STAT, "running_mean", &mean));
    CS_DO(vector_param(e, MN_ROLE_STAT, "running_var", &var));
    if (!mean || !var) return cs_fail(e, "the case has no running statistics");
    opts.train = opts.update_stats = cs_attr_int(e, "training", 1) != 0;
    CS_DO(cs_one_start(e, &o, &opts));
    if (gamma) CS_LIB(e, mn_use_param(e->net.run, gamma, &g));
    if (beta) CS_LIB(e, mn_use_param(e->net.run, beta, &b));
    CS_LIB(e, mn_batch_norm(e->net.run, o.v, g, b, mean, var, &bn, &o.y));
    CS_DO(cs_one_finish(e, &o));
    CS_DO(cs_check_grad(e, "ggamma", gamma));
    CS_DO(cs_check_grad(e, "gbeta", beta));
    double *stat;
    CS_DO(cs_net_get(e, mean, &stat));
    CS_DO(cs_check_named(e, "running_mean", stat, mn_param_numel(mean)));
    CS_DO(cs_net_get(e, var, &stat));
    return cs_check_named(e, "running_var", stat, mn_param_numel(var));
}

static int run_pool(cs_env *e, const cs_window *w, int32_t algo) {
    cs_one o = {0};
    const cs_tensor *x;
    CS_DO(cs_need(e, "x", &x));
    cs_fold(x, o.dims);
    mn_pool_opts p = {.algo = algo, .ceil_mode = w->ceil_mode};
    memcpy(p.kernel, w->kernel, sizeof p.kernel);
    memcpy(p.stride, w->stride, sizeof p.stride);
    memcpy(p.pad, w->pad, sizeof p.pad);
    memcpy(p.dilation, w->dilation, sizeof p.dilation);
    CS_DO(cs_one_begin(e, &o));
    CS_DO(cs_one_start(e, &o, NULL));
    CS_LIB(e, mn_pool2d(e->net.run, o.v, &p, &o.y));
    return cs_one_finish(e, &o);
}

static int pool2d(cs_env *e) {
    cs_window w;
    CS_DO(window_of(e, &w));
    int32_t algo = cs_op_of(e)->arg;
    if (algo == MODNAS_POOL_AVG && cs_attr_int(e, "count_include_pad", 1)) algo = MODNAS_POOL_AVG_INCLUDE_PAD;
    return run_pool(e, &w, algo);
}

/* Windows of equal size only: the image is a multiple of the output. */
static int adaptive_pool2d(cs_env *e) {
    int32_t out[2];
    cs_window w = {.stride = {0, 0}};
    const cs_tensor *x;
    int64_t dims[4];
    CS_DO(cs_need(e, "x", &x));
    cs_fold(x, dims);
    if (!pair(e, "output", 1, out) || out[0] < 1 || out[1] < 1) return cs_fail(e, "output size: %s", e->c->attrs);
    for (int i = 0; i < 2; i++) {
        if (dims[i + 2] % out[i]) return cs_skip(e, "windows of unequal size");
        w.kernel[i] = (int32_t)(dims[i + 2] / out[i]);
    }
    return run_pool(e, &w, cs_op_of(e)->arg);
}

static int linear(cs_env *e) {
    cs_one o = {0};
    const cs_tensor *x, *w;
    mn_param *pw, *pb;
    mn_value *weights, *bias = NULL;
    CS_DO(cs_need(e, "x", &x));
    CS_DO(cs_need(e, "w", &w));
    if (x->rank < 1 || w->rank != 2) return cs_fail(e, "w is not of rank 2");
    o.dims[0] = cs_product(x->dims, 0, x->rank - 1);
    o.dims[1] = x->dims[x->rank - 1];
    o.dims[2] = o.dims[3] = 1;
    CS_DO(cs_one_begin(e, &o));
    CS_DO(cs_net_linear_weights(e, w->dims[0], w->dims[1], w->v, &pw));
    CS_DO(vector_param(e, MN_ROLE_WEIGHT, "b", &pb));
    CS_DO(cs_one_start(e, &o, NULL));
    CS_LIB(e, mn_use_param(e->net.run, pw, &weights));
    if (pb) CS_LIB(e, mn_use_param(e->net.run, pb, &bias));
    CS_LIB(e, mn_linear(e->net.run, o.v, weights, bias, &o.y));
    CS_DO(cs_one_finish(e, &o));
    CS_DO(cs_check_grad(e, "gw", pw));
    return cs_check_grad(e, "gb", pb);
}

/* ---- element by element, softmax, shuffle ---- */

/* What the attributes of an activation are called, and their defaults: alpha and beta of the library. */
static const struct {
    int32_t act;
    const char *alpha, *beta;
    double defaults[2];
} act_attrs[] = {{MODNAS_ACT_CLIP, "min_val", "max_val", {-1, 1}},
                 {MODNAS_ACT_LEAKY_RELU, "negative_slope", "", {0.01, 0}},
                 {MODNAS_ACT_ELU, "alpha", "", {1, 1}},
                 {MODNAS_ACT_POW, "exponent", "", {1, 0}}};

/* selu's own, and torch.sqrt, torch.reciprocal as powers */
static const struct {
    const char *op;
    double alpha, beta;
} fixed_attrs[] = {
    {"selu", 1.6732632423543772 * 1.0507009873554805, 1.0507009873554805}, {"sqrt", 0.5, 0}, {"reciprocal", -1, 0}};

static int activation(cs_env *e) {
    cs_one o = {0};
    const cs_tensor *x;
    const int32_t act = cs_op_of(e)->arg;
    double alpha = 0, beta = 0;
    for (size_t i = 0; i < MN_COUNT(act_attrs); i++) {
        if (act_attrs[i].act != act) continue;
        alpha = cs_attr_real(e, act_attrs[i].alpha, act_attrs[i].defaults[0]);
        beta = cs_attr_real(e, act_attrs[i].beta, act_attrs[i].defaults[1]);
    }
    for (size_t i = 0; i < MN_COUNT(fixed_attrs); i++) {
        if (strcmp(fixed_attrs[i].op, e->c->op) != 0) continue;
        alpha = fixed_attrs[i].alpha;
        beta = fixed_attrs[i].beta;
    }
    CS_DO(cs_need(e, "x", &x));
    cs_fold(x, o.dims);
    CS_DO(cs_one_begin(e, &o));
    CS_DO(cs_one_start(e, &o, NULL));
    CS_LIB(e, mn_activation(e->net.run, o.v, act, alpha, beta, &o.y));
    return cs_one_finish(e, &o);
}

static int softmax(cs_env *e) {
    cs_one o = {0};
    const cs_tensor *x;
    CS_DO(cs_need(e, "x", &x));
    const int32_t axis = cs_axis(x, cs_attr_int(e, "dim", 1));
    if (axis < 0) return cs_fail(e, "dim is out of range");
    cs_fold_axis(x, axis, o.dims);
    CS_DO(cs_one_begin(e, &o));
    CS_DO(cs_one_start(e, &o, NULL));
    CS_LIB(e, mn_softmax(e->net.run, o.v, cs_op_of(e)->arg, &o.y));
    return cs_one_finish(e, &o);
}

static int channel_shuffle(cs_env *e) {
    cs_one o = {0};
    const cs_tensor *x;
    CS_DO(cs_need(e, "x", &x));
    cs_fold(x, o.dims);
    CS_DO(cs_one_begin(e, &o));
    CS_DO(cs_one_start(e, &o, NULL));
    CS_LIB(e, mn_shuffle(e->net.run, o.v, (int32_t)cs_attr_int(e, "groups", 1), &o.y));
    return cs_one_finish(e, &o);
}

/* ---- mixtures: y = sum_i softmax((alpha + gumbel) / tau)_i o_i ---- */

enum { MAX_PATHS = 64 };

typedef struct mixture {
    const cs_tensor *alpha, *o, *gumbel;
    int32_t n;
    int64_t row[4], dims[4], n_path; /* of alpha; of a path; its elements */
    mn_param *pa, *po[MAX_PATHS];
} mixture;

static int mixture_params(cs_env *e, mixture *m) {
    CS_DO(cs_need(e, "alpha", &m->alpha));
    CS_DO(cs_need(e, "o", &m->o));
    m->gumbel = cs_in(e, "gumbel");
    m->n = (int32_t)m->alpha->n;
    if (m->n < 1 || m->n > MAX_PATHS) return cs_skip(e, "%lld paths", (long long)m->alpha->n);
    if (m->o->rank < 1 || m->o->dims[0] != m->n) return cs_fail(e, "o does not have a path for each alpha");
    if (m->gumbel && m->gumbel->n != m->n) return cs_fail(e, "gumbel does not have the shape of alpha");
    cs_tensor path = *m->o;
    path.rank--;
    memmove(path.dims, path.dims + 1, sizeof path.dims - sizeof path.dims[0]);
    cs_fold(&path, m->dims);
    m->n_path = cs_product(m->dims, 0, 4);
    const int64_t row[4] = {1, m->n, 1, 1};
    memcpy(m->row, row, sizeof row);
    CS_DO(cs_net_new(e));
    CS_DO(cs_net_param(e, MN_ROLE_ARCH, row, m->alpha->v, &m->pa));
    for (int32_t i = 0; i < m->n; i++)
        CS_DO(cs_net_param(e, MN_ROLE_WEIGHT, m->dims, m->o->v + i * m->n_path, &m->po[i]));
    return CS_OK;
}

static int mixture_record(cs_env *e, const mixture *m, mn_value **y) {
    mn_value *a, *g, *p, *paths[MAX_PATHS];
    CS_LIB(e, mn_use_param(e->net.run, m->pa, &a));
    if (m->gumbel) CS_LIB(e, mn_const(e->net.run, m->row, m->gumbel->v, &g));
    if (m->gumbel) CS_LIB(e, mn_add(e->net.run, a, g, &a));
    const double tau = cs_attr_real(e, "tau", 1);
    if (tau != 1) CS_LIB(e, mn_activation(e->net.run, a, MODNAS_ACT_LINEAR, 1 / tau, 0, &a));
    CS_LIB(e, mn_softmax(e->net.run, a, 0, &p));
    for (int32_t i = 0; i < m->n; i++) CS_LIB(e, mn_use_param(e->net.run, m->po[i], &paths[i]));
    CS_LIB(e, mn_weighted_sum(e->net.run, p, paths, m->n, y));
    return CS_OK;
}

static int softmax_mixture(cs_env *e) {
    mixture m = {0};
    mn_value *y, *loss = NULL;
    double *v;
    CS_DO(mixture_params(e, &m));
    CS_DO(cs_net_begin(e, &training));
    CS_DO(mixture_record(e, &m, &y));
    CS_LIB(e, mn_run_keep(e->net.run, y));
    const cs_tensor *gy = cs_in(e, "gy");
    if (gy && gy->n != m.n_path) return cs_fail(e, "gy does not have the shape of a path");
    if (gy) CS_DO(cs_net_dot(e, y, gy->v, &loss));
    CS_DO(cs_net_run(e, loss));
    CS_DO(cs_net_read(e, y, &v));
    CS_DO(cs_check_named(e, "y", v, m.n_path));
    if (!loss) return CS_OK;
    CS_DO(cs_check_grad(e, "galpha", m.pa));
    double *go = cs_reals(e, m.o->n);
    for (int32_t i = 0; i < m.n; i++) {
        CS_DO(cs_net_grad(e, m.po[i], &v));
        memcpy(go + i * m.n_path, v, sizeof *v * (size_t)m.n_path);
    }
    return cs_check_named(e, "go", go, m.o->n);
}

const cs_op cs_torch_ops[] = {
    {"conv2d", conv2d, " stride padding dilation groups ", 0},
    {"batch_norm", batch_norm, " training momentum eps affine ", 0},
    {"max_pool2d", pool2d, " kernel stride padding dilation ceil_mode ", MODNAS_POOL_MAX},
    {"avg_pool2d", pool2d, " kernel stride padding ceil_mode count_include_pad ", MODNAS_POOL_AVG},
    {"adaptive_avg_pool2d", adaptive_pool2d, " output ", MODNAS_POOL_AVG},
    {"adaptive_max_pool2d", adaptive_pool2d, " output ", MODNAS_POOL_MAX},
    {"linear", linear, "", 0},
    {"relu", activation, "", MODNAS_ACT_RELU},
    {"relu6", activation, "", MODNAS_ACT_RELU6},
    {"hardtanh", activation, " min_val max_val ", MODNAS_ACT_CLIP},
    {"hardswish", activation, "", MODNAS_ACT_HARD_SWISH},
    {"hardsigmoid", activation, "", MODNAS_ACT_HARD_SIGMOID},
    {"sigmoid", activation, "", MODNAS_ACT_SIGMOID},
    {"silu", activation, "", MODNAS_ACT_SWISH},
    {"tanh", activation, "", MODNAS_ACT_TANH},
    {"leaky_relu", activation, " negative_slope ", MODNAS_ACT_LEAKY_RELU},
    {"elu", activation, " alpha ", MODNAS_ACT_ELU},
    {"selu", activation, "", MODNAS_ACT_ELU},
    {"softplus", activation, "", MODNAS_ACT_SOFTPLUS},
    {"exp", activation, "", MODNAS_ACT_EXP},
    {"log", activation, "", MODNAS_ACT_LOG},
    {"abs", activation, "", MODNAS_ACT_ABS},
    {"sqrt", activation, "", MODNAS_ACT_POW},
    {"reciprocal", activation, "", MODNAS_ACT_POW},
    {"pow", activation, " exponent ", MODNAS_ACT_POW},
    {"add", cs_torch_binary, "", MODNAS_BINARY_ADD},
    {"sub", cs_torch_binary, "", MODNAS_BINARY_SUB},
    {"mul", cs_torch_binary, "", MODNAS_BINARY_MUL},
    {"div", cs_torch_binary, "", MODNAS_BINARY_DIV},
    {"sum", cs_torch_reduce, " dim keepdim ", MODNAS_REDUCE_SUM},
    {"mean", cs_torch_reduce, " dim keepdim ", MODNAS_REDUCE_MEAN},
    {"pad", cs_torch_pad, " pad mode value ", 0},
    {"softmax", softmax, " dim ", 0},
    {"log_softmax", softmax, " dim ", 1},
    {"cross_entropy", cs_torch_xent, " label_smoothing reduction ignore_index ", 0},
    {"soft_cross_entropy", cs_torch_xent, " label_smoothing reduction ", 0},
    {"nll_loss", cs_torch_xent, " reduction ignore_index ", 1},
    {"mse_loss", cs_torch_loss, " reduction ", MODNAS_LOSS_MSE},
    {"l1_loss", cs_torch_loss, " reduction ", MODNAS_LOSS_L1},
    {"smooth_l1_loss", cs_torch_loss, " reduction beta ", MODNAS_LOSS_SMOOTH_L1},
    {"binary_cross_entropy", cs_torch_loss, " reduction ", MODNAS_LOSS_BCE},
    {"binary_cross_entropy_with_logits", cs_torch_loss, " reduction ", MODNAS_LOSS_BCE_LOGITS},
    {"softmax_sum", softmax_mixture, " tau ", 0},
    {"gumbel_softmax_sum", softmax_mixture, " tau ", 0},
    {"channel_shuffle", channel_shuffle, " groups ", 0},
    {"sgd", cs_torch_optimizer, " lr momentum dampening weight_decay nesterov ", 0},
    {"adam", cs_torch_optimizer, " lr beta1 beta2 eps weight_decay ", 1},
    {"adamw", cs_torch_optimizer, " lr beta1 beta2 eps weight_decay ", 2},
    {"constant", cs_torch_schedule, " lr factor total_iters ", 0},
    {"step", cs_torch_schedule, " lr step_size gamma ", 0},
    {"multistep", cs_torch_schedule, " lr milestones gamma ", 0},
    {"exponential", cs_torch_schedule, " lr gamma ", 0},
    {"cosine", cs_torch_schedule, " lr T_max eta_min ", 0},
    {"clip_grad_norm", cs_torch_clip_norm, " max_norm norm_type ", 0},
    {"mbconv", cs_torch_mbconv, " k expand stride act bn eps momentum ", 0},
    {"train_tiny", cs_torch_train_tiny, NULL, 0},
    {"darts_second_order", cs_torch_darts, NULL, 0},
};
const int cs_n_torch_ops = MN_COUNT(cs_torch_ops);
