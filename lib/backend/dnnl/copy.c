/* Moving channels: copy of a box (concat, split, slice, crop, constant padding, sub-sampling) and channel shuffle.
 *
 *   channels in the order of the destination -> moves of one channel or of a whole block of the destination -> runs of
 *   pixels, as many as lie at a fixed step in both tensors (a row, or all of an image)
 *
 * A channel's pixels are floats with a fixed step (1 in a plain tensor, B in a blocked one), so any mixture of layouts
 * and any channel counts take the same loops. A plan knows where each channel lies. Runs are short (RUN_PIXELS), and
 * all moves are made for a run before the next, so that channels which share cache lines find them in the cache. */
#include <string.h>

#include "backend/dnnl/copy_weights.h"
#include "backend/dnnl/layout.h"
#include "backend/dnnl/parallel.h"
#include "backend/dnnl/table.h"

enum { RUN_PIXELS = 64 };

/* Where the elements of a tensor lie: offset = n image + h row + w pixel + that of the channel. */
typedef struct strides {
    int64_t image, row, pixel, block, width; /* block: from one channel block to the next; width: channels of a block */
} strides;

/* How channels move: one; those of a block, each from where it lies; or a block as it is. */
enum { MOVE_ONE, MOVE_EACH, MOVE_BLOCK };

typedef struct copy_move {
    int32_t how;
    int64_t to;          /* offsets of floats */
    const int64_t *from; /* of each channel */
} copy_move;

typedef struct copy_plan {
    mn_dnnl_plan base;
    modnas_box box; /* axis 1 is taken from the moves */
    strides src, dst;
    int64_t x_step, y_step;          /* from pixel to pixel of a run */
    int64_t images, lines, n_pixels; /* of a line: where lines follow one another, an image is one line */
    int64_t n_channels, n_moves;
    copy_move *moves; /* one piece of memory with `from` */
    int64_t *from;
    mn_dnnl_weights_copy *weights; /* of weights: nothing else is used then */
} copy_plan;

static strides strides_of(const mn_dnnl *s, const modnas_tdesc *t) {
    const int64_t hw = t->dims[2] * t->dims[3];
    const int64_t b = t->layout == MODNAS_LAYOUT_BLOCKED ? s->simd->block : 1;
    return (strides){
        .image = (t->dims[1] + b - 1) / b * hw * b, .row = t->dims[3] * b, .pixel = b, .block = hw * b, .width = b};
}

static int64_t channel_at(const strides *t, int64_t c) {
    return c / t->width * t->block + c % t->width;
}

/* ---- runs ---- */

typedef struct copy_job {
    const copy_plan *p;
    const float *x;
    float *y;
} copy_job;

static void move_one(const float *restrict x, int64_t x_step, float *restrict y, int64_t y_step, int64_t n) {
    if (x_step == 1 && y_step == 1)
        memcpy(y, x, (size_t)n * sizeof *y);
    else
        for (int64_t i = 0; i < n; i++) y[i * y_step] = x[i * x_step];
}

/* `width` is a constant where these are called: the channels of a pixel are one vector. */
#define MOVE_FN static inline __attribute__((always_inline)) void
MOVE_FN move_each(const float *restrict x, const int64_t *from, int64_t x_step, float *restrict y, int64_t y_step,
                  int64_t n, int width) {
    for (int64_t i = 0; i < n; i++, x += x_step, y += y_step)
        for (int l = 0; l < width; l++) y[l] = x[from[l]];
}

/* Vector by vector: a memcpy of the whole run is slower here. */
MOVE_FN move_block(const float *x, int64_t x_step, float *y, int64_t y_step, int64_t n, int width) {
    for (int64_t i = 0; i < n; i++, x += x_step, y += y_step) memcpy(y, x, (size_t)width * sizeof *y);
}

MOVE_FN move_vectors(const copy_plan *p, const copy_move *m, const float *x, float *y, int64_t n, int width) {
    if (m->how == MOVE_BLOCK)
        move_block(x + m->from[0], p->x_step, y + m->to, p->y_step, n, width);
    else
        move_each(x, m->from, p->x_step, y + m->to, p->y_step, n, width);
}

/* One move for n pixels; x and y point at the first of them. */
static void move_pixels(const copy_plan *p, const copy_move *m, const float *x, float *y, int64_t n) {
    if (m->how == MOVE_ONE)
        move_one(x + m->from[0], p->x_step, y + m->to, p->y_step, n);
    else if (p->dst.width == 8)
        move_vectors(p, m, x, y, n, 8);
    else
        move_vectors(p, m, x, y, n, 16);
}

/* All moves for n pixels of a line. */
static void move_line(const copy_plan *p, const float *x, float *y, int64_t n) {
    for (int64_t w = 0; w < n; w += RUN_PIXELS)
        for (int64_t i = 0; i < p->n_moves; i++)
            move_pixels(p, &p->moves[i], x + w * p->x_step, y + w * p->y_step, n - w < RUN_PIXELS ? n - w : RUN_PIXELS);
}

static int64_t line_at(const strides *t, const int32_t *start, const int32_t *step, int64_t image, int64_t line) {
    return (start[0] + image * step[0]) * t->image + (start[2] + line * step[2]) * t->row + start[3] * t->pixel;
}

/* Pixels of the box are shared out. */
static void copy_part(const void *job, int32_t part, int32_t parts) {
    const copy_job *j = job;
    const copy_plan *p = j->p;
    const modnas_box *b = &p->box;
    int64_t at, end, n;
    mn_dnnl_range(p->images * p->lines * p->n_pixels, 1, part, parts, &at, &end);
    for (; at < end; at += n) {
        const int64_t line = at / p->n_pixels, image = line / p->lines, h = line % p->lines, w = at % p->n_pixels;
        n = p->n_pixels - w < end - at ? p->n_pixels - w : end - at;
        move_line(p, j->x + line_at(&p->src, b->src_start, b->src_step, image, h) + w * p->x_step,
                  j->y + line_at(&p->dst, b->dst_start, b->dst_step, image, h) + w * p->y_step, n);
    }
}

static int copy_run(mn_dnnl *s, const mn_dnnl_plan *base, const mn_dnnl_run *r) {
    const copy_plan *p = (const copy_plan *)base;
    const copy_job j = {.p = p, .x = mn_dnnl_arg(r, 0), .y = mn_dnnl_arg(r, 1)};
    if (p->weights) return mn_dnnl_weights_copy_run(s, p->weights, j.x, j.y);
    const int64_t floats = p->n_channels * p->images * p->lines * p->n_pixels;
    if (base->k.kind == MODNAS_KERNEL_SHUFFLE)
        mn_dnnl_clear_padding(s, base->k.pass == MODNAS_FORWARD ? &base->k.dst : &base->k.src, j.y);
    mn_dnnl_parallel(mn_dnnl_parts(s, 2 * floats * (int64_t)sizeof(float)), copy_part, &j);
    return 0;
}

/* ---- plans ---- */

/* Room for n channels, and where their tensors lie. */
static int plan_new(mn_dnnl *s, copy_plan *p, const modnas_tdesc *src, const modnas_tdesc *dst) {
    const modnas_box *b = &p->box;
    const int64_t n = b->count[1];
    p->moves = mn_dnnl_alloc(s, (size_t)n * (sizeof *p->moves + sizeof *p->from));
    if (!p->moves) return MODNAS_ENOMEM;
    p->from = (int64_t *)(p->moves + n);
    p->n_channels = n;
    p->src = strides_of(s, src);
    p->dst = strides_of(s, dst);
    p->x_step = b->src_step[3] * p->src.pixel;
    p->y_step = b->dst_step[3] * p->dst.pixel;
    p->images = b->count[0];
    p->lines = b->count[2];
    p->n_pixels = b->count[3];
    if (b->src_step[2] * p->src.row == p->n_pixels * p->x_step &&
        b->dst_step[2] * p->dst.row == p->n_pixels * p->y_step) {
        p->n_pixels *= p->lines;
        p->lines = 1;
    }
    return 0;
}

/* The move of the plan's i-th channel, and of as many after it as go along; `to` is its number in the destination,
 * where channels are `step` apart. */
static copy_move move_of(const copy_plan *p, int64_t i, int64_t to, int64_t step) {
    const int64_t width = p->dst.width;
    copy_move m = {.how = MOVE_ONE, .to = channel_at(&p->dst, to), .from = p->from + i};
    if (width == 1 || step != 1 || to % width != 0 || i + width > p->n_channels) return m;
    int64_t same = 1;
    while (same < width && m.from[same] == m.from[0] + same) same++;
    m.how = p->src.width == width && same == width ? MOVE_BLOCK : MOVE_EACH;
    return m;
}

static void moves_make(copy_plan *p, int64_t to, int64_t step) {
    for (int64_t i = 0; i < p->n_channels; p->n_moves++) {
        const copy_move m = move_of(p, i, to + i * step, step);
        p->moves[p->n_moves] = m;
        i += m.how == MOVE_ONE ? 1 : p->dst.width;
    }
}

static int copy_plan_make(mn_dnnl *s, mn_dnnl_plan *base) {
    copy_plan *p = (copy_plan *)base;
    const modnas_box *b = &base->k.u.box;
    const int64_t last = b->count[1] - 1;
    const int down = b->dst_step[1] < 0;
    if (base->k.groups) return mn_dnnl_weights_copy_new(s, &base->k, &p->weights);
    p->box = *b;
    const int rc = plan_new(s, p, &base->k.src, &base->k.dst);
    if (rc) return rc;
    for (int64_t i = 0; i <= last; i++)
        p->from[i] = channel_at(&p->src, b->src_start[1] + (down ? last - i : i) * b->src_step[1]);
    moves_make(p, b->dst_start[1] + (down ? last * b->dst_step[1] : 0), down ? -b->dst_step[1] : b->dst_step[1]);
    return 0;
}

/* Channel i (C/groups) + j goes to j groups + i; backward is the forward of C/groups groups. */
static int shuffle_plan_make(mn_dnnl *s, mn_dnnl_plan *base) {
    copy_plan *p = (copy_plan *)base;
    const int64_t *d = base->k.src.dims;
    const int forward = base->k.pass == MODNAS_FORWARD;
    const int64_t groups = forward ? base->k.groups : d[1] / base->k.groups, each = d[1] / groups;
    for (int i = 0; i < 4; i++) {
        p->box.count[i] = (int32_t)d[i];
        p->box.src_step[i] = p->box.dst_step[i] = 1;
    }
    const modnas_tdesc *a = &base->k.src, *b = &base->k.dst;
    const int rc = forward ? plan_new(s, p, a, b) : plan_new(s, p, b, a);
    if (rc) return rc;
    for (int64_t c = 0; c < d[1]; c++) p->from[c] = channel_at(&p->src, c % groups * each + c / groups);
    moves_make(p, 0, 1);
    return 0;
}

static void copy_drop(mn_dnnl *s, mn_dnnl_plan *base) {
    copy_plan *p = (copy_plan *)base;
    if (p->moves) s->host.free(s->host.host, p->moves);
    if (p->weights) s->host.free(s->host.host, p->weights);
}

static int axis_fits(int64_t start, int64_t step, int64_t count, int64_t size) {
    const int64_t last = start + (count - 1) * step;
    return count >= 1 && step != 0 && start >= 0 && start < size && last >= 0 && last < size;
}

static int copy_supports(mn_dnnl *s, const modnas_kernel *k) {
    const modnas_box *b = &k->u.box;
    for (int i = 0; i < 4; i++)
        if (!axis_fits(b->src_start[i], b->src_step[i], b->count[i], k->src.dims[i]) ||
            !axis_fits(b->dst_start[i], b->dst_step[i], b->count[i], k->dst.dims[i]))
            return 0;
    if (k->groups) return mn_dnnl_weights_copy_supports(s, k);
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
