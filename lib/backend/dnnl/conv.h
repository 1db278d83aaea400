/* Convolution on oneDNN: the pieces that conv.c (the plan), conv_desc.c (which primitive) and conv_post.c (what is
 * fused behind it) share. */
#ifndef MN_DNNL_CONV_H
#define MN_DNNL_CONV_H

#include "backend/dnnl/layout.h"
#include "backend/dnnl/prim.h"

/* Batch norm with running statistics is applied behind the convolution as y = scale[c] conv + shift[c]; both vectors
 * are made at the begin of a run, in scratch. */
typedef struct mn_dnnl_conv_fold {
    size_t scale, shift; /* offsets in scratch */
} mn_dnnl_conv_fold;

enum { MN_DNNL_CONV_RESIDUAL = 8 }; /* index of the residual among the arguments of conv2d FORWARD */

/* conv_desc.c: the primitive descriptor that fits best: with the tensors as they rest, or, where oneDNN has only its
 * slow reference for those, with layouts of its own choice. Destroyed by the caller. */
dnnl_status_t mn_dnnl_conv_desc(mn_dnnl *s, const modnas_kernel *k, const_dnnl_primitive_attr_t attr,
                                dnnl_primitive_desc_t *desc);
/* 1 for a convolution over an image (few channels, not grouped): its src stays plain. */
int mn_dnnl_conv_is_image(const modnas_kernel *k);
/* The layout id where the weights of this convolution rest. */
int32_t mn_dnnl_conv_weights_layout(mn_dnnl *s, const modnas_kernel *k);

/* conv_post.c */
int mn_dnnl_conv_can_fuse(const modnas_kernel *k);
/* Attributes with the operations behind the convolution; *fold gets its place in the plan's scratch. */
dnnl_status_t mn_dnnl_conv_attr(mn_dnnl *s, mn_dnnl_plan *p, dnnl_primitive_attr_t *attr, mn_dnnl_conv_fold *fold);
/* Tell the convolution (last of the chain) where its fused operands lie. */
dnnl_status_t mn_dnnl_conv_post_args(mn_dnnl *s, const modnas_kernel *k, mn_dnnl_chain *c,
                                     const mn_dnnl_conv_fold *fold);
void mn_dnnl_conv_fold_run(const modnas_kernel *k, const mn_dnnl_conv_fold *fold, const mn_dnnl_run *r);

#endif
