/* Dropout: dst = src mask, mask = 1 / (1 - p) where the element is kept, else 0.
 *
 * Element i of plain order is kept when word i of the generator (seed, stream 0, step), scaled by 2^-32, is >= p: a
 * function of the position, so that any split over threads and any backend gives the same mask. */
#include "backend/ref/ref.h"
#include "base/base.h"

int MN_REF(dropout_fits)(const modnas_kernel *k) {
    return MN_REF(dims_ok)(&k->src) && MN_REF(same_dims)(&k->src, &k->dst);
}

int MN_REF(dropout_forward)(const mn_ref_call *c) {
    const int64_t n = MN_REF(count)(&c->k->src);
    const double p = c->scalars[0];
    const mn_real *x = c->args[0], keep = (mn_real)(1 / (1 - p));
    mn_real *y = c->args[1], *mask = c->args[2];
    mn_rng rng;
    if (!(p >= 0 && p < 1)) return MN_REF(fail)(c, MODNAS_EINVAL, "dropout: p is %g, not in [0, 1)", p);
    mn_rng_init(&rng, (uint64_t)c->scalars[1], 0, (uint64_t)c->scalars[2]);
    for (int64_t i = 0; i < n; i++) {
        mask[i] = mn_rng_u32(&rng) * 0x1p-32 >= p ? keep : 0;
        y[i] = x[i] * mask[i];
    }
    return 0;
}

int MN_REF(dropout_backward)(const mn_ref_call *c) {
    const int64_t n = MN_REF(count)(&c->k->src);
    const mn_real *mask = c->args[0], *gy = c->args[1];
    mn_real *gx = c->args[2];
    for (int64_t i = 0; i < n; i++) gx[i] = gy[i] * mask[i];
    return 0;
}
