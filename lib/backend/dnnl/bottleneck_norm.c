/* The batch norms inside a bottleneck: constants of one channel block. The formulas are those of batch_norm.c. */
#include <math.h>
#include <string.h>

#include "backend/dnnl/bottleneck.h"

mn_bottleneck_norm mn_bottleneck_norm_at(const mn_bottleneck_job *j, int i, void *saved) {
    const mn_bottleneck_tensor *t = i == 0 ? &j->p->t1 : &j->p->t2;
    mn_bottleneck_norm m = {.mean = (float *)((char *)saved + j->p->stats_at[i]),
                            .n_pixels = (double)(j->p->n * t->hw),
                            .channels = t->channels,
                            .block = j->simd->block};
    m.rstd = m.mean + t->blocks * m.block;
    return m;
}

/* Channels of a block: first, and how many are not padding. */
static int64_t channels_of(const mn_bottleneck_norm *m, int64_t block, int64_t *first) {
    *first = block * m->block;
    const int64_t left = m->channels - *first;
    return left < m->block ? left : m->block;
}

static void update_running(const mn_bottleneck_norm *m, int64_t c, double mean, double var) {
    const double n = m->n_pixels, unbiased = n > 1 ? var * n / (n - 1) : var;
    m->running_mean[c] = (float)((1 - m->momentum) * m->running_mean[c] + m->momentum * mean);
    m->running_var[c] = (float)((1 - m->momentum) * m->running_var[c] + m->momentum * unbiased);
}

void mn_bottleneck_norm_saved(const mn_bottleneck_norm *m, int64_t block, mn_simd_norm_block *c) {
    int64_t first;
    const int64_t n = channels_of(m, block, &first);
    memset(c, 0, sizeof *c);
    for (int64_t i = 0; i < n; i++) {
        c->mean[i] = m->mean[first + i];
        c->scale[i] = m->gamma[first + i] * m->rstd[first + i];
        c->shift[i] = c->beta[i] = m->beta[first + i];
    }
}

void mn_bottleneck_norm_forward(const mn_bottleneck_norm *m, int64_t block, const mn_bottleneck_sums *s,
                                mn_simd_norm_block *c) {
    int64_t first;
    const int64_t n = channels_of(m, block, &first);
    for (int64_t i = 0; i < n; i++) {
        const double shifted = s->first[i] / m->n_pixels, v = s->second[i] / m->n_pixels - shifted * shifted;
        const double mean = s->origin[i] + shifted, var = v > 0 ? v : (v == v ? 0 : v); /* a NaN comes through */
        m->mean[first + i] = (float)mean;
        m->rstd[first + i] = (float)(1 / sqrt(var + m->eps));
        if (m->running_mean) update_running(m, first + i, mean, var);
    }
    mn_bottleneck_norm_saved(m, block, c);
}

void mn_bottleneck_norm_backward(const mn_bottleneck_norm *m, int64_t block, const mn_bottleneck_sums *s,
                                 mn_simd_norm_block *c) {
    int64_t first;
    const int64_t n = channels_of(m, block, &first);
    memset(c, 0, sizeof *c);
    for (int64_t i = 0; i < n; i++) {
        const double rstd = m->rstd[first + i], scale = m->gamma[first + i] * rstd;
        c->mean[i] = m->mean[first + i];
        c->scale[i] = (float)scale;
        c->beta[i] = m->beta[first + i];
        c->shift[i] = (float)(-scale * s->first[i] / m->n_pixels);
        c->slope[i] = (float)(scale * rstd * rstd * s->second[i] / m->n_pixels);
        if (m->g_beta) m->g_beta[first + i] = (float)s->first[i];
        if (m->g_gamma) m->g_gamma[first + i] = (float)(rstd * s->second[i]);
    }
}

void mn_bottleneck_sums_add(mn_bottleneck_sums *to, const double *first, const double *second) {
    for (int i = 0; i < MN_SIMD_BLOCK_MAX; i++) {
        to->first[i] += first[i];
        to->second[i] += second[i];
    }
}
