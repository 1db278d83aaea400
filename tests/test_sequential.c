/* Sequential: networks written in a configuration. Counts against the published networks of mb_archs.txt, gradients of
 * its blocks, equal steps on two backends, Slots in it, and what is refused with file and line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util_model.h"
#include "util_paths.h"
#include "util_shared.h"

#define OK(e) ck_assert_msg((e) == 0, "%s: %s", #e, modnas_errmsg(model_ctx))
#define NET(layers) "backend: ref\nmodel:\n  type: Sequential\n  args:\n    input: [2, 6, 5]\n    layers:\n" layers

/* ---- published networks --------------------------------------------------------------------------------- */

static char archs[1024], script[1024];

/* What the script prints; 0 if it fails. */
static size_t convert(const char *name, char *out, size_t bytes) {
    char command[4096];
    snprintf(command, sizeof command, "python3 '%s' '%s' %s 2>&1", script, archs, name);
    FILE *p = popen(command, "r");
    ck_assert_ptr_nonnull(p);
    const size_t n = fread(out, 1, bytes - 1, p);
    out[n] = 0;
    return pclose(p) == 0 ? n : 0;
}

static int find_files(void) {
    util_shared_path("published/mb_archs.txt", archs, sizeof archs);
    util_path_beside(4, "/docs/examples/mb_archs.py", script, sizeof script);
    if (access(archs, R_OK) == 0 && access(script, R_OK) == 0 && system("python3 -c '' >/dev/null 2>&1") == 0) return 1;
    printf("skipped: needs python3, docs/examples and the published networks\n");
    return 0;
}

static void check_counts(const char *name, const char *model, int64_t params, int64_t macs) {
    mn_str config = {.ctx = model_ctx};
    int64_t got;
    mn_str_addf(&config, "backend: ref\n%s", model);
    mn_model *m = model_of(config.text, MODNAS_F32);
    ck_assert_msg(mn_model_n_params(m) == params, "%s: %lld params, wanted %lld", name, (long long)mn_model_n_params(m),
                  (long long)params);
    OK(mn_model_macs(m, NULL, &got));
    ck_assert_msg(got == macs, "%s: %lld multiply-adds, wanted %lld", name, (long long)got, (long long)macs);
    mn_model_free(m);
    mn_str_free(&config);
}

START_TEST(published_networks) {
    static char yaml_text[1 << 16];
    char line[512], name[128] = "";
    long long params = 0, macs;
    int n = 0;
    if (!find_files()) return;
    FILE *f = fopen(archs, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        sscanf(line, "net %127s", name);
        sscanf(line, "params %lld", &params);
        if (sscanf(line, "macs_conv_fc %lld", &macs) != 1) continue;
        ck_assert_msg(convert(name, yaml_text, sizeof yaml_text) > 0, "%s: %s", name, yaml_text);
        check_counts(name, yaml_text, params, macs);
        n++;
    }
    fclose(f);
    ck_assert_int_eq(n, 9);
    ck_assert_uint_eq(convert("no_such_net", yaml_text, sizeof yaml_text), 0);
    ck_assert_msg(strstr(yaml_text, "has no network no_such_net") != NULL, "%s", yaml_text);
}
END_TEST

/* ---- what stands in it ---------------------------------------------------------------------------------- */

static const char *const blocks[] = {
    "      stem: {type: ConvBNAct, args: {out_channels: 4, activation: Hardswish}}\n"
    "      body: {type: Residual, args: {activation: SiLU, layers: [{type: Conv2d, args: {out_channels: 4, kernel_size: 3, padding: same}},"
    " BatchNorm2d]}}\n"
    "      down: {type: Residual, args: {layers: [{type: ConvBNAct, args: {out_channels: 6, stride: 2, activation: Tanh}}],"
    " shortcut: [{type: AvgPool2d, args: {kernel_size: 2, ceil_mode: true}}, {type: Conv2d, args: {out_channels: 6, kernel_size: 1}}]}}\n"
    "      pool: GlobalAvgPool\n      flat: Flatten\n      fc: {type: Linear, args: {out_features: 3}}\n",

    "      - {type: Branch, args: {branches: {a: {type: ConvBNAct, args: {out_channels: 3}}, b: Identity,"
    " c: {type: Sequential, args: {layers: [{type: MaxPool2d, args: {kernel_size: 3, stride: 1, padding: 1}}]}}}}}\n"
    "      - {type: Branch, args: {merge: sum, branches: [{type: Conv2d, args: {out_channels: 4, kernel_size: 1}},"
    " {type: Conv2d, args: {out_channels: 4, kernel_size: 3, padding: 1, bias: false}}, {type: ConvBNAct, args: {out_channels: 4}}]}}\n"
    "      - {type: Branch, args: {merge: product, branches: [Identity, {type: Sequential, args: {layers: [GlobalAvgPool,"
    " {type: Conv2d, args: {out_channels: 4, kernel_size: 1}}, Sigmoid]}}]}}\n"
    "      - GlobalAvgPool\n      - {type: Linear, args: {out_features: 3}}\n",

    "      - {type: InvertedResidual, args: {out_channels: 4, hidden: 5, kernel_size: 5, stride: 2, activation: SiLU, squeeze_excite: 2}}\n"
    "      - {type: InvertedResidual, args: {out_channels: 4, hidden: 4, activation: SiLU, squeeze_excite: 1, gate: Sigmoid}}\n"
    "      - {type: SqueezeExcitation, args: {squeeze_channels: 2, activation: SiLU, scale_activation: Sigmoid}}\n"
    "      - {type: Sequential, args: {repeat: 3, layers: [{type: InvertedResidual, args: {out_channels: 4, hidden: 6, activation: Tanh}}]}}\n"
    "      - GlobalAvgPool\n      - {type: Linear, args: {out_features: 3}}\n",
};

static mn_model *net_on(const char *backend, const char *layers, int32_t dtype) {
    mn_str config = {.ctx = model_ctx};
    mn_str_addf(&config, "backend: %s\nseed: 2\nmodel:\n  type: Sequential\n  args:\n    input: [2, 6, 5]\n    layers:\n%s", backend,
                layers);
    mn_model *m = model_of(config.text, dtype);
    mn_str_free(&config);
    return m;
}

START_TEST(gradients) {
    model_check_gradients(net_on("ref", blocks[_i], MODNAS_F64), 8); /* more of them: less curved */
}
END_TEST

START_TEST(same_step_on_dnnl) {
    if (!model_has_dnnl("same_step_on_dnnl")) return;
    model_same_step(net_on("ref", blocks[_i], MODNAS_F32), net_on("dnnl", blocks[_i], MODNAS_F32), 4, "blocks");
}
END_TEST

/* 4 * 9 * 2 + 8 of the stem; 4 * 4 * 9 + 4 + 8; 6 * 4 * 9 + 12 and 6 * 4 + 6; 6 * 3 + 3. Classes are found. */
START_TEST(channels_run_through) {
    mn_model *m = net_on("ref", blocks[0], MODNAS_F32);
    ck_assert_int_eq(mn_model_n_params(m), 80 + 156 + 228 + 30 + 21);
    ck_assert_int_eq(m->n_classes, 3);
    model_param(m, "stem.0.weight");
    model_param(m, "body.layers.0.bias");
    model_param(m, "down.shortcut.1.weight");
    mn_model_free(m);
    m = net_on("ref", blocks[1], MODNAS_F32); /* a, b, c: 3 + 2 + 2 channels go into the second */
    ck_assert_int_eq(mn_param_numel(model_param(m, "1.0.weight")), 4 * 7);
    mn_model_free(m);
    m = net_on("ref", blocks[2], MODNAS_F32); /* the second has no expansion: its hidden is what comes in */
    ck_assert_int_eq(mn_param_numel(model_param(m, "1.layers.0.weight")), 4 * 9);
    ck_assert_int_eq(mn_param_numel(model_param(m, "1.layers.3.net.1.weight")), 4);
    ck_assert_int_eq(mn_param_numel(model_param(m, "3.2.0.layers.0.weight")), 6 * 4);
    mn_model_free(m);
}
END_TEST

#define SLOTS                                                                                                          \
    NET("      - {type: ConvBNAct, args: {out_channels: 8}}\n"                                                        \
        "      - {type: Residual, args: {layers: [{type: Slot, args: {op: MB3E1}}]}}\n"                               \
        "      - {type: Slot, args: {chn_out: 12, stride: 2, op: MB3E3}}\n"                                           \
        "      - GlobalAvgPool\n      - {type: Linear, args: {out_features: 3}}\n")

/* A search space without code: Slots take channels from the layers before, hold their own operators or mixed ops, and
 * an architecture goes in. */
START_TEST(slots) {
    mn_model *m = model_of(SLOTS, MODNAS_F32);
    ck_assert_uint_eq(m->slots.n, 2);
    const mn_slot *s = mn_model_slot(m, 1);
    ck_assert(s->chn_in == 8 && s->chn_out == 12 && s->stride == 2);
    /* stem 144 + 16; MB3E1 72 + 16 + 64 + 16; MB3E3: 192 + 48, 216 + 48, 288 + 24; 36 + 3 */
    ck_assert_int_eq(mn_model_n_params(m), 160 + 168 + 816 + 39);
    mn_model_free(m);
    m = model_of(SLOTS "mixed_op: {type: SoftmaxSumMixedOp, candidates: [MB3E1, NC3]}\n", MODNAS_F32);
    ck_assert_int_eq(mn_model_n_mixed(m), 2);
    mn_model_free(m);
    m = model_of(SLOTS "arch_desc: [IDT, NC3]\n", MODNAS_F32);
    ck_assert_int_eq(mn_model_n_params(m), 160 + 864 + 16 + 39); /* NC3: its batch norm stands in front */
    mn_model_free(m);
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------------------ */

#define TAIL "      - GlobalAvgPool\n      - {type: Linear, args: {out_features: 3}}\n"

START_TEST(refused_with_file_and_line) {
    static const struct {
        const char *config, *text;
        int status;
    } rows[] = {
        {NET("      - Relu7\n"), "test.yaml:7: no layer named 'Relu7'; did you mean 'ReLU'", MODNAS_ENOTFOUND},
        {NET("      - ReLU\n      - {type: Conv2d, args: {out_chanels: 3, kernel_size: 1}}\n"), "test.yaml:8:", MODNAS_ECONFIG},
        {NET("      - {type: Conv2d, args: {in_channels: 3, out_channels: 3, kernel_size: 1}}\n"),
         "test.yaml:7: Conv2d.in_channels: 3, but 2 channels come in", MODNAS_ECONFIG},
        {NET("      - ReLU\n      - {type: Linear, args: {in_features: 8, out_features: 3}}\n"),
         "test.yaml:8: Linear.in_features: 8, but 2", MODNAS_ECONFIG},
        {NET("      - Flatten\n      - {type: Linear, args: {out_features: 3}}\n"),
         "test.yaml:8: Linear.in_features: it has to be given", MODNAS_ECONFIG},
        {NET("      - {type: Residual, args: {layers: [{type: ConvBNAct, args: {out_channels: 3}}]}}\n" TAIL),
         "test.yaml:7: Residual.layers: the layers give 3 channels, the shortcut 2: it needs layers of its own", MODNAS_ECONFIG},
        {NET("      - Identity\n      - {type: Residual, args: {layers: [{type: ConvBNAct, args: {out_channels: 2, stride: 2}}]}}\n" TAIL),
         "test.yaml:8: module '1': the layers give 2x2x3x3, the shortcut 2x2x6x5", MODNAS_ESHAPE},
        {NET("      - {type: Branch, args: {branches: []}}\n" TAIL), "test.yaml:7: Branch.branches: there are none", MODNAS_ECONFIG},
        {NET("      - {type: Branch, args: {merge: mean, branches: [ReLU]}}\n" TAIL), "merge", MODNAS_ECONFIG},
        {NET("      - {type: Branch, args: {branches: [Identity, GlobalAvgPool]}}\n" TAIL), "test.yaml:7: module '0'", MODNAS_ESHAPE},
        {NET("      - {type: Sequential, args: {repeat: 0, layers: [ReLU]}}\n" TAIL), "test.yaml:7: Sequential.repeat", MODNAS_ECONFIG},
        {NET("      - {type: Sequential, args: {repeat: 300, layers: [{type: Sequential, args: {repeat: 300, layers: [ReLU]}}]}}\n" TAIL),
         "more than 65536 layers", MODNAS_ECONFIG},
        {NET("      - {type: InvertedResidual, args: {out_channels: 2, hidden: 3, expand: false}}\n" TAIL),
         "test.yaml:7: InvertedResidual.hidden: 3, but without expand it is the 2 channels", MODNAS_ECONFIG},
        {NET("      - {type: InvertedResidual, args: {out_channels: 2, hidden: 3, kernel_size: 4}}\n" TAIL), "kernel_size: 4 is even", MODNAS_ECONFIG},
        {NET("      - {type: SqueezeExcitation, args: {squeeze_channels: 0}}\n" TAIL), "SqueezeExcitation.squeeze_channels: 0 is not between 1", MODNAS_ECONFIG},
        {NET("      - {type: MaxPool2d, args: {kernel_size: 9}}\n" TAIL), "test.yaml:7: module '0'", MODNAS_ESHAPE},
        {NET("      a.b: ReLU\n"), "test.yaml:7: 'a.b' is no name of a module", MODNAS_ECONFIG},
        {NET("      - Slot\n" TAIL), "slot 0 (2 -> 2 channels, stride 1) of Sequential is empty", MODNAS_ECONFIG},
        {NET("      - GlobalAvgPool\n      - {type: Linear, args: {out_features: 3}}\n    n_classes: 4\n"), "2x3x1x1", MODNAS_ESHAPE},
        {NET("      - ReLU\n"), "model Sequential gives 2x2x6x5", MODNAS_ESHAPE},
        {"backend: ref\nmodel: Sequential\n", "layers", MODNAS_ECONFIG},
    };
    for (size_t i = 0; i < MN_COUNT(rows); i++) expect_refused(rows[i].config, rows[i].status, rows[i].text, NULL);
}
END_TEST

int main(void) {
    Suite *s = suite_create("sequential");
    util_add(s, "networks", model_setup, model_teardown,
             (const TTest *[]){published_networks, channels_run_through, slots, refused_with_file_and_line, NULL});
    util_add_loop(s, "gradients", model_setup, model_teardown, gradients, MN_COUNT(blocks));
    util_add_loop(s, "dnnl", model_setup, model_teardown, same_step_on_dnnl, MN_COUNT(blocks));
    return util_run(s);
}
