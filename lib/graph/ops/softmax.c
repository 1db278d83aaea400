/* Softmax and log-softmax over channels, and the cross-entropy of a softmax. */
#include "graph/run.h"

/* ---- softmax -------------------------------------------------------------------------------------------------------------------- */

static int forward(mn_run *run, mn_vertex *x) {
    mn_value *src = mn_src(run, x, 0);
    modnas_kernel k;
    mn_kernel_init(&k, run, MODNAS_KERNEL_SOFTMAX, MODNAS_FORWARD);
    if (x->u.softmax.log) k.flags = MODNAS_KF_LOG;
    MN_TRY(mn_fit(run, &k, &src, NULL, x->out));
    return mn_emit(run, &k, (mn_value *[]){src, x->out}, 2, NULL, 0);
}

static int backward(mn_run *run, mn_vertex *x, mn_value *g) {
    mn_value *gy, *to, *dst, *src = mn_src(run, x, 0), like = *x->out;
    modnas_kernel k;
    mn_kernel_init(&k, run, MODNAS_KERNEL_SOFTMAX, MODNAS_BACKWARD_DATA);
    if (x->u.softmax.log) k.flags = MODNAS_KF_LOG;
    MN_TRY(mn_fit(run, &k, &src, NULL, &like));
    MN_TRY(mn_as(run, x->out, k.dst.layout, &dst));
    MN_TRY(mn_as(run, g, k.dst.layout, &gy));
    MN_TRY(mn_grad_open(run, mn_src(run, x, 0), k.src.layout, &to));
    MN_TRY(mn_emit(run, &k, (mn_value *[]){dst, gy, to}, 3, NULL, 0));
    return mn_grad_close(run, mn_src(run, x, 0), to);
}

static const mn_op op_softmax = {"softmax", forward, backward};

int mn_softmax(mn_run *run, mn_value *src, int log, mn_value **dst) {
    mn_vertex *x;
    MN_TRY(mn_vertex_new(run, &op_softmax, &src, 1, src->dims, &x));
    x->u.softmax.log = log;
    *dst = x->dst;
    return 0;
}

/* ---- softmax_xent ------------------------------------------------------------------------------------------------------------------ */

static void describe_xent(mn_run *run, const mn_vertex *x, int32_t pass, modnas_kernel *k) {
    const mn_value *target = mn_src(run, x, 1);
    mn_kernel_init(k, run, MODNAS_KERNEL_SOFTMAX_XENT, pass);
    if (target->dtype != MODNAS_I32) k->flags = MODNAS_KF_SOFT_TARGET;
    k->src = mn_desc(mn_src(run, x, 0));
    k->src.layout = MODNAS_LAYOUT_PLAIN;
    k->weights = mn_desc(target);
    k->weights.layout = MODNAS_LAYOUT_PLAIN;
    k->dst = mn_desc(x->out);
    k->dst.layout = MODNAS_LAYOUT_PLAIN;
}

static int xent_forward(mn_run *run, mn_vertex *x) {
    mn_value *logits, *target;
    modnas_kernel k;
    describe_xent(run, x, MODNAS_FORWARD, &k);
    MN_TRY(mn_as(run, mn_src(run, x, 0), MODNAS_LAYOUT_PLAIN, &logits));
    MN_TRY(mn_as(run, mn_src(run, x, 1), MODNAS_LAYOUT_PLAIN, &target));
    MN_TRY(mn_place(run, x->out, MODNAS_LAYOUT_PLAIN));
    MN_TRY(mn_temp(run, logits->dims, run->dtype, MODNAS_LAYOUT_PLAIN, &x->aux[0]));
    return mn_emit(run, &k, (mn_value *[]){logits, target, x->out, x->aux[0]}, 4, &x->u.xent.eta, 1);
}

static int xent_backward(mn_run *run, mn_vertex *x, mn_value *g) {
    mn_value *logits = mn_src(run, x, 0), *target, *to;
    modnas_kernel k;
    describe_xent(run, x, MODNAS_BACKWARD_DATA, &k);
    MN_TRY(mn_as(run, mn_src(run, x, 1), MODNAS_LAYOUT_PLAIN, &target));
    MN_TRY(mn_as(run, g, MODNAS_LAYOUT_PLAIN, &g));
    if (!mn_wants_grad(logits)) return 0;
    MN_TRY(mn_grad_open(run, logits, MODNAS_LAYOUT_PLAIN, &to));
    MN_TRY(mn_emit(run, &k, (mn_value *[]){x->aux[0], target, g, to}, 4, &x->u.xent.eta, 1));
    return mn_grad_close(run, logits, to);
}

static const mn_op op_softmax_xent = {"softmax_xent", xent_forward, xent_backward};

int mn_softmax_xent(mn_run *run, mn_value *logits, mn_value *target, double label_smoothing, mn_value **dst) {
    const int64_t one[4] = {1, 1, 1, 1}, *l = logits->dims, *t = target->dims;
    const int labels = target->dtype == MODNAS_I32;
    char a[64], b[64];
    if (l[2] != 1 || l[3] != 1 || t[0] != l[0] || t[1] != (labels ? 1 : l[1]) || t[2] != 1 || t[3] != 1)
        return mn_fail(run->ctx, MODNAS_ESHAPE, "softmax_xent: logits %s do not fit targets %s", mn_dims_text(l, a), mn_dims_text(t, b));
    if (!(label_smoothing >= 0 && label_smoothing <= 1))
        return mn_fail(run->ctx, MODNAS_EINVAL, "softmax_xent: label smoothing %g is not in [0, 1]", label_smoothing);
    mn_vertex *x;
    MN_TRY(mn_vertex_new(run, &op_softmax_xent, (mn_value *[]){logits, target}, 2, one, &x));
    x->u.xent.eta = label_smoothing;
    *dst = x->dst;
    return 0;
}
