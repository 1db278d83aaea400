/* Pooling: planes (one channel block of one image) are shared out to the parts; the loops are in pool_body.h. */
#include "backend/dnnl/layout.h"
#include "backend/dnnl/parallel.h"
#include "backend/dnnl/table.h"

enum { CACHE_LINE = 16 }; /* floats: parts do not write to one line */

typedef struct pool_plan {
    mn_dnnl_plan base;
    mn_simd_pool_geometry geometry;
    int64_t planes, in, out; /* floats of a plane */
    int32_t parts;
    int64_t row; /* forward: floats in scratch of each part */
    size_t rows;
} pool_plan;

typedef struct pool_job {
    const pool_plan *p;
    const mn_simd_pool *fn;
    mn_simd_pool_geometry geometry;
    const mn_dnnl_run *run;
} pool_job;

static mn_simd_pool_geometry geometry_of(const modnas_kernel *k) {
    const modnas_window *w = &k->u.window;
    mn_simd_pool_geometry g = {.include_pad = k->algo == MODNAS_POOL_AVG_INCLUDE_PAD};
    for (int i = 0; i < 2; i++)
        g.axis[i] = (mn_simd_pool_axis){.in = k->src.dims[2 + i],
                                        .out = k->dst.dims[2 + i],
                                        .kernel = w->kernel[i],
                                        .stride = w->stride[i],
                                        .dilation = w->dilation[i],
                                        .pad_begin = w->pad[i],
                                        .pad_end = w->pad[2 + i]};
    return g;
}

static void pool_part(const void *job, int32_t part, int32_t parts) {
    const pool_job *j = job;
    const pool_plan *p = j->p;
    const modnas_kernel *k = &p->base.k;
    const mn_simd_pool_geometry *g = &j->geometry;
    const int is_max = k->algo == MODNAS_POOL_MAX;
    int64_t begin, end;
    mn_dnnl_range(p->planes, 1, part, parts, &begin, &end);
    const float *x = mn_dnnl_arg(j->run, 0), *gy = mn_dnnl_arg(j->run, 2);
    float *y = mn_dnnl_arg(j->run, 1), *gx = mn_dnnl_arg(j->run, 4);
    float *row = (float *)mn_dnnl_scratch(j->run, p->rows) + part * p->row;
    for (int64_t i = begin; i < end; i++) {
        const int64_t in = i * p->in, out = i * p->out;
        if (k->pass == MODNAS_FORWARD)
            (is_max ? j->fn->max : j->fn->avg)(g, x + in, row, y + out);
        else if (is_max)
            j->fn->max_back(g, x + in, y + out, gy + out, gx + in);
        else
            j->fn->avg_back(g, gy + out, gx + in);
    }
}

static int pool_run(mn_dnnl *s, const mn_dnnl_plan *base, const mn_dnnl_run *r) {
    const pool_plan *p = (const pool_plan *)base;
    pool_job j = {.p = p, .fn = s->simd->pool, .geometry = p->geometry, .run = r};
    if (base->k.pass == MODNAS_FORWARD)
        j.geometry.stream = mn_dnnl_streams(mn_dnnl_arg(r, 1), p->planes * p->out * (int64_t)sizeof(float));
    mn_dnnl_parallel(p->parts, pool_part, &j);
    return 0;
}

static int pool_plan_make(mn_dnnl *s, mn_dnnl_plan *base) {
    pool_plan *p = (pool_plan *)base;
    const modnas_kernel *k = &base->k;
    const int64_t block = s->simd->block;
    p->geometry = geometry_of(k);
    p->planes = k->src.dims[0] * mn_dnnl_blocks(s, k->src.dims[1]);
    p->in = k->src.dims[2] * k->src.dims[3] * block;
    p->out = k->dst.dims[2] * k->dst.dims[3] * block;
    p->parts = mn_dnnl_parts(s, p->planes * (p->in + p->out) * (int64_t)sizeof(float));
    if (k->pass != MODNAS_FORWARD) return 0;
    p->row = (k->src.dims[3] * block + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    p->rows = mn_dnnl_reserve(base, (size_t)(p->parts * p->row) * sizeof(float));
    return 0;
}

static int is_window(const modnas_kernel *k, int axis) {
    const modnas_window *w = &k->u.window;
    return w->kernel[axis] >= 1 && w->stride[axis] >= 1 && w->dilation[axis] >= 1 && w->pad[axis] >= 0 &&
           w->pad[2 + axis] >= 0 && k->src.dims[2 + axis] >= 1 && k->dst.dims[2 + axis] >= 1;
}

static int is_blocked(const modnas_tdesc *t) {
    return t->dtype == MODNAS_F32 && t->layout == MODNAS_LAYOUT_BLOCKED;
}

static int pool_supports(mn_dnnl *s, const modnas_kernel *k) {
    (void)s;
    if (k->algo < MODNAS_POOL_MAX || k->algo > MODNAS_POOL_AVG_INCLUDE_PAD || !is_window(k, 0) || !is_window(k, 1))
        return 0;
    return is_blocked(&k->src) && is_blocked(&k->dst) && k->src.dims[0] == k->dst.dims[0] &&
           k->src.dims[1] == k->dst.dims[1];
}

static int32_t pool_want(mn_dnnl *s, const modnas_kernel *k, int32_t role) {
    (void)s;
    (void)k;
    (void)role;
    return MODNAS_LAYOUT_BLOCKED;
}

const mn_dnnl_kernel mn_dnnl_pool2d = {
    .kind = MODNAS_KERNEL_POOL2D,
    .plan_bytes = sizeof(pool_plan),
    .supports = pool_supports,
    .want = pool_want,
    .plan = pool_plan_make,
    .run = pool_run,
    .n_args = {2, 5},
};
