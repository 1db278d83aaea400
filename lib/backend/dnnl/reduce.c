/* Sum and mean over whole planes of blocked tensors: what is left of the gradient of a factor or term that was the same
 * for a plane (squeeze and excite, a bias). Other axes are left to `ref`. */
#include "backend/dnnl/layout.h"
#include "backend/dnnl/parallel.h"
#include "backend/dnnl/table.h"

typedef struct reduce_job {
    const mn_simd *simd;
    const float *x;
    float *y;
    int64_t outer, blocks, hw, n; /* outer: images of y; n: images behind each of them */
    double factor;
} reduce_job;

/* A destination is one channel block of one image of y. */
static void reduce_part(const void *job, int32_t part, int32_t parts) {
    const reduce_job *j = job;
    const int64_t width = j->simd->block, plane = j->hw * width;
    const float origin[MN_SIMD_BLOCK_MAX] = {0};
    double sum[MN_SIMD_BLOCK_MAX], squares[MN_SIMD_BLOCK_MAX];
    int64_t begin, end;
    mn_dnnl_range(j->outer * j->blocks, 1, part, parts, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        const mn_simd_pixels px = {.n = j->n, .step = j->blocks * plane, .hw = j->hw};
        j->simd->norm->sums(&px, origin, j->x + i * plane, sum, squares);
        for (int64_t lane = 0; lane < width; lane++) j->y[i * width + lane] = (float)(sum[lane] * j->factor);
    }
}

static int reduce_run(mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_run *r) {
    const int64_t *from = p->k.src.dims, *to = p->k.dst.dims;
    reduce_job j = {.simd = s->simd,
                    .x = mn_dnnl_arg(r, 0),
                    .y = mn_dnnl_arg(r, 1),
                    .outer = to[0],
                    .blocks = mn_dnnl_blocks(s, from[1]),
                    .hw = from[2] * from[3],
                    .n = from[0] / to[0]};
    j.factor = p->k.algo == MODNAS_REDUCE_MEAN ? 1 / (double)(j.n * j.hw) : 1;
    mn_dnnl_parallel(mn_dnnl_parts(s, mn_dnnl_floats(s, &p->k.src) * (int64_t)sizeof(float)), reduce_part, &j);
    return 0;
}

static int is_planes(const modnas_kernel *k) {
    const int64_t *from = k->src.dims, *to = k->dst.dims;
    return from[1] == to[1] && to[2] == 1 && to[3] == 1 && (to[0] == from[0] || to[0] == 1);
}

static int reduce_supports(mn_dnnl *s, const modnas_kernel *k) {
    (void)s;
    return mn_dnnl_is_activation(&k->src) && k->src.layout == MODNAS_LAYOUT_BLOCKED && k->dst.layout == k->src.layout &&
           k->dst.dtype == MODNAS_F32 && is_planes(k) &&
           (k->algo == MODNAS_REDUCE_SUM || k->algo == MODNAS_REDUCE_MEAN);
}

static int32_t reduce_want(mn_dnnl *s, const modnas_kernel *k, int32_t role) {
    (void)s;
    (void)role;
    return is_planes(k) ? MODNAS_LAYOUT_BLOCKED : MODNAS_LAYOUT_PLAIN;
}

const mn_dnnl_kernel mn_dnnl_reduce = {
    .kind = MODNAS_KERNEL_REDUCE,
    .plan_bytes = sizeof(mn_dnnl_plan),
    .supports = reduce_supports,
    .want = reduce_want,
    .run = reduce_run,
    .n_args = {2},
};
