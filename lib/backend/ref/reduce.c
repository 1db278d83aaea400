/* Sum or mean over the axes where dst has size 1. One destination after the other, its sources in plain order. */
#include "backend/ref/ref.h"

int MN_REF(reduce_fits)(const modnas_kernel *k) {
    if (!MN_REF(dims_ok)(&k->src) || !MN_REF(dims_ok)(&k->dst)) return 0;
    for (int i = 0; i < 4; i++)
        if (k->dst.dims[i] != 1 && k->dst.dims[i] != k->src.dims[i]) return 0;
    return k->algo == MODNAS_REDUCE_SUM || k->algo == MODNAS_REDUCE_MEAN;
}

/* Sum of the box that starts at x and covers `n` elements along each axis of src. */
static double box_sum(const mn_real *x, const int64_t stride[4], const int64_t n[4]) {
    double sum = 0;
    for (int64_t i = 0; i < n[0]; i++)
        for (int64_t j = 0; j < n[1]; j++)
            for (int64_t h = 0; h < n[2]; h++)
                sum += MN_REF(sum)(x + i * stride[0] + j * stride[1] + h * stride[2], n[3]);
    return sum;
}

int MN_REF(reduce_forward)(const mn_ref_call *c) {
    const int64_t *from = c->k->src.dims, *to = c->k->dst.dims;
    const int64_t stride[4] = {from[1] * from[2] * from[3], from[2] * from[3], from[3], 1};
    const mn_real *x = c->args[0];
    mn_real *y = c->args[1];
    int64_t n[4], n_terms = 1;
    for (int i = 0; i < 4; i++) {
        n[i] = to[i] == 1 ? from[i] : 1;
        n_terms *= n[i];
    }
    const double factor = c->k->algo == MODNAS_REDUCE_MEAN ? 1 / (double)n_terms : 1;
    for (int64_t at = 0; at < MN_REF(count)(&c->k->dst); at++) {
        const int64_t i[4] = {at / to[3] / to[2] / to[1], at / to[3] / to[2] % to[1], at / to[3] % to[2], at % to[3]};
        const int64_t first = i[0] * stride[0] + i[1] * stride[1] + i[2] * stride[2] + i[3];
        y[at] = (mn_real)(box_sum(x + first, stride, n) * factor);
    }
    return 0;
}
