/* What was recorded, read back: order, sources, attributes, parts; and what nothing needs is left out. */
#include <string.h>

#include "graph/view.h"
#include "util_model.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

static mn_model *m;
static mn_run *run;
static mn_value *x;
static mn_vec views;

static void setup(void) {
    const mn_run_opts opts = {0};
    model_setup();
    m = model_small();
    OK(mn_run_new(m->backend, m->dtype, m->slab, &run));
    OK(mn_run_begin(run, &opts));
    OK(mn_input(run, (const int64_t[]){2, 3, 6, 7}, MODNAS_F32, &x));
    mn_vec_init(&views, sizeof(mn_view));
}

static void teardown(void) {
    mn_vec_free(model_ctx, &views);
    mn_run_free(run);
    mn_model_free(m);
    model_teardown();
}

static const mn_view *at(size_t i) {
    ck_assert_uint_lt(i, views.n);
    return &MN_AT(views, mn_view, i);
}

START_TEST(network) {
    static const char *const ops[] = {"conv2d", "batch_norm", "pool2d", "linear"}, *const parts[] = {"conv", "bn", "pool", "fc"};
    mn_value *y;
    OK(mn_model_forward(m, run, x, &y));
    OK(mn_run_view(run, y, &views));
    ck_assert_uint_eq(views.n, 4);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_str_eq(at(i)->op, ops[i]);
        ck_assert_str_eq(((const mn_module *)at(i)->part)->name, parts[i]);
        ck_assert_ptr_eq(at(i)->src[0], i ? at(i - 1)->dst : x);
        ck_assert_int_eq(at(i)->dst->producer, (int)i);
    }
    ck_assert_uint_eq(mn_run_n_vertices(run), 4);
    ck_assert_str_eq(at(0)->src[1]->param->name, "conv.weight");
    ck_assert_int_eq(at(0)->u->conv.pad[2], 1);
    ck_assert_str_eq(at(1)->u->bn.mean->param->name, "bn.running_mean");
    ck_assert_int_eq(at(2)->u->pool.kernel[1], 7);
}
END_TEST

START_TEST(needed) {
    const double numbers[] = {3, 1, 2};
    mn_value *left_out, *c, *picked, *y;
    OK(mn_activation(run, x, MODNAS_ACT_RELU, 0, 0, &left_out));
    OK(mn_const(run, (const int64_t[]){1, 3, 1, 1}, numbers, &c));
    OK(mn_pick(run, c, (const int32_t[]){2, 0}, 2, &picked));
    OK(mn_activation(run, picked, MODNAS_ACT_LEAKY_RELU, 0.5, 0, &y));
    OK(mn_run_view(run, y, &views));
    ck_assert_uint_eq(views.n, 2);
    ck_assert_int_eq(at(0)->index[0], 2);
    ck_assert_int_eq(at(0)->index[1], 0);
    ck_assert_ptr_null(at(0)->part);
    ck_assert_double_eq(mn_run_constant(run, at(0)->src[0])[2], 2);
    ck_assert_ptr_null(mn_run_constant(run, x));
    ck_assert_double_eq(at(1)->u->act.alpha, 0.5);
    /* an input needs nothing */
    views.n = 0;
    OK(mn_run_view(run, x, &views));
    ck_assert_uint_eq(views.n, 0);
}
END_TEST

int main(void) {
    Suite *s = suite_create("view");
    util_add(s, "views", setup, teardown, (const TTest *[]){network, needed, NULL});
    return util_run(s);
}
