/* The slab: one block of device memory that all runs of a model plan their values into. It only ever grows. */
#include "graph/run.h"

int mn_slab_new(mn_backend *b, mn_slab **out) {
    mn_slab *s = mn_alloc(mn_backend_ctx(b), 1, sizeof *s);
    if (!s) return MODNAS_ENOMEM;
    s->backend = b;
    mn_ctx_hold(mn_backend_ctx(b));
    *out = s;
    return 0;
}

void mn_slab_free(mn_slab *s) {
    if (!s) return;
    modnas_ctx *ctx = mn_backend_ctx(s->backend);
    if (s->mem) mn_backend_free(s->backend, s->mem);
    mn_free(ctx, s);
    mn_ctx_drop(ctx);
}

size_t mn_slab_bytes(const mn_slab *s) { return s->bytes; }

int mn_slab_reserve(mn_slab *s, size_t bytes) {
    if (bytes <= s->bytes) return 0;
    if (s->mem) mn_backend_free(s->backend, s->mem); /* contents do not outlive a run */
    s->mem = NULL;
    s->bytes = 0;
    MN_TRY(mn_backend_alloc(s->backend, bytes, &s->mem));
    s->bytes = bytes;
    return 0;
}
