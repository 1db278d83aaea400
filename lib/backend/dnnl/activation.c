/* Activations. The piecewise linear ones, and those whose parameters oneDNN would fix in its code, are loops of ours
 * over the whole buffer, padding included; the others are oneDNN's. Where 0 does not stay 0 the padding of the last
 * channel block is set back to 0 afterwards. */
#include "backend/dnnl/activation.h"

#include "backend/dnnl/layout.h"
#include "backend/dnnl/parallel.h"
#include "backend/dnnl/prim.h"
#include "backend/dnnl/table.h"

/* ours: also fast in our own loops; oneDNN's entry then only serves the fusion with a convolution */
static const struct {
    mn_dnnl_eltwise eltwise;
    int32_t ours;
} acts[] = {
    [MODNAS_ACT_NONE] = {.ours = 1},
    [MODNAS_ACT_RELU] = {{dnnl_eltwise_relu, dnnl_eltwise_relu, 0, 0, 0}, 1},
    [MODNAS_ACT_RELU6] = {{dnnl_eltwise_clip, dnnl_eltwise_clip, 0, 0, 6}, 1},
    [MODNAS_ACT_CLIP] = {.ours = 1},
    [MODNAS_ACT_SIGMOID] = {{dnnl_eltwise_logistic, dnnl_eltwise_logistic_use_dst_for_bwd, 1, 0, 0}, 0},
    [MODNAS_ACT_HARD_SIGMOID] = {{dnnl_eltwise_hardsigmoid, dnnl_eltwise_hardsigmoid, 0, 1.0f / 6, 0.5f}, 1},
    [MODNAS_ACT_HARD_SWISH] = {{dnnl_eltwise_hardswish, dnnl_eltwise_hardswish, 0, 1.0f / 6, 0.5f}, 1},
    [MODNAS_ACT_SWISH] = {{dnnl_eltwise_swish, dnnl_eltwise_swish, 0, 1, 0}, 0},
    [MODNAS_ACT_TANH] = {{dnnl_eltwise_tanh, dnnl_eltwise_tanh_use_dst_for_bwd, 1, 0, 0}, 0},
    [MODNAS_ACT_LINEAR] = {.ours = 1},
    [MODNAS_ACT_LEAKY_RELU] = {.ours = 1},
    [MODNAS_ACT_ELU] = {.ours = 1},
    [MODNAS_ACT_SOFTPLUS] = {{dnnl_eltwise_soft_relu, dnnl_eltwise_soft_relu, 0, 1, 0}, 0},
    [MODNAS_ACT_EXP] = {{dnnl_eltwise_exp, dnnl_eltwise_exp_use_dst_for_bwd, 1, 0, 0}, 0},
    [MODNAS_ACT_LOG] = {.ours = 1}, /* oneDNN's is off by 3e-6 */
    [MODNAS_ACT_POW] = {.ours = 1},
    [MODNAS_ACT_ABS] = {{dnnl_eltwise_abs, dnnl_eltwise_abs, 0, 0, 0}, 1},
};
enum { N_ACTS = sizeof acts / sizeof acts[0] };

const mn_dnnl_eltwise *mn_dnnl_eltwise_of(int32_t act) {
    return act >= 0 && act < N_ACTS && acts[act].eltwise.forward ? &acts[act].eltwise : NULL;
}

typedef struct activation_plan {
    mn_dnnl_plan base;
    mn_dnnl_chain chain; /* empty: ours */
} activation_plan;

/* ---- oneDNN's ---- */

/* Arguments: forward x, y; backward x, y, g_y, g_x. */
static dnnl_status_t chain_args(mn_dnnl *s, const modnas_kernel *k, const mn_dnnl_eltwise *e, mn_dnnl_chain *c,
                                const_dnnl_memory_desc_t md) {
    dnnl_status_t status;
    if (k->pass == MODNAS_FORWARD) {
        status = mn_dnnl_chain_arg(s, c, DNNL_ARG_SRC, md, mn_dnnl_at_arg(0));
        return status == dnnl_success ? mn_dnnl_chain_arg(s, c, DNNL_ARG_DST, md, mn_dnnl_at_arg(1)) : status;
    }
    const int what = e->backward_reads_dst ? DNNL_ARG_DST : DNNL_ARG_SRC;
    status = mn_dnnl_chain_arg(s, c, what, md, mn_dnnl_at_arg(e->backward_reads_dst ? 1 : 0));
    if (status == dnnl_success) status = mn_dnnl_chain_arg(s, c, DNNL_ARG_DIFF_DST, md, mn_dnnl_at_arg(2));
    return status == dnnl_success ? mn_dnnl_chain_arg(s, c, DNNL_ARG_DIFF_SRC, md, mn_dnnl_at_arg(3)) : status;
}

static dnnl_status_t eltwise_desc(mn_dnnl *s, int32_t pass, const mn_dnnl_eltwise *e, const_dnnl_memory_desc_t md,
                                  const_dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *desc) {
    const dnnl_alg_kind_t alg = pass == MODNAS_FORWARD ? e->forward : e->backward;
    dnnl_primitive_desc_t forward, backward;
    dnnl_status_t status = onednn.eltwise_forward_primitive_desc_create(&forward, s->engine, dnnl_forward_training, alg,
                                                                        md, md, e->alpha, e->beta, attr);
    if (status != dnnl_success) return status;
    s->n_objects++;
    if (pass == MODNAS_FORWARD) {
        *desc = forward;
        return status;
    }
    status = onednn.eltwise_backward_primitive_desc_create(&backward, s->engine, alg, md, md, md, e->alpha, e->beta,
                                                           forward, attr);
    dnnl_primitive_desc_destroy(forward);
    if (status != dnnl_success) return status;
    s->n_objects++;
    *desc = backward;
    return status;
}

static dnnl_status_t build(mn_dnnl *s, activation_plan *p, const_dnnl_memory_desc_t md) {
    const mn_dnnl_eltwise *e = mn_dnnl_eltwise_of(p->base.k.act);
    dnnl_primitive_attr_t attr;
    dnnl_primitive_desc_t desc;
    dnnl_status_t status = mn_dnnl_attr_new(s, &attr);
    if (status != dnnl_success) return status;
    status = eltwise_desc(s, p->base.k.pass, e, md, attr, &desc);
    dnnl_primitive_attr_destroy(attr);
    if (status != dnnl_success) return status;
    status = mn_dnnl_chain_add(s, &p->base, &p->chain, desc);
    dnnl_primitive_desc_destroy(desc);
    return status == dnnl_success ? chain_args(s, &p->base.k, e, &p->chain, md) : status;
}

static int activation_plan_make(mn_dnnl *s, mn_dnnl_plan *base) {
    if (acts[base->k.act].ours) return 0;
    dnnl_memory_desc_t md;
    dnnl_status_t status = mn_dnnl_md_activation(s, &base->k.src, &md);
    if (status == dnnl_success) {
        status = build(s, (activation_plan *)base, md);
        dnnl_memory_desc_destroy(md);
    }
    return status == dnnl_success ? 0 : mn_dnnl_refused(s, status, "the primitive", &base->k);
}

/* ---- ours ---- */

typedef struct act_job {
    const mn_simd *simd;
    const modnas_kernel *k;
    const mn_dnnl_run *run;
    int64_t n;
    float alpha, beta;
} act_job;

static void act_part(const void *job, int32_t part, int32_t parts) {
    const act_job *j = job;
    int64_t begin, end;
    mn_dnnl_range(j->n, MN_SIMD_BLOCK_MAX, part, parts, &begin, &end);
    const float *x = mn_dnnl_arg(j->run, 0) + begin;
    if (j->k->pass == MODNAS_FORWARD)
        j->simd->flat->act(j->k->act, j->alpha, j->beta, x, mn_dnnl_arg(j->run, 1) + begin, end - begin);
    else
        j->simd->flat->act_back(j->k->act, j->alpha, j->beta, x, mn_dnnl_arg(j->run, 2) + begin,
                                mn_dnnl_arg(j->run, 3) + begin, end - begin);
}

static int zero_stays_zero(const act_job *j) {
    if (j->k->act == MODNAS_ACT_LOG || j->k->act == MODNAS_ACT_POW) return 0; /* nor is their slope finite there */
    if (j->k->pass != MODNAS_FORWARD) return 1;
    switch (j->k->act) {
    case MODNAS_ACT_CLIP:
        return j->alpha <= 0 && j->beta >= 0;
    case MODNAS_ACT_HARD_SIGMOID:
        return 0;
    case MODNAS_ACT_LINEAR:
        return j->beta == 0;
    default:
        return 1;
    }
}

static int activation_run(mn_dnnl *s, const mn_dnnl_plan *base, const mn_dnnl_run *r) {
    const activation_plan *p = (const activation_plan *)base;
    if (p->chain.n) return mn_dnnl_chain_run(s, base, &p->chain, r);
    const act_job j = {.simd = s->simd,
                       .k = &base->k,
                       .run = r,
                       .n = mn_dnnl_floats(s, &base->k.src),
                       .alpha = r->n_scalars > 0 ? (float)r->scalars[0] : 0,
                       .beta = r->n_scalars > 1 ? (float)r->scalars[1] : 0};
    mn_dnnl_parallel(mn_dnnl_parts(s, j.n * (int64_t)sizeof(float)), act_part, &j);
    if (!zero_stays_zero(&j))
        mn_dnnl_clear_padding(s, &base->k.dst, mn_dnnl_arg(r, base->k.pass == MODNAS_FORWARD ? 1 : 3));
    return 0;
}

static void activation_drop(mn_dnnl *s, mn_dnnl_plan *base) {
    (void)s;
    mn_dnnl_chain_free(&((activation_plan *)base)->chain);
}

static int activation_supports(mn_dnnl *s, const modnas_kernel *k) {
    (void)s;
    return k->act >= 0 && k->act < N_ACTS && mn_dnnl_is_activation(&k->src) && k->dst.layout == k->src.layout &&
           k->dst.dtype == MODNAS_F32 && mn_dnnl_same_dims(&k->src, &k->dst);
}

static int32_t activation_want(mn_dnnl *s, const modnas_kernel *k, int32_t role) {
    (void)s;
    (void)k;
    (void)role;
    return MODNAS_LAYOUT_BLOCKED;
}

const mn_dnnl_kernel mn_dnnl_activation = {
    .kind = MODNAS_KERNEL_ACTIVATION,
    .plan_bytes = sizeof(activation_plan),
    .supports = activation_supports,
    .want = activation_want,
    .plan = activation_plan_make,
    .run = activation_run,
    .drop = activation_drop,
    .n_args = {2, 4},
};
