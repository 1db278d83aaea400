/* Clipping by the global norm, as torch.nn.utils.clip_grad_norm_: gradients are multiplied by max_norm / (norm + 1e-6)
 * where that is below 1. The factor is a run-time scalar of the optimizer's kernel, so clipping itself passes over no
 * memory; the norm is one sum of squares over each active range, added up in range order. */
#include <math.h>
#include <string.h>

#include "train/train.h"

struct mn_grad_norm {
    mn_store *store;
    const mn_plan *plan;
    void *sum; /* one double on the device */
};

double mn_clip_scale(double norm, double max_norm) {
    const double scale = max_norm / (norm + 1e-6);
    return scale < 1 ? scale : 1;
}

int mn_grad_norm_new(mn_store *s, mn_grad_norm **out) {
    mn_backend *b = mn_store_backend(s);
    modnas_ctx *ctx = mn_backend_ctx(b);
    mn_grad_norm *m = mn_alloc(ctx, 1, sizeof *m);
    if (!m) return MODNAS_ENOMEM;
    m->store = s;
    modnas_kernel k;
    memset(&k, 0, sizeof k);
    k.kind = MODNAS_KERNEL_SUMSQ;
    k.pass = MODNAS_FORWARD;
    k.dtype = mn_store_dtype(s);
    int rc = mn_backend_plan(b, &k, &m->plan);
    if (!rc) rc = mn_backend_alloc(b, sizeof(double), &m->sum);
    if (rc) {
        mn_grad_norm_free(m);
        return rc;
    }
    *out = m;
    return 0;
}

void mn_grad_norm_free(mn_grad_norm *m) {
    if (!m) return;
    mn_backend *b = mn_store_backend(m->store);
    if (m->sum) mn_backend_free(b, m->sum);
    mn_free(mn_backend_ctx(b), m);
}

int mn_grad_norm_get(mn_grad_norm *m, double *norm) {
    const mn_range *ranges;
    size_t n;
    MN_TRY(mn_store_active(m->store, &ranges, &n));
    double sum = 0;
    const size_t elem = mn_store_dtype(m->store) == MODNAS_F64 ? sizeof(double) : sizeof(float);
    for (size_t i = 0; i < n; i++) {
        void *args[] = {(char *)mn_store_grads(m->store) + ranges[i].offset * elem, m->sum};
        const double scalars[] = {(double)ranges[i].count, i > 0};
        MN_TRY(mn_plan_run(m->plan, args, 2, scalars, 2, NULL));
    }
    if (n) MN_TRY(mn_backend_download(mn_store_backend(m->store), &sum, m->sum, sizeof sum));
    *norm = sqrt(sum);
    return 0;
}
