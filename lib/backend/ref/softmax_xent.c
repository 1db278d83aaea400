/* Softmax cross-entropy: loss = mean over samples of -sum_c t_c log softmax(x)_c, t smoothed: (1 - eta) t + eta / C.
 *
 * Labels give a one-hot t; soft targets are taken as they are, and smoothed likewise (as PyTorch does; pass eta 0 for
 * none). Gradient: g_x = g_loss / N (prob sum_c t_c - t). All labels are checked before anything is written. */
#include <math.h>

#include "backend/ref/ref.h"

int MN_REF(softmax_xent_fits)(const modnas_kernel *k) {
    return MN_REF(dims_ok)(&k->src) && k->src.dims[2] == 1 && k->src.dims[3] == 1;
}

static int check_labels(const mn_ref_call *c) {
    const int64_t n = c->k->src.dims[0], classes = c->k->src.dims[1];
    const int32_t *labels = c->args[1];
    if (c->k->flags & MODNAS_KF_SOFT_TARGET) return 0;
    for (int64_t i = 0; i < n; i++)
        if (labels[i] < 0 || labels[i] >= classes)
            return MN_REF(fail)(c, MODNAS_EINVAL, "softmax_xent: sample %lld has label %d, there are classes 0..%lld",
                                (long long)i, (int)labels[i], (long long)(classes - 1));
    return 0;
}

/* Target probability of class `ch` for sample n, smoothed. */
static double target_of(const mn_ref_call *c, int64_t n, int64_t ch, double eta) {
    const int64_t classes = c->k->src.dims[1];
    const double t = c->k->flags & MODNAS_KF_SOFT_TARGET ? (double)((const mn_real *)c->args[1])[n * classes + ch]
                                                         : ((const int32_t *)c->args[1])[n] == ch;
    return (1 - eta) * t + eta / (double)classes;
}

/* Writes prob of one sample and returns its loss. */
static double forward_sample(const mn_ref_call *c, int64_t n, const mn_real *x, mn_real *prob) {
    const int64_t classes = c->k->src.dims[1];
    double max = (double)x[0], sum = 0, loss = 0;
    for (int64_t i = 1; i < classes; i++) max = (double)x[i] > max ? (double)x[i] : max;
    for (int64_t i = 0; i < classes; i++) sum += exp((double)x[i] - max);
    const double log_sum = log(sum);
    for (int64_t i = 0; i < classes; i++) {
        const double log_prob = (double)x[i] - max - log_sum, t = target_of(c, n, i, c->scalars[0]);
        if (t != 0) loss -= t * log_prob;
        prob[i] = (mn_real)exp(log_prob);
    }
    return loss;
}

int MN_REF(softmax_xent_forward)(const mn_ref_call *c) {
    const int64_t batch = c->k->src.dims[0], classes = c->k->src.dims[1];
    const mn_real *x = c->args[0];
    mn_real *prob = c->args[3];
    double loss = 0;
    const int rc = check_labels(c);
    if (rc) return rc;
    for (int64_t n = 0; n < batch; n++) loss += forward_sample(c, n, x + n * classes, prob + n * classes);
    *(mn_real *)c->args[2] = (mn_real)(loss / (double)batch);
    return 0;
}

int MN_REF(softmax_xent_backward)(const mn_ref_call *c) {
    const int64_t batch = c->k->src.dims[0], classes = c->k->src.dims[1];
    const mn_real *prob = c->args[0];
    mn_real *gx = c->args[3];
    const double factor = (double)*(const mn_real *)c->args[2] / (double)batch;
    const int rc = check_labels(c);
    if (rc) return rc;
    for (int64_t n = 0; n < batch; n++) {
        double total = 0;
        for (int64_t i = 0; i < classes; i++) total += target_of(c, n, i, c->scalars[0]);
        for (int64_t i = 0; i < classes; i++) {
            const double t = target_of(c, n, i, c->scalars[0]);
            gx[n * classes + i] = (mn_real)(factor * ((double)prob[n * classes + i] * total - t));
        }
    }
    return 0;
}
