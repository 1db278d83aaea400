/* Networks of cells: counts of the paper's code and of published genotypes, descriptions in every form, gradients, one
 * step on two backends, the auxiliary head, and what is refused. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "construct/subnet.h"
#include "search/collapse.h"
#include "search/derive.h"
#include "space/nested.h"
#include "util_model.h"
#include "util_shared.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

#define OPS       "[AVG, MAX, SC3, SC5, DC3, DC5, IDT, NIL]"
#define SEARCH    "construct: {cells: {type: DARTSSearchConstructor, args: {mixed_op: SoftmaxSumMixedOp, candidates: " OPS "}}}\n"
#define NET(args) "backend: ref\nmodel: {type: DARTS, args: {" args "}}\n"
#define V2                                                                                                             \
    "normal=sep_conv_3x3:0,sep_conv_3x3:1,sep_conv_3x3:0,sep_conv_3x3:1,sep_conv_3x3:1,skip_connect:0,skip_connect:0," \
    "dil_conv_3x3:2 reduce=max_pool_3x3:0,max_pool_3x3:1,skip_connect:2,max_pool_3x3:1,max_pool_3x3:0,skip_connect:2,"  \
    "skip_connect:2,max_pool_3x3:1"
#define DERIVED(args) NET("chn: 36, layers: 20" args) "ops: {ops_order: act_weight_bn}\narch_desc: {genotype: \"" V2 "\"}\n"

/* ---- counts -------------------------------------------------------------------------------------------- */

/* Of the paper's own code (the first), and measured with PyTorch in the original. */
static const struct {
    const char *config;
    int64_t params, macs; /* macs 0: not known */
    size_t slots, arch;
} figures[] = {
    {NET("chn: 16, layers: 8") "ops: {ops_order: act_weight_bn, bn: {affine: false}}\n" SEARCH, 1930618, 300255744, 112, 28},
    {NET("chn: 16, layers: 8") SEARCH, 2007514, 0, 112, 28},
    {NET("chn: 16, layers: 8") "ops: {ops_order: weight_bn}\nmixed_op: {type: SoftmaxSumMixedOp, candidates: " OPS "}\n",
     2005114, 0, 112, 112},
    {DERIVED(""), 3351502, 528359040, 160, 0},
    {DERIVED(", pool_bn: false"), 3349342, 528359040, 160, 0},
    {DERIVED(", auxiliary: true"), 3827928, 528359040, 160, 0},
};

START_TEST(counts) {
    mn_model *m = model_of(figures[_i].config, MODNAS_F32);
    int64_t macs;
    ck_assert_int_eq(mn_model_n_params(m), figures[_i].params);
    OK(mn_model_macs(m, NULL, &macs));
    if (figures[_i].macs) ck_assert_int_eq(macs, figures[_i].macs);
    ck_assert_uint_eq(m->slots.n, figures[_i].slots);
    ck_assert_uint_eq(m->arch_params.n, figures[_i].arch);
    mn_model_free(m);
}
END_TEST

/* data/published/darts_genotypes.tsv: name, chn, layers, dataset, classes, params, genotype. */
START_TEST(genotypes_have_their_published_size) {
    char path[512], line[2048];
    FILE *f = fopen(util_shared_path("published/darts_genotypes.tsv", path, sizeof path), "r");
    int n = 0;
    if (!f) {
        printf("skipped: %s is not there\n", path);
        return;
    }
    while (fgets(line, sizeof line, f)) {
        char name[32], dataset[16], genotype[1024];
        int chn, layers, classes;
        long long params;
        if (sscanf(line, "%31s %d %d %15s %d %lld %1023[^\n]", name, &chn, &layers, dataset, &classes, &params, genotype) != 7 ||
            !strstr(genotype, "reduce="))
            continue;
        mn_str config = {.ctx = model_ctx};
        mn_str_addf(&config,
                    "backend: none\nops: {ops_order: act_weight_bn}\nmodel: {type: %s, args: {chn: %d, layers: %d, "
                    "n_classes: %d, pool_bn: false}}\narch_desc: {genotype: \"%s\"}\n",
                    strcmp(dataset, "cifar") == 0 ? "DARTS" : "ImageNet-DARTS", chn, layers, classes, genotype);
        mn_model *m = model_of(config.text, MODNAS_F32);
        ck_assert_msg(mn_model_n_params(m) == params, "%s: %lld params, wanted %lld", name,
                      (long long)mn_model_n_params(m), params);
        mn_model_free(m);
        mn_str_free(&config);
        n++;
    }
    fclose(f);
    ck_assert_int_ge(n, 31);
}
END_TEST

/* ---- descriptions -------------------------------------------------------------------------------------- */

#define SMALL    NET("chn: 4, layers: 3, nodes: 2, channel_multiplier: 1, n_classes: 3, input: [2, 8, 8]")
#define SMOOTH   "ops: {ops_order: weight_bn}\n"
#define NORMAL   "[[[[SC3], [1], 2]], [[[IDT], [0], 3], [[AVG], [2], 3]]]"
#define REDUCE   "[[[[MAX], [0], 2]], [[[DC3], [1], 3], [[NIL], [0], 3]]]"
#define AS_LIST  "arch_desc: [" NORMAL ", " REDUCE "]\n"
#define AS_TEXT  "normal=sep_conv_3x3:0,skip_connect:1,skip_connect:0,avg_pool_3x3:2 reduce=max_pool_3x3:1,dil_conv_5x5:0,dil_conv_3x3:1,none:0"

#define TO_TREE "export: {d: DefaultRecursiveExporter}\n"

static void expect_exported(const char *config, const char *wanted) {
    mn_model *m = model_of(config, MODNAS_F32);
    char *text = model_exported(m, TO_TREE);
    ck_assert_str_eq(text, wanted);
    mn_free(model_ctx, text);
    mn_model_free(m);
}

/* A fixed network comes out as it went in. */
START_TEST(descriptions_come_back) {
    static const char *const list =
        "[[[[[\"SC3\"],[1],2]],[[[\"IDT\"],[0],3],[[\"AVG\"],[2],3]]],"
        "[[[[\"MAX\"],[0],2]],[[[\"NIL\"],[0],3],[[\"DC3\"],[1],3]]]]";
    static const char *const text =
        "[[[[[\"SC3\"],[0],2],[[\"IDT\"],[1],2]],[[[\"IDT\"],[0],3],[[\"AVG\"],[2],3]]],"
        "[[[[\"DC5\"],[0],2],[[\"MAX\"],[1],2]],[[[\"NIL\"],[0],3],[[\"DC3\"],[1],3]]]]";
    expect_exported(SMALL AS_LIST, list);
    expect_exported(SMALL AS_LIST "construct: {arch_desc: DefaultRecursiveArchDescConstructor}\n", list);
    expect_exported(SMALL "arch_desc: {genotype: \"" AS_TEXT "\"}\n", text);
    expect_exported(SMALL "arch_desc: \"" AS_TEXT "\"\n", text);
}
END_TEST

/* Edges are shared by all cells of a kind; the two strongest of a node stay, what is probably zero goes. */
START_TEST(a_search_comes_to_a_pair_of_cells) {
    mn_model *m = model_of(SMALL SEARCH, MODNAS_F32);
    ck_assert_uint_eq(m->slots.n, 15);
    ck_assert_uint_eq(m->arch_params.n, 10);
    for (int32_t i = 0; i < mn_model_n_mixed(m); i++) {
        double alpha[8] = {0, 0, 0, 0, 0, 0, 0, 3};
        alpha[i % 5] = 1 + 0.1 * (i % 5);
        OK(mn_mixed_set_alpha(mn_model_mixed(m, i), alpha));
    }
    char *text = model_exported(m, TO_TREE);
    ck_assert_str_eq(text, "[[[[[\"AVG\"],[0],2],[[\"MAX\"],[1],2]],[[[\"SC5\"],[1],3],[[\"DC3\"],[2],3]]],"
                           "[[[[\"AVG\"],[0],2],[[\"MAX\"],[1],2]],[[[\"SC5\"],[1],3],[[\"DC3\"],[2],3]]]]");
    mn_free(model_ctx, text);
    mn_model_free(m);
}
END_TEST

/* Cells of 3 nodes that choose skip connections throughout: 6 edges of the normal cell are kept, each of three operators
 * beside the zero one, although there are 2 such cells and their logits are shared. In the reduce cell the kept edges
 * read the inputs with stride 2, where a skip connection has weights. */
START_TEST(skip_connections_raise_the_alarm) {
    mn_model *m = model_of(NET("chn: 4, layers: 4, nodes: 3, channel_multiplier: 1, n_classes: 3, input: [2, 8, 8]")
                           "construct: {cells: {type: DARTSSearchConstructor, args: {mixed_op: SoftmaxSumMixedOp, "
                           "candidates: [SC3, IDT, DC3, NIL]}}}\n",
                           MODNAS_F32);
    mn_collapse c;
    for (int32_t i = 0; i < mn_model_n_mixed(m); i++) OK(mn_mixed_set_alpha(mn_model_mixed(m, i), (double[]){0, 1, 0, 2}));
    OK(mn_collapse_measure(m, &c));
    ck_assert_int_eq(c.n_ops, 6);
    ck_assert_int_eq(c.n_free, 6);
    ck_assert_double_eq_tol(c.expected, 2, 1e-12);
    ck_assert_double_eq_tol(c.p, pow(1 / 3.0, 6), 1e-12);
    ck_assert_int_eq(c.is_alarm, 1);
    for (int32_t i = 0; i < mn_model_n_mixed(m); i++) OK(mn_mixed_set_alpha(mn_model_mixed(m, i), (double[]){1, 0, 0, 2}));
    OK(mn_collapse_measure(m, &c));
    ck_assert(c.n_free == 0 && !c.is_alarm);
    mn_model_free(m);
}
END_TEST

static void logits_of(mn_model *m, double logits[6]) {
    step s;
    step_new(m, 2, &s);
    step_record(m, &s, &(mn_run_opts){0});
    step_go(&s);
    OK(mn_run_read(s.run, s.logits, logits));
    step_free(&s);
}

/* The network cut out of a supernet's file gives what the supernet gave. */
START_TEST(sub_networks_have_the_supernets_weights) {
    char path[64];
    double derived[6], alone[6];
    mn_node *conf = yaml(SMALL SEARCH), *desc;
    mn_model *m, *sub;
    snprintf(path, sizeof path, "/tmp/test_cells_%ld.safetensors", (long)getpid());
    OK(mn_construct_model(model_ctx, conf, MODNAS_F32, 1, &m));
    char *text = model_exported(m, TO_TREE);
    OK(mn_yaml_value(model_ctx, text, "exported", &desc));
    OK(mn_model_save(m, path, NULL));
    OK(mn_derive_begin(m));
    logits_of(m, derived);
    const int64_t params = mn_derived_params(m);
    mn_derive_end(m);
    OK(mn_construct_model(model_ctx, conf, MODNAS_F32, 0, &sub));
    OK(mn_subnet_reduce(sub, desc, path));
    logits_of(sub, alone);
    for (int i = 0; i < 6; i++) ck_assert_double_eq_tol(derived[i], alone[i], 1e-5);
    ck_assert_int_eq(mn_model_n_params(sub), params);
    unlink(path);
    mn_free(model_ctx, text);
    mn_node_free(model_ctx, desc);
    mn_node_free(model_ctx, conf);
    mn_model_free(m);
    mn_model_free(sub);
}
END_TEST

/* ---- steps --------------------------------------------------------------------------------------------- */

/* Gradients are compared in cells: the stem's would bend at some of the many activations behind it. */
static const char *const stepped[] = {
    SMALL SMOOTH "construct: {cells: {type: DARTSSearchConstructor, args: {mixed_op: SoftmaxSumMixedOp, candidates: [AVG, "
                 "SC3, DC3, IDT, NIL]}}}\n",
    SMALL SMOOTH AS_LIST,
    "backend: ref\nmodel: {type: ImageNet-DARTS, args: {chn: 4, layers: 2, nodes: 2, n_classes: 3, input: [2, 32, 32]}}\n"
    SMOOTH AS_LIST};

START_TEST(gradients) {
    mn_model *m = model_of(stepped[_i], MODNAS_F64);
    step s;
    step_new(m, 3, &s);
    step_record(m, &s, &(mn_run_opts){.train = 1, .grads = MN_ROLE_WEIGHT | MN_ROLE_ARCH});
    for (size_t i = 0; i < mn_store_n_params(m->weights); i += m->arch_params.n ? 17 : 5) {
        mn_param *p = mn_store_param(m->weights, i);
        if (p->role == MN_ROLE_WEIGHT && strncmp(p->name, "stem", 4) != 0) check_gradient(m, &s, p);
    }
    for (size_t i = 0; i < m->arch_params.n; i++) check_gradient(m, &s, MN_AT(m->arch_params, mn_module_param, i).param);
    step_free(&s);
    mn_model_free(m);
}
END_TEST

static mn_model *on_backend(const char *config, const char *backend) {
    mn_str text = {.ctx = model_ctx};
    mn_str_addf(&text, "backend: %s\nthreads: 1\n%s", backend, config + strlen("backend: ref\n"));
    mn_model *m = model_of(text.text, MODNAS_F32);
    mn_str_free(&text);
    return m;
}

START_TEST(steps_are_those_of_ref) {
    if (!model_has_dnnl("steps_are_those_of_ref")) return;
    model_same_step(on_backend(stepped[_i], "ref"), on_backend(stepped[_i], "dnnl"), 4, stepped[_i]);
}
END_TEST

/* ---- the auxiliary head -------------------------------------------------------------------------------- */

#define WITH_AUX                                                                                                       \
    NET("chn: 2, layers: 3, nodes: 2, channel_multiplier: 1, n_classes: 3, auxiliary: true, input: [2, 26, 24]") SMOOTH AS_LIST

static void record_aux(mn_model *m, step *s) {
    const int64_t x[4] = {s->batch, m->input[0], m->input[1], m->input[2]}, y[4] = {s->batch, 1, 1, 1};
    mn_value *aux, *more;
    OK(mn_run_begin(s->run, &(mn_run_opts){.train = 1, .grads = MN_ROLE_WEIGHT}));
    OK(mn_input(s->run, x, MODNAS_F32, &s->x));
    OK(mn_input(s->run, y, MODNAS_I32, &s->y));
    OK(mn_model_forward(m, s->run, s->x, &s->logits));
    OK(m->forward_aux(m, s->run, &aux));
    ck_assert_int_eq(aux->dims[1], 3);
    OK(mn_softmax_xent(s->run, s->logits, s->y, 0, &s->loss));
    OK(mn_softmax_xent(s->run, aux, s->y, 0, &more));
    OK(mn_add(s->run, s->loss, more, &s->loss));
    OK(mn_run_keep(s->run, s->loss));
    OK(mn_run_plan(s->run, s->loss));
}

/* 26 x 24 pixels are 7 x 6 where the head stands. Its parameters have gradients, and so have the cells before it. */
START_TEST(auxiliary_head) {
    mn_model *m = model_of(WITH_AUX, MODNAS_F64);
    step s;
    ck_assert_ptr_nonnull(m->forward_aux);
    step_new(m, 4, &s);
    record_aux(m, &s);
    check_gradient(m, &s, model_param(m, "aux_head.2.weight"));
    check_gradient(m, &s, model_param(m, "aux_head.9.bias"));
    check_gradient(m, &s, model_param(m, "cells.2.preprocs.1.net.0.weight"));
    step_free(&s);
    mn_model_free(m);
    m = model_of(SMALL AS_LIST, MODNAS_F32);
    ck_assert_ptr_null(m->forward_aux);
    mn_model_free(m);
}
END_TEST

/* ---- refused ------------------------------------------------------------------------------------------- */

#define GENOTYPE(text) SMALL "arch_desc: {genotype: \"" text "\"}\n"

START_TEST(what_does_not_fit_is_refused) {
    static const struct {
        const char *config, *text;
    } rows[] = {
        {SMALL, "slot 0, normal_0 (4 -> 4 channels, stride 1) of DARTS is empty"},
        {GENOTYPE("normal=sep_conv_3x3:0,sep_conv_3x4:1"), "there is no operator 'sep_conv_3x4'; did you mean 'sep_conv_3x3'?"},
        {GENOTYPE("normal=sep_conv_3x3:0 reduce=none:0,none:1"), "an odd number of edges"},
        {GENOTYPE("normal=none:0,none:1,none:0,none:1"), "there is no cell 'reduce'"},
        {GENOTYPE("normal=none:0,none:1 normal=none:0,none:1"), "a cell is there twice: 'normal'"},
        {GENOTYPE("normal=none:0,none:1 reduce=none:0,none:1"), "1 nodes are described, it has 2"},
        {GENOTYPE("normal=none:0,none:2,none:0,none:1 reduce=none:0,none:1,none:0,none:1"), "state 2 has no such edge"},
        {GENOTYPE("normal=none:x"), "a state's number is wanted at 'x'"},
        {GENOTYPE("normal=none"), "operator:state is wanted at 'none'"},
        {GENOTYPE("cell=none:0"), "the name of a cell and '=' are wanted at 'cell=none:0'"},
        {SMALL "arch_desc: [" NORMAL "]\n", "arch_desc has 1 items, the model has 15 empty Slots"},
        {NET("layers: 3, auxiliary: true, input: [3, 16, 16]") AS_LIST, "the auxiliary head reads 4x4 pixels, at least 6x6"},
        {NET("layers: 0"), "layers"},
        {NET("nodes: 200"), "nodes"},
        {NET("merger_state: ReplicateAllocator"), "ReplicateAllocator is not a merger"},
        {NET("chn: 8, layers: 2") "construct: {cells: {type: DARTSSearchConstructor, args: {mixed_op: SoftmaxSumMixedOp, "
                                  "candidates: [SC3, SHC3]}}}\n",
         "SHC3"},
    };
    mn_node *conf = yaml(rows[_i].config);
    mn_model *m = NULL;
    ck_assert_int_ne(mn_construct_model(model_ctx, conf, MODNAS_F32, 1, &m), 0);
    ck_assert_msg(strstr(modnas_errmsg(model_ctx), rows[_i].text), "%s", modnas_errmsg(model_ctx));
    ck_assert_ptr_null(m);
    mn_node_free(model_ctx, conf);
}
END_TEST

int main(void) {
    Suite *s = suite_create("cells");
    util_add_loop(s, "counts", model_setup, model_teardown, counts, MN_COUNT(figures));
    util_add(s, "cells", model_setup, model_teardown,
             (const TTest *[]){genotypes_have_their_published_size, descriptions_come_back,
                               a_search_comes_to_a_pair_of_cells, skip_connections_raise_the_alarm,
                               sub_networks_have_the_supernets_weights, auxiliary_head, NULL});
    util_add_loop(s, "gradients", model_setup, model_teardown, gradients, MN_COUNT(stepped));
    util_add_loop(s, "two backends", model_setup, model_teardown, steps_are_those_of_ref, MN_COUNT(stepped));
    util_add_loop(s, "refused", model_setup, model_teardown, what_does_not_fit_is_refused, 16);
    return util_run(s);
}
