/* What was proposed and is evaluated one by one (see proposed.h). */
#include "estim/proposed.h"

#include <inttypes.h>

int mn_proposed_init(mn_proposed *p, mn_estim *e, int64_t room) {
    char where[256];
    if (room < 1 || room > 1 << 20)
        return mn_fail(e->ctx, MODNAS_ECONFIG, "%s: estim.%s.arch_update_batch is %" PRId64 ", it is at least 1",
                       mn_node_where(e->conf, where, sizeof where), e->name, room);
    if (!p->archs) p->archs = mn_alloc(e->ctx, (size_t)room, sizeof(mn_arch *));
    if (!p->archs) return MODNAS_ENOMEM;
    for (; p->room < room; p->room++) MN_TRY(mn_arch_new(e->model, &p->archs[p->room]));
    return 0;
}

void mn_proposed_free(mn_proposed *p, const mn_estim *e) {
    for (int32_t i = 0; i < p->room; i++) mn_arch_free(p->archs[i]);
    mn_free(e->ctx, p->archs);
}

int mn_proposed_ask(mn_proposed *p, mn_estim *e, int32_t n) {
    p->next = p->n = 0;
    return e->optim->vt->ask(e->optim, n, p->archs, &p->n);
}

/* Outcomes, not ends of the run. */
static int is_outcome(int rc) {
    return rc == MODNAS_ENUMERIC || rc == MODNAS_ESHAPE || rc == MODNAS_EUNSUPPORTED;
}

static int evaluate(mn_estim *e, const mn_arch *arch) {
    MN_TRY(mn_arch_apply(arch));
    const int rc = mn_estim_evaluate(e, arch);
    if (!is_outcome(rc)) return rc;
    mn_log(e->ctx, MODNAS_LOG_WARN, "estim.%s: %s", e->name, modnas_errmsg(e->ctx));
    return mn_estim_record(e, arch, rc, NULL);
}

int mn_proposed_evaluate(mn_proposed *p, mn_estim *e) {
    MN_TRY(mn_estim_checkpoint(e, 0));
    MN_TRY(evaluate(e, p->archs[p->next]));
    p->next++;
    return 0;
}

int mn_proposed_state(mn_proposed *p, mn_state *io) {
    MN_TRY(mn_state_range(io, &p->n, 0, p->room));
    MN_TRY(mn_state_range(io, &p->next, 0, p->n));
    for (int32_t i = 0; i < p->n; i++) MN_TRY(mn_arch_state(p->archs[i], io));
    return 0;
}
