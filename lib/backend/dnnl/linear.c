/* Fully connected layer on oneDNN's sgemm: x (N,C), w (O,C), y (N,O), all matrices by rows.
 *
 *   forward           y  = x w^T (+ bias)      backward-data     g_x = g_y w       backward-weights  g_w = g_y^T x
 *
 * An activation behind it (relu, relu6 and the hard ones) is a pass over y.
 *
 * A blocked activation of one pixel is a matrix whose rows are padded to whole blocks: only the leading dimension
 * differs, and the padding of what is written is set to 0. */
#include <string.h>

#include "backend/dnnl/layout.h"
#include "backend/dnnl/table.h"

typedef struct sizes {
    int64_t n, in, out, x_step, y_step; /* steps: floats from row to row */
} sizes;

static sizes sizes_of(const mn_dnnl *s, const modnas_kernel *k) {
    const sizes z = {.n = k->src.dims[0],
                     .in = k->src.dims[1],
                     .out = k->dst.dims[1],
                     .x_step = mn_dnnl_floats(s, &k->src) / k->src.dims[0],
                     .y_step = mn_dnnl_floats(s, &k->dst) / k->dst.dims[0]};
    return z;
}

static void clear_padding(float *rows, int64_t n, int64_t used, int64_t step) {
    if (used == step) return;
    for (int64_t i = 0; i < n; i++) memset(rows + i * step + used, 0, (size_t)(step - used) * sizeof *rows);
}

static dnnl_status_t forward(const sizes *z, const float *x, const float *w, const float *bias, float *y) {
    if (bias)
        for (int64_t i = 0; i < z->n; i++) memcpy(y + i * z->y_step, bias, (size_t)z->out * sizeof *y);
    clear_padding(y, z->n, z->out, z->y_step);
    return onednn.sgemm('N', 'T', z->n, z->out, z->in, 1, x, z->x_step, w, z->in, bias ? 1 : 0, y, z->y_step);
}

static dnnl_status_t backward_data(const sizes *z, const float *gy, const float *w, float *gx) {
    clear_padding(gx, z->n, z->in, z->x_step);
    return onednn.sgemm('N', 'N', z->n, z->in, z->out, 1, gy, z->y_step, w, z->in, 0, gx, z->x_step);
}

static dnnl_status_t backward_weights(const sizes *z, const float *x, const float *gy, float *gw, float *g_bias) {
    for (int64_t o = 0; g_bias && o < z->out; o++) {
        double sum = 0;
        for (int64_t i = 0; i < z->n; i++) sum += gy[i * z->y_step + o];
        g_bias[o] = (float)sum;
    }
    return onednn.sgemm('T', 'N', z->out, z->in, z->n, 1, gy, z->y_step, x, z->x_step, 0, gw, z->in);
}

static int linear_run(mn_dnnl *s, const mn_dnnl_plan *p, const mn_dnnl_run *r) {
    const sizes z = sizes_of(s, &p->k);
    const int has_bias = p->k.flags & MODNAS_KF_BIAS;
    float *const a = mn_dnnl_arg(r, 0), *const b = mn_dnnl_arg(r, 1), *const c = mn_dnnl_arg(r, 2),
                 *const d = mn_dnnl_arg(r, 3);
    const dnnl_status_t status = p->k.pass == MODNAS_FORWARD ? forward(&z, a, b, has_bias ? c : NULL, d)
                                 : p->k.pass == MODNAS_BACKWARD_DATA
                                     ? backward_data(&z, a, b, c)
                                     : backward_weights(&z, a, b, c, has_bias ? d : NULL);
    if (status != dnnl_success) return mn_dnnl_refused(s, status, "sgemm", &p->k);
    if (p->k.act != MODNAS_ACT_NONE) {
        s->simd->flat->act(p->k.act, 0, 0, d, d, z.n * z.y_step);
        clear_padding(d, z.n, z.out, z.y_step);
    }
    return 0;
}

static int can_fuse(const modnas_kernel *k) {
    if (k->act == MODNAS_ACT_NONE) return 1;
    const int known = k->act == MODNAS_ACT_RELU || k->act == MODNAS_ACT_RELU6 || k->act == MODNAS_ACT_HARD_SIGMOID ||
                      k->act == MODNAS_ACT_HARD_SWISH;
    return known && k->pass == MODNAS_FORWARD;
}

static int is_matrix(const modnas_tdesc *t) {
    return t->dims[2] == 1 && t->dims[3] == 1;
}

static int linear_supports(mn_dnnl *s, const modnas_kernel *k) {
    (void)s;
    const int64_t *w = k->weights.dims;
    if (!can_fuse(k) || !mn_dnnl_is_activation(&k->src) || !mn_dnnl_is_activation(&k->dst)) return 0;
    if (!is_matrix(&k->src) || !is_matrix(&k->dst) || !is_matrix(&k->weights)) return 0;
    if (k->src.dims[0] < 1 || k->src.dims[0] != k->dst.dims[0] || w[0] != k->dst.dims[1] || w[1] != k->src.dims[1])
        return 0;
    return k->weights.layout == MODNAS_LAYOUT_PLAIN && k->weights.dtype == MODNAS_F32;
}

/* src comes from a pooling layer as a rule; logits go to kernels that want them plain. */
static int32_t linear_want(mn_dnnl *s, const modnas_kernel *k, int32_t role) {
    (void)s;
    (void)k;
    return role == MODNAS_ROLE_SRC ? MODNAS_LAYOUT_BLOCKED : MODNAS_LAYOUT_PLAIN;
}

const mn_dnnl_kernel mn_dnnl_linear = {
    .kind = MODNAS_KERNEL_LINEAR,
    .plan_bytes = sizeof(mn_dnnl_plan),
    .supports = linear_supports,
    .want = linear_want,
    .run = linear_run,
    .n_args = {4, 3, 3},
};
