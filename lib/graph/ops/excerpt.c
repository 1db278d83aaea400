/* Excerpt: part of a parameter, as weights of their own: the first outputs and the first inputs, and the middle of the window.
 *
 *   weights (O, I, K, K)  ->  (o, i, k, k)        vector (1, C, 1, 1)  ->  (1, c, 1, 1)
 *
 * What comes out rests in the layout that its convolution wants, as parameters do, so that the same kernels and the
 * same fusion follow. Backward puts the gradient where the part was, and zeros around it. */
#include <string.h>

#include "graph/run.h"

static modnas_kernel copy_of(const mn_run *run, const mn_vertex *x, const int64_t whole[4], const int64_t part[4]) {
    modnas_kernel k;
    mn_kernel_init(&k, run, MODNAS_KERNEL_COPY, MODNAS_FORWARD);
    k.groups = x->u.excerpt.weights;
    for (int i = 0; i < 4; i++) {
        k.u.box.count[i] = (int32_t)part[i];
        k.u.box.src_step[i] = k.u.box.dst_step[i] = 1;
        k.u.box.src_start[i] = i > 1 ? (int32_t)(whole[i] - part[i]) / 2 : 0;
    }
    memcpy(k.src.dims, whole, sizeof k.src.dims);
    memcpy(k.dst.dims, part, sizeof k.dst.dims);
    k.src.dtype = k.dst.dtype = run->dtype;
    return k;
}

/* The other way. */
static void reverse(modnas_kernel *k) {
    const modnas_tdesc t = k->src;
    int32_t start[4];
    k->src = k->dst;
    k->dst = t;
    memcpy(start, k->u.box.src_start, sizeof start);
    memcpy(k->u.box.src_start, k->u.box.dst_start, sizeof start);
    memcpy(k->u.box.dst_start, start, sizeof start);
}

/* Layouts for a copy out of `src`; both are plain where the backend has no such copy. */
static void lay_out(mn_run *run, modnas_kernel *k, int32_t src, int32_t dst) {
    k->src.layout = src;
    k->dst.layout = dst;
    if (!mn_backend_supports(run->backend, k)) k->src.layout = k->dst.layout = MODNAS_LAYOUT_PLAIN;
}

/* What the copy leaves alone is 0: the rest of a whole, and padding. */
static int copy(mn_run *run, const modnas_kernel *k, mn_value *src, mn_value *dst) {
    MN_TRY(mn_as(run, src, k->src.layout, &src));
    const size_t bytes = mn_dtype_bytes(dst->dtype);
    size_t n = 1;
    for (int i = 0; i < 4; i++) n *= (size_t)k->u.box.count[i];
    if (dst->bytes > n * bytes) MN_TRY(mn_emit_fill(run, dst, 0));
    return mn_emit(run, k, (mn_value *[]){src, dst}, 2, NULL, 0);
}

static int forward(mn_run *run, mn_vertex *x) {
    mn_value *src = mn_src(run, x, 0);
    modnas_kernel k = copy_of(run, x, src->dims, x->dst->dims);
    lay_out(run, &k, mn_root(src)->layout, x->u.excerpt.layout);
    MN_TRY(mn_place(run, x->out, k.dst.layout));
    return copy(run, &k, src, x->out);
}

static int backward(mn_run *run, mn_vertex *x, mn_value *g) {
    mn_value *src = mn_src(run, x, 0), *to;
    modnas_kernel k = copy_of(run, x, src->dims, x->dst->dims);
    reverse(&k);
    lay_out(run, &k, mn_root(g)->layout, src->param ? src->param->layout : MODNAS_LAYOUT_PLAIN);
    MN_TRY(mn_grad_open(run, src, k.dst.layout, &to));
    MN_TRY(copy(run, &k, g, to));
    return mn_grad_close(run, src, to);
}

const mn_op mn_op_excerpt = {"excerpt", forward, backward};

/* As the store decides for a parameter: where the kernel wants its weights, if the part can be brought there. */
static int want_layout(mn_run *run, const mn_vertex *x, const mn_value *src, const modnas_kernel *use, int32_t *layout) {
    *layout = MODNAS_LAYOUT_PLAIN;
    if (!use || run->dtype != MODNAS_F32) return 0;
    const int has = mn_backend_supports(run->backend, use);
    if (has <= 0) return has;
    const int32_t want = mn_backend_want_layout(run->backend, use, MODNAS_ROLE_WEIGHTS);
    if (want < 0) return want;
    modnas_kernel k = copy_of(run, x, src->dims, x->dst->dims);
    lay_out(run, &k, src->param ? src->param->layout : MODNAS_LAYOUT_PLAIN, want);
    *layout = k.dst.layout;
    return 0;
}

int mn_excerpt(mn_run *run, mn_value *src, const int64_t dims[4], int32_t groups, const modnas_kernel *use, mn_value **dst) {
    char a[64], b[64];
    mn_vertex *x;
    for (int i = 0; i < 4; i++)
        if (dims[i] < 1 || dims[i] > src->dims[i] || (i > 1 && (src->dims[i] - dims[i]) % 2))
            return mn_fail(run->ctx, MODNAS_ESHAPE, "%s is no part of %s", mn_dims_text(dims, a), mn_dims_text(src->dims, b));
    MN_TRY(mn_vertex_new(run, &mn_op_excerpt, &src, 1, dims, &x));
    x->u.excerpt.weights = groups > 0;
    x->dst->groups = groups;
    *dst = x->dst;
    return want_layout(run, x, src, use, &x->u.excerpt.layout);
}

int32_t mn_weights_layout(const mn_run *run, const mn_value *v) {
    if (v->param) return v->param->layout;
    if (v->producer < 0) return -1;
    const mn_vertex *x = &MN_AT(run->vertices, mn_vertex, v->producer);
    return x->op == &mn_op_excerpt ? x->u.excerpt.layout : -1;
}
