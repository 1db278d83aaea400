/* Batch normalisation, with the activation and the residual addition that fusion put into it.
 *
 * y = act(gamma (x - m) / sqrt(v + eps) + beta + r). Training takes the statistics of the batch and moves the running ones (unless
 * frozen); evaluation uses the running ones. */
#include <string.h>

#include "graph/run.h"

static int uses_global(const mn_run *run, const mn_vertex *x) { return !run->opts.train || x->u.bn.o.freeze; }

static void describe(const mn_run *run, const mn_vertex *x, int32_t pass, modnas_kernel *k) {
    mn_kernel_init(k, run, MODNAS_KERNEL_BATCH_NORM, pass);
    k->act = x->act;
    if (mn_src(run, x, 1)) k->flags |= MODNAS_KF_AFFINE;
    if (x->residual) k->flags |= MODNAS_KF_RESIDUAL;
    if (uses_global(run, x)) k->flags |= MODNAS_KF_GLOBAL_STATS;
}

static int forward(mn_run *run, mn_vertex *x) {
    const int64_t vector[4] = {1, x->dst->dims[1], 1, 1};
    mn_value *src = mn_src(run, x, 0), *residual = NULL;
    modnas_kernel k;
    describe(run, x, MODNAS_FORWARD, &k);
    if (!run->opts.grads || x->frozen) k.flags |= MODNAS_KF_INFERENCE;
    if (run->opts.update_stats && !x->frozen && !x->u.bn.o.freeze) k.flags |= MODNAS_KF_UPDATE_STATS;
    if ((k.flags & MODNAS_KF_INFERENCE) && !uses_global(run, x)) k.flags &= ~MODNAS_KF_INFERENCE; /* batch statistics need a place */
    MN_TRY(mn_fit(run, &k, &src, NULL, x->out));
    if (x->residual) MN_TRY(mn_as(run, x->residual, x->out->layout, &residual));
    if (!(k.flags & MODNAS_KF_INFERENCE))
        for (int i = 0; i < 2; i++) MN_TRY(mn_temp(run, vector, run->dtype, MODNAS_LAYOUT_PLAIN, &x->aux[i]));
    mn_value *args[9] = {src,       mn_src(run, x, 1), mn_src(run, x, 2), x->u.bn.mean, x->u.bn.var,
                         x->aux[0], x->aux[1],         residual,          x->out};
    return mn_emit(run, &k, args, 9, (double[]){x->u.bn.o.eps, x->u.bn.o.momentum}, 2);
}

static int open_vector(mn_run *run, mn_value *v, mn_value **out) {
    *out = NULL;
    return mn_wants_grad(v) ? mn_grad_open(run, v, MODNAS_LAYOUT_PLAIN, out) : 0;
}

static int backward(mn_run *run, mn_vertex *x, mn_value *g) {
    mn_value *source = mn_src(run, x, 0), *gamma = mn_src(run, x, 1), *beta = mn_src(run, x, 2), *residual = x->residual;
    mn_value *src = source, *gy, *to = NULL, *to_gamma, *to_beta, *to_residual = NULL, like = *x->out;
    modnas_kernel k;
    describe(run, x, MODNAS_BACKWARD_DATA, &k);
    MN_TRY(mn_fit(run, &k, &src, NULL, &like));
    MN_TRY(mn_as(run, g, k.dst.layout, &gy));
    const int mask = x->act != MODNAS_ACT_NONE;
    if (mn_wants_grad(residual) && !mask) MN_TRY(mn_grad_pass(run, residual, gy)); /* first: gy is only read below */
    MN_TRY(open_vector(run, gamma, &to_gamma));
    MN_TRY(open_vector(run, beta, &to_beta));
    if (mn_wants_grad(source)) MN_TRY(mn_grad_open(run, source, k.src.layout, &to));
    if (mn_wants_grad(residual) && mask) MN_TRY(mn_grad_open(run, residual, k.dst.layout, &to_residual));
    if (!to && !to_gamma && !to_beta && !to_residual) return 0;
    mn_value *y = x->act == MODNAS_ACT_HARD_SWISH ? NULL : x->out; /* not kept for nothing */
    mn_value *args[11] = {src, y, gy, gamma, x->aux[0], x->aux[1], to, to_gamma, to_beta, to_residual, beta};
    MN_TRY(mn_emit(run, &k, args, 11, NULL, 0));
    if (to) MN_TRY(mn_grad_close(run, source, to));
    if (to_gamma) MN_TRY(mn_grad_close(run, gamma, to_gamma));
    if (to_beta) MN_TRY(mn_grad_close(run, beta, to_beta));
    return to_residual ? mn_grad_close(run, residual, to_residual) : 0;
}

const mn_op mn_op_batch_norm = {"batch_norm", forward, backward};

static int check_vector(mn_run *run, const char *what, const int64_t dims[4], int64_t channels) {
    char a[64];
    if (dims[1] == channels && dims[0] * dims[2] * dims[3] == 1) return 0;
    return mn_fail(run->ctx, MODNAS_ESHAPE, "batch_norm: %s is %s for %lld channels", what, mn_dims_text(dims, a), (long long)channels);
}

int mn_batch_norm(mn_run *run, mn_value *src, mn_value *gamma, mn_value *beta, mn_param *mean, mn_param *var, const mn_bn_opts *o,
                  mn_value **dst) {
    const int64_t c = src->dims[1];
    if (!gamma != !beta) return mn_fail(run->ctx, MODNAS_EINVAL, "batch_norm: gamma and beta come together");
    if (gamma) MN_TRY(check_vector(run, "gamma", gamma->dims, c));
    if (beta) MN_TRY(check_vector(run, "beta", beta->dims, c));
    mn_value *m, *v;
    if (!o->first) {
        MN_TRY(check_vector(run, "running mean", mean->dims, c));
        MN_TRY(check_vector(run, "running variance", var->dims, c));
    }
    MN_TRY(mn_use_first(run, mean, c, &m));
    MN_TRY(mn_use_first(run, var, c, &v));
    mn_vertex *x;
    MN_TRY(mn_vertex_new(run, &mn_op_batch_norm, (mn_value *[]){src, gamma, beta}, 3, src->dims, &x));
    x->u.bn.o = *o;
    x->u.bn.mean = m;
    x->u.bn.var = v;
    *dst = x->dst;
    return 0;
}
