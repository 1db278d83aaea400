/* Architecture parameters of a space, and Slots. Candidates have a file of their own. */
#include <string.h>

#include "util_slot.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

/* ---- parameters ---------------------------------------------------------------------------------------- */

static mn_node *names(int n) {
    mn_node *list = mn_node_new(model_ctx, MN_SEQ);
    for (int i = 0; i < n; i++) OK(mn_node_add(model_ctx, list, mn_node_int(model_ctx, i)));
    return list;
}

/* As the original names them: a letter for the type, one counter for all; given names are made unique. */
START_TEST(parameters_are_named) {
    mn_model *m = slot_empty_model("ref", MODNAS_F32);
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
    ck_assert_int_eq(mn_space_n_categorical(s), 5); /* the whole numbers, too */
    ck_assert_str_eq(mn_space_categorical_at(s, 2)->name, "seq");
    ck_assert_ptr_null(mn_space_categorical_at(s, 5));
    ck_assert_int_eq(mn_space_categorical(s, NULL, names(0), &p), MODNAS_EINVAL);
    ck_assert_int_eq(mn_space_numeric(s, NULL, 2, 1, 0, &p), MODNAS_EINVAL);
    ck_assert_int_eq(mn_space_tensor(s, NULL, 0, &p), MODNAS_EINVAL);
    ck_assert_uint_eq(s->params.n, 6);
    mn_model_free(m);
}
END_TEST

/* An option for every parameter that has some: a choice, a whole number, or the candidate of a tensor of logits. */
START_TEST(archs_are_set_as_a_whole) {
    mn_model *m = slot_empty_model("ref", MODNAS_F32);
    mn_arch_param *p;
    mn_arch *a, *now, *copy;
    OK(mn_space_categorical(m->space, NULL, names(3), &p));
    OK(mn_space_tensor(m->space, NULL, 4, &p));
    OK(mn_space_numeric(m->space, NULL, 1, 4, 1, &p));
    OK(mn_space_categorical(m->space, NULL, names(2), &p));
    OK(mn_arch_new(m, &a));
    ck_assert_int_eq(a->n, 4);
    ck_assert_int_eq(a->index[0], 0);
    ck_assert_int_eq(a->index[1], MN_ARCH_OPEN);
    a->index[0] = 2;
    a->index[2] = 3;
    a->index[3] = 1;
    const uint64_t version = m->version;
    OK(mn_arch_apply(a));
    ck_assert(m->version != version);
    OK(mn_arch_copy(a, &copy));
    a->index[0] = 0;
    a->index[3] = 2;
    ck_assert_int_eq(mn_arch_apply(a), MODNAS_EINVAL);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(model_ctx), "choice 2 of parameter c_3"));
    OK(mn_arch_new(m, &now));
    for (int i = 0; i < 4; i++) ck_assert_int_eq(now->index[i], copy->index[i]);
    OK(mn_arch_derive(now));
    ck_assert_int_eq(now->index[1], 0); /* no mixed op follows these logits */
    ck_assert_str_eq(mn_space_option(m->space, 0, 2), "2");
    ck_assert_str_eq(mn_space_option(m->space, 2, 3), "4");
    ck_assert_ptr_null(mn_space_option(m->space, 0, 3));
    ck_assert_ptr_null(mn_space_option(m->space, 4, 0));
    a->n = 1;
    ck_assert_int_eq(mn_arch_apply(a), MODNAS_EINVAL);
    mn_arch_free(a);
    mn_arch_free(now);
    mn_model_free(m); /* the copy holds it */
    ck_assert_str_eq(mn_space_gene(copy->model->space, 3)->name, "c_3");
    mn_arch_free(copy);
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
        mn_model *m = slot_empty_model("ref", MODNAS_F32);
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
    mn_model *m = slot_empty_model("ref", MODNAS_F32);
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
    mn_model *m = slot_empty_model("ref", MODNAS_F32);
    mn_slot *slot = slot_model(m, 4, 4, 1, 5);
    mn_str name = {.ctx = model_ctx};
    ck_assert_ptr_eq(mn_model_empty_slot(m), slot);
    OK(mn_slot_name(slot, &name));
    ck_assert_str_eq(name.text, "slot 0 (4 -> 4 channels, stride 1)");
    OK(slot_fill(slot, "MB3E3"));
    ck_assert_ptr_null(mn_model_empty_slot(m));
    ck_assert_str_eq(slot->op, "MB3E3");
    ck_assert_str_eq(slot->entity->name, "ent");
    OK(slot_fill(slot, "IDT"));
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
    mn_model *m = slot_empty_model("ref", MODNAS_F32);
    slot_model(m, 4, 4, 1, 5);
    OK(mn_model_commit(m));
    int64_t macs;
    ck_assert_int_eq(mn_model_macs(m, NULL, &macs), MODNAS_EINVAL);
    ck_assert_ptr_nonnull(strstr(modnas_errmsg(model_ctx), "slot 0 (4 -> 4 channels, stride 1) is empty"));
    mn_model_free(m);
}
END_TEST

int main(void) {
    Suite *s = suite_create("space");
    util_add(s, "space", model_setup, model_teardown,
             (const TTest *[]){parameters_are_named, archs_are_set_as_a_whole, sizes_have_any_length,
                               numbers_count_as_their_choices, slots_are_filled_and_emptied_with_their_module,
                               empty_slots_do_not_run, NULL});
    return util_run(s);
}
