/* modnas_export and modnas_model_derive: the network of a run that was made, by its checkpoints of both kinds, with
 * statistics taken anew; the file, its metadata and its sum; and what is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/onnx.h"
#include "module/safetensors.h"
#include "modnas/export.h"
#include "util_cli.h"
#include "util_search.h"

#define SEARCH UTIL_SEARCH_GATES "estim: {warm: {type: DefaultEstim, epochs: 1}, search: {type: SuperNetEstim, epochs: 1}}\n"
#define BEST   "exp/t/chkpt/model_search_best.safetensors"
#define LAST   "exp/t/chkpt/model_search_last.safetensors"
#define NET    "net.safetensors"

_Static_assert(offsetof(modnas_export_opts, calibrate) == 8 && offsetof(modnas_export_opts, n_batches) == 16 &&
                   offsetof(modnas_export_opts, onnx) == 24 && sizeof(modnas_export_opts) == 32,
               "modnas_export_opts");

enum { IMAGES = 6, PIXELS = 3 * 8 * 8, CLASSES = 4 };

static modnas_config *config(const char *yaml, const char *const *overrides) {
    modnas_config *cfg;
    SEARCH_OK(modnas_config_new(rig.ctx, &cfg));
    SEARCH_OK(modnas_config_add_text(cfg, yaml, strlen(yaml), "t.yaml"));
    SEARCH_OK(modnas_config_override(cfg, "model.args.input=[3, 8, 8]"));
    for (; overrides && *overrides; overrides++) SEARCH_OK(modnas_config_override(cfg, *overrides));
    return cfg;
}

static int export(const char *yaml, const char *const *overrides, const char *calibrate, const char *path, char **report) {
    modnas_config *cfg = config(yaml, overrides);
    const modnas_export_opts opts = {.size = sizeof opts, .calibrate = calibrate, .n_batches = 2};
    const int rc = modnas_export(cfg, &opts, path, report);
    modnas_config_free(cfg);
    return rc;
}

static modnas_model *derive(const char *yaml, const char *const *overrides, const char *calibrate) {
    modnas_config *cfg = config(yaml, overrides);
    const modnas_export_opts opts = {.size = sizeof opts, .calibrate = calibrate, .n_batches = 2};
    modnas_model *m = NULL;
    SEARCH_OK(modnas_model_derive(cfg, &opts, &m));
    modnas_config_free(cfg);
    return m;
}

static void logits_of(modnas_model *m, float out[IMAGES * CLASSES]) {
    float x[IMAGES * PIXELS];
    for (int i = 0; i < IMAGES * PIXELS; i++) x[i] = (float)((i * 37) % 101) / 50 - 1;
    SEARCH_OK(modnas_model_forward(m, x, IMAGES, out));
}

static void run(void) {
    RIG_RUNS(SEARCH, NULL);
}

/* ---- the network ----------------------------------------------------------------------------------------- */

/* The network of the best weights is the one that the run evaluated: the supernet itself, loaded with them, gives the
 * same logits when its mixed ops stand for their most probable candidates. */
START_TEST(found_by_the_run) {
    float want[IMAGES * CLASSES], have[IMAGES * CLASSES];
    run();
    modnas_config *cfg = config(SEARCH, RIG_OVER("chkpt=" BEST));
    modnas_model *supernet, *net = derive(SEARCH, RIG_OVER("chkpt=" BEST), "none");
    SEARCH_OK(modnas_model_new(cfg, &supernet));
    logits_of(supernet, want);
    logits_of(net, have);
    ck_assert_int_eq(memcmp(want, have, sizeof want), 0);
    ck_assert_int_lt((int)modnas_model_n_params(net), (int)modnas_model_n_params(supernet));
    ck_assert_uint_eq(modnas_model_n_slots(net), 4);
    modnas_model_free(supernet);
    modnas_model_free(net);
    modnas_config_free(cfg);
}
END_TEST

/* A resumable checkpoint has the weights of model_search_last. */
START_TEST(of_a_resumable_checkpoint) {
    float want[IMAGES * CLASSES], have[IMAGES * CLASSES];
    char state[256], over[300];
    run();
    FILE *f = popen("ls exp/t/chkpt/state_*.chkpt | tail -n 1", "r");
    ck_assert(f && fgets(state, sizeof state, f));
    pclose(f);
    state[strcspn(state, "\n")] = 0;
    snprintf(over, sizeof over, "chkpt=%s", state);
    modnas_model *a = derive(SEARCH, RIG_OVER("chkpt=" LAST), "none"), *b = derive(SEARCH, RIG_OVER(over), "none");
    logits_of(a, want);
    logits_of(b, have);
    ck_assert_int_eq(memcmp(want, have, sizeof want), 0);
    modnas_model_free(a);
    modnas_model_free(b);
}
END_TEST

/* Statistics as SubNetEstim takes them: with its two batches, the loss that it measures of the same architecture. */
START_TEST(statistics) {
    static const char *const modes[] = {"pooled", "average", "ema"};
    float none[IMAGES * CLASSES], have[IMAGES * CLASSES];
    char yaml[2048];
    const char *mode = modes[_i];
    snprintf(yaml, sizeof yaml,
             UTIL_SEARCH_INDEX "estim: {search: {type: SubNetEstim, epochs: 3, baseline: false, args: {num_bn_batch: 2, bn_mode: %s}}}\n", mode);
    RIG_RUNS(yaml, NULL);
    mn_node *t = util_rig_parse(&rig, rig.results);
    const double best = rig_at(t, "estim.search.best.metrics.loss")->r;
    const char *sha256 = rig_at(t, "estim.search.calibration_sha256")->text;
    modnas_model *m = derive(yaml, RIG_OVER("chkpt=" LAST), mode);
    logits_of(m, have);
    SEARCH_OK(modnas_model_save(m, NET));
    modnas_model_free(m);
    m = derive(yaml, RIG_OVER("chkpt=" LAST), "none");
    logits_of(m, none);
    modnas_model_free(m);
    ck_assert_int_ne(memcmp(none, have, sizeof have), 0);

    char *report = NULL;
    SEARCH_OK(export(yaml, RIG_OVER("chkpt=" LAST), mode, "other.safetensors", &report));
    ck_assert_ptr_nonnull(strstr(report, sha256));
    modnas_string_free(rig.ctx, report);

    snprintf(yaml, sizeof yaml,
             "backend: ref\nname: again\n" UTIL_SMALL_NET "arch_desc: exp/t/outputs/arch_search_best.yaml\nchkpt: " NET
             "\nexport: null\nestim: {search: {type: DefaultEstim, epochs: 1}}\n");
    modnas_search *search = util_search(yaml, NULL);
    modnas_metric metrics[16];
    int32_t n = 0;
    SEARCH_OK(modnas_search_evaluate(search, NULL, metrics, 16, &n));
    ck_assert_double_eq_tol(util_search_metric(metrics, n, "loss"), best, 1e-9);
    modnas_search_free(search);
    mn_node_free(rig.ctx, t);
}
END_TEST

/* A configuration without mixed ops: its network as it is. */
START_TEST(a_network_already) {
    static const char yaml[] = "backend: ref\nname: plain\n" UTIL_SMALL_NET "arch_desc: [MB3E1, MB3E3, null, MB5E1]\n"
                               "export: null\nestim: {train: {type: DefaultEstim, epochs: 1}}\n";
    float want[IMAGES * CLASSES], have[IMAGES * CLASSES];
    char *report = NULL;
    RIG_RUNS(yaml, NULL);
#define TRAINED "chkpt=exp/plain/chkpt/model_train_last.safetensors"
    SEARCH_OK(export(yaml, RIG_OVER(TRAINED), NULL, NET, &report));
    ck_assert_ptr_nonnull(strstr(report, "\n  arch: [\"MB3E1\",\"MB3E3\",null,\"MB5E1\"]\n"));
    ck_assert_ptr_nonnull(strstr(report, "\n  calibration: none\n"));
    modnas_string_free(rig.ctx, report);
    modnas_model *a = derive(yaml, RIG_OVER(TRAINED), NULL), *b = derive(yaml, RIG_OVER("chkpt=" NET), "none");
    logits_of(a, want);
    logits_of(b, have);
    ck_assert_int_eq(memcmp(want, have, sizeof want), 0);
    modnas_model_free(a);
    modnas_model_free(b);
}
END_TEST

/* ---- the file -------------------------------------------------------------------------------------------- */

START_TEST(file) {
    char *report = NULL, *sum;
    mn_safetensors *f;
    run();
    SEARCH_OK(export(SEARCH, RIG_OVER("chkpt=" BEST), NULL, NET, &report));
    ck_assert_int_eq(system("sha256sum -c --status " NET ".sha256"), 0);
    sum = util_rig_read(NET ".sha256", NULL);
    ck_assert_int_eq(strncmp(report + strlen(NET ": SHA-256 "), sum, 64), 0);
    ck_assert_str_eq(sum + 64, "  " NET "\n");
    free(sum);
    SEARCH_OK(mn_safetensors_read(rig.ctx, NET, &f));
    ck_assert_str_eq(mn_safetensors_metadata(f, "format"), "modnas");
    ck_assert_str_eq(mn_safetensors_metadata(f, "model"), "MobileNetV2");
    ck_assert_str_eq(mn_safetensors_metadata(f, "input"), "[3,8,8]");
    ck_assert_str_eq(mn_safetensors_metadata(f, "calibration"), "pooled");
    ck_assert_str_eq(mn_safetensors_metadata(f, "arch_file"), "exp/t/outputs/arch_search_best.yaml");
    ck_assert_ptr_null(mn_safetensors_metadata(f, "preprocessing")); /* data made up */
    mn_node *arch = util_rig_parse(&rig, mn_safetensors_metadata(f, "arch"));
    char *text = util_rig_read("exp/t/outputs/arch_search_best.yaml", NULL);
    mn_node *found = util_rig_parse(&rig, text);
    ck_assert(mn_node_equal(arch, found));
    mn_node_free(rig.ctx, arch);
    mn_node_free(rig.ctx, found);
    free(text);
    for (size_t i = 0; i < mn_safetensors_count(f); i++) { /* no candidate's name is left, no logits */
        const char *name = mn_safetensors_at(f, i)->name;
        ck_assert_msg(!strstr(name, "MB") && strncmp(name, "arch.", 5) != 0, "%s", name);
    }
    mn_safetensors_free(f);
    modnas_string_free(rig.ctx, report);
}
END_TEST

/* The same network as ONNX: its own check took it, its sum is right, it has what is told of it. */
START_TEST(onnx) {
    char *report = NULL;
    size_t n;
    run();
    SEARCH_OK(export(SEARCH, RIG_OVER("chkpt=" BEST), NULL, "net.onnx", &report));
    ck_assert_int_eq(system("sha256sum -c --status net.onnx.sha256"), 0);
    char *bytes = util_rig_read("net.onnx", &n);
    SEARCH_OK(mn_onnx_check(rig.ctx, bytes, n, "net.onnx"));
    ck_assert_ptr_nonnull(memmem(bytes, n, "arch_search_best.yaml", 21));
    ck_assert_ptr_nonnull(memmem(bytes, n, "conv_first.0.weight", 19));
    free(bytes);
    modnas_string_free(rig.ctx, report);
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------------------- */

START_TEST(refused) {
    static const struct {
        const char *yaml, *over[4], *calibrate, *path;
        int status;
        const char *text;
    } rows[] = {
        {SEARCH, {"chkpt=" BEST}, NULL, "net.onyx", MODNAS_EINVAL, "ends in one of: .safetensors, .onnx"},
        {SEARCH, {"chkpt=" BEST}, NULL, ".safetensors", MODNAS_EINVAL, "ends in one of: .safetensors, .onnx"},
        {SEARCH, {"chkpt=" BEST}, "mean", NET, MODNAS_EINVAL, "'mean': pooled, average, ema or none"},
        {SEARCH, {NULL}, NULL, NET, MODNAS_ECONFIG, "'chkpt' names no file"},
        {SEARCH, {"chkpt=none.safetensors"}, NULL, NET, MODNAS_ECONFIG, "left no ../outputs/arch_ESTIM_best.yaml"},
        {SEARCH, {"chkpt=none.safetensors", "arch_desc=[MB3E1, MB3E1, MB3E1, MB3E1]"}, NULL, NET, MODNAS_ENOTFOUND,
         "none.safetensors"},
        {SEARCH, {"chkpt=exp/t/chkpt/model_first_best.safetensors"}, NULL, NET, MODNAS_ECONFIG,
         "left no exp/t/outputs/arch_first_best.yaml"},
        {SEARCH, {"chkpt=" BEST, "arch_desc=none.yaml"}, NULL, NET, MODNAS_ENOTFOUND, "there is no file none.yaml"},
        {SEARCH, {"chkpt=" BEST, "arch_desc=[MB3E1, MB3E1]"}, NULL, NET, MODNAS_ECONFIG, "an architecture of 2 items"},
        {SEARCH, {"chkpt=" BEST, "mixed_op.candidates=[MB3E1, MB3E3, MB5E3]", "arch_desc=[MB3E1, MB3E1, MB3E1, MB3E1]"},
         NULL, NET, MODNAS_ESHAPE, "arch.t_0 is 4"},
        {SEARCH, {"chkpt=" BEST, "train_data=null"}, NULL, NET, MODNAS_ECONFIG, "there is no train_data"},
        {SEARCH, {"chkpt=" BEST, "backend=none"}, NULL, NET, MODNAS_ECONFIG, "'backend: none'"},
        {SEARCH, {"chkpt=" BEST}, NULL, "no/folder/" NET, MODNAS_EIO, "no/folder"},
    };
    run();
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        char *report = NULL;
        const int rc = export(rows[i].yaml, rows[i].over, rows[i].calibrate, rows[i].path, &report);
        ck_assert_msg(rc == rows[i].status, "%zu: status %d: %s", i, rc, modnas_errmsg(rig.ctx));
        util_search_says(rows[i].text);
        ck_assert_ptr_null(report);
        ck_assert(!util_rig_exists(NET));
    }
}
END_TEST

/* Every so-manieth allocation fails: a status, nothing left over. */
START_TEST(out_of_memory) {
    int rc = MODNAS_ENOMEM, tries = 0;
    run();
    modnas_config *cfg = config(SEARCH, RIG_OVER("chkpt=" BEST));
    const int64_t live = rig.host.live;
    for (int left = 0; rc; left += 31, tries++) {
        char *report = NULL;
        rig.host.left = left;
        rc = modnas_export(cfg, NULL, NET, &report);
        rig.host.left = -1;
        ck_assert_msg(rc == 0 || rc == MODNAS_ENOMEM, "%d: %s", rc, modnas_errmsg(rig.ctx));
        ck_assert(!rc == (report != NULL));
        modnas_string_free(rig.ctx, report);
        if (tries) ck_assert_int_le(rig.host.live, live + 1000); /* the checked tree is kept */
    }
    ck_assert_int_gt(tries, 20);
    modnas_config_free(cfg);
}
END_TEST

/* ---- the program ----------------------------------------------------------------------------------------- */

START_TEST(program) {
    util_cli cli;
    util_cli_new(&cli);
    util_cli_text(&cli, "s.yaml", SEARCH);
#define EXPORT "export -c s.yaml -p exp/t/chkpt/model_search_best.safetensors"
    ck_assert_msg(util_cli_run(&cli, "run -c s.yaml --quiet") == 0, "%s", cli.err);
    ck_assert_msg(util_cli_run(&cli, EXPORT " --calibrate average --batches 1 --out net.safetensors") == 0, "%s", cli.err);
    ck_assert_ptr_nonnull(strstr(cli.out, "net.safetensors: SHA-256 "));
    ck_assert_ptr_nonnull(strstr(cli.out, "\n  calibration: average\n"));
    ck_assert(util_cli_exists(&cli, "net.safetensors.sha256"));
    ck_assert_int_eq(util_cli_run(&cli, "inspect net.safetensors"), 0);
    ck_assert_ptr_nonnull(strstr(cli.out, "  calibration: average\n"));
    ck_assert_msg(util_cli_run(&cli, EXPORT " -g [MB3E1,MB3E1,MB3E3,MB5E1] --quiet --out net.safetensors") == 0, "%s", cli.err);
    ck_assert_str_eq(cli.out, "");
    ck_assert_int_eq(util_cli_run(&cli, EXPORT), 2);
    ck_assert_ptr_nonnull(strstr(cli.err, "--out FILE is missing"));
    ck_assert_int_eq(util_cli_run(&cli, EXPORT " --out net.txt"), 2);
    ck_assert_ptr_nonnull(strstr(cli.err, "ends in one of: .safetensors, .onnx"));
    ck_assert_int_eq(util_cli_run(&cli, EXPORT " --batches 0 --out net.safetensors"), 2);
    ck_assert_msg(util_cli_run(&cli, EXPORT " --opset 13 --batch 2 --keep-batch-norm --bytes --channels-last --quiet --out net.onnx") == 0, "%s", cli.err);
    char *bytes = util_cli_read(&cli, "net.onnx"); /* its operators stand before its weights */
    ck_assert_ptr_nonnull(memmem(bytes, 400, "Cast", 4));
    ck_assert_ptr_nonnull(memmem(bytes, 400, "Transpose", 9));
    free(bytes);
    ck_assert_int_eq(util_cli_run(&cli, EXPORT " --opset 12 --out bad.onnx"), 2);
    ck_assert_ptr_nonnull(strstr(cli.err, "opset 12; 13 to 21 are possible"));
    ck_assert(!util_cli_exists(&cli, "bad.onnx"));
    ck_assert_int_eq(util_cli_run(&cli, EXPORT " --out no/net.safetensors"), 1);
    util_cli_free(&cli);
}
END_TEST

int main(void) {
    Suite *s = suite_create("export_net");
    util_add(s, "networks", rig_setup, rig_teardown,
             (const TTest *[]){found_by_the_run, of_a_resumable_checkpoint, a_network_already, file, onnx, refused, out_of_memory, NULL});
    util_add_loop(s, "statistics", rig_setup, rig_teardown, statistics, 3);
    util_add(s, "program", NULL, NULL, (const TTest *[]){program, NULL});
    return util_run(s);
}
