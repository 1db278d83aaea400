/* Copy of a box of weights between the layouts in which they rest, and plain ones. */
#ifndef MN_DNNL_COPY_WEIGHTS_H
#define MN_DNNL_COPY_WEIGHTS_H

#include "backend/dnnl/dnnl_backend.h"

typedef struct mn_dnnl_weights_copy mn_dnnl_weights_copy;

int mn_dnnl_weights_copy_supports(mn_dnnl *s, const modnas_kernel *k);
/* One piece of memory, which the caller frees. */
int mn_dnnl_weights_copy_new(mn_dnnl *s, const modnas_kernel *k, mn_dnnl_weights_copy **out);
int mn_dnnl_weights_copy_run(mn_dnnl *s, const mn_dnnl_weights_copy *p, const float *x, float *y);

#endif
