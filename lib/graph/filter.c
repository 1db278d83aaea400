/* The backward of operators with weights and a bias (conv2d, linear): gradients of weights and bias from one kernel, of the source from
 * another. What is not wanted is not computed; a kernel that has to write weights nobody wants gets a temporary. */
#include "graph/run.h"

int mn_filter_backward(mn_run *run, mn_vertex *x, mn_value *g, mn_filter_fit_fn fit) {
    mn_value *source = mn_src(run, x, 0), *filter = mn_src(run, x, 1), *bias = mn_src(run, x, 2);
    mn_value *src, *weights, *to, *to_bias = NULL;
    modnas_kernel k;
    mn_value like = *x->out; /* fit places a dst: keep the real one as it is */
    if (mn_wants_grad(filter) || mn_wants_grad(bias)) {
        MN_TRY(fit(run, x, MODNAS_BACKWARD_WEIGHTS, &k, &src, &weights, &like));
        mn_value *gy;
        MN_TRY(mn_as(run, g, k.dst.layout, &gy));
        if (mn_wants_grad(filter))
            MN_TRY(mn_grad_open(run, filter, k.weights.layout, &to));
        else
            MN_TRY(mn_temp(run, filter->dims, filter->dtype, k.weights.layout, &to));
        if (mn_wants_grad(bias)) MN_TRY(mn_grad_open(run, bias, MODNAS_LAYOUT_PLAIN, &to_bias));
        if (!to_bias) k.flags &= ~MODNAS_KF_BIAS;
        MN_TRY(mn_emit(run, &k, (mn_value *[]){src, gy, to, to_bias}, 4, NULL, 0));
        if (mn_wants_grad(filter)) MN_TRY(mn_grad_close(run, filter, to));
        if (to_bias) MN_TRY(mn_grad_close(run, bias, to_bias));
    }
    if (mn_wants_grad(source)) {
        like = *x->out;
        MN_TRY(fit(run, x, MODNAS_BACKWARD_DATA, &k, &src, &weights, &like));
        k.flags &= ~MODNAS_KF_BIAS;
        mn_value *gy;
        MN_TRY(mn_as(run, g, k.dst.layout, &gy));
        MN_TRY(mn_grad_open(run, source, k.src.layout, &to));
        MN_TRY(mn_emit(run, &k, (mn_value *[]){gy, weights, to}, 3, NULL, 0));
        MN_TRY(mn_grad_close(run, source, to));
    }
    return 0;
}
