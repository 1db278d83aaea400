/* The module tree and initial values.
 *
 * Initial values: PyTorch draws convolution and linear weights and biases from U(+-1/sqrt(fan_in)) (kaiming-uniform
 * with a = sqrt(5)), so the largest magnitude stays below the bound and the mean square is bound^2 / 3. */
#include <math.h>
#include <string.h>

#include "module/layers.h"
#include "util_model.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

/* ---- tree ---------------------------------------------------------------------------------------------- */

static int count(mn_module *m, void *ud) {
    (void)m;
    return ++*(int *)ud == 4 ? 77 : 0;
}

START_TEST(tree_names_and_walks) {
    mn_model *m = model_empty();
    mn_module *a, *b, *c;
    mn_str path = {.ctx = model_ctx};
    int n = 0;
    OK(mn_sequential_new(m, &m->root));
    OK(mn_sequential_new(m, &a));
    OK(mn_module_add(m->root, "a", a));
    OK(mn_identity_new(m, &b));
    OK(mn_module_add(a, "b", b));
    OK(mn_identity_new(m, &c));
    ck_assert_int_eq(mn_module_add(a, "b", c), MODNAS_EEXIST); /* c is gone */
    OK(mn_identity_new(m, &c));
    ck_assert_int_eq(mn_module_add(a, "x.y", c), MODNAS_EINVAL);
    OK(mn_module_path(b, &path));
    ck_assert_str_eq(path.text, "a.b");
    ck_assert_int_eq(mn_module_walk(m->root, count, &n), 0);
    ck_assert_int_eq(n, 3);
    ck_assert_int_eq(mn_module_walk(m->root, count, &n), 77); /* the fourth call stops it */
    ck_assert_int_eq(n, 4);
    ck_assert_ptr_eq(mn_module_child(a, "b"), b);
    ck_assert_ptr_null(mn_module_child(a, "c"));
    mn_str_free(&path);
    mn_model_free(m);
}
END_TEST

START_TEST(replacing_keeps_place_and_name) {
    mn_model *m = model_empty();
    mn_module *part, *next, *alone;
    OK(mn_sequential_new(m, &m->root));
    for (int i = 0; i < 3; i++) {
        OK(mn_identity_new(m, &part));
        OK(mn_module_add(m->root, (const char *[]){"a", "b", "c"}[i], part));
    }
    OK(mn_dropout_new(m, 0.5, &next));
    OK(mn_module_replace(mn_module_child(m->root, "b"), next));
    ck_assert_uint_eq(m->root->children.n, 3);
    ck_assert_ptr_eq(MN_AT(m->root->children, mn_module *, 1), next);
    ck_assert_str_eq(next->name, "b");
    OK(mn_sequential_new(m, &next));
    OK(mn_module_replace(m->root, next));
    ck_assert_ptr_eq(m->root, next);
    OK(mn_identity_new(m, &alone));
    OK(mn_identity_new(m, &next));
    ck_assert_int_eq(mn_module_replace(alone, next), MODNAS_EINVAL);
    mn_module_free(alone);
    mn_model_free(m);
}
END_TEST

START_TEST(layers_refuse_what_cannot_be) {
    mn_model *m = model_empty();
    mn_module *out = NULL;
    ck_assert_int_eq(mn_conv2d_new(m, &(mn_conv_desc){.chn_in = 3, .chn_out = 8, .kernel = {3, 3}, .groups = 2}, &out),
                     MODNAS_ESHAPE);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(model_ctx), "2 groups"));
    ck_assert_int_eq(mn_conv2d_new(m, &(mn_conv_desc){.chn_in = 0, .chn_out = 8, .kernel = {3, 3}}, &out),
                     MODNAS_ESHAPE);
    ck_assert_int_eq(mn_linear_new(m, 0, 3, 1, &out), MODNAS_ESHAPE);
    ck_assert_int_eq(mn_batch_norm_new(m, 0, 1, 0, 0, &out), MODNAS_ESHAPE);
    ck_assert_int_eq(mn_dropout_new(m, 1.0, &out), MODNAS_EINVAL);
    ck_assert_ptr_null(out);
    mn_model_free(m);
}
END_TEST

/* Every allocation of building, committing and freeing may fail: an error each time, and nothing is left. */
START_TEST(out_of_memory_at_every_place) {
    for (int64_t n = 0;; n++) {
        mn_backend *b;
        mn_model *m = NULL;
        mn_node *tree = yaml("backend: ref\nmodel: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [1, 8, 1, 1]], "
                             "n_classes: 2, input: [1, 4, 4]}}\n"
                             "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E1, NIL]}\n");
        OK(mn_backend_open(model_ctx, "ref", 1, &b)); /* plans and the like are the backend's */
        model_host.left = n;
        const int rc = mn_construct_model(model_ctx, tree, MODNAS_F32, 1, &m);
        model_host.left = -1;
        mn_model_free(m);
        mn_node_free(model_ctx, tree);
        mn_backend_close(b);
        if (!rc) {
            ck_assert_int_gt(n, 100);
            return;
        }
        ck_assert_int_eq(rc, MODNAS_ENOMEM);
        ck_assert_ptr_null(m);
    }
}
END_TEST

/* ---- initial values ------------------------------------------------------------------------------------ */

START_TEST(initial_values_are_pytorchs) {
    static const struct {
        const char *name;
        double bound;
    } drawn[] = {{"conv.weight", 0.19245008972987526},
                 {"conv.bias", 0.19245008972987526}, /* 1 / sqrt(27) */
                 {"fc.weight", 0.35355339059327379},
                 {"fc.bias", 0.35355339059327379}}; /* 1 / sqrt(8) */
    static const struct {
        const char *name;
        double value;
    } fixed[] = {{"bn.weight", 1}, {"bn.bias", 0}, {"bn.running_mean", 0}, {"bn.running_var", 1}};
    mn_model *m = model_small();
    double x[3 * 8 * 9];
    for (size_t i = 0; i < MN_COUNT(drawn); i++) {
        const mn_param *p = model_param(m, drawn[i].name);
        const int64_t n = mn_param_numel(p);
        double most = 0, square = 0;
        OK(mn_param_get(p, x));
        for (int64_t k = 0; k < n; k++) {
            most = fmax(most, fabs(x[k]));
            square += x[k] * x[k] / (double)n;
        }
        ck_assert(most < drawn[i].bound);
        if (n < 100) continue; /* mean of x^2 is b^2 / 3, its standard deviation b^2 sqrt(4 / 45 / n); five of them */
        const double mean = drawn[i].bound * drawn[i].bound / 3;
        ck_assert(fabs(square - mean) < 5 * 3 * mean * sqrt(4.0 / 45 / (double)n));
    }
    for (size_t i = 0; i < MN_COUNT(fixed); i++) {
        const mn_param *p = model_param(m, fixed[i].name);
        OK(mn_param_get(p, x));
        for (int64_t k = 0; k < mn_param_numel(p); k++) ck_assert_double_eq(x[k], fixed[i].value);
    }
    mn_model_free(m);
}
END_TEST

int main(void) {
    Suite *s = suite_create("module");
    util_add(s, "tree", model_setup, model_teardown,
             (const TTest *[]){tree_names_and_walks, replacing_keeps_place_and_name, layers_refuse_what_cannot_be,
                               initial_values_are_pytorchs, out_of_memory_at_every_place, NULL});
    return util_run(s);
}
