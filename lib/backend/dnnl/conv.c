/* Convolution: the plan of each pass.
 *
 *   [reorder src] [reorder weights] -> convolution (+ fused operations) -> [reorder what it wrote]
 *
 * The reorders are there only where the primitive wants another layout than the tensor rests in: for weights that is
 * common in backward-data (input and output channels change roles), for activations rare. Depthwise convolutions run
 * our own kernels where those are faster (depthwise.h). */
#include <string.h>

#include "backend/dnnl/conv.h"
#include "backend/dnnl/depthwise.h"
#include "backend/dnnl/table.h"

typedef struct conv_plan {
    mn_dnnl_plan base;
    mn_dnnl_chain chain;
    mn_dnnl_conv_fold fold;
    mn_dnnl_depthwise *depthwise; /* our own kernel instead of the chain */
} conv_plan;

enum { ROLE_BIAS = MODNAS_ROLE_DST + 1 };

/* By pass: the oneDNN argument, its place among the run's arguments, its role, and whether it is written. */
typedef struct operand {
    int what;
    int8_t arg, role, out;
} operand;
static const operand operands[3][4] = {
    [MODNAS_FORWARD] = {{DNNL_ARG_SRC, 0, MODNAS_ROLE_SRC, 0},
                        {DNNL_ARG_WEIGHTS, 1, MODNAS_ROLE_WEIGHTS, 0},
                        {DNNL_ARG_BIAS, 2, ROLE_BIAS, 0},
                        {DNNL_ARG_DST, 3, MODNAS_ROLE_DST, 1}},
    [MODNAS_BACKWARD_DATA] = {{DNNL_ARG_DIFF_DST, 0, MODNAS_ROLE_DST, 0},
                              {DNNL_ARG_WEIGHTS, 1, MODNAS_ROLE_WEIGHTS, 0},
                              {DNNL_ARG_DIFF_SRC, 2, MODNAS_ROLE_SRC, 1}},
    [MODNAS_BACKWARD_WEIGHTS] = {{DNNL_ARG_SRC, 0, MODNAS_ROLE_SRC, 0},
                                 {DNNL_ARG_DIFF_DST, 1, MODNAS_ROLE_DST, 0},
                                 {DNNL_ARG_DIFF_WEIGHTS, 2, MODNAS_ROLE_WEIGHTS, 1},
                                 {DNNL_ARG_DIFF_BIAS, 3, ROLE_BIAS, 1}},
};
enum { N_OPERANDS = 4 };

static int is_used(const modnas_kernel *k, const operand *o) {
    if (o->what == 0) return 0;
    return o->role != ROLE_BIAS || ((k->flags & MODNAS_KF_BIAS) && !(k->flags & MODNAS_KF_FOLD_BN));
}

/* How the operand rests. */
static dnnl_status_t resting_md(mn_dnnl *s, const modnas_kernel *k, int role, dnnl_memory_desc_t *md) {
    switch (role) {
    case MODNAS_ROLE_SRC:
        return mn_dnnl_md_activation(s, &k->src, md);
    case MODNAS_ROLE_DST:
        return mn_dnnl_md_activation(s, &k->dst, md);
    case MODNAS_ROLE_WEIGHTS:
        return mn_dnnl_md_weights(s, &k->weights, k->u.window.groups, md);
    default:
        return mn_dnnl_md_vector(s, k->dst.dims[1], md);
    }
}

/* The chain around one primitive: inputs brought into its layouts, outputs brought back. */
static dnnl_status_t build_chain(mn_dnnl *s, conv_plan *p, const_dnnl_primitive_desc_t desc) {
    const modnas_kernel *k = &p->base.k;
    const operand *ops = operands[k->pass];
    dnnl_memory_desc_t rest[N_OPERANDS] = {0};
    const_dnnl_memory_desc_t want[N_OPERANDS] = {0};
    mn_dnnl_place at[N_OPERANDS];
    dnnl_status_t status = dnnl_success;
    for (int i = 0; i < N_OPERANDS && status == dnnl_success; i++) {
        if (!is_used(k, &ops[i])) continue;
        at[i] = mn_dnnl_at_arg(ops[i].arg);
        want[i] = dnnl_primitive_desc_query_md(desc, dnnl_query_exec_arg_md, ops[i].what);
        status = resting_md(s, k, ops[i].role, &rest[i]);
        if (status != dnnl_success) break;
        if (!ops[i].out)
            status = mn_dnnl_chain_input(s, &p->base, &p->chain, rest[i], want[i], &at[i]);
        else if (!dnnl_memory_desc_equal(rest[i], want[i]))
            at[i] = mn_dnnl_at_scratch(mn_dnnl_reserve(&p->base, dnnl_memory_desc_get_size(want[i])));
    }
    if (status == dnnl_success) status = mn_dnnl_chain_add(s, &p->base, &p->chain, desc);
    for (int i = 0; i < N_OPERANDS && status == dnnl_success; i++)
        if (want[i]) status = mn_dnnl_chain_arg(s, &p->chain, ops[i].what, want[i], at[i]);
    if (status == dnnl_success && k->pass == MODNAS_FORWARD) status = mn_dnnl_conv_post_args(s, k, &p->chain, &p->fold);
    for (int i = 0; i < N_OPERANDS && status == dnnl_success; i++)
        if (want[i] && ops[i].out && at[i].arg < 0)
            status = mn_dnnl_chain_reorder(s, &p->base, &p->chain, want[i], at[i], rest[i], mn_dnnl_at_arg(ops[i].arg));
    for (int i = 0; i < N_OPERANDS; i++)
        if (rest[i]) dnnl_memory_desc_destroy(rest[i]);
    return status;
}

static int conv_plan_make(mn_dnnl *s, mn_dnnl_plan *base) {
    conv_plan *p = (conv_plan *)base;
    const int own = mn_dnnl_depthwise_fits(s, &base->k);
    if (own) return own < 0 ? own : mn_dnnl_depthwise_plan(s, base, &p->depthwise);
    dnnl_primitive_attr_t attr;
    dnnl_status_t status = mn_dnnl_conv_attr(s, base, &attr, &p->fold);
    if (status != dnnl_success) return mn_dnnl_refused(s, status, "the attributes", &base->k);
    dnnl_primitive_desc_t desc;
    status = mn_dnnl_conv_desc(s, &base->k, attr, &desc);
    dnnl_primitive_attr_destroy(attr);
    if (status != dnnl_success) return mn_dnnl_refused(s, status, "the primitive", &base->k);
    status = build_chain(s, p, desc);
    dnnl_primitive_desc_destroy(desc);
    return status == dnnl_success ? 0 : mn_dnnl_refused(s, status, "the primitive", &base->k);
}

static int conv_run(mn_dnnl *s, const mn_dnnl_plan *base, const mn_dnnl_run *r) {
    const conv_plan *p = (const conv_plan *)base;
    if ((base->k.flags & MODNAS_KF_FOLD_BN) && (r->n_args < 8 || r->n_scalars < 1))
        return mn_dnnl_fail(s, MODNAS_EINVAL,
                            "conv2d with batch norm: %d arguments and %d scalars given, 8 and 1 wanted", r->n_args,
                            r->n_scalars);
    if (p->depthwise) return mn_dnnl_depthwise_run(s, base, p->depthwise, r);
    mn_dnnl_conv_fold_run(&base->k, &p->fold, r);
    return mn_dnnl_chain_run(s, base, &p->chain, r);
}

static void conv_drop(mn_dnnl *s, mn_dnnl_plan *base) {
    conv_plan *p = (conv_plan *)base;
    mn_dnnl_chain_free(&p->chain);
    mn_dnnl_depthwise_free(s, p->depthwise);
}

static int conv_supports(mn_dnnl *s, const modnas_kernel *k) {
    const int32_t groups = k->u.window.groups;
    if (groups < 1 || k->src.dims[1] % groups != 0 || k->dst.dims[1] % groups != 0) return 0;
    return mn_dnnl_is_activation(&k->src) && mn_dnnl_is_activation(&k->dst) &&
           mn_dnnl_layout_is_weights(s, &k->weights, groups) && mn_dnnl_conv_can_fuse(k);
}

static int32_t conv_want(mn_dnnl *s, const modnas_kernel *k, int32_t role) {
    if (role == MODNAS_ROLE_WEIGHTS) return mn_dnnl_conv_weights_layout(s, k);
    return role == MODNAS_ROLE_SRC && mn_dnnl_conv_is_image(k) ? MODNAS_LAYOUT_PLAIN : MODNAS_LAYOUT_BLOCKED;
}

const mn_dnnl_kernel mn_dnnl_conv2d = {
    .kind = MODNAS_KERNEL_CONV2D,
    .plan_bytes = sizeof(conv_plan),
    .supports = conv_supports,
    .want = conv_want,
    .plan = conv_plan_make,
    .run = conv_run,
    .drop = conv_drop,
    .n_args = {4, 3, 3},
};
