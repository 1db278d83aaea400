/* Moving channels: copy of a box (concat, split, slice, crop, constant padding, sub-sampling) and channel shuffle.
 *
 * A plan lists the channels: number from[i] of the source goes to number to[i] of the destination. A channel's pixels
 * are a run of floats with a fixed step (1 in a plain tensor, B in a blocked one), so any mixture of layouts and any
 * channel counts take the same loop. Runs are short (RUN_PIXELS), and all channels of a run are moved before the next,
 * so that the B channels that share cache lines find them in the cache. Where whole blocks of channels go to whole
 * blocks, vectors are moved instead of floats. */
#include <string.h>

#include "backend/dnnl/layout.h"
#include "backend/dnnl/parallel.h"
#include "backend/dnnl/table.h"

enum { RUN_PIXELS = 64 };

typedef struct copy_plan {
    mn_dnnl_plan base;
    modnas_box box;              /* axis 1 is taken from the lists */
    int64_t n_channels, n_whole; /* the first n_whole channels are moved by blocks */
    int32_t *from, *to;          /* one piece of memory */
} copy_plan;

/* Where the elements of a tensor lie: offset = n image + h row + w pixel + that of the channel. */
typedef struct strides {
    int64_t image, row, pixel, block, width; /* block: from one channel block to the next; width: channels of a block */
} strides;

static strides strides_of(const mn_dnnl *s, const modnas_tdesc *t) {
    const int64_t hw = t->dims[2] * t->dims[3];
    const int64_t b = t->layout == MODNAS_LAYOUT_BLOCKED ? s->simd->block : 1;
    return (strides){
        .image = (t->dims[1] + b - 1) / b * hw * b, .row = t->dims[3] * b, .pixel = b, .block = hw * b, .width = b};
}

static int64_t channel_at(const strides *t, int64_t c) {
    return c / t->width * t->block + c % t->width;
}

typedef struct copy_job {
    const copy_plan *p;
    const float *x;
    float *y;
    strides src, dst;
} copy_job;

static void move_run(const float *x, int64_t x_step, float *y, int64_t y_step, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i * y_step] = x[i * x_step];
}

static void move_blocks(const float *x, int64_t x_step, float *y, int64_t y_step, int64_t width, int64_t n) {
    for (int64_t i = 0; i < n; i++) memcpy(y + i * y_step, x + i * x_step, (size_t)width * sizeof *y);
}

/* All channels of n pixels of a row; x and y point at the first pixel. */
static void move_pixels(const copy_job *j, const float *x, float *y, int64_t n) {
    const copy_plan *p = j->p;
    const int64_t x_step = p->box.src_step[3] * j->src.pixel, y_step = p->box.dst_step[3] * j->dst.pixel;
    for (int64_t c = 0; c < p->n_whole; c += j->dst.width)
        move_blocks(x + channel_at(&j->src, p->from[c]), x_step, y + channel_at(&j->dst, p->to[c]), y_step,
                    j->dst.width, n);
    for (int64_t c = p->n_whole; c < p->n_channels; c++)
        move_run(x + channel_at(&j->src, p->from[c]), x_step, y + channel_at(&j->dst, p->to[c]), y_step, n);
}

/* Rows of the box (image, line) are shared out. */
static void copy_part(const void *job, int32_t part, int32_t parts) {
    const copy_job *j = job;
    const modnas_box *b = &j->p->box;
    int64_t begin, end;
    mn_dnnl_range((int64_t)b->count[0] * b->count[2], 1, part, parts, &begin, &end);
    for (int64_t r = begin; r < end; r++) {
        const int64_t n = r / b->count[2], h = r % b->count[2];
        const float *x = j->x + (b->src_start[0] + n * b->src_step[0]) * j->src.image +
                         (b->src_start[2] + h * b->src_step[2]) * j->src.row;
        float *y = j->y + (b->dst_start[0] + n * b->dst_step[0]) * j->dst.image +
                   (b->dst_start[2] + h * b->dst_step[2]) * j->dst.row;
        for (int64_t w = 0; w < b->count[3]; w += RUN_PIXELS) {
            const int64_t left = b->count[3] - w;
            move_pixels(j, x + (b->src_start[3] + w * b->src_step[3]) * j->src.pixel,
                        y + (b->dst_start[3] + w * b->dst_step[3]) * j->dst.pixel,
                        left < RUN_PIXELS ? left : RUN_PIXELS);
        }
    }
}

static int copy_run(mn_dnnl *s, const mn_dnnl_plan *base, const mn_dnnl_run *r) {
    const copy_plan *p = (const copy_plan *)base;
    const int back = base->k.pass == MODNAS_BACKWARD_DATA; /* of shuffle: g_y to g_x */
    const modnas_tdesc *from = back ? &base->k.dst : &base->k.src, *to = back ? &base->k.src : &base->k.dst;
    const copy_job j = {
        .p = p, .x = mn_dnnl_arg(r, 0), .y = mn_dnnl_arg(r, 1), .src = strides_of(s, from), .dst = strides_of(s, to)};
    const modnas_box *b = &p->box;
    const int64_t floats = p->n_channels * b->count[0] * b->count[2] * b->count[3];
    if (base->k.kind == MODNAS_KERNEL_SHUFFLE) mn_dnnl_clear_padding(s, to, j.y);
    mn_dnnl_parallel(mn_dnnl_parts(s, 2 * floats * (int64_t)sizeof(float)), copy_part, &j);
    return 0;
}

/* ---- plans ---- */

/* How many channels, from the first on, go in whole blocks to whole blocks in order. */
static int64_t whole_channels(const mn_dnnl *s, const copy_plan *p) {
    const int64_t b = s->simd->block;
    if (p->base.k.src.layout != MODNAS_LAYOUT_BLOCKED || p->base.k.dst.layout != MODNAS_LAYOUT_BLOCKED) return 0;
    int64_t n = 0;
    for (; n < p->n_channels; n++) {
        const int64_t lane = n % b;
        const int fits = lane == 0 ? p->from[n] % b == 0 && p->to[n] % b == 0
                                   : p->from[n] == p->from[n - 1] + 1 && p->to[n] == p->to[n - 1] + 1;
        if (!fits) break;
    }
    return n / b * b;
}

static int lists_new(mn_dnnl *s, copy_plan *p, int64_t n) {
    p->from = mn_dnnl_alloc(s, 2 * (size_t)n * sizeof *p->from);
    if (!p->from) return MODNAS_ENOMEM;
    p->to = p->from + n;
    p->n_channels = n;
    return 0;
}

static int copy_plan_make(mn_dnnl *s, mn_dnnl_plan *base) {
    copy_plan *p = (copy_plan *)base;
    p->box = base->k.u.box;
    const int rc = lists_new(s, p, p->box.count[1]);
    if (rc) return rc;
    for (int32_t i = 0; i < p->box.count[1]; i++) {
        p->from[i] = p->box.src_start[1] + i * p->box.src_step[1];
        p->to[i] = p->box.dst_start[1] + i * p->box.dst_step[1];
    }
    p->n_whole = whole_channels(s, p);
    return 0;
}

/* Channel i (C/groups) + j goes to j groups + i, and back. */
static int shuffle_plan_make(mn_dnnl *s, mn_dnnl_plan *base) {
    copy_plan *p = (copy_plan *)base;
    const int64_t *d = base->k.src.dims;
    const int32_t groups = base->k.groups, channels = (int32_t)d[1], each = channels / groups;
    const int rc = lists_new(s, p, channels);
    if (rc) return rc;
    int32_t *forward_from = base->k.pass == MODNAS_FORWARD ? p->from : p->to;
    int32_t *forward_to = base->k.pass == MODNAS_FORWARD ? p->to : p->from;
    for (int32_t c = 0; c < channels; c++) {
        forward_from[c] = c;
        forward_to[c] = c % each * groups + c / each;
    }
    for (int i = 0; i < 4; i++) {
        p->box.count[i] = (int32_t)d[i];
        p->box.src_step[i] = p->box.dst_step[i] = 1;
    }
    return 0;
}

static void copy_drop(mn_dnnl *s, mn_dnnl_plan *base) {
    copy_plan *p = (copy_plan *)base;
    if (p->from) s->host.free(s->host.host, p->from);
}

static int axis_fits(int64_t start, int64_t step, int64_t count, int64_t size) {
    const int64_t last = start + (count - 1) * step;
    return count >= 1 && step != 0 && start >= 0 && start < size && last >= 0 && last < size;
}

static int copy_supports(mn_dnnl *s, const modnas_kernel *k) {
    (void)s;
    const modnas_box *b = &k->u.box;
    for (int i = 0; i < 4; i++)
        if (!axis_fits(b->src_start[i], b->src_step[i], b->count[i], k->src.dims[i]) ||
            !axis_fits(b->dst_start[i], b->dst_step[i], b->count[i], k->dst.dims[i]))
            return 0;
    return mn_dnnl_is_activation(&k->src) && mn_dnnl_is_activation(&k->dst);
}

static int shuffle_supports(mn_dnnl *s, const modnas_kernel *k) {
    (void)s;
    if (k->groups < 1 || k->src.dims[1] % k->groups != 0 || !mn_dnnl_same_dims(&k->src, &k->dst)) return 0;
    for (int i = 0; i < 4; i++)
        if (k->src.dims[i] < 1 || k->src.dims[i] > INT32_MAX) return 0;
    return mn_dnnl_is_activation(&k->src) && mn_dnnl_is_activation(&k->dst);
}

static int32_t want_blocked(mn_dnnl *s, const modnas_kernel *k, int32_t role) {
    (void)s;
    (void)k;
    (void)role;
    return MODNAS_LAYOUT_BLOCKED;
}

const mn_dnnl_kernel mn_dnnl_copy = {
    .kind = MODNAS_KERNEL_COPY,
    .plan_bytes = sizeof(copy_plan),
    .supports = copy_supports,
    .want = want_blocked,
    .plan = copy_plan_make,
    .run = copy_run,
    .drop = copy_drop,
    .n_args = {2},
};

const mn_dnnl_kernel mn_dnnl_shuffle = {
    .kind = MODNAS_KERNEL_SHUFFLE,
    .plan_bytes = sizeof(copy_plan),
    .supports = shuffle_supports,
    .want = want_blocked,
    .plan = shuffle_plan_make,
    .run = copy_run,
    .drop = copy_drop,
    .n_args = {2, 2},
};
