/* Reshape: the same elements in plain order under other sizes. A copy, so that either side keeps the layout it likes.
 */
#include <string.h>

#include "graph/run.h"

static int forward(mn_run *run, mn_vertex *x) {
    mn_value *src;
    MN_TRY(mn_as(run, mn_src(run, x, 0), MODNAS_LAYOUT_PLAIN, &src));
    MN_TRY(mn_place(run, x->out, MODNAS_LAYOUT_PLAIN));
    return mn_emit_axpby(run, src, x->out, 1, 0);
}

static int backward(mn_run *run, mn_vertex *x, mn_value *g) {
    mn_value *gy, *to;
    MN_TRY(mn_as(run, g, MODNAS_LAYOUT_PLAIN, &gy));
    MN_TRY(mn_grad_open(run, mn_src(run, x, 0), MODNAS_LAYOUT_PLAIN, &to));
    MN_TRY(mn_emit_axpby(run, gy, to, 1, 0));
    return mn_grad_close(run, mn_src(run, x, 0), to);
}

static const mn_op op_reshape = {"reshape", forward, backward};

int mn_reshape(mn_run *run, mn_value *src, const int64_t dims[4], mn_value **dst) {
    char a[64], b[64];
    int64_t n = 1, left = src->dims[0] * src->dims[1] * src->dims[2] * src->dims[3];
    for (int i = 0; i < 4 && n; i++) n = dims[i] < 1 || dims[i] > left / n ? 0 : n * dims[i];
    if (n != left)
        return mn_fail(run->ctx, MODNAS_ESHAPE, "reshape: %s has other elements than %s", mn_dims_text(src->dims, a),
                       mn_dims_text(dims, b));
    if (memcmp(src->dims, dims, sizeof src->dims) == 0) {
        *dst = src;
        return 0;
    }
    mn_vertex *x;
    MN_TRY(mn_vertex_new(run, &op_reshape, &src, 1, dims, &x));
    *dst = x->dst;
    return 0;
}
