/* The wide part of an inverted residual block, one channel block after the other: what its files share.
 *
 *     x --expand--> t1 --bn1, act--> z1 --depthwise--> t2 --bn2, act--> z2 --project--> y
 *
 *   bottleneck.c            which ones are ours; the plan: sizes, places in scratch and in what is saved
 *   bottleneck_norm.c       from sums to the constants of one channel block's batch norm, both ways
 *   bottleneck_forward.c    bottleneck_backward.c      small planes, as said below
 *   bottleneck_large_forward.c    ..._backward.c       large planes, as said there
 *   bottleneck_inference.c  forward alone, the last batch norm included
 *
 * From x to t2 a channel block depends on x alone, and so does its gradient on the gradient of z2: a part takes its
 * share of the channel blocks and does all of that for one block, over all images, before it goes on to the next. What
 * lies between is read again while it is in the caches, no sums cross parts, and nothing depends on the number of
 * threads. Only the two products that add up over the wide channels, y and g_x, are shared out by pixels.
 *
 * Wide tensors are therefore kept channel block by channel block, [X/B][N][H][W][B]. Saved are t1, t2 and the
 * statistics; z1 and z2 are made again. */
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
    float *running_mean, *running_var; /* NULL: they stay */
    float *mean, *rstd;                /* saved */
    float *g_gamma, *g_beta;           /* may be NULL */
    double eps, momentum, n_pixels;
    int64_t channels, block;
} mn_bottleneck_norm;

/* A tensor of channel blocks. */
typedef struct mn_bottleneck_tensor {
    int64_t channels, blocks, hw;
    int64_t plane;  /* floats of a channel block of one image */
    int64_t image;  /* narrow: floats of an image */
    int64_t stride; /* wide: floats from one channel block to the next */
} mn_bottleneck_tensor;

/* In inference: images of a tile, channel blocks of a group, places in scratch. */
typedef struct mn_bottleneck_inference {
    int64_t images, group;
    size_t clamp_at, post_at, norm3_at;
} mn_bottleneck_inference;

typedef struct mn_bottleneck_plan {
    mn_dnnl_plan base;
    int64_t n; /* images */
    mn_bottleneck_tensor x, t1, t2, y;
    mn_simd_dw_geometry geometry;
    mn_dnnl_cover forward, back;
    int64_t taps; /* floats of a channel block's depthwise weights */
    int32_t parts, expands;
    int64_t at_once; /* channel blocks, 1 or 2, that share what is read of narrow tensors */
    size_t t1_at, t2_at, stats_at[2]; /* in what is saved */
    size_t part_at, part_bytes;       /* in scratch: a place for each part; the rest is common */
    size_t w1_at, w3_at, g_w3_at, dt1_at;
    int32_t is_large;               /* an expansion on large planes */
    size_t back2_at, correction_at; /* large, in scratch: bn2's backward constants; what bn1's is made up from */
    mn_bottleneck_inference inference;
    size_t moments_at, cov_w_at;    /* large, in what is saved: means of x; Cov(x) w for each wide channel */
} mn_bottleneck_plan;

/* The arguments of one run by name. */
typedef struct mn_bottleneck_job {
    const mn_bottleneck_plan *p;
    const mn_simd *simd;
    const float *x, *gy, *w1, *w2, *w3; /* backward: w1 and w3 turned round */
    const float *w1_rests, *mean_x;     /* large: w1 as it is given; means of x */
    float *y, *gx, *g_w1, *g_w2, *g_w3, *t1, *t2, *dt1;
    mn_bottleneck_norm norm[2];
    char *parts;
} mn_bottleneck_job;

/* bottleneck_norm.c: what both passes know of batch norm i, its statistics in what is saved. */
mn_bottleneck_norm mn_bottleneck_norm_at(const mn_bottleneck_job *j, int i, void *saved);
/* c becomes what mn_simd_norm's apply wants, from fresh sums (statistics are saved, running ones
 * move) or from what was saved; or what its back_apply wants (g_gamma and g_beta are written). Channels of the padding
 * get zeros. */
void mn_bottleneck_norm_forward(const mn_bottleneck_norm *m, int64_t block, const mn_bottleneck_sums *s,
                                mn_simd_norm_block *c);
void mn_bottleneck_norm_saved(const mn_bottleneck_norm *m, int64_t block, mn_simd_norm_block *c);
void mn_bottleneck_norm_backward(const mn_bottleneck_norm *m, int64_t block, const mn_bottleneck_sums *s,
                                 mn_simd_norm_block *c);
void mn_bottleneck_sums_add(mn_bottleneck_sums *to, const double *first, const double *second);

/* How many of the channel blocks [b, end) come next. */
int64_t mn_bottleneck_at_once(const mn_bottleneck_plan *p, int64_t b, int64_t end);

/* bottleneck_forward.c: parts of it that the large planes share. */
mn_bottleneck_job mn_bottleneck_forward_job(const mn_dnnl *s, const mn_bottleneck_plan *p, const mn_dnnl_run *r);
void mn_bottleneck_project(const mn_bottleneck_job *j);
void mn_bottleneck_depthwise(const mn_bottleneck_plan *p, const float *z1, const float *w, float *t2);
/* Add the sums over one plane; the first pixel of image `first` is what they are taken from. */
void mn_bottleneck_add_plane(const mn_bottleneck_job *j, int is_first, int64_t hw, const float *plane,
                             mn_bottleneck_sums *s);
/* bottleneck_backward.c: likewise. */
void mn_bottleneck_depthwise_back(const mn_bottleneck_job *j, int64_t b, const float *z1, const float *g_t2,
                                  float *g_z1, float *g_w2);
mn_bottleneck_job mn_bottleneck_backward_job(const mn_dnnl *s, const mn_bottleneck_plan *p, const mn_dnnl_run *r);

/* bottleneck_large_forward.c, ..._backward.c */
int mn_bottleneck_is_large(const modnas_kernel *k);
size_t mn_bottleneck_large_forward_bytes(const mn_bottleneck_plan *p, int64_t block); /* of a part's place in scratch */
size_t mn_bottleneck_large_backward_bytes(const mn_bottleneck_plan *p, int64_t block);
size_t mn_bottleneck_correction_bytes(const mn_bottleneck_plan *p, int64_t block);
/* The next `bytes` behind base, in whole cache lines; NULL, and counted only, without a base. */
void *mn_bottleneck_take(char *base, size_t *at, size_t bytes);
/* z1 of wide block b of image n; bn1 is in the weights: `w` is memory for them. */
void mn_bottleneck_expand_image(const mn_bottleneck_job *j, const float *w1, int64_t n, int64_t b, float *w, float *z1);
int mn_bottleneck_large_forward(mn_dnnl *s, const mn_bottleneck_plan *p, const mn_dnnl_run *r);
int mn_bottleneck_large_backward(mn_dnnl *s, const mn_bottleneck_plan *p, const mn_dnnl_run *r);

/* bottleneck_inference.c */
void mn_bottleneck_inference_plan(const mn_dnnl *s, mn_bottleneck_plan *p);
int mn_bottleneck_infer(mn_dnnl *s, const mn_bottleneck_plan *p, const mn_dnnl_run *r);

int mn_bottleneck_forward(mn_dnnl *s, const mn_bottleneck_plan *p, const mn_dnnl_run *r);
int mn_bottleneck_backward(mn_dnnl *s, const mn_bottleneck_plan *p, const mn_dnnl_run *r);

/* Tiles of the products over wide channels: `images` whole images, or some pixels of one. */
typedef struct mn_bottleneck_tile {
    int64_t image, images, first, n_px; /* n_px of each image */
} mn_bottleneck_tile;
int64_t mn_bottleneck_n_tiles(const mn_bottleneck_plan *p, const mn_bottleneck_tensor *t);
mn_bottleneck_tile mn_bottleneck_tile_at(const mn_bottleneck_plan *p, const mn_bottleneck_tensor *t, int64_t i);

/* One tile's sum over the channels of src, of which `wide` says all, into the narrow tensor dst; `tile` is memory for
 * it. */
void mn_bottleneck_sum_tile(const mn_bottleneck_job *j, const mn_bottleneck_tile *t, const mn_simd_reduce *wide,
                            const float *src, const float *w, float *tile, const mn_bottleneck_tensor *narrow,
                            float *dst);

#endif
