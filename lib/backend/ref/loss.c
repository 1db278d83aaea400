/* Pointwise losses: the mean over all elements of what loss_body.h makes of prediction and target. */
#define LOSS_REAL MN_REAL
#include "backend/loss_body.h"

#include "backend/backend.h"
#include "backend/ref/ref.h"

int MN_REF(check_labels)(const mn_ref_call *c) {
    const int64_t n = c->k->src.dims[0], classes = c->k->src.dims[1];
    const int32_t *labels = c->args[1];
    if (c->k->flags & MODNAS_KF_SOFT_TARGET) return 0;
    const int64_t bad = loss_bad_label(labels, n, classes);
    if (bad == n) return 0;
    return MN_REF(fail)(c, MODNAS_EINVAL, "%s: sample %lld has label %d, there are classes 0..%lld",
                        mn_kernel_name(c->k->kind), (long long)bad, (int)labels[bad], (long long)(classes - 1));
}

int MN_REF(loss_fits)(const modnas_kernel *k) {
    return MN_REF(dims_ok)(&k->src) && k->algo >= 0 && k->algo < N_LOSSES && loss_shapes_fit(k);
}

/* All elements; nothing is written when one cannot be used. */
static int range_of(const mn_ref_call *c, loss_range *r) {
    const int soft = c->k->flags & MODNAS_KF_SOFT_TARGET;
    *r = (loss_range){.x = c->args[0],
                      .t = soft ? c->args[1] : NULL,
                      .labels = soft ? NULL : c->args[1],
                      .classes = c->k->src.dims[1],
                      .end = MN_REF(count)(&c->k->src),
                      .b = c->scalars[0]};
    const int rc = MN_REF(check_labels)(c);
    if (rc || c->k->algo != MODNAS_LOSS_BCE) return rc;
    const int64_t bad = loss_bad_probability(r->x, r->end);
    if (bad == r->end) return 0;
    return MN_REF(fail)(c, MODNAS_EINVAL, "loss: bce wants probabilities, element %lld is %g", (long long)bad,
                        (double)r->x[bad]);
}

int MN_REF(loss_forward)(const mn_ref_call *c) {
    loss_range r;
    const int rc = range_of(c, &r);
    if (rc) return rc;
    *(mn_real *)c->args[2] = (mn_real)(loss_rows[c->k->algo].sum(&r) / (double)r.end);
    return 0;
}

int MN_REF(loss_backward)(const mn_ref_call *c) {
    loss_range r;
    const int rc = range_of(c, &r);
    if (rc) return rc;
    const double g = (double)*(const mn_real *)c->args[2];
    loss_rows[c->k->algo].back(&r, g / (double)r.end, c->args[3]);
    return 0;
}
