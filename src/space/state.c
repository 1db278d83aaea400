/* What a model carries beside its tensors, for checkpoints; and the hash that tells one space from another. */
#include <string.h>

#include "space/mixed.h"

/* ---- state --------------------------------------------------------------------------------------------- */

static int param_state(mn_arch_param *p, mn_state *io) {
    if (p->choices) return mn_state_range(io, &p->index, 0, p->n - 1);
    if (p->type == MN_TENSOR) return 0; /* in the store */
    double value = p->value;
    MN_TRY(mn_state_real(io, &value));
    if (io->loading && !(value >= p->low && value <= p->high))
        return mn_state_fail(io, "%s is %g, it lies in [%g, %g]", p->name, value, p->low, p->high);
    p->value = value;
    return 0;
}

static int mixed_state(mn_mixed *m, mn_state *io) {
    MN_TRY(mn_state_range(io, &m->forced, MN_ARCH_NONE, m->n - 1));
    MN_TRY(mn_state_range(io, &m->last, -1, m->n - 1));
    MN_TRY(mn_state_real(io, &m->temperature));
    MN_TRY(mn_state_range(io, &m->n_active, 1, m->n));
    for (int32_t i = 0; i < m->n_active; i++) MN_TRY(mn_state_range(io, &m->active[i], 0, m->n - 1));
    return 0;
}

int mn_model_state(mn_model *m, mn_state *io) {
    const size_t n_params = m->space ? m->space->params.n : 0;
    MN_TRY(mn_state_u64(io, &m->draw));
    MN_TRY(mn_state_i64(io, &m->epoch));
    MN_TRY(mn_state_i64(io, &m->epochs));
    MN_TRY(mn_state_same(io, (int64_t)n_params, "architecture parameters"));
    MN_TRY(mn_state_same(io, mn_model_n_mixed(m), "mixed ops"));
    for (size_t i = 0; i < n_params; i++) MN_TRY(param_state(MN_AT(m->space->params, mn_arch_param *, i), io));
    for (int32_t i = 0; i < mn_model_n_mixed(m); i++) MN_TRY(mixed_state(mn_model_mixed(m, i), io));
    m->version += io->loading != 0;
    return 0;
}

/* Options by number: the architecture is one of the same space, which its hash has shown. */
int mn_arch_state(mn_arch *a, mn_state *io) {
    MN_TRY(mn_state_same(io, a->n, "choices of an architecture"));
    for (int32_t i = 0; i < a->n; i++)
        MN_TRY(mn_state_range(io, &a->index[i], MN_ARCH_NONE, mn_space_gene(a->model->space, i)->n - 1));
    return 0;
}

/* ---- hash ---------------------------------------------------------------------------------------------- */

static void add_param(mn_str *s, const mn_arch_param *p) {
    mn_str_addf(s, "%c %s %d ", p->type, p->name, p->n);
    mn_node_json(s, p->choices);
    mn_str_addf(s, " %.17g %.17g %d\n", p->low, p->high, p->integer);
}

static void add_mixed(mn_str *s, const mn_mixed *m) {
    mn_str_addf(s, "%s %s:", m->vt->type, m->param->name);
    for (int32_t i = 0; i < m->n; i++) mn_str_addf(s, " %s", mn_mixed_candidate(m, i));
    mn_str_add(s, "\n");
}

static void add_tensors(mn_str *s, const mn_model *m) {
    for (size_t i = 0; mn_model_committed(m) && i < mn_model_n_tensors(m); i++) {
        const mn_param *p = mn_model_tensor(m, i);
        int64_t dims[4];
        mn_param_shape(p, dims);
        mn_str_add(s, p->name);
        for (int32_t k = 0; k < p->rank; k++) mn_str_addf(s, " %lld", (long long)dims[k]);
        mn_str_add(s, "\n");
    }
}

int mn_space_hash(const mn_model *m, char text[65]) {
    mn_str s = {.ctx = m->ctx};
    mn_sha256 sha;
    mn_str_addf(&s, "%s\n", m->type);
    for (size_t i = 0; m->space && i < m->space->params.n; i++)
        add_param(&s, MN_AT(m->space->params, mn_arch_param *, i));
    for (int32_t i = 0; i < mn_model_n_mixed(m); i++) add_mixed(&s, mn_model_mixed(m, i));
    add_tensors(&s, m);
    const int failed = s.failed;
    mn_sha256_init(&sha);
    if (!failed) mn_sha256_add(&sha, s.text, s.n);
    mn_sha256_hex(&sha, text);
    mn_str_free(&s);
    return failed ? MODNAS_ENOMEM : 0;
}
