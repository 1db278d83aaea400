/* y = a x + b y, the one kernel that look-ahead is made of. */
#include "train/arena.h"

#include <string.h>

int mn_axpby_new(mn_store *s, mn_axpby *out) {
    modnas_kernel k;
    memset(&k, 0, sizeof k);
    k.kind = MODNAS_KERNEL_AXPBY;
    k.pass = MODNAS_FORWARD;
    k.dtype = mn_store_dtype(s);
    out->elem_bytes = mn_store_elem_bytes(s);
    return mn_backend_plan(mn_store_backend(s), &k, &out->plan);
}

int mn_axpby_run(const mn_axpby *k, size_t offset, size_t count, double a, const void *x, double b, void *y) {
    const size_t at = offset * k->elem_bytes;
    void *args[] = {(char *)(uintptr_t)x + at, (char *)y + at};
    const double scalars[] = {(double)count, a, b};
    return count ? mn_plan_run(k->plan, args, 2, scalars, 3, NULL) : 0;
}
