/* Sub-networks with the weights of a supernet: they give what the supernet gives with that path forced, train as it
 * does, and are a network like any other; what does not fit is refused. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "construct/subnet.h"
#include "modnas/model.h"
#include "module/layers.h"
#include "util_small.h"

#define OPS   "candidates: [MB3E1, MB3E3, NIL, MB5E1]"
#define NET   UTIL_SMALL_NET "name: t\n"
#define BEST  "best.safetensors"
#define FOUND "found.safetensors"

enum { IMAGES = 5, PIXELS = 3 * 8 * 8, CLASSES = 4 };

static util_small s;
static char folder[64];

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(s.ctx))

static void setup(void) {
    util_folder_new(folder);
}

static void teardown(void) {
    util_folder_free(folder);
}

/* ---- what is compared ------------------------------------------------------------------------------------ */

typedef struct row {
    const char *mixed, *arch, *again; /* again: constructors of the network found; NULL: it cannot be described so */
    int backend;                      /* 0: ref; 1: dnnl */
    const char *net;                  /* NULL: NET */
} row;

#define BLOCKS "arch_desc: [MB3E3, MB5E1, MB3E1, NIL]\n"
#define V3                                                                                                             \
    UTIL_SMALL_NET_WITH("model: {type: MobileNetV3, args: {cfgs: [[3, 0, 8, 0, 1, 1], [3, 8, 8, 1, 0, 2], [3, 16, 8, "  \
                        "1, 0, 1], [5, 16, 16, 0, 1, 2], [3, 24, 16, 1, 1, 1]], mode: small, width_mult: 0.5, "         \
                        "n_classes: 4}}\n", UTIL_SMALL_LOADER) "name: t\n"
#define V3_SPACE                                                                                                       \
    "construct: {mixed_op: {type: MobileNetV3SearchConstructor, args: {mixed_op: BinaryGateMixedOp, candidates: "      \
    "[M3B3E1, M3B3E3, M3B5E1S]}}}\n"
#define V3_FOUND "arch_desc: [null, NIL, M3B3E3, M3B5E1S]\nconstruct: {arch_desc: MobileNetV3ArchDescConstructor}\n"
/* Four Slots, of which the second has NIL where a block can vanish; and Slots in Slots. */
static const row rows[] = {
    {"mixed_op: {type: BinaryGateMixedOp, " OPS "}\n", "[[MB3E3], [MB5E1], [MB3E1], [NIL]]", BLOCKS, 0, NULL},
    {"mixed_op: {type: IndexMixedOp, " OPS "}\n", "[MB3E3, MB5E1, MB3E1, NIL]", BLOCKS, 0, NULL},
    {"mixed_op: {type: SoftmaxSumMixedOp, " OPS "}\n", "[[MB3E3, NIL], [MB5E1], [MB3E1], [NIL]]", BLOCKS, 0, NULL},
    {"mixed_op: {type: GumbelSumMixedOp, " OPS "}\n", "{t_0: MB3E3, t_1: [-1, 0, 0.5, 0.75], t_2: MB3E1, t_3: NIL}",
     BLOCKS, 0, NULL},
    {"mixed_op: {type: IndexMixedOp, " OPS "}\n", "{c_3: NIL, c_0: MB3E3, c_1: MB5E1, c_2: MB3E1}", BLOCKS, 0, NULL},
    {"construct: {mixed_op: {type: MobileNetV2SearchConstructor, args: {mixed_op: BinaryGateMixedOp, candidates: "
     "[MB3E1, MB3E3]}}}\n",
     "[null, [NIL], [MB3E3], [MB3E1]]", "arch_desc: [null, NIL, MB3E3, MB3E1]\n", 0, NULL},
    {"construct: {mixed_op: {type: MobileNetV2SearchConstructor, args: {mixed_op: BinaryGateMixedOp, candidates: "
     "[MB3E1, MB3E3]}}}\n",
     "[[NIL], [MB3E3], [MB3E1]]", "arch_desc: [null, NIL, MB3E3, MB3E1]\n", 0, NULL},
    {"mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E1, Nest]}\nconstruct: {inner: {type: "
     "DefaultMixedOpConstructor, args: {mixed_op: IndexMixedOp, candidates: [MB3E3, MB5E1]}}}\n",
     "{t_0: MB3E1, t_1: Nest, t_2: MB3E1, t_3: Nest, c_4: MB3E3, c_5: MB5E1, c_6: MB3E3, c_7: MB3E3}", NULL, 0, NULL},
    {"mixed_op: {type: BinaryGateMixedOp, " OPS "}\n", "[[MB3E3], [MB5E1], [MB3E1], [NIL]]", BLOCKS, 1, NULL},
    {"mixed_op: {type: SoftmaxSumMixedOp, " OPS "}\n", "[[MB3E3], [MB5E1], [MB3E1], [NIL]]", BLOCKS, 1, NULL},
    {V3_SPACE, "[null, [NIL], [M3B3E3], [M3B5E1S]]", V3_FOUND, 0, V3},
    {V3_SPACE, "[null, [NIL], [M3B3E3], [M3B5E1S]]", V3_FOUND, 1, V3},
};

/* A Slot, then a batch norm: what stands in a Slot may hold one. */
static int build_nest(const mn_component *c, const mn_args *a, const void *env, void *out) {
    const mn_candidate_env *e = env;
    mn_module *m, *part;
    (void)c, (void)a;
    MN_TRY(mn_sequential_new(e->model, &m));
    int rc = mn_slot_new(e->model, e->chn_in, e->chn_out, e->stride, NULL, &part);
    if (!rc) rc = mn_module_append(m, part);
    if (!rc) rc = mn_batch_norm_new(e->model, e->chn_out, 1, 0, 0, &part);
    if (!rc) rc = mn_module_append(m, part);
    if (rc)
        mn_module_free(m);
    else
        *(mn_module **)out = m;
    return rc;
}

static const mn_component nest = {"candidate", "Nest", "a Slot and a batch norm", NULL, build_nest, NULL};

static mn_node *parse(const char *text) {
    mn_node *n;
    OK(mn_yaml_value(s.ctx, text, "arch", &n));
    return n;
}

static const char *conf_of(const row *r, const char *constructors, char *buf, size_t bytes) {
    snprintf(buf, bytes, "backend: %s\n%s%s", r->backend ? "dnnl" : "ref", r->net ? r->net : NET, constructors);
    return buf;
}

static void open_small(const char *yaml) {
    util_small_ctx(&s);
    OK(mn_registry_add(s.ctx, &nest));
    util_small_make(&s, yaml);
}

static void force(mn_model *m, const char *desc) {
    mn_node *arch = parse(desc);
    mn_arch *a;
    OK(mn_arch_of_desc(m, arch, &a));
    OK(mn_arch_apply(a));
    mn_arch_free(a);
    mn_node_free(s.ctx, arch);
}

/* Of one path of a supernet, or of a network; the path is no longer forced then. */
static void logits_of(mn_model *m, float *out) {
    float x[IMAGES * PIXELS];
    mn_rng rng;
    mn_rng_init(&rng, 5, mn_stream("images"), 0);
    for (size_t i = 0; i < MN_COUNT(x); i++) x[i] = (float)(2 * mn_rng_real(&rng) - 1);
    memcpy(m->input, (int32_t[]){3, 8, 8}, sizeof m->input);
    OK(modnas_model_forward(m, x, IMAGES, out));
}

/* All numbers of a network in the tree's order; of a supernet those of the forced path. */
static void add_numbers(const mn_module *m, double *out, size_t *n) {
    for (size_t i = 0; i < m->params.n; i++) {
        const mn_param *p = MN_AT(m->params, mn_module_param, i).param;
        OK(mn_param_get(p, out + *n));
        *n += (size_t)mn_param_numel(p);
    }
    const mn_mixed *x = mn_mixed_of((mn_module *)(uintptr_t)m);
    const int32_t path = !x ? -1 : x->param->type == MN_CATEGORICAL ? x->param->index : x->forced;
    for (size_t i = 0; i < m->children.n; i++)
        if (!x || path == (int32_t)i) add_numbers(MN_AT(m->children, mn_module *, i), out, n);
}

static void near(const double *a, const double *b, size_t n, double most) {
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs(a[i] - b[i]) <= most * (1 + fabs(a[i])), "%zu of %zu: %.9g and %.9g", i, n, a[i], b[i]);
}

static void begin(void) {
    OK(mn_trainer_reset(s.trainer, 1));
    OK(mn_trainer_prepare(s.trainer, 0, 0));
    OK(mn_trainer_start_epoch(s.trainer, 0));
}

static void steps(int n) {
    mn_scores sum = {0, 0, 0, 0};
    for (int i = 0; i < n; i++) OK(mn_trainer_step(s.trainer, &sum));
}

/* ---- the same network ------------------------------------------------------------------------------------ */

/* Two trained steps of the supernet, saved; and what its path gives. */
static void make_supernet(const char *yaml, const char *arch, float *logits) {
    open_small(yaml);
    begin();
    steps(2);
    OK(mn_model_save(s.model, BEST, NULL));
    force(s.model, arch);
    logits_of(s.model, logits);
    util_small_close(&s);
}

static mn_model *found(const char *yaml, const char *arch) {
    mn_node *docs, *desc = parse(arch);
    mn_subnet sub;
    OK(mn_yaml_read(s.ctx, yaml, strlen(yaml), "test.yaml", &docs));
    OK(mn_subnet_open(s.ctx, docs->items[0], MODNAS_F32, &sub));
    ck_assert_ptr_nonnull(sub.model);
    OK(mn_subnet_reduce(sub.model, desc, BEST));
    mn_model *m = mn_model_hold(sub.model);
    mn_subnet_close(&sub);
    mn_node_free(s.ctx, desc);
    mn_node_free(s.ctx, docs);
    return m;
}

START_TEST(gives_the_same) {
    const row *r = &rows[_i];
    char yaml[2048];
    float want[IMAGES * CLASSES], have[IMAGES * CLASSES];
    conf_of(r, r->mixed, yaml, sizeof yaml);
    make_supernet(yaml, r->arch, want);
    open_small(yaml);
    mn_model *m = found(yaml, r->arch);
    ck_assert_int_eq(mn_model_n_mixed(m), 0);
    ck_assert_uint_eq(m->space->params.n, 0);
    ck_assert_ptr_null(m->arch);
    logits_of(m, have);
    for (int i = 0; i < IMAGES * CLASSES; i++)
        ck_assert_msg(r->backend ? fabsf(want[i] - have[i]) <= 1e-6f * (1 + fabsf(want[i])) : want[i] == have[i],
                      "%d: %.9g, supernet %.9g", i, (double)have[i], (double)want[i]);
    mn_model_free(m);
    util_small_close(&s);
}
END_TEST

/* Saved, it is the weights of the network that arch_desc builds; a step from there is the step of the supernet's path.
 * On ref all is the same to the last bit, but for the factor of clipping: a sum over arenas of other sizes. */
START_TEST(trains_the_same) {
    const row *r = &rows[_i];
    char yaml[2048], again[2048];
    float logits[IMAGES * CLASSES];
    size_t n = 0, n_found = 0, n_before = 0;
    if (!r->again) return;
    double *want = calloc(1 << 16, sizeof *want), *have = calloc(1 << 16, sizeof *have);
    conf_of(r, r->mixed, yaml, sizeof yaml);
    make_supernet(yaml, r->arch, logits);

    open_small(yaml);
    mn_model *m = found(yaml, r->arch);
    OK(mn_model_save(m, FOUND, NULL));
    add_numbers(m->root, have, &n_before);
    mn_model_free(m);
    OK(mn_model_load(s.model, BEST, 0));
    begin();
    force(s.model, r->arch);
    add_numbers(s.model->root, want, &n);
    ck_assert_uint_eq(n, n_before);
    ck_assert_int_eq(memcmp(want, have, n * sizeof *want), 0);
    steps(1);
    n = 0;
    add_numbers(s.model->root, want, &n);
    ck_assert_int_ne(memcmp(want, have, n * sizeof *want), 0);
    util_small_close(&s);

    conf_of(r, r->again, again, sizeof again);
    snprintf(again + strlen(again), sizeof again - strlen(again), "chkpt: " FOUND "\n");
    open_small(again);
    begin();
    steps(1);
    add_numbers(s.model->root, have, &n_found);
    ck_assert_uint_eq(n, n_found);
    near(want, have, n, 1e-6);
    util_small_close(&s);
    free(want);
    free(have);
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------------------- */

static void refuse(const char *yaml, const char *arch, const char *chkpt, int status, const char *text) {
    mn_node *docs, *desc = parse(arch);
    mn_subnet sub;
    OK(mn_yaml_read(s.ctx, yaml, strlen(yaml), "test.yaml", &docs));
    OK(mn_subnet_open(s.ctx, docs->items[0], MODNAS_F32, &sub));
    const int rc = mn_subnet_reduce(sub.model, desc, chkpt);
    ck_assert_msg(rc == status && strstr(modnas_errmsg(s.ctx), text), "%s: status %d: %s", arch, rc,
                  modnas_errmsg(s.ctx));
    mn_subnet_close(&sub);
    mn_node_free(s.ctx, desc);
    mn_node_free(s.ctx, docs);
}

START_TEST(wrong_architectures) {
    static const struct {
        const char *arch, *text;
    } bad[] = {
        {"[[MB3E3], [MB5E1], [MB3E1]]", "an architecture of 3 items; the space has 4 Slots and 4 mixed ops"},
        {"[[MB9E9], [MB5E1], [MB3E1], [NIL]]",
         "stride 2): the string 'MB9E9' is none of its options: MB3E1, MB3E3, NIL, MB5E1"},
        {"[MB9E9, [MB5E1], [MB3E1], [NIL]]", "the string 'MB9E9' is none of its options"},
        {"[null, [MB5E1], [MB3E1], [NIL]]", "is none of its options"},
        {"[[], [MB5E1], [MB3E1], [NIL]]", "is none of its options"},
        {"{c_0: MB3E1}", "does not say what parameter c_1 is"},
        {"{c_0: MB3E1, c_9: NIL}", "the space has no choice named 'c_9'"},
        {"{bottlenecks: {Bottlenecks_9: {}}}", "names 'Bottlenecks_9', which is neither"},
        {"{}", "does not say what parameter c_0 is"},
        {"MB3E1", "an architecture is a list or a map, not the string 'MB3E1'"},
    };
    static const char yaml[] = "backend: ref\n" NET "mixed_op: {type: IndexMixedOp, " OPS "}\n";
    open_small(yaml);
    OK(mn_model_save(s.model, BEST, NULL));
    for (size_t i = 0; i < MN_COUNT(bad); i++) refuse(yaml, bad[i].arch, BEST, MODNAS_ECONFIG, bad[i].text);
    util_small_close(&s);
}
END_TEST

START_TEST(other_checkpoints) {
    static const char gates[] = "backend: ref\n" NET "mixed_op: {type: BinaryGateMixedOp, " OPS "}\n",
                      index[] = "backend: ref\n" NET "mixed_op: {type: IndexMixedOp, " OPS "}\n",
                      fewer[] = "backend: ref\n" NET "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E1, MB3E3]}\n",
                      arch[] = "[[MB3E3], [MB5E1], [MB3E1], [NIL]]";
    open_small(gates);
    OK(mn_model_save(s.model, BEST, NULL));
    refuse(index, arch, BEST, MODNAS_EFORMAT, "the model has no tensor arch.t_0");
    refuse(fewer, "[[MB3E3], [MB3E1], [MB3E1], [MB3E1]]", BEST, MODNAS_ESHAPE, "tensor arch.t_0 is 4, the model wants 2");
    refuse(gates, arch, "none.safetensors", MODNAS_ENOTFOUND, "none.safetensors");
    mn_model *m = found(gates, arch); /* a network's own file is no supernet's */
    OK(mn_model_save(m, FOUND, NULL));
    mn_model_free(m);
    refuse(gates, arch, FOUND, MODNAS_EFORMAT, "conv.ent.MB3E1.0.weight of the model is missing");
    char *bytes;
    size_t n;
    OK(mn_file_read(s.ctx, BEST, 1 << 24, &bytes, &n));
    for (size_t cut = 0; cut < n; cut += n / 7) {
        OK(mn_file_write(s.ctx, "cut.safetensors", bytes, cut));
        refuse(gates, arch, "cut.safetensors", MODNAS_EFORMAT, "cut.safetensors");
    }
    mn_free(s.ctx, bytes);
    util_small_close(&s);
}
END_TEST

/* Every so-manieth allocation fails: a status, nothing left over. */
START_TEST(out_of_memory) {
    static const char yaml[] = "backend: ref\n" NET "mixed_op: {type: BinaryGateMixedOp, " OPS "}\n";
    int rc = MODNAS_ENOMEM, tries = 0;
    open_small(yaml);
    OK(mn_model_save(s.model, BEST, NULL));
    mn_node *desc = parse("[[MB3E3], [MB5E1], [MB3E1], [NIL]]");
    const int64_t live = s.host.live;
    for (int left = 0; rc; left += 17, tries++) {
        mn_subnet sub = {.ctx = NULL};
        s.host.left = left;
        rc = mn_subnet_open(s.ctx, s.conf, MODNAS_F32, &sub);
        if (!rc) rc = sub.model ? mn_subnet_reduce(sub.model, desc, BEST) : MODNAS_EINVAL;
        s.host.left = -1;
        ck_assert_msg(rc == 0 || rc == MODNAS_ENOMEM, "%d: %s", rc, modnas_errmsg(s.ctx));
        mn_subnet_close(&sub);
        ck_assert_int_eq(s.host.live, live);
    }
    ck_assert_int_gt(tries, 20);
    mn_node_free(s.ctx, desc);
    util_small_close(&s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("subnetwork");
    util_add_loop(suite, "gives the same", setup, teardown, gives_the_same, MN_COUNT(rows));
    util_add_loop(suite, "trains the same", setup, teardown, trains_the_same, MN_COUNT(rows));
    util_add(suite, "refused", setup, teardown,
             (const TTest *[]){wrong_architectures, other_checkpoints, out_of_memory, NULL});
    return util_run(suite);
}
