/* `modnas run` from outside: exit statuses (those of the README), messages with file and line, nothing written on bad
 * input. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util_cli_run.h"
#include "util_host.h"

/* ---- a run ------------------------------------------------------------------------------------------- */

START_TEST(writes_its_folder) {
    static const char *const files[] = {"exp/a/outputs/arch_search_best.yaml",
                                        "exp/a/outputs/config.yaml",
                                        "exp/a/outputs/history.tsv",
                                        "exp/a/outputs/results.json",
                                        "exp/a/chkpt/model_warmup_best.safetensors",
                                        "exp/a/chkpt/model_search_best.safetensors"};
    cli_expect("run -c c.yaml -n a", 0, "Running estim: search");
    for (size_t i = 0; i < MN_COUNT(files); i++) cli_expect_file(files[i]);
    ck_assert_ptr_nonnull(strstr(cli.out, "search found"));
    ck_assert_ptr_nonnull(strstr(cli.out, files[0]));
    ck_assert_ptr_nonnull(strstr(cli.out, files[5]));
    cli_expect("run -c c.yaml -n b --quiet", 0, NULL);
    ck_assert_str_eq(cli.out, "");
    ck_assert_str_eq(cli.err, "");
}
END_TEST

/* What was found is trained from its file; the test set's row is in the table. */
START_TEST(trains_what_was_found) {
    cli_expect("run -c c.yaml -n a", 0, NULL);
    util_cli_text(
        &cli, "train.yaml",
        "test_data: {type: RandData, args: {shape: [1, 8, 8], classes: 4, data_size: 32, seed: 8}}\n"
        "override: [mixed_op=null, 'estim={train: {type: DefaultEstim, epochs: 1}}', optim=null, export=null]\n");
    cli_expect("run -c c.yaml train.yaml -n b -g exp/a/outputs/arch_search_best.yaml", 0, NULL);
    ck_assert_ptr_nonnull(strstr(cli.out, "test images"));
    ck_assert_ptr_nonnull(strstr(cli.out, "exp/b/chkpt/model_train_best.safetensors"));
}
END_TEST

START_TEST(flags) {
    cli_expect("run -c c.yaml --name 42 --seed 0 -o estim.search.epochs=1 -oestim.warmup.epochs=2 --override=threads=1",
               0, NULL);
    char *results = util_cli_read(&cli, "exp/42/outputs/results.json");
    ck_assert_ptr_nonnull(strstr(results, "\"seed\":0,"));
    ck_assert_ptr_nonnull(strstr(results, "\"threads\":1,"));
    ck_assert_ptr_nonnull(strstr(results, "\"search\":{\"evaluations\":1,"));
    free(results);
    cli_expect("config -c c.yaml -b dnnl -r nothing", 2, "no section 'nothing'");
    cli_expect("config -c c.yaml -b dnnl", 0, NULL);
    ck_assert_ptr_nonnull(strstr(cli.out, "\"backend\":\"dnnl\""));
    cli_expect("config -c c.yaml --seed x", 2, "seed");
    cli_expect("config -c c.yaml -o estim.search.epochs", 2, "=");
}
END_TEST

static void stdin_is_config(void) {
    (void)!dup2(open("c.yaml", O_RDONLY), 0);
}

START_TEST(configuration_from_standard_input) {
    util_cli_wait(&cli, util_cli_start(&cli, "config -c -", stdin_is_config));
    ck_assert_int_eq(cli.status, 0);
    ck_assert_ptr_nonnull(strstr(cli.out, "\"seed\":3"));
    cli_config(8, "estim: {search: {type: SuperNetEstim, epoch: 2}}");
    util_cli_wait(&cli, util_cli_start(&cli, "config -c -", stdin_is_config));
    ck_assert_int_eq(cli.status, 2);
    ck_assert_ptr_nonnull(strstr(cli.err, "modnas: -:8: "));
}
END_TEST

/* 4,684,776 parameters and 472,620,800 multiply-adds: sum over the layers of MobileNetV2's GPU table at 3x224x224 with
 * 1000 classes (the published original counts the same). */
START_TEST(describe) {
    util_cli_text(
        &cli, "d.yaml",
        "model: ImageNet_MobileNetV2_GPU\nconstruct: {ops: MobileNetV2PredefinedConstructor}\nbackend: ref\n");
    cli_expect("describe -c d.yaml", 0, NULL);
    ck_assert_ptr_nonnull(strstr(cli.out, "4,684,776"));
    ck_assert_ptr_nonnull(strstr(cli.out, "472,620,800"));
    cli_expect("describe -c d.yaml --json --batch 2", 0, NULL);
    ck_assert_ptr_nonnull(strstr(cli.out, "\"params\":4684776,\"macs\":472620800,"));
    ck_assert_ptr_nonnull(strstr(cli.out, "\"batch\":2,"));
    cli_expect("describe -c d.yaml --input 3x32x32 --json", 0, NULL);
    ck_assert_ptr_nonnull(strstr(cli.out, "\"input\":[3,32,32]"));
    static const char *const wrong[] = {"3x32",    "3x32x32x1", "3x0x32", "-3x32x32", "3x32x99999999999",
                                        "ax32x32", "3 x"};
    for (size_t i = 0; i < MN_COUNT(wrong); i++) {
        char words[128];
        snprintf(words, sizeof words, "describe -c d.yaml --input %s", wrong[i]);
        cli_expect(words, 2, NULL);
    }
    cli_expect("describe -c d.yaml --batch 0", 2, "--batch 0");
    cli_expect("describe -c d.yaml --draw net.txt", 2, "--draw net.txt: its ending has to be .dot, .svg, .png or .pdf");
    cli_expect("describe -c d.yaml --draw net.svg", 0, "net.dot");
    ck_assert(util_cli_exists(&cli, "net.dot"));
    cli_expect("describe -c d.yaml --draw none/net.dot", 1, "none/net.dot");
    ck_assert(!util_cli_exists(&cli, "exp"));
}
END_TEST

/* ---- bad input: status 2, file and line, nothing written ----------------------------------------------- */

static const struct {
    int line;
    const char *instead, *message;
} bad_configs[] = {
    {8, "estim: {search: {type: SuperNetEstim, epoch: 2}}", "did you mean 'epochs'?"},
    {8, "estm: {search: {type: SuperNetEstim, epochs: 2}}", "did you mean 'estim'?"},
    {8, "estim: {search: {type: SuperNetEstm, epochs: 2}}", "did you mean 'SuperNetEstim'?"},
    {8, "estim: {search: {type: SuperNetEstim, epochs: many}}", "epochs"},
    {8, "estim: {search: {type: SuperNetEstim}}", "epochs"},
    {8, "estim: {search: }", "search"},
    {8, "estim: {}", "estim"},
    {8, "estim: {../up: {type: DefaultEstim, epochs: 1}}", "../up"},
    {6, "optim: BinaryGateOptm", "did you mean 'BinaryGateOptim'?"},
    {6, "optim: {type: BinaryGateOptim, args: {n_sample: 2}}", "did you mean 'n_samples'?"},
    {4, "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: lots}}", "trn_batch_size"},
    {4, "data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 0}}", "trn_batch_size"},
    {5, "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E3, NIL]}", "NIL"}, /* 8 -> 16 channels: no zeros fit */
    {5, "mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E2]}", "MB3E2"},
    {5, "mixed_op: {type: BinaryGateMixedOp, candidates: []}", "candidates"},
    {2, "model: {type: MobilNetV2}", "did you mean 'MobileNetV2'?"},
    {2, "model: ", "model"},
    {7, "trainer: {default: {type: ImageClsTrainer}}", "optimizer"},
    {1, "seed: [3", "c.yaml:"},
    {1, "seed: 3\x01", "c.yaml:"},
    {3, "train_data: {type: ImageClsData, args: {dataset: mnist, root: nowhere}}", "nowhere"},
    {9, "backend: cuda", "backend"},
};

START_TEST(bad_configuration) {
    char place[32];
    cli_config(bad_configs[_i].line, bad_configs[_i].instead);
    cli_expect("run -c c.yaml -n a", 2, bad_configs[_i].message);
    const char *message = strstr(cli.err, "modnas: "); /* log lines may come before it */
    ck_assert_msg(strncmp(message, "modnas: c.yaml:", 15) == 0, "%s", message);
    ck_assert_ptr_eq(strchr(message, '\n'), message + strlen(message) - 1);
    snprintf(place, sizeof place, "modnas: c.yaml:%d: ", bad_configs[_i].line);
    /* an unclosed bracket is seen further down */
    if (bad_configs[_i].line > 1)
        ck_assert_msg(strncmp(message, place, strlen(place)) == 0, "not '%s' in: %s", place, message);
    ck_assert_str_eq(cli.out, "");
    ck_assert(!util_cli_exists(&cli, "exp"));
}
END_TEST

START_TEST(name_that_leaves) {
    static const char *const names[] = {"../x", "..", ".", "a/b", "/tmp/x", "a\\b", "a\nb"};
    for (size_t i = 0; i < MN_COUNT(names); i++) {
        char words[64];
        snprintf(words, sizeof words, "run -c c.yaml -n %s", names[i]);
        cli_expect(words, 2, "name");
        ck_assert(!util_cli_exists(&cli, "exp"));
        ck_assert(!util_cli_exists(&cli, "x"));
    }
}
END_TEST

START_TEST(missing_files) {
    cli_expect("run -c nothing.yaml", 2, "modnas: nothing.yaml: ");
    cli_expect("run -c c.yaml -g nothing.yaml", 2, "nothing.yaml");
    cli_expect("run -c c.yaml -p nothing.safetensors", 2, "nothing.safetensors");
    util_cli_text(&cli, "bad.safetensors", "not tensors");
    cli_expect("run -c c.yaml -p bad.safetensors", 2, "bad.safetensors");
    ck_assert(!util_cli_exists(&cli, "exp"));
}
END_TEST

/* ---- image files ----------------------------------------------------------------------------------------- */

/* IDX of n images of 8x8, or of n labels 0..3; the header claims `claimed`. */
static void write_idx(const char *name, int images, int n, int claimed, int cut, int label) {
    unsigned char data[16 + 64 * 64] = {0, 0, 8, images ? 3 : 1, 0, 0, 0, (unsigned char)claimed};
    const int header = images ? 16 : 8, bytes = images ? 64 : 1;
    if (images) data[11] = data[15] = 8;
    for (int i = 0; i < n * bytes; i++) data[header + i] = (unsigned char)(images ? i * 7 : i % 4);
    if (!images) data[header] = (unsigned char)label;
    util_cli_write(&cli, name, data, (size_t)(header + n * bytes - cut));
}

START_TEST(image_files) {
    static const char images[] = "train-images-idx3-ubyte", labels[] = "train-labels-idx1-ubyte";
    cli_config(3, "train_data: {type: ImageClsData, args: {dataset: mnist, root: ., augment: {shift: 1}}}");
    write_idx(images, 1, 32, 32, 0, 0);
    write_idx(labels, 0, 32, 32, 0, 0);
    util_cli_text(&cli, "ten.yaml", "override: [model.args.n_classes=10]\n");
    cli_expect("run -c c.yaml ten.yaml -n good", 0, NULL);
    write_idx(images, 1, 32, 32, 5, 0);
    cli_expect("run -c c.yaml ten.yaml -n a", 2, images);
    write_idx(images, 1, 31, 31, 0, 0);
    cli_expect("run -c c.yaml ten.yaml -n a", 2, "31");
    write_idx(images, 1, 32, 32, 0, 0);
    write_idx(labels, 0, 32, 32, 0, 200);
    cli_expect("run -c c.yaml ten.yaml -n a", 2, "200");
    util_cli_write(&cli, labels, "\x1f\x8b\x08\0\0\0\0\0\0\x03broken", 16);
    cli_expect("run -c c.yaml ten.yaml -n a", 2, labels);
    ck_assert(!util_cli_exists(&cli, "exp/a"));
}
END_TEST

int main(void) {
    Suite *s = suite_create("cli_run");
    util_add(s, "run", cli_setup, cli_teardown,
             (const TTest *[]){writes_its_folder, trains_what_was_found, flags, configuration_from_standard_input,
                               describe, name_that_leaves, missing_files, image_files, NULL});
    util_add_loop(s, "bad", cli_setup, cli_teardown, bad_configuration, MN_COUNT(bad_configs));
    return util_run(s);
}
