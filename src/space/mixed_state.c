/* What a mixed op can be asked and told: alpha, probabilities, the active set, forced choices, and the draws of a step.
 */
#include <math.h>
#include <string.h>

#include "space/mixed.h"

/* ---- alpha --------------------------------------------------------------------------------------------- */

/* As stored, without allocating: the store converts only to its own type for free. */
static int read_alpha(const mn_mixed *m, double *alpha) {
    const mn_param *p = m->param->tensor;
    if (p->store && mn_store_dtype(p->store) == MODNAS_F64) return mn_param_get(p, alpha);
    MN_TRY(mn_param_get_f32(p, m->alpha_f32));
    for (int32_t i = 0; i < m->n; i++) alpha[i] = m->alpha_f32[i];
    return 0;
}

int mn_mixed_alpha(const mn_mixed *m, double *alpha) {
    if (m->param->type == MN_TENSOR) return read_alpha(m, alpha);
    for (int32_t i = 0; i < m->n; i++) alpha[i] = i == m->param->index;
    return 0;
}

static int write_alpha(mn_mixed *m, const double *alpha) {
    mn_param *p = m->param->tensor;
    if (p->store && mn_store_dtype(p->store) == MODNAS_F64) return mn_param_set(p, alpha);
    for (int32_t i = 0; i < m->n; i++) m->alpha_f32[i] = (float)alpha[i];
    return mn_param_set_f32(p, m->alpha_f32);
}

int mn_mixed_set_alpha(mn_mixed *m, const double *alpha) {
    if (m->param->type == MN_TENSOR) return write_alpha(m, alpha);
    return mn_fail(m->module->model->ctx, MODNAS_EINVAL, "parameter %s is a choice, it has no alpha", m->param->name);
}

int mn_mixed_set_grad(mn_mixed *m, const double *grad) {
    mn_param *p = m->param->tensor;
    const int is_f64 = p && p->store && mn_store_dtype(p->store) == MODNAS_F64;
    if (!p || !p->store)
        return mn_fail(m->module->model->ctx, MODNAS_EINVAL, "parameter %s has no gradient", m->param->name);
    for (int32_t i = 0; !is_f64 && i < m->n; i++) m->alpha_f32[i] = (float)grad[i];
    MN_TRY(mn_param_copy_in(p, mn_store_grads(p->store), is_f64 ? (const void *)grad : m->alpha_f32));
    mn_param_touch(p);
    return 0;
}

static int softmax(const mn_mixed *m, double *x, int32_t n) {
    double most = x[0], sum = 0;
    for (int32_t i = 0; i < n; i++) {
        if (!isfinite(x[i]))
            return mn_fail(m->module->model->ctx, MODNAS_ENUMERIC, "architecture parameter %s is not finite",
                           m->param->name);
        if (x[i] > most) most = x[i];
    }
    for (int32_t i = 0; i < n; i++) sum += x[i] = exp(x[i] - most);
    for (int32_t i = 0; i < n; i++) x[i] /= sum;
    return 0;
}

int mn_mixed_probs(const mn_mixed *m, double *p) {
    MN_TRY(mn_mixed_alpha(m, p));
    return m->param->type == MN_TENSOR ? softmax(m, p, m->n) : 0;
}

int mn_mixed_weights(const mn_mixed *m, const int32_t *index, int32_t n, double *weight) {
    if (m->vt->uniform) {
        for (int32_t i = 0; i < n; i++) weight[i] = 1;
        return 0;
    }
    MN_TRY(mn_mixed_alpha(m, weight));
    for (int32_t i = 0; i < n; i++)
        weight[i] = weight[index[i]]; /* index ascends, so nothing is overwritten before it is read */
    return softmax(m, weight, n);
}

int mn_mixed_top(const mn_mixed *m, int32_t k, int32_t *index) {
    modnas_ctx *ctx = m->module->model->ctx;
    if (k < 0 || k > m->n) return mn_fail(ctx, MODNAS_EINVAL, "the %d best of %d candidates", k, m->n);
    double *p = mn_alloc(ctx, (size_t)m->n, sizeof *p);
    if (!p) return MODNAS_ENOMEM;
    const int rc = mn_mixed_probs(m, p);
    if (m->forced >= 0) p[m->forced] = 2;
    for (int32_t i = 0; i < k && !rc; i++) {
        int32_t best = 0;
        for (int32_t j = 1; j < m->n; j++)
            if (p[j] > p[best]) best = j;
        index[i] = best;
        p[best] = -1;
    }
    mn_free(ctx, p);
    return rc;
}

/* ---- the active set ------------------------------------------------------------------------------------ */

void mn_draw_distinct(mn_rng *rng, double *weight, int32_t n, int32_t k, int32_t *out) {
    for (int32_t d = 0; d < k; d++) {
        double sum = 0;
        for (int32_t i = 0; i < n; i++) sum += weight[i] > 0 ? weight[i] : 0;
        double at = mn_rng_real(rng) * sum;
        int32_t last = -1;
        for (int32_t i = 0; i < n; i++) {
            if (weight[i] < 0) continue; /* drawn already */
            last = i;
            at -= weight[i];
            if (at < 0 && weight[i] > 0) break;
        }
        out[d] = last;
        weight[last] = -1;
    }
}

static void sort_ascending(int32_t *a, int32_t n) {
    for (int32_t i = 1; i < n; i++)
        for (int32_t j = i; j > 0 && a[j - 1] > a[j]; j--) {
            const int32_t t = a[j];
            a[j] = a[j - 1];
            a[j - 1] = t;
        }
}

int mn_mixed_sample_ops(mn_mixed *m, int32_t n, mn_rng *rng) {
    if (n < 1) return mn_fail(m->module->model->ctx, MODNAS_EINVAL, "an active set of %d candidates", n);
    mn_mixed_reset_ops(m);
    if (n >= m->n) return 0;
    MN_TRY(mn_mixed_weights(m, m->active, m->n, m->weight));
    mn_draw_distinct(rng, m->weight, m->n, n, m->active);
    sort_ascending(m->active, n);
    m->n_active = n;
    return 0;
}

void mn_mixed_reset_ops(mn_mixed *m) {
    m->n_active = m->n;
    for (int32_t i = 0; i < m->n; i++) m->active[i] = i;
    m->module->model->version++;
}

void mn_mixed_force(mn_mixed *m, int32_t candidate) {
    m->forced = candidate < m->n ? candidate : -1;
    m->module->model->version++;
}

void mn_mixed_set_temperature(mn_mixed *m, double temperature) {
    if (m->temperature == temperature) return;
    m->temperature = temperature;
    m->module->model->version++;
}

/* ---- the step ------------------------------------------------------------------------------------------ */

void mn_model_set_draw(mn_model *model, uint64_t draw) {
    if (model->draw == draw) return;
    model->draw = draw;
    for (int32_t i = 0; i < mn_model_n_mixed(model); i++) {
        const mn_mixed *m = mn_model_mixed(model, i);
        if (!m->vt->samples || m->forced != MN_ARCH_OPEN) continue;
        model->version++;
        return;
    }
}

void mn_model_set_arch_step(mn_model *model, int32_t on) {
    if (model->arch_step == !!on) return;
    model->arch_step = !!on;
    model->version++;
}
