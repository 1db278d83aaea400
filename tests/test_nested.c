/* Nested layers: counts from the definition, descriptions out and in again for every combination of parts, sub-networks
 * with a supernet's weights, gradients, and what is refused. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "construct/subnet.h"
#include "search/derive.h"
#include "space/nested.h"
#include "util_slot.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))

/* Two Slots 24 -> 24, the second one with this stride. */
#define NET(stride)                                                                                                    \
    "backend: ref\nmodel: {type: MobileNetV2, args: {cfgs: [[0, 24, 1, 1], [1, 24, 1, 1], [1, 24, 1, " stride "]], "   \
    "n_classes: 3, input: [2, 3, 4], width_coeff: 0, dropout_rate: 0, activation: SiLU}}\n"
#define LAYERS(op) "  layers: {type: DefaultOpConstructor, args: {op: " op "}}\n"
#define MIXED      "  mixed: {type: DefaultMixedOpConstructor, args: {candidates: [NC1, NC3], mixed_op: %s}}\n"
#define DAG(nodes) "{type: DAGLayer, args: {n_nodes: " nodes ", allocator: %s, merger_state: %s, merger_out: %s, enumerator: %s}}"
#define CHAINS     "{type: MultiChainLayer, args: {n_chain: 3, n_chain_nodes: [1, 3, 2], allocator: %s, merger_out: %s}}"

static const char *const mergers[] = {"ConcatMerger", "SumMerger", "AvgMerger", "LastMerger"},
                         *const enumerators[] = {"CombinationEnumerator", "LastNEnumerator", "FirstNEnumerator",
                                                 "TreeEnumerator", "ReverseEnumerator"},
                         *const allocators[] = {"ReplicateAllocator", "EvenSplitAllocator"},
                         *const mixed_ops[] = {"SoftmaxSumMixedOp", "IndexMixedOp"};

/* ---- counts -------------------------------------------------------------------------------------------- */

/* Trained numbers of SC3 and NC3 from a to b channels: batch norm before the weights. */
static int64_t sc3(int64_t a, int64_t b) {
    return 22 * a + a * a + a * b;
}

static int64_t nc3(int64_t a, int64_t b) {
    return 9 * a * b + 2 * a;
}

/* stem 3 -> 16, one Slot 16 -> 32 with stride 2, 1x1 32 -> 1280, 10 classes */
#define COUNTED                                                                                                        \
    "backend: ref\nmodel: {type: MobileNetV2, args: {cfgs: [[0, 16, 1, 1], [1, 32, 1, 2]], n_classes: 10, input: [3, " \
    "8, 8], width_coeff: 0}}\nconstruct:\n"
static const int64_t around = 27 * 16 + 32 + 32 * 1280 + 2560 + 12810;

static void expect_params(const char *config, int64_t wanted, int32_t mixed) {
    mn_model *m = model_of(config, MODNAS_F32);
    ck_assert_int_eq(mn_model_n_params(m), around + wanted);
    ck_assert_int_eq(mn_model_n_mixed(m), mixed);
    mn_model_free(m);
}

#define OP(op)     "  op: {type: DefaultOpConstructor, args: {op: " op "}}\n"
#define TWO        "  mixed: {type: DefaultMixedOpConstructor, args: {candidates: [SC3, NC3], mixed_op: SoftmaxSum}}\n"
#define A_DAG(n, a, e) "{type: DAGLayer, args: {n_nodes: " n ", allocator: " a ", merger_state: SumMerger, merger_out: SumMerger, enumerator: " e "}}"

START_TEST(parameters_follow_from_the_graph) {
    const int64_t in = sc3(16, 32), on = sc3(32, 32);
    expect_params(COUNTED LAYERS(A_DAG("2", "ReplicateAllocator", "CombinationEnumerator")) OP("SC3"), 2 * in + on, 0);
    expect_params(COUNTED LAYERS(A_DAG("2", "ReplicateAllocator", "CombinationEnumerator")) TWO,
                  2 * in + on + 2 * nc3(16, 32) + nc3(32, 32), 3);
    /* 3 nodes: the input goes to all in 5, 5, 6, the first node to two in 16, 16 */
    expect_params(COUNTED LAYERS(A_DAG("3", "EvenSplitAllocator", "CombinationEnumerator")) OP("SC3"),
                  2 * sc3(5, 32) + sc3(6, 32) + 2 * sc3(16, 32) + sc3(32, 32), 0);
    /* each node reads the one before: shares of the input in 3, of the nodes in 2 and 1 */
    expect_params(COUNTED LAYERS(A_DAG("3", "EvenSplitAllocator", "LastNEnumerator")) OP("SC3"),
                  sc3(5, 32) + sc3(16, 32) + sc3(32, 32), 0);
    /* nodes 1 and 2 read the input, 3 and 4 node 1, whose share of 3 they are the second and the last to have */
    expect_params(COUNTED LAYERS(A_DAG("4", "EvenSplitAllocator", "TreeEnumerator")) OP("NC3"),
                  2 * nc3(4, 32) + nc3(10, 32) + nc3(12, 32), 0);
    expect_params(COUNTED LAYERS("{type: MultiChainLayer, args: {n_chain: 2, n_chain_nodes: 2, allocator: "
                                 "EvenSplitAllocator, merger_out: ConcatMerger}}") OP("SC3"),
                  2 * (sc3(8, 16) + sc3(16, 16)), 0);
    /* 1x1 in front, 16 -> 16 each: nodes side by side */
    expect_params(COUNTED LAYERS("{type: DAGLayer, args: {n_nodes: 2, allocator: ReplicateAllocator, merger_state: "
                                 "SumMerger, merger_out: ConcatMerger, enumerator: FirstNEnumerator, preproc: NC1}}")
                      OP("NC3"),
                  16 * 16 + 32 + 2 * nc3(16, 16), 0);
}
END_TEST

/* Measured with PyTorch in the original: CIFAR-ResNet-10 with layers in its Slots. macs 0: of the supernet, not known. */
#define RESNET "backend: ref\nmodel: {type: CIFAR-ResNet-10, args: {chn_in: 3, chn: 16, n_classes: 10}}\nconstruct:\n"
#define GRAPH  LAYERS(A_DAG("2", "ReplicateAllocator", "CombinationEnumerator"))
#define TWO_BY_TWO                                                                                                     \
    LAYERS("{type: MultiChainLayer, args: {n_chain: 2, n_chain_nodes: 2, allocator: EvenSplitAllocator, merger_out: "  \
           "ConcatMerger}}")

START_TEST(counts_of_the_original) {
    static const struct {
        const char *config;
        int64_t params, macs;
        size_t arch;
    } rows[] = {{RESNET GRAPH TWO, 1231002, 0, 24},
                {RESNET GRAPH OP("SC3"), 247066, 14513408, 0},
                {RESNET TWO_BY_TWO TWO, 450202, 0, 32},
                {RESNET TWO_BY_TWO OP("SC3"), 105210, 6622464, 0}};
    int64_t macs;
    mn_model *m = model_of(rows[_i].config, MODNAS_F32);
    ck_assert_int_eq(mn_model_n_params(m), rows[_i].params);
    ck_assert_uint_eq(m->arch_params.n, rows[_i].arch);
    OK(mn_model_macs(m, NULL, &macs));
    if (rows[_i].macs) ck_assert_int_eq(macs, rows[_i].macs);
    mn_model_free(m);
}
END_TEST

/* ---- out and in again ---------------------------------------------------------------------------------- */

static mn_node *export_of(mn_model *m, const char *spec) {
    mn_node *conf = yaml(spec), *desc;
    mn_exporter *e;
    OK(mn_exporters_build(model_ctx, conf, &e));
    OK(e->run(e, m, &desc));
    mn_exporter_free(e);
    mn_node_free(model_ctx, conf);
    return desc;
}

static char *text_of(const mn_node *desc) {
    mn_str text = {.ctx = model_ctx};
    mn_node_json(&text, desc);
    return mn_str_take(&text);
}

/* Logits of two images in evaluation. */
static void logits_of(mn_model *m, double logits[6]) {
    const mn_run_opts opts = {0};
    step s;
    step_new(m, 2, &s);
    step_record(m, &s, &opts);
    step_go(&s);
    OK(mn_run_read(s.run, s.logits, logits));
    step_free(&s);
}

static void draw_arch(mn_model *m, uint64_t seed) {
    mn_rng rng;
    mn_rng_init(&rng, seed, mn_stream("test.nested"), 0);
    for (int32_t i = 0; i < mn_model_n_mixed(m); i++) {
        mn_mixed *x = mn_model_mixed(m, i);
        double alpha[8];
        for (int32_t k = 0; k < x->n; k++) alpha[k] = mn_rng_real(&rng);
        if (x->param->type == MN_TENSOR)
            OK(mn_mixed_set_alpha(x, alpha));
        else
            x->param->index = (int32_t)mn_rng_below(&rng, (uint64_t)x->n);
    }
}

static void expect_same(const double a[6], const double b[6], const char *of) {
    for (int i = 0; i < 6; i++) ck_assert_msg(fabs(a[i] - b[i]) < 1e-5, "%s: logit %d is %g, then %g", of, i, a[i], b[i]);
}

/* The network that a supernet comes to, the one that its description builds, and the one cut out of it. */
static void round_trip(const char *layers, const char *supernet, uint64_t seed) {
    char weights[64], cut[64];
    double derived[6], alone[6], built[6];
    mn_node *conf = yaml(supernet);
    mn_model *m, *sub;
    OK(mn_construct_model(model_ctx, conf, MODNAS_F32, 1, &m));
    draw_arch(m, seed);
    mn_node *desc = export_of(m, "{}");
    char *text = text_of(desc);
    snprintf(weights, sizeof weights, "/tmp/test_nested_%ld.safetensors", (long)getpid());
    snprintf(cut, sizeof cut, "/tmp/test_nested_cut_%ld.safetensors", (long)getpid());
    OK(mn_model_save(m, weights, NULL));
    OK(mn_derive_begin(m));
    logits_of(m, derived);
    const int64_t params = mn_derived_params(m);
    mn_derive_end(m);
    OK(mn_construct_model(model_ctx, conf, MODNAS_F32, 0, &sub));
    OK(mn_subnet_reduce(sub, desc, weights));
    logits_of(sub, alone);
    expect_same(derived, alone, "cut out");
    ck_assert_int_eq(mn_model_n_params(sub), params);
    OK(mn_model_save(sub, cut, NULL));
    mn_str again = {.ctx = model_ctx};
    mn_str_addf(&again, "%s  arch: {type: DefaultSlotArchDescConstructor, args: {arch_desc: %s}}\n", layers, text);
    mn_model *n = model_of(again.text, MODNAS_F32);
    OK(mn_model_load(n, cut, 0));
    logits_of(n, built);
    expect_same(derived, built, "built again");
    mn_node *second = export_of(n, "{}");
    char *second_text = text_of(second);
    ck_assert_str_eq(second_text, text);
    unlink(weights);
    unlink(cut);
    mn_free(model_ctx, text);
    mn_free(model_ctx, second_text);
    mn_str_free(&again);
    mn_node_free(model_ctx, second);
    mn_node_free(model_ctx, desc);
    mn_node_free(model_ctx, conf);
    mn_model_free(m);
    mn_model_free(n);
    mn_model_free(sub);
}

static int is_impossible(size_t state, size_t out, size_t enumerator) {
    return state == 0 && (out == 1 || out == 2) && enumerator == 0; /* nodes of 1, 2 and 3 edges' channels, added */
}

/* Logits and choices take turns. */
START_TEST(every_dag_comes_back) {
    const size_t a = (size_t)_i / 4, s = (size_t)_i % 4;
    char layers[1024], all[2048];
    for (size_t o = 0; o < 4; o++)
        for (size_t e = 0; e < 5; e++) {
            const char *net = e == 4 ? NET("1") : NET("2"); /* Reverse reads input and nodes together */
            snprintf(layers, sizeof layers, "%sconstruct:\n" LAYERS(DAG("3")), net, allocators[a], mergers[s], mergers[o],
                     enumerators[e]);
            snprintf(all, sizeof all, "%s" MIXED, layers, mixed_ops[(a + s + o + e) % 2]);
            if (is_impossible(s, o, e))
                expect_refused(all, MODNAS_ESHAPE, "slot 0 (24 -> 24 channels, stride 1)", mergers[o], NULL);
            else
                round_trip(layers, all, 1 + s + 10 * o + 100 * e);
        }
}
END_TEST

START_TEST(every_bundle_of_chains_comes_back) {
    char layers[1024], all[2048];
    for (size_t i = 0; i < 8; i++) {
        snprintf(layers, sizeof layers, NET("2") "construct:\n" LAYERS(CHAINS), allocators[i / 4], mergers[i % 4]);
        snprintf(all, sizeof all, "%s" MIXED, layers, mixed_ops[(i + i / 4) % 2]);
        round_trip(layers, all, 1 + i);
    }
}
END_TEST

/* ---- what is kept -------------------------------------------------------------------------------------- */

#define FOUR                                                                                                           \
    NET("1") "construct:\n" LAYERS("{type: DAGLayer, args: {n_nodes: 4, allocator: ReplicateAllocator, merger_state: " \
                                   "SumMerger, merger_out: SumMerger, enumerator: CombinationEnumerator}}")

static void set_edge(mn_model *m, int32_t edge, double a, double nil, double b) {
    const double alpha[3] = {a, nil, b};
    OK(mn_mixed_set_alpha(mn_model_mixed(m, edge), alpha));
}

/* Edges of the fourth node of the first Slot are mixed ops 6 to 9. The two strongest are kept, whatever order they come
 * in; how probable the zero operator is, wherever it stands, does not count. */
START_TEST(the_strongest_edges_are_kept) {
    mn_model *m = model_of(FOUR "  mixed: {type: DefaultMixedOpConstructor, args: {candidates: [NC1, NIL, NC3], mixed_op: "
                                "SoftmaxSum}}\n",
                           MODNAS_F32);
    for (int32_t i = 0; i < mn_model_n_mixed(m); i++) set_edge(m, i, 0, 5, 0.1);
    set_edge(m, 6, 0.2, 0, 0.5);
    set_edge(m, 7, 0.9, 0, 0);
    set_edge(m, 8, 0, 9, 0.1); /* nearly always zero */
    set_edge(m, 9, 0, 0, 1.5);
    mn_node *desc = export_of(m, "{}");
    char *text = text_of(desc->items[0]->items[3]);
    ck_assert_str_eq(text, "[[[\"NC1\"],[1],4],[[\"NC3\"],[3],4]]");
    mn_free(model_ctx, text);
    mn_node_free(model_ctx, desc);
    desc = export_of(m, "export: {d: {type: DefaultSlotTraversalExporter, args: {fn_args: {k: 1}}}}\n");
    text = text_of(desc->items[0]->items[3]);
    ck_assert_str_eq(text, "[[[\"NC3\"],[3],4]]");
    mn_free(model_ctx, text);
    mn_node_free(model_ctx, desc);
    mn_model_free(m);
}
END_TEST

/* An index is kept as it is: what is evaluated is what is written. */
START_TEST(choices_are_kept_as_they_are) {
    mn_model *m = model_of(FOUR "  mixed: {type: DefaultMixedOpConstructor, args: {candidates: [NIL, NC1], mixed_op: "
                                "IndexMixedOp}}\n",
                           MODNAS_F32);
    for (int32_t i = 0; i < 10; i++) mn_model_mixed(m, i)->param->index = i != 7;
    mn_node *desc = export_of(m, "{}");
    char *text = text_of(desc->items[0]->items[3]);
    ck_assert_str_eq(text, "[[[\"NC1\"],[0],4],[[\"NC1\"],[2],4],[[\"NC1\"],[3],4]]");
    mn_free(model_ctx, text);
    text = text_of(desc->items[1]); /* nothing but zeros */
    ck_assert_str_eq(text, "[[],[],[],[]]");
    mn_free(model_ctx, text);
    mn_node_free(model_ctx, desc);
    mn_model_free(m);
}
END_TEST

/* ---- gradients ----------------------------------------------------------------------------------------- */

/* The mean of merged values, joined nodes, shares of channels: against differences, in double precision. */
START_TEST(gradients) {
    static const char *const layers[] = {
        "{type: DAGLayer, args: {n_nodes: 3, allocator: EvenSplitAllocator, merger_state: AvgMerger, merger_out: "
        "ConcatMerger, enumerator: CombinationEnumerator}}",
        "{type: DAGLayer, args: {n_nodes: 2, allocator: ReplicateAllocator, merger_state: ConcatMerger, merger_out: "
        "LastMerger, enumerator: ReverseEnumerator}}",
        "{type: MultiChainLayer, args: {n_chain: 2, n_chain_nodes: 2, allocator: EvenSplitAllocator, merger_out: "
        "ConcatMerger}}"};
    const mn_run_opts opts = {.train = 1, .grads = MN_ROLE_WEIGHT | MN_ROLE_ARCH};
    mn_str config = {.ctx = model_ctx};
    step s;
    mn_str_addf(&config,
                "%sops: {ops_order: weight_bn}\nconstruct:\n  layers: {type: DefaultOpConstructor, args: {op: %s}}\n" MIXED,
                NET("1"), layers[_i], "SoftmaxSumMixedOp");
    mn_model *m = model_of(config.text, MODNAS_F64);
    step_new(m, 2, &s);
    step_record(m, &s, &opts);
    for (size_t i = 0; i < mn_store_n_params(m->weights); i += 7)
        if (mn_store_param(m->weights, i)->role == MN_ROLE_WEIGHT) check_gradient(m, &s, mn_store_param(m->weights, i));
    for (size_t i = 0; i < m->arch_params.n; i++) check_gradient(m, &s, MN_AT(m->arch_params, mn_module_param, i).param);
    step_free(&s);
    mn_model_free(m);
    mn_str_free(&config);
}
END_TEST

/* ---- refused ------------------------------------------------------------------------------------------- */

#define ARCH(desc) FOUR "  arch: {type: DefaultSlotArchDescConstructor, args: {arch_desc: [" desc ", " desc "]}}\n"

START_TEST(what_does_not_fit_is_refused) {
    static const struct {
        const char *config, *text;
    } rows[] = {
        {NET("2") "construct:\n" LAYERS("{type: DAGLayer, args: {n_nodes: 2, allocator: ReplicateAllocator, merger_state: "
                                        "SumMerger, merger_out: SumMerger, enumerator: ReverseEnumerator}}"),
         "slot 1 (24 -> 24 channels, stride 2): edge 1 reads an input and a node, which differ in size at stride 2"},
        {NET("1") "construct:\n" LAYERS("{type: DAGLayer, args: {n_nodes: 70, allocator: ReplicateAllocator, "
                                        "merger_state: SumMerger, merger_out: SumMerger, enumerator: TreeEnumerator}}"),
         "70"},
        {NET("1") "construct:\n" LAYERS("{type: DAGLayer, args: {n_nodes: 5, allocator: ReplicateAllocator, "
                                        "merger_state: SumMerger, merger_out: ConcatMerger, enumerator: TreeEnumerator}}"),
         "DAGLayer with its ConcatMerger gives 20 channels"},
        {NET("1") "construct:\n" LAYERS("{type: DAGLayer, args: {n_nodes: 2, allocator: SumMerger, merger_state: "
                                        "SumMerger, merger_out: SumMerger, enumerator: TreeEnumerator}}"),
         "SumMerger is not an allocator"},
        {NET("1") "construct:\n" LAYERS("{type: DAGLayer, args: {n_nodes: 2, allocator: EvenSplitAlocator, merger_state: "
                                        "SumMerger, merger_out: SumMerger, enumerator: TreeEnumerator}}"),
         "did you mean 'EvenSplitAllocator'?"},
        {NET("1") "construct:\n" LAYERS("{type: DAGLayer, args: {n_nodes: 2, allocator: ReplicateAllocator, merger_state: "
                                        "SumMerger, merger_out: {type: SumMerger, args: {start: 3}}, enumerator: "
                                        "TreeEnumerator}}"),
         "SumMerger from 3 on: there are 3 values to merge"},
        {NET("1") "construct:\n" LAYERS("{type: DAGLayer, args: {n_nodes: 2, allocator: ReplicateAllocator, merger_state: "
                                        "SumMerger, merger_out: SumMerger, enumerator: CombinationEnumerator, "
                                        "edge_kwargs: {_chn_in: [8, 8]}}}"),
         "CombinationEnumerator: an edge of 2 sources, where there are 1 states"},
        {NET("1") "construct:\n" LAYERS("{type: MultiChainLayer, args: {n_chain: 2, n_chain_nodes: [1], allocator: "
                                        "ReplicateAllocator, merger_out: SumMerger}}"),
         "1 numbers for 2 chains"},
        {ARCH("[[], [], []]"), "3 nodes are described, it has 4"},
        {ARCH("[[[NC1, [0], 2]], [], [], []]"), "an edge of state 1 that leads to 2"},
        {ARCH("[[[NC1, [1], 1]], [], [], []]"), "state 1 has no such edge"},
        {ARCH("[[[NC1, [0], 1], [NC1, [0], 1]], [], [], []]"), "or it is there twice"},
        {ARCH("[[[NC1, 0, 1]], [], [], []]"), "an edge is [operator, [states that it reads], state that it leads to]"},
        {ARCH("[[[XY1, [0], 1]], [], [], []]"), "'XY1'"},
        {ARCH("NC1"), "a list of nodes is wanted"},
    };
    mn_node *conf = yaml(rows[_i].config);
    mn_model *m = NULL;
    const int rc = mn_construct_model(model_ctx, conf, MODNAS_F32, 1, &m);
    ck_assert_int_ne(rc, 0);
    ck_assert_msg(strstr(modnas_errmsg(model_ctx), rows[_i].text), "%s", modnas_errmsg(model_ctx));
    ck_assert_msg(strstr(modnas_errmsg(model_ctx), "test.yaml:"), "%s", modnas_errmsg(model_ctx));
    ck_assert_ptr_null(m);
    mn_node_free(model_ctx, conf);
}
END_TEST

int main(void) {
    Suite *s = suite_create("nested");
    util_add(s, "nested", model_setup, model_teardown,
             (const TTest *[]){parameters_follow_from_the_graph, every_bundle_of_chains_comes_back,
                               the_strongest_edges_are_kept, choices_are_kept_as_they_are, NULL});
    util_add_loop(s, "counts", model_setup, model_teardown, counts_of_the_original, 4);
    util_add_loop(s, "every dag", model_setup, model_teardown, every_dag_comes_back, 8);
    util_add_loop(s, "gradients", model_setup, model_teardown, gradients, 3);
    util_add_loop(s, "refused", model_setup, model_teardown, what_does_not_fit_is_refused, 15);
    return util_run(s);
}
