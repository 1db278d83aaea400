/* Batch normalisation with activation and residual, on channel-blocked tensors: how the work is cut and what is done
 * with the sums. The loops are in norm_body.h.
 *
 * A channel block is read twice, for its sums and to apply them. Each part gets equally many whole blocks and does both
 * for one block before it goes on to the next, so that small planes are read from the cache the second time. The blocks
 * that are left over (fewer than parts) are cut into one slice a part; their sums are put in scratch, added in index
 * order, and applied in a second parallel region.
 *
 *   forward    m = sum / M, v = sumsq / M - (sum / M)^2, both of x - origin
 *              y = act((x - m) gamma rstd + beta + residual)
 *   backward   e = g_y times the activation's slope; S = sum e, D = sum e (x - m)
 *              g_beta = S, g_gamma = rstd D, g_x = gamma rstd (e - S / M - (x - m) rstd^2 D / M), g_residual = e */
#include <math.h>
#include <string.h>

#include "backend/dnnl/layout.h"
#include "backend/dnnl/parallel.h"
#include "backend/dnnl/table.h"

enum { B_MAX = MN_SIMD_BLOCK_MAX };

/* Sums over some pixels of one channel block: forward x - origin and its square, backward e and e (x - mean). */
typedef struct block_sums {
    double first[B_MAX], second[B_MAX];
    float origin[B_MAX]; /* of forward: the first pixel, kept because y may lie on x */
} block_sums;

typedef struct norm_plan {
    mn_dnnl_plan base;
    int32_t parts;
    int64_t blocks, whole; /* channel blocks; of them, those done by one part each */
    size_t sums;           /* in scratch: block_sums of each part for each left-over block */
} norm_plan;

/* One run: the plan, and the arguments by name. */
typedef struct norm_job {
    const norm_plan *p;
    const mn_simd *simd;
    block_sums *sums;
    float *x, *y, *gy, *gamma, *beta, *residual, *mean, *var, *saved_mean, *saved_rstd;
    float *out, *e, *g_gamma, *g_beta; /* out: y of forward, g_x of backward */
    double eps, momentum;
    int32_t stream; /* write `out` past the caches */
} norm_job;

static int is_global(const norm_job *j) {
    return j->p->base.k.flags & MODNAS_KF_GLOBAL_STATS;
}
static int is_forward(const norm_job *j) {
    return j->p->base.k.pass == MODNAS_FORWARD;
}

/* Pixels behind each channel. */
static double n_pixels(const norm_job *j) {
    const int64_t *d = j->p->base.k.src.dims;
    return (double)(d[0] * d[2] * d[3]);
}

/* The pixels of a slice of a channel block (slice 0 of 1: all of them), and where they begin. */
static mn_simd_pixels slice_of(const norm_job *j, int64_t block, int32_t slice, int32_t slices, int64_t *offset) {
    const int64_t *d = j->p->base.k.src.dims, hw = d[2] * d[3], plane = hw * j->simd->block;
    mn_simd_pixels px = {.n = d[0], .step = j->p->blocks * plane, .hw = hw, .stream = j->stream};
    int64_t begin, end;
    *offset = block * plane;
    if (d[0] >= slices) {
        mn_dnnl_range(d[0], 1, slice, slices, &begin, &end);
        px.n = end - begin;
        *offset += begin * px.step;
    } else { /* few images: cut each of them */
        mn_dnnl_range(hw, 1, slice, slices, &begin, &end);
        px.hw = end - begin;
        *offset += begin * j->simd->block;
    }
    return px;
}

/* Channels of a block: first, and how many are not padding. */
static int64_t channels_of(const norm_job *j, int64_t block, int64_t *first) {
    *first = block * j->simd->block;
    const int64_t left = j->p->base.k.src.dims[1] - *first;
    return left < j->simd->block ? left : j->simd->block;
}

/* ---- forward ---- */

static void forward_sums(const norm_job *j, int64_t block, int32_t slice, int32_t slices, block_sums *s) {
    int64_t offset;
    const mn_simd_pixels px = slice_of(j, block, slice, slices, &offset);
    memcpy(s->origin, j->x + block * (px.step / j->p->blocks), (size_t)j->simd->block * sizeof(float));
    j->simd->norm->sums(&px, s->origin, j->x + offset, s->first, s->second);
}

/* Mean and variance of channel c, element i of its block. */
static void statistics(const norm_job *j, const block_sums *s, int64_t i, int64_t c, double *mean, double *var) {
    if (is_global(j)) {
        *mean = j->mean[c];
        *var = j->var[c];
        return;
    }
    const double m = n_pixels(j), shifted = s->first[i] / m, v = s->second[i] / m - shifted * shifted;
    *mean = s->origin[i] + shifted;
    *var = v > 0 ? v : (v == v ? 0 : v); /* a NaN comes through */
}

static void update_running(const norm_job *j, int64_t c, double mean, double var) {
    const double m = n_pixels(j), unbiased = m > 1 ? var * m / (m - 1) : var;
    j->mean[c] = (float)((1 - j->momentum) * j->mean[c] + j->momentum * mean);
    j->var[c] = (float)((1 - j->momentum) * j->var[c] + j->momentum * unbiased);
}

/* What apply needs of one block. `last`: also write what is kept of the statistics (once a block, when nobody reads the
 * running ones any more). */
static void forward_constants(const norm_job *j, const block_sums *s, int64_t block, int last, mn_simd_norm_block *c) {
    int64_t first;
    const int64_t n = channels_of(j, block, &first);
    memset(c, 0, sizeof *c); /* padding: mean, scale and shift 0 */
    for (int64_t i = 0; i < n; i++) {
        double mean, var;
        statistics(j, s, i, first + i, &mean, &var);
        const double rstd = 1 / sqrt(var + j->eps);
        c->mean[i] = (float)mean;
        c->scale[i] = (float)((j->gamma ? j->gamma[first + i] : 1) * rstd);
        c->shift[i] = j->beta ? j->beta[first + i] : 0;
        if (!last) continue;
        if (j->saved_mean) j->saved_mean[first + i] = (float)mean;
        if (j->saved_rstd) j->saved_rstd[first + i] = (float)rstd;
        if ((j->p->base.k.flags & MODNAS_KF_UPDATE_STATS) && !is_global(j)) update_running(j, first + i, mean, var);
    }
}

static void forward_apply(const norm_job *j, const block_sums *s, int64_t block, int32_t slice, int32_t slices) {
    mn_simd_norm_block c;
    int64_t offset;
    const mn_simd_pixels px = slice_of(j, block, slice, slices, &offset);
    forward_constants(j, s, block, slice == 0, &c);
    j->simd->norm->apply(&px, j->p->base.k.act, &c, j->x + offset, j->residual ? j->residual + offset : NULL,
                         j->out + offset);
}

/* ---- backward ---- */

/* What the sums need: mean, scale and beta; padding has 0 of all. */
static void slope_constants(const norm_job *j, int64_t block, mn_simd_norm_block *c) {
    int64_t first;
    const int64_t n = channels_of(j, block, &first);
    memset(c, 0, sizeof *c);
    for (int64_t i = 0; i < n; i++) {
        c->mean[i] = j->saved_mean[first + i];
        c->scale[i] = (j->gamma ? j->gamma[first + i] : 1) * j->saved_rstd[first + i];
        c->beta[i] = j->beta ? j->beta[first + i] : 0;
    }
}

static void backward_sums(const norm_job *j, int64_t block, int32_t slice, int32_t slices, block_sums *s) {
    int64_t offset;
    mn_simd_norm_block c;
    const mn_simd_pixels px = slice_of(j, block, slice, slices, &offset);
    slope_constants(j, block, &c);
    j->simd->norm->back_sums(&px, j->p->base.k.act, &c, j->x + offset, j->y + offset, j->gy + offset,
                             j->e ? j->e + offset : NULL, s->first, s->second);
}

static void backward_constants(const norm_job *j, const block_sums *s, int64_t block, int last, mn_simd_norm_block *c) {
    int64_t first;
    const int64_t n = channels_of(j, block, &first);
    const double m = n_pixels(j);
    slope_constants(j, block, c);
    for (int64_t i = 0; i < n; i++) {
        const double rstd = j->saved_rstd[first + i], scale = (j->gamma ? j->gamma[first + i] : 1) * rstd;
        if (!is_global(j)) {
            c->shift[i] = (float)(-scale * s->first[i] / m);
            c->slope[i] = (float)(scale * rstd * rstd * s->second[i] / m);
        }
        if (last && j->g_beta) j->g_beta[first + i] = (float)s->first[i];
        if (last && j->g_gamma) j->g_gamma[first + i] = (float)(rstd * s->second[i]);
    }
}

static void backward_apply(const norm_job *j, const block_sums *s, int64_t block, int32_t slice, int32_t slices) {
    mn_simd_norm_block c;
    int64_t offset;
    const mn_simd_pixels px = slice_of(j, block, slice, slices, &offset);
    backward_constants(j, s, block, slice == 0, &c);
    if (!j->out) return;
    const float *e = j->e ? j->e : j->gy; /* with a residual the mask has been applied already */
    const int32_t act = j->e ? MODNAS_ACT_NONE : j->p->base.k.act;
    j->simd->norm->back_apply(&px, act, &c, j->x + offset, j->y + offset, e + offset, j->out + offset);
}

/* ---- both ---- */

static void take_sums(const norm_job *j, int64_t block, int32_t slice, int32_t slices, block_sums *s) {
    if (!is_forward(j))
        backward_sums(j, block, slice, slices, s);
    else if (!is_global(j))
        forward_sums(j, block, slice, slices, s);
}

static void apply_sums(const norm_job *j, const block_sums *s, int64_t block, int32_t slice, int32_t slices) {
    if (is_forward(j))
        forward_apply(j, s, block, slice, slices);
    else
        backward_apply(j, s, block, slice, slices);
}

/* Whole blocks of a part, then its slice of the sums of the left-over blocks. */
static void first_region(const void *job, int32_t part, int32_t parts) {
    const norm_job *j = job;
    int64_t begin, end;
    mn_dnnl_range(j->p->whole, 1, part, parts, &begin, &end);
    for (int64_t block = begin; block < end; block++) {
        block_sums s;
        take_sums(j, block, 0, 1, &s);
        apply_sums(j, &s, block, 0, 1);
    }
    for (int64_t block = j->p->whole; block < j->p->blocks; block++)
        take_sums(j, block, part, parts, &j->sums[(block - j->p->whole) * parts + part]);
}

static void add_sums(const block_sums *of_parts, int32_t parts, block_sums *total) {
    *total = of_parts[0];
    for (int32_t i = 1; i < parts; i++)
        for (int k = 0; k < B_MAX; k++) {
            total->first[k] += of_parts[i].first[k];
            total->second[k] += of_parts[i].second[k];
        }
}

static void second_region(const void *job, int32_t part, int32_t parts) {
    const norm_job *j = job;
    for (int64_t block = j->p->whole; block < j->p->blocks; block++) {
        block_sums total;
        add_sums(&j->sums[(block - j->p->whole) * parts], parts, &total);
        apply_sums(j, &total, block, part, parts);
    }
}

static int run_job(const mn_dnnl *s, norm_job *j) {
    if (j->out) j->stream = mn_dnnl_streams(j->out, mn_dnnl_floats(s, &j->p->base.k.src) * (int64_t)sizeof(float));
    mn_dnnl_parallel(j->p->parts, first_region, j);
    if (j->p->whole < j->p->blocks) mn_dnnl_parallel(j->p->parts, second_region, j);
    return 0;
}

/* Where each argument lies, forward and backward (-1: the pass has none), and the flags that it needs or that leave it
 * out. */
static const struct {
    size_t field;
    int8_t at[2];
    int32_t need, unless;
} arguments[] = {
    {offsetof(norm_job, x), {0, 0}, 0, 0},
    {offsetof(norm_job, gamma), {1, 3}, MODNAS_KF_AFFINE, 0},
    {offsetof(norm_job, beta), {2, 10}, MODNAS_KF_AFFINE, 0},
    {offsetof(norm_job, mean), {3, -1}, 0, 0},
    {offsetof(norm_job, var), {4, -1}, 0, 0},
    {offsetof(norm_job, saved_mean), {5, 4}, 0, MODNAS_KF_INFERENCE},
    {offsetof(norm_job, saved_rstd), {6, 5}, 0, MODNAS_KF_INFERENCE},
    {offsetof(norm_job, residual), {7, -1}, MODNAS_KF_RESIDUAL, 0},
    {offsetof(norm_job, out), {8, 6}, 0, 0},
    {offsetof(norm_job, y), {-1, 1}, 0, 0},
    {offsetof(norm_job, gy), {-1, 2}, 0, 0},
    {offsetof(norm_job, g_gamma), {-1, 7}, 0, 0},
    {offsetof(norm_job, g_beta), {-1, 8}, 0, 0},
    {offsetof(norm_job, e), {-1, 9}, MODNAS_KF_RESIDUAL, 0},
};

static norm_job job_of(const mn_dnnl *s, const norm_plan *p, const mn_dnnl_run *r) {
    norm_job j = {.p = p, .simd = s->simd, .sums = mn_dnnl_scratch(r, p->sums)};
    const int32_t flags = p->base.k.flags;
    for (size_t i = 0; i < sizeof arguments / sizeof arguments[0]; i++) {
        const int8_t at = arguments[i].at[p->base.k.pass];
        if (at < 0 || (flags & arguments[i].need) != arguments[i].need || (flags & arguments[i].unless)) continue;
        *(float **)((char *)&j + arguments[i].field) = mn_dnnl_arg(r, at);
    }
    return j;
}

static int norm_run(mn_dnnl *s, const mn_dnnl_plan *base, const mn_dnnl_run *r) {
    norm_job j = job_of(s, (const norm_plan *)base, r);
    if (is_forward(&j)) {
        j.eps = r->scalars[0];
        j.momentum = r->scalars[1];
        if ((base->k.flags & (MODNAS_KF_GLOBAL_STATS | MODNAS_KF_UPDATE_STATS)) && (!j.mean || !j.var))
            return mn_dnnl_fail(s, MODNAS_EINVAL, "batch_norm forward: the running mean or variance is missing");
        return run_job(s, &j);
    }
    const int sloped = base->k.act == MODNAS_ACT_HARD_SWISH;
    if (base->k.act == MODNAS_ACT_NONE || sloped) j.y = j.gy; /* not read */
    if (sloped && j.gamma && !j.beta)
        return mn_dnnl_fail(s, MODNAS_EINVAL, "batch_norm backward: beta is missing, the slope of hard-swish wants it");
    if (!j.y)
        return mn_dnnl_fail(s, MODNAS_EINVAL,
                            "batch_norm backward: y is missing, the activation's mask is read off it");
    return run_job(s, &j);
}

static int norm_plan_make(mn_dnnl *s, mn_dnnl_plan *base) {
    norm_plan *p = (norm_plan *)base;
    p->blocks = mn_dnnl_blocks(s, base->k.src.dims[1]);
    p->parts = mn_dnnl_parts(s, mn_dnnl_floats(s, &base->k.src) * (int64_t)sizeof(float));
    p->whole = p->blocks / p->parts * p->parts;
    p->sums = mn_dnnl_reserve(base, (size_t)(p->blocks - p->whole) * (size_t)p->parts * sizeof(block_sums));
    return 0;
}

static int norm_supports(mn_dnnl *s, const modnas_kernel *k) {
    (void)s;
    const int sloped = k->act == MODNAS_ACT_HARD_SWISH;
    if (k->act != MODNAS_ACT_NONE && k->act != MODNAS_ACT_RELU && k->act != MODNAS_ACT_RELU6 && !sloped) return 0;
    if (sloped && k->pass != MODNAS_FORWARD && (k->flags & MODNAS_KF_RESIDUAL)) return 0;
    return mn_dnnl_is_activation(&k->src) && k->src.layout == MODNAS_LAYOUT_BLOCKED && k->dst.layout == k->src.layout &&
           k->dst.dtype == MODNAS_F32 && mn_dnnl_same_dims(&k->src, &k->dst);
}

static int32_t norm_want(mn_dnnl *s, const modnas_kernel *k, int32_t role) {
    (void)s;
    (void)k;
    return role == MODNAS_ROLE_WEIGHTS ? MODNAS_LAYOUT_PLAIN : MODNAS_LAYOUT_BLOCKED;
}

const mn_dnnl_kernel mn_dnnl_batch_norm = {
    .kind = MODNAS_KERNEL_BATCH_NORM,
    .plan_bytes = sizeof(norm_plan),
    .supports = norm_supports,
    .want = norm_want,
    .plan = norm_plan_make,
    .run = norm_run,
    .n_args = {9, 7},
    .n_scalars = {2},
};
