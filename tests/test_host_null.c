/* NULL for every pointer argument of every function by which a host describes its own: a status, 0 or NULL, never a
 * crash. What may be NULL by its description is not in these tables. */
#include <string.h>

#include "util_hosted.h"

typedef struct row {
    const char *what;
    int rc;
} row;

static int n_checked;

/* All of them are refused. */
static void refused(const row *rows, size_t n) {
    for (size_t i = 0; i < n; i++) ck_assert_msg(rows[i].rc == MODNAS_EINVAL, "%s: %d", rows[i].what, rows[i].rc);
    n_checked += (int)n;
}
#define REFUSED(...)                                                                                                   \
    do {                                                                                                               \
        const row rows_[] = {__VA_ARGS__};                                                                             \
        refused(rows_, MN_COUNT(rows_));                                                                               \
    } while (0)
#define R(call)                                                                                                        \
    { #call, call }

static int build(modnas_module *m, const modnas_args *args, void *ud) {
    const modnas_module_vt vt = {.size = sizeof vt};
    const int64_t dims[1] = {4};
    modnas_slot_info info = {.size = sizeof info};
    modnas_module *slot = NULL;
    char *json = NULL;
    (void)ud;
    MN_TRY(modnas_model_set_input(modnas_module_model(m), 3, 4, 4));
    MN_TRY(modnas_module_add(m, "s", "Slot", "chn_in: 3, op: IDT", &slot));
    MN_TRY(modnas_module_add(m, "p", "GlobalAvgPool", NULL, NULL));
    MN_TRY(modnas_module_param(m, "w", dims, 1, MODNAS_INIT_ZEROS, 0));
    REFUSED(R(modnas_module_add(NULL, "a", "ReLU", NULL, NULL)), R(modnas_module_add(m, NULL, "ReLU", NULL, NULL)),
            R(modnas_module_add(m, "a", NULL, NULL, NULL)),
            R(modnas_module_add_custom(NULL, "a", &vt, NULL, NULL, NULL)),
            R(modnas_module_add_custom(m, NULL, &vt, NULL, NULL, NULL)),
            R(modnas_module_add_custom(m, "a", NULL, NULL, NULL, NULL)),
            R(modnas_module_param(NULL, "a", dims, 1, 0, 0)), R(modnas_module_param(m, NULL, dims, 1, 0, 0)),
            R(modnas_module_param(m, "a", NULL, 1, 0, 0)), R(modnas_module_slot(NULL, &info)),
            R(modnas_module_slot(slot, NULL)), R(modnas_slot_fill(NULL, "IDT")), R(modnas_slot_fill(NULL, NULL)),
            R(modnas_slot_mix(NULL, "x")), R(modnas_slot_mix(slot, NULL)), R(modnas_model_set_input(NULL, 1, 1, 1)),
            R(modnas_model_set_classes(NULL, 1)), R(modnas_args_json(NULL, "a", &json)),
            R(modnas_args_json(args, "a", NULL)), R(modnas_args_fail(NULL, "a", "b")),
            R(modnas_args_fail(args, NULL, "b")), R(modnas_args_fail(args, "a", NULL)));
    ck_assert(modnas_args_int(NULL, "a") == 0 && modnas_args_int(args, NULL) == 0);
    ck_assert(modnas_args_real(NULL, "a") == 0 && modnas_args_real(args, NULL) == 0);
    ck_assert(modnas_args_bool(NULL, "a") == 0 && modnas_args_bool(args, NULL) == 0);
    ck_assert(!modnas_args_str(NULL, "a") && !modnas_args_str(args, NULL));
    ck_assert(!modnas_args_given(NULL, "a") && !modnas_args_given(args, NULL));
    ck_assert_uint_eq(modnas_module_n_children(m), 2);
    return 0;
}

#define TWICE(call, a, b) R(call(NULL, a, &v)), R(call(t, b, &v)), R(call(t, a, NULL))

static int forward(modnas_module *m, modnas_tape *t, modnas_value *const *src, int32_t n_src, modnas_value **dst,
                   void *ud) {
    modnas_module *s = modnas_module_child(m, "s");
    modnas_value *x = src[0], *v = NULL, *none[1] = {NULL};
    const modnas_window_opts o = {.size = sizeof o, .kernel = {2, 2}};
    int64_t d[4];
    const int64_t one[4] = {1, 1, 1, 1};
    const int32_t zero[4] = {0}, count[4] = {1, 1, 1, 1};
    const double number = 1;
    (void)n_src, (void)ud;
    REFUSED(R(modnas_forward(NULL, t, x, &v)), R(modnas_forward(s, NULL, x, &v)), R(modnas_forward(s, t, NULL, &v)),
            R(modnas_forward(s, t, x, NULL)), R(modnas_forward_n(NULL, t, src, 1, &v)),
            R(modnas_forward_n(s, NULL, src, 1, &v)), R(modnas_forward_n(s, t, NULL, 1, &v)),
            R(modnas_forward_n(s, t, none, 1, &v)), R(modnas_forward_n(s, t, src, 0, &v)),
            R(modnas_forward_n(s, t, src, 1, NULL)), R(modnas_value_dims(NULL, x, d)), R(modnas_value_dims(t, NULL, d)),
            R(modnas_value_dims(t, x, NULL)));
    REFUSED(R(modnas_op_param(NULL, m, "w", &v)), R(modnas_op_param(t, NULL, "w", &v)),
            R(modnas_op_param(t, m, NULL, &v)), R(modnas_op_param(t, m, "w", NULL)),
            R(modnas_op_constant(NULL, one, &number, &v)), R(modnas_op_constant(t, NULL, &number, &v)),
            R(modnas_op_constant(t, one, NULL, &v)), R(modnas_op_constant(t, one, &number, NULL)),
            TWICE(modnas_op_zeros, one, NULL));
    REFUSED(R(modnas_op_conv2d(NULL, x, x, NULL, NULL, &v)), R(modnas_op_conv2d(t, NULL, x, NULL, NULL, &v)),
            R(modnas_op_conv2d(t, x, NULL, NULL, NULL, &v)), R(modnas_op_conv2d(t, x, x, NULL, NULL, NULL)),
            R(modnas_op_linear(NULL, x, x, NULL, &v)), R(modnas_op_linear(t, NULL, x, NULL, &v)),
            R(modnas_op_linear(t, x, NULL, NULL, &v)), R(modnas_op_linear(t, x, x, NULL, NULL)),
            R(modnas_op_pool2d(NULL, "max", x, &o, &v)), R(modnas_op_pool2d(t, NULL, x, &o, &v)),
            R(modnas_op_pool2d(t, "max", NULL, &o, &v)), R(modnas_op_pool2d(t, "max", x, &o, NULL)),
            R(modnas_op_pool2d(t, "max", x, NULL, &v)), R(modnas_op_global_pool(NULL, "max", x, &v)),
            R(modnas_op_global_pool(t, NULL, x, &v)), R(modnas_op_global_pool(t, "max", NULL, &v)),
            R(modnas_op_global_pool(t, "max", x, NULL)));
    REFUSED(R(modnas_op_activation(NULL, "ReLU", x, &v)), R(modnas_op_activation(t, "ReLU", NULL, &v)),
            R(modnas_op_activation(t, "ReLU", x, NULL)), R(modnas_op_dropout(NULL, x, 0, &v)),
            R(modnas_op_dropout(t, NULL, 0, &v)), R(modnas_op_dropout(t, x, 0, NULL)),
            TWICE(modnas_op_softmax, x, NULL), TWICE(modnas_op_log_softmax, x, NULL),
            R(modnas_op_loss(NULL, "MSELoss", x, x, 0, &v)), R(modnas_op_loss(t, "MSELoss", NULL, x, 0, &v)),
            R(modnas_op_loss(t, "MSELoss", x, NULL, 0, &v)), R(modnas_op_loss(t, "MSELoss", x, x, 0, NULL)));
    ck_assert_int_eq(modnas_op_activation(t, NULL, x, &v), MODNAS_ENOTFOUND);
    ck_assert_int_eq(modnas_op_loss(t, NULL, x, x, 0, &v), MODNAS_ENOTFOUND);
#define BINARY(op)                                                                                                     \
    R(modnas_op_##op(NULL, x, x, &v)), R(modnas_op_##op(t, NULL, x, &v)), R(modnas_op_##op(t, x, NULL, &v)),           \
        R(modnas_op_##op(t, x, x, NULL))
    REFUSED(BINARY(add), BINARY(sub), BINARY(mul), BINARY(div), R(modnas_op_affine(NULL, x, 1, 0, &v)),
            R(modnas_op_affine(t, NULL, 1, 0, &v)), R(modnas_op_affine(t, x, 1, 0, NULL)));
    REFUSED(R(modnas_op_concat(NULL, src, 1, 1, &v)), R(modnas_op_concat(t, NULL, 1, 1, &v)),
            R(modnas_op_concat(t, none, 1, 1, &v)), R(modnas_op_concat(t, src, 1, 1, NULL)),
            R(modnas_op_split(NULL, x, 1, NULL, 1, &v)), R(modnas_op_split(t, NULL, 1, NULL, 1, &v)),
            R(modnas_op_split(t, x, 1, NULL, 1, NULL)), R(modnas_op_reduce(NULL, "sum", x, one, &v)),
            R(modnas_op_reduce(t, NULL, x, one, &v)), R(modnas_op_reduce(t, "sum", NULL, one, &v)),
            R(modnas_op_reduce(t, "sum", x, NULL, &v)), R(modnas_op_reduce(t, "sum", x, one, NULL)),
            R(modnas_op_slice(NULL, x, zero, NULL, count, &v)), R(modnas_op_slice(t, NULL, zero, NULL, count, &v)),
            R(modnas_op_slice(t, x, NULL, NULL, count, &v)), R(modnas_op_slice(t, x, zero, NULL, NULL, &v)),
            R(modnas_op_slice(t, x, zero, NULL, count, NULL)), R(modnas_op_pad(NULL, x, zero, zero, 0, &v)),
            R(modnas_op_pad(t, NULL, zero, zero, 0, &v)), R(modnas_op_pad(t, x, NULL, zero, 0, &v)),
            R(modnas_op_pad(t, x, zero, NULL, 0, &v)), R(modnas_op_pad(t, x, zero, zero, 0, NULL)),
            R(modnas_op_reshape(NULL, x, one, &v)), R(modnas_op_reshape(t, NULL, one, &v)),
            R(modnas_op_reshape(t, x, NULL, &v)), R(modnas_op_reshape(t, x, one, NULL)),
            R(modnas_op_shuffle(NULL, x, 1, &v)), R(modnas_op_shuffle(t, NULL, 1, &v)),
            R(modnas_op_shuffle(t, x, 1, NULL)));
    ck_assert_ptr_null(v);
    ck_assert_int_eq(modnas_tape_is_training(NULL), 0);
    MN_TRY(modnas_forward(s, t, x, &v));
    return modnas_forward(modnas_module_child(m, "p"), t, v, dst);
}

static const modnas_module_vt vt = {.size = sizeof vt, .build = build, .forward = forward};

START_TEST(callbacks) {
    ck_assert_int_eq(hosted_register(hosted_ctx, "model", "N", "a: 1", &vt, NULL), 0);
    n_checked = 0;
    ck_assert_msg(hosted_describe("backend: ref\nmodel: N\n", NULL) == 0, "%s", modnas_errmsg(hosted_ctx));
    ck_assert_int_gt(n_checked, 100);
}
END_TEST

START_TEST(registry) {
    const modnas_builder *b = NULL;
    const modnas_place place = {.size = sizeof place}, *p = &place;
    modnas_component c = {.size = sizeof c, .kind = "model", .name = "N", .vt = &vt}, kind = c, name = c, table = c;
    char *json = NULL;
    kind.kind = name.name = NULL;
    table.vt = NULL;
    ck_assert_int_eq(modnas_registry_get_builder(hosted_ctx, "layer", "ReLU", &b), 0);
    REFUSED(
        R(modnas_registry_register(NULL, &c)), R(modnas_registry_register(hosted_ctx, NULL)),
        R(modnas_registry_register(hosted_ctx, &kind)), R(modnas_registry_register(hosted_ctx, &name)),
        R(modnas_registry_register(hosted_ctx, &table)), R(modnas_registry_get_builder(NULL, "layer", "ReLU", &b)),
        R(modnas_registry_get_builder(hosted_ctx, NULL, "ReLU", &b)),
        R(modnas_registry_get_builder(hosted_ctx, "layer", NULL, &b)),
        R(modnas_registry_get_builder(hosted_ctx, "layer", "ReLU", NULL)), R(modnas_builder_args_json(NULL, b, &json)),
        R(modnas_builder_args_json(hosted_ctx, NULL, &json)), R(modnas_builder_args_json(hosted_ctx, b, NULL)),
        R(modnas_registry_build(NULL, "layer", "ReLU", p)), R(modnas_registry_build(hosted_ctx, NULL, "ReLU", p)),
        R(modnas_registry_build(hosted_ctx, "layer", NULL, p)),
        R(modnas_registry_build(hosted_ctx, "layer", "ReLU", NULL)),
        R(modnas_registry_build(hosted_ctx, "layer", "ReLU", p)), R(modnas_registry_build(hosted_ctx, "model", "N", p)),
        R(modnas_registry_build(hosted_ctx, "candidate", "IDT", p)),
        R(modnas_registry_build(hosted_ctx, "mixed_op", "SoftmaxSumMixedOp", p)),
        R(modnas_registry_build(hosted_ctx, "construct", "MobileNetV2PredefinedConstructor", p)));
    ck_assert(!modnas_builder_kind(NULL) && !modnas_builder_name(NULL) && !modnas_builder_text(NULL));
}
END_TEST

START_TEST(models) {
    ck_assert_int_eq(hosted_add_resnet(hosted_ctx), 0);
    modnas_config *cfg = hosted_config("backend: ref\nmodel: HostResNet\n");
    modnas_model *m = NULL;
    modnas_tensor_info info = {.size = sizeof info};
    int64_t macs;
    int32_t chw[3];
    float x[3 * 16 * 16] = {0}, y[5];
    ck_assert_int_eq(modnas_model_new(cfg, &m), 0);
    REFUSED(R(modnas_model_new(NULL, &m)), R(modnas_model_new(cfg, NULL)), R(modnas_model_input(NULL, chw)),
            R(modnas_model_input(m, NULL)), R(modnas_model_macs(NULL, &macs)), R(modnas_model_macs(m, NULL)),
            R(modnas_model_forward(NULL, x, 1, y)), R(modnas_model_forward(m, NULL, 1, y)),
            R(modnas_model_forward(m, x, 1, NULL)), R(modnas_model_forward(m, x, 0, y)),
            R(modnas_model_forward(m, x, 65537, y)), R(modnas_model_save(NULL, "x")), R(modnas_model_save(m, NULL)),
            R(modnas_model_load(NULL, "x", 0)), R(modnas_model_load(m, NULL, 0)),
            R(modnas_model_tensor(NULL, 0, &info)), R(modnas_model_tensor(m, 0, NULL)),
            R(modnas_model_get(NULL, "scale", y, 5)), R(modnas_model_get(m, NULL, y, 5)),
            R(modnas_model_get(m, "scale", NULL, 16)), R(modnas_model_set(NULL, "scale", y, 5)),
            R(modnas_model_set(m, NULL, y, 5)), R(modnas_model_set(m, "scale", NULL, 16)));
    ck_assert(!modnas_model_root(NULL) && !modnas_model_slot(NULL, 0) && !modnas_model_n_slots(NULL));
    ck_assert(modnas_model_n_classes(NULL) == 0 && modnas_model_n_params(NULL) == 0 &&
              modnas_model_n_tensors(NULL) == 0);
    ck_assert(!modnas_module_model(NULL) && !modnas_module_parent(NULL) && !modnas_module_name(NULL));
    ck_assert(!modnas_module_n_children(NULL) && !modnas_module_child_at(NULL, 0));
    ck_assert(!modnas_module_child(NULL, "a") && !modnas_module_child(modnas_model_root(m), NULL));
    modnas_model_free(NULL);
    modnas_model_free(m);
    modnas_config_free(cfg);
}
END_TEST

int main(void) {
    Suite *s = suite_create("host_null");
    util_add(s, "null", hosted_setup, hosted_teardown, (const TTest *const[]){callbacks, registry, models, NULL});
    return util_run(s);
}
