/* Depthwise convolutions on our own kernels instead of oneDNN's. */
#ifndef MN_DNNL_DEPTHWISE_H
#define MN_DNNL_DEPTHWISE_H

#include "backend/dnnl/dnnl_backend.h"

typedef struct mn_dnnl_depthwise mn_dnnl_depthwise;

/* One filter a channel? Their weights rest in channel blocks. */
int mn_dnnl_depthwise_is(const mn_dnnl *s, const modnas_kernel *k);
/* Is this pass, with these layouts, one that we run ourselves? 0, 1 or a status. */
int mn_dnnl_depthwise_fits(mn_dnnl *s, const modnas_kernel *k);
int mn_dnnl_depthwise_plan(mn_dnnl *s, mn_dnnl_plan *p, mn_dnnl_depthwise **out);
int mn_dnnl_depthwise_run(mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_depthwise *d, const mn_dnnl_run *r);
void mn_dnnl_depthwise_free(mn_dnnl *s, mn_dnnl_depthwise *d); /* NULL is fine */

#endif
