/* Pointwise losses on plain tensors: the range is cut into parts, their sums are added in index order. */
#define LOSS_REAL float
#include "backend/loss_body.h"

#include "backend/dnnl/layout.h"
#include "backend/dnnl/parallel.h"
#include "backend/dnnl/table.h"

enum { PARTS_MAX = 256, PART_ALIGN = 64 };

typedef struct loss_job {
    const loss_row *row;
    loss_range all;
    double factor, *partial;
    float *gx; /* NULL: forward */
} loss_job;

static void loss_part(const void *job, int32_t part, int32_t parts) {
    const loss_job *j = job;
    loss_range r = j->all;
    mn_dnnl_range(j->all.end, PART_ALIGN, part, parts, &r.begin, &r.end);
    if (j->gx)
        j->row->back(&r, j->factor, j->gx);
    else
        j->partial[part] = j->row->sum(&r);
}

static int check(mn_dnnl *s, const modnas_kernel *k, const loss_range *r) {
    const int64_t n = k->src.dims[0], label = r->labels ? loss_bad_label(r->labels, n, r->classes) : n;
    if (label < n)
        return mn_dnnl_fail(s, MODNAS_EINVAL, "loss: sample %lld has label %d, there are classes 0..%lld",
                            (long long)label, (int)r->labels[label], (long long)(r->classes - 1));
    const int64_t bad = k->algo == MODNAS_LOSS_BCE ? loss_bad_probability(r->x, r->end) : r->end;
    if (bad < r->end)
        return mn_dnnl_fail(s, MODNAS_EINVAL, "loss: bce wants probabilities, element %lld is %g", (long long)bad,
                            (double)r->x[bad]);
    return 0;
}

static int loss_run(mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_run *r) {
    const modnas_kernel *k = &p->k;
    const int soft = k->flags & MODNAS_KF_SOFT_TARGET, back = k->pass == MODNAS_BACKWARD_DATA;
    double partial[PARTS_MAX] = {0}, sum = 0;
    loss_job j = {.row = &loss_rows[k->algo],
                  .all = {.x = mn_dnnl_arg(r, 0),
                          .t = soft ? r->args[1] : NULL,
                          .labels = soft ? NULL : r->args[1],
                          .classes = k->src.dims[1],
                          .end = mn_dnnl_floats(s, &k->src),
                          .b = r->scalars[0]},
                  .partial = partial};
    const int rc = check(s, k, &j.all);
    if (rc) return rc;
    if (back) {
        j.gx = mn_dnnl_arg(r, 3);
        j.factor = *mn_dnnl_arg(r, 2) / (double)j.all.end;
    }
    const int32_t parts = mn_dnnl_parts(s, j.all.end * (int64_t)sizeof(float));
    mn_dnnl_parallel(parts, loss_part, &j);
    for (int32_t i = 0; i < parts; i++) sum += partial[i];
    if (!back) *mn_dnnl_arg(r, 2) = (float)(sum / (double)j.all.end);
    return 0;
}

static int loss_supports(mn_dnnl *s, const modnas_kernel *k) {
    (void)s;
    if (k->src.layout != MODNAS_LAYOUT_PLAIN || k->weights.layout != MODNAS_LAYOUT_PLAIN ||
        k->dst.layout != MODNAS_LAYOUT_PLAIN)
        return 0;
    return mn_dnnl_is_activation(&k->src) && k->algo >= 0 && k->algo < N_LOSSES && loss_shapes_fit(k);
}

static int32_t loss_want(mn_dnnl *s, const modnas_kernel *k, int32_t role) {
    (void)s;
    (void)k;
    (void)role;
    return MODNAS_LAYOUT_PLAIN;
}

const mn_dnnl_kernel mn_dnnl_loss = {
    .kind = MODNAS_KERNEL_LOSS,
    .plan_bytes = sizeof(mn_dnnl_plan),
    .supports = loss_supports,
    .want = loss_want,
    .run = loss_run,
    .n_args = {3, 4},
    .n_scalars = {1, 1},
};
