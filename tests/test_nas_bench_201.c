/* NASBench201: costs as the benchmark publishes them, architectures of its table as digits, cells that are alike, and
 * the collapse alarm in a space where most candidates have no parameters. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "search/collapse.h"
#include "util_model.h"
#include "util_shared.h"

#define OK(e)  ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))
#define OPS    "candidates: [none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3]"
#define SMALL  "backend: ref\nmodel: {type: NASBench201, args: {input: [2, 8, 8], chn: 3, n_cells: 2, n_classes: 4}}\n"
#define TINY   "backend: ref\nmodel: {type: NASBench201, args: {input: [2, 4, 4], chn: 2, n_cells: 1, n_classes: 3}}\n"
#define TIED   SMALL "construct: {edges: {type: DARTSSearchConstructor, args: {mixed_op: %s, " OPS "}}}\n"

/* ---- costs --------------------------------------------------------------------------------------------- */

static mn_model *net(const char *arch, int classes) {
    char config[256];
    snprintf(config, sizeof config, "backend: ref\nmodel: {type: NASBench201, args: {n_classes: %d}}\narch_desc: '%s'\n",
             classes, arch);
    return model_of(config, MODNAS_F32);
}

/* The benchmark publishes parameters and FLOPs in millions; its FLOPs count the classifier's bias, too. The smallest
 * and the largest of its CIFAR-10 and CIFAR-100 networks. */
START_TEST(published_costs) {
    static const struct {
        const char *arch;
        int classes;
        double params, flops;
    } rows[] = {{"000000", 10, 0.073306, 7.78305},
                {"333333", 10, 1.531546, 220.11969},
                {"111111", 100, 0.079156, 7.7889},
                {"333333", 100, 1.537396, 220.12554}};
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        int64_t macs;
        mn_model *m = net(rows[i].arch, rows[i].classes);
        OK(mn_model_macs(m, NULL, &macs));
        ck_assert_double_eq_tol((double)mn_model_n_params(m) / 1e6, rows[i].params, 1e-9);
        ck_assert_double_eq_tol((double)(macs + rows[i].classes) / 1e6, rows[i].flops, 1e-9);
        ck_assert_uint_eq(m->slots.n, 3 * 5 * 6);
        mn_model_free(m);
    }
}
END_TEST

/* What an edge adds: k k C C + 2 C in each of 5 cells of 16, 32 and 64 channels at 32, 16 and 8 pixels. */
static void check_edges(const char *arch) {
    int64_t params = 73306, macs = 7783040, got;
    for (const char *c = arch; *c; c++) {
        const int64_t k = *c == '2' ? 1 : *c == '3' ? 9 : 0;
        for (int64_t chn = 16, size = 32; k && chn <= 64; chn *= 2, size /= 2) {
            params += 5 * (k * chn * chn + 2 * chn);
            macs += 5 * k * chn * chn * size * size;
        }
    }
    mn_model *m = net(arch, 10);
    OK(mn_model_macs(m, NULL, &got));
    ck_assert_msg(mn_model_n_params(m) == params && got == macs, "%s: %lld / %lld, wanted %lld / %lld", arch,
                  (long long)mn_model_n_params(m), (long long)got, (long long)params, (long long)macs);
    mn_model_free(m);
}

/* Every 800th architecture of the table. */
START_TEST(architectures_of_the_table) {
    char path[1024], line[256], arch[16];
    int n = 0;
    FILE *f = fopen(util_shared_path("nas_bench_201/nb201_cifar10.tsv", path, sizeof path), "r");
    if (!f) {
        printf("skipped: %s is not there\n", path);
        return;
    }
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "%*d %15s", arch) == 1 && n++ % 800 == 0) check_edges(arch);
    fclose(f);
    ck_assert_int_eq(n, 15625);
}
END_TEST

/* ---- the step ------------------------------------------------------------------------------------------ */

/* Each operator on each edge; the first two have all of them. */
static const char *const archs[] = {"412333", "303421", "234123", "121234", "044412"};

static mn_model *made(const char *base, const char *backend, int32_t dtype, const char *arch) {
    char config[512];
    snprintf(config, sizeof config, "%sseed: 4\n---\nbackend: %s\narch_desc: '%s'\n", base, backend, arch);
    mn_node *docs;
    mn_model *m;
    OK(mn_yaml_read(model_ctx, config, strlen(config), "test.yaml", &docs));
    OK(mn_node_merge(model_ctx, docs->items[0], docs->items[1]));
    OK(mn_construct_model(model_ctx, docs->items[0], dtype, 1, &m));
    mn_node_free(model_ctx, docs);
    return m;
}

START_TEST(gradients) {
    model_check_gradients(made(TINY, "ref", MODNAS_F64, archs[_i]), 10);
}
END_TEST

START_TEST(same_step_on_dnnl) {
    if (!model_has_dnnl("same_step_on_dnnl")) return;
    model_same_step(made(SMALL, "ref", MODNAS_F32, archs[_i]), made(SMALL, "dnnl", MODNAS_F32, archs[_i]), 4, archs[_i]);
}
END_TEST

/* ---- architectures ------------------------------------------------------------------------------------- */

static mn_model *tied(const char *mixed_op) {
    char config[512];
    snprintf(config, sizeof config, TIED, mixed_op);
    return model_of(config, MODNAS_F32);
}

/* 36 Slots with 6 parameters: 5^6 = 15,625 networks. One of them comes back as it went in. */
START_TEST(cells_are_alike) {
    static const char *const mixed[] = {"IndexMixedOp", "SoftmaxSumMixedOp"};
    for (size_t i = 0; i < MN_COUNT(mixed); i++) {
        mn_model *m = tied(mixed[i]);
        mn_str size = {.ctx = model_ctx};
        mn_node *text = yaml("'412333'");
        mn_arch *a;
        ck_assert_int_eq(mn_model_n_mixed(m), 36);
        OK(mn_space_size(m->space, &size));
        ck_assert_str_eq(size.text, "15625");
        OK(mn_arch_of_desc(m, text, &a));
        ck_assert_int_eq(a->n, 6);
        for (int k = 0; k < 6; k++) ck_assert_int_eq(a->index[k], "412333"[k] - '0');
        OK(mn_arch_apply(a));
        model_expect_exported(m, "{}", "\"412333\"");
        mn_arch_free(a);
        mn_node_free(model_ctx, text);
        mn_str_free(&size);
        mn_model_free(m);
    }
}
END_TEST

START_TEST(refused) {
    static const char *const wrong[] = {"33333", "3333333", "333335", "33333x"};
    char config[512];
    for (size_t i = 0; i < MN_COUNT(wrong); i++) {
        snprintf(config, sizeof config, SMALL "arch_desc: '%s'\n", wrong[i]);
        expect_refused(config, MODNAS_ECONFIG, "test.yaml:3", wrong[i], "6 digits, each 0 to 4", NULL);
    }
    expect_refused("backend: ref\nmodel: {type: NASBench201, args: {n_cells: 0}}\n", MODNAS_ECONFIG, "n_cells", NULL);
    expect_refused("backend: ref\nmodel: {type: NASBench201, args: {input: [3, 6, 8]}}\n", MODNAS_ECONFIG, "6 x 8 pixels", NULL);
    expect_refused("backend: ref\nmodel: {type: NASBench201, args: {chn: 5000}}\n", MODNAS_ECONFIG, "chn", NULL);
    expect_refused("backend: ref\nmodel: ImageNet_MobileNetV2\narch_desc: [skip_connect, IDT, IDT, IDT, IDT, IDT, IDT, IDT, "
                   "IDT, IDT, IDT, IDT, IDT, IDT, IDT, IDT, IDT]\n", MODNAS_ECONFIG, "slot 0", "skip_connect needs equal channels", NULL);
}
END_TEST

/* ---- collapse ------------------------------------------------------------------------------------------ */

static mn_collapse prefer(mn_model *m, const char *arch) {
    mn_collapse c;
    for (int32_t i = 0; i < mn_model_n_mixed(m); i++) {
        double a[5] = {0};
        a[arch[i % 6] - '0'] = 2;
        OK(mn_mixed_set_alpha(mn_model_mixed(m, i), a));
    }
    OK(mn_collapse_measure(m, &c));
    return c;
}

/* Three of five candidates have no parameters: all six so is nothing special, 0.6^6 = 0.047. All six identities have a
 * chance of 0.2^6, five or more 6 0.2^5 0.8 + 0.2^6; four or more 0.017 are no alarm yet. Tied cells count once. */
START_TEST(skips_raise_the_alarm) {
    mn_model *m = tied("SoftmaxSumMixedOp");
    const mn_collapse all = prefer(m, "111111"), five = prefer(m, "111311"), four = prefer(m, "113311"),
                      pools = prefer(m, "404040"), convs = prefer(m, "333232");
    ck_assert_int_eq(all.n_ops, 6);
    ck_assert(all.n_free == 6 && all.n_identity == 6 && all.is_alarm);
    ck_assert_double_eq_tol(all.p, pow(0.6, 6), 1e-12);
    ck_assert_double_eq_tol(all.p_identity, pow(0.2, 6), 1e-15);
    ck_assert_double_eq_tol(five.p_identity, 6 * pow(0.2, 5) * 0.8 + pow(0.2, 6), 1e-15);
    ck_assert(five.is_alarm && !four.is_alarm && !pools.is_alarm && !convs.is_alarm);
    ck_assert_int_eq(pools.n_free, 6);
    ck_assert_int_eq(pools.n_identity, 0);
    ck_assert_int_eq(convs.n_free, 0);
    ck_assert_double_eq_tol(convs.p, 1, 1e-12);
    mn_model_free(m);
}
END_TEST

int main(void) {
    Suite *s = suite_create("nas_bench_201");
    util_add(s, "costs", model_setup, model_teardown,
             (const TTest *[]){published_costs, architectures_of_the_table, NULL});
    util_add_loop(s, "gradients", model_setup, model_teardown, gradients, 2);
    util_add_loop(s, "dnnl", model_setup, model_teardown, same_step_on_dnnl, MN_COUNT(archs));
    util_add(s, "archs", model_setup, model_teardown,
             (const TTest *[]){cells_are_alike, refused, skips_raise_the_alarm, NULL});
    return util_run(s);
}
