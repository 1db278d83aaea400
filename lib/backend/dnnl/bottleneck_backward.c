/* Bottleneck, backward: see bottleneck.h. With e for a gradient behind an activation's mask:
 *
 *   for each channel block    e2 = act'(z2) expand(g_y, w3 turned round), its sums; g_w3 = outer(g_y, z2)
 *                             then, image by image, g_t2 = bn2'(e2), g_w2 += depthwise'(z1, g_t2), e1 = act'(z1)
 * depthwise'(g_t2), its sums; g_t1 = bn1'(e1); g_w1 = outer(x, g_t1) for each tile of pixels   g_x = reduce(g_t1, w1
 * turned round)
 *
 * Without an expansion the depthwise convolution reads x and its gradient is g_x. */
#include <string.h>

#include "backend/dnnl/bottleneck.h"

/* A part's own memory: planes of one image, and all images of a channel block. */
typedef struct places {
    float *z1, *g_z1, *g_t2;
    float *g_z2, *z2, *e2; /* of each of the channel blocks at once */
} places;

static places places_of(const mn_bottleneck_job *j, int32_t part) {
    const mn_bottleneck_plan *p = j->p;
    places m = {.z1 = (float *)(j->parts + (size_t)part * p->part_bytes)};
    m.g_z1 = m.z1 + p->t1.plane;
    m.g_t2 = m.g_z1 + p->t1.plane;
    m.g_z2 = m.g_t2 + p->t2.plane;
    m.z2 = m.g_z2 + p->at_once * p->t2.plane;
    m.e2 = m.z2 + p->at_once * p->n * p->t2.plane;
    return m;
}

/* The places of channel block k of those at once. */
static places places_at(const mn_bottleneck_plan *p, const places *m, int64_t k) {
    places at = *m;
    at.g_z2 += k * p->t2.plane;
    at.z2 += k * p->n * p->t2.plane;
    at.e2 += k * p->n * p->t2.plane;
    return at;
}

/* The gradient of z2 of some channel blocks of one image. */
static void expand_image(const mn_bottleneck_job *j, int64_t n, int64_t b, int64_t blocks, const places *m) {
    const mn_bottleneck_plan *p = j->p;
    const int64_t block = j->simd->block, tiles = p->y.blocks * block * block;
    const mn_simd_expand e = {.channels = p->y.channels,
                              .step = p->y.plane,
                              .n_px = p->y.hw,
                              .blocks = blocks,
                              .wide_step = p->t2.plane,
                              .w_step = tiles,
                              .next = j->t2 + b * p->t2.stride + n * p->t2.plane + MN_SIMD_AHEAD * block,
                              .next_step = p->t2.stride};
    j->simd->matrix->expand(&e, j->gy + n * p->y.image, j->w3 + b * tiles, m->g_z2);
}

/* g_w of some channel blocks, from b on: products of all pixels of a narrow tensor and theirs of a wide one. */
static void weights_of_blocks(const mn_bottleneck_job *j, const mn_bottleneck_tensor *t, const float *narrow, int64_t b,
                              int64_t blocks, const float *wide, int64_t wide_step, float *g_w) {
    const int64_t block = j->simd->block, tiles = t->blocks * block * block;
    const mn_simd_outer o = {.channels = t->channels,
                             .step = t->plane,
                             .n = j->p->n,
                             .image = t->image,
                             .hw = t->hw,
                             .blocks = blocks,
                             .wide_step = wide_step,
                             .gw_step = tiles};
    if (!g_w) return;
    memset(g_w + b * tiles, 0, (size_t)(blocks * tiles) * sizeof *g_w);
    j->simd->matrix->outer(&o, narrow, wide, g_w + b * tiles);
}

/* e2 and z2 of all images, and the constants of bn2's backward. */
static void behind_depthwise(const mn_bottleneck_job *j, int64_t b, int64_t blocks, const places *m,
                             mn_simd_norm_block back[2]) {
    const mn_bottleneck_plan *p = j->p;
    const mn_simd_norm *norm = j->simd->norm;
    const mn_simd_pixels px = {.n = 1, .hw = p->t2.hw};
    mn_bottleneck_sums s[2];
    mn_simd_norm_block c[2];
    memset(s, 0, sizeof s);
    for (int64_t k = 0; k < blocks; k++) mn_bottleneck_norm_saved(&j->norm[1], b + k, &c[k]);
    for (int64_t n = 0; n < p->n; n++) {
        expand_image(j, n, b, blocks, m);
        for (int64_t k = 0; k < blocks; k++) {
            const places at = places_at(p, m, k);
            const float *t2 = j->t2 + (b + k) * p->t2.stride + n * p->t2.plane;
            double sum[MN_SIMD_BLOCK_MAX], dot[MN_SIMD_BLOCK_MAX];
            norm->apply(&px, p->base.k.act, &c[k], t2, NULL, at.z2 + n * p->t2.plane);
            norm->back_sums(&px, p->base.k.act, &c[k], t2, NULL, at.g_z2, at.e2 + n * p->t2.plane, sum, dot);
            mn_bottleneck_sums_add(&s[k], sum, dot);
        }
    }
    for (int64_t k = 0; k < blocks; k++) mn_bottleneck_norm_backward(&j->norm[1], b + k, &s[k], &back[k]);
    weights_of_blocks(j, &p->y, j->gy, b, blocks, m->z2, p->n * p->t2.plane, j->g_w3);
}

/* The depthwise convolution's gradients from g_t2 of one image; z1 is what it read. */
void mn_bottleneck_depthwise_back(const mn_bottleneck_job *j, int64_t b, const float *z1, const float *g_t2,
                                  float *g_z1, float *g_w2) {
    const mn_bottleneck_plan *p = j->p;
    const mn_simd_dw_geometry *g = &p->geometry;
    for (int32_t i = 0; g_w2 && i < p->forward.n; i++)
        p->forward.strips[i]->back_weights(g, p->forward.first[i], z1, g_t2, g_w2 + b * p->taps);
    for (int32_t i = 0; g_z1 && i < p->back.n; i++)
        p->back.strips[i]->back_data(g, p->back.first[i], g_t2, j->w2 + b * p->taps, g_z1);
}

/* g_t2 = bn2'(e2) of one image. */
static void through_norm2(const mn_bottleneck_job *j, int64_t b, int64_t n, const places *m,
                          const mn_simd_norm_block *back) {
    const mn_bottleneck_plan *p = j->p;
    const mn_simd_pixels px = {.n = 1, .hw = p->t2.hw};
    const float *t2 = j->t2 + b * p->t2.stride + n * p->t2.plane, *e2 = m->e2 + n * p->t2.plane;
    j->simd->norm->back_apply(&px, MODNAS_ACT_NONE, back, t2, NULL, e2, m->g_t2);
}

/* With an expansion: e1 of all images takes the place of g_t1, which follows from it. */
static void before_depthwise(const mn_bottleneck_job *j, int64_t b, const places *m, const mn_simd_norm_block *back2) {
    const mn_bottleneck_plan *p = j->p;
    const mn_simd_norm *norm = j->simd->norm;
    const mn_simd_pixels px = {.n = 1, .hw = p->t1.hw}, whole = {.n = 1, .hw = p->n * p->t1.hw};
    float *dt1 = j->dt1 + b * p->t1.stride;
    const float *t1 = j->t1 + b * p->t1.stride;
    mn_bottleneck_sums s = {.first = {0}};
    mn_simd_norm_block c, back1;
    mn_bottleneck_norm_saved(&j->norm[0], b, &c);
    for (int64_t n = 0; n < p->n; n++) {
        double sum[MN_SIMD_BLOCK_MAX], dot[MN_SIMD_BLOCK_MAX];
        const int64_t at = n * p->t1.plane;
        through_norm2(j, b, n, m, back2);
        norm->apply(&px, p->base.k.act, &c, t1 + at, NULL, m->z1);
        mn_bottleneck_depthwise_back(j, b, m->z1, m->g_t2, m->g_z1, j->g_w2);
        norm->back_sums(&px, p->base.k.act, &c, t1 + at, NULL, m->g_z1, dt1 + at, sum, dot);
        mn_bottleneck_sums_add(&s, sum, dot);
    }
    mn_bottleneck_norm_backward(&j->norm[0], b, &s, &back1);
    norm->back_apply(&whole, MODNAS_ACT_NONE, &back1, t1, NULL, dt1, dt1);
}

static void onto_src(const mn_bottleneck_job *j, int64_t b, const places *m, const mn_simd_norm_block *back2) {
    const mn_bottleneck_plan *p = j->p;
    for (int64_t n = 0; n < p->n; n++) {
        const int64_t at = n * p->x.image + b * p->x.plane;
        through_norm2(j, b, n, m, back2);
        mn_bottleneck_depthwise_back(j, b, j->x + at, m->g_t2, j->gx ? j->gx + at : NULL, j->g_w2);
    }
}

static void wide_part(const void *job, int32_t part, int32_t parts) {
    const mn_bottleneck_job *j = job;
    const mn_bottleneck_plan *p = j->p;
    const places m = places_of(j, part);
    int64_t begin, end;
    mn_dnnl_range(p->t2.blocks, 1, part, parts, &begin, &end);
    if (j->g_w2) memset(j->g_w2 + begin * p->taps, 0, (size_t)((end - begin) * p->taps) * sizeof *j->g_w2);
    for (int64_t b = begin, blocks; b < end; b += blocks) {
        mn_simd_norm_block back2[2];
        blocks = mn_bottleneck_at_once(p, b, end);
        behind_depthwise(j, b, blocks, &m, back2);
        for (int64_t k = 0; k < blocks; k++) {
            const places at = places_at(p, &m, k);
            if (p->expands)
                before_depthwise(j, b + k, &at, &back2[k]);
            else
                onto_src(j, b + k, &at, &back2[k]);
        }
        if (p->expands)
            weights_of_blocks(j, &p->x, j->x, b, blocks, j->dt1 + b * p->t1.stride, p->t1.stride, j->g_w1);
    }
}

static void reduce_part(const void *job, int32_t part, int32_t parts) {
    const mn_bottleneck_job *j = job;
    const mn_bottleneck_plan *p = j->p;
    int64_t begin, end;
    mn_dnnl_range(mn_bottleneck_n_tiles(p, &p->x), 1, part, parts, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        const mn_bottleneck_tile t = mn_bottleneck_tile_at(p, &p->x, i);
        const float *wide = j->dt1 + t.image * p->t1.plane + t.first * j->simd->block;
        const mn_simd_reduce r = {.wide_blocks = p->t1.blocks,
                                  .wide_step = p->t1.stride,
                                  .next = wide + t.images * t.n_px * j->simd->block,
                                  .next_step = p->t1.stride};
        mn_bottleneck_sum_tile(j, &t, &r, wide, j->w1, (float *)(j->parts + (size_t)part * p->part_bytes), &p->x,
                               j->gx);
    }
}

static mn_bottleneck_norm norm_of(const mn_bottleneck_job *j, const mn_dnnl_run *r, int i) {
    mn_bottleneck_norm m = mn_bottleneck_norm_at(j, i, mn_dnnl_arg(r, 2));
    m.gamma = mn_dnnl_arg(r, 5 + 6 * i);
    m.beta = mn_dnnl_arg(r, 6 + 6 * i);
    m.g_gamma = mn_dnnl_arg(r, 8 + 6 * i);
    m.g_beta = mn_dnnl_arg(r, 9 + 6 * i);
    return m;
}

mn_bottleneck_job mn_bottleneck_backward_job(const mn_dnnl *s, const mn_bottleneck_plan *p, const mn_dnnl_run *r) {
    char *saved = (char *)mn_dnnl_arg(r, 2);
    float *w3 = mn_dnnl_scratch(r, p->w3_at);
    mn_bottleneck_job j = {.p = p,
                           .simd = s->simd,
                           .x = mn_dnnl_arg(r, 0),
                           .gy = mn_dnnl_arg(r, 1),
                           .w1 = mn_dnnl_scratch(r, p->w1_at),
                           .w2 = mn_dnnl_arg(r, 10),
                           .w3 = w3,
                           .gx = mn_dnnl_arg(r, 3),
                           .g_w1 = mn_dnnl_arg(r, 7),
                           .g_w2 = mn_dnnl_arg(r, 13),
                           .g_w3 = mn_dnnl_arg(r, 17) ? mn_dnnl_scratch(r, p->g_w3_at) : NULL,
                           .t1 = (float *)(saved + p->t1_at),
                           .t2 = (float *)(saved + p->t2_at),
                           .dt1 = mn_dnnl_scratch(r, p->dt1_at),
                           .parts = mn_dnnl_scratch(r, p->part_at)};
    for (int i = 0; i < 2; i++) j.norm[i] = norm_of(&j, r, i);
    s->simd->matrix->transpose(mn_dnnl_arg(r, 16), p->y.blocks, p->t2.blocks, w3);
    return j;
}

int mn_bottleneck_backward(mn_dnnl *s, const mn_bottleneck_plan *p, const mn_dnnl_run *r) {
    const mn_bottleneck_job j = mn_bottleneck_backward_job(s, p, r);
    const mn_simd_matrix *matrix = s->simd->matrix;
    mn_dnnl_parallel(p->parts, wide_part, &j);
    if (j.g_w3) matrix->transpose(j.g_w3, p->t2.blocks, p->y.blocks, mn_dnnl_arg(r, 17));
    if (!p->expands || !j.gx) return 0;
    matrix->transpose(mn_dnnl_arg(r, 4), p->t1.blocks, p->x.blocks, mn_dnnl_scratch(r, p->w1_at));
    mn_dnnl_parallel(p->parts, reduce_part, &j);
    return 0;
}
