/* ONNX operators with windows, and batch normalisation: 1, 2 or 3 spatial axes on a library that has two.
 *
 *   one axis     (N, C, W) is (N, C, 1, W)
 *   three axes   convolution: a depth position is an image whose channels are (c, kd), gathered here; weights (O, C,
 * KD, KH, KW) are (O, C KD, KH, KW) as they lie. pooling: rows and columns first, then depth (largest of largest, and
 * the mean of means, since a window's divisor is a product over axes) */
#include <math.h>
#include <string.h>

#include "cases.h"

enum { MAX_SPATIAL = 3 };

/* Attributes of a window, spatial axes first to last. */
typedef struct spatial {
    int32_t n;
    int64_t in[MAX_SPATIAL], out[MAX_SPATIAL];
    int64_t kernel[MAX_SPATIAL], stride[MAX_SPATIAL], dilation[MAX_SPATIAL], before[MAX_SPATIAL], after[MAX_SPATIAL];
} spatial;

static int spatial_list(cs_env *e, const char *key, int32_t n, int64_t absent, int64_t lo, int64_t *out) {
    int64_t v[2 * MAX_SPATIAL];
    const int32_t got = cs_attr_ints(e, key, v, n);
    if (got != n && cs_has_attr(e, key)) return cs_fail(e, "%s does not have %d numbers", key, (int)n);
    for (int32_t i = 0; i < n; i++) {
        out[i] = got ? v[i] : absent;
        if (out[i] < lo || out[i] > 65536) return cs_fail(e, "%s is %lld", key, (long long)out[i]);
    }
    return CS_OK;
}

static int64_t reach(const spatial *s, int32_t i) {
    return s->dilation[i] * (s->kernel[i] - 1) + 1;
}

/* auto_pad SAME_*: as many outputs as ceil(in / stride); an odd row of padding goes to the end (UPPER) or the beginning
 * (LOWER). */
static void pad_same(spatial *s, int upper) {
    for (int32_t i = 0; i < s->n; i++) {
        const int64_t out = (s->in[i] + s->stride[i] - 1) / s->stride[i];
        int64_t total = (out - 1) * s->stride[i] + reach(s, i) - s->in[i];
        if (total < 0) total = 0;
        s->before[i] = upper ? total / 2 : total - total / 2;
        s->after[i] = total - s->before[i];
    }
}

static int read_spatial(cs_env *e, const cs_tensor *x, const int64_t *kernel, spatial *s) {
    int64_t pads[2 * MAX_SPATIAL];
    memset(s, 0, sizeof *s);
    s->n = x->rank - 2;
    if (s->n < 1 || s->n > MAX_SPATIAL) return cs_skip(e, "%d spatial axes", (int)s->n);
    for (int32_t i = 0; i < s->n; i++) s->in[i] = x->dims[i + 2];
    if (kernel) memcpy(s->kernel, kernel, sizeof *kernel * (size_t)s->n);
    if (!kernel) CS_DO(spatial_list(e, "kernel_shape", s->n, 0, 1, s->kernel));
    CS_DO(spatial_list(e, "strides", s->n, 1, 1, s->stride));
    CS_DO(spatial_list(e, "dilations", s->n, 1, 1, s->dilation));
    CS_DO(spatial_list(e, "pads", 2 * s->n, 0, 0, pads));
    memcpy(s->before, pads, sizeof *pads * (size_t)s->n);
    memcpy(s->after, pads + s->n, sizeof *pads * (size_t)s->n);
    const int upper = cs_attr_is(e, "auto_pad", "SAME_UPPER");
    if (upper || cs_attr_is(e, "auto_pad", "SAME_LOWER")) pad_same(s, upper);
    if (cs_attr_is(e, "auto_pad", "VALID"))
        for (int32_t i = 0; i < s->n; i++) s->before[i] = s->after[i] = 0;
    return CS_OK;
}

/* The last two spatial axes (rows, columns) as a window of the library. */
static cs_window window_of(const spatial *s, int32_t groups, int32_t ceil_mode) {
    cs_window w = {.kernel = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}, .groups = groups, .ceil_mode = ceil_mode};
    for (int32_t i = s->n > 1 ? s->n - 2 : 0; i < s->n; i++) {
        const int32_t to = i - s->n + 2;
        w.kernel[to] = (int32_t)s->kernel[i];
        w.stride[to] = (int32_t)s->stride[i];
        w.dilation[to] = (int32_t)s->dilation[i];
        w.pad[to] = (int32_t)s->before[i];
        w.pad[to + 2] = (int32_t)s->after[i];
    }
    return w;
}

/* (N, C, D, H, W) as (N OD, C KD, H, W): for each depth position of the output, the planes under the window, 0 in the
 * padding. */
static double *gather_depth(cs_env *e, const cs_tensor *x, const spatial *s, int64_t n_depth, int64_t dims[4]) {
    const int64_t c = x->dims[1], d = x->dims[2], plane = x->dims[3] * x->dims[4], kd = s->kernel[0];
    double *out = cs_reals(e, x->dims[0] * n_depth * c * kd * plane), *to = out;
    for (int64_t n = 0; n < x->dims[0] * n_depth; n++)
        for (int64_t ck = 0; ck < c * kd; ck++, to += plane) {
            const int64_t at = n % n_depth * s->stride[0] + ck % kd * s->dilation[0] - s->before[0];
            if (at < 0 || at >= d) continue;
            memcpy(to, x->v + ((n / n_depth * c + ck / kd) * d + at) * plane, sizeof *to * (size_t)plane);
        }
    dims[0] = x->dims[0] * n_depth;
    dims[1] = c * kd;
    dims[2] = x->dims[3];
    dims[3] = x->dims[4];
    return out;
}

typedef struct conv_job {
    const double *x, *w;
    int64_t dims[4], w_dims[4];
    cs_window window;
    const cs_tensor *bias;
} conv_job;

static int run_conv(cs_env *e, const conv_job *j, double **y, int64_t out[4]) {
    const mn_run_opts opts = {0};
    mn_param *pw, *pb = NULL;
    mn_value *in, *v;
    CS_DO(cs_net_new(e));
    CS_DO(cs_net_conv_weights(e, j->w_dims, j->w, &j->window, &pw));
    if (j->bias) CS_DO(cs_net_param(e, MN_ROLE_WEIGHT, (const int64_t[]){1, j->bias->n, 1, 1}, j->bias->v, &pb));
    CS_DO(cs_net_begin(e, &opts));
    CS_DO(cs_net_input(e, j->dims, j->x, &in));
    CS_DO(cs_net_conv(e, in, pw, pb, &j->window, &v));
    CS_LIB(e, mn_run_keep(e->net.run, v));
    CS_DO(cs_net_run(e, NULL));
    memcpy(out, v->dims, sizeof v->dims);
    return cs_net_read(e, v, y);
}

/* Conv: X, W (O, C / group, kernel...), [B] */
int cs_onnx_conv(cs_env *e) {
    spatial s;
    double *y;
    int64_t out[4];
    CS_DO(cs_need_inputs(e, 2));
    const cs_tensor *x = cs_nth(e, 0), *w = cs_nth(e, 1);
    if (x->rank < 3 || w->rank != x->rank) return cs_fail(e, "ranks %d and %d", (int)x->rank, (int)w->rank);
    CS_DO(read_spatial(e, x, w->dims + 2, &s));
    conv_job j = {.x = x->v, .w = w->v, .bias = cs_nth(e, 2), .w_dims = {w->dims[0], w->dims[1], 1, 1}};
    j.window = window_of(&s, (int32_t)cs_attr_int(e, "group", 1), 0);
    j.w_dims[2] = j.window.kernel[0];
    j.w_dims[3] = j.window.kernel[1];
    cs_fold(x, j.dims);
    if (s.n < 3) {
        CS_DO(run_conv(e, &j, &y, out));
        return cs_check(e, &e->c->out[0], y, cs_product(out, 0, 4));
    }
    const int64_t n_depth = (s.in[0] + s.before[0] + s.after[0] - reach(&s, 0)) / s.stride[0] + 1;
    if (n_depth < 1) return cs_fail(e, "the window is deeper than the image");
    j.x = gather_depth(e, x, &s, n_depth, j.dims);
    j.w_dims[1] = w->dims[1] * s.kernel[0];
    CS_DO(run_conv(e, &j, &y, out));
    const int64_t dims[4] = {x->dims[0], n_depth, out[1], out[2] * out[3]};
    y = cs_transpose(e, y, dims, 4, (const int32_t[]){0, 2, 1, 3});
    return cs_check(e, &e->c->out[0], y, cs_product(dims, 0, 4));
}

/* ---- pooling ---- */

/* Pool x (dims are replaced by those of the result). */
static int run_pool(cs_env *e, const cs_window *w, int32_t algo, const double *x, int64_t dims[4], double **y) {
    const mn_run_opts opts = {0};
    mn_pool_opts o = {.algo = algo, .ceil_mode = w->ceil_mode};
    mn_value *in, *v;
    memcpy(o.kernel, w->kernel, sizeof o.kernel);
    memcpy(o.stride, w->stride, sizeof o.stride);
    memcpy(o.pad, w->pad, sizeof o.pad);
    memcpy(o.dilation, w->dilation, sizeof o.dilation);
    CS_DO(cs_net_new(e));
    CS_DO(cs_net_begin(e, &opts));
    CS_DO(cs_net_input(e, dims, x, &in));
    CS_LIB(e, mn_pool2d(e->net.run, in, &o, &v));
    CS_LIB(e, mn_run_keep(e->net.run, v));
    CS_DO(cs_net_run(e, NULL));
    memcpy(dims, v->dims, sizeof v->dims);
    return cs_net_read(e, v, y);
}

/* Behind rows and columns: (N, C, D, OH OW) along depth. */
static int pool_depth(cs_env *e, const cs_tensor *x, spatial *s, const cs_window *rows, int32_t algo, double **y) {
    const int64_t outer[2] = {x->dims[0], x->dims[1]}, depth = x->dims[2];
    int64_t dims[4] = {outer[0], outer[1] * depth, x->dims[3], x->dims[4]};
    cs_window w = *rows;
    CS_DO(run_pool(e, &w, algo, x->v, dims, y));
    s->out[1] = dims[2];
    s->out[2] = dims[3];
    w = (cs_window){.kernel = {(int32_t)s->kernel[0], 1},
                    .stride = {(int32_t)s->stride[0], 1},
                    .dilation = {(int32_t)s->dilation[0], 1},
                    .pad = {(int32_t)s->before[0], 0, (int32_t)s->after[0], 0},
                    .ceil_mode = rows->ceil_mode};
    int64_t along[4] = {outer[0], outer[1], depth, s->out[1] * s->out[2]};
    CS_DO(run_pool(e, &w, algo, *y, along, y));
    s->out[0] = along[2];
    return CS_OK;
}

/* Index of each maximum in the flattened input: the first place of the window that holds it. Planes are numbered row by
 * row, or, with storage_order 1, column by column. */
static double *max_indices(cs_env *e, const cs_tensor *x, const spatial *s, const double *y) {
    const int64_t plane = cs_product(s->in, 0, s->n), n_out = cs_product(s->out, 0, s->n);
    const int64_t total = x->dims[0] * x->dims[1] * n_out, n_taps = cs_product(s->kernel, 0, s->n);
    const int by_columns = cs_attr_int(e, "storage_order", 0) == 1;
    double *z = cs_reals(e, total);
    for (int64_t o = 0; o < total; o++) {
        const int64_t base = o / n_out * plane;
        int found = 0;
        for (int64_t tap = 0; tap < n_taps && !found; tap++) {
            int64_t at = 0, named = 0, rest_tap = tap, rest_out = o % n_out, row = 1, column = plane;
            int inside = 1;
            for (int32_t i = s->n - 1; i >= 0; i--) {
                const int64_t pos =
                    rest_out % s->out[i] * s->stride[i] + rest_tap % s->kernel[i] * s->dilation[i] - s->before[i];
                inside = inside && pos >= 0 && pos < s->in[i];
                column /= s->in[i];
                at += pos * row;
                named += pos * (by_columns ? column : row);
                row *= s->in[i];
                rest_tap /= s->kernel[i];
                rest_out /= s->out[i];
            }
            found = inside && x->v[base + at] == y[o];
            if (found) z[o] = (double)(base + named);
        }
    }
    return z;
}

/* MaxPool, AveragePool: X -> Y, [Indices] */
int cs_onnx_pool(cs_env *e) {
    spatial s;
    double *y;
    int64_t dims[4];
    CS_DO(cs_need_inputs(e, 1));
    const cs_tensor *x = cs_nth(e, 0);
    if (!cs_has_attr(e, "kernel_shape")) return cs_fail(e, "the case has no kernel_shape");
    CS_DO(read_spatial(e, x, NULL, &s));
    const cs_window w = window_of(&s, 1, cs_attr_int(e, "ceil_mode", 0) != 0);
    int32_t algo = cs_op_of(e)->arg;
    if (algo == MODNAS_POOL_AVG && cs_attr_int(e, "count_include_pad", 0)) algo = MODNAS_POOL_AVG_INCLUDE_PAD;
    cs_fold(x, dims);
    if (s.n == 3) {
        CS_DO(pool_depth(e, x, &s, &w, algo, &y));
    } else {
        CS_DO(run_pool(e, &w, algo, x->v, dims, &y));
        for (int32_t i = 0; i < s.n; i++) s.out[i] = dims[4 - s.n + i];
    }
    CS_DO(cs_check(e, &e->c->out[0], y, x->dims[0] * x->dims[1] * cs_product(s.out, 0, s.n)));
    if (e->c->n_out < 2 || !e->c->out[1].given) return CS_OK;
    double *z = max_indices(e, x, &s, e->c->out[0].v); /* y agrees with it, and it has the input's own bits */
    return cs_check(e, &e->c->out[1], z, e->c->out[0].n);
}

int cs_onnx_global_pool(cs_env *e) {
    const mn_run_opts opts = {0};
    int64_t dims[4];
    mn_value *in, *v;
    double *y;
    CS_DO(cs_need_inputs(e, 1));
    const cs_tensor *x = cs_nth(e, 0);
    if (x->rank < 2) return cs_fail(e, "rank %d", (int)x->rank);
    cs_fold(x, dims);
    CS_DO(cs_net_new(e));
    CS_DO(cs_net_begin(e, &opts));
    CS_DO(cs_net_input(e, dims, x->v, &in));
    CS_LIB(e, mn_global_pool(e->net.run, in, cs_op_of(e)->arg, &v));
    CS_LIB(e, mn_run_keep(e->net.run, v));
    CS_DO(cs_net_run(e, NULL));
    CS_DO(cs_net_read(e, v, &y));
    return cs_check(e, &e->c->out[0], y, dims[0] * dims[1]);
}

/* ---- batch normalisation ---- */

/* ONNX keeps `momentum` of the old statistics and takes the biased variance; the library's momentum is the share of the
 * new, its variance unbiased. The library runs with momentum 1, which gives the batch's own, and the mixing is done
 * here. */
static int check_running(cs_env *e, const mn_param *p, int32_t nth, double unbias) {
    const double keep = cs_attr_real(e, "momentum", 0.9);
    double *batch;
    const int32_t out = nth - 2; /* inputs 3, 4 (from 0) are mean and variance; outputs 1, 2 */
    if (out >= e->c->n_out || !e->c->out[out].given) return CS_OK;
    CS_DO(cs_net_get(e, p, &batch));
    const cs_tensor *old = cs_nth(e, nth);
    for (int64_t i = 0; i < old->n; i++) batch[i] = keep * old->v[i] + (1 - keep) * batch[i] * unbias;
    return cs_check(e, &e->c->out[out], batch, old->n);
}

int cs_onnx_batch_norm(cs_env *e) {
    int64_t dims[4];
    double *y;
    mn_param *p[4];
    mn_value *in, *gamma, *beta, *v;
    CS_DO(cs_need_inputs(e, 5));
    const cs_tensor *x = cs_nth(e, 0);
    const int training = cs_attr_int(e, "training_mode", 0) || (e->c->version < 7 && !cs_attr_int(e, "is_test", 0));
    const mn_run_opts opts = {.train = training, .update_stats = training};
    const mn_bn_opts bn = {.eps = cs_attr_real(e, "epsilon", 1e-5), .momentum = 1};
    if (x->rank < 2) return cs_fail(e, "rank %d", (int)x->rank);
    cs_fold(x, dims);
    CS_DO(cs_net_new(e));
    for (int32_t i = 0; i < 4; i++) {
        const cs_tensor *t = cs_nth(e, i + 1);
        CS_DO(cs_net_param(e, i < 2 ? MN_ROLE_WEIGHT : MN_ROLE_STAT, (const int64_t[]){1, t->n, 1, 1}, t->v, &p[i]));
    }
    CS_DO(cs_net_begin(e, &opts));
    CS_DO(cs_net_input(e, dims, x->v, &in));
    CS_LIB(e, mn_use_param(e->net.run, p[0], &gamma));
    CS_LIB(e, mn_use_param(e->net.run, p[1], &beta));
    CS_LIB(e, mn_batch_norm(e->net.run, in, gamma, beta, p[2], p[3], &bn, &v));
    CS_LIB(e, mn_run_keep(e->net.run, v));
    CS_DO(cs_net_run(e, NULL));
    CS_DO(cs_net_read(e, v, &y));
    CS_DO(cs_check(e, &e->c->out[0], y, x->n));
    const double m = (double)(dims[0] * dims[2] * dims[3]);
    CS_DO(check_running(e, p[2], 3, 1));
    return check_running(e, p[3], 4, m > 1 ? (m - 1) / m : 1);
}
