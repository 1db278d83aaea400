/* Torch cases that add, multiply and move elements: y and the gradients that gy gives. */
#include <string.h>

#include "cases.h"

/* ---- a, b -> y, ga, gb, broadcast ---- */

int cs_torch_binary(cs_env *e) {
    const mn_run_opts opts = {.train = 1, .grads = MN_ROLE_WEIGHT};
    static const char *const names[] = {"a", "b"}, *const grads[] = {"ga", "gb"};
    const cs_tensor *t[2], *gy = cs_in(e, "gy");
    mn_param *p[2];
    mn_value *v[2], *y, *loss = NULL;
    double *got;
    CS_DO(cs_net_new(e));
    for (int i = 0; i < 2; i++) {
        int64_t dims[4];
        CS_DO(cs_need(e, names[i], &t[i]));
        if (!cs_fold_left(t[i], dims)) return cs_skip(e, "rank %d", (int)t[i]->rank);
        CS_DO(cs_net_param(e, MN_ROLE_WEIGHT, dims, t[i]->v, &p[i]));
    }
    CS_DO(cs_net_begin(e, &opts));
    for (int i = 0; i < 2; i++) CS_LIB(e, mn_use_param(e->net.run, p[i], &v[i]));
    CS_LIB(e, mn_binary(e->net.run, cs_op_of(e)->arg, v[0], v[1], &y));
    CS_LIB(e, mn_run_keep(e->net.run, y));
    const int64_t n = cs_product(y->dims, 0, 4);
    if (gy && gy->n != n) return cs_fail(e, "gy has %lld elements, y has %lld", (long long)gy->n, (long long)n);
    if (gy) CS_DO(cs_net_dot(e, y, gy->v, &loss));
    CS_DO(cs_net_run(e, loss));
    CS_DO(cs_net_read(e, y, &got));
    CS_DO(cs_check_named(e, "y", got, n));
    for (int i = 0; i < 2 && loss; i++) CS_DO(cs_check_grad(e, grads[i], p[i]));
    return CS_OK;
}

/* ---- sum, mean: x -> y, gx; dim: axes, absent: all ---- */

int cs_torch_reduce(cs_env *e) {
    cs_one o = {0};
    const cs_tensor *x;
    int64_t axes[CS_MAX_RANK], dims[4];
    CS_DO(cs_need(e, "x", &x));
    if (!cs_fold_left(x, o.dims)) return cs_skip(e, "rank %d", (int)x->rank);
    const int32_t n = cs_attr_ints(e, "dim", axes, CS_MAX_RANK);
    memcpy(dims, o.dims, sizeof dims);
    for (int32_t i = 0; i < (n ? n : 4); i++) {
        const int32_t axis = n ? cs_axis(x, axes[i]) : i - 4 + x->rank;
        if (n && axis < 0) return cs_fail(e, "dim is out of range");
        dims[axis + 4 - x->rank] = 1;
    }
    CS_DO(cs_one_begin(e, &o));
    CS_DO(cs_one_start(e, &o, NULL));
    CS_LIB(e, mn_reduce(e->net.run, cs_op_of(e)->arg, o.v, dims, &o.y));
    return cs_one_finish(e, &o);
}

/* ---- pad: x -> y, gx; pairs of the last axis first; negative ones crop, with constant padding ---- */

static const struct {
    const char *name;
    int32_t border;
} borders[] = {{"reflect", MN_BORDER_REFLECT}, {"replicate", MN_BORDER_EDGE}, {"circular", MN_BORDER_WRAP}};

static int border_of(const cs_env *e, int32_t *border) {
    for (size_t i = 0; i < MN_COUNT(borders); i++) {
        *border = borders[i].border;
        if (cs_attr_is(e, "mode", borders[i].name)) return 1;
    }
    return 0;
}

int cs_torch_pad(cs_env *e) {
    cs_one o = {0};
    const cs_tensor *x;
    int64_t pads[8];
    int32_t before[4] = {0}, after[4] = {0}, border;
    CS_DO(cs_need(e, "x", &x));
    if (!cs_fold_left(x, o.dims)) return cs_skip(e, "rank %d", (int)x->rank);
    const int32_t n = cs_attr_ints(e, "pad", pads, 8);
    if (n < 2 || n % 2) return cs_fail(e, "pad: %s", e->c->attrs);
    for (int32_t i = 0; i < n / 2; i++) {
        if (pads[2 * i] < 0 || pads[2 * i + 1] < 0) return cs_skip(e, "negative padding");
        before[3 - i] = (int32_t)pads[2 * i];
        after[3 - i] = (int32_t)pads[2 * i + 1];
    }
    CS_DO(cs_one_begin(e, &o));
    CS_DO(cs_one_start(e, &o, NULL));
    if (border_of(e, &border))
        CS_LIB(e, mn_pad_border(e->net.run, o.v, before, after, border, &o.y));
    else
        CS_LIB(e, mn_pad(e->net.run, o.v, before, after, cs_attr_real(e, "value", 0), &o.y));
    return cs_one_finish(e, &o);
}
