/* Kernels of `ref` in f64 on values written down in a test. */
#ifndef UTIL_KERNEL_HAND_H
#define UTIL_KERNEL_HAND_H

#include "backend/backend.h"

/* Fixture: a context with `ref` opened. */
extern modnas_ctx *kh_ctx;
void kh_setup(void);
void kh_teardown(void);

modnas_kernel kh_kernel(int32_t kind, int32_t pass);
void kh_dims(modnas_tdesc *t, int64_t n, int64_t c, int64_t h, int64_t w);
/* Plan and run; what the first of both that fails returned. */
int kh_run(modnas_kernel *k, void *const *args, int32_t n_args, const double *scalars, int32_t n_scalars);
void kh_check(const double *got, const double *want, int n); /* within 1e-12 */

#endif
