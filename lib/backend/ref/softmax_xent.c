/* Softmax cross-entropy: loss = mean over samples of -sum_c t_c log softmax(x)_c, t smoothed: (1 - eta) t + eta / C.
 *
 * Labels give a one-hot t; soft targets are taken as they are, and smoothed likewise (as PyTorch does; pass eta 0 for
 * none). Gradient: g_x = g_loss / N (prob sum_c t_c - t). All labels are checked before anything is written.
 *
 * LOG: x holds logarithms already, -sum_c t_c x_c; g_x = -g_loss / N t (torch.nn.NLLLoss). */
#include <math.h>

#include "backend/ref/ref.h"

int MN_REF(softmax_xent_fits)(const modnas_kernel *k) {
    return MN_REF(dims_ok)(&k->src) && k->src.dims[2] == 1 && k->src.dims[3] == 1;
}

/* Target probability of class `ch` for sample n, smoothed. */
static double target_of(const mn_ref_call *c, int64_t n, int64_t ch, double eta) {
    const int64_t classes = c->k->src.dims[1];
    const double t = c->k->flags & MODNAS_KF_SOFT_TARGET ? (double)((const mn_real *)c->args[1])[n * classes + ch]
                                                         : ((const int32_t *)c->args[1])[n] == ch;
    return (1 - eta) * t + eta / (double)classes;
}

/* log p_c = x_c - max - log_sum */
typedef struct scale {
    double max, log_sum;
} scale;

/* Writes the probabilities. */
static scale normalise(const mn_real *x, int64_t classes, mn_real *prob) {
    double max = (double)x[0], sum = 0;
    for (int64_t i = 1; i < classes; i++) max = (double)x[i] > max ? (double)x[i] : max;
    for (int64_t i = 0; i < classes; i++) sum += exp((double)x[i] - max);
    const scale s = {max, log(sum)};
    for (int64_t i = 0; i < classes; i++) prob[i] = (mn_real)exp((double)x[i] - max - s.log_sum);
    return s;
}

/* -sum_c t_c log p_c */
static double sample_loss(const mn_ref_call *c, int64_t n, const mn_real *x, scale s) {
    double loss = 0;
    for (int64_t i = 0; i < c->k->src.dims[1]; i++) {
        const double t = target_of(c, n, i, c->scalars[0]);
        if (t != 0) loss -= t * ((double)x[i] - s.max - s.log_sum);
    }
    return loss;
}

int MN_REF(softmax_xent_forward)(const mn_ref_call *c) {
    const int64_t batch = c->k->src.dims[0], classes = c->k->src.dims[1];
    const int log_given = c->k->flags & MODNAS_KF_LOG;
    const mn_real *x = c->args[0];
    mn_real *prob = c->args[3];
    double loss = 0;
    const int rc = MN_REF(check_labels)(c);
    if (rc) return rc;
    if (!log_given && !prob) return MN_REF(fail)(c, MODNAS_EINVAL, "softmax_xent forward: prob is missing");
    for (int64_t n = 0; n < batch; n++, x += classes)
        loss += sample_loss(c, n, x, log_given ? (scale){0, 0} : normalise(x, classes, prob + n * classes));
    *(mn_real *)c->args[2] = (mn_real)(loss / (double)batch);
    return 0;
}

int MN_REF(softmax_xent_backward)(const mn_ref_call *c) {
    const int64_t batch = c->k->src.dims[0], classes = c->k->src.dims[1];
    const mn_real *prob = c->k->flags & MODNAS_KF_LOG ? NULL : c->args[0];
    mn_real *gx = c->args[3];
    const double factor = (double)*(const mn_real *)c->args[2] / (double)batch;
    const int rc = MN_REF(check_labels)(c);
    if (rc) return rc;
    if (!prob && !(c->k->flags & MODNAS_KF_LOG))
        return MN_REF(fail)(c, MODNAS_EINVAL, "softmax_xent backward: prob is missing");
    for (int64_t n = 0; n < batch; n++) {
        double total = 0;
        for (int64_t i = 0; i < classes; i++) total += target_of(c, n, i, c->scalars[0]);
        for (int64_t i = 0; i < classes; i++) {
            const double t = target_of(c, n, i, c->scalars[0]);
            gx[n * classes + i] = (mn_real)(factor * ((prob ? (double)prob[n * classes + i] * total : 0) - t));
        }
    }
    return 0;
}
