/* Reducing a supernet to its best candidates for a while, and counting what is left. */
#include "search/derive.h"

#include "module/active.h"
#include "search/limit.h"

/* All of them are found before any is set: which edges a nested layer keeps depends on the others. */
static int force_best(mn_model *m) {
    const int32_t n = mn_model_n_mixed(m);
    if (!n) return 0;
    int32_t *best = mn_alloc(m->ctx, (size_t)n, sizeof *best);
    int rc = best ? 0 : MODNAS_ENOMEM;
    for (int32_t i = 0; i < n && !rc; i++) rc = mn_mixed_best(mn_model_mixed(m, i), &best[i]);
    for (int32_t i = 0; i < n && !rc; i++) mn_mixed_force(mn_model_mixed(m, i), best[i]);
    mn_free(m->ctx, best);
    return rc;
}

int mn_derive_begin(mn_model *m) {
    int rc = 0;
    if (m->derived++) return 0;
    if (m->limits) rc = mn_limits_force(m->limits, m);
    if (!rc) rc = force_best(m);
    if (rc) mn_derive_end(m);
    return rc;
}

int mn_derive_arch(mn_arch *a) {
    if (a->model->limits) MN_TRY(mn_limits_choose(a->model->limits, a->model, a->index));
    return mn_arch_derive(a);
}

void mn_derive_end(mn_model *m) {
    if (--m->derived) return;
    for (int32_t i = 0; i < mn_model_n_mixed(m); i++) mn_mixed_force(mn_model_mixed(m, i), -1);
}

int64_t mn_derived_weights(mn_module *module) {
    const mn_mixed *mixed = mn_mixed_of(module);
    if (mixed && mixed->forced == MN_ARCH_NONE) return 0;
    if (mixed && mixed->forced >= 0) return mn_derived_weights(mn_mixed_module(mixed, mixed->forced));
    int64_t n = 0;
    if (!mn_active_is_there(module)) return 0;
    for (size_t i = 0; i < module->params.n; i++) {
        const mn_param *p = MN_AT(module->params, mn_module_param, i).param;
        if (p->role == MN_ROLE_WEIGHT) n += mn_active_numel(module, p);
    }
    for (size_t i = 0; i < module->children.n; i++) n += mn_derived_weights(MN_AT(module->children, mn_module *, i));
    return n;
}

int64_t mn_derived_params(const mn_model *m) {
    return m->root ? mn_derived_weights(m->root) : 0;
}

int mn_derived_macs(mn_model *m, const int32_t input[3], int64_t *macs) {
    return mn_model_recorded_macs(m, input, macs);
}
