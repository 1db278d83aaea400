/* Kernels on a flat range of scalars[0] elements: fill, axpby, sum of squares. An operand whose factor is 0 is not
 * read, so that uninitialised memory (or a NaN in it) does not come through. */
#include "backend/ref/ref.h"

int MN_REF(flat_fits)(const modnas_kernel *k) {
    (void)k;
    return 1;
}

int MN_REF(fill_forward)(const mn_ref_call *c) {
    const int64_t n = (int64_t)c->scalars[0];
    const mn_real value = (mn_real)c->scalars[1];
    mn_real *y = c->args[0];
    for (int64_t i = 0; i < n; i++) y[i] = value;
    return 0;
}

int MN_REF(axpby_forward)(const mn_ref_call *c) {
    const int64_t n = (int64_t)c->scalars[0];
    const double a = c->scalars[1], b = c->scalars[2];
    const mn_real *x = c->args[0];
    mn_real *y = c->args[1];
    if (a != 0 && !x) return MN_REF(fail)(c, MODNAS_EINVAL, "axpby: x is missing and a is %g", a);
    for (int64_t i = 0; i < n; i++) y[i] = (mn_real)((a != 0 ? a * (double)x[i] : 0) + (b != 0 ? b * (double)y[i] : 0));
    return 0;
}

int MN_REF(sumsq_forward)(const mn_ref_call *c) {
    const int64_t n = (int64_t)c->scalars[0];
    const double keep = c->scalars[1];
    double *out = c->args[1];
    *out = (keep != 0 ? keep * *out : 0) + MN_REF(dot)(c->args[0], c->args[0], n);
    return 0;
}
