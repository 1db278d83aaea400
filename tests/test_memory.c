/* Memory of whole runs: what describe plans against what the context's allocation function was asked for; a limit that
 * is kept, with the same bytes in all files as without; a limit that is refused, with the smallest that will do. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modnas/modnas.h"
#include "util_rig.h"

#define SMALL                                                                                                          \
    "model: {type: MobileNetV2, args: {cfgs: [[0, 16, 1, 1], [6, 16, 2, 1], [6, 24, 3, 2], [6, 32, 2, 2]],"            \
    " n_classes: 10}}\n"
#define CIFAR "model: {type: CIFAR_MobileNetV2, args: {n_classes: 10}}\n"
#define SIX   "candidates: [MB3E3, MB3E6, MB5E3, MB5E6, MB7E3, MB7E6]"
#define TWO   "candidates: [MB3E3, MB5E6]"
#define GATES(set)                                                                                                     \
    "mixed_op: {type: BinaryGateMixedOp, " set "}\noptim: BinaryGateOptim\n" SEARCH
#define SEARCH    "estim: {search: {type: SuperNetEstim, epochs: 1}}\n"
#define PLAIN     "estim: {search: {type: DefaultEstim, epochs: 1}}\n"
#define SGD       "{type: SGD, args: {lr: 0.05}}"
#define MOMENTUM  "{type: SGD, args: {lr: 0.05, momentum: 0.9}}"
#define ADAM      "{type: Adam, args: {lr: 0.001}}"

typedef struct plan {
    const char *backend, *net, *optimizer;
    int32_t side, batch, n; /* of images; samples, of which a batch validates */
} plan;

static const plan plans[] = {
    {"ref", SMALL PLAIN, SGD, 12, 16, 32},
    {"ref", SMALL GATES(TWO), MOMENTUM, 12, 8, 16},
    {"ref", SMALL "mixed_op: {type: SoftmaxSumMixedOp, " TWO "}\noptim: {type: DARTSOptim}\n" SEARCH, ADAM, 8, 8, 16},
    {"dnnl", SMALL PLAIN, ADAM, 32, 32, 64},
    {"dnnl", SMALL GATES(SIX), SGD, 32, 16, 32},
    {"dnnl", CIFAR PLAIN, SGD, 32, 64, 128},
    {"dnnl", CIFAR PLAIN, MOMENTUM, 32, 8, 16},
    {"dnnl", CIFAR GATES(SIX), SGD, 32, 16, 32},
    {"dnnl", CIFAR GATES(TWO), ADAM, 32, 32, 64},
};

static void write_config(const plan *p, const char *more, char yaml[4096]) {
    const int n = snprintf(yaml, 4096,
                           "backend: %s\nthreads: 2\nseed: 3\n%s"
                           "train_data: {type: RandData, args: {shape: [3, %d, %d], classes: 10, data_size: %d}}\n"
                           "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: %d, val_batch_size: %d,"
                           " valid_size: %d}}\n"
                           "trainer: {default: {type: ImageClsTrainer, args: {optimizer: %s}}}\n%s",
                           p->backend, p->net, p->side, p->side, p->n, p->batch, p->batch, p->batch, p->optimizer, more);
    ck_assert(n > 0 && n < 4096);
}

static modnas_ctx *open_ctx(util_host *host) {
    modnas_ctx *ctx;
    *host = (util_host){.left = -1};
    modnas_ctx_opts opts = util_host_opts(host);
    opts.plugin_dir = getenv("MODNAS_PLUGINS");
    ck_assert_int_eq(modnas_ctx_new(&opts, &ctx), 0);
    return ctx;
}

typedef struct outcome {
    int rc;
    size_t peak; /* bytes that the context held at most */
    char error[1024];
} outcome;

/* Run in a context of its own. */
static outcome run(const char *yaml) {
    util_host host;
    modnas_ctx *ctx = open_ctx(&host);
    modnas_config *cfg;
    const modnas_run_opts opts = {.size = sizeof opts};
    char *results = NULL;
    int32_t started;
    outcome o = {0};
    ck_assert_int_eq(modnas_config_new(ctx, &cfg), 0);
    o.rc = modnas_config_add_text(cfg, yaml, strlen(yaml), "t.yaml");
    if (!o.rc) o.rc = modnas_run(cfg, &opts, &started, &results);
    snprintf(o.error, sizeof o.error, "%s", o.rc ? modnas_errmsg(ctx) : "");
    o.peak = ctx->bytes_peak;
    modnas_string_free(ctx, results);
    modnas_config_free(cfg);
    util_ctx_end(&host, ctx);
    return o;
}

static int64_t planned(const char *yaml, const plan *p) {
    util_host host;
    modnas_ctx *ctx = open_ctx(&host);
    modnas_config *cfg;
    const modnas_describe_opts opts = {.size = sizeof opts, .input = {3, p->side, p->side}};
    char *json = NULL;
    mn_node *docs;
    ck_assert_int_eq(modnas_config_new(ctx, &cfg), 0);
    ck_assert_int_eq(modnas_config_add_text(cfg, yaml, strlen(yaml), "t.yaml"), 0);
    ck_assert_msg(modnas_describe(cfg, &opts, &json) == 0, "%s", modnas_errmsg(ctx));
    ck_assert_int_eq(mn_yaml_read(ctx, json, strlen(json), "json", &docs), 0);
    const int64_t bytes = rig_at(docs->items[0], "planned_peak_bytes")->i;
    mn_node_free(ctx, docs);
    modnas_string_free(ctx, json);
    modnas_config_free(cfg);
    util_ctx_end(&host, ctx);
    return bytes;
}

/* Within a tenth, the data set aside, which lies in memory here. */
START_TEST(planned_is_measured) {
    const plan *p = &plans[_i];
    char yaml[4096];
    write_config(p, "name: t\n", yaml);
    const outcome o = run(yaml);
    ck_assert_msg(o.rc == 0, "%s", o.error);
    const double measured = (double)o.peak - 4.0 * 3 * p->side * p->side * p->n,
                 want = (double)planned(yaml, p);
    printf("%s, %dx%d, batch %d: planned %.0f, measured %.0f bytes (%+.1f %%)\n", p->backend, p->side, p->side, p->batch,
           want, measured, 100 * (want / measured - 1));
    ck_assert(fabs(want - measured) <= 0.1 * measured);
}
END_TEST

/* ---- limits -------------------------------------------------------------------------------------------- */

static const plan limited[] = {
    {"ref", SMALL PLAIN, MOMENTUM, 8, 16, 40},
    {"ref", SMALL GATES(TWO), MOMENTUM, 8, 16, 40},
    {"dnnl", SMALL PLAIN, MOMENTUM, 16, 32, 80},
    {"dnnl", SMALL GATES(SIX), MOMENTUM, 16, 32, 80},
    {"dnnl", SMALL "construct: {s: {type: MobileNetV2SearchConstructor, args: {mixed_op: {type: BinaryGateMixedOp,"
                   " args: {n_samples: 2}}, " SIX "}}, d: {type: DropPathConstructor, args: {drop_prob: 0.3}}}\n"
                   "optim: BinaryGateOptim\nestim: {search: {type: SuperNetEstim, epochs: 2}}\n",
     MOMENTUM, 16, 32, 80},
    {"dnnl", SMALL "mixed_op: {type: SoftmaxSumMixedOp, " TWO "}\n" PLAIN, ADAM, 16, 32, 80},
};

static outcome run_limited(const plan *p, const char *name, size_t mib) {
    char yaml[4096], more[128];
    snprintf(more, sizeof more, "name: %s\nmemory: %zuMiB\n", name, mib);
    write_config(p, mib ? more : "name: free\n", yaml);
    return run(yaml);
}

START_TEST(a_limit_is_kept_or_refused) {
    const plan *p = &limited[_i];
    const outcome without = run_limited(p, "free", 0);
    ck_assert_msg(without.rc == 0, "%s", without.error);
    const outcome refused = run_limited(p, "refused", 1);
    ck_assert_msg(refused.rc == MODNAS_ECONFIG, "%d: %s", refused.rc, refused.error);
    ck_assert_msg(strncmp(refused.error, "t.yaml:", 7) == 0, "%s", refused.error);
    ck_assert(!util_rig_exists("exp/refused/outputs/history.tsv"));
    const char *smallest = strstr(refused.error, "would do is ");
    ck_assert_msg(smallest != NULL, "%s", refused.error);
    const size_t least = strtoul(smallest + strlen("would do is "), NULL, 10), most = without.peak >> 20;
    ck_assert_msg(least * 4 < most * 3, "%zu of %zu MiB", least, most);
    const outcome tight = run_limited(p, "tight", least), between = run_limited(p, "between", (least + most) / 2);
    ck_assert_msg(tight.rc == 0 && between.rc == 0, "%s%s", tight.error, between.error);
    printf("%s, batch %d: %.1f MiB, under limits of %zu and %zu MiB %.1f and %.1f\n", p->backend, p->batch,
           (double)without.peak / 1048576, least, (least + most) / 2, (double)tight.peak / 1048576,
           (double)between.peak / 1048576);
    ck_assert_uint_le(tight.peak, least << 20);
    ck_assert_uint_le(between.peak, (least + most) / 2 << 20);
    ck_assert(rig_same_run("free", "tight"));
    ck_assert(rig_same_run("free", "between"));
    const outcome below = run_limited(p, "below", least - 1);
    ck_assert_msg(below.rc == MODNAS_ECONFIG, "%d: %s", below.rc, below.error);
}
END_TEST

int main(void) {
    Suite *s = suite_create("memory");
    util_add_loop(s, "planned", rig_setup, rig_teardown, planned_is_measured, MN_COUNT(plans));
    util_add_loop(s, "limits", rig_setup, rig_teardown, a_limit_is_kept_or_refused, MN_COUNT(limited));
    return util_run(s);
}
