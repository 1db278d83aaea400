/* Losses: the cross-entropy of a softmax or of log-probabilities (mean over samples), pointwise losses (mean over
 * elements). Targets get no gradient. */
#include "graph/run.h"

static int is_labels(const mn_value *target) {
    return target->dtype == MODNAS_I32;
}

/* Only the softmax leaves something behind for the backward: its probabilities. */
static int saves_prob(const mn_vertex *x) {
    return x->u.loss.kind == MODNAS_KERNEL_SOFTMAX_XENT && !(x->u.loss.flags & MODNAS_KF_LOG);
}

static void describe(mn_run *run, const mn_vertex *x, int32_t pass, modnas_kernel *k) {
    const mn_value *target = mn_src(run, x, 1);
    mn_kernel_init(k, run, x->u.loss.kind, pass);
    k->algo = x->u.loss.algo;
    k->flags = x->u.loss.flags | (is_labels(target) ? 0 : MODNAS_KF_SOFT_TARGET);
    k->src = mn_desc(mn_src(run, x, 0));
    k->weights = mn_desc(target);
    k->dst = mn_desc(x->out);
    k->src.layout = k->weights.layout = k->dst.layout = MODNAS_LAYOUT_PLAIN;
}

static int forward(mn_run *run, mn_vertex *x) {
    mn_value *src, *target;
    modnas_kernel k;
    describe(run, x, MODNAS_FORWARD, &k);
    MN_TRY(mn_as(run, mn_src(run, x, 0), MODNAS_LAYOUT_PLAIN, &src));
    MN_TRY(mn_as(run, mn_src(run, x, 1), MODNAS_LAYOUT_PLAIN, &target));
    MN_TRY(mn_place(run, x->out, MODNAS_LAYOUT_PLAIN));
    if (saves_prob(x)) MN_TRY(mn_temp(run, src->dims, run->dtype, MODNAS_LAYOUT_PLAIN, &x->aux[0]));
    return mn_emit(run, &k, (mn_value *[]){src, target, x->out, x->aux[0]}, 4, &x->u.loss.scalar, 1);
}

static int backward(mn_run *run, mn_vertex *x, mn_value *g) {
    mn_value *source = mn_src(run, x, 0), *first = x->aux[0], *target, *to;
    modnas_kernel k;
    if (!mn_wants_grad(source)) return 0;
    describe(run, x, MODNAS_BACKWARD_DATA, &k);
    if (k.kind == MODNAS_KERNEL_LOSS) MN_TRY(mn_as(run, source, MODNAS_LAYOUT_PLAIN, &first));
    MN_TRY(mn_as(run, mn_src(run, x, 1), MODNAS_LAYOUT_PLAIN, &target));
    MN_TRY(mn_as(run, g, MODNAS_LAYOUT_PLAIN, &g));
    MN_TRY(mn_grad_open(run, source, MODNAS_LAYOUT_PLAIN, &to));
    MN_TRY(mn_emit(run, &k, (mn_value *[]){first, target, g, to}, 4, &x->u.loss.scalar, 1));
    return mn_grad_close(run, source, to);
}

static const mn_op op_loss = {"loss", forward, backward};

/* A label a sample, or a number an element; cross-entropies and labels want x as (N, C, 1, 1). */
static int check(mn_run *run, const char *what, const mn_value *x, const mn_value *target, int rows_only) {
    const int64_t *l = x->dims, *t = target->dims;
    const int labels = is_labels(target);
    char a[64], b[64];
    const int rows = l[2] == 1 && l[3] == 1;
    if ((!rows && (labels || rows_only)) || t[0] != l[0] || t[1] != (labels ? 1 : l[1]) || t[2] != l[2] || t[3] != l[3])
        return mn_fail(run->ctx, MODNAS_ESHAPE, "%s: logits %s do not fit targets %s", what, mn_dims_text(l, a),
                       mn_dims_text(t, b));
    return 0;
}

static int record(mn_run *run, mn_value *x, mn_value *target, int32_t kind, int32_t algo, int32_t flags, double scalar,
                  mn_value **dst) {
    const int64_t one[4] = {1, 1, 1, 1};
    mn_vertex *v;
    MN_TRY(mn_vertex_new(run, &op_loss, (mn_value *[]){x, target}, 2, one, &v));
    v->u.loss.kind = kind;
    v->u.loss.algo = algo;
    v->u.loss.flags = flags;
    v->u.loss.scalar = scalar;
    *dst = v->dst;
    return 0;
}

int mn_softmax_xent(mn_run *run, mn_value *logits, mn_value *target, double label_smoothing, mn_value **dst) {
    MN_TRY(check(run, "softmax_xent", logits, target, 1));
    if (!(label_smoothing >= 0 && label_smoothing <= 1))
        return mn_fail(run->ctx, MODNAS_EINVAL, "softmax_xent: label smoothing %g is not in [0, 1]", label_smoothing);
    return record(run, logits, target, MODNAS_KERNEL_SOFTMAX_XENT, 0, 0, label_smoothing, dst);
}

int mn_nll(mn_run *run, mn_value *log_prob, mn_value *target, mn_value **dst) {
    MN_TRY(check(run, "nll", log_prob, target, 1));
    return record(run, log_prob, target, MODNAS_KERNEL_SOFTMAX_XENT, 0, MODNAS_KF_LOG, 0, dst);
}

int mn_loss(mn_run *run, int32_t algo, mn_value *x, mn_value *target, double beta, mn_value **dst) {
    MN_TRY(check(run, "loss", x, target, 0));
    if (!(beta >= 0)) return mn_fail(run->ctx, MODNAS_EINVAL, "loss: beta %g is negative", beta);
    return record(run, x, target, MODNAS_KERNEL_LOSS, algo, 0, beta, dst);
}
