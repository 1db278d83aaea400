/* oneDNN primitives of a plan, run one after the other.
 *
 * Everything that oneDNN needs is made with the plan: primitive, memory objects, scratchpad. A run only sets the
 * handles of the memory objects. Where a primitive wants another layout than the argument has, a reorder through the
 * plan's scratch goes before it (inputs) or after it (outputs). */
#ifndef MN_DNNL_PRIM_H
#define MN_DNNL_PRIM_H

#include "backend/dnnl/dnnl_backend.h"

enum { MN_DNNL_PRIM_ARGS = 10, MN_DNNL_CHAIN_PRIMS = 6 };

/* Where bytes are during a run: an argument of plan_run, or (arg < 0) a place in its scratch. */
typedef struct mn_dnnl_place {
    int32_t arg;
    size_t offset;
} mn_dnnl_place;

typedef struct mn_dnnl_prim {
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[MN_DNNL_PRIM_ARGS]; /* memory objects are owned */
    mn_dnnl_place places[MN_DNNL_PRIM_ARGS];
    int32_t n_args;
} mn_dnnl_prim;

typedef struct mn_dnnl_chain {
    mn_dnnl_prim prims[MN_DNNL_CHAIN_PRIMS];
    int32_t n;
} mn_dnnl_chain;

static inline mn_dnnl_place mn_dnnl_at_arg(int32_t arg) {
    return (mn_dnnl_place){arg, 0};
}
static inline mn_dnnl_place mn_dnnl_at_scratch(size_t offset) {
    return (mn_dnnl_place){-1, offset};
}

/* Attributes with the scratchpad in the caller's hands; destroyed by the caller. */
dnnl_status_t mn_dnnl_attr_new(mn_dnnl *s, dnnl_primitive_attr_t *attr);

/* Append the primitive of `desc`; its scratchpad is added to the plan's scratch. */
dnnl_status_t mn_dnnl_chain_add(mn_dnnl *s, mn_dnnl_plan *p, mn_dnnl_chain *c, const_dnnl_primitive_desc_t desc);
/* Tell the last primitive where its argument `what` (DNNL_ARG_*) lies, and how. */
dnnl_status_t mn_dnnl_chain_arg(mn_dnnl *s, mn_dnnl_chain *c, int what, const_dnnl_memory_desc_t md, mn_dnnl_place at);
/* Append a reorder. */
dnnl_status_t mn_dnnl_chain_reorder(mn_dnnl *s, mn_dnnl_plan *p, mn_dnnl_chain *c, const_dnnl_memory_desc_t from,
                                    mn_dnnl_place from_at, const_dnnl_memory_desc_t to, mn_dnnl_place to_at);
/* The input at *at rests as `has`; the primitive to come wants it as `wants`: if they differ, append the reorder and
 * move *at. */
dnnl_status_t mn_dnnl_chain_input(mn_dnnl *s, mn_dnnl_plan *p, mn_dnnl_chain *c, const_dnnl_memory_desc_t has,
                                  const_dnnl_memory_desc_t wants, mn_dnnl_place *at);
int mn_dnnl_chain_run(mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_chain *c, const mn_dnnl_run *r);
void mn_dnnl_chain_free(mn_dnnl_chain *c);

#endif
