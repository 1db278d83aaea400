/* Candidates at work: gradients, values, and the same step on ref and on dnnl.
 *
 * Gradients are compared with central differences of the loss in double: error of the order h^2 = 1e-10, plus rounding
 * 1e-16 / h = 1e-11, so 1e-7 of the largest is ample. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util_slot.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

typedef struct candidate {
    const char *name;
    int32_t chn_in, chn_out, stride;
} candidate;

static mn_model *model_with(const candidate *c, const char *backend, int32_t dtype, const char *ops, int32_t size) {
    mn_model *m = slot_empty_model(backend, dtype);
    slot_set_ops(m, ops);
    OK(slot_fill(slot_model(m, c->chn_in, c->chn_out, c->stride, size), c->name));
    OK(mn_model_commit(m));
    return m;
}

/* ---- gradients ----------------------------------------------------------------------------------------- */

/* Every family at both strides: odd channels, odd sizes, kernels that reach over the image, more images than one. */
static const candidate checked[] = {
    {"MB3E1", 3, 3, 1}, {"MB3E3", 3, 5, 1}, {"MB5E3", 4, 4, 2}, {"MB7E6", 3, 4, 2}, {"MB9E1", 4, 3, 1},
    {"MB9E9", 2, 3, 2}, {"IDT", 4, 4, 1},   {"IDT", 4, 6, 2},   {"IDT", 3, 5, 2},   {"IDT", 3, 1, 2},
    {"AVG", 3, 3, 1},   {"AP5", 3, 3, 2},   {"AP1", 4, 4, 2},   {"MAX", 3, 3, 1},   {"MP5", 3, 3, 2},
    {"NC3", 3, 4, 1},   {"NC5", 3, 2, 2},   {"NC13", 2, 2, 1},  {"SS3", 3, 4, 1},   {"SS5", 3, 2, 2},
    {"SC3", 3, 4, 1},   {"SC7", 3, 2, 2},   {"DC3", 3, 4, 1},   {"DC5", 3, 2, 2},   {"DD3", 3, 4, 1},
    {"DD5", 3, 2, 2},   {"FC3", 3, 4, 1},   {"FC7", 3, 2, 2},   {"FC1", 2, 3, 2},   {"DC1", 2, 3, 2},
    {"SE", 4, 4, 1},    {"M3B3E3", 3, 5, 1}, {"M3B3E6SH", 3, 3, 1}, {"M3B5E1S", 4, 4, 2}, {"M3B7E3H", 3, 2, 2},
    {"SHU3", 4, 4, 1},  {"SHU5", 3, 8, 2},  {"SHX3", 4, 6, 1},  {"SHX5", 3, 6, 2},
    {"IR3E3", 4, 4, 1}, {"IR5E6", 4, 4, 2}, {"IR5E1", 3, 4, 1}, {"SKIP", 3, 4, 1},  {"SKIP", 4, 4, 2},
};

static void check_gradients(const candidate *c, const char *ops, int32_t size) {
    mn_model *m = model_with(c, "ref", MODNAS_F64, ops, size);
    ck_assert_int_eq(m->n_classes, 3);
    model_check_gradients(m, 3);
}

START_TEST(gradients_at_odd_sizes) {
    check_gradients(&checked[_i], "{}", 5);
}
END_TEST
START_TEST(gradients_at_even_sizes) {
    check_gradients(&checked[_i], "{conv: {bias: true}, bn: {eps: 0.001}}", 4);
}
END_TEST
START_TEST(gradients_in_another_order) {
    check_gradients(&checked[_i], "{ops_order: act_weight_bn, bn: {affine: false}}", 5);
}
END_TEST

/* ---- values -------------------------------------------------------------------------------------------- */

/* A single pixel has no odd place: the second half of a reduction then sees zeros. */
START_TEST(reduction_of_one_pixel) {
    const candidate c = {"IDT", 4, 6, 2};
    mn_model *m = model_with(&c, "ref", MODNAS_F64, "{}", 1);
    step s;
    step_new(m, 3, &s);
    step_record(m, &s, &(mn_run_opts){.train = 1, .grads = MN_ROLE_WEIGHT});
    ck_assert(isfinite(step_go(&s)));
    step_free(&s);
    mn_model_free(m);
}
END_TEST

/* NIL's output is zero, so the loss is that of the classifier's bias alone: it does not depend on the stem. */
START_TEST(nil_is_zero) {
    for (int32_t stride = 1; stride <= 2; stride++) {
        const candidate c = {"NIL", 4, 4, stride};
        mn_model *m = model_with(&c, "ref", MODNAS_F64, "{}", 5);
        step s;
        step_new(m, 3, &s);
        step_record(m, &s, &(mn_run_opts){.train = 1, .grads = MN_ROLE_WEIGHT});
        const double loss = step_go(&s);
        double b[3], want = 0;
        for (size_t i = 0; i < mn_store_n_params(m->weights); i++)
            if (strcmp(mn_store_param(m->weights, i)->name, "fc.bias") == 0)
                OK(mn_param_get(mn_store_param(m->weights, i), b));
        for (int k = 0; k < 3; k++) want += (log(exp(b[0]) + exp(b[1]) + exp(b[2])) - b[k]) / 3; /* labels 0, 1, 2 */
        ck_assert(fabs(loss - want) < 1e-12);
        ck_assert(!mn_param_active(mn_store_param(m->weights, 0))); /* the stem */
        step_free(&s);
        mn_model_free(m);
    }
}
END_TEST

/* Loss of a network whose images are all `level`. */
static double loss_of_flat(const candidate *c, const char *ops, double level) {
    mn_model *m = model_with(c, "ref", MODNAS_F64, ops, 5);
    step s;
    step_new(m, 3, &s);
    for (int i = 0; i < 3 * 2 * 5 * 6; i++) s.images[i] = (float)level;
    step_record(m, &s, &(mn_run_opts){.train = 0});
    const double loss = step_go(&s);
    step_free(&s);
    mn_model_free(m);
    return loss;
}

/* Flat images stay flat under pooling, at the border too, for padding is left out; an identity then gives the same. */
START_TEST(pooling_leaves_padding_out) {
    static const char *const pools[] = {"AVG", "MAX", "AP13", "MP7", "AP1"};
    const candidate identity = {"IDT", 4, 4, 1};
    const double want = loss_of_flat(&identity, "{}", 0.5);
    for (size_t i = 0; i < MN_COUNT(pools); i++)
        for (int32_t stride = 1; stride <= 2; stride++) {
            const candidate pool = {pools[i], 4, 4, stride};
            ck_assert_double_eq_tol(loss_of_flat(&pool, "{ops_order: weight}", 0.5), want, 1e-12);
        }
}
END_TEST

/* ---- ref and dnnl -------------------------------------------------------------------------------------- */

static const candidate compared[] = {
    {"AVG", 16, 16, 1}, {"AP5", 16, 16, 2}, {"AP13", 16, 16, 1}, {"MAX", 16, 16, 1}, {"MP7", 16, 16, 2},
    {"NC1", 16, 24, 2}, {"NC3", 16, 24, 1}, {"NC9", 16, 8, 2},   {"SS3", 16, 24, 1}, {"SS11", 16, 24, 2},
    {"SC5", 16, 24, 1}, {"SC7", 16, 24, 2}, {"DC3", 16, 24, 1},  {"DC9", 16, 24, 2}, {"DC13", 16, 24, 1},
    {"DD5", 16, 24, 1}, {"DD3", 20, 20, 2}, {"DD1", 16, 24, 2},  {"FC3", 16, 24, 1}, {"FC7", 16, 24, 2},
    {"FC13", 16, 8, 1}, {"IDT", 16, 24, 2}, {"IDT", 16, 33, 2},  {"NIL", 16, 16, 2}, {"MB5E3", 16, 24, 2},
    {"SE", 16, 16, 1},  {"M3B3E6S", 16, 16, 1}, {"M3B5E3SH", 16, 24, 2}, {"M3B7E3H", 16, 24, 1}, {"M3B3E1SH", 16, 24, 1},
    {"SHU3", 16, 16, 1}, {"SHU7", 16, 40, 2}, {"SHX3", 20, 20, 1}, {"SHX5", 16, 36, 2},
    {"IR3E3", 16, 16, 1}, {"IR5E6", 16, 24, 2}, {"SKIP", 16, 24, 2},
};

static void compare_step(const candidate *c, const char *ops) {
    char what[256];
    snprintf(what, sizeof what, "%s with %s", c->name, ops);
    model_same_step(model_with(c, "ref", MODNAS_F32, ops, 14), model_with(c, "dnnl", MODNAS_F32, ops, 14), 4, what);
}

START_TEST(steps_are_those_of_ref) {
    if (!model_has_dnnl("steps_are_those_of_ref")) return;
    compare_step(&compared[_i], "{}");
    compare_step(&compared[_i], "{ops_order: act_weight_bn, conv: {bias: true}}");
    compare_step(&compared[_i], "{ops_order: weight_act, conv: {bias: true}}");
}
END_TEST

int main(void) {
    Suite *s = suite_create("candidates_step");
    util_add(s, "values", model_setup, model_teardown,
             (const TTest *[]){reduction_of_one_pixel, nil_is_zero, pooling_leaves_padding_out, NULL});
    util_add_loop(s, "odd", model_setup, model_teardown, gradients_at_odd_sizes, MN_COUNT(checked));
    util_add_loop(s, "even", model_setup, model_teardown, gradients_at_even_sizes, MN_COUNT(checked));
    util_add_loop(s, "order", model_setup, model_teardown, gradients_in_another_order, MN_COUNT(checked));
    util_add_loop(s, "dnnl", model_setup, model_teardown, steps_are_those_of_ref, MN_COUNT(compared));
    return util_run(s);
}
