/* The block of MobileNets: a Slot "conv", and its source added to what it gives where shapes agree. */
#include "models/models.h"

/* children: conv (the Slot) */
static int forward(mn_module *m, mn_run *run, mn_value *const *src, int32_t n_src, mn_value **dst) {
    mn_module *conv = MN_AT(m->children, mn_module *, 0);
    const mn_slot *slot = mn_slot_of(conv);
    mn_value *v;
    MN_TRY(mn_forward(conv, run, src, n_src, &v));
    if (slot->stride == 1 && slot->chn_in == slot->chn_out) return mn_add(run, v, src[0], dst);
    *dst = v;
    return 0;
}

static const mn_module_vt vt = {"inverted_residual_block", forward, NULL};

int mn_add_inverted_residual(mn_module *parent, const char *name, int32_t chn_in, int32_t chn_out, int32_t stride,
                             const mn_kwarg *kwargs, size_t n) {
    mn_model *model = parent->model;
    mn_module *block, *slot = NULL;
    mn_node *map;
    MN_TRY(mn_module_new(model, &vt, 0, &block));
    int rc = mn_kwargs_new(model->ctx, kwargs, n, &map);
    if (!rc) rc = mn_slot_new(model, chn_in, chn_out, stride, map, &slot);
    rc = mn_add_made(block, "conv", rc, slot);
    if (rc) {
        mn_module_free(block);
        return rc;
    }
    return mn_module_add(parent, name, block);
}
