/* Slots, architecture parameters, and every candidate: shapes, parameters, multiply-adds, and an f64 gradient check at
 * both strides.
 *
 * Counts are those measured on the original's operators with PyTorch (32x32 input, 16 -> 16 channels at stride 1, 16 ->
 * 32 at stride 2); where it has none they follow from h = e C: C h + 2 h (if e > 1) + k k h + 2 h + h O + 2 O.
 * Gradients are compared with central differences of the loss in double: error of the order h^2 = 1e-10, plus rounding
 * 1e-16 / h = 1e-11, so 1e-7 of the largest is ample. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "module/layers.h"
#include "util_model.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

static mn_model *empty_model(int32_t dtype) {
    mn_backend *b;
    mn_model *m;
    mn_space *s;
    OK(mn_backend_open(model_ctx, "ref", 1, &b));
    OK(mn_model_new(model_ctx, b, dtype, 3, &m));
    OK(mn_space_of(m, &s));
    mn_backend_close(b);
    return m;
}

/* stem (1x1 convolution 2 -> chn_in), slot, global pool, linear layer to 3 classes */
static mn_slot *slot_model(mn_model *m, int32_t chn_in, int32_t chn_out, int32_t stride, int32_t size) {
    mn_module *part;
    mn_slot *slot;
    m->input[0] = 2;
    m->input[1] = size;
    m->input[2] = size + 1;
    m->n_classes = 3;
    OK(mn_sequential_new(m, &m->root));
    OK(mn_conv2d_new(m, &(mn_conv_desc){.chn_in = 2, .chn_out = chn_in, .kernel = {1, 1}}, &part));
    OK(mn_module_add(m->root, "stem", part));
    OK(mn_slot_new(m, chn_in, chn_out, stride, NULL, &part));
    slot = mn_slot_of(part);
    OK(mn_module_add(m->root, "slot", part));
    OK(mn_global_pool_new(m, &part));
    OK(mn_module_add(m->root, "pool", part));
    OK(mn_linear_new(m, chn_out, 3, 1, &part));
    OK(mn_module_add(m->root, "fc", part));
    return slot;
}

static int fill(mn_slot *slot, const char *op) {
    mn_node *spec = yaml(op);
    mn_module *entity = NULL;
    int rc = mn_candidate_build(slot->module->model, spec, slot, &entity);
    mn_node_free(model_ctx, spec);
    if (rc) ck_assert_ptr_null(entity);
    return rc ? rc : mn_slot_fill(slot, entity, op);
}

/* ---- parameters ---------------------------------------------------------------------------------------- */

static mn_node *names(int n) {
    mn_node *list = mn_node_new(model_ctx, MN_SEQ);
    for (int i = 0; i < n; i++) OK(mn_node_add(model_ctx, list, mn_node_int(model_ctx, i)));
    return list;
}

/* As the original names them: a letter for the type, one counter for all; given names are made unique. */
START_TEST(parameters_are_named) {
    mn_model *m = empty_model(MODNAS_F32);
    mn_space *s = m->space;
    mn_arch_param *p;
    static const char *const expected[] = {"c_0", "t_1", "n_2", "seq", "seq_1", "seq_2"};
    OK(mn_space_categorical(s, NULL, names(3), &p));
    OK(mn_space_tensor(s, NULL, 4, &p));
    OK(mn_space_numeric(s, NULL, 1, 4, 1, &p));
    for (int i = 0; i < 3; i++) OK(mn_space_categorical(s, "seq", names(2), &p));
    for (size_t i = 0; i < MN_COUNT(expected); i++)
        ck_assert_str_eq(MN_AT(s->params, mn_arch_param *, i)->name, expected[i]);
    ck_assert_ptr_eq(mn_space_find(s, "seq_2"), p);
    ck_assert_ptr_null(mn_space_find(s, "seq_3"));
    ck_assert_int_eq(mn_space_n_categorical(s), 4);
    ck_assert_str_eq(mn_space_categorical_at(s, 1)->name, "seq");
    ck_assert_ptr_null(mn_space_categorical_at(s, 4));
    ck_assert_int_eq(mn_space_categorical(s, NULL, names(0), &p), MODNAS_EINVAL);
    ck_assert_int_eq(mn_space_numeric(s, NULL, 2, 1, 0, &p), MODNAS_EINVAL);
    ck_assert_int_eq(mn_space_tensor(s, NULL, 0, &p), MODNAS_EINVAL);
    ck_assert_uint_eq(s->params.n, 6);
    mn_model_free(m);
}
END_TEST

START_TEST(archs_are_set_as_a_whole) {
    mn_model *m = empty_model(MODNAS_F32);
    mn_arch_param *p;
    mn_arch a, now;
    OK(mn_space_categorical(m->space, NULL, names(3), &p));
    OK(mn_space_tensor(m->space, NULL, 4, &p));
    OK(mn_space_categorical(m->space, NULL, names(2), &p));
    OK(mn_arch_new(model_ctx, 2, &a));
    OK(mn_arch_new(model_ctx, 2, &now));
    a.index[0] = 2;
    a.index[1] = 1;
    const uint64_t version = m->version;
    OK(mn_space_apply(m->space, &a));
    ck_assert(m->version != version);
    a.index[0] = 0;
    a.index[1] = 2;
    ck_assert_int_eq(mn_space_apply(m->space, &a), MODNAS_EINVAL);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(model_ctx), "choice 2 of parameter c_2"));
    OK(mn_space_current(m->space, &now));
    ck_assert_int_eq(now.index[0], 2);
    ck_assert_int_eq(now.index[1], 1);
    a.n = 1;
    ck_assert_int_eq(mn_space_apply(m->space, &a), MODNAS_EINVAL);
    mn_arch_free(model_ctx, &a);
    mn_arch_free(model_ctx, &now);
    mn_model_free(m);
}
END_TEST

/* Products worked out with whole numbers of any size elsewhere. */
START_TEST(sizes_have_any_length) {
    static const struct {
        int each, count;
        const char *size;
    } spaces[] = {{1, 5, "1"},
                  {2, 10, "1024"},
                  {10, 9, "1000000000"},
                  {10, 27, "1000000000000000000000000000"},
                  {6, 30, "221073919720733357899776"},
                  {8, 28, "19342813113834066795298816"},
                  {999999999, 3, "999999997000000002999999999"},
                  {7, 100, "3234476509624757991344647769100216810857203198904625400933895331391691459636928060001"}};
    for (size_t k = 0; k < MN_COUNT(spaces); k++) {
        mn_model *m = empty_model(MODNAS_F32);
        mn_str text = {.ctx = model_ctx};
        mn_arch_param *p;
        for (int i = 0; i < spaces[k].count; i++) {
            OK(mn_space_tensor(m->space, NULL, 1, &p));
            p->n = spaces[k].each; /* the count is all that matters */
        }
        OK(mn_space_size(m->space, &text));
        ck_assert_str_eq(text.text, spaces[k].size);
        mn_str_free(&text);
        mn_model_free(m);
    }
}
END_TEST

START_TEST(numbers_count_as_their_choices) {
    mn_model *m = empty_model(MODNAS_F32);
    mn_str text = {.ctx = model_ctx};
    mn_arch_param *p;
    OK(mn_space_size(m->space, &text));
    ck_assert_str_eq(text.text, "1");
    text.n = 0;
    OK(mn_space_numeric(m->space, NULL, -2, 4, 1, &p));    /* 7 whole numbers */
    OK(mn_space_numeric(m->space, NULL, 0.5, 2.5, 0, &p)); /* real: not counted */
    OK(mn_space_categorical(m->space, NULL, names(3), &p));
    OK(mn_space_size(m->space, &text));
    ck_assert_str_eq(text.text, "21");
    mn_str_free(&text);
    mn_model_free(m);
}
END_TEST

/* ---- Slots --------------------------------------------------------------------------------------------- */

START_TEST(slots_are_filled_and_emptied_with_their_module) {
    mn_model *m = empty_model(MODNAS_F32);
    mn_slot *slot = slot_model(m, 4, 4, 1, 5);
    mn_str name = {.ctx = model_ctx};
    ck_assert_ptr_eq(mn_model_empty_slot(m), slot);
    OK(mn_slot_name(slot, &name));
    ck_assert_str_eq(name.text, "slot 0 (4 -> 4 channels, stride 1)");
    OK(fill(slot, "MB3E3"));
    ck_assert_ptr_null(mn_model_empty_slot(m));
    ck_assert_str_eq(slot->op, "MB3E3");
    ck_assert_str_eq(slot->entity->name, "ent");
    OK(fill(slot, "IDT"));
    ck_assert_uint_eq(slot->module->children.n, 1);
    ck_assert_str_eq(slot->op, "IDT");
    mn_module *part, *none;
    OK(mn_slot_new(m, 4, 6, 2, NULL, &part));
    ck_assert_str_eq(mn_slot_of(part)->name, "1");
    ck_assert_uint_eq(m->slots.n, 2);
    mn_module_free(part);
    ck_assert_uint_eq(m->slots.n, 1);
    ck_assert_int_eq(mn_slot_new(m, 0, 6, 2, NULL, &none), MODNAS_ESHAPE);
    mn_str_free(&name);
    mn_model_free(m);
}
END_TEST

START_TEST(empty_slots_do_not_run) {
    mn_model *m = empty_model(MODNAS_F32);
    slot_model(m, 4, 4, 1, 5);
    OK(mn_model_commit(m));
    int64_t macs;
    ck_assert_int_eq(mn_model_macs(m, NULL, &macs), MODNAS_EINVAL);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(model_ctx), "slot 0 (4 -> 4 channels, stride 1) is empty"));
    mn_model_free(m);
}
END_TEST

/* ---- candidates ---------------------------------------------------------------------------------------- */

typedef struct candidate {
    const char *name;
    int32_t chn_in, chn_out, stride;
    int64_t params, macs; /* at 32x32 */
} candidate;

/* h = 144 at 16 -> 16 with e = 9: k = 9: 16 * 144 + 288 + 81 * 144 + 288 + 144 * 16 + 32; multiply-adds 1024 * (2304 +
 * 11664 + 2304) */
static const candidate candidates[] = {
    {"MB3E1", 16, 16, 1, 464, 409600},
    {"MB3E1", 16, 32, 2, 752, 167936},
    {"MB3E6", 16, 16, 1, 4352, 4030464},
    {"MB3E6", 16, 32, 2, 5920, 2580480},
    {"MB5E3", 16, 16, 1, 2960, 2801664},
    {"MB5E3", 16, 32, 2, 3760, 1486848},
    {"IDT", 16, 16, 1, 0, 0},
    {"IDT", 16, 32, 2, 576, 131072},
    {"NIL", 16, 16, 1, 0, 0},
    {"NIL", 16, 16, 2, 0, 0},
    {"MB9E9", 16, 16, 1, 16880, 16662528},
    {"MB7E1", 16, 32, 1, 1392, 1327104},
};

START_TEST(candidates_have_their_counts) {
    const candidate *c = &candidates[_i];
    mn_model *m = empty_model(MODNAS_F32);
    mn_slot *slot = slot_model(m, c->chn_in, c->chn_out, c->stride, 32);
    m->input[2] = 32;
    const int64_t around = 2 * c->chn_in + 3 * c->chn_out + 3;
    OK(fill(slot, c->name));
    OK(mn_model_commit(m));
    int64_t macs;
    OK(mn_model_macs(m, NULL, &macs));
    ck_assert_int_eq(mn_model_n_params(m) - around, c->params);
    ck_assert_int_eq(macs - 32 * 32 * 2 * c->chn_in - 3 * c->chn_out, c->macs);
    mn_model_free(m);
}
END_TEST

/* The batch norm of the reduction follows `ops`: without affine it has 2 O parameters less. */
START_TEST(reduction_follows_ops) {
    mn_model *m = empty_model(MODNAS_F32);
    m->ops.bn_affine = 0;
    mn_slot *slot = slot_model(m, 16, 32, 2, 8);
    OK(fill(slot, "IDT"));
    ck_assert_int_eq(mn_model_n_params(m) - (2 * 16 + 3 * 32 + 3), 512);
    mn_model_free(m);
}
END_TEST

typedef struct misfit {
    const char *name;
    int32_t chn_in, chn_out, stride;
    int status;
    const char *text;
} misfit;

static const misfit misfits[] = {
    {"IDT", 4, 6, 1, MODNAS_ECONFIG, "slot 0 (4 -> 6 channels, stride 1): IDT with stride 1 keeps the channels"},
    {"IDT", 4, 4, 3, MODNAS_ECONFIG, "IDT has stride 1 or 2"},
    {"NIL", 4, 6, 2, MODNAS_ECONFIG, "slot 0 (4 -> 6 channels, stride 2): NIL keeps the channels"},
    {"MB3E33", 4, 4, 1, MODNAS_ENOTFOUND,
     "slot 0 (4 -> 4 channels, stride 1): no candidate named 'MB3E33'; did you mean 'MB3E3'?"},
    {"banana", 4, 4, 1, MODNAS_ENOTFOUND, "no candidate named 'banana'"},
    {"{type: MB3E3, args: {k: 3}}", 4, 4, 1, MODNAS_ECONFIG, "k"},
};

START_TEST(misfits_are_refused_with_slot_and_reason) {
    const misfit *c = &misfits[_i];
    mn_model *m = empty_model(MODNAS_F32);
    mn_slot *slot = slot_model(m, c->chn_in, c->chn_out, c->stride, 5);
    ck_assert_int_eq(fill(slot, c->name), c->status);
    ck_assert_msg(strstr(modnas_errmsg(model_ctx), c->text) != NULL, "%s", modnas_errmsg(model_ctx));
    ck_assert_msg(strstr(modnas_errmsg(model_ctx), "test.yaml:1") != NULL, "%s", modnas_errmsg(model_ctx));
    mn_model_free(m);
}
END_TEST

/* ---- gradients ----------------------------------------------------------------------------------------- */

/* Odd channels, odd sizes, more images than one. */
static const candidate checked[] = {
    {"MB3E1", 3, 3, 1, 0, 0}, {"MB3E3", 3, 5, 1, 0, 0}, {"MB5E3", 4, 4, 2, 0, 0}, {"MB7E6", 3, 4, 2, 0, 0},
    {"MB9E1", 4, 3, 1, 0, 0}, {"IDT", 4, 4, 1, 0, 0},   {"IDT", 4, 6, 2, 0, 0},   {"IDT", 3, 5, 2, 0, 0},
    {"IDT", 3, 1, 2, 0, 0},   {"MB9E9", 2, 3, 2, 0, 0},
};

static void check_gradients(const candidate *c, int32_t size) {
    mn_model *m = empty_model(MODNAS_F64);
    mn_slot *slot = slot_model(m, c->chn_in, c->chn_out, c->stride, size);
    step s;
    OK(fill(slot, c->name));
    OK(mn_model_commit(m));
    step_new(m, 3, &s);
    step_record(m, &s, &(mn_run_opts){.train = 1, .grads = MN_ROLE_WEIGHT});
    ck_assert_int_eq(s.logits->dims[1], 3);
    for (size_t i = 0; i < mn_store_n_params(m->weights); i++)
        if (mn_store_param(m->weights, i)->role == MN_ROLE_WEIGHT) check_gradient(m, &s, mn_store_param(m->weights, i));
    step_free(&s);
    mn_model_free(m);
}

START_TEST(gradients_at_odd_sizes) {
    check_gradients(&checked[_i], 5);
}
END_TEST
START_TEST(gradients_at_even_sizes) {
    check_gradients(&checked[_i], 4);
}
END_TEST

/* A single pixel has no odd place: the second half of a reduction then sees zeros. */
START_TEST(reduction_of_one_pixel) {
    mn_model *m = empty_model(MODNAS_F64);
    mn_slot *slot = slot_model(m, 4, 6, 2, 1);
    step s;
    OK(fill(slot, "IDT"));
    OK(mn_model_commit(m));
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
        mn_model *m = empty_model(MODNAS_F64);
        mn_slot *slot = slot_model(m, 4, 4, stride, 5);
        step s;
        OK(fill(slot, "NIL"));
        OK(mn_model_commit(m));
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

static void add_loop(Suite *s, const char *name, const TTest *test, size_t n) {
    TCase *t = tcase_create(name);
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, model_setup, model_teardown);
    tcase_add_loop_test(t, test, 0, (int)n);
    suite_add_tcase(s, t);
}

int main(void) {
    Suite *s = suite_create("space");
    util_add(s, "space", model_setup, model_teardown,
             (const TTest *[]){parameters_are_named, archs_are_set_as_a_whole, sizes_have_any_length,
                               numbers_count_as_their_choices, slots_are_filled_and_emptied_with_their_module,
                               empty_slots_do_not_run, reduction_follows_ops, reduction_of_one_pixel, nil_is_zero,
                               NULL});
    add_loop(s, "counts", candidates_have_their_counts, MN_COUNT(candidates));
    add_loop(s, "misfits", misfits_are_refused_with_slot_and_reason, MN_COUNT(misfits));
    add_loop(s, "odd", gradients_at_odd_sizes, MN_COUNT(checked));
    add_loop(s, "even", gradients_at_even_sizes, MN_COUNT(checked));
    return util_run(s);
}
