/* Profiles: the jobs against the definition of the blocks, another device's measurements, what is measured here. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "export/onnx.h"
#include "util_cli.h"
#include "util_onnx.h"
#include "util_paths.h"
#include "util_profile.h"

/* ---- jobs ---------------------------------------------------------------------------------------------- */

/* Of inverted residuals (Sandler et al. 2018, table 1: without expansion depthwise 3x3, norm, ReLU6, 1x1, norm). Three
 * Slots; the last two are alike: their candidates are the same jobs. */
START_TEST(jobs_by_definition) {
    static const char yaml[] =
        "backend: ref\nmodel: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [3, 8, 3, 2]], n_classes: 4, width_coeff: 0}}\n"
        "mixed_op: {type: IndexMixedOp, candidates: {a: MB3E1, b: MB5E3}}\n";
    modnas_profile_opts opts = util_on_8x8;
    char *text = NULL;
    opts.list_jobs = 1;
    ck_assert_msg(util_profile(yaml, &opts, &text) == 0, "%s", modnas_errmsg(rig.ctx));
    int lines = 0;
    for (const char *c = text; *c; c++) lines += *c == '\n';
    ck_assert_int_eq(lines, 1 + 1 + 2 + 2);
    ck_assert_int_eq(strncmp(text, "job\tplaces\tops\n", 15), 0);
    ck_assert_msg(strstr(text, "\tfixed/-\t["), "%s", text);
    ck_assert_msg(strstr(text, "\t1/a 2/a\t["), "%s", text);
    ck_assert_msg(strstr(text, "\t1/b 2/b\t["), "%s", text);
    ck_assert_msg(strstr(text, "\t0/a\t[{\"op\":\"conv2d\",\"in\":[1,8,8,8],\"weights\":[8,1,3,3],\"out\":[1,8,4,4],"
                               "\"stride\":[2,2],\"pad\":[1,1,1,1],\"dilation\":[1,1],\"groups\":8},"
                               "{\"op\":\"batch_norm\",\"in\":[1,8,4,4],\"weights\":[1,8,1,1],\"out\":[1,8,4,4]},"
                               "{\"op\":\"activation\",\"in\":[1,8,4,4],\"out\":[1,8,4,4],\"function\":\"relu6\"},"
                               "{\"op\":\"conv2d\",\"in\":[1,8,4,4],\"weights\":[8,8,1,1],\"out\":[1,8,4,4],"
                               "\"stride\":[1,1],\"pad\":[0,0,0,0],\"dilation\":[1,1],\"groups\":1},"
                               "{\"op\":\"batch_norm\",\"in\":[1,8,4,4],\"weights\":[1,8,1,1],\"out\":[1,8,4,4]}]\n"),
                  "%s", text);
    ck_assert_msg(strstr(text, "\"in\":[1,24,8,8],\"weights\":[24,1,5,5],\"out\":[1,24,4,4],\"stride\":[2,2],"
                               "\"pad\":[2,2,2,2],\"dilation\":[1,1],\"groups\":24}"),
                  "%s", text);
    modnas_string_free(rig.ctx, text);
}
END_TEST

/* ---- another device ------------------------------------------------------------------------------------ */

START_TEST(measured_elsewhere) {
    modnas_profile_opts opts = util_on_8x8, in = util_on_8x8;
    char *jobs = NULL, *table = NULL;
    opts.list_jobs = 1;
    in.measured = "m.tsv";
    ck_assert_msg(util_profile(UTIL_SEARCH_GATES, &opts, &jobs) == 0, "%s", modnas_errmsg(rig.ctx));
    util_profile_answer(jobs, 0, "");
    ck_assert_msg(util_profile(UTIL_SEARCH_GATES, &in, &table) == 0, "%s", modnas_errmsg(rig.ctx));
    ck_assert_ptr_nonnull(strstr(table, "\nfixed\t-\t0.5\t-\t-\t"));
    ck_assert_ptr_nonnull(strstr(table, "\n0\tMB3E1\t1.5\t-\t-\t"));
    ck_assert_ptr_nonnull(strstr(table, "\n0\tMB5E1\t4.5\t-\t-\t"));
    ck_assert_ptr_nonnull(strstr(table, "\n2\tMB3E3\t10.5\t-\t-\t"));
    /* a search takes it: the least is 0.5 + 1.5 + 5.5 + 9.5 + 13.5, and that alone obeys */
    util_write_text("t.tsv", table);
    RIG_RUNS(UTIL_SEARCH_GATES "objective: {latency_table: t.tsv, subject_to: ['latency_ms <= 30.5']}\n"
                               "estim: {search: {type: SuperNetEstim, epochs: 1, baseline: false}}\n",
             NULL);
    mn_node *r = util_rig_parse(&rig, rig.results);
    ck_assert_double_eq(rig_at(r, "estim.search.best.metrics.latency_ms")->r, 30.5);
    mn_node_free(rig.ctx, r);
    modnas_string_free(rig.ctx, table);
    modnas_string_free(rig.ctx, jobs);
}
END_TEST

START_TEST(wrong_measurements) {
    static const struct {
        int without, status;
        const char *more, *text;
    } rows[] = {
        {3, MODNAS_ECONFIG, "", "which is slot 0, candidate MB3E1"},
        {0, MODNAS_ECONFIG, "0123456789ab\tphone\t1\n", "m.tsv:19: the space has no job 0123456789ab"},
        {0, MODNAS_EFORMAT, "x\tphone\tfast\n", "m.tsv:19: latency_ms is 'fast', not a number"},
        {0, MODNAS_EFORMAT, "x\tphone\t1\nx\tphone\t1\n", "m.tsv:20: job x was in line 19 already"},
        {0, MODNAS_EFORMAT, "x\n", "m.tsv:19: 1 field in a table of 3 columns"},
    };
    modnas_profile_opts opts = util_on_8x8, in = util_on_8x8;
    char *jobs = NULL, *table = NULL;
    opts.list_jobs = 1;
    in.measured = "m.tsv";
    ck_assert_int_eq(util_profile(UTIL_SEARCH_GATES, &opts, &jobs), 0);
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        util_profile_answer(jobs, rows[i].without, rows[i].more);
        ck_assert_int_eq(util_profile(UTIL_SEARCH_GATES, &in, &table), rows[i].status);
        util_search_says(rows[i].text);
        ck_assert_ptr_null(table);
    }
    in.measured = "none.tsv";
    ck_assert_int_eq(util_profile(UTIL_SEARCH_GATES, &in, &table), MODNAS_ENOTFOUND);
    modnas_string_free(rig.ctx, jobs);
}
END_TEST

START_TEST(refused) {
    static const struct {
        const char *yaml;
        modnas_profile_opts opts;
        int status;
        const char *text;
    } rows[] = {
        {UTIL_SEARCH_TOY, {0}, MODNAS_ECONFIG, "'backend: none'"},
        {"backend: ref\n" UTIL_SMALL_NET, {0}, MODNAS_ECONFIG, "no mixed ops"},
        {UTIL_SEARCH_GATES, {.input = {1, 8, 8}}, MODNAS_ESHAPE, "1 channels; the model takes 3"},
        {UTIL_SEARCH_GATES, {.input = {3, 8, 0}}, MODNAS_EINVAL, "all three or none"},
        {UTIL_SEARCH_GATES, {.batch = -1}, MODNAS_EINVAL, "a batch of -1"},
        {UTIL_SEARCH_GATES, {.runs = 1000000}, MODNAS_EINVAL, "at most 100000 runs"},
        {UTIL_SEARCH_GATES, {.list_jobs = 1, .measured = "x"}, MODNAS_EINVAL, "one of them"},
    };
    char *text = NULL;
    for (size_t i = 0; i < MN_COUNT(rows); i++) {
        modnas_profile_opts opts = rows[i].opts;
        opts.size = sizeof opts;
        ck_assert_int_eq(util_profile(rows[i].yaml, &opts, &text), rows[i].status);
        util_search_says(rows[i].text);
        ck_assert_ptr_null(text);
    }
}
END_TEST

/* Every so-manieth allocation fails: a status, nothing left over. */
START_TEST(out_of_memory) {
    modnas_profile_opts opts = util_on_8x8;
    int rc = MODNAS_ENOMEM, tries = 0;
    const int64_t live = rig.host.live;
    opts.runs = 1;
    for (int left = 0; rc; left += 13, tries++) {
        char *text = NULL;
        rig.host.left = left;
        rc = util_profile(UTIL_SEARCH_GATES, &opts, &text);
        rig.host.left = -1;
        ck_assert_msg(rc == 0 || rc == MODNAS_ENOMEM, "%d: %s", rc, modnas_errmsg(rig.ctx));
        ck_assert(!rc == (text != NULL));
        modnas_string_free(rig.ctx, text);
        if (tries) ck_assert_int_le(rig.host.live, live + 2000); /* the registry is made once */
    }
    ck_assert_int_gt(tries, 20);
}
END_TEST

/* ---- here ---------------------------------------------------------------------------------------------- */

/* MB5E3 has 11 times the multiply-adds of MB3E1 at Slot 0; the reference takes a time a multiply-add. */
START_TEST(measured_here) {
    modnas_profile_opts opts = {.size = sizeof opts, .input = {3, 16, 16}, .runs = 15};
    char *table = NULL;
    ck_assert_msg(util_profile(UTIL_SEARCH_GATES, &opts, &table) == 0, "%s", modnas_errmsg(rig.ctx));
    int lines = 0;
    for (const char *c = table; *c; c++) lines += *c == '\n';
    ck_assert_int_eq(lines, 1 + 1 + 16);
    ck_assert_int_eq(strncmp(table, "slot\tcandidate\tlatency_ms\tspread_ms\truns\tjob\n", 45), 0);
    ck_assert_double_gt(util_profile_ms(table, "\nfixed\t-\t"), 0);
    ck_assert_double_gt(util_profile_ms(table, "\n0\tMB5E3\t"), 2 * util_profile_ms(table, "\n0\tMB3E1\t"));
    ck_assert_double_gt(util_profile_ms(table, "\n1\tMB5E3\t"), util_profile_ms(table, "\n1\tMB3E1\t"));
    /* recorded once, a search on it is the same bytes again */
    util_write_text("t.tsv", table);
    static const char yaml[] = UTIL_SEARCH_GATES "objective: {latency_table: t.tsv}\n"
                                                 "estim: {search: {type: SuperNetEstim, epochs: 1, arch_update_intv: 1, "
                                                 "baseline: false, criterion: [{type: AddMetricsLoss, mode: valid, "
                                                 "args: {metrics: latency_ms, lamd: 1}}]}}\n";
    RIG_RUNS(yaml, RIG_OVER("name=a"));
    RIG_RUNS(yaml, RIG_OVER("name=b"));
    ck_assert(rig_same_run("a", "b"));
    modnas_string_free(rig.ctx, table);
}
END_TEST

/* By hand: the middle; quartiles are the elements at a quarter and three quarters. */
START_TEST(of_a_whole_network) {
    modnas_profile_opts opts = util_on_8x8, in = util_on_8x8;
    char *jobs = NULL, *table = NULL;
    opts.list_jobs = 1;
    in.measured = "m.tsv";
    ck_assert_int_eq(util_profile(UTIL_SEARCH_GATES, &opts, &jobs), 0);
    util_profile_answer(jobs, 2, "net\tphone\t40.25\n"); /* no fixed part: it is 40.25 - 1.5 - 5.5 - 9.5 - 13.5 */
    ck_assert_msg(util_profile(UTIL_SEARCH_GATES, &in, &table) == 0, "%s", modnas_errmsg(rig.ctx));
    ck_assert_ptr_nonnull(strstr(table, "\nfixed\t-\t10.25\t-\t-\t"));
    modnas_string_free(rig.ctx, table);
    table = NULL;
    util_profile_answer(jobs, 2, "");
    ck_assert_int_eq(util_profile(UTIL_SEARCH_GATES, &in, &table), MODNAS_ECONFIG);
    util_search_says("which is the fixed part, and no job net");
    ck_assert_ptr_null(table);
    modnas_string_free(rig.ctx, jobs);
}
END_TEST

/* A file for every job but the fixed part, which its own check takes, of the sizes in the list. */
START_TEST(files_of_jobs) {
    modnas_profile_opts opts = util_on_8x8;
    char *jobs = NULL, path[64];
    int n = 0;
    opts.list_jobs = 1;
    opts.jobs_dir = "made/here";
    ck_assert_msg(util_profile(UTIL_SEARCH_GATES, &opts, &jobs) == 0, "%s", modnas_errmsg(rig.ctx));
    for (const char *line = strchr(jobs, '\n') + 1; *line; line = strchr(line, '\n') + 1, n++) {
        size_t bytes;
        snprintf(path, sizeof path, "made/here/%.12s.onnx", line);
        char *onnx = util_rig_read(path, &bytes);
        ck_assert_msg(!onnx == !n, "%s", path);
        if (onnx) ck_assert_msg(mn_onnx_check(rig.ctx, onnx, bytes, path) == 0, "%s", modnas_errmsg(rig.ctx));
        free(onnx);
    }
    ck_assert_int_eq(n, 17);
    ck_assert(util_rig_exists("made/here/net.onnx"));
    modnas_string_free(rig.ctx, jobs);
    opts.list_jobs = 0;
    jobs = NULL;
    ck_assert_int_eq(util_profile(UTIL_SEARCH_GATES, &opts, &jobs), MODNAS_EINVAL);
    util_search_says("jobs_dir without list_jobs");
}
END_TEST

/* By ONNX Runtime, with the script of the examples; its table is taken. */
START_TEST(timed_by_another) {
    util_onnx u;
    util_cli cli;
    char line[1200], root[512];
    util_onnx_open(&u);
    fclose(u.jobs);
    if (!u.found) {
        printf("profile: skipped, '%s' has no onnxruntime: tools/onnx.sh installs it\n", u.python);
        return;
    }
    util_path_beside(4, "", root, sizeof root);
    util_cli_new(&cli);
    util_cli_text(&cli, "s.yaml", UTIL_SEARCH_GATES);
    ck_assert_msg(util_cli_run(&cli, "profile -c s.yaml --input 3x8x8 --emit jobs --check 3") == 0, "%s", cli.err);
    snprintf(line, sizeof line, "cd '%s' && '%s' '%s/docs/examples/time_jobs.py' jobs 3 > m.tsv", cli.folder, u.python, root);
    ck_assert_int_eq(system(line), 0);
    ck_assert_msg(util_cli_run(&cli, "profile -c s.yaml --input 3x8x8 --import m.tsv --out t.tsv") == 0, "%s", cli.err);
    char *table = util_cli_read(&cli, "t.tsv");
    ck_assert_ptr_nonnull(strstr(table, "\n3\tMB5E1\t"));
    free(table);
    ck_assert_msg(util_cli_run(&cli, "profile -c s.yaml --input 3x8x8 --import m.tsv --check 3") == 0, "%s", cli.err);
    ck_assert_ptr_nonnull(strstr(cli.out, "3 networks, seed 3: Spearman "));
    ck_assert_ptr_nonnull(strstr(cli.out, "\nwhole\t"));
    util_cli_free(&cli);
}
END_TEST

/* ---- the program --------------------------------------------------------------------------------------- */

START_TEST(program) {
    util_cli cli;
    util_cli_new(&cli);
    util_cli_text(&cli, "s.yaml", UTIL_SEARCH_GATES);
    ck_assert_msg(util_cli_run(&cli, "profile -c s.yaml --input 3x8x8 --runs 2 --out t.tsv") == 0, "%s", cli.err);
    ck_assert_str_eq(cli.out, "");
    char *table = util_cli_read(&cli, "t.tsv");
    ck_assert_ptr_nonnull(strstr(table, "\n3\tMB5E1\t"));
    free(table);
    ck_assert_int_eq(util_cli_run(&cli, "profile -c s.yaml --input 3x8x8 --emit jobs"), 0);
    ck_assert(util_cli_exists(&cli, "jobs/jobs.tsv"));
    ck_assert_int_eq(util_cli_run(&cli, "profile -c s.yaml --input 3x8x8 --import t.tsv"), 0); /* has its columns, too */
    ck_assert_ptr_nonnull(strstr(cli.out, "\n3\tMB5E1\t"));
    ck_assert_int_eq(util_cli_run(&cli, "profile -c s.yaml --input 3x8x8 --runs 1 --check 3 --import t.tsv --out nets.tsv"), 0);
    ck_assert_ptr_nonnull(strstr(cli.out, "3 networks, seed 3: Spearman "));
    char *nets = util_cli_read(&cli, "nets.tsv");
    ck_assert_ptr_nonnull(strstr(nets, "net\tpredicted_ms\tmeasured_ms\tspread_ms\terror\tarch\tresidual_ms.fixed\t"));
    free(nets);
    ck_assert_int_eq(util_cli_run(&cli, "profile -c s.yaml --check none"), 2);
    ck_assert_int_eq(util_cli_run(&cli, "profile -c s.yaml --check 10001 --input 3x8x8 --emit jobs"), 2);
    ck_assert_ptr_nonnull(strstr(cli.err, "10001 networks, wanted are 1 to 10000"));
    ck_assert_int_eq(util_cli_run(&cli, "profile -c s.yaml --emit jobs --out t.tsv"), 2);
    ck_assert_int_eq(util_cli_run(&cli, "profile -c s.yaml --runs 0"), 2);
    ck_assert_int_eq(util_cli_run(&cli, "profile -c s.yaml --input 3x8x8 --runs 1 --out no/t.tsv"), 1);
    ck_assert_ptr_nonnull(strstr(cli.err, "no/t.tsv: "));
    util_cli_free(&cli);
}
END_TEST

int main(void) {
    Suite *s = suite_create("profile");
    util_add(s, "profiles", rig_setup, rig_teardown,
             (const TTest *[]){jobs_by_definition, measured_elsewhere, wrong_measurements, refused, out_of_memory, measured_here,
                               of_a_whole_network, files_of_jobs, timed_by_another, NULL});
    util_add(s, "program", NULL, NULL, (const TTest *[]){program, NULL});
    return util_run(s);
}
