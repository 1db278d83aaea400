/* oneDNN primitives of a plan, run one after the other: see prim.h. */
#include "backend/dnnl/prim.h"

static dnnl_status_t counted(mn_dnnl *s, dnnl_status_t status) {
    if (status == dnnl_success) s->n_objects++;
    return status;
}

dnnl_status_t mn_dnnl_attr_new(mn_dnnl *s, dnnl_primitive_attr_t *attr) {
    dnnl_primitive_attr_t made;
    dnnl_status_t status = counted(s, onednn.primitive_attr_create(&made));
    if (status != dnnl_success) return status;
    status = onednn.primitive_attr_set_scratchpad_mode(made, dnnl_scratchpad_mode_user);
    if (status == dnnl_success)
        *attr = made;
    else
        dnnl_primitive_attr_destroy(made);
    return status;
}

dnnl_status_t mn_dnnl_chain_add(mn_dnnl *s, mn_dnnl_plan *p, mn_dnnl_chain *c, const_dnnl_primitive_desc_t desc) {
    if (c->n == MN_DNNL_CHAIN_PRIMS) return dnnl_out_of_memory;
    const dnnl_status_t status = counted(s, onednn.primitive_create(&c->prims[c->n].primitive, desc));
    if (status != dnnl_success) return status;
    c->n++;
    const_dnnl_memory_desc_t pad = dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    const size_t bytes = pad ? dnnl_memory_desc_get_size(pad) : 0;
    if (!bytes) return dnnl_success;
    return mn_dnnl_chain_arg(s, c, DNNL_ARG_SCRATCHPAD, pad, mn_dnnl_at_scratch(mn_dnnl_reserve(p, bytes)));
}

dnnl_status_t mn_dnnl_chain_arg(mn_dnnl *s, mn_dnnl_chain *c, int what, const_dnnl_memory_desc_t md, mn_dnnl_place at) {
    mn_dnnl_prim *prim = &c->prims[c->n - 1];
    if (prim->n_args == MN_DNNL_PRIM_ARGS) return dnnl_out_of_memory;
    dnnl_memory_t memory;
    const dnnl_status_t status = counted(s, onednn.memory_create(&memory, md, s->engine, DNNL_MEMORY_NONE));
    if (status != dnnl_success) return status;
    prim->args[prim->n_args] = (dnnl_exec_arg_t){what, memory};
    prim->places[prim->n_args++] = at;
    return dnnl_success;
}

dnnl_status_t mn_dnnl_chain_reorder(mn_dnnl *s, mn_dnnl_plan *p, mn_dnnl_chain *c, const_dnnl_memory_desc_t from,
                                    mn_dnnl_place from_at, const_dnnl_memory_desc_t to, mn_dnnl_place to_at) {
    dnnl_primitive_attr_t attr;
    dnnl_primitive_desc_t desc;
    dnnl_status_t status = mn_dnnl_attr_new(s, &attr);
    if (status != dnnl_success) return status;
    status = counted(s, onednn.reorder_primitive_desc_create(&desc, from, s->engine, to, s->engine, attr));
    dnnl_primitive_attr_destroy(attr);
    if (status != dnnl_success) return status;
    status = mn_dnnl_chain_add(s, p, c, desc);
    dnnl_primitive_desc_destroy(desc);
    if (status == dnnl_success) status = mn_dnnl_chain_arg(s, c, DNNL_ARG_FROM, from, from_at);
    if (status == dnnl_success) status = mn_dnnl_chain_arg(s, c, DNNL_ARG_TO, to, to_at);
    return status;
}

dnnl_status_t mn_dnnl_chain_input(mn_dnnl *s, mn_dnnl_plan *p, mn_dnnl_chain *c, const_dnnl_memory_desc_t has,
                                  const_dnnl_memory_desc_t wants, mn_dnnl_place *at) {
    if (dnnl_memory_desc_equal(has, wants)) return dnnl_success;
    const mn_dnnl_place moved = mn_dnnl_at_scratch(mn_dnnl_reserve(p, dnnl_memory_desc_get_size(wants)));
    const dnnl_status_t status = mn_dnnl_chain_reorder(s, p, c, has, *at, wants, moved);
    if (status == dnnl_success) *at = moved;
    return status;
}

static dnnl_status_t prim_run(mn_dnnl *s, const mn_dnnl_prim *prim, const mn_dnnl_run *r) {
    for (int32_t i = 0; i < prim->n_args; i++) {
        const mn_dnnl_place at = prim->places[i];
        void *mem = at.arg < 0 ? mn_dnnl_scratch(r, at.offset) : (void *)mn_dnnl_arg(r, at.arg);
        const dnnl_status_t status = dnnl_memory_set_data_handle(prim->args[i].memory, mem);
        if (status != dnnl_success) return status;
    }
    return onednn.primitive_execute(prim->primitive, s->stream, prim->n_args, prim->args);
}

int mn_dnnl_chain_run(mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_chain *c, const mn_dnnl_run *r) {
    for (int32_t i = 0; i < c->n; i++) {
        const dnnl_status_t status = prim_run(s, &c->prims[i], r);
        if (status != dnnl_success) return mn_dnnl_refused(s, status, "running a primitive", &p->k);
    }
    return 0;
}

void mn_dnnl_chain_free(mn_dnnl_chain *c) {
    for (int32_t i = 0; i < c->n; i++) {
        mn_dnnl_prim *prim = &c->prims[i];
        for (int32_t j = 0; j < prim->n_args; j++) dnnl_memory_destroy(prim->args[j].memory);
        dnnl_primitive_destroy(prim->primitive);
    }
    c->n = 0;
}
