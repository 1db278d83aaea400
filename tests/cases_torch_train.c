/* Torch cases of training: optimizers and clipping through src/train, schedules, an inverted residual block, and a
 * small network trained for some steps. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "train/train.h"

/* Trajectories add up rounding errors of many steps: the looser tolerance of the cases' description. */
static void loosen(cs_env *e) {
    e->rtol = 1e-3;
    e->atol = 1e-4;
}

/* ---- optimizers: p0, grads (steps, ...) -> p (steps, ...) ---- */

enum { SGD, ADAM, ADAMW };

static int new_optimizer(cs_env *e, int kind, mn_weight_optim **out) {
    const mn_sgd_opts sgd = {.lr = cs_attr_real(e, "lr", 1e-3),
                             .momentum = cs_attr_real(e, "momentum", 0),
                             .dampening = cs_attr_real(e, "dampening", 0),
                             .weight_decay = cs_attr_real(e, "weight_decay", 0),
                             .nesterov = cs_attr_int(e, "nesterov", 0) != 0};
    const mn_adam_opts adam = {.lr = cs_attr_real(e, "lr", 1e-3),
                               .beta1 = cs_attr_real(e, "beta1", 0.9),
                               .beta2 = cs_attr_real(e, "beta2", 0.999),
                               .eps = cs_attr_real(e, "eps", 1e-8),
                               .weight_decay = cs_attr_real(e, "weight_decay", kind == ADAMW ? 1e-2 : 0),
                               .decoupled = kind == ADAMW};
    if (kind == SGD)
        CS_LIB(e, mn_sgd_new(e->ctx, e->net.store, &sgd, out));
    else
        CS_LIB(e, mn_adam_new(e->ctx, e->net.store, &adam, out));
    return CS_OK;
}

static int walk(cs_env *e, mn_weight_optim *o, mn_param *p, const cs_tensor *grads, double *path) {
    const int64_t n = mn_param_numel(p);
    for (int64_t step = 0; step * n < grads->n; step++) {
        double *now;
        mn_store_zero_grad(e->net.store);
        CS_DO(cs_net_set_grad(e, p, grads->v + step * n));
        CS_LIB(e, mn_weight_optim_step(o, mn_weight_optim_lr(o), 1));
        CS_DO(cs_net_get(e, p, &now));
        memcpy(path + step * n, now, sizeof *now * (size_t)n);
    }
    return CS_OK;
}

int cs_torch_optimizer(cs_env *e) {
    const mn_run_opts opts = {0};
    const cs_tensor *p0, *grads;
    mn_param *p;
    mn_weight_optim *o = NULL;
    CS_DO(cs_need(e, "p0", &p0));
    CS_DO(cs_need(e, "grads", &grads));
    if (p0->n < 1 || grads->n % p0->n) return cs_fail(e, "grads are not rows like p0");
    loosen(e);
    CS_DO(cs_net_new(e));
    CS_DO(cs_net_param(e, MN_ROLE_WEIGHT, (const int64_t[]){1, p0->n, 1, 1}, p0->v, &p));
    CS_DO(cs_net_begin(e, &opts));
    CS_DO(new_optimizer(e, cs_op_of(e)->arg, &o));
    double *path = cs_reals(e, grads->n);
    const int rc = walk(e, o, p, grads, path);
    mn_weight_optim_free(o);
    CS_DO(rc);
    return cs_check_named(e, "p", path, grads->n);
}

/* ---- schedules: lr (epochs) ---- */

static double lr_constant(const cs_env *e, double lr, int64_t epoch) {
    return mn_lr_constant(lr, cs_attr_real(e, "factor", 1.0 / 3), cs_attr_real(e, "total_iters", 5), epoch);
}

static double lr_step(const cs_env *e, double lr, int64_t epoch) {
    return mn_lr_step(lr, cs_attr_int(e, "step_size", 1), cs_attr_real(e, "gamma", 0.1), epoch);
}

static double lr_multistep(const cs_env *e, double lr, int64_t epoch) {
    int64_t milestones[64];
    const int32_t n = cs_attr_ints(e, "milestones", milestones, MN_COUNT(milestones));
    return n < 0 ? NAN : mn_lr_multistep(lr, milestones, (size_t)n, cs_attr_real(e, "gamma", 0.1), epoch);
}

static double lr_exponential(const cs_env *e, double lr, int64_t epoch) {
    return mn_lr_exponential(lr, cs_attr_real(e, "gamma", 0.1), epoch);
}

static double lr_cosine(const cs_env *e, double lr, int64_t epoch) {
    return mn_lr_cosine(lr, cs_attr_real(e, "eta_min", 0), cs_attr_real(e, "T_max", 1), epoch);
}

static const struct {
    const char *name;
    double (*at)(const cs_env *e, double lr, int64_t epoch);
} schedules[] = {{"constant", lr_constant},
                 {"step", lr_step},
                 {"multistep", lr_multistep},
                 {"exponential", lr_exponential},
                 {"cosine", lr_cosine}};

int cs_torch_schedule(cs_env *e) {
    const cs_tensor *want = cs_out(e, "lr");
    const double lr = cs_attr_real(e, "lr", 0);
    if (!want) return cs_fail(e, "the case has no output lr");
    if (cs_attr_int(e, "step_size", 1) < 1) return cs_fail(e, "step_size is below 1");
    double *got = cs_reals(e, want->n);
    for (size_t s = 0; s < MN_COUNT(schedules); s++)
        for (int64_t i = 0; i < want->n && strcmp(schedules[s].name, e->c->op) == 0; i++)
            got[i] = schedules[s].at(e, lr, i);
    return cs_check(e, want, got, want->n);
}

/* ---- clip_grad_norm: g0, g1, ... -> total_norm, g0, g1, ... ---- */

enum { MAX_TENSORS = 32 };

/* The clipped gradients, as what a plain SGD step with rate 1 takes off weights of 0. */
static int clipped(cs_env *e, double *norm) {
    mn_grad_norm *g = NULL;
    mn_weight_optim *o = NULL;
    const mn_sgd_opts sgd = {.lr = 1};
    int rc = mn_grad_norm_new(e->net.store, &g);
    if (!rc) rc = mn_sgd_new(e->ctx, e->net.store, &sgd, &o);
    if (!rc) rc = mn_grad_norm_get(g, norm);
    if (!rc) rc = mn_weight_optim_step(o, 1, mn_clip_scale(*norm, cs_attr_real(e, "max_norm", 1)));
    mn_grad_norm_free(g);
    mn_weight_optim_free(o);
    CS_LIB(e, rc);
    return CS_OK;
}

int cs_torch_clip_norm(cs_env *e) {
    const mn_run_opts opts = {0};
    mn_param *p[MAX_TENSORS];
    double norm = 0, *w;
    if (cs_attr_real(e, "norm_type", 2) != 2) return cs_skip(e, "only the 2-norm is clipped");
    if (e->c->n_in > MAX_TENSORS) return cs_skip(e, "%d tensors", (int)e->c->n_in);
    CS_DO(cs_net_new(e));
    for (int32_t i = 0; i < e->c->n_in; i++) {
        const cs_tensor *t = &e->c->in[i];
        CS_DO(cs_net_param(e, MN_ROLE_WEIGHT, (const int64_t[]){1, t->n, 1, 1}, cs_reals(e, t->n), &p[i]));
    }
    CS_DO(cs_net_begin(e, &opts));
    mn_store_zero_grad(e->net.store);
    for (int32_t i = 0; i < e->c->n_in; i++) CS_DO(cs_net_set_grad(e, p[i], e->c->in[i].v));
    CS_DO(clipped(e, &norm));
    CS_DO(cs_check_named(e, "total_norm", &norm, 1));
    for (int32_t i = 0; i < e->c->n_in; i++) {
        CS_DO(cs_net_get(e, p[i], &w));
        for (int64_t j = 0; j < e->c->in[i].n; j++) w[j] = -w[j];
        CS_DO(cs_check_named(e, e->c->in[i].name, w, e->c->in[i].n));
    }
    return CS_OK;
}

/* ---- mbconv: [conv1x1 BN act] depthwise BN act conv1x1 BN [+ x] ---- */

typedef struct stage {
    const cs_tensor *w;
    cs_window window;
    mn_param *weights, *gamma, *beta, *mean, *var;
} stage;

static int stage_vector(cs_env *e, int32_t role, const char *prefix, char digit, int64_t n, double absent,
                        mn_param **p) {
    char name[8];
    snprintf(name, sizeof name, "%s%c", prefix, digit);
    const cs_tensor *t = cs_in(e, name);
    if (t && t->n != n)
        return cs_fail(e, "%s has %lld elements for %lld channels", name, (long long)t->n, (long long)n);
    double *fill = cs_reals(e, n);
    for (int64_t i = 0; i < n; i++) fill[i] = absent;
    return cs_net_param(e, role, (const int64_t[]){1, n, 1, 1}, t ? t->v : fill, p);
}

/* The parameters of stage 1, 2 or 3; w stays NULL when the block has no such stage. */
static int open_stage(cs_env *e, char digit, int32_t stride, int64_t groups_of, stage *s) {
    char name[3] = {'w', digit, 0};
    s->w = cs_in(e, name);
    if (!s->w) return CS_OK;
    if (s->w->rank != 4 || s->w->dims[2] > 63 || s->w->dims[3] > 63) return cs_fail(e, "%s is no kernel", name);
    s->window =
        (cs_window){.stride = {stride, stride}, .dilation = {1, 1}, .groups = groups_of ? (int32_t)groups_of : 1};
    for (int i = 0; i < 2; i++) {
        s->window.kernel[i] = (int32_t)s->w->dims[i + 2];
        s->window.pad[i] = s->window.pad[i + 2] = s->window.kernel[i] / 2;
    }
    const int64_t c = s->w->dims[0];
    CS_DO(cs_net_conv_weights(e, s->w->dims, s->w->v, &s->window, &s->weights));
    CS_DO(stage_vector(e, MN_ROLE_WEIGHT, "g", digit, c, 1, &s->gamma));
    CS_DO(stage_vector(e, MN_ROLE_WEIGHT, "b", digit, c, 0, &s->beta));
    CS_DO(stage_vector(e, MN_ROLE_STAT, "rm", digit, c, 0, &s->mean));
    return stage_vector(e, MN_ROLE_STAT, "rv", digit, c, 1, &s->var);
}

static int record_stage(cs_env *e, const stage *s, int32_t act, mn_value *x, mn_value **y) {
    const mn_bn_opts bn = {.eps = cs_attr_real(e, "eps", 1e-5), .momentum = cs_attr_real(e, "momentum", 0.1)};
    mn_value *g, *b;
    *y = x;
    if (!s->w) return CS_OK;
    CS_DO(cs_net_conv(e, x, s->weights, NULL, &s->window, y));
    CS_LIB(e, mn_use_param(e->net.run, s->gamma, &g));
    CS_LIB(e, mn_use_param(e->net.run, s->beta, &b));
    CS_LIB(e, mn_batch_norm(e->net.run, *y, g, b, s->mean, s->var, &bn, y));
    CS_LIB(e, mn_activation(e->net.run, *y, act, 0, 0, y));
    return CS_OK;
}

static int check_stage(cs_env *e, const stage *s, char digit) {
    const mn_param *p[] = {s->weights, s->gamma, s->beta};
    const char *const letters = "wgb";
    for (int i = 0; i < 3 && s->w; i++) {
        char name[4] = {'g', letters[i], digit, 0};
        double *g;
        CS_DO(cs_net_grad(e, p[i], &g));
        CS_DO(cs_check_named(e, name, g, mn_param_numel(p[i])));
    }
    return CS_OK;
}

static int act_of(cs_env *e, int32_t *act) {
    static const struct {
        const char *name;
        int32_t act;
    } acts[] = {{"relu6", MODNAS_ACT_RELU6},       {"relu", MODNAS_ACT_RELU},  {"hardswish", MODNAS_ACT_HARD_SWISH},
                {"hswish", MODNAS_ACT_HARD_SWISH}, {"silu", MODNAS_ACT_SWISH}, {"swish", MODNAS_ACT_SWISH}};
    char text[32] = "relu6";
    cs_attr_text(e, "act", text, sizeof text);
    for (size_t i = 0; i < MN_COUNT(acts); i++) {
        *act = acts[i].act;
        if (strcmp(acts[i].name, text) == 0) return CS_OK;
    }
    return cs_skip(e, "activation %s", text);
}

int cs_torch_mbconv(cs_env *e) {
    const cs_tensor *x, *w2 = cs_in(e, "w2"), *gy = cs_in(e, "gy");
    mn_run_opts opts = {.train = !cs_attr_is(e, "bn", "eval"), .grads = MN_ROLE_WEIGHT};
    const int32_t stride = (int32_t)cs_attr_int(e, "stride", 1);
    stage s[3] = {{0}};
    int32_t act;
    mn_param *px;
    mn_value *in, *y, *loss;
    double *v;
    CS_DO(cs_need(e, "x", &x));
    CS_DO(act_of(e, &act));
    if (x->rank != 4 || !w2 || !gy || stride < 1)
        return cs_fail(e, "x is not of rank 4, or w2, gy or the stride is missing");
    CS_DO(cs_net_new(e));
    CS_DO(cs_net_param(e, MN_ROLE_WEIGHT, x->dims, x->v, &px));
    CS_DO(open_stage(e, '1', 1, 0, &s[0]));
    CS_DO(open_stage(e, '2', stride, w2->dims[0], &s[1]));
    CS_DO(open_stage(e, '3', 1, 0, &s[2]));
    CS_DO(cs_net_begin(e, &opts));
    CS_LIB(e, mn_use_param(e->net.run, px, &in));
    CS_DO(record_stage(e, &s[0], act, in, &y));
    CS_DO(record_stage(e, &s[1], act, y, &y));
    CS_DO(record_stage(e, &s[2], MODNAS_ACT_NONE, y, &y));
    if (stride == 1 && y->dims[1] == x->dims[1]) CS_LIB(e, mn_add(e->net.run, y, in, &y));
    const int64_t n = cs_product(y->dims, 0, 4);
    if (gy->n != n) return cs_fail(e, "gy has %lld elements, y has %lld", (long long)gy->n, (long long)n);
    CS_LIB(e, mn_run_keep(e->net.run, y));
    CS_DO(cs_net_dot(e, y, gy->v, &loss));
    CS_DO(cs_net_run(e, loss));
    CS_DO(cs_net_read(e, y, &v));
    CS_DO(cs_check_named(e, "y", v, n));
    CS_DO(cs_net_grad(e, px, &v));
    CS_DO(cs_check_named(e, "gx", v, x->n));
    for (int i = 0; i < 3; i++) CS_DO(check_stage(e, &s[i], (char)('1' + i)));
    return CS_OK;
}

/* ---- train_tiny: conv3x3 BN ReLU GAP linear, cross-entropy, SGD on all, full batch ---- */

typedef struct tiny {
    const cs_tensor *x, *y, *loss;
    mn_param *wc, *ga, *be, *wf, *bf, *mean, *var;
    mn_bn_opts bn;
    mn_sgd_opts sgd;
    cs_window window;
} tiny;

/* The number behind `key=` that follows `after` in the description. */
static double described(const cs_env *e, const char *after, const char *key, double absent) {
    const char *at = strstr(e->c->attrs, after);
    at = at ? strstr(at, key) : NULL;
    return at ? strtod(at + strlen(key), NULL) : absent;
}

static int tiny_params(cs_env *e, tiny *t) {
    const cs_tensor *wc, *ga, *be, *wf, *bf;
    CS_DO(cs_need(e, "X", &t->x));
    CS_DO(cs_need(e, "Y", &t->y));
    CS_DO(cs_need(e, "wc", &wc));
    CS_DO(cs_need(e, "ga", &ga));
    CS_DO(cs_need(e, "be", &be));
    CS_DO(cs_need(e, "wf", &wf));
    CS_DO(cs_need(e, "bf", &bf));
    t->loss = cs_out(e, "loss");
    if (t->x->rank != 4 || wc->rank != 4 || wf->rank != 2 || !t->loss)
        return cs_fail(e, "ranks of X, wc, wf, or no loss");
    if (ga->n != wc->dims[0] || be->n != wc->dims[0]) return cs_fail(e, "ga or be does not have an element a channel");
    t->window = (cs_window){.stride = {1, 1}, .dilation = {1, 1}, .pad = {1, 1, 1, 1}, .groups = 1};
    for (int i = 0; i < 2; i++) t->window.kernel[i] = (int32_t)wc->dims[i + 2];
    t->bn = (mn_bn_opts){.eps = described(e, "BN(", "eps=", 1e-5), .momentum = described(e, "BN(", "momentum=", 0.1)};
    t->sgd = (mn_sgd_opts){.lr = described(e, "SGD", "lr=", 0.1),
                           .momentum = described(e, "SGD", "momentum=", 0),
                           .weight_decay = described(e, "SGD", "weight_decay=", 0),
                           .nesterov = strstr(e->c->attrs, "nesterov") != NULL};
    const int64_t channels[4] = {1, wc->dims[0], 1, 1}, classes[4] = {1, bf->n, 1, 1};
    double *ones = cs_reals(e, wc->dims[0]);
    for (int64_t i = 0; i < wc->dims[0]; i++) ones[i] = 1;
    CS_DO(cs_net_conv_weights(e, wc->dims, wc->v, &t->window, &t->wc));
    CS_DO(cs_net_param(e, MN_ROLE_WEIGHT, channels, ga->v, &t->ga));
    CS_DO(cs_net_param(e, MN_ROLE_WEIGHT, channels, be->v, &t->be));
    CS_DO(cs_net_linear_weights(e, wf->dims[0], wf->dims[1], wf->v, &t->wf));
    CS_DO(cs_net_param(e, MN_ROLE_WEIGHT, classes, bf->v, &t->bf));
    CS_DO(cs_net_param(e, MN_ROLE_STAT, channels, cs_reals(e, wc->dims[0]), &t->mean));
    return cs_net_param(e, MN_ROLE_STAT, channels, ones, &t->var);
}

static int tiny_record(cs_env *e, const tiny *t, mn_value **loss) {
    mn_value *h, *target, *v[4];
    mn_param *const p[4] = {t->ga, t->be, t->wf, t->bf};
    for (int i = 0; i < 4; i++) CS_LIB(e, mn_use_param(e->net.run, p[i], &v[i]));
    CS_DO(cs_net_input(e, t->x->dims, t->x->v, &h));
    CS_DO(cs_net_labels(e, t->y->n, t->y->v, &target));
    CS_DO(cs_net_conv(e, h, t->wc, NULL, &t->window, &h));
    CS_LIB(e, mn_batch_norm(e->net.run, h, v[0], v[1], t->mean, t->var, &t->bn, &h));
    CS_LIB(e, mn_activation(e->net.run, h, MODNAS_ACT_RELU, 0, 0, &h));
    CS_LIB(e, mn_global_pool(e->net.run, h, MODNAS_POOL_AVG, &h));
    CS_LIB(e, mn_linear(e->net.run, h, v[2], v[3], &h));
    CS_LIB(e, mn_softmax_xent(e->net.run, h, target, 0, loss));
    CS_LIB(e, mn_run_keep(e->net.run, *loss));
    CS_LIB(e, mn_run_plan(e->net.run, *loss));
    return CS_OK;
}

static int tiny_steps(cs_env *e, mn_weight_optim *o, const mn_value *loss, double *losses, int64_t steps) {
    for (int64_t i = 0; i < steps; i++) {
        mn_store_zero_grad(e->net.store);
        CS_LIB(e, mn_run_forward(e->net.run, (uint64_t)i));
        CS_LIB(e, mn_run_backward(e->net.run));
        CS_LIB(e, mn_run_read(e->net.run, loss, &losses[i]));
        CS_LIB(e, mn_weight_optim_step(o, mn_weight_optim_lr(o), 1));
    }
    return CS_OK;
}

int cs_torch_train_tiny(cs_env *e) {
    const mn_run_opts opts = {.train = 1, .update_stats = 1, .grads = MN_ROLE_WEIGHT};
    tiny t;
    mn_value *loss;
    mn_weight_optim *o = NULL;
    loosen(e);
    CS_DO(cs_net_new(e));
    CS_DO(tiny_params(e, &t));
    CS_DO(cs_net_begin(e, &opts));
    CS_DO(tiny_record(e, &t, &loss));
    CS_LIB(e, mn_sgd_new(e->ctx, e->net.store, &t.sgd, &o));
    double *losses = cs_reals(e, t.loss->n);
    const int rc = tiny_steps(e, o, loss, losses, t.loss->n);
    mn_weight_optim_free(o);
    CS_DO(rc);
    CS_DO(cs_check(e, t.loss, losses, t.loss->n));
    const char *const names[] = {"wc_T", "ga_T", "be_T", "wf_T", "bf_T", "running_mean_T", "running_var_T"};
    const mn_param *const p[] = {t.wc, t.ga, t.be, t.wf, t.bf, t.mean, t.var};
    for (size_t i = 0; i < MN_COUNT(p); i++) {
        double *v;
        CS_DO(cs_net_get(e, p[i], &v));
        CS_DO(cs_check_named(e, names[i], v, mn_param_numel(p[i])));
    }
    return CS_OK;
}
