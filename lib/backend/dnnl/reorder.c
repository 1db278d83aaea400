/* Reorder between layouts of the same dims: activations between plain and blocked, weights between plain and where they
 * rest. u.window.groups tells weights (1 or more) from activations (0). oneDNN does it and fills the
 * padding with 0. */
#include "backend/dnnl/layout.h"
#include "backend/dnnl/prim.h"
#include "backend/dnnl/table.h"

typedef struct reorder_plan {
    mn_dnnl_plan base;
    mn_dnnl_chain chain;
} reorder_plan;

static int reorder_supports(mn_dnnl *s, const modnas_kernel *k) {
    const int32_t groups = k->u.window.groups;
    if (!mn_dnnl_same_dims(&k->src, &k->dst) || groups < 0) return 0;
    if (groups == 0) return mn_dnnl_is_activation(&k->src) && mn_dnnl_is_activation(&k->dst);
    if (k->src.dims[0] % groups != 0) return 0;
    return mn_dnnl_layout_is_weights(s, &k->src, groups) && mn_dnnl_layout_is_weights(s, &k->dst, groups);
}

static dnnl_status_t make_md(mn_dnnl *s, const modnas_tdesc *t, int32_t groups, dnnl_memory_desc_t *md) {
    return groups ? mn_dnnl_md_weights(s, t, groups, md) : mn_dnnl_md_activation(s, t, md);
}

static int reorder_plan_make(mn_dnnl *s, mn_dnnl_plan *base) {
    reorder_plan *p = (reorder_plan *)base;
    const int32_t groups = base->k.u.window.groups;
    dnnl_memory_desc_t from = NULL, to = NULL;
    dnnl_status_t status = make_md(s, &base->k.src, groups, &from);
    if (status == dnnl_success) status = make_md(s, &base->k.dst, groups, &to);
    if (status == dnnl_success)
        status = mn_dnnl_chain_reorder(s, base, &p->chain, from, mn_dnnl_at_arg(0), to, mn_dnnl_at_arg(1));
    if (from) dnnl_memory_desc_destroy(from);
    if (to) dnnl_memory_desc_destroy(to);
    return status == dnnl_success ? 0 : mn_dnnl_refused(s, status, "the primitive", &base->k);
}

static int reorder_run(mn_dnnl *s, const mn_dnnl_plan *base, const mn_dnnl_run *r) {
    return mn_dnnl_chain_run(s, base, &((const reorder_plan *)base)->chain, r);
}

static void reorder_drop(mn_dnnl *s, mn_dnnl_plan *base) {
    (void)s;
    mn_dnnl_chain_free(&((reorder_plan *)base)->chain);
}

/* Whoever asks for a reorder names the layouts itself. */
static int32_t reorder_want(mn_dnnl *s, const modnas_kernel *k, int32_t role) {
    (void)s;
    return role == MODNAS_ROLE_SRC ? k->src.layout : k->dst.layout;
}

const mn_dnnl_kernel mn_dnnl_reorder = {
    .kind = MODNAS_KERNEL_REORDER,
    .plan_bytes = sizeof(reorder_plan),
    .supports = reorder_supports,
    .want = reorder_want,
    .plan = reorder_plan_make,
    .run = reorder_run,
    .drop = reorder_drop,
    .n_args = {2},
};
