/* Losses. Cross-entropies with what the library leaves to its callers: class weights, labels that do not count, sums.
 *
 * The library's kernel takes the mean over rows of -sum_c t_c log p_c, for labels or for any t. A weighted, partly
 * ignored loss is that with t_c = (1 - eps) w_y [c = y] + eps / C w_c, zero rows for what is ignored, times rows /
 * normaliser:
 *
 *     sum: 1      mean: number of rows that count, or the sum of their labels' weights (torch.nn.CrossEntropyLoss) */
#include <math.h>
#include <string.h>

#include "cases.h"

static int counts(const cs_xent *x, int64_t row) {
    return !x->labels || (int64_t)x->labels[row] != x->ignore;
}

static int check_labels(cs_env *e, const cs_xent *x) {
    for (int64_t r = 0; x->labels && r < x->rows; r++)
        if (counts(x, r) && !(x->labels[r] >= 0 && x->labels[r] < (double)x->classes))
            return cs_fail(e, "label %g of %lld classes", x->labels[r], (long long)x->classes);
    return CS_OK;
}

static double *targets(cs_env *e, const cs_xent *x) {
    double *t = cs_reals(e, x->rows * x->classes);
    for (int64_t r = 0; r < x->rows; r++) {
        for (int64_t c = 0; c < x->classes && counts(x, r); c++) {
            const double w = x->weights ? x->weights[c] : 1, hit = x->labels ? (int64_t)x->labels[r] == c : 0;
            const double q = x->labels ? hit : x->q[r * x->classes + c];
            t[r * x->classes + c] = w * ((1 - x->smoothing) * q + x->smoothing / (double)x->classes);
        }
    }
    return t;
}

static double normaliser(const cs_xent *x) {
    if (!x->mean) return 1;
    if (!x->labels) return (double)x->rows;
    double sum = 0;
    for (int64_t r = 0; r < x->rows; r++)
        if (counts(x, r)) sum += x->weights ? x->weights[(int64_t)x->labels[r]] : 1;
    return sum;
}

static int is_plain(const cs_xent *x) {
    for (int64_t r = 0; r < x->rows; r++)
        if (!counts(x, r)) return 0;
    return x->labels && !x->weights;
}

int cs_xent_run(cs_env *e, const cs_xent *x, double *loss, double **g) {
    const int64_t dims[4] = {x->rows, x->classes, 1, 1};
    const mn_run_opts opts = {.train = 1, .grads = MN_ROLE_WEIGHT};
    mn_param *p;
    mn_value *logits, *target, *out;
    double *value;
    CS_DO(check_labels(e, x));
    const double factor = (double)x->rows / normaliser(x);
    CS_DO(cs_net_new(e));
    CS_DO(cs_net_param(e, MN_ROLE_WEIGHT, dims, x->logits, &p));
    CS_DO(cs_net_begin(e, &opts));
    CS_LIB(e, mn_use_param(e->net.run, p, &logits));
    if (is_plain(x))
        CS_DO(cs_net_labels(e, x->rows, x->labels, &target));
    else
        CS_DO(cs_net_input(e, dims, targets(e, x), &target));
    if (x->log_given)
        CS_LIB(e, mn_nll(e->net.run, logits, target, &out));
    else
        CS_LIB(e, mn_softmax_xent(e->net.run, logits, target, is_plain(x) ? x->smoothing : 0, &out));
    CS_LIB(e, mn_run_keep(e->net.run, out));
    CS_DO(cs_net_run(e, out));
    CS_DO(cs_net_read(e, out, &value));
    *loss = *value * factor;
    if (!g) return CS_OK;
    CS_DO(cs_net_grad(e, p, g));
    for (int64_t i = 0; i < x->rows * x->classes; i++) (*g)[i] *= factor;
    return CS_OK;
}

int cs_xent_rows(cs_env *e, const cs_xent *x, const double *gy, double **loss, double **g) {
    const int64_t dims[4] = {x->rows, x->classes, 1, 1}, rows[4] = {x->rows, 1, 1, 1};
    const mn_run_opts opts = {.train = 1, .grads = MN_ROLE_WEIGHT};
    mn_param *p;
    mn_value *y, *t, *total = NULL;
    CS_DO(check_labels(e, x));
    CS_DO(cs_net_new(e));
    CS_DO(cs_net_param(e, MN_ROLE_WEIGHT, dims, x->logits, &p));
    CS_DO(cs_net_begin(e, &opts));
    CS_LIB(e, mn_use_param(e->net.run, p, &y));
    CS_DO(cs_net_input(e, dims, targets(e, x), &t));
    if (!x->log_given) CS_LIB(e, mn_softmax(e->net.run, y, 1, &y));
    CS_LIB(e, mn_binary(e->net.run, MODNAS_BINARY_MUL, y, t, &y));
    CS_LIB(e, mn_reduce(e->net.run, MODNAS_REDUCE_SUM, y, rows, &y));
    CS_LIB(e, mn_activation(e->net.run, y, MODNAS_ACT_LINEAR, -1, 0, &y));
    CS_LIB(e, mn_run_keep(e->net.run, y));
    if (gy) CS_DO(cs_net_dot(e, y, gy, &total));
    CS_DO(cs_net_run(e, total));
    CS_DO(cs_net_read(e, y, loss));
    return gy ? cs_net_grad(e, p, g) : CS_OK;
}

double *cs_rows_of(cs_env *e, const cs_tensor *t) {
    const int64_t dims[3] = {t->dims[0], t->dims[1], cs_product(t->dims, 2, t->rank)};
    return cs_transpose(e, t->v, dims, 3, (const int32_t[]){0, 2, 1});
}

/* Log-softmax over C, by the library. */
static int log_probabilities(cs_env *e, const cs_tensor *x, double **out) {
    const int64_t dims[4] = {x->dims[0], x->dims[1], cs_product(x->dims, 2, x->rank), 1};
    const mn_run_opts opts = {0};
    mn_value *in, *y;
    CS_DO(cs_net_new(e));
    CS_DO(cs_net_begin(e, &opts));
    CS_DO(cs_net_input(e, dims, x->v, &in));
    CS_LIB(e, mn_softmax(e->net.run, in, 1, &y));
    CS_LIB(e, mn_run_keep(e->net.run, y));
    CS_DO(cs_net_run(e, NULL));
    return cs_net_read(e, y, out);
}

static int xent_of(cs_env *e, const cs_tensor *x, const cs_tensor *labels, const cs_tensor *weights, cs_xent *out) {
    if (x->rank < 2) return cs_fail(e, "scores have rank %d", (int)x->rank);
    *out = (cs_xent){.rows = x->dims[0] * cs_product(x->dims, 2, x->rank), .classes = x->dims[1]};
    if (labels && labels->n != out->rows)
        return cs_fail(e, "%lld labels for %lld rows", (long long)labels->n, (long long)out->rows);
    if (weights && weights->n != out->classes)
        return cs_fail(e, "%lld class weights for %lld classes", (long long)weights->n, (long long)out->classes);
    if (out->rows < 1 || out->classes < 1) return cs_fail(e, "scores are empty");
    out->logits = cs_rows_of(e, x);
    out->labels = labels ? labels->v : NULL;
    out->weights = weights ? weights->v : NULL;
    out->ignore = INT64_MIN;
    return CS_OK;
}

/* SoftmaxCrossEntropyLoss: scores (N, C, d1, ...), labels (N, d1, ...), class weights -> loss, log_prob.
 * NegativeLogLikelihoodLoss (arg 1): log-probabilities instead of scores, and no log_prob. */
int cs_onnx_xent(cs_env *e) {
    cs_xent x;
    double loss, *log_prob, *rows;
    CS_DO(cs_need_inputs(e, 2));
    const cs_tensor *scores = cs_nth(e, 0);
    CS_DO(xent_of(e, scores, cs_nth(e, 1), cs_nth(e, 2), &x));
    x.ignore = cs_attr_int(e, "ignore_index", INT64_MIN);
    x.mean = !cs_has_attr(e, "reduction") || cs_attr_is(e, "reduction", "mean");
    x.log_given = cs_op_of(e)->arg;
    if (e->c->n_out > 1 && e->c->out[1].given) {
        CS_DO(log_probabilities(e, scores, &log_prob));
        CS_DO(cs_check(e, &e->c->out[1], log_prob, scores->n));
    }
    if (cs_attr_is(e, "reduction", "none")) {
        CS_DO(cs_xent_rows(e, &x, NULL, &rows, NULL));
        return cs_check(e, &e->c->out[0], rows, x.rows);
    }
    CS_DO(cs_xent_run(e, &x, &loss, NULL));
    return cs_check(e, &e->c->out[0], &loss, 1);
}

/* cross_entropy: x, target (labels, or probabilities shaped as x), weight -> loss, gx. soft_cross_entropy: x, q.
 * nll_loss (arg 1): as cross_entropy, of log-probabilities. reduction=none: a loss a row, and a gy for each. */
int cs_torch_xent(cs_env *e) {
    const cs_tensor *x, *target = cs_in(e, "target"), *q = cs_in(e, "q");
    const cs_tensor *gy = cs_in(e, "gy");
    const int none = cs_attr_is(e, "reduction", "none");
    cs_xent s;
    double loss, *losses = &loss, *rows = NULL;
    CS_DO(cs_need(e, "x", &x));
    if (!target && !q) return cs_fail(e, "the case has no target");
    if (target && target->n == x->n && x->dims[1] != 1) q = target;
    if (q && q->n != x->n) return cs_fail(e, "target probabilities do not have the shape of x");
    CS_DO(xent_of(e, x, q ? NULL : target, cs_in(e, "weight"), &s));
    if (q) {
        cs_tensor t = *x;
        t.v = q->v;
        s.q = cs_rows_of(e, &t);
    }
    s.smoothing = cs_attr_real(e, "label_smoothing", 0);
    s.ignore = cs_attr_int(e, "ignore_index", -100);
    s.mean = !cs_attr_is(e, "reduction", "sum");
    s.log_given = cs_op_of(e)->arg;
    if (none && gy && gy->n != s.rows) return cs_fail(e, "gy is not one number a row");
    if (none)
        CS_DO(cs_xent_rows(e, &s, gy ? gy->v : NULL, &losses, &rows));
    else
        CS_DO(cs_xent_run(e, &s, &loss, &rows));
    CS_DO(cs_check_named(e, "loss", losses, none ? s.rows : 1));
    if (!rows) return CS_OK;
    const int64_t by_row[3] = {x->dims[0], cs_product(x->dims, 2, x->rank), x->dims[1]};
    return cs_check_named(e, "gx", cs_transpose(e, rows, by_row, 3, (const int32_t[]){0, 2, 1}), x->n);
}

/* Pointwise losses: x, target -> loss, gx. */
int cs_torch_loss(cs_env *e) {
    const mn_run_opts opts = {.train = 1, .grads = MN_ROLE_WEIGHT};
    const cs_tensor *x, *target;
    int64_t dims[4];
    mn_param *p;
    mn_value *v, *t, *y;
    double *loss, *g;
    CS_DO(cs_need(e, "x", &x));
    CS_DO(cs_need(e, "target", &target));
    if (cs_attr_is(e, "reduction", "none")) return cs_skip(e, "pointwise losses are reduced");
    if (target->n != x->n || x->n < 1) return cs_fail(e, "target is not shaped as x");
    cs_fold(x, dims);
    CS_DO(cs_net_new(e));
    CS_DO(cs_net_param(e, MN_ROLE_WEIGHT, dims, x->v, &p));
    CS_DO(cs_net_begin(e, &opts));
    CS_LIB(e, mn_use_param(e->net.run, p, &v));
    CS_DO(cs_net_input(e, dims, target->v, &t));
    CS_LIB(e, mn_loss(e->net.run, cs_op_of(e)->arg, v, t, cs_attr_real(e, "beta", 1), &y));
    const double factor = cs_attr_is(e, "reduction", "sum") ? (double)x->n : 1;
    CS_LIB(e, mn_activation(e->net.run, y, MODNAS_ACT_LINEAR, factor, 0, &y));
    CS_LIB(e, mn_run_keep(e->net.run, y));
    CS_DO(cs_net_run(e, y));
    CS_DO(cs_net_read(e, y, &loss));
    CS_DO(cs_check_named(e, "loss", loss, 1));
    CS_DO(cs_net_grad(e, p, &g));
    return cs_check_named(e, "gx", g, x->n);
}
