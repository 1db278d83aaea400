/* Channel shuffle (ShuffleNet): channel i (C / groups) + j goes to j groups + i. Backward brings it back. */
#include <string.h>

#include "backend/ref/ref.h"

int MN_REF(shuffle_fits)(const modnas_kernel *k) {
    return MN_REF(dims_ok)(&k->src) && MN_REF(same_dims)(&k->src, &k->dst) && k->groups >= 1 &&
           k->src.dims[1] % k->groups == 0;
}

/* `inverse` turns the direction round. */
static int shuffle_planes(const mn_ref_call *c, int inverse) {
    const int64_t channels = c->k->src.dims[1], groups = c->k->groups, per_group = channels / groups;
    const int64_t plane = c->k->src.dims[2] * c->k->src.dims[3];
    const mn_real *x = c->args[0];
    mn_real *y = c->args[1];
    for (int64_t n = 0; n < c->k->src.dims[0]; n++) {
        for (int64_t ch = 0; ch < channels; ch++) {
            const int64_t shuffled = ch % per_group * groups + ch / per_group;
            const int64_t from = inverse ? shuffled : ch, to = inverse ? ch : shuffled;
            memcpy(y + (n * channels + to) * plane, x + (n * channels + from) * plane, (size_t)plane * sizeof(mn_real));
        }
    }
    return 0;
}

int MN_REF(shuffle_forward)(const mn_ref_call *c) {
    return shuffle_planes(c, 0);
}
int MN_REF(shuffle_backward)(const mn_ref_call *c) {
    return shuffle_planes(c, 1);
}
