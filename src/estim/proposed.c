/* What was proposed and is evaluated one by one (see proposed.h). */
#include "estim/proposed.h"

#include <inttypes.h>

int mn_proposed_init(mn_proposed *p, mn_estim *e, int64_t room) {
    char where[256];
    if (room < 1 || room > 1 << 20)
        return mn_fail(e->ctx, MODNAS_ECONFIG, "%s: estim.%s.arch_update_batch is %" PRId64 ", it is at least 1",
                       mn_node_where(e->conf, where, sizeof where), e->name, room);
    p->archs = mn_alloc(e->ctx, (size_t)room, sizeof(mn_arch *));
    if (!p->archs) return MODNAS_ENOMEM;
    p->room = (int32_t)room;
    for (int32_t i = 0; i < p->room; i++) MN_TRY(mn_arch_new(e->model, &p->archs[i]));
    return 0;
}

void mn_proposed_free(mn_proposed *p, const mn_estim *e) {
    for (int32_t i = 0; p->archs && i < p->room; i++) mn_arch_free(p->archs[i]);
    mn_free(e->ctx, p->archs);
}

int mn_proposed_ask(mn_proposed *p, mn_estim *e, int32_t n) {
    p->next = p->n = 0;
    return e->optim->vt->ask(e->optim, n, p->archs, &p->n);
}

int mn_proposed_state(mn_proposed *p, mn_state *io) {
    MN_TRY(mn_state_range(io, &p->n, 0, p->room));
    MN_TRY(mn_state_range(io, &p->next, 0, p->n));
    for (int32_t i = 0; i < p->n; i++) MN_TRY(mn_arch_state(p->archs[i], io));
    return 0;
}
