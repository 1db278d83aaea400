/* Batch normalisation with what usually surrounds it: y = act(gamma (x - m) / sqrt(v + eps) + beta + residual).
 *
 * m and v are those of the batch (v biased), or the running ones (GLOBAL_STATS). Mean first, then the mean square about
 * it: no cancellation. Backward, with xhat = (x - m) rstd, M = N H W and dz = g_y times the activation's slope (of relu
 * and relu6: 1 where it let y through, else 0; of hard-swish: at gamma xhat + beta):
 *
 *     g_beta = sum dz      g_gamma = sum dz xhat      g_residual = dz
 *     g_x = gamma rstd (dz - g_beta / M - xhat g_gamma / M)      or gamma rstd dz where the statistics are constants
 *
 * (Ioffe and Szegedy 2015, section 3). A batch with M = 1 has no unbiased variance: the running one then takes the
 * biased. */
#include <math.h>

#include "backend/ref/ref.h"

int MN_REF(batch_norm_fits)(const modnas_kernel *k) {
    return MN_REF(dims_ok)(&k->src) && MN_REF(same_dims)(&k->src, &k->dst) && MN_REF(act_fusable)(k->act);
}

int MN_REF(batch_norm_backward_fits)(const modnas_kernel *k) {
    const int masked = k->act == MODNAS_ACT_RELU || k->act == MODNAS_ACT_RELU6;
    const int sloped = k->act == MODNAS_ACT_HARD_SWISH && !(k->flags & MODNAS_KF_RESIDUAL);
    return MN_REF(batch_norm_fits)(k) && (k->act == MODNAS_ACT_NONE || masked || sloped);
}

typedef struct shape {
    int64_t n, c, plane;
} shape;

static shape shape_of(const modnas_kernel *k) {
    return (shape){k->src.dims[0], k->src.dims[1], k->src.dims[2] * k->src.dims[3]};
}

static double channel_mean(const shape *s, int64_t channel, const mn_real *x) {
    double sum = 0;
    for (int64_t n = 0; n < s->n; n++) sum += MN_REF(sum)(x + (n * s->c + channel) * s->plane, s->plane);
    return sum / (double)(s->n * s->plane);
}

/* Biased, about `mean`. */
static double channel_variance(const shape *s, int64_t channel, const mn_real *x, double mean) {
    double sum = 0;
    for (int64_t n = 0; n < s->n; n++) {
        const mn_real *row = x + (n * s->c + channel) * s->plane;
        for (int64_t i = 0; i < s->plane; i++) sum += ((double)row[i] - mean) * ((double)row[i] - mean);
    }
    return sum / (double)(s->n * s->plane);
}

static void update_running(mn_real *running, double value, double momentum) {
    *running = (mn_real)((1 - momentum) * (double)*running + momentum * value);
}

/* Mean and variance to normalise channel `ch` with; updates the running ones where asked to. */
static void statistics(const mn_ref_call *c, const shape *s, int64_t ch, double *mean, double *variance) {
    const double momentum = c->scalars[1], m = (double)(s->n * s->plane);
    mn_real *running_mean = c->args[3], *running_var = c->args[4];
    if (c->k->flags & MODNAS_KF_GLOBAL_STATS) {
        *mean = (double)running_mean[ch];
        *variance = (double)running_var[ch];
        return;
    }
    *mean = channel_mean(s, ch, c->args[0]);
    *variance = channel_variance(s, ch, c->args[0], *mean);
    if (c->k->flags & MODNAS_KF_UPDATE_STATS) {
        update_running(running_mean + ch, *mean, momentum);
        update_running(running_var + ch, m > 1 ? *variance * m / (m - 1) : *variance, momentum);
    }
}

static void normalise_channel(const mn_ref_call *c, const shape *s, int64_t ch, double factor, double shift) {
    const mn_real *x = c->args[0], *residual = c->k->flags & MODNAS_KF_RESIDUAL ? c->args[7] : NULL;
    mn_real *y = c->args[8];
    for (int64_t n = 0; n < s->n; n++) {
        const int64_t first = (n * s->c + ch) * s->plane;
        for (int64_t i = first; i < first + s->plane; i++)
            y[i] = (mn_real)(factor * (double)x[i] + shift + (residual ? (double)residual[i] : 0));
        if (c->k->act != MODNAS_ACT_NONE) MN_REF(act)(c->k->act, y + first, y + first, s->plane, 0, 0);
    }
}

int MN_REF(batch_norm_forward)(const mn_ref_call *c) {
    const shape s = shape_of(c->k);
    const int32_t flags = c->k->flags, running = flags & (MODNAS_KF_GLOBAL_STATS | MODNAS_KF_UPDATE_STATS);
    const mn_real *gamma = flags & MODNAS_KF_AFFINE ? c->args[1] : NULL;
    const mn_real *beta = flags & MODNAS_KF_AFFINE ? c->args[2] : NULL;
    mn_real *saved_mean = flags & MODNAS_KF_INFERENCE ? NULL : c->args[5];
    mn_real *saved_rstd = flags & MODNAS_KF_INFERENCE ? NULL : c->args[6];
    if (running && (!c->args[3] || !c->args[4]))
        return MN_REF(fail)(c, MODNAS_EINVAL, "batch_norm forward: the running mean or variance is missing");
    for (int64_t ch = 0; ch < s.c; ch++) {
        double mean, variance;
        statistics(c, &s, ch, &mean, &variance);
        const double rstd = 1 / sqrt(variance + c->scalars[0]), factor = (gamma ? (double)gamma[ch] : 1) * rstd;
        if (saved_mean) saved_mean[ch] = (mn_real)mean;
        if (saved_rstd) saved_rstd[ch] = (mn_real)rstd;
        normalise_channel(c, &s, ch, factor, (beta ? (double)beta[ch] : 0) - mean * factor);
    }
    return 0;
}

/* Constants of one channel. */
typedef struct channel {
    double mean, rstd, gamma, beta;
} channel;

static channel channel_of(const mn_ref_call *c, int64_t ch) {
    const int affine = c->k->flags & MODNAS_KF_AFFINE;
    const mn_real *gamma = affine ? c->args[3] : NULL, *beta = affine ? c->args[10] : NULL;
    return (channel){.mean = (double)((const mn_real *)c->args[4])[ch],
                     .rstd = (double)((const mn_real *)c->args[5])[ch],
                     .gamma = gamma ? (double)gamma[ch] : 1,
                     .beta = beta ? (double)beta[ch] : 0};
}

static double normalised(const mn_ref_call *c, const channel *k, int64_t i) {
    return ((double)((const mn_real *)c->args[0])[i] - k->mean) * k->rstd;
}

/* dz of element i. */
static double before_act(const mn_ref_call *c, const channel *k, int64_t i) {
    const mn_real *y = c->args[1];
    const int32_t act = c->k->act;
    const double gy = (double)((const mn_real *)c->args[2])[i];
    if (act == MODNAS_ACT_NONE) return gy;
    if (act == MODNAS_ACT_HARD_SWISH) return gy * MN_REF(hard_swish_slope)(k->gamma * normalised(c, k, i) + k->beta);
    return y[i] > 0 && (act == MODNAS_ACT_RELU || y[i] < 6) ? gy : 0;
}

typedef struct channel_sums {
    double dz, dz_xhat;
} channel_sums;

static channel_sums backward_sums(const mn_ref_call *c, const shape *s, int64_t ch, const channel *k) {
    channel_sums sums = {0, 0};
    for (int64_t n = 0; n < s->n; n++) {
        const int64_t first = (n * s->c + ch) * s->plane;
        for (int64_t i = first; i < first + s->plane; i++) {
            const double dz = before_act(c, k, i);
            sums.dz += dz;
            sums.dz_xhat += dz * normalised(c, k, i);
        }
    }
    return sums;
}

/* g_x and g_residual of a channel; each element of g_y is read before either is written, so both may lie on g_y. */
static void backward_channel(const mn_ref_call *c, const shape *s, int64_t ch, const channel *k, channel_sums sums) {
    const int32_t flags = c->k->flags;
    mn_real *gx = c->args[6], *g_residual = flags & MODNAS_KF_RESIDUAL ? c->args[9] : NULL;
    const double constant = flags & MODNAS_KF_GLOBAL_STATS ? 0 : 1 / (double)(s->n * s->plane);
    for (int64_t n = 0; n < s->n; n++) {
        const int64_t first = (n * s->c + ch) * s->plane;
        for (int64_t i = first; i < first + s->plane; i++) {
            const double dz = before_act(c, k, i), xhat = normalised(c, k, i);
            if (g_residual) g_residual[i] = (mn_real)dz;
            if (gx) gx[i] = (mn_real)(k->gamma * k->rstd * (dz - constant * (sums.dz + xhat * sums.dz_xhat)));
        }
    }
}

int MN_REF(batch_norm_backward)(const mn_ref_call *c) {
    const shape s = shape_of(c->k);
    mn_real *g_gamma = c->args[7], *g_beta = c->args[8];
    const int sloped = c->k->act == MODNAS_ACT_HARD_SWISH;
    if (c->k->act != MODNAS_ACT_NONE && !sloped && !c->args[1])
        return MN_REF(fail)(c, MODNAS_EINVAL,
                            "batch_norm backward: y is missing, the mask of its activation is read off it");
    if (sloped && (c->k->flags & MODNAS_KF_AFFINE) && !c->args[10])
        return MN_REF(fail)(c, MODNAS_EINVAL, "batch_norm backward: beta is missing, the slope of hard-swish wants it");
    for (int64_t ch = 0; ch < s.c; ch++) {
        const channel k = channel_of(c, ch);
        const channel_sums sums = backward_sums(c, &s, ch, &k);
        if (g_gamma) g_gamma[ch] = (mn_real)sums.dz_xhat;
        if (g_beta) g_beta[ch] = (mn_real)sums.dz;
        backward_channel(c, &s, ch, &k, sums);
    }
    return 0;
}
