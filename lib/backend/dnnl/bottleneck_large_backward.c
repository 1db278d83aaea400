/* Bottleneck with an expansion on large planes, backward. The parts share out images; nothing wide is written at all.
 *
 *   for each image and channel block    e2 = act'(z2) expand(g_y, w3 turned round): its sums, and g_w3 += outer(g_y,
 * z2) for each image and channel block    e2 again, g_t2 = bn2'(e2), z1 from x, g_w2 += depthwise'(z1, g_t2), e1 =
 * act'(z1) depthwise'(g_t2): its sum S, P += outer(x, e1), g_x += reduce(e1, a w1)
 *
 * bn1's backward is linear in e1 and t1 = w1 x, so it is made up for afterwards, on narrow tensors. With a = gamma
 * rstd, M pixels, D = sum e1 (t1 - mean1) = sum over c: w1[c] (P[c] - S E[x[c]]), for every wide channel:
 *
 *   g_beta = S, g_gamma = rstd D, g_w1 = a (P - S E[x] - rstd^2 D Cov(x) w1)
 *   g_x   -= sum over wide channels: a w1 (S / M + rstd^2 D / M w1' (x - E[x]))        = constant - Q x, Q of channels
 * x channels */
#include <string.h>

#include "backend/dnnl/bottleneck.h"

enum { CHUNK = 128 }; /* pixels whose e2 and z2 stay in the first-level cache */

/* A part's memory: planes, chunks, and its sums. */
typedef struct places {
    float *z1, *g_z1, *g_t2, *g_z2, *z2, *w;
    float *g_w2, *g_w3, *products; /* products: P */
    mn_bottleneck_sums *sums2, *sums1;
} places;

static int64_t tile_floats(const mn_bottleneck_tensor *narrow, int64_t block) {
    return narrow->blocks * block * block;
}

static size_t lay_out(const mn_bottleneck_plan *p, int64_t block, char *base, places *m) {
    const size_t plane1 = (size_t)p->t1.plane * sizeof(float), plane2 = (size_t)p->t2.plane * sizeof(float);
    const size_t chunk = (size_t)(CHUNK * block) * sizeof(float), wide = (size_t)p->t1.blocks * sizeof(float);
    const size_t x_tiles = (size_t)tile_floats(&p->x, block), y_tiles = (size_t)tile_floats(&p->y, block);
    size_t at = 0;
    m->z1 = mn_bottleneck_take(base, &at, plane1);
    m->g_z1 = mn_bottleneck_take(base, &at, plane1);
    m->g_t2 = mn_bottleneck_take(base, &at, plane2);
    m->g_z2 = mn_bottleneck_take(base, &at, chunk);
    m->z2 = mn_bottleneck_take(base, &at, chunk);
    m->w = mn_bottleneck_take(base, &at, x_tiles * sizeof(float));
    m->g_w2 = mn_bottleneck_take(base, &at, wide * (size_t)p->taps);
    m->g_w3 = mn_bottleneck_take(base, &at, wide * y_tiles);
    m->products = mn_bottleneck_take(base, &at, wide * x_tiles);
    m->sums2 = mn_bottleneck_take(base, &at, (size_t)p->t1.blocks * sizeof *m->sums2);
    m->sums1 = mn_bottleneck_take(base, &at, (size_t)p->t1.blocks * sizeof *m->sums1);
    return at;
}

size_t mn_bottleneck_large_backward_bytes(const mn_bottleneck_plan *p, int64_t block) {
    places m;
    return lay_out(p, block, NULL, &m);
}

static places places_of(const mn_bottleneck_job *j, int32_t part) {
    places m;
    lay_out(j->p, j->simd->block, j->parts + (size_t)part * j->p->part_bytes, &m);
    return m;
}

/* The gradient of z2 of some pixels of a channel block, from `first` on; how many. Meanwhile t2 of the next channel
 * block, or of the next image's first, comes into the caches. */
static int64_t expand_chunk(const mn_bottleneck_job *j, int64_t n, int64_t b, int64_t first, const places *m) {
    const mn_bottleneck_plan *p = j->p;
    const int64_t block = j->simd->block, left = p->t2.hw - first, at = first * block;
    const int64_t next = b + 1 < p->t2.blocks ? (b + 1) * p->t2.stride + n * p->t2.plane : (n + 1) * p->t2.plane;
    const mn_simd_expand e = {.channels = p->y.channels,
                              .step = p->y.plane,
                              .n_px = left < CHUNK ? left : CHUNK,
                              .blocks = 1,
                              .next = j->t2 + next + at};
    j->simd->matrix->expand(&e, j->gy + n * p->y.image + at, j->w3 + b * tile_floats(&p->y, block), m->g_z2);
    return e.n_px;
}

/* g_w += the product of some pixels of one image, narrow and wide. */
static void add_weights(const mn_bottleneck_job *j, const mn_bottleneck_tensor *t, int64_t pixels, const float *narrow,
                        const float *wide, float *g_w) {
    const mn_simd_outer o = {.channels = t->channels, .step = t->plane, .n = 1, .hw = pixels, .blocks = 1};
    j->simd->matrix->outer(&o, narrow, wide, g_w);
}

/* ---- first: sums of bn2, g_w3 ---- */

static void first_block(const mn_bottleneck_job *j, int64_t n, int64_t b, const places *m) {
    const mn_bottleneck_plan *p = j->p;
    const int64_t block = j->simd->block, tiles = tile_floats(&p->y, block);
    mn_simd_norm_block c;
    mn_bottleneck_norm_saved(&j->norm[1], b, &c);
    for (int64_t first = 0; first < p->t2.hw; first += CHUNK) {
        const mn_simd_pixels px = {.n = 1, .hw = expand_chunk(j, n, b, first, m)};
        const float *t2 = j->t2 + b * p->t2.stride + n * p->t2.plane + first * block;
        double sum[MN_SIMD_BLOCK_MAX], dot[MN_SIMD_BLOCK_MAX];
        j->simd->norm->apply(&px, p->base.k.act, &c, t2, NULL, m->z2);
        if (j->g_w3)
            add_weights(j, &p->y, px.hw, j->gy + n * p->y.image + first * block, m->z2, m->g_w3 + b * tiles);
        j->simd->norm->back_sums(&px, p->base.k.act, &c, t2, NULL, m->g_z2, NULL, sum, dot);
        mn_bottleneck_sums_add(&m->sums2[b], sum, dot);
    }
}

static void first_part(const void *job, int32_t part, int32_t parts) {
    const mn_bottleneck_job *j = job;
    const mn_bottleneck_plan *p = j->p;
    const places m = places_of(j, part);
    int64_t begin, end;
    memset(m.sums2, 0, (size_t)p->t1.blocks * sizeof *m.sums2);
    memset(m.g_w3, 0, (size_t)(p->t1.blocks * tile_floats(&p->y, j->simd->block)) * sizeof *m.g_w3);
    mn_dnnl_range(p->n, 1, part, parts, &begin, &end);
    for (int64_t n = begin; n < end; n++)
        for (int64_t b = 0; b < p->t1.blocks; b++) first_block(j, n, b, &m);
}

/* ---- second: through the depthwise convolution and onto x ---- */

/* g_t2 of one image and channel block. */
static void through_norm2(const mn_bottleneck_job *j, int64_t n, int64_t b, const places *m,
                          const mn_simd_norm_block *back) {
    const mn_bottleneck_plan *p = j->p;
    for (int64_t first = 0; first < p->t2.hw; first += CHUNK) {
        const int64_t at = first * j->simd->block;
        const mn_simd_pixels px = {.n = 1, .hw = expand_chunk(j, n, b, first, m)};
        j->simd->norm->back_apply(&px, p->base.k.act, back, j->t2 + b * p->t2.stride + n * p->t2.plane + at, NULL,
                                  m->g_z2, m->g_t2 + at);
    }
}

/* e1 of one image and channel block is in m->g_z1: its share of g_x. */
static void onto_src(const mn_bottleneck_job *j, int64_t n, int64_t b, const places *m) {
    const mn_bottleneck_plan *p = j->p;
    const int64_t block = j->simd->block;
    const mn_simd_reduce r = {.n_px = p->x.hw,
                              .wide_blocks = 1,
                              .narrow_blocks = p->x.blocks,
                              .wide_step = p->t1.plane,
                              .narrow_step = p->x.plane,
                              .w_step = p->t1.blocks * block * block,
                              .add = b > 0};
    j->simd->matrix->reduce(&r, m->g_z1, j->w1 + b * block * block, j->gx + n * p->x.image);
}

static void second_block(const mn_bottleneck_job *j, int64_t n, int64_t b, const places *m,
                         const mn_simd_norm_block *back) {
    const mn_bottleneck_plan *p = j->p;
    const int64_t tiles = tile_floats(&p->x, j->simd->block);
    const mn_simd_pixels px = {.n = 1, .hw = p->t1.hw};
    const mn_simd_norm_block none = {.mean = {0}};
    double sum[MN_SIMD_BLOCK_MAX], unused[MN_SIMD_BLOCK_MAX];
    through_norm2(j, n, b, m, back);
    mn_bottleneck_expand_image(j, j->w1_rests, n, b, m->w, m->z1);
    mn_bottleneck_depthwise_back(j, b, m->z1, m->g_t2, m->g_z1, m->g_w2);
    j->simd->norm->back_sums(&px, p->base.k.act, &none, m->z1, m->z1, m->g_z1, m->g_z1, sum, unused);
    mn_bottleneck_sums_add(&m->sums1[b], sum, unused);
    add_weights(j, &p->x, p->x.hw, j->x + n * p->x.image, m->g_z1, m->products + b * tiles);
    if (j->gx) onto_src(j, n, b, m);
}

typedef struct second_job {
    mn_bottleneck_job j;
    const mn_simd_norm_block *back; /* of bn2, for each channel block */
} second_job;

static void second_part(const void *job, int32_t part, int32_t parts) {
    const second_job *s = job;
    const mn_bottleneck_plan *p = s->j.p;
    const places m = places_of(&s->j, part);
    int64_t begin, end;
    memset(m.sums1, 0, (size_t)p->t1.blocks * sizeof *m.sums1);
    memset(m.g_w2, 0, (size_t)(p->t1.blocks * p->taps) * sizeof *m.g_w2);
    memset(m.products, 0, (size_t)(p->t1.blocks * tile_floats(&p->x, s->j.simd->block)) * sizeof *m.products);
    mn_dnnl_range(p->n, 1, part, parts, &begin, &end);
    for (int64_t n = begin; n < end; n++)
        for (int64_t b = 0; b < p->t1.blocks; b++) second_block(&s->j, n, b, &m, &s->back[b]);
}

/* ---- what the parts add up to ---- */

static void add_floats(float *to, const float *from, int64_t n) {
    for (int64_t i = 0; i < n; i++) to[i] += from[i];
}

/* bn2's backward constants and g_w3, from all parts. */
static void join_first(const mn_bottleneck_job *j, mn_simd_norm_block *back) {
    const mn_bottleneck_plan *p = j->p;
    const int64_t n = p->t1.blocks * tile_floats(&p->y, j->simd->block);
    const places total = places_of(j, 0);
    for (int32_t part = 1; part < p->parts; part++) {
        const places m = places_of(j, part);
        if (j->g_w3) add_floats(total.g_w3, m.g_w3, n);
        for (int64_t b = 0; b < p->t1.blocks; b++)
            mn_bottleneck_sums_add(&total.sums2[b], m.sums2[b].first, m.sums2[b].second);
    }
    for (int64_t b = 0; b < p->t1.blocks; b++) mn_bottleneck_norm_backward(&j->norm[1], b, &total.sums2[b], &back[b]);
}

static void join_second(const mn_bottleneck_job *j) {
    const mn_bottleneck_plan *p = j->p;
    const places total = places_of(j, 0);
    for (int32_t part = 1; part < p->parts; part++) {
        const places m = places_of(j, part);
        add_floats(total.products, m.products, p->t1.blocks * tile_floats(&p->x, j->simd->block));
        add_floats(total.g_w2, m.g_w2, p->t1.blocks * p->taps);
        for (int64_t b = 0; b < p->t1.blocks; b++)
            mn_bottleneck_sums_add(&total.sums1[b], m.sums1[b].first, m.sums1[b].second);
    }
    if (j->g_w2) memcpy(j->g_w2, total.g_w2, (size_t)(p->t1.blocks * p->taps) * sizeof *j->g_w2);
}

/* ---- bn1, made up for ---- */

/* What is left to take from g_x: a constant for each channel, and Q. */
typedef struct correction {
    double *constant, *q;          /* channels; channels x channels */
    float *minus_q;                /* as weights of a reduction: [narrow block][channel][B] */
    mn_simd_norm_block *constants; /* of each block of x */
    const float *cov_w;
} correction;

static size_t lay_out_correction(const mn_bottleneck_plan *p, int64_t block, char *base, correction *k) {
    const size_t padded = (size_t)(p->x.blocks * block);
    size_t at = 0;
    k->constant = mn_bottleneck_take(base, &at, padded * sizeof *k->constant);
    k->q = mn_bottleneck_take(base, &at, padded * padded * sizeof *k->q);
    k->minus_q = mn_bottleneck_take(base, &at, padded * padded * sizeof *k->minus_q);
    k->constants = mn_bottleneck_take(base, &at, (size_t)p->x.blocks * sizeof *k->constants);
    return at;
}

size_t mn_bottleneck_correction_bytes(const mn_bottleneck_plan *p, int64_t block) {
    correction k;
    return lay_out_correction(p, block, NULL, &k);
}

/* One wide channel: g_gamma, g_beta, g_w1, and its share of the correction. */
static void norm1_channel(const mn_bottleneck_job *j, int64_t b, int64_t i, const places *m, const correction *k) {
    const mn_bottleneck_norm *norm = &j->norm[0];
    const int64_t block = j->simd->block, c = j->p->x.channels, tiles = tile_floats(&j->p->x, block), x = b * block + i;
    const float *w = j->w1_rests + b * tiles + i, *products = m->products + b * tiles + i,
                *cov_w = k->cov_w + b * tiles + i;
    const double s = m->sums1[b].first[i], rstd = norm->rstd[x], a = norm->gamma[x] * rstd;
    double d = 0;
    for (int64_t ch = 0; ch < c; ch++) d += w[ch * block] * (products[ch * block] - s * j->mean_x[ch]);
    if (norm->g_beta) norm->g_beta[x] = (float)s;
    if (norm->g_gamma) norm->g_gamma[x] = (float)(rstd * d);
    for (int64_t ch = 0; j->g_w1 && ch < c; ch++)
        j->g_w1[b * tiles + ch * block + i] =
            (float)(a * (products[ch * block] - s * j->mean_x[ch] - rstd * rstd * d * cov_w[ch * block]));
    const double q = a * rstd * rstd * d / norm->n_pixels, constant = a * s / norm->n_pixels;
    for (int64_t ch = 0; ch < c; ch++) {
        k->constant[ch] -= w[ch * block] * constant;
        for (int64_t other = 0; other < c; other++) k->q[ch * c + other] += q * w[ch * block] * w[other * block];
    }
}

typedef struct correct_job {
    const mn_bottleneck_job *j;
    const correction *k;
} correct_job;

static void correct_part(const void *job, int32_t part, int32_t parts) {
    const correct_job *c = job;
    const mn_bottleneck_plan *p = c->j->p;
    const int64_t block = c->j->simd->block;
    const mn_simd_pixels px = {.n = 1, .hw = p->x.hw};
    const mn_simd_reduce r = {.n_px = p->x.hw,
                              .wide_blocks = p->x.blocks,
                              .narrow_blocks = p->x.blocks,
                              .wide_step = p->x.plane,
                              .narrow_step = p->x.plane,
                              .w_step = p->x.blocks * block * block,
                              .add = 1};
    int64_t begin, end;
    mn_dnnl_range(p->n, 1, part, parts, &begin, &end);
    for (int64_t n = begin; n < end; n++) {
        float *gx = c->j->gx + n * p->x.image;
        c->j->simd->matrix->reduce(&r, c->j->x + n * p->x.image, c->k->minus_q, gx);
        for (int64_t b = 0; b < p->x.blocks; b++)
            c->j->simd->norm->apply(&px, MODNAS_ACT_NONE, &c->k->constants[b], gx + b * p->x.plane, NULL,
                                    gx + b * p->x.plane);
    }
}

/* The correction in the form that the loops want: -Q, and constants plus Q E[x]. */
static void shape_correction(const mn_bottleneck_job *j, const correction *k) {
    const int64_t block = j->simd->block, c = j->p->x.channels, padded = j->p->x.blocks * block;
    for (int64_t ch = 0; ch < c; ch++) {
        mn_simd_norm_block *constants = &k->constants[ch / block];
        double constant = k->constant[ch];
        for (int64_t other = 0; other < c; other++) {
            constant += k->q[ch * c + other] * j->mean_x[other];
            k->minus_q[(ch / block * padded + other) * block + ch % block] = (float)-k->q[ch * c + other];
        }
        constants->scale[ch % block] = 1;
        constants->shift[ch % block] = (float)constant;
    }
}

static void correct(const mn_bottleneck_job *j, const float *cov_w, void *memory) {
    const mn_bottleneck_plan *p = j->p;
    const int64_t block = j->simd->block;
    const places m = places_of(j, 0);
    correction k = {.cov_w = cov_w};
    memset(memory, 0, lay_out_correction(p, block, memory, &k));
    if (j->g_w1) memset(j->g_w1, 0, (size_t)(p->t1.blocks * tile_floats(&p->x, block)) * sizeof *j->g_w1);
    for (int64_t b = 0; b < p->t1.blocks; b++)
        for (int64_t i = 0; i < block && b * block + i < p->t1.channels; i++) norm1_channel(j, b, i, &m, &k);
    if (!j->gx) return;
    shape_correction(j, &k);
    const correct_job c = {j, &k};
    mn_dnnl_parallel(p->parts, correct_part, &c);
}

/* a w1 turned round, for g_x. */
static void scaled_weights(const mn_bottleneck_job *j, const float *w1, float *turned) {
    const mn_bottleneck_plan *p = j->p;
    const int64_t block = j->simd->block;
    j->simd->matrix->transpose(w1, p->t1.blocks, p->x.blocks, turned);
    for (int64_t b = 0; b < p->t1.blocks; b++) {
        mn_simd_norm_block n;
        mn_bottleneck_norm_saved(&j->norm[0], b, &n);
        for (int64_t k = 0; k < p->x.blocks; k++)
            for (int64_t i = 0; i < block * block; i++)
                turned[(k * p->t1.blocks + b) * block * block + i] *= n.scale[i / block];
    }
}

int mn_bottleneck_large_backward(mn_dnnl *s, const mn_bottleneck_plan *p, const mn_dnnl_run *r) {
    second_job second = {.j = mn_bottleneck_backward_job(s, p, r), .back = mn_dnnl_scratch(r, p->back2_at)};
    mn_bottleneck_job *j = &second.j;
    j->w1_rests = mn_dnnl_arg(r, 4);
    j->mean_x = (const float *)((const char *)mn_dnnl_arg(r, 2) + p->moments_at);
    scaled_weights(j, j->w1_rests, mn_dnnl_scratch(r, p->w1_at));
    mn_dnnl_parallel(p->parts, first_part, j);
    join_first(j, mn_dnnl_scratch(r, p->back2_at));
    mn_dnnl_parallel(p->parts, second_part, &second);
    join_second(j);
    correct(j, (const float *)((const char *)mn_dnnl_arg(r, 2) + p->cov_w_at), mn_dnnl_scratch(r, p->correction_at));
    if (j->g_w3) s->simd->matrix->transpose(places_of(j, 0).g_w3, p->t2.blocks, p->y.blocks, mn_dnnl_arg(r, 17));
    return 0;
}
