/* Bilinear resizing, pixels' centres half a pixel in. It runs on plain tensors: images are such. */
#include "graph/run.h"

static int emit(mn_run *run, mn_vertex *x, int32_t pass, mn_value *from, mn_value *to) {
    modnas_kernel k;
    mn_kernel_init(&k, run, MODNAS_KERNEL_RESIZE, pass);
    k.src = mn_desc(mn_src(run, x, 0));
    k.dst = mn_desc(x->dst);
    k.src.layout = k.dst.layout = MODNAS_LAYOUT_PLAIN;
    return mn_emit(run, &k, (mn_value *[]){from, to}, 2, NULL, 0);
}

static int forward(mn_run *run, mn_vertex *x) {
    mn_value *src;
    MN_TRY(mn_as(run, mn_src(run, x, 0), MODNAS_LAYOUT_PLAIN, &src));
    MN_TRY(mn_place(run, x->out, MODNAS_LAYOUT_PLAIN));
    return emit(run, x, MODNAS_FORWARD, src, x->out);
}

static int backward(mn_run *run, mn_vertex *x, mn_value *g) {
    mn_value *gy, *to;
    MN_TRY(mn_as(run, g, MODNAS_LAYOUT_PLAIN, &gy));
    MN_TRY(mn_grad_open(run, mn_src(run, x, 0), MODNAS_LAYOUT_PLAIN, &to));
    MN_TRY(emit(run, x, MODNAS_BACKWARD_DATA, gy, to));
    return mn_grad_close(run, mn_src(run, x, 0), to);
}

static const mn_op op_resize = {"resize", forward, backward};

int mn_resize(mn_run *run, mn_value *src, int64_t height, int64_t width, mn_value **dst) {
    const int64_t dims[4] = {src->dims[0], src->dims[1], height, width};
    mn_vertex *x;
    if (src->dims[2] == height && src->dims[3] == width) {
        *dst = src;
        return 0;
    }
    MN_TRY(mn_vertex_new(run, &op_resize, &src, 1, dims, &x));
    *dst = x->dst;
    return 0;
}
