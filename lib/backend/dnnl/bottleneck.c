/* Bottlenecks: which ones we run as a whole, and the plan of one. See bottleneck.h. */
#include "backend/dnnl/bottleneck.h"

#include <string.h>

#include "backend/dnnl/conv.h"
#include "backend/dnnl/table.h"

enum {
    CACHE_LINE = 64,
    FLOATS_APART = 1040,      /* channel blocks of wide tensors do not lie a power of two apart */
    PAIR_FLOATS_MAX = 1 << 15 /* of a channel block: what lies between of two of them stays in the second-level cache */
};

/* ---- which ones ---- */

/* The 1x1 convolution from `in` to `out` channels, as conv2d would be asked for it. */
static modnas_kernel pointwise(int64_t in, int64_t out) {
    modnas_kernel k;
    memset(&k, 0, sizeof k);
    k.kind = MODNAS_KERNEL_CONV2D;
    k.u.window.groups = 1;
    for (int i = 0; i < 2; i++) k.u.window.kernel[i] = k.u.window.stride[i] = k.u.window.dilation[i] = 1;
    const int64_t dims[4] = {out, in, 1, 1};
    memcpy(k.weights.dims, dims, sizeof dims);
    k.src.dims[1] = in;
    k.dst.dims[1] = out;
    return k;
}

/* Do the weights of that convolution rest in tiles of B x B? 0, 1 or a status. */
static int rests_tiled(mn_dnnl *s, int64_t in, int64_t out) {
    modnas_kernel k = pointwise(in, out);
    dnnl_memory_desc_t rest = NULL, tiled = NULL;
    k.weights.layout = mn_dnnl_conv_weights_layout(s, &k);
    if (k.weights.layout < 0) return k.weights.layout;
    dnnl_status_t status = mn_dnnl_md_weights(s, &k.weights, 1, &rest);
    if (status == dnnl_success) status = mn_dnnl_md_weights_tiled(s, &k.weights, &tiled);
    const int same = status == dnnl_success && dnnl_memory_desc_equal(rest, tiled);
    if (rest) dnnl_memory_desc_destroy(rest);
    if (tiled) dnnl_memory_desc_destroy(tiled);
    return status == dnnl_success ? same : mn_dnnl_refused(s, status, "the layout", &k);
}

/* The depthwise convolution in the middle, for a pass. */
static modnas_kernel middle(const modnas_kernel *k, int32_t pass) {
    modnas_kernel d = *k;
    d.kind = MODNAS_KERNEL_CONV2D;
    d.pass = pass;
    d.flags = d.act = 0;
    d.src.dims[1] = d.dst.dims[1] = k->weights.dims[0];
    return d;
}

/* Inference shares out images: are all parts about equally busy? */
static int shares_well(const mn_dnnl *s, int64_t images) {
    return images % s->threads == 0 || images >= 8 * (int64_t)s->threads;
}

static int bottleneck_supports(mn_dnnl *s, const modnas_kernel *k) {
    const int64_t wide = k->weights.dims[0];
    const int expands = k->flags & MODNAS_KF_EXPAND;
    if (MN_DNNL_ALONE || (k->act != MODNAS_ACT_RELU && k->act != MODNAS_ACT_RELU6)) return 0;
    if (k->src.layout != MODNAS_LAYOUT_BLOCKED || k->dst.layout != MODNAS_LAYOUT_BLOCKED) return 0;
    if (!expands && k->src.dims[1] != wide) return 0;
    if ((k->flags & MODNAS_KF_INFERENCE) && (k->pass != MODNAS_FORWARD || !shares_well(s, k->src.dims[0]))) return 0;
    for (int32_t pass = 0; pass < 3; pass++) {
        const modnas_kernel d = middle(k, pass);
        const int fits = mn_dnnl_depthwise_fits(s, &d);
        if (fits != 1) return fits;
    }
    const int rests = rests_tiled(s, wide, k->dst.dims[1]);
    return rests == 1 && expands ? rests_tiled(s, k->src.dims[1], wide) : rests;
}

static int32_t bottleneck_want(mn_dnnl *s, const modnas_kernel *k, int32_t role) {
    (void)s;
    (void)k;
    return role == MODNAS_ROLE_WEIGHTS ? MODNAS_LAYOUT_PLAIN : MODNAS_LAYOUT_BLOCKED;
}

/* ---- the plan ---- */

static mn_bottleneck_tensor tensor_of(const mn_dnnl *s, const modnas_tdesc *t, int64_t channels) {
    mn_bottleneck_tensor b = {
        .channels = channels, .blocks = mn_dnnl_blocks(s, channels), .hw = t->dims[2] * t->dims[3]};
    b.plane = b.hw * s->simd->block;
    b.image = b.blocks * b.plane;
    b.stride = t->dims[0] * b.plane + FLOATS_APART;
    return b;
}

static size_t floats(int64_t n) {
    return ((size_t)n * sizeof(float) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static size_t save(mn_dnnl_plan *p, int64_t n) {
    const size_t at = p->workspace;
    p->workspace += floats(n);
    return at;
}

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* Floats of a part's own place: planes and buffers of a channel block, or a tile of all wide blocks with the narrow
 * tile behind it. */
static int64_t part_floats(const mn_bottleneck_plan *p) {
    const int64_t block = p->x.plane / p->x.hw;
    const int64_t tile = MN_BOTTLENECK_TILE * block;
    if (p->base.k.pass == MODNAS_FORWARD) return larger(p->t1.plane, (p->t2.blocks + p->y.blocks) * tile);
    return larger(2 * p->t1.plane + p->t2.plane + p->at_once * (p->t2.plane + 2 * p->n * p->t2.plane),
                  (p->t1.blocks + p->x.blocks) * tile);
}

/* Bytes of a part's own place. */
static size_t part_bytes(const mn_dnnl *s, const mn_bottleneck_plan *p) {
    const int forward = p->base.k.pass == MODNAS_FORWARD;
    const size_t usual = floats(part_floats(p));
    if (!p->is_large) return usual;
    if (!forward) return mn_bottleneck_large_backward_bytes(p, s->simd->block);
    const size_t large = mn_bottleneck_large_forward_bytes(p, s->simd->block);
    return large > usual ? large : usual;
}

static int bottleneck_plan_make(mn_dnnl *s, mn_dnnl_plan *base) {
    mn_bottleneck_plan *p = (mn_bottleneck_plan *)base;
    const modnas_kernel *k = &base->k;
    const int64_t wide = k->weights.dims[0], block = s->simd->block;
    const modnas_kernel d = middle(k, MODNAS_FORWARD);
    p->n = k->src.dims[0];
    p->expands = (k->flags & MODNAS_KF_EXPAND) != 0;
    p->x = tensor_of(s, &k->src, k->src.dims[1]);
    p->t1 = tensor_of(s, &k->src, wide);
    p->t2 = tensor_of(s, &k->dst, wide);
    p->y = tensor_of(s, &k->dst, k->dst.dims[1]);
    p->geometry = mn_dnnl_depthwise_geometry(&d);
    mn_dnnl_cover_init(s, &p->geometry, 0, &p->forward);
    mn_dnnl_cover_init(s, &p->geometry, 1, &p->back);
    p->taps = p->geometry.kernel[0] * p->geometry.kernel[1] * block;
    p->parts = s->threads;
    if (k->flags & MODNAS_KF_INFERENCE) {
        mn_bottleneck_inference_plan(s, p);
        return 0;
    }
    p->is_large = mn_bottleneck_is_large(k);
    p->at_once = p->n * larger(p->t1.plane, p->t2.plane) <= PAIR_FLOATS_MAX ? 2 : 1;
    if (p->expands && !p->is_large) p->t1_at = save(base, p->t1.blocks * p->t1.stride);
    p->t2_at = save(base, p->t2.blocks * p->t2.stride);
    for (int i = 0; i < 2; i++) p->stats_at[i] = save(base, 2 * p->t2.blocks * block);
    if (p->is_large) {
        p->moments_at = save(base, p->x.blocks * block);
        p->cov_w_at = save(base, p->t1.blocks * p->x.blocks * block * block);
    }
    p->part_bytes = part_bytes(s, p);
    p->part_at = mn_dnnl_reserve(base, (size_t)p->parts * p->part_bytes);
    if (k->pass == MODNAS_FORWARD) return 0;
    const int64_t w3 = p->y.blocks * p->t2.blocks * block * block, w1 = p->x.blocks * p->t1.blocks * block * block;
    p->w3_at = mn_dnnl_reserve(base, floats(w3));
    p->g_w3_at = mn_dnnl_reserve(base, floats(w3));
    if (!p->expands) return 0;
    p->w1_at = mn_dnnl_reserve(base, floats(w1));
    if (p->is_large) {
        p->back2_at = mn_dnnl_reserve(base, (size_t)p->t1.blocks * sizeof(mn_simd_norm_block));
        p->correction_at = mn_dnnl_reserve(base, mn_bottleneck_correction_bytes(p, block));
    } else
        p->dt1_at = mn_dnnl_reserve(base, floats(p->t1.blocks * p->t1.stride));
    return 0;
}

int64_t mn_bottleneck_at_once(const mn_bottleneck_plan *p, int64_t b, int64_t end) {
    return end - b < p->at_once ? end - b : p->at_once;
}

static int bottleneck_run(mn_dnnl *s, const mn_dnnl_plan *base, const mn_dnnl_run *r) {
    const mn_bottleneck_plan *p = (const mn_bottleneck_plan *)base;
    if (base->k.flags & MODNAS_KF_INFERENCE) return mn_bottleneck_infer(s, p, r);
    if (p->is_large)
        return base->k.pass == MODNAS_FORWARD ? mn_bottleneck_large_forward(s, p, r)
                                              : mn_bottleneck_large_backward(s, p, r);
    return base->k.pass == MODNAS_FORWARD ? mn_bottleneck_forward(s, p, r) : mn_bottleneck_backward(s, p, r);
}

/* ---- tiles ---- */

static int64_t images_of_tile(const mn_bottleneck_tensor *t) {
    return t->hw >= MN_BOTTLENECK_TILE ? 1 : MN_BOTTLENECK_TILE / t->hw;
}

static int64_t tiles_of_image(const mn_bottleneck_tensor *t) {
    return (t->hw + MN_BOTTLENECK_TILE - 1) / MN_BOTTLENECK_TILE;
}

int64_t mn_bottleneck_n_tiles(const mn_bottleneck_plan *p, const mn_bottleneck_tensor *t) {
    const int64_t images = images_of_tile(t);
    return (p->n + images - 1) / images * tiles_of_image(t);
}

mn_bottleneck_tile mn_bottleneck_tile_at(const mn_bottleneck_plan *p, const mn_bottleneck_tensor *t, int64_t i) {
    const int64_t images = images_of_tile(t), tiles = tiles_of_image(t);
    mn_bottleneck_tile b = {.image = i / tiles * images, .first = i % tiles * MN_BOTTLENECK_TILE};
    b.images = p->n - b.image < images ? p->n - b.image : images;
    b.n_px = t->hw - b.first < MN_BOTTLENECK_TILE ? t->hw - b.first : MN_BOTTLENECK_TILE;
    return b;
}

void mn_bottleneck_sum_tile(const mn_bottleneck_job *j, const mn_bottleneck_tile *t, const mn_simd_reduce *wide,
                            const float *src, const float *w, float *tile, const mn_bottleneck_tensor *narrow,
                            float *dst) {
    const int64_t block = j->simd->block, step = MN_BOTTLENECK_TILE * block, row = t->n_px * block;
    mn_simd_reduce r = *wide;
    r.n_px = t->images * t->n_px;
    r.narrow_blocks = narrow->blocks;
    r.narrow_step = step;
    r.w_step = r.wide_blocks * block * block;
    j->simd->matrix->reduce(&r, src, w, tile);
    for (int64_t n = 0; n < t->images; n++)
        for (int64_t b = 0; b < narrow->blocks; b++)
            memcpy(dst + (t->image + n) * narrow->image + b * narrow->plane + t->first * block,
                   tile + b * step + n * row, (size_t)row * sizeof *dst);
}

const mn_dnnl_kernel mn_dnnl_bottleneck = {
    .kind = MODNAS_KERNEL_BOTTLENECK,
    .plan_bytes = sizeof(mn_bottleneck_plan),
    .supports = bottleneck_supports,
    .want = bottleneck_want,
    .plan = bottleneck_plan_make,
    .run = bottleneck_run,
    .n_args = {14, 18},
    .n_scalars = {4},
};
