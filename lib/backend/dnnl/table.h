/* ORDER KERNELS: the rows of the kernel table, each defined in the file of its kernel. */
#ifndef MN_DNNL_TABLE_H
#define MN_DNNL_TABLE_H

#include "backend/dnnl/dnnl_backend.h"

extern const mn_dnnl_kernel mn_dnnl_conv2d;       /* conv.c */
extern const mn_dnnl_kernel mn_dnnl_linear;       /* linear.c */
extern const mn_dnnl_kernel mn_dnnl_batch_norm;   /* batch_norm.c */
extern const mn_dnnl_kernel mn_dnnl_pool2d;       /* pool.c */
extern const mn_dnnl_kernel mn_dnnl_activation;   /* activation.c */
extern const mn_dnnl_kernel mn_dnnl_binary;       /* elementwise.c */
extern const mn_dnnl_kernel mn_dnnl_weighted_sum; /* elementwise.c */
extern const mn_dnnl_kernel mn_dnnl_scale;        /* elementwise.c */
extern const mn_dnnl_kernel mn_dnnl_dot;          /* elementwise.c */
extern const mn_dnnl_kernel mn_dnnl_copy;         /* copy.c */
extern const mn_dnnl_kernel mn_dnnl_shuffle;      /* copy.c */
extern const mn_dnnl_kernel mn_dnnl_dropout;      /* dropout.c */
extern const mn_dnnl_kernel mn_dnnl_fill;         /* flat.c */
extern const mn_dnnl_kernel mn_dnnl_axpby;        /* flat.c */
extern const mn_dnnl_kernel mn_dnnl_sumsq;        /* flat.c */
extern const mn_dnnl_kernel mn_dnnl_sgd;          /* flat.c */
extern const mn_dnnl_kernel mn_dnnl_adam;         /* flat.c */
extern const mn_dnnl_kernel mn_dnnl_rmsprop;      /* flat.c */
extern const mn_dnnl_kernel mn_dnnl_adagrad;      /* flat.c */
extern const mn_dnnl_kernel mn_dnnl_reorder;      /* reorder.c */
extern const mn_dnnl_kernel mn_dnnl_reduce;       /* reduce.c */
extern const mn_dnnl_kernel mn_dnnl_loss;         /* loss.c */
extern const mn_dnnl_kernel mn_dnnl_bottleneck;   /* bottleneck.c */

#endif
