/* Convolution: dst[n,o,y,x] = sum over c in o's group, i, j: src[n,c, y s + i d - p, x s + j d - p] weights[o,c,i,j].
 *
 * For a fixed tap (o, c, i, j) the products of a whole image plane are runs of source and destination elements:
 *
 *     dst row y   : x in [lo, hi)                 one run a row; where rows of src and dst are equally long and
 *     src row y s + i d - p, from lo s + j d - p  fully covered, the rows join to one run
 *
 * so each pass is a walk over taps with one inner loop over a run: forward and backward-data add weight x run into a
 * plane of doubles (scratch), backward-weights takes the dot product of two runs. */
#include <math.h>

#include "backend/ref/ref.h"

/* Geometry in 64 bits. c, o: channels of one group. */
typedef struct geometry {
    int64_t n, groups, c, o, h, w, oh, ow, kh, kw;
    int64_t sh, sw, dh, dw, top, left;
} geometry;

static geometry geometry_of(const modnas_kernel *k) {
    const modnas_window *v = &k->u.window;
    const geometry g = {.n = k->src.dims[0],
                        .groups = v->groups,
                        .c = k->src.dims[1] / v->groups,
                        .o = k->dst.dims[1] / v->groups,
                        .h = k->src.dims[2],
                        .w = k->src.dims[3],
                        .oh = k->dst.dims[2],
                        .ow = k->dst.dims[3],
                        .kh = v->kernel[0],
                        .kw = v->kernel[1],
                        .sh = v->stride[0],
                        .sw = v->stride[1],
                        .dh = v->dilation[0],
                        .dw = v->dilation[1],
                        .top = v->pad[0],
                        .left = v->pad[1]};
    return g;
}

static int window_ok(const modnas_kernel *k, int axis) {
    const modnas_window *v = &k->u.window;
    const int64_t kernel = v->kernel[axis], stride = v->stride[axis], dilation = v->dilation[axis];
    const int64_t pad_lo = v->pad[axis], pad_hi = v->pad[axis + 2];
    if (kernel < 1 || stride < 1 || dilation < 1 || pad_lo < 0 || pad_hi < 0) return 0;
    const int64_t room = k->src.dims[axis + 2] + pad_lo + pad_hi - dilation * (kernel - 1) - 1;
    return room >= 0 && k->dst.dims[axis + 2] == room / stride + 1;
}

int MN_REF(conv2d_fits)(const modnas_kernel *k) {
    const int32_t forward_only = MODNAS_KF_RESIDUAL | MODNAS_KF_FOLD_BN;
    const int64_t groups = k->u.window.groups;
    if (!MN_REF(dims_ok)(&k->src) || !MN_REF(dims_ok)(&k->weights) || !MN_REF(dims_ok)(&k->dst) || groups < 1) return 0;
    if (k->src.dims[1] % groups != 0 || k->dst.dims[1] % groups != 0 || k->src.dims[0] != k->dst.dims[0]) return 0;
    if (k->weights.dims[0] != k->dst.dims[1] || k->weights.dims[1] != k->src.dims[1] / groups) return 0;
    if (k->weights.dims[2] != k->u.window.kernel[0] || k->weights.dims[3] != k->u.window.kernel[1]) return 0;
    if (!window_ok(k, 0) || !window_ok(k, 1)) return 0;
    if (k->pass == MODNAS_FORWARD) return MN_REF(act_fusable)(k->act);
    return k->act == MODNAS_ACT_NONE && (k->flags & forward_only) == 0;
}

/* One plane of sums: of dst forward, of src in backward-data. */
size_t MN_REF(conv2d_scratch)(const modnas_kernel *k) {
    const modnas_tdesc *t = k->pass == MODNAS_FORWARD ? &k->dst : &k->src;
    return sizeof(double) * (size_t)(t->dims[2] * t->dims[3]);
}

/* The runs of one tap (i, j): n_runs of `len` elements. Positions of run r: dst + r * ow, src + r * src_step. */
typedef struct runs {
    int64_t n_runs, len, dst, src, src_step;
} runs;

static runs runs_of(const geometry *g, int64_t i, int64_t j) {
    const int64_t off_y = i * g->dh - g->top, off_x = j * g->dw - g->left;
    const mn_ref_span y = MN_REF(span)(g->oh, g->h, g->sh, off_y), x = MN_REF(span)(g->ow, g->w, g->sw, off_x);
    if (y.lo >= y.hi || x.lo >= x.hi) return (runs){0};
    runs r = {.n_runs = y.hi - y.lo,
              .len = x.hi - x.lo,
              .dst = y.lo * g->ow + x.lo,
              .src = (y.lo * g->sh + off_y) * g->w + x.lo * g->sw + off_x,
              .src_step = g->sh * g->w};
    if (r.len == g->ow && g->w == g->ow && g->sh == 1 && g->sw == 1) {
        r.len *= r.n_runs;
        r.n_runs = 1;
    }
    return r;
}

/* acc[i * acc_stride] += f * x[i * x_stride] */
static void add_run(double *acc, int64_t acc_stride, const mn_real *x, int64_t x_stride, double f, int64_t n) {
    if (acc_stride == 1 && x_stride == 1) {
        for (int64_t i = 0; i < n; i++) acc[i] += f * (double)x[i];
        return;
    }
    for (int64_t i = 0; i < n; i++) acc[i * acc_stride] += f * (double)x[i * x_stride];
}

static double dot_run(const mn_real *x, int64_t x_stride, const mn_real *y, int64_t n) {
    if (x_stride == 1) return MN_REF(dot)(x, y, n);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i * x_stride] * (double)y[i];
    return sum;
}

/* acc (oh, ow) = one channel of the convolution of one image; x: the group's first plane, w: the channel's weights. */
static void forward_plane(const geometry *g, const mn_real *x, const mn_real *w, double *acc) {
    for (int64_t i = 0; i < g->oh * g->ow; i++) acc[i] = 0;
    for (int64_t c = 0; c < g->c; c++, x += g->h * g->w) {
        for (int64_t tap = 0; tap < g->kh * g->kw; tap++, w++) {
            const runs r = runs_of(g, tap / g->kw, tap % g->kw);
            for (int64_t y = 0; y < r.n_runs; y++)
                add_run(acc + r.dst + y * g->ow, 1, x + r.src + y * r.src_step, g->sw, (double)*w, r.len);
        }
    }
}

/* What is done to a finished plane: factor acc + shift (bias and folded batch norm), + residual, activation. */
typedef struct epilogue {
    const mn_real *bias, *gamma, *beta, *mean, *var, *residual;
    double eps;
    int32_t act;
} epilogue;

static epilogue epilogue_of(const mn_ref_call *c) {
    const int32_t flags = c->k->flags, fold = flags & MODNAS_KF_FOLD_BN;
    const int32_t affine = fold && (flags & MODNAS_KF_AFFINE);
    return (epilogue){.bias = flags & MODNAS_KF_BIAS ? c->args[2] : NULL,
                      .gamma = affine ? c->args[4] : NULL,
                      .beta = affine ? c->args[5] : NULL,
                      .mean = fold ? c->args[6] : NULL,
                      .var = fold ? c->args[7] : NULL,
                      .residual = flags & MODNAS_KF_RESIDUAL ? c->args[8] : NULL,
                      .eps = c->scalars[0],
                      .act = c->k->act};
}

static void finish_plane(const epilogue *e, int64_t channel, int64_t first, int64_t n, const double *acc, mn_real *y) {
    double factor = 1, shift = e->bias ? (double)e->bias[channel] : 0;
    if (e->var) {
        factor = (e->gamma ? (double)e->gamma[channel] : 1) / sqrt((double)e->var[channel] + e->eps);
        shift = (shift - (double)e->mean[channel]) * factor + (e->beta ? (double)e->beta[channel] : 0);
    }
    for (int64_t i = 0; i < n; i++) {
        const double residual = e->residual ? (double)e->residual[first + i] : 0;
        y[i] = (mn_real)(factor * acc[i] + shift + residual);
    }
    if (e->act != MODNAS_ACT_NONE) MN_REF(act)(e->act, y, y, n, 0, 0);
}

int MN_REF(conv2d_forward)(const mn_ref_call *c) {
    const geometry g = geometry_of(c->k);
    const epilogue e = epilogue_of(c);
    if ((c->k->flags & MODNAS_KF_FOLD_BN) && (!e.mean || !e.var))
        return MN_REF(fail)(c, MODNAS_EINVAL, "conv2d forward: mean or var is missing for the folded batch norm");
    const mn_real *x = c->args[0], *w = c->args[1];
    mn_real *y = c->args[3];
    const int64_t n_dst = g.oh * g.ow, n_filter = g.c * g.kh * g.kw, n_out = g.groups * g.o;
    for (int64_t n = 0; n < g.n; n++) {
        for (int64_t o = 0; o < n_out; o++) {
            const int64_t group = o / g.o, first = (n * n_out + o) * n_dst;
            forward_plane(&g, x + (n * g.groups + group) * g.c * g.h * g.w, w + o * n_filter, c->scratch);
            finish_plane(&e, o, first, n_dst, c->scratch, y + first);
        }
    }
    return 0;
}

/* acc (h, w) = gradient of one source channel of one image; gy: the group's first plane, w: weights[o0, c]. */
static void backward_plane(const geometry *g, const mn_real *gy, const mn_real *w, double *acc) {
    const int64_t n_taps = g->kh * g->kw;
    for (int64_t i = 0; i < g->h * g->w; i++) acc[i] = 0;
    for (int64_t o = 0; o < g->o; o++, gy += g->oh * g->ow, w += g->c * n_taps) {
        for (int64_t tap = 0; tap < n_taps; tap++) {
            const runs r = runs_of(g, tap / g->kw, tap % g->kw);
            for (int64_t y = 0; y < r.n_runs; y++)
                add_run(acc + r.src + y * r.src_step, g->sw, gy + r.dst + y * g->ow, 1, (double)w[tap], r.len);
        }
    }
}

int MN_REF(conv2d_backward_data)(const mn_ref_call *c) {
    const geometry g = geometry_of(c->k);
    const mn_real *gy = c->args[0], *w = c->args[1];
    mn_real *gx = c->args[2];
    const double *acc = c->scratch;
    const int64_t n_src = g.h * g.w, n_taps = g.kh * g.kw;
    for (int64_t i = 0; i < g.n * g.groups; i++) {
        for (int64_t ch = 0; ch < g.c; ch++, gx += n_src) {
            const mn_real *filter = w + ((i % g.groups) * g.o * g.c + ch) * n_taps;
            backward_plane(&g, gy + i * g.o * g.oh * g.ow, filter, c->scratch);
            for (int64_t p = 0; p < n_src; p++) gx[p] = (mn_real)acc[p];
        }
    }
    return 0;
}

/* Gradient of one weight: the dot products of its runs, images in order. x, gy: planes of image 0. */
static double weight_gradient(const geometry *g, const runs *r, const mn_real *x, const mn_real *gy) {
    const int64_t x_image = g->groups * g->c * g->h * g->w, y_image = g->groups * g->o * g->oh * g->ow;
    double sum = 0;
    for (int64_t n = 0; n < g->n; n++)
        for (int64_t y = 0; y < r->n_runs; y++)
            sum += dot_run(x + n * x_image + r->src + y * r->src_step, g->sw, gy + n * y_image + r->dst + y * g->ow,
                           r->len);
    return sum;
}

int MN_REF(conv2d_backward_weights)(const mn_ref_call *c) {
    const geometry g = geometry_of(c->k);
    const mn_real *x = c->args[0], *gy = c->args[1];
    mn_real *gw = c->args[2], *g_bias = c->k->flags & MODNAS_KF_BIAS ? c->args[3] : NULL;
    const int64_t n_out = g.groups * g.o, n_dst = g.oh * g.ow;
    for (int64_t o = 0; o < n_out; o++) {
        for (int64_t ch = 0; ch < g.c; ch++) {
            const mn_real *plane = x + (o / g.o * g.c + ch) * g.h * g.w;
            for (int64_t tap = 0; tap < g.kh * g.kw; tap++) {
                const runs r = runs_of(&g, tap / g.kw, tap % g.kw);
                *gw++ = (mn_real)weight_gradient(&g, &r, plane, gy + o * n_dst);
            }
        }
        double sum = 0;
        for (int64_t n = 0; g_bias && n < g.n; n++) sum += MN_REF(sum)(gy + (n * n_out + o) * n_dst, n_dst);
        if (g_bias) g_bias[o] = (mn_real)sum;
    }
    return 0;
}
