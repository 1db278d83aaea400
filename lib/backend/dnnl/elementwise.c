/* Loops over whole tensors: binary, weighted sum, scale, dot. Operands share one layout, plain or blocked; padding is 0
 * in all of them and so stays 0 in the result.
 *
 * Broadcasting of a binary operand (dims of 1) works on blocked tensors: a row of pixels is the unit, a repeated dim
 * has a step of 0, and a single channel is spread over the vector (the padding is then set back to 0, as it is after a
 * division). */
#include "backend/dnnl/layout.h"
#include "backend/dnnl/parallel.h"
#include "backend/dnnl/table.h"

enum { PARTS_MAX = 256 };

/* One run: where the work goes. */
typedef struct element_job {
    const mn_simd *simd;
    const modnas_kernel *k;
    const mn_dnnl_run *run;
    int64_t n; /* floats */
    double *partial;
} element_job;

static element_job job_of(const mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_run *r) {
    return (element_job){.simd = s->simd, .k = &p->k, .run = r, .n = mn_dnnl_floats(s, &p->k.src)};
}

static int run_parts(const mn_dnnl *s, const element_job *j, mn_dnnl_part_fn fn) {
    mn_dnnl_parallel(mn_dnnl_parts(s, j->n * (int64_t)sizeof(float)), fn, j);
    return 0;
}

static int64_t piece(const element_job *j, int32_t part, int32_t parts, int64_t *begin) {
    int64_t end;
    mn_dnnl_range(j->n, MN_SIMD_BLOCK_MAX, part, parts, begin, &end);
    return end - *begin;
}

/* Scalar 0 as an index into a vector of n floats; -1 with the text set if it is none. */
static int64_t index_of(mn_dnnl *s, const mn_dnnl_run *r, const modnas_tdesc *vector) {
    const int64_t n = mn_dnnl_floats(s, vector);
    const double i = r->scalars[0];
    if (i >= 0 && i < (double)n && i == (double)(int64_t)i) return (int64_t)i;
    mn_dnnl_fail(s, MODNAS_EINVAL, "scale or dot: index %g is not one of the vector's %lld", i, (long long)n);
    return -1;
}

/* ---- binary ---- */

/* Steps of an operand along the axes of a blocked dst, in floats; 0 where it is repeated. */
typedef struct steps {
    int64_t n, block, h, w;
    int32_t splat;
} steps;

static steps steps_of(const mn_simd *simd, const modnas_tdesc *t, const modnas_tdesc *dst) {
    const int64_t w = simd->block, h = t->dims[3] * w, block = t->dims[2] * h, n = ((t->dims[1] - 1) / w + 1) * block;
    const int32_t splat = t->dims[1] == 1 && dst->dims[1] > 1;
    return (steps){.n = t->dims[0] == 1 ? 0 : n,
                   .block = splat ? 0 : block,
                   .h = t->dims[2] == 1 ? 0 : h,
                   .w = t->dims[3] == 1 ? 0 : w,
                   .splat = splat};
}

static mn_simd_operand operand_of(const float *mem, const steps *s, int64_t n, int64_t block, int64_t h) {
    return (mn_simd_operand){mem + n * s->n + block * s->block + h * s->h, s->w, s->splat};
}

static void binary_rows_part(const void *job, int32_t part, int32_t parts) {
    const element_job *j = job;
    const modnas_tdesc *dst = &j->k->dst;
    const steps sa = steps_of(j->simd, &j->k->src, dst), sb = steps_of(j->simd, &j->k->weights, dst);
    const int64_t height = dst->dims[2], width = dst->dims[3], blocks = (dst->dims[1] - 1) / j->simd->block + 1;
    int64_t begin, end;
    mn_dnnl_range(dst->dims[0] * blocks * height, 1, part, parts, &begin, &end);
    for (int64_t row = begin; row < end; row++) {
        const int64_t h = row % height, block = row / height % blocks, n = row / height / blocks;
        const mn_simd_operand a = operand_of(mn_dnnl_arg(j->run, 0), &sa, n, block, h);
        const mn_simd_operand b = operand_of(mn_dnnl_arg(j->run, 1), &sb, n, block, h);
        j->simd->flat->binary(j->k->algo, &a, &b, mn_dnnl_arg(j->run, 2) + row * width * j->simd->block, width);
    }
}

static void binary_flat_part(const void *job, int32_t part, int32_t parts) {
    const element_job *j = job;
    int64_t begin;
    const int64_t n = piece(j, part, parts, &begin);
    j->simd->flat->binary_flat(j->k->algo, mn_dnnl_arg(j->run, 0) + begin, mn_dnnl_arg(j->run, 1) + begin,
                               mn_dnnl_arg(j->run, 2) + begin, n);
}

static int is_whole(const modnas_kernel *k) {
    return mn_dnnl_same_dims(&k->src, &k->dst) && mn_dnnl_same_dims(&k->weights, &k->dst);
}

static int binary_run(mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_run *r) {
    element_job j = job_of(s, p, r);
    j.n = mn_dnnl_floats(s, &p->k.dst);
    run_parts(s, &j, is_whole(&p->k) ? binary_flat_part : binary_rows_part);
    if (p->k.algo == MODNAS_BINARY_DIV || p->k.src.dims[1] != p->k.weights.dims[1])
        mn_dnnl_clear_padding(s, &p->k.dst, mn_dnnl_arg(r, 2));
    return 0;
}

static int repeats(const modnas_tdesc *t, const modnas_tdesc *dst) {
    for (int i = 0; i < 4; i++)
        if (t->dims[i] != dst->dims[i] && t->dims[i] != 1) return 0;
    return 1;
}

static int binary_supports(mn_dnnl *s, const modnas_kernel *k) {
    (void)s;
    const int32_t layout = k->dst.layout;
    if (k->algo < MODNAS_BINARY_ADD || k->algo > MODNAS_BINARY_DIV || !mn_dnnl_is_activation(&k->dst)) return 0;
    if (!mn_dnnl_is_activation(&k->src) || !mn_dnnl_is_activation(&k->weights)) return 0;
    if (k->src.layout != layout || k->weights.layout != layout) return 0;
    if (is_whole(k)) return 1;
    return layout == MODNAS_LAYOUT_BLOCKED && repeats(&k->src, &k->dst) && repeats(&k->weights, &k->dst);
}

/* ---- weighted sum and the two halves of its gradient ---- */

static void weighted_sum_part(const void *job, int32_t part, int32_t parts) {
    const element_job *j = job;
    int64_t begin;
    const int64_t n = piece(j, part, parts, &begin);
    const int32_t n_src = j->k->n_src;
    j->simd->flat->weighted_sum(mn_dnnl_arg(j->run, 0), j->run->args + 1, n_src, begin,
                                mn_dnnl_arg(j->run, n_src + 1) + begin, n);
}

static int weighted_sum_run(mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_run *r) {
    if (r->n_args < p->k.n_src + 2)
        return mn_dnnl_fail(s, MODNAS_EINVAL, "weighted_sum of %d: %d arguments given, %d wanted", p->k.n_src,
                            r->n_args, p->k.n_src + 2);
    const element_job j = job_of(s, p, r);
    return run_parts(s, &j, weighted_sum_part);
}

static void scale_part(const void *job, int32_t part, int32_t parts) {
    const element_job *j = job;
    int64_t begin;
    const int64_t n = piece(j, part, parts, &begin), index = (int64_t)j->run->scalars[0];
    j->simd->flat->axpby(mn_dnnl_arg(j->run, 1) + begin, mn_dnnl_arg(j->run, 2) + begin, n,
                         mn_dnnl_arg(j->run, 0)[index], 0);
}

static int scale_run(mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_run *r) {
    if (index_of(s, r, &p->k.weights) < 0) return MODNAS_EINVAL;
    const element_job j = job_of(s, p, r);
    return run_parts(s, &j, scale_part);
}

static void dot_part(const void *job, int32_t part, int32_t parts) {
    const element_job *j = job;
    int64_t begin;
    const int64_t n = piece(j, part, parts, &begin);
    j->partial[part] = j->simd->flat->dot(mn_dnnl_arg(j->run, 0) + begin, mn_dnnl_arg(j->run, 1) + begin, n);
}

static int dot_run(mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_run *r) {
    const int64_t index = index_of(s, r, &p->k.dst);
    if (index < 0) return MODNAS_EINVAL;
    double partial[PARTS_MAX] = {0}, sum = 0;
    element_job j = job_of(s, p, r);
    j.partial = partial;
    run_parts(s, &j, dot_part);
    for (int32_t i = 0; i < s->threads; i++) sum += partial[i];
    mn_dnnl_arg(r, 2)[index] = (float)sum;
    return 0;
}

static int same_layout(const modnas_tdesc *a, const modnas_tdesc *b) {
    return mn_dnnl_is_activation(a) && b->dtype == MODNAS_F32 && a->layout == b->layout && mn_dnnl_same_dims(a, b);
}

static int mixture_supports(mn_dnnl *s, const modnas_kernel *k) {
    (void)s;
    if (k->weights.layout != MODNAS_LAYOUT_PLAIN || k->weights.dtype != MODNAS_F32 || !same_layout(&k->src, &k->dst))
        return 0;
    return k->kind != MODNAS_KERNEL_WEIGHTED_SUM || (k->n_src >= 1 && mn_dnnl_floats(s, &k->weights) >= k->n_src);
}

static int dot_supports(mn_dnnl *s, const modnas_kernel *k) {
    (void)s;
    return same_layout(&k->src, &k->weights) && k->dst.layout == MODNAS_LAYOUT_PLAIN && k->dst.dtype == MODNAS_F32;
}

static int32_t want_blocked(mn_dnnl *s, const modnas_kernel *k, int32_t role) {
    (void)s;
    (void)k;
    (void)role;
    return MODNAS_LAYOUT_BLOCKED;
}

static int32_t mixture_want(mn_dnnl *s, const modnas_kernel *k, int32_t role) {
    (void)s;
    (void)k;
    return role == MODNAS_ROLE_WEIGHTS ? MODNAS_LAYOUT_PLAIN : MODNAS_LAYOUT_BLOCKED;
}

static int32_t dot_want(mn_dnnl *s, const modnas_kernel *k, int32_t role) {
    (void)s;
    (void)k;
    return role == MODNAS_ROLE_DST ? MODNAS_LAYOUT_PLAIN : MODNAS_LAYOUT_BLOCKED;
}

#define ELEMENT_ROW(name, KIND, supports_fn, want_fn, args, scalars)                                                   \
    const mn_dnnl_kernel mn_dnnl_##name = {                                                                            \
        .kind = MODNAS_KERNEL_##KIND,                                                                                  \
        .plan_bytes = sizeof(mn_dnnl_plan),                                                                            \
        .supports = supports_fn,                                                                                       \
        .want = want_fn,                                                                                               \
        .run = name##_run,                                                                                             \
        .n_args = {args},                                                                                              \
        .n_scalars = {scalars},                                                                                        \
    }
ELEMENT_ROW(binary, BINARY, binary_supports, want_blocked, 3, 0);
ELEMENT_ROW(weighted_sum, WEIGHTED_SUM, mixture_supports, mixture_want, 3, 0);
ELEMENT_ROW(scale, SCALE, mixture_supports, mixture_want, 3, 1);
ELEMENT_ROW(dot, DOT, dot_supports, dot_want, 3, 1);
