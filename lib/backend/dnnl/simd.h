/* The loops that are compiled once for each instruction set.
 *
 * A body (flat_body.h, norm_body.h, pool_body.h, depthwise_body.h) is written over the vector of vec_avx512.h,
 * vec_avx2.h or vec_portable.h and included by one small file each: flat_avx512.c and so on. What comes out is a table
 * of functions. They work on one part of the job, know nothing of threads, and read and write nothing behind the ends
 * they are given.
 *
 * "Blocks" below are channel blocks of B = block floats: a plane is hw pixels of B floats. */
#ifndef MN_DNNL_SIMD_H
#define MN_DNNL_SIMD_H

#include <stdint.h>

enum { MN_SIMD_BLOCK_MAX = 16 };
enum { MN_SIMD_AHEAD = 64 }; /* pixels from what is worked on to what is fetched meanwhile */

typedef struct mn_simd_sgd {
    float lr, momentum, rest, decay, g_scale; /* rest: 1 - dampening */
    int32_t first, nesterov;
} mn_simd_sgd;

typedef struct mn_simd_adam {
    float lr, beta1, beta2, eps, decay, g_scale; /* lr: already divided by 1 - beta1^t */
    float rest1, rest2;                          /* 1 - beta1, 1 - beta2 */
    float correction2;                           /* sqrt(1 - beta2^t) */
    int32_t decoupled;
    float shrink; /* 1 - lr decay, for decoupled */
} mn_simd_adam;

typedef struct mn_simd_rmsprop {
    float lr, alpha, rest, eps, decay, momentum, g_scale; /* rest: 1 - alpha */
} mn_simd_rmsprop;

typedef struct mn_simd_adagrad {
    float lr, eps, decay, g_scale;
} mn_simd_adagrad;

/* An operand that may be repeated: a step of 0 repeats one vector, a step of B walks on; `splat`: the first float of
 * each vector stands for all of it. */
typedef struct mn_simd_operand {
    const float *mem;
    int64_t step;
    int32_t splat;
} mn_simd_operand;

/* n consecutive floats, or n_vec whole vectors */
typedef struct mn_simd_flat {
    void (*fill)(float *y, int64_t n, float value);
    /* y = a x + b y; not read where the factor is 0 */
    void (*axpby)(const float *x, float *y, int64_t n, float a, float b);
    double (*dot)(const float *x, const float *y, int64_t n);
    /* y[i] = sum over s: p[s] x[s][first + i] */
    void (*weighted_sum)(const float *p, void *const *x, int32_t n_src, int64_t first, float *y, int64_t n);
    void (*binary)(int32_t algo, const mn_simd_operand *a, const mn_simd_operand *b, float *y, int64_t n_vec);
    void (*binary_flat)(int32_t algo, const float *a, const float *b, float *y, int64_t n);
    void (*act)(int32_t act, float alpha, float beta, const float *x, float *y, int64_t n);
    void (*act_back)(int32_t act, float alpha, float beta, const float *x, const float *gy, float *gx, int64_t n);
    void (*sgd)(const mn_simd_sgd *c, float *w, const float *g, float *buf, int64_t n); /* buf may be NULL */
    void (*adam)(const mn_simd_adam *c, float *w, const float *g, float *m, float *v, int64_t n);
    /* mean, buf: may be NULL */
    void (*rmsprop)(const mn_simd_rmsprop *c, float *w, const float *g, float *v, float *mean, float *buf, int64_t n);
    void (*adagrad)(const mn_simd_adagrad *c, float *w, const float *g, float *sum, int64_t n);
} mn_simd_flat;

/* Which pixels of a channel block: n images that are `step` floats apart, hw pixels of each. `stream`: what is written
 * is larger than the caches and aligned to whole vectors, so it goes past them. */
typedef struct mn_simd_pixels {
    int64_t n, step, hw;
    int32_t stream;
} mn_simd_pixels;

/* Batch norm's constants of one channel block. */
typedef struct mn_simd_norm_block {
    float mean[MN_SIMD_BLOCK_MAX], scale[MN_SIMD_BLOCK_MAX], shift[MN_SIMD_BLOCK_MAX], slope[MN_SIMD_BLOCK_MAX];
    float beta[MN_SIMD_BLOCK_MAX];
} mn_simd_norm_block;

/* Batch norm over pixels of one channel block; act is NONE, RELU, RELU6 or HARD_SWISH. e is gy times the activation's
 * slope at (x - mean) scale + beta; that of RELU and RELU6 is found in y unless it is NULL. */
typedef struct mn_simd_norm {
    /* sum and sumsq (B doubles each) of x - origin */
    void (*sums)(const mn_simd_pixels *p, const float *origin, const float *x, double *sum, double *sumsq);
    /* y = act((x - mean) scale + shift + residual); residual may be NULL */
    void (*apply)(const mn_simd_pixels *p, int32_t act, const mn_simd_norm_block *c, const float *x,
                  const float *residual, float *y);
    /* Sums of e and of e (x - mean); stored unless `e` is NULL. */
    void (*back_sums)(const mn_simd_pixels *p, int32_t act, const mn_simd_norm_block *c, const float *x, const float *y,
                      const float *gy, float *e, double *sum, double *dot);
    /* gx = e scale + shift - (x - mean) slope */
    void (*back_apply)(const mn_simd_pixels *p, int32_t act, const mn_simd_norm_block *c, const float *x,
                       const float *y, const float *gy, float *gx);
} mn_simd_norm;

/* One axis of a pooling window. */
typedef struct mn_simd_pool_axis {
    int64_t in, out, kernel, stride, dilation, pad_begin, pad_end;
} mn_simd_pool_axis;

typedef struct mn_simd_pool_geometry {
    mn_simd_pool_axis axis[2]; /* rows, columns */
    int32_t include_pad, stream; /* stream: as in mn_simd_pixels */
} mn_simd_pool_geometry;

/* Pooling of one plane; forward uses `row`, with room for a row of inputs. */
typedef struct mn_simd_pool {
    void (*max)(const mn_simd_pool_geometry *g, const float *x, float *row, float *y);
    void (*max_back)(const mn_simd_pool_geometry *g, const float *x, const float *y, const float *gy, float *gx);
    void (*avg)(const mn_simd_pool_geometry *g, const float *x, float *row, float *y);
    void (*avg_back)(const mn_simd_pool_geometry *g, const float *gy, float *gx);
} mn_simd_pool;

/* Depthwise convolution of one plane. Weights and their gradient are [kh][kw][B]. */
typedef struct mn_simd_dw_geometry {
    int64_t in[2], out[2], kernel[2], stride[2], dilation[2], pad[2]; /* rows, columns; pad: top, left */
    int32_t stream;                                                   /* as in mn_simd_pixels */
    int32_t ahead; /* forward: the plane that follows in memory is next, and not in the caches yet */
} mn_simd_dw_geometry;

/* What forward does with its sums of one channel block, if told so: y = min(max(sum scale + shift, low), high). */
typedef struct mn_simd_dw_post {
    float scale[MN_SIMD_BLOCK_MAX], shift[MN_SIMD_BLOCK_MAX], low, high;
} mn_simd_dw_post;

/* A strip: some neighbouring columns over all rows of the plane, the first of them at `first`. Forward and back_weights
 * count output columns; back_data counts input columns with the padding in front, from a multiple of the stride on. */
typedef void (*mn_simd_dw_forward_fn)(const mn_simd_dw_geometry *g, int64_t first, const float *x, const float *w,
                                      const mn_simd_dw_post *post, float *y);
typedef void (*mn_simd_dw_back_data_fn)(const mn_simd_dw_geometry *g, int64_t first, const float *gy, const float *w,
                                        float *gx);
/* gw += the strip's share */
typedef void (*mn_simd_dw_back_weights_fn)(const mn_simd_dw_geometry *g, int64_t first, const float *x, const float *gy,
                                           float *gw);

/* Strip functions of one width, unrolled for a square kernel (side, stride, dilation); padding at
 * most dilation (side - 1). */
typedef struct mn_simd_dw_strip {
    int32_t side, stride, dilation, width;
    mn_simd_dw_forward_fn forward;
    mn_simd_dw_back_data_fn back_data;
    mn_simd_dw_back_weights_fn back_weights;
} mn_simd_dw_strip;

typedef struct mn_simd_depthwise {
    const mn_simd_dw_strip *strips; /* wider ones first */
    int32_t n_strips;
    /* any kernel, the whole plane */
    void (*back_weights)(const mn_simd_dw_geometry *g, const float *x, const float *gy, float *gw);
} mn_simd_depthwise;

/* A sum over the channels of a wide tensor for some narrow blocks. */
typedef struct mn_simd_reduce {
    int64_t n_px, wide_blocks, narrow_blocks;
    int64_t wide_step, narrow_step, w_step; /* floats between blocks; w: [narrow block][wide channel][B] */
    int32_t add;                            /* 1: to what is there */
    const float *next; /* n_px vectors of each wide block that are read afterwards, next_step apart; or NULL */
    int64_t next_step;
} mn_simd_reduce;

/* y = min(max(sum + shift, low), high) of one channel block. */
typedef struct mn_simd_clamp {
    float shift[MN_SIMD_BLOCK_MAX], low, high;
} mn_simd_clamp;

/* A narrow tensor has `channels` channels, whose blocks lie `step` floats apart. Of a wide one 1 or 2 blocks are made or
 * read at once, wide_step apart; two of them cost less than twice one. */
typedef struct mn_simd_expand {
    int64_t channels, step, n_px;
    int64_t blocks, wide_step, w_step;
    const mn_simd_clamp *post; /* of each wide block, with the same borders; or NULL */
    const float *next;         /* n_px vectors for each wide block that are wanted afterwards, next_step apart; or NULL */
    int64_t next_step;
} mn_simd_expand;

/* Pixels: n images, `image` floats apart in the narrow tensor, side by side in the wide one. */
typedef struct mn_simd_outer {
    int64_t channels, step, n, image, hw;
    int64_t blocks, wide_step, gw_step;
} mn_simd_outer;

/* Products of channels over pixels. */
typedef struct mn_simd_matrix {
    /* wide[p] = sum over c: narrow[c][p] w[c]; w has a vector a channel */
    void (*expand)(const mn_simd_expand *e, const float *narrow, const float *w, float *wide);
    /* gw[c] += sum over p: narrow[c][p] wide[p] */
    void (*outer)(const mn_simd_outer *o, const float *narrow, const float *wide, float *gw);
    /* narrow[p] = sum over c: wide[c][p] w[c] */
    void (*reduce)(const mn_simd_reduce *r, const float *wide, const float *w, float *narrow);
    /* [rows][columns] tiles of B x B, turned round as a whole and inside */
    void (*transpose)(const float *from, int64_t rows, int64_t columns, float *to);
} mn_simd_matrix;

typedef struct mn_simd {
    int32_t block; /* B */
    const mn_simd_flat *flat;
    const mn_simd_norm *norm;
    const mn_simd_pool *pool;
    const mn_simd_depthwise *depthwise;
    const mn_simd_matrix *matrix;
} mn_simd;

extern const mn_simd mn_simd_avx512, mn_simd_avx2, mn_simd_portable;

#define MN_SIMD_TABLES(isa)                                                                                            \
    extern const mn_simd_flat mn_simd_flat_##isa;                                                                      \
    extern const mn_simd_norm mn_simd_norm_##isa;                                                                      \
    extern const mn_simd_pool mn_simd_pool_##isa;                                                                      \
    extern const mn_simd_depthwise mn_simd_depthwise_##isa;                                                            \
    extern const mn_simd_matrix mn_simd_matrix_##isa;
MN_SIMD_TABLES(avx512)
MN_SIMD_TABLES(avx2)
MN_SIMD_TABLES(portable)

#endif
