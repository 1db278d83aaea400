/* What a mixed operator is made of: y = sum_i p[i] x_i (weighted_sum), and the two halves of its gradient, p[i] g
 * (scale) and sum g x_i (dot, into element i of a vector). */
#include "backend/ref/ref.h"

static int elementwise(const modnas_kernel *k) {
    return MN_REF(dims_ok)(&k->src) && MN_REF(same_dims)(&k->src, &k->dst) && MN_REF(dims_ok)(&k->weights);
}

int MN_REF(weighted_sum_fits)(const modnas_kernel *k) {
    return elementwise(k) && k->n_src >= 1 && k->n_src <= MN_REF_MAX_ARGS - 2 && MN_REF(count)(&k->weights) >= k->n_src;
}

int MN_REF(weighted_sum_forward)(const mn_ref_call *c) {
    enum { BLOCK = 256 };
    const int64_t n = MN_REF(count)(&c->k->src), n_src = c->k->n_src;
    const mn_real *p = c->args[0];
    mn_real *y = c->args[n_src + 1];
    for (int64_t first = 0; first < n; first += BLOCK) {
        double acc[BLOCK] = {0};
        const int64_t len = n - first < BLOCK ? n - first : BLOCK;
        for (int64_t s = 0; s < n_src; s++) {
            const mn_real *x = (const mn_real *)c->args[s + 1] + first;
            for (int64_t i = 0; i < len; i++) acc[i] += (double)p[s] * (double)x[i];
        }
        for (int64_t i = 0; i < len; i++) y[first + i] = (mn_real)acc[i];
    }
    return 0;
}

/* scalars[0] as an index into a vector of n elements; -1 with the text set if it is none. */
static int64_t index_of(const mn_ref_call *c, int64_t n) {
    const double i = c->scalars[0];
    if (i >= 0 && i < (double)n && i == (double)(int64_t)i) return (int64_t)i;
    MN_REF(fail)(c, MODNAS_EINVAL, "scale or dot: index %g is not one of the vector's %lld", i, (long long)n);
    return -1;
}

int MN_REF(scale_fits)(const modnas_kernel *k) {
    return elementwise(k);
}

int MN_REF(scale_forward)(const mn_ref_call *c) {
    const int64_t index = index_of(c, MN_REF(count)(&c->k->weights));
    if (index < 0) return MODNAS_EINVAL;
    const mn_real *x = c->args[1], p = ((const mn_real *)c->args[0])[index];
    mn_real *y = c->args[2];
    const int64_t n = MN_REF(count)(&c->k->src);
    for (int64_t i = 0; i < n; i++) y[i] = p * x[i];
    return 0;
}

int MN_REF(dot_fits)(const modnas_kernel *k) {
    return MN_REF(dims_ok)(&k->src) && MN_REF(same_dims)(&k->src, &k->weights) && MN_REF(dims_ok)(&k->dst);
}

int MN_REF(dot_forward)(const mn_ref_call *c) {
    const int64_t index = index_of(c, MN_REF(count)(&c->k->dst));
    if (index < 0) return MODNAS_EINVAL;
    ((mn_real *)c->args[2])[index] = (mn_real)MN_REF(dot)(c->args[0], c->args[1], MN_REF(count)(&c->k->src));
    return 0;
}
