/* Top-level keys that decide how a model is made: seed, backend, ops. */
#include <string.h>

#include "construct/parts.h"
#include "util_model.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

START_TEST(seeds_decide) {
    const double a = model_first_weight(MODEL_NET "seed: 1\n");
    ck_assert(a == model_first_weight(MODEL_NET "seed: 1\n"));
    ck_assert(a == model_first_weight(MODEL_NET "init: {args: {seed: 1}}\n"));
    ck_assert(a == model_first_weight(MODEL_NET "seed: 1\ninit: {args: {seed: 5}}\n"));
    ck_assert(a == model_first_weight(MODEL_NET "construct: {init: {type: TorchInitConstructor, args: {seed: 1}}}\n"));
    ck_assert(a == model_first_weight(MODEL_NET "init: [TorchInitConstructor, {seed: 1}]\n"));
    ck_assert(a == model_first_weight(MODEL_NET "init: {args: {seed: 5}}\nconstruct: {init: {args: {seed: 1}}}\n"));
    ck_assert(a != model_first_weight(MODEL_NET "seed: 0\n"));
    ck_assert(model_first_weight(MODEL_NET) == model_first_weight(MODEL_NET "seed: 0\n"));
}
END_TEST

START_TEST(backends_by_name) {
    static const char *const cases[][2] = {
        {"{}", "auto"},           {"backend: torch", "auto"}, {"backend: auto", "auto"},
        {"backend: ref", "ref"},  {"backend: null", "none"},  {"backend: none", "none"},
        {"backend: dnnl", "dnnl"}};
    for (size_t i = 0; i < MN_COUNT(cases); i++) {
        mn_node *tree = yaml(cases[i][0]);
        ck_assert_str_eq(mn_construct_backend(tree), cases[i][1]);
        mn_node_free(model_ctx, tree);
    }
    mn_model *m = model_of("backend: none\nmodel: CIFAR_MobileNetV2\n", MODNAS_F32);
    ck_assert_ptr_null(m->backend);
    ck_assert_int_eq(mn_model_n_params(m), 3504872);
    int64_t macs;
    ck_assert_int_eq(mn_model_macs(m, NULL, &macs), MODNAS_EINVAL);
    mn_model_free(m);
    model_host.n_lines = 0;
    m = model_of(MODEL_NET "device_ids: '0'\n", MODNAS_F32);
    ck_assert_int_eq(model_host.n_lines, 1);
    ck_assert_int_eq(model_host.level, MODNAS_LOG_WARN);
    mn_model_free(m);
    expect_refused("backend: nothing\nmodel: CIFAR_MobileNetV2\n", MODNAS_ENOBACKEND, "nothing", NULL);
}
END_TEST

START_TEST(operator_settings) {
    static const struct {
        const char *ops, *order;
        int32_t affine, bias;
        double eps;
    } good[] = {{"{}", "baw", 1, 0, 1e-5},
                {"{ops_order: act_weight_bn, bn: {affine: false}}", "awb", 0, 0, 1e-5},
                {"{ops_order: [weight, bn], conv: {bias: true}}", "wb", 1, 0, 1e-5},
                {"{ops_order: weight_act, conv: {bias: true}, act: {inplace: true}}", "wa", 1, 1, 1e-5},
                {"{ops_order: bn, conv: {bias: true}, bn: {}}", "b", 1, 0, 1e-5},
                {"{affine: false, bn: null}", "baw", 1, 0, 1e-5}, /* the first: of old configurations, no effect */
                {"{bn: {eps: 0.001, momentum: 0.01}}", "baw", 1, 0, 1e-3}};
    static const char *const bad[][2] = {{"{ops_order: bn_act_wait}", "ops_order: bn, act and weight"},
                                         {"{ops_order: bn_bn}", "ops_order"},
                                         {"{ops_order: 3}", "ops_order"},
                                         {"{ops_order: []}", "ops_order"},
                                         {"{order: bn}", "unknown key 'order' of ops"},
                                         {"{bn: {afine: false}}", "did you mean 'affine'"},
                                         {"{bn: {eps: -1}}", "eps: a number above 0"},
                                         {"{bn: {momentum: 2}}", "momentum: a number above 0 and up to 1"},
                                         {"{bn: {track_running_stats: false}}", "track_running_stats"},
                                         {"{bn: true}", "ops.bn: a map"},
                                         {"{conv: {bias: 1}}", "ops.conv.bias: true or false"},
                                         {"{act: {bias: true}}", "unknown key 'bias' of ops.act"},
                                         {"[bn]", "ops: a map"}};
    for (size_t i = 0; i < MN_COUNT(good); i++) {
        mn_ops_conf c = {{'b', 'a', 'w'}, 1, 1e-5, 0.1, 0, 1};
        mn_node *tree = yaml(good[i].ops);
        OK(mn_ops_conf_read(model_ctx, tree, &c));
        ck_assert_int_eq(strncmp(c.order, good[i].order, 3), 0);
        ck_assert_int_eq(c.bn_affine, good[i].affine);
        ck_assert_int_eq(c.conv_bias, good[i].bias);
        ck_assert_double_eq(c.bn_eps, good[i].eps);
        mn_node_free(model_ctx, tree);
    }
    for (size_t i = 0; i < MN_COUNT(bad); i++) {
        mn_ops_conf c = {{'b', 'a', 'w'}, 1, 1e-5, 0.1, 0, 1}, before = c;
        mn_node *tree = yaml(bad[i][0]);
        ck_assert_int_eq(mn_ops_conf_read(model_ctx, tree, &c), MODNAS_ECONFIG);
        ck_assert_msg(strstr(modnas_errmsg(model_ctx), bad[i][1]) && strstr(modnas_errmsg(model_ctx), "test.yaml:1"),
                      "%s", modnas_errmsg(model_ctx));
        ck_assert_int_eq(memcmp(&c, &before, sizeof c), 0);
        mn_node_free(model_ctx, tree);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("construct_conf");
    util_add(s, "construct_conf", model_setup, model_teardown,
             (const TTest *[]){seeds_decide, backends_by_name, operator_settings, NULL});
    return util_run(s);
}
