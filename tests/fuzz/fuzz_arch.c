/* Architecture descriptions: their reader, and the three constructors that build a network from one.
 *
 * What was accepted and is written comes back the same. A network that was built is built again from the names of its
 * operators, and has the same ones. Of a supernet it is an option for every choice. */
#include "construct/construct.h"
#include "fuzz.h"

/* 3 Slots: 8 -> 8 stride 1, 8 -> 16 stride 2, 16 -> 16 stride 1 */
static const char network[] = "backend: none\n"
                              "model: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [1, 8, 1, 1], [3, 16, 2, 2]], "
                              "n_classes: 3, input: [2, 6, 6],"
                              " width_coeff: 0}}\n";

static const char *const constructors[] = {"DefaultSlotArchDescConstructor", "MobileNetV2ArchDescConstructor",
                                           "DefaultRecursiveArchDescConstructor"};

static mn_node *value_of(modnas_ctx *ctx, const char *text) {
    mn_node *n;
    FUZZ_CHECK(mn_yaml_value(ctx, text, "fuzz_arch.c", &n) == 0, "%s", modnas_errmsg(ctx));
    return n;
}

static int build(modnas_ctx *ctx, const char *constructor, const mn_node *desc, mn_model **out) {
    char text[128];
    mn_node *config = value_of(ctx, network);
    snprintf(text, sizeof text, "{arch_desc: %s}", constructor);
    FUZZ_CHECK(mn_node_set(ctx, config, "construct", value_of(ctx, text)) == 0, "no memory");
    FUZZ_CHECK(mn_node_set(ctx, config, "arch_desc", mn_node_copy(ctx, desc)) == 0, "no memory");
    const int rc = mn_construct_model(ctx, config, MODNAS_F32, 0, out);
    fuzz_check_text(ctx, rc);
    mn_node_free(ctx, config);
    return rc;
}

static const char *op_of(const mn_model *m, size_t i) {
    const mn_slot *s = mn_model_slot(m, i);
    return s->op ? s->op : "";
}

/* One item a Slot: the name of its operator, null for the backbone's own. */
static mn_node *names_of(const mn_model *m) {
    mn_node *list = mn_node_new(m->ctx, MN_SEQ);
    FUZZ_CHECK(list, "no memory");
    for (size_t i = 0; i < m->slots.n; i++) {
        mn_node *item = *op_of(m, i) ? mn_node_str(m->ctx, op_of(m, i)) : mn_node_new(m->ctx, MN_NULL);
        FUZZ_CHECK(mn_node_add(m->ctx, list, item) == 0, "no memory");
    }
    return list;
}

static void build_twice(modnas_ctx *ctx, const char *constructor, const mn_node *desc) {
    mn_model *first, *second;
    fuzz_fill(&first, sizeof first);
    if (build(ctx, constructor, desc, &first)) {
        fuzz_check_untouched(&first, sizeof first);
        return;
    }
    fuzz_accept();
    mn_node *names = names_of(first);
    FUZZ_CHECK(build(ctx, constructors[0], names, &second) == 0, "%s", modnas_errmsg(ctx));
    for (size_t i = 0; i < first->slots.n; i++)
        FUZZ_CHECK(strcmp(op_of(first, i), op_of(second, i)) == 0, "slot %zu: '%s', then '%s'", i, op_of(first, i),
                   op_of(second, i));
    mn_model_free(second);
    mn_model_free(first);
    mn_node_free(ctx, names);
}

static void write_and_read(modnas_ctx *ctx, const mn_node *desc) {
    mn_str s = {.ctx = ctx};
    mn_node *again;
    mn_node_yaml(&s, desc);
    FUZZ_CHECK(mn_arch_desc_parse(ctx, s.text, s.n, "again", &again) == 0, "%s\n%s", modnas_errmsg(ctx), s.text);
    FUZZ_CHECK(mn_node_equal(desc, again), "another value:\n%s", s.text);
    mn_node_free(ctx, again);
    mn_str_free(&s);
}

static void read_in_space(modnas_ctx *ctx, const mn_node *desc) {
    char text[512];
    mn_model *m;
    mn_arch *a;
    snprintf(text, sizeof text, "%smixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3, MB5E1]}\n", network);
    mn_node *config = value_of(ctx, text);
    FUZZ_CHECK(mn_construct_model(ctx, config, MODNAS_F32, 0, &m) == 0, "%s", modnas_errmsg(ctx));
    fuzz_fill(&a, sizeof a);
    const int rc = mn_arch_of_desc(m, desc, &a);
    fuzz_check_text(ctx, rc);
    if (rc)
        fuzz_check_untouched(&a, sizeof a);
    else
        fuzz_accept();
    for (int32_t i = 0; !rc && i < a->n; i++)
        FUZZ_CHECK(a->index[i] >= 0 && mn_arch_check(a, i, a->index[i]) == 0, "choice %d is %d", i, a->index[i]);
    if (!rc) mn_arch_free(a);
    mn_model_free(m);
    mn_node_free(ctx, config);
}

/* A text that names a file would be read from there, which is no part of the input. */
static int is_file(const mn_node *desc) {
    return desc->kind == MN_STR && strchr(desc->text, '.');
}

static void run(modnas_ctx *ctx, const char *text, size_t n) {
    mn_node *desc;
    fuzz_fill(&desc, sizeof desc);
    const int rc = mn_arch_desc_parse(ctx, text, n, "arch.yaml", &desc);
    fuzz_check_text(ctx, rc);
    if (rc) {
        fuzz_check_untouched(&desc, sizeof desc);
        return;
    }
    write_and_read(ctx, desc);
    FUZZ_CHECK(mn_register_builtins(ctx) == 0, "%s", modnas_errmsg(ctx));
    for (size_t i = 0; i < MN_COUNT(constructors) && !is_file(desc); i++) build_twice(ctx, constructors[i], desc);
    read_in_space(ctx, desc);
    mn_node_free(ctx, desc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    return fuzz_run(run, data, n, 128 << 20, 2048);
}
