/* Depthwise convolutions on our own kernels: which ones, and how the work is cut. The loops are in depthwise_body.h.
 *
 * oneDNN has no fast backward-weights for kernels wider than 3 or dilated ones (20 to 40 times slower than it could
 * be), and its other passes lose on small planes, where it computes taps that lie outside the image. Ours run every
 * backward-weights whose tensors are blocked, and forward and backward-data where the kernel is one that the strips
 * were compiled for.
 *
 * A plane is covered with strips of columns, the widest that fits first. Forward and backward-data share out planes.
 * Backward-weights sums over the images: a part takes whole channel blocks; the blocks that are left over are cut by
 * images, one sum a part in scratch, added in index order. */
#include "backend/dnnl/depthwise.h"

#include <math.h>
#include <string.h>

#include "backend/dnnl/conv.h"
#include "backend/dnnl/parallel.h"

enum { B_MAX = MN_SIMD_BLOCK_MAX };

struct mn_dnnl_depthwise {
    mn_simd_dw_geometry geometry;
    mn_dnnl_cover cover; /* of a plane; n 0: the kernel for any shape */
    int32_t parts;
    int64_t blocks, whole; /* channel blocks; of them, those done by one part each */
    int64_t taps;          /* floats of one block's weights */
    size_t partial; /* in scratch: weight gradients of each part for each left-over block, then their bias sums */
    mn_dnnl_conv_fold fold;
};

mn_simd_dw_geometry mn_dnnl_depthwise_geometry(const modnas_kernel *k) {
    const modnas_window *w = &k->u.window;
    mn_simd_dw_geometry g = {.stream = 0};
    for (int i = 0; i < 2; i++) {
        g.in[i] = k->src.dims[2 + i];
        g.out[i] = k->dst.dims[2 + i];
        g.kernel[i] = w->kernel[i];
        g.stride[i] = w->stride[i];
        g.dilation[i] = w->dilation[i];
        g.pad[i] = w->pad[i];
    }
    return g;
}

/* ---- strips ---- */

static int is_square(const mn_simd_dw_geometry *g) {
    const int64_t reach = g->dilation[0] * (g->kernel[0] - 1);
    return g->kernel[0] == g->kernel[1] && g->stride[0] == g->stride[1] && g->dilation[0] == g->dilation[1] &&
           g->pad[0] <= reach && g->pad[1] <= reach;
}

/* The widest strip of the kernel's shape for `left` columns. In backward-data a strip begins at a multiple of the
 * stride, so its width is one too; there the last strip may reach over the border. Sevens are taken where they go up
 * exactly. */
static const mn_simd_dw_strip *strip_for(const mn_dnnl *s, const mn_simd_dw_geometry *g, int64_t left,
                                         int64_t multiple) {
    const mn_simd_depthwise *d = s->simd->depthwise;
    const mn_simd_dw_strip *narrowest = NULL;
    for (int32_t i = 0; i < d->n_strips; i++) {
        const mn_simd_dw_strip *t = &d->strips[i];
        if (t->side != g->kernel[0] || t->stride != g->stride[0] || t->dilation != g->dilation[0]) continue;
        if (t->width % multiple != 0) continue;
        narrowest = t;
        const int sevens = left % 7 == 0 && left % 8 != 0;
        if (t->width <= left && (!sevens || t->width == 7 || multiple > 1)) return t;
    }
    return narrowest;
}

int mn_dnnl_cover_init(const mn_dnnl *s, const mn_simd_dw_geometry *g, int back, mn_dnnl_cover *c) {
    c->n = 0;
    if (!is_square(g)) return 0;
    const int64_t multiple = back ? g->stride[1] : 1;
    int64_t at = back ? g->pad[1] / multiple * multiple : 0;
    const int64_t end = back ? g->pad[1] + g->in[1] : g->out[1];
    for (; at < end; c->n++) {
        const mn_simd_dw_strip *t = strip_for(s, g, end - at, multiple);
        if (!t || c->n == MN_DNNL_STRIPS_MAX) return c->n = 0;
        c->strips[c->n] = t;
        c->first[c->n] = at;
        at += t->width;
    }
    return 1;
}

static int cover(const mn_dnnl *s, const modnas_kernel *k, mn_dnnl_depthwise *d) {
    return mn_dnnl_cover_init(s, &d->geometry, k->pass == MODNAS_BACKWARD_DATA, &d->cover);
}

/* ---- plans ---- */

int mn_dnnl_depthwise_is(const mn_dnnl *s, const modnas_kernel *k) {
    (void)s;
    const int64_t groups = k->u.window.groups;
    return groups > 1 && k->src.dims[1] == groups && k->dst.dims[1] == groups;
}

/* Do the weights rest as [O/B][KH][KW][B]? 0, 1 or a status. */
static int rests_blocked(mn_dnnl *s, const modnas_kernel *k) {
    dnnl_memory_desc_t rest = NULL, blocked = NULL;
    const int32_t groups = k->u.window.groups;
    dnnl_status_t status = mn_dnnl_md_weights(s, &k->weights, groups, &rest);
    if (status == dnnl_success) status = mn_dnnl_md_weights_depthwise(s, &k->weights, groups, &blocked);
    const int same = status == dnnl_success && dnnl_memory_desc_equal(rest, blocked);
    if (rest) dnnl_memory_desc_destroy(rest);
    if (blocked) dnnl_memory_desc_destroy(blocked);
    return status == dnnl_success ? same : mn_dnnl_refused(s, status, "the layout", k);
}

static int is_regular(const modnas_kernel *k, int axis) {
    const modnas_window *w = &k->u.window;
    const int64_t reach = w->dilation[axis] * (w->kernel[axis] - 1);
    const int64_t room = k->src.dims[2 + axis] + w->pad[axis] + w->pad[2 + axis] - reach - 1;
    return w->stride[axis] >= 1 && room >= 0 && k->dst.dims[2 + axis] == room / w->stride[axis] + 1 &&
           w->pad[axis] <= reach && w->pad[2 + axis] <= reach;
}

int mn_dnnl_depthwise_is_regular(const modnas_kernel *k) {
    return is_regular(k, 0) && is_regular(k, 1);
}

int mn_dnnl_depthwise_fits(mn_dnnl *s, const modnas_kernel *k) {
    if (!mn_dnnl_depthwise_is(s, k) || k->src.layout != MODNAS_LAYOUT_BLOCKED || k->dst.layout != MODNAS_LAYOUT_BLOCKED)
        return 0;
    if (k->src.dims[0] != k->dst.dims[0] || !mn_dnnl_depthwise_is_regular(k)) return 0;
    const int rests = rests_blocked(s, k);
    if (rests != 1) return rests;
    if (k->pass == MODNAS_BACKWARD_WEIGHTS) return 1;
    if (MN_DNNL_ALONE || (k->flags & MODNAS_KF_RESIDUAL)) return 0;
    if (k->act != MODNAS_ACT_NONE && k->act != MODNAS_ACT_RELU && k->act != MODNAS_ACT_RELU6) return 0;
    mn_dnnl_depthwise probe = {.geometry = mn_dnnl_depthwise_geometry(k)};
    return cover(s, k, &probe);
}

int mn_dnnl_depthwise_plan(mn_dnnl *s, mn_dnnl_plan *p, mn_dnnl_depthwise **out) {
    const modnas_kernel *k = &p->k;
    mn_dnnl_depthwise *d = mn_dnnl_alloc(s, sizeof *d);
    if (!d) return MODNAS_ENOMEM;
    memset(d, 0, sizeof *d);
    d->geometry = mn_dnnl_depthwise_geometry(k);
    d->blocks = mn_dnnl_blocks(s, k->src.dims[1]);
    d->parts = mn_dnnl_parts(s, (mn_dnnl_floats(s, &k->src) + mn_dnnl_floats(s, &k->dst)) * (int64_t)sizeof(float));
    d->whole = d->blocks / d->parts * d->parts;
    d->taps = d->geometry.kernel[0] * d->geometry.kernel[1] * s->simd->block;
    cover(s, k, d);
    const int64_t vectors = (d->blocks - d->whole) * d->parts;
    if (k->pass == MODNAS_BACKWARD_WEIGHTS)
        d->partial = mn_dnnl_reserve(
            p, (size_t)(vectors * (d->taps * (int64_t)sizeof(float) + B_MAX * (int64_t)sizeof(double))));
    if (k->flags & MODNAS_KF_FOLD_BN) {
        d->fold.scale = mn_dnnl_reserve(p, (size_t)k->dst.dims[1] * sizeof(float));
        d->fold.shift = mn_dnnl_reserve(p, (size_t)k->dst.dims[1] * sizeof(float));
    }
    *out = d;
    return 0;
}

void mn_dnnl_depthwise_free(mn_dnnl *s, mn_dnnl_depthwise *d) {
    if (d) s->host.free(s->host.host, d);
}

/* ---- forward and backward-data ---- */

typedef struct plane_job {
    const mn_dnnl_depthwise *d;
    mn_simd_dw_geometry geometry;
    const modnas_kernel *k;
    int64_t block, from_plane, to_plane;         /* floats */
    const float *from, *weights, *scale, *shift; /* scale and shift: of each channel, or NULL */
    float *to;
} plane_job;

/* Is there anything to do with the sums? */
static int has_post(const plane_job *j) {
    return j->scale || j->shift || j->k->act != MODNAS_ACT_NONE;
}

static mn_simd_dw_post post_of(const plane_job *j, int64_t block) {
    mn_simd_dw_post post = {.low = j->k->act == MODNAS_ACT_NONE ? -INFINITY : 0,
                            .high = j->k->act == MODNAS_ACT_RELU6 ? 6 : INFINITY};
    const int64_t first = block * j->block, channels = j->k->dst.dims[1];
    for (int64_t i = 0; i < j->block && first + i < channels; i++) {
        post.scale[i] = j->scale ? j->scale[first + i] : 1;
        post.shift[i] = j->shift ? j->shift[first + i] : 0;
    }
    return post;
}

static void plane_part(const void *job, int32_t part, int32_t parts) {
    const plane_job *j = job;
    const mn_dnnl_depthwise *d = j->d;
    int64_t begin, end;
    mn_dnnl_range(j->k->src.dims[0] * d->blocks, 1, part, parts, &begin, &end);
    for (int64_t plane = begin; plane < end; plane++) {
        const int64_t block = plane % d->blocks;
        const mn_simd_dw_post post = post_of(j, block);
        const float *from = j->from + plane * j->from_plane, *w = j->weights + block * d->taps;
        float *to = j->to + plane * j->to_plane;
        for (int32_t i = 0; i < d->cover.n; i++) {
            if (j->k->pass == MODNAS_FORWARD)
                d->cover.strips[i]->forward(&j->geometry, d->cover.first[i], from, w, has_post(j) ? &post : NULL, to);
            else
                d->cover.strips[i]->back_data(&j->geometry, d->cover.first[i], from, w, to);
        }
    }
}

static int run_planes(const mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_depthwise *d, const mn_dnnl_run *r) {
    const modnas_kernel *k = &p->k;
    const int64_t block = s->simd->block, in = k->src.dims[2] * k->src.dims[3] * block,
                  out = k->dst.dims[2] * k->dst.dims[3] * block;
    const int forward = k->pass == MODNAS_FORWARD;
    plane_job j = {.d = d,
                   .geometry = d->geometry,
                   .k = k,
                   .block = block,
                   .from_plane = forward ? in : out,
                   .to_plane = forward ? out : in,
                   .from = mn_dnnl_arg(r, 0),
                   .weights = mn_dnnl_arg(r, 1),
                   .shift = forward && (k->flags & MODNAS_KF_BIAS) ? mn_dnnl_arg(r, 2) : NULL,
                   .to = mn_dnnl_arg(r, forward ? 3 : 2)};
    if (k->flags & MODNAS_KF_FOLD_BN) {
        mn_dnnl_conv_fold_run(k, &d->fold, r);
        j.scale = mn_dnnl_scratch(r, d->fold.scale);
        j.shift = mn_dnnl_scratch(r, d->fold.shift);
    }
    /* backward-data measured slower that way */
    j.geometry.stream =
        forward && mn_dnnl_streams(j.to, k->src.dims[0] * d->blocks * j.to_plane * (int64_t)sizeof(float));
    j.geometry.ahead = forward;
    mn_dnnl_parallel(d->parts, plane_part, &j);
    return 0;
}

/* ---- backward-weights ---- */

typedef struct weights_job {
    const mn_dnnl_depthwise *d;
    const modnas_kernel *k;
    const mn_simd *simd;
    const float *x, *gy;
    float *gw, *g_bias; /* g_bias may be NULL */
    float *partial;
    double *partial_bias;
} weights_job;

/* Sum over the images [begin, end) of one channel block. */
static void block_weights(const weights_job *j, int64_t block, int64_t begin, int64_t end, float *gw, double *bias) {
    const mn_dnnl_depthwise *d = j->d;
    const mn_simd_dw_geometry *g = &d->geometry;
    const int64_t in = g->in[0] * g->in[1] * j->simd->block, out = g->out[0] * g->out[1] * j->simd->block;
    memset(gw, 0, (size_t)d->taps * sizeof *gw);
    for (int64_t n = begin; n < end; n++) {
        const float *x = j->x + (n * d->blocks + block) * in, *gy = j->gy + (n * d->blocks + block) * out;
        for (int32_t i = 0; i < d->cover.n; i++) d->cover.strips[i]->back_weights(g, d->cover.first[i], x, gy, gw);
        if (d->cover.n == 0) j->simd->depthwise->back_weights(g, x, gy, gw);
    }
    if (!j->g_bias) return;
    const float zero[B_MAX] = {0};
    double squares[B_MAX];
    const mn_simd_pixels px = {.n = end - begin, .step = d->blocks * out, .hw = g->out[0] * g->out[1]};
    j->simd->norm->sums(&px, zero, j->gy + (begin * d->blocks + block) * out, bias, squares);
}

static void store_bias(const weights_job *j, int64_t block, const double *bias) {
    const int64_t first = block * j->simd->block;
    for (int64_t i = 0; j->g_bias && i < j->simd->block && first + i < j->k->dst.dims[1]; i++)
        j->g_bias[first + i] = (float)bias[i];
}

static void weights_part(const void *job, int32_t part, int32_t parts) {
    const weights_job *j = job;
    const mn_dnnl_depthwise *d = j->d;
    int64_t begin, end;
    double bias[B_MAX];
    mn_dnnl_range(d->whole, 1, part, parts, &begin, &end);
    for (int64_t block = begin; block < end; block++) {
        block_weights(j, block, 0, j->k->src.dims[0], j->gw + block * d->taps, bias);
        store_bias(j, block, bias);
    }
    mn_dnnl_range(j->k->src.dims[0], 1, part, parts, &begin, &end);
    for (int64_t block = d->whole; block < d->blocks; block++) {
        const int64_t at = (block - d->whole) * parts + part;
        block_weights(j, block, begin, end, j->partial + at * d->taps, j->partial_bias + at * B_MAX);
    }
}

/* Add up the left-over blocks' sums. */
static void join_partials(const weights_job *j) {
    const mn_dnnl_depthwise *d = j->d;
    for (int64_t block = d->whole; block < d->blocks; block++) {
        const int64_t at = (block - d->whole) * d->parts;
        const float *sums = j->partial + at * d->taps;
        float *gw = j->gw + block * d->taps;
        double bias[B_MAX] = {0};
        for (int64_t i = 0; i < d->taps; i++) {
            float sum = sums[i];
            for (int32_t part = 1; part < d->parts; part++) sum += sums[part * d->taps + i];
            gw[i] = sum;
        }
        for (int32_t part = 0; j->g_bias && part < d->parts; part++)
            for (int i = 0; i < B_MAX; i++) bias[i] += j->partial_bias[(at + part) * B_MAX + i];
        store_bias(j, block, bias);
    }
}

static int run_weights(const mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_depthwise *d, const mn_dnnl_run *r) {
    weights_job j = {.d = d,
                     .k = &p->k,
                     .simd = s->simd,
                     .x = mn_dnnl_arg(r, 0),
                     .gy = mn_dnnl_arg(r, 1),
                     .gw = mn_dnnl_arg(r, 2),
                     .g_bias = p->k.flags & MODNAS_KF_BIAS ? mn_dnnl_arg(r, 3) : NULL};
    if (d->whole < d->blocks) {
        j.partial_bias = mn_dnnl_scratch(r, d->partial);
        j.partial = (float *)(j.partial_bias + (d->blocks - d->whole) * d->parts * B_MAX);
    }
    mn_dnnl_parallel(d->parts, weights_part, &j);
    join_partials(&j);
    return 0;
}

int mn_dnnl_depthwise_run(mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_depthwise *d, const mn_dnnl_run *r) {
    return p->k.pass == MODNAS_BACKWARD_WEIGHTS ? run_weights(s, p, d, r) : run_planes(s, p, d, r);
}
