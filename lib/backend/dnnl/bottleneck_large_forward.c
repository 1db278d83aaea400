/* Bottleneck with an expansion on large planes, forward. There the wide tensors do not fit into the caches, and what
 * counts is how often they pass through memory. The parts share out images.
 *
 * t1 = w1 x is linear, so its statistics follow from those of x, which is narrow: mean1 = w1 E[x], var1 = w1' Cov(x)
 * w1. Then bn1 and the activation are part of the expansion, z1 of one image and channel block is made where it is
 * wanted, and t1 is never written:
 *
 *   mean of x; covariance of x, from products of x - mean, one image after the other
 *   for each image and channel block    z1 = act(expand(x) with bn1 in it), t2 = depthwise(z1), its sums
 *   for each tile of pixels             z2 = act(bn2(t2)) of all channel blocks, y = project(z2)
 *
 * Sums over one image are taken in float, over images in double; parts are added in index order. */
#include <math.h>
#include <string.h>

#include "backend/dnnl/bottleneck.h"

enum { LARGE_PIXELS = 256, LARGE_CHANNELS = 128 };

int mn_bottleneck_is_large(const modnas_kernel *k) {
    return (k->flags & MODNAS_KF_EXPAND) && k->src.dims[2] * k->src.dims[3] >= LARGE_PIXELS &&
           k->src.dims[1] <= LARGE_CHANNELS;
}

void *mn_bottleneck_take(char *base, size_t *at, size_t bytes) {
    void *taken = base ? base + *at : NULL;
    *at += (bytes + 63) / 64 * 64;
    return taken;
}

/* A part's memory: one plane of z1 (and of x, centred), then its sums. */
typedef struct places {
    double *sum_x, *products; /* of each channel of x; of each pair */
    float *x, *product, *z1;  /* centred image; products of one image; a plane */
    mn_bottleneck_sums *sums; /* of t2, for each wide block */
} places;

static int64_t narrow_channels(const mn_bottleneck_plan *p, int64_t block) {
    return p->x.blocks * block;
}

/* Place everything behind `base` (NULL: count only); returns the bytes. */
static size_t lay_out(const mn_bottleneck_plan *p, int64_t block, char *base, places *m) {
    const size_t c = (size_t)narrow_channels(p, block);
    size_t at = 0;
    m->sum_x = mn_bottleneck_take(base, &at, c * sizeof(double));
    m->products = mn_bottleneck_take(base, &at, c * c * sizeof(double));
    m->sums = mn_bottleneck_take(base, &at, (size_t)p->t2.blocks * sizeof *m->sums);
    m->product = mn_bottleneck_take(base, &at, c * c * sizeof(float));
    m->x = mn_bottleneck_take(base, &at, (size_t)p->x.image * sizeof(float));
    m->z1 = mn_bottleneck_take(base, &at, (size_t)p->t1.plane * sizeof(float));
    return at;
}

size_t mn_bottleneck_large_forward_bytes(const mn_bottleneck_plan *p, int64_t block) {
    places m;
    return lay_out(p, block, NULL, &m);
}

static places places_of(const mn_bottleneck_job *j, int32_t part) {
    places m;
    lay_out(j->p, j->simd->block, j->parts + (size_t)part * j->p->part_bytes, &m);
    return m;
}

/* ---- the moments of x ---- */

static void mean_part(const void *job, int32_t part, int32_t parts) {
    const mn_bottleneck_job *j = job;
    const mn_bottleneck_plan *p = j->p;
    const int64_t block = j->simd->block;
    const places m = places_of(j, part);
    const float zero[MN_SIMD_BLOCK_MAX] = {0};
    int64_t begin, end;
    mn_dnnl_range(p->n, 1, part, parts, &begin, &end);
    const mn_simd_pixels px = {.n = end - begin, .step = p->x.image, .hw = p->x.hw};
    for (int64_t b = 0; b < p->x.blocks; b++) {
        double squares[MN_SIMD_BLOCK_MAX];
        j->simd->norm->sums(&px, zero, j->x + begin * p->x.image + b * p->x.plane, m.sum_x + b * block, squares);
    }
}

static void products_part(const void *job, int32_t part, int32_t parts) {
    const mn_bottleneck_job *j = job;
    const mn_bottleneck_plan *p = j->p;
    const int64_t block = j->simd->block, c = narrow_channels(p, block);
    const places m = places_of(j, part);
    const mn_simd_pixels px = {.n = 1, .hw = p->x.hw};
    mn_simd_outer o = {.channels = p->x.channels,
                       .step = p->x.plane,
                       .n = 1,
                       .hw = p->x.hw,
                       .wide_step = p->x.plane,
                       .gw_step = c * block};
    int64_t begin, end;
    memset(m.products, 0, (size_t)(c * c) * sizeof *m.products);
    mn_dnnl_range(p->n, 1, part, parts, &begin, &end);
    for (int64_t n = begin; n < end; n++) {
        for (int64_t b = 0; b < p->x.blocks; b++) {
            mn_simd_norm_block centre = {.scale = {0}};
            for (int64_t i = 0; i < block; i++) centre.scale[i] = 1;
            memcpy(centre.mean, j->mean_x + b * block, (size_t)block * sizeof(float));
            j->simd->norm->apply(&px, MODNAS_ACT_NONE, &centre, j->x + n * p->x.image + b * p->x.plane, NULL,
                                 m.x + b * p->x.plane);
        }
        memset(m.product, 0, (size_t)(c * c) * sizeof *m.product);
        for (int64_t b = 0; b < p->x.blocks; b += o.blocks) {
            o.blocks = p->x.blocks - b > 1 ? 2 : 1;
            j->simd->matrix->outer(&o, m.x, m.x + b * p->x.plane, m.product + b * c * block);
        }
        for (int64_t i = 0; i < c * c; i++) m.products[i] += m.product[i];
    }
}

/* Element (a, b) of the covariance: products lie as [block of b][a][b in the block]. */
static double covariance(const places *m, int64_t c, int64_t block, int64_t a, int64_t b) {
    return m->products[(b / block * c + a) * block + b % block];
}

/* All parts' products into the first one's, divided by the pixels. */
static void join_products(const mn_bottleneck_job *j, double *total, int64_t n, int is_mean) {
    const mn_bottleneck_plan *p = j->p;
    for (int32_t part = 1; part < p->parts; part++) {
        const places m = places_of(j, part);
        for (int64_t i = 0; i < n; i++) total[i] += is_mean ? m.sum_x[i] : m.products[i];
    }
    for (int64_t i = 0; i < n; i++) total[i] /= j->norm[0].n_pixels;
}

/* Statistics of wide channel x, and Cov(x) w for the backward. */
static void wide_moments(const mn_bottleneck_job *j, const places *m, const float *mean_x, int64_t x, float *cov_w,
                         double *mean, double *var) {
    const mn_bottleneck_plan *p = j->p;
    const int64_t block = j->simd->block, c = narrow_channels(p, block);
    const float *w = j->w1 + x / block * c * block + x % block; /* w of channel i: w[i block] */
    *mean = *var = 0;
    for (int64_t a = 0; a < p->x.channels; a++) {
        double sum = 0;
        for (int64_t b = 0; b < p->x.channels; b++) sum += covariance(m, c, block, a, b) * w[b * block];
        cov_w[a * block] = (float)sum;
        *mean += (double)w[a * block] * mean_x[a];
        *var += w[a * block] * sum;
    }
}

static void take_moments(const mn_bottleneck_job *j, float *mean_x, float *cov_w) {
    const mn_bottleneck_plan *p = j->p;
    const int64_t block = j->simd->block, c = narrow_channels(p, block);
    const places m = places_of(j, 0);
    mn_bottleneck_job with_mean = *j;
    mn_dnnl_parallel(p->parts, mean_part, j);
    join_products(j, m.sum_x, c, 1);
    for (int64_t i = 0; i < c; i++) mean_x[i] = (float)m.sum_x[i];
    with_mean.mean_x = mean_x;
    mn_dnnl_parallel(p->parts, products_part, &with_mean);
    join_products(j, m.products, c * c, 0);
    memset(cov_w, 0, (size_t)(p->t1.blocks * c * block) * sizeof *cov_w);
    for (int64_t b = 0; b < p->t1.blocks; b++) {
        mn_bottleneck_sums s = {.first = {0}};
        mn_simd_norm_block constants;
        for (int64_t i = 0; i < block && b * block + i < p->t1.channels; i++) {
            double mean, var;
            wide_moments(j, &m, mean_x, b * block + i, cov_w + b * c * block + i, &mean, &var);
            s.first[i] = mean * j->norm[0].n_pixels; /* as sums about 0 */
            s.second[i] = (var + mean * mean) * j->norm[0].n_pixels;
        }
        mn_bottleneck_norm_forward(&j->norm[0], b, &s, &constants);
    }
}

/* ---- expansion with bn1 in it ---- */

/* w becomes the weights of wide block b with bn1 in them, post what is left of bn1 and the activation. */
static void fold_norm1(const mn_bottleneck_job *j, const float *w1, int64_t b, float *w, mn_simd_clamp *post) {
    const int64_t block = j->simd->block, c = narrow_channels(j->p, block);
    mn_simd_norm_block n;
    mn_bottleneck_norm_saved(&j->norm[0], b, &n);
    for (int64_t a = 0; a < c; a++)
        for (int64_t i = 0; i < block; i++) w[a * block + i] = w1[(b * c + a) * block + i] * n.scale[i];
    for (int64_t i = 0; i < block; i++) post->shift[i] = n.shift[i] - n.mean[i] * n.scale[i];
    post->low = 0;
    post->high = j->p->base.k.act == MODNAS_ACT_RELU6 ? 6 : INFINITY;
}

void mn_bottleneck_expand_image(const mn_bottleneck_job *j, const float *w1, int64_t n, int64_t b, float *w, float *z1) {
    const mn_bottleneck_plan *p = j->p;
    mn_simd_clamp post;
    const mn_simd_expand e = {
        .channels = p->x.channels, .step = p->x.plane, .n_px = p->x.hw, .blocks = 1, .post = &post};
    fold_norm1(j, w1, b, w, &post);
    j->simd->matrix->expand(&e, j->x + n * p->x.image, w, z1);
}

static void image_block(const mn_bottleneck_job *j, int64_t n, int64_t b, int is_first, const places *m) {
    const mn_bottleneck_plan *p = j->p;
    float *t2 = j->t2 + b * p->t2.stride + n * p->t2.plane;
    mn_bottleneck_expand_image(j, j->w1, n, b, m->product, m->z1);
    mn_bottleneck_depthwise(p, m->z1, j->w2 + b * p->taps, t2);
    mn_bottleneck_add_plane(j, is_first, p->t2.hw, t2, &m->sums[b]);
}

static void images_part(const void *job, int32_t part, int32_t parts) {
    const mn_bottleneck_job *j = job;
    const places m = places_of(j, part);
    int64_t begin, end;
    mn_dnnl_range(j->p->n, 1, part, parts, &begin, &end);
    memset(m.sums, 0, (size_t)j->p->t2.blocks * sizeof *m.sums);
    for (int64_t n = begin; n < end; n++)
        for (int64_t b = 0; b < j->p->t2.blocks; b++) image_block(j, n, b, n == begin, &m);
}

/* Sums of n pixels about another origin become sums about this one's. */
static void add_about(mn_bottleneck_sums *to, const mn_bottleneck_sums *from, double n, int64_t block) {
    for (int64_t i = 0; i < block; i++) {
        const double d = (double)from->origin[i] - to->origin[i];
        to->second[i] += from->second[i] + 2 * d * from->first[i] + n * d * d;
        to->first[i] += from->first[i] + n * d;
    }
}

static void join_norm2(const mn_bottleneck_job *j) {
    const mn_bottleneck_plan *p = j->p;
    const places total = places_of(j, 0);
    for (int64_t b = 0; b < p->t2.blocks; b++) {
        mn_simd_norm_block constants;
        for (int32_t part = 1; part < p->parts; part++) {
            int64_t begin, end;
            mn_dnnl_range(p->n, 1, part, p->parts, &begin, &end);
            add_about(&total.sums[b], &places_of(j, part).sums[b], (double)((end - begin) * p->t2.hw), j->simd->block);
        }
        mn_bottleneck_norm_forward(&j->norm[1], b, &total.sums[b], &constants);
    }
}

int mn_bottleneck_large_forward(mn_dnnl *s, const mn_bottleneck_plan *p, const mn_dnnl_run *r) {
    char *saved = (char *)mn_dnnl_arg(r, 2);
    const mn_bottleneck_job j = mn_bottleneck_forward_job(s, p, r);
    take_moments(&j, (float *)(saved + p->moments_at), (float *)(saved + p->cov_w_at));
    mn_dnnl_parallel(p->parts, images_part, &j);
    join_norm2(&j);
    mn_bottleneck_project(&j);
    return 0;
}
