/* Weight updates over a flat range, as torch.optim does them. Each step of an element is computed in double and rounded
 * once per stored value.
 *
 *   SGD    scalars n, lr, momentum, dampening, weight_decay, first, g_scale
 *   Adam   scalars n, lr, beta1, beta2, eps, weight_decay, t, g_scale      (Kingma and Ba 2015, algorithm 1; AdamW with
 *          DECOUPLED: Loshchilov and Hutter 2019, weights shrink by lr weight_decay before the step)
 *   RMSprop, Adagrad    see sys/kernel.h   (Tieleman and Hinton 2012, lecture 6.5; Duchi, Hazan and Singer 2011) */
#include <math.h>

#include "backend/ref/ref.h"

int MN_REF(sgd_forward)(const mn_ref_call *c) {
    const int64_t n = (int64_t)c->scalars[0];
    const double lr = c->scalars[1], momentum = c->scalars[2], dampening = c->scalars[3], decay = c->scalars[4];
    const double first = c->scalars[5], g_scale = c->scalars[6];
    const int nesterov = c->k->flags & MODNAS_KF_NESTEROV;
    mn_real *w = c->args[0], *buf = c->k->flags & MODNAS_KF_MOMENTUM ? c->args[2] : NULL;
    const mn_real *g = c->args[1];
    if ((c->k->flags & MODNAS_KF_MOMENTUM) && !buf)
        return MN_REF(fail)(c, MODNAS_EINVAL, "sgd: the momentum buffer is missing");
    for (int64_t i = 0; i < n; i++) {
        double d = g_scale * (double)g[i] + decay * (double)w[i];
        if (buf) {
            const double b = first != 0 ? d : momentum * (double)buf[i] + (1 - dampening) * d;
            buf[i] = (mn_real)b;
            d = nesterov ? d + momentum * b : b;
        }
        w[i] = (mn_real)((double)w[i] - lr * d);
    }
    return 0;
}

int MN_REF(adam_forward)(const mn_ref_call *c) {
    const int64_t n = (int64_t)c->scalars[0];
    const double lr = c->scalars[1], beta1 = c->scalars[2], beta2 = c->scalars[3], eps = c->scalars[4];
    const double decay = c->scalars[5], t = c->scalars[6], g_scale = c->scalars[7];
    const double step = lr / (1 - pow(beta1, t)), correction2 = sqrt(1 - pow(beta2, t));
    const int decoupled = c->k->flags & MODNAS_KF_DECOUPLED;
    mn_real *w = c->args[0], *m = c->args[2], *v = c->args[3];
    const mn_real *g = c->args[1];
    for (int64_t i = 0; i < n; i++) {
        const double old = (double)w[i], d = g_scale * (double)g[i] + (decoupled ? 0 : decay * old);
        const double mi = beta1 * (double)m[i] + (1 - beta1) * d, vi = beta2 * (double)v[i] + (1 - beta2) * d * d;
        const double shrunk = decoupled ? old * (1 - lr * decay) : old;
        w[i] = (mn_real)(shrunk - step * mi / (sqrt(vi) / correction2 + eps));
        m[i] = (mn_real)mi;
        v[i] = (mn_real)vi;
    }
    return 0;
}

int MN_REF(rmsprop_forward)(const mn_ref_call *c) {
    const int64_t n = (int64_t)c->scalars[0];
    const double lr = c->scalars[1], alpha = c->scalars[2], eps = c->scalars[3], decay = c->scalars[4];
    const double momentum = c->scalars[5], g_scale = c->scalars[6];
    const int centered = (c->k->flags & MODNAS_KF_CENTERED) != 0, keeps = (c->k->flags & MODNAS_KF_MOMENTUM) != 0;
    mn_real *w = c->args[0], *v = c->args[2];
    mn_real *mean = centered ? c->args[3] : NULL, *buf = keeps ? c->args[4] : NULL;
    const mn_real *g = c->args[1];
    if ((centered && !mean) || (keeps && !buf))
        return MN_REF(fail)(c, MODNAS_EINVAL, "rmsprop: the %s is missing", keeps && !buf ? "momentum buffer" : "mean");
    for (int64_t i = 0; i < n; i++) {
        const double d = g_scale * (double)g[i] + decay * (double)w[i];
        const double vi = alpha * (double)v[i] + (1 - alpha) * d * d;
        const double mi = mean ? alpha * (double)mean[i] + (1 - alpha) * d : 0;
        const double u = d / (sqrt(fmax(vi - mi * mi, 0)) + eps), b = buf ? momentum * (double)buf[i] + u : u;
        w[i] = (mn_real)((double)w[i] - lr * b);
        v[i] = (mn_real)vi;
        if (mean) mean[i] = (mn_real)mi;
        if (buf) buf[i] = (mn_real)b;
    }
    return 0;
}

int MN_REF(adagrad_forward)(const mn_ref_call *c) {
    const int64_t n = (int64_t)c->scalars[0];
    const double lr = c->scalars[1], eps = c->scalars[2], decay = c->scalars[3], g_scale = c->scalars[4];
    mn_real *w = c->args[0], *sum = c->args[2];
    const mn_real *g = c->args[1];
    for (int64_t i = 0; i < n; i++) {
        const double d = g_scale * (double)g[i] + decay * (double)w[i], s = (double)sum[i] + d * d;
        w[i] = (mn_real)((double)w[i] - lr * d / (sqrt(s) + eps));
        sum[i] = (mn_real)s;
    }
    return 0;
}
