/* Recomputing under a limit: the same bytes as without, whatever was dropped. Loss, gradients and running statistics
 * are compared with those of the plan that saves everything, on ref and on dnnl. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util_graph.h"
#include "util_host.h"

static const char *const backends[] = {"ref", "dnnl"};

/* One layer of everything that could go wrong when it is made twice: batch norm that moves running statistics (the same
 * ones in every layer), dropout, a workspace, values that several calls write, a mixture, a residual. */
static int layer(gn_net *t, mn_value **v, mn_value *x, mn_value **y) {
    const mn_conv_opts dw = {.pad = {2, 2, 2, 2}, .groups = 16};
    const mn_bn_opts bn = {.eps = 1e-3, .momentum = 0.1};
    const mn_pool_opts pool = {.algo = MODNAS_POOL_MAX, .kernel = {3, 3}, .stride = {1, 1}, .pad = {1, 1, 1, 1}};
    mn_value *h, *pooled, *half[2], *both[2];
    MN_TRY(mn_conv2d(t->run, x, v[4], NULL, &dw, &h));
    MN_TRY(mn_batch_norm(t->run, h, v[2], v[3], t->p[6], t->p[7], &bn, &h));
    MN_TRY(mn_activation(t->run, h, MODNAS_ACT_RELU6, 0, 0, &h));
    MN_TRY(mn_dropout(t->run, h, 0.3, &h));
    MN_TRY(mn_pool2d(t->run, h, &pool, &pooled));
    MN_TRY(mn_split(t->run, pooled, 1, (int32_t[]){6, 10}, 2, half));
    MN_TRY(mn_activation(t->run, half[0], MODNAS_ACT_SWISH, 0, 0, &half[0]));
    MN_TRY(mn_concat(t->run, half, 2, 1, &both[0]));
    MN_TRY(mn_shuffle(t->run, h, 4, &both[1]));
    MN_TRY(mn_weighted_sum(t->run, v[5], both, 2, &h));
    return mn_add(t->run, h, x, y);
}

static int layers(gn_net *t, mn_value **v, mn_value **y) {
    const mn_conv_opts o = {.pad = {1, 1, 1, 1}};
    MN_TRY(mn_conv2d(t->run, v[0], v[1], NULL, &o, y));
    for (int i = 0; i < 6; i++) MN_TRY(layer(t, v, *y, y));
    return 0;
}

/* Inverted residuals: narrow ends, wide middles. */
static int bottlenecks(gn_net *t, mn_value **v, mn_value **y) {
    const mn_conv_opts one = {.groups = 1}, dw = {.pad = {1, 1, 1, 1}, .groups = 48};
    const mn_bn_opts bn = {.eps = 1e-3, .momentum = 0.1};
    mn_value *h;
    *y = v[0];
    for (int i = 0; i < 6; i++) {
        MN_TRY(mn_conv2d(t->run, *y, v[1], NULL, &one, &h));
        MN_TRY(mn_batch_norm(t->run, h, v[2], v[3], t->p[6], t->p[7], &bn, &h));
        MN_TRY(mn_activation(t->run, h, MODNAS_ACT_RELU6, 0, 0, &h));
        MN_TRY(mn_conv2d(t->run, h, v[4], NULL, &dw, &h));
        MN_TRY(mn_batch_norm(t->run, h, v[2], v[3], t->p[6], t->p[7], &bn, &h));
        MN_TRY(mn_activation(t->run, h, MODNAS_ACT_RELU6, 0, 0, &h));
        MN_TRY(mn_conv2d(t->run, h, v[5], NULL, &one, &h));
        MN_TRY(mn_add(t->run, h, *y, y));
    }
    return 0;
}

static const gn_case nets[] = {
    {"layers",
     {{4, 8, 12, 12},
      {16, 8, 3, 3},
      {1, 16, 1, 1},
      {1, 16, 1, 1},
      {16, 1, 5, 5},
      {1, 2, 1, 1},
      {1, 16, 1, 1},
      {1, 16, 1, 1}},
     layers,
     2,
     0},
    {"bottlenecks",
     {{4, 16, 12, 12},
      {48, 16, 1, 1},
      {1, 48, 1, 1},
      {1, 48, 1, 1},
      {48, 1, 3, 3},
      {16, 48, 1, 1},
      {1, 48, 1, 1},
      {1, 48, 1, 1}},
     bottlenecks,
     2,
     0},
};

static int record(gn_net *t, const gn_case *c, int tags, mn_value **loss) {
    mn_value *v[GN_MAX_PARAMS], *y;
    const mn_run_opts o = {.train = 1, .update_stats = 1, .grads = MN_ROLE_WEIGHT, .seed = 5};
    MN_TRY(mn_run_begin(t->run, &o));
    for (int i = 0; i < t->n - c->stats; i++) MN_TRY(mn_use_param(t->run, t->p[i], &v[i]));
    mn_run_tag(t->run, tags);
    MN_TRY(c->build(t, v, &y));
    mn_run_tag(t->run, 0);
    MN_TRY(gn_to_loss(t, y, loss));
    MN_TRY(mn_run_keep(t->run, *loss));
    return mn_run_plan(t->run, *loss);
}

enum { STEPS = 2 };

/* Everything that steps leave behind. */
typedef struct outcome {
    double loss[STEPS], values[2 * GN_MAX_PARAMS][4 * 16 * 12 * 12];
} outcome;

/* Two steps from the same start with the plan that is there. */
static void run_steps(gn_net *t, const gn_case *c, mn_value *loss, outcome *out) {
    double ones[64], zeros[64] = {0};
    memset(out, 0, sizeof *out);
    for (int i = 0; i < 64; i++) ones[i] = 1;
    GN_TRY(mn_param_set(t->p[t->n - 2], zeros));
    GN_TRY(mn_param_set(t->p[t->n - 1], ones));
    for (int i = 0; i < STEPS; i++) {
        mn_store_zero_grad(t->store);
        GN_TRY(mn_run_forward(t->run, (uint64_t)i + 7));
        GN_TRY(mn_run_backward(t->run));
        GN_TRY(mn_run_read(t->run, loss, &out->loss[i]));
    }
    for (int i = 0; i < t->n; i++) {
        const int is_stat = i >= t->n - c->stats;
        GN_TRY((is_stat ? mn_param_get : mn_param_get_grad)(t->p[i], out->values[i]));
    }
}

static size_t need(const gn_net *t) {
    return mn_run_slab_bytes(t->run) + mn_run_scratch_bytes(t->run);
}

static void open_net(gn_net *t, int i, const gn_case **c) {
    *c = &nets[i / 2 % 2];
    gn_open(t, *c, MODNAS_F32, backends[i % 2]);
}

START_TEST(same_bytes_under_any_limit) {
    gn_net n, *t = &n;
    const gn_case *c;
    mn_value *loss;
    static outcome want, got;
    open_net(t, _i, &c);
    GN_TRY(record(t, c, 0, &loss));
    const size_t most = need(t);
    ck_assert_int_eq(mn_run_n_again(t->run), 0);
    run_steps(t, c, loss, &want);
    if (c == &nets[0]) ck_assert(want.loss[0] != want.loss[1]); /* dropout draws anew */

    mn_run_set_limit(t->run, SIZE_MAX);
    GN_TRY(record(t, c, 0, &loss));
    ck_assert_uint_eq(need(t), most);
    GN_TRY(mn_run_plan_least(t->run));
    const size_t least = need(t);
    ck_assert_msg(least < most * 3 / 4, "%zu of %zu bytes", least, most);
    run_steps(t, c, loss, &got);
    ck_assert_mem_eq(&want, &got, sizeof want);

    int64_t before = 0;
    for (int i = 0; i <= 4; i++) {
        const size_t limit = most - (most - least) * (size_t)i / 4;
        mn_run_set_limit(t->run, limit);
        GN_TRY(record(t, c, 0, &loss));
        ck_assert_uint_le(need(t), limit);
        ck_assert_int_eq(mn_run_n_again(t->run) > 0, i > 0);
        before = mn_run_n_again(t->run);
        run_steps(t, c, loss, &got);
        ck_assert_mem_eq(&want, &got, sizeof want);
    }
    ck_assert_int_gt(before, 0);
    mn_run_set_limit(t->run, least - 1);
    ck_assert_int_eq(record(t, c, 0, &loss), MODNAS_ENOMEM);
    char number[32];
    snprintf(number, sizeof number, "%zu", least);
    ck_assert_msg(strstr(modnas_errmsg(t->ctx), number) != NULL, "%s", modnas_errmsg(t->ctx));
    gn_close(t);
}
END_TEST

int main(void) {
    Suite *s = suite_create("recompute");
    TCase *t = tcase_create("recompute");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, same_bytes_under_any_limit, 0, 4);
    suite_add_tcase(s, t);
    return util_run(s);
}
