/* Data sets: what all of them share, and the list of the components of this folder. */
#include "data/data.h"

#include <string.h>

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
    mn_free(ctx, d->names_block);
    mn_free(ctx, d->name);
    mn_free(ctx, d);
    mn_ctx_drop(ctx);
}

int mn_dataset_same(const mn_dataset *a, const mn_dataset *b) {
    if (a == b || (a->state && a->state == b->state)) return 1;
    if (a->n != b->n) return 0;
    if (a->n_files == 1 && b->n_files == 1) return mn_dataset_shared_file(a, b) != NULL;
    return a->sha256[0] && !strcmp(a->sha256, b->sha256);
}

const char *mn_dataset_shared_file(const mn_dataset *a, const mn_dataset *b) {
    for (int32_t i = 0; i < a->n_files; i++)
        for (int32_t k = 0; k < b->n_files; k++)
            if (a->files[i].has_images && !strcmp(a->files[i].sha256, b->files[k].sha256)) return a->files[i].name;
    return NULL;
}

int mn_dataset_fail(const mn_dataset *d, int64_t index, int code, int32_t label) {
    const long long i = index;
    if (code && d->vt->explain) return d->vt->explain(d, index);
    if (code)
        return mn_fail(d->ctx, code > 0 ? code : MODNAS_ECALLBACK, "%s: the callback returned %d for sample %lld",
                       d->name, code, i);
    if (label < 0 || label >= d->n_classes)
        return mn_fail(d->ctx, MODNAS_EINVAL, "%s: label %d of sample %lld; there are %d classes, from 0", d->name,
                       label, i, d->n_classes);
    return mn_fail(d->ctx, MODNAS_EINVAL, "%s: label %d of sample %lld was another one when the classes were chosen",
                   d->name, label, i);
}

static int read_labels(mn_dataset *d, float *values, int32_t *labels) {
    for (int64_t i = 0; i < d->n; i++) {
        mn_rng rng;
        mn_rng_init(&rng, 0, 0, 0); /* nothing is drawn */
        labels[i] = -1;
        const int code = d->vt->sample(d, i, 0, &rng, values, &labels[i]);
        if (code || labels[i] < 0 || labels[i] >= d->n_classes) return mn_dataset_fail(d, i, code, labels[i]);
        MN_TRY(mn_canceled(d->ctx));
    }
    return 0;
}

int mn_dataset_labels(mn_dataset *d, const int32_t **out) {
    if (!d->labels) {
        float *values = mn_alloc(d->ctx, (size_t)d->c * (size_t)d->h * (size_t)d->w, sizeof *values);
        int32_t *labels = mn_alloc(d->ctx, (size_t)d->n, sizeof *labels);
        const int rc = values && labels ? read_labels(d, values, labels) : MODNAS_ENOMEM;
        mn_free(d->ctx, values);
        if (rc) {
            mn_free(d->ctx, labels);
            return rc;
        }
        d->labels = labels;
    }
    *out = d->labels;
    return 0;
}

int mn_data_register(modnas_ctx *ctx) {
    const mn_component *const rows[] = {&mn_image_cls_data, &mn_rand_data, &mn_default_data_loader,
                                        &mn_image_cls_data_loader};
    for (size_t i = 0; i < MN_COUNT(rows); i++) MN_TRY(mn_registry_add(ctx, rows[i]));
    return 0;
}
