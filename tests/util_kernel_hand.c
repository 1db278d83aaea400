/* Kernels of `ref` in f64 on values written down in a test: see util_kernel_hand.h. */
#include "util_kernel_hand.h"

#include <check.h>
#include <math.h>
#include <string.h>

modnas_ctx *kh_ctx;
static mn_backend *ref;

void kh_setup(void) {
    ck_assert_int_eq(modnas_ctx_new(NULL, &kh_ctx), 0);
    ck_assert_int_eq(mn_backend_open(kh_ctx, "ref", 1, &ref), 0);
}

void kh_teardown(void) {
    mn_backend_close(ref);
    modnas_ctx_free(kh_ctx);
}

/* Run a kernel on f64 arguments. */
int kh_run(modnas_kernel *k, void *const *args, int32_t n_args, const double *scalars, int32_t n_scalars) {
    const mn_plan *p;
    void *scratch = NULL;
    k->dtype = MODNAS_F64;
    k->src.dtype = k->dst.dtype = k->weights.dtype = MODNAS_F64;
    MN_TRY(mn_backend_plan(ref, k, &p));
    MN_TRY(mn_backend_alloc(ref, p->scratch + 1, &scratch));
    const int rc = mn_plan_run(p, args, n_args, scalars, n_scalars, scratch);
    mn_backend_free(ref, scratch);
    return rc;
}

modnas_kernel kh_kernel(int32_t kind, int32_t pass) {
    modnas_kernel k;
    memset(&k, 0, sizeof k);
    k.kind = kind;
    k.pass = pass;
    return k;
}

void kh_dims(modnas_tdesc *t, int64_t n, int64_t c, int64_t h, int64_t w) {
    const int64_t dims[4] = {n, c, h, w};
    memcpy(t->dims, dims, sizeof dims);
}

void kh_check(const double *got, const double *want, int n) {
    for (int i = 0; i < n; i++)
        ck_assert_msg(fabs(got[i] - want[i]) <= 1e-12, "value %d is %.15g, by hand %.15g", i, got[i], want[i]);
}
