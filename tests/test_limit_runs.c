/* Whole runs under limits: every network that is exported obeys, by a count of it alone; what is refused; prices on
 * expected costs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modnas/describe.h"
#include "search/cost.h"
#include "util_search.h"

enum { N_SEEDS = 20 };

/* 4 Slots, 256 networks; 8 samples to train, 8 to validate. */
#define NET                                                                                                            \
    "backend: ref\nthreads: 1\nname: t\n"                                                                              \
    "model: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [3, 8, 2, 2], [3, 16, 2, 2]], n_classes: 4,"               \
    " width_coeff: 0.1, input: [1, 4, 4]}}\n"                                                                          \
    "train_data: {type: RandData, args: {shape: [1, 4, 4], classes: 4, data_size: 16}}\n"                              \
    "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 8, val_batch_size: 8, valid_size: 8}}\n"            \
    "trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05, momentum: 0.9}}}}}\n"
#define OF(mixed) "mixed_op: {type: " mixed "MixedOp, candidates: [MB3E1, MB3E3, MB5E3, MB5E1]}\n"

/* ---- the exported network ------------------------------------------------------------------------------ */

/* The range of multiply-adds of a space. */
static void macs_range(const char *yaml, const int32_t image[3], int64_t *low, int64_t *high) {
    util_small s;
    mn_costs macs;
    util_small_open(&s, yaml);
    ck_assert_int_eq(mn_costs_named(s.model, "macs", image, &macs), 0);
    *low = mn_costs_min(&macs);
    *high = mn_costs_max(&macs);
    mn_costs_free(&macs);
    util_small_close(&s);
}

static void macs_of_net(int64_t *low, int64_t *high) {
    macs_range(NET OF("SoftmaxSum"), (const int32_t[]){1, 4, 4}, low, high);
}

/* Of the network that is built from the description in a file, without a search. */
static int64_t macs_of_file(const char *path) {
    char yaml[1024], *json = NULL;
    modnas_config *cfg = NULL;
    int rc = modnas_config_new(rig.ctx, &cfg);
    snprintf(yaml, sizeof yaml, NET "arch_desc: %s\n", path);
    if (!rc) rc = modnas_config_add_text(cfg, yaml, strlen(yaml), "t.yaml");
    const modnas_describe_opts opts = {.size = sizeof opts};
    if (!rc) rc = modnas_describe(cfg, &opts, &json);
    ck_assert_msg(rc == 0, "%s", modnas_errmsg(rig.ctx));
    mn_node *t = util_rig_parse(&rig, json);
    const int64_t macs = rig_at(t, "macs")->i;
    mn_node_free(rig.ctx, t);
    modnas_string_free(rig.ctx, json);
    modnas_config_free(cfg);
    return macs;
}

/* Latencies of the table t.tsv, in ns, by Slot, by candidate; what is always there. */
static const char *const candidates[4] = {"MB3E1", "MB3E3", "MB5E3", "MB5E1"};
static const int64_t ns_of[4][4] = {{100001, 200003, 350007, 150009},
                                    {300001, 550003, 800007, 410009},
                                    {210001, 340003, 550007, 260009},
                                    {110001, 190003, 270007, 130009}};
enum { FIXED_NS = 1250000, LOW_NS = FIXED_NS + 720004, HIGH_NS = FIXED_NS + 1970028 };

static void write_table(void) {
    FILE *f = fopen("t.tsv", "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "slot\tcandidate\tlatency_ms\nfixed\t-\t%.6f\n", FIXED_NS / 1e6);
    for (int i = 0; i < 16; i++)
        fprintf(f, "%d\t%s\t%.6f\n", i / 4, candidates[i % 4], (double)ns_of[i / 4][i % 4] / 1e6);
    fclose(f);
}

static void ns_range(int64_t *low, int64_t *high) {
    *low = LOW_NS;
    *high = HIGH_NS;
}

/* By the table, of the description in a file: [MB3E1, ...], of mixed ops [[MB3E1], ...]. */
static int64_t ns_of_file(const char *path) {
    char *text = util_rig_read(path, NULL);
    mn_node *arch = util_rig_parse(&rig, text);
    int64_t sum = FIXED_NS;
    int n_known = 0;
    ck_assert_uint_eq(arch->n, 4);
    for (size_t i = 0; i < 4; i++) {
        const mn_node *op = arch->items[i]->kind == MN_SEQ ? arch->items[i]->items[0] : arch->items[i];
        for (int k = 0; k < 4; k++) {
            if (strcmp(op->text, candidates[k]) != 0) continue;
            sum += ns_of[i][k];
            n_known++;
        }
    }
    ck_assert_int_eq(n_known, 4);
    mn_node_free(rig.ctx, arch);
    free(text);
    return sum;
}

typedef struct cost {
    const char *name, *source; /* metric; what an objective needs beside it */
    double unit;               /* of the metric, in what is counted here */
    void (*range)(int64_t *low, int64_t *high);
    int64_t (*of_file)(const char *path);
} cost;

static const cost costs[] = {{"macs", "", 1, macs_of_net, macs_of_file},
                             {"latency_ms", "latency_table: t.tsv, ", 1e6, ns_range, ns_of_file}};

/* ---- methods ------------------------------------------------------------------------------------------- */

#define EXPORTED(estim) "exp/t/outputs/arch_" estim "_best.yaml"
#define STEEP           "a_optim: {type: Adam, args: {lr: 0.1}}" /* so that logits part in a few steps */

typedef struct method {
    const char *name, *yaml, *estims[2]; /* those that export, NULL at the end */
} method;

static const method methods[] = {
    {"DARTS",
     OF("SoftmaxSum") "optim: {type: DARTSOptim, args: {" STEEP "}}\n"
                      "estim: {search: {type: SuperNetEstim, epochs: 2}}\n",
     {"search"}},
    {"ProxylessNAS-G",
     OF("BinaryGate") "optim: {type: BinaryGateOptim, args: {" STEEP "}}\n"
                      "estim: {warm: {type: DefaultEstim, epochs: 1}, search: {type: SuperNetEstim, epochs: 2}}\n",
     {"warm", "search"}},
    {"SPOS + evolution",
     OF("Index") "optim: {type: EvolutionOptim, args: {pop_size: 8, n_select: 4, mutation_prob: 0.2}}\n"
                 "estim:\n"
                 "  supernet: {type: RandomSamplingEstim, epochs: 1}\n"
                 "  search: {type: SubNetEstim, epochs: 4, arch_update_batch: 8, args: {num_bn_batch: 1}}\n",
     {"search"}},
};

static void run(const method *m, int seed, const char *objective) {
    char yaml[4096];
    snprintf(yaml, sizeof yaml, NET "seed: %d\n%s%s", seed, m->yaml, objective);
    RIG_RUNS(yaml, RIG_OVER("estim.search.baseline=false"));
}

static int64_t exported(const cost *c, const char *estim) {
    char path[64];
    snprintf(path, sizeof path, EXPORTED("%s"), estim);
    return c->of_file(path);
}

/* What an estimator exported, and what results.json says of it. */
static void check(const method *m, const cost *c, int seed, const char *estim, int64_t most) {
    char path[64];
    mn_node *r = util_rig_parse(&rig, rig.results);
    const int64_t got = exported(c, estim);
    ck_assert_msg(got <= most, "%s, seed %d, %s: %s is %.9g, at most %.9g", m->name, seed, estim, c->name,
                  (double)got / c->unit, (double)most / c->unit);
    snprintf(path, sizeof path, "estim.%s.limits.0.value", estim);
    ck_assert_double_eq_tol(rig_at(r, path)->r * c->unit, (double)got, 1e-3);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "estim.%s.limits.%d.obeys", estim, i);
        ck_assert_int_eq(rig_at(r, path)->i, 1);
    }
    mn_node_free(rig.ctx, r);
}

/* An eighth to three eighths of the range. */
static int64_t limit_of(const cost *c, int seed) {
    int64_t low, high;
    c->range(&low, &high);
    return low + (high - low) * (1 + seed % 3) / 8;
}

static void run_limited(const method *m, const cost *c, int seed) {
    char objective[256];
    const int64_t most = limit_of(c, seed);
    snprintf(objective, sizeof objective, "objective: {%ssubject_to: ['%s <= %.6f', 'loss <= 100']}\n", c->source,
             c->name, (double)most / c->unit);
    run(m, seed, objective);
    for (int e = 0; e < 2 && m->estims[e]; e++) check(m, c, seed, m->estims[e], most);
}

/* 20 seeds. Without the limit most of the same runs export what it forbids. */
START_TEST(exported_networks_obey) {
    const method *m = &methods[_i];
    int n_broken[MN_COUNT(costs)] = {0};
    write_table();
    for (int seed = 0; seed < N_SEEDS; seed++) {
        for (size_t i = 0; i < MN_COUNT(costs); i++) run_limited(m, &costs[i], seed);
        run(m, seed, "");
        for (size_t i = 0; i < MN_COUNT(costs); i++)
            n_broken[i] += exported(&costs[i], "search") > limit_of(&costs[i], seed);
    }
    for (size_t i = 0; i < MN_COUNT(costs); i++) {
        printf("%s, %s: without the limit %d of %d exports break it\n", m->name, costs[i].name, n_broken[i], N_SEEDS);
        ck_assert_int_gt(n_broken[i], N_SEEDS / 2);
    }
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *more, *text;
    } rows[] = {
        {"objective: {subject_to: ['macs <= 1K']}\n", "nothing in the space obeys 'macs <= 1K'"},
        {"objective: {subject_to: ['params >= 1G']}\n", "nothing in the space obeys 'params >= 1G'"},
        {"estim: {x: {type: DefaultEstim, epochs: 1, criterion: {type: AddMetricsLoss, args: {metrics: macs,"
         " target_val: 0}}}}\n",
         "target_val"},
        {"trainer: {default: {args: {criterion: {type: AddMetricsLoss, args: {metrics: macs}}}}}\n", "trainer"}};
    modnas_search *search;
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        char yaml[2048];
        snprintf(yaml, sizeof yaml, "%s---\n%s", UTIL_RIG_CONFIG, rows[i].more);
        ck_assert_int_eq(util_search_try(yaml, NULL, &search), MODNAS_ECONFIG);
        util_search_says(rows[i].text);
    }
}
END_TEST

/* A steep price moves an architecture to what is cheap: its own expected cost falls below that without a price. */
START_TEST(prices_steer) {
    double macs[2];
    for (int i = 0; i < 2; i++) {
        char yaml[2048];
        snprintf(yaml, sizeof yaml,
                 UTIL_SEARCH_GATES
                 "estim: {search: {type: SuperNetEstim, epochs: 12, arch_update_intv: 1, criterion: "
                 "[{type: AddMetricsLoss, mode: valid, args: {metrics: macs, lamd: %d}}]}}\n---\noptim: "
                 "{type: BinaryGateOptim, args: {a_optim: {type: Adam, args: {lr: 0.1}}}}\n",
                 i ? 1000 : 0);
        RIG_RUNS(yaml, NULL);
        char *history = util_rig_read("exp/t/outputs/history.tsv", NULL);
        ck_assert_ptr_nonnull(history);
        macs[i] = atof(strrchr(history, '\t') + 1); /* of the last evaluation */
        free(history);
    }
    int64_t low, high;
    macs_range(UTIL_SEARCH_GATES, (const int32_t[]){3, 8, 8}, &low, &high);
    ck_assert_msg(macs[1] == (double)low, "%g with a price, %g without; the least is %lld", macs[1], macs[0],
                  (long long)low);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("limit_runs");
    TCase *exports = tcase_create("exports");
    tcase_set_timeout(exports, 120);
    tcase_add_checked_fixture(exports, rig_setup, rig_teardown);
    tcase_add_loop_test(exports, exported_networks_obey, 0, (int)MN_COUNT(methods));
    suite_add_tcase(suite, exports);
    util_add(suite, "runs", rig_setup, rig_teardown, (const TTest *[]){refused, prices_steer, NULL});
    return util_run(suite);
}
