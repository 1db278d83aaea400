/* The point of a space that a description is of (see point.h). */
#include "bundle/point.h"

#include <string.h>

#include "search/derive.h"

int mn_point_describe(mn_model *model, mn_exporter *exporter, mn_node **desc) {
    *desc = NULL;
    if (!exporter) return 0;
    MN_TRY(mn_derive_begin(model));
    const int rc = exporter->run(exporter, model, desc);
    mn_derive_end(model);
    return rc;
}

static size_t n_different(const mn_node *a, const mn_node *b) {
    if (!a || !b || a->kind != b->kind) return 1;
    if (a->kind < MN_SEQ) return !mn_node_equal(a, b);
    size_t n = a->n > b->n ? a->n - b->n : b->n - a->n;
    for (size_t i = 0; i < a->n; i++) {
        const mn_node *other = a->kind == MN_MAP ? mn_node_get(b, a->keys[i]) : i < b->n ? b->items[i] : NULL;
        n += n_different(a->items[i], other);
    }
    return n;
}

static int try_option(mn_arch *arch, mn_exporter *exporter, const mn_node *desc, size_t *n) {
    mn_node *is;
    MN_TRY(mn_arch_apply(arch));
    MN_TRY(mn_point_describe(arch->model, exporter, &is));
    *n = n_different(is, desc);
    mn_node_free(arch->model->ctx, is);
    return 0;
}

static int set_gene(mn_arch *arch, int32_t i, int32_t n_options, mn_exporter *exporter, const mn_node *desc) {
    size_t least = SIZE_MAX, n;
    int32_t best = arch->index[i];
    for (int32_t k = 0; k < n_options; k++) {
        arch->index[i] = k;
        MN_TRY(try_option(arch, exporter, desc, &n));
        if (n < least) best = k;
        if (n < least) least = n;
    }
    arch->index[i] = best;
    return mn_arch_apply(arch);
}

int mn_point_set(mn_model *model, mn_exporter *exporter, const mn_node *desc) {
    mn_arch *arch;
    int rc = 0;
    if (!exporter || !desc) return 0;
    MN_TRY(mn_arch_new(model, &arch));
    for (int32_t i = 0; i < arch->n && !rc; i++) {
        const mn_arch_param *p = mn_space_gene(model->space, i);
        if (p->type == MN_CATEGORICAL) rc = set_gene(arch, i, p->n, exporter, desc);
    }
    mn_arch_free(arch);
    return rc;
}
