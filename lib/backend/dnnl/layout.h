/* Layout ids and the memory descriptors they stand for.
 *
 *   0       plain row-major
 *   1       channel-blocked activations, B = the instruction set's block
 *   16 + i  convolution weights in a layout that oneDNN chose (descriptor i, kept in the opened backend) */
#ifndef MN_DNNL_LAYOUT_H
#define MN_DNNL_LAYOUT_H

#include "backend/dnnl/dnnl_backend.h"

enum { MN_DNNL_LAYOUT_WEIGHTS = 16 };

/* Descriptor of an activation (plain or blocked), to be destroyed by the caller. */
dnnl_status_t mn_dnnl_md_activation(mn_dnnl *s, const modnas_tdesc *t, dnnl_memory_desc_t *md);
/* The same dims, layout left to oneDNN. */
dnnl_status_t mn_dnnl_md_any(mn_dnnl *s, const modnas_tdesc *t, dnnl_memory_desc_t *md);
/* Descriptor of weights (O, I/groups, KH, KW) as they rest: plain or an id of this backend. Destroyed by the caller. */
dnnl_status_t mn_dnnl_md_weights(mn_dnnl *s, const modnas_tdesc *t, int32_t groups, dnnl_memory_desc_t *md);
dnnl_status_t mn_dnnl_md_weights_any(mn_dnnl *s, const modnas_tdesc *t, int32_t groups, dnnl_memory_desc_t *md);
/* Depthwise weights in channel blocks: [O/B][KH][KW][B]. */
dnnl_status_t mn_dnnl_md_weights_depthwise(mn_dnnl *s, const modnas_tdesc *t, int32_t groups, dnnl_memory_desc_t *md);
/* Weights of a 1x1 convolution in tiles of B x B: [O/B][I/B][i][o]. */
dnnl_status_t mn_dnnl_md_weights_tiled(mn_dnnl *s, const modnas_tdesc *t, dnnl_memory_desc_t *md);
/* n floats. */
dnnl_status_t mn_dnnl_md_vector(mn_dnnl *s, int64_t n, dnnl_memory_desc_t *md);
/* (1,C,1,1) as a plain tensor. */
dnnl_status_t mn_dnnl_md_channels(mn_dnnl *s, int64_t channels, dnnl_memory_desc_t *md);

/* What decides where a convolution's weights rest. */
typedef struct mn_dnnl_geometry {
    int64_t out, in; /* O, I/groups */
    int32_t kernel[2], stride[2], dilation[2], groups, reserved;
} mn_dnnl_geometry;

/* The layout id that was remembered for a geometry, or -1. */
int32_t mn_dnnl_layout_find(const mn_dnnl *s, const mn_dnnl_geometry *g);
/* Remember that weights of geometry g rest as `md` (copied), which has the dims of `t`; the id is found again for an
 * equal descriptor. Nothing is remembered on errors. */
dnnl_status_t mn_dnnl_layout_remember(mn_dnnl *s, const mn_dnnl_geometry *g, const modnas_tdesc *t,
                                      const_dnnl_memory_desc_t md, int32_t *layout);

/* 1 if the layout id can describe these weights. */
int mn_dnnl_layout_is_weights(const mn_dnnl *s, const modnas_tdesc *t, int32_t groups);

/* Where weights lie: element (o, i, h, w) at the sum of at[0][o], at[1][i], at[2][h], at[3][w] floats, each table as
 * long as its dim. 0: the layout is of another form, or these are no weights. */
int mn_dnnl_layout_places(mn_dnnl *s, const modnas_tdesc *t, int64_t *const at[4]);

size_t mn_dnnl_layout_bytes(const mn_dnnl *s, const modnas_tdesc *t, int32_t groups);
void mn_dnnl_layouts_free(mn_dnnl *s);

/* ---- geometry of activations ---- */

static inline int64_t mn_dnnl_blocks(const mn_dnnl *s, int64_t channels) {
    return (channels + s->simd->block - 1) / s->simd->block;
}

/* Floats that a tensor takes, padding included. */
int64_t mn_dnnl_floats(const mn_dnnl *s, const modnas_tdesc *t);

/* Set the channels behind the last logical one to 0, in every image; nothing to do for a plain tensor. */
void mn_dnnl_clear_padding(const mn_dnnl *s, const modnas_tdesc *t, float *y);

/* f32 and plain or blocked. */
int mn_dnnl_is_activation(const modnas_tdesc *t);
int mn_dnnl_same_dims(const modnas_tdesc *a, const modnas_tdesc *b);

#endif
