/* Bottleneck in inference: all three batch norms have fixed statistics, so each of them is a factor and a number for
 * each channel, and nothing has to be known of other images. The whole block runs tile by tile, a tile being as many
 * images as fill the vectors of the products; its wide tensors never leave the caches:
 *
 *   for each tile and group of channel blocks
 *       for each block of the group     z1 = act(bn1(expand(x))), one image at a time; z2 = act(bn2(depthwise(z1)))
 *       sum += project(z2 of the group)
 *   y = bn3(sum) + residual
 *
 * bn1's factors go into w1 once a run. The parts share out tiles; nothing is added across parts. */
#include <math.h>
#include <string.h>

#include "backend/dnnl/bottleneck.h"

enum { TILE_PIXELS = 256, GROUP_FLOATS = 96 * 1024, FLOATS_APART = 80 };

/* Wide channel blocks of a tile lie so many floats apart: not a power of two. */
static int64_t wide_step(const mn_bottleneck_plan *p) {
    return p->inference.images * p->t2.plane + FLOATS_APART;
}

static int64_t narrow_step(const mn_bottleneck_plan *p) {
    return p->inference.images * p->y.plane + FLOATS_APART;
}

/* A part's memory: z1 of one image, z2 of a group, the sums. */
typedef struct places {
    float *z1, *z2, *sum;
} places;

static size_t lay_out(const mn_bottleneck_plan *p, char *base, places *m) {
    size_t at = 0;
    m->z1 = mn_bottleneck_take(base, &at, (size_t)p->t1.plane * sizeof(float));
    m->z2 = mn_bottleneck_take(base, &at, (size_t)(p->inference.group * wide_step(p)) * sizeof(float));
    m->sum = mn_bottleneck_take(base, &at, (size_t)(p->y.blocks * narrow_step(p)) * sizeof(float));
    return at;
}

static int64_t at_least_one(int64_t n) {
    return n > 1 ? n : 1;
}

void mn_bottleneck_inference_plan(const mn_dnnl *s, mn_bottleneck_plan *p) {
    mn_bottleneck_inference *i = &p->inference;
    const int64_t block = s->simd->block, share = at_least_one(p->n / p->parts);
    places m;
    i->images = at_least_one(TILE_PIXELS / p->t2.hw);
    if (i->images > share) i->images = share;
    i->group = at_least_one(GROUP_FLOATS / wide_step(p));
    if (i->group > p->t2.blocks) i->group = p->t2.blocks;
    const size_t w1 = p->expands ? (size_t)(p->t1.blocks * p->x.blocks * block * block) * sizeof(float) : 0;
    p->w1_at = mn_dnnl_reserve(&p->base, w1);
    i->clamp_at = mn_dnnl_reserve(&p->base, (size_t)p->t1.blocks * sizeof(mn_simd_clamp));
    i->post_at = mn_dnnl_reserve(&p->base, (size_t)p->t2.blocks * sizeof(mn_simd_dw_post));
    i->norm3_at = mn_dnnl_reserve(&p->base, (size_t)p->y.blocks * sizeof(mn_simd_norm_block));
    p->part_bytes = lay_out(p, NULL, &m);
    p->part_at = mn_dnnl_reserve(&p->base, (size_t)p->parts * p->part_bytes);
}

/* ---- constants ---- */

/* The arguments of one run by name, and what is made of them first. */
typedef struct job {
    const mn_bottleneck_plan *p;
    const mn_dnnl_run *r;
    const mn_simd *simd;
    const float *x, *w2, *w3, *residual;
    float *y, *w1; /* w1 with bn1 in it */
    mn_simd_clamp *clamp;
    mn_simd_dw_post *post;
    mn_simd_norm_block *norm3;
    char *parts;
} job;

/* y = x scale + shift of the channels of one block; `arg`: gamma, beta, mean, var. Zeros in the padding. */
static void constants(const job *j, int32_t arg, double eps, int64_t channels, int64_t b, float *scale, float *shift) {
    const float *gamma = mn_dnnl_arg(j->r, arg), *beta = mn_dnnl_arg(j->r, arg + 1), *mean = mn_dnnl_arg(j->r, arg + 2),
                *var = mn_dnnl_arg(j->r, arg + 3);
    for (int64_t i = 0, c = b * j->simd->block; i < j->simd->block; i++, c++) {
        const double factor = c < channels ? gamma[c] / sqrt((double)var[c] + eps) : 0;
        scale[i] = (float)factor;
        shift[i] = c < channels ? (float)(beta[c] - mean[c] * factor) : 0;
    }
}

static void expansion_constants(const job *j, int64_t b) {
    const int64_t block = j->simd->block, n = j->p->x.blocks * block;
    const float *w = (const float *)mn_dnnl_arg(j->r, 3) + b * n * block;
    float scale[MN_SIMD_BLOCK_MAX], *to = j->w1 + b * n * block;
    mn_simd_clamp *c = &j->clamp[b];
    constants(j, 4, j->r->scalars[0], j->p->t1.channels, b, scale, c->shift);
    for (int64_t a = 0; a < n; a++)
        for (int64_t i = 0; i < block; i++) to[a * block + i] = w[a * block + i] * scale[i];
    c->low = 0;
    c->high = j->p->base.k.act == MODNAS_ACT_RELU6 ? 6 : INFINITY;
}

static void wide_constants(const void *ud, int32_t part, int32_t parts) {
    const job *j = ud;
    int64_t begin, end;
    mn_dnnl_range(j->p->t2.blocks, 1, part, parts, &begin, &end);
    for (int64_t b = begin; b < end; b++) {
        mn_simd_dw_post *post = &j->post[b];
        if (j->p->expands) expansion_constants(j, b);
        constants(j, 9, j->r->scalars[2], j->p->t2.channels, b, post->scale, post->shift);
        post->low = 0;
        post->high = j->p->base.k.act == MODNAS_ACT_RELU6 ? 6 : INFINITY;
    }
}

static void narrow_constants(const job *j) {
    memset(j->norm3, 0, (size_t)j->p->y.blocks * sizeof *j->norm3);
    for (int64_t b = 0; b < j->p->y.blocks; b++)
        constants(j, 14, j->r->scalars[4], j->p->y.channels, b, j->norm3[b].scale, j->norm3[b].shift);
}

/* ---- tiles ---- */

static void wide_block(const job *j, int64_t b, int64_t image, float *z1, float *z2) {
    const mn_bottleneck_plan *p = j->p;
    const int64_t block = j->simd->block;
    const float *x = j->x + image * p->x.image, *from = z1;
    if (p->expands) {
        const mn_simd_expand e = {
            .channels = p->x.channels, .step = p->x.plane, .n_px = p->x.hw, .blocks = 1, .post = &j->clamp[b]};
        j->simd->matrix->expand(&e, x, j->w1 + b * p->x.blocks * block * block, z1);
    } else
        from = x + b * p->x.plane;
    for (int32_t i = 0; i < p->forward.n; i++)
        p->forward.strips[i]->forward(&p->geometry, p->forward.first[i], from, j->w2 + b * p->taps, &j->post[b], z2);
}

static void project(const job *j, int64_t first, int64_t blocks, int64_t n_px, const places *m) {
    const mn_bottleneck_plan *p = j->p;
    const int64_t tile = j->simd->block * j->simd->block;
    const mn_simd_reduce r = {.n_px = n_px,
                              .wide_blocks = blocks,
                              .narrow_blocks = p->y.blocks,
                              .wide_step = wide_step(p),
                              .narrow_step = narrow_step(p),
                              .w_step = p->t2.blocks * tile,
                              .add = first > 0};
    j->simd->matrix->reduce(&r, m->z2, j->w3 + first * tile, m->sum);
}

static void finish(const job *j, int64_t image, int64_t images, const places *m) {
    const mn_bottleneck_plan *p = j->p;
    const mn_simd_pixels px = {.n = 1, .hw = p->y.hw};
    for (int64_t n = 0; n < images; n++)
        for (int64_t b = 0; b < p->y.blocks; b++) {
            const int64_t at = (image + n) * p->y.image + b * p->y.plane;
            j->simd->norm->apply(&px, MODNAS_ACT_NONE, &j->norm3[b], m->sum + b * narrow_step(p) + n * p->y.plane,
                                 j->residual ? j->residual + at : NULL, j->y + at);
        }
}

static void run_tile(const job *j, int64_t image, int64_t images, const places *m) {
    const mn_bottleneck_plan *p = j->p;
    for (int64_t first = 0; first < p->t2.blocks; first += p->inference.group) {
        const int64_t left = p->t2.blocks - first, blocks = left < p->inference.group ? left : p->inference.group;
        for (int64_t b = 0; b < blocks; b++)
            for (int64_t n = 0; n < images; n++)
                wide_block(j, first + b, image + n, m->z1, m->z2 + b * wide_step(p) + n * p->t2.plane);
        project(j, first, blocks, images * p->t2.hw, m);
    }
    finish(j, image, images, m);
}

static void tiles_part(const void *ud, int32_t part, int32_t parts) {
    const job *j = ud;
    const int64_t images = j->p->inference.images;
    int64_t begin, end;
    places m;
    lay_out(j->p, j->parts + (size_t)part * j->p->part_bytes, &m);
    mn_dnnl_range(j->p->n, 1, part, parts, &begin, &end);
    for (int64_t n = begin; n < end; n += images) run_tile(j, n, end - n < images ? end - n : images, &m);
}

int mn_bottleneck_infer(mn_dnnl *s, const mn_bottleneck_plan *p, const mn_dnnl_run *r) {
    const job j = {.p = p,
                   .r = r,
                   .simd = s->simd,
                   .x = mn_dnnl_arg(r, 0),
                   .y = mn_dnnl_arg(r, 1),
                   .w2 = mn_dnnl_arg(r, 8),
                   .w3 = mn_dnnl_arg(r, 13),
                   .residual = p->base.k.flags & MODNAS_KF_RESIDUAL ? mn_dnnl_arg(r, 18) : NULL,
                   .w1 = mn_dnnl_scratch(r, p->w1_at),
                   .clamp = mn_dnnl_scratch(r, p->inference.clamp_at),
                   .post = mn_dnnl_scratch(r, p->inference.post_at),
                   .norm3 = mn_dnnl_scratch(r, p->inference.norm3_at),
                   .parts = mn_dnnl_scratch(r, p->part_at)};
    narrow_constants(&j);
    mn_dnnl_parallel(p->parts, wide_constants, &j);
    mn_dnnl_parallel(p->parts, tiles_part, &j);
    return 0;
}
