/* Data sets: what all of them share, and the list of the components of this folder. */
#include "data/data.h"
#include "data/parts.h"

mn_dataset *mn_dataset_new(modnas_ctx *ctx, const char *name, const mn_dataset_vt *vt) {
    mn_dataset *d = mn_alloc(ctx, 1, sizeof *d);
    if (!d) return NULL;
    d->name = mn_strdup(ctx, name);
    if (!d->name) {
        mn_free(ctx, d);
        return NULL;
    }
    d->vt = vt;
    d->ctx = ctx;
    mn_ctx_hold(ctx);
    return d;
}

void mn_dataset_free(mn_dataset *d) {
    if (!d) return;
    modnas_ctx *ctx = d->ctx;
    if (d->vt->destroy) d->vt->destroy(d);
    mn_free(ctx, d->labels);
    mn_free(ctx, d->files);
    mn_free(ctx, d->name);
    mn_free(ctx, d);
    mn_ctx_drop(ctx);
}

int mn_data_register(modnas_ctx *ctx) {
    const mn_component *const rows[] = {&mn_image_cls_data, &mn_rand_data, &mn_default_data_loader,
                                        &mn_image_cls_data_loader};
    for (size_t i = 0; i < MN_COUNT(rows); i++) MN_TRY(mn_registry_add(ctx, rows[i]));
    return 0;
}
