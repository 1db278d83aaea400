/* Depthwise convolutions on our own kernels instead of oneDNN's. */
#ifndef MN_DNNL_DEPTHWISE_H
#define MN_DNNL_DEPTHWISE_H

#include "backend/dnnl/dnnl_backend.h"

typedef struct mn_dnnl_depthwise mn_dnnl_depthwise;

/* Strips that cover the columns of a plane. */
enum { MN_DNNL_STRIPS_MAX = 64 };
typedef struct mn_dnnl_cover {
    const mn_simd_dw_strip *strips[MN_DNNL_STRIPS_MAX];
    int64_t first[MN_DNNL_STRIPS_MAX];
    int32_t n;
} mn_dnnl_cover;

/* Cover a plane for forward and backward-weights (output columns) or backward-data (`back`: input columns); 0 if the
 * kernel has no strips or too many would be needed. */
int mn_dnnl_cover_init(const mn_dnnl *s, const mn_simd_dw_geometry *g, int back, mn_dnnl_cover *c);
mn_simd_dw_geometry mn_dnnl_depthwise_geometry(const modnas_kernel *k);
/* Windows as the formula of the output size has them, with no more padding than taps. */
int mn_dnnl_depthwise_is_regular(const modnas_kernel *k);

/* One filter a channel? Their weights rest in channel blocks. */
int mn_dnnl_depthwise_is(const mn_dnnl *s, const modnas_kernel *k);
/* Is this pass, with these layouts, one that we run ourselves? 0, 1 or a status. */
int mn_dnnl_depthwise_fits(mn_dnnl *s, const modnas_kernel *k);
int mn_dnnl_depthwise_plan(mn_dnnl *s, mn_dnnl_plan *p, mn_dnnl_depthwise **out);
int mn_dnnl_depthwise_run(mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_depthwise *d, const mn_dnnl_run *r);
void mn_dnnl_depthwise_free(mn_dnnl *s, mn_dnnl_depthwise *d); /* NULL is fine */

#endif
