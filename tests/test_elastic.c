/* Elastic networks: sub-networks against the same networks made alone, gradients, the order of channels, and counts of
 * the specification. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "construct/subnet.h"
#include "module/layers.h"
#include "search/derive.h"
#include "space/elastic.h"
#include "util_model.h"

/* 6 Slots: 8 -> 8, then stages of 2 and of 3 blocks with windows of 7. */
#define NET         NET_OF("ReLU6")
#define SMOOTH      NET_OF("SiLU") /* for differences */
#define NET_OF(act)                                                                                                    \
    "model: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [1, 8, 1, 1], [6, 16, 2, 2], [6, 24, 3, 2]], n_classes: "  \
    "5, input: [3, 8, 8], width_coeff: 0, kernel_size: 7, dropout_rate: 0, activation: " act "}}\n"
#define ELASTIC ELASTIC_OF("[3, 5, 7]")
#define ELASTIC_OF(windows)                                                                                            \
    "construct: {elastic: {type: MobileNetV2ElasticConstructor, args: {kernel_kwargs: {kernel_range: " windows "}, "    \
    "spatial_kwargs: {expansion_range: [1, 3, 6]}}}}\n"
#define ANY(args) "construct: {elastic: {type: ElasticConstructor, args: {" args "}}}\n"

/* Networks with their elastic values. */
static const char *const nets[] = {
    NET ELASTIC,
    /* squeeze and excitation, whose own width follows; expansions that are no whole numbers */
    "model: {type: MobileNetV3, args: {mode: small, cfgs: [[3, 0, 8, 0, 1, 1], [5, 72, 16, 1, 1, 2], [5, 88, 16, 1, 0, 1], "
    "[7, 96, 24, 0, 1, 2], [7, 120, 24, 1, 1, 1]], n_classes: 5, input: [3, 8, 8], dropout_rate: 0}}\n"
    ANY("depth_range: [1, 2], width_range: [0.3, 0.5, 1], kernel_range: [3, 5], fix_first: false, resolution_range: [5, 6, 8]"),
    "model: {type: CIFAR-ResNet, args: {layers: [2, 3], bottleneck: true, chn: 16, n_classes: 5, use_bn: true, input: [3, "
    "8, 8]}}\n" ANY("depth_range: [1, 2], width_range: [0.5, 1]"),
    "model: {type: CIFAR-ResNet, args: {layers: [2, 2], chn: 16, n_classes: 5, use_bn: true, input: [3, 8, 8]}}\n"
    ANY("depth_range: [1, 2], width_range: [0.5, 1], rank_fn: bn_l1"),
    /* grouped convolutions, whose channels stay in their order */
    "model: {type: CIFAR-ResNet, args: {layers: [2], bottleneck: true, groups: 4, width_per_group: 8, chn: 16, n_classes: "
    "5, use_bn: true, input: [3, 8, 8]}}\n" ANY("depth_range: [1, 2], width_range: [0.5, 1]"),
};
#define N_NETS (int)MN_COUNT(nets)

/* Of the process: each test is one. */
static const char *weights_file(void) {
    static char name[64];
    snprintf(name, sizeof name, "/tmp/test_elastic_%ld.safetensors", (long)getpid());
    return name;
}

static const char *const backends[] = {"backend: ref\n", "backend: dnnl\nthreads: 2\n"};

static mn_model *made(const char *backend, const char *rest, int32_t dtype) {
    mn_str text = {.ctx = model_ctx};
    mn_str_addf(&text, "%sseed: 4\n%s", backend, rest);
    mn_model *m = model_of(text.text, dtype);
    mn_str_free(&text);
    return m;
}

static mn_arch *drawn(mn_model *m, uint64_t seed) {
    mn_arch *a;
    mn_rng rng;
    mn_rng_init(&rng, seed, 7, 0);
    ck_assert_int_eq(mn_arch_new(m, &a), 0);
    for (int32_t i = 0; i < a->n; i++)
        a->index[i] = (int32_t)mn_rng_below(&rng, (uint64_t)mn_space_gene(m->space, i)->n);
    ck_assert_int_eq(mn_arch_apply(a), 0);
    return a;
}

/* Numbers that no initial value gives: statistics and matrices, too. */
static void stir(mn_model *m, uint64_t seed) {
    static double x[1 << 17];
    for (size_t i = 0; i < mn_store_n_params(m->weights); i++) {
        mn_param *p = mn_store_param(m->weights, i);
        const int64_t n = mn_param_numel(p);
        mn_rng rng;
        ck_assert_int_le(n, 1 << 17);
        mn_rng_init(&rng, seed, i, 0);
        ck_assert_int_eq(mn_param_get(p, x), 0);
        for (int64_t k = 0; k < n; k++) x[k] += 0.1 * mn_rng_real(&rng);
        ck_assert_int_eq(mn_param_set(p, x), 0);
    }
}

static void logits_of(mn_model *m, int train, double *out) {
    step s;
    const mn_run_opts opts = {.train = train};
    step_new(m, 4, &s);
    step_record(m, &s, &opts);
    step_go(&s);
    ck_assert_int_eq(mn_run_read(s.run, s.logits, out), 0);
    step_free(&s);
}

/* ---- counts -------------------------------------------------------------------------------------------- */

/* Specification 3.9, its sums: 4^5 3^21 architectures, the plain network's parameters. */
START_TEST(counts) {
    mn_model *m = made("backend: ref\n",
                       "model: {type: CIFAR_MobileNetV2_GPU, args: {n_classes: 10}}\n"
                       "construct: {base: MobileNetV2PredefinedConstructor, elastic: MobileNetV2ElasticConstructor}\n",
                       MODNAS_F32);
    mn_str size = {.ctx = model_ctx};
    int64_t macs;
    ck_assert_int_eq(mn_model_n_elastic(m, MN_ELASTIC_DEPTH), 5);
    ck_assert_int_eq(mn_model_n_elastic(m, MN_ELASTIC_WIDTH), 21);
    ck_assert_int_eq(mn_model_n_params(m), 3416586);
    ck_assert_int_eq(mn_model_macs(m, NULL, &macs), 0);
    ck_assert_int_eq(macs, 68294912);
    ck_assert_int_eq(mn_derived_params(m), 3416586);
    ck_assert_int_eq(mn_space_size(m->space, &size), 0);
    ck_assert_str_eq(size.text, "10711401679872");
    ck_assert_str_eq(mn_space_gene(m->space, 0)->name, "seq");
    ck_assert_str_eq(mn_space_gene(m->space, 25)->name, "spa_20");
    mn_str_free(&size);
    mn_model_free(m);
}
END_TEST

/* Every size at its largest is the plain network, to the last bit. */
START_TEST(whole_is_plain) {
    double a[20], b[20];
    mn_model *plain = made(backends[_i], NET, MODNAS_F32), *m = made(backends[_i], NET ELASTIC, MODNAS_F32);
    for (int train = 0; train < 2; train++) {
        logits_of(plain, train, a);
        logits_of(m, train, b);
        for (int i = 0; i < 20; i++) ck_assert(a[i] == b[i]);
    }
    mn_model_free(plain);
    mn_model_free(m);
}
END_TEST

/* ---- descriptions --------------------------------------------------------------------------------------- */

/* As candidates are called; what MobileNetV2ArchDescConstructor builds of it has as many multiply-adds. */
START_TEST(described_by_block) {
    mn_model *m = made("backend: ref\n", NET ELASTIC, MODNAS_F32);
    static const char *const values[][2] = {{"seq_1", "1"}, {"spa", "3"}, {"ker_1", "5"}, {"ker_2", "3"}, {"ker", "7"}};
    mn_arch *arch;
    mn_exporter *e;
    mn_node *desc, *spec = yaml("MobileNetV2ElasticArchDescExporter\n");
    mn_str text = {.ctx = model_ctx};
    int64_t macs[2];
    ck_assert_int_eq(mn_arch_new(m, &arch), 0);
    for (size_t i = 0; i < MN_COUNT(values); i++)
        for (int32_t g = 0; g < arch->n; g++)
            for (int32_t c = 0; c < mn_space_gene(m->space, g)->n; c++)
                if (!strcmp(mn_space_gene(m->space, g)->name, values[i][0]) && !strcmp(mn_space_option(m->space, g, c), values[i][1]))
                    arch->index[g] = c;
    ck_assert_int_eq(mn_arch_apply(arch), 0);
    ck_assert_msg(mn_registry_build(model_ctx, "export", spec, NULL, NULL, NULL, &e) == 0, "%s", modnas_errmsg(model_ctx));
    ck_assert_msg(e->run(e, m, &desc) == 0, "%s", modnas_errmsg(model_ctx));
    mn_node_json(&text, desc);
    ck_assert_str_eq(text.text, "[null,\"MB5E3\",\"MB3E6\",\"MB7E6\",\"NIL\",\"NIL\"]");
    mn_model *fixed = made("backend: ref\n",
                           NET "arch_desc: [null, MB5E3, MB3E6, MB7E6, NIL, NIL]\n"
                               "construct: {arch_desc: MobileNetV2ArchDescConstructor}\n",
                           MODNAS_F32);
    ck_assert_int_eq(mn_model_recorded_macs(m, NULL, &macs[0]), 0);
    ck_assert_int_eq(mn_model_macs(fixed, NULL, &macs[1]), 0);
    ck_assert_int_eq(macs[0], macs[1]);
    ck_assert_int_eq(mn_derived_params(m), mn_model_n_params(fixed));
    mn_model_free(fixed);
    mn_str_free(&text);
    mn_node_free(model_ctx, desc);
    mn_node_free(model_ctx, spec);
    mn_exporter_free(e);
    mn_arch_free(arch);
    mn_model_free(m);
}
END_TEST

/* ---- cut out ------------------------------------------------------------------------------------------- */

/* {"spa": 3, ...} of what the model is set to. */
static mn_node *described(const mn_model *m) {
    mn_str s = {.ctx = model_ctx};
    for (int32_t i = 0; i < mn_space_n_genes(m->space); i++)
        mn_str_addf(&s, "%s%s: %s", i ? ", " : "{", mn_space_gene(m->space, i)->name,
                    mn_space_option(m->space, i, mn_space_gene(m->space, i)->index));
    mn_str_add(&s, "}\n");
    mn_node *docs = yaml(s.text);
    mn_str_free(&s);
    return docs;
}

static mn_model *cut_out(const char *backend, const char *net, const mn_node *arch) {
    mn_str text = {.ctx = model_ctx};
    mn_subnet s;
    mn_str_addf(&text, "%sseed: 4\n%s", backend, net);
    mn_node *docs = yaml(text.text);
    ck_assert_msg(mn_subnet_open(model_ctx, docs, MODNAS_F32, &s) == 0, "%s", modnas_errmsg(model_ctx));
    ck_assert_msg(s.model != NULL, "%s", modnas_errmsg(model_ctx));
    ck_assert_msg(mn_subnet_reduce(s.model, arch, weights_file()) == 0, "%s", modnas_errmsg(model_ctx));
    mn_model *m = s.model;
    s.model = NULL;
    mn_subnet_close(&s);
    mn_node_free(model_ctx, docs);
    mn_str_free(&text);
    return m;
}

/* Sub-networks in their supernet and as networks of their own: the same outputs, in evaluation and in training mode, and
 * as many parameters and multiply-adds. ELASTIC_NETS=50 takes as many. */
START_TEST(cut_outs_are_the_same) {
    const char *asked = getenv("ELASTIC_NETS");
    const int n = asked ? atoi(asked) : 2;
    double a[20], b[20];
    const char *backend = backends[_i % 2], *of = nets[_i / 2];
    mn_model *m = made(backend, of, MODNAS_F32);
    stir(m, 1);
    ck_assert_int_eq(mn_model_save(m, weights_file(), NULL), 0);
    for (int k = 0; k < n; k++) {
        int64_t macs[2];
        mn_arch *arch = drawn(m, (uint64_t)k);
        mn_node *desc = described(m);
        mn_model *net = cut_out(backend, of, desc);
        ck_assert_int_eq(mn_space_n_genes(net->space), 0);
        ck_assert_int_eq(mn_model_n_params(net), mn_derived_params(m));
        ck_assert_int_eq(mn_model_macs(net, NULL, &macs[0]), 0);
        ck_assert_int_eq(mn_model_recorded_macs(m, NULL, &macs[1]), 0);
        ck_assert_int_eq(macs[0], macs[1]);
        for (int train = 0; train < 2; train++) {
            logits_of(m, train, a);
            logits_of(net, train, b);
            for (int i = 0; i < 20; i++)
                ck_assert_msg(fabs(a[i] - b[i]) <= 1e-5 * fmax(1, fabs(a[i])), "net %d of %d, train %d: %g and %g", k, _i / 2, train,
                              a[i], b[i]);
        }
        mn_model_free(net);
        mn_node_free(model_ctx, desc);
        mn_arch_free(arch);
    }
    mn_model_free(m);
    remove(weights_file());
}
END_TEST

/* ---- gradients ----------------------------------------------------------------------------------------- */

/* Of convolutions of half their width and of the matrices between windows, of which 3 takes two: against differences. */
START_TEST(gradients) {
    mn_model *m = made("backend: ref\n", SMOOTH ELASTIC, MODNAS_F64);
    step s;
    const mn_run_opts opts = {.train = 1, .grads = MN_ROLE_WEIGHT};
    mn_arch *arch = drawn(m, 0);
    int n = 0;
    for (int32_t kind = 0; kind < MN_N_ELASTIC; kind++)
        for (int32_t i = 0; i < mn_model_n_elastic(m, kind); i++)
            arch->index[mn_elastic_gene(mn_model_elastic(m, kind, i))] = kind == MN_ELASTIC_KERNEL ? 0 : 1;
    ck_assert_int_eq(mn_arch_apply(arch), 0);
    stir(m, 2);
    step_new(m, 2, &s);
    step_record(m, &s, &opts);
    step_go(&s);
    for (size_t i = 0; i < mn_store_n_params(m->weights); i++) {
        mn_param *p = mn_store_param(m->weights, i);
        if (!mn_param_active(p) || !strstr(p->name, "Block_2_1.") || (p->rank == 1 && !strstr(p->name, ".4."))) continue;
        check_gradient(m, &s, p);
        n++;
    }
    ck_assert_int_eq(n, 3 + 2 + 2); /* weights, vectors of a batch norm, matrices */
    step_free(&s);
    mn_arch_free(arch);
    mn_model_free(m);
}
END_TEST

/* ---- the order of channels ----------------------------------------------------------------------------- */

START_TEST(sorting_changes_nothing) {
    double a[20], b[20];
    mn_model *m = made(backends[_i % 2], nets[_i / 2], MODNAS_F32);
    stir(m, 3);
    logits_of(m, 0, a);
    void *arena;
    const size_t bytes = mn_store_bytes(m->weights);
    mn_backend *backend = mn_store_backend(m->weights);
    char *copy = malloc(2 * bytes);
    ck_assert_int_eq(mn_backend_alloc(backend, bytes, &arena), 0); /* "momentum": the weights themselves */
    ck_assert_int_eq(mn_store_save(m->weights, copy), 0);
    ck_assert_int_eq(mn_backend_upload(backend, arena, copy, bytes), 0);
    ck_assert_int_eq(mn_elastic_sort(m, MN_RANK_L1_FAN_IN + _i % 3, &arena, 1), 0);
    logits_of(m, 0, b);
    for (int i = 0; i < 20; i++) ck_assert_msg(fabs(a[i] - b[i]) <= 1e-5 * fmax(1, fabs(a[i])), "%g and %g", a[i], b[i]);
    ck_assert_int_eq(mn_store_save(m->weights, copy), 0);
    ck_assert_int_eq(mn_backend_download(backend, copy + bytes, arena, bytes), 0);
    ck_assert_int_eq(memcmp(copy, copy + bytes, bytes), 0); /* what lies beside a weight goes where it goes */
    mn_backend_free(backend, arena);
    free(copy);
    mn_model_free(m);
}
END_TEST

/* After sorting by the projection's L1 norm its columns descend in it. */
START_TEST(sorting_sorts) {
    mn_model *m = made("backend: ref\n", NET ELASTIC, MODNAS_F32);
    double w[24 * 144], last = INFINITY;
    stir(m, 4);
    ck_assert_int_eq(mn_elastic_sort(m, -1, NULL, 0), 0);
    const mn_param *p = model_param(m, "bottlenecks.Bottlenecks_2.MobileInvertedResidualBlock_2_1.conv.ent.6.weight");
    ck_assert_int_eq(p->dims[0], 24);
    ck_assert_int_eq(p->dims[1], 144);
    ck_assert_int_eq(mn_param_get(p, w), 0);
    for (int c = 0; c < 144; c++) {
        double sum = 0;
        for (int o = 0; o < 24; o++) sum += fabs(w[o * 144 + c]);
        ck_assert(sum <= last + 1e-6);
        last = sum;
    }
    mn_model_free(m);
}
END_TEST

/* ---- images --------------------------------------------------------------------------------------------- */

/* Half the size is the mean of four; of 3 by 2 the rows lie at 0.25 and 1.75, the columns where they were: by hand. */
START_TEST(resizing_by_hand) {
    static const double x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, half[] = {3.5, 5.5, 11.5, 13.5},
                        rows[] = {1.5, 2.5, 4.5, 5.5}, tall[] = {0, 1, 2, 3, 4, 5, 6, 7};
    const struct {
        int64_t from[2], to[2];
        const double *x, *want;
    } cases[] = {{{4, 4}, {2, 2}, x, half}, {{3, 2}, {2, 2}, x, rows}, {{4, 2}, {4, 2}, tall, tall}};
    const mn_run_opts opts = {0};
    mn_model *m = made("backend: ref\n", NET, MODNAS_F64);
    for (size_t i = 0; i < MN_COUNT(cases); i++) {
        const int64_t dims[4] = {1, 1, cases[i].from[0], cases[i].from[1]};
        mn_value *src, *dst;
        mn_run *run;
        double y[8];
        ck_assert_int_eq(mn_run_new(m->backend, MODNAS_F64, m->slab, &run), 0);
        ck_assert_int_eq(mn_run_begin(run, &opts), 0);
        ck_assert_int_eq(mn_input(run, dims, MODNAS_F64, &src), 0);
        ck_assert_int_eq(mn_resize(run, src, cases[i].to[0], cases[i].to[1], &dst), 0);
        ck_assert_int_eq(mn_run_keep(run, dst), 0);
        ck_assert_int_eq(mn_run_plan(run, NULL), 0);
        mn_run_bind(run, src, cases[i].x);
        ck_assert_int_eq(mn_run_forward(run, 0), 0);
        ck_assert_int_eq(mn_run_read(run, dst, y), 0);
        for (int64_t k = 0; k < cases[i].to[0] * cases[i].to[1]; k++) ck_assert_double_eq_tol(y[k], cases[i].want[k], 1e-12);
        mn_run_free(run);
    }
    mn_model_free(m);
}
END_TEST

/* ---- what does not fit ---------------------------------------------------------------------------------- */

#define WITH(args) "backend: ref\n" NET "construct: {elastic: {type: MobileNetV2ElasticConstructor, args: {" args "}}}\n"

START_TEST(refusals) {
    expect_refused(WITH("spatial_kwargs: {expansion_range: [3, 9]}"), MODNAS_ECONFIG, "slot 1 (8 -> 16 channels, stride 2)",
                   "width 9 would be 72; 1 to 48 is possible", NULL);
    expect_refused(WITH("sequential_kwargs: {repeat_range: [1, 3]}"), MODNAS_ECONFIG, "stage 1 (slots 1 to 2)",
                   "depth 3 would be 3; 1 to 2 is possible", NULL);
    expect_refused(WITH("kernel_kwargs: {kernel_range: [3, 9]}"), MODNAS_ECONFIG, "slot 0 (8 -> 8 channels, stride 1)",
                   "kernel 9 would be 9; 1 to 7 is possible", NULL);
    expect_refused(WITH("kernel_kwargs: {kernel_range: [4]}"), MODNAS_ECONFIG, "slot 0", "a window of 4 is not odd", NULL);
    expect_refused(WITH("spatial_kwargs: {expansion_range: [3, 3]}"), MODNAS_ECONFIG, "slot 1", "width 3 is there twice",
                   NULL);
    expect_refused(WITH("spatial_kwargs: {expansion_range: []}"), MODNAS_ECONFIG, "expansion_range", "1 to 64 whole numbers",
                   NULL);
    expect_refused(WITH("spatial_kwargs: {expansion_range: [0.5]}"), MODNAS_ECONFIG, "expansion_range",
                   "no whole number from 1 to 65536", NULL);
    expect_refused(WITH("spatial_kwargs: {fix_first: false, expansion_range: [1, 3]}"), MODNAS_ECONFIG, "slot 0 (8 -> 8",
                   "its width cannot change", NULL);
    expect_refused(WITH("spatial_kwargs: {expansions: [1, 3]}"), MODNAS_ECONFIG, "expansions", NULL);
    expect_refused("backend: ref\n" NET ANY("width_range: [0.5, 2]"), MODNAS_ECONFIG, "width_range",
                   "number 1 is not above 0 and at most 1", NULL);
    expect_refused("backend: ref\nmodel: {type: CIFAR-ResNet, args: {layers: [2], chn: 16, n_classes: 5}}\n"
                   ANY("kernel_range: [3]"), MODNAS_ECONFIG, "slot 0 (16 -> 16 channels, stride 1)",
                   "there is no depthwise convolution", NULL);
    expect_refused("backend: ref\nmodel: {type: CIFAR-ResNet, args: {layers: [2], bottleneck: true, groups: 3, "
                   "width_per_group: 20, chn: 16, n_classes: 5}}\n" ANY("width_range: [0.5]"),
                   MODNAS_ECONFIG, "slot 1 (60 -> 60", "32 channels are no whole number of groups of 20", NULL);
    expect_refused("backend: ref\n" NET ANY("resolution_range: [4, 9]"), MODNAS_ECONFIG,
                   "images: resolution 9 would be 9; 1 to 8 is possible", NULL);
    expect_refused("backend: ref\n" NET "construct: {a: MobileNetV2ElasticConstructor, b: {type: ElasticConstructor, args: "
                   "{width_range: [0.5, 1]}}}\n", MODNAS_ECONFIG, "slot 1 (8 -> 16 channels, stride 2): width is elastic already",
                   NULL);
    expect_refused("backend: ref\n" NET "mixed_op: {type: IndexMixedOp, candidates: [MB3E1]}\n"
                   "construct: {elastic: MobileNetV2ElasticConstructor}\n",
                   MODNAS_ECONFIG, "slot 0 (8 -> 8 channels, stride 1): a mixed op is not elastic", NULL);
}
END_TEST

int main(void) {
    Suite *s = suite_create("elastic");
    const TTest *const tests[] = {counts, resizing_by_hand, described_by_block, gradients, sorting_sorts, refusals, NULL};
    util_add(s, "elastic", model_setup, model_teardown, tests);
    util_add_loop(s, "whole", model_setup, model_teardown, whole_is_plain, 2);
    util_add_loop(s, "cut", model_setup, model_teardown, cut_outs_are_the_same, 2 * N_NETS);
    util_add_loop(s, "sorting", model_setup, model_teardown, sorting_changes_nothing, 2 * N_NETS);
    return util_run(s);
}
