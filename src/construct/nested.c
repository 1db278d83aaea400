/* Nested layers from their descriptions: what is listed is put into the edges' Slots, what is not is taken away. */
#include "construct/parts.h"
#include "space/nested.h"

int mn_fill_nested(mn_nested *n, const mn_node *desc) {
    modnas_ctx *ctx = n->module->model->ctx;
    const mn_node **item = mn_alloc(ctx, n->edges.n, sizeof *item);
    int rc = item ? mn_nested_match(n, desc, item) : MODNAS_ENOMEM;
    for (size_t i = 0; i < n->edges.n && !rc; i++) {
        const mn_edge *e = &MN_AT(n->edges, mn_edge, i);
        if (item[i])
            rc = mn_fill_item(mn_slot_of(e->module), item[i]);
        else
            mn_nested_drop(n, (int32_t)i);
    }
    mn_free(ctx, item);
    return rc;
}

static int fill_cell(mn_nested *n, const mn_node *desc, void *ud) {
    (void)ud;
    return mn_nested_is_open(n) ? mn_fill_nested(n, desc) : 0;
}

int mn_fill_cells(mn_model *model, const mn_node *desc) {
    return mn_cells_visit(model, desc, fill_cell, NULL);
}
