/* The wide part of an inverted residual block, one channel block after the other: what its files share.
 *
 *     x --expand--> t1 --bn1, act--> z1 --depthwise--> t2 --bn2, act--> z2 --project--> y
 *
 *   bottleneck.c            which ones are ours; the plan: sizes, places in scratch and in what is saved
 *   bottleneck_norm.c       from sums to the constants of one channel block's batch norm, both ways
 *   bottleneck_forward.c    bottleneck_backward.c
 *
 * From x to t2 a channel block depends on x alone, and so does its gradient on the gradient of z2: a part takes its share of the
 * channel blocks and does all of that for one block, over all images, before it goes on to the next. What lies between is read
 * again while it is in the caches, no sums cross parts, and nothing depends on the number of threads. Only the two products that
 * add up over the wide channels, y and g_x, are shared out by pixels.
 *
 * Wide tensors are therefore kept channel block by channel block, [X/B][N][H][W][B]. Saved are t1, t2 and the statistics; z1 and z2
 * are made again. */
#ifndef MN_DNNL_BOTTLENECK_H
#define MN_DNNL_BOTTLENECK_H

#include "backend/dnnl/depthwise.h"
#include "backend/dnnl/layout.h"
#include "backend/dnnl/parallel.h"

enum { MN_BOTTLENECK_TILE = 64 }; /* pixels of a tile of the products over wide channels */

/* Sums of a channel block: forward x - origin and its square, backward e and e (x - mean). */
typedef struct mn_bottleneck_sums {
    double first[MN_SIMD_BLOCK_MAX], second[MN_SIMD_BLOCK_MAX];
    float origin[MN_SIMD_BLOCK_MAX];
} mn_bottleneck_sums;

/* One of the two batch norms in a run. */
typedef struct mn_bottleneck_norm {
    const float *gamma, *beta;
    float *running_mean, *running_var;  /* NULL: they stay */
    float *mean, *rstd;                 /* saved */
    float *g_gamma, *g_beta;            /* may be NULL */
    double eps, momentum, n_pixels;
    int64_t channels, block;
} mn_bottleneck_norm;

/* A tensor of channel blocks. */
typedef struct mn_bottleneck_tensor {
    int64_t channels, blocks, hw;
    int64_t plane; /* floats of a channel block of one image */
    int64_t image; /* narrow: floats of an image */
    int64_t stride; /* wide: floats from one channel block to the next */
} mn_bottleneck_tensor;

typedef struct mn_bottleneck_plan {
    mn_dnnl_plan base;
    int64_t n;                                  /* images */
    mn_bottleneck_tensor x, t1, t2, y;
    mn_simd_dw_geometry geometry;
    mn_dnnl_cover forward, back;
    int64_t taps;                               /* floats of a channel block's depthwise weights */
    int32_t parts, expands;
    size_t t1_at, t2_at, stats_at[2];           /* in what is saved */
    size_t part_at, part_bytes;                 /* in scratch: a place for each part; the rest is common */
    size_t w1_at, w3_at, g_w3_at, dt1_at;
} mn_bottleneck_plan;

/* The arguments of one run by name. */
typedef struct mn_bottleneck_job {
    const mn_bottleneck_plan *p;
    const mn_simd *simd;
    const float *x, *gy, *w1, *w2, *w3;         /* backward: w1 and w3 turned round */
    float *y, *gx, *g_w1, *g_w2, *g_w3, *t1, *t2, *dt1;
    mn_bottleneck_norm norm[2];
    char *parts;
} mn_bottleneck_job;

/* bottleneck_norm.c: c becomes what mn_simd_norm's apply wants, from fresh sums (statistics are saved, running ones move) or from what
 * was saved; or what its back_apply wants (g_gamma and g_beta are written). Channels of the padding get zeros. */
void mn_bottleneck_norm_forward(const mn_bottleneck_norm *m, int64_t block, const mn_bottleneck_sums *s, mn_simd_norm_block *c);
void mn_bottleneck_norm_saved(const mn_bottleneck_norm *m, int64_t block, mn_simd_norm_block *c);
void mn_bottleneck_norm_backward(const mn_bottleneck_norm *m, int64_t block, const mn_bottleneck_sums *s, mn_simd_norm_block *c);
void mn_bottleneck_sums_add(mn_bottleneck_sums *to, const double *first, const double *second);

int mn_bottleneck_forward(mn_dnnl *s, const mn_bottleneck_plan *p, const mn_dnnl_run *r);
int mn_bottleneck_backward(mn_dnnl *s, const mn_bottleneck_plan *p, const mn_dnnl_run *r);

/* Tiles of the products over wide channels: `images` whole images, or some pixels of one. */
typedef struct mn_bottleneck_tile {
    int64_t image, images, first, n_px; /* n_px of each image */
} mn_bottleneck_tile;
int64_t mn_bottleneck_n_tiles(const mn_bottleneck_plan *p, const mn_bottleneck_tensor *t);
mn_bottleneck_tile mn_bottleneck_tile_at(const mn_bottleneck_plan *p, const mn_bottleneck_tensor *t, int64_t i);

#endif
