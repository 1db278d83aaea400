/* The graph apart from its operators (test_graph_ops.c): the binary gate, gradients that are added up, what is refused.
 */
#include <check.h>
#include <math.h>
#include <string.h>

#include "util_graph.h"

#define X4                                                                                                             \
    { 2, 4, 5, 6 }

static int conv(gn_net *t, mn_value **v, mn_value **y) {
    const mn_conv_opts o = {.pad = {1, 2, 0, 1}, .groups = 2};
    return mn_conv2d(t->run, v[0], v[1], NULL, &o, y);
}

static const gn_case conv_case = {"conv2d", {X4, {6, 2, 3, 2}}, conv, 0, 0};

/* The binary gate: its gradient is the estimator's, not the loss's: dL/dp_j = <g, x_j> for all j, dL/dx only for the
 * chosen. */
START_TEST(gate) {
    gn_net n, *t = &n;
    const gn_case c = {"gate", {{1, 3, 1, 1}, X4, X4, X4}, NULL, 0, 0};
    gn_open(t, &c, MODNAS_F64, "ref");
    const mn_run_opts o = {.train = 1, .grads = MN_ROLE_WEIGHT};
    mn_value *v[4], *y, *loss;
    GN_TRY(mn_run_begin(t->run, &o));
    for (int i = 0; i < 4; i++) GN_TRY(mn_use_param(t->run, t->p[i], &v[i]));
    GN_TRY(mn_gate(t->run, v[0], v + 1, 3, 1, &y));
    GN_TRY(gn_to_loss(t, y, &loss));
    GN_TRY(mn_run_plan(t->run, loss));
    mn_store_zero_grad(t->store);
    GN_TRY(mn_run_forward(t->run, 0));
    GN_TRY(mn_run_backward(t->run));
    double g[240], x[240], dp[3];
    GN_TRY(mn_param_get_grad(t->p[0], dp));
    GN_TRY(mn_param_get_grad(t->p[2], g)); /* of the chosen one: the upstream gradient itself */
    for (int j = 0; j < 3; j++) {
        double dot = 0;
        GN_TRY(mn_param_get(t->p[1 + j], x));
        for (int i = 0; i < 240; i++) dot += g[i] * x[i];
        ck_assert_double_eq_tol(dp[j], dot, 1e-12);
    }
    ck_assert(!mn_param_active(t->p[1]));
    ck_assert(mn_param_active(t->p[2]));
    ck_assert(!mn_param_active(t->p[3]));
    gn_close(t);
}
END_TEST

/* Accumulation over two runs gives twice the gradient; without it the second run replaces the first. */
START_TEST(accumulate) {
    gn_net n, *t = &n;
    const gn_case *c = &conv_case;
    gn_open(t, c, MODNAS_F64, "ref");
    double once[72], twice[72];
    gn_loss_of(t, c, 1);
    GN_TRY(mn_param_get_grad(t->p[1], once));
    mn_store_zero_grad(t->store);
    mn_value *v[GN_MAX_PARAMS], *y, *loss;
    const mn_run_opts o = {.train = 1, .grads = MN_ROLE_WEIGHT, .accumulate = MN_ROLE_WEIGHT};
    GN_TRY(mn_run_begin(t->run, &o));
    for (int i = 0; i < t->n; i++) GN_TRY(mn_use_param(t->run, t->p[i], &v[i]));
    GN_TRY(c->build(t, v, &y));
    GN_TRY(gn_to_loss(t, y, &loss));
    GN_TRY(mn_run_plan(t->run, loss));
    for (int k = 0; k < 2; k++) {
        GN_TRY(mn_run_forward(t->run, 3));
        GN_TRY(mn_run_backward(t->run));
    }
    GN_TRY(mn_param_get_grad(t->p[1], twice));
    for (int64_t i = 0; i < mn_param_numel(t->p[1]); i++) ck_assert_double_eq_tol(twice[i], 2 * once[i], 1e-12);
    gn_close(t);
}
END_TEST

/* Kernel calls of a forward: batch norm, perhaps a residual, and an activation. */
static int64_t n_calls(gn_net *t, int32_t act, int residual) {
    const mn_run_opts o = {.train = 1, .grads = MN_ROLE_WEIGHT};
    const mn_bn_opts bn = {.eps = 1e-3, .momentum = 0.1};
    mn_value *v[4], *y;
    GN_TRY(mn_run_begin(t->run, &o));
    for (int i = 0; i < 4; i++) GN_TRY(mn_use_param(t->run, t->p[i], &v[i]));
    GN_TRY(mn_batch_norm(t->run, v[0], v[1], v[2], t->p[4], t->p[5], &bn, &y));
    if (residual) GN_TRY(mn_add(t->run, y, v[3], &y));
    GN_TRY(mn_activation(t->run, y, act, 0, 0, &y));
    GN_TRY(mn_run_plan(t->run, NULL));
    return mn_run_n_calls(t->run);
}

/* fuse.c's table: with which activations batch norm and a residual are one kernel. */
START_TEST(fused_activations) {
    static const struct {
        int32_t act;
        int64_t n_calls[2]; /* without and with a residual */
    } rows[] = {{MODNAS_ACT_RELU, {1, 1}},
                {MODNAS_ACT_RELU6, {1, 1}},
                {MODNAS_ACT_HARD_SWISH, {1, 2}},
                {MODNAS_ACT_SWISH, {2, 2}}};
    const gn_case c = {"batch_norm", {X4, {1, 4, 1, 1}, {1, 4, 1, 1}, X4, {1, 4, 1, 1}, {1, 4, 1, 1}}, NULL, 2, 0};
    gn_net n, *t = &n;
    gn_open(t, &c, MODNAS_F64, "ref");
    for (size_t i = 0; i < MN_COUNT(rows); i++)
        for (int residual = 0; residual < 2; residual++)
            ck_assert_int_eq(n_calls(t, rows[i].act, residual), rows[i].n_calls[residual]);
    gn_close(t);
}
END_TEST

/* A factor a channel (squeeze and excite) is applied and its gradient summed where the images are: on dnnl nothing is
 * brought into another layout but what belongs to the factor and to both ends. */
START_TEST(factors_stay_blocked) {
    const gn_case c = {"scale", {{2, 20, 6, 6}, {2, 20, 1, 1}, {20, 20, 1, 1}}, NULL, 0, 0};
    const mn_run_opts o = {.train = 1, .grads = MN_ROLE_WEIGHT};
    mn_value *v[3], *y, *loss;
    gn_net n, *t = &n;
    gn_open(t, &c, MODNAS_F32, "dnnl");
    GN_TRY(mn_run_begin(t->run, &o));
    for (int i = 0; i < 3; i++) GN_TRY(mn_use_param(t->run, t->p[i], &v[i]));
    GN_TRY(mn_conv2d(t->run, v[0], v[2], NULL, NULL, &y));
    GN_TRY(mn_binary(t->run, MODNAS_BINARY_MUL, y, v[1], &y));
    GN_TRY(mn_conv2d(t->run, y, v[2], NULL, NULL, &y));
    GN_TRY(gn_to_loss(t, y, &loss));
    GN_TRY(mn_run_plan(t->run, loss));
    for (size_t i = 0; i < t->run->calls.n; i++) {
        const mn_call *call = &MN_AT(t->run->calls, mn_call, i);
        const mn_value *first = MN_AT(t->run->args, mn_value *, call->arg);
        if (call->kind == MODNAS_KERNEL_BINARY || call->kind == MODNAS_KERNEL_REDUCE)
            ck_assert_msg(!call->plan->fallback, "call %zu runs on ref", i);
        if (call->kind == MODNAS_KERNEL_REDUCE) ck_assert_int_eq(first->layout, MODNAS_LAYOUT_BLOCKED);
    }
    gn_close(t);
}
END_TEST

/* What a kernel leaves in the padding of a blocked value is found in variants that check: here the test puts it there,
 * between forward and backward. */
START_TEST(padding_is_watched) {
    gn_net n, *t = &n;
    const mn_run_opts o = {.train = 1, .grads = MN_ROLE_WEIGHT};
    mn_value *v[2], *y, *loss, *saved = NULL;
    if (!MN_CHECKS) return;
    gn_open(t, &conv_case, MODNAS_F32, "dnnl");
    GN_TRY(mn_run_begin(t->run, &o));
    for (int i = 0; i < 2; i++) GN_TRY(mn_use_param(t->run, t->p[i], &v[i]));
    GN_TRY(conv(t, v, &y));
    GN_TRY(mn_activation(t->run, y, MODNAS_ACT_RELU, 0, 0, &y));
    GN_TRY(gn_to_loss(t, y, &loss));
    GN_TRY(mn_run_plan(t->run, loss));
    GN_TRY(mn_run_forward(t->run, 0));
    for (size_t i = 0; i < t->run->args.n && !saved; i++) {
        mn_value *a = MN_AT(t->run->args, mn_value *, i);
        const int lives = a && a->place == MN_IN_SLAB && a->last >= (int32_t)t->run->n_forward;
        if (lives && a->first < (int32_t)t->run->n_forward && a->layout == MODNAS_LAYOUT_BLOCKED) saved = a;
    }
    ck_assert_ptr_nonnull(saved);
    GN_TRY(mn_run_backward(t->run));
    GN_TRY(mn_run_forward(t->run, 0));
    ((float *)((char *)t->slab->mem + saved->offset))[saved->dims[1]] = 1; /* behind the last channel of pixel 0 */
    ck_assert_int_eq(mn_run_backward(t->run), MODNAS_EINVAL);
    ck_assert_msg(strstr(modnas_errmsg(t->ctx), "blocked) has padding that is not 0 at 1 pixels") != NULL, "%s",
                  modnas_errmsg(t->ctx));
    gn_close(t);
}
END_TEST

/* graph.h's own example: abc padded by 2. */
START_TEST(borders_by_hand) {
    static const double abc[] = {1, 2, 3}, want[][7] = {[MN_BORDER_REFLECT] = {3, 2, 1, 2, 3, 2, 1},
                                                        [MN_BORDER_EDGE] = {1, 1, 1, 2, 3, 3, 3},
                                                        [MN_BORDER_WRAP] = {2, 3, 1, 2, 3, 1, 2}};
    const int32_t two[4] = {0, 0, 0, 2};
    gn_net n, *t = &n;
    gn_open(t, &conv_case, MODNAS_F64, "ref");
    for (int32_t border = MN_BORDER_REFLECT; border <= MN_BORDER_WRAP; border++) {
        const mn_run_opts o = {0};
        mn_value *x, *y;
        double got[7];
        GN_TRY(mn_run_begin(t->run, &o));
        GN_TRY(mn_input(t->run, (int64_t[]){1, 1, 1, 3}, MODNAS_F64, &x));
        mn_run_bind(t->run, x, abc);
        GN_TRY(mn_pad_border(t->run, x, two, two, border, &y));
        GN_TRY(mn_run_keep(t->run, y));
        GN_TRY(mn_run_plan(t->run, NULL));
        GN_TRY(mn_run_forward(t->run, 0));
        GN_TRY(mn_run_read(t->run, y, got));
        for (int i = 0; i < 7; i++) ck_assert(got[i] == want[border][i]);
        ck_assert_int_eq(mn_pad_border(t->run, x, (int32_t[]){0, 0, 0, 4}, two, border, &y),
                         border == MN_BORDER_EDGE ? 0 : MODNAS_ESHAPE);
    }
    gn_close(t);
}
END_TEST

START_TEST(refusals) {
    gn_net n, *t = &n;
    gn_open(t, &conv_case, MODNAS_F64, "ref");
    const mn_run_opts o = {.train = 1};
    mn_value *x, *w, *y = NULL, *keep = NULL;
    GN_TRY(mn_run_begin(t->run, &o));
    GN_TRY(mn_use_param(t->run, t->p[0], &x));
    GN_TRY(mn_use_param(t->run, t->p[1], &w));
    ck_assert_int_eq(mn_conv2d(t->run, x, w, NULL, NULL, &y), MODNAS_ESHAPE);
    ck_assert_str_eq(modnas_errmsg(t->ctx), "conv2d: src has 4 channels, weights want 2 in 1 groups of 6 outputs");
    ck_assert_int_eq(mn_add(t->run, x, w, &y), MODNAS_ESHAPE);
    ck_assert_str_eq(modnas_errmsg(t->ctx), "add: 2x4x5x6 and 6x2x3x2 differ");
    ck_assert_int_eq(mn_linear(t->run, x, w, NULL, &y), MODNAS_ESHAPE);
    ck_assert_int_eq(mn_shuffle(t->run, x, 3, &y), MODNAS_ESHAPE);
    ck_assert_int_eq(mn_reshape(t->run, x, (int64_t[]){2, 4, 5, 7}, &y), MODNAS_ESHAPE);
    ck_assert_str_eq(modnas_errmsg(t->ctx), "reshape: 2x4x5x6 has other elements than 2x4x5x7");
    ck_assert_int_eq(mn_reshape(t->run, x, (int64_t[]){0, 4, 5, 6}, &y), MODNAS_ESHAPE);
    ck_assert_int_eq(mn_reduce(t->run, MODNAS_REDUCE_SUM, x, (int64_t[]){2, 2, 1, 1}, &y), MODNAS_ESHAPE);
    ck_assert_int_eq(mn_split(t->run, x, 1, (int32_t[]){1, 2}, 2, &y), MODNAS_ESHAPE);
    ck_assert_str_eq(modnas_errmsg(t->ctx), "split: axis 1 has 4 elements, the parts 3");
    ck_assert_int_eq(
        mn_slice(t->run, x, (int32_t[]){0, 0, 4, 0}, (int32_t[]){1, 1, -2, 1}, (int32_t[]){2, 4, 4, 6}, &y),
        MODNAS_ESHAPE);
    ck_assert_int_eq(mn_loss(t->run, MODNAS_LOSS_MSE, x, w, 0, &y), MODNAS_ESHAPE);
    ck_assert_int_eq(mn_dropout(t->run, x, 1, &y), MODNAS_EINVAL);
    ck_assert_int_eq(mn_pick(t->run, x, (int32_t[]){9}, 1, &y), MODNAS_EINVAL);
    const mn_pool_opts big = {.algo = MODNAS_POOL_MAX, .kernel = {9, 9}};
    ck_assert_int_eq(mn_pool2d(t->run, x, &big, &y), MODNAS_ESHAPE);
    ck_assert_ptr_eq(y, keep);
    ck_assert_int_eq(mn_run_plan(t->run, x), MODNAS_ESHAPE);
    ck_assert_int_eq(mn_run_forward(t->run, 0), MODNAS_EINVAL);
    gn_close(t);
}
END_TEST

int main(void) {
    Suite *s = suite_create("graph");
    TCase *c = tcase_create("runs");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, gate);
    tcase_add_test(c, accumulate);
    tcase_add_test(c, fused_activations);
    tcase_add_test(c, factors_stay_blocked);
    tcase_add_test(c, padding_is_watched);
    tcase_add_test(c, borders_by_hand);
    tcase_add_test(c, refusals);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
