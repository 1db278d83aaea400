/* Kernels on flat ranges: fill, axpby, sum of squares, SGD, Adam, RMSprop, Adagrad. The range's length is a scalar of
 * the run; it is cut into parts at whole vectors. Sums of parts are added in index order. */
#include <math.h>

#include "backend/dnnl/parallel.h"
#include "backend/dnnl/table.h"

enum { PARTS_MAX = 256 };

/* One run: where the work goes, and the constants that the kernels want. */
typedef struct flat_job {
    const mn_simd *simd;
    const mn_dnnl_run *run;
    int64_t n;
    int32_t momentum; /* sgd, rmsprop: a buffer is given */
    int32_t centered; /* rmsprop: a mean is given */
    mn_simd_sgd sgd;
    mn_simd_adam adam;
    mn_simd_rmsprop rmsprop;
    mn_simd_adagrad adagrad;
    double *partial; /* by part */
} flat_job;

static float scalar(const flat_job *j, int32_t i) {
    return (float)j->run->scalars[i];
}

/* Argument i of the run from element `begin` on; NULL stays NULL. */
static float *at(const flat_job *j, int32_t i, int64_t begin) {
    float *mem = mn_dnnl_arg(j->run, i);
    return mem ? mem + begin : NULL;
}

/* The piece of the range that belongs to a part. */
static int64_t piece(const flat_job *j, int32_t part, int32_t parts, int64_t *begin) {
    int64_t end;
    mn_dnnl_range(j->n, MN_SIMD_BLOCK_MAX, part, parts, begin, &end);
    return end - *begin;
}

static flat_job job_of(const mn_dnnl *s, const mn_dnnl_run *r) {
    return (flat_job){.simd = s->simd, .run = r, .n = (int64_t)r->scalars[0]};
}

static int run_parts(const mn_dnnl *s, const flat_job *j, mn_dnnl_part_fn fn) {
    if (j->n > 0) mn_dnnl_parallel(mn_dnnl_parts(s, j->n * (int64_t)sizeof(float)), fn, j);
    return 0;
}

static void fill_part(const void *job, int32_t part, int32_t parts) {
    const flat_job *j = job;
    int64_t begin;
    const int64_t n = piece(j, part, parts, &begin);
    j->simd->flat->fill(at(j, 0, begin), n, scalar(j, 1));
}

static int fill_run(mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_run *r) {
    (void)p;
    const flat_job j = job_of(s, r);
    return run_parts(s, &j, fill_part);
}

static void axpby_part(const void *job, int32_t part, int32_t parts) {
    const flat_job *j = job;
    int64_t begin;
    const int64_t n = piece(j, part, parts, &begin);
    j->simd->flat->axpby(at(j, 0, begin), at(j, 1, begin), n, scalar(j, 1), scalar(j, 2));
}

static int axpby_run(mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_run *r) {
    (void)p;
    const flat_job j = job_of(s, r);
    return run_parts(s, &j, axpby_part);
}

static void sumsq_part(const void *job, int32_t part, int32_t parts) {
    const flat_job *j = job;
    int64_t begin;
    const int64_t n = piece(j, part, parts, &begin);
    const float *x = at(j, 0, begin);
    j->partial[part] = j->simd->flat->dot(x, x, n);
}

static int sumsq_run(mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_run *r) {
    (void)p;
    double partial[PARTS_MAX] = {0}, sum = 0;
    flat_job j = job_of(s, r);
    j.partial = partial;
    run_parts(s, &j, sumsq_part);
    for (int32_t i = 0; i < s->threads; i++) sum += partial[i];
    double *out = r->args[1];
    const double keep = r->scalars[1];
    *out = keep != 0 ? keep * *out + sum : sum;
    return 0;
}

static void sgd_part(const void *job, int32_t part, int32_t parts) {
    const flat_job *j = job;
    int64_t begin;
    const int64_t n = piece(j, part, parts, &begin);
    j->simd->flat->sgd(&j->sgd, at(j, 0, begin), at(j, 1, begin), j->momentum ? at(j, 2, begin) : NULL, n);
}

static int sgd_run(mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_run *r) {
    flat_job j = job_of(s, r);
    j.momentum = (p->k.flags & MODNAS_KF_MOMENTUM) != 0;
    if (j.momentum && !mn_dnnl_arg(r, 2)) return mn_dnnl_fail(s, MODNAS_EINVAL, "sgd: the momentum buffer is missing");
    j.sgd = (mn_simd_sgd){.lr = scalar(&j, 1),
                          .momentum = scalar(&j, 2),
                          .rest = (float)(1 - r->scalars[3]),
                          .decay = scalar(&j, 4),
                          .first = r->scalars[5] != 0,
                          .g_scale = scalar(&j, 6),
                          .nesterov = (p->k.flags & MODNAS_KF_NESTEROV) != 0};
    return run_parts(s, &j, sgd_part);
}

static void adam_part(const void *job, int32_t part, int32_t parts) {
    const flat_job *j = job;
    int64_t begin;
    const int64_t n = piece(j, part, parts, &begin);
    j->simd->flat->adam(&j->adam, at(j, 0, begin), at(j, 1, begin), at(j, 2, begin), at(j, 3, begin), n);
}

static int adam_run(mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_run *r) {
    const double lr = r->scalars[1], beta1 = r->scalars[2], beta2 = r->scalars[3], decay = r->scalars[5],
                 t = r->scalars[6];
    flat_job j = job_of(s, r);
    j.adam = (mn_simd_adam){.lr = (float)(lr / (1 - pow(beta1, t))),
                            .beta1 = (float)beta1,
                            .beta2 = (float)beta2,
                            .rest1 = (float)(1 - beta1),
                            .rest2 = (float)(1 - beta2),
                            .eps = scalar(&j, 4),
                            .decay = (float)decay,
                            .g_scale = scalar(&j, 7),
                            .correction2 = (float)sqrt(1 - pow(beta2, t)),
                            .decoupled = (p->k.flags & MODNAS_KF_DECOUPLED) != 0,
                            .shrink = (float)(1 - lr * decay)};
    return run_parts(s, &j, adam_part);
}

static void rmsprop_part(const void *job, int32_t part, int32_t parts) {
    const flat_job *j = job;
    int64_t begin;
    const int64_t n = piece(j, part, parts, &begin);
    float *mean = j->centered ? at(j, 3, begin) : NULL, *buf = j->momentum ? at(j, 4, begin) : NULL;
    j->simd->flat->rmsprop(&j->rmsprop, at(j, 0, begin), at(j, 1, begin), at(j, 2, begin), mean, buf, n);
}

static int rmsprop_run(mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_run *r) {
    flat_job j = job_of(s, r);
    j.centered = (p->k.flags & MODNAS_KF_CENTERED) != 0;
    j.momentum = (p->k.flags & MODNAS_KF_MOMENTUM) != 0;
    if (j.momentum && !mn_dnnl_arg(r, 4))
        return mn_dnnl_fail(s, MODNAS_EINVAL, "rmsprop: the momentum buffer is missing");
    if (j.centered && !mn_dnnl_arg(r, 3)) return mn_dnnl_fail(s, MODNAS_EINVAL, "rmsprop: the mean is missing");
    j.rmsprop = (mn_simd_rmsprop){.lr = scalar(&j, 1),
                                  .alpha = scalar(&j, 2),
                                  .rest = (float)(1 - r->scalars[2]),
                                  .eps = scalar(&j, 3),
                                  .decay = scalar(&j, 4),
                                  .momentum = scalar(&j, 5),
                                  .g_scale = scalar(&j, 6)};
    return run_parts(s, &j, rmsprop_part);
}

static void adagrad_part(const void *job, int32_t part, int32_t parts) {
    const flat_job *j = job;
    int64_t begin;
    const int64_t n = piece(j, part, parts, &begin);
    j->simd->flat->adagrad(&j->adagrad, at(j, 0, begin), at(j, 1, begin), at(j, 2, begin), n);
}

static int adagrad_run(mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_run *r) {
    (void)p;
    flat_job j = job_of(s, r);
    j.adagrad =
        (mn_simd_adagrad){.lr = scalar(&j, 1), .eps = scalar(&j, 2), .decay = scalar(&j, 3), .g_scale = scalar(&j, 4)};
    return run_parts(s, &j, adagrad_part);
}

static int flat_supports(mn_dnnl *s, const modnas_kernel *k) {
    (void)s;
    (void)k;
    return 1;
}

static int32_t flat_want(mn_dnnl *s, const modnas_kernel *k, int32_t role) {
    (void)s;
    (void)k;
    (void)role;
    return MODNAS_LAYOUT_PLAIN;
}

#define FLAT_ROW(name, KIND, args, scalars)                                                                            \
    const mn_dnnl_kernel mn_dnnl_##name = {                                                                            \
        .kind = MODNAS_KERNEL_##KIND,                                                                                  \
        .plan_bytes = sizeof(mn_dnnl_plan),                                                                            \
        .supports = flat_supports,                                                                                     \
        .want = flat_want,                                                                                             \
        .run = name##_run,                                                                                             \
        .n_args = {args},                                                                                              \
        .n_scalars = {scalars},                                                                                        \
    }
FLAT_ROW(fill, FILL, 1, 2);
FLAT_ROW(axpby, AXPBY, 2, 3);
FLAT_ROW(sumsq, SUMSQ, 2, 2);
FLAT_ROW(sgd, SGD, 2, 7);
FLAT_ROW(adam, ADAM, 4, 8);
FLAT_ROW(rmsprop, RMSPROP, 3, 7);
FLAT_ROW(adagrad, ADAGRAD, 3, 5);
