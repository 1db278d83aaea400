/* A recorded forward, to be read: which operators, told what, on which values, for which part of the network. What is
 * written in another format is read off here. */
#ifndef MN_VIEW_H
#define MN_VIEW_H

#include "graph/graph.h"

/* What an operator is told beside its sources, by its name. */
typedef union mn_attrs {
    mn_conv_opts conv;                                             /* conv2d */
    struct { mn_bn_opts o; mn_value *mean, *var; } bn;             /* batch_norm */
    mn_pool_opts pool;                                             /* pool2d */
    struct { int32_t act; double alpha, beta; } act;               /* activation */
    struct { int32_t algo; } binary, reduce;                       /* binary, extremum; reduce */
    struct { int32_t axis; } concat;
    struct { int32_t start[4], step[4], count[4]; double fill; } box; /* slice; pad: start is what lies before src */
    struct { int32_t groups; } shuffle;
    struct { double p; } dropout;
    struct { int32_t log; } softmax;
    struct { int32_t kind, algo, flags; double scalar; } loss;
    struct { uint32_t index; } pick;   /* first of n indices in run->indices; n = dst->dims[1] */
    struct { int32_t chosen; } gate;
    struct { int32_t weights, layout; } excerpt; /* 1: of weights, not of a vector; where it is to rest */
    struct { int32_t expand, norm1, depthwise, norm2; } bottleneck; /* made by fusion: its vertices; expand and norm1 -1:
                                                                       no expansion */
} mn_attrs;

/* One vertex. All that it points to lasts until the next mn_run_begin. */
typedef struct mn_view {
    const char *op;
    const mn_attrs *u;
    mn_value *const *src; /* n_src of them, NULL for one that is left out */
    int32_t n_src;
    mn_value *dst;        /* dst->producer: number of the vertex; of parameters, inputs and constants it is -1 */
    const int32_t *index; /* pick: dst->dims[1] indices */
    const void *part;     /* what it was recorded for (mn_run_within) */
} mn_view;

/* Append the vertices that `result` needs (NULL: all of them), in the order of recording. Before planning, which changes them. */
int mn_run_view(const mn_run *run, const mn_value *result, mn_vec *views /* mn_view */);
size_t mn_run_n_vertices(const mn_run *run); /* above every dst->producer */
const double *mn_run_constant(const mn_run *run, const mn_value *v); /* contents; NULL: it is no constant */

#endif
