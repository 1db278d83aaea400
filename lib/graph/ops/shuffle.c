/* Channel shuffle (ShuffleNet): channel i (C/groups) + j goes to j groups + i. */
#include "graph/run.h"

static int shuffle(mn_run *run, int32_t pass, int32_t groups, mn_value *from, mn_value *to_like, modnas_kernel *k, mn_value **src) {
    mn_kernel_init(k, run, MODNAS_KERNEL_SHUFFLE, pass);
    k->groups = groups;
    *src = from;
    return mn_fit_same(run, k, src, to_like);
}

static int forward(mn_run *run, mn_vertex *x) {
    modnas_kernel k;
    mn_value *src;
    MN_TRY(shuffle(run, MODNAS_FORWARD, x->u.shuffle.groups, mn_src(run, x, 0), x->out, &k, &src));
    return mn_emit(run, &k, (mn_value *[]){src, x->out}, 2, NULL, 0);
}

static int backward(mn_run *run, mn_vertex *x, mn_value *g) {
    modnas_kernel k;
    mn_value *gy, *to, like = *x->out;
    MN_TRY(shuffle(run, MODNAS_BACKWARD_DATA, x->u.shuffle.groups, g, &like, &k, &gy));
    MN_TRY(mn_grad_open(run, mn_src(run, x, 0), k.dst.layout, &to));
    MN_TRY(mn_emit(run, &k, (mn_value *[]){gy, to}, 2, NULL, 0));
    return mn_grad_close(run, mn_src(run, x, 0), to);
}

static const mn_op op_shuffle = {"shuffle", forward, backward};

int mn_shuffle(mn_run *run, mn_value *src, int32_t groups, mn_value **dst) {
    if (groups < 1 || src->dims[1] % groups)
        return mn_fail(run->ctx, MODNAS_ESHAPE, "shuffle: %lld channels in %d groups", (long long)src->dims[1], groups);
    mn_vertex *x;
    MN_TRY(mn_vertex_new(run, &op_shuffle, &src, 1, src->dims, &x));
    x->u.shuffle.groups = groups;
    *dst = x->dst;
    return 0;
}
