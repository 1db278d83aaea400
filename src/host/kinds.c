/* The kinds that are open to hosts: one line each. */
#include <string.h>

#include "host/host.h"

static const mn_host_kind *const kinds[] = {
    &mn_host_model, &mn_host_candidate, &mn_host_mixed_op, &mn_host_layer,     &mn_host_construct,
    &mn_host_optim, &mn_host_estim,     &mn_host_metrics,  &mn_host_criterion, &mn_host_export};

const mn_host_kind *mn_host_kind_find(const char *kind) {
    for (size_t i = 0; i < MN_COUNT(kinds); i++)
        if (strcmp(kinds[i]->kind, kind) == 0) return kinds[i];
    return NULL;
}

void mn_host_kinds_text(mn_str *s, int put) {
    int n = 0;
    for (size_t i = 0; i < MN_COUNT(kinds); i++)
        if (put ? kinds[i]->put != NULL : kinds[i]->build != NULL)
            mn_str_addf(s, "%s%s", n++ ? ", " : "", kinds[i]->kind);
}

int mn_host_fail_pair(modnas_ctx *ctx, const mn_host *h) {
    return mn_fail(ctx, MODNAS_EINVAL, "%s '%.80s': of save and load one is NULL", h->kind->kind, h->name);
}
