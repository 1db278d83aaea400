/* The five types of mixed ops: what each records, and so what it has gradients of.
 *
 *   SoftmaxSum   y = sum_i softmax(alpha)_i o_i(x)                   ordinary derivatives (DARTS, Liu et al. 2019, eq.
 * 2) GumbelSum    y = sum_i softmax((alpha + g) / T)_i o_i(x)         g = -log(-log u), u in [1e-7, 1 - 1e-7] (SNAS,
 * Xie et al. 2019) BinaryGate   y = o_c(x), c drawn from w = softmax(alpha)         below (ProxylessNAS, Cai et al.
 * 2019)
 *   ...Uniform   the same with c drawn uniformly
 *   Index        y = o_c(x), c a categorical parameter               none for the choice
 *
 * BinaryGate, weight step: n_samples distinct paths of the active set, their plain sum; alpha gets nothing, what was
 * not drawn is not recorded and costs nothing. Architecture step: one path c; with G the gradient of y and w = softmax
 * over the active set, dL/dalpha_i = sum over active j of <G, o_j(x)> w_j (delta_ij - w_i), the input's gradient comes
 * through c alone. Recorded as gate(softmax(pick(alpha))), the other active candidates without gradients and with
 * frozen statistics. A zero operator counts as o = 0 and takes part in the softmax: its alpha moves, pushed by the
 * others. */
#include <math.h>

#include "space/mixed.h"

/* Draws of this mixed op in the model's current step; `purpose` keeps kinds of draws apart. */
static mn_rng draws(const mn_mixed *m, const char *purpose) {
    const mn_model *model = m->module->model;
    mn_rng rng;
    mn_rng_init(&rng, model->seed, mn_stream(purpose) + (uint64_t)m->tag, model->draw);
    return rng;
}

static int record_every(mn_mixed *m, mn_run *run, mn_value *src) {
    for (int32_t i = 0; i < m->n; i++) MN_TRY(mn_mixed_record(m, run, i, src, &m->value[i]));
    return 0;
}

/* ---- sums ---------------------------------------------------------------------------------------------- */

static int softmax_sum_forward(mn_mixed *m, mn_run *run, mn_value *src, mn_value **dst) {
    mn_value *alpha, *p;
    MN_TRY(record_every(m, run, src));
    MN_TRY(mn_use_param(run, m->param->tensor, &alpha));
    MN_TRY(mn_softmax(run, alpha, 0, &p));
    return mn_weighted_sum(run, p, m->value, m->n, dst);
}

static int gumbel_sum_forward(mn_mixed *m, mn_run *run, mn_value *src, mn_value **dst) {
    const double eps = 1e-7;
    const int64_t dims[4] = {1, m->n, 1, 1};
    mn_value *alpha, *noise, *sum, *scores, *p;
    mn_rng rng = draws(m, "mixed_op.gumbel");
    for (int32_t i = 0; i < m->n; i++) m->weight[i] = -log(-log(fmin(fmax(mn_rng_real(&rng), eps), 1 - eps)));
    MN_TRY(record_every(m, run, src));
    MN_TRY(mn_use_param(run, m->param->tensor, &alpha));
    MN_TRY(mn_const(run, dims, m->weight, &noise));
    MN_TRY(mn_binary(run, MODNAS_BINARY_ADD, alpha, noise, &sum));
    MN_TRY(mn_activation(run, sum, MODNAS_ACT_LINEAR, 1 / m->temperature, 0, &scores));
    MN_TRY(mn_softmax(run, scores, 0, &p));
    return mn_weighted_sum(run, p, m->value, m->n, dst);
}

/* ---- gates --------------------------------------------------------------------------------------------- */

/* k distinct positions of the active set into m->path, the first one drawn is the path that is remembered. */
static int draw_paths(mn_mixed *m, int32_t k, const char *purpose) {
    mn_rng rng = draws(m, purpose);
    MN_TRY(mn_mixed_weights(m, m->active, m->n_active, m->weight));
    mn_draw_distinct(&rng, m->weight, m->n_active, k, m->path);
    m->last = m->active[m->path[0]];
    return 0;
}

/* Several paths are added in the order of their indices: fewer different plans, and the sum does not depend on the
 * order drawn. */
static int weight_step(mn_mixed *m, mn_run *run, mn_value *src, mn_value **dst) {
    const int32_t k = m->n_samples < m->n_active ? m->n_samples : m->n_active;
    mn_value *sum = NULL, *v;
    MN_TRY(draw_paths(m, k, "mixed_op.path"));
    for (int32_t i = 0; i < m->n_active; i++) {
        int drawn = 0;
        for (int32_t j = 0; j < k; j++) drawn |= m->path[j] == i;
        if (!drawn) continue;
        MN_TRY(mn_mixed_record(m, run, m->active[i], src, &v));
        if (sum) MN_TRY(mn_add(run, sum, v, &v));
        sum = v;
    }
    *dst = sum;
    return 0;
}

static int arch_probabilities(mn_mixed *m, mn_run *run, mn_value **p) {
    mn_value *alpha;
    MN_TRY(mn_use_param(run, m->param->tensor, &alpha));
    if (m->n_active < m->n) MN_TRY(mn_pick(run, alpha, m->active, m->n_active, &alpha));
    return mn_softmax(run, alpha, 0, p);
}

static int arch_step(mn_mixed *m, mn_run *run, mn_value *src, mn_value **dst) {
    mn_value *p;
    int rc = 0;
    MN_TRY(draw_paths(m, 1, "mixed_op.gate"));
    int32_t chosen = m->path[0];
    for (int32_t i = 0; i < m->n_active; i++)
        if (m->active[i] == m->choice) chosen = i;
    m->last = m->active[chosen];
    mn_run_no_grad(run, 1);
    for (int32_t i = 0; i < m->n_active && !rc; i++)
        if (i != chosen) rc = mn_mixed_record(m, run, m->active[i], src, &m->value[i]);
    mn_run_no_grad(run, 0);
    if (rc) return rc;
    MN_TRY(mn_mixed_record(m, run, m->active[chosen], src, &m->value[chosen]));
    MN_TRY(arch_probabilities(m, run, &p));
    return mn_gate(run, p, m->value, m->n_active, chosen, dst);
}

static int binary_gate_forward(mn_mixed *m, mn_run *run, mn_value *src, mn_value **dst) {
    return m->module->model->arch_step ? arch_step(m, run, src, dst) : weight_step(m, run, src, dst);
}

static int index_forward(mn_mixed *m, mn_run *run, mn_value *src, mn_value **dst) {
    m->last = m->param->index;
    return mn_mixed_record(m, run, m->last, src, dst);
}

const mn_mixed_vt mn_softmax_sum = {"SoftmaxSumMixedOp", MN_TENSOR, 0, 0, 1, softmax_sum_forward};
const mn_mixed_vt mn_gumbel_sum = {"GumbelSumMixedOp", MN_TENSOR, 1, 0, 1, gumbel_sum_forward};
const mn_mixed_vt mn_binary_gate = {"BinaryGateMixedOp", MN_TENSOR, 1, 0, 0, binary_gate_forward};
const mn_mixed_vt mn_binary_gate_uniform = {"BinaryGateUniformMixedOp", MN_TENSOR, 1, 1, 0, binary_gate_forward};
const mn_mixed_vt mn_index = {"IndexMixedOp", MN_CATEGORICAL, 0, 0, 0, index_forward};
