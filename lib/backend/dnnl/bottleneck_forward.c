/* Bottleneck, forward: see bottleneck.h.
 *
 *   for each channel block    t1 = expand(x), its sums; then, image by image, z1 = act(bn1(t1)), t2 = depthwise(z1),
 * its sums for each tile of pixels   z2 = act(bn2(t2)) of all channel blocks, y = project(z2) */
#include <string.h>

#include "backend/dnnl/bottleneck.h"

static void start_sums(mn_bottleneck_sums *s, const float *origin, int64_t block) {
    memset(s, 0, sizeof *s);
    memcpy(s->origin, origin, (size_t)block * sizeof *origin);
}

void mn_bottleneck_add_plane(const mn_bottleneck_job *j, int is_first, int64_t hw, const float *plane,
                             mn_bottleneck_sums *s) {
    const mn_simd_pixels px = {.n = 1, .hw = hw};
    double sum[MN_SIMD_BLOCK_MAX], squares[MN_SIMD_BLOCK_MAX];
    if (is_first) start_sums(s, plane, j->simd->block);
    j->simd->norm->sums(&px, s->origin, plane, sum, squares);
    mn_bottleneck_sums_add(s, sum, squares);
}

/* t1 of some channel blocks from b on, and the constants of their batch norms. */
static void expand_blocks(const mn_bottleneck_job *j, int64_t b, int64_t blocks, mn_simd_norm_block c[2]) {
    const mn_bottleneck_plan *p = j->p;
    const int64_t block = j->simd->block, tiles = p->x.blocks * block * block;
    mn_bottleneck_sums s[2];
    for (int64_t n = 0; n < p->n; n++) {
        float *t1 = j->t1 + b * p->t1.stride + n * p->t1.plane;
        const mn_simd_expand e = {.channels = p->x.channels,
                                  .step = p->x.plane,
                                  .n_px = p->x.hw,
                                  .blocks = blocks,
                                  .wide_step = p->t1.stride,
                                  .w_step = tiles,
                                  .next = t1 + MN_SIMD_AHEAD * block,
                                  .next_step = p->t1.stride};
        j->simd->matrix->expand(&e, j->x + n * p->x.image, j->w1 + b * tiles, t1);
        for (int64_t k = 0; k < blocks; k++)
            mn_bottleneck_add_plane(j, n == 0, p->t1.hw, t1 + k * p->t1.stride, &s[k]);
    }
    for (int64_t k = 0; k < blocks; k++) mn_bottleneck_norm_forward(&j->norm[0], b + k, &s[k], &c[k]);
}

void mn_bottleneck_depthwise(const mn_bottleneck_plan *p, const float *z1, const float *w, float *t2) {
    for (int32_t i = 0; i < p->forward.n; i++)
        p->forward.strips[i]->forward(&p->geometry, p->forward.first[i], z1, w, NULL, t2);
}

static void wide_block(const mn_bottleneck_job *j, int64_t b, const mn_simd_norm_block *norm1, float *z1) {
    const mn_bottleneck_plan *p = j->p;
    const mn_simd_pixels px = {.n = 1, .hw = p->t1.hw};
    mn_simd_norm_block c;
    mn_bottleneck_sums s;
    for (int64_t n = 0; n < p->n; n++) {
        const float *from = p->expands ? z1 : j->x + n * p->x.image + b * p->x.plane;
        float *t2 = j->t2 + b * p->t2.stride + n * p->t2.plane;
        if (p->expands)
            j->simd->norm->apply(&px, p->base.k.act, norm1, j->t1 + b * p->t1.stride + n * p->t1.plane, NULL, z1);
        mn_bottleneck_depthwise(p, from, j->w2 + b * p->taps, t2);
        mn_bottleneck_add_plane(j, n == 0, p->t2.hw, t2, &s);
    }
    mn_bottleneck_norm_forward(&j->norm[1], b, &s, &c);
}

static void wide_part(const void *job, int32_t part, int32_t parts) {
    const mn_bottleneck_job *j = job;
    float *z1 = (float *)(j->parts + (size_t)part * j->p->part_bytes);
    int64_t begin, end;
    mn_dnnl_range(j->p->t2.blocks, 1, part, parts, &begin, &end);
    for (int64_t b = begin, blocks; b < end; b += blocks) {
        mn_simd_norm_block norm1[2];
        blocks = mn_bottleneck_at_once(j->p, b, end);
        if (j->p->expands) expand_blocks(j, b, blocks, norm1);
        for (int64_t k = 0; k < blocks; k++) wide_block(j, b + k, &norm1[k], z1);
    }
}

static void project_tile(const mn_bottleneck_job *j, const mn_bottleneck_tile *t, float *z2) {
    const mn_bottleneck_plan *p = j->p;
    const int64_t block = j->simd->block, step = MN_BOTTLENECK_TILE * block;
    const mn_simd_pixels px = {.n = 1, .hw = t->images * t->n_px}; /* whole images, or pixels of one: side by side */
    const float *t2 = j->t2 + t->image * p->t2.plane + t->first * block;
    const mn_simd_reduce r = {.wide_blocks = p->t2.blocks,
                              .wide_step = step,
                              .next = t2 + px.hw * block, /* so is the next tile */
                              .next_step = p->t2.stride};
    for (int64_t b = 0; b < p->t2.blocks; b++) {
        mn_simd_norm_block c;
        mn_bottleneck_norm_saved(&j->norm[1], b, &c);
        j->simd->norm->apply(&px, p->base.k.act, &c, t2 + b * p->t2.stride, NULL, z2 + b * step);
    }
    mn_bottleneck_sum_tile(j, t, &r, z2, j->w3, z2 + p->t2.blocks * step, &p->y, j->y);
}

static void project_part(const void *job, int32_t part, int32_t parts) {
    const mn_bottleneck_job *j = job;
    int64_t begin, end;
    mn_dnnl_range(mn_bottleneck_n_tiles(j->p, &j->p->y), 1, part, parts, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        const mn_bottleneck_tile t = mn_bottleneck_tile_at(j->p, &j->p->y, i);
        project_tile(j, &t, (float *)(j->parts + (size_t)part * j->p->part_bytes));
    }
}

static mn_bottleneck_norm norm_of(const mn_bottleneck_job *j, const mn_dnnl_run *r, int i) {
    const int moves = j->p->base.k.flags & MODNAS_KF_UPDATE_STATS;
    mn_bottleneck_norm m = mn_bottleneck_norm_at(j, i, mn_dnnl_arg(r, 2));
    m.gamma = mn_dnnl_arg(r, 4 + 5 * i);
    m.beta = mn_dnnl_arg(r, 5 + 5 * i);
    m.running_mean = moves ? mn_dnnl_arg(r, 6 + 5 * i) : NULL;
    m.running_var = moves ? mn_dnnl_arg(r, 7 + 5 * i) : NULL;
    m.eps = r->scalars[2 * i];
    m.momentum = r->scalars[2 * i + 1];
    return m;
}

mn_bottleneck_job mn_bottleneck_forward_job(const mn_dnnl *s, const mn_bottleneck_plan *p, const mn_dnnl_run *r) {
    char *saved = (char *)mn_dnnl_arg(r, 2);
    mn_bottleneck_job j = {.p = p,
                           .simd = s->simd,
                           .x = mn_dnnl_arg(r, 0),
                           .y = mn_dnnl_arg(r, 1),
                           .w1 = mn_dnnl_arg(r, 3),
                           .w2 = mn_dnnl_arg(r, 8),
                           .w3 = mn_dnnl_arg(r, 13),
                           .t1 = (float *)(saved + p->t1_at),
                           .t2 = (float *)(saved + p->t2_at),
                           .parts = mn_dnnl_scratch(r, p->part_at)};
    for (int i = 0; i < 2; i++) j.norm[i] = norm_of(&j, r, i);
    return j;
}

void mn_bottleneck_project(const mn_bottleneck_job *j) {
    mn_dnnl_parallel(j->p->parts, project_part, j);
}

int mn_bottleneck_forward(mn_dnnl *s, const mn_bottleneck_plan *p, const mn_dnnl_run *r) {
    const mn_bottleneck_job j = mn_bottleneck_forward_job(s, p, r);
    mn_dnnl_parallel(p->parts, wide_part, &j);
    mn_bottleneck_project(&j);
    return 0;
}
